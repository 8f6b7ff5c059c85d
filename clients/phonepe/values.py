"""Reads the members of a PhonePe body: nothing is trusted to have the documented type.

The documentation calls `amount` a string where every sample shows a number, and members are null, empty or missing in
one delivery and present in the next. So each reader answers None for anything that cannot be meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from core.gateways.redaction import mask_card_numbers

Body = Mapping[str, Any]

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,63}", re.ASCII)
_WHOLE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class Unreadable(ValueError):
    """A body lacks what makes it an answer. The message names the member and holds no value of it."""


def read_id(value: object) -> str | None:
    """An order, refund or transaction id, ours or theirs. Empty is absent."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else None


def read_minor(value: object) -> int | None:
    """Paise, zero or more: 129900, "129900", 129900.0."""
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value() and 0 <= value < 10**18:
        return int(value)
    if type(value) is int:
        return value if 0 <= value < 10**18 else None
    return int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else None


def read_word(value: object) -> str | None:
    """A state, event or type."""
    text = read_text(value, max_length=80)
    return text or None


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


def read_milliseconds(value: object) -> datetime | None:
    """Epoch milliseconds: `timestamp`, `expireAt`. (The token call counts in seconds.)"""
    whole = read_minor(value)
    if not whole:
        return None
    try:
        return datetime.fromtimestamp(whole // 1000, UTC).replace(microsecond=whole % 1000 * 1000)
    except (ValueError, OverflowError, OSError):
        return None


def member(body: Body, name: str) -> Body:
    """The object in that place, or an empty one."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def rows(body: Body, name: str) -> list[Body]:
    """The objects of the list in that place."""
    found = body.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


# What support and reconciliation need. `redirectUrl` holds a token of the page, `vpa` and the like belong to people.
_KEPT: Final = (
    "orderId", "merchantId", "merchantOrderId", "merchantRefundId", "originalMerchantOrderId", "refundId", "state", "amount",
    "payableAmount", "feeAmount", "refundableAmount", "feesReversalAmount", "adjustedDiscountAmount", "currency", "expireAt",
    "timestamp", "errorCode", "detailedErrorCode", "errorContext", "metaInfo", "transactionId", "paymentMode", "type", "utr",
    "paymentDetails", "splitInstruments", "rail", "instrument", "accountType", "disputeId", "reason", "source", "stage",
    "description",
)  # fmt: skip
_MAX_DEPTH: Final = 4


def redact(body: Body) -> dict[str, Any]:
    """The members worth keeping, small."""
    return {name: _small(body[name], 0) for name in _KEPT if name in body}


def _small(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return read_text(value, max_length=300)  # no control characters, no lone surrogates
    if depth < _MAX_DEPTH and isinstance(value, list):
        return [_small(one, depth + 1) for one in value[:20]]
    if depth < _MAX_DEPTH and isinstance(value, dict):
        kept = [name for name in value if name in _KEPT or name.startswith("udf")][:40]
        return {read_text(name, max_length=20) or "": _small(value[name], depth + 1) for name in kept}
    return value if value is None or isinstance(value, (bool, int, Decimal)) else None
