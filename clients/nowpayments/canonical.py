"""The text that NOWPayments signs: the parsed body as JavaScript prints it after sorting keys at every depth.

Python's own `json.dumps` breaks the signature three ways: 17.0 for 17, 6.1e-05 for 0.000061, and \\u escapes. So the
number tokens are kept while parsing and printed here as JavaScript prints the IEEE double.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Final, NoReturn

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 16

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,9}", re.ASCII)
_WHOLE: Final = re.compile(r"-?[0-9]{1,40}", re.ASCII)


class NotCanonical(ValueError):
    """The bytes are not a body that can be signed. The message holds nothing of them."""


class Token(str):
    """A number exactly as it was received."""

    __slots__ = ()


def parse(body: bytes) -> dict[str, Any]:
    """The body with every number kept as a Token. Raises NotCanonical."""
    if len(body) > MAX_BYTES:
        raise NotCanonical("the body is too large")
    try:
        tree = json.loads(
            body.decode("utf-8"),
            parse_int=Token,
            parse_float=Token,
            parse_constant=_no_constant,
            object_pairs_hook=_unique,
        )
    except NotCanonical:
        raise
    except (ValueError, RecursionError):
        raise NotCanonical("the body is not JSON in UTF-8") from None
    if not isinstance(tree, dict):
        raise NotCanonical("the body is not an object")
    _check_depth(tree, 1)
    return tree


def text_of(tree: Any, *, arrays_as_objects: bool = False) -> str:
    """Canonical text. Raises NotCanonical for a number that no double holds.

    With `arrays_as_objects`, [7,8] is printed {"0":7,"1":8}: the documentation's Node sample does that, the official
    SDK does not.
    """
    if isinstance(tree, Token):
        return js_number(tree)
    if isinstance(tree, str):
        return js_string(tree)
    if isinstance(tree, list) and arrays_as_objects:
        tree = {str(index): one for index, one in enumerate(tree)}
    if isinstance(tree, list):
        return "[" + ",".join(text_of(one, arrays_as_objects=arrays_as_objects) for one in tree) + "]"
    if isinstance(tree, dict):
        names = sorted(tree, key=_js_order)
        members = (js_string(name) + ":" + text_of(tree[name], arrays_as_objects=arrays_as_objects) for name in names)
        return "{" + ",".join(members) + "}"
    return json.dumps(tree)  # true, false, null


def values_of(tree: Any) -> Any:
    """The tree with numbers as our readers want them: int where the token is a whole number, else Decimal."""
    if isinstance(tree, Token):
        return int(tree) if _WHOLE.fullmatch(tree) else Decimal(tree)
    if isinstance(tree, list):
        return [values_of(one) for one in tree]
    if isinstance(tree, dict):
        return {name: values_of(one) for name, one in tree.items()}
    return tree


def js_number(token: str) -> str:
    """A JSON number as JavaScript prints it: 17.0 -> 17, 6.1e-05 -> 0.000061, 2.5e-07 -> 2.5e-7, 1e21 -> 1e+21."""
    number = float(token)
    if number in (float("inf"), float("-inf")):
        raise NotCanonical("a number is outside the range of a double")
    if number == 0:
        return "0"
    digits, point = _shortest(abs(number))
    return ("-" if number < 0 else "") + _place_point(digits, point)


def _shortest(number: float) -> tuple[str, int]:
    """Shortest digits that read back as `number`, and where the point stands: 0.061 is ("61", -1)."""
    mantissa, _, exponent = repr(number).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    point = len(whole) + int(exponent or 0) - (len(digits) - len(digits.lstrip("0")))
    return digits.strip("0"), point


def _place_point(digits: str, point: int) -> str:
    """ECMAScript Number::toString, steps 6 to 10."""
    if len(digits) <= point <= 21:
        return digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    sign = "+" if point > 0 else "-"
    return digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + "e" + sign + str(abs(point - 1))


def js_string(text: str) -> str:
    """Only quote, backslash, controls and lone surrogates are escaped; the rest stays as it is."""
    return _SURROGATE.sub(lambda found: f"\\u{ord(found.group()):04x}", json.dumps(text, ensure_ascii=False))


def _js_order(name: str) -> tuple[int, int, bytes]:
    """JavaScript lists array indexes first and by number; the rest by UTF-16 code units."""
    if _INDEX.fullmatch(name) and int(name) < 2**32 - 1:
        return (0, int(name), b"")
    return (1, 0, name.encode("utf-16-be", "surrogatepass"))


def _check_depth(tree: Any, depth: int) -> None:
    if not isinstance(tree, (dict, list)):
        return
    if depth > MAX_DEPTH:
        raise NotCanonical("the body nests too deeply")
    for one in tree.values() if isinstance(tree, dict) else tree:
        _check_depth(one, depth + 1)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotCanonical("a key appears twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise NotCanonical("NaN and Infinity are not numbers")
