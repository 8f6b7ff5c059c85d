"""The REST side of the simulated Razorpay: who asks, what is wanted, is it a repeat, what is answered."""

from __future__ import annotations

import asyncio
import base64
import binascii
import copy
import hmac
import json
import re
from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clients.razorpay import simulator_calls as calls
from clients.razorpay import simulator_more_calls as more
from clients.razorpay.simulator_calls import Call, Work
from clients.razorpay.simulator_merchant import Merchant, StoredAnswer
from clients.razorpay.simulator_wire import WRONG_URL, Json, RazorpayError, answer, plain_refusal
from core.gateways.simulating import SimulatedAccount

_TABLE: tuple[tuple[str, str, Work], ...] = (
    ("POST", "/v1/orders", calls.create_order),
    ("GET", "/v1/orders", calls.list_orders),
    ("GET", "/v1/orders/{name}", calls.get_order),
    ("GET", "/v1/orders/{name}/payments", calls.list_order_payments),
    ("POST", "/v1/payment_links", calls.create_link),
    ("GET", "/v1/payment_links", calls.list_links),
    ("GET", "/v1/payment_links/{name}", calls.get_link),
    ("PATCH", "/v1/payment_links/{name}", calls.change_link),
    ("POST", "/v1/payment_links/{name}/cancel", calls.cancel_link_call),
    ("POST", "/v1/payments/create/recurring", more.charge_token),
    ("POST", "/v1/payments/qr_codes", more.create_qr),
    ("GET", "/v1/payments/qr_codes", more.list_qrs),
    ("GET", "/v1/payments/qr_codes/{name}", more.get_qr),
    ("GET", "/v1/payments/qr_codes/{name}/payments", more.list_qr_payments),
    ("POST", "/v1/payments/qr_codes/{name}/close", more.close_qr_call),
    ("GET", "/v1/payments", calls.list_payments),
    ("GET", "/v1/payments/{name}", calls.get_payment),
    ("POST", "/v1/payments/{name}/capture", calls.capture_payment),
    ("POST", "/v1/payments/{name}/refund", calls.create_refund),
    ("GET", "/v1/payments/{name}/refunds", calls.list_payment_refunds),
    ("GET", "/v1/payments/{name}/refunds/{other}", calls.get_payment_refund),
    ("GET", "/v1/refunds", calls.list_refunds),
    ("GET", "/v1/refunds/{name}", calls.get_refund),
    ("POST", "/v1/customers", more.create_customer),
    ("GET", "/v1/customers/{name}", more.get_customer),
    ("GET", "/v1/customers/{name}/tokens", more.list_tokens),
    ("GET", "/v1/customers/{name}/tokens/{other}", more.get_token),
    ("DELETE", "/v1/customers/{name}/tokens/{other}", more.delete_token),
    ("GET", "/v1/disputes", more.list_disputes),
    ("GET", "/v1/disputes/{name}", more.get_dispute),
    ("POST", "/v1/disputes/{name}/accept", more.accept_dispute),
    ("PATCH", "/v1/disputes/{name}/contest", more.contest_dispute),
    ("GET", "/v1/settlements", more.list_settlements),
    ("GET", "/v1/settlements/recon/combined", more.reconcile),
    ("GET", "/v1/settlements/{name}", more.get_settlement),
)


class Office(Protocol):
    """What the API needs of the simulator around it."""

    def merchant_of(self, account: SimulatedAccount) -> Merchant: ...
    def accounts(self) -> list[SimulatedAccount]: ...
    def page_url(self, name: str) -> str: ...


