"""PhonePe's words and ours; pure. Only the root `state` and the root `amount` decide.

Attempts and split instruments carry states, codes and amounts of their own, and a stale `errorCode` may stand beside a
paid order: they are read for the summary and the reason of a failure, never for the status or the money.
Source: gateway page sections 3 to 9, 12 and 13.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from clients.phonepe.config import (
    ASSET,
    DEFAULT_EXPIRY_SECONDS,
    MAX_EXPIRY_SECONDS,
    MAX_REFERENCE,
    MIN_EXPIRY_SECONDS,
    MINIMUM_MINOR,
    REFERENCE_ALPHABET,
)
from clients.phonepe.facts import EXPIRED, names_of, read_decline, read_method, read_moment
from clients.phonepe.metadata import build_message, build_meta_info, build_phone
from clients.phonepe.values import (
    Body,
    Unreadable,
    read_id,
    read_message,
    read_milliseconds,
    read_minor,
    read_text,
    read_word,
    redact,
)
from core.gateways.errors import RequestRejected
from core.gateways.types import (
    Attention,
    CaptureMode,
    DisputeStatus,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    RefundRequest,
    RefundStatus,
    Report,
    Subject,
)
from core.money import Money

STATUS: Final[Mapping[str, PaymentStatus]] = {
    "CREATED": PaymentStatus.REQUIRES_ACTION,
    "PENDING": PaymentStatus.PENDING,  # requires_action while no attempt was made
    "COMPLETED": PaymentStatus.CAPTURED,
    "FAILED": PaymentStatus.FAILED,  # expired for a code of that class
    "EXPIRED": PaymentStatus.EXPIRED,  # Unconfirmed: not in the documentation; seen in SDK fixtures
}
REFUND_STATUS: Final[Mapping[str, RefundStatus]] = {
    "CREATED": RefundStatus.PENDING,
    "PENDING": RefundStatus.PENDING,
    "CONFIRMED": RefundStatus.PENDING,  # accepted, not paid back
    "COMPLETED": RefundStatus.SUCCEEDED,
    "FAILED": RefundStatus.FAILED,
}
# Unconfirmed: the payload of these events. `created` is open, for which the port's nearest word is needs_response.
DISPUTE_STATUS: Final[Mapping[str, DisputeStatus]] = {
    "payment.dispute.created": DisputeStatus.NEEDS_RESPONSE,
    "payment.dispute.action_required": DisputeStatus.NEEDS_RESPONSE,
    "payment.dispute.under_review": DisputeStatus.UNDER_REVIEW,
    "payment.dispute.won": DisputeStatus.WON,
    "payment.dispute.lost": DisputeStatus.LOST,
}
DISPUTE_ID: Final = ("disputeId", "chargebackId")  # Unconfirmed: guessed, as are amount, reason and respondBy


# --- ours -> theirs -----------------------------------------------------------------------------------------------


def build_create(request: PaymentRequest, *, now: datetime) -> str:
    """Body of POST /checkout/v2/pay; `amount` in paise. Raises RequestRejected for what PhonePe would refuse.

    `expireAfter` is always sent, and derived from the order's own times, so that a repeat is the same to the byte.
    Members without a value are left out: unknown ones and nulls are not welcome.
    """
    if request.capture is CaptureMode.MANUAL:
        raise RequestRejected("a PhonePe order cannot be held: capture is automatic", code="capture_unsupported")
    if request.save_method:
        raise RequestRejected("PhonePe gives no token of a saved method", code="save_unsupported")
    amount = paise(request.amount)
    if amount < MINIMUM_MINOR:
        raise RequestRejected("the amount is below 1.00 INR, the least that PhonePe takes", code="amount_too_small")
    body = {
        "merchantOrderId": checked_reference(request.reference),
        "amount": amount,
        "expireAfter": _expire_after(request, now),
        "metaInfo": build_meta_info(request.metadata),
        "paymentFlow": _without_none({
            "type": "PG_CHECKOUT",
            "message": build_message(request.description),
            "merchantUrls": {"redirectUrl": request.return_url},
        }),
        "prefillUserLoginDetails": build_phone(request.customer.phone if request.customer else None),
    }  # fmt: skip
    return _json(_without_none(body))


def build_refund(request: RefundRequest) -> str:
    """Body of POST /payments/v2/refund. The pages contradict each other on a minimum, so the gateway decides."""
    original = request.names.reference
    if not original:
        raise RequestRejected("PhonePe refunds by our own reference of the order", code="reference_missing")
    return _json({
        "merchantRefundId": checked_reference(request.reference),
        "originalMerchantOrderId": checked_reference(original),
        "amount": paise(request.amount),
    })  # fmt: skip


def paise(amount: Money) -> int:
    """Minor units of INR are paise. Raises RequestRejected for any other asset."""
    if amount.asset != ASSET:
        raise RequestRejected("PhonePe takes Indian rupees only", code="currency_unavailable")
    return amount.minor


def checked_reference(reference: str) -> str:
    """An id as PhonePe takes it, which is also safe in a path. Raises RequestRejected."""
    if not 0 < len(reference) <= MAX_REFERENCE or not set(reference) <= set(REFERENCE_ALPHABET):
        raise RequestRejected(
            f"a reference has 1 to {MAX_REFERENCE} letters, digits, - and _ at PhonePe", code="reference_invalid"
        )
    return reference


def _expire_after(request: PaymentRequest, now: datetime) -> int:
    """Seconds, within what the checkout takes. An order that outlives ours a little is paid late, and that is known."""
    if request.expires_at is None:
        return DEFAULT_EXPIRY_SECONDS
    seconds = int((request.expires_at - (request.created_at or now)).total_seconds())
    return max(MIN_EXPIRY_SECONDS, min(MAX_EXPIRY_SECONDS, seconds))


def _json(body: Mapping[str, Any]) -> str:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"))


def _without_none(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


# --- theirs -> ours -----------------------------------------------------------------------------------------------


def read_created(body: Body) -> tuple[str, str]:
    """(orderId, redirectUrl) of the create's answer. Raises Unreadable where either is missing or it is not PENDING."""
    order_id, url = read_id(body.get("orderId")), body.get("redirectUrl")
    if order_id is None:
        raise Unreadable("the answer has no orderId")
    if body.get("state") != "PENDING":
        raise Unreadable("the new order is not pending")
    if not isinstance(url, str) or not url.startswith(("https://", "http://")):
        raise Unreadable("the answer has no redirectUrl")
    # A browser takes a backslash for "/" and drops line breaks, so what such a text leads to is not what is checked later.
    if not all("!" <= char <= "~" for char in url) or "\\" in url:
        raise Unreadable("the redirectUrl is not an address")
    return order_id, url


