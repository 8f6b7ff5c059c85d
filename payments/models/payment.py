"""Payments and what belongs to them. Written by the frame and the services alone; guarded by the database."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from core.gateways.types import Attention, FraudStatus, Operation, PaymentStatus, RefundStatus
from core.ids import uuid7
from core.minor_field import MinorField
from core.models.base import MODES, LabModel

LIVE_STATUSES = [
    PaymentStatus.PENDING.value,
    PaymentStatus.REQUIRES_ACTION.value,
    PaymentStatus.AUTHORIZED.value,
    PaymentStatus.CAPTURED.value,
]


def _choices(enum: type) -> list[tuple[str, str]]:
    return [(member.value, member.value.replace("_", " ")) for member in enum]  # type: ignore[attr-defined]


class Purpose(models.TextChoices):
    PAYMENT = "payment"
    DEPOSIT = "deposit"


class Payment(LabModel):
    """One wish to be paid. Amounts are minor units of `currency`."""

    public_id = models.CharField(max_length=40, editable=False)
    mode = models.CharField(max_length=4, choices=MODES)
    merchant_reference = models.CharField(max_length=120, blank=True, default="", db_default="")
    purpose = models.CharField(max_length=8, choices=Purpose.choices, default=Purpose.PAYMENT)
    currency = models.CharField(max_length=16)
    amount = MinorField()
    tax = MinorField(null=True, blank=True)
    delivery = MinorField(null=True, blank=True)
    customer = models.ForeignKey(
        "core.Customer", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    billing = models.JSONField(default=dict)
    customer_ip = models.GenericIPAddressField(null=True, blank=True)
    description = models.CharField(max_length=500, blank=True, default="", db_default="")
    metadata = models.JSONField(default=dict)
    return_url = models.CharField(max_length=2000, blank=True, default="", db_default="")
    gateway_key = models.ForeignKey(
        "payments.PaymentGatewayKey", on_delete=models.PROTECT, related_name="+", null=True, blank=True, db_index=False
    )
    gateway = models.CharField(max_length=40, blank=True, default="", db_default="")
    capture_mode = models.CharField(max_length=9, default="automatic", db_default="automatic")
    presentation = models.CharField(max_length=8, default="hosted", db_default="hosted")
    pay_currency = models.CharField(max_length=32, blank=True, default="", db_default="")
    try_number = models.PositiveSmallIntegerField(default=1, db_default=1)

    status = models.CharField(max_length=16, choices=_choices(PaymentStatus), default="pending", db_default="pending")
    authorized = MinorField(default=0, db_default=0)
    capture_asked = MinorField(null=True, blank=True)  # sum of the captures that we asked for
    received = MinorField(default=0, db_default=0)  # what arrived so far by the gateway's word, also when too little
    captured = MinorField(default=0, db_default=0)
    refund_reserved = MinorField(default=0, db_default=0)
    refunded = MinorField(default=0, db_default=0)
    refunded_seen = MinorField(default=0, db_default=0)  # a total in a payment's report: only a question
    fee = MinorField(default=0, db_default=0)
    disputed = MinorField(default=0, db_default=0)  # what gateways hold back because of disputes now
    gateway_reference = models.CharField(max_length=255, blank=True, default="", db_default="")
    is_acknowledged = models.BooleanField(default=False, db_default=False)
    next_action = models.JSONField(null=True, blank=True)
    method = models.JSONField(null=True, blank=True)
    coin = models.JSONField(null=True, blank=True)
    decline = models.JSONField(null=True, blank=True)
    fraud_status = models.CharField(
        max_length=8, choices=_choices(FraudStatus), default=FraudStatus.UNKNOWN.value, db_default="unknown"
    )
    fraud_message = models.CharField(max_length=300, blank=True, default="", db_default="")
    attention = ArrayField(
        models.CharField(max_length=32, choices=_choices(Attention)), default=list, db_default=[], blank=True
    )
    attention_seen = ArrayField(  # of these, what staff have marked as seen
        models.CharField(max_length=32, choices=_choices(Attention)), default=list, db_default=[], blank=True
    )
    is_duplicate = models.BooleanField(default=False, db_default=False)
    claim = models.CharField(max_length=16, blank=True, default="", db_default="")  # waits for a fetch to confirm it

    closing_since = models.DateTimeField(null=True, blank=True)  # our timer is ending it at its gateway

    wants_saved = models.BooleanField(default=False, db_default=False)  # the customer consented to saving the method
    profile = models.ForeignKey(
        "payments.CustomerPaymentProfile",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    link = models.ForeignKey(
        "payments.OnlinePayment", on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    holds_link_use = models.BooleanField(default=False, db_default=False)
    page_token_hash = models.CharField(max_length=64, editable=False)
    page_token_sealed = models.TextField(editable=False)

    transition_seq = models.PositiveIntegerField(default=1, db_default=1)
    unknown_since = models.DateTimeField(null=True, blank=True)
    check_count = models.PositiveSmallIntegerField(default=0, db_default=0)
    last_checked_at = models.DateTimeField(null=True, blank=True)
    next_check_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            # Constraints and not unique=True, which would add an index for LIKE beside each.
            models.UniqueConstraint(fields=["public_id"], name="payments_payment_public_id_uniq"),
            models.UniqueConstraint(fields=["page_token_hash"], name="payments_payment_page_token_uniq"),
            models.UniqueConstraint(fields=["lab", "mode", "id"], name="payments_payment_lab_mode_id_uniq"),
            models.UniqueConstraint(fields=["lab", "mode", "currency", "id"], name="payments_payment_money_uniq"),
            models.UniqueConstraint(  # I18
                fields=["lab", "mode", "merchant_reference"],
                condition=~models.Q(merchant_reference="")
                & models.Q(status__in=LIVE_STATUSES)
                & models.Q(is_duplicate=False),
                name="payments_payment_one_live_reference",
            ),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="payments_payment_amount_positive"),
            models.CheckConstraint(
                condition=models.Q(status__in=[s.value for s in PaymentStatus]), name="payments_payment_status_known"
            ),
            models.CheckConstraint(  # I9: reserved by conditional update, never read-then-insert
                condition=models.Q(refund_reserved__gte=0) & models.Q(refund_reserved__lte=models.F("captured")),
                name="payments_payment_refunds_fit",
            ),
            models.CheckConstraint(
                condition=models.Q(refunded__gte=0) & models.Q(refunded__lte=models.F("refund_reserved")),
                name="payments_payment_refunded_fits",
            ),
            models.CheckConstraint(  # I11
                condition=(models.Q(status="captured") & models.Q(captured__gt=0))
                | (~models.Q(status="captured") & models.Q(captured=0)),
                name="payments_payment_captured_agrees",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_check_at"],
                condition=models.Q(next_check_at__isnull=False),
                name="payments_payment_due",
            ),
            models.Index(fields=["lab", "mode", "merchant_reference"], name="payments_payment_reference"),
            models.Index(
                fields=["customer"],
                condition=models.Q(customer__isnull=False),
                name="payments_payment_customer",
            ),
            models.Index(fields=["link"], condition=models.Q(link__isnull=False), name="payments_payment_link"),
            models.Index(
                fields=["lab", "completed_at"],
                condition=models.Q(status="captured"),
                name="payments_payment_taken",
            ),
            models.Index(
                fields=["lab", "mode"],
                condition=~models.Q(attention=[]),
                name="payments_payment_attention",
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class PaymentTransition(LabModel):
    """One change of status, insert-only. `cause_id` is the id of the inbox row or gateway transaction that caused it."""

    mode = models.CharField(max_length=4, choices=MODES)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="transitions", db_index=False)
    seq = models.PositiveIntegerField()
    from_status = models.CharField(max_length=16, null=True)
    to_status = models.CharField(max_length=16)
    cause = models.CharField(max_length=8)  # api, webhook, fetch, response, timer, staff
    cause_id = models.CharField(max_length=64)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["payment_id", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["payment", "seq"], name="payments_transition_seq_uniq"),
            models.CheckConstraint(
                condition=models.Q(cause__in=["api", "webhook", "fetch", "response", "timer", "staff"]),
                name="payments_transition_cause_known",
            ),
            models.CheckConstraint(  # I14: money is never moved by a timer, a person or a browser
                condition=~models.Q(to_status__in=["authorized", "captured"])
                | models.Q(cause__in=["webhook", "fetch", "response"]),
                name="payments_transition_money_cause",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.from_status or '(new)'} -> {self.to_status}"


class GatewayReference(LabModel):
    """A name by which a gateway knows a payment or one of its refunds, ours included. How reports find their payment."""

    mode = models.CharField(max_length=4, choices=MODES)
    gateway_key = models.ForeignKey(
        "payments.PaymentGatewayKey", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="references")
    reference = models.CharField(max_length=255)
    is_ours = models.BooleanField(default=False, db_default=False)
    is_refund = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway_key", "reference"], name="payments_reference_uniq"),  # I17
        ]

    def __str__(self) -> str:
        return self.reference


class Refund(LabModel):
    """Money given back. `is_external`: made at the gateway, not by us. Its reservation is in the payment's row."""

    public_id = models.CharField(max_length=40, editable=False)
    mode = models.CharField(max_length=4, choices=MODES)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds", db_index=False)
    gateway_key = models.ForeignKey(
        "payments.PaymentGatewayKey", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    merchant_reference = models.CharField(max_length=120, blank=True, default="", db_default="")
    sent_reference = models.CharField(max_length=120, blank=True, default="", db_default="")
    gateway_reference = models.CharField(max_length=255, null=True, blank=True)
    currency = models.CharField(max_length=16)
    amount = MinorField()
    status = models.CharField(max_length=9, choices=_choices(RefundStatus), default="pending", db_default="pending")
    reason = models.CharField(max_length=300, blank=True, default="", db_default="")
    failure = models.JSONField(null=True, blank=True)
    pending_reason = models.CharField(max_length=64, blank=True, default="", db_default="")
    is_external = models.BooleanField(default=False, db_default=False)
    unknown_since = models.DateTimeField(null=True, blank=True)
    check_count = models.PositiveSmallIntegerField(default=0, db_default=0)
    next_check_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["public_id"], name="payments_refund_public_id_uniq"),
            models.CheckConstraint(condition=models.Q(amount__gt=0), name="payments_refund_amount_positive"),
            models.CheckConstraint(
                condition=models.Q(status__in=[s.value for s in RefundStatus]), name="payments_refund_status_known"
            ),
            models.UniqueConstraint(
                fields=["gateway_key", "gateway_reference"],
                condition=models.Q(gateway_reference__isnull=False),
                name="payments_refund_gateway_reference_uniq",
            ),
            models.UniqueConstraint(
                fields=["lab", "mode", "merchant_reference"],
                condition=~models.Q(merchant_reference="") & models.Q(status__in=["pending", "succeeded"]),
                name="payments_refund_one_live_reference",
            ),
        ]
        indexes = [
            models.Index(fields=["payment"], name="payments_refund_payment"),
            models.Index(fields=["lab", "mode", "-id"], name="payments_refund_list"),
            models.Index(
                fields=["next_check_at"], condition=models.Q(next_check_at__isnull=False), name="payments_refund_due"
            ),
        ]

    def __str__(self) -> str:
        return self.public_id


