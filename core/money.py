"""Money: a whole number of minor units of one asset. There is no float anywhere and no silent rounding.

Exponents of currencies are ISO 4217's (package `iso4217`); those of coins are the token's decimals on its network,
because `USDTBSC` has 18 decimals where `USDTTRC20` has 6. A gateway's own exceptions (Stripe's UGX) live in that
gateway's translate.py, never here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

import iso4217

MAX_MINOR: Final = 10**38 - 1  # numeric(38,0)

COINS: Final[Mapping[str, int]] = MappingProxyType({
    # Code as the market spells it, network included -> decimals. Source: gateways' currency lists, checked 2026-11.
    "BTC": 8, "LTC": 8, "BCH": 8, "DOGE": 8, "DASH": 8, "ZEC": 8, "XMR": 12, "XRP": 6, "XLM": 7, "TRX": 6,
    "ETH": 18, "ETHARB": 18, "ETHBASE": 18, "BNBBSC": 18, "SOL": 9, "ADA": 6, "TON": 9, "MATICMAINNET": 18,
    "AVAXC": 18, "USDTTRC20": 6, "USDTERC20": 6, "USDTBSC": 18, "USDTMATIC": 6, "USDTSOL": 6, "USDTTON": 6,
    "USDC": 6, "USDCMATIC": 6, "USDCSOL": 6, "USDCBSC": 18, "USDCALGO": 6, "DAI": 18, "DOT": 10, "ATOM": 6,
})  # fmt: skip


def _iso() -> dict[str, int]:
    # No exponent (XAU, XTS, ...) means that nobody can pay in it.
    return {c.code: c.exponent for c in iso4217.Currency if isinstance(c.exponent, int)}


CURRENCIES: Final[Mapping[str, int]] = MappingProxyType(_iso())
ASSETS: Final[Mapping[str, int]] = MappingProxyType({**COINS, **CURRENCIES})

_DECIMAL_TEXT: Final = re.compile(r"[0-9]{1,39}(\.[0-9]{1,30})?", re.ASCII)


class MoneyError(ValueError):
    """An amount or asset that cannot be meant. The message says what to do."""


class UnknownAsset(MoneyError):
    pass


class AssetMismatch(MoneyError):
    """Two different assets met in one sum."""


def exponent_of(asset: str) -> int:
    """Decimals of `asset` (JPY 0, USD 2, KWD 3, BTC 8). Raises UnknownAsset."""
    try:
        return ASSETS[asset]
    except KeyError:
        raise UnknownAsset(f"{asset!r} is not a currency or coin that is known here") from None


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """`minor` whole minor units of `asset`: Money(49900, "INR") is Rs 499.00. May be negative in a ledger."""

    minor: int
    asset: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:  # bool and float are not money
            raise MoneyError("an amount is a whole number of minor units")
        if abs(self.minor) > MAX_MINOR:
            raise MoneyError("an amount has at most 38 digits")
        exponent_of(self.asset)

    def __add__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor + other.minor, self.asset)

    def __sub__(self, other: Money) -> Money:
        self._same(other)
        return Money(self.minor - other.minor, self.asset)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.asset)

    def __lt__(self, other: Money) -> bool:
        self._same(other)
        return self.minor < other.minor

    def __le__(self, other: Money) -> bool:
        self._same(other)
        return self.minor <= other.minor

    def __str__(self) -> str:
        return f"{self.decimal_text()} {self.asset}"

    def _same(self, other: Money) -> None:
        if self.asset != other.asset:
            raise AssetMismatch(f"{self.asset} and {other.asset} cannot be added or compared")

    def decimal(self) -> Decimal:
        """The amount in major units, exact: Decimal('499.00')."""
        return minor_to_decimal(self.minor, exponent_of(self.asset))

    def decimal_text(self) -> str:
        return format(self.decimal(), "f")


def minor_to_decimal(minor: int, exponent: int) -> Decimal:
    """Exact at any size: built from digits, so no context precision can round it."""
    sign, digits = (1, str(-minor)) if minor < 0 else (0, str(minor))
    return Decimal((sign, tuple(int(d) for d in digits), -exponent))


def decimal_to_minor(value: Decimal, exponent: int) -> int:
    """Exact major units -> minor units. Raises MoneyError where the value has more decimals than the asset."""
    if not value.is_finite():
        raise MoneyError("an amount is a finite number")
    sign, digits, point = value.as_tuple()
    assert isinstance(point, int)
    whole: int = int("".join(map(str, digits)) or "0")
    shift = point + exponent
    if shift > 60:
        raise MoneyError("an amount has at most 38 digits")
    if shift >= 0:
        minor = whole * int(10**shift)
    else:
        unit: int = 10 ** min(-shift, 5000)
        minor, rest = divmod(whole, unit)
        if rest:
            raise MoneyError(f"more than {exponent} decimals")
    if minor > MAX_MINOR:
        raise MoneyError("an amount has at most 38 digits")
    return -minor if sign else minor


def parse_decimal_text(text: str, asset: str) -> Money:
    """What a person types in a form: "499", "499.00". Refuses signs, exponents, spaces inside, other digits."""
    text = text.strip()
    if not _DECIMAL_TEXT.fullmatch(text):
        raise MoneyError("write the amount with digits and at most one point, like 499.00")
    return Money(decimal_to_minor(Decimal(text), exponent_of(asset)), asset)


def parse_minor(value: object) -> int:
    """An amount of the API: a JSON integer, or a string of 1 to 38 ASCII digits; positive. Raises MoneyError."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 38:
        value = int(value)
    if type(value) is not int:
        raise MoneyError("an amount is a whole number of minor units: 49900 for 499.00 INR")
    if value <= 0:
        raise MoneyError("an amount is greater than zero")
    if value > MAX_MINOR:
        raise MoneyError("an amount has at most 38 digits")
    return value
