"""One merchant of the simulated PhonePe in one environment: tokens, orders, refunds, timers (sections 2, 5, 9)."""

from __future__ import annotations

import heapq
import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from clients.phonepe.simulator_wire import Json

TOKEN_SECONDS: Final = 3600.0
EVENT_FORMS: Final = ("both", "event", "type")
REFUND_MODES: Final = ("settle", "hold", "fail")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """`code` is errorCode, `detail` is detailedErrorCode."""

    code: str
    detail: str
    source: str = "CUSTOMER"
    stage: str = "PAYMENT"
    description: str = ""


@dataclass(kw_only=True)
class Attempt:
    transaction_id: str
    mode: str
    made_at: float
    amount: int
    state: str = "PENDING"
    failure: Failure | None = None
    utr: str = ""


@dataclass(kw_only=True)
class Order:
    merchant_order_id: str
    order_id: str
    amount: int
    made_at: float
    expires_at: float
    redirect_url: str
    page_token: str
    meta: Json
    is_single_try: bool
    message: str = ""
    state: str = "PENDING"
    currency: str = "INR"
    failure: Failure | None = None
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def captured(self) -> int:
        return self.amount if self.state == "COMPLETED" else 0

    @property
    def paid_attempt(self) -> Attempt | None:
        return next((one for one in self.attempts if one.state == "COMPLETED"), None)


@dataclass(kw_only=True)
class Refund:
    merchant_refund_id: str
    refund_id: str
    order: Order
    amount: int
    made_at: float
    state: str = "PENDING"
    failure: Failure | None = None


@dataclass(kw_only=True)
class Dispute:
    dispute_id: str
    order: Order
    amount: int
    state: str


class Merchant:
    """`send` gives an event to the merchant's webhook. The public fields are what the control API may set."""

    def __init__(
        self,
        *,
        mode: str,
        client_id: str,
        merchant_id: str,
        now: Callable[[], float],
        send: Callable[[str, Json], None],
    ) -> None:
        self.mode = mode
        self.client_id = client_id
        self.merchant_id = merchant_id
        self.now = now
        self.send = send
        self.orders: dict[str, Order] = {}
        self.refunds: dict[str, Refund] = {}
        self.disputes: dict[str, Dispute] = {}
        self.settlements: dict[str, Json] = {}
        self.token_seconds = TOKEN_SECONDS
        self.event_form = "both"
        self.refund_mode = "settle"
        self.least_expiry = 300
        self.is_referrer_checked = False
        self._tokens: dict[str, float] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_numbers = itertools.count()

    # --- tokens ----------------------------------------------------------------------------------------------------

    def new_token(self) -> Json:
        """`issued_at` and `expires_at` are seconds, unlike every other time of this API."""
        token, issued = secrets.token_urlsafe(40), int(self.now())
        expires = issued + int(self.token_seconds)
        self._tokens = {one: until for one, until in self._tokens.items() if until > self.now()}
        self._tokens[token] = expires
        return {
            "access_token": token,
            "encrypted_access_token": secrets.token_urlsafe(40),
            "expires_in": None,
            "issued_at": issued,
            "expires_at": expires,
            "session_expires_at": expires,
            "token_type": "O-Bearer",
        }

    def knows_token(self, token: str) -> bool:
        return self._tokens.get(token, 0.0) > self.now()

    def revoke_tokens(self) -> None:
        self._tokens.clear()

    # --- orders and refunds ----------------------------------------------------------------------------------------

    def refunds_of(self, order: Order) -> list[Refund]:
        return [one for one in self.refunds.values() if one.order is order]

    def left_of(self, order: Order) -> int:
        """What may still be asked back: refunds that are on their way count, failed ones do not."""
        return order.captured - sum(one.amount for one in self.refunds_of(order) if one.state != "FAILED")

    # --- time ------------------------------------------------------------------------------------------------------

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self.now() + seconds, next(self._timer_numbers), work))

    def tick(self) -> None:
        while self._timers and self._timers[0][0] <= self.now():
            heapq.heappop(self._timers)[2]()
