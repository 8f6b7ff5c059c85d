"""The platform's own currencies: ISO 4217 with its exponents, and the coins that are known here with their explorers.

A provider's spelling of them is not seeded: finance names no gateway. `finance.currencies.refresh` adds it from what the
provider lists. A row that is there already is left as staff made it.
"""

from __future__ import annotations

from typing import Any, Final

from django.db import migrations

# Code, decimals, name. Source: ISO 4217 list one; those with no exponent (metals, tests) cannot be paid in.
ISO: Final = """
AED 2 UAE Dirham
AFN 2 Afghani
ALL 2 Lek
AMD 2 Armenian Dram
AOA 2 Kwanza
ARS 2 Argentine Peso
AUD 2 Australian Dollar
AWG 2 Aruban Florin
AZN 2 Azerbaijan Manat
BAM 2 Convertible Mark
BBD 2 Barbados Dollar
BDT 2 Taka
BHD 3 Bahraini Dinar
BIF 0 Burundi Franc
BMD 2 Bermudian Dollar
BND 2 Brunei Dollar
BOB 2 Boliviano
BOV 2 Mvdol
BRL 2 Brazilian Real
BSD 2 Bahamian Dollar
BTN 2 Ngultrum
BWP 2 Pula
BYN 2 Belarusian Ruble
BZD 2 Belize Dollar
CAD 2 Canadian Dollar
CDF 2 Congolese Franc
CHE 2 WIR Euro
CHF 2 Swiss Franc
CHW 2 WIR Franc
CLF 4 Unidad de Fomento
CLP 0 Chilean Peso
CNY 2 Yuan Renminbi
COP 2 Colombian Peso
COU 2 Unidad de Valor Real
CRC 2 Costa Rican Colon
CUP 2 Cuban Peso
CVE 2 Cabo Verde Escudo
CZK 2 Czech Koruna
DJF 0 Djibouti Franc
DKK 2 Danish Krone
DOP 2 Dominican Peso
DZD 2 Algerian Dinar
EGP 2 Egyptian Pound
ERN 2 Nakfa
ETB 2 Ethiopian Birr
EUR 2 Euro
FJD 2 Fiji Dollar
FKP 2 Falkland Islands Pound
GBP 2 Pound Sterling
GEL 2 Lari
GHS 2 Ghana Cedi
GIP 2 Gibraltar Pound
GMD 2 Dalasi
GNF 0 Guinean Franc
GTQ 2 Quetzal
GYD 2 Guyana Dollar
HKD 2 Hong Kong Dollar
HNL 2 Lempira
HTG 2 Gourde
HUF 2 Forint
IDR 2 Rupiah
ILS 2 New Israeli Sheqel
INR 2 Indian Rupee
IQD 3 Iraqi Dinar
IRR 2 Iranian Rial
ISK 0 Iceland Krona
JMD 2 Jamaican Dollar
JOD 3 Jordanian Dinar
JPY 0 Yen
KES 2 Kenyan Shilling
KGS 2 Som
KHR 2 Riel
KMF 0 Comorian Franc
KPW 2 North Korean Won
KRW 0 Won
KWD 3 Kuwaiti Dinar
KYD 2 Cayman Islands Dollar
KZT 2 Tenge
LAK 2 Lao Kip
LBP 2 Lebanese Pound
LKR 2 Sri Lanka Rupee
LRD 2 Liberian Dollar
LSL 2 Loti
LYD 3 Libyan Dinar
MAD 2 Moroccan Dirham
MDL 2 Moldovan Leu
MGA 2 Malagasy Ariary
MKD 2 Denar
MMK 2 Kyat
MNT 2 Tugrik
MOP 2 Pataca
MRU 2 Ouguiya
MUR 2 Mauritius Rupee
MVR 2 Rufiyaa
MWK 2 Malawi Kwacha
MXN 2 Mexican Peso
MXV 2 Mexican Unidad de Inversion (UDI)
MYR 2 Malaysian Ringgit
MZN 2 Mozambique Metical
NAD 2 Namibia Dollar
NGN 2 Naira
NIO 2 Cordoba Oro
NOK 2 Norwegian Krone
NPR 2 Nepalese Rupee
NZD 2 New Zealand Dollar
OMR 3 Rial Omani
PAB 2 Balboa
PEN 2 Sol
PGK 2 Kina
PHP 2 Philippine Peso
PKR 2 Pakistan Rupee
PLN 2 Zloty
PYG 0 Guarani
QAR 2 Qatari Rial
RON 2 Romanian Leu
RSD 2 Serbian Dinar
RUB 2 Russian Ruble
RWF 0 Rwanda Franc
SAR 2 Saudi Riyal
SBD 2 Solomon Islands Dollar
SCR 2 Seychelles Rupee
SDG 2 Sudanese Pound
SEK 2 Swedish Krona
SGD 2 Singapore Dollar
SHP 2 Saint Helena Pound
SLE 2 Leone
SOS 2 Somali Shilling
SRD 2 Surinam Dollar
SSP 2 South Sudanese Pound
STN 2 Dobra
SVC 2 El Salvador Colon
SYP 2 Syrian Pound
SZL 2 Lilangeni
THB 2 Baht
TJS 2 Somoni
TMT 2 Turkmenistan New Manat
TND 3 Tunisian Dinar
TOP 2 Pa’anga
TRY 2 Turkish Lira
TTD 2 Trinidad and Tobago Dollar
TWD 2 New Taiwan Dollar
TZS 2 Tanzanian Shilling
UAH 2 Hryvnia
UGX 0 Uganda Shilling
USD 2 US Dollar
USN 2 US Dollar (Next day)
UYI 0 Uruguay Peso en Unidades Indexadas (UI)
UYU 2 Peso Uruguayo
UYW 4 Unidad Previsional
UZS 2 Uzbekistan Sum
VED 2 Bolívar Soberano
VES 2 Bolívar Soberano
VND 0 Dong
VUV 0 Vatu
WST 2 Tala
XAD 2 Arab Accounting Dinar
XAF 0 CFA Franc BEAC
XCD 2 East Caribbean Dollar
XCG 2 Caribbean Guilder
XOF 0 CFA Franc BCEAO
XPF 0 CFP Franc
YER 2 Yemeni Rial
ZAR 2 Rand
ZMW 2 Zambian Kwacha
ZWG 2 Zimbabwe Gold
"""

