"""Saved methods: what is sent to keep, charge and forget one, and where Stripe says that one was kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clients.stripe import saved, translate
from core.gateways.errors import GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.testing import Answer, FakeHttp, answer, wire_fields
from core.gateways.types import (
    CaptureMode,
    ChargeRequest,
    ClientToken,
    CustomerDetails,
    Decline,
    DeleteSavedRequest,
    Method,
    MethodStatus,
    PaymentStatus,
    Presentation,
    Redirect,
    Report,
    SavedMethod,
    Subject,
)
from core.http import HttpRequest, NoAnswer, NotSent
from tests.clients.stripe.case import CASE, PAID, REFERENCE, SAVED
from tests.clients.stripe.objects import (
    charge,
    declined,
    delivery,
    event,
    intent,
    load,
    payment_method,
    session,
    session_intent,
    setup_intent,
    setup_session,
)

CARD = Method(kind="card", brand="visa", last_four="4242", expiry_month=12, expiry_year=2034)
KEPT = {"setup_future_usage": "off_session", "customer": "cus_docA1", "payment_method": "pm_docA1"}
CUSTOMER = {"id": "cus_docA1", "object": "customer", "email": "ada@example.com"}
NO_SUCH = {"type": "invalid_request_error", "code": "resource_missing", "message": "No such PaymentMethod"}


def sent(*answers: Answer, call: Any) -> tuple[Any, list[HttpRequest]]:
    http = FakeHttp(answers)
    return call(CASE.open(http)), http.sent


# --- during a payment ---------------------------------------------------------------------------------------------


def test_a_session_that_saves_makes_a_customer_and_marks_the_intent() -> None:
    params = translate.build_session(CASE.payment_request(save_method=True))
    assert params["customer_creation"] == "always"
    assert params["customer_email"] == "ada@example.com"
    assert params["payment_intent_data"]["setup_future_usage"] == "off_session"
    assert params["payment_intent_data"]["metadata"] == {
        "payment_id": REFERENCE, "saves": "method", "shape": "session",
    }  # fmt: skip
    plain = translate.build_session(CASE.payment_request())
    assert "customer_creation" not in plain
    assert "setup_future_usage" not in plain["payment_intent_data"]


def test_a_known_customer_is_named_and_no_e_mail_beside_it() -> None:
    params = translate.build_session(CASE.payment_request(save_method=True, customer_token="cus_docA1"))
    assert params["customer"] == "cus_docA1"
    assert not params.keys() & {"customer_email", "customer_creation"}


def test_the_callers_metadata_never_speaks_for_the_customer() -> None:
    params = translate.build_session(CASE.payment_request(metadata={"saves": "method", "method_id": "x", "note": "y"}))
    assert params["metadata"] == {"payment_id": REFERENCE, "note": "y"}


def embedded(**changes: Any) -> Any:
    request = CASE.payment_request(presentation=Presentation.EMBEDDED, save_method=True, **changes)
    return lambda gateway: gateway.initiate(request)


def test_in_our_page_a_customer_is_made_first_under_a_key_of_its_own() -> None:
    _, (first, second) = sent(answer(CUSTOMER), answer(intent()), call=embedded())
    assert (first.url, first.is_auxiliary) == ("https://api.stripe.com/v1/customers", True)
    assert first.headers["Idempotency-Key"] == "11111111-2222-4333-8444-555555555555:create:customer"
    assert "Paywright-Auxiliary" not in first.headers
    assert wire_fields(first) == {
        "email": "ada@example.com", "name": "Ada Example", "phone": "+15555550100", "metadata[user_id]": "cus-1",
    }  # fmt: skip
    assert second.headers["Idempotency-Key"] == "11111111-2222-4333-8444-555555555555:create"
    fields = wire_fields(second)
    assert (fields["customer"], fields["setup_future_usage"]) == ("cus_docA1", "off_session")


def test_in_our_page_a_known_customer_is_not_made_again() -> None:
    _, (only,) = sent(answer(intent()), call=embedded(customer_token="cus_known1"))
    assert wire_fields(only)["customer"] == "cus_known1"


@pytest.mark.parametrize("trouble", [NoAnswer("ReadTimeout"), NotSent("x"), answer(text="<html>", status=502)])
def test_a_customer_that_was_lost_on_the_way_moved_no_money(trouble: Answer) -> None:
    http = FakeHttp([trouble])
    with pytest.raises(GatewayUnavailable):
        embedded()(CASE.open(http))
    assert len(http.sent) == 1


def test_a_paid_intent_tells_what_it_kept() -> None:
    body = {**load("session_paid"), "payment_intent": {**load("session_paid")["payment_intent"], **KEPT}}
    report = translate.read_session(body)
    assert report is not None
    assert report.saved == SavedMethod(
        token="pm_docA1", customer_token="cus_docA1", method=replace(CARD, network="visa")
    )
    heard = CASE.read(delivery(event("payment_intent.succeeded", session_intent(**PAID, **KEPT))))
    assert heard.saved == SAVED
    expanded = translate.read_intent(intent(**{**PAID, **KEPT, "payment_method": payment_method()}))
    assert expanded.saved == replace(SAVED, method=CARD)


@pytest.mark.parametrize(
    "changes",
    [
        {**PAID, **KEPT, "setup_future_usage": None},
        {**PAID, **KEPT, "setup_future_usage": "on_session"},  # not agreed to be charged while away
        {**PAID, **KEPT, "customer": None},
        {**PAID, **KEPT, "payment_method": None},
        {**KEPT, "status": "processing"},
        {**KEPT, "status": "requires_capture", "amount_capturable": 1299},
        {**KEPT, "last_payment_error": declined()},
    ],
)
def test_nothing_is_saved_without_consent_customer_or_payment(changes: dict[str, Any]) -> None:
    assert translate.read_intent(intent(**changes)).saved is None


def test_a_charge_tells_the_card_where_our_mark_says_that_it_was_kept() -> None:
    marked = {"payment_id": REFERENCE, "shape": "session", "saves": "method"}
    told = {"customer": "cus_docA1", "payment_method": "pm_docA1"}
    report = CASE.read(delivery(event("charge.updated", charge(metadata=marked, **told))))
    assert report.saved == replace(SAVED, method=replace(CARD, network="visa"))
    assert CASE.read(delivery(event("charge.updated", charge(**told)))).saved is None
    failed = charge(metadata=marked, status="failed", captured=False, **told)
    assert CASE.read(delivery(event("charge.updated", failed))).saved is None


# --- alone --------------------------------------------------------------------------------------------------------


def test_saving_alone_asks_for_a_page_in_setup_mode() -> None:
    report, (request,) = sent(
        answer(setup_session()), call=lambda gateway: gateway.save_method(CASE.save_method_request())
    )
    assert (request.method, request.url) == ("POST", "https://api.stripe.com/v1/checkout/sessions")
    assert request.headers["Idempotency-Key"] == "11111111-2222-4333-8444-555555555555:save"
    assert wire_fields(request) == {
        "mode": "setup",
        "currency": "eur",
        "success_url": "https://pay.example.com/p/abc/return?session_id={CHECKOUT_SESSION_ID}",
        "client_reference_id": REFERENCE,
        "metadata[method_id]": REFERENCE,
        "setup_intent_data[metadata][method_id]": REFERENCE,
        "setup_intent_data[metadata][shape]": "session",
        "customer_email": "ada@example.com",
        "customer_creation": "always",
    }
    assert (report.about, report.status, report.reference) == (Subject.METHOD, MethodStatus.PENDING, REFERENCE)
    assert (report.gateway_reference, report.other_references) == ("cs_test_docS1", ("seti_docA1",))
    assert report.next_action == Redirect(url=setup_session()["url"])


def test_saving_alone_for_a_known_customer_names_it() -> None:
    params = saved.build_setup(CASE.save_method_request(customer_token="cus_docA1"), success_url="https://a.example/")
    assert params["customer"] == "cus_docA1"
    assert not params.keys() & {"customer_email", "customer_creation"}
    with pytest.raises(RequestRejected) as caught:
        saved.build_setup(CASE.save_method_request(currency="IQD"), success_url="https://a.example/")
    assert caught.value.code == "currency_not_supported"


@pytest.mark.parametrize("changes", [{"url": None}, {"client_reference_id": None, "metadata": {}}])
def test_an_answer_without_a_page_is_no_answer(changes: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknown):
        sent(answer(setup_session(**changes)), call=lambda gateway: gateway.save_method(CASE.save_method_request()))


@pytest.mark.parametrize(
    ("kind", "subject", "status", "kept"),
    [
        ("setup_intent.succeeded", setup_intent(), MethodStatus.ACTIVE, SAVED),
        ("setup_intent.succeeded", setup_intent(payment_method=payment_method()), MethodStatus.ACTIVE,
         replace(SAVED, method=CARD)),
        ("setup_intent.succeeded", setup_intent(payment_method=None), MethodStatus.PENDING, None),
        ("setup_intent.succeeded", setup_intent(status="never_seen"), MethodStatus.PENDING, None),
        ("checkout.session.completed", setup_session(status="complete", url=None), MethodStatus.PENDING, None),
        ("checkout.session.completed", setup_session(status="complete", url=None, setup_intent=setup_intent()),
         MethodStatus.ACTIVE, SAVED),
        ("checkout.session.expired", setup_session(status="expired", url=None), MethodStatus.FAILED, None),
    ],
)  # fmt: skip
def test_events_tell_how_saving_alone_ended(
    kind: str, subject: dict[str, Any], status: MethodStatus, kept: SavedMethod | None
) -> None:
    report = CASE.read(delivery(event(kind, subject)))
    assert (report.about, report.status, report.saved, report.reference) == (Subject.METHOD, status, kept, REFERENCE)
    assert report.next_action is None


def test_a_failed_try_on_stripes_page_leaves_the_page_open() -> None:
    failed = {"status": "requires_payment_method", "payment_method": None, "last_setup_error": declined()}
    report = CASE.read(delivery(event("setup_intent.setup_failed", setup_intent(**failed))))
    assert (report.status, report.saved) == (MethodStatus.PENDING, None)
    assert report.decline == Decline(
        code="insufficient_funds", gateway_code="insufficient_funds", message="Your card was declined."
    )
    alone = setup_intent(**failed, metadata={"method_id": REFERENCE})
    assert CASE.read(delivery(event("setup_intent.setup_failed", alone))).status is MethodStatus.FAILED


def test_a_setup_session_is_never_read_as_a_payment() -> None:
    assert translate.read_session(session(mode="setup")) is None


# --- charged later ------------------------------------------------------------------------------------------------


def charged(*answers: Answer, **changes: Any) -> tuple[Report, list[HttpRequest]]:
    request = ChargeRequest(payment=CASE.payment_request(**changes), saved=SAVED)
    report, requests = sent(*answers, call=lambda gateway: gateway.charge_saved(request))
    return report, requests


def test_a_charge_names_customer_and_method_and_that_nobody_is_there() -> None:
    report, (request,) = charged(answer(intent(**PAID, customer="cus_docA1", payment_method="pm_docA1")))
    assert (request.method, request.url) == ("POST", "https://api.stripe.com/v1/payment_intents")
    assert request.headers["Idempotency-Key"] == "11111111-2222-4333-8444-555555555555:create"
    assert wire_fields(request) == {
        "amount": "1299", "currency": "eur", "metadata[payment_id]": REFERENCE, "description": "Order 42",
        "customer": "cus_docA1", "payment_method": "pm_docA1", "off_session": "true", "confirm": "true",
    }  # fmt: skip
    assert (report.status, report.captured_minor, report.gateway_reference) == (
        PaymentStatus.CAPTURED, 1299, "pi_docA1",
    )  # fmt: skip
    assert (report.next_action, report.saved) == (None, None)


def test_a_hold_on_a_saved_method_says_so_and_saves_nothing_again() -> None:
    held = {"status": "requires_capture", "amount_capturable": 1299}
    report, (request,) = charged(answer(intent(**held)), capture=CaptureMode.MANUAL, save_method=True)
    fields = wire_fields(request)
    assert fields["capture_method"] == "manual"
    assert "setup_future_usage" not in fields
    assert (report.status, report.authorized_minor) == (PaymentStatus.AUTHORIZED, 1299)


def test_a_bank_that_wants_the_customer_is_a_decline_with_the_way_on() -> None:
    report, _ = charged(answer(load("error_authentication_required"), status=402))
    assert (report.status, report.captured_minor) == (PaymentStatus.FAILED, 0)
    assert report.decline is not None
    assert report.decline.code == "authentication_required"
    assert isinstance(report.next_action, ClientToken)
    assert report.next_action.token == "pi_docA1_secret_zZ9yX8"
    assert report.next_action.parameters == {"return_url": "https://pay.example.com/p/abc/return"}
    assert "pm_docA1" not in f"{report!r}{dict(report.raw)}"


def test_any_other_decline_leads_nowhere() -> None:
    report, _ = charged(answer(load("error_card_declined"), status=402))
    assert (report.status, report.next_action) == (PaymentStatus.FAILED, None)
    assert report.decline is not None
    assert report.decline.code == "insufficient_funds"
    processing, _ = charged(answer(intent(status="processing")))
    assert (processing.status, processing.next_action) == (PaymentStatus.PENDING, None)


# --- forgotten ----------------------------------------------------------------------------------------------------


def forget(*answers: Answer, token: str = "pm_docA1") -> list[HttpRequest]:
    request = DeleteSavedRequest(saved=SavedMethod(token=token), idempotency_key="delete-key-1")
    found, requests = sent(*answers, call=lambda gateway: gateway.delete_saved(request))
    assert found is None
    return requests


def test_a_method_is_detached_for_good() -> None:
    (request,) = forget(answer(payment_method(customer=None)))
    assert (request.method, request.url) == ("POST", "https://api.stripe.com/v1/payment_methods/pm_docA1/detach")
    assert (request.headers["Idempotency-Key"], request.body) == ("delete-key-1", b"")


def test_one_that_is_gone_already_is_fine_and_any_other_refusal_is_not() -> None:
    text = "The payment method you provided is not attached to a customer so detachment is impossible."
    assert len(forget(answer({"error": NO_SUCH}, status=404))) == 1
    assert len(forget(answer({"error": {"type": "invalid_request_error", "message": text}}, status=400))) == 1
    with pytest.raises(RequestRejected):
        forget(answer({"error": {"type": "invalid_request_error", "message": "no"}}, status=400))
    with pytest.raises(OutcomeUnknown):
        forget(NoAnswer("ReadTimeout"))


@pytest.mark.parametrize("token", ["", "pm_1/../../customers", "pm_1?x=y", "pm_é", "p" * 201])
def test_what_is_no_name_is_never_sent(token: str) -> None:
    with pytest.raises(RequestRejected):
        forget(token=token)
    request = ChargeRequest(payment=CASE.payment_request(), saved=SavedMethod(token=token))
    with pytest.raises(RequestRejected):
        CASE.open(FakeHttp()).charge_saved(request)


def test_a_customer_is_told_only_what_is_known() -> None:
    assert saved.build_customer(None) == {}
    assert saved.build_customer(CustomerDetails()) == {}
    assert saved.build_customer(CustomerDetails(id="7", email="a@b.example")) == {
        "email": "a@b.example", "metadata": {"user_id": "7"},
    }  # fmt: skip
