"""Read-only lists: refunds, disputes, saved methods, payment links, webhook events, gateway transactions."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils.html import format_html

from core.desk import filters, showing
from core.desk.access import Ability, access_of
from core.desk.scoped import DeskAdmin, address_of, amount_column, badge_column, time_column
from core.encryption import CannotOpen
from core.gateways.types import DisputeStatus, Operation, RefundStatus
from payments.admin import asking
from payments.admin.payments import ANY
from payments.models import (
    OPEN_STATES,
    CustomerPaymentProfile,
    Dispute,
    EventState,
    OnlinePayment,
    Outcome,
    PaymentGatewayTransaction,
    ProfileStatus,
    Refund,
    WebhookEvent,
)
from payments.services import links

_OPEN: Final = "open"


def _payment_link(row: Any) -> str:
    if row.payment is None:
        return showing.NOTHING
    address = address_of(row.payment, row.payment.public_id)
    return format_html('<a class="pw-link pw-unbroken" href="{}">{}</a>', address, row.payment.public_id)


_payment_link.short_description = "payment"  # type: ignore[attr-defined]


def _pretty(name: str, title: str) -> Any:
    def column(row: Model) -> str:
        text = showing.as_json(getattr(row, name))
        return format_html('<pre class="pw-json">{}</pre>', text) if text else showing.NOTHING

    column.__name__ = f"{name}_shown"
    column.short_description = title  # type: ignore[attr-defined]
    return column


@admin.register(Refund)
class RefundAdmin(DeskAdmin):
    address_field: ClassVar[str] = "public_id"
    list_display = (
        "public_id", badge_column("status"), amount_column("amount", "amount"), _payment_link, badge_column("mode"),
        "reason", time_column("created_at", "created"), "lab",
    )  # fmt: skip
    list_filter = (
        filters.LabFilter,
        filters.choice_filter("status", "status", [(one.value, one.value) for one in RefundStatus]),
        filters.KeyGatewayFilter, filters.ModeFilter, filters.between("created_at"),
    )  # fmt: skip
    list_select_related: ClassVar[Any] = ("lab", "payment")
    search_fields = ("=public_id", "=merchant_reference", "=gateway_reference", "=payment__public_id")
    search_help_text = "An id of the refund or its payment, exactly"
    fields = (
        "public_id", "lab", badge_column("mode"), _payment_link, badge_column("status"), amount_column("amount", "amount"),
        "reason", "merchant_reference", "gateway_reference", "pending_reason", _pretty("failure", "failure"), "is_external",
        time_column("created_at", "created"), time_column("completed_at", "completed"),
        time_column("next_check_at", "next asked"),
    )  # fmt: skip
    readonly_fields = fields
    ordering = ("-pk",)


@admin.register(Dispute)
class DisputeAdmin(DeskAdmin):
    """What payers' banks want back. Evidence is given in the gateway's dashboard."""

    address_field: ClassVar[str] = "public_id"
    list_display = (
        "public_id", badge_column("status"), amount_column("amount", "amount"), amount_column("withdrawn", "withdrawn"),
        _payment_link, "reason", time_column("respond_by", "respond by"), badge_column("mode"), "lab",
    )  # fmt: skip
    list_filter = (
        filters.LabFilter,
        filters.choice_filter("status", "status", [(one.value, showing.words(one.value)) for one in DisputeStatus]),
        filters.KeyGatewayFilter, filters.ModeFilter, filters.between("opened_at"),
    )  # fmt: skip
    list_select_related: ClassVar[Any] = ("lab", "payment")
    search_fields = ("=public_id", "=gateway_reference", "=payment__public_id")
    search_help_text = "An id of the dispute or its payment, exactly"
    fields = (
        "public_id", "lab", badge_column("mode"), _payment_link, badge_column("status"), amount_column("amount", "amount"),
        amount_column("withdrawn", "withdrawn"), "reason", "gateway_reference", time_column("respond_by", "respond by"),
        time_column("opened_at", "opened"), time_column("closed_at", "closed"), time_column("next_check_at", "next asked"),
    )  # fmt: skip
    readonly_fields = fields
    ordering = ("-pk",)
    change_form_outer_before_template = "admin/payments/dispute/ask.html"

    def get_urls(self) -> list[URLPattern]:
        ask = path("<str:object_id>/ask/", self.admin_site.admin_view(self.ask_view), name="payments_dispute_ask")
        return [ask, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        dispute = self.found(request, object_id)
        may_ask = dispute is not None and access_of(request).may(Ability.CHECK, dispute.lab_id)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "may_ask": may_ask})

    def ask_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Fetch the dispute and its payment now."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        dispute = self.found(request, object_id)
        if dispute is None:
            return self.missing(request, object_id)
        if not access_of(request).may(Ability.CHECK, dispute.lab_id):
            raise PermissionDenied
        asking.ask_now(request, dispute.payment, dispute_id=dispute.pk)
        return HttpResponseRedirect(address_of(dispute, dispute.public_id))


@admin.register(CustomerPaymentProfile)
class ProfileAdmin(DeskAdmin):
    """Methods that customers agreed to have saved. The gateway keeps them; their tokens are shown to nobody."""

    address_field: ClassVar[str] = "public_id"
    list_display = (
        "public_id", "customer", "gateway", badge_column("status"), "method", "is_default", badge_column("mode"),
        time_column("created_at", "saved"), "lab",
    )  # fmt: skip
    list_filter = (
        filters.LabFilter, filters.choice_filter("status", "status", ProfileStatus.choices), filters.KeyGatewayFilter,
        filters.ModeFilter, filters.between("created_at"),
    )  # fmt: skip
    list_select_related: ClassVar[Any] = ("lab", "customer")
    search_fields = ("=public_id", "=customer__external_id")
    search_help_text = "The method's id or the lab's own id for the customer, exactly"
    fields = (
        "public_id", "lab", badge_column("mode"), "customer", "gateway", badge_column("status"), "method", "is_default",
        time_column("consent_at", "consent"), time_column("created_at", "saved"), time_column("deleted_at", "deleted"),
    )  # fmt: skip
    readonly_fields = fields
    ordering = ("-pk",)

    @admin.display(description="method")
    def method(self, profile: CustomerPaymentProfile) -> str:
        ends = f"ending {profile.last_four}" if profile.last_four else profile.handle
        expiry = (
            f"{profile.expiry_month:02}/{profile.expiry_year}" if profile.expiry_month and profile.expiry_year else ""
        )
        return " ".join(part for part in (profile.brand or profile.kind, ends, expiry) if part) or showing.NOTHING


@admin.register(OnlinePayment)
class OnlinePaymentAdmin(DeskAdmin):
    """Whoever has a link's address can pay it, so only those who hand it out see it."""

    address_field: ClassVar[str] = "public_id"
    list_display = (
        "public_id", "price", "description", "used", "state", badge_column("mode"), time_column("created_at", "created"),
        "lab",
    )  # fmt: skip
    list_filter = (filters.LabFilter, filters.ModeFilter, filters.between("created_at"))
    search_fields = ("=public_id", "=merchant_reference")
    search_help_text = "The link's id or reference, exactly"
    fields = (
        "public_id", "lab", badge_column("mode"), "state", "price", "description", "merchant_reference", "used",
        "gateways", "return_url", _pretty("metadata", "metadata"), time_column("expires_at", "expires"),
        time_column("created_at", "created"),
    )  # fmt: skip
    readonly_fields = (*fields, "address")
    ordering = ("-pk",)

    def get_fields(self, request: HttpRequest, obj: OnlinePayment | None = None) -> list[Any]:
        may_hand_out = obj is not None and access_of(request).may(Ability.CHECK, obj.lab_id)
        return [*self.fields, "address"] if may_hand_out else [*self.fields]

    @admin.display(description="address")
    def address(self, link: OnlinePayment) -> str:
        try:
            return format_html('<code class="pw-code">{}</code>', links.link_url(link))
        except CannotOpen:
            return "cannot be opened: make a new link"

    @admin.display(description="amount")
    def price(self, link: OnlinePayment) -> str:
        if link.amount is not None:
            return showing.money(link.amount, link.currency)
        return f"{showing.money(link.minimum, link.currency)} to {showing.money(link.maximum, link.currency)}"

    @admin.display(description="used")
    def used(self, link: OnlinePayment) -> str:
        return f"{link.uses} of {link.max_uses}" if link.max_uses is not None else f"{link.uses} times"

    @admin.display(description="state")
    def state(self, link: OnlinePayment) -> str:
        status = links.status_of(link)
        return showing.badge(status.value, showing.GOOD if status is links.LinkStatus.ACTIVE else showing.PLAIN)

    @admin.display(description="gateways")
    def gateways(self, link: OnlinePayment) -> str:
        return ", ".join(link.allowed_gateways) or "all of the lab's"


