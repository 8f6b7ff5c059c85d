"""One Idempotency-Key, one operation: for initiate, refund, capture and void (INVARIANTS §3)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from core import labs
from core.gateways.testing import answer
from core.gateways.types import Mode
from core.http import NoAnswer, NotSent
from core.models import IdempotencyKey
from payments.models import Payment
from payments.services import initiate
from tests.payments import builders
from tests.payments.shop import (
    Shop,
    Wire,
    everything,
    exchanges,
    held,
    intent,
    made,
    paid,
    session,
    state_of,
    stored,
    stripe_error,
    stripe_refund,
)

pytestmark = pytest.mark.django_db


def routes(shop: Shop) -> list[tuple[str, Any]]:
    """Every endpoint that wants a key, with a body that it would take."""
    payment = shop.captured_payment()
    return [
        ("/payments/initiate", shop.order()),
        ("/payments/refund", {"payment": payment["id"]}),
        (f"/v1/payments/{payment['id']}/capture", {}),
        (f"/v1/payments/{payment['id']}/void", {}),
    ]


def keys_of(shop: Shop) -> list[IdempotencyKey]:
    return list(IdempotencyKey.objects.for_lab(shop.lab).order_by("id"))


class TestTheHeader:
    @pytest.mark.parametrize(
        ("key", "code"),
        [
            (None, "idempotency_key_required"),
            ("  ", "idempotency_key_required"),
            ("a b", "idempotency_key_invalid"),
            ("x" * 256, "idempotency_key_invalid"),
            ("schlüssel", "idempotency_key_invalid"),
            ('""', "idempotency_key_invalid"),
            ("a\tb", "idempotency_key_invalid"),
        ],
    )
    def test_without_a_good_one_nothing_is_done_anywhere(
        self, shop: Shop, wire: Wire, key: str | None, code: str
    ) -> None:
        for path, body in routes(shop):
            before = everything()
            wire.script()
            response = shop.post(path, body, key=key)
            assert (response.status_code, response.json()["code"]) == (400, code), path
            assert everything() == before
            assert wire.sent == []

    def test_surrounding_quotes_do_not_count(self, shop: Shop) -> None:
        first = shop.initiate(key="k-1")
        assert shop.initiate(key='"k-1"').content == first.content
        assert Payment.across_labs.count() == 1

    def test_255_visible_characters_are_taken(self, shop: Shop) -> None:
        made(shop.initiate(key="!~" + "x" * 253))

    def test_the_key_itself_is_kept_nowhere(self, shop: Shop) -> None:
        made(shop.initiate(key="very-own-key-0001"))
        assert "very-own-key-0001" not in str(everything())


class TestARepeat:
    def test_gets_the_same_bytes_and_says_so(self, shop: Shop, wire: Wire) -> None:
        first = shop.initiate(key="k-1")
        before = everything()
        again = shop.initiate(key="k-1")
        assert (again.status_code, again.content) == (201, first.content)
        assert (again["Idempotency-Replayed"], first.has_header("Idempotency-Replayed")) == ("true", False)
        assert (wire.sent, everything()) == ([], before)

    def test_is_answered_with_what_was_true_then(self, shop: Shop) -> None:
        payment = made(shop.initiate(key="k-1"))
        shop.tell(payment, "payment_intent.succeeded", paid(payment))
        assert made(shop.initiate(key="k-1")) == payment
        assert state_of(payment)[0] == "captured"

    @pytest.mark.parametrize("order", [{"amount": 1298}, {"currency": "USD"}, {"reference": "x"}, {"metadata": {"a": "b"}},
                                       {"customer": {"id": "c1"}}, {"expires_in": 3600}])  # fmt: skip
    def test_with_other_input_is_refused_and_changes_nothing(
        self, shop: Shop, wire: Wire, order: dict[str, Any]
    ) -> None:
        shop.initiate(key="k-1")
        before = everything()
        response = shop.initiate(key="k-1", **order)
        assert (response.status_code, response.json()["code"]) == (422, "idempotency_mismatch")
        assert (wire.sent, everything()) == ([], before)

    def test_with_the_same_meaning_in_other_words_is_the_same(self, shop: Shop) -> None:
        first = shop.initiate(key="k-1", amount=1299, description="Two books")
        again = shop.post(
            "/payments/initiate", ' {"description": " Two books ", "currency":"EUR", "amount": "1299"} ', key="k-1"
        )
        assert again.content == first.content

    def test_while_the_first_still_runs_hears_409(self, shop: Shop, wire: Wire) -> None:
        heard: list[Any] = []
        wire.meanwhile = lambda _request: heard.append(shop.post("/payments/initiate", shop.order(), key="k-1"))
        payment = made(shop.initiate(key="k-1"))
        (early,) = heard
        assert (early.status_code, early.json()["code"], early["Retry-After"]) == (409, "idempotency_in_progress", "2")
        assert early.json()["retryable"] is True
        assert len(wire.sent) == 1
        assert exchanges(payment) == [("initiate", "answered", 1)]

    def test_of_a_refund_gives_back_once(self, shop: Shop, wire: Wire) -> None:
        payment = shop.captured_payment()
        first = shop.refund(payment, answer(stripe_refund(payment, 500)), key="r-1", amount=500)
        again = shop.refund(payment, key="r-1", amount=500)
        assert (again.status_code, again.content, again["Idempotency-Replayed"]) == (201, first.content, "true")
        assert (wire.sent, state_of(payment)[1:4]) == ([], (1299, 500, 500))

    def test_of_a_refund_without_amount_is_not_one_of_the_rest(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        shop.refund(payment, answer(stripe_refund(payment, 1299)), key="r-1")
        response = shop.refund(payment, key="r-1", amount=1299)
        assert (response.status_code, response.json()["code"]) == (422, "idempotency_mismatch")

    def test_of_a_capture_takes_once(self, shop: Shop, wire: Wire) -> None:
        payment = shop.held_payment()
        first = shop.capture(payment, answer(paid(payment)), key="c-1")
        again = shop.capture(payment, key="c-1")
        assert (again.status_code, again.content, again["Idempotency-Replayed"]) == (200, first.content, "true")
        assert wire.sent == []

    def test_for_another_payment_is_other_input(self, shop: Shop) -> None:
        one, two = shop.held_payment(), shop.held_payment()
        shop.capture(one, answer(paid(one)), key="c-1")
        response = shop.capture(two, key="c-1")
        assert (response.status_code, response.json()["code"]) == (422, "idempotency_mismatch")
        assert state_of(two)[0] == "authorized"


class TestWhatDoesNotUseAKeyUp:
    def test_input_that_was_refused(self, shop: Shop) -> None:
        assert shop.initiate(key="k-1", amount=-1).status_code == 400
        assert keys_of(shop) == []
        made(shop.initiate(key="k-1"))

    def test_a_payment_that_is_not_there(self, shop: Shop) -> None:
        assert shop.refund({"id": "PAY_20261120183005_00000000"}, key="r-1").status_code == 404
        payment = shop.captured_payment()
        made(shop.refund(payment, answer(stripe_refund(payment, 1299)), key="r-1"))

    def test_a_refund_that_was_too_large(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        assert shop.refund(payment, key="r-1", amount=1300).status_code == 409
        made(shop.refund(payment, answer(stripe_refund(payment, 1299)), key="r-1", amount=1299))

    def test_a_payment_that_nobody_can_take(self, shop: Shop) -> None:
        assert shop.initiate(key="k-1", amount=1).status_code == 422
        made(shop.initiate(key="k-1"))

    @pytest.mark.parametrize("trouble", [NotSent("x"), NoAnswer("x"), stripe_error(500), stripe_error(401)])
    def test_an_answer_of_5xx_is_not_stored(self, shop: Shop, trouble: Any) -> None:
        assert shop.initiate(trouble, key="k-1").status_code in {502, 504}
        (row,) = keys_of(shop)
        assert (row.state, row.response_status, row.response_body, row.locked_until) == ("running", None, "", None)
        assert row.operation_id == Payment.across_labs.get().pk
        assert made(shop.initiate(key="k-1"))["status"] == "pending"
        assert [(one.state, one.response_status) for one in keys_of(shop)] == [("finished", 201)]

    def test_several_in_a_row(self, shop: Shop, wire: Wire) -> None:
        troubles = [NoAnswer("x"), NotSent("x"), stripe_error(500), stripe_error(429)]
        assert [shop.initiate(one, key="k-1").status_code for one in troubles] == [504, 502, 504, 502]
        payment = made(shop.initiate(key="k-1"))
        assert exchanges(payment) == [("initiate", "answered", 5)]
        assert wire.keys() == [f"{payment['id']}:initiate:1"]
        assert Payment.across_labs.count() == 1


class TestWhoseKey:
    def test_another_lab_the_other_mode_and_another_route_have_keys_of_their_own(
        self, shop: Shop, test_mode_shop: Shop, other_shop: Shop
    ) -> None:
        ids = {
            made(one.initiate(answer(session(live=one.mode is Mode.LIVE)), key="k-1"))["id"]
            for one in (shop, test_mode_shop, other_shop)
        }
        assert len(ids) == 3
        payment = shop.captured_payment()
        assert made(shop.refund(payment, answer(stripe_refund(payment, 100)), key="k-1", amount=100))["amount"] == 100

    def test_a_key_of_the_same_lab_with_another_api_key_is_the_same(self, shop: Shop) -> None:
        first = shop.initiate(key="k-1")
        token = builders.make_api_key(shop.lab)
        assert shop.post("/payments/initiate", shop.order(), key="k-1", token=token).content == first.content

    def test_who_may_not_ask_is_told_so_before_any_replay(self, shop: Shop) -> None:
        shop.initiate(key="k-1")
        reader = builders.make_api_key(shop.lab, scopes=["payments:read"])
        assert shop.post("/payments/initiate", shop.order(), key="k-1", token=reader).status_code == 403
        gone = labs.create_api_key(lab=shop.lab, mode="live", name="x", scopes=["payments:write"], actor="test")
        labs.revoke_api_key(lab=shop.lab, key_id=gone.key.pk, actor="test")
        assert shop.post("/payments/initiate", shop.order(), key="k-1", token=gone.text).status_code == 401


class TestAfterADeath:
    """What a killed process leaves: the key and the payment are committed, no answer is."""

    def died(self, shop: Shop, monkeypatch: pytest.MonkeyPatch, key: str = "k-1") -> Payment:
        with monkeypatch.context() as patch:
            patch.setattr(initiate, "ask", _die)
            assert shop.initiate(key=key).status_code == 500
        payment = Payment.across_labs.get()
        assert isinstance(payment, Payment)
        return payment

    def test_a_repeat_within_the_lease_hears_409_and_after_it_resumes(
        self, shop: Shop, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        payment = self.died(shop, monkeypatch)
        early = shop.initiate(key="k-1")
        assert (early.status_code, wire.sent) == (409, [])
        _lease_runs_out(shop)
        again = made(shop.initiate(key="k-1"))
        assert again["id"] == payment.public_id
        assert wire.keys() == [f"{payment.public_id}:initiate:1"]
        assert Payment.across_labs.count() == 1
        assert shop.initiate(key="k-1").content == shop.initiate(key="k-1").content

    def test_other_input_is_refused_also_then(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        self.died(shop, monkeypatch)
        _lease_runs_out(shop)
        assert shop.initiate(key="k-1", amount=1300).status_code == 422

    @pytest.mark.parametrize(
        "trouble", [stripe_error(400, message="no"), NoAnswer("x"), NotSent("x"), stripe_error(401)]
    )
    def test_who_slept_through_his_lease_does_not_overwrite_what_the_next_one_heard(
        self, shop: Shop, wire: Wire, trouble: Any
    ) -> None:
        heard: list[Any] = []

        def meanwhile(_request: Any) -> None:
            _lease_runs_out(shop)
            slept = list(wire._queue)
            heard.append(shop.initiate(key="k-1"))
            wire._queue = slept

        wire.meanwhile = meanwhile
        late = shop.initiate(trouble, key="k-1")
        assert (late.status_code, late.json()["code"]) == (409, "idempotency_in_progress")
        payment = made(heard[0])
        row = stored(payment)
        assert (row.status, row.unknown_since, row.decline) == ("pending", None, None)
        assert exchanges(payment) == [("initiate", "answered", 2)]
        assert shop.initiate(key="k-1").content == heard[0].content

    def test_a_refund_that_was_sent_is_looked_up_and_not_sent_again(
        self, shop: Shop, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from payments.services import operations

        payment = shop.captured_payment()
        with monkeypatch.context() as patch:
            patch.setattr(operations, "ask", _die)
            assert shop.refund(payment, key="r-1", amount=500).status_code == 500
        row = stored(payment).refunds.get()
        _lease_runs_out(shop)
        listed = answer({"object": "list", "has_more": False,
                         "data": [stripe_refund(payment, 500, name="re_1", ours=row.sent_reference)]})  # fmt: skip
        refund = made(shop.refund(payment, listed, key="r-1", amount=500))
        assert (refund["id"], refund["status"], refund["gateway_reference"]) == (row.public_id, "succeeded", "re_1")
        assert wire.calls() == ["GET /v1/refunds"]
        assert state_of(payment) == ("captured", 1299, 500, 500, [])

    def test_a_capture_that_was_sent_is_looked_up_and_not_sent_again(
        self, shop: Shop, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from payments.services import operations

        payment = shop.held_payment()
        with monkeypatch.context() as patch:
            patch.setattr(operations, "ask", _die)
            assert shop.capture(payment, key="c-1").status_code == 500
        _lease_runs_out(shop)
        taken = session(id=payment["gateway_reference"], status="complete", payment_status="paid", url=None,
                        payment_intent=paid(payment), client_reference_id=f"{payment['id']}-1")  # fmt: skip
        shown = made(shop.capture(payment, answer(taken), key="c-1"), 200)
        assert (shown["status"], shown["captured"]) == ("captured", 1299)
        assert {request.method for request in wire.sent} == {"GET"}


def test_a_refund_that_was_never_sent_is_asked_for_anew(shop: Shop, wire: Wire) -> None:
    payment = shop.captured_payment()
    response = shop.refund(payment, NotSent("ConnectError"), key="r-1", amount=500)
    assert (response.status_code, response.json()["code"]) == (502, "gateway_unavailable")
    assert state_of(payment) == ("captured", 1299, 0, 0, [])
    refund = made(shop.refund(payment, answer(stripe_refund(payment, 500)), key="r-1", amount=500))
    assert (refund["status"], wire.calls()) == ("succeeded", ["POST /v1/refunds"])
    assert [(row.status, int(row.amount)) for row in stored(payment).refunds.order_by("id")] == [
        ("cancelled", 500), ("succeeded", 500),
    ]  # fmt: skip
    assert state_of(payment)[2:4] == (500, 500)


def test_a_capture_that_was_never_sent_is_asked_for_anew(shop: Shop) -> None:
    payment = shop.held_payment()
    response = shop.capture(payment, NotSent("ConnectError"), key="c-1")
    assert (response.status_code, response.json()["code"]) == (502, "gateway_unavailable")
    assert stored(payment).capture_asked is None
    shown = made(shop.capture(payment, answer(paid(payment)), key="c-1"), 200)
    assert shown["status"] == "captured"
    assert [one[:2] for one in exchanges(payment)] == [
        ("initiate", "answered"), ("capture", "failed"), ("capture", "answered"),
    ]  # fmt: skip


def test_a_refused_capture_is_remembered_for_a_repeat(shop: Shop, wire: Wire) -> None:
    payment = shop.held_payment()
    first = shop.capture(payment, stripe_error(400, message="no"), key="c-1")
    again = shop.capture(payment, key="c-1")
    assert (first.status_code, again.status_code, again.content) == (422, 422, first.content)
    assert (again["Idempotency-Replayed"], wire.sent) == ("true", [])
    assert made(shop.capture(payment, answer(paid(payment)), key="c-2"), 200)["status"] == "captured"


def test_an_open_hold_can_be_void_with_the_same_word_as_a_capture(shop: Shop) -> None:
    payment = shop.held_payment()
    assert shop.capture(payment, stripe_error(400, message="no"), key="same").status_code == 422
    about = answer(session(id=payment["gateway_reference"], status="complete", url=None, payment_intent=held(payment)))
    released = answer(intent(payment, "canceled", cancellation_reason="requested_by_customer"))
    assert made(shop.void(payment, about, released, key="same"), 200)["status"] == "voided"


def _die(call: Any) -> Any:
    raise SystemError("the process is gone")


def _lease_runs_out(shop: Shop) -> None:
    """As if three minutes had passed by the database's clock."""
    with connection.cursor() as cursor:
        ago = timedelta(minutes=3)
        cursor.execute(
            "UPDATE core_idempotencykey SET locked_until = locked_until - %s WHERE lab_id = %s", [ago, shop.lab.pk]
        )
        cursor.execute(
            "UPDATE payments_paymentgatewaytransaction SET lease_until = lease_until - %s WHERE lab_id = %s",
            [ago, shop.lab.pk],
        )
