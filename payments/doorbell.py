"""Celery is the doorbell, the database the mailbox: a ring that fails costs nothing but time (the sweep comes anyway).

A dead Redis makes a ring slow, so after a failure ringing pauses for ten seconds.
"""

from __future__ import annotations

import logging
from typing import Final

from celery import current_app
from django.conf import settings
from prometheus_client import Counter

from core.shared_redis import Pause

_log = logging.getLogger(__name__)
_pause = Pause()
TASKS: Final = {
    "fetch": "payments.tasks.fetch_payment",
    "fetch_refund": "payments.tasks.fetch_refund",
    "fetch_dispute": "payments.tasks.fetch_dispute",
    "sweep": "payments.tasks.sweep",
}
FAILED: Final = Counter("paywright_doorbell_failed_total", "Rings of a Celery worker that did not get through")


def ring(task: str, *ids: int) -> None:
    """Tell a worker about a row that is committed. Never raises, never more than half a second."""
    if _pause.is_on or not getattr(settings, "DOORBELL", True):
        return
    try:
        current_app.send_task(TASKS[task], args=list(ids), retry=False, ignore_result=True)
    except Exception as error:
        FAILED.inc()
        _pause.start()
        _log.warning("the doorbell does not ring (%s); the sweep will find the row", type(error).__name__)
