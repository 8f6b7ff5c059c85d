"""GET /payments/status/{id}: the truth, freshly fetched, but not more than once in ten seconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from core import clock
from core.gateways.testing import answer
from core.http import NoAnswer, NotSent
from tests.payments import builders
from tests.payments.shop import (
    CRYPTO_ORDER,
    PREFLIGHT,
    Shop,
    Wire,
    booked,
    coins,
    complete,
    event,
    everything,
    exchanges,
    held,
    history,
    intent,
    made,
    paid,
    state_of,
    still_open,
    stored,
    stripe_error,
    stripe_refund,
)

pytestmark = pytest.mark.django_db


def shown(shop: Shop, payment: dict[str, Any], *answers: Any) -> dict[str, Any]:
    shop.wire.script(*answers)
    return made(shop.status(payment), 200)


def ten_seconds_later(payment: dict[str, Any]) -> None:
    """By the database's clock, which decides who may ask."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_payment SET last_checked_at = last_checked_at - interval '10 seconds' WHERE public_id = %s",
            [payment["id"]],
        )


def test_an_open_payment_is_fetched_and_what_the_gateway_says_is_applied(shop: Shop, wire: Wire) -> None:
    payment = shop.open_payment()
    found = shown(shop, payment, answer(complete(payment, paid(payment))))
    assert (found["status"], found["captured"], found["received"], found["refundable"]) == (
        "captured",
        1299,
        1299,
        1299,
    )
    assert (found["next_action"], found["pending_reason"], found["attention"]) == (None, None, [])
    assert found["completed_at"] is not None and found["last_checked_at"] is not None
    assert wire.calls() == [f"GET /v1/checkout/sessions/{payment['gateway_reference']}"]
    assert history(payment) == [(None, "pending", "api"), ("pending", "captured", "fetch")]
    assert exchanges(payment) == [("initiate", "answered", 1), ("fetch_payment", "answered", 1)]
    assert booked(payment) == [("payment", 1299)]


def test_it_is_the_object_that_initiate_gave(shop: Shop) -> None:
    payment = shop.open_payment(reference="order-1", metadata={"a": "b"})
    found = shown(shop, payment, answer(still_open(payment)))
    changed = {"last_checked_at", "next_check_at", "next_action"}
    assert {k: v for k, v in found.items() if k not in changed} == {
        k: v for k, v in payment.items() if k not in changed
    }


def test_within_ten_seconds_it_is_not_asked_again(shop: Shop, wire: Wire) -> None:
    payment = shop.open_payment()
    first = shown(shop, payment, answer(still_open(payment)))
    assert len(wire.sent) == 1
    again = shown(shop, payment)
    assert (wire.sent, again["last_checked_at"]) == ([], first["last_checked_at"])
    ten_seconds_later(payment)
    shown(shop, payment, answer(still_open(payment)))
    assert len(wire.sent) == 1


def test_a_clock_that_jumps_does_not_stop_the_fetches(shop: Shop, wire: Wire) -> None:
    payment = shop.open_payment()
    with clock.fixed(clock.now() + timedelta(hours=3)):
        shown(shop, payment, answer(still_open(payment)))
    ten_seconds_later(payment)
    shown(shop, payment, answer(still_open(payment)))
    assert len(wire.sent) == 1


def test_a_hold_is_fetched_too(shop: Shop) -> None:
    payment = shop.held_payment()
    found = shown(shop, payment, answer(complete(payment, held(payment))))
    assert (found["status"], found["authorized"], found["pending_reason"]) == (
        "authorized",
        1299,
        "waiting_for_capture",
    )


def test_a_final_payment_is_read_and_not_fetched(shop: Shop, wire: Wire) -> None:
    payment = shop.captured_payment()
    before = everything()
    found = shown(shop, payment)
    assert (found["status"], found["next_check_at"], wire.sent) == ("captured", None, [])
    assert everything() == before


@pytest.mark.parametrize(
    "trouble", [NotSent("x"), NoAnswer("x"), stripe_error(500), stripe_error(429), stripe_error(401)]
)
def test_a_fetch_that_fails_changes_nothing_but_the_time_of_the_next(shop: Shop, trouble: Any) -> None:
    payment = shop.open_payment()
    found = shown(shop, payment, trouble)
    changed = {"last_checked_at", "next_check_at"}
    assert {k: v for k, v in found.items() if k not in changed} == {
        k: v for k, v in payment.items() if k not in changed
    }
    assert history(payment) == [(None, "pending", "api")]
    assert exchanges(payment) == [("initiate", "answered", 1)]


