"""The simulated Square, driven over HTTP as the protocol page describes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from square.utils import webhooks_helper

from clients.simulator.testing import Simulator, running_simulator
from clients.square.simulator import SquareSimulator, sign
from clients.square.simulator_wire import to_major
from tests.clients.simulator.receiver import LOOPBACK, Receiver, running_receiver

SLUG = "square"
LIVE, TEST = "EAAAlive-1", "EAAAtest-1"
LOCATION = "LDOCEXAMPLE1"
KEY, URL = "doc-EXAMPLE_key-not-real", "https://pay.example.test/hooks/square/acct_7/"
LINKS = "/v2/online-checkout/payment-links"
REFERENCE = "att_0190f3c27b1e7c559a512f1f6c7d8e90"
CREDENTIALS = {
    "access_token": LIVE,
    "location_id": LOCATION,
    "webhook_signature_key": KEY,
    "notification_url": URL,
    "merchant_id": "MLDOCEXAMPLE1",
}


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator({SLUG: "clients.square.simulator:SquareSimulator"}, retry_factor=0.02) as simulator:
        yield simulator


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as one:
        yield one


@pytest.fixture
def simulator(running: Simulator, receiver: Receiver) -> Simulator:
    running.reset(accounts=True)
    running.register(SLUG, mode="live", credentials=CREDENTIALS, webhook_url=receiver.url)
    running.register(SLUG, mode="test", credentials={"access_token": TEST, "location_id": "LTEST"})
    return running


@pytest.fixture
def api(simulator: Simulator) -> Iterator[httpx.Client]:
    with client_of(simulator, "connect.squareup.com", LIVE) as client:
        yield client


@pytest.fixture
def sandbox(simulator: Simulator) -> Iterator[httpx.Client]:
    with client_of(simulator, "connect.squareupsandbox.com", TEST) as client:
        yield client


def client_of(simulator: Simulator, host: str, token: str, **headers: str) -> httpx.Client:
    given = {"authorization": f"Bearer {token}", "square-version": "2025-08-20", **headers}
    return httpx.Client(base_url=f"{simulator.url}/{host}", headers=given, **LOOPBACK)


def done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refused(answer: httpx.Response) -> tuple[int, str, str | None]:
    (error,) = answer.json()["errors"]
    return answer.status_code, error["code"], error.get("field")


def usd(amount: Any, currency: str = "USD") -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


def link_wish(amount: Any = 11550, *, location: str = LOCATION, **members: Any) -> dict[str, Any]:
    line = {"name": "Order 1042", "quantity": "1", "base_price_money": usd(amount)}
    return {
        "idempotency_key": "link-0190f3c2-7b1e-7c55-9a51-2f1f6c7d8e90",
        "order": {"location_id": location, "reference_id": REFERENCE, "line_items": [line]},
        "checkout_options": {"redirect_url": "https://pay.example.test/return/r_9f3c/", "allow_tipping": False},
        "pre_populated_data": {"buyer_email": "buyer@example.test"},
        **members,
    }


def new_link(api: httpx.Client, **members: Any) -> dict[str, Any]:
    return dict(done(api.post(LINKS, json=link_wish(**members)))["payment_link"])


def pay_wish(source: str = "cnon:card-nonce-ok", *, key: str = "key-1", **members: Any) -> dict[str, Any]:
    return {"source_id": source, "idempotency_key": key, "amount_money": usd(11550), **members}


def charged(api: httpx.Client, **members: Any) -> dict[str, Any]:
    return dict(done(api.post("/v2/payments", json=pay_wish(**members)))["payment"])


def payment_of(api: httpx.Client, name: str) -> dict[str, Any]:
    return dict(done(api.get(f"/v2/payments/{name}"))["payment"])


def events(simulator: Simulator, receiver: Receiver) -> list[tuple[str, str]]:
    """Type and status of what was told, orders left out."""
    simulator.wait_idle()
    told = []
    for one in receiver.received:
        body = json.loads(one.body)
        inner = next(iter(body["data"].get("object", {"": {}}).values()))
        if not body["type"].startswith("order."):
            told.append((body["type"], inner.get("status") or inner.get("state", "")))
    return told


def book(simulator: Simulator) -> tuple[str, str, str, str, str | None]:
    (line,) = simulator.books(SLUG)
    return line["captured"], line["refunded"], line["asset"], line["status"], line["reference"]


def refund(api: httpx.Client, payment: str, amount: Any, *, key: str = "refund-1", **more: Any) -> httpx.Response:
    return api.post(
        "/v2/refunds", json={"idempotency_key": key, "payment_id": payment, "amount_money": usd(amount), **more}
    )


# --- to the byte ---------------------------------------------------------------------------------------------------

BODY_1 = (
    '{"merchant_id":"MLDOCEXAMPLE1","type":"payment.updated","event_id":"0f3c2a10-6d5e-4e0b-9a51-2f1f6c7d8e90",'
    '"created_at":"2026-05-24T10:11:12.345Z","data":{"type":"payment","id":"pAyDocExample0000000000001","object":'
    '{"payment":{"id":"pAyDocExample0000000000001","status":"COMPLETED","amount_money":{"amount":11550,"currency":"USD"},'
    '"total_money":{"amount":11550,"currency":"USD"},"approved_money":{"amount":11550,"currency":"USD"},'
    '"source_type":"CARD","location_id":"LDOCEXAMPLE1","order_id":"oRdDocExample000000000001",'
    '"created_at":"2026-05-24T10:11:10.000Z","updated_at":"2026-05-24T10:11:12.100Z","version":3}}}}'
)
BODY_2 = (
    '{"merchant_id":"MLDOCEXAMPLE1","type":"webhooks.test_notification",'
    '"event_id":"aa000000-0000-4000-8000-000000000001","created_at":"2026-05-24T10:00:00Z",'
    '"data":{"type":"webhooks","id":"<ünïcode> & \\u00e9"}}'
)


@pytest.mark.parametrize(
    ("body", "url", "expected"),
    [
        (BODY_1, URL, "RvDH4qKS/rY+G9ISXceQQrzvCRpPucVDwaP2RBUPtcA="),
        (BODY_1, URL.rstrip("/"), "WDZ0dhRkLEHmOMjWrW/Zi6VD1rbCjfWYto0GRCRmVvw="),
        (BODY_1, "", "YnTpL0qRblRvZDLKBfMYB575x23sL1GDCeeKdddURUs="),
        (BODY_2, URL, "KewGNMGKVIzk70/x/uxM8aW5jHt1B0SrLRZyI8npmHI="),
    ],
)
def test_the_pages_webhooks_are_signed_to_the_byte(body: str, url: str, expected: str) -> None:
    assert sign(body.encode(), key=KEY, url=url) == expected


def test_books_are_in_major_units() -> None:
    assert (str(to_major(11550, "USD")), str(to_major(500, "JPY"))) == ("115.50", "500")


# --- who asks ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "token"),
    [("connect.squareup.com", "EAAAwrong"), ("connect.squareup.com", TEST), ("connect.squareupsandbox.com", LIVE)],
)
def test_a_token_works_on_its_own_host_only(simulator: Simulator, host: str, token: str) -> None:
    with client_of(simulator, host, token) as api:
        answer = api.get(f"/v2/locations/{LOCATION}")
    assert refused(answer) == (401, "UNAUTHORIZED", None)
    assert answer.json()["errors"][0]["category"] == "AUTHENTICATION_ERROR"


def test_the_location_proves_token_environment_and_location(api: httpx.Client, sandbox: httpx.Client) -> None:
    answer = api.get(f"/v2/locations/{LOCATION}")
    assert answer.headers["square-version"] == "2025-08-20"
    location = done(answer)["location"]
    wanted = {"id": LOCATION, "status": "ACTIVE", "merchant_id": "MLDOCEXAMPLE1", "country": "US", "currency": "USD"}
    assert {name: location[name] for name in wanted} == wanted
    assert "CREDIT_CARD_PROCESSING" in location["capabilities"]
    assert refused(api.get("/v2/locations/LTEST"))[:2] == (404, "NOT_FOUND")
    assert done(sandbox.get("/v2/locations/LTEST"))["location"]["merchant_id"] != "MLDOCEXAMPLE1"
    assert done(api.post("/oauth2/token/status"))["merchant_id"] == "MLDOCEXAMPLE1"


@pytest.mark.parametrize("version", ["2025-8-20", "latest", "2025-13-01"])
def test_a_version_is_a_date(simulator: Simulator, version: str) -> None:
    with client_of(simulator, "connect.squareup.com", LIVE, **{"square-version": version}) as api:
        assert refused(api.get("/v2/locations"))[:2] == (400, "INVALID_SQUARE_VERSION_FORMAT")


# --- payment links -------------------------------------------------------------------------------------------------


def test_a_link_is_as_the_page_shows_it(simulator: Simulator, api: httpx.Client) -> None:
    body = done(api.post(LINKS, json=link_wish()))
    link, (order,) = body["payment_link"], body["related_resources"]["orders"]
    assert (link["version"], link["order_id"]) == (1, order["id"])
    assert link["url"].startswith(f"{simulator.url}/square.link/u/")
    assert (order["state"], order["version"], order["total_money"]) == ("DRAFT", 1, usd(11550))
    assert (order["reference_id"], "tenders" in order) == (REFERENCE, False)
    assert done(api.get(f"{LINKS}/{link['id']}"))["payment_link"] == link
    assert done(api.get(f"/v2/orders/{order['id']}"))["order"] == order
    assert done(api.post("/v2/orders/batch-retrieve", json={"order_ids": [order["id"], "none"]}))["orders"] == [order]


def test_a_quick_link_has_no_reference(api: httpx.Client) -> None:
    quick = {"name": "Tea", "price_money": usd(300), "location_id": LOCATION}
    body = done(api.post(LINKS, json={"idempotency_key": "quick", "quick_pay": quick}))
    (order,) = body["related_resources"]["orders"]
    assert (order["total_money"], "reference_id" in order) == (usd(300), False)
    both = {**link_wish(), "quick_pay": quick, "idempotency_key": "both"}
    assert refused(api.post(LINKS, json=both))[:2] == (400, "BAD_REQUEST")


def test_a_key_repeats_its_answer_and_takes_no_other_request(api: httpx.Client) -> None:
    first = done(api.post(LINKS, json=link_wish()))
    assert done(api.post(LINKS, json=link_wish())) == first
    other = api.post(LINKS, json=link_wish(999))
    assert refused(other)[:2] == (400, "IDEMPOTENCY_KEY_REUSED")
    assert refused(api.post(LINKS, json=link_wish(idempotency_key="k" * 193)))[1:] == (
        "VALUE_TOO_LONG",
        "idempotency_key",
    )
    assert len(done(api.get(LINKS))["payment_links"]) == 1


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"location_id": "LOTHER"}, "INVALID_LOCATION"),
        ({"location_id": None}, "MISSING_REQUIRED_PARAMETER"),
        ({"reference_id": "x" * 41}, "VALUE_TOO_LONG"),
        ({"line_items": []}, "MISSING_REQUIRED_PARAMETER"),
        ({"line_items": [{"name": "x", "quantity": 1, "base_price_money": usd(1)}]}, "EXPECTED_STRING"),
        ({"line_items": [{"name": "x", "quantity": "1", "base_price_money": usd("1")}]}, "EXPECTED_INTEGER"),
        ({"line_items": [{"name": "x", "quantity": "1", "base_price_money": usd(1.5)}]}, "EXPECTED_INTEGER"),
        ({"line_items": [{"name": "x", "quantity": "1", "base_price_money": usd(True)}]}, "EXPECTED_INTEGER"),
        ({"line_items": [{"name": "x", "quantity": "1", "base_price_money": usd(1, "EUR")}]}, "CURRENCY_MISMATCH"),
        ({"line_items": [{"name": "x", "quantity": "1", "base_price_money": usd(1, "INR")}]}, "INVALID_VALUE"),
        ({"line_items": [{"name": "x", "quantity": "1", "base_price_money": usd(0)}]}, "VALUE_TOO_LOW"),
    ],
)
def test_a_wrong_order_is_refused_and_no_link_made(api: httpx.Client, order: dict[str, Any], code: str) -> None:
    wish = link_wish()
    wish["order"] = {name: value for name, value in {**wish["order"], **order}.items() if value is not None}
    assert refused(api.post(LINKS, json=wish))[:2] == (400, code)
    assert done(api.get(LINKS)) == {}


@pytest.mark.parametrize(
    "more",
    [
        {"pre_populated_data": {"buyer_email": "nobody"}},
        {"pre_populated_data": {"buyer_phone_number": "12"}},
        {"payment_note": "x" * 501},
        {"checkout_options": {"redirect_url": "https://x.test/" + "x" * 2048}},
        {"colour": "red"},
    ],
)
def test_wrong_options_reject_the_whole_call(api: httpx.Client, more: dict[str, Any]) -> None:
    assert api.post(LINKS, json=link_wish(**more)).status_code == 400


def test_a_location_of_another_currency_takes_that(simulator: Simulator, api: httpx.Client) -> None:
    simulator.act(SLUG, "set_currency", LOCATION, currency="JPY")
    assert refused(api.post(LINKS, json=link_wish()))[1] == "CURRENCY_MISMATCH"
    quick = {"name": "Tea", "price_money": usd(500, "JPY"), "location_id": LOCATION}
    link = done(api.post(LINKS, json={"quick_pay": quick}))["payment_link"]
    simulator.act(SLUG, "pay", link["id"])
    assert book(simulator)[:3] == ("500", "0", "JPY")
    low = {"quick_pay": {**quick, "price_money": usd(99, "JPY")}}
    assert refused(api.post(LINKS, json=low))[1] == "VALUE_TOO_LOW"


def test_a_customer_pays_a_link_and_is_sent_back(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    link = new_link(api)
    with httpx.Client(**LOOPBACK) as browser:
        page = browser.get(link["url"]).text
        assert "Simulated Square - no real money" in page
        assert ("115.50 USD" in page, "Order 1042 x 1" in page) == (True, True)
        back = browser.post(link["url"], data={"do": "pay"})
        assert "paid already" in browser.get(link["url"]).text
    assert back.status_code == 303
    query = parse_qs(urlsplit(back.headers["location"]).query)
    assert query["orderId"] == [link["order_id"]]
    order = done(api.get(f"/v2/orders/{link['order_id']}"))["order"]
    (tender,) = order["tenders"]
    assert (order["state"], tender["payment_id"], tender["id"]) == ("OPEN", *query["transactionId"] * 2)
    payment = payment_of(api, tender["payment_id"])
    wanted = {"status": "COMPLETED", "amount_money": usd(11550), "approved_money": usd(11550), "source_type": "CARD"}
    wanted |= {"order_id": link["order_id"], "location_id": LOCATION, "buyer_email_address": "buyer@example.test"}
    assert {name: payment[name] for name in wanted} == wanted
    assert (payment["card_details"]["status"], "reference_id" in payment) == ("CAPTURED", False)
    assert events(simulator, receiver)[:2] == [("payment.created", "APPROVED"), ("payment.updated", "COMPLETED")]
    assert book(simulator) == ("115.50", "0.00", "USD", "COMPLETED", REFERENCE)
    assert simulator.books(SLUG)[0]["gateway_reference"] == link["order_id"]


def test_the_fee_comes_in_a_later_event(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    name = simulator.act(SLUG, "pay", new_link(api)["id"])["payment_id"]
    simulator.advance(2)
    assert payment_of(api, name)["processing_fee"][0]["amount_money"] == usd(364)
    assert events(simulator, receiver)[-1] == ("payment.updated", "COMPLETED")
    versions = [json.loads(one.body) for one in receiver.received]
    told = [one["data"]["object"]["payment"]["version"] for one in versions if one["type"].startswith("payment.")]
    assert told == sorted(set(told))


def test_the_sandbox_sends_back_without_parameters(sandbox: httpx.Client) -> None:
    link = new_link(sandbox, location="LTEST")
    with httpx.Client(**LOOPBACK) as browser:
        back = browser.post(link["url"], data={"do": "pay"})
    assert back.headers["location"] == "https://pay.example.test/return/r_9f3c/"


def test_a_declined_card_leaves_the_link_open(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    link = new_link(api)
    with httpx.Client(**LOOPBACK) as browser:
        page = browser.post(link["url"], data={"do": "decline_funds"})
        assert (page.status_code, "INSUFFICIENT_FUNDS" in page.text) == (200, True)
        assert browser.post(link["url"], data={"do": "close"}).status_code == 200
    order = done(api.get(f"/v2/orders/{link['order_id']}"))["order"]
    failed = payment_of(api, order["tenders"][0]["payment_id"])
    assert (order["state"], failed["status"], failed["approved_money"]) == ("DRAFT", "FAILED", usd(0))
    assert failed["card_details"]["errors"][0]["code"] == "INSUFFICIENT_FUNDS"
    assert events(simulator, receiver) == [("payment.created", "FAILED")]
    simulator.act(SLUG, "pay", REFERENCE)
    assert len(done(api.get(f"/v2/orders/{link['order_id']}"))["order"]["tenders"]) == 2
    assert book(simulator)[0] == "115.50"


@pytest.mark.parametrize(("do", "captured"), [("success", "115.50"), ("failure", "0.00")])
def test_the_bank_may_ask_first(simulator: Simulator, api: httpx.Client, do: str, captured: str) -> None:
    link = new_link(api)
    with httpx.Client(**LOOPBACK) as browser:
        bank = browser.post(link["url"], data={"do": "pay_3ds"}).headers["location"]
        assert "Your bank asks" in browser.get(bank).text
        assert book(simulator)[0] == "0.00"
        browser.post(bank, data={"do": do})
    assert book(simulator)[0] == captured


def test_a_deleted_link_is_gone_but_late_money_shows(simulator: Simulator, api: httpx.Client) -> None:
    link = new_link(api)
    gone = done(api.delete(f"{LINKS}/{link['id']}"))
    assert gone == {"id": link["id"], "cancelled_order_id": link["order_id"]}
    assert done(api.get(f"/v2/orders/{link['order_id']}"))["order"]["state"] == "CANCELED"
    assert refused(api.get(f"{LINKS}/{link['id']}"))[:2] == (404, "NOT_FOUND")
    with httpx.Client(**LOOPBACK) as browser:
        assert browser.get(link["url"]).status_code == 404
    with pytest.raises(ValueError, match="use pay_late"):
        simulator.act(SLUG, "pay", link["id"])
    simulator.act(SLUG, "pay_late", link["id"])
    assert len(done(api.get(f"/v2/orders/{link['order_id']}"))["order"]["tenders"]) == 1
    assert book(simulator)[0] == "115.50"


def test_links_live_until_they_are_deleted(simulator: Simulator, api: httpx.Client) -> None:
    link = new_link(api)
    simulator.advance(400 * 24 * 3600)
    assert done(api.get(f"{LINKS}/{link['id']}"))["payment_link"]["id"] == link["id"]
    with pytest.raises(ValueError, match="do not expire"):
        simulator.act(SLUG, "expire", link["id"])


def test_a_change_needs_the_newest_version(api: httpx.Client) -> None:
    link = new_link(api)
    url = f"{LINKS}/{link['id']}"
    changed = done(api.put(url, json={"payment_link": {"version": 1, "description": "new"}}))["payment_link"]
    assert (changed["version"], changed["description"]) == (2, "new")
    assert refused(api.put(url, json={"payment_link": {"version": 1}}))[1] == "VERSION_MISMATCH"


def test_paid_twice_short_and_over_show_in_books_and_payments(simulator: Simulator, api: httpx.Client) -> None:
    link = new_link(api)
    simulator.act(SLUG, "pay_twice", link["id"])
    assert book(simulator)[0] == "231.00"
    simulator.reset()
    name = simulator.act(SLUG, "pay_short", new_link(api)["id"], amount=5000)["payment_id"]
    assert (payment_of(api, name)["approved_money"], book(simulator)[0]) == (usd(5000), "50.00")
    simulator.reset()
    name = simulator.act(SLUG, "pay_over", new_link(api)["id"], amount=12000)["payment_id"]
    assert (payment_of(api, name)["total_money"], book(simulator)[0]) == (usd(12000), "120.00")
    simulator.reset()
    name = simulator.act(SLUG, "pay_tip", new_link(api)["id"], amount=200)["payment_id"]
    tipped = payment_of(api, name)
    assert (tipped["total_money"], tipped["tip_money"], book(simulator)[0]) == (usd(11750), usd(200), "115.50")


# --- webhooks ------------------------------------------------------------------------------------------------------


def test_the_sdk_verifies_what_is_sent_and_nothing_else(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    new = new_link(api, payment_note="Café <b> & co")
    simulator.act(SLUG, "pay", new["id"])
    simulator.wait_idle()
    assert len(receiver.received) == 3  # created, updated, order
    for one in receiver.received:
        signature, body = one.headers["x-square-hmacsha256-signature"], one.body.decode()

        def accepts(text: str, url: str, key: str = KEY, *, header: str = signature) -> bool:
            return bool(
                webhooks_helper.verify_signature(
                    request_body=text, signature_header=header, signature_key=key, notification_url=url
                )
            )

        assert accepts(body, URL) is True
        assert [accepts(body + " ", URL), accepts(body, receiver.url), accepts(body, URL, "other")] == [False] * 3
    assert "Café <b> & co".encode() in receiver.received[0].body


def test_an_event_is_an_envelope_around_a_snapshot(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    simulator.act(SLUG, "pay", new_link(api)["id"])
    simulator.wait_idle()
    one = receiver.received[0]
    body = json.loads(one.body)
    assert list(body) == ["merchant_id", "location_id", "type", "event_id", "created_at", "data"]
    assert (body["merchant_id"], body["location_id"]) == ("MLDOCEXAMPLE1", LOCATION)
    assert re.fullmatch(r"[0-9a-f-]{36}", body["event_id"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["created_at"])
    assert body["data"]["object"]["payment"]["status"] == "APPROVED"
    assert one.headers["square-environment"] == "Production"
    assert "square-retry-number" not in one.headers


def test_a_retry_says_so_and_is_otherwise_the_same(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    receiver.answers = [500]
    done(api.post("/v2/webhooks/subscriptions/sub_1/test"))
    simulator.wait_idle()
    first, second = receiver.received
    assert first.body == second.body
    assert first.headers["x-square-hmacsha256-signature"] == second.headers["x-square-hmacsha256-signature"]
    assert ("square-retry-number" in first.headers, second.headers["square-retry-number"]) == (False, "1")
    assert json.loads(first.body)["type"] == "webhooks.test_notification"


# --- direct payments -----------------------------------------------------------------------------------------------


def test_a_direct_payment_is_completed_and_repeated_by_its_key(simulator: Simulator, api: httpx.Client) -> None:
    payment = charged(api, reference_id="ref-1", note="note")
    assert (payment["status"], payment["reference_id"], payment["note"]) == ("COMPLETED", "ref-1", "note")
    assert charged(api, reference_id="ref-1", note="note") == payment
    assert refused(api.post("/v2/payments", json=pay_wish()))[1] == "IDEMPOTENCY_KEY_REUSED"
    assert book(simulator) == ("115.50", "0.00", "USD", "COMPLETED", "ref-1")
    assert [one["id"] for one in done(api.get("/v2/payments"))["payments"]] == [payment["id"]]


def test_a_second_request_while_the_first_still_runs_is_a_conflict(simulator: Simulator, api: httpx.Client) -> None:
    simulator.fault(SLUG, "slow", path="/payments$", seconds=0.5)
    with ThreadPoolExecutor() as pool, client_of(simulator, "connect.squareup.com", LIVE) as other:
        first = pool.submit(api.post, "/v2/payments", json=pay_wish())
        while not simulator.calls(SLUG, path="/v2/payments"):
            pass
        second = other.post("/v2/payments", json=pay_wish())
        made = done(first.result())
    assert refused(second)[:2] == (409, "CONFLICT")
    assert done(api.post("/v2/payments", json=pay_wish())) == made
    assert book(simulator)[0] == "115.50"


def test_a_payment_whose_answer_is_lost_was_made_and_its_key_finds_it(simulator: Simulator, api: httpx.Client) -> None:
    simulator.fault(SLUG, "reset_after", path="/payments$")
    with pytest.raises(httpx.HTTPError):
        api.post("/v2/payments", json=pay_wish())
    assert charged(api)["status"] == "COMPLETED"
    assert book(simulator)[0] == "115.50"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("cnon:card-nonce-declined", "GENERIC_DECLINE"),
        ("cnon:card-nonce-rejected-cvv", "CVV_FAILURE"),
        ("cnon:card-nonce-rejected-postalcode", "ADDRESS_VERIFICATION_FAILURE"),
        ("cnon:card-nonce-rejected-expiration", "INVALID_EXPIRATION"),
        ("cnon:gift-card-nonce-insufficient-funds", "INSUFFICIENT_FUNDS"),
        ("wnon:afterpay-or-clearpay-declined", "GENERIC_DECLINE"),
    ],
)
def test_a_decline_is_an_error_with_the_failed_payment_beside_it(
    simulator: Simulator, api: httpx.Client, source: str, code: str
) -> None:
    answer = api.post("/v2/payments", json=pay_wish(source))
    body = answer.json()
    assert (answer.status_code, body["errors"][0]["code"]) == (400, code)
    assert body["errors"][0]["category"] == "PAYMENT_METHOD_ERROR"
    assert (body["payment"]["status"], payment_of(api, body["payment"]["id"])["status"]) == ("FAILED", "FAILED")
    assert api.post("/v2/payments", json=pay_wish(source)).json() == body
    assert book(simulator)[0] == "0.00"


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"source_id": "cnon:card-nonce-already-used"}, 400, "CARD_TOKEN_USED"),
        ({"source_id": "cnon:unknown"}, 404, "NOT_FOUND"),
        ({"source_id": ""}, 400, "MISSING_REQUIRED_PARAMETER"),
        ({"source_id": "CASH"}, 400, "MISSING_REQUIRED_PARAMETER"),
        ({"source_id": "ccof:customer-card-id-ok"}, 400, "MISSING_REQUIRED_PARAMETER"),
        ({"idempotency_key": ""}, 400, "MISSING_REQUIRED_PARAMETER"),
        ({"idempotency_key": "k" * 46}, 400, "VALUE_TOO_LONG"),
        ({"amount_money": usd(0)}, 400, "VALUE_TOO_LOW"),
        ({"amount_money": usd(1, "CAD")}, 400, "CURRENCY_MISMATCH"),
        ({"reference_id": "x" * 41}, 400, "VALUE_TOO_LONG"),
        ({"delay_duration": "PT30S"}, 400, "INVALID_VALUE"),
        ({"delay_duration": "P8D"}, 400, "INVALID_VALUE"),
        ({"delay_duration": "soon"}, 400, "INVALID_TIME"),
        ({"location_id": "LOTHER"}, 400, "INVALID_LOCATION"),
        ({"accept_partial_authorization": True}, 400, "INVALID_VALUE"),
        ({"autocomplete": "false"}, 400, "EXPECTED_BOOLEAN"),
    ],
)
def test_a_wrong_payment_is_refused_and_not_made(
    api: httpx.Client, change: dict[str, Any], status: int, code: str
) -> None:
    assert refused(api.post("/v2/payments", json={**pay_wish(), **change}))[:2] == (status, code)
    assert done(api.get("/v2/payments")) == {}


def test_a_held_payment_is_lowered_and_completed(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    held = charged(api, autocomplete=False)
    assert (held["status"], held["delay_duration"], held["delay_action"]) == ("APPROVED", "PT168H", "CANCEL")
    assert "EDIT_AMOUNT_DOWN" in held["capabilities"]
    url = f"/v2/payments/{held['id']}"
    more = {"idempotency_key": "up", "payment": {"amount_money": usd(11551)}}
    assert refused(api.put(url, json=more))[1] == "INVALID_VALUE"
    less = {"idempotency_key": "down", "payment": {"amount_money": usd(5000)}}
    assert done(api.put(url, json=less))["payment"]["approved_money"] == usd(5000)
    assert refused(api.post(f"{url}/complete", json={"amount_money": usd(1)}))[1] == "BAD_REQUEST"
    assert refused(api.post(f"{url}/complete", json={"version_token": held["version_token"]}))[1] == "VERSION_MISMATCH"
    assert book(simulator)[0] == "0.00"
    assert done(api.post(f"{url}/complete", json={}))["payment"]["status"] == "COMPLETED"
    assert refused(api.post(f"{url}/complete", json={}))[1] == "DELAYED_TRANSACTION_CAPTURED"
    assert refused(api.post(f"{url}/cancel"))[1] == "DELAYED_TRANSACTION_CAPTURED"
    assert book(simulator)[0] == "50.00"
    told = [("payment.created", "APPROVED"), ("payment.updated", "APPROVED"), ("payment.updated", "COMPLETED")]
    assert events(simulator, receiver)[:3] == told


def test_a_held_payment_is_voided_before_its_time(api: httpx.Client) -> None:
    held = charged(api, autocomplete=False)
    voided = done(api.post(f"/v2/payments/{held['id']}/cancel"))["payment"]
    assert (voided["status"], voided["card_details"]["status"]) == ("CANCELED", "VOIDED")
    assert voided["updated_at"] < voided["delayed_until"]
    assert refused(api.post(f"/v2/payments/{held['id']}/complete"))[1] == "DELAYED_TRANSACTION_CANCELED"


def test_a_hold_ends_by_itself_as_it_was_asked_to(simulator: Simulator, api: httpx.Client) -> None:
    first = charged(api, autocomplete=False, delay_duration="PT1H")
    second = charged(api, key="key-2", autocomplete=False, delay_duration="PT1H", delay_action="COMPLETE")
    assert first["delay_duration"] == "PT1H"
    simulator.advance(3601)
    ended = payment_of(api, first["id"])
    assert ended["status"] == "CANCELED"
    assert ended["updated_at"] >= ended["delayed_until"]
    assert refused(api.post(f"/v2/payments/{first['id']}/complete"))[1] == "DELAYED_TRANSACTION_EXPIRED"
    assert payment_of(api, second["id"])["status"] == "COMPLETED"


def test_a_payment_is_canceled_by_the_key_of_its_creation(api: httpx.Client) -> None:
    held = charged(api, autocomplete=False)
    assert done(api.post("/v2/payments/cancel", json={"idempotency_key": "nobody"})) == {}
    assert payment_of(api, held["id"])["status"] == "APPROVED"
    assert done(api.post("/v2/payments/cancel", json={"idempotency_key": "key-1"})) == {}
    assert payment_of(api, held["id"])["status"] == "CANCELED"


def test_a_bank_debit_is_pending_first(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    debit = charged(api, source="bnon:bank-nonce-ok")
    assert (debit["status"], debit["source_type"]) == ("PENDING", "BANK_ACCOUNT")
    simulator.advance(3)
    assert payment_of(api, debit["id"])["status"] == "COMPLETED"
    assert events(simulator, receiver)[:2] == [("payment.created", "PENDING"), ("payment.updated", "COMPLETED")]
    other = charged(api, source="bnon:bank-nonce-ok", key="key-2")
    simulator.act(SLUG, "settle_fail", other["id"])
    assert payment_of(api, other["id"])["status"] == "FAILED"


def test_a_gift_card_may_cover_a_part(api: httpx.Client) -> None:
    wish = {"source": "cnon:gift-card-nonce-ok", "autocomplete": False, "accept_partial_authorization": True}
    assert charged(api, **wish)["approved_money"] == usd(5775)


def test_the_risk_is_told_where_the_seller_opted_in(simulator: Simulator, api: httpx.Client) -> None:
    assert "risk_evaluation" not in charged(api)
    simulator.act(SLUG, "risk", LOCATION, level="HIGH")
    assert charged(api, key="key-2")["risk_evaluation"]["risk_level"] == "HIGH"


# --- refunds -------------------------------------------------------------------------------------------------------


def test_a_refund_is_pending_and_settles_later(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    payment = charged(api)
    made = done(refund(api, payment["id"], 2500, reason="asked"))["refund"]
    assert (made["status"], made["amount_money"], made["reason"], made["version"]) == ("PENDING", usd(2500), "asked", 1)
    assert made["id"].startswith(f"{payment['id']}_")
    assert made["order_id"] != payment["order_id"]
    assert payment_of(api, payment["id"])["refunded_money"] == usd(2500)
    assert book(simulator)[1] == "0.00"
    simulator.advance(3)
    ended = done(api.get(f"/v2/refunds/{made['id']}"))["refund"]
    assert (ended["status"], ended["version"]) == ("COMPLETED", 2)
    told = [one for one in events(simulator, receiver) if one[0].startswith("refund.")]
    assert told == [("refund.created", "PENDING"), ("refund.updated", "COMPLETED")]
    assert book(simulator)[:2] == ("115.50", "25.00")
    assert done(refund(api, payment["id"], 2500, reason="asked"))["refund"] == made  # as it was answered first


def test_refunds_add_up_to_what_was_collected(simulator: Simulator, api: httpx.Client) -> None:
    payment = charged(api)
    done(refund(api, payment["id"], 5000))
    assert refused(refund(api, payment["id"], 6551, key="refund-2"))[1] == "REFUND_AMOUNT_INVALID"
    assert refused(refund(api, payment["id"], 0, key="refund-2"))[1] == "REFUND_AMOUNT_INVALID"
    done(refund(api, payment["id"], 6550, key="refund-2"))
    assert refused(refund(api, payment["id"], 1, key="refund-3"))[1] == "REFUND_AMOUNT_INVALID"
    simulator.advance(3)
    assert book(simulator)[:2] == ("115.50", "115.50")
    assert len(done(api.get("/v2/refunds", params={"status": "COMPLETED"}))["refunds"]) == 2


@pytest.mark.parametrize(("action", "status"), [("refund_reject", "REJECTED"), ("refund_fail", "FAILED")])
def test_a_pending_refund_may_come_to_nothing(
    simulator: Simulator, api: httpx.Client, action: str, status: str
) -> None:
    payment = charged(api)
    simulator.act(SLUG, "refund_mode", payment["id"])
    made = done(refund(api, payment["id"], 2500))["refund"]
    simulator.advance(60)
    simulator.act(SLUG, action, made["id"])
    assert done(api.get(f"/v2/refunds/{made['id']}"))["refund"]["status"] == status
    assert payment_of(api, payment["id"])["refunded_money"] == usd(0)
    assert book(simulator)[1] == "0.00"


def test_what_cannot_be_refunded_is_refused(simulator: Simulator, api: httpx.Client) -> None:
    held = charged(api, autocomplete=False)
    assert refused(refund(api, held["id"], 1))[1] == "REFUND_ERROR_PAYMENT_NEEDS_COMPLETION"
    assert refused(refund(api, "nothing", 1))[:2] == (404, "NOT_FOUND")
    payment = charged(api, key="key-2")
    stale = refund(api, payment["id"], 1, payment_version_token="stale")
    assert refused(stale)[1] == "VERSION_MISMATCH"
    assert refused(refund(api, payment["id"], 1, reason="x" * 193))[1] == "VALUE_TOO_LONG"
    simulator.act(SLUG, "refuse_next_refund", payment["id"], code="REFUND_DECLINED")
    assert refused(refund(api, payment["id"], 1))[1] == "REFUND_DECLINED"
    simulator.act(SLUG, "dispute", payment["id"])
    assert refused(refund(api, payment["id"], 1))[1] == "PAYMENT_NOT_REFUNDABLE_DUE_TO_DISPUTE"
    simulator.act(SLUG, "dispute_win", payment["id"])
    simulator.advance(366 * 24 * 3600)
    assert refused(refund(api, payment["id"], 1))[1] == "PAYMENT_NOT_REFUNDABLE"


def test_a_recorded_payment_is_refunded_at_once(api: httpx.Client) -> None:
    cash = charged(api, source="EXTERNAL", external_details={"type": "OTHER", "source": "Till"})
    made = done(refund(api, cash["id"], 100))["refund"]
    assert done(api.get(f"/v2/refunds/{made['id']}"))["refund"]["status"] == "COMPLETED"


# --- customers and cards -------------------------------------------------------------------------------------------


def card_of(api: httpx.Client) -> tuple[str, str]:
    customer = done(api.post("/v2/customers", json={"given_name": "Ann"}))["customer"]["id"]
    wish = {"idempotency_key": "card-1", "source_id": "cnon:card-nonce-ok", "card": {"customer_id": customer}}
    card = done(api.post("/v2/cards", json=wish))["card"]
    assert (card["card_brand"], card["last_4"], card["enabled"], card["id"][:5]) == ("VISA", "1111", True, "ccof:")
    return customer, card["id"]


def test_a_saved_card_is_charged_and_disabled(simulator: Simulator, api: httpx.Client) -> None:
    customer, card = card_of(api)
    off_session = {"customer_id": customer, "customer_details": {"customer_initiated": False}}
    assert charged(api, source=card, **off_session)["customer_id"] == customer
    simulator.act(SLUG, "next_charge", card, code="INSUFFICIENT_FUNDS")
    declined = api.post("/v2/payments", json=pay_wish(card, key="key-2", **off_session))
    assert declined.json()["errors"][0]["code"] == "INSUFFICIENT_FUNDS"
    simulator.act(SLUG, "next_charge", card, code="CARD_DECLINED_VERIFICATION_REQUIRED")
    declined = api.post("/v2/payments", json=pay_wish(card, key="key-3", **off_session))
    assert declined.json()["errors"][0]["code"] == "CARD_DECLINED_VERIFICATION_REQUIRED"
    assert [one["id"] for one in done(api.get("/v2/cards", params={"customer_id": customer}))["cards"]] == [card]
    assert done(api.post(f"/v2/cards/{card}/disable"))["card"]["enabled"] is False
    assert done(api.get("/v2/cards", params={"customer_id": customer})) == {}
    assert refused(api.post("/v2/payments", json=pay_wish(card, key="key-4", **off_session)))[1] == "INVALID_CARD"


def test_a_card_belongs_to_its_customer(api: httpx.Client) -> None:
    _, card = card_of(api)
    other = done(api.post("/v2/customers", json={"given_name": "Bo"}))["customer"]["id"]
    assert refused(api.post("/v2/payments", json=pay_wish(card, customer_id=other)))[:2] == (404, "NOT_FOUND")
    assert refused(api.post("/v2/customers", json={"note": "nobody"}))[1] == "BAD_REQUEST"


def test_a_card_is_saved_from_a_fresh_payment_of_its_customer(simulator: Simulator, api: httpx.Client) -> None:
    customer, _ = card_of(api)
    payment, other = charged(api, customer_id=customer), charged(api, key="key-2")
    wish = {"idempotency_key": "card-2", "source_id": payment["id"], "card": {"customer_id": customer}}
    assert done(api.post("/v2/cards", json=wish))["card"]["customer_id"] == customer
    assert (
        refused(api.post("/v2/cards", json={**wish, "source_id": other["id"], "idempotency_key": "c3"}))[1]
        == "INVALID_CARD"
    )
    simulator.advance(25 * 3600)
    assert refused(api.post("/v2/cards", json={**wish, "idempotency_key": "c4"}))[1] == "SOURCE_EXPIRED"
    nobody = {**wish, "card": {"customer_id": "nobody"}, "idempotency_key": "c5"}
    assert refused(api.post("/v2/cards", json=nobody))[1] == "CUSTOMER_NOT_FOUND"


# --- disputes and payouts ------------------------------------------------------------------------------------------


def test_a_dispute_runs_to_its_end(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    payment = charged(api)
    simulator.act(SLUG, "dispute", payment["id"], amount=5000, reason="DUPLICATE")
    (dispute,) = done(api.get("/v2/disputes", params={"states": "EVIDENCE_REQUIRED"}))["disputes"]
    assert (dispute["amount_money"], dispute["reason"], dispute["version"]) == (usd(5000), "DUPLICATE", 1)
    assert (dispute["disputed_payment"], dispute["dispute_id"]) == ({"payment_id": payment["id"]}, dispute["id"])
    url = f"/v2/disputes/{dispute['id']}"
    done(api.post(f"{url}/evidence-text", json={"idempotency_key": "e", "evidence_text": "sent"}))
    done(api.post(f"{url}/evidence-files", files={"request": (None, "{}"), "image_file": ("a.png", b"x")}))
    assert len(done(api.get(f"{url}/evidence"))["evidence"]) == 2
    assert done(api.post(f"{url}/submit-evidence"))["dispute"]["state"] == "PROCESSING"
    assert refused(api.post(f"{url}/accept"))[1] == "INVALID_STATE"
    simulator.act(SLUG, "dispute_lose", dispute["id"])
    told = [one for one in events(simulator, receiver) if "state" in one[0] or one[0] == "dispute.created"]
    assert told == [
        ("dispute.created", "EVIDENCE_REQUIRED"),
        ("dispute.state.updated", "PROCESSING"),
        ("dispute.state.updated", "LOST"),
    ]


def test_an_inquiry_is_closed_escalated_or_accepted(simulator: Simulator, api: httpx.Client) -> None:
    payment = charged(api)
    simulator.act(SLUG, "dispute", payment["id"], inquiry=True)
    simulator.act(SLUG, "dispute_win", payment["id"])
    simulator.act(SLUG, "dispute", payment["id"], inquiry=True)
    simulator.act(SLUG, "dispute_escalate", payment["id"])
    (dispute, closed) = done(api.get("/v2/disputes"))["disputes"]
    assert (dispute["state"], closed["state"]) == ("EVIDENCE_REQUIRED", "INQUIRY_CLOSED")
    assert done(api.post(f"/v2/disputes/{dispute['id']}/accept"))["dispute"]["state"] == "ACCEPTED"


@pytest.mark.parametrize(
    ("amount", "reason"), [(8801, "AMOUNT_DIFFERS"), (8806, "NOT_RECEIVED"), (8809, "EMV_LIABILITY_SHIFT")]
)
def test_the_sandbox_disputes_by_amount(sandbox: httpx.Client, amount: int, reason: str) -> None:
    done(sandbox.post("/v2/payments", json={**pay_wish(), "amount_money": usd(amount)}))
    (dispute,) = done(sandbox.get("/v2/disputes"))["disputes"]
    assert (dispute["reason"], dispute["amount_money"]) == (reason, usd(amount))


def test_payouts_carry_what_came_in_less_fees_and_refunds(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    payment = charged(api)
    done(refund(api, payment["id"], 2500))
    simulator.advance(3)
    simulator.act(SLUG, "payout", payment["id"])
    (payout,) = done(api.get("/v2/payouts"))["payouts"]
    assert (payout["status"], payout["amount_money"]) == ("SENT", usd(11550 - 364 - 2500))
    entries = done(api.get(f"/v2/payouts/{payout['id']}/payout-entries"))["payout_entries"]
    assert [(one["type"], one["net_amount_money"]["amount"]) for one in entries] == [
        ("CHARGE", 11186),
        ("REFUND", -2500),
    ]
    simulator.advance(3)
    assert events(simulator, receiver)[-2:] == [("payout.sent", "SENT"), ("payout.paid", "PAID")]
    told = json.loads(receiver.received[-1].body)["data"]["object"]["payout"]
    assert told["amount_money"] == {"amount": 8686, "currency_code": "USD"}


# --- the control API -----------------------------------------------------------------------------------------------


def test_an_unknown_action_names_the_known_ones_and_every_button_is_one(
    simulator: Simulator, api: httpx.Client
) -> None:
    new_link(api)
    with pytest.raises(ValueError, match="known: pay, pay_3ds, authorize, decline") as told:
        simulator.act(SLUG, "explode", REFERENCE)
    known = str(told.value).split("known: ")[1].rstrip('"}').split(", ")
    assert set(SquareSimulator.actions) <= set(known)
    with pytest.raises(ValueError, match="no payment 'nobody'"):
        simulator.act(SLUG, "pay", "nobody")


def test_a_held_payment_is_voided_or_completed_in_the_dashboard(simulator: Simulator, api: httpx.Client) -> None:
    first = charged(api, autocomplete=False)
    second = charged(api, key="key-2", autocomplete=False)
    simulator.act(SLUG, "cancel", first["id"])
    simulator.act(SLUG, "complete", second["id"])
    assert payment_of(api, first["id"])["status"] == "CANCELED"
    assert payment_of(api, second["id"])["status"] == "COMPLETED"


def test_after_a_reset_nothing_is_known_and_no_id_comes_again(simulator: Simulator, api: httpx.Client) -> None:
    old = new_link(api)
    simulator.reset()
    assert simulator.books(SLUG) == []
    assert refused(api.get(f"{LINKS}/{old['id']}"))[0] == 404
    new = new_link(api)  # the key is free again, too
    assert (new["id"] != old["id"], new["order_id"] != old["order_id"]) == (True, True)
    location = done(api.get(f"/v2/locations/{LOCATION}"))["location"]
    assert location["merchant_id"] == "MLDOCEXAMPLE1"


def test_a_stand_in_of_the_browser_sdk_gives_a_token(simulator: Simulator) -> None:
    with httpx.Client(**LOOPBACK) as browser:
        script = browser.get(f"{simulator.url}/web.squarecdn.com/v1/square.js")
    assert script.headers["content-type"].startswith("application/javascript")
    assert "cnon:card-nonce-ok" in script.text
