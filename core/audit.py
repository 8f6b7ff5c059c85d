"""What people did, chained per lab. For the desk and for keys; never on the path of a payment (INVARIANTS I25).

Each row carries a keyed hash over itself and the hash before, so a row changed, removed or added behind our back shows,
even where somebody owned the database for a while: the key is not in it in the clear.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from core import clock, strict_json
from core.hashing import keyed_hash
from core.models import AuditLog, Lab, lab_id_of

_PURPOSE = "audit_log"


def record(
    *,
    lab: Lab | int,
    actor: Any,
    action: str,
    object_type: str = "",
    object_id: object = "",
    changes: Mapping[str, Any] | None = None,
) -> AuditLog:
    """Append one row to the lab's log, in the caller's transaction, which should be short: it holds the log's lock.

    `actor` is a Django user, or a text for what is no person ("command create_lab"). `changes` holds no secret.
    """
    lab_id = lab_id_of(lab)
    user, label = (None, actor) if isinstance(actor, str) else (actor, actor.get_username())
    with transaction.atomic():
        Lab.objects.select_for_update(no_key=True).only("pk").get(pk=lab_id)
        before = AuditLog.objects.for_lab(lab_id).order_by("-seq").values("seq", "row_hash").first()
        row = AuditLog(
            lab_id=lab_id,
            seq=before["seq"] + 1 if before else 1,
            actor=user,
            actor_label=label[:200],
            action=action,
            object_type=object_type,
            object_id=str(object_id),
            changes=json.loads(strict_json.dumps(dict(changes or {}))),
            at=clock.now(),
            prev_hash=before["row_hash"] if before else "",
        )
        row.row_hash = _hash(row)
        row.save(force_insert=True)
    return row


def verify_chain(lab: Lab | int) -> list[str]:
    """What is wrong with a lab's log, one sentence each; empty where the chain holds."""
    wrong: list[str] = []
    seq, previous = 0, ""
    for row in AuditLog.objects.for_lab(lab).order_by("seq").iterator():
        seq += 1
        if row.seq != seq:
            wrong.append(f"row {seq} is missing: found {row.seq}")
            seq = row.seq
        if row.prev_hash != previous:
            wrong.append(f"row {row.seq} does not continue the row before")
        if not hmac.compare_digest(row.row_hash, _hash(row)):
            wrong.append(f"row {row.seq} was changed")
        previous = row.row_hash
    return wrong


def head(lab: Lab | int) -> tuple[int, str]:
    """Sequence number and hash of the last row, (0, "") where there is none: what is exported outside the database."""
    last = AuditLog.objects.for_lab(lab).order_by("-seq").values_list("seq", "row_hash").first()
    return (last[0], last[1]) if last else (0, "")


def _hash(row: AuditLog) -> str:
    content = [
        row.lab_id, row.seq, row.actor_id, row.actor_label, row.action, row.object_type, row.object_id,
        row.changes, _instant(row.at), row.prev_hash,
    ]  # fmt: skip
    return keyed_hash(_PURPOSE, json.dumps(content, sort_keys=True, separators=(",", ":")))


def _instant(at: datetime) -> int:
    """Microseconds since 1970: the same for every time zone that a driver may hand back."""
    return int(at.timestamp()) * 1_000_000 + at.microsecond
