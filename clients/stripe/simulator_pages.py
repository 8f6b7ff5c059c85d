"""What the customer sees at the simulated Stripe: the hosted Checkout page and the 3-D Secure challenge."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from clients.stripe.simulator_money import to_major
from clients.stripe.simulator_wire import Json

Button = tuple[str, str, str]  # what it sends, what it says, how it looks

_STYLE: Final = """
:root{color-scheme:light dark}*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:#8881}
main{width:min(26rem,100%);background:Canvas;padding:1.5rem;border-radius:1rem;box-shadow:0 4px 24px #0002}
.note{background:#d9770622;border-left:4px solid #d97706;padding:.5rem .8rem;border-radius:.3rem;font-size:.9rem}
.error{background:#dc262622;border-left:4px solid #dc2626;padding:.5rem .8rem;border-radius:.3rem}
h1{font-size:1rem;font-weight:500;opacity:.75;margin:1rem 0 0}.amount{font-size:2rem;font-weight:700;margin:0 0 1rem}
dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem 1rem;font-size:.9rem}dt{opacity:.65}
dd{margin:0;text-align:right;overflow-wrap:anywhere}
button{width:100%;padding:.75rem;margin:.25rem 0;border-radius:.6rem;border:1px solid #8886;font:inherit;
background:transparent;color:inherit;cursor:pointer}button.main{background:#635bff;color:#fff;border:0;font-weight:600}
button.quiet{border:0;opacity:.7}
"""
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
        return _page("Save a card", "<h1>Save a card for later payments</h1>", buttons, error)
    buttons = [one for one in BUTTONS if one[0] != "cancel" or session["cancel_url"]]
    return _page("Checkout", _summary(session["amount_total"], session["currency"], items), buttons, error)


def challenge(intent: Json) -> str:
    amount = _amount(intent["amount"], intent["currency"]) if "amount" in intent else ""
    summary = f"<h1>Your bank asks: is it you who pays</h1>{amount}"
    return _page("3-D Secure", summary, CHALLENGE_BUTTONS, None)


def pay_intent(intent: Json, *, error: str | None) -> str:
    """Stands in for the Payment Element of the lab's own page, for people who look at the simulator alone."""
    buttons = [one for one in BUTTONS if one[0] in ("pay", "pay_3ds", "decline", "decline_funds")]
    return _page("Payment", _summary(intent["amount"], intent["currency"], []), buttons, error)


def message(title: str, text: str) -> str:
    return _page(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>", (), None)


def _summary(amount: int, currency: str, items: list[Json]) -> str:
    rows = "".join(
        f"<dt>{escape(item['price_data']['product_data']['name'])} x {item['quantity']}"
        f"<dd>{to_major(item['price_data']['unit_amount'] * item['quantity'], currency)}"
        for item in items
    )
    return f"<h1>To pay</h1>{_amount(amount, currency)}<dl>{rows}</dl>"


def _amount(amount: int, currency: str) -> str:
    return f"<p class=amount>{to_major(amount, currency)} {escape(currency.upper())}</p>"


def _page(title: str, inner: str, buttons: Iterable[Button], error: str | None) -> str:
    form = "".join(f"<button name=do value={do} class='{look}'>{escape(text)}</button>" for do, text, look in buttons)
    problem = f"<p class=error role=alert>{escape(error)}</p>" if error else ""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)} - Simulated Stripe</title>"
        f'<meta name=viewport content="width=device-width,initial-scale=1"><style>{_STYLE}</style><main>'
        "<p class=note>Simulated Stripe - no real money</p>"
        f"{inner}{problem}<form method=post>{form}</form></main></html>"
    )
