"""Stripe's webhooks: the signature over the exact bytes, then the events that say something about money.

Pure: no I/O. Verification fails closed and raises nothing but WebhookRejected and GatewayMisconfigured; whatever is
signed is accepted, also when we cannot read it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from clients.stripe import disputes, facts, fraud, saved, translate
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import (
    Attention,
    MethodStatus,
    PaymentStatus,
    Report,
    Subject,
    WebhookDelivery,
    WebhookReading,
)
from core.strict_json import InvalidJSON, load_object

HEADER: Final = "stripe-signature"
TOLERANCE_SECONDS: Final = 300
_TIME: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_SPACE: Final = re.compile(r"\s")


def verify(delivery: WebhookDelivery, *, secrets: Sequence[str], now: datetime) -> None:
    """Raise WebhookRejected unless the exact bytes were signed with one of `secrets` within 300 s of `now`.

    Raises GatewayMisconfigured when there is no usable secret: Stripe will send it again.
    Source: the protocol page §6.1, proven against the SDK's own verifier in tests.
    """
    if not secrets:  # unusable ones never get past config.py
        raise GatewayMisconfigured("no webhook secret is set for this Stripe account")
    stamp, received = _read_header(delivery.headers.get(HEADER, ""))
    signed = stamp.encode() + b"." + delivery.body
    expected = [hmac.new(one.encode(), signed, hashlib.sha256).hexdigest().encode() for one in secrets]
    # A list, not a generator: every secret is tried against every signature, whichever matches.
    matches = [hmac.compare_digest(mine, theirs) for mine in expected for theirs in received]
    if not any(matches):
        raise WebhookRejected("the signature does not match the body")
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        raise WebhookRejected("the signature is older or newer than five minutes")


def _read_header(header: str) -> tuple[str, list[bytes]]:
    """`t` and all `v1`. Any other scheme is ignored, `v0` too, which Stripe adds to test events."""
    if _SPACE.search(header):  # Stripe writes none; two headers that a server joined would hide a second `t` behind one
        raise WebhookRejected("the signature header is malformed")
    pairs = [part.partition("=") for part in header.split(",")]
    stamps = [value for name, _, value in pairs if name == "t"]
    signatures = [value.encode() for name, _, value in pairs if name == "v1" and value.isascii()]
    if len(stamps) != 1 or not _TIME.fullmatch(stamps[0]) or not signatures:
        raise WebhookRejected("the signature header is missing or malformed")
    return stamps[0], signatures


def read(body: bytes, *, account_id: str | None = None) -> WebhookReading:
    """What a verified delivery says. Never raises: what cannot be read is kept with a note.

    `account_id` is the connected account that deliveries must come from, where one is configured.
    """
    fallback = hashlib.sha256(body).hexdigest()
    try:
        event = load_object(body)
    except InvalidJSON:
        return WebhookReading(event_key=fallback, note="signed, but not readable as JSON")
    key, kind = event.get("id"), event.get("type")
    reading = WebhookReading(
        event_key=key if isinstance(key, str) and 0 < len(key) <= 255 else fallback,
        event_type=kind[:200] if isinstance(kind, str) else "",
    )
    try:
        return _read_event(event, reading, account_id)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return replace(reading, note=f"signed, but its object cannot be read ({type(error).__name__})")


def _read_event(event: Mapping[str, Any], reading: WebhookReading, account_id: str | None) -> WebhookReading:
    if event.get("object") == "v2.core.event":
        return replace(reading, note="a thin event: set the destination to snapshot events in Stripe's dashboard")
    if event.get("object") != "event":
        return replace(reading, note="signed, but no event")
    reader, subject = READERS.get(reading.event_type), event["data"]["object"]
    if reader is None:
        return replace(reading, note=f"nothing to do for {reading.event_type or 'an event without a type'}")
    report = reader(subject)
    if report is None:
        return replace(reading, note="moves no money of a payment here")
    return replace(reading, reports=(_in_envelope(report, event, account_id),))


def _in_envelope(report: Report, event: Mapping[str, Any], account_id: str | None) -> Report:
    """What only the envelope knows: when, in which mode, of which connected account."""
    account = event.get("account")
    is_foreign = account_id is not None and account is not None and account != account_id
    return replace(
        report,
        account=account if isinstance(account, str) else None,
        mode=facts.mode_of(event) or report.mode,
        occurred_at=facts.moment(event.get("created")),
        attention=facts.graver(report.attention, Attention.MISMATCH if is_foreign else None),
    )


# --- events that end a payment although the object alone may not say so -------------------------------------------


def _session(session: Mapping[str, Any]) -> Report | None:
    """A payment, or a method that is saved without one."""
    return saved.read_setup_session(session) if saved.is_setup(session) else translate.read_session(session)


def _method_gone(method: Mapping[str, Any]) -> Report:
    """Detached: nobody can charge it any more."""
    return replace(saved.read_method_alone(method), status=MethodStatus.DELETED)


def _session_failed(session: Mapping[str, Any]) -> Report | None:
    report = _session(session)
    if report is None or report.about is Subject.METHOD or report.status is PaymentStatus.CAPTURED:
        return report
    return replace(report, status=PaymentStatus.FAILED, next_action=None)


def _session_expired(session: Mapping[str, Any]) -> Report | None:
    report = _session(session)
    if report is not None and report.about is Subject.METHOD:
        return replace(report, status=MethodStatus.FAILED, next_action=None, saved=None)
    if report is None or report.status is PaymentStatus.CAPTURED:
        return report
    return replace(report, status=PaymentStatus.EXPIRED, captured_minor=None, next_action=None)


def _partially_funded(intent: Mapping[str, Any]) -> Report:
    report = translate.read_intent(intent)
    attention = facts.graver(report.attention, Attention.UNDERPAID)  # also where the intent does not count the part yet
    return replace(report, status=PaymentStatus.PENDING, attention=attention)


def _charge_expired(charge: Mapping[str, Any]) -> Report:
    report = translate.read_charge(charge)
    return replace(report, status=PaymentStatus.EXPIRED, authorized_minor=None, captured_minor=0, refunded_minor=0)


READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Report | None]]] = {
    "checkout.session.completed": _session,
    "checkout.session.async_payment_succeeded": _session,
    "checkout.session.async_payment_failed": _session_failed,
    "checkout.session.expired": _session_expired,
    "payment_intent.succeeded": translate.read_intent,
    "payment_intent.payment_failed": translate.read_intent,
    "payment_intent.processing": translate.read_intent,
    "payment_intent.requires_action": translate.read_intent,
    "payment_intent.amount_capturable_updated": translate.read_intent,
    "payment_intent.partially_funded": _partially_funded,
    "payment_intent.canceled": translate.read_intent,
    "payment_method.automatically_updated": saved.read_method_alone,
    "payment_method.detached": _method_gone,
    "charge.updated": translate.read_charge,  # carries the fee, when its balance transaction is expanded
    "charge.refunded": translate.read_charge,  # refund records decide; a released hold looks like this too
    "charge.expired": _charge_expired,
    "refund.created": translate.read_refund,
    "refund.updated": translate.read_refund,
    "refund.failed": translate.read_refund,
    "charge.refund.updated": translate.read_refund,  # older, partial form of the same news
    "setup_intent.succeeded": saved.read_setup_intent,
    "setup_intent.setup_failed": saved.read_setup_intent,
    "charge.dispute.created": disputes.read_dispute,
    "charge.dispute.updated": disputes.read_dispute,
    "charge.dispute.closed": disputes.read_dispute,
    "charge.dispute.funds_withdrawn": disputes.read_dispute,
    "charge.dispute.funds_reinstated": disputes.read_dispute,
    "radar.early_fraud_warning.created": fraud.read_fraud_warning,
    "radar.early_fraud_warning.updated": fraud.read_fraud_warning,
    "review.opened": fraud.read_review,
    "review.closed": fraud.read_review,
}
