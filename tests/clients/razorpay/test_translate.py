"""Between our words and Razorpay's: the tables of the protocol page, and where several attempts of one order stand."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from clients.razorpay import facts, translate
from clients.razorpay.attempts import Told, report_payment
from clients.razorpay.money import CURRENCIES_TAKEN, Amounts, to_wire
from core.gateways.errors import RequestRejected
from core.gateways.types import (
    Attention,
    CustomerDetails,
    Fraud,
    FraudStatus,
    PaymentNames,
    PaymentStatus,
    Redirect,
    RefundRequest,
    Report,
    SavedMethod,
)
from core.money import Money
from tests.clients.razorpay.case import CASE
from tests.clients.razorpay.objects import (
    AUTHORIZED,
    FAILED_ID,
    LINK_ID,
    ORDER_ID,
    PAYMENT_ID,
    REFERENCE,
    REFUND_REFERENCE,
    RELEASED,
    failed,
    link,
    order,
    paid_link,
    paid_order,
    payment,
)

S = PaymentStatus
ATTEMPTED = {"status": "attempted", "attempts": 2}


def of_order(*attempts: dict[str, Any], **changes: Any) -> Report:
    return report_payment(Told(order=order(**{**ATTEMPTED, **changes}), attempts=attempts))


def of_link(*attempts: dict[str, Any], **changes: Any) -> Report:
    return report_payment(Told(link=link(**changes), attempts=attempts or None))


# --- money --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "wire"),
    [
        (Money(41205, "INR"), 41205),
        (Money(740, "JPY"), 740),
        (Money(87430, "KWD"), 87430),
        (Money(1, "ISK"), 1),
        (Money(1, "UGX"), 1),
        (Money(30001, "MGA"), 30001),
        (Money(2399, "HUF"), 2399),
    ],
)
def test_razorpays_units_are_iso_4217s(amount: Money, wire: int) -> None:
    assert to_wire(amount) == wire
    assert Amounts(amount.asset).minor(wire) == amount.minor


@pytest.mark.parametrize("amount", [Money(87431, "KWD"), Money(0, "INR"), Money(-1, "INR"), Money(5, "OMR")])
def test_an_amount_that_razorpay_cannot_take_is_refused_here(amount: Money) -> None:
    with pytest.raises(RequestRejected) as caught:
        to_wire(amount)
    assert caught.value.code == "amount_not_supported"


@pytest.mark.parametrize("asset", ["LYD", "BTC"])
def test_a_currency_that_razorpay_does_not_take_is_refused_here(asset: str) -> None:
    assert asset not in CURRENCIES_TAKEN
    with pytest.raises(RequestRejected) as caught:
        to_wire(Money(1000, asset))
    assert caught.value.code == "currency_not_supported"


@pytest.mark.parametrize("odd", ["129900", 1.5, True, -1, 10**38, [], {}])
def test_an_odd_amount_is_not_believed(odd: Any) -> None:
    amounts = Amounts("INR")
    assert amounts.minor(odd) is None and amounts.attention is Attention.MISMATCH


# --- orders and their attempts ------------------------------------------------------------------------------------


def test_the_captured_attempt_counts_wherever_it_stands_in_the_list() -> None:
    attempts = [failed(), payment(), failed(id="pay_DocLater0000001", created_at=1795176999), payment(id="pay_Open",
                status="created", fee=None)]  # fmt: skip
    for several in itertools.permutations(attempts):
        report = of_order(*several)
        assert (report.status, report.captured_minor, report.decline) == (S.CAPTURED, 129900, None)
        assert (report.gateway_reference, report.other_references) == (ORDER_ID, (PAYMENT_ID,))
        assert (report.reference, report.fee_minor) == (REFERENCE, 3066)


@pytest.mark.parametrize(
    ("attempts", "status"),
    [
        ([payment(**AUTHORIZED), failed()], S.AUTHORIZED),
        ([failed(), payment(**AUTHORIZED), payment(id="pay_Open", status="created")], S.AUTHORIZED),
        ([failed(), payment(id="pay_Open", status="created")], S.PENDING),
        ([failed(), payment(id="pay_Odd", status="on_the_moon")], S.PENDING),
        ([payment(**RELEASED), failed()], S.VOIDED),
        ([payment(**RELEASED), payment(id="pay_Open", status="created")], S.PENDING),
        ([payment(**RELEASED), payment(id="pay_Kept")], S.CAPTURED),
        ([payment(status="refunded", amount_refunded=129900)], S.CAPTURED),
        ([failed()], S.PENDING),
        ([], S.PENDING),
    ],
)
def test_the_furthest_attempt_decides(attempts: list[dict[str, Any]], status: PaymentStatus) -> None:
    for several in (attempts, attempts[::-1]):
        report = of_order(*several)
        assert report.status is status
        assert report.captured_minor == (129900 if status is S.CAPTURED else 0)
        assert report.authorized_minor == (129900 if status is S.AUTHORIZED else None)
        assert report.attention is None


def test_the_latest_decline_is_told_while_the_order_can_still_be_paid() -> None:
    later = failed(id="pay_DocLater0000001", created_at=1795176999, error_reason="card_expired")
    for several in ([failed(), later], [later, failed()]):
        report = of_order(*several)
        assert report.decline is not None and report.decline.code == "expired_card"
        assert report.other_references == ("pay_DocLater0000001",)


def test_a_pending_attempt_after_a_failed_one_is_no_decline() -> None:
    assert of_order(failed(), payment(id="pay_Open", status="created")).decline is None


def test_captured_money_is_the_sum_over_captured_attempts() -> None:
    halves = payment(amount=64950, fee=1000), payment(id="pay_Other", amount=64950, fee=1100)
    report = of_order(*halves, status="paid", amount_paid=129900)
    assert (report.status, report.captured_minor, report.fee_minor) == (S.CAPTURED, 129900, 2100)
    assert report.other_references == (PAYMENT_ID, "pay_Other")


def test_a_part_of_an_order_is_underpaid() -> None:
    report = of_order(payment(amount=50000), amount_paid=50000)
    assert (report.status, report.captured_minor, report.attention) == (S.PENDING, 50000, Attention.UNDERPAID)


@pytest.mark.parametrize(
    ("body", "status", "captured"),
    [
        (order(), S.PENDING, 0),
        (order(**ATTEMPTED), S.PENDING, 0),
        (paid_order(), S.CAPTURED, 129900),
        (order(status="paid", amount_paid=None), S.CAPTURED, None),
        (order(status="on_the_moon", amount_paid=129900), S.PENDING, 0),
        (order(status=None), S.PENDING, 0),
    ],
)
def test_an_order_alone(body: dict[str, Any], status: PaymentStatus, captured: int | None) -> None:
    report = report_payment(Told(order=body))
    assert (report.status, report.captured_minor, report.reference) == (status, captured, REFERENCE)
    assert (report.gateway_reference, report.next_action) == (ORDER_ID, None)


def test_money_in_another_currency_than_the_orders_is_a_mismatch() -> None:
    assert of_order(payment(currency="USD")).attention is Attention.MISMATCH


# --- links --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "captured"),
    [
        ({}, S.PENDING, 0),
        ({"status": "partially_paid", "amount_paid": 50000}, S.PENDING, 50000),
        ({"status": "paid", "amount_paid": 129900}, S.CAPTURED, 129900),
        ({"status": "expired"}, S.EXPIRED, 0),
        ({"status": "cancelled"}, S.EXPIRED, 0),
        ({"status": "on_the_moon"}, S.PENDING, 0),
    ],
)
def test_a_link_alone(changes: dict[str, Any], status: PaymentStatus, captured: int) -> None:
    report = of_link(**changes)
    assert (report.status, report.captured_minor, report.reference) == (status, captured, REFERENCE)
    assert report.gateway_reference == LINK_ID
    assert report.next_action == (Redirect(url="https://rzp.io/i/docExmpl") if status is S.PENDING else None)


def test_a_paid_link_names_its_captured_payments_itself() -> None:
    report = report_payment(Told(link=paid_link()))
    assert report.other_references == (ORDER_ID, PAYMENT_ID)


def test_a_link_that_expired_is_captured_all_the_same_when_its_bank_was_late() -> None:
    report = of_link(failed(), payment(), status="expired")
    assert (report.status, report.captured_minor, report.next_action) == (S.CAPTURED, 129900, None)


def test_an_expired_link_with_failed_attempts_is_expired() -> None:
    report = of_link(failed(), status="expired")
    assert (report.status, report.decline) == (S.EXPIRED, None)


def test_an_open_link_with_a_failed_attempt_can_still_be_paid() -> None:
    report = of_link(failed())
    assert (report.status, report.next_action) == (S.PENDING, Redirect(url="https://rzp.io/i/docExmpl"))
    assert report.decline is not None and report.decline.code == "insufficient_funds"
    assert report.other_references == (ORDER_ID, FAILED_ID)


# --- one attempt --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "captured", "refunded"),
    [
        (payment(), S.CAPTURED, 129900, None),
        (payment(refund_status="partial", amount_refunded=50000), S.CAPTURED, 129900, None),
        (payment(status="refunded", refund_status="full", amount_refunded=129900), S.CAPTURED, 129900, 129900),
        (payment(**RELEASED), S.VOIDED, 0, 0),
        (payment(**AUTHORIZED), S.AUTHORIZED, 0, None),
        (payment(status="created", captured=False), S.PENDING, 0, None),
        (payment(status="pending"), S.PENDING, 0, None),
        (failed(), S.PENDING, 0, None),
        (failed(order_id=None), S.FAILED, 0, None),
    ],
)
def test_an_attempt_alone(body: dict[str, Any], status: PaymentStatus, captured: int, refunded: int | None) -> None:
    report = report_payment(Told(attempts=(body,)))
    assert (report.status, report.captured_minor, report.refunded_minor) == (status, captured, refunded)
    assert report.reference is None


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("insufficient_fund", "insufficient_funds"),
        ("insufficient_funds", "insufficient_funds"),
        ("card_expired", "expired_card"),
        ("incorrect_cvv", "incorrect_cvc"),
        ("incorrect_otp", "authentication_failed"),
        ("invalid_otp", "authentication_failed"),
        ("incorrect_pin", "authentication_failed"),
        ("authentication_failed", "authentication_failed"),
        ("payment_cancelled", "cancelled_by_customer"),
        ("payment_timed_out", "timed_out"),
        ("bank_technical_error", "processing_error"),
        ("gateway_technical_error", "processing_error"),
        ("server_error", "processing_error"),
        ("card_declined", "declined"),
        ("on_the_moon", "declined"),
    ],
)
def test_a_decline_by_its_reason(reason: str, code: str) -> None:
    decline = facts.read_decline(failed(error_reason=reason))
    assert (decline.code, decline.gateway_code) == (code, reason)


@pytest.mark.parametrize(
    ("reason", "error_code", "theirs"),
    [(None, "BAD_REQUEST_ERROR", "BAD_REQUEST_ERROR"), ("NA", "GATEWAY_ERROR", "GATEWAY_ERROR"), (None, "", None),
     (None, None, None)],
)  # fmt: skip
def test_a_decline_without_a_reason(reason: str | None, error_code: str | None, theirs: str | None) -> None:
    decline = facts.read_decline(failed(error_reason=reason, error_code=error_code, error_description=None))
    assert (decline.code, decline.gateway_code, decline.message) == ("declined", theirs, None)


def test_only_a_risk_block_is_a_verdict() -> None:
    blocked = report_payment(
        Told(attempts=(failed(error_reason="payment_risk_check_failed", error_description="No."),))
    )
    assert blocked.fraud == Fraud(status=FraudStatus.REJECT, message="No.")
    assert report_payment(Told(attempts=(failed(),))).fraud is None
    assert report_payment(Told(attempts=(payment(),))).fraud is None


@pytest.mark.parametrize(
    ("changes", "fee"),
    [
        ({}, 3066),
        ({"fee": None}, None),
        ({"currency": "USD", "base_currency": "INR", "base_amount": 10900000}, None),
        ({"currency": "USD"}, None),
        ({"currency": "MYR", "base_currency": "MYR"}, 3066),
    ],
)
def test_a_fee_is_told_only_in_the_payments_own_currency(changes: dict[str, Any], fee: int | None) -> None:
    assert report_payment(Told(attempts=(payment(**changes),))).fee_minor == fee


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({}, ("upi", None, None, "ada@okexample", None, None)),
        ({"vpa": None, "upi": {"vpa": "eva@okexample"}}, ("upi", None, None, "eva@okexample", None, None)),
        ({"method": "netbanking", "bank": "HDFC", "vpa": None}, ("netbanking", None, None, None, "HDFC", None)),
        ({"method": "wallet", "wallet": "mobikwik", "vpa": None}, ("wallet", None, None, None, None, "mobikwik")),
        ({"method": "card", "vpa": None, "card": {"network": "RuPay", "last4": "0005"}},
         ("card", "RuPay", "0005", None, None, None)),
        ({"method": "card", "vpa": None, "card": []}, ("card", None, None, None, None, None)),
    ],
)  # fmt: skip
def test_a_method(changes: dict[str, Any], wanted: tuple[str | None, ...]) -> None:
    method = report_payment(Told(attempts=(payment(**changes),))).method
    assert method is not None
    assert (method.kind, method.brand, method.last_four, method.handle, method.network, method.wallet) == wanted


def test_a_captured_payment_of_a_customer_leaves_a_saved_method() -> None:
    names = {"token_id": "token_DocHHHHHHHHHH1", "customer_id": "cust_DocIIIIIIIIII1"}
    report = report_payment(Told(attempts=(payment(**names),)))
    assert report.saved == SavedMethod(
        token="token_DocHHHHHHHHHH1", customer_token="cust_DocIIIIIIIIII1", method=report.method
    )
    for changes in ({**names, **AUTHORIZED}, {**names, "customer_id": None}, {**names, "token_id": None}):
        assert report_payment(Told(attempts=(payment(**changes),))).saved is None


# --- building -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "sent"),
    [
        ("refund-key-1", "refund-key-1"),
        ("RF_20261120190000_5e6f7a8b:refund", "RF_20261120190000_5e6f7a8b-refund-"),
        ("a.b", "a-b-"),
        ("short", "short-"),
    ],
)
def test_a_refund_key_holds_only_what_razorpay_takes(key: str, sent: str) -> None:
    found = translate.refund_key(key)
    assert found.startswith(sent[:27]) and found == translate.refund_key(key)
    assert 10 <= len(found) <= 64 and set(found) <= set("-_" + "abcdefghijklmnopqrstuvwxyz0123456789RF")


def test_two_refund_keys_that_differ_only_in_what_is_refused_stay_two() -> None:
    keys = {translate.refund_key(one) for one in ("RF_1:refund:a", "RF_1.refund.a", "RF_1-refund-a", "RF_1 refund a")}
    assert len(keys) == 4


def test_a_refund_says_ours_and_nothing_that_razorpay_does_not_know() -> None:
    request = RefundRequest(
        names=PaymentNames(reference=REFERENCE),
        reference=REFUND_REFERENCE,
        amount=Money(50000, "INR"),
        idempotency_key="refund-key-1",
        reason="Too small " * 40,
    )
    body = translate.build_refund(request)
    assert set(body) == {"amount", "receipt", "notes"}
    assert (body["amount"], body["receipt"]) == (50000, REFUND_REFERENCE)
    assert set(body["notes"]) == {"refund_id", "payment_id", "reason"} and len(body["notes"]["reason"]) <= 255


def test_notes_are_at_most_fifteen_and_ours_is_never_overwritten() -> None:
    metadata = {**{f"n{number}": "v" * 300 for number in range(40)}, "payment_id": "stolen", "shape": "charge"}
    body = translate.build_link(CASE.payment_request(metadata=metadata))
    assert len(body["notes"]) == 14 and body["notes"]["payment_id"] == REFERENCE
    assert "shape" not in body["notes"] and max(map(len, body["notes"].values())) == 255
    assert len(translate.build_charge_order(CASE.payment_request(metadata=metadata))["notes"]) == 15


@pytest.mark.parametrize(
    ("phone", "sent"),
    [
        ("+91 99000 00000", "+919900000000"),
        ("(990) 000-0000", "9900000000"),
        ("+91990000000012345", None),
        ("call me", None),
        ("", None),
        (None, None),
    ],
)
def test_a_phone_is_sent_as_digits_or_not_at_all(phone: str | None, sent: str | None) -> None:
    body = translate.build_customer(CustomerDetails(phone=phone))
    assert body.get("contact") == sent


def test_a_customer_is_answered_again_rather_than_refused() -> None:
    body = translate.build_customer(CustomerDetails(name="A" * 60, email="ada@example.com"))
    assert body == {"name": "A" * 50, "email": "ada@example.com", "fail_existing": "0"}
    short = translate.build_customer(CustomerDetails(name="Al", email=f"{'a' * 60}@example.com"))
    assert short == {"fail_existing": "0"}
