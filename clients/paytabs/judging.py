"""Several rows of one payment become one report; pure.

A query by `cart_id` answers an array: tries, the sale, captures, voids and refunds that share the name, in no promised
order. Captures are increments with a reference each, so the captured money is their sum over distinct references, however
often a row is read. Source: protocol reference, sections 5, 8 and 13.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from clients.paytabs import translate
from clients.paytabs.transaction import AUTH, CAPTURE, FOLLOW_UPS, REFUND, RELEASE, SALE, VOID, Transaction
from clients.paytabs.translate import Account
from core.gateways.types import Attention, PaymentStatus, Report
from core.money import Money, exponent_of

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


def judge(
    rows: Sequence[Transaction], account: Account, *, asked: Money | None = None, captured: Money | None = None
) -> Report | None:
    """What the rows say about their payment; None where none is about one (refunds alone).

    `asked` is the payment's price, `captured` what a capture asked for.
    """
    found = [row for row in distinct(rows) if row.kind != REFUND]
    if not found:
        return None
    # Another profile's rows decide only where there is no other: then they are shown, and move nothing.
    mine = [row for row in found if not translate.is_foreign(row, account)] or found
    deciding = _deciding(mine)
    report = _certain(_decided(deciding, mine, account), deciding)
    report = replace(report, refunded_minor=_sum(_refunds(rows)), other_references=_others(report, mine, account))
    if deciding.kind == CAPTURE:
        return report if captured is None else against(report, deciding, captured)
    return report if asked is None else against(report, deciding, asked)


def against(report: Report, row: Transaction, asked: Money) -> Report:
    """Compared with what was asked for. How much a capture took is compared by the platform: a part is no fault."""
    if row.kind == CAPTURE:
        is_rounded = report.asset == asked.asset and _is_rounded(row, asked)
        return replace(report, attention=Attention.MISMATCH, captured_minor=None) if is_rounded else report
    if row.kind != SALE or row.letter != "A" or report.attention is not None or report.asset is None:
        return report
    if report.asset != asked.asset or _is_rounded(row, asked):
        return replace(report, attention=Attention.MISMATCH, captured_minor=_unless_rounded(report, row, asked))
    if report.captured_minor is None or report.captured_minor == asked.minor:
        return report
    less = report.captured_minor < asked.minor
    return replace(report, attention=Attention.UNDERPAID if less else Attention.OVERPAID)


def is_taken(rows: Iterable[Transaction]) -> bool:
    """Whether a sale took the money: no other try of the payment matters."""
    return any(row.kind == SALE and row.letter == "A" for row in rows)


def is_waiting(rows: Sequence[Transaction]) -> bool:
    """Whether it is still with the customer or with staff, so that no row of the same name could say more.

    Else one could: a sale may have been undone in the dashboard, a hold captured there, a payment request is paid by a
    sale of its own, and a declined try may stand beside one that was not.
    """
    found = [row for row in rows if row.kind != REFUND]
    return bool(found) and all(not row.has_result or (row.kind == SALE and row.letter in {"H", "P"}) for row in found)


def holds(rows: Iterable[Transaction]) -> bool:
    """Whether there is a hold of which nothing is known to have been taken or released."""
    found = list(rows)
    return any(row.kind == AUTH and row.letter == "A" for row in found) and not any(
        row.kind in FOLLOW_UPS and row.letter == "A" for row in found
    )


def distinct(rows: Iterable[Transaction]) -> list[Transaction]:
    """Each reference once, the first row of it; rows without one all."""
    found: dict[str, Transaction] = {}
    for number, row in enumerate(rows):
        found.setdefault(row.tran_ref or f"#{number}", row)
    return list(found.values())


def newest(rows: Sequence[Transaction]) -> Transaction:
    """By its time; the last of those that say none."""
    return max(reversed(rows), key=lambda row: row.occurred_at or _LONG_AGO)


# --- which row, and what it comes to ------------------------------------------------------------------------------


def _deciding(rows: Sequence[Transaction]) -> Transaction:
    for kind in (SALE, CAPTURE, AUTH):
        approved = [row for row in rows if row.kind == kind and row.letter == "A"]
        if approved:
            return approved[0]
    tries = [row for row in rows if row.kind not in FOLLOW_UPS] or list(rows)
    waiting = [row for row in tries if not row.has_result]
    return waiting[-1] if waiting else newest(tries)


def _decided(row: Transaction, rows: Sequence[Transaction], account: Account) -> Report:
    report = translate.read(row, account)
    if row.letter != "A" or report.status is PaymentStatus.PENDING:
        return report
    if row.kind in {SALE, CAPTURE}:
        return _taken(row, rows, report)
    return _held(row, rows, report) if row.kind == AUTH else report


def _certain(report: Report, row: Transaction) -> Report:
    """An answer to a question is no hint. A release or void without the row of its hold moves nothing."""
    is_alone = report.is_hint and row.kind in FOLLOW_UPS
    return (
        replace(report, is_hint=False, status=None, captured_minor=None) if is_alone else replace(report, is_hint=False)
    )


def _taken(row: Transaction, rows: Sequence[Transaction], report: Report) -> Report:
    taken = [one for one in rows if one.kind == row.kind and one.letter == "A"]
    is_same = all(one.asset == row.asset for one in taken)
    total = _sum(taken) if is_same else None
    attention = report.attention if is_same and not any(one.is_odd for one in taken) else Attention.MISMATCH
    if any(one.kind == VOID and one.letter == "A" and one.previous_ref == row.tran_ref for one in rows):
        # A sale that was undone on its day, from the dashboard: the money went back. A person books it as a refund.
        # Unconfirmed: how that is shown.
        attention = Attention.GATEWAY_DISAGREES
    report = replace(report, captured_minor=total, attention=attention)
    return _under_its_hold(report, rows) if row.kind == CAPTURE else report


def _under_its_hold(report: Report, rows: Sequence[Transaction]) -> Report:
    """A capture's payment is known by its hold, wherever the row of that hold is at hand."""
    hold = next((one for one in rows if one.kind == AUTH and one.letter == "A"), None)
    if hold is None:
        return report
    return replace(report, gateway_reference=hold.tran_ref, reference=hold.cart_id or report.reference)


