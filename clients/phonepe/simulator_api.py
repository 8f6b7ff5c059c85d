"""The REST side of the simulated PhonePe: tokens, orders, refunds (sections 1, 2, 4, 5, 9, 11, 12)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clients.phonepe import simulator_bodies as bodies
from clients.phonepe import simulator_orders as orders
from clients.phonepe import simulator_wire as wire
from clients.phonepe.simulator_merchant import Merchant, Order, Refund
from clients.phonepe.simulator_wire import Json, PhonePeError, TokenError
from core.gateways.simulating import SimulatedAccount

API_HOSTS: Final = {"test": "api-preprod.phonepe.com", "live": "api.phonepe.com"}
PG: Final = {"test": "/apis/pg-sandbox", "live": "/apis/pg"}
OAUTH: Final = {"test": "/apis/pg-sandbox", "live": "/apis/identity-manager"}  # in the sandbox one base serves both
_PAY: Final = "merchantOrderId amount expireAfter metaInfo paymentFlow disablePaymentRetry prefillUserLoginDetails"
_FLOW: Final = "type message merchantUrls paymentModeConfig disablePaymentRetry"


class Office(Protocol):
    """What the API needs of the simulator around it."""

    def accounts(self) -> list[SimulatedAccount]: ...
    def merchant_of(self, account: SimulatedAccount) -> Merchant: ...
    def page_url(self, mode: str, token: str) -> str: ...
    def tick(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    m: Merchant
    name: str
    query: dict[str, str]
    raw: bytes

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() == "true"


Work = Callable[[Call], Json]


class Api:
    def __init__(self, office: Office) -> None:
        self._office = office

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Work]] = [
            ("POST", "/checkout/v2/pay", self._pay),
            ("POST", "/checkout/v2/sdk/order", self._sdk_order),
            ("GET", "/checkout/v2/order/{name}/status", _order_status),
            ("GET", "/checkout/v2/transaction/{name}/status", _attempt_status),
            ("POST", "/payments/v2/refund", _refund),
            ("GET", "/payments/v2/refund/{name}/status", _refund_status),
            ("GET", "/settlements/v1/{name}/status", _settlement_status),
        ]
        routes = [
            Route(PG[mode] + path, self._endpoint(mode, work), methods=[method])
            for mode in PG
            for method, path, work in table
        ]
        tokens = [Route(OAUTH[mode] + "/v1/oauth/token", self._token_of(mode), methods=["POST"]) for mode in OAUTH]
        return [*tokens, *routes]

    # --- who asks --------------------------------------------------------------------------------------------------

    def _token_of(self, mode: str) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                _check_host(request, mode)
                return wire.answer(200, self._token(mode, await _form(request)))
            except PhonePeError as error:
                return wire.answer(error.status, error.body)

        return endpoint

    def _token(self, mode: str, form: dict[str, str]) -> Json:
        if form.get("grant_type") != "client_credentials":
            raise TokenError("grant_type must be client_credentials.")
        for account in self._office.accounts():
            given = account.credentials
            same = [
                hmac.compare_digest(str(given.get(name) or "").encode(), form.get(name, "").encode())
                for name in ("client_id", "client_secret", "client_version")
            ]
            if account.mode == mode and all(same):
                return self._office.merchant_of(account).new_token()
        raise TokenError("Client id, secret or version is wrong.")

    def _merchant(self, mode: str, request: Request) -> Merchant:
        word, _, token = request.headers.get("authorization", "").partition(" ")
        for account in self._office.accounts():
            merchant = self._office.merchant_of(account)
            if account.mode == mode and word == "O-Bearer" and merchant.knows_token(token):
                return merchant
        raise PhonePeError("AUTHORIZATION_FAILED", "The token is missing, unknown or expired.", status=401)

    def _endpoint(self, mode: str, work: Work) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            self._office.tick()
            try:
                _check_host(request, mode)
                merchant = self._merchant(mode, request)
                if request.method == "POST" and not _is(request, "application/json"):
                    raise wire.bad("The body is not JSON.")
                name = str(request.path_params.get("name", ""))
                call = Call(m=merchant, name=name, query=dict(request.query_params), raw=raw)
                return wire.answer(200, work(call))
            except PhonePeError as error:
                return wire.answer(error.status, error.body)

        return endpoint

    # --- orders ----------------------------------------------------------------------------------------------------

    def _pay(self, call: Call) -> Json:
        order = _new_order(call)
        return {**_created(order), "redirectUrl": self._office.page_url(call.m.mode, order.page_token)}

    def _sdk_order(self, call: Call) -> Json:
        order = _new_order(call)
        return {**_created(order), "token": order.page_token}


def _created(order: Order) -> Json:
    return {"orderId": order.order_id, "state": order.state, "expireAt": wire.milliseconds(order.expires_at)}


def _new_order(call: Call) -> Order:
    m, given = call.m, wire.object_of(call.raw)
    wire.check_members(given, _PAY)
    name = wire.id_of(given, "merchantOrderId")
    amount = wire.amount_of(given, wire.LEAST_ORDER)
    seconds = wire.expiry_of(given, least=m.least_expiry)
    meta = wire.meta_of(given, is_live=m.mode == "live")
    flow = wire.group_of(given, "paymentFlow", _FLOW)
    if flow.get("type") != "PG_CHECKOUT":
        raise wire.bad("paymentFlow.type must be PG_CHECKOUT.")
    back = wire.url_of(wire.group_of(flow, "merchantUrls", "redirectUrl"), "redirectUrl")
    message = wire.text_of(flow, "message")
    wire.check_modes(flow)
    wire.text_of(wire.group_of(given, "prefillUserLoginDetails", "phoneNumber"), "phoneNumber")
    single = [group.get("disablePaymentRetry") for group in (given, flow)]
    if not all(one is None or isinstance(one, bool) for one in single):
        raise wire.bad("disablePaymentRetry is not a boolean.")
    if name in m.orders:
        raise wire.bad("Please check the request.")  # the body of a reused id does not say so
    order = Order(
        merchant_order_id=name,
        order_id=wire.new_id("OMO", m.now()),
        amount=amount,
        made_at=m.now(),
        expires_at=m.now() + seconds,
        redirect_url=back,
        page_token=secrets.token_urlsafe(24),
        meta=meta,
        is_single_try=any(single),
        message=message,
    )
    orders.create(m, order, seconds=seconds)
    return order


def _order_status(call: Call) -> Json:
    order = call.m.orders.get(call.name)
    if order is None:
        raise PhonePeError("INVALID_MERCHANT_ORDER_ID", "No order has this id.")
    return bodies.order(call.m, order, has_details=call.flag("details"), has_context=call.flag("errorContext"))


def _attempt_status(call: Call) -> Json:
    for order in call.m.orders.values():
        if any(one.transaction_id == call.name for one in order.attempts):
            return bodies.order(call.m, order, has_details=True, has_context=True)
    raise PhonePeError("MAPPING_NOT_FOUND", "No transaction has this id.")


# --- refunds -------------------------------------------------------------------------------------------------------


def _refund(call: Call) -> Json:
    m, given = call.m, wire.object_of(call.raw)
    wire.check_members(given, "merchantRefundId originalMerchantOrderId amount")
    name = wire.id_of(given, "merchantRefundId")
    original = wire.id_of(given, "originalMerchantOrderId")
    amount = wire.amount_of(given, wire.LEAST_REFUND)
    if name in m.refunds:
        raise PhonePeError("Refund ID Duplicated", "A refund with this id exists.")
    if original not in m.orders:
        raise PhonePeError("MERCHANT_ORDER_MAPPING_NOT_FOUND", "No order has this id.")
    one = orders.refund(m, m.orders[original], merchant_refund_id=name, amount=amount)
    return {"refundId": one.refund_id, "amount": one.amount, "currency": one.order.currency, "state": one.state}


def _refund_status(call: Call) -> Json:
    one: Refund | None = call.m.refunds.get(call.name)
    if one is None:
        raise PhonePeError("REFUND_NOT_FOUND", "No refund has this id.", status=404)
    return bodies.refund(one)


def _settlement_status(call: Call) -> Json:
    if call.name not in call.m.settlements:
        raise wire.bad("No settlement has this id.")
    return call.m.settlements[call.name]


# --- requests ------------------------------------------------------------------------------------------------------


def _check_host(request: Request, mode: str) -> None:
    if request.scope.get("root_path", "") != f"/{API_HOSTS[mode]}":
        raise PhonePeError("RESOURCE_NOT_FOUND", "There is nothing here.", status=404)


def _is(request: Request, media_type: str) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == media_type


async def _form(request: Request) -> dict[str, str]:
    if not _is(request, "application/x-www-form-urlencoded"):
        raise TokenError("The body is not a form.")
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
