"""What happened to one payment, in the order in which it happened and in words that support can read out.

Six sources: changes of status, exchanges with the gateway, its webhooks, refunds, disputes, and what staff marked as seen. Everything shown was redacted when it
was stored; bodies of webhooks and errors of ours stay in the desk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet

from core.gateways import encoding
from core.models import AuditLog
from core.money import Money
from payments.models import (
    Dispute,
    EventState,
    Outcome,
    Payment,
    PaymentGatewayTransaction,
    PaymentTransition,
    Refund,
    WebhookEvent,
)
from payments.services import attention

MOST_OF_EACH: Final = 200

_CAUSES: Final = {
    "api": "by your request",
    "webhook": "by a webhook",
    "fetch": "by what the gateway said when asked",
    "response": "by the gateway's answer",
    "timer": "by its expiry",
    "staff": "by staff",
}
_OPERATIONS: Final = {
    "initiate": "start the payment",
    "fetch_payment": "tell how the payment stands",
    "capture": "take the held money",
    "void": "release the payment",
    "close": "end the unpaid order",
    "refund": "refund",
    "fetch_refund": "tell how the refund stands",
    "charge_saved": "charge the saved method",
    "fetch_dispute": "tell how the dispute stands",
}
_OUTCOMES: Final = {
    Outcome.SENT: "not sent, or not answered yet",
    Outcome.ANSWERED: "answered",
    Outcome.DECLINED: "declined",
    Outcome.FAILED: "refused",
    Outcome.UNKNOWN: "no readable answer, so its outcome is looked up",
}
_EVENTS: Final = {
    EventState.NEW: "stored, and applied in a moment",
    EventState.APPLIED: "applied",
    EventState.NOT_APPLIED: "changed nothing",
    EventState.MISMATCH: "does not fit what was asked, and was not applied",
    EventState.CONFLICT: "contradicts an earlier delivery of the same event",
    EventState.UNMATCHED: "its payment was not known yet",
    EventState.WAITING: "waits until running refunds are decided",
    EventState.ERROR: "could not be applied yet, and is tried again",
    EventState.IGNORED: "says nothing about a payment",
    EventState.GIVEN_UP: "could not be applied",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One thing that happened. `kind` is status, gateway, webhook, refund, dispute or staff; `details` are plain JSON values."""

    at: datetime
    kind: str
    words: str
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Timeline:
    """`is_cut`: there is more of one kind than the newest MOST_OF_EACH, which are here."""

    moments: list[Moment]
    is_cut: bool


def of(*, lab_id: int, payment_id: int) -> Timeline:
    """The payment's history, oldest first; empty for another lab's payment. Six statements."""
    found: list[Moment] = []
    is_cut = False
    for model, order, read in _SOURCES:
        rows: QuerySet[Any] = model.objects.for_lab(lab_id).filter(payment_id=payment_id).order_by(f"-{order}")
        if model is WebhookEvent:
            rows = rows.defer("body", "headers", "reports")
        newest = list(rows[: MOST_OF_EACH + 1])
        is_cut = is_cut or len(newest) > MOST_OF_EACH
        for row in reversed(newest[:MOST_OF_EACH]):
            found.extend(read(row))
    found.extend(_seen(lab_id, payment_id))
    return Timeline(sorted(found, key=lambda moment: moment.at), is_cut)  # stable: causes stand before effects


def _exchange(row: PaymentGatewayTransaction) -> Iterator[Moment]:
    wish = _OPERATIONS.get(row.operation, row.operation.replace("_", " "))
    took = "" if row.duration_ms is None else f" in {row.duration_ms} ms"
    reason = f" ({row.error})" if row.error else ""
    yield Moment(
        at=row.started_at,
        kind="gateway",
        words=f"Asked the gateway to {wish}: {_OUTCOMES[Outcome(row.outcome)]}{took}{reason}.",
        details={
            "operation": row.operation,
            "outcome": row.outcome,
            "tries": row.tries,
            "duration_ms": row.duration_ms,
            "error": row.error_class or None,
            "request": row.request,
            "response": row.response,
        },
    )


