"""What every request gets: an id that names it in log and answer, and problem details in place of Django's pages."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from psycopg_pool import PoolTimeout

from core.api import problems

API_PATHS: Final = ("/payments/", "/v1/")
WEBHOOK_PATHS: Final = ("/payments/webhook/",)  # their answers are what a gateway wants to hear, byte for byte
_ACCEPTED_ID: Final = re.compile(r"[A-Za-z0-9_.-]{8,64}", re.ASCII)

GetResponse = Callable[[HttpRequest], HttpResponse]


class RequestIdMiddleware:
    """Takes the caller's X-Request-Id where it is harmless text, else makes one; the answer repeats it."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        request_id = given if _ACCEPTED_ID.fullmatch(given) else problems.new_request_id()
        request.META["HTTP_X_REQUEST_ID"] = request_id  # django-structlog binds this one to its log lines
        token = problems.current_request_id.set(request_id)
        try:
            response = self._get_response(request)
        finally:
            problems.current_request_id.reset(token)
        response["X-Request-Id"] = request_id
        return response


class ProblemMiddleware:
    """Turns errors that never reached the framework (an unknown address, a bug) into problems on the API's paths."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self._get_response(request)
        if response.status_code < 400 or not _is_api(request.path_info) or not _is_page(response):
            return response
        replaced = problems.plain(response.status_code)
        for name in ("Allow", "Retry-After"):
            if name in response:
                replaced[name] = response[name]
        return replaced

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """A database that is gone is 503 everywhere, also where no API framework catches it."""
        if isinstance(error, (OperationalError, InterfaceError, PoolTimeout)):
            return problems.exception_handler(error)
        return None


def _is_api(path: str) -> bool:
    return path.startswith(API_PATHS) and not path.startswith(WEBHOOK_PATHS)


def _is_page(response: HttpResponse) -> bool:
    # 405 of Django's decorators has no body at all, and the type of a page.
    return response.get("Content-Type", "text/html").startswith("text/html")
