"""The simulated PesoPay, driven over HTTP as the protocol page describes it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, parse_qsl
from xml.etree import ElementTree as ET

import httpx
import pytest

from clients.pesopay.simulator_wire import CURRENCIES, feed_hash, request_hash
from clients.simulator.testing import Simulator, running_simulator
from tests.clients.simulator.receiver import LOOPBACK, Receiver, running_receiver

SLUG = "pesopay"
HOST = "test.pesopay.com"
FORM = "/b2cDemo/eng/payment/payForm.jsp"
ORDER_API = "/b2cDemo/eng/merchant/api/orderApi.jsp"
SECRET = "Kx7Qm2RvT9bLw4ZpH8sYc3NfJd6GaEu1"
REF = "ORD-2026-000451-N1"
HOLD = "ORD-2026-000451-H1"
CREDENTIALS = {
    "merchant_id": "18000001",
    "secure_hash_secret": SECRET,
    "secure_hash_function": "sha256",
    "login_id": "apiuser",
    "password": "apipass",
}


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator({SLUG: "clients.pesopay.simulator:PesoPaySimulator"}, retry_factor=0.02) as simulator:
        yield simulator


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as one:
        yield one


@pytest.fixture
def simulator(running: Simulator, receiver: Receiver) -> Simulator:
    running.reset(accounts=True)
    running.register(SLUG, mode="test", credentials=CREDENTIALS, webhook_url=receiver.url)
    return running


@pytest.fixture
def api(simulator: Simulator) -> Iterator[httpx.Client]:
    with client_of(simulator) as client:
        yield client


def client_of(simulator: Simulator, host: str = HOST) -> httpx.Client:
    return httpx.Client(base_url=f"{simulator.url}/{host}", **LOOPBACK)


def form(function: str = "sha256", **members: str | None) -> dict[str, str]:
    given = {
        "merchantId": "18000001",
        "orderRef": REF,
        "currCode": "608",
        "amount": "1250.50",
        "payType": "N",
        "lang": "E",
        "successUrl": "https://pay.example.test/return/ok/",
        "failUrl": "https://pay.example.test/return/fail/",
        "cancelUrl": "https://pay.example.test/return/cancel/",
        "payMethod": "ALL",
        **members,
    }
    fields = {name: value for name, value in given.items() if value is not None}
    signed = [fields.get(name, "") for name in ("merchantId", "orderRef", "currCode", "amount", "payType")]
    made = hashlib.new(function, "|".join([*signed, SECRET]).encode()).hexdigest()
    return {"secureHash": made, **fields}


def opened(api: httpx.Client, **members: str | None) -> str:
    """Address of the page."""
    answer = api.post(FORM, data=form(**members))
    assert answer.status_code == 200
    assert "Simulated PesoPay" in answer.text
    (url,) = re.findall(r'action="([^"]+)"', answer.text)
    assert url, answer.text
    return str(url)


def pressed(url: str, button: str) -> httpx.Response:
    return httpx.post(url, data={"do": button}, **LOOPBACK)


def called(api: httpx.Client, action: str, **members: str) -> httpx.Response:
    login = {"merchantId": "18000001", "loginId": "apiuser", "password": "apipass"}
    return api.post(ORDER_API, data={**login, "actionType": action, **members})


def queried(api: httpx.Client, **members: str) -> list[dict[str, str]]:
    answer = called(api, "Query", **(members or {"orderRef": REF}))
    assert answer.headers["content-type"].startswith("text/xml")
    root = ET.fromstring(answer.content)
    assert root.tag == "records"
    return [{part.tag: part.text or "" for part in row} for row in root]


def pairs(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200
    return dict(parse_qsl(answer.text, keep_blank_values=True))


def refused(answer: httpx.Response) -> str:
    body = pairs(answer)
    assert list(body) == ["resultCode", "orderStatus", "ref", "payRef", "amt", "cur", "errMsg"]
    assert (body["resultCode"], body["payRef"]) == ("-1", "")
    return body["errMsg"]


def feeds(simulator: Simulator, receiver: Receiver) -> list[dict[str, str]]:
    simulator.wait_idle()
    return [dict(parse_qsl(one.body.decode(), keep_blank_values=True)) for one in receiver.received]


def is_signed(feed: dict[str, str], *, function: str = "sha256", secret: str = SECRET) -> bool:
    names = ("src", "prc", "successcode", "Ref", "PayRef", "Cur", "Amt", "payerAuth")
    made = hashlib.new(function, "|".join([*(feed[name] for name in names), secret]).encode()).hexdigest()
    return made in feed.get("secureHash", "").split(",")


def book(simulator: Simulator) -> tuple[str, str, str, str, str | None]:
    (line,) = simulator.books(SLUG)
    return line["captured"], line["refunded"], line["asset"], line["status"], line["reference"]


def paid(simulator: Simulator, api: httpx.Client, **members: str | None) -> str:
    """PayRef"""
    opened(api, **members)
    return str(simulator.act(SLUG, "pay", members.get("orderRef") or REF)["id"])


# --- vectors ---------------------------------------------------------------------------------------------------------


def feed_of(text: str) -> dict[str, str]:
    return dict(
        zip(("src", "prc", "successcode", "Ref", "PayRef", "Cur", "Amt", "payerAuth"), text.split("|"), strict=True)
    )


@pytest.mark.parametrize(
    ("text", "sha1", "sha256"),
    [
        (
            "0|0|0|ORD-2026-000451|13900123|608|1250.50|Y",
            "75af8ce0eed6d7c4100088ca7d12cb6dfcf31085",
            "869f80ae2524020c417a7152f4cda0e57c50b91261d13a1cbdfbce953527dc41",
        ),
        (
            "0|0|0|ORD-2026-000451|13900123|608|1250.5|Y",
            "bfb99c15c3d0fe00a4ebda37058e9d018318078d",
            "7721a59fbc4e2a82dbe84eae92a0cb61a08619da744b8ba614bd17d69bba29a4",
        ),
        (
            "51|1|1|ORD-2026-000451|13900122|608|1250.50|U",
            "542d4e5827666243e62b7b6b723ed0058e7613d9",
            "5ced408a6281f5f50196d1399a8af5f2fbf43ac376b57066cae2c87cc64ebbb8",
        ),
        (
            "0|0|0|ORD-2026-000452|13900130|036|20.00|",
            "18aa776dfc7969606043fa06d88f1921912afd96",
            "dc9a6f74d436501b0c5fdea88391ecc5f550e06d6f727031409adccb1a8d55c6",
        ),
    ],
)
def test_feeds_are_hashed_like_the_published_vectors(text: str, sha1: str, sha256: str) -> None:
    assert feed_hash(feed_of(text), secret=SECRET, function="sha1") == sha1
    assert feed_hash(feed_of(text), secret=SECRET, function="sha256") == sha256


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("sha1", "730ff698a54b8b2ec953810be7ffe1bc2a30f2b8"),
        ("sha256", "3526a2426f33dfb11399855d7bb7d705ae7348c82deb51c212f46ed4a1185753"),
        (
            "sha512",
            "c887a3572f1060e87ce97e729f6d794ccbfa866257d45647bd56c8ed6d26d604"
            "ccfc52e4d39c74aae2b0a0070928e234ae0016dd4d0cf40e92375709865a16ec",
        ),
    ],
)
def test_requests_are_hashed_like_the_published_vectors(function: str, expected: str) -> None:
    fields = form(orderRef="ORD-2026-000451")
    assert request_hash(fields, secret=SECRET, function=function) == expected


# --- the road --------------------------------------------------------------------------------------------------------


def test_a_sale_is_opened_paid_fed_queried_and_partly_refunded(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    url = opened(api)
    assert queried(api) == []
    back = pressed(url, "pay")
    assert (back.status_code, back.headers["location"]) == (303, f"https://pay.example.test/return/ok/?Ref={REF}")
    (feed,) = feeds(simulator, receiver)
    assert receiver.received[0].headers["content-type"] == "application/x-www-form-urlencoded"
    names = ("src", "prc", "successcode", "Ref", "Cur", "Amt", "payerAuth", "MerchantId", "payMethod")
    assert [feed[name] for name in names] == ["0", "0", "0", REF, "608", "1250.50", "Y", "18000001", "Master"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.0", feed["TxTime"])
    assert is_signed(feed)
    (row,) = queried(api)
    told = [row[name] for name in ("orderStatus", "ref", "payRef", "amt", "cur", "settle")]
    assert told == ["Accepted", REF, feed["PayRef"], "1250.5", "608", "F"]
    assert queried(api, payRef=feed["PayRef"]) == [row]

    filed = pairs(called(api, "RequestRefund", payRef=feed["PayRef"], amount="250.50"))
    assert filed == {
        "resultCode": "0",
        "orderStatus": "Accepted",
        "ref": REF,
        "payRef": feed["PayRef"],
        "amt": "250.5",
        "cur": "608",
        "errMsg": "Request Refund Successfully.",
    }
    assert queried(api)[0]["orderStatus"] == "RequestPartialRefund"
    assert book(simulator) == ("1250.50", "0", "PHP", "RequestPartialRefund", REF)
    assert "processed" in refused(called(api, "RequestRefund", payRef=feed["PayRef"], amount="1.00"))
    simulator.act(SLUG, "refund_settle", REF)
    assert queried(api)[0]["orderStatus"] == "Partial Refunded"
    assert book(simulator)[:2] == ("1250.50", "250.50")
    assert "over" in refused(called(api, "RequestRefund", payRef=feed["PayRef"], amount="1000.01"))
    assert pairs(called(api, "RequestRefund", payRef=feed["PayRef"], amount="1000.00"))["resultCode"] == "0"
    assert queried(api)[0]["orderStatus"] == "RequestRefund"
    simulator.advance(3 * 24 * 3600 + 1)
    assert queried(api)[0]["orderStatus"] == "Refunded"
    assert book(simulator) == ("1250.50", "1250.50", "PHP", "Refunded", REF)
    assert len(feeds(simulator, receiver)) == 1


def test_a_declined_card_and_the_one_that_then_paid_have_two_records(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    url = opened(api)
    assert "declined" in pressed(url, "decline_retry").text
    pressed(url, "pay")
    first, second = feeds(simulator, receiver)
    assert [first[name] for name in ("src", "prc", "successcode", "payerAuth")] == ["51", "1", "1", "U"]
    assert (second["successcode"], first["Ref"], second["Ref"]) == ("0", REF, REF)
    assert first["PayRef"] != second["PayRef"]
    assert is_signed(first)
    assert [row["orderStatus"] for row in queried(api)] == ["Rejected", "Accepted"]
    assert pressed(url, "pay").status_code == 404
    assert book(simulator) == ("1250.50", "0", "PHP", "Accepted", REF)


@pytest.mark.parametrize(
    ("button", "way", "states"),
    [
        ("decline", "fail", ["Rejected"]),
        ("cancel", "cancel", []),
        ("wallet", "ok", ["Pending"]),
    ],
)
def test_the_other_ways_off_the_page_take_no_money(
    simulator: Simulator, api: httpx.Client, button: str, way: str, states: list[str]
) -> None:
    back = pressed(opened(api), button)
    assert back.headers["location"] == f"https://pay.example.test/return/{way}/?Ref={REF}"
    assert [row["orderStatus"] for row in queried(api)] == states
    assert book(simulator)[:2] == ("0", "0")


def test_a_page_that_nobody_used_leaves_no_record(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    pressed(opened(api), "abandon")
    assert queried(api) == []
    assert feeds(simulator, receiver) == []
    assert book(simulator) == ("0", "0", "PHP", "abandoned", REF)


def test_a_wallet_is_confirmed_later(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    pressed(opened(api), "wallet")
    (row,) = queried(api)
    assert (row["prc"], row["src"], row["payMethod"]) == ("", "", "GCash")
    simulator.act(SLUG, "settle", REF)
    (feed,) = feeds(simulator, receiver)
    assert (feed["successcode"], feed["payerAuth"], feed["PayRef"]) == ("0", "", row["payRef"])
    assert is_signed(feed)


def test_the_bank_step_decides(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    for reference, button, way in (("A-1-N1", "success", "ok"), ("A-2-N1", "failure", "fail")):
        step = pressed(opened(api, orderRef=reference), "pay_3ds").headers["location"]
        assert [row["orderStatus"] for row in queried(api, orderRef=reference)] == ["Pending_3D"]
        assert "Your bank asks" in httpx.get(step, **LOOPBACK).text
        assert pressed(step, button).headers["location"].endswith(f"/{way}/?Ref={reference}")
    good, bad = feeds(simulator, receiver)
    assert (good["successcode"], bad["successcode"], bad["prc"]) == ("0", "1", "3")


# --- hold ------------------------------------------------------------------------------------------------------------


def test_a_hold_is_captured_once_in_part_and_refunded_online(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    number = paid(simulator, api, orderRef=HOLD, payType="H")
    assert [feed["successcode"] for feed in feeds(simulator, receiver)] == ["0"]
    assert queried(api, orderRef=HOLD)[0]["orderStatus"] == "Authorized"
    assert book(simulator) == ("0", "0", "PHP", "Authorized", HOLD)
    assert "Refund" in refused(called(api, "RequestRefund", payRef=number, amount="1.00"))
    assert "over" in refused(called(api, "Capture", payRef=number, amount="1250.51"))
    captured = pairs(called(api, "Capture", payRef=number, amount="1000.00"))
    assert [captured[name] for name in ("resultCode", "orderStatus", "amt", "errMsg")] == [
        "0",
        "Accepted",
        "1000.0",
        "Capture Successfully.",
    ]
    row = queried(api, orderRef=HOLD)[0]
    assert (row["orderStatus"], row["amt"]) == ("Captured", "1250.5")
    assert "Capture" in refused(called(api, "Capture", payRef=number, amount="1.00"))
    assert "not enabled" in refused(called(api, "OnlinePartialRefund", payRef=number, amount="1.00"))
    simulator.act(SLUG, "online_refund", "18000001")
    assert "full" in refused(called(api, "OnlineRefund", payRef=number, amount="1.00"))
    assert pairs(called(api, "OnlinePartialRefund", payRef=number, amount="400.00"))["resultCode"] == "0"
    assert queried(api, orderRef=HOLD)[0]["orderStatus"] == "Partial Refunded"
    assert pairs(called(api, "OnlineRefund", payRef=number))["amt"] == "600.0"
    assert book(simulator) == ("1000.00", "1000.00", "PHP", "Refunded", HOLD)
    assert len(feeds(simulator, receiver)) == 1


def test_a_hold_is_voided_or_lapses(simulator: Simulator, api: httpx.Client) -> None:
    number = paid(simulator, api, orderRef=HOLD, payType="H")
    done = pairs(called(api, "Void", payRef=number))
    assert (done["resultCode"], done["orderStatus"]) == ("0", "Accepted")
    assert queried(api, orderRef=HOLD)[0]["orderStatus"] == "Voided"
    assert "Void" in refused(called(api, "Void", payRef=number))
    paid(simulator, api, orderRef="B-H1", payType="H")
    simulator.act(SLUG, "expire", "B-H1")
    assert queried(api, orderRef="B-H1")[0]["orderStatus"] == "Reverse Auth"
    assert [line["captured"] for line in simulator.books(SLUG)] == ["0", "0"]


def test_a_sale_can_be_voided_until_the_day_ends(simulator: Simulator, api: httpx.Client) -> None:
    first, second = (paid(simulator, api, orderRef=name) for name in ("C-1-N1", "C-2-N1"))
    assert pairs(called(api, "Void", payRef=first))["resultCode"] == "0"
    simulator.advance(24 * 3600)
    row = queried(api, orderRef="C-2-N1")[0]
    assert (row["settle"], len(row["settleBatchId"]), len(row["settleTime"])) == ("T", 8, 21)
    assert "Void" in refused(called(api, "Void", payRef=second))
    assert [(line["captured"], line["refunded"]) for line in simulator.books(SLUG)] == [
        ("1250.50", "1250.50"),
        ("1250.50", "0"),
    ]


def test_a_refused_refund_request_leaves_the_money(simulator: Simulator, api: httpx.Client) -> None:
    number = paid(simulator, api)
    called(api, "RequestRefund", payRef=number, amount="1250.50")
    simulator.act(SLUG, "refund_fail", number)
    assert queried(api)[0]["orderStatus"] == "Accepted"
    assert book(simulator)[:2] == ("1250.50", "0")


def test_chargebacks_show_in_a_query_only(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    paid(simulator, api)
    for action, state in (("dispute", "ChargeBack"), ("dispute_win", "Reversal-CB")):
        simulator.act(SLUG, action, REF)
        assert queried(api)[0]["orderStatus"] == state
    paid(simulator, api, orderRef="D-N1")
    simulator.act(SLUG, "dispute", "D-N1", partial=True)
    assert queried(api, orderRef="D-N1")[0]["orderStatus"] == "Partial ChargeBack"
    assert len(feeds(simulator, receiver)) == 2


def test_somebody_pays_twice_or_fails_after_paying(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    opened(api)
    simulator.act(SLUG, "pay_twice", REF)
    simulator.act(SLUG, "fail_after_pay", REF)
    assert [row["orderStatus"] for row in queried(api)] == ["Accepted", "Accepted", "Rejected"]
    assert [feed["successcode"] for feed in feeds(simulator, receiver)] == ["0", "0", "1"]
    assert book(simulator)[:2] == ("2501.00", "0")


# --- feeds -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["sha1", "sha256", "sha512"])
def test_the_function_of_the_account_is_used_both_ways(
    simulator: Simulator, api: httpx.Client, receiver: Receiver, function: str
) -> None:
    account = {**CREDENTIALS, "secure_hash_function": function}
    simulator.register(SLUG, mode="test", credentials=account, webhook_url=receiver.url)
    other = "sha512" if function == "sha1" else "sha1"
    assert "Invalid secure hash" in api.post(FORM, data=form(other)).text
    assert api.post(FORM, data=form(function)).text.count("name=do") == 7
    simulator.act(SLUG, "pay", REF)
    (feed,) = feeds(simulator, receiver)
    assert is_signed(feed, function=function)


def test_two_secrets_make_a_list_of_hashes(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    simulator.act(SLUG, "other_secret", "18000001", secret="the-secret-before")
    paid(simulator, api)
    (feed,) = feeds(simulator, receiver)
    assert feed["secureHash"].count(",") == 1
    assert is_signed(feed)
    assert is_signed(feed, secret="the-secret-before")


@pytest.mark.parametrize(
    ("changes", "signed"),
    [
        ({"hash": "missing"}, False),
        ({"hash": "corrupt"}, False),
        ({"Amt": "1.00"}, True),
        ({"Cur": "840"}, True),
        ({"successcode": "2"}, True),
        ({"MerchantId": "18000002"}, True),
    ],
)
def test_the_next_feed_can_be_wrong(
    simulator: Simulator, api: httpx.Client, receiver: Receiver, changes: dict[str, str], signed: bool
) -> None:
    simulator.act(SLUG, "next_feed", "18000001", **changes)
    paid(simulator, api)
    simulator.act(SLUG, "resend", REF)
    wrong, right = feeds(simulator, receiver)
    assert is_signed(wrong) is signed
    assert all(wrong[name] == value for name, value in changes.items() if name != "hash")
    assert is_signed(right)
    assert (right["Amt"], right["Cur"], right["successcode"], right["MerchantId"]) == (
        "1250.50",
        "608",
        "0",
        "18000001",
    )


def test_a_feed_that_is_not_taken_is_lost(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    receiver.answers[:] = [503]
    paid(simulator, api)
    assert len(feeds(simulator, receiver)) == 1
    assert [one["state"] for one in simulator.webhooks(SLUG)] == ["failed"]
    assert queried(api)[0]["orderStatus"] == "Accepted"


def test_an_account_without_the_hash_feature_sends_and_asks_for_none(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    bare = {name: value for name, value in CREDENTIALS.items() if name != "secure_hash_secret"}
    simulator.register(SLUG, mode="test", credentials=bare, webhook_url=receiver.url)
    opened(api, secureHash=None)
    simulator.act(SLUG, "pay", REF)
    (feed,) = feeds(simulator, receiver)
    assert "secureHash" not in feed


def test_the_portal_tests_the_address(simulator: Simulator, receiver: Receiver) -> None:
    simulator.act(SLUG, "test_feed", "18000001")
    simulator.act(SLUG, "test_feed", "18000001", signed=False)
    good, bare = feeds(simulator, receiver)
    assert (good["Ref"], bare["Ref"]) == ("TestDatafeed", "TestDatafeed")
    assert (is_signed(good), "secureHash" in bare) == (True, False)


def test_a_forged_copy_does_not_carry_a_right_hash(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    simulator.webhook_fault(SLUG, "forge")
    paid(simulator, api)
    assert [is_signed(feed) for feed in feeds(simulator, receiver)] == [False, True]


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"merchantId": "18000002"}, "Merchant Id"),
        ({"secureHash": ""}, "Invalid secure hash"),
        ({"secureHash": "0" * 64}, "Invalid secure hash"),
        ({"orderRef": "A" * 36}, "orderRef"),
        ({"orderRef": None}, "src 2008"),
        ({"orderRef": "A|608|1.00|N"}, "orderRef"),
        ({"currCode": "36"}, "currCode"),
        ({"currCode": "414"}, "currCode"),
        ({"amount": "0.00"}, "Amount"),
        ({"amount": "-1"}, "Amount"),
        ({"amount": "1,250.50"}, "Amount"),
        ({"amount": "1.234"}, "Amount"),
        ({"amount": "10000000000.00"}, "Amount"),
        ({"payType": "S"}, "payType"),
        ({"lang": "Z"}, "lang"),
        ({"payMethod": None}, "payMethod"),
        ({"successUrl": "javascript:alert(1)"}, "successUrl"),
    ],
)
def test_a_bad_form_is_refused_on_a_page_of_html(
    simulator: Simulator, api: httpx.Client, members: dict[str, str | None], says: str
) -> None:
    answer = api.post(FORM, data=form(**members))
    assert answer.status_code == 200
    assert says in answer.text
    assert "name=do" not in answer.text
    assert simulator.books(SLUG) == []


def test_an_order_reference_is_used_once(simulator: Simulator, api: httpx.Client) -> None:
    late = opened(api)
    paid(simulator, api)
    assert "src 2007" in api.post(FORM, data=form()).text
    simulator.act(SLUG, "refund", REF)
    assert "src 2007" in pressed(late, "pay").text
    assert book(simulator)[:2] == ("1250.50", "1250.50")
    assert len(queried(api)) == 1


def test_an_account_takes_its_own_currency(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    simulator.register(SLUG, mode="test", credentials={**CREDENTIALS, "account_currency": "PHP"})
    assert "currency is not supported" in api.post(FORM, data=form(currCode="840")).text
    assert CURRENCIES["036"] == "AUD"
    opened(api)


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"loginId": "other"}, "Authentication Failed"),
        ({"password": "wrong"}, "Authentication Failed"),
        ({"password": ""}, "Authentication Failed"),
        ({"merchantId": "18000002"}, "Parameter Merchant Id Incorrect"),
    ],
)
def test_wrong_credentials_move_nothing(
    simulator: Simulator, api: httpx.Client, members: dict[str, str], says: str
) -> None:
    number = paid(simulator, api)
    for action in ("Query", "Capture", "Void", "RequestRefund"):
        assert refused(called(api, action, payRef=number, amount="1.00", **members)) == says
    assert book(simulator)[:2] == ("1250.50", "0")


def test_the_other_host_knows_nothing_of_this_account(simulator: Simulator, api: httpx.Client) -> None:
    paid(simulator, api)
    for host, prefix in (("www.pesopay.com", "b2c2"), ("test.paydollar.com", "b2cDemo")):
        with client_of(simulator, host) as client:
            path = ORDER_API.replace("b2cDemo", prefix)
            login = {"merchantId": "18000001", "loginId": "apiuser", "password": "apipass", "actionType": "Query"}
            assert refused(client.post(path, data=login)) == "Parameter Merchant Id Incorrect"
    assert api.post(ORDER_API.replace("b2cDemo", "b2c2")).status_code == 404


def test_an_impossible_call_is_refused(simulator: Simulator, api: httpx.Client) -> None:
    number = paid(simulator, api)
    assert refused(called(api, "Query")) == "Parameter Order Reference Incorrect"
    assert refused(called(api, "Refund", payRef=number)) == "Parameter actionType Incorrect"
    assert refused(called(api, "Capture", payRef="1")) == "Parameter Payment Reference Number Incorrect"
    assert refused(called(api, "RequestRefund", payRef=number, amount="x")) == "Parameter Amount Incorrect"
    assert queried(api, orderRef="never") == []
    assert queried(api, orderRef="never", payRef=number) == []


def test_numbers_do_not_repeat_after_a_restart(simulator: Simulator, api: httpx.Client) -> None:
    first = paid(simulator, api)
    with running_simulator({SLUG: "clients.pesopay.simulator:PesoPaySimulator"}) as again:
        again.register(SLUG, mode="test", credentials=CREDENTIALS)
        with client_of(again) as client:
            assert int(paid(again, client)) > int(first)


def test_an_action_that_does_not_fit_is_refused(simulator: Simulator, api: httpx.Client) -> None:
    with pytest.raises(ValueError, match="post the form first"):
        simulator.act(SLUG, "pay", REF)
    opened(api)
    for action in ("refund", "settle", "expire", "dispute", "resend", "authorize", "dispute_lose"):
        with pytest.raises(ValueError, match="400"):
            simulator.act(SLUG, action, REF)
    paid(simulator, api)
    with pytest.raises(ValueError, match="over the remaining"):
        simulator.act(SLUG, "refund", REF, amount=125051)
    with pytest.raises(ValueError, match="used"):
        simulator.act(SLUG, "pay", REF)
    assert book(simulator)[:2] == ("1250.50", "0")


def test_the_sample_of_a_feed_has_the_fields_that_are_sent(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    sample = (
        "prc=0&src=0&Ord=6697090&Ref=ORD-2026-000451&PayRef=13900123&successcode=0&Amt=1250.50&Cur=608&Holder=TEST+HOLDER"
        "&AuthId=123456&AlertCode=R14&remark=&eci=05&payerAuth=Y&sourceIp=203.0.113.9&ipCountry=PH&payMethod=Master"
        "&TxTime=2026-01-14+19%3A20%3A00.0&panFirst4=5422&panLast4=0007&cardIssuingCountry=PH&channelType=SPC"
        "&MerchantId=18000001&secureHash=x"
    )
    paid(simulator, api)
    (feed,) = feeds(simulator, receiver)
    assert list(feed) == list(parse_qs(sample, keep_blank_values=True))
