"""Tenants, the people in them, the people who pay them, and the keys their programs use."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now

from core.models.base import MODES, LabModel


class Lab(models.Model):
    """A tenant: one business with its own gateway accounts, customers, keys and books."""

    name = models.CharField(max_length=200)
    slug = models.SlugField(max_length=60, unique=True)
    timezone = models.CharField(max_length=64, default="UTC", help_text="IANA name, for showing times")
    return_origins = models.JSONField(
        default=list, blank=True, help_text="Origins a customer may be sent back to, like https://shop.example"
    )
    brand_name = models.CharField(max_length=120, blank=True, help_text="Shown on pay pages; the name where empty")
    brand_color = models.CharField(
        max_length=7, default="#1f2937", validators=[RegexValidator(r"\A#[0-9a-fA-F]{6}\Z", "write it like #1f2937")]
    )
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def shown_name(self) -> str:
        return self.brand_name or self.name


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    MANAGER = "manager", "Manager"
    FINANCE = "finance", "Finance"
    SUPPORT = "support", "Support"
    VIEWER = "viewer", "Viewer"


class Membership(LabModel):
    """A person's role in a lab; one role each."""

    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["lab", "user"], name="core_membership_lab_user_uniq"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="core_membership_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.role})"


class Customer(LabModel):
    """Somebody who pays a lab or holds a balance there. `external_id` is the lab's own id for them."""

    external_id = models.CharField(max_length=120, blank=True, default="", db_default="")
    name = models.CharField(max_length=200, blank=True, default="", db_default="")
    email = models.CharField(max_length=254, blank=True, default="", db_default="")
    phone = models.CharField(max_length=40, blank=True, default="", db_default="")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="customers"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            # The parent of composite foreign keys: a child's customer is of the child's lab (INVARIANTS I21).
            models.UniqueConstraint(fields=["lab", "id"], name="core_customer_lab_id_uniq"),
            models.UniqueConstraint(
                fields=["lab", "external_id"],
                condition=~models.Q(external_id=""),
                name="core_customer_lab_external_id_uniq",
            ),
            models.UniqueConstraint(fields=["lab", "user"], name="core_customer_lab_user_uniq"),
        ]

    def __str__(self) -> str:
        return self.name or self.external_id or self.email or "(no name)"


class Scope(models.TextChoices):
    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    REFUNDS_WRITE = "refunds:write"
    BALANCES_READ = "balances:read"
    WITHDRAWALS_WRITE = "withdrawals:write"
    LINKS_WRITE = "links:write"
    PROFILES_WRITE = "profiles:write"
    KEYS_WRITE = "keys:write"
    EVENTS_WRITE = "events:write"


class ApiKey(LabModel):
    """What a lab's program authenticates with. Kept as a keyed hash only; its text was shown once."""

    mode = models.CharField(max_length=4, choices=MODES)
    name = models.CharField(max_length=120)
    prefix = models.CharField(max_length=16, editable=False, help_text="The first characters, to tell keys apart")
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=32))
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(mode__in=["test", "live"]), name="core_apikey_mode_known"),
            models.CheckConstraint(
                condition=models.Q(scopes__contained_by=Scope.values), name="core_apikey_scopes_known"
            ),
        ]
        indexes = [models.Index(fields=["lab"], name="core_apikey_lab")]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
