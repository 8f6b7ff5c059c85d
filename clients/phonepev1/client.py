"""All HTTP with PhonePe v1: the envelope, the signature, and the class of every error.

Errors follow the gateway page, section 12: 5xx and 429 count at once, then the body's code, then the HTTP status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

from clients.phonepev1.config import PhonePeV1Config
from clients.phonepev1.signing import sign, wrap
from clients.phonepev1.translate import STATUS
from clients.phonepev1.values import read_code
from core import strict_json
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.gateways.types import PaymentStatus
from core.http import Http, HttpRequest, HttpResponse, NoAnswer, NotSent

NOT_FOUND: Final = "not_found"
# Unconfirmed: which HTTP status goes with it; so the code decides.
NOT_FOUND_CODE: Final = "TRANSACTION_NOT_FOUND"
DUPLICATE_CODE: Final = "INVALID_TRANSACTION_ID"
NOTHING_SAID: Final = "INTERNAL_SERVER_ERROR"
TIMED_OUT: Final = 408  # Unconfirmed: not documented; a gateway that waited may have begun
WRONG_KEYS: Final[Mapping[str, str]] = {
    "AUTHORIZATION_FAILED": "the signature is refused; check merchant id, salt key and salt index, all of this mode",
    "401": "the signature is refused; check merchant id, salt key and salt index, all of this mode",
    "403": "not permitted; check merchant id, salt key and salt index, all of this mode",
    "KEY_NOT_CONFIGURED": "it has no key at this salt index in this environment",
}
# Their code -> ours (None: nothing more to tell).
REFUSED: Final[Mapping[str, str | None]] = {
    "BAD_REQUEST": None,
    "400": None,
    "EXCESS_REFUND_AMOUNT": "refund_too_large",
    "REVERSAL_WINDOW_EXCEEDED": "refund_window_closed",  # too old: handled by hand
}

_CODE: Final = re.compile(r"[A-Z0-9][A-Z0-9_]{1,60}", re.ASCII)
_HEADERS: Final = {"Content-Type": "application/json", "Accept": "application/json"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One of the three calls. `is_write`: an unanswered one may have done something."""

    path: str
    is_write: bool
    tells_status: bool = True  # a create's answer tells where to pay, not what became of it

    def unlearned(self, reason: str, response: HttpResponse | None = None) -> GatewayError:
        """The error of an answer that says nothing."""
        kind = OutcomeUnknown if self.is_write else GatewayUnavailable
        return kind(reason, http_status=None if response is None else response.status)


CREATE: Final = Call(path="/pg/v1/pay", is_write=True, tells_status=False)
REFUND: Final = Call(path="/pg/v1/refund", is_write=True)


class PhonePeV1Client:
    """Every method raises the GatewayErrors and nothing else; what it returns has a code. Ids are safe in a path."""

    def __init__(self, config: PhonePeV1Config, *, http: Http) -> None:
        self._config = config
        self._http = http

    def create(self, body: str) -> dict[str, Any]:
        return self._post(CREATE, body)

    def refund(self, body: str) -> dict[str, Any]:
        return self._post(REFUND, body)

    def status(self, reference: str) -> dict[str, Any]:
        """Of a payment or of a refund, by our own id; PhonePe's cannot be asked for."""
        self._config.check_complete()
        call = Call(path=f"/pg/v1/status/{self._config.merchant_id}/{reference}", is_write=False)
        headers = {**_HEADERS, "X-VERIFY": self._sign(call.path), "X-MERCHANT-ID": self._config.merchant_id}
        return self._exchange(call, HttpRequest(method="GET", url=self._config.base + call.path, headers=headers))

    def _post(self, call: Call, body: str) -> dict[str, Any]:
        """The very text that is signed is sent; the path without the host's prefix is signed with it."""
        self._config.check_complete()
        wrapped = wrap(body)
        return self._exchange(
            call,
            HttpRequest(
                method="POST",
                url=self._config.base + call.path,
                headers={**_HEADERS, "X-VERIFY": self._sign(wrapped + call.path)},
                body=f'{{"request":"{wrapped}"}}'.encode(),
            ),
        )

    def _sign(self, text: str) -> str:
        return sign(text, salt_key=self._config.salt_key, salt_index=self._config.salt_index)

    def _exchange(self, call: Call, request: HttpRequest) -> dict[str, Any]:
        try:
            response = self._http.send(request)
        except NotSent:
            raise GatewayUnavailable("PhonePe could not be reached") from None
        except NoAnswer:
            raise call.unlearned("PhonePe did not answer") from None
        return _read(call, response)


