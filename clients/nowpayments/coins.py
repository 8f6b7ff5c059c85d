"""The coins that NOWPayments is known to take: network, explorer and memo of each; decimals come from `core.money`.

A code names coin *and* network (USDTTRC20 and USDTBSC are different coins; an address of one is useless for the other).
Source: protocol reference, section 3a. Rows marked unconfirmed rest on memory: check them against
GET /v1/full-currencies before relying on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from core.money import exponent_of

_HEX: Final = r"[0-9a-fA-F]{64}"
_EVM: Final = r"0x[0-9a-fA-F]{64}"


@dataclass(frozen=True, slots=True)
class Network:
    """`code` is the gateway's word, `name` the customer's. `hash_pattern` tells a transaction from an internal note."""

    code: str
    name: str
    transaction_url: str
    address_url: str | None
    hash_pattern: str

    @property
    def label(self) -> str:
        return f"{self.name} ({self.code.upper()})"


@dataclass(frozen=True, slots=True)
class Coin:
    code: str  # upper case
    ticker: str
    network: Network
    decimals: int
    needs_memo: bool = False


def _blockchair(code: str, name: str, *, path: str, account: str = "address") -> Network:
    base = f"https://blockchair.com/{path}"
    return Network(code, name, base + "/transaction/{tx}", f"{base}/{account}/{{a}}", _HEX)


def _evm(code: str, name: str, host: str) -> Network:
    return Network(code, name, f"https://{host}/tx/{{tx}}", f"https://{host}/address/{{a}}", _EVM)


_NETWORKS: Final = (
    Network("btc", "Bitcoin", "https://mempool.space/tx/{tx}", "https://mempool.space/address/{a}", _HEX),
    _blockchair("ltc", "Litecoin", path="litecoin"),
    _blockchair("bch", "Bitcoin Cash", path="bitcoin-cash"),
    _blockchair("doge", "Dogecoin", path="dogecoin"),
    _blockchair("dash", "Dash", path="dash"),
    _blockchair("zec", "Zcash", path="zcash"),
    _blockchair("xlm", "Stellar", path="stellar", account="account"),
    # Addresses of Monero are private: there is no page for one.
    Network("xmr", "Monero", "https://xmrchain.net/tx/{tx}", None, _HEX),
    Network("xrp", "XRP Ledger", "https://bithomp.com/explorer/{tx}", "https://bithomp.com/explorer/{a}", _HEX),
    Network("trx", "Tron", "https://tronscan.org/#/transaction/{tx}", "https://tronscan.org/#/address/{a}", _HEX),
    _evm("eth", "Ethereum", "etherscan.io"),
    _evm("arbitrum", "Arbitrum One", "arbiscan.io"),  # Unconfirmed: the gateway's word for this network.
    _evm("base", "Base", "basescan.org"),  # Unconfirmed: likewise.
    _evm("bsc", "BNB Smart Chain", "bscscan.com"),
    _evm("matic", "Polygon PoS", "polygonscan.com"),
    _evm("avaxc", "Avalanche C-Chain", "snowtrace.io"),  # Unconfirmed: likewise.
    Network(
        "sol", "Solana", "https://solscan.io/tx/{tx}", "https://solscan.io/account/{a}", "[1-9A-HJ-NP-Za-km-z]{80,90}"
    ),
    Network("ada", "Cardano", "https://cardanoscan.io/transaction/{tx}", "https://cardanoscan.io/address/{a}", _HEX),
    # Real `payin_hash` values are base64, so they are URL-encoded.
    Network(
        "ton",
        "TON",
        "https://tonviewer.com/transaction/{tx}",
        "https://tonviewer.com/{a}",
        rf"{_HEX}|[A-Za-z0-9+/_-]{{43}}=?",
    ),
    Network("algo", "Algorand", "https://allo.info/tx/{tx}", "https://allo.info/account/{a}", "[A-Z2-7]{52}"),
    Network(
        "dot",
        "Polkadot",
        "https://assethub-polkadot.subscan.io/extrinsic/{tx}",
        "https://assethub-polkadot.subscan.io/account/{a}",
        rf"{_EVM}|[0-9]{{1,12}}-[0-9]{{1,6}}",
    ),
    Network(
        "atom", "Cosmos Hub", "https://mintscan.io/cosmos/txs/{tx}", "https://mintscan.io/cosmos/account/{a}", _HEX
    ),
)
NETWORKS: Final[Mapping[str, Network]] = MappingProxyType({network.code: network for network in _NETWORKS})

_ROWS: Final = (
    # code, ticker, network
    ("BTC", "BTC", "btc"),
    ("LTC", "LTC", "ltc"),
    ("BCH", "BCH", "bch"),
    ("DOGE", "DOGE", "doge"),
    ("DASH", "DASH", "dash"),
    ("ZEC", "ZEC", "zec"),
    ("XMR", "XMR", "xmr"),  # Unconfirmed
    ("XRP", "XRP", "xrp"),
    ("XLM", "XLM", "xlm"),
    ("TRX", "TRX", "trx"),
    ("ETH", "ETH", "eth"),
    ("ETHARB", "ETH", "arbitrum"),  # Unconfirmed
    ("ETHBASE", "ETH", "base"),  # Unconfirmed
    ("BNBBSC", "BNB", "bsc"),
    ("SOL", "SOL", "sol"),
    ("ADA", "ADA", "ada"),
    ("TON", "TON", "ton"),
    ("MATICMAINNET", "POL", "matic"),  # Unconfirmed; MATIC alone is the Ethereum token
    ("AVAXC", "AVAX", "avaxc"),  # Unconfirmed
    ("USDTTRC20", "USDT", "trx"),
    ("USDTERC20", "USDT", "eth"),
    ("USDTBSC", "USDT", "bsc"),
    ("USDTMATIC", "USDT", "matic"),
    ("USDTSOL", "USDT", "sol"),  # Unconfirmed
    ("USDTTON", "USDT", "ton"),  # Unconfirmed; may want a memo
    ("USDC", "USDC", "eth"),
    ("USDCMATIC", "USDC", "matic"),
    ("USDCSOL", "USDC", "sol"),  # Unconfirmed
    ("USDCBSC", "USDC", "bsc"),  # Unconfirmed
    ("USDCALGO", "USDC", "algo"),
    ("DAI", "DAI", "eth"),  # Unconfirmed
    ("DOT", "DOT", "dot"),
    ("ATOM", "ATOM", "atom"),
)
_MEMO: Final = frozenset({"XRP", "XLM"})

COINS: Final[Mapping[str, Coin]] = MappingProxyType(
    {code: Coin(code, ticker, NETWORKS[network], exponent_of(code), code in _MEMO) for code, ticker, network in _ROWS}
)


def network_label(code: str, said: str | None) -> str:
    """The network's name as the customer's wallet knows it; what the gateway said about this address comes first."""
    if said:
        known = NETWORKS.get(said.lower())
        return known.label if known else said
    coin = COINS.get(code)
    return coin.network.label if coin else code


def explorer_url(code: str, *, transaction: str | None, address: str | None) -> str | None:
    """Page of the transaction, else of the address, else None.

    A "hash" that does not look like one of that network (`partner_liability_tx_...` is an internal settlement) gets
    no link.
    """
    coin = COINS.get(code)
    if coin is None:
        return None
    network = coin.network
    if transaction:
        is_hash = re.fullmatch(network.hash_pattern, transaction, re.ASCII)
        return network.transaction_url.replace("{tx}", quote(transaction, safe="")) if is_hash else None
    if address and network.address_url:
        return network.address_url.replace("{a}", quote(address, safe=""))
    return None
