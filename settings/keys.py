"""Which secret values are good enough to start with (INVARIANTS §7: no default, no known example, nothing short)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import string
from collections.abc import Iterable, Sequence
from typing import Final

from django.core.exceptions import ImproperlyConfigured

from settings.known_values import PLACEHOLDERS, TEST_MASTER_KEYS, TEST_SECRET_KEY

MAKE_SECRET_KEY: Final = 'python3 -c "import secrets; print(secrets.token_urlsafe(50))"'
MAKE_MASTER_KEY: Final = "python3 -c \"import base64, os, time; print(time.strftime('k%Y%m%d:') + base64.b64encode(os.urandom(32)).decode())\""

_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_MIN_SECRET_KEY: Final = 50  # Django's own check asks for as many
_MIN_MASTER_KEY_BYTES: Final = 32
# 32 random bytes hold about 30 different ones; 16 or fewer happen once in 10^16 times, a typed pattern nearly always.
_MIN_DIFFERENT_BYTES: Final = 17
_PRINTABLE: Final = frozenset(string.printable.encode())
_KNOWN_KEYS: Final = frozenset(
    [base64.b64decode(entry.partition(":")[2]) for entry in TEST_MASTER_KEYS]
    + [bytes(range(start, start + 32)) for start in range(2)]
    + [bytes(range(31, -1, -1))]
)


class MasterKey(str):
    """One entry of the key ring, `keyid:base64`, as `core.encryption` takes it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{self.partition(':')[0]}:..."  # diffsettings and tracebacks print settings


def read_secret_key(value: str | None, *, known_are_allowed: bool = False) -> str:
    """The SECRET_KEY. Raises ImproperlyConfigured when it is missing, short, monotonous or a known example."""
    if not value:
        raise _refusal("PAYWRIGHT_SECRET_KEY", "is not set", MAKE_SECRET_KEY)
    if not known_are_allowed and (value == TEST_SECRET_KEY or _is_placeholder(value)):
        raise _refusal("PAYWRIGHT_SECRET_KEY", "is a known example", MAKE_SECRET_KEY)
    if len(value) < _MIN_SECRET_KEY or len(set(value)) < 10:
        raise _refusal(
            "PAYWRIGHT_SECRET_KEY", f"is shorter than {_MIN_SECRET_KEY} characters or monotonous", MAKE_SECRET_KEY
        )
    return value


def read_master_keys(
    entries: Sequence[str], *, secret_key: str, known_are_allowed: bool = False
) -> tuple[MasterKey, ...]:
    """The key ring, in order: the first encrypts, all open. Each entry is `keyid:base64 of 32 or more random bytes`.

    Raises ImproperlyConfigured when there is none, or when one is malformed, short, not random, a known example, given
    twice, or made of `secret_key`.
    """
    if not entries:
        raise _refusal("PAYWRIGHT_MASTER_KEYS", "is not set", MAKE_MASTER_KEY)
    if not known_are_allowed and any(entry in TEST_MASTER_KEYS or _is_placeholder(entry) for entry in entries):
        raise _refusal("PAYWRIGHT_MASTER_KEYS", "holds a known example", MAKE_MASTER_KEY)
    keys: dict[str, bytes] = {}
    for position, entry in enumerate(entries, start=1):
        key_id, key = _read_master_key(entry, position)
        if key_id in keys or key in keys.values():
            raise _refusal("PAYWRIGHT_MASTER_KEYS", f"names a key or key id twice ({key_id})", MAKE_MASTER_KEY)
        if key in _KNOWN_KEYS and not known_are_allowed:
            raise _refusal("PAYWRIGHT_MASTER_KEYS", "holds a known example", MAKE_MASTER_KEY)
        if _is_made_of(secret_key, entry, key):
            raise _refusal("PAYWRIGHT_MASTER_KEYS", "repeats PAYWRIGHT_SECRET_KEY", MAKE_MASTER_KEY)
        keys[key_id] = key
    return tuple(MasterKey(entry) for entry in entries)


def _read_master_key(entry: str, position: int) -> tuple[str, bytes]:
    """The id and the raw bytes of one entry."""
    key_id, _, encoded = entry.partition(":")
    key = _decode(encoded)
    if not _KEY_ID.fullmatch(key_id) or not key:
        raise _refusal(
            "PAYWRIGHT_MASTER_KEYS", f"has an entry (number {position}) that is not keyid:base64", MAKE_MASTER_KEY
        )
    if len(key) < _MIN_MASTER_KEY_BYTES:
        raise _refusal("PAYWRIGHT_MASTER_KEYS", f"has a key ({key_id}) of fewer than 32 bytes", MAKE_MASTER_KEY)
    if len(set(key)) < _MIN_DIFFERENT_BYTES or set(key) <= _PRINTABLE:
        raise _refusal("PAYWRIGHT_MASTER_KEYS", f"has a key ({key_id}) that is not random bytes", MAKE_MASTER_KEY)
    return key_id, key


def _decode(encoded: str) -> bytes:
    """Both alphabets of base64, padded or not; nothing where it is neither."""
    plain = encoded.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _is_placeholder(value: str) -> bool:
    return any(word in value.lower() for word in PLACEHOLDERS)


def _is_made_of(secret_key: str, entry: str, key: bytes) -> bool:
    """Whether a master key is the secret key itself, in another spelling or hashed."""
    encoded = entry.partition(":")[2]
    secret = secret_key.encode()
    return encoded in secret_key or secret_key in encoded or secret in key or key in _hashes(secret)


def _hashes(secret: bytes) -> Iterable[bytes]:
    return [hashlib.new(name, secret).digest() for name in ("sha256", "sha384", "sha512", "sha3_256", "blake2b")]


def _refusal(setting: str, problem: str, command: str) -> ImproperlyConfigured:
    return ImproperlyConfigured(f"{setting} {problem}. Make a good one with: {command}")
