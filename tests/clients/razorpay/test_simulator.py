"""The simulated Razorpay, driven over HTTP as the protocol page describes it."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import razorpay

from clients.razorpay.simulator import RazorpaySimulator, sign
from clients.razorpay.simulator_more_calls import signature
from clients.razorpay.simulator_wire import dumps, to_major
from clients.simulator.testing import Simulator, running_simulator
from tests.clients.simulator.receiver import LOOPBACK, Receiver, running_receiver

SLUG = "razorpay"
KEY, SECRET = "rzp_live_DocExample0001", "docKeySecret_0001"
TEST_KEY = "rzp_test_DocExample0001"
HOOK_SECRET = "doc webhook secret #7"
ACCOUNT = "acc_DocEEEEEEEEEE1"
CREDENTIALS = {"key_id": KEY, "key_secret": SECRET, "webhook_secret": HOOK_SECRET, "account_id": ACCOUNT}


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator({SLUG: "clients.razorpay.simulator:RazorpaySimulator"}, retry_factor=0.02) as simulator:
        yield simulator


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as one:
        yield one


@pytest.fixture
def simulator(running: Simulator, receiver: Receiver) -> Simulator:
    running.reset(accounts=True)
    running.register(SLUG, mode="live", credentials=CREDENTIALS, webhook_url=receiver.url)
    running.register(SLUG, mode="test", credentials={"key_id": TEST_KEY, "key_secret": "another-secret-22222"})
    return running


@pytest.fixture
def api(simulator: Simulator) -> Iterator[httpx.Client]:
    with client_of(simulator) as client:
        yield client


def client_of(simulator: Simulator, key: str = KEY, secret: str = SECRET) -> httpx.Client:
    return httpx.Client(base_url=f"{simulator.url}/api.razorpay.com/v1", auth=(key, secret), **LOOPBACK)


def browser() -> httpx.Client:
    return httpx.Client(**LOOPBACK)


def done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["description"]


def new_order(api: httpx.Client, **members: Any) -> dict[str, Any]:
    return done(api.post("/orders", json={"amount": 129900, "currency": "INR", "receipt": "pay-42", **members}))


def new_link(api: httpx.Client, **members: Any) -> dict[str, Any]:
    wish = {"amount": 129900, "reference_id": "INV-2026-0007", "callback_url": "https://shop.example/return/"}
    return done(api.post("/payment_links", json={**wish, "callback_method": "get", **members}))


def manual(api: httpx.Client, **members: Any) -> dict[str, Any]:
    return new_order(api, payment={"capture": "manual"}, **members)


def paid(simulator: Simulator, api: httpx.Client, **members: Any) -> str:
    order = new_order(api, **members)
    return str(simulator.act(SLUG, "pay", order["id"])["payment_id"])


def events(simulator: Simulator, receiver: Receiver) -> list[str]:
    simulator.wait_idle()
    return [json.loads(one.body)["event"] for one in receiver.received]


def payload(receiver: Receiver, event: str) -> dict[str, Any]:
    found = [json.loads(one.body) for one in receiver.received]
    return dict(next(one["payload"] for one in reversed(found) if one["event"] == event))


def book(simulator: Simulator) -> tuple[str, str, str, str, str | None]:
    (line,) = simulator.books(SLUG)
    return line["captured"], line["refunded"], line["asset"], line["status"], line["reference"]


# --- to the byte ---------------------------------------------------------------------------------------------------

BODY = (
    r'{"entity":"event","account_id":"acc_DocEEEEEEEEEE1","event":"payment.captured","contains":["payment"],"payload":'
    r'{"payment":{"entity":{"id":"pay_DocBBBBBBBBBB1","entity":"payment","amount":129900,"currency":"INR",'
    r'"status":"captured","order_id":"order_DocAAAAAAAAAA1","method":"upi","captured":true,"amount_refunded":0,'
    r'"refund_status":null,"description":"Caf\u00e9 \/ table 4","notes":{"payment_id":"pay-42"},'
    r'"created_at":1790000000}}},"created_at":1790000003}'
)


def test_the_pages_webhook_is_written_and_signed_to_the_byte() -> None:
    assert dumps(json.loads(BODY)) == BODY
    assert len(BODY) == 458
    assert sign(BODY.encode(), HOOK_SECRET) == "44519b57f228c3989d3d4aa4c0d2e10d02becc0171d768be590a45626c838d8f"


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (
            ("order_DocAAAAAAAAAA1", "pay_DocBBBBBBBBBB1"),
            "012010157c2027735ecd6fb49233cd5b7469c25325b9791c97346784e4c2a5ba",
        ),
        (
            ("plink_DocCCCCCCCCCC1", "INV-2026-0007", "paid", "pay_DocBBBBBBBBBB1"),
            "aeda4bfbc8c199c3cd40840e9b25d869015391d42e973b3998902d6b22a609dc",
        ),
        (
            ("plink_DocCCCCCCCCCC1", "", "paid", "pay_DocBBBBBBBBBB1"),
            "a4498524bbf8c219e8e9dc5a8c06b5a597b58ff1cd4a77028eb659fad95e4042",
        ),
        (
            ("pay_DocBBBBBBBBBB1", "sub_DocDDDDDDDDDD1"),
            "0afed5417db6f166de5815637860e264c86412e52cb3438374a39197e5a66d7d",
        ),
    ],
)
def test_the_pages_browser_returns_are_signed_to_the_byte(parts: tuple[str, ...], expected: str) -> None:
    assert signature(SECRET, *parts) == expected


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(41205, "INR", "412.05"), (500, "JPY", "500"), (87430, "KWD", "87.430"), (7, "UGX", "7"), (7, "MGA", "0.07")],
)
def test_books_are_in_major_units_of_the_pages_table(amount: int, currency: str, text: str) -> None:
    assert str(to_major(amount, currency)) == text


# --- who asks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "secret", "text"),
    [
        (KEY, "wrong", "Authentication failed"),
        ("rzp_live_Unknown0000001", SECRET, "The api key/secret provided is invalid"),
        (TEST_KEY, SECRET, "Authentication failed"),
    ],
)
def test_wrong_keys_are_refused(simulator: Simulator, key: str, secret: str, text: str) -> None:
    with client_of(simulator, key, secret) as api:
        assert refused(api.get("/payments", params={"count": 1})) == (401, text)


@pytest.mark.parametrize("scheme", ["basic", "BASIC", '"Basic"', "Bearer"])
def test_the_scheme_word_is_exactly_basic(simulator: Simulator, scheme: str) -> None:
    with browser() as client:
        headers = {"authorization": f"{scheme} cnpwX2xpdmVfRG9jRXhhbXBsZTAwMDE6ZG9jS2V5U2VjcmV0XzAwMDE="}
        answer = client.get(f"{simulator.url}/api.razorpay.com/v1/payments", headers=headers)
    assert answer.status_code == 401


def test_good_keys_list_payments_and_the_methods_need_no_secret(simulator: Simulator, api: httpx.Client) -> None:
    assert done(api.get("/payments", params={"count": 1})) == {"entity": "collection", "count": 0, "items": []}
    with client_of(simulator, KEY, "") as half:
        assert half.get("/methods").status_code == 200
        assert half.get("/payments").status_code == 401


def test_another_account_and_another_address_are_refused(api: httpx.Client) -> None:
    assert api.get("/payments", headers={"X-Razorpay-Account": ACCOUNT}).status_code == 200
    assert api.get("/payments", headers={"X-Razorpay-Account": "acc_Other000000001"}).status_code == 400
    assert refused(api.get("/nothing")) == (400, "The requested URL was not found on the server.")


def test_one_mode_does_not_see_the_other(simulator: Simulator, api: httpx.Client) -> None:
    order = new_order(api)
    with client_of(simulator, TEST_KEY, "another-secret-22222") as test:
        assert refused(test.get(f"/orders/{order['id']}")) == (400, "The id provided does not exist")


# --- orders --------------------------------------------------------------------------------------------------------


def test_an_order_is_as_the_page_shows_it(api: httpx.Client) -> None:
    order = new_order(api, notes={"payment_id": "pay-42"})
    assert re.fullmatch(r"order_[A-Za-z0-9]{14}", order.pop("id"))
    assert order.pop("created_at") > 1_700_000_000
    assert order == {
        "entity": "order",
        "amount": 129900,
        "amount_paid": 0,
        "amount_due": 129900,
        "currency": "INR",
        "receipt": "pay-42",
        "offer_id": None,
        "status": "created",
        "attempts": 0,
        "notes": {"payment_id": "pay-42"},
    }


def test_the_same_order_twice_makes_two_and_both_are_found_by_receipt(api: httpx.Client) -> None:
    first, second = new_order(api), new_order(api)
    new_order(api, receipt="other")
    assert first["id"] != second["id"]
    assert first["notes"] == []
    found = done(api.get("/orders", params={"receipt": "pay-42"}))
    assert (found["count"], [one["id"] for one in found["items"]]) == (2, [second["id"], first["id"]])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 99}, "amount"),
        ({"amount": "129900"}, "amount"),
        ({"amount": 129900.0}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": None}, "amount"),
        ({"currency": "inr"}, "currency"),
        ({"currency": "XTS"}, "currency"),
        ({"amount": 87431, "currency": "KWD"}, "amount"),
        ({"amount": 999, "currency": "KWD"}, "amount"),
        ({"receipt": "x" * 41}, "receipt"),
        ({"notes": {str(number): "x" for number in range(16)}}, "notes"),
        ({"notes": {"long": "x" * 257}}, "notes"),
        ({"colour": "red"}, "colour"),
        ({"payment": {"capture": "later"}}, "payment.capture"),
        (
            {"payment": {"capture": "automatic", "capture_options": {"refund_speed": "normal"}}},
            "automatic_expiry_period",
        ),
    ],
)
def test_a_wrong_order_is_refused_and_not_made(api: httpx.Client, change: dict[str, Any], field: str) -> None:
    wish = {"amount": 129900, "currency": "INR", "receipt": "pay-42", **change}
    answer = api.post("/orders", json={name: value for name, value in wish.items() if value is not None})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BAD_REQUEST_ERROR")
    assert answer.json()["error"]["field"] == field
    assert done(api.get("/orders"))["count"] == 0


def test_the_least_amounts_of_zero_and_three_decimals_pass(api: httpx.Client) -> None:
    assert new_order(api, amount=1, currency="JPY")["amount"] == 1
    assert new_order(api, amount=1000, currency="KWD")["amount"] == 1000


# --- paying --------------------------------------------------------------------------------------------------------


def test_one_payment_tells_three_events_that_the_sdk_verifies(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    order = new_order(api, notes={"shop": "Café / 4"})
    simulator.act(SLUG, "pay", "pay-42", method="card")
    assert events(simulator, receiver) == ["payment.authorized", "payment.captured", "order.paid"]
    verifier = razorpay.Client(auth=(KEY, SECRET)).utility
    for one in receiver.received:
        verifier.verify_webhook_signature(one.body.decode(), one.headers["x-razorpay-signature"], HOOK_SECRET)
        assert re.fullmatch(r"[A-Za-z0-9]{14}", one.headers["x-razorpay-event-id"])
    body = receiver.received[2].body
    assert rb"Caf\u00e9 \/ 4" in body
    told = json.loads(body)
    assert (told["account_id"], told["contains"]) == (ACCOUNT, ["payment", "order"])
    assert told["payload"]["order"]["entity"]["amount_paid"] == 129900
    assert payload(receiver, "payment.authorized")["payment"]["entity"]["status"] == "authorized"
    payment = done(api.get(f"/orders/{order['id']}/payments"))["items"][0]
    assert (payment["status"], payment["captured"], payment["fee"], payment["tax"]) == ("captured", True, 3065, 467)
    assert payment["notes"] == []
    assert "card" not in payment
    shown = done(api.get(f"/payments/{payment['id']}", params={"expand[]": "card"}))
    assert (shown["card"]["last4"], shown["card"]["network"]) == ("1007", "Visa")
    assert book(simulator) == ("1299.00", "0", "INR", "paid", "pay-42")


def test_a_changed_webhook_does_not_pass_the_sdk(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    paid(simulator, api)
    simulator.wait_idle()
    one = receiver.received[0]
    with pytest.raises(razorpay.errors.SignatureVerificationError):
        razorpay.Client(auth=(KEY, SECRET)).utility.verify_webhook_signature(
            one.body.decode() + " ", one.headers["x-razorpay-signature"], HOOK_SECRET
        )


def test_a_retry_repeats_event_id_body_and_the_secret_of_its_event(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    receiver.answers = [500, 500, 500]
    paid(simulator, api)
    simulator.register(
        SLUG, mode="live", credentials=CREDENTIALS | {"webhook_secret": "the new one"}, webhook_url=receiver.url
    )
    simulator.wait_idle()
    assert len(receiver.received) == 6
    first = [one for one in receiver.received if json.loads(one.body)["event"] == "payment.authorized"]
    assert (
        len({(one.headers["x-razorpay-event-id"], one.body, one.headers["x-razorpay-signature"]) for one in first}) == 1
    )
    paid(simulator, api)
    simulator.wait_idle()
    last = receiver.received[-1]
    assert last.headers["x-razorpay-signature"] == hmac.new(b"the new one", last.body, hashlib.sha256).hexdigest()


def test_a_declined_attempt_leaves_the_order_payable(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    order = new_order(api)
    simulator.act(SLUG, "decline", order["id"], reason="insufficient_funds")
    assert events(simulator, receiver) == ["payment.failed"]
    failed = payload(receiver, "payment.failed")["payment"]["entity"]
    assert (failed["status"], failed["error_code"], failed["error_reason"], failed["error_source"]) == (
        "failed",
        "BAD_REQUEST_ERROR",
        "insufficient_funds",
        "customer",
    )
    assert done(api.get(f"/orders/{order['id']}"))["status"] == "attempted"
    simulator.act(SLUG, "pay", order["id"])
    attempts = done(api.get(f"/orders/{order['id']}/payments"))["items"]
    assert sorted(one["status"] for one in attempts) == ["captured", "failed"]
    assert done(api.get(f"/orders/{order['id']}"))["attempts"] == 2
    with pytest.raises(ValueError, match="paid already"):
        simulator.act(SLUG, "pay", order["id"])


def test_a_bank_that_does_not_answer_fails_after_ten_minutes_and_may_still_say_yes(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    order = new_order(api)
    attempt = simulator.act(SLUG, "no_answer", order["id"])["payment_id"]
    simulator.advance(599)
    assert done(api.get(f"/payments/{attempt}"))["status"] == "created"
    simulator.advance(2)
    assert done(api.get(f"/payments/{attempt}"))["error_reason"] == "payment_timed_out"
    simulator.act(SLUG, "pay_late", order["id"])
    late = done(api.get(f"/payments/{attempt}"))
    assert (late["status"], late["error_reason"], late["captured"]) == ("captured", None, True)
    assert events(simulator, receiver) == ["payment.failed", "payment.authorized", "payment.captured", "order.paid"]
    assert book(simulator)[0] == "1299.00"


def test_a_late_yes_beside_a_paid_order_is_given_back_at_once(simulator: Simulator, api: httpx.Client) -> None:
    order = new_order(api)
    failed = simulator.act(SLUG, "decline", order["id"])["payment_id"]
    simulator.act(SLUG, "pay", order["id"])
    simulator.act(SLUG, "pay_late", failed)
    late = done(api.get(f"/payments/{failed}"))
    assert (late["status"], late["captured"], late["fee"], late["amount_refunded"]) == ("refunded", False, None, 129900)
    assert book(simulator) == ("1299.00", "0", "INR", "paid", "pay-42")


def test_nobody_says_yes_after_three_days(simulator: Simulator, api: httpx.Client) -> None:
    order = new_order(api)
    failed = simulator.act(SLUG, "decline", order["id"])["payment_id"]
    simulator.advance(3 * 24 * 3600 + 1)
    with pytest.raises(ValueError, match="three days"):
        simulator.act(SLUG, "pay_late", failed)


# --- holding and capturing -----------------------------------------------------------------------------------------


def test_a_held_payment_is_captured_whole_and_once(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    order = manual(api)
    held = simulator.act(SLUG, "authorize", order["id"])["payment_id"]
    url = f"/payments/{held}/capture"
    part = refused(api.post(url, json={"amount": 100, "currency": "INR"}))
    assert part == (400, "Capture amount must be equal to the amount authorized")
    assert refused(api.post(url, json={"amount": 129900}))[0] == 400
    assert refused(api.post(f"/payments/{held}/refund", json={}))[0] == 400
    assert events(simulator, receiver) == ["payment.authorized"]
    assert book(simulator)[0] == "0.00"
    assert done(api.post(url, json={"amount": 129900, "currency": "INR"}))["status"] == "captured"
    again = refused(api.post(url, json={"amount": 129900, "currency": "INR"}))
    assert again == (400, "This payment has already been captured")
    assert book(simulator)[0] == "1299.00"


def test_a_hold_that_nobody_captures_is_given_back(simulator: Simulator, api: httpx.Client) -> None:
    order = manual(api)
    held = simulator.act(SLUG, "authorize", order["id"])["payment_id"]
    simulator.advance(3 * 24 * 3600 + 1)
    lapsed = done(api.get(f"/payments/{held}"))
    assert (lapsed["status"], lapsed["captured"], lapsed["fee"]) == ("refunded", False, None)
    assert book(simulator)[:2] == ("0.00", "0")


def test_an_order_that_captures_by_itself_cannot_be_only_authorized(simulator: Simulator, api: httpx.Client) -> None:
    order = new_order(api)
    with pytest.raises(ValueError, match="captures by itself"):
        simulator.act(SLUG, "authorize", order["id"])


# --- payment links -------------------------------------------------------------------------------------------------


def test_a_link_is_as_the_page_shows_it(simulator: Simulator, api: httpx.Client) -> None:
    link = new_link(api, notes={"payment_id": "pay-42"})
    assert re.fullmatch(r"plink_[A-Za-z0-9]{14}", link["id"])
    assert link["short_url"] == f"{simulator.url}/rzp.io/i/{link['id']}"
    wanted = {"amount": 129900, "amount_paid": 0, "currency": "INR", "status": "created", "accept_partial": False}
    wanted |= {"reference_id": "INV-2026-0007", "callback_method": "get", "expired_at": 0, "cancelled_at": 0}
    assert {name: link[name] for name in wanted} == wanted
    assert (link["payments"], link["notes"]) == (None, {"payment_id": "pay-42"})
    assert "order_id" not in link
    assert "entity" not in link


def test_a_reference_is_used_once_and_finds_its_link(simulator: Simulator, api: httpx.Client) -> None:
    link = new_link(api)
    again = api.post("/payment_links", json={"amount": 100, "reference_id": "INV-2026-0007"})
    assert refused(again) == (400, "payment link creation with reference ID already attempted")
    found = done(api.get("/payment_links", params={"reference_id": "INV-2026-0007"}))
    assert [one["id"] for one in found["payment_links"]] == [link["id"]]
    assert done(api.get("/payment_links", params={"reference_id": "none"})) == {"payment_links": []}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": 99}, "amount"),
        ({"reference_id": "x" * 41}, "reference_id"),
        ({"callback_method": "post"}, "callback_method"),
        ({"expire_by": 1_000}, "expire_by"),
        ({"expire_by": 9_999_999_999}, "expire_by"),
        ({"description": "x" * 2049}, "description"),
        ({"upi_link": True, "currency": "USD"}, "upi_link"),
        ({"entity": "x"}, "entity"),
    ],
)
def test_a_wrong_link_is_refused(api: httpx.Client, change: dict[str, Any], field: str) -> None:
    wish = {"amount": 129900, "callback_url": "https://shop.example/", "callback_method": "get", **change}
    answer = api.post("/payment_links", json=wish)
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)


def test_upi_links_do_not_work_in_test_mode(simulator: Simulator) -> None:
    with client_of(simulator, TEST_KEY, "another-secret-22222") as api:
        assert refused(api.post("/payment_links", json={"amount": 100, "upi_link": True}))[0] == 400


def test_a_customer_pays_a_link_and_comes_back_signed(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    link = new_link(api)
    with browser() as client:
        page = client.get(link["short_url"])
        assert "Simulated Razorpay - no real money" in page.text
        assert "1299.00 INR" in page.text
        back = client.post(link["short_url"], data={"do": "pay"})
    assert back.status_code == 303
    query = {name: values[0] for name, values in parse_qs(urlsplit(back.headers["location"]).query).items()}
    assert back.headers["location"].startswith("https://shop.example/return/?razorpay_payment_id=pay_")
    assert razorpay.Client(auth=(KEY, SECRET)).utility.verify_payment_link_signature(
        {
            "payment_link_id": query["razorpay_payment_link_id"],
            "payment_link_reference_id": query["razorpay_payment_link_reference_id"],
            "payment_link_status": query["razorpay_payment_link_status"],
            "razorpay_payment_id": query["razorpay_payment_id"],
            "razorpay_signature": query["razorpay_signature"],
        }
    )
    assert (query["razorpay_payment_link_status"], query["razorpay_payment_link_reference_id"]) == (
        "paid",
        "INV-2026-0007",
    )
    assert events(simulator, receiver) == ["payment.authorized", "payment.captured", "order.paid", "payment_link.paid"]
    inner = payload(receiver, "payment_link.paid")
    now = done(api.get(f"/payment_links/{link['id']}"))
    assert inner["order"]["entity"]["id"] == now["order_id"].removeprefix("order_")
    assert "entity" not in inner["order"]["entity"]
    assert inner["order"]["entity"]["receipt"] == "INV-2026-0007"
    assert inner["payment"]["entity"]["order_id"] == now["order_id"]
    assert (now["status"], now["amount_paid"], now["payments"][0]["payment_id"]) == (
        "paid",
        129900,
        query["razorpay_payment_id"],
    )
    assert book(simulator) == ("1299.00", "0", "INR", "paid", "INV-2026-0007")
    assert simulator.books(SLUG)[0]["gateway_reference"] == link["id"]


def test_a_failure_on_the_page_leaves_the_link_open(simulator: Simulator, api: httpx.Client) -> None:
    link = new_link(api)
    with browser() as client:
        page = client.post(link["short_url"], data={"do": "decline_funds"})
    assert (page.status_code, "insufficient account balance" in page.text) == (200, True)
    assert done(api.get(f"/payment_links/{link['id']}"))["status"] == "created"


@pytest.mark.parametrize(("do", "status"), [("success", "paid"), ("failure", "created")])
def test_the_bank_may_ask_first(simulator: Simulator, api: httpx.Client, do: str, status: str) -> None:
    link = new_link(api)
    with browser() as client:
        at_bank = client.post(link["short_url"], data={"do": "pay_3ds"}).headers["location"]
        assert "Your bank asks" in client.get(at_bank).text
        assert done(api.get(f"/payment_links/{link['id']}"))["status"] == "created"
        client.post(at_bank, data={"do": do})
    assert done(api.get(f"/payment_links/{link['id']}"))["status"] == status


def test_a_partial_payment_is_told_and_completed(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    link = new_link(api, accept_partial=True)
    simulator.act(SLUG, "pay_short", link["id"], amount=50000)
    assert events(simulator, receiver)[-1] == "payment_link.partially_paid"
    partly = payload(receiver, "payment_link.partially_paid")["payment_link"]["entity"]
    assert (partly["status"], partly["amount_paid"]) == ("partially_paid", 50000)
    simulator.act(SLUG, "pay_rest", link["id"])
    assert done(api.get(f"/payment_links/{link['id']}"))["status"] == "paid"
    assert book(simulator)[0] == "1299.00"


def test_a_link_without_partial_payments_takes_the_whole(simulator: Simulator, api: httpx.Client) -> None:
    link = new_link(api)
    with pytest.raises(ValueError, match="no partial payment"):
        simulator.act(SLUG, "pay_short", link["id"])


def test_a_link_expires_when_told_and_late_money_still_comes(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    link = new_link(api)
    simulator.act(SLUG, "no_answer", link["id"])
    simulator.act(SLUG, "expire", link["id"])
    with pytest.raises(ValueError, match="use pay_late"):
        simulator.act(SLUG, "pay", link["id"])
    simulator.act(SLUG, "pay_late", link["id"])
    now = done(api.get(f"/payment_links/{link['id']}"))
    assert (now["status"], now["amount_paid"]) == ("expired", 129900)
    told = ["payment_link.expired", "payment.failed", "payment.authorized", "payment.captured", "order.paid"]
    assert events(simulator, receiver) == told
    assert book(simulator) == ("1299.00", "0", "INR", "expired", "INV-2026-0007")


def test_a_link_expires_by_itself_at_the_time_asked_for(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    created = new_link(api)["created_at"]
    link = new_link(api, reference_id="short", expire_by=created + 1000)
    simulator.advance(1001)
    assert done(api.get(f"/payment_links/{link['id']}"))["status"] == "expired"
    assert events(simulator, receiver) == ["payment_link.expired"]


def test_only_an_unpaid_link_is_cancelled_or_changed(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    link, other = new_link(api), new_link(api, reference_id="other")
    assert done(api.patch(f"/payment_links/{link['id']}", json={"reference_id": "new"}))["reference_id"] == "new"
    assert refused(api.patch(f"/payment_links/{link['id']}", json={"reference_id": "other"}))[0] == 400
    assert done(api.post(f"/payment_links/{link['id']}/cancel"))["status"] == "cancelled"
    assert refused(api.post(f"/payment_links/{link['id']}/cancel"))[0] == 400
    simulator.act(SLUG, "pay", other["id"])
    assert refused(api.post(f"/payment_links/{other['id']}/cancel"))[0] == 400
    assert "payment_link.cancelled" in events(simulator, receiver)


# --- checkout ------------------------------------------------------------------------------------------------------


def hosted(simulator: Simulator, order: dict[str, Any], client: httpx.Client, **change: str) -> httpx.Response:
    form = {
        "key_id": KEY,
        "amount": "129900",
        "currency": "INR",
        "order_id": order["id"],
        "name": "Shop",
        "prefill[email]": "buyer@example.com",
        "prefill[contact]": "+919000090000",
        "notes[hint]": "from the browser",
        "callback_url": "https://shop.example/return/",
        "cancel_url": "https://shop.example/cancelled/",
        **change,
    }
    return client.post(f"{simulator.url}/api.razorpay.com/v1/checkout/embedded", data=form)


def posted(page: httpx.Response) -> tuple[str, dict[str, str]]:
    """Where the page's form goes, and what it carries."""
    fields = re.findall(r'<input type=hidden name="([^"]*)" value="([^"]*)">', page.text)
    (target,) = re.findall(r'action="([^"]*)"', page.text)
    return unescape(target), {unescape(name): unescape(value) for name, value in fields}


