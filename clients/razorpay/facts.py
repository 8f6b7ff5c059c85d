"""Small facts inside Razorpay's entities: decline, fraud verdict, method, fee, names, and what of them may be stored.

Everything is read defensively: fields and words appear without notice, and empty objects come as `[]` (PHP) or null.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from clients.razorpay.money import Amounts
from core.gateways.redaction import redact_text
from core.gateways.types import Attention, Decline, Fraud, FraudStatus, Method, SavedMethod

Body = Mapping[str, Any]

ORDER: Final = re.compile(r"order_[A-Za-z0-9]{1,60}", re.ASCII)
LINK: Final = re.compile(r"plink_[A-Za-z0-9]{1,60}", re.ASCII)
QR: Final = re.compile(r"qr_[A-Za-z0-9]{1,60}", re.ASCII)
PAYMENT: Final = re.compile(r"pay_[A-Za-z0-9]{1,60}", re.ASCII)

DECLINE: Final[Mapping[str, str]] = {
    "insufficient_funds": "insufficient_funds",
    "insufficient_fund": "insufficient_funds",
    "card_expired": "expired_card",
    "incorrect_cvv": "incorrect_cvc",
    "incorrect_otp": "authentication_failed",
    "invalid_otp": "authentication_failed",
    "incorrect_pin": "authentication_failed",
    "authentication_failed": "authentication_failed",
    "payment_cancelled": "cancelled_by_customer",
    "payment_timed_out": "timed_out",
    "server_error": "processing_error",
}  # `*_technical_error` is processing_error too; anything else is "declined"
TECHNICAL: Final = "_technical_error"
RISK_REASONS: Final = frozenset({"payment_risk_check_failed"})  # Unconfirmed: from memory

FAILED: Final = "failed"
MAX_SENTENCE: Final = 500
_NOT_SAID: Final = "NA"
_GRAVITY: Final = {attention: place for place, attention in enumerate(Attention)}


def read_decline(body: Body) -> Decline:
    """Of a failed payment (`error_reason`, ...), or of the error object of an answer (`reason`, ...)."""
    reason = said(body.get("error_reason")) or said(body.get("reason"))
    theirs = reason or said(body.get("error_code")) or said(body.get("code"))
    message = spoken(body.get("error_description")) or spoken(body.get("description"))
    return Decline(code=_our_decline(reason), gateway_code=theirs, message=message)


def _our_decline(reason: str | None) -> str:
    word = (reason or "").lower()
    return "processing_error" if word.endswith(TECHNICAL) else DECLINE.get(word, "declined")


def read_fraud(body: Body) -> Fraud | None:
    """Razorpay tells no verdict; only a blocked payment shows one."""
    reason = said(body.get("error_reason")) or said(body.get("reason"))
    if reason not in RISK_REASONS:
        return None
    return Fraud(status=FraudStatus.REJECT, message=spoken(body.get("error_description")) or reason)


def read_method(payment: Body) -> Method | None:
    kind = text(payment.get("method"))
    if kind is None:
        return None
    card, upi = member(payment, "card"), member(payment, "upi")
    return Method(
        kind=kind,
        brand=text(card.get("network")),
        last_four=text(card.get("last4")),
        expiry_month=whole(card.get("expiry_month")),
        expiry_year=whole(card.get("expiry_year")),
        handle=text(payment.get("vpa")) or text(upi.get("vpa")),
        network=text(payment.get("bank")),
        wallet=text(payment.get("wallet")),
    )


def read_saved(payment: Body) -> SavedMethod | None:
    """The method that a captured payment of a customer of ours left for later charges."""
    token, customer = text(payment.get("token_id")), text(payment.get("customer_id"))
    if token is None or customer is None:
        return None
    return SavedMethod(token=token, customer_token=customer, method=read_method(payment))


def read_fee(payment: Body, amounts: Amounts) -> int | None:
    """What Razorpay kept, tax included. Settled in `base_currency`: said only where that is the payment's currency."""
    settled_in = text(payment.get("base_currency")) or "INR"
    return amounts.minor(payment.get("fee")) if settled_in.upper() == amounts.asset else None


