"""When a payment or refund is asked about next, although nobody rings. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from core.gateways.types import Description, DisputeStatus, PaymentStatus, RefundStatus
from payments.states import OPEN
from payments.work import DisputeState, PaymentState, RefundState, Work

# Unknown outcomes: INVARIANTS §4. Then daily to day 7, then a person looks.
UNKNOWN_DELAYS: Final = (15, 60, 300, 900, 3600, 21600, 86400)
UNKNOWN_GIVES_UP: Final = timedelta(days=7)
# After the expiry of an order its gateway gets a moment to say so itself.
AFTER_EXPIRY: Final = timedelta(seconds=60)
AUTHORIZED_EVERY: Final = timedelta(days=1)  # a hold lapses without a word at some gateways
REFUND_DELAYS: Final = (60, 300, 3600, 21600, 86400)

_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
# Banks take weeks: an open dispute is asked about daily, more often while evidence is due, and weekly once it is old.
EVIDENCE_NEAR: Final = timedelta(days=2)
EVIDENCE_EVERY: Final = timedelta(hours=6)
DISPUTE_RETRY: Final = _HOUR
DISPUTE_OLD: Final = timedelta(days=120)
DISPUTE_FORGOTTEN: Final = timedelta(days=540)
# After a verdict without its money: gateways post that apart from it.
AFTER_VERDICT: Final = (_HOUR, _DAY, timedelta(days=7))


def plan(work: Work, description: Description | None, *, now: datetime) -> None:
    """Set `next_check_at` of the payment (and of refunds that a report asked about) after a batch was folded."""
    state = work.state
    if work.wants_fetch:
        state.next_check_at = now
        state.check_count = 0
    elif state.next_check_at is None or (work.transitions and state.next_check_at > now):
        state.next_check_at = next_check(state, description, now=now)  # what is due stays due: only a fetch answers it
    if work.look_again_at is not None:
        state.next_check_at = min(state.next_check_at or work.look_again_at, work.look_again_at)
    for refund in work.refunds:
        if refund.wants_fetch:
            refund.next_check_at, refund.is_changed = now, True
        elif refund.is_changed:
            refund.next_check_at = next_refund_check(refund, now=now)


def plan_disputes(work: Work, *, can_be_asked: bool, now: datetime) -> None:
    """Set `next_check_at` of the disputes that a report was about. `can_be_asked`: their gateway tells when it is asked."""
    for dispute in work.disputes:
        if not dispute.is_changed:
            continue
        if not can_be_asked:
            dispute.next_check_at = None
        else:
            dispute.next_check_at = now if dispute.wants_fetch else next_dispute_check(dispute, now=now)


def next_dispute_check(dispute: DisputeState, *, now: datetime) -> datetime | None:
    """None: nothing more is to come, or nobody waits for it any longer."""
    if dispute.closed_at is not None:
        return _after_verdict(dispute, dispute.closed_at, now)
    opened_at = dispute.opened_at or now
    if now - opened_at >= DISPUTE_FORGOTTEN:
        return None
    usual = now + (_DAY if now - opened_at < DISPUTE_OLD else 7 * _DAY)
    if dispute.respond_by is None or dispute.respond_by <= now:
        return usual
    if dispute.respond_by - now <= EVIDENCE_NEAR:
        usual = now + EVIDENCE_EVERY
    return min(usual, dispute.respond_by + _HOUR)


def _after_verdict(dispute: DisputeState, closed_at: datetime, now: datetime) -> datetime | None:
    """Ended. Looked at again only while its money is not told, or is still held back although it was not lost."""
    is_lost = dispute.status is DisputeStatus.LOST
    if dispute.is_money_told and (is_lost or not dispute.withdrawn):
        return None
    return min((closed_at + pause for pause in AFTER_VERDICT if closed_at + pause > now), default=None)


def next_check(state: PaymentState, description: Description | None, *, now: datetime) -> datetime | None:
    """The earliest reason to ask again, or None."""
    if state.unknown_since is not None:
        return unknown_check(state.unknown_since, state.check_count, now)
    if state.status in OPEN:
        reasons = [_expiry_check(state, now), _polled(state, description, now)]
        return min((moment for moment in reasons if moment is not None), default=None)
    if state.claim:
        return now + timedelta(seconds=_delay(UNKNOWN_DELAYS, state.check_count))
    if state.status is PaymentStatus.AUTHORIZED:
        return now + AUTHORIZED_EVERY
    return _reread(state, description, now)


def unknown_check(since: datetime, count: int, now: datetime) -> datetime | None:
    """15 s, 1, 5, 15 min, 1, 6, 24 h after the last try, then daily; None after seven days."""
    if now - since >= UNKNOWN_GIVES_UP:
        return None
    return now + timedelta(seconds=_delay(UNKNOWN_DELAYS, count))


def next_refund_check(refund: RefundState, *, now: datetime) -> datetime | None:
    """A pending refund is asked about with growing pauses, then daily for as long as it is pending."""
    if refund.status is not RefundStatus.PENDING:
        return None
    if refund.unknown_since is not None:
        return unknown_check(refund.unknown_since, refund.check_count, now)
    return now + timedelta(seconds=_delay(REFUND_DELAYS, refund.check_count))


def _delay(delays: tuple[int, ...], count: int) -> int:
    return delays[min(count, len(delays) - 1)]


def _expiry_check(state: PaymentState, now: datetime) -> datetime | None:
    if state.expires_at is None:
        return None
    due = state.expires_at + AFTER_EXPIRY
    return due if due > now else now + timedelta(seconds=_delay(UNKNOWN_DELAYS, state.check_count))


def _polled(state: PaymentState, description: Description | None, now: datetime) -> datetime | None:
    age = (now - state.created_at).total_seconds()
    for step in description.polling if description is not None else ():
        if step.until_age_seconds is None or age < step.until_age_seconds:
            return now + timedelta(seconds=step.every_seconds)
    return None


def _reread(state: PaymentState, description: Description | None, now: datetime) -> datetime | None:
    if state.completed_at is None or description is None:
        return None
    moments = [state.completed_at + timedelta(seconds=seconds) for seconds in description.rereads_after_seconds]
    return min((moment for moment in moments if moment > now), default=None)
