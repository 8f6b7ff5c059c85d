"""What a payment's words and coins amount to: status, captured money, attention; pure.

What arrived (`actually_paid`, in coins) is the fact, the status word a hint: `finished` with too few coins is not paid.
Source: protocol reference, sections 3, 6 and 13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import reduce
from math import floor
from typing import Final

from clients.nowpayments.payment import Payment
from core.gateways.types import Attention, PaymentStatus
from core.money import ASSETS, MAX_MINOR, MoneyError, decimal_to_minor

# Nothing has been credited yet, whatever has been seen on the chain.
OPEN: Final[Mapping[str, PaymentStatus]] = {
    "waiting": PaymentStatus.REQUIRES_ACTION,
    "confirming": PaymentStatus.PENDING,
    "confirmed": PaymentStatus.PENDING,  # not settled to the merchant yet
    "sending": PaymentStatus.PENDING,
}
PAID: Final = frozenset({"finished", "partially_paid"})
DEAD: Final[Mapping[str, PaymentStatus]] = {
    "failed": PaymentStatus.FAILED,
    "expired": PaymentStatus.EXPIRED,
    # Not voided: there is no hold, and late coins must still be able to capture.
    "cancelled": PaymentStatus.FAILED,
    "canceled": PaymentStatus.FAILED,
}

_GRAVITY: Final = tuple(Attention)
_EXACT: Final = Context(prec=400)  # more digits than the sum of any two readable amounts


@dataclass(frozen=True, slots=True)
class Sums:
    """Coins that arrived, own and credited children's together; None where the own amount is not said."""

    arrived: Decimal | None
    from_children: bool = False
    has_wrong_asset: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """`captured_minor` in minor units of the price's asset; None where it cannot be told."""

    status: PaymentStatus
    captured_minor: int | None
    attention: Attention | None = None


def add(payment: Payment, children: Sequence[Payment]) -> Sums:
    """Own coins and those of the children that are credited, in the same coin.

    Another coin at the same address is never summed: a person decides.
    """
    credited = [child for child in children if child.word in PAID]
    same = [child.arrived for child in credited if child.coin and child.coin == payment.coin and child.arrived]
    has_wrong_asset = any(child.coin not in (payment.coin, None) for child in credited)
    own = payment.arrived
    if own is None and payment.word in DEAD and same:
        own = Decimal(0)
    total = None if own is None else reduce(_EXACT.add, same, own)
    return Sums(total, bool(same), has_wrong_asset)


def judge(payment: Payment, sums: Sums) -> Verdict:
    """One row of the status table of the protocol reference, section 13."""
    verdict = _judge_word(payment, sums)
    if sums.has_wrong_asset:
        return Verdict(verdict.status, verdict.captured_minor, _graver(verdict.attention, Attention.MISMATCH))
    return verdict


def price_minor(payment: Payment) -> int | None:
    """The price in minor units of its asset, None where it is missing or finer than the asset."""
    if payment.price_asset is None:
        return None
    return minor_of(payment.price, ASSETS[payment.price_asset])


def minor_of(amount: Decimal | None, decimals: int | None) -> int | None:
    """Minor units, or None where nobody knows the decimals or the amount has more of them."""
    if amount is None or decimals is None:
        return None
    try:
        return decimal_to_minor(amount, decimals)
    except MoneyError:
        return None


def _judge_word(payment: Payment, sums: Sums) -> Verdict:
    if payment.word in OPEN:
        return Verdict(OPEN[payment.word], 0)
    if payment.word in PAID:
        return _judge_paid(payment, sums)
    if payment.word in DEAD:
        return Verdict(DEAD[payment.word], 0, _attention_of_dead(payment, sums.arrived))
    if payment.word == "refunded":
        # Made by support or in the dashboard; the amount is not told, and a capture may never have come first.
        return Verdict(PaymentStatus.PENDING, None, Attention.GATEWAY_DISAGREES)
    return Verdict(PaymentStatus.PENDING, None)  # a word never seen: ask again


def _judge_paid(payment: Payment, sums: Sums) -> Verdict:
    is_partial = payment.word == "partially_paid"
    value = _value_minor(payment, sums.arrived)
    if value is None or payment.asked is None or sums.arrived is None:
        return Verdict(PaymentStatus.PENDING, None, Attention.UNDERPAID if is_partial else Attention.MISMATCH)
    # The word `partially_paid` is outdone only by what its children brought, `finished` by any shortfall.
    # Unconfirmed: a dashboard setting makes small shortfalls finished. To take them is the lab's decision.
    is_complete = sums.arrived >= payment.asked and (sums.from_children or not is_partial)
    if not is_complete:
        return Verdict(PaymentStatus.PENDING, value, Attention.UNDERPAID)
    over = Attention.OVERPAID if sums.arrived > payment.asked else None
    return Verdict(PaymentStatus.CAPTURED, value, over)


def _attention_of_dead(payment: Payment, arrived: Decimal | None) -> Attention | None:
    if not arrived:
        return None
    if not payment.asked:
        return Attention.MISMATCH
    return Attention.UNDERPAID if arrived < payment.asked else Attention.PAID_LATE


def _value_minor(payment: Payment, arrived: Decimal | None) -> int | None:
    """floor(price x arrived / asked) at the price's scale, in exact fractions; None where a member is missing."""
    price = price_minor(payment)
    if not price or arrived is None or not payment.asked:
        return None
    value = floor(price * Fraction(arrived) / Fraction(payment.asked))  # rounded down: never credit what did not come
    return value if value <= MAX_MINOR else None


def _graver(one: Attention | None, other: Attention) -> Attention:
    return other if one is None else min(one, other, key=_GRAVITY.index)
