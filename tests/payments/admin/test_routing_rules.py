"""Routing rules at the desk: typed by those who may change keys, checked like those of the API, noted in the audit log."""

from __future__ import annotations

import pytest
from django.urls import reverse

from core.gateways.types import Mode
from core.models import AuditLog
from payments.models import RoutingRule
from payments.services import rules
from tests.payments.admin.conftest import Person, make_person, page
from tests.payments.api.objects import TOKEN, disputed, saved
from tests.payments.shop import Shop

LIST = page("payments.routingrule")
ADD = LIST + "add/"


@pytest.fixture
def owner(shop: Shop) -> Person:
    return make_person(shop.lab)


@pytest.fixture
def rule(shop: Shop) -> RoutingRule:
    wish = {"gateway_keys": [shop.key.public_id], "name": "First", "currencies": ["EUR"]}
    return rules.create_rule(lab_id=shop.lab.pk, mode=Mode.LIVE, values=wish, actor="test")


def typed(shop: Shop, **changes: str) -> dict[str, str]:
    """What a browser posts."""
    return {
        "lab": str(shop.lab.pk), "mode": "live", "name": "Large", "position": "5", "is_active": "on",
        "currencies": "EUR, USD", "countries": "de at", "methods": "card", "minimum": "1000", "maximum": "",
        "gateway_keys": shop.key.public_id, "shares": "100", **changes,
    }  # fmt: skip


def audit(shop: Shop) -> list[tuple[str, str]]:
    found = AuditLog.objects.for_lab(shop.lab).filter(object_type="routing_rule").order_by("seq")
    return [(row.action, row.actor_label) for row in found]


def test_one_is_added_with_what_was_typed(shop: Shop, owner: Person) -> None:
    assert owner.get(ADD).status_code == 200
    response = owner.post(ADD, typed(shop))
    made = RoutingRule.across_labs.get()
    assert (response.status_code, response.headers["Location"]) == (302, page("payments.routingrule", made.public_id))
    shown = {name: value for name, value in rules.show(made).items() if name not in {"id", "created_at"}}
    assert shown == {
        "name": "Large", "mode": "live", "position": 5, "currencies": ["EUR", "USD"], "countries": ["DE", "AT"],
        "methods": ["card"], "minimum": 1000, "maximum": None, "gateway_keys": [shop.key.public_id], "shares": [100],
        "is_active": True,
    }  # fmt: skip
    assert audit(shop) == [("routing_rule.created", owner.user.username)]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("gateway_keys", "GWK_20260101000000_00000000", "gateway keys of this lab and mode"),
        ("gateway_keys", "", "This field is required"),
        ("currencies", "eur", "known currency"),
        ("countries", "DEU", "two letters"),
        ("shares", "50", "together they are 100"),
        ("shares", "x", "whole number from 0 to 100"),
        ("maximum", "999", "not below minimum"),
        ("minimum", "0", "greater than zero"),
        ("position", "99999", "whole number from 0 to 32767"),
    ],
)
def test_what_cannot_be_right_is_said_at_its_field(shop: Shop, owner: Person, name: str, text: str, said: str) -> None:
    response = owner.post(ADD, typed(shop, **{name: text}))
    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    assert list(errors) == [name]
    assert said in str(errors[name])
    assert (RoutingRule.across_labs.count(), audit(shop)) == (0, [])


def test_one_is_changed_and_deleted(shop: Shop, owner: Person, rule: RoutingRule) -> None:
    path = page("payments.routingrule", rule.public_id)
    assert 'value="EUR"' in owner.text(path)
    fields = typed(shop, name="Renamed", shares="")
    assert owner.post(path, fields).status_code == 302
    rule.refresh_from_db()
    assert (rule.name, rule.minimum, rule.shares, rule.lab_id) == ("Renamed", 1000, [], shop.lab.pk)
    assert owner.post(path, {**fields, "minimum": ""}).status_code == 302
    rule.refresh_from_db()
    assert rule.minimum is None
    delete = page("payments.routingrule", rule.public_id, "delete")
    assert rule.name in owner.text(delete)
    response = owner.post(delete, {"post": "yes"})
    assert (response.status_code, response.headers["Location"]) == (
        302,
        reverse("admin:payments_routingrule_changelist"),
    )
    assert RoutingRule.across_labs.count() == 0
    assert [action for action, _ in audit(shop)] == [
        "routing_rule.created", "routing_rule.changed", "routing_rule.changed", "routing_rule.deleted",
    ]  # fmt: skip


@pytest.mark.parametrize("role", ["finance", "support", "viewer"])
def test_the_others_read_them_and_change_nothing(shop: Shop, rule: RoutingRule, role: str) -> None:
    one = make_person(shop.lab, role)
    path = page("payments.routingrule", rule.public_id)
    assert "First" in one.words(path) and "First" in one.words(LIST)
    delete = page("payments.routingrule", rule.public_id, "delete")
    answers = [one.post(where, typed(shop)).status_code for where in (ADD, path, delete)]
    assert (answers, audit(shop)) == ([403, 403, 403], [("routing_rule.created", "test")])


def test_nobody_reaches_into_another_lab(shop: Shop, other_shop: Shop, rule: RoutingRule) -> None:
    stranger = make_person(other_shop.lab)
    for verb in ("change", "delete"):
        response = stranger.post(page("payments.routingrule", rule.public_id, verb), typed(shop))
        assert (response.status_code, response.headers["Location"]) == (302, "/admin/")
    response = stranger.post(ADD, typed(shop))
    assert list(response.context["adminform"].form.errors) == ["lab"]
    response = stranger.post(ADD, typed(shop, lab=str(other_shop.lab.pk)))
    assert list(response.context["adminform"].form.errors) == ["gateway_keys"]
    assert [one.pk for one in RoutingRule.across_labs.all()] == [rule.pk]


def test_changing_one_wants_a_fresh_code(shop: Shop, owner: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.desk.codes.is_fresh", lambda request: False)
    response = owner.post(ADD, typed(shop))
    assert (response.status_code, response.headers["Location"].partition("?")[0]) == (302, reverse("admin:code"))
    assert RoutingRule.across_labs.count() == 0


def test_a_saved_methods_page_shows_no_token_and_a_dispute_stands_in_the_timeline(shop: Shop, owner: Person) -> None:
    method = saved(shop)
    text = owner.text(page("payments.customerpaymentprofile", method.public_id))
    assert "visa ending 4242 12/2034" in text
    assert TOKEN not in text and "cus_1Secret" not in text and str(method.token_hash) not in text
    payment = shop.captured_payment()
    disputed(shop, payment)
    assert "Dispute of 12.99 EUR opened" in owner.words(page("payments.payment", payment["id"]))
