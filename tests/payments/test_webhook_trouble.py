"""A delivery that cannot be taken now, or that our own code stumbles over: nothing is lost, nothing is half done."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from core import clock
from payments import frame, inbox
from payments.models import PaymentGatewayKey, WebhookEvent
from payments.services import keys
from tests.payments.shop import (
    Shop,
    booked,
    event,
    events,
    everything,
    last_event,
    paid,
    state_of,
    stripe_signature,
)

pytestmark = pytest.mark.django_db

SHORT = "/payments/webhook/stripe"


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


class TestNotNow:
    def test_without_a_secret_that_opens_it_is_503(self, shop: Shop, path: str) -> None:
        body = good(shop.open_payment())
        sealed = {**shop.key.credentials, "webhook_secret": "v1.gone.AAAA.AAAA"}
        PaymentGatewayKey.across_labs.update(credentials=sealed)
        response = shop.deliver(body, path=path)
        nothing_stored(shop, response, 503)
        assert response["Retry-After"] == "60"

    @pytest.mark.parametrize("secret", ["   ", "short", "changeme"])
    def test_an_empty_or_useless_secret_is_as_good_as_none_and_503(self, shop: Shop, secret: str) -> None:
        from core.encryption import Place, seal

        body = json.dumps(good(shop.open_payment())).encode()
        place = Place(gateway_key=shop.key.public_id, mode="live", field="webhook_secret")
        sealed = {**shop.key.credentials, "webhook_secret": seal(shop.lab, place, secret)}
        PaymentGatewayKey.across_labs.update(credentials=sealed)
        proof = {"Stripe-Signature": stripe_signature(body, secret)}
        nothing_stored(shop, shop.deliver(body, headers=proof), 503)

    @pytest.mark.parametrize("step", ["find_by_token", "accept"])
    def test_without_the_database_it_is_503(self, shop: Shop, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
        def gone(*_: Any, **__: Any) -> Any:
            raise OperationalError("server closed the connection unexpectedly")

        body, path = good(shop.open_payment()), shop.webhook_path
        monkeypatch.setattr(*((keys, "find_by_token", gone) if step == "find_by_token" else (inbox, "accept", gone)))
        response = shop.deliver(body, path=path)
        nothing_stored(shop, response, 503)
        assert response["Retry-After"] == "60"

    def test_a_database_that_goes_away_while_storing_is_503(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        def gone(*_: Any, **__: Any) -> Any:
            raise OperationalError("server closed the connection unexpectedly")

        body, path = good(shop.open_payment()), shop.webhook_path
        with monkeypatch.context() as patch:
            patch.setattr(inbox, "_insert", gone)
            nothing_stored(shop, shop.deliver(body, path=path), 503)
        assert shop.deliver(body, path=path).status_code == 200

    def test_our_bug_before_the_row_is_stored_is_500_and_nothing_is_kept(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from clients.stripe.gateway import StripeGateway

        def broken(*_: Any) -> Any:
            raise KeyError("oops")

        body = good(shop.open_payment())
        with monkeypatch.context() as patch:
            patch.setattr(StripeGateway, "read_webhook", broken)
            nothing_stored(shop, shop.deliver(body), 500, b"The delivery could not be taken. Try again later.")
        assert shop.deliver(body).status_code == 200

    def test_our_bug_while_storing_is_500_too(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any, **__: Any) -> Any:
            raise KeyError("oops")

        body = good(shop.open_payment())
        monkeypatch.setattr(inbox, "_insert", broken)
        nothing_stored(shop, shop.deliver(body), 500)


class TestOurBugWhileApplying:
    def test_its_effects_are_rolled_back_and_the_sweep_applies_it_later(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        payment = shop.open_payment()
        before = {name: rows for name, rows in everything().items() if name != "payments_webhookevent"}

        with monkeypatch.context() as patch:
            patch.setattr(frame.folding, "fold", _bug)
            assert shop.deliver(good(payment)).status_code == 200
            row = last_event()
            assert (row.state, row.error, row.tries, row.payment_id) == ("error", "KeyError: 'a bug'", 0, None)
            after = {name: rows for name, rows in everything().items() if name != "payments_webhookevent"}
            assert after == before
            assert swept(timedelta(minutes=1)) == 1
            row = last_event()
            assert (row.state, row.tries, row.error) == ("error", 1, "KeyError: 'a bug'")
            assert row.next_try_at > clock.now()
        assert swept(timedelta(hours=1)) == 1
        assert (last_event().state, last_event().error) == ("applied", "")
        assert state_of(payment) == ("captured", 1299, 0, 0, [])
        assert booked(payment) == [("payment", 1299)]

    def test_the_same_delivery_again_meanwhile_is_a_duplicate(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        payment = shop.open_payment()
        body = good(payment)
        with monkeypatch.context() as patch:
            patch.setattr(frame.folding, "fold", _bug)
            shop.deliver(body)
        assert shop.deliver(body).status_code == 200
        assert (last_event().state, last_event().deliveries) == ("error", 2)
        assert state_of(payment)[0] == "pending"

    def test_one_bad_event_does_not_stop_the_others(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        bad, fine = shop.open_payment(), shop.open_payment()
        real = frame.folding.fold

        def fold(work: Any, report: Any, cause: Any, *, now: Any) -> Any:
            if work.state.public_id == bad["id"]:
                raise KeyError("a bug")
            return real(work, report, cause, now=now)

        with monkeypatch.context() as patch:
            patch.setattr(frame.folding, "fold", _bug)
            shop.deliver(good(bad))
            shop.deliver(good(fine))
        monkeypatch.setattr(frame.folding, "fold", fold)
        assert swept(timedelta(hours=1)) == 2
        assert [state for _, state in events()] == ["error", "applied"]
        assert (state_of(bad)[0], state_of(fine)[0]) == ("pending", "captured")

    def test_after_a_quarter_of_an_hour_it_is_shown_to_a_person(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        payment = shop.open_payment()
        monkeypatch.setattr(frame.folding, "fold", _bug)
        shop.deliver(good(payment))
        WebhookEvent.across_labs.update(received_at=clock.now() - timedelta(minutes=16))
        swept(timedelta(hours=1))
        assert (last_event().state, last_event().attention) == ("error", ["unapplied"])


def _bug(work: Any, *_: Any, **__: Any) -> Any:
    work.state.captured = 5
    raise KeyError("a bug")