class Api:
    def __init__(self, office: Office) -> None:
        self._office = office

    def routes(self) -> list[Route]:
        routes = [Route(path, self._endpoint(work), methods=[method]) for method, path, work in _TABLE]
        methods = ["GET", "POST", "PATCH", "PUT", "DELETE"]
        return [
            Route("/v1/methods", self._methods, methods=["GET"]),
            *routes,
            Route("/v1/{name:path}", self._endpoint(None), methods=methods),
        ]

    def _endpoint(self, work: Work | None) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                return answer(200, await self._answered(request, work))
            except RazorpayError as error:
                return answer(error.status, error.body)

        return endpoint

    async def _answered(self, request: Request, work: Work | None) -> Json:
        account = self._account(request)
        if work is None:
            raise plain_refusal(WRONG_URL)
        m = self._office.merchant_of(account)
        wanted = request.headers.get("x-razorpay-account")
        if wanted is not None and wanted != m.account_id:
            raise plain_refusal("The account id provided does not exist")
        m.tick()
        call = Call(
            m=m,
            body=await _body(request),
            query=request.query_params,
            expand=request.query_params.getlist("expand[]"),
            name=request.path_params.get("name", ""),
            other=request.path_params.get("other", ""),
            headers=request.headers,
            key_secret=str(account.credentials.get("key_secret", "")),
            page_url=self._office.page_url,
        )
        key = request.headers.get("x-refund-idempotency")
        if work is calls.create_refund and key is not None:
            return await _once(request, call, key)
        await _pause(request)
        return copy.deepcopy(dict(work(call)))

    def _account(self, request: Request) -> SimulatedAccount:
        """By key id and secret. The scheme word is exactly `Basic`."""
        name, secret = _basic(request.headers.get("authorization", ""))
        for account in self._office.accounts():
            known = str(account.credentials.get("key_secret") or "")
            if account.credentials.get("key_id") == name and known:
                if hmac.compare_digest(known.encode(), secret.encode()):
                    return account
                raise plain_refusal("Authentication failed", status=401)
        raise plain_refusal("The api key/secret provided is invalid", status=401)

    async def _methods(self, request: Request) -> Response:
        """Works with the key id alone, so it proves nothing about the secret."""
        try:
            name, _ = _basic(request.headers.get("authorization", ""))
            if not any(one.credentials.get("key_id") == name for one in self._office.accounts()):
                raise plain_refusal("The api key/secret provided is invalid", status=401)
        except RazorpayError as error:
            return answer(error.status, error.body)
        return answer(200, {"entity": "methods", "card": True, "upi": True, "netbanking": {"HDFC": "HDFC Bank"}})


async def _once(request: Request, call: Call, key: str) -> Json:
    """A refund under an idempotency key (section 4.3). A refused one leaves the key free."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{10,}", key):
        raise RazorpayError("The idempotency key must be at least 10 characters of A-Z, a-z, 0-9, _ and -.")
    fingerprint = f"{call.name} {json.dumps(call.body, sort_keys=True)}"
    stored = call.m.refund_keys.get(key)
    if stored is not None:
        return _repeat(stored, fingerprint)
    mine = call.m.refund_keys[key] = StoredAnswer(fingerprint=fingerprint)
    try:
        await _pause(request)
        mine.body = copy.deepcopy(calls.create_refund(call))
    except BaseException:
        call.m.refund_keys.pop(key, None)
        raise
    return mine.body


def _repeat(stored: StoredAnswer, fingerprint: str) -> Json:
    if stored.fingerprint != fingerprint:
        raise plain_refusal("Different request with the same idempotency key has been received.", status=409)
    if stored.body is None:
        raise plain_refusal("Another request with the same idempotency key is in progress.", status=409)
    return stored.body


async def _pause(request: Request) -> None:
    """Be as slow as the host was told to make us, while the request counts as running."""
    seconds, request.scope["simulated_pause"] = request.scope.get("simulated_pause", 0.0), 0.0
    if seconds:
        await asyncio.sleep(seconds)


async def _body(request: Request) -> Json:
    raw = await request.body()
    if request.method == "GET" or not raw:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not request.headers.get("content-type", "").startswith("application/json") or not isinstance(body, dict):
        raise plain_refusal("The request body is not well-formed JSON.")
    return body


def _basic(header: str) -> tuple[str, str]:
    scheme, _, value = header.partition(" ")
    if scheme != "Basic":
        raise plain_refusal("Please provide your api key for authentication purposes.", status=401)
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, secret
