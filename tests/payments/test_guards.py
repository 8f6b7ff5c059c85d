"""What the database itself refuses. For every guard there is raw SQL that it alone keeps out.

Each attack is tried three times: with the guard (refused, in its name), on a database where only that guard is missing
(now it goes through, or another guard named here stands behind it), and then the checks must see the damage. So a guard
that is dropped, or that never held anything, turns this file red.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from core import audit, clock, guards, labs
from core.gateways.types import DisputeStatus, Mode, PaymentStatus, RefundStatus, Report, Subject
from core.models import Lab
from core.money import Money
from finance import checks as finance_checks
from finance import ledger
from finance.postings import capture_posting
from payments import loading
from payments.models import (
    CustomerPaymentProfile,
    Dispute,
    Payment,
    PaymentGatewayTransaction,
    Refund,
    WebhookEvent,
)
from payments.services import links, operations
from payments.states import CauseKind
from tests.payments import builders
from tests.payments.conftest import broken_invariants

pytestmark = [pytest.mark.django_db, pytest.mark.breaks_invariants]

World = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """`because` is a part of the guard's refusal. `shows` is the invariant that is broken without the guard; `behind`
    is what refuses then, where there is a second line."""

    table: str
    guard: str
    sql: str | Callable[[World], object]
    because: str = ""
    shows: str = ""
    behind: str = ""

    @property
    def refusal(self) -> str:
        return self.because or self.guard


PAYMENT_COPY = """
    WITH p AS (
      INSERT INTO payments_payment (public_id, lab_id, mode, merchant_reference, purpose, currency, amount, customer_id,
        link_id, billing, metadata, gateway_key_id, gateway, page_token_hash, page_token_sealed)
      SELECT 'PAY_COPY', lab_id, mode, {reference}, purpose, currency, {amount}, {customer}, {link}, billing, metadata, {key},
        gateway, 'copy', 'sealed' FROM payments_payment WHERE id = {{open}}
      RETURNING id, lab_id, mode
    ) INSERT INTO payments_paymenttransition (lab_id, mode, payment_id, seq, from_status, to_status, cause, cause_id, at)
      SELECT lab_id, mode, id, 1, NULL, 'pending', 'api', '1', now() FROM p"""


def payment_copy(**changes: str) -> str:
    """SQL for another payment like the open one, its first transition included."""
    same = {"reference": "''", "amount": "amount", "customer": "NULL", "link": "NULL", "key": "gateway_key_id"}
    return PAYMENT_COPY.format(**{**same, **changes})


def step(
    payment: str,
    before: str,
    after: str,
    *,
    seq: str = "2",
    cause: str = "api",
    cause_id: str = "1",
    lab: str = "lab_id",
) -> str:
    """SQL for one more transition of a payment."""
    return (
        "INSERT INTO payments_paymenttransition (lab_id, mode, payment_id, seq, from_status, to_status, cause, cause_id, at)"
        f" SELECT {lab}, mode, id, {seq}, {before}, '{after}', '{cause}', '{cause_id}', now() FROM payments_payment"
        f" WHERE id = {{{payment}}}"
    )


REFUND_COLUMNS = "public_id, lab_id, mode, payment_id, gateway_key_id, currency, amount, status, merchant_reference, gateway_reference"


def refund(
    *, amount: str = "1", status: str = "failed", currency: str = "currency", key: str = "gateway_key_id",
    reference: str = "''", theirs: str = "NULL",
) -> str:  # fmt: skip
    """SQL for one more refund of the paid payment; a live one takes its amount into the payment's sums."""
    reserved = amount if status in {"pending", "succeeded"} else "0"
    return (
        f"WITH p AS (UPDATE payments_payment SET refund_reserved = refund_reserved + {reserved} WHERE id = {{paid}} RETURNING *)"
        f" INSERT INTO payments_refund ({REFUND_COLUMNS})"
        f" SELECT 'RF_RAW', lab_id, mode, id, {key}, {currency}, {amount}, '{status}', {reference}, {theirs} FROM p"
    )


def name(*, lab: str = "lab_id", key: str = "gateway_key_id", reference: str = "'another'") -> str:
    return (
        "INSERT INTO payments_gatewayreference (lab_id, mode, gateway_key_id, payment_id, reference)"
        f" SELECT {lab}, mode, {key}, id, {reference} FROM payments_payment WHERE id = {{open}}"
    )


