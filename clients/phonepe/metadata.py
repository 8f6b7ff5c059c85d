"""What travels with an order and is only shown: `metaInfo`, the text of a collect request, a telephone number."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

FREE_KEYS: Final = tuple(f"udf{number}" for number in range(1, 11))  # any text, 256 characters
STRICT_KEYS: Final = tuple(f"udf{number}" for number in range(11, 16))  # 50 of a small alphabet
MAX_FREE: Final = 256
MAX_STRICT: Final = 50
MAX_MESSAGE: Final = 100  # Unconfirmed: no limit is published
_STRICT: Final = re.compile(r"[a-zA-Z0-9_\- @.+]*", re.ASCII)
# Unconfirmed: the form. Only Indian mobile numbers are sent, for the field must never cost a payment.
_PHONE: Final = re.compile(r"(\+91)?[6-9][0-9]{9}", re.ASCII)


def build_meta_info(metadata: Mapping[str, str]) -> dict[str, str] | None:
    """`metaInfo` of an order, or None. PhonePe takes no other names than udf1 to udf15.

    A name that is one of theirs keeps its place; any other goes into the first free one as `name=value`. What does not
    fit is left out: the platform keeps the metadata itself.
    """
    found = {key: text for key in (*FREE_KEYS, *STRICT_KEYS) if (text := _fitting(key, metadata.get(key) or ""))}
    places = iter([key for key in FREE_KEYS if key not in metadata])
    for name, value in metadata.items():
        if name in FREE_KEYS or name in STRICT_KEYS:
            continue
        key = next(places, None)
        if key is None:
            break
        found[key] = cut(f"{name}={value}", MAX_FREE)
    return found or None


def build_message(description: str | None) -> str | None:
    return cut(" ".join((description or "").split()), MAX_MESSAGE) or None


def build_phone(phone: str | None) -> dict[str, str] | None:
    bare = re.sub(r"[ ()-]", "", phone or "")
    return {"phoneNumber": bare} if _PHONE.fullmatch(bare) else None


def _fitting(key: str, text: str) -> str:
    if key in FREE_KEYS:
        return cut(text, MAX_FREE)
    return text if len(text) <= MAX_STRICT and _STRICT.fullmatch(text) else ""


def cut(text: str, length: int) -> str:
    """At most `length` UTF-16 units, as Java counts, no character halved; no control characters or lone surrogates."""
    clean = "".join(char for char in text if char.isprintable())
    return clean.encode("utf-16-le")[: 2 * length].decode("utf-16-le", "ignore")
