"""The test suite: keys that stand in the repository, cheap passwords, and crash points, which exist nowhere else."""

from __future__ import annotations

from core import crash
from settings import environment as _environment

_environment.testing()

from settings.base import *  # noqa: E402, F403
from settings.base import DATABASES, ENVIRONMENT  # noqa: E402
from settings.keys import read_master_keys, read_secret_key  # noqa: E402
from settings.known_values import TEST_MASTER_KEYS, TEST_SECRET_KEY  # noqa: E402

SECRET_KEY = read_secret_key(TEST_SECRET_KEY, known_are_allowed=True)
MASTER_KEYS = read_master_keys(TEST_MASTER_KEYS, secret_key=SECRET_KEY, known_are_allowed=True)

CRASH_POINTS_ALLOWED = True
crash.arm(ENVIRONMENT.crash_at)

ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost", "[::1]"]
SIMULATOR_URL = ENVIRONMENT.simulator_url
GATEWAY_HOSTS = ENVIRONMENT.gateway_hosts
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# A pool outlives the test that opened it, and then the test database cannot be dropped.
DATABASES["default"].get("OPTIONS", {}).pop("pool", None)
