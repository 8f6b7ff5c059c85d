"""Two products of one company share hosts: PhonePe v2 and v1. Each request reaches the product whose path it names."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from clients.simulator.testing import Simulator, running_simulator
from tests.clients.simulator.receiver import LOOPBACK

BOTH = {
    "phonepe": "clients.phonepe.simulator:PhonePeSimulator",
    "phonepev1": "clients.phonepev1.simulator:PhonePeV1Simulator",
}
SANDBOX, LIVE = "api-preprod.phonepe.com/apis/pg-sandbox", "api.phonepe.com/apis"
PATHS = {
    "phonepe": [
        ("POST", f"{SANDBOX}/v1/oauth/token"),
        ("POST", f"{SANDBOX}/checkout/v2/pay"),
        ("GET", f"{SANDBOX}/checkout/v2/order/inv-1/status"),
        ("GET", f"{SANDBOX}/payments/v2/refund/rf-1/status"),
        ("POST", f"{LIVE}/identity-manager/v1/oauth/token"),
        ("POST", f"{LIVE}/pg/payments/v2/refund"),
    ],
    "phonepev1": [
        ("POST", f"{SANDBOX}/pg/v1/pay"),
        ("GET", f"{SANDBOX}/pg/v1/status/DEMOSHOPUAT/inv-1"),
        ("POST", f"{LIVE}/hermes/pg/v1/pay"),
        ("POST", f"{LIVE}/hermes/pg/v1/refund"),
    ],
}


@pytest.fixture(scope="module", params=[("phonepe", "phonepev1"), ("phonepev1", "phonepe")], ids="-then-".join)
def simulator(request: pytest.FixtureRequest) -> Iterator[Simulator]:
    with running_simulator({slug: BOTH[slug] for slug in request.param}) as running:
        yield running


def paths(simulator: Simulator, slug: str) -> list[tuple[str, str]]:
    return [(call["method"], f"{call['host']}{call['path']}") for call in simulator.calls(slug)]


@pytest.mark.parametrize("slug", list(BOTH))
def test_a_path_of_one_product_reaches_it_on_the_host_of_both(simulator: Simulator, slug: str) -> None:
    simulator.reset(accounts=True)
    for method, path in PATHS[slug]:
        answer = httpx.request(method, f"{simulator.url}/{path}", **LOOPBACK)
        assert answer.status_code not in (404, 405, 500), (path, answer.text)  # refused, but by whom it is meant for
    assert {one: paths(simulator, one) for one in BOTH} == {one: PATHS[one] if one == slug else [] for one in BOTH}


def test_a_fault_of_one_product_leaves_the_other_alone(simulator: Simulator) -> None:
    simulator.reset(accounts=True)
    simulator.fault("phonepev1", "outage", seconds=30)
    ours, theirs = PATHS["phonepe"][0], PATHS["phonepev1"][0]
    statuses = [
        httpx.request(method, f"{simulator.url}/{path}", **LOOPBACK).status_code for method, path in (ours, theirs)
    ]
    assert (statuses[0] == 503, statuses[1]) == (False, 503)


def test_a_path_that_neither_knows_is_not_found(simulator: Simulator) -> None:
    simulator.reset(accounts=True)
    answer = httpx.get(f"{simulator.url}/{SANDBOX}/no/such/path", **LOOPBACK)
    assert answer.status_code == 404
