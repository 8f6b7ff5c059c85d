"""A faithful local fake of PesoPay: its hosted page, its datafeed with the secure hash, its merchant API.

Written from the protocol page, never from the client beside it; it shares no code with it. The states are in
`simulator_merchant`. A payment begins when a browser (or a test) posts the form to payForm.jsp, as with the real one.
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final
from urllib.parse import quote, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from clients.pesopay import simulator_api as api
from clients.pesopay import simulator_pages as pages
from clients.pesopay.simulator_acting import ACTIONS, is_paid, rank, ready, shown, tries
from clients.pesopay.simulator_merchant import Attempt, Merchant, Page, letters_of
from clients.pesopay.simulator_wire import (
    CURRENCIES,
    LANGUAGES,
    PesoPayError,
    all_hosts,
    amount_of,
    feed_hash,
    place_of,
    read_form,
    refusal,
    request_hash,
)
from core.gateways.simulating import BookLine, GatewaySimulator, SimulatedAccount, World

_NEEDED: Final = "merchantId orderRef currCode amount payType lang successUrl failUrl cancelUrl payMethod".split()
_FIRST_NUMBER: Final = 1_700_000_000  # seconds; keeps the numbers made from the clock at ten digits


class PesoPaySimulator(GatewaySimulator):
    """Amounts in `act` (amount=...) are minor units of a two-decimal currency. An account's `webhook_url` is its
    datafeed address. A feed whose page does not answer 2xx is lost, as the guide says; `resend` sends it again.
    Unlike the real one it does not look for the word OK in the answer: the host that sends does not keep bodies.
    """

    slug: ClassVar[str] = "pesopay"
    hosts: ClassVar[tuple[str, ...]] = all_hosts()
    retry_seconds: ClassVar[tuple[float, ...]] = ()
    primary_credential: ClassVar[str] = "merchant_id"
    actions: ClassVar[tuple[str, ...]] = (
        "pay",
        "decline",
        "wallet",
        "settle",
        "cancel",
        "pay_late",
        "pay_twice",
        "fail_after_pay",
        "refund",
        "refund_settle",
        "refund_fail",
        "dispute",
        "dispute_win",
        "settle_batch",
        "resend",
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._merchants: dict[tuple[str, str], Merchant] = {}
        self._last_number = 0

    def routes(self) -> list[Any]:
        return [
            Route("/{prefix}/eng/payment/payForm.jsp", self._pay_form, methods=["POST"]),
            Route("/{prefix}/eng/payment/page/{page}", self._page, methods=["GET", "POST"]),
            Route("/{prefix}/eng/payment/page/{page}/bank", self._bank, methods=["GET", "POST"]),
            Route("/{prefix}/eng/merchant/api/orderApi.jsp", self._order_api, methods=["POST"]),
        ]

    def tick(self) -> None:
        for merchant in self._merchants.values():
            merchant.tick()

    def reset(self) -> None:
        self._merchants.clear()

    # --- accounts --------------------------------------------------------------------------------------------------

    def _account(self, mode: str, merchant_id: str, brand: str | None = None) -> SimulatedAccount | None:
        for account in reversed(self.world.accounts(self.slug)):
            is_same = _name(account) == (mode, merchant_id)
            if is_same and brand in (None, account.credentials.get("brand") or "pesopay"):
                return account
        return None

    def _merchant_of(self, account: SimulatedAccount) -> Merchant:
        name = _name(account)
        if name not in self._merchants:
            merchant = self._merchants[name] = Merchant(
                mode=name[0], merchant_id=name[1], now=self.world.now, number=self._number
            )
            merchant.has_online_refund = account.credentials.get("refund_action") == "OnlineRefund"
            merchant.feed = lambda fields: self._send(merchant, fields)
        return self._merchants[name]

    def _number(self) -> str:
        """A PayRef: from the true clock, so that a new start repeats none."""
        self._last_number = max(self._last_number + 1, int((time.time() - _FIRST_NUMBER) * 100))
        return str(self._last_number)

    def _place(self, request: Request) -> tuple[str, str, str] | None:
        """Mode, brand and host, None where the path is not of this host."""
        host = str(request.scope.get("root_path", "")).strip("/")
        mode, brand, prefix = place_of(host)
        return (mode, brand, host) if request.path_params["prefix"] == prefix else None

    # --- datafeed --------------------------------------------------------------------------------------------------

    def _send(self, merchant: Merchant, fields: dict[str, str]) -> None:
        # Looked up at this moment: address, secret and function may have been changed since the payment began.
        account = self._account(merchant.mode, merchant.merchant_id)
        if account is None:
            return
        changed, merchant.next_feed = merchant.next_feed, {}
        hashing = changed.pop("hash", "")
        fields = fields | changed
        if hashing != "missing" and (made := _hashes(account, merchant, fields)):
            fields["secureHash"] = "0" * len(made) if hashing == "corrupt" else made
        headers = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "PayDollar (simulated)"}
        self.world.deliver(self.slug, url=account.webhook_url, headers=headers, body=urlencode(fields).encode())

    # --- hosted page -----------------------------------------------------------------------------------------------

    async def _pay_form(self, request: Request) -> Response:
        place = self._place(request)
        if place is None:
            return HTMLResponse(pages.message("Not found", "There is no such page on this host."), status_code=404)
        self.tick()
        fields = read_form(await request.body())
        try:
            account = self._account(place[0], fields.get("merchantId", ""), place[1])
            if account is None:
                raise PesoPayError("Parameter Merchant Id Incorrect")
            merchant = self._merchant_of(account)
            _check_form(account, fields)
            page = Page(name=secrets.token_hex(16), fields=fields, opened_at=self.world.now())
            merchant.refuse_reuse(page)
        except PesoPayError as error:
            return HTMLResponse(pages.message("Error", f"{error} (prc {error.prc}, src {error.src})"))
        merchant.pages[page.name] = page
        return HTMLResponse(pages.payment(page, url=self._url(place[2], page)))

    def _url(self, host: str, page: Page) -> str:
        return self.world.url(host, f"/{place_of(host)[2]}/eng/payment/page/{page.name}")

    def _of_page(self, request: Request) -> tuple[Merchant, Page, str] | None:
        """An opened page that nobody paid on yet, with its address."""
        self.tick()
        place = self._place(request)
        for merchant in self._merchants.values():
            page = merchant.pages.get(request.path_params["page"])
            if place is not None and page is not None and not is_paid(merchant, page):
                return merchant, page, self._url(place[2], page)
        return None

    async def _page(self, request: Request) -> Response:
        found = self._of_page(request)
        if found is None:
            return HTMLResponse(pages.message("Not found", "This page is used."), status_code=404)
        merchant, page, url = found
        do = read_form(await request.body()).get("do", "") if request.method == "POST" else ""
        try:
            merchant.refuse_reuse(page)
        except PesoPayError as error:
            return HTMLResponse(pages.message("Error", f"{error} (prc {error.prc}, src {error.src})"))
        return _pressed(merchant, page, url, do)

    async def _bank(self, request: Request) -> Response:
        found = self._of_page(request)
        waiting = [one for one in tries(*found[:2]) if one.status == "Pending_3D"] if found is not None else []
        if found is None or not waiting:
            return HTMLResponse(pages.message("Not found", "There is nothing to verify."), status_code=404)
        merchant, page, url = found
        do = read_form(await request.body()).get("do", "") if request.method == "POST" else ""
        if do == "success":
            merchant.succeed(waiting[-1])
            return _back(page, "successUrl")
        if do == "failure":
            merchant.fail(waiting[-1], prc="3", src="1", payer_auth="N")
            return _back(page, "failUrl")
        return HTMLResponse(pages.bank(page, url=url + "/bank"))

    # --- merchant API ----------------------------------------------------------------------------------------------

    async def _order_api(self, request: Request) -> Response:
        place = self._place(request)
        if place is None:
            return HTMLResponse(pages.message("Not found", "There is no such page on this host."), status_code=404)
        self.tick()
        fields = read_form(await request.body())
        try:
            merchant = self._merchant_of(self._authenticated(place, fields))
            action = fields.get("actionType", "")
            if action == "Query":
                return api.queried(merchant, fields)
            if action not in api.ACTIONS:
                raise PesoPayError("Parameter actionType Incorrect")
            one = merchant.attempts.get(fields.get("payRef", ""))
            if one is None:
                raise PesoPayError("Parameter Payment Reference Number Incorrect")
            return api.ACTIONS[action](merchant, one, fields)
        except PesoPayError as error:
            return refusal(str(error))

    def _authenticated(self, place: tuple[str, str, str], fields: Mapping[str, str]) -> SimulatedAccount:
        account = self._account(place[0], fields.get("merchantId", ""), place[1])
        if account is None:
            raise PesoPayError("Parameter Merchant Id Incorrect")
        for ours, theirs in (("login_id", "loginId"), ("password", "password")):
            known = str(account.credentials.get(ours) or "").encode()
            if not known or not hmac.compare_digest(known, fields.get(theirs, "").encode()):
                raise PesoPayError("Authentication Failed")
        return account

    # --- acting ----------------------------------------------------------------------------------------------------

    def act(self, action: str, *, gateway_reference: str, **details: Any) -> Mapping[str, Any]:
        """`gateway_reference` is a PayRef, our orderRef, or a merchant id for its settings."""
        if action not in ACTIONS:
            raise ValueError(f"unknown action {action!r}; known: {', '.join(ACTIONS)}")
        self.tick()
        merchant, found = self._find(gateway_reference)
        try:
            ACTIONS[action](merchant, found, **details)
        except PesoPayError as error:
            raise ValueError(str(error)) from error
        return shown(merchant, found)

    def _find(self, name: str) -> tuple[Merchant, Page | Attempt | None]:
        """By PayRef, else by orderRef: the page that was used, before the newest that was not."""
        every = [self._merchant_of(account) for account in self.world.accounts(self.slug)]
        for merchant in every:
            if name in merchant.attempts:
                return merchant, merchant.attempts[name]
            tried = merchant.of_reference(name)
            opened = [page for page in merchant.pages.values() if page.reference == name]
            if name and (tried or opened):
                return merchant, tried[0].page if tried else opened[-1]
        for merchant in every:
            if name == merchant.merchant_id or (not name and len(every) == 1):
                return merchant, None
        raise ValueError(f"no payment {name!r}: the customer's browser has to post the form first")

    # --- books -----------------------------------------------------------------------------------------------------

    def books(self) -> list[BookLine]:
        """One line an orderRef, opened pages without any attempt included."""
        lines = []
        for merchant in self._merchants.values():
            newest = {page.reference: page for page in merchant.pages.values()}
            lines += [_line(merchant, page) for page in newest.values()]
        return lines


def _name(account: SimulatedAccount) -> tuple[str, str]:
    return account.mode, str(account.credentials.get("merchant_id"))


def _hashes(account: SimulatedAccount, merchant: Merchant, fields: Mapping[str, str]) -> str:
    """A comma list where two secrets are in use, the current one last; empty where the account has no secure hash."""
    function = str(account.credentials.get("secure_hash_function") or "sha1")
    current = str(account.credentials.get("secure_hash_secret") or "").strip()
    made = [one for one in (merchant.other_secret, current) if one]
    return ",".join(feed_hash(fields, secret=one, function=function) for one in made)


# --- the form ------------------------------------------------------------------------------------------------------


def _check_form(account: SimulatedAccount, fields: Mapping[str, str]) -> None:
    for name in _NEEDED:
        if not fields.get(name):
            raise PesoPayError(f"Parameter {name} Incorrect", src="2008" if name == "orderRef" else "-1")
    if len(fields["orderRef"]) > 35 or "|" in fields["orderRef"]:
        raise PesoPayError("Parameter orderRef Incorrect")
    if fields["currCode"] not in CURRENCIES:
        raise PesoPayError("Parameter currCode Incorrect")
    only = account.credentials.get("account_currency")
    if only and CURRENCIES[fields["currCode"]] != only:
        raise PesoPayError("The currency is not supported by this merchant")
    amount_of(fields["amount"])
    if fields["payType"] not in ("N", "H") or fields["lang"] not in LANGUAGES:
        raise PesoPayError("Parameter payType or lang Incorrect")
    for name in ("successUrl", "failUrl", "cancelUrl"):
        if urlsplit(fields[name]).scheme not in ("http", "https"):
            raise PesoPayError(f"Parameter {name} Incorrect")
    secret = str(account.credentials.get("secure_hash_secret") or "").strip()
    function = str(account.credentials.get("secure_hash_function") or "sha1")
    expected = request_hash(fields, secret=secret, function=function).encode()
    if secret and not hmac.compare_digest(expected, fields.get("secureHash", "").encode()):
        raise PesoPayError("Invalid secure hash")


# --- the page ------------------------------------------------------------------------------------------------------


def _pressed(merchant: Merchant, page: Page, url: str, do: str) -> Response:
    if do == "pay":
        merchant.succeed(ready(merchant, page))
        return _back(page, "successUrl")
    if do == "pay_3ds":
        merchant.begin(page, "Pending_3D")
        return RedirectResponse(url + "/bank", status_code=303)
    if do == "wallet":
        merchant.begin(page, "Pending", method="GCash")
        return _back(page, "successUrl")
    if do in ("decline", "decline_retry"):
        merchant.fail(merchant.begin(page, "Pending"))
        if do == "decline":
            return _back(page, "failUrl")
        return HTMLResponse(pages.payment(page, url=url, error="The card was declined. Try another one."))
    if do == "cancel":
        page.left = "cancelled"
        return _back(page, "cancelUrl")
    if do == "abandon":
        page.left = "abandoned"
        return HTMLResponse(pages.message("Closed", "You may close this page."))
    return HTMLResponse(pages.payment(page, url=url))


def _back(page: Page, name: str) -> Response:
    """Ref and nothing else, unsigned (section 7)."""
    url = page.fields[name]
    return RedirectResponse(f"{url}{'&' if '?' in url else '?'}Ref={quote(page.reference)}", status_code=303)


def _line(merchant: Merchant, page: Page) -> BookLine:
    tried = merchant.of_reference(page.reference)
    best = min(reversed(tried), key=rank) if tried else None
    used = best.page if best is not None else page
    return BookLine(
        gateway_reference=best.pay_ref if best is not None else page.reference,
        reference=page.reference,
        asset=letters_of(used),
        captured=sum((one.captured for one in tried), Decimal(0)),
        refunded=sum((one.refunded for one in tried), Decimal(0)),
        status=best.status if best is not None else page.left or "Opened",
        mode=merchant.mode,
    )
