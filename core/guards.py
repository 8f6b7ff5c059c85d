"""Guards of the database that the code relies on (INVARIANTS I28): each app names its own, start checks that all exist.

A guard that a careless migration or a person dropped is found at the next start, not at the next fraud.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from django.db import connection

_triggers: set[tuple[str, str]] = set()
_constraints: set[tuple[str, str]] = set()


def expect(table: str, *, triggers: Iterable[str] = (), constraints: Iterable[str] = ()) -> None:
    """Name guards of `table`: triggers (which must be enabled), constraints or unique indexes (which must be valid)."""
    _triggers.update((table, name) for name in triggers)
    _constraints.update((table, name) for name in constraints)


_FOUND: Final = """
    SELECT 'trigger', tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname FROM pg_constraint WHERE conrelid <> 0 AND convalidated
    UNION ALL
    SELECT 'constraint', indrelid::regclass::text, indexrelid::regclass::text FROM pg_index WHERE indisunique AND indisvalid
"""


def missing() -> list[str]:
    """The expected guards that the database does not have, as "table.name", sorted. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(_FOUND)
        found = set(cursor.fetchall())
    wanted = {("trigger", *each) for each in _triggers} | {("constraint", *each) for each in _constraints}
    return sorted(f"{table}.{name}" for _kind, table, name in wanted - found)
