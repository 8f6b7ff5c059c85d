"""What is sent, and the class of every error (protocol reference, section 12)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from clients.nowpayments.client import NowPaymentsClient
from clients.nowpayments.config import Config
from core.gateways.errors import GatewayError, GatewayMisconfigured, GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.testing import NOW, Answer, FakeHttp, MemoryCache, answer, fixed_clock
from core.gateways.types import Mode
from core.http import HttpResponse, NoAnswer, NotSent
from tests.clients.nowpayments.wire import API_KEY, PAYMENT_ID, SECRET, answered

EMAIL, PASSWORD = "desk@lab.example", "invented-dashboard-password"
LOGIN = {"account_email": EMAIL, "account_password": PASSWORD}


def open_client(
    *answers: Answer, mode: Mode = Mode.LIVE, cache: MemoryCache | None = None, **credentials: Any
) -> tuple[NowPaymentsClient, FakeHttp]:
    http = FakeHttp(answers)
    config = Config.of({"api_key": API_KEY, "ipn_secret": SECRET, **credentials}, mode=mode)
    return NowPaymentsClient(config, http=http, cache=cache or MemoryCache(), clock=fixed_clock()), http


def refusal(status: int, code: str | None, **more: Any) -> HttpResponse:
    body = {"status": False, "statusCode": status, "message": f"secret? {API_KEY}", **({"code": code} if code else {})}
    return answer(body, status=status, headers={"CF-Ray": "8f0a1b2c3d4e5f60-FRA"}, **more)


def token(seconds: int | None) -> str:
    claims = {} if seconds is None else {"exp": int(NOW.timestamp()) + seconds}
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{payload}.c2ln"


def get(client: NowPaymentsClient) -> Any:
    return client.get_payment(PAYMENT_ID)


def create(client: NowPaymentsClient) -> Any:
    return client.create_payment('{"price_amount":49.9}')


def invoice(client: NowPaymentsClient) -> Any:
    return client.create_invoice('{"price_amount":49.9}')


def raised(call: Callable[[NowPaymentsClient], Any], *answers: Answer, **credentials: Any) -> GatewayError:
    client, _ = open_client(*answers, **credentials)
    with pytest.raises(GatewayError) as caught:
        call(client)
    assert API_KEY not in str(caught.value) + repr(vars(caught.value))
    return caught.value


# --- requests -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "origin"), [(Mode.LIVE, "https://api.nowpayments.io"), (Mode.TEST, "https://api-sandbox.nowpayments.io")]
)
def test_a_create_is_a_json_post_with_the_key_to_the_host_of_its_mode(mode: Mode, origin: str) -> None:
    client, http = open_client(answer({"payment_id": "1"}), mode=mode)
    assert create(client) == {"payment_id": "1"}
    (sent,) = http.sent
    assert (sent.method, sent.url, sent.is_auxiliary) == ("POST", f"{origin}/v1/payment", False)
    assert dict(sent.headers) == {
        "accept": "application/json", "content-type": "application/json", "x-api-key": API_KEY}  # fmt: skip
    assert sent.body == b'{"price_amount":49.9}'


def test_a_query_carries_the_key_and_no_body() -> None:
    client, http = open_client(answer(answered()))
    get(client)
    (sent,) = http.sent
    assert (sent.method, sent.url, sent.body) == ("GET", f"https://api.nowpayments.io/v1/payment/{PAYMENT_ID}", b"")
    assert dict(sent.headers) == {"accept": "application/json", "x-api-key": API_KEY}


def test_the_origin_ip_is_never_told() -> None:
    client, http = open_client(answer({"payment_id": "1"}))
    create(client)
    assert "origin-ip" not in {name.lower() for name in http.sent[0].headers}


def test_lookups_are_auxiliary() -> None:
    client, http = open_client(answer({"estimated_amount": "49.91"}), answer({"min_amount": 2.5}))
    assert client.estimate(amount="49.9", currency_from="usd", currency_to="btc") == "49.91"
    assert str(client.minimum(coin="btc")) == "2.5"
    assert [(sent.url.removeprefix("https://api.nowpayments.io"), sent.is_auxiliary) for sent in http.sent] == [
        ("/v1/estimate?amount=49.9&currency_from=usd&currency_to=btc", True),
        ("/v1/min-amount?currency_from=btc&is_fixed_rate=false&is_fee_paid_by_user=false", True),
    ]


@pytest.mark.parametrize("member", ["selectedCurrencies", "currencies"])
def test_the_merchants_coins_are_read_in_both_shapes_and_cached(member: str) -> None:
    cache = MemoryCache()
    client, http = open_client(answer({member: ["BTC", "usdttrc20", "BTC", 7, "a b"]}), cache=cache)
    assert client.merchant_coins() == ("BTC", "USDTTRC20")
    assert client.merchant_coins() == ("BTC", "USDTTRC20")
    assert len(http.sent) == 1 and cache.seconds["merchant-coins"] == 300


def test_the_catalog_reads_network_precision_and_is_kept_a_day() -> None:
    rows = [
        {"code": "NEWA", "network": "NetA", "network_precision": "18", "precision": 8},
        {"code": "NEWB", "network": None, "network_precision": 6},
        {"code": "NEWC", "precision": 8},
        {"code": "NEWD", "network_precision": "99"},
        {"network_precision": "8"},
        "row",
    ]
    cache = MemoryCache()
    client, http = open_client(answer({"currencies": rows}), cache=cache)
    assert client.catalog() == client.catalog() == {"NEWA": [18, "NETA"], "NEWB": [6, None]}
    assert len(http.sent) == 1 and http.sent[0].is_auxiliary and cache.seconds["catalog"] == 86_400


def test_a_catalog_that_cannot_be_had_is_not_asked_again_at_once() -> None:
    cache = MemoryCache()
    client, http = open_client(answer({}, status=500), cache=cache)
    assert client.catalog() == client.catalog() == {}
    assert len(http.sent) == 1 and cache.seconds["catalog"] == 300


# --- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [get, create, invoice])
@pytest.mark.parametrize(
    ("status", "code", "kind", "ours"),
    [
        (400, "INVALID_REQUEST_PARAMS", RequestRejected, None),
        (400, "AMOUNT_MINIMAL_ERROR", RequestRejected, "amount_too_small"),
        (400, "AMOUNT_MAXIMAL_ERROR", RequestRejected, "amount_too_large"),
        (400, "CURRENCY_UNAVAILABLE", RequestRejected, "currency_unavailable"),
        (400, "BAD_REQUEST", RequestRejected, None),
        (400, "BAD_CREATE_WITHDRAWAL_REQUEST", RequestRejected, None),
        (400, None, RequestRejected, None),
        (401, "AUTH_REQUIRED", GatewayMisconfigured, None),
        (401, None, GatewayMisconfigured, None),
        (403, "INVALID_API_KEY", GatewayMisconfigured, None),
        (403, None, GatewayMisconfigured, None),
        (404, "NOT_FOUND", RequestRejected, "not_found"),
        (404, None, RequestRejected, "not_found"),
        (409, "CONFLICT", RequestRejected, None),
        (422, None, RequestRejected, None),
    ],
)
def test_every_refusal_of_the_page(call: Any, status: int, code: str | None, kind: Any, ours: str | None) -> None:
    error = raised(call, refusal(status, code))
    assert type(error) is kind
    assert (error.code, error.gateway_code, error.http_status) == (ours, code, status)
    assert error.request_id == "8f0a1b2c3d4e5f60-FRA"


HTML = b"<html><title>Attention Required! | Cloudflare</title></html>"


@pytest.mark.parametrize(
    ("call", "kind"), [(get, GatewayUnavailable), (create, OutcomeUnknown), (invoice, OutcomeUnknown)]
)
@pytest.mark.parametrize(
    "bad",
    [
        answer(text=HTML, status=401), answer(text=HTML, status=403), answer(text=HTML, status=404),
        answer(text=HTML, status=400), answer("text", status=403), answer([], status=404),
        answer({"message": "x"}, status=500), answer(text=HTML, status=502), answer(text=b"", status=503),
        answer(text=HTML, status=200), answer(text=b"", status=200), answer([], status=201), answer(None, status=200),
        answer(text=b'{"payment_id":1,"payment_id":2}', status=200), answer(text=b'{"payment_id":NaN}', status=200),
        answer({"payment_id": "1"}, status=302), NoAnswer("ReadTimeout"),
    ],
)  # fmt: skip
def test_what_says_nothing_is_unavailable_on_a_read_and_unknown_on_a_write(call: Any, kind: Any, bad: Answer) -> None:
    assert type(raised(call, bad)) is kind


@pytest.mark.parametrize("call", [get, create, invoice])
def test_what_was_never_sent_or_came_too_often_is_unavailable(call: Any) -> None:
    assert type(raised(call, NotSent("ConnectError"))) is GatewayUnavailable
    for body in (answer({"message": "slow down"}, status=429, headers={"Retry-After": "7"}),
                 answer(text=HTML, status=429, headers={"Retry-After": "7"})):  # fmt: skip
        error = raised(call, body)
        assert type(error) is GatewayUnavailable and (error.http_status, error.retry_after_seconds) == (429, 7.0)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "\u0667"}, None),
        ({"Retry-After": "Fri, 20 Nov 2026 12:00:30 GMT", "Date": "Fri, 20 Nov 2026 12:00:00 GMT"}, 30.0),
        ({"Retry-After": "Fri, 20 Nov 2026 12:00:30 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert raised(get, answer({}, status=429, headers=headers)).retry_after_seconds == seconds


def test_a_code_that_is_no_code_is_not_repeated() -> None:
    assert raised(get, refusal(400, f"bad key {API_KEY}")).gateway_code is None


def test_without_an_api_key_nothing_is_sent() -> None:
    client, http = open_client(api_key="  ")
    with pytest.raises(GatewayMisconfigured):
        create(client)
    assert http.sent == []


# --- login --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("jwt", "kept"),
    [
        (token(300), 270),
        (token(120), 90),
        (token(10**9), 3600),
        (token(None), 240),
        ("opaque-token", 240),
        ("a.%%%.b", None),
        (token(20), 0),
    ],
)
def test_the_login_token_is_kept_until_thirty_seconds_before_its_end(jwt: str, kept: int | None) -> None:
    cache = MemoryCache()
    client, http = open_client(answer({"token": jwt}), answer({"data": []}), cache=cache, **LOGIN)
    if kept is None:  # not a token at all: it could not even be sent in a header
        with pytest.raises(GatewayUnavailable):
            client.list_payments()
        assert len(http.sent) == 1
        return
    assert client.list_payments() == []
    assert http.sent[1].headers["authorization"] == f"Bearer {jwt}"
    assert cache.seconds.get("jwt", 0) == kept


def test_the_list_logs_in_once_and_sorts_newest_first() -> None:
    rows = [answered("waiting"), "row"]
    client, http = open_client(answer({"token": token(300)}), answer({"data": rows}), answer({"data": []}), **LOGIN)
    assert [row["order_id"] for row in client.list_payments(dateFrom="2026-11-19")] == ["ord-20260114-0007"]
    assert client.list_payments(page=1) == []
    login, first, second = http.sent
    assert (login.method, login.url, login.is_auxiliary) == ("POST", "https://api.nowpayments.io/v1/auth", True)
    assert json.loads(login.body) == {"email": EMAIL, "password": PASSWORD}
    assert dict(login.headers) == {"accept": "application/json", "content-type": "application/json"}
    base = "https://api.nowpayments.io/v1/payment/?limit=200&page="
    assert first.url == base + "0&sortBy=created_at&orderBy=desc&dateFrom=2026-11-19"
    assert second.url == base + "1&sortBy=created_at&orderBy=desc"
    assert first.headers["x-api-key"] == API_KEY and not first.is_auxiliary


def test_a_cached_token_that_was_refused_is_refreshed_once() -> None:
    cache = MemoryCache()
    cache.set("jwt", "old-token", seconds=60)
    refused = refusal(401, "AUTH_REQUIRED")
    client, http = open_client(refused, answer({"token": "new-token"}), answer({"data": []}), cache=cache, **LOGIN)
    assert client.list_payments() == []
    assert [sent.headers.get("authorization") for sent in http.sent] == ["Bearer old-token", None, "Bearer new-token"]
    assert cache.values["jwt"] == "new-token"


def test_a_second_401_is_misconfigured() -> None:
    refused = refusal(401, "AUTH_REQUIRED")
    client, http = open_client(refused, answer({"token": "t"}), refused, cache=(cache := MemoryCache()), **LOGIN)
    cache.set("jwt", "old-token", seconds=60)
    with pytest.raises(GatewayMisconfigured):
        client.list_payments()
    assert len(http.sent) == 3


@pytest.mark.parametrize("call", [get, create])
def test_a_401_of_a_call_that_should_need_only_the_key_is_repeated_with_a_login(call: Any) -> None:
    client, http = open_client(
        refusal(401, "AUTH_REQUIRED"), answer({"token": "fresh"}), answer({"payment_id": 7}), **LOGIN
    )
    assert call(client) == {"payment_id": 7}
    first, _, again = http.sent
    assert "authorization" not in first.headers and again.headers["authorization"] == "Bearer fresh"
    assert (first.method, first.url, first.body) == (again.method, again.url, again.body)


@pytest.mark.parametrize("call", [get, create])
@pytest.mark.parametrize("gone", [NotSent("ConnectError"), NoAnswer("ReadTimeout"), answer(text=HTML, status=502)])
def test_a_401_stands_where_the_key_alone_should_do_and_no_login_can_be_had(call: Any, gone: Answer) -> None:
    error = raised(call, refusal(401, "AUTH_REQUIRED"), gone, **LOGIN)
    assert (type(error), error.http_status) == (GatewayMisconfigured, 401)


def test_a_list_whose_token_cannot_be_refreshed_now_is_unavailable() -> None:
    cache = MemoryCache()
    cache.set("jwt", "old-token", seconds=60)
    client, _ = open_client(refusal(401, "AUTH_REQUIRED"), NotSent("ConnectError"), cache=cache, **LOGIN)
    with pytest.raises(GatewayUnavailable):
        client.list_payments()


def test_a_401_about_the_key_or_from_somebody_between_does_not_log_in() -> None:
    for bad in (refusal(401, "INVALID_API_KEY"), answer(text=HTML, status=401)):
        client, http = open_client(bad, **LOGIN)
        with pytest.raises(GatewayError):
            get(client)
        assert len(http.sent) == 1


@pytest.mark.parametrize("login", [{}, {"account_email": EMAIL}, {"account_password": PASSWORD}])
def test_a_list_without_a_whole_login_is_misconfigured_and_sends_nothing(login: dict[str, str]) -> None:
    client, http = open_client(**login)
    with pytest.raises(GatewayMisconfigured):
        client.list_payments()
    assert http.sent == []


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (refusal(401, "AUTH_REQUIRED"), GatewayMisconfigured),
        (refusal(403, None), GatewayMisconfigured),
        (refusal(400, "INVALID_REQUEST_PARAMS"), RequestRejected),
        (answer(text=HTML, status=403), GatewayUnavailable),
        (answer({}), GatewayUnavailable),
        (answer({"token": "a b\r\nx: y"}), GatewayUnavailable),
        (NoAnswer("ReadTimeout"), GatewayUnavailable),
        (answer({"message": "x"}, status=500), GatewayUnavailable),
    ],
)
def test_a_login_that_fails_has_the_class_of_a_read(bad: Answer, kind: Any) -> None:
    error = raised(lambda client: client.list_payments(), bad, **LOGIN)
    assert type(error) is kind and PASSWORD not in repr(vars(error))


def test_a_token_of_the_future_clock_is_judged_by_the_clock_given() -> None:
    http = FakeHttp([answer({"token": token(300)}), answer({"data": []})])
    cache = MemoryCache()
    config = Config.of({"api_key": API_KEY, **LOGIN}, mode=Mode.LIVE)
    late = fixed_clock(NOW + timedelta(seconds=200))
    NowPaymentsClient(config, http=http, cache=cache, clock=late).list_payments()
    assert cache.seconds["jwt"] == 70