@admin.register(WebhookEvent)
class WebhookEventAdmin(DeskAdmin):
    """What gateways told us. Bodies are for those who help customers, redacted once more."""

    ability: ClassVar[Ability] = Ability.SEE_EVENTS
    list_display = (
        time_column("received_at", "received"), "key_name", "event_type", "standing", _payment_link, "said", "lab",
    )  # fmt: skip
    list_filter = (
        filters.LabFilter,
        filters.choice_filter(
            "state", "state", [(_OPEN, "waiting (any)"), *EventState.choices], conditions={_OPEN: Q(state__in=OPEN_STATES)}
        ),
        filters.choice_filter(
            "attention", "attention", [(ANY, "anything")], conditions={ANY: Q(attention__len__gt=0)}
        ),
        filters.KeyGatewayFilter, filters.ModeFilter, filters.between("received_at"),
    )  # fmt: skip
    list_select_related: ClassVar[Any] = ("lab", "payment", "gateway_key")
    search_fields = ("=event_key", "=payment__public_id")
    search_help_text = "The event's own id or its payment's id, exactly"
    fields = (
        "lab", badge_column("mode"), "key_name", "event_type", "event_key", badge_column("state"), "look", _payment_link,
        "note", "error", "tries", "deliveries", time_column("received_at", "received"),
        time_column("applied_at", "applied"), time_column("next_try_at", "next try"), "body_shown",
        _pretty("reports", "what we read in it"), _pretty("headers", "headers kept"), "body_sha256",
    )  # fmt: skip
    readonly_fields = fields
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("body", "reports", "headers")

    @admin.display(description="gateway key")
    def key_name(self, event: WebhookEvent) -> str:
        return str(event.gateway_key)

    @admin.display(description="state")
    def standing(self, event: WebhookEvent) -> str:
        return format_html("{} {}", showing.badge(event.state), showing.badges(event.attention, showing.BAD))

    @admin.display(description="attention")
    def look(self, event: WebhookEvent) -> str:
        return showing.badges(event.attention, showing.BAD) or showing.NOTHING

    @admin.display(description="note or error")
    def said(self, event: WebhookEvent) -> str:
        text = event.error or event.note
        return text if len(text) <= 90 else f"{text[:90]}…"

    @admin.display(description="body")
    def body_shown(self, event: WebhookEvent) -> str:
        return format_html('<pre class="pw-json">{}</pre>', showing.body_text(event.body))