def exchange(*, lab: str = "lab_id", key: str = "gateway_key_id", idempotency: str = "'another'") -> str:
    return (
        "INSERT INTO payments_paymentgatewaytransaction (id, lab_id, mode, gateway_key_id, payment_id, operation, operation_id,"
        f" idempotency_key, request, request_hash) SELECT gen_random_uuid(), {lab}, mode, {key}, id, 'capture', 'raw',"
        f" {idempotency}, '{{{{}}}}', '' FROM payments_payment WHERE id = {{open}}"
    )


def event(*, lab: str = "lab_id", key: str = "gateway_key_id", event_key: str = "'another'") -> str:
    return (
        "INSERT INTO payments_webhookevent (lab_id, mode, gateway_key_id, event_key, body, body_sha256, headers, reports)"
        f" SELECT {lab}, mode, {key}, {event_key}, '', '', '{{{{}}}}', '[]' FROM payments_webhookevent WHERE id = {{event}}"
    )


def dispute(
    *, payment: str = "paid", key: str = "gateway_key_id", currency: str = "currency", reference: str = "'dp_2'"
) -> str:
    return (
        "INSERT INTO payments_dispute (public_id, lab_id, mode, payment_id, gateway_key_id, gateway_reference, currency, status)"
        f" SELECT 'DP_RAW', lab_id, mode, id, {key}, {reference}, {currency}, 'lost' FROM payments_payment"
        f" WHERE id = {{{payment}}}"
    )


def profile(
    *, customer: str = "customer_id", key: str = "gateway_key_id", reference: str = "'another'", token: str = "NULL",
    default: str = "false",
) -> str:  # fmt: skip
    return (
        "INSERT INTO payments_customerpaymentprofile (public_id, lab_id, mode, customer_id, gateway_key_id, gateway, reference,"
        " status, secrets, token_hash, is_default, consent_at)"
        f" SELECT 'PM_RAW', lab_id, mode, {customer}, {key}, gateway, {reference}, 'active', '{{{{}}}}', {token}, {default},"
        " now() FROM payments_customerpaymentprofile WHERE id = {profile}"
    )


def kept(table: str, where: str, *, shows: str = "", behind: str = "", referred: bool = False) -> list[Attack]:
    """Rows of a history are neither deleted nor truncated. What others refer to is kept by their keys as well."""
    cascade, others = (" CASCADE", "TRUNCATE is refused on") if referred else ("", "")
    return [
        Attack(table=table, guard=f"{table}_keep", sql=f"DELETE FROM {table} WHERE {where}", shows=shows, behind=behind,
               because=f"DELETE is refused on {table}"),
        Attack(table=table, guard=f"{table}_keep_all", sql=f"TRUNCATE {table}{cascade}", behind=others,
               because=f"TRUNCATE is refused on {table}"),
    ]  # fmt: skip


def book_a_test_payment(world: World) -> None:
    ledger.post([
        capture_posting(
            lab_id=world["lab"], payment_id=world["tested"], gateway_key_id=world["test_key"], purpose="payment",
            asset="EUR", amount_minor=5, customer_id=None, source="raw", source_id="1", description="",
        )
    ])  # fmt: skip


P, T, N, R = "payments_payment", "payments_paymenttransition", "payments_gatewayreference", "payments_refund"
X, E, K, L = (
    "payments_paymentgatewaytransaction",
    "payments_webhookevent",
    "payments_paymentgatewaykey",
    "payments_onlinepayment",
)
D, M = "payments_dispute", "payments_customerpaymentprofile"
FIXED = "does not change"

