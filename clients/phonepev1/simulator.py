"""A faithful local fake of PhonePe's salt-key API: pay, status, refund, its PayPage, its signed callbacks.

Written from the protocol page, never from the client beside it; it shares no code with it. The API is in
`simulator_api`, what happens to transactions in `simulator_merchant`, envelopes and signatures in `simulator_wire`.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from clients.phonepev1 import simulator_pages as pages
from clients.phonepev1 import simulator_wire as wire
from clients.phonepev1.simulator_api import Api
from clients.phonepev1.simulator_merchant import (
    CALLBACK_FORMS,
    REFUND_MODES,
    RETURN_FORMS,
    Merchant,
    Transaction,
    status_body,
)
from clients.phonepev1.simulator_wire import V1Error
from core.gateways.simulating import BookLine, GatewaySimulator, SimulatedAccount, World

PAGE_HOSTS: Final = {"test": "mercury-uat.phonepe.com", "live": "mercury.phonepe.com"}
PAGE_PATHS: Final = {"test": "/transact/simulator", "live": "/transact/pg"}  # Unconfirmed: samples cut them off


class PhonePeV1Simulator(GatewaySimulator):
    """Amounts in `act` (amount=...) are paise."""

    slug: ClassVar[str] = "phonepev1"
    hosts: ClassVar[tuple[str, ...]] = (
        "api.phonepe.com",
        "api-preprod.phonepe.com",
        "mercury.phonepe.com",
        "mercury-uat.phonepe.com",
    )
    retry_seconds: ClassVar[tuple[float, ...]] = (1.0, 2.0)  # Unconfirmed: three tries, as of another product
    primary_credential: ClassVar[str] = "merchant_id"
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
    )

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._merchants: dict[tuple[str, str], Merchant] = {}
        self._api = Api(self)

    def routes(self) -> list[Any]:
        shown = [Route(path, self._page, methods=["GET", "POST"]) for path in PAGE_PATHS.values()]
        banks = [Route(f"{path}/bank", self._bank, methods=["GET", "POST"]) for path in PAGE_PATHS.values()]
        return [*shown, *banks, *self._api.routes()]

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
            made = Merchant(
                mode=name[0], merchant_id=name[1], now=self.world.now, tell=lambda one: self._tell(made, one)
            )
            self._merchants[name] = made
        return self._merchants[name]

    def page_url(self, mode: str, token: str) -> str:
        return self.world.url(PAGE_HOSTS[mode], f"{PAGE_PATHS[mode]}?{urlencode({'token': token})}")

    def _account_of(self, m: Merchant) -> SimulatedAccount | None:
        """Looked up at the moment of use: the salt may have been changed since the payment began."""
        return next((one for one in self.accounts() if _name(one) == (m.mode, m.merchant_id)), None)

    # --- callbacks -------------------------------------------------------------------------------------------------

    def _tell(self, m: Merchant, one: Transaction, *, form: str | None = None) -> None:
        """The address of the request wins over the one that is registered."""
        account, form = self._account_of(m), form or m.callback_form
        if account is None or form == "none":
            return
        url = one.callback_url or account.webhook_url
        indent = None if form == "compact" else 2  # pretty by default: who encodes anew meets other bytes
        inner = json.dumps(status_body(m, one), ensure_ascii=False, indent=indent)
        text = base64.b64encode(inner.encode()).decode()
        headers = {"Content-Type": "application/json", "User-Agent": "Java/11 (simulated)"}
        if form != "unsigned":
            headers["X-VERIFY"] = _signed(text, account, form=form, path=urlsplit(url).path)
        self.world.deliver(self.slug, url=url, headers=headers, body=json.dumps({"response": text}).encode())

    # --- acting ----------------------------------------------------------------------------------------------------

    def act(self, action: str, *, gateway_reference: str, **details: Any) -> Mapping[str, Any]:
        """`gateway_reference` is PhonePe's transactionId, our own id, or a merchant_id for its settings."""
        table: dict[str, Callable[..., object]] = {
            "pay": lambda m, one: m.pay(_open(one)),
            "pay_3ds": lambda m, one: m.pay(_open(one), by_card=True),
            "fail": lambda m, one, code="TXN_AUTO_FAILED": m.end(_open(one), "PAYMENT_ERROR", code),
            "decline": lambda m, one, code="Z9": m.end(_open(one), "PAYMENT_ERROR", code),
            "cancel": lambda m, one: m.end(_open(one), "PAYMENT_DECLINED", "REQUEST_DECLINE_BY_REQUESTEE"),
            "cancel_collect": lambda m, one: m.end(_open(one), "PAYMENT_CANCELLED", "REQUEST_CANCEL_BY_REQUESTER"),
            "pend": lambda m, one: m.end(_open(one), "PAYMENT_PENDING", "PENDING"),
            "time_out": lambda m, one: m.end(_open(one), "TIMED_OUT"),
            "stumble": lambda m, one: m.end(_open(one), "INTERNAL_SERVER_ERROR"),
            "expire": lambda m, one: m.expire(_open(one)),
            "authorize": _cannot_authorize,
            "pay_late": _pay_late,
            "pay_short": _pay_short,
            "pay_over": _pay_over,
            "contradict": _contradict,
            "refund": self._refund,
            "refund_settle": lambda m, one: m.end_refund(_open_refund(m, one), is_success=True),
            "refund_fail": _fail_refund,
            "refund_mode": _setting("refund_mode", REFUND_MODES),
            "callback_form": _setting("callback_form", CALLBACK_FORMS),
            "return_form": _setting("return_form", RETURN_FORMS),
            "callback": self._call_back,
        }
        if action not in table:
            raise ValueError(f"unknown action {action!r}; known: {', '.join(table)}")
        merchant, found = self._find(gateway_reference)
        try:
            table[action](merchant, found, **details)
        except V1Error as error:
            raise ValueError(str(error)) from error
        return _told(merchant, found)

    def _find(self, name: str) -> tuple[Merchant, Transaction | None]:
        for account in self.accounts():
            self.merchant_of(account)
        for m in self._merchants.values():
            for one in m.transactions.values():
                if name in (one.name, one.transaction_id):
                    return m, one
        for m in self._merchants.values():
            if name == m.merchant_id:
                return m, None
        raise ValueError(f"no payment {name!r}")

    def _refund(self, m: Merchant, one: Transaction | None, amount: Any = None) -> None:
        """Made in the dashboard, under an id that we never gave."""
        payment = _some(one)
        wanted = m.left_of(payment) if amount in (None, "") else int(amount)
        if wanted <= 0:
            raise ValueError("nothing is left to refund")
        m.refund(payment, name=wire.new_id("DASH", m.now()), amount=wanted, callback_url="")

    def _call_back(self, m: Merchant, one: Transaction | None, form: str = "pretty") -> None:
        """One callback now, as the transaction stands, in a form of `callback_form`."""
        if form not in CALLBACK_FORMS:
            raise ValueError(f"form is one of {', '.join(CALLBACK_FORMS)}")
        self._tell(m, _some(one), form=form)

    # --- books -----------------------------------------------------------------------------------------------------

    def books(self) -> list[BookLine]:
        return [_line(m, one) for m in self._merchants.values() for one in m.payments()]

    # --- pages -----------------------------------------------------------------------------------------------------

    def _payment_of_page(self, request: Request) -> tuple[Merchant, Transaction] | None:
        self.tick()
        token, host = request.query_params.get("token", ""), str(request.scope.get("root_path", ""))
        for m in self._merchants.values():
            for one in m.payments():
                if one.page_token == token and host == f"/{PAGE_HOSTS[m.mode]}":
                    return m, one
        return None

    async def _page(self, request: Request) -> Response:
        found = self._payment_of_page(request)
        if found is None:
            return HTMLResponse(pages.message("Not found", "There is no such payment."), status_code=404)
        m, one = found
        if not one.is_open:
            return self._back(m, one)
        do = await _chosen(request)
        if not do:
            return HTMLResponse(pages.payment(one, error=None))
        if do == "card":
            path = f"{PAGE_PATHS[m.mode]}/bank?{request.url.query}"
            return RedirectResponse(self.world.url(PAGE_HOSTS[m.mode], path), status_code=303)
        if do not in ("pay", "pend", "fail", "decline", "cancel", "expire"):
            return HTMLResponse(pages.payment(one, error="There is no such button."))
        self.act(do, gateway_reference=one.transaction_id)
        return self._back(m, one)

    async def _bank(self, request: Request) -> Response:
        """The page with three buttons that the sandbox shows for cards and net banking. One attempt is all there is."""
        found = self._payment_of_page(request)
        if found is None or not found[1].is_open:
            return HTMLResponse(pages.message("Not found", "There is nothing to confirm."), status_code=404)
        m, one = found
        do = await _chosen(request)
        if do == "success":
            m.pay(one, by_card=True)
        elif do == "failure":
            m.end(one, "PAYMENT_ERROR", "ZM")
        elif do != "pending":
            return HTMLResponse(pages.bank(one))
        return self._back(m, one)

    def _back(self, m: Merchant, one: Transaction) -> Response:
        """Unconfirmed: that a plain return carries nothing; a public log shows the form's fields in the query."""
        fields = self._return_fields(m, one)
        if one.is_posted_back:
            return HTMLResponse(pages.form_post(one.redirect_url, fields))
        if m.return_form == "plain":
            return RedirectResponse(one.redirect_url, status_code=303)
        mark = "&" if "?" in one.redirect_url else "?"
        return RedirectResponse(f"{one.redirect_url}{mark}{urlencode(fields)}", status_code=303)

    def _return_fields(self, m: Merchant, one: Transaction) -> dict[str, str]:
        fields = {
            "code": one.code,
            "merchantId": m.merchant_id,
            "transactionId": one.name,
            "amount": str(one.amount),
            "providerReferenceId": one.transaction_id,
            **{f"param{number}": "na" for number in range(1, 21)},
        }
        account = self._account_of(m)
        if account is None:
            return fields
        index = str(account.credentials.get("salt_index"))
        salt = "not-the-salt" if m.return_form == "false_checksum" else wire.salts_of(account.credentials)[index]
        return {**fields, "checksum": wire.checksum(fields, salt=salt, index=index)}


