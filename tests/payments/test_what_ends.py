"""Attention, exchanges and leases: each ends when its reason ends, none is lost before."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction

from core import clock
from core.gateways.errors import RequestRejected
from core.gateways.testing import answer
from core.http import NoAnswer
from payments import inbox, loading, sweep
from payments.models import PaymentGatewayTransaction, WebhookEvent
from payments.services import operations
from payments.services.errors import GatewayRejected
from payments.services.exchanges import Asked
from tests.payments.shop import (
    Shop,
    Wire,
    event,
    exchanges,
    intent,
    last_event,
    made,
    paid,
    state_of,
    stored,
    stored_refund,
    stripe_refund,
)

pytestmark = pytest.mark.django_db


def lapse() -> None:
    """Every lease is over, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE payments_paymentgatewaytransaction SET lease_until = clock_timestamp() - interval '1 s'")


def loaded(payment: dict[str, Any]) -> loading.Loaded:
    found = loading.by_id(stored(payment).pk)
    assert found is not None
    return found


def test_a_paused_worker_does_not_forget_what_a_later_capture_asked_for(shop: Shop) -> None:
    """Forgotten, the later capture's 3.00 would look like an underpayment of 12.99, and never be booked."""
    payment = shop.held_payment()
    first = operations.record_capture(loaded=loaded(payment), amount=500)
    PaymentGatewayTransaction.across_labs.filter(pk=first.exchange.id).update(outcome="answered", lease_token=None)
    operations.record_capture(loaded=loaded(payment), amount=300)
    error = RequestRejected("too late")
    told = operations._refused(first, Asked(None, error, 1), error, None)
    assert isinstance(told, GatewayRejected)
    assert stored(payment).capture_asked == 300
    assert shop.tell(payment, "payment_intent.succeeded", paid(payment, 300)).status_code == 200
    assert state_of(payment) == ("captured", 300, 0, 0, [])


@pytest.mark.parametrize("verb", ["capture", "void"])
def test_an_operation_whose_process_died_is_closed_by_the_webhook_that_told_its_end(
    shop: Shop, wire: Wire, verb: str
) -> None:
    payment = shop.held_payment()
    if verb == "capture":
        operations.record_capture(loaded=loaded(payment), amount=None)
        shop.tell(payment, "payment_intent.succeeded", paid(payment))
    else:
        operations.record_void(loaded=loaded(payment))
        shop.tell(payment, "payment_intent.canceled", intent(payment, "canceled"))
    lapse()
    wire.script()
    sweep.sweep()
    assert exchanges(payment)[-1] == (verb, "answered", 1)


def test_a_refund_that_is_decided_after_a_week_needs_nobody_any_more(shop: Shop, wire: Wire) -> None:
    payment = shop.captured_payment()
    refund = made(shop.refund(payment, NoAnswer("timeout"), amount=400))
    nothing = answer({"object": "list", "data": [], "has_more": False})
    wire.routes({("GET", "/v1/refunds"): [nothing] * 9})
    with clock.fixed(clock.now() + timedelta(days=8)):
        sweep.sweep()
        assert state_of(payment) == ("captured", 1299, 400, 0, ["unknown_outcome"])
        ours = stored_refund(refund).sent_reference
        shop.tell(payment, "refund.updated", stripe_refund(payment, 400, ours=ours))
    assert state_of(payment) == ("captured", 1299, 400, 400, [])


def test_an_initiate_that_is_told_after_a_week_needs_nobody_any_more(shop: Shop, wire: Wire) -> None:
    response = shop.initiate(NoAnswer("timeout"))
    payment = {"id": response.json()["payment"], "amount": 1299, "currency": "EUR", "mode": "live"}
    with clock.fixed(clock.now() + timedelta(days=8)):
        sweep.give_up()
        assert state_of(payment)[4] == ["unknown_outcome"]
        shop.tell(payment, "payment_intent.succeeded", paid(payment))
    assert state_of(payment)[:2] == ("captured", 1299)
    assert "unknown_outcome" not in state_of(payment)[4]
    assert stored(payment).unknown_since is None


def unmatched(shop: Shop) -> WebhookEvent:
    nobody = {"id": "PAY_20261120183005_ffffffff", "amount": 1299, "currency": "EUR", "mode": "live"}
    assert shop.deliver(event("payment_intent.succeeded", paid(nobody))).status_code == 200
    return last_event()


def test_an_event_that_waits_is_shown_after_15_minutes_although_its_next_try_is_later(shop: Shop) -> None:
    waiting = unmatched(shop)
    moment = waiting.received_at + timedelta(minutes=16)
    WebhookEvent.across_labs.filter(pk=waiting.pk).update(next_try_at=moment + timedelta(minutes=5))
    with clock.fixed(moment):
        sweep.sweep()
    waiting.refresh_from_db()
    assert (waiting.attention, waiting.state, waiting.tries) == (["unapplied"], "unmatched", 1)


def test_an_event_keeps_what_the_gateway_package_said_about_it_while_it_waits(shop: Shop) -> None:
    waiting = unmatched(shop)
    WebhookEvent.across_labs.filter(pk=waiting.pk).update(attention=["fraud_warning"])
    for minutes in (20, 90):
        with clock.fixed(waiting.received_at + timedelta(minutes=minutes)):
            inbox.sweep_events()
        waiting.refresh_from_db()
        assert waiting.attention == ["fraud_warning", "unapplied"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.concurrency
def test_looking_for_the_dead_waits_for_nobody(shop: Shop) -> None:
    """Who works on a payment takes its exchange's lock second; a sweep that waited here with that one would be a deadlock."""
    payment = shop.held_payment()
    recorded = operations.record_capture(loaded=loaded(payment), amount=None)
    lapse()

    def look() -> int:
        try:
            return sweep.find_crashed()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM payments_payment WHERE id = %s FOR NO KEY UPDATE", [recorded.loaded.state.id])
            assert pool.submit(look).result(timeout=10) == 0
        assert pool.submit(look).result(timeout=10) == 1
    assert exchanges(payment)[-1] == ("capture", "unknown", 1)


def test_the_error_kept_with_an_event_quotes_no_row(shop: Shop) -> None:
    """Who may look at the inbox need not know who paid."""
    payment = shop.open_payment(customer={"id": "mira", "email": "mira@example.com", "name": "Mira Secret"})
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE payments_payment ADD CONSTRAINT payments_bug CHECK (status <> 'captured')")
    assert shop.tell(payment, "payment_intent.succeeded", paid(payment)).status_code == 200
    kept = last_event()
    assert (kept.state, "payments_bug" in kept.error) == ("error", True)
    assert "Mira Secret" not in kept.error
    assert payment["id"] not in kept.error


def test_the_released_rest_of_a_part_capture_is_no_refund_of_what_was_captured(shop: Shop) -> None:
    """Some gateways show it as one. A person looks; the 10.00 that were captured stay refundable."""
    payment = shop.held_payment()
    assert shop.capture(payment, answer(paid(payment, 1000, amount_capturable=0)), amount=1000).status_code == 200
    shop.tell(payment, "refund.created", stripe_refund(payment, 299))
    assert state_of(payment) == ("captured", 1000, 0, 0, ["refund_unexpected"])
    assert last_event().state == "waiting"
