"""Razorpay's currencies and their units: for every listed currency the same as ISO 4217, hence as ours.

Three-decimal currencies end in 0. Source: the protocol page §3.
"""

from __future__ import annotations

from typing import Any, Final

from core.gateways.errors import RequestRejected
from core.gateways.types import Attention
from core.money import CURRENCIES, MAX_MINOR, Money

# The published exceptions from two decimals.
NO_DECIMALS: Final = frozenset("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split())
THREE_DECIMALS: Final = frozenset("BHD IQD JOD KWD OMR TND".split())
STEP_OF_THREE: Final = 10  # card networks take two decimals: the last digit must be 0

# Unconfirmed: which two-decimal currencies are listed, from memory. One that an account cannot take is refused by
# Razorpay itself (anything but INR needs international payments switched on).
TWO_DECIMALS: Final = frozenset(
    "AED ALL AMD ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BZD CAD CHF CNY COP CRC CUP CVE CZK DKK "
    "DOP DZD EGP ETB EUR FJD GBP GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR JMD KES KGS KHR KYD KZT LAK LKR LRD "
    "LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PEN PGK PHP PKR PLN QAR RON RSD "
    "RUB SAR SCR SEK SGD SOS SSP SVC SZL THB TRY TTD TWD TZS UAH USD UYU UZS XCD YER ZAR ZMW".split()
)
CURRENCIES_TAKEN: Final[frozenset[str]] = (NO_DECIMALS | TWO_DECIMALS | THREE_DECIMALS) & frozenset(CURRENCIES)

# INR 1.00, "at least 1.00" of the others.
MINIMUMS: Final = {asset: 10 ** CURRENCIES[asset] for asset in sorted(CURRENCIES_TAKEN)}


def to_wire(amount: Money) -> int:
    """Our minor units -> Razorpay's. Raises RequestRejected for a currency or amount that Razorpay cannot take."""
    if amount.asset not in CURRENCIES_TAKEN:
        raise RequestRejected(f"Razorpay does not take {amount.asset}", code="currency_not_supported")
    step = STEP_OF_THREE if amount.asset in THREE_DECIMALS else 1
    if amount.minor <= 0 or amount.minor % step:
        reason = f"Razorpay takes {amount.asset} in steps of {Money(step, amount.asset)}"
        raise RequestRejected(reason, code="amount_not_supported")
    return amount.minor


class Amounts:
    """Reads amounts of one object. `attention` becomes `mismatch` when one is said and cannot be believed."""

    def __init__(self, currency: Any) -> None:
        self.asset = currency.upper() if isinstance(currency, str) and currency else None
        self.attention: Attention | None = None

    def minor(self, wire: Any) -> int | None:
        """Razorpay's units -> ours; None where nothing was said, or nothing that can be believed."""
        if wire is None:
            return None
        if self.asset not in CURRENCIES or type(wire) is not int or not 0 <= wire <= MAX_MINOR:
            self.attention = Attention.MISMATCH
            return None
        return wire
