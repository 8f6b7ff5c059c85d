"""The REST calls of the simulated NOWPayments (protocol page sections 2 to 5, 11, 12)."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from clients.nowpayments import simulator_bodies as bodies
from clients.nowpayments import simulator_coins as coins
from clients.nowpayments.simulator_coins import COINS
from clients.nowpayments.simulator_login import Logins, codes_of
from clients.nowpayments.simulator_requests import (
    INVOICE,
    INVOICE_PAYMENT,
    PAYMENT,
    WITHDRAWAL,
    Call,
    Json,
    Refusal,
    bad_parameter,
    check_address,
    check_limits,
    currency_of,
    decimal_of,
    least_dollars,
    members,
    parsed,
    payable,
    price_of,
    rounded,
    whole,
)
from clients.nowpayments.simulator_state import ESTIMATE_SECONDS, Batch, Invoice, Payment, Payout, State
from clients.nowpayments.simulator_text import stringify
from core.gateways.simulating import SimulatedAccount

CASE_SECONDS: Final = 1.0
WRONG_CODES: Final = 10
_SORTABLE: Final = frozenset(
    (
        "created_at payment_id payment_status pay_address price_amount price_currency pay_amount actually_paid "
        "pay_currency order_id order_description purchase_id outcome_amount outcome_currency updated_at"
    ).split()
)
_CASES: Final = ("success", "common", "failed", "partially_paid")


class Office(Protocol):
    """What the API needs of the simulator around it."""

    state: State

    def accounts(self) -> list[SimulatedAccount]: ...
    def next_id(self) -> int: ...
    def page_url(self, *, is_sandbox: bool, query: str) -> str: ...


class Api:
    def __init__(self, office: Office) -> None:
        self._office = office
        self._logins = Logins(accounts=office.accounts, now=lambda: office.state.now())

    @property
    def _state(self) -> State:
        return self._office.state

    def routes(self) -> list[Route]:
        keyed: list[tuple[str, str, Callable[[Call], Any]]] = [
            ("GET", "/v1/currencies", self.currencies),
            ("GET", "/v1/full-currencies", self.full_currencies),
            ("GET", "/v1/merchant/coins", self.merchant_coins),
            ("GET", "/v1/estimate", self.estimate),
            ("GET", "/v1/min-amount", self.min_amount),
            ("POST", "/v1/invoice", self.create_invoice),
            ("POST", "/v1/payment", self.create_payment),
            ("POST", "/v1/invoice-payment", self.create_invoice_payment),
            ("GET", "/v1/payment/", self.list_payments),
            ("GET", "/v1/payment", self.list_payments),
            ("GET", "/v1/payment/{number:int}", self.get_payment),
            ("POST", "/v1/payment/{number:int}/update-merchant-estimate", self.update_estimate),
            ("GET", "/v1/balance", self.balance),
            ("POST", "/v1/payout/validate-address", self.validate_address),
            ("GET", "/v1/payout/fee", self.payout_fee),
            ("GET", "/v1/payout-withdrawal/min-amount/{coin}", self.payout_minimum),
            ("POST", "/v1/payout", self.create_payout),
            ("POST", "/v1/payout/{number:int}/verify", self.verify_payout),
            ("GET", "/v1/payout", self.list_payouts),
            ("GET", "/v1/payout/{number:int}", self.get_payout),
        ]
        return [
            Route("/v1/status", self._endpoint(lambda call: {"message": "OK"}, needs_key=False), methods=["GET"]),
            Route("/v1/auth", self._endpoint(self._logins.login, needs_key=False), methods=["POST"]),
            *(Route(path, self._endpoint(work), methods=[method]) for method, path, work in keyed),
            Route("/v1/{rest:path}", self._endpoint(_unknown), methods=["GET", "POST", "DELETE", "PATCH"]),
        ]

    def _endpoint(
        self, work: Callable[[Call], Any], *, needs_key: bool = True
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                is_sandbox = "sandbox" in request.scope.get("root_path", "")
                body = parsed(request, await request.body())
                account = self._account(request, is_sandbox=is_sandbox) if needs_key else _nobody(is_sandbox)
                result = work(Call(request=request, account=account, is_sandbox=is_sandbox, body=body))
            except Refusal as error:
                return _answer(error.status, error.body)
            if isinstance(result, str):
                return PlainTextResponse(result)
            return _answer(201 if work in self._creating() else 200, result)

        return endpoint

    def _creating(self) -> tuple[Callable[[Call], Any], ...]:
        return (self.create_invoice, self.create_payment, self.create_invoice_payment)

    # --- who asks --------------------------------------------------------------------------------------------------

    def _account(self, request: Request, *, is_sandbox: bool) -> SimulatedAccount:
        """By the key; a key of the other environment is as unknown as an invented one."""
        key = request.headers.get("x-api-key", "")
        mode = "test" if is_sandbox else "live"
        for account in self._office.accounts():
            if account.mode == mode and key and str(account.credentials.get("api_key", "")).strip() == key:
                return account
        raise Refusal(403, "INVALID_API_KEY", "Invalid api key")

    # --- currencies ------------------------------------------------------------------------------------------------

    def currencies(self, call: Call) -> Json:
        return {"currencies": [code for code in COINS if code not in coins.PAUSED]}

    def full_currencies(self, call: Call) -> Json:
        return {"currencies": [coins.full_row(index, coin) for index, coin in enumerate(COINS.values())]}

    def merchant_coins(self, call: Call) -> Json:
        return {"selectedCurrencies": [code.upper() for code in COINS if code not in coins.PAUSED]}

    def estimate(self, call: Call) -> Json:
        query = call.request.query_params
        source, target = currency_of(query.get("currency_from")), currency_of(query.get("currency_to"))
        amount = decimal_of(query.get("amount"), "amount")
        result = rounded(coins.converted(amount, source, target), target)
        return {
            "currency_from": source,
            "amount_from": amount,
            "currency_to": target,
            "estimated_amount": str(result),  # documented as a number, seen as text
        }

    def min_amount(self, call: Call) -> Json:
        query = call.request.query_params
        source = currency_of(query.get("currency_from"))
        target = currency_of(query.get("currency_to") or bodies.OUTCOME)
        least = least_dollars(source)
        body: Json = {
            "currency_from": source,
            "currency_to": target,
            "min_amount": rounded(least * coins.per_dollar(source), source),
        }
        if query.get("fiat_equivalent"):
            body["fiat_equivalent"] = rounded(least * coins.per_dollar(currency_of(query["fiat_equivalent"])), "usd")
        return body

    # --- invoices and payments -------------------------------------------------------------------------------------

    def create_invoice(self, call: Call) -> Json:
        given = members(call.body, INVOICE)
        price, currency = price_of(given)
        coin = payable(given["pay_currency"]) if given.get("pay_currency") else None
        made = Invoice(
            id=self._office.next_id(),
            api_key=call.api_key,
            is_sandbox=call.is_sandbox,
            price_amount=price,
            price_currency=currency,
            pay_currency=coin,
            order_id=given.get("order_id"),
            description=given.get("order_description"),
            callback_url=given.get("ipn_callback_url"),
            success_url=given.get("success_url"),
            cancel_url=given.get("cancel_url"),
            partially_paid_url=given.get("partially_paid_url"),
            is_fixed_rate=bool(given.get("is_fixed_rate") or given.get("is_fee_paid_by_user")),
            is_fee_paid_by_user=bool(given.get("is_fee_paid_by_user")),
            created_at=self._state.now(),
        )
        self._state.invoices[made.id] = made
        url = self._office.page_url(is_sandbox=made.is_sandbox, query=urlencode({"iid": made.id}))
        return bodies.invoice(made, url)

    def create_payment(self, call: Call) -> Json:
        given = members(call.body, PAYMENT)
        price, currency = price_of(given)
        if not given.get("pay_currency"):
            raise bad_parameter('"pay_currency" is required')
        coin = payable(given["pay_currency"])
        if given.get("payout_address") and not given.get("payout_currency"):
            raise bad_parameter('"payout_currency" is required with "payout_address"')
        if "case" in given and not call.is_sandbox:
            raise bad_parameter('"case" is not allowed')
        if given.get("case", "success") not in _CASES:
            raise bad_parameter(f'"case" must be one of [{", ".join(_CASES)}]')
        amount = given.get("pay_amount")
        if amount is not None and amount <= 0:
            raise bad_parameter('"pay_amount" must be a positive number')
        check_limits(price, currency, coin)
        payment = self._add_payment(
            call.api_key,
            is_sandbox=call.is_sandbox,
            price=price,
            currency=currency,
            coin=coin,
            amount=amount,
            order_id=given.get("order_id"),
            description=given.get("order_description"),
            callback_url=given.get("ipn_callback_url"),
            is_fixed_rate=bool(given.get("is_fixed_rate") or given.get("is_fee_paid_by_user")),
            is_fee_paid_by_user=bool(given.get("is_fee_paid_by_user")),
        )
        if "case" in given:
            self._state.later(CASE_SECONDS, lambda: self._play(payment, given["case"]))
        return bodies.created(payment)

    def create_invoice_payment(self, call: Call) -> Json:
        given = members(call.body, INVOICE_PAYMENT)
        invoice = self._state.invoices.get(int(given.get("iid", "0")))
        if invoice is None or invoice.api_key != call.api_key:
            raise Refusal(404, "NOT_FOUND", "Invoice not found")
        if not given.get("pay_currency"):
            raise bad_parameter('"pay_currency" is required')
        return bodies.created(self.pay_invoice(invoice, given["pay_currency"], given.get("order_description")))

    def pay_invoice(self, invoice: Invoice, coin: str, description: str | None = None) -> Payment:
        """A payment for an invoice whose customer has picked a coin; one invoice may have several."""
        coin = payable(coin)
        if invoice.pay_currency not in (None, coin):
            raise bad_parameter(f"this invoice is to be paid in {invoice.pay_currency}")
        check_limits(invoice.price_amount, invoice.price_currency, coin)
        return self._add_payment(
            invoice.api_key,
            is_sandbox=invoice.is_sandbox,
            price=invoice.price_amount,
            currency=invoice.price_currency,
            coin=coin,
            amount=None,
            order_id=invoice.order_id,
            description=description or invoice.description,
            callback_url=invoice.callback_url,
            invoice_id=invoice.id,
            is_fixed_rate=invoice.is_fixed_rate,
            is_fee_paid_by_user=invoice.is_fee_paid_by_user,
        )

    def _add_payment(
        self, api_key: str, *, price: Decimal, currency: str, coin: str, amount: Decimal | None, **members: Any
    ) -> Payment:
        number = self._office.next_id()
        payment = Payment(
            id=number,
            api_key=api_key,
            price_amount=price,
            price_currency=currency,
            pay_amount=amount or COINS[coin].round_up(coins.converted(price, currency, coin)),
            pay_currency=coin,
            purchase_id=number + 1_000_000,
            created_at=self._state.now(),
            updated_at=self._state.now(),
            **members,
        )
        return self._state.add(payment)

    def _play(self, payment: Payment, case: str) -> None:
        if payment.status != "waiting":
            return
        if case == "failed":
            self._state.fail(payment)
        else:
            half = COINS[payment.pay_currency].round_up(payment.pay_amount / 2)
            self._state.deposit(payment, half if case == "partially_paid" else payment.pay_amount)

    def get_payment(self, call: Call) -> Json:
        return bodies.fetched(self._payment(call))

    def _payment(self, call: Call) -> Payment:
        payment = self._state.payments.get(call.request.path_params["number"])
        if payment is None or payment.api_key != call.api_key:
            raise Refusal(404, "NOT_FOUND", "Payment not found")
        self._state.tick()
        return payment

    def list_payments(self, call: Call) -> Json:
        self._logins.require(call)
        query = call.request.query_params
        limit, page = whole(query.get("limit"), "limit", default=10), whole(query.get("page"), "page", default=0)
        if not 1 <= limit <= 500 or page < 0:
            raise bad_parameter('"limit" must be 1 to 500')
        field, order = query.get("sortBy", "created_at"), query.get("orderBy", "asc")
        if order not in ("asc", "desc"):
            raise Refusal(500, "INTERNAL_ERROR", "Internal server error")  # as the real one does
        if field not in _SORTABLE:
            raise bad_parameter('"sortBy" is not a known field')
        rows = [bodies.fetched(one) for one in self._state.payments.values() if one.api_key == call.api_key]
        rows = [row for row in rows if _is_listed(row, query)]
        rows.sort(key=lambda row: (row[field] is None, row[field]), reverse=order == "desc")
        pages = -(-len(rows) // limit)
        shown = rows[page * limit : (page + 1) * limit]
        return {"data": shown, "limit": limit, "page": page, "pagesCount": pages, "total": len(rows)}

    def update_estimate(self, call: Call) -> Json:
        payment = self._payment(call)
        if self._state.now() >= payment.estimate_until and payment.status == "waiting" and not payment.is_fixed_rate:
            payment.estimate_until = self._state.now() + ESTIMATE_SECONDS
        fetched = bodies.created(payment)
        return {
            "id": str(payment.id),
            "token_id": str(payment.id + 7),
            "pay_amount": payment.pay_amount,
            "expiration_estimate_date": fetched["expiration_estimate_date"],
        }

    # --- payouts ---------------------------------------------------------------------------------------------------

    def balance(self, call: Call) -> Json:
        return {code: {"amount": 1000, "pendingAmount": 0} for code in ("btc", "eth", "trx", bodies.OUTCOME)}

    def validate_address(self, call: Call) -> str:
        given = members(call.body, {"address": "str", "currency": "str", "extra_id": "str"})
        check_address(given.get("address"), given.get("currency"))
        return "OK"

    def payout_fee(self, call: Call) -> Json:
        return {"currency": currency_of(call.request.query_params.get("currency")), "fee": Decimal("1.32")}

    def payout_minimum(self, call: Call) -> Json:
        code = currency_of(call.request.path_params["coin"])
        return {"success": True, "result": rounded(least_dollars(code) * coins.per_dollar(code), code)}

    def create_payout(self, call: Call) -> Json:
        self._logins.require(call)
        given = members(
            call.body,
            {"ipn_callback_url": "url", "payout_description": "str", "withdrawals": "list", "payout_extra": "str"},
        )
        wishes = given.get("withdrawals")
        if not wishes:
            raise bad_parameter('"withdrawals" must be an array with at least one element')
        batch = Batch(id=self._office.next_id(), api_key=call.api_key, created_at=self._state.now(), payouts=[])
        for wish in wishes:
            batch.payouts.append(self._withdrawal(batch, members(wish, WITHDRAWAL), given.get("ipn_callback_url")))
        self._state.add_batch(batch)
        return bodies.batch(batch)

    def _withdrawal(self, batch: Batch, wish: Json, callback_url: str | None) -> Payout:
        coin = check_address(wish.get("address"), wish.get("currency"))
        amount = wish.get("amount")
        if amount is None or amount <= 0:
            raise bad_parameter('"amount" must be a positive number')
        if amount != amount.quantize(Decimal("0.000001")):
            raise bad_parameter('"amount" must have no more than 6 decimal places')
        if coins.dollars(amount, coin) < COINS[coin].least_dollars:
            raise Refusal(400, "BAD_CREATE_WITHDRAWAL_REQUEST", f"Minimal amount for {coin} is not reached")
        return Payout(
            id=self._office.next_id(),
            batch_id=batch.id,
            api_key=batch.api_key,
            address=str(wish["address"]),
            currency=coin,
            amount=amount,
            extra_id=wish.get("extra_id"),
            callback_url=wish.get("ipn_callback_url") or callback_url,
            unique_external_id=wish.get("unique_external_id"),
            created_at=self._state.now(),
        )

    def verify_payout(self, call: Call) -> str:
        self._logins.require(call)
        self._state.tick()
        batch = self._batch(call)
        code = members(call.body, {"verification_code": "str"}).get("verification_code", "")
        if batch.is_verified or batch.wrong_codes >= WRONG_CODES or batch.payouts[0].status != "WAITING":
            raise Refusal(400, "BAD_REQUEST", "This payout can not be verified")
        if code not in codes_of(call.account.credentials.get("totp_secret")):
            batch.wrong_codes += 1
            raise Refusal(400, "BAD_REQUEST", "Wrong verification code")
        self._state.verify(batch)
        return "OK"

    def get_payout(self, call: Call) -> list[Json]:
        self._logins.require(call)
        return [bodies.payout(one, index) for index, one in enumerate(self._batch(call).payouts)]

    def list_payouts(self, call: Call) -> Json:
        self._logins.require(call)
        query = call.request.query_params
        rows = [
            bodies.payout(one)
            for batch in self._state.batches.values()
            for one in batch.payouts
            if batch.api_key == call.api_key
            and query.get("batch_id") in (None, str(batch.id))
            and query.get("status", one.status).upper() == one.status
        ]
        return {"payouts": rows[: whole(query.get("limit"), "limit", default=100)]}

    def _batch(self, call: Call) -> Batch:
        batch = self._state.batches.get(call.request.path_params["number"])
        if batch is None or batch.api_key != call.api_key:
            raise Refusal(404, "NOT_FOUND", "Payout not found")
        return batch


def _answer(status: int, body: Any) -> Response:
    headers = {"cf-ray": f"{secrets.token_hex(8)}-SIM"}
    return Response(stringify(body), status_code=status, media_type="application/json", headers=headers)


def _unknown(call: Call) -> Json:
    raise Refusal(404, "NOT_FOUND", f"Endpoint not found: {call.request.url.path}")


def _nobody(is_sandbox: bool) -> SimulatedAccount:
    return SimulatedAccount(mode="test" if is_sandbox else "live", credentials={})


def _is_listed(row: Json, query: Mapping[str, str]) -> bool:
    day = str(row["created_at"])[:10]
    wanted = query.get("invoiceId")
    return query.get("dateFrom", "") <= day <= query.get("dateTo", "9999") and wanted in (None, str(row["invoice_id"]))
