"""Saved methods: the customer at Razorpay that a method belongs to, and charging it while the customer is away.

What a charge needs on the way (the customer, an order) moves no money, so an answer lost there is only "come again".
Both are remembered for a while, so that a repeat asks for the same. Source: the protocol page §10.
"""

from __future__ import annotations

import hashlib
from typing import Final

from clients.razorpay import facts, translate
from clients.razorpay.client import NOT_FOUND, RazorpayApi
from clients.razorpay.facts import text
from core.gateways.errors import GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.port import Cache
from core.gateways.types import CaptureMode, ChargeRequest, DeleteSavedRequest, PaymentRequest, Report
from core.strict_json import dumps

REMEMBERED_SECONDS: Final = 86_400


def customer_of(api: RazorpayApi, cache: Cache, request: PaymentRequest) -> str:
    """The `cust_` of this payment's customer, made where there is none. Raises RequestRejected without e-mail and phone."""
    if request.customer_token:
        return request.customer_token
    params = translate.build_customer(request.customer)
    if not params.keys() & {"email", "contact"}:
        reason = "to save a method Razorpay has to know the customer's e-mail or phone"
        raise RequestRejected(reason, code="customer_details_required")
    name = f"customer:{hashlib.sha256(dumps(params).encode()).hexdigest()}"
    known = cache.get(name)
    if known:
        return known
    customer_id = text(api.create_customer(params)["id"]) or ""
    cache.set(name, customer_id, seconds=REMEMBERED_SECONDS)
    return customer_id


def charge(api: RazorpayApi, cache: Cache, request: ChargeRequest) -> Report:
    """An order of its own, then the charge. The bank's no is a report; its yes comes later, by webhook."""
    if request.payment.capture is CaptureMode.MANUAL:
        raise RequestRejected("Razorpay takes a saved method's money at once", code="capture_unsupported")
    order_id = _order_of(api, cache, request.payment)
    body = api.charge(translate.build_charge(request, order_id=order_id))
    if "error" in body:
        error = facts.member(body, "error")
        return translate.read_refused_charge(error, request=request.payment, order_id=order_id)
    report = translate.read_charge(body, request=request.payment, order_id=order_id)
    if report is None:
        raise OutcomeUnknown("Razorpay's answer names no payment")
    return report


def delete(api: RazorpayApi, request: DeleteSavedRequest) -> None:
    """One that is already gone is fine."""
    if request.saved.customer_token is None:
        raise RequestRejected("Razorpay deletes a saved method only together with its customer")
    try:
        api.delete_token(request.saved.customer_token, request.saved.token)
    except RequestRejected as error:
        if error.code != NOT_FOUND:
            raise


def _order_of(api: RazorpayApi, cache: Cache, request: PaymentRequest) -> str:
    """A charge that is repeated goes to the order of its first try, where it can be refused as paid."""
    name = f"order:{request.reference}"
    known = cache.get(name)
    if known:
        return known
    order_id = text(api.create_charge_order(translate.build_charge_order(request))["id"])
    if order_id is None or not facts.ORDER.fullmatch(order_id):
        raise GatewayUnavailable("Razorpay's answer names no order")
    cache.set(name, order_id, seconds=REMEMBERED_SECONDS)
    return order_id
