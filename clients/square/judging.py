"""Which class an answer of Square's belongs to: a result, or one of the five errors.

The order is that of the protocol reference, section 12: the transport first, then what stands beside the errors, then
authentication, then the table of codes. `errors[].detail` is free text and never part of a reason.

Unconfirmed: whether a declined card answers 400 or 402 (so codes and categories decide, not the status), and whether
API_ERROR ever comes with 4xx (there the status decides).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any, Final

from clients.square.facts import DECLINE, errors_of, text, within
from core import strict_json
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.http import HttpResponse

NOT_FOUND: Final = "not_found"  # our code of the RequestRejected that means it


class Kind(StrEnum):
    """What a code means for a call."""

    MISCONFIGURED = "misconfigured"
    DECLINED = "declined"  # a result of a charge
    REFUND_FAILED = "refund_failed"  # a result of a refund
    REJECTED = "rejected"
    TROUBLE = "trouble"  # as if no readable answer had come: the payment may have moved, now or before
    UNAVAILABLE = "unavailable"


CODES: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(
        ("UNAUTHORIZED", "ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_REVOKED", "INSUFFICIENT_SCOPES", "FORBIDDEN",
         "INSUFFICIENT_PERMISSIONS_FOR_REFUND", "INVALID_LOCATION", "LOCATION_MISMATCH",
         "INVALID_SQUARE_VERSION_FORMAT"), Kind.MISCONFIGURED),
    **dict.fromkeys(DECLINE, Kind.DECLINED),
    **dict.fromkeys(("REFUND_DECLINED", "RESERVATION_DECLINED"), Kind.REFUND_FAILED),
    **dict.fromkeys(
        ("REFUND_AMOUNT_INVALID", "REFUND_ALREADY_PENDING", "PAYMENT_NOT_REFUNDABLE",
         "PAYMENT_NOT_REFUNDABLE_DUE_TO_DISPUTE", "REFUND_ERROR_PAYMENT_NEEDS_COMPLETION", "VERSION_MISMATCH",
         "CURRENCY_MISMATCH", "VALUE_TOO_LONG", "VALUE_TOO_LOW", "BAD_REQUEST", "MISSING_REQUIRED_PARAMETER",
         "EXPECTED_STRING", "CHECKOUT_EXPIRED", "SANDBOX_NOT_SUPPORTED", "NOT_FOUND"), Kind.REJECTED),
    **dict.fromkeys(
        # Too late: the payment has moved without us. Or this call moved nothing, but an earlier one under its key may
        # have: look it up, and never send it under this key again.
        ("DELAYED_TRANSACTION_EXPIRED", "DELAYED_TRANSACTION_CANCELED", "DELAYED_TRANSACTION_CAPTURED",
         "DELAYED_TRANSACTION_FAILED", "IDEMPOTENCY_KEY_REUSED", "CONFLICT",
         "TEMPORARY_ERROR", "INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "GATEWAY_TIMEOUT", "REQUEST_TIMEOUT"),
        Kind.TROUBLE),
    "RATE_LIMITED": Kind.UNAVAILABLE,
}  # fmt: skip

OUR_CODES: Final[Mapping[str, str]] = {
    "NOT_FOUND": NOT_FOUND,
    "CURRENCY_MISMATCH": "currency_not_supported",
    "VALUE_TOO_LOW": "amount_too_small",
    "AMOUNT_TOO_HIGH": "amount_too_large",
    "PAYMENT_LIMIT_EXCEEDED": "amount_too_large",
}
_OF_METHOD: Final = "PAYMENT_METHOD_ERROR"
_OF_AUTHENTICATION: Final = "AUTHENTICATION_ERROR"
_RESULTS: Final = ("payment", "refund")  # these decide, also beside errors

_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,80}", re.ASCII)
_FIELD: Final = re.compile(r"[A-Za-z0-9_.\[\]]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `wants` names the members of which an answer has at least one (none: an empty list is left out).

    `reads` a POST that asks only. `results` says which refusals are a result of this call and no error.
    """

    method: str
    path: str
    body: str = field(default="", repr=False)
    wants: tuple[str, ...] = ()
    results: frozenset[Kind] = frozenset()
    reads: bool = False
    is_auxiliary: bool = False

    @property
    def is_write(self) -> bool:
        return self.method != "GET" and not self.reads

    def unreadable(self, reason: str, response: HttpResponse | None = None, code: str | None = None) -> GatewayError:
        """The error of an answer that tells nothing."""
        kind = OutcomeUnknown if self.is_write else GatewayUnavailable
        return kind(reason, gateway_code=code, http_status=response.status if response else None)