def _name(account: SimulatedAccount) -> tuple[str, str]:
    return account.mode, str(account.credentials.get("merchant_id"))


def _signed(text: str, account: SimulatedAccount, *, form: str, path: str) -> str:
    index = str(account.credentials.get("salt_index"))
    salt = "not-the-salt" if form == "wrong_salt" else wire.salts_of(account.credentials)[index]
    signed = text + path if form == "path_signed" else text
    return wire.x_verify(signed, salt=salt, index="99" if form == "wrong_index" else index)


# --- what an action is about -----------------------------------------------------------------------------------------


def _some(one: Transaction | None) -> Transaction:
    if one is None:
        raise ValueError("this action needs a transaction")
    return one


def _open(one: Transaction | None) -> Transaction:
    found = _some(one)
    if not found.is_open or found.original is not None:
        raise ValueError(f"this is {'a refund' if found.original else found.code}, no payment that waits")
    return found


def _open_refund(m: Merchant, one: Transaction | None) -> Transaction:
    """The refund itself, or the newest of a payment that has not ended."""
    found = _some(one)
    known = [found] if found.original is not None else m.refunds_of(found)
    waiting = [refund for refund in known if refund.is_open]
    if not waiting:
        raise ValueError("no refund is on its way")
    return waiting[-1]


