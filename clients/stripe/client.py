"""All I/O with Stripe: the SDK builds the requests, our HTTP sends them, and we read the answers ourselves.

The SDK knows encoding, paths and headers. Its reading is never reached: its objects change between majors, its debug log
holds whole bodies, and its error classes do not tell whether money may have moved. Stripe's protocol page §12 is `_judge`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NoReturn

import stripe

from clients.stripe.config import API, STRIPE_API_VERSION, StripeConfig
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

# Settings of the whole process, and none of a merchant: telemetry writes a file into the home directory and tells Stripe
# about our machine; the SDK's debug lines hold the customer's e-mail address.
stripe.enable_telemetry = False
logging.getLogger("stripe").setLevel(logging.WARNING)

Body = Mapping[str, Any]

SENT_HEADERS: Final = frozenset({
    "authorization", "content-type", "idempotency-key", "stripe-version", "stripe-account",
})  # fmt: skip
AUXILIARY: Final = "Paywright-Auxiliary"  # between us and our transport only; never sent
USER_AGENT: Final = f"Paywright Stripe/v1 PythonBindings/{stripe.VERSION}"

RATE_LIMIT_CODES: Final = frozenset({"lock_timeout", "rate_limit"})
CREDENTIAL_CODES: Final = frozenset({"api_key_expired", "testmode_charges_only", "livemode_mismatch"})
KEPT_CODES: Final = frozenset({
    "amount_too_small", "amount_too_large", "charge_already_refunded", "charge_already_captured", "charge_disputed",
    "payment_intent_unexpected_state", "parameter_unknown", "parameter_missing", "resource_missing",
})  # fmt: skip

NOT_SENT: Final = "not_sent"  # our code of an error: the request never left

PAGE_SIZE: Final = 100
MAX_PAGES: Final = 10


class _Answered(Exception):
    """Carries the raw answer past the SDK's own reading."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__("answered")
        self.response = response


class _Transport(stripe.HTTPClient):
    """The SDK's transport over our `Http`, so that timeouts, redirects and hosts are ours. It never retries."""

    name = "paywright"

    def __init__(self, http: Http) -> None:
        super().__init__()
        self._http = http

    def request_with_retries(  # type: ignore[override]
        self, method: str, url: str, headers: Mapping[str, str], post_data: str | None = None, **_: Any
    ) -> NoReturn:
        kept = {name: value for name, value in headers.items() if name.lower() in SENT_HEADERS}
        is_auxiliary = AUXILIARY in headers
        request = HttpRequest(
            method=method.upper(),
            url=url,
            headers={**kept, "User-Agent": USER_AGENT, "Accept": "application/json"},
            body=(post_data or "").encode(),
            is_auxiliary=is_auxiliary,
        )
        raise _Answered(self._http.send(request))

    def close(self) -> None:
        """Nothing is held open here."""


