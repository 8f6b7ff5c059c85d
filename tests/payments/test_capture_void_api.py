"""Capture and void: what is held is taken or released once, and never on a guess."""

from __future__ import annotations

from typing import Any

import pytest

from core.gateways.testing import answer, wire_fields
from core.http import NoAnswer, NotSent
from tests.payments import builders
from tests.payments.shop import (
    CRYPTO_ORDER,
    PREFLIGHT,
    Shop,
    Wire,
    booked,
    coins,
    everything,
    exchanges,
    history,
    intent,
    made,
    paid,
    session,
    still_open,
    stored,
    stripe_error,
)

pytestmark = pytest.mark.django_db


def refused(shop: Shop, path: str, body: Any, status: int, code: str, **options: Any) -> dict[str, Any]:
    before = everything()
    shop.wire.script()
    response = shop.post(path, body, **options)
    assert (response.status_code, response.json()["code"]) == (status, code), response.content
    assert everything() == before
    assert shop.wire.sent == []
    problem: dict[str, Any] = response.json()
    return problem


def holding(payment: dict[str, Any], about: dict[str, Any]) -> Any:
    """Stripe's answer about the session of a hold, which is asked before the hold is released."""
    return answer(session(id=payment["gateway_reference"], status="complete", url=None, payment_intent=about))


def released(payment: dict[str, Any]) -> Any:
    return answer(intent(payment, "canceled", cancellation_reason="requested_by_customer"))


class TestCapture:
    def test_all_that_is_held_is_taken(self, shop: Shop, wire: Wire) -> None:
        payment = shop.held_payment()
        assert booked(payment) == []
        shown = made(shop.capture(payment, answer(paid(payment))), 200)
        assert (shown["status"], shown["captured"], shown["authorized"], shown["refundable"]) == (
            "captured",
            1299,
            1299,
            1299,
        )
        (request,) = wire.sent
        assert wire_fields(request) == {"amount_to_capture": "1299"}
        assert request.headers["Idempotency-Key"] == f"{payment['id']}:capture:1"
        assert history(payment) == [
            (None, "pending", "api"), ("pending", "authorized", "webhook"), ("authorized", "captured", "response"),
        ]  # fmt: skip
        assert exchanges(payment) == [("initiate", "answered", 1), ("capture", "answered", 1)]
        assert booked(payment) == [("payment", 1299)]

    def test_a_part_is_taken_and_is_no_underpayment(self, shop: Shop, wire: Wire) -> None:
        payment = shop.held_payment()
        shown = made(shop.capture(payment, answer(paid(payment, 900)), amount=900), 200)
        assert (shown["status"], shown["captured"], shown["attention"]) == ("captured", 900, [])
        assert wire_fields(wire.sent[0]) == {"amount_to_capture": "900"}
        assert booked(payment) == [("payment", 900)]

    def test_less_than_we_asked_for_is_underpaid_and_not_captured(self, shop: Shop) -> None:
        payment = shop.held_payment()
        shown = made(shop.capture(payment, answer(paid(payment, 900)), amount=1000), 200)
        assert (shown["status"], shown["captured"], shown["attention"]) == ("authorized", 0, ["underpaid"])
        assert booked(payment) == []

    def test_more_than_we_asked_for_is_overpaid(self, shop: Shop) -> None:
        payment = shop.held_payment()
        shown = made(shop.capture(payment, answer(paid(payment, 1299)), amount=1000), 200)
        assert (shown["status"], shown["captured"], shown["attention"]) == ("captured", 1299, ["overpaid"])

    def test_its_webhook_may_come_before_its_answer(self, shop: Shop, wire: Wire) -> None:
        payment = shop.held_payment()
        wire.meanwhile = lambda _request: shop.tell(payment, "payment_intent.succeeded", paid(payment, 900))
        shown = made(shop.capture(payment, answer(paid(payment, 900)), amount=900), 200)
        assert (shown["captured"], shown["attention"]) == (900, [])
        assert booked(payment) == [("payment", 900)]

    def test_more_than_is_held_is_refused(self, shop: Shop) -> None:
        payment = shop.held_payment()
        problem = refused(shop, f"/v1/payments/{payment['id']}/capture", {"amount": 1300}, 409, "wrong_state")
        assert "1299 EUR" in problem["detail"]

    @pytest.mark.parametrize("amount", ["0", "-1", "1.0", "true", '"1e2"', "[]"])
    def test_an_amount_is_a_positive_whole_number(self, shop: Shop, amount: str) -> None:
        payment = shop.held_payment()
        refused(shop, f"/v1/payments/{payment['id']}/capture", f'{{"amount":{amount}}}', 400, "invalid_amount")

    def test_only_a_hold_can_be_taken(self, shop: Shop) -> None:
        failed = shop.initiate(stripe_error(400, message="no")).json()["payment"]
        for payment in (shop.open_payment()["id"], shop.captured_payment()["id"], failed):
            refused(shop, f"/v1/payments/{payment}/capture", {}, 409, "wrong_state")

    def test_a_gateway_without_holds_says_so(self, crypto: Shop) -> None:
        payment = made(crypto.initiate(*PREFLIGHT, answer(coins(), status=201), **CRYPTO_ORDER))
        for verb in ("capture", "void"):
            refused(crypto, f"/v1/payments/{payment['id']}/{verb}", {}, 409, "operation_unsupported")


