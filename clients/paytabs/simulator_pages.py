"""What the customer sees at the simulated PayTabs: the payment page, the bank, the form that leads back to the shop."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from clients.paytabs.simulator_profile import Transaction
from clients.paytabs.simulator_wire import text_of_amount
from core.gateways.simulated_page import Button, Look

_LOOK: Final = Look("PayTabs", "#0b6bcb")
_BUTTONS: Final[tuple[Button, ...]] = (
    ("pay", "Pay", "main"),
    ("pay_3ds", "Pay with a card whose bank asks first", ""),
    ("hold", "Pay, held for review", ""),
    ("offline", "Pay later at a kiosk", ""),
    ("decline", "Card is declined", ""),
    ("decline_funds", "Card is declined: insufficient funds", ""),
    ("cancel", "Cancel", "quiet"),
    ("expire", "Let the page expire", "quiet"),
)
_UNSAVED: Final[Button] = ("pay_unsaved", "Pay and do not save the card", "")
_BANK: Final[tuple[Button, ...]] = (("success", "Yes, it is me", "main"), ("failure", "Fail verification", ""))


def payment(one: Transaction) -> str:
    buttons = _BUTTONS if one.kind != "Register" else tuple(b for b in _BUTTONS if b[0] not in ("hold", "offline"))
    extra = (_UNSAVED,) if one.is_tokenised and one.kind != "Register" else ()
    return _LOOK.page("Payment", _summary(one, one.description), (*buttons, *extra))


def bank(one: Transaction) -> str:
    return _LOOK.page("Bank", _summary(one, "Your bank asks: is it you who pays"), _BANK)


def message(title: str, text: str) -> str:
    return _LOOK.message(title, text)


def way_back(url: str, fields: Mapping[str, str]) -> str:
    """Empty fields included (section 7)."""
    return _LOOK.posting(url, fields)


def _summary(one: Transaction, text: str) -> str:
    amount = text_of_amount(one.amount, one.currency)
    return f"<h1>{escape(text)}</h1><p class=amount>{amount} {escape(one.currency)}</p>"
