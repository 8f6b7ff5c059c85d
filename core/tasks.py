"""Housekeeping of core, rung by beat. Each may run twice at once, late, or never: nothing depends on it."""

from __future__ import annotations

from celery import shared_task
from django.db import connection

from core import rate_limit
from core.api import idempotency


@shared_task(name="core.tasks.flush_last_used")
def flush_last_used() -> int:
    """Write down when API keys were last used."""
    return rate_limit.flush_last_used()


@shared_task(name="core.tasks.purge_idempotency_keys")
def purge_idempotency_keys() -> int:
    """Delete idempotency keys older than 30 days, batch by batch."""
    deleted = 0
    while True:
        with connection.cursor() as cursor:
            batch = idempotency.purge(cursor)
        deleted += batch
        if not batch:
            return deleted
