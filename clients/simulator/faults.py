"""What the host can be told to get wrong around a gateway's API, and when."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# What each kind does. "Work done" means that the gateway really created, captured or refunded.
KINDS: Final[Mapping[str, str]] = {
    "error_before": "500, nothing was done",
    "error_after": "the work is done, 500 is answered",
    "timeout_after": "the work is done, no answer: held open for `seconds` (30), then closed",
    "reset_after": "the work is done, the connection is reset",
    "cut_connection": "the work is done, the connection closes in the middle of the answer",
    "truncate": "the work is done, the answer is complete HTTP whose body stops in the middle",
    "html_502": "nothing was done, a proxy's HTML page is answered",
    "html_502_after": "the work is done, a proxy's HTML page is answered",
    "rate_limit": "429 with Retry-After, nothing was done",
    "outage": "503 in HTML for every request, for `seconds` (5)",
    "slow": "the gateway takes `seconds` (1) over it",
}


@dataclass(kw_only=True)
class Fault:
    """`path` is searched in the path below the host; `skip` requests pass before it starts; `times` is how often."""

    gateway: str
    kind: str
    path: re.Pattern[str] | None = None
    method: str | None = None
    times: int = 1
    skip: int = 0
    seconds: float | None = None
    until: float | None = None  # monotonic, for an outage

    def fits(self, gateway: str, method: str, path: str) -> bool:
        return (
            self.gateway == gateway
            and (self.method is None or self.method == method)
            and (self.path is None or self.path.search(path) is not None)
        )

    @property
    def is_spent(self) -> bool:
        return time.monotonic() >= self.until if self.until is not None else self.times <= 0


class Faults:
    """Kept in the order in which they were asked for; the first that fits is used."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, wish: Mapping[str, Any]) -> Fault:
        """Raises ValueError, KeyError or re.error for a wish that makes no sense."""
        kind = str(wish["kind"])
        if kind not in KINDS:
            raise ValueError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
        seconds = float(wish["seconds"]) if wish.get("seconds") is not None else None
        fault = Fault(
            gateway=str(wish["gateway"]),
            kind=kind,
            path=re.compile(str(wish["path"])) if wish.get("path") else None,
            method=str(wish["method"]).upper() if wish.get("method") else None,
            times=int(wish.get("times", 1)),
            skip=int(wish.get("skip", 0)),
            seconds=seconds,
            until=time.monotonic() + (seconds or 5.0) if kind == "outage" else None,
        )
        self._waiting.append(fault)
        return fault

    def take(self, gateway: str, method: str, path: str) -> Fault | None:
        """The fault that this request meets, counted as used."""
        self._waiting = [fault for fault in self._waiting if not fault.is_spent]
        for fault in self._waiting:
            if not fault.fits(gateway, method, path):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            return fault
        return None

    def clear(self) -> None:
        self._waiting.clear()
