"""What the customer sees at the simulated PhonePe: the PayPage, the bank's page, a stand-in of checkout.js."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from html import escape
from typing import Final

from clients.phonepe.simulator_merchant import Order

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
    ("decline", "This attempt fails", ""),
    ("fail", "The order fails", ""),
    ("cancel", "Cancel", "quiet"),
)
_BANK: Final[tuple[Button, ...]] = (
    ("success", "Success", "main"),
    ("failure", "Failure", ""),
    ("pending", "Pending", ""),
)

# What the merchant's page loads instead of checkout.js: a frame, or a plain change of address.
CHECKOUT_JS: Final = """/* Simulated PhonePe checkout.js - no real money. */
window.PhonePeCheckout = (function () {
  var frame = null, told = null;
  window.addEventListener("message", function (event) {
    if (!frame || event.source !== frame.contentWindow || !event.data || !event.data.simulatedPhonePe) { return; }
    close(); if (told) { told(event.data.simulatedPhonePe); }
  });
  function close() { if (frame) { frame.remove(); frame = null; } }
  return {
    transact: function (options) {
      if (options.type !== "IFRAME") { window.location.assign(options.tokenUrl); return; }
      close(); told = options.callback;
      frame = document.createElement("iframe");
      frame.title = "Simulated PhonePe";
      frame.src = options.tokenUrl + "&frame=1";
      frame.style.cssText = "position:fixed;inset:0;width:100%;height:100%;border:0;z-index:9999";
      document.body.appendChild(frame);
    },
    closePage: close
  };
})();
"""


def order(one: Order, *, error: str | None) -> str:
    text = f"<p>{escape(one.message)}</p>" if one.message else ""
    return _page("Payment", f"<h1>To pay</h1>{_amount(one)}{text}", _PAY, error)


def bank(one: Order) -> str:
    return _page("Bank", f"<h1>Your bank asks: is it you who pays</h1>{_amount(one)}", _BANK, None)


def message(title: str, text: str) -> str:
    return _page(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>", (), None)


def concluded(word: str) -> str:
    """Inside a frame a word to the merchant's page replaces the way back: CONCLUDED or USER_CANCEL, proof of nothing."""
    script = f'<script>parent.postMessage({{simulatedPhonePe:"{word}"}},"*")</script>'
    return _page("Done", f"<h1>Done</h1>{script}", (), None)


def _amount(one: Order) -> str:
    return f"<p class=amount>{Decimal(one.amount).scaleb(-2)} {escape(one.currency)}</p>"


def _page(title: str, inner: str, buttons: Iterable[Button], error: str | None) -> str:
    form = "".join(f"<button name=do value={do} class='{look}'>{escape(text)}</button>" for do, text, look in buttons)
    problem = f"<p class=error role=alert>{escape(error)}</p>" if error else ""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)} - Simulated PhonePe</title>"
        f'<meta name=viewport content="width=device-width,initial-scale=1"><style>{_STYLE}</style><main>'
        "<p class=note>Simulated PhonePe - no real money</p>"
        f"{inner}{problem}<form method=post>{form}</form></main></html>"
    )