class StripeApi:
    """Stripe's API for one account. Every method returns the raw JSON object, or raises one of the five errors.

    Where `may_decline`, an error body that is really a result (a decline, an intent in another state) is returned as it
    is, with its member `error`: `translate.read_answer` reads both.
    """

    def __init__(self, config: StripeConfig, http: Http) -> None:
        self._config = config
        self._http = http
        self._sdk: stripe.StripeClient | None = None

    # --- payments ----------------------------------------------------------------------------------------------

    def create_session(self, params: Body, *, key: str) -> Body:
        return self._write("checkout.session", key, lambda v1, how: v1.checkout.sessions.create(params, how), True)

    def create_intent(self, params: Body, *, key: str) -> Body:
        return self._write("payment_intent", key, lambda v1, how: v1.payment_intents.create(params, how), True)

    def create_setup(self, params: Body, *, key: str) -> Body:
        return self._write("checkout.session", key, lambda v1, how: v1.checkout.sessions.create(params, how))

    def get_session(self, session_id: str, *, expand: list[str], is_auxiliary: bool = False) -> Body:
        """`is_auxiliary`: asked on the way to another operation."""
        params = {"expand": expand}
        return self._read(
            "checkout.session",
            lambda v1, how: v1.checkout.sessions.retrieve(session_id, params, how),
            is_auxiliary=is_auxiliary,
        )

    def get_intent(self, intent_id: str, *, expand: list[str], is_auxiliary: bool = False) -> Body:
        params = {"expand": expand}
        return self._read(
            "payment_intent",
            lambda v1, how: v1.payment_intents.retrieve(intent_id, params, how),
            is_auxiliary=is_auxiliary,
        )

    def get_charge(self, charge_id: str, *, expand: list[str]) -> Body:
        params = {"expand": expand}
        return self._read("charge", lambda v1, how: v1.charges.retrieve(charge_id, params, how))

    def search_intents(self, query: str, *, expand: list[str]) -> list[Body]:
        params = {"query": query, "expand": expand}
        return _items(self._read("list", lambda v1, how: v1.payment_intents.search(params, how)))

    def list_sessions(self, params: Body) -> Iterator[Body]:
        return self._pages(params, lambda v1, page, how: v1.checkout.sessions.list(page, how))

    def list_intents(self, params: Body) -> Iterator[Body]:
        return self._pages(params, lambda v1, page, how: v1.payment_intents.list(page, how))

    def capture(self, intent_id: str, params: Body, *, key: str) -> Body:
        return self._write(
            "payment_intent", key, lambda v1, how: v1.payment_intents.capture(intent_id, params, how), True
        )

    def cancel(self, intent_id: str, *, key: str) -> Body:
        return self._write("payment_intent", key, lambda v1, how: v1.payment_intents.cancel(intent_id, {}, how), True)

    def expire_session(self, session_id: str, *, key: str) -> Body:
        return self._write("checkout.session", key, lambda v1, how: v1.checkout.sessions.expire(session_id, {}, how))

    # --- refunds, disputes, account --------------------------------------------------------------------------------------

    def create_refund(self, params: Body, *, key: str) -> Body:
        return self._write("refund", key, lambda v1, how: v1.refunds.create(params, how))

    def get_refund(self, refund_id: str) -> Body:
        return self._read("refund", lambda v1, how: v1.refunds.retrieve(refund_id, {}, how))

    def list_refunds(self, params: Body) -> Iterator[Body]:
        return self._pages(params, lambda v1, page, how: v1.refunds.list(page, how))

    def get_dispute(self, dispute_id: str) -> Body:
        return self._read("dispute", lambda v1, how: v1.disputes.retrieve(dispute_id, {}, how))

    # --- saved methods -----------------------------------------------------------------------------------------

    def create_customer(self, params: Body, *, key: str) -> Body:
        """Asked on the way to another operation."""
        return self._write("customer", key, lambda v1, how: v1.customers.create(params, how), is_auxiliary=True)

    def detach(self, method_id: str, *, key: str) -> Body:
        return self._write("payment_method", key, lambda v1, how: v1.payment_methods.detach(method_id, {}, how))

    def get_balance(self) -> Body:
        return self._read("balance", lambda v1, how: v1.balance.retrieve({}, how))

    # --- sending -----------------------------------------------------------------------------------------------

    def _read(self, wanted: str, call: Callable[[Any, Any], Any], *, is_auxiliary: bool = False) -> Body:
        how = {"headers": {AUXILIARY: "yes"}} if is_auxiliary else {}
        response = self._send(call, how, is_write=False)
        return _judge(response, wanted=wanted, is_write=False, may_decline=False, secrets=self._config.all_secrets())

    def _write(
        self,
        wanted: str,
        key: str,
        call: Callable[[Any, Any], Any],
        may_decline: bool = False,
        *,
        is_auxiliary: bool = False,
    ) -> Body:
        headers = {"headers": {AUXILIARY: "yes"}} if is_auxiliary else {}
        response = self._send(call, {"idempotency_key": key, **headers}, is_write=True)
        return _judge(
            response, wanted=wanted, is_write=True, may_decline=may_decline, secrets=self._config.all_secrets()
        )

    def _pages(self, params: Body, call: Callable[[Any, Any, Any], Any]) -> Iterator[Body]:
        """Every object of a list. Raises GatewayUnavailable rather than end early: absent must mean absent."""
        page: dict[str, Any] = {**params, "limit": PAGE_SIZE}
        for _ in range(MAX_PAGES):
            body = self._read("list", lambda v1, how: call(v1, page, how))  # noqa: B023  called at once
            items = _items(body)
            yield from items
            if body.get("has_more") is not True or not items:
                return
            page = {**page, "starting_after": items[-1].get("id")}
        raise GatewayUnavailable("Stripe's list is longer than what is read of it")

    def _send(self, call: Callable[[Any, Any], Any], how: Mapping[str, Any], *, is_write: bool) -> HttpResponse:
        try:
            call(self._open().v1, {**how, "max_network_retries": 0})
        except _Answered as answered:
            return answered.response
        except NotSent as error:
            raise GatewayUnavailable(f"Stripe was not reached ({error})", code=NOT_SENT) from None
        except NoAnswer as error:
            raise _lost(is_write)(f"Stripe gave no answer ({error})") from None
        raise AssertionError("the SDK answered without a request")

    def _open(self) -> stripe.StripeClient:
        # Late: a webhook needs no client, and building one costs more than reading ten webhooks.
        if self._sdk is None:
            self._sdk = stripe.StripeClient(
                self._config.key(),
                stripe_account=self._config.account_id,
                stripe_version=STRIPE_API_VERSION,
                base_addresses={"api": API},
                max_network_retries=0,
                http_client=_Transport(self._http),
            )
        return self._sdk


