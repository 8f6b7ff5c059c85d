"""What goes over the wire, and the class of every error."""

from __future__ import annotations

import json
from typing import Any

import pytest

from clients.paytabs.gateway import PayTabsGateway
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.gateways.testing import Answer, Exchange, FakeHttp, MemoryCache, answer, fixed_clock
from core.gateways.types import Mode, Operation, PaymentStatus, RefundStatus
from core.http import HttpResponse, NoAnswer, NotSent
from tests.clients.paytabs.bodies import KEY, PROFILE, TOKEN, credentials, failure, load, page, row
from tests.clients.paytabs.case import CASE

CREATE, FETCH = CASE.initiate(), CASE.fetch({})
DELETE = next(one for one in CASE.exchanges() if one.operation is Operation.DELETE_SAVED)
REFUND = CASE.refund({})


def gateway(*answers: Answer, **changes: Any) -> tuple[PayTabsGateway, FakeHttp]:
    http = FakeHttp(list(answers))
    opened = PayTabsGateway(credentials(**changes), mode=Mode.TEST, http=http, cache=MemoryCache(), clock=fixed_clock())
    return opened, http


def error_of(exchange: Exchange, *answers: Answer) -> GatewayError:
    opened, _ = gateway(*answers)
    with pytest.raises(GatewayError) as caught:
        exchange.call(opened)
    return caught.value


def failed(code: int | str, status: int, message: str = "refused") -> HttpResponse:
    return answer(failure(code, message), status=status)


# --- requests -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        (Operation.INITIATE, "/payment/request"), (Operation.FETCH_PAYMENT, "/payment/query"),
        (Operation.CAPTURE, "/payment/request"), (Operation.VOID, "/payment/request"),
        (Operation.REFUND, "/payment/request"), (Operation.FETCH_REFUND, "/payment/query"),
        (Operation.SAVE_METHOD, "/payment/request"), (Operation.CHARGE_SAVED, "/payment/request"),
        (Operation.DELETE_SAVED, "/payment/token/delete"),
    ],
)  # fmt: skip
def test_every_call_is_a_post_of_json_with_the_bare_key(operation: Operation, path: str) -> None:
    exchange = next(one for one in CASE.exchanges() if one.operation is operation)
    opened, http = gateway(*exchange.answers())
    exchange.call(opened)
    request = http.sent[0]
    assert (request.method, request.url) == ("POST", f"https://secure.paytabs.sa{path}")
    assert dict(request.headers) == {"authorization": KEY, "content-type": "application/json"}
    assert json.loads(request.body)["profile_id"] == int(PROFILE)
    assert request.is_auxiliary is False


def test_the_host_is_that_of_the_region() -> None:
    opened, http = gateway(answer(page(redirect_url="https://secure-egypt.paytabs.com/payment/page/1")), region="EGY")
    CREATE.call(opened)
    assert http.sent[0].url == "https://secure-egypt.paytabs.com/payment/request"


def test_a_deleted_token_is_named_in_the_body() -> None:
    opened, http = gateway(answer(failure(0, "success")))
    assert DELETE.call(opened) is None  # type: ignore[func-returns-value]
    assert json.loads(http.sent[0].body) == {"profile_id": int(PROFILE), "token": TOKEN}


@pytest.mark.parametrize("missing", ["region", "profile_id", "server_key"])
def test_nothing_is_sent_without_region_profile_and_key(missing: str) -> None:
    opened, http = gateway(**{missing: ""})
    with pytest.raises(GatewayMisconfigured):
        CREATE.call(opened)
    assert http.sent == []


# --- transport ----------------------------------------------------------------------------------------------------


def test_what_was_never_sent_is_unavailable_and_a_lost_answer_depends_on_what_was_asked() -> None:
    for exchange in (CREATE, FETCH, DELETE):
        assert type(error_of(exchange, NotSent("ConnectError"))) is GatewayUnavailable
    assert type(error_of(CREATE, NoAnswer("ReadTimeout"))) is OutcomeUnknown
    assert type(error_of(DELETE, NoAnswer("ReadTimeout"))) is OutcomeUnknown
    assert type(error_of(FETCH, NoAnswer("ReadTimeout"))) is GatewayUnavailable


@pytest.mark.parametrize("after", ["7", "Fri, 20 Nov 2026 12:00:07 GMT", "-1", ""])
def test_429_is_unavailable_whatever_its_body_says(after: str) -> None:
    error = error_of(CREATE, answer(page(), status=429, headers={"Retry-After": after}))
    assert type(error) is GatewayUnavailable
    assert (error.http_status, error.retry_after_seconds) == (429, 7.0 if after == "7" else None)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("text", ['{"code":1,"message":"Authentication failed"}', "<html>denied</html>", "", "{}"])
