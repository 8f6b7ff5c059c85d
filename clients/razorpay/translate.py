"""Between our words and Razorpay's, without I/O: build_* makes bodies, read_* makes reports of entities.

Where a payment stands is `attempts`; here are the requests, refunds, disputes and QR codes.
Every table is from the protocol page (§4, §8-§11, §13); what is marked Unconfirmed there is marked here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from clients.razorpay import facts
from clients.razorpay.attempts import Told, report_payment
from clients.razorpay.facts import Body, text
from clients.razorpay.money import Amounts, to_wire
from core.gateways.types import (
    Attention,
    CaptureMode,
    ChargeRequest,
    CustomerDetails,
    DisputeStatus,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    RefundRequest,
    RefundStatus,
    Report,
    Subject,
)
from core.money import Money

Params = dict[str, Any]

REFUND_STATUS: Final[Mapping[str, RefundStatus]] = {
    "created": RefundStatus.PENDING,
    "pending": RefundStatus.PENDING,
    "processed": RefundStatus.SUCCEEDED,  # handed to the bank: failed may still follow
    "failed": RefundStatus.FAILED,
}  # none at all, or a word never seen: pending

DISPUTE_STATUS: Final[Mapping[str, DisputeStatus]] = {
    "open": DisputeStatus.NEEDS_RESPONSE,
    "under_review": DisputeStatus.UNDER_REVIEW,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
    "closed": DisputeStatus.CLOSED,  # of the phase fraud: ended without a verdict
}

MAX_DESCRIPTION: Final = 2048
MAX_NOTES: Final = 15
MAX_NOTE: Final = 255  # 256 in the documents, 255 in one error text
MAX_NAME: Final = 50  # of a customer; Unconfirmed that it holds inside a link, too
MIN_NAME: Final = 3
MAX_EMAIL: Final = 64
MAX_CHARGE_DESCRIPTION: Final = 255  # Unconfirmed: no limit is published

# An authorization within this many minutes is captured by itself, also a late one: as long as Razorpay asks the bank.
AUTOMATIC_CAPTURE_MINUTES: Final = 3 * 24 * 60
REFUND_SPEED: Final = "normal"

# What the customer consents to when a method is saved. Unconfirmed: bounds and defaults of these three are not
# published on the page; the most per later charge is what the first payment costs, and at least this.
TOKEN_METHOD: Final = "card"
TOKEN_FREQUENCY: Final = "as_presented"
TOKEN_LEAST_MAXIMUM: Final = {"INR": 1_500_000}
TOKEN_LIFETIME_SECONDS: Final = 5 * 365 * 86_400

_PHONE: Final = re.compile(r"\+?[0-9]{6,14}", re.ASCII)
_REFUND_KEY: Final = re.compile(r"[A-Za-z0-9_-]{10,64}", re.ASCII)


# --- building: payments -------------------------------------------------------------------------------------------


def build_link(request: PaymentRequest, *, expire_by: int | None = None) -> Params:
    """Body of POST /v1/payment_links. Nothing is sent to the buyer by Razorpay itself.

    `expire_by` is epoch seconds, already within Razorpay's bounds. Source: §4.1. Raises RequestRejected (amount).
    """
    customer = _customer_of_link(request.customer)
    params: Params = {
        "amount": to_wire(request.amount),
        "currency": request.amount.asset,
        "reference_id": request.reference,
        "description": cut(request.description, MAX_DESCRIPTION),
        "customer": customer,
        "notify": {"sms": False, "email": False},
        "reminder_enable": False,
        "expire_by": expire_by,
        "callback_url": request.return_url,
        "callback_method": "get",
        "notes": _notes(request),
    }
    return {name: value for name, value in params.items() if value not in (None, "", {})}


def build_order(request: PaymentRequest, *, customer_token: str | None = None, expire_at: int | None = None) -> Params:
    """Body of POST /v1/orders, which pins the capture whatever the dashboard says.

    With `customer_token` the payment also saves the method, good until `expire_at` (epoch seconds). Source: §4.2, §10.
    Raises RequestRejected (amount).
    """
    params: Params = {
        "amount": to_wire(request.amount),
        "currency": request.amount.asset,
        "receipt": request.reference,
        "notes": _notes(request),
        "payment": _capture(request.capture),
    }
    if customer_token is not None:
        least = TOKEN_LEAST_MAXIMUM.get(request.amount.asset, 0)
        token = {"max_amount": max(params["amount"], least), "expire_at": expire_at, "frequency": TOKEN_FREQUENCY}
        params.update(customer_id=customer_token, method=TOKEN_METHOD, token=token)
    return params


def build_charge_order(request: PaymentRequest) -> Params:
    """Body of POST /v1/orders for a saved method: captured at once. Source: §10. Raises RequestRejected (amount)."""
    return {
        "amount": to_wire(request.amount),
        "currency": request.amount.asset,
        "receipt": request.reference,
        "payment_capture": True,
        "notes": {**_notes(request), facts.SHAPE: facts.SHAPE_CHARGE},
    }


def build_charge(request: ChargeRequest, *, order_id: str) -> Params:
    """Body of POST /v1/payments/create/recurring. Source: §10. Raises RequestRejected (amount)."""
    payment = request.payment
    params: Params = {
        "email": email_of(payment.customer),
        "contact": phone_of(payment.customer),
        "amount": to_wire(payment.amount),
        "currency": payment.amount.asset,
        "order_id": order_id,
        "customer_id": request.saved.customer_token,
        "token": request.saved.token,
        "recurring": True,
        "description": cut(payment.description, MAX_CHARGE_DESCRIPTION),
        "notes": {"payment_id": payment.reference, facts.SHAPE: facts.SHAPE_CHARGE},
    }
    return {name: value for name, value in params.items() if value not in (None, "")}


def build_customer(customer: CustomerDetails | None) -> Params:
    """Body of POST /v1/customers: one with the same e-mail and phone is answered again instead of refused."""
    name = cut(customer.name if customer else None, MAX_NAME)
    params = {
        "name": name if len(name) >= MIN_NAME else "",
        "email": email_of(customer),
        "contact": phone_of(customer),
        "fail_existing": "0",
    }
    return {key: value for key, value in params.items() if value}


def build_capture(amount: Money) -> Params:
    """Body of POST /v1/payments/{id}/capture. All of what is held: partial capture does not exist. Source: §8."""
    return {"amount": to_wire(amount), "currency": amount.asset}


def build_refund(request: RefundRequest) -> Params:
    """Body of POST /v1/payments/{id}/refund. A field that Razorpay does not know is refused. Source: §9."""
    notes = {"refund_id": request.reference}
    if request.names.reference:
        notes["payment_id"] = request.names.reference
    if request.reason:
        notes["reason"] = cut(request.reason, MAX_NOTE)
    return {"amount": to_wire(request.amount), "receipt": request.reference, "notes": notes}


def refund_key(key: str) -> str:
    """`X-Refund-Idempotency`: 10 characters or more of letters, digits, `_`, `-`. Another key gives another one."""
    if _REFUND_KEY.fullmatch(key):
        return key
    kept = re.sub(r"[^A-Za-z0-9_-]", "-", key, flags=re.ASCII)[:40]
    return f"{kept}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _capture(mode: CaptureMode) -> Params:
    if mode is CaptureMode.MANUAL:
        return {"capture": "manual"}
    options = {"automatic_expiry_period": AUTOMATIC_CAPTURE_MINUTES, "refund_speed": REFUND_SPEED}
    return {"capture": "automatic", "capture_options": options}


def _notes(request: PaymentRequest) -> dict[str, str]:
    """Ours first, then as much of the caller's as Razorpay takes."""
    kept: dict[str, str] = {"payment_id": request.reference}
    for name, value in request.metadata.items():
        is_fit = 0 < len(name) <= MAX_NOTE and name not in facts.OUR_NOTES
        if is_fit and value and len(kept) < MAX_NOTES - 1:  # one is left for `shape`
            kept.setdefault(name, cut(value, MAX_NOTE))
    return kept


