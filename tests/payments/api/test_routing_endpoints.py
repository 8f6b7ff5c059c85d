"""/v1/routing-rules and /v1/gateways/route: a lab's own order of its keys, and why a payment goes where it goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import AuditLog, IdempotencyKey
from payments.models import PaymentGatewayKey, RoutingRule
from payments.services import rules
from tests.payments import builders
from tests.payments.api.conftest import Caller
from tests.payments.shop import Shop, made, stored

pytestmark = pytest.mark.django_db
RULES = "/v1/routing-rules"
MISSING = f"{RULES}/RR_20260101000000_00000000"


@pytest.fixture
def second(shop: Shop) -> PaymentGatewayKey:
    key = builders.make_gateway_key(shop.lab, "stripe", secret_key="sk_live_51Second0123456789")
    PaymentGatewayKey.across_labs.filter(pk=key.pk).update(priority=200, label="Till")
    return key


def audit(shop: Shop) -> list[tuple[str, str, Any]]:
    found = AuditLog.objects.for_lab(shop.lab).filter(object_type="routing_rule").order_by("seq")
    return [(row.action, row.actor_label, row.changes) for row in found]


def count() -> int:
    return int(RoutingRule.across_labs.count())


class TestMakingARule:
    def test_it_is_kept_and_shown_whole(self, shop: Shop, caller: Caller, second: PaymentGatewayKey) -> None:
        order = {
            "name": "Large", "position": 7, "currencies": ["EUR", "USD"], "countries": ["de", "AT"],
            "methods": ["card"], "minimum": 1000, "maximum": "2000",
            "gateway_keys": [second.public_id, shop.key.public_id], "shares": [100, 0],
        }  # fmt: skip
        rule = made(caller.post(RULES, order))
        assert rule == {
            **order, "countries": ["DE", "AT"], "maximum": 2000, "id": rule["id"], "mode": "live", "is_active": True,
            "created_at": rule["created_at"],
        }  # fmt: skip
        assert caller.read(f"{RULES}/{rule['id']}") == rule
        assert caller.read(RULES) == {"data": [rule], "has_more": False, "next_cursor": None}
        ((action, actor, changes),) = audit(shop)
        assert (action, actor, changes["gateway_keys"]) == (
            "routing_rule.created", "api key test", [second.public_id, shop.key.public_id],
        )  # fmt: skip

    def test_the_least_is_a_key_and_always_holds(self, shop: Shop, caller: Caller) -> None:
        rule = made(caller.post(RULES, {"gateway_keys": [shop.key.public_id]}))
        assert rule == {
            "id": rule["id"], "name": None, "mode": "live", "position": 100, "currencies": [], "countries": [],
            "methods": [], "minimum": None, "maximum": None, "gateway_keys": [shop.key.public_id], "shares": [],
            "is_active": True, "created_at": rule["created_at"],
        }  # fmt: skip

    def test_payments_go_by_it_at_once(self, shop: Shop, caller: Caller, second: PaymentGatewayKey) -> None:
        made(caller.post(RULES, {"countries": ["DE"], "gateway_keys": [second.public_id]}))
        assert stored(shop.open_payment(billing={"country": "de"})).gateway_key_id == second.pk
        assert stored(shop.open_payment(billing={"country": "AT"})).gateway_key_id == shop.key.pk

    @pytest.mark.parametrize(
        ("change", "field", "code"),
        [
            ({"gateway_keys": None}, "gateway_keys", "required"),
            ({"gateway_keys": []}, "gateway_keys", "blank"),
            ({"gateway_keys": "GWK_1"}, "gateway_keys", "invalid_type"),
            ({"gateway_keys": [5]}, "gateway_keys", "invalid_id"),
            ({"gateway_keys": ["GWK_20260101000000_00000000"]}, "gateway_keys", "unknown_gateway_key"),
            ({"gateway_keys": [f"GWK_{n}" for n in range(21)]}, "gateway_keys", "too_many"),
            ({"name": "x" * 121}, "name", "too_long"),
            ({"name": "4242424242424242"}, "name", "card_number_refused"),
            ({"position": -1}, "position", "out_of_range"),
            ({"position": 32_768}, "position", "out_of_range"),
            ({"currencies": ["eur"]}, "currencies", "unknown_currency"),
            ({"currencies": "EUR"}, "currencies", "invalid_type"),
            ({"countries": ["DEU"]}, "countries", "unknown_country"),
            ({"methods": ["Card!"]}, "methods", "unknown_method"),
            ({"minimum": 0}, "minimum", "invalid_amount"),
            ({"maximum": 1.5}, "maximum", "invalid_amount"),
            ({"minimum": 10, "maximum": 9}, "maximum", "out_of_range"),
            ({"shares": [50, 50]}, "shares", "invalid_shares"),
            ({"shares": [99]}, "shares", "invalid_shares"),
            ({"shares": [101]}, "shares", "out_of_range"),
            ({"shares": [True]}, "shares", "out_of_range"),
            ({"shares": 100}, "shares", "invalid_type"),
            ({"is_active": "yes"}, "is_active", "invalid_type"),
        ],
    )
    def test_what_cannot_be_right_is_refused_and_nothing_is_kept(
        self, shop: Shop, caller: Caller, change: dict[str, Any], field: str, code: str
    ) -> None:
        response = caller.post(RULES, {"gateway_keys": [shop.key.public_id], **change})
        problem = caller.refused(response, 400, code)
        assert [error["field"] for error in problem["errors"]] == [field]
        assert (count(), IdempotencyKey.across_labs.count(), audit(shop)) == (0, 0, [])

    def test_keys_of_another_lab_or_mode_are_unknown(
        self, shop: Shop, other_shop: Shop, test_mode_shop: Shop, caller: Caller
    ) -> None:
        absent = caller.post(RULES, {"gateway_keys": ["GWK_20260101000000_00000000"]}).json()
        for foreign in (other_shop.key, test_mode_shop.key):
            problem = caller.refused(
                caller.post(RULES, {"gateway_keys": [shop.key.public_id, foreign.public_id]}),
                400,
                "unknown_gateway_key",
            )
            assert problem["errors"] == absent["errors"]
        assert count() == 0

    def test_the_same_key_makes_one_rule(self, shop: Shop, caller: Caller) -> None:
        order = {"gateway_keys": [shop.key.public_id]}
        first, again = (caller.post(RULES, order, key="k1") for _ in range(2))
        assert (again.content, again["Idempotency-Replayed"], count()) == (first.content, "true", 1)
        caller.refused(caller.post(RULES, {**order, "position": 1}, key="k1"), 422, "idempotency_mismatch")
        caller.refused(caller.post(RULES, order, key=None), 400, "idempotency_key_required")

    def test_a_lab_has_not_more_of_them_than_a_payment_should_read(
        self, shop: Shop, caller: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rules, "MOST_RULES", 1)
        order = {"gateway_keys": [shop.key.public_id]}
        made(caller.post(RULES, order))
        caller.refused(caller.post(RULES, order), 409, "too_many_rules")
        assert (count(), len(audit(shop))) == (1, 1)


@pytest.fixture
def rule(shop: Shop, caller: Caller, second: PaymentGatewayKey) -> dict[str, Any]:
    order = {
        "minimum": 100, "maximum": 900, "gateway_keys": [shop.key.public_id, second.public_id], "shares": [60, 40],
    }  # fmt: skip
    return made(caller.post(RULES, order))


class TestChangingARule:
    def test_only_what_is_sent_changes(self, shop: Shop, caller: Caller, rule: dict[str, Any]) -> None:
        path = f"{RULES}/{rule['id']}"
        changed = made(caller.patch(path, {"name": "Small", "position": 1, "maximum": None, "minimum": 100}), 200)
        assert changed == {**rule, "name": "Small", "position": 1, "maximum": None}
        assert audit(shop)[1:] == [
            ("routing_rule.changed", "api key test", {"name": "Small", "position": 1, "maximum": None})
        ]
        assert made(caller.patch(path, {}), 200) == changed
        assert made(caller.patch(path, {"is_active": False}), 200)["is_active"] is False
        assert len(audit(shop)) == 3

    @pytest.mark.parametrize(
        ("change", "field"),
        [
            ({"gateway_keys": "one"}, "shares"),
            ({"shares": [100]}, "shares"),
            ({"minimum": 901}, "maximum"),
            ({"maximum": 99}, "maximum"),
            ({"gateway_keys": []}, "gateway_keys"),
            ({"gateway_keys": ["GWK_20260101000000_00000000", "GWK_20260101000000_00000001"]}, "gateway_keys"),
        ],
    )
    def test_it_must_fit_what_stays(
        self, shop: Shop, caller: Caller, rule: dict[str, Any], change: dict[str, Any], field: str
    ) -> None:
        if change == {"gateway_keys": "one"}:
            change = {"gateway_keys": [shop.key.public_id]}
        response = caller.patch(f"{RULES}/{rule['id']}", change)
        assert response.status_code == 400
        assert [error["field"] for error in response.json()["errors"]] == [field]
        assert (caller.read(f"{RULES}/{rule['id']}"), len(audit(shop))) == (rule, 1)

    def test_a_deleted_one_is_gone(self, shop: Shop, caller: Caller, rule: dict[str, Any]) -> None:
        path = f"{RULES}/{rule['id']}"
        assert made(caller.delete(path), 200) == rule
        assert (caller.read(RULES)["data"], audit(shop)[-1][0]) == ([], "routing_rule.deleted")
        for response in (caller.get(path), caller.delete(path), caller.patch(path, {"position": 1})):
            caller.refused(response, 404, "not_found")

    def test_they_are_listed_as_they_are_read(self, shop: Shop, caller: Caller, rule: dict[str, Any]) -> None:
        first = made(caller.post(RULES, {"gateway_keys": [shop.key.public_id], "position": 99}))
        last = made(caller.post(RULES, {"gateway_keys": [shop.key.public_id]}))
        with CaptureQueriesContext(connection) as captured:
            found = caller.read(RULES)["data"]
        assert ([one["id"] for one in found], len(captured)) == ([first["id"], rule["id"], last["id"]], 2)


class TestWhoMay:
    def test_another_labs_or_modes_is_missing_to_the_byte(
        self,
        shop: Shop,
        other_shop: Shop,
        test_mode_shop: Shop,
        caller: Caller,
        rule: dict[str, Any],
        call_as: Callable[[Shop], Caller],
    ) -> None:
        path = f"{RULES}/{rule['id']}"
        for stranger in (call_as(other_shop), call_as(test_mode_shop)):
            for theirs, none in (
                (stranger.get(path), stranger.get(MISSING)),
                (stranger.patch(path, {"position": 1}), stranger.patch(MISSING, {"position": 1})),
                (stranger.patch(path, {"position": -1}), stranger.patch(MISSING, {"position": -1})),
                (stranger.delete(path), stranger.delete(MISSING)),
            ):
                assert (theirs.status_code, theirs.content) == (404, none.content)
            assert stranger.read(RULES)["data"] == []
        assert caller.read(path) == rule

    def test_every_way_in_needs_the_scope(self, caller: Caller, rule: dict[str, Any]) -> None:
        token = caller.token("payments:read", "payments:write", "profiles:write")
        path = f"{RULES}/{rule['id']}"
        for response in (
            caller.get(RULES, token=token), caller.post(RULES, {}, token=token), caller.get(path, token=token),
            caller.patch(path, {"position": 1}, token=token), caller.delete(path, token=token),
        ):  # fmt: skip
            caller.refused(response, 403, "scope_missing")
        caller.refused(caller.delete(path, token="nobody"), 401, "not_authenticated")
        assert caller.read(path) == rule


class TestExplaining:
    def test_it_names_the_rule_the_order_and_who_cannot(
        self, shop: Shop, caller: Caller, second: PaymentGatewayKey
    ) -> None:
        coins = Shop(shop.wire, lab=shop.lab, gateway="nowpayments")
        rule = made(
            caller.post(
                RULES, {"name": "UPI", "countries": ["DE"], "methods": ["card"], "gateway_keys": [second.public_id]}
            )
        )
        found = caller.read("/v1/gateways/route?amount=1299&currency=EUR&country=de&method=card")
        assert found["rule"] == {"id": rule["id"], "name": "UPI"}
        assert found["candidates"] == [
            {"gateway_key": second.public_id, "gateway": "stripe", "label": "Till", "reason": None}
        ]
        assert [(one["gateway_key"], one["gateway"]) for one in found["refused"]] == [
            (coins.key.public_id, "nowpayments")
        ]
        plain = caller.read("/v1/gateways/route?amount=1299&currency=EUR&gateway=stripe")
        assert (plain["rule"], plain["refused"]) == (None, [])
        assert [one["gateway_key"] for one in plain["candidates"]] == [shop.key.public_id, second.public_id]

    def test_nobody_who_can_is_told_key_by_key(self, shop: Shop, caller: Caller) -> None:
        problem = caller.refused(caller.get("/v1/gateways/route?amount=1&currency=EUR"), 422, "no_gateway")
        assert [one["gateway_key"] for one in problem["reasons"]] == [shop.key.public_id]

    @pytest.mark.parametrize(
        ("query", "fields"),
        [
            ("", ["amount", "currency"]),
            ("amount=0&currency=EUR", ["amount"]),
            ("amount=1.5&currency=EUR", ["amount"]),
            ("amount=5&currency=eur", ["currency"]),
            ("amount=5&currency=EUR&country=DEU", ["country"]),
            ("amount=5&currency=EUR&gateway=nobody", ["gateway"]),
            ("amount=5&currency=EUR&method=" + "x" * 33, ["method"]),
        ],
    )
    def test_what_cannot_be_a_payment_is_refused(self, caller: Caller, query: str, fields: list[str]) -> None:
        response = caller.get(f"/v1/gateways/route?{query}")
        assert response.status_code == 400
        assert [error["field"] for error in response.json()["errors"]] == fields

    def test_it_sees_the_callers_keys_alone(
        self, shop: Shop, other_shop: Shop, test_mode_shop: Shop, call_as: Callable[[Shop], Caller]
    ) -> None:
        for one in (shop, other_shop, test_mode_shop):
            found = call_as(one).read("/v1/gateways/route?amount=1299&currency=EUR")
            assert [key["gateway_key"] for key in found["candidates"]] == [one.key.public_id]

    def test_it_needs_the_scope_and_two_statements(self, caller: Caller) -> None:
        path = "/v1/gateways/route?amount=1299&currency=EUR"
        caller.refused(caller.get(path, token=caller.token("payments:write")), 403, "scope_missing")
        with CaptureQueriesContext(connection) as captured:
            caller.read(path)
        assert len(captured) == 2
