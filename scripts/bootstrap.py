"""Builds the environments of a checkout from the locked requirements: `bootstrap.py dev localstripe`.

Needs the standard library alone. A stamp keyed on the requirements and the interpreter makes the second run instant.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = {"dev": ".venv", "localstripe": ".venv-localstripe"}
EVERY = 20  # packages between two signs of life


def main(names: list[str]) -> int:
    unknown = set(names) - set(ENVIRONMENTS)
    if unknown or not names:
        print(f"usage: bootstrap.py {' '.join(ENVIRONMENTS)}", file=sys.stderr)
        return 2
    for name in names:
        folder = ROOT / ENVIRONMENTS[name]
        with Path(f"{folder}.lock").open("w") as lock:  # two makes at once build it once
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not build(folder, ROOT / "requirements" / f"{name}.txt"):
                return 1
    return 0


def build(folder: Path, requirements: Path) -> bool:
    """Bring `folder` to exactly what `requirements` says. True when it is."""
    text = requirements.read_text()
    stamp, wanted = folder / "paywright-stamp", key_of(text)
    if stamp.exists() and stamp.read_text() == wanted and answers(folder):
        return True
    count = len(re.findall(r"^[a-z0-9]", text, re.MULTILINE))
    print(f"setting up {folder.name}: {count} packages for Python {sys.version.split()[0]}", flush=True)
    started = time.monotonic()
    stamp.unlink(missing_ok=True)
    # Always anew: what an older lock had and this one has not must go.
    if not run([sys.executable, "-m", "venv", "--clear", str(folder)]) or not install(folder, requirements, count):
        return False
    stamp.write_text(wanted)
    print(f"  {folder.name} is ready after {time.monotonic() - started:.0f} s", flush=True)
    return True


def key_of(text: str) -> str:
    """Changes with the requirements, the interpreter and the place of the checkout (scripts carry its path)."""
    return hashlib.sha256("\n".join([text, sys.version, sys.executable, str(ROOT)]).encode()).hexdigest()


def answers(folder: Path) -> bool:
    return run([str(folder / "bin" / "python"), "-c", ""], quiet=True)


def install(folder: Path, requirements: Path, count: int) -> bool:
    pip = [str(folder / "bin" / "python"), "-m", "pip"]
    command = [
        *pip,
        "install",
        "--require-hashes",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar",
        "off",
    ]
    command += ["--retries", "10", "-r", str(requirements)]
    last: deque[str] = deque(maxlen=25)
    seen = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            last.append(line.rstrip())
            if line.startswith("Collecting "):
                seen += 1
                if seen % EVERY == 0:
                    print(f"  {seen} of {count}", flush=True)
            elif line.startswith("Installing collected packages"):
                print("  installing", flush=True)
    if process.returncode:
        print("\n".join(last), file=sys.stderr)
        print("pip failed. Nothing is broken: fix what it says and run the same command again.", file=sys.stderr)
    return process.returncode == 0


def run(command: list[str], *, quiet: bool = False) -> bool:
    output = subprocess.DEVNULL if quiet else None
    try:
        return subprocess.run(command, stdout=output, stderr=output, check=False).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