ATTACKS = [
    # I9, I10, I11, I18, I21: the payment
    *kept(P, "id = {open}", behind="foreign key", referred=True),
    Attack(table=P, guard="payments_payment_fixed", sql=f"UPDATE {P} SET amount = 1 WHERE id = {{paid}}", because=FIXED, shows="I11"),
    Attack(table=P, guard="payments_payment_fixed", sql=f"UPDATE {P} SET captured = 999 WHERE id = {{paid}}", because=FIXED,
           shows="I8"),
    Attack(table=P, guard="payments_payment_fixed", sql=f"UPDATE {P} SET merchant_reference = 'x' WHERE id = {{paid}}", because=FIXED),
    Attack(table=P, guard="payments_status_has_history", sql=f"UPDATE {P} SET status = 'failed' WHERE id = {{open}}",
           because="without a transition", shows="I13"),
    Attack(table=P, guard="payments_payment_refunds_add_up", shows="I10", because="do not add up",
           sql=f"UPDATE {P} SET refund_reserved = refund_reserved + 1 WHERE id = {{paid}}"),
    Attack(table=P, guard="payments_payment_one_live_reference", sql=payment_copy(reference="merchant_reference"), shows="I18"),
    Attack(table=P, guard="payments_payment_refunds_fit", sql=refund(amount="601", status="pending"), shows="I9"),
    Attack(table=P, guard="payments_payment_refunded_fits", sql=f"UPDATE {P} SET refunded = refund_reserved + 1 WHERE id = {{paid}}",
           behind="do not add up"),
    Attack(table=P, guard="payments_payment_captured_agrees", sql=f"UPDATE {P} SET captured = 5 WHERE id = {{open}}", shows="I11"),
    Attack(table=P, guard="payments_payment_amount_positive", sql=payment_copy(amount="0")),
    Attack(table=P, guard="payments_payment_amount_positive", sql=payment_copy(amount="-1")),
    Attack(table=P, guard="payments_payment_status_known", sql=f"UPDATE {P} SET status = 'lost' WHERE id = {{open}}",
           behind="without a transition"),
    Attack(table=P, guard="payments_payment_key_same_lab", sql=payment_copy(key="{other_key}"), shows="I21"),
    Attack(table=P, guard="payments_payment_key_same_lab", sql=payment_copy(key="{test_key}"), shows="I21"),
    Attack(table=P, guard="payments_payment_customer_same_lab", sql=payment_copy(customer="{other_customer}"), shows="I21"),
    Attack(table=P, guard="payments_payment_link_same_lab", sql=payment_copy(link="{other_link}")),
    # I12, I13, I14: its history
    *kept(T, "payment_id = {paid} AND seq = 2", shows="I13"),
    Attack(table=T, guard="payments_paymenttransition_fixed", because="UPDATE is refused", shows="I14",
           sql=f"UPDATE {T} SET cause_id = '0' WHERE payment_id = {{paid}} AND to_status = 'captured'"),
    Attack(table=T, guard="payments_transition_continues", sql=step("open", "'requires_action'", "failed", seq="7"),
           because="does not continue its history", shows="I13"),
    Attack(table=T, guard="payments_transition_continues", sql=step("open", "'requires_action'", "failed"),
           because="does not continue its history", shows="I13"),
    # NULL is no answer to a CHECK: that nothing but the first step comes from nowhere is this trigger's to say.
    Attack(table=T, guard="payments_transition_continues", sql=step("open", "NULL", "failed"),
           because="does not continue its history", shows="I12"),
    Attack(table=T, guard="payments_transition_edge", sql=step("paid", "'captured'", "failed", seq="3"), shows="I12"),
    Attack(table=T, guard="payments_transition_seq_uniq", sql=step("open", "NULL", "pending", seq="1"), shows="I13"),
    Attack(table=T, guard="payments_transition_money_cause", sql=step("open", "'pending'", "captured", cause="timer"), shows="I14"),
    Attack(table=T, guard="payments_transition_money_cause", sql=step("open", "'pending'", "authorized", cause="staff"), shows="I14"),
    Attack(table=T, guard="payments_transition_cause_known", sql=step("open", "'pending'", "failed", cause="whim"), shows="I13"),
    Attack(table=T, guard="payments_paymenttransition_payment_same_lab", sql=step("open", "'pending'", "failed", lab="{other_lab}"),
           shows="I21"),
    # I17: names
    *kept(N, "payment_id = {open}"),
    Attack(table=N, guard="payments_gatewayreference_fixed", sql=f"UPDATE {N} SET reference = 'x'", because="UPDATE is refused",
           behind="payments_reference_uniq"),
    Attack(table=N, guard="payments_reference_uniq", sql=name(reference="'{paid_name}'"), shows="I17"),
    Attack(table=N, guard="payments_gatewayreference_payment_same_lab", sql=name(lab="{other_lab}", key="{other_key}")),
    Attack(table=N, guard="payments_gatewayreference_key_same_lab", sql=name(key="{other_key}")),
    # I9, I10, I21: refunds
    *kept(R, "id = {refund}", behind="foreign key", referred=True),
    Attack(table=R, guard="payments_refund_fixed", sql=f"UPDATE {R} SET amount = 1 WHERE id = {{refund}}", because="gives back does not change",
           shows="I10"),
    Attack(table=R, guard="payments_refund_fixed", sql=f"UPDATE {R} SET status = 'pending' WHERE id = {{refund}}", because="cannot go from",
           behind="do not add up"),
    Attack(table=R, guard="payments_refund_adds_up", sql=f"UPDATE {R} SET status = 'failed' WHERE id = {{refund}}", because="do not add up",
           shows="I10"),
    Attack(table=R, guard="payments_refund_amount_positive", sql=refund(amount="0")),
    Attack(table=R, guard="payments_refund_amount_positive", sql=refund(amount="-1")),
    Attack(table=R, guard="payments_refund_status_known", sql=refund(status="odd")),
    Attack(table=R, guard="payments_refund_payment_same_money", sql=refund(currency="'USD'"), shows="I21"),
    Attack(table=R, guard="payments_refund_gateway_reference_uniq", sql=refund(theirs="'re_1'")),
    Attack(table=R, guard="payments_refund_one_live_reference", sql=refund(status="pending", reference="'back-1'")),
    Attack(table=R, guard="payments_refund_key_same_lab", sql=refund(key="{other_key}")),
    # I20: exchanges
    *kept(X, "id = '{exchange}'"),
    Attack(table=X, guard="payments_exchange_fixed", sql=f"UPDATE {X} SET request = '{{{{\"a\": 1}}}}' WHERE id = '{{exchange}}'",
           because="the request of exchange"),
    Attack(table=X, guard="payments_exchange_fixed", sql=f"UPDATE {X} SET idempotency_key = 'x' WHERE id = '{{exchange}}'",
           because="the request of exchange"),
    Attack(table=X, guard="payments_exchange_fixed", sql=f"UPDATE {X} SET outcome = 'unknown' WHERE id = '{{exchange}}'", because="is closed"),
    Attack(table=X, guard="payments_exchange_idempotency_uniq", sql=exchange(idempotency="'{exchange_key}'"), shows="I20"),
    Attack(table=X, guard="payments_exchange_outcome_known", sql=f"UPDATE {X} SET outcome = 'odd' WHERE id = '{{sent}}'"),
    Attack(table=X, guard="payments_paymentgatewaytransaction_payment_same_lab", sql=exchange(lab="{other_lab}", key="{other_key}")),
    Attack(table=X, guard="payments_paymentgatewaytransaction_key_same_lab", sql=exchange(key="{other_key}")),
    # I15: the inbox
    *kept(E, "id = {event}", shows="I14"),
    Attack(table=E, guard="payments_event_fixed", sql=f"UPDATE {E} SET body = 'x' WHERE id = {{event}}", because="received in event"),
    Attack(table=E, guard="payments_event_fixed", sql=f"UPDATE {E} SET event_key = 'x' WHERE id = {{event}}", because="received in event"),
    Attack(table=E, guard="payments_event_key_uniq", sql=event(event_key="event_key"), shows="I15"),
    Attack(table=E, guard="payments_event_state_known", sql=f"UPDATE {E} SET state = 'odd' WHERE id = {{event}}"),
    Attack(table=E, guard="payments_webhookevent_key_same_lab", sql=event(key="{other_key}")),
    Attack(table=E, guard="payments_webhookevent_payment_same_lab",
           sql=f"UPDATE {E} SET payment_id = {{other_payment}} WHERE id = {{event}}"),
    # Disputes and saved methods
    *kept(D, "id = {dispute}"),
    Attack(table=D, guard="payments_dispute_payment_same_money", sql=dispute(currency="'USD'")),
    Attack(table=D, guard="payments_dispute_key_same_lab", sql=dispute(key="{other_key}")),
    Attack(table=D, guard="payments_dispute_reference_uniq", sql=dispute(reference="'dp_1'")),
    Attack(table=D, guard="payments_dispute_status_known", sql=f"UPDATE {D} SET status = 'odd' WHERE id = {{dispute}}"),
    Attack(table=D, guard="payments_dispute_withdrawn_positive", sql=f"UPDATE {D} SET withdrawn = -1 WHERE id = {{dispute}}"),
    *kept(M, "id = {profile}", referred=True),
    Attack(table=M, guard="payments_customerpaymentprofile_key_same_lab", sql=profile(key="{other_key}")),
    Attack(table=M, guard="payments_profile_customer_same_lab", sql=profile(customer="{other_customer}")),
    Attack(table=M, guard="payments_profile_reference_uniq", sql=profile(reference="reference")),
    Attack(table=M, guard="payments_profile_token_uniq", sql=profile(token="token_hash")),
    Attack(table=M, guard="payments_profile_one_default", sql=profile(default="is_default")),
    Attack(table=P, guard="payments_payment_profile_same_lab", sql=f"UPDATE {P} SET profile_id = {{other_profile}} WHERE id = {{open}}"),
    # Gateway keys and links
    *kept(K, "id = {spare_key}", referred=True),
    Attack(table=K, guard="payments_gatewaykey_mode_known", sql=f"UPDATE {K} SET mode = 'both' WHERE id = {{spare_key}}"),
    Attack(table=L, guard="payments_link_uses_fit", sql=f"UPDATE {L} SET uses = 2 WHERE id = {{link}}"),
    Attack(table=L, guard="payments_link_amount_or_bounds", sql=f"UPDATE {L} SET amount = NULL WHERE id = {{link}}"),
    # I22: the books
    Attack(table="finance_transaction", guard="payments_books_are_live", sql=book_a_test_payment, because="is not a live payment", shows="I22"),
    # I19, I25 and what else core holds
    Attack(table="core_auditlog", guard="core_auditlog_no_change", sql="UPDATE core_auditlog SET action = 'x' WHERE lab_id = {lab}",
           because="UPDATE of core_auditlog is refused"),
    Attack(table="core_auditlog", guard="core_auditlog_no_change", sql="DELETE FROM core_auditlog WHERE lab_id = {lab} AND seq = 1",
           because="DELETE of core_auditlog is refused", shows="I25"),
    Attack(table="core_auditlog", guard="core_auditlog_no_truncate", sql="TRUNCATE core_auditlog",
           because="TRUNCATE of core_auditlog is refused"),
    Attack(table="core_auditlog", guard="core_auditlog_continues", because="does not continue with row 99", shows="I25",
           sql="INSERT INTO core_auditlog (lab_id, seq, actor_label, action, changes, at, prev_hash, row_hash)"
               " VALUES ({lab}, 99, 'me', 'x', '{{}}', now(), '', 'h')"),
    Attack(table="core_auditlog", guard="core_auditlog_lab_seq_uniq", behind="does not continue", because="does not continue|core_auditlog_lab_seq_uniq",
           sql="INSERT INTO core_auditlog (lab_id, seq, actor_label, action, changes, at, prev_hash, row_hash)"
               " VALUES ({lab}, 1, 'me', 'x', '{{}}', now(), '', 'h')"),
    Attack(table="core_idempotencykey", guard="core_idempotencykey_scope_uniq", shows="I19",
           sql="INSERT INTO core_idempotencykey (lab_id, mode, method, route, key_hash, fingerprint)"
               " SELECT lab_id, mode, method, route, key_hash, 'other' FROM core_idempotencykey"),
    Attack(table="core_idempotencykey", guard="core_idempotencykey_answer_if_finished",
           sql="UPDATE core_idempotencykey SET state = 'finished', response_status = 500"),
    Attack(table="core_idempotencykey", guard="core_idempotencykey_answer_if_finished",
           sql="UPDATE core_idempotencykey SET state = 'finished'"),
    Attack(table="core_customer", guard="core_customer_lab_external_id_uniq",
           sql="INSERT INTO core_customer (lab_id, external_id, name, email, phone) VALUES ({lab}, 'mira', '', '', '')"),
    Attack(table="core_apikey", guard="core_apikey_key_hash_key", sql="UPDATE core_apikey SET key_hash = 'same' WHERE lab_id = {lab}"),
    Attack(table="core_apikey", guard="core_apikey_scopes_known", sql="UPDATE core_apikey SET scopes = '{{everything}}' WHERE lab_id = {lab}"),
    Attack(table="core_labdatakey", guard="core_labdatakey_one_current",
           sql="INSERT INTO core_labdatakey SELECT (jsonb_populate_record(k, jsonb_build_object('id', k.id + 100000, 'key_id', 'another'))).*"
               " FROM core_labdatakey k WHERE lab_id = {lab}"),
]  # fmt: skip

