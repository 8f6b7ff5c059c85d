"""Razorpay's webhooks: the signature over the exact bytes, then the events that say something about money.

Pure: no I/O. Verification fails closed and raises nothing but WebhookRejected and GatewayMisconfigured; whatever is
signed is accepted, also when we cannot read it. Source: the protocol page §6.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from clients.razorpay import facts, translate
from clients.razorpay.attempts import Told, report_payment
from clients.razorpay.facts import Body, member
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import Attention, PaymentStatus, Report, WebhookDelivery, WebhookReading
from core.strict_json import InvalidJSON, load_object

HEADER: Final = "x-razorpay-signature"


def verify(delivery: WebhookDelivery, *, secrets: Sequence[str]) -> None:
    """Raise WebhookRejected unless the exact bytes received were signed with one of `secrets` (current, previous).

    Raises GatewayMisconfigured when there is no usable secret: Razorpay will send it again. No time is signed, so a
    replay must be harmless.
    """
    if not secrets:  # unusable ones never get past config.py
        raise GatewayMisconfigured("no webhook secret is set for this Razorpay account")
    received = delivery.headers.get(HEADER, "").encode("utf-8", "replace")
    signed = [hmac.new(one.encode(), delivery.body, hashlib.sha256).hexdigest().encode() for one in secrets]
    matches = [hmac.compare_digest(one, received) for one in signed]  # a list: all are always tried
    if not any(matches):
        raise WebhookRejected("the signature does not match the body")


def read(body: bytes, *, account_id: str | None = None) -> WebhookReading:
    """What a verified delivery says. Never raises: what cannot be read is kept with a note.

    The body has no event id, and the one in a header is not signed: the key is the body's own hash. `account_id` is
    the account that events must come from, where one is configured.
    """
    # Unconfirmed: that a retry repeats the body byte for byte. If not, it is another key, and the state table makes it
    # harmless.
    key = hashlib.sha256(body).hexdigest()
    try:
        event = load_object(body)
    except InvalidJSON:
        return WebhookReading(event_key=key, note="signed, but not readable as JSON")
    kind = facts.text(event.get("event")) or ""
    reading = WebhookReading(event_key=key, event_type=kind[:200])
    try:
        return _read_event(event, kind, reading, account_id)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return replace(reading, note=f"signed, but its entities cannot be read ({type(error).__name__})")


def _read_event(event: Body, kind: str, reading: WebhookReading, account_id: str | None) -> WebhookReading:
    if kind not in READERS:
        return replace(reading, note=f"nothing to do for {kind[:100] or 'an event without a name'}")
    name, reader = READERS[kind]
    payload = member(event, "payload")
    if not _entity(payload, name):
        return replace(reading, note=f"signed, but it holds no {name}")
    return replace(reading, reports=(_in_envelope(reader(payload), event, payload, account_id),))


def _in_envelope(report: Report, event: Body, payload: Body, account_id: str | None) -> Report:
    """What only the envelope knows: when, and of which account. Nothing tells the mode."""
    account = facts.text(event.get("account_id"))
    is_foreign = account_id is not None and account is not None and account != account_id
    return replace(
        report,
        account=account,
        occurred_at=facts.moment(event.get("created_at")) or facts.moment(payload.get("created_at")),
        attention=facts.graver(report.attention, Attention.MISMATCH if is_foreign else None),
    )


def _entity(payload: Body, name: str) -> Body:
    return member(member(payload, name), "entity")


def _attempts(payload: Body) -> tuple[Body, ...] | None:
    payment = _entity(payload, "payment")
    return (payment,) if payment else None


# --- one reader a kind of entity; the entity's status decides, not the event's name ----------------------------------


def _payment(payload: Body) -> Report:
    return _careful(report_payment(Told(attempts=_attempts(payload))))


def _order(payload: Body) -> Report:
    return report_payment(Told(order=_entity(payload, "order"), attempts=_attempts(payload)))


def _link(payload: Body) -> Report:
    """Without the order beside it, an internal rendering whose id lacks its prefix."""
    return report_payment(Told(link=_entity(payload, "payment_link"), attempts=_attempts(payload)))


def _qr(payload: Body) -> Report:
    return translate.read_qr(_entity(payload, "qr_code"), _entity(payload, "payment") or None)


def _refund(payload: Body) -> Report:
    """The refund alone: the payment beside it is a snapshot, and counts refunds that failed.

    An authorization that was never captured goes back as a "refund", too: then the news is about the payment.
    """
    refund, payment = _entity(payload, "refund"), _entity(payload, "payment")
    beside = report_payment(Told(attempts=(payment,))) if payment else None
    if beside is not None and beside.status is PaymentStatus.VOIDED:
        return _careful(beside)
    return translate.read_refund(refund, payment=translate.payment_names(payment))


def _dispute(payload: Body) -> Report:
    return translate.read_dispute(
        _entity(payload, "dispute"), payment=translate.payment_names(_entity(payload, "payment"))
    )


def _careful(report: Report) -> Report:
    """One attempt's release says nothing about its order, where another may have been captured: ask."""
    return replace(report, is_hint=True) if report.status is PaymentStatus.VOIDED else report


# Event -> (the entity that it needs, its reader).
READERS: Final[Mapping[str, tuple[str, Callable[[Body], Report]]]] = {
    "payment.authorized": ("payment", _payment),  # also late, after payment.failed
    "payment.captured": ("payment", _payment),
    "payment.failed": ("payment", _payment),
    "order.paid": ("order", _order),
    "payment_link.paid": ("payment_link", _link),
    "payment_link.partially_paid": ("payment_link", _link),
    "payment_link.cancelled": ("payment_link", _link),
    "payment_link.expired": ("payment_link", _link),
    "refund.created": ("refund", _refund),
    "refund.processed": ("refund", _refund),
    "refund.failed": ("refund", _refund),
    "refund.speed_changed": ("refund", _refund),
    "payment.dispute.created": ("dispute", _dispute),
    "payment.dispute.under_review": ("dispute", _dispute),
    "payment.dispute.action_required": ("dispute", _dispute),
    "payment.dispute.won": ("dispute", _dispute),
    "payment.dispute.lost": ("dispute", _dispute),
    "payment.dispute.closed": ("dispute", _dispute),
    "qr_code.created": ("qr_code", _qr),
    "qr_code.credited": ("qr_code", _qr),
    "qr_code.closed": ("qr_code", _qr),
}
