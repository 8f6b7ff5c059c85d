"""No file of the project names a package index or a path of somebody's machine.

An index belongs to whoever installs (pip's own configuration says which), a path to whoever wrote it.
"""

from __future__ import annotations

import re
import sys
from typing import Final

from scripts import tracked

PATTERNS: Final = {
    "package index": r"pypi\.org|pythonhosted\.org|registry\.npmjs|(?<!no-emit-)index-url|find-links|trusted-host|/simple/?\b",
    "machine path": r"(?<![\w.])/(root|Users|home|work|mnt)/\w",
    "private address": r"(?<![\d.])(10\.\d+|192\.168|172\.(1[6-9]|2\d|3[01]))\.\d+\.\d+(?![\d.])",
}
# Lines that must name such a thing, as `path: text within the line`. Tests of address guards need private addresses.
ALLOWED: Final = ("tests/", "scripts/check_addresses.py")


def main() -> int:
    found = [problem for path in tracked.files() if not _is_allowed(name := str(path.relative_to(tracked.ROOT)))
             for problem in _problems(name, path.read_bytes())]  # fmt: skip
    print("\n".join(found) or "no index address and no machine path in any file")
    return 1 if found else 0


def _is_allowed(name: str) -> bool:
    return name.startswith(ALLOWED)


def _problems(name: str, content: bytes) -> list[str]:
    lines = content.decode("utf-8", errors="replace").splitlines()
    return [
        f"{name}:{number}: {kind}: {match.group()}"
        for number, line in enumerate(lines, start=1)
        for kind, pattern in PATTERNS.items()
        if (match := re.search(pattern, line))
    ]


if __name__ == "__main__":
    sys.exit(main())
