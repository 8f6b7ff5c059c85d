"""All HTTP with PayTabs: one header, POST only, and the class of every error.

Which class it is follows the protocol reference, section 12, in its order: transport and 429, timeout, 401/403, unreadable,
then whichever key is present, for the HTTP status says little (a failure may come with 200, a result with 400).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from clients.paytabs.config import PayTabsConfig
from core import strict_json
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.http import Http, HttpRequest, HttpResponse, NoAnswer, NotSent

MISCONFIGURED: Final[Mapping[str, str]] = {
    "1": "the key is not accepted: check server key, profile and region together",
    "3": "the profile is not valid: check profile id and region",  # Unconfirmed: its HTTP status
}
REJECTED: Final[Mapping[str, tuple[str, str]]] = {
    "2": ("invalid_request", "the request is not valid"),
    "100": ("invalid_request", "required data is missing"),  # Unconfirmed: one summary of the vendor's table
    "112": (
        "unsupported_by_profile",
        "the profile lacks this combination of type, class and currency (recurring, currency or method): "
        "have it switched on by PayTabs",
    ),
    "120": ("on_hold", "the transaction is on hold: release it in the dashboard first"),
    "206": ("currency_unsupported", "the currency is not switched on, or differs from the original's"),
    "210": ("callback_refused", "the callback or return address is not a public https address"),
    "322": ("not_refundable", "a refund is not available for this transaction"),
}
# Codes that are results also where they come in the failure shape. Unconfirmed: that they ever do.
RESULTS: Final[Mapping[str, str]] = {
    "200": "D", "300": "D", "302": "D", "310": "D", "316": "D", "320": "D", "321": "C", "345": "D", "501": "D", "600": "P",
}  # fmt: skip
NOT_FOUND: Final = "not_found"  # a code of ours, not of theirs
DUPLICATE: Final = "4"
TOO_MANY: Final = "5"  # Unconfirmed
INTERNAL: Final = "400"  # Unconfirmed

# Unconfirmed: one witness for the text, none for its code.
_NOT_PERMITTED: Final = re.compile(r"not permitted with this key", re.IGNORECASE)
_NOT_FOUND: Final = re.compile(
    r"not (be )?found|no(t a)? such|does ?n.t exist|not exist|no (transaction|record|token)|invalid (tran|token)|unknown (tran|token)",
    re.IGNORECASE,
)
_CODE: Final = re.compile(r"[0-9]{1,6}", re.ASCII)
_TRACE: Final = re.compile(r"[A-Za-z0-9.]{1,80}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request. `is_write`: an unanswered one may have done something."""

    path: str
    permission: str
    is_write: bool = False
    is_auxiliary: bool = False

    def unreadable(self, reason: str, response: HttpResponse | None = None) -> GatewayError:
        """The error of an answer that says nothing."""
        kind = OutcomeUnknown if self.is_write else GatewayUnavailable
        return kind(reason, http_status=None if response is None else response.status)


REQUEST: Final = Call(path="/payment/request", permission="transaction request", is_write=True)
QUERY: Final = Call(path="/payment/query", permission="transaction query")
QUERY_BESIDE: Final = Call(path="/payment/query", permission="transaction query", is_auxiliary=True)
TOKEN: Final = Call(path="/payment/token", permission="token query", is_auxiliary=True)
TOKEN_DELETE: Final = Call(path="/payment/token/delete", permission="token deletion", is_write=True)

Body = dict[str, Any]


class PayTabsClient:
    """Every method takes a JSON text and raises the GatewayErrors and nothing else."""

    def __init__(self, config: PayTabsConfig, *, http: Http) -> None:
        self._config = config
        self._http = http

    def request(self, body: str) -> Body:
        """POST /payment/request. The answer has `redirect_url` or `payment_result`; a decline has the latter."""
        found = self._call(REQUEST, body)
        if not isinstance(found, dict) or not _is_result(found):
            raise REQUEST.unreadable("the answer is neither a page nor a result")
        return found

    def query(self, body: str, *, is_auxiliary: bool = False) -> list[Body]:
        """POST /payment/query: rows; none where a `cart_id` is not known. A page that nobody paid has no result."""
        call = QUERY_BESIDE if is_auxiliary else QUERY
        found = self._call(call, body)
        rows = found if isinstance(found, list) else [found]
        if not all(isinstance(row, dict) for row in rows):
            raise call.unreadable("the answer holds something that is no transaction")
        return rows

    def delete_token(self, body: str) -> None:
        """POST /payment/token/delete. Raises RequestRejected where the token is not known, too."""
        found = self._call(TOKEN_DELETE, body)
        if not isinstance(found, dict) or code_of(found) != "0":
            raise TOKEN_DELETE.unreadable("the answer does not say that the token was deleted")

    def knows_token(self, body: str) -> bool:
        """POST /payment/token. Unconfirmed: its members; any answer that is no failure is taken for the token's data."""
        try:
            found = self._call(TOKEN, body)
        except RequestRejected:
            return False
        return isinstance(found, dict)

    # --- one exchange --------------------------------------------------------------------------------------------

    def _call(self, call: Call, body: str) -> Body | list[Any]:
        return _read(call, self._exchange(call, body))

    def _exchange(self, call: Call, body: str) -> HttpResponse:
        request = HttpRequest(
            method="POST",
            url=self._config.origin() + call.path,
            # The bare key: no "Bearer", no base64.
            headers={"authorization": self._config.key(), "content-type": "application/json"},
            body=body.encode(),
            is_auxiliary=call.is_auxiliary,
        )
        try:
            return self._http.send(request)
        except NotSent:
            raise GatewayUnavailable("PayTabs could not be reached") from None
        except NoAnswer:
            raise call.unreadable("PayTabs did not answer") from None


