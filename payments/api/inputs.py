"""Bodies of the payment endpoints, checked and typed. Plain functions: a serializer would cost more than the request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from core.api import fields
from core.api.authentication import ApiKeyContext
from core.api.fields import FieldError, Fields
from core.encryption import CannotOpen
from core.errors import NotFound
from core.gateways import registry
from core.gateways.types import CaptureMode, CustomerDetails, Presentation
from core.money import MAX_MINOR, Money
from payments.models import Purpose
from payments.services import profiles
from payments.services.orders import Order

EXPIRES_IN: Final = (60, 90 * 24 * 3600)
_BILLING: Final[Mapping[str, int]] = {
    "name": 200, "line1": 200, "line2": 200, "city": 100, "state": 100, "postal_code": 20, "country": 2,
}  # fmt: skip


def read_order(data: Any, context: ApiKeyContext) -> tuple[Order, str | None]:
    """The body of POST /payments/initiate. Raises ValidationFailed with every field that cannot be accepted.

    Beside the order the id of the saved method to charge: `with_profile` finds it once the Idempotency-Key is known to
    be new, so that a repeat is answered as before also where the method is gone by then.
    """
    take = Fields(data)
    amount = take.take("amount", fields.clean_amount, required=True)
    currency = take.take("currency", fields.clean_currency, required=True)
    purpose = take.take("purpose", fields.one_of(Purpose.values), Purpose.PAYMENT.value)
    customer = read_customer(take)
    if purpose == Purpose.DEPOSIT and (customer is None or not customer.id):
        take.refuse(
            "customer", FieldError("customer_required", "A deposit needs a customer with an id: whose balance?")
        )
    order: dict[str, Any] = {
        "purpose": purpose,
        "gateway": take.take("gateway", clean_gateway, ""),
        "merchant_reference": take.take("reference", fields.clean_reference, ""),
        "description": take.take("description", fields.text_of(500), ""),
        "customer": customer,
        "billing": _billing(take),
        "tax": take.take("tax", fields.clean_amount_or_zero),
        "delivery": take.take("delivery", fields.clean_amount_or_zero),
        "return_url": take.take("return_url", fields.return_url_of(context.return_origins), ""),
        "capture": CaptureMode(take.take("capture", fields.one_of([m.value for m in CaptureMode]), "automatic")),
        "presentation": Presentation(
            take.take("presentation", fields.one_of([p.value for p in Presentation]), "hosted")
        ),
        "pay_currency": take.take("pay_currency", clean_coin, ""),
        "expires_in": take.take("expires_in", fields.whole_number(*EXPIRES_IN)),
        "customer_ip": take.take("customer_ip", fields.clean_ip_address),
        "metadata": take.take("metadata", fields.clean_metadata, {}),
        "methods": _methods(take),
        "save_method": take.take("save_method", _clean_flag, False),
    }
    if order["save_method"] and (customer is None or not customer.id):
        take.refuse("customer", FieldError("customer_required", "A method is saved for a customer: send customer.id."))
    profile = take.take("profile", fields.clean_public_id)
    if amount is not None and (order["tax"] or 0) + (order["delivery"] or 0) > amount:
        take.refuse(
            "tax", FieldError("parts_exceed_amount", "Tax and delivery are parts of amount; together they exceed it.")
        )
    take.check()
    assert amount is not None and currency is not None
    return Order(money=Money(amount, currency), **order), profile


def with_profile(order: Order, public_id: str | None, context: ApiKeyContext) -> Order:
    """The order with the saved method to charge; another lab's, mode's or customer's is a 404 like a missing one."""
    if public_id is None:
        return order
    customer = order.customer.id if order.customer else None
    try:
        found = profiles.for_charge(public_id=public_id, lab_id=context.lab_id, mode=context.mode, customer=customer)
    except CannotOpen:
        raise profiles.ProfileUnusable("This saved method cannot be opened; ask the customer for another.") from None
    if found is None:
        raise NotFound
    return replace(order, profile=found)


def _methods(take: Fields) -> tuple[str, ...]:
    """`method`: one word such as card, upi or netbanking, where the caller wants no other."""
    word = take.take("method", fields.text_of(32))
    return (word,) if word else ()


def _clean_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise FieldError("invalid_type", "Send true or false.")
    return value


def clean_gateway(value: object) -> str:
    """The slug of an installed gateway."""
    return fields.one_of(registry.slugs())(value)


def clean_coin(value: object) -> str:
    """A coin's code, any case; which coins an account takes only its gateway knows."""
    text = fields.text_of(32)(value)
    if not text.isascii() or not text.isalnum():
        raise FieldError("unknown_currency", "Send a coin's code with its network, like usdttrc20.")
    return text.upper()


def read_customer(take: Fields) -> CustomerDetails | None:
    part = take.nested("customer")
    if part is None:
        return None
    return CustomerDetails(
        id=part.take("id", fields.text_of(120)) or None,
        name=part.take("name", fields.text_of(200)) or None,
        email=part.take("email", fields.clean_email),
        phone=part.take("phone", fields.clean_phone),
    )


def _billing(take: Fields) -> dict[str, str]:
    part = take.nested("billing")
    if part is None:
        return {}
    found = {name: part.take(name, fields.text_of(length)) for name, length in _BILLING.items()}
    country = found.get("country")
    if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
        part.refuse("country", FieldError("unknown_country", "Send the two letters of ISO 3166, like IN."))
    if country:  # rules of routing and gateways know it in capitals
        found["country"] = country.upper()
    return {name: text for name, text in found.items() if text}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundWish:
    payment: str
    amount: int | None
    reason: str
    reference: str


def read_refund(data: Any) -> RefundWish:
    """The body of POST /payments/refund. No amount: all that is left."""
    take = Fields(data)
    wish = {
        "payment": take.take("payment", fields.clean_public_id, required=True),
        "amount": take.take("amount", fields.clean_amount),
        "reason": take.take("reason", fields.text_of(300), ""),
        "reference": take.take("reference", fields.clean_reference, ""),
    }
    take.check()
    return RefundWish(**wish)  # type: ignore[arg-type]


def read_capture(data: Any) -> int | None:
    """The body of a capture: `amount` in minor units, or nothing for all that is held."""
    take = Fields(data if data is not None else {})
    amount = take.take("amount", fields.clean_amount)
    take.check()
    return amount if amount is None else min(amount, MAX_MINOR)


def plain(order: Order, profile: str | None) -> dict[str, Any]:
    """An order as JSON values, for the fingerprint of an Idempotency-Key."""
    found = {name: getattr(order, name) for name in Order.__dataclass_fields__ if name != "customer"}
    found["money"] = [order.money.minor, order.money.asset]
    customer = order.customer
    found["profile"] = profile
    found["customer"] = customer and [customer.id, customer.name, customer.email, customer.phone]
    return found
