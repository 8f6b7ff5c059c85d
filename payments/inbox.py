"""The webhook inbox: verified, stored and, where the payment's lock is free, applied in the same commit.

`accept` is the endpoint's half, `sweep_events` takes up what was left. Both use the same frame: one delivery or five
hundred cost the same number of statements.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from core import clock, crash, strict_json, transactions
from core.causes import brief
from core.gateways import encoding
from core.gateways.types import Attention, Report, Subject, WebhookDelivery, WebhookReading
from payments import doorbell, saving
from payments.frame import Fact, apply_reports
from payments.models import OPEN_STATES, EventState
from payments.services import profiles
from payments.states import CauseKind, Verdict
from payments.work import Cause, KeyFacts
from payments.writing import Part

_log = logging.getLogger(__name__)

KEPT_HEADERS: Final = ("content-type", "user-agent", "request-id", "x-razorpay-event-id", "x-request-id")
UNMATCHED_FOR: Final = timedelta(hours=72)  # webhooks overtake answers, but not by days
SHOWN_AFTER: Final = timedelta(minutes=15)  # I30
BATCH: Final = 500
Ask = tuple[str, int]  # a doorbell and the row to ask the gateway about
_UNSTORABLE: Final = re.compile("[\\x00\\ud800-\\udfff]")

_INSERT: Final = """
    INSERT INTO payments_webhookevent AS e (lab_id, mode, gateway_key_id, event_key, event_type, body, body_sha256, headers,
      reports, state, note, error, attention, next_try_at)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s::jsonb, %s, %s, %s, %s, %s)
    ON CONFLICT (gateway_key_id, event_key) DO UPDATE SET deliveries = e.deliveries + 1
    RETURNING id, xmax = 0, CASE WHEN e.body_sha256 = %s THEN NULL ELSE e.reports::text END"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A verified delivery. Only this type is ever applied (I16): it is made from what `read_webhook` returned."""

    key: KeyFacts
    delivery: WebhookDelivery
    reading: WebhookReading

    @property
    def reports(self) -> list[dict[str, Any]]:
        # Without `raw`: the body itself is kept.
        found = ({**encoding.report_to_json(report), "raw": {}} for report in self.reading.reports)
        return [saving.hidden(report, self.key) for report in found]


def accept(received: Received) -> None:
    """Store one verified delivery and apply what the free lock allows. After it returns, the delivery is safe.

    Raises only what means that nothing was stored: the database is gone.
    """
    try:
        asks = transactions.run(lambda: _store_and_apply(received))
    except Exception as error:
        if not connection.is_usable() and not _reconnects():
            raise
        _log.exception("applying a webhook failed; it is stored and swept again")
        with transaction.atomic():
            _insert(_storable(received), state=EventState.ERROR, error=brief(error))
        asks = []
    crash.point("webhook_after_commit")
    for task, row_id in asks:
        doorbell.ring(task, row_id)


def _storable(received: Received) -> Received:
    """Without NUL and half characters, which no text of the database holds. A key that had some is the body's hash."""
    reading = received.reading
    key = reading.event_key
    if _UNSTORABLE.search(key):
        key = hashlib.sha256(received.delivery.body).hexdigest()
    told = ({**encoding.report_to_json(report), "raw": {}} for report in reading.reports)
    reports = tuple(encoding.report_from_json(_without_unstorable(one)) for one in told)
    event_type, note = _without_unstorable([reading.event_type, reading.note])
    return replace(received, reading=replace(reading, event_key=key, event_type=event_type, note=note, reports=reports))


def _without_unstorable(value: Any) -> Any:
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {name: _without_unstorable(one) for name, one in value.items()}
    return [_without_unstorable(one) for one in value] if isinstance(value, list) else value


def _reconnects() -> bool:
    connection.close()
    try:
        connection.ensure_connection()
    except Exception:
        return False
    return True


def _store_and_apply(received: Received) -> list[Ask]:
    event_id, is_new, other = _insert(received, state=EventState.NEW)
    if not is_new and not _differs(other, received):
        return []
    if not is_new:
        return _conflict(received)
    crash.point("webhook_before_apply")
    asks = _apply([_Event(id=event_id, key=received.key, reports=received.reading.reports)], touched=received.key.id)
    crash.point("webhook_before_commit")
    return asks


def _differs(stored: str | None, received: Received) -> bool:
    """Another spelling of the same facts is the same delivery; other facts under the same key are a conflict."""
    if stored is None:
        return False
    return _facts_in(strict_json.loads(stored)) != _facts_in(strict_json.loads(strict_json.dumps(received.reports)))


