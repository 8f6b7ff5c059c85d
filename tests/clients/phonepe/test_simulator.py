"""The simulated PhonePe, driven over HTTP as the protocol page describes it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from clients.phonepe.simulator import authorize
from clients.simulator.testing import Simulator, running_simulator
from tests.clients.simulator.receiver import LOOPBACK, Receiver, running_receiver

SLUG = "phonepe"
SECRET = "0d5b7c1e-4a2f-4c39-8e61-2b90f7a1d3c4"
HEADER = "679c5c2c627fc8379aaa6efcf562fc5a8a66ce12ab19cdfacd853ec796de1f7e"
LIVE = {
    "client_id": "SU2501011200",
    "client_secret": SECRET,
    "client_version": 1,
    "webhook_username": "shop_hook_01",
    "webhook_password": "Ab12cd34Ef",
    "merchant_id": "M0DEMO",
}
TEST = {"client_id": "TEST-M00DEMO_25010", "client_secret": "sandbox-secret", "client_version": "1"}
TOKEN = {"live": "/api.phonepe.com/apis/identity-manager", "test": "/api-preprod.phonepe.com/apis/pg-sandbox"}
PG = {"live": "/api.phonepe.com/apis/pg", "test": "/api-preprod.phonepe.com/apis/pg-sandbox"}
ORDER = "inv-000417-a1"
BACK = "https://shop.example/pay/return/inv-000417-a1"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator({SLUG: "clients.phonepe.simulator:PhonePeSimulator"}, retry_factor=0.02) as simulator:
        yield simulator


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as one:
        yield one


@pytest.fixture
def simulator(running: Simulator, receiver: Receiver) -> Simulator:
    running.reset(accounts=True)
    running.register(SLUG, mode="live", credentials=LIVE, webhook_url=receiver.url)
    running.register(SLUG, mode="test", credentials=TEST, webhook_url=receiver.url)
    return running


@pytest.fixture
def api(simulator: Simulator) -> Iterator[httpx.Client]:
    with client_of(simulator, "live", LIVE) as client:
        yield client


@pytest.fixture
def sandbox(simulator: Simulator) -> Iterator[httpx.Client]:
    with client_of(simulator, "test", TEST) as client:
        yield client


@pytest.fixture
def browser(simulator: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(follow_redirects=False, **LOOPBACK) as client:
        yield client


def ask_token(simulator: Simulator, mode: str = "live", **members: Any) -> httpx.Response:
    given = LIVE if mode == "live" else TEST
    form = {name: str(given[name]) for name in ("client_id", "client_version", "client_secret")}
    url = f"{simulator.url}{TOKEN[mode]}/v1/oauth/token"
    return httpx.post(url, data={**form, "grant_type": "client_credentials", **members}, **LOOPBACK)


def client_of(simulator: Simulator, mode: str, given: dict[str, Any]) -> httpx.Client:
    token = ask_token(simulator, mode).json()
    assert token["token_type"] == "O-Bearer"
    headers = {"authorization": f"{token['token_type']} {token['access_token']}"}
    return httpx.Client(base_url=f"{simulator.url}{PG[mode]}", headers=headers, **LOOPBACK)


def wish(**members: Any) -> dict[str, Any]:
    flow = {"type": "PG_CHECKOUT", "message": "Invoice 417", "merchantUrls": {"redirectUrl": BACK}}
    meta = {"udf1": "tenant-7", "udf2": "payment-9b1c"}
    base = {"merchantOrderId": ORDER, "amount": 129900, "expireAfter": 900, "paymentFlow": flow, "metaInfo": meta}
    return {**base, **members}


def flow(**members: Any) -> dict[str, Any]:
    return {"type": "PG_CHECKOUT", "merchantUrls": {"redirectUrl": BACK}, **members}


def done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def create(api: httpx.Client, **members: Any) -> dict[str, Any]:
    return done(api.post("/checkout/v2/pay", json=wish(**members)))


def status(api: httpx.Client, name: str = ORDER, **query: str) -> dict[str, Any]:
    return done(api.get(f"/checkout/v2/order/{name}/status", params=query))


def refund(api: httpx.Client, amount: Any = 29900, *, name: str = "rf-000417-1", order: str = ORDER) -> httpx.Response:
    body = {"merchantRefundId": name, "originalMerchantOrderId": order, "amount": amount}
    return api.post("/payments/v2/refund", json=body)


def refund_state(api: httpx.Client, name: str = "rf-000417-1") -> str:
    return str(done(api.get(f"/payments/v2/refund/{name}/status"))["state"])


def events(simulator: Simulator, receiver: Receiver) -> list[tuple[str, str]]:
    simulator.wait_idle()
    bodies = [json.loads(one.body) for one in receiver.received]
    return [(body["event"], body["payload"].get("state", "")) for body in bodies]


def book(simulator: Simulator) -> tuple[str, str, str, str]:
    (line,) = simulator.books(SLUG)
    return line["captured"], line["refunded"], line["asset"], line["status"]


# --- to the byte -------------------------------------------------------------------------------------------------------


def test_the_pages_header_is_made_to_the_byte() -> None:
    assert authorize("shop_hook_01", "Ab12cd34Ef") == HEADER


# --- tokens ------------------------------------------------------------------------------------------------------------


def test_a_token_tells_its_life_in_seconds(simulator: Simulator) -> None:
    token = done(ask_token(simulator))
    assert token["expires_at"] - token["issued_at"] == 3600
    assert 10**9 < token["issued_at"] < 10**10
    assert (token["token_type"], token["expires_in"]) == ("O-Bearer", None)


@pytest.mark.parametrize(
    "members",
    [
        {"client_secret": "wrong"},
        {"client_id": "SU0"},
        {"client_version": "2"},
        {"grant_type": "refresh_token"},
        {"client_id": TEST["client_id"], "client_secret": TEST["client_secret"]},
    ],
)
def test_wrong_credentials_get_no_token(simulator: Simulator, members: dict[str, str]) -> None:
    answer = ask_token(simulator, **members)
    assert answer.status_code == 400
    assert set(answer.json()) == {"code", "errorCode", "message", "context"}


def test_a_token_is_asked_for_by_form_and_at_its_own_base(simulator: Simulator) -> None:
    body = {"client_id": LIVE["client_id"], "client_secret": SECRET, "client_version": "1"}
    body["grant_type"] = "client_credentials"
    url = f"{simulator.url}{TOKEN['live']}/v1/oauth/token"
    assert httpx.post(url, json=body, **LOOPBACK).status_code == 400
    assert httpx.post(f"{simulator.url}{PG['live']}/v1/oauth/token", data=body, **LOOPBACK).status_code == 404


@pytest.mark.parametrize("word", ["Bearer", "O-Bearer wrong", "o-bearer"])
def test_another_scheme_or_token_is_refused(simulator: Simulator, api: httpx.Client, word: str) -> None:
    token = api.headers["authorization"].split(" ")[1]
    api.headers["authorization"] = word if " " in word else f"{word} {token}"
    assert refused(api.post("/checkout/v2/pay", json=wish())) == (401, "AUTHORIZATION_FAILED")
    assert simulator.books(SLUG) == []


def test_a_sandbox_token_is_unknown_to_the_live_host(simulator: Simulator, sandbox: httpx.Client) -> None:
    url = f"{simulator.url}{PG['live']}/checkout/v2/order/probe-1/status"
    assert refused(sandbox.get("/checkout/v2/order/probe-1/status")) == (400, "INVALID_MERCHANT_ORDER_ID")
    assert refused(sandbox.get(url)) == (401, "AUTHORIZATION_FAILED")


def test_tokens_run_out_and_can_be_revoked(simulator: Simulator, api: httpx.Client) -> None:
    create(api)
    simulator.advance(3601)
    assert refused(api.get(f"/checkout/v2/order/{ORDER}/status")) == (401, "AUTHORIZATION_FAILED")
    with client_of(simulator, "live", LIVE) as fresh:
        assert status(fresh)["merchantOrderId"] == ORDER
        simulator.act(SLUG, "revoke_tokens", str(LIVE["client_id"]))
        assert refused(fresh.get(f"/checkout/v2/order/{ORDER}/status")) == (401, "AUTHORIZATION_FAILED")
    simulator.act(SLUG, "token_seconds", str(LIVE["client_id"]), seconds=4)
    token = done(ask_token(simulator))
    assert token["expires_at"] - token["issued_at"] == 4


# --- initiate ----------------------------------------------------------------------------------------------------------


def test_an_order_waits_behind_its_page(simulator: Simulator, api: httpx.Client) -> None:
    made = create(api)
    assert set(made) == {"orderId", "state", "expireAt", "redirectUrl"}
    assert (made["orderId"][:3], len(made["orderId"]), made["state"]) == ("OMO", 25, "PENDING")
    assert 10**12 < made["expireAt"] < 10**13
    assert made["redirectUrl"].startswith(f"{simulator.url}/mercury.phonepe.com/transact/pgv2?token=")
    found = status(api)
    assert (found["orderId"], found["state"], found["amount"], found["paymentDetails"]) == (
        made["orderId"],
        "PENDING",
        129900,
        [],
    )
    assert (found["merchantId"], found["metaInfo"]["udf1"]) == ("M0DEMO", "tenant-7")
    assert book(simulator) == ("0.00", "0.00", "INR", "PENDING")


@pytest.mark.parametrize(
    "members",
    [
        {"amount": 99},
        {"amount": "129900"},
        {"amount": 1299.0},
        {"amount": True},
        {"merchantOrderId": "inv/417"},
        {"merchantOrderId": "a" * 64},
        {"merchantOrderId": ""},
        {"expireAfter": 299},
        {"expireAfter": 3601},
        {"metaInfo": {"udf16": "x"}},
        {"metaInfo": {"tenant": "x"}},
        {"metaInfo": {"udf1": "x" * 257}},
        {"metaInfo": {"udf11": "x" * 51}},
        {"metaInfo": {"udf11": "a/b"}},
        {"metaInfo": {"udf1": 7}},
        {"currency": "INR"},
        {"disablePaymentRetry": "yes"},
        {"paymentFlow": None},
        {"paymentFlow": flow(type="PG")},
        {"paymentFlow": flow(merchantUrls={})},
        {"paymentFlow": flow(merchantUrls={"redirectUrl": "/return"})},
        {"paymentFlow": flow(paymentModeConfig={"version": "V1"})},
        {
            "paymentFlow": flow(
                paymentModeConfig={
                    "enabledPaymentModes": [{"type": "UPI_QR"}],
                    "disabledPaymentModes": [{"type": "CARD"}],
                }
            )
        },
        {"paymentFlow": flow(paymentModeConfig={"version": "V2", "enabledPaymentModes": [{"type": "UPI_QR"}]})},
    ],
)
def test_bad_orders_are_refused(simulator: Simulator, api: httpx.Client, members: dict[str, Any]) -> None:
    assert refused(api.post("/checkout/v2/pay", json=wish(**members))) == (400, "BAD_REQUEST")
    assert simulator.books(SLUG) == []


def test_what_is_no_json_object_is_refused(api: httpx.Client) -> None:
    assert refused(api.post("/checkout/v2/pay", json=[])) == (400, "BAD_REQUEST")
    text = json.dumps(wish())
    assert refused(api.post("/checkout/v2/pay", content=text, headers={"content-type": "text/plain"}))[0] == 400


def test_the_longest_values_are_taken(api: httpx.Client) -> None:
    config = {"version": "V2", "enabledPaymentModes": [{"type": "UPI", "flows": ["QR"]}]}
    name = "Az09_-" * 10 + "abc"
    meta = {"udf10": "ü" * 256, "udf15": "a_- @.+Z9"}
    made = create(
        api,
        merchantOrderId=name,
        amount=100,
        expireAfter=3600,
        metaInfo=meta,
        paymentFlow=flow(paymentModeConfig=config, message=None),
    )
    assert (made["state"], status(api, name)["metaInfo"]) == ("PENDING", meta)


def test_other_names_of_metadata_pass_in_the_sandbox_only(sandbox: httpx.Client) -> None:
    assert create(sandbox, metaInfo={"tenant": "x"})["state"] == "PENDING"


def test_an_order_id_is_used_once_for_ever(simulator: Simulator, api: httpx.Client) -> None:
    create(api)
    simulator.act(SLUG, "fail", ORDER)
    assert refused(api.post("/checkout/v2/pay", json=wish())) == (400, "BAD_REQUEST")
    assert len(simulator.books(SLUG)) == 1


def test_unknown_ids_are_told_by_their_code(api: httpx.Client) -> None:
    assert refused(api.get("/checkout/v2/order/none/status")) == (400, "INVALID_MERCHANT_ORDER_ID")
    assert refused(api.get("/checkout/v2/transaction/none/status")) == (400, "MAPPING_NOT_FOUND")
    assert refused(api.get("/payments/v2/refund/none/status")) == (404, "REFUND_NOT_FOUND")


def test_a_mobile_order_gives_a_token(api: httpx.Client) -> None:
    made = done(api.post("/checkout/v2/sdk/order", json=wish()))
    assert set(made) == {"orderId", "state", "expireAt", "token"}


# --- the customer --------------------------------------------------------------------------------------------------------


def test_initiate_pay_webhook_status_refund_books(
    simulator: Simulator, api: httpx.Client, browser: httpx.Client, receiver: Receiver
) -> None:
    made = create(api)
    page = browser.get(made["redirectUrl"])
    assert "Simulated PhonePe - no real money" in page.text and "1299.00 INR" in page.text
    back = browser.post(made["redirectUrl"], data={"do": "pay"})
    assert (back.status_code, back.headers["location"]) == (303, BACK)
    assert events(simulator, receiver) == [("checkout.order.completed", "COMPLETED")]
    body = json.loads(receiver.received[0].body)
    assert (receiver.received[0].headers["authorization"], body["type"]) == (HEADER, "CHECKOUT_ORDER_COMPLETED")
    assert (body["payload"]["merchantOrderId"], body["payload"]["orderId"]) == (ORDER, made["orderId"])
    assert (body["payload"]["amount"], body["payload"]["merchantId"]) == (129900, "M0DEMO")
    found = status(api, details="false", errorContext="true")
    (attempt,) = found["paymentDetails"]
    assert (found["state"], found["amount"], found["currency"]) == ("COMPLETED", 129900, "INR")
    assert (attempt["state"], attempt["paymentMode"], attempt["rail"]["type"]) == ("COMPLETED", "UPI_QR", "UPI")
    assert done(api.get(f"/checkout/v2/transaction/{attempt['transactionId']}/status"))["orderId"] == made["orderId"]
    answer = done(refund(api))
    assert (answer["refundId"][:3], answer["amount"], answer["state"]) == ("OMR", 29900, "PENDING")
    assert book(simulator) == ("1299.00", "0.00", "INR", "COMPLETED")
    simulator.advance(1)
    assert refund_state(api) == "COMPLETED"
    assert events(simulator, receiver)[1:] == [
        ("pg.refund.accepted", "CONFIRMED"),
        ("pg.refund.completed", "COMPLETED"),
    ]
    last = json.loads(receiver.received[-1].body)["payload"]
    assert (last["merchantRefundId"], last["originalMerchantOrderId"], last["amount"]) == ("rf-000417-1", ORDER, 29900)
    assert book(simulator) == ("1299.00", "299.00", "INR", "COMPLETED")


def test_a_failed_attempt_leaves_the_order_open(
    simulator: Simulator, api: httpx.Client, browser: httpx.Client, receiver: Receiver
) -> None:
    url = create(api)["redirectUrl"]
    assert "You may try again" in browser.post(url, data={"do": "decline"}).text
    found = status(api)
    assert (found["state"], found["detailedErrorCode"]) == ("PENDING", "TXN_AUTO_FAILED")
    assert browser.post(url, data={"do": "pay"}).headers["location"] == BACK
    assert events(simulator, receiver) == [
        ("checkout.transaction.attempt.failed", "PENDING"),
        ("checkout.order.completed", "COMPLETED"),
    ]
    paid = status(api, details="true")
    assert (paid["state"], paid["errorCode"]) == ("COMPLETED", "PAYMENT_ERROR")  # stale, and still there
    assert [one["state"] for one in paid["paymentDetails"]] == ["FAILED", "COMPLETED"]
    assert [one["state"] for one in status(api)["paymentDetails"]] == ["COMPLETED"]


def test_a_single_try_fails_the_order_at_once(
    simulator: Simulator, api: httpx.Client, browser: httpx.Client, receiver: Receiver
) -> None:
    url = create(api, disablePaymentRetry=True)["redirectUrl"]
    assert browser.post(url, data={"do": "decline"}).headers["location"] == BACK
    assert events(simulator, receiver) == [("checkout.order.failed", "FAILED")]


@pytest.mark.parametrize(("button", "detail"), [("fail", "TXN_AUTO_FAILED"), ("cancel", "ORDER_CANCELLED_BY_USER")])
def test_an_order_can_fail(
    simulator: Simulator, api: httpx.Client, browser: httpx.Client, receiver: Receiver, button: str, detail: str
) -> None:
    url = create(api)["redirectUrl"]
    assert browser.post(url, data={"do": button}).headers["location"] == BACK
    found = status(api, errorContext="true")
    assert (found["state"], found["detailedErrorCode"]) == ("FAILED", detail)
    assert found["errorContext"]["detailedErrorCode"] == detail
    assert "errorContext" not in status(api)
    assert events(simulator, receiver) == [("checkout.order.failed", "FAILED")]
    assert browser.post(url, data={"do": "pay"}).headers["location"] == BACK  # too late, nothing happens
    assert book(simulator) == ("0.00", "0.00", "INR", "FAILED")


def test_the_bank_asks_before_a_card_pays(simulator: Simulator, api: httpx.Client, browser: httpx.Client) -> None:
    url = create(api)["redirectUrl"]
    bank = browser.post(url, data={"do": "card"}).headers["location"]
    assert "Your bank asks" in browser.get(bank).text
    assert browser.post(bank, data={"do": "failure"}).headers["location"] == url
    assert (status(api)["state"], status(api)["detailedErrorCode"]) == ("PENDING", "ZM")
    assert browser.post(bank, data={"do": "pending"}).headers["location"] == BACK
    assert status(api)["paymentDetails"][0]["state"] == "PENDING"
    assert browser.post(bank, data={"do": "success"}).headers["location"] == BACK
    (paid,) = status(api)["paymentDetails"]
    assert (paid["paymentMode"], paid["instrument"]["type"]) == ("CARD", "CREDIT_CARD")
    assert browser.get(bank).status_code == 404


def test_a_frame_tells_its_page_a_word_that_proves_nothing(
    simulator: Simulator, api: httpx.Client, browser: httpx.Client
) -> None:
    assert "PhonePeCheckout" in browser.get(f"{simulator.url}/mercury.phonepe.com/web/bundle/checkout.js").text
    url = create(api)["redirectUrl"] + "&frame=1"
    assert '"USER_CANCEL"' in browser.post(url, data={"do": "cancel"}).text
    url = create(api, merchantOrderId="second")["redirectUrl"] + "&frame=1"
    assert '"CONCLUDED"' in browser.post(url, data={"do": "fail"}).text


def test_a_page_belongs_to_its_own_environment(
    simulator: Simulator, sandbox: httpx.Client, browser: httpx.Client
) -> None:
    url = create(sandbox)["redirectUrl"]
    assert url.startswith(f"{simulator.url}/mercury-uat.phonepe.com/transact/uat_v2?token=")
    assert browser.get(url).status_code == 200
    assert browser.get(url.replace("mercury-uat", "mercury")).status_code == 404
    assert simulator.books(SLUG)[0]["mode"] == "test"


def test_a_customer_from_nowhere_is_blocked_when_told_so(
    simulator: Simulator, api: httpx.Client, browser: httpx.Client
) -> None:
    simulator.act(SLUG, "check_referrer", str(LIVE["client_id"]))
    url = create(api)["redirectUrl"]
    assert browser.get(url, headers={"referer": "https://shop.example/"}).status_code == 200
    assert browser.get(url).status_code == 403
    assert status(api)["detailedErrorCode"] == "INTERNAL_SECURITY_BLOCK_1"


# --- time ----------------------------------------------------------------------------------------------------------------


def test_an_order_runs_out_and_may_be_paid_late(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    create(api)
    simulator.advance(901)
    found = status(api)
    assert (found["state"], found["errorCode"], found["detailedErrorCode"]) == (
        "FAILED",
        "TXN_NOT_COMPLETED",
        "ORDER_EXPIRED",
    )
    simulator.act(SLUG, "pay_late", ORDER)
    assert (status(api)["state"], book(simulator)[0]) == ("COMPLETED", "1299.00")
    assert events(simulator, receiver) == [
        ("checkout.order.failed", "FAILED"),
        ("checkout.order.completed", "COMPLETED"),
    ]


def test_a_switch_allows_short_lives(simulator: Simulator, api: httpx.Client) -> None:
    simulator.act(SLUG, "short_expiry", str(LIVE["client_id"]), seconds=2)
    create(api, expireAfter=2)
    simulator.advance(3)
    assert status(api)["detailedErrorCode"] == "ORDER_EXPIRED"


# --- refunds --------------------------------------------------------------------------------------------------------------


def test_refunds_are_refused_as_the_page_says(simulator: Simulator, api: httpx.Client) -> None:
    create(api)
    assert refused(refund(api)) == (400, "REFUND_NOT_ALLOWED")
    simulator.act(SLUG, "pay", ORDER)
    assert refused(refund(api, order="none")) == (400, "MERCHANT_ORDER_MAPPING_NOT_FOUND")
    assert refused(refund(api, 129901)) == (400, "EXCESS_REFUND_AMOUNT")
    assert refused(refund(api, 0)) == (400, "BAD_REQUEST")
    assert refused(refund(api, "29900")) == (400, "BAD_REQUEST")
    assert refused(refund(api, name="a b")) == (400, "BAD_REQUEST")
    done(refund(api, 100000))
    assert refused(refund(api, 100)) == (400, "Refund ID Duplicated")
    assert refused(refund(api, 29901, name="rf-2")) == (400, "EXCESS_REFUND_AMOUNT")
    assert done(refund(api, 29900, name="rf-3"))["state"] == "PENDING"


def test_a_refund_can_wait_and_fail_and_frees_its_amount(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    create(api)
    simulator.act(SLUG, "pay", ORDER)
    simulator.act(SLUG, "refund_mode", str(LIVE["client_id"]), mode="hold")
    done(refund(api, 129900))
    simulator.advance(60)
    assert refund_state(api) == "PENDING"
    simulator.act(SLUG, "refund_accept", "rf-000417-1")
    simulator.act(SLUG, "refund_fail", "rf-000417-1", code="BF_034")
    assert events(simulator, receiver)[1:] == [("pg.refund.accepted", "CONFIRMED"), ("pg.refund.failed", "FAILED")]
    assert json.loads(receiver.received[-1].body)["payload"]["detailedErrorCode"] == "BF_034"
    assert book(simulator) == ("1299.00", "0.00", "INR", "COMPLETED")
    assert simulator.act(SLUG, "refund", ORDER)["refund_state"] == "PENDING"
    assert simulator.act(SLUG, "refund_settle", ORDER)["refund_state"] == "COMPLETED"
    assert book(simulator) == ("1299.00", "1299.00", "INR", "COMPLETED")


def test_an_order_of_long_ago_gives_nothing_back(simulator: Simulator, api: httpx.Client) -> None:
    create(api)
    simulator.act(SLUG, "pay", ORDER)
    simulator.advance(91 * 24 * 3600)
    with client_of(simulator, "live", LIVE) as later:
        done(refund(later))
        simulator.advance(1)
        found = done(later.get("/payments/v2/refund/rf-000417-1/status"))
    assert (found["state"], found["detailedErrorCode"]) == ("FAILED", "REFUND_FOR_TXN_OLDER_THAN_LIMIT")


# --- the rest ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "details", "captured"),
    [("pay_short", {}, "649.50"), ("pay_short", {"amount": 100}, "1.00"), ("pay_over", {"amount": 130000}, "1300.00")],
)
def test_another_amount_can_arrive(
    simulator: Simulator, api: httpx.Client, action: str, details: dict[str, Any], captured: str
) -> None:
    create(api)
    simulator.act(SLUG, action, ORDER, **details)
    assert book(simulator) == (captured, "0.00", "INR", "COMPLETED")


def test_another_asset_can_be_named(simulator: Simulator, api: httpx.Client) -> None:
    create(api)
    simulator.act(SLUG, "wrong_asset", ORDER)
    assert (status(api)["currency"], book(simulator)[2]) == ("USD", "USD")


def test_disputes_are_told_and_change_no_order(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    made = create(api)
    with pytest.raises(ValueError, match="nobody paid"):
        simulator.act(SLUG, "dispute", ORDER)
    simulator.act(SLUG, "pay", made["orderId"])
    name = simulator.act(SLUG, "dispute", ORDER, amount=5000)["dispute_id"]
    for action in ("dispute_ask", "dispute_answer", "dispute_lose"):
        simulator.act(SLUG, action, name)
    with pytest.raises(ValueError, match="LOST already"):
        simulator.act(SLUG, "dispute_win", ORDER)
    assert [event for event, _ in events(simulator, receiver)[1:]] == [
        "payment.dispute.created",
        "payment.dispute.action_required",
        "payment.dispute.under_review",
        "payment.dispute.lost",
    ]
    assert json.loads(receiver.received[-1].body)["payload"]["originalMerchantOrderId"] == ORDER
    assert status(api)["state"] == "COMPLETED"


def test_a_settlement_is_told_and_can_be_asked_for(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    create(api)
    simulator.act(SLUG, "pay", ORDER)
    simulator.act(SLUG, "payout", str(LIVE["client_id"]))
    assert events(simulator, receiver)[1:] == [
        ("settlement.initiated", "INITIATED"),
        ("settlement.processed", "PROCESSED"),
    ]
    name = json.loads(receiver.received[-1].body)["payload"]["settlementId"]
    assert done(api.get(f"/settlements/v1/{name}/status"))["amount"] == 129900


@pytest.mark.parametrize(("form", "names"), [("event", {"event", "payload"}), ("type", {"type", "payload"})])
def test_webhooks_carry_either_name(
    simulator: Simulator, api: httpx.Client, receiver: Receiver, form: str, names: set[str]
) -> None:
    simulator.act(SLUG, "event_form", str(LIVE["client_id"]), form=form)
    create(api)
    simulator.act(SLUG, "pay", ORDER)
    simulator.wait_idle()
    assert set(json.loads(receiver.received[0].body)) == names


@pytest.mark.parametrize(
    ("kind", "is_right"),
    [("wrong_header", False), ("no_header", False), ("malformed", True), ("repeated_key", True), ("empty", True)],
)
def test_webhooks_can_be_wrong(
    simulator: Simulator, api: httpx.Client, receiver: Receiver, kind: str, is_right: bool
) -> None:
    create(api)
    simulator.act(SLUG, "misdeliver", ORDER, kind=kind)
    simulator.wait_idle()
    assert (receiver.received[0].headers["authorization"] == HEADER) is is_right


def test_nothing_is_told_where_no_webhook_is_registered(
    simulator: Simulator, sandbox: httpx.Client, receiver: Receiver
) -> None:
    create(sandbox)
    simulator.act(SLUG, "pay", ORDER)
    assert events(simulator, receiver) == []
    assert status(sandbox)["state"] == "COMPLETED"


def test_a_refused_webhook_is_sent_again(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    receiver.answers = [503, 503]
    create(api)
    simulator.act(SLUG, "pay", ORDER)
    simulator.wait_idle()
    assert len(receiver.received) == 3
    assert len({one.body for one in receiver.received}) == 1


@pytest.mark.parametrize("action", ["authorize", "pay_twice", "nonsense"])
def test_what_cannot_be_is_refused(simulator: Simulator, api: httpx.Client, action: str) -> None:
    create(api)
    with pytest.raises(ValueError, match="refused: 400"):
        simulator.act(SLUG, action, ORDER)
    assert book(simulator) == ("0.00", "0.00", "INR", "PENDING")
