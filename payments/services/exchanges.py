"""Recording what is asked of a gateway before it is asked, and asking.

`INSERT` runs in the transaction of the operation. Nothing of it changes later but the outcome. The lease is longer than
every timeout together; it uses the database's clock.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from django.db import connection

from core import ids, strict_json
from core.gateways.errors import GatewayError, OutcomeUnknown
from core.gateways.redaction import redact
from core.gateways.types import Operation, Report
from payments.models import Outcome
from payments.writing import Part, exchange_part

LEASE_SECONDS: Final = 120

INSERT: Final = f"""
    INSERT INTO payments_paymentgatewaytransaction (id, lab_id, mode, payment_id, refund_id, gateway_key_id, operation,
      operation_id, idempotency_key, request, request_hash, lease_token, lease_until)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, clock_timestamp() + interval '{LEASE_SECONDS} seconds')"""  # noqa: S608

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One operation on its way to a gateway. `id` is the cause of what its answer changes."""

    id: uuid.UUID = field(default_factory=ids.uuid7)
    lease_token: uuid.UUID = field(default_factory=uuid.uuid4)
    lab_id: int
    mode: str
    payment_id: int
    gateway_key_id: int
    operation: Operation
    operation_id: str
    idempotency_key: str
    request: Mapping[str, Any]
    refund_id: int | None = None

    def parameters(self) -> list[Any]:
        """Of INSERT."""
        text = strict_json.dumps(redact(self.request))
        return [
            self.id, self.lab_id, str(self.mode), self.payment_id, self.refund_id, self.gateway_key_id,
            self.operation.value, self.operation_id, self.idempotency_key, text,
            hashlib.sha256(text.encode()).hexdigest(), self.lease_token,
        ]  # fmt: skip

    def closed(self, outcome: Outcome, *, report: Report | None, milliseconds: int) -> Part:
        response = None if report is None else redact(report.raw)
        return exchange_part(
            exchange_id=self.id, lease_token=self.lease_token, outcome=outcome.value, response=response,
            duration_ms=milliseconds,
        )  # fmt: skip

    def refused(self, outcome: Outcome, error: GatewayError, *, milliseconds: int) -> Part:
        return exchange_part(
            exchange_id=self.id, lease_token=self.lease_token, outcome=outcome.value,
            response={"http_status": error.http_status, "code": error.gateway_code, "request_id": error.request_id},
            error_class=type(error).__name__, error=error.reason, duration_ms=milliseconds,
        )  # fmt: skip


def is_held(exchange: Exchange) -> bool:
    """Whether this process still speaks for the exchange, and nobody took it over while we waited.

    Locks its row: call it with the payment's lock held, as everybody who writes both does.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM payments_paymentgatewaytransaction WHERE id = %s AND lease_token = %s"
            " AND outcome IN ('sent', 'unknown') FOR UPDATE",
            [exchange.id, exchange.lease_token],
        )
        return cursor.fetchone() is not None


@dataclass(frozen=True, slots=True)
class Asked:
    """What came back: an answer or one of the five errors, never both."""

    answer: Any
    error: GatewayError | None
    milliseconds: int


def ask(call: Callable[[], Any]) -> Asked:
    """Call a gateway. An exception that is none of the five is a bug in its package: then nothing is known."""
    began = time.monotonic()
    try:
        answer, error = call(), None
    except GatewayError as raised:
        answer, error = None, raised
    except Exception as bug:
        answer, error = None, OutcomeUnknown(f"the gateway package failed: {type(bug).__name__}")
        error.__cause__ = bug
    return Asked(answer, error, int((time.monotonic() - began) * 1000))


def answered_part(exchange: Exchange, report: Report | None, asked: Asked, *, name: str = "fetch_kept") -> Part:
    """A read is recorded with its answer: it moved nothing, so it needs no row before the call."""
    response = strict_json.dumps(redact(report.raw)) if report is not None else None
    return Part(
        name,
        """INSERT INTO payments_paymentgatewaytransaction (id, lab_id, mode, payment_id, refund_id, gateway_key_id,
             operation, operation_id, idempotency_key, request, request_hash, lease_token, outcome, response,
             duration_ms, finished_at)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, 'answered', %s::jsonb, %s, clock_timestamp())""",
        (*exchange.parameters(), response, asked.milliseconds),
    )
