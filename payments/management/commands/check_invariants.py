"""`manage.py check_invariants`: every invariant is a query that must return no row."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import connection

from core import checks as core_checks
from core import guards
from finance import checks as finance_checks
from payments import checks as payments_checks

SHOWN_ROWS = 5


class Command(BaseCommand):
    help = "Check the books, states and tenancy of everything stored. Exit code 1 if anything is wrong."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="print only what is wrong")

    def handle(self, *args: Any, **options: Any) -> None:
        began = time.monotonic()
        wrong = 0
        for name, sql in sorted(
            (*core_checks.CHECKS, *finance_checks.CHECKS, *payments_checks.CHECKS), key=lambda check: _number(check[0])
        ):
            wrong += self._check(name, sql, quiet=options["quiet"])
        wrong += self._list(
            "I25 audit chain: every keyed hash computed again", core_checks.audit_chain_faults(), options
        )
        wrong += self._list("I28 all guards of the database exist", guards.missing(), options)
        seconds = time.monotonic() - began
        if wrong:
            self.stderr.write(self.style.ERROR(f"{wrong} violations found in {seconds:.1f} s"))
            raise SystemExit(1)
        self.stdout.write(self.style.SUCCESS(f"all invariants hold ({seconds:.1f} s)"))

    def _check(self, name: str, sql: str, *, quiet: bool) -> int:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) OVER (), found.* FROM ({sql}) AS found LIMIT {SHOWN_ROWS}")  # noqa: S608
            rows = cursor.fetchall()
        return self._report(name, rows[0][0] if rows else 0, [str(row[1:]) for row in rows], quiet)

    def _list(self, name: str, faults: list[str], options: dict[str, Any]) -> int:
        return self._report(name, len(faults), faults[:SHOWN_ROWS], options["quiet"])

    def _report(self, name: str, count: int, examples: list[str], quiet: bool) -> int:
        if count or not quiet:
            line = f"{count:>6}  {name}"
            self.stdout.write(self.style.ERROR(line) if count else line)
        for example in examples if count else ():
            self.stdout.write(f"        {example}")
        return count


def _number(name: str) -> int:
    return int(name.split()[0].removeprefix("I"))
