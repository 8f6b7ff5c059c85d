"""The frame: loads and locks the payments of a batch of reports, folds each, writes everything. Sets, not rows.

A webhook is a batch of one, the sweep a batch of five hundred; the number of statements is the same: one to find and
lock, one for refunds where a report needs them, one to write, one for the ledger. Always inside the caller's transaction.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import connection

from core import clock, strict_json
from core.gateways import registry
from core.gateways.port import CanFetchDisputes
from core.gateways.types import Attention, Description, PaymentStatus, Report, Subject
from payments import fold as folding
from payments import postings, rows, schedule, writing
from payments.states import DEAD, Verdict
from payments.work import Cause, KeyFacts, PaymentState, Work, names_in


@dataclass(slots=True, kw_only=True)
class Fact:
    """One report to apply. `payment_id` is known for answers to our own questions; webhooks are matched by name.

    `report` None is used by services that only close an exchange or move our own timers. After the batch `verdict`,
    `matched` and `work` tell what became of it.
    """

    key: KeyFacts
    report: Report | None
    cause: Cause
    payment_id: int | None = None
    event_id: int | None = None
    verdict: Verdict = Verdict.UNMATCHED
    matched: int | None = None
    work: Work | None = None
    only_attention: Attention | None = None  # do not believe the report, only show that it came
    prepare: Callable[[Work], None] | None = None  # our own part of the change, before the report is folded
    after: Callable[[Work, Verdict], None] | None = None  # and after it


@dataclass(slots=True, kw_only=True)
class Batch:
    """The payments of one batch, locked."""

    works: dict[int, Work] = field(default_factory=dict)
    originals: dict[int, PaymentState] = field(default_factory=dict)


_FIND: Final = """
    WITH wanted AS (
      SELECT * FROM jsonb_to_recordset(%s::jsonb) AS w(i int, key_id bigint, name text, payment_id bigint)
    ), hit AS (
      SELECT w.i, r.payment_id FROM wanted w
        JOIN payments_gatewayreference r ON r.gateway_key_id = w.key_id AND r.reference = w.name
      UNION
      SELECT w.i, w.payment_id FROM wanted w WHERE w.payment_id IS NOT NULL
    ), locked AS MATERIALIZED (
      SELECT {columns} FROM payments_payment p
      WHERE p.id IN (SELECT payment_id FROM hit) ORDER BY p.id FOR NO KEY UPDATE OF p {skip}
    )
    SELECT h.i, h.payment_id, p.* FROM hit h LEFT JOIN locked p ON p.id = h.payment_id ORDER BY h.i, h.payment_id
"""
_FIND_WAITING: Final = _FIND.format(columns=rows.SELECT, skip="")
_FIND_SKIPPING: Final = _FIND.format(columns=rows.SELECT, skip="SKIP LOCKED")

_REFUND_JSON: Final = ", ".join(f"'{name}', r.{name}" for name in rows.REFUND_COLUMNS)
_DISPUTE_JSON: Final = ", ".join(f"'{name}', d.{name}" for name in rows.DISPUTE_COLUMNS)
_BESIDE: Final = f"""
    SELECT p.id,
      p.merchant_reference <> '' AND EXISTS (
        SELECT 1 FROM payments_payment q WHERE q.lab_id = p.lab_id AND q.mode = p.mode
          AND q.merchant_reference = p.merchant_reference AND q.id <> p.id AND NOT q.is_duplicate
          AND q.status IN ('pending', 'requires_action', 'authorized', 'captured')),
      (SELECT coalesce(jsonb_agg(jsonb_build_object({_REFUND_JSON}) ORDER BY r.id), '[]'::jsonb)::text
       FROM payments_refund r WHERE r.payment_id = p.id),
      (SELECT coalesce(jsonb_agg(jsonb_build_object({_DISPUTE_JSON}) ORDER BY d.id), '[]'::jsonb)::text
       FROM payments_dispute d WHERE d.payment_id = p.id)
    FROM payments_payment p WHERE p.id = ANY(%s)
