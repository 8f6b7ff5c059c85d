"""The clients of the bench, a process of their own: `python -m payments.bench.load PORT CONNECTIONS < requests`.

Each connection is a thread with a keep-alive socket; all take from one queue of requests that were written before the
clock starts, so that the clients cost the machine as little as they can. Plain Python without imports of the platform.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import IO, Final

TIMEOUT_SECONDS: Final = 60.0
_LENGTH: Final = struct.Struct("!I")


def write_requests(target: IO[bytes], requests: Iterable[bytes]) -> None:
    """Each request with its length before it."""
    for request in requests:
        target.write(_LENGTH.pack(len(request)) + request)


def read_requests(source: IO[bytes]) -> deque[bytes]:
    found: deque[bytes] = deque()
    while head := source.read(_LENGTH.size):
        found.append(source.read(_LENGTH.unpack(head)[0]))
    return found


def http_request(method: str, path: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One HTTP/1.1 request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {text}" for name, text in headers.items())]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Connection(threading.Thread):
    """Sends what is in the queue, one request after another."""

    def __init__(self, port: int, queue: deque[bytes], start: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self.statuses: Counter[int] = Counter()
        self.seconds: list[float] = []
        self._port, self._queue, self._start = port, queue, start

    def run(self) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_SECONDS) as wire:
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            answers = wire.makefile("rb")
            self._start.wait()
            while True:
                try:
                    request = self._queue.popleft()
                except IndexError:
                    return
                began = time.perf_counter()
                wire.sendall(request)
                self.statuses[_read_answer(answers)] += 1
                self.seconds.append(time.perf_counter() - began)


def _read_answer(answers: IO[bytes]) -> int:
    status, length = 0, 0
    line = answers.readline()
    if not line:
        raise ConnectionError("the server closed the connection")
    status = int(line.split(b" ", 2)[1])
    while (line := answers.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    answers.read(length)
    return status


def main(port: int, connections: int) -> None:
    queue = read_requests(sys.stdin.buffer)
    start = threading.Barrier(connections + 1)
    threads = [Connection(port, queue, start) for _ in range(connections)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    statuses: Counter[int] = sum((thread.statuses for thread in threads), Counter())
    waits = sorted(one for thread in threads for one in thread.seconds)
    sys.stdout.write(json.dumps({
        "seconds": seconds, "statuses": {str(status): count for status, count in statuses.items()},
        "p50_ms": _share(waits, 0.5) * 1000, "p99_ms": _share(waits, 0.99) * 1000,
    }))  # fmt: skip


def _share(waits: list[float], share: float) -> float:
    return waits[min(int(len(waits) * share), len(waits) - 1)] if waits else 0.0


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
