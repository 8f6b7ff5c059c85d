"""Payments at the desk: a list to find one, a page that tells its story, and a button that asks the gateway now."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html

from core.desk import filters, showing
from core.desk.access import Ability, access_of
from core.desk.scoped import DeskAdmin, address_of, badge_column, time_column
from core.errors import DomainError
from core.gateways.types import Attention, PaymentStatus
from payments import reading
from payments.admin import asking, payment_page
from payments.models import GatewayReference, Payment
from payments.services import attention

ANY: Final = "any"
_STATUSES: Final = [(one.value, showing.words(one.value)) for one in PaymentStatus]
_ATTENTION: Final = [(ANY, "anything"), *((one.value, showing.words(one.value)) for one in Attention)]
ATTENTION_CONDITIONS: Final = {
    ANY: reading.wants_attention(),
    **{one.value: reading.wants_attention(one) for one in Attention},
}
AttentionFilter = filters.choice_filter("attention", "attention", _ATTENTION, conditions=ATTENTION_CONDITIONS)


@admin.register(Payment)
class PaymentAdmin(DeskAdmin):
    """Nothing of a payment is changed by hand: the gateway says what is true, and people may make us ask."""

    address_field: ClassVar[str] = "public_id"
    list_display = (
        "public_id", badge_column("status"), "money", "customer_name", "gateway_mode", "look", "reference",
        time_column("created_at", "created"), "lab",
    )  # fmt: skip
    list_filter = (
        filters.LabFilter, filters.choice_filter("status", "status", _STATUSES), AttentionFilter, filters.GatewayFilter,
        filters.ModeFilter, filters.between("created_at"),
    )  # fmt: skip
    list_select_related: ClassVar[Any] = ("lab", "customer")
    search_fields = ("=public_id",)
    search_help_text = "Our id, the lab's reference, or any name the gateway uses for it – exactly"
    ordering = ("-pk",)

    @admin.display(description="amount")
    def money(self, payment: Payment) -> str:
        amount = showing.unbroken(showing.money(payment.amount, payment.currency))
        if not payment.refunded:
            return amount
        back = showing.money(payment.refunded, payment.currency)
        return format_html('{} <span class="pw-quiet pw-unbroken">refunded {}</span>', amount, back)

    @admin.display(description="customer")
    def customer_name(self, payment: Payment) -> str:
        return str(payment.customer) if payment.customer else showing.NOTHING

    @admin.display(description="gateway")
    def gateway_mode(self, payment: Payment) -> str:
        mode = showing.badge("test") if payment.mode == "test" else ""
        return format_html("{} {}", payment.gateway or showing.NOTHING, mode)

    @admin.display(description="reference")
    def reference(self, payment: Payment) -> str:
        return payment.merchant_reference or showing.NOTHING

    @admin.display(description="attention")
    def look(self, payment: Payment) -> str:
        return showing.badges(payment_page.unseen(payment), showing.BAD) or showing.NOTHING

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Any], search_term: str) -> tuple[Any, bool]:
        """By exact names alone, each from its own index: a word inside a name would read the whole table."""
        term = search_term.strip()
        if not term:
            return queryset, False
        labs = access_of(request).lab_ids(self.ability)
        return queryset.filter(pk__in=_named(term, labs)), False

    # Pages ------------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        ask = path("<str:object_id>/ask/", self.admin_site.admin_view(self.ask_view), name="payments_payment_ask")
        seen = path("<str:object_id>/seen/", self.admin_site.admin_view(self.seen_view), name="payments_payment_seen")
        return [ask, seen, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        payment = self._loaded(request, object_id)
        if payment is None:
            return self.missing(request, object_id)
        access = access_of(request)
        context = self.page_context(
            request, title=payment.public_id, original=payment, payment=payment,
            may_ask=access.may(Ability.CHECK, payment.lab_id) and payment.gateway_key_id is not None,
            may_mark=access.may(Ability.MARK_SEEN, payment.lab_id),
            **payment_page.context(payment, with_events=access.may(Ability.SEE_EVENTS, payment.lab_id)),
        )  # fmt: skip
        return TemplateResponse(request, "admin/payments/payment/page.html", context)

    def ask_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Fetch now, and pending refunds with it. At most one fetch in ten seconds; no transaction is open meanwhile."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        payment = self._loaded(request, object_id)
        if payment is None:
            return self.missing(request, object_id)
        if not access_of(request).may(Ability.CHECK, payment.lab_id):
            raise PermissionDenied
        asking.ask_now(request, payment)
        return HttpResponseRedirect(address_of(payment, payment.public_id))

    def seen_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """A person has looked at one reason for attention. It comes back with news."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        payment = self._loaded(request, object_id)
        if payment is None:
            return self.missing(request, object_id)
        if not access_of(request).may(Ability.MARK_SEEN, payment.lab_id):
            raise PermissionDenied
        _mark_seen(request, payment)
        return HttpResponseRedirect(address_of(payment, payment.public_id))

    def _loaded(self, request: HttpRequest, object_id: str) -> Payment | None:
        rows = self.get_queryset(request).select_related("lab", "customer", "gateway_key", "link")
        return rows.filter(public_id=object_id).first()


def _named(term: str, labs: list[int]) -> list[int]:
    mine = Payment.across_labs.filter(lab_id__in=labs)
    names = GatewayReference.across_labs.filter(lab_id__in=labs, reference=term).values_list("payment_id", flat=True)
    found = [
        *mine.filter(public_id=term).values_list("pk", flat=True),
        *mine.filter(merchant_reference=term).values_list("pk", flat=True)[:200],
        *names[:200],
    ]
    return sorted(set(found))


def _mark_seen(request: HttpRequest, payment: Payment) -> None:
    word = request.POST.get("attention", "")
    try:
        if word not in set(Attention):
            raise attention.NothingToSee
        attention.mark_seen(lab_id=payment.lab_id, payment_id=payment.pk, attention=Attention(word), actor=request.user)
    except DomainError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"Marked as seen: {showing.words(word)}. It comes back if there is news.")
