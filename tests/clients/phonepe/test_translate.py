"""Words, money and reasons of the gateway page, sections 3 to 9, 12 and 13."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from clients.phonepe import translate
from clients.phonepe.facts import DECLINE
from clients.phonepe.metadata import build_message, build_meta_info, build_phone
from clients.phonepe.values import Unreadable
from core import strict_json
from core.gateways.errors import RequestRejected
from core.gateways.testing import NOW
from core.gateways.types import (
    Attention,
    CaptureMode,
    CustomerDetails,
    Decline,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    RefundRequest,
    RefundStatus,
    Report,
    Subject,
)
from core.money import Money
from tests.clients.phonepe.wire import ORDER_ID, REFERENCE, REFUND_ID, REFUND_REFERENCE, TRANSACTION_ID, attempt, order
from tests.clients.phonepe.wire import payload as stored
from tests.clients.phonepe.wire import refund as refund_body

P, R = PaymentStatus, RefundStatus


def request(**changes: Any) -> PaymentRequest:
    plain = PaymentRequest(
        reference=REFERENCE,
        amount=Money(129900, "INR"),
        idempotency_key="k",
        webhook_url="https://pay.example.com/hook",
        return_url=f"https://shop.example/pay/return/{REFERENCE}",
    )
    return replace(plain, **changes)


def built(**changes: Any) -> str:
    return translate.build_create(request(**changes), now=NOW)


def refund_request(**changes: Any) -> RefundRequest:
    plain = RefundRequest(
        names=PaymentNames(reference=REFERENCE),
        reference=REFUND_REFERENCE,
        amount=Money(29900, "INR"),
        idempotency_key="k",
    )
    return replace(plain, **changes)


def read(body: dict[str, Any]) -> Report:
    return translate.read_payment(strict_json.load_object(json.dumps(body)))


# --- the create ---------------------------------------------------------------------------------------------------


def test_the_create_of_the_reference_to_the_byte() -> None:
    wanted = (
        '{"merchantOrderId":"inv-000417-a1","amount":129900,"expireAfter":900,"metaInfo":{"udf1":"tenant-7",'
        '"udf2":"payment-9b1c"},"paymentFlow":{"type":"PG_CHECKOUT","message":"Invoice 417","merchantUrls":{"redirectUrl":'
        '"https://shop.example/pay/return/inv-000417-a1"}}}'
    )
    assert built(description="Invoice 417", metadata={"udf1": "tenant-7", "udf2": "payment-9b1c"}) == wanted


def test_what_was_not_given_is_left_out() -> None:
    assert built() == (
        '{"merchantOrderId":"inv-000417-a1","amount":129900,"expireAfter":900,"paymentFlow":{"type":"PG_CHECKOUT",'
        '"merchantUrls":{"redirectUrl":"https://shop.example/pay/return/inv-000417-a1"}}}'
    )


@pytest.mark.parametrize(("minor", "text"), [(100, "100"), (1234567, "1234567"), (10**15 + 1, "1000000000000001")])
def test_rupees_travel_as_whole_paise(minor: int, text: str) -> None:
    assert f'"amount":{text},' in built(amount=Money(minor, "INR"))
    assert f'"amount":{text}}}' in translate.build_refund(refund_request(amount=Money(minor, "INR")))


@pytest.mark.parametrize("amount", [Money(129900, "JPY"), Money(129900, "KWD"), Money(129900, "USD"), Money(5, "BTC")])
def test_another_asset_is_refused_here_whatever_its_decimals(amount: Money) -> None:
    for build in (lambda: built(amount=amount), lambda: translate.build_refund(refund_request(amount=amount))):
        with pytest.raises(RequestRejected) as caught:
            build()
        assert caught.value.code == "currency_unavailable"


def test_less_than_one_rupee_is_refused_for_a_payment_and_left_to_the_gateway_for_a_refund() -> None:
    with pytest.raises(RequestRejected) as caught:
        built(amount=Money(99, "INR"))
    assert caught.value.code == "amount_too_small"
    assert '"amount":1}' in translate.build_refund(refund_request(amount=Money(1, "INR")))


@pytest.mark.parametrize("reference", ["", "a" * 64, "a/b", "a#b", "a:b", "a b", "caf\u00e9", "a.b", "\u0661"])
def test_an_id_outside_the_alphabet_or_length_is_refused_here(reference: str) -> None:
    for build in (
        lambda: built(reference=reference),
        lambda: translate.build_refund(refund_request(reference=reference)),
        lambda: translate.build_refund(refund_request(names=PaymentNames(reference=reference))),
    ):
        with pytest.raises(RequestRejected) as caught:
            build()
        assert caught.value.code in {"reference_invalid", "reference_missing"}


def test_the_longest_id_travels() -> None:
    assert json.loads(built(reference="aZ0_-" * 12 + "abc"))["merchantOrderId"] == "aZ0_-" * 12 + "abc"


def test_a_hold_and_a_saved_method_are_refused_here() -> None:
    for changes, code in (
        ({"capture": CaptureMode.MANUAL}, "capture_unsupported"),
        ({"save_method": True}, "save_unsupported"),
    ):
        with pytest.raises(RequestRejected) as caught:
            built(**changes)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("seconds", "sent"), [(-5, 300), (0, 300), (299, 300), (300, 300), (1234, 1234), (3600, 3600), (90_000, 3600)]
)
def test_the_expiry_is_always_sent_within_what_the_checkout_takes(seconds: int, sent: int) -> None:
    created = NOW - timedelta(hours=5)
    expires = created + timedelta(seconds=seconds)
    # Counted from the order's own time: a repeat hours later is the same to the byte.
    assert json.loads(built(created_at=created, expires_at=expires))["expireAfter"] == sent
    assert json.loads(built(expires_at=NOW + timedelta(seconds=seconds)))["expireAfter"] == sent


def test_metadata_takes_the_names_that_the_gateway_has() -> None:
    assert build_meta_info({}) is None
    assert build_meta_info({"order": "7", "udf1": "kept", "udf11": "a@b.c +1", "udf12": "not;allowed", "udf13": "x" * 51,
                            "note": "n" * 300}) == {
        "udf1": "kept", "udf11": "a@b.c +1", "udf2": "order=7", "udf3": "note=" + "n" * 251,
    }  # fmt: skip
    many = build_meta_info({f"k{number}": "v" for number in range(20)})
    assert many is not None and list(many) == [f"udf{number}" for number in range(1, 11)]
    assert build_meta_info({"udf3": "", "udf16": "x"}) == {"udf1": "udf16=x"}


def test_long_text_is_cut_as_java_counts_and_no_character_is_halved() -> None:
    found = build_meta_info({"udf1": "\U0001f9fe" * 200, "udf2": "a" + "\U0001f9fe" * 200})
    assert found == {"udf1": "\U0001f9fe" * 128, "udf2": "a" + "\U0001f9fe" * 127}
    assert build_message("  a\n b\u0000 \ud800") == "a b "
    assert build_message("x" * 300) == "x" * 100
    assert build_message(" \n ") is None


@pytest.mark.parametrize(
    ("phone", "sent"),
    [("+91 98765 43210", "+919876543210"), ("9876543210", "9876543210"), ("+15555550100", None), ("12345", None),
     (None, None), ("+91987654321x", None)],
)  # fmt: skip
def test_only_an_indian_mobile_number_is_sent(phone: str | None, sent: str | None) -> None:
    assert build_phone(phone) == (None if sent is None else {"phoneNumber": sent})
    body = json.loads(built(customer=CustomerDetails(phone=phone)))
    assert body.get("prefillUserLoginDetails") == build_phone(phone)


def test_the_refund_to_the_byte() -> None:
    assert translate.build_refund(refund_request()) == (
        '{"merchantRefundId":"rf-000417-1","originalMerchantOrderId":"inv-000417-a1","amount":29900}'
    )


def test_a_refund_needs_our_own_name_of_the_order() -> None:
    with pytest.raises(RequestRejected) as caught:
        translate.build_refund(refund_request(names=PaymentNames(gateway_reference=ORDER_ID)))
    assert caught.value.code == "reference_missing"


def test_the_answer_of_the_create() -> None:
    body = json.loads(stored("order_created.json"))
    assert translate.read_created(body) == (ORDER_ID, "https://mercury-uat.phonepe.com/transact/uat_v2?token=...")


@pytest.mark.parametrize(
    "change",
    [{"orderId": None}, {"orderId": ""}, {"orderId": 7}, {"state": "COMPLETED"}, {"state": None}, {"redirectUrl": None},
     {"redirectUrl": ""}, {"redirectUrl": "javascript:alert(1)"}, {"redirectUrl": ["x"]}],
)  # fmt: skip
def test_an_incomplete_answer_of_the_create_is_unreadable(change: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        translate.read_created({**json.loads(stored("order_created.json")), **change})


# --- the status ---------------------------------------------------------------------------------------------------


def test_the_status_of_the_reference() -> None:
    report = translate.read_payment(json.loads(stored("order_status.json")))
    assert (report.about, report.status, report.is_hint) == (Subject.PAYMENT, P.CAPTURED, False)
    assert (report.reference, report.gateway_reference) == (None, ORDER_ID)  # older answers do not repeat our name
    assert report.other_references == (TRANSACTION_ID, "500112345678")
    assert (report.asset, report.captured_minor, report.fee_minor, report.decline) == ("INR", 129900, None, None)
    assert report.occurred_at == datetime(2025, 1, 1, 6, 31, 40, tzinfo=UTC)
    assert report.method is not None and (report.method.kind, report.method.brand) == ("upi", "ACCOUNT")


@pytest.mark.parametrize(
    ("body", "status", "captured"),
    [
        (order("CREATED"), P.REQUIRES_ACTION, 0),
        (order("PENDING"), P.REQUIRES_ACTION, 0),
        (order("PENDING", paymentDetails=None), P.PENDING, 0),
        (order("PENDING", paymentDetails=[attempt("FAILED")]), P.PENDING, 0),
        (order("PENDING", paymentDetails=[attempt("COMPLETED")]), P.PENDING, 0),
        (order("PENDING", paymentDetails=[attempt("PENDING")], detailedErrorCode="ORDER_EXPIRED"), P.PENDING, 0),
        (order("COMPLETED"), P.CAPTURED, 129900),
        (order("COMPLETED", errorCode="PAYMENT_ERROR", detailedErrorCode="ORDER_EXPIRED"), P.CAPTURED, 129900),
        (order("COMPLETED", paymentDetails=[]), P.CAPTURED, 129900),
        (order("COMPLETED", paymentDetails=[attempt(amount=5)]), P.CAPTURED, 129900),
        (order("FAILED"), P.FAILED, 0),
        (order("FAILED", detailedErrorCode="ORDER_EXPIRED", errorCode="TXN_NOT_COMPLETED"), P.EXPIRED, 0),
        (order("FAILED", errorCode="REQUEST_TIME_OUT"), P.EXPIRED, 0),
        (order("FAILED", detailedErrorCode="U69"), P.EXPIRED, 0),
        (order("FAILED", detailedErrorCode="ORDER_CANCELLED_BY_USER"), P.FAILED, 0),
        (order("FAILED", detailedErrorCode="ZM", errorContext={"errorCode": "ORDER_EXPIRED"}), P.FAILED, 0),
        (order("EXPIRED"), P.EXPIRED, 0),
        (order("SOMETHING_NEW"), P.PENDING, 0),
        (order("completed"), P.PENDING, 0),
        (order(None), P.PENDING, 0),
        ({**order(), "state": 7}, P.PENDING, 0),
    ],
)
def test_only_the_root_state_decides(body: dict[str, Any], status: PaymentStatus, captured: int) -> None:
    report = read(body)
    assert (report.status, report.captured_minor, report.attention) == (status, captured, None)


@pytest.mark.parametrize(("told", "minor"), [(129900, 129900), ("129900", 129900), (129900.0, 129900)])
def test_amounts_are_read_leniently(told: Any, minor: int) -> None:
    assert read(order(amount=told)).captured_minor == minor


@pytest.mark.parametrize("told", [None, 0, "", "12.50", 12.5, -1, True, [1], {"a": 1}, "1e5", 10**30, "\u0661"])
def test_paid_without_a_usable_amount_is_no_capture(told: Any) -> None:
    report = read({**order(), "amount": told})
    assert (report.status, report.captured_minor, report.attention) == (P.PENDING, None, Attention.MISMATCH)


def test_amounts_never_pass_through_a_float() -> None:
    body = strict_json.load_object('{"orderId":"O1","state":"COMPLETED","amount":90071992547409.93e2}')
    assert body["amount"] == Decimal("9007199254740993") and translate.read_payment(body).captured_minor == 2**53 + 1


@pytest.mark.parametrize(
    ("told", "asset"), [("INR", "INR"), ("inr", "INR"), (None, "INR"), ("", "INR"), ("USD", "USD")]
)
def test_an_absent_currency_is_rupees_and_another_is_told(told: str | None, asset: str) -> None:
    assert read({**order(), "currency": told}).asset == asset


def test_newer_answers_repeat_our_name_and_tell_the_merchant() -> None:
    report = read(order(merchantOrderId=REFERENCE, merchantId="M0DEMO"))
    assert (report.reference, report.account) == (REFERENCE, "M0DEMO")


# --- the reason ---------------------------------------------------------------------------------------------------


def test_the_table_of_declines_is_that_of_the_page() -> None:
    by_ours: dict[str, set[str]] = {}
    for theirs, ours in DECLINE.items():
        by_ours.setdefault(ours, set()).add(theirs)
    assert by_ours == {
        "expired": {"ORDER_EXPIRED", "REQUEST_TIME_OUT", "U69"},
        "canceled_by_customer": {"ORDER_CANCELLED_BY_USER", "CANCELLED_BY_USER", "REQUEST_DECLINE_BY_REQUESTEE",
                                 "REQUEST_CANCEL_BY_REQUESTER", "ZA"},
        "insufficient_funds": {"Z9", "IE", "INSUFFICIENT_FUNDS", "INSUFFICIENT_BALANCE"},
        "authentication_failed": {"ZM", "Z6"},
        "limit_exceeded": {"Z7", "Z8", "U03", "ZU"},
        "issuer_unavailable": {"U90", "UT", "XB", "XY", "S96", "U28"},
        "merchant_configuration": {f"INTERNAL_SECURITY_BLOCK_{number}" for number in (1, 2, 4, 5, 6)},
        "abandoned": {"TXN_AUTO_FAILED", "TIMED_OUT"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "decline"),
    [
        ({"errorCode": "Z9", "detailedErrorCode": "ZM"}, Decline(code="insufficient_funds", gateway_code="Z9")),
        ({"errorCode": "PAYMENT_ERROR", "detailedErrorCode": "ZM"}, Decline(code="authentication_failed", gateway_code="ZM")),
        ({"errorCode": "PAYMENT_ERROR", "errorContext": {"detailedErrorCode": "U90", "description": "Bank is down"}},
         Decline(code="issuer_unavailable", gateway_code="U90", message="Bank is down")),
        ({"detailedErrorCode": "NEW_ONE", "paymentDetails": [attempt("FAILED", detailedErrorCode="Z7")]},
         Decline(code="limit_exceeded", gateway_code="Z7")),
        ({"errorCode": "PAYMENT_ERROR", "detailedErrorCode": "NEW_ONE"}, Decline(code="declined", gateway_code="NEW_ONE")),
        ({"errorCode": "PAYMENT_ERROR", "errorContext": {"detailedErrorCode": "DEEP"}},
         Decline(code="declined", gateway_code="DEEP")),
        ({"errorCode": "PAYMENT_ERROR"}, Decline(code="declined", gateway_code="PAYMENT_ERROR")),
        ({}, Decline(code="declined")),
        ({"errorCode": 7, "detailedErrorCode": None, "errorContext": "x"}, Decline(code="declined")),
    ],
)  # fmt: skip
def test_the_first_known_code_of_a_failed_order_wins(changes: dict[str, Any], decline: Decline) -> None:
    assert read({**order("FAILED", paymentDetails=[attempt("FAILED")]), **changes}).decline == decline


def test_no_card_number_is_told_in_the_reason() -> None:
    told = order("FAILED", errorCode="Z9", errorContext={"description": "card 4242 4242 4242 4242 was refused"})
    assert read(told).decline == Decline(
        code="insufficient_funds", gateway_code="Z9", message="card [card number] was refused"
    )


def test_an_expired_order_says_so() -> None:
    assert read(order("FAILED", detailedErrorCode="ORDER_EXPIRED")).decline == Decline(
        code="expired", gateway_code="ORDER_EXPIRED"
    )
    assert read(order("EXPIRED")).decline == Decline(code="expired")


def test_the_last_attempt_is_the_latest_by_its_time() -> None:
    tries = [
        attempt("FAILED", timestamp=3000, detailedErrorCode="Z9"),
        attempt("FAILED", timestamp=1000, detailedErrorCode="ZM"),
    ]
    assert read(order("FAILED", paymentDetails=tries)).decline == Decline(code="insufficient_funds", gateway_code="Z9")
    untimed = [{**one, "timestamp": None} for one in tries]
    assert read(order("FAILED", paymentDetails=untimed)).decline == Decline(
        code="authentication_failed", gateway_code="ZM"
    )


def test_an_open_order_tells_why_its_last_try_failed_and_ignores_the_root() -> None:
    stale = {"errorCode": "Z9", "errorContext": {"errorCode": "Z9"}}
    assert read(order("PENDING", **stale)).decline is None
    tried = read(order("PENDING", **stale, paymentDetails=[attempt("FAILED", detailedErrorCode="ZM")]))
    assert tried.decline == Decline(code="authentication_failed", gateway_code="ZM")
    assert read(order("PENDING", **stale, paymentDetails=[attempt("PENDING")])).decline is None
    assert read(order("COMPLETED", **stale)).decline is None


# --- the method ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("UPI_INTENT", "upi"), ("UPI_COLLECT", "upi"), ("UPI_QR", "upi"), ("UPI_AUTO_PAY", "upi"), ("PPE_INTENT", "upi"),
     ("CARD", "card"), ("TOKEN", "card"), ("NET_BANKING", "netbanking"), ("WALLET", "wallet"), ("EMI", "emi")],
)  # fmt: skip
def test_every_way_of_paying(mode: str, kind: str) -> None:
    method = read(order(paymentDetails=[attempt(paymentMode=mode)])).method
    assert method is not None and (method.kind, method.handle) == (kind, "ada@ybl")


def test_the_completed_attempt_tells_how_it_was_paid_wherever_it_stands() -> None:
    tries = [
        attempt("FAILED", transactionId="OM1", timestamp=1735713200000, rail={"utr": "1"}),
        attempt(paymentMode="CARD"),
    ]
    report = read(order(paymentDetails=tries))
    assert report.method is not None and report.method.kind == "card"
    assert report.other_references == (TRANSACTION_ID, "500112345678")


def test_a_split_attempt_has_its_rail_in_its_parts() -> None:
    parts = [{"amount": 1, "instrument": {"type": "WALLET"}}, {"rail": {"type": "UPI", "utr": "77", "vpa": "b@ybl"}}]
    report = read(order(paymentDetails=[attempt(rail=None, instrument=None, splitInstruments=parts)]))
    assert report.other_references == (TRANSACTION_ID, "77")
    assert report.method is not None and (report.method.brand, report.method.handle) == ("WALLET", "b@ybl")


def test_no_attempt_tells_no_method() -> None:
    report = read(order(paymentDetails=[]))
    assert (report.method, report.other_references, report.occurred_at) == (None, (), None)


@pytest.mark.parametrize("strange", ["x", 7, {"a": 1}, [None, 7, "x"], None])
def test_details_of_any_shape_are_survived(strange: Any) -> None:
    assert (
        read({**order(), "paymentDetails": strange, "metaInfo": strange, "errorContext": strange}).captured_minor
        == 129900
    )


def test_the_personal_address_and_the_page_are_not_kept() -> None:
    report = read(order(redirectUrl="https://mercury.phonepe.com/x?token=t"))
    assert "redirectUrl" not in report.raw and "ada@ybl" not in strict_json.dumps(report.raw)
    assert report.raw["paymentDetails"][0]["rail"] == {"type": "UPI", "utr": "500112345678"}


# --- refunds ------------------------------------------------------------------------------------------------------


def test_a_refund_that_failed_says_why_and_gave_nothing_back() -> None:
    report = translate.read_refund(refund_body("FAILED", errorCode="REFUND_NOT_ALLOWED", detailedErrorCode="BF_034"))
    assert (report.status, report.refunded_minor, report.amount_minor) == (R.FAILED, 0, 29900)
    assert report.decline == Decline(code="declined", gateway_code="BF_034")


def test_a_confirmed_refund_is_pending_even_beside_a_code_of_success() -> None:
    report = translate.read_refund(refund_body("CONFIRMED", errorCode="SUCCESS", detailedErrorCode="Z9"))
    assert (report.status, report.refunded_minor, report.decline) == (R.PENDING, 0, None)


def test_a_pending_refund_is_not_declined_by_an_attempt_that_failed() -> None:
    for state in ("PENDING", "CONFIRMED", "CREATED", "NEW"):
        told = refund_body(state, paymentDetails=[attempt("FAILED", errorCode="Z9")])
        assert translate.read_refund(told).decline is None


def test_a_refund_is_its_own_amount_and_no_running_total() -> None:
    report = translate.read_refund(
        refund_body("COMPLETED", refundableAmount=100000, paymentDetails=[attempt(amount=1)])
    )
    assert (report.status, report.refunded_minor, report.gateway_reference) == (R.SUCCEEDED, 29900, REFUND_ID)
    assert report.occurred_at == datetime(2025, 1, 2, 6, 40, tzinfo=UTC)


def test_a_completed_refund_without_an_amount_is_not_believed() -> None:
    report = translate.read_refund(refund_body("COMPLETED", amount=None))
    assert (report.status, report.refunded_minor, report.attention) == (R.PENDING, 0, Attention.MISMATCH)
