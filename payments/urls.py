"""Addresses of payments."""

from __future__ import annotations

from django.urls import path

from payments.api import views, webhooks

urlpatterns = [
    path("payments/initiate", views.InitiateView.as_view(), name="initiate"),
    path("payments/status/<str:public_id>", views.StatusView.as_view(), name="status"),
    path("payments/refund", views.RefundView.as_view(), name="refund"),
    path("payments/webhook/<str:gateway>/<str:token>", webhooks.webhook, name="webhook"),
    path("payments/webhook/<str:gateway>", webhooks.webhook, name="webhook-short"),
    path("v1/payments/<str:public_id>/capture", views.CaptureView.as_view(), name="capture"),
    path("v1/payments/<str:public_id>/void", views.VoidView.as_view(), name="void"),
]
