"""Disputes and expiry through the real path: API, gateway package, HTTP, simulator, signed webhooks, sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings

from clients.simulator.testing import Simulator, running_simulator
from core import clock
from payments import sweep
from payments.models import Dispute
from tests.payments import builders
from tests.payments.market import Stall
from tests.payments.shop import booked, exchanges, history, state_of, stored

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator(django_settings.SIMULATORS) as simulator:
        yield simulator


@pytest.fixture
def open_stall(db: None, running: Simulator, settings: Any) -> Callable[..., Stall]:
    settings.SIMULATOR_URL = running.url
    running.reset(accounts=True)
    lab = builders.make_lab()
    return lambda gateway, **values: Stall(running, lab, gateway, **values)


def sweep_after(pause: timedelta) -> sweep.Swept:
    """The platform's clock alone goes on: the simulator's is moved where the gateway has something to do."""
    with clock.fixed(clock.now() + pause):
        return sweep.sweep()


def paid(stall: Stall) -> dict[str, Any]:
    """Paid, and known by asking: its webhook was lost."""
    payment = stall.order()
    stall.act("pay", payment)
    sweep_after(timedelta(hours=12))
    assert state_of(payment)[0] == "captured"
    return stall.read(f"/v1/payments/{payment['id']}")


@pytest.mark.parametrize("gateway", ["stripe", "razorpay", "square"])
@pytest.mark.parametrize(("verdict", "status"), [("dispute_win", "won"), ("dispute_lose", "lost")])
def test_how_a_dispute_ended_is_found_although_its_webhooks_were_lost(
    open_stall: Callable[..., Stall], gateway: str, verdict: str, status: str
) -> None:
    stall = open_stall(gateway)
    payment = paid(stall)
    before = len(stall.lost())
    stall.act("dispute", payment)
    stall.hand_over(*stall.lost()[before:])
    opened = Dispute.across_labs.get()
    assert (opened.status, opened.next_check_at is not None) == ("needs_response", True)
    stall.act(verdict, payment)
    assert len(stall.lost()) > before + 1
    assert sweep_after(timedelta(hours=1)).disputes == 0
    assert sweep_after(DAY).disputes == 1
    ended = Dispute.across_labs.get()
    assert (ended.status, ended.closed_at is not None) == (status, True)
    assert (state_of(payment)[4] == ["disputed"]) is (status == "lost")
    assert bool(ended.withdrawn) is (status == "lost")
    net = sum(amount for kind, amount in booked(payment) if kind != "fee")
    assert net == state_of(payment)[1] - int(ended.withdrawn)
    assert exchanges(payment)[-1] == ("fetch_dispute", "answered", 1)


def test_a_chargeback_that_pesopay_tells_nobody_is_found_and_followed(open_stall: Callable[..., Stall]) -> None:
    stall = open_stall("pesopay")
    payment = paid(stall)
    stall.act("dispute", payment)
    sweep_after(timedelta(hours=13))  # the look of an hour after the payment is made good
    sweep_after(2 * DAY)
    found = Dispute.across_labs.get()
    assert (found.status, found.amount, found.withdrawn) == ("under_review", 125050, 125050)
    assert (found.gateway_reference, state_of(payment)[4]) == (stored(payment).gateway_reference, ["disputed"])
    assert stall.read(f"/v1/disputes/{found.public_id}")["withdrawn"] == 125050
    stall.act("dispute_win", payment)
    sweep_after(4 * DAY)
    found.refresh_from_db()
    assert (found.status, found.withdrawn, state_of(payment)[1]) == ("won", 0, 125050)


@pytest.mark.parametrize("gateway", ["stripe", "razorpay", "square"])
def test_nobody_can_pay_an_order_that_we_call_expired(open_stall: Callable[..., Stall], gateway: str) -> None:
    stall = open_stall(gateway)
    payment = stall.order(expires_in=3600)
    sweep_after(timedelta(hours=2))
    assert (state_of(payment)[0], history(payment)[-1][2]) == ("expired", "response")
    assert exchanges(payment)[-1] == ("close", "answered", 1)
    with pytest.raises(ValueError, match="the simulator refused"):
        stall.act("pay", payment)
    assert [line["captured"] for line in stall.simulator.books(gateway) if float(line["captured"])] == []


@pytest.mark.parametrize("gateway", ["stripe", "razorpay", "square"])
def test_a_payment_that_met_the_closing_is_captured(open_stall: Callable[..., Stall], gateway: str) -> None:
    """Paid after the platform was told that nobody had, and before it asked to end the order."""
    from payments.services import closing

    stall = open_stall(gateway)
    payment = stall.order(expires_in=3600)
    real = closing._ask

    def pay_first(*arguments: Any) -> Any:
        stall.act("pay", payment)
        return real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(closing, "_ask", pay_first)
        sweep_after(timedelta(hours=2))
    assert state_of(payment)[0:2] == ("captured", payment["amount"])
    assert booked(payment)[0] == ("payment", payment["amount"])


def test_a_form_of_stripe_in_our_own_page_is_ended_too(open_stall: Callable[..., Stall]) -> None:
    stall = open_stall("stripe")
    payment = stall.order(presentation="embedded", expires_in=3600)
    assert payment["next_action"]["type"] == "client_token"
    sweep_after(timedelta(hours=2))
    assert (state_of(payment)[0], exchanges(payment)[-1]) == ("expired", ("close", "answered", 1))
    with pytest.raises(ValueError, match="the simulator refused"):
        stall.act("pay", payment)


def test_an_order_that_razorpay_cannot_end_is_expired_by_our_timer_and_late_money_is_kept(
    open_stall: Callable[..., Stall],
) -> None:
    stall = open_stall("razorpay")
    payment = stall.order(presentation="embedded", expires_in=3600)
    sweep_after(timedelta(hours=2))
    assert (state_of(payment)[0], history(payment)[-1][2]) == ("expired", "timer")
    assert [one[0] for one in exchanges(payment)].count("close") == 0
    stall.act("pay", payment)
    stall.hand_over(*stall.lost())
    assert (state_of(payment)[0], state_of(payment)[4]) == ("captured", ["paid_late"])
