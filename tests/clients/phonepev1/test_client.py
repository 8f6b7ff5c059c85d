"""What is sent, signed to the byte, and the class of every answer (gateway page sections 2, 4, 5, 9 and 12)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from clients.phonepev1.gateway import PhonePeV1Gateway
from clients.phonepev1.signing import sign, wrap
from core.gateways.errors import GatewayError, GatewayMisconfigured, GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.testing import Answer, FakeHttp, MemoryCache, answer, fixed_clock
from core.gateways.types import (
    Attention,
    CaptureMode,
    CustomerDetails,
    Mode,
    NotFound,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Redirect,
    RefundNames,
    RefundRequest,
    RefundStatus,
    Report,
)
from core.http import HttpResponse, NoAnswer, NotSent
from core.money import Money
from tests.clients.phonepev1.wire import (
    CREATE_VERIFY,
    CREDENTIALS,
    KEY,
    MERCHANT,
    OTHER_KEY,
    PAGE,
    REFERENCE,
    REFUND_REFERENCE,
    REFUND_THEIRS,
    REFUND_VERIFY,
    STATUS_VERIFY,
    THEIRS,
    asked,
    created,
    payload,
    refund,
    refused,
    told,
    verify,
)

NAMES = PaymentNames(reference=REFERENCE, gateway_reference=THEIRS)
SANDBOX = "https://api-preprod.phonepe.com/apis/pg-sandbox"
HOOK = "https://shop.example/hooks/phonepev1/acct_1"
EXAMPLE = {
    "reference": REFERENCE, "amount": Money(129900, "INR"), "idempotency_key": "k", "webhook_url": HOOK,
    "return_url": "https://shop.example/pay/return/inv-000417-a1",
    "customer": CustomerDetails(id="cust_77", phone="+91 99999 99999"),
}  # fmt: skip


class Desk:
    """One account over a script of answers."""

    def __init__(self, *answers: Answer, mode: Mode = Mode.TEST, **changes: Any) -> None:
        self.http = FakeHttp(answers)
        self.gateway = PhonePeV1Gateway(
            {**CREDENTIALS, **changes}, mode=mode, http=self.http, cache=MemoryCache(), clock=fixed_clock()
        )

    def initiate(self, **changes: Any) -> Report:
        return self.gateway.initiate(PaymentRequest(**{**EXAMPLE, **changes}))

    def fetch(self, names: PaymentNames = NAMES) -> Report | NotFound:
        return self.gateway.fetch_payment(names)

    def refund(self, **changes: Any) -> Report:
        wanted: dict[str, Any] = {"names": NAMES, "reference": REFUND_REFERENCE, "amount": Money(29900, "INR"),
                                  "idempotency_key": "k", "webhook_url": HOOK}  # fmt: skip
        return self.gateway.refund(RefundRequest(**{**wanted, **changes}))

    def fetch_refund(self, reference: str = REFUND_REFERENCE) -> Report | NotFound:
        return self.gateway.fetch_refund(RefundNames(reference=reference, payment=NAMES))

    def run(self, operation: str) -> Any:
        return getattr(self, operation)()


def refusal(status: int, code: str | int | None = None, **more: Any) -> HttpResponse:
    return answer(refused(code, message=f"secret? {KEY}", **more), status=status)


def raised(operation: str, *answers: Answer, **changes: Any) -> GatewayError:
    desk = Desk(*answers, **changes)
    with pytest.raises(GatewayError) as caught:
        desk.run(operation)
    assert KEY not in str(caught.value) + repr(vars(caught.value))
    return caught.value


READS, WRITES = ("fetch", "fetch_refund"), ("initiate", "refund")
GOOD = {
    "initiate": created(),
    "fetch": told(),
    "refund": refund("PAYMENT_PENDING", "PENDING"),
    "fetch_refund": refund(),
}


# --- requests -----------------------------------------------------------------------------------------------------


def test_the_example_of_the_reference_is_built_and_signed_to_the_byte() -> None:
    desk = Desk(answer(created()))
    report = desk.initiate()
    (sent,) = desk.http.sent
    assert (sent.method, sent.url) == ("POST", f"{SANDBOX}/pg/v1/pay")
    assert sent.body.decode() == '{"request":"' + payload("create.base64") + '"}'
    assert base64.b64decode(json.loads(sent.body)["request"]).decode() == payload("create.json")
    assert dict(sent.headers) == {
        "Content-Type": "application/json", "Accept": "application/json", "X-VERIFY": CREATE_VERIFY,
    }  # fmt: skip
    assert (report.status, report.captured_minor, report.asset) == (PaymentStatus.REQUIRES_ACTION, 0, "INR")
    assert (report.reference, report.gateway_reference, report.account) == (REFERENCE, None, MERCHANT)
    assert report.next_action == Redirect(url=PAGE) and PAGE not in repr(report.raw)


def test_the_status_query_of_the_reference_is_signed_to_the_byte() -> None:
    desk = Desk(answer(told()))
    desk.fetch()
    (sent,) = desk.http.sent
    assert (sent.method, sent.url, sent.body) == ("GET", f"{SANDBOX}/pg/v1/status/{MERCHANT}/{REFERENCE}", b"")
    assert (sent.headers["X-VERIFY"], sent.headers["X-MERCHANT-ID"]) == (STATUS_VERIFY, MERCHANT)


def test_a_refund_names_the_payment_by_our_own_reference() -> None:
    desk = Desk(answer(GOOD["refund"]))
    desk.refund()
    (sent,) = desk.http.sent
    wrapped = json.loads(sent.body)["request"]
    example = json.loads(payload("refund.json"))
    del example["merchantUserId"]  # optional, and a refund does not know the customer
    assert asked(sent) == example and list(asked(sent)) == list(example)
    assert (sent.url, sent.headers["X-VERIFY"]) == (f"{SANDBOX}/pg/v1/refund", verify(wrapped + "/pg/v1/refund"))
    assert sign(wrap(payload("refund.json")) + "/pg/v1/refund", salt_key=KEY, salt_index="1") == REFUND_VERIFY


@pytest.mark.parametrize("operation", [*READS, *WRITES])
def test_live_calls_go_to_the_live_host_and_are_signed_without_its_prefix(operation: str) -> None:
    desk = Desk(answer(GOOD[operation]), mode=Mode.LIVE, salt_index=3)
    desk.run(operation)
    (sent,) = desk.http.sent
    path = sent.url.removeprefix("https://api.phonepe.com/apis/hermes")
    text = json.loads(sent.body)["request"] + path if sent.body else path
    assert path.startswith("/pg/v1/") and sent.headers["X-VERIFY"] == verify(text, index="3")


@pytest.mark.parametrize("minor", [100, 129900, 10**12 + 1])
def test_an_amount_is_a_whole_number_of_paise(minor: int) -> None:
    desk = Desk(answer(created()))
    desk.initiate(amount=Money(minor, "INR"))
    assert f'"amount":{minor},' in base64.b64decode(json.loads(desk.http.sent[0].body)["request"]).decode()


@pytest.mark.parametrize("reference", ["x", "PAY_20261120183005_1a2b3c4d-1", "aZ09_-" * 5 + "aZ09"])
def test_our_reference_travels_as_the_transaction_s_name(reference: str) -> None:
    desk = Desk(answer(created(merchantTransactionId=reference)))
    desk.initiate(reference=reference)
    assert asked(desk.http.sent[0])["merchantTransactionId"] == reference


@pytest.mark.parametrize(
    ("customer", "user", "phone"),
    [
        (None, REFERENCE, None),
        (CustomerDetails(), REFERENCE, None),
        (CustomerDetails(id="c" * 35, phone="09876543210"), "c" * 35, "9876543210"),
        (CustomerDetails(id="c" * 36, phone="+15555550100"), "2f52aa64c9269a1d5530d0a1d86be0c0", None),
        (CustomerDetails(id="ada@example.com", phone="919876543210"), "b5fc85e55755f9e0d030a10ab4429b6b", "9876543210"),
    ],
)
def test_the_customer_is_named_within_their_alphabet_and_a_foreign_phone_is_left_out(
    customer: CustomerDetails | None, user: str, phone: str | None
) -> None:
    desk = Desk(answer(created()))
    desk.initiate(customer=customer)
    sent = asked(desk.http.sent[0])
    assert (sent["merchantUserId"], sent.get("mobileNumber")) == (user, phone)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": Money(99, "INR")}, "amount_too_small"), ({"amount": Money(129900, "USD")}, "currency_unavailable"),
        ({"amount": Money(129900, "JPY")}, "currency_unavailable"), ({"amount": Money(129900, "KWD")}, "currency_unavailable"),
        ({"reference": "a/b"}, "reference_invalid"), ({"reference": "x" * 35}, "reference_invalid"),
        ({"reference": "caf\u00e9"}, "reference_invalid"), ({"capture": CaptureMode.MANUAL}, "capture_unsupported"),
        ({"save_method": True}, "save_unsupported"),
    ],
)  # fmt: skip
def test_what_is_refused_here_is_never_sent(changes: dict[str, Any], code: str) -> None:
    desk = Desk()
    with pytest.raises(RequestRejected) as caught:
        desk.initiate(**changes)
    assert (caught.value.code, desk.http.sent) == (code, [])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"names": PaymentNames(gateway_reference=THEIRS)}, "reference_missing"), ({"reference": REFERENCE}, "reference_invalid"),
        ({"reference": "x" * 35}, "reference_invalid"), ({"amount": Money(1, "USD")}, "currency_unavailable"),
    ],
)  # fmt: skip
def test_a_refund_that_cannot_be_meant_is_never_sent(changes: dict[str, Any], code: str) -> None:
    desk = Desk()
    with pytest.raises(RequestRejected) as caught:
        desk.refund(**changes)
    assert (caught.value.code, desk.http.sent) == (code, [])


def test_a_name_that_would_leave_the_path_is_never_asked_for() -> None:
    desk = Desk()
    for names in (PaymentNames(gateway_reference=THEIRS), PaymentNames(reference="../status?x="), PaymentNames()):
        with pytest.raises(RequestRejected):
            desk.fetch(names)
    with pytest.raises(RequestRejected):
        desk.fetch_refund("a/b")
    assert desk.http.sent == []


@pytest.mark.parametrize("name", ["merchant_id", "salt_key", "salt_index"])
@pytest.mark.parametrize("operation", [*READS, *WRITES])
def test_without_a_credential_nothing_is_sent(operation: str, name: str) -> None:
    error = raised(operation, **{name: ""})
    assert type(error) is GatewayMisconfigured and f"no {name} is set" in error.reason


# --- errors -------------------------------------------------------------------------------------------------------

UNKNOWN, UNAVAILABLE, WRONG, REJECTED = OutcomeUnknown, GatewayUnavailable, GatewayMisconfigured, RequestRejected


@pytest.mark.parametrize(
    ("trouble", "to_a_write", "to_a_read"),
    [
        (NotSent("x"), UNAVAILABLE, UNAVAILABLE),
        (NoAnswer("x"), UNKNOWN, UNAVAILABLE),
        (refusal(500), UNKNOWN, UNAVAILABLE),
        (answer(text="<html>", status=503), UNKNOWN, UNAVAILABLE),
        (refusal(500, "TRANSACTION_NOT_FOUND"), UNKNOWN, UNAVAILABLE),
        (answer(told(), status=502), UNKNOWN, UNAVAILABLE),
        (answer(text="x", status=302), UNKNOWN, UNAVAILABLE),
        (refusal(200, "INTERNAL_SERVER_ERROR"), UNKNOWN, UNAVAILABLE),
        (refusal(400, "INTERNAL_SERVER_ERROR"), UNKNOWN, UNAVAILABLE),
        (answer(text=b""), UNKNOWN, UNAVAILABLE),
        (answer(text='"ok"'), UNKNOWN, UNAVAILABLE),
        (answer([]), UNKNOWN, UNAVAILABLE),
        (answer({"success": True, "data": {}}), UNKNOWN, UNAVAILABLE),
        (answer({"success": True, "code": None}), UNKNOWN, UNAVAILABLE),
        (refusal(408), UNKNOWN, UNAVAILABLE),
        (refusal(429, "TOO_MANY_REQUESTS"), UNAVAILABLE, UNAVAILABLE),
        (refusal(429, "TRANSACTION_NOT_FOUND"), UNAVAILABLE, UNAVAILABLE),
        (refusal(401), WRONG, WRONG),
        (refusal(401, "401"), WRONG, WRONG),
        (refusal(400, 401), WRONG, WRONG),
        (refusal(200, "401"), WRONG, WRONG),
        (answer(text="", status=403), WRONG, WRONG),
        (refusal(400, "AUTHORIZATION_FAILED"), WRONG, WRONG),
        (refusal(200, "KEY_NOT_CONFIGURED"), WRONG, WRONG),
        (refusal(404), WRONG, WRONG),
        (refusal(404, "NO_SUCH_ROUTE"), WRONG, WRONG),
        (answer(text="<html>", status=404), WRONG, WRONG),
        (refusal(400, "BAD_REQUEST"), REJECTED, REJECTED),
        (refusal(404, "BAD_REQUEST"), REJECTED, REJECTED),
        (refusal(401, "BAD_REQUEST"), REJECTED, REJECTED),
        (refusal(400, "400"), REJECTED, REJECTED),
        (refusal(417, "INVALID_TRANSACTION_ID"), UNKNOWN, REJECTED),
        (refusal(400, "INVALID_TRANSACTION_ID"), UNKNOWN, REJECTED),
        (refusal(417, "SOMETHING_ELSE"), REJECTED, REJECTED),
        (refusal(409), REJECTED, REJECTED),
        (refusal(422, "EXCESS_REFUND_AMOUNT"), REJECTED, REJECTED),
        (refusal(400, "REVERSAL_WINDOW_EXCEEDED"), REJECTED, REJECTED),
    ],
)
def test_the_class_of_every_answer(
    trouble: Answer, to_a_write: type[GatewayError], to_a_read: type[GatewayError]
) -> None:
    for operation in WRITES:
        assert type(raised(operation, trouble)) is to_a_write, operation
    for operation in READS:
        assert type(raised(operation, trouble)) is to_a_read, operation


@pytest.mark.parametrize("status", [200, 400, 401, 404, 417])
def test_an_unknown_id_is_not_found_whatever_the_status(status: int) -> None:
    for operation in READS:
        assert isinstance(Desk(refusal(status, "TRANSACTION_NOT_FOUND")).run(operation), NotFound)
    error = raised("refund", refusal(status, "TRANSACTION_NOT_FOUND"))
    assert (type(error), error.code, error.gateway_code) == (RequestRejected, "not_found", "TRANSACTION_NOT_FOUND")


def test_a_refund_that_was_refused_says_why() -> None:
    for code, ours in (
        ("EXCESS_REFUND_AMOUNT", "refund_too_large"),
        ("REVERSAL_WINDOW_EXCEEDED", "refund_window_closed"),
    ):
        error = raised("refund", refusal(400, code))
        assert (error.code, error.gateway_code, error.http_status) == (ours, code, 400)


def test_when_to_return_is_told() -> None:
    late = answer({}, status=429, headers={"Retry-After": "Fri, 20 Nov 2026 12:01:00 GMT",
                                           "Date": "Fri, 20 Nov 2026 12:00:00 GMT"})  # fmt: skip
    four = answer({}, status=429, headers={"Retry-After": "4"})
    for trouble, seconds in ((four, 4.0), (late, 60.0), (refusal(429), None)):
        assert raised("fetch", trouble).retry_after_seconds == seconds


# --- answers of a create ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["PAYMENT_INITIATED", "SUCCESS", "PAYMENT_PENDING", "SOMETHING_NEW"])
def test_a_create_is_accepted_by_its_page_whatever_the_code(code: str) -> None:
    report = Desk(answer({**created(transactionId=THEIRS), "code": code})).initiate()
    assert (report.status, report.gateway_reference) == (PaymentStatus.REQUIRES_ACTION, THEIRS)
    assert report.next_action == Redirect(url=PAGE)


def _page(url: Any) -> dict[str, Any]:
    return created(instrumentResponse={"type": "PAY_PAGE", "redirectInfo": {"url": url, "method": "GET"}})


@pytest.mark.parametrize(
    "body",
    [
        {**created(), "success": False}, {**created(), "success": "true"}, {**created(), "success": None}, {**created(), "data": None},
        created(instrumentResponse=None), _page(None), _page(""), _page(7), _page("https://phonepe.com.evil.example/x"),
        _page("http://mercury.phonepe.com/x"), _page("https://evilphonepe.com/x"), _page("https://phonepe.com@evil.example/x"),
        _page("https://evil.example\\.phonepe.com/x"), _page("https://mercury.phonepe.com/x\r\ny: z"),
        _page("https://mercury.phonepe.com/ x"), _page("https://mercury.phonepe.com:444/x"), _page("https://[x"), created(merchantTransactionId="inv-other"),
        created(merchantId="OTHERSHOPUAT"), told("PAYMENT_ERROR", "FAILED"), told(),
    ],
)  # fmt: skip
def test_an_incomplete_answer_of_the_create_is_unknown(body: dict[str, Any]) -> None:
    assert type(raised("initiate", answer(body))) is OutcomeUnknown


def test_a_status_word_in_a_refused_create_is_unknown_unless_it_is_the_end() -> None:
    for code in ("PAYMENT_PENDING", "PAYMENT_SUCCESS", "TIMED_OUT", "PAYMENT_INITIATED"):
        assert type(raised("initiate", refusal(400, code))) is OutcomeUnknown
    for code in ("PAYMENT_ERROR", "PAYMENT_DECLINED", "PAYMENT_CANCELLED"):
        assert type(raised("initiate", refusal(400, code))) is RequestRejected


# --- answers about payments and refunds ---------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 400, 401, 404, 417])
def test_a_status_word_is_a_result_under_any_status(status: int) -> None:
    paid = Desk(answer(told(), status=status)).fetch()
    assert isinstance(paid, Report) and (paid.status, paid.captured_minor) == (PaymentStatus.CAPTURED, 129900)
    failed = Desk(answer(told("PAYMENT_ERROR", "FAILED", responseCode="ZM"), status=status)).fetch()
    assert isinstance(failed, Report) and failed.status is PaymentStatus.FAILED
    back = Desk(answer(refund("PAYMENT_ERROR", "FAILED", responseCode="EXCESS_REFUND_AMOUNT"), status=status)).refund()
    assert back.status is RefundStatus.FAILED and back.decline is not None
    assert back.decline.gateway_code == "EXCESS_REFUND_AMOUNT"


def test_an_answer_that_does_not_repeat_our_names_belongs_to_what_was_asked() -> None:
    paid = Desk(answer(told(merchantTransactionId=None, merchantId=None, transactionId=None))).fetch()
    assert isinstance(paid, Report)
    assert (paid.reference, paid.gateway_reference, paid.account) == (REFERENCE, THEIRS, None)
    assert (paid.status, paid.captured_minor, paid.mode) == (PaymentStatus.CAPTURED, 129900, Mode.TEST)
    assert paid.is_hint is False


def test_an_answer_about_something_else_says_nothing() -> None:
    assert type(raised("fetch", answer(told(merchantTransactionId="inv-other")))) is OutcomeUnknown
    assert type(raised("fetch_refund", answer(refund(merchantTransactionId=REFERENCE)))) is OutcomeUnknown
    assert type(raised("refund", answer(refund(merchantTransactionId=REFERENCE)))) is OutcomeUnknown


def test_an_answer_that_names_another_merchant_claims_nothing() -> None:
    paid = Desk(answer(told(merchantId="OTHERSHOPUAT"))).fetch()
    assert isinstance(paid, Report)
    assert (paid.status, paid.captured_minor, paid.attention) == (PaymentStatus.PENDING, None, Attention.MISMATCH)
    assert paid.account == "OTHERSHOPUAT"
    back = Desk(answer(refund(merchantId="OTHERSHOPUAT"))).fetch_refund()
    assert isinstance(back, Report)
    assert (back.status, back.refunded_minor, back.attention) == (RefundStatus.PENDING, 0, Attention.MISMATCH)


@pytest.mark.parametrize("code", ["PAYMENT_PENDING", "TIMED_OUT", "SOMETHING_NEW"])
def test_a_refund_begins_pending_and_gives_nothing_back_yet(code: str) -> None:
    report = Desk(answer(refund(code, "PENDING", message="Your request has been successfully completed."))).refund()
    assert (report.status, report.refunded_minor, report.amount_minor) == (RefundStatus.PENDING, 0, 29900)
    assert (report.reference, report.gateway_reference, report.payment) == (REFUND_REFERENCE, REFUND_THEIRS, NAMES)
    assert report.mode is Mode.TEST


def test_a_refund_is_fetched_by_the_shared_status_call() -> None:
    desk = Desk(answer(refund()))
    report = desk.fetch_refund()
    assert desk.http.sent[0].url == f"{SANDBOX}/pg/v1/status/{MERCHANT}/{REFUND_REFERENCE}"
    assert isinstance(report, Report)
    assert (report.status, report.refunded_minor, report.payment) == (RefundStatus.SUCCEEDED, 29900, NAMES)


# --- test connection ----------------------------------------------------------------------------------------------


def test_a_connection_is_tested_with_a_transaction_that_cannot_exist() -> None:
    desk = Desk(refusal(404, "TRANSACTION_NOT_FOUND"))
    found = desk.gateway.check_credentials()
    assert (found.ok, found.account, found.mode, dict(found.details)) == (True, MERCHANT, Mode.TEST, {})
    (sent,) = desk.http.sent
    reference = sent.url.removeprefix(f"{SANDBOX}/pg/v1/status/{MERCHANT}/")
    assert reference.startswith("probe-") and len(reference) == 22
    assert sent.headers["X-VERIFY"] == verify(f"/pg/v1/status/{MERCHANT}/{reference}")


@pytest.mark.parametrize(
    "trouble",
    [
        refusal(401, "401"), refusal(400, "AUTHORIZATION_FAILED"), refusal(200, "KEY_NOT_CONFIGURED"), refusal(403),
        refusal(404), refusal(400, "BAD_REQUEST"), answer(told(merchantTransactionId=None)),
    ],
)  # fmt: skip
def test_refused_credentials_are_told(trouble: HttpResponse) -> None:
    found = Desk(trouble).gateway.check_credentials()
    assert (found.ok, found.account) == (False, None) and KEY not in repr(found)


def test_missing_credentials_are_told_without_asking() -> None:
    desk = Desk(salt_key="")
    found = desk.gateway.check_credentials()
    assert (found.ok, found.message, desk.http.sent) == (False, "No salt_key is set for this PhonePe account.", [])


def test_no_answer_says_nothing_about_the_keys() -> None:
    for trouble in (NotSent("x"), NoAnswer("x"), refusal(503), refusal(429), refusal(200, "INTERNAL_SERVER_ERROR")):
        with pytest.raises(GatewayUnavailable):
            Desk(trouble).gateway.check_credentials()


def test_a_live_account_with_a_name_of_the_sandbox_is_warned_about() -> None:
    desk = Desk(refusal(404, "TRANSACTION_NOT_FOUND"), mode=Mode.LIVE)
    found = desk.gateway.check_credentials()
    assert found.ok is True and list(found.details) == ["merchant id"]


def test_another_salt_never_signs() -> None:
    desk = Desk(answer(told()), other_salts=f"2:{OTHER_KEY}")
    desk.fetch()
    assert desk.http.sent[0].headers["X-VERIFY"] == STATUS_VERIFY
