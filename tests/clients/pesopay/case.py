"""What PesoPay gives the contract suite: a form, literal answers, and feeds signed by a signer of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from clients.pesopay.gateway import PesoPayGateway
from core.gateways.testing import AmountSample, Answers, Event, Exchange, GatewayCase, Story, answer
from core.gateways.types import (
    Attention,
    CaptureMode,
    CaptureRequest,
    DisputeNames,
    Mode,
    Operation,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    RefundNames,
    RefundRequest,
    Report,
    VoidRequest,
    WebhookDelivery,
)
from core.http import HttpResponse
from core.money import Money
from tests.clients.pesopay.wire import (
    DECLINED_REF,
    HOLD,
    MERCHANT,
    NO_RECORD,
    OLD_SECRET,
    PAY_REF,
    REFERENCE,
    SECOND_REF,
    SECRET,
    declined,
    delivery,
    feed,
    line,
    record,
    records,
    refused,
    sign,
    with_hash,
    without_hash,
)

PESOS: Final = Money(125050, "PHP")
PART: Final = Money(100000, "PHP")
GIVEN_BACK: Final = Money(50050, "PHP")
REFUND_REFERENCE: Final = "RF-20261120183005-1a2b3c4d-1"
NUMBERS: Final = {"PHP": "608", "JPY": "392", "AUD": "036", "USD": "840"}
S = PaymentStatus


class PesoPayCase(GatewayCase):
    slug: ClassVar[str] = "pesopay"
    gateway_class: ClassVar[type[PesoPayGateway]] = PesoPayGateway
    reference: ClassVar[str] = REFERENCE
    secret_field: ClassVar[str] = "secure_hash_secret"
    signature_header: ClassVar[str] = "secureHash"  # a field of the form
    default_amount: ClassVar[Money] = PESOS
    other_currency: ClassVar[str | None] = "USD"
    lacks = {
        "test_a_retry_repeats_the_idempotency_key": "PesoPay has no idempotency key; a Query comes before any repeat",
        "test_the_other_mode_is_visible_in_the_report": "no field of a feed tells the mode; separate secrets are the fence",
        "test_credentials_of_the_other_mode_are_refused": "values of test and live look the same; only a call tells",
    }
    missing_exponents = {3: "the amount field has two decimals, so three-decimal currencies are refused"}
    events = frozenset({Event.PAID, Event.AUTHORIZED, Event.FAILED, Event.PENDING, Event.UNKNOWN})

    def credentials(self, mode: Mode) -> dict[str, Any]:
        return {
            "merchant_id": MERCHANT,
            "secure_hash_secret": SECRET if mode is Mode.TEST else "Zt5Bv1NmQ8wEr4YuI7oPa2SdF6gHjK3l",
            "secure_hash_function": "sha1",
            "login_id": "apiuser",
            "password": f"invented-{mode.value}-password",
        }

    # --- exchanges -----------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest | None = None) -> Exchange:
        asked = request or self.payment_request()
        return Exchange(
            operation=Operation.INITIATE,
            call=lambda gateway: gateway.initiate(asked),
            answer=answer(text=b""),
            is_local=True,
        )

    def fetch(self, *found: dict[str, str], **changes: Any) -> Exchange:
        names = self.names(PAY_REF, **changes)
        return self._exchange(
            Operation.FETCH_PAYMENT, lambda gateway: gateway.fetch_payment(names), records(*found)
        )  # fmt: skip

    def capture(self, response: HttpResponse, amount: Money = PESOS) -> Exchange:
        request = CaptureRequest(names=self.hold_names(), amount=amount, idempotency_key="capture-1")
        return self._exchange(Operation.CAPTURE, lambda gateway: gateway.capture(request), response)

    def void(self, response: HttpResponse) -> Exchange:
        request = VoidRequest(names=self.hold_names(), idempotency_key="void-1")
        return self._exchange(Operation.VOID, lambda gateway: gateway.void(request), response)

    def hold_names(self) -> PaymentNames:
        return self.names(PAY_REF, reference=HOLD)

    def refund(self, response: HttpResponse) -> Exchange:
        request = RefundRequest(
            names=self.names(PAY_REF), reference=REFUND_REFERENCE, amount=GIVEN_BACK, idempotency_key="refund-1"
        )
        exchange = self._exchange(Operation.REFUND, lambda gateway: gateway.refund(request), response)
        return replace(exchange, before=(records(record()),))

    def fetch_refund(self, *found: dict[str, str], amount: Money = GIVEN_BACK) -> Exchange:
        names = RefundNames(
            reference=REFUND_REFERENCE, gateway_reference=PAY_REF, payment=self.names(PAY_REF), amount=amount
        )
        return self._exchange(Operation.FETCH_REFUND, lambda gateway: gateway.fetch_refund(names), records(*found))

    def fetch_dispute(self, *found: dict[str, str]) -> Exchange:
        names = DisputeNames(gateway_reference=PAY_REF, payment=self.names(PAY_REF))
        return self._exchange(Operation.FETCH_DISPUTE, lambda gateway: gateway.fetch_dispute(names), records(*found))

    def _exchange(self, operation: Operation, call: Callable[[Any], Any], response: HttpResponse) -> Exchange:
        return Exchange(operation=operation, call=call, answer=response)

    def exchanges(self) -> Sequence[Exchange]:
        return (
            self.initiate(),
            self.fetch(declined(), record()),
            self.capture(line(ref=HOLD)),
            self.void(line("Void Successfully.", ref=HOLD)),
            self.refund(line("RequestRefund Successfully.")),
            self.fetch_refund(record("RequestPartialRefund")),
            self.fetch_dispute(record("ChargeBack")),
        )

    def amounts(self) -> Sequence[AmountSample]:
        return [
            self._sample(PESOS, "currCode=608&amount=1250.50&", "1250.5"),
            self._sample(Money(1, "USD"), "currCode=840&amount=0.01&", "0.01"),
            self._sample(Money(2000, "AUD"), "currCode=036&amount=20.00&", "20.0"),
            self._sample(Money(740, "JPY"), "currCode=392&amount=740.00&", "740.0"),
        ]

    def _sample(self, amount: Money, sent: str, wire: str) -> AmountSample:
        paid = self.fetch(record(amt=wire, cur=NUMBERS[amount.asset]), amount=amount)
        return AmountSample(amount=amount, sent=sent, paid=paid)

    def unseen_status(self) -> Exchange:
        return self.fetch(record("Settling"))

    def not_found(self) -> Exchange:
        return replace(self.fetch(), answer=answer(text=NO_RECORD))

    def decline(self) -> tuple[Exchange, str]:
        return self.fetch(declined()), "insufficient_funds"

    def working_credentials(self) -> Answers:
        return [answer(text=NO_RECORD)]

    def refused_credentials(self) -> Answers:
        return [refused("Authentication Failed")]

    def wire_limits(self) -> dict[str, int]:
        return {"orderRef": 35, "threeDSCustomerEmail": 254}

    # --- webhooks ------------------------------------------------------------------------------------------------

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
        money = amount or self.default_amount
        ref = HOLD if event is Event.AUTHORIZED else REFERENCE
        fields = {
            "Ref": reference or ref,
            "PayRef": gateway_reference or PAY_REF,
            "Amt": money.decimal_text(),
            "Cur": NUMBERS[money.asset],
            **_FEEDS[event],
        }
        return delivery(feed(self.credentials(mode)["secure_hash_secret"], **fields))

    def resigned(self, delivery: WebhookDelivery, secret: str) -> WebhookDelivery:
        return self.with_signature(delivery, sign(delivery.body, secret))

    def with_signature(self, delivery: WebhookDelivery, value: str) -> WebhookDelivery:
        return replace(delivery, body=with_hash(delivery.body, value))

    def unsigned(self, delivery: WebhookDelivery) -> WebhookDelivery:
        return replace(delivery, body=b"&".join(without_hash(delivery.body)))

    def tampered(self, delivery: WebhookDelivery) -> WebhookDelivery:
        return replace(delivery, body=delivery.body.replace(b"Amt=1250.50", b"Amt=1250.5"))

    def foreign_account(self) -> tuple[dict[str, Any], WebhookDelivery]:
        """Two accounts with one secret: the merchant's number, which no hash covers, is all that differs."""
        return self.credentials(Mode.TEST), delivery(feed(MerchantId="18000002"))

    def other_secret(self) -> str:
        return OLD_SECRET

    def forgeries(self) -> Sequence[tuple[str, WebhookDelivery]]:
        good = self.webhook(Event.PAID).body
        proof = sign(good, SECRET)
        forged = {
            "an amount that came twice": b"Amt=1.00&" + good,
            "a reference that came twice in another case": good + b"&ref=" + REFERENCE.encode(),
            "a second hash": good + b"&securehash=" + b"0" * 40,
            "a second merchant": good + b"&merchantid=1",
            "a broken escape": good + b"&remark=%zz",
            "bytes that are no UTF-8": good + b"&Holder=%ff",
            "a bar in a hashed field": feed(Ref=f"{REFERENCE}|x"),
            "one digit less": with_hash(good, proof[:-1]),
            "under another function": feed(function="sha256"),
            "a failure made a success": good.replace(b"successcode=0", b"successcode=1"),
            "many hashes": with_hash(good, ",".join(["0" * 40] * 40 + [proof])),
        }
        return [(name, delivery(body)) for name, body in forged.items()]

    # --- whole payments ------------------------------------------------------------------------------------------

    def said(self, **changes: str) -> Report:
        """What a feed says."""
        return self.read(delivery(feed(**changes)))

    def true(self, *found: dict[str, str], **names: Any) -> Report:
        """What a fetch says."""
        return self.run(self.fetch(*found, **names))

    def story(self, name: str, *facts: Report, truth: Report, status: S, captured: int, **more: Any) -> Story:
        capture = more.get("capture", CaptureMode.AUTOMATIC)
        reference = HOLD if capture is CaptureMode.MANUAL else REFERENCE
        request = self.payment_request(reference=reference, capture=capture)
        return Story(
            name=name,
            amount=PESOS,
            reference=reference,
            initiated=self.run(self.initiate(request)),
            facts=facts,
            truth=truth,
            expected_status=status,
            expected_captured_minor=captured,
            **more,
        )

    def stories(self) -> Sequence[Story]:
        return (*self._sale_stories(), *self._hold_stories(), *self._refund_stories())

    def _sale_stories(self) -> tuple[Story, ...]:
        lost = {"PayRef": DECLINED_REF, "successcode": "1", "prc": "1", "src": "51"}
        asked = record("Pending_3D")
        return (
            self.story("paid", self.said(), truth=self.true(record()), status=S.CAPTURED, captured=125050),
            self.story("declined, then paid with another card", self.said(**lost), self.said(),
                       truth=self.true(declined(), record()), status=S.CAPTURED, captured=125050),
            self.story("declined for good", self.said(**lost), truth=self.true(declined()), status=S.FAILED, captured=0),
            self.story("given up by the customer", self.said(**{**lost, "prc": "", "src": ""}),
                       truth=self.true(record("Cancelled", prc="", src="")), status=S.FAILED, captured=0),
            self.story("first of unknown outcome, then paid", self.said(successcode="2"), self.true(asked), self.said(),
                       truth=self.true(record()), status=S.CAPTURED, captured=125050),
            self.story("left in 3-D Secure", self.true(asked), truth=self.true(asked), status=S.REQUIRES_ACTION,
                       captured=0),
            self.story("charged back", self.said(), self.true(record("ChargeBack")),
                       truth=self.true(record("ChargeBack")), status=S.CAPTURED, captured=125050,
                       allowed_attention=frozenset({Attention.DISPUTED})),
        )  # fmt: skip

    def _hold_stories(self) -> tuple[Story, ...]:
        held = self.said(Ref=HOLD)
        hold = self.true(record("Authorized", ref=HOLD), reference=HOLD)
        known = {"capture": CaptureMode.MANUAL}
        return (
            self.story("held, then taken", held, hold, self.run(self.capture(line(ref=HOLD))),
                       truth=self.true(record("Captured", ref=HOLD), reference=HOLD), status=S.CAPTURED, captured=125050,
                       capture_asked=PESOS, **known),
            self.story("held, then a part taken", held, hold,
                       self.run(self.capture(line(ref=HOLD, amt="1000.0"), PART)),
                       truth=self.true(record("Captured", ref=HOLD, amt="1000.0"), reference=HOLD), status=S.CAPTURED,
                       captured=100000, capture_asked=PART, **known),
            self.story("held, then let go", held, hold, self.run(self.void(line("Void Successfully.", ref=HOLD))),
                       truth=self.true(record("Voided", ref=HOLD), reference=HOLD), status=S.VOIDED, captured=0,
                       void_asked=True, **known),
            self.story("held and not yet taken", held, hold, truth=hold, status=S.AUTHORIZED, captured=0, **known),
        )  # fmt: skip

    def _refund_stories(self) -> tuple[Story, ...]:
        paid, asked = self.said(), {REFUND_REFERENCE: GIVEN_BACK}
        return (
            self.story("paid, then a part given back by request", paid,
                       self.run(self.refund(line("RequestRefund Successfully."))),
                       truth=self.true(record("Partial Refunded")), status=S.CAPTURED, captured=125050,
                       expected_refunded_minor=50050, refunds_asked=asked,
                       refund_truths=(self.run(self.fetch_refund(record("Partial Refunded"))),)),
            self.story("paid, a refund filed and not done yet", paid,
                       truth=self.true(record("RequestPartialRefund")), status=S.CAPTURED, captured=125050,
                       refunds_asked=asked,
                       refund_truths=(self.run(self.fetch_refund(record("RequestPartialRefund"))),)),
        )  # fmt: skip

    def contradictions(self) -> Sequence[Story]:
        twice = self.true(record(), record(payRef=SECOND_REF))
        foreign = self.true(record(cur="344"))
        return (
            self.story("paid twice", self.said(), self.said(PayRef=SECOND_REF), truth=twice, status=S.CAPTURED,
                       captured=250100, expected_attention=frozenset({Attention.OVERPAID})),
            self.story("another currency", self.said(Cur="344"), truth=foreign, status=S.REQUIRES_ACTION, captured=0,
                       expected_attention=frozenset({Attention.MISMATCH})),
            self.story("an amount that cannot be read", self.said(), truth=self.true(record(amt="1,250.50")),
                       status=S.REQUIRES_ACTION, captured=0, expected_attention=frozenset({Attention.MISMATCH})),
            self.story("somebody else's record", self.said(), truth=self.true(record(ref="ORD-2026-000999")),
                       status=S.REQUIRES_ACTION, captured=0, expected_attention=frozenset({Attention.MISMATCH})),
            self.story("less than was asked", self.said(Amt="1250.00"), truth=self.true(record(amt="1250.0")),
                       status=S.REQUIRES_ACTION, captured=0, expected_attention=frozenset({Attention.UNDERPAID})),
            self.story("undone in the portal", self.true(record()), self.said(), truth=self.true(record("Voided")),
                       status=S.CAPTURED, captured=125050, expected_attention=frozenset({Attention.GATEWAY_DISAGREES})),
            self.story("a chargeback reversed", self.said(), truth=self.true(record("Reversal-CB")), status=S.CAPTURED,
                       captured=125050, expected_attention=frozenset({Attention.GATEWAY_DISAGREES})),
        )  # fmt: skip


_FEEDS: Final[dict[Event, dict[str, str]]] = {
    Event.PAID: {},
    Event.AUTHORIZED: {},
    Event.FAILED: {"successcode": "1", "prc": "1", "src": "51", "payerAuth": "U"},
    Event.PENDING: {"successcode": "2", "payerAuth": ""},
    Event.UNKNOWN: {"Ref": "TestDatafeed", "PayRef": "", "Amt": "", "Cur": ""},
}

CASE: Final = PesoPayCase()
