"""Routing rules at the desk. Owners and managers change them, by the same service as the API; the others read them."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from core.api.fields import ValidationFailed
from core.desk import codes, filters, showing
from core.desk.access import Ability, access_of
from core.desk.scoped import DeskAdmin, address_of, badge_column
from core.gateways.types import Mode
from payments.models import RoutingRule
from payments.services import rules

_LISTS: Final = ("currencies", "countries", "methods", "gateway_keys", "shares")
_GAP: Final = re.compile(r"[\s,;]+")


def _text(help_text: str, *, required: bool = False) -> forms.CharField:
    return forms.CharField(required=required, widget=UnfoldAdminTextInputWidget(), help_text=help_text)


class RuleForm(forms.ModelForm):
    """Lists are typed with commas between. What the values must be, the service decides."""

    lab = forms.ChoiceField(widget=UnfoldAdminSelectWidget())
    mode = forms.ChoiceField(choices=[(one.value, one.value) for one in Mode], widget=UnfoldAdminSelectWidget())
    currencies = _text("Like EUR, USD; empty: all.")
    countries = _text("Two letters each, like DE, AT; empty: all.")
    methods = _text("Like card, upi; empty: all.")
    gateway_keys = _text("Ids of gateway keys of this lab and mode, in the order to be tried.", required=True)
    shares = _text("Percentages, one for each key, together 100; empty: strictly in order.")

    class Meta:
        model = RoutingRule
        fields = ("name", "position", "minimum", "maximum", "is_active")

    def __init__(self, *args: Any, request: HttpRequest, **options: Any) -> None:
        super().__init__(*args, **options)
        self._is_new = self.instance.pk is None
        access = access_of(request)
        self.fields["lab"].choices = [  # type: ignore[attr-defined]
            (str(lab_id), access.labs[lab_id].name) for lab_id in access.lab_ids(Ability.CHANGE_KEYS)
        ]
        for name in ("minimum", "maximum"):
            self.fields[name].help_text = "In minor units of the payment's currency: 49900 is 499.00 EUR."
        if not self._is_new:
            del self.fields["lab"], self.fields["mode"]
            self.initial.update({name: ", ".join(map(str, getattr(self.instance, name))) for name in _LISTS})

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.errors:
            return given
        self.data_given = {name: _typed(name, given[name]) for name in rules.NAMES}
        lab_id, mode = (
            (int(given["lab"]), given["mode"]) if self._is_new else (self.instance.lab_id, self.instance.mode)
        )
        try:
            self.values = rules.read_rule(self.data_given, lab_id=lab_id, mode=mode)
        except ValidationFailed as refused:
            for error in refused.errors:
                self.add_error(error["field"] if error["field"] in self.fields else None, error["detail"])
        if self._is_new and rules.is_full(lab_id=lab_id, mode=mode):
            self.add_error(None, rules.TooManyRules.default_detail)
        return given

    def _post_clean(self) -> None:
        """The row is written by the service, so nothing is put on it here."""


def _typed(name: str, value: Any) -> Any:
    """A field as the service reads it."""
    if name not in _LISTS:
        return int(value) if name in ("minimum", "maximum") and value is not None else value
    words = [word for word in _GAP.split(value) if word]
    return [int(word) if name == "shares" and word.isascii() and word.isdigit() else word for word in words]


@admin.register(RoutingRule)
class RoutingRuleAdmin(DeskAdmin):
    """Which gateway key is tried for which payment, in the order in which the rules are read."""

    form = RuleForm
    address_field: ClassVar[str] = "public_id"
    list_display = ("__str__", "position", "conditions", "tried", badge_column("mode"), "is_active", "lab")
    list_filter = (filters.LabFilter, filters.ModeFilter)
    search_fields = ("=public_id", "name__istartswith")
    search_help_text = "A rule's id or the beginning of its name"
    ordering = ("lab_id", "mode", "position", "pk")
    fields: Any = (
        "name", "position", "is_active", "currencies", "countries", "methods", "minimum", "maximum", "gateway_keys",
        "shares",
    )  # fmt: skip

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access_of(request).may(Ability.CHANGE_KEYS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return access_of(request).may(Ability.CHANGE_KEYS, None if obj is None else obj.lab_id)

    has_delete_permission = has_change_permission

    @admin.display(description="for")
    def conditions(self, rule: RoutingRule) -> str:
        words = [*rule.currencies, *rule.countries, *rule.methods]
        bounds = [f"{name} {value}" for name, value in (("from", rule.minimum), ("to", rule.maximum)) if value]
        return ", ".join([*words, *bounds]) or "every payment"

    @admin.display(description="tried")
    def tried(self, rule: RoutingRule) -> str:
        shares = [f" {share}%" for share in rule.shares] or [""] * len(rule.gateway_keys)
        return showing.unbroken(*(key + share for key, share in zip(rule.gateway_keys, shares, strict=True)))

    def get_fields(self, request: HttpRequest, obj: RoutingRule | None = None) -> list[Any]:
        return [*(("lab", "mode") if obj is None else ()), *self.fields]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **options: Any) -> Any:
        """The form knows who asks: only labs in which they may change rules are offered, and taken."""
        del obj, change, options

        class Asked(RuleForm):
            def __init__(self, *args: Any, **more: Any) -> None:
                super().__init__(*args, request=request, **more)

        return Asked

    # Writing ----------------------------------------------------------------------------------------------------------

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponseBase:
        if request.method == "POST" and self.has_add_permission(request) and not codes.is_fresh(request):
            return codes.ask_for_code(request, then=request.path)
        return super().changeform_view(request, *args, **options)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponseBase:
        if request.method == "POST" and self.has_delete_permission(request) and not codes.is_fresh(request):
            return codes.ask_for_code(request, then=request.path)
        return super().delete_view(request, quote(object_id), extra_context)

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> RoutingRule:
        rule: RoutingRule = form.instance
        return rule

    def save_model(self, request: HttpRequest, obj: RoutingRule, form: Any, change: bool) -> None:
        if change:
            rules.change_rule(rule=obj, data=form.data_given, actor=request.user)
            return
        lab_id, mode = int(form.cleaned_data["lab"]), form.cleaned_data["mode"]
        made = rules.create_rule(lab_id=lab_id, mode=mode, values=form.values, actor=request.user)
        obj.__dict__.update(made.__dict__)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """There is nothing beside the row."""

    def delete_model(self, request: HttpRequest, obj: RoutingRule) -> None:
        rules.delete_rule(rule=obj, actor=request.user)

    def response_add(self, request: HttpRequest, obj: RoutingRule, post_url_continue: Any = None) -> HttpResponseBase:
        messages.success(request, "The rule is saved.")
        return HttpResponseRedirect(address_of(obj, obj.public_id))

    def response_change(self, request: HttpRequest, obj: RoutingRule) -> HttpResponseBase:
        return self.response_add(request, obj)

    def response_delete(self, request: HttpRequest, obj_display: str, obj_id: int) -> HttpResponseBase:
        messages.success(request, "The rule is deleted.")
        return HttpResponseRedirect(reverse("admin:payments_routingrule_changelist"))
