"""An independent witness: our real Stripe client, over real HTTP, against a fake Stripe that others wrote.

It runs in an environment of its own, `.venv-localstripe` (made by `make test`), in its own process on loopback. Set
PAYWRIGHT_RECORD_CASSETTES=1 to write its answers down for test_cassettes.py.
"""

from __future__ import annotations

import os
import queue
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
import stripe

from core.gateways.testing import MemoryCache
from core.gateways.types import Mode, PaymentStatus, WebhookDelivery
from core.strict_json import load_object
from tests.clients.stripe import witness
from tests.clients.stripe.cassette import recorder
from tests.clients.stripe.witness import SCENES, WEBHOOK_SECRET, Stage

pytestmark = pytest.mark.localstripe

ROOT = Path(__file__).parents[3]
HOME = Path(os.environ.get("PAYWRIGHT_LOCALSTRIPE_HOME", ROOT / ".venv-localstripe"))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    python = HOME / "bin" / "python"
    if not python.exists():
        reason = f"{HOME.name} is missing: `make test` makes it"
        if os.environ.get("PAYWRIGHT_REQUIRE_LOCALSTRIPE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    port = free_port()
    runner = Path(__file__).with_name("run_localstripe.py")
    process = subprocess.Popen([python, runner, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        base = f"http://127.0.0.1:{port}"
        wait_until_it_answers(base, process)
        yield Stage(base)
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def mailbox(stage: Stage) -> Iterator[queue.Queue[WebhookDelivery]]:
    """A listener on loopback to which the fake posts its webhooks."""
    received: queue.Queue[WebhookDelivery] = queue.Queue()

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            received.put(WebhookDelivery(method="POST", url=self.path, headers=headers, body=body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/hook"
    with httpx.Client(trust_env=False) as client:
        told = client.post(f"{stage.base}/_config/webhooks/us", data={"url": url, "secret": WEBHOOK_SECRET})
    assert told.status_code == 200
    yield received
    server.shutdown()
    server.server_close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_it_answers(base: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                client.get(f"{base}/v1/balance")
                return
            except httpx.TransportError:
                time.sleep(0.1)
    pytest.fail("localstripe did not start")


@pytest.mark.parametrize("scene", SCENES.values(), ids=list(SCENES))
def test_localstripe_plays(scene: Callable[[Stage], None], stage: Stage) -> None:
    name = scene.__name__.removeprefix("scene_")
    with recorder(name) if os.environ.get("PAYWRIGHT_RECORD_CASSETTES") == "1" else nullcontext():
        scene(stage)


def test_its_webhook_is_read_and_the_official_verifier_agrees(
    stage: Stage, mailbox: queue.Queue[WebhookDelivery]
) -> None:
    created = witness.create(stage, "PAY_witness_hook")
    assert stage.confirm(created.gateway_reference or "") == 200
    delivery = next_about(mailbox, created.gateway_reference or "")
    header = delivery.headers["stripe-signature"]
    official = stripe.Webhook.construct_event(delivery.body, header, WEBHOOK_SECRET)
    gateway = witness.WitnessedGateway(
        {"webhook_secret": WEBHOOK_SECRET},
        mode=Mode.TEST,
        http=stage.gateway()._http,
        cache=MemoryCache(),
        clock=lambda: datetime.now(UTC),
    )
    reading = gateway.read_webhook(delivery)
    (report,) = reading.reports
    assert (reading.event_key, reading.event_type) == (official.id, "payment_intent.succeeded")
    assert (report.status, report.reference, report.mode) == (PaymentStatus.CAPTURED, "PAY_witness_hook", Mode.TEST)
    assert report.gateway_reference == created.gateway_reference


def next_about(mailbox: queue.Queue[WebhookDelivery], intent: str) -> WebhookDelivery:
    """The fake sends about a second after the fact, and about every payment of this module."""
    while True:
        delivery = mailbox.get(timeout=10)
        if load_object(delivery.body)["data"]["object"].get("id") == intent:
            return delivery
