"""What the wire may say that nobody expects: quoted card numbers, answers of another shape, a look that is lost."""

from __future__ import annotations

from typing import Any

import pytest

from core.gateways.errors import GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.testing import Answer, FakeHttp, answer
from core.gateways.types import Fraud, FraudStatus, PaymentNames, PaymentStatus, RefundRequest
from core.http import NoAnswer, NotSent
from core.money import Money
from tests.clients.razorpay.case import CASE
from tests.clients.razorpay.objects import (
    FAILED_ID,
    ORDER_ID,
    PAYMENT_ID,
    REFERENCE,
    REFUND_REFERENCE,
    delivery,
    error,
    event,
    failed,
    payment,
)

QUOTED = "Card 4100 2800 0000 1007 of ada@example.com was refused."
HIDDEN = "Card [card number] of a***@example.com was refused."
OTHER_REQUEST = "Different request with the same idempotency key was sent"


def opened(*answers: Answer) -> Any:
    return CASE.open(FakeHttp(list(answers)))


# --- sentences that quote what the buyer typed ----------------------------------------------------------------------


def test_a_decline_holds_no_card_number_and_no_e_mail() -> None:
    report = CASE.read(delivery(event("payment.failed", payment=failed(error_description=QUOTED))))
    assert report.decline is not None and report.decline.message == HIDDEN


def test_a_verdict_holds_no_card_number_and_no_e_mail() -> None:
    blocked = failed(error_reason="payment_risk_check_failed", error_description=QUOTED)
    report = CASE.read(delivery(event("payment.failed", payment=blocked)))
    assert report.fraud == Fraud(status=FraudStatus.REJECT, message=HIDDEN)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [(400, "BAD_REQUEST_ERROR", RequestRejected), (500, "SERVER_ERROR", OutcomeUnknown)],
)
def test_an_error_holds_no_card_number_and_no_e_mail(status: int, code: str, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        opened(answer(error(QUOTED, code), status=status)).initiate(CASE.payment_request())
    assert str(caught.value).endswith(HIDDEN)


# --- answers of another shape -----------------------------------------------------------------------------------------


def test_a_payment_of_the_order_that_was_asked_for_is_an_answer_about_it() -> None:
    known = PaymentNames(reference=REFERENCE, gateway_reference=ORDER_ID)
    report = opened(answer(payment(order_id=ORDER_ID))).fetch_payment(known)
    assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, 129900)
    assert (report.gateway_reference, report.other_references) == (ORDER_ID, (PAYMENT_ID,))
    report = opened(answer(failed(order_id=ORDER_ID))).fetch_payment(known)
    assert (report.status, report.other_references) == (PaymentStatus.PENDING, (FAILED_ID,))


@pytest.mark.parametrize("order_id", [None, "order_DocOther00001", ["order"]])
def test_a_payment_of_any_other_order_is_not(order_id: Any) -> None:
    stranger = answer(payment(order_id=order_id))
    with pytest.raises(GatewayUnavailable):
        opened(stranger, stranger).fetch_payment(PaymentNames(gateway_reference=ORDER_ID))


# --- a refund whose key was used before -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (NoAnswer("ReadTimeout"), OutcomeUnknown),
        (answer("busy", status=503), OutcomeUnknown),
        (NotSent("ConnectError"), RequestRejected),
    ],
)
def test_a_refund_that_did_run_under_its_key_is_not_said_to_have_failed_unseen(
    trouble: Answer, kind: type[Exception]
) -> None:
    known = PaymentNames(reference=REFERENCE, gateway_reference=ORDER_ID, other_references=(PAYMENT_ID,))
    asked = RefundRequest(names=known, reference=REFUND_REFERENCE, amount=Money(50000, "INR"), idempotency_key="RF_1")
    with pytest.raises(kind):
        opened(answer(error(OTHER_REQUEST), status=409), trouble).refund(asked)
