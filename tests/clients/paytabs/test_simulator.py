"""The simulated PayTabs, driven over HTTP as the protocol page describes it."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from clients.paytabs.simulator_wire import sign_body, sign_return
from clients.simulator.testing import Simulator, running_simulator
from tests.clients.simulator.receiver import LOOPBACK, Receiver, running_receiver

SLUG = "paytabs"
HOST = "secure.paytabs.sa"
KEY = "SDOCEXAMPL-0123456789-ABCDEFGHJK"
LIVE_KEY = "SDOCEXAMPL-LIVE456789-ABCDEFGHJK"
PROFILE = 990011
CART = "pay_01HZX4-1"
RETURN = "https://pay.example.test/return/paytabs/r_9f3c/"
SAMPLE = (
    b'{"tran_ref":"TST2614400991234","merchant_id":4711,"profile_id":990011,"cart_id":"pay_01HZX4-1","cart_description":'
    b'"Order 1042","cart_currency":"SAR","cart_amount":"115.50","tran_currency":"SAR","tran_total":"115.50","tran_type":'
    b'"Sale","tran_class":"ECom","customer_details":{"name":"Test Buyer","email":"buyer@example.test","country":"SA",'
    b'"ip":"203.0.113.7"},"payment_result":{"response_status":"A","response_code":"G10042","response_message":'
    b'"Authorised","acquirer_ref":"TRAN0001.00000000.00000001","cvv_result":" ","avs_result":" ","transaction_time":'
    b'"2026-05-24T10:11:12Z"},"payment_info":{"payment_method":"Visa","card_type":"Credit","card_scheme":"Visa",'
    b'"payment_description":"4111 11## #### 1111","expiryMonth":12,"expiryYear":2030},'
    b'"ipn_trace":"IPNS0001.00000000.00000001"}'
)


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator({SLUG: "clients.paytabs.simulator:PayTabsSimulator"}, retry_factor=0.02) as simulator:
        yield simulator


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as one:
        yield one


@pytest.fixture
def simulator(running: Simulator, receiver: Receiver) -> Simulator:
    running.reset(accounts=True)
    test = {"region": "SAU", "profile_id": str(PROFILE), "server_key": KEY}
    running.register(SLUG, mode="test", credentials=test)
    running.register(SLUG, mode="live", credentials={"region": "SAU", "profile_id": "880022", "server_key": LIVE_KEY})
    return running


@pytest.fixture
def api(simulator: Simulator) -> Iterator[httpx.Client]:
    with client_of(simulator) as client:
        yield client


def client_of(simulator: Simulator, *, host: str = HOST, key: str = KEY) -> httpx.Client:
    return httpx.Client(base_url=f"{simulator.url}/{host}", headers={"authorization": key}, **LOOPBACK)


def wish(**members: Any) -> dict[str, Any]:
    made = {
        "profile_id": PROFILE,
        "tran_type": "sale",
        "tran_class": "ecom",
        "cart_id": CART,
        "cart_description": "Order 1042",
        "cart_currency": "SAR",
        "cart_amount": 115.50,
        "return": RETURN,
        "hide_shipping": True,
        "paypage_lang": "en",
        "customer_details": {"name": "Test Buyer", "email": "buyer@example.test", "country": "SA", "ip": "203.0.113.7"},
        **members,
    }
    return {name: value for name, value in made.items() if value is not None}


def done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    body = dict(answer.json())
    assert "code" not in body, body
    return body


def refused(answer: httpx.Response) -> tuple[int, int]:
    body = answer.json()
    assert set(body) == {"code", "message", "trace"}
    return answer.status_code, body["code"]


def opened(api: httpx.Client, **members: Any) -> dict[str, Any]:
    return done(api.post("/payment/request", json=wish(**members)))


def followed(api: httpx.Client, kind: str, of: str, amount: Any, *, cart: str = "f-1", **more: Any) -> httpx.Response:
    members = {"tran_type": kind, "tran_ref": of, "cart_amount": amount, "cart_id": cart, "return": None, **more}
    return api.post("/payment/request", json=wish(**members))


def seen(api: httpx.Client, tran_ref: str) -> dict[str, Any]:
    return done(api.post("/payment/query", json={"profile_id": PROFILE, "tran_ref": tran_ref}))


def rows(api: httpx.Client, cart_id: str = CART) -> list[dict[str, Any]]:
    return list(api.post("/payment/query", json={"profile_id": PROFILE, "cart_id": cart_id}).json())


def letter(body: dict[str, Any]) -> tuple[str, str]:
    return body["tran_type"], body["payment_result"]["response_status"]


def told(simulator: Simulator, receiver: Receiver) -> list[tuple[str, str, str]]:
    simulator.wait_idle()
    bodies = [json.loads(one.body) for one in receiver.received]
    return [(one["tran_type"], one["payment_result"]["response_status"], one["tran_total"]) for one in bodies]


def book(simulator: Simulator) -> tuple[str, str, str, str, str | None]:
    (line,) = simulator.books(SLUG)
    return line["captured"], line["refunded"], line["asset"], line["status"], line["reference"]


def pressed(page: str, button: str) -> httpx.Response:
    return httpx.post(page, data={"do": button}, **LOOPBACK)


def form_of(html: str) -> tuple[str, dict[str, str]]:
    (url,) = re.findall(r'action="([^"]+)"', html)
    return url, dict(re.findall(r'type=hidden name="([^"]+)" value="([^"]*)"', html))


# --- vectors ---------------------------------------------------------------------------------------------------------


def test_the_body_signature_is_that_of_the_published_sample() -> None:
    assert len(SAMPLE) == 780
    assert sign_body(SAMPLE, key=KEY) == "485b7bc8609f3733711ea7fd4da7cb171db9d1f41fc3b6819e0ba56ba06c6c57"


def test_the_return_signature_is_that_of_the_published_samples() -> None:
    first = {
        "acquirerMessage": "",
        "acquirerRRN": "",
        "cartId": "pay_01HZX4-1",
        "customerEmail": "buyer+sa@example.test",
        "respCode": "G10042",
        "respMessage": "Authorised OK",
        "respStatus": "A",
        "token": "",
        "tranRef": "TST2614400991234",
    }
    second = {
        "cartId": "pay_01HZX4-2",
        "customerEmail": "buyer@example.test",
        "flag": "0",
        "respCode": "321",
        "respMessage": "Cancelled",
        "respStatus": "C",
        "token": "",
        "tranRef": "TST2614400991235",
    }
    assert sign_return(first, key=KEY) == "df004265d871df3525c460cb7a90e2737b4e8b3e1d75a6aa542c7de6d7ebdef9"
    assert sign_return(second, key=KEY) == "cc3a23e99789ef0962e05af1db81160d3f7e9eeb65c395f387dbc9113b1743a1"


# --- the road --------------------------------------------------------------------------------------------------------


def test_a_sale_is_opened_paid_told_queried_and_partly_refunded(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    page = opened(api, callback=receiver.url)
    assert (page["tran_type"], page["cart_amount"]) == ("Sale", "115.50")
    assert (page["profileId"], page["callback"], page["return"]) == (PROFILE, receiver.url, RETURN)
    assert re.fullmatch(r"TST\d{13}", page["tran_ref"])
    assert re.fullmatch(rf"{simulator.url}/{HOST}/payment/page/[0-9A-F]{{64}}", page["redirect_url"])
    unpaid = seen(api, page["tran_ref"])
    assert "payment_result" not in unpaid
    assert unpaid["redirect_url"] == page["redirect_url"]

    url, fields = form_of(pressed(page["redirect_url"], "pay").text)
    assert url == RETURN
    assert (fields["respStatus"], fields["cartId"], fields["acquirerRRN"]) == ("A", CART, "")
    assert fields["signature"] == sign_return(fields, key=KEY)
    assert told(simulator, receiver) == [("Sale", "A", "115.50")]
    (delivery,) = receiver.received
    assert delivery.headers["signature"] == hmac.new(KEY.encode(), delivery.body, hashlib.sha256).hexdigest()
    notice = json.loads(delivery.body)
    assert (notice["profile_id"], notice["cart_id"], notice["tran_ref"]) == (PROFILE, CART, page["tran_ref"])
    paid = seen(api, page["tran_ref"])
    assert paid == {name: value for name, value in notice.items() if name != "ipn_trace"}

    refund = done(followed(api, "refund", page["tran_ref"], 15.50, cart="r-1"))
    assert (letter(refund), refund["previous_tran_ref"], refund["tran_total"]) == (
        ("Refund", "A"),
        page["tran_ref"],
        "15.50",
    )
    assert refund["tran_ref"] != page["tran_ref"]
    assert [one["tran_ref"] for one in rows(api, "r-1")] == [refund["tran_ref"]]
    assert book(simulator) == ("115.50", "15.50", "SAR", "Sale A", CART)
    assert refused(followed(api, "refund", page["tran_ref"], 100.01, cart="r-2")) == (400, 322)
    done(followed(api, "refund", page["tran_ref"], "100.00", cart="r-3"))
    assert book(simulator)[:2] == ("115.50", "115.50")
    assert refused(followed(api, "refund", page["tran_ref"], 0.01, cart="r-4")) == (400, 322)


@pytest.mark.parametrize(
    ("currency", "amount", "text"),
    [("SAR", 115.5, "115.50"), ("KWD", "1.235", "1.235"), ("JPY", 500, "500"), ("SAR", "115.500", "115.50")],
)
def test_amounts_are_text_with_the_decimals_of_the_currency(
    simulator: Simulator, api: httpx.Client, currency: str, amount: Any, text: str
) -> None:
    page = opened(api, cart_currency=currency, cart_amount=amount)
    assert (page["cart_currency"], page["cart_amount"]) == (currency, text)
    simulator.act(SLUG, "pay", CART)
    assert seen(api, page["tran_ref"])["tran_total"] == text
    assert book(simulator)[:3] == (text, "0", currency)


@pytest.mark.parametrize(
    ("button", "result", "code"),
    [
        ("decline", "D", "302"),
        ("decline_funds", "D", "316"),
        ("cancel", "C", "321"),
        ("expire", "X", ""),
        ("hold", "H", None),
        ("offline", "P", "600"),
    ],
)
def test_a_page_is_dead_after_its_one_result(
    simulator: Simulator, api: httpx.Client, button: str, result: str, code: str | None
) -> None:
    page = opened(api)
    _, fields = form_of(pressed(page["redirect_url"], button).text)
    assert fields["respStatus"] == result
    shown = seen(api, page["tran_ref"])
    assert shown["payment_result"]["response_status"] == result
    assert code in (None, shown["payment_result"]["response_code"])
    assert pressed(page["redirect_url"], "pay").status_code == 404
    assert book(simulator)[:2] == ("0", "0")


def test_the_bank_step_decides(simulator: Simulator, api: httpx.Client) -> None:
    for number, (button, result, code) in enumerate([("success", "A", None), ("failure", "D", "310")]):
        page = opened(api, cart_id=f"bank-{number}")
        step = pressed(page["redirect_url"], "pay_3ds")
        assert (step.status_code, step.headers["location"]) == (303, page["redirect_url"] + "/bank")
        assert "Simulated PayTabs" in httpx.get(step.headers["location"], **LOOPBACK).text
        _, fields = form_of(pressed(step.headers["location"], button).text)
        assert fields["respStatus"] == result
        assert code in (None, fields["respCode"])


def test_a_return_by_get_carries_fewer_signed_fields(api: httpx.Client) -> None:
    page = opened(api, return_using_get=True)
    back = pressed(page["redirect_url"], "pay")
    assert back.status_code == 303
    fields = {name: values[0] for name, values in parse_qs(urlsplit(back.headers["location"]).query).items()}
    assert set(fields) == {"cartId", "respCode", "respMessage", "respStatus", "tranRef", "signature"}
    assert fields["signature"] == sign_return(fields, key=KEY)


def test_a_page_expires_in_silence_after_twenty_minutes(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    page = opened(api, callback=receiver.url)
    simulator.advance(19 * 60)
    assert "payment_result" not in seen(api, page["tran_ref"])
    simulator.advance(61)
    assert letter(seen(api, page["tran_ref"])) == ("Sale", "X")
    assert told(simulator, receiver) == []
    simulator.act(SLUG, "pay_late", CART)
    assert letter(seen(api, page["tran_ref"])) == ("Sale", "A")
    assert book(simulator)[0] == "115.50"


def test_paypage_ttl_sets_the_life_of_the_page(simulator: Simulator, api: httpx.Client) -> None:
    page = opened(api, paypage_ttl=60)
    simulator.advance(59 * 60)
    assert seen(api, page["tran_ref"])["redirect_url"] == page["redirect_url"]


# --- authorize, capture, void ----------------------------------------------------------------------------------------


def test_a_hold_is_captured_in_parts_the_rest_released_and_captures_refunded(
    simulator: Simulator, api: httpx.Client
) -> None:
    auth = opened(api, tran_type="auth")["tran_ref"]
    assert refused(followed(api, "capture", auth, 10, cart="c-0")) == (400, 2)
    simulator.act(SLUG, "authorize", CART)
    assert letter(seen(api, auth)) == ("Auth", "A")
    assert book(simulator) == ("0", "0", "SAR", "Auth A", CART)
    first = done(followed(api, "capture", auth, 60, cart="c-1"))
    assert (letter(first), first["previous_tran_ref"], first["tran_total"]) == (("Capture", "A"), auth, "60.00")
    done(followed(api, "capture", auth, 40, cart="c-2"))
    assert refused(followed(api, "capture", auth, 15.51, cart="c-3")) == (400, 2)
    done(followed(api, "release", auth, 15.50, cart="l-1"))
    assert letter(seen(api, auth)) == ("Auth", "A")
    assert refused(followed(api, "refund", auth, 1, cart="r-1")) == (400, 322)
    done(followed(api, "refund", first["tran_ref"], 50, cart="r-2"))
    assert refused(followed(api, "refund", first["tran_ref"], 11, cart="r-3")) == (400, 322)
    assert book(simulator) == ("100.00", "50.00", "SAR", "Auth A", CART)


def test_a_void_frees_part_or_all_of_a_hold(simulator: Simulator, api: httpx.Client) -> None:
    auth = opened(api, tran_type="auth")["tran_ref"]
    simulator.act(SLUG, "pay", CART)
    part = done(followed(api, "void", auth, 15.50, cart="v-1"))
    assert letter(part) == ("Void", "A")
    assert letter(seen(api, auth)) == ("Auth", "A")
    done(followed(api, "void", auth, 100, cart="v-2"))
    assert letter(seen(api, auth)) == ("Auth", "V")
    assert refused(followed(api, "capture", auth, 1, cart="c-1")) == (400, 2)
    assert book(simulator) == ("0", "0", "SAR", "Auth V", CART)


def test_what_is_held_for_review_refuses_follow_ups_until_it_is_released(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    test = {"region": "SAU", "profile_id": str(PROFILE), "server_key": KEY}
    simulator.register(SLUG, mode="test", credentials=test, webhook_url=receiver.url)
    auth = opened(api, tran_type="auth")["tran_ref"]
    simulator.act(SLUG, "hold", auth)
    body = done(followed(api, "capture", auth, 10, cart="c-1"))
    assert (letter(body), body["payment_result"]["response_code"]) == (("Capture", "E"), "120")
    simulator.act(SLUG, "release_hold", auth)
    assert letter(done(followed(api, "capture", auth, 10, cart="c-2"))) == ("Capture", "A")
    assert told(simulator, receiver) == [
        ("Auth", "H", "115.50"),
        ("Capture", "E", "10.00"),
        ("Auth", "A", "115.50"),
        ("Capture", "A", "10.00"),
    ]


# --- refunds ---------------------------------------------------------------------------------------------------------


def test_a_pending_refund_settles_later_or_fails(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    sale = opened(api)["tran_ref"]
    simulator.act(SLUG, "pay", CART)
    simulator.act(SLUG, "refund_mode", CART, mode="pending")
    refund = done(followed(api, "refund", sale, 15.50, cart="r-1", callback=receiver.url))
    assert letter(refund) == ("Refund", "P")
    assert book(simulator)[:2] == ("115.50", "0")
    assert refused(followed(api, "refund", sale, 100.01, cart="r-2")) == (400, 322)
    simulator.advance(2 * 24 * 3600 + 1)
    assert letter(seen(api, refund["tran_ref"])) == ("Refund", "A")
    assert book(simulator)[:2] == ("115.50", "15.50")
    failing = done(followed(api, "refund", sale, 50, cart="r-3", callback=receiver.url))
    simulator.act(SLUG, "refund_fail", failing["tran_ref"])
    assert seen(api, failing["tran_ref"])["payment_result"]["response_code"] == "320"
    assert book(simulator)[:2] == ("115.50", "15.50")
    assert told(simulator, receiver) == [
        ("Refund", "P", "15.50"),
        ("Refund", "A", "15.50"),
        ("Refund", "P", "50.00"),
        ("Refund", "D", "50.00"),
    ]


def test_a_refund_is_refused_in_two_shapes(simulator: Simulator, api: httpx.Client) -> None:
    sale = opened(api)["tran_ref"]
    simulator.act(SLUG, "pay", CART)
    simulator.act(SLUG, "refuse_next_refund", CART, code="320")
    body = done(followed(api, "refund", sale, 1, cart="r-1"))
    assert (letter(body), body["payment_result"]["response_code"]) == (("Refund", "D"), "320")
    simulator.act(SLUG, "refuse_next_refund", CART, code="322")
    assert refused(followed(api, "refund", sale, 1, cart="r-2")) == (400, 322)
    assert book(simulator)[:2] == ("115.50", "0")


def test_dashboard_refunds_and_voids_reach_the_ipn_only(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    with running_receiver() as ipn:
        test = {"region": "SAU", "profile_id": str(PROFILE), "server_key": KEY}
        simulator.register(SLUG, mode="test", credentials=test, webhook_url=ipn.url)
        opened(api, callback=receiver.url)
        simulator.act(SLUG, "pay", CART)
        simulator.act(SLUG, "refund", CART, amount=1550)
        simulator.act(SLUG, "void", CART)
        assert told(simulator, receiver) == [("Sale", "A", "115.50")]
        assert told(simulator, ipn) == [("Sale", "A", "115.50"), ("Refund", "A", "15.50"), ("Void", "A", "100.00")]
        both = [json.loads(one.received[0].body) for one in (receiver, ipn)]
        assert both[0].pop("ipn_trace") != both[1].pop("ipn_trace")
        assert both[0] == both[1]
        assert {json.loads(one.body)["cart_id"] for one in ipn.received} == {CART}
    assert sorted(letter(one) for one in rows(api)) == [("Refund", "A"), ("Sale", "A"), ("Void", "A")]
    assert book(simulator)[:2] == ("115.50", "115.50")


# --- oddities of money -----------------------------------------------------------------------------------------------


def test_an_offline_payment_ends_as_a_second_transaction(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    asked = opened(api, callback=receiver.url)["tran_ref"]
    simulator.act(SLUG, "offline", CART)
    simulator.act(SLUG, "settle", CART)
    assert told(simulator, receiver) == [("Payment Request", "P", "115.50"), ("Sale", "A", "115.50")]
    sale, request = rows(api)
    assert (sale["previous_tran_ref"], request["tran_ref"], letter(request)) == (asked, asked, ("Payment Request", "A"))
    assert refused(followed(api, "refund", asked, 1, cart="r-1")) == (400, 322)
    done(followed(api, "refund", sale["tran_ref"], 1, cart="r-2"))
    assert book(simulator) == ("115.50", "1.00", "SAR", "Payment Request A", CART)


@pytest.mark.parametrize(
    ("action", "details", "total", "currency"),
    [
        ("pay_short", {"amount": 10000}, "100.00", "SAR"),
        ("pay_over", {"amount": 12000}, "120.00", "SAR"),
        ("wrong_asset", {"currency": "USD", "total": 3080}, "30.80", "USD"),
    ],
)
def test_what_is_charged_can_differ_from_what_was_asked(
    simulator: Simulator, api: httpx.Client, action: str, details: dict[str, Any], total: str, currency: str
) -> None:
    page = opened(api)
    simulator.act(SLUG, action, CART, **details)
    shown = seen(api, page["tran_ref"])
    assert (shown["cart_amount"], shown["cart_currency"]) == ("115.50", "SAR")
    assert (shown["tran_total"], shown["tran_currency"]) == (total, currency)
    assert book(simulator)[:3] == (total, "0", currency)


# --- tokens ----------------------------------------------------------------------------------------------------------


def saved(simulator: Simulator, api: httpx.Client) -> tuple[str, str]:
    page = opened(api, tokenise=2)
    simulator.act(SLUG, "pay", page["tran_ref"])
    shown = seen(api, page["tran_ref"])
    assert re.fullmatch(r"[0-9A-F]{32}", shown["token"])
    return shown["token"], page["tran_ref"]


def charge(api: httpx.Client, token: str, tran_ref: str | None, cart: str, **more: Any) -> httpx.Response:
    members = {
        "tran_class": "recurring",
        "token": token,
        "tran_ref": tran_ref,
        "cart_id": cart,
        "cart_amount": 49,
        **more,
    }
    return api.post("/payment/request", json=wish(**members))


def test_a_token_is_charged_off_session_and_deleted(simulator: Simulator, api: httpx.Client) -> None:
    token, origin = saved(simulator, api)
    body = done(charge(api, token, origin, "sub-1"))
    assert (letter(body), body["tran_class"], body["cart_amount"]) == (("Sale", "A"), "C/Auth", "49.00")
    assert body["previous_tran_ref"] == origin
    assert [(one["reference"], one["captured"]) for one in simulator.books(SLUG)] == [
        (CART, "115.50"),
        ("sub-1", "49.00"),
    ]
    simulator.act(SLUG, "next_charge", token, code="316")
    body = done(charge(api, token, origin, "sub-2"))
    assert (letter(body), body["payment_result"]["response_code"]) == (("Sale", "D"), "316")
    simulator.act(SLUG, "next_charge", token, code="3ds")
    assert "redirect_url" in done(charge(api, token, origin, "sub-3"))
    assert refused(charge(api, token, None, "sub-4")) == (400, 2)
    assert refused(charge(api, token, "TST0000000000000", "sub-5")) == (400, 2)
    wanted = {"profile_id": PROFILE, "token": token}
    assert done(api.post("/payment/token", json=wanted))["tran_ref"] == origin
    deleted = api.post("/payment/token/delete", json=wanted)
    assert (deleted.status_code, *refused(deleted), deleted.json()["message"]) == (200, 200, 0, "success")
    assert refused(api.post("/payment/token/delete", json=wanted)) == (400, 2)
    assert refused(charge(api, token, origin, "sub-6")) == (400, 2)


def test_a_card_is_verified_without_money_and_recurring_needs_permission(
    simulator: Simulator, api: httpx.Client
) -> None:
    page = opened(api, tran_type="register", tokenise=2)
    simulator.act(SLUG, "pay", CART)
    shown = seen(api, page["tran_ref"])
    assert (letter(shown), len(shown["token"])) == (("Register", "A"), 32)
    assert book(simulator)[:2] == ("0", "0")
    simulator.act(SLUG, "forbid_recurring", str(PROFILE))
    assert refused(charge(api, shown["token"], page["tran_ref"], "sub-1")) == (400, 112)


def test_a_customer_may_decline_to_save_the_card(simulator: Simulator, api: httpx.Client) -> None:
    page = opened(api, tokenise=2, show_save_card=True)
    pressed(page["redirect_url"], "pay_unsaved")
    assert "token" not in seen(api, page["tran_ref"])


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "key"),
    [
        (HOST, "SDOCEXAMPL-0123456789-WRONGWRONG"),
        (HOST, f"Bearer {KEY}"),
        (HOST, ""),
        ("secure.paytabs.com", KEY),
    ],
)
def test_a_wrong_key_or_host_is_not_authenticated(simulator: Simulator, host: str, key: str) -> None:
    with client_of(simulator, host=host, key=key) as client:
        for path in ("/payment/request", "/payment/query", "/payment/token", "/payment/token/delete"):
            assert refused(client.post(path, json=wish())) == (401, 1)
    assert simulator.books(SLUG) == []


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"profile_id": 880022}, 3),
        ({"profile_id": None}, 3),
        ({"tran_type": "buy"}, 2),
        ({"tran_class": None}, 2),
        ({"cart_id": None}, 2),
        ({"cart_id": "x" * 65}, 2),
        ({"cart_description": ""}, 2),
        ({"cart_description": "x" * 129}, 2),
        ({"cart_amount": 0}, 2),
        ({"cart_amount": -5}, 2),
        ({"cart_amount": "1e3"}, 2),
        ({"cart_amount": 10000000000}, 2),
        ({"cart_amount": 1.234}, 2),
        ({"cart_amount": True}, 2),
        ({"cart_currency": "JPY", "cart_amount": 1.5}, 2),
        ({"cart_currency": "XXX"}, 206),
        ({"cart_currency": None}, 2),
        ({"customer_details": {"name": ""}}, 2),
        ({"customer_details": {"nick": "a"}}, 2),
        ({"callback": "http://pay.example.test/hook"}, 210),
        ({"callback": "https://10.0.0.7/hook"}, 210),
        ({"callback": "https://" + "a" * 300 + ".test/"}, 210),
        ({"callback": "ftp://pay.example.test/"}, 210),
        ({"return": "javascript:alert(1)"}, 210),
        ({"paypage_lang": "xx"}, 2),
        ({"tokenise": 7}, 2),
        ({"paypage_ttl": 0}, 2),
        ({"token": "0" * 32}, 2),
        ({"tran_class": "moto"}, 112),
        ({"tran_type": "refund", "tran_ref": "TST0000000000000"}, 2),
    ],
)
def test_a_bad_request_is_refused(api: httpx.Client, simulator: Simulator, members: dict[str, Any], code: int) -> None:
    assert refused(api.post("/payment/request", json=wish(**members))) == (400, code)
    assert simulator.books(SLUG) == []


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"profile_id":NaN}', b"\xff"])
def test_what_is_no_json_object_is_refused(api: httpx.Client, raw: bytes) -> None:
    assert refused(api.post("/payment/request", content=raw)) == (400, 2)


def test_a_callback_to_this_machine_is_refused_once_it_is_strict(simulator: Simulator, api: httpx.Client) -> None:
    simulator.act(SLUG, "strict_urls", str(PROFILE))
    wanted = wish(callback="http://127.0.0.1:9/hook")
    assert refused(api.post("/payment/request", json=wanted)) == (400, 210)


def test_the_same_cart_and_amount_are_a_duplicate_for_two_minutes(simulator: Simulator, api: httpx.Client) -> None:
    opened(api)
    assert refused(api.post("/payment/request", json=wish())) == (409, 4)
    simulator.act(SLUG, "decline", CART)
    assert refused(api.post("/payment/request", json=wish())) == (409, 4)
    simulator.advance(121)
    second = opened(api)
    assert rows(api)[0]["tran_ref"] == second["tran_ref"]
    assert len(rows(api)) == 2


def test_a_follow_up_in_another_currency_is_refused(simulator: Simulator, api: httpx.Client) -> None:
    sale = opened(api)["tran_ref"]
    simulator.act(SLUG, "pay", CART)
    assert refused(followed(api, "refund", sale, 1, cart_currency="AED")) == (400, 206)


def test_a_query_names_exactly_one_thing(simulator: Simulator, api: httpx.Client) -> None:
    page = opened(api)
    both = {"profile_id": PROFILE, "tran_ref": page["tran_ref"], "cart_id": CART}
    assert refused(api.post("/payment/query", json=both)) == (400, 2)
    assert refused(api.post("/payment/query", json={"profile_id": PROFILE})) == (400, 2)
    unknown = {"profile_id": PROFILE, "tran_ref": "TST0000000000000"}
    assert refused(api.post("/payment/query", json=unknown)) == (400, 2)
    assert rows(api, "never-sent") == []
    simulator.act(SLUG, "forbid", str(PROFILE), what="query")
    assert refused(api.post("/payment/query", json=unknown)) == (403, 2)


def test_profiles_do_not_see_each_other_and_live_references_are_no_test_ones(simulator: Simulator) -> None:
    with client_of(simulator, key=LIVE_KEY) as live, client_of(simulator) as test:
        page = opened(live, profile_id="880022")
        assert not page["tran_ref"].startswith("TST")
        assert rows(test) == []
        assert refused(live.post("/payment/query", json={"profile_id": PROFILE, "cart_id": CART})) == (400, 3)


# --- notifications ---------------------------------------------------------------------------------------------------


def test_a_refused_notification_is_sent_again_and_signed_with_the_key_of_the_moment(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    receiver.answers[:] = [500, 503]
    opened(api, callback=receiver.url)
    simulator.act(SLUG, "pay", CART)
    assert told(simulator, receiver) == [("Sale", "A", "115.50")] * 3
    assert {one.headers["signature"] for one in receiver.received} == {sign_body(receiver.received[0].body, key=KEY)}


def test_a_forged_copy_does_not_carry_a_right_signature(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    simulator.webhook_fault(SLUG, "forge")
    opened(api, callback=receiver.url)
    simulator.act(SLUG, "pay", CART)
    simulator.wait_idle()
    valid = [one.headers["signature"] == sign_body(one.body, key=KEY) for one in receiver.received]
    assert valid == [False, True]


def test_references_do_not_repeat_after_a_restart(simulator: Simulator, api: httpx.Client) -> None:
    first = opened(api)["tran_ref"]
    with running_simulator({SLUG: "clients.paytabs.simulator:PayTabsSimulator"}) as again:
        again.register(SLUG, mode="test", credentials={"region": "SAU", "profile_id": str(PROFILE), "server_key": KEY})
        with client_of(again) as client:
            assert opened(client)["tran_ref"] != first


def test_an_action_that_does_not_fit_is_refused(simulator: Simulator, api: httpx.Client) -> None:
    opened(api)
    for action in ("refund", "settle", "release_hold", "refund_settle", "capture", "dispute"):
        with pytest.raises(ValueError, match="400"):
            simulator.act(SLUG, action, CART)
    with pytest.raises(ValueError, match="no payment"):
        simulator.act(SLUG, "pay", "pay_unknown")
    assert book(simulator)[:2] == ("0", "0")


def test_a_reset_forgets_all_payments(simulator: Simulator, api: httpx.Client) -> None:
    opened(api)
    simulator.reset()
    assert simulator.books(SLUG) == []
    assert rows(api) == []
