"""Amounts and currencies on the wire: major units with exactly two decimals, and three-digit numbers kept as text.

Source: gateway page section 3. Answers print amounts in their own way (10.0, 1250.5), so they are compared as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from core.gateways.errors import RequestRejected
from core.money import Money, MoneyError, decimal_to_minor, exponent_of

# ISO 4217 numbers. They are text: an integer would lose the zero of 036, and with it the hash.
# Three-decimal currencies (KWD 414) are left out: the field has two decimals.
NUMBERS: Final[Mapping[str, str]] = {
    "PHP": "608", "HKD": "344", "USD": "840", "SGD": "702", "CNY": "156", "JPY": "392", "TWD": "901", "AUD": "036",
    "EUR": "978", "GBP": "826", "CAD": "124", "MOP": "446", "THB": "764", "MYR": "458", "IDR": "360", "KRW": "410",
    "SAR": "682", "NZD": "554", "AED": "784", "BND": "096", "VND": "704", "INR": "356", "CHF": "756", "SEK": "752",
    "NOK": "578", "DKK": "208", "ZAR": "710", "BRL": "986", "TRY": "949", "RUB": "643",
    # Unconfirmed: from ActiveMerchant's table. Whether an account takes them is its acquirer's matter.
    "ARS": "032", "CLP": "152", "COP": "170", "CZK": "203", "EGP": "818", "HUF": "348", "ILS": "376", "KZT": "398",
    "LBP": "422", "LKR": "144", "MXN": "484", "NGN": "566", "PEN": "604", "PKR": "586", "PLN": "985", "QAR": "634",
    "RON": "946", "UAH": "980",
}  # fmt: skip
ASSETS: Final[Mapping[str, str]] = {number: asset for asset, number in NUMBERS.items()}

MAX_CENTS: Final = 999_999_999_999  # Number(12,2): 9,999,999,999.99
_DECIMALS: Final = 2
_AMOUNT: Final = re.compile(r"[0-9]{1,10}(\.[0-9]{1,6})?", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,3}", re.ASCII)


def amount_text(amount: Money) -> str:
    """Money(125050, "PHP") is 1250.50. Raises RequestRejected for what the field cannot hold.

    Unconfirmed: that amounts in yen and won are taken with their two zeros, too (500.00).
    """
    currency_number(amount.asset)
    cents = amount.minor * int(10 ** (_DECIMALS - exponent_of(amount.asset)))
    if cents <= 0:
        raise RequestRejected("an amount is greater than zero", code="amount_too_small")
    if cents > MAX_CENTS:
        raise RequestRejected("the amount is above 9,999,999,999.99", code="amount_too_large")
    return f"{cents // 100}.{cents % 100:02d}"


def currency_number(asset: str) -> str:
    """PHP is 608, AUD 036. Raises RequestRejected outside the table."""
    if asset not in NUMBERS:
        raise RequestRejected(f"{asset} has no number in the gateway's table", code="currency_unavailable")
    return NUMBERS[asset]


def read_asset(number: str) -> str | None:
    """The currency of a number, also of one that lost its leading zero; None where it is not in the table."""
    return ASSETS.get(number.zfill(3)) if _NUMBER.fullmatch(number) else None


def read_money(amount: str, number: str) -> Money | None:
    """What an answer or feed says; None for anything that cannot be meant (a fraction of a yen, too)."""
    asset = read_asset(number)
    if asset is None or not _AMOUNT.fullmatch(amount):
        return None
    try:
        return Money(decimal_to_minor(Decimal(amount), exponent_of(asset)), asset)
    except MoneyError:
        return None


def maximum_minor(asset: str) -> int:
    return MAX_CENTS // int(10 ** (_DECIMALS - exponent_of(asset)))
