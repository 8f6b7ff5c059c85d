"""Asking a gateway what is true now: on demand, by the sweep, because of a hint, to resolve an unknown outcome."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from django.db import connection

from core import clock, crash, ids, transactions
from core.gateways.errors import GatewayError, GatewayMisconfigured
from core.gateways.port import CanRefund
from core.gateways.types import Attention, NotFound, Operation, RefundNames, Report
from core.money import Money
from payments import fold, loading, schedule
from payments.frame import Fact, apply_reports
from payments.loading import Loaded
from payments.services import closing, disputes, exchanges
from payments.services.exchanges import Asked, Exchange, ask
from payments.services.keys import open_key, problem_part
from payments.states import FINAL, OPEN, CauseKind, Verdict
from payments.work import Cause, PaymentState, RefundState, Work
from payments.writing import Part

NOT_WITHIN_SECONDS: Final = 10.0
NOT_FOUND_APART: Final = timedelta(minutes=15)
_CAPTURE_LOOKS: Final = 3
_WORTH_KEEPING: Final = frozenset({Verdict.APPLIED, Verdict.CONTRADICTION, Verdict.MISMATCH, Verdict.CLAIM})


def refresh(
    payment_id: int,
    *,
    not_within_seconds: float = NOT_WITHIN_SECONDS,
    is_scheduled: bool = False,
    on_error: Callable[[GatewayError], object] | None = None,
) -> PaymentState | None:
    """Fetch and apply. Returns the state afterwards, or None where it was fetched a moment ago. Raises nothing of a
    gateway's: a fetch that fails changes nothing but the time of the next one. `on_error` is told why it failed.
    `is_scheduled`: the sweep's own look, which counts towards its growing pauses; somebody who looks in between must
    not put it off."""
    loaded = loading.claim_for_fetch(payment_id, not_within_seconds=not_within_seconds)
    if loaded is None:
        return None
    crash.point("fetch_before_call")
    asked = ask(lambda: open_key(loaded.key).fetch_payment(loaded.state.names()))
    dispute = disputes.ask_beside(loaded, asked.answer)
    crash.point("fetch_after_call")
    if asked.error is not None and on_error is not None:
        on_error(asked.error)
    state, close = transactions.run(lambda: _apply(loaded, asked, dispute, is_scheduled=is_scheduled))
    crash.point("fetch_after_apply_commit")
    return state if close is None else closing.send(close)


def _apply(
    loaded: Loaded, asked: Asked, dispute: Asked | None, *, is_scheduled: bool
) -> tuple[PaymentState, Exchange | None]:
    """The state afterwards; and, where the time of an unpaid order is over, the recorded wish to end it at its gateway."""
    exchange_id = ids.uuid7()
    look = _Look(loaded=loaded, asked=asked, exchange_id=exchange_id, is_scheduled=is_scheduled)
    cause = Cause(
        kind=CauseKind.FETCH, id=str(exchange_id), seen_seq=loaded.state.transition_seq, seen_claim=loaded.state.claim
    )
    answer = asked.answer
    report = answer if isinstance(answer, Report) else None
    fact = Fact(
        key=loaded.key.facts, report=report, cause=cause, payment_id=loaded.state.id,
        prepare=lambda work: _before(work, loaded.state, is_scheduled=is_scheduled),
        after=lambda work, verdict: _after(work, verdict, look),
    )  # fmt: skip
    told = disputes.Told.of(loaded.key, loaded.state.id, dispute)

    def beside() -> Iterator[Part]:
        assert fact.work is not None
        if fact.verdict in _WORTH_KEEPING and (fact.work.transitions or fact.work.moved or fact.work.events):
            yield _kept(loaded, exchange_id, report, asked)
        if report is not None:
            yield from _resolved(loaded.state, fact.work.state)
        elif isinstance(answer, NotFound):
            yield _not_found(loaded.state.id)
        if isinstance(asked.error, GatewayMisconfigured):
            yield problem_part(loaded.key.id, asked.error.reason)
        if look.close is not None:
            yield closing.begun_part(look.close)
        yield from told.kept()

    apply_reports([fact, *told.facts], wait=True, beside=beside())
    crash.point("fetch_before_apply_commit")
    assert fact.work is not None
    return fact.work.state, look.close


@dataclass(slots=True, kw_only=True)
class _Look:
    """One answer while it is applied. `close`: what is to be asked next."""

    loaded: Loaded
    asked: Asked
    exchange_id: uuid.UUID
    is_scheduled: bool
    close: Exchange | None = None


def _before(work: Work, claimed: PaymentState, *, is_scheduled: bool) -> None:
    """The check itself: count it, and let the plan be made anew. When it was stands in the claim, by the database's clock.

    What was asked for since the claim is not answered by this fetch: it stays due.
    """
    work.state.check_count = min(work.state.check_count + int(is_scheduled), 1000)
    if work.state.next_check_at == claimed.next_check_at:
        work.state.next_check_at = None


def _after(work: Work, verdict: Verdict, look: _Look) -> None:
    state, answer, now = work.state, look.asked.answer, clock.now()
    if isinstance(answer, NotFound):
        if state.is_acknowledged:
            work.add_attention(Attention.GATEWAY_DISAGREES)
        elif state.unknown_since is None and _is_unpaid_and_over(state, now):  # it never reached the gateway
            _expire(work, look)
    elif answer is not None:
        if state.unknown_since is not None and _is_resolved(state):
            state.unknown_since = None
            state.attention.discard(Attention.UNKNOWN_OUTCOME)
        if verdict in {Verdict.APPLIED, Verdict.NO_CHANGE} and _is_unpaid_and_over(state, now):
            _end(work, look)
    if state.unknown_since is not None and now - state.unknown_since >= schedule.UNKNOWN_GIVES_UP:
        work.add_attention(Attention.UNKNOWN_OUTCOME)


def _end(work: Work, look: _Look) -> None:
    """Its time is over and nobody paid: end the order at its gateway first, where that can be done. Only the sweep does:
    who merely reads a payment is not kept waiting for another call."""
    if not closing.is_closable(look.loaded):
        _expire(work, look)
        return
    if not look.is_scheduled:
        return
    step, number = closing.next_step(work, look.loaded)
    if step is closing.Next.CLOSE:
        look.close = closing.begin(work, look.loaded, number)
    elif step is closing.Next.EXPIRE:
        _expire(work, look)


def _expire(work: Work, look: _Look) -> None:
    fold.expire_by_timer(work, Cause(kind=CauseKind.TIMER, id=str(look.exchange_id)), now=clock.now())


def _is_resolved(state: PaymentState) -> bool:
    """An answered fetch tells what became of an initiate or void. Of a capture that still shows as a mere hold, only
    the third one does (more than six minutes after): it may have been on its way."""
    return state.capture_asked is None or state.status in FINAL or state.check_count >= _CAPTURE_LOOKS


def _is_unpaid_and_over(state: PaymentState, now: Any) -> bool:
    return (
        state.status in OPEN
        and state.received == 0
        and state.expires_at is not None
        and state.expires_at + schedule.AFTER_EXPIRY <= now
    )


def _kept(loaded: Loaded, exchange_id: uuid.UUID, report: Report | None, asked: Asked) -> Part:
    """The fetch as a gateway transaction. Only one that changed something: a poll that says the same leaves its time."""
    exchange = Exchange(
        id=exchange_id, lab_id=loaded.state.lab_id, mode=loaded.state.mode, payment_id=loaded.state.id,
        gateway_key_id=loaded.key.id, operation=Operation.FETCH_PAYMENT, operation_id=f"fetch:{exchange_id}",
        idempotency_key=f"fetch:{exchange_id}",
        request={"reference": loaded.state.sent_reference, "gateway_reference": loaded.state.gateway_reference},
    )  # fmt: skip
    return exchanges.answered_part(exchange, report, asked)


def _resolved(before: PaymentState, after: PaymentState) -> Iterator[Part]:
    """An unknown exchange whose outcome the fetch told is answered."""
    if before.unknown_since is not None and after.unknown_since is None:
        yield Part(
            "exchange_resolved",
            """UPDATE payments_paymentgatewaytransaction SET outcome = 'answered', finished_at = clock_timestamp(),
                 error = 'resolved by a fetch', lease_token = NULL, lease_until = NULL
               WHERE payment_id = %s AND refund_id IS NULL AND outcome = 'unknown'""",
            (before.id,),
        )


def _not_found(payment_id: int) -> Part:
    """Count it: the second one counts when it comes fifteen minutes after the first (INVARIANTS §4)."""
    now = clock.now()
    return Part(
        "not_found_counted",
        """UPDATE payments_paymentgatewaytransaction SET not_found_at = coalesce(not_found_at, %s),
             not_found_count = CASE WHEN not_found_count = 0 THEN 1 WHEN not_found_at <= %s THEN 2 ELSE not_found_count END
           WHERE payment_id = %s AND operation = 'initiate' AND outcome = 'unknown'""",
        (now, now - NOT_FOUND_APART, payment_id),
    )


# Refunds ------------------------------------------------------------------------------------------------------------


_CLAIM_REFUND: Final = """
    UPDATE payments_refund SET next_check_at = clock_timestamp() + interval '120 seconds', check_count = check_count + 1
    WHERE id = %s RETURNING payment_id, sent_reference, gateway_reference, amount, currency, created_at"""


def refresh_refund(refund_id: int) -> None:
    """Fetch one refund and apply what the gateway says."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM_REFUND, [refund_id])
        row = cursor.fetchone()
    loaded = None if row is None else loading.by_id(row[0])
    if row is None or loaded is None:
        return
    gateway = ask(lambda: open_key(loaded.key)).answer
    if not isinstance(gateway, CanRefund):
        return
    names = RefundNames(
        reference=row[1], gateway_reference=row[2], payment=loaded.state.names(),
        amount=Money(int(row[3]), row[4]), created_at=row[5],
    )  # fmt: skip
    crash.point("refund_fetch_before_call")
    asked = ask(lambda: gateway.fetch_refund(names))
    crash.point("refund_fetch_after_call")
    transactions.run(lambda: _apply_refund(loaded, refund_id, row[1], asked))
    crash.point("refund_fetch_after_apply_commit")


