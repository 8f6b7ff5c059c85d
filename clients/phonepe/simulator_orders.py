"""What happens to orders, refunds and disputes of the simulated PhonePe, and which event tells it (sections 5, 6, 9)."""

from __future__ import annotations

import secrets
from typing import Final

from clients.phonepe import simulator_bodies as bodies
from clients.phonepe.simulator_merchant import Attempt, Dispute, Failure, Merchant, Order, Refund
from clients.phonepe.simulator_wire import PhonePeError, milliseconds, new_id

ACCEPT_SECONDS: Final = 0.4
SETTLE_SECONDS: Final = 0.8
REFUND_WINDOW_SECONDS: Final = 90 * 24 * 3600.0
DECLINED: Final = "TXN_AUTO_FAILED"
CANCELED: Final = "ORDER_CANCELLED_BY_USER"
BLOCKED: Final = "INTERNAL_SECURITY_BLOCK_1"
EXPIRED: Final = Failure(code="TXN_NOT_COMPLETED", detail="ORDER_EXPIRED", description="The order expired.")
DISPUTE_STATES: Final = {
    "created": "CREATED",
    "action_required": "ACTION_REQUIRED",
    "under_review": "UNDER_REVIEW",
    "won": "WON",
    "lost": "LOST",
}
_ENDED: Final = frozenset({"WON", "LOST"})


# --- orders --------------------------------------------------------------------------------------------------------


def create(m: Merchant, order: Order, *, seconds: float) -> None:
    m.orders[order.merchant_order_id] = order
    m.later(seconds, lambda: _expire_if_open(m, order))


def _expire_if_open(m: Merchant, order: Order) -> None:
    if order.state == "PENDING":
        expire(m, order)


def start(m: Merchant, order: Order, *, mode: str = "UPI_QR") -> Attempt:
    """One more try by the customer, whose outcome is not known yet."""
    attempt = Attempt(
        transaction_id=new_id("OM", m.now()),
        mode=mode,
        made_at=m.now(),
        amount=order.amount,
        utr=f"{secrets.randbelow(10**12):012d}",
    )
    order.attempts.append(attempt)
    return attempt


def open_attempt(m: Merchant, order: Order, *, mode: str = "UPI_QR") -> Attempt:
    """The try that is waiting, or a new one."""
    waiting = next((one for one in order.attempts if one.state == "PENDING"), None)
    return waiting if waiting is not None else start(m, order, mode=mode)


def pay(m: Merchant, order: Order, *, mode: str = "UPI_QR") -> None:
    """The root errorCode of an earlier failed attempt stays beside COMPLETED, as the page warns."""
    attempt = open_attempt(m, order, mode=mode)
    attempt.state, attempt.amount = "COMPLETED", order.amount
    order.state = "COMPLETED"
    m.send("checkout.order.completed", bodies.order(m, order, has_details=True))


def decline(m: Merchant, order: Order, *, detail: str = DECLINED, mode: str = "UPI_QR") -> None:
    """One attempt failed: the order goes on, unless the merchant allowed a single try."""
    failure = Failure(code="PAYMENT_ERROR", detail=detail, source="ISSUING_BANK", stage="PAYMENT_AUTHORIZATION")
    attempt = open_attempt(m, order, mode=mode)
    attempt.state, attempt.failure, order.failure = "FAILED", failure, failure
    if order.is_single_try:
        _fail(m, order, failure)
        return
    m.send("checkout.transaction.attempt.failed", bodies.order(m, order))


def fail(m: Merchant, order: Order, *, detail: str = DECLINED) -> None:
    failure = Failure(code="PAYMENT_ERROR", detail=detail)
    _end_attempts(order, failure)
    _fail(m, order, failure)


def expire(m: Merchant, order: Order) -> None:
    order.expires_at = min(order.expires_at, m.now())
    _end_attempts(order, EXPIRED)
    _fail(m, order, EXPIRED)


