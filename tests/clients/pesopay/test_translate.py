"""The form, the names, the money and the words, against literal text."""

from __future__ import annotations

from typing import Any

import iso4217
import pytest

from clients.pesopay.answers import Unreadable, read_records
from clients.pesopay.attempt import STATUS, parse
from clients.pesopay.declines import read_decline
from clients.pesopay.money import NUMBERS, amount_text, read_money
from clients.pesopay.references import order_ref
from core.gateways.errors import RequestRejected
from core.gateways.testing import FakeHttp, answer
from core.gateways.types import (
    Attention,
    CaptureMode,
    FormPost,
    Mode,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Report,
)
from core.money import Money
from tests.clients.pesopay.case import CASE
from tests.clients.pesopay.wire import (
    DECLINED_REF,
    HOLD,
    PAY_REF,
    REFERENCE,
    SECOND_REF,
    declined,
    payload,
    record,
    records,
)

S = PaymentStatus


def form(request: PaymentRequest, **credentials: str) -> FormPost:
    report = CASE.open(credentials={**CASE.credentials(Mode.TEST), **credentials}).initiate(request)
    assert isinstance(report, Report) and isinstance(report.next_action, FormPost)
    return report.next_action


def judged(*found: dict[str, str], **names: Any) -> Report:
    known = PaymentNames(**{"reference": REFERENCE, **names})
    report = CASE.open(FakeHttp([records(*found)])).fetch_payment(known)
    assert isinstance(report, Report)
    return report


# --- the form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("sha1", "730ff698a54b8b2ec953810be7ffe1bc2a30f2b8"),
        ("sha256", "3526a2426f33dfb11399855d7bb7d705ae7348c82deb51c212f46ed4a1185753"),
        ("sha512", "c887a3572f1060e87ce97e729f6d794ccbfa866257d45647bd56c8ed6d26d604ccfc52e4d39c74aae2b0a0070928e234"
                   "ae0016dd4d0cf40e92375709865a16ec"),
    ],
)  # fmt: skip
def test_the_request_hash_is_the_reference_s_vector(function: str, expected: str) -> None:
    fields = form(CASE.payment_request(reference="ORD-2026-000451"), secure_hash_function=function).fields
    assert fields["secureHash"] == expected


def test_the_form_to_the_field() -> None:
    action = form(CASE.payment_request(reference="PAY-20261120183005-1a2b3c4d-2", capture=CaptureMode.MANUAL))
    assert action.url == "https://test.pesopay.com/b2cDemo/eng/payment/payForm.jsp"
    fields = dict(action.fields)
    assert len(fields.pop("secureHash")) == 40
    assert fields == {
        "merchantId": "18000001", "orderRef": "PAY-20261120183005-1a2b3c4d-H2", "currCode": "608", "amount": "1250.50",
        "payType": "H", "lang": "E", "successUrl": "https://pay.example.com/p/abc/return",
        "failUrl": "https://pay.example.com/p/abc/return", "cancelUrl": "https://pay.example.com/p/abc/cancel",
        "payMethod": "ALL", "mpsMode": "NIL", "threeDSTransType": "01", "threeDSCustomerEmail": "ada@example.com",
    }  # fmt: skip


def test_the_created_payment_is_known_by_the_order_ref_and_asks_nobody() -> None:
    http = FakeHttp()
    report = CASE.open(http).initiate(CASE.payment_request(reference="PAY-20261120183005-1a2b3c4d-1"))
    assert (report.reference, report.gateway_reference) == (REFERENCE, None)
    assert report.other_references == (REFERENCE, "PAY-20261120183005-1a2b3c4d-1")
    assert http.sent == [] and "secureHash" not in report.raw


@pytest.mark.parametrize(
    ("reference", "sale", "hold"),
    [
        ("PAY-20261120183005-1a2b3c4d-1", REFERENCE, HOLD),
        ("PAY_20261120183005_1a2b3c4d-12", "PAY-20261120183005-1a2b3c4d-N12", "PAY-20261120183005-1a2b3c4d-H12"),
        ("PAY_20261120183005_1a2b3c4d", REFERENCE, HOLD),
        (REFERENCE, REFERENCE, HOLD),
        ("ORD-2026-000451", "ORD-2026-000451", "ORD-2026-000451-H1"),
        ("ORD-7-H3", "ORD-7-N3", "ORD-7-H3"),
        ("x" * 34, "x" * 34, "x" * 32 + "-H1"),
        ("y" * 35, "y" * 35, "y" * 32 + "-H1"),
    ],
)
def test_the_end_of_the_order_ref_says_sale_or_hold(reference: str, sale: str, hold: str) -> None:
    assert order_ref(reference, is_hold=False) == sale
    assert order_ref(reference, is_hold=True) == hold