def moment(seconds: Any) -> datetime | None:
    """Epoch seconds -> aware UTC. "Not set" is 0 on links."""
    return datetime.fromtimestamp(seconds, UTC) if type(seconds) is int and 0 < seconds < 2**35 else None


def note_of(body: Body, name: str) -> str | None:
    """One of an entity's notes. Those of a payment made in a browser can be altered by the buyer: never match by them."""
    return text(member(body, "notes").get(name))


def member(body: Body, name: str) -> Body:
    """An inner object; empty where it is missing, null, a list or a string."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def objects(value: Any) -> list[Body]:
    """The objects of a list; none where there is no list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def said(value: Any) -> str | None:
    """Text that says something: errors carry "NA" where they do not."""
    return None if value == _NOT_SAID else text(value)


def spoken(value: Any) -> str | None:
    """A sentence for people: it may quote what the buyer typed, so no card number or e-mail stays in it."""
    sentence = said(value)
    return None if sentence is None else redact_text(sentence[:MAX_SENTENCE])


def text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def whole(value: Any) -> int | None:
    return value if type(value) is int else None


def ids(*values: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def graver(one: Attention | None, other: Attention | None) -> Attention | None:
    found = [attention for attention in (one, other) if attention is not None]
    return min(found, key=_GRAVITY.__getitem__) if found else None


# An allow-list: no page address, name, e-mail, phone, UPI handle or token is ever among these.
KEPT: Final = frozenset({
    "id", "entity", "amount", "amount_paid", "amount_due", "amount_refunded", "amount_deducted", "base_amount",
    "base_currency", "currency", "status", "order_id", "payment_id", "receipt", "reference_id", "attempts", "captured",
    "refund_status", "international", "method", "bank", "wallet", "fee", "tax", "error_code", "error_description",
    "error_source", "error_step", "error_reason", "error", "code", "description", "field", "source", "step", "reason",
    "metadata", "created_at", "expire_by", "expired_at", "cancelled_at", "accept_partial", "payments", "notes",
    "speed_requested", "speed_processed", "acquirer_data", "arn", "rrn", "utr", "bank_transaction_id", "auth_code",
    "reason_code", "respond_by", "phase", "usage", "close_by", "close_reason", "closed_at", "payments_amount_received",
    "payments_count_received", "payment_amount", "recurring", "razorpay_payment_id", "razorpay_order_id",
    "razorpay_payment_link_id", "razorpay_payment_link_reference_id", "razorpay_payment_link_status",
    "razorpay_subscription_id", "link", "order", "payment", "refund", "dispute", "qr_code",
})  # fmt: skip
SHAPE: Final = "shape"  # our own mark on an order and its payments
SHAPE_CHARGE: Final = "charge"  # a saved method was charged: nobody is there to try again
OUR_NOTES: Final = frozenset({"payment_id", "refund_id", SHAPE})  # the rest is the caller's or the buyer's
_OPEN_DESCRIPTIONS: Final = frozenset({"error"})  # elsewhere `description` is the caller's text for the buyer
_DEEPEST: Final = 5


def redacted(body: Body) -> dict[str, Any]:
    """The part of an entity that may be stored: small, and free of secrets and personal data."""
    kept = _kept(body, _DEEPEST, "")
    return kept if isinstance(kept, dict) else {}


def _kept(value: Any, depth: int, name: str) -> Any:
    if isinstance(value, dict):
        allowed = OUR_NOTES if name == "notes" else KEPT
        if name not in _OPEN_DESCRIPTIONS:
            allowed -= {"description"}
        inner = {key: _kept(one, depth - 1, key) for key, one in value.items() if key in allowed and depth}
        return {key: one for key, one in inner.items() if one not in (None, {}, [], "")}
    if isinstance(value, list):
        return [_kept(one, depth - 1, name) for one in value[:20]] if depth else []
    return value[:500] if isinstance(value, str) else value
