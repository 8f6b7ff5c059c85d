"""Outgoing HTTP to gateways: fixed hosts, TLS verified, no redirects, no proxy, bounded time and size.

An adapter builds the gateway's real URL; local and test settings may map an origin to the simulator
(`https://api.stripe.com` -> `http://127.0.0.1:9000/api.stripe.com`), which production refuses. Two exceptions tell what
matters for money: `NotSent` (nothing can have happened) and `NoAnswer` (anything can have happened).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, Protocol
from urllib.parse import urlsplit

import httpx

CONNECT_SECONDS: Final = 3.0
TOTAL_SECONDS: Final = 30.0
MAX_ANSWER_BYTES: Final = 1024 * 1024


class NotSent(Exception):
    """The request provably never reached the gateway: refused connection, DNS, TLS, a host that is not allowed."""


class NoAnswer(Exception):
    """Sending began and no complete answer came: timeout, reset, an answer that is too large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """`is_auxiliary` marks calls beside the operation itself: tokens, estimates, minimums."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    is_auxiliary: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """`headers` have lower-case names."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class Http(Protocol):
    """What a gateway gets. Fake it with a list of answers in tests."""

    def send(self, request: HttpRequest) -> HttpResponse:
        """Raises NotSent or NoAnswer, and nothing else. Any status is an answer."""
        ...

    def browser_url(self, url: str) -> str:
        """`url` as the customer's browser must call it: itself, or its place at the simulator."""
        ...


def origin_of(url: str) -> str:
    """`https://host[:port]` of an absolute URL, lower-case."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


class GatewayHttp:
    """HTTP for one gateway and mode: only its declared origins can be called."""

    def __init__(self, *, origins: Iterable[str], overrides: Mapping[str, str] | None = None) -> None:
        self._origins = frozenset(origin.lower() for origin in origins)
        self._overrides = {key.lower(): value.rstrip("/") for key, value in (overrides or {}).items()}

    def browser_url(self, url: str) -> str:
        origin = origin_of(url)
        base = self._overrides.get(origin)
        return url if base is None else base + url[len(origin) :]

    def send(self, request: HttpRequest) -> HttpResponse:
        if origin_of(request.url) not in self._origins:
            raise NotSent("this host is not declared by the gateway")
        return _exchange(request, self.browser_url(request.url))


@lru_cache(maxsize=1)
def _client() -> httpx.Client:
    # One pool a process: a TLS handshake a call would cost more than the call. Nothing of a merchant is kept in it.
    return httpx.Client(
        trust_env=False,
        follow_redirects=False,
        timeout=httpx.Timeout(TOTAL_SECONDS - CONNECT_SECONDS, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=5),
        # A jar that takes nothing: one gateway's cookie must never travel with the next merchant's call.
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=[])),
    )


def _exchange(request: HttpRequest, url: str) -> HttpResponse:
    deadline = time.monotonic() + TOTAL_SECONDS
    try:
        with _client().stream(
            request.method, url, headers=dict(request.headers), content=request.body or None
        ) as answer:
            body = bytearray()
            for chunk in answer.iter_bytes():
                body += chunk
                if len(body) > MAX_ANSWER_BYTES:
                    raise NoAnswer("the answer is larger than 1 MiB")
                if time.monotonic() > deadline:
                    raise NoAnswer("the answer took longer than 30 s")
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return HttpResponse(status=answer.status_code, headers=headers, body=bytes(body))
    # `from None`: httpx exceptions carry the request with its Authorization header.
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
        raise NotSent(type(error).__name__) from None
    except (httpx.InvalidURL, httpx.LocalProtocolError) as error:
        raise NotSent(type(error).__name__) from None
    except httpx.HTTPError as error:
        raise NoAnswer(type(error).__name__) from None
