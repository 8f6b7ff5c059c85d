"""The one contract suite, run for every gateway that is registered: ours and any that is installed beside it."""

from __future__ import annotations

import importlib
from functools import cache

import pytest
from django.conf import settings

from core.gateways import registry
from core.gateways.contract import GatewayContract
from core.gateways.testing import GatewayCase


@cache
def case_of(slug: str) -> GatewayCase:
    """`case.py` holds `CASE`: in tests/clients/<slug> for a gateway of ours, in its own package for a plugin."""
    package = f"tests.clients.{slug}" if slug in settings.GATEWAYS else _package_of(slug)
    case = importlib.import_module(f"{package}.case").CASE
    assert isinstance(case, GatewayCase)
    return case


def _package_of(slug: str) -> str:
    return registry.gateway_class(slug).__module__.rpartition(".")[0]


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
