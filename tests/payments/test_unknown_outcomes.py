"""Nobody knows what became of it: never failed, never charged again, asked about until somebody knows (INVARIANTS §4)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from core import clock
from core.gateways.testing import answer
from core.http import NoAnswer, NotSent
from payments import sweep
from payments.models import Payment
from tests.payments.shop import (
    CRYPTO_ORDER,
    NOTHING_LISTED,
    PREFLIGHT,
    Shop,
    Wire,
    booked,
    coins,
    complete,
    exchanges,
    held,
    history,
    intent,
    made,
    not_known,
    paid,
    session,
    state_of,
    still_open,
    stored,
    stripe_error,
    stripe_refund,
    told,
)

pytestmark = pytest.mark.django_db

# Seconds from one try to the next: 15 s, 1, 5, 15 min, 1, 6, 24 h, then daily until seven days have passed.
PAUSES = [15, 60, 300, 900, 3600, 21600, 86400, 86400, 86400, 86400, 86400, 86400]
WEEK = timedelta(days=7)
REMEMBERED = PREFLIGHT[1:]  # which coins there are is asked once in five minutes


def now() -> datetime:
    return clock.now().replace(microsecond=0)


def swept(wire: Wire, moment: datetime, *answers: Any) -> int:
    """How many requests one sweep at `moment` sent."""
    wire.script(*answers)
    with clock.fixed(moment):
        sweep.sweep()
    return len(wire.sent)


def shown(shop: Shop, payment: dict[str, Any]) -> dict[str, Any]:
    """As the API shows it, without asking anybody: somebody asked a moment ago."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_payment SET last_checked_at = clock_timestamp() WHERE public_id = %s", [payment["id"]]
        )
    return made(shop.status(payment), 200)


def lost_initiate(shop: Shop, moment: datetime, **changes: Any) -> dict[str, Any]:
    with clock.fixed(moment):
        response = shop.initiate(NoAnswer("ReadTimeout"), key="k-1", **changes)
    assert (response.status_code, response.json()["code"]) == (504, "outcome_unknown")
    return {
        "id": response.json()["payment"],
        "amount": 1299,
        "currency": "EUR",
        "mode": "live",
        "gateway_reference": "cs_live_x",
    }


