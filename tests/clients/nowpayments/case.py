"""What NOWPayments gives the contract suite: literal answers and deliveries, signed by a signer of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from clients.nowpayments.gateway import NowPaymentsGateway
from core.gateways.testing import AmountSample, Answers, Event, Exchange, GatewayCase, Story, answer
from core.gateways.types import (
    Attention,
    Mode,
    Operation,
    PaymentRequest,
    PaymentStatus,
    Report,
    WebhookDelivery,
)
from core.money import Money
from tests.clients.nowpayments.wire import (
    API_KEY,
    PAYMENT_ID,
    answered,
    child,
    delivery,
    ipn,
    sign,
)

USD: Final = Money(4990, "USD")
INVOICE_ID: Final = "6401112233"
COINS: Final = answer({"selectedCurrencies": ["BTC", "USDTTRC20"]})
ESTIMATE: Final = answer(
    {"currency_from": "usd", "amount_from": 49.9, "currency_to": "usdttrc20", "estimated_amount": "49.91"}
)
MINIMUM: Final = answer({"currency_from": "usdttrc20", "currency_to": "btc", "min_amount": 2.5})


class NowPaymentsCase(GatewayCase):
    slug = "nowpayments"
    gateway_class = NowPaymentsGateway
    secret_field = "ipn_secret"
    signature_header = "x-nowpayments-sig"
    default_amount = USD
    lacks = {
        "test_a_retry_repeats_the_idempotency_key": "NOWPayments has no idempotency key; the platform looks up order_id",
        "test_the_other_mode_is_visible_in_the_report": "no field of an IPN tells the mode; separate secrets are the fence",
        "test_credentials_of_the_other_mode_are_refused": "keys of sandbox and live look the same; only a call tells",
    }
    missing_exponents = {
        0: "NOWPayments estimates in no currency without decimals",
        3: "NOWPayments estimates in no currency with three decimals",
    }
    events = frozenset({Event.REQUIRES_ACTION, Event.PENDING, Event.PAID, Event.FAILED, Event.EXPIRED, Event.UNKNOWN})

    def credentials(self, mode: Mode) -> dict[str, Any]:
        return {
            "api_key": API_KEY,
            "ipn_secret": f"ipn-secret-of-{mode.value}-0001",
            "account_email": "desk@lab.example",
            "account_password": "invented-dashboard-password",
            "totp_secret": "JBSWY3DPEHPK3PXP",
        }

    def payment_request(self, amount: Money | None = None, **changes: Any) -> PaymentRequest:
        return super().payment_request(amount, **{"pay_currency": "usdttrc20", **changes})

    # --- exchanges -----------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest | None = None) -> Exchange:
        request = request or self.payment_request()
        price = float(request.amount.decimal())
        body = answered("waiting", payment_id=PAYMENT_ID, order_id=request.reference, price_amount=price, network="trx",
                        price_currency=request.amount.asset.lower(), expiration_estimate_date="2026-11-20T12:20:00.000Z")  # fmt: skip
        # A price in the coin itself needs no estimate.
        before = (COINS, MINIMUM) if request.amount.asset == "USDTTRC20" else (COINS, ESTIMATE, MINIMUM)
        return Exchange(
            operation=Operation.INITIATE,
            call=lambda gateway: gateway.initiate(request),
            before=before,
            answer=answer(body, status=201),
        )

    def initiate_invoice(self) -> Exchange:
        request = self.payment_request(pay_currency=None)
        body = {"id": INVOICE_ID, "order_id": self.reference, "price_amount": "49.9", "price_currency": "usd",
                "invoice_url": f"https://sandbox.nowpayments.io/payment/?iid={INVOICE_ID}", "pay_currency": None}  # fmt: skip
        return Exchange(
            operation=Operation.INITIATE,
            call=lambda gateway: gateway.initiate(request),
            answer=answer(body),
        )

    def fetch(self, body: dict[str, Any], *children: dict[str, Any]) -> Exchange:
        names = self.names(PAYMENT_ID)
        after = tuple(answer(one) for one in children)
        return Exchange(
            operation=Operation.FETCH_PAYMENT,
            call=lambda gateway: gateway.fetch_payment(names),
            answer=answer(body),
            after=after,
        )

    def exchanges(self) -> Sequence[Exchange]:
        return self.initiate(), self.fetch(self.answered("finished"))

    def answered(self, word: str, **changes: Any) -> dict[str, Any]:
        return answered(word, **{"order_id": self.reference, **changes})

    def amounts(self) -> Sequence[AmountSample]:
        return [
            self._sample(Money(4990, "USD"), '"price_amount":49.9,', 49.9),
            self._sample(Money(123456, "EUR"), '"price_amount":1234.56,', "1234.56"),
            self._sample(Money(49_912_345, "USDTTRC20"), '"price_amount":49.912345,', "49.912345"),
            self._sample(Money(1_500_000_000_000_000_001, "ETH"), '"price_amount":1.500000000000000001,',
                         "1.500000000000000001"),
        ]  # fmt: skip

    def _sample(self, amount: Money, sent: str, price: Any) -> AmountSample:
        body = self.answered("finished", price_amount=price, price_currency=amount.asset.lower())
        return AmountSample(amount=amount, sent=sent, paid=self.fetch(body))

    def unseen_status(self) -> Exchange:
        return self.fetch(self.answered("refilling", actually_paid=49.912345))

    def not_found(self) -> Exchange:
        body = {"status": False, "statusCode": 404, "code": "NOT_FOUND", "message": "Payment not found"}
        return replace(self.fetch({}), answer=answer(body, status=404))

    def decline(self) -> tuple[Exchange, str]:
        return self.fetch(self.answered("failed")), "failed"

    def working_credentials(self) -> Answers:
        return COINS, answer({"token": "invented.token.value"})

    def refused_credentials(self) -> Answers:
        body = {"status": False, "statusCode": 403, "code": "INVALID_API_KEY", "message": "Invalid api key"}
        return (answer(body, status=403),)

    # --- webhooks ------------------------------------------------------------------------------------------------

    WORDS: Final = {
        Event.REQUIRES_ACTION: "waiting",
        Event.PENDING: "confirming",
        Event.PAID: "finished",
        Event.FAILED: "failed",
        Event.EXPIRED: "expired",
    }

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
        secret = self.credentials(mode)["ipn_secret"]
        if event is Event.UNKNOWN:
            return delivery({"id": "77", "status": "FINISHED", "currency": "trx", "amount": "5"}, secret=secret)
        price = amount or self.default_amount
        body = ipn(
            self.WORDS[event],
            payment_id=int(gateway_reference or PAYMENT_ID),
            order_id=reference or self.reference,
            price_amount=float(price.decimal()),
            price_currency=price.asset.lower(),
        )
        return delivery(body, secret=secret)

    def resigned(self, delivery: WebhookDelivery, secret: str) -> WebhookDelivery:
        headers = {**delivery.headers, self.signature_header: sign(delivery.body, secret)}
        return replace(delivery, headers=headers)

    def forgeries(self) -> Sequence[tuple[str, WebhookDelivery]]:
        good = self.webhook(Event.PAID)
        signature = good.headers[self.signature_header]
        headers = good.headers

        def with_signature(text: str) -> WebhookDelivery:
            return replace(good, headers={**headers, self.signature_header: text})

        return [
            ("the header came twice", with_signature(f"{signature}, {signature}")),
            ("cut short", with_signature(signature[:-1])),
            ("a repeated key", replace(good, body=good.body[:-1] + b',"price_amount":49.9}')),
            ("another status", replace(good, body=good.body.replace(b"finished", b"Finished"))),
        ]

    # --- whole payments ------------------------------------------------------------------------------------------

    def said(self, word: str, **changes: Any) -> Report:
        """What an IPN says."""
        return self._hear(ipn(word, **{"order_id": self.reference, **changes}))

    def said_of_child(self, word: str = "finished", **changes: Any) -> Report:
        return self._hear(child(word, **{"order_id": self.reference, **changes}))

    def _hear(self, body: dict[str, Any]) -> Report:
        return self.read(delivery(body, secret=self.credentials(Mode.TEST)["ipn_secret"]))

    def true(self, word: str, *children: dict[str, Any], **changes: Any) -> Report:
        """What a fetch says."""
        ids = [one["payment_id"] for one in children] or None
        return self.run(self.fetch(self.answered(word, payment_extra_ids=ids, **changes), *children))

    def story(
        self, name: str, *facts: Report, truth: Report, status: PaymentStatus, captured: int, **more: Any
    ) -> Story:
        return Story(
            name=name,
            amount=USD,
            reference=self.reference,
            initiated=self.run(self.initiate()),
            facts=facts,
            truth=truth,
            expected_status=status,
            expected_captured_minor=captured,
            **more,
        )

    def stories(self) -> Sequence[Story]:
        seen = (self.said("waiting"), self.said("confirming", actually_paid=49.912345))
        short = self.said("partially_paid", actually_paid=25.5)
        rest = child(order_id=self.reference)
        captured, expired, failed = PaymentStatus.CAPTURED, PaymentStatus.EXPIRED, PaymentStatus.FAILED
        return [
            self.story("paid exactly", *seen, self.said("confirmed", actually_paid=49.912345),
                       self.said("sending", actually_paid=49.912345), self.said("finished"),
                       truth=self.true("finished"), status=captured, captured=4990),
            self.story("paid in two parts", *seen, short, self.said_of_child("confirming"), self.said_of_child(),
                       truth=self.true("partially_paid", rest, actually_paid=25.5), status=captured, captured=4990,
                       allowed_attention=frozenset({Attention.UNDERPAID})),
            self.story("underpaid, then expired", *seen, short, self.said("expired", actually_paid=25.5),
                       truth=self.true("expired", actually_paid=25.5), status=expired, captured=0,
                       allowed_attention=frozenset({Attention.UNDERPAID})),
            self.story("late after expired", self.said("waiting"), self.said("expired"), self.said("finished"),
                       truth=self.true("finished"), status=captured, captured=4990,
                       allowed_attention=frozenset({Attention.PAID_LATE})),
            self.story("overpaid", *seen, self.said("finished", actually_paid=54.9035795),
                       truth=self.true("finished", actually_paid=54.9035795), status=captured, captured=5489,
                       allowed_attention=frozenset({Attention.OVERPAID})),
            self.story("never paid", self.said("waiting"), self.said("expired"),
                       truth=self.true("expired"), status=expired, captured=0),
            self.story("failed", self.said("waiting"), self.said("failed"),
                       truth=self.true("failed"), status=failed, captured=0),
        ]  # fmt: skip

    def contradictions(self) -> Sequence[Story]:
        action, captured = PaymentStatus.REQUIRES_ACTION, PaymentStatus.CAPTURED
        wrong = child(order_id=self.reference, pay_currency="btc")
        return [
            self.story("finished, then expired unpaid", self.said("finished"), self.said("expired"),
                       truth=self.true("expired"), status=captured, captured=4990,
                       expected_attention=frozenset({Attention.GATEWAY_DISAGREES})),
            self.story("refunded by the gateway's support", self.said("finished"),
                       self.said("refunded", actually_paid=49.912345),
                       truth=self.true("refunded", actually_paid=49.912345), status=captured, captured=4990,
                       expected_attention=frozenset({Attention.GATEWAY_DISAGREES})),
            self.story("another price", self.said("waiting"), self.said("finished", price_amount=4.99),
                       truth=self.true("finished", price_amount=4.99), status=action, captured=0,
                       expected_attention=frozenset({Attention.MISMATCH})),
            self.story("another currency", self.said("waiting"), self.said("finished", price_currency="eur"),
                       truth=self.true("finished", price_currency="eur"), status=action, captured=0,
                       expected_attention=frozenset({Attention.MISMATCH})),
            self.story("wrong asset at the address", self.said("waiting"),
                       self._hear({**wrong, "payment_status": "finished"}),
                       truth=self.true("waiting", wrong), status=action, captured=0,
                       expected_attention=frozenset({Attention.MISMATCH})),
        ]  # fmt: skip


CASE: Final = NowPaymentsCase()
