"""Webhooks: verify the header, then read the body as what it is, a claim; pure.

The header is the same for every delivery of an account and covers neither body nor time. Whoever saw it once can write
any body. So each report is a hint that says what to ask about, and the event key is the digest of the bytes: one made of
their fields could be burnt by a forger.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from clients.phonepe.facts import own_names_of
from clients.phonepe.translate import DISPUTE_STATUS, read_attempt, read_dispute, read_payment, read_refund
from clients.phonepe.values import Body, member, read_word
from core import strict_json
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import Attention, Mode, Report, Subject, WebhookDelivery, WebhookReading

HEADER: Final = "authorization"
NOT_OURS: Final = ("settlement.", "subscription.", "paylink.")

ORDERS: Final = frozenset({
    "checkout.order.completed", "checkout.order.failed", "pg.order.completed", "pg.order.failed",
})  # fmt: skip
ATTEMPTS: Final = frozenset({"checkout.transaction.attempt.failed", "pg.transaction.attempt.failed"})
REFUNDS: Final = frozenset({"pg.refund.accepted", "pg.refund.completed", "pg.refund.failed"})
# The deprecated `type` is the same name in capitals with underscores; older deliveries carry nothing else.
TWINS: Final[Mapping[str, str]] = {name.replace(".", "_"): name for name in ORDERS | ATTEMPTS | REFUNDS}


def verify(delivery: WebhookDelivery, *, logins: Sequence[tuple[str, str]]) -> None:
    """Raise WebhookRejected unless the header is SHA-256 of `username:password` of one of `logins`, in small hex digits.

    Raises GatewayMisconfigured when there is no usable pair. Neither Basic nor HMAC; a webhook that was created with
    the dashboard's HMAC type does not verify.
    """
    # Unconfirmed: header, text and encoding of the HMAC type, which only newer dashboards offer. It would be checked here.
    if not logins:
        raise GatewayMisconfigured("no webhook username and password are set for this account")
    received = delivery.headers.get(HEADER, "").strip().encode(errors="replace")
    matches = [hmac.compare_digest(proof(username, password), received) for username, password in logins]  # all of them
    if not any(matches):
        raise WebhookRejected("the Authorization header is missing or is not that of this webhook")


def proof(username: str, password: str) -> bytes:
    return hashlib.sha256(f"{username}:{password}".encode()).hexdigest().encode()


def read(delivery: WebhookDelivery, *, mode: Mode, merchant_id: str | None) -> WebhookReading:
    """What a verified delivery claims. Never raises: broken JSON is stored, answered 200 and moves nothing."""
    event_key = hashlib.sha256(delivery.body).hexdigest()
    try:
        body = strict_json.load_object(delivery.body)
    except strict_json.InvalidJSON as error:
        # Unconfirmed: documented samples with a key twice or a trailing comma are taken for misprints; asking tells.
        return WebhookReading(event_key=event_key, note=f"verified but unreadable: {error}")
    event, payload = event_of(body), member(body, "payload")
    read_one = _reader(event)
    if read_one is None:
        return WebhookReading(event_key=event_key, event_type=event, note=_note(event))
    report = read_one(payload)
    if not payload or (report.about is not Subject.DISPUTE and not _has_name(report)):
        return WebhookReading(event_key=event_key, event_type=event, note="the event names no order")
    if report.about is Subject.PAYMENT:  # by its names a payment is looked up
        report = replace(report, other_references=own_names_of(payload))
    report = against(replace(report, mode=mode, is_hint=True), merchant_id)
    return WebhookReading(
        event_key=event_key, event_type=event, reports=(report,), attention=_attention(report, merchant_id)
    )


def event_of(body: Body) -> str:
    """`event` where it is given, else the name that `type` stands for."""
    name = (read_word(body.get("event")) or read_word(body.get("type")) or "unknown").lower()
    return TWINS.get(name, name)


def against(report: Report, merchant_id: str | None) -> Report:
    """The report, marked where it names another merchant than ours."""
    return replace(report, attention=Attention.MISMATCH) if _is_foreign(report, merchant_id) else report


def _is_foreign(report: Report, merchant_id: str | None) -> bool:
    return merchant_id is not None and report.account not in (None, merchant_id)


def _reader(event: str) -> Callable[[Body], Report] | None:
    if event in ORDERS:
        return read_payment
    if event in ATTEMPTS:
        return read_attempt
    if event in REFUNDS:
        return read_refund
    if event in DISPUTE_STATUS:
        return lambda payload: read_dispute(payload, event)
    return None


def _has_name(report: Report) -> bool:
    return bool(report.reference or report.gateway_reference or report.payment)


def _attention(report: Report, merchant_id: str | None) -> Attention | None:
    """For the stored delivery: a hint alerts nobody, and neither a dispute nor another's event can be asked about."""
    if report.about is Subject.DISPUTE:
        return Attention.DISPUTED
    return Attention.MISMATCH if _is_foreign(report, merchant_id) else None


def _note(event: str) -> str:
    if event.startswith(NOT_OURS):
        return "settlements, subscriptions and payment links of PhonePe are stored only"
    return "this event type is not known"
