"""Between our words and those of NOWPayments; pure.

Reports speak in the price's asset; what arrived in coins is kept beside it. The status table is in judging.py.
Source: protocol reference, sections 3, 4, 6 and 13.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from clients.nowpayments.coins import COINS, explorer_url, network_label
from clients.nowpayments.judging import add, judge, minor_of, price_minor
from clients.nowpayments.payment import Payment
from clients.nowpayments.values import (
    Unreadable,
    format_amount,
    read_amount,
    read_code,
    read_id,
    read_text,
    read_time,
    read_verbatim,
    redact,
)
from core.gateways.redaction import mask_card_numbers
from core.gateways.types import (
    CoinFacts,
    Decline,
    Method,
    Mode,
    PaymentRequest,
    PaymentStatus,
    PayoutStatus,
    Report,
    ShowAddress,
    Subject,
)
from core.money import ASSETS, Money

INVOICE_PREFIX: Final = "invoice:"  # invoice and payment ids are both plain numbers

PAYOUT: Final[Mapping[str, PayoutStatus]] = {
    "creating": PayoutStatus.PENDING,
    "waiting": PayoutStatus.PENDING,
    "processing": PayoutStatus.PENDING,
    "sending": PayoutStatus.PENDING,
    "finished": PayoutStatus.SUCCEEDED,
    "failed": PayoutStatus.FAILED,
    "rejected": PayoutStatus.FAILED,
}

_MAX_DESCRIPTION: Final = 200  # Unconfirmed: no limit is published


@dataclass(frozen=True, slots=True, kw_only=True)
class Decimals:
    """Decimals and network of a coin outside our table, as far as the gateway's own list told them."""

    decimals: int | None = None
    network: str | None = None


# --- ours -> theirs -------------------------------------------------------------------------------------------------


def build_payment(request: PaymentRequest, *, coin: str) -> str:
    """Body of POST /v1/payment. `price_amount` is a JSON number in major units, exact."""
    return _write(request, {"pay_currency": coin.lower()})


def build_invoice(request: PaymentRequest) -> str:
    """Body of POST /v1/invoice: the customer picks the coin on the gateway's page and comes back unsigned."""
    urls = {"success_url": request.return_url, "partially_paid_url": request.return_url}
    return _write(request, {**urls, "cancel_url": request.cancel_url})


def number_text(amount: Money) -> str:
    """Money as a JSON number in major units: 49900 INR is 499, 1 wei is 0.000000000000000001. Never a float."""
    text = amount.decimal_text()
    return text.rstrip("0").rstrip(".") if "." in text else text


def _write(request: PaymentRequest, more: Mapping[str, str | None]) -> str:
    fields = {
        "price_currency": request.amount.asset.lower(),
        "order_id": request.reference,
        "order_description": _description(request.description),
        "ipn_callback_url": request.webhook_url,
        **more,
    }
    rest = json.dumps({name: value for name, value in fields.items() if value}, separators=(",", ":"))
    # `json` has no exact number of our kind, so its token is written here.
    return f'{{"price_amount":{number_text(request.amount)},{rest[1:]}'


def _description(text: str | None) -> str | None:
    """It comes back inside the signed body: one line, cut, nothing that cannot be encoded."""
    return read_text(text, max_length=_MAX_DESCRIPTION)


# --- theirs -> ours -------------------------------------------------------------------------------------------------


def read_invoice(body: Mapping[str, Any], *, request: PaymentRequest) -> tuple[str, str]:
    """(invoice id, page address) of the answer of POST /v1/invoice. Raises Unreadable."""
    invoice_id, url = read_id(body.get("id")), body.get("invoice_url")
    if invoice_id is None or not isinstance(url, str) or not url.isascii() or not url.isprintable():
        raise Unreadable("the answer has no invoice or no page")
    if read_text(body.get("order_id")) not in (request.reference, None):
        raise Unreadable("the answer is about another invoice")
    return invoice_id, url


def report_invoice(invoice_id: str, *, reference: str | None, raw: Mapping[str, Any]) -> Report:
    """An invoice of which no payment is known: it has no status of its own."""
    return Report(
        about=Subject.PAYMENT,
        status=PaymentStatus.REQUIRES_ACTION,
        reference=reference,
        gateway_reference=INVOICE_PREFIX + invoice_id,
        captured_minor=0,
        raw=redact(raw),
    )


def report_payment(
    payment: Payment, *, mode: Mode, children: Sequence[Payment] = (), coin: Decimals | None = None
) -> Report:
    """What a payment and the repeated deposits to its address (`children`) amount to.

    `captured_minor` is in minor units of the price's asset, rounded down: what arrived is worth that much at this
    payment's own rate. `amount_minor` is the price itself, for whoever knows what was asked.
    """
    if payment.parent_id is not None:
        return _hint(payment)
    sums = add(payment, children)
    verdict = judge(payment, sums)
    return Report(
        about=Subject.PAYMENT,
        status=verdict.status,
        reference=payment.reference,
        gateway_reference=payment.payment_id,
        other_references=_other_references(payment, [child.payment_id for child in children]),
        asset=payment.price_asset,
        captured_minor=verdict.captured_minor,
        amount_minor=price_minor(payment),
        occurred_at=payment.updated_at,
        method=Method(kind="crypto", network=_network(payment, coin)),
        coin=_coin_facts(payment, sums.arrived, mode=mode, coin=coin),
        decline=_decline(payment.word, verdict.status),
        attention=verdict.attention,
        raw=payment.raw,
    )


