"""Labs, keys and payments for tests of the platform, made by the real services."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from core import labs
from core.gateways.types import CaptureMode, CustomerDetails, Mode, Report
from core.models import Lab, Scope
from core.money import Money
from payments import frame, loading
from payments.models import PaymentGatewayKey, PaymentGatewayTransaction, WebhookEvent
from payments.services import initiate, keys, orders
from payments.states import CauseKind
from payments.work import Cause, KeyFacts, PaymentState

CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "stripe": {"secret_key": "sk_{mode}_51Builder0123456789", "webhook_secret": "whsec_builder_0123456789"},
    "nowpayments": {"api_key": "BUILDER-KEY0001-ABCDEFG-HIJKLMN", "ipn_secret": "builder-ipn-secret-01"},
}
ORIGIN = "https://shop.example"


def make_lab(name: str = "Acme") -> Lab:
    return labs.create_lab(
        name=name, slug=f"{name.lower()}-{secrets.token_hex(4)}", actor="test", return_origins=[ORIGIN]
    )


def make_api_key(lab: Lab, mode: Mode = Mode.LIVE, scopes: list[str] | None = None) -> str:
    """The text of a new API key with all scopes."""
    made = labs.create_api_key(lab=lab, mode=mode, name="test", scopes=scopes or list(Scope.values), actor="test")
    return str(made.text)


def make_gateway_key(lab: Lab, gateway: str = "stripe", mode: Mode = Mode.LIVE, **values: Any) -> PaymentGatewayKey:
    credentials = {name: text.format(mode=mode.value) for name, text in CREDENTIALS.get(gateway, {}).items()}
    return keys.create_gateway_key(lab=lab, gateway=gateway, mode=mode, values={**credentials, **values}, actor="test")


def make_payment(
    lab: Lab,
    *,
    amount: Money | None = None,
    mode: Mode = Mode.LIVE,
    gateway: str = "stripe",
    reference: str = "",
    purpose: str = "payment",
    capture: CaptureMode = CaptureMode.AUTOMATIC,
    expires_in: int | None = None,
) -> initiate.Prepared:
    """A recorded payment whose gateway was not asked yet. Needs an active gateway key."""
    customer = CustomerDetails(id="cust-1", name="Mira") if purpose == "deposit" else None
    order = orders.Order(
        money=amount or Money(1299, "EUR"), gateway=gateway, merchant_reference=reference, purpose=purpose,
        capture=capture, customer=customer, expires_in=expires_in,
    )  # fmt: skip
    return initiate.record(lab_id=lab.pk, mode=mode, order=order)


def key_facts(key: PaymentGatewayKey) -> KeyFacts:
    return keys.key_row_of(key).facts


def cause_row(key: PaymentGatewayKey, kind: CauseKind, payment_id: int | None = None) -> str:
    """A real row for a cause to name (I14): an inbox row, or a gateway transaction of the payment."""
    if kind is CauseKind.WEBHOOK:
        event = WebhookEvent.objects.create(
            lab=key.lab, mode=key.mode, gateway_key=key, event_key=secrets.token_hex(8), body=b"{}", body_sha256="0" * 64,
            state="applied",
        )  # fmt: skip
        return str(event.pk)
    exchange = PaymentGatewayTransaction.objects.create(
        lab=key.lab, mode=key.mode, gateway_key=key, payment_id=payment_id, operation="fetch_payment",
        operation_id=secrets.token_hex(8), idempotency_key=secrets.token_hex(8), request_hash="0" * 64,
        outcome="answered",
    )  # fmt: skip
    return str(exchange.pk)


def tell(
    key: PaymentGatewayKey,
    report: Report,
    *,
    payment_id: int | None = None,
    kind: CauseKind = CauseKind.WEBHOOK,
    now: datetime | None = None,
    seen: PaymentState | None = None,
) -> frame.Fact:
    """Apply one report as the frame does; the fact says what became of it."""
    cause = Cause(
        kind=kind,
        id=cause_row(key, kind, payment_id),
        seen_seq=seen.transition_seq if seen else None,
        seen_claim=seen.claim if seen else "",
    )
    fact = frame.Fact(key=key_facts(key), report=report, cause=cause, payment_id=payment_id)
    frame.apply_reports([fact], wait=True, now=now)
    return fact


def read(payment_id: int) -> PaymentState:
    loaded = loading.by_id(payment_id)
    assert loaded is not None
    return loaded.state
