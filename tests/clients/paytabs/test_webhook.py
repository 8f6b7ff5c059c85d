"""Callbacks and IPNs: what is believed, under which key, and what they say."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest

from clients.paytabs.gateway import PayTabsGateway
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.testing import FakeHttp, MemoryCache, fixed_clock
from core.gateways.types import Attention, Mode, PaymentStatus, Subject, WebhookDelivery, WebhookReading
from tests.clients.paytabs.bodies import (
    EXAMPLE_SIGNATURE,
    KEY,
    NEXT_REF,
    OLD_KEY,
    PROFILE,
    REF,
    REFERENCE,
    amount,
    credentials,
    delivery,
    follow_up,
    payload,
    refund,
    row,
    signature,
)

EXAMPLE = payload("sale_signed_example.json")


def read(given: WebhookDelivery, *, mode: Mode = Mode.TEST, **changes: Any) -> WebhookReading:
    gateway = PayTabsGateway(
        credentials(**changes), mode=mode, http=FakeHttp(), cache=MemoryCache(), clock=fixed_clock()
    )
    return gateway.read_webhook(given)


def test_the_published_example_verifies_and_says_that_it_was_paid() -> None:
    assert len(EXAMPLE) == 780
    reading = read(delivery(EXAMPLE, signed=EXAMPLE_SIGNATURE))
    (report,) = reading.reports
    assert reading.event_key == hashlib.sha256(EXAMPLE).hexdigest()
    assert (reading.event_type, reading.note, reading.attention) == ("sale.A", None, None)
    assert (reading.reply.status, reading.reply.body) == (200, "")
    assert (report.status, report.captured_minor, report.asset) == (PaymentStatus.CAPTURED, 11550, "SAR")
    assert (report.reference, report.gateway_reference) == ("pay_01HZX4-1", "TST2614400991234")
    assert (report.account, report.mode, report.is_hint) == (PROFILE, Mode.TEST, False)


@pytest.mark.parametrize("spelled", [EXAMPLE_SIGNATURE.upper(), f" {EXAMPLE_SIGNATURE}\n", EXAMPLE_SIGNATURE.title()])
def test_case_and_surrounding_space_of_the_header_decide_nothing(spelled: str) -> None:
    assert len(read(delivery(EXAMPLE, signed=spelled)).reports) == 1


@pytest.mark.parametrize(
    "body",
    [
        EXAMPLE + b"\n", EXAMPLE[:-1], b" " + EXAMPLE, EXAMPLE.replace(b"115.50", b"115.51", 1),
        json.dumps(json.loads(EXAMPLE)).encode(), json.dumps(json.loads(EXAMPLE), sort_keys=True).encode(), b"", b"{}",
    ],
)  # fmt: skip
def test_only_the_exact_bytes_are_signed(body: bytes) -> None:
    with pytest.raises(WebhookRejected):
        read(delivery(body, signed=EXAMPLE_SIGNATURE))


@pytest.mark.parametrize(
    "bad",
    ["", " ", "0" * 64, EXAMPLE_SIGNATURE[:-1], EXAMPLE_SIGNATURE + "0", f"{EXAMPLE_SIGNATURE}, {EXAMPLE_SIGNATURE}",
     f"sha256={EXAMPLE_SIGNATURE}", "g" * 64, "\uff11" * 64, "\u00e9", signature(EXAMPLE, OLD_KEY)],
)  # fmt: skip
def test_a_header_of_the_wrong_form_or_value_is_refused(bad: str) -> None:
    with pytest.raises(WebhookRejected):
        read(delivery(EXAMPLE, signed=bad))


def test_a_missing_header_is_refused() -> None:
    bare = replace(delivery(EXAMPLE), headers={"content-type": "application/json", "client-key": "C"})
    with pytest.raises(WebhookRejected):
        read(bare)


def test_an_empty_body_is_refused_also_when_it_is_signed() -> None:
    with pytest.raises(WebhookRejected):
        read(delivery(b"", signed=signature(b"")))


def test_slashes_stay_as_they_were_escaped() -> None:
    body = json.dumps(row(cart_description="a/b"), separators=(",", ":")).replace("/", "\\/").encode()
    assert len(read(delivery(body)).reports) == 1
    with pytest.raises(WebhookRejected):
        read(delivery(body.replace(b"\\/", b"/"), signed=signature(body)))


def test_the_previous_key_is_still_believed_and_no_third() -> None:
    old = delivery(row(), key=OLD_KEY)
    assert len(read(old, previous_server_keys=[OLD_KEY]).reports) == 1
    with pytest.raises(WebhookRejected):
        read(old)


@pytest.mark.parametrize("key", [None, "", "      ", "1234567", "changeme"])
def test_without_a_usable_key_nothing_is_believed_not_even_with_a_previous_one(key: str | None) -> None:
    for given in (delivery(row()), delivery(row(), key=""), delivery(row(), key=OLD_KEY)):
        with pytest.raises(GatewayMisconfigured):
            read(given, server_key=key, previous_server_keys=[OLD_KEY])


def test_callback_and_ipn_of_one_fact_have_two_keys_and_one_meaning() -> None:
    first, second = read(delivery(row(ipn_trace="PMNT0001"))), read(delivery(row(ipn_trace="IPNS0002")))
    assert first.event_key != second.event_key
    assert [replace(one, raw={}) for one in first.reports] == [replace(one, raw={}) for one in second.reports]


def test_a_retry_is_the_same_event_years_later() -> None:
    old = delivery(row(time="2019-01-01T00:00:00Z"))
    assert read(old).event_key == read(old).event_key
    assert read(old).reports[0].captured_minor == 11550


@pytest.mark.parametrize(
    ("body", "event"),
    [(row("Auth"), "auth.A"), (refund("P"), "refund.P"), (row("Payment Request", "X"), "paymentrequest.X"),
     (row(letter=None), "sale.-"), (row(tran_type=None), "unknown.A")],
)  # fmt: skip
def test_type_and_letter_are_the_event(body: dict[str, Any], event: str) -> None:
    assert read(delivery(body)).event_type == event


@pytest.mark.parametrize(
    ("body", "note"),
    [
        (row(letter="Q"), "unknown words: tran_type sale, status Q"),
        (row("Lease"), "unknown words: tran_type lease, status A"),
        (row(tran_type=None), "unknown words: tran_type -, status A"),
        (row(letter=None), "the notification has no result"),
        (follow_up("Void", "Z"), "unknown words: tran_type void, status Z"),
    ],
)
def test_unknown_words_are_noted_and_a_reason_to_ask(body: dict[str, Any], note: str) -> None:
    reading = read(delivery(body))
    assert reading.note == note
    assert [(one.is_hint, one.reference) for one in reading.reports] == [(True, REFERENCE)]


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'"x"', b"\xff\xfe", b'{"a":1,"a":2}', b"[" * 5000, b'{"a":NaN}', b" "]
)
def test_signed_but_unreadable_is_kept_with_a_note(body: bytes) -> None:
    reading = read(delivery(body))
    assert (reading.reports, reading.note) == ((), "signed, but not readable as JSON")
    assert reading.event_key == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("body", [{}, {"invoice_id": 7}, row(tran_ref=None), row(tran_ref=""), row(tran_ref=[1])])
def test_a_body_about_no_transaction_says_nothing(body: dict[str, Any]) -> None:
    reading = read(delivery(body))
    assert (reading.reports, reading.note, reading.reply.status) == ((), "signed, but about no transaction", 200)


def test_a_foreign_profile_is_shown_and_moves_nothing_although_the_signature_is_right() -> None:
    (report,) = read(delivery(row(profile_id=1))).reports
    assert (report.status, report.captured_minor) == (PaymentStatus.PENDING, None)
    assert (report.account, report.attention) == ("1", Attention.MISMATCH)


@pytest.mark.parametrize("said", [990011.5, True, [990011], {"id": 990011}, " "])
def test_a_profile_that_cannot_be_read_is_not_taken_for_ours(said: Any) -> None:
    (report,) = read(delivery(row(profile_id=said))).reports
    assert (report.status, report.captured_minor, report.attention) == (PaymentStatus.PENDING, None, Attention.MISMATCH)


@pytest.mark.parametrize("kind", ["Sale", "Capture"])
@pytest.mark.parametrize(("text", "is_hint"), [("1.24", True), ("1.2", True), ("1.240", False), ("1", False)])
def test_a_three_decimal_amount_that_may_be_rounded_is_asked_for(kind: str, text: str, is_hint: bool) -> None:
    (report,) = read(delivery(row(kind, **amount(text, "KWD")))).reports
    assert (report.status, report.asset, report.is_hint) == (PaymentStatus.CAPTURED, "KWD", is_hint)


def test_a_two_decimal_amount_is_no_rounded_one() -> None:
    assert read(delivery(row(**amount("1.2")))).reports[0].is_hint is False


@pytest.mark.parametrize("said", ["US", "840", 840, ["SAR"]])
def test_money_in_a_currency_that_cannot_be_read_is_a_mismatch(said: Any) -> None:
    (report,) = read(delivery(row(tran_currency=said))).reports
    assert report.attention is Attention.MISMATCH


def test_no_card_number_is_in_a_text_that_they_send() -> None:
    info = {"payment_method": "4111111111111111", "card_scheme": "4111 1111 1111 1111"}
    body = row("Sale", "D", message="No such card 4111111111111111", payment_info=info)
    (report,) = read(delivery(body)).reports
    assert report.decline is not None and report.decline.message == "No such card [card number]"
    assert report.method is not None and report.method.brand == "[card number]"


def test_a_test_notification_on_a_live_account_says_its_mode() -> None:
    (report,) = read(delivery(row()), mode=Mode.LIVE).reports
    assert (report.mode, report.attention) == (Mode.TEST, Attention.MISMATCH)


def test_a_refund_of_the_dashboard_comes_with_the_payment_s_name() -> None:
    (report,) = read(delivery(refund(cart_id=REFERENCE))).reports
    assert (report.about, report.reference, report.refunded_minor) == (Subject.REFUND, REFERENCE, 1550)
    assert report.payment is not None and report.payment.gateway_reference == REF


def test_a_second_leg_is_found_by_our_name_and_brings_its_own_reference() -> None:
    (report,) = read(delivery(row(tran_ref=NEXT_REF, previous_tran_ref=REF))).reports
    assert (report.reference, report.gateway_reference, report.captured_minor) == (REFERENCE, NEXT_REF, 11550)


def test_nothing_of_the_key_is_told() -> None:
    with pytest.raises(WebhookRejected) as caught:
        read(delivery(EXAMPLE, signed="0" * 64))
    assert KEY not in repr(caught.value) + repr(vars(caught.value))


def test_an_amount_without_a_currency_is_not_guessed() -> None:
    (report,) = read(delivery(row(cart_currency=None, tran_currency=None))).reports
    assert (report.status, report.captured_minor, report.asset, report.attention) == (
        PaymentStatus.CAPTURED, None, None, None,
    )  # fmt: skip
