"""The base of every list at the desk: rows of one's own labs, read-only unless a page of its own says otherwise."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.admin.utils import quote
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from unfold.admin import ModelAdmin, TabularInline
from unfold.views import ChangeList

from core.desk import filters, showing
from core.desk.access import Ability, access_of
from core.desk.paging import BoundedPaginator


class AddressedList(ChangeList):  # type: ignore[misc]
    """Rows link to their page by the admin's `address_field`."""

    def url_for_result(self, result: Any) -> str:
        field = self.model_admin.address_field
        address = result.pk if field == "pk" else getattr(result, field)
        return address_of(self.model, address)


def address_of(model: type[Model] | Model, address: Any) -> str:
    """The desk's page of one row."""
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=(str(address),))


class ReadOnly:
    """Nobody adds, changes or deletes here, whatever Django permissions they hold; a direct POST is answered 403."""

    ability: ClassVar[Ability] = Ability.SEE

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access_of(request).may(self.ability, None if obj is None else obj.lab_id)


class DeskAdmin(ReadOnly, ModelAdmin):  # type: ignore[misc]
    """Rows of the labs in which the person has `ability`; another lab's is missing, as if it did not exist.

    Only the parameters of the declared filters are taken from the address: Django would let any column be probed.
    """

    actions = None
    list_per_page = 50
    list_max_show_all = 0
    list_filter_submit = True
    sortable_by = ()  # newest first: any other order of a long table would read all of it
    show_full_result_count = False
    paginator = BoundedPaginator
    list_select_related: ClassVar[Any] = ("lab",)
    search_help_text: ClassVar[str | None] = None
    address_field: ClassVar[str] = "pk"  # `public_id` where there is one: keys of the database stay inside it

    def has_module_permission(self, request: HttpRequest) -> bool:
        return access_of(request).may(self.ability)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        return rows.filter(lab_id__in=access_of(request).lab_ids(self.ability))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in filters.parameters_of(self.list_filter)

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        """The lab's column only where there is more than one."""
        columns = [*super().get_list_display(request)]
        return columns if len(access_of(request).labs) > 1 else [name for name in columns if name != "lab"]

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        if self.address_field == "pk":
            return super().get_object(request, object_id, from_field)
        return self.get_queryset(request).filter(**{self.address_field: object_id}).first()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AddressedList

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        """Django takes an underscore in an address for the beginning of an escape; ours stand there as they are."""
        return super().change_view(request, quote(object_id), form_url, extra_context)  # type: ignore[no-any-return]

    def found(self, request: HttpRequest, object_id: str) -> Any:
        """The row of an address, or None: missing, or of another lab."""
        return self.get_object(request, object_id)

    def missing(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Django's own answer for a row that is not there."""
        return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[no-any-return]

    def page_context(self, request: HttpRequest, **members: Any) -> dict[str, Any]:
        """What every page of our own under this list needs."""
        return {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media, **members}


class DeskTable(ReadOnly, TabularInline):  # type: ignore[misc]
    """Rows that belong to the shown one."""

    extra = 0
    can_delete = False
    show_change_link = False
    hide_title = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access_of(request).may(self.ability)


def amount_column(name: str, title: str, *, asset: str = "currency") -> Any:
    """A column of a list that shows the amount in `name` in major units; sorting would compare different currencies."""

    def column(row: Model) -> str:
        return showing.unbroken(showing.money(getattr(row, name), getattr(row, asset)))

    column.__name__ = f"{name}_shown"
    column.short_description = title  # type: ignore[attr-defined]
    return column


def badge_column(name: str, title: str = "") -> Any:
    def column(row: Model) -> str:
        value = getattr(row, name)
        return showing.badge(value) if value else showing.NOTHING

    column.__name__ = f"{name}_shown"
    column.short_description = title or showing.words(name)  # type: ignore[attr-defined]
    return column


def time_column(name: str, title: str = "") -> Any:
    def column(row: Model) -> str:
        return showing.unbroken(*showing.time(getattr(row, name)).split(" ", 1))

    column.__name__ = f"{name}_shown"
    column.short_description = title or showing.words(name)  # type: ignore[attr-defined]
    return column
