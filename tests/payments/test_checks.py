"""`check_invariants` sees what it is for: every rule about payments is broken once on purpose, past all guards."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from core.gateways.testing import answer
from core.gateways.types import DisputeStatus, Mode, PaymentStatus, Report, Subject
from payments import checks
from payments.states import CauseKind
from tests.database import without_guards
from tests.payments import builders
from tests.payments.conftest import _fire_what_waits_for_the_commit as look
from tests.payments.shop import Shop, event, held, paid, stored, stripe_refund

pytestmark = [pytest.mark.django_db, pytest.mark.breaks_invariants]

FEE_AND_DISPUTE = "source IN ('payment_fee', 'dispute')"
OLD = "now() - interval '8 days'"


@pytest.fixture
def world(shop: Shop, other_shop: Shop, test_mode_shop: Shop) -> None:
    """Lab one: 12.99 paid, 4.00 back, 1.00 fee, 5.00 disputed; a hold; a test payment. A neighbor with one payment."""
    payment = shop.open_payment(reference="order-1", customer={"id": "mira"})
    name = f"{payment['id']}-1"
    report = Report(
        about=Subject.PAYMENT, status=PaymentStatus.CAPTURED, reference=name, gateway_reference=f"pi_{payment['id']}",
        mode=Mode.LIVE, asset="EUR", captured_minor=1299, fee_minor=100,
    )  # fmt: skip
    builders.tell(shop.key, report)
    dispute = Report(
        about=Subject.DISPUTE, status=DisputeStatus.NEEDS_RESPONSE, reference=None, gateway_reference="du_1",
        payment=builders.read(stored(payment).pk).names(), asset="EUR", amount_minor=500, withdrawn_minor=500,
    )  # fmt: skip
    builders.tell(shop.key, dispute)
    assert shop.refund(payment, answer(stripe_refund(payment, 400)), amount=400).status_code == 201
    shop.held_payment()
    test_mode_shop.captured_payment()
    other_shop.captured_payment()
    shop.deliver(event("payment_intent.succeeded", held({**payment, "id": "PAY_20261120183005_ffffffff"})))


def failing() -> set[str]:
    found = set()
    with connection.cursor() as cursor:
        for name, sql in checks.CHECKS:
            cursor.execute(sql)
            if cursor.fetchone() is not None:
                found.add(name.split()[0])
    return found


PAID = "merchant_reference = 'order-1'"
A_TEST = "(SELECT max(id) FROM payments_payment WHERE mode = 'test')"
DAMAGES = [
    (
        "UPDATE finance_entry SET amount = amount * 2 WHERE transaction_id = (SELECT min(id) FROM finance_transaction)",
        "I8",
    ),
    ("DELETE FROM finance_transaction WHERE kind = 'payment'", "I8"),
    ("DELETE FROM finance_transaction WHERE source = 'payment_fee'", "I8"),
    ("DELETE FROM finance_transaction WHERE source = 'dispute'", "I8"),
    ("DELETE FROM finance_transaction WHERE kind = 'refund'", "I8"),
    (f"UPDATE payments_payment SET refund_reserved = 9999 WHERE {PAID}", "I9"),
    (f"UPDATE payments_payment SET refunded = 0 WHERE {PAID}", "I10"),
    (f"UPDATE payments_payment SET disputed = 0 WHERE {PAID}", "I10"),
    (f"UPDATE payments_payment SET captured = 1300 WHERE {PAID}", "I11"),
    (f"UPDATE payments_payment SET capture_asked = 1000 WHERE {PAID}", "I11"),
    (f"UPDATE payments_payment SET captured = 1000, attention = '{{}}' WHERE {PAID}", "I11"),
    ("UPDATE payments_payment SET captured = 1 WHERE status = 'authorized'", "I11"),
    ("UPDATE payments_paymenttransition SET from_status = 'voided' WHERE to_status = 'captured'", "I12"),
    ("DELETE FROM payments_paymenttransition WHERE seq = 1", "I13"),
    ("UPDATE payments_payment SET status = 'voided' WHERE status = 'authorized'", "I13"),
    ("UPDATE payments_payment SET transition_seq = 9 WHERE status = 'authorized'", "I13"),
    ("UPDATE payments_paymenttransition SET cause_id = '0' WHERE to_status = 'captured'", "I14"),
    ("UPDATE payments_paymenttransition SET cause = 'staff' WHERE to_status = 'authorized'", "I14"),
    ("UPDATE payments_webhookevent SET event_key = 'same'", "I15"),
    ("UPDATE payments_gatewayreference SET reference = 'same', gateway_key_id = 1", "I17"),
    ("UPDATE payments_payment SET merchant_reference = 'same', lab_id = 1, mode = 'live'", "I18"),
    ("UPDATE payments_paymentgatewaytransaction SET idempotency_key = 'same'", "I20"),
    ("UPDATE payments_refund SET currency = 'USD'", "I21"),
    ("UPDATE payments_dispute SET currency = 'USD'", "I21"),
    ("UPDATE payments_gatewayreference SET mode = 'test'", "I21"),
    ("UPDATE payments_webhookevent SET lab_id = 0", "I21"),
    ("UPDATE payments_paymentgatewaytransaction SET lab_id = 0", "I21"),
    ("UPDATE payments_paymenttransition SET lab_id = 0", "I21"),
    ("UPDATE core_customer SET lab_id = 0", "I21"),
    (f"UPDATE finance_transaction SET payment_id = {A_TEST}", "I22"),
    (f"UPDATE payments_webhookevent SET received_at = {OLD} WHERE state = 'unmatched'", "I30"),
    (f"UPDATE payments_webhookevent SET received_at = {OLD}, state = 'error' WHERE state = 'applied'", "I30"),
    (f"UPDATE payments_webhookevent SET received_at = {OLD}, state = 'waiting' WHERE state = 'applied'", "I30"),
    (f"UPDATE payments_payment SET unknown_since = {OLD}", "I30"),
    (f"UPDATE payments_refund SET unknown_since = {OLD}, status = 'pending'", "I30"),
]


def is_seen(damage: str, rule: str) -> bool:
    """Whether `rule` tells of the damage, which is undone again."""
    with transaction.atomic(), connection.cursor() as cursor:
        with without_guards():
            cursor.execute(damage)
            assert cursor.rowcount > 0, damage
        found = failing()
        transaction.set_rollback(True)
    return rule in found


def test_every_damage_is_seen(world: None) -> None:
    look()
    with connection.cursor() as cursor:
        for table, constraint in IN_THE_WAY:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {constraint}")
            cursor.execute(f"DROP INDEX IF EXISTS {constraint}")
    assert failing() == set()
    assert [damage for damage in DAMAGES if not is_seen(*damage)] == []


# What no session can switch off stands in the way of some damages.
IN_THE_WAY = (
    ("payments_payment", "payments_payment_one_live_reference"),
    ("payments_payment", "payments_payment_refunds_fit"),
    ("payments_payment", "payments_payment_captured_agrees"),
    ("payments_paymenttransition", "payments_transition_edge"),
    ("payments_paymenttransition", "payments_transition_money_cause"),
    ("payments_webhookevent", "payments_event_key_uniq"),
    ("payments_gatewayreference", "payments_reference_uniq"),
    ("payments_paymentgatewaytransaction", "payments_exchange_idempotency_uniq"),
)


def test_every_rule_is_broken_once() -> None:
    """I16 is the exception: an unverified delivery has no row at all, so no query can find one."""
    rules = {name.split()[0] for name, _ in checks.CHECKS}
    assert {rule for _, rule in DAMAGES} == rules - {"I16"}


def test_a_fact_of_another_payment_is_no_cause_of_money(world: None, shop: Shop) -> None:
    """I14 asks for the id of what caused it: one that belongs to somebody else is none."""
    payment = shop.open_payment()
    look()
    foreign = builders.cause_row(shop.key, CauseKind.FETCH, stored(payment).pk)
    with connection.cursor() as cursor, without_guards():
        cursor.execute(
            "UPDATE payments_paymenttransition SET cause = 'fetch', cause_id = %s WHERE to_status = 'authorized'",
            [foreign],
        )
    assert failing() == {"I14"}


def test_a_capture_of_a_part_is_sound(shop: Shop) -> None:
    payment = shop.held_payment()
    assert shop.capture(payment, answer(paid(payment, 500, amount_capturable=0)), amount=500).status_code == 200
    assert failing() == set()
