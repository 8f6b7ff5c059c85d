"""One transaction as the wire shows it: a direct answer, a row of a query, the body of a notification.

Only five members were in every public sample, so everything else is optional, and nothing is trusted to have the
documented type. Direct answers write `profileId` where notifications write `profile_id`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from core.gateways.redaction import mask_card_numbers
from core.gateways.types import Method
from core.money import ASSETS, MoneyError, decimal_to_minor

# Texts of `tran_type`, compared as letters alone: "Payment Request", "AuthExt", "refund".
SALE: Final = "sale"
AUTH: Final = "auth"
CAPTURE: Final = "capture"
VOID: Final = "void"
RELEASE: Final = "release"
REFUND: Final = "refund"
REGISTER: Final = "register"
EXTENSION: Final = "authext"
PAYMENT_REQUEST: Final = "paymentrequest"
FOLLOW_UPS: Final = frozenset({CAPTURE, VOID, RELEASE, EXTENSION})

# Charges of a token. Their answer may repeat the token, but only the transaction that made it can be charged with.
TOKEN_CLASSES: Final = frozenset({"recurring", "c/auth"})

_AMOUNT: Final = re.compile(r"[0-9]{1,30}(\.[0-9]{1,20})?", re.ASCII)
_CURRENCY: Final = re.compile(r"[A-Za-z]{3}", re.ASCII)
_TOKEN: Final = re.compile(r"[!-~]{6,128}", re.ASCII)
_LAST_FOUR: Final = re.compile(r"[^0-9]([0-9]{4})$", re.ASCII)

UNREADABLE: Final = "unreadable"  # a profile that is said in no form that could be one

WALLETS: Final[Mapping[str, str]] = {
    "applepay": "apple_pay",
    "googlepay": "google_pay",
    "google": "google_pay",
    "samsungpay": "samsung_pay",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """`minor` is what was charged in minor units of `asset`; None where it is missing or cannot be exact.

    `letter` is "" without a `payment_result`. `is_odd`: the amount is there and cannot be meant, or what was charged is
    not in the currency that was asked.
    """

    tran_ref: str | None
    previous_ref: str | None
    cart_id: str | None
    profile: str | None
    kind: str
    tran_class: str
    letter: str
    code: str | None
    message: str | None
    asset: str | None
    minor: int | None
    amount_text: str | None
    parent_minor: int | None
    is_odd: bool
    occurred_at: datetime | None
    token: str | None = field(repr=False)
    method: Method | None
    redirect_url: str | None = field(repr=False)
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def has_result(self) -> bool:
        return self.letter != ""

    @property
    def is_paid(self) -> bool:
        """A sale or capture that took money."""
        return self.kind in {SALE, CAPTURE} and self.letter == "A"


def parse(body: Mapping[str, Any], *, kind: str | None = None, currency: str | None = None) -> Transaction:
    """`kind` and `currency` are what we asked for, where the answer does not say its own."""
    result, parent = _object(body.get("payment_result")), _object(body.get("parentRequest"))
    asked_in, charged_in = _currency(body.get("cart_currency")), _currency(body.get("tran_currency"))
    asset = charged_in or asked_in or currency
    text = read_amount(_first(body, "tran_total", "cart_amount"))
    minor = _minor(text, asset)
    return Transaction(
        tran_ref=read_text(body.get("tran_ref"), 64),
        previous_ref=read_text(body.get("previous_tran_ref"), 64) or read_text(parent.get("tran_ref"), 64),
        cart_id=read_text(body.get("cart_id"), 64),
        profile=_profile(_first(body, "profile_id", "profileId")),
        kind=_letters(body.get("tran_type")) or kind or "",
        tran_class=(read_text(body.get("tran_class"), 20) or "").lower(),
        letter=_letter(body),
        code=read_words(result.get("response_code"), 40),
        message=read_words(result.get("response_message"), 300),
        asset=asset if asset in ASSETS else None,
        minor=minor,
        amount_text=text,
        parent_minor=_minor(read_amount(parent.get("cart_amount")), asset),
        is_odd=(minor is None and asset is not None and _first(body, "tran_total", "cart_amount") is not None)
        or _differ(body, asked_in, charged_in),
        occurred_at=_time(result.get("transaction_time")),
        token=_token(body.get("token")),
        method=read_method(_object(body.get("payment_info"))),
        redirect_url=_url(body.get("redirect_url")),
        raw=redact(body),
    )


# --- members ------------------------------------------------------------------------------------------------------


def read_text(value: object, max_length: int = 200) -> str | None:
    """Text of one line that can be stored and shown, cut to `max_length`. A whole number is text."""
    if type(value) is int and abs(value) < 10**20:
        value = str(value)
    if not isinstance(value, str):
        return None
    clean = "".join(char for char in value if char.isprintable()).strip()
    return clean[:max_length] or None


def read_words(value: object, max_length: int = 200) -> str | None:
    """The same for what people read: a card number has no place in it."""
    text = read_text(value, 4 * max_length)
    return None if text is None else mask_card_numbers(text)[:max_length]


def read_amount(value: object) -> str | None:
    """An amount in major units as its digits: "115.50", 115.5, 10000. None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        return None
    if isinstance(value, int) and not 0 <= value < 10**30:
        return None
    text = value.strip() if isinstance(value, str) else _plain(value)
    return text if _AMOUNT.fullmatch(text) else None


