"""A lab's own rules about which of its gateway keys takes which payment."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from core.minor_field import MinorField
from core.models.base import MODES, LabModel


class RoutingRule(LabModel):
    """The first rule in order whose conditions all hold names the keys, in order. An empty condition always holds.

    `gateway_keys` are public ids. `shares` are percentages of the same length (or empty: strictly in order): the first
    key to try is drawn by share, the others follow in order.
    """

    public_id = models.CharField(max_length=40, unique=True, editable=False)
    mode = models.CharField(max_length=4, choices=MODES)
    name = models.CharField(max_length=120, blank=True, default="", db_default="")
    position = models.PositiveSmallIntegerField(default=100, db_default=100)
    currencies = ArrayField(models.CharField(max_length=16), default=list, blank=True, db_default=[])
    countries = ArrayField(models.CharField(max_length=2), default=list, blank=True, db_default=[])
    methods = ArrayField(models.CharField(max_length=32), default=list, blank=True, db_default=[])
    minimum = MinorField(null=True, blank=True)
    maximum = MinorField(null=True, blank=True)
    gateway_keys = ArrayField(models.CharField(max_length=40))
    shares = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True, db_default=[])
    is_active = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["position", "id"]
        indexes = [models.Index(fields=["lab", "mode", "position", "id"], name="payments_routing_choose")]

    def __str__(self) -> str:
        return self.name or self.public_id
