"""One Razorpay account: its keys and secrets, checked when built."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from core.gateways.config_values import matching, text_of, texts_of
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import Mode

API: Final = "https://api.razorpay.com"  # test and live: only the key tells
LINKS: Final = "https://rzp.io"  # where a Payment Link's `short_url` lies
SCRIPT_ORIGIN: Final = "https://checkout.razorpay.com"
SCRIPT_URL: Final = f"{SCRIPT_ORIGIN}/v1/checkout.js"  # may not be self-hosted
HOSTED_CHECKOUT_URL: Final = f"{API}/v1/checkout/embedded"  # takes a browser's form post, needs no script

MIN_SECRET_LENGTH: Final = 8  # Razorpay takes shorter webhook secrets; here they count as not configured

# The length is not insisted on: samples differ.
KEY_ID: Final = {Mode.TEST: r"rzp_test_[A-Za-z0-9]+", Mode.LIVE: r"rzp_live_[A-Za-z0-9]+"}
# Unconfirmed: whether test and live share the account id; so it is compared, and never tells the mode.
ACCOUNT_ID: Final = r"acc_[A-Za-z0-9]+"
KEY_SECRET: Final = r"[!-~]+"
USUAL_KEY_SECRET: Final = r"[A-Za-z0-9]{18,32}"  # about 24; a webhook secret is whatever the merchant typed

_ANY_KEY_ID: Final = re.compile(r"rzp_(test|live)_[A-Za-z0-9]+", re.ASCII)
_PLACEHOLDERS: Final = frozenset({"changeme", "change-me", "change_me", "placeholder", "your-secret", "your_secret"})
_ONE_CHARACTER: Final = re.compile(r"(.)\1*")


@dataclass(frozen=True, slots=True, kw_only=True)
class RazorpayConfig:
    """`webhook_secrets` and `return_secrets` hold the usable ones, the current first.

    The key secret signs browser returns, the webhook secret signs webhooks: the two are never mixed.
    """

    mode: Mode
    key_id: str | None
    key_secret: str | None = field(repr=False)
    return_secrets: tuple[str, ...] = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    account_id: str | None

    @classmethod
    def of(cls, credentials: Mapping[str, Any], *, mode: Mode) -> Self:
        """Raises GatewayMisconfigured for a value of the wrong shape, mode or field; says which, never its text."""
        key_id = (
            matching(credentials, "key_id", KEY_ID[mode], f"the Key Id of a {mode} account, rzp_{mode}_...") or None
        )
        key_secret = _key_secret(credentials)
        webhook_secret = text_of(credentials, "webhook_secret", is_trimmed=False)
        _refuse_swapped(key_secret, webhook_secret)
        webhook_secrets = [webhook_secret, *texts_of(credentials, "previous_webhook_secrets", is_trimmed=False)]
        return_secrets = [key_secret or "", *texts_of(credentials, "previous_key_secrets")]
        return cls(
            mode=mode,
            key_id=key_id,
            key_secret=key_secret,
            return_secrets=tuple(one for one in return_secrets if is_usable_secret(one)),
            # Without a usable current secret nothing is believed, whatever was valid before.
            webhook_secrets=tuple(one for one in webhook_secrets if is_usable_secret(one))
            if is_usable_secret(webhook_secret)
            else (),
            account_id=matching(credentials, "account_id", ACCOUNT_ID, "an account id, acc_...") or None,
        )

    def page_key(self) -> str:
        """The Key Id, which browsers see. Raises GatewayMisconfigured where none is set."""
        if self.key_id is None:
            raise GatewayMisconfigured("no Key Id is set for this Razorpay account")
        return self.key_id

    def api_key(self) -> tuple[str, str]:
        """Key Id and Key Secret. Raises GatewayMisconfigured where one is missing."""
        if self.key_secret is None:
            raise GatewayMisconfigured("no Key Secret is set for this Razorpay account")
        return self.page_key(), self.key_secret

    def all_secrets(self) -> tuple[str, ...]:
        """What must never be seen in an answer, message or log."""
        return tuple(dict.fromkeys([*((self.key_secret,) if self.key_secret else ()), *self.return_secrets,
                                    *self.webhook_secrets]))  # fmt: skip


def is_usable_secret(value: str) -> bool:
    """Whether a secret can prove anything: 8 characters or more, no filler."""
    trimmed = value.strip()
    if len(trimmed) < MIN_SECRET_LENGTH or trimmed.lower() in _PLACEHOLDERS or trimmed.endswith("..."):
        return False
    return _ONE_CHARACTER.fullmatch(value) is None


def _key_secret(credentials: Mapping[str, Any]) -> str | None:
    secret = text_of(credentials, "key_secret")
    if not secret:
        return None
    if not re.fullmatch(KEY_SECRET, secret, re.ASCII):
        raise GatewayMisconfigured("key_secret holds a space or a character that no key secret has")
    return secret


def _refuse_swapped(key_secret: str | None, webhook_secret: str) -> None:
    if key_secret is not None and _ANY_KEY_ID.fullmatch(key_secret):
        raise GatewayMisconfigured("key_secret holds a Key Id: the two may be swapped")
    if _ANY_KEY_ID.fullmatch(webhook_secret.strip()):
        raise GatewayMisconfigured("webhook_secret holds a Key Id: the two may be swapped")
    if key_secret is not None and webhook_secret.strip() == key_secret:
        raise GatewayMisconfigured("webhook_secret is the Key Secret: it is a text of its own, typed per webhook")
