"""What is sent, the token, and the class of every error (gateway page sections 2, 4, 5, 9 and 12)."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest

from clients.phonepe.gateway import PhonePeGateway
from core.gateways.errors import GatewayError, GatewayMisconfigured, GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.testing import Answer, FakeHttp, MemoryCache, answer, fixed_clock
from core.gateways.types import (
    Attention,
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
from tests.clients.phonepe.wire import (
    CREDENTIALS,
    MERCHANT,
    ORDER_ID,
    PAGE,
    PASSWORD,
    REFERENCE,
    REFUND_ID,
    REFUND_REFERENCE,
    SECRET,
    TOKEN,
    order,
    refund,
    token_body,
)

CREATED = {"orderId": ORDER_ID, "state": "PENDING", "expireAt": 1735713900000, "redirectUrl": PAGE}
REFUNDING = {"refundId": REFUND_ID, "amount": 29900, "state": "PENDING"}
NAMES = PaymentNames(reference=REFERENCE, gateway_reference=ORDER_ID)
SANDBOX = "https://api-preprod.phonepe.com/apis/pg-sandbox"
STATUS_URL = f"{SANDBOX}/checkout/v2/order/{REFERENCE}/status?details=false&errorContext=true"


class Desk:
    """One account over a script of answers."""

    def __init__(
        self, *answers: Answer, mode: Mode = Mode.TEST, cache: MemoryCache | None = None, **changes: Any
    ) -> None:
        self.http, self.cache = FakeHttp(answers), cache or MemoryCache()
        self.gateway = PhonePeGateway(
            {**CREDENTIALS, **changes}, mode=mode, http=self.http, cache=self.cache, clock=fixed_clock()
        )

    def initiate(self, **changes: Any) -> Report:
        asked: dict[str, Any] = {"reference": REFERENCE, "amount": Money(129900, "INR"), "idempotency_key": "k",
                                 "webhook_url": "https://pay.example.com/h", "return_url": "https://pay.example.com/r"}  # fmt: skip
        return self.gateway.initiate(PaymentRequest(**{**asked, **changes}))

    def fetch(self, names: PaymentNames = NAMES) -> Report | NotFound:
        return self.gateway.fetch_payment(names)

    def refund(self) -> Report:
        return self.gateway.refund(
            RefundRequest(names=NAMES, reference=REFUND_REFERENCE, amount=Money(29900, "INR"), idempotency_key="k")
        )

    def fetch_refund(self, **changes: Any) -> Report | NotFound:
        names: dict[str, Any] = {"reference": REFUND_REFERENCE, "gateway_reference": REFUND_ID, "payment": NAMES}
        return self.gateway.fetch_refund(RefundNames(**{**names, **changes}))

    def run(self, operation: str) -> Any:
        return getattr(self, operation)()

    @property
    def urls(self) -> list[str]:
        return [one.url for one in self.http.sent]


def refusal(status: int, code: str | None = None, **more: Any) -> HttpResponse:
    body = {"success": False, "message": f"secret? {SECRET} {PASSWORD}", "data": {}, **({"code": code} if code else {})}
    return answer({**body, **more}, status=status)


def raised(operation: str, *answers: Answer, **changes: Any) -> GatewayError:
    desk = Desk(*answers, **changes)
    with pytest.raises(GatewayError) as caught:
        desk.run(operation)
    assert SECRET not in str(caught.value) + repr(vars(caught.value))
    return caught.value


READS, WRITES = ("fetch", "fetch_refund"), ("initiate", "refund")


# --- requests -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "token_url", "pay_url"),
    [
        (Mode.TEST, f"{SANDBOX}/v1/oauth/token", f"{SANDBOX}/checkout/v2/pay"),
        (Mode.LIVE, "https://api.phonepe.com/apis/identity-manager/v1/oauth/token", "https://api.phonepe.com/apis/pg/checkout/v2/pay"),
    ],
)  # fmt: skip
def test_a_create_asks_for_a_token_by_form_and_posts_json(mode: Mode, token_url: str, pay_url: str) -> None:
    desk = Desk(TOKEN, answer(CREATED), mode=mode)
    report = desk.initiate()
    token, create = desk.http.sent
    assert (token.method, token.url, token.is_auxiliary) == ("POST", token_url, True)
    assert token.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qsl(token.body.decode()) == [
        ("client_id", "TEST-M00DEMO_25010"), ("client_version", "1"), ("client_secret", SECRET),
        ("grant_type", "client_credentials"),
    ]  # fmt: skip
    assert (create.method, create.url, create.is_auxiliary) == ("POST", pay_url, False)
    assert dict(create.headers) == {
        "content-type": "application/json", "accept": "application/json",
        "authorization": "O-Bearer invented-access-token-1",
    }  # fmt: skip
    assert (report.status, report.gateway_reference, report.captured_minor) == (
        PaymentStatus.REQUIRES_ACTION,
        ORDER_ID,
        0,
    )
    assert (report.reference, report.mode, report.asset) == (REFERENCE, mode, "INR")
    assert report.next_action == Redirect(url=PAGE)


@pytest.mark.parametrize(
    ("operation", "body", "method", "url"),
    [
        ("fetch", order(), "GET", STATUS_URL),
        ("refund", REFUNDING, "POST", f"{SANDBOX}/payments/v2/refund"),
        ("fetch_refund", refund(), "GET", f"{SANDBOX}/payments/v2/refund/{REFUND_REFERENCE}/status"),
    ],
)
def test_every_other_call_goes_to_its_path(operation: str, body: Any, method: str, url: str) -> None:
    desk = Desk(TOKEN, answer(body))
    desk.run(operation)
    sent = desk.http.sent[1]
    assert (sent.method, sent.url, sent.headers["authorization"]) == (method, url, "O-Bearer invented-access-token-1")
    assert bool(sent.body) is (method == "POST")


def test_a_partner_names_the_merchant_in_every_call_but_that_for_the_token() -> None:
    desk = Desk(TOKEN, answer(order()), merchant_id=MERCHANT)
    desk.fetch()
    assert [one.headers.get("x-merchant-id") for one in desk.http.sent] == [None, MERCHANT]


@pytest.mark.parametrize(
    "changes",
    [{"amount": Money(99, "INR")}, {"amount": Money(129900, "USD")}, {"reference": "a/b"}, {"reference": "x" * 64}],
)
def test_what_is_refused_here_is_never_sent(changes: dict[str, Any]) -> None:
    desk = Desk()
    with pytest.raises(RequestRejected):
        desk.initiate(**changes)
    for names in (PaymentNames(gateway_reference=ORDER_ID), PaymentNames(reference="../status?x="), PaymentNames()):
        with pytest.raises(RequestRejected):
            desk.fetch(names)
    with pytest.raises(RequestRejected):
        desk.fetch_refund(reference="a/b")
    assert desk.http.sent == []


# --- the token ----------------------------------------------------------------------------------------------------


def test_a_token_is_asked_for_once_and_kept_for_half_its_life() -> None:
    cache = MemoryCache()
    first = Desk(TOKEN, answer(order()), answer(order()), cache=cache)
    first.fetch(), first.fetch()
    second = Desk(answer(order()), cache=cache)
    second.fetch()
    assert [one.is_auxiliary for one in first.http.sent] == [True, False, False] and len(second.http.sent) == 1
    assert sorted(cache.seconds.values()) == [1800, 3600]


@pytest.mark.parametrize(
    ("life", "kept"), [(3600, [1800, 3600]), (600, [300, 600]), (400, [100, 400]), (300, [300]), (4, [4])]
)
def test_a_token_is_renewed_five_minutes_early_at_the_latest(life: int, kept: list[int]) -> None:
    desk = Desk(answer(token_body(life=life)), answer(order()))
    desk.fetch()
    assert sorted(desk.cache.seconds.values()) == kept


@pytest.mark.parametrize("change", [{"expires_at": None}, {"issued_at": "x"}, {"expires_at": 5}, {"expires_at": [1]}])
def test_a_token_whose_times_make_no_sense_is_used_and_not_kept(change: dict[str, Any]) -> None:
    desk = Desk(answer(token_body(**change)), answer(order()))
    assert isinstance(desk.fetch(), Report)
    assert desk.cache.values == {}


def test_another_secret_version_client_or_mode_never_meets_this_token() -> None:
    cache = MemoryCache()
    Desk(TOKEN, answer(order()), cache=cache).fetch()
    for change in (
        {"client_secret": SECRET[:-1] + "5"},
        {"client_version": "2"},
        {"client_id": "other"},
        {"mode": Mode.LIVE},
    ):
        desk = Desk(TOKEN, answer(order()), cache=cache, **change)
        desk.fetch()
        assert len(desk.http.sent) == 2, change


def due(cache: MemoryCache) -> None:
    """Half of the life has passed: the fresh one is gone from the cache."""
    for name in [one for one in cache.values if one.startswith("token:")]:
        cache.delete(name)


@pytest.mark.parametrize(
    "trouble", [NotSent("x"), NoAnswer("x"), refusal(500), refusal(429), refusal(401), answer(text="{")]
)
def test_while_a_token_cannot_be_renewed_the_old_one_is_used(trouble: Answer) -> None:
    desk = Desk(TOKEN, answer(order()), trouble, answer(order()), answer(order()))
    desk.fetch()
    due(desk.cache)
    desk.fetch(), desk.fetch()  # the second does not even try again
    assert len(desk.http.sent) == 5
    assert desk.http.sent[-1].headers["authorization"] == "O-Bearer invented-access-token-1"


def test_a_token_that_is_due_is_renewed() -> None:
    desk = Desk(TOKEN, answer(order()), answer(token_body("invented-access-token-2")), answer(order()))
    desk.fetch()
    due(desk.cache)
    desk.fetch()
    assert desk.http.sent[-1].headers["authorization"] == "O-Bearer invented-access-token-2"


def test_the_scheme_is_taken_from_the_answer() -> None:
    for told, sent in ((None, "O-Bearer"), ("O-Other", "O-Other"), ("two words", "O-Bearer"), (7, "O-Bearer")):
        desk = Desk(answer(token_body(token_type=told)), answer(order()))
        desk.fetch()
        assert desk.http.sent[1].headers["authorization"] == f"{sent} invented-access-token-1"


@pytest.mark.parametrize("operation", [*READS, *WRITES])
def test_a_refused_token_is_replaced_once_and_the_call_repeated(operation: str) -> None:
    good = {"fetch": order(), "fetch_refund": refund(), "initiate": CREATED, "refund": REFUNDING}[operation]
    desk = Desk(
        TOKEN, refusal(401, "AUTHORIZATION_FAILED"), answer(token_body("invented-access-token-2")), answer(good)
    )
    assert isinstance(desk.run(operation), Report)
    first, again = desk.http.sent[1], desk.http.sent[3]
    assert (first.url, first.body) == (again.url, again.body)
    assert again.headers["authorization"] == "O-Bearer invented-access-token-2"
    assert sorted(desk.cache.values.values()) == ["O-Bearer invented-access-token-2"] * 2


def test_a_refused_token_does_not_take_the_newer_one_of_another_process_with_it() -> None:
    cache = MemoryCache()
    desk = Desk(TOKEN, answer(order()), refusal(401), NotSent("x"), cache=cache)
    desk.fetch()
    (name,) = [one for one in cache.values if one.startswith("spare-token:")]
    cache.values[name] = "O-Bearer newer"
    with pytest.raises(GatewayMisconfigured):
        desk.fetch()
    assert cache.values == {name: "O-Bearer newer"}


@pytest.mark.parametrize("operation", [*READS, *WRITES])
def test_a_token_refused_twice_is_misconfigured(operation: str) -> None:
    error = raised(operation, TOKEN, refusal(401, "AUTHORIZATION_FAILED"), TOKEN, refusal(401, "AUTHORIZATION_FAILED"))
    assert (type(error), error.gateway_code, error.http_status) == (GatewayMisconfigured, "AUTHORIZATION_FAILED", 401)
    # No second token to be had: the refusal stands, and nothing was processed.
    assert type(raised(operation, TOKEN, refusal(401), NotSent("x"))) is GatewayMisconfigured


@pytest.mark.parametrize("operation", [*READS, *WRITES])
@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (NotSent("x"), GatewayUnavailable), (NoAnswer("x"), GatewayUnavailable), (refusal(500), GatewayUnavailable),
        (refusal(429), GatewayUnavailable), (answer(text=b"", status=503), GatewayUnavailable), (answer({}), GatewayUnavailable),
        (refusal(408), GatewayUnavailable),
        (answer(text="<html>"), GatewayUnavailable), (answer(token_body("a b")), GatewayUnavailable),
        (refusal(400, "BAD_REQUEST"), GatewayMisconfigured), (refusal(401), GatewayMisconfigured),
        (refusal(403), GatewayMisconfigured), (refusal(404), GatewayMisconfigured),
    ],
)  # fmt: skip
def test_a_failed_token_call_means_that_nothing_was_sent(
    operation: str, trouble: Answer, kind: type[GatewayError]
) -> None:
    assert type(raised(operation, trouble)) is kind


def test_without_credentials_nothing_is_sent() -> None:
    desk = Desk(client_secret="")
    with pytest.raises(GatewayMisconfigured, match="no client_secret"):
        desk.initiate()
    assert desk.http.sent == []


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "to_a_write", "to_a_read"),
    [
        (NotSent("x"), GatewayUnavailable, GatewayUnavailable),
        (NoAnswer("x"), OutcomeUnknown, GatewayUnavailable),
        (refusal(500, "INTERNAL_SERVER_ERROR"), OutcomeUnknown, GatewayUnavailable),
        (answer(text=b"", status=503), OutcomeUnknown, GatewayUnavailable),
        (answer(text='"oops"', status=500), OutcomeUnknown, GatewayUnavailable),
        (answer(text="x", status=302), OutcomeUnknown, GatewayUnavailable),
        (answer(text=b""), OutcomeUnknown, GatewayUnavailable),
        (answer(text='"ok"'), OutcomeUnknown, GatewayUnavailable),
        (answer([]), OutcomeUnknown, GatewayUnavailable),
        (answer(text='{"amount":1e99999999999999999999}'), OutcomeUnknown, GatewayUnavailable),
        (answer({}), OutcomeUnknown, GatewayUnavailable),
        (refusal(200, "PAYMENT_ERROR"), OutcomeUnknown, GatewayUnavailable),
        (refusal(429, "TOO_MANY_REQUESTS"), GatewayUnavailable, GatewayUnavailable),
        (refusal(429, "INVALID_MERCHANT_ORDER_ID"), GatewayUnavailable, GatewayUnavailable),
        (refusal(403, "FORBIDDEN"), GatewayMisconfigured, GatewayMisconfigured),
        (refusal(404), RequestRejected, RequestRejected),
        (answer(text="<html>", status=404), RequestRejected, RequestRejected),
        (refusal(408), OutcomeUnknown, GatewayUnavailable),
        (refusal(409), OutcomeUnknown, RequestRejected),
        (refusal(410), OutcomeUnknown, RequestRejected),
        (refusal(417), OutcomeUnknown, RequestRejected),
        (refusal(422, "BAD_REQUEST"), OutcomeUnknown, RequestRejected),
        (refusal(500, "INVALID_MERCHANT_ORDER_ID"), OutcomeUnknown, GatewayUnavailable),
    ],
)
def test_the_class_of_every_answer(
    trouble: Answer, to_a_write: type[GatewayError], to_a_read: type[GatewayError]
) -> None:
    for operation in WRITES:
        assert type(raised(operation, TOKEN, trouble)) is to_a_write, operation
    for operation in READS:
        assert type(raised(operation, TOKEN, trouble)) is to_a_read, operation


@pytest.mark.parametrize(
    "code", ["INVALID_MERCHANT_ORDER_ID", "MERCHANT_ORDER_MAPPING_NOT_FOUND", "MAPPING_NOT_FOUND", "REFUND_NOT_FOUND"]
)
@pytest.mark.parametrize("status", [400, 404, 409])
def test_an_unknown_id_is_not_found_whatever_the_status(code: str, status: int) -> None:
    for operation in READS:
        for told in (refusal(status, code), refusal(200, code)):
            assert isinstance(Desk(TOKEN, told).run(operation), NotFound)
    for operation in WRITES:  # a write that was answered like a success and says nothing of one
        assert type(raised(operation, TOKEN, refusal(200, code))) is OutcomeUnknown
    for told in (refusal(status, code), refusal(status, "OTHER", errorCode=code)):
        error = raised("refund", TOKEN, told)
        assert (type(error), error.code) == (RequestRejected, "not_found")


@pytest.mark.parametrize(
    "told",
    [
        {"code": "Refund ID Duplicated"},
        {"errorCode": "REFUND_ID_DUPLICATED"},
        {"message": "Refund ID Duplicated."},
        {"code": "BAD_REQUEST", "message": "Duplicate merchantRefundId: rf-000417-1"},
    ],
)
def test_a_refund_id_that_was_used_is_an_earlier_try_that_got_through(told: dict[str, Any]) -> None:
    assert type(raised("refund", TOKEN, answer({"success": False, **told}, status=400))) is OutcomeUnknown


def test_a_refused_create_is_rejected_where_no_such_order_exists() -> None:
    for looked_up in (refusal(400, "INVALID_MERCHANT_ORDER_ID"), refusal(500), NoAnswer("x"), NotSent("x"), answer({})):
        error = raised("initiate", TOKEN, refusal(400, "BAD_REQUEST"), looked_up)
        assert (type(error), error.gateway_code, error.http_status) == (RequestRejected, "BAD_REQUEST", 400)


def test_a_refused_create_whose_order_exists_is_unknown() -> None:
    desk = Desk(TOKEN, refusal(400, "BAD_REQUEST"), answer(order("PENDING")))
    with pytest.raises(OutcomeUnknown):
        desk.initiate()
    assert (desk.urls[2], desk.http.sent[2].is_auxiliary) == (STATUS_URL, True)


def test_a_refused_refund_is_rejected_and_asked_once() -> None:
    error = raised("refund", TOKEN, refusal(400, "EXCESS_REFUND_AMOUNT"))
    assert (type(error), error.gateway_code) == (RequestRejected, "EXCESS_REFUND_AMOUNT")


def test_when_to_return_is_told() -> None:
    late = answer(
        {},
        status=429,
        headers={"Retry-After": "Fri, 20 Nov 2026 12:01:00 GMT", "Date": "Fri, 20 Nov 2026 12:00:00 GMT"},
    )
    for told, seconds in (
        (answer({}, status=429, headers={"Retry-After": "4"}), 4.0),
        (late, 60.0),
        (refusal(429), None),
    ):
        assert raised("fetch", TOKEN, told).retry_after_seconds == seconds


@pytest.mark.parametrize(
    "change",
    [
        {"redirectUrl": None}, {"redirectUrl": "https://phonepe.com.evil.example/x"}, {"redirectUrl": "http://mercury.phonepe.com/x"},
        {"redirectUrl": "https://evilphonepe.com/x"}, {"redirectUrl": "https://phonepe.com@evil.example/x"}, {"orderId": None},
        {"redirectUrl": "https://user@mercury.phonepe.com/x"}, {"redirectUrl": "https://mercury.phonepe.com:444/x"},
        {"redirectUrl": "https://[x"}, {"state": "COMPLETED"}, {"state": None}, {"state": "CREATED"},
        {"redirectUrl": "https://evil.example\\.phonepe.com/x"}, {"redirectUrl": "https://mercury.phonepe.com/x\r\ny: z"},
        {"redirectUrl": "https://mercury.phonepe.com/ x"},
    ],
)  # fmt: skip
def test_an_incomplete_answer_of_the_create_is_unknown(change: dict[str, Any]) -> None:
    assert type(raised("initiate", TOKEN, answer({**CREATED, **change}))) is OutcomeUnknown


@pytest.mark.parametrize("page", ["https://mercury-t2.phonepe.com/transact/pg?token=x", PAGE, "https://phonepe.com/x"])
def test_the_page_is_given_on_exactly_as_received(page: str) -> None:
    assert Desk(TOKEN, answer({**CREATED, "redirectUrl": page})).initiate().next_action == Redirect(url=page)


@pytest.mark.parametrize(
    "change",
    [{"refundId": None}, {"state": None}, {"amount": None}, {"amount": "much"}, {"merchantRefundId": "rf-other"}],
)
def test_an_incomplete_answer_of_the_refund_is_unknown(change: dict[str, Any]) -> None:
    assert type(raised("refund", TOKEN, answer({**REFUNDING, **change}))) is OutcomeUnknown


# --- answers ------------------------------------------------------------------------------------------------------


def test_an_answer_that_does_not_repeat_our_name_belongs_to_what_was_asked() -> None:
    paid = Desk(TOKEN, answer(order())).fetch()
    assert isinstance(paid, Report)
    assert (paid.reference, paid.gateway_reference, paid.captured_minor) == (REFERENCE, ORDER_ID, 129900)
    assert (paid.mode, paid.is_hint) == (Mode.TEST, False)
    back = Desk(TOKEN, answer(refund(originalMerchantOrderId=None))).fetch_refund()
    assert isinstance(back, Report)
    assert (back.reference, back.gateway_reference, back.payment) == (REFUND_REFERENCE, REFUND_ID, NAMES)
    assert (back.status, back.refunded_minor) == (RefundStatus.SUCCEEDED, 29900)


@pytest.mark.parametrize("told", [{"merchantOrderId": "inv-other"}, {"orderId": "OMO-other"}])
def test_an_answer_about_another_order_says_nothing(told: dict[str, Any]) -> None:
    assert type(raised("fetch", TOKEN, answer(order(**told)))) is OutcomeUnknown


@pytest.mark.parametrize(
    "told", [{"merchantRefundId": "rf-other"}, {"refundId": "OMR-other"}, {"originalMerchantOrderId": "inv-other"}]
)
def test_an_answer_about_another_refund_says_nothing(told: dict[str, Any]) -> None:
    assert type(raised("fetch_refund", TOKEN, answer(refund(**told)))) is OutcomeUnknown


def test_a_refund_begins_pending_and_gives_nothing_back_yet() -> None:
    for state in ("PENDING", "CREATED", "CONFIRMED", "NEW"):
        report = Desk(TOKEN, answer({**REFUNDING, "state": state})).refund()
        assert (report.status, report.refunded_minor, report.amount_minor) == (RefundStatus.PENDING, 0, 29900)
        assert (report.reference, report.gateway_reference, report.payment) == (REFUND_REFERENCE, REFUND_ID, NAMES)


def test_an_answer_that_names_another_merchant_claims_no_money() -> None:
    paid = Desk(TOKEN, answer(order(merchantId="M0OTHER")), merchant_id=MERCHANT).fetch()
    assert isinstance(paid, Report)
    assert (paid.status, paid.captured_minor, paid.attention) == (PaymentStatus.PENDING, None, Attention.MISMATCH)
    assert paid.account == "M0OTHER"
    back = Desk(TOKEN, answer(refund(merchantId="M0OTHER")), merchant_id=MERCHANT).fetch_refund()
    assert isinstance(back, Report)
    assert (back.status, back.refunded_minor, back.attention) == (RefundStatus.PENDING, 0, Attention.MISMATCH)


# --- test connection ----------------------------------------------------------------------------------------------


def check(*answers: Answer, **changes: Any) -> tuple[bool, dict[str, str], Desk]:
    desk = Desk(*answers, **changes)
    found = desk.gateway.check_credentials()
    assert found.mode is Mode.TEST and SECRET not in repr(found)
    return found.ok, dict(found.details), desk


def test_a_connection_is_tested_with_a_new_token_and_an_order_that_cannot_exist() -> None:
    cache = MemoryCache()
    Desk(TOKEN, answer(order()), cache=cache).fetch()
    ok, details, desk = check(TOKEN, refusal(400, "INVALID_MERCHANT_ORDER_ID"), cache=cache)
    assert ok is True and details["payment host"] == "takes the token"
    assert desk.urls[0] == f"{SANDBOX}/v1/oauth/token" and "/checkout/v2/order/probe-" in desk.urls[1]


def test_refused_credentials_are_told() -> None:
    for answers in ((refusal(400, "INVALID_CLIENT"),), (refusal(401),), (TOKEN, refusal(401), TOKEN, refusal(401)),
                    (TOKEN, refusal(403))):  # fmt: skip
        assert check(*answers)[0] is False
    assert check(client_id="")[0] is False


def test_a_token_host_that_does_not_answer_says_nothing_about_the_keys() -> None:
    for trouble in (NotSent("x"), NoAnswer("x"), refusal(503)):
        with pytest.raises(GatewayUnavailable):
            check(trouble)


def test_a_payment_host_that_does_not_answer_leaves_the_keys_proven() -> None:
    ok, details, _ = check(TOKEN, refusal(503))
    assert ok is True and details["payment host"].startswith("not reached just now")
    ok, details, _ = check(TOKEN, refusal(404))
    assert ok is True and details["payment host"].startswith("takes the token, but does not say")


def test_the_merchant_and_a_missing_webhook_are_shown() -> None:
    desk = Desk(TOKEN, refusal(404, "MAPPING_NOT_FOUND"), merchant_id=MERCHANT, webhook_password="")
    found = desk.gateway.check_credentials()
    assert (found.ok, found.account) == (True, MERCHANT)
    assert found.details["webhook"].startswith("username or password missing")
