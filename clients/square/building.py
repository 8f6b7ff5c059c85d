"""Ours -> theirs: the bodies of all writes. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

from clients.square.money import build_money
from core.gateways.types import CaptureMode, ChargeRequest, PaymentRequest, RefundRequest
from core.money import Money

Params = dict[str, Any]

KEY_LIMIT: Final = 45  # payments, refunds, cards
LINK_KEY_LIMIT: Final = 192
MAX_NAME: Final = 255
MAX_NOTE: Final = 500
MAX_REASON: Final = 192
MAX_EMAIL: Final = 256
MAX_EMAIL_OF_PAYMENT: Final = 255

# Our own mark in the metadata of a link's order: the customer agreed to later charges.
CONSENT: Final = "save_method"
CONSENT_GIVEN: Final = "yes"

_EMAIL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+", re.ASCII)
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
# Our refund's name stands at the end of the reason: the only text of a refund that comes back in events.
_OURS_IN_REASON: Final = re.compile(r"\[([A-Za-z0-9_-]{4,64})\]", re.ASCII)


def fit_key(key: str, limit: int = KEY_LIMIT) -> str:
    """`key` itself, or where it is too long for Square a hash of it: the same for the same operation, always."""
    if len(key) <= limit and key.isascii():
        return key
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:KEY_LIMIT]


def build_link(request: PaymentRequest, *, location_id: str) -> Params:
    """Body of POST /v2/online-checkout/payment-links, in the form of an order, which alone has a reference.

    Tipping is off and shipping, coupons and loyalty stay unsaid: each would change the amount. `pre_populated_data` that
    is not well-formed would have the whole call refused, so only what surely is goes in.
    Raises RequestRejected for an amount that Square does not take.
    """
    order: Params = {
        "location_id": location_id,
        "reference_id": request.reference,
        "line_items": [
            {
                "name": _cut(request.description, MAX_NAME) or f"Payment {request.reference}",
                "quantity": "1",  # a string: a number is refused
                "base_price_money": build_money(request.amount),
            }
        ],
    }
    if request.customer_token:
        order["customer_id"] = request.customer_token
    if request.save_method:
        order["metadata"] = {CONSENT: CONSENT_GIVEN}
    params: Params = {
        "idempotency_key": fit_key(request.idempotency_key, LINK_KEY_LIMIT),
        "order": order,
        "checkout_options": {"redirect_url": request.return_url, "allow_tipping": False},
    }
    known = _prefilled(request)
    return {**params, "pre_populated_data": known} if known else params


def build_charge(request: ChargeRequest, *, location_id: str) -> Params:
    """Body of POST /v2/payments for a card on file while the customer is away. Held where capture is manual.

    `reference_id` is always sent: it tells a payment of ours from one of a link.
    Unconfirmed: that a declined try needs a new key. Each try has one of its own here, so nothing depends on it.
    """
    payment, saved = request.payment, request.saved
    params: Params = {
        "source_id": saved.token,
        "idempotency_key": fit_key(payment.idempotency_key),
        "amount_money": build_money(payment.amount),
        "autocomplete": payment.capture is CaptureMode.AUTOMATIC,
        "location_id": location_id,
        "reference_id": payment.reference,
        "customer_details": {"customer_initiated": False},
    }
    email = _email(payment, MAX_EMAIL_OF_PAYMENT)
    more = {
        "customer_id": saved.customer_token or payment.customer_token,
        "note": _cut(payment.description, MAX_NOTE),
        "buyer_email_address": email,
    }
    return {**params, **{name: value for name, value in more.items() if value}}


def build_lower_amount(amount: Money, *, key: str) -> Params:
    """Body of PUT /v2/payments/{id}: completing has no amount, so less is taken by lowering the hold first."""
    return {"idempotency_key": fit_key(f"{key}:lower"), "payment": {"amount_money": build_money(amount)}}


def build_refund(request: RefundRequest, *, payment_id: str) -> Params:
    """Body of POST /v2/refunds. The reason ends in our own name of the refund, in brackets."""
    mark = f"[{request.reference}]"
    said = _cut(request.reason, MAX_REASON - len(mark) - 1)
    return {
        "idempotency_key": fit_key(request.idempotency_key),
        "payment_id": payment_id,
        "amount_money": build_money(request.amount),
        "reason": f"{said} {mark}" if said else mark,
    }


def refund_reference(reason: Any) -> str | None:
    """Our name of a refund, out of its reason; None for one that somebody made at Square."""
    if not isinstance(reason, str) or not reason.endswith("]"):
        return None
    found = _OURS_IN_REASON.fullmatch(reason[reason.rfind("[") :])
    return found.group(1) if found else None


def build_customer(*, email: str, payment_id: str) -> Params:
    return {"idempotency_key": fit_key(f"customer:{payment_id}"), "email_address": email}


def build_card(*, payment_id: str, customer_id: str) -> Params:
    """Body of POST /v2/cards: the card of a completed payment. The key is the payment's, so that a second look answers
    with the same card."""
    return {
        "idempotency_key": fit_key(f"card:{payment_id}"),
        "source_id": payment_id,
        "card": {"customer_id": customer_id},
    }


def _prefilled(request: PaymentRequest) -> Params:
    customer = request.customer
    phone = (customer.phone or "").strip() if customer else ""
    known = {
        "buyer_email": _email(request, MAX_EMAIL),
        "buyer_phone_number": phone if _PHONE.fullmatch(phone) else None,
    }
    return {name: value for name, value in known.items() if value}


def _email(request: PaymentRequest, limit: int) -> str | None:
    email = (request.customer.email or "").strip() if request.customer else ""
    return email if len(email) <= limit and _EMAIL.fullmatch(email) else None


def _cut(text: str | None, length: int) -> str:
    """Shortened and without control characters; a customer reads it."""
    shown = "".join(one if one.isprintable() else " " for one in text or "")
    return " ".join(shown.split())[:length].strip()
