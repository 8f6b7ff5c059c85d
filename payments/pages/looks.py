"""Small things of how pages look: amounts, times, colors that can be read, QR codes."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo

import segno

from core.gateways.types import CoinFacts
from core.money import Money

_DARK, _LIGHT = "#111827", "#ffffff"
_BIGGEST_QR: Final = 1500  # characters: beyond, phones do not read it from a screen


def amount(minor: int, asset: str) -> str:
    """ "1299.00 EUR": the point and the code mean the same everywhere, a comma does not."""
    return str(Money(minor, asset))


def moment(when: datetime, zone: ZoneInfo) -> str:
    """ "20 Nov 2026, 18:30 UTC", in the lab's time zone."""
    local = when.astimezone(zone)
    return f"{local.day} {local:%b %Y, %H:%M} {local.tzname()}"


def missing_coins(coin: CoinFacts | None) -> str | None:
    """What has still to be sent, in the coin: "0.5 USDTTRC20". None while either number is unknown."""
    if coin is None or not coin.amount_text or not coin.arrived_text:
        return None
    missing = Decimal(coin.amount_text) - Decimal(coin.arrived_text)
    return f"{missing:f}" if missing > 0 else None


def is_positive(text: str | None) -> bool:
    """Whether a decimal text of a gateway names more than nothing."""
    try:
        return text is not None and Decimal(text) > 0
    except InvalidOperation:
        return False


def text_on(color: str) -> str:
    """Black or white, whichever is easier to read on `color` (WCAG relative luminance)."""
    light = _luminance(color)
    return _LIGHT if 1.05 / (light + 0.05) >= (light + 0.05) / (_luminance(_DARK) + 0.05) else _DARK


def _luminance(color: str) -> float:
    red, green, blue = (_linear(int(color[place : place + 2], 16) / 255) for place in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return float(part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4)


def qr_svg(text: str) -> str | None:
    """A QR code as inline SVG: dark on white with its quiet zone, also on a dark page, for scanners need both."""
    if not text or len(text) > _BIGGEST_QR:
        return None
    made = segno.make(text, error="m", micro=False)
    return str(made.svg_inline(border=4, omitsize=True, dark="#000", light="#fff", svgclass="qr", lineclass=None))
