"""What is measured, and that it really happened."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings

from core import clock
from payments import inbox
from payments.bench.deliveries import Kept
from payments.bench.load import http_request, write_requests
from payments.bench.worlds import World, count
from payments.demo.remote import Simulator
from payments.models import Payment
from payments.states import OPEN

CONNECTIONS: Final = 8


class NotTrue(Exception):
    """The rows do not say what the clients were told. One sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One round of one measurement; `rate` is in answers a second."""

    rate: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0


def middle(rounds: Sequence[Round]) -> Round:
    """The median of each figure."""
    return Round(
        rate=median(one.rate for one in rounds),
        p50_ms=median(one.p50_ms for one in rounds),
        p99_ms=median(one.p99_ms for one in rounds),
    )


def load(requests: Sequence[bytes], *, status: int) -> Round:
    """Send all over CONNECTIONS keep-alive connections of another process. Raises NotTrue where one is not `status`."""
    port = urlsplit(str(settings.PUBLIC_URL)).port
    command = [sys.executable, "-m", "payments.bench.load", str(port), str(CONNECTIONS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=settings.BASE_DIR) as clients:
        assert clients.stdin is not None and clients.stdout is not None
        write_requests(clients.stdin, requests)
        clients.stdin.close()
        said = clients.stdout.read()
    found: dict[str, Any] = json.loads(said)
    if found["statuses"] != {str(status): len(requests)}:
        raise NotTrue(f"of {len(requests)} requests the answers were {found['statuses']}, not all {status}")
    return Round(rate=len(requests) / found["seconds"], p50_ms=found["p50_ms"], p99_ms=found["p99_ms"])


def webhooks(world: World, kept: Sequence[Kept]) -> Round:
    """Deliver each once; every one must leave its whole effect behind, which is counted."""
    path = urlsplit(world.webhook_url).path
    before = _effects()
    found = load([http_request("POST", path, dict(one.sign()), one.body) for one in kept], status=200)
    after = _effects()
    for name, number in after.items():
        if number - before[name] != len(kept):
            raise NotTrue(f"{len(kept)} webhooks were answered 200 and {number - before[name]} {name} came of them")
    return found


_EFFECTS: Final = {
    "events applied": "SELECT count(*) FROM payments_webhookevent WHERE state = 'applied'",
    "payments captured": "SELECT count(*) FROM payments_payment WHERE status = 'captured'",
    "transitions": "SELECT count(*) FROM payments_paymenttransition WHERE to_status = 'captured'",
    "ledger transactions": "SELECT count(*) FROM finance_transaction WHERE kind = 'payment'",
    "outgoing events": "SELECT count(*) FROM core_outboxevent WHERE type = 'payment.captured'",
}


def _effects() -> dict[str, int]:
    return {name: count(sql) for name, sql in _EFFECTS.items()}


def initiates(world: World, number: int, *, name: str) -> Round:
    before = count("SELECT count(*) FROM payments_payment WHERE is_acknowledged")
    found = load([_initiate(world, f"{name}-{n}") for n in range(number)], status=201)
    made = count("SELECT count(*) FROM payments_payment WHERE is_acknowledged") - before
    if made != number:
        raise NotTrue(f"{number} initiates were answered 201 and {made} payments are known to the gateway")
    return found


def _initiate(world: World, key: str) -> bytes:
    body = {
        "amount": world.money.minor, "currency": world.money.asset, "gateway": world.gateway, "reference": key,
        "description": "Bench", "customer": {"id": f"c-{key}", "name": "Mira"}, "return_url": "https://shop.example/thanks",
    }  # fmt: skip
    headers = {
        "Authorization": f"Bearer {world.api_key}", "Idempotency-Key": key, "Content-Type": "application/json",
    }  # fmt: skip
    return http_request("POST", "/payments/initiate", headers, json.dumps(body).encode())


def statuses(world: World, public_ids: Sequence[str], number: int) -> Round:
    """GET of payments that are final: nobody is asked."""
    headers = {"Authorization": f"Bearer {world.api_key}"}
    each = [http_request("GET", f"/payments/status/{one}", headers) for one in public_ids]
    return load([each[n % len(each)] for n in range(number)], status=200)


def paid_payments(world: World, simulator: Simulator, number: int = 20) -> list[str]:
    """Public ids of so many initiated payments, paid at the simulator and known here by its webhooks."""
    newest = (
        Payment.objects.for_lab(world.lab).exclude(gateway_reference="").filter(status__in=[one.value for one in OPEN])
    )
    chosen = dict(newest.order_by("-id").values_list("public_id", "gateway_reference")[:number])
    for reference in chosen.values():
        simulator.pay(world.gateway, reference)
    deadline = time.monotonic() + 30
    captured = Payment.objects.for_lab(world.lab).filter(public_id__in=chosen, status="captured")
    while captured.count() < number:
        if time.monotonic() > deadline:
            raise NotTrue("the payments of the simulator's customers were not known as captured after 30 s")
        time.sleep(0.05)
    return sorted(chosen)


def drain(expected: int, say: Callable[[str], None]) -> Round:
    """The sweep's own function, batch after batch, in this process alone, until nothing waits."""
    before = _effects()
    due = clock.now()
    began, taken = time.perf_counter(), 0
    while batch := inbox.sweep_events(due_by=due):
        taken += batch
        if taken % 10_000 == 0:
            say(f"{taken:,} of {expected:,} events, {taken / (time.perf_counter() - began):,.0f}/s")
    seconds = time.perf_counter() - began
    after = _effects()
    wrong = {name: after[name] - before[name] for name in after if after[name] - before[name] != expected}
    if taken != expected or wrong:
        raise NotTrue(f"{expected} stored events, {taken} taken up; not as many: {wrong}")
    return Round(rate=taken / seconds)


def in_parts(values: Sequence[Any], parts: int) -> Iterable[Sequence[Any]]:
    """Equal parts, in order."""
    size = len(values) // parts
    return [values[n * size : (n + 1) * size] for n in range(parts)]
