"""Secrets at rest (INVARIANTS §7): AES-256-GCM, a data key per lab, wrapped by a ring of master keys.

A stored value is `v1.<key id>.<nonce>.<ciphertext+tag>`, the last two in base64url without padding. Its associated data
names its place (lab, gateway key, mode, field), so that a value copied to another place does not open. Rotating the
master key wraps the data keys anew; values sealed with them stay as they are, for they never depended on it.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import connection

from core.models.base import lab_id_of
from core.models.labs import Lab

VERSION: Final = "v1"
NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32
_MASTER_INFO: Final = b"paywright master key v1"
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
_PLACE_PART: Final = re.compile(r"[A-Za-z0-9_.:-]{0,120}", re.ASCII)
# A random 32-byte key has fewer than 16 different bytes about once in 10^19 tries; "changeme..." has few.
_FEWEST_DIFFERENT_BYTES: Final = 16
_KNOWN_EXAMPLES: Final = frozenset({bytes(range(32)), bytes(range(1, 33)), bytes(range(31, -1, -1))})


class CannotOpen(Exception):
    """A sealed value does not open here: wrong place, unknown key or damage. Never carries the value."""


class MasterKeysUnusable(Exception):
    """The ring of master keys is missing, malformed, too short or a known example. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value lives, beside its lab. A value opens only at the place it was sealed for.

    `gateway_key` is what identifies the row for good (an id or public id; for rows that are not gateway keys write
    "link:17" or the like), `field` the name of the field.
    """

    gateway_key: str
    mode: str
    field: str


@dataclass(frozen=True, slots=True)
class _Key:
    key_id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"_Key({self.key_id!r})"


# The ring ------------------------------------------------------------------------------------------------------------


def master_keys() -> tuple[_Key, ...]:
    """The ring: the first key encrypts, all decrypt. Raises MasterKeysUnusable."""
    return _read_ring(tuple(getattr(settings, "MASTER_KEYS", None) or ()))


@lru_cache(maxsize=8)
def _read_ring(entries: tuple[str, ...]) -> tuple[_Key, ...]:
    # Settings have checked their values already; they are checked again here because settings can be replaced.
    if not entries:
        raise MasterKeysUnusable("MASTER_KEYS is empty: set at least one entry, keyid:base64 of 32 random bytes")
    ring = tuple(_read_entry(entry) for entry in entries)
    if len({key.key_id for key in ring}) != len(ring):
        raise MasterKeysUnusable("two keys of MASTER_KEYS have the same id: give each an id of its own")
    return ring


def _read_entry(entry: str) -> _Key:
    key_id, _, encoded = entry.partition(":")
    try:
        return _derive(key_id, _decode(encoded.rstrip("=")))
    except ValueError:
        raise MasterKeysUnusable("an entry of MASTER_KEYS is not of the form keyid:base64") from None


def _derive(key_id: str, raw: bytes) -> _Key:
    if not _KEY_ID.fullmatch(key_id):
        raise MasterKeysUnusable("a key of MASTER_KEYS has no usable id: 1 to 32 letters, digits, - and _")
    if len(raw) < KEY_BYTES:
        raise MasterKeysUnusable(f"the master key {key_id!r} is shorter than 32 bytes: make a new one")
    if len(set(raw)) < _FEWEST_DIFFERENT_BYTES or raw in _KNOWN_EXAMPLES:
        raise MasterKeysUnusable(f"the master key {key_id!r} is an example or far from random: make a new one")
    # Derived, so that a longer key counts in full and the bytes in the environment are not themselves an AES key.
    return _Key(key_id, HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=_MASTER_INFO).derive(raw))


# The format ----------------------------------------------------------------------------------------------------------


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)


def _encrypt(key: _Key, associated: str, plaintext: bytes) -> str:
    nonce = os.urandom(NONCE_BYTES)
    sealed = AESGCM(key.secret).encrypt(nonce, plaintext, associated.encode())
    return f"{VERSION}.{key.key_id}.{_encode(nonce)}.{_encode(sealed)}"


def key_id_of(sealed: str) -> str:
    """The id of the key that a stored value names. Raises CannotOpen where it is not of our form."""
    parts = sealed.split(".")
    if len(parts) != 4 or parts[0] != VERSION or not _KEY_ID.fullmatch(parts[1]):
        raise CannotOpen("not a sealed value of version v1")
    return parts[1]


def _decrypt(key: _Key, associated: str, sealed: str) -> bytes:
    _version, key_id, nonce, ciphertext = sealed.split(".")
    try:
        if key_id != key.key_id:
            raise ValueError
        return AESGCM(key.secret).decrypt(_decode(nonce), _decode(ciphertext), associated.encode())
    except (InvalidTag, ValueError):
        raise CannotOpen("the value was not sealed for this place with this key, or is damaged") from None


# Wrapping with the master keys ---------------------------------------------------------------------------------------


def wrap(name: str, secret: bytes) -> str:
    """Seal a key with the first master key. `name` says which key it is and must be given again to unwrap it."""
    return _encrypt(master_keys()[0], f"{VERSION}|wrapped|{name}", secret)


def unwrap(name: str, wrapped: str) -> bytes:
    """Open what `wrap` made with any key of the ring. Raises CannotOpen."""
    key_id = key_id_of(wrapped)
    for key in master_keys():
        if key.key_id == key_id:
            return _decrypt(key, f"{VERSION}|wrapped|{name}", wrapped)
    raise CannotOpen(f"no master key with the id {key_id!r} is configured")


def data_key_name(lab_id: int, key_id: str) -> str:
    return f"data-key|{lab_id}|{key_id}"


def system_secret_name(name: str) -> str:
    return f"system|{name}"


# Data keys of labs ---------------------------------------------------------------------------------------------------

# Unwrapped keys live in the memory of the process. Data keys have random ids, so those to open with never go stale;
# the pointer to a lab's current key may, and sealing with a retired key is harmless, for it still opens.
_opening: dict[tuple[str, int, str], _Key] = {}
_sealing: dict[tuple[str, int], _Key] = {}
_system: dict[tuple[str, str], bytes] = {}


def forget_cached_keys() -> None:
    """Empty the process memory of unwrapped keys. For tests that empty the database, and after a rotation."""
    _opening.clear()
    _sealing.clear()
    _system.clear()


def _database() -> str:
    return str(connection.settings_dict["NAME"])


# `created_at` is the start of the inserting transaction, so a row that is older than ours was committed by somebody:
# only such a row may be remembered. One of our own could still be rolled back, and what it sealed would be lost.
_READ_CURRENT: Final = """
    SELECT key_id, wrapped, created_at < now() FROM core_labdatakey WHERE lab_id = %s AND retired_at IS NULL"""
_ADD_CURRENT: Final = """
    INSERT INTO core_labdatakey (lab_id, key_id, wrapped, created_at) VALUES (%s, %s, %s, now())
    ON CONFLICT (lab_id) WHERE retired_at IS NULL DO NOTHING"""


def _sealing_key(lab_id: int) -> _Key:
    where = (_database(), lab_id)
    if (known := _sealing.get(where)) is not None:
        return known
    key_id, wrapped, committed = _read_or_make_current(lab_id)
    key = _Key(key_id, unwrap(data_key_name(lab_id, key_id), wrapped))
    if committed:
        _sealing[where] = key
    return key


def _read_or_make_current(lab_id: int) -> tuple[str, str, bool]:
    with connection.cursor() as cursor:
        cursor.execute(_READ_CURRENT, [lab_id])
        if (row := cursor.fetchone()) is None:
            key_id = secrets.token_hex(8)
            wrapped = wrap(data_key_name(lab_id, key_id), os.urandom(KEY_BYTES))
            cursor.execute(_ADD_CURRENT, [lab_id, key_id, wrapped])
            cursor.execute(_READ_CURRENT, [lab_id])
            row = cursor.fetchone()
    return str(row[0]), str(row[1]), bool(row[2])


def ensure_data_key(lab: Lab | int) -> None:
    """Make the lab's data key where it has none, so that the first request need not."""
    _sealing_key(lab_id_of(lab))


