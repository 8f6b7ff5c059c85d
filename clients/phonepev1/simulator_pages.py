"""What the customer sees at the simulated PhonePe v1: the PayPage, the bank's page, the form that posts him back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from html import escape
from typing import Final

from clients.phonepev1.simulator_merchant import Transaction

Button = tuple[str, str, str]  # what it sends, what it says, how it looks

_STYLE: Final = """
:root{color-scheme:light dark}*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:#8881}
main{width:min(26rem,100%);background:Canvas;padding:1.5rem;border-radius:1rem;box-shadow:0 4px 24px #0002}
.note{background:#d9770622;border-left:4px solid #d97706;padding:.5rem .8rem;border-radius:.3rem;font-size:.9rem}
.error{background:#dc262622;border-left:4px solid #dc2626;padding:.5rem .8rem;border-radius:.3rem}
h1{font-size:1rem;font-weight:500;opacity:.75;margin:1rem 0 0}.amount{font-size:2rem;font-weight:700;margin:0 0 1rem}
button{width:100%;padding:.75rem;margin:.25rem 0;border-radius:.6rem;border:1px solid #8886;font:inherit;
background:transparent;color:inherit;cursor:pointer}button.main{background:#5f259f;color:#fff;border:0;font-weight:600}
button.quiet{border:0;opacity:.7}
"""
_PAY: Final[tuple[Button, ...]] = (
    ("pay", "Pay by UPI", "main"),
    ("card", "Pay by card, the bank asks first", ""),
    ("pend", "Pay by UPI, approve later", ""),
    ("fail", "The payment fails", ""),
    ("decline", "Decline", ""),
    ("expire", "Let it run out", ""),
    ("cancel", "Cancel", "quiet"),
)
_BANK: Final[tuple[Button, ...]] = (
    ("success", "Success", "main"),
    ("failure", "Failure", ""),
    ("pending", "Pending", ""),
)


def payment(one: Transaction, *, error: str | None) -> str:
    return _page("Payment", f"<h1>To pay</h1>{_amount(one)}", _PAY, error)


def bank(one: Transaction) -> str:
    return _page("Bank", f"<h1>Your bank asks: is it you who pays</h1>{_amount(one)}", _BANK, None)


def message(title: str, text: str) -> str:
    return _page(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>", (), None)


def form_post(url: str, fields: Mapping[str, str]) -> str:
    """Sends the browser to the merchant by a cross-site form, at once where scripts run, by a button elsewhere."""
    rows = "".join(
        f'<input type=hidden name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
    )
    inner = (
        f'<h1>Back to the merchant</h1><form id=back method=post action="{escape(url)}">{rows}'
        "<button class=main>Continue</button></form><script>document.getElementById('back').submit()</script>"
    )
    return _page("Back", inner, (), None)


def _amount(one: Transaction) -> str:
    return f"<p class=amount>{Decimal(one.amount).scaleb(-2)} INR</p>"


def _page(title: str, inner: str, buttons: Iterable[Button], error: str | None) -> str:
    form = "".join(f"<button name=do value={do} class='{look}'>{escape(text)}</button>" for do, text, look in buttons)
    problem = f"<p class=error role=alert>{escape(error)}</p>" if error else ""
    asked = f"<form method=post>{form}</form>" if form else ""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)} - Simulated PhonePe v1</title>"
        f'<meta name=viewport content="width=device-width,initial-scale=1"><style>{_STYLE}</style><main>'
        "<p class=note>Simulated PhonePe v1 - no real money</p>"
        f"{inner}{problem}{asked}</main></html>"
    )
