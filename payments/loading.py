"""A payment with its gateway key and all names, in one statement: what a question to its gateway needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from django.db import connection

from core import strict_json
from core.gateways.types import Mode
from payments import rows
from payments.services import keys
from payments.work import PaymentState


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """`parts` is what `orders.order_parts` kept of customer and billing."""

    state: PaymentState
    key: keys.KeyRow
    parts: dict[str, Any]


EXTRA: Final = """
    p.billing::text,
    (SELECT coalesce(array_agg(r.reference ORDER BY r.id), '{}') FROM payments_gatewayreference r
     WHERE r.payment_id = p.id AND r.gateway_key_id = p.gateway_key_id AND NOT r.is_refund),
    (SELECT r.reference FROM payments_gatewayreference r WHERE r.payment_id = p.id
       AND r.gateway_key_id = p.gateway_key_id AND r.is_ours AND NOT r.is_refund ORDER BY r.id DESC LIMIT 1)
"""
SELECT: Final = f"{rows.SELECT}, {keys.SELECT}, {EXTRA}"
FROM: Final = "payments_payment p JOIN payments_paymentgatewaykey k ON k.id = p.gateway_key_id"

_BY_PUBLIC_ID: Final = f"SELECT {SELECT} FROM {FROM} WHERE p.public_id = %s AND p.lab_id = %s AND p.mode = %s"  # noqa: S608
_BY_ID: Final = f"SELECT {SELECT} FROM {FROM} WHERE p.id = %s"  # noqa: S608
_CLAIM: Final = f"""
    WITH claimed AS (
      UPDATE payments_payment SET last_checked_at = clock_timestamp(),
        next_check_at = clock_timestamp() + interval '120 seconds'
      WHERE id = %s AND (last_checked_at IS NULL OR last_checked_at < clock_timestamp() - make_interval(secs => %s))
      RETURNING *
    ) SELECT {SELECT} FROM claimed p JOIN payments_paymentgatewaykey k ON k.id = p.gateway_key_id"""  # noqa: S608


def read(row: Any) -> Loaded:
    """A row of SELECT."""
    payment, rest = row[: len(rows.COLUMNS)], row[len(rows.COLUMNS) :]
    key = keys.read_key(rest[: len(keys.COLUMNS)])
    billing, references, ours = rest[len(keys.COLUMNS) :]
    state = rows.read_payment(payment, account=key.account)
    state.references = tuple(references)
    state.sent_reference = ours or ""
    return Loaded(state=state, key=key, parts=strict_json.load_object(billing))


def by_public_id(public_id: str, *, lab_id: int, mode: Mode) -> Loaded | None:
    if "\0" in public_id:  # PostgreSQL takes no text with it
        return None
    return _one(_BY_PUBLIC_ID, [public_id, lab_id, mode.value])


def by_id(payment_id: int) -> Loaded | None:
    return _one(_BY_ID, [payment_id])


def claim_for_fetch(payment_id: int, *, not_within_seconds: float) -> Loaded | None:
    """Take the right to ask about this payment now; None where somebody asked a moment ago. Commits by itself."""
    return _one(_CLAIM, [payment_id, not_within_seconds])


def _one(sql: str, parameters: list[Any]) -> Loaded | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        row = cursor.fetchone()
    return None if row is None else read(row)
