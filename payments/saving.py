"""Saved methods on their way into the database: tokens sealed to their row, the same method kept once."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db import connection

from core import clock, ids, strict_json
from core.encryption import Place, open_, seal
from core.gateways.types import SavedMethod
from core.hashing import keyed_hash
from payments.models import ProfileStatus
from payments.work import KeyFacts

TOKENS: Final = ("token", "customer_token", "extra_token")


def sealed_tokens(*, lab_id: int, mode: str, public_id: str, saved: SavedMethod) -> dict[str, str]:
    """The tokens by name, each sealed to this profile."""
    found = {name: getattr(saved, name) for name in TOKENS}
    return {
        name: seal(lab_id, Place(gateway_key=public_id, mode=mode, field=name), text)
        for name, text in found.items()
        if text
    }


def row_of(*, key: KeyFacts, customer_id: int, saved: SavedMethod) -> dict[str, Any]:
    """A new active profile as plain values, for `INSERT`."""
    public_id = ids.public_id("PM")
    method = saved.method
    return {
        "lab_id": key.lab_id,
        "mode": str(key.mode),
        "customer_id": customer_id,
        "gateway_key_id": key.id,
        "gateway": key.gateway,
        "public_id": public_id,
        "status": ProfileStatus.ACTIVE.value,
        "secrets": sealed_tokens(lab_id=key.lab_id, mode=str(key.mode), public_id=public_id, saved=saved),
        "token_hash": keyed_hash("saved_method", saved.token),
        "kind": method.kind if method else "",
        "brand": (method.brand or "") if method else "",
        "last_four": (method.last_four or "") if method else "",
        "expiry_month": method.expiry_month if method else None,
        "expiry_year": method.expiry_year if method else None,
        "handle": (method.handle or "") if method else "",
        "consent_at": clock.now(),
    }


def customer_token_of(*, lab_id: int, gateway_key_id: int, customer_id: int, before: datetime) -> str | None:
    """What the gateway calls this customer since an earlier saving, so that all methods stand under one name there.

    Only what was there `before` the wish: a repeat of it must say the same. Raises CannotOpen.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT public_id, mode, secrets ->> 'customer_token' FROM payments_customerpaymentprofile
            WHERE lab_id = %s AND gateway_key_id = %s AND customer_id = %s AND deleted_at IS NULL AND created_at < %s
              AND secrets ? 'customer_token' ORDER BY id DESC LIMIT 1
            """,
            [lab_id, gateway_key_id, customer_id, before],
        )
        row = cursor.fetchone()
    return (
        None if row is None else open_(lab_id, Place(gateway_key=row[0], mode=row[1], field="customer_token"), row[2])
    )


# The same method saved again is the same profile; a first report often lacks the card's details. As part of the frame's writing statement.
INSERT: Final = """
    INSERT INTO payments_customerpaymentprofile AS mine (lab_id, mode, customer_id, gateway_key_id, gateway, public_id, status,
      secrets, token_hash, kind, brand, last_four, expiry_month, expiry_year, handle, consent_at)
    SELECT x.* FROM jsonb_to_recordset(%s::jsonb) AS x(lab_id bigint, mode text, customer_id bigint,
      gateway_key_id bigint, gateway text, public_id text, status text, secrets jsonb, token_hash text, kind text,
      brand text, last_four text, expiry_month smallint, expiry_year smallint, handle text, consent_at timestamptz)
    ON CONFLICT (gateway_key_id, customer_id, token_hash) WHERE token_hash IS NOT NULL AND deleted_at IS NULL
    DO UPDATE SET kind = coalesce(nullif(mine.kind, ''), excluded.kind),
      brand = coalesce(nullif(mine.brand, ''), excluded.brand),
      last_four = coalesce(nullif(mine.last_four, ''), excluded.last_four),
      handle = coalesce(nullif(mine.handle, ''), excluded.handle),
      expiry_month = coalesce(mine.expiry_month, excluded.expiry_month),
      expiry_year = coalesce(mine.expiry_year, excluded.expiry_year)"""


# A report may wait in the inbox: there its tokens are sealed to the gateway key ------------------------------------------


def hidden(report: dict[str, Any], key: KeyFacts) -> dict[str, Any]:
    """A report as JSON (core.gateways.encoding) without readable tokens."""
    if report["saved"] is None:
        return report
    return {**report, "saved": {"sealed": seal(key.lab_id, _waiting(key), strict_json.dumps(report["saved"]))}}


def shown(report: dict[str, Any], key: KeyFacts) -> dict[str, Any]:
    """The inverse of `hidden`. Raises CannotOpen."""
    if report.get("saved") is None:
        return report
    text = open_(key.lab_id, _waiting(key), report["saved"]["sealed"])
    return {**report, "saved": strict_json.loads(text)}


def _waiting(key: KeyFacts) -> Place:
    return Place(gateway_key=str(key.id), mode=str(key.mode), field="waiting_saved_method")
