"""Filters of lists that offer only what the person may see, and never a value read from somebody else's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any, ClassVar

from django.contrib.admin import ModelAdmin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter, RangeDateFilter
from unfold.utils import parse_date_str

from core.desk.access import access_of
from core.gateways import registry
from core.models.base import MODES

Choices = Iterable[tuple[str, str]]


class LabFilter(DropdownFilter):  # type: ignore[misc]
    """Shown to people with more than one lab in reach."""

    title: ClassVar[str] = "lab"
    parameter_name: ClassVar[str] = "lab"

    def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
        labs = access_of(request).labs
        return [(lab.slug, lab.name) for lab in labs.values()] if len(labs) > 1 else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if not self.value():
            return queryset
        return queryset.filter(
            lab_id__in=[lab.pk for lab in access_of(request).labs.values() if lab.slug == self.value()]
        )


def choice_filter(
    title: str, parameter: str, choices: Choices | Callable[[], Choices], *, conditions: Mapping[str, Q] | None = None
) -> type[DropdownFilter]:
    """A drop-down by one column of fixed values; `conditions` where a value means more than equality."""

    class Filter(DropdownFilter):  # type: ignore[misc]
        def lookups(self, request: HttpRequest, model_admin: ModelAdmin[Any]) -> list[tuple[str, str]]:
            return list(choices() if callable(choices) else choices)

        def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            value = self.value()
            if not value:
                return queryset
            if value not in {str(word) for word, _ in self.lookup_choices}:
                return queryset.none()
            return queryset.filter((conditions or {}).get(value) or Q(**{parameter: value}))

    Filter.title = title
    Filter.parameter_name = parameter
    Filter.__name__ = f"{parameter.title()}Filter"
    return Filter


def _gateways() -> Choices:
    return [(slug, about.label) for slug, about in registry.descriptions().items()]


ModeFilter = choice_filter("mode", "mode", MODES)
GatewayFilter = choice_filter("gateway", "gateway", _gateways)
KeyGatewayFilter = choice_filter("gateway", "gateway_key__gateway", _gateways)  # of rows that name their key alone


class DayFilter(RangeDateFilter):  # type: ignore[misc]
    """From the beginning of one day to the end of another, in UTC like all times at the desk."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        first, last = (self._day(f"{self.parameter_name}_{end}") for end in ("from", "to"))
        if first is not None:
            queryset = queryset.filter(**{f"{self.parameter_name}__gte": first})
        return queryset if last is None else queryset.filter(**{f"{self.parameter_name}__lt": last + timedelta(days=1)})

    def _day(self, name: str) -> datetime | None:
        """Midnight of the day that was asked for; None where none was, or where it is no day."""
        try:
            day = parse_date_str(self.used_parameters.get(name) or "")
        except ValueError:
            return None
        return None if day is None else datetime.combine(day, time.min, tzinfo=UTC)


def between(field: str) -> tuple[str, type[RangeDateFilter]]:
    """From one day to another."""
    return (field, DayFilter)


def parameters_of(filters: Iterable[Any]) -> frozenset[str]:
    """Every query parameter that these filters read."""
    found: set[str] = set()
    for one in filters:
        if isinstance(one, tuple):
            found |= {f"{one[0]}_from", f"{one[0]}_to"}
        else:
            found.add(one.parameter_name)
    return frozenset(found)