def _end_attempts(order: Order, failure: Failure) -> None:
    for attempt in order.attempts:
        if attempt.state == "PENDING":
            attempt.state, attempt.failure = "FAILED", failure


def _fail(m: Merchant, order: Order, failure: Failure) -> None:
    order.state, order.failure = "FAILED", failure
    m.send("checkout.order.failed", bodies.order(m, order, has_details=True, has_context=True))


# --- refunds -------------------------------------------------------------------------------------------------------


def refund(m: Merchant, order: Order, *, merchant_refund_id: str, amount: int) -> Refund:
    """Always asynchronous: PENDING, then CONFIRMED, then the end."""
    if order.state != "COMPLETED":
        raise PhonePeError("REFUND_NOT_ALLOWED", "The order is not completed.")
    if amount > m.left_of(order):
        raise PhonePeError("EXCESS_REFUND_AMOUNT", "The amount is more than what is left to refund.")
    one = Refund(
        merchant_refund_id=merchant_refund_id,
        refund_id=new_id("OMR", m.now()),
        order=order,
        amount=amount,
        made_at=m.now(),
    )
    m.refunds[merchant_refund_id] = one
    if m.refund_mode != "hold":
        m.later(ACCEPT_SECONDS, lambda: _accept_if_new(m, one))
        m.later(SETTLE_SECONDS, lambda: _end_if_open(m, one))
    return one


def _accept_if_new(m: Merchant, one: Refund) -> None:
    if one.state == "PENDING":
        accept_refund(m, one)


def _end_if_open(m: Merchant, one: Refund) -> None:
    if one.state not in ("PENDING", "CONFIRMED"):
        return
    if one.made_at - one.order.made_at > REFUND_WINDOW_SECONDS:
        fail_refund(m, one, detail="REFUND_FOR_TXN_OLDER_THAN_LIMIT")
    elif m.refund_mode == "fail":
        fail_refund(m, one)
    else:
        complete_refund(m, one)


def accept_refund(m: Merchant, one: Refund) -> None:
    one.state = "CONFIRMED"
    m.send("pg.refund.accepted", bodies.refund_event(m, one))


def complete_refund(m: Merchant, one: Refund) -> None:
    one.state = "COMPLETED"
    m.send("pg.refund.completed", bodies.refund_event(m, one))


def fail_refund(m: Merchant, one: Refund, *, detail: str = "BF_034") -> None:
    one.state = "FAILED"
    one.failure = Failure(code="REFUND_ERROR", detail=detail, source="BUSINESS", stage="REFUND")
    m.send("pg.refund.failed", bodies.refund_event(m, one))


# --- disputes and settlements --------------------------------------------------------------------------------------


def open_dispute(m: Merchant, order: Order, *, amount: int) -> Dispute:
    one = Dispute(dispute_id=new_id("CB", m.now()), order=order, amount=amount, state="CREATED")
    m.disputes[one.dispute_id] = one
    m.send("payment.dispute.created", bodies.dispute_event(m, one))
    return one


def move_dispute(m: Merchant, one: Dispute, word: str) -> None:
    if one.state in _ENDED:
        raise ValueError(f"this dispute is {one.state} already")
    one.state = DISPUTE_STATES[word]
    m.send(f"payment.dispute.{word}", bodies.dispute_event(m, one))


def settle(m: Merchant) -> None:
    """PhonePe pays the merchant what orders brought, less what was given back."""
    given = sum(one.amount for one in m.refunds.values() if one.state == "COMPLETED")
    name = new_id("ST", m.now())
    settlement = m.settlements[name] = {
        "settlementId": name,
        "state": "INITIATED",
        "utr": f"{secrets.randbelow(10**12):012d}",
        "amount": sum(one.captured for one in m.orders.values()) - given,
        "merchantId": m.merchant_id,
        "lastUpdatedAt": milliseconds(m.now()),
    }
    m.send("settlement.initiated", dict(settlement))
    settlement["state"] = "PROCESSED"
    m.send("settlement.processed", dict(settlement))
