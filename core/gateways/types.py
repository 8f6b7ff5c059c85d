"""What goes into a gateway and what comes out of it: frozen values, no Django, no dicts of options.

Amounts are minor units (`core.money`), times are aware UTC datetimes, absent means that nobody said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from core.gateways.redaction import mask_card_numbers
from core.money import Money


class Mode(StrEnum):
    TEST = "test"
    LIVE = "live"


class Subject(StrEnum):
    """What a report is about."""

    PAYMENT = "payment"
    REFUND = "refund"
    DISPUTE = "dispute"
    PAYOUT = "payout"
    METHOD = "method"  # a saved method, made without a payment


class PaymentStatus(StrEnum):
    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOIDED = "voided"
    FAILED = "failed"
    EXPIRED = "expired"


class RefundStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DisputeStatus(StrEnum):
    NEEDS_RESPONSE = "needs_response"
    UNDER_REVIEW = "under_review"
    WON = "won"
    LOST = "lost"
    CLOSED = "closed"


class PayoutStatus(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class MethodStatus(StrEnum):
    """Of a saved method."""

    PENDING = "pending"
    ACTIVE = "active"
    FAILED = "failed"
    DELETED = "deleted"  # at the gateway, by its dashboard or the customer


class Attention(StrEnum):
    """Why a person must look. The order is the order of gravity: the first is the gravest."""

    DUPLICATE_PAID = "duplicate_paid"
    GATEWAY_DISAGREES = "gateway_disagrees"
    MISMATCH = "mismatch"
    CONFLICT = "conflict"
    OVERPAID = "overpaid"
    UNDERPAID = "underpaid"
    PAID_LATE = "paid_late"
    UNKNOWN_OUTCOME = "unknown_outcome"
    REFUND_UNEXPECTED = "refund_unexpected"
    REFUND_FAILED = "refund_failed"
    DISPUTED = "disputed"
    FRAUD_REVIEW = "fraud_review"
    FRAUD_WARNING = "fraud_warning"


class FraudStatus(StrEnum):
    UNKNOWN = "unknown"
    ACCEPT = "accept"
    REVIEW = "review"
    REJECT = "reject"


class Operation(StrEnum):
    """One kind of exchange with a gateway."""

    INITIATE = "initiate"
    FETCH_PAYMENT = "fetch_payment"
    CAPTURE = "capture"
    VOID = "void"
    CLOSE = "close"
    REFUND = "refund"
    FETCH_REFUND = "fetch_refund"
    SAVE_METHOD = "save_method"
    CHARGE_SAVED = "charge_saved"
    DELETE_SAVED = "delete_saved"
    PAY_OUT = "pay_out"
    FETCH_PAYOUT = "fetch_payout"
    FETCH_DISPUTE = "fetch_dispute"
    CHECK_CREDENTIALS = "check_credentials"


class CaptureMode(StrEnum):
    AUTOMATIC = "automatic"
    MANUAL = "manual"


class Presentation(StrEnum):
    """Where the customer pays: on the gateway's own page, or in a form embedded in the lab's page."""

    HOSTED = "hosted"
    EMBEDDED = "embedded"


# --- next action: what the customer has to do; `type` is the API's word -------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    url: str
    type: str = field(default="redirect", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPost:
    """The browser posts `fields` to `url`."""

    url: str
    fields: Mapping[str, str]
    type: str = field(default="form_post", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowAddress:
    """Show the address, its network and memo with equal weight, and the exact amount.

    `amount_minor` is in minor units of the coin `asset`, None while nobody knows its decimals; `amount_text` is what
    the customer copies ("49.912345"), always exact. `uri` is what a QR code holds.
    """

    address: str
    asset: str
    network: str
    amount_minor: int | None
    amount_text: str
    memo: str | None = None
    expires_at: datetime | None = None
    uri: str | None = None
    type: str = field(default="show_address", init=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientToken:
    """For the gateway's own browser script. `token` is for this buyer's browser only: never log it or put it in a URL."""

    token: str = field(repr=False)
    public_key: str | None = None
    script_url: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    type: str = field(default="client_token", init=False)


NextAction = Redirect | FormPost | ShowAddress | ClientToken


# --- facts beside the money ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """How it was paid. Never a card number: `last_four` is all that is kept."""

    kind: str  # card, upi, netbanking, wallet, bank_transfer, crypto, ...
    brand: str | None = None
    last_four: str | None = None
    expiry_month: int | None = None
    expiry_year: int | None = None
    handle: str | None = None  # UPI address, masked e-mail of a wallet
    network: str | None = None
    wallet: str | None = None  # apple_pay, google_pay


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedMethod:
    """A method that the gateway keeps for later charges. `token` and `customer_token` are secrets of the lab.

    `extra_token` is a second value that some gateways want beside the token (the transaction that made it).
    """

    token: str = field(repr=False)
    customer_token: str | None = field(default=None, repr=False)
    extra_token: str | None = field(default=None, repr=False)
    method: Method | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoinFacts:
    """What a crypto payment asked for and what arrived, in minor units of `code`; None while decimals are unknown."""

    code: str  # upper case, network included: USDTTRC20
    network: str | None = None
    decimals: int | None = None
    amount_minor: int | None = None
    amount_text: str | None = None
    arrived_minor: int | None = None
    arrived_text: str | None = None
    address: str | None = None
    memo: str | None = None
    transaction_hash: str | None = None
    explorer_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fraud:
    status: FraudStatus
    message: str | None = None

    def __post_init__(self) -> None:
        _mask_texts(self, "message")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """`code` is one of ours, `gateway_code` and `message` are theirs."""

    code: str
    gateway_code: str | None = None
    message: str | None = None

    def __post_init__(self) -> None:
        _mask_texts(self, "gateway_code", "message")


def _mask_texts(told: object, *names: str) -> None:
    """Free text of a gateway is kept and shown: no card number gets further than this, whoever wrote the package."""
    for name in names:
        text = getattr(told, name)
        if isinstance(text, str):
            object.__setattr__(told, name, mask_card_numbers(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentNames:
    """All names under which a gateway may know a payment, as far as we know them.

    `reference` is ours as the try gave it; `amount` what was asked; `created_at` bounds a search for a lost answer.
    `acknowledged` tells that the gateway once confirmed the payment, so "not found" would be strange. `captured` is what
    was taken as far as we know, or asked for by a capture: some gateways go on to show the whole hold.
    """

    reference: str | None = None
    gateway_reference: str | None = None
    other_references: tuple[str, ...] = ()
    amount: Money | None = None
    captured: Money | None = None
    created_at: datetime | None = None
    acknowledged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One thing that a gateway says. Absent (None, empty) means that it did not say.

    Money facts are cumulative and in minor units of `asset`; on a refund, `refunded_minor` is that refund's own amount.
    """

    about: Subject
    status: PaymentStatus | RefundStatus | DisputeStatus | PayoutStatus | MethodStatus | None
    reference: str | None
    gateway_reference: str | None
    other_references: tuple[str, ...] = ()
    payment: PaymentNames | None = None
    account: str | None = None
    mode: Mode | None = None
    asset: str | None = None
    authorized_minor: int | None = None
    captured_minor: int | None = None
    refunded_minor: int | None = None
    amount_minor: int | None = None
    fee_minor: int | None = None
    occurred_at: datetime | None = None
    is_hint: bool = False
    next_action: NextAction | None = None
    method: Method | None = None
    coin: CoinFacts | None = None
    fraud: Fraud | None = None
    decline: Decline | None = None
    attention: Attention | None = None
    withdrawn_minor: int | None = None  # of a dispute: what the gateway holds back from us now, cumulative
    respond_by: datetime | None = None  # of a dispute: when evidence is due
    dispute_reason: str | None = None
    saved: SavedMethod | None = None
    raw: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """The gateway says that it does not know these names (which may only mean: not yet)."""

    reason: str = "the gateway does not know this payment"
    is_refusal: bool = False  # told by an error of its own under any HTTP status, not by an empty list


