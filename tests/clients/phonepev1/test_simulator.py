"""The simulated PhonePe v1, driven over HTTP as the protocol page describes it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from clients.phonepev1.simulator_wire import checksum, x_verify
from clients.simulator.testing import Simulator, running_simulator
from tests.clients.simulator.receiver import LOOPBACK, Receiver, running_receiver

SLUG = "phonepev1"
MERCHANT = "DEMOSHOPUAT"
SALT = "4f1d2c3b-0a9e-4d8c-b7a6-5e4f3a2b1c0d"
OLD_SALT = "9c8b7a65-1f2e-4d3c-8b4a-0f9e8d7c6b5a"
CREDENTIALS = {"merchant_id": MERCHANT, "salt_key": SALT, "salt_index": "1", "other_salts": f"2:{OLD_SALT}"}
HERMES = "/api.phonepe.com/apis/hermes"
UAT = "/api-preprod.phonepe.com/apis/pg-sandbox"
NAME = "inv-000417-a1"
BACK = "https://shop.example/pay/return/inv-000417-a1"
CALLBACK = "https://shop.example/hooks/phonepev1/acct_1"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator({SLUG: "clients.phonepev1.simulator:PhonePeV1Simulator"}, retry_factor=0.02) as simulator:
        yield simulator


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as one:
        yield one


@pytest.fixture
def simulator(running: Simulator, receiver: Receiver) -> Simulator:
    running.reset(accounts=True)
    running.register(SLUG, mode="live", credentials=CREDENTIALS, webhook_url=receiver.url)
    running.register(SLUG, mode="test", credentials={**CREDENTIALS, "salt_key": "sandbox-salt", "other_salts": ""})
    return running


@pytest.fixture
def api(simulator: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=simulator.url + HERMES, **LOOPBACK) as client:
        yield client


@pytest.fixture
def browser(simulator: Simulator) -> Iterator[httpx.Client]:
    with httpx.Client(follow_redirects=False, **LOOPBACK) as client:
        yield client


def digest(text: str, salt: str = SALT, index: str = "1") -> str:
    return hashlib.sha256((text + salt).encode()).hexdigest() + "###" + index


def packed(body: Any) -> str:
    return base64.b64encode(json.dumps(body, separators=(",", ":")).encode()).decode()


def send(api: httpx.Client, path: str, body: Any, *, salt: str = SALT, index: str = "1") -> httpx.Response:
    text = packed(body)
    return api.post(path, json={"request": text}, headers={"x-verify": digest(text + path, salt, index)})


def wish(url: str = CALLBACK, **members: Any) -> dict[str, Any]:
    return {
        "merchantId": MERCHANT,
        "merchantTransactionId": NAME,
        "merchantUserId": "cust_77",
        "amount": 129900,
        "redirectUrl": BACK,
        "redirectMode": "REDIRECT",
        "callbackUrl": url,
        "mobileNumber": "9999999999",
        "paymentInstrument": {"type": "PAY_PAGE"},
        **members,
    }


def done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refused(answer: httpx.Response) -> tuple[int, str]:
    assert answer.json()["success"] is False
    return answer.status_code, answer.json()["code"]


def create(api: httpx.Client, receiver: Receiver, **members: Any) -> str:
    """Returns the page's address."""
    body = done(send(api, "/pg/v1/pay", wish(receiver.url + "/own", **members)))
    return str(body["data"]["instrumentResponse"]["redirectInfo"]["url"])


def ask(api: httpx.Client, name: str = NAME, *, salt: str = SALT, index: str = "1", **headers: str) -> httpx.Response:
    path = f"/pg/v1/status/{MERCHANT}/{name}"
    return api.get(path, headers={"x-verify": digest(path, salt, index), "x-merchant-id": MERCHANT, **headers})


def status(api: httpx.Client, name: str = NAME) -> tuple[str, bool, str, int]:
    body = done(ask(api, name))
    return body["code"], body["success"], body["data"]["state"], body["data"]["amount"]


def refund(api: httpx.Client, amount: Any = 29900, *, name: str = "rf-000417-1", **members: Any) -> httpx.Response:
    body = {"merchantId": MERCHANT, "merchantUserId": "cust_77", "originalTransactionId": NAME}
    return send(api, "/pg/v1/refund", {**body, "merchantTransactionId": name, "amount": amount, **members})


