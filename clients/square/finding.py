"""Asking Square what became of a payment, by whatever names of it are known.

Square's ids are opaque: nothing tells a payment's from an order's. What does tell: a payment of a link is known by its
order and its link (whose id has a look of its own), a direct one by itself; and where that leaves two, Square is asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from clients.square import translate
from clients.square.client import PAGE, SquareApi
from clients.square.facts import Body, moment, names, text, within
from clients.square.judging import NOT_FOUND
from core.gateways.errors import GatewayUnavailable, RequestRejected
from core.gateways.types import PaymentNames, PaymentStatus, Report

# Unconfirmed: ids of links are 16 capitals and digits wherever one was seen; payments and orders always mix the cases.
LINK: Final = re.compile(r"[A-Z0-9]{8,40}", re.ASCII)
# A reference of ours, also of an earlier try, stands among the names of a payment and is none of Square's.
OURS: Final = re.compile(r"[A-Z]{1,8}_[0-9]{14}_[0-9a-f]{8}[A-Za-z0-9_-]*", re.ASCII)

SEARCH_BEFORE: Final = timedelta(minutes=5)
SEARCH_AFTER: Final = timedelta(hours=24)  # a repeat with the same idempotency key may come as late as this
MAX_PAGES: Final = 20
MAX_TENDERS: Final = 20

# Which of several payments of one order decides: the furthest.
_RANK: Final = (
    PaymentStatus.CAPTURED, PaymentStatus.AUTHORIZED, PaymentStatus.PENDING, PaymentStatus.VOIDED, PaymentStatus.EXPIRED,
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What Square says about a payment: the report, and what it was read from. `payment` is the one that decides."""

    report: Report
    order: Body = field(default_factory=dict)
    payment: Body = field(default_factory=dict)


def link_of(known: PaymentNames) -> str | None:
    return next((one for one in _all(known) if LINK.fullmatch(one)), None)


def find(api: SquareApi, known: PaymentNames) -> Found | None:
    """The payment by its names, else by our own reference. None where Square knows none of them. Raises GatewayErrors."""
    link_id, main = link_of(known), known.gateway_reference
    if link_id is not None:
        return find_by_order(api, main) if main and main != link_id else _find_by_link(api, link_id, known)
    main = main or next(iter(_others(known)), None)
    if main is None:
        return _find_by_reference(api, known)
    try:
        return _read(api, api.get_payment(main), asked=main)
    except RequestRejected as error:
        # With other names beside it, it may be the order of a link whose own id nobody heard (the answer was lost).
        if error.code != NOT_FOUND or not _others(known):
            raise
    return find_by_order(api, main)


def find_by_order(api: SquareApi, order_id: str, *, is_auxiliary: bool = False) -> Found:
    """The payment of a link. Raises RequestRejected (not_found) where there is no such order."""
    return _read(api, api.get_order(order_id, is_auxiliary=is_auxiliary), asked=order_id)


def payment_id_of(api: SquareApi, known: PaymentNames) -> str | None:
    """The id of the one payment that money operations are about, asking Square only where the names leave a doubt.

    None where there is none yet. Raises GatewayErrors where that cannot be told.
    """
    others = _others(known)
    # With a link among the names the main one is its order.
    candidates = names(None if link_of(known) else known.gateway_reference, *others)
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        return _furthest_of(api, candidates)
    found = find(api, known)
    if found is not None and found.report.is_hint:  # there may be one
        raise GatewayUnavailable("which payment this is cannot be read now")
    return text(found.payment.get("id")) if found else None


# --- reading what came --------------------------------------------------------------------------------------------


def _read(api: SquareApi, body: Body, *, asked: str) -> Found:
    """By what it holds, not by what was asked. An answer about something else tells nothing."""
    payment, order = within(body, "payment"), within(body, "order")
    if payment:
        if asked not in (payment.get("id"), payment.get("order_id")):
            raise GatewayUnavailable("the answer is about another payment")
        return Found(report=translate.read_payment(payment), payment=payment)
    if order.get("id") != asked:
        raise GatewayUnavailable("the answer is about another order")
    return _of_order(api, order)


def _of_order(api: SquareApi, order: Body, *, link: Body | None = None) -> Found:
    """An order with its payments. Where these cannot be read now, nothing but their names is known: a hint."""
    url, link_id = (text((link or {}).get(name)) for name in ("url", "id"))
    own = translate.read_order(order, url=url, link_id=link_id)
    paid_by = translate.tenders_of(order)[:MAX_TENDERS]
    if not paid_by:
        return Found(report=own, order=order)
    try:
        payments = [within(api.get_payment(one), "payment") for one in paid_by]
    except GatewayUnavailable:
        return Found(report=replace(own, is_hint=True), order=order)
    return _decide(own, order, [one for one in payments if one])


def _decide(own: Report, order: Body, payments: Sequence[Body]) -> Found:
    """The furthest payment decides; failed ones beside it are earlier tries, and leave the link open while it lives."""
    told = sorted(((translate.read_payment(one), one) for one in payments), key=lambda pair: _rank(pair[0]))
    if not told:
        return Found(report=replace(own, is_hint=True), order=order)
    first, payment = told[0]
    report = replace(
        first,
        reference=own.reference or first.reference,
        gateway_reference=own.gateway_reference,
        other_references=own.other_references,
    )
    if payment.get("status") == "FAILED" and first.status is not None:
        is_gone = order.get("state") == "CANCELED"
        status = PaymentStatus.VOIDED if is_gone else PaymentStatus.REQUIRES_ACTION
        report = replace(report, status=status, captured_minor=0 if is_gone else None)
    return Found(report=_summed(report, [one for one, _ in told]), order=order, payment=payment)


