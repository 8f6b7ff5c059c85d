"""POST /payments/initiate: which gateway takes the order, and what is told of what that gateway said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.gateways.testing import answer
from core.gateways.types import Mode
from core.http import NoAnswer, NotSent
from payments.models import Payment
from tests.payments import builders
from tests.payments.shop import (
    CRYPTO_ORDER,
    Shop,
    Wire,
    everything,
    exchanges,
    history,
    intent,
    made,
    not_known,
    session,
    state_of,
    stored,
    stripe_error,
    told,
)

pytestmark = pytest.mark.django_db

DECLINED = {
    "type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds", "message": "Too little money.",
}  # fmt: skip


def refused(shop: Shop, body: Any, status: int, code: str, **options: Any) -> dict[str, Any]:
    """The problem; nothing was written and nobody was asked."""
    before = everything()
    shop.wire.script()
    response = shop.post("/payments/initiate", body, **options)
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json"), response.content
    problem: dict[str, Any] = response.json()
    assert (problem["code"], problem["status"]) == (code, status)
    assert everything() == before
    assert shop.wire.sent == []
    return problem


class TestChoosingAGateway:
    def test_a_lab_without_a_key_hears_so(self, wire: Wire) -> None:
        shop = Shop(wire)
        type(shop.key).across_labs.filter(pk=shop.key.pk).update(is_active=False)
        problem = refused(shop, shop.order(), 422, "no_gateway")
        assert problem["reasons"] == []

    def test_the_reasons_are_given_key_by_key(self, shop: Shop) -> None:
        other = builders.make_gateway_key(shop.lab, "nowpayments")
        type(shop.key).across_labs.filter(pk=shop.key.pk).update(allowed_currencies=["USD"])
        problem = refused(shop, shop.order(currency="JPY"), 422, "no_gateway")
        assert problem["reasons"] == [
            {"gateway": "stripe", "gateway_key": shop.key.public_id, "reason": "Stripe does not take JPY here"},
            {"gateway": "nowpayments", "gateway_key": other.public_id, "reason": "NOWPayments does not take JPY here"},
        ]

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"capture": "manual"}, "NOWPayments cannot hold money for a later capture"),
            ({"presentation": "embedded"}, "NOWPayments has no embedded form"),
        ],
    )
    def test_what_the_gateway_cannot_do_is_such_a_reason(
        self, crypto: Shop, changes: dict[str, Any], reason: str
    ) -> None:
        problem = refused(crypto, {**CRYPTO_ORDER, **changes}, 422, "no_gateway")
        assert [one["reason"] for one in problem["reasons"]] == [reason]

    def test_an_amount_below_the_minimum_is_such_a_reason(self, shop: Shop) -> None:
        problem = refused(shop, shop.order(amount=1), 422, "no_gateway")
        assert problem["reasons"][0]["reason"] == "Stripe takes at least 0.50 EUR"

    def test_a_coin_asks_for_a_gateway_with_coins(self, shop: Shop) -> None:
        problem = refused(shop, shop.order(pay_currency="usdttrc20"), 422, "no_gateway")
        assert problem["reasons"][0]["reason"] == "Stripe takes no coins; leave pay_currency out"

    def test_the_named_gateway_alone_is_considered(self, shop: Shop) -> None:
        problem = refused(shop, shop.order(gateway="nowpayments"), 422, "no_gateway")
        assert problem["reasons"] == []

    def test_the_first_in_priority_that_can_take_it_is_used(self, shop: Shop) -> None:
        late = builders.make_gateway_key(shop.lab, "stripe")
        early = builders.make_gateway_key(shop.lab, "stripe")
        type(shop.key).across_labs.filter(pk=early.pk).update(priority=1, allowed_currencies=["USD"])
        type(shop.key).across_labs.filter(pk=late.pk).update(priority=2)
        assert stored(made(shop.initiate())).gateway_key_id == late.pk
        assert stored(made(shop.initiate(answer(session(1299, "usd")), currency="USD"))).gateway_key_id == early.pk

    def test_a_key_of_the_other_mode_is_never_used(self, shop: Shop) -> None:
        token = builders.make_api_key(shop.lab, Mode.TEST)
        refused(shop, shop.order(), 422, "no_gateway", token=token)


class TestTheLabsOwnReference:
    def test_one_that_is_in_use_is_refused_with_the_payment_that_has_it(self, shop: Shop) -> None:
        payment = shop.open_payment(reference="order-1")
        problem = refused(shop, shop.order(reference="order-1"), 409, "reference_in_use")
        assert problem["payment"] == payment["id"]

    def test_that_of_a_paid_order_is_in_use_too(self, shop: Shop) -> None:
        payment = shop.captured_payment(reference="order-1")
        problem = refused(shop, shop.order(reference="order-1"), 409, "reference_in_use")
        assert problem["payment"] == payment["id"]

    def test_it_is_free_again_after_a_failed_payment(self, shop: Shop) -> None:
        failed = shop.initiate(stripe_error(400, message="no"), reference="order-1")
        assert failed.status_code == 422
        again = made(shop.initiate(reference="order-1"))
        assert again["reference"] == "order-1"
        assert Payment.objects.for_lab(shop.lab).filter(merchant_reference="order-1").count() == 2

    def test_the_other_mode_and_another_lab_have_references_of_their_own(
        self, shop: Shop, test_mode_shop: Shop, other_shop: Shop
    ) -> None:
        ids = {
            made(one.initiate(answer(session(live=one.mode is Mode.LIVE)), reference="order-1"))["id"]
            for one in (shop, test_mode_shop, other_shop)
        }
        assert len(ids) == 3

    def test_a_refused_reference_does_not_use_the_idempotency_key_up(self, shop: Shop) -> None:
        shop.open_payment(reference="order-1")
        refused(shop, shop.order(reference="order-1"), 409, "reference_in_use", key="k-1")
        assert made(shop.initiate(key="k-1", reference="order-2"))["reference"] == "order-2"


class TestWhatTheGatewaySays:
    def test_a_decline_is_a_payment_that_failed(self, wire: Wire) -> None:
        shop = Shop(wire, publishable_key="pk_live_51Builder0123456789")
        error = {**DECLINED, "payment_intent": {"id": "pi_1", "object": "payment_intent", "currency": "eur",
                 "status": "requires_payment_method", "amount": 1299, "livemode": True}}  # fmt: skip
        payment = made(shop.initiate(stripe_error(402, **error), presentation="embedded"))
        assert (payment["status"], payment["captured"]) == ("failed", 0)
        assert payment["decline"] == {
            "code": "insufficient_funds", "gateway_code": "insufficient_funds", "message": "Too little money.",
        }  # fmt: skip
        assert history(payment) == [(None, "pending", "api"), ("pending", "failed", "response")]
        assert exchanges(payment) == [("initiate", "declined", 1)]
        assert told() == ["payment.failed"]

    def test_a_refusal_is_422_and_the_payment_failed(self, shop: Shop) -> None:
        refusal = stripe_error(400, code="amount_too_large", message="Amount too large")
        response = shop.initiate(refusal, key="k-1")
        problem = response.json()
        assert (response.status_code, problem["code"], problem["retryable"]) == (422, "gateway_rejected", False)
        assert (problem["reason_code"], problem["gateway_code"]) == ("amount_too_large", "amount_too_large")
        payment = Payment.across_labs.get()
        assert problem["payment"] == payment.public_id
        assert (payment.status, payment.decline["code"]) == ("failed", "amount_too_large")
        assert history(problem | {"id": payment.public_id})[-1] == ("pending", "failed", "response")
        assert exchanges({"id": payment.public_id}) == [("initiate", "failed", 1)]

    def test_a_refusal_is_remembered_for_a_repeat(self, shop: Shop, wire: Wire) -> None:
        first = shop.initiate(stripe_error(400, message="no"), key="k-1")
        before = everything()
        second = shop.initiate(key="k-1")
        assert (second.status_code, second.content) == (422, first.content)
        assert (second["Idempotency-Replayed"], wire.sent) == ("true", [])
        assert everything() == before

    @pytest.mark.parametrize(
        ("trouble", "status", "code", "retryable"),
        [
            (NotSent("ConnectError"), 502, "gateway_unavailable", True),
            (stripe_error(429), 502, "gateway_unavailable", True),
            (stripe_error(401), 502, "gateway_misconfigured", False),
            (stripe_error(403), 502, "gateway_misconfigured", False),
            (NoAnswer("ReadTimeout"), 504, "outcome_unknown", True),
            (stripe_error(500), 504, "outcome_unknown", True),
            (answer(text="<html>", status=200), 504, "outcome_unknown", True),
            (answer({"object": "checkout.session"}), 504, "outcome_unknown", True),
        ],
    )
    def test_trouble_leaves_the_payment_pending_and_a_repeat_sends_the_same_again(
        self, shop: Shop, wire: Wire, trouble: Any, status: int, code: str, retryable: bool
    ) -> None:
        response = shop.initiate(trouble, key="k-1", description="Two books", metadata={"cart": "17"})
        problem = response.json()
        payment = Payment.across_labs.get()
        assert (response.status_code, problem["code"], problem["retryable"]) == (status, code, retryable)
        assert problem["payment"] == payment.public_id
        assert (payment.status, payment.attention, int(payment.captured)) == ("pending", [], 0)
        assert (payment.unknown_since is not None) == (status == 504)
        first = wire.sent[0]
        again = made(shop.initiate(key="k-1", description="Two books", metadata={"cart": "17"}))
        (second,) = wire.sent
        assert again["id"] == payment.public_id
        assert (second.url, second.body, second.headers) == (first.url, first.body, first.headers)
        assert second.headers["Idempotency-Key"] == f"{payment.public_id}:initiate:1"
        assert exchanges(again) == [("initiate", "answered", 2)]
        assert (again["status"], again["pending_reason"]) == ("pending", "waiting_for_customer")
        assert Payment.across_labs.count() == 1

    def test_how_long_to_wait_is_passed_on(self, shop: Shop) -> None:
        busy = answer({"error": {}}, status=429, headers={"Retry-After": "7"})
        assert shop.initiate(busy)["Retry-After"] == "8"

    def test_a_bug_in_a_gateway_package_means_that_nothing_is_known(
        self, shop: Shop, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from clients.stripe.gateway import StripeGateway

        def broken(self: Any, request: Any) -> Any:
            raise KeyError("oops")

        monkeypatch.setattr(StripeGateway, "initiate", broken)
        response = shop.initiate(key="k-1")
        assert (response.status_code, response.json()["code"]) == (504, "outcome_unknown")
        assert "oops" not in response.content.decode()
        assert Payment.across_labs.get().unknown_since is not None

    def test_a_key_that_cannot_be_opened_is_misconfigured_and_nothing_is_sent(self, shop: Shop, wire: Wire) -> None:
        sealed = {**shop.key.credentials, "secret_key": "v1.gone.AAAA.AAAA"}
        type(shop.key).across_labs.filter(pk=shop.key.pk).update(credentials=sealed)
        response = shop.initiate()
        assert (response.status_code, response.json()["code"]) == (502, "gateway_misconfigured")
        assert wire.sent == []

    def test_an_order_that_is_over_is_not_sent_again(self, shop: Shop, wire: Wire) -> None:
        assert shop.initiate(NotSent("ConnectError"), key="k-1", expires_in=3600).status_code == 502
        with clock.fixed(clock.now() + timedelta(hours=2)):
            response = shop.initiate(*not_known(), key="k-1", expires_in=3600)
        assert "POST" not in {request.method for request in wire.sent}
        payment = made(response)
        assert payment["status"] == "expired"
        assert history(payment)[-1] == ("pending", "expired", "timer")

    def test_what_a_webhook_told_after_a_lost_answer_needs_no_other_create(self, shop: Shop, wire: Wire) -> None:
        response = shop.initiate(NoAnswer("ReadTimeout"), key="k-1")
        payment = {"id": response.json()["payment"], "amount": 1299, "currency": "EUR", "mode": "live"}
        about = intent(payment, "succeeded", amount_received=1299)
        assert shop.tell(payment, "payment_intent.succeeded", about).status_code == 200
        assert state_of(payment)[:2] == ("captured", 1299)
        again = made(shop.initiate(key="k-1"))
        assert (again["id"], again["status"], again["captured"]) == (payment["id"], "captured", 1299)
        assert wire.sent == []
