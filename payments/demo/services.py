"""The four programs of the demo beside database and Redis: simulator, web, worker, beat."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

from payments.demo import remote
from payments.demo.processes import Children, choose_port

WEB_PORT, SIMULATOR_PORT = 8000, 9000
PING_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the demo's servers are, on loopback."""

    web_port: int
    simulator_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def simulator_url(self) -> str:
        return f"http://127.0.0.1:{self.simulator_port}"

    def environment(self) -> Mapping[str, str]:
        """What web, worker and beat are told; PAYWRIGHT_GATEWAY_HOSTS would win over the simulator, so it goes."""
        inherited = {name: value for name, value in os.environ.items() if name != "PAYWRIGHT_GATEWAY_HOSTS"}
        return {
            "PAYWRIGHT_WEB_WORKERS": "2",
            **inherited,
            "DJANGO_SETTINGS_MODULE": "settings.local",
            "PAYWRIGHT_PUBLIC_URL": self.url,
            "PAYWRIGHT_WEB_HOST": "127.0.0.1",
            "PAYWRIGHT_WEB_PORT": str(self.web_port),
            "PAYWRIGHT_SIMULATOR_URL": self.simulator_url,
            "PYTHONUNBUFFERED": "1",
        }


def choose_addresses(*, port: int | None, simulator_port: int | None) -> Addresses:
    """The usual ports where they are free. Raises OSError where a port that was asked for is not."""
    return Addresses(
        web_port=choose_port(port or WEB_PORT, must=port is not None),
        simulator_port=choose_port(simulator_port or SIMULATOR_PORT, must=simulator_port is not None),
    )


def start_simulator(children: Children, at: Addresses) -> None:
    named = [part for slug, dotted in settings.SIMULATORS.items() for part in ("--simulator", f"{slug}={dotted}")]
    children.start("simulator", ["clients.simulator", "--port", str(at.simulator_port), *named], at.environment())


def start_web(children: Children, at: Addresses) -> None:
    children.start("web", ["settings.serve"], at.environment())


def start_workers(children: Children, at: Addresses) -> None:
    celery = ["celery", "--app", "settings.celery"]
    quiet = ["--without-gossip", "--without-mingle"]  # there is only one
    children.start("worker", [*celery, "worker", *quiet], at.environment())
    children.start("beat", [*celery, "beat"], at.environment())


def wait_for_simulator(children: Children, at: Addresses) -> None:
    children.wait_until(lambda: remote.answers(f"{at.simulator_url}/_control/health"), "the simulator")


def wait_for_web(children: Children, at: Addresses) -> None:
    children.wait_until(lambda: remote.answers(f"{at.url}/readyz"), "the web server")


def wait_for_workers(children: Children) -> None:
    """Until a worker answers over Redis."""
    children.wait_until(_worker_answers, "the worker")


def _worker_answers() -> bool:
    try:
        return bool(current_app.control.ping(timeout=PING_SECONDS, limit=1))
    except OperationalError:
        return False
