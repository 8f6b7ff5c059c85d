"""The sweep: everything that a crash, a lost message or a silent gateway left behind is found here, as rows.

Each step takes what is due with SKIP LOCKED or a claim, so any number of sweeps may run at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import close_old_connections, connection, connections, transaction

from core import clock, crash
from core.gateways.types import Attention
from payments import inbox
from payments.frame import Fact, apply_reports
from payments.models import OPEN_STATES
from payments.services import disputes, fetching, profiles
from payments.states import CauseKind
from payments.work import Cause, KeyFacts, Work

_log = logging.getLogger(__name__)

_HOUR: Final = timedelta(hours=1)
_WEEK: Final = timedelta(days=7)
FETCHES_AT_ONCE: Final = 8  # they wait for gateways, not for the processor


@dataclass(frozen=True, slots=True)
class Swept:
    """How much each step took up."""

    crashed: int
    events: int
    payments: int
    refunds: int
    methods: int
    disputes: int
    given_up: int


def sweep(*, rounds: int = 200, batch: int = inbox.BATCH) -> Swept:
    """One pass over everything that is due. Safe to run at any time and from anywhere."""
    crashed = find_crashed()
    crash.point("sweep_after_crashed_commit")
    events = _drain(lambda: inbox.sweep_events(limit=batch), rounds, batch)
    payments = ask_about(
        _DUE_PAYMENTS, lambda payment_id: fetching.refresh(payment_id, not_within_seconds=0, is_scheduled=True)
    )
    refunds = ask_about(_DUE_REFUNDS, fetching.refresh_refund)
    methods = ask_about(_DUE_METHODS, lambda profile_id: profiles.refresh(profile_id, is_scheduled=True))
    asked = ask_about(_DUE_DISPUTES, disputes.refresh_dispute)
    events += _drain(lambda: inbox.sweep_events(limit=batch), rounds, batch)  # fetches may have let some fit
    close_told()
    show_waiting()
    return Swept(crashed, events, payments, refunds, methods, asked, give_up())


def _drain(step: Callable[[], int], rounds: int, batch: int) -> int:
    total = 0
    for _ in range(rounds):
        taken = step()
        total += taken
        if taken < batch:
            break
    return total


# What a killed process left: committed, perhaps sent, never answered. Unknown, so it is asked about. Whoever works on the
# payment now holds its lock and will want the exchange's: nobody may wait for it here with that one in hand.
_CRASHED: Final = """
    WITH lost AS (
      SELECT x.id, x.payment_id, x.refund_id FROM payments_paymentgatewaytransaction x
      JOIN payments_payment p ON p.id = x.payment_id
      WHERE x.outcome = 'sent' AND x.lease_until < clock_timestamp()
      ORDER BY p.id LIMIT 500 FOR NO KEY UPDATE OF p SKIP LOCKED FOR UPDATE OF x SKIP LOCKED
    ), exchanges AS (
      UPDATE payments_paymentgatewaytransaction x SET outcome = 'unknown', error = 'no answer was recorded',
        lease_token = NULL, lease_until = NULL FROM lost WHERE x.id = lost.id
    ), refunds AS (
      UPDATE payments_refund r SET unknown_since = clock_timestamp(), next_check_at = %(now)s, check_count = 0,
        pending_reason = 'outcome_unknown'
      FROM lost WHERE r.id = lost.refund_id AND r.status = 'pending' AND r.unknown_since IS NULL
    ), payments AS (
      UPDATE payments_payment p SET unknown_since = clock_timestamp(), next_check_at = %(now)s, check_count = 0
      FROM lost WHERE p.id = lost.payment_id AND lost.refund_id IS NULL AND p.unknown_since IS NULL
        AND p.status IN ('pending', 'requires_action', 'authorized')
    ) SELECT count(*) FROM lost"""


# A webhook told what became of a refund, capture or void: nobody has to ask any more, and its exchange is not open.
_TOLD: Final = """
    UPDATE payments_paymentgatewaytransaction x SET outcome = 'answered', finished_at = clock_timestamp(),
      error = 'resolved by a webhook', lease_token = NULL, lease_until = NULL
    WHERE x.outcome = 'unknown' AND (
      EXISTS (SELECT 1 FROM payments_refund r WHERE r.id = x.refund_id AND r.status <> 'pending')
      OR (x.operation IN ('capture', 'void') AND EXISTS (SELECT 1 FROM payments_payment p WHERE p.id = x.payment_id
          AND p.status IN ('captured', 'voided') AND p.unknown_since IS NULL)))"""


def close_told() -> int:
    """Close the exchanges whose outcome became known without a fetch."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TOLD)
        return int(cursor.rowcount)