def _summed(report: Report, told: Sequence[Report]) -> Report:
    """One order may be paid in parts (a gift card and a card): what was captured of it is their sum."""
    parts = [one for one in told if one.status is PaymentStatus.CAPTURED and one.captured_minor is not None]
    if len(parts) < 2 or any(one.asset != report.asset for one in parts):
        return report
    fees = [one.fee_minor for one in parts]
    return replace(
        report,
        captured_minor=sum(one.captured_minor or 0 for one in parts),
        fee_minor=None if None in fees else sum(one or 0 for one in fees),
    )


def _rank(report: Report) -> int:
    if report.status is PaymentStatus.PENDING and report.decline is not None:
        return len(_RANK)  # a failed try
    return _RANK.index(report.status) if report.status in _RANK else len(_RANK)


# --- telling names apart ------------------------------------------------------------------------------------------


def _all(known: PaymentNames) -> Iterator[str]:
    yield from (one for one in (known.gateway_reference, *known.other_references) if one)


def _others(known: PaymentNames) -> list[str]:
    """Names that may be a payment's: neither the main one, nor a link, nor of our own making."""
    return [
        one
        for one in known.other_references
        if one
        and one not in {known.gateway_reference, known.reference}
        and not (LINK.fullmatch(one) or OURS.match(one))
    ]


def _find_by_link(api: SquareApi, link_id: str, known: PaymentNames) -> Found:
    """By the order of the link. Where that cannot be read now, the link alone is a hint: it may have been paid."""
    body = api.get_link(link_id)
    link = translate.read_link(body, reference=known.reference)
    if link is None or link.gateway_reference is None:
        raise GatewayUnavailable("the link names no order")
    try:
        return find_by_order(api, link.gateway_reference)
    except GatewayUnavailable:
        return Found(report=replace(link, is_hint=True))


def _furthest_of(api: SquareApi, candidates: Sequence[str]) -> str | None:
    """Of several names the payment that got furthest; an order among them is unknown as a payment."""
    best: tuple[int, str] | None = None
    for one in candidates[:MAX_TENDERS]:
        try:
            payment = within(api.get_payment(one, is_auxiliary=True), "payment")
        except RequestRejected as error:
            if error.code != NOT_FOUND:
                raise
            continue
        if payment.get("id") != one:
            continue
        rank = _rank(translate.read_payment(payment))
        if rank < 2:  # captured or held: there is only one such
            return one
        best = min(best or (rank, one), (rank, one))
    return best[1] if best else None


# --- a lost answer: only our own reference is known ---------------------------------------------------------------


def _find_by_reference(api: SquareApi, known: PaymentNames) -> Found | None:
    """The orders of links made around that time carry it, or (a saved card) a payment itself. Lists may lag behind.

    None only when all could be read to the end. Each way that cannot be had may leave the other to find it.
    """
    reference = known.reference
    if not reference:
        return None
    failure: GatewayUnavailable | None = None
    looks: tuple[Callable[[SquareApi, str, PaymentNames], Found | None], ...] = (_among_links, _among_payments)
    for look in looks:
        try:
            found = look(api, reference, known)
        except GatewayUnavailable as error:
            failure = error
            continue
        except RequestRejected:  # a list that is refused proves nothing about its rows
            failure = GatewayUnavailable("Square does not list what was made around that time")
            continue
        if found is not None:
            return found
    if failure is not None:
        raise failure
    return None


def _among_links(api: SquareApi, reference: str, known: PaymentNames) -> Found | None:
    links: dict[str, Body] = {}
    for link in _rows(api.list_links, "payment_links"):
        order = text(link.get("order_id"))
        if order and _is_in_window(moment(link.get("created_at")), known):
            links[order] = link
    waiting = list(links)
    for start in range(0, len(waiting), PAGE):
        orders = api.get_orders(waiting[start : start + PAGE]).get("orders")
        for order in orders if isinstance(orders, list) else ():
            if isinstance(order, Mapping) and order.get("reference_id") == reference:
                return _of_order(api, order, link=links.get(str(order.get("id"))))
    return None


def _among_payments(api: SquareApi, reference: str, known: PaymentNames) -> Found | None:
    window = _window(known)
    for payment in _rows(lambda cursor: api.list_payments(cursor, **window), "payments"):
        if payment.get("reference_id") == reference:
            return Found(report=translate.read_payment(payment), payment=payment)
    return None


def _rows(page_of: Callable[[str | None], dict[str, Any]], member: str) -> Iterator[Body]:
    """All rows of a list; an empty list is left out of the answer. Raises GatewayUnavailable if it does not end."""
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        body = page_of(cursor)
        rows = body.get(member)
        yield from (row for row in (rows if isinstance(rows, list) else ()) if isinstance(row, Mapping))
        cursor = text(body.get("cursor"))
        if cursor is None:
            return
    raise GatewayUnavailable("too many payments to search")


def _window(known: PaymentNames) -> dict[str, str]:
    if known.created_at is None:
        return {}
    first, last = known.created_at - SEARCH_BEFORE, known.created_at + SEARCH_AFTER
    return {"begin_time": first.isoformat(), "end_time": last.isoformat()}


def _is_in_window(created: datetime | None, known: PaymentNames) -> bool:
    if created is None or known.created_at is None:
        return True
    return known.created_at - SEARCH_BEFORE <= created <= known.created_at + SEARCH_AFTER
