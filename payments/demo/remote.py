"""The demo's two partners over real HTTP: this platform as a lab's program sees it, and the simulator's control API."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import httpx

TIMEOUT_SECONDS = 60.0


class Refused(Exception):
    """An answer that is no success. The message says who said what."""


def answers(url: str) -> bool:
    """Whether there is a 200 at `url` now."""
    try:
        return httpx.get(url, timeout=10.0, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


class Platform:
    """The API with one key."""

    def __init__(self, url: str, api_key: str) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False)

    def get(self, path: str) -> Any:
        return _checked(self._client.get(path))

    def find(self, path: str) -> Any:
        """None for 404."""
        answer = self._client.get(path)
        return None if answer.status_code == 404 else _checked(answer)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """With an Idempotency-Key of its own."""
        headers = {"Idempotency-Key": f"demo-{secrets.token_hex(12)}"}
        return _checked(self._client.post(path, json=dict(body), headers=headers))

    def close(self) -> None:
        self._client.close()


class Simulator:
    """What a customer, or a gateway's own books, would be."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=f"{url}/_control", timeout=TIMEOUT_SECONDS, trust_env=False)

    def register(self, gateway: str, *, mode: str, credentials: Mapping[str, str], webhook_url: str) -> None:
        wish = {"gateway": gateway, "mode": mode, "credentials": dict(credentials), "webhook_url": webhook_url}
        _checked(self._client.post("/accounts", json=wish))

    def pay(self, gateway: str, gateway_reference: str) -> None:
        _checked(self._client.post(f"/{gateway}/act", json={"action": "pay", "gateway_reference": gateway_reference}))

    def webhooks(self, gateway: str) -> list[dict[str, Any]]:
        """All that were sent since it runs: number, state, status of the last answer, tries."""
        return list(_checked(self._client.get("/webhooks", params={"gateway": gateway}))["data"])

    def books(self, gateway: str) -> list[dict[str, Any]]:
        """One line a payment; captured and refunded as decimal text in major units."""
        return list(_checked(self._client.get(f"/{gateway}/books"))["data"])

    def close(self) -> None:
        self._client.close()


def _checked(answer: httpx.Response) -> Any:
    if answer.is_error:
        request = answer.request
        raise Refused(f"{request.method} {request.url.path} answered {answer.status_code}: {answer.text[:400]}")
    return answer.json()
