"""Rows that prove something later: idempotency keys, the audit log, outgoing events."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from core.models.base import MODES, LabModel


class IdempotencyKey(LabModel):
    """A client's key with the fingerprint of its input and, once there is one, the answer it was given.

    Written by `core.api.idempotency` alone. The lease (`locked_until`, `lease_token`) uses the database's clock.
    """

    class State(models.TextChoices):
        RUNNING = "running"
        FINISHED = "finished"

    mode = models.CharField(max_length=4, choices=MODES)
    method = models.CharField(max_length=8)
    route = models.CharField(max_length=200)
    key_hash = models.CharField(max_length=64, help_text="Keyed hash: the key itself is not kept")
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the validated input and path")
    state = models.CharField(max_length=8, choices=State.choices, default=State.RUNNING, db_default=State.RUNNING)
    operation_type = models.CharField(max_length=32, blank=True, default="", db_default="")
    operation_id = models.BigIntegerField(null=True, blank=True)
    response_status = models.SmallIntegerField(null=True, blank=True)
    response_body = models.TextField(blank=True, default="", db_default="")
    lease_token = models.UUIDField(null=True, blank=True)
    locked_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["lab", "mode", "method", "route", "key_hash"], name="core_idempotencykey_scope_uniq"
            ),
            models.CheckConstraint(
                condition=models.Q(mode__in=["test", "live"]), name="core_idempotencykey_mode_known"
            ),
            models.CheckConstraint(
                condition=models.Q(state="running", response_status__isnull=True)
                # A comparison with NULL is not false: without the first word a finished row might have no answer.
                | models.Q(
                    state="finished",
                    response_status__isnull=False,
                    response_status__gte=200,
                    response_status__lt=500,
                ),
                name="core_idempotencykey_answer_if_finished",  # a 5xx is never an answer to repeat
            ),
        ]
        indexes = [models.Index(fields=["created_at"], name="core_idempotencykey_created")]

    def __str__(self) -> str:
        return f"{self.method} {self.route} ({self.state})"


class AuditLog(LabModel):
    """What a person did, chained per lab: `row_hash` is a keyed hash over this row and `prev_hash`.

    Insert only, kept so by triggers; `core.audit.record` is the one writer.
    """

    seq = models.BigIntegerField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    actor_label = models.CharField(max_length=200, help_text="Who it was, as text that outlives the account")
    action = models.CharField(max_length=80)
    object_type = models.CharField(max_length=60, blank=True, default="", db_default="")
    object_id = models.CharField(max_length=80, blank=True, default="", db_default="")
    changes = models.JSONField(default=dict)
    at = models.DateTimeField()
    prev_hash = models.CharField(max_length=64, blank=True, default="", db_default="")
    row_hash = models.CharField(max_length=64)

    class Meta:
        ordering = ["lab_id", "seq"]
        constraints = [models.UniqueConstraint(fields=["lab", "seq"], name="core_auditlog_lab_seq_uniq")]
        indexes = [models.Index(fields=["lab", "object_type", "object_id"], name="core_auditlog_object")]

    def __str__(self) -> str:
        return f"{self.seq} {self.action}"


class OutboxEvent(LabModel):
    """What a lab's own systems are to be told. Inserted in the transaction of the fact; delivered from here."""

    mode = models.CharField(max_length=4, choices=MODES)
    type = models.CharField(max_length=64)
    object_type = models.CharField(max_length=32)
    object_id = models.CharField(max_length=64, help_text="The public id")
    payload = models.JSONField()
    webhook_id = models.CharField(max_length=64, help_text="The same at every try (Standard Webhooks)")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    dispatched_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["webhook_id"], name="core_outboxevent_webhook_id_uniq"),
            models.UniqueConstraint(fields=["lab", "id"], name="core_outboxevent_lab_id_uniq"),
            models.CheckConstraint(condition=models.Q(mode__in=["test", "live"]), name="core_outboxevent_mode_known"),
        ]
        indexes = [
            models.Index(
                fields=["id"], condition=models.Q(dispatched_at__isnull=True), name="core_outboxevent_waiting"
            ),
            models.Index(fields=["lab", "mode", "id"], name="core_outboxevent_list"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.object_id}"
