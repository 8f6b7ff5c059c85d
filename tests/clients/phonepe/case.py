"""What PhonePe gives the contract suite: literal answers and deliveries, proven by a second hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from clients.phonepe.gateway import PhonePeGateway
from core.gateways.testing import (
    AmountSample,
    Answers,
    Event,
    Exchange,
    FakeHttp,
    GatewayCase,
    MemoryCache,
    Story,
    answer,
    wire_fields,
)
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
from core.http import HttpRequest
from core.money import Money
from tests.clients.phonepe.wire import (
    ORDER_ID,
    PAGE,
    REFUND_ID,
    TOKEN,
    attempt,
    delivery,
    order,
    proof,
    refund,
    token_body,
)

RUPEES: Final = Money(129900, "INR")
GIVEN_BACK: Final = Money(29900, "INR")
REFUND_REFERENCE: Final = "RF_20261120183005_1a2b3c4d-1"
OTHER_REFUND: Final = "RF_20261120183005_1a2b3c4d-2"


class PhonePeCase(GatewayCase):
    slug = "phonepe"
    gateway_class = PhonePeGateway
    secret_field = "webhook_password"
    signature_header = "authorization"
    default_amount = RUPEES
    lacks = {
        "test_the_other_mode_is_visible_in_the_report": "nothing in a PhonePe payload tells the mode; the host is the fence",
        "test_credentials_of_the_other_mode_are_refused": "shapes of test and live are not certain; only a token call tells",
        "test_bytes_of_any_kind_are_read_or_refused": "the header covers no body: any bytes under it are verified, then "
        "stored as unreadable (test_webhook.py)",
    }
    missing_exponents = {
        0: "PhonePe takes Indian rupees only, which have two decimals",
        3: "PhonePe takes Indian rupees only, which have two decimals",
    }
    events = frozenset(set(Event) - {Event.AUTHORIZED, Event.VOIDED})

    def credentials(self, mode: Mode) -> dict[str, Any]:
        return {
            "client_id": "TEST-M00DEMO_25010" if mode is Mode.TEST else "SU2501011200000000001",
            "client_secret": f"{'0d5b7c1e' if mode is Mode.TEST else '1e6c8d2f'}-4a2f-4c39-8e61-2b90f7a1d3c4",
            "client_version": "1",
            "webhook_username": "shop_hook_01",
            "webhook_password": f"Hook-{mode.value}-password-01",
        }

    # --- exchanges -----------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest | None = None) -> Exchange:
        request = request or self.payment_request()
        body = {"orderId": ORDER_ID, "state": "PENDING", "expireAt": 1795177500000, "redirectUrl": PAGE}
        return self._exchange(Operation.INITIATE, lambda gateway: gateway.initiate(request), body)

    def _exchange(self, operation: Operation, call: Any, body: Any) -> Exchange:
        return Exchange(operation=operation, call=call, before=(TOKEN,), answer=answer(body))

    def fetch(self, body: dict[str, Any]) -> Exchange:
        names = self.names(ORDER_ID)
        return self._exchange(Operation.FETCH_PAYMENT, lambda gateway: gateway.fetch_payment(names), body)

    def refund(self, state: str = "PENDING", reference: str = REFUND_REFERENCE) -> Exchange:
        request = RefundRequest(
            names=self.names(ORDER_ID), reference=reference, amount=GIVEN_BACK, idempotency_key="RF_1:refund"
        )
        body = {"refundId": REFUND_ID, "amount": 29900, "state": state}
        return self._exchange(Operation.REFUND, lambda gateway: gateway.refund(request), body)

    def fetch_refund(
        self, state: str = "COMPLETED", reference: str = REFUND_REFERENCE, refund_id: str = REFUND_ID, **changes: Any
    ) -> Exchange:
        names = RefundNames(reference=reference, gateway_reference=refund_id, payment=self.names(ORDER_ID))
        body = refund(state, originalMerchantOrderId=self.reference, refundId=refund_id, **changes)
        return self._exchange(Operation.FETCH_REFUND, lambda gateway: gateway.fetch_refund(names), body)

    def exchanges(self) -> Sequence[Exchange]:
        return self.initiate(), self.fetch(order()), self.refund(), self.fetch_refund()

    def amounts(self) -> Sequence[AmountSample]:
        return [
            AmountSample(amount=Money(minor, "INR"), sent=f'"amount":{minor},', paid=self.fetch(order(amount=minor)))
            for minor in (100, 129900, 10**12 + 1)
        ]

    def unseen_status(self) -> Exchange:
        return self.fetch(order("SETTLING"))

    def not_found(self) -> Exchange:
        body = {"success": False, "code": "INVALID_MERCHANT_ORDER_ID", "message": "No entry found", "data": {}}
        return replace(self.fetch({}), answer=answer(body, status=400))

    def decline(self) -> tuple[Exchange, str]:
        body = order("FAILED", errorCode="PAYMENT_ERROR", detailedErrorCode="Z9")
        return self.fetch(body), "insufficient_funds"

    def working_credentials(self) -> Answers:
        body = {"success": False, "code": "MERCHANT_ORDER_MAPPING_NOT_FOUND", "message": "No entry found"}
        return TOKEN, answer(body, status=400)

    def refused_credentials(self) -> Answers:
        body = {"code": "INVALID_CLIENT", "errorCode": "OIM000", "message": "Bad Request - Api Mapping Not Found",
                "context": {"error_description": "Client Authentication Failure"}}  # fmt: skip
        return (answer(body, status=400),)

    def expired_token(self) -> tuple[MemoryCache, Exchange]:
        cache, fetch = MemoryCache(), self.fetch(order())
        fetch.call(self.open(FakeHttp(fetch.answers()), cache=cache))
        refused = answer({"code": "AUTHORIZATION_FAILED", "message": "Unauthorized"}, status=401)
        return cache, replace(fetch, before=(refused, answer(token_body("invented-access-token-2"))))

    def idempotency_key_of(self, request: HttpRequest) -> str | None:
        """Our own id is the key: PhonePe takes each only once."""
        fields = wire_fields(request)
        return fields.get("merchantOrderId") or fields.get("merchantRefundId")

    def wire_limits(self) -> dict[str, int]:
        return {"metaInfo[udf1]": 256, "metaInfo[udf2]": 256, "paymentFlow[message]": 100, "merchantOrderId": 63}

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
        known = self.credentials(mode)
        header = proof(known["webhook_username"], known["webhook_password"])
        if event is Event.UNKNOWN:
            settled = {"settlementId": "S1", "state": "PROCESSED", "utr": "500112345678", "amount": 100}
            return delivery("settlement.processed", settled, header=header)
        if event.startswith("refund_"):
            name, state = _REFUNDS[event]
            body = refund(state, originalMerchantOrderId=reference or self.reference,
                          merchantRefundId=refund_reference or REFUND_REFERENCE,
                          amount=(amount or GIVEN_BACK).minor)  # fmt: skip
            return delivery(name, body, header=header)
        name, changes = _ORDERS[event]
        body = order(**{"merchantOrderId": reference or self.reference, "orderId": gateway_reference or ORDER_ID,
                        "amount": (amount or self.default_amount).minor, **changes})  # fmt: skip
        return delivery(name, body, header=header)

    def resigned(self, delivery: WebhookDelivery, secret: str) -> WebhookDelivery:
        return replace(delivery, headers={**delivery.headers, self.signature_header: proof("shop_hook_01", secret)})

    def tampered(self, delivery: WebhookDelivery) -> WebhookDelivery:
        """The header covers no body, so the header is all that can be tampered with; the body is only a hint."""
        header = delivery.headers[self.signature_header]
        return replace(
            delivery,
            headers={**delivery.headers, self.signature_header: header[:-1] + ("0" if header[-1] != "0" else "1")},
        )

    def forgeries(self) -> Sequence[tuple[str, WebhookDelivery]]:
        good = self.webhook(Event.PAID)
        header = good.headers[self.signature_header]
        spelled = {
            "HTTP Basic": "Basic c2hvcF9ob29rXzAxOkFiMTJjZDM0RWY=",
            "the documentation's literal text": "SHA256(shop_hook_01:Hook-test-password-01)",
            "with a scheme word": f"O-Bearer {header}",
            "in capitals": header.upper(),
            "twice": f"{header},{header}",
            "the login in clear": "shop_hook_01:Hook-test-password-01",
        }
        return [
            (name, replace(good, headers={**good.headers, self.signature_header: text}))
            for name, text in spelled.items()
        ]

    # --- whole payments ------------------------------------------------------------------------------------------

    def said(self, event: str, **changes: Any) -> Report:
        """What a webhook claims."""
        known = self.credentials(Mode.TEST)
        header = proof(known["webhook_username"], known["webhook_password"])
        return self.read(delivery(event, {"merchantOrderId": self.reference, **changes}, header=header))

    def said_order(self, event: str, state: str, **changes: Any) -> Report:
        return self.said(event, **{**order(state), **changes})

    def said_refund(self, event: str, state: str, **changes: Any) -> Report:
        told = {"originalMerchantOrderId": self.reference, "merchantRefundId": REFUND_REFERENCE, **changes}
        return self.said(event, **refund(state, **told))

    def true(self, state: str, **changes: Any) -> Report:
        """What a fetch says."""
        return self.run(self.fetch(order(state, **changes)))

    def true_refund(self, state: str, reference: str = REFUND_REFERENCE, refund_id: str = REFUND_ID) -> Report:
        return self.run(self.fetch_refund(state, reference, refund_id))

    def story(
        self, name: str, *facts: Report, truth: Report, status: PaymentStatus, captured: int, **more: Any
    ) -> Story:
        return Story(
            name=name,
            amount=RUPEES,
            reference=self.reference,
            initiated=self.run(self.initiate()),
            facts=facts,
            truth=truth,
            expected_status=status,
            expected_captured_minor=captured,
            **more,
        )

    def stories(self) -> Sequence[Story]:
        captured, failed, expired = PaymentStatus.CAPTURED, PaymentStatus.FAILED, PaymentStatus.EXPIRED
        tried = self.said_order("checkout.transaction.attempt.failed", "PENDING", detailedErrorCode="TXN_AUTO_FAILED",
                                paymentDetails=[attempt("FAILED", detailedErrorCode="TXN_AUTO_FAILED")])  # fmt: skip
        paid = self.said_order("checkout.order.completed", "COMPLETED")
        unpaid = {"errorCode": "TXN_NOT_COMPLETED", "detailedErrorCode": "ORDER_EXPIRED"}
        left = {"detailedErrorCode": "ORDER_CANCELLED_BY_USER"}
        asked = {REFUND_REFERENCE: GIVEN_BACK}
        return [
            self.story("paid", paid, truth=self.true("COMPLETED"), status=captured, captured=129900),
            self.story("paid at the second try", tried, paid, truth=self.true("COMPLETED", errorCode="PAYMENT_ERROR"),
                       status=captured, captured=129900),
            self.story("never paid", self.said_order("checkout.order.failed", "FAILED", **unpaid),
                       truth=self.true("FAILED", **unpaid), status=expired, captured=0),
            self.story("canceled by the customer", tried, self.said_order("checkout.order.failed", "FAILED", **left),
                       truth=self.true("FAILED", **left), status=failed, captured=0),
            self.story("still open", tried, truth=self.true("PENDING", paymentDetails=[attempt("FAILED")]),
                       status=PaymentStatus.PENDING, captured=0),
            self.story("a forged webhook said paid", paid, truth=self.true("FAILED", detailedErrorCode="ZM"),
                       status=failed, captured=0),
            self.story("paid more than asked", paid, truth=self.true("COMPLETED", amount=130000), status=captured,
                       captured=130000, allowed_attention=frozenset({Attention.OVERPAID})),
            self.story("a part given back", paid, self.said_refund("pg.refund.accepted", "CONFIRMED"),
                       self.said_refund("pg.refund.completed", "COMPLETED"), truth=self.true("COMPLETED"),
                       status=captured, captured=129900, refunds_asked=asked, expected_refunded_minor=29900,
                       refund_truths=(self.true_refund("COMPLETED"),)),
            self.story("a refund failed and was sent again", paid, self.said_refund("pg.refund.failed", "FAILED"),
                       truth=self.true("COMPLETED"), status=captured, captured=129900,
                       refunds_asked={**asked, OTHER_REFUND: GIVEN_BACK}, expected_refunded_minor=29900,
                       refund_truths=(self.true_refund("FAILED"),
                                      self.true_refund("COMPLETED", OTHER_REFUND, "OMR2501021000000000000004")),
                       allowed_attention=frozenset({Attention.REFUND_FAILED})),
        ]  # fmt: skip

    def contradictions(self) -> Sequence[Story]:
        action, paid = PaymentStatus.REQUIRES_ACTION, self.said_order("checkout.order.completed", "COMPLETED")

        def wrong(name: str, attention: Attention, **changes: Any) -> Story:
            return self.story(name, paid, truth=self.true("COMPLETED", **changes), status=action, captured=0,
                              expected_attention=frozenset({attention}))  # fmt: skip

        return [
            wrong("paid less than asked", Attention.UNDERPAID, amount=1299),
            wrong("paid, and no amount is told", Attention.MISMATCH, amount=None),
            wrong("paid in another currency", Attention.MISMATCH, currency="USD"),
        ]


_ORDERS: Final[dict[Event, tuple[str, dict[str, Any]]]] = {
    Event.PENDING: ("checkout.transaction.attempt.failed", {"state": "PENDING", "paymentDetails": [attempt("FAILED")]}),
    Event.REQUIRES_ACTION: ("pg.order.completed", {"state": "PENDING"}),
    Event.PAID: ("checkout.order.completed", {"state": "COMPLETED"}),
    Event.FAILED: ("checkout.order.failed", {"state": "FAILED", "detailedErrorCode": "ZM"}),
    Event.EXPIRED: ("pg.order.completed", {"state": "EXPIRED"}),
}
_REFUNDS: Final[dict[Event, tuple[str, str]]] = {
    Event.REFUND_PENDING: ("pg.refund.accepted", "CONFIRMED"),
    Event.REFUND_SUCCEEDED: ("pg.refund.completed", "COMPLETED"),
    Event.REFUND_FAILED: ("pg.refund.failed", "FAILED"),
}

CASE: Final = PhonePeCase()
