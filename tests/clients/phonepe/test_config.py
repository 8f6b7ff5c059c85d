"""Credentials: trimmed, checked for shape, swapped ones refused, never shown; and what the gateway says about itself."""

from __future__ import annotations

from typing import Any

import pytest

from clients.phonepe.config import DESCRIPTION, PhonePeConfig
from core.gateways.credentials import check_values, infer_mode
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import Mode, WebhookProof
from tests.clients.phonepe.wire import CREDENTIALS, PASSWORD, SECRET, USERNAME

CLIENT_ID = CREDENTIALS["client_id"]


def of(mode: Mode = Mode.TEST, **changes: Any) -> PhonePeConfig:
    return PhonePeConfig.of({**CREDENTIALS, **changes}, mode=mode)


def errors(mode: Mode = Mode.TEST, **changes: Any) -> dict[str, str]:
    return check_values(DESCRIPTION, {**CREDENTIALS, **changes}, mode)


def test_every_value_is_trimmed() -> None:
    config = of(client_id=f" {CLIENT_ID}\n", client_secret=f"\t{SECRET}\r\n", client_version=" 7 ", merchant_id=" M0DEMO ",
                webhook_username=f"{USERNAME}\n", webhook_password=f" {PASSWORD} ")  # fmt: skip
    assert config.token_fields() == {
        "client_id": CLIENT_ID, "client_version": "7", "client_secret": SECRET, "grant_type": "client_credentials",
    }  # fmt: skip
    assert (config.webhook_logins, config.merchant_id) == (((USERNAME, PASSWORD),), "M0DEMO")


@pytest.mark.parametrize("mode", list(Mode))
def test_good_credentials_can_be_saved_in_either_mode(mode: Mode) -> None:
    assert errors(mode) == {} and errors(mode, merchant_id="M0DEMO") == {}
    assert errors(mode, client_id="SU2501011200000000001") == {}
    without_webhook = {name: value for name, value in CREDENTIALS.items() if not name.startswith("webhook_")}
    assert check_values(DESCRIPTION, without_webhook, mode) == {}
    assert infer_mode(DESCRIPTION, CREDENTIALS) is None  # no value tells


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_id", ""), ("client_id", "two words"), ("client_id", "7f3a9b52-1c4d-4e8a-9b60-5d2e7c1f0a93"), ("client_secret", ""),
        ("client_secret", "short"), ("client_secret", CLIENT_ID), ("client_secret", "SU2501011200000000001"),
        ("client_secret", "changeme"), ("client_version", ""), ("client_version", "0"), ("client_version", "v1"),
        ("client_version", "1.0"), ("client_version", CLIENT_ID), ("webhook_username", "abcd"),
        ("webhook_username", "a" * 21), ("webhook_username", "has-dash"), ("webhook_username", "SU2501011200"),
        ("webhook_password", "short"), ("webhook_password", "change-me-now"), ("merchant_id", "M0 DEMO"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_shape_is_refused_on_save_with_its_field_named(name: str, value: str) -> None:
    found = errors(**{name: value})
    assert list(found) == [name]
    assert value == "" or value not in found[name]


def test_swapped_fields_are_refused_with_both_named() -> None:
    assert set(errors(client_id=SECRET, client_secret=CLIENT_ID)) == {"client_id", "client_secret"}
    assert set(errors(webhook_password=SECRET)) == {"client_secret", "webhook_password"}
    with pytest.raises(GatewayMisconfigured, match="client_id is not a client id"):
        of(client_id=SECRET, client_secret=CLIENT_ID)
    with pytest.raises(GatewayMisconfigured, match="client_secret is not a client secret"):
        of(client_secret=CLIENT_ID)


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": 712345678}, {"client_id": "caf\u00e9-key-1"}, {"client_id": "a\r\nb"}, {"client_secret": ["x"]},
        {"client_secret": "x" * 1001}, {"client_version": "one"}, {"client_version": -7}, {"webhook_username": b"bytes1"},
        {"webhook_password": "\ud800" * 9}, {"previous_webhook_passwords": "text-0001"}, {"merchant_id": "M0/DEMO"},
        {"previous_webhook_usernames": [7123456]},
    ],
)  # fmt: skip
def test_values_of_the_wrong_shape_are_refused_without_being_told(change: dict[str, Any]) -> None:
    with pytest.raises(GatewayMisconfigured) as caught:
        of(**change)
    ((name, value),) = change.items()
    assert name in str(caught.value) and str(value) not in str(caught.value)