def judge(call: Call, response: HttpResponse) -> dict[str, Any]:
    """The object of an answer that says something (a declined charge is one). Raises the five errors for the rest."""
    if response.status == 429:
        raise _error(GatewayUnavailable, response, None)
    body = _object_of(response)
    if body is None or response.status == 408 or response.status >= 500:
        raise call.unreadable(f"Square answered {response.status}, which tells nothing", response)
    if _is_result(call, response, body):
        return body
    known = [one for one in errors_of(body) if isinstance(one, Mapping)]
    kind, decisive = _kind_of(call, response, known, body)
    if kind in call.results:
        return body
    raise _raised(call, response, kind, decisive)


def _is_result(call: Call, response: HttpResponse, body: Mapping[str, Any]) -> bool:
    if any(
        text(within(body, name).get("id")) for name in _RESULTS if name in call.wants
    ):  # one without an id tells nothing
        return True
    if not 200 <= response.status < 300 or errors_of(body):
        return False
    return not call.wants or any(body.get(name) for name in call.wants if name not in _RESULTS)


def _kind_of(
    call: Call, response: HttpResponse, known: list[Mapping[str, Any]], body: Mapping[str, Any]
) -> tuple[Kind, str | None]:
    """What it means, and the code that decides it."""
    codes = [code for code in (_code(one) for one in known) if code]
    first = codes[0] if codes else None
    of_authentication = next((one for one in known if one.get("category") == _OF_AUTHENTICATION), None)
    if of_authentication is not None or (response.status in (401, 403) and body):
        return Kind.MISCONFIGURED, _code(of_authentication) if of_authentication else first
    for code in codes:
        if code in CODES:
            return CODES[code], code
    if any(one.get("category") == _OF_METHOD for one in known) and Kind.DECLINED in call.results:
        return Kind.DECLINED, first
    is_refusal = 400 <= response.status < 500 and (known or _is_older_shape(body))
    return (Kind.REJECTED if is_refusal else Kind.TROUBLE), first


def _raised(call: Call, response: HttpResponse, kind: Kind, code: str | None) -> GatewayError:
    if kind is Kind.TROUBLE:
        return call.unreadable(f"Square answered {response.status}{_said(code)}: nothing is certain", response, code)
    if kind is Kind.MISCONFIGURED:
        return _error(GatewayMisconfigured, response, code)
    if kind is Kind.UNAVAILABLE:
        return _error(GatewayUnavailable, response, code)
    return _error(RequestRejected, response, code)  # also a decline where no charge was asked for


def _error(kind: type[GatewayError], response: HttpResponse, code: str | None) -> GatewayError:
    where = _field_of(response)
    return kind(
        f"Square answered {response.status}{_said(code)}{f' for {where}' if where else ''}",
        code=_our_code(response, code),
        gateway_code=code,
        http_status=response.status,
        retry_after_seconds=_retry_after(response),
    )


def _our_code(response: HttpResponse, code: str | None) -> str | None:
    if code is None and response.status == 404:
        return NOT_FOUND
    return OUR_CODES.get(code or "")


def _said(code: str | None) -> str:
    return f" {code}" if code else ""


def _code(error: Mapping[str, Any]) -> str | None:
    """Their code, where it looks like one: the text could carry anything."""
    code = error.get("code")
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _field_of(response: HttpResponse) -> str | None:
    for one in errors_of(_object_of(response) or {}):
        name = one.get("field") if isinstance(one, Mapping) else None
        if isinstance(name, str) and _FIELD.fullmatch(name):
            return name
    return None


def _is_older_shape(body: Mapping[str, Any]) -> bool:
    return isinstance(body.get("message"), str) or isinstance(body.get("type"), str)


def _object_of(response: HttpResponse) -> dict[str, Any] | None:
    try:
        return strict_json.load_object(response.body)
    except strict_json.InvalidJSON:
        return None


def _retry_after(response: HttpResponse) -> float | None:
    """Seconds of a Retry-After header, given as a number or as a date (then counted from the answer's own Date)."""
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,6}", value, re.ASCII):
        return float(value)
    try:
        until = parsedate_to_datetime(value)
        since = parsedate_to_datetime(response.headers.get("date", ""))
        return max(0.0, (until.astimezone(UTC) - since.astimezone(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None
