"""Callbacks: what is believed, under which key, and what they say."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from clients.nowpayments.gateway import NowPaymentsGateway
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.testing import FakeHttp, MemoryCache, fixed_clock
from core.gateways.types import Mode, PaymentStatus, PayoutStatus, Report, Subject, WebhookReading
from tests.clients.nowpayments.wire import (
    API_KEY,
    CHILD_ID,
    PAYMENT_ID,
    REFERENCE,
    SECRET,
    child,
    delivery,
    ipn,
    payload,
)

VALID = (
    "ac0766dc39d1e4eddd8fad11903e5f583d069c80cd7aa59bf0dc6558c76a718d"
    "768ef46c2667ce9a7b3294fb9b4c5bc376103d40d078a2f0d6fc0ba73ff31fe4"
)
TOP_LEVEL_ONLY = (
    "4e3c6165036ab18ec6f6ab680bfe4b0b18607c9828cf32db19a838afffa04b24"
    "d7da15b95617e5ea789271a6390eac232cec4c859c92a65994c35257b9d9c361"
)
ARRAYS_KEPT = (
    "1091d39488bca607b355446431c806ec44cb4fb1355709bf5c3cf6fb7592350a"
    "8fb5cd44c74ee27d37294d7f590aeaf9c6105b834d05f81feb623ea6d45bba8d"
)
ARRAYS_AS_OBJECTS = (
    "5c0496b32925703c003e996a16600faae64017093f7dbea71d157c7144fa1a53"
    "b159afff6596e04101a96a9551612c2fcbddc051a9f8acf857b994fb3b2dc919"
)
PAYOUT = (
    "d4cfddc038f42fd3c33a3a209d835bec0d3aa09d5852a2b34025047b75507423"
    "eeeec89485fb3d55d99fea941843b094e33ed723b6e69e2ec60b26ca109458a4"
)


def open_gateway(mode: Mode = Mode.LIVE, **credentials: Any) -> NowPaymentsGateway:
    known = {"api_key": API_KEY, "ipn_secret": SECRET, **credentials}
    return NowPaymentsGateway(known, mode=mode, http=FakeHttp(), cache=MemoryCache(), clock=fixed_clock())


def read(body: dict[str, Any] | bytes, *, signature: str | None = None, **credentials: Any) -> WebhookReading:
    return open_gateway(**credentials).read_webhook(delivery(body, signature=signature))


def report_of(body: dict[str, Any]) -> Report:
    (report,) = read(body).reports
    return report


def hmac_of(text: str | bytes) -> str:
    raw = text if isinstance(text, bytes) else text.encode()
    return hmac.new(SECRET.encode(), raw, hashlib.sha512).hexdigest()


# --- what is believed ---------------------------------------------------------------------------------------------


def test_the_first_vector_is_verified_and_read_as_the_page_says() -> None:
    reading = read(payload("ipn_finished.json"), signature=VALID)
    (report,) = reading.reports
    assert reading.event_key == hashlib.sha256(payload("ipn_finished.canonical.txt")).hexdigest()
    assert (reading.event_type, reading.note, reading.attention) == ("payment.finished", None, None)
    assert (reading.reply.status, reading.reply.body) == (200, "")
    assert (report.about, report.status) == (Subject.PAYMENT, PaymentStatus.CAPTURED)
    assert (report.reference, report.gateway_reference) == ("ord-20260114-0007", "4101567823")
    assert report.other_references == ("invoice:6401112233",)
    assert (report.captured_minor, report.amount_minor, report.asset) == (4990, 4990, "USD")
    assert (report.attention, report.decline, report.mode, report.is_hint) == (None, None, None, False)
    assert report.occurred_at == datetime(2026, 1, 14, 12, 0, 0, 123000, tzinfo=UTC)


def test_naive_signatures_of_the_first_vector_are_refused() -> None:
    body = payload("ipn_finished.json")
    tree = json.loads(body)
    naive = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    escaped = json.dumps(tree, sort_keys=True, separators=(",", ":"))
    wrong = {"5c6aad2b0266e616": naive, "dcf5e04e2557d7c8": escaped, "a198c9782481e1e8": body.decode()}
    for start, text in wrong.items():
        assert hmac_of(text).startswith(start)
        with pytest.raises(WebhookRejected):
            read(body, signature=hmac_of(text))
    with pytest.raises(WebhookRejected):
        read(body, signature=TOP_LEVEL_ONLY)


def test_both_array_forms_verify_and_read_alike() -> None:
    kept = read(payload("ipn_arrays.json"), signature=ARRAYS_KEPT)
    as_objects = read(payload("ipn_arrays.json"), signature=ARRAYS_AS_OBJECTS)
    assert kept.reports == as_objects.reports
    # Each key is the SHA-256 of the very text that was signed.
    assert kept.event_key == "4170a4d54d4fe53dfad48ea517213c6c5bea6c89ddc0cb9e80eadddc355ca531"
    assert as_objects.event_key == "8467c8d2b14520602feddcc3d82a3c2aa0187390532d945211f0c4010e5038a8"


def test_space_key_order_and_number_spelling_decide_nothing() -> None:
    pretty = json.dumps(dict(reversed(json.loads(payload("ipn_finished.json")).items())), indent=2).encode()
    assert pretty != payload("ipn_finished.json")
    first, again = read(payload("ipn_finished.json"), signature=VALID), read(pretty, signature=VALID)
    assert again.event_key == first.event_key
    assert again.reports[0].captured_minor == 4990


@pytest.mark.parametrize("spelled", [VALID.upper(), f"  {VALID}\n", f"\t{VALID.upper()} "])
def test_the_header_is_trimmed_and_its_case_does_not_matter(spelled: str) -> None:
    assert read(payload("ipn_finished.json"), signature=spelled).reports[0].captured_minor == 4990


@pytest.mark.parametrize(
    "bad",
    ["", " ", "0" * 128, VALID[:-1], VALID + "0", f"{VALID}, {VALID}", "g" * 128, "\uff11" * 128, "\u00e9", f"sha512={VALID}",
     f"{VALID[:64]} {VALID[64:]}"],
)  # fmt: skip
def test_a_header_of_the_wrong_form_or_value_is_refused(bad: str) -> None:
    with pytest.raises(WebhookRejected):
        read(payload("ipn_finished.json"), signature=bad)


def test_a_missing_header_is_refused() -> None:
    signed = delivery(payload("ipn_finished.json"), signature=VALID)
    with pytest.raises(WebhookRejected):
        open_gateway().read_webhook(replace(signed, headers={"content-type": "application/json"}))


@pytest.mark.parametrize("change", [{"order_id": "ord-other"}, {"actually_paid": 49.912346}, {"more": None}])
def test_a_changed_body_under_an_old_signature_is_refused(change: dict[str, Any]) -> None:
    body = {**json.loads(payload("ipn_finished.json")), **change}
    with pytest.raises(WebhookRejected):
        read(body, signature=VALID)


@pytest.mark.parametrize("secret", [None, "", "       ", "1234567", " 1234567 \n", "changeme-changeme", "aaaaaaaaaaaa"])
def test_without_a_usable_secret_nothing_verifies_not_even_with_a_previous_one(secret: str | None) -> None:
    for previous in ([], [SECRET]):
        with pytest.raises(GatewayMisconfigured):
            read(payload("ipn_finished.json"), signature=VALID, ipn_secret=secret, previous_ipn_secrets=previous)


def test_a_pasted_newline_around_the_secret_is_trimmed() -> None:
    assert len(read(payload("ipn_finished.json"), signature=VALID, ipn_secret=f" {SECRET}\r\n").reports) == 1


def test_previous_secrets_are_tried_and_blank_ones_are_not_secrets() -> None:
    rotated = {"ipn_secret": "new-secret-0001", "previous_ipn_secrets": ["older-secret-9", SECRET + "\n"]}
    assert len(read(payload("ipn_finished.json"), signature=VALID, **rotated).reports) == 1
    blank = hmac.new(b"", payload("ipn_finished.canonical.txt"), hashlib.sha512).hexdigest()
    with pytest.raises(WebhookRejected):
        read(
            payload("ipn_finished.json"), signature=blank, ipn_secret="new-secret-0001", previous_ipn_secrets=["", " "]
        )


def test_a_body_larger_than_64_kib_is_refused_also_when_it_is_signed() -> None:
    with pytest.raises(WebhookRejected):
        read(ipn("finished", order_description="x" * 66_000))


@pytest.mark.parametrize("body", [b'{"a":1e999}', b'{"a":1,"a":1}', b"[" * 5000, b"null", b'{"a":NaN}', b"\xff\xfe"])
def test_a_body_that_cannot_be_read_is_refused_whatever_its_header(body: bytes) -> None:
    with pytest.raises(WebhookRejected):
        read(body, signature=VALID)


# --- what it says -------------------------------------------------------------------------------------------------


def test_a_repeated_deposit_is_a_hint_about_its_parent_and_carries_no_money() -> None:
    reading = read(child("finished", price_amount=49.9))
    (report,) = reading.reports
    assert (report.status, report.is_hint) == (PaymentStatus.PENDING, True)
    assert (report.gateway_reference, report.reference) == (PAYMENT_ID, REFERENCE)
    assert report.other_references == (CHILD_ID,)
    assert (report.captured_minor, report.amount_minor, report.asset, report.coin) == (None, None, None, None)
    assert report.attention is None  # its parent's coin is not in this delivery: the fetch compares them


def test_a_repeated_deposit_without_order_id_still_names_its_parent() -> None:
    report = report_of(child("partially_paid", order_id=None, parent_payment_id=PAYMENT_ID))
    assert (report.reference, report.gateway_reference, report.is_hint) == (None, PAYMENT_ID, True)


@pytest.mark.parametrize("word", ["waiting", "confirming", "failed", "expired", "refunded", "other"])
def test_whatever_a_child_says_is_only_a_hint(word: str) -> None:
    report = report_of(child(word))
    assert (report.status, report.captured_minor, report.is_hint) == (PaymentStatus.PENDING, None, True)
    assert (report.decline, report.attention) == (None, None)


def test_a_payout_is_a_report_about_the_withdrawal() -> None:
    reading = read(payload("ipn_payout.json"), signature=PAYOUT)
    (report,) = reading.reports
    assert reading.event_type == "payout.FINISHED"
    assert (report.about, report.status) == (Subject.PAYOUT, PayoutStatus.SUCCEEDED)
    assert (report.reference, report.gateway_reference, report.other_references) == (
        None,
        "5100777001",
        ("5100776999",),
    )
    assert (report.asset, report.amount_minor, report.fee_minor) == ("USDTTRC20", 12_500_000, 1_320_000)
    assert report.occurred_at == datetime(2026, 1, 14, 10, 5, tzinfo=UTC)
    assert report.coin is not None
    assert (report.coin.transaction_hash, report.coin.explorer_url) == ("9f00aa", None)  # no hash of that network


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("CREATING", PayoutStatus.PENDING),
        ("WAITING", PayoutStatus.PENDING),
        ("processing", PayoutStatus.PENDING),
        ("SENDING", PayoutStatus.PENDING),
        ("SOMETHING_NEW", PayoutStatus.PENDING),
        ("finished", PayoutStatus.SUCCEEDED),
        ("FAILED", PayoutStatus.FAILED),
        ("Rejected", PayoutStatus.FAILED),
    ],
)
def test_every_payout_word(word: str, status: PayoutStatus) -> None:
    body = {**json.loads(payload("ipn_payout.json")), "status": word, "error": "no funds", "unique_external_id": "WD_7"}
    report = report_of(body)
    assert (report.status, report.reference) == (status, "WD_7")
    if status is PayoutStatus.FAILED:
        assert report.decline is not None
        assert (report.decline.code, report.decline.gateway_code, report.decline.message) == (
            "failed",
            word,
            "no funds",
        )
    else:
        assert report.decline is None


def test_a_card_number_in_the_error_of_a_payout_is_masked() -> None:
    body = {**json.loads(payload("ipn_payout.json")), "status": "FAILED", "error": "memo 4111 1111 1111 1111 refused"}
    decline = report_of(body).decline
    assert decline is not None and decline.message == "memo [card number] refused"


def test_a_payout_in_an_unknown_coin_has_text_but_no_minor_units() -> None:
    report = report_of({**json.loads(payload("ipn_payout.json")), "currency": "newcoin"})
    assert (report.asset, report.amount_minor, report.fee_minor) == (None, None, None)
    assert report.coin is not None and (report.coin.code, report.coin.amount_text) == ("NEWCOIN", "12.5")


def test_custody_and_unknown_shapes_are_acknowledged_without_a_report() -> None:
    custody = {"id": "1", "status": "FINISHED", "currency": "trx", "amount": "5", "updated_at": "2026-01-14T10:05:00Z"}
    for body, kind in ((custody, "other.FINISHED"), ({}, "other.unknown"), ({"hello": [1]}, "other.unknown")):
        reading = read(body)
        assert (reading.reports, reading.event_type, reading.reply.status) == ((), kind, 200)
        assert reading.note == "neither a payment nor a payout"


@pytest.mark.parametrize(
    "change",
    [
        {"payment_id": 5745.0}, {"payment_id": None}, {"payment_id": True}, {"payment_id": "12a"}, {"payment_id": -5},
        {"payment_id": 9007199254740993}, {"payment_id": "\u0661\u0662"}, {"payment_id": {"a": 1}},
        {"payment_status": None}, {"payment_status": 7}, {"payment_status": ""}, {"parent_payment_id": 5.5},
        {"parent_payment_id": "x"},
    ],
)  # fmt: skip
def test_signed_but_unreadable_is_verified_noted_and_says_nothing(change: dict[str, Any]) -> None:
    body = json.dumps(ipn("finished", **change), separators=(",", ":"), ensure_ascii=False).encode()
    text = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    js_text = text.replace("5745.0", "5745").replace("9007199254740993", "9007199254740992")
    reading = read(body, signature=hmac_of(js_text))
    assert reading.reports == ()
    assert reading.note is not None and reading.note.startswith("signed but unreadable: ")
    assert reading.event_key == hashlib.sha256(js_text.encode()).hexdigest()


def test_hostile_text_in_a_signed_body_is_stored_harmless() -> None:
    body = ipn("finished", order_id="o\u0000rd\n-1", pay_address="T\u202e" * 5, payment_extra_ids=["x"] * 500)
    report = report_of(body)
    assert report.reference == "ord-1"
    assert report.coin is not None and report.coin.address is None
    assert len(report.raw["payment_extra_ids"]) == 20 and report.raw["order_id"] == "ord-1"


def test_callback_address_email_and_description_are_not_kept() -> None:
    report = report_of(ipn("finished", ipn_callback_url="https://pay.example/hook/secret-token", customer_email="a@b.c",
                           order_description="for Ada", origin_ip="192.0.2.7"))  # fmt: skip
    assert not {"ipn_callback_url", "customer_email", "order_description", "origin_ip"} & set(report.raw)
    assert report.raw["payment_status"] == "finished"
