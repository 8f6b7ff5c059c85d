"""Desk pages of core: customers, the audit log, and the people who may log in."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from core.desk import filters, showing
from core.desk.access import Ability
from core.desk.scoped import DeskAdmin, time_column
from core.models import AuditLog, Customer, Membership


@admin.register(Customer)
class CustomerAdmin(DeskAdmin):
    list_display = ("__str__", "external_id", "email", "phone", "lab", time_column("created_at", "since"))
    list_filter = (filters.LabFilter, filters.between("created_at"))
    search_fields = ("=external_id", "email__istartswith", "name__istartswith")
    search_help_text = "The lab's own id, or the beginning of the name or e-mail"
    fields = ("lab", "external_id", "name", "email", "phone", time_column("created_at", "since"))
    readonly_fields = fields
    ordering = ("-pk",)


@admin.register(AuditLog)
class AuditLogAdmin(DeskAdmin):
    """What people did, newest first."""

    ability: ClassVar[Ability] = Ability.SEE_AUDIT
    list_display = (time_column("at"), "action", "actor_label", "object_id", "changed", "lab")
    list_filter = (filters.LabFilter, filters.between("at"))
    search_fields = ("=object_id", "=action", "=actor_label")
    search_help_text = "An object's id, an action or a person's name, exactly"
    fields = (
        "lab", "seq", time_column("at"), "actor_label", "action", "object_type", "object_id", "changed", "prev_hash",
        "row_hash",
    )  # fmt: skip
    readonly_fields = fields
    ordering = ("-pk",)

    @admin.display(description="changes")
    def changed(self, row: AuditLog) -> str:
        text = showing.as_json(row.changes)
        return format_html('<code class="pw-code">{}</code>', text) if text else showing.NOTHING


class SuperuserOnly:
    """Accounts of people are the platform's business, not a lab's."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return _is_superuser(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _is_superuser(request)

    has_add_permission = has_view_permission
    has_change_permission = has_view_permission
    has_delete_permission = has_view_permission


def _is_superuser(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.is_active and user.is_superuser)


admin.site.unregister(User)
admin.site.unregister(Group)


@admin.register(User)
class PersonAdmin(SuperuserOnly, UserAdmin, ModelAdmin):  # type: ignore[misc, type-arg]
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "labs", "is_staff", "is_superuser", "is_active", "last_login")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("memberships__lab")

    @admin.display(description="labs")
    def labs(self, person: User) -> str:
        members: list[Membership] = list(person.memberships.all())
        return ", ".join(f"{member.lab.name} ({member.role})" for member in members) or showing.NOTHING


@admin.register(Group)
class TeamAdmin(SuperuserOnly, GroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Django's groups; the desk itself goes by memberships."""