def _customer_of_link(customer: CustomerDetails | None) -> Params:
    name = cut(customer.name if customer else None, MAX_NAME)
    found = {"name": name, "email": email_of(customer), "contact": phone_of(customer)}
    return {key: value for key, value in found.items() if value}


def email_of(customer: CustomerDetails | None) -> str:
    email = (customer.email or "").strip() if customer else ""
    return email if len(email) <= MAX_EMAIL else ""


def phone_of(customer: CustomerDetails | None) -> str:
    """`+<country><number>`, at most 15 characters; what does not look like one is left out."""
    phone = re.sub(r"[ ().-]", "", (customer.phone or "") if customer else "")
    return phone if _PHONE.fullmatch(phone) else ""


def cut(value: str | None, length: int) -> str:
    return (value or "").strip()[:length].strip()


# --- reading ------------------------------------------------------------------------------------------------------


def read_charge(body: Body, *, request: PaymentRequest, order_id: str) -> Report | None:
    """The answer of create/recurring: begun, not captured. None where it names no payment."""
    payment_id = text(body.get("razorpay_payment_id"))
    if payment_id is None:
        return None
    named = text(body.get("razorpay_order_id")) or order_id
    order = named if facts.ORDER.fullmatch(named) else None
    return Report(
        about=Subject.PAYMENT,
        status=PaymentStatus.PENDING,
        reference=request.reference,
        gateway_reference=order or payment_id,
        other_references=facts.ids(payment_id) if order else (),
        asset=request.amount.asset,
        captured_minor=0,
        raw=facts.redacted(body),
    )


