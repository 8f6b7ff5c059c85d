"""Puts the simulated gateways, the control API and the index page into one ASGI application."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route

from clients.simulator import pages
from clients.simulator.control import Control, is_loopback
from clients.simulator.faults import Faults
from clients.simulator.gateways import Gateways
from clients.simulator.webhooks import WebhookSender
from clients.simulator.world import SimulatedWorld
from core.gateways.simulating import GatewaySimulator

logger = logging.getLogger("simulator")

RETRY_FACTOR: Final = 0.2  # a gateway's pauses between tries of a webhook, times this
TICK_SECONDS: Final = 0.25


def build_app(
    simulators: Mapping[str, str],
    *,
    base_url: str,
    latency_seconds: float = 0.0,
    retry_factor: float = RETRY_FACTOR,
) -> Starlette:
    """`simulators` maps a slug to "package.module:Class"; `base_url` is where customers' browsers find this server."""
    classes = {slug: load(dotted) for slug, dotted in simulators.items()}
    sender = WebhookSender({slug: one.retry_seconds for slug, one in classes.items()}, retry_factor=retry_factor)
    world = SimulatedWorld(base_url=base_url, sender=sender)
    running = {slug: one(world) for slug, one in classes.items()}
    faults = Faults()
    gateways = Gateways(running, faults, latency_seconds=latency_seconds)
    control = Control(running, world=world, sender=sender, faults=faults, gateways=gateways)

    async def index(request: Request) -> Response:
        if not is_loopback(request):
            return Response("only from this machine", status_code=403)
        return HTMLResponse(pages.index(running))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        clock = asyncio.get_running_loop().create_task(_tick(running))
        yield
        clock.cancel()
        await sender.close()

    return Starlette(
        routes=[Route("/", index), Mount("/_control", routes=control.routes()), Mount("/", app=gateways)],
        lifespan=lifespan,
    )


def load(dotted: str) -> type[GatewaySimulator]:
    """The class behind "package.module:Class". Raises ValueError where it is no simulator."""
    module, _, name = dotted.partition(":")
    found = getattr(import_module(module), name, None) if name else None
    if not isinstance(found, type) or not issubclass(found, GatewaySimulator):
        raise ValueError(f"{dotted!r} does not name a GatewaySimulator")
    return found


async def _tick(simulators: Mapping[str, GatewaySimulator]) -> None:
    while True:
        await asyncio.sleep(TICK_SECONDS)
        for slug, simulator in simulators.items():
            try:
                simulator.tick()
            except Exception:  # one simulator's bug must not stop the clock of the others
                logger.exception("the simulator of %s failed as time went by", slug)
