"""Amounts, times, colors and codes as customers see them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from core.gateways.types import CoinFacts
from payments.pages import looks


@pytest.mark.parametrize(
    ("minor", "asset", "text"),
    [(129900, "EUR", "1299.00 EUR"), (500, "JPY", "500 JPY"), (1234, "KWD", "1.234 KWD"), (1, "BTC", "0.00000001 BTC")],
)
def test_an_amount_is_shown_with_all_its_decimals_and_its_code(minor: int, asset: str, text: str) -> None:
    assert looks.amount(minor, asset) == text


def test_a_moment_is_shown_in_the_lab_s_time_zone() -> None:
    when = datetime(2026, 11, 20, 18, 30, 5, tzinfo=UTC)
    assert looks.moment(when, ZoneInfo("UTC")) == "20 Nov 2026, 18:30 UTC"
    assert looks.moment(when, ZoneInfo("Asia/Kolkata")) == "21 Nov 2026, 00:00 IST"


@pytest.mark.parametrize(
    ("asked", "arrived", "missing"),
    [("50", "25.5", "24.5"), ("0.00000002", "0.00000001", "0.00000001"), ("50", "50", None), ("50", None, None)],
)
def test_what_is_missing_is_exact(asked: str, arrived: str | None, missing: str | None) -> None:
    assert looks.missing_coins(CoinFacts(code="BTC", amount_text=asked, arrived_text=arrived)) == missing


@pytest.mark.parametrize(
    ("color", "text"), [("#1f2937", "#ffffff"), ("#0f766e", "#ffffff"), ("#facc15", "#111827"), ("#ffffff", "#111827")]
)
def test_the_text_on_a_lab_s_color_can_be_read(color: str, text: str) -> None:
    assert looks.text_on(color) == text


def test_a_code_is_dark_on_white_and_has_its_quiet_zone() -> None:
    svg = looks.qr_svg("TExampleDepositAddressAAAAAAAAAAAA")
    assert svg is not None
    assert svg.startswith("<svg")
    assert 'viewBox="0 0 37 37"' in svg  # 29 modules of version 3, four on each side
    assert set(re.findall(r'(?:stroke|fill)="([^"]+)"', svg)) == {"#fff", "#000"}
    assert "style=" not in svg  # the page's policy would drop it


def test_what_no_phone_could_read_has_no_code() -> None:
    assert looks.qr_svg("") is None
    assert looks.qr_svg("x" * 1501) is None
