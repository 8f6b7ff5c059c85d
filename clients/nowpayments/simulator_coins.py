"""Coins, rates and deposit addresses of the simulated NOWPayments. Its own table; rates are fixed so that tests repeat."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any, Final

# code, ticker, network, decimals of the token, coins for one dollar, least payment in dollars
_TABLE: Final = """
btc btc btc 8 0.00001 3
ltc ltc ltc 8 0.0112 1
bch bch bch 8 0.0021 1
doge doge doge 8 5.1 1
dash dash dash 8 0.021 2
zec zec zec 8 0.019 2
xmr xmr xmr 12 0.0031 2
xrp xrp xrp 6 0.42 1
xlm xlm xlm 7 3.6 1
trx trx trx 6 3.05 1
eth eth eth 18 0.00031 8
etharb eth arbitrum 18 0.00031 1
ethbase eth base 18 0.00031 1
bnbbsc bnb bsc 18 0.0011 1
sol sol sol 9 0.0053 1
ada ada ada 6 1.45 1
ton ton ton 9 0.33 1
maticmainnet matic matic 18 4.4 1
avaxc avax avaxc 18 0.041 1
usdttrc20 usdt trx 6 1.0003 2
usdterc20 usdt eth 6 1.0003 8
usdtbsc usdt bsc 18 1.0003 1
usdtmatic usdt matic 6 1.0003 1
usdtsol usdt sol 6 1.0003 1
usdtton usdt ton 6 1.0003 1
usdc usdc eth 6 1.0001 8
usdcmatic usdc matic 6 1.0001 1
usdcsol usdc sol 6 1.0001 1
usdcbsc usdc bsc 18 1.0001 1
usdcalgo usdc algo 6 1.0001 1
dai dai eth 18 1.0004 8
dot dot dot 10 0.19 1
atom atom atom 6 0.24 1
"""
FIAT_PER_DOLLAR: Final = {
    "usd": Decimal(1),
    "eur": Decimal("0.92"),
    "cad": Decimal("1.37"),
    "gbp": Decimal("0.79"),
    "aud": Decimal("1.52"),
    "ils": Decimal("3.70"),
    "ron": Decimal("4.57"),
    "nzd": Decimal("1.66"),
    "brl": Decimal("5.40"),
}
FIAT_SCALE: Final = 2
PAUSED: Final = frozenset({"zec"})  # refused with CURRENCY_UNAVAILABLE
THIN: Final = frozenset({"dash"})  # refused above MAX_DOLLARS
MAX_DOLLARS: Final = Decimal(2000)
_WITH_MEMO: Final = frozenset({"xrp", "xlm"})
_HEX_NETWORKS: Final = frozenset("eth bsc matic arbitrum base avaxc".split())
_BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Coin:
    code: str
    ticker: str
    network: str
    decimals: int
    per_dollar: Decimal
    least_dollars: Decimal

    @property
    def shown_decimals(self) -> int:
        return min(self.decimals, 8)

    def round_up(self, amount: Decimal) -> Decimal:
        return amount.quantize(Decimal(1).scaleb(-self.shown_decimals), rounding=ROUND_UP)


def _read(line: str) -> Coin:
    code, ticker, network, decimals, rate, least = line.split()
    return Coin(
        code=code,
        ticker=ticker,
        network=network,
        decimals=int(decimals),
        per_dollar=Decimal(rate),
        least_dollars=Decimal(least),
    )


COINS: Final[dict[str, Coin]] = {coin.code: coin for coin in map(_read, _TABLE.strip().splitlines())}


def is_known(currency: str) -> bool:
    return currency in FIAT_PER_DOLLAR or currency in COINS


def per_dollar(currency: str) -> Decimal:
    return FIAT_PER_DOLLAR[currency] if currency in FIAT_PER_DOLLAR else COINS[currency].per_dollar


def dollars(amount: Decimal, currency: str) -> Decimal:
    return amount / per_dollar(currency)


def converted(amount: Decimal, source: str, target: str) -> Decimal:
    """At the fixed rate, unrounded; the same currency stays exactly as it is."""
    return amount if source == target else amount / per_dollar(source) * per_dollar(target)


def scale_of(currency: str) -> int:
    """Decimal places of a price currency."""
    return FIAT_SCALE if currency in FIAT_PER_DOLLAR else COINS[currency].decimals


def other_on_network(code: str) -> Coin:
    """What a customer may send by mistake to an address of `code`. Raises ValueError where nothing else lives there."""
    network = COINS[code].network
    others = [coin for coin in COINS.values() if coin.network == network and coin.code != code]
    if not others:
        raise ValueError(f"no other coin lives on the network {network}")
    return others[0]


def new_address(coin: Coin) -> tuple[str, str | None]:
    """A deposit address that looks like one of its network, and a memo where the coin needs one."""
    memo = str(10**8 + secrets.randbelow(9 * 10**8)) if coin.code in _WITH_MEMO else None
    if coin.network in _HEX_NETWORKS:
        return "0x" + secrets.token_hex(20), memo
    if coin.network == "btc":
        return "bc1q" + secrets.token_hex(19), memo
    first, length = {"trx": ("T", 33), "xrp": ("r", 33), "xlm": ("G", 55)}.get(coin.network, ("S", 42))
    return first + "".join(secrets.choice(_BASE58) for _ in range(length)), memo


def new_hash(coin: Coin) -> str:
    return ("0x" if coin.network in _HEX_NETWORKS else "") + secrets.token_hex(32)


def wallet_pattern(coin: Coin) -> str:
    if coin.network in _HEX_NETWORKS:
        return "^0x[0-9a-fA-F]{40}$"
    return "^T[0-9a-zA-Z]{33}$" if coin.network == "trx" else "^[0-9a-zA-Z:_-]{20,128}$"


def is_address(coin: Coin, text: str) -> bool:
    return re.search(wallet_pattern(coin), text) is not None


def full_row(index: int, coin: Coin) -> dict[str, Any]:
    """One row of /v1/full-currencies: upper-case code, decimals as text, display precision beside it."""
    return {
        "id": 100 + index,
        "code": coin.code.upper(),
        "name": f"{coin.ticker.upper()} ({coin.network})",
        "enable": coin.code not in PAUSED,
        "wallet_regex": wallet_pattern(coin),
        "priority": 100 + index,
        "extra_id_exists": coin.code in _WITH_MEMO,
        "extra_id_regex": "^[0-9]{1,10}$" if coin.code in _WITH_MEMO else None,
        "extra_id_optional": False,
        "logo_url": f"/images/coins/{coin.ticker}.svg",
        "track": True,
        "cg_id": coin.ticker,
        "is_maxlimit": coin.code in THIN,
        "network": coin.network,
        "smart_contract": None,
        "network_precision": str(coin.decimals),
        "precision": coin.shown_decimals,
        "ticker": coin.ticker,
        "available_for_payment": coin.code not in PAUSED,
        "available_for_payout": True,
    }
