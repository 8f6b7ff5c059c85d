"""A bad secret stops the start, the message names the setting and how to make a good one, and never shows the value."""

from __future__ import annotations

import base64
import hashlib
import secrets
import subprocess

import pytest
from django.core.exceptions import ImproperlyConfigured

from core import encryption
from settings.keys import MAKE_MASTER_KEY, MAKE_SECRET_KEY, read_master_keys, read_secret_key
from settings.known_values import TEST_MASTER_KEYS, TEST_SECRET_KEY

# The same in every process: pytest-xdist wants the same names of tests everywhere.
GOOD_SECRET = base64.b64encode(hashlib.sha512(b"good enough for a test").digest()).decode()


def entry(raw: bytes, key_id: str = "k1") -> str:
    return f"{key_id}:{base64.b64encode(raw).decode()}"


def random_entry(key_id: str = "k1") -> str:
    return entry(secrets.token_bytes(32), key_id)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "is not set"),
        ("", "is not set"),
        ("k" * 49, "is shorter than 50 characters or monotonous"),
        ("k" * 80, "is shorter than 50 characters or monotonous"),
        ("django-insecure-" + GOOD_SECRET, "is a known example"),
        ("change-me-" + GOOD_SECRET, "is a known example"),
        (TEST_SECRET_KEY, "is a known example"),
    ],
)
def test_a_bad_secret_key_is_refused_by_name_with_the_command_that_makes_one(value, problem):
    with pytest.raises(ImproperlyConfigured) as refused:
        read_secret_key(value)
    assert str(refused.value) == f"PAYWRIGHT_SECRET_KEY {problem}. Make a good one with: {MAKE_SECRET_KEY}"


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([], "is not set"),
        (["k1"], "has an entry (number 1) that is not keyid:base64"),
        (["k1:not base64!"], "has an entry (number 1) that is not keyid:base64"),
        ([random_entry("a b")], "has an entry (number 1) that is not keyid:base64"),
        ([random_entry(), "k2:"], "has an entry (number 2) that is not keyid:base64"),
        ([entry(secrets.token_bytes(31))], "has a key (k1) of fewer than 32 bytes"),
        ([entry(b"\0" * 32)], "has a key (k1) that is not random bytes"),
        ([entry(b"correct horse battery staple, 1234567")], "has a key (k1) that is not random bytes"),
        ([entry(bytes(range(32)))], "holds a known example"),
        ([TEST_MASTER_KEYS[0]], "holds a known example"),
        ([entry(base64.b64decode(TEST_MASTER_KEYS[0].partition(":")[2]), "other")], "holds a known example"),
        (["k1:change-me"], "holds a known example"),
        ([random_entry("k1"), random_entry("k1")], "names a key or key id twice (k1)"),
        ([entry(hashlib.sha256(GOOD_SECRET.encode()).digest())], "repeats PAYWRIGHT_SECRET_KEY"),
        ([entry(hashlib.sha512(GOOD_SECRET.encode()).digest())], "repeats PAYWRIGHT_SECRET_KEY"),
    ],
)
def test_a_bad_master_key_is_refused_by_name_with_the_command_that_makes_one(entries, problem):
    with pytest.raises(ImproperlyConfigured) as refused:
        read_master_keys(entries, secret_key=GOOD_SECRET)
    assert str(refused.value) == f"PAYWRIGHT_MASTER_KEYS {problem}. Make a good one with: {MAKE_MASTER_KEY}"
    assert all(one.partition(":")[2] not in str(refused.value) for one in entries if len(one) > 12)


def test_the_same_bytes_under_two_ids_are_refused():
    raw = secrets.token_bytes(32)
    with pytest.raises(ImproperlyConfigured, match="twice"):
        read_master_keys([entry(raw, "a"), entry(raw, "b")], secret_key=GOOD_SECRET)


def test_the_secret_key_itself_is_no_master_key():
    raw = secrets.token_bytes(48)
    with pytest.raises(ImproperlyConfigured, match="repeats PAYWRIGHT_SECRET_KEY"):
        read_master_keys([entry(raw)], secret_key=base64.b64encode(raw).decode())


def test_good_keys_keep_their_order_and_show_no_value():
    entries = [random_entry("new"), random_entry("old")]
    keys = read_master_keys(entries, secret_key=GOOD_SECRET)
    assert keys == tuple(entries)
    assert repr(keys) == "(new:..., old:...)"


def test_what_settings_accept_the_encryption_accepts_too(settings):
    raw = secrets.token_bytes(40)
    for text in (base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode().rstrip("=")):
        settings.MASTER_KEYS = read_master_keys([f"k1:{text}"], secret_key=GOOD_SECRET)
        assert [key.key_id for key in encryption.master_keys()] == ["k1"]


def test_the_commands_that_the_messages_name_make_good_values():
    made = [subprocess.run(["sh", "-c", one], capture_output=True, text=True, check=True).stdout.strip() for one in
            (MAKE_SECRET_KEY, MAKE_MASTER_KEY)]  # fmt: skip
    assert read_secret_key(made[0]) == made[0]
    assert read_master_keys([made[1]], secret_key=made[0]) == (made[1],)