def find_crashed() -> int:
    """Operations whose process died between committing and recording an answer become unknown."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CRASHED, {"now": clock.now()})
        crash.point("sweep_before_crashed_commit")
        return int(cursor.fetchone()[0])


_DUE_PAYMENTS: Final = """
    SELECT id FROM payments_payment WHERE next_check_at IS NOT NULL AND next_check_at <= %s
      AND gateway_key_id IS NOT NULL ORDER BY next_check_at LIMIT 200"""
_DUE_REFUNDS: Final = """
    SELECT id FROM payments_refund WHERE next_check_at IS NOT NULL AND next_check_at <= %s
    ORDER BY next_check_at LIMIT 200"""

_DUE_METHODS: Final = """
    SELECT id FROM payments_customerpaymentprofile WHERE next_check_at IS NOT NULL AND next_check_at <= %s
    ORDER BY next_check_at LIMIT 200"""

_DUE_DISPUTES: Final = """
    SELECT id FROM payments_dispute WHERE next_check_at IS NOT NULL AND next_check_at <= %s
    ORDER BY next_check_at LIMIT 200"""


def ask_about(due: str, ask: Callable[[int], Any]) -> int:
    """Ask gateways about everything due, several at a time. One that fails stops nobody."""
    with connection.cursor() as cursor:
        cursor.execute(due, [clock.now()])
        ids = [row[0] for row in cursor.fetchall()]
    if not ids:
        return 0
    if len(ids) == 1 or connection.in_atomic_block:
        for one in ids:
            _guarded(ask, one, own_thread=False)
        return len(ids)
    moment = clock.fixed_moment()
    with ThreadPoolExecutor(max_workers=min(FETCHES_AT_ONCE, len(ids)), thread_name_prefix="sweep") as pool:
        list(pool.map(lambda one: _at(moment, lambda: _guarded(ask, one, own_thread=True)), ids))
    return len(ids)


def _at(moment: Any, body: Callable[[], None]) -> None:
    """Threads start without the caller's clock; a test that set it means all of the sweep."""
    if moment is None:
        body()
        return
    with clock.fixed(moment):
        body()


def _guarded(ask: Callable[[int], Any], one: int, *, own_thread: bool) -> None:
    try:
        ask(one)
    except Exception:
        _log.exception("asking about row %s failed; it is asked again when its claim runs out", one)
    finally:
        if own_thread:
            connections.close_all()
        elif not connection.in_atomic_block:
            close_old_connections()


# Nothing was learned for seven days (I30), and a refund total that no refund record explains for an hour.
_KEY: Final = "k.id, k.lab_id, k.mode, k.gateway, k.account"
_GIVE_UP: Final = f"""
    SELECT p.id, {_KEY} FROM payments_payment p JOIN payments_paymentgatewaykey k ON k.id = p.gateway_key_id
    WHERE NOT '{Attention.UNKNOWN_OUTCOME.value}' = ANY(p.attention) AND (
      p.unknown_since < %s
      OR EXISTS (SELECT 1 FROM payments_refund r WHERE r.payment_id = p.id AND r.status = 'pending' AND r.unknown_since < %s))
    ORDER BY p.id LIMIT 500"""  # noqa: S608
_UNEXPLAINED: Final = f"""
    SELECT p.id, {_KEY} FROM payments_payment p JOIN payments_paymentgatewaykey k ON k.id = p.gateway_key_id
    WHERE p.refunded_seen > p.refund_reserved AND p.status = 'captured' AND p.updated_at < %s
      AND NOT ('{Attention.REFUND_UNEXPECTED.value}' = ANY(p.attention) OR 'refund_failed' = ANY(p.attention))
    ORDER BY p.id LIMIT 500"""  # noqa: S608


# Between two tries of an event lies up to an hour: who waits is shown when it is time, not at the next try (I30).
_WAITING: Final = f"""
    UPDATE payments_webhookevent SET attention = array_append(attention, 'unapplied') WHERE id IN (
      SELECT id FROM payments_webhookevent
      WHERE state IN ({", ".join(f"'{state}'" for state in OPEN_STATES)}) AND received_at < %s
        AND NOT 'unapplied' = ANY(attention) ORDER BY id LIMIT 500 FOR NO KEY UPDATE SKIP LOCKED)"""  # noqa: S608


def show_waiting() -> int:
    """Mark the events that wait for longer than a person should not know of it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_WAITING, [clock.now() - inbox.SHOWN_AFTER])
        return int(cursor.rowcount)


def give_up() -> int:
    """Hand to a person what the sweep could not find out."""
    now = clock.now()
    count = _show(_GIVE_UP, [now - _WEEK, now - _WEEK], Attention.UNKNOWN_OUTCOME)
    return count + _show(_UNEXPLAINED, [now - _HOUR], Attention.REFUND_UNEXPECTED)


def _show(sql: str, parameters: list[Any], attention: Attention) -> int:
    """Through the frame, so that the lab is told as well; whoever is locked comes next time."""

    def mark(work: Work) -> None:
        work.add_attention(attention)
        if attention is Attention.UNKNOWN_OUTCOME and work.state.unknown_since is not None:
            work.state.next_check_at = None

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        cause = Cause(kind=CauseKind.TIMER, id="sweep")
        facts = [
            Fact(
                key=KeyFacts(id=row[1], lab_id=row[2], mode=row[3], gateway=row[4], account=row[5]),
                report=None, cause=cause, payment_id=row[0], prepare=mark,
            )
            for row in cursor.fetchall()
        ]  # fmt: skip
        apply_reports(facts, wait=False)
        crash.point("sweep_before_given_up_commit")
    return len(facts)
