"""One report from what Razorpay told about one payment of ours: the link, the order, the attempts made on it.

A `pay_` is one attempt. An order collects several of which one can be captured; a failed one leaves it payable, and may
still be authorized within three days. So the attempts decide together, never the last of the list. Source: §5, §13.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from clients.razorpay import facts
from clients.razorpay.facts import Body, text, whole
from clients.razorpay.money import Amounts
from core.gateways.types import Attention, PaymentStatus, Redirect, Report, Subject

# An attempt's word -> what it makes of the payment.
ATTEMPT_STATUS: Final[Mapping[str, PaymentStatus]] = {
    "created": PaymentStatus.PENDING,  # after about ten minutes without an answer of the bank: failed
    "authorized": PaymentStatus.AUTHORIZED,
    "captured": PaymentStatus.CAPTURED,
    "refunded": PaymentStatus.CAPTURED,  # voided where nothing was captured: `attempt_status`
    "failed": PaymentStatus.FAILED,  # pending, with the decline, while the order can still be paid
}
# A link's or order's word -> what it makes of the payment, before its attempts are looked at.
LINK_STATUS: Final[Mapping[str, PaymentStatus]] = {
    "created": PaymentStatus.PENDING,
    "partially_paid": PaymentStatus.PENDING,
    "paid": PaymentStatus.CAPTURED,
    "expired": PaymentStatus.EXPIRED,
    "cancelled": PaymentStatus.EXPIRED,  # not voided: a late authorization must still be accepted
}
ORDER_STATUS: Final[Mapping[str, PaymentStatus]] = {
    "created": PaymentStatus.PENDING,
    "attempted": PaymentStatus.PENDING,
    "paid": PaymentStatus.CAPTURED,  # stays so after refunds
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Entities about one payment. `attempts` None: not listed, which is no empty list."""

    link: Body | None = None
    order: Body | None = None
    attempts: tuple[Body, ...] | None = None

    @property
    def frame(self) -> Body:
        """The link or the order; empty where only an attempt is known."""
        return self.link or self.order or {}

    @property
    def taken(self) -> list[Body]:
        """The attempts whose money was captured."""
        return [one for one in self.attempts or () if attempt_status(one) is PaymentStatus.CAPTURED]

    @property
    def order_id(self) -> str | None:
        """With its prefix: the order inside `payment_link.paid` has none, so it is not asked there."""
        named = [text(self.link.get("order_id"))] if self.link else []
        named += [text(self.order.get("id"))] if self.order else []
        named += [text(one.get("order_id")) for one in self.attempts or ()]
        return next((one for one in named if one and facts.ORDER.fullmatch(one)), None)


def attempt_status(payment: Body) -> PaymentStatus:
    """By `status` alone: `captured: true` stands beside failed too. A word never seen is no failure."""
    word = payment.get("status")
    status = ATTEMPT_STATUS.get(word, PaymentStatus.PENDING) if isinstance(word, str) else PaymentStatus.PENDING
    # Unconfirmed: that these two fields tell an authorization that was never captured and went back by itself.
    is_released = payment.get("captured") is False and payment.get("fee") is None
    return PaymentStatus.VOIDED if word == "refunded" and is_released else status


def report_payment(told: Told) -> Report:
    """Where the payment stands, by everything that was told."""
    amounts = Amounts(_currency(told))
    status, chosen, captured = _decide(told, amounts)
    found = Report(
        about=Subject.PAYMENT,
        status=status,
        reference=_reference(told),
        gateway_reference=_gateway_reference(told),
        other_references=_others(told, chosen),
        asset=amounts.asset,
        captured_minor=captured,
        next_action=_redirect(told, status),
        attention=facts.graver(amounts.attention, _oddness(told, status, captured)),
        raw=_raw(told, chosen),
    )
    return found if chosen is None else _with_attempt(found, chosen, told, amounts)


def _with_attempt(report: Report, chosen: Body, told: Told, amounts: Amounts) -> Report:
    """The facts that stand on the attempt that decided."""
    status = report.status
    has_failed = attempt_status(chosen) is PaymentStatus.FAILED
    return replace(
        report,
        authorized_minor=amounts.minor(chosen.get("amount")) if status is PaymentStatus.AUTHORIZED else None,
        refunded_minor=_refunded(status, told.taken, amounts),
        fee_minor=_fee(told.taken, amounts) if status is PaymentStatus.CAPTURED else None,
        method=facts.read_method(chosen),
        fraud=facts.read_fraud(chosen),
        decline=facts.read_decline(chosen) if has_failed else None,
        saved=facts.read_saved(chosen) if status is PaymentStatus.CAPTURED else None,
        attention=facts.graver(report.attention, amounts.attention),
    )


def _decide(told: Told, amounts: Amounts) -> tuple[PaymentStatus, Body | None, int | None]:
    """Status, the attempt that decided, captured money."""
    frame, paid = _frame_status(told), _paid(told, amounts)
    for wanted in (PaymentStatus.CAPTURED, PaymentStatus.AUTHORIZED):
        chosen = _latest(told, wanted)
        if chosen is not None and (wanted is PaymentStatus.CAPTURED or not paid):
            return _decided(told, wanted, frame, paid), chosen, paid
    if frame in {PaymentStatus.CAPTURED, PaymentStatus.EXPIRED}:
        return frame, None, paid
    for wanted in (PaymentStatus.PENDING, PaymentStatus.VOIDED, PaymentStatus.FAILED):
        chosen = _latest(told, wanted)
        if chosen is not None:
            return _still_payable(told, chosen, wanted), chosen, paid or 0
    return PaymentStatus.PENDING, None, paid


