"""A faithful local fake of NOWPayments: its API, its hosted page, its signed callbacks.

Written from the protocol page, never from the client beside it; it shares no code with it. The API is in
`simulator_api`, the states in `simulator_state`, signatures in `simulator_text`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from clients.nowpayments import simulator_bodies as bodies
from clients.nowpayments import simulator_pages as pages
from clients.nowpayments.simulator_api import Api
from clients.nowpayments.simulator_coins import COINS, converted, other_on_network
from clients.nowpayments.simulator_requests import Refusal
from clients.nowpayments.simulator_state import Invoice, Payment, Payout, State
from clients.nowpayments.simulator_text import INDEX_OBJECTS, KEPT, sign, stringify
from core.gateways.simulating import BookLine, GatewaySimulator, SimulatedAccount, World

# A simulator that is started again must not give a new payment the id of an old one, which platforms remember. Counted
# from a second of 2025, a thousand ids a second: eleven digits, since thirteen may look like a card number.
_FIRST_ID, _FIRST_SECOND, _IDS_A_SECOND = 4_101_567_823, 1_760_000_000, 1_000


class NowPaymentsSimulator(GatewaySimulator):
    """Amounts in `act` (amount=...) are in coins of the payment. An invoice's `act` needs `coin=` for its first pay."""

    slug: ClassVar[str] = "nowpayments"
    hosts: ClassVar[tuple[str, ...]] = (
        "api.nowpayments.io",
        "api-sandbox.nowpayments.io",
        "nowpayments.io",
        "sandbox.nowpayments.io",
    )
    retry_seconds: ClassVar[tuple[float, ...]] = (1.0, 1.0, 1.0)
    primary_credential: ClassVar[str] = "api_key"
    actions: ClassVar[tuple[str, ...]] = (
        "pay",
        "pay_short",
        "pay_rest",
        "pay_over",
        "pay_twice",
        "pay_late",
        "wrong_asset",
        "expire",
        "fail",
        "refund",
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.array_form = KEPT
        self.state = self._new_state()
        self._numbers = itertools.count(_FIRST_ID + _IDS_A_SECOND * (int(world.now()) - _FIRST_SECOND), 7)
        self._api = Api(self)

    def _new_state(self) -> State:
        return State(now=self.world.now, tell=self._tell)

    def routes(self) -> list[Any]:
        return [
            Route("/payment/", self._page, methods=["GET", "POST"]),
            Route("/payment", self._page, methods=["GET", "POST"]),
            *self._api.routes(),
        ]

    def tick(self) -> None:
        self.state.tick()

    def reset(self) -> None:
        self.state = self._new_state()
        self.array_form = KEPT

    # --- what the API needs ----------------------------------------------------------------------------------------

    def accounts(self) -> list[SimulatedAccount]:
        return list(self.world.accounts(self.slug))

    def next_id(self) -> int:
        taken = max(self.state.payments, default=0)  # children take the number after the newest payment
        return next(number for number in self._numbers if number > taken)

    def page_url(self, *, is_sandbox: bool, query: str) -> str:
        return self.world.url("sandbox.nowpayments.io" if is_sandbox else "nowpayments.io", f"/payment/?{query}")

    # --- callbacks -------------------------------------------------------------------------------------------------

    def _tell(self, thing: Payment | Payout) -> None:
        # Looked up at this moment: the secret may have been changed since the payment began.
        account = next(
            (one for one in self.accounts() if one.credentials.get("api_key", "").strip() == thing.api_key), None
        )
        if account is None or not account.credentials.get("ipn_secret"):
            return
        body = bodies.payment_callback(thing) if isinstance(thing, Payment) else bodies.payout_callback(thing)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "NOWPayments v1.0",
            "x-nowpayments-sig": sign(body, str(account.credentials["ipn_secret"]), arrays=self.array_form),
        }
        url = thing.callback_url or account.webhook_url
        self.world.deliver(self.slug, url=url, headers=headers, body=stringify(body).encode())

    # --- acting ----------------------------------------------------------------------------------------------------

    def act(self, action: str, *, gateway_reference: str, **details: Any) -> Mapping[str, Any]:
        """`gateway_reference` is a payment's or invoice's id, or our own reference."""
        if action == "array_form":
            return self._set_array_form(**details)
        if action == "fail_next_payout":
            self.state.failing_payouts += 1
            return {"failing_payouts": self.state.failing_payouts}
        table: dict[str, Callable[..., object]] = {
            "pay": self._pay,
            "confirm": lambda payment, until=None: self.state.confirm(payment, until=until),
            "pay_short": self._pay_short,
            "pay_rest": self._pay_rest,
            "pay_over": self._pay_over,
            "pay_twice": self._pay_twice,
            "pay_again": self._pay_again,
            "pay_late": self._pay_late,
            "wrong_asset": self._wrong_asset,
            "expire": self.state.expire,
            "fail": self.state.fail,
            "decline": self.state.fail,  # nothing declines a coin; this is the nearest
            "refund": self.state.refund,
        }
        if action not in table:
            known = [*table, "array_form", "fail_next_payout"]
            raise ValueError(f"unknown action {action!r}; known: {', '.join(known)}")
        payment = self._payment(gateway_reference, coin=details.pop("coin", None))
        table[action](payment, **details)
        return {"payment_id": str(payment.id), "status": payment.status, "arrived": str(payment.arrived)}

    def _set_array_form(self, form: str = KEPT) -> Mapping[str, Any]:
        if form not in (KEPT, INDEX_OBJECTS):
            raise ValueError(f"form is {KEPT} or {INDEX_OBJECTS}")
        self.array_form = form
        return {"array_form": form}

    def _payment(self, name: str, *, coin: str | None) -> Payment:
        """The payment of that name, never a child; an invoice's newest, made where `coin` is given or it is fixed."""
        roots = [one for one in self.state.payments.values() if one.parent_id is None]
        for payment in reversed(roots):
            if name and name in (str(payment.id), payment.order_id):
                return payment
        child = self.state.payments.get(int(name)) if name.isdecimal() else None
        if child is not None and child.parent_id is not None:
            return self.state.payments[child.parent_id]
        return self._payment_of_invoice(name, roots, coin)

    def _payment_of_invoice(self, name: str, roots: list[Payment], coin: str | None) -> Payment:
        for invoice in reversed(list(self.state.invoices.values())):
            if name and name in (str(invoice.id), invoice.order_id):
                made = [one for one in roots if one.invoice_id == invoice.id]
                wanted = coin or invoice.pay_currency or (None if made else "usdttrc20")
                if made and coin is None:
                    return made[-1]
                try:
                    return self._api.pay_invoice(invoice, wanted or "usdttrc20")
                except Refusal as error:
                    raise ValueError(str(error)) from error
        raise ValueError(f"no payment {name!r}")

    def _pay(self, payment: Payment, amount: Any = None, stop_at: str | None = None) -> None:
        if payment.status not in ("waiting",):
            raise ValueError(f"this payment is {payment.status}, not waiting; use pay_again, pay_rest or pay_late")
        wanted = payment.pay_amount if amount in (None, "") else Decimal(str(amount))
        self.state.deposit(payment, wanted, stop_at=stop_at or None)

    def _pay_short(self, payment: Payment, amount: Any = None) -> None:
        wanted = (
            COINS[payment.pay_currency].round_up(payment.pay_amount / 2) if amount is None else Decimal(str(amount))
        )
        if wanted >= payment.pay_amount:
            raise ValueError(f"{wanted} is not short of {payment.pay_amount}")
        self._pay(payment, wanted)

    def _pay_rest(self, payment: Payment) -> None:
        sent = [self.state.payments[number] for number in payment.children]
        same = sum((one.arrived for one in sent if one.pay_currency == payment.pay_currency), Decimal(0))
        rest = payment.pay_amount - payment.arrived - same
        if payment.status != "partially_paid" or rest <= 0:
            raise ValueError("nothing is missing")
        self.state.child(payment, rest, payment.pay_currency)

    def _pay_over(self, payment: Payment, amount: Any = None) -> None:
        extra = COINS[payment.pay_currency].round_up(payment.pay_amount * Decimal("1.1"))
        self._pay(payment, extra if amount is None else amount)

    def _pay_twice(self, payment: Payment) -> None:
        self._pay(payment)
        self._pay_again(payment)

    def _pay_again(self, payment: Payment, amount: Any = None) -> None:
        if payment.status not in ("finished", "partially_paid"):
            raise ValueError(f"this payment is {payment.status}; nothing was paid yet")
        wanted = payment.pay_amount if amount in (None, "") else Decimal(str(amount))
        self.state.child(payment, wanted, payment.pay_currency)

    def _pay_late(self, payment: Payment, amount: Any = None) -> None:
        if payment.status == "waiting":
            self.state.expire(payment)
        if payment.status not in ("expired", "failed"):
            raise ValueError(f"this payment is {payment.status}; it is not too late")
        self.state.deposit(payment, payment.pay_amount if amount in (None, "") else Decimal(str(amount)))

    def _wrong_asset(self, payment: Payment, asset: str | None = None) -> None:
        coin = COINS[asset] if asset else other_on_network(payment.pay_currency)
        amount = coin.round_up(converted(payment.pay_amount, payment.pay_currency, coin.code))
        self.state.child(payment, amount, coin.code)

    # --- books -----------------------------------------------------------------------------------------------------

    def books(self) -> list[BookLine]:
        """One line a payment, children counted with their parent, wrong coins not at all; invoices nobody picked up too."""
        picked = {one.invoice_id for one in self.state.payments.values()}
        lines = [self._line(one) for one in self.state.payments.values() if one.parent_id is None]
        return [_invoice_line(one) for one in self.state.invoices.values() if one.id not in picked] + lines

    def _line(self, payment: Payment) -> BookLine:
        captured = self.state.value(payment)
        return BookLine(
            gateway_reference=str(payment.id),
            reference=payment.order_id,
            asset=payment.price_currency.upper(),
            captured=captured,
            refunded=captured if payment.status == "refunded" else Decimal(0),
            status=payment.status,
            mode="test" if payment.is_sandbox else "live",
        )

    # --- the hosted page -------------------------------------------------------------------------------------------

    async def _page(self, request: Request) -> Response:
        self.tick()
        invoice = self.state.invoices.get(_number(request.query_params.get("iid")))
        payment = self.state.payments.get(_number(request.query_params.get("paymentId")))
        if payment is not None and payment.invoice_id is not None:
            invoice = self.state.invoices.get(payment.invoice_id)
        if payment is None and invoice is None:
            return HTMLResponse(pages.message("Not found", "There is no such payment."), status_code=404)
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"))) if request.method == "POST" else {}
        try:
            if payment is not None:
                return self._payment_page(payment, invoice, form)
            assert invoice is not None
            return self._invoice_page(invoice, form)
        except (ValueError, Refusal) as error:
            if payment is not None:
                return HTMLResponse(pages.payment(payment, invoice, error=str(error)))
            assert invoice is not None
            return HTMLResponse(pages.choose_coin(invoice, error=str(error)))

    def _invoice_page(self, invoice: Invoice, form: Mapping[str, str]) -> Response:
        if form.get("do") == "cancel" and invoice.cancel_url:
            return RedirectResponse(invoice.cancel_url, status_code=303)
        if form.get("do") != "choose":
            return HTMLResponse(pages.choose_coin(invoice, error=None))
        payment = self._api.pay_invoice(invoice, form.get("coin", ""))
        query = urlencode({"iid": invoice.id, "paymentId": payment.id})
        return RedirectResponse(self.page_url(is_sandbox=invoice.is_sandbox, query=query), status_code=303)

    def _payment_page(self, payment: Payment, invoice: Invoice | None, form: Mapping[str, str]) -> Response:
        do = form.get("do")
        if do is None:
            return HTMLResponse(pages.payment(payment, invoice, error=None))
        if do != "leave":
            self.act(do, gateway_reference=str(payment.id))
        back = _way_back(payment, invoice)
        if back is not None and (do == "leave" or payment.status == "finished"):
            return RedirectResponse(back, status_code=303)
        return HTMLResponse(pages.payment(payment, invoice, error=None))


def _way_back(payment: Payment, invoice: Invoice | None) -> str | None:
    if invoice is None:
        return None
    short = invoice.partially_paid_url or invoice.success_url
    ways = {"finished": invoice.success_url, "partially_paid": short}
    url = ways.get(payment.status, invoice.cancel_url)
    # Unconfirmed: the parameter's name is remembered, not documented.
    return f"{url}{'&' if '?' in url else '?'}NP_id={payment.id}" if url else None


def _invoice_line(invoice: Invoice) -> BookLine:
    return BookLine(
        gateway_reference=str(invoice.id),
        reference=invoice.order_id,
        asset=invoice.price_currency.upper(),
        captured=Decimal(0),
        refunded=Decimal(0),
        status="invoice",
        mode="test" if invoice.is_sandbox else "live",
    )


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
