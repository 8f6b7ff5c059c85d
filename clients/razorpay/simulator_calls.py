"""The calls about orders, payment links, payments and refunds of the simulated Razorpay (sections 4, 5, 8, 9)."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from clients.razorpay import simulator_aftercare as aftercare
from clients.razorpay import simulator_payments as payments
from clients.razorpay.simulator_merchant import Merchant
from clients.razorpay.simulator_wire import (
    Json,
    RazorpayError,
    amount_of,
    check_members,
    currency_of,
    flag_of,
    group_of,
    integer_of,
    notes_of,
    plain_refusal,
    text_of,
)

LEAST_LINK_SECONDS: Final = 15 * 60
MOST_LINK_SECONDS: Final = 184 * 24 * 3600  # six months
_ORDER: Final = (
    "amount currency receipt notes partial_payment first_payment_min_amount payment payment_capture customer_id method "
    "token offer_id"
)
_LINK: Final = (
    "amount currency reference_id description customer notify reminder_enable expire_by accept_partial "
    "first_min_partial_amount callback_url callback_method notes upi_link options"
)


@dataclass(kw_only=True)
class Call:
    """One request: whose it is, what it names, what it brings. `page_url` makes the address of a customer page."""

    m: Merchant
    body: Json
    query: Mapping[str, str]
    expand: list[str]
    name: str
    other: str
    headers: Mapping[str, str]
    key_secret: str
    page_url: Callable[[str], str]


Work = Callable[[Call], Any]


def collection(rows: list[Json]) -> Json:
    return {"entity": "collection", "count": len(rows), "items": rows}


# --- orders --------------------------------------------------------------------------------------------------------


def create_order(call: Call) -> Json:
    """No idempotency: the same request again makes another order."""
    given = call.body
    check_members(given, _ORDER)
    currency = currency_of(given)
    least = 0 if "token" in given and given.get("method") == "emandate" else None
    hidden = _capture_wishes(given) | {"partial": flag_of(given, "partial_payment")}
    if given.get("customer_id") is not None:
        call.m.get("cust", str(given["customer_id"]))
    if given.get("token"):
        hidden["token"] = group_of(given, "token", "max_amount expire_at frequency auth_type")
    return add_order(
        call.m,
        amount=amount_of(given, currency, least=least),
        currency=currency,
        receipt=text_of(given, "receipt", longest=40),
        notes=notes_of(given),
        hidden=hidden,
        customer_id=given.get("customer_id"),
    )


def add_order(
    m: Merchant, *, amount: int, currency: str, receipt: str | None, notes: Any, hidden: Json, customer_id: Any = None
) -> Json:
    order = m.add(
        "order",
        amount=amount,
        amount_paid=0,
        amount_due=amount,
        currency=currency,
        receipt=receipt,
        offer_id=None,
        status="created",
        attempts=0,
        notes=notes,
    )
    if customer_id is not None:
        order["customer_id"] = customer_id
    m.hidden[order["id"]] |= {"capture": "automatic"} | hidden  # automatic is the default of new accounts
    return order


def _capture_wishes(given: Json) -> Json:
    wishes: Json = {}
    if "payment_capture" in given:
        wishes["capture"] = "automatic" if flag_of(given, "payment_capture") else "manual"
    payment = group_of(given, "payment", "capture capture_options")
    if not payment:
        return wishes
    if payment.get("capture") not in ("automatic", "manual"):
        raise RazorpayError("The capture must be automatic or manual.", field="payment.capture")
    wishes["capture"] = payment["capture"]
    options = group_of(payment, "capture_options", "automatic_expiry_period manual_expiry_period refund_speed")
    if options:
        wishes |= _expiry_wishes(options, is_automatic=wishes["capture"] == "automatic")
    return wishes


def _expiry_wishes(options: Json, *, is_automatic: bool) -> Json:
    if options.get("refund_speed") not in ("normal", "optimum"):
        raise RazorpayError("The refund_speed field is required.", field="refund_speed")
    least = 12
    if is_automatic or "automatic_expiry_period" in options:
        least = integer_of(options, "automatic_expiry_period")
        if least < 12:
            raise RazorpayError("The automatic_expiry_period must be at least 12.", field="automatic_expiry_period")
    if "manual_expiry_period" not in options:
        return {}
    minutes = integer_of(options, "manual_expiry_period")
    if not least <= minutes <= 7200:
        raise RazorpayError("The manual_expiry_period must be at most 7200.", field="manual_expiry_period")
    return {"hold_seconds": minutes * 60.0}


def get_order(call: Call) -> Json:
    return call.m.get("order", call.name)


def list_orders(call: Call) -> Json:
    return collection(call.m.page(call.m.find("order", receipt=call.query.get("receipt")), call.query))


def list_order_payments(call: Call) -> Json:
    """All attempts, failed ones too; nothing is promised about their order."""
    order = call.m.get("order", call.name)
    return collection([shown_payment(call, one) for one in call.m.find("pay", order_id=order["id"])])


# --- payment links -------------------------------------------------------------------------------------------------


def create_link(call: Call) -> Json:
    given = call.body
    check_members(given, _LINK)
    currency = currency_of(given, default="INR")
    amount = amount_of(given, currency)
    reference = text_of(given, "reference_id", longest=40)
    _check_new_reference(call.m, reference)
    _check_callback(given)
    _check_upi(call.m, given, currency)
    link = call.m.add(
        "plink",
        is_named=False,
        accept_partial=flag_of(given, "accept_partial"),
        amount=amount,
        amount_paid=0,
        callback_method=given.get("callback_method") or "",
        callback_url=given.get("callback_url") or "",
        cancelled_at=0,
        currency=currency,
        customer=group_of(given, "customer", "name email contact"),
        description=text_of(given, "description", longest=2048),
        expire_by=_expiry(call.m, given),
        expired_at=0,
        first_min_partial_amount=given.get("first_min_partial_amount") or 0,
        notes=notes_of(given),
        notify=group_of(given, "notify", "sms email whatsapp"),
        payments=None,
        reference_id=reference or "",
        reminder_enable=flag_of(given, "reminder_enable"),
        reminders=[],
        status="created",
        updated_at=call.m.now(),
        upi_link=flag_of(given, "upi_link"),
        user_id="",
    )
    link["short_url"] = call.page_url(link["id"])
    _watch(call.m, link)
    return link


def _check_new_reference(m: Merchant, reference: str | None) -> None:
    if reference and next(m.find("plink", reference_id=reference), None) is not None:
        raise RazorpayError("payment link creation with reference ID already attempted", field="reference_id")


def _check_callback(given: Json) -> None:
    url = text_of(given, "callback_url", longest=2048)
    if url and given.get("callback_method") != "get":
        raise RazorpayError("The callback_method must be get.", field="callback_method")
    if url and not re.match(r"https?://[^/]", url):
        raise RazorpayError("The callback_url format is invalid.", field="callback_url")


def _check_upi(m: Merchant, given: Json, currency: str) -> None:
    if not flag_of(given, "upi_link"):
        return
    if currency != "INR" or flag_of(given, "accept_partial"):
        raise RazorpayError("UPI Payment Links take INR only and no partial payment.", field="upi_link")
    if m.mode != "live":
        raise RazorpayError("UPI Payment Links is not supported in Test Mode", field="upi_link")


def _expiry(m: Merchant, given: Json) -> int:
    """0 where none was asked for: six months then."""
    if not given.get("expire_by"):
        return 0
    moment = integer_of(given, "expire_by")
    if moment < m.now() + LEAST_LINK_SECONDS:
        raise RazorpayError("expire_by should be at least 15 minutes after current time", field="expire_by")
    if moment > m.now() + MOST_LINK_SECONDS:
        raise RazorpayError("expire_by should be at most 6 months after current time", field="expire_by")
    return moment


def _watch(m: Merchant, link: Json) -> None:
    moment = link["expire_by"] or m.now() + MOST_LINK_SECONDS
    m.later(moment - m.now(), lambda: _expire_if_due(m, link, moment))


def _expire_if_due(m: Merchant, link: Json, moment: int) -> None:
    if link["expire_by"] in (0, moment) and link["status"] in ("created", "partially_paid"):
        expire_link(m, link)


def expire_link(m: Merchant, link: Json) -> None:
    if link["status"] not in ("created", "partially_paid"):
        raise ValueError(f"this payment link is {link['status']}")
    link |= {"status": "expired", "expired_at": m.now(), "updated_at": m.now()}
    m.emit("payment_link.expired", payment_link=link)


def cancel_link(m: Merchant, link: Json) -> Json:
    if link["status"] != "created":
        raise plain_refusal(f"Payment Link cannot be cancelled as it is {link['status'].replace('_', ' ')}.")
    link |= {"status": "cancelled", "cancelled_at": m.now(), "updated_at": m.now()}
    m.emit("payment_link.cancelled", payment_link=link)
    return link


def order_of_link(m: Merchant, link: Json) -> Json:
    """The link's own order, made when the customer opens it."""
    if "order_id" not in link:
        order = add_order(
            m,
            amount=link["amount"],
            currency=link["currency"],
            receipt=link["reference_id"] or None,
            notes=link["notes"],
            hidden={"link": link["id"], "partial": link["accept_partial"]},
        )
        link["order_id"] = order["id"]
    return m.objects[link["order_id"]]


