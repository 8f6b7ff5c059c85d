"""What a gateway hears at its webhook address: the table of INVARIANTS §9, row by row, at both forms of the address."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from core import clock, shared_redis
from core.gateways.types import Mode
from payments import inbox
from payments.models import PaymentGatewayKey, WebhookEvent
from payments.services import keys
from tests.payments import builders
from tests.payments.shop import (
    CRYPTO_ORDER,
    PREFLIGHT,
    Shop,
    Wire,
    answer,
    booked,
    coins,
    event,
    events,
    everything,
    intent,
    last_event,
    made,
    paid,
    state_of,
    stored,
    stripe_signature,
)

pytestmark = pytest.mark.django_db

SHORT = "/payments/webhook/stripe"
REJECTED = b"The delivery is not accepted."


@pytest.fixture(autouse=True)
def _nobody_is_counted_yet() -> Iterator[None]:
    def forget(client: Any) -> None:
        for name in client.scan_iter("paywright:limit:webhook-rejected:*"):
            client.delete(name)

    shared_redis.attempt(forget, None)
    yield
    shared_redis.attempt(forget, None)


@pytest.fixture(params=["with a token", "short"])
def path(request: pytest.FixtureRequest, shop: Shop) -> str:
    return shop.webhook_path if request.param == "with a token" else SHORT


def nothing_stored(shop: Shop, response: Any, status: int, body: bytes | None = None) -> None:
    assert response.status_code == status
    if body is not None:
        assert response.content == body
    assert WebhookEvent.across_labs.count() == 0


def swept(later: timedelta) -> int:
    """How many events the sweep takes up after a while."""
    with clock.fixed(clock.now() + later):
        return inbox.sweep_events()


def good(payment: dict[str, Any]) -> dict[str, Any]:
    return event("payment_intent.succeeded", paid(payment))


class TestVerified:
    def test_a_new_one_is_stored_raw_and_applied_and_answered_200(self, shop: Shop, path: str) -> None:
        payment = shop.open_payment()
        raw = json.dumps(good(payment), indent=1).encode()
        response = shop.deliver(raw, path=path, headers={"User-Agent": "Stripe/1.0", "Request-Id": "req_1"})
        assert (response.status_code, response.content) == (200, b"")
        row = last_event()
        assert (bytes(row.body), row.state, row.payment_id, row.tries, row.deliveries) == (
            raw, "applied", stored(payment).pk, 1, 1,
        )  # fmt: skip
        assert (row.event_type, row.lab_id, row.mode) == ("payment_intent.succeeded", shop.lab.pk, "live")
        assert row.headers == {
            "content-type": "application/json", "user-agent": "Stripe/1.0", "request-id": "req_1",
            "x-request-id": response["X-Request-Id"],
        }  # fmt: skip
        assert row.applied_at is not None and row.next_try_at is None
        assert state_of(payment) == ("captured", 1299, 0, 0, [])
        assert booked(payment) == [("payment", 1299)]

    def test_no_signature_is_kept(self, shop: Shop) -> None:
        payment = shop.open_payment()
        shop.deliver(good(payment))
        assert "v1=" not in str(everything()["payments_webhookevent"])

    def test_the_key_remembers_when_it_last_heard(self, shop: Shop) -> None:
        shop.deliver(event("invoice.finalized", {"id": "in_1"}))
        assert PaymentGatewayKey.across_labs.get().last_verified_webhook_at is not None

    def test_a_duplicate_is_counted_and_has_no_effect(self, shop: Shop, path: str) -> None:
        payment = shop.open_payment()
        body = good(payment)
        shop.deliver(body)
        before = {name: rows for name, rows in everything().items() if name != "payments_webhookevent"}
        for deliveries in (2, 3):
            assert shop.deliver(body, path=path).status_code == 200
            assert (last_event().deliveries, WebhookEvent.across_labs.count()) == (deliveries, 1)
        assert {name: rows for name, rows in everything().items() if name != "payments_webhookevent"} == before

    def test_a_payment_nobody_knows_is_unmatched(self, shop: Shop) -> None:
        nobody = {"id": "PAY_20261120183005_00000000", "amount": 1, "currency": "EUR", "mode": "live"}
        assert shop.deliver(good(nobody)).status_code == 200
        assert (last_event().state, last_event().payment_id) == ("unmatched", None)
        assert last_event().next_try_at is not None

    def test_an_unknown_event_type_is_stored_and_ignored(self, shop: Shop) -> None:
        assert shop.deliver(event("invoice.finalized", {"id": "in_1"})).status_code == 200
        assert (last_event().state, last_event().event_type) == ("ignored", "invoice.finalized")

    @pytest.mark.parametrize(
        "raw",
        [
            b"", b"no json", b"[]", b"{}", b"\xff\xfe", b'{"id":"evt_1","id":"evt_2"}', b"[" * 5000,
            b'{"id":"evt_x","type":"payment_intent.succeeded","data":{"object":{"amount":1.5,"currency":7}}}',
            b'{"id":"evt_x","type":"payment_intent.succeeded","data":[]}',
            b'{"id":["evt"],"type":{"a":1},"data":{"object":{}}}',
            b'{"id":"evt_\\u0000","type":"payment_intent.succeeded","data":{"object":{}}}',
            b'{"id":"evt_x","type":"a\\u0000b","data":{"object":{}}}',
            b'{"id":"evt_x","type":"\\ud800","data":{"object":{}}}',
            b'{"id":"\\ud800","type":"x","data":{"object":{}}}',
            b'{"id":"evt_x","type":"payment_intent.payment_failed","data":{"object":{"id":"pi_1\\u0000","currency":"eur",'
            b'"status":"requires_payment_method","last_payment_error":{"code":"x","message":"a\\u0000b"},"amount":5}}}',
            b'{"id":"evt_x","type":"payment_intent.payment_failed","data":{"object":{"id":"pi_1","currency":"eur",'
            b'"status":"requires_payment_method","last_payment_error":{"code":"x","message":"\\udfff"},"amount":5}}}',
        ],
    )  # fmt: skip
    def test_signed_but_unreadable_is_stored_once_raw(self, shop: Shop, raw: bytes) -> None:
        for deliveries in (1, 2):
            assert shop.deliver(raw).status_code == 200
            assert (bytes(last_event().body), last_event().deliveries) == (raw, deliveries)
        assert WebhookEvent.across_labs.count() == 1
        swept(timedelta(minutes=1))
        assert last_event().state in {"ignored", "unmatched"}

    def test_late_news_is_stored_and_not_applied(self, shop: Shop) -> None:
        payment = shop.captured_payment()
        assert shop.tell(payment, "payment_intent.processing", intent(payment)).status_code == 200
        assert (last_event().state, state_of(payment)) == ("not_applied", ("captured", 1299, 0, 0, []))

    def test_other_facts_under_a_known_key_are_a_conflict_without_effect(self, shop: Shop) -> None:
        payment = shop.open_payment()
        first = event("payment_intent.processing", intent(payment), id="evt_same")
        other = {**event("payment_intent.succeeded", paid(payment)), "id": "evt_same"}
        assert [shop.deliver(body).status_code for body in (first, other, other)] == [200, 200, 200]
        assert [state for _, state in events()] == ["applied", "conflict"]
        assert (last_event().attention, last_event().deliveries) == (["conflict"], 2)
        assert state_of(payment) == ("pending", 0, 0, 0, ["conflict"])
        assert booked(payment) == []

    def test_other_bytes_with_the_same_facts_are_a_duplicate(self, shop: Shop) -> None:
        payment = shop.open_payment()
        body = good(payment)
        shop.deliver(body)
        assert shop.deliver(json.dumps({**body, "pending_webhooks": 2}, indent=2).encode()).status_code == 200
        assert (WebhookEvent.across_labs.count(), last_event().deliveries) == (1, 2)
        assert state_of(payment)[4] == []

    @pytest.mark.parametrize("secret", ["builder-ipn-secret-01"])
    def test_nowpayments_hears_200_for_its_own_signature(self, crypto: Shop, secret: str) -> None:
        payment = made(crypto.initiate(*PREFLIGHT, answer(coins(), status=201), **CRYPTO_ORDER))
        body = coins("finished", arrived="50", order_id=f"{payment['id']}-1")
        raw = json.dumps(body).encode()
        assert crypto.deliver(raw, headers=crypto.signed(raw, secret)).status_code == 200
        assert state_of(payment)[:2] == ("captured", 5000)


class TestMismatches:
    """Verified, and not about what was asked: 200, stored, no transition, no credit, a person looks."""

    @pytest.mark.parametrize(
        ("about", "envelope"),
        [
            ({"currency": "usd"}, {}),
            ({}, {"livemode": False}),
            ({"livemode": False}, {"livemode": False}),
        ],
    )
    def test_another_currency_or_mode(self, shop: Shop, about: dict[str, Any], envelope: dict[str, Any]) -> None:
        payment = shop.open_payment()
        assert shop.deliver(event("payment_intent.succeeded", paid(payment, **about)) | envelope).status_code == 200
        assert (last_event().state, last_event().payment_id) == ("mismatch", stored(payment).pk)
        assert state_of(payment) == ("pending", 0, 0, 0, ["mismatch"])
        assert booked(payment) == []

    def test_another_account(self, wire: Wire) -> None:
        shop = Shop(wire, account_id="acct_ours0001")
        payment = shop.open_payment()
        assert shop.deliver({**good(payment), "account": "acct_theirs01"}).status_code == 200
        assert last_event().state == "mismatch"
        assert state_of(payment) == ("pending", 0, 0, 0, ["mismatch"])
        assert shop.deliver({**good(payment), "account": "acct_ours0001"}).status_code == 200
        assert state_of(payment) == ("captured", 1299, 0, 0, ["mismatch"])

    def test_too_little_stays_pending(self, shop: Shop) -> None:
        payment = shop.open_payment()
        assert shop.tell(payment, "payment_intent.succeeded", paid(payment, 1298)).status_code == 200
        row = stored(payment)
        assert (last_event().state, int(row.received)) == ("mismatch", 1298)
        assert state_of(payment) == ("pending", 0, 0, 0, ["underpaid"])
        assert booked(payment) == []

    def test_two_payments_named_at_once_are_both_doubted(self, shop: Shop) -> None:
        one, two = shop.open_payment(), shop.open_payment()
        about = paid(one, id=two["gateway_reference"])
        assert shop.tell(one, "payment_intent.succeeded", about).status_code == 200
        assert last_event().state == "mismatch"
        assert [state_of(payment)[:2] for payment in (one, two)] == [("pending", 0), ("pending", 0)]
        assert "mismatch" in state_of(one)[4] + state_of(two)[4]


class TestNotProven:
    @pytest.mark.parametrize(
        "signature",
        [
            None, "", "t=1,v1=00", "v1=" + "0" * 64, "t=,v1=" + "0" * 64, "x" * 4000, "schlüssel", "t=1;v1=2", "t=٣,v1=00",
        ],
    )  # fmt: skip
    def test_a_missing_or_malformed_signature_is_400(self, shop: Shop, path: str, signature: str | None) -> None:
        payment = shop.open_payment()
        before = everything()
        response = shop.deliver(good(payment), path=path, headers={"Stripe-Signature": signature})
        nothing_stored(shop, response, 400, REJECTED)
        assert everything() == before

    def test_another_secret_scheme_body_or_time_is_400(self, shop: Shop) -> None:
        payment = shop.open_payment()
        raw, now = json.dumps(good(payment)).encode(), int(clock.now().timestamp())
        secret = builders.CREDENTIALS["stripe"]["webhook_secret"]
        proof = stripe_signature(raw, secret)
        for wrong in (
            stripe_signature(raw, "whsec_another_0123456789"),
            proof.replace("v1=", "v0="),
            stripe_signature(raw + b" ", secret),
            stripe_signature(raw, secret, at=now - 302),
            stripe_signature(raw, secret, at=now + 302),
            stripe_signature(raw, ""),
        ):
            nothing_stored(shop, shop.deliver(raw, headers={"Stripe-Signature": wrong}), 400, REJECTED)
        assert state_of(payment)[0] == "pending"
        assert (
            shop.deliver(raw, headers={"Stripe-Signature": stripe_signature(raw, secret, at=now - 290)}).status_code
            == 200
        )

    @pytest.mark.parametrize(
        "raw", [b"", b"no json", b"\xff", b"[]", b'{"payment_id":1,"payment_id":2}', b"[" * 100_000]
    )
    def test_a_body_whose_proof_needs_reading_is_400_when_it_cannot_be_read(self, crypto: Shop, raw: bytes) -> None:
        response = crypto.deliver(raw, headers={"x-nowpayments-sig": "0" * 128})
        nothing_stored(crypto, response, 400, REJECTED)

    def test_neither_header_nor_body_is_logged(self, shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
        shop.deliver(b"SECRET-BODY", headers={"Stripe-Signature": "t=1,v1=5ec4e7"})
        assert "SECRET-BODY" not in caplog.text and "5ec4e7" not in caplog.text

    def test_the_secret_of_another_account_of_the_lab_does_not_do(self, shop: Shop) -> None:
        other = builders.make_gateway_key(shop.lab, webhook_secret="whsec_second_0123456789")
        path = "/" + keys.key_row_of(other).webhook_url().split("/", 3)[3]
        payment = shop.open_payment()
        nothing_stored(shop, shop.deliver(good(payment), path=path), 400, REJECTED)

    def test_a_test_secret_fails_on_a_live_account(self, shop: Shop, wire: Wire) -> None:
        test = Shop(wire, lab=shop.lab, mode=Mode.TEST, webhook_secret="whsec_testmode_0123456789")
        raw = json.dumps(good(shop.open_payment())).encode()
        proof = test.signed(raw, "whsec_testmode_0123456789")
        nothing_stored(shop, shop.deliver(raw, headers=proof), 400, REJECTED)


class TestOldSecrets:
    def changed(self, shop: Shop) -> str:
        keys.update_gateway_key(key=shop.key, values={"webhook_secret": "whsec_newer_0123456789"}, actor="test")
        return "whsec_newer_0123456789"

    def test_both_are_accepted_for_fifteen_days(self, shop: Shop) -> None:
        new = self.changed(shop)
        payment = shop.open_payment()
        raw = json.dumps(good(payment)).encode()
        assert shop.deliver(raw).status_code == 200
        assert shop.deliver(raw, headers=shop.signed(raw, new)).status_code == 200
        with clock.fixed(clock.now() + timedelta(days=14, hours=23)):
            assert shop.deliver(raw).status_code == 200
        with clock.fixed(clock.now() + timedelta(days=15, minutes=1)):
            assert shop.deliver(raw).status_code == 400
            assert shop.deliver(raw, headers=shop.signed(raw, new)).status_code == 200


class TestNowhere:
    @pytest.mark.parametrize(
        "path",
        [
            "/payments/webhook/nobody", "/payments/webhook/nobody/token", "/payments/webhook/stripe/unknown-token",
            "/payments/webhook/stripe/%00", "/payments/webhook/stripe/%ED%A0%80", "/payments/webhook/%00",
            "/payments/webhook/Stripe", "/payments/webhook/stripe/" + "x" * 3000,
        ],
    )  # fmt: skip
    def test_an_unknown_gateway_or_token_is_404(self, shop: Shop, path: str) -> None:
        nothing_stored(shop, shop.deliver(good(shop.open_payment()), path=path), 404, b"There is nothing here.")

    def test_a_token_of_another_gateway_is_404(self, shop: Shop) -> None:
        path = shop.webhook_path.replace("/stripe/", "/nowpayments/")
        nothing_stored(shop, shop.deliver(good(shop.open_payment()), path=path), 404)

    def test_a_revoked_key_is_404_at_both_addresses(self, shop: Shop, path: str) -> None:
        body = good(shop.open_payment())
        keys.update_gateway_key(key=shop.key, values={}, actor="test", is_active=False)
        nothing_stored(shop, shop.deliver(body, path=path), 404, b"There is nothing here.")

    def test_a_lab_that_is_switched_off_is_404(self, shop: Shop, path: str) -> None:
        body = good(shop.open_payment())
        shop.lab.is_active = False
        shop.lab.save()
        nothing_stored(shop, shop.deliver(body, path=path), 404)

    def test_the_short_address_needs_exactly_one_account(self, shop: Shop, other_shop: Shop) -> None:
        body = good(shop.open_payment())
        nothing_stored(shop, shop.deliver(body, path=SHORT), 404)
        assert shop.deliver(body).status_code == 200


class TestForm:
    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
    def test_another_method_is_405(self, shop: Shop, path: str, method: str) -> None:
        response = shop.deliver(good(shop.open_payment()), path=path, method=method)
        nothing_stored(shop, response, 405)
        assert response["Allow"] == "POST"

    def test_more_than_a_mebibyte_is_413(self, shop: Shop, path: str) -> None:
        nothing_stored(shop, shop.deliver(b" " * (1024 * 1024 + 1), path=path), 413, b"The delivery is too large.")

    def test_a_mebibyte_is_taken(self, shop: Shop) -> None:
        body = json.dumps(event("invoice.finalized", {"id": "in_1"})).encode()
        assert shop.deliver(body + b" " * (1024 * 1024 - len(body))).status_code == 200

    def test_a_length_that_lies_lets_nothing_more_in(self, shop: Shop) -> None:
        response = shop.deliver(b" " * (1024 * 1024 + 1), headers={"Content-Length": "10"})
        nothing_stored(shop, response, response.status_code)
        assert response.status_code in {400, 413}

    @pytest.mark.parametrize("encoding", ["gzip", "br", "identity", "deflate, gzip"])
    def test_an_encoded_body_is_415(self, shop: Shop, path: str, encoding: str) -> None:
        response = shop.deliver(good(shop.open_payment()), path=path, headers={"Content-Encoding": encoding})
        nothing_stored(shop, response, 415)

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "é"]
    )
    def test_a_type_that_the_gateway_never_sends_is_415(self, shop: Shop, path: str, content_type: str) -> None:
        response = shop.deliver(good(shop.open_payment()), path=path, content_type=content_type)
        nothing_stored(shop, response, 415)

    def test_a_charset_beside_the_type_is_fine(self, shop: Shop) -> None:
        body = good(shop.open_payment())
        assert shop.deliver(body, content_type="application/json; charset=utf-8").status_code == 200

    def test_no_cookie_and_no_csrf_token_is_asked_for(self, shop: Shop) -> None:
        response = shop.deliver(good(shop.open_payment()))
        assert (response.status_code, dict(response.cookies)) == (200, {})


class TestFloods:
    def test_after_sixty_forgeries_a_minute_an_address_hears_429_and_verified_ones_still_pass(self, shop: Shop) -> None:
        moment = clock.now().replace(second=5, microsecond=0)
        payment = shop.open_payment()
        forged = {"Stripe-Signature": "t=1,v1=00"}
        with clock.fixed(moment):
            assert [shop.deliver(b"{}", headers=forged).status_code for _ in range(60)] == [400] * 60
            refused = shop.deliver(b"{}", headers=forged)
            assert (refused.status_code, refused["Retry-After"]) == (429, "60")
            assert shop.deliver(b"{}", headers=forged, REMOTE_ADDR="203.0.113.9").status_code == 400
            assert shop.deliver(good(payment)).status_code == 200
            assert shop.deliver(b"{}", headers=forged).status_code == 429
        with clock.fixed(moment + timedelta(minutes=1)):
            assert shop.deliver(b"{}", headers=forged).status_code == 400
        assert state_of(payment)[0] == "captured"
        assert WebhookEvent.across_labs.count() == 1

    def test_what_is_not_even_looked_at_is_not_counted(self, shop: Shop) -> None:
        for _ in range(61):
            assert shop.deliver(b"{}", path=f"{SHORT}/{secrets.token_hex(8)}").status_code == 404
        assert shop.deliver(b"{}", headers={"Stripe-Signature": "t=1,v1=00"}).status_code == 400


def test_nothing_is_asked_of_a_gateway_inside_the_request(shop: Shop, wire: Wire) -> None:
    payment = shop.captured_payment()
    wire.script()
    shop.tell(payment, "payment_intent.canceled", intent(payment, "canceled"))
    shop.tell(payment, "payment_intent.succeeded", paid(payment, 1500))
    assert wire.sent == []
    assert not connection.needs_rollback
