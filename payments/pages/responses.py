"""How every page is answered: its headers, the pages for what cannot be shown, and the limits.

Nothing here is cached, framed, indexed or told to other sites: the address of a page is its secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Final
from urllib.parse import urlsplit

from csp.constants import SELF
from csp.decorators import csp_update
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from core import addresses, rate_limit
from core.gateways.types import ClientToken
from core.hashing import keyed_hash
from payments.pages import looks
from payments.pages.finding import Shop

# A page that hands its customer to a gateway: some gateways refuse a visitor without a referrer. The origin alone.
HANDS_OVER: Final = "strict-origin-when-cross-origin"
_PRIVATE: Final = "no-referrer"

View = Callable[..., HttpResponse]


def private(view: View) -> View:
    """A view whose answers are for this browser and this moment alone; too many requests get a page that says so."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            response = view(request, *args, **kwargs)
        except rate_limit.TooManyRequests as error:
            response = too_many(request, error)
        response["Cache-Control"] = "no-store"
        response["X-Robots-Tag"] = "noindex, nofollow"
        response.headers.setdefault("Referrer-Policy", _PRIVATE)
        return response

    return answered


def page(
    request: HttpRequest, template: str, context: Mapping[str, Any], *, shop: Shop | None, status: int = 200
) -> HttpResponse:
    """A rendered page in the colors of the lab."""
    color = shop.color if shop is not None else "#1f2937"
    full = {**context, "shop": shop, "color": color, "text_color": looks.text_on(color)}
    return render(request, f"payments/{template}", full, status=status)


def message(request: HttpRequest, title: str, text: str, *, status: int, shop: Shop | None = None) -> HttpResponse:
    """A page that only says something, and what to do."""
    return page(request, "message.html", {"title": title, "text": text}, shop=shop, status=status)


def not_found(request: HttpRequest) -> HttpResponse:
    text = "Check the address: it must be complete, to the last character. Else ask the shop that gave it to you."
    return message(request, "This page does not exist", text, status=404)


def too_many(request: HttpRequest, error: rate_limit.TooManyRequests) -> HttpResponse:
    seconds = error.retry_after_seconds or rate_limit.WINDOW_SECONDS
    text = f"Please wait {seconds} seconds and try again. Nothing was charged by these tries."
    response = message(request, "Too many tries", text, status=429)
    response["Retry-After"] = str(seconds)
    return response


# Limits -------------------------------------------------------------------------------------------------------------


def limit(request: HttpRequest, name: str, token: str, *, per_page: int, per_address: int) -> None:
    """Count one request of this page and of this address; per minute. Raises TooManyRequests.

    The address first: what one address tries too often must not use up the page for everybody else.
    """
    rate_limit.check(name=f"{name}_address", subject=addresses.client_address(request), limit=per_address)
    rate_limit.check(name=f"{name}_page", subject=keyed_hash("page_limit", token)[:32], limit=per_page)


# Scripts of gateways ------------------------------------------------------------------------------------------------


def allow_script(request: HttpRequest, response: HttpResponse, action: ClientToken, origins: tuple[str, ...]) -> None:
    """Let the page of an embedded form load its gateway's script and reach its gateway, and nothing else."""
    script = origin_of(action.script_url or "")
    assert script in origins, "a script comes from where its gateway says that it lives"
    allowed = {
        "script-src": [script],
        "frame-src": [SELF, *origins],
        "connect-src": [SELF, *origins],
    }
    csp_update(allowed)(lambda _request: response)(request)  # the library's own way to mark a response


def origin_of(url: str) -> str:
    """ "https://js.example.com", empty for anything but a web address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("https", "http") and parts.netloc else ""
