"""The fold: (payment as it stands, report, cause) -> new state and what follows from it. Pure: no database, no HTTP.

`Work` holds one payment while a batch of reports about it is folded, one after another. The rules are those of
docs/lifecycle.md: only the state table and cumulative amounts decide, never the order of arrival or a timestamp.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from core.gateways.types import (
    Attention,
    CoinFacts,
    FraudStatus,
    PaymentStatus,
    Report,
    Subject,
)
from payments import fold_dispute, fold_refund
from payments.states import DEAD, FINAL, NEXT, OPEN, CauseKind, Verdict
from payments.work import Cause, MovedKind, PaymentState, Work

S = PaymentStatus
MONEY_CAUSES: Final = frozenset({CauseKind.WEBHOOK, CauseKind.FETCH, CauseKind.RESPONSE})
AUTHENTICATION_REQUIRED: Final = "authentication_required"
ASKED_CAUSES: Final = frozenset({CauseKind.FETCH, CauseKind.RESPONSE})


class IllegalTransition(Exception):
    """Our own code asked for a step that the state table forbids."""

    code = "illegal_transition"


def fold(work: Work, report: Report, cause: Cause, *, now: datetime) -> Verdict:
    """Apply one report about this payment, one of its refunds or disputes. Returns what became of it."""
    if report.is_hint:
        return _hint(work, report, cause, now)
    if not _is_about_this(work, report):
        work.add_attention(Attention.MISMATCH)
        return Verdict.MISMATCH
    if report.about is Subject.REFUND:
        return fold_refund.fold_refund(work, report, cause, now=now)
    if report.about is Subject.DISPUTE:
        return fold_dispute.fold_dispute(work, report, cause, now=now)
    return _fold_payment(work, report, cause, now)


def _hint(work: Work, report: Report, cause: Cause, now: datetime) -> Verdict:
    """Weak proof: ask. A dispute that can only be heard of is kept for a person, without a word about money."""
    if cause.kind is CauseKind.FETCH:
        return Verdict.HINT  # an answer that is a hint again would ask for ever
    if report.about is Subject.DISPUTE:  # it stays a hint: where the gateway can tell more, it is asked at once
        return fold_dispute.fold_dispute(work, replace(report, withdrawn_minor=None), cause, now=now)
    refund = work.find_refund(report) if report.about is Subject.REFUND else None
    if refund is not None:
        refund.wants_fetch = refund.is_changed = True
    else:
        work.wants_fetch = True
    return Verdict.HINT


def expire_by_timer(work: Work, cause: Cause, *, now: datetime) -> Verdict:
    """End an unpaid payment. The caller has asked the gateway, or knows that nothing ever reached it."""
    if work.state.status not in OPEN:
        return Verdict.LATE_NEWS
    _move(work, S.EXPIRED, cause, now)
    return Verdict.APPLIED


def fail_by_us(work: Work, cause: Cause, *, now: datetime) -> Verdict:
    """End a payment whose creation the gateway refused: nothing can be paid."""
    if work.state.status not in OPEN:
        return Verdict.LATE_NEWS
    _move(work, S.FAILED, cause, now)
    return Verdict.APPLIED


def _is_about_this(work: Work, report: Report) -> bool:
    """Mode, account and asset are those of the attempt (absent: not said)."""
    state = work.state
    if report.mode is not None and report.mode != state.mode:
        return False
    if report.account and work.via.account and report.account != work.via.account:
        return False
    return report.asset is None or report.asset.upper() == state.currency


def _fold_payment(work: Work, report: Report, cause: Cause, now: datetime) -> Verdict:
    state = work.state
    work.learn_names(report, cause)
    if work.is_another_try and (verdict := _of_another_try(work, report)) is not None:
        return verdict
    _take_facts(work, report)
    if _differs(state, report):
        work.add_attention(Attention.MISMATCH)
        return Verdict.MISMATCH
    if report.attention is not None and _is_shown(work, report.attention):
        work.add_attention(report.attention)
    match report.status:
        case S.CAPTURED:
            verdict = _captured(work, report, cause, now)
        case S.AUTHORIZED:
            verdict = _authorized(work, report, cause, now)
        case S.PENDING | S.REQUIRES_ACTION:
            verdict = _open(work, report, S(report.status), cause, now)
        case S.FAILED if _waits_for_customer(work, report, cause):
            verdict = _open(work, report, S.REQUIRES_ACTION, cause, now)
        case S.FAILED | S.EXPIRED | S.VOIDED:
            verdict = _dead(work, report, _dead_end(state, S(report.status)), cause, now)
        case _:
            verdict = Verdict.APPLIED
    _take_fee(work, report)
    return verdict


def _waits_for_customer(work: Work, report: Report, cause: Cause) -> bool:
    """Charged while the customer was away, and the bank wants to see the customer: the same order can still be paid,
    where the answer has the way on. A webhook has none, and may come before the answer."""
    state = work.state
    if report.decline is None or report.decline.code != AUTHENTICATION_REQUIRED:
        return False
    if not work.resumes_declined_charges or state.profile_id is None:
        return False
    is_before_answer = cause.kind is CauseKind.WEBHOOK and state.status is S.PENDING
    return is_before_answer or report.next_action is not None or state.next_action is not None


def _of_another_try(work: Work, report: Report) -> Verdict | None:
    """News through an account where the payment is not any more. Only money counts: None lets it pass like any other."""
    if report.status not in {S.AUTHORIZED, S.CAPTURED}:
        return Verdict.LATE_NEWS  # how an abandoned order ends says nothing about the one that is open now
    is_paid = work.state.status is S.CAPTURED
    is_held = work.state.status is S.AUTHORIZED
    if is_paid or is_held:
        work.add_attention(Attention.DUPLICATE_PAID)
    if is_paid or (is_held and report.status is S.AUTHORIZED):
        return Verdict.MISMATCH  # one payment has one account: a person gives the second money back there
    if report.status is S.CAPTURED and report.captured_minor is None:
        work.add_attention(Attention.MISMATCH)  # a fetch would ask the account of now
        return Verdict.MISMATCH
    return None


def _is_shown(work: Work, attention: Attention) -> bool:
    """Short of money is no news once all came; and a dispute on record says more than its payment's report."""
    if attention is Attention.UNDERPAID:
        return work.state.status not in {S.CAPTURED, S.VOIDED}
    return attention is not Attention.DISPUTED or not work.disputes


