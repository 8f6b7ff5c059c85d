"""How the simulated NOWPayments reads and refuses requests: member tables, types, limits (protocol page sections 3, 4, 12)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from starlette.requests import Request

from clients.nowpayments import simulator_coins as coins
from clients.nowpayments.simulator_coins import COINS
from core.gateways.simulating import SimulatedAccount

# Members of request bodies: str, number, bool, url, id. What is not listed is refused.
_ORDER: Final[Mapping[str, str]] = {
    "price_amount": "number",
    "price_currency": "str",
    "pay_currency": "str",
    "order_id": "str",
    "order_description": "str",
    "ipn_callback_url": "url",
    "is_fixed_rate": "bool",
    "is_fee_paid_by_user": "bool",
}
INVOICE: Final[Mapping[str, str]] = {
    **_ORDER,
    "success_url": "url",
    "cancel_url": "url",
    "partially_paid_url": "url",
}
PAYMENT: Final[Mapping[str, str]] = {
    **_ORDER,
    "pay_amount": "number",
    "payout_address": "str",
    "payout_currency": "str",
    "payout_extra_id": "str",
    "purchase_id": "id",
    "case": "str",
    "customer_email": "str",
}
INVOICE_PAYMENT: Final[Mapping[str, str]] = {
    "iid": "id",
    "pay_currency": "str",
    "purchase_id": "id",
    "order_description": "str",
    "customer_email": "str",
    "payout_address": "str",
    "payout_extra_id": "str",
    "payout_currency": "str",
}
WITHDRAWAL: Final[Mapping[str, str]] = {
    "address": "str",
    "currency": "str",
    "amount": "number",
    "extra_id": "str",
    "ipn_callback_url": "url",
    "payout_description": "str",
    "unique_external_id": "str",
    "fiat_amount": "number",
    "fiat_currency": "str",
}

Json = dict[str, Any]


class Refusal(Exception):
    def __init__(self, status: int, code: str | None, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {
            "status": False,
            "statusCode": status,
            **({"code": code} if code else {}),
            "message": message,
        }


@dataclass(kw_only=True)
class Call:
    request: Request
    account: SimulatedAccount
    is_sandbox: bool
    body: Any

    @property
    def api_key(self) -> str:
        return str(self.account.credentials["api_key"]).strip()


def bad_parameter(message: str) -> Refusal:
    return Refusal(400, "INVALID_REQUEST_PARAMS", message)


def parsed(request: Request, raw: bytes) -> Any:
    if request.method != "POST" or not raw:
        return {}
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise bad_parameter("the body must be JSON")
    try:
        return json.loads(raw, parse_float=Decimal)
    except ValueError:
        raise bad_parameter("the body is not JSON") from None


def members(body: Any, table: Mapping[str, str]) -> Json:
    """The members of `body`, numbers as Decimal, nulls left out. Raises Refusal for unknown names and wrong types."""
    if not isinstance(body, dict):
        raise bad_parameter('"value" must be of type object')
    unknown = next((name for name in body if name not in table), None)
    if unknown is not None:
        raise bad_parameter(f'"{unknown}" is not allowed')
    return {name: _typed(name, value, table[name]) for name, value in body.items() if value is not None}


def _typed(name: str, value: Any, kind: str) -> Any:
    if kind == "number" and isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return Decimal(value)
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind == "list" and isinstance(value, list):
        return value
    if kind == "id" and re.fullmatch(r"[0-9]{1,18}", str(value)) and not isinstance(value, bool):
        return str(value)
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "url" and isinstance(value, str) and re.match(r"https?://[^/]", value):
        return value
    words = {"url": "a valid uri", "id": "a number", "list": "an array", "str": "a string", "bool": "a boolean"}
    raise bad_parameter(f'"{name}" must be {words.get(kind, "a number")}')


def decimal_of(text: str | None, name: str) -> Decimal:
    try:
        value = Decimal(text or "")
    except InvalidOperation:
        raise bad_parameter(f'"{name}" must be a number') from None
    if not value.is_finite() or value <= 0:
        raise bad_parameter(f'"{name}" must be a positive number')
    return value


def currency_of(text: str | None) -> str:
    code = (text or "").lower()
    if not coins.is_known(code):
        raise bad_parameter(f"Currency {code} was not found")
    return code


def payable(text: str) -> str:
    code = text.lower()
    if code not in COINS or code in coins.PAUSED:
        raise Refusal(400, "CURRENCY_UNAVAILABLE", f"Currency {code} is currently unavailable")
    return code


def price_of(given: Json) -> tuple[Decimal, str]:
    for name in ("price_amount", "price_currency"):
        if name not in given:
            raise bad_parameter(f'"{name}" is required')
    if given["price_amount"] <= 0:
        raise bad_parameter('"price_amount" must be a positive number')
    return given["price_amount"], currency_of(given["price_currency"])


def check_limits(price: Decimal, currency: str, coin: str) -> None:
    worth = coins.dollars(price, currency)
    if worth < COINS[coin].least_dollars:
        raise Refusal(400, "AMOUNT_MINIMAL_ERROR", f"Crypto amount {price} {currency} is less than minimal")
    if coin in coins.THIN and worth > coins.MAX_DOLLARS:
        raise Refusal(400, "AMOUNT_MAXIMAL_ERROR", f"Crypto amount {price} {currency} is more than maximal")


def least_dollars(code: str) -> Decimal:
    return COINS[code].least_dollars if code in COINS else Decimal(1)


def rounded(amount: Decimal, currency: str) -> Decimal:
    return COINS[currency].round_up(amount) if currency in COINS else amount.quantize(Decimal("0.01"))


def check_address(address: Any, currency: Any) -> str:
    code = str(currency or "").lower()
    if code not in COINS or not coins.is_address(COINS[code], str(address or "")):
        raise Refusal(400, "BAD_CREATE_WITHDRAWAL_REQUEST", "Invalid payout_address")
    return code


def whole(text: str | None, name: str, *, default: int) -> int:
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise bad_parameter(f'"{name}" must be a number')
    return int(text)
