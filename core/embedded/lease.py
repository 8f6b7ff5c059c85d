"""The users' side: take the lease, find the keeper or start one, learn the addresses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from core.embedded.binaries import find_postgres, find_redis
from core.embedded.errors import EmbeddedError
from core.embedded.locks import (
    EXCLUSIVE,
    POLL_SECONDS,
    SHARED,
    exclusive,
    is_still_at,
    open_lock,
    try_lock,
    wait_for_lock,
)
from core.embedded.places import DURABLE, THROW_AWAY, RunDir, make_private, write_private
from core.embedded.processes import ends_with_parent, tail

START_TIMEOUT_SECONDS: Final = 180.0
SAY_SO_AFTER_SECONDS: Final = 1.0
PROJECT: Final = Path(__file__).resolve().parents[2]

_held: dict[Path, int] = {}  # the lease descriptors of this process by folder; the kernel closes them at its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to use the servers of a folder, until this process and all that share the descriptor have ended."""

    run_dir: Path
    descriptor: int
    keeper_pid: int
    database_url: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)


def acquire(run_dir: Path, *, want_postgres: bool = True, want_redis: bool = True, durable: bool = True) -> Lease:
    """Servers of this folder, started if they do not run. Asking again in one process gives the same servers.

    `durable=False` is for data that is thrown away after the run: no fsync. Whoever starts the servers decides that.
    Raises EmbeddedError, with a message for the person at the terminal.
    """
    names = [name for name, wanted in (("postgres", want_postgres), ("redis", want_redis)) if wanted]
    place = RunDir(run_dir.resolve())
    try:
        descriptor = _hold(place)
        with exclusive(place.start_lock, timeout_seconds=START_TIMEOUT_SECONDS):
            servers = _find_or_start(place, names, durable=durable)
    except PermissionError as error:
        raise EmbeddedError(
            f"{error.filename} belongs to another user. Remove {place.path} or set DATABASE_URL and REDIS_URL."
        ) from error
    return Lease(
        run_dir=place.path,
        descriptor=descriptor,
        keeper_pid=int(servers["keeper_pid"]),
        database_url=servers.get("postgres_url") if want_postgres else None,
        redis_url=servers.get("redis_url") if want_redis else None,
    )


def release(run_dir: Path) -> None:
    """Give the lease back before the end of the process. Children that share it still hold it."""
    descriptor = _held.pop(run_dir.resolve(), None)
    if descriptor is not None:
        os.close(descriptor)  # not LOCK_UN, which would take it from the children too


def ensure_environment(run_dir: Path, *, durable: bool = True) -> Lease | None:
    """Set DATABASE_URL and REDIS_URL, each unless it is set, in the environment of this process and its children.

    Starts nothing for a server that is named already, and answers None where both are.
    """
    want_postgres, want_redis = not os.environ.get("DATABASE_URL"), not os.environ.get("REDIS_URL")
    if not want_postgres and not want_redis:
        return None
    lease = acquire(run_dir, want_postgres=want_postgres, want_redis=want_redis, durable=durable)
    if lease.database_url is not None:
        os.environ["DATABASE_URL"] = lease.database_url
    if lease.redis_url is not None:
        os.environ["REDIS_URL"] = lease.redis_url
    return lease


def start_child(
    command: Sequence[str | Path], *, death_signal: signal.Signals = signal.SIGTERM, **options: Any
) -> subprocess.Popen[Any]:
    """Start a program that uses our servers, as a child that shares our leases and ends when we do, also by kill -9.

    Call it from a thread that lives as long as the child shall: the kernel watches that thread. `options` are those of
    `subprocess.Popen`, except `pass_fds` and `preexec_fn`.
    """
    shared = tuple(_held.values())
    return subprocess.Popen(command, pass_fds=shared, preexec_fn=ends_with_parent(death_signal), **options)


def _hold(place: RunDir) -> int:
    """The shared lock, waiting for a keeper that is on its way out. What is held already is kept."""
    held = _held.get(place.path)
    if held is not None and is_still_at(held, place.lease):
        return held
    release(place.path)
    while True:
        make_private(place.path)
        descriptor = open_lock(place.lease)
        wait_for_lock(descriptor, SHARED, timeout_seconds=START_TIMEOUT_SECONDS, path=place.lease)
        if is_still_at(descriptor, place.lease):
            _held[place.path] = descriptor
            return descriptor
        os.close(descriptor)  # the folder was removed while we waited


def _find_or_start(place: RunDir, names: Iterable[str], *, durable: bool) -> dict[str, str]:
    """Addresses from the living keeper. Called with the lease and the start lock held."""
    expected = {"keeper_pid", *(f"{name}_url" for name in names)}
    started, said, began = False, False, time.monotonic()
    while True:
        lock = open_lock(place.keeper_lock)
        if try_lock(lock, EXCLUSIVE):  # so there is no keeper
            if started:
                raise EmbeddedError(tail(place.keeper_log) or f"The keeper of {place.path} ended without a word.")
            place.servers.unlink(missing_ok=True)  # of a keeper that was killed
            _want(place, names)
            _start_keeper(place, lock, durable=durable)
            started = True
        os.close(lock)
        servers = _read_servers(place)
        if expected <= servers.keys():
            return servers
        if not started:
            _want(place, [*names, *(key.removesuffix("_url") for key in servers if key.endswith("_url"))])
        waited = time.monotonic() - began
        if waited > START_TIMEOUT_SECONDS:
            raise EmbeddedError(f"The servers in {place.path} did not start in {waited:.0f} s; see keeper.log there.")
        if waited > SAY_SO_AFTER_SECONDS and not said:
            print(f"starting PostgreSQL and Redis in {place.path} ...", file=sys.stderr, flush=True)
            said = True
        time.sleep(POLL_SECONDS)


def _want(place: RunDir, names: Iterable[str]) -> None:
    """Ask the keeper. Missing programs raise EmbeddedError here, and not there, where others have servers running."""
    finders = {"postgres": find_postgres, "redis": find_redis}
    for name in names:
        finders[name]()
    text = " ".join(sorted(set(names)))
    if not place.wanted.exists() or place.wanted.read_text(encoding="utf-8") != text:
        write_private(place.wanted, text, durable=False)


def _read_servers(place: RunDir) -> dict[str, str]:
    try:
        servers: dict[str, str] = json.loads(place.servers.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return servers


def _start_keeper(place: RunDir, lock: int, *, durable: bool) -> None:
    """Start the keeper and give it the lock that we took for it, so that there is no moment without a holder."""
    kind = DURABLE if durable else THROW_AWAY
    command = [sys.executable, "-m", "core.embedded.keeper", str(place.path), str(lock), kind]
    search_path = filter(None, [os.environ.get("PYTHONPATH")])
    log = os.open(place.keeper_log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        # Returns at once: the keeper leaves this first process. A session of its own, so that Ctrl-C does not reach it.
        subprocess.run(
            command,
            cwd=PROJECT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), *search_path])},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,
            check=False,
        )
    finally:
        os.close(log)
