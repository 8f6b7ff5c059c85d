"""One Stripe account: its keys, checked when built, and the constants of the version we speak."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from core.gateways.config_values import is_encodable, matching, text_of, texts_of
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import Mode

API: Final = "https://api.stripe.com"
CHECKOUT: Final = "https://checkout.stripe.com"  # normally; a merchant may have a domain of its own
SCRIPT_ORIGIN: Final = "https://js.stripe.com"
SCRIPT_URL: Final = f"{SCRIPT_ORIGIN}/v3/"  # may not be self-hosted

# Pins the shape of requests and answers. Create the webhook endpoint with the same version: events are rendered in the
# endpoint's, never in the request's.
STRIPE_API_VERSION: Final = "2026-10-28.endive"

MIN_SECRET_LENGTH: Final = 8

# Any length is genuine, so only the prefix is checked.
SECRET_KEY: Final = {
    Mode.TEST: r"(sk|rk)_test_[A-Za-z0-9_]+",
    Mode.LIVE: r"(sk|rk)_live_[A-Za-z0-9_]+",
}
PUBLISHABLE_KEY: Final = {
    Mode.TEST: r"pk_test_[A-Za-z0-9_]+",
    Mode.LIVE: r"pk_live_[A-Za-z0-9_]+",
}
ACCOUNT_ID: Final = r"acct_[A-Za-z0-9_]+"

_PLACEHOLDERS: Final = frozenset({"changeme", "change-me", "change_me", "placeholder", "your-secret", "your_secret"})
_ONE_CHARACTER: Final = re.compile(r"(whsec_)?(.)\2*")


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeConfig:
    """`webhook_secrets` holds the usable ones, the current first; the rest may be None while nobody needs them."""

    mode: Mode
    secret_key: str | None = field(repr=False)
    publishable_key: str | None
    webhook_secrets: tuple[str, ...] = field(repr=False)
    account_id: str | None

    @classmethod
    def of(cls, credentials: Mapping[str, Any], *, mode: Mode) -> Self:
        """Raises GatewayMisconfigured for a value of the wrong shape or mode; says which, never its text."""
        previous = texts_of(credentials, "previous_webhook_secrets", is_trimmed=False)
        current = text_of(credentials, "webhook_secret", is_trimmed=False)
        # Without a usable current secret nothing is believed, whatever was valid before.
        secrets = [current, *previous] if is_usable_secret(current) else []
        return cls(
            mode=mode,
            secret_key=matching(credentials, "secret_key", SECRET_KEY[mode], f"a secret or restricted {mode} key")
            or None,
            publishable_key=matching(credentials, "publishable_key", PUBLISHABLE_KEY[mode], f"a {mode} key, pk_...")
            or None,
            webhook_secrets=tuple(one for one in secrets if is_usable_secret(one)),
            account_id=matching(credentials, "account_id", ACCOUNT_ID, "an account id, acct_...") or None,
        )

    def key(self) -> str:
        """The secret key. Raises GatewayMisconfigured where none is set."""
        if self.secret_key is None:
            raise GatewayMisconfigured("no secret key is set for this Stripe account")
        return self.secret_key

    def page_key(self) -> str:
        """The publishable key. Raises GatewayMisconfigured where none is set."""
        if self.publishable_key is None:
            raise GatewayMisconfigured("an embedded page needs the publishable key of this Stripe account")
        return self.publishable_key

    def all_secrets(self) -> tuple[str, ...]:
        """What must never be seen in an answer, message or log."""
        return (*((self.secret_key,) if self.secret_key else ()), *self.webhook_secrets)


def is_usable_secret(value: object) -> bool:
    """Whether a webhook secret can prove anything: text, 8 characters or more, no filler."""
    if not isinstance(value, str) or len(value.strip()) < MIN_SECRET_LENGTH:
        return False
    if value.strip().lower() in _PLACEHOLDERS or value.endswith("...") or _ONE_CHARACTER.fullmatch(value):
        return False
    return is_encodable(value)
