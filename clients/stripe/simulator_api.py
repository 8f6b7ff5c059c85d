"""The REST calls of the simulated Stripe: who asks, is it a repeat, what is wanted, what is answered."""

from __future__ import annotations

import asyncio
import base64
import binascii
import copy
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Protocol
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clients.stripe import simulator_calls as calls
from clients.stripe import simulator_methods as methods
from clients.stripe import simulator_parameters as tables
from clients.stripe import simulator_payments as payments
from clients.stripe import simulator_saving_calls as saving
from clients.stripe import simulator_sessions as sessions
from clients.stripe.simulator_calls import Call, Work
from clients.stripe.simulator_merchant import Merchant, StoredAnswer
from clients.stripe.simulator_money import check_amount, check_currency
from clients.stripe.simulator_wire import (
    API_VERSION,
    Json,
    StripeError,
    answer,
    check_version,
    parse_form,
    require,
)
from core.gateways.simulating import SimulatedAccount

# What a browser may ask with the publishable key, by the client secret.
_PUBLIC: Final = (calls.get_intent, calls.confirm_intent, saving.get_setup_intent, saving.confirm_setup_intent)


class Office(Protocol):
    """What the API needs of the simulator around it."""

    def merchant_of(self, account: SimulatedAccount) -> Merchant: ...
    def accounts(self) -> list[SimulatedAccount]: ...
    def session_url(self, session: str) -> str: ...
    def challenge_url(self, intent: str) -> str: ...


class Api:
    def __init__(self, office: Office) -> None:
        self._office = office

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Work]] = [
            ("GET", "/v1/balance", calls.balance),
            ("POST", "/v1/checkout/sessions", self.create_session),
            ("GET", "/v1/checkout/sessions", calls.list_sessions),
            ("GET", "/v1/checkout/sessions/{name}", calls.get_session),
            ("POST", "/v1/checkout/sessions/{name}/expire", calls.expire_session),
            ("POST", "/v1/payment_intents", self.create_intent),
            ("GET", "/v1/payment_intents", calls.list_intents),
            ("GET", "/v1/payment_intents/search", calls.search_intents),
            ("GET", "/v1/payment_intents/{name}", calls.get_intent),
            ("POST", "/v1/payment_intents/{name}", calls.update_intent),
            ("POST", "/v1/payment_intents/{name}/confirm", calls.confirm_intent),
            ("POST", "/v1/payment_intents/{name}/capture", calls.capture_intent),
            ("POST", "/v1/payment_intents/{name}/cancel", calls.cancel_intent),
            ("GET", "/v1/charges", calls.list_charges),
            ("GET", "/v1/charges/{name}", calls.getter("charge")),
            ("POST", "/v1/refunds", calls.create_refund),
            ("GET", "/v1/refunds", calls.list_refunds),
            ("GET", "/v1/refunds/{name}", calls.getter("refund")),
            ("POST", "/v1/customers", calls.create_customer),
            ("GET", "/v1/customers", calls.list_customers),
            ("GET", "/v1/customers/{name}", calls.getter("customer")),
            ("POST", "/v1/customers/{name}", calls.update_customer),
            ("GET", "/v1/customers/{name}/payment_methods", saving.list_methods_of_customer),
            ("GET", "/v1/payment_methods", saving.list_methods),
            ("GET", "/v1/payment_methods/{name}", saving.get_method),
            ("POST", "/v1/payment_methods/{name}/attach", saving.attach_method),
            ("POST", "/v1/payment_methods/{name}/detach", saving.detach_method),
            ("POST", "/v1/setup_intents", saving.create_setup_intent),
            ("GET", "/v1/setup_intents", saving.list_setup_intents),
            ("GET", "/v1/setup_intents/{name}", saving.get_setup_intent),
            ("POST", "/v1/setup_intents/{name}/confirm", saving.confirm_setup_intent),
            ("POST", "/v1/setup_intents/{name}/cancel", saving.cancel_setup_intent),
            ("GET", "/v1/events", calls.list_events),
            ("GET", "/v1/events/{name}", calls.getter("event")),
            ("GET", "/v1/disputes", calls.list_disputes),
            ("GET", "/v1/disputes/{name}", calls.getter("dispute")),
            ("POST", "/v1/disputes/{name}", calls.update_dispute),
            ("POST", "/v1/disputes/{name}/close", calls.close_dispute),
            ("GET", "/v1/balance_transactions", calls.list_transactions),
            ("GET", "/v1/balance_transactions/{name}", calls.getter("balance_transaction")),
        ]
        routes = [Route(path, self._endpoint(work), methods=[method]) for method, path, work in table]
        return [*routes, Route("/v1/{name:path}", self._endpoint(None), methods=["GET", "POST", "DELETE"])]

    def _endpoint(self, work: Work | None) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            headers = {
                "Request-Id": f"req_{secrets.token_hex(7)}",
                "Stripe-Version": request.headers.get("stripe-version", API_VERSION),
            }
            try:
                status, body = await self._answered(request, work, headers)
            except StripeError as error:
                status, body = error.status, error.body
            return answer(status, body, headers)

        return endpoint

    async def _answered(self, request: Request, work: Work | None, headers: dict[str, str]) -> tuple[int, Json]:
        account, is_public = self._who(request)
        check_version(headers["Stripe-Version"])
        if work is None:
            raise StripeError(f"Unrecognized request URL ({request.method}: {request.url.path}).", status=404)
        text = await _form_text(request)
        call = Call(
            m=self._office.merchant_of(account),
            form=parse_form(text),
            name=request.path_params.get("name", ""),
            version=headers["Stripe-Version"],
            is_public=is_public,
        )
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if is_public and work not in _PUBLIC:
            raise StripeError(
                "This API call cannot be made with a publishable API key.", status=403, code="secret_key_required"
            )
        if key is None:
            await _pause(request)
            return 200, _caused(call, work, headers["Request-Id"], None)
        return await self._once(request, call, work, key, text, headers)

    async def _once(
        self, request: Request, call: Call, work: Work, key: str, text: str, headers: dict[str, str]
    ) -> tuple[int, Json]:
        """Run `work` under an idempotency key, or repeat what was answered (section 4.3)."""
        if not 1 <= len(key) <= 255:
            raise StripeError("Idempotency-Key must be 1 to 255 characters long.", kind="idempotency_error")
        fingerprint = f"{request.method} {request.url.path} {sorted(parse_qsl(text, keep_blank_values=True))}"
        headers["Idempotency-Key"] = key
        stored = call.m.stored_answer(key)
        if stored is not None:
            return _repeat(stored, fingerprint, headers)
        mine = StoredAnswer(fingerprint=fingerprint, request_id=headers["Request-Id"], at=call.m.now())
        call.m.answers[key] = mine
        headers["Original-Request"] = headers["Request-Id"]
        try:
            await _pause(request)
            mine.status, mine.body = 200, copy.deepcopy(_caused(call, work, headers["Request-Id"], key))
        except StripeError as error:
            if not error.is_stored:  # refused before execution: the key stays free
                del call.m.answers[key]
                raise
            mine.status, mine.body = error.status, copy.deepcopy(error.body)
        except BaseException:
            call.m.answers.pop(key, None)
            raise
        return mine.status, mine.body

    def _who(self, request: Request) -> tuple[SimulatedAccount, bool]:
        key = _key_of(request)
        if not key:
            raise StripeError("You did not provide an API key.", status=401)
        wanted = request.headers.get("stripe-account")
        is_public = key.startswith("pk_")
        field = "publishable_key" if is_public else "secret_key"
        known = [one for one in self._office.accounts() if one.credentials.get(field) == key]
        if not known:
            masked = f"{key[:8]}****{key[-4:]}" if len(key) > 16 else "****"
            raise StripeError(f"Invalid API Key provided: {masked}", status=401)
        for one in known:
            if wanted is None or one.credentials.get("account_id") == wanted:
                return one, is_public
        raise StripeError(
            f"The provided key does not have access to account '{wanted}'.", status=403, code="account_invalid"
        )

    # --- calls that need to know where pages are -------------------------------------------------------------------

    def create_session(self, call: Call) -> Json:
        tables.drop_or_refuse_types(call.form, version=call.version)
        ui_mode = tables.ui_mode_of(call.form, version=call.version)
        given = call.checked(tables.CREATE_SESSION)
        tables.refuse_clashing_filters(given)
        session = sessions.new_session(call.m, given, ui_mode=ui_mode)
        if ui_mode == "hosted_page":
            session["url"] = self._office.session_url(session["id"])
        return call.shown(session)

    def create_intent(self, call: Call) -> Json:
        tables.drop_or_refuse_types(call.form, version=call.version)
        given = call.checked(tables.CREATE_INTENT)
        require(given, "amount", "currency")
        tables.refuse_clashing_filters(given)
        only_confirmed = [name for name in ("off_session", "return_url", "error_on_requires_action") if name in given]
        if only_confirmed and not given.get("confirm"):
            raise StripeError(f"{only_confirmed[0]} may be sent only with confirm=true.", param=only_confirmed[0])
        currency = check_currency(given["currency"])
        check_amount(given["amount"], currency)
        if given.get("customer"):
            call.m.get("customer", given["customer"], param="customer")
        method = given.get("payment_method")
        if method:  # refused before anything is made; a test name becomes a method of its own
            method = methods.method_to_charge(call.m, method, customer=given.get("customer"))["id"]
        intent = payments.new_intent(call.m, given, amount=given["amount"], currency=currency)
        call.m.hidden[intent["id"]]["challenge_url"] = self._office.challenge_url(intent["id"])
        if method:
            calls.choose(call.m, intent, method)
        if given.get("confirm"):
            payments.confirm(call.m, intent, {**given, "payment_method": method})
        return call.shown(intent)


