"""One payment as the wire shows it: the answer of a create, of a query, a row of a list, the body of an IPN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from clients.nowpayments.values import (
    Unreadable,
    read_amount,
    read_code,
    read_id,
    read_text,
    read_time,
    read_verbatim,
    redact,
)
from core.gateways.types import PaymentRequest
from core.money import ASSETS

MAX_CHILDREN: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """One payment as the wire shows it. Amounts in major units; None where the member is missing or unreadable."""

    payment_id: str
    word: str
    reference: str | None
    parent_id: str | None
    invoice_id: str | None
    child_ids: tuple[str, ...]
    price: Decimal | None
    price_asset: str | None  # only one that `core.money` knows
    asked: Decimal | None  # pay_amount
    arrived: Decimal | None  # actually_paid
    coin: str | None
    address: str | None
    memo: str | None
    network: str | None
    transaction: str | None
    updated_at: datetime | None
    expires_at: datetime | None
    raw: Mapping[str, Any] = field(repr=False)


def parse_payment(body: Mapping[str, Any], *, needs_word: bool = True) -> Payment:
    """Raises Unreadable without `payment_id` or (where an answer must have it) `payment_status`."""
    payment_id = read_id(body.get("payment_id"))
    word = body.get("payment_status") or (None if needs_word else "waiting")
    parent = read_id(body.get("parent_payment_id"))
    if payment_id is None:
        raise Unreadable("payment_id is not an id")
    if not isinstance(word, str) or not word:
        raise Unreadable("payment_status is not a word")
    if body.get("parent_payment_id") is not None and parent is None:
        raise Unreadable("parent_payment_id is not an id")
    asset = read_code(body.get("price_currency"))
    return Payment(
        payment_id=payment_id,
        word=word,
        reference=read_text(body.get("order_id")),
        parent_id=parent if parent != payment_id else None,
        invoice_id=read_id(body.get("invoice_id")),
        child_ids=_ids(body.get("payment_extra_ids")),
        price=read_amount(body.get("price_amount")),
        price_asset=asset if asset in ASSETS else None,
        asked=read_amount(body.get("pay_amount")),
        arrived=read_amount(body.get("actually_paid")),
        coin=read_code(body.get("pay_currency")),
        address=read_verbatim(body.get("pay_address")) if isinstance(body.get("pay_address"), str) else None,
        memo=read_verbatim(body.get("payin_extra_id")),
        network=read_text(body.get("network"), max_length=40),
        transaction=read_verbatim(body.get("payin_hash")),
        updated_at=read_time(body.get("updated_at")),
        expires_at=read_time(body.get("expiration_estimate_date")),
        raw=redact(body),
    )


def read_created(body: Mapping[str, Any], *, request: PaymentRequest, coin: str) -> Payment:
    """Answer of POST /v1/payment. Raises Unreadable without all that the customer must see, or if it is not ours."""
    payment = parse_payment(body, needs_word=False)
    if payment.address is None or not payment.asked or payment.coin is None:
        raise Unreadable("the answer has no address or no amount")
    if body.get("payin_extra_id") and payment.memo is None:
        raise Unreadable("the memo is not a text: coins sent without it are lost")
    if payment.coin != coin or payment.reference not in (request.reference, None):
        raise Unreadable("the answer is about another payment")
    return payment


def _ids(value: object) -> tuple[str, ...]:
    found = [read_id(one) for one in value] if isinstance(value, list) else []
    return tuple(dict.fromkeys(one for one in found if one))[:MAX_CHILDREN]