def _opening_key(lab_id: int, key_id: str) -> _Key:
    where = (_database(), lab_id, key_id)
    if (known := _opening.get(where)) is not None:
        return known
    with connection.cursor() as cursor:
        cursor.execute("SELECT wrapped FROM core_labdatakey WHERE lab_id = %s AND key_id = %s", [lab_id, key_id])
        row = cursor.fetchone()
    if row is None:
        raise CannotOpen("the lab has no data key with the id that the value names")
    return _opening.setdefault(where, _Key(key_id, unwrap(data_key_name(lab_id, key_id), row[0])))


# Sealing and opening -------------------------------------------------------------------------------------------------


def _associated(lab_id: int, place: Place) -> str:
    parts = (str(place.gateway_key), str(place.mode), place.field)
    if not all(_PLACE_PART.fullmatch(part) for part in parts) or not place.field:
        raise ValueError(
            "a place is made of letters, digits and _ . : - and names a field"
        )  # "|" would blur two places
    return "|".join((VERSION, str(lab_id), *parts))


def seal(lab: Lab | int, place: Place, plaintext: str) -> str:
    """Encrypt `plaintext` for `place` in `lab`: `v1.<data key id>.<nonce>.<ciphertext+tag>`.

    Makes the lab's data key when it has none. Raises ValueError for an empty text (store "not set" instead).
    """
    if not plaintext:
        raise ValueError("there is nothing to seal")
    lab_id = lab_id_of(lab)
    return _encrypt(_sealing_key(lab_id), _associated(lab_id, place), plaintext.encode())


def open_(lab: Lab | int, place: Place, sealed: str) -> str:
    """The plaintext of what `seal` made for the same lab and place. Raises CannotOpen, whatever is wrong."""
    lab_id = lab_id_of(lab)
    key_id = key_id_of(sealed)
    try:
        return _decrypt(_opening_key(lab_id, key_id), _associated(lab_id, place), sealed).decode()
    except UnicodeDecodeError:
        raise CannotOpen("the value is not text") from None


# Secrets of the installation -----------------------------------------------------------------------------------------


def system_secret(name: str) -> bytes:
    """32 random bytes that belong to this installation and survive a rotation of the master key. Made at first use."""
    where = (_database(), name)
    if (known := _system.get(where)) is not None:
        return known
    wrapped, committed = _read_or_make_system_secret(name)
    secret = unwrap(system_secret_name(name), wrapped)
    if committed:
        _system[where] = secret
    return secret


_READ_SYSTEM: Final = "SELECT wrapped, created_at < now() FROM core_systemsecret WHERE name = %s"
_ADD_SYSTEM: Final = """
    INSERT INTO core_systemsecret (name, wrapped, created_at) VALUES (%s, %s, now()) ON CONFLICT (name) DO NOTHING"""


def _read_or_make_system_secret(name: str) -> tuple[str, bool]:
    with connection.cursor() as cursor:
        cursor.execute(_READ_SYSTEM, [name])
        if (row := cursor.fetchone()) is None:
            cursor.execute(_ADD_SYSTEM, [name, wrap(system_secret_name(name), os.urandom(KEY_BYTES))])
            cursor.execute(_READ_SYSTEM, [name])
            row = cursor.fetchone()
    return str(row[0]), bool(row[1])
