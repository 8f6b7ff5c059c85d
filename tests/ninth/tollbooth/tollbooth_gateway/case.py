"""What Tollbooth gives the contract suite: answers and deliveries written by hand."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from core.gateways.testing import AmountSample, Answers, Event, Exchange, GatewayCase, Story, answer
from core.gateways.types import (
    Attention,
    Mode,
    Operation,
    PaymentRequest,
    PaymentStatus,
    RefundNames,
    RefundRequest,
    Report,
    WebhookDelivery,
)
from core.money import Money
from tollbooth_gateway.gateway import TollboothGateway

EUROS: Final = Money(1299, "EUR")
GIVEN_BACK: Final = Money(299, "EUR")
CHARGE: Final = "ch_8842"
REFUND: Final = "rf_5501"
REFUND_REFERENCE: Final = "REF_20261120190000_5e6f7a81"
EVENTS: Final[Mapping[Event, tuple[str, str]]] = {
    Event.PAID: ("charge.paid", "paid"),
    Event.FAILED: ("charge.failed", "failed"),
    Event.EXPIRED: ("charge.expired", "expired"),
    Event.REFUND_PENDING: ("refund.pending", "pending"),
    Event.REFUND_SUCCEEDED: ("refund.done", "done"),
    Event.REFUND_FAILED: ("refund.failed", "failed"),
}
S = PaymentStatus


def charge(status: str = "open", *, amount: Money = EUROS, live: bool = False, **more: Any) -> dict[str, Any]:
    paid = {"paid": amount.minor} if status == "paid" else {"paid": 0}
    page = {"url": "https://pay.tollbooth.example/pay/ch_8842"} if status == "open" else {}
    failure = {"failure": "no_funds"} if status == "failed" else {}
    return {
        "id": CHARGE, "reference": GatewayCase.reference, "status": status, "amount": amount.minor, "currency": amount.asset,
        "live": live, "changed": 1795176000, **paid, **page, **failure, **more,
    }  # fmt: skip


def refund(status: str = "pending", *, amount: Money = GIVEN_BACK, live: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "id": REFUND, "reference": REFUND_REFERENCE, "status": status, "amount": amount.minor, "currency": amount.asset,
        "charge": CHARGE, "charge_reference": GatewayCase.reference, "live": live, "changed": 1795176100, **more,
    }  # fmt: skip


def sign(body: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def delivery(event: Mapping[str, Any], secret: str) -> WebhookDelivery:
    body = json.dumps(event).encode()
    return WebhookDelivery(
        method="POST",
        url="https://pay.example.com/payments/webhook/x/token",
        headers={"content-type": "application/json", "tollbooth-signature": sign(body, secret)},
        body=body,
    )


class TollboothCase(GatewayCase):
    slug = "tollbooth"
    gateway_class = TollboothGateway
    signature_header = "tollbooth-signature"
    default_amount = EUROS
    events = frozenset({*EVENTS, Event.UNKNOWN})

    def credentials(self, mode: Mode) -> dict[str, Any]:
        return {
            "api_key": f"tb_{mode.value}_aB3dE6gH9jK2mN5pQ8sT1vW4",
            "webhook_secret": f"tollbooth-{mode.value}-secret-4f1d2c3b",
        }

    # --- exchanges -------------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest | None = None) -> Exchange:
        wish = request or self.payment_request()
        body = charge(amount=wish.amount, reference=wish.reference)
        return Exchange(
            operation=Operation.INITIATE, answer=answer(body, status=201), call=lambda one: one.initiate(wish)
        )

    def fetch(self, body: Mapping[str, Any]) -> Exchange:
        names = self.names(CHARGE)
        return Exchange(
            operation=Operation.FETCH_PAYMENT, answer=answer(body), call=lambda one: one.fetch_payment(names)
        )

    def refund(self) -> Exchange:
        wish = RefundRequest(
            names=self.names(CHARGE), reference=REFUND_REFERENCE, amount=GIVEN_BACK, idempotency_key="REF_1:refund"
        )
        return Exchange(
            operation=Operation.REFUND, answer=answer(refund(), status=201), call=lambda one: one.refund(wish)
        )

    def fetch_refund(self, status: str = "done") -> Exchange:
        names = RefundNames(reference=REFUND_REFERENCE, gateway_reference=REFUND, payment=self.names(CHARGE))
        return Exchange(
            operation=Operation.FETCH_REFUND, answer=answer(refund(status)), call=lambda one: one.fetch_refund(names)
        )

    def exchanges(self) -> Sequence[Exchange]:
        return self.initiate(), self.fetch(charge("paid")), self.refund(), self.fetch_refund()

    def amounts(self) -> Sequence[AmountSample]:
        sent = {
            Money(1299, "EUR"): '"amount":1299,"currency":"EUR"',
            Money(1300, "JPY"): '"amount":1300,"currency":"JPY"',
            Money(12990, "KWD"): '"amount":12990,"currency":"KWD"',
        }
        return [
            AmountSample(amount=money, sent=text, paid=self.fetch(charge("paid", amount=money)))
            for money, text in sent.items()
        ]

    def unseen_status(self) -> Exchange:
        return self.fetch(charge("levitating"))

    def not_found(self) -> Exchange:
        return replace(self.fetch({}), answer=answer({"error": {"code": "no_such_charge"}}, status=404))

    def decline(self) -> tuple[Exchange, str]:
        return self.fetch(charge("failed")), "insufficient_funds"

    def working_credentials(self) -> Answers:
        return (answer({"id": "acct_1", "live": False}),)

    def refused_credentials(self) -> Answers:
        return (answer({"error": {"code": "bad_key"}}, status=401),)

    def wire_limits(self) -> Mapping[str, int]:
        return {"description": 200}

    # --- webhooks --------------------------------------------------------------------------------------------------

    def webhook(
        self,
        event: Event,
        *,
        amount: Money | None = None,
        reference: str | None = None,
        gateway_reference: str | None = None,
        refund_reference: str | None = None,
        mode: Mode = Mode.TEST,
    ) -> WebhookDelivery:
        secret, live = self.credentials(mode)["webhook_secret"], mode is Mode.LIVE
        if event is Event.UNKNOWN:
            return delivery({"id": "ev_unknown", "type": "barrier.lifted", "live": live, "data": {}}, secret)
        kind, word = EVENTS[event]
        ours, theirs = reference or self.reference, gateway_reference or CHARGE
        if event.value.startswith("refund_"):
            data = refund(word, amount=amount or GIVEN_BACK, live=live, charge=theirs, charge_reference=ours)
            data["reference"] = refund_reference or REFUND_REFERENCE
        else:
            data = charge(word, amount=amount or EUROS, live=live, reference=ours, id=theirs)
        return delivery({"id": f"ev_{event.value}", "type": kind, "live": live, "data": data}, secret)

    def resigned(self, delivery: WebhookDelivery, secret: str) -> WebhookDelivery:
        return self.with_signature(delivery, sign(delivery.body, secret))

    # --- whole payments --------------------------------------------------------------------------------------------

    def stories(self) -> Sequence[Story]:
        paid = self.said("paid")
        back = {"refunds_asked": {REFUND_REFERENCE: GIVEN_BACK}}
        return [
            self.story("paid", paid, truth="paid", status=S.CAPTURED, captured=1299),
            self.story("declined", self.said("failed"), truth="failed", status=S.FAILED),
            self.story("left until it ran out", self.said("expired"), truth="expired", status=S.EXPIRED),
            self.story("still open", truth="open", status=S.REQUIRES_ACTION),
            self.story("a part given back", paid, self.read(self.webhook(Event.REFUND_PENDING)),
                       self.read(self.webhook(Event.REFUND_SUCCEEDED)), truth="paid", status=S.CAPTURED, captured=1299,
                       expected_refunded_minor=299, refund_truths=(self.run(self.fetch_refund()),), **back),
            self.story("a refund that failed", paid, self.read(self.webhook(Event.REFUND_FAILED)), truth="paid",
                       status=S.CAPTURED, captured=1299, refund_truths=(self.run(self.fetch_refund("failed")),),
                       allowed_attention=frozenset({Attention.REFUND_FAILED}), **back),
        ]  # fmt: skip

    def contradictions(self) -> Sequence[Story]:
        return [
            self.story("paid less than asked", self.said("paid", paid=99), truth="paid", truth_paid=99,
                       status=S.REQUIRES_ACTION, expected_attention=frozenset({Attention.UNDERPAID})),
            self.story("failed after it was paid", self.said("paid"), truth="failed", status=S.CAPTURED, captured=1299,
                       expected_attention=frozenset({Attention.GATEWAY_DISAGREES})),
        ]  # fmt: skip

    def said(self, status: str, **more: Any) -> Report:
        """What a delivery says of the charge."""
        secret = self.credentials(Mode.TEST)["webhook_secret"]
        event = {"id": f"ev_{status}", "type": f"charge.{status}", "live": False, "data": charge(status, **more)}
        return self.read(delivery(event, secret))

    def story(
        self, name: str, *facts: Report, truth: str, status: S, captured: int = 0, truth_paid: int | None = None, **more: Any
    ) -> Story:  # fmt: skip
        body = charge(truth) if truth_paid is None else charge(truth, paid=truth_paid)
        return Story(
            name=name,
            amount=EUROS,
            reference=self.reference,
            initiated=self.run(self.initiate()),
            facts=facts,
            truth=self.run(self.fetch(body)),
            expected_status=status,
            expected_captured_minor=captured,
            **more,
        )


CASE: Final = TollboothCase()
