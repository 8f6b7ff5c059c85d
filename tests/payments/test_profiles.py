"""Saved methods: with consent only, sealed, kept once, charged with their own key, nobody else's business."""

from __future__ import annotations

from typing import Any

import pytest

from core.gateways.types import Method, MethodStatus, Mode, PaymentStatus, Redirect, Report, SavedMethod, Subject
from core.models import Customer, Lab
from payments import inbox
from payments.models import CustomerPaymentProfile, Payment, PaymentGatewayKey, WebhookEvent
from payments.services import profiles
from tests.payments import builders

pytestmark = pytest.mark.django_db
CARD = Method(kind="card", brand="visa", last_four="4242", expiry_month=12, expiry_year=2034)
SAVED = SavedMethod(token="pm_secret_token", customer_token="cus_secret", method=CARD)


@pytest.fixture
def deposit(lab: Lab, stripe_key: PaymentGatewayKey) -> Payment:
    prepared = builders.make_payment(lab, purpose="deposit")
    Payment.across_labs.filter(pk=prepared.state.id).update(wants_saved=True)
    return Payment.across_labs.get(pk=prepared.state.id)


def paid(payment: Payment, saved: SavedMethod | None = SAVED) -> Report:
    return Report(
        about=Subject.PAYMENT, status=PaymentStatus.CAPTURED, reference=f"{payment.public_id}-1", gateway_reference="pi_1",
        mode=Mode.LIVE, asset="EUR", captured_minor=1299, saved=saved,
    )  # fmt: skip


def test_a_method_is_kept_with_consent_and_only_once(deposit: Payment, stripe_key: PaymentGatewayKey) -> None:
    for _ in range(2):
        builders.tell(stripe_key, paid(deposit))
    kept = CustomerPaymentProfile.across_labs.get()
    assert (kept.customer_id, kept.gateway_key_id, kept.status) == (deposit.customer_id, stripe_key.pk, "active")
    assert (kept.kind, kept.brand, kept.last_four, kept.expiry_year) == ("card", "visa", "4242", 2034)
    assert "secret" not in str(kept.secrets)
    assert profiles.opened(kept) == SavedMethod(token="pm_secret_token", customer_token="cus_secret")


def test_without_consent_nothing_is_kept(deposit: Payment, stripe_key: PaymentGatewayKey) -> None:
    Payment.across_labs.filter(pk=deposit.pk).update(wants_saved=False)
    builders.tell(stripe_key, paid(deposit))
    assert not CustomerPaymentProfile.across_labs.exists()


def test_a_token_never_stands_readable_in_the_inbox_and_still_arrives(
    deposit: Payment, stripe_key: PaymentGatewayKey
) -> None:
    reading = inbox.WebhookReading(event_key="evt_1", reports=(paid(deposit),))
    delivery = inbox.WebhookDelivery(method="POST", url="", headers={}, body=b"{}")
    received = inbox.Received(key=builders.key_facts(stripe_key), delivery=delivery, reading=reading)
    inbox._insert(received, state=inbox.EventState.NEW)
    assert "pm_secret_token" not in str(WebhookEvent.across_labs.get().reports)
    WebhookEvent.across_labs.update(next_try_at=None)
    assert inbox.sweep_events() == 1
    assert profiles.opened(CustomerPaymentProfile.across_labs.get()).token == "pm_secret_token"


def test_only_the_same_lab_mode_and_customer_can_charge_it(deposit: Payment, stripe_key: PaymentGatewayKey) -> None:
    builders.tell(stripe_key, paid(deposit))
    kept = CustomerPaymentProfile.across_labs.get()

    def find(**changes: Any) -> Any:
        wanted = {"public_id": kept.public_id, "lab_id": kept.lab_id, "mode": Mode.LIVE, "customer": "cust-1"}
        return profiles.for_charge(**{**wanted, **changes})

    found = find()
    assert (found.id, found.gateway_key_id, found.saved.token) == (kept.pk, stripe_key.pk, "pm_secret_token")
    assert find(lab_id=builders.make_lab("Other").pk) is None
    assert find(mode=Mode.TEST) is None
    assert find(customer="cust-2") is None
    assert find(public_id="PM_20261120183005_00000000") is None


def test_one_default_for_a_customer(deposit: Payment, stripe_key: PaymentGatewayKey) -> None:
    builders.tell(stripe_key, paid(deposit))
    first = profiles.set_default(CustomerPaymentProfile.across_labs.get())
    builders.tell(stripe_key, paid(deposit, SavedMethod(token="pm_other_token", method=CARD)))
    second = profiles.set_default(CustomerPaymentProfile.across_labs.exclude(pk=first.pk).get())
    assert list(CustomerPaymentProfile.across_labs.filter(is_default=True)) == [second]


def test_a_deleted_method_keeps_no_token_and_cannot_be_charged(deposit: Payment, stripe_key: PaymentGatewayKey) -> None:
    builders.tell(stripe_key, paid(deposit))
    kept = CustomerPaymentProfile.across_labs.get()
    CustomerPaymentProfile.across_labs.filter(pk=kept.pk).update(secrets={})
    kept.refresh_from_db()
    profiles.delete_profile(kept)
    assert (kept.status, kept.secrets, kept.token_hash) == ("deleted", {}, None)
    assert profiles.for_charge(public_id=kept.public_id, lab_id=kept.lab_id, mode=Mode.LIVE, customer=None) is None


def test_a_method_saved_alone_becomes_active_when_the_gateway_says_so(lab: Lab, stripe_key: PaymentGatewayKey) -> None:
    customer = Customer.objects.create(lab=lab, external_id="c-9")
    row = CustomerPaymentProfile.objects.create(
        lab=lab, mode="live", customer=customer, gateway_key=stripe_key, gateway="stripe", public_id="PM_1",
        reference="PM_1-1", consent_at=stripe_key.created_at,
    )  # fmt: skip
    facts = builders.key_facts(stripe_key)

    def tell(status: MethodStatus, **more: Any) -> bool:
        return profiles.apply_method_report(
            facts, Report(about=Subject.METHOD, status=status, reference="PM_1-1", gateway_reference="seti_1", **more)
        )

    assert tell(MethodStatus.PENDING, next_action=Redirect(url="https://gateway.example/save"))
    row.refresh_from_db()
    assert (row.status, row.next_action) == ("pending", {"type": "redirect", "url": "https://gateway.example/save"})
    assert tell(MethodStatus.ACTIVE, saved=SAVED)
    assert tell(MethodStatus.PENDING)  # late news
    row.refresh_from_db()
    assert (row.status, row.next_action, row.last_four) == ("active", None, "4242")
    assert profiles.opened(row).token == "pm_secret_token"