# `id` is the primary key already: these exist so that the composite keys have something to stand on, and go with them.
CARRIES_COMPOSITE_KEYS = {
    ("payments_paymentgatewaykey", "payments_gatewaykey_lab_mode_id_uniq"),
    ("core_customer", "core_customer_lab_id_uniq"),
}


# The world that is attacked -----------------------------------------------------------------------------------------


@pytest.fixture
def world(lab: Lab) -> World:
    """A captured payment of 1000 with 400 given back, an open one, and a neighbor with the same."""
    other = builders.make_lab("Other")
    key, other_key = builders.make_gateway_key(lab), builders.make_gateway_key(other)
    test_key = builders.make_gateway_key(lab, mode=Mode.TEST)
    paid = builders.make_payment(lab, amount=Money(1000, "EUR"))
    pay(key, paid.state.id, 1000)
    open_payment = builders.make_payment(lab, reference="order-1", amount=Money(500, "EUR"))
    tested = builders.make_payment(lab, mode=Mode.TEST, amount=Money(500, "EUR"))
    theirs = builders.make_payment(other)
    given_back = give_back(paid.state.id, key)
    builders.make_api_key(lab)
    builders.make_api_key(lab)
    keep_an_answer(lab)
    audit.record(lab=lab, actor="test", action="looked", object_type="payment", object_id="1")
    mira, other_mira = (labs.upsert_customer(lab=one, external_id="mira") for one in (lab, other))
    answered = PaymentGatewayTransaction.across_labs.get(payment_id=paid.state.id, operation="initiate")
    PaymentGatewayTransaction.across_labs.filter(pk=answered.pk).update(outcome="answered")
    return {
        "lab": lab.pk, "other_lab": other.pk, "key": key.pk, "other_key": other_key.pk, "test_key": test_key.pk,
        "spare_key": builders.make_gateway_key(lab, "nowpayments").pk,
        "paid": paid.state.id, "open": open_payment.state.id, "tested": tested.state.id, "other_payment": theirs.state.id,
        "paid_name": paid.request.reference, "refund": given_back.pk,
        "event": WebhookEvent.across_labs.get().pk, "exchange": answered.pk, "exchange_key": answered.idempotency_key,
        "sent": PaymentGatewayTransaction.across_labs.get(payment_id=open_payment.state.id).pk,
        "link": link_of(lab), "other_link": link_of(other),
        "other_customer": other_mira, "dispute": disputed(key, paid.state.id),
        "profile": saved(key, mira), "other_profile": saved(other_key, other_mira),
    }  # fmt: skip


