"""Secrets that everybody can read because they stand in this repository. Only the test settings take them."""

from __future__ import annotations

import base64
import hashlib
from typing import Final

TEST_SECRET_KEY: Final = "for-tests-only-" + "paywright-never-use-this-anywhere-else-0123456789"


def _test_key(name: str) -> str:
    return f"{name}:{base64.b64encode(hashlib.sha256(f'paywright test key {name}'.encode()).digest()).decode()}"


# Two, so that tests see an old key still open what it sealed.
TEST_MASTER_KEYS: Final = (_test_key("test-b"), _test_key("test-a"))

# Words of examples and templates. A secret that contains one was never replaced.
PLACEHOLDERS: Final = ("change-me", "changeme", "change_me", "replace-me", "example", "django-insecure", "your-secret")
