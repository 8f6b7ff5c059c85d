"""Requests to the byte, and the class of every answer (protocol reference, section 12)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from core.gateways.errors import GatewayMisconfigured, GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.testing import FakeHttp, answer, wire_fields
from core.gateways.types import (
    CaptureRequest,
    DisputeNames,
    Mode,
    NotFound,
    PaymentNames,
    PaymentStatus,
    RefundNames,
    RefundRequest,
    RefundStatus,
    VoidRequest,
)
from core.http import NotSent
from core.money import Money
from tests.clients.pesopay.case import CASE, PESOS
from tests.clients.pesopay.wire import (
    HOLD,
    NO_RECORD,
    PAY_REF,
    REFERENCE,
    SECOND_REF,
    declined,
    line,
    record,
    records,
    refused,
)

EMPTY = answer(text=NO_RECORD)
PLATFORM = "PAY-20261120183005-1a2b3c4d-1"
LOGIN = "merchantId=18000001&loginId=apiuser&password=invented-test-password&actionType="
NAMES = PaymentNames(reference=REFERENCE, gateway_reference=PAY_REF, amount=PESOS)
HELD = replace(NAMES, reference=HOLD)


def bodies(http: FakeHttp) -> list[str]:
    return [one.body.decode() for one in http.sent]


def fetch(http: FakeHttp, **names: Any) -> Any:
    return CASE.open(http).fetch_payment(PaymentNames(**names))


def capture(gateway: Any) -> Any:
    return gateway.capture(CaptureRequest(names=HELD, amount=Money(100000, "PHP"), idempotency_key="k"))


def void(gateway: Any) -> Any:
    return gateway.void(VoidRequest(names=HELD, idempotency_key="k"))


def refund(gateway: Any, minor: int = 50050) -> Any:
    return gateway.refund(RefundRequest(names=NAMES, reference="RF-1", amount=Money(minor, "PHP"), idempotency_key="k"))


def test_a_query_is_a_form_post_with_the_login() -> None:
    http = FakeHttp([records(record())])
    fetch(http, reference="ORD-2026-000451")
    (request,) = http.sent
    assert (request.method, request.url) == ("POST", "https://test.pesopay.com/b2cDemo/eng/merchant/api/orderApi.jsp")
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.body.decode() == f"{LOGIN}Query&orderRef=ORD-2026-000451"


def test_a_payment_is_asked_for_by_our_name_also_where_theirs_is_known() -> None:
    http = FakeHttp([records(record())])
    fetch(http, reference=REFERENCE, gateway_reference=PAY_REF)
    assert bodies(http) == [f"{LOGIN}Query&orderRef={REFERENCE}"]


def test_without_our_name_theirs_is_asked_for() -> None:
    http = FakeHttp([records(record())])
    assert fetch(http, gateway_reference=PAY_REF).captured_minor == 125050
    assert bodies(http) == [f"{LOGIN}Query&payRef={PAY_REF}"]


def test_the_platform_s_name_is_asked_for_as_a_sale_then_as_a_hold() -> None:
    http = FakeHttp([EMPTY, records(record("Authorized", ref=HOLD))])
    assert fetch(http, reference=PLATFORM).authorized_minor == 125050
    assert bodies(http) == [f"{LOGIN}Query&orderRef={REFERENCE}", f"{LOGIN}Query&orderRef={HOLD}"]


def test_the_name_that_was_learned_is_asked_for_alone() -> None:
    http = FakeHttp([EMPTY])
    found = fetch(http, reference=PLATFORM, other_references=(HOLD,))
    assert isinstance(found, NotFound) and bodies(http) == [f"{LOGIN}Query&orderRef={HOLD}"]


def test_money_of_an_earlier_try_is_found_by_their_name() -> None:
    http = FakeHttp([EMPTY, records(record())])
    found = fetch(http, reference="PAY-20261120183005-1a2b3c4d-N2", gateway_reference=PAY_REF,
                  other_references=(REFERENCE,))  # fmt: skip
    assert found.captured_minor == 125050 and found.attention is None
    assert bodies(http)[1] == f"{LOGIN}Query&payRef={PAY_REF}"


def test_with_no_name_nothing_is_sent() -> None:
    http = FakeHttp()
    for names in ({}, {"gateway_reference": "not-a-number"}, {"reference": "a|b"}, {"reference": "x" * 36}):
        with pytest.raises(RequestRejected):
            fetch(http, **names)
    assert http.sent == []


def test_capture_void_and_refund_to_the_byte() -> None:
    http = FakeHttp([line(ref=HOLD, amt="1000.0"), line(ref=HOLD), records(record()), line()])
    gateway = CASE.open(http)
    captured, voided, filed = capture(gateway), void(gateway), refund(gateway)
    assert bodies(http) == [
        f"{LOGIN}Capture&payRef=13900123&amount=1000.00",
        f"{LOGIN}Void&payRef=13900123",
        f"{LOGIN}Query&payRef=13900123",
        f"{LOGIN}RequestRefund&payRef=13900123&amount=500.50",
    ]
    assert (captured.status, captured.captured_minor, captured.asset) == ("captured", 100000, "PHP")
    assert (voided.status, voided.captured_minor) == ("voided", 0)
    assert (filed.status, filed.refunded_minor, filed.reference) == ("pending", 50050, "RF-1")
    assert filed.gateway_reference == filed.payment.gateway_reference == PAY_REF


@pytest.mark.parametrize(
    ("minor", "sent"),
    [
        (50050, "OnlinePartialRefund&payRef=13900123&amount=500.50"),
        (125050, "OnlineRefund&payRef=13900123"),
    ],
)
def test_an_online_refund_is_done_at_once(minor: int, sent: str) -> None:
    http = FakeHttp([records(record()), line()])
    known = {**CASE.credentials(Mode.TEST), "refund_action": "OnlineRefund"}
    report = refund(CASE.open(http, credentials=known), minor)
    assert bodies(http)[1] == LOGIN + sent
    assert (report.status, report.refunded_minor) == ("succeeded", minor)


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("RequestRefund", "refund_pending"),
        ("RequestPartialRefund", "refund_pending"),
        ("Refunded", "already_refunded"),
    ],
)
def test_no_refund_is_filed_beside_an_open_one(word: str, code: str) -> None:
    http = FakeHttp([records(record(word))])
    with pytest.raises(RequestRejected) as caught:
        refund(CASE.open(http))
    assert caught.value.code == code and len(http.sent) == 1


def test_a_look_before_the_refund_that_fails_does_not_block_it() -> None:
    http = FakeHttp([NotSent("x"), line()])
    assert refund(CASE.open(http)).status is RefundStatus.PENDING


def test_a_sale_is_never_voided() -> None:
    http = FakeHttp()
    for names in (NAMES, replace(NAMES, reference=PLATFORM, other_references=(REFERENCE,))):
        with pytest.raises(RequestRejected, match="hold"):
            CASE.open(http).void(VoidRequest(names=names, idempotency_key="k"))
    assert http.sent == []


def test_an_unknown_pay_ref_is_looked_up_first_and_only_the_right_attempt_is_taken() -> None:
    names = replace(HELD, gateway_reference=None)
    http = FakeHttp([records(declined(ref=HOLD), record("Authorized", ref=HOLD, payRef=SECOND_REF)),
                     line(ref=HOLD, payRef=SECOND_REF)])  # fmt: skip
    CASE.open(http).void(VoidRequest(names=names, idempotency_key="k"))
    assert http.sent[0].is_auxiliary and bodies(http)[1] == f"{LOGIN}Void&payRef={SECOND_REF}"
    http = FakeHttp([records(record("Voided", ref=HOLD))])
    with pytest.raises(RequestRejected, match="no authorized attempt"):
        CASE.open(http).void(VoidRequest(names=names, idempotency_key="k"))
    assert len(http.sent) == 1


@pytest.mark.parametrize("change", [{"ref": "ORD-9"}, {"payRef": "77"}, {"amt": ""}, {"amt": "x"}, {"cur": "414"}])
def test_an_answer_about_something_else_or_without_the_amount_is_unknown(change: dict[str, str]) -> None:
    with pytest.raises(OutcomeUnknown):
        capture(CASE.open(FakeHttp([line(**{"ref": HOLD, **change})])))


@pytest.mark.parametrize(
    ("response", "read", "write"),
    [
        (refused("Authentication Failed"), GatewayMisconfigured, GatewayMisconfigured),
        (refused("Invalid LOGIN id"), GatewayMisconfigured, GatewayMisconfigured),
        (refused("wrong password"), GatewayMisconfigured, GatewayMisconfigured),
        (refused("Merchant Id not found"), GatewayMisconfigured, GatewayMisconfigured),
        (refused("Wrong Payment Reference"), RequestRejected, RequestRejected),
        (refused(""), RequestRejected, RequestRejected),
        (line(resultCode="1"), GatewayUnavailable, OutcomeUnknown),
        (line(resultCode=""), GatewayUnavailable, OutcomeUnknown),
        (answer(text="resultCode=0&orderStatus=Accepted&ref=ORD"), GatewayUnavailable, OutcomeUnknown),
        (answer(text="resultCode=-1"), GatewayUnavailable, OutcomeUnknown),
        (answer(text="<record/>"), GatewayUnavailable, OutcomeUnknown),
        (answer(text="<records><record>"), GatewayUnavailable, OutcomeUnknown),
        (answer(text="resultCode=0&resultCode=-1&errMsg=x"), GatewayUnavailable, OutcomeUnknown),
        (answer(text="OK"), GatewayUnavailable, OutcomeUnknown),
        (answer(text="x", status=302), GatewayUnavailable, OutcomeUnknown),
        (answer(text="x", status=201), GatewayUnavailable, OutcomeUnknown),
        (answer(text="x", status=503), GatewayUnavailable, OutcomeUnknown),
        (answer(text="x", status=429), GatewayUnavailable, GatewayUnavailable),
        (answer(text="x", status=401), GatewayMisconfigured, GatewayMisconfigured),
        (answer(text="x", status=403), GatewayMisconfigured, GatewayMisconfigured),
        (answer(text="x", status=404), RequestRejected, RequestRejected),
    ],
)
def test_every_answer_has_its_class(response: Any, read: type[Exception], write: type[Exception]) -> None:
    def of(call: Callable[[Any], Any]) -> type[BaseException]:
        with pytest.raises(Exception) as caught:
            call(CASE.open(FakeHttp([response])))
        return caught.type

    assert of(lambda gateway: gateway.fetch_payment(NAMES)) is read
    assert of(capture) is write


def test_a_query_answered_by_a_line_and_a_write_answered_by_records_say_nothing() -> None:
    with pytest.raises(GatewayUnavailable):
        fetch(FakeHttp([line()]), reference=REFERENCE)
    with pytest.raises(OutcomeUnknown):
        capture(CASE.open(FakeHttp([records(record())])))


def test_the_gateway_s_text_is_kept_for_staff_without_our_secrets() -> None:
    text = "Wrong Payment Reference for invented-test-password"
    with pytest.raises(RequestRejected) as caught:
        capture(CASE.open(FakeHttp([refused(text)])))
    assert caught.value.reason == "PesoPay refuses: Wrong Payment Reference for ..."


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("RequestRefund", "pending"),
        ("RequestPartialRefund", "pending"),
        ("Refunded", "succeeded"),
        ("Partial Refunded", "succeeded"),
        ("Accepted", "pending"),
        ("Captured", "pending"),
        ("ChargeBack", "pending"),
        ("Something New", "pending"),
    ],
)
def test_the_state_of_a_refund_is_that_of_its_payment(word: str, status: str) -> None:
    http = FakeHttp([records(record(word))])
    names = RefundNames(reference="RF-1", gateway_reference=PAY_REF, payment=NAMES, amount=Money(50050, "PHP"))
    report = CASE.open(http).fetch_refund(names)
    assert (report.status, report.reference, report.refunded_minor) == (status, "RF-1", 50050)
    assert bodies(http) == [f"{LOGIN}Query&payRef={PAY_REF}"]


def test_a_refund_whose_filing_was_never_answered_is_found_only_where_the_payment_shows_one() -> None:
    names = RefundNames(reference="RF-1", payment=NAMES, amount=Money(50050, "PHP"))
    assert isinstance(CASE.open(FakeHttp([records(record())])).fetch_refund(names), NotFound)
    found = CASE.open(FakeHttp([records(record("RequestPartialRefund"))])).fetch_refund(names)
    assert (found.status, found.gateway_reference) == ("pending", PAY_REF)
    assert isinstance(CASE.open(FakeHttp([EMPTY])).fetch_refund(names), NotFound)


@pytest.mark.parametrize(
    ("word", "status", "amount", "withdrawn"),
    [
        ("ChargeBack", "under_review", 125050, 125050),
        ("Partial ChargeBack", "under_review", None, None),
        ("Reversal-CB", "won", None, 0),
    ],
)
def test_a_chargeback_is_told_by_the_record(word: str, status: str, amount: int | None, withdrawn: int | None) -> None:
    names = DisputeNames(gateway_reference=PAY_REF, payment=NAMES)
    report = CASE.open(FakeHttp([records(record(word))])).fetch_dispute(names)
    assert (report.status, report.amount_minor, report.withdrawn_minor) == (status, amount, withdrawn)
    assert report.payment.reference == REFERENCE and report.gateway_reference == PAY_REF
    assert isinstance(CASE.open(FakeHttp([records(record())])).fetch_dispute(names), NotFound)


def test_a_chargeback_of_a_partial_capture_takes_back_what_was_captured() -> None:
    payment = PaymentNames(reference=HOLD, amount=Money(125050, "PHP"), captured=Money(100000, "PHP"))
    http = FakeHttp([records(record("ChargeBack", ref=HOLD))])
    report = CASE.open(http).fetch_dispute(DisputeNames(gateway_reference=PAY_REF, payment=payment))
    assert (report.amount_minor, report.withdrawn_minor) == (100000, 100000)


def test_a_form_that_nobody_posted_is_still_to_be_paid_and_no_surprise() -> None:
    issued = PaymentNames(reference=REFERENCE, amount=Money(125050, "PHP"), acknowledged=True)
    report = CASE.open(FakeHttp([EMPTY])).fetch_payment(issued)
    assert (report.status, report.captured_minor, report.attention) == (PaymentStatus.REQUIRES_ACTION, 0, None)
    assert (report.reference, report.gateway_reference, report.next_action) == (REFERENCE, None, None)
    # Nothing that we issued, or an attempt that they had and know no more.
    for names in (replace(issued, acknowledged=False), replace(issued, gateway_reference=PAY_REF)):
        assert isinstance(CASE.open(FakeHttp([EMPTY])).fetch_payment(names), NotFound)


def test_the_test_of_a_connection_asks_for_an_order_that_cannot_exist() -> None:
    http = FakeHttp([EMPTY])
    check = CASE.open(http).check_credentials()
    assert check.ok and check.account == "18000001" and "proven only by a test payment" in check.message
    assert wire_fields(http.sent[0])["orderRef"] == "CONNECTION-TEST-0"
    for change in ({"login_id": ""}, {"secure_hash_secret": ""}, {"secure_hash_function": ""}):
        known = {**CASE.credentials(Mode.TEST), **change}
        assert CASE.open(FakeHttp([EMPTY]), credentials=known).check_credentials().ok is False
    with pytest.raises(GatewayUnavailable):
        CASE.open(FakeHttp([NotSent("x")])).check_credentials()
