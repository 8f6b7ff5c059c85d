"""Razorpay for the contract suite: scripted exchanges, signed events, and whole payments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from clients.razorpay.gateway import RazorpayGateway
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
    PaymentNames,
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
from core.http import HttpRequest, HttpResponse
from core.money import Money
from tests.clients.razorpay.objects import (
    AUTHORIZED,
    DISPUTE_ID,
    FAILED_ID,
    KEY_SECRET,
    LINK_ID,
    NO_SUCH_ID,
    OLD_SECRET,
    ORDER_ID,
    PAYMENT_ID,
    REFERENCE,
    REFUND_ID,
    REFUND_REFERENCE,
    RELEASED,
    SECRET,
    delivery,
    dispute,
    error,
    event,
    failed,
    link,
    listing,
    order,
    paid_link,
    paid_order,
    payment,
    refund,
    signature,
)

TOTAL = Money(129900, "INR")
SAVED = SavedMethod(token="token_DocHHHHHHHHHH1", customer_token="cust_DocIIIIIIIIII1")
CHARGED = {"notes": {"payment_id": REFERENCE, "shape": "charge"}}
Told = Sequence[Mapping[str, Any]]


class RazorpayCase(GatewayCase):
    slug: ClassVar[str] = "razorpay"
    gateway_class: ClassVar[type[RazorpayGateway]] = RazorpayGateway
    signature_header: ClassVar[str] = "x-razorpay-signature"
    default_amount: ClassVar[Money] = TOTAL
    events: ClassVar[frozenset[Event]] = frozenset(Event) - {Event.REQUIRES_ACTION}
    lacks: ClassVar[Mapping[str, str]] = {
        "test_a_retry_repeats_the_idempotency_key": "Razorpay takes a key for refunds only (test_client has it); links, "
        "orders and captures are looked up by our reference",
        "test_the_other_mode_is_visible_in_the_report": "no body of Razorpay carries the mode; the prefix of the Key Id "
        "and a webhook secret per mode are the fence",
    }

    def credentials(self, mode: Mode) -> dict[str, Any]:
        return {
            "key_id": f"rzp_{mode}_DocExample0001",
            "key_secret": KEY_SECRET,
            "webhook_secret": SECRET if mode is Mode.TEST else f"{SECRET} live",
        }

    # --- exchanges ---------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest | None = None) -> Exchange:
        asked = request or self.payment_request()
        body = link(reference_id=asked.reference, amount=asked.amount.minor, currency=asked.amount.asset)
        return Exchange(operation=Operation.INITIATE, call=lambda gateway: gateway.initiate(asked), answer=answer(body))

    def initiate_embedded(self, **changes: Any) -> Exchange:
        asked = self.payment_request(presentation=Presentation.EMBEDDED, **changes)
        return Exchange(
            operation=Operation.INITIATE, call=lambda gateway: gateway.initiate(asked), answer=answer(order())
        )

    def fetch(self, body: Mapping[str, Any], *attempts: Mapping[str, Any]) -> Exchange:
        """By a link, an order or an attempt; the attempts are what is listed of its order."""
        names = self.names(body["id"])
        return Exchange(
            operation=Operation.FETCH_PAYMENT,
            call=lambda gateway: gateway.fetch_payment(names),
            answer=answer(body),
            after=(answer(listing(*attempts)),) if attempts else (),
        )

    def charge(self, *, response: HttpResponse | None = None) -> Exchange:
        request = ChargeRequest(payment=self.payment_request(), saved=SAVED)
        return Exchange(
            operation=Operation.CHARGE_SAVED,
            call=lambda gateway: gateway.charge_saved(request),
            before=(answer(order(**CHARGED)),),
            answer=response or answer({"razorpay_payment_id": PAYMENT_ID}),
        )

    def exchanges(self) -> Sequence[Exchange]:
        names = self.names(ORDER_ID, other_references=(PAYMENT_ID,))
        capture = CaptureRequest(names=names, amount=TOTAL, idempotency_key="capture-key-1")
        void = VoidRequest(names=self.names(LINK_ID), idempotency_key="void-key-1")
        close = CloseRequest(names=self.names(LINK_ID), idempotency_key="close-key-1")
        give_back = RefundRequest(
            names=names, reference=REFUND_REFERENCE, amount=Money(50000, "INR"), idempotency_key="RF_1:refund"
        )
        refund_names = RefundNames(reference=REFUND_REFERENCE, gateway_reference=REFUND_ID, payment=names)
        forget = DeleteSavedRequest(saved=SAVED, idempotency_key="delete-key-1")
        disputed = DisputeNames(gateway_reference=DISPUTE_ID, payment=names)
        return (
            self.initiate(),
            self.fetch(paid_link(), failed(), payment()),
            Exchange(operation=Operation.CAPTURE, call=lambda g: g.capture(capture), answer=answer(payment())),
            Exchange(operation=Operation.VOID, call=lambda g: g.void(void), answer=answer(link(status="cancelled"))),
            Exchange(operation=Operation.CLOSE, call=lambda g: g.close(close), answer=answer(link(status="cancelled"))),
            Exchange(operation=Operation.REFUND, call=lambda g: g.refund(give_back), answer=answer(refund())),
            Exchange(
                operation=Operation.FETCH_REFUND, call=lambda g: g.fetch_refund(refund_names), answer=answer(refund())
            ),
            self.charge(),
            Exchange(
                operation=Operation.DELETE_SAVED,
                call=lambda g: g.delete_saved(forget),
                answer=answer({"deleted": True}),
            ),
            Exchange(
                operation=Operation.FETCH_DISPUTE, call=lambda g: g.fetch_dispute(disputed), answer=answer(dispute())
            ),
        )

    def amounts(self) -> Sequence[AmountSample]:
        return (
            self._amount(Money(129900, "INR"), '"amount": 129900, "currency": "INR"', '"INR"', "129900"),
            self._amount(Money(740, "JPY"), '"amount": 740, "currency": "JPY"', '"JPY"', "740"),
            self._amount(Money(87430, "KWD"), '"amount": 87430, "currency": "KWD"', '"KWD"', "87430"),
            # Where other gateways differ from ISO 4217, this one does not.
            self._amount(Money(300, "ISK"), '"amount": 300, "currency": "ISK"', '"ISK"', "300"),
            self._amount(Money(9000, "UGX"), '"amount": 9000, "currency": "UGX"', '"UGX"', "9000"),
            self._amount(Money(30000, "MGA"), '"amount": 30000, "currency": "MGA"', '"MGA"', "30000"),
        )

    def _amount(self, amount: Money, sent: str, currency: str, wire: str) -> AmountSample:
        text = (
            f'{{"id":"{PAYMENT_ID}","entity":"payment","status":"captured","currency":{currency},"amount":{wire},'
            '"captured":true,"notes":[]}'
        )
        paid = replace(self.fetch(payment()), answer=answer(text=text))
        return AmountSample(amount=amount, sent=sent, paid=paid)

    def unseen_status(self) -> Exchange:
        return self.fetch(payment(status="waiting_for_the_moon"))

    def not_found(self) -> Exchange:
        return replace(self.fetch(link()), answer=answer(NO_SUCH_ID, status=400))

    def decline(self) -> tuple[Exchange, str]:
        body = error(
            "Your payment could not be completed due to insufficient account balance.",
            source="customer",
            step="payment_authorization",
            reason="insufficient_fund",
            metadata={"payment_id": FAILED_ID, "order_id": ORDER_ID},
        )
        return self.charge(response=answer(body, status=400)), "insufficient_funds"

    def working_credentials(self) -> Answers:
        return [answer(listing(payment()))]

    def refused_credentials(self) -> Answers:
        return [answer(error("Authentication failed"), status=401)]

    def rate_limit_answer(self) -> HttpResponse:
        return answer(error("Too many requests"), status=429, headers={"Retry-After": "7"})

    def close_that_met_money(self) -> Exchange:
        close = CloseRequest(names=self.names(LINK_ID), idempotency_key="close-key-1")
        refusal = {"code": "BAD_REQUEST_ERROR", "description": "Payment Link cannot be cancelled as it is already paid"}
        return Exchange(
            operation=Operation.CLOSE,
            call=lambda g: g.close(close),
            answer=answer({"error": refusal}, status=400),
            after=(answer(paid_link()),),
        )

    def idempotency_key_of(self, request: HttpRequest) -> str | None:
        return request.headers.get("X-Refund-Idempotency")

    def wire_limits(self) -> Mapping[str, int]:
        return {"description": 2048, "customer[name]": 50, "notes[note]": 255, "reference_id": 40}

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
        kind, entities = EVENTS[event]()
        entities = {
            name: _changed(name, one, amount, reference, gateway_reference, refund_reference)
            for name, one in entities.items()
        }
        return delivery(_event(kind, entities), self.credentials(mode)[self.secret_field])

    def resigned(self, delivery: WebhookDelivery, secret: str) -> WebhookDelivery:
        return replace(delivery, headers={**delivery.headers, self.signature_header: signature(delivery.body, secret)})

    def other_secret(self) -> str:
        return OLD_SECRET

    def forgeries(self) -> Sequence[tuple[str, WebhookDelivery]]:
        good = self.webhook(Event.PAID)
        proof = good.headers[self.signature_header]
        wrong = {
            "upper-case hex": proof.upper(),
            "cut short": proof[:-1],
            "twice": f"{proof},{proof}",
            "a scheme before it": f"sha256={proof}",
            "half a surrogate pair": f"\ud800{proof}",
            "the body's bare hash": _bare_hash(good.body),
            "signed with the Key Secret": signature(good.body, KEY_SECRET),
        }
        forged = [(name, _with_signature(good, text)) for name, text in wrong.items()]
        return [*forged, ("a newline more", replace(good, body=good.body + b"\n")),
                ("slashes no longer escaped", replace(good, body=good.body.replace(b"\\/", b"/"))),
                ("another event under the same id header", replace(good, body=self.webhook(Event.FAILED).body))]  # fmt: skip

    # --- whole payments ----------------------------------------------------------------------------------------

    def stories(self) -> Sequence[Story]:
        return (*self._link_stories(), *self._order_stories(), *self._refund_stories(), self._charge_story())

    def contradictions(self) -> Sequence[Story]:
        over = link(status="expired", order_id=ORDER_ID, expired_at=1795176900)
        return (
            self._story("paid, then expired unpaid", [_linked_paid(), ("payment_link.expired", {"payment_link": over})],
                        self.fetch(over, failed()), PaymentStatus.CAPTURED, 129900,
                        expected_attention=frozenset({Attention.GATEWAY_DISAGREES})),
            self._taken("another currency", {"currency": "USD", "base_amount": 10900000}, Attention.MISMATCH,
                        PaymentStatus.PENDING, 0),
            self._taken("more than was asked", {"amount": 150000}, Attention.OVERPAID, PaymentStatus.CAPTURED, 150000),
            self._taken("less than was asked", {"amount": 100000}, Attention.UNDERPAID, PaymentStatus.PENDING, 0),
        )  # fmt: skip

    def _link_stories(self) -> tuple[Story, ...]:
        tried = ("payment.failed", {"payment": failed()})
        held = ("payment.authorized", {"payment": payment(**AUTHORIZED)})
        taken = ("payment.captured", {"payment": payment()})
        closed = {"status": "paid", "amount_paid": 129900, "receipt": None}
        order_paid = ("order.paid", {"payment": payment(), "order": order(**closed)})
        over = link(status="expired", order_id=ORDER_ID, expired_at=1795176900)
        expired = ("payment_link.expired", {"payment_link": over})
        cancelled = link(status="cancelled", cancelled_at=1795176300)
        truth = self.fetch(paid_link(), payment(), failed())
        late = PaymentStatus.CAPTURED
        return (
            self._story("paid at the second try", [tried, held, taken, order_paid, _linked_paid()], truth,
                        PaymentStatus.CAPTURED, 129900),
            self._story("left alone after a failed try", [tried, expired], self.fetch(over, failed()),
                        PaymentStatus.EXPIRED, 0),
            self._story("cancelled by us", [("payment_link.cancelled", {"payment_link": cancelled})],
                        self.fetch(cancelled), PaymentStatus.EXPIRED, 0, void_asked=True),
            self._story("authorized late, after it expired", [tried, expired, held, taken],
                        self.fetch(over, payment(), failed()), late, 129900,
                        allowed_attention=frozenset({Attention.PAID_LATE})),
        )  # fmt: skip

    def _order_stories(self) -> tuple[Story, ...]:
        embedded = self.run(self.initiate_embedded())
        manual: dict[str, Any] = {
            "initiated": self.run(self.initiate_embedded(capture=CaptureMode.MANUAL)), "capture": CaptureMode.MANUAL,
        }  # fmt: skip
        tried = ("payment.failed", {"payment": failed()})
        timed_out = failed(id=PAYMENT_ID, error_reason="payment_timed_out", method="upi", card=None)
        held = ("payment.authorized", {"payment": payment(**AUTHORIZED)})
        taken = ("payment.captured", {"payment": payment()})
        order_paid = ("order.paid", {"payment": payment(), "order": paid_order()})
        released = payment(**RELEASED)
        returned = ("refund.processed", {"refund": refund(amount=129900, receipt=None), "payment": released})
        attempted = order(status="attempted", attempts=1)
        return (
            self._story("failed, then authorized late", [("payment.failed", {"payment": timed_out}), held, taken,
                        order_paid], self.fetch(paid_order(), payment()), PaymentStatus.CAPTURED, 129900,
                        initiated=embedded),
            self._story("only a failed try so far", [tried], self.fetch(attempted, failed()), PaymentStatus.PENDING, 0,
                        initiated=embedded),
            self._story("held, then taken", [held, taken, order_paid], self.fetch(paid_order(), payment()),
                        PaymentStatus.CAPTURED, 129900, capture_asked=TOTAL, **manual),
            self._story("held, and not taken in time, which looks like a refund", [held, returned],
                        self.fetch(attempted, released), PaymentStatus.VOIDED, 0, **manual),
        )  # fmt: skip

    def _refund_stories(self) -> tuple[Story, ...]:
        part = {"amount_refunded": 50000, "refund_status": "partial"}
        begun = ("refund.created", {"refund": refund(status="pending"), "payment": payment(**part)})
        done = ("refund.processed", {"refund": refund(), "payment": payment(**part)})
        slower = ("refund.speed_changed", {"refund": refund(), "payment": payment(**part)})
        gone_wrong = ("refund.failed", {"refund": refund(status="failed"), "payment": payment(**part)})
        asked = {REFUND_REFERENCE: Money(50000, "INR")}
        truth = self.fetch(paid_link(), payment(**part), failed())
        return (
            self._story("paid, then a part given back", [_linked_paid(), begun, done, slower], truth,
                        PaymentStatus.CAPTURED, 129900, expected_refunded_minor=50000, refunds_asked=asked,
                        refund_truths=(self._refund_truth(refund()),)),
            self._story("paid, given back, and returned by the bank", [_linked_paid(), done, gone_wrong], truth,
                        PaymentStatus.CAPTURED, 129900, refunds_asked=asked,
                        refund_truths=(self._refund_truth(refund(status="failed")),),
                        allowed_attention=frozenset({Attention.REFUND_FAILED})),
        )  # fmt: skip

    def _charge_story(self) -> Story:
        refused = failed(id=PAYMENT_ID, **CHARGED)
        return self._story(
            "a saved method is charged, and the bank refuses later",
            [("payment.failed", {"payment": refused})],
            self.fetch(order(status="attempted", attempts=1, **CHARGED), refused),
            PaymentStatus.FAILED,
            0,
            initiated=self.run(self.charge()),
        )

    def _taken(
        self, name: str, changes: Mapping[str, Any], attention: Attention, status: PaymentStatus, captured: int
    ) -> Story:
        odd = payment(**changes)
        return self._story(
            name,
            [("payment.captured", {"payment": odd})],
            self.fetch(odd),
            status,
            captured,
            initiated=self.run(self.initiate_embedded()),
            expected_attention=frozenset({attention}),
        )

    def _story(
        self,
        name: str,
        told: Sequence[tuple[str, Mapping[str, Any]]],
        truth: Exchange,
        status: PaymentStatus,
        captured: int,
        *,
        initiated: Report | None = None,
        **more: Any,
    ) -> Story:
        return Story(
            name=name,
            amount=TOTAL,
            reference=self.reference,
            initiated=initiated or self.run(self.initiate()),
            facts=tuple(self.read(delivery(_event(kind, entities))) for kind, entities in told),
            truth=self.run(truth),
            expected_status=status,
            expected_captured_minor=captured,
            **more,
        )

    def _refund_truth(self, body: Mapping[str, Any]) -> Report:
        names = RefundNames(
            reference=REFUND_REFERENCE,
            gateway_reference=body["id"],
            payment=PaymentNames(reference=self.reference, gateway_reference=LINK_ID, other_references=(PAYMENT_ID,)),
        )
        return self.run(
            Exchange(operation=Operation.FETCH_REFUND, call=lambda g: g.fetch_refund(names), answer=answer(body))
        )


def _event(kind: str, entities: Mapping[str, Any]) -> dict[str, Any]:
    return event(kind, **entities)


def _linked_paid() -> tuple[str, dict[str, Any]]:
    """The order inside is an internal rendering: no prefix, no `entity`."""
    inner = {**order(status="paid", amount_paid=129900), "id": ORDER_ID.removeprefix("order_")}
    del inner["entity"]
    return "payment_link.paid", {"payment_link": paid_link(payments=None), "order": inner, "payment": payment()}


def _with_signature(good: WebhookDelivery, text: str) -> WebhookDelivery:
    return replace(good, headers={**good.headers, "x-razorpay-signature": text})


def _bare_hash(body: bytes) -> str:
    return signature(body, "")


def _changed(
    name: str,
    body: Mapping[str, Any],
    amount: Money | None,
    reference: str | None,
    gateway_reference: str | None,
    refund_reference: str | None,
) -> dict[str, Any]:
    changed = dict(body)
    if amount is not None:
        known = [one for one in ("amount", "amount_paid", "amount_refunded") if body.get(one)]
        changed.update(dict.fromkeys(known, amount.minor), currency=amount.asset)
    if reference is not None and name in {"order", "payment_link"}:
        changed["receipt" if name == "order" else "reference_id"] = reference
    if gateway_reference is not None and name == "payment":
        changed["order_id"] = gateway_reference
    if gateway_reference is not None and name in {"order", "payment_link"}:
        changed["id"] = gateway_reference
    if refund_reference is not None and name == "refund":
        changed["receipt"] = refund_reference
    return changed


EVENTS: Mapping[Event, Callable[[], tuple[str, dict[str, Any]]]] = {
    Event.PENDING: lambda: ("payment.failed", {"payment": failed()}),  # one attempt; the order can still be paid
    Event.AUTHORIZED: lambda: ("payment.authorized", {"payment": payment(**AUTHORIZED)}),
    Event.PAID: lambda: ("order.paid", {"payment": payment(), "order": paid_order()}),
    Event.FAILED: lambda: ("payment.failed", {"payment": failed(order_id=None)}),  # of a QR code
    Event.VOIDED: lambda: ("refund.processed", {"refund": refund(amount=129900), "payment": payment(**RELEASED)}),
    Event.EXPIRED: lambda: ("payment_link.expired", {"payment_link": link(status="expired")}),
    Event.REFUND_PENDING: lambda: ("refund.created", {"refund": refund(status="pending"), "payment": payment()}),
    Event.REFUND_SUCCEEDED: lambda: ("refund.processed", {"refund": refund(), "payment": payment()}),
    Event.REFUND_FAILED: lambda: ("refund.failed", {"refund": refund(status="failed"), "payment": payment()}),
    Event.UNKNOWN: lambda: ("settlement.processed", {"settlement": {"id": "setl_DocJJJJJJJJJJ1", "amount": 1}}),
}

CASE = RazorpayCase()
