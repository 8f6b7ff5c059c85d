"""A pytest plugin (`-p tests.plugin_servers`): a PostgreSQL and a Redis for this test run alone.

They are started before pytest-django reads the settings, in a temporary folder that is removed at the end, unless
DATABASE_URL and REDIS_URL name servers. The workers of pytest-xdist inherit both from the process that started them.
What a run left behind that was killed with -9 is removed by the next one.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from core import embedded

PREFIX = "paywright-test-"
VARIABLES = ("DATABASE_URL", "REDIS_URL")
TIME_TO_TAKE_A_LEASE_SECONDS = 3600  # a younger folder without a lease belongs to a run that is just starting

# Options after which no test runs.
NO_TEST_RUNS = ("collectonly", "help", "version", "showfixtures", "show_fixtures_per_test", "markers", "cacheshow")


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    # A wrapper, since among those that ask to be first pytest-django would come before us.
    options = early_config.known_args_namespace
    if not any(getattr(options, name, None) for name in NO_TEST_RUNS):
        start_servers(early_config)
    take_a_redis_of_my_own()
    return (yield)


def take_a_redis_of_my_own() -> None:
    """One numbered database of Redis for each worker of pytest-xdist, as it has a PostgreSQL database of its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if worker.startswith("gw") and os.environ.get("REDIS_URL"):
        address = urlsplit(os.environ["REDIS_URL"])
        number = 1 + int(worker.removeprefix("gw")) % 15
        os.environ["REDIS_URL"] = urlunsplit(address._replace(path=f"/{number}"))


def start_servers(config: pytest.Config) -> None:
    """Start what the environment does not name, and stop and remove it when pytest is done, also after Ctrl-C."""
    missing = [name for name in VARIABLES if not os.environ.get(name)]
    if not missing:
        return
    remove_leftovers(Path(tempfile.gettempdir()))
    run_dir = Path(tempfile.mkdtemp(prefix=PREFIX))
    config.add_cleanup(lambda: _stop_servers(run_dir, missing))
    try:
        embedded.ensure_environment(run_dir, durable=False)
    except embedded.EmbeddedError as error:
        raise pytest.UsageError(str(error)) from error


def _stop_servers(run_dir: Path, variables: list[str]) -> None:
    for name in variables:
        os.environ.pop(name, None)
    embedded.release(run_dir)
    embedded.remove(run_dir)
    shutil.rmtree(run_dir, ignore_errors=True)  # it is still there if no lease was ever taken


def remove_leftovers(folder: Path) -> None:
    """Remove the folders of our own killed runs: those whose lease nobody holds."""
    for run_dir in folder.glob(f"{PREFIX}*"):
        try:
            found = run_dir.lstat()
        except FileNotFoundError:  # another run was faster
            continue
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            continue
        is_old = time.time() - found.st_mtime > TIME_TO_TAKE_A_LEASE_SECONDS
        if not embedded.remove_if_unused(run_dir) and is_old and not (run_dir / "lease").exists():
            shutil.rmtree(run_dir, ignore_errors=True)