def get_link(call: Call) -> Json:
    return call.m.get("plink", call.name)


def list_links(call: Call) -> Json:
    rows = call.m.find("plink", reference_id=call.query.get("reference_id"))
    wanted = call.query.get("payment_id")
    if wanted is not None:
        payment = call.m.get("pay", wanted)
        rows = (row for row in rows if row.get("order_id") == payment["order_id"])
    return {"payment_links": call.m.page(rows, call.query)}


def cancel_link_call(call: Call) -> Json:
    return cancel_link(call.m, call.m.get("plink", call.name))


def change_link(call: Call) -> Json:
    check_members(call.body, "reference_id expire_by notes accept_partial reminder_enable")
    link = call.m.get("plink", call.name)
    if link["status"] not in ("created", "partially_paid"):
        raise plain_refusal(f"Payment Link cannot be updated as it is {link['status']}.")
    changed: Json = {}
    reference = text_of(call.body, "reference_id", longest=40)
    if reference and reference != link["reference_id"]:
        _check_new_reference(call.m, reference)
        changed["reference_id"] = reference
    if "expire_by" in call.body:
        changed["expire_by"] = _expiry(call.m, call.body)
    if "notes" in call.body:
        changed["notes"] = notes_of(call.body)
    for name in ("accept_partial", "reminder_enable"):
        if name in call.body:
            changed[name] = flag_of(call.body, name)
    link |= changed | {"updated_at": call.m.now()}
    if "expire_by" in changed:
        _watch(call.m, link)
    return link