def told(simulator: Simulator, receiver: Receiver) -> list[tuple[str, str, str]]:
    """Code, state and name of every callback, whose signatures are checked."""
    simulator.wait_idle()
    found = []
    for one in receiver.received:
        text = json.loads(one.body)["response"]
        assert one.headers["x-verify"] == digest(text)
        body = json.loads(base64.b64decode(text, validate=True))
        found.append((body["code"], body["data"]["state"], body["data"]["merchantTransactionId"]))
    return found


def book(simulator: Simulator) -> tuple[str, str, str, str]:
    (line,) = simulator.books(SLUG)
    return line["captured"], line["refunded"], line["asset"], line["status"]


# --- to the byte -------------------------------------------------------------------------------------------------------

RESPONSE = (
    "eyJzdWNjZXNzIjp0cnVlLCJjb2RlIjoiUEFZTUVOVF9TVUNDRVNTIiwibWVzc2FnZSI6IllvdXIgcGF5bWVudCBpcyBzdWNjZXNzZnVsLiIsImRh"
    "dGEiOnsibWVyY2hhbnRJZCI6IkRFTU9TSE9QVUFUIiwibWVyY2hhbnRUcmFuc2FjdGlvbklkIjoiaW52LTAwMDQxNy1hMSIsInRyYW5zYWN0aW9u"
    "SWQiOiJUMjUwMTAxMTIwMDAwMDAwMDAwMDAwMSIsImFtb3VudCI6MTI5OTAwLCJzdGF0ZSI6IkNPTVBMRVRFRCIsInJlc3BvbnNlQ29kZSI6IlNV"
    "Q0NFU1MiLCJwYXltZW50SW5zdHJ1bWVudCI6eyJ0eXBlIjoiVVBJIiwidXRyIjoiNTAwMTEyMzQ1Njc4In19fQ=="
)
REFUND = (
    '{"merchantId":"DEMOSHOPUAT","merchantUserId":"cust_77","originalTransactionId":"inv-000417-a1",'
    '"merchantTransactionId":"rf-000417-1","amount":29900,"callbackUrl":"https://shop.example/hooks/phonepev1/acct_1"}'
)
FIELDS = {
    "code": "PAYMENT_SUCCESS",
    "merchantId": MERCHANT,
    "transactionId": NAME,
    "amount": "129900",
    "providerReferenceId": "T2501011200000000000001",
    **{f"param{number}": "na" for number in range(1, 21)},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (packed(wish()) + "/pg/v1/pay", "8b98f5352260592c945c511e0f4fa657c468417b1ea44b91d39ca3ce2a869226###1"),
        (f"/pg/v1/status/{MERCHANT}/{NAME}", "be84535c7a4230e31db6dd07d22dde1a5ccb5cba7a5c4aa9da906e4759f4dbd7###1"),
        (RESPONSE, "3287f221a4f35da16fdd604345cb8c06f017501faec7af36b08ad06c6d465733###1"),
        (
            base64.b64encode(REFUND.encode()).decode() + "/pg/v1/refund",
            "0d61376ebfff621266d0ab299a38b3634890c4c9b1579a5f6b6dd91a61a0d0d5###1",
        ),
    ],
)
def test_the_pages_signatures_are_made_to_the_byte(text: str, expected: str) -> None:
    assert x_verify(text, salt=SALT, index="1") == expected


def test_the_pages_checksum_is_made_to_the_byte() -> None:
    expected = "89afcb5e255e508eae318eb1979302369a4757104cd866098bb9e1d3ded2b196###1"
    assert checksum(FIELDS, salt=SALT, index="1") == expected


# --- who asks ----------------------------------------------------------------------------------------------------------


def test_the_pages_own_request_is_taken(api: httpx.Client) -> None:
    header = {"x-verify": "8b98f5352260592c945c511e0f4fa657c468417b1ea44b91d39ca3ce2a869226###1"}
    body = done(api.post("/pg/v1/pay", json={"request": packed(wish())}, headers=header))
    assert (body["success"], body["code"], body["data"]["merchantTransactionId"]) == (True, "PAYMENT_INITIATED", NAME)
    assert (body["data"]["instrumentResponse"]["redirectInfo"]["method"], "transactionId" in body["data"]) == (
        "GET",
        False,
    )