def test_the_hosted_checkout_posts_a_signed_triple_back(simulator: Simulator, api: httpx.Client) -> None:
    order = new_order(api)
    with browser() as client:
        opened = hosted(simulator, order, client).headers["location"]
        assert "1299.00 INR" in client.get(opened).text
        target, fields = posted(client.post(opened, data={"do": "pay_netbanking"}))
    assert target == "https://shop.example/return/"
    assert razorpay.Client(auth=(KEY, SECRET)).utility.verify_payment_signature(fields)
    payment = done(api.get(f"/payments/{fields['razorpay_payment_id']}"))
    assert (payment["status"], payment["method"], payment["email"], payment["notes"]) == (
        "captured",
        "netbanking",
        "buyer@example.com",
        {"hint": "from the browser"},
    )


def test_a_failure_is_posted_back_unsigned(simulator: Simulator, api: httpx.Client) -> None:
    order = new_order(api)
    with browser() as client:
        opened = hosted(simulator, order, client).headers["location"]
        assert "Your bank asks" in client.post(opened, data={"do": "pay_3ds"}).text
        _, fields = posted(client.post(opened, data={"do": "failure"}))
    assert (fields["error[code]"], fields["error[reason]"]) == ("BAD_REQUEST_ERROR", "authentication_failed")
    assert json.loads(fields["error[metadata]"])["order_id"] == order["id"]
    assert "razorpay_signature" not in fields