def pay(key: Any, payment_id: int, amount: int) -> None:
    reference = Payment.across_labs.get(pk=payment_id).references.get().reference
    report = Report(about=Subject.PAYMENT, status=PaymentStatus.CAPTURED, reference=reference, gateway_reference="cs_1",
                    asset="EUR", captured_minor=amount)  # fmt: skip
    builders.tell(key, report, kind=CauseKind.WEBHOOK)


def give_back(payment_id: int, key: Any) -> Refund:
    loaded = loading.by_id(payment_id)
    assert loaded is not None
    recorded = operations.record_refund(loaded=loaded, amount=400, reason="", merchant_reference="back-1")
    report = Report(about=Subject.REFUND, status=RefundStatus.SUCCEEDED, reference=recorded.refund_reference,
                    gateway_reference="re_1", asset="EUR", refunded_minor=400)  # fmt: skip
    builders.tell(key, report, kind=CauseKind.RESPONSE, payment_id=payment_id)
    found = Refund.across_labs.get()
    assert (found.status, int(found.amount)) == ("succeeded", 400)
    return found


def disputed(key: Any, payment_id: int) -> int:
    report = Report(about=Subject.DISPUTE, status=DisputeStatus.NEEDS_RESPONSE, reference=None, gateway_reference="dp_1",
                    asset="EUR", amount_minor=100)  # fmt: skip
    builders.tell(key, report, kind=CauseKind.FETCH, payment_id=payment_id)
    return Dispute.across_labs.get().pk


