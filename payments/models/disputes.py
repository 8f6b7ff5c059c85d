"""Disputes: the payer's bank asks for the money back."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from core.gateways.types import DisputeStatus
from core.minor_field import MinorField
from core.models.base import MODES, LabModel


class Dispute(LabModel):
    """One dispute of one payment. `withdrawn` is what the gateway holds back because of it now; it falls on a reinstatement."""

    public_id = models.CharField(max_length=40, editable=False)
    mode = models.CharField(max_length=4, choices=MODES)
    payment = models.ForeignKey("payments.Payment", on_delete=models.PROTECT, related_name="disputes", db_index=False)
    gateway_key = models.ForeignKey(
        "payments.PaymentGatewayKey", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    gateway_reference = models.CharField(max_length=255)
    currency = models.CharField(max_length=16)
    amount = MinorField(null=True, blank=True)
    withdrawn = MinorField(default=0, db_default=0)
    moves = models.PositiveSmallIntegerField(default=0, db_default=0)  # how often money moved because of it
    status = models.CharField(max_length=16, choices=[(one.value, one.value) for one in DisputeStatus])
    reason = models.CharField(max_length=120, blank=True, default="", db_default="")
    respond_by = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(db_default=Now())
    closed_at = models.DateTimeField(null=True, blank=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["public_id"], name="payments_dispute_public_id_uniq"),
            models.UniqueConstraint(
                fields=["gateway_key", "gateway_reference"], name="payments_dispute_reference_uniq"
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=[one.value for one in DisputeStatus]),
                name="payments_dispute_status_known",
            ),
            models.CheckConstraint(condition=models.Q(withdrawn__gte=0), name="payments_dispute_withdrawn_positive"),
        ]
        indexes = [
            models.Index(fields=["payment"], name="payments_dispute_payment"),
            models.Index(fields=["lab", "mode", "-id"], name="payments_dispute_list"),
            models.Index(
                fields=["next_check_at"], condition=models.Q(next_check_at__isnull=False), name="payments_dispute_due"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id