def read_refused_charge(error: Body, *, request: PaymentRequest, order_id: str) -> Report:
    """The bank or the buyer said no, and nobody is there to try again. Source: §12."""
    payment_id = text(facts.member(error, "metadata").get("payment_id"))
    order = order_id if facts.ORDER.fullmatch(order_id) else None
    order = text(facts.member(error, "metadata").get("order_id")) or order
    return Report(
        about=Subject.PAYMENT,
        status=PaymentStatus.FAILED,
        reference=request.reference,
        gateway_reference=order or payment_id,
        other_references=facts.ids(payment_id) if order else (),
        asset=request.amount.asset,
        captured_minor=0,
        fraud=facts.read_fraud(error),
        decline=facts.read_decline(error),
        raw=facts.redacted({"error": error}),
    )


def read_qr(code: Body, payment: Body | None = None) -> Report:
    """A QR code and the payment that credited it. Its own totals may lag at 0, so the payment's amount counts."""
    if payment is not None:
        found = report_payment(Told(attempts=(payment,)))
        names = facts.ids(found.gateway_reference, *found.other_references)
        return replace(found, gateway_reference=text(code.get("id")), other_references=names)
    amounts = Amounts(code.get("currency") or "INR")  # a code names none: UPI is INR
    received = amounts.minor(code.get("payments_amount_received")) or 0
    status = PaymentStatus.PENDING
    if code.get("status") == "closed":
        status = PaymentStatus.CAPTURED if received else PaymentStatus.EXPIRED
    return Report(
        about=Subject.PAYMENT,
        status=status,
        reference=None,
        gateway_reference=text(code.get("id")),
        asset=amounts.asset,
        captured_minor=received,
        # Closed because it was paid, while nothing is counted yet: ask.
        is_hint=status is PaymentStatus.EXPIRED and code.get("close_reason") == "paid",
        attention=amounts.attention,
        raw=facts.redacted(code),
    )


def read_refund(body: Body, *, payment: PaymentNames) -> Report:
    """A refund. `payment` is how we know its payment; Razorpay's name of it is added."""
    amounts = Amounts(body.get("currency"))
    word = body.get("status")
    status = REFUND_STATUS.get(word, RefundStatus.PENDING) if isinstance(word, str) else RefundStatus.PENDING
    amount = amounts.minor(body.get("amount"))
    failed = Attention.REFUND_FAILED if status is RefundStatus.FAILED else None
    return Report(
        about=Subject.REFUND,
        status=status,
        # The notes are our server's here: no browser makes a refund.
        reference=text(body.get("receipt")) or facts.note_of(body, "refund_id"),
        gateway_reference=text(body.get("id")),
        payment=with_attempt(payment, text(body.get("payment_id"))),
        asset=amounts.asset,
        refunded_minor=amount,
        attention=facts.graver(amounts.attention, failed),
        raw=facts.redacted(body),
    )


def read_dispute(body: Body, *, payment: PaymentNames) -> Report:
    """A dispute. Nothing is withheld before it is lost: `amount_deducted` is 0 until then."""
    amounts = Amounts(body.get("currency"))
    word = body.get("status")
    status = DISPUTE_STATUS.get(word) if isinstance(word, str) else None
    status = status or DisputeStatus.NEEDS_RESPONSE  # a word never seen is better looked at than left
    wants_person = status in {DisputeStatus.NEEDS_RESPONSE, DisputeStatus.LOST}
    amount, deducted = amounts.minor(body.get("amount")), amounts.minor(body.get("amount_deducted"))
    return Report(
        about=Subject.DISPUTE,
        status=status,
        reference=None,
        gateway_reference=text(body.get("id")),
        payment=with_attempt(payment, text(body.get("payment_id"))),
        asset=amounts.asset,
        amount_minor=amount,
        withdrawn_minor=0 if status is DisputeStatus.WON else deducted,
        respond_by=facts.moment(body.get("respond_by")),
        dispute_reason=text(body.get("reason_code")),
        attention=facts.graver(amounts.attention, Attention.DISPUTED if wants_person else None),
        raw=facts.redacted(body),
    )


def payment_names(payment: Body, payment_id: str | None = None) -> PaymentNames:
    """How a payment entity beside a refund or dispute is known here: by its order where it has one."""
    own, order_id = text(payment.get("id")) or payment_id, text(payment.get("order_id"))
    return PaymentNames(gateway_reference=order_id or own, other_references=facts.ids(own) if order_id else ())


def with_attempt(names: PaymentNames, payment_id: str | None) -> PaymentNames:
    """The same payment, also by the attempt's `pay_` name."""
    if payment_id is None or payment_id in {names.gateway_reference, *names.other_references}:
        return names
    if names.gateway_reference is None:
        return replace(names, gateway_reference=payment_id)
    return replace(names, other_references=(*names.other_references, payment_id))
