"""A breaker for each gateway key: one that keeps failing is tried last for a while. Advisory, kept in Redis, never money.

Only failures of the gateway count: not reached, 5xx, no answer. A refusal is an answer. Without Redis every key is well.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import redis

from core import shared_redis
from core.gateways.errors import GatewayError, GatewayUnavailable, OutcomeUnknown

FAILURES: Final = 5  # in a row, within WINDOW_SECONDS of each other
WINDOW_SECONDS: Final = 60
REST_SECONDS: Final = 30
_PREFIX: Final = "paywright:breaker"


def note(key_id: int, error: GatewayError | None) -> None:
    """What became of one call."""
    is_failure = isinstance(error, (GatewayUnavailable, OutcomeUnknown))
    shared_redis.attempt(lambda client: _failed(client, key_id) if is_failure else _went_well(client, key_id), None)


def resting(key_ids: Iterable[int]) -> frozenset[int]:
    """The keys that are better left alone now. One round trip."""
    ids = list(key_ids)
    if len(ids) < 2:  # with nobody else to ask, the only one is asked
        return frozenset()
    nothing: list[Any] = []
    found = shared_redis.attempt(lambda client: list(client.mget([f"{_PREFIX}:rest:{one}" for one in ids])), nothing)
    return frozenset(one for one, flag in zip(ids, found, strict=False) if flag)


def _failed(client: redis.Redis, key_id: int) -> None:
    count = int(client.incr(f"{_PREFIX}:{key_id}"))
    client.expire(f"{_PREFIX}:{key_id}", WINDOW_SECONDS)
    if count >= FAILURES:
        client.set(f"{_PREFIX}:rest:{key_id}", "1", ex=REST_SECONDS)


def _went_well(client: redis.Redis, key_id: int) -> None:
    client.delete(f"{_PREFIX}:{key_id}", f"{_PREFIX}:rest:{key_id}")
