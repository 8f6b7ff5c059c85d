"""A lab's routing rules: read, made, changed, deleted, each with its row in the audit log. API and desk come here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from django.db import transaction

from core import audit, ids
from core.api import fields
from core.api.fields import FieldError, Fields
from core.errors import DomainError, NotFound
from core.gateways import encoding
from core.gateways.types import Mode
from payments.models import PaymentGatewayKey, RoutingRule

MOST_RULES: Final = 100  # of one lab and mode: every payment reads them all
MOST_WORDS: Final = 200
MOST_KEYS: Final = 20
POSITIONS: Final = (0, 32_767)
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}", re.ASCII)
_METHOD: Final = re.compile(r"[a-z0-9_]{1,32}", re.ASCII)


class TooManyRules(DomainError):
    """409: a lab has as many rules as it may have."""

    code: ClassVar[str] = "too_many_rules"
    default_detail: ClassVar[str] = f"A lab has at most {MOST_RULES} routing rules in each mode; delete one first."


# Reading ------------------------------------------------------------------------------------------------------------


def clean_country(value: object) -> str:
    """Two letters of ISO 3166, in capitals whatever their case was."""
    if not isinstance(value, str) or not _COUNTRY.fullmatch(value):
        raise FieldError("unknown_country", "Send the two letters of ISO 3166, like IN.")
    return value.upper()


def clean_method(value: object) -> str:
    """A word as gateways describe their methods by."""
    if not isinstance(value, str) or not _METHOD.fullmatch(value):
        raise FieldError("unknown_method", "Send a method's word as GET /v1/gateways gives it, like card or upi.")
    return value


def _list_of(clean: Callable[[object], Any], *, most: int = MOST_WORDS) -> Callable[[object], list[Any]]:
    def clean_list(value: object) -> list[Any]:
        if not isinstance(value, list):
            raise FieldError("invalid_type", "Send a list.")
        if len(value) > most:
            raise FieldError("too_many", f"Send at most {most}.")
        return list(dict.fromkeys(clean(one) for one in value))

    return clean_list


def _clean_keys(value: object) -> list[str]:
    found = _list_of(fields.clean_public_id, most=MOST_KEYS)(value)
    if not found:
        raise FieldError("blank", "Send at least one gateway key: a rule says who is tried.")
    return found


def _clean_shares(value: object) -> list[int]:
    if not isinstance(value, list) or len(value) > MOST_KEYS:
        raise FieldError("invalid_type", "Send a list with one percentage for each gateway key, or an empty one.")
    found = [fields.whole_number(0, 100)(one) for one in value]
    if found and sum(found) != 100:
        raise FieldError("invalid_shares", "Shares are percentages: together they are 100.")
    return found


def _clean_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise FieldError("invalid_type", "Send true or false.")
    return value


_CLEAN: Final[Mapping[str, Callable[[Any], Any]]] = {
    "name": fields.text_of(120),
    "position": fields.whole_number(*POSITIONS),
    "currencies": _list_of(fields.clean_currency),
    "countries": _list_of(clean_country),
    "methods": _list_of(clean_method),
    "minimum": fields.clean_amount,
    "maximum": fields.clean_amount,
    "gateway_keys": _clean_keys,
    "shares": _clean_shares,
    "is_active": _clean_flag,
}
NAMES: Final = tuple(_CLEAN)
_BOUNDS: Final = ("minimum", "maximum")


def read_rule(data: Any, *, lab_id: int, mode: str, before: RoutingRule | None = None) -> dict[str, Any]:
    """What is given, cleaned; a bound given as None is taken off. Raises ValidationFailed, naming every field.

    `before` is the rule that is changed: what is not given stays, and must still fit what is.
    """
    take = Fields(data)
    found = {name: take.take(name, clean, required=_is_needed(name, before)) for name, clean in _CLEAN.items()}
    take.check()
    values = {name: value for name, value in found.items() if value is not None or _takes_off(name, data)}
    _check_whole(take, {name: values.get(name, getattr(before, name, None)) for name in _CLEAN})
    if "gateway_keys" in values:
        _check_keys(take, values["gateway_keys"], lab_id, mode)
    take.check()
    return values


def _is_needed(name: str, before: RoutingRule | None) -> bool:
    return name == "gateway_keys" and before is None


def _takes_off(name: str, data: Mapping[str, Any]) -> bool:
    return name in _BOUNDS and name in data


def _check_whole(take: Fields, rule: Mapping[str, Any]) -> None:
    least, most, shares = rule["minimum"], rule["maximum"], rule["shares"]
    if least is not None and most is not None and least > most:
        take.refuse("maximum", FieldError("out_of_range", "maximum is not below minimum."))
    if shares and len(shares) != len(rule["gateway_keys"]):
        take.refuse("shares", FieldError("invalid_shares", "Send one share for each of gateway_keys, or none at all."))


def _check_keys(take: Fields, public_ids: Any, lab_id: int, mode: str) -> None:
    known = PaymentGatewayKey.objects.for_lab(lab_id).filter(mode=mode, public_id__in=public_ids).count()
    if known != len(public_ids):
        detail = "Send ids of gateway keys of this lab and mode, as GET /v1/gateway-keys gives them."
        take.refuse("gateway_keys", FieldError("unknown_gateway_key", detail))


# Writing ------------------------------------------------------------------------------------------------------------


def create_rule(
    *, lab_id: int, mode: Mode | str, values: Mapping[str, Any], actor: Any, rule_id: int | None = None
) -> RoutingRule:
    """Keep a rule of `read_rule`'s values. Raises TooManyRules."""
    with transaction.atomic():
        rule = RoutingRule(id=rule_id, lab_id=lab_id, mode=str(mode), public_id=ids.public_id("RR"), **values)
        _record(rule, actor, "created", values)  # first: it makes those who count wait for each other
        if is_full(lab_id=lab_id, mode=mode):
            raise TooManyRules
        rule.save(force_insert=True)
    return rule


