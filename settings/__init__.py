"""The composition root. Loads the Celery app with Django, so that a bell rung by any process reaches our broker."""

from settings.celery import app as celery_app

__all__ = ["celery_app"]
