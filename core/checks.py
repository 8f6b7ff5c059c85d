"""Core's invariants as queries that return no rows (INVARIANTS §1); `manage.py check_invariants` runs them."""

from __future__ import annotations

from typing import Final

from core import audit
from core.models import AuditLog

CHECKS: Final[tuple[tuple[str, str], ...]] = (
    (
        "I19 one row per lab, route and Idempotency-Key",
        """
        SELECT lab_id, route, key_hash, count(*) FROM audit_idempotency GROUP BY 1, 2, 3 HAVING count(*) > 1
        """,
    ),
    (
        "I25 audit log gapless, each row continuing the one before",
        """
        SELECT lab_id, seq FROM (
            SELECT lab_id, seq, prev_hash,
                   row_number() OVER chain AS place, lag(row_hash) OVER chain AS hash_before
            FROM audit_log WINDOW chain AS (PARTITION BY lab_id ORDER BY seq)
        ) AS row WHERE seq <> place OR prev_hash IS DISTINCT FROM hash_before
        """,
    ),
)


def audit_chain_faults() -> list[str]:
    """The part of I25 that SQL cannot do: every row's keyed hash computed again, for every lab."""
    labs = AuditLog.across_labs.order_by("lab_id").values_list("lab_id", flat=True).distinct()
    return [f"lab {lab_id}: {fault}" for lab_id in labs for fault in audit.verify_chain(lab_id)]
