"""What a Tollbooth account consists of, and what the gateway says about itself."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from core.gateways.config_values import text_of, texts_of
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import CredentialField, Description, Mode, PollStep, ReferenceRule

API: Final[Mapping[Mode, str]] = {
    Mode.TEST: "https://test-api.tollbooth.example",
    Mode.LIVE: "https://api.tollbooth.example",
}
PAGE: Final = "https://pay.tollbooth.example"  # where customers pay, in both modes
API_KEYS: Final[Mapping[Mode, str]] = {Mode.TEST: "tb_test_[A-Za-z0-9]{16,64}", Mode.LIVE: "tb_live_[A-Za-z0-9]{16,64}"}
MIN_SECRET_LENGTH: Final = 16
MAX_DESCRIPTION: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One account. Either part may be missing: without a key it cannot call, without secrets no webhook is believed."""

    mode: Mode
    api_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)  # the current one, then earlier ones

    @classmethod
    def of(cls, credentials: Mapping[str, Any], *, mode: Mode) -> Self:
        """Trims every value. Raises GatewayMisconfigured for a key of the wrong shape; names the field, never the text."""
        api_key = text_of(credentials, "api_key")
        if api_key and not re.fullmatch(API_KEYS[mode], api_key):
            raise GatewayMisconfigured(f"api_key is not an API key of {mode} mode")
        current = text_of(credentials, "webhook_secret")
        earlier = texts_of(credentials, "previous_webhook_secrets")
        # Without a secret of its own the account is not configured, whatever else was once accepted.
        known = (current, *earlier) if _is_usable(current) else ()
        return cls(mode=mode, api_key=api_key, webhook_secrets=tuple(one for one in known if _is_usable(one)))


def _is_usable(secret: str) -> bool:
    return len(secret) >= MIN_SECRET_LENGTH


DESCRIPTION: Final = Description(
    label="Tollbooth",
    website="https://tollbooth.example",
    regions=("Worldwide",),
    methods=("card",),
    currencies=frozenset({"EUR", "USD", "JPY", "KWD"}),
    reference=ReferenceRule(max_length=40, alphabet=string.ascii_letters + string.digits + "_-"),
    credentials=(
        CredentialField(
            name="api_key",
            label="API key",
            is_secret=True,
            patterns=API_KEYS,
            pattern_help="tb_test_ or tb_live_, then 16 to 64 letters and digits",
            example="tb_live_...",
        ),
        CredentialField(
            name="webhook_secret",
            label="Webhook secret",
            is_secret=True,
            min_length=MIN_SECRET_LENGTH,
            rotates=True,
        ),
    ),
    origins={mode: (API[mode], PAGE) for mode in Mode},
    webhook_events=(
        "charge.paid",
        "charge.failed",
        "charge.expired",
        "refund.pending",
        "refund.done",
        "refund.failed",
    ),
    webhook_setup="Add our webhook address under Developers, with all events switched on.",
    polling=(PollStep(until_age_seconds=3600, every_seconds=60), PollStep(until_age_seconds=None, every_seconds=3600)),
    default_expiry_seconds=3600,
    idempotency_seconds=24 * 3600,
    test_recipe="The simulator's page has a button for each end.",
)
