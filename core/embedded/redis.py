"""The Redis of a run: started on a free port of the loopback address, asked for a password, keeps nothing on disk.

The database is the mailbox and Redis the doorbell: what it knew may be lost, so there is nothing to save between runs.
"""

from __future__ import annotations

import secrets
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.embedded.binaries import find_redis, redis_program
from core.embedded.errors import EmbeddedError
from core.embedded.places import ServiceUser
from core.embedded.ports import free_port
from core.embedded.processes import start_server, stop, tail

START_TIMEOUT_SECONDS: Final = 30.0
TRIES: Final = 5

CONFIGURATION: Final = """\
bind 127.0.0.1
port {port}
requirepass {password}
save ""
appendonly no
maxmemory-policy noeviction
daemonize no
"""


@dataclass(frozen=True, slots=True)
class Redis:
    """A running server."""

    process: subprocess.Popen[bytes]
    url: str

    def stop(self) -> None:
        stop(self.process, [(signal.SIGTERM, 3.0)])


def start_redis(*, home: Path, user: ServiceUser | None) -> Redis:
    """Start the server and wait until it answers. Raises EmbeddedError."""
    programs = find_redis()
    if user is not None:
        programs = programs.copied_to(home / "programs")
    log = home / "redis.log"
    log.unlink(missing_ok=True)
    for _ in range(TRIES):
        port, password = free_port(), secrets.token_hex(24)
        process = _start(redis_program(programs), home=home, user=user, log=log, port=port, password=password)
        if _becomes_ready(process, port=port, password=password):
            return Redis(process=process, url=f"redis://:{password}@127.0.0.1:{port}/0")
    raise EmbeddedError(f"Redis did not start. Its log, {log}, ends with:\n{tail(log)}")


def _start(
    program: Path, *, home: Path, user: ServiceUser | None, log: Path, port: int, password: str
) -> subprocess.Popen[bytes]:
    # "-" has it read its configuration from stdin: an argument would show the password in the process list.
    process = start_server(
        [program, "-"], user=user, home=home, log=log, death_signal=signal.SIGKILL, stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    try:
        process.stdin.write(CONFIGURATION.format(port=port, password=password).encode())
        process.stdin.close()
    except BrokenPipeError:
        pass  # it ended already; the log says why
    return process


def _becomes_ready(process: subprocess.Popen[bytes], *, port: int, password: str) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while process.poll() is None:
        if _answers(port=port, password=password):
            return True
        if time.monotonic() > deadline:
            stop(process, [])
        time.sleep(0.05)
    return False


def _answers(*, port: int, password: str) -> bool:
    """Whether the server on this port takes our password: so it is ours, and not another that took the port first."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(f"AUTH {password}\r\n".encode())
            return connection.recv(64) == b"+OK\r\n"
    except OSError:
        return False
