"""The programs of the demo: started as children that end with it, watched, and stopped together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core import embedded
from core.embedded.locks import EXCLUSIVE, open_lock, try_lock
from core.embedded.ports import free_port
from core.embedded.processes import tail

READY_TIMEOUT_SECONDS: Final = 120.0
STOP_TIMEOUT_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05
_SHOWN_LINES: Final = 15

_ports: list[int] = []  # descriptors of the locks below; the kernel frees them at the end of this process


class ChildDied(Exception):
    """A program ended that should not have. The message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Child:
    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Children:
    """Use it as a context manager: whatever happens inside, no child outlives it."""

    def __init__(self, *, project: Path, logs: Path) -> None:
        self._project = project
        self._logs = logs
        self._children: list[Child] = []

    def __enter__(self) -> Children:
        self._logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """`command` is what follows `python -m`. Its output goes to `<name>.log`."""
        log = self._logs / f"{name}.log"
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            # A session of its own: Ctrl-C reaches us alone, and we stop them in order.
            process = embedded.start_child(
                [sys.executable, "-m", *command], cwd=self._project, env=dict(environment), stdin=subprocess.DEVNULL,
                stdout=descriptor, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        finally:
            os.close(descriptor)
        self._children.append(Child(name, process, log))

    def check(self) -> None:
        """Raises ChildDied where one has ended."""
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                raise ChildDied(f"{child.name} ended with code {code}. The end of {child.log}:\n{_end_of(child.log)}")

    def wait_until(self, is_ready: Callable[[], bool], what: str) -> None:
        """Raises ChildDied where one ends meanwhile, or where it takes too long."""
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                logs = ", ".join(str(child.log) for child in self._children)
                raise ChildDied(f"{what} is not ready after {READY_TIMEOUT_SECONDS:.0f} s; see {logs}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """SIGTERM to all, newest first; what is still there after a while is killed with all that it started."""
        for child in reversed(self._children):
            if child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_SECONDS
        for child in reversed(self._children):
            try:
                child.process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            _kill_group(child.process)
        self._children.clear()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Also where the first of them has ended: its own children may have been left behind."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def _end_of(log: Path) -> str:
    lines = tail(log, characters=20_000).splitlines()[-_SHOWN_LINES:]
    return "\n".join(lines) or "(it said nothing)"


def choose_port(wanted: int, *, must: bool = False) -> int:
    """`wanted` where it is free, else any free one; with `must` raises OSError instead.

    A file lock keeps two demos that start at the same moment from choosing the same.
    """
    if _is_free(wanted) and _reserve(wanted):
        return wanted
    if must:
        raise OSError(f"port {wanted} is in use")
    return free_port()


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # else one that was just closed counts as used
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _reserve(port: int) -> bool:
    try:
        descriptor = open_lock(Path(tempfile.gettempdir()) / f"paywright-{os.getuid()}-port-{port}.lock")
    except OSError:
        return False
    if not try_lock(descriptor, EXCLUSIVE):
        os.close(descriptor)
        return False
    _ports.append(descriptor)
    return True
