"""PaymentIntents and their charges at the simulated Stripe: the state machine of protocol page sections 5 and 8."""

from __future__ import annotations

import secrets
from typing import Final

from clients.stripe import simulator_methods as methods
from clients.stripe.simulator_aftercare import open_dispute
from clients.stripe.simulator_cards import CARDS, Card, card_error, method_details, outcome_of
from clients.stripe.simulator_merchant import Merchant
from clients.stripe.simulator_money import fee_of
from clients.stripe.simulator_wire import Json, StripeError

HOLD_SECONDS: Final = 7 * 24 * 3600
DISPUTE_SECONDS: Final = 1.0  # until the card that always disputes does
CANCELABLE: Final = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action")
CONFIRMABLE: Final = ("requires_payment_method", "requires_confirmation", "requires_action")
_COPIED: Final = (
    "description receipt_email statement_descriptor statement_descriptor_suffix setup_future_usage shipping"
).split()


# --- PaymentIntents ------------------------------------------------------------------------------------------------


def new_intent(m: Merchant, given: Json, *, amount: int, currency: str, session: Json | None = None) -> Json:
    """`given` is the create call, or the session's `payment_intent_data`."""
    automatic = given.get("automatic_payment_methods") or None
    intent = m.add(
        "pi",
        "payment_intent",
        amount=amount,
        amount_capturable=0,
        amount_received=0,
        automatic_payment_methods=automatic,
        canceled_at=None,
        cancellation_reason=None,
        capture_method=given.get("capture_method", "automatic_async"),
        confirmation_method="automatic",
        currency=currency,
        customer=session["customer"] if session else given.get("customer"),
        last_payment_error=None,
        latest_charge=None,
        metadata=given.get("metadata") or {},
        next_action=None,
        payment_method=None,
        payment_method_types=["card", "link"],
        processing=None,
        review=None,
        status="requires_payment_method",
        **{name: given.get(name) for name in _COPIED},
    )
    intent["client_secret"] = f"{intent['id']}_secret_{secrets.token_hex(12)}"
    m.hidden[intent["id"]] = {"session": session["id"] if session else None, "card": None, "method": None}
    m.emit("payment_intent.created", intent)
    return intent


def confirm(m: Merchant, intent: Json, given: Json) -> None:
    """The merchant's or the browser's confirm call. Raises StripeError (402, stored) for a decline."""
    if m.hidden[intent["id"]].get("session"):
        raise StripeError("You cannot confirm a PaymentIntent that was created by Checkout.", is_stored=True)
    if intent["status"] not in CONFIRMABLE:
        raise unexpected_state(intent, "confirmed")
    hidden = m.hidden[intent["id"]]
    hidden["return_url"] = given.get("return_url") or hidden.get("return_url")
    name = given.get("payment_method") or hidden.get("method")
    if not name:
        raise StripeError(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
            payment_intent=intent,
            is_stored=True,
        )
    off = bool(given.get("off_session") or given.get("error_on_requires_action"))
    attempt(m, intent, name, is_off_session=off)
    error = intent["last_payment_error"]
    if error is not None:
        raise StripeError(
            error["message"],
            status=402,
            kind=error["type"],
            is_stored=True,
            payment_intent=dict(intent),
            **{name: value for name, value in error.items() if name not in ("message", "type", "payment_method")},
        )


def attempt(m: Merchant, intent: Json, name: str, *, is_off_session: bool = False) -> None:
    """The customer gives a card. Ends in succeeded, requires_capture, requires_action or with an error noted."""
    method = methods.method_to_charge(m, name, customer=intent["customer"])
    card = methods.card_of(m, method)
    m.hidden[intent["id"]] |= {"card": m.hidden[method["id"]]["card"], "method": method["id"]}
    intent |= {"payment_method": method["id"], "last_payment_error": None, "next_action": None}
    if not methods.asks_for_customer(m, method, is_off_session=is_off_session):
        _charge_or_decline(m, intent, card, card.decline)
    elif is_off_session:
        error = {"type": "card_error", "code": "authentication_required", "decline_code": "authentication_required"}
        _decline(
            m, intent, card, error | {"message": "Your card was declined. This transaction requires authentication."}
        )
    else:
        intent |= {"status": "requires_action", "next_action": _challenge(m, intent)}
        m.emit("payment_intent.requires_action", intent)


