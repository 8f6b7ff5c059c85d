"""Rotation of the master key: wrap every key anew with the first of the ring, in batches, as often as wanted.

Before: the new key is in the ring of every process (second place), then moved to the first place, then this runs.
The old key may leave the ring when nothing is wrapped with it any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.db import connection, transaction

from core import encryption, startup

BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of wrapped keys. `name_sql` and `name_of` give the name under which each row is wrapped."""

    table: str
    columns: str

    def name_of(self, row: tuple[object, ...]) -> str:
        if self.table == "core_labdatakey":
            lab_id, key_id = row
            assert isinstance(lab_id, int)
            return encryption.data_key_name(lab_id, str(key_id))
        return encryption.system_secret_name(str(row[0]))


TABLES: Final = (_Table("core_labdatakey", "lab_id, key_id"), _Table("core_systemsecret", "name"))


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a run did: rows wrapped anew, rows that did not open (left as they are), and the counts that remain."""

    wrapped: int
    unopened: int
    counts: dict[str, int]
    current: str

    @property
    def is_done(self) -> bool:
        """Whether nothing at all is wrapped with a key other than the first."""
        return not self.unopened and set(self.counts) <= {self.current}


def counts_per_key() -> dict[str, int]:
    """How many keys are wrapped with each master key id, over all tables."""
    found: Counter[str] = Counter()
    with connection.cursor() as cursor:
        for each in TABLES:
            cursor.execute(f"SELECT split_part(wrapped, '.', 2), count(*) FROM {each.table} GROUP BY 1")  # noqa: S608
            found.update(dict(cursor.fetchall()))
    return dict(sorted(found.items()))


def rotate(*, batch: int = BATCH) -> Rotation:
    """Wrap anew what is wrapped with an older key. Resumable: every batch commits, and a second run finds the rest."""
    current = encryption.master_keys()[0].key_id
    startup.check_stored_values()
    wrapped = unopened = 0
    for each in TABLES:
        done, failed = _rotate_table(each, current, batch)
        wrapped, unopened = wrapped + done, unopened + failed
    return Rotation(wrapped, unopened, counts_per_key(), current)


def _rotate_table(each: _Table, current: str, batch: int) -> tuple[int, int]:
    done = failed = 0
    for rows in _batches(each, current, batch):
        for row_id, wrapped, *name in rows:
            try:
                secret = encryption.unwrap(each.name_of(tuple(name)), wrapped)
            except encryption.CannotOpen:
                failed += 1  # what could not be opened is never encrypted again
                continue
            done += _store(each.table, row_id, wrapped, encryption.wrap(each.name_of(tuple(name)), secret))
    return done, failed


def _batches(each: _Table, current: str, batch: int) -> Iterator[list[tuple[int, str, *tuple[object, ...]]]]:
    """Rows of older keys in id order, a transaction for each batch: it commits when the next one is asked for."""
    last = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                f"SELECT id, wrapped, {each.columns} FROM {each.table}"  # noqa: S608
                " WHERE id > %s AND split_part(wrapped, '.', 2) <> %s ORDER BY id LIMIT %s",
                [last, current, batch],
            )
            rows = cursor.fetchall()
            if not rows:
                return
            yield rows
        last = rows[-1][0]


def _store(table: str, row_id: int, before: str, after: str) -> int:
    with connection.cursor() as cursor:
        # Conditional: two runs at once do not undo each other.
        cursor.execute(f"UPDATE {table} SET wrapped = %s WHERE id = %s AND wrapped = %s", [after, row_id, before])  # noqa: S608
        return int(cursor.rowcount)
