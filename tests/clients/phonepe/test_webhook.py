"""Webhooks: one constant header, and a body that is never more than a hint."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from clients.phonepe import webhook
from clients.phonepe.gateway import PhonePeGateway
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.testing import FakeHttp, MemoryCache, fixed_clock
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
from tests.clients.phonepe.wire import (
    CREDENTIALS,
    HEADER,
    MERCHANT,
    ORDER_ID,
    PASSWORD,
    REFERENCE,
    REFUND_ID,
    REFUND_REFERENCE,
    TRANSACTION_ID,
    attempt,
    delivery,
    order,
    payload,
    proof,
    raw_delivery,
    refund,
)


def open_gateway(mode: Mode = Mode.TEST, **changes: Any) -> PhonePeGateway:
    return PhonePeGateway(
        {**CREDENTIALS, **changes}, mode=mode, http=FakeHttp(), cache=MemoryCache(), clock=fixed_clock()
    )


def read(sent: WebhookDelivery, **changes: Any) -> WebhookReading:
    return open_gateway(**changes).read_webhook(sent)


def report_of(sent: WebhookDelivery, **changes: Any) -> Report:
    (report,) = read(sent, **changes).reports
    return report


def paid(**changes: Any) -> WebhookDelivery:
    return delivery("checkout.order.completed", order(merchantOrderId=REFERENCE, **changes))


# --- the header ---------------------------------------------------------------------------------------------------


def test_the_header_of_the_reference_verifies() -> None:
    assert proof("shop_hook_01", PASSWORD) == HEADER
    assert report_of(raw_delivery(payload("order_completed.json"))).captured_minor == 129900


def test_both_published_headers_are_made_to_the_byte() -> None:
    # An SDK's test, and the sample of the SDK's documentation (its password is too short to be one here).
    published = "bc842c31a9e54efe320d30d948be61291f3ceee4766e36ab25fa65243cd76e0e"
    login = {"webhook_username": "username", "webhook_password": "password"}
    assert report_of(replace(paid(), headers={"authorization": published}), **login).captured_minor == 129900
    sample = "ef4c914c591698b268db3c64163eafda7209a630f236ebf0eebf045460df723a"
    assert webhook.proof("user", "pass").decode() == sample
    short = {"webhook_username": "user", "webhook_password": "pass"}
    with pytest.raises(GatewayMisconfigured):
        read(replace(paid(), headers={"authorization": sample}), **short)


@pytest.mark.parametrize("spelled", [f" {HEADER}", f"{HEADER}\r\n", f"\t{HEADER} "])
def test_white_space_around_the_header_does_not_matter(spelled: str) -> None:
    assert report_of(replace(paid(), headers={"authorization": spelled})).captured_minor == 129900


@pytest.mark.parametrize(
    "header",
    [
        "", " ", HEADER.upper(), HEADER[:-1], HEADER + "0", f"{HEADER},{HEADER}", f"O-Bearer {HEADER}", f"Basic {HEADER}",
        f'"{HEADER}"', f"SHA256({HEADER})", "SHA256(shop_hook_01:Ab12cd34Ef)", "shop_hook_01:Ab12cd34Ef", "\u00e9\u2615",
        "\ud800", "0" * 64, proof("Shop_hook_01", PASSWORD), proof("shop_hook_01", PASSWORD + " "),
    ],
)  # fmt: skip
def test_any_other_header_is_refused(header: str) -> None:
    with pytest.raises(WebhookRejected):
        read(replace(paid(), headers={"authorization": header}))


def test_a_missing_header_is_refused_and_one_of_another_name_is_no_header() -> None:
    for headers in ({}, {"x-verify": HEADER}):
        with pytest.raises(WebhookRejected):
            read(replace(paid(), headers=headers))


@pytest.mark.parametrize(
    "missing", [{"webhook_password": None}, {"webhook_username": ""}, {"webhook_password": "short"}]
)
def test_without_a_usable_pair_nothing_verifies(missing: dict[str, Any]) -> None:
    for header in (HEADER, proof("", ""), proof("shop_hook_01", ""), ""):
        with pytest.raises(GatewayMisconfigured):
            read(replace(paid(), headers={"authorization": header}), **missing)


def test_the_previous_username_and_password_are_still_accepted() -> None:
    rotated = {"webhook_username": "new_hook", "webhook_password": "New-pass-0001",
               "previous_webhook_usernames": ["shop_hook_01"], "previous_webhook_passwords": [PASSWORD]}  # fmt: skip
    assert report_of(paid(), **rotated).reference == REFERENCE
    with pytest.raises(WebhookRejected):
        read(paid(), **{**rotated, "previous_webhook_usernames": []})


# --- the body -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"null", b"[]", b'"x"', b'{"event":"x",}', b"[" * 5000, b'{"a":1,"a":2}', b'{"a":NaN}', b'{"a":1e99999999999999999999}',
     b'{"event":"pg.refund.completed","payload":{"refundId":"A","refundId":"B"}}'],
)  # fmt: skip
def test_a_verified_body_that_cannot_be_read_is_kept_and_moves_nothing(body: bytes) -> None:
    reading = read(raw_delivery(body))
    assert (reading.reports, reading.reply.status, reading.attention) == ((), 200, None)
    assert reading.note is not None and reading.note.startswith("verified but unreadable: ")
    assert reading.event_key == hashlib.sha256(body).hexdigest()


def test_the_event_key_is_the_digest_of_the_bytes() -> None:
    first, other = read(paid()), read(replace(paid(), body=paid().body + b" "))
    assert first.event_key == hashlib.sha256(paid().body).hexdigest()
    assert other.event_key != first.event_key and other.reports == first.reports


def test_a_completed_order_repeats_its_claim_as_a_hint() -> None:
    reading = read(raw_delivery(payload("order_completed.json")))
    (report,) = reading.reports
    assert (reading.event_type, reading.note, reading.reply.status) == ("checkout.order.completed", None, 200)
    assert (report.about, report.status, report.is_hint) == (Subject.PAYMENT, PaymentStatus.CAPTURED, True)
    assert (report.reference, report.gateway_reference, report.other_references) == (
        REFERENCE,
        ORDER_ID,
        (TRANSACTION_ID,),
    )
    assert (report.account, report.mode, report.asset) == (MERCHANT, Mode.TEST, "INR")
    assert (report.captured_minor, report.amount_minor, report.fee_minor) == (129900, None, None)
    assert report.occurred_at == datetime(2025, 1, 1, 6, 31, 40, tzinfo=UTC)


def test_a_payment_is_not_looked_up_by_the_banks_reference() -> None:
    # The sandbox may answer every payment with the same UTR: a webhook that named it would be about two payments.
    told = paid(paymentDetails=[attempt(rail={"type": "UPI", "utr": "206378866112"})])
    assert report_of(told).other_references == (TRANSACTION_ID,)


def test_the_mode_is_that_of_the_account() -> None:
    assert report_of(paid(), mode=Mode.LIVE).mode is Mode.LIVE


def test_a_failed_attempt_never_ends_the_payment() -> None:
    report = report_of(raw_delivery(payload("attempt_failed.json")))
    assert (report.status, report.captured_minor, report.is_hint) == (PaymentStatus.PENDING, 0, True)
    assert report.decline == Decline(code="abandoned", gateway_code="TXN_AUTO_FAILED")
    for event in ("checkout.transaction.attempt.failed", "pg.transaction.attempt.failed"):
        for state in ("FAILED", "COMPLETED", "EXPIRED", None):
            told = report_of(delivery(event, order(state, merchantOrderId=REFERENCE)))
            assert (told.status, told.captured_minor) == (PaymentStatus.PENDING, 0), (event, state)


@pytest.mark.parametrize(
    ("event", "state", "status"),
    [
        ("checkout.order.completed", "COMPLETED", PaymentStatus.CAPTURED),
        ("pg.order.completed", "COMPLETED", PaymentStatus.CAPTURED),
        ("pg.order.completed", "EXPIRED", PaymentStatus.EXPIRED),
        ("pg.order.completed", "PENDING", PaymentStatus.REQUIRES_ACTION),
        ("checkout.order.completed", None, PaymentStatus.PENDING),
        ("checkout.order.completed", "FAILED", PaymentStatus.FAILED),
        ("checkout.order.failed", "FAILED", PaymentStatus.FAILED),
        ("pg.order.failed", "COMPLETED", PaymentStatus.CAPTURED),
        ("checkout.order.failed", "NEW_WORD", PaymentStatus.PENDING),
    ],
)
def test_the_state_decides_and_not_the_name_of_the_event(event: str, state: str | None, status: PaymentStatus) -> None:
    report = report_of(delivery(event, order(state, merchantOrderId=REFERENCE)))
    assert (report.status, report.is_hint) == (status, True)


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("CHECKOUT_ORDER_COMPLETED", "checkout.order.completed"),
        ("PG_ORDER_COMPLETED", "pg.order.completed"),
        ("CHECKOUT_ORDER_FAILED", "checkout.order.failed"),
        ("CHECKOUT_TRANSACTION_ATTEMPT_FAILED", "checkout.transaction.attempt.failed"),
        ("PG_TRANSACTION_ATTEMPT_FAILED", "pg.transaction.attempt.failed"),
    ],
)
def test_an_older_delivery_carries_only_the_type(kind: str, event: str) -> None:
    body = json.dumps({"type": kind, "payload": order(merchantOrderId=REFERENCE)}).encode()
    reading = read(raw_delivery(body))
    assert reading.event_type == event and reading.reports[0].reference == REFERENCE
    assert read(delivery(kind, order(merchantOrderId=REFERENCE))).event_type == event  # in the place of the new name


def test_the_event_wins_over_the_type() -> None:
    sent = delivery(
        "checkout.order.failed", order("FAILED", merchantOrderId=REFERENCE), type="CHECKOUT_ORDER_COMPLETED"
    )
    assert read(sent).event_type == "checkout.order.failed"


@pytest.mark.parametrize("event", ["pg.refund.accepted", "pg.refund.completed", "pg.refund.failed"])
@pytest.mark.parametrize(
    ("state", "status", "given_back"),
    [
        ("PENDING", RefundStatus.PENDING, 0), ("CONFIRMED", RefundStatus.PENDING, 0), ("FAILED", RefundStatus.FAILED, 0),
        ("COMPLETED", RefundStatus.SUCCEEDED, 29900), (None, RefundStatus.PENDING, 0), ("NEW", RefundStatus.PENDING, 0),
    ],
)  # fmt: skip
def test_every_refund_state(event: str, state: str | None, status: RefundStatus, given_back: int) -> None:
    report = report_of(delivery(event, refund(state, merchantRefundId=REFUND_REFERENCE)))
    assert (report.about, report.status, report.is_hint) == (Subject.REFUND, status, True)
    assert (report.refunded_minor, report.amount_minor, report.asset) == (given_back, 29900, "INR")
    assert (report.reference, report.gateway_reference) == (REFUND_REFERENCE, REFUND_ID)
    assert report.payment == PaymentNames(reference=REFERENCE)


def test_a_refund_may_lack_its_name_and_name_no_order() -> None:
    report = report_of(delivery("pg.refund.completed", refund(originalMerchantOrderId="")))
    assert (report.reference, report.gateway_reference, report.payment) == (None, REFUND_ID, None)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("created", DisputeStatus.NEEDS_RESPONSE), ("action_required", DisputeStatus.NEEDS_RESPONSE),
        ("under_review", DisputeStatus.UNDER_REVIEW), ("won", DisputeStatus.WON), ("lost", DisputeStatus.LOST),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["merchantOrderId", "originalMerchantOrderId"])
def test_a_dispute_alerts_a_person_and_claims_no_money(name: str, word: str, status: DisputeStatus) -> None:
    told = {"disputeId": "DSP1", "amount": 129900, "reason": "goods", "respondBy": 1735800000000, name: REFERENCE}
    reading = read(delivery(f"payment.dispute.{word}", told))
    (report,) = reading.reports
    assert (report.about, report.status, report.is_hint) == (Subject.DISPUTE, status, True)
    assert (report.gateway_reference, report.payment) == ("DSP1", PaymentNames(reference=REFERENCE))
    assert (report.amount_minor, report.withdrawn_minor, report.dispute_reason) == (129900, None, "goods")
    assert report.respond_by == datetime(2025, 1, 2, 6, 40, tzinfo=UTC)
    assert (report.attention, reading.attention) == (Attention.DISPUTED, Attention.DISPUTED)


def test_a_dispute_without_an_order_belongs_to_nobody_yet() -> None:
    assert report_of(delivery("payment.dispute.created", {"unknown": 1})).payment is None


@pytest.mark.parametrize(
    "event",
    [
        "settlement.initiated",
        "settlement.attempt.failed",
        "subscription.paused",
        "paylink.order.completed",
        "brand.new",
        "",
    ],
)
def test_other_events_are_kept_and_say_nothing(event: str) -> None:
    reading = read(delivery(event, order(merchantOrderId=REFERENCE)))
    assert (reading.reports, reading.reply.status) == ((), 200)
    assert reading.note


@pytest.mark.parametrize("event", ["checkout.order.completed", "pg.refund.completed", "payment.dispute.won"])
@pytest.mark.parametrize("told", [{}, None, [], "x", 7])
def test_an_empty_payload_is_acknowledged_without_effect(event: str, told: Any) -> None:
    reading = read(raw_delivery(json.dumps({"event": event, "payload": told}).encode()))
    assert (reading.reports, reading.event_type, reading.note) == ((), event, "the event names no order")


def test_another_merchant_is_a_mismatch_only_where_ours_is_known() -> None:
    foreign = paid(merchantId="M0OTHER")
    known = read(foreign, merchant_id=MERCHANT)
    assert (known.attention, known.reports[0].attention, known.reports[0].account) == (
        Attention.MISMATCH, Attention.MISMATCH, "M0OTHER")  # fmt: skip
    assert (read(foreign).attention, report_of(foreign).attention) == (None, None)
    assert read(paid(merchantId=MERCHANT), merchant_id=MERCHANT).attention is None
    assert read(paid(), merchant_id=MERCHANT).attention is None  # older deliveries name nobody


def test_hostile_text_in_a_verified_body_is_stored_harmless() -> None:
    told = order(merchantOrderId="a/../b", orderId="x" * 64, metaInfo={"udf1": "a\u0000b" * 200, "email": "a@b.c"},
                 paymentDetails=[attempt(transactionId={"a": 1}, paymentMode="\ud800")] * 50, secret="s")  # fmt: skip
    reading = read(raw_delivery(json.dumps({"event": "checkout.order.completed", "payload": told}).encode()))
    assert (reading.reports, reading.note) == ((), "the event names no order")
    report = report_of(delivery("pg.order.completed", {**told, "merchantOrderId": REFERENCE, "paymentDetails": []}))
    assert (report.reference, report.gateway_reference) == (REFERENCE, None)
    assert set(report.raw) == {"merchantOrderId", "orderId", "state", "amount", "payableAmount", "feeAmount", "expireAt",
                               "paymentDetails", "metaInfo"}  # fmt: skip
    assert report.raw["metaInfo"] == {"udf1": ("ab" * 200)[:300]}
