"""The bench's own PostgreSQL, Redis, simulator and web server: nothing of a running demo is touched, nothing stays."""

from __future__ import annotations

import base64
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from django.conf import settings

from core import embedded
from core.embedded.ports import free_port
from payments.demo import remote
from payments.demo.processes import Children

INSIDE: Final = "PAYWRIGHT_BENCH_FOLDER"  # set for the process that measures: where its servers live
WORKERS, THREADS = 2, 4


def run_inside(arguments: Sequence[str]) -> int:
    """Start servers that keep what they commit, and this command again beside them; its exit code."""
    folder = Path(tempfile.mkdtemp(prefix="paywright-bench-"))
    child: subprocess.Popen[Any] | None = None
    try:
        lease = embedded.acquire(folder / "servers", durable=True)
        assert lease.database_url is not None and lease.redis_url is not None
        child = embedded.start_child(
            [sys.executable, "manage.py", "bench", *arguments], cwd=settings.BASE_DIR,
            env=_environment(lease.database_url, lease.redis_url, folder),
        )  # fmt: skip
        return int(child.wait())
    finally:
        if child is not None:
            child.terminate()
            child.wait()
        embedded.release(folder / "servers")
        embedded.remove(folder / "servers")
        shutil.rmtree(folder, ignore_errors=True)


def _environment(database_url: str, redis_url: str, folder: Path) -> dict[str, str]:
    """Keys of its own, no limits, ports that nobody uses; of the caller's settings only what is not Paywright's."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PAYWRIGHT_")}
    web, simulator = free_port(), free_port()
    return {
        **inherited,
        "DJANGO_SETTINGS_MODULE": "settings.local",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "PAYWRIGHT_SECRET_KEY": secrets.token_urlsafe(50),
        "PAYWRIGHT_MASTER_KEYS": "bench:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        "PAYWRIGHT_PUBLIC_URL": f"http://127.0.0.1:{web}",
        "PAYWRIGHT_WEB_HOST": "127.0.0.1",
        "PAYWRIGHT_WEB_PORT": str(web),
        "PAYWRIGHT_WEB_WORKERS": str(WORKERS),
        "PAYWRIGHT_WEB_THREADS": str(THREADS),
        "PAYWRIGHT_SIMULATOR_URL": f"http://127.0.0.1:{simulator}",
        "PAYWRIGHT_API_LIMIT_PER_KEY": "0",
        "PAYWRIGHT_API_LIMIT_PER_LAB": "0",
        INSIDE: str(folder),
    }


def start(children: Children, environment: Mapping[str, str]) -> None:
    """Simulator and web server, ready."""
    named = [part for slug, dotted in settings.SIMULATORS.items() for part in ("--simulator", f"{slug}={dotted}")]
    port = str(settings.SIMULATOR_URL).rpartition(":")[2]
    children.start("simulator", ["clients.simulator", "--port", port, *named], environment)
    children.start("web", ["settings.serve"], environment)
    children.wait_until(lambda: remote.answers(f"{settings.SIMULATOR_URL}/_control/health"), "the simulator")
    children.wait_until(lambda: remote.answers(f"{settings.PUBLIC_URL}/readyz"), "the web server")
