"""File locks (`flock`) that the kernel frees when their holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.embedded.errors import EmbeddedError

SHARED = fcntl.LOCK_SH
EXCLUSIVE = fcntl.LOCK_EX
POLL_SECONDS = 0.05


def open_lock(path: Path) -> int:
    """Open (or create, readable by its owner only) a lock file. The descriptor does not survive exec."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def try_lock(descriptor: int, kind: int) -> bool:
    """Take a lock if it is free now. Closing the last copy of the descriptor gives it back."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_for_lock(descriptor: int, kind: int, *, timeout_seconds: float, path: Path) -> None:
    """Take a lock, waiting for it. Raises EmbeddedError after `timeout_seconds`."""
    # Polled, not blocking: a signal handler would have to break a blocking flock, and that is for the main thread only.
    deadline = time.monotonic() + timeout_seconds
    while not try_lock(descriptor, kind):
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{path} stayed locked for {timeout_seconds:.0f} s; see keeper.log beside it.")
        time.sleep(POLL_SECONDS)


def is_still_at(descriptor: int, path: Path) -> bool:
    """Whether `path` still is the file that was opened: its folder may have been removed while we waited for it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


@contextmanager
def exclusive(path: Path, *, timeout_seconds: float) -> Iterator[None]:
    descriptor = open_lock(path)
    try:
        wait_for_lock(descriptor, EXCLUSIVE, timeout_seconds=timeout_seconds, path=path)
        yield
    finally:
        os.close(descriptor)
