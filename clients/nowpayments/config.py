"""What a NOWPayments account consists of, and what the gateway says about itself."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clients.nowpayments.coins import COINS
from core.gateways.config_values import text_of, texts_of
from core.gateways.credentials import is_placeholder
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import CredentialField, Description, Mode, PollStep, ReferenceRule, WebhookProof

API_ORIGINS: Final[Mapping[Mode, str]] = {
    Mode.LIVE: "https://api.nowpayments.io",
    Mode.TEST: "https://api-sandbox.nowpayments.io",  # the older api.sandbox.nowpayments.io is retired
}
PAGE_ORIGINS: Final[Mapping[Mode, str]] = {
    Mode.LIVE: "https://nowpayments.io",
    Mode.TEST: "https://sandbox.nowpayments.io",
}
MIN_SECRET_LENGTH: Final = 8
_API_KEY: Final = r"[!-~]+"
_USUAL_API_KEY: Final = r"[A-Z0-9]{7}(-[A-Z0-9]{7}){3}"  # Unconfirmed: only used to notice swapped fields
_EMAIL: Final = r"[^@\s]+@[^@\s]+"
_BASE32: Final = r"[A-Za-z2-7 ]{8,}=*"

# Known for GET /v1/estimate. Unconfirmed: NZD and BRL stand only in older texts.
FIAT: Final = ("USD", "EUR", "CAD", "GBP", "AUD", "ILS", "RON", "NZD", "BRL")


@dataclass(frozen=True, slots=True)
class Config:
    """One account. `ipn_secrets` is empty where the current secret is not usable: then nothing verifies."""

    mode: Mode
    api_key: str = field(repr=False)
    ipn_secrets: tuple[str, ...] = field(repr=False)  # current first
    account_email: str = field(repr=False)
    account_password: str = field(repr=False)

    @classmethod
    def of(cls, credentials: Mapping[str, Any], *, mode: Mode) -> Config:
        """Trims every value (a pasted newline is the usual accident). Raises GatewayMisconfigured on a wrong shape."""
        mode = Mode(mode)
        text_of(credentials, "totp_secret")  # for payouts, which this version does not send; only its shape is checked
        return cls(
            mode=mode,
            api_key=_header_text(credentials, "api_key"),
            ipn_secrets=_secrets(credentials),
            account_email=text_of(credentials, "account_email"),
            account_password=text_of(credentials, "account_password"),
        )

    @property
    def has_login(self) -> bool:
        return bool(self.account_email and self.account_password)

    @property
    def api_origin(self) -> str:
        return API_ORIGINS[self.mode]

    @property
    def page_origin(self) -> str:
        return PAGE_ORIGINS[self.mode]


def _secrets(credentials: Mapping[str, Any]) -> tuple[str, ...]:
    current = text_of(credentials, "ipn_secret")
    olds = texts_of(credentials, "previous_ipn_secrets")
    if not _is_usable(current):
        return ()
    return (current, *(old for old in olds if _is_usable(old)))


def _is_usable(secret: str) -> bool:
    """Whether a secret can prove anything: "changeme-changeme" is known to everybody."""
    return len(secret) >= MIN_SECRET_LENGTH and not is_placeholder(secret)


def _header_text(credentials: Mapping[str, Any], name: str) -> str:
    value = text_of(credentials, name)
    if not all("!" <= char <= "~" for char in value):
        raise GatewayMisconfigured(f"{name} holds a space or a character that no key has")
    return value


_CREDENTIALS: Final = (
    CredentialField(
        name="api_key",
        label="API key",
        help="Dashboard: Settings, Payments, API keys. The sandbox has its own key. Nothing in a key tells which.",
        is_secret=True,
        example="ABCDEF1-GHJKLM2-NPQRST3-UVWXYZ4",  # Unconfirmed: that all look so, hence only the usual look
        patterns=dict.fromkeys(Mode, _API_KEY),
        pattern_help="The API key is one word of letters, digits and signs, without spaces.",
        usual=_USUAL_API_KEY,
        min_length=MIN_SECRET_LENGTH,
    ),
    CredentialField(
        name="ipn_secret",
        label="IPN secret key",
        help="Dashboard: Settings, Payments, Instant payment notifications. Shown in full only when it is generated.",
        is_secret=True,
        min_length=MIN_SECRET_LENGTH,
        rotates=True,
    ),
    CredentialField(
        name="account_email",
        label="Dashboard e-mail",
        help="With the password it lets us list payments: hosted invoices can be polled only so.",
        is_required=False,
        example="desk@lab.example",
        patterns=dict.fromkeys(Mode, _EMAIL),
        pattern_help="The dashboard e-mail is an address like desk@lab.example.",
    ),
    CredentialField(
        name="account_password",
        label="Dashboard password",
        help="Only together with the e-mail.",
        is_secret=True,
        is_required=False,
    ),
    CredentialField(
        name="totp_secret",
        label="Authenticator secret",
        help="Base32 secret of the dashboard's two-factor login, for payouts. Without it a person types the code.",
        is_secret=True,
        is_required=False,
        patterns=dict.fromkeys(Mode, _BASE32),
        pattern_help="The authenticator secret is base32: letters and the digits 2 to 7.",
    ),
)

DESCRIPTION: Final = Description(
    label="NOWPayments",
    website="https://nowpayments.io",
    regions=("worldwide",),
    methods=("crypto",),
    currencies=frozenset({*FIAT, *COINS}),
    reference=ReferenceRule(
        max_length=64,
        alphabet=string.ascii_letters + string.digits + "_-",
        note="order_id; its real limits are not published",  # Unconfirmed
    ),
    credentials=_CREDENTIALS,
    origins={mode: (API_ORIGINS[mode], PAGE_ORIGINS[mode]) for mode in Mode},
    webhook_proof=WebhookProof.STRONG,
    webhook_setup=(
        "Nothing is switched on: each payment carries our callback address. Generate the IPN secret key in the "
        "dashboard, set an outcome wallet, and let failed notifications repeat (recurrent notifications)."
    ),
    # The rate estimate lives 20 minutes, a floating-rate address is watched for 7 days.
    polling=(
        PollStep(until_age_seconds=20 * 60, every_seconds=90),
        PollStep(until_age_seconds=7 * 86_400, every_seconds=12 * 60),
    ),
    # A minute: a terminal word of an IPN is to be read again. A day: deposits that came late or twice.
    rereads_after_seconds=(60, 86_400),
    abandons_unanswered=True,  # an address that nobody was ever shown receives nothing
    default_expiry_seconds=7 * 86_400,
    idempotency_seconds=None,
    manual_capture=False,
    is_crypto=True,
    coins=tuple(COINS),
    test_recipe=(
        "Use a sandbox account (account-sandbox.nowpayments.io) with its own API key and IPN secret. A sandbox payment "
        "runs to finished by itself; the sandbox page of an invoice lets you choose how it ends."
    ),
    documentation_url="https://documenter.getpostman.com/view/7907941/2s93JusNJt",
)
