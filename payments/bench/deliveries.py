"""Genuine webhooks without a gateway: a simulator that runs inside this process is paid, and what it would send is kept.

Bodies and signatures are the gateway's own for every payment, and nothing here knows which gateway it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from starlette.applications import Starlette

from core import clock
from core.gateways import registry
from core.gateways.simulating import GatewaySimulator, SimulatedAccount
from core.gateways.testing import MemoryCache
from core.gateways.types import Mode, PaymentRequest, PaymentStatus, Report, WebhookDelivery
from core.http import HttpRequest, HttpResponse
from core.money import Money


@dataclass(frozen=True, slots=True)
class Kept:
    """One webhook; `sign` gives its headers anew, for gateways that sign the time."""

    body: bytes
    sign: Callable[[], Mapping[str, str]]


@dataclass(slots=True)
class _World:
    """What a simulator needs of its host; deliveries stay here."""

    account: SimulatedAccount
    kept: list[Kept] = field(default_factory=list)

    def now(self) -> float:
        return time.time()

    def url(self, host: str, path: str) -> str:
        return f"https://{host}{path}"

    def accounts(self, slug: str) -> Sequence[SimulatedAccount]:
        return [self.account]

    def deliver(self, slug: str, *, url: str, headers: Mapping[str, str], body: bytes, resign: Any = None) -> None:
        self.kept.append(Kept(body, resign or (lambda: headers)))


class _Wire:
    """An `Http` that reaches the simulator's routes without a network."""

    def __init__(self, simulator: GatewaySimulator) -> None:
        self._app = Starlette(routes=simulator.routes())
        self._loop = asyncio.new_event_loop()

    def browser_url(self, url: str) -> str:
        return url

    def send(self, request: HttpRequest) -> HttpResponse:
        return self._loop.run_until_complete(self._call(request))

    def close(self) -> None:
        self._loop.close()

    async def _call(self, request: HttpRequest) -> HttpResponse:
        parts = urlsplit(request.url)
        headers = [(name.lower().encode(), text.encode()) for name, text in request.headers.items()]
        scope = {
            "type": "http", "http_version": "1.1", "method": request.method, "scheme": "https", "path": parts.path,
            "raw_path": parts.path.encode(), "query_string": parts.query.encode(), "root_path": f"/{parts.netloc}",
            "headers": [(b"host", parts.netloc.encode()), *headers], "server": (parts.netloc, 443),
            "client": ("127.0.0.1", 1),
        }  # fmt: skip
        scope["path"] = f"/{parts.netloc}{parts.path}"
        said: dict[str, Any] = {"body": b""}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: Any) -> None:
            said.update({k: v for k, v in message.items() if k != "body"})
            said["body"] += message.get("body", b"")

        await self._app(scope, receive, send)
        names = {name.decode().lower(): value.decode() for name, value in said["headers"]}
        return HttpResponse(status=said["status"], headers=names, body=said["body"])


class Payer:
    """One account at one simulated gateway, whose customers pay at once."""

    def __init__(self, gateway: str, credentials: Mapping[str, str], *, webhook_url: str) -> None:
        module, _, name = settings.SIMULATORS[gateway].partition(":")
        account = SimulatedAccount(mode=Mode.LIVE.value, credentials=dict(credentials), webhook_url=webhook_url)
        self._world = _World(account)
        self._simulator: GatewaySimulator = getattr(import_module(module), name)(self._world)
        self._wire = _Wire(self._simulator)
        self._webhook_url = webhook_url
        self._gateway = registry.gateway_class(gateway)(
            dict(credentials), mode=Mode.LIVE, http=self._wire, cache=MemoryCache(), clock=clock.now
        )

    def paid(self, reference: str, money: Money) -> tuple[Kept, Report]:
        """The one webhook that says that the payment of this reference is captured, and what is read from it."""
        made = self._gateway.initiate(PaymentRequest(
            reference=reference, amount=money, idempotency_key=reference, webhook_url=self._webhook_url,
            return_url="https://shop.example/thanks", created_at=clock.now(),
        ))  # fmt: skip
        self._world.kept.clear()
        self._simulator.act("pay", gateway_reference=made.gateway_reference or reference)
        for one in self._world.kept:
            delivery = WebhookDelivery(
                method="POST", url=self._webhook_url, body=one.body,
                headers={name.lower(): text for name, text in one.sign().items()},
            )  # fmt: skip
            for report in self._gateway.read_webhook(delivery).reports:
                if report.status is PaymentStatus.CAPTURED and report.captured_minor == money.minor:
                    return one, report
        raise LookupError("the simulated gateway told nobody that it was paid")

    def close(self) -> None:
        self._wire.close()
