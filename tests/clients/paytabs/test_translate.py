"""One transaction, one report: every row of the status table, money, names and what stays outside."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from clients.paytabs.transaction import parse
from clients.paytabs.translate import Account, read
from core import strict_json
from core.gateways.types import (
    Attention,
    FraudStatus,
    Method,
    MethodStatus,
    Mode,
    PaymentNames,
    PaymentStatus,
    RefundStatus,
    Report,
    SavedMethod,
    Subject,
)
from tests.clients.paytabs.bodies import (
    NEXT_REF,
    PROFILE,
    REF,
    REFERENCE,
    REFUND_REF,
    REFUND_REFERENCE,
    TOKEN,
    amount,
    follow_up,
    load,
    refund,
    row,
)

S, R, M = PaymentStatus, RefundStatus, MethodStatus


def told(body: dict[str, Any], *, mode: Mode = Mode.TEST, profile: str | None = PROFILE) -> Report:
    wire = strict_json.load_object(json.dumps(body))
    return read(parse(wire), Account(profile_id=profile, mode=mode))


# --- the status table ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "letter", "status", "authorized", "captured"),
    [
        ("Sale", "A", S.CAPTURED, None, 11550), ("sale", "a", S.CAPTURED, None, 11550), ("Sale", "H", S.PENDING, None, None),
        ("Sale", "P", S.PENDING, None, None), ("Sale", "V", S.VOIDED, None, 0), ("Sale", "D", S.FAILED, None, None),
        ("Sale", "E", S.FAILED, None, None), ("Sale", "C", S.FAILED, None, None), ("Sale", "X", S.EXPIRED, None, None),
        ("Auth", "A", S.AUTHORIZED, 11550, 0), ("Auth", "H", S.PENDING, None, None), ("Auth", "P", S.PENDING, None, None),
        ("Auth", "V", S.VOIDED, None, 0), ("Auth", "D", S.FAILED, None, None), ("Auth", "E", S.FAILED, None, None),
        ("Auth", "C", S.FAILED, None, None), ("Auth", "X", S.EXPIRED, None, None),
        ("Payment Request", "P", S.PENDING, None, None), ("Payment Request", "A", S.PENDING, None, None),
        ("Payment Request", "X", S.EXPIRED, None, None), ("payment_request", "P", S.PENDING, None, None),
    ],
)  # fmt: skip
def test_every_word_about_a_payment(
    kind: str, letter: str, status: S, authorized: int | None, captured: int | None
) -> None:
    report = told(row(kind, letter))
    assert (report.about, report.status, report.is_hint) == (Subject.PAYMENT, status, False)
    assert (report.authorized_minor, report.captured_minor) == (authorized, captured)
    assert (report.reference, report.gateway_reference, report.other_references) == (REFERENCE, REF, ())
    assert (report.account, report.mode, report.asset, report.attention) == (PROFILE, Mode.TEST, "SAR", None)
    assert report.occurred_at == datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [row(letter="Q"), row("Auth", "Z"), row("Lease", "A"), row(tran_type=None), row("Payment Request", "V"),
     row(letter="AA"), row(payment_result={"response_status": 7}), row(payment_result={})],
)  # fmt: skip
def test_words_that_no_table_has_are_pending_and_a_reason_to_ask(body: dict[str, Any]) -> None:
    report = told(body)
    assert (report.status, report.captured_minor, report.authorized_minor) == (S.PENDING, None, None)
    assert (report.is_hint, report.decline) == (True, None)


@pytest.mark.parametrize(
    "body", [row(letter=None), row(payment_result=None), row(payment_result="A"), row(payment_result=[])]
)
def test_without_a_result_nobody_has_paid_and_nobody_has_failed(body: dict[str, Any]) -> None:
    report = told(body)
    assert (report.status, report.captured_minor, report.decline, report.is_hint) == (S.PENDING, None, None, False)


@pytest.mark.parametrize(
    ("kind", "letter", "status", "authorized", "captured"),
    [
        ("Capture", "A", S.CAPTURED, None, 11550), ("AuthExt", "A", S.AUTHORIZED, 11550, 0),
        ("Capture", "D", None, None, None), ("Capture", "E", None, None, None), ("Capture", "P", None, None, None),
        ("Capture", "H", None, None, None), ("Void", "D", None, None, None), ("Void", "P", None, None, None),
        ("Release", "D", None, None, None), ("Release", "H", None, None, None), ("Void", "X", None, None, None),
    ],
)  # fmt: skip
def test_every_word_about_an_operation(
    kind: str, letter: str, status: S | None, authorized: int | None, captured: int | None
) -> None:
    report = told(follow_up(kind, letter))
    assert (report.status, report.authorized_minor, report.captured_minor) == (status, authorized, captured)
    assert (report.is_hint, report.reference, report.gateway_reference) == (False, REFERENCE, REF)
    is_refused = letter in "DEX"
    assert report.other_references == (() if is_refused else (NEXT_REF,))
    assert (report.decline.code if report.decline else None) == ("declined" if is_refused else None)


def test_an_operation_with_an_unseen_letter_is_asked_for() -> None:
    report = told(follow_up("Capture", "Q"))
    assert (report.status, report.captured_minor, report.is_hint) == (None, None, True)


def test_a_release_alone_moves_nothing_and_is_asked_for() -> None:
    report = told(follow_up("Release"))
    assert (report.status, report.is_hint, report.gateway_reference) == (None, True, REF)


@pytest.mark.parametrize(
    ("changes", "status", "authorized", "is_hint"),
    [
        ({"cart_id": REFERENCE, "parentRequest": {"tran_ref": REF, "cart_amount": "115.50"}}, S.VOIDED, None, False),
        ({"cart_id": REFERENCE, "parentRequest": {"cart_amount": "120.00"}}, S.AUTHORIZED, 450, False),
        ({"cart_id": REFERENCE}, S.VOIDED, None, True),  # of how much is not said
        ({}, S.VOIDED, None, False),  # one of ours, which is always of all
    ],
)
def test_a_void_of_all_ends_the_hold_and_one_of_a_part_leaves_less(
    changes: dict[str, Any], status: S, authorized: int | None, is_hint: bool
) -> None:
    report = told(follow_up("Void", **changes))
    assert (report.status, report.authorized_minor, report.is_hint) == (status, authorized, is_hint)
    assert (report.captured_minor, report.gateway_reference) == (0, REF)


@pytest.mark.parametrize(
    ("letter", "status"),
    [("A", R.SUCCEEDED), ("P", R.PENDING), ("H", R.PENDING), ("Q", R.PENDING), ("D", R.FAILED), ("E", R.FAILED),
     ("C", R.FAILED), ("X", R.FAILED), ("V", R.FAILED)],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["Refund", "refund"])
def test_every_word_about_a_refund(kind: str, letter: str, status: R) -> None:
    report = told(refund(letter, tran_type=kind))
    assert (report.about, report.status, report.refunded_minor, report.asset) == (Subject.REFUND, status, 1550, "SAR")
    assert (report.reference, report.gateway_reference) == (REFUND_REFERENCE, REFUND_REF)
    assert report.payment == PaymentNames(gateway_reference=REF)
    assert (report.decline is not None) == (status is R.FAILED)
    assert report.captured_minor is None


@pytest.mark.parametrize(
    ("letter", "status"),
    [
        ("A", M.ACTIVE),
        ("P", M.PENDING),
        ("H", M.PENDING),
        ("Q", M.PENDING),
        ("D", M.FAILED),
        ("C", M.FAILED),
        ("X", M.FAILED),
    ],
)
def test_a_registration_is_about_a_method_and_no_money(letter: str, status: M) -> None:
    report = told(row("Register", letter, token=TOKEN))
    assert (report.about, report.status, report.reference) == (Subject.METHOD, status, REFERENCE)
    assert (report.captured_minor, report.authorized_minor, report.asset) == (None, None, None)
    assert (report.saved is not None) == (letter == "A")


# --- declines and fraud -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("200", "invalid_card"), ("300", "declined"), ("302", "declined"), ("310", "authentication_failed"),
        ("345", "authentication_failed"), ("316", "insufficient_funds"), ("320", "not_refundable"),
        ("321", "cancelled_by_customer"), ("501", "fraud"), ("120", "on_hold"), ("399", "declined"), ("", "declined"),
        (316, "insufficient_funds"),
    ],
)  # fmt: skip
def test_a_decline_goes_with_their_code_and_message(code: Any, ours: str) -> None:
    decline = told(row(letter="D", code=code, message="Said so")).decline
    assert decline is not None
    assert (decline.code, decline.gateway_code, decline.message) == (ours, str(code) or None, "Said so")


def test_cancelled_by_the_customer_is_failed_whatever_its_code() -> None:
    report = told(row(letter="C", code="G1"))
    assert (report.status, report.decline.code if report.decline else None) == (S.FAILED, "cancelled_by_customer")


def test_an_approval_code_is_no_decline() -> None:
    assert told(row()).decline is None


def test_held_back_is_a_review_and_501_a_rejection() -> None:
    held, fraud, plain = told(row(letter="H")), told(row(letter="D", code="501")), told(row())
    assert held.fraud is not None and held.fraud.status is FraudStatus.REVIEW
    assert fraud.fraud is not None and fraud.fraud.status is FraudStatus.REJECT
    assert plain.fraud is None


# --- money --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("740", "JPY", 740), ("740.00", "JPY", 740), ("115.5", "SAR", 11550), ("115.50", "SAR", 11550),
        ("115.500", "SAR", 11550), ("0.01", "USD", 1), ("1.235", "KWD", 1235), ("1.24", "KWD", 1240),
        ("10000", "IQD", 10_000_000), ("9999999999.99", "AED", 999_999_999_999), ("500.00", "sar", 50000),
    ],
)  # fmt: skip
def test_an_amount_is_read_from_its_text_at_the_currency_s_decimals(text: str, currency: str, minor: int) -> None:
    report = told(row(**amount(text, currency)))
    assert (report.captured_minor, report.asset, report.attention) == (minor, currency.upper(), None)


def test_a_json_number_is_as_good_as_its_text() -> None:
    assert told(row(tran_total=115.5)).captured_minor == 11550
    assert told(row(**{**amount("740", "JPY"), "tran_total": 740})).captured_minor == 740


@pytest.mark.parametrize(
    "changes",
    [
        amount("115.505"), amount("740.5", "JPY"), amount("1.2345", "KWD"), amount("-1.00"), amount("1e3"),
        amount("115,50"), amount("NaN"), amount("\u0661"), amount("115.50", "XQQ"), amount("115.50", "XAU"),
        {"tran_total": True}, {"tran_total": []}, amount("1" * 40), {"tran_total": "115.50 "} | amount("1.5.0"),
    ],
)  # fmt: skip
def test_an_amount_that_cannot_be_meant_is_no_money_and_is_shown(changes: dict[str, Any]) -> None:
    report = told(row(**changes))
    assert (report.status, report.captured_minor, report.attention) == (S.CAPTURED, None, Attention.MISMATCH)


def test_what_was_charged_counts_and_what_was_asked_only_without_it() -> None:
    assert told(row(cart_amount="120.00")).captured_minor == 11550
    assert told(row(tran_total=None, tran_currency=None)).captured_minor == 11550
    bare = told(row(tran_total=None, tran_currency=None, cart_amount=None, cart_currency=None))
    assert (bare.captured_minor, bare.asset, bare.attention) == (None, None, None)


def test_another_currency_than_was_asked_is_a_mismatch() -> None:
    report = told(row(tran_currency="AED"))
    assert (report.asset, report.captured_minor, report.attention) == ("AED", 11550, Attention.MISMATCH)


# --- whose, and in which mode -------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{"profile_id": 990012}, {"profile_id": None, "profileId": "990012"}])
def test_another_profile_moves_nothing_also_under_our_key(changes: dict[str, Any]) -> None:
    for body, about in ((row(**changes), Subject.PAYMENT), (refund(**changes), Subject.REFUND)):
        report = told(body)
        assert (report.about, report.status, report.attention) == (about, S.PENDING, Attention.MISMATCH)
        assert (report.account, report.captured_minor, report.refunded_minor) == ("990012", None, None)


@pytest.mark.parametrize("profile", [990011, "990011", None])
def test_the_profile_is_compared_as_text_where_it_is_said(profile: Any) -> None:
    assert told(row(profile_id=profile)).captured_minor == 11550


def test_a_test_reference_on_a_live_account_is_shown() -> None:
    report = told(row(), mode=Mode.LIVE)
    assert (report.mode, report.attention) == (Mode.TEST, Attention.MISMATCH)
    live = told(row(tran_ref="PTS2632400991234"), mode=Mode.LIVE)
    assert (live.mode, live.attention) == (Mode.LIVE, None)


# --- method, token, names -----------------------------------------------------------------------------------------


def test_how_it_was_paid() -> None:
    assert told(row()).method == Method(kind="card", brand="Visa", last_four="1111", expiry_month=12, expiry_year=2030)


@pytest.mark.parametrize(
    ("info", "method"),
    [
        ({"payment_method": "mada", "card_scheme": "mada", "payment_description": "5069 68## #### 0001", "expiryMonth": "1"},
         Method(kind="card", brand="mada", last_four="0001", expiry_month=1)),
        ({"payment_method": "ApplePay", "card_scheme": "Visa", "payment_description": "4111 11## #### 1111"},
         Method(kind="card", brand="Visa", last_four="1111", wallet="apple_pay")),
        ({"payment_method": "STC Pay", "payment_description": "+966 5## ### #67"}, Method(kind="stcpay", brand="STC Pay")),
        ({"card_scheme": "Visa", "payment_description": "4111111111111111", "expiryYear": 30, "expiryMonth": 13},
         Method(kind="card", brand="Visa")),
        ({"payment_description": "1111"}, None), ({}, None),
    ],
)  # fmt: skip
def test_every_kind_of_method(info: dict[str, Any], method: Method | None) -> None:
    assert told(row(payment_info=info)).method == method


def test_a_token_is_kept_with_the_transaction_that_made_it() -> None:
    for kind in ("Sale", "Auth", "Register"):
        saved = told(row(kind, token=TOKEN)).saved
        assert saved is not None
        assert (saved.token, saved.extra_token, saved.customer_token) == (TOKEN, REF, None)
        assert saved.method == Method(kind="card", brand="Visa", last_four="1111", expiry_month=12, expiry_year=2030)


@pytest.mark.parametrize(
    "body",
    [row(letter="D", token=TOKEN), row(letter="H", token=TOKEN), row(tran_class="C/Auth", token=TOKEN),
     row(tran_class="Recurring", token=TOKEN), row(token="", tran_ref=REF), row(token=7), row(token="a b c d e f")],
)  # fmt: skip
def test_a_token_of_a_charge_or_of_something_unpaid_is_not_saved(body: dict[str, Any]) -> None:
    assert told(body).saved is None


def test_a_token_charge_and_a_second_leg_join_nothing_by_the_reference_before_them() -> None:
    report = told(row(previous_tran_ref="TST2632400990000"))
    assert (report.gateway_reference, report.other_references) == (REF, ())


def test_an_operation_from_the_dashboard_has_the_payment_s_own_name() -> None:
    report = told(follow_up("Capture", cart_id=REFERENCE, previous_tran_ref=None, parentRequest={"tran_ref": REF}))
    assert (report.reference, report.gateway_reference, report.other_references) == (REFERENCE, REF, (NEXT_REF,))


def test_secrets_and_people_stay_outside_what_is_stored() -> None:
    body = row(
        token=TOKEN, callback="https://pay.example/hook/secret", redirect_url="https://x/y", user_defined={"udf1": "z"}
    )
    report = told(body)
    assert set(report.raw) == {
        "tran_ref", "tran_type", "tran_class", "cart_id", "cart_currency", "cart_amount", "tran_currency", "tran_total",
        "profile_id", "merchant_id", "payment_result", "payment_info",
    }  # fmt: skip
    assert TOKEN not in repr(report) and "ada@example.com" not in repr(dict(report.raw))
    assert isinstance(report.saved, SavedMethod) and TOKEN not in repr(report.saved)


def test_hostile_text_is_stored_harmless() -> None:
    report = told(row(cart_id="a\u0000b\n", payment_result={"response_status": "D", "response_message": "x" * 999}))
    assert report.reference == "ab"
    assert report.decline is not None and len(report.decline.message or "") == 300


def test_the_answers_of_the_payloads_are_read() -> None:
    captured = told(load("capture_answer.json"))
    assert (captured.status, captured.captured_minor, captured.reference) == (S.CAPTURED, 10000, "pay_01HZX4-1")
    assert (captured.gateway_reference, captured.other_references) == ("TST2614400992000", ("TST2614400992001",))
    charged = told(load("charge_answer.json"))
    assert (charged.status, charged.captured_minor, charged.saved) == (S.CAPTURED, 4900, None)
    given_back = told(load("refund_answer.json"))
    assert (given_back.status, given_back.refunded_minor, given_back.reference) == (R.SUCCEEDED, 1550, None)
