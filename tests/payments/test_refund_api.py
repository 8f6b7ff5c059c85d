"""POST /payments/refund, and what gateways say about refunds later: ours, and those made at the gateway."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.gateways.testing import answer, wire_fields
from core.http import NoAnswer, NotSent
from payments import inbox, sweep
from payments.models import Payment, WebhookEvent
from tests.payments import builders
from tests.payments.shop import (
    CRYPTO_ORDER,
    PREFLIGHT,
    Shop,
    Wire,
    booked,
    coins,
    events,
    everything,
    exchanges,
    last_event,
    made,
    paid,
    session,
    state_of,
    stored,
    stored_refund,
    stripe_error,
    stripe_refund,
    told,
)

pytestmark = pytest.mark.django_db


def refused(shop: Shop, body: Any, status: int, code: str, **options: Any) -> dict[str, Any]:
    before = everything()
    shop.wire.script()
    response = shop.post("/payments/refund", body, **options)
    assert (response.status_code, response.json()["code"]) == (status, code), response.content
    assert everything() == before
    assert shop.wire.sent == []
    problem: dict[str, Any] = response.json()
    return problem


def ours(payment: dict[str, Any], place: int = 0) -> str:
    """The reference that we gave a refund of the payment."""
    return str(stored(payment).refunds.order_by("id")[place].sent_reference)


def swept(hours: int = 2) -> None:
    """The sweep's look at the inbox, hours later."""
    with clock.fixed(clock.now() + timedelta(hours=hours)):
        inbox.sweep_events()


