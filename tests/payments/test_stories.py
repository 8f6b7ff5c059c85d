"""One idea carries the design: whatever the order in which the facts of a payment arrive, each twice, the end is one.

Every gateway's case tells stories (core/gateways/testing.py). Each is replayed through the real frame, database and
ledger in every order (a bounded, seeded choice of orders where there are too many), queued fetches answered with the
truth after each fact.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection

from core.gateways.testing import Story
from core.gateways.types import Attention, Mode, PaymentStatus, Report
from core.models import Lab
from finance.models import Entry
from payments import loading
from payments.frame import Fact, apply_reports
from payments.models import GatewayReference, Payment, PaymentGatewayKey, Refund
from payments.services import keys, operations
from payments.states import CauseKind, Verdict
from payments.work import Cause, PaymentState
from tests.clients.test_contract import ALL_CASES
from tests.payments import builders

pytestmark = pytest.mark.django_db

ORDERS = 12  # of one story; all of them where there are fewer
STORIES = [(case, story) for case in ALL_CASES for story in case.stories()]
CONTRADICTIONS = [(case, story) for case in ALL_CASES for story in case.contradictions()]


def orders_of(story: Story) -> Iterator[tuple[Report, ...]]:
    """Orders of the facts, each fact twice: the true one, the reverse, and a seeded choice."""
    facts = tuple(story.facts)
    twice = (*facts, *facts)
    chosen = [twice, twice[::-1], tuple(x for f in facts for x in (f, f))]
    if len(facts) <= 4:
        chosen += [(*p, *p) for p in itertools.permutations(facts)]
    shuffler = random.Random(story.name)
    while len(chosen) < ORDERS:
        mixed = list(twice)
        shuffler.shuffle(mixed)
        chosen.append(tuple(mixed))
    return iter(list(dict.fromkeys(chosen))[:ORDERS]) if _hashable(facts) else iter(chosen[:ORDERS])


def _hashable(facts: tuple[Report, ...]) -> bool:
    try:
        hash(facts)
    except TypeError:
        return False
    return True


class Replay:
    """One story told to one payment of the platform, with its own waiting room for what does not fit yet."""

    def __init__(self, lab: Lab, key: PaymentGatewayKey, story: Story, number: int) -> None:
        self.key, self.story, self.number = key, story, number
        self.waiting: list[Report] = []
        self.suffix = f"~{number}"
        self.story_mode = story.initiated.mode
        prepared = builders.make_payment(
            lab, amount=story.amount, gateway=key.gateway, capture=story.capture,
            purpose="deposit" if key.gateway == "nowpayments" else "payment",
        )  # fmt: skip
        self.payment_id = prepared.state.id
        GatewayReference.objects.create(
            lab=lab, mode=key.mode, gateway_key=key, payment_id=self.payment_id, reference=self.name(story.reference),
            is_ours=True,
        )  # fmt: skip
        self.lab = lab
        self.tell(story.initiated, CauseKind.RESPONSE)

    def name(self, text: str | None) -> Any:
        # Stories reuse their names; a database remembers them, so each replay tells its own.
        return None if text is None else f"{text}{self.suffix}"

    def renamed(self, report: Report) -> Report:
        payment = report.payment
        if payment is not None:
            payment = replace(
                payment, reference=self.name(payment.reference), gateway_reference=self.name(payment.gateway_reference),
                other_references=tuple(self.name(n) for n in payment.other_references),
            )  # fmt: skip
        # Deliveries of a case come from its test account; told to a live key, so that the books move.
        mode = None if report.mode is None else (Mode.LIVE if report.mode is self.story_mode else Mode.TEST)
        return replace(
            report, mode=mode, reference=self.name(report.reference), gateway_reference=self.name(report.gateway_reference),
            other_references=tuple(self.name(n) for n in report.other_references), payment=payment,
        )  # fmt: skip

    def state(self) -> PaymentState:
        return builders.read(self.payment_id)

    def tell(self, report: Report, kind: CauseKind = CauseKind.WEBHOOK) -> Verdict:
        seen = self.state()
        cause_id = builders.cause_row(self.key, kind, self.payment_id)
        cause = Cause(kind=kind, id=cause_id, seen_seq=seen.transition_seq, seen_claim=seen.claim)
        payment_id = self.payment_id if kind is not CauseKind.WEBHOOK else None
        fact = Fact(key=builders.key_facts(self.key), report=self.renamed(report), cause=cause, payment_id=payment_id)
        apply_reports([fact], wait=True)
        if fact.verdict in {Verdict.WAITING, Verdict.UNMATCHED}:
            self.waiting.append(report)
        if fact.work is not None and fact.work.wants_fetch:
            self.fetch()
        return fact.verdict

    def fetch(self) -> None:
        """What the sweep does with a queued fetch, answered with the truth; it may ask once more."""
        for _ in range(3):
            seen = self.state()
            cause_id = builders.cause_row(self.key, CauseKind.FETCH, self.payment_id)
            cause = Cause(kind=CauseKind.FETCH, id=cause_id, seen_seq=seen.transition_seq, seen_claim=seen.claim)
            fact = Fact(key=builders.key_facts(self.key), report=self.renamed(self.story.truth), cause=cause,
                        payment_id=self.payment_id)  # fmt: skip
            apply_reports([fact], wait=True)
            if fact.work is None or not fact.work.wants_fetch:
                return

    def ask_what_we_asked(self) -> None:
        """Our own capture and refunds, recorded when the payment lets them be."""
        state = self.state()
        if self.story.capture_asked is not None and state.capture_asked is None:
            Payment.across_labs.filter(pk=self.payment_id).update(capture_asked=self.story.capture_asked.minor)
        for reference, money in self.story.refunds_asked.items():
            is_new = not Refund.across_labs.filter(
                payment_id=self.payment_id, sent_reference=self.name(reference)
            ).exists()
            if is_new and state.status is PaymentStatus.CAPTURED:
                self.refund(reference, money.minor)

    def refund(self, reference: str, amount: int) -> None:
        loaded = loading.by_id(self.payment_id)
        assert loaded is not None
        recorded = operations.record_refund(loaded=loaded, amount=amount, reason="", merchant_reference="")
        Refund.across_labs.filter(pk=recorded.refund_id).update(sent_reference=self.name(reference))
        GatewayReference.objects.create(
            lab=self.lab, mode=self.key.mode, gateway_key=self.key, payment_id=self.payment_id,
            reference=self.name(reference), is_ours=True, is_refund=True,
        )  # fmt: skip

    def retry_waiting(self) -> None:
        for _ in range(len(self.waiting) + 1):
            again, self.waiting = self.waiting, []
            for report in again:
                self.tell(report)

    def end(self) -> None:
        """Everything was delivered: the sweep retries what waits, asks once more, and refunds are asked about."""
        self.ask_what_we_asked()
        self.retry_waiting()
        self.tell(self.story.truth, CauseKind.FETCH)
        self.ask_what_we_asked()
        for truth in self.story.refund_truths:
            self.tell(truth, CauseKind.FETCH)
        self.retry_waiting()


def posted(payment_id: int) -> int:
    """Net of the customer's or sales side in the ledger: captured less refunded."""
    entries = Entry.across_labs.filter(transaction__payment_id=payment_id).exclude(
        account__kind__in=["clearing", "fees"]
    )
    return sum(entry.amount for entry in entries)


