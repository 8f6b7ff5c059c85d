"""The table of coins against the protocol reference, section 3a, and against `core.money`."""

from __future__ import annotations

import pytest

from clients.nowpayments.coins import COINS, explorer_url, network_label
from core import money
from tests.clients.nowpayments.wire import HASH

PAGE = {
    "BTC": ("btc", 8), "LTC": ("ltc", 8), "BCH": ("bch", 8), "DOGE": ("doge", 8), "DASH": ("dash", 8), "ZEC": ("zec", 8),
    "XMR": ("xmr", 12), "XRP": ("xrp", 6), "XLM": ("xlm", 7), "TRX": ("trx", 6), "ETH": ("eth", 18),
    "ETHARB": ("arbitrum", 18), "ETHBASE": ("base", 18), "BNBBSC": ("bsc", 18), "SOL": ("sol", 9), "ADA": ("ada", 6),
    "TON": ("ton", 9), "MATICMAINNET": ("matic", 18), "AVAXC": ("avaxc", 18), "USDTTRC20": ("trx", 6),
    "USDTERC20": ("eth", 6), "USDTBSC": ("bsc", 18), "USDTMATIC": ("matic", 6), "USDTSOL": ("sol", 6),
    "USDTTON": ("ton", 6), "USDC": ("eth", 6), "USDCMATIC": ("matic", 6), "USDCSOL": ("sol", 6), "USDCBSC": ("bsc", 18),
    "USDCALGO": ("algo", 6), "DAI": ("eth", 18), "DOT": ("dot", 10), "ATOM": ("atom", 6),
}  # fmt: skip


def test_every_coin_of_the_page_is_there_with_its_network_and_decimals() -> None:
    assert {code: (coin.network.code, coin.decimals) for code, coin in COINS.items()} == PAGE


def test_money_knows_the_same_coins_with_the_same_decimals() -> None:
    assert {code: coin.decimals for code, coin in COINS.items()} == dict(money.COINS)


def test_ripple_and_stellar_need_a_memo() -> None:
    assert {code for code, coin in COINS.items() if coin.needs_memo} == {"XRP", "XLM"}


EVM, SOL = "0x" + HASH, "5" * 88


@pytest.mark.parametrize(
    ("code", "transaction", "url"),
    [
        ("BTC", HASH, f"https://mempool.space/tx/{HASH}"),
        ("XLM", HASH, f"https://blockchair.com/stellar/transaction/{HASH}"),
        ("BCH", HASH, f"https://blockchair.com/bitcoin-cash/transaction/{HASH}"),
        ("XRP", HASH.upper(), f"https://bithomp.com/explorer/{HASH.upper()}"),
        ("USDTTRC20", HASH, f"https://tronscan.org/#/transaction/{HASH}"),
        ("USDC", EVM, f"https://etherscan.io/tx/{EVM}"),
        ("USDTBSC", EVM, f"https://bscscan.com/tx/{EVM}"),
        ("ETHARB", EVM, f"https://arbiscan.io/tx/{EVM}"),
        ("USDTSOL", SOL, f"https://solscan.io/tx/{SOL}"),
        ("TON", "ab+/" * 10 + "abc=", "https://tonviewer.com/transaction/" + "ab%2B%2F" * 10 + "abc%3D"),
        ("ATOM", HASH, f"https://mintscan.io/cosmos/txs/{HASH}"),
        ("USDCALGO", "A" * 52, "https://allo.info/tx/" + "A" * 52),
        ("BTC", "partner_liability_tx_123", None),
        ("ETH", HASH, None),  # no 0x: not of this network
        ("BTC", HASH + "\n", None),
        ("BTC", f"{HASH}/../x", None),
        ("NEWCOIN", HASH, None),
    ],
)
def test_a_link_leads_to_a_transaction_only_if_it_looks_like_one(code: str, transaction: str, url: str | None) -> None:
    assert explorer_url(code, transaction=transaction, address="whatever") == url


def test_before_the_transaction_the_link_leads_to_the_address() -> None:
    assert explorer_url("SOL", transaction=None, address="So11") == "https://solscan.io/account/So11"
    assert explorer_url("BCH", transaction=None, address="bitcoincash:qq/") == (
        "https://blockchair.com/bitcoin-cash/address/bitcoincash%3Aqq%2F"
    )
    assert explorer_url("XMR", transaction=None, address="4A") is None  # Monero's addresses are private
    assert explorer_url("BTC", transaction=None, address=None) is None


def test_every_network_has_a_label_for_the_customer() -> None:
    assert network_label("USDTTRC20", None) == "Tron (TRX)"
    assert network_label("USDTMATIC", "MATIC") == "Polygon PoS (MATIC)"
    assert all(coin.network.label for coin in COINS.values())
