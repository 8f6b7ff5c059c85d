"""Money on Square's wire: a JSON integer in ISO 4217 minor units and an upper-case currency. Never text, never a fraction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.gateways.errors import RequestRejected
from core.money import CURRENCIES as KNOWN
from core.money import MAX_MINOR, Money

# Only these; a location takes its own currency and no other. None has three decimals, so ours and theirs are the same.
CURRENCIES: Final = frozenset({"AUD", "CAD", "EUR", "GBP", "JPY", "USD"})

# Unconfirmed: staff replies in the forum only. Nothing is known of EUR. No maximum is declared: it is the seller's, and
# that a card pays 50,000 USD at most is Unconfirmed, too.
MINIMUMS: Final[Mapping[str, int]] = {"USD": 1, "CAD": 1, "AUD": 100, "GBP": 100, "JPY": 100}


@dataclass(frozen=True, slots=True)
class Amount:
    """A money object as it came. `is_odd`: it is there and cannot be believed; then nothing may move."""

    minor: int | None = None
    asset: str | None = None
    is_odd: bool = False


def build_money(amount: Money) -> dict[str, Any]:
    """Raises RequestRejected for a currency that Square does not take, and for nothing or less."""
    if amount.asset not in CURRENCIES:
        raise RequestRejected(f"Square does not take {amount.asset}", code="currency_not_supported")
    if amount.minor <= 0:
        raise RequestRejected("an amount is more than nothing", code="amount_not_supported")
    return {"amount": amount.minor, "currency": amount.asset}


def read_money(value: Any) -> Amount:
    """`{"amount": 11550, "currency": "USD"}`; payout webhooks spell it `currency_code`. Absent: an empty Amount."""
    if value is None:
        return Amount()
    if not isinstance(value, Mapping):
        return Amount(is_odd=True)
    minor, asset = value.get("amount"), value.get("currency", value.get("currency_code"))
    if not isinstance(asset, str) or asset not in KNOWN:
        return Amount(is_odd=True)
    if type(minor) is not int or not 0 <= minor <= MAX_MINOR:  # a bool is no amount either
        return Amount(asset=asset, is_odd=True)
    return Amount(minor, asset)
