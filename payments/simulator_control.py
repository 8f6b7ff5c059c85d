"""The running simulator as a person or a command steers it. Local and test settings only; production has none."""

from __future__ import annotations

from typing import Any

import httpx
from django.conf import settings


class NoSimulator(Exception):
    """There is none here. The message says what to do."""


def call(method: str, path: str, body: Any = None, **query: Any) -> Any:
    """One request to its control API. Raises NoSimulator."""
    base = str(getattr(settings, "SIMULATOR_URL", "") or "")
    if not base:
        raise NoSimulator("no simulator is configured: start one with `make run`, and type this beside it")
    try:
        # Plain http on loopback, as a rule: reading the certificate store would take longer than everything else.
        with httpx.Client(trust_env=False, timeout=30, verify=base.startswith("https:")) as client:
            answer = client.request(method, f"{base}/_control{path}", json=body, params=query)
    except httpx.HTTPError as error:
        raise NoSimulator(f"the simulator at {base} does not answer ({type(error).__name__})") from None
    if answer.is_error:
        raise NoSimulator(f"the simulator refused: {answer.text[:300]}")
    return answer.json()