# --- answers ------------------------------------------------------------------------------------------------------


def _read(call: Call, response: HttpResponse) -> dict[str, Any]:
    """The body, where its code says something about the payment or refund; everything else raises."""
    status, reason = response.status, f"PhonePe answered {response.status}"
    if status == 429:
        # Unconfirmed: the text of its code, which is not looked at.
        raise _error(GatewayUnavailable, reason, response)
    if status == TIMED_OUT or not (200 <= status < 300 or 400 <= status < 500):
        raise _error(type(call.unlearned(reason)), reason, response)
    body = _object_of(response)
    code = read_code(body or {})
    if code is not None:
        _raise_by_code(call, code, response)
    if 200 <= status < 300:
        if body is None or code is None:
            raise call.unlearned("the answer is not readable", response)
        return body
    if body is not None and code is not None and code in STATUS:
        return _result_of_refusal(call, code, body, response)
    if status in {401, 403, 404}:
        what = WRONG_KEYS.get(str(status), "wrong merchant id or address")
        raise _error(GatewayMisconfigured, f"{reason}: {what}", response)
    raise _error(RequestRejected, reason, response)


def _raise_by_code(call: Call, code: str, response: HttpResponse) -> None:
    reason = f"PhonePe answered {response.status}"
    if code in WRONG_KEYS:
        raise _error(GatewayMisconfigured, f"{reason}: {WRONG_KEYS[code]}", response)
    if code == NOTHING_SAID:
        raise _error(type(call.unlearned(reason)), f"{reason}: an error of its own", response)
    if code == NOT_FOUND_CODE:
        raise _error(RequestRejected, f"{reason}: unknown id", response, code=NOT_FOUND)
    if code == DUPLICATE_CODE and call.is_write:
        # Our ids are unique, so it is an earlier try of ours whose answer was lost.
        raise _error(OutcomeUnknown, f"{reason}: the id was used by an earlier try", response)
    if code in REFUSED or code == DUPLICATE_CODE:
        raise _error(RequestRejected, f"{reason}: the request is refused", response, code=REFUSED.get(code))


def _result_of_refusal(call: Call, code: str, body: dict[str, Any], response: HttpResponse) -> dict[str, Any]:
    """A status word under a 4xx. It is a result; but a create whose payment lives on has lost its page."""
    if call.tells_status:
        return body
    kind = RequestRejected if STATUS[code] is PaymentStatus.FAILED else OutcomeUnknown
    raise _error(kind, f"PhonePe answered {response.status}", response)


def _error(kind: type[GatewayError], reason: str, response: HttpResponse, *, code: str | None = None) -> GatewayError:
    return kind(
        reason,
        code=code,
        gateway_code=_gateway_code(response),
        http_status=response.status,
        retry_after_seconds=_retry_after(response),
    )


def _object_of(response: HttpResponse) -> dict[str, Any] | None:
    try:
        return strict_json.load_object(response.body)
    except strict_json.InvalidJSON:
        return None


def _gateway_code(response: HttpResponse) -> str | None:
    """Their code, where it looks like one: a text could carry anything."""
    code = read_code(_object_of(response) or {})
    return code if code is not None and _CODE.fullmatch(code) else None


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
