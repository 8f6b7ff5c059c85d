"""What anybody needs to test a gateway without a network, and what a gateway tells the contract suite about itself.

Free of Django and of pytest, so a third party's package can use it: subclass `GatewayCase`, then run
`core.gateways.contract.GatewayContract` over it (docs/adding-a-gateway.md). Scripted answers are literal: what a test
expects is written down by hand, never computed by the code under test.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, urlsplit

from core.clock import Clock
from core.gateways.errors import GatewayError, GatewayUnavailable, OutcomeUnknown
from core.gateways.port import Cache, Gateway
from core.gateways.types import (
    Attention,
    CaptureMode,
    CustomerDetails,
    Mode,
    NotFound,
    Operation,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Report,
    SaveMethodRequest,
    WebhookDelivery,
)
from core.http import Http, HttpRequest, HttpResponse
from core.money import Money

Answer = HttpResponse | Exception
Answers = Sequence[Answer]
Script = Answers | Mapping[tuple[str, str], Answer | Answers]

NOW: Final = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)

WRITES: Final = frozenset({
    Operation.INITIATE, Operation.CAPTURE, Operation.VOID, Operation.CLOSE, Operation.REFUND,
    Operation.SAVE_METHOD, Operation.CHARGE_SAVED, Operation.DELETE_SAVED, Operation.PAY_OUT,
})  # fmt: skip


def answer(
    value: Any = None,
    *,
    status: int = 200,
    text: str | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """One HTTP answer: `value` as JSON, or `text` exactly as it stands."""
    body = json.dumps(value) if text is None else text
    kind = "application/json" if text is None else "text/plain"
    lowered = {name.lower(): one for name, one in (headers or {}).items()}
    return HttpResponse(
        status=status,
        headers={"content-type": kind, **lowered},
        body=body if isinstance(body, bytes) else body.encode(),
    )


class FakeHttp:
    """An `Http` that answers from a script and keeps what was sent.

    A sequence is used up in order. A mapping answers by (method, path): one answer, or several in order of which the
    last is repeated. A request that the script does not know is a failed assertion, naming method and path.
    """

    def __init__(self, answers: Script = ()) -> None:
        self.sent: list[HttpRequest] = []
        self._by_path: dict[tuple[str, str], list[Answer]] | None = None
        self._queue: list[Answer] = []
        if isinstance(answers, Mapping):
            self._by_path = {
                key: [value] if isinstance(value, (HttpResponse, Exception)) else list(value)
                for key, value in answers.items()
            }
        else:
            self._queue = list(answers)

    def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        found = self._next(request)
        if isinstance(found, Exception):
            raise found
        return found

    def browser_url(self, url: str) -> str:
        return url

    def _next(self, request: HttpRequest) -> Answer:
        path = urlsplit(request.url).path
        queue = self._queue if self._by_path is None else self._by_path.get((request.method.upper(), path), [])
        if not queue:
            raise AssertionError(f"the script has no answer for {request.method} {path} (request {len(self.sent)})")
        return queue[0] if self._by_path is not None and len(queue) == 1 else queue.pop(0)


class MemoryCache:
    """A `Cache` that forgets nothing; `seconds` remembers for how long each value was asked to be kept."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.seconds: dict[str, int] = {}

    def get(self, name: str) -> str | None:
        return self.values.get(name)

    def set(self, name: str, value: str, *, seconds: int) -> None:
        self.values[name], self.seconds[name] = value, seconds

    def delete(self, name: str) -> None:
        self.values.pop(name, None)


def fixed_clock(moment: datetime = NOW) -> Clock:
    """A clock that always says `moment` (aware)."""
    if moment.tzinfo is None:
        raise ValueError("the clock needs an aware datetime")
    return lambda: moment


def wire_fields(request: HttpRequest) -> dict[str, str]:
    """The fields of a form or JSON body, flat, with bracket names: `line_items[0][quantity]` -> `1`.

    Numbers keep the text in which they were written.
    """
    text = request.body.decode()
    if text[:1] in "{[" and text:
        flat: dict[str, str] = {}
        _flatten("", json.loads(text, parse_float=str, parse_int=str), flat)
        return flat
    return dict(parse_qsl(text, keep_blank_values=True))


