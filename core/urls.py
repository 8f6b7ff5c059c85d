"""Addresses for machines that look after machines: is it up, is it ready, what does it count."""

from __future__ import annotations

from django.urls import path

from core import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
]
