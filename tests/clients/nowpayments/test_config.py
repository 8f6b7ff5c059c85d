"""Credentials: trimmed, checked for shape, never shown; and what the gateway says about itself."""

from __future__ import annotations

from typing import Any

import pytest

from clients.nowpayments.config import API_ORIGINS, DESCRIPTION, Config
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import Mode
from tests.clients.nowpayments.wire import API_KEY, SECRET


def of(**credentials: Any) -> Config:
    return Config.of({"api_key": API_KEY, "ipn_secret": SECRET, **credentials}, mode=Mode.TEST)


def test_every_value_is_trimmed() -> None:
    config = of(
        api_key=f" {API_KEY}\n", ipn_secret=f"\t{SECRET}\r\n", account_email=" a@b.example ", account_password="p w\n"
    )
    assert (config.api_key, config.ipn_secrets) == (API_KEY, (SECRET,))
    assert (config.account_email, config.account_password, config.has_login) == ("a@b.example", "p w", True)


@pytest.mark.parametrize(
    "change",
    [
        {"api_key": 7}, {"api_key": ["x"]}, {"api_key": "a b"}, {"api_key": "caf\u00e9-key-1"}, {"api_key": "a\r\nb"},
        {"api_key": "x" * 1001}, {"ipn_secret": 12345678}, {"ipn_secret": "\ud800" * 9}, {"previous_ipn_secrets": "text"},
        {"previous_ipn_secrets": [7]}, {"account_email": {}}, {"account_password": b"x"}, {"totp_secret": 987654321},
    ],
)  # fmt: skip
def test_values_of_the_wrong_shape_are_refused_without_being_told(change: dict[str, Any]) -> None:
    with pytest.raises(GatewayMisconfigured) as caught:
        of(**change)
    (value,) = change.values()
    assert str(value) not in str(caught.value)


def test_missing_values_are_no_error_until_they_are_needed() -> None:
    config = Config.of({}, mode=Mode.LIVE)
    assert (config.api_key, config.ipn_secrets, config.has_login) == ("", (), False)


def test_short_secrets_are_none_and_a_previous_one_does_not_stand_in() -> None:
    assert of(ipn_secret="1234567", previous_ipn_secrets=[SECRET]).ipn_secrets == ()
    assert of(previous_ipn_secrets=["", "  ", "1234567", "changeme", "87654321 "]).ipn_secrets == (SECRET, "87654321")


def test_no_secret_is_in_the_repr() -> None:
    config = of(account_email="desk@lab.example", account_password="invented-password")
    for secret in (API_KEY, SECRET, "invented-password", "desk@lab.example"):
        assert secret not in repr(config)


def test_the_hosts_are_those_of_the_mode() -> None:
    assert DESCRIPTION.origins == {
        Mode.LIVE: ("https://api.nowpayments.io", "https://nowpayments.io"),
        Mode.TEST: ("https://api-sandbox.nowpayments.io", "https://sandbox.nowpayments.io"),
    }
    assert (of().api_origin, of().page_origin) == (
        "https://api-sandbox.nowpayments.io",
        "https://sandbox.nowpayments.io",
    )
    assert set(API_ORIGINS) == set(Mode)


def test_the_credential_fields_are_those_of_the_page() -> None:
    assert [
        (one.name, one.is_secret, one.is_required, one.rotates, one.min_length) for one in DESCRIPTION.credentials
    ] == [
        ("api_key", True, True, False, 8),
        ("ipn_secret", True, True, True, 8),
        ("account_email", False, False, False, 1),
        ("account_password", True, False, False, 1),
        ("totp_secret", True, False, False, 1),
    ]


def test_the_description_of_references_polling_and_coins() -> None:
    rule = DESCRIPTION.reference
    assert (rule.max_length, len(rule.alphabet), {"-", "_", "a", "Z", "0"} <= set(rule.alphabet)) == (64, 64, True)
    steps = [(step.until_age_seconds, step.every_seconds) for step in DESCRIPTION.polling]
    assert steps == [(1200, 90), (604_800, 720)]
    assert DESCRIPTION.rereads_after_seconds == (60, 86_400)
    assert (DESCRIPTION.is_crypto, DESCRIPTION.manual_capture, DESCRIPTION.idempotency_seconds) == (True, False, None)
    assert {"USD", "EUR", "RON", "BTC", "USDTTRC20"} <= DESCRIPTION.currencies
    assert "USDTTRC20" in DESCRIPTION.coins and "USD" not in DESCRIPTION.coins