# --- actions that take more than a line ------------------------------------------------------------------------------


def _cannot_authorize(m: Merchant, one: Transaction | None) -> None:
    raise ValueError("the PayPage holds no money: a successful payment is captured")


def _pay_late(m: Merchant, one: Transaction | None) -> None:
    """The bank's answer arrives after PhonePe gave the payment up; an open one expires first."""
    found = _some(one)
    if found.is_open:
        m.expire(_open(found))
    if found.captured:
        raise ValueError(f"this payment is {found.code}; it is not too late")
    m.pay(found)


def _pay_short(m: Merchant, one: Transaction | None, amount: Any = None) -> None:
    found = _open(one)
    wanted = found.amount // 2 if amount in (None, "") else int(amount)
    if not 0 < wanted < found.amount:
        raise ValueError(f"{wanted} is not short of {found.amount}")
    found.amount = wanted
    m.pay(found)


def _pay_over(m: Merchant, one: Transaction | None, amount: Any = None) -> None:
    found = _open(one)
    wanted = found.amount + found.amount // 10 if amount in (None, "") else int(amount)
    if wanted <= found.amount:
        raise ValueError(f"{wanted} is not more than {found.amount}")
    found.amount = wanted
    m.pay(found)


def _contradict(m: Merchant, one: Transaction | None, state: str = "FAILED") -> None:
    """Paid by its code, another thing by its state; `state` COMPLETED ends that."""
    found = _some(one)
    found.state_override = state
    if found.is_open:
        m.pay(_open(found))
    else:
        m.tell(found)


def _fail_refund(m: Merchant, one: Transaction | None, code: str = "BF_034") -> None:
    m.end_refund(_open_refund(m, one), is_success=False, response_code=code)


def _setting(name: str, known: tuple[str, ...]) -> Callable[..., object]:
    """`mode=` or `form=` of what is to come, for the whole merchant."""

    def change(m: Merchant, one: Transaction | None, mode: str = "", form: str = "") -> None:
        if (mode or form) not in known:
            raise ValueError(f"{name} is one of {', '.join(known)}")
        setattr(m, name, mode or form)

    return change


def _told(m: Merchant, one: Transaction | None) -> Mapping[str, Any]:
    if one is None:
        return {"merchant_id": m.merchant_id, "mode": m.mode}
    told = {"transaction_id": one.transaction_id, "code": one.code, "state": one.state, "amount": one.amount}
    refunds = m.refunds_of(one)
    if refunds:
        told |= {"refund_id": refunds[-1].transaction_id, "refund_code": refunds[-1].code}
    return told


def _line(m: Merchant, one: Transaction) -> BookLine:
    return BookLine(
        gateway_reference=one.transaction_id,
        reference=one.name,
        asset="INR",
        captured=Decimal(one.captured).scaleb(-2),
        refunded=Decimal(sum(refund.captured for refund in m.refunds_of(one))).scaleb(-2),
        status=one.code,
        mode=m.mode,
    )


async def _chosen(request: Request) -> str:
    if request.method != "POST":
        return ""
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"))).get("do", "")