@pytest.mark.parametrize("reference", ["", "x" * 36, "a|b", "a b", "a.b", "caf\u00e9", "a/b", "\u0661"])
def test_a_reference_that_the_gateway_would_refuse_is_never_signed(reference: str) -> None:
    with pytest.raises(RequestRejected) as caught:
        order_ref(reference, is_hold=False)
    assert caught.value.code == "reference_invalid"


def test_what_would_be_refused_is_refused_here() -> None:
    for request in (
        CASE.payment_request(Money(1000, "KWD")), CASE.payment_request(Money(1000, "IQD")),
        CASE.payment_request(return_url="https://pay.example.com/a|b"), CASE.payment_request(save_method=True),
        CASE.payment_request(Money(1_000_000_000_000, "PHP")), CASE.payment_request(Money(0, "PHP")),
    ):  # fmt: skip
        with pytest.raises(RequestRejected):
            form(request)
    with pytest.raises(RequestRejected, match="USD only"):
        form(CASE.payment_request(), account_currency="USD")


# --- money ------------------------------------------------------------------------------------------------------------


def test_every_number_is_that_of_iso_4217() -> None:
    assert len(NUMBERS) == 48
    assert {asset: f"{iso4217.Currency(asset).number:03d}" for asset in NUMBERS} == dict(NUMBERS)


@pytest.mark.parametrize(
    ("minor", "asset", "text"),
    [(125050, "PHP", "1250.50"), (1, "USD", "0.01"), (300000, "PHP", "3000.00"), (740, "JPY", "740.00"),
     (999_999_999_999, "PHP", "9999999999.99"), (9_999_999_999, "JPY", "9999999999.00")],
)  # fmt: skip
def test_amounts_are_sent_with_two_decimals(minor: int, asset: str, text: str) -> None:
    assert amount_text(Money(minor, asset)) == text


@pytest.mark.parametrize(
    ("amount", "number", "money"),
    [("1250.5", "608", Money(125050, "PHP")), ("10.0", "036", Money(1000, "AUD")), ("10", "36", Money(1000, "AUD")),
     ("740.00", "392", Money(740, "JPY")), ("740.5", "392", None), ("1.005", "608", None), ("1.230", "608", Money(123, "PHP")),
     ("", "608", None), ("+1", "608", None), ("1e2", "608", None), ("1,000.00", "608", None), ("10", "0608", None),
     ("5.000", "414", None), ("NaN", "608", None), (" 1", "608", None)],
)  # fmt: skip
def test_amounts_are_read_as_they_are_printed(amount: str, number: str, money: Money | None) -> None:
    assert read_money(amount, number) == money


# --- words ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "status", "captured", "attention"),
    [
        ("Accepted", S.CAPTURED, 125050, None),
        ("Accepted_Adj", S.CAPTURED, 125050, None),
        ("Authorized", S.AUTHORIZED, 0, None),
        ("Captured", S.CAPTURED, 125050, None),
        ("Capturing", S.AUTHORIZED, 0, None),
        ("Pending", S.PENDING, 0, None),
        ("Pending_3D", S.REQUIRES_ACTION, 0, None),
        ("Rejected", S.FAILED, 0, None),
        ("Cancelled", S.FAILED, 0, None),
        ("Voided", S.VOIDED, 0, None),
        ("Reverse Auth", S.VOIDED, 0, None),
        ("reverse-auth", S.VOIDED, 0, None),
        ("Reversal Void", S.VOIDED, 0, None),
        ("Reversal-CB", S.CAPTURED, 125050, Attention.GATEWAY_DISAGREES),
        ("RequestRefund", S.CAPTURED, 125050, None),
        ("RequestPartialRefund", S.CAPTURED, 125050, None),
        ("Refunded", S.CAPTURED, 125050, None),
        ("Partial Refunded", S.CAPTURED, 125050, None),
        ("PARTIAL_REFUNDED", S.CAPTURED, 125050, None),
        ("ChargeBack", S.CAPTURED, 125050, Attention.DISPUTED),
        ("Partial ChargeBack", S.CAPTURED, 125050, Attention.DISPUTED),
        ("Settling", S.PENDING, 0, None),
        ("", S.PENDING, 0, None),
    ],
)
def test_every_word(word: str, status: PaymentStatus, captured: int, attention: Attention | None) -> None:
    report = judged(record(word))
    assert (report.status, report.captured_minor, report.attention) == (status, captured, attention)
    assert report.authorized_minor == (125050 if status is S.AUTHORIZED else None)
    assert report.refunded_minor == (125050 if word == "Refunded" else None)
    assert (report.decline is not None) is (status is S.FAILED)


