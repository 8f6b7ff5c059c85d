"""Keyed hashes: how secrets that come back to us (API keys, tokens, idempotency keys) are looked up without keeping them.

The key is a random secret of this installation, kept wrapped in the database, so hashes survive a rotation of the
master key and a stolen dump alone cannot be searched for guessed values.
"""

from __future__ import annotations

import hmac
from hashlib import sha256

from core.encryption import system_secret

_LOOKUP = "lookup"


def derived_key(purpose: str) -> bytes:
    """32 bytes of this installation for one purpose; other purposes cannot be computed from it."""
    return hmac.digest(system_secret(_LOOKUP), b"purpose:" + purpose.encode(), sha256)


def keyed_hash(purpose: str, value: str | bytes) -> str:
    """64 hex digits: HMAC-SHA256 of `value` for `purpose` ("api_key", "webhook_token", ...)."""
    raw = value.encode() if isinstance(value, str) else value
    return hmac.new(derived_key(purpose), raw, sha256).hexdigest()
