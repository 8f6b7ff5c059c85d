"""Whatever a gateway says, in whatever order and however often: the rules of docs/invariants.md hold after every word.

Three tests of growing weight: the fold alone with the wildest reports, the fold with the facts that one honest payment
can produce, and the frame with database and ledger.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from core.gateways.types import (
    Attention,
    Decline,
    DisputeStatus,
    FraudStatus,
    Mode,
    PaymentStatus,
    RefundStatus,
    Report,
    Subject,
)
from core.money import Money
from finance.models import Entry
from payments import fold, fold_refund, loading
from payments.frame import Fact, apply_reports
from payments.models import PaymentGatewayKey
from payments.services import operations
from payments.services.errors import NotRefundable, RefundTooLarge
from payments.states import LIVE_REFUND, NEXT, CauseKind, Verdict
from payments.work import Cause, KeyFacts, MovedKind, PaymentState, RefundState, Work
from tests.payments import builders
from tests.payments.conftest import broken_invariants

S, R = PaymentStatus, RefundStatus
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PRICE = 1000
VIA = KeyFacts(id=1, lab_id=1, mode="live", gateway="stripe", account="acct_1")
MONEY = frozenset({CauseKind.WEBHOOK, CauseKind.FETCH, CauseKind.RESPONSE})

# What a gateway may say, right or wrong -----------------------------------------------------------------------------

AMOUNTS = st.sampled_from([None, 0, 1, 400, PRICE, PRICE, PRICE, 1500])
DECLINES = st.sampled_from([None, None, Decline(code="declined", gateway_code="x", message="No")])
# Most of what is said fits the payment, or no example would come far; the wild ones say anything about everything.
FITTING = {
    "about": st.just(Subject.PAYMENT), "reference": st.just("ours-1"), "gateway_reference": st.just("cs_1"),
    "mode": st.sampled_from([None, Mode.LIVE]), "asset": st.sampled_from([None, "EUR", "eur"]),
}  # fmt: skip
PAID = st.builds(Report, **FITTING, status=st.just(S.CAPTURED), captured_minor=st.sampled_from([PRICE, PRICE, PRICE, 400, 1500]),
                 fee_minor=st.sampled_from([None, 0, 30, 50]))  # fmt: skip
HELD = st.builds(
    Report, **FITTING, status=st.just(S.AUTHORIZED), authorized_minor=st.sampled_from([None, PRICE, PRICE, 400])
)
OTHERWISE = st.builds(Report, **FITTING, status=st.sampled_from([*S, None]), decline=DECLINES)
WILD_PAYMENT = st.builds(
    Report,
    about=st.just(Subject.PAYMENT),
    status=st.sampled_from([*S, S.CAPTURED, None]),
    reference=st.just("ours-1"),
    gateway_reference=st.sampled_from([None, "cs_1", "cs_2"]),
    mode=st.sampled_from([None, Mode.LIVE, Mode.LIVE, Mode.TEST]),
    account=st.sampled_from([None, "acct_1", "acct_1", "acct_2"]),
    asset=st.sampled_from([None, "EUR", "EUR", "eur", "USD"]),
    authorized_minor=AMOUNTS,
    captured_minor=AMOUNTS,
    refunded_minor=st.sampled_from([None, None, 300]),
    amount_minor=st.sampled_from([None, None, PRICE, 999]),
    fee_minor=st.sampled_from([None, None, 0, 30, 50]),
    is_hint=st.sampled_from([False, False, False, True]),
    decline=DECLINES,
    attention=st.sampled_from([None, None, None, *Attention]),
)
PAYMENT_REPORTS = st.one_of(PAID, PAID, HELD, OTHERWISE, WILD_PAYMENT)
GIVEN_BACK = st.builds(
    Report,
    about=st.just(Subject.REFUND),
    status=st.sampled_from([R.PENDING, R.SUCCEEDED, R.SUCCEEDED, R.FAILED]),
    reference=st.none(),
    gateway_reference=st.sampled_from(["re_0", "re_1", "re_2", "re_3"]),
    asset=st.just("EUR"),
    refunded_minor=st.sampled_from([1, 300, 600]),
)
OF_OURS = st.builds(
    Report,
    about=st.just(Subject.REFUND),
    status=st.sampled_from([*R]),
    reference=st.sampled_from(["RF_0", "RF_1", "RF_2"]),
    gateway_reference=st.none(),
    asset=st.just("EUR"),
)
WILD_REFUND = st.builds(
    Report,
    about=st.just(Subject.REFUND),
    status=st.sampled_from([*R, None]),
    reference=st.sampled_from([None, None, "RF_0", "RF_1", "RF_9"]),
    gateway_reference=st.sampled_from([None, "re_0", "re_1", "re_2"]),
    mode=st.sampled_from([None, Mode.LIVE, Mode.TEST]),
    asset=st.sampled_from([None, "EUR", "USD"]),
    refunded_minor=st.sampled_from([None, 0, 1, 300, 600, PRICE, 1500]),
    amount_minor=st.sampled_from([None, None, 300]),
    is_hint=st.sampled_from([False, False, False, True]),
    decline=DECLINES,
)
REFUND_REPORTS = st.one_of(GIVEN_BACK, GIVEN_BACK, OF_OURS, WILD_REFUND)
DISPUTES = st.builds(
    Report,
    about=st.just(Subject.DISPUTE),
    status=st.sampled_from([*DisputeStatus, None]),
    reference=st.none(),
    gateway_reference=st.sampled_from([None, "dp_0", "dp_1"]),
    asset=st.sampled_from([None, "EUR", "EUR", "USD"]),
    amount_minor=st.sampled_from([None, 400, PRICE]),
    withdrawn_minor=st.sampled_from([None, 0, 400, PRICE]),
    is_hint=st.sampled_from([False, False, True]),
)
REPORTS = st.one_of(PAYMENT_REPORTS, PAYMENT_REPORTS, REFUND_REPORTS, REFUND_REPORTS, DISPUTES)
KINDS = st.sampled_from(sorted(MONEY))


def fresh_state(**changes: Any) -> PaymentState:
    """An open payment of 10.00 EUR, as a new row is read."""
    blank: dict[str, Any] = dict.fromkeys(PaymentState.__dataclass_fields__)
    blank |= dict.fromkeys(
        (
            "authorized",
            "received",
            "captured",
            "refund_reserved",
            "refunded",
            "refunded_seen",
            "fee",
            "disputed",
            "check_count",
        ),
        0,
    )
    blank |= dict.fromkeys(
        ("is_acknowledged", "is_duplicate", "has_other_live", "holds_link_use", "wants_saved"), False
    )
    known = {
        "id": 1, "public_id": "PAY_1", "lab_id": 1, "mode": Mode.LIVE, "gateway": "stripe", "gateway_key_id": 1,
        "account": "acct_1", "purpose": "payment", "merchant_reference": "", "currency": "EUR", "amount": PRICE,
        "capture_mode": "automatic", "try_number": 1, "status": S.PENDING, "attention": set(), "attention_seen": set(), "claim": "",
        "fraud_status": FraudStatus.UNKNOWN, "fraud_message": "", "gateway_reference": "", "page_token_sealed": "",
        "description": "", "return_url": "", "metadata": {}, "transition_seq": 1, "created_at": NOW,
        "expires_at": NOW + timedelta(hours=1), "references": (), "sent_reference": "ours-1",
    }  # fmt: skip
    return PaymentState(**{**blank, **known, **changes})


def moved(work: Work, kind: MovedKind) -> int:
    return sum(one.amount for one in work.moved if one.kind is kind)


def agrees(work: Work) -> None:
    """I9 to I14 of one payment in memory, and the ledger's orders with its sums."""
    state = work.state
    live = [one for one in work.refunds if one.status in LIVE_REFUND]
    assert state.refund_reserved == sum(one.amount for one in live)
    assert state.refunded == sum(one.amount for one in live if one.status is R.SUCCEEDED)
    assert 0 <= state.refunded <= state.refund_reserved <= state.captured
    assert (state.status is S.CAPTURED) == (state.captured > 0)
    assert state.captured <= state.amount or Attention.OVERPAID in state.attention
    assert moved(work, MovedKind.CAPTURE) == state.captured
    assert moved(work, MovedKind.REFUND) - moved(work, MovedKind.REFUND_REVERSAL) == state.refunded
    assert moved(work, MovedKind.FEE) == state.fee
    assert moved(work, MovedKind.DISPUTE) - moved(work, MovedKind.DISPUTE_RETURNED) == state.disputed
    assert state.disputed == sum(one.withdrawn for one in work.disputes)
    assert all(one.amount > 0 for one in work.moved)
    assert len({(one.kind, one.key) for one in work.moved}) == len(work.moved)  # each has a name of its own (I6)
    before = S.PENDING
    for number, step in enumerate(work.transitions, start=2):
        assert (step.seq, step.from_status) == (number, before)
        assert step.to_status in NEXT[step.from_status]
        assert step.to_status not in {S.AUTHORIZED, S.CAPTURED} or step.cause.kind in MONEY
        before = step.to_status
    assert (state.status, state.transition_seq) == (before, len(work.transitions) + 1)


