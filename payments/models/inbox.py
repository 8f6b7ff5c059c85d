"""The webhook inbox: every verified delivery, stored once, before anything is done with it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from core.models.base import MODES, LabModel


class EventState(models.TextChoices):
    NEW = "new"  # stored, its payment's lock was not free
    APPLIED = "applied"
    NOT_APPLIED = "not_applied"  # late news, or what the state table forbids
    MISMATCH = "mismatch"
    CONFLICT = "conflict"  # another body under a known event key
    UNMATCHED = "unmatched"  # its payment is not known yet
    WAITING = "waiting"  # an external refund that does not fit yet
    ERROR = "error"  # our bug while applying; tried again
    IGNORED = "ignored"  # verified, but says nothing about a payment
    GIVEN_UP = "given_up"


# What the sweep takes up again.
OPEN_STATES = [EventState.NEW.value, EventState.UNMATCHED.value, EventState.WAITING.value, EventState.ERROR.value]


class WebhookEvent(LabModel):
    """One verified delivery. `reports` is what the gateway package read from it, as JSON (core.gateways.encoding)."""

    mode = models.CharField(max_length=4, choices=MODES)
    gateway_key = models.ForeignKey(
        "payments.PaymentGatewayKey", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    event_key = models.CharField(max_length=255)
    event_type = models.CharField(max_length=80, blank=True, default="", db_default="")
    body = models.BinaryField()
    body_sha256 = models.CharField(max_length=64)
    headers = models.JSONField(default=dict)  # an allow-list, never a signature
    reports = models.JSONField(default=list)
    state = models.CharField(max_length=12, choices=EventState.choices, default=EventState.NEW, db_default="new")
    payment = models.ForeignKey(
        "payments.Payment", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    note = models.CharField(max_length=300, blank=True, default="", db_default="")
    attention = ArrayField(models.CharField(max_length=32), default=list, db_default=[], blank=True)
    error = models.CharField(max_length=500, blank=True, default="", db_default="")
    tries = models.PositiveSmallIntegerField(default=0, db_default=0)
    deliveries = models.PositiveIntegerField(default=1, db_default=1)
    next_try_at = models.DateTimeField(null=True, blank=True)
    received_at = models.DateTimeField(db_default=Now())
    applied_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["gateway_key", "event_key"], name="payments_event_key_uniq"),  # I15
            models.CheckConstraint(condition=models.Q(state__in=EventState.values), name="payments_event_state_known"),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at", "id"], condition=models.Q(state__in=OPEN_STATES), name="payments_event_open"
            ),
            models.Index(fields=["lab", "mode", "-id"], name="payments_event_list"),
            models.Index(fields=["payment"], name="payments_event_payment"),
        ]

    def __str__(self) -> str:
        return f"{self.event_type or 'event'} {self.state}"
