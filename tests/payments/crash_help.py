"""The side of the crash tests that stays alive: starts lives of the platform, asks them, and looks at both books."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import httpx
from django.conf import settings
from django.db import connection

from clients.simulator.testing import Simulator
from core import embedded
from core.embedded.ports import free_port
from core.gateways.types import Mode
from core.models import Lab
from payments.models import Payment, PaymentGatewayKey
from payments.services import keys
from tests.payments import builders


class Died(Exception):
    """The process was gone before it answered."""


class Site:
    """A running crash_site."""

    def __init__(self, simulator_url: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = {
            **os.environ,
            "DATABASE_URL": database_url(),
            "DJANGO_SETTINGS_MODULE": "settings.test",
            "PAYWRIGHT_PUBLIC_URL": self.url,
            "PAYWRIGHT_SIMULATOR_URL": simulator_url,
            "PAYWRIGHT_LOG_LEVEL": "ERROR",
        }
        self._process = embedded.start_child(
            [sys.executable, "-m", "tests.payments.crash_site", str(self.port)], cwd=settings.BASE_DIR, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._heard() == {"ready": True}
        self.is_up = False

    def serve(self, crash_at: str | None = None) -> None:
        """A fresh life, in the place of the one before."""
        if self.is_up:
            self._ask({"do": "stop"})
        self._ask({"do": "serve", "crash_at": crash_at})
        self.is_up = True

    def died(self) -> None:
        """The server was killed with -9, and not otherwise."""
        assert self._ask({"do": "wait"})["signal"] == signal.SIGKILL
        self.is_up = False

    def stop(self) -> None:
        if self.is_up:
            self._ask({"do": "stop"})
            self.is_up = False

    def sweep(self, *, seconds: float = 0, crash_at: str | None = None) -> None:
        """`manage.py sweep` in a process of its own, so many seconds from now."""
        found = self._ask({"do": "sweep", "crash_at": crash_at, "seconds": seconds})
        assert found["signal"] == (signal.SIGKILL if crash_at else 0), found
        assert crash_at or found["code"] == 0, found

    def close(self) -> None:
        self.stop()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=20)

    def _ask(self, wish: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(wish) + "\n")
        self._process.stdin.flush()
        return self._heard()

    def _heard(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the crash site itself is gone"
        return dict(json.loads(line))


def database_url() -> str:
    """Of the test database, which is not the one that the run was started with."""
    known = connection.settings_dict
    user, password = quote(known["USER"], safe=""), quote(known["PASSWORD"], safe="")
    return f"postgresql://{user}:{password}@{known['HOST']}:{known['PORT']}/{known['NAME']}"


class Customer:
    """A lab's program and its gateway account, talking to the site over real HTTP."""

    def __init__(self, site: Site, simulator: Simulator) -> None:
        self.site, self.simulator = site, simulator
        self.lab: Lab = builders.make_lab()
        self.key: PaymentGatewayKey = builders.make_gateway_key(self.lab)
        self.token = builders.make_api_key(self.lab)
        self._register(self.key, {n: text.format(mode="live") for n, text in builders.CREDENTIALS["stripe"].items()})

    def add_account(self, **values: str) -> PaymentGatewayKey:
        """A second account of the lab at the same gateway, considered after the first."""
        key = builders.make_gateway_key(self.lab, **values)
        self._register(key, values)
        return key

    def _register(self, key: PaymentGatewayKey, values: Mapping[str, str]) -> None:
        url = keys.key_row_of(key).webhook_url()
        self.simulator.register("stripe", mode=Mode.LIVE.value, credentials=values, webhook_url=url)

    def post(self, path: str, body: Any, *, key: str) -> httpx.Response:
        """Raises Died where the process is killed meanwhile."""
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": key}
        return self._send("POST", path, json=body, headers=headers)

    def get(self, path: str) -> httpx.Response:
        return self._send("GET", path, headers={"Authorization": f"Bearer {self.token}"})

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            with httpx.Client(timeout=30, trust_env=False, verify=False) as client:
                return client.request(method, self.site.url + path, **options)
        except httpx.TransportError as error:
            raise Died from error

    def initiate(self, *, key: str = "order", **changes: Any) -> dict[str, Any]:
        return made(self.post("/payments/initiate", {"amount": 1000, "currency": "EUR", **changes}, key=key))

    def status(self, payment: Mapping[str, Any]) -> dict[str, Any]:
        return made(self.get(f"/payments/status/{payment['id']}"), 200)

    def paid(self, **changes: Any) -> dict[str, Any]:
        """A payment that its customer paid (or authorized), known by webhook."""
        payment = self.initiate(**changes)
        self.simulator.act("stripe", "authorize" if changes.get("capture") else "pay", payment["gateway_reference"])
        self.simulator.wait_idle()
        return self.status(payment)

    def gateway_books(self) -> list[tuple[str, str]]:
        """(captured, refunded) of every payment that the gateway knows, in major units."""
        return [(line["captured"], line["refunded"]) for line in self.simulator.books("stripe")]

    def wrote(self, path: str) -> set[str | None]:
        """The idempotency keys of everything that the gateway was asked to do at a path."""
        calls = self.simulator.calls("stripe", method="POST")
        return {call["idempotency_key"] for call in calls if call["path"].endswith(path)}


def made(response: httpx.Response, status: int = 201) -> dict[str, Any]:
    assert response.status_code == status, response.text
    return dict(response.json())


def our_books(lab: Lab) -> tuple[int, int]:
    """(captured, refunded) by the lab's ledger, in minor units."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT coalesce(sum(-e.amount) FILTER (WHERE t.kind = 'payment'), 0),
                      coalesce(sum(e.amount) FILTER (WHERE t.kind = 'refund'), 0)
               FROM finance_entry e JOIN finance_transaction t ON t.id = e.transaction_id
               JOIN finance_account a ON a.id = e.account_id WHERE a.kind = 'clearing' AND t.lab_id = %s""",
            [lab.pk],
        )
        captured, refunded = cursor.fetchone()
    return int(captured), int(refunded)


def only_payment() -> Payment:
    found = Payment.across_labs.get()
    assert isinstance(found, Payment)
    return found


def leases_run_out() -> None:
    """Two minutes pass by the database's clock, which nobody can set: what was held is free."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_paymentgatewaytransaction SET lease_until = clock_timestamp() WHERE lease_until IS NOT NULL"
        )
        cursor.execute("UPDATE core_idempotencykey SET locked_until = clock_timestamp() WHERE state = 'running'")
        cursor.execute(
            "UPDATE payments_payment SET last_checked_at = last_checked_at - interval '2 minutes' WHERE last_checked_at IS NOT NULL"
        )


@contextmanager
def payments_locked() -> Iterator[None]:
    """Somebody else works on every payment, so that what arrives meanwhile is left for the sweep."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM payments_payment FOR NO KEY UPDATE")
            yield
            cursor.execute("ROLLBACK")
    finally:
        other.close()