def _differs(state: PaymentState, report: Report) -> bool:
    """Another price than was asked, or something odd on the wire. What was really taken is applied all the same."""
    if report.amount_minor is not None and report.amount_minor != state.amount:
        return True
    return report.attention is Attention.MISMATCH and not (report.status is S.CAPTURED and report.captured_minor)


def _captured(work: Work, report: Report, cause: Cause, now: datetime) -> Verdict:
    state, taken = work.state, report.captured_minor
    if state.status is S.VOIDED:
        work.add_attention(Attention.GATEWAY_DISAGREES)
        work.wants_fetch = cause.kind is not CauseKind.FETCH
        return Verdict.CONTRADICTION
    if taken is None:  # money is never guessed: ask, and if even the answer does not say, a person looks
        if cause.kind is CauseKind.FETCH:
            work.add_attention(Attention.MISMATCH)
            return Verdict.MISMATCH
        work.wants_fetch = state.status is not S.CAPTURED
        return Verdict.HINT
    state.received = max(state.received, taken)
    asked = state.amount if state.capture_asked is None else state.capture_asked
    if state.status is S.CAPTURED:
        if cause.kind is CauseKind.FETCH:
            state.claim = ""
        if taken <= state.captured:
            return Verdict.NO_CHANGE if taken == state.captured else Verdict.LATE_NEWS
    elif taken < asked:
        work.add_attention(Attention.UNDERPAID)
        return Verdict.MISMATCH
    else:
        if state.status is S.EXPIRED or (state.status is S.FAILED and state.is_past_expiry(now)):
            work.add_attention(Attention.PAID_LATE)
        _mark_duplicate(work)
        _move(work, S.CAPTURED, cause, now)
        work.belongs_where_it_was_paid(report)
    if taken > asked:
        work.add_attention(Attention.OVERPAID)
    state.attention.discard(Attention.UNDERPAID)
    work.money(MovedKind.CAPTURE, taken - state.captured, str(taken))
    state.captured = taken
    return Verdict.APPLIED


def _authorized(work: Work, report: Report, cause: Cause, now: datetime) -> Verdict:
    state, held = work.state, report.authorized_minor
    if state.status in {S.CAPTURED, S.VOIDED}:
        return Verdict.LATE_NEWS
    if state.status is S.AUTHORIZED:
        if cause.kind is CauseKind.FETCH:
            state.claim = ""
        return Verdict.NO_CHANGE
    if state.status in {S.FAILED, S.EXPIRED} and cause.kind not in ASKED_CAUSES:
        work.wants_fetch = True  # the hold may have lapsed since
        return Verdict.LATE_NEWS
    if held is not None and held != state.amount:
        work.add_attention(Attention.UNDERPAID if held < state.amount else Attention.MISMATCH)
        return Verdict.MISMATCH
    _mark_duplicate(work)
    _move(work, S.AUTHORIZED, cause, now)
    work.belongs_where_it_was_paid(report)
    state.authorized = state.amount if held is None else held
    return Verdict.APPLIED


