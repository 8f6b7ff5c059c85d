"""A faithful local fake of PhonePe Standard Checkout v2: its API, its PayPage, its webhooks.

Written from the protocol page, never from the client beside it; it shares no code with it. The API is in
`simulator_api`, what happens to orders and refunds in `simulator_orders`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from clients.phonepe import simulator_bodies as bodies
from clients.phonepe import simulator_orders as orders
from clients.phonepe import simulator_pages as pages
from clients.phonepe.simulator_api import Api
from clients.phonepe.simulator_merchant import EVENT_FORMS, REFUND_MODES, Dispute, Merchant, Order, Refund
from clients.phonepe.simulator_wire import Json, PhonePeError, new_id
from core.gateways.simulating import BookLine, GatewaySimulator, SimulatedAccount, World

Found = Order | Refund | Dispute | None  # None is the account itself

PAGE_HOSTS: Final = {"test": "mercury-uat.phonepe.com", "live": "mercury.phonepe.com"}
PAGE_PATHS: Final = {"test": "/transact/uat_v2", "live": "/transact/pgv2"}  # Unconfirmed: the live path
_MALFORMED: Final = {
    "malformed": b'{"event":"checkout.order.completed","payload":{"state":"COMPLETED",}',
    "repeated_key": b'{"event":"pg.refund.completed","payload":{"refundId":"OMR1","refundId":"OMR2"}}',
    "empty": b'{"event":"checkout.order.completed","payload":{}}',
}


class PhonePeSimulator(GatewaySimulator):
    """Amounts in `act` (amount=...) are paise."""

    slug: ClassVar[str] = "phonepe"
    hosts: ClassVar[tuple[str, ...]] = (
        "api.phonepe.com",
        "api-preprod.phonepe.com",
        "mercury.phonepe.com",
        "mercury-uat.phonepe.com",
    )
    retry_seconds: ClassVar[tuple[float, ...]] = (1.0, 2.0)  # Unconfirmed: three tries, as of another product
    primary_credential: ClassVar[str] = "client_id"
    actions: ClassVar[tuple[str, ...]] = (
        "pay",
        "decline",
        "fail",
        "cancel",
        "pend",
        "expire",
        "pay_late",
        "pay_short",
        "pay_over",
        "refund",
        "refund_settle",
        "refund_fail",
        "dispute",
        "dispute_win",
        "dispute_lose",
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._merchants: dict[tuple[str, str], Merchant] = {}
        self._api = Api(self)

    def routes(self) -> list[Any]:
        shown = [Route(path, self._page, methods=["GET", "POST"]) for path in PAGE_PATHS.values()]
        banks = [Route(f"{path}/bank", self._bank, methods=["GET", "POST"]) for path in PAGE_PATHS.values()]
        script = Route("/web/bundle/checkout.js", _script, methods=["GET"])
        return [*shown, *banks, script, *self._api.routes()]

    def tick(self) -> None:
        for merchant in self._merchants.values():
            merchant.tick()

    def reset(self) -> None:
        self._merchants.clear()

    # --- what the API needs ----------------------------------------------------------------------------------------

    def accounts(self) -> list[SimulatedAccount]:
        return list(self.world.accounts(self.slug))

    def merchant_of(self, account: SimulatedAccount) -> Merchant:
        name = _name(account)
        if name not in self._merchants:
            self._merchants[name] = Merchant(
                mode=account.mode,
                client_id=name[1],
                merchant_id=str(account.credentials.get("merchant_id") or _merchant_id(*name)),
                now=self.world.now,
                send=lambda event, payload: self._send(name, event, payload),
            )
        return self._merchants[name]

    def page_url(self, mode: str, token: str) -> str:
        return self.world.url(PAGE_HOSTS[mode], f"{PAGE_PATHS[mode]}?{urlencode({'token': token})}")

    # --- webhooks --------------------------------------------------------------------------------------------------

    def _send(self, name: tuple[str, str], event: str, payload: Json) -> None:
        twin = event.upper().replace(".", "_")
        form = self._merchants[name].event_form
        head = {"both": {"event": event, "type": twin}, "event": {"event": event}, "type": {"type": twin}}[form]
        self._post(name, json.dumps({**head, "payload": payload}, ensure_ascii=False, separators=(",", ":")).encode())

    def _post(self, name: tuple[str, str], body: bytes, *, authorization: str | None = None) -> None:
        # Looked up at this moment: address and password may have been changed since the order was made.
        account = next((one for one in self.accounts() if _name(one) == name), None)
        if account is None or not account.credentials.get("webhook_username"):
            return  # nothing was registered in the dashboard
        given = account.credentials
        right = authorize(str(given["webhook_username"]), str(given.get("webhook_password") or ""))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Java/17 (simulated)",
            "Authorization": right if authorization is None else authorization,
        }
        self.world.deliver(self.slug, url=account.webhook_url, headers=headers, body=body)

    # --- acting ----------------------------------------------------------------------------------------------------

    def act(self, action: str, *, gateway_reference: str, **details: Any) -> Mapping[str, Any]:
        """`gateway_reference` is an id of PhonePe's (order, transaction, refund, dispute), ours, or a client_id."""
        table: dict[str, Callable[..., object]] = {
            "pay": lambda m, found: orders.pay(m, _open(found)),
            "pay_3ds": lambda m, found: orders.pay(m, _open(found), mode="CARD"),
            "decline": lambda m, found, code=orders.DECLINED: orders.decline(m, _open(found), detail=code),
            "fail": lambda m, found, code=orders.DECLINED: orders.fail(m, _open(found), detail=code),
            "cancel": lambda m, found: orders.fail(m, _open(found), detail=orders.CANCELED),
            "pend": lambda m, found: orders.open_attempt(m, _open(found)),
            "expire": lambda m, found: orders.expire(m, _open(found)),
            "authorize": _cannot_authorize,
            "pay_late": _pay_late,
            "pay_short": _pay_short,
            "pay_over": _pay_over,
            "wrong_asset": _wrong_asset,
            "refund": _refund,
            "refund_accept": lambda m, found: orders.accept_refund(m, _open_refund(m, found)),
            "refund_settle": lambda m, found: orders.complete_refund(m, _open_refund(m, found)),
            "refund_fail": lambda m, found, code="BF_034": orders.fail_refund(m, _open_refund(m, found), detail=code),
            "dispute": _dispute,
            "dispute_ask": lambda m, found: orders.move_dispute(m, _dispute_of(m, found), "action_required"),
            "dispute_answer": lambda m, found: orders.move_dispute(m, _dispute_of(m, found), "under_review"),
            "dispute_win": lambda m, found: orders.move_dispute(m, _dispute_of(m, found), "won"),
            "dispute_lose": lambda m, found: orders.move_dispute(m, _dispute_of(m, found), "lost"),
            "payout": lambda m, found: orders.settle(m),
            "refund_mode": _refund_mode,
            "event_form": _event_form,
            "token_seconds": lambda m, found, seconds=4.0: setattr(m, "token_seconds", float(seconds)),
            "revoke_tokens": lambda m, found: m.revoke_tokens(),
            "short_expiry": lambda m, found, seconds=1: setattr(m, "least_expiry", int(seconds)),
            "check_referrer": lambda m, found, on=True: setattr(m, "is_referrer_checked", bool(on)),
            "misdeliver": self._misdeliver,
        }
        if action not in table:
            raise ValueError(f"unknown action {action!r}; known: {', '.join(table)}")
        merchant, found = self._find(gateway_reference)
        try:
            table[action](merchant, found, **details)
        except PhonePeError as error:
            raise ValueError(str(error)) from error
        return _told(merchant, found)

    def _find(self, name: str) -> tuple[Merchant, Found]:
        for account in self.accounts():
            self.merchant_of(account)
        for m in self._merchants.values():
            for order in m.orders.values():
                tried = [one.transaction_id for one in order.attempts]
                if name in (order.order_id, order.merchant_order_id, *tried):
                    return m, order
            for refund in m.refunds.values():
                if name in (refund.refund_id, refund.merchant_refund_id):
                    return m, refund
            if name in m.disputes:
                return m, m.disputes[name]
        for m in self._merchants.values():
            if name == m.client_id:
                return m, None
        raise ValueError(f"no payment {name!r}")

    def _misdeliver(self, m: Merchant, found: Found, kind: str = "wrong_header") -> None:
        """A webhook as it should not be: wrong_header, no_header, or a body that is malformed, empty, repeated_key."""
        if kind not in ("wrong_header", "no_header", *_MALFORMED):
            raise ValueError(f"kind is wrong_header, no_header, {', '.join(_MALFORMED)}")
        name = (m.mode, m.client_id)
        if kind in _MALFORMED:
            self._post(name, _MALFORMED[kind])
            return
        payload = bodies.order(m, _order(found))
        body = json.dumps({"event": "checkout.order.completed", "payload": payload}).encode()
        self._post(name, body, authorization=authorize("nobody", "wrong") if kind == "wrong_header" else "")

    # --- books -----------------------------------------------------------------------------------------------------

    def books(self) -> list[BookLine]:
        return [_line(m, order) for m in self._merchants.values() for order in m.orders.values()]

    # --- pages -----------------------------------------------------------------------------------------------------

    def _order_of_page(self, request: Request) -> tuple[Merchant, Order] | None:
        self.tick()
        token, host = request.query_params.get("token", ""), str(request.scope.get("root_path", ""))
        for m in self._merchants.values():
            for order in m.orders.values():
                if order.page_token == token and host == f"/{PAGE_HOSTS[m.mode]}":
                    return m, order
        return None

    async def _page(self, request: Request) -> Response:
        found = self._order_of_page(request)
        if found is None:
            return HTMLResponse(pages.message("Not found", "There is no such payment."), status_code=404)
        m, order = found
        if order.state != "PENDING":
            return _back(request, order)
        do = await _chosen(request)
        if not do:
            return _shown(request, m, order)
        if do == "card":
            path = f"{PAGE_PATHS[m.mode]}/bank?{request.url.query}"
            return RedirectResponse(self.world.url(PAGE_HOSTS[m.mode], path), status_code=303)
        if do not in ("pay", "pend", "decline", "fail", "cancel"):
            return HTMLResponse(pages.order(order, error="There is no such button."))
        self.act(do, gateway_reference=order.order_id)
        if do == "decline" and not order.is_single_try:
            return HTMLResponse(pages.order(order, error="The payment failed. You may try again."))
        return _back(request, order, word="USER_CANCEL" if do == "cancel" else "CONCLUDED")

    async def _bank(self, request: Request) -> Response:
        """The page with three buttons that the sandbox shows for cards and net banking."""
        found = self._order_of_page(request)
        if found is None or found[1].state != "PENDING":
            return HTMLResponse(pages.message("Not found", "There is nothing to confirm."), status_code=404)
        m, order = found
        do = await _chosen(request)
        if do == "success":
            orders.pay(m, order, mode="CARD")
        elif do == "failure":
            orders.decline(m, order, detail="ZM", mode="CARD")
            path = f"{PAGE_PATHS[m.mode]}?{request.url.query}"
            return RedirectResponse(self.world.url(PAGE_HOSTS[m.mode], path), status_code=303)
        elif do == "pending":
            orders.open_attempt(m, order, mode="CARD")
        else:
            return HTMLResponse(pages.bank(order))
        return _back(request, order)


