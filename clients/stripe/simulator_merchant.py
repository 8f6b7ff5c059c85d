"""One account of the simulated Stripe in one mode: its objects, its events, its idempotency keys and its timers."""

from __future__ import annotations

import copy
import heapq
import itertools
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from clients.stripe.simulator_wire import API_VERSION, Json, StripeError, missing

KEY_SECONDS: Final = 24 * 3600.0
MAX_EXPANSION: Final = 4

# What an endpoint set up by the protocol page's section 6.3 hears; the rest can be listed only.
HEARD: Final = frozenset(
    (
        "checkout.session.completed checkout.session.async_payment_succeeded checkout.session.async_payment_failed "
        "checkout.session.expired payment_intent.succeeded payment_intent.payment_failed payment_intent.processing "
        "payment_intent.requires_action payment_intent.amount_capturable_updated payment_intent.partially_funded "
        "payment_intent.canceled charge.updated charge.refunded charge.expired refund.created refund.updated "
        "refund.failed charge.dispute.created charge.dispute.updated charge.dispute.closed "
        "charge.dispute.funds_withdrawn charge.dispute.funds_reinstated radar.early_fraud_warning.created "
        "review.opened review.closed setup_intent.succeeded setup_intent.setup_failed payment_method.detached"
    ).split()
)


@dataclass(kw_only=True)
class StoredAnswer:
    """What an idempotency key remembers; `status` 0 while the first request still runs."""

    fingerprint: str
    request_id: str
    at: float
    status: int = 0
    body: Json = field(default_factory=dict)


class Merchant:
    """`objects` holds every object by its id as the API shows it; `hidden` what Stripe knows beside that."""

    def __init__(
        self, *, livemode: bool, account_id: str | None, now: Callable[[], float], send: Callable[[Json], None]
    ) -> None:
        self.livemode = livemode
        self.account_id = account_id
        self.objects: dict[str, Json] = {}
        self.hidden: dict[str, Json] = {}
        self.answers: dict[str, StoredAnswer] = {}
        self.cause: Json = {"id": None, "idempotency_key": None}  # of the request that is being worked on
        self._now = now
        self._send = send
        self._timers: list[tuple[float, int, Callable[[], None]]] = []  # a heap: every session has one
        self._timer_numbers = itertools.count()

    def now(self) -> int:
        return int(self._now())

    # --- objects ---------------------------------------------------------------------------------------------------

    def add(self, prefix: str, kind: str, **members: Any) -> Json:
        made: Json = {
            "id": f"{prefix}_{secrets.token_hex(12)}",
            "object": kind,
            "created": self.now(),
            "livemode": self.livemode,
            **members,
        }
        self.objects[made["id"]] = made
        self.hidden[made["id"]] = {}
        return made

    def get(self, kind: str, name: str, *, param: str = "id") -> Json:
        """The object, or the 404 that Stripe answers."""
        found = self.objects.get(name)
        if found is None or found["object"] != kind:
            raise missing(kind, name, param=param)
        return found

    def find(self, kind: str, **members: Any) -> Iterator[Json]:
        """Newest first; a member given as None is not looked at."""
        wanted = {name: value for name, value in members.items() if value is not None}
        for one in reversed(list(self.objects.values())):
            if one["object"] == kind and all(one.get(name) == value for name, value in wanted.items()):
                yield one

    def post(self, currency: str, amount: int, *, kind: str, source: str, fee: int = 0) -> Json:
        """One balance transaction; the account settles in the currency of the charge."""
        details = [{"amount": fee, "currency": currency, "description": "Processing fees", "type": "stripe_fee"}]
        return self.add(
            "txn",
            "balance_transaction",
            amount=amount,
            available_on=self.now() + 2 * 24 * 3600,
            currency=currency,
            description=None,
            exchange_rate=None,
            fee=fee,
            fee_details=details if fee else [],
            net=amount - fee,
            reporting_category=kind,
            source=source,
            status="pending",
            type=kind,
        )

    # --- events ----------------------------------------------------------------------------------------------------

    def emit(self, kind: str, subject: Json, *, previous: Json | None = None) -> None:
        data: Json = {"object": copy.deepcopy(subject)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = self.add(
            "evt",
            "event",
            api_version=API_VERSION,
            data=data,
            pending_webhooks=1 if kind in HEARD else 0,
            request=dict(self.cause),
            type=kind,
        )
        if self.account_id:
            event["account"] = self.account_id
        if kind in HEARD:
            self._send(event)

    # --- time ------------------------------------------------------------------------------------------------------

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self._now() + seconds, next(self._timer_numbers), work))

    def tick(self) -> None:
        while self._timers and self._timers[0][0] <= self._now():
            heapq.heappop(self._timers)[2]()

    # --- idempotency -----------------------------------------------------------------------------------------------

    def stored_answer(self, key: str) -> StoredAnswer | None:
        stored = self.answers.get(key)
        if stored is not None and stored.status and self._now() - stored.at > KEY_SECONDS:
            del self.answers[key]
            return None
        return stored

    # --- reading ---------------------------------------------------------------------------------------------------

    def page(self, rows: Iterator[Json], url: str, given: Json) -> Json:
        """A list object, newest first, with Stripe's cursor parameters applied to `rows`."""
        limit = given.get("limit", 10)
        if not 1 <= limit <= 100:
            raise StripeError("Invalid limit: must be between 1 and 100", param="limit")
        chosen = [row for row in rows if _in_range(row["created"], given.get("created"))]
        for name, is_after in (("starting_after", True), ("ending_before", False)):
            if name in given:
                ids = [row["id"] for row in chosen]
                if given[name] not in ids:
                    raise missing("object", given[name], param=name)
                cut = ids.index(given[name])
                chosen = chosen[cut + 1 :] if is_after else chosen[max(0, cut - limit) : cut]
        return {"object": "list", "data": chosen[:limit], "has_more": len(chosen) > limit, "url": url}

    def expanded(self, value: Json, wishes: Any) -> Json:
        """A copy of `value` with the ids along each path replaced by their objects."""
        if not wishes:
            return copy.deepcopy(value)
        if not isinstance(wishes, list) or not all(isinstance(wish, str) for wish in wishes):
            raise StripeError("Invalid array: expand", param="expand")
        shown = copy.deepcopy(value)
        for wish in wishes:
            steps = wish.split(".")
            if len([step for step in steps if step != "data"]) > MAX_EXPANSION:
                raise StripeError("You can only expand up to 4 levels", param="expand")
            self._expand(shown, steps, wish)
        return shown

    def _expand(self, value: Json, steps: list[str], wish: str) -> None:
        name, rest = steps[0], steps[1:]
        if name not in value:
            raise StripeError(f"This property cannot be expanded ({wish}).", param="expand")
        inner = value[name]
        if isinstance(inner, list):
            for row in inner:
                self._expand(row, rest, wish)
            return
        if isinstance(inner, str) and inner in self.objects:
            inner = value[name] = copy.deepcopy(self.objects[inner])
        if rest and isinstance(inner, dict):
            self._expand(inner, rest, wish)


def _in_range(created: int, bounds: Json | None) -> bool:
    tests: dict[str, Callable[[int, int], bool]] = {
        "gt": lambda a, b: a > b,
        "gte": lambda a, b: a >= b,
        "lt": lambda a, b: a < b,
        "lte": lambda a, b: a <= b,
    }
    return all(tests[name](created, bound) for name, bound in (bounds or {}).items())
