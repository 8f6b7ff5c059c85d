"""Stripe for the contract suite: scripted exchanges, signed events, and whole payments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from clients.stripe.gateway import StripeGateway
from core.gateways.testing import AmountSample, Answers, Event, Exchange, GatewayCase, Story, answer
from core.gateways.types import (
    Attention,
    CaptureMode,
    CaptureRequest,
    ChargeRequest,
    CloseRequest,
    DeleteSavedRequest,
    DisputeNames,
    Mode,
    Operation,
    PaymentRequest,
    PaymentStatus,
    Presentation,
    RefundNames,
    RefundRequest,
    Report,
    SavedMethod,
    VoidRequest,
    WebhookDelivery,
)
from core.http import HttpResponse
from core.money import Money
from tests.clients.stripe.objects import (
    OLD_SECRET,
    SECRET,
    charge,
    declined,
    delivery,
    dispute,
    event,
    intent,
    load,
    payment_method,
    refund,
    session,
    session_intent,
    setup_session,
    signature,
)

REFERENCE = "PAY_20261120183005_1a2b3c4d_1"
SAVED = SavedMethod(token="pm_docA1", customer_token="cus_docA1")
REFUND_REFERENCE = "REF_20261120190000_5e6f7a8b"
SESSION_ID = str(load("session_open")["id"])
TOTAL = Money(1299, "EUR")
HELD = {"status": "requires_capture", "amount_capturable": 1299, "latest_charge": "ch_docA1"}
PAID = {"status": "succeeded", "amount_received": 1299, "latest_charge": "ch_docA1"}
RELEASED = {"captured": False, "refunded": True, "amount_captured": 0, "amount_refunded": 1299}


class StripeCase(GatewayCase):
    slug: ClassVar[str] = "stripe"
    gateway_class: ClassVar[type[StripeGateway]] = StripeGateway
    signature_header: ClassVar[str] = "stripe-signature"
    events: ClassVar[frozenset[Event]] = frozenset(Event)
    tolerance_seconds: ClassVar[int | None] = 300
    other_currency: ClassVar[str | None] = "CHF"

    def credentials(self, mode: Mode) -> dict[str, Any]:
        return {
            "secret_key": f"sk_{mode}_51DocExampleKey0001",
            "publishable_key": f"pk_{mode}_51DocExampleKey0001",
            "webhook_secret": SECRET,
        }

    # --- exchanges ---------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest | None = None) -> Exchange:
        asked = request or self.payment_request()
        body = session(client_reference_id=asked.reference, metadata={"payment_id": asked.reference})
        return Exchange(operation=Operation.INITIATE, call=lambda gateway: gateway.initiate(asked), answer=answer(body))

    def initiate_embedded(self, **changes: Any) -> Exchange:
        asked = self.payment_request(presentation=Presentation.EMBEDDED, **changes)
        return Exchange(
            operation=Operation.INITIATE, call=lambda gateway: gateway.initiate(asked), answer=answer(intent())
        )

    def fetch(self, body: Mapping[str, Any]) -> Exchange:
        return Exchange(
            operation=Operation.FETCH_PAYMENT,
            call=lambda gateway: gateway.fetch_payment(self.names(body["id"])),
            answer=answer(body),
        )

    def exchanges(self) -> Sequence[Exchange]:
        names = self.names("pi_docA1")
        capture = CaptureRequest(names=names, amount=TOTAL, idempotency_key="capture-key-1")
        void = VoidRequest(names=names, idempotency_key="void-key-1")
        give_back = RefundRequest(
            names=names, reference=REFUND_REFERENCE, amount=Money(500, "EUR"), idempotency_key="refund-key-1"
        )
        refund_names = RefundNames(reference=REFUND_REFERENCE, gateway_reference="re_docA1", payment=names)
        disputed = DisputeNames(gateway_reference="du_docA1", payment=names)
        forget = DeleteSavedRequest(saved=SAVED, idempotency_key="delete-key-1")
        return (
            self.initiate(),
            self.fetch(load("session_paid")),
            Exchange(operation=Operation.CAPTURE, call=lambda g: g.capture(capture), answer=answer(intent(**PAID))),
            Exchange(operation=Operation.VOID, call=lambda g: g.void(void), answer=answer(intent(status="canceled"))),
            self.close(answer(session(status="expired", url=None))),
            Exchange(operation=Operation.REFUND, call=lambda g: g.refund(give_back), answer=answer(refund())),
            Exchange(
                operation=Operation.FETCH_REFUND, call=lambda g: g.fetch_refund(refund_names), answer=answer(refund())
            ),
            Exchange(
                operation=Operation.FETCH_DISPUTE, call=lambda g: g.fetch_dispute(disputed), answer=answer(dispute())
            ),
            self.save(),
            self.charge(),
            Exchange(
                operation=Operation.DELETE_SAVED,
                call=lambda g: g.delete_saved(forget),
                answer=answer(payment_method(customer=None)),
            ),
        )

    def close(self, first: HttpResponse, *after: HttpResponse) -> Exchange:
        request = CloseRequest(names=self.names(SESSION_ID), idempotency_key="close-key-1")
        return Exchange(operation=Operation.CLOSE, call=lambda g: g.close(request), answer=first, after=after)

    def close_that_met_money(self) -> Exchange:
        refusal = {
            "type": "invalid_request_error",
            "message": "Only Checkout Sessions with a status of open can be expired.",
        }
        return self.close(answer({"error": refusal}, status=400), answer(load("session_paid")))

    def save(self) -> Exchange:
        """A method alone, on Stripe's page."""
        asked = self.save_method_request()
        return Exchange(
            operation=Operation.SAVE_METHOD,
            call=lambda gateway: gateway.save_method(asked),
            answer=answer(setup_session()),
        )

    def charge(self, response: HttpResponse | None = None, **changes: Any) -> Exchange:
        """A saved method, while the customer is away."""
        asked = ChargeRequest(payment=self.payment_request(**changes), saved=SAVED)
        paid = {**PAID, "customer": "cus_docA1", "payment_method": "pm_docA1"}
        return Exchange(
            operation=Operation.CHARGE_SAVED,
            call=lambda gateway: gateway.charge_saved(asked),
            answer=response or answer(intent(**paid)),
        )

    def amounts(self) -> Sequence[AmountSample]:
        return (
            self._amount(Money(740, "JPY"), "&line_items[0][price_data][unit_amount]=740&", '"jpy"', "740"),
            self._amount(Money(2399, "HUF"), "&line_items[0][price_data][unit_amount]=2399&", '"huf"', "2399"),
            self._amount(Money(8730, "KWD"), "&line_items[0][price_data][unit_amount]=8730&", '"kwd"', "8730"),
            # Stripe wants two decimals that are zero where ISO has none, and none where ISO has two.
            self._amount(Money(9, "UGX"), "&line_items[0][price_data][unit_amount]=900&", '"ugx"', "900"),
            self._amount(Money(3, "ISK"), "&line_items[0][price_data][unit_amount]=300&", '"isk"', "300"),
            self._amount(Money(30000, "MGA"), "&line_items[0][price_data][unit_amount]=300&", '"mga"', "300"),
        )

    def _amount(self, amount: Money, sent: str, currency: str, wire: str) -> AmountSample:
        text = (
            f'{{"id":"pi_docA1","object":"payment_intent","status":"succeeded","currency":{currency},"amount":{wire},'
            f'"amount_received":{wire},"livemode":false}}'
        )
        paid = replace(self.fetch(intent()), answer=answer(text=text))
        return AmountSample(amount=amount, sent=sent, paid=paid)

    def unseen_status(self) -> Exchange:
        return self.fetch(intent(status="requires_moon_phase"))

    def not_found(self) -> Exchange:
        error = {"type": "invalid_request_error", "code": "resource_missing", "message": "No such payment_intent"}
        return replace(self.fetch(intent()), answer=answer({"error": error}, status=404))

    def decline(self) -> tuple[Exchange, str]:
        asked = self.payment_request(presentation=Presentation.EMBEDDED)
        body = answer(load("error_card_declined"), status=402)
        exchange = Exchange(operation=Operation.INITIATE, call=lambda gateway: gateway.initiate(asked), answer=body)
        return exchange, "insufficient_funds"

    def working_credentials(self) -> Answers:
        return [answer(load("balance"))]

    def refused_credentials(self) -> Answers:
        error = {"type": "invalid_request_error", "message": "Invalid API Key provided: sk_test_***0001"}
        return [answer({"error": error}, status=401)]

    def rate_limit_answer(self) -> HttpResponse:
        return answer({"error": {}}, status=429, headers={"Retry-After": "7"})

    def wire_limits(self) -> Mapping[str, int]:
        return {
            "line_items[0][price_data][product_data][name]": 250,
            "payment_intent_data[description]": 1000,
            "metadata[note]": 500,
            "payment_intent_data[metadata][note]": 500,
            "client_reference_id": 200,
        }

    # --- webhooks ----------------------------------------------------------------------------------------------

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
        kind, subject = EVENTS[event]()
        subject = {**subject, "metadata": {**subject["metadata"], "payment_id": reference or self.reference}}
        if gateway_reference is not None:
            subject["payment_intent" if event.value.startswith("refund") else "id"] = gateway_reference
        if refund_reference is not None:
            subject["metadata"]["refund_id"] = refund_reference
        if amount is not None:
            subject = _with_amount(subject, amount)
        return delivery(_event(kind, subject, mode), self.credentials(mode)[self.secret_field], at=self.now)

    def resigned(self, delivery: WebhookDelivery, secret: str) -> WebhookDelivery:
        header = signature(delivery.body, secret, at=self.now)
        return replace(delivery, headers={**delivery.headers, self.signature_header: header})

    def resigned_at(self, delivery: WebhookDelivery, secret: str, at: datetime) -> WebhookDelivery:
        header = signature(delivery.body, secret, at=at)
        return replace(delivery, headers={**delivery.headers, self.signature_header: header})

    def foreign_account(self) -> tuple[Mapping[str, Any], WebhookDelivery]:
        """Of Stripe Connect: deliveries of every connected account are signed with the one secret of the endpoint."""
        kind, subject = EVENTS[Event.PAID]()
        foreign = event(kind, subject, account="acct_somebodyElse1")
        known = {**self.credentials(Mode.TEST), "account_id": "acct_docOurs1"}
        return known, delivery(foreign, SECRET, at=self.now)

    def other_secret(self) -> str:
        return OLD_SECRET

    def forgeries(self) -> Sequence[tuple[str, WebhookDelivery]]:
        good = self.webhook(Event.PAID)
        header, now = good.headers[self.signature_header], int(self.now.timestamp())
        stamp, _, proof = header.partition(",")
        wrong = {
            "no time": proof,
            "no signature": stamp,
            "time twice": f"{stamp},{stamp},{proof}",
            "empty time": f"t=,{proof}",
            "time with a sign": f"t=+{now},{proof}",
            "time with other digits": f"t={str(now).translate(_ARABIC)},{proof}",
            "upper-case hex": f"{stamp},v1={proof.removeprefix('v1=').upper()}",
            "another scheme": f"{stamp},v0={proof.removeprefix('v1=')}",
            "a space after the comma": f"{stamp}, {proof}",
            "five minutes and a second old": signature(good.body, SECRET, at=now - 301),
            "five minutes and a second ahead": signature(good.body, SECRET, at=now + 301),
        }
        forged = [(name, _with_signature(good, text)) for name, text in wrong.items()]
        return [*forged, ("a newline more", replace(good, body=good.body + b"\n"))]

    # --- whole payments ----------------------------------------------------------------------------------------

    def stories(self) -> Sequence[Story]:
        return (*self._hosted_stories(), *self._hold_stories(), *self._refund_stories(), *self._embedded_stories())

    def contradictions(self) -> Sequence[Story]:
        foreign = intent(**PAID, currency="usd")
        too_much = session_intent(**{**PAID, "amount_received": 1500})
        too_little = session_intent(**{**PAID, "amount_received": 1000})
        release = ("payment_intent.canceled", intent(status="canceled", cancellation_reason="abandoned"))
        return (
            self._held_story(
                "taken and released at once",
                [_held(), ("payment_intent.succeeded", intent(**PAID)), release],
                release[1],
                PaymentStatus.CAPTURED,
                1299,
                attention={Attention.GATEWAY_DISAGREES},
                capture_asked=TOTAL,
            ),
            self._contradiction("another currency", foreign, Attention.MISMATCH, PaymentStatus.PENDING, 0),
            self._contradiction("more than was asked", too_much, Attention.OVERPAID, PaymentStatus.CAPTURED, 1500),
            self._contradiction("less than was asked", too_little, Attention.UNDERPAID, PaymentStatus.PENDING, 0),
            self._contradiction(
                "the other mode", session_intent(**PAID, livemode=True), Attention.MISMATCH, PaymentStatus.PENDING, 0
            ),
        )

    def _hosted_stories(self) -> tuple[Story, ...]:
        failed_try = ("payment_intent.payment_failed", session_intent(last_payment_error=declined()))
        paid = ("payment_intent.succeeded", session_intent(**PAID))
        completed = session(status="complete", payment_status="paid", payment_intent="pi_docA1", url=None)
        waiting = session(status="complete", payment_status="unpaid", payment_intent="pi_docA1", url=None)
        processing = ("payment_intent.processing", session_intent(status="processing"))
        over = session(status="expired", url=None)
        bounced = session_intent(last_payment_error=declined(decline_code=None))
        return (
            self._hosted_story(
                "paid at the second try, after 3D Secure",
                [
                    failed_try,
                    ("payment_intent.requires_action", session_intent(status="requires_action")),
                    paid,
                    ("checkout.session.completed", completed),
                    ("charge.updated", charge(metadata={"payment_id": REFERENCE, "shape": "session"})),
                ],
                load("session_paid"),
                PaymentStatus.CAPTURED,
                1299,
            ),
            self._hosted_story(
                "paid by a delayed method",
                [
                    ("checkout.session.completed", waiting),
                    processing,
                    paid,
                    ("checkout.session.async_payment_succeeded", completed),
                ],
                load("session_paid"),
                PaymentStatus.CAPTURED,
                1299,
            ),
            self._hosted_story(
                "a delayed method fails",
                [
                    ("checkout.session.completed", waiting),
                    processing,
                    ("payment_intent.payment_failed", bounced),
                    ("checkout.session.async_payment_failed", waiting),
                ],
                {**waiting, "payment_intent": bounced},
                PaymentStatus.FAILED,
                0,
            ),
            self._hosted_story(
                "left alone after a declined try",
                [failed_try, ("checkout.session.expired", over)],
                over,
                PaymentStatus.EXPIRED,
                0,
            ),
        )

    def _hold_stories(self) -> tuple[Story, ...]:
        released = intent(status="canceled", cancellation_reason="requested_by_customer", latest_charge="ch_docA1")
        lapsed = intent(status="canceled", cancellation_reason="automatic", latest_charge="ch_docA1")
        part = intent(**{**PAID, "amount_received": 900})
        release = [_held(), ("payment_intent.canceled", released), ("charge.refunded", charge(**RELEASED))]
        lapse = [_held(), ("charge.expired", charge(**RELEASED)), ("payment_intent.canceled", lapsed)]
        return (
            self._held_story(
                "held, then taken",
                [_held(), ("payment_intent.succeeded", intent(**PAID))],
                intent(**PAID),
                PaymentStatus.CAPTURED,
                1299,
                capture_asked=TOTAL,
            ),
            self._held_story(
                "held, then a part taken",
                [_held(), ("payment_intent.succeeded", part)],
                part,
                PaymentStatus.CAPTURED,
                900,
                capture_asked=Money(900, "EUR"),
            ),
            self._held_story(
                "held, then released, which looks like a refund",
                release,
                released,
                PaymentStatus.VOIDED,
                void_asked=True,
            ),
            self._held_story("held, then lapsed", lapse, lapsed, PaymentStatus.EXPIRED),
        )

    def _refund_stories(self) -> tuple[Story, ...]:
        paid = ("payment_intent.succeeded", session_intent(**PAID))
        truth = load("session_paid")
        truth["payment_intent"]["latest_charge"]["amount_refunded"] = 500
        total = ("charge.refunded", charge(amount_refunded=500, metadata={"payment_id": REFERENCE, "shape": "session"}))
        failed = refund(status="failed", failure_reason="expired_or_canceled_card")
        asked = {REFUND_REFERENCE: Money(500, "EUR")}
        return (
            self._hosted_story(
                "paid, then a part given back",
                [paid, ("refund.created", refund(status="pending")), ("refund.updated", refund()), total],
                truth,
                PaymentStatus.CAPTURED,
                1299,
                expected_refunded_minor=500,
                refunds_asked=asked,
                refund_truths=(self._refund_truth(refund()),),
            ),
            self._hosted_story(
                "paid, given back, and returned by the bank",
                [paid, ("refund.created", refund()), ("refund.failed", failed)],
                load("session_paid"),
                PaymentStatus.CAPTURED,
                1299,
                refunds_asked=asked,
                refund_truths=(self._refund_truth(failed),),
                allowed_attention=frozenset({Attention.REFUND_FAILED}),
            ),
        )

    def _embedded_stories(self) -> tuple[Story, ...]:
        failed_try = ("payment_intent.payment_failed", intent(last_payment_error=declined()))
        initiated = self.run(self.initiate_embedded())
        return (
            self._story(
                "in our page, paid at the second try",
                initiated,
                [failed_try, ("payment_intent.succeeded", intent(**PAID))],
                intent(**PAID),
                PaymentStatus.CAPTURED,
                1299,
            ),
            self._story(
                "in our page, declined for good",
                initiated,
                [failed_try],
                failed_try[1],
                PaymentStatus.FAILED,
                0,
            ),
        )

    def _hosted_story(
        self,
        name: str,
        told: Sequence[tuple[str, Mapping[str, Any]]],
        truth: Mapping[str, Any],
        status: PaymentStatus,
        captured: int,
        **more: Any,
    ) -> Story:
        return self._story(name, self.run(self.initiate()), told, truth, status, captured, **more)

    def _held_story(
        self,
        name: str,
        told: Sequence[tuple[str, Mapping[str, Any]]],
        truth: Mapping[str, Any],
        status: PaymentStatus,
        captured: int = 0,
        attention: set[Attention] | None = None,
        **more: Any,
    ) -> Story:
        initiated = self.run(self.initiate_embedded(capture=CaptureMode.MANUAL))
        expected = frozenset(attention or ())
        return self._story(
            name,
            initiated,
            told,
            truth,
            status,
            captured,
            capture=CaptureMode.MANUAL,
            expected_attention=expected,
            **more,
        )

    def _contradiction(
        self, name: str, told: Mapping[str, Any], attention: Attention, status: PaymentStatus, captured: int
    ) -> Story:
        return self._hosted_story(
            name,
            [("payment_intent.succeeded", told)],
            told,
            status,
            captured,
            expected_attention=frozenset({attention}),
        )

    def _story(
        self,
        name: str,
        initiated: Report,
        told: Sequence[tuple[str, Mapping[str, Any]]],
        truth: Mapping[str, Any],
        status: PaymentStatus,
        captured: int,
        **more: Any,
    ) -> Story:
        return Story(
            name=name,
            amount=TOTAL,
            reference=self.reference,
            initiated=initiated,
            facts=tuple(self._said(kind, subject) for kind, subject in told),
            truth=self.run(self.fetch(truth)),
            expected_status=status,
            expected_captured_minor=captured,
            **more,
        )

    def _said(self, kind: str, subject: Mapping[str, Any]) -> Report:
        mode = Mode.LIVE if subject.get("livemode") else Mode.TEST
        return self.read(delivery(_event(kind, subject, mode), SECRET, at=self.now))

    def _refund_truth(self, body: Mapping[str, Any]) -> Report:
        names = RefundNames(reference=REFUND_REFERENCE, gateway_reference=body["id"], payment=self.names("pi_docA1"))
        return self.run(
            Exchange(operation=Operation.FETCH_REFUND, call=lambda g: g.fetch_refund(names), answer=answer(body))
        )


