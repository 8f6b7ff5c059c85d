"""What a PesoPay account consists of, and what the gateway says about itself.

One platform under four brands: only the host differs. No value tells test from live, so each mode has its own set, and
mode and brand choose the host; nobody types one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from clients.pesopay.money import NUMBERS, maximum_minor
from clients.pesopay.references import ALPHABET, MAX_ORDER_REF
from clients.pesopay.signing import FUNCTIONS
from core.gateways.config_values import matching, text_of, texts_of
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import CredentialField, Description, Mode, PollStep, ReferenceRule, WebhookProof

# Origin by brand and mode. Unconfirmed: some accounts are on test2.{brand}.com or sit.{brand}.com; add them here.
BRANDS: Final[Mapping[str, tuple[str, Mapping[Mode, str]]]] = {
    "pesopay": (
        "PesoPay (Philippines)",
        {Mode.LIVE: "https://www.pesopay.com", Mode.TEST: "https://test.pesopay.com"},
    ),
    "paydollar": (
        "PayDollar (Hong Kong and most of Asia)",
        {Mode.LIVE: "https://www.paydollar.com", Mode.TEST: "https://test.paydollar.com"},
    ),
    "siampay": (
        "SiamPay (Thailand)",
        {Mode.LIVE: "https://www.siampay.com", Mode.TEST: "https://test.siampay.com"},
    ),
    "bimopay": (
        "BimoPay (Indonesia)",
        {Mode.LIVE: "https://www.bimopay.com", Mode.TEST: "https://dev.bimopay.com"},
    ),
}
PREFIXES: Final[Mapping[Mode, str]] = {Mode.LIVE: "/b2c2", Mode.TEST: "/b2cDemo"}
SPECIAL_PREFIXES: Final[Mapping[tuple[str, Mode], str]] = {("bimopay", Mode.TEST): "/b2c2"}
FORM_PATH: Final = "/eng/payment/payForm.jsp"
API_PATH: Final = "/eng/merchant/api/orderApi.jsp"

REQUEST_REFUND: Final = "RequestRefund"
ONLINE_REFUND: Final = "OnlineRefund"
MIN_SECRET_LENGTH: Final = 8
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16

_MERCHANT_ID: Final = r"[0-9]{1,15}"
_LOGIN_ID: Final = r"[!-~]{1,100}"
_USUAL_KEY: Final = r"[!-~]{32,64}"
_USUAL_SECRET: Final = r"[A-Za-z0-9]{24,64}"  # 32, as a rule; the password is whatever the merchant chose
_FILLER: Final = re.compile(r"(.)\1*|change-?_?me.*|placeholder|your-?_?secret.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PesoPayConfig:
    """One account. `secrets` has the current one first; empty where that one is not usable: then nothing verifies."""

    mode: Mode
    brand: str
    merchant_id: str
    secrets: tuple[str, ...] = field(repr=False)
    function: str
    login_id: str = field(repr=False)
    password: str = field(repr=False)
    account_currency: str | None
    refund_action: str

    @classmethod
    def of(cls, credentials: Mapping[str, Any], *, mode: Mode) -> Self:
        """Trims every value. Raises GatewayMisconfigured for one of the wrong shape; says which field, never its text."""
        mode = Mode(mode)
        _check_tokenization(credentials)
        config = cls(
            mode=mode,
            brand=_choice(credentials, "brand", tuple(BRANDS)) or "pesopay",
            merchant_id=matching(
                credentials,
                "merchant_id",
                _MERCHANT_ID,
                "digits (may it be another field's value?)",
                may_be_number=True,
            ),
            secrets=_secrets(credentials),
            function=_choice(credentials, "secure_hash_function", FUNCTIONS),
            login_id=text_of(credentials, "login_id"),
            password=text_of(credentials, "password"),
            account_currency=_choice({"account_currency": _currency(credentials)}, "account_currency", tuple(NUMBERS))
            or None,
            refund_action=_choice(credentials, "refund_action", (REQUEST_REFUND, ONLINE_REFUND)) or REQUEST_REFUND,
        )
        config._check_swaps()
        return config

    def _check_swaps(self) -> None:
        if self.merchant_id and self.merchant_id in self.secrets[:1]:
            raise GatewayMisconfigured("secure_hash_secret holds the merchant id: the two may be swapped")
        if self.password and self.password in self.secrets:
            raise GatewayMisconfigured("password and secure_hash_secret hold the same value: each has one of its own")

    @property
    def form_url(self) -> str:
        return self._base + FORM_PATH

    @property
    def api_url(self) -> str:
        return self._base + API_PATH

    @property
    def _base(self) -> str:
        prefix = SPECIAL_PREFIXES.get((self.brand, self.mode), PREFIXES[self.mode])
        return BRANDS[self.brand][1][self.mode] + prefix

    @property
    def can_query(self) -> bool:
        return bool(self.merchant_id and self.login_id and self.password)

    def merchant(self) -> str:
        if not self.merchant_id:
            raise GatewayMisconfigured("no merchant_id is set for this PesoPay account")
        return self.merchant_id

    def login_fields(self) -> dict[str, str]:
        """What begins every call of the merchant API. Raises GatewayMisconfigured naming what is missing."""
        known = {"merchant_id": self.merchant_id, "login_id": self.login_id, "password": self.password}
        if missing := [name for name, value in known.items() if not value]:
            raise GatewayMisconfigured(f"no {' and no '.join(missing)} is set for this PesoPay account")
        return {"merchantId": self.merchant_id, "loginId": self.login_id, "password": self.password}

    def secret(self) -> str:
        """The current secret. Without it neither a request nor a feed can be proven, so nothing is begun."""
        self.check_signing()
        return self.secrets[0]

    def check_signing(self) -> None:
        if not self.secrets:
            raise GatewayMisconfigured("no usable secure_hash_secret is set for this PesoPay account")
        if not self.function:
            raise GatewayMisconfigured("no secure_hash_function is set for this PesoPay account")


def _secrets(credentials: Mapping[str, Any]) -> tuple[str, ...]:
    current = text_of(credentials, "secure_hash_secret")
    olds = texts_of(credentials, "previous_secure_hash_secrets")
    return (current, *(old for old in olds if _is_usable(old))) if _is_usable(current) else ()


def _is_usable(secret: str) -> bool:
    return len(secret) >= MIN_SECRET_LENGTH and _FILLER.fullmatch(secret) is None


def _currency(credentials: Mapping[str, Any]) -> str:
    return text_of(credentials, "account_currency").upper()


def _check_tokenization(credentials: Mapping[str, Any]) -> None:
    """For MemberPay, which is not offered: only the shape is checked. Clients use the first 32 and 16 bytes."""
    for name, least in (("tokenization_key", KEY_BYTES), ("tokenization_salt", SALT_BYTES)):
        value = text_of(credentials, name)
        if value and len(value.encode()) < least:
            raise GatewayMisconfigured(f"{name} has at least {least} bytes")


def _choice(credentials: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value = text_of(credentials, name)
    if not value:
        return ""
    found = next((one for one in choices if one.lower() == value.lower()), None)
    if found is None:
        raise GatewayMisconfigured(f"{name} is none of {', '.join(choices)}")
    return found


_CREDENTIALS: Final = (
    CredentialField(
        name="merchant_id",
        label="Merchant ID",
        help="The number of the account, as AsiaPay's welcome mail and the merchant portal show it. Test and live have "
        "different ones.",
        example="18000001",
        patterns=dict.fromkeys(Mode, _MERCHANT_ID),
        pattern_help="The merchant ID consists of digits.",
    ),
    CredentialField(
        name="secure_hash_secret",
        label="Secure hash secret",
        help="Issued by AsiaPay when the secure hash is enabled for the account. Ask for it: without the secure hash nobody "
        "can tell a true datafeed from a forged one, and this account is not taken.",
        is_secret=True,
        example="Kx7Qm2RvT9bLw4ZpH8sYc3NfJd6GaEu1",
        usual=_USUAL_SECRET,
        min_length=MIN_SECRET_LENGTH,
        rotates=True,
    ),
    CredentialField(
        name="secure_hash_function",
        label="Secure hash function",
        help="Set by AsiaPay for the account and visible nowhere on the wire: ask them. A wrong one shows as a refused "
        "payment page and refused datafeeds.",
        choices=(("sha1", "SHA-1"), ("sha256", "SHA-256"), ("sha512", "SHA-512")),
        example="sha256",
    ),
    CredentialField(
        name="login_id",
        label="API user",
        help="Create it in the merchant portal, apart from the people's logins, with the rights of the merchant API.",
        example="apiuser",
        patterns=dict.fromkeys(Mode, _LOGIN_ID),
        pattern_help="The API user is one word of at most 100 letters, digits and signs.",
    ),
    CredentialField(
        name="password",
        label="API password",
        help="The password of that API user.",
        is_secret=True,
        min_length=MIN_SECRET_LENGTH,
    ),
    CredentialField(
        name="brand",
        label="Brand",
        help="Which of AsiaPay's sites the account is on.",
        is_required=False,
        choices=tuple((code, label) for code, (label, _) in BRANDS.items()),
        default="pesopay",
    ),
    CredentialField(
        name="account_currency",
        label="Currency of the account",
        help="An account usually settles one currency. Given, others are refused before the customer sees an error.",
        is_required=False,
        choices=tuple((code, code) for code in NUMBERS),
        example="PHP",
    ),
    CredentialField(
        name="refund_action",
        label="Refunds",
        help="Ask AsiaPay whether online refunds are enabled. If not, a refund is a request that they execute days later.",
        is_required=False,
        choices=((REQUEST_REFUND, "By request (days)"), (ONLINE_REFUND, "Online (at once)")),
        default=REQUEST_REFUND,
    ),
    CredentialField(
        name="tokenization_key",
        label="Tokenization key",
        help="Only for stored cards (MemberPay), which are not offered yet.",
        is_secret=True,
        is_required=False,
        usual=_USUAL_KEY,
        min_length=KEY_BYTES,
    ),
    CredentialField(
        name="tokenization_salt",
        label="Tokenization salt",
        help="Only for stored cards (MemberPay), which are not offered yet.",
        is_secret=True,
        is_required=False,
        min_length=SALT_BYTES,
    ),
)

DESCRIPTION: Final = Description(
    label="PesoPay",
    website="https://www.pesopay.com",
    regions=("Philippines", "Hong Kong", "Thailand", "Indonesia", "Asia"),
    methods=("card", "wallet", "bank_transfer"),
    currencies=frozenset(NUMBERS),
    maximums={asset: maximum_minor(asset) for asset in NUMBERS},
    reference=ReferenceRule(
        max_length=MAX_ORDER_REF - 1,
        alphabet=ALPHABET,
        note="orderRef has 35 characters; one is kept for the N (sale) or H (hold) before the number of the try. Never "
        "used twice. Refunds have no name at the gateway.",
    ),
    credentials=_CREDENTIALS,
    origins={mode: tuple(origins[mode] for _, origins in BRANDS.values()) for mode in Mode},
    webhook_events=("datafeed",),
    webhook_proof=WebhookProof.WEAK,  # a plain digest of eight fields: each feed is confirmed by a Query
    webhook_content_types=("application/x-www-form-urlencoded",),
    webhook_setup=(
        "In the merchant portal under Profile, Profile Settings, Payment Options, enter our address as Return Value Link "
        "(datafeed); one for the account, port 80 or 443. The portal's own test of the address shows a failure if it is "
        "not signed: that is right, an unsigned feed is refused."
    ),
    # A lost feed is never known to be repeated: ask at about 2, 10 and 30 minutes, then slowly.
    polling=(
        PollStep(until_age_seconds=120, every_seconds=120),
        PollStep(until_age_seconds=1800, every_seconds=480),
        PollStep(until_age_seconds=7200, every_seconds=1800),
        PollStep(until_age_seconds=None, every_seconds=12 * 3600),
    ),
    # There is no feed for a capture, void, refund or chargeback done later, nor for a second payment of one order. Banks charge
    # back for about four months.
    rereads_after_seconds=(60, 3600, *(days * 86_400 for days in (1, 7, 30, 60, 90, 120))),
    refunds_take_days=True,  # RequestRefund goes by the gateway's operations
    abandons_unanswered=True,  # nothing is sent at all: there is no answer to lose
    default_expiry_seconds=3600,  # ours alone: the gateway ends no order
    idempotency_seconds=None,
    manual_capture=True,
    test_recipe=(
        "Test host: Visa 4918 9141 0719 5005 or Mastercard 5422 8828 0070 0007, expiry 07/2030, CVV 123, any holder. Any "
        "other number or expiry is declined. If every try fails, loosen the risk control of the test account in the portal."
    ),
    documentation_url="https://www.paydollar.com/en/developers.html",
)
