"""What verified events do to a payment: INVARIANTS §2 told by webhooks, in any order, also against a lock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection, transaction

from core import clock
from core.gateways.testing import answer
from core.gateways.types import Mode
from payments import doorbell, inbox
from payments.models import WebhookEvent
from tests.payments.shop import (
    CRYPTO_ORDER,
    PREFLIGHT,
    Shop,
    Wire,
    booked,
    coins,
    complete,
    event,
    events,
    history,
    intent,
    last_event,
    made,
    paid,
    session,
    state_of,
    still_open,
    stored,
    told,
)

pytestmark = pytest.mark.django_db


def swept(later: timedelta = timedelta(minutes=1)) -> int:
    with clock.fixed(clock.now() + later):
        return inbox.sweep_events()


def expired(payment: dict[str, Any]) -> dict[str, Any]:
    return still_open(payment, status="expired")


def declined(payment: dict[str, Any]) -> dict[str, Any]:
    error = {"code": "card_declined", "decline_code": "insufficient_funds", "message": "Too little money."}
    return intent(payment, "requires_payment_method", last_payment_error=error)


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Who was rung for."""
    rings: list[tuple[Any, ...]] = []
    monkeypatch.setattr(doorbell, "ring", lambda *what: rings.append(what))
    return rings


class TestTheWayOfAPayment:
    def test_pending_and_requires_action_follow_each_other(self, shop: Shop) -> None:
        payment = shop.open_payment()
        for kind, about in (
            ("payment_intent.requires_action", intent(payment, "requires_action")),
            ("payment_intent.processing", intent(payment)),
            ("payment_intent.succeeded", paid(payment)),
        ):
            shop.tell(payment, kind, about)
        assert history(payment) == [
            (None, "pending", "api"), ("pending", "requires_action", "webhook"),
            ("requires_action", "pending", "webhook"), ("pending", "captured", "webhook"),
        ]  # fmt: skip
        assert told() == ["payment.captured"]

    def test_a_declined_try_keeps_the_order_open_and_a_later_one_pays_it(self, shop: Shop) -> None:
        payment = shop.open_payment()
        shop.tell(payment, "payment_intent.payment_failed", declined(payment))
        row = stored(payment)
        assert (row.status, row.decline["code"], row.decline["gateway_code"]) == (
            "pending", "insufficient_funds", "insufficient_funds",
        )  # fmt: skip
        shop.tell(payment, "payment_intent.succeeded", paid(payment))
        assert (state_of(payment)[:2], stored(payment).decline) == (("captured", 1299), None)

    def test_a_word_never_seen_means_pending(self, shop: Shop) -> None:
        payment = shop.open_payment()
        shop.tell(payment, "payment_intent.processing", intent(payment, "requires_moon_phase"))
        assert state_of(payment) == ("pending", 0, 0, 0, [])
        assert last_event().state == "applied"

    def test_the_first_dead_end_stays(self, shop: Shop) -> None:
        payment = shop.open_payment()
        shop.tell(payment, "checkout.session.expired", expired(payment))
        shop.tell(payment, "checkout.session.async_payment_failed", still_open(payment, status="complete"))
        shop.tell(payment, "payment_intent.canceled", intent(payment, "canceled"))
        assert state_of(payment) == ("expired", 0, 0, 0, [])
        assert [state for _, state in events()] == ["applied", "not_applied", "not_applied"]
        assert told() == ["payment.expired"]

    def test_late_news_after_money_changes_nothing(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        shop.tell(
            payment,
            "payment_intent.amount_capturable_updated",
            intent(payment, "requires_capture", amount_capturable=1299),
        )
        shop.tell(payment, "payment_intent.requires_action", intent(payment, "requires_action"))
        assert state_of(payment) == ("captured", 1299, 0, 0, [])
        assert [state for _, state in events()] == ["applied", "not_applied", "not_applied"]
        assert stored(payment).next_check_at is None

    def test_a_lower_sum_than_known_is_late_news(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        shop.tell(payment, "payment_intent.succeeded", paid(payment, 1000))
        assert state_of(payment) == ("captured", 1299, 0, 0, [])
        assert last_event().state == "not_applied"
        assert booked(payment) == [("payment", 1299)]

    def test_a_hold_in_another_amount_is_not_believed(self, shop: Shop) -> None:
        for amount, attention in ((1000, "underpaid"), (1500, "mismatch")):
            payment = shop.open_payment(capture="manual")
            about = intent(payment, "requires_capture", amount_capturable=amount)
            shop.tell(payment, "payment_intent.amount_capturable_updated", about)
            assert state_of(payment) == ("pending", 0, 0, 0, [attention])
            assert last_event().state == "mismatch"


class TestMoneyThatDoesNotFit:
    def test_too_little_stays_pending_until_the_rest_comes(self, shop: Shop) -> None:
        payment = shop.open_payment()
        shop.tell(payment, "payment_intent.succeeded", paid(payment, 1000))
        row = stored(payment)
        assert (state_of(payment), int(row.received)) == (("pending", 0, 0, 0, ["underpaid"]), 1000)
        assert (booked(payment), told()) == ([], ["payment.attention"])
        shop.tell(payment, "payment_intent.succeeded", paid(payment, 1299))
        assert state_of(payment) == ("captured", 1299, 0, 0, [])
        assert booked(payment) == [("payment", 1299)]

    def test_too_much_is_captured_and_a_person_looks(self, shop: Shop) -> None:
        payment = shop.open_payment()
        shop.tell(payment, "payment_intent.succeeded", paid(payment, 1500))
        assert state_of(payment) == ("captured", 1500, 0, 0, ["overpaid"])
        assert booked(payment) == [("payment", 1500)]
        assert told() == ["payment.captured", "payment.attention"]

    def test_more_later_is_booked_as_the_difference(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        for _ in range(2):
            shop.tell(payment, "payment_intent.succeeded", paid(payment, 1500))
        assert state_of(payment) == ("captured", 1500, 0, 0, ["overpaid"])
        assert booked(payment) == [("payment", 1299), ("payment", 201)]

    def test_late_money_is_still_money(self, shop: Shop) -> None:
        payment = shop.open_payment()
        shop.tell(payment, "checkout.session.expired", expired(payment))
        shop.tell(payment, "payment_intent.succeeded", paid(payment))
        assert state_of(payment) == ("captured", 1299, 0, 0, ["paid_late"])
        assert history(payment)[-2:] == [("pending", "expired", "webhook"), ("expired", "captured", "webhook")]
        assert booked(payment) == [("payment", 1299)]

    def test_money_after_a_failure_is_late_only_once_the_order_is_over(self, shop: Shop) -> None:
        soon, late = shop.open_payment(), shop.open_payment()
        for payment in (soon, late):
            shop.tell(payment, "checkout.session.async_payment_failed", still_open(payment, status="complete"))
            assert state_of(payment)[0] == "failed"
        shop.tell(soon, "payment_intent.succeeded", paid(soon))
        assert state_of(soon) == ("captured", 1299, 0, 0, [])
        with clock.fixed(clock.now() + timedelta(hours=25)):
            shop.tell(late, "payment_intent.succeeded", paid(late))
        assert state_of(late) == ("captured", 1299, 0, 0, ["paid_late"])

    def test_late_money_for_an_order_that_was_begun_anew_is_a_duplicate(self, shop: Shop) -> None:
        older = shop.open_payment(reference="order-1")
        shop.tell(older, "checkout.session.expired", expired(older))
        newer = shop.open_payment(reference="order-1")
        shop.tell(older, "payment_intent.succeeded", paid(older))
        assert state_of(older) == ("captured", 1299, 0, 0, ["duplicate_paid", "paid_late"])
        assert stored(older).is_duplicate is True
        shop.tell(newer, "payment_intent.succeeded", paid(newer))
        assert state_of(newer) == ("captured", 1299, 0, 0, [])
        assert (booked(older), booked(newer)) == ([("payment", 1299)], [("payment", 1299)])

    def test_it_is_one_too_when_the_newer_is_paid_already(self, shop: Shop) -> None:
        older = shop.open_payment(reference="order-1")
        shop.tell(older, "checkout.session.expired", expired(older))
        newer = shop.captured_payment(reference="order-1")
        shop.tell(older, "payment_intent.succeeded", paid(older))
        assert [state_of(one)[4] for one in (older, newer)] == [["duplicate_paid", "paid_late"], []]

    def test_late_money_for_an_order_whose_other_try_failed_too_is_none(self, shop: Shop) -> None:
        older = shop.open_payment(reference="order-1")
        shop.tell(older, "checkout.session.expired", expired(older))
        newer = shop.open_payment(reference="order-1")
        shop.tell(newer, "checkout.session.expired", expired(newer))
        shop.tell(older, "payment_intent.succeeded", paid(older))
        assert (state_of(older)[4], stored(older).is_duplicate) == (["paid_late"], False)

    def test_in_test_mode_nothing_is_booked(self, test_mode_shop: Shop) -> None:
        payment = made(test_mode_shop.initiate(answer(session(live=False))))
        test_mode_shop.tell(payment, "payment_intent.succeeded", paid(payment))
        assert (state_of(payment)[:2], booked(payment)) == (("captured", 1299), [])

    def test_a_deposit_is_the_customers(self, shop: Shop) -> None:
        payment = shop.captured_payment(purpose="deposit", customer={"id": "c1"})
        assert booked(payment) == [("deposit", 1299)]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT balance FROM finance_account WHERE kind = 'customer_balance' AND customer_id = %s",
                [stored(payment).customer_id],
            )
            assert cursor.fetchall() == [(1299,)]


class TestContradictions:
    def test_money_after_a_release_is_told_at_once_and_asked_about(
        self, shop: Shop, rung: list[tuple[Any, ...]]
    ) -> None:
        payment = shop.held_payment()
        shop.tell(payment, "payment_intent.canceled", intent(payment, "canceled"))
        assert state_of(payment)[0] == "voided"
        shop.tell(payment, "payment_intent.succeeded", paid(payment))
        assert state_of(payment) == ("voided", 0, 0, 0, ["gateway_disagrees"])
        assert (last_event().state, booked(payment)) == ("not_applied", [])
        assert rung == [("fetch", stored(payment).pk)]
        assert stored(payment).next_check_at <= clock.now()

    @pytest.mark.parametrize(
        ("kind", "status"),
        [("payment_intent.canceled", "canceled"), ("payment_intent.payment_failed", "requires_payment_method")],
    )
    def test_a_dead_end_after_money_only_asks(
        self, shop: Shop, rung: list[tuple[Any, ...]], kind: str, status: str
    ) -> None:
        payment = shop.captured_payment()
        about = intent(payment, status, last_payment_error={"code": "x"}, metadata={"payment_id": f"{payment['id']}-1"})
        shop.tell(payment, kind, about)
        assert state_of(payment) == ("captured", 1299, 0, 0, [])
        assert (last_event().state, rung) == ("not_applied", [("fetch", stored(payment).pk)])
        assert stored(payment).claim != ""

    def test_a_failure_after_a_hold_only_asks(self, shop: Shop, rung: list[tuple[Any, ...]]) -> None:
        payment = shop.held_payment()
        shop.tell(payment, "checkout.session.async_payment_failed", still_open(payment, status="complete"))
        assert (state_of(payment)[0], stored(payment).claim) == ("authorized", "failed")
        assert rung == [("fetch", stored(payment).pk)]

    def test_a_hold_told_after_a_dead_end_only_asks(self, shop: Shop, rung: list[tuple[Any, ...]]) -> None:
        payment = shop.open_payment(capture="manual")
        shop.tell(payment, "checkout.session.expired", expired(payment))
        about = intent(payment, "requires_capture", amount_capturable=1299)
        shop.tell(payment, "payment_intent.amount_capturable_updated", about)
        assert (state_of(payment)[0], last_event().state) == ("expired", "not_applied")
        assert rung == [("fetch", stored(payment).pk)]

    def test_and_is_believed_when_the_fetch_says_so(self, shop: Shop, wire: Wire) -> None:
        from payments.services import fetching

        payment = shop.open_payment(capture="manual")
        shop.tell(payment, "checkout.session.expired", expired(payment))
        about = intent(payment, "requires_capture", amount_capturable=1299)
        wire.script(answer(complete(payment, about)))
        fetching.refresh(stored(payment).pk)
        assert state_of(payment)[0] == "authorized"
        assert history(payment)[-1] == ("expired", "authorized", "fetch")


class TestCoins:
    @pytest.fixture
    def payment(self, crypto: Shop) -> dict[str, Any]:
        return made(crypto.initiate(*PREFLIGHT, answer(coins(), status=201), **CRYPTO_ORDER))

    def said(self, payment: dict[str, Any], word: str, arrived: str = "0", **changes: Any) -> dict[str, Any]:
        return coins(word, arrived=arrived, order_id=f"{payment['id']}-1", **changes)

    def test_what_really_arrived_is_credited_once(self, crypto: Shop) -> None:
        order = {**CRYPTO_ORDER, "purpose": "deposit", "customer": {"id": "c1"}}
        payment = made(crypto.initiate(*PREFLIGHT, answer(coins(), status=201), **order))
        for word in ("confirming", "finished", "finished"):
            crypto.deliver(self.said(payment, word, "50.5" if word == "finished" else "0"))
        assert state_of(payment) == ("captured", 5050, 0, 0, ["overpaid"])
        assert booked(payment) == [("deposit", 5050)]

    def test_a_part_stays_pending_and_late_coins_after_the_quote_are_paid_late(
        self, crypto: Shop, payment: dict[str, Any]
    ) -> None:
        crypto.deliver(self.said(payment, "partially_paid", "20"))
        assert state_of(payment) == ("pending", 0, 0, 0, ["underpaid"])
        crypto.deliver(self.said(payment, "expired", "20"))
        assert state_of(payment)[0] == "expired"
        crypto.deliver(self.said(payment, "finished", "50"))
        status, captured, _, _, attention = state_of(payment)
        assert (status, captured, "paid_late" in attention) == ("captured", 5000, True)

    def test_another_price_is_a_mismatch(self, crypto: Shop, payment: dict[str, Any]) -> None:
        crypto.deliver(self.said(payment, "finished", "50", price_currency="eur"))
        assert state_of(payment) == ("requires_action", 0, 0, 0, ["mismatch"])
        assert booked(payment) == []

    def test_a_repeated_deposit_is_a_hint_and_its_parent_is_asked(
        self, crypto: Shop, payment: dict[str, Any], rung: list[tuple[Any, ...]]
    ) -> None:
        child = self.said(payment, "finished", "50", number=4101567900, parent_payment_id=4101567823)
        crypto.deliver(child)
        assert state_of(payment) == ("requires_action", 0, 0, 0, [])
        assert (last_event().state, rung) == ("applied", [("fetch", stored(payment).pk)])


class TestMatching:
    def test_an_event_that_overtakes_its_payments_name_is_matched_later(self, shop: Shop) -> None:
        payment = shop.open_payment()
        nameless = paid(payment, metadata={})
        shop.tell(payment, "payment_intent.succeeded", nameless)
        assert last_event().state == "unmatched"
        assert swept() == 1
        assert (last_event().state, last_event().tries) == ("unmatched", 2)
        completed = complete(payment, intent(payment))
        shop.tell(payment, "checkout.session.completed", {**completed, "payment_intent": f"pi_{payment['id']}"})
        assert swept(timedelta(hours=1)) == 1
        assert {state for _, state in events()} == {"applied"}
        assert state_of(payment) == ("captured", 1299, 0, 0, [])

    def test_an_event_that_overtakes_the_answer_is_applied_at_once(self, shop: Shop, wire: Wire) -> None:
        def overtake(request: Any) -> None:
            public_id = request.headers["Idempotency-Key"].split(":")[0]
            known = {"id": public_id, "amount": 1299, "currency": "EUR", "mode": "live"}
            assert shop.tell(known, "payment_intent.succeeded", paid(known)).status_code == 200

        wire.meanwhile = overtake
        payment = made(shop.initiate())
        assert (payment["status"], payment["captured"], payment["next_action"]) == ("captured", 1299, None)
        assert booked(payment) == [("payment", 1299)]

    def test_after_three_days_it_is_given_up_and_listed(self, shop: Shop) -> None:
        nobody = {"id": "PAY_20261120183005_00000000", "amount": 1, "currency": "EUR", "mode": "live"}
        shop.tell(nobody, "payment_intent.succeeded", paid(nobody))
        WebhookEvent.across_labs.update(received_at=clock.now() - timedelta(hours=71))
        swept()
        assert (last_event().state, last_event().attention) == ("unmatched", ["unapplied"])
        WebhookEvent.across_labs.update(received_at=clock.now() - timedelta(hours=73))
        swept(timedelta(hours=2))
        assert (last_event().state, last_event().attention) == ("given_up", ["unapplied"])
        assert swept(timedelta(days=1)) == 0

    def test_pauses_double_from_five_seconds_to_an_hour(self) -> None:
        assert [inbox.pause(tries).total_seconds() for tries in (0, 1, 2, 9, 10, 500)] == [5, 10, 20, 2560, 3600, 3600]


@contextmanager
def another_connection() -> Iterator[Any]:
    """A second connection to the same database, in a transaction of its own."""
    known = connection.get_connection_params()
    wanted = {name: known[name] for name in ("dbname", "host", "port", "user", "password") if known.get(name)}
    with psycopg.connect(**wanted) as other:
        other.execute(
            "SET idle_in_transaction_session_timeout = '20s'"
        )  # whoever waits for us fails, and does not hang
        other.commit()
        yield other


@pytest.mark.concurrency
@pytest.mark.django_db(transaction=True)
class TestALockedPayment:
    def locked(self, other: Any, payment: dict[str, Any]) -> None:
        other.execute("SELECT 1 FROM payments_payment WHERE public_id = %s FOR UPDATE", [payment["id"]])

    def test_its_event_waits_as_new_and_the_sweep_applies_it(self, transactional_db: None, wire: Wire) -> None:
        shop = Shop(wire)
        payment = shop.open_payment()
        with another_connection() as other:
            self.locked(other, payment)
            began = time.monotonic()
            assert shop.tell(payment, "payment_intent.succeeded", paid(payment)).status_code == 200
            assert time.monotonic() - began < 2
            assert (last_event().state, last_event().payment_id, last_event().tries) == ("new", None, 1)
            assert state_of(payment)[0] == "pending"
            assert swept() == 1
            assert last_event().state == "new"
            other.rollback()
        assert swept(timedelta(minutes=5)) == 1
        assert (last_event().state, last_event().payment_id) == ("applied", stored(payment).pk)
        assert state_of(payment) == ("captured", 1299, 0, 0, [])
        assert booked(payment) == [("payment", 1299)]

    def test_others_in_the_same_batch_are_not_held_up(self, transactional_db: None, wire: Wire) -> None:
        shop = Shop(wire)
        stuck, free = shop.open_payment(), shop.open_payment()
        with another_connection() as other:
            for payment in (stuck, free):
                self.locked(other, payment)
                shop.tell(payment, "payment_intent.succeeded", paid(payment))
            other.rollback()
            self.locked(other, stuck)
            assert swept() == 2
            assert [state for _, state in events()] == ["new", "applied"]
            other.rollback()

    def test_a_conflict_about_it_is_answered_without_waiting(self, transactional_db: None, wire: Wire) -> None:
        shop = Shop(wire)
        payment = shop.open_payment()
        shop.deliver(event("payment_intent.processing", intent(payment), id="evt_same"))
        with another_connection() as other:
            self.locked(other, payment)
            began = time.monotonic()
            assert shop.deliver(event("payment_intent.succeeded", paid(payment), id="evt_same")).status_code == 200
            assert time.monotonic() - began < 2
            other.rollback()
        assert (last_event().state, last_event().attention) == ("conflict", ["conflict"])
        assert state_of(payment)[0] == "pending"


def test_the_mode_of_a_key_decides_whose_events_they_are(shop: Shop, test_mode_shop: Shop) -> None:
    payment = made(test_mode_shop.initiate(answer(session(live=False))))
    live_payment = {**payment, "mode": "live"}
    shop.tell(live_payment, "payment_intent.succeeded", paid(live_payment))
    assert (last_event().state, last_event().mode) == ("unmatched", Mode.LIVE.value)
    assert state_of(payment)[0] == "pending"


def test_an_event_is_stored_and_applied_in_one_transaction(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = shop.open_payment()
    real = inbox.apply_reports
    inside: list[int] = []

    def spy(*args: Any, **options: Any) -> Any:
        inside.append(WebhookEvent.across_labs.count())
        assert transaction.get_connection().in_atomic_block
        return real(*args, **options)

    monkeypatch.setattr(inbox, "apply_reports", spy)
    shop.tell(payment, "payment_intent.succeeded", paid(payment))
    assert inside == [1]