_ARABIC = {ord(str(digit)): chr(0x0660 + digit) for digit in range(10)}


def _held() -> tuple[str, dict[str, Any]]:
    return "payment_intent.amount_capturable_updated", intent(**HELD)


def _event(kind: str, subject: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    live = mode is Mode.LIVE
    told = {**subject, "livemode": live} if "livemode" in subject else subject
    return event(kind, told, livemode=live)


def _with_signature(good: WebhookDelivery, text: str) -> WebhookDelivery:
    return replace(good, headers={**good.headers, "stripe-signature": text})


def _with_amount(subject: Mapping[str, Any], amount: Money) -> dict[str, Any]:
    """Whole amounts of a currency whose units are the same on both sides."""
    known = ("amount", "amount_received", "amount_capturable", "amount_total")
    changed = {name: amount.minor for name in known if subject.get(name)}
    return {**subject, **changed, "currency": amount.asset.lower()}


EVENTS: Mapping[Event, Callable[[], tuple[str, dict[str, Any]]]] = {
    Event.PENDING: lambda: ("payment_intent.processing", intent(status="processing")),
    Event.REQUIRES_ACTION: lambda: ("payment_intent.requires_action", intent(status="requires_action")),
    Event.AUTHORIZED: _held,
    Event.PAID: lambda: ("payment_intent.succeeded", intent(**PAID)),
    Event.FAILED: lambda: ("payment_intent.payment_failed", intent(last_payment_error=declined())),
    Event.VOIDED: lambda: ("payment_intent.canceled", intent(status="canceled")),
    Event.EXPIRED: lambda: ("checkout.session.expired", session(status="expired", url=None)),
    Event.REFUND_PENDING: lambda: ("refund.created", refund(status="pending")),
    Event.REFUND_SUCCEEDED: lambda: ("refund.updated", refund()),
    Event.REFUND_FAILED: lambda: ("refund.failed", refund(status="failed")),
    Event.UNKNOWN: lambda: ("invoice.finalized", intent()),
}

CASE = StripeCase()
