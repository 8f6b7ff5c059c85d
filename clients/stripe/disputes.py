"""Disputes: the payer's bank asks for the money back. What is held back from us is told by balance transactions alone.

Pure. Source: the protocol page §11 and §13.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from clients.stripe.facts import graver, mode_of, moment, payment_of, redacted, text
from clients.stripe.money import Amounts
from core.gateways.types import Attention, DisputeStatus, Report, Subject

Body = Mapping[str, Any]

DISPUTE_STATUS: Final[Mapping[str, DisputeStatus]] = {
    "needs_response": DisputeStatus.NEEDS_RESPONSE,
    "warning_needs_response": DisputeStatus.NEEDS_RESPONSE,  # an inquiry: no money moved
    "appeal_needs_response": DisputeStatus.NEEDS_RESPONSE,
    "under_review": DisputeStatus.UNDER_REVIEW,
    "warning_under_review": DisputeStatus.UNDER_REVIEW,
    "appeal_under_review": DisputeStatus.UNDER_REVIEW,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
    "warning_closed": DisputeStatus.CLOSED,
    "prevented": DisputeStatus.CLOSED,  # Unconfirmed: resolved before it began
}


def read_dispute(body: Body) -> Report:
    """A dispute: its own amount, which may be less than the charge, and what is withdrawn because of it now."""
    amounts = Amounts(body.get("currency"))
    word = body.get("status")
    status = DISPUTE_STATUS.get(word) if isinstance(word, str) else None
    status = status or DisputeStatus.NEEDS_RESPONSE  # a word never seen is better looked at than left
    wants_person = status in {DisputeStatus.NEEDS_RESPONSE, DisputeStatus.LOST}
    amount, withdrawn = amounts.minor(body.get("amount")), _withdrawn(body, amounts)
    evidence = body.get("evidence_details")
    return Report(
        about=Subject.DISPUTE,
        status=status,
        reference=None,
        gateway_reference=text(body.get("id")),
        payment=payment_of(body),
        mode=mode_of(body),
        asset=amounts.asset,
        amount_minor=amount,
        withdrawn_minor=withdrawn,
        respond_by=moment(evidence.get("due_by")) if isinstance(evidence, dict) else None,
        dispute_reason=text(body.get("reason")),
        attention=graver(amounts.attention, Attention.DISPUTED if wants_person else None),
        raw=redacted(body),
    )


def _withdrawn(body: Body, amounts: Amounts) -> int | None:
    """What is taken from us now, the dispute's fee included: the sum of `net`, which a reinstatement brings back to 0.

    None where Stripe did not say. Balance transactions are in the settlement currency: where that is another than the
    dispute's, the sum has no exact form here, and the disputed amount stands for it while anything is withdrawn.
    """
    moved = body.get("balance_transactions")
    if not isinstance(moved, list) or not all(isinstance(one, dict) and type(one.get("net")) is int for one in moved):
        return None
    total = -sum(one["net"] for one in moved)
    if total <= 0:
        return 0
    if all(str(one.get("currency")).upper() == amounts.asset for one in moved):
        return amounts.minor(total)
    # Unconfirmed: the fee, which is in the settlement currency, is left out.
    is_withdrawn = sum(one["amount"] for one in moved if type(one.get("amount")) is int) < 0
    return amounts.minor(body.get("amount")) if is_withdrawn else 0
