"""Transports and caches without a network: one hands out the given answer, one only writes down what is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from core.http import HttpRequest, HttpResponse, NoAnswer, NotSent

# Answers every look-up, so that no package needs to log in first. Never sent anywhere.
PLACEHOLDER: Final = "explain-placeholder"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The answer to explain, and the request it belongs to (empty: the operation's own). None: it never came."""

    method: str
    url: str
    response: HttpResponse | None = field(repr=False)


Takes = Callable[[HttpRequest], bool]


class Silence:
    """Nothing is ever sent."""

    def send(self, request: HttpRequest) -> HttpResponse:
        raise NotSent("explain sends nothing")

    def browser_url(self, url: str) -> str:
        return url


class Scripted(Silence):
    """Gives one answer to the first request that `takes` accepts; no other request is sent."""

    def __init__(self, given: Given, takes: Takes) -> None:
        self._given = given
        self._takes = takes
        self.was_used = False

    def send(self, request: HttpRequest) -> HttpResponse:
        if self.was_used or not self._takes(request):
            raise NotSent("explain has no answer to this request")
        self.was_used = True
        if self._given.response is None:
            raise NoAnswer("no answer came")
        return self._given.response


class Recorder(Silence):
    """Writes down the first request that is not auxiliary."""

    def __init__(self) -> None:
        self.request: HttpRequest | None = None

    def send(self, request: HttpRequest) -> HttpResponse:
        if self.request is None and not request.is_auxiliary:
            self.request = request
        raise NotSent("explain sends nothing")


class NoCache:
    """An empty cache that keeps nothing."""

    def get(self, name: str) -> str | None:
        return None

    def set(self, name: str, value: str, *, seconds: int) -> None:
        pass

    def delete(self, name: str) -> None:
        pass


class FullCache(NoCache):
    """A cache that always has something, so that a token needs no request of its own."""

    def get(self, name: str) -> str | None:
        return PLACEHOLDER


def is_exactly(given: Given) -> Takes:
    return lambda request: _has_method(given, request) and request.url == given.url


def is_at_path(given: Given) -> Takes:
    path = _path(given.url)
    return lambda request: _has_method(given, request) and _path(request.url) == path


def is_main(request: HttpRequest) -> bool:
    return not request.is_auxiliary


def _has_method(given: Given, request: HttpRequest) -> bool:
    return not given.method or request.method.upper() == given.method


def _path(url: str) -> str:
    try:
        return unquote(urlsplit(url).path).rstrip("/") or "/"
    except ValueError:  # not an address: it fits no request
        return url
