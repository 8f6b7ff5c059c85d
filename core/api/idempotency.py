"""Idempotency-Key (INVARIANTS §3): the first request with a key does the work, every repeat gets its answer.

`begin` runs inside the caller's transaction, so that the key row commits together with the operation row, and is one
statement. `finish` stores the answer, in the transaction that applies it. In between lies a lease by the database's
clock: who repeats meanwhile hears 409, who comes after it ran out resumes the operation. Nothing here is in Redis.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final, Protocol

from django.http import HttpResponse

from core.encryption import Place, open_, seal
from core.errors import DomainError
from core.gateways.types import Mode
from core.hashing import keyed_hash

HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotency-Replayed"
KEEP: Final = timedelta(days=30)
# Longer than a call to a gateway may take (connect 3 s, total 30 s), so that no lease ends under a call.
LEASE_SECONDS: Final = 45
_RETRY_AFTER_SECONDS: Final = 2
_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_PURPOSE: Final = "idempotency_key"


class KeyRequired(DomainError):
    code: ClassVar[str] = "idempotency_key_required"
    status: ClassVar[int] = 400
    default_detail: ClassVar[str] = "Send the header Idempotency-Key with a new value for each operation, like a UUID."


class KeyInvalid(DomainError):
    code: ClassVar[str] = "idempotency_key_invalid"
    status: ClassVar[int] = 400
    default_detail: ClassVar[str] = "Send an Idempotency-Key of 1 to 255 visible ASCII characters."


class InProgress(DomainError):
    """The first request with this key still works, or died less than a lease ago."""

    code: ClassVar[str] = "idempotency_in_progress"
    status: ClassVar[int] = 409
    retryable: ClassVar[bool] = True
    default_detail: ClassVar[str] = "A request with this Idempotency-Key is still running; repeat it after Retry-After."


class Mismatch(DomainError):
    code: ClassVar[str] = "idempotency_mismatch"
    status: ClassVar[int] = 422
    default_detail: ClassVar[str] = (
        "This Idempotency-Key was used with other input; repeat the first input, or send a new key for a new operation."
    )


class Cursor(Protocol):
    """What is needed of a database cursor, Django's or psycopg's."""

    @property
    def rowcount(self) -> int: ...
    def execute(self, sql: Any, params: Any = ..., /) -> Any: ...
    def fetchone(self) -> Any: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """This request does the work. `operation_id` is the id that the operation's row must be given."""

    row_id: int
    lease_token: uuid.UUID
    operation_id: int | None
    lab_id: int
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """An earlier request with this key left its operation unfinished: go on from its last recorded step."""

    row_id: int
    lease_token: uuid.UUID
    operation_type: str
    operation_id: int | None
    lab_id: int = 0
    mode: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The operation is finished; this was its answer."""

    status: int
    body: str


def read_key(headers: Mapping[str, str]) -> str:
    """The key of a request, without surrounding quotes. Raises KeyRequired or KeyInvalid."""
    given = headers.get(HEADER)
    if given is None or not given.strip():
        raise KeyRequired
    key = given.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        raise KeyInvalid
    return key


def fingerprint(path: str, validated: object) -> str:
    """SHA-256 of the path and the validated input, whatever the order of its keys: 64 hex digits."""
    text = json.dumps([path, validated], sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: object) -> object:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, Decimal) or hasattr(value, "isoformat"):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in a fingerprint")


# The second SELECT sees the table as it was when the statement began. Where the row was committed by somebody else
# while we waited for it, neither part finds it, and no row means: a request with this key began just now.
_BEGIN: Final = """
    WITH taken AS (
        INSERT INTO core_idempotencykey AS mine
            (lab_id, mode, method, route, key_hash, fingerprint, state, operation_type, operation_id,
             lease_token, locked_until)
        VALUES (%(lab_id)s, %(mode)s, %(method)s, %(route)s, %(key_hash)s, %(fingerprint)s, 'running',
                %(operation_type)s, {operation_id}, %(token)s, clock_timestamp() + %(lease)s)
        ON CONFLICT (lab_id, mode, method, route, key_hash) DO UPDATE
            SET lease_token = excluded.lease_token, locked_until = excluded.locked_until
            WHERE mine.state = 'running' AND mine.fingerprint = excluded.fingerprint
              AND (mine.locked_until IS NULL OR mine.locked_until <= clock_timestamp())
        RETURNING id, (xmax = 0) AS is_new, fingerprint, state, operation_type, operation_id,
                  response_status, response_body
    )
    SELECT true AS is_taken, taken.* FROM taken
    UNION ALL
    SELECT false, id, false, fingerprint, state, operation_type, operation_id, response_status, response_body
    FROM core_idempotencykey
    WHERE lab_id = %(lab_id)s AND mode = %(mode)s AND method = %(method)s AND route = %(route)s
      AND key_hash = %(key_hash)s AND NOT EXISTS (SELECT 1 FROM taken)"""

_WITHOUT_ID: Final = _BEGIN.format(operation_id="%(operation_id)s")
_WITH_SEQUENCE: Final = _BEGIN.format(operation_id="nextval(%(operation_sequence)s::text::regclass)")


def begin(
    cursor: Cursor,
    *,
    lab_id: int,
    mode: Mode | str,
    method: str,
    route: str,
    key: str,
    fingerprint: str,
    operation_type: str = "",
    operation_id: int | None = None,
    operation_sequence: str | None = None,
    lease_seconds: int = LEASE_SECONDS,
) -> Started | Replay | Resume:
    """Take the key for this request, or say what became of it. One statement, in the caller's transaction.

    `route` is the address's template, `fingerprint` is of path and validated input. With `operation_sequence`
    ("payments_payment_id_seq") the key row is given the operation's id before that row exists: insert it with
    `Started.operation_id` in the same transaction. Raises InProgress or Mismatch.
    """
    token = uuid.uuid4()
    parameters = {
        "lab_id": lab_id,
        "mode": str(mode),
        "method": method,
        "route": route,
        "key_hash": keyed_hash(_PURPOSE, key),
        "fingerprint": fingerprint,
        "operation_type": operation_type,
        "operation_id": operation_id,
        "operation_sequence": operation_sequence,
        "token": token,
        "lease": timedelta(seconds=lease_seconds),
    }
    cursor.execute(_WITHOUT_ID if operation_sequence is None else _WITH_SEQUENCE, parameters)
    return _read(cursor.fetchone(), fingerprint, token, lab_id, str(mode))


def _read(
    row: tuple[Any, ...] | None, fingerprint: str, token: uuid.UUID, lab_id: int, mode: str
) -> Started | Replay | Resume:
    if row is None:
        raise InProgress(retry_after_seconds=_RETRY_AFTER_SECONDS)
    is_taken, row_id, is_new, found, state, operation_type, operation_id, status, body = row
    if is_taken and is_new:
        return Started(row_id=row_id, lease_token=token, operation_id=operation_id, lab_id=lab_id, mode=mode)
    if is_taken:
        return Resume(
            row_id=row_id,
            lease_token=token,
            operation_type=operation_type,
            operation_id=operation_id,
            lab_id=lab_id,
            mode=mode,
        )
    if found != fingerprint:
        raise Mismatch
    if state == "finished":
        return Replay(status=status, body=open_(lab_id, _place(mode), body))
    raise InProgress(retry_after_seconds=_RETRY_AFTER_SECONDS)


# For a statement that already writes something else: `WITH ..., answered AS (FINISH_SQL RETURNING id) ...`.
FINISH_SQL: Final = """
    UPDATE core_idempotencykey
    SET state = 'finished', response_status = %(answer_status)s, response_body = %(answer_body)s,
        lease_token = NULL, locked_until = NULL
    WHERE id = %(idempotency_id)s AND lease_token = %(lease_token)s AND state = 'running'"""


def _place(mode: str) -> Place:
    """Answers are kept sealed: they hold addresses that are public by possession (INVARIANTS §8)."""
    return Place(gateway_key="idempotency", mode=mode, field="answer")


def finish_parameters(held: Started | Resume, *, status: int, body: str) -> dict[str, Any]:
    """The parameters of FINISH_SQL. Raises ValueError for a 5xx: that is never an answer to repeat (INVARIANTS §3)."""
    if not 200 <= status < 500:
        raise ValueError("only an answer from 200 to 499 is stored")
    return {
        "answer_status": status,
        "answer_body": seal(held.lab_id, _place(held.mode), body),
        "idempotency_id": held.row_id,
        "lease_token": held.lease_token,
    }


def finish(cursor: Cursor, held: Started | Resume, *, status: int, body: str) -> bool:
    """Store the answer; one statement. False where the lease was lost: somebody else resumed, and answers."""
    cursor.execute(FINISH_SQL, finish_parameters(held, status=status, body=body))
    return cursor.rowcount == 1


def let_go(cursor: Cursor, held: Started | Resume) -> None:
    """End the lease without an answer (a 5xx was given), so that a repeat resumes at once."""
    cursor.execute(
        "UPDATE core_idempotencykey SET lease_token = NULL, locked_until = NULL"
        " WHERE id = %(id)s AND lease_token = %(token)s AND state = 'running'",
        {"id": held.row_id, "token": held.lease_token},
    )


def replay_response(replay: Replay) -> HttpResponse:
    """The stored answer as it was, with the header that says so."""
    content_type = "application/json" if replay.status < 400 else "application/problem+json"
    response = HttpResponse(replay.body, status=replay.status, content_type=content_type)
    response[REPLAYED_HEADER] = "true"
    return response


def purge(cursor: Cursor, *, older_than: timedelta = KEEP, batch: int = 10_000) -> int:
    """Delete up to `batch` keys older than 30 days (never younger); how many. Call until it answers 0."""
    cursor.execute(
        """
        DELETE FROM core_idempotencykey WHERE id IN (
            SELECT id FROM core_idempotencykey WHERE created_at < clock_timestamp() - %s
            ORDER BY created_at LIMIT %s FOR UPDATE SKIP LOCKED)
        """,
        [max(older_than, KEEP), batch],
    )
    return cursor.rowcount
