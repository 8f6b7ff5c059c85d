"""A port that is free on the loopback address."""

from __future__ import annotations

import socket


def free_port() -> int:
    """Free a moment ago: whoever uses it must be ready to try another."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
