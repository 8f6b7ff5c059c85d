"""Which files are where: the folder of a run, and the home of its servers.

`run_dir` is the folder that users name (`.run`, or a temporary one of a test run). `home` is where data and logs are:
the same folder, except for root, whose servers run as another user.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from core.embedded.errors import EmbeddedError
from core.embedded.locks import EXCLUSIVE, is_still_at, open_lock, try_lock, wait_for_lock

STOP_TIMEOUT_SECONDS = 30.0
DURABLE, THROW_AWAY = "durable", "throw-away"  # what becomes of a run's data; words of the keeper's command line
NOBODY = 65534  # where the machine has no such name: what Linux calls the overflow user


@dataclass(frozen=True, slots=True)
class RunDir:
    """The files of one run. The package's docstring says what each is for."""

    path: Path

    @property
    def lease(self) -> Path:
        return self.path / "lease"

    @property
    def start_lock(self) -> Path:
        return self.path / "start.lock"

    @property
    def keeper_lock(self) -> Path:
        return self.path / "keeper.lock"

    @property
    def keeper_log(self) -> Path:
        return self.path / "keeper.log"

    @property
    def servers(self) -> Path:
        return self.path / "servers.json"

    @property
    def wanted(self) -> Path:
        return self.path / "wanted"

    @property
    def home(self) -> Path:
        return self.path / "home"


@dataclass(frozen=True, slots=True)
class ServiceUser:
    """Whom the servers run as when we are root."""

    uid: int
    gid: int


def service_user() -> ServiceUser | None:
    """None for an ordinary user, whose servers run as that user."""
    if os.geteuid() != 0:
        return None
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return ServiceUser(uid=NOBODY, gid=NOBODY)
    return ServiceUser(uid=entry.pw_uid, gid=entry.pw_gid)


def write_private(path: Path, text: str, *, durable: bool) -> None:
    """Replace a file in one step, readable by its owner only. `durable`: on disk before the name points to it."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)


def make_private(path: Path) -> None:
    """Create a folder for its owner alone; parents get the modes they always get. An existing one is left as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)


def settle(place: RunDir, user: ServiceUser | None, *, durable: bool) -> Path:
    """The home of this run's servers, made if there is none. Called by the keeper, which is the only one of its run."""
    if user is None:
        return place.path
    home = _recorded_home(place)
    if home is None:
        _remove_orphans(place)
        home = Path(tempfile.mkdtemp(prefix=_home_prefix(place), dir=_enterable_folder(durable=durable)))
        write_private(home / "belongs_to", str(place.path), durable=durable)
        write_private(place.home, str(home), durable=durable)
    os.chown(home, 0, user.gid)
    home.chmod(0o710)  # the servers may pass through, others not even that
    return home


def remove(run_dir: Path) -> None:
    """Delete a run's folder with its databases, once its last user has left. Raises EmbeddedError if one stays."""
    _remove(run_dir, timeout_seconds=STOP_TIMEOUT_SECONDS)


def remove_if_unused(run_dir: Path) -> bool:
    """Delete a run's folder if nobody holds its lease; says whether it did."""
    try:
        return _remove(run_dir, timeout_seconds=0)
    except EmbeddedError:
        return False


def _remove(run_dir: Path, *, timeout_seconds: float) -> bool:
    place = RunDir(run_dir.resolve())
    if not place.lease.exists():
        return False
    descriptor = open_lock(place.lease)
    try:
        wait_for_lock(descriptor, EXCLUSIVE, timeout_seconds=timeout_seconds, path=place.lease)
        if not is_still_at(descriptor, place.lease):
            return False
        if (home := _recorded_home(place)) is not None:
            _remove_tree(home)
        _remove_tree(place.path)
    finally:
        os.close(descriptor)
    return True


def _remove_tree(path: Path) -> None:
    # The servers of a killed keeper may still be writing their last words; that takes them a moment.
    for _ in range(20):
        shutil.rmtree(path, ignore_errors=True)
        if not path.exists():
            return
        time.sleep(0.2)
    raise EmbeddedError(f"{path} could not be removed.")


def _home_prefix(place: RunDir) -> str:
    return f"paywright-{hashlib.sha256(os.fsencode(place.path)).hexdigest()[:12]}-"


def _recorded_home(place: RunDir) -> Path | None:
    """The home of this folder, if it is still there and was made for this one (and not for one it was copied from)."""
    try:
        home = Path(place.home.read_text(encoding="utf-8"))
        return home if _is_ours(home) and (home / "belongs_to").read_text(encoding="utf-8") == str(place.path) else None
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _remove_orphans(place: RunDir) -> None:
    """Homes of a folder that stood at the same path and was deleted: its data must not come back in a new one."""
    for folder in _candidate_folders(durable=True):
        for home in folder.glob(f"{_home_prefix(place)}*"):
            if _is_ours(home) and (home / "belongs_to").is_file():
                lock = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
                if try_lock(lock, EXCLUSIVE):  # else its keeper still lives
                    _remove_tree(home)
                os.close(lock)


def _candidate_folders(*, durable: bool) -> list[Path]:
    named = [os.environ["TMPDIR"]] if os.environ.get("TMPDIR") else []
    # Safe, though everybody may write there: the home in it is made by mkdtemp. /var/tmp outlives a reboot.
    usual = ["/var/tmp", "/tmp"] if durable else ["/tmp", "/var/tmp"]  # noqa: S108
    folders = [Path(name).resolve() for name in [*named, *usual, tempfile.gettempdir()]]
    return [folder for folder in dict.fromkeys(folders) if folder.is_dir()]


def _enterable_folder(*, durable: bool) -> Path:
    for folder in _candidate_folders(durable=durable):
        may_enter = all(parent.stat().st_mode & 0o001 for parent in [folder, *folder.parents])
        may_execute = not os.statvfs(folder).f_flag & os.ST_NOEXEC
        if may_enter and may_execute and os.access(folder, os.W_OK):
            return folder
    raise EmbeddedError(
        "Found no temporary folder that the user nobody may enter and run programs in, as servers started by root "
        "need. Set TMPDIR to one, run as an ordinary user, or set DATABASE_URL and REDIS_URL."
    )