def _judge(response: HttpResponse, *, wanted: str, is_write: bool, may_decline: bool, secrets: tuple[str, ...]) -> Body:
    """The object of a good answer, or the error body that is a result. Raises by the table of §12.

    `wanted` is the kind of object that was asked for.
    """
    body = _parse(response.body, secrets)
    error = body.get("error") if body is not None else None
    refusal = error if isinstance(error, dict) else {}
    if response.status == 429 or refusal.get("code") in RATE_LIMIT_CODES:
        raise _come_again(response, refusal)
    if body is None or response.status >= 500 or response.status in {409, 424}:
        raise _error(_lost(is_write), response, refusal, "Stripe's answer does not tell what happened")
    if 200 <= response.status < 300:
        if _is_wanted(body, wanted):
            return body
        raise _error(_lost(is_write), response, refusal, "Stripe's answer is incomplete")
    if response.status in {401, 403} or refusal.get("code") in CREDENTIAL_CODES:
        raise _error(GatewayMisconfigured, response, refusal, "Stripe refuses the key of this account")
    if not refusal:
        raise _error(_lost(is_write), response, refusal, "Stripe's answer cannot be read")
    if may_decline and _is_result(response.status, refusal):
        return body
    if response.headers.get("stripe-should-retry") == "true":
        raise _come_again(response, refusal)
    raise _error(RequestRejected, response, refusal, "Stripe refuses the request")


def _is_result(status: int, refusal: Body) -> bool:
    if status == 402 or refusal.get("type") == "card_error":
        return True
    is_elsewhere = refusal.get("code") == "payment_intent_unexpected_state"
    return is_elsewhere and isinstance(refusal.get("payment_intent"), dict)


def _come_again(response: HttpResponse, refusal: Body) -> GatewayError:
    # The header overrides the table: what will be refused again is not worth another try.
    if response.headers.get("stripe-should-retry") == "false":
        return _error(RequestRejected, response, refusal, "Stripe refuses the request")
    return _error(GatewayUnavailable, response, refusal, "Stripe asks to come again later")


def _lost(is_write: bool) -> type[GatewayError]:
    return OutcomeUnknown if is_write else GatewayUnavailable


def _error(kind: type[GatewayError], response: HttpResponse, refusal: Body, reason: str) -> GatewayError:
    theirs, message = refusal.get("code") or refusal.get("type"), refusal.get("message")
    # Their message about a key may quote the key.
    if isinstance(message, str) and kind is RequestRejected:
        reason = f"{reason}: {redact_text(message[:300])}"
    return kind(
        reason,
        code=theirs if theirs in KEPT_CODES else None,
        gateway_code=theirs[:100] if isinstance(theirs, str) else None,
        http_status=response.status,
        request_id=response.headers.get("request-id"),
        retry_after_seconds=_seconds(response.headers.get("retry-after")),
    )


def _parse(raw: bytes, secrets: tuple[str, ...]) -> Body | None:
    for secret in secrets:  # a proxy or a careless message may echo one
        raw = raw.replace(secret.encode(), b"[secret]")
    try:
        return load_object(raw)
    except InvalidJSON:
        return None


def _is_wanted(body: Body, wanted: str) -> bool:
    if wanted == "list":  # a search says that it is one; lists have no id
        return body.get("object") in {"list", "search_result"}
    if wanted == "balance":  # has no id, and at some fakes no kind
        return body.get("object") == "balance" or "available" in body
    return body.get("object") == wanted and isinstance(body.get("id"), str)


def _items(body: Body) -> list[Body]:
    data = body.get("data")
    if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
        raise GatewayUnavailable("Stripe's list cannot be read")
    return data


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, is not used by Stripe."""
    return float(text) if text is not None and re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) else None
