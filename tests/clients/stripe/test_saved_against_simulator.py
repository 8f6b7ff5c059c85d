"""Our client and our simulator about saved methods and disputes, over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from clients.simulator.testing import Simulator, running_simulator
from clients.stripe.config import API, CHECKOUT
from clients.stripe.gateway import StripeGateway
from core.gateways.errors import GatewayUnavailable, RequestRejected
from core.gateways.testing import MemoryCache
from core.gateways.types import (
    ChargeRequest,
    ClientToken,
    CustomerDetails,
    DeleteSavedRequest,
    DisputeNames,
    DisputeStatus,
    Method,
    MethodNames,
    MethodStatus,
    Mode,
    NotFound,
    PaymentNames,
    PaymentStatus,
    Presentation,
    Redirect,
    Report,
    SavedMethod,
    SaveMethodRequest,
    Subject,
)
from core.http import GatewayHttp
from tests.clients.simulator.receiver import Receiver, running_receiver
from tests.clients.stripe.test_against_simulator import (
    CREDENTIALS,
    REFERENCE,
    request,
    told,
)

# --- saved methods and disputes -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator({"stripe": "clients.stripe.simulator:StripeSimulator"}) as simulator:
        yield simulator


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as one:
        yield one


@pytest.fixture
def simulator(running: Simulator, receiver: Receiver) -> Simulator:
    running.reset(accounts=True)
    running.clear_faults()
    running.register("stripe", mode="test", credentials=CREDENTIALS, webhook_url=receiver.url)
    return running


@pytest.fixture
def gateway(simulator: Simulator) -> StripeGateway:
    return StripeGateway(
        CREDENTIALS,
        mode=Mode.TEST,
        http=GatewayHttp(origins=[API, CHECKOUT], overrides=simulator.overrides(API, CHECKOUT)),
        cache=MemoryCache(),
        clock=lambda: datetime.now(UTC),
    )


def save_request() -> SaveMethodRequest:
    return SaveMethodRequest(
        reference="PM_1", idempotency_key="PM_1:save", currency="EUR", webhook_url="https://pay.example.com/hook",
        return_url="https://pay.example.com/p/abc/return", customer=CustomerDetails(id="7", email="ada@example.com"),
    )  # fmt: skip


def heard_about(gateway: StripeGateway, simulator: Simulator, receiver: Receiver, subject: Subject) -> list[Report]:
    return [report for _, report in told(simulator, receiver, gateway) if report.about is subject]


def charged(gateway: StripeGateway, kept: SavedMethod, number: int = 2) -> Report:
    again = request(reference=f"PAY_20261120183005_1a2b3c4d_{number}", idempotency_key=f"charge-{number}")
    return gateway.charge_saved(ChargeRequest(payment=again, saved=kept))


@pytest.mark.parametrize("presentation", list(Presentation))
def test_a_method_is_saved_while_paying_charged_and_forgotten(
    simulator: Simulator, gateway: StripeGateway, receiver: Receiver, presentation: Presentation
) -> None:
    made = gateway.initiate(request(save_method=True, presentation=presentation))
    simulator.act("stripe", "pay", REFERENCE)
    paid = gateway.fetch_payment(PaymentNames(reference=REFERENCE, gateway_reference=made.gateway_reference))
    assert isinstance(paid, Report)
    kept = paid.saved
    assert kept is not None
    assert kept.method == Method(
        kind="card", brand="visa", last_four="4242", expiry_month=12, expiry_year=2034, network="visa"
    )
    tokens = {report.saved.token for _, report in told(simulator, receiver, gateway) if report.saved is not None}
    assert tokens == {kept.token}
    later = charged(gateway, kept)
    assert (later.status, later.captured_minor, later.saved) == (PaymentStatus.CAPTURED, 1299, None)
    forget = DeleteSavedRequest(saved=kept, idempotency_key="forget-1")
    gateway.delete_saved(forget)
    gateway.delete_saved(DeleteSavedRequest(saved=kept, idempotency_key="forget-2"))
    with pytest.raises(RequestRejected):
        charged(gateway, kept, 3)


def test_a_method_is_saved_alone_and_charged(simulator: Simulator, gateway: StripeGateway, receiver: Receiver) -> None:
    begun = gateway.save_method(save_request())
    assert (begun.status, begun.reference) == (MethodStatus.PENDING, "PM_1")
    assert isinstance(begun.next_action, Redirect)
    names = MethodNames(reference="PM_1", gateway_reference=begun.gateway_reference)
    waiting = gateway.fetch_method(names)
    assert isinstance(waiting, Report)
    assert (waiting.status, waiting.next_action, waiting.saved) == (begun.status, begun.next_action, None)
    simulator.act("stripe", "pay", "PM_1")
    fetched = gateway.fetch_method(names)
    assert isinstance(fetched, Report) and fetched.saved is not None
    assert (fetched.status, charged(gateway, fetched.saved).status) == (MethodStatus.ACTIVE, PaymentStatus.CAPTURED)
    assert isinstance(gateway.fetch_method(MethodNames(reference="PM_1", gateway_reference="cs_live_none")), NotFound)
    assert isinstance(gateway.fetch_method(MethodNames(reference="PM_1")), NotFound)
    with pytest.raises(GatewayUnavailable, match="another session"):
        gateway.fetch_method(MethodNames(reference="PM_2", gateway_reference=begun.gateway_reference))
    facts = heard_about(gateway, simulator, receiver, Subject.METHOD)
    assert {report.reference for report in facts} == {"PM_1"}
    (active,) = [report for report in facts if report.status is MethodStatus.ACTIVE]
    assert active.saved is not None
    assert charged(gateway, active.saved).status is PaymentStatus.CAPTURED


def test_a_bank_that_wants_the_customer_back_is_a_decline_and_a_way_on(
    simulator: Simulator, gateway: StripeGateway, receiver: Receiver
) -> None:
    gateway.save_method(save_request())
    simulator.act("stripe", "pay_3ds", "PM_1")
    (active,) = [one for one in heard_about(gateway, simulator, receiver, Subject.METHOD) if one.saved is not None]
    assert active.saved is not None
    report = charged(gateway, active.saved)
    assert report.decline is not None
    assert (report.status, report.decline.code) == (PaymentStatus.FAILED, "authentication_required")
    assert isinstance(report.next_action, ClientToken)
    assert charged(gateway, active.saved) == report  # the same key repeats the stored answer
    simulator.act("stripe", "pay_3ds", report.gateway_reference or "", card=active.saved.token)
    found = gateway.fetch_payment(PaymentNames(gateway_reference=report.gateway_reference))
    assert isinstance(found, Report)
    assert (found.status, found.captured_minor) == (PaymentStatus.CAPTURED, 1299)


def test_a_declined_charge_of_a_saved_method_is_a_result(
    simulator: Simulator, gateway: StripeGateway, receiver: Receiver
) -> None:
    gateway.save_method(save_request())
    simulator.act("stripe", "pay", "PM_1", card="pm_card_chargeCustomerFail")
    (active,) = [one for one in heard_about(gateway, simulator, receiver, Subject.METHOD) if one.saved is not None]
    assert active.saved is not None
    report = charged(gateway, active.saved)
    assert report.decline is not None
    assert (report.status, report.decline.code, report.next_action) == (PaymentStatus.FAILED, "declined", None)


def test_a_dispute_is_followed_from_withdrawal_to_the_money_s_return(
    simulator: Simulator, gateway: StripeGateway, receiver: Receiver
) -> None:
    gateway.initiate(request())
    simulator.act("stripe", "pay", REFERENCE)
    simulator.act("stripe", "dispute", REFERENCE)
    facts = heard_about(gateway, simulator, receiver, Subject.DISPUTE)
    assert [(one.status, one.withdrawn_minor) for one in facts] == [(DisputeStatus.NEEDS_RESPONSE, 2799)] * 2
    names = DisputeNames(gateway_reference=facts[0].gateway_reference or "")
    simulator.act("stripe", "dispute_win", REFERENCE)
    found = gateway.fetch_dispute(names)
    assert isinstance(found, Report)
    assert (found.status, found.withdrawn_minor, found.dispute_reason) == (DisputeStatus.WON, 0, "fraudulent")
    assert found.respond_by is not None
    assert isinstance(gateway.fetch_dispute(DisputeNames(gateway_reference="du_nobody")), NotFound)
