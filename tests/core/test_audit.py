from __future__ import annotations

import threading
from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, transaction

from core import audit, checks, clock
from core.models import AuditLog

AT = datetime(2026, 11, 20, 18, 30, 5, 123456, tzinfo=UTC)


def three(lab) -> None:
    for number in (1, 2, 3):
        audit.record(
            lab=lab, actor="test", action=f"step.{number}", object_type="lab", object_id=7, changes={"n": number}
        )


def sql(statement: str, *parameters: object) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def behind_our_back(statement: str, *parameters: object) -> None:
    """What somebody who owns the database can do."""
    sql("SET LOCAL session_replication_role = replica")
    sql(statement, *parameters)
    sql("SET LOCAL session_replication_role = origin")


def test_rows_are_numbered_and_chained_per_lab(lab, other_lab):
    three(lab)
    audit.record(lab=other_lab, actor="test", action="other")
    rows = list(AuditLog.objects.for_lab(lab).order_by("seq"))
    assert [row.seq for row in rows] == [1, 2, 3]
    assert [row.prev_hash for row in rows] == ["", rows[0].row_hash, rows[1].row_hash]
    assert AuditLog.objects.for_lab(other_lab).get().seq == 1
    assert audit.verify_chain(lab) == audit.verify_chain(other_lab) == []
    assert audit.head(lab) == (3, rows[2].row_hash)


def test_a_row_says_who_what_and_when(lab):
    user = get_user_model().objects.create(username="mira")
    with clock.fixed(AT):
        audit.record(
            lab=lab, actor=user, action="key.set", object_type="gateway_key", object_id="gk_1", changes={"a": 1}
        )
    row = AuditLog.objects.for_lab(lab).get()
    assert (row.actor, row.actor_label, row.action, row.at) == (user, "mira", "key.set", AT)
    assert (row.object_type, row.object_id, row.changes) == ("gateway_key", "gk_1", {"a": 1})
    assert audit.verify_chain(lab) == []


def test_hashes_are_keyed_and_cover_the_lab(lab, other_lab):
    with clock.fixed(AT):
        one = audit.record(lab=lab, actor="test", action="x")
        two = audit.record(lab=other_lab, actor="test", action="x")
    assert one.row_hash != two.row_hash
    assert len(one.row_hash) == 64


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE core_auditlog SET action = 'nothing'",
        "DELETE FROM core_auditlog",
        "TRUNCATE core_auditlog",
        "UPDATE core_auditlog SET actor_label = actor_label WHERE seq = 1",
    ],
)
def test_the_database_refuses_every_change(lab, statement):
    three(lab)
    sql("SET CONSTRAINTS ALL IMMEDIATE")  # else TRUNCATE is refused because of the rows just inserted, not by the guard
    before = list(AuditLog.objects.for_lab(lab).values())
    with pytest.raises(DatabaseError, match="its rows are never changed"), transaction.atomic():
        sql(statement)
    assert list(AuditLog.objects.for_lab(lab).values()) == before


@pytest.mark.parametrize(("seq", "prev"), [(5, "last"), (3, "last"), (4, "wrong"), (4, ""), (1, "")])
def test_the_database_refuses_a_row_that_does_not_continue_the_chain(lab, seq, prev):
    three(lab)
    prev_hash = audit.head(lab)[1] if prev == "last" else prev
    with pytest.raises(DatabaseError, match="does not continue"), transaction.atomic():
        AuditLog(lab=lab, seq=seq, actor_label="x", action="x", at=AT, prev_hash=prev_hash, row_hash="0" * 64).save(
            force_insert=True
        )
    assert AuditLog.objects.for_lab(lab).count() == 3


@pytest.mark.parametrize(
    ("statement", "faults", "in_sql"),
    [
        ("UPDATE core_auditlog SET action = 'nothing' WHERE seq = 2", ["row 2 was changed"], 0),
        ("UPDATE core_auditlog SET changes = '{\"n\": 20}' WHERE seq = 2", ["row 2 was changed"], 0),
        ("UPDATE core_auditlog SET at = at + interval '1 microsecond' WHERE seq = 3", ["row 3 was changed"], 0),
        ("DELETE FROM core_auditlog WHERE seq = 2", ["row 2 is missing: found 3", "row 3 does not continue the row before"], 1),
        ("DELETE FROM core_auditlog WHERE seq = 1", ["row 1 is missing: found 2", "row 2 does not continue the row before"], 2),
    ],
)  # fmt: skip
def test_a_change_behind_our_back_shows(lab, statement, faults, in_sql):
    three(lab)
    behind_our_back(statement)
    assert audit.verify_chain(lab) == faults
    assert checks.audit_chain_faults() == [f"lab {lab.pk}: {fault}" for fault in faults]
    assert len(sql(dict(checks.CHECKS)["I25 audit log gapless, each row continuing the one before"])) == in_sql


def test_cores_invariants_find_nothing_in_a_sound_database(lab, other_lab):
    three(lab)
    three(other_lab)
    assert {name: sql(statement) for name, statement in checks.CHECKS} == {name: [] for name, _ in checks.CHECKS}
    assert checks.audit_chain_faults() == []


def test_the_views_have_exactly_their_columns(db):
    def columns(view):
        return [row[0] for row in sql(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position", view
        )]  # fmt: skip

    assert columns("audit_log") == ["lab_id", "seq", "prev_hash", "row_hash"]
    assert columns("audit_idempotency") == ["lab_id", "route", "key_hash", "operation_id"]


def test_the_first_row_has_no_hash_before_in_the_view(lab):
    three(lab)
    assert sql("SELECT prev_hash FROM audit_log ORDER BY seq LIMIT 1") == [(None,)]


def test_what_failed_leaves_no_row(lab):
    with transaction.atomic():
        audit.record(lab=lab, actor="test", action="x")
        transaction.set_rollback(True)
    assert audit.head(lab) == (0, "")


@pytest.mark.concurrency
def test_writers_at_once_make_one_chain(committed_lab):
    lab = committed_lab

    def write() -> None:
        for _ in range(5):
            audit.record(lab=lab, actor="test", action="x")
        connection.close()

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert audit.head(lab)[0] == 30
    assert audit.verify_chain(lab) == []