# Asset, decimals, token, network, name. Source: gateways' currency lists, checked 2026-11.
COINS: Final = (
    ("BTC", 8, "BTC", "Bitcoin", "Bitcoin"),
    ("LTC", 8, "LTC", "Litecoin", "Litecoin"),
    ("BCH", 8, "BCH", "Bitcoin Cash", "Bitcoin Cash"),
    ("DOGE", 8, "DOGE", "Dogecoin", "Dogecoin"),
    ("DASH", 8, "DASH", "Dash", "Dash"),
    ("ZEC", 8, "ZEC", "Zcash", "Zcash"),
    ("XMR", 12, "XMR", "Monero", "Monero"),
    ("XRP", 6, "XRP", "XRP Ledger", "XRP"),
    ("XLM", 7, "XLM", "Stellar", "Stellar Lumens"),
    ("TRX", 6, "TRX", "Tron", "Tron"),
    ("ETH", 18, "ETH", "Ethereum", "Ether"),
    ("ETHARB", 18, "ETH", "Arbitrum One", "Ether on Arbitrum One"),
    ("ETHBASE", 18, "ETH", "Base", "Ether on Base"),
    ("BNBBSC", 18, "BNB", "BNB Smart Chain", "BNB"),
    ("SOL", 9, "SOL", "Solana", "Solana"),
    ("ADA", 6, "ADA", "Cardano", "Cardano"),
    ("TON", 9, "TON", "TON", "Toncoin"),
    ("MATICMAINNET", 18, "POL", "Polygon", "POL (was MATIC)"),
    ("AVAXC", 18, "AVAX", "Avalanche C-Chain", "Avalanche"),
    ("USDTTRC20", 6, "USDT", "Tron", "Tether USD on Tron"),
    ("USDTERC20", 6, "USDT", "Ethereum", "Tether USD on Ethereum"),
    ("USDTBSC", 18, "USDT", "BNB Smart Chain", "Tether USD on BNB Smart Chain"),
    ("USDTMATIC", 6, "USDT", "Polygon", "Tether USD on Polygon"),
    ("USDTSOL", 6, "USDT", "Solana", "Tether USD on Solana"),
    ("USDTTON", 6, "USDT", "TON", "Tether USD on TON"),
    ("USDC", 6, "USDC", "Ethereum", "USD Coin on Ethereum"),
    ("USDCMATIC", 6, "USDC", "Polygon", "USD Coin on Polygon"),
    ("USDCSOL", 6, "USDC", "Solana", "USD Coin on Solana"),
    ("USDCBSC", 18, "USDC", "BNB Smart Chain", "USD Coin on BNB Smart Chain"),
    ("USDCALGO", 6, "USDC", "Algorand", "USD Coin on Algorand"),
    ("DAI", 18, "DAI", "Ethereum", "Dai on Ethereum"),
    ("DOT", 10, "DOT", "Polkadot", "Polkadot"),
    ("ATOM", 6, "ATOM", "Cosmos Hub", "Cosmos"),
)

