"""The simulated PesoPay's wire: hosts, currencies, hashes, amounts, and the two shapes of an answer.

Written from the protocol page (sections 1, 3, 4, 5, 6, 12) and independent of the client beside it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from html import escape
from typing import Final
from urllib.parse import parse_qsl

from starlette.responses import Response

BRANDS: Final = ("pesopay", "paydollar", "siampay")
CURRENCIES: Final[Mapping[str, str]] = {
    number: letters
    for letters, number in (
        pair.split()
        for pair in (
            "PHP 608,HKD 344,USD 840,SGD 702,CNY 156,JPY 392,TWD 901,AUD 036,EUR 978,GBP 826,CAD 124,MOP 446,THB 764,"
            "MYR 458,IDR 360,KRW 410,SAR 682,NZD 554,AED 784,BND 096,VND 704,INR 356,CHF 756,SEK 752,NOK 578,DKK 208,"
            "ZAR 710,BRL 986,TRY 949,RUB 643,ARS 032,CLP 152,COP 170,CZK 203,EGP 818,HUF 348,ILS 376,KZT 398,LBP 422,"
            "LKR 144,MXN 484,NGN 566,PEN 604,PKR 586,PLN 985,QAR 634,RON 946,UAH 980"
        ).split(",")
    )
}
LANGUAGES: Final = frozenset("ECXKJTFGRSV")
_FUNCTIONS: Final = {"sha1": hashlib.sha1, "sha256": hashlib.sha256, "sha512": hashlib.sha512}
_HONG_KONG: Final = timezone(timedelta(hours=8))
_AMOUNT: Final = re.compile(r"\d{1,10}(\.\d{1,2})?", re.ASCII)


class PesoPayError(Exception):
    """A refusal: `errMsg` of the merchant API, or what the hosted page tells the customer."""

    def __init__(self, message: str, *, prc: str = "-1", src: str = "-1") -> None:
        super().__init__(message)
        self.prc = prc
        self.src = src


def all_hosts() -> tuple[str, ...]:
    asia = [f"{kind}.{brand}.com" for brand in BRANDS for kind in ("www", "test", "test2", "sit")]
    return (*asia, "www.bimopay.com", "dev.bimopay.com")


def place_of(host: str) -> tuple[str, str, str]:
    """Mode, brand and path prefix of one host: live b2c2, test b2cDemo, but b2c2 at BimoPay."""
    kind, brand, _ = host.split(".")
    mode = "live" if kind == "www" else "test"
    return mode, brand, "b2c2" if mode == "live" or brand == "bimopay" else "b2cDemo"


# --- hashes --------------------------------------------------------------------------------------------------------


def digest(parts: Iterable[str], *, secret: str, function: str) -> str:
    """The parts and the secret with a single bar between them (sections 4 and 6); no HMAC."""
    return _FUNCTIONS[function]("|".join((*parts, secret)).encode()).hexdigest()


def request_hash(fields: Mapping[str, str], *, secret: str, function: str) -> str:
    names = ("merchantId", "orderRef", "currCode", "amount", "payType")
    return digest([fields.get(name, "") for name in names], secret=secret, function=function)


def feed_hash(fields: Mapping[str, str], *, secret: str, function: str) -> str:
    """src before prc, Cur before Amt: not the order in which they are sent."""
    names = ("src", "prc", "successcode", "Ref", "PayRef", "Cur", "Amt", "payerAuth")
    return digest([fields.get(name, "") for name in names], secret=secret, function=function)


# --- values --------------------------------------------------------------------------------------------------------


def read_form(raw: bytes) -> dict[str, str]:
    """Field names are case-sensitive; of a field that comes twice the first counts."""
    pairs = parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)
    return dict(reversed(pairs))


def amount_of(text: str) -> Decimal:
    if not _AMOUNT.fullmatch(text) or Decimal(text) <= 0:
        raise PesoPayError("Parameter Amount Incorrect")
    return Decimal(text).quantize(Decimal("0.01"))


def short(amount: Decimal) -> str:
    """As the merchant API prints it: 1250.5, 10.0."""
    text = f"{amount:.2f}"
    return text[:-1] if text.endswith("0") else text


def local_time(moment: float) -> str:
    """2026-01-14 19:20:00.0, in Hong Kong and Manila."""
    return datetime.fromtimestamp(moment, UTC).astimezone(_HONG_KONG).strftime("%Y-%m-%d %H:%M:%S.0")


def local_day(moment: float) -> str:
    return local_time(moment)[:10]


# --- answers -------------------------------------------------------------------------------------------------------


def line(**members: str) -> Response:
    """One line of pairs; texts keep their spaces, as in the published samples."""
    return Response("&".join(f"{name}={value}" for name, value in members.items()), media_type="text/html")


def refusal(message: str) -> Response:
    return line(resultCode="-1", orderStatus="", ref="", payRef="", amt="", cur="", errMsg=message)


def records(rows: Iterable[Mapping[str, str]]) -> Response:
    inner = "".join(
        "<record>" + "".join(f"<{name}>{escape(value)}</{name}>" for name, value in row.items()) + "</record>"
        for row in rows
    )
    text = f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<records>{inner}</records>'
    return Response(text.encode("iso-8859-1", "xmlcharrefreplace"), headers={"content-type": "text/xml"})
