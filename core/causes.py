"""What may be said of an exception: PostgreSQL's carry the row that was refused, with people's names and sealed tokens."""

from __future__ import annotations

import re
from typing import Final

HIDDEN: Final = "DETAIL: [hidden]"
_DETAIL: Final = re.compile(
    r"^[ \t]*DETAIL:.*?(?=^[ \t]*(?:HINT|CONTEXT|QUERY|LOCATION):|^[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)


def without_rows(text: str) -> str:
    """A message or traceback without the rows of the database that it quotes."""
    return _DETAIL.sub(f"{HIDDEN}\n", text) if "DETAIL:" in text else text


def brief(error: BaseException) -> str:
    """One line for people who look for the cause: `IntegrityError: ...`, at most 500 characters."""
    first = without_rows(str(error)).split(HIDDEN)[0].strip()
    return f"{type(error).__name__}: {first}"[:500]
