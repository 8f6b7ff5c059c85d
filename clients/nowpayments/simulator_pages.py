"""The hosted payment page of the simulated NOWPayments: choose a coin, see the address, play the wallet."""

from __future__ import annotations

from html import escape
from typing import Final

from clients.nowpayments.simulator_coins import COINS, PAUSED
from clients.nowpayments.simulator_state import Invoice, Payment
from core.gateways.simulated_page import Button, Look

_LOOK: Final = Look("NOWPayments")
_WAITING: Final = (
    ("pay", "Send exactly this amount", "main"),
    ("pay_short", "Send half of it", ""),
    ("pay_over", "Send a tenth too much", ""),
    ("pay_twice", "Send it twice", ""),
    ("wrong_asset", "Send another coin by mistake", ""),
    ("expire", "Do nothing until it expires", ""),
    ("fail", "Let the payment fail", ""),
)
_PARTIAL: Final = (("pay_rest", "Send the rest", "main"),)
_ENDED: Final = (("pay_late", "Send the coins now, too late", ""),)
_DONE: Final = (("pay_again", "Send the same amount again", ""),)


def choose_coin(invoice: Invoice, *, error: str | None) -> str:
    codes = [invoice.pay_currency] if invoice.pay_currency else [code for code in COINS if code not in PAUSED]
    options = "".join(f"<option value={code}>{_named(code)}</option>" for code in codes)
    body = (
        f"<h1>To pay</h1><p class=amount>{invoice.price_amount} {escape(invoice.price_currency.upper())}</p>"
        f"<form method=post><label>Coin and network<select name=coin>{options}</select></label>"
        "<button name=do value=choose class=main>Continue</button>"
    )
    if invoice.cancel_url:
        body += "<button name=do value=cancel class=quiet>Go back without paying</button>"
    return _LOOK.page("Choose a coin", body + "</form>", error=error)


def payment(one: Payment, invoice: Invoice | None, *, error: str | None) -> str:
    buttons = {"waiting": _WAITING, "partially_paid": _PARTIAL, "expired": _ENDED, "failed": _ENDED, "finished": _DONE}
    chosen: list[Button] = list(buttons.get(one.status, ()))
    if invoice is not None and one.status in ("finished", "partially_paid", "waiting"):
        chosen.append(("leave", "Back to the shop", "quiet"))
    return _LOOK.page("Payment", _facts(one), chosen, error=error)


def message(title: str, text: str) -> str:
    return _LOOK.message(title, text)


def _facts(one: Payment) -> str:
    memo = f"<dt>Memo<dd><code>{escape(one.memo)}</code>" if one.memo else ""
    return (
        f"<h1>Send</h1><p class=amount>{one.pay_amount} {escape(_named(one.pay_currency))}</p><dl>"
        f"<dt>Status<dd><b>{escape(one.status)}</b><dt>Arrived<dd>{one.arrived}"
        f"<dt>Address<dd><code>{escape(one.address)}</code>{memo}"
        f"<dt>Price<dd>{one.price_amount} {escape(one.price_currency.upper())}<dt>Payment<dd>{one.id}</dl>"
    )


def _named(code: str) -> str:
    coin = COINS[code]
    return f"{coin.ticker.upper()} on {coin.network}"
