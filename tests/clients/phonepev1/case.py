"""What PhonePe v1 gives the contract suite: literal answers and callbacks, proven by a second hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from clients.phonepev1.gateway import PhonePeV1Gateway
from core import strict_json
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
from core.http import HttpRequest
from core.money import Money
from tests.clients.phonepev1.wire import (
    PATH_INSERTED,
    REFUND_THEIRS,
    THEIRS,
    asked,
    callback,
    created,
    envelope,
    payload,
    refund,
    refused,
    told,
    verify,
)

RUPEES: Final = Money(129900, "INR")
GIVEN_BACK: Final = Money(29900, "INR")
REFUND_REFERENCE: Final = "RF_20261120183005_1a2b3c4d-1"
OTHER_REFUND: Final = "RF_20261120183005_1a2b3c4d-2"
OTHER_REFUND_THEIRS: Final = "TR2501021000000000000004"
S = PaymentStatus


class PhonePeV1Case(GatewayCase):
    slug = "phonepev1"
    gateway_class = PhonePeV1Gateway
    secret_field = "salt_key"
    signature_header = "x-verify"
    default_amount = RUPEES
    lacks = {
        "test_the_other_mode_is_visible_in_the_report": "nothing in a PhonePe payload tells the mode; the salt key is the fence",
        "test_credentials_of_the_other_mode_are_refused": "keys of test and live have the same shape; only a call tells",
        "test_a_refund_is_read_in_every_shape": "a refund's callback names no payment, only our name of the refund: "
        "test_webhook.py reads every shape",
        "test_our_reference_travels_and_the_longest_allowed_one_does_too": "the fields travel wrapped in Base64: "
        "test_client.py unwraps them",
    }
    missing_exponents = {
        0: "PhonePe takes Indian rupees only, which have two decimals",
        3: "PhonePe takes Indian rupees only, which have two decimals",
    }
    # Callbacks tell of ends; a pending one is a code that says nothing, such as TIMED_OUT.
    events = frozenset(set(Event) - {Event.AUTHORIZED, Event.VOIDED, Event.REQUIRES_ACTION})

    def credentials(self, mode: Mode) -> dict[str, Any]:
        is_test = mode is Mode.TEST
        return {
            "merchant_id": "DEMOSHOPUAT" if is_test else "DEMOSHOPONLINE",
            "salt_key": f"{'4f1d2c3b' if is_test else '7a8b9c0d'}-0a9e-4d8c-b7a6-5e4f3a2b1c0d",
            "salt_index": "1",
        }

    # --- exchanges -----------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest | None = None) -> Exchange:
        request = request or self.payment_request()
        body = created(merchantId=None, merchantTransactionId=request.reference, transactionId=THEIRS)
        return _exchange(Operation.INITIATE, lambda gateway: gateway.initiate(request), body)

    def fetch(self, body: dict[str, Any]) -> Exchange:
        names = self.names(THEIRS)
        return _exchange(Operation.FETCH_PAYMENT, lambda gateway: gateway.fetch_payment(names), body)

    def refund(self, reference: str = REFUND_REFERENCE, theirs: str = REFUND_THEIRS) -> Exchange:
        request = RefundRequest(names=self.names(THEIRS), reference=reference, amount=GIVEN_BACK,
                                idempotency_key="RF_1:refund", webhook_url="https://pay.example.com/h")  # fmt: skip
        body = refund(
            "PAYMENT_PENDING", "PENDING", merchantId=None, merchantTransactionId=reference, transactionId=theirs
        )
        return _exchange(Operation.REFUND, lambda gateway: gateway.refund(request), body)

    def fetch_refund(
        self, code: str = "PAYMENT_SUCCESS", state: str = "COMPLETED", reference: str = REFUND_REFERENCE,
        theirs: str = REFUND_THEIRS,
    ) -> Exchange:  # fmt: skip
        names = RefundNames(reference=reference, gateway_reference=theirs, payment=self.names(THEIRS))
        body = refund(code, state, merchantId=None, merchantTransactionId=reference, transactionId=theirs)
        return _exchange(Operation.FETCH_REFUND, lambda gateway: gateway.fetch_refund(names), body)

    def exchanges(self) -> Sequence[Exchange]:
        return self.initiate(), self.fetch(self.status()), self.refund(), self.fetch_refund()

    def status(self, code: str = "PAYMENT_SUCCESS", state: str | None = "COMPLETED", **data: Any) -> dict[str, Any]:
        """A status answer that does not repeat the merchant, so that it serves both modes."""
        return told(code, state, **{"merchantId": None, "merchantTransactionId": self.reference, **data})

    def amounts(self) -> Sequence[AmountSample]:
        """`mount":129900,"redirectUrl"` and so on, as they look inside the Base64 of this case's create."""
        literal = {
            100: "bW91bnQiOjEwMCwicmVkaXJlY3RVcmwi",
            129900: "bW91bnQiOjEyOTkwMCwicmVkaXJlY3RVcmwi",
            1000000000001: "bW91bnQiOjEwMDAwMDAwMDAwMDEsInJlZGlyZWN0VXJs",
        }
        return [
            AmountSample(amount=Money(minor, "INR"), sent=sent, paid=self.fetch(self.status(amount=minor)))
            for minor, sent in literal.items()
        ]

    def unseen_status(self) -> Exchange:
        return self.fetch(self.status("PAYMENT_SETTLING", None))

    def not_found(self) -> Exchange:
        body = refused("TRANSACTION_NOT_FOUND", message="No transaction found", data={})
        return replace(self.fetch({}), answer=answer(body, status=404))

    def decline(self) -> tuple[Exchange, str]:
        return self.fetch(self.status("PAYMENT_ERROR", "FAILED", responseCode="Z9")), "insufficient_funds"

    def working_credentials(self) -> Answers:
        return (answer(refused("TRANSACTION_NOT_FOUND", data={}), status=400),)

    def refused_credentials(self) -> Answers:
        return (answer(refused("401"), status=401),)

    def idempotency_key_of(self, request: HttpRequest) -> str | None:
        """Our own id is the key: PhonePe takes each only once."""
        return str(asked(request)["merchantTransactionId"])

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
        if event is Event.UNKNOWN:  # what late merchants get who were given the newer API's events
            return callback({"event": "pg.order.completed", "payload": {}}, key=known["salt_key"])
        code, state, more = _EVENTS[event]
        names = {"merchantId": known["merchant_id"], **more}
        if event.startswith("refund_"):
            body = refund(code, state, merchantTransactionId=refund_reference or REFUND_REFERENCE, **names,
                          amount=(amount or GIVEN_BACK).minor)  # fmt: skip
        else:
            body = told(code, state, merchantTransactionId=reference or self.reference, **names,
                        transactionId=gateway_reference or THEIRS, amount=(amount or self.default_amount).minor)  # fmt: skip
        return callback(body, key=known["salt_key"])

    def resigned(self, delivery: WebhookDelivery, secret: str) -> WebhookDelivery:
        response = strict_json.load_object(delivery.body).get("response")
        if not isinstance(response, str):
            raise ValueError("without an envelope there is nothing to sign")
        return self.with_signature(delivery, verify(response, key=secret))

    def refund_reference_of(self, number: int) -> str:
        return f"RF_20261120190000_5e6f7a8{number}-1"

    def foreign_account(self) -> tuple[Mapping[str, Any], WebhookDelivery] | str:
        """Another id of a group of merchants who share a salt."""
        return self.credentials(Mode.TEST), callback(
            told(merchantTransactionId=self.reference, merchantId="OTHERSHOPUAT")
        )

    def tampered(self, delivery: WebhookDelivery) -> WebhookDelivery:
        """One letter of the Base64 changed."""
        body = delivery.body
        place = len(body) // 2
        return replace(
            delivery, body=body[:place] + (b"A" if body[place : place + 1] != b"A" else b"B") + body[place + 1 :]
        )

    def forgeries(self) -> Sequence[tuple[str, WebhookDelivery]]:
        response = payload("callback.base64")
        key = self.credentials(Mode.TEST)["salt_key"]
        good = verify(response, key=key)
        spelled = {
            "the path between body and key": PATH_INSERTED,
            "the path of a create signed": verify(response + "/pg/v1/pay", key=key),
            "the whole body signed": verify(json.dumps({"response": response}), key=key),
            "the decoded text signed": verify(payload("callback.json"), key=key),
            "an index nobody has": verify(response, key=key, index="2"),
            "no index": good.partition("###")[0],
            "an empty index": good.partition("###")[0] + "###",
            "one part too many": good + "###1",
            "key and index swapped": verify(response, key="1", index=key),
        }
        return [(name, envelope(response, signature)) for name, signature in spelled.items()]

    # --- whole payments ------------------------------------------------------------------------------------------

    def said(self, code: str, state: str | None = None, **data: Any) -> Report:
        """What a callback says of the payment."""
        return self.read(callback(told(code, state, merchantTransactionId=self.reference, **data)))

    def said_refund(
        self, code: str, state: str, reference: str = REFUND_REFERENCE, theirs: str = REFUND_THEIRS
    ) -> Report:
        return self.read(callback(refund(code, state, merchantTransactionId=reference, transactionId=theirs)))

    def true(self, code: str, state: str | None = None, **data: Any) -> Report:
        """What a fetch says."""
        return self.run(self.fetch(self.status(code, state, **data)))

    def story(self, name: str, *facts: Report, truth: Report, status: S, captured: int = 0, **more: Any) -> Story:
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
        paid, truth = self.said("PAYMENT_SUCCESS", "COMPLETED"), self.true("PAYMENT_SUCCESS", "COMPLETED")
        asked_back = {REFUND_REFERENCE: GIVEN_BACK}
        wrong_pin = ("PAYMENT_ERROR", "FAILED")
        return [
            self.story("paid", paid, truth=truth, status=S.CAPTURED, captured=129900),
            self.story("called timed out, then paid", self.said("TIMED_OUT"), paid, truth=truth, status=S.CAPTURED,
                       captured=129900),
            self.story("PhonePe had trouble of its own, then paid", self.said("INTERNAL_SERVER_ERROR"), paid, truth=truth,
                       status=S.CAPTURED, captured=129900),
            self.story("the bank refused", self.said(*wrong_pin, responseCode="ZM"),
                       truth=self.true(*wrong_pin, responseCode="ZM"), status=S.FAILED),
            self.story("declined by the customer", self.said("PAYMENT_DECLINED", "FAILED"),
                       truth=self.true("PAYMENT_DECLINED", "FAILED"), status=S.FAILED),
            self.story("left until it ran out", self.said(*wrong_pin, responseCode="U69"),
                       truth=self.true(*wrong_pin, responseCode="U69"), status=S.EXPIRED),
            self.story("still open", self.said("TIMED_OUT"), truth=self.true("PAYMENT_PENDING", "PENDING"),
                       status=S.PENDING),
            self.story("a part given back", paid, self.said_refund("PAYMENT_SUCCESS", "COMPLETED"), truth=truth,
                       status=S.CAPTURED, captured=129900, refunds_asked=asked_back, expected_refunded_minor=29900,
                       refund_truths=(self.run(self.fetch_refund()),)),
            self.story("a refund failed and was asked for again", paid, self.said_refund("PAYMENT_ERROR", "FAILED"),
                       self.said_refund("PAYMENT_SUCCESS", "COMPLETED", OTHER_REFUND, OTHER_REFUND_THEIRS), truth=truth,
                       status=S.CAPTURED, captured=129900, refunds_asked={**asked_back, OTHER_REFUND: GIVEN_BACK},
                       expected_refunded_minor=29900,
                       refund_truths=(self.run(self.fetch_refund("PAYMENT_ERROR", "FAILED")),
                                      self.run(self.fetch_refund("PAYMENT_SUCCESS", "COMPLETED", OTHER_REFUND,
                                                                 OTHER_REFUND_THEIRS))),
                       allowed_attention=frozenset({Attention.REFUND_FAILED})),
        ]  # fmt: skip

    def contradictions(self) -> Sequence[Story]:
        return [
            self._wrong("paid less than asked", Attention.UNDERPAID, amount=1299),
            self._wrong("paid, and no amount is told", Attention.MISMATCH, amount=None),
            self._wrong("paid to another merchant", Attention.MISMATCH, merchantId="OTHERSHOPUAT"),
            self._wrong("paid more than asked", Attention.OVERPAID, status=S.CAPTURED, captured=130000, amount=130000),
            self._wrong("paid, and yet failed", Attention.GATEWAY_DISAGREES, status=S.PENDING, state="FAILED"),
            self.story("failed after it was paid", self.said("PAYMENT_SUCCESS", "COMPLETED"),
                       truth=self.true("PAYMENT_ERROR", "FAILED", responseCode="ZM"), status=S.CAPTURED, captured=129900,
                       expected_attention=frozenset({Attention.GATEWAY_DISAGREES})),
        ]  # fmt: skip

    def _wrong(
        self, name: str, attention: Attention, *, status: S = S.REQUIRES_ACTION, captured: int = 0,
        state: str = "COMPLETED", **data: Any,
    ) -> Story:  # fmt: skip
        return self.story(name, self.said("PAYMENT_SUCCESS", state, **data), truth=self.true("PAYMENT_SUCCESS", state, **data),
                          status=status, captured=captured, expected_attention=frozenset({attention}))  # fmt: skip


def _exchange(operation: Operation, call: Any, body: dict[str, Any]) -> Exchange:
    return Exchange(operation=operation, call=call, answer=answer(body))


_EVENTS: Final[dict[Event, tuple[str, str | None, dict[str, Any]]]] = {
    Event.PENDING: ("TIMED_OUT", None, {}),
    Event.PAID: ("PAYMENT_SUCCESS", "COMPLETED", {}),
    Event.FAILED: ("PAYMENT_ERROR", "FAILED", {"responseCode": "ZM"}),
    Event.EXPIRED: ("PAYMENT_ERROR", "FAILED", {"responseCode": "U69"}),
    Event.REFUND_PENDING: ("PAYMENT_PENDING", "PENDING", {}),
    Event.REFUND_SUCCEEDED: ("PAYMENT_SUCCESS", "COMPLETED", {}),
    Event.REFUND_FAILED: ("PAYMENT_ERROR", "FAILED", {"responseCode": "EXCESS_REFUND_AMOUNT"}),
}

CASE: Final = PhonePeV1Case()