# --- requests -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDetails:
    id: str | None = None
    name: str | None = None
    email: str | None = field(default=None, repr=False)
    phone: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingDetails:
    name: str | None = None
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None  # ISO 3166-1 alpha-2


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRequest:
    """One try to be paid. `reference` already fits the gateway's rule and was never used before."""

    reference: str
    amount: Money
    idempotency_key: str
    webhook_url: str
    return_url: str  # ours: the pay page, which then sends the customer on to the lab
    cancel_url: str | None = None
    description: str | None = None
    customer: CustomerDetails | None = None
    billing: BillingDetails | None = None
    capture: CaptureMode = CaptureMode.AUTOMATIC
    presentation: Presentation = Presentation.HOSTED
    pay_currency: str | None = None  # coin the customer chose, any case
    customer_ip: str | None = field(default=None, repr=False)
    created_at: datetime | None = None  # when the order was made: what is derived from it is the same in a repeat
    expires_at: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    save_method: bool = False  # the customer consented to later charges
    customer_token: str | None = field(default=None, repr=False)  # the gateway's name of this customer, if it has one


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRequest:
    names: PaymentNames
    amount: Money
    idempotency_key: str
    reference: str | None = None  # ours for this operation, where a gateway wants one


@dataclass(frozen=True, slots=True, kw_only=True)
class VoidRequest:
    names: PaymentNames
    idempotency_key: str
    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRequest:
    """End an order that nobody paid in time."""

    names: PaymentNames
    idempotency_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    names: PaymentNames  # of the payment
    reference: str  # ours for this refund, unique for ever
    amount: Money
    idempotency_key: str
    webhook_url: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundNames:
    reference: str
    gateway_reference: str | None = None
    payment: PaymentNames = field(default_factory=PaymentNames)
    amount: Money | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveMethodRequest:
    """Save a method without a payment. `reference` is ours and was never used before."""

    reference: str
    idempotency_key: str
    currency: str
    webhook_url: str
    return_url: str
    customer: CustomerDetails | None = None
    customer_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodNames:
    """Which saving of a method is asked about. `gateway_reference` is what its beginning was called, if that was heard."""

    reference: str
    gateway_reference: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeRequest:
    """Charge a saved method while the customer is away."""

    payment: PaymentRequest
    saved: SavedMethod


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSavedRequest:
    saved: SavedMethod
    idempotency_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeNames:
    """`gateway_reference` None: not known, the one that the payment's own report spoke of (attention `disputed`)."""

    gateway_reference: str | None = None
    payment: PaymentNames = field(default_factory=PaymentNames)


