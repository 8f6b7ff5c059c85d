"""Square for the contract suite: scripted exchanges, signed events, and whole payments."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from clients.square.gateway import SquareGateway
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
    RefundNames,
    RefundRequest,
    Report,
    SavedMethod,
    VoidRequest,
    WebhookDelivery,
)
from core.http import HttpRequest, HttpResponse
from core.money import Money
from tests.clients.square.objects import (
    CARD,
    CUSTOMER,
    DISPUTE,
    FAILED_PAYMENT,
    KEY,
    LINK,
    LOCATION,
    MERCHANT,
    OLD_KEY,
    ORDER,
    PAYMENT,
    RECEIPTS,
    REFUND,
    REFUND_REFERENCE,
    TOKEN,
    URL,
    delivery,
    direct,
    dispute,
    errors,
    failed,
    load,
    money,
    of_link,
    order,
    refund,
    signature,
)
from tests.clients.square.objects import event as enveloped

TOTAL = Money(11550, "USD")
SAVED = SavedMethod(token=CARD, customer_token=CUSTOMER)
GONE = {"state": "CANCELED"}
# A hold that nobody took: Square canceled it when its time was over.
LAPSED = {"updated_at": "2026-11-27T12:03:10.000Z", "processing_fee": None}
Told = Sequence[tuple[str, Mapping[str, Any]]]


class SquareCase(GatewayCase):
    slug: ClassVar[str] = "square"
    gateway_class: ClassVar[type[SquareGateway]] = SquareGateway
    signature_header: ClassVar[str] = "x-square-hmacsha256-signature"
    secret_field: ClassVar[str] = "webhook_signature_key"
    default_amount: ClassVar[Money] = TOTAL
    events: ClassVar[frozenset[Event]] = frozenset(Event) - {Event.REQUIRES_ACTION}
    missing_exponents: ClassVar[Mapping[int, str]] = {3: "Square takes no currency with three decimals"}

    def credentials(self, mode: Mode) -> dict[str, Any]:
        return {
            "access_token": TOKEN if mode is Mode.TEST else TOKEN.replace("Sandbox", "Live"),
            "location_id": LOCATION,
            "webhook_signature_key": KEY if mode is Mode.TEST else f"{KEY}-live",
            "notification_url": URL,
            "application_id": "sandbox-sq0idb-docExample" if mode is Mode.TEST else "sq0idp-docExample",
            "merchant_id": MERCHANT,
        }

    # --- exchanges ---------------------------------------------------------------------------------------------

    def initiate(self, request: PaymentRequest | None = None) -> Exchange:
        asked = request or self.payment_request()
        body = load("link_created")
        body["related_resources"]["orders"][0]["reference_id"] = asked.reference
        return Exchange(operation=Operation.INITIATE, call=lambda gateway: gateway.initiate(asked), answer=answer(body))

    def fetch(self, payment: Mapping[str, Any]) -> Exchange:
        """Of a direct payment, by its id."""
        names = self.names(payment["id"])
        return Exchange(
            operation=Operation.FETCH_PAYMENT,
            call=lambda gateway: gateway.fetch_payment(names),
            answer=answer({"payment": payment}),
        )

    def fetch_link(self, its_order: Mapping[str, Any], *payments: Mapping[str, Any]) -> Exchange:
        """Of a link's payment: the order, then the payments that its tenders name."""
        names = self.names(ORDER, other_references=(LINK,))
        return Exchange(
            operation=Operation.FETCH_PAYMENT,
            call=lambda gateway: gateway.fetch_payment(names),
            answer=answer({"order": its_order}),
            after=tuple(answer({"payment": one}) for one in payments),
        )

    def charge(self, *, response: HttpResponse | None = None, **changes: Any) -> Exchange:
        request = ChargeRequest(payment=self.payment_request(**changes), saved=SAVED)
        return Exchange(
            operation=Operation.CHARGE_SAVED,
            call=lambda gateway: gateway.charge_saved(request),
            answer=response or answer({"payment": direct()}),
        )

    def exchanges(self) -> Sequence[Exchange]:
        names = self.names(PAYMENT)
        capture = CaptureRequest(names=names, amount=TOTAL, idempotency_key="capture-key-1")
        void = VoidRequest(names=self.names(ORDER, other_references=(LINK,)), idempotency_key="void-key-1")
        close = CloseRequest(names=self.names(ORDER, other_references=(LINK,)), idempotency_key="close-key-1")
        give_back = RefundRequest(
            names=names, reference=REFUND_REFERENCE, amount=Money(2500, "USD"), idempotency_key="refund-key-1"
        )
        refund_names = RefundNames(reference=REFUND_REFERENCE, gateway_reference=REFUND, payment=names)
        forget = DeleteSavedRequest(saved=SAVED, idempotency_key="delete-key-1")
        disputed = DisputeNames(gateway_reference=DISPUTE, payment=names)
        return (
            self.initiate(),
            self.fetch(direct()),
            Exchange(
                operation=Operation.CAPTURE, call=lambda g: g.capture(capture), answer=answer({"payment": direct()})
            ),
            Exchange(
                operation=Operation.VOID,
                call=lambda g: g.void(void),
                before=(answer({"order": order()}),),
                answer=answer({"id": LINK, "cancelled_order_id": ORDER}),
                after=(answer({"order": order(**GONE)}),),
            ),
            Exchange(
                operation=Operation.CLOSE,
                call=lambda g: g.close(close),
                before=(answer({"order": order()}),),
                answer=answer({"id": LINK, "cancelled_order_id": ORDER}),
                after=(answer({"order": order(**GONE)}),),
            ),
            Exchange(
                operation=Operation.REFUND, call=lambda g: g.refund(give_back), answer=answer({"refund": refund()})
            ),
            Exchange(
                operation=Operation.FETCH_REFUND,
                call=lambda g: g.fetch_refund(refund_names),
                answer=answer({"refund": refund("COMPLETED")}),
            ),
            self.charge(),
            Exchange(
                operation=Operation.DELETE_SAVED,
                call=lambda g: g.delete_saved(forget),
                answer=answer({"card": {"id": CARD, "enabled": False}}),
            ),
            Exchange(
                operation=Operation.FETCH_DISPUTE,
                call=lambda g: g.fetch_dispute(disputed),
                answer=answer({"dispute": dispute()}),
            ),
        )

    def close_that_met_money(self) -> Exchange:
        """Paid between the look before and the deletion: the look after finds it."""
        close = CloseRequest(names=self.names(ORDER, other_references=(LINK,)), idempotency_key="close-key-1")
        return Exchange(
            operation=Operation.CLOSE,
            call=lambda g: g.close(close),
            before=(answer({"order": order()}),),
            answer=answer({"id": LINK, "cancelled_order_id": ORDER}),
            after=(answer({"order": order(PAYMENT)}), answer({"payment": of_link()})),
        )

    def idempotency_key_of(self, request: HttpRequest) -> str | None:
        """In the body. What ends a link, a hold or a card has none: its address names what is ended, once."""
        if request.method == "DELETE" or request.url.endswith(("/complete", "/cancel", "/disable")):
            return request.url
        key = json.loads(request.body)["idempotency_key"]
        assert isinstance(key, str)
        return key

    def amounts(self) -> Sequence[AmountSample]:
        return (
            self._amount(Money(11550, "USD"), '{"amount":11550,"currency":"USD"}'),
            self._amount(Money(740, "JPY"), '{"amount":740,"currency":"JPY"}'),
            self._amount(Money(100, "GBP"), '{"amount":100,"currency":"GBP"}'),
        )

    def _amount(self, amount: Money, wire: str) -> AmountSample:
        text = (
            f'{{"payment":{{"id":"{PAYMENT}","status":"COMPLETED","amount_money":{wire},"approved_money":{wire},'
            f'"location_id":"{LOCATION}"}}}}'
        )
        paid = replace(self.fetch(direct()), answer=answer(text=text))
        return AmountSample(amount=amount, sent=f'"base_price_money":{wire}', paid=paid)

    def unseen_status(self) -> Exchange:
        return self.fetch(direct("REVIEWING_THE_MOON"))

    def not_found(self) -> Exchange:
        unknown = answer(errors("NOT_FOUND"), status=404)
        return replace(self.fetch(direct()), answer=unknown, after=(unknown,))

    def decline(self) -> tuple[Exchange, str]:
        return self.charge(response=answer(load("error_card_declined"), status=402)), "insufficient_funds"

    def working_credentials(self) -> Answers:
        return [answer(load("location"))]

    def refused_credentials(self) -> Answers:
        return [answer(errors("UNAUTHORIZED", "AUTHENTICATION_ERROR"), status=401)]

    def wire_limits(self) -> Mapping[str, int]:
        return {
            "idempotency_key": 192,
            "order[reference_id]": 40,
            "order[line_items][0][name]": 255,
            "checkout_options[redirect_url]": 2048,
            "pre_populated_data[buyer_email]": 256,
            "pre_populated_data[buyer_phone_number]": 17,
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
        if kind.startswith("payment"):
            subject = {**subject, "reference_id": reference or self.reference, "receipt_url": RECEIPTS[mode.value]}
        if gateway_reference is not None:
            subject["payment_id" if kind.startswith("refund") else "order_id"] = gateway_reference
        if refund_reference is not None:
            subject["reason"] = f"[{refund_reference}]"
        if amount is not None:
            subject = _with_amount(subject, amount)
        return delivery(enveloped(kind, subject), self.credentials(mode)[self.secret_field])

    def foreign_account(self) -> tuple[Mapping[str, Any], WebhookDelivery] | str:
        """A subscription hears of the whole seller: another location of theirs, signed with the same key."""
        return self.credentials(Mode.TEST), delivery(enveloped("payment.updated", direct(location_id="LOTHERLAB")))

    def resigned(self, delivery: WebhookDelivery, secret: str) -> WebhookDelivery:
        header = signature(delivery.body, secret)
        return replace(delivery, headers={**delivery.headers, self.signature_header: header})

    def other_secret(self) -> str:
        return OLD_KEY

    def forgeries(self) -> Sequence[tuple[str, WebhookDelivery]]:
        good = self.webhook(Event.PAID)
        proof = good.headers[self.signature_header]
        wrong = {
            "without its padding": proof.rstrip("="),
            "in other case": proof.swapcase(),
            "as hex": good.body.hex()[:64],
            "twice": f"{proof}, {proof}",
            "with a space before": f" {proof}",
            "over the address that was called": signature(good.body, url=good.url),
            "over the address without its slash": signature(good.body, url=URL.rstrip("/")),
            "over the body alone": signature(good.body, url=""),
            "with the access token": signature(good.body, TOKEN),
        }
        forged = [(name, _with_signature(good, text)) for name, text in wrong.items()]
        older = {name: value for name, value in good.headers.items() if name != self.signature_header}
        return [
            *forged,
            ("only the older header", replace(good, headers=older)),
            ("a newline more", replace(good, body=good.body + b"\n")),
            ("an empty body", self.resigned(replace(good, body=b""), KEY)),
        ]

    # --- whole payments ----------------------------------------------------------------------------------------

    def stories(self) -> Sequence[Story]:
        return (*self._link_stories(), *self._direct_stories(), *self._refund_stories())

    def contradictions(self) -> Sequence[Story]:
        paid = ("payment.updated", of_link())
        taken, released = ("payment.updated", direct()), ("payment.updated", direct("CANCELED"))
        other = of_link(amount_money=money(11550, "CAD"), approved_money=money(11550, "CAD"))
        more = of_link(amount_money=money(12550), approved_money=money(12550))
        less = of_link(approved_money=money(5000))
        live = of_link(receipt_url=RECEIPTS["live"])
        text = of_link(amount_money=money("11550"))
        failed_after = failed(id=PAYMENT)
        captured, waiting = PaymentStatus.CAPTURED, PaymentStatus.REQUIRES_ACTION
        return (
            self._link_story(
                "paid, and then its order is canceled without a payment",
                [paid, ("payment.updated", failed_after)],
                self.fetch_link(order(PAYMENT, **GONE), failed_after),
                captured,
                11550,
                expected_attention=frozenset({Attention.GATEWAY_DISAGREES}),
            ),
            self._direct_story(
                "taken and released at once",
                [taken, released],
                self.fetch(released[1]),
                captured,
                11550,
                capture_asked=TOTAL,
                expected_attention=frozenset({Attention.GATEWAY_DISAGREES}),
            ),
            self._contradiction("another currency", other, Attention.MISMATCH, waiting, 0),
            self._contradiction("more than was asked", more, Attention.OVERPAID, captured, 12550),
            self._contradiction("a gift card that covers a part", less, Attention.UNDERPAID, waiting, 0),
            self._contradiction("the other mode", live, Attention.MISMATCH, waiting, 0),
            self._contradiction("an amount that is no number", text, Attention.MISMATCH, waiting, 0),
            self._contradiction("another location", of_link(location_id="LOTHER"), Attention.MISMATCH, waiting, 0),
        )

    def _link_stories(self) -> tuple[Story, ...]:
        approved = ("payment.created", of_link("APPROVED", processing_fee=None))
        plain, with_fee = of_link(processing_fee=None), of_link()
        declined_try = ("payment.updated", failed())
        both = order(FAILED_PAYMENT, PAYMENT)
        return (
            self._link_story(
                "paid at the second try",
                [declined_try, approved, ("payment.updated", plain), ("payment.updated", with_fee)],
                self.fetch_link(both, failed(), with_fee),
                PaymentStatus.CAPTURED,
                11550,
            ),
            self._link_story(
                "paid by bank debit",
                [
                    ("payment.created", of_link("PENDING", processing_fee=None)),
                    ("payment.updated", with_fee),
                ],
                self.fetch_link(order(PAYMENT), with_fee),
                PaymentStatus.CAPTURED,
                11550,
            ),
            self._link_story(
                "left alone after a declined try",
                [declined_try],
                self.fetch_link(order(FAILED_PAYMENT), failed()),
                PaymentStatus.REQUIRES_ACTION,
                0,
            ),
        )

    def _direct_stories(self) -> tuple[Story, ...]:
        held, released = self._held(), direct("CANCELED", processing_fee=None)
        lapsed = direct("CANCELED", **LAPSED)
        refused = direct("FAILED", approved_money=money(0), processing_fee=None)
        return (
            self._direct_story(
                "held, then taken",
                [("payment.created", held), ("payment.updated", direct())],
                self.fetch(direct()),
                PaymentStatus.CAPTURED,
                11550,
                capture_asked=TOTAL,
            ),
            self._direct_story(
                "held, then a part taken",
                [("payment.created", held), ("payment.updated", self._part())],
                self.fetch(self._part()),
                PaymentStatus.CAPTURED,
                9000,
                capture_asked=Money(9000, "USD"),
            ),
            self._direct_story(
                "held, then released",
                [("payment.created", held), ("payment.updated", released)],
                self.fetch(released),
                PaymentStatus.VOIDED,
                0,
                void_asked=True,
            ),
            self._direct_story(
                "held, then lapsed",
                [("payment.created", held), ("payment.updated", lapsed)],
                self.fetch(lapsed),
                PaymentStatus.EXPIRED,
                0,
            ),
            self._story(
                "a saved card is declined",
                self.run(self.charge(response=answer({"payment": refused}, status=402))),
                [("payment.updated", refused)],
                self.fetch(refused),
                PaymentStatus.FAILED,
                0,
            ),
        )

    def _refund_stories(self) -> tuple[Story, ...]:
        paid = ("payment.updated", of_link())
        again = ("payment.updated", of_link(refunded_money=money(2500), refund_ids=[REFUND]))
        truth = self.fetch_link(order(PAYMENT), again[1])
        done, bounced = refund("COMPLETED", version=12), refund("FAILED", version=13)
        asked = {REFUND_REFERENCE: Money(2500, "USD")}
        return (
            self._link_story(
                "paid, then a part given back",
                [paid, ("refund.created", refund()), again, ("refund.updated", done)],
                truth,
                PaymentStatus.CAPTURED,
                11550,
                expected_refunded_minor=2500,
                refunds_asked=asked,
                refund_truths=(self._refund_truth(done),),
            ),
            self._link_story(
                "paid, and the refund fails later",
                [paid, ("refund.created", refund()), ("refund.updated", bounced)],
                truth,
                PaymentStatus.CAPTURED,
                11550,
                refunds_asked=asked,
                refund_truths=(self._refund_truth(bounced),),
                allowed_attention=frozenset({Attention.REFUND_FAILED}),
            ),
        )

    def _held(self) -> dict[str, Any]:
        return direct("APPROVED", processing_fee=None)

    def _part(self) -> dict[str, Any]:
        return direct(amount_money=money(9000), approved_money=money(9000), total_money=money(9000))

    def _link_story(
        self, name: str, told: Told, truth: Exchange, status: PaymentStatus, captured: int, **more: Any
    ) -> Story:
        return self._story(name, self.run(self.initiate()), told, truth, status, captured, **more)

    def _direct_story(
        self, name: str, told: Told, truth: Exchange, status: PaymentStatus, captured: int, **more: Any
    ) -> Story:
        # The story's own capture mode stays automatic: the platform asks Square for no hold but by a saved card.
        held = self.charge(response=answer({"payment": self._held()}), capture=CaptureMode.MANUAL)
        return self._story(name, self.run(held), told, truth, status, captured, **more)

    def _contradiction(
        self, name: str, told: Mapping[str, Any], attention: Attention, status: PaymentStatus, captured: int
    ) -> Story:
        return self._link_story(
            name,
            [("payment.updated", told)],
            self.fetch_link(order(PAYMENT), told),
            status,
            captured,
            expected_attention=frozenset({attention}),
        )

    def _story(
        self,
        name: str,
        initiated: Report,
        told: Told,
        truth: Exchange,
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
            truth=self.run(truth),
            expected_status=status,
            expected_captured_minor=captured,
            **more,
        )

    def _said(self, kind: str, subject: Mapping[str, Any]) -> Report:
        return self.read(delivery(enveloped(kind, subject)))

    def _refund_truth(self, body: Mapping[str, Any]) -> Report:
        names = RefundNames(reference=REFUND_REFERENCE, gateway_reference=body["id"], payment=self.names(PAYMENT))
        return self.run(
            Exchange(
                operation=Operation.FETCH_REFUND,
                call=lambda g: g.fetch_refund(names),
                answer=answer({"refund": body}),
            )
        )


def _with_signature(good: WebhookDelivery, text: str) -> WebhookDelivery:
    return replace(good, headers={**good.headers, "x-square-hmacsha256-signature": text})


def _with_amount(subject: Mapping[str, Any], amount: Money) -> dict[str, Any]:
    wire = money(amount.minor, amount.asset)
    changed = {name: wire for name in ("amount_money", "approved_money", "total_money") if name in subject}
    return {**subject, **changed, "processing_fee": []}


EVENTS: Mapping[Event, Callable[[], tuple[str, dict[str, Any]]]] = {
    Event.PENDING: lambda: ("payment.created", direct("PENDING", processing_fee=None)),
    Event.AUTHORIZED: lambda: ("payment.created", direct("APPROVED", processing_fee=None)),
    Event.PAID: lambda: ("payment.updated", direct()),
    Event.FAILED: lambda: ("payment.updated", failed()),  # the case gives it our reference: a direct one
    Event.VOIDED: lambda: ("payment.updated", direct("CANCELED", processing_fee=None)),
    Event.EXPIRED: lambda: ("payment.updated", direct("CANCELED", **LAPSED)),
    Event.REFUND_PENDING: lambda: ("refund.created", refund()),
    Event.REFUND_SUCCEEDED: lambda: ("refund.updated", refund("COMPLETED")),
    Event.REFUND_FAILED: lambda: ("refund.updated", refund("REJECTED")),
    Event.UNKNOWN: lambda: ("loyalty.account.created", {"id": "lOyDocExample1"}),
}

CASE = SquareCase()