def test_401_and_403_are_misconfigured_also_without_a_readable_body(status: int, text: str) -> None:
    for exchange in (CREATE, FETCH, DELETE):
        error = error_of(exchange, answer(text=text, status=status))
        assert type(error) is GatewayMisconfigured
        assert "region" in error.reason


@pytest.mark.parametrize("status", [200, 400, 500, 502])
@pytest.mark.parametrize("text", ["", "<html>", "null", "true", "7", '"text"', '{"cart_id":', "[1]"])
def test_an_answer_of_no_known_shape_is_unknown_for_a_write(status: int, text: str) -> None:
    assert type(error_of(CREATE, answer(text=text, status=status))) is OutcomeUnknown
    assert type(error_of(DELETE, answer(text=text, status=status))) is OutcomeUnknown
    assert type(error_of(FETCH, answer(text=text, status=status))) is GatewayUnavailable


@pytest.mark.parametrize("status", [200, 201, 400, 409, 500])
def test_a_page_or_result_is_one_whatever_the_status(status: int) -> None:
    created = CREATE.call(gateway(answer(page(), status=status))[0])
    assert created.status is PaymentStatus.REQUIRES_ACTION
    paid = FETCH.call(gateway(answer(row(), status=status), answer([]))[0])
    assert paid.status is PaymentStatus.CAPTURED


# --- codes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "status", "kind", "ours"),
    [
        (1, 400, GatewayMisconfigured, None), (3, 400, GatewayMisconfigured, None),
        (2, 400, RequestRejected, "invalid_request"), (100, 400, RequestRejected, "invalid_request"),
        (4, 409, OutcomeUnknown, "duplicate_request"), (4, 200, OutcomeUnknown, "duplicate_request"),
        ("4", 409, OutcomeUnknown, "duplicate_request"), (5, 400, GatewayUnavailable, None),
        (112, 400, RequestRejected, "unsupported_by_profile"), (112, 200, RequestRejected, "unsupported_by_profile"),
        (120, 200, RequestRejected, "on_hold"), (206, 400, RequestRejected, "currency_unsupported"),
        (210, 400, RequestRejected, "callback_refused"), (322, 400, RequestRejected, "not_refundable"),
        (322, 200, RequestRejected, "not_refundable"), (400, 200, OutcomeUnknown, None),
        (400, 500, OutcomeUnknown, None), (999, 400, RequestRejected, None), (999, 200, RequestRejected, None),
        (999, 500, OutcomeUnknown, None), (0, 200, OutcomeUnknown, None), (2, 500, RequestRejected, "invalid_request"),
    ],
)  # fmt: skip
def test_every_code_of_a_refused_request(
    code: int | str, status: int, kind: type[GatewayError], ours: str | None
) -> None:
    for exchange in (CREATE, REFUND):
        error = error_of(exchange, failed(code, status))
        assert type(error) is kind
        assert (error.code, error.gateway_code, error.http_status) == (ours, str(code), status)
        assert error.request_id == "PMNT0404.00000000.0000000F"


@pytest.mark.parametrize("code", [4, 400, 5])
def test_a_query_that_could_not_be_answered_is_unavailable(code: int) -> None:
    assert type(error_of(FETCH, failed(code, 400))) is GatewayUnavailable


@pytest.mark.parametrize(("code", "status"), [(2, 400), (None, 400), (112, 200)])
def test_a_key_without_the_permission_is_told_as_that(code: int | None, status: int) -> None:
    body = {"code": code, "message": "Transaction Query not permitted with this key"}
    error = error_of(FETCH, answer({key: one for key, one in body.items() if one is not None}, status=status))
    assert type(error) is GatewayMisconfigured
    assert error.code == "permission_missing" and "lacks a permission (transaction query)" in error.reason


@pytest.mark.parametrize(
    ("code", "status", "ours"),
    [
        (200, PaymentStatus.FAILED, "invalid_card"), (300, PaymentStatus.FAILED, "declined"),
        (302, PaymentStatus.FAILED, "declined"), (310, PaymentStatus.FAILED, "authentication_failed"),
        (345, PaymentStatus.FAILED, "authentication_failed"), (316, PaymentStatus.FAILED, "insufficient_funds"),
        (321, PaymentStatus.FAILED, "cancelled_by_customer"), (501, PaymentStatus.FAILED, "fraud"),
        (600, PaymentStatus.PENDING, None),
    ],
)  # fmt: skip
def test_a_decline_in_the_failure_shape_is_a_decline_all_the_same(
    code: int, status: PaymentStatus, ours: str | None
) -> None:
    report = CASE.charge({}).call(gateway(failed(code, 200, "said by the issuer"))[0])
    assert report.status is status
    assert (report.decline.code if report.decline else None) == ours
    if ours:
        assert (report.decline.gateway_code, report.decline.message) == (str(code), "said by the issuer")


