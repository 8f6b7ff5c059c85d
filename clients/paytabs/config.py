"""What a PayTabs account consists of, and what the gateway says about itself.

Test and live profiles live on the same regional host and their keys look alike, so nothing here can tell the mode: the
lab declares it, and every reference that comes back is checked against it (translate.py).
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
from core.money import exponent_of

# Code -> (label, base address). Ours alone: a merchant never types a host.
REGIONS: Final[Mapping[str, tuple[str, str]]] = {
    "ARE": ("United Arab Emirates", "https://secure.paytabs.com"),
    "SAU": ("Saudi Arabia", "https://secure.paytabs.sa"),
    "EGY": ("Egypt", "https://secure-egypt.paytabs.com"),
    "OMN": ("Oman", "https://secure-oman.paytabs.com"),
    "JOR": ("Jordan", "https://secure-jordan.paytabs.com"),
    "KWT": ("Kuwait", "https://secure-kuwait.paytabs.com"),
    "IRQ": ("Iraq", "https://secure-iraq.paytabs.com"),
    "QAT": ("Qatar", "https://secure-doha.paytabs.com"),
    "MAR": ("Morocco", "https://secure-morocco.paytabs.com"),
    "GLOBAL": ("Global", "https://secure-global.paytabs.com"),
    "MADFOAT": ("Jordan (MadfoatCom)", "https://madfoat-secure.paytabs.com"),  # Unconfirmed: official PHP SDK only
    "CUZDAN": ("Azerbaijan (Cuzdan)", "https://secure.cuzdan.az"),  # Unconfirmed: official PHP SDK only
    "CLICKPAY": ("Saudi Arabia (ClickPay)", "https://secure.clickpay.com.sa"),
}
CURRENCIES: Final = frozenset({
    "SAR", "AED", "BHD", "EGP", "EUR", "GBP", "HKD", "IDR", "INR", "IQD", "JOD", "JPY", "KWD", "MAD", "OMR", "PKR", "QAR",
    "USD", "AZN", "TRY",  # Unconfirmed: the last two stand only in plugins
})  # fmt: skip

MIN_SECRET_LENGTH: Final = 8
PAGE_LIFE_SECONDS: Final = 4 * 3600  # a card page lives 20 minutes. Unconfirmed: offline methods about three hours

MAX_CART_ID: Final = 64
CHILD_ROOM: Final = 4  # what "-c12" takes: the name of a capture or void is derived from its payment's

# Unconfirmed: that all keys have this shape. Another one is a warning, never a refusal.
USUAL_KEY: Final = re.compile(r"[SC][A-Z0-9]{9}-[A-Z0-9]{10}-[A-Z0-9]{10}", re.ASCII)
_SERVER_KEY: Final = r"(?!C)[!-~]{8,200}"
_CLIENT_KEY: Final = r"C[!-~]{7,199}"
_PROFILE: Final = r"[0-9]{1,18}"
_FILLER: Final = re.compile(r"(.)\1*|change-?_?me.*|placeholder|your-?_?(server-?_?)?key", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PayTabsConfig:
    """One profile. `server_keys` has the current one first; empty where that one is not usable: then nothing verifies."""

    mode: Mode
    base: str | None
    profile_id: str | None
    server_keys: tuple[str, ...] = field(repr=False)
    client_key: str | None = None

    @classmethod
    def of(cls, credentials: Mapping[str, Any], *, mode: Mode) -> Self:
        """Trims every value. Raises GatewayMisconfigured for one of the wrong shape; says which field, never its text."""
        return cls(
            mode=Mode(mode),
            base=_base(text_of(credentials, "region")),
            profile_id=matching(credentials, "profile_id", _PROFILE, "digits", may_be_number=True) or None,
            server_keys=_server_keys(credentials),
            client_key=matching(credentials, "client_key", _CLIENT_KEY, "a client key, which begins with C") or None,
        )

    def key(self) -> str:
        if not self.server_keys:
            raise GatewayMisconfigured("no usable server key is set for this PayTabs profile")
        return self.server_keys[0]

    def origin(self) -> str:
        if self.base is None:
            raise GatewayMisconfigured("no region is set for this PayTabs profile")
        return self.base

    def profile(self) -> str:
        if self.profile_id is None:
            raise GatewayMisconfigured("no profile id is set for this PayTabs account")
        return self.profile_id

    @property
    def has_unusual_key(self) -> bool:
        return bool(self.server_keys) and USUAL_KEY.fullmatch(self.server_keys[0]) is None


def _base(region: str) -> str | None:
    if not region:
        return None
    found = REGIONS.get(region.upper())
    if found is None:
        raise GatewayMisconfigured("region is none of those that PayTabs has")
    return found[1]


def _server_keys(credentials: Mapping[str, Any]) -> tuple[str, ...]:
    current = _server_key(text_of(credentials, "server_key"))
    olds = [_server_key(one) for one in texts_of(credentials, "previous_server_keys")]
    if current is None:
        return ()
    return (current, *(old for old in olds if old is not None))


def _server_key(value: str) -> str | None:
    """The key, or None where it is missing, short or a filler."""
    if value.startswith("C"):
        raise GatewayMisconfigured("server_key holds a client key: the two may be swapped")
    if not all("!" <= char <= "~" for char in value):
        raise GatewayMisconfigured("server_key holds a space or a character that no key has")
    return None if len(value) < MIN_SECRET_LENGTH or _FILLER.fullmatch(value) else value


_CREDENTIALS: Final = (
    CredentialField(
        name="region",
        label="Region",
        help="Where the profile was opened. The right key at another region answers like a wrong key.",
        choices=tuple((code, label) for code, (label, _) in REGIONS.items()),
        example="SAU",
    ),
    CredentialField(
        name="profile_id",
        label="Profile ID",
        help="Dashboard: Developers, Key management. A test profile has another number than the live one.",
        example="990011",
        patterns=dict.fromkeys(Mode, _PROFILE),
        pattern_help="The profile id consists of digits.",
    ),
    CredentialField(
        name="server_key",
        label="Server key",
        help="Dashboard: Developers, Key management; of the standard (website) type, with the permission to query. It "
        "also proves callbacks. Test and live keys look the same: take the one of this profile.",
        is_secret=True,
        example="SDOCEXAMPL-0123456789-ABCDEFGHJK",
        patterns=dict.fromkeys(Mode, _SERVER_KEY),
        pattern_help="The server key usually begins with S and has 32 characters without spaces. One that begins with C "
        "is a client key.",
        min_length=MIN_SECRET_LENGTH,
        rotates=True,
    ),
    CredentialField(
        name="client_key",
        label="Client key",
        help="Not needed for the hosted page. Seen by browsers: never put the server key here.",
        is_required=False,
        example="CDOCEXAMPL-0123456789-ABCDEFGHJK",
        patterns=dict.fromkeys(Mode, _CLIENT_KEY),
        pattern_help="The client key begins with C. One that begins with S is a server key, which is a secret.",
    ),
)


def _minor(currency: str, *, cents: int) -> int:
    """An amount given in hundredths, in minor units of `currency`; rounded down where it has no hundredths."""
    power = exponent_of(currency) - 2
    return cents * int(10**power) if power >= 0 else cents // int(10**-power)


MINIMUMS: Final[Mapping[str, int]] = {one: max(1, _minor(one, cents=1)) for one in CURRENCIES}  # 0.01
MAXIMUMS: Final[Mapping[str, int]] = {one: _minor(one, cents=999_999_999_999) for one in CURRENCIES}  # 9999999999.99

_ORIGINS: Final = tuple(base for _, base in REGIONS.values())

DESCRIPTION: Final = Description(
    label="PayTabs",
    website="https://paytabs.com",
    regions=("Middle East", "North Africa", "Azerbaijan"),
    methods=("card", "mada", "knet", "apple_pay", "google_pay", "wallet", "bank_transfer", "pay_later", "cash"),
    currencies=CURRENCIES,
    minimums=MINIMUMS,
    maximums=MAXIMUMS,
    reference=ReferenceRule(
        max_length=MAX_CART_ID - CHILD_ROOM,
        alphabet=string.ascii_letters + string.digits + "_-",
        note="cart_id has 64 characters; four are kept for the names of captures and voids. Never used twice.",
    ),
    credentials=_CREDENTIALS,
    origins=dict.fromkeys(Mode, _ORIGINS),
    webhook_events=("Sale", "Auth", "Capture", "Void", "Release", "Refund", "Register", "Payment Request"),
    webhook_proof=WebhookProof.STRONG,
    webhook_setup=(
        "Each payment carries our callback address by itself. For captures, voids and refunds made in the dashboard, enter "
        "the address (https) under Developers, Payment Notification, Configuration as an IPN of the format Default Web, "
        "with all transaction events switched on."
    ),
    # A callback tells nearly everything; expiry is not always notified. Rate limits are not published.
    polling=(
        PollStep(until_age_seconds=30 * 60, every_seconds=10 * 60),
        PollStep(until_age_seconds=4 * 3600, every_seconds=3600),
        PollStep(until_age_seconds=None, every_seconds=12 * 3600),
    ),
    # The notification carries no time that is proven fresh, so it is read again at the gateway once it was applied.
    rereads_after_seconds=(60,),
    abandons_unanswered=True,  # nobody can pay on a page whose address never arrived
    default_expiry_seconds=PAGE_LIFE_SECONDS,
    idempotency_seconds=None,
    manual_capture=True,
    example_reference="TST2014900000688",
    test_recipe=(
        "A test profile on the same host: card 4111 1111 1111 1111, any future expiry, CVV 123, is approved. Cards that "
        "decline are listed in the dashboard under Developers, Testing. Test references begin with TST."
    ),
    documentation_url="https://support.paytabs.com/en/support/home",
)
