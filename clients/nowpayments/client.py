"""All HTTP with NOWPayments: keys, the login token, and the class of every error.

Errors follow the protocol reference, section 12: the HTTP status decides first, the body's `code` second, and what is
not JSON came from somebody in between (Cloudflare) and says nothing about the payment.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlencode

from clients.nowpayments.config import Config
from clients.nowpayments.values import read_code
from core import strict_json
from core.clock import Clock
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.gateways.port import Cache
from core.http import Http, HttpRequest, HttpResponse, NoAnswer, NotSent

OUR_CODES: Final[Mapping[str, str]] = {
    "AMOUNT_MINIMAL_ERROR": "amount_too_small",
    "AMOUNT_MAXIMAL_ERROR": "amount_too_large",
    "CURRENCY_UNAVAILABLE": "currency_unavailable",
}
TOKEN_EARLY_SECONDS: Final = 30
TOKEN_DEFAULT_SECONDS: Final = 240
TOKEN_MAX_SECONDS: Final = 3600
COINS_SECONDS: Final = 300  # which coins the merchant enabled
CATALOG_SECONDS: Final = 86_400  # decimals and networks of all coins
# Unconfirmed: no limits of rate are published; a 429 is honored with its Retry-After.
LIST_LIMIT: Final = 200  # of at most 500: keeps an answer well under the 1 MiB that `core.http` takes

_GATEWAY_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,60}", re.ASCII)
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]{1,4096}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `is_write`: an unanswered one may have done something."""

    method: str
    path: str
    body: str = field(default="", repr=False)
    is_write: bool = False
    is_auxiliary: bool = False
    needs_login: bool = False
    needs_key: bool = True

    def unreadable(self, reason: str, response: HttpResponse | None = None) -> GatewayError:
        """The error of an answer that says nothing."""
        kind = OutcomeUnknown if self.is_write else GatewayUnavailable
        if response is None:
            return kind(reason)
        return kind(reason, http_status=response.status, request_id=_request_id(response))


CREATE_PAYMENT: Final = Call(method="POST", path="/v1/payment", is_write=True)
CREATE_INVOICE: Final = Call(method="POST", path="/v1/invoice", is_write=True)


