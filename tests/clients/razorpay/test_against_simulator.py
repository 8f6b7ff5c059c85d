"""Our client and the simulator, written apart from one protocol page, must understand each other over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from clients.razorpay.config import API, LINKS, SCRIPT_ORIGIN
from clients.razorpay.gateway import RazorpayGateway
from clients.simulator.testing import Simulator, running_simulator
from core.gateways.errors import GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.testing import MemoryCache
from core.gateways.types import (
    CaptureMode,
    CaptureRequest,
    ChargeRequest,
    ClientToken,
    CustomerDetails,
    DeleteSavedRequest,
    DisputeNames,
    DisputeStatus,
    FormPost,
    Mode,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Presentation,
    Redirect,
    RefundNames,
    RefundRequest,
    RefundStatus,
    Report,
    Subject,
    VoidRequest,
    WebhookDelivery,
)
from core.http import GatewayHttp
from core.money import Money
from tests.clients.simulator.receiver import Receiver, running_receiver

CREDENTIALS = {
    "key_id": "rzp_test_Simulated0001",
    "key_secret": "simulatedKeySecret01",
    "webhook_secret": "simulated webhook secret",
}
REFERENCE = "PAY_20261120183005_1a2b3c4d_1"
TOTAL = Money(129900, "INR")


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator({"razorpay": "clients.razorpay.simulator:RazorpaySimulator"}) as simulator:
        yield simulator


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as one:
        yield one


@pytest.fixture
def simulator(running: Simulator, receiver: Receiver) -> Simulator:
    running.reset(accounts=True)
    running.clear_faults()
    running.register("razorpay", mode="test", credentials=CREDENTIALS, webhook_url=receiver.url)
    return running


@pytest.fixture
def gateway(simulator: Simulator) -> RazorpayGateway:
    origins = (API, LINKS, SCRIPT_ORIGIN)
    return RazorpayGateway(
        CREDENTIALS,
        mode=Mode.TEST,
        http=GatewayHttp(origins=origins, overrides=simulator.overrides(*origins)),
        cache=MemoryCache(),
        clock=lambda: datetime.now(UTC),
    )


def request(**changes: Any) -> PaymentRequest:
    plain = PaymentRequest(
        reference=REFERENCE,
        amount=TOTAL,
        idempotency_key=f"{REFERENCE}:create",
        webhook_url="https://pay.example.com/hook",
        return_url="https://pay.example.com/back",
        customer=CustomerDetails(name="Ada Example", email="ada@example.com", phone="+919900000000"),
    )
    return replace(plain, **changes)


def names(*reports: Report) -> PaymentNames:
    known = [name for one in reports for name in (one.gateway_reference, *one.other_references) if name]
    return PaymentNames(
        reference=REFERENCE,
        gateway_reference=known[0],
        other_references=tuple(known[1:]),
        amount=TOTAL,
        acknowledged=True,
    )


def fetched(gateway: RazorpayGateway, *reports: Report) -> Report:
    found = gateway.fetch_payment(names(*reports))
    assert isinstance(found, Report)
    return found


def told(simulator: Simulator, receiver: Receiver, gateway: RazorpayGateway) -> list[tuple[str, Report]]:
    """Every delivery so far, verified and read."""
    simulator.wait_idle()
    readings = [
        gateway.read_webhook(WebhookDelivery(method="POST", url=one.path, headers=one.headers, body=one.body))
        for one in receiver.received
    ]
    return [(reading.event_type, report) for reading in readings for report in reading.reports]


def refund_request(paid: Report, minor: int, number: int = 1) -> RefundRequest:
    return RefundRequest(
        names=names(paid),
        reference=f"REF_{number}",
        amount=Money(minor, "INR"),
        idempotency_key=f"REF_{number}:refund",
        reason="a scratch",
    )


def test_credentials_are_told_apart(gateway: RazorpayGateway, simulator: Simulator) -> None:
    assert gateway.check_credentials().ok is True
    other = RazorpayGateway(
        {**CREDENTIALS, "key_secret": "anotherKeySecret01"},
        mode=Mode.TEST,
        http=GatewayHttp(origins=[API], overrides=simulator.overrides(API)),
        cache=MemoryCache(),
        clock=lambda: datetime.now(UTC),
    )
    assert other.check_credentials().ok is False


def test_a_link_from_start_to_refund(gateway: RazorpayGateway, simulator: Simulator, receiver: Receiver) -> None:
    created = gateway.initiate(request())
    assert isinstance(created.next_action, Redirect) and created.next_action.url.startswith(simulator.url)
    assert fetched(gateway, created).status is PaymentStatus.PENDING
    simulator.act("razorpay", "pay", created.gateway_reference or "")
    paid = fetched(gateway, created)
    assert (paid.status, paid.captured_minor, paid.asset) == (PaymentStatus.CAPTURED, 129900, "INR")
    assert paid.method is not None and any(one.startswith("pay_") for one in paid.other_references)
    said = told(simulator, receiver, gateway)
    taken = {kind for kind, report in said if report.status is PaymentStatus.CAPTURED}
    assert taken >= {"payment.captured", "order.paid", "payment_link.paid"}
    by_link = next(report for kind, report in said if kind == "payment_link.paid")
    assert (by_link.reference, by_link.gateway_reference) == (REFERENCE, created.gateway_reference)
    part = gateway.refund(refund_request(paid, 50000))
    assert (part.refunded_minor, part.reference) == (50000, "REF_1")
    again = gateway.refund(refund_request(paid, 50000))
    assert again.gateway_reference == part.gateway_reference
    rest = gateway.refund(refund_request(paid, 79900, 2))
    by_list = gateway.fetch_refund(RefundNames(reference="REF_2", payment=names(paid)))
    assert isinstance(by_list, Report) and by_list.gateway_reference == rest.gateway_reference
    assert fetched(gateway, created).status is PaymentStatus.CAPTURED
    refunds = [one for _, one in told(simulator, receiver, gateway) if one.about is Subject.REFUND]
    assert {one.reference for one in refunds} == {"REF_1", "REF_2"}
    assert RefundStatus.SUCCEEDED in {one.status for one in refunds}


def test_a_failed_try_leaves_the_link_open(gateway: RazorpayGateway, simulator: Simulator, receiver: Receiver) -> None:
    created = gateway.initiate(request())
    simulator.act("razorpay", "decline", created.gateway_reference or "")
    tried = fetched(gateway, created)
    assert tried.status is PaymentStatus.PENDING and tried.decline is not None
    assert isinstance(tried.next_action, Redirect)
    failed = [report for kind, report in told(simulator, receiver, gateway) if kind == "payment.failed"]
    assert failed and all(one.status is PaymentStatus.PENDING and one.decline for one in failed)
    simulator.act("razorpay", "pay", created.gateway_reference or "")
    assert fetched(gateway, created).status is PaymentStatus.CAPTURED


def test_an_unpaid_link_is_cancelled_once_and_told_as_cancelled_again(gateway: RazorpayGateway) -> None:
    created = gateway.initiate(request())
    for _ in range(2):
        void = gateway.void(VoidRequest(names=names(created), idempotency_key="void-1"))
        assert (void.status, void.captured_minor) == (PaymentStatus.EXPIRED, 0)


def test_an_order_is_held_and_captured(gateway: RazorpayGateway, simulator: Simulator, receiver: Receiver) -> None:
    created = gateway.initiate(request(capture=CaptureMode.MANUAL))
    assert isinstance(created.next_action, FormPost)
    simulator.act("razorpay", "authorize", created.gateway_reference or "")
    held = fetched(gateway, created)
    assert (held.status, held.authorized_minor, held.captured_minor) == (PaymentStatus.AUTHORIZED, 129900, 0)
    ask = CaptureRequest(names=names(held), amount=TOTAL, idempotency_key="capture-1")
    taken = gateway.capture(ask)
    assert (taken.status, taken.captured_minor) == (PaymentStatus.CAPTURED, 129900)
    with pytest.raises(OutcomeUnknown):
        gateway.capture(ask)
    assert fetched(gateway, created).status is PaymentStatus.CAPTURED
    kinds = {kind for kind, _ in told(simulator, receiver, gateway)}
    assert kinds >= {"payment.authorized", "payment.captured", "order.paid"}


def test_an_order_in_our_page_is_captured_by_itself(gateway: RazorpayGateway, simulator: Simulator) -> None:
    created = gateway.initiate(request(presentation=Presentation.EMBEDDED))
    assert isinstance(created.next_action, ClientToken)
    simulator.act("razorpay", "pay", created.gateway_reference or "")
    assert fetched(gateway, created).captured_minor == 129900


@pytest.mark.parametrize("presentation", list(Presentation))
def test_a_lost_create_is_found_by_our_reference(
    gateway: RazorpayGateway, simulator: Simulator, presentation: Presentation
) -> None:
    simulator.fault("razorpay", "reset_after", method="POST", times=1)
    with pytest.raises(OutcomeUnknown):
        gateway.initiate(request(presentation=presentation))
    found = gateway.fetch_payment(PaymentNames(reference=REFERENCE, amount=TOTAL))
    assert isinstance(found, Report)
    assert (found.status, found.reference) == (PaymentStatus.PENDING, REFERENCE)
    assert found.next_action is not None
    if presentation is Presentation.HOSTED:
        with pytest.raises(OutcomeUnknown):  # its reference is taken
            gateway.initiate(request())


def test_a_refund_whose_answer_was_lost_is_made_once(gateway: RazorpayGateway, simulator: Simulator) -> None:
    created = gateway.initiate(request())
    simulator.act("razorpay", "pay", created.gateway_reference or "")
    paid = fetched(gateway, created)
    simulator.fault("razorpay", "html_502_after", method="POST", times=1)
    with pytest.raises(OutcomeUnknown):
        gateway.refund(refund_request(paid, 50000))
    assert gateway.refund(refund_request(paid, 50000)).refunded_minor == 50000
    (line,) = simulator.books("razorpay")
    assert str(line["refunded"]) in {"500", "500.00", "500.0"}


def test_an_outage_tells_nothing(gateway: RazorpayGateway, simulator: Simulator) -> None:
    created = gateway.initiate(request())
    simulator.fault("razorpay", "rate_limit", times=5)
    with pytest.raises(GatewayUnavailable):
        gateway.fetch_payment(names(created))


def test_a_late_authorization_after_failed_is_captured(gateway: RazorpayGateway, simulator: Simulator) -> None:
    created = gateway.initiate(request(presentation=Presentation.EMBEDDED))
    simulator.act("razorpay", "decline", created.gateway_reference or "")
    assert fetched(gateway, created).decline is not None
    simulator.act("razorpay", "pay_late", created.gateway_reference or "")
    paid = fetched(gateway, created)
    assert (paid.status, paid.captured_minor, paid.decline) == (PaymentStatus.CAPTURED, 129900, None)


def test_a_dispute_is_told_and_fetched(gateway: RazorpayGateway, simulator: Simulator, receiver: Receiver) -> None:
    created = gateway.initiate(request())
    simulator.act("razorpay", "pay", created.gateway_reference or "")
    paid = fetched(gateway, created)
    simulator.act("razorpay", "dispute", created.gateway_reference or "")
    opened = next(one for _, one in told(simulator, receiver, gateway) if one.about is Subject.DISPUTE)
    assert (opened.status, opened.withdrawn_minor) == (DisputeStatus.NEEDS_RESPONSE, 0)
    assert opened.payment is not None
    assert set(paid.other_references) & {opened.payment.gateway_reference, *opened.payment.other_references}
    asked = DisputeNames(gateway_reference=opened.gateway_reference or "", payment=names(paid))
    found = gateway.fetch_dispute(asked)
    assert isinstance(found, Report)
    assert (found.status, found.amount_minor) == (DisputeStatus.NEEDS_RESPONSE, opened.amount_minor)


def test_a_method_is_saved_charged_and_deleted(
    gateway: RazorpayGateway, simulator: Simulator, receiver: Receiver
) -> None:
    created = gateway.initiate(request(save_method=True))
    simulator.act("razorpay", "pay", created.gateway_reference or "")
    saved = fetched(gateway, created).saved
    assert saved is not None and saved.customer_token is not None
    assert any(one.saved and one.saved.token == saved.token for _, one in told(simulator, receiver, gateway))
    later = request(reference=f"{REFERENCE}-later")
    charged = gateway.charge_saved(ChargeRequest(payment=later, saved=saved))
    assert charged.status is PaymentStatus.PENDING and (charged.gateway_reference or "").startswith("order_")
    simulator.advance(2 * 86_400)
    simulator.wait_idle()
    assert fetched(gateway, charged).captured_minor == 129900
    for _ in range(2):
        gateway.delete_saved(DeleteSavedRequest(saved=saved, idempotency_key="delete-1"))
    with pytest.raises(RequestRejected):
        gateway.charge_saved(ChargeRequest(payment=request(reference=f"{REFERENCE}-gone"), saved=saved))