def saved(key: Any, customer_id: int) -> int:
    return CustomerPaymentProfile.objects.create(
        lab=key.lab, mode=key.mode, customer_id=customer_id, gateway_key=key, gateway=key.gateway, status="active",
        public_id=f"PM_{key.pk}", reference=f"PM_{key.pk}-1", token_hash="t", is_default=True, consent_at=clock.now(),
    ).pk  # fmt: skip


def link_of(lab: Lab) -> int:
    return links.create_link(
        lab=lab, mode=Mode.LIVE, currency="EUR", amount=500, actor="test", max_uses=1, description=""
    ).pk


def keep_an_answer(lab: Lab) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO core_idempotencykey (lab_id, mode, method, route, key_hash, fingerprint)"
            " VALUES (%s, 'live', 'POST', '/x', 'h', 'f')",
            [lab.pk],
        )


def look() -> None:
    """Fire what waits for the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def strike(attack: Attack, world: World) -> None:
    if callable(attack.sql):
        attack.sql(world)
    else:
        with connection.cursor() as cursor:
            cursor.execute(attack.sql.format(**world))
    look()


@contextmanager
def undone() -> Iterator[None]:
    """Whatever happens inside is rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def drop(table: str, guard: str) -> None:
    """Take one guard away, as a careless migration would."""
    look()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname = %s", [table, guard])
        if cursor.fetchone():
            cursor.execute(f"DROP TRIGGER {guard} ON {table}")
            return
        cursor.execute("SELECT 1 FROM pg_constraint WHERE conrelid = %s::regclass AND conname = %s", [table, guard])
        cursor.execute(
            f"ALTER TABLE {table} DROP CONSTRAINT {guard} CASCADE" if cursor.fetchone() else f"DROP INDEX {guard}"
        )