def authenticate(m: Merchant, intent: Json, *, is_success: bool) -> None:
    """The end of a 3-D Secure challenge. Raises ValueError where none is open."""
    if intent["status"] != "requires_action":
        raise ValueError("no 3-D Secure challenge is open")
    card = CARDS[m.hidden[intent["id"]]["card"]]
    intent["next_action"] = None
    if is_success:
        _charge_or_decline(m, intent, card, card.decline_after_authentication)
        return
    message = "The provided PaymentMethod has failed authentication."
    intent |= {
        "status": "requires_payment_method",
        "last_payment_error": {
            "type": "card_error",
            "code": "payment_intent_authentication_failure",
            "message": message,
        },
        "payment_method": None,
    }
    m.emit("payment_intent.payment_failed", intent)


def _challenge(m: Merchant, intent: Json) -> Json:
    page, back = m.hidden[intent["id"]].get("challenge_url"), m.hidden[intent["id"]].get("return_url")
    if back and page:
        return {"type": "redirect_to_url", "redirect_to_url": {"return_url": back, "url": page}}
    return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect", "stripe_js": page}}


def _charge_or_decline(m: Merchant, intent: Json, card: Card, decline: str | None) -> None:
    if decline is not None:
        _decline(m, intent, card, card_error(decline), outcome=outcome_of(card, decline))
        return
    charge = new_charge(m, intent, card, status="succeeded", outcome=outcome_of(card, None))
    methods.keep_if_wished(m, intent)
    if card.outcome == "manual_review":
        review = m.add("prv", "review", charge=charge["id"], open=True, payment_intent=intent["id"], reason="rule")
        charge["review"] = intent["review"] = review["id"]
        m.emit("review.opened", review)
    if intent["capture_method"] == "manual":
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        m.emit("charge.succeeded", charge)
        m.emit("payment_intent.amount_capturable_updated", intent)
        m.later(HOLD_SECONDS, lambda: lapse(m, intent))
    else:
        settle(m, intent, charge, intent["amount"])


def _decline(m: Merchant, intent: Json, card: Card, error: Json, *, outcome: Json | None = None) -> None:
    charge = new_charge(m, intent, card, status="failed", outcome=outcome)
    charge |= {"failure_code": error["code"], "failure_message": error["message"]}
    intent |= {
        "status": "requires_payment_method",
        "last_payment_error": {**error, "charge": charge["id"]},
        "payment_method": None,
    }
    m.hidden[intent["id"]] |= {"card": None, "method": None}
    m.emit("charge.failed", charge)
    m.emit("payment_intent.payment_failed", intent)


def new_charge(m: Merchant, intent: Json, card: Card, *, status: str, outcome: Json | None) -> Json:
    is_hold = status == "succeeded" and intent["capture_method"] == "manual"
    charge = m.add(
        "ch",
        "charge",
        amount=intent["amount"],
        amount_captured=0,
        amount_refunded=0,
        balance_transaction=None,
        billing_details={"address": None, "email": None, "name": None, "phone": None},
        captured=False,
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        disputed=False,
        failure_code=None,
        failure_message=None,
        metadata=dict(intent["metadata"]),
        outcome=outcome,
        paid=status == "succeeded",
        payment_intent=intent["id"],
        payment_method=intent["payment_method"],
        payment_method_details=method_details(card, capture_before=m.now() + HOLD_SECONDS if is_hold else None),
        refunded=False,
        review=None,
        status=status,
    )
    intent["latest_charge"] = charge["id"]
    return charge


def settle(m: Merchant, intent: Json, charge: Json, amount: int) -> None:
    """Money moves: the charge is captured. The balance transaction may follow (automatic_async)."""
    is_late = intent["capture_method"] == "automatic_async"
    was_held = intent["status"] == "requires_capture"
    charge |= {"captured": True, "paid": True, "status": "succeeded", "amount_captured": amount}
    intent |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0, "processing": None}
    if not is_late:
        _post_charge(m, charge)
    m.emit("charge.captured" if was_held else "charge.succeeded", charge)
    m.emit("payment_intent.succeeded", intent)
    session_name = m.hidden[intent["id"]].get("session")
    if session_name:
        _tell_session_paid(m, m.objects[session_name], was_held=was_held)
    if is_late:
        _post_charge(m, charge)
        m.emit("charge.updated", charge, previous={"balance_transaction": None})
    dispute = CARDS[m.hidden[intent["id"]].get("card") or "pm_card_visa"].dispute
    if dispute != "none":
        m.later(DISPUTE_SECONDS, lambda: _dispute(m, charge, is_inquiry=dispute == "inquiry"))


