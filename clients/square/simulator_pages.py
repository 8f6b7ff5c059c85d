"""What the customer sees at the simulated Square: the page of a payment link, the bank, a stand-in of square.js."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from clients.square.simulator_wire import Json, to_major

Button = tuple[str, str, str]  # what it sends, what it says, how it looks

_STYLE: Final = """
:root{color-scheme:light dark}*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:#8881}
main{width:min(26rem,100%);background:Canvas;padding:1.5rem;border-radius:1rem;box-shadow:0 4px 24px #0002}
.note{background:#d9770622;border-left:4px solid #d97706;padding:.5rem .8rem;border-radius:.3rem;font-size:.9rem}
.error{background:#dc262622;border-left:4px solid #dc2626;padding:.5rem .8rem;border-radius:.3rem}
h1{font-size:1rem;font-weight:500;opacity:.75;margin:1rem 0 0}.amount{font-size:2rem;font-weight:700;margin:0 0 1rem}
dl{display:grid;grid-template-columns:auto 1fr;gap:.2rem 1rem;font-size:.9rem}dd{margin:0;text-align:right}
button{width:100%;padding:.75rem;margin:.25rem 0;border-radius:.6rem;border:1px solid #8886;font:inherit;
background:transparent;color:inherit;cursor:pointer}button.main{background:#006aff;color:#fff;border:0;font-weight:600}
button.quiet{border:0;opacity:.7}
"""
_PAY: Final[tuple[Button, ...]] = (
    ("pay", "Pay", "main"),
    ("pay_3ds", "Pay with a card whose bank asks first", ""),
)
_TIP: Final[Button] = ("pay_tip", "Pay with a tip", "")
_REFUSE: Final[tuple[Button, ...]] = (
    ("decline", "Card is declined", ""),
    ("decline_funds", "Card is declined: insufficient funds", ""),
    ("close", "Close without paying", "quiet"),
)
_BANK: Final[tuple[Button, ...]] = (("success", "Yes, it is me", "main"), ("failure", "Fail verification", ""))

# The browser SDK of the cards page, as far as a page needs it to get a token: nothing is typed in, nothing leaves it.
SQUARE_JS: Final = """/* Simulated Square Web Payments SDK - no real money. */
window.Square = { payments: function () {
  function method(token) {
    return {
      attach: function (target) {
        var place = typeof target === "string" ? document.querySelector(target) : target;
        if (place) { place.textContent = "Simulated Square card - no real money"; }
        return Promise.resolve();
      },
      destroy: function () { return Promise.resolve(); },
      tokenize: function () {
        return Promise.resolve({ status: "OK", token: window.SIMULATED_SQUARE_TOKEN || token,
          details: { card: { brand: "VISA", last4: "1111", expMonth: 12, expYear: 2031 }, method: "Card" } });
      }
    };
  }
  return {
    card: function () { return Promise.resolve(method("cnon:card-nonce-ok")); },
    giftCard: function () { return Promise.resolve(method("cnon:gift-card-nonce-ok")); },
    verifyBuyer: function () { return Promise.resolve({ token: "verf:simulated" }); },
    setLocale: function () {}
  };
} };
"""


def link(order: Json, options: Json, *, error: str | None) -> str:
    rows = "".join(
        f"<dt>{escape(line['name'])} x {escape(line['quantity'])}<dd>{_major(line['total_money'])}"
        for line in order["line_items"]
    )
    summary = f"<h1>To pay</h1>{_amount(order['total_money'])}<dl>{rows}</dl>"
    tip = (_TIP,) if options.get("allow_tipping") else ()
    return _page("Checkout", summary, (*_PAY, *tip, *_REFUSE), error)


def bank(order: Json) -> str:
    summary = f"<h1>Your bank asks: is it you who pays</h1>{_amount(order['total_money'])}"
    return _page("Bank", summary, _BANK, None)


def message(title: str, text: str) -> str:
    return _page(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>", (), None)


def _major(money: Json) -> str:
    return str(to_major(money["amount"], money["currency"]))


def _amount(money: Json) -> str:
    return f"<p class=amount>{_major(money)} {escape(money['currency'])}</p>"


def _page(title: str, inner: str, buttons: Iterable[Button], error: str | None) -> str:
    form = "".join(f"<button name=do value={do} class='{look}'>{escape(text)}</button>" for do, text, look in buttons)
    problem = f"<p class=error role=alert>{escape(error)}</p>" if error else ""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)} - Simulated Square</title>"
        f'<meta name=viewport content="width=device-width,initial-scale=1"><style>{_STYLE}</style><main>'
        "<p class=note>Simulated Square - no real money</p>"
        f"{inner}{problem}<form method=post>{form}</form></main></html>"
    )
