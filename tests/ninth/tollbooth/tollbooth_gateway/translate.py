"""Ours to theirs and theirs to ours; pure. Amounts are minor units on both sides, in the exponents of ISO 4217."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from core.gateways.redaction import redact
from core.gateways.types import (
    Decline,
    Mode,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    RefundRequest,
    RefundStatus,
    Report,
    Subject,
)
from core.money import exponent_of
from tollbooth_gateway.config import MAX_DESCRIPTION

STATUS: Final[Mapping[str, PaymentStatus]] = {
    "open": PaymentStatus.REQUIRES_ACTION,
    "paid": PaymentStatus.CAPTURED,
    "failed": PaymentStatus.FAILED,
    "expired": PaymentStatus.EXPIRED,
}
REFUND_STATUS: Final[Mapping[str, RefundStatus]] = {
    "pending": RefundStatus.PENDING,
    "done": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,
}
DECLINE: Final[Mapping[str, str]] = {
    "no_funds": "insufficient_funds",
    "card_expired": "expired_card",
    "refused": "declined",
}
MAX_MINOR: Final = 10**15


class Unreadable(ValueError):
    """The object is not what Tollbooth documents. The message never holds its text."""


def build_charge(request: PaymentRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "reference": request.reference,
        "amount": request.amount.minor,
        "currency": request.amount.asset,
        "return_url": request.return_url,
        "webhook_url": request.webhook_url,
    }
    if request.description:
        body["description"] = request.description[:MAX_DESCRIPTION]
    return body


def build_refund(request: RefundRequest) -> dict[str, Any]:
    return {"reference": request.reference, "amount": request.amount.minor, "currency": request.amount.asset}


def read_charge(body: Mapping[str, Any]) -> Report:
    """One charge, asked for or told. Raises Unreadable without an id, a status or, where it is paid, an amount."""
    # A word that nobody has seen is no failure: it stays open, and is asked about again.
    word = _text(body, "status")
    status = STATUS.get(word, PaymentStatus.PENDING)
    is_paid = status is PaymentStatus.CAPTURED
    return Report(
        about=Subject.PAYMENT,
        status=status,
        reference=_optional(body, "reference"),
        gateway_reference=_text(body, "id"),
        mode=_mode(body),
        asset=_asset(body),
        captured_minor=_minor(body, "paid") if is_paid else 0,
        occurred_at=_time(body.get("changed")),
        decline=_decline(body) if status is PaymentStatus.FAILED else None,
        raw=redact(body),
    )


def read_refund(body: Mapping[str, Any]) -> Report:
    """One refund. Raises Unreadable without its id, its charge, a status or an amount."""
    return Report(
        about=Subject.REFUND,
        status=REFUND_STATUS.get(_text(body, "status"), RefundStatus.PENDING),
        reference=_optional(body, "reference"),
        gateway_reference=_text(body, "id"),
        payment=PaymentNames(reference=_optional(body, "charge_reference"), gateway_reference=_text(body, "charge")),
        mode=_mode(body),
        asset=_asset(body),
        refunded_minor=_minor(body, "amount"),
        occurred_at=_time(body.get("changed")),
        raw=redact(body),
    )


def _decline(body: Mapping[str, Any]) -> Decline:
    theirs = _optional(body, "failure")
    return Decline(code=DECLINE.get(theirs or "", "declined"), gateway_code=theirs)


def _text(body: Mapping[str, Any], name: str) -> str:
    value = _optional(body, name)
    if value is None:
        raise Unreadable(f"{name} is missing")
    return value


def _optional(body: Mapping[str, Any], name: str) -> str | None:
    value = body.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= 200 else None


def _minor(body: Mapping[str, Any], name: str) -> int:
    value = body.get(name)
    if type(value) is not int or not 0 <= value <= MAX_MINOR:
        raise Unreadable(f"{name} is no amount")
    return value


def _asset(body: Mapping[str, Any]) -> str:
    asset = _text(body, "currency")
    try:
        exponent_of(asset)
    except (ValueError, LookupError):
        raise Unreadable("the currency is unknown") from None
    return asset


def _mode(body: Mapping[str, Any]) -> Mode:
    return Mode.LIVE if body.get("live") is True else Mode.TEST


def _time(value: object) -> datetime | None:
    if type(value) is not int or not 0 <= value < 2**32:
        return None
    return datetime.fromtimestamp(value, UTC)
