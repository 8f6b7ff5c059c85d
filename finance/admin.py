"""Desk pages of the books: balances, transactions with their entries, and the platform's currencies. Money is read-only."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from core.desk import filters, showing
from core.desk.access import Ability, access_of
from core.desk.scoped import DeskAdmin, DeskTable, amount_column, badge_column, time_column
from finance.models import AccountKind, Currency, Entry, Transaction, TransactionKind, UserBalance


@admin.register(UserBalance)
class UserBalanceAdmin(DeskAdmin):
    """What customers have. Totals over all time are on a balance's own page: they read its entries."""

    ability: ClassVar[Ability] = Ability.SEE_BALANCES
    list_display = (
        "customer_name", "asset", amount_column("balance", "balance", asset="asset"),
        amount_column("held", "held", asset="asset"), amount_column("available", "available", asset="asset"), "lab",
    )  # fmt: skip
    list_filter = (filters.LabFilter,)
    list_select_related: ClassVar[Any] = ("lab", "customer")
    search_fields = ("=customer__external_id", "customer__email__istartswith", "customer__name__istartswith", "=asset")
    search_help_text = "A customer's id, the beginning of their name or e-mail, or a currency"
    fields = (
        "lab", "customer_name", "asset", amount_column("balance", "balance", asset="asset"),
        amount_column("held", "held", asset="asset"), amount_column("available", "available", asset="asset"),
        amount_column("total_deposited", "deposited in all", asset="asset"),
        amount_column("total_withdrawn", "withdrawn in all", asset="asset"), time_column("last_transaction_at"),
        time_column("created_at", "since"),
    )  # fmt: skip
    readonly_fields = fields
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(kind=AccountKind.CUSTOMER_BALANCE)

    @admin.display(description="customer")
    def customer_name(self, row: UserBalance) -> str:
        return str(row.customer) if row.customer else showing.NOTHING


class EntryTable(DeskTable):
    model = Entry
    ability: ClassVar[Ability] = Ability.SEE_BALANCES
    verbose_name_plural = "entries"
    fields = (
        "account_name", amount_column("amount", "amount", asset="asset"),
        amount_column("balance_after", "balance after", asset="asset"),
    )  # fmt: skip
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("account", "account__customer")

    @admin.display(description="account")
    def account_name(self, row: Entry) -> str:
        account = row.account
        return f"{account.get_kind_display()}: {account.customer}" if account.customer else account.get_kind_display()


@admin.register(Transaction)
class TransactionAdmin(DeskAdmin):
    """What was booked, newest first. A mistake is corrected by a reversal, never here."""

    ability: ClassVar[Ability] = Ability.SEE_BALANCES
    list_display = (
        time_column("created_at", "booked at"), badge_column("kind"), "moved", "description", "source", "source_id", "lab",
    )  # fmt: skip
    list_filter = (
        filters.LabFilter, filters.choice_filter("kind", "kind", TransactionKind.choices), filters.between("created_at"),
    )  # fmt: skip
    search_fields = ("=source_id", "=asset")
    search_help_text = "The source's id or a currency, exactly"
    fields = (
        "lab", badge_column("kind"), "asset", "description", "source", "source_id", "author", "reverses",
        time_column("created_at", "booked at"),
    )  # fmt: skip
    readonly_fields = fields
    inlines = (EntryTable,)
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("entries")

    @admin.display(description="moved")
    def moved(self, row: Transaction) -> str:
        """What changed hands: the positive entries, which the negative ones balance."""
        return showing.money(sum(entry.amount for entry in row.entries.all() if entry.amount > 0), row.asset)


@admin.register(Currency)
class CurrencyAdmin(ModelAdmin):
    """What the platform can count in. Everybody at the desk reads it; a superuser switches and orders."""

    list_display = ("code", "name", "provider", "asset", "network", "decimals", "is_active", "sort_order")
    list_filter = (filters.choice_filter("state", "is_active", [("True", "Active"), ("False", "Switched off")]),)
    list_filter_submit = True
    list_per_page = 100
    actions = None
    search_fields = ("code", "name", "asset")
    fields = (
        "name", "asset", "provider", "code", "token", "network", "decimals", "minimum_shown", "is_active", "sort_order",
        "explorer_transaction", "explorer_address",
    )  # fmt: skip
    readonly_fields = (
        "name", "asset", "provider", "code", "token", "network", "decimals", "minimum_shown", "explorer_transaction",
        "explorer_address",
    )  # fmt: skip

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request) or access_of(request).may(Ability.SEE)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        user: Any = request.user
        return bool(user.is_active and user.is_staff and user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="smallest amount")
    def minimum_shown(self, row: Currency) -> str:
        return showing.money(row.minimum, row.asset)
