"""One seller of the simulated Square in one environment: objects, idempotency keys, timers and events (sections 4, 6)."""

from __future__ import annotations

import copy
import heapq
import itertools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from clients.square.simulator_wire import COUNTRIES, Json, SquareError, characters, iso, not_found


@dataclass(kw_only=True)
class StoredAnswer:
    """What an idempotency key remembers; `status` 0 while the first request still runs."""

    fingerprint: str
    status: int = 0
    body: Json | None = None


class Seller:
    """`objects` holds what the API shows, by kind and id; `hidden` what Square knows beside that, by id."""

    def __init__(
        self,
        *,
        mode: str,
        location_id: str,
        merchant_id: str,
        application_id: str,
        currency: str,
        now: Callable[[], float],
        send: Callable[[Json], None],
    ) -> None:
        self.mode = mode
        self.location_id = location_id
        self.merchant_id = merchant_id
        self.application_id = application_id
        self.currency = currency
        self.objects: dict[str, dict[str, Json]] = {}
        self.hidden: dict[str, Json] = {}
        self.answers: dict[tuple[str, str], StoredAnswer] = {}
        self.refund_mode = "pending"
        self.risk_level: str | None = None
        self.completed: Callable[[Json], None] = lambda payment: None
        self.link_url: Callable[[str], str] = lambda code: code
        self._now = now
        self._send = send
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_numbers = itertools.count()

    @property
    def country(self) -> str:
        return COUNTRIES[self.currency]

    def now(self) -> float:
        return self._now()

    # --- objects ---------------------------------------------------------------------------------------------------

    def add(self, kind: str, name: str, **members: Any) -> Json:
        moment = iso(self.now())
        made: Json = {"id": name, **members, "created_at": moment, "updated_at": moment, "version": 1}
        self.objects.setdefault(kind, {})[name] = made
        self.hidden[name] = {}
        return made

    def get(self, kind: str, name: str) -> Json:
        """The object, or the 404 that Square answers."""
        found = self.objects.get(kind, {}).get(name)
        if found is None:
            raise not_found(kind.replace("_", " ").capitalize(), name)
        return found

    def all(self, kind: str) -> Iterator[Json]:
        """Newest first."""
        return reversed(list(self.objects.get(kind, {}).values()))

    def change(self, thing: Json, **members: Any) -> Json:
        """Every change counts up the version, and a payment gets a new version token."""
        thing |= members
        thing["updated_at"] = iso(self.now())
        thing["version"] += 1
        if "version_token" in thing:
            thing["version_token"] = characters(44)
        return thing

    # --- events ----------------------------------------------------------------------------------------------------

    def emit(self, event: str, name: str, thing: Json, *, number: str | None = None) -> None:
        """`name` is the member of data.object; the whole is a snapshot of this moment."""
        self.send_event(event, {"type": name, "id": number or thing["id"], "object": {name: copy.deepcopy(thing)}})

    def send_event(self, event: str, data: Json) -> None:
        self._send(
            {
                "merchant_id": self.merchant_id,
                "location_id": self.location_id,
                "type": event,
                "event_id": str(uuid.uuid4()),
                "created_at": iso(self.now()),
                "data": data,
            }
        )

    # --- time ------------------------------------------------------------------------------------------------------

    def later(self, seconds: float, work: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (self.now() + seconds, next(self._timer_numbers), work))

    def tick(self) -> None:
        while self._timers and self._timers[0][0] <= self.now():
            heapq.heappop(self._timers)[2]()

    # --- idempotency -----------------------------------------------------------------------------------------------

    def begin(self, operation: str, key: str, fingerprint: str) -> StoredAnswer:
        """The stored answer of an earlier request, or a new one whose `status` is 0 for the caller to fill."""
        stored = self.answers.get((operation, key))
        if stored is None:
            stored = self.answers[operation, key] = StoredAnswer(fingerprint=fingerprint)
            return stored
        if stored.fingerprint != fingerprint:
            detail = "Different request parameters used for the same idempotency_key."
            raise SquareError("IDEMPOTENCY_KEY_REUSED", detail, field="idempotency_key")
        if not stored.status:
            raise SquareError("CONFLICT", "A request with this idempotency_key is running.", status=409)
        return stored