def test_leaving_is_a_plain_get(simulator: Simulator, api: httpx.Client) -> None:
    order = new_order(api)
    with browser() as client:
        left = client.post(hosted(simulator, order, client).headers["location"], data={"do": "cancel"})
    assert (left.status_code, left.headers["location"]) == (303, "https://shop.example/cancelled/")
    assert done(api.get(f"/orders/{order['id']}"))["attempts"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "100"},
        {"currency": "USD"},
        {"order_id": "order_Unknown0000001"},
        {"key_id": "rzp_live_nobody"},
        {"callback_url": ""},
        {"prefill[email]": ""},
    ],
)
def test_a_checkout_that_does_not_fit_its_order_does_not_open(
    simulator: Simulator, api: httpx.Client, change: dict[str, str]
) -> None:
    with browser() as client:
        assert hosted(simulator, new_order(api), client, **change).status_code in (400, 401)


def test_the_script_opens_a_frame_that_tells_the_page_around_it(simulator: Simulator, api: httpx.Client) -> None:
    order = new_order(api)
    with browser() as client:
        script = client.get(f"{simulator.url}/checkout.razorpay.com/v1/checkout.js")
        assert script.headers["content-type"].startswith("application/javascript")
        assert f'"{simulator.url}/api.razorpay.com"' in script.text
        query = {"key": KEY, "order_id": order["id"], "amount": 129900, "currency": "INR"}
        frame = client.get(f"{simulator.url}/api.razorpay.com/v1/checkout/public", params=query).headers["location"]
        failed = client.post(frame, data={"do": "decline"}).text
        page = client.post(frame, data={"do": "pay"}).text
        dismissed = client.post(frame, data={"do": "cancel"}).text
    told = json.loads(page.split("parent.postMessage(")[1].split(", '*')")[0])
    assert razorpay.Client(auth=(KEY, SECRET)).utility.verify_payment_signature(told["simulated_razorpay"]["fields"])
    assert ('"reason": "card_declined"' in failed, "Try again" in failed) == (True, True)
    assert "paid already" in dismissed


