"""A gateway that nothing here names: an installed distribution is found, passes the contract suite, and takes payments."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from clients.simulator.testing import Simulator, running_simulator
from core.gateways import registry
from core.gateways.types import Mode
from payments.services import keys
from scripts import bootstrap
from tests.clients.test_contract import ALL_CASES, case_of
from tests.payments import builders
from tests.payments.conftest import _no_memory, broken_invariants  # noqa: F401 - the first is an autouse fixture

SLUG = "tollbooth"
CREDENTIALS = {"api_key": "tb_live_aB3dE6gH9jK2mN5pQ8sT1vW4", "webhook_secret": "tollbooth-live-secret-4f1d2c3b"}


@pytest.fixture
def simulator(settings: Any) -> Iterator[Simulator]:
    with running_simulator({SLUG: django_settings.SIMULATORS[SLUG]}) as running:
        settings.SIMULATOR_URL = running.url
        yield running


class Buyer:
    """A lab's program with a key of the ninth gateway; its simulator calls the real web server back."""

    def __init__(self, simulator: Simulator) -> None:
        self.lab = builders.make_lab()
        self.key = keys.create_gateway_key(
            lab=self.lab, gateway=SLUG, mode=Mode.LIVE, values=dict(CREDENTIALS), actor="test"
        )
        address = keys.key_row_of(self.key).webhook_url()
        simulator.register(SLUG, mode="live", credentials=CREDENTIALS, webhook_url=address)
        self._token = builders.make_api_key(self.lab, Mode.LIVE)
        self._simulator = simulator
        self._client = Client(raise_request_exception=False)
        self._count = 0

    def post(self, path: str, body: dict[str, Any], *, status: int = 201) -> dict[str, Any]:
        self._count += 1
        headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": f"ninth-{self._count}"}
        answer = self._client.post(path, json.dumps(body), content_type="application/json", headers=headers)
        assert answer.status_code == status, answer.content
        return dict(answer.json())

    def status(self, payment: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}"}
        return dict(self._client.get(f"/payments/status/{payment['id']}", headers=headers).json())

    def act(self, action: str, payment: dict[str, Any]) -> None:
        self._simulator.act(SLUG, action, payment["gateway_reference"])
        self._simulator.wait_idle()


@pytest.fixture
def buyer(live_server: LiveServer, settings: Any, simulator: Simulator) -> Iterator[Buyer]:
    settings.PUBLIC_URL = live_server.url
    yield Buyer(simulator)
    assert broken_invariants() == []


def test_it_is_installed_as_a_distribution_of_its_own_and_found_by_entry_point() -> None:
    found = distribution("tollbooth-gateway")
    assert {(point.group, point.name) for point in found.entry_points} == {
        ("paywright.gateways", SLUG), ("paywright.simulators", SLUG),
    }  # fmt: skip
    assert SLUG not in django_settings.GATEWAYS
    assert SLUG in registry.slugs()
    place = sys.modules[registry.gateway_class(SLUG).__module__].__file__
    assert place is not None and Path(place).is_relative_to(bootstrap.NINTH)


def test_nothing_outside_its_folder_names_it() -> None:
    root = bootstrap.ROOT
    places = [root / name for name in ("core", "clients", "finance", "payments", "settings")]
    named = [
        path for place in places for path in place.rglob("*.py") if SLUG in path.read_text(encoding="utf-8").lower()
    ]
    assert named == []


def test_the_contract_suite_runs_over_nine_gateways() -> None:
    assert {case.slug for case in ALL_CASES} == {*django_settings.GATEWAYS, SLUG}
    assert type(case_of(SLUG)).__module__ == "tollbooth_gateway.case"


def test_a_run_outside_tests_does_not_see_it() -> None:
    code = "from importlib.metadata import entry_points; print(*[p.name for p in entry_points(group='paywright.gateways')])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert SLUG not in told.stdout.split()


@pytest.mark.django_db(transaction=True)
def test_a_payment_is_made_paid_told_and_given_back_through_the_api(buyer: Buyer, simulator: Simulator) -> None:
    payment = buyer.post("/payments/initiate", {"amount": 1299, "currency": "EUR", "gateway": SLUG})
    assert (payment["status"], payment["gateway"]) == ("requires_action", SLUG)
    page = simulator.url + "/pay.tollbooth.example/pay/"
    assert payment["next_action"] == {"type": "redirect", "url": page + payment["gateway_reference"]}

    buyer.act("pay", payment)
    paid = buyer.status(payment)
    assert (paid["status"], paid["captured"], paid["refunded"]) == ("captured", 1299, 0)

    refund = buyer.post("/payments/refund", {"payment": payment["id"], "amount": 299})
    assert (refund["status"], refund["amount"]) == ("pending", 299)
    buyer.act("refund_settle", payment)
    assert buyer.status(payment)["refunded"] == 299

    assert [one["state"] for one in simulator.webhooks(SLUG)] == ["delivered", "delivered"]
    (line,) = simulator.books(SLUG)
    assert (line["asset"], line["captured"], line["refunded"]) == ("EUR", "12.99", "2.99")


@pytest.mark.django_db(transaction=True)
def test_a_declined_payment_says_why(buyer: Buyer) -> None:
    payment = buyer.post("/payments/initiate", {"amount": 1300, "currency": "JPY", "gateway": SLUG})
    buyer.act("decline", payment)
    failed = buyer.status(payment)
    assert (failed["status"], failed["captured"]) == ("failed", 0)
    assert failed["decline"]["code"] == "insufficient_funds"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", ["timeout_after", "cut_connection"])
def test_a_lost_answer_is_found_again_by_our_own_reference(buyer: Buyer, simulator: Simulator, fault: str) -> None:
    simulator.fault(SLUG, fault, method="POST", path="^/v1/charges$", times=1, seconds=0)
    order = {"amount": 12990, "currency": "KWD", "gateway": SLUG}
    problem = buyer.post("/payments/initiate", order, status=504)
    assert problem["code"] == "outcome_unknown"
    (line,) = simulator.books(SLUG)

    payment = buyer.status({"id": problem["payment"]})
    assert (payment["status"], payment["gateway_reference"]) == ("requires_action", line["gateway_reference"])
    buyer.act("pay", payment)
    assert buyer.status(payment)["captured"] == 12990
    (line,) = simulator.books(SLUG)
    assert (line["asset"], line["captured"]) == ("KWD", "12.990")
