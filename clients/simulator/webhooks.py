"""Sends the gateways' webhooks over real HTTP, in order, with retries, and misbehaves on request."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import httpx

KINDS: Final[Mapping[str, str]] = {
    "duplicate": "sent twice",
    "reorder": "sent after the next one, or after `seconds` (1) where none follows",
    "delay": "sent `seconds` (1) late, others overtake it",
    "drop": "never sent, as if it got lost; `redeliver` can send it",
    "forge": "a copy with one changed digit and the old signature is sent just before it",
}
TIMEOUT_SECONDS: Final = 10.0

Resign = Callable[[], Mapping[str, str]]


@dataclass(kw_only=True)
class WebhookFault:
    gateway: str
    kind: str
    times: int = 1
    seconds: float = 1.0


@dataclass(kw_only=True)
class Delivery:
    """One webhook. `state`: queued, retrying, delivered (2xx), failed (given up), dropped."""

    number: int
    gateway: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    resign: Resign | None = field(repr=False, default=None)
    kind: str = "genuine"  # or duplicate, forged, redelivered
    state: str = "queued"
    created_at: float = field(default_factory=time.time)
    tries: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.state in ("queued", "retrying")


class WebhookSender:
    """First tries to one URL go out one after another; a refused one is tried again later and holds up nobody."""

    def __init__(self, retry_seconds: Mapping[str, tuple[float, ...]], *, retry_factor: float) -> None:
        self.retry_factor = retry_factor
        self.log: deque[Delivery] = deque(maxlen=20_000)
        self._retry_seconds = retry_seconds
        self._faults: list[WebhookFault] = []
        self._numbers = itertools.count(1)
        self._lanes: dict[tuple[str, str], asyncio.Queue[Delivery]] = {}
        self._held: dict[tuple[str, str], list[Delivery]] = {}
        self._open: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient | None = None

    @property
    def is_idle(self) -> bool:
        return not self._open

    def add_fault(self, wish: Mapping[str, Any]) -> WebhookFault:
        kind = str(wish["kind"])
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
        fault = WebhookFault(
            gateway=str(wish["gateway"]),
            kind=kind,
            times=int(wish.get("times", 1)),
            seconds=float(wish.get("seconds", 1.0)),
        )
        self._faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        self._faults.clear()

    def deliver(
        self, slug: str, *, url: str, headers: Mapping[str, str], body: bytes, resign: Resign | None = None
    ) -> None:
        delivery = self._note(
            Delivery(number=0, gateway=slug, url=url, headers=dict(headers), body=body, resign=resign)
        )
        if self._take("forge", slug):
            self._queue(self._note(replace(delivery, kind="forged", body=_forged(body), resign=None, tries=[])))
        if self._take("drop", slug):
            self._close(delivery, "dropped")
            return
        twice = self._take("duplicate", slug) is not None
        late, behind = self._take("delay", slug), self._take("reorder", slug)
        if late is not None:
            self._spawn(self._queue_later(delivery, late.seconds))
        elif behind is not None:
            self._hold(delivery, behind.seconds)
        else:
            self._queue(delivery)
        if twice:
            self._queue(self._note(replace(delivery, kind="duplicate", tries=[])))

    def redeliver(self, slug: str, *, last: int) -> int:
        """Send the newest `last` webhooks again, oldest of them first, signed anew where the gateway does so."""
        chosen = [one for one in self.log if one.gateway == slug and one.kind == "genuine"][-last:] if last > 0 else []
        for one in chosen:
            headers = one.resign() if one.resign is not None else one.headers
            self._queue(self._note(replace(one, kind="redelivered", state="queued", headers=headers, tries=[])))
        return len(chosen)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._client is not None:
            await self._client.aclose()

    def forget(self) -> None:
        """Drop what is queued, and the log."""
        for task in list(self._tasks):
            task.cancel()
        self._lanes.clear()
        self._held.clear()
        self._open.clear()
        self.log.clear()
        self._faults.clear()

    def _note(self, delivery: Delivery) -> Delivery:
        delivery.number = next(self._numbers)
        self.log.append(delivery)
        self._open.add(delivery.number)
        return delivery

    def _close(self, delivery: Delivery, state: str) -> None:
        delivery.state = state
        self._open.discard(delivery.number)

    def _take(self, kind: str, slug: str) -> WebhookFault | None:
        for fault in self._faults:
            if fault.gateway == slug and fault.kind == kind and fault.times > 0:
                fault.times -= 1
                return fault
        return None

    def _queue(self, delivery: Delivery) -> None:
        lane = (delivery.gateway, delivery.url)
        if lane not in self._lanes:
            self._lanes[lane] = asyncio.Queue()
            self._spawn(self._drive(self._lanes[lane]))
        self._lanes[lane].put_nowait(delivery)
        for held in self._held.pop(lane, []):
            self._lanes[lane].put_nowait(held)

    def _hold(self, delivery: Delivery, seconds: float) -> None:
        lane = (delivery.gateway, delivery.url)
        self._held.setdefault(lane, []).append(delivery)
        self._spawn(self._release(lane, delivery, seconds))

    async def _release(self, lane: tuple[str, str], delivery: Delivery, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if delivery in self._held.get(lane, []):
            self._held[lane].remove(delivery)
            self._queue(delivery)

    async def _queue_later(self, delivery: Delivery, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._queue(delivery)

    async def _drive(self, lane: asyncio.Queue[Delivery]) -> None:
        while True:
            delivery = await lane.get()
            if await self._try(delivery):
                self._close(delivery, "delivered")
            elif delivery.kind == "forged":
                self._close(delivery, "failed")  # an attacker does not follow the gateway's retry plan
            else:
                delivery.state = "retrying"
                self._spawn(self._retry(delivery))

    async def _retry(self, delivery: Delivery) -> None:
        for pause in self._retry_seconds.get(delivery.gateway, ()):
            await asyncio.sleep(pause * self.retry_factor)
            if delivery.resign is not None:
                delivery.headers = dict(delivery.resign())
            if await self._try(delivery):
                self._close(delivery, "delivered")
                return
        self._close(delivery, "failed")

    async def _try(self, delivery: Delivery) -> bool:
        if self._client is None:
            self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=TIMEOUT_SECONDS)
        started = time.time()
        try:
            answer = await self._client.post(delivery.url, headers=dict(delivery.headers), content=delivery.body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            delivery.tries.append({"at": started, "status": None, "error": type(error).__name__})
            return False
        seconds = round(time.time() - started, 4)
        delivery.tries.append({"at": started, "status": answer.status_code, "seconds": seconds})
        return answer.is_success

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _forged(body: bytes) -> bytes:
    """`body` with its first digit changed: still well-formed, so that only the signature tells."""
    return re.sub(rb"\d", lambda found: b"1" if found[0] != b"1" else b"2", body, count=1)
