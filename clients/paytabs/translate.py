"""Theirs -> ours: one transaction becomes one report; pure. Several rows of one payment are weighed in judging.py.

The letter of `payment_result` means something only together with `tran_type`: A of a sale is money, A of an auth a hold, A
of a payment request nothing. Source: protocol reference, sections 5, 6, 8, 9, 10 and 13.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from clients.paytabs.building import parent_of
from clients.paytabs.transaction import (
    AUTH,
    CAPTURE,
    EXTENSION,
    FOLLOW_UPS,
    PAYMENT_REQUEST,
    REFUND,
    REGISTER,
    RELEASE,
    SALE,
    TOKEN_CLASSES,
    Transaction,
)
from core.gateways.types import (
    Attention,
    Decline,
    Fraud,
    FraudStatus,
    MethodStatus,
    Mode,
    PaymentNames,
    PaymentStatus,
    RefundStatus,
    Report,
    SavedMethod,
    Subject,
)

S = PaymentStatus

# Unconfirmed: that a live reference never begins so, nor a test one otherwise; no sample speaks against it.
TEST_PREFIX: Final = "TST"

_DEAD: Final[Mapping[str, S]] = {"D": S.FAILED, "E": S.FAILED, "C": S.FAILED, "X": S.EXPIRED}
STATUS: Final[Mapping[str, Mapping[str, S]]] = {
    # H: the issuer approved, staff must release it in the dashboard. Not authorized, for no follow-up works on it.
    # C is failed, not voided: late money must still be accepted.
    SALE: {"A": S.CAPTURED, "H": S.PENDING, "P": S.PENDING, "V": S.VOIDED, **_DEAD},
    AUTH: {"A": S.AUTHORIZED, "H": S.PENDING, "P": S.PENDING, "V": S.VOIDED, **_DEAD},
    # An offline or pay-later method was chosen; the money comes as a sale of its own. A is never final.
    # Unconfirmed: D, E and C of a payment request stand in no table.
    PAYMENT_REQUEST: {"A": S.PENDING, "H": S.PENDING, "P": S.PENDING, **_DEAD},
}

_R: Final = RefundStatus
REFUND_STATUS: Final[Mapping[str, RefundStatus]] = {
    "A": _R.SUCCEEDED, "P": _R.PENDING, "H": _R.PENDING,
    "D": _R.FAILED, "E": _R.FAILED, "C": _R.FAILED, "X": _R.FAILED, "V": _R.FAILED,
}  # fmt: skip

METHOD_STATUS: Final[Mapping[str, MethodStatus]] = {
    "A": MethodStatus.ACTIVE, "P": MethodStatus.PENDING, "H": MethodStatus.PENDING,
    **dict.fromkeys("DECXV", MethodStatus.FAILED),
}  # fmt: skip

# `response_code` of what was declined. The vendor's table has sixty more.
# Unconfirmed: 200, 302, 310, 345 and 501 rest on one summary of it.
DECLINE: Final[Mapping[str, str]] = {
    "120": "on_hold",
    "200": "invalid_card",
    "300": "declined",
    "302": "declined",
    "310": "authentication_failed",
    "316": "insufficient_funds",
    "320": "not_refundable",
    "321": "cancelled_by_customer",
    "322": "not_refundable",
    "345": "authentication_failed",
    "501": "fraud",
}
DECLINED: Final = "declined"
FRAUD_CODE: Final = "501"
REFUSED: Final = frozenset("DECX")  # letters of an operation that did not happen
WAITING: Final = frozenset("PH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose reports these are: the profile and mode of the account that asked or whose address was called."""

    profile_id: str | None
    mode: Mode


def read(row: Transaction, account: Account) -> Report:
    """What one transaction says by itself."""
    if is_foreign(row, account):
        return _foreign(row)
    if row.kind == REFUND:
        report = _read_refund(row)
    elif row.kind == REGISTER:
        report = _read_registration(row)
    elif row.kind in FOLLOW_UPS:
        report = _read_follow_up(row)
    else:
        report = _read_payment(row)
    return _marked(report, row, account)


def is_foreign(row: Transaction, account: Account) -> bool:
    return account.profile_id is not None and row.profile not in (account.profile_id, None)


def mode_of(tran_ref: str | None) -> Mode | None:
    if tran_ref is None:
        return None
    return Mode.TEST if tran_ref.startswith(TEST_PREFIX) else Mode.LIVE


def is_test_on_live(row: Transaction, account: Account) -> bool:
    return account.mode is Mode.LIVE and mode_of(row.tran_ref) is Mode.TEST


def decline_of(row: Transaction) -> Decline:
    """Their code and message always go with ours. An approval code (G12345) is no decline code."""
    ours = DECLINE["321"] if row.letter == "C" else DECLINE.get(row.code or "", DECLINED)
    return Decline(code=ours, gateway_code=row.code, message=row.message)


def saved_of(row: Transaction) -> SavedMethod | None:
    """The token with the transaction that made it; both are needed to charge it."""
    if row.token is None or row.tran_ref is None or row.letter != "A" or row.tran_class in TOKEN_CLASSES:
        return None
    return SavedMethod(token=row.token, extra_token=row.tran_ref, method=row.method)


# --- one kind each ------------------------------------------------------------------------------------------------


def _foreign(row: Transaction) -> Report:
    """Signed with our key and about another profile: no name of theirs and no money is taken."""
    return Report(
        about=Subject.REFUND if row.kind == REFUND else Subject.PAYMENT,
        status=RefundStatus.PENDING if row.kind == REFUND else S.PENDING,
        reference=row.cart_id,
        gateway_reference=None,
        account=row.profile,
        attention=Attention.MISMATCH,
        raw=row.raw,
    )


