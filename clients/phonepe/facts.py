"""Small facts inside a PhonePe order or refund: why it failed, how it was paid, and its other names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from clients.phonepe.values import Body, member, read_id, read_message, read_milliseconds, read_text, rows
from core.gateways.types import Decline, Method, PaymentStatus, RefundStatus

EXPIRED: Final = "expired"
# Their code -> ours. Of the some two hundred that are documented, those that tell somebody what to do.
DECLINE: Final[Mapping[str, str]] = {
    "ORDER_EXPIRED": EXPIRED,
    "REQUEST_TIME_OUT": EXPIRED,
    "U69": EXPIRED,
    "ORDER_CANCELLED_BY_USER": "canceled_by_customer",
    "CANCELLED_BY_USER": "canceled_by_customer",
    "REQUEST_DECLINE_BY_REQUESTEE": "canceled_by_customer",
    "REQUEST_CANCEL_BY_REQUESTER": "canceled_by_customer",
    "ZA": "canceled_by_customer",
    "Z9": "insufficient_funds",
    "IE": "insufficient_funds",
    "INSUFFICIENT_FUNDS": "insufficient_funds",
    "INSUFFICIENT_BALANCE": "insufficient_funds",
    "ZM": "authentication_failed",
    "Z6": "authentication_failed",
    "Z7": "limit_exceeded",
    "Z8": "limit_exceeded",
    "U03": "limit_exceeded",
    "ZU": "limit_exceeded",
    "U90": "issuer_unavailable",
    "UT": "issuer_unavailable",
    "XB": "issuer_unavailable",
    "XY": "issuer_unavailable",
    "S96": "issuer_unavailable",
    "U28": "issuer_unavailable",
    # The site's address, network address, package, policies, video KYC: for the merchant, not for the customer.
    "INTERNAL_SECURITY_BLOCK_1": "merchant_configuration",
    "INTERNAL_SECURITY_BLOCK_2": "merchant_configuration",
    "INTERNAL_SECURITY_BLOCK_4": "merchant_configuration",
    "INTERNAL_SECURITY_BLOCK_5": "merchant_configuration",
    "INTERNAL_SECURITY_BLOCK_6": "merchant_configuration",
    "TXN_AUTO_FAILED": "abandoned",
    "TIMED_OUT": "abandoned",
}
# How `paymentMode` begins -> our kind. Unconfirmed: others may exist; they are told in lower case as they stand.
KINDS: Final[Mapping[str, str]] = {
    "UPI_": "upi",  # INTENT, COLLECT, QR, AUTO_PAY
    "PPE_INTENT": "upi",
    "CARD": "card",
    "TOKEN": "card",
    "NET_BANKING": "netbanking",
    "WALLET": "wallet",
}


def attempts(body: Body) -> list[Body]:
    """The tries inside the order, as they were told: all of them, or the latest."""
    return rows(body, "paymentDetails")


def read_decline(body: Body, status: PaymentStatus | RefundStatus) -> Decline | None:
    """Why it failed; of an open order why its last try did. A code beside anything else is stale and says nothing."""
    if status in {PaymentStatus.FAILED, PaymentStatus.EXPIRED, RefundStatus.FAILED}:
        return _decline(_places(body), EXPIRED if status is PaymentStatus.EXPIRED else "declined", body)
    last = _last(body)
    # By identity: a refund's "pending" equals a payment's, and says nothing of the kind.
    is_open = status is PaymentStatus.PENDING or status is PaymentStatus.REQUIRES_ACTION
    return _decline([last], "declined", body) if is_open and last.get("state") == "FAILED" else None


def _places(body: Body) -> list[Body]:
    """Where a code may stand, in the order in which it is believed."""
    return [body, member(body, "errorContext"), _last(body)]


def _decline(places: list[Body], otherwise: str, body: Body) -> Decline:
    codes = list(_codes(places))
    known = next((code for code in codes if code in DECLINE), None)
    message = read_message(member(body, "errorContext").get("description"))
    if known is not None:
        return Decline(code=DECLINE[known], gateway_code=known, message=message)
    details = (read_text(place.get("detailedErrorCode"), max_length=60) for place in places)
    theirs = next((one for one in details if one), None) or (codes[0] if codes else None)
    return Decline(code=otherwise, gateway_code=theirs, message=message)


def _codes(places: list[Body]) -> Iterator[str]:
    for place in places:
        for name in ("errorCode", "detailedErrorCode"):
            if code := read_text(place.get(name), max_length=60):
                yield code


def _last(body: Body) -> Body:
    """The latest attempt by its time; the last one of the list where no times are told."""
    found = attempts(body)
    if not found:
        return {}
    return max(enumerate(found), key=lambda one: (_milliseconds(one[1]), one[0]))[1]


def _milliseconds(attempt: Body) -> float:
    moment = read_milliseconds(attempt.get("timestamp"))
    return moment.timestamp() if moment else 0.0


def _telling(body: Body) -> Body:
    """The attempt that tells how it was paid: the completed one, wherever it stands, else the latest."""
    return next((one for one in attempts(body) if one.get("state") == "COMPLETED"), None) or _last(body)


def read_moment(body: Body) -> datetime | None:
    return read_milliseconds(_telling(body).get("timestamp"))


def read_method(body: Body) -> Method | None:
    attempt = _telling(body)
    mode = read_text(attempt.get("paymentMode"), max_length=40)
    if mode is None:
        return None
    return Method(
        kind=next((kind for start, kind in KINDS.items() if mode.startswith(start)), mode.lower()),
        brand=_first(attempt, "instrument", "type"),  # CREDIT_CARD, DEBIT_CARD, ACCOUNT, ...: no card brand is told
        handle=_first(attempt, "rail", "vpa"),
    )


def names_of(body: Body) -> tuple[str, ...]:
    """The transaction of the telling attempt and the bank's reference for it (UTR)."""
    found = [*own_names_of(body), _first(_telling(body), "rail", "utr")]
    return tuple(dict.fromkeys(name for name in found if name))


def own_names_of(body: Body) -> tuple[str, ...]:
    """PhonePe's transaction alone: a sandbox may give one UTR to many payments, so none is looked up by it."""
    found = read_id(_telling(body).get("transactionId"))
    return (found,) if found else ()


def _first(attempt: Body, group: str, name: str) -> str | None:
    """A member of `rail` or `instrument`: beside the attempt, else in the first split instrument that has it."""
    parts = [attempt, *rows(attempt, "splitInstruments")]
    values = (read_text(member(part, group).get(name), max_length=100) for part in parts)
    return next((value for value in values if value), None)