# --- payments ------------------------------------------------------------------------------------------------------


def shown_payment(call: Call, payment: Json) -> Json:
    shown = copy.deepcopy(payment)
    card = call.m.hidden[payment["id"]].get("card")
    if "card" in call.expand and card is not None:
        shown["card"] = card
    return shown


def get_payment(call: Call) -> Json:
    return shown_payment(call, call.m.get("pay", call.name))


def list_payments(call: Call) -> Json:
    return collection(call.m.page(call.m.find("pay"), call.query))


def capture_payment(call: Call) -> Json:
    check_members(call.body, "amount currency")
    payment = call.m.get("pay", call.name)
    amount, currency = integer_of(call.body, "amount"), currency_of(call.body)
    if payment["captured"]:
        raise plain_refusal("This payment has already been captured")
    if payment["status"] != "authorized":
        raise plain_refusal("Only payments which have been authorized and not yet captured can be captured")
    if amount != payment["amount"]:
        raise RazorpayError("Capture amount must be equal to the amount authorized", field="amount")
    if currency != payment["currency"]:
        raise RazorpayError("Payment currency should be equal to the currency authorized", field="currency")
    order = call.m.objects[payment["order_id"]]
    if order["amount_due"] < amount:
        raise plain_refusal("Payment cannot be captured because the order is already paid")
    payments.capture(call.m, payment)
    return shown_payment(call, payment)


# --- refunds -------------------------------------------------------------------------------------------------------


def create_refund(call: Call) -> Json:
    return aftercare.refund(call.m, call.m.get("pay", call.name), call.body)


def list_payment_refunds(call: Call) -> Json:
    payment = call.m.get("pay", call.name)
    return collection(call.m.page(call.m.find("rfnd", payment_id=payment["id"]), call.query))


def get_payment_refund(call: Call) -> Json:
    found = call.m.get("rfnd", call.other)
    if found["payment_id"] != call.m.get("pay", call.name)["id"]:
        raise plain_refusal("The id provided does not exist")
    return found


def get_refund(call: Call) -> Json:
    return call.m.get("rfnd", call.name)


def list_refunds(call: Call) -> Json:
    return collection(call.m.page(call.m.find("rfnd"), call.query))
