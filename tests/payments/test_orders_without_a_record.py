"""A gateway that knows no order before the browser posted our form, and shows the whole hold after a part was taken."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.gateways.testing import answer
from tests.clients.pesopay import wire as pesopay
from tests.payments.shop import Shop, Wire, booked, history, made, state_of
from tests.payments.test_sweep import now, swept

pytestmark = pytest.mark.django_db

CREDENTIALS = {
    "merchant_id": pesopay.MERCHANT, "secure_hash_secret": pesopay.SECRET, "secure_hash_function": "sha1",
    "login_id": "apiuser", "password": "invented-api-password",
}  # fmt: skip


@pytest.fixture
def asia(wire: Wire) -> Shop:
    return Shop(wire, gateway="pesopay", **CREDENTIALS)


def opened(shop: Shop, moment: Any, **changes: Any) -> dict[str, Any]:
    """A form of 1250.50 PHP that was given to the customer. Nothing is sent for it."""
    shop.wire.script()
    with clock.fixed(moment):
        return made(shop.post("/payments/initiate", shop.order(amount=125050, currency="PHP", **changes)))


def order_ref(payment: dict[str, Any], end: str) -> str:
    return f"{payment['id'].replace('_', '-')}-{end}"


def test_a_form_that_nobody_posted_alarms_nobody_and_ends_with_its_time(asia: Shop, wire: Wire) -> None:
    begun = now()
    payment = opened(asia, begun, expires_in=3600)
    swept(wire, begun + timedelta(seconds=130), answer(text=pesopay.NO_RECORD), answer(text=pesopay.NO_RECORD))
    assert state_of(payment) == ("requires_action", 0, 0, 0, [])
    swept(wire, begun + timedelta(hours=2), answer(text=pesopay.NO_RECORD), answer(text=pesopay.NO_RECORD))
    assert state_of(payment) == ("expired", 0, 0, 0, [])
    assert history(payment)[-1] == ("requires_action", "expired", "timer")


@pytest.mark.parametrize("is_answered", [True, False])
def test_a_part_that_was_captured_stays_a_part_in_the_books(asia: Shop, wire: Wire, is_answered: bool) -> None:
    begun = now()
    payment = opened(asia, begun, capture="manual")
    hold = order_ref(payment, "H1")
    swept(wire, begun + timedelta(seconds=130), pesopay.records(pesopay.record("Authorized", ref=hold)))
    with clock.fixed(begun + timedelta(seconds=140)):
        done = pesopay.line(ref=hold, amt="1000.0") if is_answered else answer(status=500)
        asia.capture(payment, done, amount=100000)
    swept(wire, begun + timedelta(seconds=220), pesopay.records(pesopay.record("Captured", ref=hold)))
    assert state_of(payment) == ("captured", 100000, 0, 0, [])
    assert booked(payment) == [("payment", 100000)]