class TestInitiate:
    def test_it_is_asked_about_on_the_schedule_and_after_seven_days_a_person_looks(
        self, shop: Shop, wire: Wire
    ) -> None:
        begun = now()
        payment = lost_initiate(shop, begun, expires_in=90 * 86400)
        moment = begun
        for pause in PAUSES:
            due = moment + timedelta(seconds=pause)
            if due - begun >= WEEK:
                break
            assert swept(wire, due - timedelta(seconds=1)) == 0
            assert swept(wire, due, *not_known()) == 3, due - begun
            assert state_of(payment) == ("pending", 0, 0, 0, [])
            moment = due
        assert moment - begun == timedelta(days=6, hours=7, minutes=21, seconds=15)
        assert shown(shop, payment)["pending_reason"] == "outcome_unknown"
        assert swept(wire, begun + WEEK - timedelta(seconds=1)) == 0
        assert state_of(payment)[4] == []
        assert swept(wire, begun + WEEK + timedelta(seconds=1)) == 0
        assert state_of(payment) == ("pending", 0, 0, 0, ["unknown_outcome"])
        assert stored(payment).next_check_at is None
        assert told() == ["payment.attention"]
        assert swept(wire, begun + timedelta(days=30)) == 0
        assert exchanges(payment)[0][:2] == ("initiate", "unknown")

    def test_the_sweep_finds_the_order_that_the_lost_answer_made(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = lost_initiate(shop, begun)
        made_there = still_open(payment, id="cs_live_found")
        listed = answer({"object": "list", "data": [made_there], "has_more": False})
        assert swept(wire, begun + timedelta(seconds=15), listed) == 1
        found = shown(shop, payment)
        assert (found["status"], found["gateway_reference"], found["pending_reason"]) == (
            "pending", "cs_live_found", "waiting_for_customer",
        )  # fmt: skip
        assert found["next_action"] == {"type": "redirect", "url": made_there["url"]}
        assert exchanges(payment)[0][:2] == ("initiate", "answered")
        with clock.fixed(begun + timedelta(seconds=20)):
            again = made(shop.initiate(key="k-1", expires_in=None))
        assert (again["id"], wire.sent) == (payment["id"], [])

    def test_money_that_it_finds_is_captured(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = lost_initiate(shop, begun)
        listed = answer({"object": "list", "data": [complete(payment, paid(payment))], "has_more": False})
        swept(wire, begun + timedelta(seconds=15), listed)
        assert state_of(payment) == ("captured", 1299, 0, 0, [])
        assert history(payment)[-1] == ("pending", "captured", "fetch")
        assert booked(payment) == [("payment", 1299)]

    @pytest.mark.parametrize("trouble", [NotSent("x"), NoAnswer("x"), stripe_error(500), stripe_error(401)])
    def test_a_look_up_that_fails_teaches_nothing(self, shop: Shop, wire: Wire, trouble: Any) -> None:
        begun = now()
        payment = lost_initiate(shop, begun)
        assert swept(wire, begun + timedelta(seconds=15), trouble, trouble, trouble) >= 1
        assert state_of(payment) == ("pending", 0, 0, 0, [])
        assert stored(payment).unknown_since == begun
        assert stored(payment).next_check_at == begun + timedelta(seconds=75)
        assert stored(payment).exchanges.get().not_found_count == 0

    def test_it_is_never_expired_while_nobody_knows(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = lost_initiate(shop, begun, expires_in=60)
        swept(wire, begun + timedelta(hours=2), *not_known())
        assert state_of(payment)[0] == "pending"

    def test_its_status_looks_it_up(self, shop: Shop, wire: Wire) -> None:
        payment = lost_initiate(shop, now())
        listed = answer({"object": "list", "data": [still_open(payment)], "has_more": False})
        wire.script(listed)
        assert made(shop.status(payment), 200)["pending_reason"] == "waiting_for_customer"
        assert len(wire.sent) == 1

    def test_a_webhook_resolves_it_too(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = lost_initiate(shop, begun)
        shop.tell(payment, "payment_intent.succeeded", paid(payment))
        assert state_of(payment)[:2] == ("captured", 1299)
        assert shown(shop, payment)["pending_reason"] is None

    def test_after_the_gateway_forgot_the_key_it_is_looked_up_and_not_sent(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = lost_initiate(shop, begun, expires_in=7 * 86400)
        wire.script(*not_known())
        with clock.fixed(begun + timedelta(hours=24, minutes=1)):
            response = shop.post("/payments/initiate", shop.order(expires_in=7 * 86400), key="k-1")
        assert (response.status_code, response.json()["code"]) == (504, "outcome_unknown")
        assert "POST" not in {request.method for request in wire.sent}
        assert state_of(payment)[0] == "pending"

    def test_a_later_try_that_was_not_sent_does_not_make_the_first_one_known(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = lost_initiate(shop, begun, expires_in=7 * 86400)
        assert shop.initiate(NotSent("x"), key="k-1", expires_in=7 * 86400).status_code == 502
        assert exchanges(payment) == [("initiate", "unknown", 2)]
        assert stored(payment).unknown_since == begun
        wire.script(*not_known())
        with clock.fixed(begun + timedelta(hours=25)):
            assert shop.post("/payments/initiate", shop.order(expires_in=7 * 86400), key="k-1").status_code == 504
        assert "POST" not in {request.method for request in wire.sent}


class TestWithoutIdempotencyKeys:
    """NOWPayments remembers no key: a second create would be a second order."""

    ORDER = {**CRYPTO_ORDER, "reference": "order-1"}

    def lost(self, crypto: Shop, moment: datetime) -> dict[str, Any]:
        with clock.fixed(moment):
            response = crypto.initiate(*PREFLIGHT, NoAnswer("x"), key="k-1", **self.ORDER)
        assert (response.status_code, response.json()["code"]) == (504, "outcome_unknown")
        return {"id": response.json()["payment"]}

    def again(self, crypto: Shop, moment: datetime, *answers: Any) -> Any:
        with clock.fixed(moment):
            return crypto.initiate(*(answers or [answer({})]), key="k-1", **self.ORDER)

    def posts(self, crypto: Shop) -> list[bytes]:
        return [request.body for request in crypto.wire.sent if request.method == "POST"]

    def test_it_is_sent_again_only_after_not_found_twice_a_quarter_of_an_hour_apart(self, crypto: Shop) -> None:
        begun = now()
        payment = self.lost(crypto, begun)
        (first,) = self.posts(crypto)
        for seconds in (1, 60, 600, 899, 900):  # the first of these hears "not found" for the first time
            response = self.again(crypto, begun + timedelta(seconds=seconds))
            assert (response.status_code, response.json()["payment"]) == (504, payment["id"])
            assert self.posts(crypto) == []
        assert stored(payment).exchanges.get().not_found_count == 1
        assert self.again(crypto, begun + timedelta(seconds=901)).status_code == 504
        assert stored(payment).exchanges.get().not_found_count == 2
        assert self.posts(crypto) == []
        created = answer(coins(order_id=f"{payment['id']}-1"), status=201)
        done = made(self.again(crypto, begun + timedelta(seconds=902), *REMEMBERED, created))
        assert (done["id"], done["status"]) == (payment["id"], "requires_action")
        assert self.posts(crypto) == [first]
        assert Payment.across_labs.count() == 1

    def test_looks_of_the_sweep_count_as_well(self, crypto: Shop, wire: Wire) -> None:
        begun = now()
        payment = self.lost(crypto, begun)
        moment = begun
        for pause in PAUSES[:4]:
            moment += timedelta(seconds=pause)
            swept(wire, moment)
        assert moment - begun == timedelta(seconds=1275)
        assert stored(payment).exchanges.get().not_found_count == 2
        created = answer(coins(order_id=f"{payment['id']}-1"), status=201)
        assert made(self.again(crypto, moment, *REMEMBERED, created))["id"] == payment["id"]

    def test_one_that_was_lost_again_waits_for_two_more(self, crypto: Shop) -> None:
        begun = now()
        payment = self.lost(crypto, begun)
        for seconds in (1, 901):
            self.again(crypto, begun + timedelta(seconds=seconds))
        assert self.again(crypto, begun + timedelta(seconds=902), *REMEMBERED, NoAnswer("x")).status_code == 504
        assert len(self.posts(crypto)) == 1
        for seconds in (903, 904, 1802):
            assert self.again(crypto, begun + timedelta(seconds=seconds)).status_code == 504
            assert self.posts(crypto) == []
        assert exchanges(payment)[0][:2] == ("initiate", "unknown")

    def test_another_key_with_the_same_reference_is_refused_meanwhile(self, crypto: Shop) -> None:
        payment = self.lost(crypto, now())
        response = crypto.initiate(answer({}), **self.ORDER)
        assert (response.status_code, response.json()["code"]) == (409, "reference_in_use")
        assert response.json()["payment"] == payment["id"]
        assert self.posts(crypto) == []

    def test_what_was_never_sent_may_be_sent_at_once(self, crypto: Shop) -> None:
        moment = now()
        with clock.fixed(moment):
            response = crypto.initiate(*PREFLIGHT, NotSent("x"), key="k-1", **self.ORDER)
        assert response.status_code == 502
        created = answer(coins(order_id=f"{response.json()['payment']}-1"), status=201)
        assert made(self.again(crypto, moment, *REMEMBERED, created))["status"] == "requires_action"

    def test_a_callback_of_the_lost_create_resolves_it(self, crypto: Shop) -> None:
        payment = self.lost(crypto, now())
        crypto.deliver(coins("finished", arrived="50", order_id=f"{payment['id']}-1"))
        assert state_of(payment)[:2] == ("captured", 5000)
        done = made(self.again(crypto, now()))
        assert (done["status"], self.posts(crypto)) == ("captured", [])


class TestCapture:
    def lost(self, shop: Shop, moment: datetime, amount: int = 1299) -> dict[str, Any]:
        payment = shop.held_payment()
        with clock.fixed(moment):
            made(shop.capture(payment, NoAnswer("x"), amount=amount), 200)
        return payment

    def test_a_look_that_sees_it_done_is_the_answer(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = self.lost(shop, begun, 900)
        swept(wire, begun + timedelta(seconds=15), answer(complete(payment, paid(payment, 900))))
        assert state_of(payment) == ("captured", 900, 0, 0, [])
        assert [one[:2] for one in exchanges(payment)][1] == ("capture", "answered")
        assert booked(payment) == [("payment", 900)]

    def test_a_hold_that_is_still_seen_decides_only_at_the_third_look(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = self.lost(shop, begun)
        moment = begun
        for pause, reason in ((15, "outcome_unknown"), (60, "outcome_unknown"), (300, "capture_pending")):
            moment += timedelta(seconds=pause)
            assert swept(wire, moment, answer(complete(payment, held(payment)))) == 1
            assert shown(shop, payment)["pending_reason"] == reason
        assert exchanges(payment)[1][:2] == ("capture", "answered")
        assert made(shop.capture(payment, answer(paid(payment))), 200)["status"] == "captured"
        assert wire.keys() == [f"{payment['id']}:capture:2"]

    def test_after_seven_days_a_person_looks(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = self.lost(shop, begun)
        swept(wire, begun + WEEK + timedelta(seconds=1), NoAnswer("x"))
        assert state_of(payment) == ("authorized", 0, 0, 0, ["unknown_outcome"])


class TestVoid:
    def test_a_look_that_sees_it_released_is_the_answer(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = shop.held_payment()
        holding = answer(
            session(id=payment["gateway_reference"], status="complete", url=None, payment_intent=held(payment))
        )
        with clock.fixed(begun):
            assert made(shop.void(payment, holding, NoAnswer("x")), 200)["pending_reason"] == "outcome_unknown"
        about = intent(payment, "canceled", cancellation_reason="requested_by_customer")
        swept(wire, begun + timedelta(seconds=15), answer(complete(payment, about)))
        assert state_of(payment) == ("voided", 0, 0, 0, [])
        assert [one[:2] for one in exchanges(payment)][1] == ("void", "answered")


class TestRefund:
    def lost(self, shop: Shop, moment: datetime) -> tuple[dict[str, Any], dict[str, Any]]:
        payment = shop.captured_payment()
        with clock.fixed(moment):
            refund = made(shop.refund(payment, NoAnswer("x"), amount=500))
        assert (refund["status"], refund["pending_reason"]) == ("pending", "outcome_unknown")
        return payment, refund

    def test_it_is_asked_about_on_the_schedule_never_sent_again_and_given_to_a_person(
        self, shop: Shop, wire: Wire
    ) -> None:
        begun = now()
        payment, _ = self.lost(shop, begun)
        moment = begun
        for pause in PAUSES:
            due = moment + timedelta(seconds=pause)
            if due - begun >= WEEK:
                break
            assert swept(wire, due - timedelta(seconds=1)) == 0
            assert swept(wire, due, NOTHING_LISTED) == 1
            assert wire.calls() == ["GET /v1/refunds"]
            moment = due
        assert state_of(payment) == ("captured", 1299, 500, 0, [])
        swept(wire, begun + WEEK + timedelta(seconds=1))
        assert state_of(payment) == ("captured", 1299, 500, 0, ["unknown_outcome"])
        assert stored(payment).refunds.get().status == "pending"

    def test_a_look_that_finds_it_is_the_answer(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment, refund = self.lost(shop, begun)
        about = stripe_refund(payment, 500, name="re_1", ours=f"{refund['id']}-1")
        swept(wire, begun + timedelta(seconds=15), answer({"object": "list", "data": [about], "has_more": False}))
        row = stored(payment).refunds.get()
        assert (row.status, row.gateway_reference, row.unknown_since, row.pending_reason) == (
            "succeeded",
            "re_1",
            None,
            "",
        )
        assert state_of(payment) == ("captured", 1299, 500, 500, [])
        assert booked(payment) == [("payment", 1299), ("refund", -500)]
        assert exchanges(payment)[1][:2] == ("refund", "answered")

    def test_a_webhook_is_the_answer_too(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment, refund = self.lost(shop, begun)
        shop.tell(payment, "refund.updated", stripe_refund(payment, 500, name="re_1", ours=f"{refund['id']}-1"))
        assert state_of(payment) == ("captured", 1299, 500, 500, [])
        row = stored(payment).refunds.get()
        assert (row.status, row.pending_reason, row.next_check_at, row.unknown_since) == ("succeeded", "", None, None)
        assert swept(wire, begun + timedelta(days=8)) == 0
        assert state_of(payment)[4] == []
        assert exchanges(payment)[1][:2] == ("refund", "answered")

    @pytest.mark.parametrize("trouble", [NotSent("x"), NoAnswer("x"), stripe_error(500)])
    def test_a_look_that_fails_teaches_nothing(self, shop: Shop, wire: Wire, trouble: Any) -> None:
        begun = now()
        payment, _ = self.lost(shop, begun)
        swept(wire, begun + timedelta(seconds=15), trouble)
        row = stored(payment).refunds.get()
        assert (row.status, row.unknown_since) == ("pending", begun)
        assert row.next_check_at == begun + timedelta(seconds=75)

    def test_not_found_for_one_that_was_confirmed_needs_a_person(self, shop: Shop, wire: Wire) -> None:
        payment = shop.captured_payment()
        begun = now()
        with clock.fixed(begun):
            made(shop.refund(payment, answer(stripe_refund(payment, 500, "pending", name="re_1")), amount=500))
        swept(wire, begun + timedelta(seconds=61), stripe_error(404, code="resource_missing"))
        assert state_of(payment) == ("captured", 1299, 500, 0, ["gateway_disagrees"])
