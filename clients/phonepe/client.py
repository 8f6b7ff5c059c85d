"""All HTTP with PhonePe: the token, the headers, and the class of every error.

Errors follow the gateway page, section 12: 5xx and 429 first, then 401 and 403, then the body's code, then the rest of
the status. A failed token call means that the payment call was never sent, so it is never an unknown outcome.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

from clients.phonepe.config import SENDS_MERCHANT_HEADER, PhonePeConfig
from clients.phonepe.tokens import Token, TokenStore, read_token
from core import strict_json
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.gateways.port import Cache
from core.http import Http, HttpRequest, HttpResponse, NoAnswer, NotSent

NOT_FOUND: Final = "not_found"
# Unconfirmed: whether an unknown id answers 400 or 404; so the code decides.
NOT_FOUND_CODES: Final = frozenset({
    "INVALID_MERCHANT_ORDER_ID", "MERCHANT_ORDER_MAPPING_NOT_FOUND", "MAPPING_NOT_FOUND", "REFUND_NOT_FOUND",
})  # fmt: skip
# Unconfirmed: seen in an SDK's test as the text "Refund ID Duplicated"; any code or message with this word counts, for a
# refund that is taken for refused gives its amount free a second time.
DUPLICATE: Final = "DUPLICAT"
# Unconfirmed: in the SDK's map without a meaning. 408 is not there, but a gateway that waited may have begun.
UNKNOWN_STATUSES: Final = frozenset({408, 409, 410, 417, 422})
TIMED_OUT: Final = 408  # says nothing about the keys or the order

_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,60}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `is_write`: an unanswered one may have done something."""

    method: str
    path: str
    body: str = field(default="", repr=False)
    is_write: bool = False
    is_auxiliary: bool = False

    def unreadable(self, reason: str, response: HttpResponse | None = None) -> GatewayError:
        """The error of an answer that says nothing."""
        kind = OutcomeUnknown if self.is_write else GatewayUnavailable
        return kind(reason, http_status=None if response is None else response.status)


CREATE: Final = Call(method="POST", path="/checkout/v2/pay", is_write=True)
REFUND: Final = Call(method="POST", path="/payments/v2/refund", is_write=True)


class PhonePeClient:
    """Every method raises the GatewayErrors and nothing else. Ids have been checked: they are safe in a path."""

    def __init__(self, config: PhonePeConfig, *, http: Http, cache: Cache) -> None:
        self._config = config
        self._http = http
        self._tokens = TokenStore(config, cache)

    def create(self, body: str) -> dict[str, Any]:
        return self._call(_with_body(CREATE, body))

    def order_status(self, reference: str, *, is_auxiliary: bool = False) -> dict[str, Any]:
        """By our own id; PhonePe's cannot be asked for. The latest attempt is enough: the root decides."""
        path = f"/checkout/v2/order/{reference}/status?details=false&errorContext=true"
        return self._call(Call(method="GET", path=path, is_auxiliary=is_auxiliary))

    def refund(self, body: str) -> dict[str, Any]:
        return self._call(_with_body(REFUND, body))

    def refund_status(self, reference: str) -> dict[str, Any]:
        return self._call(Call(method="GET", path=f"/payments/v2/refund/{reference}/status"))

    def check_token(self) -> None:
        """A new token, whatever the cache holds: proves id, secret and version."""
        self._tokens.keep(self._ask_token(is_auxiliary=False))

    # --- one request ---------------------------------------------------------------------------------------------

    def _call(self, call: Call) -> dict[str, Any]:
        header = self._token()
        response = self._exchange(call, header)
        if response.status == 401:
            # It was refused before anything happened, so repeating once is safe, also for a write.
            self._tokens.drop(header)
            response = self._again(call) or response
        return _read(call, response)

    def _again(self, call: Call) -> HttpResponse | None:
        """The call with a new token. None where that cannot be had just now: then the refusal stands."""
        try:
            header = self._renew()
        except GatewayUnavailable:
            return None
        return self._exchange(call, header)

    def _exchange(self, call: Call, header: str) -> HttpResponse:
        request = HttpRequest(
            method=call.method,
            url=self._config.pg_base + call.path,
            headers=self._headers(header),
            body=call.body.encode(),
            is_auxiliary=call.is_auxiliary,
        )
        try:
            return self._http.send(request)
        except NotSent:
            raise GatewayUnavailable("PhonePe could not be reached") from None
        except NoAnswer:
            raise call.unreadable("PhonePe did not answer") from None

    def _headers(self, header: str) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept": "application/json", "authorization": header}
        if SENDS_MERCHANT_HEADER and self._config.merchant_id:
            headers["x-merchant-id"] = self._config.merchant_id
        return headers

    # --- the token -----------------------------------------------------------------------------------------------

    def _token(self) -> str:
        kept = self._tokens.fresh() or self._tokens.spare_while_renewed()
        if kept:
            return kept
        try:
            return self._renew()
        except (GatewayUnavailable, GatewayMisconfigured):
            spare = self._tokens.spare()
            if not spare:
                raise
            return spare

    def _renew(self) -> str:
        token = self._ask_token()
        self._tokens.keep(token)
        return token.header

    def _ask_token(self, *, is_auxiliary: bool = True) -> Token:
        """A form, not JSON. There is no refresh grant: a new token is asked for in the same way."""
        request = HttpRequest(
            method="POST",
            url=self._config.token_url,
            headers={"content-type": "application/x-www-form-urlencoded", "accept": "application/json"},
            body=urlencode(self._config.token_fields()).encode(),
            is_auxiliary=is_auxiliary,
        )
        try:
            return _read_token(self._http.send(request))
        except (NotSent, NoAnswer):
            raise GatewayUnavailable("PhonePe gave no token: it did not answer") from None


