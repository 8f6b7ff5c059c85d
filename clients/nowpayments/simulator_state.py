"""Payments, invoices and payouts of the simulated NOWPayments, and how coins move them (protocol page sections 4 to 6, 11)."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any, Final

from clients.nowpayments.simulator_coins import COINS, new_address, new_hash, scale_of

ESTIMATE_SECONDS: Final = 20 * 60.0
WATCH_SECONDS: Final = 7 * 24 * 3600.0
VERIFY_SECONDS: Final = 3600.0
CREDITED: Final = ("partially_paid", "finished", "refunded")
STEPS: Final = ("confirming", "confirmed", "sending")
_EXACT: Final = Context(prec=60)

Json = dict[str, Any]


@dataclass(kw_only=True)
class Invoice:
    id: int
    api_key: str
    is_sandbox: bool
    price_amount: Decimal
    price_currency: str
    pay_currency: str | None
    order_id: str | None
    description: str | None
    callback_url: str | None
    success_url: str | None
    cancel_url: str | None
    partially_paid_url: str | None
    is_fixed_rate: bool
    is_fee_paid_by_user: bool
    created_at: float


@dataclass(kw_only=True)
class Payment:
    """One deposit address and what came of it. A child is a further deposit to its parent's address."""

    id: int
    api_key: str
    is_sandbox: bool
    price_amount: Decimal
    price_currency: str
    pay_amount: Decimal
    pay_currency: str
    order_id: str | None
    description: str | None
    callback_url: str | None
    purchase_id: int
    created_at: float
    updated_at: float
    is_fixed_rate: bool = False
    is_fee_paid_by_user: bool = False
    invoice_id: int | None = None
    parent_id: int | None = None
    children: list[int] = field(default_factory=list)
    address: str = ""
    memo: str | None = None
    status: str = "waiting"
    arrived: Decimal = Decimal(0)
    payin_hash: str | None = None
    estimate_until: float = 0.0
    watched_until: float = 0.0
    to_come: list[str] = field(default_factory=list)  # states that confirmations will bring

    def __post_init__(self) -> None:
        if not self.address:
            self.address, self.memo = new_address(COINS[self.pay_currency])
        self.estimate_until = self.created_at + ESTIMATE_SECONDS
        self.watched_until = self.created_at + (ESTIMATE_SECONDS if self.is_fixed_rate else WATCH_SECONDS)


@dataclass(kw_only=True)
class Payout:
    """One withdrawal of a batch."""

    id: int
    batch_id: int
    api_key: str
    address: str
    currency: str
    amount: Decimal
    extra_id: str | None
    callback_url: str | None
    unique_external_id: str | None
    created_at: float
    status: str = "WAITING"
    error: str | None = None
    hash: str | None = None
    requested_at: float | None = None
    updated_at: float = 0.0


@dataclass(kw_only=True)
class Batch:
    id: int
    api_key: str
    created_at: float
    payouts: list[Payout]
    is_verified: bool = False
    wrong_codes: int = 0


