"""What folded facts mean for the books. Live mode only: in test mode no money exists."""

from __future__ import annotations

from typing import Any, Final

from core.gateways.types import Mode
from finance import ledger
from finance.models import TransactionKind
from finance.postings import (
    Posting,
    TransactionName,
    capture_posting,
    dispute_posting,
    dispute_returned_posting,
    fee_posting,
    refund_posting,
    reversal_posting,
)
from payments.work import MoneyMoved, MovedKind, PaymentState, Work

SOURCE_PAYMENT: Final = "payment"
SOURCE_FEE: Final = "payment_fee"
SOURCE_REFUND: Final = "refund"
SOURCE_REFUND_RETURNED: Final = "refund_returned"
SOURCE_DISPUTE: Final = "dispute"


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
    common: dict[str, Any] = {"lab_id": state.lab_id, "payment_id": state.id, "asset": state.currency}
    if moved.reverses:
        return _reversal(state, moved, common)
    common |= {"gateway_key_id": moved.gateway_key_id, "amount_minor": moved.amount}
    if moved.kind is MovedKind.FEE:
        source_id = f"{state.public_id}:{moved.key}"
        text = f"Gateway fee of {state.public_id}"
        return fee_posting(**common, source=SOURCE_FEE, source_id=source_id, description=text)
    common |= {"purpose": state.purpose, "customer_id": state.customer_id}
    if moved.kind is MovedKind.CAPTURE:
        source_id = f"{state.public_id}:{moved.key}"
        text = f"Payment {state.public_id}"
        return capture_posting(**common, source=SOURCE_PAYMENT, source_id=source_id, description=text)
    if moved.kind is MovedKind.REFUND:
        text = f"Refund {moved.key} of {state.public_id}"
        return refund_posting(**common, source=SOURCE_REFUND, source_id=moved.key, description=text)
    text = f"Dispute {moved.key.partition(':')[0]} of {state.public_id}"
    build = dispute_posting if moved.kind is MovedKind.DISPUTE else dispute_returned_posting
    return build(**common, source=SOURCE_DISPUTE, source_id=moved.key, description=text)


def _reversal(state: PaymentState, moved: MoneyMoved, common: dict[str, Any]) -> Posting:
    """What came back whole: exactly the entries of the first posting, sign turned."""
    is_refund = moved.kind is MovedKind.REFUND_REVERSAL
    what = "Refund" if is_refund else "Dispute"
    return reversal_posting(
        **common,
        original=TransactionName(
            source=SOURCE_REFUND if is_refund else SOURCE_DISPUTE,
            source_id=moved.reverses,
            kind=TransactionKind.REFUND if is_refund else TransactionKind.ADJUSTMENT,
        ),
        source=SOURCE_REFUND_RETURNED if is_refund else SOURCE_DISPUTE,
        source_id=moved.key,
        description=f"{what} {moved.key.partition(':')[0]} of {state.public_id} came back",
    )
