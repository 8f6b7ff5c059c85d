"""Reading payments for a lab: every statement names lab and mode."""

from __future__ import annotations

from typing import Final

from django.db import connection
from django.db.models import F, Q

from core.gateways.types import Attention, Mode
from payments import rows
from payments.work import PaymentState, RefundState

_PAYMENT: Final = (
    f"SELECT {rows.SELECT} FROM payments_payment p WHERE p.public_id = %s AND p.lab_id = %s AND p.mode = %s"  # noqa: S608
)
_REFUND: Final = (
    f"SELECT {', '.join('r.' + name for name in rows.REFUND_COLUMNS)} FROM payments_refund r WHERE r.id = %s"  # noqa: S608
)


def payment(public_id: str, *, lab_id: int, mode: Mode) -> PaymentState | None:
    """One statement; None for another lab's or the other mode's, too."""
    if "\0" in public_id:  # PostgreSQL takes no text with it
        return None
    with connection.cursor() as cursor:
        cursor.execute(_PAYMENT, [public_id, lab_id, mode.value])
        row = cursor.fetchone()
    return None if row is None else rows.read_payment(row)


def refund(refund_id: int) -> RefundState | None:
    with connection.cursor() as cursor:
        cursor.execute(_REFUND, [refund_id])
        row = cursor.fetchone()
    return None if row is None else rows.read_refund(row)


def live_payment(lab_id: int, mode: Mode, merchant_reference: str) -> str | None:
    """The public id of the live payment that has this merchant reference."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT public_id FROM payments_payment WHERE lab_id = %s AND mode = %s AND merchant_reference = %s
                 AND NOT is_duplicate AND status IN ('pending', 'requires_action', 'authorized', 'captured')""",
            [lab_id, mode.value, merchant_reference],
        )
        row = cursor.fetchone()
    return row[0] if row else None


def wants_attention(word: Attention | None = None) -> Q:
    """Payments that a person has to look at, for any reason or for one, and that nobody has marked as seen for it."""
    marked = ~Q(attention=[])  # as the index has it
    if word is None:
        return marked & ~Q(attention__contained_by=F("attention_seen"))
    return marked & Q(attention__contains=[word.value]) & ~Q(attention_seen__contains=[word.value])
