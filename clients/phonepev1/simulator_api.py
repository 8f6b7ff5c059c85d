"""The API of the simulated PhonePe v1: pay, status, refund (sections 1, 4, 5, 9, 12)."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clients.phonepev1 import simulator_wire as wire
from clients.phonepev1.simulator_merchant import Merchant, Transaction, status_body
from clients.phonepev1.simulator_wire import PAY_PATH, REFUND_PATH, STATUS_PATH, Json, V1Error
from core.gateways.simulating import SimulatedAccount

API_HOSTS: Final = {"test": "api-preprod.phonepe.com", "live": "api.phonepe.com"}
BASES: Final = {"test": "/apis/pg-sandbox", "live": "/apis/hermes"}  # never signed

Work = Callable[[str, Request, bytes], Json]


class Office(Protocol):
    """What the API needs of the simulator around it."""

    def accounts(self) -> list[SimulatedAccount]: ...
    def merchant_of(self, account: SimulatedAccount) -> Merchant: ...
    def page_url(self, mode: str, token: str) -> str: ...
    def tick(self) -> None: ...


class Api:
    def __init__(self, office: Office) -> None:
        self._office = office

    def routes(self) -> list[Route]:
        routes = []
        for mode, base in BASES.items():
            status = base + STATUS_PATH + "/{merchant}/{name}"
            routes += [
                Route(base + PAY_PATH, self._endpoint(mode, self._pay), methods=["POST"]),
                Route(base + REFUND_PATH, self._endpoint(mode, self._refund), methods=["POST"]),
                Route(status, self._endpoint(mode, self._status), methods=["GET"]),
            ]
        return routes

    def _endpoint(self, mode: str, work: Work) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            self._office.tick()
            if request.scope.get("root_path", "") != f"/{API_HOSTS[mode]}":
                return Response("Not Found", status_code=404)
            try:
                return wire.answer(200, work(mode, request, raw))
            except V1Error as error:
                return wire.answer(error.status, error.body)

        return endpoint

    def _merchant(self, mode: str, merchant_id: str, request: Request, signed: str) -> Merchant:
        """Whose call this is, once X-VERIFY fits one of the merchant's salts."""
        known = [one for one in self._office.accounts() if one.mode == mode]
        account = next((one for one in known if one.credentials.get("merchant_id") == merchant_id), None)
        given = request.headers.get("x-verify", "")
        parts = given.split("###")
        if len(parts) != 2:
            raise wire.unauthorized()
        salts = wire.salts_of(account.credentials) if account is not None else {}
        if account is None or parts[1] not in salts:
            raise V1Error("KEY_NOT_CONFIGURED", "Key not found for the merchant.")
        right = wire.x_verify(signed, salt=salts[parts[1]], index=parts[1])
        if not hmac.compare_digest(right.encode(), given.encode()):
            raise wire.unauthorized()
        return self._office.merchant_of(account)

    # --- calls -----------------------------------------------------------------------------------------------------

    def _pay(self, mode: str, request: Request, raw: bytes) -> Json:
        text, given = wire.envelope_of(raw)
        m = self._merchant(mode, str(given.get("merchantId")), request, text + PAY_PATH)
        one = m.add(_new_payment(m, given))
        info = {"url": self._office.page_url(mode, one.page_token), "method": "GET"}
        data = {
            "merchantId": m.merchant_id,
            "merchantTransactionId": one.name,
            "instrumentResponse": {"type": "PAY_PAGE", "redirectInfo": info},
        }
        return {"success": True, "code": "PAYMENT_INITIATED", "message": "Payment Initiated", "data": data}

    def _refund(self, mode: str, request: Request, raw: bytes) -> Json:
        text, given = wire.envelope_of(raw)
        m = self._merchant(mode, str(given.get("merchantId")), request, text + REFUND_PATH)
        wire.id_of(given, "merchantUserId", longest=35, is_needed=False)
        name, original = wire.id_of(given, "merchantTransactionId"), wire.id_of(given, "originalTransactionId")
        amount, url = wire.amount_of(given), wire.url_of(given, "callbackUrl", is_needed=False)
        payment = m.transactions.get(original)
        if payment is None or payment.original is not None:
            raise wire.not_found(original)
        return status_body(m, m.refund(payment, name=name, amount=amount, callback_url=url))

    def _status(self, mode: str, request: Request, raw: bytes) -> Json:
        merchant_id, name = request.path_params["merchant"], request.path_params["name"]
        m = self._merchant(mode, merchant_id, request, f"{STATUS_PATH}/{merchant_id}/{name}")
        if request.headers.get("x-merchant-id") != merchant_id:
            raise wire.bad("X-MERCHANT-ID is missing or not the merchant of the path.")
        if name not in m.transactions:
            raise wire.not_found(name)
        return status_body(m, m.transactions[name])


def _new_payment(m: Merchant, given: Json) -> Transaction:
    wire.text_of(given, "merchantId", longest=37)
    name = wire.id_of(given, "merchantTransactionId")
    wire.id_of(given, "merchantUserId", longest=35, is_needed=False)  # needed on older pages, not on later ones
    wire.id_of(given, "merchantOrderId", longest=47, is_needed=False)
    amount = wire.amount_of(given)
    back, callback = wire.url_of(given, "redirectUrl"), wire.url_of(given, "callbackUrl")
    if given.get("redirectMode") not in ("REDIRECT", "POST"):
        raise wire.bad("redirectMode is REDIRECT or POST.")
    phone = wire.text_of(given, "mobileNumber", longest=10, is_needed=False)
    if phone and not (len(phone) == 10 and phone.isdecimal()):
        raise wire.bad("mobileNumber has ten digits.")
    instrument = given.get("paymentInstrument")
    if not isinstance(instrument, dict) or instrument.get("type") != "PAY_PAGE":
        raise wire.bad("paymentInstrument.type must be PAY_PAGE.")
    return Transaction(
        name=name,
        transaction_id=wire.new_id("T", m.now()),
        amount=amount,
        made_at=m.now(),
        callback_url=callback,
        redirect_url=back,
        is_posted_back=given["redirectMode"] == "POST",
    )