class Outcome(models.TextChoices):
    SENT = "sent"
    ANSWERED = "answered"
    DECLINED = "declined"
    FAILED = "failed"
    UNKNOWN = "unknown"


class PaymentGatewayTransaction(LabModel):
    """One operation asked of a gateway: committed before the call, closed once by its answer. Never deleted.

    A repeat after "not sent" or "unknown" is the same operation: same row, same idempotency key, same request; `tries`
    counts it. `lease_token` fences a paused worker out.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    mode = models.CharField(max_length=4, choices=MODES)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, related_name="exchanges", db_index=False)
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, null=True, related_name="exchanges", db_index=False)
    gateway_key = models.ForeignKey(
        "payments.PaymentGatewayKey", on_delete=models.PROTECT, related_name="+", db_index=False
    )
    operation = models.CharField(max_length=20, choices=_choices(Operation))
    operation_id = models.CharField(max_length=80)
    idempotency_key = models.CharField(max_length=120)
    request = models.JSONField(default=dict)
    request_hash = models.CharField(max_length=64)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.SENT, db_default="sent")
    response = models.JSONField(null=True, blank=True)
    error_class = models.CharField(max_length=24, blank=True, default="", db_default="")
    error = models.CharField(max_length=500, blank=True, default="", db_default="")
    not_found_count = models.PositiveSmallIntegerField(default=0, db_default=0)
    not_found_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=1, db_default=1)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    started_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "gateway transaction"
        ordering = ["-started_at"]
        constraints = [
            models.UniqueConstraint(  # I20
                fields=["gateway_key", "idempotency_key"], name="payments_exchange_idempotency_uniq"
            ),
            models.CheckConstraint(
                condition=models.Q(outcome__in=Outcome.values), name="payments_exchange_outcome_known"
            ),
        ]
        indexes = [
            models.Index(fields=["payment", "started_at"], name="payments_exchange_payment"),
            models.Index(fields=["refund"], condition=models.Q(refund__isnull=False), name="payments_exchange_refund"),
            models.Index(fields=["lab", "-started_at"], name="payments_exchange_list"),
            models.Index(
                fields=["lease_until"],
                condition=models.Q(outcome__in=["sent", "unknown"]),
                name="payments_exchange_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.outcome}"
