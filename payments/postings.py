"""What folded facts mean for the books. Live mode only: in test mode no money exists."""

from __future__ import annotations

from typing import Final

from core.gateways.types import Mode
from finance import ledger
from finance.postings import Posting, capture_posting, fee_posting, refund_posting, refund_reversal_posting
from payments.work import MoneyMoved, MovedKind, PaymentState, Work

SOURCE_PAYMENT: Final = "payment"
SOURCE_FEE: Final = "payment_fee"
SOURCE_REFUND: Final = "refund"
SOURCE_REFUND_RETURNED: Final = "refund_returned"


def of(work: Work) -> list[Posting]:
    """One posting for each amount that moved."""
    if work.state.mode is not Mode.LIVE:
        return []
    return [_posting(work.state, moved) for moved in work.moved]


def book(booked: list[Posting]) -> None:
    """Write them in one statement. Posting the same fact again is harmless (I6)."""
    if booked:
        ledger.post(booked)


def _posting(state: PaymentState, moved: MoneyMoved) -> Posting:
    if moved.kind is MovedKind.REFUND_REVERSAL:
        return refund_reversal_posting(
            lab_id=state.lab_id,
            payment_id=state.id,
            asset=state.currency,
            refund_source=SOURCE_REFUND,
            refund_source_id=moved.key,
            source=SOURCE_REFUND_RETURNED,
            source_id=moved.key,
            description=f"Refund {moved.key} came back",
        )
    if moved.kind is MovedKind.FEE:
        return fee_posting(
            lab_id=state.lab_id,
            payment_id=state.id,
            gateway_key_id=state.gateway_key_id,
            asset=state.currency,
            amount_minor=moved.amount,
            source=SOURCE_FEE,
            source_id=f"{state.public_id}:{moved.key}",
            description=f"Gateway fee of {state.public_id}",
        )
    is_capture = moved.kind is MovedKind.CAPTURE
    build = capture_posting if is_capture else refund_posting
    return build(
        lab_id=state.lab_id,
        payment_id=state.id,
        gateway_key_id=state.gateway_key_id,
        purpose=state.purpose,
        asset=state.currency,
        amount_minor=moved.amount,
        customer_id=state.customer_id,
        source=SOURCE_PAYMENT if is_capture else SOURCE_REFUND,
        source_id=f"{state.public_id}:{moved.key}" if is_capture else moved.key,
        description=f"Payment {state.public_id}" if is_capture else f"Refund {moved.key} of {state.public_id}",
    )
