"""The short-lived shared state of one gateway account: access tokens, mostly. Advisory, encrypted, never waited for.

Values are encrypted because Redis is a plainer place than the database: a dump of it must not hand out tokens. The key
is derived from SECRET_KEY, not from the key ring: what is lost with a new SECRET_KEY is asked for again. Every failure is
a miss; `core.shared_redis` leaves a Redis that did not answer alone for ten seconds.
"""

from __future__ import annotations

import hmac
import os
from base64 import b64decode, b64encode
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from core import shared_redis

_NONCE_BYTES: Final = 12


class GatewayCache:
    """`core.gateways.port.Cache` on Redis. `scope` names account, mode and credentials; nothing is shared beyond it."""

    def __init__(self, scope: str) -> None:
        self._scope = scope

    def get(self, name: str) -> str | None:
        place = self._place(name)
        sealed = shared_redis.attempt(lambda client: client.get(place), None)
        return _open(place, sealed) if isinstance(sealed, bytes) else None

    def set(self, name: str, value: str, *, seconds: int) -> None:
        """Keep `value` for `seconds`; none or less keeps nothing."""
        place = self._place(name)
        if seconds > 0:
            sealed = _seal(place, value)
            shared_redis.attempt(lambda client: client.set(place, sealed, ex=seconds), None)

    def delete(self, name: str) -> None:
        place = self._place(name)
        shared_redis.attempt(lambda client: client.delete(place), None)

    def _place(self, name: str) -> str:
        # A keyed hash: neither scope nor name can be read from, or guessed at, in a list of Redis keys.
        key = _derived(settings.SECRET_KEY, b"paywright gateway cache: names")
        text = f"{len(self._scope)}|{self._scope}|{name}"
        return f"paywright:gateway:{hmac.new(key, text.encode(), sha256).hexdigest()}"


@lru_cache(maxsize=4)
def _derived(secret: str, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret.encode())


def _cipher() -> AESGCM:
    return AESGCM(_derived(settings.SECRET_KEY, b"paywright gateway cache: values"))


def _seal(place: str, value: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return b64encode(nonce + _cipher().encrypt(nonce, value.encode(), place.encode()))


def _open(place: str, sealed: bytes) -> str | None:
    # The place is associated data: a value copied to another account's place does not open there.
    try:
        data = b64decode(sealed, validate=True)
        return _cipher().decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], place.encode()).decode()
    except (InvalidTag, ValueError):
        return None
