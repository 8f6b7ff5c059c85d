"""A lab as its own program sees it: calls of the API, deliveries of its gateway, and the wire between us and the gateway.

The real gateway packages run over a scripted transport. Objects of the wire are written here by hand, so that a test
says what Stripe or NOWPayments said and never computes it with the code under test.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from django.db import connection
from django.test import Client

from core import clock
from core.gateways.testing import Answer, FakeHttp, Script, answer
from core.gateways.types import Mode
from core.http import HttpRequest, HttpResponse
from core.models import Lab
from core.money import Money
from payments.models import Payment, PaymentGatewayKey, Refund, WebhookEvent
from payments.services import keys
from tests.payments import builders

_numbers = itertools.count(1)
TABLES = (
    "payments_payment", "payments_paymenttransition", "payments_gatewayreference", "payments_refund",
    "payments_paymentgatewaytransaction", "payments_webhookevent", "core_idempotencykey", "core_customer",
    "core_outboxevent", "finance_account", "finance_transaction", "finance_entry",
)  # fmt: skip


class Wire(FakeHttp):
    """The network of every gateway. A request that no test expected fails the test, also where our code survives it."""

    def __init__(self) -> None:
        super().__init__()
        self.unexpected: list[str] = []
        self.meanwhile: Callable[[HttpRequest], None] | None = None

    def script(self, *answers: Answer) -> Wire:
        """What is answered from now on, in this order. Forgets what was sent."""
        self._by_path, self._queue = None, list(answers)
        self.sent.clear()
        return self

    def routes(self, answers: Script) -> Wire:
        """What is answered from now on, by method and path."""
        fresh = FakeHttp(answers)
        self._by_path, self._queue = fresh._by_path, fresh._queue
        self.sent.clear()
        return self

    def send(self, request: HttpRequest) -> HttpResponse:
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile(request)
        try:
            return super().send(request)
        except AssertionError as error:
            self.unexpected.append(str(error))
            raise

    @property
    def unanswered(self) -> int:
        """Scripted answers that nobody asked for."""
        return len(self._queue)

    def keys(self) -> list[str | None]:
        """The idempotency key of every request that was sent."""
        return [request.headers.get("Idempotency-Key") for request in self.sent]

    def calls(self) -> list[str]:
        return [f"{request.method} /{request.url.split('/', 3)[3].split('?')[0]}" for request in self.sent]


class Shop:
    """A lab with one gateway key, an API key with all scopes, and its gateway's voice."""

    def __init__(
        self, wire: Wire, *, lab: Lab | None = None, gateway: str = "stripe", mode: Mode = Mode.LIVE, **values: Any
    ) -> None:
        self.wire = wire
        self.lab = lab or builders.make_lab()
        self.mode = mode
        self.gateway = gateway
        self.key: PaymentGatewayKey = builders.make_gateway_key(self.lab, gateway, mode, **values)
        self.token = builders.make_api_key(self.lab, mode)
        self.client = Client(raise_request_exception=False)

    # --- the lab's calls ---------------------------------------------------------------------------------------------

    def post(self, path: str, body: Any, *, key: str | None = "", token: str | None = None, **options: Any) -> Any:
        """POST `body` (a value, or JSON text as it stands). `key` "": a new Idempotency-Key; None: none."""
        headers = {"Authorization": f"Bearer {token or self.token}", **options.pop("headers", {})}
        if key is not None:
            headers["Idempotency-Key"] = key or f"key-{next(_numbers)}"
        text = body if isinstance(body, (str, bytes)) else json.dumps(body)
        content_type = options.pop("content_type", "application/json")
        return self.client.generic("POST", path, data=text, content_type=content_type, headers=headers, **options)

    def get(self, path: str, *, token: str | None = None) -> Any:
        return self.client.get(path, headers={"Authorization": f"Bearer {token or self.token}"})

    def order(self, **changes: Any) -> dict[str, Any]:
        """The body of an initiate: 12.99 EUR. A field given as None is left out."""
        body = {"amount": 1299, "currency": "EUR", **changes}
        return {name: value for name, value in body.items() if value is not None}

    def initiate(self, *answers: Answer, key: str | None = "", **changes: Any) -> Any:
        """POST /payments/initiate; without answers the gateway opens a session."""
        self.wire.script(*(answers or (answer(session()),)))
        return self.post("/payments/initiate", self.order(**changes), key=key)

    def status(self, payment: Mapping[str, Any], **options: Any) -> Any:
        return self.get(f"/payments/status/{payment['id']}", **options)

    def refund(self, payment: Mapping[str, Any], *answers: Answer, key: str | None = "", **changes: Any) -> Any:
        self.wire.script(*answers)
        return self.post("/payments/refund", {"payment": payment["id"], **changes}, key=key)

    def capture(self, payment: Mapping[str, Any], *answers: Answer, key: str | None = "", **changes: Any) -> Any:
        self.wire.script(*answers)
        return self.post(f"/v1/payments/{payment['id']}/capture", changes, key=key)

    def void(self, payment: Mapping[str, Any], *answers: Answer, key: str | None = "") -> Any:
        self.wire.script(*answers)
        return self.post(f"/v1/payments/{payment['id']}/void", {}, key=key)

    # --- whole payments ----------------------------------------------------------------------------------------------

    def open_payment(self, **changes: Any) -> dict[str, Any]:
        """A payment whose customer has not paid yet."""
        return made(self.initiate(**changes))

    def captured_payment(self, **changes: Any) -> dict[str, Any]:
        """A payment that its webhook told to be paid."""
        payment = self.open_payment(**changes)
        assert self.tell(payment, "payment_intent.succeeded", paid(payment)).status_code == 200
        return payment

    def held_payment(self, **changes: Any) -> dict[str, Any]:
        payment = self.open_payment(capture="manual", **changes)
        assert self.tell(payment, "payment_intent.amount_capturable_updated", held(payment)).status_code == 200
        return payment

    # --- the gateway's deliveries ------------------------------------------------------------------------------------

    @property
    def webhook_path(self) -> str:
        return "/" + keys.key_row_of(self.key).webhook_url().split("/", 3)[3]

    def tell(self, payment: Mapping[str, Any], kind: str, about: Mapping[str, Any], **changes: Any) -> Any:
        """Stripe delivers an event about one of its objects."""
        return self.deliver(event(kind, about, live=self.mode is Mode.LIVE, **changes))

    def deliver(
        self, body: Any, *, path: str | None = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> Any:
        """A delivery with a good signature, unless `headers` say otherwise (None leaves one out)."""
        raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
        given = dict(headers or {})
        if not {"Stripe-Signature", "x-nowpayments-sig"} & given.keys():
            given.update(self.signed(raw))
        kept = {name: value for name, value in given.items() if value is not None}
        content_type = options.pop("content_type", "application/json")
        method = options.pop("method", "POST")
        return self.client.generic(
            method, path or self.webhook_path, data=raw, content_type=content_type, headers=kept, **options
        )

    def signed(self, body: bytes, secret: str | None = None) -> dict[str, str]:
        credentials = builders.CREDENTIALS[self.gateway]
        if self.gateway == "nowpayments":
            text = json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            digest = hmac.new((secret or credentials["ipn_secret"]).encode(), text.encode(), hashlib.sha512)
            return {"x-nowpayments-sig": digest.hexdigest()}
        return {"Stripe-Signature": stripe_signature(body, secret or credentials["webhook_secret"])}


def stripe_signature(body: bytes, secret: str, *, at: int | None = None) -> str:
    stamp = int(clock.now().timestamp()) if at is None else at
    digest = hmac.new(secret.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()
    return f"t={stamp},v1={digest}"


def made(response: Any, status: int = 201) -> dict[str, Any]:
    """The object of an answer that must be a success."""
    assert response.status_code == status, response.content
    found = response.json()
    assert isinstance(found, dict)
    return found


# --- what Stripe says ------------------------------------------------------------------------------------------------


def session(amount: int = 1299, currency: str = "eur", *, live: bool = True, **changes: Any) -> dict[str, Any]:
    """A fresh Checkout Session that waits for the customer."""
    name = f"cs_live_{next(_numbers)}"
    return {
        "id": name, "object": "checkout.session", "mode": "payment", "status": "open", "payment_status": "unpaid",
        "amount_total": amount, "currency": currency, "payment_intent": None, "livemode": live,
        "url": f"https://checkout.stripe.com/c/pay/{name}", **changes,
    }  # fmt: skip


def intent(payment: Mapping[str, Any], status: str = "processing", **changes: Any) -> dict[str, Any]:
    """The intent of a payment's session."""
    return {
        "id": f"pi_{payment['id']}", "object": "payment_intent", "status": status, "amount": payment["amount"],
        "amount_received": 0, "amount_capturable": 0, "currency": payment["currency"].lower(), "latest_charge": None,
        "last_payment_error": None, "livemode": payment["mode"] == "live",
        "metadata": {"payment_id": f"{payment['id']}-1", "shape": "session"}, **changes,
    }  # fmt: skip


def paid(payment: Mapping[str, Any], amount: int | None = None, **changes: Any) -> dict[str, Any]:
    return intent(payment, "succeeded", amount_received=payment["amount"] if amount is None else amount, **changes)


def held(payment: Mapping[str, Any], amount: int | None = None, **changes: Any) -> dict[str, Any]:
    amount = payment["amount"] if amount is None else amount
    return intent(payment, "requires_capture", amount_capturable=amount, **changes)


def complete(payment: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Any]:
    """The session of a payment once its customer confirmed, with its intent inside: what a fetch answers."""
    is_paid = about["status"] == "succeeded"
    return session(
        payment["amount"], payment["currency"].lower(), id=payment["gateway_reference"], status="complete", url=None,
        payment_status="paid" if is_paid else "unpaid", client_reference_id=f"{payment['id']}-1",
        payment_intent=dict(about), live=payment["mode"] == "live",
    )  # fmt: skip


def still_open(payment: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """The session of a payment that nobody paid yet: what a fetch answers."""
    known = {"id": payment["gateway_reference"], "client_reference_id": f"{payment['id']}-1", **changes}
    return session(payment["amount"], payment["currency"].lower(), live=payment["mode"] == "live", **known)


def stripe_refund(
    payment: Mapping[str, Any],
    amount: int,
    status: str = "succeeded",
    *,
    name: str = "",
    ours: str = "",
    **changes: Any,
) -> dict[str, Any]:
    """A refund. `ours` is the reference that we gave it; without it the refund was made at the gateway."""
    metadata = {"payment_id": f"{payment['id']}-1", "refund_id": ours} if ours else {}
    return {
        "id": name or f"re_{next(_numbers)}", "object": "refund", "amount": amount, "status": status,
        "currency": payment["currency"].lower(), "payment_intent": f"pi_{payment['id']}", "charge": None,
        "metadata": metadata, **changes,
    }  # fmt: skip


def event(kind: str, about: Mapping[str, Any], *, live: bool = True, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"evt_{next(_numbers)}", "object": "event", "created": int(clock.now().timestamp()), "livemode": live,
        "type": kind, "data": {"object": dict(about)}, **changes,
    }  # fmt: skip


def stripe_error(status: int, **error: Any) -> HttpResponse:
    return answer({"error": {"type": "invalid_request_error", "message": "refused", **error}}, status=status)


NOTHING_LISTED = answer({"object": "list", "data": [], "has_more": False})
NOTHING_FOUND = answer({"object": "search_result", "data": [], "has_more": False})


def not_known() -> tuple[HttpResponse, ...]:
    """Stripe knows no session and no intent of our reference: what a look-up after a lost create answers."""
    return NOTHING_LISTED, NOTHING_FOUND, NOTHING_LISTED


# --- what NOWPayments says -------------------------------------------------------------------------------------------

COINS = answer({"selectedCurrencies": ["USDTTRC20"]})
ESTIMATE = answer({"currency_from": "usd", "amount_from": 50, "currency_to": "usdttrc20", "estimated_amount": "50"})
MINIMUM = answer({"currency_from": "usdttrc20", "currency_to": "usdttrc20", "min_amount": 2.5})


def coins(word: str = "waiting", *, number: int = 4101567823, arrived: str = "0", **changes: Any) -> dict[str, Any]:
    """A NOWPayments payment of 50.00 USD asked as 50 USDT."""
    return {
        "payment_id": number, "parent_payment_id": None, "invoice_id": None, "payment_status": word,
        "pay_address": "TExampleDepositAddressAAAAAAAAAAAA", "payin_extra_id": None, "price_amount": 50,
        "price_currency": "usd", "pay_amount": 50, "actually_paid": float(arrived) if "." in arrived else int(arrived),
        "pay_currency": "usdttrc20", "order_id": None, "payment_extra_ids": None, "network": "trx", **changes,
    }  # fmt: skip


CRYPTO_ORDER = {"amount": 5000, "currency": "USD", "pay_currency": "usdttrc20"}
PREFLIGHT = (COINS, ESTIMATE, MINIMUM)


# --- looking at what is stored ---------------------------------------------------------------------------------------


def everything() -> dict[str, list[str]]:
    """All rows that an API call or a delivery may write, to see that a refusal changed nothing."""
    found = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT t::text FROM {table} t ORDER BY 1")
            found[table] = [row[0] for row in cursor.fetchall()]
    return found


def stored(payment: Mapping[str, Any]) -> Payment:
    found = Payment.across_labs.get(public_id=payment["id"])
    assert isinstance(found, Payment)
    return found


def stored_refund(refund: Mapping[str, Any]) -> Refund:
    found = Refund.across_labs.get(public_id=refund["id"])
    assert isinstance(found, Refund)
    return found


def state_of(payment: Mapping[str, Any]) -> tuple[str, int, int, int, list[str]]:
    """Status, captured, reserved, refunded, attention."""
    row = stored(payment)
    return row.status, int(row.captured), int(row.refund_reserved), int(row.refunded), list(row.attention)


def history(payment: Mapping[str, Any]) -> list[tuple[str | None, str, str]]:
    """(from, to, cause) of every transition."""
    rows = stored(payment).transitions.order_by("seq")
    return [(row.from_status, row.to_status, row.cause) for row in rows]


def exchanges(payment: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """(operation, outcome, tries) of every gateway transaction."""
    rows = stored(payment).exchanges.order_by("started_at")
    return [(row.operation, row.outcome, row.tries) for row in rows]


def events() -> list[tuple[str, str]]:
    """(event key, state) of the inbox, in order."""
    return [(row.event_key, row.state) for row in WebhookEvent.across_labs.order_by("id")]


def last_event() -> WebhookEvent:
    found = WebhookEvent.across_labs.order_by("id").last()
    assert isinstance(found, WebhookEvent)
    return found


def booked(payment: Mapping[str, Any]) -> list[tuple[str, int]]:
    """(kind, amount) of the entries that a payment brought to its lab's sales or its customer's balance."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT t.kind, -e.amount FROM finance_entry e JOIN finance_transaction t ON t.id = e.transaction_id
                 JOIN finance_account a ON a.id = e.account_id
               WHERE t.payment_id = %s AND a.kind = 'clearing' ORDER BY e.id""",
            [stored(payment).pk],
        )
        return [(kind, int(amount)) for kind, amount in cursor.fetchall()]


def told() -> list[str]:
    """Types of the outgoing events, in order."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT type FROM core_outboxevent ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


def price(amount: int = 1299, currency: str = "EUR") -> Money:
    return Money(amount, currency)
