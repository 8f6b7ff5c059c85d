"""The admin site: unfold's, with one-time codes where settings ask for them, and the page where a lab is chosen."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.forms import AdminAuthenticationForm
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.sites import UnfoldAdminSite

from core.desk import codes
from core.desk.access import access_of, choose_lab, labs_to_choose, leave_lab
from core.models import Lab


class DeskSite(UnfoldAdminSite):  # type: ignore[misc]
    """`admin.site`. Staff need a role in a lab to see anything of it."""

    index_title = "Today"
    login_template = "admin/desk_login.html"

    @property
    def login_form(self) -> type[AdminAuthenticationForm]:
        return codes.LoginWithCode if settings.OTP_REQUIRED else codes.Login

    @login_form.setter
    def login_form(self, _form: Any) -> None:
        """Unfold sets its own when the site is made; ours has its looks."""

    def has_permission(self, request: HttpRequest) -> bool:
        return bool(super().has_permission(request)) and codes.is_enough(request)

    def extra_urls(self) -> list[URLPattern]:
        return [
            path("labs/", self.admin_view(self.labs_view), name="labs"),
            path("labs/leave/", self.admin_view(self.leave_view), name="labs_leave"),
            path("labs/<slug:slug>/", self.admin_view(self.choose_view), name="labs_choose"),
            path("code/", self.admin_view(self.code_view), name="code"),
        ]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context: dict[str, Any] = super().each_context(request)
        context["desk"] = access_of(request)
        return context

    def labs_view(self, request: HttpRequest) -> HttpResponse:
        """Every lab that the person may choose, each with a button: choosing writes, so it is a POST."""
        access = access_of(request)
        rows = [
            {"lab": lab, "is_member": lab.pk in access.member_labs, "is_open": [lab.pk] == [*access.labs]}
            for lab in labs_to_choose(request)
        ]
        context = {**self.each_context(request), "title": "Labs", "rows": rows}
        return TemplateResponse(request, "admin/labs.html", context)

    def choose_view(self, request: HttpRequest, slug: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        lab = Lab.objects.filter(slug=slug).first()
        try:
            if lab is None:
                raise LookupError
            choose_lab(request, lab)
        except LookupError:
            raise Http404 from None
        messages.success(request, f"You are looking at {lab.name}.")
        return HttpResponseRedirect(reverse("admin:index"))

    def leave_view(self, request: HttpRequest) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        leave_lab(request)
        return HttpResponseRedirect(reverse("admin:index"))

    def code_view(self, request: HttpRequest) -> HttpResponse:
        """Ask for a fresh one-time code, then go on to where it was wanted."""
        form = codes.CodeForm(request.user, request.POST or None)
        if request.method == "POST" and form.is_valid():
            codes.note_code(request)
            return HttpResponseRedirect(codes.next_of(request))
        context = {**self.each_context(request), "title": "One-time code", "form": form, "next": codes.next_of(request)}
        return TemplateResponse(request, "admin/code.html", context)
