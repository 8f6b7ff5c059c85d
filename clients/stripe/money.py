"""Stripe's minor units, which are not always ISO 4217's, and the currencies it takes.

Our minor units are ISO's (`core.money`). On the wire UGX and ISK have two decimals that must be zero, MGA has none.
"""

from __future__ import annotations

from typing import Any, Final

from core.gateways.errors import RequestRejected
from core.gateways.types import Attention
from core.money import CURRENCIES, MAX_MINOR, Money

# Asset -> how many wire units are one of ours.
WIRE_UNITS_EACH: Final = {"UGX": 100, "ISK": 100}
# Asset -> how many of our units are one on the wire.
OUR_UNITS_EACH: Final = {"MGA": 100}
# Three decimals, but card networks take two: the last digit must be zero.
STEPS: Final = {"BHD": 10, "JOD": 10, "KWD": 10, "OMR": 10, "TND": 10}

# Unconfirmed: Stripe's list of presentment currencies, from memory; a currency that an account cannot take is refused
# by Stripe itself. IQD and LYD are left out on purpose (three decimals, not in the published list).
CURRENCIES_TAKEN: Final[frozenset[str]] = frozenset(
    "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CLP CNY "
    "COP CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK "
    "JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR "
    "MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS "
    "SRD STN SZL THB TJS TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW".split()
) & frozenset(CURRENCIES)

# Our minor units. EUR, GBP, JPY and USD are published. Unconfirmed: the others, from memory. Stripe compares after
# conversion to the settlement currency, so an amount at the minimum may still be refused (amount_too_small).
MINIMUMS: Final = {
    "USD": 50, "EUR": 50, "GBP": 30, "JPY": 50,
    "AUD": 50, "CAD": 50, "CHF": 50, "NZD": 50, "SGD": 50, "BRL": 50, "INR": 50, "AED": 200, "DKK": 250, "HKD": 400,
    "MXN": 1000, "MYR": 200, "NOK": 300, "SEK": 300, "PLN": 200, "RON": 200, "CZK": 1500, "HUF": 17500, "THB": 1000,
}  # fmt: skip


def to_wire(amount: Money) -> int:
    """Our minor units -> Stripe's. Raises RequestRejected for a currency or amount that Stripe cannot take."""
    asset, minor = amount.asset, amount.minor
    if asset not in CURRENCIES_TAKEN:
        raise RequestRejected(f"Stripe does not take {asset}", code="currency_not_supported")
    step = STEPS.get(asset) or OUR_UNITS_EACH.get(asset, 1)
    if minor <= 0 or minor % step:
        raise RequestRejected(f"Stripe takes {asset} in steps of {Money(step, asset)}", code="amount_not_supported")
    return minor * WIRE_UNITS_EACH.get(asset, 1) // OUR_UNITS_EACH.get(asset, 1)


class Amounts:
    """Reads amounts of one object. `attention` becomes `mismatch` when one has no exact form in our units."""

    def __init__(self, currency: Any) -> None:
        self.asset = currency.upper() if isinstance(currency, str) else None
        self.attention: Attention | None = None

    def minor(self, wire: Any) -> int | None:
        """Stripe's units -> ours; None where nothing was said, or nothing that can be believed."""
        if wire is None:
            return None
        minor, remainder = self._convert(wire)
        if minor is None or remainder:
            self.attention = Attention.MISMATCH
            return None
        return minor

    def _convert(self, wire: Any) -> tuple[int | None, int]:
        if self.asset is None or self.asset not in CURRENCIES or type(wire) is not int or not 0 <= wire <= MAX_MINOR:
            return None, 0
        minor, remainder = divmod(wire * OUR_UNITS_EACH.get(self.asset, 1), WIRE_UNITS_EACH.get(self.asset, 1))
        return (minor if minor <= MAX_MINOR else None), remainder
