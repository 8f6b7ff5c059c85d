"""What the demo asks of a gateway, chosen from what that gateway says about itself."""

from __future__ import annotations

from typing import Any, Final

from core.gateways.types import Description
from core.money import exponent_of

CURRENCIES: Final = ("INR", "USD", "EUR", "PHP", "AED", "SAR")  # the first one that a gateway takes
CURRENCIES_OF_COINS: Final = ("USD", "EUR")
COIN: Final = "USDTTRC20"
CUSTOMER: Final = {"id": "mira", "name": "Mira Rao", "email": "mira@customer.example"}
MAJOR: Final = 500
MAJOR_OF_COINS: Final = 50
REFUNDED_PART: Final = 4  # a quarter


def order(gateway: str, about: Description, *, reference: str, return_url: str) -> dict[str, Any]:
    """The body of POST /payments/initiate: a purchase, or with a coin gateway a deposit to a customer's balance."""
    asset = currency(about)
    body = {
        "amount": _amount(about, asset),
        "currency": asset,
        "gateway": gateway,
        "reference": reference,
        "description": "Demo deposit" if about.is_crypto else "Demo order",
        "customer": CUSTOMER,
        "return_url": return_url,
    }
    if about.is_crypto:
        body |= {"purpose": "deposit", "pay_currency": _coin(about)}
    return body


def currency(about: Description) -> str:
    """What the order is priced in."""
    liked = CURRENCIES_OF_COINS if about.is_crypto else CURRENCIES
    return next((one for one in liked if one in about.currencies), None) or min(about.currencies)


def _amount(about: Description, asset: str) -> int:
    """In minor units: a round sum within what the gateway takes, divisible by REFUNDED_PART."""
    wanted = (MAJOR_OF_COINS if about.is_crypto else MAJOR) * 10 ** exponent_of(asset)
    wanted = max(wanted, REFUNDED_PART * about.minimums.get(asset, 0))
    return min(wanted, about.maximums.get(asset, wanted))


def _coin(about: Description) -> str | None:
    if COIN in about.coins or not about.coins:
        return COIN.lower()
    return about.coins[0].lower()
