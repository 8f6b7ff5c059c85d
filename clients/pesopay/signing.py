"""The two digests: plain hashes (no HMAC) of fields joined by bars, with the secret as the last one.

Source: gateway page sections 4 and 6. In the feed `src` stands before `prc`, and the currency before the amount.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

SEPARATOR: Final = "|"
FUNCTIONS: Final = ("sha1", "sha256", "sha512")
HEX_LENGTHS: Final = {40: "sha1", 64: "sha256", 128: "sha512"}
FEED_FIELDS: Final = ("src", "prc", "successcode", "ref", "payref", "cur", "amt", "payerauth")


def digest(function: str, values: Sequence[str], secret: str) -> str:
    """Lower-case hex. `function` is one of FUNCTIONS; it belongs to the account and is never guessed."""
    text = SEPARATOR.join((*values, secret))
    return hashlib.new(function, text.encode(), usedforsecurity=True).hexdigest()
