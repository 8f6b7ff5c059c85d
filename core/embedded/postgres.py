"""The PostgreSQL of a run: made once, started on a free port of the loopback address, asked for a password.

Other people of the machine can reach a loopback port, so there is no trust authentication, and no Unix socket either:
the path of one may not be longer than 107 bytes, which a project's folder easily is.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from core.embedded.binaries import Programs, find_postgres, major_version
from core.embedded.errors import EmbeddedError
from core.embedded.places import ServiceUser, write_private
from core.embedded.ports import free_port
from core.embedded.processes import start_server, stop, tail

ROLE: Final = "paywright"
DATABASE: Final = "paywright"
MAKE_TIMEOUT_SECONDS: Final = 120.0
START_TIMEOUT_SECONDS: Final = 60.0
TRIES: Final = 5  # a port can be taken between our look and its start; backends of a killed server need a moment to go

SETTINGS: Final = (
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "shared_buffers=128MB",
    "timezone=UTC",
    "log_timezone=UTC",
    "logging_collector=off",
)
# What is thrown away after the run need not survive a power cut.
THROW_AWAY_SETTINGS: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server. `url` works for psycopg, psql and pgbench."""

    process: subprocess.Popen[bytes]
    url: str
    durable: bool

    def stop(self) -> None:
        gently = (signal.SIGINT, 15.0)  # "fast": disconnects everybody, writes a checkpoint
        at_once = (signal.SIGQUIT, 5.0)  # "immediate": no checkpoint, the next start recovers
        stop(self.process, [gently, at_once] if self.durable else [at_once])


def start_postgres(*, home: Path, user: ServiceUser | None, durable: bool) -> Postgres:
    """Make the databases if there are none, start the server, wait until it takes connections. Raises EmbeddedError."""
    programs = find_postgres()
    if user is not None:
        programs = programs.copied_to(home / "programs")
    # A data folder can be read by its own major version only, so another one gets another folder.
    data = home / f"postgres-{major_version(programs.folder / 'postgres')}"
    log = home / "postgres.log"
    log.unlink(missing_ok=True)
    password = _password(home, durable=durable)
    if not data.is_dir():
        _make_data(programs, data=data, home=home, user=user, password=password, log=log, durable=durable)
    for _ in range(TRIES):
        _clear_stale_lock(data)
        port = free_port()
        process = _start(programs, data=data, home=home, user=user, log=log, port=port, durable=durable)
        if _becomes_ready(process, data):
            url = f"postgresql://{ROLE}:{quote(password, safe='')}@127.0.0.1:{port}/{DATABASE}"
            return Postgres(process=process, url=url, durable=durable)
        time.sleep(0.3)
    raise EmbeddedError(f"PostgreSQL did not start. Its log, {log}, ends with:\n{tail(log)}")


def _start(
    programs: Programs, *, data: Path, home: Path, user: ServiceUser | None, log: Path, port: int, durable: bool
) -> subprocess.Popen[bytes]:
    settings = [f"port={port}", *SETTINGS, *(() if durable else THROW_AWAY_SETTINGS)]
    command = [programs.folder / "postgres", "-D", data, *(part for one in settings for part in ("-c", one))]
    return start_server(command, user=user, home=home, log=log, death_signal=signal.SIGQUIT)


def _becomes_ready(process: subprocess.Popen[bytes], data: Path) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while process.poll() is None:
        lines = _lock_lines(data)
        # Line 1 is the server's process id, line 8 its state. Only our own process makes us believe it.
        if lines[:1] == [str(process.pid)] and len(lines) >= 8 and lines[7] == "ready":
            return True
        if time.monotonic() > deadline:
            stop(process, [(signal.SIGQUIT, 5.0)])
        time.sleep(0.05)
    return False


def _make_data(
    programs: Programs, *, data: Path, home: Path, user: ServiceUser | None, password: str, log: Path, durable: bool
) -> None:
    """Make the data folder under another name first: one that was left half made is never taken for a whole one."""
    new = data.with_name(f"{data.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    secret = home / "initdb.password"
    write_private(secret, password, durable=False)
    if user is not None:
        os.chown(new, user.uid, user.gid)
        os.chown(secret, user.uid, user.gid)
    common: list[str | Path] = [
        "-D",
        new,
        f"--username={ROLE}",
        "--auth=scram-sha-256",
        f"--pwfile={secret}",
        "--encoding=UTF8",
    ]
    if not durable:
        common.append("--no-sync")
    try:
        for locale in ("C.UTF-8", "C"):  # the first is not everywhere
            command = [programs.folder / "initdb", *common, f"--locale={locale}"]
            if _run(command, home=home, user=user, log=log) == 0:
                break
        else:
            raise EmbeddedError(f"initdb failed. Its log, {log}, ends with:\n{tail(log)}")
    finally:
        secret.unlink()
    create = f"CREATE DATABASE {DATABASE} OWNER {ROLE};\n".encode()
    if _run([programs.folder / "postgres", "--single", "-D", new, "postgres"], create, home=home, user=user, log=log):
        raise EmbeddedError(f"The database could not be made. The log, {log}, ends with:\n{tail(log)}")
    new.rename(data)


def _run(command: list[str | Path], text: bytes = b"", *, home: Path, user: ServiceUser | None, log: Path) -> int:
    process = start_server(command, user=user, home=home, log=log, death_signal=signal.SIGKILL, stdin=subprocess.PIPE)
    try:
        process.communicate(text, timeout=MAKE_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return process.returncode


def _password(home: Path, *, durable: bool) -> str:
    """Kept beside the data, because it lives as long as they do."""
    path = home / "postgres.password"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(24), durable=durable)
    return path.read_text(encoding="utf-8")


def _lock_lines(data: Path) -> list[str]:
    try:
        return [line.strip() for line in (data / "postmaster.pid").read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return []


def _clear_stale_lock(data: Path) -> None:
    """Deal with the lock file of a server that did not end properly (kill -9, power cut).

    PostgreSQL itself takes over a file whose process is gone. It refuses while any process has that number, as one may
    after a restart of the machine; and where no death signal exists, the old server may really still run.
    """
    lines = _lock_lines(data)
    try:
        pid = int(lines[0])
    except (IndexError, ValueError):  # cut short: an empty file would stop the start
        (data / "postmaster.pid").unlink(missing_ok=True)
        return
    if not _is_alive(pid):
        return
    if _works_in(pid, data):
        _end_orphan(pid)
    else:
        (data / "postmaster.pid").unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _works_in(pid: int, data: Path) -> bool:
    """Whether this process is a server on that data folder, which is a PostgreSQL server's working directory."""
    try:
        return Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:
        pass
    try:  # no /proc: ask for the command line, which names the folder
        said = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return str(data) in said.stdout


def _end_orphan(pid: int) -> None:
    for number in (signal.SIGQUIT, signal.SIGKILL):
        deadline = time.monotonic() + 6.0  # PostgreSQL itself gives its children 5 s
        while _is_alive(pid) and time.monotonic() < deadline:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                return
            time.sleep(0.1)
