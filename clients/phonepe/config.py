"""What a PhonePe account consists of, and what the gateway says about itself.

No value tells test from live; only the host does. So the mode of a report is the mode of the account, and a pair of the
other environment fails when the first token is asked for.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from core.gateways.config_values import matching, text_of, texts_of
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import CredentialField, Description, Mode, PollStep, ReferenceRule, WebhookProof

ASSET: Final = "INR"  # the only one; requests do not even name it
MINIMUM_MINOR: Final = 100
MIN_EXPIRY_SECONDS: Final = 300
MAX_EXPIRY_SECONDS: Final = 3600
DEFAULT_EXPIRY_SECONDS: Final = 900
REFERENCE_ALPHABET: Final = string.ascii_letters + string.digits + "_-"
MAX_REFERENCE: Final = 63
MIN_SECRET_LENGTH: Final = 8

# In production tokens come from another path than payments; in the sandbox one base serves both.
OAUTH_BASES: Final[Mapping[Mode, str]] = {
    Mode.TEST: "https://api-preprod.phonepe.com/apis/pg-sandbox",
    Mode.LIVE: "https://api.phonepe.com/apis/identity-manager",
}
PG_BASES: Final[Mapping[Mode, str]] = {
    Mode.TEST: "https://api-preprod.phonepe.com/apis/pg-sandbox",
    Mode.LIVE: "https://api.phonepe.com/apis/pg",
}
_ORIGINS: Final[Mapping[Mode, tuple[str, ...]]] = {
    Mode.TEST: ("https://api-preprod.phonepe.com", "https://mercury-uat.phonepe.com"),
    Mode.LIVE: ("https://api.phonepe.com", "https://mercury.phonepe.com"),
}
# Pages are shown from more hosts than are documented (mercury, mercury-uat); all belong to this domain.
PAGE_DOMAIN: Final = "phonepe.com"

# Unconfirmed: whether a direct merchant who names himself is welcome. Partners must. False: the header is never sent.
SENDS_MERCHANT_HEADER: Final = True

_UUID: Final = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_ID_SHAPES: Final = r"TEST-M[A-Za-z0-9]*_[A-Za-z0-9]+|SU[0-9]{6,}"  # Unconfirmed: only used to notice swapped fields
# UUID text, not always hexadecimal, or base64 of one; a webhook password is shorter.
_USUAL_SECRET: Final = r"[0-9A-Za-z]{8}(-[0-9A-Za-z]{4}){3}-[0-9A-Za-z]{12}|[A-Za-z0-9+/]{40,64}=*"
_USUAL_MERCHANT_ID: Final = r"M[A-Z0-9]{3,63}"
_CLIENT_ID: Final = rf"(?!({_UUID})\Z)[!-~]{{1,200}}"
_CLIENT_SECRET: Final = rf"(?!({_ID_SHAPES})\Z)[!-~]{{8,400}}"
_CLIENT_VERSION: Final = r"[1-9][0-9]{0,8}"
_USERNAME: Final = rf"(?!({_ID_SHAPES})\Z)[A-Za-z0-9_]{{5,20}}"
_MERCHANT_ID: Final = r"[A-Za-z0-9_]{1,64}"
_FILLER: Final = re.compile(r"(.)\1*|<.*>|change[-_ ]?me.*|placeholder|your[-_ ]?password", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhonePeConfig:
    """One account. `webhook_logins` (username, password) has the current pair first; empty where that is not usable."""

    mode: Mode
    client_id: str
    client_secret: str = field(repr=False)
    client_version: str
    webhook_logins: tuple[tuple[str, str], ...] = field(repr=False)
    merchant_id: str | None

    @classmethod
    def of(cls, credentials: Mapping[str, Any], *, mode: Mode) -> Self:
        """Trims every value. Raises GatewayMisconfigured for one of the wrong shape; says which field, never its text."""
        mode = Mode(mode)
        return cls(
            mode=mode,
            client_id=matching(credentials, "client_id", _CLIENT_ID, "a client id (may it be the client secret?)"),
            client_secret=matching(
                credentials, "client_secret", _CLIENT_SECRET, "a client secret (may it be the client id?)"
            ),
            client_version=matching(
                credentials, "client_version", _CLIENT_VERSION, "a whole number from 1 on", may_be_number=True
            ),
            webhook_logins=_webhook_logins(credentials),
            merchant_id=matching(credentials, "merchant_id", _MERCHANT_ID, "a merchant id") or None,
        )

    @property
    def token_url(self) -> str:
        return f"{OAUTH_BASES[self.mode]}/v1/oauth/token"

    @property
    def pg_base(self) -> str:
        return PG_BASES[self.mode]

    @property
    def origins(self) -> tuple[str, ...]:
        return _ORIGINS[self.mode]

    def token_fields(self) -> dict[str, str]:
        """The form of the token call. Raises GatewayMisconfigured naming what is missing."""
        # The sandbox always has version 1; a live account must say it.
        version = self.client_version or ("1" if self.mode is Mode.TEST else "")
        fields = {"client_id": self.client_id, "client_version": version, "client_secret": self.client_secret}
        missing = [name for name, value in fields.items() if not value]
        if missing:
            raise GatewayMisconfigured(f"no {' and no '.join(missing)} is set for this PhonePe account")
        return {**fields, "grant_type": "client_credentials"}


def _webhook_logins(credentials: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Every pair that may sign. Username and password are usually changed together, sometimes one alone."""
    usernames = _current_and_previous(credentials, "webhook_username")
    passwords = [one if _is_usable(one) else "" for one in _current_and_previous(credentials, "webhook_password")]
    if not usernames[0] or not passwords[0]:
        return ()
    return tuple((username, password) for username in usernames for password in passwords if username and password)


