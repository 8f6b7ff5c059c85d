"""What the customer sees at the simulated PayTabs: the payment page, the bank, the form that leads back to the shop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from clients.paytabs.simulator_profile import Transaction
from clients.paytabs.simulator_wire import text_of_amount

Button = tuple[str, str, str]  # what it sends, what it says, how it looks

_STYLE: Final = """
:root{color-scheme:light dark}*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:#8881}
main{width:min(26rem,100%);background:Canvas;padding:1.5rem;border-radius:1rem;box-shadow:0 4px 24px #0002}
.note{background:#d9770622;border-left:4px solid #d97706;padding:.5rem .8rem;border-radius:.3rem;font-size:.9rem}
h1{font-size:1rem;font-weight:500;opacity:.75;margin:1rem 0 0}.amount{font-size:2rem;font-weight:700;margin:0 0 1rem}
button{width:100%;padding:.75rem;margin:.25rem 0;border-radius:.6rem;border:1px solid #8886;font:inherit;
background:transparent;color:inherit;cursor:pointer}button.main{background:#0b6bcb;color:#fff;border:0;font-weight:600}
button.quiet{border:0;opacity:.7}
"""
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
    return _page("Payment", _summary(one, one.description), (*buttons, *extra))


def bank(one: Transaction) -> str:
    return _page("Bank", _summary(one, "Your bank asks: is it you who pays"), _BANK)


def message(title: str, text: str) -> str:
    return _page(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>", ())


def way_back(url: str, fields: Mapping[str, str]) -> str:
    """A form that submits itself to the shop, empty fields included (section 7)."""
    inputs = "".join(
        f'<input type=hidden name="{escape(name)}" value="{escape(value)}">' for name, value in fields.items()
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Back - Simulated PayTabs</title><style>{_STYLE}</style>"
        "<main><p class=note>Simulated PayTabs - no real money</p>"
        f'<form id=back method=post action="{escape(url)}">{inputs}<button class=main>Back to the shop</button></form>'
        "</main><script>document.getElementById('back').submit()</script></html>"
    )


def _summary(one: Transaction, text: str) -> str:
    amount = text_of_amount(one.amount, one.currency)
    return f"<h1>{escape(text)}</h1><p class=amount>{amount} {escape(one.currency)}</p>"


def _page(title: str, inner: str, buttons: Iterable[Button]) -> str:
    form = "".join(f"<button name=do value={do} class='{look}'>{escape(text)}</button>" for do, text, look in buttons)
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)} - Simulated PayTabs</title>"
        f'<meta name=viewport content="width=device-width,initial-scale=1"><style>{_STYLE}</style><main>'
        f"<p class=note>Simulated PayTabs - no real money</p>{inner}<form method=post>{form}</form></main></html>"
    )