class Folding(RuleBasedStateMachine):
    """One payment and everything that may be said about it, contradictions included."""

    def __init__(self) -> None:
        super().__init__()
        self.work = Work(state=fresh_state(), via=VIA)
        self.now = NOW
        self.captured = 0
        self.told: list[tuple[Report, Cause]] = []
        self.number = 0

    def cause(self, kind: CauseKind, *, seen: PaymentState | None = None) -> Cause:
        self.number += 1
        looked = seen or self.work.state
        return Cause(kind=kind, id=str(self.number), seen_seq=looked.transition_seq, seen_claim=looked.claim)

    @rule(report=DISPUTES, kind=KINDS)
    def the_gateway_says_of_a_dispute(self, report: Report, kind: CauseKind) -> None:
        fold.fold(self.work, report, self.cause(kind), now=self.now)

    @rule(report=REFUND_REPORTS, kind=KINDS)
    def the_gateway_says_of_a_refund(self, report: Report, kind: CauseKind) -> None:
        fold.fold(self.work, report, self.cause(kind), now=self.now)

    @rule(report=REPORTS, kind=KINDS)
    def the_gateway_says(self, report: Report, kind: CauseKind) -> None:
        cause = self.cause(kind)
        verdict = fold.fold(self.work, report, cause, now=self.now)
        assert isinstance(verdict, Verdict)
        self.told.append((report, cause))

    @rule(report=PAYMENT_REPORTS)
    def a_fetch_answers_that_began_long_ago(self, report: Report) -> None:
        fold.fold(self.work, report, self.cause(CauseKind.FETCH, seen=fresh_state()), now=self.now)

    @rule(data=st.data())
    def it_is_said_again(self, data: st.DataObject) -> None:
        """The second of two deliveries in a row moves no money and no status."""
        if not self.told:
            return
        report, cause = data.draw(st.sampled_from(self.told))
        fold.fold(self.work, report, cause, now=self.now)
        money = (len(self.work.moved), self.work.state.captured, self.work.state.refunded, self.work.state.status)
        fold.fold(self.work, report, cause, now=self.now)
        again = (len(self.work.moved), self.work.state.captured, self.work.state.refunded, self.work.state.status)
        assert again == money

    @rule(amount=st.sampled_from([1, 300, 600, PRICE]))
    def we_ask_for_a_refund(self, amount: int) -> None:
        state = self.work.state
        if state.status is not S.CAPTURED or state.refund_reserved + amount > state.captured:
            return
        number = len(self.work.refunds)
        state.refund_reserved += amount
        self.work.refunds.append(
            RefundState(
                id=number, public_id=f"RF_{number}", status=R.PENDING, amount=amount, sent_reference=f"RF_{number}"
            )
        )

    @rule(data=st.data(), to=st.sampled_from([R.FAILED, R.CANCELLED]))
    def the_gateway_refuses_our_refund(self, data: st.DataObject, to: RefundStatus) -> None:
        if self.work.refunds:
            refund = data.draw(st.sampled_from(self.work.refunds))
            fold_refund.end_unsent(self.work, refund, to, Decline(code="rejected"), now=self.now)

    @rule(amount=st.sampled_from([400, PRICE]))
    def we_ask_for_a_capture(self, amount: int) -> None:
        if self.work.state.status is S.AUTHORIZED:
            self.work.state.capture_asked = amount

    @rule()
    def its_time_is_over(self) -> None:
        self.now += timedelta(hours=2)
        fold.expire_by_timer(self.work, self.cause(CauseKind.TIMER), now=self.now)

    @rule()
    def the_order_was_refused(self) -> None:
        fold.fail_by_us(self.work, self.cause(CauseKind.RESPONSE), now=self.now)

    @rule(is_live=st.booleans())
    def another_payment_has_the_reference(self, is_live: bool) -> None:
        self.work.state.has_other_live = is_live

    @invariant()
    def captured_never_falls(self) -> None:
        assert self.work.state.captured >= self.captured
        self.captured = self.work.state.captured

    @invariant()
    def sums_states_and_orders_to_the_ledger_agree(self) -> None:
        agrees(self.work)