def named(attack: Attack) -> str:
    return f"{attack.guard} {ATTACKS.index(attack)}"


# The tests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ATTACKS, ids=named)
def test_raw_sql_does_not_get_past_the_guard(world: World, attack: Attack) -> None:
    look()
    assert broken_invariants() == []
    with pytest.raises(DatabaseError, match=attack.refusal), transaction.atomic():
        strike(attack, world)
    assert broken_invariants() == []


@pytest.mark.parametrize("attack", ATTACKS, ids=named)
def test_without_the_guard_it_would_and_that_is_noticed(world: World, attack: Attack) -> None:
    drop(attack.table, attack.guard)
    assert f"{attack.table}.{attack.guard}" in guards.missing()
    if attack.behind:
        with pytest.raises(DatabaseError, match=attack.behind), transaction.atomic():
            strike(attack, world)
        return
    strike(attack, world)
    if attack.shows:
        broken = broken_invariants()
        assert [one for one in broken if one.startswith(f"{attack.shows} ")], broken


@pytest.mark.parametrize(
    ("table", "guard"),
    sorted(one for one in guards._triggers | guards._constraints if one[0] not in finance_checks.GUARDS),
    ids=lambda part: part,
)
def test_a_missing_guard_turns_check_invariants_red(table: str, guard: str) -> None:
    assert guards.missing() == []
    drop(table, guard)
    assert f"{table}.{guard}" in guards.missing()


def test_check_invariants_names_the_missing_guard_and_fails() -> None:
    drop(P, "payments_payment_refunds_fit")
    said = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("check_invariants", quiet=True, stdout=said, stderr=said)
    assert ended.value.code == 1
    assert "payments_payment.payments_payment_refunds_fit" in said.getvalue()


def test_every_guard_is_attacked() -> None:
    wanted = {one for one in guards._triggers | guards._constraints if one not in of_finance()}
    assert {(one.table, one.guard) for one in ATTACKS} | CARRIES_COMPOSITE_KEYS == wanted


def of_finance() -> set[tuple[str, str]]:
    """Those that tests/finance/test_guards.py attacks."""
    return {(table, one) for table, (a, b) in finance_checks.GUARDS.items() for one in (*a, *b)}


def test_every_trigger_is_named_as_a_guard() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal")
        found = set(cursor.fetchall())
    assert found == guards._triggers