def replay(lab: Lab, key: PaymentGatewayKey, story: Story, order: tuple[Report, ...], number: int) -> PaymentState:
    run = Replay(lab, key, story, number)
    for report in order:
        run.ask_what_we_asked()
        run.tell(report)
        run.ask_what_we_asked()  # a refund of ours is on record before anybody can speak of it
        run.retry_waiting()
    run.end()
    return run.state()


@pytest.fixture
def world(db: None) -> tuple[Lab, dict[str, PaymentGatewayKey]]:
    lab = builders.make_lab()
    found = {}
    for case in ALL_CASES:
        values = {name: text for name, text in case.credentials(Mode.LIVE).items() if isinstance(text, str)}
        found[case.slug] = keys.create_gateway_key(
            lab=lab, gateway=case.slug, mode=Mode.LIVE, values=values, actor="test"
        )
    return lab, found


@pytest.mark.parametrize(("case", "story"), STORIES, ids=[f"{case.slug}: {story.name}" for case, story in STORIES])
def test_every_order_of_the_facts_ends_in_one_money_one_ledger_and_one_state(
    case: Any, story: Story, world: tuple[Lab, dict[str, PaymentGatewayKey]]
) -> None:
    lab, found = world
    allowed = story.allowed_attention | {Attention.PAID_LATE}
    for number, order in enumerate(orders_of(story)):
        state = replay(lab, found[case.slug], story, order, number)
        told = [f"{one.about.value}:{one.status}" for one in order]
        assert state.status is story.expected_status, told
        assert state.captured == story.expected_captured_minor, told
        assert state.refunded == story.expected_refunded_minor, told
        assert state.attention <= allowed, told
        assert posted(state.id) == story.expected_captured_minor - story.expected_refunded_minor, told
    connection.check_constraints()


@pytest.mark.parametrize(
    ("case", "story"), CONTRADICTIONS, ids=[f"{case.slug}: {story.name}" for case, story in CONTRADICTIONS]
)
def test_facts_that_contradict_each_other_end_in_attention(
    case: Any, story: Story, world: tuple[Lab, dict[str, PaymentGatewayKey]]
) -> None:
    lab, found = world
    state = replay(lab, found[case.slug], story, story.facts, 0)
    assert story.expected_attention <= state.attention
    assert state.status is story.expected_status
    assert state.captured == story.expected_captured_minor
    assert posted(state.id) == story.expected_captured_minor - story.expected_refunded_minor
