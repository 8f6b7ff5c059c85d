"""One developer's machine: plain http on loopback, keys of its own in `.run/keys.json`, every gateway simulated."""

from __future__ import annotations

import secrets
from contextlib import suppress

from settings.base import *  # noqa: F403
from settings.base import BASE_DIR, ENVIRONMENT
from settings.environment import master_key_entries, reveal
from settings.keys import read_master_keys, read_secret_key
from settings.local_keys import LocalKeys, load_or_create

_keys = LocalKeys(reveal(ENVIRONMENT.secret_key) or "", master_key_entries(ENVIRONMENT))
if not all(_keys):
    # A checkout that cannot be written still serves commands that open nothing (explain, help). Without master keys
    # the first thing that needs one refuses, so nothing is ever sealed with a key that will be lost.
    with suppress(OSError):
        _made = load_or_create(BASE_DIR / ".run")
        _keys = LocalKeys(_keys.secret_key or _made.secret_key, _keys.master_keys or _made.master_keys)

SECRET_KEY = read_secret_key(_keys.secret_key or secrets.token_urlsafe(50))
MASTER_KEYS = read_master_keys(_keys.master_keys, secret_key=SECRET_KEY) if _keys.master_keys else ()

DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]", *ENVIRONMENT.allowed_hosts]
SIMULATOR_URL = ENVIRONMENT.simulator_url
GATEWAY_HOSTS = ENVIRONMENT.gateway_hosts