def _current_and_previous(credentials: Mapping[str, Any], name: str) -> list[str]:
    return [text_of(credentials, name), *texts_of(credentials, f"previous_{name}s")]


def _is_usable(password: str) -> bool:
    return len(password) >= MIN_SECRET_LENGTH and _FILLER.fullmatch(password) is None


_CREDENTIALS: Final = (
    CredentialField(
        name="client_id",
        label="Client ID",
        help="PhonePe Business dashboard: Developer Settings, API keys. With Test Mode on it shows the sandbox's pair.",
        example="TEST-M00DEMO_25010",
        patterns=dict.fromkeys(Mode, _CLIENT_ID),
        pattern_help="The client ID has no spaces and is no UUID: a UUID is the client secret.",
        usual=_ID_SHAPES,
    ),
    CredentialField(
        name="client_secret",
        label="Client secret",
        help="Shown beside the client ID. Not a salt key: those belong to the older API, which is a gateway of its own.",
        is_secret=True,
        example="0d5b7c1e-4a2f-4c39-8e61-2b90f7a1d3c4",
        patterns=dict.fromkeys(Mode, _CLIENT_SECRET),
        pattern_help="The client secret has 8 characters or more and no spaces. One like TEST-M..._... or SU... is the "
        "client ID.",
        usual=_USUAL_SECRET,
        min_length=MIN_SECRET_LENGTH,
    ),
    CredentialField(
        name="client_version",
        label="Client version",
        help="The number shown with the key. In the sandbox it is always 1.",
        example="1",
        patterns=dict.fromkeys(Mode, _CLIENT_VERSION),
        pattern_help="The client version is a whole number from 1 on.",
    ),
    CredentialField(
        name="webhook_username",
        label="Webhook username",
        help="You choose it when you create the webhook in the dashboard; it has nothing to do with the client ID. "
        "Without it the account works by asking alone.",
        is_required=False,
        example="shop_hook_01",
        patterns=dict.fromkeys(Mode, _USERNAME),
        pattern_help="The webhook username has 5 to 20 letters, digits or underscores.",
        min_length=5,
        rotates=True,
    ),
    CredentialField(
        name="webhook_password",
        label="Webhook password",
        help="Chosen with the webhook username. Create the webhook with the type username and password, not HMAC.",
        is_secret=True,
        is_required=False,
        # Unconfirmed: whether older registrations keep the dashboard's rule of letters and digits; only the length counts.
        min_length=MIN_SECRET_LENGTH,
        rotates=True,
    ),
    CredentialField(
        name="merchant_id",
        label="Merchant ID",
        help="Needed only by partners who act for a merchant: it is sent with every call. A webhook that names another "
        "merchant is then set aside for a person.",
        is_required=False,
        example="M0DEMO",
        patterns=dict.fromkeys(Mode, _MERCHANT_ID),
        pattern_help="The merchant ID consists of letters, digits and underscores.",
        usual=_USUAL_MERCHANT_ID,
    ),
)

DESCRIPTION: Final = Description(
    label="PhonePe",
    website="https://www.phonepe.com/business-solutions/payment-gateway/",
    regions=("India",),
    methods=("upi", "card", "netbanking", "wallet"),
    currencies=frozenset({ASSET}),
    minimums={ASSET: MINIMUM_MINOR},
    reference=ReferenceRule(
        max_length=MAX_REFERENCE,
        alphabet=REFERENCE_ALPHABET,
        note="merchantOrderId and merchantRefundId; never used twice",
    ),
    credentials=_CREDENTIALS,
    origins=_ORIGINS,
    webhook_events=(
        "checkout.order.completed", "checkout.order.failed", "checkout.transaction.attempt.failed", "pg.refund.accepted",
        "pg.refund.completed", "pg.refund.failed", "payment.dispute.created", "payment.dispute.action_required",
        "payment.dispute.under_review", "payment.dispute.won", "payment.dispute.lost",
    ),
    webhook_proof=WebhookProof.WEAK,
    webhook_setup=(
        "In the PhonePe Business dashboard under Developer Settings, Webhook, create a webhook of the type username and "
        "password (SHA) with our address, choose both, tick the events, and enter both here. With Test Mode on it is a "
        "sandbox webhook and never fires for live payments."
    ),
    # The integration checklist demands this schedule: 22 s, every 3, 6, 10 and 30 s, then each minute to the latest
    # expiry, then slowly for three days.
    polling=(
        PollStep(until_age_seconds=22, every_seconds=22),
        PollStep(until_age_seconds=52, every_seconds=3),
        PollStep(until_age_seconds=112, every_seconds=6),
        PollStep(until_age_seconds=172, every_seconds=10),
        PollStep(until_age_seconds=232, every_seconds=30),
        PollStep(until_age_seconds=MAX_EXPIRY_SECONDS + 300, every_seconds=60),
        PollStep(until_age_seconds=3 * 86_400, every_seconds=3600),
    ),
    # A bank may answer just before the expiry.
    rereads_after_seconds=(60, 3600),
    abandons_unanswered=True,  # the page's address is told once, in the answer, and cannot be asked for again
    default_expiry_seconds=DEFAULT_EXPIRY_SECONDS,
    idempotency_seconds=None,
    manual_capture=False,
    test_recipe=(
        "Sandbox: cards 4208 5851 9011 6667 (06/2027, CVV 508) and 4242 4242 4242 4242 (12/2027, CVV 936), OTP 123456; net "
        "banking SBIN with test/test. The bank's page has buttons for success, failure and pending. A UPI QR code opens "
        "the same buttons in any UPI app."
    ),
    documentation_url="https://developer.phonepe.com/payment-gateway/website-integration/standard-checkout/api-integration/"
    "api-reference/authorization-token",
)  # fmt: skip
