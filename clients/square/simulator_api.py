"""The REST side of the simulated Square: who asks, on which host and in which version, is it a repeat."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clients.square import simulator_calls as calls
from clients.square import simulator_more_calls as more
from clients.square.simulator_calls import Call
from clients.square.simulator_seller import Seller
from clients.square.simulator_wire import (
    DEFAULT_VERSION,
    Json,
    SquareError,
    answer,
    not_found,
    text_of,
    unauthorized,
    version_of,
)
from core.gateways.simulating import SimulatedAccount

Work = Callable[[Call], Json]

LINKS: Final = "/v2/online-checkout/payment-links"
_TABLE: Final[tuple[tuple[str, str, Work], ...]] = (
    ("POST", "/oauth2/token/status", calls.token_status),
    ("GET", "/v2/locations", calls.list_locations),
    ("GET", "/v2/locations/{name}", calls.get_location),
    ("POST", LINKS, calls.create_link),
    ("GET", LINKS, calls.list_links),
    ("GET", LINKS + "/{name}", calls.get_link),
    ("PUT", LINKS + "/{name}", calls.change_link),
    ("DELETE", LINKS + "/{name}", calls.delete_link),
    ("POST", "/v2/orders/batch-retrieve", calls.batch_orders),
    ("GET", "/v2/orders/{name}", calls.get_order),
    ("POST", "/v2/payments", calls.create_payment),
    ("GET", "/v2/payments", calls.list_payments),
    ("POST", "/v2/payments/cancel", calls.cancel_by_key),
    ("GET", "/v2/payments/{name}", calls.get_payment),
    ("PUT", "/v2/payments/{name}", calls.change_payment),
    ("POST", "/v2/payments/{name}/complete", calls.complete_payment),
    ("POST", "/v2/payments/{name}/cancel", calls.cancel_payment),
    ("POST", "/v2/refunds", calls.create_refund),
    ("GET", "/v2/refunds", calls.list_refunds),
    ("GET", "/v2/refunds/{name}", calls.get_refund),
    ("POST", "/v2/customers", more.create_customer),
    ("GET", "/v2/customers", more.list_customers),
    ("GET", "/v2/customers/{name}", more.get_customer),
    ("POST", "/v2/cards", more.create_card),
    ("GET", "/v2/cards", more.list_cards),
    ("GET", "/v2/cards/{name}", more.get_card),
    ("POST", "/v2/cards/{name}/disable", more.disable_card),
    ("GET", "/v2/disputes", more.list_disputes),
    ("GET", "/v2/disputes/{name}", more.get_dispute),
    ("POST", "/v2/disputes/{name}/accept", more.accept_dispute),
    ("POST", "/v2/disputes/{name}/submit-evidence", more.submit_evidence),
    ("POST", "/v2/disputes/{name}/evidence-text", more.add_text),
    ("POST", "/v2/disputes/{name}/evidence-files", more.add_file),
    ("GET", "/v2/disputes/{name}/evidence", more.list_evidence),
    ("GET", "/v2/payouts", more.list_payouts),
    ("GET", "/v2/payouts/{name}", more.get_payout),
    ("GET", "/v2/payouts/{name}/payout-entries", more.list_entries),
    ("POST", "/v2/webhooks/subscriptions/{name}/test", more.test_webhook),
)
# work -> how long its key may be; a key names one request of one operation
_KEYED: Final[dict[Work, int]] = {
    calls.create_link: 192,
    calls.create_payment: 45,
    calls.change_payment: 45,
    calls.create_refund: 45,
    more.create_customer: 192,
    more.create_card: 45,
}


class Office(Protocol):
    """What the API needs of the simulator around it."""

    def seller_of(self, account: SimulatedAccount) -> Seller: ...
    def accounts(self) -> list[SimulatedAccount]: ...


class Api:
    def __init__(self, office: Office) -> None:
        self._office = office

    def routes(self) -> list[Route]:
        routes = [Route(path, self._endpoint(work), methods=[method]) for method, path, work in _TABLE]
        return [*routes, Route("/v2/{name:path}", self._endpoint(None), methods=["GET", "POST", "PUT", "DELETE"])]

    def _endpoint(self, work: Work | None) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            version = DEFAULT_VERSION
            try:
                version = version_of(request.headers.get("square-version"))
                status, body = await self._answered(request, work)
            except SquareError as error:
                status, body = error.status, error.body
            return answer(status, body, version)

        return endpoint

    async def _answered(self, request: Request, work: Work | None) -> tuple[int, Json]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized()
        account = self._account(request, token.strip())
        if work is None:
            raise not_found("Resource", request.url.path)
        seller = self._office.seller_of(account)
        seller.tick()
        body = {} if work is more.add_file else await _body(request)
        call = Call(
            s=seller, body=body, query=request.query_params, name=request.path_params.get("name", ""), token=token
        )
        if work in _KEYED:
            key = text_of(body, "idempotency_key", longest=_KEYED[work])
            if key:
                return await _once(request, call, work, key)
        await _pause(request)
        return 200, copy.deepcopy(work(call))

    def _account(self, request: Request, token: str) -> SimulatedAccount:
        """A sandbox token on the live host is as unknown as an invented one."""
        mode = "test" if "sandbox" in request.scope.get("root_path", "") else "live"
        same = [one for one in self._office.accounts() if one.credentials.get("access_token") == token]
        fitting = [one for one in same if one.mode == mode]
        if not fitting:
            raise unauthorized()
        wanted = request.path_params.get("name", "")  # one token may serve several locations
        return next((one for one in fitting if one.credentials.get("location_id") == wanted), fitting[-1])


async def _once(request: Request, call: Call, work: Work, key: str) -> tuple[int, Json]:
    """Run `work` under an idempotency key, or repeat what was answered. A refusal before the bank frees the key.

    Unconfirmed: that a decline is repeated too.
    """
    operation = f"{work.__name__} {call.name}"
    stored = call.s.begin(operation, key, calls.fingerprint(call.body))
    if stored.status:
        return stored.status, copy.deepcopy(stored.body or {})
    try:
        await _pause(request)
        stored.status, stored.body = 200, copy.deepcopy(work(call))
    except SquareError as error:
        if error.payment is None:
            del call.s.answers[operation, key]
            raise
        stored.status, stored.body = error.status, copy.deepcopy(error.body)
    except BaseException:
        call.s.answers.pop((operation, key), None)
        raise
    return stored.status, copy.deepcopy(stored.body)


async def _pause(request: Request) -> None:
    """Be as slow as the host was told to make us, while the request counts as running."""
    seconds, request.scope["simulated_pause"] = request.scope.get("simulated_pause", 0.0), 0.0
    if seconds:
        await asyncio.sleep(seconds)


async def _body(request: Request) -> Json:
    raw = await request.body()
    if request.method in ("GET", "DELETE") or not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict) or not request.headers.get("content-type", "").startswith("application/json"):
        raise SquareError("EXPECTED_JSON_BODY", "The request body is not JSON.")
    return body
