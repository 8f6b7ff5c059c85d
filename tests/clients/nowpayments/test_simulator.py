"""The simulated NOWPayments, driven over HTTP as the protocol page describes it."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from clients.nowpayments.simulator_text import INDEX_OBJECTS, KEPT, in_order, number_text, sign, stringify
from clients.simulator.testing import Simulator, running_simulator
from tests.clients.simulator.receiver import LOOPBACK, Receiver, running_receiver

SLUG = "nowpayments"
LIVE, TEST = "LIVEKEY-1", "TESTKEY-1"
SECRET = "doc-ipn-secret-A1"
ADDRESS = "TExamplePayoutAddressBBBBBBBBBBBBB"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator({SLUG: "clients.nowpayments.simulator:NowPaymentsSimulator"}, retry_factor=0.1) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    running.reset(accounts=True)
    login = {"account_email": "lab@example.com", "account_password": "pass-word"}
    running.register(SLUG, mode="live", credentials={"api_key": LIVE, "ipn_secret": f" {SECRET}\n", **login})
    running.register(SLUG, mode="test", credentials={"api_key": TEST, "ipn_secret": "other-secret"})
    return running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as one:
        yield one


@pytest.fixture
def api(simulator: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{simulator.url}/api.nowpayments.io", headers={"x-api-key": LIVE}, **LOOPBACK
    ) as client:
        yield client


@pytest.fixture
def sandbox(simulator: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{simulator.url}/api-sandbox.nowpayments.io", headers={"x-api-key": TEST}, **LOOPBACK
    ) as client:
        yield client


def create(api: httpx.Client, **members: Any) -> dict[str, Any]:
    wish = {"price_amount": 49.9, "price_currency": "usd", "pay_currency": "usdttrc20", "order_id": "o-1", **members}
    answer = api.post("/v1/payment", json=wish)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def fetch(api: httpx.Client, number: str | int) -> dict[str, Any]:
    return dict(json.loads(api.get(f"/v1/payment/{number}").text, parse_float=Decimal))


def book(simulator: Simulator) -> tuple[str, str, str]:
    (line,) = simulator.books(SLUG)
    return line["captured"], line["asset"], line["status"]


def statuses(receiver: Receiver) -> list[tuple[str, int | None]]:
    bodies = [json.loads(one.body) for one in receiver.received]
    return [(body["payment_status"], body["parent_payment_id"]) for body in bodies]


def token(api: httpx.Client) -> dict[str, str]:
    answer = api.post("/v1/auth", json={"email": "lab@example.com", "password": "pass-word"})
    return {"Authorization": f"Bearer {answer.json()['token']}"}


# --- the text and its signature ------------------------------------------------------------------------------------

VECTOR_1 = (
    '{"payment_id":4101567823,"parent_payment_id":null,"invoice_id":6401112233,"payment_status":"finished",'
    '"pay_address":"TExampleDepositAddressAAAAAAAAAAAA","payin_extra_id":null,"price_amount":49.9,'
    '"price_currency":"usd","pay_amount":49.912345,"actually_paid":49.912345,"actually_paid_at_fiat":49.9,'
    '"pay_currency":"usdttrc20","order_id":"ord-20260114-0007","order_description":"Plan café / 1 mo",'
    '"purchase_id":"5120098877","outcome_amount":0.00051234,"outcome_currency":"btc","payment_extra_ids":null,'
    '"fee":{"currency":"btc","depositFee":0.000061,"withdrawalFee":0,"serviceFee":2.5e-7},"updated_at":1768392000123}'
)
SIGNATURE_1 = (
    "ac0766dc39d1e4eddd8fad11903e5f583d069c80cd7aa59bf0dc6558c76a718d"
    "768ef46c2667ce9a7b3294fb9b4c5bc376103d40d078a2f0d6fc0ba73ff31fe4"
)
VECTOR_2 = (
    '{"payment_status":"partially_paid","payment_id":4101568001,"payment_extra_ids":[4101568044,4101568002],'
    '"fee":{"withdrawalFee":0,"currency":"trx","serviceFee":0.25,"depositFee":1.1}}'
)


def parsed(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def test_the_pages_first_vector_is_signed_to_the_byte() -> None:
    assert stringify(parsed(VECTOR_1)) == VECTOR_1  # its own printing keeps what JavaScript printed
    assert sign(parsed(VECTOR_1), SECRET) == SIGNATURE_1


def test_the_pages_second_vector_is_signed_in_both_array_forms() -> None:
    assert sign(parsed(VECTOR_2), SECRET, arrays=KEPT) == (
        "1091d39488bca607b355446431c806ec44cb4fb1355709bf5c3cf6fb7592350a"
        "8fb5cd44c74ee27d37294d7f590aeaf9c6105b834d05f81feb623ea6d45bba8d"
    )
    assert sign(parsed(VECTOR_2), SECRET, arrays=INDEX_OBJECTS) == (
        "5c0496b32925703c003e996a16600faae64017093f7dbea71d157c7144fa1a53"
        "b159afff6596e04101a96a9551612c2fcbddc051a9f8acf857b994fb3b2dc919"
    )


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("17.0", "17"),
        ("640000.0", "640000"),
        ("6.1e-05", "0.000061"),
        ("0.000001", "0.000001"),
        ("4E-7", "4e-7"),
        ("2.5e-7", "2.5e-7"),
        ("1e20", "100000000000000000000"),
        ("1e21", "1e+21"),
        ("12345678901234567890", "12345678901234567000"),
        ("-0", "0"),
        ("-1.5", "-1.5"),
        ("0.1", "0.1"),
        ("100", "100"),
    ],
)
def test_numbers_are_printed_as_javascript_prints_them(number: str, text: str) -> None:
    assert number_text(Decimal(number)) == text


def test_members_are_sorted_at_every_depth_with_array_indexes_first_by_number() -> None:
    ordered = in_order({"b": [{"z": 1, "a": 2}], "10": 0, "9": 0, "B": None})
    assert stringify(ordered) == '{"9":0,"10":0,"B":null,"b":[{"a":2,"z":1}]}'
    assert stringify('\u007f"\\/\n\x01é\ud800') == '"\u007f\\"\\\\/\\n\\u0001é\\ud800"'


# --- credentials and currencies ------------------------------------------------------------------------------------


def test_status_needs_no_key_and_everything_else_a_key_of_its_own_environment(simulator: Simulator) -> None:
    live, box = f"{simulator.url}/api.nowpayments.io/v1", f"{simulator.url}/api-sandbox.nowpayments.io/v1"
    with httpx.Client(**LOOPBACK) as client:
        assert client.get(f"{live}/status").json() == {"message": "OK"}
        for url, key in [(live, ""), (live, "nonsense"), (live, TEST), (box, LIVE)]:
            answer = client.get(f"{url}/merchant/coins", headers={"x-api-key": key})
            assert (answer.status_code, answer.json()["code"]) == (403, "INVALID_API_KEY")
        answer = client.get(f"{live}/merchant/coins", headers={"x-api-key": LIVE})
    assert "USDTTRC20" in answer.json()["selectedCurrencies"]
    assert "ZEC" not in answer.json()["selectedCurrencies"]


def test_estimates_are_text_minimums_numbers_and_decimals_text(api: httpx.Client) -> None:
    estimate = api.get("/v1/estimate", params={"amount": "49.9", "currency_from": "usd", "currency_to": "usdttrc20"})
    assert estimate.json()["estimated_amount"] == "49.914970"
    least = api.get("/v1/min-amount", params={"currency_from": "usdttrc20", "fiat_equivalent": "usd"}).json()
    assert (least["min_amount"], least["fiat_equivalent"]) == (2.0006, 2)
    rows = {row["code"]: row for row in api.get("/v1/full-currencies").json()["currencies"]}
    assert (rows["USDTBSC"]["network_precision"], rows["USDTBSC"]["precision"]) == ("18", 8)
    assert (rows["XRP"]["extra_id_exists"], rows["BTC"]["extra_id_exists"]) == (True, False)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"price_amount": "49.9"}, "INVALID_REQUEST_PARAMS"),
        ({"price_amount": 0}, "INVALID_REQUEST_PARAMS"),
        ({"price_amount": True}, "INVALID_REQUEST_PARAMS"),
        ({"price_currency": "jpy"}, "INVALID_REQUEST_PARAMS"),
        ({"pay_currency": None}, "INVALID_REQUEST_PARAMS"),
        ({"ipn_callback_url": "shop"}, "INVALID_REQUEST_PARAMS"),
        ({"is_fixed_rate": "true"}, "INVALID_REQUEST_PARAMS"),
        ({"colour": "red"}, "INVALID_REQUEST_PARAMS"),
        ({"case": "success"}, "INVALID_REQUEST_PARAMS"),  # sandbox only
        ({"payout_address": ADDRESS}, "INVALID_REQUEST_PARAMS"),
        ({"pay_currency": "zec"}, "CURRENCY_UNAVAILABLE"),
        ({"price_amount": 1.5}, "AMOUNT_MINIMAL_ERROR"),
        ({"price_amount": 2500, "pay_currency": "dash"}, "AMOUNT_MAXIMAL_ERROR"),
    ],
)
def test_a_wrong_order_is_refused_and_nothing_is_made(
    simulator: Simulator, api: httpx.Client, change: dict[str, Any], code: str
) -> None:
    wish = {"price_amount": 49.9, "price_currency": "usd", "pay_currency": "usdttrc20", **change}
    answer = api.post("/v1/payment", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert simulator.books(SLUG) == []


def test_a_form_is_no_order(api: httpx.Client) -> None:
    answer = api.post("/v1/payment", data={"price_amount": "49.9", "price_currency": "usd", "pay_currency": "btc"})
    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST_PARAMS")


# --- payments ------------------------------------------------------------------------------------------------------


def test_ids_are_text_on_create_and_numbers_when_read_and_only_the_creating_key_may_read(
    simulator: Simulator, api: httpx.Client, sandbox: httpx.Client
) -> None:
    made = create(api)
    assert isinstance(made["payment_id"], str)
    assert (made["pay_amount"], made["network"], made["payment_status"]) == (49.91497, "trx", "waiting")
    read = fetch(api, made["payment_id"])
    assert read["payment_id"] == int(made["payment_id"])
    assert read["purchase_id"] == int(made["purchase_id"])
    assert sandbox.get(f"/v1/payment/{made['payment_id']}").status_code == 404
    assert create(sandbox)["pay_amount"] == "49.914970"


def test_a_coin_with_a_memo_gets_one(api: httpx.Client) -> None:
    assert create(api, pay_currency="xrp")["payin_extra_id"].isdecimal()
    assert create(api, pay_currency="btc")["payin_extra_id"] is None


def test_an_exact_payment_goes_through_every_state_and_tells_each(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    made = create(api, ipn_callback_url=receiver.url)
    simulator.act(SLUG, "pay", made["payment_id"])
    simulator.wait_idle()
    assert [status for status, _ in statuses(receiver)] == ["confirming", "confirmed", "sending", "finished"]
    assert book(simulator) == ("49.90", "USD", "finished")
    last = receiver.received[-1]
    body = parsed(last.body.decode())
    assert (body["payment_id"], body["purchase_id"]) == (int(made["payment_id"]), made["purchase_id"])
    assert b'"depositFee":0.000061,"withdrawalFee":0,"serviceFee":2.5e-7' in last.body
    assert "café" in body["order_description"]
    assert len({parsed(one.body.decode())["updated_at"] for one in receiver.received}) == 4


def test_a_callback_is_signed_over_the_sorted_text_with_the_trimmed_secret(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    made = create(api, ipn_callback_url=receiver.url)
    simulator.act(SLUG, "pay", made["payment_id"])
    simulator.wait_idle()
    received = receiver.received[-1]
    # Sorted by hand: number tokens stay as they came, for they are JavaScript's own already.
    body = json.loads(received.body, parse_float=lambda token: _Raw(token), parse_int=lambda token: _Raw(token))
    text = _sorted_text(body)
    expected = hmac.new(SECRET.encode(), text.encode(), hashlib.sha512).hexdigest()
    assert received.headers["x-nowpayments-sig"] == expected
    assert received.headers["user-agent"] == "NOWPayments v1.0"
    raw = hmac.new(SECRET.encode(), received.body, hashlib.sha512).hexdigest()
    assert raw != expected


class _Raw(str):
    """A number token, printed without quotes."""


def _sorted_text(value: Any) -> str:
    if isinstance(value, _Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f'"{name}":{_sorted_text(value[name])}' for name in sorted(value)) + "}"
    return json.dumps(value, ensure_ascii=False)


def test_a_short_payment_is_partial_and_the_rest_is_a_child_of_its_own(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    made = create(api, ipn_callback_url=receiver.url)
    simulator.act(SLUG, "pay_short", made["payment_id"], amount="25.507")
    assert book(simulator) == ("25.49", "USD", "partially_paid")  # 49.9 * 25.507 / 49.91497 is 25.4993
    simulator.act(SLUG, "pay_rest", made["payment_id"])
    assert book(simulator) == ("49.90", "USD", "partially_paid")
    simulator.wait_idle()
    parent = int(made["payment_id"])
    told = statuses(receiver)
    assert [status for status, _ in told] == ["confirming", "confirmed", "sending", "partially_paid", "finished"]
    assert [origin for _, origin in told] == [None, None, None, None, parent]
    (child,) = fetch(api, parent)["payment_extra_ids"]
    read = fetch(api, child)
    assert (read["parent_payment_id"], read["order_id"]) == (parent, "o-1")
    assert (read["pay_amount"], read["actually_paid"]) == (Decimal("24.40797"), Decimal("24.40797"))


def test_too_much_too_late_twice_and_the_wrong_coin_are_booked_by_what_they_are_worth(
    simulator: Simulator, api: httpx.Client
) -> None:
    over, late, twice, wrong = (create(api, order_id=name)["payment_id"] for name in ("over", "late", "twice", "wrong"))
    simulator.act(SLUG, "pay_over", over)
    assert simulator.act(SLUG, "expire", late)["status"] == "expired"
    simulator.act(SLUG, "pay_late", late)
    simulator.act(SLUG, "pay_twice", twice)
    simulator.act(SLUG, "wrong_asset", wrong)
    simulator.act(SLUG, "wrong_asset", late)  # beside the right coins it counts no more than alone
    booked = {line["reference"]: (line["captured"], line["status"]) for line in simulator.books(SLUG)}
    assert booked == {
        "over": ("54.89", "finished"),
        "late": ("49.90", "finished"),
        "twice": ("99.80", "finished"),
        "wrong": ("0", "waiting"),
    }
    (child,) = fetch(api, wrong)["payment_extra_ids"]
    assert (fetch(api, child)["pay_currency"], fetch(api, child)["payment_status"]) == ("trx", "finished")


def test_failed_expired_and_refunded(simulator: Simulator, api: httpx.Client) -> None:
    failed, expired, refunded = (create(api, order_id=name)["payment_id"] for name in ("f", "e", "r"))
    simulator.act(SLUG, "fail", failed)
    simulator.advance(7 * 24 * 3600 + 1)
    assert fetch(api, expired)["payment_status"] == "expired"
    simulator.act(SLUG, "pay_late", refunded)
    simulator.act(SLUG, "refund", refunded)
    booked = {line["reference"]: (line["captured"], line["refunded"], line["status"]) for line in simulator.books(SLUG)}
    assert booked == {"f": ("0", "0", "failed"), "e": ("0", "0", "expired"), "r": ("49.90", "49.90", "refunded")}
    with pytest.raises(ValueError, match="known: pay, confirm"):
        simulator.act(SLUG, "dance", failed)


def test_confirmations_can_be_held_back(simulator: Simulator, api: httpx.Client) -> None:
    number = create(api)["payment_id"]
    assert simulator.act(SLUG, "pay", number, stop_at="confirming")["status"] == "confirming"
    assert book(simulator) == ("0", "USD", "confirming")
    assert simulator.act(SLUG, "confirm", number)["status"] == "finished"
    assert book(simulator) == ("49.90", "USD", "finished")


def test_a_fixed_rate_is_watched_for_twenty_minutes_only(simulator: Simulator, api: httpx.Client) -> None:
    fixed, floating = (
        create(api, order_id="x", is_fixed_rate=True)["payment_id"],
        create(api, order_id="y")["payment_id"],
    )
    simulator.advance(20 * 60 + 1)
    assert fetch(api, fixed)["payment_status"] == "expired"
    assert fetch(api, floating)["payment_status"] == "waiting"


@pytest.mark.parametrize(
    ("case", "status"),
    [("success", "finished"), ("common", "finished"), ("failed", "failed"), ("partially_paid", "partially_paid")],
)
def test_the_sandbox_plays_the_case_by_itself(
    simulator: Simulator, sandbox: httpx.Client, case: str, status: str
) -> None:
    made = create(sandbox, case=case)
    simulator.advance(1.5)
    assert fetch(sandbox, made["payment_id"])["payment_status"] == status
    assert simulator.books(SLUG)[0]["mode"] == "test"


def test_children_are_signed_in_the_array_form_that_is_switched_on(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    made = create(api, ipn_callback_url=receiver.url)
    simulator.act(SLUG, "array_form", form="object")
    simulator.act(SLUG, "pay_twice", made["payment_id"])
    simulator.act(SLUG, "refund", made["payment_id"])
    simulator.wait_idle()
    received = receiver.received[-1]
    body = parsed(received.body.decode())
    assert (body["payment_status"], len(body["payment_extra_ids"])) == ("refunded", 1)
    assert received.headers["x-nowpayments-sig"] == sign(body, SECRET, arrays=INDEX_OBJECTS)
    assert received.headers["x-nowpayments-sig"] != sign(body, SECRET, arrays=KEPT)


def test_a_refused_callback_is_sent_four_times_in_all_with_the_same_bytes(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    receiver.answers = [403] * 4
    made = create(api, ipn_callback_url=receiver.url)
    simulator.act(SLUG, "expire", made["payment_id"])
    simulator.wait_idle()
    assert len(receiver.received) == 4
    assert len({(one.body, one.headers["x-nowpayments-sig"]) for one in receiver.received}) == 1


def test_the_estimate_is_renewed_only_when_it_has_run_out(simulator: Simulator, api: httpx.Client) -> None:
    made = create(api)
    path = f"/v1/payment/{made['payment_id']}/update-merchant-estimate"
    assert api.post(path).json()["expiration_estimate_date"] == made["expiration_estimate_date"]
    simulator.advance(20 * 60 + 1)
    renewed = api.post(path).json()
    assert renewed["expiration_estimate_date"] > made["expiration_estimate_date"]
    assert (renewed["id"], renewed["pay_amount"]) == (made["payment_id"], 49.91497)


# --- login, lists, invoices, payouts -------------------------------------------------------------------------------


def test_the_list_needs_a_login_that_lives_five_minutes(simulator: Simulator, api: httpx.Client) -> None:
    first, second = create(api, order_id="a")["payment_id"], create(api, order_id="b")["payment_id"]
    assert (api.get("/v1/payment/").status_code, api.get("/v1/payment/").json()["code"]) == (401, "AUTH_REQUIRED")
    login = token(api)
    listed = api.get("/v1/payment/", params={"limit": 1, "orderBy": "desc"}, headers=login).json()
    assert [str(row["payment_id"]) for row in listed["data"]] == [second]
    assert (listed["total"], listed["pagesCount"], listed["limit"], listed["page"]) == (2, 2, 1, 0)
    page = api.get("/v1/payment/", params={"limit": 1, "page": 1, "orderBy": "desc"}, headers=login).json()
    assert [str(row["payment_id"]) for row in page["data"]] == [first]
    assert api.get("/v1/payment/", params={"orderBy": "created_at"}, headers=login).status_code == 500
    simulator.advance(301)
    assert api.get("/v1/payment/", headers=login).status_code == 401
    assert api.post("/v1/auth", json={"email": "lab@example.com", "password": "wrong"}).status_code == 403


def test_an_invoice_becomes_payments_when_the_customer_picks_coins(simulator: Simulator, api: httpx.Client) -> None:
    answer = api.post(
        "/v1/invoice",
        json={
            "price_amount": 20,
            "price_currency": "eur",
            "order_id": "inv",
            "success_url": "http://shop.example/ok?x=1",
            "cancel_url": "http://shop.example/no",
        },
    )
    made = answer.json()
    assert (answer.status_code, made["price_amount"], made["pay_currency"]) == (201, "20", None)
    assert simulator.books(SLUG)[0]["status"] == "invoice"
    with httpx.Client(**LOOPBACK) as browser:
        page = browser.get(made["invoice_url"]).text
        assert "Simulated NOWPayments - no real money" in page
        assert browser.post(made["invoice_url"], data={"do": "cancel"}).headers["location"] == "http://shop.example/no"
        chosen = browser.post(made["invoice_url"], data={"do": "choose", "coin": "btc"})
        assert chosen.status_code == 303
        payment_page = chosen.headers["location"]
        assert "bc1q" in browser.get(payment_page).text
        done = browser.post(payment_page, data={"do": "pay"})
        number = payment_page.rpartition("=")[2]
        assert done.headers["location"] == f"http://shop.example/ok?x=1&NP_id={number}"
    assert book(simulator) == ("20.00", "EUR", "finished")
    rows = api.get("/v1/payment/", params={"invoiceId": made["id"]}, headers=token(api)).json()["data"]
    assert [(str(row["payment_id"]), row["payment_status"]) for row in rows] == [(number, "finished")]


def test_an_invoice_can_be_paid_by_the_invoice_payment_call(simulator: Simulator, api: httpx.Client) -> None:
    made = api.post("/v1/invoice", json={"price_amount": 20, "price_currency": "usd", "pay_currency": "ltc"}).json()
    refused = api.post("/v1/invoice-payment", json={"iid": made["id"], "pay_currency": "btc"})
    assert refused.status_code == 400
    answer = api.post("/v1/invoice-payment", json={"iid": int(made["id"]), "pay_currency": "ltc"})
    assert (answer.status_code, answer.json()["pay_currency"]) == (201, "ltc")
    assert fetch(api, answer.json()["payment_id"])["invoice_id"] == int(made["id"])


def test_a_payout_waits_for_its_code_then_tells_its_way(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    wish = {"address": ADDRESS, "currency": "usdttrc20", "amount": 12.5, "unique_external_id": "WD-1"}
    body = {"ipn_callback_url": receiver.url, "withdrawals": [wish, {**wish, "unique_external_id": "WD-2"}]}
    assert api.post("/v1/payout", json=body).status_code == 401
    login = token(api)
    batch = api.post("/v1/payout", json=body, headers=login).json()
    assert [(one["status"], one["amount"], one["hash"]) for one in batch["withdrawals"]] == [
        ("WAITING", "12.5", None)
    ] * 2
    assert "created_at" in batch["withdrawals"][0]
    assert "createdAt" in batch["withdrawals"][1]
    verify = f"/v1/payout/{batch['id']}/verify"
    assert api.post(verify, json={"verification_code": "000000"}, headers=login).status_code == 400
    simulator.act(SLUG, "fail_next_payout")
    assert api.post(verify, json={"verification_code": "123456"}, headers=login).text == "OK"
    rows = api.get(f"/v1/payout/{batch['id']}", headers=login).json()
    assert [(row["status"], row["unique_external_id"]) for row in rows] == [("FAILED", "WD-1"), ("FINISHED", "WD-2")]
    simulator.wait_idle()
    told = [json.loads(one.body)["status"] for one in receiver.received]
    assert told == ["PROCESSING", "SENDING", "FAILED", "PROCESSING", "SENDING", "FINISHED"]
    last = receiver.received[-1]
    assert last.headers["x-nowpayments-sig"] == sign(parsed(last.body.decode()), SECRET)


def test_a_payout_nobody_verifies_is_rejected_after_an_hour(simulator: Simulator, api: httpx.Client) -> None:
    wish = {"withdrawals": [{"address": ADDRESS, "currency": "usdttrc20", "amount": 12.5}]}
    batch = api.post("/v1/payout", json=wish, headers=token(api)).json()
    simulator.advance(3601)
    rows = api.get(f"/v1/payout/{batch['id']}", headers=token(api)).json()
    assert [row["status"] for row in rows] == ["REJECTED"]


def test_a_payout_to_a_foreign_address_or_of_too_fine_an_amount_is_refused(api: httpx.Client) -> None:
    changes: list[tuple[dict[str, Any], str]] = [
        ({"address": "0x12"}, "BAD_CREATE_WITHDRAWAL_REQUEST"),
        ({"amount": 12.5000001}, "INVALID_REQUEST_PARAMS"),
        ({"amount": 0.5}, "BAD_CREATE_WITHDRAWAL_REQUEST"),
    ]
    for change, code in changes:
        wish = {"address": ADDRESS, "currency": "usdttrc20", "amount": 12.5, **change}
        answer = api.post("/v1/payout", json={"withdrawals": [wish]}, headers=token(api))
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    valid = api.post("/v1/payout/validate-address", json={"address": ADDRESS, "currency": "usdttrc20"})
    assert (valid.status_code, valid.text) == (200, "OK")


def test_a_reset_forgets_payments_but_not_accounts(simulator: Simulator, api: httpx.Client) -> None:
    create(api)
    simulator.reset()
    assert simulator.books(SLUG) == []
    create(api)
    assert len(simulator.books(SLUG)) == 1
