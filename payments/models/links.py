"""Payment links: a page address that a lab hands out and that anybody who has it may pay."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from core.minor_field import MinorField
from core.models.base import MODES, LabModel


class OnlinePayment(LabModel):
    """A payment link. `amount` None means that the customer chooses, between `minimum` and `maximum`.

    The token is looked up by its keyed hash and kept sealed, because people copy it again.
    """

    public_id = models.CharField(max_length=40, unique=True, editable=False)
    mode = models.CharField(max_length=4, choices=MODES)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    token_sealed = models.TextField(editable=False)
    currency = models.CharField(max_length=16)
    amount = MinorField(null=True, blank=True)
    minimum = MinorField(null=True, blank=True)
    maximum = MinorField(null=True, blank=True)
    description = models.CharField(max_length=500, blank=True, default="", db_default="")
    merchant_reference = models.CharField(max_length=100, blank=True, default="", db_default="")
    allowed_gateways = ArrayField(models.CharField(max_length=40), default=list, blank=True, db_default=[])
    return_url = models.CharField(max_length=2000, blank=True, default="", db_default="")
    metadata = models.JSONField(default=dict)
    max_uses = models.PositiveIntegerField(null=True, blank=True)
    uses = models.PositiveIntegerField(default=0, db_default=0)
    is_active = models.BooleanField(default=True, db_default=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name = "payment link"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["lab", "mode", "id"], name="payments_link_lab_mode_id_uniq"),
            models.CheckConstraint(
                condition=models.Q(max_uses__isnull=True) | models.Q(uses__lte=models.F("max_uses")),
                name="payments_link_uses_fit",
            ),
            models.CheckConstraint(
                condition=models.Q(amount__isnull=False) | models.Q(minimum__isnull=False, maximum__isnull=False),
                name="payments_link_amount_or_bounds",
            ),
        ]
        indexes = [models.Index(fields=["lab", "mode", "-id"], name="payments_link_list")]

    def __str__(self) -> str:
        return self.public_id