def _flatten(name: str, value: Any, into: dict[str, str]) -> None:
    if isinstance(value, Mapping):
        for key, one in value.items():
            _flatten(f"{name}[{key}]" if name else str(key), one, into)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            _flatten(f"{name}[{number}]", one, into)
    else:
        into[name] = value if isinstance(value, str) else json.dumps(value)


class Event(StrEnum):
    """What a case can make a signed webhook of. `UNKNOWN` is an event type that nobody has seen."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    AUTHORIZED = "authorized"
    PAID = "paid"
    FAILED = "failed"
    VOIDED = "voided"
    EXPIRED = "expired"
    REFUND_PENDING = "refund_pending"
    REFUND_SUCCEEDED = "refund_succeeded"
    REFUND_FAILED = "refund_failed"
    UNKNOWN = "unknown"


class Trouble(StrEnum):
    """How an exchange can go wrong on the wire."""

    NOT_SENT = "not_sent"
    NO_ANSWER = "no_answer"
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    SERVER_ERROR_PAGE = "server_error_page"
    HTML_PAGE = "html_page"
    TRUNCATED = "truncated"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One call of a gateway, what is answered on the way (tokens, estimates), and the answer that decides.

    `call` takes the open gateway and must send the same request whenever it is called. `is_local`: nothing is sent (the
    answer is a form that the browser posts), so it cannot fail on the wire, and no name of theirs is known yet.
    """

    operation: Operation
    call: Callable[[Any], Report | NotFound]
    answer: HttpResponse
    before: Answers = ()
    after: Answers = ()
    is_local: bool = False

    @property
    def is_write(self) -> bool:
        return self.operation in WRITES

    def answers(self) -> list[Answer]:
        return [*self.before, self.answer, *self.after]

    def __str__(self) -> str:
        return self.operation.value


