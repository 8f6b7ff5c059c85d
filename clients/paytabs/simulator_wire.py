"""The simulated PayTabs' wire: hosts, failures, money, signatures, and how members of a body are checked.

Written from the protocol page (sections 1, 3, 4, 6, 7, 12) and independent of the client beside it.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

from starlette.responses import Response

Json = dict[str, Any]

HOSTS: Final = {
    "ARE": "secure.paytabs.com",
    "SAU": "secure.paytabs.sa",
    "EGY": "secure-egypt.paytabs.com",
    "OMN": "secure-oman.paytabs.com",
    "JOR": "secure-jordan.paytabs.com",
    "KWT": "secure-kuwait.paytabs.com",
    "IRQ": "secure-iraq.paytabs.com",
    "QAT": "secure-doha.paytabs.com",
    "MAR": "secure-morocco.paytabs.com",
    "GLOBAL": "secure-global.paytabs.com",
    "MADFOAT": "madfoat-secure.paytabs.com",
    "CUZDAN": "secure.cuzdan.az",
    "CLICKPAY": "secure.clickpay.com.sa",
}
CURRENCIES: Final = frozenset("SAR AED BHD EGP EUR GBP HKD IDR INR IQD JOD JPY KWD MAD OMR PKR QAR USD AZN TRY".split())
_THREE_DECIMALS: Final = frozenset({"BHD", "IQD", "JOD", "KWD", "OMR"})
LEAST, MOST = Decimal("0.01"), Decimal("9999999999.99")
_CUSTOMER_NAMES: Final = frozenset("name email phone street1 city state country zip ip".split())


class PayTabsError(Exception):
    """A failure shape: `code`, `message`, `trace` (section 12)."""

    def __init__(self, code: int, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.body: Json = {"code": code, "message": message, "trace": trace("PMNT0403")}


def invalid(message: str) -> PayTabsError:
    return PayTabsError(2, message)


def answer(status: int, body: Any) -> Response:
    return Response(dumps(body), status_code=status, media_type="application/json")


def dumps(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def trace(kind: str) -> str:
    return f"{kind}.{secrets.token_hex(4).upper()}.{secrets.token_hex(4).upper()}"


def iso(moment: float) -> str:
    """2026-05-24T10:11:12Z"""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- signatures ----------------------------------------------------------------------------------------------------


def sign_body(body: bytes, *, key: str) -> str:
    """`Signature` of a callback or IPN (section 6): the raw bytes under the server key."""
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def sign_return(fields: Mapping[str, str], *, key: str) -> str:
    """`signature` of a browser return (section 7): empty fields left out, sorted by byte, as PHP writes a query."""
    kept = sorted((name, value) for name, value in fields.items() if value != "" and name != "signature")
    text = "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in kept)
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def _encoded(text: str) -> str:
    return quote_plus(text).replace("~", "%7E")


# --- money ---------------------------------------------------------------------------------------------------------


def exponent(currency: str) -> int:
    return 3 if currency in _THREE_DECIMALS else 0 if currency == "JPY" else 2


def text_of_amount(amount: Decimal, currency: str) -> str:
    """As answers and notifications write it: text with the currency's decimals."""
    return str(amount.quantize(Decimal(1).scaleb(-exponent(currency))))


def from_minor(amount: Any, currency: str) -> Decimal:
    return Decimal(int(amount)).scaleb(-exponent(currency))


def currency_of(given: Mapping[str, Any]) -> str:
    code = given.get("cart_currency")
    if not isinstance(code, str) or not code:
        raise invalid("cart_currency is missing")
    if code.upper() not in CURRENCIES:
        raise PayTabsError(206, "Currency is not available or does not match the original")
    return code.upper()


def amount_of(given: Mapping[str, Any], currency: str) -> Decimal:
    """A JSON number (read as Decimal) or a numeric text."""
    value = given.get("cart_amount")
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise invalid("cart_amount is missing or is no number")
    if isinstance(value, str) and not re.fullmatch(r"\d{1,10}(\.\d{1,3})?", value, re.ASCII):
        raise invalid("cart_amount is no number")
    try:
        amount = Decimal(value)
    except InvalidOperation as error:
        raise invalid("cart_amount is no number") from error
    if not LEAST <= amount <= MOST:
        raise invalid("cart_amount is out of range")
    rounded = amount.quantize(Decimal(1).scaleb(-exponent(currency)))
    if amount != rounded:
        # Unconfirmed: that more decimals than the currency has are refused. Strict here, so that a mistake shows.
        raise invalid("cart_amount has too many decimals")
    return rounded


# --- members -------------------------------------------------------------------------------------------------------


def read(raw: bytes) -> Json:
    try:
        body = json.loads(raw, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise invalid("The request is no JSON") from error
    if not isinstance(body, dict):
        raise invalid("The request is no JSON object")
    return body


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def text_of(given: Mapping[str, Any], name: str, *, longest: int, is_needed: bool = True) -> str:
    value = given.get(name)
    if value is None and not is_needed:
        return ""
    if not isinstance(value, str) or not 1 <= len(value) <= longest:
        raise invalid(f"{name} is missing or is no text of 1 to {longest} characters")
    return value


def flag_of(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise invalid(f"{name} is neither true nor false")
    return value


def number_of(given: Mapping[str, Any], name: str, *, least: int, most: int) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if type(value) is not int or not least <= value <= most:
        raise invalid(f"{name} is no whole number from {least} to {most}")
    return value


def person_of(given: Mapping[str, Any], name: str) -> Json:
    """Empty texts are refused (section 4): a name that is not known is left out."""
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict) or set(value) - _CUSTOMER_NAMES:
        raise invalid(f"{name} has unknown members")
    for member, text in value.items():
        if not isinstance(text, str) or not text:
            raise invalid(f"{name}.{member} is empty")
    return value


def url_of(given: Mapping[str, Any], name: str, *, is_strict: bool, needs_https: bool = True) -> str:
    """A public address. Unless `is_strict`, this machine's own addresses are taken too, which PayTabs would refuse."""
    value = given.get(name)
    if value is None:
        return ""
    problem = PayTabsError(210, f"The {name} URL is not valid")
    if not isinstance(value, str) or len(value) > 255:
        raise problem
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError as error:
        raise problem from error
    if not host or parts.scheme not in ("http", "https"):
        raise problem
    if is_loopback(host) and not is_strict:
        return value
    if is_private(host) or (needs_https and parts.scheme != "https"):
        raise problem
    return value


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return is_loopback(host) or "." not in host
