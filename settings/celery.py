"""The Celery app and what beats. Tasks carry ids and only ring the bell: all work is rows in the database.

celery -A settings.celery worker        celery -A settings.celery beat
"""

from __future__ import annotations

import logging.config
import os
from typing import Any, Final

from celery import Celery
from celery.schedules import crontab
from celery.signals import setup_logging, worker_init
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.production")

# `expires`: a beat that nobody heard is worth nothing once the next one is due.
BEAT_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    # Stored events, unknown outcomes, polling and expiry: everything that is due.
    "sweep": {"task": "payments.tasks.sweep", "schedule": 10.0, "options": {"expires": 10}},
    "flush-last-used": {"task": "core.tasks.flush_last_used", "schedule": 60.0, "options": {"expires": 60}},
    "purge-idempotency-keys": {"task": "core.tasks.purge_idempotency_keys", "schedule": crontab(hour="2", minute="41")},
    "check-books": {"task": "finance.tasks.check_books", "schedule": crontab(hour="3", minute="17")},
}

app = Celery("paywright")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule = BEAT_SCHEDULE
app.autodiscover_tasks()
app.set_default()  # for every thread of a web process, not for the importing one alone
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def _keep_our_logging(**_: object) -> None:
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
def _refuse_bad_start(**_: object) -> None:
    from settings.start import stop_on_bad_settings

    stop_on_bad_settings()  # its SystemExit passes: Celery only swallows what is an Exception
