"""One transaction, again from the start where the database asks for it (INVARIANTS §13)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from django.db import DatabaseError, transaction

Result = TypeVar("Result")

TRIES: Final = 3
# serialization failure, deadlock, unique violation (somebody inserted between our look and our insert)
_AGAIN: Final = frozenset({"40001", "40P01", "23505"})


class TryAgain(Exception):
    """Raised inside a transaction to roll it back and run it again."""


def is_worth_repeating(error: BaseException) -> bool:
    return isinstance(error, TryAgain) or getattr(error.__cause__, "sqlstate", None) in _AGAIN


def run(body: Callable[[], Result]) -> Result:
    """Run `body` in one transaction; on a deadlock, serialization failure or lost race the whole of it again, at most
    3 times. `body` must hold no HTTP and may run more than once.
    """
    for attempt in range(1, TRIES + 1):
        try:
            with transaction.atomic():
                return body()
        except (DatabaseError, TryAgain) as error:
            if attempt == TRIES or not is_worth_repeating(error):
                raise
        time.sleep(random.uniform(0.005, 0.03) * attempt)  # noqa: S311 - spreads the repeats, guards nothing
    raise AssertionError("unreachable")
