"""What the customer sees at the simulated Razorpay: payment link, checkout, bank page, and a stand-in of checkout.js."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Final

from clients.razorpay.simulator_wire import Json, to_major
from core.gateways.simulated_page import Button, Look

_LOOK: Final = Look("Razorpay")
_PAY: Final[tuple[Button, ...]] = (
    ("pay", "Pay", "main"),
    ("pay_upi", "Pay by UPI", ""),
    ("pay_card", "Pay by card", ""),
    ("pay_netbanking", "Pay by netbanking", ""),
    ("pay_3ds", "Pay with a card whose bank asks first", ""),
)
_PART: Final[Button] = ("pay_short", "Pay half of it", "")
_REFUSE: Final[tuple[Button, ...]] = (
    ("decline", "Card is declined", ""),
    ("decline_funds", "Card is declined: insufficient funds", ""),
    ("no_answer", "The bank does not answer", ""),
)
_LEAVE: Final[Button] = ("cancel", "Go back without paying", "quiet")
_BANK: Final[tuple[Button, ...]] = (("success", "Success", "main"), ("failure", "Failure", ""))


def link(one: Json, *, error: str | None) -> str:
    part = (_PART,) if one["accept_partial"] else ()
    left = one["amount"] - one["amount_paid"]
    summary = f"<h1>{escape(one['description'] or 'To pay')}</h1>{_amount(left, one['currency'])}"
    return _LOOK.page("Payment link", summary, (*_PAY, *part, *_REFUSE), error=error)


def checkout(order: Json, *, can_leave: bool, error: str | None) -> str:
    summary = f"<h1>To pay</h1>{_amount(order['amount_due'], order['currency'])}"
    return _LOOK.page("Checkout", summary, (*_PAY, *_REFUSE, *((_LEAVE,) if can_leave else ())), error=error)


def qr(one: Json, *, error: str | None) -> str:
    amount = _amount(one["payment_amount"], "INR") if one["payment_amount"] else "<p>Any amount</p>"
    buttons = (("pay", "Scan and pay by UPI", "main"), ("decline", "The payment fails", ""))
    return _LOOK.page("UPI QR", f"<h1>{escape(one['name'] or 'To pay')}</h1>{amount}", buttons, error=error)


def bank(payment: Json) -> str:
    """The mock bank page that test mode shows."""
    summary = f"<h1>Your bank asks: is it you who pays</h1>{_amount(payment['amount'], payment['currency'])}"
    return _LOOK.page("Bank", summary, _BANK)


def message(title: str, text: str) -> str:
    return _LOOK.message(title, text)


def posting(url: str, fields: Mapping[str, str]) -> str:
    """As the hosted checkout does."""
    return _LOOK.posting(url, fields)


def telling(result: Json) -> str:
    """Tells the page around the frame what came of it."""
    told = json.dumps({"simulated_razorpay": result}).replace("<", "\\u003c")
    again = '<p><a href="">Try again</a></p>' if "error" in result else ""  # the frame stays open after a failure
    return _LOOK.document("Done", f"<p>Done.</p>{again}<script>parent.postMessage({told}, '*')</script>")


# The page's stand-in of https://checkout.razorpay.com/v1/checkout.js: options, handler, events and dismissal as section
# 4.2 tells them; the form itself is a frame of this simulator.
CHECKOUT_JS: Final = """/* Simulated Razorpay checkout.js - no real money. */
(function () {
  var API = __API__;
  function Razorpay(options) {
    if (!(this instanceof Razorpay)) { return new Razorpay(options); }
    this.options = options; this.listeners = {};
  }
  Razorpay.prototype.on = function (event, listener) {
    (this.listeners[event] = this.listeners[event] || []).push(listener);
  };
  Razorpay.prototype.close = function () {
    window.removeEventListener("message", this.heard);
    if (this.frame) { this.frame.remove(); this.frame = null; }
  };
  Razorpay.prototype.open = function () {
    var self = this, options = this.options, query = new URLSearchParams();
    ["key", "order_id", "amount", "currency", "customer_id"].forEach(function (name) {
      if (options[name] !== undefined && options[name] !== null) { query.set(name, options[name]); }
    });
    if (options.remember_customer) { query.set("remember_customer", "1"); }
    if (options.recurring) { query.set("recurring", "1"); }
    Object.keys(options.notes || {}).forEach(function (name) { query.set("notes[" + name + "]", options.notes[name]); });
    Object.keys(options.prefill || {}).forEach(function (name) {
      query.set("prefill[" + name + "]", options.prefill[name]);
    });
    var frame = this.frame = document.createElement("iframe");
    frame.className = "razorpay-checkout-frame"; frame.name = "razorpay"; frame.title = "Simulated Razorpay checkout";
    Object.assign(frame.style, {position: "fixed", inset: "0", width: "100%", height: "100%", border: "0",
      zIndex: "2147483647", background: "rgba(0,0,0,.4)"});
    frame.src = API + "/v1/checkout/public?" + query.toString();
    this.heard = function (message) {
      if (!self.frame || message.source !== self.frame.contentWindow || !message.data.simulated_razorpay) { return; }
      self.finish(message.data.simulated_razorpay);
    };
    window.addEventListener("message", this.heard);
    document.body.appendChild(frame);
  };
  Razorpay.prototype.finish = function (result) {
    var options = this.options;
    if (result.error && !(options.callback_url && options.redirect)) {
      (this.listeners["payment.failed"] || []).forEach(function (listener) { listener(result); });
      if (options.retry && options.retry.enabled === false) { this.close(); }
      return;
    }
    this.close();
    if (result.dismissed) {
      if (options.modal && options.modal.ondismiss) { options.modal.ondismiss(); }
    } else if (options.callback_url) {
      post(options.callback_url, result.fields);
    } else if (options.handler) {
      options.handler(result.fields);
    }
  };
  function post(url, fields) {
    var form = document.createElement("form");
    form.method = "post"; form.action = url;
    Object.keys(fields).forEach(function (name) {
      var input = document.createElement("input");
      input.type = "hidden"; input.name = name; input.value = fields[name];
      form.appendChild(input);
    });
    document.body.appendChild(form); form.submit();
  }
  window.Razorpay = Razorpay;
})();
"""


def checkout_js(api_url: str) -> str:
    return CHECKOUT_JS.replace("__API__", json.dumps(api_url))


def _amount(amount: int, currency: str) -> str:
    return f"<p class=amount>{to_major(amount, currency)} {escape(currency)}</p>"
