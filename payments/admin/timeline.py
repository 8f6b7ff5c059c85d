"""What happened to a payment, in the order of time: its transitions, exchanges with the gateway, webhooks, refunds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from core.desk import showing
from core.desk.scoped import address_of
from core.models import AuditLog
from payments.models import Dispute, Payment, PaymentGatewayTransaction, PaymentTransition, Refund, WebhookEvent
from payments.services import attention

NEWEST: Final = 200  # of each kind

_CAUSES: Final = {
    "api": "asked for through the API", "webhook": "told by a webhook", "fetch": "found by asking the gateway",
    "response": "the gateway's direct answer", "timer": "time ran out", "staff": "done at the desk",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of the timeline. `rank` orders what happened in the same instant: cause before effect."""

    at: datetime
    rank: int
    kind: str
    title: str
    badge: str = ""
    tone: str = ""
    text: str = ""
    link: str = ""
    details: list[tuple[str, str]] = field(default_factory=list)

    @property
    def badge_words(self) -> str:
        return showing.words(self.badge)

    @property
    def shown_at(self) -> str:
        return showing.time(self.at)


def of(payment: Payment, *, with_events: bool) -> list[Moment]:
    """Oldest first; six statements. `with_events`: the reader may open webhooks, so link to them."""
    found = [
        *_transitions(payment), *_exchanges(payment), *_events(payment, with_events), *_refunds(payment),
        *_disputes(payment), *_seen(payment),
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.at, one.rank))


def _newest(model: Any, payment: Payment, order: str) -> Any:
    return model.objects.for_lab(payment.lab_id).filter(payment_id=payment.pk).order_by(order)[:NEWEST]


def _transitions(payment: Payment) -> Iterator[Moment]:
    for one in _newest(PaymentTransition, payment, "-seq"):
        before = showing.words(one.from_status) if one.from_status else "new"
        yield Moment(
            at=one.at, rank=3, kind="status", title=f"{before} → {showing.words(one.to_status)}",
            badge=one.to_status, tone=showing.TONES.get(one.to_status, showing.PLAIN),
            text=_CAUSES.get(one.cause, one.cause),
        )  # fmt: skip


def _exchanges(payment: Payment) -> Iterator[Moment]:
    for one in _newest(PaymentGatewayTransaction, payment, "-started_at"):
        told = f"{one.duration_ms} ms" if one.duration_ms is not None else ""
        tries = f"{one.tries} tries" if one.tries > 1 else ""
        yield Moment(
            at=one.started_at, rank=1, kind="gateway", title=f"Gateway: {showing.words(one.operation)}",
            badge=one.outcome, tone=showing.TONES.get(one.outcome, showing.PLAIN),
            text=", ".join(part for part in (told, tries, one.error) if part), link=address_of(one, one.pk),
            details=[
                (title, text)
                for title, text in (("Request", showing.as_json(one.request)), ("Answer", showing.as_json(one.response)))
                if text
            ],
        )  # fmt: skip


def _events(payment: Payment, with_link: bool) -> Iterator[Moment]:
    for one in _newest(WebhookEvent, payment, "-id").defer("body", "reports", "headers"):
        times = f"delivered {one.deliveries} times" if one.deliveries > 1 else ""
        parts = (one.note, one.error, times, *(showing.words(word) for word in one.attention))
        yield Moment(
            at=one.received_at, rank=2, kind="webhook", title=f"Webhook: {one.event_type or 'event'}",
            badge=one.state, tone=showing.TONES.get(one.state, showing.PLAIN),
            text=", ".join(part for part in parts if part), link=address_of(one, one.pk) if with_link else "",
        )  # fmt: skip


def _refunds(payment: Payment) -> Iterator[Moment]:
    for one in _newest(Refund, payment, "-id"):
        amount = showing.money(one.amount, one.currency)
        link = address_of(one, one.public_id)
        made = "made at the gateway" if one.is_external else "asked for"
        yield Moment(
            at=one.created_at, rank=0, kind="refund", title=f"Refund of {amount} {made}", link=link,
            text=one.reason,
        )  # fmt: skip
        if one.completed_at is not None:
            yield Moment(
                at=one.completed_at, rank=4, kind="refund", title=f"Refund of {amount}", link=link,
                badge=one.status, tone=showing.TONES.get(one.status, showing.PLAIN), text=_failure(one),
            )  # fmt: skip


def _disputes(payment: Payment) -> Iterator[Moment]:
    for one in _newest(Dispute, payment, "-id"):
        link = address_of(one, one.public_id)
        title = f"Dispute of {showing.money(one.amount, one.currency)}"
        yield Moment(at=one.opened_at, rank=0, kind="dispute", title=f"{title} opened", link=link, text=one.reason)
        if one.closed_at is not None:
            held_back = f"{showing.money(one.withdrawn, one.currency)} held back"
            yield Moment(
                at=one.closed_at, rank=4, kind="dispute", title=title, link=link, badge=one.status,
                tone=showing.TONES.get(one.status, showing.PLAIN), text=held_back,
            )  # fmt: skip


def _seen(payment: Payment) -> Iterator[Moment]:
    """What staff have looked at, from the audit log."""
    rows = AuditLog.objects.for_lab(payment.lab_id).filter(
        object_type="payment", object_id=payment.public_id, action=attention.SEEN
    )
    for one in rows.order_by("-seq")[:NEWEST]:
        word = showing.words(str(one.changes.get("attention", "")))
        yield Moment(
            at=one.at,
            rank=5,
            kind="staff",
            title=f"Marked as seen: {word}",
            text=f"by {one.actor_label}",
        )


def _failure(refund: Refund) -> str:
    told = refund.failure or {}
    return str(told.get("message") or told.get("code") or "")
