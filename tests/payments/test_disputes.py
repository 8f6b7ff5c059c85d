"""Disputes: the payer's bank takes money back, and sometimes gives it back again."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from core import clock
from core.gateways.testing import answer
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
from payments import inbox, schedule, sweep
from payments.models import Dispute, PaymentGatewayKey
from payments.states import CauseKind, Verdict
from payments.work import DisputeState
from tests.clients.stripe import objects as stripe
from tests.payments import builders
from tests.payments.api.objects import disputed
from tests.payments.shop import Shop, Wire, exchanges, state_of, stripe_error

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


# Asking about them ----------------------------------------------------------------------------------------------------

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEGUN = datetime.fromisoformat("2026-11-20T12:00:00+00:00")


def standing(status: DisputeStatus = D.UNDER_REVIEW, **changes: Any) -> DisputeState:
    return DisputeState(
        id=1, public_id="DP_1", gateway_reference="du_1", status=status, **{"opened_at": BEGUN, **changes}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("dispute", "now", "expected"),
    [
        (standing(), BEGUN, BEGUN + DAY),
        (standing(D.NEEDS_RESPONSE, respond_by=BEGUN + 10 * DAY), BEGUN, BEGUN + DAY),
        (standing(D.NEEDS_RESPONSE, respond_by=BEGUN + DAY), BEGUN, BEGUN + 6 * HOUR),
        (standing(D.NEEDS_RESPONSE, respond_by=BEGUN + 2 * HOUR), BEGUN, BEGUN + 3 * HOUR),
        (standing(D.NEEDS_RESPONSE, respond_by=BEGUN - HOUR), BEGUN, BEGUN + DAY),
        (standing(), BEGUN + 121 * DAY, BEGUN + 128 * DAY),
        (standing(), BEGUN + 541 * DAY, None),
        (standing(D.WON, closed_at=BEGUN, is_money_told=True), BEGUN, None),
        (standing(D.LOST, closed_at=BEGUN, is_money_told=True, withdrawn=5), BEGUN, None),
        (standing(D.LOST, closed_at=BEGUN), BEGUN, BEGUN + HOUR),
        (standing(D.WON, closed_at=BEGUN), BEGUN + HOUR, BEGUN + DAY),
        (standing(D.WON, closed_at=BEGUN, is_money_told=True, withdrawn=5), BEGUN + DAY, BEGUN + 7 * DAY),
        (standing(D.WON, closed_at=BEGUN), BEGUN + 7 * DAY, None),
    ],
)
def test_a_dispute_is_asked_about_while_there_may_be_news(
    dispute: DisputeState, now: datetime, expected: datetime | None
) -> None:
    assert schedule.next_dispute_check(dispute, now=now) == expected


def swept(wire: Wire, moment: datetime, *answers: Any) -> int:
    wire.script(*answers)
    with clock.fixed(moment):
        return sweep.sweep().disputes


def test_its_end_is_found_once_a_day_and_kept_as_an_exchange(shop: Shop, wire: Wire) -> None:
    payment, now = shop.captured_payment(), clock.now()
    found = disputed(shop, payment, D.UNDER_REVIEW)
    name = found["gateway_reference"]
    same = stripe.dispute(id=name, status="under_review", livemode=True, balance_transactions=[taken(-1299)])
    assert swept(wire, now + timedelta(hours=23)) == 0
    assert swept(wire, now + DAY + HOUR, answer(same)) == 1
    assert wire.calls() == [f"GET /v1/disputes/{name}"]
    assert exchanges(payment)[-1][0] == "initiate"  # nothing new: no trace
    won = stripe.dispute(id=name, status="won", livemode=True, balance_transactions=[taken(-1299), taken(1299)])
    assert swept(wire, now + 2 * DAY + 2 * HOUR, answer(won)) == 1
    row = Dispute.across_labs.get()
    assert (row.status, row.withdrawn, row.next_check_at) == ("won", 0, None)
    assert exchanges(payment)[-1] == ("fetch_dispute", "answered", 1)
    assert (balance(AccountKind.SALES), state_of(payment)[4]) == (1299, [])
    assert swept(wire, now + 30 * DAY) == 0


def taken(net: int) -> dict[str, Any]:
    return {"amount": net, "fee": 0, "net": net, "currency": "eur"}


def test_one_gateway_that_fails_stops_nobody_and_is_asked_again(shop: Shop, wire: Wire) -> None:
    first, second = (disputed(shop, shop.captured_payment(), withdrawn=0) for _ in range(2))
    moment = clock.now() + DAY + HOUR
    lost = stripe.dispute(id=second["gateway_reference"], status="lost", livemode=True)
    assert swept(wire, moment, stripe_error(500), answer(lost)) == 2
    rows = {row.public_id: row for row in Dispute.across_labs.all()}
    assert [rows[one["id"]].status for one in (first, second)] == ["needs_response", "lost"]
    assert rows[first["id"]].next_check_at == moment + DAY


def test_one_that_the_gateway_knows_no_more_is_for_a_person(shop: Shop, wire: Wire) -> None:
    payment = shop.captured_payment()
    disputed(shop, payment, D.UNDER_REVIEW, withdrawn=0)
    swept(wire, clock.now() + DAY + HOUR, stripe_error(404, code="resource_missing"))
    assert (Dispute.across_labs.get().status, state_of(payment)[4]) == ("under_review", ["gateway_disagrees"])


def test_a_verdict_without_its_money_is_looked_at_again(paid: PaymentNames, stripe_key: PaymentGatewayKey) -> None:
    builders.tell(stripe_key, dispute(paid, D.NEEDS_RESPONSE, 1299), now=BEGUN)
    builders.tell(stripe_key, dispute(paid, D.WON), now=BEGUN)
    assert Dispute.across_labs.get().next_check_at == BEGUN + HOUR
    builders.tell(stripe_key, dispute(paid, D.WON, 0), now=BEGUN + HOUR)
    assert Dispute.across_labs.get().next_check_at is None


@pytest.mark.parametrize("is_known", [False, True])
def test_a_hint_is_asked_about_at_once(paid: PaymentNames, stripe_key: PaymentGatewayKey, is_known: bool) -> None:
    """Where the proof of a webhook is weak; by a gateway that can be asked."""
    if is_known:
        builders.tell(stripe_key, dispute(paid, D.UNDER_REVIEW, 0), now=BEGUN)
    builders.tell(stripe_key, dispute(paid, D.LOST, 1299, is_hint=True), now=BEGUN)
    found = Dispute.across_labs.get()
    assert (found.next_check_at, found.withdrawn) == (BEGUN, 0)


def test_a_hint_about_an_ended_one_is_asked_about_too(paid: PaymentNames, stripe_key: PaymentGatewayKey) -> None:
    builders.tell(stripe_key, dispute(paid, D.WON, 0), now=BEGUN)
    builders.tell(stripe_key, dispute(paid, D.UNDER_REVIEW, is_hint=True), now=BEGUN)
    found = Dispute.across_labs.get()
    assert (found.status, found.next_check_at) == ("won", BEGUN)


def test_a_gateway_that_tells_nothing_about_disputes_is_not_asked(lab: Lab, nowpayments_key: PaymentGatewayKey) -> None:
    prepared = builders.make_payment(lab, gateway="nowpayments")
    names = PaymentNames(reference=prepared.request.reference)
    builders.tell(nowpayments_key, captured(names))
    builders.tell(nowpayments_key, dispute(names, D.NEEDS_RESPONSE, is_hint=True))
    assert Dispute.across_labs.get().next_check_at is None


def test_a_hint_by_webhook_rings_for_a_known_dispute(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = shop.captured_payment()
    found = disputed(shop, payment, D.UNDER_REVIEW, withdrawn=0)
    names = PaymentNames(reference=f"{payment['id']}-1")
    hint = Report(
        about=Subject.DISPUTE, status=D.LOST, reference=None, gateway_reference=found["gateway_reference"], payment=names,
        is_hint=True,
    )  # fmt: skip
    key = builders.key_facts(shop.key)
    cause = int(builders.cause_row(shop.key, CauseKind.WEBHOOK))
    asks = inbox._apply([inbox._Event(id=cause, key=key, reports=(hint,))])
    assert asks == [("fetch_dispute", Dispute.across_labs.get().pk)]


def test_a_payment_that_still_says_disputed_brings_nothing_back(
    paid: PaymentNames, stripe_key: PaymentGatewayKey
) -> None:
    """The dispute on record says more than its payment's report."""
    builders.tell(stripe_key, dispute(paid, D.NEEDS_RESPONSE, 0))
    fact = builders.tell(stripe_key, dispute(paid, D.UNDER_REVIEW, 0))
    assert fact.work is not None
    builders.tell(stripe_key, replace(captured(paid), attention=Attention.DISPUTED))
    assert builders.read(fact.work.state.id).attention == set()
