"""The keys of one checkout on one machine: made once, kept in `.run/keys.json`, readable by their owner alone.

Losing the file means losing what was encrypted with it, so it is written completely or not at all and never replaced.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

from django.core.exceptions import ImproperlyConfigured

FILE_NAME: Final = "keys.json"


class LocalKeys(NamedTuple):
    """`master_keys` as PAYWRIGHT_MASTER_KEYS spells them."""

    secret_key: str
    master_keys: tuple[str, ...]

    def __repr__(self) -> str:
        return "LocalKeys(...)"


def load_or_create(folder: Path) -> LocalKeys:
    """The keys in `folder`, made where there are none yet; any number of processes may ask at once.

    Raises OSError where the folder cannot be written or read, ImproperlyConfigured where the file is damaged.
    """
    path = folder / FILE_NAME
    if not path.exists():
        folder.mkdir(mode=0o700, exist_ok=True)
        with (folder / "keys.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                _write(path)
    return _read(path)


def _write(path: Path) -> None:
    content = {
        "secret_key": secrets.token_urlsafe(50),
        "master_keys": [f"local-1:{base64.b64encode(os.urandom(32)).decode()}"],
    }
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".keys-")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _read(path: Path) -> LocalKeys:
    try:
        content = json.loads(path.read_text())
        return LocalKeys(str(content["secret_key"]), tuple(str(entry) for entry in content["master_keys"]))
    except (ValueError, KeyError, TypeError):
        raise ImproperlyConfigured(
            f"{path} is damaged. Bring it back from a copy; without one, move the folder {path.parent} away and start "
            "anew: what was encrypted with those keys cannot be opened again."
        ) from None