@admin.register(PaymentGatewayTransaction)
class GatewayTransactionAdmin(DeskAdmin):
    """Every exchange with a gateway that moved something or was meant to."""

    list_display = (
        time_column("started_at", "started"), "operation", badge_column("outcome"), "key_name", _payment_link, "took",
        "said", "lab",
    )  # fmt: skip
    list_filter = (
        filters.LabFilter, filters.choice_filter("outcome", "outcome", Outcome.choices),
        filters.choice_filter("operation", "operation", [(one.value, showing.words(one.value)) for one in Operation]),
        filters.KeyGatewayFilter, filters.ModeFilter, filters.between("started_at"),
    )  # fmt: skip
    list_select_related: ClassVar[Any] = ("lab", "payment", "gateway_key")
    search_fields = ("=idempotency_key", "=payment__public_id")
    search_help_text = "An idempotency key or a payment's id, exactly"
    fields = (
        "lab", badge_column("mode"), "operation", badge_column("outcome"), "key_name", _payment_link, "idempotency_key",
        "tries", "took", "error_class", "error", time_column("started_at", "started"),
        time_column("finished_at", "finished"), _pretty("request", "request"), _pretty("response", "answer"),
    )  # fmt: skip
    readonly_fields = fields
    ordering = ("-pk",)  # UUIDs of version 7 grow with time

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("request", "response")

    @admin.display(description="gateway key")
    def key_name(self, exchange: PaymentGatewayTransaction) -> str:
        return str(exchange.gateway_key)

    @admin.display(description="took")
    def took(self, exchange: PaymentGatewayTransaction) -> str:
        return showing.NOTHING if exchange.duration_ms is None else f"{exchange.duration_ms} ms"

    @admin.display(description="error")
    def said(self, exchange: PaymentGatewayTransaction) -> str:
        return exchange.error if len(exchange.error) <= 90 else f"{exchange.error[:90]}…"
