"""What the platform can count in, and how each provider spells it."""

from __future__ import annotations

from urllib.parse import quote

from django.db import models
from django.db.models import Q

from core.minor_field import MinorField


class Currency(models.Model):
    """One currency or coin of the whole platform, or one provider's name for it.

    Rows with an empty `provider` are the platform's own (code = asset), seeded by migration: ISO 4217 and the coins of
    `core.money`. Rows with a provider hold its spelling, minimum and order of the same asset (`finance.currencies`).
    """

    name = models.CharField(max_length=120)
    asset = models.CharField(max_length=24, help_text="Our code, network included: USD, USDTTRC20")
    provider = models.CharField(max_length=40, blank=True, default="", help_text="Empty: the platform itself")
    code = models.CharField(max_length=40, help_text="As the provider spells it")
    token = models.CharField(max_length=24, blank=True, default="", help_text="USDT; empty for ordinary currencies")
    network = models.CharField(max_length=40, blank=True, default="", help_text="Tron; empty for ordinary currencies")
    decimals = models.PositiveSmallIntegerField()
    minimum = MinorField(null=True, blank=True, help_text="Smallest amount, in minor units; empty where unknown")
    is_active = models.BooleanField(default=True)
    sort_order = models.PositiveIntegerField(default=1000)
    explorer_transaction = models.CharField(max_length=200, blank=True, default="", help_text="Address with {hash}")
    explorer_address = models.CharField(max_length=200, blank=True, default="", help_text="Address with {address}")

    class Meta:
        ordering = ["sort_order", "code"]
        verbose_name_plural = "currencies"
        constraints = [
            models.UniqueConstraint(fields=["provider", "code"], name="finance_currency_provider_code_uniq"),
            models.CheckConstraint(condition=Q(decimals__lte=30), name="finance_currency_decimals"),
            models.CheckConstraint(
                condition=Q(minimum__isnull=True) | Q(minimum__gte=0), name="finance_currency_minimum"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} ({self.provider})" if self.provider else self.code

    def transaction_url(self, transaction_hash: str) -> str:
        """Where to look at a transaction on its chain; empty where no explorer is known."""
        return self.explorer_transaction.replace("{hash}", quote(transaction_hash, safe=""))

    def address_url(self, address: str) -> str:
        """Where to look at an address on its chain; empty where no explorer is known."""
        return self.explorer_address.replace("{address}", quote(address, safe=""))
