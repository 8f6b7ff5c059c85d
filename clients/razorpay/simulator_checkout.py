"""The customer's way through the simulated Razorpay's pages: payment link, hosted checkout, frame, bank (section 7)."""

from __future__ import annotations

import io
import secrets
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import parse_qsl, urlencode

import segno
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from clients.razorpay import simulator_calls as calls
from clients.razorpay import simulator_more_calls as more
from clients.razorpay import simulator_pages as pages
from clients.razorpay import simulator_payments as payments
from clients.razorpay.simulator_merchant import Checkout, Merchant
from clients.razorpay.simulator_wire import Json, RazorpayError, dumps, notes_of

_METHODS = {"pay_upi": "upi", "pay_card": "card", "pay_netbanking": "netbanking", "pay_3ds": "card"}
_REASONS = {"decline": "card_declined", "decline_funds": "insufficient_funds"}
_PAYABLE = ("created", "partially_paid")


class Counter(Protocol):
    """What the pages need of the simulator around them."""

    def merchants(self) -> list[Merchant]: ...
    def merchant_named(self, key_id: str) -> Merchant | None: ...
    def key_secret_of(self, m: Merchant) -> str: ...
    def api_url(self, path: str) -> str: ...
    def page_url(self, name: str) -> str: ...


class Pages:
    def __init__(self, counter: Counter) -> None:
        self._counter = counter
        self._checkouts: dict[str, Checkout] = {}

    def reset(self) -> None:
        self._checkouts.clear()

    def routes(self) -> list[Route]:
        return [
            Route("/i/{name}", self._short, methods=["GET", "POST"]),
            Route("/bank/{name}", self._link_bank, methods=["GET", "POST"]),
            Route("/v1/checkout.js", self._script, methods=["GET"]),
            Route("/v1/checkout/embedded", self._open_hosted, methods=["POST"]),
            Route("/v1/checkout/public", self._open_frame, methods=["GET"]),
            Route("/v1/checkout/open/{name}", self._checkout, methods=["GET", "POST"]),
        ]

    # --- payment links and QR codes --------------------------------------------------------------------------------

    async def _short(self, request: Request) -> Response:
        for m in self._counter.merchants():
            m.tick()
            one = m.objects.get(request.path_params["name"])
            if one is not None and one["id"].startswith("plink_"):
                return self._link_page(m, one, await _chosen(request))
            if one is not None and one["id"].startswith("qr_") and _wants_image(request):
                return Response(_image(self._counter.page_url(one["id"])), media_type="image/svg+xml")
            if one is not None and one["id"].startswith("qr_"):
                return self._qr_page(m, one, await _chosen(request))
        return HTMLResponse(pages.message("Not found", "There is no such payment link."), status_code=404)

    def _link_page(self, m: Merchant, link: Json, do: str) -> Response:
        if link["status"] not in _PAYABLE:
            return HTMLResponse(pages.message("Payment link", f"This payment link is {link['status']}."))
        order = calls.order_of_link(m, link)  # opening the page makes it
        if not do:
            return HTMLResponse(pages.link(link, error=None))
        try:
            payment = play(m, order, do)
        except (ValueError, RazorpayError) as error:
            return HTMLResponse(pages.link(link, error=str(error)))
        return self._after_link(m, link, payment, do)

    def _after_link(self, m: Merchant, link: Json, payment: Json, do: str) -> Response:
        if payment["status"] == "created" and do == "pay_3ds":
            url = self._counter.page_url(link["id"]).replace("/i/", "/bank/")
            m.hidden[link["id"]]["at_bank"] = payment["id"]
            return RedirectResponse(url, status_code=303)
        if payment["status"] == "created":
            return HTMLResponse(pages.message("Waiting", "The bank has not answered. You may close this page."))
        if payment["status"] == "failed":
            return HTMLResponse(pages.link(link, error=payment["error_description"]))
        if not link["callback_url"]:
            return HTMLResponse(pages.message("Thank you", f"Payment {payment['id']} is {payment['status']}."))
        query = urlencode(link_return(link, payment, self._counter.key_secret_of(m)))
        url = link["callback_url"]
        return RedirectResponse(f"{url}{'&' if '?' in url else '?'}{query}", status_code=303)

    async def _link_bank(self, request: Request) -> Response:
        for m in self._counter.merchants():
            link = m.objects.get(request.path_params["name"])
            payment = m.objects.get(m.hidden[link["id"]].get("at_bank", "")) if link else None
            if link is not None and payment is not None:
                do = await _chosen(request)
                if not do or payment["status"] != "created":
                    return HTMLResponse(pages.bank(payment))
                _at_bank(m, payment, do)
                return self._after_link(m, link, payment, do)
        return HTMLResponse(pages.message("Not found", "There is no such payment."), status_code=404)

    def _qr_page(self, m: Merchant, qr: Json, do: str) -> Response:
        if qr["status"] != "active":
            return HTMLResponse(pages.message("UPI QR", "This QR code is closed."))
        if not do:
            return HTMLResponse(pages.qr(qr, error=None))
        try:
            paid = more.pay_qr(m, qr, amount=None) if do == "pay" else more.decline_qr(m, qr, reason="incorrect_pin")
        except ValueError as error:
            return HTMLResponse(pages.qr(qr, error=str(error)))
        return HTMLResponse(pages.message("UPI", f"Payment {paid['id']} is {paid['status']}."))

    # --- checkout --------------------------------------------------------------------------------------------------

    async def _script(self, request: Request) -> Response:
        text = pages.checkout_js(self._counter.api_url(""))
        return Response(text, media_type="application/javascript")

    async def _open_hosted(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
        for name in ("callback_url", "prefill[email]", "prefill[contact]"):
            if not form.get(name):
                return _refused(f"The {name} field is required.")
        return self._open({**form, "key": form.get("key_id", "")}, is_frame=False)

    async def _open_frame(self, request: Request) -> Response:
        return self._open(dict(request.query_params), is_frame=True)

    def _open(self, form: Mapping[str, str], *, is_frame: bool) -> Response:
        m = self._counter.merchant_named(form.get("key", ""))
        if m is None:
            return _refused("The api key/secret provided is invalid", status=401)
        order = m.objects.get(form.get("order_id", ""))
        if order is None or not order["id"].startswith("order_"):
            return _refused("The id provided does not exist")
        if form.get("amount", str(order["amount"])) != str(order["amount"]):
            return _refused("Your payment amount is different from your order amount. To pay successfully, please try "
                            "using right amount.")  # fmt: skip
        if form.get("currency", order["currency"]) != order["currency"]:
            return _refused("Payment currency should be equal to the currency of the order.")
        opened = Checkout(
            merchant=m,
            order=order,
            is_frame=is_frame,
            callback_url=form.get("callback_url", ""),
            cancel_url=form.get("cancel_url", ""),
            will_save=form.get("remember_customer") in ("1", "true") and bool(form.get("customer_id")),
            notes=_group(form, "notes"),
            prefill=_group(form, "prefill")
            | ({"customer_id": form["customer_id"]} if form.get("customer_id") in m.objects else {}),
        )
        name = secrets.token_urlsafe(12)
        self._checkouts[name] = opened
        return RedirectResponse(self._counter.api_url(f"/v1/checkout/open/{name}"), status_code=303)

    async def _checkout(self, request: Request) -> Response:
        opened = self._checkouts.get(request.path_params["name"])
        if opened is None:
            return HTMLResponse(pages.message("Not found", "There is no such checkout."), status_code=404)
        opened.merchant.tick()
        do = await _chosen(request)
        if opened.payment is not None:
            return self._checkout_bank(opened, do)
        if opened.order["status"] == "paid":
            return HTMLResponse(pages.message("Paid", "This order is paid already."))
        if not do:
            return self._shown(opened, None)
        if do == "cancel":
            return _left(opened)
        try:
            payment = play(opened.merchant, opened.order, do, opened=opened)
        except (ValueError, RazorpayError) as error:
            return self._shown(opened, str(error))
        if payment["status"] == "created" and do == "pay_3ds":
            opened.payment = payment["id"]
            return HTMLResponse(pages.bank(payment))
        return self._after(opened, payment)

    def _shown(self, opened: Checkout, error: str | None) -> Response:
        can_leave = opened.is_frame or bool(opened.cancel_url)
        return HTMLResponse(pages.checkout(opened.order, can_leave=can_leave, error=error))

    def _checkout_bank(self, opened: Checkout, do: str) -> Response:
        payment = opened.merchant.objects[opened.payment or ""]
        if payment["status"] == "created":
            if do not in ("success", "failure"):
                return HTMLResponse(pages.bank(payment))
            _at_bank(opened.merchant, payment, do)
        opened.payment = None
        return self._after(opened, payment)

    def _after(self, opened: Checkout, payment: Json) -> Response:
        if payment["status"] == "created":
            return HTMLResponse(pages.message("Waiting", "The bank has not answered. You may close this page."))
        if payment["status"] == "failed":
            error = failure(payment)
            return (
                HTMLResponse(pages.telling({"error": error["error"], "fields": error["form"]}))
                if opened.is_frame
                else HTMLResponse(pages.posting(opened.callback_url, error["form"]))
            )
        secret = self._counter.key_secret_of(opened.merchant)
        fields = {
            "razorpay_payment_id": payment["id"],
            "razorpay_order_id": opened.order["id"],
            "razorpay_signature": more.signature(secret, opened.order["id"], payment["id"]),
        }
        if opened.is_frame:
            return HTMLResponse(pages.telling({"fields": fields}))
        return HTMLResponse(pages.posting(opened.callback_url, fields))


def play(m: Merchant, order: Json, do: str, *, opened: Checkout | None = None) -> Json:
    """One attempt of the customer. Raises ValueError for what the order or the page does not offer."""
    reason = _REASONS.get(do)
    if reason is None and do not in ("pay", "pay_short", "no_answer", *_METHODS):
        raise ValueError(f"this page has no button {do!r}")
    buyer = {} if opened is None else {"notes": opened.notes, **opened.prefill}
    half = max(1, order["amount_due"] // 2) if do == "pay_short" else None
    method = "card" if reason is not None else _METHODS.get(do, "")
    payment = payments.attempt(m, order, method=method, amount=half, **buyer)
    m.hidden[payment["id"]]["will_save"] = opened is not None and opened.will_save
    if reason is not None:
        payments.fail(m, payment, reason)
    elif do not in ("no_answer", "pay_3ds"):
        payments.succeed(m, payment)
    return payment


def _at_bank(m: Merchant, payment: Json, do: str) -> None:
    if do == "success":
        payments.succeed(m, payment)
    else:
        payments.fail(m, payment, "authentication_failed")


def link_return(link: Json, payment: Json, key_secret: str) -> dict[str, str]:
    parts = (link["id"], link["reference_id"], link["status"], payment["id"])
    return {
        "razorpay_payment_id": payment["id"],
        "razorpay_payment_link_id": link["id"],
        "razorpay_payment_link_reference_id": link["reference_id"],
        "razorpay_payment_link_status": link["status"],
        "razorpay_signature": more.signature(key_secret, *parts),
    }


def failure(payment: Json) -> dict[str, Json]:
    """The unsigned word of a failure, as checkout.js says it and as the form carries it. Unconfirmed: the exact set."""
    metadata = {"payment_id": payment["id"], "order_id": payment["order_id"]}
    told = {name: payment[f"error_{name}"] for name in ("code", "description", "source", "step", "reason")}
    form = {f"error[{name}]": value for name, value in told.items()} | {"error[metadata]": dumps(metadata)}
    return {"error": told | {"metadata": metadata}, "form": form}


def _left(opened: Checkout) -> Response:
    if opened.is_frame:
        return HTMLResponse(pages.telling({"dismissed": True}))
    if opened.cancel_url:
        return RedirectResponse(opened.cancel_url, status_code=303)  # a plain GET that carries nothing
    return HTMLResponse(pages.message("Left", "You may close this page."))


def _refused(text: str, *, status: int = 400) -> Response:
    return HTMLResponse(pages.message("Payment failed", text), status_code=status)


def _group(form: Mapping[str, str], name: str) -> Json:
    found = {
        key[len(name) + 1 : -1]: value for key, value in form.items() if key.startswith(f"{name}[") and key[-1] == "]"
    }
    return found if name != "notes" else dict(notes_of({"notes": found}) or {})


def _wants_image(request: Request) -> bool:
    """An <img> asks for the picture, a person who follows the address for the page."""
    return request.method == "GET" and request.headers.get("accept", "").startswith("image/")


def _image(url: str) -> bytes:
    """The code leads to this simulator's page, where a phone would open its UPI app."""
    picture = io.BytesIO()
    segno.make(url).save(picture, kind="svg", scale=8, border=2)
    return picture.getvalue()


async def _chosen(request: Request) -> str:
    if request.method != "POST":
        return ""
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"))).get("do", "")
