"""What the customer sees at the simulated Stripe: the hosted Checkout page and the 3-D Secure challenge."""

from __future__ import annotations

from html import escape
from typing import Final

from clients.stripe.simulator_money import to_major
from clients.stripe.simulator_wire import Json
from core.gateways.simulated_page import Button, Look

_LOOK: Final = Look("Stripe", "#635bff")
BUTTONS: Final[tuple[Button, ...]] = (
    ("pay", "Pay", "main"),
    ("pay_3ds", "Pay with a card that asks for 3-D Secure", ""),
    ("pay_delayed", "Pay by bank debit, confirmed a moment later", ""),
    ("pay_delayed_fail", "Pay by bank debit that fails later", ""),
    ("decline", "Card is declined", ""),
    ("decline_funds", "Card is declined: insufficient funds", ""),
    ("cancel", "Go back without paying", "quiet"),
)
SAVE_BUTTONS: Final[tuple[Button, ...]] = (
    ("pay", "Save this card", "main"),
    ("pay_3ds", "Save a card that asks for 3-D Secure", ""),
    ("decline", "Card is declined", ""),
    ("cancel", "Go back without saving", "quiet"),
)
CHALLENGE_BUTTONS: Final[tuple[Button, ...]] = (
    ("pass", "Complete authentication", "main"),
    ("fail", "Fail authentication", ""),
)


def checkout(session: Json, items: list[Json], *, error: str | None) -> str:
    if session["mode"] == "setup":
        buttons = [one for one in SAVE_BUTTONS if one[0] != "cancel" or session["cancel_url"]]
        return _LOOK.page("Save a card", "<h1>Save a card for later payments</h1>", buttons, error=error)
    buttons = [one for one in BUTTONS if one[0] != "cancel" or session["cancel_url"]]
    return _LOOK.page("Checkout", _summary(session["amount_total"], session["currency"], items), buttons, error=error)


def challenge(intent: Json) -> str:
    amount = _amount(intent["amount"], intent["currency"]) if "amount" in intent else ""
    summary = f"<h1>Your bank asks: is it you who pays</h1>{amount}"
    return _LOOK.page("3-D Secure", summary, CHALLENGE_BUTTONS)


def pay_intent(intent: Json, *, error: str | None) -> str:
    """Stands in for the Payment Element of the lab's own page, for people who look at the simulator alone."""
    buttons = [one for one in BUTTONS if one[0] in ("pay", "pay_3ds", "decline", "decline_funds")]
    return _LOOK.page("Payment", _summary(intent["amount"], intent["currency"], []), buttons, error=error)


def message(title: str, text: str) -> str:
    return _LOOK.message(title, text)


def _summary(amount: int, currency: str, items: list[Json]) -> str:
    rows = "".join(
        f"<dt>{escape(item['price_data']['product_data']['name'])} x {item['quantity']}"
        f"<dd>{to_major(item['price_data']['unit_amount'] * item['quantity'], currency)}"
        for item in items
    )
    return f"<h1>To pay</h1>{_amount(amount, currency)}<dl>{rows}</dl>"


def _amount(amount: int, currency: str) -> str:
    return f"<p class=amount>{to_major(amount, currency)} {escape(currency.upper())}</p>"
