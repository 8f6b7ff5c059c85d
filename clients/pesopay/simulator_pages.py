"""What the customer sees at the simulated PesoPay: the payment page, the bank, refusals."""

from __future__ import annotations

from html import escape
from typing import Final

from clients.pesopay.simulator_merchant import Page, letters_of
from core.gateways.simulated_page import Button, Look

_LOOK: Final = Look("PesoPay", "#c2410c")
_BUTTONS: Final[tuple[Button, ...]] = (
    ("pay", "Pay", "main"),
    ("pay_3ds", "Pay with a card whose bank asks first", ""),
    ("wallet", "Pay with a wallet, confirmed later", ""),
    ("decline", "Card is declined, back to the shop", ""),
    ("decline_retry", "Card is declined, try another here", ""),
    ("cancel", "Cancel", "quiet"),
    ("abandon", "Close without paying", "quiet"),
)
_BANK: Final[tuple[Button, ...]] = (("success", "Yes, it is me", "main"), ("failure", "Fail verification", ""))


def payment(page: Page, *, url: str, error: str | None = None) -> str:
    return _LOOK.page("Payment", _summary(page, f"Order {page.reference}"), _BUTTONS, action=url, error=error)


def bank(page: Page, *, url: str) -> str:
    return _LOOK.page("Bank", _summary(page, "Your bank asks: is it you who pays"), _BANK, action=url)


def message(title: str, text: str) -> str:
    return _LOOK.message(title, text)


def _summary(page: Page, text: str) -> str:
    kind = " (hold)" if page.is_hold else ""
    amount = f"{escape(page.fields['amount'])} {letters_of(page)}{kind}"
    return f"<h1>{escape(text)}</h1><p class=amount>{amount}</p>"
