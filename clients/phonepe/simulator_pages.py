"""What the customer sees at the simulated PhonePe: the PayPage, the bank's page, a stand-in of checkout.js."""

from __future__ import annotations

from decimal import Decimal
from html import escape
from typing import Final

from clients.phonepe.simulator_merchant import Order
from core.gateways.simulated_page import Button, Look

_LOOK: Final = Look("PhonePe", "#5f259f")
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
    return _LOOK.page("Payment", f"<h1>To pay</h1>{_amount(one)}{text}", _PAY, error=error)


def bank(one: Order) -> str:
    return _LOOK.page("Bank", f"<h1>Your bank asks: is it you who pays</h1>{_amount(one)}", _BANK)


def message(title: str, text: str) -> str:
    return _LOOK.message(title, text)


def concluded(word: str) -> str:
    """Inside a frame a word to the merchant's page replaces the way back: CONCLUDED or USER_CANCEL, proof of nothing."""
    script = f'<script>parent.postMessage({{simulatedPhonePe:"{word}"}},"*")</script>'
    return _LOOK.page("Done", f"<h1>Done</h1>{script}", ())


def _amount(one: Order) -> str:
    return f"<p class=amount>{Decimal(one.amount).scaleb(-2)} {escape(one.currency)}</p>"
