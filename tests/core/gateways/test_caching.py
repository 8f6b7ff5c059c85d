"""Tokens are kept for a while, encrypted, and a Redis that is gone is only a miss."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.conf import settings
from django.test import override_settings

from core import shared_redis
from core.gateways.caching import GatewayCache

NOWHERE = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}}


@pytest.fixture(autouse=True)
def rested() -> Iterator[None]:
    shared_redis.pause.end()
    yield
    shared_redis.pause.end()


@pytest.fixture
def stored() -> Any:
    """Redis itself, to see what lies there."""
    return redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])


def places(stored: Any) -> set[bytes]:
    return set(stored.keys("paywright:gateway:*"))


def test_a_value_is_kept_replaced_and_deleted() -> None:
    cache = GatewayCache("a")
    assert cache.get("token") is None
    cache.set("token", "first", seconds=60)
    assert cache.get("token") == "first"
    cache.set("token", "zweiter ☕", seconds=60)
    assert cache.get("token") == "zweiter ☕"
    cache.delete("token")
    assert cache.get("token") is None


def test_scopes_and_names_do_not_meet() -> None:
    GatewayCache("a").set("token", "1", seconds=60)
    assert GatewayCache("b").get("token") is None
    assert GatewayCache("a").get("other") is None
    assert GatewayCache("a|token").get("") is None


def test_it_lies_encrypted_under_a_name_that_tells_nothing_and_ends(stored: Any) -> None:
    before = places(stored)
    GatewayCache("lab 7 secret scope").set("jwt", "eyJhbGciOi", seconds=60)
    [place] = places(stored) - before
    assert b"jwt" not in place and b"lab 7" not in place
    assert b"eyJhbGciOi" not in stored.get(place)
    assert 0 < stored.ttl(place) <= 60


def test_a_value_moved_to_another_place_does_not_open(stored: Any) -> None:
    before = places(stored)
    GatewayCache("moved a").set("token", "of a", seconds=60)
    [first] = places(stored) - before
    GatewayCache("moved b").set("token", "of b", seconds=60)
    [second] = places(stored) - before - {first}
    stored.set(second, stored.get(first))
    assert GatewayCache("moved b").get("token") is None


@pytest.mark.parametrize("garbage", [b"", b"not base64!", b"AAAA", b"A" * 64])
def test_garbage_is_a_miss(stored: Any, garbage: bytes) -> None:
    before = places(stored)
    cache = GatewayCache(f"garbage {garbage!r}")
    cache.set("token", "x", seconds=60)
    [place] = places(stored) - before
    stored.set(place, garbage)
    assert cache.get("token") is None


def test_another_secret_key_is_a_miss() -> None:
    GatewayCache("keyed").set("token", "x", seconds=60)
    with override_settings(SECRET_KEY="another secret key, long enough to be one of its own kind"):
        assert GatewayCache("keyed").get("token") is None


def test_no_time_keeps_nothing() -> None:
    GatewayCache("timeless").set("token", "x", seconds=0)
    assert GatewayCache("timeless").get("token") is None


@override_settings(CACHES=NOWHERE)
def test_without_redis_everything_is_a_miss_and_only_the_first_call_tries() -> None:
    failures = shared_redis.pause.failures
    cache = GatewayCache("gone")
    started = time.monotonic()
    for _ in range(20):
        cache.set("token", "x", seconds=60)
        assert cache.get("token") is None
        cache.delete("token")
    assert time.monotonic() - started < 2
    assert shared_redis.pause.failures == failures + 1
