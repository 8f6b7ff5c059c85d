"""One attempt of a payment as a Query's record tells it; pure. A declined card and the card that then paid are two.

Every element is optional. The money is None where amount or currency cannot be meant.
Source: gateway page sections 5 and 13.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from clients.pesopay.answers import Fields, read_text
from clients.pesopay.declines import read_decline
from clients.pesopay.money import read_money
from core.gateways.types import Decline, DisputeStatus, Fraud, FraudStatus, Method, PaymentStatus, RefundStatus
from core.money import Money

# Words without case, spaces, "-" and "_". A word that is not here means pending.
# Unconfirmed: all but accepted, authorized and voided have a single witness.
STATUS: Final[Mapping[str, PaymentStatus]] = {
    "accepted": PaymentStatus.CAPTURED,
    "acceptedadj": PaymentStatus.CAPTURED,
    "authorized": PaymentStatus.AUTHORIZED,
    "captured": PaymentStatus.CAPTURED,
    "capturing": PaymentStatus.AUTHORIZED,
    "pending": PaymentStatus.PENDING,
    "pending3d": PaymentStatus.REQUIRES_ACTION,
    "rejected": PaymentStatus.FAILED,
    "cancelled": PaymentStatus.FAILED,  # Unconfirmed: given up by the customer; late money stays possible
    "voided": PaymentStatus.VOIDED,
    "reverseauth": PaymentStatus.VOIDED,
    "reversalvoid": PaymentStatus.VOIDED,
    "reversalcb": PaymentStatus.CAPTURED,
    "requestrefund": PaymentStatus.CAPTURED,
    "requestpartialrefund": PaymentStatus.CAPTURED,
    "refunded": PaymentStatus.CAPTURED,
    "partialrefunded": PaymentStatus.CAPTURED,
    "chargeback": PaymentStatus.CAPTURED,
    "partialchargeback": PaymentStatus.CAPTURED,
}
# Of the refund of ours that is open. Unconfirmed: how a refusal by their operations shows; nothing here says failed.
REFUND_STATUS: Final[Mapping[str, RefundStatus]] = {
    "requestrefund": RefundStatus.PENDING,
    "requestpartialrefund": RefundStatus.PENDING,
    "refunded": RefundStatus.SUCCEEDED,
    "partialrefunded": RefundStatus.SUCCEEDED,
}
# Unconfirmed: the meaning of Reversal-CB (one connector counts it as voided); no word says needs_response, lost, closed.
DISPUTE_STATUS: Final[Mapping[str, DisputeStatus]] = {
    "chargeback": DisputeStatus.UNDER_REVIEW,
    "partialchargeback": DisputeStatus.UNDER_REVIEW,
    "reversalcb": DisputeStatus.WON,
}
ALL_REFUNDED: Final = "refunded"
ALL_CHARGED_BACK: Final = "chargeback"
CANCELLED: Final = "cancelled"

# Unconfirmed: the exact spelling of each wallet and bank. Without case.
METHODS: Final[Mapping[str, tuple[str, str | None]]] = {
    "cc": ("card", None), "visa": ("card", "visa"), "master": ("card", "mastercard"), "jcb": ("card", "jcb"),
    "amex": ("card", "amex"), "diners": ("card", "diners"),
    "gcash": ("wallet", "gcash"), "paymaya": ("wallet", "paymaya"), "grabpay": ("wallet", "grabpay"),
    "shopeepay": ("wallet", "shopeepay"), "alipay": ("wallet", "alipay"), "wechatonl": ("wallet", "wechat_pay"),
    "paypal": ("wallet", "paypal"),
    "bpi": ("bank_transfer", "bpi"), "promptpay": ("bank_transfer", "promptpay"), "fps": ("bank_transfer", "fps"),
}  # fmt: skip
TIME_ZONE: Final = timezone(timedelta(hours=8))  # Hong Kong and the Philippines; the text names none

_SEPARATORS: Final = re.compile(r"[\s_-]+")
_FOUR: Final = re.compile(r"[0-9]{4}", re.ASCII)
_NAME: Final = re.compile(r"[!-~]{1,64}", re.ASCII)
# What support needs: no holder, no first digits, no address of the payer.
_KEPT: Final = (
    "orderstatus", "ref", "payref", "amt", "cur", "prc", "src", "ord", "authid", "alertcode", "eci", "payerauth",
    "ipcountry", "paymethod", "cardissuingcountry", "channeltype", "settle", "settletime", "settlebatchid", "txtime",
    "errmsg",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """`word` is the orderStatus without case and separators. `is_odd`: an amount is told that cannot be meant."""

    word: str
    ref: str | None
    pay_ref: str | None
    money: Money | None
    is_odd: bool
    decline: Decline
    method: Method | None
    fraud: Fraud | None
    occurred_at: datetime | None
    raw: Mapping[str, Any] = field(repr=False)

    @property
    def status(self) -> PaymentStatus:
        return STATUS.get(self.word, PaymentStatus.PENDING)


def parse(record: Fields) -> Attempt:
    word = _SEPARATORS.sub("", record.get("orderstatus", "").lower())
    amount, currency = record.get("amt", ""), record.get("cur", "")
    money = read_money(amount, currency)
    return Attempt(
        word=word,
        ref=read_name(record.get("ref", "")),
        pay_ref=read_name(record.get("payref", "")),
        money=money,
        is_odd=money is None and bool(amount or currency),
        decline=read_decline(
            record.get("prc", ""), record.get("src", ""), record.get("errmsg", ""),
            otherwise="cancelled" if word == CANCELLED else "declined",
        ),
        method=_method(record),
        fraud=_fraud(record.get("alertcode", "")),
        occurred_at=_time(record.get("txtime", "")),
        raw={name: read_text(record[name]) for name in _KEPT if name in record},
    )  # fmt: skip


def read_name(text: str) -> str | None:
    """A `ref` or `payRef`; None where it is empty or could not be one."""
    return text if _NAME.fullmatch(text) else None


def _method(record: Fields) -> Method | None:
    # Older accounts have cc1316 where newer have panLast4.
    digits = record.get("panlast4") or record.get("cc1316") or ""
    last_four = digits if _FOUR.fullmatch(digits) else None
    word = read_text(record.get("paymethod"), max_length=40)
    if word is None:
        return Method(kind="card", last_four=last_four) if last_four else None
    kind, brand = METHODS.get(word.lower(), ("card" if last_four else "other", word.lower()))
    if kind == "wallet":
        return Method(kind=kind, wallet=brand, last_four=last_four)
    return Method(kind=kind, brand=brand, last_four=last_four)


def _fraud(alert: str) -> Fraud | None:
    """Unconfirmed: what the alert codes (R14) mean. They are shown, and decide nothing."""
    text = read_text(alert, max_length=40)
    return Fraud(status=FraudStatus.UNKNOWN, message=f"alert code {text}") if text else None


def _time(text: str) -> datetime | None:
    """`2026-01-14 19:20:00.0`."""
    try:
        moment = datetime.strptime(text.partition(".")[0], "%Y-%m-%d %H:%M:%S").replace(tzinfo=TIME_ZONE)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