def test_missing_values_are_no_error_until_they_are_needed() -> None:
    config = PhonePeConfig.of({}, mode=Mode.LIVE)
    assert (config.webhook_logins, config.merchant_id) == ((), None)
    with pytest.raises(GatewayMisconfigured, match="no client_id and no client_version and no client_secret"):
        config.token_fields()


def test_the_version_is_one_in_the_sandbox_and_must_be_said_for_a_live_account() -> None:
    assert of(client_version=None).token_fields()["client_version"] == "1"
    assert of(client_version=3).token_fields()["client_version"] == "3"
    with pytest.raises(GatewayMisconfigured, match="no client_version"):
        of(Mode.LIVE, client_version=None).token_fields()


@pytest.mark.parametrize(
    "change",
    [
        {"webhook_username": None}, {"webhook_username": " "}, {"webhook_password": None}, {"webhook_password": "1234567"},
        {"webhook_password": "        "}, {"webhook_password": "xxxxxxxxxx"}, {"webhook_password": "<your password>"},
    ],
)  # fmt: skip
def test_without_a_usable_pair_there_is_no_webhook_login_not_even_a_previous_one(change: dict[str, Any]) -> None:
    assert (
        of(previous_webhook_passwords=[PASSWORD], previous_webhook_usernames=[USERNAME], **change).webhook_logins == ()
    )


def test_previous_usernames_and_passwords_are_kept_in_every_pairing_and_blank_ones_are_not() -> None:
    config = of(
        previous_webhook_passwords=["Older-pass-1", "", "short"], previous_webhook_usernames=["older_hook", " "]
    )
    assert config.webhook_logins == (
        (USERNAME, PASSWORD), (USERNAME, "Older-pass-1"), ("older_hook", PASSWORD), ("older_hook", "Older-pass-1"),
    )  # fmt: skip


def test_no_secret_is_in_the_repr() -> None:
    for secret in (SECRET, PASSWORD, USERNAME):
        assert secret not in repr(of())


def test_the_hosts_are_those_of_the_mode_and_live_tokens_have_a_path_of_their_own() -> None:
    assert (of().token_url, of().pg_base) == (
        "https://api-preprod.phonepe.com/apis/pg-sandbox/v1/oauth/token",
        "https://api-preprod.phonepe.com/apis/pg-sandbox",
    )
    live = of(Mode.LIVE)
    assert (live.token_url, live.pg_base) == (
        "https://api.phonepe.com/apis/identity-manager/v1/oauth/token",
        "https://api.phonepe.com/apis/pg",
    )


def test_the_credential_fields_are_those_of_the_page() -> None:
    assert [
        (one.name, one.is_secret, one.is_required, one.rotates, one.min_length) for one in DESCRIPTION.credentials
    ] == [
        ("client_id", False, True, False, 1),
        ("client_secret", True, True, False, 8),
        ("client_version", False, True, False, 1),
        ("webhook_username", False, False, True, 5),
        ("webhook_password", True, False, True, 8),
        ("merchant_id", False, False, False, 1),
    ]


def test_the_description_of_money_references_and_proof() -> None:
    assert (DESCRIPTION.currencies, dict(DESCRIPTION.minimums)) == (frozenset({"INR"}), {"INR": 100})
    rule = DESCRIPTION.reference
    assert (rule.max_length, len(set(rule.alphabet)), {"-", "_", "a", "Z", "0"} <= set(rule.alphabet)) == (63, 64, True)
    assert DESCRIPTION.webhook_proof is WebhookProof.WEAK
    assert (DESCRIPTION.manual_capture, DESCRIPTION.idempotency_seconds) == (False, None)
    assert DESCRIPTION.abandons_unanswered is True  # nobody holds the page of an order whose answer was lost


def test_polling_follows_the_mandatory_schedule_to_the_second() -> None:
    age, looks = 0, []
    while age < 420:
        age += next(step.every_seconds for step in DESCRIPTION.polling if age < (step.until_age_seconds or 10**9))
        looks.append(age)
    assert looks == [
        22, 25, 28, 31, 34, 37, 40, 43, 46, 49, 52, 58, 64, 70, 76, 82, 88, 94, 100, 106, 112, 122, 132, 142, 152, 162, 172,
        202, 232, 292, 352, 412, 472,
    ]  # fmt: skip
