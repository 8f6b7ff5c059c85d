"""What the simulated Stripe knows about amounts (protocol page section 3). Its own tables, on purpose."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from clients.stripe.simulator_wire import StripeError

_NO_DECIMALS: Final = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split())
_THREE_DECIMALS: Final = frozenset("bhd jod kwd omr tnd".split())
_WHOLE_HUNDREDS: Final = frozenset({"isk", "ugx"})  # two decimals on the wire, of which none may be used
_TWO_DECIMALS: Final = frozenset(
    (
        "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc "
        "cve czk dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr jmd kes kgs khr kyd "
        "kzt lak lbp lkr lrd lsl mad mdl mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php "
        "pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle sos srd std szl thb tjs top try ttd twd tzs uah usd uyu uzs "
        "wst xcd yer zar zmw"
    ).split()
)
CURRENCIES: Final = _NO_DECIMALS | _THREE_DECIMALS | _WHOLE_HUNDREDS | _TWO_DECIMALS

MAXIMUM: Final = 99_999_999
# Wire units. EUR, GBP, JPY are published, the others the page marks as memory; unlisted ones have no floor here.
_MINIMUM: Final = {
    **dict.fromkeys("usd eur aud cad chf nzd sgd brl inr".split(), 50),
    "gbp": 30,
    "jpy": 50,
    "aed": 200,
    "dkk": 250,
    "hkd": 400,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "sek": 300,
    "pln": 200,
    "ron": 200,
    "czk": 1500,
    "huf": 17500,
    "thb": 1000,
}


def check_currency(currency: str, *, param: str = "currency") -> str:
    """The lower-case code. Raises StripeError for one that Stripe does not take."""
    code = currency.lower()
    if code not in CURRENCIES:
        raise StripeError(f"Invalid currency: {currency}.", param=param)
    return code


def check_amount(amount: int, currency: str, *, param: str = "amount") -> None:
    """A charge: the currency's own rules, then floor and ceiling."""
    if amount < 1:
        raise StripeError(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param=param
        )
    check_steps(amount, currency, param=param)
    if amount < _MINIMUM.get(currency, 1):
        raise StripeError(
            f"Amount must be at least {to_major(_MINIMUM[currency], currency)} {currency}",
            code="amount_too_small",
            param=param,
        )
    if amount > MAXIMUM:
        raise StripeError(f"Amount must be no more than {MAXIMUM}", code="amount_too_large", param=param)


def check_steps(amount: int, currency: str, *, param: str = "amount") -> None:
    """The steps in which an amount can be said; refunds keep to them too."""
    if currency in _WHOLE_HUNDREDS and amount % 100:
        raise StripeError(
            f"Invalid amount: {currency} amounts must be whole, divisible by 100",
            code="invalid_charge_amount_no_decimal_compatible",
            param=param,
        )
    if currency in _THREE_DECIMALS and amount % 10:
        # Unconfirmed: the page tells the rule, not the code of the refusal.
        raise StripeError(f"Invalid amount: the last digit of a {currency} amount must be 0", param=param)


def to_major(amount: int, currency: str) -> Decimal:
    exponent = 0 if currency in _NO_DECIMALS else 3 if currency in _THREE_DECIMALS else 2
    return Decimal(amount).scaleb(-exponent)


def fee_of(amount: int) -> int:
    """What Stripe keeps of a charge, in wire units: 2.9 % and 30. Invented, but always the same."""
    return min(amount, (amount * 29 + 999) // 1000 + 30)