def read_method(info: Mapping[str, Any]) -> Method | None:
    """`payment_info`: how it was paid. `payment_description` of a card is "4111 11## #### 1111"."""
    name, scheme = read_words(info.get("payment_method"), 40), read_words(info.get("card_scheme"), 40)
    if name is None and scheme is None:
        return None
    digits = _LAST_FOUR.search((read_text(info.get("payment_description"), 60) or "")[-6:])
    bare = _letters(name)
    is_card = scheme is not None or digits is not None
    return Method(
        kind="card" if is_card else bare or "other",
        brand=scheme or name,
        last_four=digits.group(1) if digits and is_card else None,
        expiry_month=_whole(info.get("expiryMonth"), 1, 12),
        expiry_year=_whole(info.get("expiryYear"), 2000, 2200),
        wallet=WALLETS.get(bare),
    )


def _plain(value: int | Decimal) -> str:
    if isinstance(value, Decimal) and not (value.is_finite() and -20 <= value.adjusted() <= 30):
        return ""
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _minor(text: str | None, asset: str | None) -> int | None:
    if text is None or asset is None or asset not in ASSETS:
        return None
    try:
        return decimal_to_minor(Decimal(text), ASSETS[asset])
    except MoneyError:
        return None


def _letter(body: Mapping[str, Any]) -> str:
    """The status letter; "?" for a result without a readable one."""
    result = body.get("payment_result")
    if not isinstance(result, dict):
        return ""
    return (read_text(result.get("response_status"), 20) or "?").upper()


def _letters(value: object) -> str:
    return "".join(char for char in value.lower() if "a" <= char <= "z")[:40] if isinstance(value, str) else ""


def _first(body: Mapping[str, Any], *names: str) -> object:
    return next((body[name] for name in names if body.get(name) not in (None, "")), None)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _profile(value: object) -> str | None:
    """The profile as text; None where nothing is said. What cannot be read is nobody's, so never taken for ours."""
    return None if value is None else read_text(value, 20) or UNREADABLE


def _differ(body: Mapping[str, Any], asked_in: str | None, charged_in: str | None) -> bool:
    """Whether the money came in another currency than was asked for, or in one that cannot be read."""
    if charged_in is None:
        return body.get("tran_currency") not in (None, "")
    return asked_in is not None and asked_in != charged_in


def _currency(value: object) -> str | None:
    return value.upper() if isinstance(value, str) and _CURRENCY.fullmatch(value) else None


def _token(value: object) -> str | None:
    return value if isinstance(value, str) and _TOKEN.fullmatch(value) else None


def _url(value: object) -> str | None:
    return value if isinstance(value, str) and value and all("!" <= char <= "~" for char in value) else None


def _whole(value: object, least: int, most: int) -> int | None:
    text = str(value) if type(value) is int else value
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII):
        return None
    return int(text) if least <= int(text) <= most else None


def _time(value: object) -> datetime | None:
    """`transaction_time`: ISO 8601, UTC."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


# --- what may be stored -------------------------------------------------------------------------------------------

# An allow-list: the token, the customer's details, our callback and return addresses (they carry tokens of ours) and the
# address of the page stay outside.
_KEPT: Final = (
    "tran_ref", "previous_tran_ref", "tran_type", "tran_class", "cart_id", "cart_currency", "cart_amount", "tran_currency",
    "tran_total", "profile_id", "profileId", "merchant_id", "merchantId", "serviceId", "code", "trace", "ipn_trace",
    "paymentChannel", "payment_result", "payment_info", "parentRequest", "threeDSDetails", "invoice_id",
)  # fmt: skip
_KEPT_INSIDE: Final = frozenset({
    "response_status", "response_code", "response_message", "acquirer_ref", "cvv_result", "avs_result",
    "transaction_time", "payment_method", "card_type", "card_scheme", "payment_description", "expiryMonth", "expiryYear",
    "responseLevel", "responseStatus", "enrolled", "paResStatus", "eci", "threeDSVersion", "tran_ref", "cart_amount",
    "cart_currency",
})  # fmt: skip


def redact(body: Mapping[str, Any]) -> dict[str, Any]:
    """The members worth keeping: small, and free of secrets and personal data."""
    return {name: _small(body[name]) for name in _KEPT if name in body}


def _small(value: object) -> Any:
    if isinstance(value, dict):
        return {name: _leaf(one) for name, one in value.items() if name in _KEPT_INSIDE}
    return _leaf(value)


def _leaf(value: object) -> Any:
    if isinstance(value, str):
        return read_text(value, 300)
    return value if value is None or isinstance(value, (bool, int, Decimal)) else None
