"""What beats for finance."""

from __future__ import annotations

import structlog
from celery import shared_task

from finance import checks

log = structlog.get_logger(__name__)


@shared_task
def check_books() -> int:
    """Nightly: every balance against its lines. Returns how many rows offend; each failing check is logged as an error."""
    found = checks.run()
    for name, count in found.items():
        if count:
            log.error("books_do_not_balance", check=name, rows=count)
    return sum(found.values())