def test_nineteen_words_are_known() -> None:
    assert len(STATUS) == 19


@pytest.mark.parametrize(
    ("prc", "src", "code"),
    [
        ("1", "51", "insufficient_funds"), ("1", "01", "declined"), ("1", "14", "invalid_card"),
        ("+1", "54", "expired_card"), ("01", "41", "lost_or_stolen"), ("1", "43", "lost_or_stolen"),
        ("1", "91", "declined"), ("1", "2000", "declined"), ("1", "", "declined"), ("3", "77", "authentication_failed"),
        ("-1", "-1", "invalid_request"), ("-2", "-2", "gateway_error"), ("-8", "999", "gateway_error"),
        ("-8", "2011", "gateway_error"), ("-8", "1000", "declined"), ("-8", "2000", "blocked"), ("-8", "2004", "blocked"),
        ("-8", "2005", "invalid_card"), ("-8", "2006", "too_many_attempts"), ("-8", "2007", "duplicate_reference"),
        ("-8", "2008", "invalid_request"), ("-8", "2012", "declined"), ("-8", "2014", "blocked"),
        ("-8", "2016", "too_many_attempts"), ("-8", "2017", "invalid_card"), ("-8", "2018", "too_many_attempts"),
        ("-9", "-9", "gateway_error"), ("-10", "-10", "gateway_error"), ("", "", "declined"), ("0", "0", "declined"),
        ("99", "1", "declined"), ("x", "y", "declined"),
    ],
)  # fmt: skip
def test_every_decline(prc: str, src: str, code: str) -> None:
    decline = read_decline(prc, src)
    assert (decline.code, decline.gateway_code) == (code, f"{prc}/{src}" if prc or src else None)


def test_the_message_of_a_decline_is_theirs_but_not_the_query_s_own() -> None:
    assert read_decline("1", "51", "Do not honour").message == "Do not honour"
    assert read_decline("1", "51", "Query Successfully").message is None


# --- which attempt counts ---------------------------------------------------------------------------------------------


def test_the_sample_of_the_reference_is_read_whole() -> None:
    http = FakeHttp([answer(text=payload("query_accepted.xml"))])
    report = CASE.open(http).fetch_payment(PaymentNames(reference="ORD-2026-000451"))
    assert (report.status, report.captured_minor, report.asset) == (S.CAPTURED, 125050, "PHP")
    assert (report.gateway_reference, report.reference) == (PAY_REF, "ORD-2026-000451")
    assert (report.method.kind, report.method.brand, report.method.last_four) == ("card", "mastercard", "0007")
    assert report.occurred_at.isoformat() == "2026-01-14T11:20:00+00:00"
    assert report.fraud.message == "alert code R14"
    assert "TEST HOLDER" not in str(report.raw) and "5422" not in str(report.raw)


def test_the_best_attempt_counts_whatever_the_order() -> None:
    words = ["Captured", "Authorized", "Voided", "Pending", "Rejected"]
    for number, word in enumerate(words):
        rest = [record(one, payRef=str(100 + at)) for at, one in enumerate(words[number:])]
        for order in (rest, rest[::-1]):
            report = judged(*order)
            assert report.status is STATUS[word.lower()]
            assert report.gateway_reference == "100"
            assert set(report.other_references) == {str(100 + at) for at in range(1, len(rest))} | {
                "PAY-20261120183005-1a2b3c4d-1"
            }


def test_a_declined_card_before_the_one_that_paid_leaves_its_name() -> None:
    report = judged(declined(), record())
    assert (report.status, report.gateway_reference, report.decline) == (S.CAPTURED, PAY_REF, None)
    assert DECLINED_REF in report.other_references


def test_who_paid_twice_overpaid_and_who_is_listed_twice_did_not() -> None:
    twice = judged(record(), record(payRef=SECOND_REF), gateway_reference=SECOND_REF)
    assert (twice.captured_minor, twice.attention) == (250100, Attention.OVERPAID)
    assert twice.gateway_reference == SECOND_REF
    listed = judged(record(), record("Refunded"))
    assert (listed.captured_minor, listed.refunded_minor, listed.attention) == (125050, 125050, None)


HELD = {"reference": HOLD, "amount": Money(125050, "PHP"), "captured": Money(100000, "PHP")}


@pytest.mark.parametrize("word", ["Captured", "Accepted", "RequestPartialRefund", "Partial Refunded", "Refunded"])
def test_a_record_that_goes_on_to_show_the_whole_hold_does_not_undo_a_partial_capture(word: str) -> None:
    report = judged(record(word, ref=HOLD), **HELD)
    assert (report.status, report.captured_minor, report.attention) == (S.CAPTURED, 100000, None)
    assert report.refunded_minor == (100000 if word == "Refunded" else None)


