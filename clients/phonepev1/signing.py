"""X-VERIFY, the one proof of this API: plain SHA-256 over a text followed at once by the salt key; pure.

Not an HMAC, and not to be made one: with the key last the text cannot be lengthened, and it must match PhonePe. What
the text is differs: the Base64 of the body and the path (a call), the path (a status query), the Base64 alone (a
callback), the values of a form (a browser return).
Source: gateway page sections 4 to 7, with a vector for each.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

SEPARATOR: Final = "###"


def wrap(body: str) -> str:
    """`body` in standard Base64, with padding and without line breaks: exactly this text is signed and sent."""
    return base64.b64encode(body.encode()).decode("ascii")


def sign(text: str, *, salt_key: str, salt_index: str) -> str:
    return f"{_digest(text, salt_key)}{SEPARATOR}{salt_index}"


def is_signed(text: str, signature: str, *, salts: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether `signature` was made over `text` with a key of the index that it names. False for anything unreadable."""
    parts = signature.split(SEPARATOR)
    if len(parts) != 2:
        return False
    received = parts[0].strip().lower().encode(errors="replace")
    try:
        made = [_digest(text, key).encode() for key in salts.get(parts[1].strip(), ())]
    except UnicodeEncodeError:  # half a surrogate pair: nobody can have signed that
        return False
    matches = [hmac.compare_digest(one, received) for one in made]  # all are always tried
    return any(matches)


def _digest(text: str, salt_key: str) -> str:
    return hashlib.sha256(f"{text}{salt_key}".encode()).hexdigest()
