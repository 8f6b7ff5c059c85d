"""All I/O with Razorpay: the SDK builds the requests, our HTTP sends them, and we read the answers ourselves.

The SDK knows paths, encoding and authentication. Its reading is never reached: it throws away the HTTP status and every
field of an error but its text, prints to standard output, and takes 401 and 429 for a bad request. Section 12 of the
protocol page is `_judge`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn
from urllib.parse import quote, urlencode

import razorpay

from clients.razorpay import facts
from clients.razorpay.config import API, RazorpayConfig
from clients.razorpay.facts import Body, member, said, text
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.gateways.redaction import redact_text
from core.http import Http, HttpRequest, HttpResponse, NoAnswer, NotSent
from core.strict_json import InvalidJSON, load_object

REFUND_KEY_HEADER: Final = "X-Refund-Idempotency"
SENT_HEADERS: Final = frozenset({"content-type", REFUND_KEY_HEADER.lower()})
USER_AGENT: Final = "Paywright Razorpay-Python"

PAGE_SIZE: Final = 100
MAX_PAGES: Final = 10

# Whole sentences, lower-case: a buyer's failed bank authentication begins like the first one.
BAD_KEY_TEXTS: Final = frozenset({
    "authentication failed", "the api key/secret provided is invalid", "access denied",
})  # fmt: skip
UNKNOWN_ID_TEXT: Final = "the id provided does not exist"
OTHER_REQUEST_TEXT: Final = "different request with the same idempotency key"
# Parts of sentences that tell that a write was done before: never send it again, look.
DONE_BEFORE: Final[Mapping[str, tuple[str, ...]]] = {
    "capture": ("already captured", "already been captured", "already paid"),
    "create": ("already attempted",),
    "charge": ("already paid",),
}
LATER_CODES: Final = frozenset({"SERVER_ERROR", "GATEWAY_ERROR"})
DECLINE_STEPS: Final = frozenset({"payment_authentication", "payment_authorization"})

# Our codes of an error: an id that Razorpay does not know; a request that never left.
NOT_FOUND: Final = "not_found"
NOT_SENT: Final = "not_sent"


class _Answered(Exception):
    """Carries the raw answer past the SDK's own reading."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__("answered")
        self.response = response


