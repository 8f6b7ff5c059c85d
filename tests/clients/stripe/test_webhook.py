"""Stripe's signature to the byte, checked against the SDK's own verifier, and every event of §6.3."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from clients.stripe import webhook
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.testing import NOW
from core.gateways.types import Attention, DisputeStatus, Mode, PaymentStatus, RefundStatus, Subject, WebhookDelivery
from tests.clients.stripe.case import CASE
from tests.clients.stripe.objects import (
    OLD_SECRET,
    PAYLOADS,
    SECRET,
    charge,
    declined,
    delivery,
    dispute,
    event,
    intent,
    refund,
    session,
    session_intent,
    setup_intent,
    setup_session,
    signature,
)

EXAMPLE = (PAYLOADS / "event_signed_example.json").read_bytes()
EXAMPLE_AT = datetime.fromtimestamp(1790000000, UTC)
OLD_PROOF = "f9b26fccde098c481a98d88fc58b283239a77b44e4e77b3d0295a0643e34440e"
NEW_PROOF = "d0c1de0572d4c861734146e4c56fda9e5db59b85a5610008157ed786e1810d4b"
HEADER = f"t=1790000000,v1={OLD_PROOF},v1={NEW_PROOF}"


def received(body: bytes, header: str) -> WebhookDelivery:
    return WebhookDelivery(method="POST", url="https://x.example/", headers={"stripe-signature": header}, body=body)


def verify(body: bytes, header: str, *secrets: str, now: datetime = EXAMPLE_AT) -> None:
    webhook.verify(received(body, header), secrets=secrets or (SECRET,), now=now)


# --- the signature ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secrets", [(SECRET,), (OLD_SECRET,), ("whsec_a_stranger", SECRET), (SECRET, OLD_SECRET)])
def test_the_worked_example_is_accepted_with_either_secret(secrets: tuple[str, ...]) -> None:
    assert len(EXAMPLE) == 285
    verify(EXAMPLE, HEADER, *secrets)


def test_a_trailing_newline_is_another_body() -> None:
    with pytest.raises(WebhookRejected):
        verify(EXAMPLE + b"\n", HEADER)
    verify(EXAMPLE + b"\n", "t=1790000000,v1=574f7bc2b14f8df0a78ec9f30fab11e3c34f4ca104b75efb399261616a1b7ff0")


def test_utf_8_is_signed_as_bytes() -> None:
    body = '{"id":"evt_doc_0002","note":"café ☕"}'.encode()
    assert len(body) == 40
    verify(body, "t=1790000000,v1=5309068aa6f4576b65119fec0d9adb05604e74fc0fd5dd04ff3706135404056b")


@pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
def test_five_minutes_on_either_side_pass(seconds: int) -> None:
    verify(EXAMPLE, HEADER, now=EXAMPLE_AT + timedelta(seconds=seconds))


@pytest.mark.parametrize("seconds", [-301, -300.5, 300.5, 301, 86400])
def test_more_than_five_minutes_on_either_side_do_not(seconds: float) -> None:
    with pytest.raises(WebhookRejected):
        verify(EXAMPLE, HEADER, now=EXAMPLE_AT + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    "header",
    [
        "",
        "t=1790000000",
        f"v1={NEW_PROOF}",
        f"t=,v1={NEW_PROOF}",
        f"t=1790000000,t=1790000000,v1={NEW_PROOF}",
        f"t=1790000000.0,v1={NEW_PROOF}",
        f"t=+1790000000,v1={NEW_PROOF}",
        f"t=1_790_000_000,v1={NEW_PROOF}",
        f"t= 1790000000,v1={NEW_PROOF}",
        f"t=１７９０００００００,v1={NEW_PROOF}",
        f"t={'9' * 5000},v1={NEW_PROOF}",
        f"t=1790000000,v0={NEW_PROOF}",
        f"t=1790000000,v2={NEW_PROOF}",
        f"t=1790000000, v1={NEW_PROOF}",
        f"t=1790000000,v1={NEW_PROOF}, t=1790000000,v1={NEW_PROOF}",
        f"t=1790000000,v1={NEW_PROOF}, t=1790000300",
        f"t=1790000000,v1={NEW_PROOF},\tv1={NEW_PROOF}",
        f"t=1790000000,v1={NEW_PROOF}\n",
        f"t=1790000000,v1={NEW_PROOF.upper()}",
        f"t=1790000000,v1={NEW_PROOF[:-1]}",
        "t=1790000000,v1=",
        "t=1790000000,v1=é☕",
        "t=1790000000,v1=\ud800",
        f"t=1790000001,v1={NEW_PROOF}",
        NEW_PROOF,
    ],
)
def test_a_malformed_or_wrong_header_is_refused(header: str) -> None:
    with pytest.raises(WebhookRejected):
        verify(EXAMPLE, header)


def test_other_schemes_and_any_order_are_no_obstacle() -> None:
    verify(EXAMPLE, f"v0=abc,v1={'0' * 64},v1={NEW_PROOF},x,t=1790000000,v9")


def test_without_a_secret_nothing_is_verified() -> None:
    with pytest.raises(GatewayMisconfigured):
        webhook.verify(received(EXAMPLE, HEADER), secrets=(), now=EXAMPLE_AT)


def test_the_official_verifier_agrees() -> None:
    body = json.dumps(event("payment_intent.succeeded", intent(status="succeeded"))).encode()
    header = signature(body, SECRET, at=NOW)
    made = stripe.Webhook.construct_event(body, header, SECRET, tolerance=0)
    assert made.id == webhook.read(body).event_key == "evt_payment_intent_succeeded"
    verify(body, header, now=NOW)
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body + b" ", header, SECRET, tolerance=0)


# --- the envelope -------------------------------------------------------------------------------------------------


def test_the_event_key_is_stripes_id_and_survives_a_new_signature() -> None:
    body = event("payment_intent.succeeded", intent(status="succeeded", amount_received=1299), key="evt_1")
    first = CASE.open().read_webhook(delivery(body))
    again = CASE.open().read_webhook(delivery(body, at=NOW + timedelta(seconds=120)))
    assert (first.event_key, first.event_type) == ("evt_1", "payment_intent.succeeded")
    assert again == first


@pytest.mark.parametrize("key", [None, "", 7, "x" * 256])
def test_without_a_usable_id_the_bytes_are_the_key(key: Any) -> None:
    raw = json.dumps({**event("a.b", {}), "id": key}).encode()
    assert len(webhook.read(raw).event_key) == 64
    assert webhook.read(raw).event_key != webhook.read(raw + b" ").event_key


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (b"not json", "signed, but not readable as JSON"),
        (b"\xff\xfe", "signed, but not readable as JSON"),
        (b'{"id":"evt_1","id":"evt_2"}', "signed, but not readable as JSON"),
        (b"[]", "signed, but not readable as JSON"),
        (b'{"id":"evt_1","object":"customer"}', "signed, but no event"),
        (b'{"id":"evt_1","object":"event","type":"payment_intent.succeeded"}',
         "signed, but its object cannot be read (KeyError)"),
        (b'{"id":"evt_1","object":"event","type":"payment_intent.succeeded","data":{"object":[]}}',
         "signed, but its object cannot be read (AttributeError)"),
        (b'{"id":"evt_1","object":"v2.core.event","type":"v1.billing.meter.error_report_triggered"}',
         "a thin event: set the destination to snapshot events in Stripe's dashboard"),
        (b'{"id":"evt_1","object":"event","data":{"object":{}}}', "nothing to do for an event without a type"),
    ],
)  # fmt: skip
def test_what_is_signed_is_accepted_also_when_it_says_nothing(body: bytes, note: str) -> None:
    reading = CASE.open().read_webhook(delivery(body))
    assert (reading.reports, reading.note, reading.reply.status) == ((), note, 200)


@pytest.mark.parametrize(
    "kind",
    ["setup_intent.created", "payment_method.attached", "payout.paid", "payout.failed",
     "customer.created", "payment_intent.created", "charge.succeeded"],
)  # fmt: skip
def test_events_that_move_no_payment_are_noted(kind: str) -> None:
    reading = CASE.open().read_webhook(delivery(event(kind, intent())))
    assert (reading.reports, reading.note) == ((), f"nothing to do for {kind}")


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("checkout.session.completed", setup_session(client_reference_id=None, metadata={}, status="complete")),
        ("checkout.session.expired", setup_session(client_reference_id=None, metadata={}, status="expired")),
        ("setup_intent.succeeded", setup_intent(metadata={"shape": "session"})),
        ("checkout.session.completed", session(mode="subscription")),
    ],
)
def test_a_method_that_nobody_here_asked_for_is_noted(kind: str, subject: dict[str, Any]) -> None:
    reading = CASE.open().read_webhook(delivery(event(kind, subject)))
    assert (reading.reports, reading.note) == ((), "moves no money of a payment here")


def test_the_envelope_says_when_and_in_which_mode() -> None:
    body = event("payment_intent.processing", intent(status="processing", livemode=None), created=1790000000)
    report = CASE.read(delivery(body))
    assert (report.occurred_at, report.mode, report.account) == (EXAMPLE_AT, Mode.TEST, None)


def test_a_live_event_on_a_test_account_is_a_mismatch() -> None:
    body = event("payment_intent.succeeded", intent(status="succeeded", amount_received=1299), livemode=True)
    report = CASE.read(delivery(body))
    assert (report.mode, report.attention) == (Mode.LIVE, Attention.MISMATCH)


@pytest.mark.parametrize(
    ("configured", "sent", "attention"),
    [
        ("acct_1", "acct_1", None),
        ("acct_1", "acct_2", Attention.MISMATCH),
        ("acct_1", None, None),
        (None, "acct_2", None),
    ],
)
def test_the_connected_account_must_be_the_configured_one(
    configured: str | None, sent: str | None, attention: Attention | None
) -> None:
    known = {**CASE.credentials(Mode.TEST), "account_id": configured}
    body = event("payment_intent.succeeded", intent(status="succeeded", amount_received=1299), account=sent)
    (report,) = CASE.open(credentials=known).read_webhook(delivery(body)).reports
    assert (report.account, report.attention) == (sent, attention)


# --- every event --------------------------------------------------------------------------------------------------

UNPAID = session(status="complete", payment_status="unpaid", url=None)
PAID = session(status="complete", payment_status="paid", url=None)
HELD = charge(captured=False)
RELEASED = charge(captured=False, refunded=True, amount_refunded=1299)


@pytest.mark.parametrize(
    ("kind", "subject", "status", "captured"),
    [
        ("checkout.session.completed", PAID, PaymentStatus.CAPTURED, 1299),
        ("checkout.session.completed", UNPAID, PaymentStatus.PENDING, 0),
        ("checkout.session.async_payment_succeeded", PAID, PaymentStatus.CAPTURED, 1299),
        ("checkout.session.async_payment_failed", UNPAID, PaymentStatus.FAILED, 0),
        ("checkout.session.async_payment_failed", PAID, PaymentStatus.CAPTURED, 1299),
        ("checkout.session.expired", session(status="expired", url=None), PaymentStatus.EXPIRED, None),
        ("checkout.session.expired", session(status=None, url=None), PaymentStatus.EXPIRED, None),
        ("checkout.session.expired", PAID, PaymentStatus.CAPTURED, 1299),
        ("payment_intent.succeeded", intent(status="succeeded", amount_received=1299), PaymentStatus.CAPTURED, 1299),
        ("payment_intent.payment_failed", intent(last_payment_error=declined()), PaymentStatus.FAILED, 0),
        ("payment_intent.payment_failed", session_intent(last_payment_error=declined()), PaymentStatus.PENDING, 0),
        ("payment_intent.processing", intent(status="processing"), PaymentStatus.PENDING, 0),
        ("payment_intent.requires_action", intent(status="requires_action"), PaymentStatus.REQUIRES_ACTION, 0),
        ("payment_intent.amount_capturable_updated", intent(status="requires_capture", amount_capturable=1299),
         PaymentStatus.AUTHORIZED, 0),
        ("payment_intent.partially_funded", intent(status="requires_action"), PaymentStatus.PENDING, 0),
        ("payment_intent.partially_funded", intent(status="requires_action", amount_received=200),
         PaymentStatus.PENDING, 200),
        ("payment_intent.canceled", intent(status="canceled"), PaymentStatus.VOIDED, 0),
        ("charge.updated", charge(), PaymentStatus.CAPTURED, 1299),
        ("charge.refunded", charge(amount_refunded=500), PaymentStatus.CAPTURED, 1299),
        ("charge.refunded", RELEASED, PaymentStatus.VOIDED, 0),
        ("charge.expired", RELEASED, PaymentStatus.EXPIRED, 0),
        ("charge.expired", HELD, PaymentStatus.EXPIRED, 0),
    ],
)  # fmt: skip
def test_a_payment_event_is_read(
    kind: str, subject: dict[str, Any], status: PaymentStatus, captured: int | None
) -> None:
    report = CASE.read(delivery(event(kind, subject)))
    assert (report.about, report.status, report.captured_minor) == (Subject.PAYMENT, status, captured)
    assert report.reference == "PAY_20261120183005_1a2b3c4d_1"
    assert report.is_hint is False


def test_a_partly_funded_payment_wants_a_person() -> None:
    assert CASE.read(delivery(event("payment_intent.partially_funded", intent()))).attention is Attention.UNDERPAID


def test_a_released_hold_is_no_refund() -> None:
    report = CASE.read(delivery(event("charge.refunded", RELEASED)))
    assert (report.status, report.refunded_minor) == (PaymentStatus.VOIDED, 0)


def test_the_fee_comes_with_the_expanded_balance_transaction() -> None:
    fee = {"id": "txn_1", "amount": 1299, "fee": 63, "net": 1236, "currency": "eur"}
    assert CASE.read(delivery(event("charge.updated", charge(balance_transaction=fee)))).fee_minor == 63
    assert CASE.read(delivery(event("charge.updated", charge()))).fee_minor is None


@pytest.mark.parametrize("kind", ["refund.created", "refund.updated", "refund.failed", "charge.refund.updated"])
@pytest.mark.parametrize(("word", "status"), [("succeeded", RefundStatus.SUCCEEDED), ("failed", RefundStatus.FAILED)])
def test_a_refund_event_is_read_by_its_object(kind: str, word: str, status: RefundStatus) -> None:
    report = CASE.read(delivery(event(kind, refund(status=word))))
    assert (report.about, report.status, report.refunded_minor) == (Subject.REFUND, status, 500)
    assert report.reference == "REF_20261120190000_5e6f7a8b"


def test_the_refund_of_a_lapsed_hold_is_noted_only() -> None:
    reading = CASE.open().read_webhook(
        delivery(event("refund.created", refund(reason="expired_uncaptured_charge", metadata={})))
    )
    assert (reading.reports, reading.note) == ((), "moves no money of a payment here")


@pytest.mark.parametrize("suffix", ["created", "updated", "closed", "funds_withdrawn", "funds_reinstated"])
def test_a_dispute_event_is_read(suffix: str) -> None:
    report = CASE.read(delivery(event(f"charge.dispute.{suffix}", dispute(status="lost"))))
    assert (report.about, report.status, report.amount_minor) == (Subject.DISPUTE, DisputeStatus.LOST, 1299)
    assert report.attention is Attention.DISPUTED


def test_an_early_fraud_warning_only_calls_a_person() -> None:
    warning = {"id": "issfr_1", "object": "radar.early_fraud_warning", "charge": "ch_docA1", "actionable": True,
               "payment_intent": "pi_docA1", "fraud_type": "made_with_stolen_card", "livemode": False}  # fmt: skip
    report = CASE.read(delivery(event("radar.early_fraud_warning.created", warning)))
    assert (report.status, report.captured_minor, report.attention) == (None, None, Attention.FRAUD_WARNING)
    assert (report.gateway_reference, report.other_references) == ("pi_docA1", ("ch_docA1",))


def test_every_event_to_subscribe_to_is_read() -> None:
    assert set(CASE.gateway_class.about.webhook_events) == set(webhook.READERS)


def test_a_long_unknown_header_is_not_kept_in_the_error() -> None:
    good = delivery(event("payment_intent.succeeded", intent()))
    with pytest.raises(WebhookRejected) as caught:
        CASE.open().read_webhook(replace(good, headers={"stripe-signature": "t=1,v1=deadbeef"}))
    assert "deadbeef" not in f"{caught.value} {vars(caught.value)}"
