"""What the customer sees at the simulated PesoPay: the payment page, the bank, refusals."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from clients.pesopay.simulator_merchant import Page, letters_of

Button = tuple[str, str, str]  # what it sends, what it says, how it looks

_STYLE: Final = """
:root{color-scheme:light dark}*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:#8881}
main{width:min(26rem,100%);background:Canvas;padding:1.5rem;border-radius:1rem;box-shadow:0 4px 24px #0002}
.note{background:#d9770622;border-left:4px solid #d97706;padding:.5rem .8rem;border-radius:.3rem;font-size:.9rem}
.error{background:#dc262622;border-left:4px solid #dc2626;padding:.5rem .8rem;border-radius:.3rem}
h1{font-size:1rem;font-weight:500;opacity:.75;margin:1rem 0 0}.amount{font-size:2rem;font-weight:700;margin:0 0 1rem}
button{width:100%;padding:.75rem;margin:.25rem 0;border-radius:.6rem;border:1px solid #8886;font:inherit;
background:transparent;color:inherit;cursor:pointer}button.main{background:#c2410c;color:#fff;border:0;font-weight:600}
button.quiet{border:0;opacity:.7}
"""
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
    return _page("Payment", _summary(page, f"Order {page.reference}"), _BUTTONS, url=url, error=error)


def bank(page: Page, *, url: str) -> str:
    return _page("Bank", _summary(page, "Your bank asks: is it you who pays"), _BANK, url=url)


def message(title: str, text: str) -> str:
    return _page(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>", ())


def _summary(page: Page, text: str) -> str:
    kind = " (hold)" if page.is_hold else ""
    amount = f"{escape(page.fields['amount'])} {letters_of(page)}{kind}"
    return f"<h1>{escape(text)}</h1><p class=amount>{amount}</p>"


def _page(title: str, inner: str, buttons: Iterable[Button], *, url: str = "", error: str | None = None) -> str:
    form = "".join(f"<button name=do value={do} class='{look}'>{escape(text)}</button>" for do, text, look in buttons)
    problem = f"<p class=error role=alert>{escape(error)}</p>" if error else ""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)} - Simulated PesoPay</title>"
        f'<meta name=viewport content="width=device-width,initial-scale=1"><style>{_STYLE}</style><main>'
        f"<p class=note>Simulated PesoPay - no real money</p>{inner}{problem}"
        f'<form method=post action="{escape(url)}">{form}</form></main></html>'
    )
