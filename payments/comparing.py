"""Our payments beside a gateway's books: what it really charged and gave back, and what we believe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from core.money import exponent_of, minor_to_decimal
from payments.models import GatewayReference, Payment


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    gateway: str
    payment: str
    what: str
    ours: str
    theirs: str


def compare(gateway: str, mode: str, lines: Iterable[Mapping[str, Any]]) -> tuple[int, list[Difference]]:
    """How many lines were compared, and what differs. `lines`: BookLine fields, amounts in major units as text."""
    found: list[Difference] = []
    told: dict[int, tuple[Decimal, Decimal]] = {}
    names: dict[int, str] = {}
    count = 0
    for line in lines:
        if line["mode"] != mode:
            continue
        count += 1
        taken, back = Decimal(line["captured"]), Decimal(line["refunded"])
        payment = _payment_of(gateway, mode, line)
        if payment is None:
            if taken:
                found.append(
                    _difference(gateway, line["gateway_reference"], "unknown here", "-", f"{taken} {line['asset']}")
                )
            continue
        before = told.get(payment.pk, (Decimal(0), Decimal(0)))
        told[payment.pk] = (before[0] + taken, before[1] + back)
        names[payment.pk] = line["asset"]
    ours = Payment.across_labs.filter(pk__in=list(told))
    for payment in ours:
        found += _compared(gateway, payment, *told[payment.pk])
    return count, found


def _compared(gateway: str, payment: Payment, taken: Decimal, back: Decimal) -> Iterable[Difference]:
    exponent = exponent_of(payment.currency)
    captured, refunded = minor_to_decimal(payment.captured, exponent), minor_to_decimal(payment.refunded, exponent)
    # A short payment is in the gateway's books and rightly not captured here; what arrived is compared then.
    arrived = minor_to_decimal(payment.received, exponent) if payment.captured == 0 else captured
    if arrived != taken:
        yield _difference(gateway, payment.public_id, "captured", str(arrived), str(taken))
    if refunded != back:
        yield _difference(gateway, payment.public_id, "refunded", str(refunded), str(back))


def _payment_of(gateway: str, mode: str, line: Mapping[str, Any]) -> Payment | None:
    names = [name for name in (line["reference"], line["gateway_reference"]) if name]
    found = (
        GatewayReference.across_labs.filter(reference__in=names, mode=mode, gateway_key__gateway=gateway)
        .select_related("payment")
        .first()
    )
    return None if found is None else found.payment


def _difference(gateway: str, payment: str, what: str, ours: str, theirs: str) -> Difference:
    return Difference(gateway=gateway, payment=payment, what=what, ours=ours, theirs=theirs)
