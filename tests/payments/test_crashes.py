"""kill -9 of a real process, at every named point. Afterwards: nothing acknowledged is lost, nothing is done twice.

Each test kills a life of the platform, starts the next one, sweeps, and repeats what the client asked with the same
Idempotency-Key. Judged by both sides' books: our ledger, and what the simulated gateway itself counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.conf import settings as django_settings

from clients.simulator.testing import Simulator, running_simulator
from core import encryption
from core.gateways.types import Mode
from payments.models import (
    CustomerPaymentProfile,
    Dispute,
    OnlinePayment,
    Payment,
    PaymentGatewayKey,
    PaymentGatewayTransaction,
    Refund,
    WebhookEvent,
)
from payments.services import links
from tests.payments.conftest import broken_invariants
from tests.payments.crash_help import (
    Customer,
    Died,
    Site,
    leases_run_out,
    made,
    only_payment,
    our_books,
    payments_locked,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.crash]

INTENT = ("before_intent_commit", "after_intent_commit")
STEPS = ("before_call", "after_call", "before_apply_commit", "after_apply_commit")
INITIATE = (*INTENT, *(f"initiate_{step}" for step in STEPS))
INITIATE_LOST = ("initiate_before_error_commit", "initiate_after_error_commit")
REFUND = (*INTENT, *(f"refund_{step}" for step in STEPS))
CAPTURE = tuple(f"capture_{step}" for step in STEPS)
VOID = tuple(f"void_{step}" for step in STEPS)
FETCH = tuple(f"fetch_{step}" for step in STEPS)
REFUND_FETCH = ("refund_fetch_before_call", "refund_fetch_after_call", "refund_fetch_after_apply_commit")
CLOSE = tuple(f"close_{step}" for step in STEPS)
DISPUTE_FETCH = tuple(f"dispute_fetch_{step}" for step in STEPS)
WEBHOOK = ("webhook_after_verify", "webhook_before_apply", "webhook_before_commit", "webhook_after_commit")
SWEEP_CRASHED = ("sweep_before_crashed_commit", "sweep_after_crashed_commit")
SWEEP_EVENTS = ("sweep_before_events_commit", "sweep_after_events_commit", "sweep_before_given_up_commit")
LINK = ("link_after_intent_commit", "initiate_after_call", "initiate_before_apply_commit")
SAVE_METHOD = (*INTENT, "save_method_before_call", "save_method_after_call")
GATEWAY_KEY = ("key_before_commit", "after_work_commit")
ALL = {
    *INITIATE, *INITIATE_LOST, *REFUND, *CAPTURE, *VOID, *FETCH, *REFUND_FETCH, *WEBHOOK, *SWEEP_CRASHED, *SWEEP_EVENTS,
    *LINK, *GATEWAY_KEY, *SAVE_METHOD, *CLOSE, *DISPUTE_FETCH, "initiate_after_next_try_commit",
}  # fmt: skip

MINUTE, DAY = 60, 86_400


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator(django_settings.SIMULATORS) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def started(running: Simulator, django_db_setup: None, django_db_blocker: Any) -> Iterator[Site]:
    with django_db_blocker.unblock():
        site = Site(running.url)
    yield site
    site.close()


@pytest.fixture
def site(started: Site, transactional_db: None, settings: Any, running: Simulator) -> Iterator[Site]:
    settings.PUBLIC_URL, settings.SIMULATOR_URL = started.url, running.url
    encryption.system_secret("lookup")  # made once in an installation's life, not by two processes at once
    running.reset(accounts=True)
    yield started
    started.stop()


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    return running


@pytest.fixture
def customer(site: Site, simulator: Simulator) -> Customer:
    return Customer(site, simulator)


def die(site: Site, customer: Customer, point: str, path: str, body: Any, *, key: str) -> None:
    """Ask, and be left alone."""
    site.serve(crash_at=point)
    with pytest.raises(Died):
        customer.post(path, body, key=key)
    site.died()


def live_again(site: Site, *, sweep: bool = True) -> None:
    site.serve()
    leases_run_out()
    if sweep:
        site.sweep()


def both_books(customer: Customer, captured: int, refunded: int = 0) -> None:
    """One payment at the gateway, and the same money in its books and in ours."""
    assert customer.gateway_books() == [(f"{captured / 100:.2f}", f"{refunded / 100:.2f}")]
    assert our_books(customer.lab) == (captured, refunded)
    assert broken_invariants() == []


def pay_and_see(customer: Customer, payment: dict[str, Any]) -> None:
    customer.simulator.act("stripe", "pay", payment["gateway_reference"])
    customer.simulator.wait_idle()
    shown = customer.status(payment)
    assert (shown["status"], shown["captured"], shown["attention"]) == ("captured", 1000, [])
    both_books(customer, 1000)


# Initiate -----------------------------------------------------------------------------------------------------------


ORDER = {"amount": 1000, "currency": "EUR", "reference": "order-1"}


@pytest.mark.parametrize("sweeps_first", [True, False], ids=["sweep first", "repeat first"])
@pytest.mark.parametrize("point", INITIATE)
def test_a_killed_initiate_is_one_order_after_a_repeat(
    site: Site, customer: Customer, point: str, sweeps_first: bool
) -> None:
    die(site, customer, point, "/payments/initiate", ORDER, key="order")
    live_again(site, sweep=sweeps_first)
    payment = made(customer.post("/payments/initiate", ORDER, key="order"))
    site.sweep()
    assert only_payment().public_id == payment["id"]
    assert customer.wrote("/v1/checkout/sessions") == {f"{payment['id']}:initiate:1"}
    assert list(
        PaymentGatewayTransaction.across_labs.filter(operation="initiate").values_list("outcome", flat=True)
    ) == ["answered"]
    pay_and_see(customer, payment)
    again = customer.post("/payments/initiate", ORDER, key="order")
    assert (again.headers["Idempotency-Replayed"], again.json()) == ("true", payment)


@pytest.mark.parametrize("point", INITIATE_LOST)
def test_a_lost_answer_and_a_kill_are_still_one_order(
    site: Site, customer: Customer, simulator: Simulator, point: str
) -> None:
    simulator.fault("stripe", "error_after", path="checkout/sessions", method="POST")
    die(site, customer, point, "/payments/initiate", ORDER, key="order")
    live_again(site)
    payment = made(customer.post("/payments/initiate", ORDER, key="order"))
    assert only_payment().public_id == payment["id"]
    pay_and_see(customer, payment)


@pytest.mark.parametrize("sweeps_first", [True, False], ids=["sweep first", "repeat first"])
def test_a_kill_between_two_gateway_keys_goes_on_with_the_second(
    site: Site, customer: Customer, simulator: Simulator, sweeps_first: bool
) -> None:
    customer.add_account(secret_key="sk_live_51Second0123456789", webhook_secret="whsec_second_0123456789")
    simulator.fault("stripe", "rate_limit", path="checkout/sessions", method="POST")  # of the first: a definite no
    die(site, customer, "initiate_after_next_try_commit", "/payments/initiate", ORDER, key="order")
    live_again(site, sweep=sweeps_first)
    payment = made(customer.post("/payments/initiate", ORDER, key="order"))
    assert only_payment().try_number == 2
    created = [call["outcome"] for call in calls(simulator, "/checkout/sessions")]
    assert created == ["rate_limit:429", "200"]
    pay_and_see(customer, payment)


def test_an_initiate_that_nobody_repeats_is_found_and_paid(
    site: Site, customer: Customer, simulator: Simulator
) -> None:
    """The lab never asks again: the sweep finds out that the order exists, and its payment is booked."""
    die(site, customer, "initiate_after_call", "/payments/initiate", ORDER, key="order")
    live_again(site)
    payment = only_payment()
    assert (payment.unknown_since, payment.attention) == (None, [])
    pay_and_see(customer, {"id": payment.public_id, "gateway_reference": payment.gateway_reference})


def test_an_initiate_that_never_left_expires(site: Site, customer: Customer) -> None:
    die(site, customer, "initiate_before_call", "/payments/initiate", ORDER, key="order")
    live_again(site)
    assert only_payment().status == "pending"
    for day in (1, 8):
        site.sweep(seconds=day * DAY)
    payment = only_payment()
    assert customer.gateway_books() == []
    assert (payment.status, list(payment.attention)) in [("expired", []), ("pending", ["unknown_outcome"])]


# Refund -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sweeps_first", [True, False], ids=["sweep first", "repeat first"])
@pytest.mark.parametrize("point", REFUND)
def test_a_killed_refund_gives_back_once_or_stays_pending(
    site: Site, customer: Customer, point: str, sweeps_first: bool
) -> None:
    site.serve()
    payment = customer.paid()
    wish = {"payment": payment["id"], "amount": 600}
    die(site, customer, point, "/payments/refund", wish, key="back")
    live_again(site, sweep=sweeps_first)
    refund = made(customer.post("/payments/refund", wish, key="back"))
    for minutes in (1, 60):
        site.sweep(seconds=minutes * MINUTE)
    assert Refund.across_labs.count() == 1
    never_sent = point in {"after_intent_commit", "refund_before_call"}
    shown = customer.status(payment)
    assert shown["refundable"] == 400  # reserved, whatever became of it
    assert (refund["amount"], Refund.across_labs.get().status) == (600, "pending" if never_sent else "succeeded")
    assert len(customer.wrote("/v1/refunds")) == (0 if never_sent else 1)
    both_books(customer, 1000, 0 if never_sent else 600)
    too_much = customer.post("/payments/refund", {"payment": payment["id"], "amount": 401}, key="more")
    assert (too_much.status_code, too_much.json()["code"]) == (409, "refund_too_large")


def test_a_refund_that_never_left_is_never_sent_by_us_and_ends_with_a_person(site: Site, customer: Customer) -> None:
    site.serve()
    payment = customer.paid()
    die(site, customer, "refund_before_call", "/payments/refund", {"payment": payment["id"]}, key="back")
    live_again(site)
    for day in (1, 8):
        site.sweep(seconds=day * DAY)
    assert customer.wrote("/v1/refunds") == set()
    assert only_payment().attention == ["unknown_outcome"]
    both_books(customer, 1000)


@pytest.mark.parametrize("point", REFUND_FETCH)
def test_a_kill_while_a_lost_refund_is_looked_up_changes_nothing(
    site: Site, customer: Customer, simulator: Simulator, point: str
) -> None:
    site.serve()
    payment = customer.paid()
    simulator.fault("stripe", "reset_after", path="refunds", method="POST")
    simulator.webhook_fault("stripe", "drop", times=10)
    refund = made(customer.post("/payments/refund", {"payment": payment["id"], "amount": 600}, key="back"))
    assert (refund["status"], refund["pending_reason"]) == ("pending", "outcome_unknown")
    site.sweep(seconds=MINUTE, crash_at=point)
    site.sweep(seconds=10 * MINUTE)
    assert Refund.across_labs.get().status == "succeeded"
    both_books(customer, 1000, 600)


# Capture and void ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", CAPTURE)
def test_a_killed_capture_takes_the_money_once(
    site: Site, customer: Customer, simulator: Simulator, point: str
) -> None:
    site.serve()
    payment = customer.paid(capture="manual")
    assert payment["status"] == "authorized"
    simulator.webhook_fault("stripe", "drop", times=20)  # nobody else tells us
    path = f"/v1/payments/{payment['id']}/capture"
    die(site, customer, point, path, {}, key="take")
    live_again(site)
    assert customer.post(path, {}, key="take").status_code == 200
    for minutes in (1, 10, 60):
        site.sweep(seconds=minutes * MINUTE)
    if point == "capture_before_call":  # the gateway never heard of it: once that is known, it can be asked again
        assert customer.status(payment)["status"] == "authorized"
        both_books(customer, 0)
        assert customer.post(path, {}, key="take-again").status_code == 200
    assert customer.status(payment)["status"] == "captured"
    assert len({call["idempotency_key"] for call in calls(simulator, "/capture")}) == 1
    both_books(customer, 1000)


@pytest.mark.parametrize("point", VOID)
def test_a_killed_void_releases_the_hold_once(site: Site, customer: Customer, simulator: Simulator, point: str) -> None:
    site.serve()
    payment = customer.paid(capture="manual")
    simulator.webhook_fault("stripe", "drop", times=20)
    path = f"/v1/payments/{payment['id']}/void"
    die(site, customer, point, path, {}, key="release")
    live_again(site)
    assert customer.post(path, {}, key="release").status_code == 200
    for minutes in (1, 10, 60):
        site.sweep(seconds=minutes * MINUTE)
    assert len({call["idempotency_key"] for call in calls(simulator, "/cancel")}) == 1
    assert customer.status(payment)["status"] == "voided"
    both_books(customer, 0)


def calls(simulator: Simulator, ending: str) -> list[dict[str, Any]]:
    return [call for call in simulator.calls("stripe", method="POST") if call["path"].endswith(ending)]


# Webhook ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", WEBHOOK)
def test_a_killed_webhook_is_booked_once(site: Site, customer: Customer, simulator: Simulator, point: str) -> None:
    site.serve()
    payment = customer.initiate()
    site.serve(crash_at=point)
    simulator.act("stripe", "pay", payment["gateway_reference"])
    site.died()
    is_stored = point == "webhook_after_commit"  # safe before anybody was told so
    assert WebhookEvent.across_labs.count() == (1 if is_stored else 0)
    live_again(site)
    simulator.wait_idle()
    assert simulator.redeliver("stripe", last=20) >= 2  # what the gateway gave up, and all the rest once more
    simulator.wait_idle()
    site.sweep(seconds=MINUTE)
    shown = customer.status(payment)
    assert (shown["status"], shown["captured"], shown["attention"]) == ("captured", 1000, [])
    assert not WebhookEvent.across_labs.filter(state__in=["new", "error", "unmatched", "waiting"]).exists()
    both_books(customer, 1000)


def test_what_was_answered_200_is_there_after_a_kill(site: Site, customer: Customer, simulator: Simulator) -> None:
    site.serve()
    payment = customer.paid()
    site.stop()
    acknowledged = [one for one in simulator.webhooks("stripe") if one["status"] == 200]
    assert len(acknowledged) >= 2
    assert WebhookEvent.across_labs.count() == len(acknowledged)
    assert only_payment().public_id == payment["id"]
    both_books(customer, 1000)


# Fetch and sweep ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", FETCH)
def test_a_killed_fetch_is_made_again(site: Site, customer: Customer, simulator: Simulator, point: str) -> None:
    site.serve()
    payment = customer.initiate()
    simulator.webhook_fault("stripe", "drop", times=20)
    simulator.act("stripe", "pay", payment["gateway_reference"])
    site.serve(crash_at=point)
    with pytest.raises(Died):
        customer.status(payment)
    site.died()
    assert our_books(customer.lab) == ((1000, 0) if point == "fetch_after_apply_commit" else (0, 0))
    live_again(site, sweep=False)
    site.sweep(seconds=60 * MINUTE)  # nobody asks: it is due
    assert only_payment().status == "captured"
    both_books(customer, 1000)


@pytest.mark.parametrize("point", CLOSE)
def test_a_kill_between_closing_an_order_and_its_expiry_heals(
    site: Site, customer: Customer, simulator: Simulator, point: str
) -> None:
    site.serve()
    payment = customer.initiate(expires_in=3600)
    simulator.webhook_fault("stripe", "drop", times=20)
    site.sweep(seconds=120 * MINUTE, crash_at=point)
    assert only_payment().status == ("expired" if point == "close_after_apply_commit" else "pending")
    leases_run_out()
    site.sweep(seconds=130 * MINUTE)
    assert only_payment().status == "expired"
    closes = PaymentGatewayTransaction.across_labs.filter(operation="close").values_list("outcome", flat=True)
    assert set(closes) == {"answered"}
    with pytest.raises(ValueError, match="the simulator refused"):
        simulator.act("stripe", "pay", payment["gateway_reference"])


@pytest.mark.parametrize("point", DISPUTE_FETCH)
def test_a_kill_while_a_dispute_is_asked_about_loses_no_verdict(
    site: Site, customer: Customer, simulator: Simulator, point: str
) -> None:
    site.serve()
    payment = customer.paid()
    simulator.act("stripe", "dispute", payment["gateway_reference"])
    simulator.wait_idle()
    simulator.webhook_fault("stripe", "drop", times=20)
    simulator.act("stripe", "dispute_lose", payment["gateway_reference"])
    site.sweep(seconds=DAY + MINUTE, crash_at=point)
    site.sweep(seconds=DAY + 10 * MINUTE)
    assert list(Dispute.across_labs.values_list("status", "withdrawn")) == [("lost", 2500)]
    assert broken_invariants() == []


@pytest.mark.parametrize("point", SWEEP_CRASHED)
def test_a_sweep_that_dies_over_a_crashed_operation_is_no_second_crash(
    site: Site, customer: Customer, point: str
) -> None:
    die(site, customer, "initiate_after_call", "/payments/initiate", ORDER, key="order")
    site.serve()
    leases_run_out()
    site.sweep(crash_at=point)
    site.sweep(seconds=MINUTE)
    payment = made(customer.post("/payments/initiate", ORDER, key="order"))
    assert only_payment().unknown_since is None
    pay_and_see(customer, payment)


@pytest.mark.parametrize("point", SWEEP_EVENTS)
def test_a_sweep_that_dies_over_events_leaves_them_for_the_next(
    site: Site, customer: Customer, simulator: Simulator, point: str
) -> None:
    site.serve()
    payment = customer.initiate()
    with payments_locked():
        simulator.act("stripe", "pay", payment["gateway_reference"])
        simulator.wait_idle()
    assert set(WebhookEvent.across_labs.values_list("state", flat=True)) == {"new"}
    assert only_payment().status == "pending"
    site.sweep(seconds=MINUTE, crash_at=point)
    assert only_payment().status == ("pending" if point == "sweep_before_events_commit" else "captured")
    site.sweep(seconds=2 * MINUTE)
    assert set(WebhookEvent.across_labs.values_list("state", flat=True)) == {"applied"}
    both_books(customer, 1000)


# Payment link and gateway key ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("point", LINK)
def test_a_kill_behind_a_links_form_takes_one_use_for_one_payment(
    site: Site, customer: Customer, simulator: Simulator, point: str
) -> None:
    link = links.create_link(lab=customer.lab, mode=Mode.LIVE, currency="EUR", amount=1000, actor="test", max_uses=1)
    address = links.link_url(link)
    site.serve()
    with httpx.Client(timeout=30, trust_env=False, verify=False) as browser:
        fields = hidden_fields(browser.get(address).text)
        site.serve(crash_at=point)
        with pytest.raises(httpx.TransportError):
            browser.post(
                address, data={**fields, "gateway": "stripe"}, headers={"Referer": address, "Origin": site.url}
            )
        site.died()
        live_again(site)
        again = browser.post(
            address, data={**fields, "gateway": "stripe"}, headers={"Referer": address, "Origin": site.url}
        )
        assert again.status_code == 303, again.text
        page = again.headers["Location"]
        assert browser.get(page).status_code == 200
    site.sweep(seconds=MINUTE)
    payment = only_payment()
    assert OnlinePayment.across_labs.get().uses == 1
    assert len(customer.gateway_books()) == (0 if point == "link_after_intent_commit" else 1)
    assert broken_invariants() == []
    if payment.gateway_reference:
        pay_and_see(customer, {"id": payment.public_id, "gateway_reference": payment.gateway_reference})


def hidden_fields(page: str) -> dict[str, str]:
    """Names and values of a form's hidden inputs."""
    inputs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
    return {name: unescape(value) for name, value in inputs}