def _open(work: Work, report: Report, target: PaymentStatus, cause: Cause, now: datetime) -> Verdict:
    state = work.state
    if report.captured_minor:
        state.received = max(state.received, report.captured_minor)
    if state.status not in OPEN:
        return Verdict.LATE_NEWS
    if report.decline is not None:
        state.decline = report.decline
    if report.next_action is not None:
        state.next_action = report.next_action
    if state.status is target:
        return Verdict.NO_CHANGE
    _move(work, target, cause, now)
    return Verdict.APPLIED


def _dead_end(state: PaymentState, told: PaymentStatus) -> PaymentStatus:
    """An order that our timer is ending reads as voided at some gateways: it is its time that was over."""
    return S.EXPIRED if told is S.VOIDED and state.closing_since is not None and state.status in OPEN else told


def _dead(work: Work, report: Report, target: PaymentStatus, cause: Cause, now: datetime) -> Verdict:
    state = work.state
    if state.status in DEAD:
        return Verdict.NO_CHANGE if state.status is target else Verdict.LATE_NEWS
    if state.status is S.CAPTURED or (state.status is S.AUTHORIZED and target is S.FAILED):
        return _claim(work, target, cause)
    if report.decline is not None:
        state.decline = report.decline
    _move(work, target, cause, now)
    return Verdict.APPLIED


def _claim(work: Work, target: PaymentStatus, cause: Cause) -> Verdict:
    """A dead end claimed against money. Believed as a contradiction only when a fetch asked because of it agrees."""
    state = work.state
    asked_for_it = cause.kind is CauseKind.FETCH and cause.seen_claim == state.claim != ""
    if asked_for_it and cause.seen_seq == state.transition_seq:
        state.claim = ""
        work.add_attention(Attention.GATEWAY_DISAGREES)
        return Verdict.CONTRADICTION
    state.claim = target.value
    work.wants_fetch = True
    return Verdict.CLAIM


def _move(work: Work, to: PaymentStatus, cause: Cause, now: datetime) -> None:
    """The one place that changes a status. Raises IllegalTransition where the table has no such edge."""
    state = work.state
    if to not in NEXT[state.status]:
        raise IllegalTransition(f"{state.status.value} -> {to.value}")
    if to in {S.AUTHORIZED, S.CAPTURED} and cause.kind not in MONEY_CAUSES:
        raise IllegalTransition(f"{to.value} by {cause.kind.value}")
    work.record_transition(to, cause)
    state.claim = ""
    if to in FINAL:
        state.next_action = None
        state.completed_at = now
        if Attention.UNKNOWN_OUTCOME in state.attention:  # nobody asks after a week: this is the answer
            state.unknown_since = None
            work.forget_unknown()
    if to in {S.AUTHORIZED, S.CAPTURED}:
        state.next_action = state.decline = None
    if to in DEAD and state.holds_link_use:
        state.holds_link_use = False
        work.gives_link_use_back = True
    if to not in OPEN:
        work.tell(f"payment.{to.value}")


def _mark_duplicate(work: Work) -> None:
    """Late money for an older payment of a reference that has another live payment since: it is kept, and shown."""
    if work.state.status in DEAD and work.state.has_other_live:
        work.state.is_duplicate = True
        work.add_attention(Attention.DUPLICATE_PAID)


def _take_facts(work: Work, report: Report) -> None:
    """What is told beside the money and moves nothing."""
    state = work.state
    if report.method is not None:
        state.method = report.method
    if report.saved is not None and state.wants_saved and state.customer_id is not None:
        work.saved.append(report.saved)  # with the customer's consent only
    if report.coin is not None:
        state.coin = _merge_coin(state.coin, report.coin)
    if report.refunded_minor is not None:
        state.refunded_seen = max(state.refunded_seen, report.refunded_minor)
    if report.fraud is not None and report.fraud.status is not FraudStatus.UNKNOWN:
        state.fraud_status = report.fraud.status
        state.fraud_message = (report.fraud.message or "")[:300]


def _merge_coin(known: CoinFacts | None, told: CoinFacts) -> CoinFacts:
    """Later facts fill in and replace; what arrived only grows, since deliveries come in any order."""
    if known is None or known.code != told.code:
        return told
    merged = {name: getattr(told, name) or getattr(known, name) for name in CoinFacts.__dataclass_fields__}
    if (known.arrived_minor or 0) > (told.arrived_minor or 0):
        merged["arrived_minor"], merged["arrived_text"] = known.arrived_minor, known.arrived_text
    return CoinFacts(**merged)


def _take_fee(work: Work, report: Report) -> None:
    state = work.state
    if state.status is S.CAPTURED and report.fee_minor is not None and report.fee_minor > state.fee:
        work.money(MovedKind.FEE, report.fee_minor - state.fee, str(report.fee_minor))
        state.fee = report.fee_minor


__all__ = ["IllegalTransition", "expire_by_timer", "fail_by_us", "fold"]
