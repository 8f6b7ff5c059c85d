"""JSON as money needs it: decimals stay decimals, a key may not appear twice, NaN and Infinity do not exist."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn


class InvalidJSON(ValueError):
    """The text is not JSON that we accept. The message never contains the text."""


def loads(text: str | bytes) -> Any:
    """Parse strict UTF-8 JSON. Numbers with a point or exponent become Decimal; whole numbers int.

    Raises InvalidJSON for anything else: bad UTF-8, duplicate keys, NaN, Infinity, nesting too deep, huge integers.
    """
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8")
        return json.loads(text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=_unique)
    except (InvalidJSON, RecursionError) as error:
        raise InvalidJSON(str(error) or "nested too deeply") from None
    # JSONDecodeError, UnicodeDecodeError, an integer of more digits or an exponent of more than Python converts
    except (ValueError, ArithmeticError):
        raise InvalidJSON("not well-formed JSON in UTF-8") from None


def load_object(text: str | bytes) -> dict[str, Any]:
    """Like `loads`, and the whole must be an object."""
    value = loads(text)
    if not isinstance(value, dict):
        raise InvalidJSON("the JSON is not an object")
    return value


def dumps(value: Any) -> str:
    """Compact JSON; Decimal is written as a string, so no reader can turn it into a float by accident."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, (set, frozenset, tuple)):
        return sorted(value) if isinstance(value, (set, frozenset)) else list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise InvalidJSON("a key appears twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise InvalidJSON(f"{name} is not a number")