def authorize(username: str, password: str) -> str:
    """The whole `Authorization` header of every webhook (section 6): SHA-256 of `username:password`, nothing else."""
    return hashlib.sha256(f"{username}:{password}".encode()).hexdigest()


def _name(account: SimulatedAccount) -> tuple[str, str]:
    return account.mode, str(account.credentials.get("client_id"))


def _merchant_id(mode: str, client_id: str) -> str:
    """The same after every start, since the platform may have noted it."""
    return "M" + hashlib.sha256(f"{mode} {client_id}".encode()).hexdigest()[:12].upper()


# --- what an action is about -----------------------------------------------------------------------------------------


def _order(found: Found) -> Order:
    if found is None:
        raise ValueError("this action needs an order")
    return found if isinstance(found, Order) else found.order


def _open(found: Found) -> Order:
    order = _order(found)
    if order.state != "PENDING":
        raise ValueError(f"this order is {order.state}, not PENDING")
    return order


def _open_refund(m: Merchant, found: Found) -> Refund:
    """The refund itself, or the newest of an order that has not ended."""
    known = [found] if isinstance(found, Refund) else m.refunds_of(_order(found))
    waiting = [one for one in known if one.state in ("PENDING", "CONFIRMED")]
    if not waiting:
        raise ValueError("no refund is on its way")
    return waiting[-1]


