"""Named places where a test may kill the process with -9, to prove that nothing is lost or doubled there.

`point(name)` costs one comparison. It is armed only by the test settings, from the environment variable
PAYWRIGHT_CRASH_AT; every other settings module refuses to start while that variable is set.
"""

from __future__ import annotations

import os
import signal

_armed: str | None = None
seen: set[str] = set()


def arm(name: str | None) -> None:
    """Kill this process when the point called `name` is reached (None disarms). Called by test settings only."""
    global _armed
    _armed = name or None


def point(name: str) -> None:
    """A place where the process may die. `name` is unique in the code base."""
    if _armed is not None:
        seen.add(name)
        if name == _armed:
            os.kill(os.getpid(), signal.SIGKILL)
