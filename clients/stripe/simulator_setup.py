"""Saving a method without a payment at the simulated Stripe: SetupIntents and sessions in mode `setup` (section 10)."""

from __future__ import annotations

import secrets
from typing import Final

from clients.stripe import simulator_methods as methods
from clients.stripe.simulator_cards import card_error
from clients.stripe.simulator_merchant import Merchant
from clients.stripe.simulator_wire import Json, StripeError

CONFIRMABLE: Final = ("requires_payment_method", "requires_confirmation", "requires_action")


def new_setup_intent(m: Merchant, given: Json, *, session: Json | None = None) -> Json:
    """`given` is the create call, or the session's `setup_intent_data`."""
    automatic = given.get("automatic_payment_methods") or None
    intent = m.add(
        "seti",
        "setup_intent",
        automatic_payment_methods=automatic,
        cancellation_reason=None,
        customer=session["customer"] if session else given.get("customer"),
        description=given.get("description"),
        last_setup_error=None,
        latest_attempt=None,
        metadata=given.get("metadata") or {},
        next_action=None,
        payment_method=None,
        payment_method_types=["card", "link"],
        status="requires_payment_method",
        usage=given.get("usage", "off_session"),
    )
    intent["client_secret"] = f"{intent['id']}_secret_{secrets.token_hex(12)}"
    m.hidden[intent["id"]] = {"session": session["id"] if session else None, "method": None}
    m.emit("setup_intent.created", intent)
    return intent


def confirm(m: Merchant, intent: Json, given: Json) -> None:
    """The merchant's or the browser's confirm call. Raises StripeError (402, stored) for a decline."""
    if m.hidden[intent["id"]]["session"]:
        raise StripeError("You cannot confirm a SetupIntent that was created by Checkout.", is_stored=True)
    if intent["status"] not in CONFIRMABLE:
        raise unexpected_state(intent, "confirmed")
    name = given.get("payment_method") or m.hidden[intent["id"]]["method"]
    if not name:
        raise StripeError(
            "You cannot confirm this SetupIntent because it's missing a payment method.",
            code="setup_intent_unexpected_state",
            setup_intent=dict(intent),
            is_stored=True,
        )
    attempt(m, intent, name)
    error = intent["last_setup_error"]
    if error is not None:
        members = {key: value for key, value in error.items() if key not in ("message", "type")}
        raise StripeError(
            error["message"], status=402, kind=error["type"], is_stored=True, setup_intent=dict(intent), **members
        )


def attempt(m: Merchant, intent: Json, name: str) -> None:
    """The customer gives a card. Ends in succeeded, requires_action or with an error noted."""
    method = methods.method_to_charge(m, name, customer=intent["customer"])
    card = methods.card_of(m, method)
    m.hidden[intent["id"]]["method"] = method["id"]
    intent |= {"payment_method": method["id"], "last_setup_error": None, "next_action": None}
    if card.needs_authentication or card.needs_authentication_until_set_up:
        intent |= {"status": "requires_action", "next_action": {"type": "use_stripe_sdk", "use_stripe_sdk": {}}}
        m.emit("setup_intent.requires_action", intent)
        return
    try:
        methods.refuse_unsavable(card)
    except StripeError:
        _fail(m, intent, card_error(card.decline or "generic_decline"))
        return
    _succeed(m, intent, method)


def authenticate(m: Merchant, intent: Json, *, is_success: bool) -> None:
    """The end of a 3-D Secure challenge. Raises ValueError where none is open."""
    if intent["status"] != "requires_action":
        raise ValueError("no 3-D Secure challenge is open")
    intent["next_action"] = None
    if is_success:
        _succeed(m, intent, m.objects[intent["payment_method"]])
        return
    message = "The provided PaymentMethod has failed authentication."
    _fail(m, intent, {"type": "card_error", "code": "setup_intent_authentication_failure", "message": message})


def _succeed(m: Merchant, intent: Json, method: Json) -> None:
    if intent["customer"] and method["customer"] is None:
        methods.attach(m, method, intent["customer"])
    m.hidden[method["id"]] |= {"is_used": True, "is_set_up": intent["usage"] == "off_session"}
    intent["status"] = "succeeded"
    m.emit("setup_intent.succeeded", intent)


def _fail(m: Merchant, intent: Json, error: Json) -> None:
    intent |= {"status": "requires_payment_method", "last_setup_error": error, "payment_method": None}
    m.hidden[intent["id"]]["method"] = None
    m.emit("setup_intent.setup_failed", intent)


def cancel(m: Merchant, intent: Json, reason: str | None, *, is_by_session: bool = False) -> None:
    if m.hidden[intent["id"]]["session"] and not is_by_session:
        raise StripeError("You cannot cancel a SetupIntent created by Checkout; expire its session.", is_stored=True)
    if intent["status"] not in CONFIRMABLE:
        raise unexpected_state(intent, "canceled")
    intent |= {"status": "canceled", "cancellation_reason": reason, "next_action": None}
    m.emit("setup_intent.canceled", intent)


def unexpected_state(intent: Json, done: str) -> StripeError:
    return StripeError(
        f"This SetupIntent could not be {done} because it has a status of {intent['status']}.",
        code="setup_intent_unexpected_state",
        setup_intent=dict(intent),
        is_stored=True,
    )