def _dispute_of(m: Merchant, found: Found) -> Dispute:
    if isinstance(found, Dispute):
        return found
    known = [one for one in m.disputes.values() if one.order is _order(found)]
    if not known:
        raise ValueError("this order has no dispute")
    return known[-1]


# --- actions that take more than a line ------------------------------------------------------------------------------


def _cannot_authorize(m: Merchant, found: Found) -> None:
    raise ValueError("Standard Checkout holds no money: a completed order is captured")


def _pay_late(m: Merchant, found: Found) -> None:
    """The bank's answer arrives after PhonePe gave the order up; an open order expires first."""
    order = _order(found)
    if order.state == "PENDING":
        orders.expire(m, order)
    if order.state != "FAILED":
        raise ValueError(f"this order is {order.state}; it is not too late")
    orders.pay(m, order)


def _pay_short(m: Merchant, found: Found, amount: Any = None) -> None:
    order = _open(found)
    wanted = order.amount // 2 if amount in (None, "") else int(amount)
    if not 0 < wanted < order.amount:
        raise ValueError(f"{wanted} is not short of {order.amount}")
    order.amount = wanted
    orders.pay(m, order)


def _pay_over(m: Merchant, found: Found, amount: Any = None) -> None:
    order = _open(found)
    wanted = order.amount + order.amount // 10 if amount in (None, "") else int(amount)
    if wanted <= order.amount:
        raise ValueError(f"{wanted} is not more than {order.amount}")
    order.amount = wanted
    orders.pay(m, order)


