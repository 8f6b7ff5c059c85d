"""An unpaid order is ended at its gateway before it is called expired, so that nobody pays what is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from core import clock
from core.gateways.testing import answer
from core.http import NoAnswer, NotSent
from payments import sweep
from tests.clients.stripe.objects import intent as stripe_intent
from tests.payments.shop import (
    Shop,
    Wire,
    booked,
    complete,
    exchanges,
    history,
    intent,
    made,
    paid,
    state_of,
    still_open,
    stored,
    stripe_error,
    told,
)

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
OVER = HOUR + timedelta(seconds=60)
NOT_OPEN = stripe_error(400, message="Only Checkout Sessions with a status of open can be expired.")


@pytest.fixture
def begun() -> datetime:
    return clock.now().replace(microsecond=0)


@pytest.fixture
def payment(shop: Shop, begun: datetime) -> dict[str, Any]:
    """One hour to pay, and nobody did."""
    with clock.fixed(begun):
        return shop.open_payment(expires_in=3600)


def swept(wire: Wire, moment: datetime, *answers: Any) -> None:
    wire.script(*answers)
    with clock.fixed(moment):
        sweep.sweep()
    assert wire.unanswered == 0


def ended(payment: dict[str, Any]) -> Any:
    return answer(still_open(payment, status="expired", url=None))


def test_it_is_ended_there_and_then_here(shop: Shop, wire: Wire, payment: dict[str, Any], begun: datetime) -> None:
    swept(wire, begun + OVER, answer(still_open(payment)), ended(payment))
    session = payment["gateway_reference"]
    assert wire.calls() == [f"GET /v1/checkout/sessions/{session}", f"POST /v1/checkout/sessions/{session}/expire"]
    assert wire.keys()[1] == f"{payment['id']}:close:1"
    assert state_of(payment) == ("expired", 0, 0, 0, [])
    assert history(payment)[-1] == ("pending", "expired", "response")
    assert exchanges(payment)[-1] == ("close", "answered", 1)
    assert (told(), stored(payment).next_check_at) == (["payment.expired"], None)


def test_money_that_met_the_closing_is_captured(
    shop: Shop, wire: Wire, payment: dict[str, Any], begun: datetime
) -> None:
    swept(wire, begun + OVER, answer(still_open(payment)), NOT_OPEN, answer(complete(payment, paid(payment))))
    assert state_of(payment) == ("captured", 1299, 0, 0, [])
    assert history(payment)[-1] == ("pending", "captured", "response")
    assert booked(payment) == [("payment", 1299)]


def test_money_that_a_webhook_told_meanwhile_is_not_touched(
    shop: Shop, wire: Wire, payment: dict[str, Any], begun: datetime
) -> None:
    def tell(request: Any) -> None:  # while the gateway is asked how the payment stands
        wire.meanwhile = lambda _: made_known()

    def made_known() -> None:
        shop.tell(payment, "payment_intent.succeeded", paid(payment))

    wire.meanwhile = tell
    swept(wire, begun + OVER, answer(still_open(payment)), NOT_OPEN, answer(complete(payment, paid(payment))))
    assert state_of(payment) == ("captured", 1299, 0, 0, [])
    assert booked(payment) == [("payment", 1299)]


def test_what_the_gateway_calls_voided_is_an_expiry_whoever_tells_it(
    shop: Shop, wire: Wire, payment: dict[str, Any], begun: datetime
) -> None:
    """The webhook of our own closing overtakes its answer, which is lost besides."""
    canceled = intent(payment, "canceled", cancellation_reason=None)

    def tell(request: Any) -> None:
        wire.meanwhile = lambda _: overtaken()

    def overtaken() -> None:
        shop.tell(payment, "payment_intent.canceled", canceled)

    wire.meanwhile = tell
    swept(wire, begun + OVER, answer(still_open(payment)), NoAnswer("ReadTimeout"))
    assert history(payment)[-1] == ("pending", "expired", "webhook")
    assert state_of(payment) == ("expired", 0, 0, 0, [])


def test_a_lost_answer_is_looked_up_and_never_guessed(
    shop: Shop, wire: Wire, payment: dict[str, Any], begun: datetime
) -> None:
    swept(wire, begun + OVER, answer(still_open(payment)), NoAnswer("ReadTimeout"))
    assert (state_of(payment)[0], exchanges(payment)[-1]) == ("pending", ("close", "unknown", 1))
    assert stored(payment).next_check_at == begun + OVER + timedelta(seconds=15)
    swept(wire, begun + OVER + timedelta(seconds=15), ended(payment))
    assert history(payment)[-1] == ("pending", "expired", "fetch")
    assert [one for one in exchanges(payment) if one[0] == "close"] == [("close", "answered", 1)]


def test_a_lost_answer_whose_order_is_still_open_is_another_try(
    shop: Shop, wire: Wire, payment: dict[str, Any], begun: datetime
) -> None:
    swept(wire, begun + OVER, answer(still_open(payment)), NoAnswer("ReadTimeout"))
    swept(wire, begun + OVER + timedelta(seconds=15), answer(still_open(payment)), ended(payment))
    assert wire.keys()[1] == f"{payment['id']}:close:2"
    assert state_of(payment)[0] == "expired"


def test_a_refusal_is_looked_at_once_more_and_then_our_timer_ends_it(
    shop: Shop, wire: Wire, payment: dict[str, Any], begun: datetime
) -> None:
    swept(wire, begun + OVER, answer(still_open(payment)), NOT_OPEN, answer(still_open(payment)))
    assert (state_of(payment)[0], exchanges(payment)[-1]) == ("pending", ("close", "failed", 1))
    swept(wire, begun + OVER, answer(still_open(payment)))
    assert history(payment)[-1] == ("pending", "expired", "timer")


def test_after_three_tries_that_never_left_our_timer_ends_it(
    shop: Shop, wire: Wire, payment: dict[str, Any], begun: datetime
) -> None:
    moment = begun + OVER
    for number in (1, 2, 3):
        swept(wire, moment, answer(still_open(payment)), NotSent("ConnectError"))
        assert (state_of(payment)[0], len(exchanges(payment))) == ("pending", 1 + number)
        found = stored(payment).next_check_at
        assert found is not None
        moment = found
    swept(wire, moment, answer(still_open(payment)))
    assert history(payment)[-1] == ("pending", "expired", "timer")
    late = paid(payment)
    shop.tell(payment, "payment_intent.succeeded", late)
    assert state_of(payment) == ("captured", 1299, 0, 0, ["paid_late"])


def test_who_reads_a_payment_does_not_end_its_order(
    shop: Shop, wire: Wire, payment: dict[str, Any], begun: datetime
) -> None:
    with clock.fixed(begun + OVER):
        wire.script(answer(still_open(payment)))
        assert made(shop.status(payment), 200)["status"] == "pending"
    assert wire.calls() == [f"GET /v1/checkout/sessions/{payment['gateway_reference']}"]


def test_nothing_is_ended_while_a_void_of_the_lab_is_under_way(
    shop: Shop, wire: Wire, payment: dict[str, Any], begun: datetime
) -> None:
    def sweep_meanwhile(request: Any) -> None:
        queue, wire._queue = wire._queue, [answer(still_open(payment))]
        with clock.fixed(begun + OVER):
            sweep.sweep()
        wire._queue = queue

    wire.meanwhile = sweep_meanwhile
    with clock.fixed(begun + OVER):
        found = shop.void(payment, answer(still_open(payment)), ended(payment))
    assert found.status_code == 200
    assert [one[0] for one in exchanges(payment)] == ["initiate", "void"]


def test_a_void_of_the_lab_waits_for_the_closing(
    shop: Shop, wire: Wire, payment: dict[str, Any], begun: datetime
) -> None:
    answers: list[int] = []

    def void(request: Any) -> None:
        answers.append(shop.post(f"/v1/payments/{payment['id']}/void", {}).status_code)

    def wait(request: Any) -> None:
        wire.meanwhile = void

    wire.meanwhile = wait
    swept(wire, begun + OVER, answer(still_open(payment)), ended(payment))
    assert (answers, state_of(payment)[0]) == ([409], "expired")


class TestAFormInOurOwnPage:
    @pytest.fixture
    def shop(self, db: None, wire: Wire) -> Shop:
        return Shop(wire, publishable_key="pk_live_51Builder0123456789")

    @pytest.fixture
    def payment(self, shop: Shop, begun: datetime) -> dict[str, Any]:
        with clock.fixed(begun):
            return made(shop.initiate(answer(fresh()), presentation="embedded", expires_in=3600))

    def test_an_unpaid_intent_is_canceled_and_expired(
        self, wire: Wire, payment: dict[str, Any], begun: datetime
    ) -> None:
        swept(wire, begun + OVER, answer(fresh()), answer(fresh()), answer(fresh(status="canceled")))
        assert wire.calls()[2] == "POST /v1/payment_intents/pi_docA1/cancel"
        assert (state_of(payment)[0], history(payment)[-1][2]) == ("expired", "response")

    def test_a_hold_that_came_between_is_not_released(
        self, wire: Wire, payment: dict[str, Any], begun: datetime
    ) -> None:
        held = fresh(status="requires_capture", amount_capturable=1299, latest_charge="ch_docA1")
        swept(wire, begun + OVER, answer(fresh()), answer(held))
        assert (state_of(payment)[0], history(payment)[-1][2]) == ("authorized", "response")


def fresh(**changes: Any) -> dict[str, Any]:
    return stripe_intent(**{"amount": 1299, "currency": "eur", "livemode": True, **changes})
