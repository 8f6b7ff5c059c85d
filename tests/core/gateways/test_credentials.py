"""What a lab pastes into the form of a gateway account is checked with sentences that tell what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from core.gateways.credentials import Masked, check_values, infer_mode, is_placeholder, mask, read_refusal
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


USUAL = replace(
    ABOUT,
    credentials=(
        CredentialField(name="token", label="Token", usual="T-[0-9]{4}"),
        CredentialField(name="place", label="Place", usual="P-[0-9]{4}"),
        CredentialField(name="password", label="Password"),
    ),
)


@pytest.mark.parametrize(
    ("token", "place", "password", "swapped"),
    [
        ("T-1234", "P-1234", "anything", set()),
        ("P-1234", "T-1234", "anything", {"token", "place"}),
        ("anything", "P-1234", "T-1234", {"token", "password"}),
        ("T-5678", "P-1234", "T-1234", set()),  # a password may look like anything, while the token is in its place
        ("odd", "P-1234", "anything", set()),  # an unusual value alone proves nothing
        ("odd", "odder", "anything", set()),
    ],
)
def test_two_fields_are_swapped_where_each_has_the_others_usual_shape(
    token: str, place: str, password: str, swapped: set[str]
) -> None:
    found = check_values(USUAL, {"token": token, "place": place, "password": password}, Mode.LIVE)
    assert set(found) == swapped
    if "place" in swapped:
        assert found["token"] == "Token and Place may be swapped: the value of each looks like the other's."


def test_a_name_that_was_not_filled_in_is_refused_and_one_that_only_looks_odd_is_not() -> None:
    about = replace(ABOUT, credentials=(CredentialField(name="login", label="Login"),))
    for value in ("<your login>", "{login}", "changeme", "Placeholder"):
        assert "placeholder" in check_values(about, {"login": value}, Mode.LIVE)["login"]
    for value in ("test", "0000", "key", "your-login"):
        assert check_values(about, {"login": value}, Mode.LIVE) == {}


@pytest.mark.parametrize(
    ("reason", "found"),
    [
        ("webhook_secret is the api_key", {"webhook_secret": "Webhook secret is the API key."}),
        (
            "the account, or the api_key, is of another shop.",
            {"account": "The Account number, or the API key, is of another shop."},
        ),
        ("these values do not belong together", {"": "These values do not belong together."}),
    ],
)
def test_what_a_gateway_refuses_when_it_is_built_is_told_at_the_field_it_names_first(
    reason: str, found: dict[str, str]
) -> None:
    assert read_refusal(ABOUT, reason) == found


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
    assert check(api_key=12345678) == {"api_key": "API key is text: write it between quotation marks."}


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