def _facts_in(reports: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without sealed tokens: the same one is sealed differently every time."""
    return [{name: value for name, value in report.items() if name != "saved"} for report in reports]


def _conflict(received: Received) -> list[Ask]:
    digest = hashlib.sha256(received.delivery.body).hexdigest()
    key = f"{received.reading.event_key[:180]}#conflict:{digest[:32]}"
    event_id, is_new, _other = _insert(received, state=EventState.CONFLICT, event_key=key, attention=["conflict"])
    if is_new:
        facts = [
            Fact(key=received.key, report=report, cause=_cause(event_id), only_attention=Attention.CONFLICT)
            for report in received.reading.reports
        ]
        apply_reports(facts, wait=False)  # a busy payment stays without the mark; the event has it
    return []


def _insert(
    received: Received, *, state: EventState, error: str = "", event_key: str = "", attention: Sequence[str] = ()
) -> tuple[int, bool, str | None]:
    key, reading, delivery = received.key, received.reading, received.delivery
    if reading.attention is not None:
        attention = [*attention, reading.attention.value]
    digest = hashlib.sha256(delivery.body).hexdigest()
    headers = {name: delivery.headers[name][:200] for name in KEPT_HEADERS if name in delivery.headers}
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [
            key.lab_id, str(key.mode), key.id, event_key or reading.event_key, reading.event_type[:80], delivery.body, digest,
            strict_json.dumps(headers), strict_json.dumps(received.reports), state.value, (reading.note or "")[:300], error,
            list(attention), clock.now() + timedelta(seconds=30), digest,
        ])  # fmt: skip
        row = cursor.fetchone()
    return row[0], row[1], row[2]


# Applying -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    id: int
    key: KeyFacts
    reports: tuple[Report, ...]
    tries: int = 0
    received_at: datetime | None = None


def _cause(event_id: int) -> Cause:
    return Cause(kind=CauseKind.WEBHOOK, id=str(event_id))


def _apply(events: Sequence[_Event], *, touched: int | None = None) -> list[Ask]:
    """Fold the events' reports and note what became of each; returns the payments to be asked about."""
    now = clock.now()
    facts = [
        Fact(key=event.key, report=report, cause=_cause(event.id), event_id=event.id)
        for event in events
        for report in event.reports
    ]
    for fact in facts:
        _take_method(fact)

    def beside() -> Iterator[Part]:
        yield _events_part([_outcome(event, facts, now) for event in events], now)
        if touched is not None:
            yield _touched_part(touched)

    apply_reports(facts, wait=False, beside=beside(), now=now)
    works = {id(fact.work): fact.work for fact in facts if fact.work is not None}.values()
    asks = {("fetch", work.state.id) for work in works if work.wants_fetch}
    asks |= {
        ("fetch_refund", one.id) for work in works for one in work.refunds if one.wants_fetch and one.id is not None
    }
    # Only of those that can be told: the plan has set when (a gateway that cannot be asked: never).
    asks |= {
        ("fetch_dispute", one.id)
        for work in works
        for one in work.disputes
        if one.wants_fetch and one.next_check_at is not None and one.id is not None
    }
    return sorted(asks)


def _take_method(fact: Fact) -> None:
    """A report about a saved method is about no payment: it goes to its profile, and the frame finds nothing to do."""
    if fact.report is not None and fact.report.about is Subject.METHOD:
        is_known = profiles.apply_method_report(fact.key, fact.report)
        fact.verdict = Verdict.APPLIED if is_known else Verdict.UNMATCHED


# The gravest verdict among an event's reports decides its state.
_STATE: Final[Mapping[Verdict, EventState]] = {
    Verdict.SKIPPED: EventState.NEW,
    Verdict.UNMATCHED: EventState.UNMATCHED,
    Verdict.WAITING: EventState.WAITING,
    Verdict.MISMATCH: EventState.MISMATCH,
    Verdict.CONTRADICTION: EventState.NOT_APPLIED,
    Verdict.CLAIM: EventState.NOT_APPLIED,
    Verdict.LATE_NEWS: EventState.NOT_APPLIED,
    Verdict.HINT: EventState.APPLIED,
    Verdict.APPLIED: EventState.APPLIED,
    Verdict.NO_CHANGE: EventState.APPLIED,
}
_ORDER: Final = {verdict: place for place, verdict in enumerate(_STATE)}


def _outcome(event: _Event, facts: Iterable[Fact], now: datetime) -> dict[str, Any]:
    mine = [fact for fact in facts if fact.event_id == event.id]
    if not mine:
        return {"id": event.id, "state": EventState.IGNORED.value, "tries": event.tries, "attention": []}
    state = _STATE[min((fact.verdict for fact in mine), key=_ORDER.__getitem__)]
    age = now - (event.received_at or now)
    if state is EventState.UNMATCHED and age > UNMATCHED_FOR:  # a refund that waits is money: never given up
        state = EventState.GIVEN_UP
    is_open = state.value in OPEN_STATES
    return {
        "id": event.id,
        "state": state.value,
        "tries": event.tries + 1,
        # Not of a payment that is locked: the foreign key would wait for its lock.
        "payment_id": next((fact.work.state.id for fact in mine if fact.work is not None), None),
        "next_try_at": (now + pause(event.tries)).isoformat() if is_open else None,
        "attention": ["unapplied"] if (is_open and age > SHOWN_AFTER) or state is EventState.GIVEN_UP else [],
    }


def pause(tries: int) -> timedelta:
    """5 s, doubling to an hour."""
    return timedelta(seconds=min(5 * 2 ** min(tries, 12), 3600))


def _events_part(outcomes: list[dict[str, Any]], now: datetime) -> Part:
    return Part(
        "inbox_written",
        """UPDATE payments_webhookevent e SET state = x.state, tries = x.tries, payment_id = x.payment_id,
             next_try_at = x.next_try_at, attention = array_remove(e.attention, 'unapplied') || x.attention,
             applied_at = CASE WHEN x.state IN ('new', 'unmatched', 'waiting', 'error') THEN NULL ELSE %s::timestamptz END,
             error = ''
           FROM jsonb_to_recordset(%s::jsonb) AS x(id bigint, state text, tries smallint, payment_id bigint,
             next_try_at timestamptz, attention text[]) WHERE e.id = x.id""",
        (now, strict_json.dumps(outcomes)),
    )


def _touched_part(key_id: int) -> Part:
    return Part(
        "key_touched",
        """UPDATE payments_paymentgatewaykey SET last_verified_webhook_at = clock_timestamp()
           WHERE id = %s AND (last_verified_webhook_at IS NULL
             OR last_verified_webhook_at < clock_timestamp() - interval '1 minute')""",
        (key_id,),
    )


# The sweep's half ---------------------------------------------------------------------------------------------------


_DUE: Final = """
    SELECT e.id, e.reports::text, e.tries, e.received_at, k.id, k.lab_id, k.mode, k.gateway, k.account
    FROM payments_webhookevent e JOIN payments_paymentgatewaykey k ON k.id = e.gateway_key_id
    WHERE e.state IN ('new', 'unmatched', 'waiting', 'error') AND (e.next_try_at IS NULL OR e.next_try_at <= %s)
    ORDER BY e.next_try_at NULLS FIRST, e.id LIMIT %s FOR UPDATE OF e SKIP LOCKED"""


def sweep_events(*, limit: int = BATCH, due_by: datetime | None = None) -> int:
    """Apply one batch of waiting events, as a set; returns how many were taken up.

    A batch that fails is taken apart: each event alone, and one that fails again is put off with its error.
    """
    moment = due_by or clock.now()
    try:
        taken, asks = transactions.run(lambda: _sweep_batch(limit, moment))
    except Exception:
        _log.exception("a batch of webhook events failed; trying them one by one")
        taken, asks = _one_by_one(limit, moment)
    crash.point("sweep_after_events_commit")
    for task, row_id in asks:
        doorbell.ring(task, row_id)
    return taken


def _sweep_batch(limit: int, moment: datetime) -> tuple[int, list[Ask]]:
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [moment, limit])
        events = [_event(row) for row in cursor.fetchall()]
    asks = _apply(events) if events else []
    crash.point("sweep_before_events_commit")
    return len(events), asks


