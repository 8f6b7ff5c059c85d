"""What the wire may say that nobody expects: half answers, old shapes, quoted card numbers, odd addresses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clients.stripe import translate
from core.gateways.encoding import report_to_json
from core.gateways.errors import GatewayMisconfigured, GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.testing import Answer, FakeHttp, answer
from core.gateways.types import (
    Attention,
    ChargeRequest,
    Fraud,
    FraudStatus,
    Mode,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    RefundRequest,
    SavedMethod,
    WebhookDelivery,
)
from core.http import NoAnswer, NotSent
from core.money import Money
from tests.clients.stripe.case import CASE, REFERENCE, REFUND_REFERENCE
from tests.clients.stripe.objects import OLD_SECRET, SECRET, charge, declined, delivery, event, intent, session

QUOTED = "The card 4242 4242 4242 4242 of ada@example.com was refused."
HIDDEN = "The card [card number] of a***@example.com was refused."
PAID = event("payment_intent.succeeded", intent(status="succeeded", amount_received=1299))


def opened(*answers: Answer, **credentials: Any) -> Any:
    return CASE.open(FakeHttp(list(answers)), credentials={**CASE.credentials(Mode.TEST), **credentials})


def refusal(status: int = 400, **members: Any) -> Answer:
    return answer({"error": {"type": "invalid_request_error", **members}}, status=status)


# --- secrets ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("current", ["", "        ", "short", None])
def test_without_a_usable_current_secret_the_previous_ones_prove_nothing(current: str | None) -> None:
    gateway = opened(webhook_secret=current, previous_webhook_secrets=[SECRET, OLD_SECRET])
    with pytest.raises(GatewayMisconfigured):
        gateway.read_webhook(delivery(PAID, SECRET))


def test_beside_a_current_secret_the_previous_one_is_tried() -> None:
    gateway = opened(webhook_secret="whsec_doc_NEWEST", previous_webhook_secrets=[OLD_SECRET])
    assert len(gateway.read_webhook(delivery(PAID, OLD_SECRET)).reports) == 1


def test_an_account_id_may_hold_an_underscore() -> None:
    gateway = opened(account_id="acct_doc_1")
    [report] = gateway.read_webhook(delivery({**PAID, "account": "acct_doc_1"})).reports
    assert (report.account, report.attention) == ("acct_doc_1", None)
    [foreign] = gateway.read_webhook(delivery({**PAID, "account": "acct_doc_2"})).reports
    assert foreign.attention is Attention.MISMATCH


# --- sentences of Stripe's that quote what the customer typed -------------------------------------------------------


def test_a_decline_holds_no_card_number_and_no_e_mail() -> None:
    body = intent(status="requires_payment_method", last_payment_error={**declined(), "message": QUOTED})
    report = translate.read_intent(body)
    assert report.decline is not None and report.decline.message == HIDDEN


def test_a_refusal_holds_no_card_number_and_no_e_mail() -> None:
    with pytest.raises(RequestRejected) as caught:
        opened(refusal(message=QUOTED)).initiate(CASE.payment_request())
    assert caught.value.reason == f"Stripe refuses the request: {HIDDEN}"


def test_a_verdict_holds_no_card_number() -> None:
    outcome = {"type": "manual_review", "risk_level": "normal", "seller_message": QUOTED}
    report = translate.read_charge(charge(outcome=outcome))
    assert report.fraud == Fraud(status=FraudStatus.REVIEW, message=HIDDEN)
    assert "4242 4242" not in json.dumps({**report_to_json(report), "raw": None})


# --- requests -------------------------------------------------------------------------------------------------------


def request(**changes: Any) -> PaymentRequest:
    base = {"reference": "R1", "amount": Money(1299, "EUR"), "idempotency_key": "k", "webhook_url": "https://x.example/h",
            "return_url": "https://x.example/r"}  # fmt: skip
    return PaymentRequest(**{**base, **changes})


def test_a_blank_description_is_left_out_for_stripe_takes_no_empty_value() -> None:
    params = translate.build_session(request(description=" \n "))
    assert "description" not in params["payment_intent_data"]
    assert params["line_items"][0]["price_data"]["product_data"] == {"name": "Payment R1"}
    assert "description" not in translate.build_intent(request(description="  "), customer=None, extras={})


def test_a_blank_reason_of_a_refund_is_left_out() -> None:
    asked = RefundRequest(names=PaymentNames(gateway_reference="pi_1"), reference="rf", amount=Money(5, "EUR"),
                          idempotency_key="r", reason="  ")  # fmt: skip
    assert translate.build_refund(asked, intent="pi_1", charge=None)["metadata"] == {"refund_id": "rf"}


def test_a_method_by_any_name_that_is_safe_in_a_path_is_charged() -> None:
    http = FakeHttp([answer(intent(status="succeeded", amount_received=1299))])
    asked = ChargeRequest(payment=CASE.payment_request(), saved=SavedMethod(token="a-method"))
    assert CASE.open(http).charge_saved(asked).status is PaymentStatus.CAPTURED


# --- half answers and old shapes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"url": None}, {"url": None, "status": None}, {"url": "", "status": "novel"}])
def test_an_open_order_without_a_page_is_an_unknown_outcome(changes: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknown):
        opened(answer(session(**changes))).initiate(CASE.payment_request())


@pytest.mark.parametrize(
    ("words", "status", "captured"),
    [
        ({"payment_status": "paid"}, PaymentStatus.CAPTURED, 1299),
        ({"payment_status": "no_payment_required", "amount_total": 0}, PaymentStatus.CAPTURED, 0),
        ({"payment_status": "unpaid"}, PaymentStatus.PENDING, 0),
    ],
)
def test_a_session_of_an_old_endpoint_is_read_by_its_payment_alone(
    words: dict[str, Any], status: PaymentStatus, captured: int
) -> None:
    body = {**session(url=None), **words}
    del body["status"]
    report = CASE.read(delivery(event("checkout.session.completed", body)))
    assert (report.status, report.captured_minor) == (status, captured)


@pytest.mark.parametrize("word", ["requires_action", "processing"])
def test_a_transfer_that_came_in_part_is_told_by_a_fetch_too(word: str) -> None:
    report = translate.read_intent(intent(status=word, amount_received=300))
    assert (report.captured_minor, report.attention) == (300, Attention.UNDERPAID)
    nothing_yet = translate.read_intent(intent(status=word, amount_received=0))
    assert (nothing_yet.captured_minor, nothing_yet.attention) == (0, None)


@pytest.mark.parametrize("body", [{}, {"livemode": False}, {"object": "charge", "id": "ch_1"}])
def test_an_answer_that_is_no_balance_proves_no_key(body: dict[str, Any]) -> None:
    with pytest.raises(GatewayUnavailable):
        opened(answer(body)).check_credentials()


def test_a_balance_proves_the_key_with_and_without_its_kind() -> None:
    for body in ({"object": "balance", "livemode": False}, {"available": [], "livemode": False}):
        assert opened(answer(body)).check_credentials().mode is Mode.TEST


def test_a_refused_refund_stays_refused_where_the_look_for_it_never_left() -> None:
    asked = RefundRequest(names=PaymentNames(reference=REFERENCE, gateway_reference="pi_docA1"),
                          reference=REFUND_REFERENCE, amount=Money(500, "EUR"), idempotency_key="r-1")  # fmt: skip
    said = refusal(code="charge_already_refunded", message="Charge ch_1 has already been refunded.")
    with pytest.raises(RequestRejected):
        opened(said, NotSent("ConnectError")).refund(asked)
    with pytest.raises(OutcomeUnknown):
        opened(said, NoAnswer("ReadTimeout")).refund(asked)


# --- returns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url", ["http://[::1", "https://x.example/?session_id=%00", "", "https://x.example/?session_id"]
)
def test_a_return_to_an_odd_address_says_nothing(url: str) -> None:
    reading = CASE.open().read_return(WebhookDelivery(method="GET", url=url, headers={}, body=b""))
    assert (reading.reports, reading.verified) == ((), None)


# --- reviews ----------------------------------------------------------------------------------------------------------


def review(**changes: Any) -> dict[str, Any]:
    return {"id": "prv_1", "object": "review", "charge": "ch_docA1", "payment_intent": "pi_docA1", "open": True,
            "reason": "rule", "closed_reason": None, "livemode": False, **changes}  # fmt: skip


def test_an_open_review_calls_a_person_and_moves_nothing() -> None:
    report = CASE.read(delivery(event("review.opened", review())))
    assert (report.status, report.captured_minor, report.attention) == (None, None, Attention.FRAUD_REVIEW)
    assert report.fraud == Fraud(status=FraudStatus.REVIEW, message="rule")
    assert (report.gateway_reference, report.other_references) == ("pi_docA1", ("ch_docA1",))


@pytest.mark.parametrize(
    ("reason", "verdict"), [("approved", FraudStatus.ACCEPT), ("refunded_as_fraud", FraudStatus.REJECT)]
)
def test_a_closed_review_is_a_verdict(reason: str, verdict: FraudStatus) -> None:
    closed = review(open=False, closed_reason=reason, reason=reason, payment_intent=None)
    report = CASE.read(delivery(event("review.closed", closed)))
    assert report.fraud is not None and report.fraud.status is verdict
    assert (report.attention, report.gateway_reference) == (None, "ch_docA1")


@pytest.mark.parametrize("reason", ["refunded", "disputed", "redacted", "canceled", "acknowledged", "novel", None, 5])
def test_a_review_that_ends_without_a_verdict_says_nothing(reason: Any) -> None:
    reading = CASE.open().read_webhook(delivery(event("review.closed", review(open=False, closed_reason=reason))))
    assert reading.reports == ()
