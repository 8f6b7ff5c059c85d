"""Theirs -> ours: payments, orders, links, refunds, disputes, cards. Pure: status tables first.

The adapter keeps no state, so a payment's own snapshot must tell whether it belongs to a link: every direct payment of
ours carries `reference_id`, and the payments of a link carry none (Unconfirmed: nothing but `_status` depends on it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from clients.square import facts
from clients.square.building import refund_reference
from clients.square.facts import Body, moment, names, text, within
from clients.square.money import Amount, read_money
from core.gateways.types import (
    Attention,
    Decline,
    DisputeStatus,
    PaymentNames,
    PaymentStatus,
    Redirect,
    RefundStatus,
    Report,
    SavedMethod,
    Subject,
)

STATUS: Final[Mapping[str, PaymentStatus]] = {
    "APPROVED": PaymentStatus.AUTHORIZED,
    "PENDING": PaymentStatus.PENDING,
    "COMPLETED": PaymentStatus.CAPTURED,  # also while refunded: refunds are their own records
    "CANCELED": PaymentStatus.VOIDED,  # or expired, see _status
    "FAILED": PaymentStatus.FAILED,  # of a link: pending, the buyer can try again
}
REFUND_STATUS: Final[Mapping[str, RefundStatus]] = {
    "PENDING": RefundStatus.PENDING,
    "COMPLETED": RefundStatus.SUCCEEDED,
    "REJECTED": RefundStatus.FAILED,
    "FAILED": RefundStatus.FAILED,
}
DISPUTE_STATUS: Final[Mapping[str, DisputeStatus]] = {
    "INQUIRY_EVIDENCE_REQUIRED": DisputeStatus.NEEDS_RESPONSE,
    "EVIDENCE_REQUIRED": DisputeStatus.NEEDS_RESPONSE,
    "INQUIRY_PROCESSING": DisputeStatus.UNDER_REVIEW,
    "PROCESSING": DisputeStatus.UNDER_REVIEW,
    "WON": DisputeStatus.WON,
    "INQUIRY_CLOSED": DisputeStatus.WON,  # nothing lost
    "LOST": DisputeStatus.LOST,
    "ACCEPTED": DisputeStatus.LOST,
}
# Whether the disputed amount is out of our hands while the dispute stands so; a state never seen says nothing.
# Unconfirmed for EVIDENCE_REQUIRED and PROCESSING: the protocol page is silent, Square's overview of disputes says that
# the funds are withheld from the balance until the bank decides.
WITHDRAWN: Final[Mapping[str, bool]] = {
    "INQUIRY_EVIDENCE_REQUIRED": False,
    "INQUIRY_PROCESSING": False,
    "INQUIRY_CLOSED": False,
    "EVIDENCE_REQUIRED": True,
    "PROCESSING": True,
    "WON": False,
    "LOST": True,
    "ACCEPTED": True,
}
OPEN_ORDERS: Final = frozenset({"DRAFT", "OPEN"})


# --- payments -----------------------------------------------------------------------------------------------------


def read_payment(body: Body, errors: Sequence[Any] = (), *, is_direct: bool = False) -> Report:
    """A payment, from a call, a fetch or a webhook. `errors` are those that stood beside it.

    `gateway_reference` is the order of a link's payment, the payment itself otherwise; the other name stands beside.
    `is_direct` where the call tells that it is no link's; else only a reference of ours does.
    """
    own, order, reference = (text(body.get(name)) for name in ("id", "order_id", "reference_id"))
    is_direct = is_direct or reference is not None
    is_known_by_order = order is not None and not is_direct
    asked, approved = read_money(body.get("amount_money")), read_money(body.get("approved_money"))
    is_odd = asked.is_odd or approved.is_odd or approved.asset not in {asked.asset, None}
    status = None if is_odd else _status(body, is_direct)
    authorized, captured = _money(status, asked, approved)
    return Report(
        about=Subject.PAYMENT,
        status=status,
        reference=reference,
        gateway_reference=order if is_known_by_order else own,
        other_references=names(own if is_known_by_order else order),
        mode=facts.read_mode(body),
        asset=asked.asset,
        authorized_minor=authorized,
        captured_minor=captured,
        fee_minor=facts.read_fee(body, asked.asset),
        occurred_at=moment(body.get("updated_at")) or moment(body.get("created_at")),
        method=facts.read_method(body),
        fraud=facts.read_fraud(body),
        decline=_decline(body, errors),
        attention=Attention.MISMATCH if is_odd else _difference(body, status, asked, approved),
        raw=facts.redacted(body),
    )


def _status(body: Body, is_direct: bool) -> PaymentStatus:
    word = body.get("status")
    # A word we have not seen is not a failure: leave it pending and let it be asked for again.
    status = STATUS.get(word, PaymentStatus.PENDING) if isinstance(word, str) else PaymentStatus.PENDING
    if status is PaymentStatus.VOIDED and _ran_out(body):
        return PaymentStatus.EXPIRED
    if status is PaymentStatus.FAILED and not is_direct:
        return PaymentStatus.PENDING
    return status


def _ran_out(body: Body) -> bool:
    """Canceled by Square at the end of the hold, and not by somebody before it."""
    until, ended = moment(body.get("delayed_until")), moment(body.get("updated_at"))
    return until is not None and ended is not None and ended >= until


def _money(status: PaymentStatus | None, asked: Amount, approved: Amount) -> tuple[int | None, int | None]:
    """Authorized and captured. Never the tip, and never more than was approved (a gift card may cover a part)."""
    if status is PaymentStatus.AUTHORIZED:
        return asked.minor if approved.minor is None else approved.minor, 0
    if status is PaymentStatus.CAPTURED:
        return None, _lesser(asked.minor, approved.minor)
    return None, None if status in {None, PaymentStatus.PENDING} else 0


def _lesser(asked: int | None, approved: int | None) -> int | None:
    return asked if asked is None or approved is None else min(asked, approved)


def _difference(body: Body, status: PaymentStatus | None, asked: Amount, approved: Amount) -> Attention | None:
    """Less approved than asked (a gift card), or more taken in all, the tip apart: shipping, a service charge."""
    if status not in {PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED} or asked.minor is None:
        return None
    if approved.minor is not None and approved.minor < asked.minor:
        return Attention.UNDERPAID
    total, tip = read_money(body.get("total_money")), read_money(body.get("tip_money"))
    is_more = total.minor is not None and total.asset == asked.asset and total.minor - (tip.minor or 0) > asked.minor
    return Attention.OVERPAID if is_more else None


def _decline(body: Body, errors: Sequence[Any]) -> Decline | None:
    if body.get("status") != "FAILED":
        return None
    inner = facts.errors_of(within(body, "card_details"))
    return facts.read_decline([*errors, *inner]) or Decline(code="declined")


def read_refused_charge(errors: Sequence[Any], *, reference: str, raw: Body) -> Report:
    """A charge that was declined without an object of its own."""
    return Report(
        about=Subject.PAYMENT,
        status=PaymentStatus.FAILED,
        reference=reference,
        gateway_reference=None,
        captured_minor=0,
        decline=facts.read_decline(errors),
        raw=facts.redacted(raw),
    )


# --- links and orders ---------------------------------------------------------------------------------------------


def read_link(body: Body, *, reference: str | None) -> Report | None:
    """The answer of a created link. None where it lacks the order or the address of a page."""
    link = within(body, "payment_link")
    order, url = text(link.get("order_id")), link.get("url")
    if order is None or not isinstance(url, str) or not (url.isascii() and url.isprintable()):
        return None
    return Report(
        about=Subject.PAYMENT,
        status=PaymentStatus.REQUIRES_ACTION,
        reference=reference,
        gateway_reference=order,
        other_references=names(text(link.get("id"))),
        occurred_at=moment(link.get("created_at")),
        next_action=Redirect(url=url),
        raw=facts.redacted(body),
    )


def linked_order(body: Body) -> Body:
    """The order beside a created link."""
    orders = within(body, "related_resources").get("orders")
    return orders[0] if isinstance(orders, list) and orders and isinstance(orders[0], Mapping) else {}


def tenders_of(order: Body) -> list[str]:
    """The payments of an order. A tender proves that a payment exists, not how it stands."""
    tenders = order.get("tenders")
    found = [one for one in tenders if isinstance(one, Mapping)] if isinstance(tenders, list) else []
    return list(names(*(text(one.get("payment_id")) or text(one.get("id")) for one in found)))


def read_order(order: Body, *, url: str | None = None, link_id: str | None = None) -> Report:
    """What an order alone says: waiting, or gone. With tenders, or completed, it says nothing about money.

    `url` and `link_id` are those of its link, where that is at hand: the id is what deletes it.
    """
    paid_by, state = tenders_of(order), text(order.get("state"))
    status: PaymentStatus | None = None
    if not paid_by and state == "CANCELED":
        status = PaymentStatus.VOIDED
    elif not paid_by and (state in OPEN_ORDERS or state is None):
        status = PaymentStatus.REQUIRES_ACTION
    elif not paid_by and state != "COMPLETED":
        status = PaymentStatus.PENDING  # a state never seen
    return Report(
        about=Subject.PAYMENT,
        status=status,
        reference=text(order.get("reference_id")),
        gateway_reference=text(order.get("id")),
        other_references=names(link_id, *paid_by),
        captured_minor=0 if status is PaymentStatus.VOIDED else None,
        occurred_at=moment(order.get("updated_at")),
        next_action=Redirect(url=url) if url and status is PaymentStatus.REQUIRES_ACTION else None,
        raw=facts.redacted(order),
    )


# --- refunds, disputes, cards -------------------------------------------------------------------------------------


def read_refund(body: Body, payment: PaymentNames | None = None, errors: Sequence[Any] = ()) -> Report:
    """A refund, its own amount. It has an order of its own, which is no name of the payment."""
    amount, word = read_money(body.get("amount_money")), body.get("status")
    known_word = REFUND_STATUS.get(word, RefundStatus.PENDING) if isinstance(word, str) else RefundStatus.PENDING
    status = None if amount.is_odd else known_word  # an amount that cannot be believed moves nothing
    paid_by = text(body.get("payment_id"))
    known = payment or PaymentNames()
    return Report(
        about=Subject.REFUND,
        status=status,
        reference=refund_reference(body.get("reason")),
        gateway_reference=text(body.get("id")),
        payment=PaymentNames(reference=known.reference, gateway_reference=paid_by or known.gateway_reference),
        asset=amount.asset,
        refunded_minor=amount.minor,
        occurred_at=moment(body.get("updated_at")) or moment(body.get("created_at")),
        decline=_refund_decline(word, errors) if status is RefundStatus.FAILED else None,
        attention=Attention.MISMATCH if amount.is_odd else None,
        raw=facts.redacted(body),
    )


def _refund_decline(word: Any, errors: Sequence[Any]) -> Decline:
    said = facts.read_decline(errors)
    return Decline(
        code="failed", gateway_code=said.gateway_code if said else text(word), message=said.message if said else None
    )


def read_refused_refund(errors: Sequence[Any], *, reference: str, amount: Amount, payment: PaymentNames) -> Report:
    """A refund that was refused for good without an object of its own."""
    return Report(
        about=Subject.REFUND,
        status=RefundStatus.FAILED,
        reference=reference,
        gateway_reference=None,
        payment=PaymentNames(reference=payment.reference, gateway_reference=payment.gateway_reference),
        asset=amount.asset,
        refunded_minor=amount.minor,
        decline=_refund_decline(None, errors),
        raw=facts.redacted({"errors": list(errors)}),
    )


def read_dispute(body: Body) -> Report:
    """A dispute. Its amount may be less than the payment; older shapes name it `dispute_id`."""
    amount, state = read_money(body.get("amount_money")), body.get("state")
    status = DISPUTE_STATUS.get(state) if isinstance(state, str) else None
    status = status or DisputeStatus.NEEDS_RESPONSE  # a state never seen is better looked at than left
    is_taken = WITHDRAWN.get(state) if isinstance(state, str) else None
    wants_person = status in {DisputeStatus.NEEDS_RESPONSE, DisputeStatus.LOST}
    return Report(
        about=Subject.DISPUTE,
        status=status,
        reference=None,
        gateway_reference=text(body.get("id")) or text(body.get("dispute_id")),
        payment=PaymentNames(gateway_reference=text(within(body, "disputed_payment").get("payment_id"))),
        asset=amount.asset,
        amount_minor=amount.minor,
        withdrawn_minor=None if is_taken is None or amount.minor is None else amount.minor * is_taken,
        respond_by=moment(body.get("due_at")),
        dispute_reason=text(body.get("reason")),
        occurred_at=moment(body.get("updated_at")) or moment(body.get("created_at")),
        attention=_dispute_attention(amount, wants_person),
        raw=facts.redacted(body),
    )


def _dispute_attention(amount: Amount, wants_person: bool) -> Attention | None:
    if amount.is_odd:
        return Attention.MISMATCH
    return Attention.DISPUTED if wants_person else None


def read_card(body: Body, *, customer_id: str) -> SavedMethod | None:
    """A card on file; None where it cannot be charged."""
    token = text(body.get("id"))
    if token is None or body.get("enabled") is False:
        return None
    return SavedMethod(
        token=token,
        customer_token=text(body.get("customer_id")) or customer_id,
        method=facts.read_card_method(body),
    )


# --- whose it is --------------------------------------------------------------------------------------------------


def at_location(report: Report, body: Body, location_id: str | None) -> Report:
    """`report` as it stands, unless `body` names another location than ours: then nothing may move by it."""
    there = text(body.get("location_id"))
    return report if location_id is None or there in {location_id, None} else foreign(report)


def foreign(report: Report) -> Report:
    """Of another location or merchant: kept as a mismatch, without a word about state or money."""
    return replace(
        report,
        status=None,
        authorized_minor=None,
        captured_minor=None,
        refunded_minor=None,
        amount_minor=None,
        withdrawn_minor=None,
        fee_minor=None,
        next_action=None,
        attention=Attention.MISMATCH,
    )
