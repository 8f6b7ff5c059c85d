"""Pins requirements/*.in with hashes into requirements/*.txt, for every platform and both Pythons: what `make lock` runs.

The compiler (uv) lives in an environment of its own, `.venv-lock`. The outcome is refused where it names an address.
`python -m scripts.lock [--upgrade]`
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
NAMES: Final = ("base", "dev", "localstripe")
COMPILER: Final = "uv==0.13.8"
OPTIONS: Final = (
    # The user's own configuration may add a private index, and its hashes would be those of other files.
    "--no-config", "--generate-hashes", "--universal", "--python-version", "3.11",
    "--no-header", "--no-annotate", "--no-emit-index-url", "--quiet",
)  # fmt: skip


def main(arguments: list[str]) -> int:
    python = ROOT / ".venv-lock" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parent.parent)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", COMPILER], check=True)
    for name in NAMES:
        # dev is held to what base has, so that what is tested is what runs.
        held = ["-c", "base.txt"] if name == "dev" else []
        command = [
            str(python),
            "-m",
            "uv",
            "pip",
            "compile",
            *OPTIONS,
            *arguments,
            *held,
            f"{name}.in",
            "-o",
            f"{name}.txt",
        ]
        subprocess.run(command, cwd=ROOT / "requirements", check=True)
    problems = [
        problem for name in NAMES for problem in problems_of(name, (ROOT / "requirements" / f"{name}.txt").read_text())
    ]
    print("\n".join(problems) or "locked: " + ", ".join(f"requirements/{name}.txt" for name in NAMES))
    return 1 if problems else 0


def problems_of(name: str, text: str) -> list[str]:
    """What a lock may not hold: an address, an option, a package without its hash."""
    packages = re.split(r"\n(?=\S)", text.strip())
    return [
        f"{name}.txt: an address or option: {line}"
        for line in text.splitlines()
        if "://" in line or line.startswith("-")
    ] + [f"{name}.txt: no hash: {package.split()[0]}" for package in packages if "--hash=sha256:" not in package]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
