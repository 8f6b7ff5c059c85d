"""Our client and our simulator, written apart from one protocol page, must understand each other over real HTTP.

This covers what localstripe does not know: Checkout Sessions, idempotency, refund events, delayed methods, lost answers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from clients.simulator.testing import Simulator, running_simulator
from clients.stripe.config import API, CHECKOUT
from clients.stripe.gateway import StripeGateway
from core.gateways.errors import GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.testing import MemoryCache
from core.gateways.types import (
    CaptureMode,
    CaptureRequest,
    ClientToken,
    Mode,
    NotFound,
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

SECRET = "whsec_simulated_0001"
CREDENTIALS = {
    "secret_key": "sk_test_simulated0001",
    "publishable_key": "pk_test_simulated0001",
    "webhook_secret": SECRET,
}
REFERENCE = "PAY_20261120183005_1a2b3c4d_1"


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


def request(**changes: Any) -> PaymentRequest:
    plain = PaymentRequest(
        reference=REFERENCE,
        amount=Money(1299, "EUR"),
        idempotency_key=f"{REFERENCE}:create",
        webhook_url="https://pay.example.com/hook",
        return_url="https://pay.example.com/back",
    )
    return replace(plain, **changes)


def names(report: Report) -> PaymentNames:
    return PaymentNames(
        reference=report.reference,
        gateway_reference=report.gateway_reference,
        other_references=report.other_references,
        created_at=datetime.now(UTC),
        acknowledged=True,
    )


def fetched(gateway: StripeGateway, report: Report) -> Report:
    found = gateway.fetch_payment(names(report))
    assert isinstance(found, Report)
    return found


def told(simulator: Simulator, receiver: Receiver, gateway: StripeGateway) -> list[tuple[str, Report]]:
    """Every delivery so far, verified and read."""
    simulator.wait_idle()
    readings = [
        gateway.read_webhook(WebhookDelivery(method="POST", url=one.path, headers=one.headers, body=one.body))
        for one in receiver.received
    ]
    return [(reading.event_type, report) for reading in readings for report in reading.reports]


def test_a_hosted_payment_from_start_to_refund(
    gateway: StripeGateway, simulator: Simulator, receiver: Receiver
) -> None:
    created = gateway.initiate(request())
    assert isinstance(created.next_action, Redirect)
    assert created.next_action.url.startswith(simulator.url)
    assert fetched(gateway, created).status is PaymentStatus.PENDING
    simulator.act("stripe", "pay", created.gateway_reference or "")
    paid = fetched(gateway, created)
    assert (paid.status, paid.captured_minor, paid.asset) == (PaymentStatus.CAPTURED, 1299, "EUR")
    assert paid.method is not None
    assert paid.method.kind == "card"
    said = told(simulator, receiver, gateway)
    assert {kind for kind, report in said if report.status is PaymentStatus.CAPTURED} >= {
        "payment_intent.succeeded",
        "checkout.session.completed",
    }
    assert {report.reference for _, report in said} == {REFERENCE}
    refund = gateway.refund(
        RefundRequest(
            names=names(paid), reference="REF_1", amount=Money(500, "EUR"), idempotency_key="REF_1", reason="a scratch"
        )
    )
    assert (refund.status, refund.refunded_minor, refund.reference) == (RefundStatus.SUCCEEDED, 500, "REF_1")
    by_list = gateway.fetch_refund(RefundNames(reference="REF_1", payment=names(created)))
    assert isinstance(by_list, Report)
    assert by_list.gateway_reference == refund.gateway_reference
    assert fetched(gateway, created).refunded_minor == 500
    refunds = [one for _, one in told(simulator, receiver, gateway) if one.about is Subject.REFUND]
    assert {one.reference for one in refunds} == {"REF_1"}
    assert {one.payment.reference for one in refunds if one.payment} == {REFERENCE}


def test_too_much_is_not_given_back(gateway: StripeGateway, simulator: Simulator) -> None:
    created = gateway.initiate(request())
    simulator.act("stripe", "pay", created.gateway_reference or "")
    ask = RefundRequest(names=names(created), reference="REF_2", amount=Money(1300, "EUR"), idempotency_key="REF_2")
    with pytest.raises(RequestRejected):
        gateway.refund(ask)
    whole = replace(ask, amount=Money(1299, "EUR"), idempotency_key="REF_2b")
    assert gateway.refund(whole).refunded_minor == 1299
    # The same refund under a new key, as after a day: refused, looked up, and found to be done.
    again = gateway.refund(replace(whole, idempotency_key="REF_2c"))
    assert (again.status, again.refunded_minor) == (RefundStatus.SUCCEEDED, 1299)


def test_a_declined_try_leaves_the_page_open(gateway: StripeGateway, simulator: Simulator, receiver: Receiver) -> None:
    created = gateway.initiate(request())
    simulator.act("stripe", "decline", created.gateway_reference or "")
    open_still = fetched(gateway, created)
    assert open_still.status is PaymentStatus.PENDING
    assert open_still.decline is not None
    simulator.act("stripe", "pay", created.gateway_reference or "")
    assert fetched(gateway, created).status is PaymentStatus.CAPTURED
    assert {one.status for _, one in told(simulator, receiver, gateway)} == {
        PaymentStatus.PENDING,
        PaymentStatus.CAPTURED,
    }


def test_a_hold_on_the_page_is_taken_in_part(gateway: StripeGateway, simulator: Simulator) -> None:
    created = gateway.initiate(request(capture=CaptureMode.MANUAL))
    simulator.act("stripe", "pay", created.gateway_reference or "")
    held = fetched(gateway, created)
    assert (held.status, held.authorized_minor, held.captured_minor) == (PaymentStatus.AUTHORIZED, 1299, 0)
    ask = CaptureRequest(names=names(created), amount=Money(900, "EUR"), idempotency_key="capture-1")
    assert gateway.capture(ask).captured_minor == 900
    assert gateway.capture(ask).captured_minor == 900
    after = fetched(gateway, created)
    assert (after.status, after.captured_minor) == (PaymentStatus.CAPTURED, 900)


def test_a_hold_is_released_and_a_second_release_reports_the_truth(
    gateway: StripeGateway, simulator: Simulator, receiver: Receiver
) -> None:
    created = gateway.initiate(request(capture=CaptureMode.MANUAL))
    simulator.act("stripe", "pay", created.gateway_reference or "")
    void = VoidRequest(names=names(created), idempotency_key="void-1")
    assert gateway.void(void).status is PaymentStatus.VOIDED
    assert gateway.void(replace(void, idempotency_key="void-2")).status is PaymentStatus.VOIDED
    after = fetched(gateway, created)
    assert (after.status, after.captured_minor, after.refunded_minor) == (PaymentStatus.VOIDED, 0, 0)
    payments = [one for _, one in told(simulator, receiver, gateway) if one.about is Subject.PAYMENT]
    assert all(one.refunded_minor in {0, None} and one.captured_minor in {0, None} for one in payments)


def test_an_unpaid_page_is_closed(gateway: StripeGateway, simulator: Simulator) -> None:
    created = gateway.initiate(request())
    assert gateway.void(VoidRequest(names=names(created), idempotency_key="void-1")).status is PaymentStatus.EXPIRED
    assert fetched(gateway, created).status is PaymentStatus.EXPIRED


@pytest.mark.parametrize(
    ("ending", "status"), [("settle", PaymentStatus.CAPTURED), ("settle_fail", PaymentStatus.FAILED)]
)
def test_a_delayed_method_settles_or_fails_later(
    gateway: StripeGateway, simulator: Simulator, receiver: Receiver, ending: str, status: PaymentStatus
) -> None:
    created = gateway.initiate(request())
    simulator.act("stripe", "pay_delayed", created.gateway_reference or "")
    assert fetched(gateway, created).status is PaymentStatus.PENDING
    simulator.act("stripe", ending, created.gateway_reference or "")
    assert fetched(gateway, created).status is status
    assert status in {one.status for _, one in told(simulator, receiver, gateway)}


def test_a_payment_in_our_page(gateway: StripeGateway, simulator: Simulator) -> None:
    created = gateway.initiate(request(presentation=Presentation.EMBEDDED, description="Order 42"))
    assert isinstance(created.next_action, ClientToken)
    simulator.act("stripe", "decline", created.gateway_reference or "")
    assert fetched(gateway, created).status is PaymentStatus.FAILED
    simulator.act("stripe", "pay", created.gateway_reference or "")
    assert fetched(gateway, created).status is PaymentStatus.CAPTURED


@pytest.mark.parametrize("presentation", Presentation)
def test_a_lost_answer_is_found_again_and_a_repeat_makes_no_second_payment(
    gateway: StripeGateway, simulator: Simulator, presentation: Presentation
) -> None:
    asked = request(presentation=presentation)
    simulator.fault("stripe", "timeout_after", seconds=0.1)
    with pytest.raises(OutcomeUnknown):
        gateway.initiate(asked)
    lost = PaymentNames(reference=REFERENCE, created_at=datetime.now(UTC))
    found = gateway.fetch_payment(lost)
    assert isinstance(found, Report)
    assert gateway.initiate(asked).gateway_reference == found.gateway_reference
    assert isinstance(gateway.fetch_payment(replace(lost, reference="PAY_never")), NotFound)


def test_a_changed_repeat_is_refused(gateway: StripeGateway) -> None:
    gateway.initiate(request())
    with pytest.raises(RequestRejected) as caught:
        gateway.initiate(request(amount=Money(1300, "EUR")))
    assert caught.value.gateway_code == "idempotency_error"


@pytest.mark.parametrize(
    ("amount", "captured"),
    [
        (Money(740, "JPY"), 740),
        (Money(8730, "KWD"), 8730),
        (Money(9000, "UGX"), 9000),
        (Money(30000000, "MGA"), 30000000),
    ],
    ids=str,
)
def test_amounts_of_every_kind_arrive(
    gateway: StripeGateway, simulator: Simulator, amount: Money, captured: int
) -> None:
    created = gateway.initiate(request(amount=amount))
    simulator.act("stripe", "pay", created.gateway_reference or "")
    assert fetched(gateway, created).captured_minor == captured
    (line,) = simulator.books("stripe")
    assert Decimal(line["captured"]) == amount.decimal()


def test_the_key_is_proven(gateway: StripeGateway, simulator: Simulator) -> None:
    assert gateway.check_credentials().ok is True
    simulator.fault("stripe", "rate_limit")
    with pytest.raises(GatewayUnavailable):
        gateway.check_credentials()
