"""Every error of the API as RFC 9457 problem details: a stable `code` and a sentence that says what to do.

A 404 carries no request id in its body (the header has it), so that a missing object and another lab's are the same
bytes. A 500 is fixed text: what went wrong stands in the log, under the request id.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from psycopg_pool import PoolTimeout
from rest_framework import exceptions

from core import strict_json
from core.errors import DomainError, NotFound
from core.gateways import errors as gateway_errors

CONTENT_TYPE: Final = "application/problem+json"
_log = logging.getLogger(__name__)

current_request_id: ContextVar[str] = ContextVar("paywright_request_id", default="")


def new_request_id() -> str:
    return f"req_{secrets.token_hex(12)}"


def problem(
    *,
    status: int,
    code: str,
    detail: str,
    title: str | None = None,
    retryable: bool = False,
    errors: Sequence[Mapping[str, str]] = (),
    members: Mapping[str, Any] | None = None,
    retry_after_seconds: int | None = None,
) -> HttpResponse:
    """One problem as a response. `errors` are {field, code, detail}; `members` stand beside the standard ones."""
    body: dict[str, Any] = {
        **(members or {}),
        "type": "about:blank",
        "title": title or HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "retryable": retryable,
    }
    if status != HTTPStatus.NOT_FOUND:
        body["request_id"] = current_request_id.get() or new_request_id()
    if errors:
        body["errors"] = [dict(error) for error in errors]
    response = HttpResponse(strict_json.dumps(body), status=status, content_type=CONTENT_TYPE)
    response["Cache-Control"] = "no-store"
    if retry_after_seconds is not None:
        response["Retry-After"] = str(retry_after_seconds)
    return response


def body_of(error: DomainError) -> str:
    """The text of a domain error's problem, to be stored as the answer of an idempotency key."""
    return from_domain_error(error).content.decode()


def from_domain_error(error: DomainError) -> HttpResponse:
    return problem(
        status=error.status,
        code=error.code,
        detail=error.detail,
        title=error.title,
        retryable=error.retryable,
        errors=getattr(error, "errors", ()),
        members=error.members,
        retry_after_seconds=error.retry_after_seconds,
    )


def exception_handler(error: Exception, context: Mapping[str, Any] | None = None) -> HttpResponse | None:
    """REST_FRAMEWORK["EXCEPTION_HANDLER"]. None for a bug of ours: Django logs it and `server_error` answers."""
    if isinstance(error, DomainError):
        response = from_domain_error(error)
        if error.status == HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = "Bearer"
        return response
    for read in (_from_framework, _from_gateway, _from_database):
        found = read(error)
        if found is not None:
            return found
    return None


# What other libraries raise -------------------------------------------------------------------------------------------

# Status -> code and detail. Details of frameworks are not passed on: they echo input.
_PLAIN: Final[Mapping[int, tuple[str, str]]] = {
    400: ("bad_request", "The request cannot be read; check its address, headers and body."),
    401: ("not_authenticated", "Send a valid API key of your lab as `Authorization: Bearer pw_...`."),
    403: ("permission_denied", "This API key may not do that."),
    404: (NotFound.code, NotFound.default_detail),
    405: ("method_not_allowed", "This address does not take this method; the header Allow lists those it takes."),
    406: ("not_acceptable", "Answers are JSON only; accept application/json."),
    413: ("too_large", "The body is too large; send at most 256 KiB."),
    415: ("unsupported_media_type", "Send the body as application/json in UTF-8, without Content-Encoding."),
    429: ("rate_limited", "Too many requests in this minute; wait for the time in Retry-After, then go on."),
    500: (
        "internal_error",
        "Something went wrong on our side; repeat with the same Idempotency-Key, or report request_id.",
    ),
    503: ("unavailable", "The service cannot answer now; repeat with the same Idempotency-Key after Retry-After."),
}


def plain(status: int, *, retry_after_seconds: int | None = None) -> HttpResponse:
    """The problem of a bare status. Statuses without an entry get that of their class."""
    code, detail = _PLAIN.get(status) or _PLAIN[500 if status >= 500 else 400]
    return problem(
        status=status,
        code=code,
        detail=detail,
        retryable=status in (429, 500, 503),
        retry_after_seconds=retry_after_seconds,
    )


def _from_framework(error: Exception) -> HttpResponse | None:
    if isinstance(error, Http404):
        return plain(404)
    if isinstance(error, PermissionDenied):
        return plain(403)
    if isinstance(error, RequestDataTooBig):
        return plain(413)
    if isinstance(error, exceptions.ValidationError):
        return _from_validation(error)
    if isinstance(error, exceptions.APIException):
        return _from_api_exception(error)
    return None


def _from_api_exception(error: exceptions.APIException) -> HttpResponse:
    wait = getattr(error, "wait", None)
    response = plain(error.status_code, retry_after_seconds=None if wait is None else int(wait) + 1)
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = "Bearer"
    return response


def _from_validation(error: exceptions.ValidationError) -> HttpResponse:
    found = [
        {"field": field, "code": detail.code or "invalid", "detail": str(detail)}
        for field, detail in _flat(error.detail)
    ]
    return problem(
        status=400,
        code="validation_failed",
        detail="Some fields cannot be accepted; `errors` says which and why.",
        errors=found,
    )


def _flat(detail: Any, field: str = "") -> Iterator[tuple[str, exceptions.ErrorDetail]]:
    """Leaves of DRF's nested details with dotted names: ("customer.email", ErrorDetail)."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            name = "" if name == "non_field_errors" else str(name)
            yield from _flat(inner, ".".join(part for part in (field, name) if part))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _flat(inner, field)
    else:
        yield field, detail


def _from_gateway(error: Exception) -> HttpResponse | None:
    """Errors of the port that no service turned into one of its own (INVARIANTS §4)."""
    if not isinstance(error, gateway_errors.GatewayError):
        return None
    status, code, retryable = _GATEWAY.get(type(error), (502, "gateway_unavailable", True))
    wait = error.retry_after_seconds
    return problem(
        status=status,
        code=code,
        detail=f"{error.reason}." if not error.reason.endswith(".") else error.reason,
        retryable=retryable,
        retry_after_seconds=None if wait is None else int(wait) + 1,
    )


_GATEWAY: Final[Mapping[type[Exception], tuple[int, str, bool]]] = {
    gateway_errors.RequestRejected: (422, "gateway_rejected", False),
    gateway_errors.GatewayMisconfigured: (502, "gateway_misconfigured", False),
    gateway_errors.GatewayUnavailable: (502, "gateway_unavailable", True),
    gateway_errors.OutcomeUnknown: (504, "outcome_unknown", True),
}


def _from_database(error: Exception) -> HttpResponse | None:
    """Gone, or too busy after its retries: nothing was committed (INVARIANTS §13)."""
    if not isinstance(error, (OperationalError, InterfaceError, PoolTimeout)):
        return None
    _log.warning("the database did not answer a request: %s", type(error).__name__)
    return problem(status=503, code="unavailable", detail=_PLAIN[503][1], retryable=True, retry_after_seconds=2)


# Django's own pages ---------------------------------------------------------------------------------------------------


def is_problem(response: HttpResponse) -> bool:
    return response.get("Content-Type", "").startswith(CONTENT_TYPE)


def read(response: HttpResponse) -> dict[str, Any]:
    """The members of a problem response (for tests and logs)."""
    found = json.loads(response.content)
    assert isinstance(found, dict)
    return found