class TestWhatIsAnswered:
    def test_a_part_is_given_back_and_shown_with_every_field(self, shop: Shop, wire: Wire) -> None:
        payment = shop.captured_payment()
        about = answer(stripe_refund(payment, 500, name="re_1"))
        refund = made(shop.refund(payment, about, amount=500, reason="too late", reference="ret-1"))
        assert refund == {
            "id": stored(payment).refunds.get().public_id, "payment": payment["id"], "amount": 500, "currency": "EUR",
            "status": "succeeded", "reference": "ret-1", "reason": "too late", "gateway_reference": "re_1",
            "pending_reason": None, "failure": None, "is_external": False, "created_at": refund["created_at"],
            "completed_at": refund["completed_at"],
        }  # fmt: skip
        assert refund["created_at"] is not None and refund["completed_at"] is not None
        assert state_of(payment) == ("captured", 1299, 500, 500, [])
        assert booked(payment) == [("payment", 1299), ("refund", -500)]
        assert exchanges(payment) == [("initiate", "answered", 1), ("refund", "answered", 1)]
        assert told() == ["payment.captured", "refund.succeeded"]

    def test_the_gateway_is_asked_for_exactly_that(self, shop: Shop, wire: Wire) -> None:
        payment = shop.captured_payment()
        refund = made(shop.refund(payment, answer(stripe_refund(payment, 500)), amount=500))
        (request,) = wire.sent
        sent = wire_fields(request)
        assert (sent["payment_intent"], sent["amount"]) == (f"pi_{payment['id']}", "500")
        assert sent["metadata[refund_id]"] == ours(payment) == f"{refund['id']}-1"
        assert request.headers["Idempotency-Key"] == f"{refund['id']}:refund"

    def test_without_an_amount_all_that_is_left_is_given_back(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        made(shop.refund(payment, answer(stripe_refund(payment, 500)), amount=500))
        assert made(shop.refund(payment, answer(stripe_refund(payment, 799))))["amount"] == 799
        assert state_of(payment) == ("captured", 1299, 1299, 1299, [])
        assert booked(payment) == [("payment", 1299), ("refund", -500), ("refund", -799)]

    def test_an_answer_that_repeats_no_name_of_ours_is_still_about_our_refund(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        refund = made(shop.refund(payment, answer(stripe_refund(payment, 500)), amount=500))
        assert (refund["status"], stored(payment).refunds.count()) == ("succeeded", 1)

    def test_one_that_takes_time_is_pending_until_its_webhook(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        refund = made(shop.refund(payment, answer(stripe_refund(payment, 500, "pending", name="re_1")), amount=500))
        assert (refund["status"], refund["completed_at"]) == ("pending", None)
        assert state_of(payment) == ("captured", 1299, 500, 0, [])
        assert booked(payment) == [("payment", 1299)]
        later = stripe_refund(payment, 500, name="re_1", ours=ours(payment))
        assert shop.tell(payment, "refund.updated", later).status_code == 200
        assert stored_refund(refund).status == "succeeded"
        assert booked(payment) == [("payment", 1299), ("refund", -500)]

    def test_in_test_mode_nothing_is_booked(self, test_mode_shop: Shop) -> None:
        shop = test_mode_shop
        payment = made(shop.initiate(answer(session(live=False))))
        shop.tell(payment, "payment_intent.succeeded", paid(payment))
        made(shop.refund(payment, answer(stripe_refund(payment, 500)), amount=500))
        assert state_of(payment) == ("captured", 1299, 500, 500, [])
        assert booked(payment) == []


class TestBadInput:
    @pytest.mark.parametrize("amount", ["0", "-1", "1.0", "1e2", "true", '"0"', '"1.5"', '"+1"', '"٥"', "[]"])
    def test_an_amount_is_a_positive_whole_number(self, shop: Shop, amount: str) -> None:
        payment = shop.captured_payment()
        refused(shop, f'{{"payment":"{payment["id"]}","amount":{amount}}}', 400, "invalid_amount")

    @pytest.mark.parametrize("payment", ["", "x", "PAY-1", "1", 17, ["PAY_1"], "PAY_\x00", "PAY_1\n"])
    def test_a_payment_is_named_by_its_id(self, shop: Shop, payment: Any) -> None:
        refused(shop, {"payment": payment}, 400, "invalid_id")

    def test_a_payment_is_required(self, shop: Shop) -> None:
        assert refused(shop, {"amount": 5}, 400, "required")["errors"][0]["field"] == "payment"

    @pytest.mark.parametrize(
        ("field", "value", "code"),
        [
            ("reason", "card 4242 4242 4242 4242", "card_number_refused"),
            ("reference", "4242424242424242", "card_number_refused"),
            ("reason", "x" * 301, "too_long"),
            ("reason", 5, "invalid_type"),
            ("reference", "", "blank"),
            ("reference", "x" * 121, "too_long"),
        ],
    )
    def test_texts_are_checked(self, shop: Shop, field: str, value: Any, code: str) -> None:
        payment = shop.captured_payment()
        problem = refused(shop, {"payment": payment["id"], field: value}, 400, code)
        assert problem["errors"][0]["field"] == field

    def test_a_payment_that_is_not_there_is_not_found(self, shop: Shop) -> None:
        refused(shop, {"payment": "PAY_20261120183005_00000000"}, 404, "not_found")

    def test_it_needs_its_scope(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        token = builders.make_api_key(shop.lab, scopes=["payments:read", "payments:write"])
        refused(shop, {"payment": payment["id"]}, 403, "scope_missing", token=token)


class TestWhatCannotBeRefunded:
    def test_more_than_was_captured(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        problem = refused(shop, {"payment": payment["id"], "amount": 1300}, 409, "refund_too_large")
        assert problem["refundable"] == 1299

    def test_more_than_is_left(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        made(shop.refund(payment, answer(stripe_refund(payment, 600, "pending")), amount=600))
        problem = refused(shop, {"payment": payment["id"], "amount": 700}, 409, "refund_too_large")
        assert problem["refundable"] == 699

    def test_what_was_given_back_already(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        made(shop.refund(payment, answer(stripe_refund(payment, 1299))))
        assert refused(shop, {"payment": payment["id"]}, 409, "refund_too_large")["refundable"] == 0

    def test_a_payment_that_is_not_captured(self, shop: Shop) -> None:
        for payment in (shop.open_payment(), shop.held_payment()):
            refused(shop, {"payment": payment["id"]}, 409, "not_refundable")
        failed = shop.initiate(stripe_error(400, message="no")).json()["payment"]
        refused(shop, {"payment": failed}, 409, "not_refundable")

    def test_a_payment_of_a_gateway_without_refunds(self, crypto: Shop) -> None:
        payment = made(crypto.initiate(*PREFLIGHT, answer(coins(), status=201), **CRYPTO_ORDER))
        crypto.deliver(coins("finished", arrived="50", order_id=f"{payment['id']}-1"))
        assert state_of(payment)[:2] == ("captured", 5000)
        problem = refused(crypto, {"payment": payment["id"]}, 409, "operation_unsupported")
        assert "NOWPayments cannot refund" in problem["detail"]

    def test_with_a_reference_that_another_refund_has(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        made(shop.refund(payment, answer(stripe_refund(payment, 100)), amount=100, reference="ret-1"))
        refused(shop, {"payment": payment["id"], "amount": 100, "reference": "ret-1"}, 409, "reference_in_use")


class TestWhatTheGatewaySays:
    def test_a_refusal_releases_the_reservation(self, shop: Shop, wire: Wire) -> None:
        payment = shop.captured_payment()
        response = shop.refund(
            payment, stripe_error(400, code="charge_disputed", message="disputed"), key="r-1", amount=500
        )
        problem = response.json()
        assert (response.status_code, problem["code"], problem["reason_code"]) == (
            422,
            "gateway_rejected",
            "charge_disputed",
        )
        refund = stored(payment).refunds.get()
        assert (problem["payment"], problem["refund"]) == (payment["id"], refund.public_id)
        assert (refund.status, refund.failure["code"], refund.next_check_at) == ("failed", "charge_disputed", None)
        assert state_of(payment) == ("captured", 1299, 0, 0, [])
        assert booked(payment) == [("payment", 1299)]
        again = shop.refund(payment, key="r-1", amount=500)
        assert (again.status_code, again.content, wire.sent) == (422, response.content, [])

    @pytest.mark.parametrize(
        ("trouble", "code"),
        [
            (NotSent("x"), "gateway_unavailable"),
            (stripe_error(429), "gateway_unavailable"),
            (stripe_error(401), "gateway_misconfigured"),
        ],
    )
    def test_one_that_was_not_sent_is_cancelled(self, shop: Shop, trouble: Any, code: str) -> None:
        payment = shop.captured_payment()
        response = shop.refund(payment, trouble, amount=500)
        assert (response.status_code, response.json()["code"]) == (502, code)
        assert stored(payment).refunds.get().status == "cancelled"
        assert state_of(payment) == ("captured", 1299, 0, 0, [])

    @pytest.mark.parametrize("trouble", [NoAnswer("x"), stripe_error(500), answer(text="<html>")])
    def test_a_lost_answer_is_a_pending_refund_that_keeps_its_reservation(
        self, shop: Shop, wire: Wire, trouble: Any
    ) -> None:
        payment = shop.captured_payment()
        refund = made(shop.refund(payment, trouble, amount=1000))
        assert (refund["status"], refund["pending_reason"], refund["gateway_reference"]) == (
            "pending", "outcome_unknown", None,
        )  # fmt: skip
        assert state_of(payment) == ("captured", 1299, 1000, 0, [])
        refused(shop, {"payment": payment["id"], "amount": 300}, 409, "refund_too_large")
        assert exchanges(payment)[1] == ("refund", "unknown", 1)

    def test_a_refund_in_another_amount_than_asked_is_a_mismatch(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        refund = made(shop.refund(payment, answer(stripe_refund(payment, 499)), amount=500))
        assert refund["status"] == "pending"
        assert state_of(payment) == ("captured", 1299, 500, 0, ["mismatch"])
        assert booked(payment) == [("payment", 1299)]


class TestLaterNews:
    def test_a_refund_that_a_bank_returned_is_taken_back_in_the_books(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        refund = made(shop.refund(payment, answer(stripe_refund(payment, 500, name="re_1")), amount=500))
        returned = stripe_refund(
            payment, 500, "failed", name="re_1", ours=ours(payment), failure_reason="lost_or_stolen_card"
        )
        for _ in range(2):
            assert shop.tell(payment, "refund.failed", returned).status_code == 200
        assert stored_refund(refund).status == "failed"
        assert state_of(payment) == ("captured", 1299, 0, 0, ["refund_failed"])
        assert booked(payment) == [("payment", 1299), ("refund", -500), ("reversal", 500)]
        assert told() == ["payment.captured", "refund.succeeded", "payment.attention", "refund.failed"]
        assert [state for _, state in events()][-2:] == ["applied", "applied"]
        made(shop.refund(payment, answer(stripe_refund(payment, 1299))))

    def test_a_failed_refund_does_not_come_back_to_life_by_a_webhook(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        refund = made(shop.refund(payment, answer(stripe_refund(payment, 500, "failed", name="re_1")), amount=500))
        assert refund["status"] == "failed"
        shop.tell(payment, "refund.updated", stripe_refund(payment, 500, name="re_1", ours=ours(payment)))
        assert stored_refund(refund).status == "failed"
        assert last_event().state == "not_applied"
        assert state_of(payment)[2:4] == (0, 0)

    def test_a_webhook_that_overtakes_the_answer_counts_once(self, shop: Shop, wire: Wire) -> None:
        payment = shop.captured_payment()

        def overtake(_request: Any) -> None:
            about = stripe_refund(payment, 500, name="re_1", ours=ours(payment))
            assert shop.tell(payment, "refund.created", about).status_code == 200

        wire.meanwhile = overtake
        refund = made(shop.refund(payment, answer(stripe_refund(payment, 500, name="re_1")), amount=500))
        assert (refund["status"], refund["gateway_reference"]) == ("succeeded", "re_1")
        assert state_of(payment) == ("captured", 1299, 500, 500, [])
        assert booked(payment) == [("payment", 1299), ("refund", -500)]

    def test_a_nameless_webhook_that_overtakes_the_answer_is_not_taken_for_another_refund(
        self, shop: Shop, wire: Wire
    ) -> None:
        payment = shop.captured_payment()
        wire.meanwhile = lambda _request: shop.tell(payment, "refund.created", stripe_refund(payment, 500, name="re_1"))
        made(shop.refund(payment, answer(stripe_refund(payment, 500, name="re_1")), amount=500))
        assert last_event().state == "waiting"
        swept()
        assert last_event().state == "applied"
        assert stored(payment).refunds.count() == 1
        assert state_of(payment) == ("captured", 1299, 500, 500, [])


class TestRefundsMadeAtTheGateway:
    def test_one_is_recorded_once(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        about = stripe_refund(payment, 300, name="re_out")
        for kind in ("refund.created", "refund.updated", "charge.refund.updated"):
            assert shop.tell(payment, kind, about).status_code == 200
        refund = stored(payment).refunds.get()
        assert (refund.is_external, refund.status, int(refund.amount), refund.gateway_reference) == (
            True, "succeeded", 300, "re_out",
        )  # fmt: skip
        assert state_of(payment) == ("captured", 1299, 300, 300, [])
        assert booked(payment) == [("payment", 1299), ("refund", -300)]
        assert refused(shop, {"payment": payment["id"], "amount": 1000}, 409, "refund_too_large")["refundable"] == 999

    def test_one_that_overtakes_the_news_of_the_capture_waits(self, shop: Shop) -> None:
        unknown, known = shop.open_payment(), shop.held_payment()  # the intent's name comes with the first news of it
        for payment, state in ((unknown, "unmatched"), (known, "waiting")):
            self.overtaken(shop, payment, state)

    def overtaken(self, shop: Shop, payment: dict[str, Any], state: str) -> None:
        shop.tell(payment, "refund.created", stripe_refund(payment, 300))
        assert (last_event().state, stored(payment).refunds.count()) == (state, 0)
        shop.tell(payment, "payment_intent.succeeded", paid(payment))
        swept()
        assert {state for _, state in events()} == {"applied"}
        assert state_of(payment) == ("captured", 1299, 300, 300, [])

    def test_one_that_does_not_fit_beside_ours_waits_until_ours_resolves(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        made(shop.refund(payment, answer(stripe_refund(payment, 1000, "pending", name="re_1")), amount=1000))
        shop.tell(payment, "refund.created", stripe_refund(payment, 500, name="re_out"))
        assert last_event().state == "waiting"
        assert state_of(payment) == ("captured", 1299, 1000, 0, ["refund_unexpected"])
        swept()
        assert state_of(payment) == ("captured", 1299, 1000, 0, ["refund_unexpected"])
        failed = stripe_refund(payment, 1000, "failed", name="re_1", ours=ours(payment))
        shop.tell(payment, "refund.failed", failed)
        swept(hours=4)
        assert {state for _, state in events()} == {"applied"}
        assert state_of(payment) == ("captured", 1299, 500, 500, ["refund_failed"])
        assert booked(payment) == [("payment", 1299), ("refund", -500)]

    def test_one_that_waits_is_never_given_up(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        made(shop.refund(payment, answer(stripe_refund(payment, 1000, "pending", name="re_1")), amount=1000))
        shop.tell(payment, "refund.created", stripe_refund(payment, 500, name="re_out"))
        WebhookEvent.across_labs.update(received_at=clock.now() - timedelta(days=4))
        swept()
        assert (last_event().state, last_event().attention) == ("waiting", ["unapplied"])

    def test_a_total_in_the_payments_report_moves_nothing(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        charge = {
            "id": "ch_1", "object": "charge", "amount": 1299, "amount_captured": 1299, "amount_refunded": 500,
            "captured": True, "refunded": False, "status": "succeeded", "currency": "eur", "livemode": True,
            "payment_intent": f"pi_{payment['id']}", "metadata": {"payment_id": f"{payment['id']}-1", "shape": "session"},
        }  # fmt: skip
        shop.tell(payment, "charge.refunded", charge)
        assert state_of(payment) == ("captured", 1299, 0, 0, [])
        assert (int(stored(payment).refunded_seen), booked(payment)) == (500, [("payment", 1299)])
        Payment.across_labs.update(updated_at=clock.now() - timedelta(hours=2))
        sweep.give_up()
        assert state_of(payment)[4] == ["refund_unexpected"]