def test_a_record_without_its_name_is_that_of_the_hold_which_was_asked_for() -> None:
    nameless = {name: text for name, text in record("Captured").items() if name != "ref"}
    assert judged(nameless, **HELD).captured_minor == 100000
    named = {**HELD, "reference": "PAY_20261120183005_1a2b3c4d-1", "other_references": (HOLD,)}
    assert judged(nameless, **named).captured_minor == 100000


@pytest.mark.parametrize(
    ("changes", "names", "captured"),
    [
        ({"amt": "1000.0"}, {}, 100000),  # an account that shows what was captured
        ({"amt": "1100.0"}, {}, 110000),  # neither: believed, and judged by the platform
        ({}, {"captured": None}, 125050),
        ({}, {"captured": Money(125050, "PHP")}, 125050),
        ({}, {"captured": Money(100000, "HKD")}, 125050),
        ({"ref": REFERENCE}, {"reference": REFERENCE}, 125050),  # a sale takes all or nothing
    ],
)
def test_any_other_amount_of_a_record_is_believed(
    changes: dict[str, str], names: dict[str, Any], captured: int
) -> None:
    assert judged(record("Captured", **{"ref": HOLD, **changes}), **{**HELD, **names}).captured_minor == captured


@pytest.mark.parametrize(
    "found",
    [
        [record(ref="ORD-9")], [record(amt="x")], [record(cur="")], [record("Authorized", amt="")],
        [record("Rejected", amt="-1")], [record(), record(payRef=SECOND_REF, cur="344")], [record(amt="10.005")],
    ],
)  # fmt: skip
def test_what_is_not_ours_or_cannot_be_read_moves_nothing(found: list[dict[str, str]]) -> None:
    report = judged(*found)
    assert (report.status, report.captured_minor, report.attention) == (S.PENDING, 0, Attention.MISMATCH)
    assert report.reference == REFERENCE


def test_a_foreign_record_beside_ours_is_shown_to_a_person() -> None:
    report = judged(record(), record(ref="ORD-9", payRef=SECOND_REF))
    assert (report.status, report.captured_minor, report.attention) == (S.CAPTURED, 125050, Attention.MISMATCH)


def test_every_element_is_optional() -> None:
    assert judged({}).status is S.PENDING
    assert judged({"orderStatus": "Rejected"}).status is S.FAILED
    older = judged(record(panLast4="", cc1316="0008", payMethod="GCash"))
    assert older.method is not None and (older.method.kind, older.method.wallet) == ("wallet", "gcash")


# --- XML --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE records [<!ENTITY a "x">]><records></records>', b"<records><!ENTITY a 'x'></records>",
        b"<html></html>", b"<records>", b"", b"<records></records><records></records>",
        b"<records><record><amt>1</amt><AMT>2</AMT></record></records>", b"<records>&unknown;</records>",
        b"<records>" + b"<record></record>" * 501 + b"</records>", b"\x00",
        b"<records>System busy</records>", b"<records><error>System busy</error></records>",
    ],
)  # fmt: skip
def test_xml_that_is_not_plain_records_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_records(body)


def test_something_beside_a_record_is_left_alone() -> None:
    assert read_records(b"<records><count>1</count>x<record><amt>1</amt></record></records>") == [{"amt": "1"}]
    for nothing in (b"<records></records>", b"<records/>", b"<records>\n </records>"):
        assert read_records(nothing) == []


def test_no_card_number_is_in_a_text_that_they_send() -> None:
    report = judged(declined(errMsg="No such card 4918914107195005", payMethod="4918914107195005"))
    assert report.decline is not None and report.decline.message == "No such card [card number]"
    assert "4918914107195005" not in repr(report) and "4918914107195005" not in repr(dict(report.raw))


def test_the_encoding_is_found_whatever_is_declared() -> None:
    for declared, encoding in (("ISO-8859-1", "utf-8"), ("UTF-8", "iso-8859-1"), ("nonsense", "utf-8")):
        text = (
            f'<?xml version="1.0" encoding="{declared}"?><records><record><holder>Jos\u00e9</holder></record></records>'
        )
        assert read_records(text.encode(encoding)) == [{"holder": "Jos\u00e9"}]
    assert read_records(b"\xef\xbb\xbf<records><record><a><b>1</b></a></record></records>")[0].keys() <= {"a"}


def test_a_time_without_zone_is_that_of_hong_kong_and_nonsense_is_none() -> None:
    assert parse({"txtime": "2026-01-14 00:00:00.0"}).occurred_at.isoformat() == "2026-01-13T16:00:00+00:00"  # type: ignore[union-attr]
    assert parse({"txtime": "yesterday"}).occurred_at is None
