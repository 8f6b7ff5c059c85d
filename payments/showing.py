"""Payments and refunds as the API shows them: the one shape, for answers, lists and outgoing events."""

from __future__ import annotations

from typing import Any, Protocol

from core.gateways import encoding, registry
from core.gateways.port import CanRefund
from core.gateways.types import Attention, PaymentStatus
from payments.states import OPEN
from payments.work import DisputeState, PaymentState, RefundState

_GRAVITY = {attention: place for place, attention in enumerate(Attention)}


def payment(state: PaymentState, *, pay_url: str | None) -> dict[str, Any]:
    """The payment object of the API. `pay_url` is left out of outgoing events: it is a secret of the customer."""
    time = encoding.time_to_json
    shown: dict[str, Any] = {
        "id": state.public_id,
        "reference": state.merchant_reference or None,
        "status": state.status.value,
        "refund_status": refund_status(state),
        "dispute_status": dispute_status(state),
        "attention": [word.value for word in sorted(state.open_attention, key=_GRAVITY.__getitem__)],
        "fraud": {"status": state.fraud_status.value, "message": state.fraud_message or None},
        "purpose": state.purpose,
        "amount": state.amount,
        "currency": state.currency,
        "authorized": state.authorized,
        "captured": state.captured,
        "received": state.received,
        "refunded": state.refunded,
        "disputed": state.disputed,
        "refundable": refundable(state),
        "fee": state.fee or None,
        "description": state.description or None,
        "capture": state.capture_mode,
        "gateway": state.gateway,
        "mode": state.mode.value,
        "gateway_reference": state.gateway_reference or None,
        "next_action": _action(state, pay_url),
        "method": _method(state),
        "coin": None if state.coin is None else encoding.coin_to_json(state.coin),
        "decline": None if state.decline is None else encoding.decline_to_json(state.decline),
        "pending_reason": pending_reason(state),
        "last_checked_at": time(state.last_checked_at),
        "next_check_at": time(state.next_check_at) if state.status in OPEN else None,
        "metadata": state.metadata,
        "created_at": time(state.created_at),
        "expires_at": time(state.expires_at),
        "completed_at": time(state.completed_at),
    }
    if pay_url is not None:
        shown["pay_url"] = pay_url
    return shown


class RefundedPayment(Protocol):
    """What a refund or dispute shows of its payment: its state, or its row."""

    @property
    def public_id(self) -> str: ...
    @property
    def currency(self) -> str: ...


def refund(state: RefundedPayment, one: RefundState) -> dict[str, Any]:
    """The refund object of the API."""
    failure = one.failure
    return {
        "id": one.public_id,
        "payment": state.public_id,
        "amount": one.amount,
        "currency": state.currency,
        "status": one.status.value,
        "reference": one.merchant_reference or None,
        "reason": one.reason or None,
        "gateway_reference": one.gateway_reference,
        "pending_reason": one.pending_reason or None,
        "failure": None if failure is None else encoding.decline_to_json(failure),
        "is_external": one.is_external,
        "created_at": encoding.time_to_json(one.created_at),
        "completed_at": encoding.time_to_json(one.completed_at),
    }


def dispute_status(state: PaymentState) -> str:
    """none, open (a person must act, or the money is gone), or withdrawn (held back while nobody has to act)."""
    if Attention.DISPUTED in state.attention:
        return "open"
    return "withdrawn" if state.disputed else "none"


def dispute(state: RefundedPayment, one: DisputeState) -> dict[str, Any]:
    """The dispute object of the API. `withdrawn` is what the gateway holds back because of it now."""
    time = encoding.time_to_json
    return {
        "id": one.public_id,
        "payment": state.public_id,
        "status": one.status.value,
        "amount": one.amount,
        "withdrawn": one.withdrawn,
        "currency": state.currency,
        "reason": one.reason or None,
        "respond_by": time(one.respond_by),
        "gateway_reference": one.gateway_reference,
        "opened_at": time(one.opened_at),
        "closed_at": time(one.closed_at),
    }


def refundable(state: PaymentState) -> int:
    """What can still be refunded through the gateway; nothing where it has no refunds."""
    try:
        can = issubclass(registry.gateway_class(state.gateway), CanRefund)
    except registry.UnknownGateway:
        can = False
    return state.captured - state.refund_reserved if can else 0


def refund_status(state: PaymentState) -> str:
    if state.refunded and state.refunded == state.captured:
        return "refunded"
    if state.refunded:
        return "partially_refunded"
    return "pending" if state.refund_reserved else "none"


def pending_reason(state: PaymentState) -> str | None:
    """Why an open payment is not further, in one word."""
    if state.is_final:  # also while a look-up is still to confirm what a webhook told
        return None
    if state.unknown_since is not None:
        return "outcome_unknown"
    if state.status is PaymentStatus.REQUIRES_ACTION:
        return "waiting_for_customer"
    if state.status is PaymentStatus.AUTHORIZED:
        return "waiting_for_capture" if state.capture_asked is None else "capture_pending"
    if state.status is PaymentStatus.PENDING:
        if Attention.UNDERPAID in state.attention:
            return "underpaid"
        if state.next_action is not None:
            return "waiting_for_customer"
        return "waiting_for_gateway" if state.is_acknowledged else "not_sent"
    return None


def _action(state: PaymentState, pay_url: str | None) -> dict[str, Any] | None:
    if state.next_action is None or pay_url is None:
        return None
    return encoding.next_action_to_json(state.next_action)


def _method(state: PaymentState) -> dict[str, Any] | None:
    method = state.method
    if method is None:
        return None
    return {"kind": method.kind, "brand": method.brand, "last_four": method.last_four, "handle": method.handle,
            "network": method.network, "wallet": method.wallet}  # fmt: skip
