"""One account of the simulated Razorpay: its objects, its refund keys, its timers and its events (section 6)."""

from __future__ import annotations

import copy
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from clients.razorpay.simulator_wire import WRONG_ID, Json, RazorpayError, new_id, plain_refusal

_ENTITIES: Final = {
    "order": "order",
    "pay": "payment",
    "rfnd": "refund",
    "plink": "payment_link",
    "qr": "qr_code",
    "cust": "customer",
    "token": "token",
    "disp": "dispute",
    "setl": "settlement",
}


@dataclass(kw_only=True)
class StoredAnswer:
    """What a refund's idempotency key remembers; `body` None while the first request still runs."""

    fingerprint: str
    body: Json | None = None


class Merchant:
    """`objects` holds every object by its id as the API shows it; `hidden` what Razorpay knows beside that."""

    def __init__(self, *, account_id: str, mode: str, now: Callable[[], float], send: Callable[[Json], None]) -> None:
        self.account_id = account_id
        self.mode = mode
        self.objects: dict[str, Json] = {}
        self.hidden: dict[str, Json] = {}
        self.refund_keys: dict[str, StoredAnswer] = {}
        self.refund_mode = "processed"
        self.refusals: deque[str] = deque()  # what the next refunds are told instead of being made
        self._now = now
        self._send = send
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_numbers = itertools.count()

    def now(self) -> int:
        return int(self._now())

    # --- objects ---------------------------------------------------------------------------------------------------

    def add(self, prefix: str, *, is_named: bool = True, **members: Any) -> Json:
        """A link shows no `entity` member, everything else does."""
        made: Json = {"id": new_id(prefix)}
        if is_named:
            made["entity"] = _ENTITIES[prefix]
        made |= members
        made.setdefault("created_at", self.now())
        self.objects[made["id"]] = made
        self.hidden[made["id"]] = {}
        return made

    def get(self, prefix: str, name: str) -> Json:
        """The object, or the 400 that Razorpay answers."""
        if not name.startswith(f"{prefix}_") or name not in self.objects:
            raise plain_refusal(WRONG_ID)
        return self.objects[name]

    def find(self, prefix: str, **members: Any) -> Iterator[Json]:
        """Newest first; a member given as None is not looked at."""
        wanted = {name: value for name, value in members.items() if value is not None}
        for one in reversed(list(self.objects.values())):
            if one["id"].startswith(f"{prefix}_") and all(one.get(name) == value for name, value in wanted.items()):
                yield one

    def page(self, rows: Iterator[Json], query: Mapping[str, str], *, most: int = 100) -> list[Json]:
        """The rows that `count`, `skip`, `from` and `to` leave."""
        count, skip = _number(query, "count", 10), _number(query, "skip", 0)
        start, end = _number(query, "from", 0), _number(query, "to", 2**62)
        if not 1 <= count <= most:
            raise RazorpayError(f"The count must be between 1 and {most}.", field="count")
        kept = [row for row in rows if start <= row["created_at"] <= end]
        return copy.deepcopy(kept[skip : skip + count])

    # --- events ----------------------------------------------------------------------------------------------------

    def emit(self, event: str, **entities: Json) -> None:
        """Each entity is a snapshot of this moment, whatever happens before the event arrives."""
        self._send(
            {
                "entity": "event",
                "account_id": self.account_id,
                "event": event,
                "contains": list(entities),
                "payload": {name: {"entity": copy.deepcopy(one)} for name, one in entities.items()},
                "created_at": self.now(),
            }
        )

    # --- time ------------------------------------------------------------------------------------------------------

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self._now() + seconds, next(self._timer_numbers), work))

    def tick(self) -> None:
        while self._timers and self._timers[0][0] <= self._now():
            heapq.heappop(self._timers)[2]()


@dataclass(kw_only=True)
class Checkout:
    """One opened checkout: the hosted form, or the frame that the stand-in of checkout.js opens."""

    merchant: Merchant
    order: Json
    is_frame: bool
    callback_url: str = ""
    cancel_url: str = ""
    will_save: bool = False
    notes: Json = field(default_factory=dict)
    prefill: Json = field(default_factory=dict)
    payment: str | None = None  # waits for the bank page


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal():
        raise RazorpayError(f"The {name} must be an integer.", field=name)
    return int(text)
