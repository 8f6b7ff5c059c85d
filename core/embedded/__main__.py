"""`python -m core.embedded remove RUN_DIR`: delete a run's folder with its databases, for `make clean`."""

from __future__ import annotations

import sys
from pathlib import Path

from core.embedded import EmbeddedError, remove


def main(arguments: list[str]) -> int:
    match arguments:
        case ["remove", run_dir]:
            remove(Path(run_dir))
            return 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except EmbeddedError as error:
        sys.exit(str(error))