# --- webhooks -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery:
    """One delivery exactly as received. `headers` have lower-case names; `url` is what the gateway called."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReply:
    """What that gateway wants to hear."""

    status: int = 200
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookReading:
    """A delivery that was proven to come from the gateway, and what it says.

    `event_key` dedupes: the event id inside the authenticated bytes, else the SHA-256 (hex) of those bytes.
    `note` says for staff why a verified delivery carries no report (unknown event type, unreadable body).
    """

    event_key: str
    event_type: str = ""
    reports: tuple[Report, ...] = ()
    reply: WebhookReply = field(default_factory=WebhookReply)
    note: str | None = None
    attention: Attention | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnReading:
    """A browser return. `verified` is None where the gateway does not sign it. Its reports only say what to fetch."""

    reports: tuple[Report, ...]
    verified: bool | None = None


# --- description --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialField:
    """One field of a gateway account. The admin form, masking, checks and docs are generated from it.

    `patterns` are regular expressions that the whole value must match, per mode (a missing mode accepts anything).
    `usual` is one that every value seen so far matches, where that is not certain enough to refuse another: it only tells
    that two fields were swapped, when the other field's value has this shape and this field's value has not.
    `rotates`: the previous values are still accepted in webhooks for a while and reach the gateway as
    `previous_<name>s` (a list).
    """

    name: str
    label: str
    help: str = ""
    is_secret: bool = False
    is_required: bool = True
    example: str = ""
    patterns: Mapping[Mode, str] = field(default_factory=dict)
    pattern_help: str = ""
    usual: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    default: str = ""
    min_length: int = 1
    rotates: bool = False
    is_multiline: bool = False
    is_filled_by_platform: bool = False  # our own webhook URL, which Square signs


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceRule:
    """What a gateway accepts as our reference. `alphabet` is the set of characters, `max_length` counts them."""

    max_length: int
    alphabet: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PollStep:
    """While the payment is younger than `until_age_seconds` (None: for ever), fetch every `every_seconds`."""

    until_age_seconds: int | None
    every_seconds: int


class WebhookProof(StrEnum):
    STRONG = "strong"
    WEAK = "weak"


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What a gateway says about itself. Services, API, admin, pay page and docs read this and nothing else."""

    label: str
    website: str
    regions: tuple[str, ...]
    methods: tuple[str, ...]
    currencies: frozenset[str]  # assets a payment may be priced in
    minimums: Mapping[str, int] = field(default_factory=dict)  # minor units, as far as published
    maximums: Mapping[str, int] = field(default_factory=dict)
    reference: ReferenceRule
    credentials: tuple[CredentialField, ...]
    origins: Mapping[Mode, tuple[str, ...]]  # scheme://host that may be called or shown; nothing else is
    webhook_events: tuple[str, ...] = ()
    webhook_proof: WebhookProof = WebhookProof.STRONG
    webhook_content_types: tuple[str, ...] = ("application/json",)
    webhook_setup: str = ""  # what the lab does in the gateway's dashboard, in one or two sentences
    polling: tuple[PollStep, ...] = ()  # how often an open payment is fetched although nobody asks
    rereads_after_seconds: tuple[int, ...] = ()  # fetch once more after the end (late money), seconds after it
    abandons_unanswered: bool = (
        False  # an order whose answer was lost can be paid by nobody (a redirect never received)
    )
    default_expiry_seconds: int | None = None  # how long an order stays payable when nobody says otherwise
    # A charge of a saved method that the bank declined with `authentication_required` can be finished by the customer in
    # the browser: same order, by the next action of the answer.
    resumes_declined_charges: bool = False
    refunds_take_days: bool = False  # a person at the gateway files them: pending for days is how it should be
    idempotency_seconds: int | None = None  # how long the gateway remembers an idempotency key; None: it has none
    presentations: tuple[Presentation, ...] = (Presentation.HOSTED,)
    manual_capture: bool = False
    is_crypto: bool = False
    coins: tuple[str, ...] = ()  # pay currencies offered where the account cannot tell
    example_reference: str = (
        ""  # a payment's name of theirs, by its looks; `explain` asks with it where a line names none
    )
    test_recipe: str = ""
    documentation_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialCheck:
    """Answer of "test connection". `message` is one sentence for the lab's front desk; details are shown beside it."""

    ok: bool
    message: str
    mode: Mode | None = None
    account: str | None = None
    details: Mapping[str, str] = field(default_factory=dict)
