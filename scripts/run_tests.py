"""What `make test` runs: a browser where one can be had, pytest, and a last word on what was skipped for want of one.

`python -m scripts.run_tests [pytest's arguments]`. With PAYWRIGHT_REQUIRE_BROWSER=1 a missing browser is a failure.
"""

from __future__ import annotations

import os
import subprocess
import sys

from scripts import browser

PROCESSES = "3"  # they wait for the database half of the time


def main(arguments: list[str]) -> int:
    missing = _bring_browser()
    if missing and os.environ.get("PAYWRIGHT_REQUIRE_BROWSER") == "1":
        print(
            f"browser tests are required here (PAYWRIGHT_REQUIRE_BROWSER=1) and cannot run: {missing}", file=sys.stderr
        )
        return browser.NOT_FOUND
    spread = [] if any(one.startswith(("-n", "--numprocesses")) for one in arguments) else ["-n", PROCESSES]
    code = subprocess.run([sys.executable, "-m", "pytest", *spread, *arguments], check=False).returncode
    if missing:
        print(f"browser tests were SKIPPED: {missing}")
    return code


def _bring_browser() -> str | None:
    """Leave the browser's path in CHROMIUM for the tests; the reason when there is none."""
    path = browser.find()
    if path is None:
        print("no Chromium found, installing one for the browser tests ...", flush=True)
        problems = browser.install()
        path = browser.find()
        if path is None:
            return "no Chromium here and none could be installed (" + "; ".join(problems) + ")"
    os.environ["CHROMIUM"] = path
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