def is_full(*, lab_id: int, mode: Mode | str) -> bool:
    """Whether a lab has as many rules in this mode as it may have."""
    return bool(RoutingRule.objects.for_lab(lab_id).filter(mode=str(mode)).count() >= MOST_RULES)


def change_rule(*, rule: RoutingRule, data: Any, actor: Any) -> RoutingRule:
    """Change what is given, read beside what stands there now. Raises ValidationFailed, or NotFound where it is gone."""
    with transaction.atomic():
        found = _locked(rule)
        values = read_rule(data, lab_id=found.lab_id, mode=found.mode, before=found)
        changed = {name: value for name, value in values.items() if getattr(found, name) != value}
        if changed:
            for name, value in changed.items():
                setattr(found, name, value)
            found.save(update_fields=list(changed))
            _record(found, actor, "changed", changed)
    return found


def delete_rule(*, rule: RoutingRule, actor: Any) -> RoutingRule:
    """Delete it: payments go by the rules that are left, or by priority. The rule as it was. Raises NotFound."""
    with transaction.atomic():
        found = _locked(rule)
        _record(found, actor, "deleted", {name: getattr(found, name) for name in _CLEAN})
        RoutingRule.objects.for_lab(found.lab_id).filter(pk=found.pk).delete()
    return found


def _locked(rule: RoutingRule) -> RoutingRule:
    found: RoutingRule | None = RoutingRule.objects.for_lab(rule.lab_id).select_for_update().filter(pk=rule.pk).first()
    if found is None:
        raise NotFound
    return found


def _record(rule: RoutingRule, actor: Any, verb: str, changes: Mapping[str, Any]) -> None:
    audit.record(
        lab=rule.lab_id, actor=actor, action=f"routing_rule.{verb}", object_type="routing_rule",
        object_id=rule.public_id, changes=changes,
    )  # fmt: skip


def show(rule: RoutingRule) -> dict[str, Any]:
    """The routing rule of the API."""
    return {
        "id": rule.public_id,
        "name": rule.name or None,
        "mode": rule.mode,
        "position": rule.position,
        "currencies": list(rule.currencies),
        "countries": list(rule.countries),
        "methods": list(rule.methods),
        "minimum": None if rule.minimum is None else int(rule.minimum),
        "maximum": None if rule.maximum is None else int(rule.maximum),
        "gateway_keys": list(rule.gateway_keys),
        "shares": list(rule.shares),
        "is_active": rule.is_active,
        "created_at": encoding.time_to_json(rule.created_at),
    }
