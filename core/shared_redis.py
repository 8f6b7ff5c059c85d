"""The short-lived helpers of Redis that may be missing: rate limits and when a key was last used.

No money decision reads anything here. A Redis that does not answer is left alone for ten seconds, so that an outage
costs one slow request in ten seconds and not one in each.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, TypeVar

import redis
from django.conf import settings

PAUSE_SECONDS: Final = 10.0
TIMEOUT_SECONDS: Final = 0.5

Answer = TypeVar("Answer")


class Pause:
    """Remembers that something did not answer, and says for how long not to ask it again. Shared by threads."""

    def __init__(self, seconds: float = PAUSE_SECONDS, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._until = 0.0
        self._lock = threading.Lock()
        self.failures = 0

    @property
    def is_on(self) -> bool:
        return self._monotonic() < self._until

    def start(self) -> None:
        """Note one failure and pause from now."""
        with self._lock:
            self.failures += 1
            self._until = self._monotonic() + self._seconds

    def end(self) -> None:
        self._until = 0.0


pause = Pause()


def address() -> str | None:
    """Where Redis is, or None where this installation runs without one."""
    location = settings.CACHES.get("default", {}).get("LOCATION")
    return location if isinstance(location, str) and location.startswith(("redis://", "rediss://", "unix://")) else None


@lru_cache(maxsize=4)
def _client(location: str) -> redis.Redis:
    return redis.Redis.from_url(location, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)


def attempt(ask: Callable[[redis.Redis], Answer], otherwise: Answer) -> Answer:
    """What `ask` finds out, or `otherwise` when Redis is missing, pausing or does not answer within half a second."""
    location = address()
    if location is None or pause.is_on:
        return otherwise
    try:
        return ask(_client(location))
    except (redis.RedisError, OSError):
        pause.start()
        return otherwise


def is_answering() -> bool:
    """Ask now, pause or not: for /readyz."""
    location = address()
    if location is None:
        return False
    try:
        answered: Any = _client(location).ping()
    except (redis.RedisError, OSError):
        return False
    pause.end()
    return bool(answered)
