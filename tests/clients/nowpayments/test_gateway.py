"""The port's verbs: what is asked in which order, and what the platform hears."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from clients.nowpayments.gateway import NowPaymentsGateway
from core.gateways.errors import GatewayMisconfigured, GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.port import CanCapture, CanListCurrencies, CanRefund, CanVoid
from core.gateways.testing import Answer, FakeHttp, MemoryCache, Script, answer, fixed_clock, wire_fields
from core.gateways.types import (
    Attention,
    CaptureMode,
    Mode,
    NotFound,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Redirect,
    Report,
    ShowAddress,
)
from core.http import HttpRequest, HttpResponse, NoAnswer, NotSent
from core.money import Money
from core.strict_json import loads
from tests.clients.nowpayments.wire import API_KEY, CHILD_ID, PAYMENT_ID, REFERENCE, SECRET, answered, child, payload

S, A = PaymentStatus, Attention
INVOICE_ID = "6401112233"
LOGIN = {"account_email": "desk@lab.example", "account_password": "invented-dashboard-password"}
TOKEN = answer({"token": "invented.token.value"})
COINS = answer({"selectedCurrencies": ["BTC", "USDTTRC20", "NEWCOIN"]})
ESTIMATE = answer(
    {"currency_from": "usd", "amount_from": 49.9, "currency_to": "usdttrc20", "estimated_amount": "49.91"}
)
MINIMUM = answer({"currency_from": "usdttrc20", "currency_to": "btc", "min_amount": 2.5})
LIST, AUTH, ONE = ("GET", "/v1/payment/"), ("POST", "/v1/auth"), ("GET", f"/v1/payment/{PAYMENT_ID}")
CHILD = ("GET", f"/v1/payment/{CHILD_ID}")
NOT_FOUND = answer(
    {"status": False, "statusCode": 404, "code": "NOT_FOUND", "message": "Payment not found"}, status=404
)


class Local(FakeHttp):
    """A transport whose hosts are played at another address, as the local settings do."""

    def browser_url(self, url: str) -> str:
        return url.replace("https://nowpayments.io", "http://127.0.0.1:9000/nowpayments.io")


def open_gateway(
    http: FakeHttp, *, mode: Mode = Mode.LIVE, cache: MemoryCache | None = None, **more: Any
) -> NowPaymentsGateway:
    known = {"api_key": API_KEY, "ipn_secret": SECRET, **more}
    return NowPaymentsGateway(known, mode=mode, http=http, cache=cache or MemoryCache(), clock=fixed_clock())


def request(pay_currency: str | None = "usdttrc20", **changes: Any) -> PaymentRequest:
    known: dict[str, Any] = {
        "reference": REFERENCE,
        "amount": Money(4990, "USD"),
        "idempotency_key": "key-1",
        "webhook_url": "https://pay.example.com/payments/webhook/nowpayments/token",
        "return_url": "https://pay.example.com/p/abc/return",
        "pay_currency": pay_currency,
        **changes,
    }
    return PaymentRequest(**known)


def created(**changes: Any) -> HttpResponse:
    return answer({**_plain(loads(payload("payment_created.json"))), **changes}, status=201)


def _plain(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: str(value) if name in {"price_amount", "pay_amount", "amount_received"} else value
            for name, value in body.items()}  # fmt: skip


def paths(http: FakeHttp) -> list[str]:
    return [f"{one.method} /{one.url.split('/', 3)[3].split('?')[0]}" for one in http.sent]


def initiate(*answers: Answer, asked: PaymentRequest | None = None, **more: Any) -> tuple[Report, FakeHttp]:
    http = FakeHttp(answers)
    return open_gateway(http, **more).initiate(asked or request()), http


def names(gateway_reference: str | None = PAYMENT_ID, *others: str, **changes: Any) -> PaymentNames:
    known: dict[str, Any] = {"reference": REFERENCE, "gateway_reference": gateway_reference, "other_references": others}
    return PaymentNames(**{**known, **changes})


def fetch(script: Script, asked: PaymentNames | None = None, **more: Any) -> tuple[Report | NotFound, FakeHttp]:
    http = FakeHttp(script)
    return open_gateway(http, **more).fetch_payment(asked or names()), http


def fetched(script: Script, asked: PaymentNames | None = None, **more: Any) -> Report:
    found, _ = fetch(script, asked, **more)
    assert isinstance(found, Report)
    return found


def listed(*rows: dict[str, Any]) -> HttpResponse:
    return answer({"data": list(rows), "limit": 200, "page": 0, "pagesCount": 1, "total": len(rows)})


# --- initiate with a coin -----------------------------------------------------------------------------------------


def test_with_a_coin_the_address_is_shown_after_a_preflight() -> None:
    report, http = initiate(COINS, ESTIMATE, MINIMUM, created())
    assert paths(http) == ["GET /v1/merchant/coins", "GET /v1/estimate", "GET /v1/min-amount", "POST /v1/payment"]
    assert [one.is_auxiliary for one in http.sent] == [True, True, True, False]
    assert http.sent[3].body.startswith(b'{"price_amount":49.9,"price_currency":"usd","order_id":"ord-20260114-0007",')
    assert (report.status, report.captured_minor, report.attention) == (S.REQUIRES_ACTION, 0, None)
    assert (report.reference, report.gateway_reference) == (REFERENCE, PAYMENT_ID)
    assert (report.asset, report.amount_minor) == ("USD", 4990)
    assert report.next_action == ShowAddress(
        address="TExampleDepositAddressAAAAAAAAAAAA",
        asset="USDTTRC20",
        network="Tron (TRX)",
        amount_minor=49_912_345,
        amount_text="49.912345",
        memo=None,
        expires_at=datetime(2026, 1, 14, 11, 40, tzinfo=UTC),
        uri="TExampleDepositAddressAAAAAAAAAAAA",
    )
    assert report.coin is not None
    assert (report.coin.code, report.coin.network, report.coin.arrived_minor) == ("USDTTRC20", "trx", None)


@pytest.mark.parametrize("spelled", ["usdttrc20", "USDTTRC20", " UsdtTrc20 "])
def test_the_coin_is_compared_without_case_and_sent_in_lower_case(spelled: str) -> None:
    _, http = initiate(COINS, ESTIMATE, MINIMUM, created(), asked=request(spelled))
    assert wire_fields(http.sent[3])["pay_currency"] == "usdttrc20"


@pytest.mark.parametrize("broken", [NotSent("x"), NoAnswer("x"), answer({}, status=500), answer({}, status=400),
                                    answer({"message": "no"}, status=403), answer(text=b"<html>", status=200),
                                    answer({"selectedCurrencies": []})])  # fmt: skip
def test_a_preflight_that_cannot_be_had_does_not_block(broken: Answer) -> None:
    script: dict[tuple[str, str], Any] = {
        ("GET", "/v1/merchant/coins"): broken,
        ("GET", "/v1/estimate"): broken,
        ("GET", "/v1/min-amount"): broken,
        ("POST", "/v1/payment"): created(),
    }
    report = open_gateway(FakeHttp(script)).initiate(request())
    assert report.gateway_reference == PAYMENT_ID


def test_the_first_lookup_that_is_not_answered_is_the_last() -> None:
    _, http = initiate(NoAnswer("ReadTimeout"), created())
    assert paths(http) == ["GET /v1/merchant/coins", "POST /v1/payment"]


def test_estimate_and_minimum_that_say_nothing_do_not_block() -> None:
    report, _ = initiate(COINS, answer({"estimated_amount": None}), answer({"min_amount": "?"}), created())
    assert report.gateway_reference == PAYMENT_ID


def test_a_coin_that_is_not_switched_on_is_refused_before_anything_is_created() -> None:
    http = FakeHttp([COINS])
    with pytest.raises(RequestRejected) as caught:
        open_gateway(http).initiate(request("doge"))
    assert caught.value.code == "currency_unavailable"
    assert paths(http) == ["GET /v1/merchant/coins"]


@pytest.mark.parametrize(("estimate", "is_refused"), [("2.574", True), ("2.575", False), (2.5, True), (2.6, False)])
def test_an_amount_within_three_percent_of_the_minimum_is_refused(estimate: Any, is_refused: bool) -> None:
    http = FakeHttp([COINS, answer({"estimated_amount": estimate}), MINIMUM, created()])
    gateway = open_gateway(http)
    if not is_refused:
        assert gateway.initiate(request()).gateway_reference == PAYMENT_ID
        return
    with pytest.raises(RequestRejected) as caught:
        gateway.initiate(request())
    assert caught.value.code == "amount_too_small" and len(http.sent) == 3


def test_a_price_in_the_coin_itself_needs_no_estimate() -> None:
    http = FakeHttp([COINS, MINIMUM])
    with pytest.raises(RequestRejected) as caught:
        open_gateway(http).initiate(request(amount=Money(2_000_000, "USDTTRC20")))
    assert caught.value.code == "amount_too_small"
    assert paths(http) == ["GET /v1/merchant/coins", "GET /v1/min-amount"]


def test_the_enabled_coins_are_asked_once_in_five_minutes() -> None:
    cache = MemoryCache()
    initiate(COINS, ESTIMATE, MINIMUM, created(), cache=cache)
    _, http = initiate(ESTIMATE, MINIMUM, created(), cache=cache)
    assert paths(http)[0] == "GET /v1/estimate"


def test_a_cached_value_that_is_no_list_of_coins_is_ignored() -> None:
    cache = MemoryCache()
    for name in ("merchant-coins", "catalog"):
        cache.set(name, "not-a-coin", seconds=60)
    report, http = initiate(COINS, ESTIMATE, MINIMUM, created(), cache=cache)
    assert report.gateway_reference == PAYMENT_ID and len(http.sent) == 4


@pytest.mark.parametrize("coin", ["", " ", "usdt/trc20", "b", "\u20bf\u20bf", "x" * 33])
def test_what_is_no_coin_code_is_refused_and_nothing_is_sent(coin: str) -> None:
    http = FakeHttp()
    with pytest.raises(RequestRejected) as caught:
        open_gateway(http).initiate(request(coin))
    assert caught.value.code == "currency_unavailable" and http.sent == []


def test_coins_cannot_be_held() -> None:
    http = FakeHttp()
    with pytest.raises(RequestRejected):
        open_gateway(http).initiate(request(capture=CaptureMode.MANUAL))
    assert http.sent == []
    gateway = open_gateway(http)
    assert not isinstance(gateway, (CanCapture, CanVoid, CanRefund)) and isinstance(gateway, CanListCurrencies)


@pytest.mark.parametrize("change", [{"payment_id": None}, {"pay_address": None}, {"pay_amount": None},
                                    {"pay_currency": "btc"}, {"order_id": "ord-other"}])  # fmt: skip
def test_a_create_whose_answer_cannot_be_shown_is_unknown(change: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknown):
        initiate(COINS, ESTIMATE, MINIMUM, created(**change))


def test_an_answer_that_echoes_no_order_id_is_still_ours() -> None:
    report, _ = initiate(COINS, ESTIMATE, MINIMUM, created(order_id=None))
    assert report.reference == REFERENCE


def test_a_memo_and_an_unknown_coin_are_shown_with_what_the_gateways_list_says() -> None:
    catalog = answer({"currencies": [{"code": "NEWCOIN", "network": "newnet", "network_precision": "9"}]})
    body = created(pay_currency="newcoin", payin_extra_id="778899", network=None)
    report, http = initiate(COINS, ESTIMATE, MINIMUM, body, catalog, asked=request("newcoin"))
    assert paths(http)[-1] == "GET /v1/full-currencies" and http.sent[-1].is_auxiliary
    assert isinstance(report.next_action, ShowAddress)
    shown = report.next_action
    assert (shown.memo, shown.network, shown.amount_minor) == ("778899", "newnet", 49_912_345_000)


def test_an_unknown_coin_without_that_list_has_an_exact_text_and_no_minor_units() -> None:
    body = created(pay_currency="newcoin", network=None)
    report, _ = initiate(COINS, ESTIMATE, MINIMUM, body, NoAnswer("x"), asked=request("newcoin"))
    assert isinstance(report.next_action, ShowAddress)
    assert (report.next_action.amount_minor, report.next_action.amount_text) == (None, "49.912345")


# --- initiate without a coin ----------------------------------------------------------------------------------------


def invoice(**changes: Any) -> HttpResponse:
    url = f"https://nowpayments.io/payment/?iid={INVOICE_ID}"
    return answer({"id": INVOICE_ID, "order_id": REFERENCE, "invoice_url": url, "pay_currency": None, **changes})


def test_without_a_coin_the_customer_goes_to_the_gateways_page() -> None:
    report, http = initiate(invoice(), asked=request(None))
    assert paths(http) == ["POST /v1/invoice"]
    assert report.next_action == Redirect(url=f"https://nowpayments.io/payment/?iid={INVOICE_ID}")
    assert (report.status, report.captured_minor) == (S.REQUIRES_ACTION, 0)
    assert (report.reference, report.gateway_reference, report.coin) == (REFERENCE, f"invoice:{INVOICE_ID}", None)


def test_the_page_may_be_played_locally() -> None:
    local = f"http://127.0.0.1:9000/nowpayments.io/payment/?iid={INVOICE_ID}"
    for url in (f"https://nowpayments.io/payment/?iid={INVOICE_ID}", local):
        report = open_gateway(Local([invoice(invoice_url=url)])).initiate(request(None))
        assert report.next_action == Redirect(url=local)


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/payment/?iid=1", "http://nowpayments.io/payment/", "https://nowpayments.io.evil.example/",
     "https://sandbox.nowpayments.io/payment/?iid=1", "javascript:alert(1)", "https://user@nowpayments.io@evil.example/",
     "http://127.0.0.1:9000/nowpayments.io/payment/", "https://nowpayments.io\\@evil.example/", "https://[bad/"],
)  # fmt: skip
def test_a_page_on_another_host_is_not_shown(url: str) -> None:
    with pytest.raises(OutcomeUnknown):
        initiate(invoice(invoice_url=url), asked=request(None))


@pytest.mark.parametrize("change", [{"id": None}, {"invoice_url": None}, {"order_id": "ord-other"}])
def test_an_invoice_that_cannot_be_read_is_unknown(change: dict[str, Any]) -> None:
    with pytest.raises(OutcomeUnknown):
        initiate(invoice(**change), asked=request(None))


# --- fetch by payment id ------------------------------------------------------------------------------------------------


def test_a_payment_is_asked_for_by_its_id() -> None:
    found, http = fetch([answer(answered("finished"))])
    assert isinstance(found, Report)
    assert (found.status, found.captured_minor, found.gateway_reference) == (S.CAPTURED, 4990, PAYMENT_ID)
    assert found.next_action is None
    assert paths(http) == [f"GET /v1/payment/{PAYMENT_ID}"] and not http.sent[0].is_auxiliary


def test_an_unknown_id_is_not_found() -> None:
    assert isinstance(fetch([NOT_FOUND])[0], NotFound)


@pytest.mark.parametrize(
    "body",
    [answered(payment_id=int(CHILD_ID)), answered(order_id="ord-other"), answered(payment_status=None),
     answered(payment_id=None), {}, answered(payment_id=4101567823.5)],
)  # fmt: skip
def test_an_answer_about_something_else_teaches_nothing(body: dict[str, Any]) -> None:
    with pytest.raises(GatewayUnavailable):
        fetch([answer(body)])


def test_a_null_order_id_is_no_contradiction() -> None:
    report = fetched([answer(answered(order_id=None))])
    assert (report.reference, report.captured_minor) == (None, 4990)


def short(**changes: Any) -> HttpResponse:
    return answer(answered("partially_paid", actually_paid=25.5, payment_extra_ids=[int(CHILD_ID)], **changes))


def test_short_first_then_completed_by_a_child_is_captured_once() -> None:
    found, http = fetch([short(), answer(child())])
    assert isinstance(found, Report)
    assert (found.status, found.captured_minor, found.attention) == (S.CAPTURED, 4990, None)
    assert found.other_references == (CHILD_ID,)
    assert [one.is_auxiliary for one in http.sent] == [False, True]


def test_a_child_named_twice_is_read_and_summed_once() -> None:
    body = answered("partially_paid", actually_paid=25.5, payment_extra_ids=[int(CHILD_ID), CHILD_ID, int(PAYMENT_ID)])
    found, http = fetch([answer(body), answer(child())], names(PAYMENT_ID, CHILD_ID))
    # Read once as a known name of the payment, so not again as its child.
    assert isinstance(found, Report) and found.captured_minor == 4990 and len(http.sent) == 2


def test_paid_twice_is_overpaid() -> None:
    body = answered("finished", payment_extra_ids=[int(CHILD_ID)])
    report = fetched([answer(body), answer(child(pay_amount=49.912345, actually_paid=49.912345))])
    assert (report.status, report.captured_minor, report.attention) == (S.CAPTURED, 9980, A.OVERPAID)


@pytest.mark.parametrize(
    "unreadable",
    [NOT_FOUND, NotSent("x"), NoAnswer("x"), answer({}, status=500), answer({"payment_id": 7}), answer(text=b"<html>"),
     answer(child(payment_id=int(PAYMENT_ID))), answer(child(parent_payment_id=777)), answer(child(payment_status=None))],
)  # fmt: skip
def test_a_child_that_cannot_be_read_leaves_the_sum_as_it_was(unreadable: Answer) -> None:
    report = fetched([short(), unreadable])
    assert (report.status, report.captured_minor, report.attention) == (S.PENDING, 2549, A.UNDERPAID)


def test_the_child_that_brought_the_hint_counts_before_its_parent_names_it() -> None:
    body = answered("partially_paid", actually_paid=25.5)
    found, http = fetch([answer(body), answer(child())], names(PAYMENT_ID, CHILD_ID))
    assert isinstance(found, Report)
    assert (found.status, found.captured_minor) == (S.CAPTURED, 4990)
    assert http.sent[1].is_auxiliary


def test_another_known_payment_without_this_parent_is_not_its_child() -> None:
    body = answered("partially_paid", actually_paid=25.5)
    stranger = child(parent_payment_id=None, invoice_id=None)
    report = fetched([answer(body), answer(stranger)], names(PAYMENT_ID, CHILD_ID))
    assert (report.status, report.captured_minor, report.other_references) == (S.PENDING, 2549, ())


def test_a_wrong_asset_at_the_address_is_never_summed() -> None:
    report = fetched([short(), answer(child(pay_currency="btc"))])
    assert (report.status, report.captured_minor, report.attention) == (S.PENDING, 2549, A.MISMATCH)


def test_a_child_asked_for_by_its_own_id_is_a_hint_about_its_parent() -> None:
    report = fetched([answer(child())], names(CHILD_ID))
    assert (report.status, report.is_hint, report.gateway_reference) == (S.PENDING, True, PAYMENT_ID)
    assert report.captured_minor is None


@pytest.mark.parametrize(
    "error", [NotSent("x"), NoAnswer("x"), answer({}, status=500), answer(text=b"<html>", status=404)]
)
def test_a_query_without_an_answer_is_unavailable(error: Answer) -> None:
    with pytest.raises(GatewayUnavailable):
        fetch([error])


# --- fetch by invoice -----------------------------------------------------------------------------------------------------


def row(word: str, **changes: Any) -> dict[str, Any]:
    return answered(word, **{"invoice_id": int(INVOICE_ID), **changes})


INVOICE_NAMES = names(f"invoice:{INVOICE_ID}")


def test_an_invoice_without_login_teaches_nothing_and_sends_nothing() -> None:
    http = FakeHttp()
    with pytest.raises(OutcomeUnknown) as caught:
        open_gateway(http).fetch_payment(INVOICE_NAMES)
    assert caught.value.code == "login_needed" and http.sent == []


def test_an_invoice_of_which_no_payment_is_known_requires_action() -> None:
    found, http = fetch([TOKEN, listed()], INVOICE_NAMES, **LOGIN)
    assert isinstance(found, Report)
    assert (found.status, found.captured_minor) == (S.REQUIRES_ACTION, 0)
    assert (found.reference, found.gateway_reference) == (REFERENCE, f"invoice:{INVOICE_ID}")
    assert f"invoiceId={INVOICE_ID}" in http.sent[1].url and not http.sent[1].is_auxiliary


def test_the_payment_of_an_invoice_takes_its_place() -> None:
    report = fetched([TOKEN, listed(row("finished"))], INVOICE_NAMES, **LOGIN)
    assert (report.status, report.captured_minor, report.gateway_reference) == (S.CAPTURED, 4990, PAYMENT_ID)
    assert report.other_references == (f"invoice:{INVOICE_ID}",)


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        (("waiting", "expired", "finished"), 2),
        (("waiting", "confirming", "failed"), 1),
        (("expired", "waiting"), 1),
        (("waiting", "waiting"), 0),
        (("failed", "expired"), 0),
    ],
)
def test_of_several_payments_of_an_invoice_the_furthest_counts(words: tuple[str, ...], chosen: int) -> None:
    rows = [row(word, payment_id=7001 + place) for place, word in enumerate(words)]
    assert fetched([TOKEN, listed(*rows)], INVOICE_NAMES, **LOGIN).gateway_reference == str(7001 + chosen)


def test_money_that_arrived_outweighs_every_word() -> None:
    rows = [row("waiting", payment_id=7001), row("expired", payment_id=7002, actually_paid=25.5)]
    report = fetched([TOKEN, listed(*rows)], INVOICE_NAMES, **LOGIN)
    assert (report.gateway_reference, report.attention) == ("7002", A.UNDERPAID)


def test_children_in_the_list_of_an_invoice_are_not_asked_for_again() -> None:
    parent = row("partially_paid", actually_paid=25.5, payment_extra_ids=[int(CHILD_ID)])
    found, http = fetch([TOKEN, listed(child(invoice_id=int(INVOICE_ID)), parent)], INVOICE_NAMES, **LOGIN)
    assert isinstance(found, Report)
    assert (found.captured_minor, found.gateway_reference, len(http.sent)) == (4990, PAYMENT_ID, 2)


def test_rows_of_other_invoices_and_unreadable_rows_are_passed_over() -> None:
    rows = [row("finished", invoice_id=1, order_id="x"), {"payment_id": "?"}, row("waiting")]
    assert fetched([TOKEN, listed(*rows)], INVOICE_NAMES, **LOGIN).status is S.REQUIRES_ACTION


def test_without_login_an_invoice_is_known_by_the_payments_its_callbacks_named() -> None:
    asked = names(f"invoice:{INVOICE_ID}", "7001", "7002")
    report = fetched([answer(row("expired", payment_id=7001)), answer(row("finished", payment_id=7002))], asked)
    assert (report.gateway_reference, report.captured_minor) == ("7002", 4990)


def test_an_empty_list_of_an_invoice_is_completed_by_the_payment_we_know() -> None:
    asked = names(PAYMENT_ID, f"invoice:{INVOICE_ID}")
    report = fetched([TOKEN, listed(), answer(row("finished"))], asked, **LOGIN)
    assert (report.gateway_reference, report.captured_minor) == (PAYMENT_ID, 4990)


def test_a_login_that_is_refused_is_misconfigured() -> None:
    with pytest.raises(GatewayMisconfigured):
        fetch([answer({"message": "no"}, status=401)], INVOICE_NAMES, **LOGIN)


# --- fetch after a lost answer ------------------------------------------------------------------------------------------------


LOST = names(None, created_at=datetime(2026, 11, 20, 0, 5, tzinfo=UTC))


def test_a_lost_create_is_found_in_the_list_and_its_address_shown() -> None:
    others = [answered("finished", order_id="ord-other", payment_id=7001), {"junk": 1}]
    found, http = fetch([TOKEN, listed(*others, answered("waiting", payin_extra_id="77"))], LOST, **LOGIN)
    assert isinstance(found, Report)
    assert (found.status, found.gateway_reference) == (S.REQUIRES_ACTION, PAYMENT_ID)
    assert isinstance(found.next_action, ShowAddress)
    assert (found.next_action.address, found.next_action.memo) == ("TExampleDepositAddressAAAAAAAAAAAA", "77")
    assert "dateFrom=2026-11-19" in http.sent[1].url


def test_a_lost_create_that_was_paid_has_nothing_left_to_show() -> None:
    report = fetched([TOKEN, listed(answered("finished"))], LOST, **LOGIN)
    assert (report.captured_minor, report.next_action) == (4990, None)


def test_a_lost_create_that_no_list_knows_is_not_found() -> None:
    assert isinstance(fetch([TOKEN, listed(answered(order_id="ord-other"))], LOST, **LOGIN)[0], NotFound)


def test_a_child_with_our_order_id_is_not_the_lost_create() -> None:
    assert isinstance(fetch([TOKEN, listed(child())], LOST, **LOGIN)[0], NotFound)


def test_without_login_a_lost_create_is_not_found_for_its_address_was_never_shown() -> None:
    found, http = fetch([], LOST)
    assert isinstance(found, NotFound) and http.sent == []


def test_what_was_once_acknowledged_is_never_called_not_found_without_looking() -> None:
    with pytest.raises(OutcomeUnknown):
        fetch([], names(None, acknowledged=True))


def test_the_search_goes_on_to_the_next_page_and_stops_at_the_last() -> None:
    full = listed(*[answered(order_id="ord-other")] * 200)
    found, http = fetch([TOKEN, full, listed(answered("waiting"))], LOST, **LOGIN)
    assert isinstance(found, Report) and found.gateway_reference == PAYMENT_ID
    assert "page=1&" in http.sent[2].url


def test_an_endless_list_is_not_called_not_found() -> None:
    full = listed(*[answered(order_id="ord-other")] * 200)
    http = FakeHttp({AUTH: TOKEN, LIST: full})
    with pytest.raises(GatewayUnavailable):
        open_gateway(http, **LOGIN).fetch_payment(LOST)
    assert len(http.sent) == 11


def test_an_unreadable_list_teaches_nothing() -> None:
    with pytest.raises(GatewayUnavailable):
        fetch([TOKEN, answer({"data": None})], LOST, **LOGIN)


@pytest.mark.parametrize("name", ["../auth", "4101567823/x", "12 34", "\u0661", "invoice:", "invoice:x"])
def test_a_name_that_is_no_id_never_reaches_a_path(name: str) -> None:
    found, http = fetch([], names(name, name))
    assert isinstance(found, NotFound) and http.sent == []


# --- credentials and coins --------------------------------------------------------------------------------------------------


def check(*answers: Answer, **more: Any) -> Any:
    http = FakeHttp(answers)
    return open_gateway(http, **more).check_credentials(), http


def test_a_good_key_is_proved_by_its_coins_and_a_login_by_a_token() -> None:
    found, http = check(COINS, TOKEN, mode=Mode.TEST, **LOGIN)
    assert (found.ok, found.message, found.mode) == (True, "The API key works.", Mode.TEST)
    assert found.details["coins"] == "BTC, USDTTRC20, NEWCOIN" and found.details["dashboard login"] == "works"
    assert paths(http) == ["GET /v1/merchant/coins", "POST /v1/auth"]


def test_a_cached_answer_proves_no_key() -> None:
    cache = MemoryCache()
    cache.set("merchant-coins", "BTC", seconds=60)
    cache.set("jwt", "old", seconds=60)
    found, http = check(COINS, TOKEN, cache=cache, **LOGIN)
    assert found.ok and len(http.sent) == 2


def test_a_bad_key_a_bad_login_and_a_missing_secret_are_told_apart() -> None:
    bad = answer({"code": "INVALID_API_KEY", "message": "Invalid api key"}, status=403)
    refused = answer({"message": "no"}, status=401)
    cases = [check(bad), check(COINS, refused, **LOGIN), check(COINS, ipn_secret="short"), check(api_key="")]
    assert [found.ok for found, _ in cases] == [False] * 4
    texts = [found.message for found, _ in cases]
    assert len(set(texts)) == 4 and "IPN secret" in texts[2] and "login" in texts[1]


@pytest.mark.parametrize("error", [NotSent("x"), NoAnswer("x"), answer({}, status=500), answer({}, status=429)])
def test_a_check_that_cannot_be_made_is_unavailable(error: Answer) -> None:
    for answers in ([error], [COINS, error]):
        with pytest.raises(GatewayUnavailable):
            check(*answers, **LOGIN)


def test_the_coins_of_the_account_are_listed() -> None:
    http = FakeHttp([COINS])
    gateway = open_gateway(http)
    assert gateway.list_pay_currencies() == ("BTC", "USDTTRC20", "NEWCOIN")
    assert gateway.list_pay_currencies() == ("BTC", "USDTTRC20", "NEWCOIN")
    assert len(http.sent) == 1 and isinstance(http.sent[0], HttpRequest)
