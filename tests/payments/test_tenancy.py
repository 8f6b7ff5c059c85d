"""Another lab's object, or the other mode's, is as if it did not exist: the same bytes, and nothing changes."""

from __future__ import annotations

from typing import Any

import pytest

from core.gateways.testing import answer
from core.gateways.types import Mode
from core.models import Customer
from payments.models import Payment
from tests.payments import builders
from tests.payments.shop import (
    Shop,
    Wire,
    event,
    events,
    everything,
    last_event,
    made,
    paid,
    session,
    state_of,
    stored,
    stripe_refund,
)

pytestmark = pytest.mark.django_db

MISSING = "PAY_20261120183005_00000000"


def calls(public_id: str) -> list[tuple[str, str, dict[str, Any] | None]]:
    return [
        ("GET", f"/payments/status/{public_id}", None),
        ("POST", "/payments/refund", {"payment": public_id}),
        ("POST", "/payments/refund", {"payment": public_id, "amount": 1}),
        ("POST", f"/v1/payments/{public_id}/capture", {}),
        ("POST", f"/v1/payments/{public_id}/void", {}),
    ]


def ask(shop: Shop, method: str, path: str, body: Any, token: str) -> Any:
    return shop.get(path, token=token) if method == "GET" else shop.post(path, body, token=token)


class TestObjectsOfOthers:
    @pytest.fixture(params=["another lab", "the other mode"])
    def stranger(self, request: pytest.FixtureRequest, shop: Shop, wire: Wire) -> str:
        """The API key of somebody who may not see the shop's payments."""
        if request.param == "another lab":
            return Shop(wire, lab=builders.make_lab("Other")).token
        return builders.make_api_key(shop.lab, Mode.TEST)

    def test_they_answer_404_with_the_bytes_of_a_missing_one_and_stay_as_they_are(
        self, shop: Shop, wire: Wire, stranger: str
    ) -> None:
        for payment in (shop.open_payment(), shop.held_payment(), shop.captured_payment()):
            for (method, path, body), (_, nowhere, nobody) in zip(calls(payment["id"]), calls(MISSING), strict=True):
                before = everything()
                wire.script()
                response, missing = (
                    ask(shop, method, path, body, stranger),
                    ask(shop, method, nowhere, nobody, stranger),
                )
                assert (response.status_code, response.content) == (404, missing.content), path
                assert response.headers.keys() == missing.headers.keys()
                assert (everything(), wire.sent) == (before, [])

    def test_also_where_the_input_or_the_state_is_wrong(self, shop: Shop, stranger: str) -> None:
        payment = shop.captured_payment()
        missing = shop.post("/payments/refund", {"payment": MISSING, "amount": 10**30}, token=stranger)
        response = shop.post("/payments/refund", {"payment": payment["id"], "amount": 10**30}, token=stranger)
        assert (response.status_code, response.content) == (404, missing.content)

    def test_an_idempotency_key_opens_nothing(self, shop: Shop, stranger: str) -> None:
        payment = shop.captured_payment()
        made(shop.refund(payment, answer(stripe_refund(payment, 500)), key="r-1", amount=500))
        response = shop.post("/payments/refund", {"payment": payment["id"], "amount": 500}, key="r-1", token=stranger)
        assert response.status_code == 404
        assert state_of(payment)[2:4] == (500, 500)


class TestWhoseItIs:
    def test_lab_and_mode_come_from_the_key_whatever_the_request_says(self, shop: Shop, other_shop: Shop) -> None:
        shop.wire.script(answer(session()))
        body = shop.order(lab=other_shop.lab.pk, lab_id=other_shop.lab.pk, mode="test")
        headers = {"X-Lab": str(other_shop.lab.pk), "X-Mode": "test"}
        payment = made(shop.post(f"/payments/initiate?lab={other_shop.lab.pk}&mode=test", body, headers=headers))
        row = stored(payment)
        assert (row.lab_id, row.mode, row.gateway_key_id) == (shop.lab.pk, "live", shop.key.pk)

    def test_a_customer_of_the_same_name_is_another_person_in_another_lab(self, shop: Shop, other_shop: Shop) -> None:
        payments = [made(one.initiate(customer={"id": "c1", "name": one.lab.name})) for one in (shop, other_shop)]
        assert Customer.across_labs.filter(external_id="c1").count() == 2
        assert [stored(one).customer.name for one in payments] == [shop.lab.name, other_shop.lab.name]

    def test_the_gateway_keys_of_another_lab_take_no_payment(self, shop: Shop, other_shop: Shop) -> None:
        type(shop.key).across_labs.filter(pk=shop.key.pk).update(is_active=False)
        response = shop.initiate()
        assert (response.status_code, response.json()["reasons"]) == (422, [])
        assert shop.wire.sent == []

    def test_a_lab_that_is_switched_off_is_nobody(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        shop.lab.is_active = False
        shop.lab.save()
        for method, path, body in calls(payment["id"]):
            response = ask(shop, method, path, body, shop.token)
            assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
        assert shop.initiate().status_code == 401

    @pytest.mark.parametrize(
        ("scopes", "allowed"),
        [
            (["payments:read"], {0}),
            (["refunds:write"], {1, 2}),
            (["payments:write"], {3, 4}),
            (["keys:write", "balances:read"], set()),
        ],
    )
    def test_a_key_does_what_its_scopes_say_and_hears_403_before_anything_is_looked_up(
        self, shop: Shop, scopes: list[str], allowed: set[int]
    ) -> None:
        token = builders.make_api_key(shop.lab, scopes=scopes)
        found = [ask(shop, *call, token).status_code for call in calls(MISSING)]
        assert found == [404 if place in allowed else 403 for place in range(5)]


class TestWebhooksOfOthers:
    def test_an_account_speaks_only_of_its_own_payments(self, shop: Shop, other_shop: Shop) -> None:
        payment = shop.open_payment()
        assert other_shop.deliver(event("payment_intent.succeeded", paid(payment))).status_code == 200
        assert (last_event().state, last_event().lab_id, last_event().payment_id) == (
            "unmatched",
            other_shop.lab.pk,
            None,
        )
        assert state_of(payment) == ("pending", 0, 0, 0, [])

    def test_also_another_account_of_the_same_lab(self, shop: Shop, wire: Wire) -> None:
        second = Shop(wire, lab=shop.lab)
        payment = shop.open_payment()
        assert second.deliver(event("payment_intent.succeeded", paid(payment))).status_code == 200
        assert last_event().state == "unmatched"
        assert state_of(payment)[0] == "pending"

    def test_one_event_key_is_two_events_at_two_accounts(self, shop: Shop, other_shop: Shop) -> None:
        one, two = shop.open_payment(), other_shop.open_payment()
        for owner, payment in ((shop, one), (other_shop, two)):
            owner.deliver(event("payment_intent.succeeded", paid(payment), id="evt_same"))
        assert events() == [("evt_same", "applied"), ("evt_same", "applied")]
        assert [state_of(payment)[:2] for payment in (one, two)] == [("captured", 1299)] * 2

    def test_the_gateways_names_belong_to_one_account(self, shop: Shop, other_shop: Shop) -> None:
        same = session()
        one, two = made(shop.initiate(answer(same))), made(other_shop.initiate(answer(same)))
        assert one["gateway_reference"] == two["gateway_reference"] == same["id"]
        shop.tell(one, "payment_intent.succeeded", paid(one))
        assert [state_of(payment)[0] for payment in (one, two)] == ["captured", "pending"]


def test_a_question_without_a_lab_is_refused() -> None:
    from core.models.base import NoLab

    with pytest.raises(NoLab):
        Payment.objects.count()
