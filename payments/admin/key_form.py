"""The form of a gateway key, generated from the gateway's own declaration of its fields. Secrets go in, never out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django import forms
from django.http import QueryDict
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from core import clock
from core.desk import showing
from core.gateways.credentials import Masked
from core.gateways.types import CredentialField, Description
from payments.models import PaymentGatewayKey
from payments.services.keys import CredentialsRefused

PREFIX: Final = "credential_"  # a gateway may call a field `label`
_NO_AUTOFILL: Final = {"autocomplete": "new-password", "spellcheck": "false", "autocapitalize": "off"}


class SecretTextarea(UnfoldAdminTextareaWidget):
    """For secrets of several lines: like a password field it is always sent out empty."""

    def get_context(self, name: str, value: Any, attrs: Mapping[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


class KeyForm(forms.Form):
    """`label` and `priority`, then one field for each credential. What the values must be, the service decides."""

    use_required_attribute = False

    label = forms.CharField(
        max_length=120, required=False, widget=UnfoldAdminTextInputWidget(), help_text="Your own name for this account."
    )
    priority = forms.IntegerField(
        min_value=0, max_value=32767, initial=100, widget=UnfoldAdminIntegerFieldWidget(),
        help_text="Of the keys that can take a payment the one with the lowest number is used.",
    )  # fmt: skip

    def __init__(
        self, about: Description, *, key: PaymentGatewayKey | None = None, data: QueryDict | None = None
    ) -> None:
        initial = {} if key is None else {"label": key.label, "priority": key.priority}
        super().__init__(data, initial=initial)
        self._names = [one.name for one in about.credentials if not one.is_filled_by_platform]
        for one in about.credentials:
            if not one.is_filled_by_platform:
                self.fields[PREFIX + one.name] = _field(one, key)
        self.order_fields([PREFIX + name for name in self._names])

    @property
    def values(self) -> dict[str, str]:
        """The credentials as typed, by the gateway's names."""
        return {name: self.cleaned_data.get(PREFIX + name) or "" for name in self._names}

    def take_errors(self, refused: CredentialsRefused) -> None:
        """Show each refusal at its field."""
        for error in refused.errors:
            name = PREFIX + error["field"]
            self.add_error(name if name in self.fields else None, error["detail"])


def _field(one: CredentialField, key: PaymentGatewayKey | None) -> forms.Field:
    kept = None if key is None else key.credentials.get(one.name)
    options: dict[str, Any] = {
        "label": one.label if one.is_required else f"{one.label} (optional)",
        "help_text": " ".join(part for part in (one.help, _previous(one, key)) if part),
        "required": False,  # the service says it in a sentence, and blank keeps what is there
        "initial": None if one.is_secret else kept or one.default,
    }
    if one.choices:  # the service knows the choices, and says it together with what else is wrong
        return forms.CharField(widget=UnfoldAdminSelectWidget(choices=one.choices), **options)
    return forms.CharField(widget=_widget(one, _placeholder(one, key, is_set=bool(kept))), strip=True, **options)


def _widget(one: CredentialField, placeholder: str) -> forms.Widget:
    attrs = {"placeholder": placeholder, **_NO_AUTOFILL}
    if one.is_multiline:
        return SecretTextarea(attrs) if one.is_secret else UnfoldAdminTextareaWidget(attrs)
    if one.is_secret:
        return UnfoldAdminPasswordWidget(attrs, render_value=False)
    return UnfoldAdminTextInputWidget({"placeholder": placeholder, "spellcheck": "false"})


def _placeholder(one: CredentialField, key: PaymentGatewayKey | None, *, is_set: bool) -> str:
    if key is None or not one.is_secret or not is_set:
        return one.example
    return f"{masked(key, one.name)} – leave blank to keep"


def masked(key: PaymentGatewayKey, name: str) -> Masked:
    """What may be shown of a kept secret."""
    facts = key.secret_facts.get(name)
    return Masked(False) if facts is None else Masked(True, facts.get("last_four") or None)


def _previous(one: CredentialField, key: PaymentGatewayKey | None) -> str:
    if key is None or not one.rotates:
        return ""
    ends = [datetime.fromisoformat(kept["until"]) for kept in key.previous_secrets if kept["field"] == one.name]
    valid = [end for end in ends if end > clock.now()]
    return f"The value before this one is still accepted until {showing.time(max(valid))}." if valid else ""
