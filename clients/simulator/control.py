"""The control API under `/_control`: what tests, the demo and a curious person tell the simulator.

Loopback only. Bodies are JSON objects; the buttons of the index page post forms and are sent back to it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from clients.simulator import faults as api_faults
from clients.simulator.faults import Faults
from clients.simulator.gateways import Gateways, calls_of
from clients.simulator.webhooks import Delivery, WebhookSender
from clients.simulator.world import SimulatedWorld
from core.gateways.simulating import GatewaySimulator, SimulatedAccount

Handler = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """The wish cannot be met; `status` and the message are the answer."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


def is_loopback(request: Request) -> bool:
    """Whether the caller sits on this machine and is not a foreign page in this machine's browser."""
    host = request.client.host if request.client is not None else ""
    try:
        local = ipaddress.ip_address(host).is_loopback
    except ValueError:
        local = host == "testclient"
    return local and request.headers.get("sec-fetch-site") != "cross-site"


class Control:
    def __init__(
        self,
        simulators: Mapping[str, GatewaySimulator],
        *,
        world: SimulatedWorld,
        sender: WebhookSender,
        faults: Faults,
        gateways: Gateways,
    ) -> None:
        self._simulators = simulators
        self._world = world
        self._sender = sender
        self._faults = faults
        self._gateways = gateways

    def routes(self) -> list[Route]:
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/health", self.health),
            ("POST", "/accounts", self.add_account),
            ("GET", "/accounts", self.list_accounts),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("POST", "/webhook_faults", self.add_webhook_fault),
            ("POST", "/advance", self.advance),
            ("POST", "/reset", self.reset),
            ("POST", "/redeliver", self.redeliver),
            ("GET", "/webhooks", self.webhooks),
            ("GET", "/idle", self.idle),
            ("POST", "/{slug}/act", self.act),
            ("GET", "/{slug}/books", self.books),
            ("GET", "/{slug}/calls", self.calls),
        ]
        return [Route(path, _guarded(handler), methods=[method]) for method, path, handler in table]

    async def health(self, request: Request) -> Response:
        return JSONResponse({"ok": True, "gateways": sorted(self._simulators), "now": self._world.now()})

    async def add_account(self, request: Request) -> Response:
        """{"gateway", "mode": "test"|"live", "credentials": {...}, "webhook_url"}"""
        wish = await _body(request)
        slug, simulator = self._simulator(str(wish.get("gateway")))
        credentials = wish.get("credentials")
        if wish.get("mode") not in ("test", "live") or not isinstance(credentials, dict) or not credentials:
            raise Refused('an account needs "mode" (test or live) and "credentials"')
        primary = getattr(simulator, "primary_credential", next(iter(credentials)))
        if not credentials.get(primary):
            raise Refused(f"an account of {slug} is known by its {primary!r}, which is missing")
        account = SimulatedAccount(
            mode=str(wish["mode"]), credentials=credentials, webhook_url=str(wish.get("webhook_url") or "")
        )
        self._world.register(slug, account, primary=str(credentials[primary]))
        return JSONResponse({"ok": True}, status_code=201)

    async def list_accounts(self, request: Request) -> Response:
        """Modes and webhook addresses; credentials are told by name only."""
        rows = [
            {"gateway": slug, "mode": one.mode, "webhook_url": one.webhook_url, "credentials": sorted(one.credentials)}
            for slug in self._simulators
            for one in self._world.accounts(slug)
        ]
        return JSONResponse({"data": rows})

    async def act(self, request: Request) -> Response:
        """{"action", "gateway_reference", ...details}"""
        slug, simulator = self._simulator(request.path_params["slug"])
        wish = await _body(request)
        action, reference = str(wish.pop("action", "")), str(wish.pop("gateway_reference", ""))
        try:
            result = simulator.act(action, gateway_reference=reference, **wish)
        except (ValueError, TypeError, KeyError, ArithmeticError) as error:
            raise Refused(f"{slug}: {error}") from error
        if _is_form(request):
            return RedirectResponse("/", status_code=303)
        return JSONResponse(dict(result))

    async def books(self, request: Request) -> Response:
        _, simulator = self._simulator(request.path_params["slug"])
        simulator.tick()
        lines = [asdict(line) for line in simulator.books()]
        return JSONResponse(
            {"data": [{**line, "captured": str(line["captured"]), "refunded": str(line["refunded"])} for line in lines]}
        )

    async def calls(self, request: Request) -> Response:
        slug, _ = self._simulator(request.path_params["slug"])
        return JSONResponse({"data": calls_of(self._gateways, slug)})

    async def add_fault(self, request: Request) -> Response:
        wish = await _body(request)
        self._simulator(str(wish.get("gateway")))
        self._faults.add(wish)
        return JSONResponse({"ok": True, "does": api_faults.KINDS[str(wish["kind"])]}, status_code=201)

    async def clear_faults(self, request: Request) -> Response:
        self._faults.clear()
        self._sender.clear_faults()
        return JSONResponse({"ok": True})

    async def add_webhook_fault(self, request: Request) -> Response:
        wish = await _body(request)
        self._simulator(str(wish.get("gateway")))
        self._sender.add_fault(wish)
        return JSONResponse({"ok": True}, status_code=201)

    async def advance(self, request: Request) -> Response:
        self._world.advance(float((await _body(request))["seconds"]))
        for simulator in self._simulators.values():
            simulator.tick()
        return JSONResponse({"now": self._world.now()})

    async def reset(self, request: Request) -> Response:
        """Forget payments, faults, logs and moved time; accounts too with {"accounts": true}."""
        wish = await _body(request)
        for simulator in self._simulators.values():
            simulator.reset()
        self._faults.clear()
        self._sender.forget()
        self._gateways.calls.clear()
        self._world.set_clock_back()
        if wish.get("accounts"):
            self._world.forget_accounts()
        return JSONResponse({"ok": True})

    async def redeliver(self, request: Request) -> Response:
        wish = await _body(request)
        slug, _ = self._simulator(str(wish.get("gateway")))
        return JSONResponse({"redelivered": self._sender.redeliver(slug, last=int(wish.get("last", 1)))})

    async def webhooks(self, request: Request) -> Response:
        """`?gateway=` narrows, `?bodies=1` shows what was sent and how it was signed."""
        slug, bodies = request.query_params.get("gateway"), request.query_params.get("bodies") == "1"
        rows = [one for one in self._sender.log if slug in (None, one.gateway)]
        return JSONResponse({"data": [_shown(one, bodies=bodies) for one in rows]})

    async def idle(self, request: Request) -> Response:
        """Waits until no webhook is queued or due again; 408 after `?timeout=` (10) seconds."""
        deadline = time.monotonic() + float(request.query_params.get("timeout", "10"))
        while not self._sender.is_idle:
            if time.monotonic() > deadline:
                return JSONResponse({"idle": False}, status_code=408)
            await asyncio.sleep(0.02)
        return JSONResponse({"idle": True})

    def _simulator(self, slug: str) -> tuple[str, GatewaySimulator]:
        if slug not in self._simulators:
            raise Refused(f"no gateway {slug!r}; known: {', '.join(sorted(self._simulators))}", 404)
        return slug, self._simulators[slug]


def _guarded(handler: Handler) -> Handler:
    async def guarded(request: Request) -> Response:
        if not is_loopback(request):
            return JSONResponse({"error": "only from this machine"}, status_code=403)
        try:
            return await handler(request)
        except Refused as error:
            return JSONResponse({"error": str(error)}, status_code=error.status)
        except (ValueError, TypeError, KeyError, re.error) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, status_code=400)

    return guarded


def _is_form(request: Request) -> bool:
    return request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if _is_form(request):
        return dict(parse_qsl(raw.decode()))
    body = json.loads(raw) if raw else {}
    if not isinstance(body, dict):
        raise Refused("the body must be a JSON object")
    return body


def _shown(delivery: Delivery, *, bodies: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "number": delivery.number,
        "gateway": delivery.gateway,
        "url": delivery.url,
        "kind": delivery.kind,
        "state": delivery.state,
        "status": delivery.tries[-1]["status"] if delivery.tries else None,
        "tries": delivery.tries,
        "created_at": delivery.created_at,
    }
    if bodies:
        shown |= {"headers": dict(delivery.headers), "body": delivery.body.decode("utf-8", "replace")}
    return shown
