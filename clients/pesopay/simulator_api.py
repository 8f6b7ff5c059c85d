"""orderApi of the simulated PesoPay: Query, Capture, Void and refunds (sections 5, 8, 9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from starlette.responses import Response

from clients.pesopay.simulator_merchant import Attempt, Merchant
from clients.pesopay.simulator_wire import PesoPayError, amount_of, line, records, short


def queried(merchant: Merchant, fields: Mapping[str, str]) -> Response:
    order, number = fields.get("orderRef", ""), fields.get("payRef", "")
    if not order and not number:
        raise PesoPayError("Parameter Order Reference Incorrect")
    found = [
        one for one in merchant.attempts.values() if order in ("", one.page.reference) and number in ("", one.pay_ref)
    ]
    return records([merchant.record_of(one) for one in found])


def _capture(merchant: Merchant, one: Attempt, fields: Mapping[str, str]) -> Response:
    amount = amount_of(fields.get("amount", ""))
    merchant.capture(one, amount)
    return _done(one, amount, "Capture Successfully.")


def _void(merchant: Merchant, one: Attempt, fields: Mapping[str, str]) -> Response:
    merchant.void(one)
    return _done(one, one.amount, "Void Successfully.")


def _request_refund(merchant: Merchant, one: Attempt, fields: Mapping[str, str]) -> Response:
    amount = amount_of(fields.get("amount", ""))
    merchant.request_refund(one, amount)
    return _done(one, amount, "Request Refund Successfully.")


def _online_refund(merchant: Merchant, one: Attempt, fields: Mapping[str, str]) -> Response:
    """In full or, as OnlinePartialRefund, a part; only for accounts that have it."""
    if not merchant.has_online_refund:
        raise PesoPayError("Online refund is not enabled.")
    rest = one.captured - one.refunded
    is_partial = fields["actionType"] == "OnlinePartialRefund"
    amount = amount_of(fields.get("amount", "")) if is_partial or fields.get("amount") else rest
    if not is_partial and amount != rest:
        raise PesoPayError("Refund amount is not the full amount.")
    merchant.refund_now(one, amount)
    return _done(one, amount, "Refund Successfully.")


def _done(one: Attempt, amount: Decimal, message: str) -> Response:
    """`orderStatus` is not the new state (section 8). Unconfirmed: the amount in answers to refunds."""
    return line(
        resultCode="0",
        orderStatus="Accepted",
        ref=one.page.reference,
        payRef=one.pay_ref,
        amt=short(amount),
        cur=one.page.fields["currCode"],
        errMsg=message,
    )


ACTIONS: Final[Mapping[str, Callable[[Merchant, Attempt, Mapping[str, str]], Response]]] = {
    "Capture": _capture,
    "Void": _void,
    "RequestRefund": _request_refund,
    "OnlineRefund": _online_refund,
    "OnlinePartialRefund": _online_refund,
}