def is_not_found(error: RequestRejected) -> bool:
    """Whether a refused query by `tran_ref` means "unknown". Unconfirmed: which code that is, so the message counts."""
    return error.code == NOT_FOUND


def may_be_not_found(error: RequestRejected) -> bool:
    """Whether a refusal has no other known meaning, either: then a further look tells."""
    return is_not_found(error) or error.gateway_code not in REJECTED


def code_of(body: Mapping[str, Any]) -> str | None:
    """`code` of a failure shape, a number or its text."""
    code = body.get("code")
    text = str(code) if type(code) is int else code
    return text if isinstance(text, str) and _CODE.fullmatch(text) else None


# --- answers ------------------------------------------------------------------------------------------------------


def _read(call: Call, response: HttpResponse) -> Body | list[Any]:
    status, value = response.status, _parsed(response)
    body: Body = value if isinstance(value, dict) else {}
    if status == 429:
        raise _error(GatewayUnavailable, "PayTabs asks to come later", response, body)
    if status in (401, 403) or (not _is_result(body) and _NOT_PERMITTED.search(_message(body))):
        raise _misconfigured(call, response, body)
    if _is_result(body):
        return body
    code = code_of(body)
    if code is not None:
        return _read_code(call, code, response, body)
    if call.is_write or not 200 <= status < 300 or not isinstance(value, (dict, list)):
        raise call.unreadable(f"PayTabs answered {status} and nothing that can be read", response)
    return value


def _read_code(call: Call, code: str, response: HttpResponse, body: Body) -> Body:
    if code == "0" and call is TOKEN_DELETE:
        return body
    if call is REQUEST and code in RESULTS:
        result = {"response_status": RESULTS[code], "response_code": code, "response_message": body.get("message")}
        return {**body, "payment_result": result}
    raise _failure(call, code, response, body)


def _failure(call: Call, code: str, response: HttpResponse, body: Body) -> GatewayError:
    reason = f"PayTabs answered with code {code}"
    if code in MISCONFIGURED:
        return _misconfigured(call, response, body)
    if call is not REQUEST and response.status < 500 and _NOT_FOUND.search(_message(body)):
        return _error(RequestRejected, reason, response, body, code=NOT_FOUND)
    if code in REJECTED:
        ours, text = REJECTED[code]
        return _error(RequestRejected, f"{reason}: {text}", response, body, code=ours)
    if code == TOO_MANY:
        return _error(GatewayUnavailable, f"{reason}: too many requests", response, body)
    unclear = OutcomeUnknown if call.is_write else GatewayUnavailable
    if code == DUPLICATE:
        # The identical request that went before may have worked: only a query tells.
        return _error(unclear, f"{reason}: sent twice within two minutes", response, body, code="duplicate_request")
    if code in (INTERNAL, "0") or response.status >= 500:
        return _error(unclear, reason, response, body)
    return _error(RequestRejected, reason, response, body)


def _misconfigured(call: Call, response: HttpResponse, body: Body) -> GatewayError:
    if _NOT_PERMITTED.search(_message(body)):
        reason = f"the key lacks a permission ({call.permission}): allow it in the dashboard, the key itself works"
        return _error(GatewayMisconfigured, reason, response, body, code="permission_missing")
    reason = MISCONFIGURED.get(code_of(body) or "", f"PayTabs answered {response.status}: {MISCONFIGURED['1']}")
    return _error(GatewayMisconfigured, reason, response, body)


def _error(
    kind: type[GatewayError], reason: str, response: HttpResponse, body: Body, *, code: str | None = None
) -> GatewayError:
    trace = body.get("trace")
    return kind(
        reason,
        code=code,
        gateway_code=code_of(body),
        http_status=response.status,
        request_id=trace if isinstance(trace, str) and _TRACE.fullmatch(trace) else None,  # their support asks for it
        retry_after_seconds=_retry_after(response),
    )


def _is_result(body: Mapping[str, Any]) -> bool:
    url = body.get("redirect_url")
    return (isinstance(url, str) and url != "") or isinstance(body.get("payment_result"), dict)


def _message(body: Mapping[str, Any]) -> str:
    message = body.get("message")
    return message[:500] if isinstance(message, str) else ""


def _parsed(response: HttpResponse) -> Any:
    try:
        return strict_json.loads(response.body)
    except strict_json.InvalidJSON:
        return None


def _retry_after(response: HttpResponse) -> float | None:
    value = response.headers.get("retry-after", "").strip()
    return float(value) if re.fullmatch(r"[0-9]{1,6}", value, re.ASCII) else None
