"""Names and tokens. Names are for people and logs; tokens are secrets and come from the system's random source."""

from __future__ import annotations

import secrets
import time
import uuid

from core import clock


def public_id(prefix: str) -> str:
    """`PAY_20261120183005_1a2b3c4d`: readable, sortable, no secret."""
    return f"{prefix}_{clock.now():%Y%m%d%H%M%S}_{secrets.token_hex(4)}"


def token() -> str:
    """192 random bits, URL-safe: for everything that is public by possession."""
    return secrets.token_urlsafe(24)


def uuid7() -> uuid.UUID:
    """A time-ordered UUID made here, so that a row's id is known before it is inserted."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (1 << 48) - 1) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    return uuid.UUID(int=value & ~(0x3 << 62) | 0x2 << 62)
