"""Which gateway keys are tried for a payment, in which order, and why: the lab's rules, then priority, then health."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db import connection

from core import strict_json
from core.gateways.types import Mode
from payments import health
from payments.services import keys as gateway_keys
from payments.services.choosing import Wish, why_not
from payments.services.errors import CurrencyDisabled, NoGateway
from payments.services.keys import KeyRow

_RULE_COLUMNS: Final = (
    "public_id", "name", "currencies", "countries", "methods", "minimum", "maximum", "gateway_keys", "shares",
)  # fmt: skip
_RULE_JSON: Final = ", ".join(f"'{name}', r.{name}" for name in _RULE_COLUMNS)
_LOAD: Final = f"""
    SELECT {gateway_keys.SELECT},
      (SELECT coalesce(jsonb_agg(jsonb_build_object({_RULE_JSON}) ORDER BY r.position, r.id), '[]'::jsonb)::text
       FROM payments_routingrule r WHERE r.lab_id = k.lab_id AND r.mode = k.mode AND r.is_active),
      EXISTS (SELECT 1 FROM finance_currency c WHERE c.provider = '' AND c.code = %s AND NOT c.is_active)
    FROM payments_paymentgatewaykey k
    WHERE k.lab_id = %s AND k.mode = %s AND k.is_active AND (%s = '' OR k.gateway = %s)
    ORDER BY k.priority, k.id"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A lab's rule as loaded; see `payments.models.RoutingRule`."""

    public_id: str
    name: str
    currencies: tuple[str, ...]
    countries: tuple[str, ...]
    methods: tuple[str, ...]
    minimum: int | None
    maximum: int | None
    gateway_keys: tuple[str, ...]
    shares: tuple[int, ...]

    def holds(self, wish: Wish) -> bool:
        """Whether every condition holds; an empty one always does."""
        amount = wish.amount
        return (
            (not self.currencies or amount.asset in self.currencies)
            and (not self.countries or wish.country in self.countries)
            and (not self.methods or bool(set(self.methods) & set(wish.methods)))
            and (self.minimum is None or amount.minor >= self.minimum)
            and (self.maximum is None or amount.minor <= self.maximum)
        )

    def ordered(self, keys: Sequence[KeyRow], draw: int) -> list[KeyRow]:
        """Its keys among `keys`, in its order; with shares the one that `draw` (0 to 99) falls to comes first."""
        by_id = {key.public_id: key for key in keys}
        found = [by_id[one] for one in self.gateway_keys if one in by_id]
        sum_so_far = 0
        for public_id, share in zip(self.gateway_keys, self.shares, strict=False):
            sum_so_far += share
            if draw < sum_so_far:
                return sorted(found, key=lambda key: key.public_id != public_id)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The keys to try, in order (never empty), and how it came to that."""

    keys: tuple[KeyRow, ...]
    rule: Rule | None = None
    resting: frozenset[int] = frozenset()
    refused: tuple[dict[str, str], ...] = field(default=())

    def explained(self) -> dict[str, Any]:
        """For people: GET /v1/gateways/route."""
        return {
            "rule": None if self.rule is None else {"id": self.rule.public_id, "name": self.rule.name or None},
            "candidates": [
                {
                    "gateway_key": key.public_id,
                    "gateway": key.gateway,
                    "label": key.label or None,
                    "reason": "keeps failing now: tried last" if key.id in self.resting else None,
                }
                for key in self.keys
            ],
            "refused": list(self.refused),
        }


def route(*, lab_id: int, mode: Mode, gateway: str, wish: Wish) -> Route:
    """One statement, and one look at Redis. Raises NoGateway with the reasons, key by key, or CurrencyDisabled."""
    with connection.cursor() as cursor:
        cursor.execute(_LOAD, [wish.amount.asset, lab_id, mode.value, gateway, gateway])
        rows = cursor.fetchall()
    if rows and rows[0][-1]:
        raise CurrencyDisabled(wish.amount.asset)
    keys = [gateway_keys.read_key(row[:-2]) for row in rows]
    rules = [_rule(one) for one in strict_json.loads(rows[0][-2])] if rows else []
    refusals = {key.id: why_not(key, wish) for key in keys}
    able = [key for key in keys if refusals[key.id] is None]
    refused = tuple(_refusal(key, reason) for key in keys if (reason := refusals[key.id]) is not None)
    if not able:
        raise NoGateway(list(refused))
    rule, ordered = _by_rule(rules, able, wish)
    tired = health.resting(key.id for key in ordered)
    return Route(
        keys=tuple(sorted(ordered, key=lambda key: key.id in tired)), rule=rule, resting=tired, refused=refused
    )


def _by_rule(rules: Sequence[Rule], able: Sequence[KeyRow], wish: Wish) -> tuple[Rule | None, list[KeyRow]]:
    """The first rule that holds and names a key that can; without one, all keys in priority order."""
    for rule in rules:
        if rule.holds(wish) and (found := rule.ordered(able, secrets.randbelow(100))):
            return rule, found
    return None, list(able)


def _rule(value: dict[str, Any]) -> Rule:
    for name in ("currencies", "countries", "methods", "gateway_keys", "shares"):
        value[name] = tuple(value[name])
    for name in ("minimum", "maximum"):
        value[name] = None if value[name] is None else int(value[name])
    return Rule(**value)


def _refusal(key: KeyRow, reason: str) -> dict[str, str]:
    return {"gateway": key.gateway, "gateway_key": key.public_id, "reason": reason}
