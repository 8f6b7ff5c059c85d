"""The calls about locations, links, orders, payments and refunds of the simulated Square (sections 2, 4, 5, 8, 9)."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from clients.square import simulator_aftercare as aftercare
from clients.square import simulator_payments as payments
from clients.square.simulator_seller import Seller
from clients.square.simulator_wire import (
    Json,
    SquareError,
    check_members,
    flag_of,
    group_of,
    missing,
    money,
    money_of,
    not_found,
    seconds_of,
    text_of,
)

_LINK: Final = "idempotency_key quick_pay order description payment_note checkout_options pre_populated_data"
_OPTIONS: Final = (
    "redirect_url allow_tipping merchant_support_email ask_for_shipping_address accepted_payment_methods app_fee_money "
    "shipping_fee custom_fields enable_coupon enable_loyalty subscription_plan_id"
)
_BUYER: Final = "buyer_email buyer_phone_number buyer_address"
_PAYMENT: Final = (
    "source_id idempotency_key amount_money tip_money app_fee_money autocomplete delay_duration delay_action location_id "
    "order_id customer_id reference_id note buyer_email_address billing_address shipping_address "
    "statement_description_identifier verification_token accept_partial_authorization customer_details cash_details "
    "external_details"
)
# source -> the decline it leads to, None for a payment
SOURCES: Final[Mapping[str, str | None]] = {
    "cnon:card-nonce-ok": None,
    "cnon:card-nonce-declined": "GENERIC_DECLINE",
    "cnon:card-nonce-rejected-cvv": "CVV_FAILURE",
    "cnon:card-nonce-rejected-postalcode": "ADDRESS_VERIFICATION_FAILURE",
    "cnon:card-nonce-rejected-expiration": "INVALID_EXPIRATION",  # Unconfirmed: the exact code
    "cnon:gift-card-nonce-ok": None,
    "cnon:gift-card-nonce-insufficient-funds": "INSUFFICIENT_FUNDS",
    "ccof:customer-card-id-ok": None,
    "bnon:bank-nonce-ok": None,
    "wnon:afterpay-or-clearpay-ok": None,
    "wnon:afterpay-or-clearpay-declined": "GENERIC_DECLINE",
    "CASH": None,
    "EXTERNAL": None,
}
_TYPES: Final = {"bnon": "BANK_ACCOUNT", "wnon": "BUY_NOW_PAY_LATER", "CASH": "CASH", "EXTERNAL": "EXTERNAL"}


@dataclass(kw_only=True)
class Call:
    """One request: whose it is, what it names, what it brings."""

    s: Seller
    body: Json
    query: Mapping[str, str]
    name: str
    token: str


def listed(call: Call, kind: str, plural: str, rows: list[Json]) -> Json:
    """A page of `rows` with the cursor of the next one."""
    limit, start = _number(call, "limit", 100), _number(call, "cursor", 0)
    if not 1 <= limit <= 100:
        raise SquareError("VALUE_TOO_HIGH", "limit must be 1 to 100.", field="limit")
    body: Json = {plural: copy.deepcopy(rows[start : start + limit])} if rows else {}
    if len(rows) > start + limit:
        body["cursor"] = str(start + limit)
    return body


def _number(call: Call, name: str, default: int) -> int:
    text = call.query.get(name, str(default))
    if not text.isdecimal():
        raise SquareError("INVALID_VALUE", "Not a number.", field=name)
    return int(text)


# --- who and where -------------------------------------------------------------------------------------------------


def get_location(call: Call) -> Json:
    if call.name not in (call.s.location_id, "main"):
        raise not_found("Location", call.name)
    return {"location": _location(call.s)}


def list_locations(call: Call) -> Json:
    return {"locations": [_location(call.s)]}


def _location(s: Seller) -> Json:
    return {
        "id": s.location_id,
        "name": "Simulated location",
        "status": "ACTIVE",
        "capabilities": ["CREDIT_CARD_PROCESSING", "AUTOMATIC_TRANSFERS"],
        "merchant_id": s.merchant_id,
        "country": s.country,
        "currency": s.currency,
        "type": "PHYSICAL",
    }


def token_status(call: Call) -> Json:
    scopes = (
        "PAYMENTS_READ PAYMENTS_WRITE ORDERS_READ ORDERS_WRITE CUSTOMERS_READ CUSTOMERS_WRITE DISPUTES_READ "
        "DISPUTES_WRITE PAYOUTS_READ MERCHANT_PROFILE_READ"
    )
    return {"scopes": scopes.split(), "client_id": call.s.application_id, "merchant_id": call.s.merchant_id}


def check_location(s: Seller, given: Json, *, field: str, is_needed: bool = False) -> None:
    name = given.get("location_id")
    if name is None and is_needed:
        raise missing(field)
    if name not in (None, s.location_id):
        raise SquareError("INVALID_LOCATION", f"Location `{name}` is not one of this seller.", field=field)


# --- links and orders ----------------------------------------------------------------------------------------------


def create_link(call: Call) -> Json:
    given, s = call.body, call.s
    check_members(given, _LINK)
    if ("quick_pay" in given) == ("order" in given):
        raise SquareError("BAD_REQUEST", "Exactly one of `quick_pay` and `order` is needed.")
    text_of(given, "description", longest=4096)
    text_of(given, "payment_note", longest=500)
    options = group_of(given, "checkout_options", _OPTIONS)
    text_of(options, "redirect_url", longest=2048, prefix="checkout_options.")
    text_of(options, "merchant_support_email", longest=256, prefix="checkout_options.")
    flag_of(options, "allow_tipping")
    _check_buyer(group_of(given, "pre_populated_data", _BUYER))
    lines, total, reference, metadata = _quick(s, given) if "quick_pay" in given else _ordered(s, given)
    link = payments.new_link(s, lines=lines, total=total, given=given, reference=reference, metadata=metadata)
    return {"payment_link": link, "related_resources": {"orders": [s.objects["order"][link["order_id"]]]}}


def _check_buyer(buyer: Json) -> None:
    """Invalid values reject the whole call."""
    email = text_of(buyer, "buyer_email", longest=256, prefix="pre_populated_data.")
    if email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email):
        raise SquareError("INVALID_EMAIL_ADDRESS", "Not an email address.", field="pre_populated_data.buyer_email")
    phone = text_of(buyer, "buyer_phone_number", longest=17, prefix="pre_populated_data.")
    if phone and not re.fullmatch(r"\+[1-9][0-9]{7,15}", phone):
        raise SquareError("INVALID_PHONE_NUMBER", "Not a phone number.", field="pre_populated_data.buyer_phone_number")


def _quick(s: Seller, given: Json) -> tuple[list[Json], int, str, Json]:
    quick = group_of(given, "quick_pay", "name price_money location_id")
    name = text_of(quick, "name", longest=255, prefix="quick_pay.", is_needed=True)
    check_location(s, quick, field="quick_pay.location_id", is_needed=True)
    total = money_of(quick.get("price_money"), "quick_pay.price_money", currency=s.currency)
    return [_line(s, name, "1", total)], total, "", {}


def _ordered(s: Seller, given: Json) -> tuple[list[Json], int, str, Json]:
    order = group_of(given, "order", "location_id reference_id line_items metadata customer_id")
    check_location(s, order, field="order.location_id", is_needed=True)
    rows = order.get("line_items")
    if not isinstance(rows, list) or not rows:
        raise missing("order.line_items")
    lines = [_checked_line(s, row, f"order.line_items[{number}]") for number, row in enumerate(rows)]
    total = sum(line["total_money"]["amount"] for line in lines)
    money_of(money(total, s.currency), "order.total_money", currency=s.currency)
    metadata = order.get("metadata") or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise SquareError("EXPECTED_STRING", "Expected a string value.", field="order.metadata")
    return lines, total, text_of(order, "reference_id", longest=40, prefix="order."), metadata


def _checked_line(s: Seller, row: Any, field: str) -> Json:
    if not isinstance(row, dict):
        raise SquareError("EXPECTED_OBJECT", "Expected an object value.", field=field)
    check_members(row, "name quantity base_price_money note uid", prefix=f"{field}.")
    quantity = row.get("quantity")
    if not isinstance(quantity, str):
        raise SquareError("EXPECTED_STRING", "Expected a string value.", field=f"{field}.quantity")
    if not re.fullmatch(r"[1-9][0-9]{0,5}", quantity):
        raise SquareError("INVALID_VALUE", "Not a quantity.", field=f"{field}.quantity")
    name = text_of(row, "name", longest=512, prefix=f"{field}.", is_needed=True)
    price = money_of(row.get("base_price_money"), f"{field}.base_price_money", currency=s.currency, least=0)
    return _line(s, name, quantity, price)


def _line(s: Seller, name: str, quantity: str, price: int) -> Json:
    total = money(price * int(quantity), s.currency)
    return {"name": name, "quantity": quantity, "base_price_money": money(price, s.currency), "total_money": total}


def get_link(call: Call) -> Json:
    return {"payment_link": call.s.get("payment_link", call.name)}


def list_links(call: Call) -> Json:
    return listed(call, "payment_link", "payment_links", list(call.s.all("payment_link")))


def change_link(call: Call) -> Json:
    link = call.s.get("payment_link", call.name)
    given = group_of(call.body, "payment_link", "version description checkout_options pre_populated_data payment_note")
    if given.get("version") != link["version"]:
        raise SquareError("VERSION_MISMATCH", "The version is stale.", field="payment_link.version")
    return {"payment_link": call.s.change(link, **{name: given[name] for name in given if name != "version"})}


def delete_link(call: Call) -> Json:
    return payments.delete_link(call.s, call.s.get("payment_link", call.name))


def get_order(call: Call) -> Json:
    return {"order": call.s.get("order", call.name)}


def batch_orders(call: Call) -> Json:
    names = call.body.get("order_ids")
    if not isinstance(names, list) or not names:
        raise missing("order_ids")
    known = call.s.objects.get("order", {})
    return {"orders": [known[name] for name in names if name in known]}


# --- payments ------------------------------------------------------------------------------------------------------


def create_payment(call: Call) -> Json:
    given, s = call.body, call.s
    check_members(given, _PAYMENT)
    text_of(given, "idempotency_key", longest=45, is_needed=True)
    source = text_of(given, "source_id", longest=300, is_needed=True)
    for name, longest in (("reference_id", 40), ("note", 500), ("statement_description_identifier", 20)):
        text_of(given, name, longest=longest)
    text_of(given, "buyer_email_address", longest=255)
    check_location(s, given, field="location_id")
    amount = money_of(given.get("amount_money"), "amount_money", currency=s.currency)
    tip = money_of(given["tip_money"], "tip_money", currency=s.currency, least=0) if "tip_money" in given else 0
    seconds, action = _delay(given)
    order = s.get("order", given["order_id"]) if given.get("order_id") else None
    code, card = _judged(s, given, source)
    is_charged = flag_of(given, "autocomplete", default=True)
    kept = ("customer_id", "reference_id", "note", "buyer_email_address", "billing_address", "external_details")
    payment = payments.new_payment(
        s,
        amount=amount,
        tip=tip,
        order=order,
        source_type=_TYPES.get(source.partition(":")[0], "CARD"),
        approved=_approved(given, source, amount + tip, is_charged=is_charged),
        is_charged=is_charged,
        **{name: given.get(name) for name in kept},
    )
    s.hidden[payment["id"]] |= {"key": given["idempotency_key"], "is_direct": True}
    if card is not None:
        payment["card_details"]["card"] = {name: card[name] for name in card if name not in ("version", "customer_id")}
    if code is not None:
        error = payments.fail(s, payment, code)
        raise SquareError(
            code, error["detail"], category=error["category"], payment=copy.deepcopy(payment)
        )  # Unconfirmed: 402 is witnessed too
    _begin(s, payment, source, is_charged=is_charged, seconds=seconds, action=action)
    return {"payment": payment}


def _begin(s: Seller, payment: Json, source: str, *, is_charged: bool, seconds: float, action: str) -> None:
    if source.startswith("bnon:"):
        payments.wait(s, payment)
        s.later(
            payments.SETTLE_SECONDS, lambda: payments.settle(s, payment) if payment["status"] == "PENDING" else None
        )
    elif is_charged:
        payments.charge(s, payment)
    else:
        payments.hold(s, payment, seconds=seconds, action=action)


def _delay(given: Json) -> tuple[float, str]:
    seconds = seconds_of(given.get("delay_duration", "P7D"))
    if not 60 <= seconds <= payments.HOLD_SECONDS:
        raise SquareError("INVALID_VALUE", "From 1 minute to 7 days.", field="delay_duration")
    action = given.get("delay_action", "CANCEL")
    if action not in ("CANCEL", "COMPLETE"):
        raise SquareError("INVALID_ENUM_VALUE", "CANCEL or COMPLETE.", field="delay_action")
    return seconds, action


def _approved(given: Json, source: str, total: int, *, is_charged: bool) -> int | None:
    """A gift card may cover a part, where the caller takes parts."""
    if not flag_of(given, "accept_partial_authorization"):
        return None
    if is_charged:
        raise SquareError("INVALID_VALUE", "Only with autocomplete=false.", field="accept_partial_authorization")
    return total // 2 if source.startswith("cnon:gift-card") else None


def _judged(s: Seller, given: Json, source: str) -> tuple[str | None, Json | None]:
    """The decline to come, if any, and the card on file. Raises for sources that cannot be charged at all."""
    if source == "cnon:card-nonce-already-used":
        raise SquareError("CARD_TOKEN_USED", "Card nonce already used; please request new nonce.", field="source_id")
    if source == "CASH" and not given.get("cash_details"):
        raise missing("cash_details")
    if source == "EXTERNAL" and not given.get("external_details"):
        raise missing("external_details")
    if source.startswith("ccof:"):
        return _judged_card(s, given, source)
    if source not in SOURCES:
        raise SquareError("NOT_FOUND", "Card nonce not found", status=404, field="source_id")
    return SOURCES[source], None


def _judged_card(s: Seller, given: Json, source: str) -> tuple[str | None, Json | None]:
    customer = given.get("customer_id")
    if not customer:
        raise missing("customer_id")
    s.get("customer", str(customer))
    if source in SOURCES:
        return SOURCES[source], None
    card = s.objects.get("card", {}).get(source)
    if card is None or card["customer_id"] != customer:
        raise SquareError("NOT_FOUND", "Card not found for this customer.", status=404, field="source_id")
    if not card["enabled"]:
        raise SquareError("INVALID_CARD", "The card is disabled.", field="source_id")
    planned: list[str] = s.hidden[source].setdefault("next", [])
    if planned and planned[0] == "CARD_DECLINED_VERIFICATION_REQUIRED" and given.get("verification_token"):
        planned.pop(0)
    return (planned.pop(0) if planned else None), card


def get_payment(call: Call) -> Json:
    return {"payment": call.s.get("payment", call.name)}


def list_payments(call: Call) -> Json:
    """Unlike the real list, complete at once; as there, no filter by reference."""
    check_location(call.s, dict(call.query), field="location_id")
    begin, end = call.query.get("begin_time", ""), call.query.get("end_time", "9999")
    rows = [one for one in call.s.all("payment") if begin <= one["created_at"] <= end]
    after, before = call.query.get("updated_at_begin_time", ""), call.query.get("updated_at_end_time", "9999")
    rows = [one for one in rows if after <= one["updated_at"] <= before]
    return listed(call, "payment", "payments", rows)


def change_payment(call: Call) -> Json:
    check_members(call.body, "idempotency_key payment")
    text_of(call.body, "idempotency_key", longest=45, is_needed=True)
    payment = call.s.get("payment", call.name)
    given = group_of(call.body, "payment", "amount_money tip_money version_token")
    payments.check_token(payment, given.get("version_token"))
    payments.require_held(call.s, payment)
    currency = call.s.currency
    amount = payment["amount_money"]["amount"]
    if "amount_money" in given:
        amount = money_of(given["amount_money"], "payment.amount_money", currency=currency)
    if "EDIT_AMOUNT_DOWN" not in payment.get("capabilities", ()) or amount > payment["amount_money"]["amount"]:
        raise SquareError("INVALID_VALUE", "The amount can only be lowered.", field="payment.amount_money")
    tip = payment.get("tip_money", {}).get("amount", 0)
    if "tip_money" in given:
        tip = min(tip, money_of(given["tip_money"], "payment.tip_money", currency=currency, least=0))
        payment["tip_money"] = money(tip, currency)
    total = money(amount + tip, currency)
    approved = money(min(amount + tip, payment["approved_money"]["amount"]), currency)
    call.s.change(payment, amount_money=money(amount, currency), total_money=total, approved_money=approved)
    call.s.emit("payment.updated", "payment", payment)
    return {"payment": payment}


def complete_payment(call: Call) -> Json:
    check_members(call.body, "version_token")  # no amount: what is held is taken whole
    payment = call.s.get("payment", call.name)
    payments.check_token(payment, call.body.get("version_token"))
    payments.require_held(call.s, payment)
    payments.complete(call.s, payment)
    return {"payment": payment}


def cancel_payment(call: Call) -> Json:
    payment = call.s.get("payment", call.name)
    payments.require_held(call.s, payment)
    payments.cancel(call.s, payment)
    return {"payment": payment}


def cancel_by_key(call: Call) -> Json:
    """Answers `{}` whether or not there is such a payment. Unconfirmed: that a completed one stays as it is."""
    key = text_of(call.body, "idempotency_key", longest=45, is_needed=True)
    for payment in call.s.all("payment"):
        if call.s.hidden[payment["id"]].get("key") == key and payment["status"] == "APPROVED":
            payments.cancel(call.s, payment)
    return {}


# --- refunds -------------------------------------------------------------------------------------------------------


def create_refund(call: Call) -> Json:
    text_of(call.body, "idempotency_key", longest=45, is_needed=True)
    return {"refund": aftercare.refund(call.s, call.body)}


def get_refund(call: Call) -> Json:
    return {"refund": call.s.get("refund", call.name)}


def list_refunds(call: Call) -> Json:
    wanted = call.query.get("status")
    rows = [one for one in call.s.all("refund") if wanted in (None, one["status"])]
    begin, end = call.query.get("begin_time", ""), call.query.get("end_time", "9999")
    return listed(call, "refund", "refunds", [one for one in rows if begin <= one["created_at"] <= end])


def fingerprint(body: Json) -> str:
    return json.dumps(body, sort_keys=True)