class NowPaymentsClient:
    """Every method raises the GatewayErrors and nothing else."""

    def __init__(self, config: Config, *, http: Http, cache: Cache, clock: Clock) -> None:
        self._config = config
        self._http = http
        self._cache = cache
        self._clock = clock

    def create_payment(self, body: str) -> dict[str, Any]:
        return self._call(_with_body(CREATE_PAYMENT, body))

    def create_invoice(self, body: str) -> dict[str, Any]:
        return self._call(_with_body(CREATE_INVOICE, body))

    def get_payment(self, payment_id: str, *, is_auxiliary: bool = False) -> dict[str, Any]:
        """`payment_id` consists of digits only, so it is safe in a path."""
        return self._call(Call(method="GET", path=f"/v1/payment/{payment_id}", is_auxiliary=is_auxiliary))

    def list_payments(self, *, page: int = 0, **filters: str) -> list[dict[str, Any]]:
        """One page of payments, newest first. Needs the login."""
        # A field name in `orderBy` answers 500: the field goes into `sortBy`.
        query = urlencode({"limit": LIST_LIMIT, "page": page, "sortBy": "created_at", "orderBy": "desc", **filters})
        call = Call(method="GET", path=f"/v1/payment/?{query}", needs_login=True)
        rows = self._call(call).get("data")
        if not isinstance(rows, list):
            raise call.unreadable("the list has no rows")
        return [row for row in rows if isinstance(row, dict)]

    def merchant_coins(self, *, is_auxiliary: bool = False, use_cache: bool = True) -> tuple[str, ...]:
        """Codes (upper case) that the merchant enabled. Observed `selectedCurrencies`, documented `currencies`."""
        cached = self._cache.get("merchant-coins") if use_cache else None
        if known := _codes((cached or "").split()):
            return known
        call = Call(method="GET", path="/v1/merchant/coins", is_auxiliary=is_auxiliary)
        body = self._call(call)
        found = body.get("selectedCurrencies", body.get("currencies"))
        if not isinstance(found, list):
            raise call.unreadable("the list of coins is not readable")
        coins = _codes(found)
        self._cache.set("merchant-coins", " ".join(coins), seconds=COINS_SECONDS)
        return coins

    def estimate(self, *, amount: str, currency_from: str, currency_to: str) -> Any:
        """What `amount` is worth in the other currency: a number or a string."""
        query = urlencode({"amount": amount, "currency_from": currency_from, "currency_to": currency_to})
        return self._auxiliary(f"/v1/estimate?{query}").get("estimated_amount")

    def minimum(self, *, coin: str) -> Any:
        """Least deposit in `coin`. Without `currency_to` the merchant's own outcome wallet applies."""
        query = urlencode({"currency_from": coin, "is_fixed_rate": "false", "is_fee_paid_by_user": "false"})
        return self._auxiliary(f"/v1/min-amount?{query}").get("min_amount")

    def catalog(self) -> dict[str, Any]:
        """Coin code -> [decimals, network] of every coin that the gateway lists; {} where it cannot be had."""
        cached = self._cache.get("catalog")
        if cached is None:
            cached = strict_json.dumps(self._read_catalog())
            # An empty one is kept shortly: it is asked again soon, and not at every fetch.
            self._cache.set("catalog", cached, seconds=CATALOG_SECONDS if len(cached) > 2 else COINS_SECONDS)
        try:
            return strict_json.load_object(cached)
        except strict_json.InvalidJSON:
            return {}

    def check_login(self) -> None:
        """A fresh login, whatever the cache holds."""
        self._log_in()

    # --- one request ---------------------------------------------------------------------------------------------

    def _auxiliary(self, path: str) -> dict[str, Any]:
        return self._call(Call(method="GET", path=path, is_auxiliary=True))

    def _read_catalog(self) -> dict[str, list[Any]]:
        try:
            rows = self._auxiliary("/v1/full-currencies").get("currencies")
        except GatewayError:
            return {}
        found = {}
        for row in rows if isinstance(rows, list) else ():
            code = read_code(row.get("code")) if isinstance(row, dict) else None
            decimals = _decimals(row.get("network_precision")) if code else None
            if code and decimals is not None:
                found[code] = [decimals, read_code(row.get("network"))]
        return found

    def _call(self, call: Call) -> dict[str, Any]:
        response = self._exchange(call, self._token() if call.needs_login else None)
        if self._config.has_login and _wants_login(response):
            response = self._repeated(call, response)
        return _read(call, response)

    def _repeated(self, call: Call, refused: HttpResponse) -> HttpResponse:
        """Once more with a fresh login: a 401 was refused before anything happened, so that is safe for a write, too.

        Unconfirmed: one client saw a 401 in 2023 for GET /v1/payment/{id}, where the key alone should do. There the
        refusal stands if nobody can be asked for a login now.
        """
        self._cache.delete("jwt")
        try:
            token = self._log_in()
        except GatewayUnavailable:
            if call.needs_login:
                raise
            return refused
        return self._exchange(call, token)

    def _exchange(self, call: Call, token: str | None) -> HttpResponse:
        request = HttpRequest(
            method=call.method,
            url=self._config.api_origin + call.path,
            headers=self._headers(call, token),
            body=call.body.encode(),
            is_auxiliary=call.is_auxiliary,
        )
        try:
            return self._http.send(request)
        except NotSent:
            raise GatewayUnavailable("NOWPayments could not be reached") from None
        except NoAnswer:
            raise call.unreadable("NOWPayments did not answer") from None

    def _headers(self, call: Call, token: str | None) -> dict[str, str]:
        headers = {"accept": "application/json"}
        if call.needs_key:
            if not self._config.api_key:
                raise GatewayMisconfigured("no API key is set for this account")
            headers["x-api-key"] = self._config.api_key
        if call.body:
            headers["content-type"] = "application/json"
        if token:
            headers["authorization"] = f"Bearer {token}"
        return headers

    # --- the login token, which lives five minutes -----------------------------------------------------------------

    def _token(self) -> str:
        return self._cache.get("jwt") or self._log_in()

    def _log_in(self) -> str:
        if not self._config.has_login:
            raise GatewayMisconfigured("this needs the dashboard e-mail and password")
        body = json.dumps({"email": self._config.account_email, "password": self._config.account_password})
        call = Call(method="POST", path="/v1/auth", body=body, is_auxiliary=True, needs_key=False)
        token = _read(call, self._exchange(call, None)).get("token")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise call.unreadable("the login gave no token")
        seconds = _token_seconds(token, self._clock())
        if seconds > 0:
            self._cache.set("jwt", token, seconds=seconds)
        return token


