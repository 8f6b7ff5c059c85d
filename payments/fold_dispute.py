"""The dispute half of the fold: what the payer's bank wants back, and what the gateway holds back because of it.

Disputes never change a payment's status. Deliveries come in any order: a verdict is not undone by a delivery that shows
an earlier stage; an answer to a question of ours replaces everything.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from core import ids
from core.gateways.types import Attention, DisputeStatus, Report
from payments.states import CauseKind, Verdict
from payments.work import Cause, DisputeState, MovedKind, Work

D = DisputeStatus
ENDED: Final = frozenset({D.WON, D.LOST, D.CLOSED})
WANTS_A_PERSON: Final = frozenset({D.NEEDS_RESPONSE, D.LOST})


def fold_dispute(work: Work, report: Report, cause: Cause, *, now: datetime) -> Verdict:
    """Apply a report about a dispute of this payment."""
    if not report.gateway_reference:
        work.add_attention(Attention.DISPUTED)
        return Verdict.MISMATCH
    status = report.status if isinstance(report.status, DisputeStatus) else D.NEEDS_RESPONSE
    dispute = next((one for one in work.disputes if one.gateway_reference == report.gateway_reference), None)
    is_new = dispute is None
    if dispute is None:
        dispute = _open(work, report, status, now)
    elif dispute.status in ENDED and status not in ENDED and cause.kind is not CauseKind.FETCH:
        dispute.wants_fetch = dispute.is_changed = report.is_hint
        return Verdict.LATE_NEWS
    before = (dispute.status, dispute.withdrawn)
    _take(work, dispute, report, status, now)
    dispute.wants_fetch = report.is_hint
    if is_new or dispute.status is not before[0]:
        work.tell(f"dispute.{dispute.status.value}", dispute)
    if not is_new and (dispute.status, dispute.withdrawn) == before:
        return Verdict.NO_CHANGE
    _show(work, dispute, is_new=is_new)
    return Verdict.APPLIED


def _open(work: Work, report: Report, status: DisputeStatus, now: datetime) -> DisputeState:
    dispute = DisputeState(
        id=None,
        public_id=ids.public_id("DP"),
        gateway_reference=report.gateway_reference or "",
        status=status,
        opened_at=now,
    )
    work.disputes.append(dispute)
    return dispute


def _take(work: Work, dispute: DisputeState, report: Report, status: DisputeStatus, now: datetime) -> None:
    dispute.is_changed = True
    dispute.status = status
    dispute.amount = report.amount_minor if report.amount_minor is not None else dispute.amount
    dispute.reason = (report.dispute_reason or dispute.reason)[:120]
    dispute.respond_by = report.respond_by or dispute.respond_by
    dispute.closed_at = (dispute.closed_at or now) if status in ENDED else None
    dispute.is_money_told = report.withdrawn_minor is not None and report.withdrawn_minor >= 0
    if report.withdrawn_minor is not None and dispute.is_money_told:
        _move_money(work, dispute, report.withdrawn_minor)


def _show(work: Work, dispute: DisputeState, *, is_new: bool) -> None:
    """Something changed. What a payment's own report showed stays until this dispute itself goes on."""
    if dispute.status in WANTS_A_PERSON:
        work.add_attention(Attention.DISPUTED, is_news=True)
    elif not is_new and not any(one.status in WANTS_A_PERSON for one in work.disputes):
        work.state.attention.discard(Attention.DISPUTED)


def _move_money(work: Work, dispute: DisputeState, withdrawn: int) -> None:
    delta = withdrawn - dispute.withdrawn
    if delta == 0:
        return
    dispute.moves += 1
    dispute.withdrawn = withdrawn
    work.state.disputed += delta
    key = f"{dispute.public_id}:{dispute.moves}"
    if delta > 0:
        work.money(MovedKind.DISPUTE, delta, key)
    else:
        # All that the one withdrawal took comes back: exactly its entries are undone.
        is_whole = withdrawn == 0 and dispute.moves == 2
        before = f"{dispute.public_id}:{dispute.moves - 1}"
        work.money(MovedKind.DISPUTE_RETURNED, -delta, key, reverses=before if is_whole else "")