def _dispute(m: Merchant, charge: Json, *, is_inquiry: bool) -> None:
    open_dispute(m, charge, is_inquiry=is_inquiry)


def _post_charge(m: Merchant, charge: Json) -> None:
    fee = fee_of(charge["amount_captured"])
    posted = m.post(charge["currency"], charge["amount_captured"], fee=fee, kind="charge", source=charge["id"])
    charge["balance_transaction"] = posted["id"]


def capture(m: Merchant, intent: Json, amount: int | None) -> None:
    """Take all or a part of a hold; a part releases the rest and ends the intent."""
    if intent["status"] != "requires_capture":
        raise unexpected_state(intent, "captured")
    wanted = intent["amount_capturable"] if amount is None else amount
    if wanted < 1:
        raise StripeError("Invalid amount_to_capture: must be at least 1", param="amount_to_capture")
    if wanted > intent["amount_capturable"]:
        raise StripeError(
            f"The amount_to_capture must be less than or equal to {intent['amount_capturable']}.",
            code="amount_too_large",
            param="amount_to_capture",
            is_stored=True,
        )
    settle(m, intent, m.objects[intent["latest_charge"]], wanted)


def cancel(m: Merchant, intent: Json, reason: str | None, *, is_by_session: bool = False) -> None:
    """Void. What was held shows as refunded although no money moved (section 8)."""
    if m.hidden[intent["id"]].get("session") and intent["status"] != "requires_capture" and not is_by_session:
        # Unconfirmed: the page tells that it is refused, not the code.
        raise StripeError("You cannot cancel a PaymentIntent created by Checkout; expire its session.", is_stored=True)
    if intent["status"] not in CANCELABLE:
        raise unexpected_state(intent, "canceled")
    was_held = intent["status"] == "requires_capture"
    intent |= {
        "status": "canceled",
        "canceled_at": m.now(),
        "cancellation_reason": reason,
        "amount_capturable": 0,
        "next_action": None,
    }
    if was_held:
        _release(m, m.objects[intent["latest_charge"]], reason=None)
    m.emit("payment_intent.canceled", intent)


def lapse(m: Merchant, intent: Json) -> None:
    """The hold ran out before anybody captured it."""
    if intent["status"] != "requires_capture":
        return
    # Unconfirmed: the reason's word.
    intent |= {"status": "canceled", "canceled_at": m.now(), "cancellation_reason": "automatic", "amount_capturable": 0}
    charge = m.objects[intent["latest_charge"]]
    _release(m, charge, reason="expired_uncaptured_charge")
    m.emit("charge.expired", charge)
    m.emit("payment_intent.canceled", intent)


def _release(m: Merchant, charge: Json, *, reason: str | None) -> None:
    charge |= {"refunded": True, "amount_refunded": charge["amount"]}
    refund = m.add(
        "re",
        "refund",
        amount=charge["amount"],
        balance_transaction=None,
        charge=charge["id"],
        currency=charge["currency"],
        destination_details={"card": {"type": "reversal"}, "type": "card"},
        metadata={},
        payment_intent=charge["payment_intent"],
        reason=reason,
        status="succeeded",
    )
    m.emit("refund.created", refund)
    m.emit("charge.refunded", charge)


def unexpected_state(intent: Json, done: str) -> StripeError:
    return StripeError(
        f"This PaymentIntent could not be {done} because it has a status of {intent['status']}.",
        code="payment_intent_unexpected_state",
        payment_intent=dict(intent),
        is_stored=True,
    )


# --- what a session hears of its intent ----------------------------------------------------------------------------


def complete_session(m: Merchant, session: Json) -> None:
    email = session["customer_email"] or "customer@example.com"
    session |= {"status": "complete", "url": None, "customer_details": {"email": email, "name": "Simulated Customer"}}
    m.emit("checkout.session.completed", session)


def _tell_session_paid(m: Merchant, session: Json, *, was_held: bool) -> None:
    session["payment_status"] = "paid"
    if session["status"] == "open":
        complete_session(m, session)
    elif not was_held:
        m.emit("checkout.session.async_payment_succeeded", session)
