"""What an account may hold: shapes, modes, swapped fields; each refusal names the field and never its text."""

from __future__ import annotations

from typing import Any

import pytest

from clients.square.about import DESCRIPTION
from clients.square.config import SquareConfig
from core.gateways.credentials import check_values, infer_mode
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import Mode
from tests.clients.square.case import CASE
from tests.clients.square.objects import KEY, OLD_KEY, TOKEN, URL

LONG_TOKEN = "EAAAEOuLQPDocExampleDocExampleDocExampleDocExampleDocExampleDocEx"


def values(**changes: Any) -> dict[str, Any]:
    return {**CASE.credentials(Mode.TEST), **changes}


@pytest.mark.parametrize("mode", Mode)
def test_a_full_account_is_accepted_in_its_mode(mode: Mode) -> None:
    assert check_values(DESCRIPTION, CASE.credentials(mode), mode) == {}
    config = SquareConfig.of(CASE.credentials(mode), mode=mode)
    assert (config.mode, config.location_id, config.notification_url) == (mode, "LDOCEXAMPLE1", URL)


def test_each_mode_has_a_host_of_its_own() -> None:
    assert SquareConfig.of(values(), mode=Mode.TEST).origin == "https://connect.squareupsandbox.com"
    live = CASE.credentials(Mode.LIVE)
    assert SquareConfig.of(live, mode=Mode.LIVE).origin == "https://connect.squareup.com"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("application_id", "sq0idp-docExample", "This is a live value, but the account is a test account"),
        ("application_secret", "sq0csp-docExampleSecret", "This is a live value, but the account is a test account"),
        ("access_token", "sq0idp-docExample", "This looks like the Application ID"),
        ("access_token", "sandbox-sq0idb-docExample", "This looks like the Application ID"),
        ("access_token", "sq0csp-docExampleSecret", "This looks like the Application secret"),
        ("access_token", "EAAA with a space in it", "The access token is one word"),
        ("location_id", LONG_TOKEN, "A location id is short"),
        ("location_id", "L/../merchants", "A location id is short"),
        ("webhook_signature_key", LONG_TOKEN, "The signature key is short"),
        ("webhook_signature_key", "https://pay.example.test/hooks", "This looks like the Notification URL"),
        ("webhook_signature_key", "xxxxxxxxxxxx", "Webhook signature key is a placeholder"),
        ("webhook_signature_key", "short", "Webhook signature key has at least 8 characters"),
        ("webhook_signature_key", TOKEN, "The same value stands in Access token"),
        ("notification_url", "http://pay.example.test/hooks/square/acct_7/", "An https address."),
        ("notification_url", "pay.example.test/hooks", "An https address."),
        ("merchant_id", LONG_TOKEN, "A merchant id is short"),
    ],
)
def test_a_value_in_the_wrong_place_is_refused_with_the_field_named(field: str, value: str, said: str) -> None:
    found = check_values(DESCRIPTION, values(**{field: value}), Mode.TEST)
    assert said in found[field]
    assert value not in found[field]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("application_id", "sq0idp-docExample"),
        ("application_secret", "sq0csp-docExampleSecret"),
        ("access_token", "sandbox-sq0idb-docExample"),
        ("access_token", "EAAA with a space in it"),
        ("access_token", 7),
        ("location_id", LONG_TOKEN),
        ("location_id", "L/../merchants"),
        ("webhook_signature_key", LONG_TOKEN),
        ("notification_url", "http://pay.example.test/hooks/square/acct_7/"),
        ("merchant_id", "\ud800"),
    ],
)
def test_a_value_of_the_wrong_shape_opens_no_gateway(field: str, value: Any) -> None:
    with pytest.raises(GatewayMisconfigured, match=field) as raised:
        SquareConfig.of(values(**{field: value}), mode=Mode.TEST)
    assert str(value) not in raised.value.reason


def test_the_fields_that_must_be_there_are_named() -> None:
    assert sorted(check_values(DESCRIPTION, {}, Mode.TEST)) == ["access_token", "location_id", "webhook_signature_key"]


def test_only_the_application_id_tells_the_mode() -> None:
    assert infer_mode(DESCRIPTION, CASE.credentials(Mode.LIVE)) is Mode.LIVE
    assert infer_mode(DESCRIPTION, CASE.credentials(Mode.TEST)) is Mode.TEST
    assert infer_mode(DESCRIPTION, {"access_token": TOKEN, "location_id": "LDOCEXAMPLE1"}) is None


def test_a_pasted_line_break_is_trimmed_and_the_current_key_comes_first() -> None:
    given = values(webhook_signature_key=f"{KEY}\n", previous_webhook_signature_keys=[OLD_KEY, "  ", "short"])
    assert SquareConfig.of(given, mode=Mode.TEST).signature_keys == (KEY, OLD_KEY)


@pytest.mark.parametrize("key", ["aaaaaaaaaaaa", "changeme-changeme", "<signature key>", "short"])
def test_without_a_usable_current_key_the_previous_one_proves_nothing_either(key: str) -> None:
    given = values(webhook_signature_key=key, previous_webhook_signature_keys=[OLD_KEY])
    assert SquareConfig.of(given, mode=Mode.TEST).signature_keys == ()


def test_a_missing_value_is_told_only_when_it_is_needed() -> None:
    empty = SquareConfig.of({}, mode=Mode.TEST)
    for needed, name in ((empty.token, "access token"), (empty.location, "location id"), (empty.signed_url, "URL")):
        with pytest.raises(GatewayMisconfigured, match=name):
            needed()


def test_loopback_may_speak_plain_http() -> None:
    local = "http://localhost:8000/payments/webhook/square/token"
    assert SquareConfig.of(values(notification_url=local), mode=Mode.TEST).signed_url() == local


def test_neither_tokens_nor_our_address_are_shown() -> None:
    shown = repr(SquareConfig.of(values(), mode=Mode.TEST))
    assert TOKEN not in shown and KEY not in shown and URL not in shown
