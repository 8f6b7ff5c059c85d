"""Small facts inside Stripe's objects: method, decline, fraud verdict, fee, names, and what of them may be stored."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from clients.stripe.money import Amounts
from core.gateways.redaction import redact_text
from core.gateways.types import Attention, Decline, Fraud, FraudStatus, Method, Mode, PaymentNames

Body = Mapping[str, Any]

SHAPE: Final = "shape"  # our own mark in an intent's metadata
SHAPE_SESSION: Final = "session"
SAVES: Final = "saves"  # our own mark: the customer agreed to later charges. A charge tells of it in no other way
SAVES_METHOD: Final = "method"
METHOD_ID: Final = "method_id"  # our reference of a method that is saved alone

DECLINE: Final[Mapping[str, str]] = {
    "insufficient_funds": "insufficient_funds",
    "expired_card": "expired_card",
    "incorrect_cvc": "incorrect_cvc",
    "processing_error": "processing_error",
    "authentication_required": "authentication_required",
    "payment_intent_authentication_failure": "authentication_failed",
}  # anything else is "declined"

FRAUD: Final[Mapping[str, tuple[FraudStatus, Attention | None]]] = {
    "authorized": (FraudStatus.ACCEPT, None),
    "manual_review": (FraudStatus.REVIEW, Attention.FRAUD_REVIEW),  # the money is captured all the same
    "blocked": (FraudStatus.REJECT, None),
}  # issuer_declined and invalid are no verdict about fraud
RISKY_LEVELS: Final = frozenset({"elevated", "highest"})

MAX_SENTENCE: Final = 500
_GRAVITY: Final = {attention: place for place, attention in enumerate(Attention)}


def read_decline(error: Any) -> Decline | None:
    """`last_payment_error`, or the error of a 402."""
    if not isinstance(error, dict):
        return None
    theirs = text(error.get("decline_code")) or text(error.get("code"))
    return Decline(
        code=DECLINE.get(theirs or "", "declined"), gateway_code=theirs, message=spoken(error.get("message"))
    )


def read_fraud(charge: Body) -> tuple[Fraud | None, Attention | None]:
    outcome = charge.get("outcome")
    if not isinstance(outcome, dict) or not isinstance(outcome.get("type"), str) or outcome["type"] not in FRAUD:
        return None, None
    status, attention = FRAUD[outcome["type"]]
    if status is FraudStatus.ACCEPT and outcome.get("risk_level") in RISKY_LEVELS:
        attention = Attention.FRAUD_WARNING
    return Fraud(status=status, message=spoken(outcome.get("seller_message")) or text(outcome.get("reason"))), attention


def read_method(charge: Body) -> Method | None:
    return read_details(charge.get("payment_method_details"))


def read_details(details: Any) -> Method | None:
    """`payment_method_details` of a charge, or a PaymentMethod: both name their type and hold a member of that name."""
    if not isinstance(details, dict) or not isinstance(details.get("type"), str):
        return None
    inner = details.get(details["type"])
    inner = inner if isinstance(inner, dict) else {}
    wallet = inner.get("wallet")
    return Method(
        kind=details["type"],
        brand=text(inner.get("brand")),
        last_four=text(inner.get("last4")),
        expiry_month=whole(inner.get("exp_month")),
        expiry_year=whole(inner.get("exp_year")),
        network=text(inner.get("network")),
        wallet=text(wallet.get("type")) if isinstance(wallet, dict) else None,
    )


def read_fee(charge: Body, amounts: Amounts) -> int | None:
    """In the settlement currency; said only where that is the currency of the charge."""
    found = charge.get("balance_transaction")
    if not isinstance(found, dict) or str(found.get("currency")).upper() != amounts.asset:
        return None
    return amounts.minor(found.get("fee"))


def mode_of(body: Body) -> Mode | None:
    live = body.get("livemode")
    return (Mode.LIVE if live else Mode.TEST) if isinstance(live, bool) else None


def moment(seconds: Any) -> datetime | None:
    """Epoch seconds -> aware UTC."""
    return datetime.fromtimestamp(seconds, UTC) if type(seconds) is int and 0 <= seconds < 2**35 else None


def graver(one: Attention | None, other: Attention | None) -> Attention | None:
    found = [attention for attention in (one, other) if attention is not None]
    return min(found, key=_GRAVITY.__getitem__) if found else None


# An allow-list: no client secret, page address, e-mail, phone, postal address or card detail is ever among these.
KEPT: Final = frozenset({
    "id", "object", "mode", "status", "payment_status", "amount", "amount_total", "amount_received",
    "amount_capturable", "amount_captured", "amount_refunded", "currency", "client_reference_id", "created",
    "expires_at", "livemode", "payment_intent", "latest_charge", "charge", "captured", "refunded", "disputed",
    "cancellation_reason", "capture_method", "last_payment_error", "error", "type", "code", "decline_code", "message",
    "advice_code", "param", "outcome", "risk_level", "risk_score", "reason", "seller_message", "network_status",
    "failure_code", "failure_message", "failure_reason", "pending_reason", "balance_transaction",
    "balance_transactions", "fee", "net", "exchange_rate", "metadata", "review", "open", "closed_reason",
    "evidence_details", "due_by", "has_evidence", "is_charge_refundable",
    "setup_intent", "setup_future_usage", "usage", "last_setup_error", "actionable", "fraud_type", "presentment_details",
    "presentment_amount", "presentment_currency",
})  # fmt: skip
OUR_METADATA: Final = frozenset(
    {"payment_id", "refund_id", SHAPE, SAVES, METHOD_ID}
)  # the rest is the caller's, and may be anything
_DEEPEST: Final = 6


def redacted(body: Body) -> dict[str, Any]:
    """The part of an object that may be stored: small, and free of secrets and personal data."""
    kept = _kept(body, _DEEPEST)
    return kept if isinstance(kept, dict) else {}


def _kept(value: Any, depth: int, allowed: frozenset[str] = KEPT) -> Any:
    if isinstance(value, dict):
        inner = {
            name: _kept(one, depth - 1, OUR_METADATA if name == "metadata" else KEPT)
            for name, one in value.items()
            if name in allowed and depth
        }
        return {name: one for name, one in inner.items() if one not in (None, {}, [])}
    if isinstance(value, list):
        return [_kept(one, depth - 1) for one in value[:20]] if depth else []
    return value[:500] if isinstance(value, str) else value


def reference_of(body: Body) -> str | None:
    return metadata_of(body, "payment_id")


def metadata_of(body: Body, name: str) -> str | None:
    metadata = body.get("metadata")
    return text(metadata.get(name)) if isinstance(metadata, dict) else None


def is_of_session(body: Body) -> bool:
    """Our own mark on the intent: Stripe's says nowhere that a session owns it."""
    return metadata_of(body, SHAPE) == SHAPE_SESSION


def payment_of(body: Body) -> PaymentNames:
    """Whose refund or dispute this is. Old ones name a charge only."""
    intent, charge = id_of(body.get("payment_intent")), id_of(body.get("charge"))
    return PaymentNames(
        reference=metadata_of(body, "payment_id"),
        gateway_reference=intent or charge,
        other_references=ids(charge) if intent else (),
    )


def id_of(value: Any) -> str | None:
    """An id, or the object that was expanded in its place."""
    return text(value.get("id")) if isinstance(value, dict) else text(value)


def ids(*values: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def spoken(value: Any) -> str | None:
    """A sentence of Stripe's for people: it may quote what the customer typed, so no card number or e-mail stays in it."""
    sentence = text(value)
    return None if sentence is None else redact_text(sentence[:MAX_SENTENCE])


def whole(value: Any) -> int | None:
    return value if type(value) is int else None