def _wrong_asset(m: Merchant, found: Found, asset: str = "USD") -> None:
    order = _open(found)
    order.currency = asset
    orders.pay(m, order)


def _refund(m: Merchant, found: Found, amount: Any = None) -> None:
    """Made in the dashboard, under an id that we never gave."""
    order = _order(found)
    wanted = m.left_of(order) if amount in (None, "") else int(amount)
    if wanted <= 0:
        raise ValueError("nothing is left to refund")
    orders.refund(m, order, merchant_refund_id=new_id("DASH", m.now()), amount=wanted)


def _dispute(m: Merchant, found: Found, amount: Any = None) -> None:
    order = _order(found)
    if order.state != "COMPLETED":
        raise ValueError(f"this order is {order.state}; nobody paid")
    orders.open_dispute(m, order, amount=order.amount if amount in (None, "") else int(amount))


def _refund_mode(m: Merchant, found: Found, mode: str = "hold") -> None:
    """Of the refunds to come: settle (a moment later), hold (until told), fail (a moment later)."""
    if mode not in REFUND_MODES:
        raise ValueError(f"mode is one of {', '.join(REFUND_MODES)}")
    m.refund_mode = mode


def _event_form(m: Merchant, found: Found, form: str = "both") -> None:
    """Which names webhooks carry: `event`, the deprecated `type`, or both."""
    if form not in EVENT_FORMS:
        raise ValueError(f"form is one of {', '.join(EVENT_FORMS)}")
    m.event_form = form


def _told(m: Merchant, found: Found) -> Mapping[str, Any]:
    if found is None:
        return {"client_id": m.client_id, "mode": m.mode}
    order = _order(found)
    told: Json = {"order_id": order.order_id, "state": order.state, "amount": order.amount}
    refunds = m.refunds_of(order)
    if refunds:
        told |= {"refund_id": refunds[-1].refund_id, "refund_state": refunds[-1].state}
    disputes = [one for one in m.disputes.values() if one.order is order]
    return {**told, "dispute_id": disputes[-1].dispute_id} if disputes else told


def _line(m: Merchant, order: Order) -> BookLine:
    given = sum(one.amount for one in m.refunds_of(order) if one.state == "COMPLETED")
    return BookLine(
        gateway_reference=order.order_id,
        reference=order.merchant_order_id,
        asset=order.currency,
        captured=Decimal(order.captured).scaleb(-2),
        refunded=Decimal(given).scaleb(-2),
        status=order.state,
        mode=m.mode,
    )


# --- requests ----------------------------------------------------------------------------------------------------------


def _shown(request: Request, m: Merchant, order: Order) -> Response:
    if m.is_referrer_checked and not request.headers.get("referer"):
        # A new tab or a no-referrer policy: the site that sends the customer cannot be told from any other.
        orders.fail(m, order, detail=orders.BLOCKED)
        return HTMLResponse(pages.message("Blocked", orders.BLOCKED), status_code=403)
    return HTMLResponse(pages.order(order, error=None))


def _back(request: Request, order: Order, *, word: str = "CONCLUDED") -> Response:
    """By GET and without parameters: nothing is signed, nothing is said."""
    if request.query_params.get("frame"):
        return HTMLResponse(pages.concluded(word))
    return RedirectResponse(order.redirect_url, status_code=303)


async def _script(request: Request) -> Response:
    return Response(pages.CHECKOUT_JS, media_type="application/javascript")


async def _chosen(request: Request) -> str:
    if request.method != "POST":
        return ""
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"))).get("do", "")
