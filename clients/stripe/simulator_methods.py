"""Payment methods of the simulated Stripe: made, kept for a customer, charged again, forgotten (protocol page section 10)."""

from __future__ import annotations

from typing import Final

from clients.stripe.simulator_cards import CARDS, Card, card_error, card_named, method_details
from clients.stripe.simulator_merchant import Merchant
from clients.stripe.simulator_wire import Json, StripeError, missing

# Cards that cannot be attached or set up at all; the one that saves and then declines every charge is not among these.
_REFUSED_WHEN_SAVED: Final = frozenset({"0002", "9995", "9987", "9979", "0069", "0127", "0119"})


def new_method(m: Merchant, card_name: str) -> Json:
    """A card as a PaymentMethod of its own, as each use of a test name makes one."""
    card = card_named(card_name)
    shown = method_details(card, capture_before=None)["card"]
    method = m.add(
        "pm",
        "payment_method",
        allow_redisplay="unspecified",
        billing_details={"address": None, "email": None, "name": None, "phone": None},
        card={name: shown[name] for name in _SHOWN},
        customer=None,
        metadata={},
        type="card",
    )
    m.hidden[method["id"]] = {"card": card_name, "is_used": False, "is_set_up": False, "is_gone": False}
    return method


_SHOWN: Final = "brand checks country exp_month exp_year fingerprint funding last4 wallet".split()


def method_to_charge(m: Merchant, name: str, *, customer: str | None) -> Json:
    """The method that a call names. Raises StripeError for one that is unknown, another customer's or used up."""
    if name in CARDS:
        return new_method(m, name)
    method = m.objects.get(name)
    if method is None or method["object"] != "payment_method":
        raise missing("PaymentMethod", name, param="payment_method", status=400)
    hidden = m.hidden[name]
    if method["customer"] is not None and method["customer"] != customer:
        wrong = "does not belong to the Customer you supplied" if customer else "belongs to a Customer"
        raise StripeError(
            f"The payment method {name} {wrong}. Please include the Customer in the `customer` parameter.",
            param="payment_method",
            is_stored=True,
        )
    if hidden["is_gone"] or (method["customer"] is None and hidden["is_used"]):
        raise StripeError(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, or was "
            "detached from a Customer, and may not be used again.",
            param="payment_method",
            is_stored=True,
        )
    return method


def card_of(m: Merchant, method: Json) -> Card:
    return CARDS[m.hidden[method["id"]]["card"]]


def asks_for_customer(m: Merchant, method: Json, *, is_off_session: bool) -> bool:
    """Whether the bank wants a 3-D Secure challenge for this charge."""
    card = card_of(m, method)
    if card.needs_authentication_until_set_up:
        return not (is_off_session and m.hidden[method["id"]]["is_set_up"])
    return card.needs_authentication


def keep_if_wished(m: Merchant, intent: Json) -> None:
    """A payment that succeeded saves its method where it was asked to and has a customer."""
    method = m.objects.get(intent["payment_method"] or "")
    if method is None:
        return
    m.hidden[method["id"]]["is_used"] = True
    if intent.get("setup_future_usage") and intent["customer"] and method["customer"] is None:
        attach(m, method, intent["customer"])
        m.hidden[method["id"]]["is_set_up"] = intent["setup_future_usage"] == "off_session"


def attach(m: Merchant, method: Json, customer: str) -> None:
    method["customer"] = customer
    m.emit("payment_method.attached", method)


def attach_by_call(m: Merchant, name: str, customer: str) -> Json:
    """Raises StripeError; a card that no charge would pass is refused here already (402)."""
    m.get("customer", customer, param="customer")
    method = method_to_charge(m, name, customer=customer)
    if method["customer"] is not None:
        raise StripeError(
            "The payment method you provided has already been attached to a customer.", param="payment_method"
        )
    refuse_unsavable(card_of(m, method))
    attach(m, method, customer)
    return method


def refuse_unsavable(card: Card) -> None:
    if card.last4 in _REFUSED_WHEN_SAVED:
        error = card_error(card.decline or "generic_decline")
        raise StripeError(
            error.pop("message"), status=402, kind=error.pop("type"), is_stored=True, code=error.pop("code"), **error
        )


def detach(m: Merchant, method: Json) -> None:
    """For good. Unconfirmed: the text of the refusal, which the page does not quote."""
    if method["customer"] is None:
        raise StripeError(
            "The payment method you provided is not attached to a customer so detachment is impossible.",
            param="payment_method",
            is_stored=True,
        )
    was = method["customer"]
    method["customer"] = None
    m.hidden[method["id"]]["is_gone"] = True
    m.emit("payment_method.detached", method, previous={"customer": was})