@dataclass(frozen=True, slots=True, kw_only=True)
class AmountSample:
    """`sent` is the literal text that the body of the create must hold for `amount`; `paid` fetches it as captured."""

    amount: Money
    sent: str
    paid: Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Facts about one payment that can (story) or cannot (contradiction) all be true, read from real deliveries.

    `facts` stand in the order in which they happen; the platform's suite applies every order of them, each twice, and
    answers each fetch it queues with `truth` (refunds: with the one of `refund_truths` that has the same reference).
    `initiated` is the direct answer of the create and always comes first. `capture_asked`, `void_asked` and
    `refunds_asked` (our reference -> amount) are what we ourselves asked for on the way.
    """

    name: str
    amount: Money
    reference: str
    initiated: Report
    facts: tuple[Report, ...]
    truth: Report
    expected_status: PaymentStatus
    expected_captured_minor: int
    expected_refunded_minor: int = 0
    capture: CaptureMode = CaptureMode.AUTOMATIC
    capture_asked: Money | None = None
    void_asked: bool = False
    refunds_asked: Mapping[str, Money] = field(default_factory=dict)
    refund_truths: tuple[Report, ...] = ()
    allowed_attention: frozenset[Attention] = frozenset()
    expected_attention: frozenset[Attention] = frozenset()  # contradictions only: all of these must be set in the end


class GatewayCase(ABC):
    """What one gateway gives the contract suite.

    A check that cannot hold for this gateway is named in `lacks` with the reason; `missing_exponents` likewise names
    decimals (0, 2, 3) in which this gateway takes no asset.
    """

    slug: ClassVar[str]
    gateway_class: ClassVar[type[Gateway]]
    lacks: ClassVar[Mapping[str, str]] = {}
    missing_exponents: ClassVar[Mapping[int, str]] = {}
    reference: ClassVar[str] = "PAY_20261120183005_1a2b3c4d_1"
    default_amount: ClassVar[Money] = Money(1299, "EUR")
    secret_field: ClassVar[str] = "webhook_secret"  # the credential that signs webhooks
    signature_header: ClassVar[str]
    now: ClassVar[datetime] = NOW
    tolerance_seconds: ClassVar[int | None] = None  # of a signed time, both directions; None: the gateway signs no time
    other_currency: ClassVar[str | None] = None  # of as many decimals as the default's; None: any that is declared

    # --- opening -----------------------------------------------------------------------------------------------

    @abstractmethod
    def credentials(self, mode: Mode) -> dict[str, Any]:
        """A full, well-shaped set of invented credentials, the webhook secret included."""

    def open(
        self,
        http: Http | None = None,
        *,
        mode: Mode = Mode.TEST,
        clock: Clock | None = None,
        cache: Cache | None = None,
        credentials: Mapping[str, Any] | None = None,
    ) -> Any:
        """The gateway over a fake transport (which answers nothing unless given)."""
        return self.gateway_class(
            self.credentials(mode) if credentials is None else credentials,
            mode=mode,
            http=http or FakeHttp(),
            cache=cache or MemoryCache(),
            clock=clock or fixed_clock(self.now),
        )

    def payment_request(self, amount: Money | None = None, **changes: Any) -> PaymentRequest:
        request = PaymentRequest(
            reference=self.reference,
            amount=amount or self.default_amount,
            idempotency_key="11111111-2222-4333-8444-555555555555:create",
            webhook_url="https://pay.example.com/payments/webhook/x/token",
            return_url="https://pay.example.com/p/abc/return",
            cancel_url="https://pay.example.com/p/abc/cancel",
            description="Order 42",
            customer=CustomerDetails(id="cus-1", name="Ada Example", email="ada@example.com", phone="+15555550100"),
        )
        return replace(request, **changes)

    def save_method_request(self, **changes: Any) -> SaveMethodRequest:
        request = SaveMethodRequest(
            reference=self.reference,
            idempotency_key="11111111-2222-4333-8444-555555555555:save",
            currency=self.default_amount.asset,
            webhook_url="https://pay.example.com/payments/webhook/x/token",
            return_url="https://pay.example.com/p/abc/return",
            customer=CustomerDetails(id="cus-1", name="Ada Example", email="ada@example.com", phone="+15555550100"),
        )
        return replace(request, **changes)

    # --- exchanges ---------------------------------------------------------------------------------------------

    @abstractmethod
    def initiate(self, request: PaymentRequest | None = None) -> Exchange:
        """A create that works. The answer must be right for `request` (default: `payment_request()`)."""

    @abstractmethod
    def exchanges(self) -> Sequence[Exchange]:
        """Every operation of this gateway once, with answers that make it succeed: initiate, fetch_payment, ..."""

    @abstractmethod
    def amounts(self) -> Sequence[AmountSample]:
        """At least one sample each of an asset with 0, 2 and 3 decimals, all literal."""

    @abstractmethod
    def unseen_status(self) -> Exchange:
        """A fetch whose answer carries a status word that nobody has seen."""

    @abstractmethod
    def not_found(self) -> Exchange:
        """A fetch by a known gateway reference that the gateway does not know."""

    @abstractmethod
    def decline(self) -> tuple[Exchange, str]:
        """A call that the gateway answers with a decline, and our code for it."""

    @abstractmethod
    def working_credentials(self) -> Answers:
        """Answers of `check_credentials` with good credentials."""

    @abstractmethod
    def refused_credentials(self) -> Answers:
        """Answers of `check_credentials` with bad ones."""

    def expected_error(self, exchange: Exchange, trouble: Trouble) -> type[GatewayError]:
        """What must be raised. Override where the gateway's page says otherwise, naming the place."""
        if trouble in {Trouble.NOT_SENT, Trouble.RATE_LIMITED}:
            return GatewayUnavailable
        return OutcomeUnknown if exchange.is_write else GatewayUnavailable

    def rate_limit_answer(self) -> HttpResponse:
        return answer({"message": "too many requests"}, status=429, headers={"Retry-After": "7"})

    def expired_token(self) -> tuple[MemoryCache, Exchange] | str:
        """A cache that holds a token, and a call whose answers refuse that one, hand out a new one, then succeed; or why
        there is none. `answer` is the one that decides."""
        return "it keeps no short-lived token: every request carries the account's own key"

    def close_that_met_money(self) -> Exchange | str:
        """A close whose order was paid (`default_amount`) a moment before; or why no order is ever closed."""
        return "it has no call that ends an unpaid order"

    def idempotency_key_of(self, request: HttpRequest) -> str | None:
        """The key that a write carries; None on gateways that have none (then say so in `lacks`)."""
        return request.headers.get("Idempotency-Key")

    def comparable(self, request: HttpRequest) -> tuple[Any, ...]:
        """What must not change when a request is repeated. Override where a time or nonce is part of every request."""
        return request.method, request.url, sorted(request.headers.items()), request.body

    def wire_limits(self) -> Mapping[str, int]:
        """Longest text that the gateway takes in a field of the create body, by flat name (`metadata[payment_id]`)."""
        return {}

    # --- webhooks ----------------------------------------------------------------------------------------------

    events: ClassVar[frozenset[Event]] = frozenset({Event.PAID, Event.UNKNOWN})

    @abstractmethod
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
        """A delivery as the gateway sends it now (`self.now`), signed with the secret of `credentials(mode)`."""

    @abstractmethod
    def resigned(self, delivery: WebhookDelivery, secret: str) -> WebhookDelivery:
        """The same delivery, signed with `secret`."""

    def resigned_at(self, delivery: WebhookDelivery, secret: str, at: datetime) -> WebhookDelivery:
        """The same delivery, signed with `secret` at another time. Override where the time is signed."""
        return self.resigned(delivery, secret)

    def refund_reference_of(self, number: int) -> str:
        """Our references of a payment's refunds, as they stand in a delivery."""
        return f"REF_20261120190000_5e6f7a8{number}"

    def foreign_account(self) -> tuple[Mapping[str, Any], WebhookDelivery] | str:
        """Our credentials and a delivery of another account under our secret; or why nobody could tell it."""
        return "its deliveries name no account beside the one whose secret signs them"

    def unsigned(self, delivery: WebhookDelivery) -> WebhookDelivery:
        kept = {name: value for name, value in delivery.headers.items() if name != self.signature_header}
        return replace(delivery, headers=kept)

    def with_signature(self, delivery: WebhookDelivery, value: str) -> WebhookDelivery:
        """The same delivery under another signature. Override where it does not stand in a header."""
        return replace(delivery, headers={**delivery.headers, self.signature_header: value})

    def tampered(self, delivery: WebhookDelivery) -> WebhookDelivery:
        """Another body under the old signature."""
        body = delivery.body
        return replace(delivery, body=body.replace(b'"', b'"x', 1) if b'"' in body else b"x" + body)

    def forgeries(self) -> Sequence[tuple[str, WebhookDelivery]]:
        """More deliveries that must be refused, each with a name: what this gateway's page warns of."""
        return ()

    def other_secret(self) -> str:
        """Another secret of the right shape, for "wrong" and "previous"."""
        return "another-secret-0123456789"

    # --- whole payments ----------------------------------------------------------------------------------------

    @abstractmethod
    def stories(self) -> Sequence[Story]:
        """Possible payments: between them every status, every kind of capture, refunds, late news."""

    @abstractmethod
    def contradictions(self) -> Sequence[Story]:
        """Facts that cannot all be true, with the attention that must be set."""

    # --- for writing cases -------------------------------------------------------------------------------------

    def read(self, delivery: WebhookDelivery, *, mode: Mode = Mode.TEST) -> Report:
        """The one report of a delivery."""
        (report,) = self.open(mode=mode).read_webhook(delivery).reports
        assert isinstance(report, Report)
        return report

    def run(self, exchange: Exchange, *, mode: Mode = Mode.TEST) -> Report:
        """The report that an exchange ends with."""
        found = exchange.call(self.open(FakeHttp(exchange.answers()), mode=mode))
        assert isinstance(found, Report)
        return found

    def names(self, gateway_reference: str | None = None, **changes: Any) -> PaymentNames:
        known = PaymentNames(
            reference=self.reference,
            gateway_reference=gateway_reference,
            amount=self.default_amount,
            created_at=self.now,
            acknowledged=gateway_reference is not None,
        )
        return replace(known, **changes)