def _webhook(row: WebhookEvent) -> Iterator[Moment]:
    note = f" ({row.note})" if row.note else ""
    yield Moment(
        at=row.received_at,
        kind="webhook",
        words=f"The gateway reported {row.event_type or 'an event'}: {_EVENTS[EventState(row.state)]}{note}.",
        details={
            "event_type": row.event_type or None,
            "state": row.state,
            "deliveries": row.deliveries,
            "attention": row.attention,
            "applied_at": encoding.time_to_json(row.applied_at),
        },
    )


def _transition(row: PaymentTransition) -> Iterator[Moment]:
    to = row.to_status.replace("_", " ")
    cause = _CAUSES.get(row.cause, row.cause)
    words = f"Created, {to}." if row.from_status is None else f"Became {to}, {cause}."
    details = {"from": row.from_status, "to": row.to_status, "cause": row.cause}
    yield Moment(at=row.at, kind="status", words=words, details=details)


def _refund(row: Refund) -> Iterator[Moment]:
    amount = Money(int(row.amount), row.currency)
    details = {"refund": row.public_id, "amount": int(row.amount), "currency": row.currency}
    origin = "was made at the gateway" if row.is_external else "was asked for"
    reason = f": {row.reason}" if row.reason else ""
    yield Moment(
        at=row.created_at, kind="refund", words=f"A refund of {amount} {origin}{reason}.",
        details={**details, "status": "pending"},
    )  # fmt: skip
    if row.completed_at is not None:
        words = (
            f"The refund of {amount} {row.status}."
            if row.status != "cancelled"
            else f"The refund of {amount} was cancelled."
        )
        yield Moment(at=row.completed_at, kind="refund", words=words, details={**details, "status": row.status})


def _dispute(row: Dispute) -> Iterator[Moment]:
    amount = "" if row.amount is None else f" of {Money(int(row.amount), row.currency)}"
    reason = f" ({row.reason.replace('_', ' ')})" if row.reason else ""
    details = {
        "dispute": row.public_id,
        "amount": None if row.amount is None else int(row.amount),
        "currency": row.currency,
    }
    yield Moment(
        at=row.opened_at, kind="dispute", words=f"The payer's bank opened a dispute{amount}{reason}.",
        details={**details, "status": "opened", "respond_by": encoding.time_to_json(row.respond_by)},
    )  # fmt: skip
    if row.closed_at is not None:
        withdrawn = Money(int(row.withdrawn), row.currency)
        words = f"The dispute{amount} was {row.status}; the gateway holds back {withdrawn}."
        yield Moment(
            at=row.closed_at, kind="dispute", words=words,
            details={**details, "status": row.status, "withdrawn": int(row.withdrawn)},
        )  # fmt: skip


def _seen(lab_id: int, payment_id: int) -> Iterator[Moment]:
    """From the audit log; who it was stays in the desk."""
    public_id = Payment.objects.for_lab(lab_id).filter(pk=payment_id).values("public_id")
    rows = AuditLog.objects.for_lab(lab_id).filter(
        object_type="payment", object_id__in=public_id, action=attention.SEEN
    )
    for row in rows.order_by("-seq")[:MOST_OF_EACH]:
        word = str(row.changes.get("attention", ""))
        words = f"Staff marked it as seen: {word.replace('_', ' ')}."
        yield Moment(at=row.at, kind="staff", words=words, details={"attention": word})


# In the order in which things of one instant follow from each other.
_SOURCES: Final[Sequence[tuple[type[Any], str, Any]]] = (
    (PaymentGatewayTransaction, "started_at", _exchange),
    (WebhookEvent, "id", _webhook),
    (PaymentTransition, "seq", _transition),
    (Refund, "id", _refund),
    (Dispute, "id", _dispute),
)
