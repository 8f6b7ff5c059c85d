"""What beats exists, and no setting lets a task outlive its message."""

from __future__ import annotations

from celery import current_app
from django.conf import settings
from django.utils.module_loading import import_string

from core.gateways import registry
from settings.celery import BEAT_SCHEDULE, app


def test_every_task_of_the_schedule_exists():
    app.loader.import_default_modules()
    assert [name for name in sorted({one["task"] for one in BEAT_SCHEDULE.values()}) if name not in app.tasks] == []


def test_our_app_is_everybodys_app():
    assert current_app.main == "paywright"


def test_a_task_ends_before_its_message_comes_back():
    assert settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"] > settings.CELERY_TASK_TIME_LIMIT


def test_every_gateway_and_simulator_that_is_named_exists():
    for dotted in settings.GATEWAYS.values():
        assert import_string(dotted).slug in settings.GATEWAYS
    for dotted in settings.SIMULATORS.values():
        import_string(dotted.replace(":", "."))
    assert set(settings.SIMULATORS) == set(registry.slugs())