# Network -> transaction, address. Source: the wallets' chain registries, checked 2026-11; Monero hides its addresses.
EXPLORERS: Final = {
    "Bitcoin": ("https://mempool.space/tx/{hash}", "https://mempool.space/address/{address}"),
    "Monero": ("https://xmrchain.net/tx/{hash}", ""),
    "XRP Ledger": ("https://bithomp.com/explorer/{hash}", "https://bithomp.com/explorer/{address}"),
    "Stellar": (
        "https://blockchair.com/stellar/transaction/{hash}",
        "https://blockchair.com/stellar/account/{address}",
    ),
    "Tron": ("https://tronscan.org/#/transaction/{hash}", "https://tronscan.org/#/address/{address}"),
    "Ethereum": ("https://etherscan.io/tx/{hash}", "https://etherscan.io/address/{address}"),
    "Arbitrum One": ("https://arbiscan.io/tx/{hash}", "https://arbiscan.io/address/{address}"),
    "Base": ("https://basescan.org/tx/{hash}", "https://basescan.org/address/{address}"),
    "BNB Smart Chain": ("https://bscscan.com/tx/{hash}", "https://bscscan.com/address/{address}"),
    "Solana": ("https://solscan.io/tx/{hash}", "https://solscan.io/account/{address}"),
    "Cardano": ("https://cardanoscan.io/transaction/{hash}", "https://cardanoscan.io/address/{address}"),
    "TON": ("https://tonviewer.com/transaction/{hash}", "https://tonviewer.com/{address}"),
    "Polygon": ("https://polygonscan.com/tx/{hash}", "https://polygonscan.com/address/{address}"),
    "Avalanche C-Chain": ("https://snowtrace.io/tx/{hash}", "https://snowtrace.io/address/{address}"),
    "Algorand": ("https://allo.info/tx/{hash}", "https://allo.info/account/{address}"),
    "Polkadot": (
        "https://assethub-polkadot.subscan.io/extrinsic/{hash}",
        "https://assethub-polkadot.subscan.io/account/{address}",
    ),
    "Cosmos Hub": ("https://mintscan.io/cosmos/txs/{hash}", "https://mintscan.io/cosmos/account/{address}"),
    "Litecoin": (
        "https://blockchair.com/litecoin/transaction/{hash}",
        "https://blockchair.com/litecoin/address/{address}",
    ),
    "Bitcoin Cash": (
        "https://blockchair.com/bitcoin-cash/transaction/{hash}",
        "https://blockchair.com/bitcoin-cash/address/{address}",
    ),
    "Dogecoin": (
        "https://blockchair.com/dogecoin/transaction/{hash}",
        "https://blockchair.com/dogecoin/address/{address}",
    ),
    "Dash": ("https://blockchair.com/dash/transaction/{hash}", "https://blockchair.com/dash/address/{address}"),
    "Zcash": ("https://blockchair.com/zcash/transaction/{hash}", "https://blockchair.com/zcash/address/{address}"),
}

# Shown first; the rest by code.
COMMON: Final = "USD EUR GBP INR JPY CNY AUD CAD CHF HKD SGD SEK NOK DKK NZD AED KWD BRL MXN ZAR".split()


def rows() -> list[dict[str, Any]]:
    """Every seeded currency as the columns of its row."""
    found: list[dict[str, Any]] = []
    for line in ISO.split("\n"):
        if line:
            code, decimals, name = line.split(" ", 2)
            order = COMMON.index(code) if code in COMMON else 1000
            found.append({"code": code, "decimals": int(decimals), "name": name, "sort_order": order})
    for place, (code, decimals, token, network, name) in enumerate(COINS):
        transaction, address = EXPLORERS[network]
        found.append(
            {
                "code": code,
                "decimals": decimals,
                "name": name,
                "sort_order": 100 + place,
                "token": token,
                "network": network,
                "explorer_transaction": transaction,
                "explorer_address": address,
            }
        )
    return found


def seed(apps: Any, schema_editor: Any) -> None:
    Currency = apps.get_model("finance", "Currency")
    wanted = [Currency(provider="", asset=row["code"], **row) for row in rows()]
    Currency.objects.using(schema_editor.connection.alias).bulk_create(wanted, batch_size=500, ignore_conflicts=True)


def unseed(apps: Any, schema_editor: Any) -> None:
    Currency = apps.get_model("finance", "Currency")
    codes = [row["code"] for row in rows()]
    Currency.objects.using(schema_editor.connection.alias).filter(provider="", code__in=codes).delete()


class Migration(migrations.Migration):
    dependencies = [("finance", "0004_audit_views")]

    operations = [migrations.RunPython(seed, unseed)]