"""  # noqa: S608 - only our own column names


def apply_reports(
    facts: Sequence[Fact], *, wait: bool, beside: Iterable[writing.Part] = (), now: datetime | None = None
) -> None:
    """Fold `facts` in order and write what follows, in the transaction that is open. Results are on the facts.

    `wait` False skips payments that somebody else has locked (verdict SKIPPED). `beside` are parts of the one writing
    statement that belong to the caller: inbox rows, exchanges, stored answers.
    """
    moment = now or clock.now()
    batch = _load(facts, wait=wait)
    for fact in facts:
        _fold_one(fact, batch, moment)
    _write(batch, facts, beside, moment)


def _load(facts: Sequence[Fact], *, wait: bool) -> Batch:
    batch = Batch()
    wanted = [row for i, fact in enumerate(facts) for row in _wanted(i, fact)]
    if not wanted:
        return batch
    with connection.cursor() as cursor:
        cursor.execute(_FIND_WAITING if wait else _FIND_SKIPPING, [strict_json.dumps(wanted)])
        for i, payment_id, *row in cursor.fetchall():
            _match(batch, facts[i], payment_id, row)
    _load_beside(batch, facts)
    return batch


def _wanted(i: int, fact: Fact) -> list[dict[str, Any]]:
    if fact.payment_id is not None:
        return [{"i": i, "payment_id": fact.payment_id}]
    names = names_in(fact.report) if fact.report is not None else []
    return [{"i": i, "key_id": fact.key.id, "name": name} for name in names]


def _match(batch: Batch, fact: Fact, payment_id: int, row: Sequence[Any]) -> None:
    if fact.matched is not None and fact.matched != payment_id:
        fact.verdict = Verdict.MISMATCH  # its names belong to two payments: neither is believed
        return
    fact.matched = payment_id
    if row[0] is None:
        fact.verdict = Verdict.SKIPPED
        return
    if payment_id not in batch.works:
        state = rows.read_payment(row, account=fact.key.account)
        about = _description(state.gateway)
        resumes = about is not None and about.resumes_declined_charges
        batch.works[payment_id] = Work(state=state, via=fact.key, resumes_declined_charges=resumes)
        batch.originals[payment_id] = copy.copy(state)
        batch.originals[payment_id].attention = set(state.attention)
        batch.originals[payment_id].attention_seen = set(state.attention_seen)
    fact.work = batch.works[payment_id]


def _load_beside(batch: Batch, facts: Sequence[Fact]) -> None:
    """Refunds, and whether the merchant reference has another live payment: read after the lock, where needed."""
    wanted = {
        fact.matched
        for fact in facts
        if fact.work is not None and (fact.prepare or _needs_beside(fact.report, fact.work.state))
    }
    if not wanted:
        return
    with connection.cursor() as cursor:
        cursor.execute(_BESIDE, [sorted(payment_id for payment_id in wanted if payment_id is not None)])
        for payment_id, has_other_live, refunds, disputes in cursor.fetchall():
            work = batch.works[payment_id]
            work.state.has_other_live = has_other_live
            work.refunds = [rows.read_refund(one) for one in strict_json.loads(refunds)]
            work.disputes = [rows.read_dispute(one) for one in strict_json.loads(disputes)]


def _needs_beside(report: Report | None, state: PaymentState) -> bool:
    if report is None:
        return False
    if report.about in {Subject.REFUND, Subject.DISPUTE} or report.attention is Attention.DISPUTED:
        return True
    return state.status in DEAD and report.status in _LATE_MONEY


_LATE_MONEY: Final = frozenset({PaymentStatus.CAPTURED, PaymentStatus.AUTHORIZED})


def _fold_one(fact: Fact, batch: Batch, now: datetime) -> None:
    if fact.work is None:
        return
    fact.work.via, fact.work.heard_by = fact.key, fact.cause.kind
    if fact.verdict is Verdict.MISMATCH:
        fact.work.add_attention(Attention.MISMATCH)
        return
    if fact.prepare is not None:
        fact.prepare(fact.work)
    if fact.only_attention is not None:
        fact.work.add_attention(fact.only_attention)
        fact.verdict = Verdict.MISMATCH
    elif fact.report is None:
        fact.verdict = Verdict.APPLIED
    else:
        fact.verdict = folding.fold(fact.work, fact.report, fact.cause, now=now)
    if fact.after is not None:
        fact.after(fact.work, fact.verdict)


def _description(slug: str) -> Description | None:
    try:
        return registry.gateway_class(slug).about
    except registry.UnknownGateway:  # its package was uninstalled: its payments are still real
        return None


def _fetches_disputes(slug: str) -> bool:
    try:
        return issubclass(registry.gateway_class(slug), CanFetchDisputes)
    except registry.UnknownGateway:
        return False


# If one of these changed and the payment still is what staff have seen it to be, they look again.
_MONEY_FACTS: Final = ("status", "authorized", "received", "captured", "refunded", "refunded_seen", "disputed", "coin")


def _show_again(work: Work, original: PaymentState) -> None:
    if work.repeated and any(getattr(work.state, name) != getattr(original, name) for name in _MONEY_FACTS):
        for attention in sorted(work.repeated & work.state.attention_seen):
            work.show_again(attention)


def _write(batch: Batch, facts: Sequence[Fact], beside: Iterable[writing.Part], now: datetime) -> None:
    changed = []
    for payment_id, work in batch.works.items():
        original = batch.originals[payment_id]
        schedule.plan(work, _description(work.state.gateway), now=now)
        if any(dispute.is_changed for dispute in work.disputes):
            schedule.plan_disputes(work, can_be_asked=_fetches_disputes(work.via.gateway), now=now)
        _show_again(work, original)
        if work.state != original or work.has_news():
            changed.append(work)
    writing.write(changed, facts, beside, now)
    booked = [posting for work in changed for posting in postings.of(work)]
    postings.book(booked)
