"""One merchant of the simulated PhonePe v1 and what happens to its transactions (sections 4, 5, 9, 13)."""

from __future__ import annotations

import heapq
import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from clients.phonepev1.simulator_wire import Json, V1Error, new_id

EXPIRE_SECONDS: Final = 20 * 60.0  # Unconfirmed: from the rule of polling, 15 to 20 minutes
SETTLE_SECONDS: Final = 0.8
REFUND_WINDOW_SECONDS: Final = 90 * 24 * 3600.0  # Unconfirmed: as of the newer API
REFUND_MODES: Final = ("settle", "hold", "fail")
CALLBACK_FORMS: Final = ("pretty", "compact", "wrong_salt", "wrong_index", "path_signed", "unsigned", "none")
RETURN_FORMS: Final = ("plain", "query", "false_checksum")

# code -> state beside it and what is said. Callbacks are sent for what has ended.
_STATES: Final = {
    "PAYMENT_PENDING": ("PENDING", "Your request is in pending state."),
    "PAYMENT_SUCCESS": ("COMPLETED", "Your payment is successful."),
    "PAYMENT_ERROR": ("FAILED", "Payment Failed"),
    "PAYMENT_DECLINED": ("FAILED", "The payment was declined by the customer."),
    "PAYMENT_CANCELLED": ("FAILED", "The payment was cancelled."),
    "TIMED_OUT": ("PENDING", "The payment has timed out."),
    "INTERNAL_SERVER_ERROR": ("PENDING", "Something went wrong."),
}
_WAITING: Final = frozenset({"PAYMENT_PENDING", "TIMED_OUT", "INTERNAL_SERVER_ERROR"})


@dataclass(kw_only=True)
class Transaction:
    """A payment, or a refund where `original` is set: one name space, one kind of status."""

    name: str
    transaction_id: str
    amount: int
    made_at: float
    callback_url: str = ""
    redirect_url: str = ""
    is_posted_back: bool = False
    page_token: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    original: Transaction | None = None
    code: str = "PAYMENT_PENDING"
    response_code: str = ""
    instrument: Json | None = None
    state_override: str | None = None

    @property
    def state(self) -> str:
        return self.state_override or _STATES[self.code][0]

    @property
    def message(self) -> str:
        return _STATES[self.code][1]

    @property
    def is_open(self) -> bool:
        return self.code in _WAITING

    @property
    def captured(self) -> int:
        return self.amount if self.code == "PAYMENT_SUCCESS" else 0


class Merchant:
    """`tell` sends a transaction to its callback. The public fields are what the control API may set."""

    def __init__(
        self, *, mode: str, merchant_id: str, now: Callable[[], float], tell: Callable[[Transaction], None]
    ) -> None:
        self.mode = mode
        self.merchant_id = merchant_id
        self.now = now
        self.tell = tell
        self.transactions: dict[str, Transaction] = {}
        self.refund_mode = "settle"
        self.callback_form = "pretty"
        self.return_form = "plain"
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_numbers = itertools.count()

    def payments(self) -> list[Transaction]:
        return [one for one in self.transactions.values() if one.original is None]

    def refunds_of(self, payment: Transaction) -> list[Transaction]:
        return [one for one in self.transactions.values() if one.original is payment]

    def left_of(self, payment: Transaction) -> int:
        """What may still be asked back: refunds on their way count, failed ones do not."""
        known = [one for one in self.refunds_of(payment) if one.is_open or one.captured]
        return payment.captured - sum(one.amount for one in known)

    def check_new(self, name: str) -> None:
        if name in self.transactions:
            raise V1Error("INVALID_TRANSACTION_ID", "This merchantTransactionId was used already.", status=417)

    # --- payments --------------------------------------------------------------------------------------------------

    def add(self, one: Transaction) -> Transaction:
        self.check_new(one.name)
        self.transactions[one.name] = one
        if one.original is None:
            self.later(EXPIRE_SECONDS, lambda: self._expire_if_open(one))
        elif self.refund_mode != "hold":
            self.later(SETTLE_SECONDS, lambda: self._end_refund_if_open(one))
        return one

    def _expire_if_open(self, one: Transaction) -> None:
        if one.is_open:
            self.expire(one)

    def pay(self, one: Transaction, *, by_card: bool = False) -> None:
        one.instrument = _card(self.now()) if by_card else {"type": "UPI", "utr": f"{secrets.randbelow(10**12):012d}"}
        self.end(one, "PAYMENT_SUCCESS", "SUCCESS")

    def expire(self, one: Transaction) -> None:
        self.end(one, "PAYMENT_ERROR", "U69")

    def end(self, one: Transaction, code: str, response_code: str = "") -> None:
        one.code, one.response_code = code, response_code
        if not one.is_open:
            self.tell(one)

    # --- refunds ---------------------------------------------------------------------------------------------------

    def refund(self, payment: Transaction, *, name: str, amount: int, callback_url: str) -> Transaction:
        self.check_new(name)
        if not payment.captured:
            raise V1Error("BAD_REQUEST", "The original transaction is not successful.")
        if self.now() - payment.made_at > REFUND_WINDOW_SECONDS:
            raise V1Error("REVERSAL_WINDOW_EXCEEDED", "The original transaction is too old.")
        if amount > self.left_of(payment):
            raise V1Error("EXCESS_REFUND_AMOUNT", "The amount is more than what is left to refund.")
        made = Transaction(
            name=name,
            transaction_id=new_id("TR", self.now()),
            amount=amount,
            made_at=self.now(),
            callback_url=callback_url,
            original=payment,
        )
        return self.add(made)

    def _end_refund_if_open(self, one: Transaction) -> None:
        if one.is_open:
            self.end_refund(one, is_success=self.refund_mode != "fail")

    def end_refund(self, one: Transaction, *, is_success: bool, response_code: str = "BF_034") -> None:
        if is_success:
            self.end(one, "PAYMENT_SUCCESS", "SUCCESS")
        else:
            self.end(one, "PAYMENT_ERROR", response_code)

    # --- time ------------------------------------------------------------------------------------------------------

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self.now() + seconds, next(self._timer_numbers), work))

    def tick(self) -> None:
        while self._timers and self._timers[0][0] <= self.now():
            heapq.heappop(self._timers)[2]()


def _card(moment: float) -> Json:
    number = new_id("PG", moment)
    return {
        "type": "CARD",
        "cardType": "CREDIT_CARD",
        "pgTransactionId": number,
        "bankTransactionId": number[-8:],
        "pgAuthorizationCode": number[-6:],
        "arn": None,
        "bankId": "",
        "brn": number[-5:],
    }


def status_body(m: Merchant, one: Transaction) -> Json:
    """The status answer, and what a callback carries."""
    data: Json = {
        "merchantId": m.merchant_id,
        "merchantTransactionId": one.name,
        "transactionId": one.transaction_id,
        "amount": one.amount,
        "state": one.state,
        "responseCode": one.response_code or one.state,
        "paymentInstrument": one.instrument,
    }
    is_success = one.code in ("PAYMENT_SUCCESS", "PAYMENT_PENDING")  # true beside pending means nothing
    return {"success": is_success, "code": one.code, "message": one.message, "data": data}
