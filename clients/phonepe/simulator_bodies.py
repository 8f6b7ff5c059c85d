"""Orders, refunds and disputes of the simulated PhonePe as JSON, in answers and in webhooks (sections 5, 6, 9)."""

from __future__ import annotations

from clients.phonepe.simulator_merchant import Attempt, Dispute, Failure, Merchant, Order, Refund
from clients.phonepe.simulator_wire import Json, milliseconds


def order(m: Merchant, one: Order, *, has_details: bool = False, has_context: bool = False) -> Json:
    """An order; without `has_details` the newest attempt only."""
    attempts = one.attempts if has_details else one.attempts[-1:]
    body: Json = {
        "merchantId": m.merchant_id,
        "merchantOrderId": one.merchant_order_id,
        "orderId": one.order_id,
        "state": one.state,
        "amount": one.amount,
        "payableAmount": one.amount,
        "feeAmount": 0,
        "currency": one.currency,
        "expireAt": milliseconds(one.expires_at),
        **_failed(one.failure),
        "metaInfo": one.meta,
        "paymentDetails": [_attempt(attempt) for attempt in attempts],
    }
    if has_context and one.state == "FAILED" and one.failure is not None:
        body["errorContext"] = _context(one.failure)
    return body


def _attempt(one: Attempt) -> Json:
    body: Json = {
        "transactionId": one.transaction_id,
        "paymentMode": one.mode,
        "timestamp": milliseconds(one.made_at),
        "amount": one.amount,
        "payableAmount": one.amount,
        "feeAmount": 0,
        "state": one.state,
        **_failed(one.failure),
    }
    if one.state == "COMPLETED":
        body |= _paid_by(one)
    return body


def _paid_by(one: Attempt) -> Json:
    if one.mode == "CARD":
        rail = {"type": "PG", "transactionId": one.transaction_id, "authorizationCode": one.utr[:6]}
        return {"rail": rail, "instrument": {"type": "CREDIT_CARD", "bankTransactionId": one.utr}}
    rail = {"type": "UPI", "utr": one.utr, "upiTransactionId": f"YBL{one.utr}", "vpa": "customer@ybl"}
    return {"rail": rail, "instrument": {"type": "ACCOUNT", "accountType": "SAVINGS"}}


def refund(one: Refund) -> Json:
    """Root fields of a refund's status; `amount` is this refund's own."""
    moment = milliseconds(one.made_at)
    row = {
        "transactionId": one.refund_id,
        "paymentMode": one.order.paid_attempt.mode if one.order.paid_attempt else "UPI_QR",
        "timestamp": moment,
        "amount": one.amount,
        "state": one.state,
        **_failed(one.failure),
    }
    return {
        "originalMerchantOrderId": one.order.merchant_order_id,
        "refundId": one.refund_id,
        "amount": one.amount,
        "currency": one.order.currency,
        "state": one.state,
        "timestamp": moment,
        **_failed(one.failure),
        "paymentDetails": [row],
    }


def refund_event(m: Merchant, one: Refund) -> Json:
    return {"merchantId": m.merchant_id, "merchantRefundId": one.merchant_refund_id, **refund(one)}


def dispute_event(m: Merchant, one: Dispute) -> Json:
    """Unconfirmed: no witness shows the fields of a dispute."""
    return {
        "merchantId": m.merchant_id,
        "disputeId": one.dispute_id,
        "originalMerchantOrderId": one.order.merchant_order_id,
        "orderId": one.order.order_id,
        "amount": one.amount,
        "state": one.state,
    }


def _failed(failure: Failure | None) -> Json:
    return {"errorCode": failure.code, "detailedErrorCode": failure.detail} if failure is not None else {}


def _context(failure: Failure) -> Json:
    return {
        **_failed(failure),
        "source": failure.source,
        "stage": failure.stage,
        "description": failure.description or "The payment was not completed.",
    }
