"""The keeper: the process that owns the servers of one folder and stops them when their last user is gone.

`python -m core.embedded.keeper RUN_DIR KEEPER_LOCK_DESCRIPTOR durable|throw-away`, started by `acquire` with the
keeper's lock already taken, which it inherits. What it has to say goes to `keeper.log`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType
from typing import Final, Protocol

from core.embedded.errors import EmbeddedError
from core.embedded.locks import EXCLUSIVE, SHARED, open_lock, try_lock
from core.embedded.places import DURABLE, RunDir, ServiceUser, service_user, settle, write_private
from core.embedded.postgres import start_postgres
from core.embedded.redis import start_redis

TICK_SECONDS: Final = 0.1


class Server(Protocol):
    """What the keeper knows of a running server."""

    @property
    def process(self) -> subprocess.Popen[bytes]: ...
    @property
    def url(self) -> str: ...
    def stop(self) -> None: ...


class Keeper:
    """Starts what is wanted, until nobody holds the lease."""

    def __init__(self, place: RunDir, *, durable: bool) -> None:
        self._place = place
        self._durable = durable
        self._user: ServiceUser | None = service_user()
        self._lease = open_lock(place.lease)
        self._servers: dict[str, Server] = {}
        self._told_to_stop = False

    def run(self) -> None:
        """Raises EmbeddedError when a server does not start or has ended by itself; the others are stopped then."""
        signal.signal(signal.SIGTERM, self._stop_soon)
        home = settle(self._place, self._user, durable=self._durable)
        lock = os.open(home, os.O_RDONLY | os.O_DIRECTORY)  # says that this home is in use
        try_lock(lock, SHARED)
        try:
            # The exclusive lease is kept to the end of the process, so nobody can arrive while the servers stop.
            while not self._told_to_stop and not try_lock(self._lease, EXCLUSIVE):
                self._start_what_is_wanted(home)
                self._check_that_all_run()
                time.sleep(TICK_SECONDS)
        finally:
            self._stop(home)

    def _start_what_is_wanted(self, home: Path) -> None:
        missing = [name for name in _read_names(self._place.wanted) if name not in self._servers]
        starters: Mapping[str, Callable[[], Server]] = {
            "postgres": lambda: start_postgres(home=home, user=self._user, durable=self._durable),
            "redis": lambda: start_redis(home=home, user=self._user),
        }
        for name in missing:
            self._servers[name] = starters[name]()
        if missing:
            self._tell_users()

    def _tell_users(self) -> None:
        urls = {f"{name}_url": server.url for name, server in self._servers.items()}
        write_private(self._place.servers, json.dumps({"keeper_pid": os.getpid(), **urls}), durable=False)

    def _check_that_all_run(self) -> None:
        for name, server in self._servers.items():
            if server.process.poll() is not None:
                raise EmbeddedError(f"{name} has ended by itself; see {name}.log.")

    def _stop(self, home: Path) -> None:
        self._place.servers.unlink(missing_ok=True)  # first, so that nobody is sent to servers that are going
        for server in self._servers.values():
            server.stop()
        shutil.rmtree(home / "programs", ignore_errors=True)

    def _stop_soon(self, _signal: int, _frame: FrameType | None) -> None:
        self._told_to_stop = True


def _read_names(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []


def _detach() -> None:
    """Leave the process that started us, which need not reap us when we end."""
    if os.fork():
        os._exit(0)


def main(arguments: list[str]) -> int:
    run_dir, lock, kind = arguments
    os.set_inheritable(int(lock), False)  # our servers must not hold it
    _detach()
    os.chdir("/")
    try:
        Keeper(RunDir(Path(run_dir)), durable=kind == DURABLE).run()
    except EmbeddedError as error:
        print(error, file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