class _Session:
    """What the SDK takes for a `requests` session, over our `Http`: timeouts, redirects and hosts are ours."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def get(self, url: str, **options: Any) -> NoReturn:
        self._send("GET", url, **options)

    def post(self, url: str, **options: Any) -> NoReturn:
        self._send("POST", url, **options)

    def delete(self, url: str, **options: Any) -> NoReturn:
        self._send("DELETE", url, **options)

    def _send(
        self,
        method: str,
        url: str,
        *,
        auth: tuple[str, str],
        params: Mapping[str, Any] | None = None,
        data: str = "",
        headers: Mapping[str, str] | None = None,
        is_auxiliary: bool = False,
        **_: Any,  # its own certificates
    ) -> NoReturn:
        kept = {name: value for name, value in (headers or {}).items() if name.lower() in SENT_HEADERS}
        credentials = base64.b64encode(":".join(auth).encode()).decode()
        request = HttpRequest(
            method=method,
            url=f"{url}?{urlencode(params)}" if params else url,
            headers={
                **kept,
                "Authorization": f"Basic {credentials}",
                "Accept": "application/json",
                "User-Agent": USER_AGENT,
            },
            body=data.encode(),
            is_auxiliary=is_auxiliary,
        )
        raise _Answered(self._http.send(request))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """How one answer is judged. A good one has one of the members `wanted`, and is about `asked_id` where it names one.

    `kind` is the row of DONE_BEFORE.
    """

    wanted: tuple[str, ...]
    asked_id: str = ""
    is_write: bool = False
    is_auxiliary: bool = False
    kind: str = ""
    may_decline: bool = False


class RazorpayApi:
    """Razorpay's API for one account. Every method returns the raw JSON object, or raises one of the five errors.

    `is_auxiliary`: asked on the way to another operation.
    """

    def __init__(self, config: RazorpayConfig, http: Http) -> None:
        self._config = config
        self._http = http
        self._sdk: Any = None

    # --- links and orders --------------------------------------------------------------------------------------

    def create_link(self, params: Body) -> Body:
        how = _Call(wanted=("id",), is_write=True, kind="create")
        return self._ask(how, lambda sdk, more: sdk.payment_link.create(params, **more))

    def get_link(self, link_id: str, *, is_auxiliary: bool = False) -> Body:
        how = _Call(wanted=("id",), asked_id=link_id, is_auxiliary=is_auxiliary)
        return self._ask(how, lambda sdk, more: sdk.payment_link.fetch(_path(link_id), **more))

    def find_links(self, reference: str) -> list[Body]:
        how = _Call(wanted=("payment_links",))
        body = self._ask(how, lambda sdk, more: sdk.payment_link.all({"reference_id": reference}, **more))
        return facts.objects(body["payment_links"])

    def cancel_link(self, link_id: str) -> Body:
        how = _Call(wanted=("id",), asked_id=link_id, is_write=True)
        return self._ask(how, lambda sdk, more: sdk.payment_link.cancel(_path(link_id), **more))

    def create_order(self, params: Body) -> Body:
        how = _Call(wanted=("id",), is_write=True, kind="create")
        return self._ask(how, lambda sdk, more: sdk.order.create(params, **more))

    def create_charge_order(self, params: Body) -> Body:
        """An order that nobody but our own next call can pay: losing its answer loses nothing."""
        how = _Call(wanted=("id",), is_auxiliary=True)
        return self._ask(how, lambda sdk, more: sdk.order.create(params, **more))

    def get_order(self, order_id: str) -> Body:
        """The order; or its payments, a list or one, where that is what was answered."""
        how = _Call(wanted=("id", "items"), asked_id=order_id)
        return self._ask(how, lambda sdk, more: sdk.order.fetch(_path(order_id), **more))

    def find_orders(self, reference: str) -> list[Body]:
        how = _Call(wanted=("items",))
        body = self._ask(how, lambda sdk, more: sdk.order.all({"receipt": reference}, **more))
        return facts.objects(body["items"])

    def get_attempts(self, order_id: str) -> list[Body]:
        """All payments of an order, failed ones too."""
        how = _Call(wanted=("items",), is_auxiliary=True)
        body = self._ask(how, lambda sdk, more: sdk.order.payments(_path(order_id), **more))
        return facts.objects(body["items"])

    # --- payments ----------------------------------------------------------------------------------------------

    def get_payment(self, payment_id: str) -> Body:
        how = _Call(wanted=("id",), asked_id=payment_id)
        return self._ask(how, lambda sdk, more: sdk.payment.fetch(_path(payment_id), **more))

    def list_newest_payment(self) -> Body:
        how = _Call(wanted=("items",))
        return self._ask(how, lambda sdk, more: sdk.payment.all({"count": 1}, **more))

    def capture(self, payment_id: str, params: Body) -> Body:
        # A dict of our own: without one the SDK writes the amount into a default that all threads share.
        how, own = _Call(wanted=("id",), asked_id=payment_id, is_write=True, kind="capture"), dict(params)
        return self._ask(how, lambda sdk, more: sdk.payment.capture(_path(payment_id), own["amount"], own, **more))

    def get_qr(self, code_id: str) -> Body:
        how = _Call(wanted=("id",), asked_id=code_id)
        return self._ask(how, lambda sdk, more: sdk.qrcode.fetch(_path(code_id), **more))

    def get_qr_payments(self, code_id: str) -> list[Body]:
        how = _Call(wanted=("items",), is_auxiliary=True)
        body = self._ask(how, lambda sdk, more: sdk.qrcode.fetch_all_payments(_path(code_id), **more))
        return facts.objects(body["items"])

    # --- refunds, disputes -------------------------------------------------------------------------------------

    def create_refund(self, payment_id: str, params: Body, *, key: str) -> Body:
        how, headers = _Call(wanted=("id",), is_write=True), {REFUND_KEY_HEADER: key}
        return self._ask(how, lambda sdk, more: sdk.payment.refund(_path(payment_id), params, headers=headers, **more))

    def get_refund(self, refund_id: str) -> Body:
        how = _Call(wanted=("id",), asked_id=refund_id)
        return self._ask(how, lambda sdk, more: sdk.refund.fetch(_path(refund_id), **more))

    def list_refunds(self, payment_id: str) -> Iterator[Body]:
        """Every refund of a payment. Raises GatewayUnavailable rather than end early: absent must mean absent."""
        for page in range(MAX_PAGES):
            items = self._refunds_from(payment_id, skip=page * PAGE_SIZE)
            yield from items
            if len(items) < PAGE_SIZE:
                return
        raise GatewayUnavailable("Razorpay's list of refunds is longer than what is read of it")

    def _refunds_from(self, payment_id: str, *, skip: int) -> list[Body]:
        how, params = _Call(wanted=("items",)), {"count": PAGE_SIZE, "skip": skip}
        body = self._ask(how, lambda sdk, more: sdk.payment.fetch_multiple_refund(_path(payment_id), params, **more))
        return facts.objects(body["items"])

    def get_dispute(self, dispute_id: str) -> Body:
        how = _Call(wanted=("id",), asked_id=dispute_id)
        return self._ask(how, lambda sdk, more: sdk.dispute.fetch(_path(dispute_id), **more))

    # --- customers and saved methods ---------------------------------------------------------------------------

    def create_customer(self, params: Body) -> Body:
        """Moves nothing, and a repeat is answered with the same customer."""
        how = _Call(wanted=("id",), is_auxiliary=True)
        return self._ask(how, lambda sdk, more: sdk.customer.create(params, **more))

    def charge(self, params: Body) -> Body:
        """The answer, or with its member `error` the body of one that is a decline."""
        how = _Call(wanted=("razorpay_payment_id",), is_write=True, kind="charge", may_decline=True)
        return self._ask(how, lambda sdk, more: sdk.payment.createRecurring(params, **more))

    def delete_token(self, customer_id: str, token: str) -> None:
        how = _Call(wanted=(), is_write=True)
        self._ask(how, lambda sdk, more: sdk.token.delete(_path(customer_id), _path(token), **more))

    # --- sending -----------------------------------------------------------------------------------------------

    def _ask(self, how: _Call, call: Callable[[Any, dict[str, Any]], Any]) -> Body:
        response = self._send(how, call)
        return _judge(response, how, secrets=self._config.all_secrets())

    def _send(self, how: _Call, call: Callable[[Any, dict[str, Any]], Any]) -> HttpResponse:
        try:
            call(self._open(), {"is_auxiliary": how.is_auxiliary})
        except _Answered as answered:
            return answered.response
        except NotSent as error:
            raise GatewayUnavailable(f"Razorpay was not reached ({error})", code=NOT_SENT) from None
        except NoAnswer as error:
            raise _lost(how)(f"Razorpay gave no answer ({error})") from None
        raise AssertionError("the SDK answered without a request")

    def _open(self) -> Any:
        # Late: a webhook needs no client.
        if self._sdk is None:
            self._sdk = razorpay.Client(session=_Session(self._http), auth=self._config.api_key(), base_url=API)
        return self._sdk


def _judge(response: HttpResponse, how: _Call, *, secrets: tuple[str, ...]) -> Body:
    """The object of a good answer, or the error body that is a result. Raises by the table of §12."""
    body = _parse(response.body, secrets)
    error = member(body or {}, "error")
    sentence = _sentence(error)
    if response.status == 429:
        raise _error(GatewayUnavailable, response, error, "Razorpay asks to come again later")
    if 200 <= response.status < 300:
        return _wanted(response, body, how)
    if response.status in {401, 403}:
        raise _error(GatewayMisconfigured, response, error, "Razorpay refuses the key of this account")
    if response.status >= 500 or body is None or not error or text(error.get("code")) in LATER_CODES:
        raise _error(_lost(how), response, error, "Razorpay's answer does not tell what happened")
    if how.may_decline and _is_decline(response, error):
        return body
    if sentence in BAD_KEY_TEXTS:
        raise _error(GatewayMisconfigured, response, error, "Razorpay refuses the key of this account")
    if response.status == 409 and not sentence.startswith(OTHER_REQUEST_TEXT):
        raise _error(_lost(how), response, error, "Razorpay is still at work on this request")
    if any(part in sentence for part in DONE_BEFORE.get(how.kind, ())):
        raise _error(OutcomeUnknown, response, error, "Razorpay says that this was done before")
    raise _error(RequestRejected, response, error, "Razorpay refuses the request")


def _wanted(response: HttpResponse, body: Body | None, how: _Call) -> Body:
    if not how.wanted and response.status == 204:
        return {}
    if body is None or body.get("error") or (how.wanted and not any(_has(body, name) for name in how.wanted)):
        raise _error(_lost(how), response, {}, "Razorpay's answer is incomplete")
    if how.asked_id and how.asked_id not in {text(body.get("id", how.asked_id)), text(body.get("order_id"))}:
        raise _error(_lost(how), response, {}, "Razorpay's answer is about something else")
    return body


def _has(body: Body, name: str) -> bool:
    value = body.get(name)
    if name in {"items", "payment_links"}:
        return isinstance(value, list) and all(isinstance(one, dict) for one in value)
    return isinstance(value, str) and bool(value)


def _is_decline(response: HttpResponse, error: Body) -> bool:
    """The bank or the buyer said no: it names the payment that failed, or the step."""
    named = text(member(error, "metadata").get("payment_id"))
    return response.status == 400 and (named is not None or text(error.get("step")) in DECLINE_STEPS)


def _sentence(error: Body) -> str:
    return (text(error.get("description")) or "").strip().rstrip(".").lower()


def _lost(how: _Call) -> type[GatewayError]:
    return OutcomeUnknown if how.is_write else GatewayUnavailable


def _error(kind: type[GatewayError], response: HttpResponse, error: Body, reason: str) -> GatewayError:
    description, theirs = text(error.get("description")), said(error.get("reason")) or said(error.get("code"))
    # Their text about a key may quote the key.
    if description is not None and kind in {RequestRejected, OutcomeUnknown}:
        reason = f"{reason}: {redact_text(description[:300])}"
    return kind(
        reason,
        code=_our_code(error),
        gateway_code=theirs[:100] if theirs else None,
        http_status=response.status,
        retry_after_seconds=_seconds(response.headers.get("retry-after")),
    )


def _our_code(error: Body) -> str | None:
    sentence = _sentence(error)
    if sentence == UNKNOWN_ID_TEXT:
        return NOT_FOUND
    if error.get("reason") == "amount_less_than_minimum_amount":
        return "amount_too_small"
    if error.get("field") == "amount" and "minimum" in sentence:
        return "amount_too_small"
    return "amount_too_large" if "exceeds maximum amount" in sentence else None


def _parse(raw: bytes, secrets: tuple[str, ...]) -> Body | None:
    for secret in secrets:  # a proxy or a careless message may echo one
        raw = raw.replace(secret.encode(), b"[secret]")
    try:
        return load_object(raw)
    except InvalidJSON:
        return None


def _path(name: str) -> str:
    return quote(name, safe="")


def _seconds(value: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, has not been seen here."""
    return float(value) if value is not None and re.fullmatch(r"[0-9]{1,6}", value, re.ASCII) else None
