"""The documents are current as far as a machine can tell: every relative link leads somewhere, every `make` target and
`manage.py` command they name exists, and every package of a gateway has its README.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from scripts import tracked

_LINK: Final = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")
_TARGET: Final = re.compile(r"`(?:[A-Z_]+=\S+ )?make ([a-z-]+)")
_COMMAND: Final = re.compile(r"manage\.py ([a-z_]+)")


def main() -> int:
    documents = [path for path in tracked.files() if path.suffix == ".md"]
    problems = [problem for path in documents for problem in _problems(path)] + _missing_readmes()
    print("\n".join(problems) or f"{len(documents)} documents are current")
    return 1 if problems else 0


def _problems(path: Path) -> list[str]:
    name, text = path.relative_to(tracked.ROOT), path.read_text()
    links = [f"{name}: {link} leads nowhere" for link in _LINK.findall(text) if not (path.parent / link).exists()]
    targets = [f"{name}: there is no `make {word}`" for word in _TARGET.findall(text) if word not in _targets()]
    commands = [f"{name}: there is no manage.py {word}" for word in _COMMAND.findall(text) if word not in _commands()]
    return links + targets + commands


def _targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (tracked.ROOT / "Makefile").read_text(), re.MULTILINE))


def _commands() -> set[str]:
    ours = {path.stem for path in tracked.ROOT.glob("*/management/commands/*.py")}
    return ours | {
        "migrate",
        "makemigrations",
        "check",
        "collectstatic",
        "createsuperuser",
        "shell",
        "spectacular",
        "test",
    }


def _missing_readmes() -> list[str]:
    packages = {path.parent for path in (tracked.ROOT / "clients").glob("*/gateway.py")}
    return [f"clients/{one.name}: no README.md" for one in sorted(packages) if not (one / "README.md").exists()]


if __name__ == "__main__":
    sys.exit(main())
