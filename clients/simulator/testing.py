"""The simulator inside a test: a real server on a free loopback port, in a thread, and a handle to steer it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from clients.simulator.app import build_app
from clients.simulator.server import LOOPBACK, make_server


class Simulator:
    """Steers a running simulator, in this process or another, by its control API."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # Plain loopback: reading the certificate store would take a tenth of a second for nothing.
        self._client = httpx.Client(base_url=self.url, trust_env=False, verify=False, timeout=30.0)

    def overrides(self, *origins: str) -> dict[str, str]:
        """`https://api.stripe.com` -> where it is here, as `GATEWAY_HOSTS` and `GatewayHttp` take it."""
        return {origin: f"{self.url}/{urlsplit(origin).netloc}" for origin in origins}

    def register(
        self, gateway: str, *, mode: str = "live", credentials: Mapping[str, Any], webhook_url: str = ""
    ) -> None:
        wish = {"gateway": gateway, "mode": mode, "credentials": dict(credentials), "webhook_url": webhook_url}
        self._post("/_control/accounts", wish)

    def act(self, gateway: str, action: str, gateway_reference: str = "", **details: Any) -> dict[str, Any]:
        wish = {"action": action, "gateway_reference": gateway_reference, **details}
        return self._post(f"/_control/{gateway}/act", wish)

    def books(self, gateway: str) -> list[dict[str, Any]]:
        """BookLine fields; `captured` and `refunded` as decimal text in major units."""
        return self._rows(f"/_control/{gateway}/books")

    def calls(self, gateway: str, *, method: str | None = None, path: str | None = None) -> list[dict[str, Any]]:
        return [
            call
            for call in self._rows(f"/_control/{gateway}/calls")
            if method in (None, call["method"]) and path in (None, call["path"])
        ]

    def webhooks(self, gateway: str | None = None, *, bodies: bool = False) -> list[dict[str, Any]]:
        query = ([f"gateway={gateway}"] if gateway else []) + (["bodies=1"] if bodies else [])
        return self._rows("/_control/webhooks?" + "&".join(query))

    def fault(self, gateway: str, kind: str, **details: Any) -> None:
        self._post("/_control/faults", {"gateway": gateway, "kind": kind, **details})

    def webhook_fault(self, gateway: str, kind: str, **details: Any) -> None:
        self._post("/_control/webhook_faults", {"gateway": gateway, "kind": kind, **details})

    def clear_faults(self) -> None:
        _checked(self._client.delete("/_control/faults"))

    def advance(self, seconds: float) -> None:
        self._post("/_control/advance", {"seconds": seconds})

    def redeliver(self, gateway: str, *, last: int) -> int:
        return int(self._post("/_control/redeliver", {"gateway": gateway, "last": last})["redelivered"])

    def wait_idle(self, *, timeout_seconds: float = 10.0) -> None:
        """Until no webhook is queued or due again. Raises TimeoutError."""
        answer = self._client.get("/_control/idle", params={"timeout": timeout_seconds}, timeout=timeout_seconds + 10)
        if answer.status_code == 408:
            raise TimeoutError(f"webhooks are still queued after {timeout_seconds} s")
        _checked(answer)

    def reset(self, *, accounts: bool = False) -> None:
        self._post("/_control/reset", {"accounts": accounts})

    def close(self) -> None:
        self._client.close()

    def _post(self, path: str, wish: Mapping[str, Any]) -> dict[str, Any]:
        return dict(_checked(self._client.post(path, json=dict(wish))))

    def _rows(self, path: str) -> list[dict[str, Any]]:
        return list(_checked(self._client.get(path))["data"])


@contextmanager
def running_simulator(simulators: Mapping[str, str], *, retry_factor: float = 0.05) -> Iterator[Simulator]:
    """`with running_simulator({"stripe": "clients.stripe.simulator:StripeSimulator"}) as simulator: ...`"""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        port = listener.getsockname()[1]
        url = f"http://{LOOPBACK}:{port}"
        server = make_server(build_app(simulators, base_url=url, retry_factor=retry_factor), port=port)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="simulator", daemon=True)
        thread.start()
        try:
            _wait(lambda: server.started, thread)
            handle = Simulator(url)
            yield handle
            handle.close()
        finally:
            server.should_exit = True
            thread.join(timeout=10)


def _wait(is_started: Callable[[], bool], thread: threading.Thread) -> None:
    deadline = time.monotonic() + 10
    while not is_started():
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the simulator did not start")
        time.sleep(0.01)


def _checked(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise ValueError(f"the simulator refused: {answer.status_code} {answer.text}")
    return answer.json()
