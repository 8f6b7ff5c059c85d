"""Dropping a customer's or client's connection for real, which ASGI has no word for.

Uvicorn's protocol class is extended to remember its transport, so that a fault can close or reset the socket.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from starlette.types import Receive, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

_transports: dict[tuple[Any, Any], asyncio.Transport] = {}


class TrackedProtocol(H11Protocol):
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # A socket that was handed over ready-bound has no protocol number, and asyncio then leaves Nagle's algorithm on:
        # 40 ms for every answer.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _transports[(self.client, self.server)] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        _transports.pop((self.client, self.server), None)
        super().connection_lost(exc)


def _transport_of(scope: Scope) -> asyncio.Transport:
    client, server = scope.get("client"), scope.get("server")
    try:
        return _transports[(tuple(client or ()), tuple(server or ()))]
    except KeyError:
        raise RuntimeError("dropping connections works only in the simulator's own server") from None


async def close(scope: Scope, receive: Receive) -> None:
    """Send what is buffered, then close."""
    _transport_of(scope).close()
    await _gone(receive)


async def reset(scope: Scope, receive: Receive) -> None:
    """Tear the connection down with a TCP reset, without a byte of an answer."""
    transport = _transport_of(scope)
    connection: socket.socket = transport.get_extra_info("socket")
    # Lingering for zero seconds is how the socket interface spells "reset".
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


async def hold(scope: Scope, receive: Receive, *, seconds: float) -> None:
    """Answer nothing until the other side gives up or `seconds` are over, then close."""
    try:
        await asyncio.wait_for(_gone(receive), timeout=seconds)
    except TimeoutError:
        await close(scope, receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
