"""Finds a Chromium for the browser tests, or installs one: `python -m scripts.browser` prints its path.

Tests call `find()`. Looked for, in this order: the variable CHROMIUM, the usual names on the PATH, Playwright's own
download. Installed: as root on a Debian or Ubuntu by apt, else by Playwright.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

NOT_FOUND: Final = 3  # exit code: no browser here, and none could be installed
NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chromium-headless-shell")
PLAYWRIGHT_NAMES: Final = ("headless_shell", "chrome-headless-shell", "chrome")


def find() -> str | None:
    """Path of a Chromium that answers, or None."""
    return next((str(path) for path in _candidates() if _answers(path)), None)


def install() -> list[str]:
    """Try to bring a browser; what went wrong, one line for each way that was tried."""
    problems = []
    for title, commands in _ways():
        failed = next((problem for command in commands if (problem := _run(command))), None)
        if failed is None and find():
            return []
        problems.append(f"{title}: {failed or 'installed, but it does not start'}")
    return problems


def main() -> int:
    path = find()
    if path is None:
        print("no Chromium found, installing one for the browser tests ...", file=sys.stderr, flush=True)
        problems = install()
        path = find()
        if path is None:
            print("no Chromium: " + "; ".join(problems), file=sys.stderr)
            return NOT_FOUND
    print(path)
    return 0


def _candidates() -> Iterator[Path]:
    named = os.environ.get("CHROMIUM")
    if named:
        yield Path(named)
    yield from (Path(found) for name in NAMES if (found := shutil.which(name)))
    cache = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache" / "ms-playwright")
    for folder in sorted(cache.glob("chromium*"), key=_revision, reverse=True):
        yield from (path for name in PLAYWRIGHT_NAMES for path in sorted(folder.glob(f"*/{name}")))


def _revision(folder: Path) -> int:
    return int((re.findall(r"\d+$", folder.name) or ["0"])[0])


def _answers(path: Path) -> bool:
    """Whether it really starts: a headless shell without its libraries, or snap's stub, does not."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and b"hrom" in done.stdout


def _ways() -> Iterator[tuple[str, list[list[str]]]]:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        get = ["apt-get", "install", "-y", "--no-install-recommends"]
        yield "apt-get", [["apt-get", "update"], [*get, "chromium-headless-shell"]]
        yield "apt-get (whole browser)", [[*get, "chromium"]]
    yield "playwright", [[sys.executable, "-m", "playwright", "install", "chromium-headless-shell"]]


def _run(command: list[str]) -> str | None:
    """None when it worked, else the last line of what it said."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=quiet)
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    said = (done.stderr.strip() or done.stdout.strip() or "failed").splitlines()
    return said[-1].strip() if done.returncode else None


if __name__ == "__main__":
    sys.exit(main())