class State:
    """Everything the gateway remembers. `tell` is called with a payment or payout after each change of status."""

    def __init__(self, *, now: Callable[[], float], tell: Callable[[Payment | Payout], None]) -> None:
        self.payments: dict[int, Payment] = {}
        self.invoices: dict[int, Invoice] = {}
        self.batches: dict[int, Batch] = {}
        self.now = now
        self.failing_payouts = 0
        self._tell = tell
        self._timers: list[tuple[float, int, Callable[[], None]]] = []  # a heap: every payment has one
        self._timer_numbers = itertools.count()

    def payout(self, number: int) -> Payout | None:
        return next((one for batch in self.batches.values() for one in batch.payouts if one.id == number), None)

    # --- time ------------------------------------------------------------------------------------------------------

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self.now() + seconds, next(self._timer_numbers), work))

    def tick(self) -> None:
        while self._timers and self._timers[0][0] <= self.now():
            heapq.heappop(self._timers)[2]()

    # --- what is made ----------------------------------------------------------------------------------------------

    def add(self, payment: Payment) -> Payment:
        """Watch the address until its time is over."""
        self.payments[payment.id] = payment
        self.later(payment.watched_until - self.now(), lambda: self._expire_if_waiting(payment))
        return payment

    def add_batch(self, batch: Batch) -> None:
        self.batches[batch.id] = batch
        self.later(VERIFY_SECONDS, lambda: self._reject(batch))

    def _expire_if_waiting(self, payment: Payment) -> None:
        if payment.status == "waiting":
            self.expire(payment)

    # --- coins arrive ----------------------------------------------------------------------------------------------

    def deposit(self, payment: Payment, amount: Decimal, *, stop_at: str | None = None) -> Payment:
        """Coins of the right kind reach the address. The first deposit is the payment's own, further ones are children.

        Goes through every step at once, or holds before the one after `stop_at` until `confirm`.
        """
        if amount <= 0:
            raise ValueError("coins that arrive are more than nothing")
        if stop_at not in (None, *STEPS):
            raise ValueError(f"stop_at is one of {', '.join(STEPS)}")
        if payment.status not in ("waiting", "expired", "failed"):
            return self.child(payment, amount, payment.pay_currency)
        payment.arrived = amount
        payment.payin_hash = new_hash(COINS[payment.pay_currency])
        payment.to_come = [*STEPS, "finished" if amount >= payment.pay_amount else "partially_paid"]
        self.confirm(payment, until=stop_at)
        return payment

    def confirm(self, payment: Payment, *, until: str | None = None) -> None:
        """Let the states that are still to come happen, up to and with `until`."""
        if not payment.to_come:
            raise ValueError(f"this payment is {payment.status}; nothing waits for confirmations")
        while payment.to_come:
            self.move(payment, payment.to_come.pop(0))
            if payment.status == until:
                return

    def child(self, parent: Payment, amount: Decimal, coin: str) -> Payment:
        """A repeated or wrong-asset deposit: a payment of its own, converted at today's rate, told as finished."""
        number = max(self.payments) + 1
        made = Payment(
            id=number,
            api_key=parent.api_key,
            is_sandbox=parent.is_sandbox,
            price_amount=parent.price_amount,  # repeats the order's price: whoever credits from it credits twice
            price_currency=parent.price_currency,
            pay_amount=amount,
            pay_currency=coin,
            order_id=parent.order_id,
            description=parent.description,
            callback_url=parent.callback_url,
            purchase_id=parent.purchase_id,
            created_at=self.now(),
            updated_at=self.now(),
            invoice_id=parent.invoice_id,
            parent_id=parent.id,
            address=parent.address,
            memo=parent.memo,
            arrived=amount,
            payin_hash=new_hash(COINS[coin]),
        )
        self.payments[number] = made
        parent.children.append(number)
        self.move(made, "finished")
        return made

    def expire(self, payment: Payment) -> None:
        self._end(payment, "expired")

    def fail(self, payment: Payment) -> None:
        self._end(payment, "failed")

    def refund(self, payment: Payment) -> None:
        """Support sends the coins back; how much is told nowhere."""
        if payment.status != "finished":
            raise ValueError(f"only a finished payment is refunded, this one is {payment.status}")
        self.move(payment, "refunded")

    def _end(self, payment: Payment, status: str) -> None:
        if payment.status != "waiting":
            raise ValueError(f"this payment is {payment.status}, not waiting")
        self.move(payment, status)

    def move(self, thing: Payment | Payout, status: str) -> None:
        thing.status = status
        thing.updated_at = max(self.now(), thing.updated_at + 0.001)  # no two callbacks of one thing are alike
        self._tell(thing)

    # --- worth -----------------------------------------------------------------------------------------------------

    def value(self, payment: Payment) -> Decimal:
        """What arrived, at the payment's own rate, in the price currency, rounded down; children of the same coin count."""
        if payment.status not in CREDITED:
            return Decimal(0)
        children = (self.payments[number] for number in payment.children)
        same = (one.arrived for one in children if one.pay_currency == payment.pay_currency and one.status in CREDITED)
        arrived = payment.arrived + sum(same, Decimal(0))
        exact = _EXACT.divide(_EXACT.multiply(payment.price_amount, arrived), payment.pay_amount)
        return exact.quantize(
            Decimal(1).scaleb(-scale_of(payment.price_currency)), rounding=ROUND_FLOOR, context=_EXACT
        )

    # --- payouts ---------------------------------------------------------------------------------------------------

    def verify(self, batch: Batch) -> None:
        batch.is_verified = True
        for payout in batch.payouts:
            payout.requested_at = self.now()
            for status in ("PROCESSING", "SENDING"):
                self.move(payout, status)
            if self.failing_payouts > 0:
                self.failing_payouts -= 1
                payout.error = "Simulated failure"
                self.move(payout, "FAILED")
            else:
                payout.hash = new_hash(COINS[payout.currency])
                self.move(payout, "FINISHED")

    def _reject(self, batch: Batch) -> None:
        for payout in batch.payouts:
            if payout.status == "WAITING":
                self.move(payout, "REJECTED")


def iso(moment: float | None) -> str | None:
    """2026-01-14T11:20:00.000Z"""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