def _read_payment(row: Transaction) -> Report:
    words = STATUS.get(row.kind, {})
    # A word that we have not seen is neither money nor an end: pending, and asked for.
    status = words.get(row.letter, S.PENDING)
    is_taken, is_held = status is S.CAPTURED, status is S.AUTHORIZED
    return Report(
        about=Subject.PAYMENT,
        status=status,
        reference=row.cart_id,
        gateway_reference=row.tran_ref,
        asset=row.asset,
        authorized_minor=row.minor if is_held else None,
        captured_minor=row.minor if is_taken else (0 if is_held or status is S.VOIDED else None),
        is_hint=row.has_result and row.letter not in words,
        method=row.method,
        fraud=_fraud(row),
        decline=decline_of(row) if status is S.FAILED else None,
        attention=Attention.MISMATCH if row.is_odd and (is_taken or is_held) else None,
        saved=saved_of(row) if is_taken or is_held else None,
        raw=row.raw,
    )


def _fraud(row: Transaction) -> Fraud | None:
    if row.letter == "H":
        return Fraud(status=FraudStatus.REVIEW, message=row.message)
    if row.code == FRAUD_CODE:
        return Fraud(status=FraudStatus.REJECT, message=row.message)
    return None


def _read_follow_up(row: Transaction) -> Report:
    """A capture, void, release or extension: its payment is found by `previous_tran_ref`.

    The letter is about the operation. Refused or waiting, it leaves the payment as it is: no status.
    """
    known = row.letter == "A" or row.letter in REFUSED or row.letter in WAITING
    report = Report(
        about=Subject.PAYMENT,
        status=None,
        reference=parent_of(row.cart_id) or row.cart_id,
        gateway_reference=row.previous_ref,
        other_references=(row.tran_ref,) if _adds_a_name(row) and row.tran_ref else (),
        asset=row.asset,
        is_hint=not known,
        decline=decline_of(row) if row.letter in REFUSED else None,
        raw=row.raw,
    )
    if row.letter != "A":
        return report
    if row.kind == CAPTURE:
        # This capture alone: one capture for each hold, so it is the sum. Several of the dashboard are added by a fetch.
        odd = Attention.MISMATCH if row.is_odd else None
        return replace(report, status=S.CAPTURED, captured_minor=row.minor, method=row.method, attention=odd)
    if row.kind == EXTENSION:  # Unconfirmed: stands in one SDK's list of types
        return replace(report, status=S.AUTHORIZED, authorized_minor=row.minor, captured_minor=0)
    if row.kind == RELEASE:
        # Voided if nothing was captured, else only the rest is let go: nobody can tell from this alone.
        return replace(report, is_hint=True)
    return _read_void(row, report)


def _adds_a_name(row: Transaction) -> bool:
    """A refund names the capture. What was refused has no use for its reference."""
    return row.letter not in REFUSED and row.tran_ref != row.previous_ref


def _read_void(row: Transaction, report: Report) -> Report:
    """Whole: voided. A part: still authorized, with less. Where the hold's amount is not said: asked for."""
    held, released = row.parent_minor, row.minor
    is_whole = parent_of(row.cart_id) is not None or (held is not None and released is not None and released >= held)
    if is_whole or held is None or released is None:
        return replace(report, status=S.VOIDED, captured_minor=0, is_hint=not is_whole)
    return replace(report, status=S.AUTHORIZED, authorized_minor=held - released, captured_minor=0)


def _read_refund(row: Transaction) -> Report:
    """Its own `cart_id` is our refund's name, or the payment's for one that was made in the dashboard."""
    status = REFUND_STATUS.get(row.letter, RefundStatus.PENDING)
    return Report(
        about=Subject.REFUND,
        status=status,
        reference=row.cart_id,
        gateway_reference=row.tran_ref,
        payment=PaymentNames(gateway_reference=row.previous_ref),
        asset=row.asset,
        refunded_minor=row.minor,
        decline=decline_of(row) if status is RefundStatus.FAILED else None,
        attention=Attention.MISMATCH if row.is_odd else None,
        raw=row.raw,
    )


def _read_registration(row: Transaction) -> Report:
    """A card was verified and kept: no fact about a payment."""
    status = METHOD_STATUS.get(row.letter, MethodStatus.PENDING)
    return Report(
        about=Subject.METHOD,
        status=status,
        reference=row.cart_id,
        gateway_reference=row.tran_ref,
        method=row.method,
        decline=decline_of(row) if status is MethodStatus.FAILED else None,
        saved=saved_of(row),
        raw=row.raw,
    )


def _marked(report: Report, row: Transaction, account: Account) -> Report:
    """What every report says: whose, when, in which mode."""
    attention = Attention.MISMATCH if is_test_on_live(row, account) else report.attention
    return replace(
        report,
        account=row.profile,
        mode=mode_of(row.tran_ref),
        occurred_at=row.occurred_at,
        attention=attention,
    )


def unread_words(row: Transaction) -> str | None:
    """For staff: the pair of words that no table has, or None."""
    tables: Mapping[str, Any] = {**STATUS, REFUND: REFUND_STATUS, REGISTER: METHOD_STATUS}
    known = {"A", "V", *REFUSED, *WAITING} if row.kind in FOLLOW_UPS else set(tables.get(row.kind, ()))
    if not row.has_result:
        return "the notification has no result"
    return None if row.letter in known else f"unknown words: tran_type {row.kind or '-'}, status {row.letter[:8]}"
