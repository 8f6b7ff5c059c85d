"""`manage.py simulate` makes a gateway misbehave; after the sweep `compare_with_simulator` shows zero differences.

Each fault of the simulator meets two gateways that differ most: Stripe (strong proof, idempotency keys) and PhonePe (weak
proof, tokens, refunds that settle later). The clients talk to the simulator over real HTTP; what it sends is received over
HTTP too, and handed to the webhook endpoint byte by byte.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from io import StringIO
from typing import Any, Final

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.test import Client

from clients.simulator import faults, webhooks
from clients.simulator.testing import Simulator, running_simulator
from core import clock
from core.gateways import registry
from core.gateways.testing import MemoryCache
from core.gateways.types import Mode
from core.models import Lab
from payments.demo import made_up, plan
from payments.models import Payment
from payments.services import keys
from tests.clients.simulator.receiver import Receiver, running_receiver
from tests.payments import builders
from tests.payments.shop import stored

pytestmark = pytest.mark.django_db

CREATE: Final = {"stripe": "/v1/checkout/sessions", "phonepe": "/checkout/v2/pay"}
REFUND: Final = {"stripe": "/v1/refunds", "phonepe": "/payments/v2/refund"}
SECONDS: Final = {"timeout_after": 0.1, "outage": 1.0, "slow": 0.3, "rate_limit": 3}
NOTHING_DONE: Final = {"error_before", "html_502", "outage"}  # of a refund; it is never sent again by itself
SOON: Final = [timedelta(seconds=20), timedelta(minutes=2)]
LATER: Final = [*SOON, timedelta(minutes=10), timedelta(minutes=40), timedelta(hours=3)]
by_gateway = pytest.mark.parametrize("gateway", CREATE)


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator(django_settings.SIMULATORS, retry_factor=0.02) as simulator:
        yield simulator


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as one:
        yield one


class Platform:
    """A lab with a live account at one simulated gateway, its customer, and whoever types `manage.py`."""

    def __init__(self, gateway: str, lab: Lab, simulator: Simulator, receiver: Receiver) -> None:
        self.gateway, self.simulator, self.receiver = gateway, simulator, receiver
        self.client = Client(raise_request_exception=False)
        self.token = builders.make_api_key(lab)
        values = made_up.credentials(gateway, Mode.LIVE)
        key = keys.create_gateway_key(lab=lab, gateway=gateway, mode=Mode.LIVE, values=values, actor="test")
        url = keys.key_row_of(key).webhook_url()
        simulator.register(gateway, mode="live", credentials=values, webhook_url=url)
        self.answers: list[int] = []

    def typed(self, *words: Any) -> str:
        """What a command prints."""
        out = StringIO()
        call_command(*map(str, words), stdout=out)
        return out.getvalue()

    def breaks(self, kind: str, path: str) -> None:
        seconds = ["--seconds", SECONDS[kind]] if kind in SECONDS else []
        said = json.loads(self.typed("simulate", "fault", self.gateway, kind, "--path", path, *seconds))
        assert said["does"] == faults.KINDS[kind]

    def post(self, path: str, body: dict[str, Any], key: str) -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key}
        return self.client.post(path, body, content_type="application/json", headers=headers)

    def order(self) -> dict[str, Any]:
        about = registry.gateway_class(self.gateway).about
        return plan.order(self.gateway, about, reference="order-1", return_url=f"{builders.ORIGIN}/back")

    def initiated(self, pauses: Sequence[timedelta] = SOON) -> dict[str, Any]:
        """As a shop does it: the same request with the same key until there is a payment; sweeps run meanwhile."""
        for _ in range(3):
            answer = self.post("/payments/initiate", self.order(), "order-1")
            if answer.status_code == 201:
                return dict(answer.json())
            assert answer.status_code in (502, 504), answer.content
            time.sleep(SECONDS["outage"] if self.is_down() else 0)
            self.sweeps(pauses)
        raise AssertionError("there is no payment after all this time")

    def is_down(self) -> bool:
        return (
            bool(self.simulator.calls(self.gateway)) and "outage" in self.simulator.calls(self.gateway)[-1]["outcome"]
        )

    def hears(self) -> None:
        """Every webhook that has come since, in the order in which it came."""
        self.simulator.wait_idle()
        heard, self.receiver.received[:] = list(self.receiver.received), []
        for one in heard:
            answer = self.client.generic(
                "POST",
                one.path,
                data=one.body,
                content_type=one.headers.get("content-type", ""),
                headers=_kept(one.headers),
            )
            self.answers.append(answer.status_code)

    def sweeps(self, pauses: Sequence[timedelta] = LATER) -> None:
        """As time goes by."""
        begun = clock.now()
        for later in pauses:
            with clock.fixed(begun + later):
                self.typed("sweep")

    def pays(self, payment: dict[str, Any]) -> None:
        self.typed("simulate", "act", "pay", payment["id"])
        self.hears()

    def refunds(self, payment: dict[str, Any]) -> int:
        """A quarter back; with the same key until it is taken. Returns how much."""
        part = int(payment["amount"]) // 4
        statuses = []
        while statuses[-1:] != [201]:
            statuses.append(
                self.post("/payments/refund", {"payment": payment["id"], "amount": part}, "refund-1").status_code
            )
            assert statuses[:-1] in ([], [502])  # 502: provably not sent
        self.typed("simulate", "advance", 120)  # PhonePe's settle by themselves
        self.hears()
        self.sweeps()
        return part

    def agrees(self, payment: dict[str, Any], *, refunded: int = 0) -> None:
        """Everything was paid once and given back once, there and here."""
        assert "zero differences" in self.typed("compare_with_simulator")
        row = stored(payment)
        assert (row.status, row.captured, row.refunded, row.attention) == ("captured", payment["amount"], refunded, [])
        assert Payment.across_labs.count() == 1
        unit = 100
        (line,) = [one for one in self.simulator.books(self.gateway) if float(one["captured"])]
        assert (float(line["captured"]) * unit, float(line["refunded"]) * unit) == (payment["amount"], refunded)


def _kept(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in ("content-type", "content-length", "host")}


@pytest.fixture
def platform(
    gateway: str, lab: Lab, running: Simulator, receiver: Receiver, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Platform:
    running.reset(accounts=True)
    settings.SIMULATOR_URL = running.url
    settings.PUBLIC_URL = receiver.url.removesuffix("/hook")
    monkeypatch.setattr(registry, "GatewayCache", lambda scope: MemoryCache())
    return Platform(gateway, lab, running, receiver)


@by_gateway
@pytest.mark.parametrize("kind", webhooks.KINDS)
def test_webhooks_that_go_wrong(platform: Platform, kind: str) -> None:
    payment = platform.initiated()
    platform.typed("simulate", "webhooks", platform.gateway, kind, "--times", 9, "--seconds", 0.2)
    platform.pays(payment)
    # PhonePe signs no body: a forged delivery is a hint like any, and a fetch tells the truth.
    refused = {400} if (kind, platform.gateway) == ("forge", "stripe") else set()
    assert set(platform.answers) == ({200} | refused if kind != "drop" else set())
    platform.sweeps()
    platform.agrees(payment)
    platform.agrees(payment, refunded=platform.refunds(payment))


@by_gateway
@pytest.mark.parametrize("kind", faults.KINDS)
def test_calls_that_go_wrong(platform: Platform, kind: str) -> None:
    platform.breaks(kind, CREATE[platform.gateway])
    # What was never done may be sent again once it was not found twice, a quarter of an hour apart.
    payment = platform.initiated(LATER if kind in NOTHING_DONE else SOON)
    platform.pays(payment)
    platform.sweeps(SOON)
    platform.agrees(payment)
    platform.breaks(kind, REFUND[platform.gateway])
    part = platform.refunds(payment)
    platform.agrees(payment, refunded=0 if kind in NOTHING_DONE else part)


@pytest.mark.parametrize("gateway", ["stripe"])
def test_webhooks_are_sent_again_and_count_once(platform: Platform) -> None:
    payment = platform.initiated()
    platform.pays(payment)
    platform.typed("simulate", "redeliver", "stripe", "--last", 5)
    platform.hears()
    platform.agrees(payment)


@pytest.mark.parametrize("gateway", ["stripe"])
def test_a_difference_is_shown_with_what_each_side_says(platform: Platform) -> None:
    payment = platform.initiated()
    platform.typed("simulate", "act", "pay", payment["id"])  # and nobody tells us
    out = StringIO()
    with pytest.raises(CommandError, match="1 differences"):
        call_command("compare_with_simulator", stdout=out)
    assert f"{payment['id']}: captured: here 0.00, there 500.00" in out.getvalue()


@pytest.mark.parametrize("gateway", ["stripe"])
def test_what_cannot_be_simulated_is_told(platform: Platform, settings: Any) -> None:
    for words in (
        ("fault", "stripe", "nonsense"),
        ("act", "dance", "x", "--gateway", "stripe"),
        ("act", "pay", "PAY_no"),
    ):
        with pytest.raises(CommandError):
            platform.typed("simulate", *words)
    settings.SIMULATOR_URL = None
    for command in (("simulate", "clear"), ("compare_with_simulator",)):
        with pytest.raises(CommandError, match="no simulator is configured"):
            platform.typed(*command)
