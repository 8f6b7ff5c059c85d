"""The host's side of `core.gateways.simulating.World`: the clock, the addresses, the accounts, the way out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from clients.simulator.webhooks import WebhookSender
from core.gateways.simulating import SimulatedAccount


class SimulatedWorld:
    """One for all gateways. Accounts outlive a reset: they are set up once, payments come and go."""

    def __init__(self, *, base_url: str, sender: WebhookSender) -> None:
        self.base_url = base_url.rstrip("/")
        self._sender = sender
        self._moved_seconds = 0.0
        self._accounts: dict[str, dict[tuple[str, str], SimulatedAccount]] = {}

    def now(self) -> float:
        return time.time() + self._moved_seconds

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("time only goes forward")
        self._moved_seconds += seconds

    def set_clock_back(self) -> None:
        self._moved_seconds = 0.0

    def url(self, host: str, path: str) -> str:
        return f"{self.base_url}/{host}{path}"

    def accounts(self, slug: str) -> Sequence[SimulatedAccount]:
        return list(self._accounts.get(slug, {}).values())

    def register(self, slug: str, account: SimulatedAccount, *, primary: str) -> None:
        """Add an account, or replace the one with the same mode and `primary` credential."""
        self._accounts.setdefault(slug, {})[(account.mode, primary)] = account

    def forget_accounts(self) -> None:
        self._accounts.clear()

    def deliver(self, slug: str, *, url: str, headers: Mapping[str, str], body: bytes, resign: Any = None) -> None:
        if url:  # an account without a webhook address hears nothing
            self._sender.deliver(slug, url=url, headers=headers, body=body, resign=resign)
