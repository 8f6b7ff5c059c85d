"""The sweep: whatever a crash, a lost message or a silent gateway left behind is found as rows."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from core import clock
from core.gateways.testing import answer
from core.gateways.types import Mode
from core.http import NoAnswer, NotSent
from payments import loading, sweep
from payments.services import initiate, operations
from tests.payments.shop import (
    CRYPTO_ORDER,
    PREFLIGHT,
    Shop,
    Wire,
    booked,
    coins,
    complete,
    events,
    everything,
    exchanges,
    held,
    history,
    intent,
    made,
    not_known,
    paid,
    state_of,
    still_open,
    stored,
    stripe_error,
    stripe_refund,
    told,
)

pytestmark = pytest.mark.django_db


def now() -> datetime:
    return clock.now().replace(microsecond=0)


def swept(wire: Wire, moment: datetime, *answers: Any) -> sweep.Swept:
    wire.script(*answers)
    with clock.fixed(moment):
        return sweep.sweep()


def opened(shop: Shop, moment: datetime, **changes: Any) -> dict[str, Any]:
    with clock.fixed(moment):
        return shop.open_payment(**changes)


class TestPolling:
    def test_an_open_payment_is_asked_about_as_often_as_its_gateway_wishes(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = opened(shop, begun)
        assert stored(payment).next_check_at == begun + timedelta(seconds=300)
        assert swept(wire, begun + timedelta(seconds=299)).payments == 0
        assert wire.sent == []
        assert swept(wire, begun + timedelta(seconds=300), answer(still_open(payment))).payments == 1
        assert stored(payment).next_check_at == begun + timedelta(seconds=600)
        swept(wire, begun + timedelta(hours=2), answer(still_open(payment)))
        assert stored(payment).next_check_at == begun + timedelta(hours=3)

    def test_money_that_no_webhook_told_is_found(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = opened(shop, begun)
        swept(wire, begun + timedelta(minutes=5), answer(complete(payment, paid(payment))))
        assert state_of(payment) == ("captured", 1299, 0, 0, [])
        assert history(payment)[-1] == ("pending", "captured", "fetch")
        assert (booked(payment), told()) == ([("payment", 1299)], ["payment.captured"])
        assert swept(wire, begun + timedelta(days=30)).payments == 0

    def test_a_poll_that_says_the_same_leaves_no_trace_but_its_time(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        opened(shop, begun)
        payment = opened(shop, begun)
        before = {name: rows for name, rows in everything().items() if name != "payments_payment"}
        swept(wire, begun + timedelta(minutes=5), *[answer(still_open(payment))] * 2)
        assert {name: rows for name, rows in everything().items() if name != "payments_payment"} == before

    def test_a_hold_is_asked_about_once_a_day(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        with clock.fixed(begun):
            payment = shop.held_payment()
        assert stored(payment).next_check_at == begun + timedelta(days=1)
        lapsed = intent(payment, "canceled", cancellation_reason="automatic")
        swept(wire, begun + timedelta(days=1), answer(complete(payment, lapsed)))
        assert state_of(payment)[0] == "expired"
        assert history(payment)[-1] == ("authorized", "expired", "fetch")

    def test_coins_are_asked_about_again_after_the_end(self, crypto: Shop, wire: Wire) -> None:
        begun = now()
        with clock.fixed(begun):
            payment = made(crypto.initiate(*PREFLIGHT, answer(coins(), status=201), **CRYPTO_ORDER))
            crypto.deliver(coins("expired", order_id=f"{payment['id']}-1"))
        assert stored(payment).next_check_at == begun + timedelta(seconds=60)
        swept(wire, begun + timedelta(seconds=60), answer(coins("expired", order_id=f"{payment['id']}-1")))
        assert stored(payment).next_check_at == begun + timedelta(days=1)
        late = coins("finished", arrived="50", order_id=f"{payment['id']}-1")
        swept(wire, begun + timedelta(days=1), answer(late))
        assert state_of(payment) == ("captured", 5000, 0, 0, ["paid_late"])

    @pytest.mark.parametrize("trouble", [NotSent("x"), NoAnswer("x"), stripe_error(500), stripe_error(401)])
    def test_a_gateway_that_cannot_be_asked_changes_nothing(self, shop: Shop, wire: Wire, trouble: Any) -> None:
        begun = now()
        payment = opened(shop, begun)
        swept(wire, begun + timedelta(minutes=5), trouble)
        assert state_of(payment) == ("pending", 0, 0, 0, [])
        assert stored(payment).next_check_at == begun + timedelta(minutes=10)

    def test_one_that_fails_stops_nobody(self, shop: Shop, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
        from payments.services import fetching

        begun = now()
        bad, fine = opened(shop, begun), opened(shop, begun)
        real = fetching._apply

        def broken(loaded: Any, *args: Any, **options: Any) -> Any:
            if loaded.state.public_id == bad["id"]:
                raise KeyError("a bug")
            return real(loaded, *args, **options)

        monkeypatch.setattr(fetching, "_apply", broken)
        swept(wire, begun + timedelta(minutes=5), answer(complete(bad, paid(bad))), answer(complete(fine, paid(fine))))
        assert (state_of(bad)[0], state_of(fine)[0]) == ("pending", "captured")


class TestExpiry:
    def test_an_order_that_nobody_paid_ends_a_minute_after_its_time_once_the_gateway_said_so(
        self, shop: Shop, wire: Wire
    ) -> None:
        begun = now()
        payment = opened(shop, begun, expires_in=3600)
        over = begun + timedelta(seconds=3600)
        swept(wire, over, answer(still_open(payment)))
        assert state_of(payment)[0] == "pending"
        assert stored(payment).next_check_at == over + timedelta(seconds=60)
        ended = still_open(payment, status="expired", url=None)
        swept(wire, over + timedelta(seconds=60), answer(still_open(payment)), answer(ended))
        assert state_of(payment) == ("expired", 0, 0, 0, [])
        assert history(payment)[-1] == ("pending", "expired", "response")
        assert told() == ["payment.expired"]
        assert stored(payment).next_check_at is None

    def test_not_by_the_clock_alone(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = opened(shop, begun, expires_in=3600)
        for hours in (2, 3, 24):
            swept(wire, begun + timedelta(hours=hours), NoAnswer("x"))
            assert state_of(payment)[0] == "pending"

    def test_not_when_the_gateway_says_paid(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = opened(shop, begun, expires_in=3600)
        swept(wire, begun + timedelta(hours=2), answer(complete(payment, paid(payment))))
        assert state_of(payment) == ("captured", 1299, 0, 0, [])

    def test_not_when_a_part_has_come(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = opened(shop, begun, expires_in=3600)
        shop.tell(payment, "payment_intent.succeeded", paid(payment, 1000))
        swept(wire, begun + timedelta(hours=2), answer(complete(payment, paid(payment, 1000))))
        assert state_of(payment) == ("pending", 0, 0, 0, ["underpaid"])

    def test_not_a_hold(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        with clock.fixed(begun):
            payment = shop.held_payment(expires_in=3600)
        swept(wire, begun + timedelta(days=2), answer(complete(payment, held(payment))))
        assert state_of(payment)[0] == "authorized"

    def test_an_order_that_never_reached_the_gateway_ends_too(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        with clock.fixed(begun):
            response = shop.initiate(NotSent("x"), expires_in=3600)
        payment = {"id": response.json()["payment"]}
        swept(wire, begun + timedelta(hours=2), *not_known())
        assert (state_of(payment)[0], history(payment)[-1]) == ("expired", ("pending", "expired", "timer"))

    def test_not_found_for_one_the_gateway_confirmed_is_for_a_person_and_no_end(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = opened(shop, begun, expires_in=3600)
        swept(wire, begun + timedelta(hours=2), stripe_error(404, code="resource_missing"))
        assert state_of(payment) == ("pending", 0, 0, 0, ["gateway_disagrees"])


class TestRefunds:
    def test_a_pending_refund_is_asked_about_with_growing_pauses(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = shop.captured_payment()
        pending = stripe_refund(payment, 500, "pending", name="re_1")
        with clock.fixed(begun):
            made(shop.refund(payment, answer(pending), amount=500))
        moment = begun
        for pause in (60, 300, 3600, 21600, 86400, 86400):
            moment += timedelta(seconds=pause)
            assert swept(wire, moment - timedelta(seconds=1)).refunds == 0
            assert swept(wire, moment, answer(pending)).refunds == 1
        assert state_of(payment) == ("captured", 1299, 500, 0, [])
        swept(wire, moment + timedelta(days=1), answer(stripe_refund(payment, 500, name="re_1")))
        assert state_of(payment) == ("captured", 1299, 500, 500, [])
        assert booked(payment) == [("payment", 1299), ("refund", -500)]
        assert swept(wire, moment + timedelta(days=30)).refunds == 0

    def test_a_claim_that_a_failed_refund_succeeded_is_asked_about(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        payment = shop.captured_payment()
        with clock.fixed(begun):
            made(shop.refund(payment, answer(stripe_refund(payment, 500, "failed", name="re_1")), amount=500))
            shop.tell(payment, "refund.updated", stripe_refund(payment, 500, name="re_1"))
        assert stored(payment).refunds.get().next_check_at == begun
        assert state_of(payment) == ("captured", 1299, 0, 0, ["refund_failed"])
        swept(wire, begun, answer(stripe_refund(payment, 500, name="re_1")))
        assert state_of(payment) == ("captured", 1299, 0, 0, ["gateway_disagrees", "refund_failed"])
        assert booked(payment) == [("payment", 1299)]


class TestAfterADeath:
    def died(self, monkeypatch: pytest.MonkeyPatch, module: Any, call: Any) -> None:
        def die(_call: Any) -> Any:
            raise SystemError("the process is gone")

        with monkeypatch.context() as patch:
            patch.setattr(module, "ask", die)
            assert call().status_code == 500

    def lease_runs_out(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE payments_paymentgatewaytransaction SET lease_until = lease_until - interval '3 minutes'"
            )

    def test_an_order_nobody_answered_for_is_unknown_and_asked_about_at_once(
        self, shop: Shop, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.died(monkeypatch, initiate, shop.initiate)
        assert swept(wire, now()).crashed == 0
        self.lease_runs_out()
        found = swept(wire, clock.now(), *not_known())
        assert (found.crashed, found.payments, len(wire.sent)) == (1, 1, 3)
        with connection.cursor() as cursor:
            cursor.execute("SELECT public_id FROM payments_payment")
            payment = {"id": cursor.fetchone()[0]}
        assert stored(payment).unknown_since is not None
        assert exchanges(payment) == [("initiate", "unknown", 1)]
        assert swept(wire, clock.now()).crashed == 0

    def test_a_refund_nobody_answered_for_is_unknown_and_keeps_its_reservation(
        self, shop: Shop, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        payment = shop.captured_payment()
        self.died(monkeypatch, operations, lambda: shop.refund(payment, amount=500))
        self.lease_runs_out()
        row = stored(payment).refunds.get()
        about = stripe_refund(payment, 500, name="re_1", ours=row.sent_reference)
        found = swept(wire, clock.now(), answer({"object": "list", "data": [about], "has_more": False}))
        assert (found.crashed, found.refunds) == (1, 1)
        assert state_of(payment) == ("captured", 1299, 500, 500, [])
        assert exchanges(payment)[1] == ("refund", "answered", 1)

    def test_a_capture_nobody_answered_for_is_unknown_and_found(
        self, shop: Shop, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        payment = shop.held_payment()
        self.died(monkeypatch, operations, lambda: shop.capture(payment, amount=900))
        self.lease_runs_out()
        found = swept(wire, clock.now(), answer(complete(payment, paid(payment, 900))))
        assert (found.crashed, found.payments) == (1, 1)
        assert state_of(payment) == ("captured", 900, 0, 0, [])
        assert booked(payment) == [("payment", 900)]

    def test_a_repeat_that_died_after_a_try_that_was_not_sent_is_found_too(
        self, shop: Shop, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        response = shop.initiate(NotSent("x"), key="k-1")
        payment = {"id": response.json()["payment"]}
        self.died(monkeypatch, initiate, lambda: shop.initiate(key="k-1"))
        self.lease_runs_out()
        assert swept(wire, clock.now(), *not_known()).crashed == 1
        assert stored(payment).unknown_since is not None


class TestGivingUp:
    def test_what_nobody_learned_in_seven_days_is_shown_once(self, shop: Shop, wire: Wire) -> None:
        begun = now()
        with clock.fixed(begun):
            response = shop.initiate(NoAnswer("x"))
        payment = {"id": response.json()["payment"]}
        with clock.fixed(begun + timedelta(days=7)):
            assert sweep.give_up() == 0
        with clock.fixed(begun + timedelta(days=7, seconds=1)):
            assert sweep.give_up() == 1
            assert sweep.give_up() == 0
        assert state_of(payment) == ("pending", 0, 0, 0, ["unknown_outcome"])
        assert told() == ["payment.attention"]

    def test_a_refund_total_that_no_record_explains_is_shown_after_an_hour(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        charge = {
            "id": "ch_1", "object": "charge", "amount": 1299, "amount_captured": 1299, "amount_refunded": 500,
            "captured": True, "refunded": False, "status": "succeeded", "currency": "eur", "livemode": True,
            "payment_intent": f"pi_{payment['id']}", "metadata": {"payment_id": f"{payment['id']}-1", "shape": "session"},
        }  # fmt: skip
        shop.tell(payment, "charge.refunded", charge)
        with clock.fixed(clock.now() + timedelta(minutes=50)):
            assert sweep.give_up() == 0
        with clock.fixed(clock.now() + timedelta(minutes=70)):
            assert sweep.give_up() == 1
        assert state_of(payment) == ("captured", 1299, 0, 0, ["refund_unexpected"])
        assert told() == ["payment.captured", "payment.attention"]


def test_nothing_to_do_is_nothing_done(shop: Shop, wire: Wire) -> None:
    shop.captured_payment()
    before = everything()
    assert swept(wire, now()) == sweep.Swept(
        crashed=0, events=0, payments=0, refunds=0, methods=0, disputes=0, given_up=0
    )
    assert everything() == before


def test_the_command_does_the_same(shop: Shop, wire: Wire) -> None:
    payment = shop.open_payment()
    shop.tell(payment, "payment_intent.succeeded", paid(payment, metadata={}))
    assert [state for _, state in events()] == ["unmatched"]
    with clock.fixed(clock.now() + timedelta(minutes=6)):
        wire.script(answer(complete(payment, paid(payment))))
        call_command("sweep", stdout=io.StringIO())
    assert state_of(payment) == ("captured", 1299, 0, 0, [])
    with clock.fixed(clock.now() + timedelta(minutes=7)):  # the fetch brought the name that the event goes by
        call_command("sweep", stdout=io.StringIO())
    assert [state for _, state in events()] == ["applied"]


def test_a_refunds_name_is_never_taken_for_the_payments(shop: Any) -> None:
    payment = shop.captured_payment()
    loaded = loading.by_public_id(payment["id"], lab_id=shop.lab.pk, mode=Mode.LIVE)
    assert loaded is not None
    before = loaded.state.sent_reference
    operations.record_refund(loaded=loaded, amount=100, reason="", merchant_reference="")
    again = loading.by_public_id(payment["id"], lab_id=shop.lab.pk, mode=Mode.LIVE)
    assert again is not None
    assert again.state.sent_reference == before
