"""PhonePe's words and ours: status, money, declines, methods (gateway page sections 3, 5, 9, 12 and 13)."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from clients.phonepev1 import translate
from clients.phonepev1.values import read_code, read_minor
from core.gateways.contract import assert_plain
from core.gateways.types import Attention, Decline, Method, PaymentStatus, RefundStatus, Report, Subject
from tests.clients.phonepev1.wire import (
    MERCHANT,
    REFERENCE,
    REFUND_REFERENCE,
    REFUND_THEIRS,
    THEIRS,
    payload,
    refund,
    told,
)

S, R = PaymentStatus, RefundStatus


def read(code: str = "PAYMENT_SUCCESS", state: str | None = "COMPLETED", **data: Any) -> Report:
    return translate.read_payment(told(code, state, **data))


def test_the_example_of_the_reference_is_read() -> None:
    report = translate.read_payment(json.loads(payload("callback.json")))
    assert (report.about, report.status, report.captured_minor, report.asset) == (
        Subject.PAYMENT,
        S.CAPTURED,
        129900,
        "INR",
    )
    assert (report.reference, report.gateway_reference, report.account) == (REFERENCE, THEIRS, MERCHANT)
    assert (report.method, report.decline, report.attention) == (Method(kind="upi"), None, None)
    assert (report.other_references, report.mode) == ((), None)
    assert report.raw["data"]["paymentInstrument"] == {"type": "UPI", "utr": "500112345678"}


@pytest.mark.parametrize(
    ("code", "state", "status"),
    [
        ("PAYMENT_INITIATED", None, S.REQUIRES_ACTION),
        ("PAYMENT_PENDING", "PENDING", S.PENDING),
        ("PAYMENT_PENDING", None, S.PENDING),
        ("PAYMENT_PENDING", "FAILED", S.PENDING),
        ("PAYMENT_SUCCESS", "COMPLETED", S.CAPTURED),
        ("PAYMENT_SUCCESS", None, S.CAPTURED),
        ("PAYMENT_ERROR", "FAILED", S.FAILED),
        ("PAYMENT_ERROR", None, S.FAILED),
        ("PAYMENT_DECLINED", "FAILED", S.FAILED),
        ("PAYMENT_CANCELLED", None, S.FAILED),
        ("TIMED_OUT", "PENDING", S.PENDING),
        ("TIMED_OUT", "FAILED", S.PENDING),
        ("INTERNAL_SERVER_ERROR", None, S.PENDING),
        ("payment_success", "COMPLETED", S.PENDING),
        ("SUCCESS", "COMPLETED", S.PENDING),
        ("SOMETHING_NEW", "SETTLED", S.PENDING),
    ],
)
def test_the_code_decides_the_status(code: str, state: str | None, status: PaymentStatus) -> None:
    report = read(code, state)
    assert (report.status, report.attention) == (status, None)
    assert report.captured_minor == (129900 if status is S.CAPTURED else 0)
    assert (report.decline is not None) is (status is S.FAILED)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("PAYMENT_SUCCESS", {"state": "FAILED"}), ("PAYMENT_SUCCESS", {"state": "PENDING"}), ("PAYMENT_SUCCESS", {"state": "OTHER"}),
        ("PAYMENT_SUCCESS", {"state": None, "paymentState": "FAILED"}), ("PAYMENT_SUCCESS", {"paymentState": "PENDING"}),
        ("PAYMENT_SUCCESS", {"success": False}), ("PAYMENT_SUCCESS", {"success": "true"}), ("PAYMENT_SUCCESS", {"success": 1}),
        ("PAYMENT_ERROR", {"state": "COMPLETED"}), ("PAYMENT_ERROR", {"state": "PENDING"}), ("PAYMENT_DECLINED", {"state": "COMPLETED"}),
        ("PAYMENT_PENDING", {"state": "COMPLETED"}), ("TIMED_OUT", {"state": "COMPLETED"}),
    ],
)  # fmt: skip
def test_a_code_that_is_contradicted_is_no_fact(code: str, changes: dict[str, Any]) -> None:
    report = read(code, **changes)
    assert (report.status, report.captured_minor, report.attention) == (S.PENDING, 0, Attention.GATEWAY_DISAGREES)
    assert report.decline is None
    back = translate.read_refund(refund(code, **changes))
    assert (back.status, back.refunded_minor, back.attention) == (R.PENDING, 0, Attention.GATEWAY_DISAGREES)


@pytest.mark.parametrize("changes", [{"state": None}, {"state": ""}, {"state": None, "paymentState": "COMPLETED"},
                                     {"success": None}, {"state": "completed"}])  # fmt: skip
def test_what_is_absent_contradicts_nothing(changes: dict[str, Any]) -> None:
    assert (read(**changes).status, read(**changes).captured_minor) == (S.CAPTURED, 129900)


@pytest.mark.parametrize("amount", [None, 0, -1, True, "much", "", "1e3", "+5", "\u0661", 1.5, [], {}, 10**18])
def test_paid_by_no_readable_amount_is_never_captured(amount: Any) -> None:
    report = translate.read_payment(json.loads(json.dumps(told(amount=amount)), parse_float=Decimal))
    assert (report.status, report.captured_minor, report.attention) == (S.PENDING, None, Attention.MISMATCH)
    back = translate.read_refund(json.loads(json.dumps(refund(amount=amount)), parse_float=Decimal))
    assert (back.status, back.refunded_minor, back.attention) == (R.PENDING, 0, Attention.MISMATCH)


def test_paise_are_read_as_they_are_written() -> None:
    for value, minor in ((100, 100), (129900, 129900), ("129900", 129900), (Decimal("129900.0"), 129900)):
        assert read_minor(value) == minor
    for odd in (Decimal("1E+999999"), Decimal("0.5"), Decimal("NaN"), Decimal("-1"), None):
        assert read_minor(odd) is None


# --- declines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("theirs", ["U69", "REQUEST_TIME_OUT", "ORDER_EXPIRED"])
def test_an_error_of_these_codes_is_an_expiry(theirs: str) -> None:
    report = read("PAYMENT_ERROR", "FAILED", responseCode=theirs)
    assert (report.status, report.captured_minor) == (S.EXPIRED, 0)
    assert report.decline == Decline(code="expired", gateway_code=theirs, message="text")
    assert translate.read_refund(refund("PAYMENT_ERROR", "FAILED", responseCode=theirs)).status is R.FAILED


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("ORDER_CANCELLED_BY_USER", "canceled_by_customer"), ("CANCELLED_BY_USER", "canceled_by_customer"),
        ("REQUEST_DECLINE_BY_REQUESTEE", "canceled_by_customer"), ("REQUEST_CANCEL_BY_REQUESTER", "canceled_by_customer"),
        ("ZA", "canceled_by_customer"), ("Z9", "insufficient_funds"), ("IE", "insufficient_funds"),
        ("INSUFFICIENT_FUNDS", "insufficient_funds"), ("INSUFFICIENT_BALANCE", "insufficient_funds"),
        ("ZM", "authentication_failed"), ("Z6", "authentication_failed"), ("Z7", "limit_exceeded"), ("Z8", "limit_exceeded"),
        ("U03", "limit_exceeded"), ("ZU", "limit_exceeded"), ("U90", "issuer_unavailable"), ("UT", "issuer_unavailable"),
        ("XB", "issuer_unavailable"), ("XY", "issuer_unavailable"), ("S96", "issuer_unavailable"), ("U28", "issuer_unavailable"),
        ("INTERNAL_SECURITY_BLOCK_1", "merchant_configuration"), ("INTERNAL_SECURITY_BLOCK_2", "merchant_configuration"),
        ("INTERNAL_SECURITY_BLOCK_4", "merchant_configuration"), ("INTERNAL_SECURITY_BLOCK_5", "merchant_configuration"),
        ("INTERNAL_SECURITY_BLOCK_6", "merchant_configuration"), ("TXN_AUTO_FAILED", "abandoned"), ("TIMED_OUT", "abandoned"),
        ("XYZ", "declined"),
    ],
)  # fmt: skip
def test_a_decline_has_our_word_and_theirs(theirs: str, ours: str) -> None:
    report = read("PAYMENT_ERROR", "FAILED", responseCode=theirs, responseCodeDescription="why")
    assert (report.status, report.decline) == (S.FAILED, Decline(code=ours, gateway_code=theirs, message="why"))


def test_no_card_number_is_told_in_the_reason() -> None:
    report = read("PAYMENT_ERROR", "FAILED", responseCode="Z9", responseCodeDescription="4242424242424242 was refused")
    assert report.decline == Decline(code="insufficient_funds", gateway_code="Z9", message="[card number] was refused")


def test_without_a_response_code_the_root_code_is_told() -> None:
    report = read("PAYMENT_ERROR", "FAILED")
    assert report.decline == Decline(code="declined", gateway_code="PAYMENT_ERROR", message="text")


@pytest.mark.parametrize("code", ["PAYMENT_DECLINED", "PAYMENT_CANCELLED"])
@pytest.mark.parametrize(("theirs", "told_code"), [("Z9", "Z9"), ("U69", "U69"), (None, None)])
def test_what_the_customer_ended_is_theirs_whatever_the_response_code(
    code: str, theirs: str | None, told_code: str | None
) -> None:
    report = read(code, "FAILED", responseCode=theirs)
    assert report.status is S.FAILED and report.decline is not None
    assert (report.decline.code, report.decline.gateway_code) == ("canceled_by_customer", told_code or code)


# --- methods, refunds, shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instrument", "method"),
    [
        ({"type": "UPI", "utr": "1"}, Method(kind="upi")),
        ({"type": "CARD", "cardType": "CREDIT_CARD"}, Method(kind="card", brand="CREDIT_CARD")),
        ({"type": "NETBANKING", "bankId": "SBIN"}, Method(kind="netbanking")),
        ({"type": "WALLET"}, Method(kind="wallet")),
        ({"type": None}, None),
        ({}, None),
        ("UPI", None),
    ],
)
def test_how_it_was_paid(instrument: Any, method: Method | None) -> None:
    assert read(paymentInstrument=instrument).method == method


@pytest.mark.parametrize(
    ("code", "state", "status", "given_back"),
    [
        ("PAYMENT_PENDING", "PENDING", R.PENDING, 0), ("PAYMENT_INITIATED", None, R.PENDING, 0), ("TIMED_OUT", "FAILED", R.PENDING, 0),
        ("INTERNAL_SERVER_ERROR", None, R.PENDING, 0), ("SOMETHING_NEW", "COMPLETED", R.PENDING, 0),
        ("PAYMENT_SUCCESS", "COMPLETED", R.SUCCEEDED, 29900), ("PAYMENT_SUCCESS", None, R.SUCCEEDED, 29900),
        ("PAYMENT_ERROR", "FAILED", R.FAILED, 0), ("PAYMENT_DECLINED", "FAILED", R.FAILED, 0),
        ("PAYMENT_CANCELLED", None, R.FAILED, 0),
    ],
)  # fmt: skip
def test_a_refund_has_its_own_status_and_amount(
    code: str, state: str | None, status: RefundStatus, given_back: int
) -> None:
    report = translate.read_refund(refund(code, state))
    assert (report.about, report.status, report.attention) == (Subject.REFUND, status, None)
    assert (report.refunded_minor, report.amount_minor, report.captured_minor) == (given_back, 29900, None)
    assert (report.reference, report.gateway_reference, report.payment) == (REFUND_REFERENCE, REFUND_THEIRS, None)
    assert (report.decline is not None) is (status is R.FAILED)


@pytest.mark.parametrize(
    ("reference", "theirs", "is_refund"),
    [
        ("RF_20261120183005_1a2b3c4d-1", THEIRS, True), ("rf-000417-1", None, True), ("PAY_20261120183005_1a2b3c4d-1", "TR25", False),
        ("inv-000417-a1", THEIRS, False), ("inv-000417-a1", "OMO25", False), ("inv-000417-a1", "TR25", True), ("RFID7", THEIRS, False),
        (None, None, False),
    ],
)  # fmt: skip
def test_our_own_name_tells_a_refund_and_theirs_is_a_second_hint(
    reference: str | None, theirs: str | None, is_refund: bool
) -> None:
    assert translate.is_refund(told(merchantTransactionId=reference, transactionId=theirs)) is is_refund


@pytest.mark.parametrize("data", [None, [], "x", {}, {"merchantTransactionId": 7}, {"merchantTransactionId": "a b"},
                                  {"merchantTransactionId": ["x"], "paymentInstrument": []}])  # fmt: skip
def test_a_body_of_the_wrong_shape_names_nothing_and_never_crashes(data: Any) -> None:
    for report in (translate.read_payment({"code": "PAYMENT_ERROR", "data": data}),
                   translate.read_refund({"code": "PAYMENT_SUCCESS", "data": data})):  # fmt: skip
        assert report.reference is None
        assert_plain(report)


def test_codes_of_any_type_are_read_or_absent() -> None:
    for value, code in ((401, "401"), ("401", "401"), (" PAYMENT_ERROR ", "PAYMENT_ERROR"), (True, None), (None, None),
                        ("", None), ([], None), (-1, None)):  # fmt: skip
        assert read_code({"code": value}) == code


def test_what_is_kept_is_small_and_holds_nobody_s_address() -> None:
    body = told(
        message="\x00a\ud800" + "x" * 999, paymentInstrument={"type": "UPI", "vpa": "ada@ybl", "utr": "1" * 999}
    )
    kept = dict(translate.read_payment({**body, "token": "secret"}).raw)
    assert set(kept) == {"success", "code", "message", "data"} and kept["message"] == "a" + "x" * 299
    assert kept["data"]["paymentInstrument"] == {"type": "UPI", "utr": "1" * 300}