def test_the_fold_keeps_its_rules_whatever_it_is_told() -> None:
    run_state_machine_as_test(
        Folding,
        settings=settings(
            max_examples=250, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


# One honest payment -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Honest:
    """Everything that a gateway says about one payment that went well, and what is true in the end."""

    facts: list[Report]
    truths: list[Report]
    captured: int
    refunded: int


def said(status: PaymentStatus, **more: Any) -> Report:
    return Report(about=Subject.PAYMENT, status=status, reference="ours-1", gateway_reference="cs_1", asset="EUR",
                  mode=Mode.LIVE, **more)  # fmt: skip


def said_of_refund(name: str, status: RefundStatus, amount: int) -> Report:
    return Report(
        about=Subject.REFUND, status=status, reference=None, gateway_reference=name, asset="EUR", refunded_minor=amount
    )


@st.composite
def honest_payments(draw: st.DrawFn) -> Honest:
    """Tries that were declined, a hold, the capture, its fee, and refunds made at the gateway, some of which return."""
    facts = [said(S.PENDING)]
    facts += [said(S.REQUIRES_ACTION, decline=Decline(code="declined"))] * draw(st.integers(0, 2))
    if draw(st.booleans()):
        facts.append(said(S.AUTHORIZED, authorized_minor=PRICE))
    fee = draw(st.sampled_from([None, 30]))
    paid = said(S.CAPTURED, captured_minor=PRICE, fee_minor=fee)
    facts += [paid, said(S.CAPTURED, captured_minor=PRICE)]
    truths, refunded, left = [paid], 0, PRICE
    for number in range(draw(st.integers(0, 3))):
        amount = draw(st.integers(1, left // 2))
        left -= amount
        name, comes_back = f"re_{number}", draw(st.booleans())
        steps = [R.PENDING, R.SUCCEEDED, R.FAILED] if comes_back else [R.PENDING, R.SUCCEEDED]
        facts += [said_of_refund(name, one, amount) for one in steps]
        truths.append(said_of_refund(name, steps[-1], amount))
        refunded += 0 if comes_back else amount
    return Honest(facts=facts, truths=truths, captured=PRICE, refunded=refunded)


@given(honest=honest_payments(), seed=st.integers(0, 10**6))
@settings(max_examples=400, deadline=None)
def test_the_facts_of_one_payment_in_any_order_each_twice_end_in_one_state(honest: Honest, seed: int) -> None:
    work = Work(state=fresh_state(), via=VIA)
    order = [*honest.facts, *honest.facts]
    random.Random(seed).shuffle(order)
    waiting: list[Report] = []
    for number, report in enumerate(order):
        if fold.fold(work, report, Cause(kind=CauseKind.WEBHOOK, id=str(number)), now=NOW) is Verdict.WAITING:
            waiting.append(report)
        agrees(work)
        if work.wants_fetch:  # what the sweep does at once
            work.wants_fetch = False
            ask(work, honest.truths[0])
    for _ in range(2):
        waiting = [
            one
            for one in waiting
            if fold.fold(work, one, Cause(kind=CauseKind.WEBHOOK, id="w"), now=NOW) is Verdict.WAITING
        ]
    for truth in honest.truths:
        ask(work, truth)
    agrees(work)
    assert waiting == []
    assert (work.state.status, work.state.captured, work.state.refunded) == (
        S.CAPTURED,
        honest.captured,
        honest.refunded,
    )
    assert work.state.attention <= {Attention.REFUND_FAILED}


def ask(work: Work, truth: Report) -> None:
    cause = Cause(kind=CauseKind.FETCH, id="f", seen_seq=work.state.transition_seq, seen_claim=work.state.claim)
    fold.fold(work, truth, cause, now=NOW)


# Frame, database and ledger -----------------------------------------------------------------------------------------


class Kept(RuleBasedStateMachine):
    """Three live payments and one of test mode; reports come in batches about several of them at once."""

    def __init__(self) -> None:
        super().__init__()
        self.before = transaction.savepoint()  # undone at the end, so that each example looks at small tables
        self.lab = builders.make_lab()
        self.keys = {mode: builders.make_gateway_key(self.lab, mode=mode) for mode in Mode}
        modes = [Mode.LIVE, Mode.LIVE, Mode.LIVE, Mode.TEST]
        self.prepared = [builders.make_payment(self.lab, mode=mode, amount=Money(PRICE, "EUR")) for mode in modes]
        self.captured = [0] * len(modes)

    def key(self, place: int) -> PaymentGatewayKey:
        return self.keys[Mode(self.prepared[place].state.mode)]

    def renamed(self, place: int, report: Report) -> Report:
        """Every payment has names of its own; mode and account are left out, so that they fit more often."""
        own = {name: f"{text}-{place}" for name in ("gateway_reference",) if (text := getattr(report, name))}
        kept = {name: getattr(report, name) for name in Report.__dataclass_fields__}
        ours = self.prepared[place].request.reference if report.about is Subject.PAYMENT else report.reference
        return Report(**{**kept, **own, "reference": ours, "mode": None, "account": None})

    def fact(self, place: int, report: Report, kind: CauseKind) -> Fact:
        seen = builders.read(self.prepared[place].state.id)
        payment_id = seen.id
        key = self.key(place)
        cause = Cause(
            kind=kind, id=builders.cause_row(key, kind, payment_id), seen_seq=seen.transition_seq, seen_claim=seen.claim
        )
        return Fact(key=builders.key_facts(key), report=self.renamed(place, report), cause=cause, payment_id=payment_id)

    @rule(batch=st.lists(st.tuples(st.integers(0, 3), REPORTS, KINDS), min_size=1, max_size=6), twice=st.booleans())
    def a_batch_of_reports(self, batch: list[tuple[int, Report, CauseKind]], twice: bool) -> None:
        facts = [self.fact(*one) for one in batch]
        apply_reports(facts, wait=True)
        if twice:
            before = self.money()
            apply_reports([copy.copy(one) for one in facts[-1:]], wait=True)
            assert self.money() == before

    @rule(place=st.integers(0, 3), amount=st.sampled_from([None, 1, 300, PRICE]), answer=st.sampled_from([None, *R]))
    def we_refund(self, place: int, amount: int | None, answer: RefundStatus | None) -> None:
        loaded = loading.by_id(self.prepared[place].state.id)
        assert loaded is not None
        state = loaded.state
        left = state.captured - state.refund_reserved
        wish = {"loaded": loaded, "amount": amount, "reason": "", "merchant_reference": ""}
        if state.status is not S.CAPTURED or left == 0 or (amount or left) > left:
            with pytest.raises((NotRefundable, RefundTooLarge)), transaction.atomic():
                operations.record_refund(**wish)
            return
        recorded = operations.record_refund(**wish)
        assert recorded.amount is not None
        if answer is not None:
            report = Report(about=Subject.REFUND, status=answer, reference=recorded.refund_reference, gateway_reference=None,
                            asset="EUR", refunded_minor=recorded.amount.minor)  # fmt: skip
            builders.tell(self.key(place), report, kind=CauseKind.RESPONSE, payment_id=state.id)

    def money(self) -> list[tuple[int, int, str]]:
        states = [builders.read(one.state.id) for one in self.prepared]
        return [(one.captured, one.refunded, one.status.value) for one in states]

    def teardown(self) -> None:
        transaction.savepoint_rollback(self.before)

    @invariant()
    def every_invariant_holds(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        assert broken_invariants() == []

    @invariant()
    def the_books_say_captured_less_what_went_back(self) -> None:
        for place, prepared in enumerate(self.prepared):
            state = builders.read(prepared.state.id)
            assert state.captured >= self.captured[place]
            self.captured[place] = state.captured
            entries = Entry.across_labs.filter(transaction__payment_id=state.id, account__kind="sales")
            expected = state.captured - state.refunded - state.disputed if state.mode is Mode.LIVE else 0
            assert sum(one.amount for one in entries) == expected


@pytest.mark.django_db
def test_database_and_ledger_keep_their_rules_whatever_is_reported() -> None:
    run_state_machine_as_test(
        Kept,
        settings=settings(
            max_examples=12, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