def test_a_refund_that_is_not_possible_is_a_failed_refund() -> None:
    report = REFUND.call(gateway(failed(320, 200, "Unable to refund"))[0])
    assert (report.status, report.refunded_minor, report.asset) == (RefundStatus.FAILED, 1550, "SAR")
    assert (report.decline.code, report.decline.gateway_code) == ("not_refundable", "320")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (2, "Transaction not found"), (999, "This transaction does not exist"), (113, "Unknown transaction reference"),
        (113, "No transaction of this reference"), (113, "The transaction could not be found"),
    ],
)  # fmt: skip
def test_an_unknown_reference_is_not_found(code: int, message: str) -> None:
    found = FETCH.call(gateway(failed(code, 400, message))[0])
    assert found.reason == "PayTabs does not know this transaction under this profile"


@pytest.mark.parametrize("code", [113, 999, 200, 316, 600])
def test_a_query_refused_by_another_code_does_not_say_that_there_is_nothing(code: int) -> None:
    error = error_of(FETCH, failed(code, 400, "anything"))
    assert (type(error), error.code, error.gateway_code) == (RequestRejected, None, str(code))


def test_the_message_of_a_refusal_is_not_repeated() -> None:
    error = error_of(CREATE, failed(2, 400, f"invalid key {KEY} for ada@example.com"))
    assert "ada@example.com" not in repr(vars(error)) and KEY not in repr(vars(error))


def test_the_examples_of_failures_are_read() -> None:
    assert type(error_of(CREATE, answer(load("failure_key.json"), status=401))) is GatewayMisconfigured
    duplicate = error_of(CREATE, answer(load("failure_duplicate.json"), status=409))
    assert (type(duplicate), duplicate.code) == (OutcomeUnknown, "duplicate_request")


# --- tokens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["0", 0])
def test_code_zero_means_that_a_token_is_gone(code: Any) -> None:
    assert DELETE.call(gateway(answer(failure(code, "success")))[0]) is None  # type: ignore[func-returns-value]


def test_a_token_that_is_already_gone_is_fine() -> None:
    opened, http = gateway(failed(113, 400, "Token not found"))
    DELETE.call(opened)
    assert len(http.sent) == 1
    opened, http = gateway(failed(999, 400), failed(999, 400))
    DELETE.call(opened)
    assert [one.url.rpartition("paytabs.sa")[2] for one in http.sent] == ["/payment/token/delete", "/payment/token"]


def test_a_token_that_is_still_there_was_not_deleted() -> None:
    error = error_of(DELETE, failed(999, 400), answer({"token": TOKEN, "tran_ref": "TST1"}))
    assert (type(error), error.gateway_code) == (RequestRejected, "999")
    assert type(error_of(DELETE, failed(112, 400))) is RequestRejected


# --- test connection ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("good", [failed(113, 400), failed(2, 400), answer([]), answer({}), answer(row())])
def test_any_answer_but_a_refused_key_proves_the_account(good: HttpResponse) -> None:
    opened, http = gateway(good)
    check = opened.check_credentials()
    assert (check.ok, check.account, check.mode, dict(check.details)) == (True, PROFILE, None, {})
    assert json.loads(http.sent[0].body) == {"profile_id": int(PROFILE), "tran_ref": "TST0000000000000"}


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        (failed(1, 401), "region"), (failed(3, 400), "profile"), (answer(text="", status=403), "key"),
        (failed(2, 400, "Transaction Query not permitted with this key"), "the key itself works"),
    ],
)  # fmt: skip
def test_a_refused_key_is_told_with_what_to_look_at(bad: HttpResponse, word: str) -> None:
    check = gateway(bad)[0].check_credentials()
    assert check.ok is False and word in check.message


def test_a_connection_that_cannot_be_tested_says_nothing_about_the_key() -> None:
    for bad in (NotSent("x"), NoAnswer("x"), answer(text="<html>", status=502), failed(5, 400)):
        with pytest.raises(GatewayUnavailable):
            gateway(bad)[0].check_credentials()


def test_an_unusual_key_is_a_warning() -> None:
    check = gateway(failed(113, 400), server_key="sk-some-other-shape-1")[0].check_credentials()
    assert (check.ok, dict(check.details)) == (True, {"server key": "of an unusual shape"})
