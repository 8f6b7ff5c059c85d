"""What a lab pastes into the form of a gateway account is checked with sentences that tell what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.gateways.credentials import Masked, check_values, infer_mode, is_placeholder, mask
from core.gateways.types import CredentialField, Mode
from tests.core.gateways.toy import ABOUT

GOOD = {"api_key": "toy_test_a8Kd93jX", "account": "18000001", "webhook_secret": "hooks-and-eyes-77"}


def check(mode: Mode = Mode.TEST, **changes: Any) -> dict[str, str]:
    values = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    return check_values(ABOUT, values, mode)


def test_good_values_are_accepted() -> None:
    assert check() == {}
    assert check(brand="red", callback="https://pay.example.test/hook") == {}


def test_white_space_around_a_value_does_not_matter() -> None:
    assert check(api_key="  toy_test_a8Kd93jX\n") == {}


@pytest.mark.parametrize("value", [None, "", "   ", "\n"])
def test_a_required_field_is_asked_for(value: str | None) -> None:
    assert check(api_key=value) == {"api_key": "API key is required."}


def test_a_field_of_the_platform_and_an_optional_one_may_be_missing() -> None:
    assert check(callback=None, brand=None) == {}


def test_a_blank_optional_field_is_told() -> None:
    assert check(brand="  ") == {"brand": "Brand is blank: leave it empty or write the value."}


def test_a_live_key_in_a_test_account_says_so() -> None:
    assert check(api_key="toy_live_a8Kd93jX") == {
        "api_key": "This is a live value, but the account is a test account: "
        "paste the test one, or add a live account for this."
    }
    assert check(Mode.LIVE)["api_key"].startswith("This is a test value, but the account is a live account")


def test_a_value_of_another_field_is_recognized() -> None:
    swapped = "This looks like the API key, not the {}: the two may be swapped."
    assert check(webhook_secret="toy_test_a8Kd93jY") == {"webhook_secret": swapped.format("Webhook secret")}
    assert check(account="toy_live_a8Kd93jY") == {"account": swapped.format("Account number")}


def test_a_pattern_of_mere_digits_claims_no_other_fields_value() -> None:
    assert check(webhook_secret="987654321987") == {}


def test_the_same_value_in_two_fields_is_told() -> None:
    assert check(account="7777777788", webhook_secret="7777777788") == {
        "webhook_secret": "The same value stands in Account number: each field has a value of its own."
    }


def test_a_value_of_the_wrong_shape_shows_an_example() -> None:
    assert check(api_key="something-else") == {
        "api_key": "This does not look like a API key (an example: toy_test_exampleKey1)."
    }


@pytest.mark.parametrize(
    "value",
    [
        "changeme",
        "Change-Me",
        "<your key here>",
        "{api_key}",
        "your_key_goes_here",
        "xxxxxxxxxx",
        "aaaaaaaa",
        "********",
        "sk_test_xxxxxxxx",
        "sk_live_...",
        "password",
        "please change me now",
        "  ",
    ],
)
def test_placeholders_are_refused(value: str) -> None:
    assert is_placeholder(value)
    message = check(webhook_secret=value)["webhook_secret"]
    assert message in (
        "Webhook secret is a placeholder: paste the real value from the gateway's dashboard.",
        "Webhook secret is required.",
    )


@pytest.mark.parametrize(
    "value",
    [
        "sk_test_docExample1",
        "whsec_doc_NEW_b2f1",
        "ABCDEF1-GHJKLM2",
        "hunter22",
        "my-dog-Rex-9",
        '{"type": "service_account"}',
    ],
)
def test_real_looking_values_are_no_placeholders(value: str) -> None:
    assert not is_placeholder(value)


def test_a_short_secret_is_refused() -> None:
    assert check(webhook_secret="abcdefg") == {"webhook_secret": "Webhook secret has at least 8 characters."}


def test_a_word_outside_the_choices_is_refused() -> None:
    assert check(brand="green") == {"brand": "Brand is one of red, blue."}


def test_a_line_break_inside_is_refused_unless_the_field_has_lines() -> None:
    assert "line break" in check(webhook_secret="first-part\nsecond-part")["webhook_secret"]
    lines = CredentialField(name="pem", label="Key file", is_secret=True, is_multiline=True)
    about = replace(ABOUT, credentials=(lines,))
    assert check_values(about, {"pem": "-----BEGIN KEY-----\nMIIBVwIBADANBg\n-----END KEY-----"}, Mode.LIVE) == {}


def test_other_things_than_text_are_refused() -> None:
    assert check(api_key=12345678) == {"api_key": "API key is text."}


def test_unknown_fields_are_told_and_previous_secrets_are_checked() -> None:
    assert check(api_kee="x") == {"api_kee": "Toy has no field of this name."}
    assert check(previous_webhook_secrets=["older-secret-1"]) == {}
    assert "previous_webhook_secrets" in check(previous_webhook_secrets=["changeme"])
    assert "previous_webhook_secrets" in check(previous_webhook_secrets="older-secret-1")
    assert "previous_api_keys" in check(previous_api_keys=["toy_test_older123"])


def test_no_message_repeats_a_value() -> None:
    bad = {"api_key": "toy_live_SECRET", "account": "toy_test_SECRET", "webhook_secret": "SECRET", "brand": "SECRET"}
    assert len(check(**bad)) == 4
    assert "SECRET" not in str(check(**bad))


@pytest.mark.parametrize(
    ("value", "expected", "text"),
    [
        (None, Masked(False), "not set"),
        ("  ", Masked(False), "not set"),
        ("hunter22222", Masked(True), "set"),
        ("hunter222223", Masked(True, "2223"), "set, ends in 2223"),
    ],
)
def test_masks_show_the_last_four_from_twelve_characters_on(value: str | None, expected: Masked, text: str) -> None:
    assert mask(value) == expected
    assert str(mask(value)) == text


def test_the_mode_is_told_by_the_values_that_show_it() -> None:
    assert infer_mode(ABOUT, {"api_key": "toy_test_a1"}) is Mode.TEST
    assert infer_mode(ABOUT, {"api_key": " toy_live_a1 "}) is Mode.LIVE
    assert infer_mode(ABOUT, {"api_key": "something"}) is None
    assert infer_mode(ABOUT, {"account": "123"}) is None
    assert infer_mode(ABOUT, {"api_key": 7}) is None


def test_values_that_disagree_about_the_mode_tell_none() -> None:
    key = ABOUT.credentials[0]
    about = replace(ABOUT, credentials=(key, replace(key, name="second_key")))
    assert infer_mode(about, {"api_key": "toy_test_a1", "second_key": "toy_live_a1"}) is None