def _decided(told: Told, status: PaymentStatus, frame: PaymentStatus | None, paid: int | None) -> PaymentStatus:
    """Captured, unless only a part of a link or order that takes parts."""
    price = whole(told.frame.get("amount"))
    if status is not PaymentStatus.CAPTURED or frame is PaymentStatus.CAPTURED or price is None:
        return status
    if paid is None or paid >= price:
        return status
    return frame if frame is PaymentStatus.EXPIRED else PaymentStatus.PENDING


def _still_payable(told: Told, chosen: Body, status: PaymentStatus) -> PaymentStatus:
    """A failed attempt on an order leaves it open; without an order, or off-session, nobody can try again."""
    # Unconfirmed: that an order may be tried again outside India, too; one page (Singapore) says that it may not.
    if status is not PaymentStatus.FAILED:
        return status
    is_charge = facts.SHAPE_CHARGE in {facts.note_of(chosen, facts.SHAPE), facts.note_of(told.frame, facts.SHAPE)}
    return PaymentStatus.FAILED if told.order_id is None or is_charge else PaymentStatus.PENDING


def _frame_status(told: Told) -> PaymentStatus | None:
    """None where nothing is known of a link or order, also for a word never seen."""
    word = told.frame.get("status")
    if not isinstance(word, str):
        return None
    return (LINK_STATUS if told.link else ORDER_STATUS).get(word)


def _paid(told: Told, amounts: Amounts) -> int | None:
    """Captured money: what the link or order counts, or the sum over captured attempts, whichever knows more."""
    counted = amounts.minor(told.frame.get("amount_paid")) if _frame_status(told) is not None else None
    each = [amounts.minor(one.get("amount")) for one in told.taken]
    if None in each:
        return counted
    total = sum(one for one in each if one is not None)
    if counted is None and total == 0 and _frame_status(told) is PaymentStatus.CAPTURED:
        return None  # paid, and nobody says how much
    return max(counted or 0, total)


def _oddness(told: Told, status: PaymentStatus, captured: int | None) -> Attention | None:
    """A part only, or money in another currency than the order's."""
    currency = text(told.frame.get("currency"))
    if currency and any(text(one.get("currency")) not in {currency, None} for one in told.taken):
        return Attention.MISMATCH
    price = whole(told.frame.get("amount"))
    is_part = status is not PaymentStatus.CAPTURED and price is not None and 0 < (captured or 0) < price
    return Attention.UNDERPAID if is_part else None


def _latest(told: Told, status: PaymentStatus) -> Body | None:
    """Of several attempts in one state the newest; the order of the list is not documented."""
    found = [one for one in told.attempts or () if attempt_status(one) is status]
    return max(found, key=lambda one: whole(one.get("created_at")) or 0, default=None)


def _refunded(status: Any, taken: Sequence[Body], amounts: Amounts) -> int | None:
    """Said only where all of it went back: before that it counts refunds from their creation, failed ones too."""
    if status is PaymentStatus.VOIDED:
        return 0
    if status is PaymentStatus.CAPTURED and len(taken) == 1 and taken[0].get("status") == "refunded":
        return amounts.minor(taken[0].get("amount_refunded"))
    return None


def _fee(taken: Sequence[Body], amounts: Amounts) -> int | None:
    fees = [facts.read_fee(one, amounts) for one in taken]
    known = [fee for fee in fees if fee is not None]
    return sum(known) if known and len(known) == len(fees) else None


def _currency(told: Told) -> Any:
    first = (told.attempts or ({},))[0]
    return told.frame.get("currency") or first.get("currency")


def _reference(told: Told) -> str | None:
    """Ours, as our server gave it. Never from a payment's notes."""
    if told.link:
        return text(told.link.get("reference_id"))
    return text(told.order.get("receipt")) if told.order else None


def _gateway_reference(told: Told) -> str | None:
    if told.link:
        return text(told.link.get("id"))
    if told.order_id:
        return told.order_id
    return text((told.attempts or ({},))[0].get("id"))


def _others(told: Told, chosen: Body | None) -> tuple[str, ...]:
    main = _gateway_reference(told)
    names = [told.order_id, *(text(one.get("id")) for one in told.taken), text(chosen.get("id")) if chosen else None]
    names += [text(one.get("payment_id")) for one in facts.objects((told.link or {}).get("payments"))]
    return tuple(one for one in facts.ids(*names) if one != main)


def _redirect(told: Told, status: PaymentStatus) -> Redirect | None:
    """A link's page, while somebody can still pay there."""
    url = text(told.link.get("short_url")) if told.link else None
    return Redirect(url=url) if url and status is PaymentStatus.PENDING else None


def _raw(told: Told, chosen: Body | None) -> dict[str, Any]:
    """One entity as it came; several by their kind."""
    kinds = {"link": told.link, "order": told.order, "payment": chosen or (told.attempts or (None,))[0]}
    given = {kind: body for kind, body in kinds.items() if body}
    return facts.redacted(next(iter(given.values())) if len(given) == 1 else given)
