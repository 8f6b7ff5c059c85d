"""Disputes: the payer's bank takes money back, and sometimes gives it back again."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from core.gateways.types import (
    Attention,
    DisputeStatus,
    Mode,
    PaymentNames,
    PaymentStatus,
    Report,
    Subject,
)
from core.models import Lab, OutboxEvent
from finance.models import Account, AccountKind, Entry
from payments.models import Dispute, PaymentGatewayKey
from payments.states import CauseKind, Verdict
from tests.payments import builders

pytestmark = pytest.mark.django_db
D = DisputeStatus


def captured(names: PaymentNames, amount: int = 1299) -> Report:
    return Report(
        about=Subject.PAYMENT, status=PaymentStatus.CAPTURED, reference=names.reference, gateway_reference="pi_1",
        mode=Mode.LIVE, asset="EUR", captured_minor=amount,
    )  # fmt: skip


def dispute(names: PaymentNames, status: DisputeStatus, withdrawn: int | None = None, **more: Any) -> Report:
    return Report(
        about=Subject.DISPUTE, status=status, reference=None, gateway_reference="du_1", payment=names, mode=Mode.LIVE,
        asset="EUR", amount_minor=1299, withdrawn_minor=withdrawn, dispute_reason="fraudulent", **more,
    )  # fmt: skip


@pytest.fixture
def paid(lab: Lab, stripe_key: PaymentGatewayKey) -> PaymentNames:
    prepared = builders.make_payment(lab)
    names = PaymentNames(reference=prepared.request.reference)
    builders.tell(stripe_key, captured(names))
    return names


def balance(kind: AccountKind) -> int:
    return sum(account.balance for account in Account.across_labs.filter(kind=kind))


def test_a_dispute_is_kept_beside_the_payment_and_wants_a_person(
    paid: PaymentNames, stripe_key: PaymentGatewayKey
) -> None:
    fact = builders.tell(stripe_key, dispute(paid, D.NEEDS_RESPONSE, 0))
    assert fact.work is not None
    state = builders.read(fact.work.state.id)
    kept = Dispute.across_labs.get()
    assert (state.status, state.disputed, state.attention) == (PaymentStatus.CAPTURED, 0, {Attention.DISPUTED})
    assert (kept.status, kept.amount, kept.withdrawn, kept.reason) == ("needs_response", 1299, 0, "fraudulent")
    assert OutboxEvent.across_labs.filter(type="dispute.needs_response").count() == 1


def test_money_withdrawn_leaves_the_books_and_comes_back_when_it_is_won(
    paid: PaymentNames, stripe_key: PaymentGatewayKey
) -> None:
    builders.tell(stripe_key, dispute(paid, D.NEEDS_RESPONSE, 1299))
    assert (balance(AccountKind.SALES), balance(AccountKind.CLEARING)) == (0, 0)
    fact = builders.tell(stripe_key, dispute(paid, D.WON, 0))
    assert fact.work is not None
    assert (balance(AccountKind.SALES), balance(AccountKind.CLEARING)) == (1299, -1299)
    state = builders.read(fact.work.state.id)
    assert (state.disputed, state.attention) == (0, set())
    assert Dispute.across_labs.get().closed_at is not None


def test_a_lost_dispute_stays_for_a_person(paid: PaymentNames, stripe_key: PaymentGatewayKey) -> None:
    builders.tell(stripe_key, dispute(paid, D.NEEDS_RESPONSE, 1299))
    fact = builders.tell(stripe_key, dispute(paid, D.LOST, 1299))
    assert fact.work is not None
    state = builders.read(fact.work.state.id)
    assert (state.disputed, state.attention) == (1299, {Attention.DISPUTED})
    assert balance(AccountKind.SALES) == 0


def test_a_part_that_is_reinstated_is_booked_as_a_part(paid: PaymentNames, stripe_key: PaymentGatewayKey) -> None:
    builders.tell(stripe_key, dispute(paid, D.NEEDS_RESPONSE, 1299))
    builders.tell(stripe_key, dispute(paid, D.UNDER_REVIEW, 300))
    assert balance(AccountKind.SALES) == 999
    assert Dispute.across_labs.get().withdrawn == 300


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_any_order_each_twice_ends_in_the_same_books_once_it_was_asked_about(
    order: tuple[int, ...], paid: PaymentNames, stripe_key: PaymentGatewayKey
) -> None:
    facts = [dispute(paid, D.NEEDS_RESPONSE, 1299), dispute(paid, D.UNDER_REVIEW, 1299), dispute(paid, D.WON, 0)]
    for number in (*order, *order):
        builders.tell(stripe_key, facts[number])
    payment_id = Dispute.across_labs.get().payment_id
    builders.tell(stripe_key, facts[2], kind=CauseKind.FETCH, payment_id=payment_id)
    state = builders.read(payment_id)
    assert (state.disputed, state.attention) == (0, set())
    assert balance(AccountKind.SALES) == 1299
    assert sum(entry.amount for entry in Entry.across_labs.all()) == 0


def test_a_verdict_is_not_undone_by_an_earlier_stage(paid: PaymentNames, stripe_key: PaymentGatewayKey) -> None:
    builders.tell(stripe_key, dispute(paid, D.WON, 0))
    late = builders.tell(stripe_key, dispute(paid, D.NEEDS_RESPONSE, 1299))
    assert late.verdict is Verdict.LATE_NEWS
    assert Dispute.across_labs.get().status == "won"
    assert balance(AccountKind.SALES) == 1299
