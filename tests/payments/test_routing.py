"""Which key is tried, why, and what happens when it cannot: a definite no goes on, an unknown outcome never does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from core.gateways import registry
from core.gateways.testing import FakeHttp, answer
from core.gateways.types import Mode, PaymentStatus, Report, Subject
from core.http import NoAnswer, NotSent
from core.models import Lab
from core.money import Money
from payments import health
from payments.models import GatewayReference, Payment, PaymentGatewayKey, PaymentGatewayTransaction, RoutingRule
from payments.services import keys, routing
from payments.services.choosing import Wish
from payments.services.errors import NoGateway
from tests.clients.stripe import objects as stripe
from tests.payments import builders

pytestmark = pytest.mark.django_db
WISH = Wish(amount=Money(1299, "EUR"))


@pytest.fixture
def second(lab: Lab, stripe_key: PaymentGatewayKey) -> PaymentGatewayKey:
    key = builders.make_gateway_key(lab, "stripe", secret_key="sk_live_51Second0123456789")
    PaymentGatewayKey.across_labs.filter(pk=key.pk).update(priority=200)
    return key


def rule(lab: Lab, *wanted: PaymentGatewayKey, **conditions: Any) -> RoutingRule:
    return RoutingRule.objects.create(
        lab=lab, mode="live", public_id=f"RR_{RoutingRule.across_labs.count()}",
        gateway_keys=[key.public_id for key in wanted], **conditions,
    )  # fmt: skip


def names(route: routing.Route) -> list[str]:
    return [key.public_id for key in route.keys]


def find(lab: Lab, wish: Wish = WISH) -> routing.Route:
    return routing.route(lab_id=lab.pk, mode=Mode.LIVE, gateway="", wish=wish)


def test_without_rules_priority_decides(lab: Lab, stripe_key: PaymentGatewayKey, second: PaymentGatewayKey) -> None:
    assert names(find(lab)) == [stripe_key.public_id, second.public_id]


@pytest.mark.parametrize(
    ("conditions", "holds"),
    [
        ({"currencies": ["EUR"]}, True),
        ({"currencies": ["USD"]}, False),
        ({"countries": ["DE"]}, True),
        ({"countries": ["IN"]}, False),
        ({"methods": ["card"]}, True),
        ({"methods": ["upi"]}, False),
        ({"minimum": 1299, "maximum": 1299}, True),
        ({"minimum": 1300}, False),
        ({"maximum": 1298}, False),
        ({"is_active": False}, False),
    ],
)
def test_a_rule_decides_where_all_its_conditions_hold(
    lab: Lab, stripe_key: PaymentGatewayKey, second: PaymentGatewayKey, conditions: dict[str, Any], holds: bool
) -> None:
    rule(lab, second, **conditions)
    found = find(lab, Wish(amount=Money(1299, "EUR"), country="DE", methods=("card",)))
    assert names(found) == ([second.public_id] if holds else [stripe_key.public_id, second.public_id])


@pytest.mark.parametrize(("draw", "first"), [(0, 0), (29, 0), (30, 1), (99, 1)])
def test_shares_draw_the_first_and_keep_the_others_behind(
    lab: Lab,
    stripe_key: PaymentGatewayKey,
    second: PaymentGatewayKey,
    monkeypatch: pytest.MonkeyPatch,
    draw: int,
    first: int,
) -> None:
    rule(lab, stripe_key, second, shares=[30, 70])
    monkeypatch.setattr(routing.secrets, "randbelow", lambda _: draw)
    wanted = [stripe_key.public_id, second.public_id]
    assert names(find(lab)) == (wanted if first == 0 else wanted[::-1])


def test_another_labs_rule_or_key_is_never_seen(lab: Lab, stripe_key: PaymentGatewayKey) -> None:
    other = builders.make_lab("Other")
    foreign = builders.make_gateway_key(other, "stripe")
    rule(lab, foreign)
    rule(other, stripe_key)
    assert names(find(lab)) == [stripe_key.public_id]


def test_a_key_that_keeps_failing_is_tried_last_until_it_answers(
    lab: Lab, stripe_key: PaymentGatewayKey, second: PaymentGatewayKey
) -> None:
    for _ in range(health.FAILURES):
        health.note(stripe_key.pk, keys.GatewayMisconfigured("x"))  # an answer: does not count
    assert names(find(lab))[0] == stripe_key.public_id
    from core.gateways.errors import GatewayUnavailable

    for _ in range(health.FAILURES):
        health.note(stripe_key.pk, GatewayUnavailable("refused"))
    assert names(find(lab)) == [second.public_id, stripe_key.public_id]
    health.note(stripe_key.pk, None)
    assert names(find(lab))[0] == stripe_key.public_id


def test_nobody_who_can_is_told_key_by_key(lab: Lab, stripe_key: PaymentGatewayKey) -> None:
    with pytest.raises(NoGateway) as caught:
        find(lab, Wish(amount=Money(1, "EUR")))
    assert [one["gateway_key"] for one in caught.value.members["reasons"]] == [stripe_key.public_id]


# Failover -----------------------------------------------------------------------------------------------------------


class Two:
    """Both accounts answer from one script; `initiate` posts through the API."""

    def __init__(self, lab: Lab, monkeypatch: pytest.MonkeyPatch, *answers: Any) -> None:
        self.http = FakeHttp(answers)
        monkeypatch.setattr(registry, "_http", lambda *_: self.http)
        keys._opened.cache_clear()
        self.headers = {"Authorization": f"Bearer {builders.make_api_key(lab)}"}

    def initiate(self, key: str = "k1", **more: Any) -> Any:
        body = {"amount": 1299, "currency": "EUR", "reference": "order-1", **more}
        return Client().post(
            "/payments/initiate", json.dumps(body), content_type="application/json",
            headers={**self.headers, "Idempotency-Key": key},
        )  # fmt: skip


GOOD = answer(stripe.session(livemode=True))
NO = answer({"error": {"type": "invalid_request_error", "message": "no"}}, status=400)


@pytest.mark.parametrize("first", [NotSent("refused"), NO, answer({"error": {}}, status=429)], ids=str)
def test_a_definite_no_goes_on_to_the_next_within_the_request(
    lab: Lab, stripe_key: PaymentGatewayKey, second: PaymentGatewayKey, monkeypatch: pytest.MonkeyPatch, first: Any
) -> None:
    two = Two(lab, monkeypatch, first, GOOD)
    response = two.initiate()
    assert response.status_code == 201, response.content
    payment = Payment.across_labs.get()
    assert (payment.try_number, payment.gateway_key_id, payment.status) == (2, second.pk, "pending")
    tries = list(PaymentGatewayTransaction.across_labs.order_by("started_at").values_list("outcome", "idempotency_key"))
    assert tries == [("failed", f"{payment.public_id}:initiate:1"), ("answered", f"{payment.public_id}:initiate:2")]
    ours = set(GatewayReference.across_labs.filter(is_ours=True).values_list("gateway_key_id", "reference"))
    assert ours == {(stripe_key.pk, f"{payment.public_id}-1"), (second.pk, f"{payment.public_id}-2")}


def test_the_last_no_is_what_the_caller_hears(
    lab: Lab, stripe_key: PaymentGatewayKey, second: PaymentGatewayKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    response = Two(lab, monkeypatch, NotSent("refused"), NO).initiate()
    assert (response.status_code, response.json()["code"]) == (422, "gateway_rejected")
    assert Payment.across_labs.get().status == "failed"


def test_an_unknown_outcome_never_goes_on(
    lab: Lab, stripe_key: PaymentGatewayKey, second: PaymentGatewayKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = Two(lab, monkeypatch, NoAnswer("timeout"))
    response = two.initiate()
    assert (response.status_code, response.json()["code"]) == (504, "outcome_unknown")
    assert len(two.http.sent) == 1
    assert Payment.across_labs.get().try_number == 1


def test_late_money_on_an_earlier_try_finds_the_payment_and_the_account_it_came_through(
    lab: Lab, stripe_key: PaymentGatewayKey, second: PaymentGatewayKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    Two(lab, monkeypatch, NotSent("refused"), GOOD).initiate()
    payment = Payment.across_labs.get()
    paid = Report(
        about=Subject.PAYMENT, status=PaymentStatus.CAPTURED, reference=f"{payment.public_id}-1", gateway_reference="pi_old",
        mode=Mode.LIVE, asset="EUR", captured_minor=1299,
    )  # fmt: skip
    builders.tell(stripe_key, paid)
    payment.refresh_from_db()
    assert (payment.status, payment.gateway_key_id, payment.captured) == ("captured", stripe_key.pk, 1299)
