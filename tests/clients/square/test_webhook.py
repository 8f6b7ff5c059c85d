"""Deliveries: the signature to the byte, then what the events say."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from square.utils import webhooks_helper

from clients.square.webhook import EVENTS, sign
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import (
    Attention,
    DisputeStatus,
    Mode,
    PaymentStatus,
    RefundStatus,
    Report,
    Subject,
    WebhookReading,
)
from tests.clients.square.case import CASE
from tests.clients.square.objects import (
    DISPUTE,
    FAILED_PAYMENT,
    KEY,
    MERCHANT,
    ORDER,
    PAYMENT,
    RECEIPTS,
    REFUND,
    REFUND_REFERENCE,
    URL,
    delivery,
    direct,
    dispute,
    event,
    exact,
    failed,
    money,
    of_link,
    refund,
)


def read(body: dict[str, Any] | bytes, **changes: Any) -> WebhookReading:
    credentials = {**CASE.credentials(Mode.TEST), **changes}
    found = CASE.open(credentials=credentials).read_webhook(delivery(body))
    assert isinstance(found, WebhookReading)
    return found


def told(kind: str, subject: dict[str, Any], **envelope: Any) -> Report:
    (report,) = read(event(kind, subject, **envelope)).reports
    return report


# --- the signature ------------------------------------------------------------------------------------------------


def test_the_two_worked_examples_have_the_published_signatures() -> None:
    first, second = exact("event_payment_updated"), exact("event_test_notification")
    assert sign(key=KEY, url=URL, body=first) == b"RvDH4qKS/rY+G9ISXceQQrzvCRpPucVDwaP2RBUPtcA="
    assert sign(key=KEY, url=URL, body=second) == b"KewGNMGKVIzk70/x/uxM8aW5jHt1B0SrLRZyI8npmHI="


@pytest.mark.parametrize(
    "wrong",
    [
        "WDZ0dhRkLEHmOMjWrW/Zi6VD1rbCjfWYto0GRCRmVvw=",  # the address without its last slash
        "YnTpL0qRblRvZDLKBfMYB575x23sL1GDCeeKdddURUs=",  # no address at all
        "RvDH4qKS/rY+G9ISXceQQrzvCRpPucVDwaP2RBUPtcA",
        "rvdh4qks/ry+g9isxceqqrzvcrppucvdwap2rbuptca=",
        "é☕\ud800",
        "",
    ],
)
def test_the_published_wrong_signatures_are_refused(wrong: str) -> None:
    good = delivery(exact("event_payment_updated"))
    forged = replace(good, headers={**good.headers, "x-square-hmacsha256-signature": wrong})
    with pytest.raises(WebhookRejected):
        CASE.open().read_webhook(forged)


def test_the_address_that_was_called_decides_nothing() -> None:
    good = delivery(exact("event_payment_updated"))
    for url in ("", "http://evil.example/", URL + "?x=1"):
        reading = CASE.open().read_webhook(replace(good, url=url))
        assert reading.reports[0].captured_minor == 11550


def test_a_changed_registered_address_needs_to_be_configured() -> None:
    with pytest.raises(WebhookRejected):
        read(exact("event_payment_updated"), notification_url="https://pay.example.test/hooks/square/acct_8/")


def test_without_the_registered_address_nothing_is_believed() -> None:
    with pytest.raises(GatewayMisconfigured, match="notification URL"):
        read(exact("event_payment_updated"), notification_url="")


def test_the_older_sha1_header_is_never_looked_at() -> None:
    good = delivery(exact("event_payment_updated"))
    with pytest.raises(WebhookRejected):
        CASE.open().read_webhook(replace(good, headers={"x-square-signature": "any"}))


def test_square_s_own_verifier_agrees() -> None:
    for name in ("event_payment_updated", "event_test_notification"):
        body = exact(name)
        assert webhooks_helper.verify_signature(
            request_body=body.decode(),
            signature_header=sign(key=KEY, url=URL, body=body).decode(),
            signature_key=KEY,
            notification_url=URL,
        )


# --- the envelope -------------------------------------------------------------------------------------------------


def test_the_event_key_is_id_and_type() -> None:
    reading = read(exact("event_payment_updated"))
    assert reading.event_key == "0f3c2a10-6d5e-4e0b-9a51-2f1f6c7d8e90:payment.updated"
    assert (reading.event_type, reading.reply.status, reading.note) == ("payment.updated", 200, None)


def test_the_worked_example_is_a_captured_payment_of_a_link() -> None:
    (report,) = read(exact("event_payment_updated")).reports
    assert (report.status, report.captured_minor, report.asset) == (PaymentStatus.CAPTURED, 11550, "USD")
    assert (report.gateway_reference, report.other_references, report.reference) == (ORDER, (PAYMENT,), None)
    assert (report.account, report.attention) == (MERCHANT, None)
    assert report.occurred_at == datetime(2026, 5, 24, 10, 11, 12, 100_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "note"),
    [
        ("webhooks.test_notification", "a test from the developer console: the signature is right"),
        (
            "oauth.authorization.revoked",
            "the seller took back the right to act for this account: its token works no more",
        ),
        ("order.updated", "nothing to do for order.updated"),
        ("order.created", "nothing to do for order.created"),
        ("payout.paid", "nothing to do for payout.paid"),
        ("card.disabled", "nothing to do for card.disabled"),
        ("dispute.evidence.created", "nothing to do for dispute.evidence.created"),
        ("invoice.payment_made", "nothing to do for invoice.payment_made"),
    ],
)
def test_events_that_say_nothing_about_a_payment_are_kept_with_a_note(kind: str, note: str) -> None:
    reading = read(event(kind, {"id": "x"}))
    assert (reading.reports, reading.note, reading.reply.status) == ((), note, 200)


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b"null", b"\xff", b'{"type":"payment.updated"}', b'{"event_id":"e1"}', b'{"type":1,"event_id":2}'],
)
def test_a_signed_body_that_is_no_event_has_no_effect(body: bytes) -> None:
    reading = read(body)
    assert reading.reports == () and reading.note is not None
    assert reading.event_key == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("data", [None, [], {"object": None}, {"object": {"payment": []}}, {"object": {"payment": {}}}])
def test_a_signed_event_without_its_object_has_no_effect(data: Any) -> None:
    reading = read({**event("payment.updated", {}), "data": data})
    assert (reading.reports, reading.note) == ((), "signed, but it holds no payment")


def test_a_payment_without_an_id_has_no_effect() -> None:
    reading = read(event("payment.updated", {"status": "COMPLETED"}))
    assert (reading.reports, reading.note) == ((), "signed, but its payment has no id")


def test_escapes_and_raw_utf8_are_verified_as_they_came() -> None:
    assert read(exact("event_test_notification")).event_type == "webhooks.test_notification"


# --- whose it is --------------------------------------------------------------------------------------------------


def test_another_location_is_a_mismatch_that_moves_nothing() -> None:
    report = told("payment.updated", of_link(location_id="LOTHER"))
    assert (report.attention, report.status, report.captured_minor) == (Attention.MISMATCH, None, None)
    assert (report.gateway_reference, report.other_references) == (ORDER, (PAYMENT,))
    again = told("refund.updated", refund("COMPLETED", location_id="LOTHER"))
    assert (again.attention, again.status, again.refunded_minor) == (Attention.MISMATCH, None, None)


def test_the_location_of_the_envelope_counts_where_the_object_has_none() -> None:
    report = told("payment.updated", of_link(location_id=None), location_id="LOTHER")
    assert (report.attention, report.status) == (Attention.MISMATCH, None)


def test_another_merchant_is_a_mismatch_that_moves_nothing() -> None:
    report = told("payment.updated", of_link(), merchant_id="MLOTHER")
    assert (report.attention, report.status, report.account) == (Attention.MISMATCH, None, "MLOTHER")


def test_a_merchant_that_was_never_learned_is_only_told() -> None:
    (report,) = read(event("payment.updated", of_link(), merchant_id="MLOTHER"), merchant_id="").reports
    assert (report.attention, report.status, report.account) == (None, PaymentStatus.CAPTURED, "MLOTHER")


@pytest.mark.parametrize(
    "sign_of_mode",
    [{"receipt_url": RECEIPTS["test"]}, {"application_details": {"application_id": "sandbox-sq0idb-docExample"}}],
)
def test_a_sandbox_payment_on_a_live_account_is_a_mismatch(sign_of_mode: dict[str, Any]) -> None:
    gateway = CASE.open(mode=Mode.LIVE, credentials=CASE.credentials(Mode.LIVE))
    body = event("payment.updated", of_link(**sign_of_mode))
    (report,) = gateway.read_webhook(delivery(body, f"{KEY}-live")).reports
    assert (report.mode, report.attention) == (Mode.TEST, Attention.MISMATCH)


# --- the objects --------------------------------------------------------------------------------------------------


def test_a_declined_try_on_a_link_leaves_it_open() -> None:
    report = told("payment.updated", failed("CVV_FAILURE"))
    assert report.status is PaymentStatus.PENDING and report.decline is not None
    assert (report.decline.code, report.decline.gateway_code) == ("incorrect_cvc", "CVV_FAILURE")
    assert (report.gateway_reference, report.other_references) == (ORDER, (FAILED_PAYMENT,))


def test_a_declined_payment_with_our_reference_has_failed() -> None:
    report = told("payment.updated", direct("FAILED", approved_money=money(0)))
    assert (report.status, report.captured_minor) == (PaymentStatus.FAILED, 0)
    assert (report.gateway_reference, report.other_references) == (PAYMENT, (ORDER,))


def test_a_refund_names_its_payment_and_not_its_own_order() -> None:
    report = told("refund.created", refund())
    assert (report.about, report.status, report.refunded_minor) == (Subject.REFUND, RefundStatus.PENDING, 2500)
    assert (report.reference, report.gateway_reference) == (REFUND_REFERENCE, REFUND)
    assert report.payment is not None and report.payment.gateway_reference == PAYMENT
    assert report.other_references == () and report.payment.other_references == ()


def test_a_refund_made_in_the_dashboard_has_no_name_of_ours() -> None:
    for reason in ("Returned goods", "Broken [see mail", "[]", None):
        assert told("refund.created", refund(reason=reason)).reference is None


@pytest.mark.parametrize("kind", ["dispute.created", "dispute.state.updated", "dispute.state.changed"])
def test_a_dispute_names_its_payment_deadline_and_what_is_taken(kind: str) -> None:
    report = told(kind, dispute())
    assert (report.about, report.status, report.gateway_reference) == (
        Subject.DISPUTE, DisputeStatus.NEEDS_RESPONSE, DISPUTE)  # fmt: skip
    assert (report.amount_minor, report.withdrawn_minor, report.asset) == (8801, 8801, "USD")
    assert report.respond_by == datetime(2026, 12, 5, tzinfo=UTC)
    assert (report.dispute_reason, report.attention) == ("AMOUNT_DIFFERS", Attention.DISPUTED)
    assert report.payment is not None and report.payment.gateway_reference == PAYMENT


def test_every_event_to_be_switched_on_is_known() -> None:
    for kind in EVENTS:
        assert "nothing to do" not in (read(event(kind, {"id": "x", "order_id": "y"})).note or "")


def test_what_is_stored_holds_no_person_and_no_card() -> None:
    paid_by = {"status": "CAPTURED", "card": {"id": "ccof:docExampleCard0001", "bin": "411111"}}
    kept = json.dumps(dict(told("payment.updated", of_link(receipt_url=RECEIPTS["test"], card_details=paid_by)).raw))
    for secret in ("buyer@example.test", "CUSDOC", "ccof:", "411111", "Fingerprint", "receipt/preview", "VersionToken"):
        assert secret not in kept