@pytest.mark.parametrize(
    ("salt", "index", "expected"),
    [
        ("wrong", "1", (401, "401")),
        ("sandbox-salt", "1", (401, "401")),
        (SALT, "2", (401, "401")),
        (SALT, "3", (400, "KEY_NOT_CONFIGURED")),
    ],
)
def test_another_salt_or_index_is_refused(
    simulator: Simulator, api: httpx.Client, salt: str, index: str, expected: tuple[int, str]
) -> None:
    assert refused(send(api, "/pg/v1/pay", wish(), salt=salt, index=index)) == expected
    assert refused(ask(api, salt=salt, index=index)) == expected
    assert simulator.books(SLUG) == []


def test_both_salts_of_a_rotation_sign(api: httpx.Client) -> None:
    assert done(send(api, "/pg/v1/pay", wish(), salt=OLD_SALT, index="2"))["code"] == "PAYMENT_INITIATED"
    assert done(ask(api, salt=OLD_SALT, index="2"))["code"] == "PAYMENT_PENDING"


def test_the_prefix_of_the_path_is_not_signed(simulator: Simulator, api: httpx.Client) -> None:
    text = packed(wish())
    wrong = {"x-verify": digest(text + "/apis/hermes/pg/v1/pay")}
    assert refused(api.post("/pg/v1/pay", json={"request": text}, headers=wrong)) == (401, "401")
    assert refused(api.post("/pg/v1/pay", json={"request": text})) == (401, "401")
    right = {"x-verify": digest(text + "/pg/v1/pay")}
    assert api.post(simulator.url + "/api.phonepe.com/apis/pg/pg/v1/pay", json={}, headers=right).status_code == 404


def test_an_unknown_merchant_has_no_key(api: httpx.Client) -> None:
    assert refused(send(api, "/pg/v1/pay", wish(merchantId="OTHER"))) == (400, "KEY_NOT_CONFIGURED")


def test_a_status_needs_the_merchant_in_its_header(api: httpx.Client) -> None:
    assert refused(ask(api, "probe-1")) == (404, "TRANSACTION_NOT_FOUND")
    assert refused(ask(api, **{"x-merchant-id": NAME})) == (400, "BAD_REQUEST")


def test_the_sandbox_is_a_world_of_its_own(simulator: Simulator, api: httpx.Client, browser: httpx.Client) -> None:
    done(send(api, "/pg/v1/pay", wish()))
    with httpx.Client(base_url=simulator.url + UAT, **LOOPBACK) as sandbox:
        assert refused(ask(sandbox, salt="sandbox-salt")) == (404, "TRANSACTION_NOT_FOUND")
        made = done(send(sandbox, "/pg/v1/pay", wish(), salt="sandbox-salt"))
    url = made["data"]["instrumentResponse"]["redirectInfo"]["url"]
    assert url.startswith(f"{simulator.url}/mercury-uat.phonepe.com/transact/simulator?token=")
    assert browser.get(url.replace("mercury-uat", "mercury")).status_code == 404
    assert {line["mode"] for line in simulator.books(SLUG)} == {"live", "test"}


# --- initiate ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "members",
    [
        {"amount": 99},
        {"amount": "129900"},
        {"amount": 1299.0},
        {"merchantTransactionId": "0190f3c2-7b1e-7c55-9a51-2f1f6c7d8e90"},
        {"merchantTransactionId": "inv/417"},
        {"merchantTransactionId": None},
        {"merchantUserId": "u" * 36},
        {"redirectUrl": "/return"},
        {"redirectMode": "GET"},
        {"callbackUrl": None},
        {"mobileNumber": "999"},
        {"paymentInstrument": {"type": "CARD"}},
        {"paymentInstrument": None},
    ],
)
def test_bad_payments_are_refused(simulator: Simulator, api: httpx.Client, members: dict[str, Any]) -> None:
    assert refused(send(api, "/pg/v1/pay", wish(**members))) == (400, "BAD_REQUEST")
    assert simulator.books(SLUG) == []


@pytest.mark.parametrize("request_text", ["no base64!", packed(wish())[:-3], packed(["x"]), "", 7, None])
def test_an_envelope_holds_base64_of_an_object(api: httpx.Client, request_text: Any) -> None:
    signed = {"x-verify": digest(f"{request_text}/pg/v1/pay")}
    assert refused(api.post("/pg/v1/pay", json={"request": request_text}, headers=signed)) == (400, "BAD_REQUEST")


