"""What a payment asks for, and the request that follows from it: the same for the same try, always."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings

from core import ids
from core.encryption import CannotOpen, Place, open_
from core.gateways.references import fit_reference
from core.gateways.types import (
    BillingDetails,
    CaptureMode,
    CustomerDetails,
    FraudStatus,
    Mode,
    PaymentRequest,
    PaymentStatus,
    Presentation,
    SavedMethod,
)
from core.money import Money
from payments import showing
from payments.services.choosing import Wish
from payments.services.keys import KeyRow
from payments.work import PaymentState

PAGE_PURPOSE: Final = "page_token"
DEFAULT_EXPIRY_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A saved method to be charged: its row's id, the only key it works with, and its opened tokens."""

    id: int
    gateway_key_id: int
    customer_id: int
    saved: SavedMethod = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A validated wish to be paid, whoever states it: the API, or a payment link."""

    money: Money
    purpose: str = "payment"
    gateway: str = ""
    merchant_reference: str = ""
    description: str = ""
    customer: CustomerDetails | None = None
    billing: dict[str, str] = field(default_factory=dict)
    tax: int | None = None
    delivery: int | None = None
    return_url: str = ""
    capture: CaptureMode = CaptureMode.AUTOMATIC
    presentation: Presentation = Presentation.HOSTED
    pay_currency: str = ""
    expires_in: int | None = None
    customer_ip: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    link_id: int | None = None
    allowed_gateways: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    save_method: bool = False
    profile: Profile | None = None

    @property
    def wish(self) -> Wish:
        return Wish(
            amount=self.money,
            capture=self.capture,
            presentation=self.presentation,
            pay_currency=self.pay_currency or None,
            methods=self.methods,
            country=self.billing.get("country"),
            save_method=self.save_method,
            allowed_gateways=self.allowed_gateways,
        )


def new_state(
    lab_id: int, mode: Mode, order: Order, key: KeyRow, customer_id: int | None, now: datetime
) -> PaymentState:
    lifetime = order.expires_in or key.about.default_expiry_seconds or DEFAULT_EXPIRY_SECONDS
    blank: dict[str, Any] = dict.fromkeys(PaymentState.__dataclass_fields__)
    known: dict[str, Any] = {
        "id": 0, "public_id": ids.public_id("PAY"), "lab_id": lab_id, "mode": mode, "gateway": key.gateway,
        "gateway_key_id": key.id, "account": key.account, "purpose": order.purpose,
        "merchant_reference": order.merchant_reference, "currency": order.money.asset, "amount": order.money.minor,
        "wants_saved": order.save_method, "profile_id": order.profile.id if order.profile else None,
        "customer_id": customer_id, "capture_mode": order.capture.value, "try_number": 1,
        "status": PaymentStatus.PENDING, "attention": set(), "attention_seen": set(), "fraud_status": FraudStatus.UNKNOWN,
        "fraud_message": "", "gateway_reference": "", "claim": "", "link_id": order.link_id,
        "holds_link_use": order.link_id is not None, "page_token_sealed": "", "description": order.description,
        "return_url": order.return_url, "metadata": order.metadata, "transition_seq": 1, "created_at": now,
        "expires_at": now + timedelta(seconds=lifetime), "references": (), "sent_reference": "",
    }  # fmt: skip
    zeros = dict.fromkeys(
        (
            "authorized", "received", "captured", "refund_reserved", "refunded", "refunded_seen", "fee", "disputed",
            "check_count",
        ), 0,
    )  # fmt: skip
    flags = dict.fromkeys(("is_acknowledged", "is_duplicate", "has_other_live"), False)
    return PaymentState(**{**blank, **zeros, **flags, **known})


def order_parts(order: Order) -> dict[str, Any]:
    """What is kept of customer and billing, so that a repeat sends exactly the same."""
    customer = order.customer
    return {
        "customer": None if customer is None else
        {"id": customer.id, "name": customer.name, "email": customer.email, "phone": customer.phone},
        "address": order.billing or None,
        "customer_ip": order.customer_ip,
        "presentation": order.presentation.value,
        "pay_currency": order.pay_currency,
        "expires_in": order.expires_in,
        "save_method": order.save_method,
    }  # fmt: skip


def build_request(state: PaymentState, key: KeyRow, parts: dict[str, Any], page_token: str) -> PaymentRequest:
    """The same request for the same payment and try, always: a repeat must not differ."""
    page = f"{settings.PUBLIC_URL}/pay/{page_token}"
    customer, address = parts["customer"], parts["address"]
    return PaymentRequest(
        reference=fit_reference(state.public_id, state.try_number, key.about.reference),
        amount=state.money,
        idempotency_key=f"{state.public_id}:initiate:{state.try_number}",
        webhook_url=key.webhook_url(),
        return_url=f"{page}/return",
        cancel_url=page,
        description=state.description or None,
        customer=None if customer is None else CustomerDetails(**customer),
        billing=None if address is None else BillingDetails(**address),
        capture=CaptureMode(state.capture_mode),
        presentation=Presentation(parts["presentation"]),
        pay_currency=parts["pay_currency"] or None,
        customer_ip=parts["customer_ip"],
        created_at=state.created_at,
        expires_at=state.expires_at if parts["expires_in"] else None,
        metadata=state.metadata,
        save_method=parts.get("save_method", False),
    )


def page_place(state: PaymentState) -> Place:
    return Place(gateway_key=state.public_id, mode=state.mode, field="page_token")


def page_token(state: PaymentState) -> str:
    return open_(state.lab_id, page_place(state), state.page_token_sealed)


def shown(state: PaymentState) -> dict[str, Any]:
    """The payment as its lab sees it, with the address of its pay page (null where its token cannot be opened)."""
    try:
        return showing.payment(state, pay_url=f"{settings.PUBLIC_URL}/pay/{page_token(state)}")
    except CannotOpen:  # one damaged row must not hide a whole list
        return {**showing.payment(state, pay_url=None), "pay_url": None}
