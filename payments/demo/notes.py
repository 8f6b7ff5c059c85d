"""What a running demo leaves in its folder for people and programs: `demo.json`, and a lock that says that it runs.

No Django in here: `manage.py` asks before settings are read.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from core.embedded.locks import EXCLUSIVE, open_lock, try_lock
from core.embedded.places import write_private

FILE_NAME: Final = "demo.json"
LAST_NAME: Final = "demo.last.json"
LOCK_NAME: Final = "demo.lock"
_LOCK_SECONDS: Final = 0.5  # somebody who only looks holds the lock for an instant


def write(folder: Path, content: Mapping[str, Any]) -> Path:
    """Replace demo.json in one step, readable by its owner alone."""
    path = folder / FILE_NAME
    write_private(path, json.dumps(content, indent=2) + "\n", durable=True)
    return path


def set_aside(folder: Path) -> dict[str, Any]:
    """What the last demo wrote. Its demo.json goes: whoever waits for ours must not be given addresses of the past."""
    if (folder / FILE_NAME).exists():
        (folder / FILE_NAME).replace(folder / LAST_NAME)
    return read(folder, LAST_NAME)


def read(folder: Path, name: str = FILE_NAME) -> dict[str, Any]:
    """The content of the file; empty where there is nothing, or nothing readable."""
    try:
        content = json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def take_lock(folder: Path) -> int | None:
    """The descriptor of the lock of the one demo that runs in `folder`, None where another one does. The kernel frees
    the lock when this process ends, however it ends."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = open_lock(folder / LOCK_NAME)
    deadline = time.monotonic() + _LOCK_SECONDS
    while not try_lock(descriptor, EXCLUSIVE):
        if time.monotonic() > deadline:
            os.close(descriptor)
            return None
        time.sleep(0.05)
    return descriptor


def environment_beside(folder: Path, *, database_url: str | None) -> dict[str, str]:
    """For a command typed beside a running demo on the same database: where this platform and its gateways are.

    Without it `manage.py sweep` would ask the real gateways about simulated payments. Empty where no demo runs.
    """
    if not (folder / LOCK_NAME).exists():
        return {}
    descriptor = open_lock(folder / LOCK_NAME)
    try:
        is_running = not try_lock(descriptor, EXCLUSIVE)
    finally:
        os.close(descriptor)
    found = read(folder) if is_running else {}
    if not found or found.get("database_url") != database_url:
        return {}
    return {"PAYWRIGHT_PUBLIC_URL": str(found["url"]), "PAYWRIGHT_SIMULATOR_URL": str(found["simulator_url"])}
