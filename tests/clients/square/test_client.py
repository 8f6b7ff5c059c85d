"""Calls: address, headers, body; the class of every error; how a payment is found by whatever is known of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clients.square.client import SquareApi
from clients.square.config import SquareConfig
from clients.square.gateway import SquareGateway
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.gateways.port import CanSaveMethodsAlone
from core.gateways.testing import Answers, FakeHttp, Script, answer
from core.gateways.types import (
    CaptureMode,
    CaptureRequest,
    ChargeRequest,
    CustomerDetails,
    DeleteSavedRequest,
    DisputeNames,
    Mode,
    NotFound,
    PaymentNames,
    PaymentStatus,
    Presentation,
    RefundNames,
    RefundRequest,
    RefundStatus,
    Report,
    SavedMethod,
    VoidRequest,
    WebhookDelivery,
)
from core.http import HttpResponse, NoAnswer, NotSent
from core.money import Money
from tests.clients.square.case import CASE, SAVED, TOTAL
from tests.clients.square.objects import (
    CARD,
    CUSTOMER,
    DISPUTE,
    FAILED_PAYMENT,
    LINK,
    LOCATION,
    MERCHANT,
    ORDER,
    PAYMENT,
    REFERENCE,
    REFUND,
    REFUND_REFERENCE,
    TOKEN,
    direct,
    dispute,
    errors,
    failed,
    load,
    money,
    of_link,
    order,
    refund,
)

API = "https://connect.squareupsandbox.com"
LINKS = "/v2/online-checkout/payment-links"
OF_LINK = CASE.names(ORDER, other_references=(LINK,))
UNKNOWN = answer(errors("NOT_FOUND"), status=404)


def open_with(answers: Script) -> tuple[Any, FakeHttp]:
    http = FakeHttp(answers)
    return CASE.open(http), http


def calls(http: FakeHttp) -> list[str]:
    return [f"{one.method} {one.url.removeprefix(API)}" for one in http.sent]


def body_of(http: FakeHttp, index: int = 0) -> Any:
    return json.loads(http.sent[index].body)


# --- initiate -----------------------------------------------------------------------------------------------------


def test_initiate_asks_for_a_link_in_the_form_of_an_order() -> None:
    gateway, http = open_with([answer(load("link_created"))])
    report = gateway.initiate(CASE.payment_request())
    (request,) = http.sent
    assert (request.method, request.url) == ("POST", f"{API}{LINKS}")
    assert dict(request.headers) == {
        "authorization": f"Bearer {TOKEN}",
        "square-version": "2025-08-20",
        "accept": "application/json",
        "content-type": "application/json",
    }
    assert body_of(http) == {
        "idempotency_key": "11111111-2222-4333-8444-555555555555:create",
        "order": {
            "location_id": LOCATION,
            "reference_id": REFERENCE,
            "line_items": [
                {"name": "Order 42", "quantity": "1", "base_price_money": {"amount": 11550, "currency": "USD"}}
            ],
        },
        "checkout_options": {"redirect_url": "https://pay.example.com/p/abc/return", "allow_tipping": False},
        "pre_populated_data": {"buyer_email": "ada@example.com", "buyer_phone_number": "+15555550100"},
    }
    assert (report.status, report.gateway_reference) == (PaymentStatus.REQUIRES_ACTION, ORDER)
    assert report.next_action.url == "https://sandbox.square.link/u/DOCEXMPL"


def test_live_accounts_call_the_live_host() -> None:
    http = FakeHttp([answer(load("link_created"))])
    CASE.open(http, mode=Mode.LIVE).initiate(CASE.payment_request())
    assert http.sent[0].url == f"https://connect.squareup.com{LINKS}"


@pytest.mark.parametrize(
    "customer",
    [
        None,
        CustomerDetails(email="no address", phone="555-0100"),
        CustomerDetails(email="ada@example", phone="15555550100"),
        CustomerDetails(email="a" * 300 + "@example.com", phone="+" + "5" * 20),
    ],
)
def test_what_would_have_the_whole_call_refused_is_left_out(customer: CustomerDetails | None) -> None:
    gateway, http = open_with([answer(load("link_created"))])
    gateway.initiate(CASE.payment_request(customer=customer))
    assert "pre_populated_data" not in body_of(http)


def test_consent_and_customer_travel_in_the_order() -> None:
    gateway, http = open_with([answer(load("link_created"))])
    gateway.initiate(CASE.payment_request(save_method=True, customer_token=CUSTOMER, description=None))
    sent = body_of(http)["order"]
    assert (sent["metadata"], sent["customer_id"]) == ({"save_method": "yes"}, CUSTOMER)
    assert sent["line_items"][0]["name"] == f"Payment {REFERENCE}"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"capture": CaptureMode.MANUAL}, "capture_unsupported"),
        ({"presentation": Presentation.EMBEDDED}, "presentation_unsupported"),
        ({"amount": Money(8730, "KWD")}, "currency_not_supported"),
    ],
)
def test_what_a_link_cannot_do_is_refused_before_anything_is_sent(changes: dict[str, Any], code: str) -> None:
    gateway, http = open_with([])
    with pytest.raises(RequestRejected) as raised:
        gateway.initiate(CASE.payment_request(**changes))
    assert raised.value.code == code and http.sent == []


@pytest.mark.parametrize(
    "page", ["https://square.link/u/A", "https://sandbox.square.link/u/A", "https://checkout.square.site/m/A"]
)
def test_the_customer_is_sent_to_square_s_pages(page: str) -> None:
    body = load("link_created")
    body["payment_link"]["url"] = page
    gateway, _ = open_with([answer(body)])
    assert gateway.initiate(CASE.payment_request()).next_action.url == page


@pytest.mark.parametrize(
    "page", ["https://square.link.example/u/A", "http://square.link/u/A", "https://square.link", "javascript:alert(1)"]
)
def test_the_customer_is_sent_to_no_other_page(page: str) -> None:
    body = load("link_created")
    body["payment_link"]["url"] = page
    gateway, _ = open_with([answer(body)])
    with pytest.raises(OutcomeUnknown):
        gateway.initiate(CASE.payment_request())


def test_an_answer_about_another_order_is_not_believed() -> None:
    body = load("link_created")
    body["related_resources"]["orders"][0]["reference_id"] = "PAY_20200101000000_ffffffff-1"
    gateway, _ = open_with([answer(body)])
    with pytest.raises(OutcomeUnknown):
        gateway.initiate(CASE.payment_request())


def test_a_bank_that_wants_to_see_its_customer_can_while_they_are_here() -> None:
    refused = answer(errors("CARD_DECLINED_VERIFICATION_REQUIRED", "PAYMENT_METHOD_ERROR"), status=400)
    gateway, _ = open_with([refused])
    report = gateway.initiate(CASE.payment_request())
    assert (report.status, report.decline.code) == (PaymentStatus.REQUIRES_ACTION, "authentication_required")


# --- the class of every error -------------------------------------------------------------------------------------

WRITE, READ = "write", "read"


def error_after(response: HttpResponse, call: str = WRITE) -> GatewayError:
    gateway, _ = open_with([response, response])
    charge_request = ChargeRequest(payment=CASE.payment_request(), saved=SAVED)
    with pytest.raises(GatewayError) as raised:
        _ = gateway.charge_saved(charge_request) if call is WRITE else gateway.fetch_payment(CASE.names(PAYMENT))
    return raised.value


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, GatewayMisconfigured) for code in (
            "UNAUTHORIZED", "ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_REVOKED", "INSUFFICIENT_SCOPES", "FORBIDDEN",
            "INSUFFICIENT_PERMISSIONS_FOR_REFUND", "INVALID_LOCATION", "LOCATION_MISMATCH",
            "INVALID_SQUARE_VERSION_FORMAT")),
        *((code, RequestRejected) for code in (
            "REFUND_AMOUNT_INVALID", "REFUND_ALREADY_PENDING", "PAYMENT_NOT_REFUNDABLE",
            "PAYMENT_NOT_REFUNDABLE_DUE_TO_DISPUTE", "REFUND_ERROR_PAYMENT_NEEDS_COMPLETION", "VERSION_MISMATCH",
            "CURRENCY_MISMATCH", "VALUE_TOO_LONG", "VALUE_TOO_LOW", "BAD_REQUEST", "MISSING_REQUIRED_PARAMETER",
            "EXPECTED_STRING", "CHECKOUT_EXPIRED", "SANDBOX_NOT_SUPPORTED", "NOT_FOUND", "SOMETHING_NEW")),
        *((code, OutcomeUnknown) for code in (
            "DELAYED_TRANSACTION_EXPIRED", "DELAYED_TRANSACTION_CANCELED", "DELAYED_TRANSACTION_CAPTURED",
            "DELAYED_TRANSACTION_FAILED", "IDEMPOTENCY_KEY_REUSED", "CONFLICT", "TEMPORARY_ERROR",
            "INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "GATEWAY_TIMEOUT", "REQUEST_TIMEOUT")),
        ("RATE_LIMITED", GatewayUnavailable),
    ],
)  # fmt: skip
def test_the_table_of_codes(code: str, kind: type[GatewayError]) -> None:
    error = error_after(answer(errors(code), status=400))
    assert type(error) is kind
    assert (error.gateway_code, error.http_status) == (code, 400)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (answer(errors("BAD_REQUEST", "API_ERROR"), status=400), RequestRejected),
        (answer(errors("BAD_REQUEST", "API_ERROR"), status=500), OutcomeUnknown),
        (answer(errors("CARD_DECLINED", "PAYMENT_METHOD_ERROR"), status=500), OutcomeUnknown),
        (answer(errors("BAD_REQUEST"), status=408), OutcomeUnknown),
        (answer(errors("BAD_REQUEST"), status=403), GatewayMisconfigured),
        (answer({"type": "service.unauthorized", "message": "x"}, status=401), GatewayMisconfigured),
        (answer({"type": "bad_request", "message": "x", "field": "y"}, status=400), RequestRejected),
        (answer({"data": 1}, status=400), OutcomeUnknown),
        (answer(text=b"", status=400), OutcomeUnknown),
        (answer(text=b"<html>", status=404), OutcomeUnknown),
        (answer({}, status=200), OutcomeUnknown),
        (answer({"payment": []}, status=200), OutcomeUnknown),
        (answer({"payment": {}}, status=200), OutcomeUnknown),
        (answer({"payment": {"status": "COMPLETED"}}, status=200), OutcomeUnknown),
        (answer({**errors("BAD_REQUEST"), "payment": {}}, status=400), RequestRejected),
        (answer({}, status=302), OutcomeUnknown),
        (answer(errors("BAD_REQUEST"), status=429, headers={"Retry-After": "3"}), GatewayUnavailable),
    ],
)
def test_the_order_in_which_an_answer_is_judged(response: HttpResponse, kind: type[GatewayError]) -> None:
    assert type(error_after(response)) is kind


@pytest.mark.parametrize("status", [200, 302, 400, 408, 500, 503])
def test_an_unreadable_read_is_only_unavailable(status: int) -> None:
    assert type(error_after(answer(text=b"<html>", status=status), READ)) is GatewayUnavailable


def test_authentication_decides_also_when_another_error_stands_first() -> None:
    both = errors("CARD_DECLINED", "PAYMENT_METHOD_ERROR")["errors"] + errors("X_1", "AUTHENTICATION_ERROR")["errors"]
    error = error_after(answer({"errors": both}, status=400))
    assert type(error) is GatewayMisconfigured and error.gateway_code == "X_1"


def test_the_first_code_of_the_table_decides_among_several() -> None:
    both = errors("SOMETHING_NEW")["errors"] + errors("CONFLICT")["errors"] + errors("BAD_REQUEST")["errors"]
    assert type(error_after(answer({"errors": both}, status=400))) is OutcomeUnknown


def test_the_reason_names_code_and_field_and_no_free_text() -> None:
    error = error_after(answer(errors("VALUE_TOO_LONG", field="idempotency_key"), status=400))
    assert error.reason == "Square answered 400 VALUE_TOO_LONG for idempotency_key"
    odd = error_after(answer(errors("what is this", field="a b"), status=400))
    assert odd.reason == "Square answered 400" and odd.gateway_code is None


@pytest.mark.parametrize("bad", [[], "x", [1], [{}], [{"code": 1}], {"code": "CONFLICT"}])
def test_errors_of_any_shape_are_judged(bad: Any) -> None:
    assert isinstance(error_after(answer({"errors": bad}, status=400)), (OutcomeUnknown, RequestRejected))


def test_retry_after_may_be_a_date() -> None:
    headers = {"Retry-After": "Fri, 20 Nov 2026 12:00:30 GMT", "Date": "Fri, 20 Nov 2026 12:00:00 GMT"}
    assert error_after(answer({}, status=429, headers=headers)).retry_after_seconds == 30.0


@pytest.mark.parametrize("name", ["../locations", "a/b", "", "a b", "é", "a?x=1", "." * 3])
def test_a_name_that_is_no_id_never_reaches_an_address(name: str) -> None:
    http = FakeHttp([])
    api = SquareApi(SquareConfig.of(CASE.credentials(Mode.TEST), mode=Mode.TEST), http)
    with pytest.raises(RequestRejected):
        api.get_payment(name)
    assert http.sent == []


# --- fetching -----------------------------------------------------------------------------------------------------


def fetch(names: PaymentNames, answers: Script) -> tuple[Report | NotFound, FakeHttp]:
    gateway, http = open_with(answers)
    return gateway.fetch_payment(names), http


def test_a_link_s_payment_is_read_by_its_order() -> None:
    report, http = fetch(OF_LINK, [answer({"order": order(PAYMENT)}), answer({"payment": of_link()})])
    assert calls(http) == [f"GET /v2/orders/{ORDER}", f"GET /v2/payments/{PAYMENT}"]
    assert isinstance(report, Report)
    assert (report.status, report.captured_minor, report.reference) == (PaymentStatus.CAPTURED, 11550, REFERENCE)
    assert (report.gateway_reference, report.other_references) == (ORDER, (PAYMENT,))


def test_an_open_order_is_never_taken_for_paid() -> None:
    report, _ = fetch(OF_LINK, [answer({"order": order(state="OPEN")})])
    assert isinstance(report, Report) and report.status is PaymentStatus.REQUIRES_ACTION


def test_one_completed_payment_decides_among_failed_ones() -> None:
    answers = [answer({"order": order(FAILED_PAYMENT, PAYMENT)}), answer({"payment": failed()}),
               answer({"payment": of_link()})]  # fmt: skip
    report, _ = fetch(OF_LINK, answers)
    assert isinstance(report, Report)
    assert (report.status, report.captured_minor, report.decline) == (PaymentStatus.CAPTURED, 11550, None)
    assert report.other_references == (FAILED_PAYMENT, PAYMENT)


@pytest.mark.parametrize(
    ("state", "status"), [("OPEN", PaymentStatus.REQUIRES_ACTION), ("CANCELED", PaymentStatus.VOIDED)]
)
def test_only_failed_tries_leave_a_link_open_while_it_lives(state: str, status: PaymentStatus) -> None:
    answers = [answer({"order": order(FAILED_PAYMENT, state=state)}), answer({"payment": failed()})]
    report, _ = fetch(OF_LINK, answers)
    assert isinstance(report, Report) and report.decline is not None
    assert (report.status, report.decline.code) == (status, "declined")


def test_an_order_paid_in_two_parts_is_the_sum_of_both() -> None:
    half = {"amount_money": money(5775), "approved_money": money(5775)}
    answers = [answer({"order": order(PAYMENT, "pAyTwo")}), answer({"payment": of_link(**half)}),
               answer({"payment": of_link(id="pAyTwo", **half)})]  # fmt: skip
    report, _ = fetch(OF_LINK, answers)
    assert isinstance(report, Report)
    assert (report.captured_minor, report.fee_minor) == (11550, 730)


def test_an_order_whose_payments_cannot_be_read_is_only_a_hint() -> None:
    report, _ = fetch(OF_LINK, [answer({"order": order(PAYMENT)}), NotSent("x")])
    assert isinstance(report, Report)
    assert (report.status, report.is_hint, report.other_references) == (None, True, (PAYMENT,))


def test_a_name_that_is_no_payment_is_tried_as_an_order() -> None:
    names = CASE.names(ORDER, other_references=(FAILED_PAYMENT,))
    report, http = fetch(names, [UNKNOWN, answer({"order": order()})])
    assert calls(http) == [f"GET /v2/payments/{ORDER}", f"GET /v2/orders/{ORDER}"]
    assert isinstance(report, Report) and report.status is PaymentStatus.REQUIRES_ACTION


def test_a_payment_known_by_one_name_alone_is_not_found_at_once() -> None:
    found, http = fetch(CASE.names(PAYMENT), [UNKNOWN])
    assert isinstance(found, NotFound) and calls(http) == [f"GET /v2/payments/{PAYMENT}"]


def test_a_link_whose_order_cannot_be_read_now_is_only_a_hint() -> None:
    found, _ = fetch(CASE.names(LINK), [answer({"payment_link": load("link_created")["payment_link"]}), NotSent("x")])
    assert isinstance(found, Report)
    assert (found.is_hint, found.gateway_reference, found.other_references) == (True, ORDER, (LINK,))


def test_a_link_alone_leads_to_its_order() -> None:
    answers = [answer({"payment_link": load("link_created")["payment_link"]}), answer({"order": order()})]
    report, http = fetch(CASE.names(LINK), answers)
    assert calls(http) == [f"GET {LINKS}/{LINK}", f"GET /v2/orders/{ORDER}"]
    assert isinstance(report, Report) and report.gateway_reference == ORDER


def test_an_answer_about_another_payment_tells_nothing() -> None:
    for names, body in ((CASE.names("pAyOther"), {"payment": direct()}), (CASE.names("oRdOther"), {"order": order()})):
        with pytest.raises(GatewayUnavailable):
            fetch(names, [answer(body)])


@pytest.mark.parametrize("odd", [[], {"a": 1}, 7, None])
def test_an_answer_whose_names_are_no_text_tells_nothing(odd: Any) -> None:
    for body in ({"payment": direct(id=odd, order_id=odd)}, {"payment": direct(order_id=odd, id="pAyOther")}):
        with pytest.raises(GatewayUnavailable):
            fetch(CASE.names(PAYMENT), [answer(body)])


def test_half_a_surrogate_pair_does_not_stop_a_call() -> None:
    gateway, http = open_with([answer(load("link_created"))])
    gateway.initiate(CASE.payment_request(customer_token="CUS\ud800"))
    assert body_of(http)["order"]["customer_id"] == "CUS?"


def test_a_payment_of_another_location_moves_nothing() -> None:
    report, _ = fetch(CASE.names(PAYMENT), [answer({"payment": direct(location_id="LOTHER")})])
    assert isinstance(report, Report) and (report.attention, report.status) == ("mismatch", None)


def test_a_lost_link_is_found_by_our_reference_among_those_of_its_time() -> None:
    link = load("link_created")["payment_link"]
    older = {**link, "id": "LINKOLD000000001", "order_id": "oRdOld", "created_at": "2026-11-01T00:00:00Z"}
    other = {**link, "id": "LINKNEW000000001", "order_id": "oRdNew"}
    pages: Answers = [
        answer({"payment_links": [older, other], "cursor": "c1"}),
        answer({"payment_links": [link]}),
        answer({"orders": [order(id="oRdNew", reference_id="another"), order()]}),
    ]
    report, http = fetch(CASE.names(None), pages)
    assert calls(http) == [
        f"GET {LINKS}?limit=100", f"GET {LINKS}?limit=100&cursor=c1", "POST /v2/orders/batch-retrieve"]  # fmt: skip
    assert body_of(http, 2) == {"location_id": LOCATION, "order_ids": ["oRdNew", ORDER]}
    assert isinstance(report, Report) and report.next_action is not None
    assert (report.status, report.gateway_reference) == (PaymentStatus.REQUIRES_ACTION, ORDER)
    assert report.other_references == (LINK,)  # without it the link could never be deleted


def test_a_lost_charge_is_found_by_our_reference_among_payments_of_its_time() -> None:
    report, http = fetch(CASE.names(None), [answer({}), answer({"payments": [of_link(), direct()]})])
    assert calls(http)[1] == (
        f"GET /v2/payments?location_id={LOCATION}&begin_time=2026-11-20T11%3A55%3A00%2B00%3A00"
        "&end_time=2026-11-21T12%3A00%3A00%2B00%3A00&limit=100"
    )
    assert isinstance(report, Report) and (report.reference, report.status) == (REFERENCE, PaymentStatus.CAPTURED)


def test_not_found_is_said_only_when_all_could_be_read() -> None:
    assert isinstance(fetch(CASE.names(None), [answer({}), answer({})])[0], NotFound)
    for answers in ([NotSent("x"), answer({})], [answer({}), NoAnswer("x")], [UNKNOWN, answer({})]):
        with pytest.raises(GatewayUnavailable):
            fetch(CASE.names(None), answers)


def test_one_way_that_cannot_be_had_leaves_the_other_to_find_it() -> None:
    report, _ = fetch(CASE.names(None), [NotSent("x"), answer({"payments": [direct()]})])
    assert isinstance(report, Report) and report.gateway_reference == PAYMENT


def test_without_any_name_nothing_is_asked() -> None:
    found, http = fetch(PaymentNames(), [])
    assert isinstance(found, NotFound) and http.sent == []


# --- capture and void ---------------------------------------------------------------------------------------------


def capture(amount: Money, answers: Script, names: PaymentNames | None = None) -> tuple[Report, FakeHttp]:
    gateway, http = open_with(answers)
    request = CaptureRequest(names=names or CASE.names(PAYMENT), amount=amount, idempotency_key="PAY_1:capture:1")
    return gateway.capture(request), http


def test_a_whole_capture_completes_without_an_amount() -> None:
    report, http = capture(TOTAL, [answer({"payment": direct()})])
    assert calls(http) == [f"POST /v2/payments/{PAYMENT}/complete"] and http.sent[0].body == b"{}"
    assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, 11550)


def test_a_partial_capture_lowers_the_hold_first() -> None:
    lower = {"amount_money": money(9000), "approved_money": money(9000)}
    answers = [answer({"payment": direct("APPROVED", **lower)}), answer({"payment": direct(**lower)})]
    report, http = capture(Money(9000, "USD"), answers)
    assert calls(http) == [f"PUT /v2/payments/{PAYMENT}", f"POST /v2/payments/{PAYMENT}/complete"]
    assert body_of(http) == {
        "idempotency_key": "PAY_1:capture:1:lower", "payment": {"amount_money": {"amount": 9000, "currency": "USD"}}}  # fmt: skip
    assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, 9000)


def test_a_hold_that_was_not_lowered_is_not_completed() -> None:
    gateway, http = open_with([answer({"payment": direct("APPROVED")})])
    request = CaptureRequest(names=CASE.names(PAYMENT), amount=Money(9000, "USD"), idempotency_key="k")
    with pytest.raises(OutcomeUnknown):
        gateway.capture(request)
    assert len(http.sent) == 1


def test_more_than_was_asked_for_is_refused_before_anything_is_sent() -> None:
    gateway, http = open_with([])
    with pytest.raises(RequestRejected):
        gateway.capture(CaptureRequest(names=CASE.names(PAYMENT), amount=Money(11551, "USD"), idempotency_key="k"))
    assert http.sent == []


def test_a_capture_that_came_too_late_is_unknown() -> None:
    gateway, _ = open_with([answer(errors("DELAYED_TRANSACTION_EXPIRED"), status=400)])
    with pytest.raises(OutcomeUnknown):
        gateway.capture(CaptureRequest(names=CASE.names(PAYMENT), amount=TOTAL, idempotency_key="k"))


def void(names: PaymentNames, answers: Script) -> tuple[Report, FakeHttp]:
    gateway, http = open_with(answers)
    return gateway.void(VoidRequest(names=names, idempotency_key="PAY_1:void:1")), http


def test_a_hold_is_canceled() -> None:
    report, http = void(CASE.names(PAYMENT), [answer({"payment": direct("CANCELED")})])
    assert calls(http) == [f"POST /v2/payments/{PAYMENT}/cancel"]
    assert report.status is PaymentStatus.VOIDED


DELETED = answer({"id": LINK, "cancelled_order_id": ORDER})


def test_an_unpaid_link_is_deleted_and_its_order_read_again() -> None:
    answers = [answer({"order": order()}), DELETED, answer({"order": order(state="CANCELED")})]
    report, http = void(OF_LINK, answers)
    assert calls(http) == [f"GET /v2/orders/{ORDER}", f"DELETE {LINKS}/{LINK}", f"GET /v2/orders/{ORDER}"]
    assert (report.status, report.captured_minor) == (PaymentStatus.VOIDED, 0)


def test_a_paid_link_is_not_deleted() -> None:
    report, http = void(OF_LINK, [answer({"order": order(PAYMENT)}), answer({"payment": of_link()})])
    assert report.status is PaymentStatus.CAPTURED
    assert not any(one.method == "DELETE" for one in http.sent)


def test_a_payment_that_met_the_deleting_is_told() -> None:
    answers = [answer({"order": order()}), DELETED, answer({"order": order(PAYMENT, state="CANCELED")}),
               answer({"payment": of_link()})]  # fmt: skip
    report, _ = void(OF_LINK, answers)
    assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, 11550)


def test_payments_that_cannot_be_read_keep_the_link() -> None:
    gateway, http = open_with([answer({"order": order(PAYMENT)}), NotSent("x")])
    with pytest.raises(GatewayUnavailable):
        gateway.void(VoidRequest(names=OF_LINK, idempotency_key="k"))
    assert not any(one.method == "DELETE" for one in http.sent)


def test_payments_that_cannot_be_read_after_the_deleting_leave_it_unknown() -> None:
    gateway, _ = open_with([answer({"order": order()}), DELETED, answer({"order": order(PAYMENT)}), NoAnswer("x")])
    with pytest.raises(OutcomeUnknown):
        gateway.void(VoidRequest(names=OF_LINK, idempotency_key="k"))


def test_the_word_about_a_deleted_link_is_read_by_what_it_holds() -> None:
    report, _ = void(CASE.names(ORDER), [DELETED])
    assert (report.status, report.captured_minor) == (PaymentStatus.VOIDED, 0)
    assert (report.gateway_reference, report.other_references) == (ORDER, (LINK,))


def test_a_link_that_is_gone_already_is_what_its_order_says() -> None:
    answers = [NotSent("x"), UNKNOWN, answer({"order": order(state="CANCELED")})]
    report, _ = void(OF_LINK, answers)
    assert report.status is PaymentStatus.VOIDED
    gateway, _ = open_with([NotSent("x"), UNKNOWN, NotSent("x")])
    with pytest.raises(OutcomeUnknown):
        gateway.void(VoidRequest(names=OF_LINK, idempotency_key="k"))


# --- refunds ------------------------------------------------------------------------------------------------------


def give_back(names: PaymentNames, answers: Script, **changes: Any) -> tuple[Report, FakeHttp]:
    gateway, http = open_with(answers)
    more = {"reason": "Too large", "amount": Money(2500, "USD"), **changes}
    return gateway.refund(
        RefundRequest(names=names, reference=REFUND_REFERENCE, idempotency_key="RF_1:refund:1", **more)
    ), http


def test_a_refund_carries_our_name_in_its_reason() -> None:
    report, http = give_back(CASE.names(PAYMENT), [answer({"refund": refund()})])
    assert calls(http) == ["POST /v2/refunds"]
    assert body_of(http) == {
        "idempotency_key": "RF_1:refund:1",
        "payment_id": PAYMENT,
        "amount_money": {"amount": 2500, "currency": "USD"},
        "reason": f"Too large [{REFUND_REFERENCE}]",
    }
    assert (report.status, report.reference, report.refunded_minor) == (RefundStatus.PENDING, REFUND_REFERENCE, 2500)
    assert report.payment is not None and report.payment.gateway_reference == PAYMENT


def test_a_long_reason_is_cut_and_our_name_kept() -> None:
    _, http = give_back(CASE.names(PAYMENT), [answer({"refund": refund()})], reason="x" * 500)
    reason = body_of(http)["reason"]
    assert len(reason) == 192 and reason.endswith(f"x [{REFUND_REFERENCE}]")


def test_the_payment_of_a_link_is_refunded_by_its_own_id() -> None:
    _, http = give_back(CASE.names(ORDER, other_references=(LINK, PAYMENT)), [answer({"refund": refund()})])
    assert calls(http) == ["POST /v2/refunds"] and body_of(http)["payment_id"] == PAYMENT


def test_a_link_whose_payment_is_not_known_yet_is_asked_for_it() -> None:
    answers = [answer({"order": order(PAYMENT)}), answer({"payment": of_link()}), answer({"refund": refund()})]
    _, http = give_back(OF_LINK, answers)
    assert body_of(http, 2)["payment_id"] == PAYMENT


def test_a_refund_whose_payment_cannot_be_told_now_is_not_refused_for_good() -> None:
    for answers in ([answer({"order": order(PAYMENT)}), NotSent("x")], [NotSent("x")]):
        gateway, http = open_with(answers)
        with pytest.raises(GatewayUnavailable):
            gateway.refund(
                RefundRequest(names=OF_LINK, reference="REF_1", amount=Money(2500, "USD"), idempotency_key="k")
            )
        assert all(one.method == "GET" for one in http.sent)


def test_a_refund_that_comes_back_without_a_reason_is_still_ours() -> None:
    report, _ = give_back(CASE.names(PAYMENT), [answer({"refund": refund(reason=None)})])
    assert report.reference == REFUND_REFERENCE


def test_among_several_tries_the_paid_one_is_refunded() -> None:
    names = CASE.names(ORDER, other_references=(LINK, FAILED_PAYMENT, PAYMENT, "PAY_20261120183005_1a2b3c4d-1"))
    answers = [answer({"payment": failed()}), answer({"payment": of_link()}), answer({"refund": refund()})]
    _, http = give_back(names, answers)
    assert calls(http)[:2] == [f"GET /v2/payments/{FAILED_PAYMENT}", f"GET /v2/payments/{PAYMENT}"]
    assert body_of(http, 2)["payment_id"] == PAYMENT


def test_an_order_among_the_names_of_a_direct_payment_is_no_payment() -> None:
    names = CASE.names(ORDER, other_references=(PAYMENT,))
    _, http = give_back(names, [UNKNOWN, answer({"payment": of_link()}), answer({"refund": refund()})])
    assert body_of(http, 2)["payment_id"] == PAYMENT


def test_an_unpaid_link_has_nothing_to_refund() -> None:
    gateway, http = open_with([answer({"order": order()})])
    request = RefundRequest(names=OF_LINK, reference=REFUND_REFERENCE, amount=TOTAL, idempotency_key="k")
    with pytest.raises(RequestRejected):
        gateway.refund(request)
    assert len(http.sent) == 1


@pytest.mark.parametrize("code", ["REFUND_DECLINED", "RESERVATION_DECLINED"])
def test_a_declined_refund_is_a_result(code: str) -> None:
    report, _ = give_back(CASE.names(PAYMENT), [answer(errors(code, "REFUND_ERROR"), status=400)])
    assert (report.status, report.refunded_minor, report.asset) == (RefundStatus.FAILED, 2500, "USD")
    assert report.decline is not None and (report.decline.code, report.decline.gateway_code) == ("failed", code)
    assert report.reference == REFUND_REFERENCE


def test_a_refund_beside_errors_decides() -> None:
    body = {**errors("REFUND_DECLINED", "REFUND_ERROR"), "refund": refund("REJECTED")}
    report, _ = give_back(CASE.names(PAYMENT), [answer(body, status=400)])
    assert (report.status, report.gateway_reference) == (RefundStatus.FAILED, REFUND)


def test_a_lost_refund_is_found_by_our_name_among_those_of_its_payment() -> None:
    other = refund("COMPLETED", id="p_other", reason="[REF_OTHER_1]")
    gateway, http = open_with([
        answer({"payment": of_link(refund_ids=["p_other", REFUND])}), answer({"refund": other}),
        answer({"refund": refund("COMPLETED")}),
    ])  # fmt: skip
    report = gateway.fetch_refund(RefundNames(reference=REFUND_REFERENCE, payment=CASE.names(PAYMENT)))
    assert calls(http)[-1] == f"GET /v2/refunds/{REFUND}"
    assert (report.status, report.gateway_reference) == (RefundStatus.SUCCEEDED, REFUND)


def test_a_refund_that_is_not_listed_is_not_found() -> None:
    gateway, _ = open_with([answer({"payment": of_link()})])
    assert isinstance(
        gateway.fetch_refund(RefundNames(reference=REFUND_REFERENCE, payment=CASE.names(PAYMENT))), NotFound
    )
    gateway, _ = open_with([UNKNOWN])
    assert isinstance(gateway.fetch_refund(RefundNames(reference="r", gateway_reference=REFUND)), NotFound)


# --- disputes -----------------------------------------------------------------------------------------------------


def test_a_dispute_is_fetched_by_its_id() -> None:
    gateway, http = open_with([answer({"dispute": dispute("LOST")})])
    report = gateway.fetch_dispute(DisputeNames(gateway_reference=DISPUTE))
    assert calls(http) == [f"GET /v2/disputes/{DISPUTE}"]
    assert (report.status, report.withdrawn_minor) == ("lost", 8801)
    gateway, _ = open_with([UNKNOWN])
    assert isinstance(gateway.fetch_dispute(DisputeNames(gateway_reference=DISPUTE)), NotFound)
    gateway, _ = open_with([answer({"dispute": dispute(id="dIsOther")})])
    with pytest.raises(GatewayUnavailable):
        gateway.fetch_dispute(DisputeNames(gateway_reference=DISPUTE))


# --- saved cards --------------------------------------------------------------------------------------------------

AGREED = {"metadata": {"save_method": "yes"}}


def test_the_card_of_a_paid_link_is_kept_where_its_customer_agreed() -> None:
    answers = [
        answer({"order": order(PAYMENT, **AGREED)}),
        answer({"payment": of_link()}),
        answer(load("card_created")),
    ]
    report, http = fetch(OF_LINK, answers)
    assert calls(http)[2] == "POST /v2/cards"
    assert body_of(http, 2) == {
        "idempotency_key": f"card:{PAYMENT}", "source_id": PAYMENT, "card": {"customer_id": CUSTOMER}}  # fmt: skip
    assert isinstance(report, Report) and report.saved is not None
    assert (report.saved.token, report.saved.customer_token) == (CARD, CUSTOMER)


def test_a_payer_without_a_customer_becomes_one() -> None:
    answers = [answer({"order": order(PAYMENT, **AGREED)}), answer({"payment": of_link(customer_id=None)}),
               answer({"customer": {"id": "CUSNEW"}}), answer(load("card_created"))]  # fmt: skip
    report, http = fetch(OF_LINK, answers)
    assert body_of(http, 2) == {"idempotency_key": f"customer:{PAYMENT}", "email_address": "buyer@example.test"}
    assert body_of(http, 3)["card"] == {"customer_id": "CUSNEW"}
    assert isinstance(report, Report) and report.saved is not None


@pytest.mark.parametrize(
    "bad", [answer(errors("INVALID_CARD_DATA"), status=400), NoAnswer("x"), answer({}, status=500)]
)
def test_a_card_that_cannot_be_kept_leaves_the_payment_as_it_is(bad: Any) -> None:
    report, _ = fetch(OF_LINK, [answer({"order": order(PAYMENT, **AGREED)}), answer({"payment": of_link()}), bad])
    assert isinstance(report, Report)
    assert (report.status, report.captured_minor, report.saved) == (PaymentStatus.CAPTURED, 11550, None)


@pytest.mark.parametrize(
    ("its_order", "payment"),
    [
        (order(PAYMENT), of_link()),
        (order(PAYMENT, metadata={"save_method": "no"}), of_link()),
        (order(PAYMENT, **AGREED), of_link("APPROVED")),
        (order(PAYMENT, **AGREED), of_link(source_type="EXTERNAL")),
    ],
)
def test_no_card_is_kept_without_consent_money_and_a_card(its_order: dict[str, Any], payment: dict[str, Any]) -> None:
    _, http = fetch(OF_LINK, [answer({"order": its_order}), answer({"payment": payment})])
    assert [one.method for one in http.sent] == ["GET", "GET"]


def charge(response: HttpResponse, **changes: Any) -> tuple[Report, FakeHttp]:
    gateway, http = open_with([response])
    return gateway.charge_saved(ChargeRequest(payment=CASE.payment_request(**changes), saved=SAVED)), http


def test_a_saved_card_is_charged_while_its_customer_is_away() -> None:
    report, http = charge(answer({"payment": direct()}))
    assert calls(http) == ["POST /v2/payments"]
    assert body_of(http) == {
        "source_id": CARD,
        "idempotency_key": "11111111-2222-4333-8444-555555555555:create",
        "amount_money": {"amount": 11550, "currency": "USD"},
        "autocomplete": True,
        "location_id": LOCATION,
        "reference_id": REFERENCE,
        "customer_details": {"customer_initiated": False},
        "customer_id": CUSTOMER,
        "note": "Order 42",
        "buyer_email_address": "ada@example.com",
    }
    assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, 11550)
    assert (report.gateway_reference, report.reference) == (PAYMENT, REFERENCE)


def test_a_saved_card_can_be_held() -> None:
    report, http = charge(answer({"payment": direct("APPROVED")}), capture=CaptureMode.MANUAL)
    assert body_of(http)["autocomplete"] is False
    assert (report.status, report.authorized_minor, report.captured_minor) == (PaymentStatus.AUTHORIZED, 11550, 0)


@pytest.mark.parametrize("status", [400, 402])
def test_a_declined_charge_is_a_result_whatever_its_status(status: int) -> None:
    report, _ = charge(answer(load("error_card_declined"), status=status))
    assert (report.status, report.gateway_reference) == (PaymentStatus.FAILED, FAILED_PAYMENT)
    assert report.decline is not None and report.decline.code == "insufficient_funds"


def test_a_declined_charge_without_our_reference_has_failed_all_the_same() -> None:
    body = {**errors("GENERIC_DECLINE", "PAYMENT_METHOD_ERROR"), "payment": failed()}
    report, _ = charge(answer(body, status=402))
    assert (report.status, report.reference) == (PaymentStatus.FAILED, REFERENCE)
    assert (report.gateway_reference, report.other_references) == (FAILED_PAYMENT, (ORDER,))


@pytest.mark.parametrize(
    ("code", "category", "ours"),
    [
        ("CARD_DECLINED", "PAYMENT_METHOD_ERROR", "declined"),
        ("SOURCE_EXPIRED", "INVALID_REQUEST_ERROR", "method_unusable"),
        ("CARD_DECLINED_VERIFICATION_REQUIRED", "PAYMENT_METHOD_ERROR", "authentication_required"),
        ("INVALID_CARD", "PAYMENT_METHOD_ERROR", "declined"),
    ],
)
def test_a_decline_without_a_payment_is_a_result_too(code: str, category: str, ours: str) -> None:
    report, _ = charge(answer(errors(code, category), status=402))
    assert report.decline is not None
    assert (report.status, report.captured_minor, report.decline.code) == (PaymentStatus.FAILED, 0, ours)
    assert (report.reference, report.gateway_reference) == (REFERENCE, None)


def test_a_long_key_of_a_charge_is_hashed_to_45_characters() -> None:
    _, http = charge(answer({"payment": direct()}), idempotency_key="k" * 46)
    assert len(body_of(http)["idempotency_key"]) == 45


def test_a_card_is_disabled_and_one_that_is_gone_is_fine() -> None:
    request = DeleteSavedRequest(saved=SavedMethod(token=CARD), idempotency_key="k")
    gateway, http = open_with([answer({"card": {"id": CARD, "enabled": False}})])
    gateway.delete_saved(request)
    assert calls(http) == [f"POST /v2/cards/{CARD}/disable"]
    gateway, _ = open_with([UNKNOWN])
    gateway.delete_saved(request)
    gateway, _ = open_with([answer(errors("BAD_REQUEST"), status=400)])
    with pytest.raises(RequestRejected):
        gateway.delete_saved(request)


def test_a_card_alone_cannot_be_saved() -> None:
    assert not issubclass(SquareGateway, CanSaveMethodsAlone)


# --- returns and account ------------------------------------------------------------------------------------------


def returned(url: str) -> Any:
    return CASE.open().read_return(WebhookDelivery(method="GET", url=url, headers={}, body=b""))


def test_a_return_only_says_what_to_fetch() -> None:
    reading = returned(f"https://pay.example.com/p/abc/return?transactionId={PAYMENT}&orderId={ORDER}&referenceId=R1")
    (hint,) = reading.reports
    assert reading.verified is None and hint.is_hint is True
    assert (hint.status, hint.gateway_reference, hint.other_references, hint.reference) == (
        None,
        ORDER,
        (PAYMENT,),
        "R1",
    )
    (older,) = returned("https://x/?checkoutId=c1&referenceId=R1").reports
    assert (older.is_hint, older.gateway_reference, older.reference) == (True, None, "R1")
    (only,) = returned(f"https://x/?transactionId={ORDER}").reports
    assert (only.gateway_reference, only.other_references) == (ORDER, ())


@pytest.mark.parametrize(
    "url",
    ["https://pay.example.com/p/abc/return", "https://x/?orderId=", "https://x/?a=b", "https://[bad?orderId=o",
     "https://x/?orderId=%00", "https://x/?orderId=%C3%A9", "https://x/?orderId=" + "o" * 201],
)  # fmt: skip
def test_the_sandbox_s_bare_return_says_nothing(url: str) -> None:
    assert returned(url).reports == ()


def check(*answers: Any, **changes: Any) -> Any:
    http = FakeHttp(answers)
    return CASE.open(http, credentials={**CASE.credentials(Mode.TEST), **changes}).check_credentials(), http


def test_a_working_account_tells_currency_country_and_merchant() -> None:
    found, http = check(answer(load("location")))
    assert calls(http) == [f"GET /v2/locations/{LOCATION}"]
    assert (found.ok, found.mode, found.account) == (True, Mode.TEST, MERCHANT)
    assert dict(found.details) == {
        "location": "Doc Example Lab", "currency": "USD", "country": "US", "merchant": MERCHANT,
        "webhook signature key": "set; only a delivery proves it"}  # fmt: skip


@pytest.mark.parametrize(
    ("response", "message"),
    [
        (answer(errors("UNAUTHORIZED", "AUTHENTICATION_ERROR"), status=401), "does not accept this token for test"),
        (answer(errors("INSUFFICIENT_SCOPES", "AUTHENTICATION_ERROR"), status=403), "lacks rights"),
        (UNKNOWN, "does not know this location"),
        (answer({"location": {**load("location")["location"], "status": "INACTIVE"}}), "is not active"),
        (answer({"location": {**load("location")["location"], "capabilities": []}}), "cannot take cards"),
        (answer({"location": {**load("location")["location"], "merchant_id": "MLOTHER"}}), "another merchant"),
    ],
)
def test_what_is_wrong_with_an_account_is_said(response: HttpResponse, message: str) -> None:
    found, _ = check(response)
    assert found.ok is False and message in found.message


@pytest.mark.parametrize("lacking", ["webhook_signature_key", "notification_url"])
def test_an_account_that_can_verify_nothing_is_not_ready(lacking: str) -> None:
    found, _ = check(answer(load("location")), **{lacking: ""})
    assert found.ok is False and "no webhook verifies" in found.message


def test_without_a_token_nothing_is_asked() -> None:
    found, http = check(access_token="")
    assert (found.ok, found.message) == (False, "no access token is set for this Square account")
    assert http.sent == []


@pytest.mark.parametrize("bad", [NotSent("x"), NoAnswer("x"), answer({}, status=503)])
def test_a_check_that_learned_nothing_says_so(bad: Any) -> None:
    with pytest.raises(GatewayUnavailable):
        check(bad)
