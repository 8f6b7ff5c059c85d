"""Builds the environments of a checkout from the locked requirements: `bootstrap.py dev localstripe`.

Needs the standard library alone. A stamp keyed on the requirements and the interpreter makes the second run instant.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = {"dev": ".venv", "localstripe": ".venv-localstripe"}
# A gateway of somebody else, for tests alone: beside the environment, so that `make run` does not find it.
NINTH_SOURCE = ROOT / "tests" / "ninth" / "tollbooth"
NINTH = ROOT / ".venv-ninth"
EVERY = 20  # packages between two signs of life


def main(names: list[str]) -> int:
    unknown = set(names) - set(ENVIRONMENTS) - {"ninth"}
    if unknown or not names:
        print(f"usage: bootstrap.py {' '.join(ENVIRONMENTS)} ninth", file=sys.stderr)
        return 2
    for name in names:
        if name == "ninth":
            if not install_ninth(str(ROOT / ENVIRONMENTS["dev"] / "bin" / "python")):
                return 1
            continue
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


def install_ninth(python: str) -> bool:
    """Install the distribution of tests/ninth into a folder of its own, with the pip of `python`. True when it is there.

    Needs no network: it depends on nothing, and setuptools, which builds it, is among the locked packages.
    """
    files = sorted(one for one in NINTH_SOURCE.rglob("*") if one.is_file() and "__pycache__" not in one.parts)
    wanted = hashlib.sha256(b"".join(f"{one}\n".encode() + one.read_bytes() for one in files)).hexdigest()
    stamp = NINTH / "paywright-stamp"
    with Path(f"{NINTH}.lock").open("w") as lock, tempfile.TemporaryDirectory() as scratch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_text() == wanted:
            return True
        source = Path(scratch) / NINTH_SOURCE.name  # a build leaves its traces beside the sources
        shutil.copytree(NINTH_SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.rmtree(NINTH, ignore_errors=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-index"]
        command += ["--no-deps", "--no-build-isolation", "--no-compile", "--target", str(NINTH), str(source)]
        if not run(command):
            return False
        stamp.write_text(wanted)
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
