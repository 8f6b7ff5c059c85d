"""Reads the members of a NOWPayments body: nothing is trusted to have the documented type.

The same member is a number in one answer and a string in the next (`payment_id`, `pay_amount`), so every reader takes
both and answers None for anything that cannot be meant. Never through a float.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

_ID: Final = re.compile(r"[1-9][0-9]{0,19}", re.ASCII)
# 40 digits before and 60 after the point, exponent of two digits: larger than any coin, too small to exhaust anything.
_AMOUNT: Final = re.compile(r"[0-9]{1,40}(\.[0-9]{1,60})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_CODE: Final = re.compile(r"[A-Za-z0-9]{2,32}", re.ASCII)
# The signature covers a number's value as an IEEE double: above this, two ids would share one signature.
_MAX_SIGNED_ID: Final = 2**53 - 1


class Unreadable(ValueError):
    """A body lacks what makes it an answer. The message names the member and holds no value of it."""


def read_id(value: object) -> str | None:
    """An id as text: a JSON integer or a string of digits. 5745.0 is neither."""
    if type(value) is int:
        return str(value) if 0 < value <= _MAX_SIGNED_ID else None
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    return None


def read_amount(value: object) -> Decimal | None:
    """An amount in major units, exact, zero or more: 49.9, "49.912345", 2.5e-7."""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, str)):
        return None
    if isinstance(value, int) and not 0 <= value < 10**40:
        return None
    text = str(value)
    return Decimal(text) if _AMOUNT.fullmatch(text) else None


def read_code(value: object) -> str | None:
    """A currency or coin code in upper case; the wire spells both ways."""
    return value.upper() if isinstance(value, str) and _CODE.fullmatch(value) else None


def read_text(value: object, *, max_length: int = 200) -> str | None:
    """Text of one line that can be stored and shown, cut to `max_length`. A whole number (a destination tag) is text."""
    if type(value) is int and abs(value) < 10**40:
        value = str(value)
    if not isinstance(value, str):
        return None
    clean = "".join(char for char in value if char.isprintable()).strip()
    return clean[:max_length] or None


def read_verbatim(value: object) -> str | None:
    """An address, memo or hash: exactly as it stands or not at all, for money follows it."""
    text = read_text(value)
    return text if text is not None and (text == value or type(value) is int) else None


def read_time(value: object) -> datetime | None:
    """ISO 8601 with an offset (answers) or whole epoch milliseconds (IPN)."""
    try:
        if type(value) is int:
            return datetime.fromtimestamp(value // 1000, UTC).replace(microsecond=value % 1000 * 1000)
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return moment.astimezone(UTC) if moment and moment.tzinfo else None


def format_amount(amount: Decimal) -> str:
    """Every digit and no exponent: Decimal("2.5E-7") is "0.00000025"."""
    return format(amount, "f")


# What support and reconciliation need. Callback and return URLs (they carry tokens), e-mail, origin address and the
# description stay outside.
_KEPT: Final = (
    "payment_id", "parent_payment_id", "invoice_id", "id", "payment_status", "status", "price_amount", "price_currency",
    "pay_amount", "actually_paid", "actually_paid_at_fiat", "pay_currency", "pay_address", "payin_extra_id", "network",
    "order_id", "purchase_id", "outcome_amount", "outcome_currency", "payin_hash", "payout_hash", "payment_extra_ids",
    "fee", "created_at", "updated_at", "expiration_estimate_date", "valid_until", "is_fixed_rate", "type",
    "batch_withdrawal_id", "unique_external_id", "currency", "amount", "address", "extra_id", "hash", "error",
)  # fmt: skip


def redact(body: Mapping[str, Any]) -> dict[str, Any]:
    """The members worth keeping, small: long text cut, nested values one level deep."""
    return {name: _small(body[name]) for name in _KEPT if name in body}


def _small(value: Any, *, depth: int = 0) -> Any:
    if isinstance(value, str):
        return read_text(value, max_length=300)  # no control characters, no lone surrogates
    if isinstance(value, list) and depth == 0:
        return [_small(one, depth=1) for one in value[:20]]
    if isinstance(value, dict) and depth == 0:
        return {read_text(key, max_length=60) or "": _small(one, depth=1) for key, one in list(value.items())[:20]}
    return value if value is None or isinstance(value, (bool, int, Decimal)) else None
