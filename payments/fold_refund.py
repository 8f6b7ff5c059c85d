"""The refund half of the fold. The refunded sum comes from refund records alone; it falls when one fails later."""

from __future__ import annotations

from datetime import datetime

from core import ids
from core.gateways.types import Attention, Decline, PaymentStatus, RefundStatus, Report
from payments.states import LIVE_REFUND, REFUND_NEXT, CauseKind, Verdict
from payments.work import Cause, MovedKind, RefundState, Work, refund_names

R = RefundStatus


def fold_refund(work: Work, report: Report, cause: Cause, *, now: datetime) -> Verdict:
    """Apply a report about a refund of this payment, ours or one made at the gateway."""
    status = report.status if isinstance(report.status, RefundStatus) else R.PENDING
    refund = work.find_refund(report)
    if refund is None:
        return _external(work, report, status, now)
    amount = amount_of(report)
    if amount is not None and amount != refund.amount:
        work.add_attention(Attention.MISMATCH)
        return Verdict.MISMATCH
    work.learn_refund_names(report)
    if report.gateway_reference in refund_names(report) and not refund.gateway_reference:
        refund.gateway_reference = report.gateway_reference
        refund.is_changed = True
    return _move_refund(work, refund, status, report.decline, cause, now)


def amount_of(report: Report) -> int | None:
    """The refund's own amount. Where a gateway tells it apart from what was given back so far, that is zero at first."""
    return report.refunded_minor if report.amount_minor is None else report.amount_minor


def end_unsent(work: Work, refund: RefundState, to: RefundStatus, decline: Decline, *, now: datetime) -> None:
    """Rejected by the gateway (failed) or never sent (cancelled): nothing was given back, the reservation is released.

    No attention: the caller is told at once.
    """
    if refund.status is R.PENDING:
        refund.status, refund.failure, refund.completed_at, refund.is_changed = to, decline, now, True
        work.state.refund_reserved -= refund.amount
        work.tell(f"refund.{to.value}", refund)


def _move_refund(
    work: Work, refund: RefundState, to: RefundStatus, decline: Decline | None, cause: Cause, now: datetime
) -> Verdict:
    if refund.status is to:
        return Verdict.NO_CHANGE
    if to in REFUND_NEXT[refund.status]:
        _set(work, refund, to, decline, now)
        return Verdict.APPLIED
    if to is R.SUCCEEDED:  # after failed or cancelled: old news, unless a fetch insists
        if cause.kind is CauseKind.FETCH:
            work.add_attention(Attention.GATEWAY_DISAGREES)
            return Verdict.CONTRADICTION
        refund.wants_fetch = refund.is_changed = True
    return Verdict.LATE_NEWS


def _set(work: Work, refund: RefundState, to: RefundStatus, decline: Decline | None, now: datetime) -> None:
    state, before = work.state, refund.status
    refund.status, refund.is_changed = to, True
    refund.failure = decline if to is R.FAILED else None
    refund.completed_at = now
    refund.pending_reason, refund.unknown_since = "", None
    work.forget_unknown()
    if to is R.SUCCEEDED:
        state.refunded += refund.amount
        work.money(MovedKind.REFUND, refund.amount, refund.public_id)
    else:
        state.refund_reserved -= refund.amount
    if before is R.SUCCEEDED:
        state.refunded -= refund.amount
        work.money(MovedKind.REFUND_REVERSAL, refund.amount, refund.public_id, reverses=refund.public_id)
    if to is R.FAILED:
        work.add_attention(Attention.REFUND_FAILED, is_news=True)
    work.tell(f"refund.{to.value}", refund)


def _may_be_ours(work: Work, report: Report) -> bool:
    """Nameless, and of the amount of a refund of ours whose name at the gateway is still to come."""
    return report.reference is None and any(
        one.status is R.PENDING and one.gateway_reference is None and one.amount == amount_of(report)
        for one in work.refunds
    )


def _external(work: Work, report: Report, status: RefundStatus, now: datetime) -> Verdict:
    """A refund that we did not ask for: recorded once, as soon as it fits."""
    state, amount = work.state, amount_of(report)
    if state.status is PaymentStatus.VOIDED:
        return Verdict.LATE_NEWS  # a released hold shows as a refund at some gateways: no money moved
    if state.status is not PaymentStatus.CAPTURED or _may_be_ours(work, report):
        return Verdict.WAITING  # it overtook the news of the capture, or the answer to our own request
    if work.is_another_try:  # what another account gave back was never in this payment's sum
        work.add_attention(Attention.REFUND_UNEXPECTED)
        return Verdict.MISMATCH
    if report.gateway_reference not in refund_names(report) or not amount:
        work.add_attention(Attention.REFUND_UNEXPECTED)
        return Verdict.WAITING
    is_the_rest = 0 < state.captured < state.authorized and amount == state.authorized - state.captured
    if is_the_rest or (status in LIVE_REFUND and state.refund_reserved + amount > state.captured):
        # The released rest of a partial capture shows as a refund at some gateways, too: a person looks.
        work.add_attention(Attention.REFUND_UNEXPECTED)
        return Verdict.WAITING
    refund = RefundState(
        id=None,
        public_id=ids.public_id("RF"),
        status=R.PENDING,
        amount=amount,
        gateway_reference=report.gateway_reference,
        is_external=True,
        is_changed=True,
        created_at=now,
    )
    work.refunds.append(refund)
    work.learn_refund_names(report)
    state.refund_reserved += amount
    if status is not R.PENDING:
        _set(work, refund, status, report.decline, now)
    state.attention.discard(Attention.REFUND_UNEXPECTED)
    return Verdict.APPLIED
