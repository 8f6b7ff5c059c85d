"""One gateway account of one lab."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from core.models.base import MODES, LabModel


class PaymentGatewayKey(LabModel):
    """Credentials of one account at one gateway, in one mode.

    Secrets in `credentials` are sealed (core.encryption) to this row by `public_id`; `secret_facts` holds what may be
    shown of each: last four, fingerprint, when it changed. `account` is the gateway's own name of the account, learned
    by "test connection" or from the credentials, and compared with what reports say.
    """

    public_id = models.CharField(max_length=40, unique=True, editable=False)
    gateway = models.CharField(max_length=40)
    mode = models.CharField(max_length=4, choices=MODES)
    label = models.CharField(max_length=120, blank=True, default="", db_default="")
    credentials = models.JSONField(default=dict, editable=False)
    secret_facts = models.JSONField(default=dict, editable=False)
    previous_secrets = models.JSONField(default=list, editable=False)  # [{"field", "sealed", "until"}]
    webhook_token_hash = models.CharField(max_length=64, unique=True, editable=False)
    webhook_token_sealed = models.TextField(editable=False)
    account = models.CharField(max_length=120, blank=True, default="", db_default="")
    priority = models.PositiveSmallIntegerField(default=100, db_default=100, help_text="Lower is tried first")
    allowed_currencies = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    is_active = models.BooleanField(default=True, db_default=True)
    last_check_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_check_ok = models.BooleanField(null=True, editable=False)
    last_check_message = models.CharField(max_length=300, blank=True, default="", db_default="", editable=False)
    last_verified_webhook_at = models.DateTimeField(null=True, blank=True, editable=False)
    problem = models.CharField(max_length=300, blank=True, default="", db_default="", editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "gateway key"
        ordering = ["priority", "id"]
        constraints = [
            models.UniqueConstraint(fields=["lab", "mode", "id"], name="payments_gatewaykey_lab_mode_id_uniq"),
            models.CheckConstraint(
                condition=models.Q(mode__in=["test", "live"]), name="payments_gatewaykey_mode_known"
            ),
        ]
        indexes = [models.Index(fields=["lab", "mode", "priority", "id"], name="payments_gatewaykey_choose")]

    def __str__(self) -> str:
        return f"{self.label or self.gateway} ({self.mode})"