def _with_body(call: Call, body: str) -> Call:
    return Call(method=call.method, path=call.path, body=body, is_write=call.is_write)


def _token_seconds(token: str, now: datetime) -> int:
    """How long a token may be kept: until 30 s before its `exp`, else four minutes."""
    try:
        payload = token.split(".")[1]
        claims = strict_json.load_object(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expires = claims["exp"]
        if type(expires) is not int or expires > 10**12:
            return TOKEN_DEFAULT_SECONDS
    except (IndexError, KeyError, ValueError):
        return TOKEN_DEFAULT_SECONDS
    left = expires - int(now.timestamp()) - TOKEN_EARLY_SECONDS
    return min(left, TOKEN_MAX_SECONDS)


def _codes(values: list[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(code for code in map(read_code, values) if code))


def _decimals(value: object) -> int | None:
    """`network_precision`: a string, sometimes a number, sometimes missing. (`precision` is only for display.)"""
    text = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,2}", text, re.ASCII):
        return None
    return int(text) if int(text) <= 36 else None


# --- answers ------------------------------------------------------------------------------------------------------


def _read(call: Call, response: HttpResponse) -> dict[str, Any]:
    """The object of a 2xx answer; everything else raises as section 12 of the protocol reference says."""
    body = _object_of(response)
    if 200 <= response.status < 300:
        if body is None:
            raise call.unreadable("the answer is not readable", response)
        return body
    raise _error(call, response, body)


def _error(call: Call, response: HttpResponse, body: Mapping[str, Any] | None) -> GatewayError:
    status = response.status
    reason = f"NOWPayments answered {status}"
    if status == 429:
        return _error_of(GatewayUnavailable, reason, response, body)
    if not 400 <= status < 500 or body is None:
        return call.unreadable(reason, response)
    if status in (401, 403):
        return _error_of(GatewayMisconfigured, f"{reason}: check key, login and rights", response, body)
    code = _gateway_code(body)
    ours = "not_found" if status == 404 else OUR_CODES.get(code or "")
    return _error_of(RequestRejected, f"{reason} {code}" if code else reason, response, body, code=ours)


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
        gateway_code=_gateway_code(body),
        http_status=response.status,
        request_id=_request_id(response),
        retry_after_seconds=_retry_after(response),
    )


def _object_of(response: HttpResponse) -> dict[str, Any] | None:
    try:
        return strict_json.load_object(response.body)
    except strict_json.InvalidJSON:
        return None


def _wants_login(response: HttpResponse) -> bool:
    if response.status != 401:
        return False
    body = _object_of(response)
    return body is not None and body.get("code") != "INVALID_API_KEY"


def _gateway_code(body: Mapping[str, Any] | None) -> str | None:
    """Their code, where it looks like one: a message could carry anything."""
    code = body.get("code") if body else None
    return code if isinstance(code, str) and _GATEWAY_CODE.fullmatch(code) else None


def _request_id(response: HttpResponse) -> str | None:
    found = response.headers.get("cf-ray", "")
    return found if re.fullmatch(r"[A-Za-z0-9-]{1,64}", found, re.ASCII) else None


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
