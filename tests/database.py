"""Help for tests that commit: emptying a database that refuses to be emptied, and many connections at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from django.db import DEFAULT_DB_ALIAS, connections, transaction

T = TypeVar("T")

# What migrations wrote, and the installation's own secrets, which the process has in its memory.
KEPT = frozenset(
    {
        "auth_permission",
        "core_encryptioncheck",
        "core_systemsecret",
        "django_content_type",
        "django_migrations",
        "finance_currency",
    }
)


@contextmanager
def without_guards(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """No trigger and no foreign key inside the block. Only a superuser can do this, and only tests do."""
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield
        cursor.execute("SET LOCAL session_replication_role = origin")


def empty_database(using: str = DEFAULT_DB_ALIAS) -> None:
    """Delete all rows but those of KEPT. Not by TRUNCATE: deleting from tables that are almost empty is much faster.

    Ids go on counting, so what a process remembers by id (a lab's data key) never means another row later.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        tables = sorted(set(connection.introspection.table_names(cursor)) - KEPT)
    with without_guards(using), connection.cursor() as cursor:
        cursor.execute("; ".join(f"DELETE FROM {quote(table)}" for table in tables))


def at_once(works: list[Callable[[], T]], *, seconds: float = 60) -> list[T | Exception]:
    """Run `works` at the same moment, each in a thread with a connection of its own; what each returned or raised."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], T]) -> T | Exception:
        try:
            start.wait(timeout=seconds)
            return work()
        except Exception as error:  # the test looks at it
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=len(works)) as pool:
        return list(pool.map(run, works, timeout=seconds))
