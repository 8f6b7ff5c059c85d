"""The HTTP server of the simulator: uvicorn on loopback, with connections that faults can drop."""

from __future__ import annotations

from typing import Final

import uvicorn
from starlette.applications import Starlette

from clients.simulator.connections import TrackedProtocol

LOOPBACK: Final = "127.0.0.1"


def make_server(app: Starlette, *, port: int, log_level: str = "warning") -> uvicorn.Server:
    """Binds 127.0.0.1 and nothing else: a simulated gateway believes everybody."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=LOOPBACK,
            port=port,
            http=TrackedProtocol,
            ws="none",
            lifespan="on",
            log_level=log_level,
            access_log=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,  # a held connection must not hold up the end
        )
    )
