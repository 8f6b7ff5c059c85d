"""JSON as JavaScript writes it, and the signature over its sorted form (protocol page section 6).

The gateway is a Node service: what it sends and what it signs is what `JSON.stringify` gives. Built from the rules of
ECMAScript's number and string printing, independent of the verifier beside it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

_ESCAPED: Final = re.compile(r'["\\\x00-\x1f\ud800-\udfff]')
_SHORT: Final = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")

KEPT: Final = "kept"
INDEX_OBJECTS: Final = "object"


def stringify(value: Any) -> str:
    """Compact JSON, members in the order given. Decimal and int are printed as the double that JavaScript holds."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, Decimal)):
        return number_text(value)
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{string_text(name)}:{stringify(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(stringify(inner) for inner in value) + "]"
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def string_text(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda found: _SHORT.get(found[0], f"\\u{ord(found[0]):04x}"), text) + '"'


def number_text(value: int | Decimal) -> str:
    """ECMAScript Number::toString: shortest digits that give the double back, plain between 1e-6 and 1e21."""
    sign, figures, scale = Decimal(repr(float(value))).as_tuple()
    assert isinstance(scale, int)  # a double that is infinite or no number never gets here
    digits = "".join(map(str, figures)).rstrip("0").lstrip("0")
    point = len("".join(map(str, figures)).lstrip("0")) + scale  # where the decimal point stands before `digits`
    if not digits:
        return "0"
    return ("-" if sign else "") + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    if 0 < point <= 21:
        whole, rest = digits[:point].ljust(point, "0"), digits[point:]
        return f"{whole}.{rest}" if rest else whole
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    exponent = f"e{point - 1:+d}"
    return f"{digits[0]}.{digits[1:]}{exponent}" if len(digits) > 1 else f"{digits}{exponent}"


def in_order(value: Any, *, arrays: str = KEPT) -> Any:
    """`value` with the members of every object sorted as JavaScript lists them after the gateway's sort.

    `arrays`: "kept", or "object" for the documented sample's sorter, which turns an array into {"0": ..., "1": ...}.
    """
    if isinstance(value, Mapping):
        return {name: in_order(value[name], arrays=arrays) for name in sorted(value, key=_rank)}
    if isinstance(value, (list, tuple)):
        inner = [in_order(one, arrays=arrays) for one in value]
        return inner if arrays == KEPT else {str(index): one for index, one in enumerate(inner)}
    return value


def _rank(name: str) -> tuple[int, int, bytes]:
    if _INDEX.fullmatch(name):
        return 0, int(name), b""  # array indexes come first, by number
    return 1, 0, name.encode("utf-16-be", "surrogatepass")


def sign(body: Any, secret: str, *, arrays: str = KEPT) -> str:
    """128 lower-case hex characters over the canonical text of the parsed `body`."""
    text = stringify(in_order(body, arrays=arrays))
    return hmac.new(secret.strip().encode(), text.encode(), hashlib.sha512).hexdigest()