# --- refunds -------------------------------------------------------------------------------------------------------


def test_refunds_add_up_to_what_was_captured(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    name = paid(simulator, api)
    part = done(api.post(f"/payments/{name}/refund", json={"amount": 50000, "receipt": "refund-7"}))
    assert (part["status"], part["amount"], part["receipt"], part["notes"]) == ("processed", 50000, "refund-7", [])
    assert events(simulator, receiver)[-2:] == ["refund.created", "refund.processed"]
    payment = done(api.get(f"/payments/{name}"))
    assert (payment["status"], payment["refund_status"], payment["amount_refunded"]) == ("captured", "partial", 50000)
    too_much = refused(api.post(f"/payments/{name}/refund", json={"amount": 79901}))
    assert too_much == (400, "The refund amount provided is greater than amount captured.")
    assert done(api.post(f"/payments/{name}/refund", json={}))["amount"] == 79900
    payment = done(api.get(f"/payments/{name}"))
    assert (payment["status"], payment["refund_status"], payment["captured"]) == ("refunded", "full", True)
    over = refused(api.post(f"/payments/{name}/refund", json={}))
    assert over == (400, "The payment has been fully refunded already.")
    assert done(api.get(f"/payments/{name}/refunds"))["count"] == 2
    assert done(api.get(f"/refunds/{part['id']}"))["id"] == part["id"]
    assert book(simulator) == ("1299.00", "1299.00", "INR", "paid", "pay-42")


def test_a_refund_key_repeats_its_answer_and_takes_no_other_request(simulator: Simulator, api: httpx.Client) -> None:
    url, key = f"/payments/{paid(simulator, api)}/refund", {"X-Refund-Idempotency": "refund-key_1"}
    first = done(api.post(url, json={"amount": 100}, headers=key))
    assert done(api.post(url, json={"amount": 100}, headers=key)) == first
    status, text = refused(api.post(url, json={"amount": 200}, headers=key))
    assert (status, text.startswith("Different request with the same idempotency key")) == (409, True)
    for bad in ("short", "has:colon:inside", "has.dot.inside"):
        assert refused(api.post(url, json={"amount": 100}, headers={"X-Refund-Idempotency": bad}))[0] == 400
    assert book(simulator)[1] == "1.00"


def test_a_second_request_while_the_first_still_runs_is_told_so(simulator: Simulator, api: httpx.Client) -> None:
    url, key = f"/payments/{paid(simulator, api)}/refund", {"X-Refund-Idempotency": "refund-key_1"}
    simulator.fault(SLUG, "slow", path="/refund$", seconds=0.5)
    with ThreadPoolExecutor() as pool, client_of(simulator) as other:
        first = pool.submit(api.post, url, json={"amount": 100}, headers=key)
        while not simulator.calls(SLUG, path=f"/v1{url}"):
            pass
        status, text = refused(other.post(url, json={"amount": 100}, headers=key))
        made = done(first.result())
    assert (status, text) == (409, "Another request with the same idempotency key is in progress.")
    assert done(api.post(url, json={"amount": 100}, headers=key)) == made
    assert book(simulator)[1] == "1.00"


def test_a_refund_whose_answer_is_lost_was_made_and_its_key_finds_it(simulator: Simulator, api: httpx.Client) -> None:
    url, key = f"/payments/{paid(simulator, api)}/refund", {"X-Refund-Idempotency": "refund-key_1"}
    simulator.fault(SLUG, "reset_after", path="/refund$")
    with pytest.raises(httpx.HTTPError):
        api.post(url, json={"amount": 100}, headers=key)
    assert book(simulator)[1] == "1.00"
    assert done(api.post(url, json={"amount": 100}, headers=key))["amount"] == 100
    assert book(simulator)[1] == "1.00"


@pytest.mark.parametrize("body", [{"amount": "100"}, {"amount": 0}, {"amount": 99}, {"speed": "fast"}, {"reason": "x"}])
def test_a_wrong_refund_is_refused(simulator: Simulator, api: httpx.Client, body: dict[str, Any]) -> None:
    name = paid(simulator, api)
    assert refused(api.post(f"/payments/{name}/refund", json=body))[0] == 400
    assert done(api.get(f"/payments/{name}/refunds"))["count"] == 0


def test_refunds_may_settle_later(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    name = paid(simulator, api)
    simulator.act(SLUG, "refund_mode", name, mode="pending")
    made = done(api.post(f"/payments/{name}/refund", json={"amount": 50000}))
    assert made["status"] == "pending"
    assert book(simulator)[1] == "0"
    simulator.advance(3)
    assert done(api.get(f"/refunds/{made['id']}"))["status"] == "processed"
    assert events(simulator, receiver)[-2:] == ["refund.created", "refund.processed"]
    assert book(simulator)[1] == "500.00"


def test_an_instant_refund_falls_back_and_then_settles(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    name = paid(simulator, api)
    simulator.act(SLUG, "refund_mode", name, mode="hold")
    made = done(api.post(f"/payments/{name}/refund", json={"amount": 50000, "speed": "optimum"}))
    assert (made["status"], made["speed_processed"]) == ("pending", None)
    simulator.act(SLUG, "refund_slow", made["id"])
    simulator.act(SLUG, "refund_process", made["id"])
    assert events(simulator, receiver)[-3:] == ["refund.created", "refund.speed_changed", "refund.processed"]


def test_a_processed_refund_may_still_fail(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    name = paid(simulator, api)
    made = done(api.post(f"/payments/{name}/refund", json={}))
    simulator.act(SLUG, "refund_fail", made["id"])
    assert events(simulator, receiver)[-1] == "refund.failed"
    inside = payload(receiver, "refund.failed")
    assert (inside["refund"]["entity"]["status"], inside["payment"]["entity"]["amount_refunded"]) == ("failed", 129900)
    payment = done(api.get(f"/payments/{name}"))
    assert (payment["status"], payment["amount_refunded"], payment["refund_status"]) == ("captured", 0, None)
    assert book(simulator)[1] == "0"


def test_a_refund_may_be_refused_for_want_of_balance_or_age(simulator: Simulator, api: httpx.Client) -> None:
    name = paid(simulator, api)
    simulator.act(SLUG, "refuse_next_refund", name)
    assert "enough balance" in refused(api.post(f"/payments/{name}/refund", json={}))[1]
    simulator.advance(183 * 24 * 3600)
    assert "6 months" in refused(api.post(f"/payments/{name}/refund", json={}))[1]


# --- customers, tokens, QR codes -----------------------------------------------------------------------------------


def customer(api: httpx.Client) -> dict[str, Any]:
    wish = {"name": "Gaurav", "email": "g@example.com", "contact": "+919000090000", "fail_existing": "0"}
    return done(api.post("/customers", json=wish))


def token_of(simulator: Simulator, api: httpx.Client) -> tuple[str, str]:
    buyer = customer(api)["id"]
    order = new_order(api, amount=100, customer_id=buyer, method="card", token={"max_amount": 500000})
    simulator.act(SLUG, "pay", order["id"])
    (token,) = done(api.get(f"/customers/{buyer}/tokens"))["items"]
    return buyer, token["id"]


def test_a_customer_is_made_once(api: httpx.Client) -> None:
    first = customer(api)
    assert customer(api)["id"] == first["id"]
    again = api.post("/customers", json={"name": "Other", "email": "g@example.com", "contact": "+919000090000"})
    assert refused(again) == (400, "Customer already exists for the merchant")
    assert refused(api.post("/customers", json={"name": "ab"}))[0] == 400


def charge(api: httpx.Client, buyer: str, token: str, **change: Any) -> tuple[dict[str, Any], httpx.Response]:
    order = new_order(api, amount=1000, receipt="charge-1", payment_capture=True)
    wish = {"email": "g@example.com", "contact": "+919000090000", "amount": 1000, "currency": "INR", "recurring": True}
    wish |= {"order_id": order["id"], "customer_id": buyer, "token": token, **change}
    return order, api.post("/payments/create/recurring", json=wish)


def test_a_token_is_saved_charged_and_deleted(simulator: Simulator, api: httpx.Client) -> None:
    buyer, token = token_of(simulator, api)
    shown = done(api.get(f"/customers/{buyer}/tokens/{token}"))
    assert (shown["recurring_details"]["status"], shown["card"]["last4"]) == ("confirmed", "1007")
    order, answer = charge(api, buyer, token)
    name = done(answer)["razorpay_payment_id"]
    assert done(api.get(f"/payments/{name}"))["status"] == "created"
    simulator.advance(2)
    charged = done(api.get(f"/payments/{name}"))
    assert (charged["status"], charged["token_id"], charged["order_id"]) == ("captured", token, order["id"])
    assert done(api.delete(f"/customers/{buyer}/tokens/{token}")) == {"deleted": True}
    assert refused(charge(api, buyer, token)[1]) == (400, "The id provided does not exist")


def test_the_bank_may_refuse_a_charge_at_once_or_later(simulator: Simulator, api: httpx.Client) -> None:
    buyer, token = token_of(simulator, api)
    simulator.act(SLUG, "next_charge", token, result="refuse", reason="card_declined")
    _, answer = charge(api, buyer, token)
    error = answer.json()["error"]
    assert (answer.status_code, error["reason"], error["step"]) == (400, "card_declined", "payment_authorization")
    assert done(api.get(f"/payments/{error['metadata']['payment_id']}"))["status"] == "failed"
    simulator.act(SLUG, "next_charge", token, result="decline")
    name = done(charge(api, buyer, token)[1])["razorpay_payment_id"]
    simulator.advance(2)
    assert done(api.get(f"/payments/{name}"))["error_reason"] == "insufficient_funds"
    simulator.act(SLUG, "next_charge", token, result="hold")
    name = done(charge(api, buyer, token)[1])["razorpay_payment_id"]
    simulator.advance(36 * 3600)
    assert done(api.get(f"/payments/{name}"))["status"] == "created"
    simulator.act(SLUG, "pay", name)
    assert done(api.get(f"/payments/{name}"))["status"] == "captured"


def test_a_charge_needs_its_own_customer_a_confirmed_token_and_the_orders_amount(
    simulator: Simulator, api: httpx.Client
) -> None:
    buyer, token = token_of(simulator, api)
    assert charge(api, buyer, token, amount=2000)[1].status_code == 400
    other = done(api.post("/customers", json={"name": "Other", "email": "o@example.com"}))["id"]
    assert charge(api, other, token)[1].status_code == 400
    simulator.act(SLUG, "token_status", token, status="paused")
    assert charge(api, buyer, token)[1].status_code == 400


def test_a_qr_code_is_paid_without_an_order(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    wish = {"type": "upi_qr", "usage": "single_use", "fixed_amount": True, "payment_amount": 30000}
    moment = new_order(api)["created_at"]
    qr = done(api.post("/payments/qr_codes", json={**wish, "close_by": moment + 99999}))
    assert moment + 7200 <= qr["close_by"] <= moment + 7205  # cut to two hours
    with browser() as client:
        assert "300.00 INR" in client.get(qr["image_url"]).text
        image = client.get(qr["image_url"], headers={"accept": "image/avif,image/webp,*/*"})
    assert image.headers["content-type"] == "image/svg+xml"
    simulator.act(SLUG, "pay", qr["id"])
    told = events(simulator, receiver)
    assert told == ["qr_code.created", "payment.authorized", "payment.captured", "qr_code.credited", "qr_code.closed"]
    credited = payload(receiver, "qr_code.credited")
    assert credited["qr_code"]["entity"]["payments_amount_received"] == 0  # lags behind
    assert credited["payment"]["entity"]["order_id"] is None
    assert isinstance(payload(receiver, "qr_code.created")["qr_code"]["entity"]["close_by"], str)
    closed = done(api.get(f"/payments/qr_codes/{qr['id']}"))
    assert (closed["status"], closed["close_reason"], closed["payments_amount_received"]) == ("closed", "paid", 30000)
    assert done(api.get(f"/payments/qr_codes/{qr['id']}/payments"))["count"] == 1
    assert [line["captured"] for line in simulator.books(SLUG)] == ["0.00", "300.00"]


def test_a_qr_code_is_closed_on_demand_or_by_time(simulator: Simulator, api: httpx.Client) -> None:
    wish = {"type": "upi_qr", "usage": "single_use", "fixed_amount": True, "payment_amount": 30000}
    first = done(api.post("/payments/qr_codes", json=wish))
    assert done(api.post(f"/payments/qr_codes/{first['id']}/close"))["close_reason"] == "on_demand"
    assert refused(api.post(f"/payments/qr_codes/{first['id']}/close"))[0] == 400
    timed = done(api.post("/payments/qr_codes", json={**wish, "close_by": first["created_at"] + 300}))
    simulator.advance(301)
    assert done(api.get(f"/payments/qr_codes/{timed['id']}"))["close_reason"] is None
    for bad in ({"fixed_amount": False}, {"type": "bharat_qr"}, {"usage": "never"}, {"close_by": 1000}):
        assert refused(api.post("/payments/qr_codes", json={**wish, **bad}))[0] == 400


# --- disputes and settlements --------------------------------------------------------------------------------------


def test_a_dispute_runs_to_its_end(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    name = paid(simulator, api)
    simulator.act(SLUG, "dispute", name, amount=50000)
    (dispute,) = done(api.get("/disputes"))["items"]
    wanted = ("open", "chargeback", 50000, 0, name)
    assert tuple(dispute[key] for key in ("status", "phase", "amount", "amount_deducted", "payment_id")) == wanted
    draft = done(api.patch(f"/disputes/{dispute['id']}/contest", json={"action": "draft", "summary": "sent"}))
    assert draft["status"] == "open"
    sent = done(api.patch(f"/disputes/{dispute['id']}/contest", json={"action": "submit"}))
    assert (sent["status"], sent["evidence"]["summary"]) == ("under_review", "sent")
    assert refused(api.post(f"/disputes/{dispute['id']}/accept"))[0] == 400
    simulator.act(SLUG, "dispute_lose", name)
    assert done(api.get(f"/disputes/{dispute['id']}"))["amount_deducted"] == 50000
    told = [event.removeprefix("payment.dispute.") for event in events(simulator, receiver)[-3:]]
    assert told == ["created", "under_review", "lost"]


def test_a_dispute_is_accepted_won_or_closed(simulator: Simulator, api: httpx.Client) -> None:
    name = paid(simulator, api)
    first = simulator.act(SLUG, "dispute", name)
    assert first["status"] == "captured"
    (dispute,) = done(api.get("/disputes"))["items"]
    assert done(api.post(f"/disputes/{dispute['id']}/accept"))["status"] == "lost"
    simulator.act(SLUG, "dispute", name)
    with pytest.raises(ValueError, match="fraud phase"):
        simulator.act(SLUG, "dispute_close", name)
    simulator.act(SLUG, "dispute_win", name)
    simulator.act(SLUG, "dispute", name, phase="fraud")
    simulator.act(SLUG, "dispute_close", name)
    assert [one["status"] for one in done(api.get("/disputes"))["items"]] == ["closed", "won", "lost"]


def test_settlements_pay_out_what_was_taken_less_fees_and_refunds(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    name = paid(simulator, api)
    done(api.post(f"/payments/{name}/refund", json={"amount": 50000}))
    simulator.act(SLUG, "settle", name)
    (settlement,) = done(api.get("/settlements"))["items"]
    assert (settlement["amount"], settlement["fees"], settlement["tax"]) == (129900 - 3065 - 50000, 3065, 467)
    assert events(simulator, receiver)[-1] == "settlement.processed"
    at = datetime.fromtimestamp(settlement["created_at"], UTC)
    rows = done(api.get("/settlements/recon/combined", params={"year": at.year, "month": at.month}))["items"]
    assert [(row["type"], row["credit"], row["debit"]) for row in rows] == [
        ("payment", 126835, 0),
        ("refund", 0, 50000),
    ]
    assert (rows[0]["payment_id"], rows[0]["entity_id"], rows[0]["order_receipt"]) == (None, name, "pay-42")


# --- the control API -----------------------------------------------------------------------------------------------


def test_an_unknown_action_names_the_known_ones(simulator: Simulator, api: httpx.Client) -> None:
    new_order(api)
    with pytest.raises(ValueError, match="known: pay, pay_3ds, authorize, decline"):
        simulator.act(SLUG, "explode", "pay-42")
    with pytest.raises(ValueError, match="no payment 'nobody'"):
        simulator.act(SLUG, "pay", "nobody")


def test_every_button_of_the_index_page_is_an_action(simulator: Simulator, api: httpx.Client) -> None:
    new_order(api)
    with pytest.raises(ValueError, match="known: ") as told:
        simulator.act(SLUG, "explode", "pay-42")
    known = str(told.value).split("known: ")[1].rstrip('"}').split(", ")
    assert set(RazorpaySimulator.actions) <= set(known)


def test_after_a_reset_nothing_is_known_and_no_id_comes_again(simulator: Simulator, api: httpx.Client) -> None:
    old = new_order(api)["id"]
    simulator.reset()
    assert simulator.books(SLUG) == []
    assert refused(api.get(f"/orders/{old}"))[0] == 400
    assert new_order(api)["id"] != old


def test_a_second_payment_at_the_same_time_is_given_back(simulator: Simulator, api: httpx.Client) -> None:
    order = new_order(api)
    simulator.act(SLUG, "pay_twice", order["id"])
    attempts = done(api.get(f"/orders/{order['id']}/payments"))["items"]
    assert sorted((one["status"], one["captured"]) for one in attempts) == [("captured", True), ("refunded", False)]
    assert book(simulator)[:2] == ("1299.00", "0")