def _held(row: Transaction, rows: Sequence[Transaction], report: Report) -> Report:
    """A hold of which nothing was captured: released by a release, or by voids of as much as was held."""
    over = [one for one in rows if one.kind in {VOID, RELEASE} and one.letter == "A"]
    if not over or row.minor is None:
        return report
    released = _sum(over) or 0
    is_whole = any(one.kind == RELEASE or one.minor is None for one in over) or released >= row.minor
    if is_whole:
        return replace(report, status=PaymentStatus.VOIDED, authorized_minor=None, captured_minor=0)
    return replace(report, authorized_minor=row.minor - released)


def _refunds(rows: Sequence[Transaction]) -> list[Transaction]:
    return [row for row in distinct(rows) if row.kind == REFUND and row.letter == "A"]


def _sum(rows: Iterable[Transaction]) -> int | None:
    """None where there is nothing to add, or something that cannot be added."""
    amounts = [row.minor for row in rows]
    known = [one for one in amounts if one is not None]
    return sum(known) if known and len(known) == len(amounts) else None


def _others(report: Report, rows: Sequence[Transaction], account: Account) -> tuple[str, ...]:
    useful = [row for row in rows if not translate.is_foreign(row, account)]
    names = [row.tran_ref for row in useful if row.tran_ref and not (row.kind in FOLLOW_UPS and row.letter != "A")]
    known = [*report.other_references, *names]
    return tuple(dict.fromkeys(one for one in known if one != report.gateway_reference))


def _is_rounded(row: Transaction, asked: Money) -> bool:
    """A three-decimal amount that came back with two and is not what was asked."""
    return is_short(row) and row.minor is not None and 0 < abs(row.minor - asked.minor) < 10


def is_short(row: Transaction) -> bool:
    """Whether an amount in a three-decimal currency is told with one or two. Unconfirmed: whether that happens."""
    shown = len((row.amount_text or "").partition(".")[2])
    return row.asset is not None and exponent_of(row.asset) == 3 and 0 < shown < 3


def _unless_rounded(report: Report, row: Transaction, asked: Money) -> int | None:
    return None if report.asset == asked.asset and _is_rounded(row, asked) else report.captured_minor