def test_not_found_for_a_payment_the_gateway_once_confirmed_needs_a_person(shop: Shop) -> None:
    payment = shop.open_payment()
    found = shown(shop, payment, stripe_error(404, code="resource_missing"))
    assert (found["status"], found["attention"]) == ("pending", ["gateway_disagrees"])
    assert history(payment) == [(None, "pending", "api")]


@pytest.mark.parametrize(
    "public_id",
    [
        "PAY_20261120183005_00000000", "PAY_", "x", "1", "PAY_%00", "%00", "%F0%9F%92%A9", "PAY_" + "9" * 300, "%ED%A0%80",
        "PAY_20261120183005_0000000%0A",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(shop: Shop, public_id: str) -> None:
    missing = shop.get("/payments/status/PAY_20261120183005_ffffffff")
    before = everything()
    response = shop.get(f"/payments/status/{public_id}")
    assert (response.status_code, response.content) == (404, missing.content)
    assert response.json()["code"] == "not_found"
    assert everything() == before


def test_reading_needs_its_scope(shop: Shop) -> None:
    payment = shop.open_payment()
    writer = builders.make_api_key(shop.lab, scopes=["payments:write"])
    assert shop.status(payment, token=writer).status_code == 403
    assert shop.client.get(f"/payments/status/{payment['id']}").status_code == 401


def test_a_payment_whose_webhook_is_still_to_come_is_not_captured_twice(shop: Shop) -> None:
    payment = shop.open_payment()
    shown(shop, payment, answer(complete(payment, paid(payment))))
    assert shop.tell(payment, "payment_intent.succeeded", paid(payment)).status_code == 200
    assert booked(payment) == [("payment", 1299)]
    assert state_of(payment) == ("captured", 1299, 0, 0, [])


def test_a_claim_against_money_is_asked_about_before_it_is_shown(shop: Shop, wire: Wire) -> None:
    payment = shop.captured_payment()
    shop.deliver(event("payment_intent.canceled", intent(payment, "canceled")))
    assert state_of(payment)[4] == []
    found = shown(shop, payment, answer(complete(payment, paid(payment))))
    assert (found["status"], found["attention"]) == ("captured", [])
    assert len(wire.sent) == 1
    shown(shop, payment)
    assert (wire.sent, stored(payment).claim) == ([], "")


def test_a_claim_that_the_gateway_insists_on_needs_a_person(shop: Shop) -> None:
    payment = shop.captured_payment()
    shop.deliver(event("payment_intent.canceled", intent(payment, "canceled")))
    found = shown(shop, payment, answer(complete(payment, intent(payment, "canceled"))))
    assert (found["status"], found["captured"], found["attention"]) == ("captured", 1299, ["gateway_disagrees"])
    assert booked(payment) == [("payment", 1299)]


def test_refunds_are_shown_as_sums(shop: Shop) -> None:
    payment = shop.captured_payment()
    made(shop.refund(payment, answer(stripe_refund(payment, 500)), amount=500))
    made(shop.refund(payment, answer(stripe_refund(payment, 99, "pending")), amount=99))
    found = shown(shop, payment)
    assert (found["refund_status"], found["refunded"], found["refundable"]) == ("partially_refunded", 500, 700)
    made(shop.refund(payment, answer(stripe_refund(payment, 700))))
    assert shown(shop, payment)["refundable"] == 0


def test_a_coin_payment_can_be_refunded_nowhere(crypto: Shop) -> None:
    payment = made(crypto.initiate(*PREFLIGHT, answer(coins(), status=201), **CRYPTO_ORDER))
    found = shown(crypto, payment, answer(coins("finished", arrived="50", order_id=f"{payment['id']}-1")))
    assert (found["status"], found["captured"], found["refundable"]) == ("captured", 5000, 0)
    assert found["coin"]["arrived"] == 50_000_000


def test_another_method_is_refused(shop: Shop) -> None:
    payment = shop.open_payment()
    response = shop.post(f"/payments/status/{payment['id']}", {})
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
