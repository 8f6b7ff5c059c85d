"""One-time codes of staff (TOTP): asked for at login, and a fresh one before secrets or money are touched.

Only where `settings.OTP_REQUIRED` says so (production). Each code works once: the device remembers the last one.
"""

from __future__ import annotations

import time
from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django_otp import match_token
from unfold.forms import AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES

FRESH_SECONDS: Final = 600  # INVARIANTS §11
_SESSION: Final = "desk_code_at"
_CODE_ATTRS: Final = {
    "autocomplete": "one-time-code",
    "inputmode": "numeric",
    "maxlength": "8",
    "class": " ".join(BASE_INPUT_CLASSES),
}


class Login(AuthenticationForm):  # type: ignore[misc]
    """Name and password."""


class LoginWithCode(Login):
    """Name, password and the code of the person's device. Which device it is, the code tells."""

    otp_token = forms.CharField(
        label="One-time code", required=False, widget=forms.TextInput(attrs=_CODE_ATTRS), help_text="From your app."
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean()
        user = self.get_user()
        if user is not None:
            user.otp_device = _device_of(user, cleaned.get("otp_token", ""))  # django-otp keeps it in the session
        return cleaned


def _device_of(user: Any, code: str) -> Any:
    """The person's device that shows this code now. Raises ValidationError; wrong codes make a device wait."""
    device = match_token(user, code.strip()) if code.strip() else None
    if device is None:
        raise forms.ValidationError("This code is wrong or was used before: wait for the next one.")
    return device


class CodeForm(forms.Form):
    """A fresh code of the person who is logged in."""

    code = forms.CharField(label="One-time code", max_length=8, widget=forms.TextInput(attrs=_CODE_ATTRS))

    def __init__(self, user: Any, data: QueryDict | None = None) -> None:
        super().__init__(data)
        self._user = user

    def clean_code(self) -> str:
        code = str(self.cleaned_data["code"])
        _device_of(self._user, code)
        return code


def is_enough(request: HttpRequest) -> bool:
    """Whether the person of this session has shown a code, where one is asked for."""
    user: Any = request.user
    return not settings.OTP_REQUIRED or bool(user.is_verified())


def note_code(request: HttpRequest) -> None:
    """A right code was shown in this session just now."""
    request.session[_SESSION] = int(time.time())


def is_fresh(request: HttpRequest) -> bool:
    """Whether the last code is at most ten minutes old; always where none is asked for."""
    shown = request.session.get(_SESSION, 0)
    return not settings.OTP_REQUIRED or 0 <= time.time() - shown <= FRESH_SECONDS


def ask_for_code(request: HttpRequest, *, then: str) -> HttpResponseRedirect:
    """To the page that asks for a code and goes on to `then`, an address of ours."""
    query = QueryDict(mutable=True)
    query["next"] = then
    return HttpResponseRedirect(f"{reverse('admin:code')}?{query.urlencode(safe='/')}")


def next_of(request: HttpRequest) -> str:
    """Where a request wants to go next, if that is a page of this site; else the first page."""
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None, require_https=request.is_secure())
    return wanted if is_ours and wanted.startswith("/admin/") else reverse("admin:index")


def _note_login(request: HttpRequest, user: Any, **_rest: Any) -> None:
    if getattr(user, "otp_device", None) is not None:
        note_code(request)


user_logged_in.connect(_note_login, dispatch_uid="core.desk.codes")
