"""What a Razorpay account consists of: each field refused by name when it is wrong, and no value ever told."""

from __future__ import annotations

from typing import Any

import pytest

from clients.razorpay.config import RazorpayConfig, is_usable_secret
from clients.razorpay.gateway import RazorpayGateway
from core.gateways.credentials import check_values, infer_mode
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import Mode
from tests.clients.razorpay.case import CASE

TEST: dict[str, Any] = {
    "key_id": "rzp_test_DocExample0001",
    "key_secret": "docKeySecret_0001",
    "webhook_secret": "doc webhook secret #7",
    "account_id": "acc_DocEEEEEEEEEE1",
}
LIVE = {**TEST, "key_id": "rzp_live_DocExample0001"}


def told(values: dict[str, Any], mode: Mode = Mode.TEST) -> dict[str, str]:
    return check_values(RazorpayGateway.about, values, mode)


def test_good_values_can_be_saved_and_show_their_mode() -> None:
    assert told(TEST) == {} and told(LIVE, Mode.LIVE) == {}
    assert infer_mode(RazorpayGateway.about, TEST) is Mode.TEST
    assert infer_mode(RazorpayGateway.about, LIVE) is Mode.LIVE


def test_earlier_secrets_travel_as_lists() -> None:
    values = {**TEST, "previous_key_secrets": ["docKeySecret_0000"], "previous_webhook_secrets": ["doc secret #6"]}
    assert told(values) == {}
    config = RazorpayConfig.of(values, mode=Mode.TEST)
    assert config.return_secrets == ("docKeySecret_0001", "docKeySecret_0000")
    assert config.webhook_secrets == ("doc webhook secret #7", "doc secret #6")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"key_id": "rzp_live_DocExample0001"}, "key_id"),
        ({"key_id": "docKeySecret_0001"}, "key_id"),
        ({"key_id": None}, "key_id"),
        ({"key_secret": "rzp_test_DocExample0001"}, "key_secret"),
        ({"key_secret": "short"}, "key_secret"),
        ({"key_secret": ""}, "key_secret"),
        ({"webhook_secret": "rzp_test_DocExample0001"}, "webhook_secret"),
        ({"webhook_secret": "docKeySecret_0001"}, "webhook_secret"),
        ({"webhook_secret": "1234567"}, "webhook_secret"),
        ({"webhook_secret": "changeme"}, "webhook_secret"),
        ({"account_id": "DocEEEEEEEEEE1"}, "account_id"),
        ({"merchant": "x"}, "merchant"),
    ],
)
def test_a_wrong_value_is_refused_on_save_with_its_field_named(changes: dict[str, Any], named: str) -> None:
    assert named in told({**TEST, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key_id": "rzp_live_DocExample0001"}, "key_id is not the Key Id of a test account, rzp_test_..."),
        ({"key_id": 7}, "key_id is not a text of at most 1000 characters"),
        ({"key_secret": "rzp_test_DocExample0001"}, "key_secret holds a Key Id: the two may be swapped"),
        ({"key_secret": "doc KeySecret"}, "key_secret holds a space or a character that no key secret has"),
        ({"webhook_secret": "rzp_test_DocExample0001"}, "webhook_secret holds a Key Id: the two may be swapped"),
        (
            {"webhook_secret": "docKeySecret_0001"},
            "webhook_secret is the Key Secret: it is a text of its own, typed per webhook",
        ),
        ({"webhook_secret": "\ud800 half a pair"}, "webhook_secret holds characters that cannot be encoded"),
        ({"previous_webhook_secrets": "doc secret #6"}, "previous_webhook_secrets is not a list"),
        ({"previous_key_secrets": [7]}, "previous_key_secrets is not a text of at most 1000 characters"),
        ({"account_id": "DocEEEEEEEEEE1"}, "account_id is not an account id, acc_..."),
    ],
)
def test_a_wrong_value_is_refused_when_opened(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(GatewayMisconfigured) as caught:
        RazorpayConfig.of({**TEST, **changes}, mode=Mode.TEST)
    assert caught.value.reason == reason


def test_a_key_id_of_any_length_is_taken() -> None:
    assert RazorpayConfig.of({**TEST, "key_id": " rzp_test_1\n"}, mode=Mode.TEST).key_id == "rzp_test_1"


def test_a_webhook_secret_is_kept_to_the_space() -> None:
    config = RazorpayConfig.of({**TEST, "webhook_secret": " doc secret "}, mode=Mode.TEST)
    assert config.webhook_secrets == (" doc secret ",)


def test_without_a_usable_current_secret_the_previous_ones_prove_nothing() -> None:
    values = {**TEST, "webhook_secret": "1234567", "previous_webhook_secrets": ["doc secret #6"]}
    assert RazorpayConfig.of(values, mode=Mode.TEST).webhook_secrets == ()


def test_what_is_missing_is_told_only_when_it_is_needed() -> None:
    config = RazorpayConfig.of({"webhook_secret": "doc webhook secret #7"}, mode=Mode.TEST)
    assert config.webhook_secrets == ("doc webhook secret #7",)
    with pytest.raises(GatewayMisconfigured, match="no Key Secret"):
        config.api_key()
    with pytest.raises(GatewayMisconfigured, match="no Key Id"):
        config.page_key()


@pytest.mark.parametrize(
    ("value", "usable"),
    [("12345678", True), ("1234567", False), ("       8", False), ("aaaaaaaaaaaa", False), ("Placeholder", False),
     ("doc secret...", False)],
)  # fmt: skip
def test_a_secret_is_eight_characters_that_say_something(value: str, usable: bool) -> None:
    assert is_usable_secret(value) is usable


def test_no_secret_is_seen_in_the_configuration() -> None:
    said = repr(RazorpayConfig.of({**TEST, "previous_webhook_secrets": ["doc secret #6"]}, mode=Mode.TEST))
    assert "docKeySecret" not in said and "doc webhook" not in said and "secret #6" not in said


def test_the_description_names_the_facts_of_the_protocol_page() -> None:
    about = RazorpayGateway.about
    assert (about.minimums["INR"], about.minimums["JPY"], about.minimums["KWD"]) == (100, 1, 1000)
    assert {"ISK", "UGX", "MGA", "HUF", "TWD", "IDR", "IQD"} <= about.currencies and "LYD" not in about.currencies
    assert about.reference.max_length == 40 and about.idempotency_seconds is None
    assert about.origins[Mode.TEST] == about.origins[Mode.LIVE]
    assert CASE.credentials(Mode.LIVE)["key_id"].startswith("rzp_live_")
