"""Disputes and saved methods, told by their gateway as the platform hears of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from core.gateways.types import DisputeStatus, Method, PaymentNames, Report, SavedMethod, Subject
from payments import showing
from payments.models import CustomerPaymentProfile
from tests.payments import builders
from tests.payments.shop import Shop, stored

_numbers = itertools.count(1)
TOKEN = "pm_1SavedMethodSecret"
CARD = Method(kind="card", brand="visa", last_four="4242", expiry_month=12, expiry_year=2034)
RESPOND_BY = datetime(2026, 12, 5, 23, 59, 59, tzinfo=UTC)


def disputed(
    shop: Shop,
    payment: Mapping[str, Any],
    status: DisputeStatus = DisputeStatus.NEEDS_RESPONSE,
    *,
    withdrawn: int | None = None,
    name: str = "",
) -> dict[str, Any]:
    """The gateway says that a payment is disputed; the dispute as the API shows it."""
    report = Report(
        about=Subject.DISPUTE, status=status, reference=None, gateway_reference=name or f"du_{next(_numbers)}",
        payment=PaymentNames(reference=f"{payment['id']}-1"), mode=shop.mode, asset=payment["currency"],
        amount_minor=payment["amount"], dispute_reason="product_not_received", respond_by=RESPOND_BY,
        withdrawn_minor=payment["amount"] if withdrawn is None else withdrawn,
    )  # fmt: skip
    fact = builders.tell(shop.key, report, payment_id=stored(payment).pk)
    assert fact.work is not None
    dispute = next(one for one in fact.work.disputes if one.gateway_reference == report.gateway_reference)
    return showing.dispute(fact.work.state, dispute)


def saved(shop: Shop, customer: str = "c1", *, token: str = "") -> CustomerPaymentProfile:
    """A customer paid and agreed to have the method saved."""
    token = token or f"{TOKEN}{next(_numbers)}"
    payment = shop.open_payment(customer={"id": customer}, save_method=True)
    report = Report(
        about=Subject.PAYMENT, status=None, reference=f"{payment['id']}-1", gateway_reference=None, mode=shop.mode,
        asset=payment["currency"], saved=SavedMethod(token=token, customer_token="cus_1Secret", method=CARD),
    )  # fmt: skip
    builders.tell(shop.key, report, payment_id=stored(payment).pk)
    return CustomerPaymentProfile.across_labs.latest("id")
