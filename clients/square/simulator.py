"""A faithful local fake of Square: its API, the page of a payment link, its signed webhooks.

Written from the protocol page, never from the client beside it; it shares no code with it. The API is in
`simulator_api`, the states in `simulator_payments` and `simulator_aftercare`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from clients.square import simulator_aftercare as aftercare
from clients.square import simulator_pages as pages
from clients.square import simulator_payments as payments
from clients.square.simulator_api import Api
from clients.square.simulator_seller import Seller
from clients.square.simulator_wire import COUNTRIES, Json, SquareError, iso, to_major
from core.gateways.simulating import BookLine, GatewaySimulator, SimulatedAccount, World

_DECLINED = "GENERIC_DECLINE"
_VERIFICATION = "CARD_DECLINED_VERIFICATION_REQUIRED"
_DECLINES = {"decline": _DECLINED, "decline_funds": "INSUFFICIENT_FUNDS"}


class SquareSimulator(GatewaySimulator):
    """Amounts in `act` (amount=...) are minor units. A location takes USD unless its account is registered with another
    `currency` (beside the credentials), or `set_currency` changes it.
    """

    slug: ClassVar[str] = "square"
    hosts: ClassVar[tuple[str, ...]] = (
        "connect.squareup.com",
        "connect.squareupsandbox.com",
        "square.link",
        "sandbox.square.link",
        "checkout.square.site",
        "web.squarecdn.com",
        "sandbox.web.squarecdn.com",
    )
    retry_seconds: ClassVar[tuple[float, ...]] = (1.0, 2.0, 4.0, 8.0, 16.0)
    primary_credential: ClassVar[str] = "location_id"
    actions: ClassVar[tuple[str, ...]] = (
        "pay",
        "decline",
        "delete",
        "pay_late",
        "pay_short",
        "pay_over",
        "pay_twice",
        "refund",
        "refund_settle",
        "refund_fail",
        "dispute",
        "dispute_win",
        "dispute_lose",
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._sellers: dict[tuple[str, str], Seller] = {}
        self._api = Api(self)

    def routes(self) -> list[Any]:
        return [
            Route("/u/{code}", self._link_page, methods=["GET", "POST"]),
            Route("/u/{code}/bank", self._bank_page, methods=["GET", "POST"]),
            Route("/v1/square.js", _script, methods=["GET"]),
            *self._api.routes(),
        ]

    def tick(self) -> None:
        for seller in self._sellers.values():
            seller.tick()

    def reset(self) -> None:
        self._sellers.clear()

    # --- what the API needs ----------------------------------------------------------------------------------------

    def accounts(self) -> list[SimulatedAccount]:
        return list(self.world.accounts(self.slug))

    def seller_of(self, account: SimulatedAccount) -> Seller:
        name = account.mode, str(account.credentials.get("location_id"))
        if name not in self._sellers:
            seller = self._sellers[name] = self._new_seller(name, account)
            seller.completed = lambda payment: aftercare.dispute_by_amount(seller, payment)
            host = "square.link" if account.mode == "live" else "sandbox.square.link"
            seller.link_url = lambda code: self.world.url(host, f"/u/{code}")
        return self._sellers[name]

    def _new_seller(self, name: tuple[str, str], account: SimulatedAccount) -> Seller:
        given = account.credentials
        application = "sq0idp-simulated" if account.mode == "live" else "sandbox-sq0idb-simulated"
        return Seller(
            mode=account.mode,
            location_id=name[1],
            merchant_id=str(given.get("merchant_id") or _merchant_id(*name)),
            application_id=str(given.get("application_id") or application),
            currency=_currency(str(given.get("currency") or "USD")),
            now=self.world.now,
            send=lambda event: self._send(name, event),
        )

    # --- webhooks --------------------------------------------------------------------------------------------------

    def _send(self, name: tuple[str, str], event: Json) -> None:
        # Looked up at this moment: address and key may have been changed since the payment began.
        found = [one for one in self.accounts() if (one.mode, str(one.credentials.get("location_id"))) == name]
        if not found:
            return
        account, tries, first = found[-1], iter(range(1000)), iso(self.world.now())
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()

        def headers() -> Mapping[str, str]:
            """Signed alike each time; a retry says that it is one."""
            number = next(tries)
            again = {"square-retry-number": str(number), "square-retry-reason": "http_error"} if number else {}
            return _headers(account, body, first) | again

        self.world.deliver(self.slug, url=account.webhook_url, headers=headers(), body=body, resign=headers)

    # --- acting ----------------------------------------------------------------------------------------------------

    def act(self, action: str, *, gateway_reference: str, **details: Any) -> Mapping[str, Any]:
        """`gateway_reference` is an id of Square's (link, order, payment, refund, dispute, card, location) or ours."""
        table: dict[str, Callable[..., object]] = {
            "pay": self._pay,
            "pay_3ds": self._pay,
            "authorize": self._authorize,
            "decline": self._decline,
            "pay_3ds_fail": lambda s, found: self._decline(s, found, code=_VERIFICATION),
            "close": lambda s, found: None,  # the customer leaves; Square tells nobody
            "cancel": self._cancel,
            "complete": lambda s, found: payments.complete(s, _held(s, found)),
            "expire": self._expire,
            "delete": lambda s, found: payments.delete_link(s, _link(s, found)),
            "pay_late": self._pay_late,
            "pay_twice": self._pay_twice,
            "pay_short": self._pay_short,
            "pay_over": self._pay_over,
            "pay_tip": lambda s, found, amount=100: payments.pay_link(s, _open_order(s, found), tip=int(amount)),
            "settle": lambda s, found: payments.settle(s, _payment(s, found)),
            "settle_fail": lambda s, found: payments.settle(s, _payment(s, found), is_success=False),
            "refund": self._refund,
            "refund_settle": lambda s, found: aftercare.end_refund(s, _refund(s, found), "COMPLETED"),
            "refund_reject": lambda s, found: aftercare.end_refund(s, _refund(s, found), "REJECTED"),
            "refund_fail": lambda s, found: aftercare.end_refund(s, _refund(s, found), "FAILED"),
            "refund_mode": self._refund_mode,
            "refuse_next_refund": self._refuse_next_refund,
            "dispute": self._dispute,
            "dispute_escalate": lambda s, found: aftercare.move_dispute(s, _dispute(s, found), "EVIDENCE_REQUIRED"),
            "dispute_answer": lambda s, found: aftercare.move_dispute(s, _dispute(s, found), "PROCESSING"),
            "dispute_win": lambda s, found: aftercare.win_dispute(s, _dispute(s, found)),
            "dispute_lose": lambda s, found: aftercare.move_dispute(s, _dispute(s, found), "LOST"),
            "next_charge": self._next_charge,
            "risk": self._risk,
            "payout": lambda s, found: aftercare.pay_out(s),
            "payout_fail": lambda s, found: aftercare.pay_out(s, will_fail=True),
            "set_currency": self._set_currency,
            "test_webhook": lambda s, found: s.send_event(
                "webhooks.test_notification", {"type": "webhooks", "id": "t"}
            ),
        }
        if action not in table:
            raise ValueError(f"unknown action {action!r}; known: {', '.join(table)}")
        seller, found = self._find(gateway_reference)
        try:
            table[action](seller, found, **details)
        except SquareError as error:
            raise ValueError(str(error)) from error
        return _told(seller, found)

    def _find(self, name: str) -> tuple[Seller, Json]:
        """By id, else the newest order or payment with our reference; a location by its id."""
        for account in self.accounts():
            self.seller_of(account)
        for seller in self._sellers.values():
            for kind in seller.objects.values():
                if name in kind:
                    return seller, kind[name]
            for one in (*seller.all("order"), *seller.all("payment")):
                if name and one.get("reference_id") == name:
                    return seller, one
            deleted = [one for one in seller.all("order") if name and seller.hidden[one["id"]].get("link") == name]
            if deleted or name == seller.location_id:
                return seller, deleted[0] if deleted else {"id": name}
        raise ValueError(f"no payment {name!r}")

    def _pay(self, s: Seller, found: Json) -> None:
        payments.pay_link(s, _open_order(s, found))

    def _authorize(self, s: Seller, found: Json) -> None:
        if not s.hidden[found["id"]].get("is_direct"):
            raise ValueError("payment links always charge; only direct payments are held")
        _held(s, found)

    def _decline(self, s: Seller, found: Json, code: str = _DECLINED) -> None:
        payments.decline_link(s, _open_order(s, found), code)

    def _cancel(self, s: Seller, found: Json) -> None:
        """The seller voids a held payment; a customer who leaves a link changes nothing."""
        if s.hidden[found["id"]].get("is_direct"):
            payments.cancel(s, _held(s, found))

    def _expire(self, s: Seller, found: Json) -> None:
        if not s.hidden[found["id"]].get("is_direct"):
            raise ValueError("links do not expire by themselves: they live until they are paid or deleted")
        payments.lapse(s, found)

    def _pay_late(self, s: Seller, found: Json) -> None:
        """The customer still had the page open when the link was deleted; an open link is deleted first."""
        order = _order(s, found)
        if not s.hidden[order["id"]].get("is_deleted"):
            payments.delete_link(s, _link(s, order))
        payments.pay_link(s, order)

    def _pay_twice(self, s: Seller, found: Json) -> None:
        payments.pay_link(s, _open_order(s, found))
        payments.pay_link(s, _order(s, found))

    def _pay_short(self, s: Seller, found: Json, amount: Any = None) -> None:
        """Less is approved than asked for, as by a gift card."""
        order = _open_order(s, found)
        total = order["total_money"]["amount"]
        payments.pay_link(s, order, approved=total // 2 if amount in (None, "") else int(amount))

    def _pay_over(self, s: Seller, found: Json, amount: Any = None) -> None:
        """The seller's own settings added something: shipping, a service charge."""
        order = _open_order(s, found)
        total = order["total_money"]["amount"]
        payments.pay_link(s, order, extra=max(1, total // 10) if amount in (None, "") else int(amount) - total)

    def _refund(self, s: Seller, found: Json, amount: Any = None) -> None:
        """Made in the seller's dashboard."""
        payment = _payment(s, found)
        left = payment["amount_money"]["amount"] - payment.get("refunded_money", {}).get("amount", 0)
        wanted = {"amount": left if amount in (None, "") else int(amount), "currency": s.currency}
        aftercare.refund(s, {"payment_id": payment["id"], "amount_money": wanted})

    def _refund_mode(self, s: Seller, found: Json, mode: str = "hold") -> None:
        """Of the refunds to come: pending (settle a moment later) or hold (until told)."""
        if mode not in aftercare.REFUND_MODES:
            raise ValueError(f"mode is one of {', '.join(aftercare.REFUND_MODES)}")
        s.refund_mode = mode

    def _refuse_next_refund(self, s: Seller, found: Json, code: str = "REFUND_DECLINED") -> None:
        s.hidden[_payment(s, found)["id"]]["next_refund"] = code

    def _dispute(
        self, s: Seller, found: Json, amount: Any = None, reason: str = "NOT_RECEIVED", inquiry: bool = False
    ) -> None:
        wanted = None if amount in (None, "") else int(amount)
        aftercare.open_dispute(s, _payment(s, found), amount=wanted, reason=reason, is_inquiry=bool(inquiry))

    def _next_charge(self, s: Seller, found: Json, code: str = _DECLINED) -> None:
        """What the next charge of a card on file comes to."""
        if not found["id"].startswith("ccof:") or code not in payments.DECLINES:
            raise ValueError(f"name a card, and a code of {', '.join(payments.DECLINES)}")
        s.hidden[found["id"]].setdefault("next", []).append(code)

    def _risk(self, s: Seller, found: Json, level: str = "HIGH") -> None:
        """Of the payments to come."""
        if level not in ("PENDING", "NORMAL", "MODERATE", "HIGH"):
            raise ValueError("level is PENDING, NORMAL, MODERATE or HIGH")
        s.risk_level = level

    def _set_currency(self, s: Seller, found: Json, currency: str = "USD") -> None:
        s.currency = _currency(currency)

    # --- books -----------------------------------------------------------------------------------------------------

    def books(self) -> list[BookLine]:
        """One line an order of a link, and one a direct payment without such an order."""
        lines = []
        for s in self._sellers.values():
            orders = s.objects.get("order", {})
            lines += [_line(s, one, payments.payments_of(s, one)) for one in orders.values()]
            direct = s.objects.get("payment", {}).values()
            lines += [_line(s, one, [one]) for one in direct if one["order_id"] not in orders]
        return lines

    # --- pages -----------------------------------------------------------------------------------------------------

    def _order_of_code(self, request: Request) -> tuple[Seller, Json] | None:
        self.tick()
        for s in self._sellers.values():
            for order in s.all("order"):
                if s.hidden[order["id"]].get("code") == request.path_params["code"]:
                    return s, order
        return None

    async def _link_page(self, request: Request) -> Response:
        found = self._order_of_code(request)
        if found is None or found[0].hidden[found[1]["id"]].get("is_deleted"):
            return HTMLResponse(pages.message("Not found", "This link is no longer available."), status_code=404)
        s, order = found
        if payments.is_paid(s, order):  # Unconfirmed: that a paid link is not available any more
            return HTMLResponse(pages.message("Paid", "This link was paid already."))
        options = _link(s, order).get("checkout_options", {})
        do = await _chosen(request)
        if not do:
            return HTMLResponse(pages.link(order, options, error=None))
        if do == "close":
            return HTMLResponse(pages.message("Closed", "You may close this page."))
        if do == "pay_3ds":
            return RedirectResponse(f"{s.link_url(request.path_params['code'])}/bank", status_code=303)
        if do in _DECLINES:
            payments.decline_link(s, order, _DECLINES[do])
            return HTMLResponse(pages.link(order, options, error=payments.DECLINES[_DECLINES[do]]))
        if do not in ("pay", "pay_tip") or (do == "pay_tip" and not options.get("allow_tipping")):
            return HTMLResponse(pages.link(order, options, error="There is no such button."))
        payment = payments.pay_link(s, order, tip=100 if do == "pay_tip" else 0)
        return _sent_back(s, options, payment)

    async def _bank_page(self, request: Request) -> Response:
        found = self._order_of_code(request)
        if found is None or payments.is_paid(*found) or found[0].hidden[found[1]["id"]].get("is_deleted"):
            return HTMLResponse(pages.message("Not found", "There is nothing to verify."), status_code=404)
        s, order = found
        options = _link(s, order).get("checkout_options", {})
        do = await _chosen(request)
        if do == "success":
            return _sent_back(s, options, payments.pay_link(s, order))
        if do == "failure":
            payments.decline_link(s, order, _VERIFICATION)
            return RedirectResponse(s.link_url(request.path_params["code"]), status_code=303)
        return HTMLResponse(pages.bank(order))


def sign(body: bytes, *, key: str, url: str) -> str:
    """`x-square-hmacsha256-signature` (section 6): the registered address and the raw body, under the key as text."""
    return base64.b64encode(hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()).decode()


def _headers(account: SimulatedAccount, body: bytes, first: str) -> dict[str, str]:
    url = str(account.credentials.get("notification_url") or account.webhook_url)
    key = str(account.credentials.get("webhook_signature_key") or "")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Square Connect v2 (simulated)",
        "square-environment": "Production" if account.mode == "live" else "Sandbox",
        "square-initial-delivery-timestamp": first,
    }
    if key:
        legacy = hmac.new(key.encode(), url.encode() + body, hashlib.sha1).digest()
        headers["x-square-signature"] = base64.b64encode(legacy).decode()
        headers["x-square-hmacsha256-signature"] = sign(body, key=key, url=url)
    return headers


def _merchant_id(mode: str, location_id: str) -> str:
    """The same after every start, since the platform may have noted it."""
    return "ML" + hashlib.sha256(f"{mode} {location_id}".encode()).hexdigest()[:11].upper()


def _currency(code: str) -> str:
    if code not in COUNTRIES:
        raise ValueError(f"Square takes {', '.join(COUNTRIES)}")
    return code


def _order(s: Seller, found: Json) -> Json:
    """The order of a link, of an order's own name or of a payment."""
    orders = s.objects.get("order", {})
    name = found["id"] if found["id"] in orders else found.get("order_id", "")
    if name not in orders:
        raise ValueError("this has no payment link")
    return orders[name]


def _open_order(s: Seller, found: Json) -> Json:
    order = _order(s, found)
    if s.hidden[order["id"]].get("is_deleted"):
        raise ValueError("this payment link was deleted; use pay_late")
    if payments.is_paid(s, order):
        raise ValueError("this payment link was paid already")
    return order


def _link(s: Seller, found: Json) -> Json:
    link = s.objects.get("payment_link", {}).get(s.hidden[_order(s, found)["id"]]["link"])
    if link is None:
        raise ValueError("this payment link was deleted")
    return link


def _payment(s: Seller, found: Json) -> Json:
    """The payment itself, the one of a refund or dispute, or of an order: a completed one before the newest."""
    known = s.objects.get("payment", {})
    name = found.get("payment_id") or found.get("disputed_payment", {}).get("payment_id") or found["id"]
    if name in known:
        return known[name]
    tried = payments.payments_of(s, _order(s, found))
    if not tried:
        raise ValueError("nobody tried to pay this yet")
    return next((one for one in tried if one["status"] == "COMPLETED"), tried[0])


def _held(s: Seller, found: Json) -> Json:
    payment = _payment(s, found)
    if payment["status"] != "APPROVED":
        raise ValueError(f"this payment is {payment['status']}, nothing is held")
    return payment


def _refund(s: Seller, found: Json) -> Json:
    if found["id"] in s.objects.get("refund", {}):
        return found
    name = _payment(s, found)["id"]
    newest = next((one for one in s.all("refund") if one["payment_id"] == name), None)
    if newest is None:
        raise ValueError("this payment has no refund")
    return newest


def _dispute(s: Seller, found: Json) -> Json:
    if found["id"] in s.objects.get("dispute", {}):
        return found
    name = _payment(s, found)["id"]
    newest = next((one for one in s.all("dispute") if one["disputed_payment"]["payment_id"] == name), None)
    if newest is None:
        raise ValueError("this payment has no dispute")
    return newest


def _told(s: Seller, found: Json) -> Mapping[str, Any]:
    told: Json = {"id": found["id"], "status": found.get("status") or found.get("state")}
    if found["id"] in s.objects.get("order", {}) or found.get("order_id") in s.objects.get("order", {}):
        order = _order(s, found)
        told |= {"order_id": order["id"], "order_state": order["state"], "link": s.hidden[order["id"]].get("link")}
        tried = payments.payments_of(s, order)
        told |= {"payment_id": tried[0]["id"], "payment_status": tried[0]["status"]} if tried else {}
    return told


def _line(s: Seller, one: Json, paid: list[Json]) -> BookLine:
    names = {payment["id"] for payment in paid}
    given = [row for row in s.all("refund") if row["payment_id"] in names and row["status"] == "COMPLETED"]
    currency = (one.get("total_money") or one["amount_money"])["currency"]
    best = next((payment for payment in paid if payment["status"] == "COMPLETED"), None)
    return BookLine(
        gateway_reference=one["id"],
        reference=one.get("reference_id"),
        asset=currency,
        captured=to_major(sum(payments.captured_of(payment) for payment in paid), currency),
        refunded=to_major(sum(row["amount_money"]["amount"] for row in given), currency),
        status=best["status"] if best is not None else one.get("status") or one["state"],
        mode=s.mode,
    )


def _sent_back(s: Seller, options: Json, payment: Json) -> Response:
    """Live adds parameters, the sandbox none; nothing is signed. Unconfirmed: which parameters."""
    url = options.get("redirect_url")
    if not url:
        return HTMLResponse(pages.message("Thank you", f"Receipt {payment['receipt_number']}."))
    if s.mode == "live":
        query = urlencode({"transactionId": payment["id"], "orderId": payment["order_id"]})
        url = f"{url}{'&' if '?' in url else '?'}{query}"
    return RedirectResponse(url, status_code=303)


async def _script(request: Request) -> Response:
    return Response(pages.SQUARE_JS, media_type="application/javascript")


async def _chosen(request: Request) -> str:
    if request.method != "POST":
        return ""
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"))).get("do", "")
