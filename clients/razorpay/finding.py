"""Looking things up: a payment by whatever name is known, and the attempt that an operation is about.

The order and its attempts are asked for one after the other. What one of them tells is used when the other cannot be
had, for none is wrong without the other. Source: the protocol page §5.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from clients.razorpay import checkout, facts, translate
from clients.razorpay.attempts import Told, attempt_status, report_payment
from clients.razorpay.client import RazorpayApi
from clients.razorpay.facts import Body, text, whole
from core.gateways.errors import GatewayUnavailable
from core.gateways.types import PaymentNames, PaymentStatus, Report

NOT_TRIED: Final = "created"  # an order's or link's word before the first attempt
_PROGRESS: Final = ("paid", "partially_paid", "attempted", "created")


def first(names: PaymentNames, pattern: re.Pattern[str]) -> str | None:
    return next(iter(_all(names, pattern)), None)


def find_payment(api: RazorpayApi, names: PaymentNames, *, public_key: str | None) -> Report | None:
    """By the most telling name that is known, else by our reference. None where Razorpay has nothing of that name.

    Raises GatewayErrors, for an unknown id too.
    """
    if link_id := first(names, facts.LINK):
        return report_payment(_of_link(api, api.get_link(link_id), names))
    if order_id := first(names, facts.ORDER):
        return report_payment(_of_order(api, order_id))
    if code_id := first(names, facts.QR):
        return _of_qr(api, code_id)
    if payment_id := first(names, facts.PAYMENT):
        return report_payment(Told(attempts=(api.get_payment(payment_id),)))
    return _by_reference(api, names, public_key) if names.reference else None


def find_attempt(api: RazorpayApi, names: PaymentNames, wanted: PaymentStatus) -> str | None:
    """The `pay_` of the attempt that stands as `wanted`. The only one that is known is taken for it, unasked."""
    known = _all(names, facts.PAYMENT)
    if len(known) == 1:
        return known[0]
    order_id = first(names, facts.ORDER)
    if order_id is None and (link_id := first(names, facts.LINK)):
        link = api.get_link(link_id, is_auxiliary=True)
        order_id = Told(link=link).order_id
        if order_id is None:  # a link lists its captured payments itself
            return next((text(one.get("payment_id")) for one in facts.objects(link.get("payments"))), None)
    if order_id is None:
        return None
    fitting = [one for one in api.get_attempts(order_id) if attempt_status(one) is wanted]
    newest = max(fitting, key=lambda one: whole(one.get("created_at")) or 0, default={})
    return text(newest.get("id"))


def _of_link(api: RazorpayApi, link: Body, names: PaymentNames) -> Told:
    """A link has an order once it was opened."""
    order_id = Told(link=link).order_id or first(names, facts.ORDER)
    return Told(link=link, attempts=None if order_id is None else _attempts_if_had(api, order_id))


def _of_order(api: RazorpayApi, order_id: str) -> Told:
    try:
        body = api.get_order(order_id)
    except GatewayUnavailable:
        attempts = _attempts_if_had(api, order_id)
        if attempts is None:
            raise
        return Told(order={"id": order_id}, attempts=attempts)
    if text(body.get("id")) is None:  # the list of its payments
        return Told(order={"id": order_id}, attempts=tuple(facts.objects(body.get("items"))))
    if body.get("id") != order_id:  # one of its payments
        return Told(order={"id": order_id}, attempts=(body,))
    return _with_attempts(api, body, order_id)


def _with_attempts(api: RazorpayApi, order: Body, order_id: str) -> Told:
    if order.get("status") == NOT_TRIED:
        return Told(order=order)
    return Told(order=order, attempts=_attempts_if_had(api, order_id))


def _of_qr(api: RazorpayApi, code_id: str) -> Report:
    code = api.get_qr(code_id)
    try:
        payments = api.get_qr_payments(code_id)
    except GatewayUnavailable:
        payments = []
    taken = [one for one in payments if attempt_status(one) is PaymentStatus.CAPTURED]
    return translate.read_qr(code, taken[0] if len(taken) == 1 else None)


def _attempts_if_had(api: RazorpayApi, order_id: str) -> tuple[Body, ...] | None:
    try:
        return tuple(api.get_attempts(order_id))
    except GatewayUnavailable:
        return None


def _by_reference(api: RazorpayApi, names: PaymentNames, public_key: str | None) -> Report | None:
    """The answer of a create was lost: links by reference_id, orders by receipt. None only when both could be had."""
    failure: GatewayUnavailable | None = None
    looks: tuple[Callable[[], Report | None], ...] = (
        lambda: _link_of(api, names),
        lambda: _order_of(api, names, public_key),
    )
    for look in looks:
        try:
            found = look()
        except GatewayUnavailable as error:  # the other may still find it
            failure = error
            continue
        if found is not None:
            return found
    if failure is not None:
        raise failure
    return None


def _link_of(api: RazorpayApi, names: PaymentNames) -> Report | None:
    assert names.reference
    link = _furthest([one for one in api.find_links(names.reference) if one.get("reference_id") == names.reference])
    return None if link is None else report_payment(_of_link(api, link, names))


def _order_of(api: RazorpayApi, names: PaymentNames, public_key: str | None) -> Report | None:
    assert names.reference
    order = _furthest([one for one in api.find_orders(names.reference) if one.get("receipt") == names.reference])
    order_id = text(order.get("id")) if order else None
    if order is None or order_id is None:
        return None
    report = report_payment(_with_attempts(api, order, order_id))
    is_charge = facts.note_of(order, facts.SHAPE) == facts.SHAPE_CHARGE
    if report.status is not PaymentStatus.PENDING or is_charge or public_key is None:
        return report
    # Nobody was ever given this order: hand it out again, as far as it tells.
    return replace(report, next_action=checkout.client_token(order, public_key=public_key, request=None))


def _furthest(found: Sequence[Body]) -> Body | None:
    """Of several with one reference (a create that was repeated) the one that is furthest on, then the newest."""
    return max(found, key=lambda one: (-_place(one.get("status")), whole(one.get("created_at")) or 0), default=None)


def _place(word: object) -> int:
    return _PROGRESS.index(word) if isinstance(word, str) and word in _PROGRESS else len(_PROGRESS)


def _all(names: PaymentNames, pattern: re.Pattern[str]) -> list[str]:
    known = (names.gateway_reference, *names.other_references)
    return list(dict.fromkeys(one for one in known if one and pattern.fullmatch(one)))
