"""The hosted payment page of the simulated NOWPayments: choose a coin, see the address, play the wallet."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from clients.nowpayments.simulator_coins import COINS, PAUSED
from clients.nowpayments.simulator_state import Invoice, Payment

_STYLE: Final = """
:root{color-scheme:light dark}*{box-sizing:border-box}
body{font:16px/1.5 system-ui,sans-serif;margin:0;min-height:100vh;display:grid;place-items:center;background:#8881}
main{width:min(28rem,100%);background:Canvas;padding:1.5rem;border-radius:1rem;box-shadow:0 4px 24px #0002}
.note{background:#d9770622;border-left:4px solid #d97706;padding:.5rem .8rem;border-radius:.3rem;font-size:.9rem}
.error{background:#dc262622;border-left:4px solid #dc2626;padding:.5rem .8rem;border-radius:.3rem}
h1{font-size:1rem;font-weight:500;opacity:.75;margin:1rem 0 0}.amount{font-size:1.7rem;font-weight:700;margin:0 0 1rem;
overflow-wrap:anywhere}dl{display:grid;grid-template-columns:auto 1fr;gap:.3rem 1rem;font-size:.9rem}dt{opacity:.65}
dd{margin:0;text-align:right;overflow-wrap:anywhere}code{font-size:.95em}
select,button{width:100%;padding:.7rem;margin:.25rem 0;border-radius:.6rem;border:1px solid #8886;font:inherit;
background:transparent;color:inherit}option{color:black}button{cursor:pointer}
button.main{background:#2563eb;color:#fff;border:0;font-weight:600}button.quiet{border:0;opacity:.7}
"""
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
    return _page("Choose a coin", body + "</form>", error)


def payment(one: Payment, invoice: Invoice | None, *, error: str | None) -> str:
    buttons = {"waiting": _WAITING, "partially_paid": _PARTIAL, "expired": _ENDED, "failed": _ENDED, "finished": _DONE}
    chosen: list[tuple[str, str, str]] = list(buttons.get(one.status, ()))
    if invoice is not None and one.status in ("finished", "partially_paid", "waiting"):
        chosen.append(("leave", "Back to the shop", "quiet"))
    return _page("Payment", _facts(one) + _form(chosen), error)


def message(title: str, text: str) -> str:
    return _page(title, f"<h1>{escape(title)}</h1><p>{escape(text)}</p>", None)


def _facts(one: Payment) -> str:
    memo = f"<dt>Memo<dd><code>{escape(one.memo)}</code>" if one.memo else ""
    return (
        f"<h1>Send</h1><p class=amount>{one.pay_amount} {escape(_named(one.pay_currency))}</p><dl>"
        f"<dt>Status<dd><b>{escape(one.status)}</b><dt>Arrived<dd>{one.arrived}"
        f"<dt>Address<dd><code>{escape(one.address)}</code>{memo}"
        f"<dt>Price<dd>{one.price_amount} {escape(one.price_currency.upper())}<dt>Payment<dd>{one.id}</dl>"
    )


def _form(buttons: Iterable[tuple[str, str, str]]) -> str:
    rows = "".join(f"<button name=do value={do} class='{look}'>{escape(text)}</button>" for do, text, look in buttons)
    return f"<form method=post>{rows}</form>"


def _named(code: str) -> str:
    coin = COINS[code]
    return f"{coin.ticker.upper()} on {coin.network}"


def _page(title: str, body: str, error: str | None) -> str:
    problem = f"<p class=error role=alert>{escape(error)}</p>" if error else ""
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)} - Simulated NOWPayments</title>"
        f'<meta name=viewport content="width=device-width,initial-scale=1"><style>{_STYLE}</style><main>'
        f"<p class=note>Simulated NOWPayments - no real money</p>{problem}{body}</main></html>"
    )
