"""The one clock. Everything that asks for the time asks here, so a test or `explain` can set it.

Leases use the database's clock instead (INVARIANTS: a jumping clock must not free somebody else's lease).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

Clock = Callable[[], datetime]

_fixed: ContextVar[datetime | None] = ContextVar("paywright_fixed_time", default=None)


def now() -> datetime:
    """The present moment, aware, in UTC."""
    return _fixed.get() or datetime.now(UTC)


@contextmanager
def fixed(moment: datetime) -> Iterator[None]:
    """Let `now()` answer `moment` inside the block (this thread or task only)."""
    if moment.tzinfo is None:
        raise ValueError("the clock needs an aware datetime")
    token = _fixed.set(moment.astimezone(UTC))
    try:
        yield
    finally:
        _fixed.reset(token)


def fixed_moment() -> datetime | None:
    """The time that `fixed` set, for handing it to threads; None in ordinary life."""
    return _fixed.get()