def test_an_id_is_used_once_for_ever(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    create(api, receiver)
    simulator.act(SLUG, "fail", NAME)
    assert refused(send(api, "/pg/v1/pay", wish())) == (417, "INVALID_TRANSACTION_ID")
    assert len(simulator.books(SLUG)) == 1


# --- the customer --------------------------------------------------------------------------------------------------------


def test_initiate_pay_callback_status_refund_books(
    simulator: Simulator, api: httpx.Client, browser: httpx.Client, receiver: Receiver
) -> None:
    url = create(api, receiver)
    assert url.startswith(f"{simulator.url}/mercury.phonepe.com/transact/pg?token=")
    assert status(api) == ("PAYMENT_PENDING", True, "PENDING", 129900)
    page = browser.get(url)
    assert "Simulated PhonePe v1 - no real money" in page.text and "1299.00 INR" in page.text
    back = browser.post(url, data={"do": "pay"})
    assert (back.status_code, back.headers["location"]) == (303, BACK)
    assert status(api) == ("PAYMENT_SUCCESS", True, "COMPLETED", 129900)
    data = done(ask(api))["data"]
    assert re.fullmatch(r"T[0-9]{22}", data["transactionId"])
    assert (data["responseCode"], data["paymentInstrument"]["type"]) == ("SUCCESS", "UPI")
    assert told(simulator, receiver) == [("PAYMENT_SUCCESS", "COMPLETED", NAME)]
    assert receiver.received[0].path == "/hook/own"  # the address of the request wins over the registered one
    answer = done(refund(api, callbackUrl=receiver.url + "/refund"))
    assert (answer["success"], answer["code"], answer["data"]["state"]) == (True, "PAYMENT_PENDING", "PENDING")
    assert re.fullmatch(r"TR[0-9]{22}", answer["data"]["transactionId"])
    assert book(simulator) == ("1299.00", "0.00", "INR", "PAYMENT_SUCCESS")
    simulator.advance(1)
    assert status(api, "rf-000417-1") == ("PAYMENT_SUCCESS", True, "COMPLETED", 29900)
    assert told(simulator, receiver)[1:] == [("PAYMENT_SUCCESS", "COMPLETED", "rf-000417-1")]
    assert receiver.received[1].path == "/hook/refund"
    assert book(simulator) == ("1299.00", "299.00", "INR", "PAYMENT_SUCCESS")


def test_callbacks_are_pretty_printed_inside(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    create(api, receiver)
    simulator.act(SLUG, "pay", NAME)
    simulator.act(SLUG, "callback", NAME, form="compact")
    assert len(told(simulator, receiver)) == 2
    pretty, compact = (base64.b64decode(json.loads(one.body)["response"]) for one in receiver.received)
    assert (b'\n  "success": true' in pretty, b"\n" in compact) == (True, False)
    assert json.loads(pretty) == json.loads(compact)


@pytest.mark.parametrize(
    ("button", "code", "response_code"),
    [
        ("fail", "PAYMENT_ERROR", "TXN_AUTO_FAILED"),
        ("decline", "PAYMENT_ERROR", "Z9"),
        ("cancel", "PAYMENT_DECLINED", "REQUEST_DECLINE_BY_REQUESTEE"),
        ("expire", "PAYMENT_ERROR", "U69"),
    ],
)
def test_a_payment_can_fail(
    simulator: Simulator,
    api: httpx.Client,
    browser: httpx.Client,
    receiver: Receiver,
    button: str,
    code: str,
    response_code: str,
) -> None:
    url = create(api, receiver)
    assert browser.post(url, data={"do": button}).headers["location"] == BACK
    assert status(api) == (code, False, "FAILED", 129900)
    assert done(ask(api))["data"]["responseCode"] == response_code
    assert told(simulator, receiver) == [(code, "FAILED", NAME)]
    assert browser.post(url, data={"do": "pay"}).headers["location"] == BACK  # too late, nothing happens
    assert book(simulator) == ("0.00", "0.00", "INR", code)


@pytest.mark.parametrize(
    ("action", "code", "is_success"),
    [
        ("pend", "PAYMENT_PENDING", True),
        ("time_out", "TIMED_OUT", False),
        ("stumble", "INTERNAL_SERVER_ERROR", False),
    ],
)
def test_what_waits_is_not_told(
    simulator: Simulator, api: httpx.Client, receiver: Receiver, action: str, code: str, is_success: bool
) -> None:
    create(api, receiver)
    simulator.act(SLUG, action, NAME)
    assert status(api) == (code, is_success, "PENDING", 129900)
    assert told(simulator, receiver) == []
    simulator.act(SLUG, "pay", NAME)
    assert told(simulator, receiver) == [("PAYMENT_SUCCESS", "COMPLETED", NAME)]


def test_the_bank_asks_before_a_card_pays(api: httpx.Client, browser: httpx.Client, receiver: Receiver) -> None:
    url = create(api, receiver)
    bank = browser.post(url, data={"do": "card"}).headers["location"]
    assert "Your bank asks" in browser.get(bank).text
    assert browser.post(bank, data={"do": "pending"}).headers["location"] == BACK
    assert status(api)[0] == "PAYMENT_PENDING"
    assert browser.post(bank, data={"do": "success"}).headers["location"] == BACK
    assert done(ask(api))["data"]["paymentInstrument"]["cardType"] == "CREDIT_CARD"
    assert browser.get(bank).status_code == 404
    url = create(api, receiver, merchantTransactionId="second")
    bank = browser.post(url, data={"do": "card"}).headers["location"]
    browser.post(bank, data={"do": "failure"})
    assert done(ask(api, "second"))["data"]["responseCode"] == "ZM"


def test_a_form_posts_the_browser_back_with_a_checksum(
    simulator: Simulator, api: httpx.Client, browser: httpx.Client, receiver: Receiver
) -> None:
    url = create(api, receiver, redirectMode="POST")
    fields = posted(browser.post(url, data={"do": "pay"}).text)
    assert (fields["code"], fields["transactionId"], fields["amount"]) == ("PAYMENT_SUCCESS", NAME, "129900")
    assert fields["checksum"] == digest("".join(value for name, value in fields.items() if name != "checksum"))
    simulator.act(SLUG, "return_form", MERCHANT, form="false_checksum")
    false = posted(browser.get(url).text)
    assert {**false, "checksum": fields["checksum"]} == fields
    assert false["checksum"] != fields["checksum"]


def posted(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type=hidden name="([^"]*)" value="([^"]*)">', page))


def test_a_return_by_query_carries_the_same_fields(
    simulator: Simulator, api: httpx.Client, browser: httpx.Client, receiver: Receiver
) -> None:
    url = create(api, receiver)
    simulator.act(SLUG, "return_form", MERCHANT, form="query")
    back = browser.post(url, data={"do": "pay"}).headers["location"]
    fields = dict(parse_qsl(urlsplit(back).query))
    assert (fields["transactionId"], fields["param20"], len(fields)) == (NAME, "na", 26)


# --- callbacks that are not right ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "signed"),
    [
        ("wrong_salt", lambda text: digest(text, "not-the-salt")),
        ("wrong_index", lambda text: digest(text, index="99")),
        ("path_signed", lambda text: digest(text + "/hook/own")),
        ("unsigned", lambda text: None),
    ],
)
def test_callbacks_can_be_wrong(
    simulator: Simulator, api: httpx.Client, receiver: Receiver, form: str, signed: Any
) -> None:
    create(api, receiver)
    simulator.act(SLUG, "callback_form", MERCHANT, form=form)
    simulator.act(SLUG, "pay", NAME)
    simulator.wait_idle()
    (one,) = receiver.received
    assert one.headers.get("x-verify") == signed(json.loads(one.body)["response"])


def test_a_callback_can_stay_out_or_come_again(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    create(api, receiver)
    simulator.act(SLUG, "callback_form", MERCHANT, form="none")
    simulator.act(SLUG, "pay", NAME)
    assert told(simulator, receiver) == []
    receiver.answers = [503]
    simulator.act(SLUG, "callback", NAME)
    assert told(simulator, receiver) == [("PAYMENT_SUCCESS", "COMPLETED", NAME)] * 2  # refused once, sent again


# --- time ----------------------------------------------------------------------------------------------------------------


def test_a_payment_runs_out_and_may_be_paid_late(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    create(api, receiver)
    simulator.advance(20 * 60 + 1)
    assert (status(api)[0], done(ask(api))["data"]["responseCode"]) == ("PAYMENT_ERROR", "U69")
    simulator.act(SLUG, "pay_late", NAME)
    assert book(simulator) == ("1299.00", "0.00", "INR", "PAYMENT_SUCCESS")
    assert [code for code, _, _ in told(simulator, receiver)] == ["PAYMENT_ERROR", "PAYMENT_SUCCESS"]


# --- refunds --------------------------------------------------------------------------------------------------------------


def test_refunds_are_refused_as_the_page_says(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    create(api, receiver)
    assert refused(refund(api)) == (400, "BAD_REQUEST")
    simulator.act(SLUG, "pay", NAME)
    theirs = done(ask(api))["data"]["transactionId"]
    assert refused(refund(api, originalTransactionId=theirs)) == (404, "TRANSACTION_NOT_FOUND")
    assert refused(refund(api, 129901)) == (400, "EXCESS_REFUND_AMOUNT")
    assert refused(refund(api, 99)) == (400, "BAD_REQUEST")
    assert refused(refund(api, name=NAME)) == (417, "INVALID_TRANSACTION_ID")
    done(refund(api, 100000))
    assert refused(refund(api, 100)) == (417, "INVALID_TRANSACTION_ID")
    assert refused(refund(api, 29901, name="rf-2")) == (400, "EXCESS_REFUND_AMOUNT")
    assert done(refund(api, 29900, name="rf-3"))["code"] == "PAYMENT_PENDING"
    simulator.advance(91 * 24 * 3600)
    assert refused(refund(api, 100, name="rf-4")) == (400, "REVERSAL_WINDOW_EXCEEDED")


def test_a_refund_can_wait_and_fail_and_frees_its_amount(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    create(api, receiver)
    simulator.act(SLUG, "pay", NAME)
    simulator.act(SLUG, "refund_mode", MERCHANT, mode="hold")
    done(refund(api, 129900))
    simulator.advance(3600)
    assert status(api, "rf-000417-1")[0] == "PAYMENT_PENDING"
    simulator.act(SLUG, "refund_fail", "rf-000417-1", code="BF_034")
    assert status(api, "rf-000417-1") == ("PAYMENT_ERROR", False, "FAILED", 129900)
    assert book(simulator) == ("1299.00", "0.00", "INR", "PAYMENT_SUCCESS")
    assert simulator.act(SLUG, "refund", NAME)["refund_code"] == "PAYMENT_PENDING"
    assert simulator.act(SLUG, "refund_settle", NAME)["refund_code"] == "PAYMENT_SUCCESS"
    assert book(simulator) == ("1299.00", "1299.00", "INR", "PAYMENT_SUCCESS")


def test_refunds_can_be_made_to_fail_a_moment_later(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    create(api, receiver)
    simulator.act(SLUG, "pay", NAME)
    simulator.act(SLUG, "refund_mode", MERCHANT, mode="fail")
    done(refund(api))
    simulator.advance(1)
    assert status(api, "rf-000417-1")[0] == "PAYMENT_ERROR"


# --- the rest ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "details", "captured"),
    [("pay_short", {}, "649.50"), ("pay_short", {"amount": 100}, "1.00"), ("pay_over", {"amount": 130000}, "1300.00")],
)
def test_another_amount_can_arrive(
    simulator: Simulator,
    api: httpx.Client,
    receiver: Receiver,
    action: str,
    details: dict[str, Any],
    captured: str,
) -> None:
    create(api, receiver)
    simulator.act(SLUG, action, NAME, **details)
    assert book(simulator) == (captured, "0.00", "INR", "PAYMENT_SUCCESS")


def test_code_and_state_can_contradict_each_other(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    create(api, receiver)
    simulator.act(SLUG, "contradict", NAME)
    assert status(api) == ("PAYMENT_SUCCESS", True, "FAILED", 129900)
    simulator.act(SLUG, "contradict", NAME, state="COMPLETED")
    assert status(api) == ("PAYMENT_SUCCESS", True, "COMPLETED", 129900)


@pytest.mark.parametrize("action", ["authorize", "pay_twice", "dispute", "refund_settle", "nonsense"])
def test_what_cannot_be_is_refused(simulator: Simulator, api: httpx.Client, receiver: Receiver, action: str) -> None:
    create(api, receiver)
    with pytest.raises(ValueError, match="refused: 400"):
        simulator.act(SLUG, action, NAME)
    assert book(simulator) == ("0.00", "0.00", "INR", "PAYMENT_PENDING")