def about_ours(report: Report, reference: str) -> Report:
    """An answer to our own question is about the refund that we asked about, also where it does not repeat its name."""
    return report if report.reference else replace(report, reference=reference)


def _apply_refund(loaded: Loaded, refund_id: int, reference: str, asked: Asked) -> None:
    exchange_id = ids.uuid7()
    report = about_ours(asked.answer, reference) if isinstance(asked.answer, Report) else None
    fact = Fact(
        key=loaded.key.facts, report=report, payment_id=loaded.state.id,
        cause=Cause(kind=CauseKind.FETCH, id=str(exchange_id)),
        prepare=lambda _work: None,
        after=lambda work, verdict: _after_refund(work, refund_id, asked),
    )  # fmt: skip
    apply_reports([fact], wait=True, beside=[] if report is None else [_refund_resolved(refund_id)])


def _refund_resolved(refund_id: int) -> Part:
    return Part(
        "exchange_resolved",
        """UPDATE payments_paymentgatewaytransaction SET outcome = 'answered', finished_at = clock_timestamp(),
             error = 'resolved by a fetch', lease_token = NULL, lease_until = NULL
           WHERE refund_id = %s AND outcome IN ('sent', 'unknown')""",
        (refund_id,),
    )


def _after_refund(work: Work, refund_id: int, asked: Asked) -> None:
    refund = next((one for one in work.refunds if one.id == refund_id), None)
    if refund is None:
        return
    now = clock.now()
    if isinstance(asked.answer, Report):
        refund.unknown_since = None
        refund.pending_reason = "" if refund.pending_reason == "outcome_unknown" else refund.pending_reason
        work.forget_unknown()
    elif isinstance(asked.answer, NotFound) and refund.gateway_reference:  # it was confirmed once
        work.add_attention(Attention.GATEWAY_DISAGREES)
    refund.is_changed, refund.wants_fetch = True, False
    _give_up(work, refund, now)


def _give_up(work: Work, refund: RefundState, now: Any) -> None:
    if refund.unknown_since is not None and now - refund.unknown_since >= schedule.UNKNOWN_GIVES_UP:
        work.add_attention(Attention.UNKNOWN_OUTCOME)
