"""The simulated Square's wire: errors, money, times, ids, and how members of a body are checked (sections 1, 3, 4, 12).

Written from the protocol page and independent of the client beside it.
"""

from __future__ import annotations

import json
import re
import secrets
import string
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from starlette.responses import Response

Json = dict[str, Any]

DEFAULT_VERSION: Final = "2025-08-20"
COUNTRIES: Final = {"AUD": "AU", "CAD": "CA", "EUR": "IE", "GBP": "GB", "JPY": "JP", "USD": "US"}
LEAST: Final = {"AUD": 100, "GBP": 100, "JPY": 100}  # Unconfirmed: replies of staff only; 1 elsewhere
MOST: Final = 99_999_999  # Unconfirmed: depends on the seller
_CODE_LETTERS: Final = string.ascii_letters + string.digits
_DURATION: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


class SquareError(Exception):
    """An error answer of one error. `payment` is the failed one that stands beside it, where there is one."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        field: str | None = None,
        category: str = "INVALID_REQUEST_ERROR",
        status: int = 400,
        payment: Json | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.error: Json = {"category": category, "code": code, "detail": detail}
        if field is not None:
            self.error["field"] = field
        self.payment = payment

    @property
    def body(self) -> Json:
        beside = {"payment": self.payment} if self.payment is not None else {}
        return {"errors": [self.error], **beside}


def not_found(what: str, name: str) -> SquareError:
    return SquareError("NOT_FOUND", f"{what} `{name}` not found.", status=404)


def unauthorized(code: str = "UNAUTHORIZED") -> SquareError:
    return SquareError(code, "This request could not be authorized.", category="AUTHENTICATION_ERROR", status=401)


def answer(status: int, body: Any, version: str) -> Response:
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status_code=status, media_type="application/json", headers={"Square-Version": version})


def version_of(header: str | None) -> str:
    """A release date; which dates are releases is not known here."""
    version = header or DEFAULT_VERSION
    try:
        if datetime.strptime(version, "%Y-%m-%d").replace(tzinfo=UTC).strftime("%Y-%m-%d") == version:
            return version
    except ValueError:
        pass
    raise SquareError("INVALID_SQUARE_VERSION_FORMAT", "The Square-Version is not of the form YYYY-MM-DD.")


def characters(count: int, *, alphabet: str = _CODE_LETTERS) -> str:
    """Random, so that a simulator that is started again gives out no id that a platform remembers."""
    return "".join(secrets.choice(alphabet) for _ in range(count))


def capitals(count: int) -> str:
    return characters(count, alphabet=string.ascii_uppercase + string.digits)


# --- time ----------------------------------------------------------------------------------------------------------


def iso(moment: float) -> str:
    """2026-05-24T10:11:12.345Z"""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(duration: Any) -> float:
    found = _DURATION.fullmatch(duration) if isinstance(duration, str) else None
    if found is None or not any(found.groups()):
        raise SquareError("INVALID_TIME", "Not an ISO 8601 duration.", field="delay_duration")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


# --- money ---------------------------------------------------------------------------------------------------------


def money(amount: int, currency: str) -> Json:
    return {"amount": amount, "currency": currency}


def to_major(amount: int, currency: str) -> Decimal:
    return Decimal(amount) if currency == "JPY" else Decimal(amount).scaleb(-2)


def money_of(given: Any, field: str, *, currency: str, least: int | None = None) -> int:
    """The amount of a money object in the location's currency. `least` where a charge's own floor does not hold."""
    if given is None:
        raise missing(field)
    if not isinstance(given, dict) or set(given) - {"amount", "currency"}:
        raise SquareError("EXPECTED_OBJECT", "Expected an object value.", field=field)
    amount = given.get("amount")
    if amount is None:
        raise missing(f"{field}.amount")
    if type(amount) is not int:
        raise SquareError("EXPECTED_INTEGER", "Expected an integer value.", field=f"{field}.amount")
    if given.get("currency") not in COUNTRIES:
        raise SquareError("INVALID_VALUE", "This currency is not supported.", field=f"{field}.currency")
    if given["currency"] != currency:
        detail = f"The location takes {currency}."
        raise SquareError("CURRENCY_MISMATCH", detail, field=f"{field}.currency")
    floor = LEAST.get(currency, 1) if least is None else least
    if amount < floor:
        raise SquareError("VALUE_TOO_LOW", f"Amount must be at least {floor}.", field=f"{field}.amount")
    if amount > MOST:
        raise SquareError("AMOUNT_TOO_HIGH", "The amount is too high.", field=f"{field}.amount")
    return amount


# --- members -------------------------------------------------------------------------------------------------------


def missing(field: str) -> SquareError:
    return SquareError("MISSING_REQUIRED_PARAMETER", "Missing required parameter.", field=field)


def check_members(given: Mapping[str, Any], known: str, *, prefix: str = "") -> None:
    unknown = sorted(set(given) - set(known.split()))
    if unknown:
        raise SquareError("BAD_REQUEST", f"Unknown field `{prefix}{unknown[0]}`.", field=f"{prefix}{unknown[0]}")


def text_of(given: Mapping[str, Any], name: str, *, longest: int, prefix: str = "", is_needed: bool = False) -> str:
    """Empty where it is absent."""
    value = given.get(name)
    if value in (None, ""):
        if is_needed:
            raise missing(f"{prefix}{name}")
        return ""
    if not isinstance(value, str):
        raise SquareError("EXPECTED_STRING", "Expected a string value.", field=f"{prefix}{name}")
    if len(value) > longest:
        raise SquareError(
            "VALUE_TOO_LONG", f"Field must not be greater than {longest} in length.", field=f"{prefix}{name}"
        )
    return value


def flag_of(given: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    value = given.get(name, default)
    if not isinstance(value, bool):
        raise SquareError("EXPECTED_BOOLEAN", "Expected a boolean value.", field=name)
    return value


def group_of(given: Mapping[str, Any], name: str, known: str, *, prefix: str = "") -> Json:
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise SquareError("EXPECTED_OBJECT", "Expected an object value.", field=f"{prefix}{name}")
    check_members(value, known, prefix=f"{prefix}{name}.")
    return value