# --- answers ------------------------------------------------------------------------------------------------------


def _read_token(response: HttpResponse) -> Token:
    body = _object_of(response)
    if 200 <= response.status < 300:
        token = read_token(body or {})
        if token is None:
            raise GatewayUnavailable("PhonePe's answer holds no token", http_status=response.status)
        return token
    reason = f"PhonePe gave no token: it answered {response.status}"
    if response.status in {TIMED_OUT, 429} or not 400 <= response.status < 500:
        raise _error_of(GatewayUnavailable, reason, response, body)
    # Whatever its code: id, secret, version or the environment is wrong.
    raise _error_of(GatewayMisconfigured, f"{reason}: check client id, secret and version", response, body)


def _read(call: Call, response: HttpResponse) -> dict[str, Any]:
    """The object of a 2xx answer; everything else raises."""
    body = _object_of(response)
    if 200 <= response.status < 300:
        if body is None:
            raise call.unreadable("the answer is not readable", response)
        if not call.is_write and "state" not in body and NOT_FOUND_CODES & _codes(body):
            raise _error_of(RequestRejected, "PhonePe knows no such id", response, body, code=NOT_FOUND)
        return body
    raise _error(call, response, body or {})


def _error(call: Call, response: HttpResponse, body: Mapping[str, Any]) -> GatewayError:
    status, reason = response.status, f"PhonePe answered {response.status}"
    if status == 429:
        return _error_of(GatewayUnavailable, reason, response, body)
    if not 400 <= status < 500:
        return _error_of(type(call.unreadable(reason)), reason, response, body)
    if status == 401:
        return _error_of(
            GatewayMisconfigured, f"{reason}: the token is refused; are both keys of this mode?", response, body
        )
    if status == 403:
        return _error_of(GatewayMisconfigured, f"{reason}: not permitted for this merchant", response, body)
    codes = _codes(body)
    if NOT_FOUND_CODES & codes:
        return _error_of(RequestRejected, f"{reason}: unknown id", response, body, code=NOT_FOUND)
    if call.path == REFUND.path and any(DUPLICATE in code for code in codes):
        return _error_of(OutcomeUnknown, f"{reason}: the id was used by an earlier try", response, body)
    if call.is_write and status in UNKNOWN_STATUSES:
        return _error_of(OutcomeUnknown, reason, response, body)
    if status == TIMED_OUT:
        return _error_of(GatewayUnavailable, reason, response, body)
    return _error_of(RequestRejected, reason, response, body)


def _error_of(
    kind: type[GatewayError],
    reason: str,
    response: HttpResponse,
    body: Mapping[str, Any] | None,
    *,
    code: str | None = None,
) -> GatewayError:
    return kind(
        reason,
        code=code,
        gateway_code=_gateway_code(body or {}),
        http_status=response.status,
        retry_after_seconds=_retry_after(response),
    )


def _object_of(response: HttpResponse) -> dict[str, Any] | None:
    """Some errors have an empty body or a bare JSON string."""
    try:
        return strict_json.load_object(response.body)
    except strict_json.InvalidJSON:
        return None


def _gateway_code(body: Mapping[str, Any]) -> str | None:
    """Their code, where it looks like one: a message could carry anything."""
    for name in ("errorCode", "code"):
        code = body.get(name)
        if isinstance(code, str) and _CODE.fullmatch(code):
            return code
    return None


def _codes(body: Mapping[str, Any]) -> set[str]:
    """The codes, and the message where that is one: "Refund ID Duplicated" is REFUND_ID_DUPLICATED."""
    texts = (body.get("errorCode"), body.get("code"), body.get("message"))
    return {re.sub(r"[^A-Z0-9]+", "_", text[:80].upper()).strip("_") for text in texts if isinstance(text, str)}


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


def _with_body(call: Call, body: str) -> Call:
    return Call(method=call.method, path=call.path, body=body, is_write=call.is_write)