def show_address(payment: Payment, *, coin: Decimals | None = None) -> ShowAddress | None:
    """What the customer must see, or None if something of it is missing."""
    if payment.address is None or not payment.asked or payment.coin is None:
        return None
    return ShowAddress(
        address=payment.address,
        asset=payment.coin,
        network=network_label(payment.coin, payment.network or (coin.network if coin else None)),
        amount_minor=minor_of(payment.asked, _decimals_of(payment.coin, coin)),
        amount_text=format_amount(payment.asked),
        memo=payment.memo,
        # The rate's 20 minutes, not `valid_until` (7 days, when the address stops being watched).
        expires_at=payment.expires_at,
        uri=payment.address,  # wallets disagree about URI schemes; every one reads a plain address
    )


def _decline(word: str, status: PaymentStatus) -> Decline | None:
    return Decline(code="failed", gateway_code=word) if status is PaymentStatus.FAILED else None


def _hint(child: Payment) -> Report:
    """A repeated deposit captures nothing by itself: its parent, read again, holds the sum.

    Unconfirmed: its price repeats the order's, so money is never read from it; and its parent names it only minutes later,
    so its own id stands among the references and is read beside.
    """
    return Report(
        about=Subject.PAYMENT,
        status=PaymentStatus.PENDING,
        reference=child.reference,
        gateway_reference=child.parent_id,
        other_references=_other_references(child, [child.payment_id]),
        occurred_at=child.updated_at,
        is_hint=True,
        raw=child.raw,
    )


# --- facts beside the money -------------------------------------------------------------------------------------------


def _coin_facts(payment: Payment, arrived: Decimal | None, *, mode: Mode, coin: Decimals | None) -> CoinFacts | None:
    if payment.coin is None:
        return None
    decimals = _decimals_of(payment.coin, coin)
    link = explorer_url(payment.coin, transaction=payment.transaction, address=payment.address)
    return CoinFacts(
        code=payment.coin,
        network=_network(payment, coin),
        decimals=decimals,
        amount_minor=minor_of(payment.asked, decimals),
        amount_text=_text(payment.asked),
        arrived_minor=minor_of(arrived, decimals),
        arrived_text=_text(arrived),
        address=payment.address,
        memo=payment.memo,
        transaction_hash=payment.transaction,
        explorer_url=link if mode is Mode.LIVE else None,  # deposits of the sandbox are on no chain
    )


def _network(payment: Payment, coin: Decimals | None) -> str | None:
    """The gateway's word for the network ("trx")."""
    if payment.network:
        return payment.network
    known = COINS.get(payment.coin or "")
    return known.network.code if known else (coin.network if coin else None)


def _decimals_of(code: str, coin: Decimals | None) -> int | None:
    known = COINS.get(code)
    return known.decimals if known else (coin.decimals if coin else None)


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else format_amount(amount)


def _other_references(payment: Payment, children: Sequence[str]) -> tuple[str, ...]:
    invoice = (INVOICE_PREFIX + payment.invoice_id,) if payment.invoice_id else ()
    return (*invoice, *children)


# --- payouts ------------------------------------------------------------------------------------------------------------


def report_payout(body: Mapping[str, Any], *, mode: Mode) -> Report:
    """One withdrawal, as a payout IPN tells it. Raises Unreadable without id or status.

    The amount is in coins; the batch id stands beside the withdrawal's own, which is the name to match by.
    """
    payout_id, batch = read_id(body.get("id")), read_id(body.get("batch_withdrawal_id"))
    word = body.get("status")
    if payout_id is None or not isinstance(word, str) or not word:
        raise Unreadable("the payout has no id or no status")
    status = PAYOUT.get(word.lower(), PayoutStatus.PENDING)
    facts = _payout_coin(body, mode=mode)
    decimals = facts.decimals if facts else None
    return Report(
        about=Subject.PAYOUT,
        status=status,
        reference=read_text(body.get("unique_external_id")),
        gateway_reference=payout_id,
        other_references=(batch,) if batch else (),
        asset=facts.code if facts and facts.code in ASSETS else None,
        amount_minor=facts.amount_minor if facts else None,
        fee_minor=minor_of(read_amount(body.get("fee")), decimals),
        occurred_at=read_time(body.get("updated_at")),
        coin=facts,
        decline=_payout_decline(body, word) if status is PayoutStatus.FAILED else None,
        raw=redact(body),
    )


def _payout_coin(body: Mapping[str, Any], *, mode: Mode) -> CoinFacts | None:
    code, amount = read_code(body.get("currency")), read_amount(body.get("amount"))
    if code is None:
        return None
    known = COINS.get(code)
    transaction, address = read_verbatim(body.get("hash")), read_verbatim(body.get("address"))
    link = explorer_url(code, transaction=transaction, address=address)
    return CoinFacts(
        code=code,
        network=known.network.code if known else None,
        decimals=known.decimals if known else None,
        amount_minor=minor_of(amount, known.decimals if known else None),
        amount_text=_text(amount),
        address=address,
        memo=read_verbatim(body.get("extra_id")),
        transaction_hash=transaction,
        explorer_url=link if mode is Mode.LIVE else None,
    )


def _payout_decline(body: Mapping[str, Any], word: str) -> Decline:
    said = read_text(body.get("error"))  # free text, and it is kept and shown
    return Decline(code="failed", gateway_code=word[:60], message=mask_card_numbers(said) if said else None)
