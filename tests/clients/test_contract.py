"""The one contract suite, run for every gateway that is registered: ours and any that is installed beside it."""

from __future__ import annotations

import importlib
from functools import cache

import pytest

from core.gateways import registry
from core.gateways.contract import GatewayContract
from core.gateways.testing import GatewayCase


@cache
def case_of(slug: str) -> GatewayCase:
    """tests/clients/<slug>/case.py holds `CASE`."""
    case = importlib.import_module(f"tests.clients.{slug}.case").CASE
    assert isinstance(case, GatewayCase)
    return case


def all_cases() -> list[GatewayCase]:
    found = []
    for slug in sorted(registry.slugs()):
        try:
            found.append(case_of(slug))
        except ModuleNotFoundError:  # test_every_registered_gateway_has_a_case says it
            continue
    return found


ALL_CASES = all_cases()


def test_every_registered_gateway_has_a_case() -> None:
    assert {case.slug for case in ALL_CASES} == set(registry.slugs())


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: case.slug)
class TestEveryGateway(GatewayContract):
    """The checks are in core/gateways/contract.py."""
