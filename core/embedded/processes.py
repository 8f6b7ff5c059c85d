"""Child processes that end with their parent."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from core.embedded.places import ServiceUser

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
INHERITED_VARIABLES: Final = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "SYSTEMROOT")

# Loaded here and not in the child: between fork and exec, loading a library may wait for a lock that nobody will free.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def ends_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn` that has the kernel send `death_signal` when the thread that started the child is gone.

    Must run after a change of user, which clears it: `subprocess` keeps that order.
    """
    parent = os.getpid()

    def ask_kernel() -> None:
        if _libc is None:
            return
        _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return ask_kernel


def start_server(
    command: Sequence[str | Path],
    *,
    user: ServiceUser | None,
    home: Path,
    log: Path,
    death_signal: signal.Signals,
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Start a server (or initdb) as `user`, in `home`, writing to `log`; it ends when we do."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        return subprocess.Popen(
            command,
            cwd=home,
            env=clean_environment(home),
            stdin=stdin,
            stdout=descriptor,
            stderr=subprocess.STDOUT,
            umask=0o077,
            preexec_fn=ends_with_parent(death_signal),
            **_as_user(user),
        )
    finally:
        os.close(descriptor)


def clean_environment(home: Path) -> Mapping[str, str]:
    """What a server gets to see: no PGPORT or PGOPTIONS of the person at the terminal, messages in English."""
    inherited = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
    return {**inherited, "HOME": str(home), "LC_ALL": "C", "TZ": "UTC"}


def stop(process: subprocess.Popen[bytes], signals: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn and wait that many seconds for the process to end, at last by SIGKILL."""
    for number, seconds in [*signals, (signal.SIGKILL, 5.0)]:
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            continue


def tail(log: Path, *, characters: int = 2000) -> str:
    """The end of a log, for an error message."""
    try:
        return log.read_text(encoding="utf-8", errors="replace")[-characters:].strip()
    except FileNotFoundError:
        return ""


def _as_user(user: ServiceUser | None) -> dict[str, Any]:
    return {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}
