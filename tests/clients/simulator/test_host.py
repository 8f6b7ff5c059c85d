"""The host: routing, control, faults around a gateway's API, webhooks and their faults."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import httpx
import pytest

from clients.simulator.app import load
from clients.simulator.testing import Simulator, running_simulator
from tests.clients.simulator.receiver import LOOPBACK, Receiver, running_receiver

TOY = {"toy": "tests.clients.simulator.toy:ToySimulator"}
FACTOR = 0.02


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator(TOY, retry_factor=FACTOR) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    running.reset(accounts=True)
    return running


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as one:
        yield one


@pytest.fixture
def telling(simulator: Simulator, receiver: Receiver) -> Simulator:
    simulator.register("toy", credentials={"key": "k-1"}, webhook_url=receiver.url)
    return simulator


def pay(simulator: Simulator, text: str = "one", **options: object) -> httpx.Response:
    base = simulator.overrides("https://api.toy.example")["https://api.toy.example"]
    with httpx.Client(**LOOPBACK, timeout=5) as client:
        return client.post(f"{base}/pay?secret=no", content=text, headers={"Idempotency-Key": f"key-{text}"})


def paid(simulator: Simulator) -> list[str]:
    return [line["reference"] for line in simulator.books("toy")]


def test_a_request_reaches_the_gateway_of_its_host_and_leaves_no_secret_in_the_log(simulator: Simulator) -> None:
    answer = pay(simulator)
    assert answer.json() == {"paid": 1, "page": f"{simulator.url}/api.toy.example/page"}
    (call,) = simulator.calls("toy")
    assert (call["method"], call["path"], call["idempotency_key"], call["outcome"]) == (
        "POST",
        "/pay",
        "key-one",
        "200",
    )
    assert "secret" not in str(call)
    assert simulator.books("toy") == [
        {
            "gateway_reference": "toy-0",
            "reference": "one",
            "asset": "EUR",
            "captured": "1.50",
            "refunded": "0",
            "status": "paid",
            "mode": "live",
        }
    ]


@pytest.mark.parametrize("name", ["Idempotency-Key", "X-Idempotency-Key", "X-Refund-Idempotency"])
def test_the_log_knows_the_key_by_every_header_that_gateways_use(simulator: Simulator, name: str) -> None:
    httpx.post(f"{simulator.url}/api.toy.example/pay", content="one", headers={name: "key-one"}, **LOOPBACK)
    assert [call["idempotency_key"] for call in simulator.calls("toy")] == ["key-one"]


def test_an_unknown_host_is_404_and_names_the_known_ones(simulator: Simulator) -> None:
    answer = httpx.get(f"{simulator.url}/api.other.example/pay", **LOOPBACK)
    assert answer.status_code == 404
    assert "api.toy.example" in answer.text


def test_a_bug_in_a_simulator_is_a_500_and_the_host_goes_on(simulator: Simulator) -> None:
    assert httpx.get(f"{simulator.url}/api.toy.example/boom", **LOOPBACK).status_code == 500
    assert pay(simulator).status_code == 200


@pytest.mark.parametrize(
    ("kind", "status", "done"),
    [
        ("error_before", 500, []),
        ("error_after", 500, ["one"]),
        ("html_502", 502, []),
        ("html_502_after", 502, ["one"]),
        ("rate_limit", 429, []),
    ],
)
def test_a_fault_answers_badly_once(simulator: Simulator, kind: str, status: int, done: list[str]) -> None:
    simulator.fault("toy", kind)
    answer = pay(simulator)
    assert (answer.status_code, paid(simulator)) == (status, done)
    assert simulator.calls("toy")[-1]["outcome"].startswith(f"{kind}:")
    assert pay(simulator, "two").status_code == 200


def test_a_rate_limit_says_when_to_come_back(simulator: Simulator) -> None:
    simulator.fault("toy", "rate_limit", seconds=7)
    assert pay(simulator).headers["retry-after"] == "7"


def test_html_is_answered_as_html(simulator: Simulator) -> None:
    simulator.fault("toy", "html_502")
    answer = pay(simulator)
    assert answer.headers["content-type"] == "text/html"
    assert "502 Bad Gateway" in answer.text


def test_a_truncated_answer_is_complete_http_with_half_a_body(simulator: Simulator) -> None:
    whole = pay(simulator).content
    simulator.fault("toy", "truncate")
    answer = pay(simulator, "two")
    assert answer.status_code == 200
    assert answer.content == whole.replace(b'"paid":1', b'"paid":2')[: len(whole) // 2]


@pytest.mark.parametrize("kind", ["reset_after", "cut_connection", "timeout_after"])
def test_a_dropped_connection_comes_after_the_work(simulator: Simulator, kind: str) -> None:
    simulator.fault("toy", kind, seconds=0.1)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        pay(simulator)
    assert paid(simulator) == ["one"]
    assert pay(simulator, "two").status_code == 200


def test_a_held_connection_lets_the_client_run_into_its_timeout(simulator: Simulator) -> None:
    simulator.fault("toy", "timeout_after", seconds=20)
    with pytest.raises(httpx.ReadTimeout), httpx.Client(**LOOPBACK, timeout=0.2) as client:
        client.post(f"{simulator.url}/api.toy.example/pay", content="one")
    assert paid(simulator) == ["one"]


def test_an_outage_lasts_for_its_seconds(simulator: Simulator) -> None:
    simulator.fault("toy", "outage", seconds=0.3)
    assert [pay(simulator).status_code, pay(simulator).status_code] == [503, 503]
    time.sleep(0.35)
    assert (pay(simulator).status_code, paid(simulator)) == (200, ["one"])


def test_a_slow_gateway_takes_its_time(simulator: Simulator) -> None:
    simulator.fault("toy", "slow", seconds=0.2)
    started = time.monotonic()
    assert pay(simulator).status_code == 200
    assert time.monotonic() - started >= 0.2


def test_a_fault_keeps_to_its_path_method_skip_and_times(simulator: Simulator) -> None:
    simulator.fault("toy", "error_before", path="^/other", times=9)
    simulator.fault("toy", "error_before", method="get", times=9)
    simulator.fault("toy", "error_before", path="^/pay$", skip=1, times=2)
    assert [pay(simulator).status_code for _ in range(5)] == [200, 500, 500, 200, 200]
    simulator.clear_faults()


def test_wishes_that_make_no_sense_are_refused_with_a_reason(simulator: Simulator) -> None:
    for path, wish, reason in [
        ("/_control/faults", {"gateway": "toy", "kind": "nonsense"}, "unknown kind"),
        ("/_control/faults", {"gateway": "toy", "kind": "slow", "path": "("}, "error"),
        ("/_control/faults", {"gateway": "toy"}, "KeyError"),
        ("/_control/faults", {"gateway": "nobody", "kind": "slow"}, "no gateway 'nobody'"),
        ("/_control/webhook_faults", {"gateway": "toy", "kind": "slow"}, "unknown kind"),
        ("/_control/accounts", {"gateway": "toy", "mode": "sandbox", "credentials": {"key": "k"}}, "mode"),
        ("/_control/accounts", {"gateway": "toy", "mode": "test", "credentials": {}}, "credentials"),
        ("/_control/toy/act", {"action": "dance"}, "known: tell"),
        ("/_control/advance", {"seconds": -1}, "only goes forward"),
    ]:
        answer = httpx.post(simulator.url + path, json=wish, **LOOPBACK)
        assert answer.status_code in (400, 404), path
        assert reason in answer.json()["error"]


def test_the_clock_moves_forward_and_ticks_the_gateways(simulator: Simulator) -> None:
    before = httpx.get(f"{simulator.url}/_control/health", **LOOPBACK).json()["now"]
    simulator.advance(86_400)
    after = httpx.get(f"{simulator.url}/_control/health", **LOOPBACK).json()["now"]
    assert 86_400 <= after - before < 86_410
    assert abs(before - time.time()) < 10


def test_an_account_is_replaced_by_its_primary_credential_and_never_shown(simulator: Simulator) -> None:
    simulator.register("toy", mode="test", credentials={"key": "secret-1"}, webhook_url="http://127.0.0.1:1/a")
    simulator.register("toy", mode="test", credentials={"key": "secret-1"}, webhook_url="http://127.0.0.1:1/b")
    simulator.register("toy", mode="live", credentials={"key": "secret-1"}, webhook_url="http://127.0.0.1:1/c")
    answer = httpx.get(f"{simulator.url}/_control/accounts", **LOOPBACK)
    assert [row["webhook_url"][-1] for row in answer.json()["data"]] == ["b", "c"]
    assert "secret-1" not in answer.text


def test_webhooks_arrive_in_order_and_as_they_were_signed(telling: Simulator, receiver: Receiver) -> None:
    for name in "abcde":
        telling.act("toy", "tell", name)
    telling.wait_idle()
    assert receiver.texts() == [f'{{"text":"{name}","number":7}}' for name in "abcde"]
    assert {row["state"] for row in telling.webhooks("toy")} == {"delivered"}


def test_a_refused_webhook_is_signed_anew_and_sent_again_until_it_is_taken(
    telling: Simulator, receiver: Receiver
) -> None:
    receiver.answers = [503, 302, 200]
    telling.act("toy", "tell", "a")
    telling.wait_idle()
    signatures = [one.headers["x-signature"] for one in receiver.received]
    assert len(set(signatures)) == 3
    (row,) = telling.webhooks("toy")
    assert ([one["status"] for one in row["tries"]], row["state"]) == ([503, 302, 200], "delivered")


def test_a_webhook_nobody_takes_is_given_up_after_the_gateways_retries(telling: Simulator, receiver: Receiver) -> None:
    receiver.answers = [500] * 9
    telling.act("toy", "tell", "a")
    telling.wait_idle()
    (row,) = telling.webhooks("toy")
    assert (len(row["tries"]), row["state"]) == (3, "failed")


def test_a_retry_does_not_hold_up_the_next_webhook(telling: Simulator, receiver: Receiver) -> None:
    receiver.answers = [500]
    telling.act("toy", "tell", "a")
    telling.act("toy", "tell", "b")
    telling.wait_idle()
    assert [text[9] for text in receiver.texts()] == ["a", "b", "a"]


def test_an_address_where_nobody_listens_is_tried_and_given_up(simulator: Simulator) -> None:
    simulator.register("toy", credentials={"key": "k-1"}, webhook_url="http://127.0.0.1:9/hook")
    simulator.act("toy", "tell", "a")
    simulator.wait_idle()
    (row,) = simulator.webhooks()
    assert row["state"] == "failed"
    assert row["tries"][0]["error"] == "ConnectError"


def test_a_duplicate_comes_twice(telling: Simulator, receiver: Receiver) -> None:
    telling.webhook_fault("toy", "duplicate")
    telling.act("toy", "tell", "a")
    telling.act("toy", "tell", "b")
    telling.wait_idle()
    assert [text[9] for text in receiver.texts()] == ["a", "a", "b"]
    assert receiver.received[0].headers["x-signature"] == receiver.received[1].headers["x-signature"]


def test_reordered_webhooks_swap_places(telling: Simulator, receiver: Receiver) -> None:
    telling.webhook_fault("toy", "reorder")
    for name in "abc":
        telling.act("toy", "tell", name)
    telling.wait_idle()
    assert [text[9] for text in receiver.texts()] == ["b", "a", "c"]


def test_a_reordered_webhook_that_nothing_follows_still_comes(telling: Simulator, receiver: Receiver) -> None:
    telling.webhook_fault("toy", "reorder", seconds=0.1)
    telling.act("toy", "tell", "a")
    telling.wait_idle()
    assert [text[9] for text in receiver.texts()] == ["a"]


def test_a_delayed_webhook_is_overtaken(telling: Simulator, receiver: Receiver) -> None:
    telling.webhook_fault("toy", "delay", seconds=0.5)
    telling.act("toy", "tell", "a")
    telling.act("toy", "tell", "b")
    telling.wait_idle()
    assert [text[9] for text in receiver.texts()] == ["b", "a"]


def test_a_dropped_webhook_is_lost_until_it_is_redelivered(telling: Simulator, receiver: Receiver) -> None:
    telling.webhook_fault("toy", "drop", times=2)
    for name in "abc":
        telling.act("toy", "tell", name)
    telling.wait_idle()
    assert [text[9] for text in receiver.texts()] == ["c"]
    assert [row["state"] for row in telling.webhooks()] == ["dropped", "dropped", "delivered"]
    assert telling.redeliver("toy", last=2) == 2
    telling.wait_idle()
    assert [text[9] for text in receiver.texts()] == ["c", "b", "c"]


def test_a_forged_copy_comes_first_with_another_body_and_the_true_signature(
    telling: Simulator, receiver: Receiver
) -> None:
    telling.webhook_fault("toy", "forge")
    receiver.answers = [400, 200]
    telling.act("toy", "tell", "a")
    telling.wait_idle()
    assert receiver.texts() == ['{"text":"a","number":1}', '{"text":"a","number":7}']
    assert receiver.received[0].headers["x-signature"] == receiver.received[1].headers["x-signature"]


def test_waiting_for_idle_ends_with_an_error_while_something_is_held(telling: Simulator) -> None:
    telling.webhook_fault("toy", "delay", seconds=30)
    telling.act("toy", "tell", "a")
    with pytest.raises(TimeoutError):
        telling.wait_idle(timeout_seconds=0.1)


def test_the_index_page_lists_payments_with_buttons_and_says_what_it_is(simulator: Simulator) -> None:
    pay(simulator, "<b>ref</b>")
    page = httpx.get(simulator.url, **LOOPBACK).text
    assert "no real gateway is called" in page
    assert "&lt;b&gt;ref&lt;/b&gt;" in page
    assert 'action="/_control/toy/act"' in page
    button = httpx.post(
        f"{simulator.url}/_control/toy/act", data={"action": "tell", "gateway_reference": "x"}, **LOOPBACK
    )
    assert (button.status_code, button.headers["location"]) == (303, "/")


def test_a_foreign_page_in_the_browser_cannot_steer_the_simulator(simulator: Simulator) -> None:
    answer = httpx.post(
        f"{simulator.url}/_control/reset", headers={"sec-fetch-site": "cross-site"}, json={}, **LOOPBACK
    )
    assert answer.status_code == 403


def test_what_is_no_simulator_is_not_loaded() -> None:
    for dotted in ("clients.simulator.app:build_app", "clients.simulator.app:nothing", "clients.simulator.app"):
        with pytest.raises(ValueError, match="does not name a GatewaySimulator"):
            load(dotted)


def test_the_command_serves_on_loopback_until_it_is_stopped() -> None:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "clients.simulator", "--port", str(port)]
    process = subprocess.Popen([*command, "--simulator", f"toy={TOY['toy']}"])
    try:
        deadline = time.monotonic() + 15
        while True:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/_control/health", **LOOPBACK)
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert answer.json()["gateways"] == ["toy"]
    finally:
        process.terminate()
        assert process.wait(timeout=10) in (0, -15)
