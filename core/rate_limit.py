"""Limits per minute, counted in Redis in one round trip, together with when an API key was last used.

A fixed window of a minute by our clock: simple, and a burst of twice the limit at its edge is harmless here. Without
Redis requests pass (DESIGN §7).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

import redis
from django.conf import settings
from django.db import connection

from core import clock
from core import shared_redis as shared
from core.errors import DomainError

WINDOW_SECONDS: Final = 60
DEFAULT_LIMITS: Final[Mapping[str, int]] = {"key": 6_000, "lab": 12_000}  # requests a minute; 0 means no limit
_LAST_USED: Final = "paywright:last_used"
_FLUSHING: Final = "paywright:last_used:flushing"


class TooManyRequests(DomainError):
    """429: the limit of this minute is used up."""

    code: ClassVar[str] = "rate_limited"
    status: ClassVar[int] = 429
    retryable: ClassVar[bool] = True
    default_detail: ClassVar[str] = "Too many requests in this minute; wait for the time in Retry-After, then go on."


def limits() -> Mapping[str, int]:
    """Requests a minute per API key and per lab: `settings.API_RATE_LIMITS` over the defaults."""
    return {**DEFAULT_LIMITS, **getattr(settings, "API_RATE_LIMITS", {})}


def check_api(*, key_id: int, lab_id: int) -> None:
    """Count one request of an API key and note when it was. Raises TooManyRequests."""
    allowed = limits()
    _check([(f"key:{key_id}", allowed["key"]), (f"lab:{lab_id}", allowed["lab"])], used_key_id=key_id)


def check(*, name: str, subject: str, limit: int) -> None:
    """Count one request of `subject` (an address, a keyed hash of a token) for `name`. Raises TooManyRequests."""
    _check([(f"{name}:{subject}", limit)])


def _check(counters: Sequence[tuple[str, int]], *, used_key_id: int | None = None) -> None:
    seconds = clock.now().timestamp()
    window = int(seconds // WINDOW_SECONDS)
    nothing: list[int] = []
    counts = shared.attempt(lambda client: _count(client, counters, window, used_key_id, seconds), nothing)
    for (_name, limit), count in zip(counters, counts, strict=False):
        if limit and count > limit:
            wait = math.ceil((window + 1) * WINDOW_SECONDS - seconds)
            raise TooManyRequests(retry_after_seconds=max(wait, 1))


def _count(
    client: redis.Redis, counters: Sequence[tuple[str, int]], window: int, used_key_id: int | None, seconds: float
) -> list[int]:
    pipe: Any = client.pipeline(transaction=False)
    for name, _limit in counters:
        pipe.incr(f"paywright:limit:{name}:{window}")
        pipe.expire(f"paywright:limit:{name}:{window}", 2 * WINDOW_SECONDS)
    if used_key_id is not None:
        pipe.hset(_LAST_USED, str(used_key_id), int(seconds))
    return [int(answer) for answer in pipe.execute()[: 2 * len(counters) : 2]]


def flush_last_used() -> int:
    """Write down when API keys were last used, at most once a minute each; how many rows changed. Run by the sweep."""
    nothing: dict[int, int] = {}
    used = shared.attempt(_take_last_used, nothing)
    if not used:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE core_apikey AS key SET last_used_at = to_timestamp(used.at)
            FROM unnest(%s::bigint[], %s::bigint[]) AS used(id, at)
            WHERE key.id = used.id
              AND (key.last_used_at IS NULL OR key.last_used_at <= to_timestamp(used.at) - interval '1 minute')
            """,
            [list(used), list(used.values())],
        )
        return int(cursor.rowcount)


def _take_last_used(client: redis.Redis) -> dict[int, int]:
    try:
        client.rename(_LAST_USED, _FLUSHING)  # uses noted from here on go into a fresh hash
    except redis.ResponseError:  # nothing was used since
        return {}
    found: Any = client.hgetall(_FLUSHING)
    client.delete(_FLUSHING)
    return {int(key_id): int(at) for key_id, at in found.items()}