@pytest.mark.parametrize("point", GATEWAY_KEY)
def test_a_kill_while_a_gateway_key_is_kept_keeps_it_once(site: Site, customer: Customer, point: str) -> None:
    credentials = {"api_key": "CRASH-KEY0001-ABCDEFG-HIJKLMN", "ipn_secret": "crash-ipn-secret-01"}
    wish = {"gateway": "nowpayments", "label": "second", "credentials": credentials}
    die(site, customer, point, "/v1/gateway-keys", wish, key="keep")
    is_kept = point == "after_work_commit"
    assert PaymentGatewayKey.across_labs.filter(label="second").count() == (1 if is_kept else 0)
    live_again(site)
    kept = customer.post("/v1/gateway-keys", wish, key="keep")
    assert kept.status_code == 201, kept.text
    assert kept.headers.get("Idempotency-Replayed") == ("true" if is_kept else None)
    assert PaymentGatewayKey.across_labs.get(label="second").public_id == kept.json()["id"]


@pytest.mark.parametrize("point", SAVE_METHOD)
def test_a_killed_wish_to_save_a_method_is_one_after_a_repeat(site: Site, customer: Customer, point: str) -> None:
    wish = {"customer": {"id": "mira"}, "currency": "EUR", "consent": True}
    die(site, customer, point, "/v1/profiles", wish, key="save")
    live_again(site)
    saved = made(customer.post("/v1/profiles", wish, key="save"))
    assert saved["next_action"] is not None
    assert CustomerPaymentProfile.across_labs.get().public_id == saved["id"]
    assert customer.wrote("/v1/checkout/sessions") == {f"{saved['id']}:save"}
    assert broken_invariants() == []


# Completeness -------------------------------------------------------------------------------------------------------


def test_every_crash_point_of_the_code_is_one_where_a_test_kills() -> None:
    found: set[str] = set()
    for folder in ("core", "finance", "payments"):
        for path in Path(django_settings.BASE_DIR, folder).rglob("*.py"):
            for name in re.findall(r'crash\.point\(f?"([^"]+)"\)', path.read_text()):
                verbs = ("capture", "void") if "{verb}" in name else ("",)
                found |= {name.replace("{verb}", verb) for verb in verbs}
    assert found == ALL
    assert len(found) >= 25


def test_a_point_that_is_not_armed_kills_nobody(site: Site, customer: Customer) -> None:
    site.serve(crash_at="somewhere_else")
    payment = customer.paid()
    assert payment["status"] == "captured"
    assert Payment.across_labs.count() == 1