class TestVoid:
    def test_a_hold_is_released(self, shop: Shop, wire: Wire) -> None:
        payment = shop.held_payment()
        about = intent(payment, "requires_capture", amount_capturable=1299)
        shown = made(shop.void(payment, holding(payment, about), released(payment)), 200)
        assert (shown["status"], shown["captured"], shown["pending_reason"]) == ("voided", 0, None)
        assert wire.calls()[-1] == f"POST /v1/payment_intents/pi_{payment['id']}/cancel"
        assert wire.keys()[-1] == f"{payment['id']}:void:1"
        assert history(payment)[-1] == ("authorized", "voided", "response")
        assert booked(payment) == []

    def test_an_unpaid_order_is_ended(self, shop: Shop, wire: Wire) -> None:
        payment = shop.open_payment()
        over = still_open(payment, status="expired", url=None)
        shown = made(shop.void(payment, answer(still_open(payment)), answer(over)), 200)
        assert (shown["status"], shown["next_action"]) == ("expired", None)
        assert wire.calls()[-1] == f"POST /v1/checkout/sessions/{payment['gateway_reference']}/expire"

    def test_what_was_taken_cannot_be_released(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        refused(shop, f"/v1/payments/{payment['id']}/void", {}, 409, "wrong_state")

    def test_money_that_came_first_is_what_counts(self, shop: Shop) -> None:
        payment = shop.open_payment()
        shown = made(shop.void(payment, holding(payment, paid(payment)), answer(paid(payment))), 200)
        assert (shown["status"], shown["captured"]) == ("captured", 1299)
        assert booked(payment) == [("payment", 1299)]


@pytest.mark.parametrize("verb", ["capture", "void"])
class TestBoth:
    def ask(self, shop: Shop, payment: dict[str, Any], verb: str, trouble: Any, key: str = "") -> Any:
        before = (
            [holding(payment, intent(payment, "requires_capture", amount_capturable=1299))] if verb == "void" else []
        )
        return getattr(shop, verb)(payment, *before, trouble, key=key)

    def test_a_refusal_changes_nothing_and_another_try_is_free(self, shop: Shop, verb: str) -> None:
        payment = shop.held_payment()
        response = self.ask(shop, payment, verb, stripe_error(400, message="no"))
        assert (response.status_code, response.json()["code"]) == (422, "gateway_rejected")
        assert response.json()["payment"] == payment["id"]
        row = stored(payment)
        assert (row.status, row.capture_asked, row.unknown_since, row.attention) == ("authorized", None, None, [])
        assert exchanges(payment)[-1] == (verb, "failed", 1)

    @pytest.mark.parametrize(
        ("trouble", "code"),
        [
            (NotSent("x"), "gateway_unavailable"),
            (stripe_error(429), "gateway_unavailable"),
            (stripe_error(401), "gateway_misconfigured"),
        ],
    )
    def test_what_was_not_sent_changes_nothing(self, shop: Shop, verb: str, trouble: Any, code: str) -> None:
        payment = shop.held_payment()
        response = self.ask(shop, payment, verb, trouble)
        assert (response.status_code, response.json()["code"]) == (502, code)
        row = stored(payment)
        assert (row.status, row.capture_asked, row.unknown_since) == ("authorized", None, None)

    @pytest.mark.parametrize("trouble", [NoAnswer("x"), stripe_error(500), answer(text="<html>")])
    def test_a_lost_answer_leaves_it_pending_and_nothing_else_is_done_meanwhile(
        self, shop: Shop, wire: Wire, verb: str, trouble: Any
    ) -> None:
        payment = shop.held_payment()
        shown = made(self.ask(shop, payment, verb, trouble), 200)
        assert (shown["status"], shown["pending_reason"], shown["captured"]) == ("authorized", "outcome_unknown", 0)
        assert exchanges(payment)[-1] == (verb, "unknown", 1)
        assert booked(payment) == []
        for other in ("capture", "void"):
            wire.script(NoAnswer("x"))  # it is looked up first, at most once in ten seconds
            response = shop.post(f"/v1/payments/{payment['id']}/{other}", {})
            assert (response.status_code, response.json()["code"]) == (409, "operation_in_flight")
            assert response.json()["retryable"] is True
        assert exchanges(payment)[-1] == (verb, "unknown", 1)

    def test_a_repeat_after_a_lost_answer_gets_the_first_answer(self, shop: Shop, wire: Wire, verb: str) -> None:
        payment = shop.held_payment()
        first = self.ask(shop, payment, verb, NoAnswer("x"), key="k-1")
        wire.script(NoAnswer("x"))
        again = shop.post(f"/v1/payments/{payment['id']}/{verb}", {}, key="k-1")
        assert (again.content, again["Idempotency-Replayed"]) == (first.content, "true")
        assert all(request.method == "GET" for request in wire.sent)

    def test_it_needs_its_scope(self, shop: Shop, verb: str) -> None:
        payment = shop.held_payment()
        token = builders.make_api_key(shop.lab, scopes=["payments:read", "refunds:write"])
        refused(shop, f"/v1/payments/{payment['id']}/{verb}", {}, 403, "scope_missing", token=token)

    @pytest.mark.parametrize(
        "public_id", ["PAY_20261120183005_00000000", "x", "PAY_%00", "%ED%A0%80", "PAY_" + "9" * 300]
    )
    def test_what_is_not_there_is_not_found(self, shop: Shop, verb: str, public_id: str) -> None:
        refused(shop, f"/v1/payments/{public_id}/{verb}", {}, 404, "not_found")

    def test_another_method_is_refused(self, shop: Shop, verb: str) -> None:
        response = shop.get(f"/v1/payments/{shop.open_payment()['id']}/{verb}")
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
