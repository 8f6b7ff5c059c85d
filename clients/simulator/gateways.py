"""The part of the host that gateways' clients talk to: finds the simulator by host, injects faults, keeps a log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.applications import Starlette
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clients.simulator import connections
from clients.simulator.faults import Fault, Faults
from core.gateways.simulating import GatewaySimulator

logger = logging.getLogger("simulator")

_HTML: Final = b"<html>\r\n<head><title>%s</title></head>\r\n<body><center><h1>%s</h1></center></body>\r\n</html>\r\n"
_IDEMPOTENCY_HEADERS: Final = (b"idempotency-key", b"x-idempotency-key", b"x-refund-idempotency")
MAX_BODY_BYTES: Final = 4 * 1024 * 1024


@dataclass(kw_only=True)
class Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


@dataclass(kw_only=True)
class Call:
    """One request to a simulated gateway; no query, no header but the idempotency key, no body: nothing secret."""

    at: float
    gateway: str
    host: str
    method: str
    path: str
    idempotency_key: str | None
    outcome: str = "running"  # the HTTP status, with the fault in front of it where there was one
    seconds: float = 0.0


class Gateways:
    """ASGI app for `/<host>/<path>`."""

    def __init__(self, simulators: Mapping[str, GatewaySimulator], faults: Faults, *, latency_seconds: float) -> None:
        self.faults = faults
        self.calls: deque[Call] = deque(maxlen=50_000)
        self._latency_seconds = latency_seconds
        self._by_host: dict[str, list[tuple[str, Starlette]]] = {}
        for slug, simulator in simulators.items():
            app = Starlette(routes=simulator.routes())
            for host in simulator.hosts:
                self._by_host.setdefault(host, []).append((slug, app))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        host, _, rest = scope["path"].lstrip("/").partition("/")
        if host not in self._by_host:
            known = ", ".join(sorted(self._by_host))
            await _send(send, _plain(404, f"no simulated host {host!r}; known: {known}\n"))
            return
        scope = {**scope, "root_path": "/" + host}
        slug, app = _chosen(self._by_host[host], scope)
        call = self._open_call(slug, host, scope, "/" + rest)
        started = time.monotonic()
        try:
            body = await _read(receive)
            await self._serve(app, call, scope, body, receive, send)
        finally:
            call.seconds = round(time.monotonic() - started, 4)

    def _open_call(self, slug: str, host: str, scope: Scope, path: str) -> Call:
        key = next((value.decode("latin-1") for name, value in scope["headers"] if name in _IDEMPOTENCY_HEADERS), None)
        call = Call(at=time.time(), gateway=slug, host=host, method=scope["method"], path=path, idempotency_key=key)
        self.calls.append(call)
        return call

    async def _serve(self, app: ASGIApp, call: Call, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        fault = self.faults.take(call.gateway, call.method, call.path)
        if self._latency_seconds:
            await asyncio.sleep(self._latency_seconds)
        answer = None if fault is None else _instead(fault)
        if answer is None:
            answer = await _work(app, scope, body, pause=_pause_of(fault))
        call.outcome = str(answer.status) if fault is None else f"{fault.kind}:{answer.status}"
        if fault is None:
            await _send(send, answer)
        else:
            await _answer_badly(fault, answer, scope, receive, send)


def _chosen(candidates: list[tuple[str, Starlette]], scope: Scope) -> tuple[str, Starlette]:
    """Two products of one company may share a host: the first whose routes know the path is meant, else the first."""
    for slug, app in candidates:
        if any(route.matches(scope)[0] is not Match.NONE for route in app.routes):
            return slug, app
    return candidates[0]


def _pause_of(fault: Fault | None) -> float:
    return (fault.seconds or 1.0) if fault is not None and fault.kind == "slow" else 0.0


def _instead(fault: Fault) -> Answer | None:
    """The answer of a fault that lets nothing happen, None where the work is to be done."""
    if fault.kind == "error_before":
        return _json(500, b'{"error":{"type":"api_error","message":"Simulated internal error"}}')
    if fault.kind == "rate_limit":
        answer = _json(429, b'{"error":{"type":"invalid_request_error","code":"rate_limit","message":"Too many"}}')
        answer.headers.append((b"retry-after", str(int(fault.seconds or 1)).encode()))
        return answer
    if fault.kind == "html_502":
        return _html(502, b"502 Bad Gateway")
    if fault.kind == "outage":
        return _html(503, b"503 Service Temporarily Unavailable")
    return None


async def _answer_badly(fault: Fault, answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    if fault.kind == "timeout_after":
        await connections.hold(scope, receive, seconds=30.0 if fault.seconds is None else fault.seconds)
    elif fault.kind == "reset_after":
        await connections.reset(scope, receive)
    elif fault.kind == "cut_connection":
        await _send_half(send, answer)
        await connections.close(scope, receive)
    else:
        await _send(send, _spoiled(fault, answer))


def _spoiled(fault: Fault, answer: Answer) -> Answer:
    if fault.kind == "error_after":
        return _json(500, b'{"error":{"type":"api_error","message":"Simulated error after the work"}}')
    if fault.kind == "html_502_after":
        return _html(502, b"502 Bad Gateway")
    if fault.kind == "truncate":
        return Answer(status=answer.status, headers=answer.headers, body=answer.body[: len(answer.body) // 2])
    return answer


async def _work(app: ASGIApp, scope: Scope, body: bytes, *, pause: float) -> Answer:
    """Run the gateway's own app on a request that is already read, and collect its answer.

    `pause` is how long the gateway takes: it is offered as `simulated_pause`, so that a gateway may be slow while the
    request counts as running (a second one with the same idempotency key is then refused); one that ignores it is slow
    after its work.
    """
    inner = {**scope, "simulated_pause": pause}
    start: Message = {}
    chunks: list[bytes] = []
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        else:
            chunks.append(message.get("body", b""))

    try:
        await app(inner, receive, send)
    except Exception:  # Starlette has answered 500 already: a bug of the simulator, which must be seen
        logger.exception("the simulator failed on %s %s", scope["method"], scope["path"])
    if pause and inner["simulated_pause"]:
        await asyncio.sleep(pause)
    return Answer(status=int(start["status"]), headers=list(start["headers"]), body=b"".join(chunks))


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    more = True
    while more and len(body) <= MAX_BODY_BYTES:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return bytes(body)


async def _send(send: Send, answer: Answer) -> None:
    headers = [(name, value) for name, value in answer.headers if name.lower() != b"content-length"]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _send_half(send: Send, answer: Answer) -> None:
    headers = [(name, value) for name, value in answer.headers if name.lower() != b"content-length"]
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    half = answer.body[: len(answer.body) // 2]
    await send({"type": "http.response.body", "body": half, "more_body": True})


def _json(status: int, body: bytes) -> Answer:
    return Answer(status=status, headers=[(b"content-type", b"application/json")], body=body)


def _html(status: int, title: bytes) -> Answer:
    return Answer(status=status, headers=[(b"content-type", b"text/html")], body=_HTML % (title, title))


def _plain(status: int, text: str) -> Answer:
    return Answer(status=status, headers=[(b"content-type", b"text/plain; charset=utf-8")], body=text.encode())


def calls_of(gateways: Gateways, slug: str) -> list[dict[str, Any]]:
    return [vars(call) for call in gateways.calls if call.gateway == slug]