def _caused(call: Call, work: Work, request_id: str, key: str | None) -> Json:
    """Run `work`; the events that it causes name the request."""
    call.m.cause = {"id": request_id, "idempotency_key": key}
    try:
        return work(call)
    finally:
        call.m.cause = {"id": None, "idempotency_key": None}


def _repeat(stored: StoredAnswer, fingerprint: str, headers: dict[str, str]) -> tuple[int, Json]:
    if stored.fingerprint != fingerprint:
        raise StripeError(
            "Keys for idempotent requests can only be used with the same parameters they were first used with.",
            kind="idempotency_error",
        )
    if not stored.status:
        headers["Stripe-Should-Retry"] = "true"
        raise StripeError(
            "There is currently another in-progress request using this Idempotency-Key.",
            status=409,
            kind="idempotency_error",
            code="idempotency_key_in_use",
        )
    headers |= {"Original-Request": stored.request_id, "Idempotent-Replayed": "true"}
    return stored.status, stored.body


async def _pause(request: Request) -> None:
    """Be as slow as the host was told to make us, while the request counts as running."""
    seconds, request.scope["simulated_pause"] = request.scope.get("simulated_pause", 0.0), 0.0
    if seconds:
        await asyncio.sleep(seconds)


async def _form_text(request: Request) -> str:
    body = (await request.body()).decode("utf-8", "replace")
    if body and not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise StripeError("Invalid request (check that your POST content type is application/x-www-form-urlencoded).")
    return body if request.method == "POST" else request.url.query


def _key_of(request: Request) -> str:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
