"""Gateways are found by settings and by entry points; a broken one is told and never stops the others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from django.core import checks as django_checks
from django.test import override_settings

from core.gateways import registry
from core.gateways.checks import gateways_can_be_used
from core.gateways.errors import GatewayMisconfigured
from core.gateways.registry import UnknownGateway
from core.gateways.types import Mode
from tests.core.gateways.toy import ABOUT, ToyGateway

TOY = "tests.core.gateways.toy.ToyGateway"
KEYS = {"api_key": "toy_test_a8Kd93jX", "account": "1", "webhook_secret": "hooks-and-eyes"}


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What is installed: nothing, until a test says so."""

    def install(**points: str) -> None:
        found = [EntryPoint(name=name, value=value, group=registry.ENTRY_POINT_GROUP) for name, value in points.items()]
        monkeypatch.setattr(registry, "entry_points", lambda group: found if group == "paywright.gateways" else [])
        registry._plugins.cache_clear()

    install()
    with override_settings(GATEWAYS={"toy": TOY}, GATEWAY_HOSTS={}, SIMULATOR_URL=None):
        yield install
    registry._plugins.cache_clear()


def test_gateways_come_from_settings() -> None:
    assert registry.slugs() == ("toy",)
    assert registry.gateway_class("toy") is ToyGateway
    assert registry.descriptions() == {"toy": ABOUT}
    assert registry.unusable() == ()


def test_an_unknown_gateway_is_told_with_those_that_are_known() -> None:
    with pytest.raises(UnknownGateway, match="there is no gateway 'nope'; known are toy"):
        registry.gateway_class("nope")


def test_an_installed_package_adds_its_gateway(plugins: Any) -> None:
    plugins(toy="tests.core.gateways.toy:ToyGateway")
    with override_settings(GATEWAYS={}):
        assert registry.slugs() == ("toy",)
        assert registry.gateway_class("toy") is ToyGateway


def test_settings_win_over_a_package_of_the_same_name_and_the_check_says_so(plugins: Any) -> None:
    plugins(toy="somewhere.else:Toy")
    assert registry.gateway_class("toy") is ToyGateway
    [message] = gateways_can_be_used()
    assert message.id == "gateways.W001"
    assert message.msg == "The gateway toy cannot be used: settings.GATEWAYS has a gateway of the same name."


def test_a_broken_package_is_left_out_logged_and_a_warning(plugins: Any, caplog: pytest.LogCaptureFixture) -> None:
    plugins(broken="no_such_package.of_ours:Gateway")
    with caplog.at_level(logging.ERROR):
        assert registry.slugs() == ("toy",)
    assert "gateway broken cannot be loaded" in caplog.text
    with pytest.raises(UnknownGateway, match="'broken' cannot be used: no_such_package"):
        registry.gateway_class("broken")
    [message] = gateways_can_be_used()
    assert (message.level, message.id) == (django_checks.WARNING, "gateways.W001")


@pytest.mark.parametrize(
    ("slug", "path", "reason"),
    [
        ("typo", "tests.core.gateways.toy.Typo", "cannot be imported (AttributeError)"),
        ("half", "tests.core.gateways.toy.HalfGateway", "lacks __init__, check_credentials, fetch_payment, initiate"),
        ("other", "tests.core.gateways.toy.NamelessGateway", "the class calls itself 'somebody_else'"),
        ("other", "tests.core.gateways.toy.ABOUT", "is not a class that inherits core.gateways.port.Gateway"),
        ("Toy-1", TOY, "a slug is lower-case letters"),
    ],
)
def test_a_wrong_line_in_settings_is_an_error_of_the_check(slug: str, path: str, reason: str) -> None:
    with override_settings(GATEWAYS={"toy": TOY, slug: path}):
        assert registry.slugs() == ("toy",)
        [message] = gateways_can_be_used()
        assert (message.level, message.id) == (django_checks.ERROR, "gateways.E001")
        assert reason in message.msg


def test_the_check_is_registered() -> None:
    assert gateways_can_be_used in django_checks.registry.registry.get_checks()


def test_abilities_are_read_from_what_the_class_inherits() -> None:
    assert registry.abilities(ToyGateway) == ("refund", "read_return")
    assert {"capture", "void", "refund", "read_return", "list_currencies"} <= set(registry.ability_classes())


def test_an_opened_gateway_may_call_the_hosts_of_its_mode_only() -> None:
    gateway = registry.open_gateway("toy", KEYS, mode=Mode.TEST, cache_scope="lab 1")
    assert isinstance(gateway, ToyGateway)
    assert gateway.http._origins == {"https://sandbox.toy.example.test"}
    assert gateway.http.browser_url("https://sandbox.toy.example.test/a") == "https://sandbox.toy.example.test/a"
    assert gateway.mode is Mode.TEST


def test_with_a_simulator_every_declared_host_is_played_by_it() -> None:
    with override_settings(SIMULATOR_URL="http://127.0.0.1:9000/"):
        gateway = registry.open_gateway("toy", KEYS, mode=Mode.LIVE, cache_scope="lab 1")
        assert isinstance(gateway, ToyGateway)
        assert gateway.http.browser_url("https://api.toy.example.test/orders?a=1") == (
            "http://127.0.0.1:9000/api.toy.example.test/orders?a=1"
        )


def test_an_override_of_one_host_wins_over_the_simulator() -> None:
    hosts = {"https://api.toy.example.test": "http://127.0.0.1:9111"}
    with override_settings(SIMULATOR_URL="http://127.0.0.1:9000", GATEWAY_HOSTS=hosts):
        assert registry.host_overrides(ToyGateway) == {
            "https://api.toy.example.test": "http://127.0.0.1:9111",
            "https://sandbox.toy.example.test": "http://127.0.0.1:9000/sandbox.toy.example.test",
        }


def test_wrong_credentials_are_told_when_it_is_opened() -> None:
    with pytest.raises(GatewayMisconfigured, match="the API key is text"):
        registry.open_gateway("toy", {"api_key": 7}, mode=Mode.TEST, cache_scope="lab 1")


def test_the_cache_of_an_account_is_its_own_and_ends_with_its_credentials() -> None:
    def token(scope: str, mode: Mode = Mode.TEST, **changes: str) -> Any:
        gateway = registry.open_gateway("toy", {**KEYS, **changes}, mode=mode, cache_scope=scope)
        assert isinstance(gateway, ToyGateway)
        return gateway.cache

    token("lab 1").set("token", "t1", seconds=60)
    assert token("lab 1").get("token") == "t1"
    assert token("lab 2").get("token") is None
    assert token("lab 1", mode=Mode.LIVE).get("token") is None
    assert token("lab 1", api_key="toy_test_another1").get("token") is None