def read_payment(body: Body) -> Report:
    """A payment report of a status answer or of a webhook's payload. Account and asset are theirs where they say them."""
    status = _payment_status(body)
    amount = read_minor(body.get("amount"))
    is_odd = status is PaymentStatus.CAPTURED and not amount
    if is_odd:  # paid, and nobody can tell how much: a person looks
        status = PaymentStatus.PENDING
    is_captured = status is PaymentStatus.CAPTURED
    return Report(
        about=Subject.PAYMENT,
        status=status,
        reference=read_id(body.get("merchantOrderId")),
        gateway_reference=read_id(body.get("orderId")),
        other_references=names_of(body),
        account=read_text(body.get("merchantId"), max_length=64),
        asset=_asset(body),
        captured_minor=None if is_odd else amount if is_captured else 0,
        occurred_at=read_moment(body),
        method=read_method(body),
        decline=read_decline(body, status),
        attention=Attention.MISMATCH if is_odd else None,
        raw=redact(body),
    )


def read_attempt(body: Body) -> Report:
    """A failed attempt ends nothing: the customer may try again, whatever its details say."""
    return replace(read_payment({**body, "state": "PENDING"}), status=PaymentStatus.PENDING, raw=redact(body))


def read_refund(body: Body) -> Report:
    """A refund report. `refunded_minor` is this refund's amount once it succeeded and 0 before; `amount_minor` always."""
    word = read_word(body.get("state")) or ""
    status, amount = REFUND_STATUS.get(word, RefundStatus.PENDING), read_minor(body.get("amount"))
    is_odd = status is RefundStatus.SUCCEEDED and not amount
    if is_odd:
        status = RefundStatus.PENDING
    original = read_id(body.get("originalMerchantOrderId"))  # may be an empty text, which is absent
    return Report(
        about=Subject.REFUND,
        status=status,
        reference=read_id(body.get("merchantRefundId")),
        gateway_reference=read_id(body.get("refundId")),
        payment=PaymentNames(reference=original) if original else None,
        account=read_text(body.get("merchantId"), max_length=64),
        asset=_asset(body),
        refunded_minor=amount if status is RefundStatus.SUCCEEDED else 0,
        amount_minor=amount,
        occurred_at=read_milliseconds(body.get("timestamp")) or read_moment(body),
        decline=read_decline(body, status),
        attention=Attention.MISMATCH if is_odd else None,
        raw=redact(body),
    )


def read_dispute(body: Body, event: str) -> Report:
    """What a chargeback event says. How much is withheld it does not say, so no money is claimed.

    Unconfirmed: the whole payload. The words come from the event, the rest is read where it happens to stand.
    """
    original = read_id(body.get("merchantOrderId")) or read_id(body.get("originalMerchantOrderId"))
    order_id = read_id(body.get("orderId"))
    has_names = original is not None or order_id is not None
    return Report(
        about=Subject.DISPUTE,
        status=DISPUTE_STATUS[event],
        reference=None,
        gateway_reference=next((found for name in DISPUTE_ID if (found := read_id(body.get(name)))), None),
        payment=PaymentNames(reference=original, gateway_reference=order_id) if has_names else None,
        account=read_text(body.get("merchantId"), max_length=64),
        asset=_asset(body),
        amount_minor=read_minor(body.get("amount")),
        respond_by=read_milliseconds(body.get("respondBy")),
        dispute_reason=read_message(body.get("reason")),
        attention=Attention.DISPUTED,
        raw=redact(body),
    )


def _payment_status(body: Body) -> PaymentStatus:
    # A word that we have not seen is not a failure: leave it pending and let the next look tell.
    word = read_word(body.get("state")) or ""
    status = STATUS.get(word, PaymentStatus.PENDING)
    if word == "PENDING" and body.get("paymentDetails") == []:
        return PaymentStatus.REQUIRES_ACTION
    if status is PaymentStatus.FAILED:
        decline = read_decline(body, status)
        return PaymentStatus.EXPIRED if decline is not None and decline.code == EXPIRED else status
    return status


def _asset(body: Body) -> str:
    """Absent is INR."""
    said = read_text(body.get("currency"), max_length=10)
    return said.upper() if said else ASSET
