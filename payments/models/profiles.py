"""Saved methods of customers, kept by the gateway; here is only its token, sealed, and what may be shown."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from core.models.base import MODES, LabModel


class ProfileStatus(models.TextChoices):
    PENDING = "pending"
    ACTIVE = "active"
    FAILED = "failed"
    DELETED = "deleted"


class CustomerPaymentProfile(LabModel):
    """A method that a customer agreed to have saved at one gateway account. Never a card number.

    Works only for the same lab, mode, gateway key and customer. `secrets` are sealed texts by name (token,
    customer_token, extra_token); `token_hash` tells the same method again without opening any.
    """

    public_id = models.CharField(max_length=40, unique=True, editable=False)
    mode = models.CharField(max_length=4, choices=MODES)
    customer = models.ForeignKey("core.Customer", on_delete=models.PROTECT, related_name="+")
    gateway_key = models.ForeignKey("payments.PaymentGatewayKey", on_delete=models.PROTECT, related_name="+")
    gateway = models.CharField(max_length=40)
    reference = models.CharField(
        max_length=255, blank=True, default="", db_default=""
    )  # ours, where it was saved alone
    gateway_reference = models.CharField(max_length=255, blank=True, default="", db_default="")
    status = models.CharField(max_length=8, choices=ProfileStatus.choices, default=ProfileStatus.PENDING)
    secrets = models.JSONField(default=dict, editable=False)
    token_hash = models.CharField(max_length=64, null=True, blank=True, editable=False)
    kind = models.CharField(max_length=32, blank=True, default="", db_default="")
    brand = models.CharField(max_length=40, blank=True, default="", db_default="")
    last_four = models.CharField(max_length=4, blank=True, default="", db_default="")
    expiry_month = models.PositiveSmallIntegerField(null=True, blank=True)
    expiry_year = models.PositiveSmallIntegerField(null=True, blank=True)
    handle = models.CharField(max_length=120, blank=True, default="", db_default="")
    is_default = models.BooleanField(default=False, db_default=False)
    next_action = models.JSONField(null=True, blank=True)
    check_count = models.PositiveSmallIntegerField(default=0, db_default=0)
    last_checked_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(null=True, blank=True)  # while it is pending
    consent_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "saved method"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["lab", "mode", "id"], name="payments_profile_lab_mode_id_uniq"),
            models.UniqueConstraint(
                fields=["gateway_key", "customer", "token_hash"],
                condition=models.Q(token_hash__isnull=False, deleted_at__isnull=True),
                name="payments_profile_token_uniq",
            ),
            models.UniqueConstraint(
                fields=["lab", "mode", "customer"],
                condition=models.Q(is_default=True, deleted_at__isnull=True),
                name="payments_profile_one_default",
            ),
            models.UniqueConstraint(
                fields=["gateway_key", "reference"],
                condition=~models.Q(reference=""),
                name="payments_profile_reference_uniq",
            ),
        ]
        indexes = [
            models.Index(fields=["lab", "mode", "customer"], name="payments_profile_customer"),
            models.Index(
                fields=["next_check_at"], condition=models.Q(next_check_at__isnull=False), name="payments_profile_due"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id