def _event(row: Sequence[Any]) -> _Event:
    event_id, reports, tries, received_at, key_id, lab_id, mode, gateway, account = row
    key = KeyFacts(id=key_id, lab_id=lab_id, mode=mode, gateway=gateway, account=account)
    return _Event(
        id=event_id,
        key=key,
        reports=tuple(encoding.report_from_json(saving.shown(one, key)) for one in strict_json.loads(reports)),
        tries=tries,
        received_at=received_at,
    )


def _one_by_one(limit: int, moment: datetime) -> tuple[int, list[Ask]]:
    asks: list[Ask] = []
    taken = 0
    while taken < limit:
        try:
            count, more = transactions.run(lambda: _sweep_batch(1, moment))
        except Exception as error:
            count, more = _put_off(moment, error), []
        if count == 0:
            break
        taken += count
        asks += more
    return taken, asks


def _put_off(moment: datetime, error: Exception) -> int:
    """The event that is first in line failed: keep its error, and let the others pass."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_DUE, [moment, 1])
        row = cursor.fetchone()
        if row is None:
            return 0
        cursor.execute(
            "UPDATE payments_webhookevent SET state = 'error', tries = tries + 1, error = %s, next_try_at = %s,"
            " attention = array_remove(attention, 'unapplied') || CASE WHEN received_at < %s THEN '{unapplied}'::text[]"
            " ELSE '{}' END WHERE id = %s",
            [brief(error), clock.now() + pause(row[2]), clock.now() - SHOWN_AFTER, row[0]],
        )
    return 1
