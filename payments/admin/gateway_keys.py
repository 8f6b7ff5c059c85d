"""Gateway keys at the desk: add, change, test, switch. Every change goes through `payments.services.keys`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from core import audit, clock
from core.desk import codes, filters, showing
from core.desk.access import Ability, access_of
from core.desk.scoped import DeskAdmin, address_of, badge_column
from core.encryption import CannotOpen
from core.gateways import registry
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import Description, Mode
from core.models import Lab
from payments.admin.key_form import KeyForm, masked
from payments.models import PaymentGatewayKey
from payments.services import keys

View = Callable[..., HttpResponseBase]
CANNOT_BE_OPENED: Final = "cannot be opened"


@admin.register(PaymentGatewayKey)
class GatewayKeyAdmin(DeskAdmin):
    """Owners and managers change them; the others see that they exist and whether they work."""

    address_field: ClassVar[str] = "public_id"
    list_display = ("__str__", "gateway_label", badge_column("mode"), "state", "checked", "webhook", "priority", "lab")
    list_filter = (filters.LabFilter, filters.GatewayFilter, filters.ModeFilter)
    search_fields = ("=public_id", "label__istartswith")
    search_help_text = "A key's id or the beginning of its label"
    ordering = ("lab_id", "mode", "priority", "pk")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access_of(request).may(Ability.CHANGE_KEYS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access_of(request).may(Ability.CHANGE_KEYS, None if obj is None else obj.lab_id)

    # Columns ----------------------------------------------------------------------------------------------------------

    @admin.display(description="gateway")
    def gateway_label(self, key: PaymentGatewayKey) -> str:
        return label_of(key.gateway)

    @admin.display(description="state")
    def state(self, key: PaymentGatewayKey) -> str:
        word, tone = health(key)
        return showing.badge(word, tone)

    @admin.display(description="last check")
    def checked(self, key: PaymentGatewayKey) -> str:
        return showing.ago(key.last_check_at, clock.now())

    @admin.display(description="last webhook")
    def webhook(self, key: PaymentGatewayKey) -> str:
        return showing.ago(key.last_verified_webhook_at, clock.now())

    # Pages ------------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("<str:object_id>/check/", wrap(self.check_view), name="payments_paymentgatewaykey_check"),
            path("<str:object_id>/switch/", wrap(self.switch_view), name="payments_paymentgatewaykey_switch"),
        ]
        return [*own, *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """First gateway, mode and lab, then the fields that this gateway needs."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        if not codes.is_fresh(request):
            return codes.ask_for_code(request, then=request.get_full_path())
        labs = [access_of(request).labs[lab_id] for lab_id in access_of(request).lab_ids(Ability.CHANGE_KEYS)]
        asked = request.POST if request.method == "POST" else request.GET
        lab = labs[0] if len(labs) == 1 else next((one for one in labs if one.slug == asked.get("lab")), None)
        about, mode = about_of(asked.get("gateway", "")), asked.get("mode", "")
        if lab is None or about is None or mode not in set(Mode):
            return self._choose_page(request, labs)
        return self._add_page(request, lab, asked["gateway"], about, Mode(mode))

    def _choose_page(self, request: HttpRequest, labs: list[Lab]) -> HttpResponse:
        context = self.page_context(
            request, title="Add a gateway key", labs=labs, gateways=registry.descriptions(), modes=[*Mode]
        )
        return TemplateResponse(request, "admin/payments/gateway_key/choose.html", context)

    def _add_page(
        self, request: HttpRequest, lab: Lab, gateway: str, about: Description, mode: Mode
    ) -> HttpResponseBase:
        form = KeyForm(about, data=request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                key = keys.create_gateway_key(
                    lab=lab, gateway=gateway, mode=mode, values=form.values, actor=request.user,
                    label=form.cleaned_data["label"], priority=form.cleaned_data["priority"],
                )  # fmt: skip
            except keys.CredentialsRefused as refused:
                form.take_errors(refused)
            else:
                messages.success(request, "The key is saved. Now test the connection and set up the webhook.")
                return HttpResponseRedirect(address_of(key, key.public_id))
        context = self.page_context(
            request, title=f"Add a {about.label} key", form=form, lab=lab, gateway=gateway, about=about, mode=mode
        )
        return TemplateResponse(request, "admin/payments/gateway_key/add.html", context)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        key = self.found(request, object_id)
        if key is None:
            return self.missing(request, object_id)
        may_change = self.has_change_permission(request, key)
        if request.method == "POST" and not may_change:
            raise PermissionDenied
        about = about_of(key.gateway)
        if request.method == "POST" and about is not None:
            return self._save(request, key, about)
        form = KeyForm(about, key=key) if may_change and about is not None else None
        return self._page(request, key, about, form)

    def _save(self, request: HttpRequest, key: PaymentGatewayKey, about: Description) -> HttpResponseBase:
        if not codes.is_fresh(request):
            return codes.ask_for_code(request, then=request.path)
        form = KeyForm(about, key=key, data=request.POST)
        if form.is_valid():
            try:
                keys.update_gateway_key(
                    key=key, values=form.values, actor=request.user, label=form.cleaned_data["label"],
                    priority=form.cleaned_data["priority"],
                )  # fmt: skip
            except keys.CredentialsRefused as refused:
                form.take_errors(refused)
            else:
                messages.success(request, "Saved.")
                return HttpResponseRedirect(request.path)
        return self._page(request, key, about, form)

    def _page(
        self, request: HttpRequest, key: PaymentGatewayKey, about: Description | None, form: KeyForm | None
    ) -> HttpResponse:
        word, tone = health(key)
        url, why_not = _webhook_url(key) if form is not None else ("", "")
        context = self.page_context(
            request, title=str(key), key=key, about=about, form=form, webhook_url=url, no_webhook_url=why_not,
            state=showing.badge(word, tone), is_broken=word == CANNOT_BE_OPENED, secrets=_secrets(key, about),
            needs_code=not codes.is_fresh(request), now=clock.now(), show_time=showing.time, original=key,
            last_check=showing.time(key.last_check_at), last_webhook=showing.time(key.last_verified_webhook_at),
        )  # fmt: skip
        return TemplateResponse(request, "admin/payments/gateway_key/key.html", context)

    # Buttons ----------------------------------------------------------------------------------------------------------

    def check_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask the gateway whether the credentials work. No transaction is open meanwhile."""
        return self._pressed(request, object_id, _check)

    def switch_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Take a key out of use, or back into it."""
        if not codes.is_fresh(request):
            return codes.ask_for_code(
                request, then=reverse("admin:payments_paymentgatewaykey_change", args=(object_id,))
            )
        return self._pressed(request, object_id, _switch)

    def _pressed(
        self, request: HttpRequest, object_id: str, work: Callable[[HttpRequest, PaymentGatewayKey], None]
    ) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        key = self.found(request, object_id)
        if key is None:
            return self.missing(request, object_id)
        if not self.has_change_permission(request, key):
            raise PermissionDenied
        work(request, key)
        return HttpResponseRedirect(address_of(key, key.public_id))


def _check(request: HttpRequest, key: PaymentGatewayKey) -> None:
    found = keys.check_gateway_key(key=key)
    audit.record(
        lab=key.lab_id, actor=request.user, action="gateway_key.checked", object_type="gateway_key",
        object_id=key.public_id, changes={"ok": found.ok},
    )  # fmt: skip
    details = "".join(f" {name}: {value}." for name, value in found.details.items())
    answer = f"{found.message}{details}"
    (messages.success if found.ok else messages.error)(request, answer)


def _switch(request: HttpRequest, key: PaymentGatewayKey) -> None:
    wanted = request.POST.get("active") == "1"
    if wanted:
        keys.update_gateway_key(key=key, values={}, actor=request.user, is_active=True)
    else:
        keys.disable_gateway_key(key=key, actor=request.user)
    messages.success(
        request, "The key is in use again." if wanted else "The key is switched off: nothing goes through it."
    )


# Facts ----------------------------------------------------------------------------------------------------------------


def about_of(gateway: str) -> Description | None:
    """What a gateway says about itself; None where it is not installed."""
    try:
        return registry.gateway_class(gateway).about
    except registry.UnknownGateway:
        return None


def label_of(gateway: str) -> str:
    """A gateway's name for people; its slug where it is not installed."""
    about = about_of(gateway)
    return about.label if about else gateway


def health(key: PaymentGatewayKey) -> tuple[str, str]:
    """One word on whether a key can be used, and its tone. The gravest first; asks no gateway."""
    if not can_be_opened(key):
        return CANNOT_BE_OPENED, showing.BAD
    if not key.is_active:
        return "switched off", showing.PLAIN
    if key.problem or key.last_check_ok is False:
        return "problem", showing.BAD
    return ("works", showing.GOOD) if key.last_check_ok else ("not tested", showing.WARN)


def can_be_opened(key: PaymentGatewayKey) -> bool:
    """Whether the kept credentials can be used for a call."""
    try:
        keys.open_key(keys.key_row_of(key))
    except GatewayMisconfigured:
        return False
    return True


def _webhook_url(key: PaymentGatewayKey) -> tuple[str, str]:
    try:
        return keys.key_row_of(key).webhook_url(), ""
    except CannotOpen:
        return "", "The webhook address of this key cannot be opened either: add a new key."


def _secrets(key: PaymentGatewayKey, about: Description | None) -> list[tuple[str, str, str]]:
    """Label, what may be shown, fingerprint."""
    declared = [] if about is None else [one for one in about.credentials if one.is_secret]
    facts = key.secret_facts
    return [(one.label, str(masked(key, one.name)), facts.get(one.name, {}).get("fingerprint", "")) for one in declared]
