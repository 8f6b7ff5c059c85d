"""Credentials: trimmed, checked for shape, never shown; and what the gateway says about itself."""

from __future__ import annotations

from typing import Any

import pytest

from clients.paytabs.config import DESCRIPTION, PayTabsConfig
from core.gateways.credentials import check_values, infer_mode
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import Mode
from tests.clients.paytabs.bodies import CLIENT_KEY, KEY, OLD_KEY, credentials


def of(**changes: Any) -> PayTabsConfig:
    return PayTabsConfig.of(credentials(**changes), mode=Mode.TEST)


def test_every_value_is_trimmed() -> None:
    config = of(region=" SAU ", profile_id=" 990011\n", server_key=f"\t{KEY}\r\n", client_key=f" {CLIENT_KEY} ")
    assert (config.origin(), config.profile(), config.key()) == ("https://secure.paytabs.sa", "990011", KEY)
    assert (config.server_keys, config.client_key, config.has_unusual_key) == ((KEY,), CLIENT_KEY, False)


@pytest.mark.parametrize(
    ("region", "base"),
    [
        ("ARE", "https://secure.paytabs.com"), ("SAU", "https://secure.paytabs.sa"),
        ("EGY", "https://secure-egypt.paytabs.com"), ("OMN", "https://secure-oman.paytabs.com"),
        ("JOR", "https://secure-jordan.paytabs.com"), ("KWT", "https://secure-kuwait.paytabs.com"),
        ("IRQ", "https://secure-iraq.paytabs.com"), ("QAT", "https://secure-doha.paytabs.com"),
        ("MAR", "https://secure-morocco.paytabs.com"), ("GLOBAL", "https://secure-global.paytabs.com"),
        ("MADFOAT", "https://madfoat-secure.paytabs.com"), ("CUZDAN", "https://secure.cuzdan.az"),
        ("CLICKPAY", "https://secure.clickpay.com.sa"),
    ],
)  # fmt: skip
def test_every_region_has_its_host_in_both_modes(region: str, base: str) -> None:
    assert of(region=region).origin() == base
    assert base in DESCRIPTION.origins[Mode.TEST] and base in DESCRIPTION.origins[Mode.LIVE]


def test_no_other_host_can_be_called() -> None:
    assert len(DESCRIPTION.origins[Mode.LIVE]) == 13


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("region", "https://evil.example"), ("region", "XXX"), ("region", 7), ("profile_id", "99 00"),
        ("profile_id", "abc"), ("profile_id", "\u0661\u0662"), ("profile_id", KEY), ("server_key", CLIENT_KEY),
        ("server_key", "C-of-another-shape-0001"),
        ("server_key", f"Bearer {KEY}"), ("server_key", "caf\u00e9-key-0001"), ("server_key", f"{KEY}\r\nX: y"),
        ("server_key", 12345678), ("server_key", "\ud800" * 9), ("server_key", "S" * 1001), ("client_key", KEY),
        ("previous_server_keys", "text"), ("previous_server_keys", [7]), ("previous_server_keys", [CLIENT_KEY]),
    ],
)  # fmt: skip
def test_values_of_the_wrong_shape_are_refused_with_the_field_named_and_never_told(field: str, value: Any) -> None:
    with pytest.raises(GatewayMisconfigured) as caught:
        of(**{field: value})
    assert field.removeprefix("previous_").removesuffix("s") in str(caught.value)
    assert str(value) not in str(caught.value)


def test_missing_values_are_an_error_only_when_they_are_needed() -> None:
    config = PayTabsConfig.of({}, mode=Mode.LIVE)
    for need, name in ((config.origin, "region"), (config.profile, "profile id"), (config.key, "server key")):
        with pytest.raises(GatewayMisconfigured, match=name):
            need()


@pytest.mark.parametrize(
    "value", ["", "   ", "1234567", "changeme", "change-me-now", "xxxxxxxxxxxx", "your-server-key"]
)
def test_an_unusable_server_key_is_none_and_a_previous_one_does_not_stand_in(value: str) -> None:
    assert of(server_key=value, previous_server_keys=[OLD_KEY]).server_keys == ()


def test_previous_keys_stand_behind_the_current_one_and_blank_ones_are_none() -> None:
    assert of(previous_server_keys=["", " ", "1234567", f"{OLD_KEY} "]).server_keys == (KEY, OLD_KEY)


def test_a_key_of_another_shape_is_taken_with_a_warning() -> None:
    config = of(server_key="sk-some-other-shape-1")
    assert (config.key(), config.has_unusual_key) == ("sk-some-other-shape-1", True)
    assert check_values(DESCRIPTION, credentials(server_key="sk-some-other-shape-1"), Mode.LIVE) == {}


def test_no_secret_is_in_the_repr() -> None:
    shown = repr(of(previous_server_keys=[OLD_KEY]))
    assert KEY not in shown and OLD_KEY not in shown


# --- what is refused on save --------------------------------------------------------------------------------------


def refused(**changes: Any) -> dict[str, str]:
    return check_values(DESCRIPTION, credentials(**changes), Mode.TEST)


def test_good_values_are_saved_in_both_modes_and_tell_none() -> None:
    good = credentials(client_key=CLIENT_KEY)
    assert [check_values(DESCRIPTION, good, mode) for mode in Mode] == [{}, {}]
    assert infer_mode(DESCRIPTION, good) is None  # keys of test and live profiles look the same


def test_swapped_keys_are_refused_with_both_fields_named() -> None:
    found = refused(server_key=CLIENT_KEY, client_key=KEY)
    assert set(found) == {"server_key", "client_key"}
    assert found["server_key"] == "This looks like the Client key, not the Server key: the two may be swapped."
    assert "server key, which is a secret" in found["client_key"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("region", "UAE"), ("region", ""), ("profile_id", "P-990011"), ("profile_id", OLD_KEY), ("profile_id", ""),
        ("server_key", ""), ("server_key", "short"), ("server_key", "changeme"), ("server_key", f"Bearer {KEY}"),
        ("server_key", CLIENT_KEY), ("client_key", OLD_KEY), ("client_key", "990011"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_on_save_with_its_field_named(field: str, value: str) -> None:
    found = refused(**{field: value})
    assert set(found) == {field}
    assert value == "" or value not in found[field]


def test_the_credential_fields_are_those_of_the_page() -> None:
    found = [(one.name, one.is_secret, one.is_required, one.rotates) for one in DESCRIPTION.credentials]
    assert found == [
        ("region", False, True, False),
        ("profile_id", False, True, False),
        ("server_key", True, True, True),
        ("client_key", False, False, False),
    ]
    region = DESCRIPTION.credentials[0]
    assert " ".join(code for code, _ in region.choices) == (
        "ARE SAU EGY OMN JOR KWT IRQ QAT MAR GLOBAL MADFOAT CUZDAN CLICKPAY"
    )


def test_the_bounds_are_the_documented_ones_in_each_number_of_decimals() -> None:
    assert [DESCRIPTION.minimums[one] for one in ("SAR", "JPY", "KWD")] == [1, 1, 10]
    assert [DESCRIPTION.maximums[one] for one in ("SAR", "JPY", "KWD")] == [
        999_999_999_999, 9_999_999_999, 9_999_999_999_990,
    ]  # fmt: skip
    assert len(DESCRIPTION.currencies) == 20


def test_a_reference_leaves_room_for_the_names_of_captures() -> None:
    rule = DESCRIPTION.reference
    assert (rule.max_length, len(rule.alphabet)) == (60, 64)
