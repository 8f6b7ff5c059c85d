"""Outgoing events: rows made here are inserted by the statement that records the fact, and delivered later.

The builder is pure. Standard Webhooks: `webhook_id` stays the same at every try; the payload is what is signed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from core import clock, strict_json

# In the order of `event_row`'s keys, for `INSERT INTO core_outboxevent (...) SELECT ... FROM jsonb_to_recordset(...)`.
COLUMNS: Final = ("lab_id", "mode", "type", "object_type", "object_id", "payload", "webhook_id")
RECORD: Final = "lab_id bigint, mode text, type text, object_type text, object_id text, payload jsonb, webhook_id text"

# Ready to be put before a statement as a data-modifying CTE; `%(outbox)s` is the JSON text of a list of rows.
INSERT_SQL: Final = f"""
    INSERT INTO core_outboxevent ({", ".join(COLUMNS)})
    SELECT {", ".join(COLUMNS)} FROM jsonb_to_recordset(%(outbox)s::jsonb) AS row({RECORD})"""  # noqa: S608


def event_row(
    *,
    lab_id: int,
    mode: str,
    type: str,
    object_type: str,
    object_id: str,
    data: Mapping[str, Any],
    occurred_at: datetime | None = None,
) -> dict[str, Any]:
    """One row for `core_outboxevent` as a dict that is also plain JSON. `data` is the object as the API shows it."""
    moment = (occurred_at or clock.now()).astimezone(UTC).isoformat().replace("+00:00", "Z")
    return {
        "lab_id": lab_id,
        "mode": str(mode),
        "type": type,
        "object_type": object_type,
        "object_id": object_id,
        "payload": {"type": type, "timestamp": moment, "data": dict(data)},
        "webhook_id": f"msg_{secrets.token_hex(16)}",
    }


def rows_text(rows: list[dict[str, Any]]) -> str:
    """The parameter `outbox` of INSERT_SQL."""
    return strict_json.dumps(rows)
