"""Razorpay's webhooks, to the byte, and every event it is asked to send."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import razorpay

from clients.razorpay.gateway import RazorpayGateway
from clients.razorpay.webhook import READERS
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import (
    Attention,
    Decline,
    DisputeStatus,
    Mode,
    PaymentNames,
    PaymentStatus,
    RefundStatus,
    Report,
    Subject,
    WebhookDelivery,
    WebhookReading,
)
from tests.clients.razorpay.case import CASE
from tests.clients.razorpay.objects import (
    ACCOUNT_ID,
    AUTHORIZED,
    DISPUTE_ID,
    FAILED_ID,
    LINK_ID,
    OLD_SECRET,
    ORDER_ID,
    PAYLOADS,
    PAYMENT_ID,
    REFERENCE,
    REFUND_ID,
    REFUND_REFERENCE,
    RELEASED,
    SECRET,
    delivery,
    dispute,
    encoded,
    event,
    failed,
    link,
    order,
    paid_link,
    paid_order,
    payment,
    refund,
)

EXAMPLE = (PAYLOADS / "event_signed_example.json").read_bytes()
EXAMPLE_SIGNATURE = "44519b57f228c3989d3d4aa4c0d2e10d02becc0171d768be590a45626c838d8f"


def read(body: Any, **credentials: Any) -> WebhookReading:
    gateway = CASE.open(credentials={**CASE.credentials(Mode.TEST), **credentials})
    found = gateway.read_webhook(delivery(body))
    assert isinstance(found, WebhookReading)
    return found


def said(kind: str, **entities: Any) -> Report:
    (report,) = read(event(kind, **entities)).reports
    return report


def signed_as(received: str, body: bytes = EXAMPLE) -> WebhookDelivery:
    return replace(delivery(body), headers={"x-razorpay-signature": received})


# --- proof --------------------------------------------------------------------------------------------------------


def test_the_published_example_verifies_to_the_byte() -> None:
    assert len(EXAMPLE) == 458
    reading = CASE.open().read_webhook(signed_as(EXAMPLE_SIGNATURE))
    assert reading.event_key == hashlib.sha256(EXAMPLE).hexdigest()
    (report,) = reading.reports
    assert (report.status, report.captured_minor, report.asset) == (PaymentStatus.CAPTURED, 129900, "INR")
    assert (report.gateway_reference, report.other_references) == (ORDER_ID, (PAYMENT_ID,))
    # The buyer can alter a payment's notes: they never name the payment.
    assert report.reference is None


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_a_body_that_was_parsed_and_written_again_is_refused(ensure_ascii: bool) -> None:
    again = json.dumps(json.loads(EXAMPLE), separators=(",", ":"), ensure_ascii=ensure_ascii).encode()
    with pytest.raises(WebhookRejected):
        CASE.open().read_webhook(signed_as(EXAMPLE_SIGNATURE, again))


def test_the_sdk_agrees_about_what_is_signed() -> None:
    client = razorpay.Client(auth=("rzp_test_DocExample0001", "docKeySecret_0001"))
    assert client.utility.verify_webhook_signature(EXAMPLE.decode(), EXAMPLE_SIGNATURE, SECRET) is True
    body = encoded(event("payment.captured", payment=payment()))
    assert client.utility.verify_webhook_signature(
        body.decode(), delivery(body).headers["x-razorpay-signature"], SECRET
    )


def test_a_secret_of_an_event_made_before_the_change_is_still_tried() -> None:
    old = delivery(EXAMPLE, OLD_SECRET)
    with pytest.raises(WebhookRejected):
        CASE.open().read_webhook(old)
    known = {**CASE.credentials(Mode.TEST), "previous_webhook_secrets": [OLD_SECRET]}
    assert CASE.open(credentials=known).read_webhook(old).reports
    assert CASE.open(credentials=known).read_webhook(delivery(EXAMPLE)).reports


def test_the_key_secret_signs_no_webhook() -> None:
    with pytest.raises(WebhookRejected):
        CASE.open().read_webhook(delivery(EXAMPLE, "docKeySecret_0001"))


def test_a_secret_of_seven_characters_is_no_secret() -> None:
    known = {**CASE.credentials(Mode.TEST), "webhook_secret": "1234567"}
    with pytest.raises(GatewayMisconfigured):
        CASE.open(credentials=known).read_webhook(delivery(EXAMPLE, "1234567"))


def test_the_event_id_in_the_header_is_no_part_of_the_key() -> None:
    good = delivery(EXAMPLE)
    other = replace(good, headers={**good.headers, "x-razorpay-event-id": "another"})
    gateway = CASE.open()
    assert gateway.read_webhook(good).event_key == gateway.read_webhook(other).event_key
    assert gateway.read_webhook(good).event_key == hashlib.sha256(EXAMPLE).hexdigest()


# --- payments -----------------------------------------------------------------------------------------------------


def test_every_event_of_the_description_has_a_reader() -> None:
    assert set(RazorpayGateway.about.webhook_events) == set(READERS) and len(READERS) == 21


def test_the_envelope_tells_when_and_whose() -> None:
    report = said("payment.captured", payment=payment())
    assert report.occurred_at == datetime(2026, 11, 20, 12, 3, 20, tzinfo=UTC)
    assert (report.account, report.mode, report.attention) == (ACCOUNT_ID, None, None)


def test_an_event_of_another_account_is_marked_where_one_is_configured() -> None:
    body = {**event("payment.captured", payment=payment()), "account_id": "acc_Other"}
    assert read(body, account_id=ACCOUNT_ID).reports[0].attention is Attention.MISMATCH
    assert read(body).reports[0].attention is None
    assert read(body).reports[0].account == "acc_Other"


def test_a_captured_payment_says_how_it_was_paid_and_what_was_kept() -> None:
    report = said("payment.captured", payment=payment())
    assert (report.status, report.captured_minor, report.refunded_minor) == (PaymentStatus.CAPTURED, 129900, None)
    assert report.fee_minor == 3066  # the tax is in it
    assert report.method is not None
    assert (report.method.kind, report.method.handle) == ("upi", "ada@okexample")


def test_an_authorized_payment_is_a_hold() -> None:
    report = said("payment.authorized", payment=payment(**AUTHORIZED))
    assert (report.status, report.authorized_minor, report.captured_minor) == (PaymentStatus.AUTHORIZED, 129900, 0)


def test_the_entity_decides_and_not_the_name_of_the_event() -> None:
    report = said("payment.authorized", payment=payment())
    assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, 129900)


def test_a_failed_attempt_leaves_the_order_open_although_it_says_captured_true() -> None:
    report = said("payment.failed", payment=failed())
    assert failed()["captured"] is True
    assert (report.status, report.captured_minor) == (PaymentStatus.PENDING, 0)
    assert report.decline == Decline(
        code="insufficient_funds",
        gateway_code="insufficient_fund",
        message="Your payment could not be completed due to insufficient account balance. Try again with another card.",
    )
    assert report.method is not None and (report.method.brand, report.method.last_four) == ("Visa", "0001")


def test_a_failed_attempt_without_an_order_is_the_end() -> None:
    report = said("payment.failed", payment=failed(order_id=None))
    assert (report.status, report.gateway_reference) == (PaymentStatus.FAILED, FAILED_ID)


def test_a_failed_charge_of_a_saved_method_is_the_end() -> None:
    report = said("payment.failed", payment=failed(notes={"shape": "charge"}))
    assert (report.status, report.gateway_reference) == (PaymentStatus.FAILED, ORDER_ID)


def test_a_paid_order_counts_what_the_order_counts_and_names_ours() -> None:
    report = said("order.paid", order=paid_order(), payment=payment())
    assert (report.status, report.captured_minor, report.reference) == (PaymentStatus.CAPTURED, 129900, REFERENCE)
    assert (report.gateway_reference, report.other_references) == (ORDER_ID, (PAYMENT_ID,))


def test_a_paid_link_takes_its_order_from_the_payment() -> None:
    inner = {"id": "DocAAAAAAAAAA1", "amount": 129900, "amount_paid": 129900, "status": "paid", "receipt": None}
    report = said("payment_link.paid", payment_link=paid_link(order_id=None), order=inner, payment=payment())
    assert (report.status, report.captured_minor, report.reference) == (PaymentStatus.CAPTURED, 129900, REFERENCE)
    assert (report.gateway_reference, report.other_references) == (LINK_ID, (ORDER_ID, PAYMENT_ID))
    assert report.next_action is None


def test_a_partly_paid_link_is_pending_and_underpaid_although_its_payment_is_captured() -> None:
    part = link(status="partially_paid", amount_paid=50000, accept_partial=True)
    report = said("payment_link.partially_paid", payment_link=part, payment=payment(amount=50000))
    assert (report.status, report.captured_minor) == (PaymentStatus.PENDING, 50000)
    assert report.attention is Attention.UNDERPAID


@pytest.mark.parametrize("word", ["expired", "cancelled"])
def test_a_closed_link_is_expired_and_never_voided(word: str) -> None:
    report = said(f"payment_link.{word}", payment_link=link(status=word))
    assert (report.status, report.captured_minor, report.next_action) == (PaymentStatus.EXPIRED, 0, None)


def test_a_link_that_expires_partly_paid_keeps_what_was_paid() -> None:
    report = said("payment_link.expired", payment_link=link(status="expired", amount_paid=50000))
    assert (report.status, report.captured_minor) == (PaymentStatus.EXPIRED, 50000)
    assert report.attention is Attention.UNDERPAID


# --- QR codes -----------------------------------------------------------------------------------------------------

CODE: dict[str, Any] = {
    "id": "qr_DocKKKKKKKKKK1",
    "entity": "qr_code",
    "usage": "single_use",
    "type": "upi_qr",
    "status": "active",
    "payment_amount": 129900,
    "payments_amount_received": 0,
    "payments_count_received": 0,
    "close_by": "1795180000",
    "notes": [],
}


def test_a_credited_code_counts_its_payment_for_its_own_totals_lag() -> None:
    report = said("qr_code.credited", qr_code=CODE, payment=payment(order_id=None))
    assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, 129900)
    assert (report.gateway_reference, report.other_references) == (CODE["id"], (PAYMENT_ID,))


@pytest.mark.parametrize(
    ("changes", "status", "captured", "is_hint"),
    [
        ({}, PaymentStatus.PENDING, 0, False),
        ({"status": "closed", "close_reason": "on_demand"}, PaymentStatus.EXPIRED, 0, False),
        ({"status": "closed", "close_reason": "paid"}, PaymentStatus.EXPIRED, 0, True),
        ({"status": "closed", "close_reason": "paid", "payments_amount_received": 129900}, PaymentStatus.CAPTURED,
         129900, False),
    ],
)  # fmt: skip
def test_a_code_without_a_payment(changes: Any, status: PaymentStatus, captured: int, is_hint: bool) -> None:
    report = said("qr_code.closed", qr_code={**CODE, **changes})
    assert (report.status, report.captured_minor, report.is_hint) == (status, captured, is_hint)


# --- refunds and disputes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "word", "status"),
    [
        ("refund.created", "created", RefundStatus.PENDING),
        ("refund.created", "pending", RefundStatus.PENDING),
        ("refund.created", "processed", RefundStatus.SUCCEEDED),
        ("refund.processed", "processed", RefundStatus.SUCCEEDED),
        ("refund.speed_changed", "processed", RefundStatus.SUCCEEDED),
        ("refund.failed", "failed", RefundStatus.FAILED),
        ("refund.created", "on_the_moon", RefundStatus.PENDING),
        ("refund.created", None, RefundStatus.PENDING),
    ],
)
def test_a_refund_by_its_own_status(kind: str, word: str | None, status: RefundStatus) -> None:
    report = said(kind, refund=refund(status=word), payment=payment(amount_refunded=50000))
    assert (report.about, report.status) == (Subject.REFUND, status)
    assert (report.reference, report.gateway_reference) == (REFUND_REFERENCE, REFUND_ID)
    assert (report.refunded_minor, report.asset) == (50000, "INR")
    assert report.payment == PaymentNames(gateway_reference=ORDER_ID, other_references=(PAYMENT_ID,))
    wanted = Attention.REFUND_FAILED if status is RefundStatus.FAILED else None
    assert report.attention is wanted


def test_a_refund_without_a_receipt_is_found_by_its_notes() -> None:
    body = refund(receipt=None, notes={"refund_id": REFUND_REFERENCE})
    assert said("refund.processed", refund=body, payment=payment()).reference == REFUND_REFERENCE


def test_the_time_of_a_changed_speed_stands_inside_the_payload() -> None:
    body = event("refund.speed_changed", refund=refund(), payment=payment())
    body["payload"]["created_at"] = body.pop("created_at")
    assert read(body).reports[0].occurred_at == datetime(2026, 11, 20, 12, 3, 20, tzinfo=UTC)


def test_a_hold_that_went_back_by_itself_is_no_refund_and_is_asked_about() -> None:
    report = said("refund.processed", refund=refund(amount=129900), payment=payment(**RELEASED))
    assert (report.about, report.status, report.is_hint) == (Subject.PAYMENT, PaymentStatus.VOIDED, True)
    assert (report.captured_minor, report.refunded_minor) == (0, 0)


@pytest.mark.parametrize(
    ("kind", "changes", "status", "attention", "withdrawn"),
    [
        ("created", {}, DisputeStatus.NEEDS_RESPONSE, Attention.DISPUTED, 0),
        ("action_required", {}, DisputeStatus.NEEDS_RESPONSE, Attention.DISPUTED, 0),
        ("under_review", {"status": "under_review"}, DisputeStatus.UNDER_REVIEW, None, 0),
        ("won", {"status": "won", "amount_deducted": 129900}, DisputeStatus.WON, None, 0),
        ("lost", {"status": "lost", "amount_deducted": 129900}, DisputeStatus.LOST, Attention.DISPUTED, 129900),
        ("closed", {"status": "closed", "phase": "fraud"}, DisputeStatus.CLOSED, None, 0),
        ("created", {"status": "on_the_moon"}, DisputeStatus.NEEDS_RESPONSE, Attention.DISPUTED, 0),
    ],
)
def test_a_dispute(kind: str, changes: Any, status: DisputeStatus, attention: Attention | None, withdrawn: int) -> None:
    report = said(f"payment.dispute.{kind}", payment=payment(status="refunded"), dispute=dispute(**changes))
    assert (report.about, report.status, report.attention) == (Subject.DISPUTE, status, attention)
    assert (report.amount_minor, report.asset, report.withdrawn_minor) == (129900, "INR", withdrawn)
    assert (report.reference, report.gateway_reference) == (None, DISPUTE_ID)
    assert report.payment == PaymentNames(gateway_reference=ORDER_ID, other_references=(PAYMENT_ID,))
    assert report.respond_by == datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    assert report.dispute_reason == "goods_or_services_not_received_or_partially_received"
    # The payment beside it may be old: nothing is taken from it.
    assert (report.captured_minor, report.refunded_minor) == (None, None)


# --- what cannot be read ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (b"", "signed, but not readable as JSON"),
        (b'{"event":"order.paid","event":"order.paid"}', "signed, but not readable as JSON"),
        (b'{"a":1,"b":2,"c":{"d":3}}', "nothing to do for an event without a name"),
        (b'{"event":["order.paid"]}', "nothing to do for an event without a name"),
        (b'{"event":"settlement.processed","payload":{}}', "nothing to do for settlement.processed"),
        (b'{"event":"token.confirmed","payload":{}}', "nothing to do for token.confirmed"),
        (b'{"event":"order.paid","payload":[]}', "signed, but it holds no order"),
        (b'{"event":"order.paid","payload":{"order":{"entity":[]}}}', "signed, but it holds no order"),
        (
            b'{"event":"refund.failed","payload":{"payment":{"entity":{"id":"pay_1"}}}}',
            "signed, but it holds no refund",
        ),
    ],
)
def test_what_is_signed_is_kept_also_when_it_says_nothing(body: bytes, note: str) -> None:
    reading = read(body)
    assert (reading.reports, reading.note, reading.reply.status) == ((), note, 200)
    assert reading.event_key == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("name", ["amount", "currency", "status", "order_id", "id", "notes", "fee", "created_at", "card",
                                  "method", "captured", "error_reason", "amount_refunded"])  # fmt: skip
@pytest.mark.parametrize("odd", [None, [], {}, "", "NA", -1, 1.5, True, ["x"], 10**40])
def test_no_odd_member_raises(name: str, odd: Any) -> None:
    for kind, entity in (("payment.captured", payment()), ("payment.failed", failed())):
        for report in read(event(kind, payment={**entity, name: odd})).reports:
            assert report.captured_minor is None or report.captured_minor >= 0


def test_an_amount_that_cannot_be_believed_is_not_counted() -> None:
    report = said("payment.captured", payment=payment(amount="129900"))
    assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, None)
    assert report.attention is Attention.MISMATCH


def test_what_is_stored_holds_no_personal_data() -> None:
    body = payment(
        card={"last4": "0001", "name": "Ada Example"}, notes={"payment_id": "p-1", "mail": "ada@example.com"}
    )
    report = said("order.paid", order=paid_order(), payment=body)
    stored = json.dumps(dict(report.raw))
    for personal in ("ada@example.com", "+919900000000", "ada@okexample", "Ada Example", "table 4"):
        assert personal not in stored
    assert report.raw["payment"]["notes"] == {"payment_id": "p-1"}
    assert report.raw["payment"]["id"] == PAYMENT_ID


def test_an_open_order_in_an_event_stays_open() -> None:
    report = said("order.paid", order=order(status="attempted"), payment=failed())
    assert (report.status, report.captured_minor) == (PaymentStatus.PENDING, 0)
