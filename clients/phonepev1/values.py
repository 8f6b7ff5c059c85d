"""Reads the members of a PhonePe body: nothing is trusted to have the documented type.

`data` is missing in errors, `paymentInstrument` is null in one answer and full in the next. So each reader answers None
for anything that cannot be meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from core.gateways.redaction import mask_card_numbers

Body = Mapping[str, Any]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_WHOLE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_LIMIT: Final = 10**18


def read_id(value: object) -> str | None:
    """A transaction id, ours or theirs. Empty is absent."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def read_minor(value: object) -> int | None:
    """Paise, zero or more: 129900, 129900.0, "129900" (which browser forms have)."""
    if isinstance(value, Decimal):
        is_whole = value.is_finite() and 0 <= value < _LIMIT and value == value.to_integral_value()
        return int(value) if is_whole else None
    if type(value) is int:
        return value if 0 <= value < _LIMIT else None
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else None


def read_text(value: object, *, max_length: int = 200) -> str | None:
    """Text of one line that can be stored and shown, cut to `max_length`."""
    if not isinstance(value, str):
        return None
    clean = "".join(char for char in value[: 4 * max_length] if char.isprintable()).strip()
    return clean[:max_length] or None


def read_message(value: object) -> str | None:
    """A sentence for people. Whoever writes such sentences may have put a card number into one."""
    text = read_text(value)
    return mask_card_numbers(text) if text else None


def read_code(body: Body) -> str | None:
    """The root code. An authentication failure may have 401 there, also as a number."""
    code = body.get("code")
    return str(code) if type(code) is int and 0 <= code < 1000 else read_text(code, max_length=80)


def member(body: Body, name: str) -> Body:
    """The object in that place, or an empty one."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


# What support and reconciliation need. The page's address holds a token; addresses and numbers of people are dropped.
_KEPT: Final = (
    "merchantId", "merchantTransactionId", "transactionId", "amount", "state", "paymentState", "responseCode",
    "responseCodeDescription",
)  # fmt: skip
_KEPT_OF_INSTRUMENT: Final = (
    "type", "utr", "cardType", "pgTransactionId", "bankTransactionId", "pgAuthorizationCode", "arn", "bankId", "brn",
)  # fmt: skip


def redact(body: Body) -> dict[str, Any]:
    """The members worth keeping, small."""
    data = member(body, "data")
    kept = _small(data, _KEPT)
    if instrument := _small(member(data, "paymentInstrument"), _KEPT_OF_INSTRUMENT):
        kept["paymentInstrument"] = instrument
    return {**_small(body, ("success", "code", "message")), "data": kept}


def _small(body: Body, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: _plain(body[name]) for name in names if name in body}


def _plain(value: object) -> Any:
    if isinstance(value, str):
        return read_text(value, max_length=300)  # no control characters, no lone surrogates
    return value if isinstance(value, (bool, int, Decimal)) else None
