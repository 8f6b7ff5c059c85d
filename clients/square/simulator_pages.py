"""What the customer sees at the simulated Square: the page of a payment link, the bank, a stand-in of square.js."""

from __future__ import annotations

from html import escape
from typing import Final

from clients.square.simulator_wire import Json, to_major
from core.gateways.simulated_page import Button, Look

_LOOK: Final = Look("Square", "#006aff")
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
    return _LOOK.page("Checkout", summary, (*_PAY, *tip, *_REFUSE), error=error)


def bank(order: Json) -> str:
    summary = f"<h1>Your bank asks: is it you who pays</h1>{_amount(order['total_money'])}"
    return _LOOK.page("Bank", summary, _BANK)


def message(title: str, text: str) -> str:
    return _LOOK.message(title, text)


def _major(money: Json) -> str:
    return str(to_major(money["amount"], money["currency"]))


def _amount(money: Json) -> str:
    return f"<p class=amount>{_major(money)} {escape(money['currency'])}</p>"
