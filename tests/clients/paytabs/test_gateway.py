"""The verbs over a scripted wire: what is asked, in which order, and what several rows come to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from clients.paytabs.gateway import PayTabsGateway
from core.gateways.errors import GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.testing import Answer, FakeHttp, MemoryCache, answer, fixed_clock
from core.gateways.types import (
    Attention,
    CaptureMode,
    CaptureRequest,
    ChargeRequest,
    MethodStatus,
    Mode,
    NotFound,
    PaymentNames,
    PaymentStatus,
    Redirect,
    RefundNames,
    RefundRequest,
    RefundStatus,
    SavedMethod,
    Subject,
    VoidRequest,
)
from core.http import HttpResponse, NoAnswer, NotSent
from core.money import Money
from tests.clients.paytabs.bodies import (
    BASE,
    CHILD,
    NEXT_REF,
    REF,
    REFERENCE,
    REFUND_REF,
    REFUND_REFERENCE,
    TOKEN,
    amount,
    credentials,
    failure,
    follow_up,
    load,
    page,
    refund,
    row,
)
from tests.clients.paytabs.case import CASE, GIVEN_BACK, PART, TOTAL

S = PaymentStatus
OTHER_REF = "TST2632400991240"


def run(call: Callable[[PayTabsGateway], Any], *answers: Any) -> tuple[Any, list[dict[str, Any]]]:
    """What a call comes to, and the bodies it sent. `answers` are bodies, answers or exceptions."""
    script: list[Answer] = [one if isinstance(one, (HttpResponse, Exception)) else answer(one) for one in answers]
    http = FakeHttp(script)
    gateway = PayTabsGateway(credentials(), mode=Mode.TEST, http=http, cache=MemoryCache(), clock=fixed_clock())
    found = call(gateway)
    sent = [json.loads(one.body, parse_float=str) for one in http.sent]
    assert sum(not one.is_auxiliary for one in http.sent) <= 1  # the operation itself; all others only look
    return found, [{name: value for name, value in body.items() if name != "profile_id"} for body in sent]


def fetch(names: PaymentNames, *answers: Any) -> tuple[Any, list[dict[str, Any]]]:
    return run(lambda gateway: gateway.fetch_payment(names), *answers)


BY_REF, BY_NAME = {"tran_ref": REF}, {"cart_id": REFERENCE}
CHILDREN = [{"cart_id": f"{REFERENCE}-c{number}"} for number in (1, 2, 3)]


# --- initiate -----------------------------------------------------------------------------------------------------


def test_a_page_is_a_redirect_known_by_both_names() -> None:
    asked = CASE.payment_request(reference="pay_01HZX4-1")
    report, _ = run(lambda gateway: gateway.initiate(asked), load("page_created.json"))
    assert (report.status, report.reference, report.gateway_reference) == (
        S.REQUIRES_ACTION, "pay_01HZX4-1", "TST2614400991234",
    )  # fmt: skip
    assert report.next_action == Redirect(url="https://secure.paytabs.sa/payment/page/5A0C0000")
    assert (report.captured_minor, report.authorized_minor, report.attention) == (None, None, None)
    assert "callback" not in report.raw and "redirect_url" not in report.raw


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/payment/page/1", "https://secure.paytabs.sa.evil.example/x", "http://secure.paytabs.sa/x",
     "https://secure.paytabs.com/payment/page/1", "javascript:alert(1)", "https://secure.paytabs.sa@evil.example/", "//x"],
)  # fmt: skip
def test_a_page_on_another_host_is_never_shown(url: str) -> None:
    with pytest.raises(OutcomeUnknown):
        run(lambda gateway: gateway.initiate(CASE.payment_request()), page(redirect_url=url))


def test_an_answer_about_another_cart_is_not_ours() -> None:
    with pytest.raises(OutcomeUnknown):
        run(lambda gateway: gateway.initiate(CASE.payment_request()), page("other-1"))


def test_a_test_profile_behind_a_live_account_is_seen_at_the_first_answer() -> None:
    report = CASE.initiate().call(CASE.open(FakeHttp([answer(page())]), mode=Mode.LIVE))
    assert (report.mode, report.attention) == (Mode.TEST, Attention.MISMATCH)


def test_nobody_is_sent_to_the_page_of_another_profile() -> None:
    report, _ = run(lambda gateway: gateway.initiate(CASE.payment_request()), page(profileId=1))
    assert (report.status, report.next_action, report.attention) == (S.PENDING, None, Attention.MISMATCH)
    assert (report.reference, report.gateway_reference, report.account) == (REFERENCE, None, "1")


def test_a_result_that_lacks_its_type_is_of_the_type_that_was_asked_for() -> None:
    bare = {
        "tran_ref": REF,
        "cart_currency": "SAR",
        "cart_amount": "115.50",
        "payment_result": {"response_status": "A"},
    }
    for asked, status in ((CaptureMode.AUTOMATIC, S.CAPTURED), (CaptureMode.MANUAL, S.AUTHORIZED)):
        request = replace(CASE.payment_request(), capture=asked)
        report, _ = run(lambda gateway, request=request: gateway.initiate(request), bare)
        assert report.status is status


def test_an_answer_to_a_charge_that_is_about_another_cart_is_not_ours() -> None:
    asked = ChargeRequest(payment=CASE.payment_request(), saved=SavedMethod(token=TOKEN, extra_token=REF))
    with pytest.raises(OutcomeUnknown):
        run(lambda gateway: gateway.charge_saved(asked), row(cart_id="other-1"))


# --- fetch: one row -----------------------------------------------------------------------------------------------


def test_an_unpaid_page_is_one_question_and_shows_its_address_again() -> None:
    waiting = row(letter=None, redirect_url=f"{BASE}/payment/page/5A0C0000")
    report, sent = fetch(CASE.names(REF), waiting)
    assert (report.status, report.next_action) == (S.REQUIRES_ACTION, Redirect(url=f"{BASE}/payment/page/5A0C0000"))
    assert sent == [BY_REF]


def test_an_unpaid_page_without_an_address_is_pending() -> None:
    for body in ({}, row(letter=None), row(letter=None, redirect_url="https://evil.example/x")):
        report, sent = fetch(CASE.names(REF), body)
        assert (report.status, report.next_action, report.gateway_reference) == (S.PENDING, None, REF)
        assert (report.reference, sent) == (REFERENCE, [BY_REF])


def test_a_paid_page_is_looked_at_once_more_by_our_name() -> None:
    report, sent = fetch(CASE.names(REF), row(), [row()])
    assert (report.status, report.captured_minor, report.other_references) == (S.CAPTURED, 11550, ())
    assert sent == [BY_REF, BY_NAME]


@pytest.mark.parametrize(
    "trouble", [NotSent("x"), NoAnswer("x"), answer(text="<html>", status=502), answer(failure(1), status=401)]
)
def test_a_second_look_that_fails_leaves_the_first_answer_as_it_is(trouble: Any) -> None:
    report, _ = fetch(CASE.names(REF), row(), trouble)
    assert (report.status, report.captured_minor) == (S.CAPTURED, 11550)


@pytest.mark.parametrize(("letter", "status"), [("H", S.PENDING), ("P", S.PENDING)])
def test_what_waits_for_somebody_is_one_question(letter: str, status: S) -> None:
    report, sent = fetch(CASE.names(REF), row(letter=letter))
    assert (report.status, report.is_hint, sent) == (status, False, [BY_REF])


def test_an_answer_about_another_transaction_teaches_nothing() -> None:
    with pytest.raises(OutcomeUnknown):
        fetch(CASE.names(REF), row(tran_ref=OTHER_REF))


def test_a_lost_create_is_looked_up_by_our_name() -> None:
    lost = CASE.names()
    report, sent = fetch(lost, [row(letter=None, redirect_url=f"{BASE}/payment/page/1")])
    assert (report.status, report.gateway_reference, sent) == (S.REQUIRES_ACTION, REF, [BY_NAME])
    for empty in ([], [row(cart_id="other-1")], [refund(cart_id=REFERENCE)]):
        found, sent = fetch(lost, empty)
        assert isinstance(found, NotFound) and sent == [BY_NAME]


def test_a_failed_query_by_our_name_is_an_error_and_never_not_found() -> None:
    with pytest.raises(RequestRejected):
        fetch(CASE.names(), answer(failure(999), status=400))
    with pytest.raises(GatewayUnavailable):
        fetch(CASE.names(), answer(failure(400), status=400))


def test_without_any_name_nothing_is_asked() -> None:
    with pytest.raises(RequestRejected):
        fetch(PaymentNames())


@pytest.mark.parametrize(
    ("text", "asked", "attention", "captured"),
    [
        ("115.50", TOTAL, None, 11550), ("115.51", TOTAL, Attention.OVERPAID, 11551),
        ("115.49", TOTAL, Attention.UNDERPAID, 11549), ("115.50", Money(11550, "AED"), Attention.MISMATCH, 11550),
        ("115.50", None, None, 11550),
    ],
)  # fmt: skip
def test_what_was_taken_is_compared_with_what_was_asked(
    text: str, asked: Money | None, attention: Attention | None, captured: int
) -> None:
    report, _ = fetch(CASE.names(REF, amount=asked), row(cart_amount="1.00", tran_total=text), [])
    assert (report.attention, report.captured_minor, report.asset) == (attention, captured, "SAR")


@pytest.mark.parametrize(
    ("text", "attention", "captured"),
    [("1.24", Attention.MISMATCH, None), ("1.23", Attention.MISMATCH, None), ("1.235", None, 1235),
     ("1.240", Attention.OVERPAID, 1240), ("1.20", Attention.UNDERPAID, 1200)],
)  # fmt: skip
def test_a_rounded_three_decimal_amount_is_for_a_person(
    text: str, attention: Attention | None, captured: int | None
) -> None:
    report, _ = fetch(CASE.names(REF, amount=Money(1235, "KWD")), row(**amount(text, "KWD")), [])
    assert (report.attention, report.captured_minor) == (attention, captured)


# --- fetch: several rows ------------------------------------------------------------------------------------------


def test_a_sale_decides_beside_a_declined_try_whatever_the_order() -> None:
    tries = [row(letter="D", tran_ref=OTHER_REF, time="2026-11-20T13:00:00Z"), row()]
    for rows in (tries, tries[::-1]):
        report, _ = fetch(CASE.names(), rows)
        assert (report.status, report.captured_minor, report.gateway_reference) == (S.CAPTURED, 11550, REF)
        assert (report.other_references, report.decline) == ((OTHER_REF,), None)


def test_without_a_sale_the_newest_row_decides_and_one_without_a_result_still_waits() -> None:
    early = row(letter="X", tran_ref=OTHER_REF, time="2026-11-20T10:00:00Z")
    late = row(letter="D", time="2026-11-20T11:00:00Z")
    for rows in ([early, late], [late, early]):
        assert fetch(CASE.names(), rows)[0].status is S.FAILED
    assert fetch(CASE.names(), [late, row(letter=None, tran_ref=NEXT_REF)])[0].status is S.PENDING


def test_a_declined_try_is_failed_only_after_a_look_at_all_tries() -> None:
    report, sent = fetch(CASE.names(REF), row(letter="D"), [row(letter="D"), row(tran_ref=NEXT_REF)])
    assert (report.status, report.gateway_reference, sent) == (S.CAPTURED, NEXT_REF, [BY_REF, BY_NAME])


def test_an_offline_sale_is_found_behind_its_page_request_and_named_for_refunds() -> None:
    asked, sale = row("Payment Request", "A"), row(tran_ref=NEXT_REF, previous_tran_ref=REF)
    report, sent = fetch(CASE.names(REF), asked, [asked, sale])
    assert (report.status, report.captured_minor) == (S.CAPTURED, 11550)
    assert (report.gateway_reference, report.other_references) == (NEXT_REF, (REF,))
    assert sent == [BY_REF, BY_NAME]


def test_late_money_on_an_earlier_try_is_found_by_its_reference() -> None:
    names = CASE.names(REF, other_references=("PAY_20261120183005_1a2b3c4d-0", OTHER_REF))
    report, sent = fetch(names, row(letter=None), row(tran_ref=OTHER_REF, cart_id="PAY_20261120183005_1a2b3c4d-0"), [])
    assert (report.status, report.gateway_reference) == (S.CAPTURED, OTHER_REF)
    assert sent == [BY_REF, {"tran_ref": OTHER_REF}, BY_NAME]


def test_a_row_that_comes_twice_counts_once_and_two_sales_are_both_money() -> None:
    report, _ = fetch(CASE.names(), [row(), row(), refund(), refund(), refund("D", tran_ref=OTHER_REF)])
    assert report.captured_minor == 11550
    again = row(tran_ref=NEXT_REF)
    report, _ = fetch(CASE.names(), [row(), again])
    assert report.captured_minor == 23100


def test_refunds_beside_a_sale_are_their_sum_and_change_nothing_else() -> None:
    others = [refund(cart_id=REFERENCE), refund(cart_id=REFERENCE, tran_ref=OTHER_REF, **amount("1.00"))]
    report, _ = fetch(CASE.names(), [*others, row(), refund("P", cart_id=REFERENCE, tran_ref="TST2632400991299")])
    assert (report.status, report.captured_minor, report.refunded_minor) == (S.CAPTURED, 11550, 1650)
    assert report.other_references == ()


def test_a_sale_that_was_undone_on_its_day_stays_captured_and_is_shown() -> None:
    report, _ = fetch(CASE.names(REF), row(), [row(), follow_up("Void", cart_id=REFERENCE)])
    assert (report.status, report.captured_minor, report.attention) == (
        S.CAPTURED, 11550, Attention.GATEWAY_DISAGREES,
    )  # fmt: skip


# --- fetch: holds -------------------------------------------------------------------------------------------------


def test_a_hold_is_looked_at_by_every_name_of_its_captures() -> None:
    report, sent = fetch(CASE.names(REF), row("Auth"), [row("Auth")], [], [], [])
    assert (report.status, report.authorized_minor, report.captured_minor) == (S.AUTHORIZED, 11550, 0)
    assert sent == [BY_REF, BY_NAME, *CHILDREN]


def test_a_capture_whose_answer_was_lost_is_found_by_its_derived_name() -> None:
    capture = follow_up("Capture", **amount("100.00"))
    report, sent = fetch(CASE.names(REF), row("Auth"), [], [], [{**capture, "cart_id": f"{REFERENCE}-c2"}])
    assert (report.status, report.captured_minor, report.asset) == (S.CAPTURED, 10000, "SAR")
    assert (report.reference, report.gateway_reference, report.other_references) == (REFERENCE, REF, (NEXT_REF,))
    assert sent == [BY_REF, BY_NAME, *CHILDREN[:2]]


def test_a_void_whose_answer_was_lost_is_found_likewise() -> None:
    report, _ = fetch(CASE.names(REF), row("Auth"), [], [follow_up("Void")])
    assert (report.status, report.captured_minor, report.authorized_minor) == (S.VOIDED, 0, None)


def test_captures_are_added_by_reference_however_often_they_are_read() -> None:
    first = follow_up("Capture", cart_id=REFERENCE, **amount("60.00"))
    second = follow_up("Capture", cart_id=REFERENCE, tran_ref=OTHER_REF, **amount("40.00"))
    refused = follow_up("Capture", "D", cart_id=REFERENCE, tran_ref="TST2632400991299", **amount("15.50"))
    names = CASE.names(REF, other_references=(NEXT_REF,))
    report, sent = fetch(names, row("Auth"), first, [second, row("Auth"), refused, first])
    assert (report.status, report.captured_minor) == (S.CAPTURED, 10000)
    assert (report.gateway_reference, report.other_references) == (REF, (NEXT_REF, OTHER_REF))
    assert sent == [BY_REF, {"tran_ref": NEXT_REF}, BY_NAME]


@pytest.mark.parametrize(
    ("rows", "status", "authorized"),
    [
        ([follow_up("Void", cart_id=REFERENCE)], S.VOIDED, None),
        ([follow_up("Void", cart_id=REFERENCE, **amount("15.50"))], S.AUTHORIZED, 10000),
        ([follow_up("Void", cart_id=REFERENCE, **amount("15.50")),
          follow_up("Void", cart_id=REFERENCE, tran_ref=OTHER_REF, **amount("100.00"))], S.VOIDED, None),
        ([follow_up("Release", cart_id=REFERENCE)], S.VOIDED, None),
        ([follow_up("Void", "D", cart_id=REFERENCE)], S.AUTHORIZED, 11550),
    ],
)  # fmt: skip
def test_what_was_let_go_of_a_hold(rows: list[dict[str, Any]], status: S, authorized: int | None) -> None:
    report, _ = fetch(CASE.names(), [row("Auth"), *rows], [], [], [])
    assert (report.status, report.authorized_minor, report.captured_minor) == (status, authorized, 0)


def test_a_release_after_a_capture_frees_only_the_rest() -> None:
    rows = [row("Auth"), follow_up("Capture", cart_id=REFERENCE, **amount("100.00")),
            follow_up("Release", cart_id=REFERENCE, tran_ref=OTHER_REF, **amount("15.50"))]  # fmt: skip
    report, _ = fetch(CASE.names(), rows)
    assert (report.status, report.captured_minor) == (S.CAPTURED, 10000)


def test_a_capture_that_came_back_rounded_is_for_a_person() -> None:
    asked, taken = Money(1235, "KWD"), follow_up("Capture", **amount("1.24", "KWD"))
    told, _ = capture(taken, money=asked)
    names = CASE.names(amount=Money(2000, "KWD"), captured=asked)
    read, _ = fetch(names, [row("Auth", **amount("2.000", "KWD")), {**taken, "cart_id": REFERENCE}])
    for report in (told, read):
        assert (report.status, report.captured_minor, report.attention) == (S.CAPTURED, None, Attention.MISMATCH)
    exact, _ = capture(follow_up("Capture", **amount("1.24", "KWD")), money=Money(1240, "KWD"))
    assert (exact.captured_minor, exact.attention) == (1240, None)


# --- capture and void ---------------------------------------------------------------------------------------------


def capture(body: Any, *, money: Money = PART, operation: str | None = None) -> tuple[Any, list[dict[str, Any]]]:
    request = CaptureRequest(names=CASE.names(REF), amount=money, idempotency_key="k", reference=operation)
    return run(lambda gateway: gateway.capture(request), body)


def test_a_capture_is_sent_for_the_hold_and_reports_the_payment() -> None:
    report, sent = capture(follow_up("Capture", **amount("100.00")))
    assert (report.status, report.captured_minor, report.asset) == (S.CAPTURED, 10000, "SAR")
    assert (report.reference, report.gateway_reference, report.other_references) == (REFERENCE, REF, (NEXT_REF,))
    assert sent == [{
        "tran_type": "capture", "tran_class": "ecom", "tran_ref": REF, "cart_id": CHILD, "cart_description": "capture",
        "cart_currency": "SAR", "cart_amount": "100.00",
    }]  # fmt: skip


def test_a_second_try_of_a_capture_has_a_fresh_name() -> None:
    _, sent = capture(follow_up("Capture"), operation="PAY_20261120183005_1a2b3c4d-capture-2")
    assert sent[0]["cart_id"] == f"{REFERENCE}-c2"


def test_an_answer_that_lacks_nearly_every_name_is_read_by_what_was_asked() -> None:
    bare = {"tran_ref": NEXT_REF, "payment_result": {"response_status": "A"}}
    report, _ = capture(bare)
    assert (report.status, report.captured_minor, report.asset) == (S.CAPTURED, 10000, "SAR")
    assert (report.reference, report.gateway_reference, report.other_references) == (REFERENCE, REF, (NEXT_REF,))


@pytest.mark.parametrize(("letter", "is_refused"), [("D", True), ("E", True), ("P", False), ("H", False)])
def test_a_refused_or_waiting_capture_leaves_the_hold_as_it_is(letter: str, is_refused: bool) -> None:
    report, _ = capture(follow_up("Capture", letter, code="120", message="Previous transaction is on hold"))
    assert (report.status, report.captured_minor, report.is_hint) == (None, None, False)
    assert (report.gateway_reference, report.decline is not None) == (REF, is_refused)
    if is_refused:
        assert (report.decline.code, report.decline.gateway_code) == ("on_hold", "120")


@pytest.mark.parametrize("body", [page(), follow_up("Refund"), {"tran_ref": NEXT_REF}, {}])
def test_an_answer_that_is_none_to_a_capture_leaves_it_unknown(body: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknown):
        capture(body)


def test_a_void_is_of_the_whole_hold() -> None:
    request = VoidRequest(names=CASE.names(REF), idempotency_key="k")
    report, sent = run(lambda gateway: gateway.void(request), follow_up("Void"))
    assert (report.status, report.captured_minor, report.gateway_reference) == (S.VOIDED, 0, REF)
    assert (report.other_references, report.is_hint) == ((NEXT_REF,), False)
    assert (sent[0]["tran_type"], sent[0]["cart_amount"], sent[0]["cart_id"]) == ("void", "115.50", CHILD)


def test_a_capture_or_void_without_their_reference_is_refused_before_anything_is_sent() -> None:
    for call in (
        lambda gateway: gateway.capture(CaptureRequest(names=CASE.names(), amount=PART, idempotency_key="k")),
        lambda gateway: gateway.void(VoidRequest(names=CASE.names(), idempotency_key="k")),
    ):
        with pytest.raises(RequestRejected):
            run(call)


# --- refunds ------------------------------------------------------------------------------------------------------


def give_back(names: PaymentNames, *answers: Any) -> tuple[Any, list[dict[str, Any]]]:
    request = RefundRequest(names=names, reference=REFUND_REFERENCE, amount=GIVEN_BACK, idempotency_key="k")
    return run(lambda gateway: gateway.refund(request), *answers)


def test_a_refund_of_a_sale_names_it_without_asking() -> None:
    report, sent = give_back(CASE.names(REF), refund())
    assert (report.about, report.status, report.refunded_minor) == (Subject.REFUND, RefundStatus.SUCCEEDED, 1550)
    assert (report.reference, report.gateway_reference) == (REFUND_REFERENCE, REFUND_REF)
    assert report.payment is not None and report.payment.gateway_reference == REF
    assert [(one["tran_type"], one["tran_ref"], one["cart_id"]) for one in sent] == [("refund", REF, REFUND_REFERENCE)]


def test_a_refund_of_a_hold_names_its_capture_and_never_the_hold() -> None:
    names = CASE.names(REF, other_references=(CHILD, NEXT_REF))
    _, sent = give_back(names, follow_up("Capture"), row("Auth"), refund())
    assert [one["tran_ref"] for one in sent] == [NEXT_REF, REF, NEXT_REF]


def test_a_refund_of_an_offline_sale_names_the_sale() -> None:
    names = CASE.names(NEXT_REF, other_references=(REF,))
    _, sent = give_back(names, row("Payment Request", "A"), row(tran_ref=NEXT_REF), refund())
    assert sent[-1]["tran_ref"] == NEXT_REF


def test_what_cannot_be_looked_up_is_named_by_the_newest_reference() -> None:
    names = CASE.names(REF, other_references=(NEXT_REF,))
    _, sent = give_back(names, NotSent("x"), NoAnswer("x"), refund())
    assert (sent[-1]["tran_type"], sent[-1]["tran_ref"]) == ("refund", NEXT_REF)


def test_a_payment_of_which_nothing_was_taken_is_not_refunded() -> None:
    names = CASE.names(REF, other_references=(NEXT_REF,))
    for call in (
        lambda: give_back(names, follow_up("Void"), row("Auth")),
        lambda: give_back(CASE.names(), []),
        lambda: give_back(PaymentNames()),
    ):
        with pytest.raises(RequestRejected):
            call()


def test_a_refund_without_their_reference_looks_the_sale_up_by_our_name() -> None:
    _, sent = give_back(CASE.names(), [row(letter="D", tran_ref=OTHER_REF), row()], refund())
    assert [one["tran_ref"] for one in sent[1:]] == [REF]


@pytest.mark.parametrize(
    "body",
    [
        {"tran_ref": REFUND_REF, "payment_result": {"response_status": "A"}},
        refund(cart_id=None, previous_tran_ref=None),
        refund(tran_type="refund", cart_id=REFERENCE),
        refund(tran_type=None),
    ],
)
def test_an_answer_to_a_refund_is_joined_by_our_request(body: dict[str, Any]) -> None:
    report, _ = give_back(CASE.names(REF), body)
    assert (report.about, report.status, report.refunded_minor, report.asset) == (
        Subject.REFUND, RefundStatus.SUCCEEDED, 1550, "SAR",
    )  # fmt: skip
    assert (report.reference, report.payment.gateway_reference) == (REFUND_REFERENCE, REF)


def test_an_answer_that_repeats_the_payment_s_reference_does_not_break() -> None:
    report, _ = give_back(CASE.names(REF), refund(tran_ref=REF))
    assert (report.status, report.gateway_reference, report.reference) == (
        RefundStatus.SUCCEEDED, REF, REFUND_REFERENCE,
    )  # fmt: skip


@pytest.mark.parametrize(("letter", "status"), [("P", RefundStatus.PENDING), ("D", RefundStatus.FAILED)])
def test_a_refund_may_wait_or_be_refused(letter: str, status: RefundStatus) -> None:
    report, _ = give_back(CASE.names(REF), refund(letter, code="320", message="Unable to refund"))
    assert report.status is status
    assert (report.decline.code if report.decline else None) == ("not_refundable" if letter == "D" else None)


def test_a_refund_whose_answer_says_nothing_is_unknown() -> None:
    for body in (page(), {}, NoAnswer("x"), answer(failure(4, "Duplicate Request"), status=409)):
        with pytest.raises(OutcomeUnknown):
            give_back(CASE.names(REF), body)


def fetch_refund(gateway_reference: str | None, *answers: Any) -> tuple[Any, list[dict[str, Any]]]:
    names = RefundNames(reference=REFUND_REFERENCE, gateway_reference=gateway_reference, payment=CASE.names(REF))
    return run(lambda gateway: gateway.fetch_refund(names), *answers)


def test_a_lost_refund_is_looked_up_by_its_own_name() -> None:
    report, sent = fetch_refund(None, [refund("P")])
    assert (report.status, report.reference, report.gateway_reference) == (
        RefundStatus.PENDING, REFUND_REFERENCE, REFUND_REF,
    )  # fmt: skip
    assert report.payment.gateway_reference == REF and report.payment.amount is None
    assert sent == [{"cart_id": REFUND_REFERENCE}]
    found, _ = fetch_refund(None, [])
    assert isinstance(found, NotFound)


def test_a_refund_that_was_refused_and_sent_again_is_the_one_that_worked() -> None:
    refused = refund("D", tran_ref=OTHER_REF, time="2026-11-20T13:00:00Z")
    assert fetch_refund(None, [refused, refund()])[0].status is RefundStatus.SUCCEEDED
    assert fetch_refund(None, [refused, refund("P")])[0].status is RefundStatus.FAILED  # the newest


def test_a_refund_is_asked_for_by_its_reference_and_by_its_name_where_that_is_the_payment_s() -> None:
    report, sent = fetch_refund(REFUND_REF, refund())
    assert (report.status, sent) == (RefundStatus.SUCCEEDED, [{"tran_ref": REFUND_REF}])
    report, sent = fetch_refund(REF, row(), [refund()])
    assert (report.gateway_reference, sent) == (REFUND_REF, [BY_REF, {"cart_id": REFUND_REFERENCE}])
    unknown, _ = fetch_refund(REFUND_REF, answer(failure(113, "not found"), status=400))
    assert isinstance(unknown, NotFound)


# --- saved cards --------------------------------------------------------------------------------------------------


def charge(body: Any) -> Any:
    request = ChargeRequest(payment=CASE.payment_request(), saved=SavedMethod(token=TOKEN, extra_token=REF))
    return run(lambda gateway: gateway.charge_saved(request), body)[0]


def test_a_charge_is_answered_at_once_under_its_own_names() -> None:
    report = charge(row(tran_ref=NEXT_REF, previous_tran_ref=REF, tran_class="C/Auth", token=TOKEN))
    assert (report.status, report.captured_minor, report.saved) == (S.CAPTURED, 11550, None)
    assert (report.reference, report.gateway_reference, report.other_references) == (REFERENCE, NEXT_REF, ())


def test_an_issuer_that_wants_the_customer_back_is_a_next_action() -> None:
    report = charge(page())
    assert (report.status, report.next_action) == (S.REQUIRES_ACTION, Redirect(url=f"{BASE}/payment/page/5A0C0000"))


def test_a_profile_without_recurring_is_told_so() -> None:
    with pytest.raises(RequestRejected) as caught:
        charge(answer(failure(112, "combination not supported"), status=400))
    assert caught.value.code == "unsupported_by_profile" and "recurring" in caught.value.reason


def test_less_than_was_asked_is_seen_in_the_answer() -> None:
    assert charge(row(**amount("100.00"))).attention is Attention.UNDERPAID


def test_saving_a_card_alone_is_a_page_about_a_method() -> None:
    request = CASE.save_request()
    report, sent = run(lambda gateway: gateway.save_method(request), page(tran_type="Register"))
    assert (report.about, report.status, report.reference) == (Subject.METHOD, MethodStatus.PENDING, REFERENCE)
    assert report.next_action == Redirect(url=f"{BASE}/payment/page/5A0C0000")
    assert (sent[0]["tran_type"], sent[0]["tokenise"]) == ("register", 2)
    at_once, _ = run(lambda gateway: gateway.save_method(request), row("Register", token=TOKEN))
    assert (at_once.status, at_once.saved.token, at_once.saved.extra_token) == (MethodStatus.ACTIVE, TOKEN, REF)
    with pytest.raises(OutcomeUnknown):
        run(lambda gateway: gateway.save_method(request), page(redirect_url="https://evil.example/"))


def test_a_saved_card_comes_with_the_payment_that_consent_was_given_for() -> None:
    report, _ = fetch(CASE.names(REF), row(token=TOKEN), [])
    assert (report.saved.token, report.saved.extra_token, report.saved.method.last_four) == (TOKEN, REF, "1111")


def test_a_registration_is_fetched_as_a_method() -> None:
    report, _ = fetch(CASE.names(REF), row("Register", token=TOKEN), [])
    assert (report.about, report.status) == (Subject.METHOD, MethodStatus.ACTIVE)
    assert replace(report.saved, method=None) == SavedMethod(token=TOKEN, extra_token=REF)


# --- answers with next to nothing in them -------------------------------------------------------------------------


def test_an_answer_without_a_currency_is_in_the_one_that_was_asked() -> None:
    silent = {"cart_currency": None, "tran_currency": None}
    report, _ = fetch(CASE.names(REF), row(**silent), [])
    assert (report.captured_minor, report.asset, report.attention) == (11550, "SAR", None)
    captured, _ = capture(follow_up("Capture", **{**amount("100.00"), **silent}))
    assert (captured.captured_minor, captured.asset) == (10000, "SAR")
    given_back, _ = give_back(CASE.names(REF), refund(**silent))
    assert (given_back.refunded_minor, given_back.asset, given_back.attention) == (1550, "SAR", None)


def test_rows_of_another_profile_are_weighed_only_where_there_is_no_other() -> None:
    foreign = row(profile_id=1, tran_ref=OTHER_REF)
    report, _ = fetch(CASE.names(), [foreign, row(letter=None)])
    assert (report.status, report.attention, report.other_references) == (S.PENDING, None, ())
    report, _ = fetch(CASE.names(), [foreign])
    assert (report.status, report.captured_minor, report.attention) == (S.PENDING, None, Attention.MISMATCH)
    assert (report.gateway_reference, report.other_references, report.account) == (None, (), "1")
