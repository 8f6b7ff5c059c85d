"""What the customer's browser is given for an order: options of checkout.js, or the fields of the hosted form.

Both speak of the same things by the same names, `prefill[email]` for a nested one. Source: the protocol page §4.2.
"""

from __future__ import annotations

from typing import Final

from clients.razorpay.config import HOSTED_CHECKOUT_URL, SCRIPT_URL
from clients.razorpay.facts import Body, text
from clients.razorpay.translate import MAX_NAME, cut, email_of, phone_of
from core.gateways.types import ClientToken, FormPost, PaymentRequest

MAX_DESCRIPTION: Final = 255  # Unconfirmed: of the form's options no limit is published


def client_token(
    order: Body, *, public_key: str, request: PaymentRequest | None, customer_token: str | None = None
) -> ClientToken | None:
    """What checkout.js needs for this order: its options by their names, `prefill[email]` for a nested one.

    `request` None: the order was found again, so only what it says itself. None where it names no order.
    """
    order_id = text(order.get("id"))
    if order_id is None:
        return None
    parameters = {**_of_order(order, order_id), **(_of_request(request) if request else {})}
    if customer_token is not None:
        parameters.update(customer_id=customer_token, remember_customer="true", recurring="true")
    return ClientToken(token=order_id, public_key=public_key, script_url=SCRIPT_URL, parameters=parameters)


def hosted_form(order: Body, *, public_key: str, request: PaymentRequest) -> FormPost | None:
    """Razorpay's hosted checkout without a script; None where the customer's e-mail or phone, which it needs, lacks."""
    order_id, fields = text(order.get("id")), _of_request(request)
    if order_id is None or "prefill[email]" not in fields or "prefill[contact]" not in fields:
        return None
    if request.cancel_url:
        fields["cancel_url"] = request.cancel_url
    return FormPost(url=HOSTED_CHECKOUT_URL, fields={"key_id": public_key, **_of_order(order, order_id), **fields})


def _of_order(order: Body, order_id: str) -> dict[str, str]:
    """Amount and currency must match the order, so they are its own."""
    amount, currency = order.get("amount"), text(order.get("currency"))
    known = {"amount": str(amount) if type(amount) is int else "", "currency": currency or "", "order_id": order_id}
    return {name: value for name, value in known.items() if value}


def _of_request(request: PaymentRequest) -> dict[str, str]:
    customer = request.customer
    known = {
        "description": cut(request.description, MAX_DESCRIPTION),
        "callback_url": request.return_url,
        "prefill[name]": cut(customer.name if customer else None, MAX_NAME),
        "prefill[email]": email_of(customer),
        "prefill[contact]": phone_of(customer),
    }
    return {name: value for name, value in known.items() if value}
