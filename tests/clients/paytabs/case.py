"""PayTabs for the contract suite: scripted exchanges, signed notifications, and whole payments."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from clients.paytabs.gateway import PayTabsGateway
from core.gateways.testing import AmountSample, Answers, Event, Exchange, GatewayCase, Story, answer
from core.gateways.types import (
    Attention,
    CaptureMode,
    CaptureRequest,
    ChargeRequest,
    DeleteSavedRequest,
    Mode,
    Operation,
    PaymentRequest,
    PaymentStatus,
    RefundNames,
    RefundRequest,
    Report,
    SavedMethod,
    SaveMethodRequest,
    VoidRequest,
    WebhookDelivery,
)
from core.http import HttpRequest
from core.money import Money
from tests.clients.paytabs.bodies import (
    BASE,
    CLIENT_KEY,
    NEXT_REF,
    OLD_KEY,
    PROFILE,
    REF,
    REFERENCE,
    REFUND_REF,
    REFUND_REFERENCE,
    TOKEN,
    amount,
    delivery,
    failure,
    follow_up,
    page,
    refund,
    row,
    signature,
)

TOTAL: Final = Money(11550, "SAR")
PART: Final = Money(10000, "SAR")
GIVEN_BACK: Final = Money(1550, "SAR")
SAVED: Final = SavedMethod(token=TOKEN, extra_token=REF)
SECOND_LEG: Final = {"tran_ref": NEXT_REF, "previous_tran_ref": REF}
CALLBACK: Final = {"ipn_trace": "PMNT0001.00000000.00000001"}
IPN: Final = {"ipn_trace": "IPNS0001.00000000.00000002"}
S = PaymentStatus


class PayTabsCase(GatewayCase):
    slug: ClassVar[str] = "paytabs"
    gateway_class: ClassVar[type[PayTabsGateway]] = PayTabsGateway
    secret_field: ClassVar[str] = "server_key"
    signature_header: ClassVar[str] = "signature"
    default_amount: ClassVar[Money] = TOTAL
    events: ClassVar[frozenset[Event]] = frozenset(Event) - {Event.REQUIRES_ACTION}  # no notification says that
    lacks: ClassVar[Mapping[str, str]] = {
        "test_a_retry_repeats_the_idempotency_key": "PayTabs has no idempotency key; every operation is looked up by its "
        "cart_id, and an identical request within two minutes is refused",
        "test_credentials_of_the_other_mode_are_refused": "keys of test and live profiles look the same; only the TST of "
        "a reference tells",
    }

    def credentials(self, mode: Mode) -> dict[str, Any]:
        letter = "T" if mode is Mode.TEST else "L"
        return {
            "region": "SAU",
            "profile_id": PROFILE,
            "server_key": f"S{letter}OCEXAMPL-0123456789-ABCDEFGHJK",
            "client_key": CLIENT_KEY,
        }

    # --- exchanges ---------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest | None = None) -> Exchange:
        asked = request or self.payment_request()
        body = page(asked.reference, cart_currency=asked.amount.asset, cart_amount=asked.amount.decimal_text())
        return self._exchange(Operation.INITIATE, lambda gateway: gateway.initiate(asked), body)

    def fetch(self, body: Any, *after: Any, **changes: Any) -> Exchange:
        """By their reference; `after` answers the questions that follow where more could be known, then nothing is."""
        names = self.names(REF, **changes)
        exchange = self._exchange(Operation.FETCH_PAYMENT, lambda gateway: gateway.fetch_payment(names), body)
        return replace(exchange, after=tuple(answer(one) for one in (*after, *[[]] * 5)))

    def exchanges(self) -> Sequence[Exchange]:
        return (
            self.initiate(),
            self.fetch(row()),
            self.capture(follow_up("Capture")),
            self.void(follow_up("Void")),
            self.refund(refund()),
            self.fetch_refund(refund()),
            self._exchange(
                Operation.SAVE_METHOD,
                lambda gateway: gateway.save_method(self.save_request()),
                page(tran_type="Register"),
            ),
            self.charge(row(tran_class="C/Auth", previous_tran_ref="TST2632400990000")),
            self._exchange(
                Operation.DELETE_SAVED,
                lambda gateway: gateway.delete_saved(DeleteSavedRequest(saved=SAVED, idempotency_key="delete-1")),
                failure(0, "success"),
            ),
        )

    def capture(self, body: Mapping[str, Any], money: Money = TOTAL) -> Exchange:
        request = CaptureRequest(names=self.names(REF), amount=money, idempotency_key="capture-1")
        return self._exchange(Operation.CAPTURE, lambda gateway: gateway.capture(request), body)

    def void(self, body: Mapping[str, Any]) -> Exchange:
        request = VoidRequest(names=self.names(REF), idempotency_key="void-1")
        return self._exchange(Operation.VOID, lambda gateway: gateway.void(request), body)

    def refund(self, body: Mapping[str, Any]) -> Exchange:
        request = RefundRequest(
            names=self.names(REF), reference=REFUND_REFERENCE, amount=GIVEN_BACK, idempotency_key="refund-1"
        )
        return self._exchange(Operation.REFUND, lambda gateway: gateway.refund(request), body)

    def fetch_refund(self, body: Any) -> Exchange:
        names = RefundNames(reference=REFUND_REFERENCE, gateway_reference=REFUND_REF, payment=self.names(REF))
        return self._exchange(Operation.FETCH_REFUND, lambda gateway: gateway.fetch_refund(names), body)

    def charge(self, body: Mapping[str, Any]) -> Exchange:
        request = ChargeRequest(payment=self.payment_request(), saved=SAVED)
        return self._exchange(Operation.CHARGE_SAVED, lambda gateway: gateway.charge_saved(request), body)

    def save_request(self) -> SaveMethodRequest:
        return SaveMethodRequest(
            reference=REFERENCE,
            idempotency_key="save-1",
            currency="SAR",
            webhook_url="https://pay.example.com/payments/webhook/x/token",
            return_url="https://pay.example.com/p/abc/return",
        )

    def _exchange(self, operation: Operation, call: Callable[[Any], Any], body: Any) -> Exchange:
        return Exchange(operation=operation, call=call, answer=answer(body))

    def amounts(self) -> Sequence[AmountSample]:
        return (
            self._amount(Money(740, "JPY"), '"cart_currency":"JPY","cart_amount":740,', "740"),
            self._amount(Money(11550, "SAR"), '"cart_currency":"SAR","cart_amount":115.50,', "115.50"),
            self._amount(Money(1, "USD"), '"cart_currency":"USD","cart_amount":0.01,', "0.010"),
            self._amount(Money(1235, "KWD"), '"cart_currency":"KWD","cart_amount":1.235,', "1.235"),
            self._amount(Money(10_000_000, "IQD"), '"cart_currency":"IQD","cart_amount":10000.000,', "10000"),
        )

    def _amount(self, money: Money, sent: str, wire: str) -> AmountSample:
        paid = self.fetch(row(**amount(wire, money.asset)), amount=money)
        return AmountSample(amount=money, sent=sent, paid=paid)

    def unseen_status(self) -> Exchange:
        return self.fetch(row(letter="Q"), [])

    def not_found(self) -> Exchange:
        return replace(self.fetch({}), answer=answer(failure(113, "Transaction not found"), status=400))

    def decline(self) -> tuple[Exchange, str]:
        return self.charge(row(letter="D", code="316", message="Insufficient funds")), "insufficient_funds"

    def working_credentials(self) -> Answers:
        return [answer(failure(113, "Transaction not found"), status=400)]

    def refused_credentials(self) -> Answers:
        return [answer(failure(1, "Authentication failed. Check authentication header."), status=401)]

    def idempotency_key_of(self, request: HttpRequest) -> str | None:
        return None

    def wire_limits(self) -> Mapping[str, int]:
        return {"cart_id": 64, "cart_description": 128, "callback": 255, "return": 255, "customer_details[name]": 128}

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
        body = dict(EVENTS[event])
        if amount is not None:
            text = amount.decimal_text()
            body |= {
                "cart_amount": text,
                "tran_total": text,
                "cart_currency": amount.asset,
                "tran_currency": amount.asset,
            }
        if event.value.startswith("refund"):
            body["cart_id"] = refund_reference or REFUND_REFERENCE
        elif "cart_id" in body and event is not Event.VOIDED:
            body["cart_id"] = reference or self.reference
        if gateway_reference is not None:
            is_child = "previous_tran_ref" in body
            body["previous_tran_ref" if is_child else "tran_ref"] = gateway_reference
        if mode is Mode.LIVE and "tran_ref" in body:
            body["tran_ref"] = body["tran_ref"].replace("TST", "PTS")
        return delivery(body, key=self.credentials(mode)["server_key"])

    def resigned(self, delivery: WebhookDelivery, secret: str) -> WebhookDelivery:
        return replace(delivery, headers={**delivery.headers, self.signature_header: signature(delivery.body, secret)})

    def other_secret(self) -> str:
        return OLD_KEY

    def forgeries(self) -> Sequence[tuple[str, WebhookDelivery]]:
        good = self.webhook(Event.PAID)
        proof = good.headers[self.signature_header]
        wrong = {
            "one digit less": proof[:-1],
            "one digit more": proof + "0",
            "twice": f"{proof},{proof}",
            "with a scheme": f"sha256={proof}",
            "no hexadecimal": "z" * 64,
            "digits of another script": "\uff11" * 64,
            "of an empty body": signature(b"", self.credentials(Mode.TEST)["server_key"]),
            "under the client key": signature(good.body, CLIENT_KEY),
        }
        forged = [(name, self._signed_as(good, text)) for name, text in wrong.items()]
        empty = replace(good, body=b"")
        return [
            *forged,
            ("a newline more", replace(good, body=good.body + b"\n")),
            ("slashes unescaped", replace(good, body=good.body.replace(b"4111 11", b"4111\\/11"))),
            ("an empty body, signed", self.resigned(empty, self.credentials(Mode.TEST)["server_key"])),
        ]

    def _signed_as(self, good: WebhookDelivery, text: str) -> WebhookDelivery:
        return replace(good, headers={**good.headers, self.signature_header: text})

    # --- whole payments ----------------------------------------------------------------------------------------

    def said(self, body: dict[str, Any]) -> Report:
        """What a notification says."""
        return self.read(delivery(body, key=self.credentials(Mode.TEST)["server_key"]))

    def true(self, body: Any, *after: Any, **names: Any) -> Report:
        """What a fetch says."""
        return self.run(self.fetch(body, *after, **names))

    def stories(self) -> Sequence[Story]:
        return (*self._page_stories(), *self._hold_stories(), *self._refund_stories())

    def contradictions(self) -> Sequence[Story]:
        foreign, other = row(**amount("115.50", "AED")), row(profile_id=990012)
        more, less, live = row(**amount("120.00")), row(**amount("100.00")), row(tran_ref=REF.replace("TST", "PTS"))
        odd, gone, paid = row(**amount("115.505")), row(letter="V"), self.said(row())
        undone = follow_up("Void", cart_id=REFERENCE)
        return (
            self._contradiction("another currency", foreign, self.true(foreign), Attention.MISMATCH, S.REQUIRES_ACTION),
            self._contradiction("another profile", other, self.true(other), Attention.MISMATCH, S.REQUIRES_ACTION),
            self._contradiction("too many decimals", odd, self.true(odd), Attention.MISMATCH, S.REQUIRES_ACTION),
            self._contradiction("the other mode", live, self.true(row(letter=None, redirect_url=f"{BASE}/payment/page/5A0C0000")), Attention.MISMATCH, S.REQUIRES_ACTION),
            self._contradiction("more than was asked", more, self.true(more), Attention.OVERPAID, S.CAPTURED, 12000),
            self._contradiction("less than was asked", less, self.true(less), Attention.UNDERPAID, S.REQUIRES_ACTION),
            self.story("undone on its day, from the dashboard", paid, self.said(gone), truth=self.true(gone),
                       status=S.CAPTURED, captured=11550, expected_attention=frozenset({Attention.GATEWAY_DISAGREES})),
            self.story("undone by a row of its own", paid, self.said(undone),
                       truth=self.true(row(), [row(), undone]),
                       status=S.CAPTURED, captured=11550, expected_attention=frozenset({Attention.GATEWAY_DISAGREES})),
        )  # fmt: skip

    def _page_stories(self) -> tuple[Story, ...]:
        asked, offline = row("Payment Request", "P"), row("Payment Request", "A")
        sale, held = row(**SECOND_LEG), row(letter="H", message="Under review")
        dead = {"D": S.FAILED, "E": S.FAILED, "X": S.EXPIRED}
        ended = [
            self.story(f"ended with {letter}", self.said(row(letter=letter)), truth=self.true(row(letter=letter), []),
                       status=status, captured=0)
            for letter, status in dead.items()
        ]  # fmt: skip
        gave_up = row(letter="C", code="321", message="Cancelled")
        return (
            self.story("paid, told by callback and IPN", self.said(row(**CALLBACK)), self.said(row(**IPN)),
                       truth=self.true(row()), status=S.CAPTURED, captured=11550),
            self.story("paid at the counter, by a second reference", self.said(asked), self.said(sale), self.said(offline),
                       truth=self.true(offline, [offline, sale]), status=S.CAPTURED, captured=11550),
            self.story("held back by the fraud team, then released", self.said(held), self.said(row()),
                       truth=self.true(row()), status=S.CAPTURED, captured=11550),
            self.story("paid although the page was told to be over", self.said(row(letter="X")), self.said(row()),
                       truth=self.true(row()), status=S.CAPTURED, captured=11550),
            self.story("cancelled by the customer", self.said(gave_up), truth=self.true(gave_up, []), status=S.FAILED,
                       captured=0),
            *ended,
        )  # fmt: skip

    def _hold_stories(self) -> tuple[Story, ...]:
        hold, taken = row("Auth"), follow_up("Capture", parentRequest={"tran_ref": REF, "cart_amount": "115.50"})
        part, gone = follow_up("Capture", **amount("100.00")), follow_up("Void")
        rest = follow_up("Release", tran_ref="TST2632400991237", cart_id=REFERENCE, **amount("15.50"))
        known = {"other_references": (NEXT_REF,)}
        refused = follow_up("Capture", "D", tran_ref="TST2632400991238", code="120", message="On hold")
        return (
            self._held("held, then taken", hold, taken, truth=self.true(hold, taken, [hold], **known),
                       status=S.CAPTURED, captured=11550, capture_asked=TOTAL),
            self._held("held, then a part taken and the rest let go", hold, part, rest,
                       truth=self.true(hold, part, [hold, rest], **known), status=S.CAPTURED, captured=10000,
                       capture_asked=PART),
            self._held("held, a capture refused, then taken", hold, refused, taken,
                       truth=self.true(hold, taken, [hold], **known), status=S.CAPTURED, captured=11550,
                       capture_asked=TOTAL),
            self._held("held, then let go by a void", hold, gone, truth=self.true(hold, gone, [hold], **known),
                       status=S.VOIDED, captured=0, void_asked=True),
            self._held("held, then let go without a void of ours", hold, row("Auth", "V"),
                       truth=self.true(row("Auth", "V"), []), status=S.VOIDED, captured=0),
        )  # fmt: skip

    def _refund_stories(self) -> tuple[Story, ...]:
        paid, truth = self.said(row()), self.true(row())
        asked = {REFUND_REFERENCE: GIVEN_BACK}
        refused = refund("D", code="320", message="Unable to refund")
        dashboard = self.said(refund(cart_id=REFERENCE))
        return (
            self.story("paid, then a part given back", paid, self.said(refund("P")), self.said(refund()), truth=truth,
                       status=S.CAPTURED, captured=11550, expected_refunded_minor=1550, refunds_asked=asked,
                       refund_truths=(self.run(self.fetch_refund(refund())),)),
            self.story("paid, and the refund refused", paid, self.said(refund("P")), self.said(refused), truth=truth,
                       status=S.CAPTURED, captured=11550, refunds_asked=asked,
                       refund_truths=(self.run(self.fetch_refund(refused)),),
                       allowed_attention=frozenset({Attention.REFUND_FAILED})),
            self.story("paid, then a part given back in the dashboard", paid, dashboard, truth=truth,
                       status=S.CAPTURED, captured=11550, expected_refunded_minor=1550, refund_truths=(dashboard,)),
        )  # fmt: skip

    def story(self, name: str, *facts: Report, truth: Report, status: S, captured: int, **more: Any) -> Story:
        return Story(
            name=name,
            amount=TOTAL,
            reference=self.reference,
            initiated=self.run(self.initiate(self.payment_request(capture=more.get("capture", CaptureMode.AUTOMATIC)))),
            facts=facts,
            truth=truth,
            expected_status=status,
            expected_captured_minor=captured,
            **more,
        )

    def _held(self, name: str, *told: dict[str, Any], truth: Report, status: S, captured: int, **more: Any) -> Story:
        facts = [self.said(body) for body in told]
        return self.story(
            name, *facts, truth=truth, status=status, captured=captured, capture=CaptureMode.MANUAL, **more
        )

    def _contradiction(
        self, name: str, told: dict[str, Any], truth: Report, attention: Attention, status: S, captured: int = 0
    ) -> Story:
        return self.story(
            name,
            self.said(told),
            truth=truth,
            status=status,
            captured=captured,
            expected_attention=frozenset({attention}),
        )


EVENTS: Final[Mapping[Event, dict[str, Any]]] = {
    Event.PENDING: row("Payment Request", "P"),
    Event.AUTHORIZED: row("Auth"),
    Event.PAID: row(),
    Event.FAILED: row(letter="D"),
    Event.VOIDED: follow_up("Void", parentRequest={"tran_ref": REF, "cart_amount": "115.50", "cart_currency": "SAR"}),
    Event.EXPIRED: row(letter="X"),
    Event.REFUND_PENDING: refund("P"),
    Event.REFUND_SUCCEEDED: refund(),
    Event.REFUND_FAILED: refund("D", code="320", message="Unable to refund"),
    Event.UNKNOWN: {"invoice_id": 77, "invoice_status": "paid", "profile_id": int(PROFILE)},
}

CASE: Final = PayTabsCase()
