"""Checkout Sessions of the simulated Stripe: what the hosted page does (protocol page sections 4.1 and 5)."""

from __future__ import annotations

import secrets
from typing import Any, Final

from clients.stripe import simulator_setup as setup
from clients.stripe.simulator_cards import CARDS, outcome_of
from clients.stripe.simulator_merchant import Merchant
from clients.stripe.simulator_money import check_amount, check_currency
from clients.stripe.simulator_payments import (
    attempt,
    authenticate,
    cancel,
    complete_session,
    new_charge,
    new_intent,
    settle,
)
from clients.stripe.simulator_wire import MAX_LINE_ITEMS, Json, StripeError, require

SESSION_SECONDS: Final = 24 * 3600
DELAYED_SECONDS: Final = 3.0  # how long a simulated bank debit takes by itself


def new_session(m: Merchant, given: Json, *, ui_mode: str) -> Json:
    require(given, "mode")
    is_setup = given["mode"] == "setup"
    if given["mode"] == "subscription":
        raise StripeError("This simulator plays sessions in payment and setup mode only", param="mode")
    _check_mode(given)
    require(given, *([] if is_setup else ["line_items"]), "success_url" if ui_mode == "hosted_page" else "return_url")
    if given.get("customer") and given.get("customer_email"):
        raise StripeError("You may only specify one of these parameters: customer, customer_email.", param="customer")
    if len(given.get("client_reference_id", "")) > 200:
        raise StripeError("Invalid string: client_reference_id", param="client_reference_id")
    if given.get("customer"):
        m.get("customer", given["customer"], param="customer")
    if given.get("customer") and given.get("customer_creation"):
        raise StripeError("You may only specify one of: customer, customer_creation.", param="customer_creation")
    amount, currency = (None, given.get("currency")) if is_setup else _total(given["line_items"])
    if is_setup and currency:
        currency = check_currency(currency)
    session = m.add(
        "cs_live" if m.livemode else "cs_test",
        "checkout.session",
        amount_subtotal=amount,
        amount_total=amount,
        cancel_url=given.get("cancel_url"),
        client_reference_id=given.get("client_reference_id"),
        client_secret=None,
        currency=currency,
        customer=given.get("customer"),
        customer_creation=given.get("customer_creation", "if_required"),
        customer_details=None,
        customer_email=given.get("customer_email"),
        expires_at=_expiry(m, given.get("expires_at")),
        locale=given.get("locale"),
        metadata=given.get("metadata") or {},
        mode=given["mode"],
        payment_intent=None,
        payment_method_types=["card", "link", "sepa_debit"],
        payment_status="no_payment_required" if is_setup else "unpaid",
        presentment_details=None,
        setup_intent=None,
        status="open",
        submit_type=given.get("submit_type"),
        success_url=given.get("success_url"),
        total_details={"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        ui_mode=ui_mode,
        url=None,
    )
    m.hidden[session["id"]] = {
        "intent_data": given.get("payment_intent_data") or {},
        "items": given.get("line_items", []),
    }
    if is_setup:
        session["setup_intent"] = setup.new_setup_intent(m, given.get("setup_intent_data") or {}, session=session)["id"]
    m.later(session["expires_at"] - m.now(), lambda: expire_if_open(m, session))
    return session


def _check_mode(given: Json) -> None:
    """What belongs to one mode alone."""
    wrong: str | None
    if given["mode"] == "setup":
        wrong = next((name for name in ("line_items", "payment_intent_data", "submit_type") if name in given), None)
        if not (given.get("currency") or given.get("allowed_payment_method_types")):
            raise StripeError("Missing required param: currency.", code="parameter_missing", param="currency")
    else:
        wrong = "setup_intent_data" if "setup_intent_data" in given else None
    if wrong is not None:
        raise StripeError(f"You can not pass `{wrong}` in `{given['mode']}` mode.", param=wrong)


def _total(items: list[Json]) -> tuple[int, str]:
    if len(items) > MAX_LINE_ITEMS:
        raise StripeError(f"You can have up to {MAX_LINE_ITEMS} line items", param="line_items")
    total, currencies = 0, set()
    for index, item in enumerate(items):
        price, label = item.get("price_data") or {}, f"line_items[{index}]"
        for name in ("currency", "unit_amount", "product_data"):
            if price.get(name) in (None, "", {}):
                label = f"{label}[price_data][{name}]"
                raise StripeError(f"Missing required param: {label}.", code="parameter_missing", param=label)
        if not price["product_data"].get("name"):
            label = f"{label}[price_data][product_data][name]"
            raise StripeError(f"Missing required param: {label}.", code="parameter_missing", param=label)
        if item.get("quantity", 0) < 1:
            raise StripeError("Quantity is required and must be at least 1.", param=f"{label}[quantity]")
        currencies.add(check_currency(price["currency"], param=f"{label}[price_data][currency]"))
        total += price["unit_amount"] * item["quantity"]
    if len(currencies) != 1:
        raise StripeError("All line items must have the same currency.", param="line_items")
    currency = currencies.pop()
    check_amount(total, currency, param="line_items")
    return total, currency


def _expiry(m: Merchant, wanted: int | None) -> int:
    if wanted is None:
        return m.now() + SESSION_SECONDS
    if not m.now() + 1800 - 60 <= wanted <= m.now() + SESSION_SECONDS + 60:  # a minute for clocks that differ
        raise StripeError("The expires_at timestamp must be 30 minutes to 24 hours from now.", param="expires_at")
    return wanted


def save_session(m: Merchant, session: Json, card_name: str) -> Json:
    """The customer gives a card on the page of a session in mode `setup`; declined, the page stays open."""
    _require_open(session)
    intent = m.objects[session["setup_intent"]]
    if intent["status"] == "requires_action":  # the customer came back from the challenge and tries another card
        intent |= {"status": "requires_payment_method", "next_action": None}
    intent["customer"] = _customer_of(m, session)
    setup.attempt(m, intent, card_name)
    _complete_if_saved(m, session, intent)
    return intent


def answer_setup_challenge(m: Merchant, session: Json, *, is_success: bool) -> Json:
    _require_open(session)
    intent = m.objects[session["setup_intent"]]
    setup.authenticate(m, intent, is_success=is_success)
    _complete_if_saved(m, session, intent)
    return intent


def _complete_if_saved(m: Merchant, session: Json, intent: Json) -> None:
    if intent["status"] == "succeeded":
        complete_session(m, session)


def _customer_of(m: Merchant, session: Json) -> str | None:
    """Whom the session is for, made now where it was asked to make one.

    Unconfirmed: a customer that comes to be at the first try, where the real one waits for the confirmation to succeed.
    """
    if session["customer"] is None and session["customer_creation"] == "always":
        email = session["customer_email"] or "customer@example.com"
        customer = m.add("cus", "customer", email=email, name=None, phone=None, description=None, metadata={})
        session["customer"] = customer["id"]
        m.emit("customer.created", customer)
    found: str | None = session["customer"]
    return found


def pay_session(m: Merchant, session: Json, card_name: str) -> Json:
    """The customer enters a card on the hosted page; declined, the page stays open. The intent is made here."""
    _require_open(session)
    intent = _session_intent(m, session)
    attempt(m, intent, card_name)
    _follow(m, session, intent)
    return intent


def answer_challenge(m: Merchant, session: Json, *, is_success: bool) -> Json:
    _require_open(session)
    intent = m.objects[session["payment_intent"]]
    authenticate(m, intent, is_success=is_success)
    _follow(m, session, intent)
    return intent


def pay_session_delayed(m: Merchant, session: Json, *, will_succeed: bool | None = None) -> Json:
    """A bank debit: complete but unpaid now; settled later by itself, or by `settle_delayed` where None is given."""
    _require_open(session)
    intent = _session_intent(m, session)
    plain = CARDS["pm_card_visa"]
    charge = new_charge(m, intent, plain, status="pending", outcome=outcome_of(plain, None))
    charge["payment_method_details"] = {
        "type": "sepa_debit",
        "sepa_debit": {"last4": "3000", "country": "DE", "bank_code": "37040044"},
    }
    intent |= {"status": "processing", "last_payment_error": None, "payment_method": f"pm_{secrets.token_hex(12)}"}
    m.emit("charge.pending", charge)
    m.emit("payment_intent.processing", intent)
    complete_session(m, session)
    if will_succeed is not None:
        m.later(DELAYED_SECONDS, lambda: settle_delayed(m, session, is_success=will_succeed))
    return intent


def settle_delayed(m: Merchant, session: Json, *, is_success: bool) -> None:
    """The bank's word on a delayed payment. Nothing happens where none is waiting."""
    intent = m.objects[session["payment_intent"]] if session["payment_intent"] else None
    if intent is None or intent["status"] != "processing":
        return
    charge = m.objects[intent["latest_charge"]]
    if is_success:
        settle(m, intent, charge, intent["amount"])
        return
    charge |= {"status": "failed", "failure_code": "debit_not_authorized", "failure_message": "The debit was refused."}
    error = {"type": "card_error", "code": "payment_intent_payment_attempt_failed", "message": "The payment failed."}
    intent |= {"status": "requires_payment_method", "last_payment_error": error, "payment_method": None}
    m.emit("charge.failed", charge)
    m.emit("payment_intent.payment_failed", intent)
    m.emit("checkout.session.async_payment_failed", session)


def expire(m: Merchant, session: Json) -> None:
    """Raises StripeError unless the session is open."""
    if session["status"] != "open":
        raise StripeError(
            f'Only Checkout Sessions with a status in ["open"] can be expired. This one is {session["status"]}.',
            is_stored=True,
        )
    session |= {"status": "expired", "url": None}
    if session["setup_intent"] and m.objects[session["setup_intent"]]["status"] in setup.CONFIRMABLE:
        setup.cancel(m, m.objects[session["setup_intent"]], None, is_by_session=True)
    if session["payment_intent"]:
        # Unconfirmed: that the intent of a tried session ends with it, and the reason's word.
        cancel(m, m.objects[session["payment_intent"]], "automatic", is_by_session=True)
    m.emit("checkout.session.expired", session)


def expire_if_open(m: Merchant, session: Json) -> None:
    if session["status"] == "open":
        expire(m, session)


def _require_open(session: Json) -> None:
    if session["status"] != "open":
        raise ValueError(f"this Checkout Session is {session['status']}, it can no longer be paid")


def _session_intent(m: Merchant, session: Json) -> Json:
    if session["mode"] != "payment":
        raise ValueError("this Checkout Session saves a method, it takes no payment")
    if session["payment_intent"] is None:
        data: dict[str, Any] = m.hidden[session["id"]]["intent_data"]
        amount, currency = session["amount_total"], session["currency"]
        intent = new_intent(m, data, amount=amount, currency=currency, session=session)
        session["payment_intent"] = intent["id"]
    intent = m.objects[session["payment_intent"]]
    intent["customer"] = _customer_of(m, session)
    if intent["status"] == "requires_action":  # the customer came back from the challenge and tries another way
        intent |= {"status": "requires_payment_method", "next_action": None}
    return intent


def _follow(m: Merchant, session: Json, intent: Json) -> None:
    if intent["status"] == "requires_capture":
        complete_session(m, session)
