"""One payment while reports are folded into it: its state, and what has to be written because of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from core.gateways.types import (
    Attention,
    CoinFacts,
    Decline,
    DisputeStatus,
    FraudStatus,
    Method,
    Mode,
    NextAction,
    PaymentNames,
    PaymentStatus,
    RefundStatus,
    Report,
    SavedMethod,
    Subject,
)
from core.money import Money
from payments.states import FINAL, CauseKind


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What has to be known of the gateway key through which a report came."""

    id: int
    lab_id: int
    mode: str
    gateway: str
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Who caused a change: `id` is that of the inbox row or of the gateway transaction.

    `seen_seq` and `seen_claim` are how the payment stood when a fetch began: an answer that was already on its way
    cannot confirm what happened since.
    """

    kind: CauseKind
    id: str
    seen_seq: int | None = None
    seen_claim: str = ""


class MovedKind(StrEnum):
    CAPTURE = "capture"
    FEE = "fee"
    REFUND = "refund"
    REFUND_REVERSAL = "refund_reversal"
    DISPUTE = "dispute"
    DISPUTE_RETURNED = "dispute_returned"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyMoved:
    """A fact for the ledger. `key` makes its source id unique: the cumulative sum, or the refund's public id."""

    kind: MovedKind
    amount: int
    key: str
    gateway_key_id: int  # through which account
    reverses: str = ""  # the key of the fact that this one takes back whole


@dataclass(slots=True, kw_only=True)
class RefundState:
    """One refund. `id` None: external, to be inserted."""

    id: int | None
    public_id: str
    status: RefundStatus
    amount: int
    merchant_reference: str = ""
    reason: str = ""
    sent_reference: str = ""
    gateway_reference: str | None = None
    pending_reason: str = ""
    failure: Decline | None = None
    is_external: bool = False
    wants_fetch: bool = False
    completed_at: datetime | None = None
    unknown_since: datetime | None = None
    check_count: int = 0
    next_check_at: datetime | None = None
    created_at: datetime | None = None
    is_changed: bool = False


@dataclass(slots=True, kw_only=True)
class DisputeState:
    """One dispute. `id` None: to be inserted. Amounts in minor units of the payment's currency."""

    id: int | None
    public_id: str
    gateway_reference: str
    status: DisputeStatus
    amount: int | None = None
    withdrawn: int = 0
    moves: int = 0
    reason: str = ""
    respond_by: datetime | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    next_check_at: datetime | None = None
    wants_fetch: bool = False
    is_money_told: bool = False  # whether the report at hand said what is held back
    is_changed: bool = False


@dataclass(slots=True, kw_only=True)
class PaymentState:
    """A payment's row, typed. Amounts in minor units of `currency`."""

    id: int
    public_id: str
    lab_id: int
    mode: Mode
    gateway: str
    gateway_key_id: int
    account: str
    purpose: str
    merchant_reference: str
    currency: str
    amount: int
    customer_id: int | None
    capture_mode: str
    try_number: int
    status: PaymentStatus
    authorized: int
    capture_asked: int | None
    received: int
    captured: int
    refund_reserved: int
    refunded: int
    refunded_seen: int
    fee: int
    disputed: int
    gateway_reference: str
    is_acknowledged: bool
    next_action: NextAction | None
    method: Method | None
    coin: CoinFacts | None
    decline: Decline | None
    fraud_status: FraudStatus
    fraud_message: str
    attention: set[Attention]
    attention_seen: set[Attention]  # of these, what staff have looked at
    is_duplicate: bool
    claim: str
    closing_since: datetime | None  # our timer is ending the unpaid order at its gateway
    wants_saved: bool
    profile_id: int | None
    link_id: int | None
    holds_link_use: bool
    page_token_sealed: str
    description: str
    return_url: str
    metadata: dict[str, str]
    transition_seq: int
    unknown_since: datetime | None
    check_count: int
    last_checked_at: datetime | None
    next_check_at: datetime | None
    expires_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    has_other_live: bool = False
    references: tuple[str, ...] = ()  # loaded where a gateway is to be asked
    sent_reference: str = ""  # ours of the latest try, likewise

    @property
    def money(self) -> Money:
        return Money(self.amount, self.currency)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL

    @property
    def open_attention(self) -> set[Attention]:
        """What a person still has to look at."""
        return self.attention - self.attention_seen

    def is_past_expiry(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now

    def names(self) -> PaymentNames:
        """All names to ask the gateway by. Needs `references` loaded."""
        ours, theirs = self.sent_reference, self.gateway_reference or None
        captured = self.captured or self.capture_asked
        return PaymentNames(
            reference=ours,
            gateway_reference=theirs,
            other_references=tuple(n for n in self.references if n not in {ours, theirs}),
            amount=self.money,
            captured=Money(captured, self.currency) if captured else None,
            created_at=self.created_at,
            acknowledged=self.is_acknowledged,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    seq: int
    from_status: PaymentStatus
    to_status: PaymentStatus
    cause: Cause


@dataclass(slots=True, kw_only=True)
class Work:
    """A payment and everything that the folded reports ask to be written beside it."""

    state: PaymentState
    via: KeyFacts  # through which key the report at hand came; not always the payment's latest
    resumes_declined_charges: bool = False  # as the payment's gateway describes itself
    heard_by: CauseKind | None = None  # how the report at hand came
    refunds: list[RefundState] = field(default_factory=list)
    disputes: list[DisputeState] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    moved: list[MoneyMoved] = field(default_factory=list)
    events: list[tuple[str, RefundState | DisputeState | None]] = field(default_factory=list)
    new_names: dict[tuple[int, str], bool] = field(default_factory=dict)  # (key, name) -> whether it names a refund
    saved: list[SavedMethod] = field(default_factory=list)
    wants_fetch: bool = False
    look_again_at: datetime | None = None  # ask no later than then, whatever the plan says
    repeated: set[Attention] = field(default_factory=set)  # seen by staff, and found again
    gives_link_use_back: bool = False
    is_changed: bool = False

    def has_news(self) -> bool:
        """Whether anything beside the payment's own row is to be written."""
        return bool(
            self.transitions
            or self.events
            or self.moved
            or self.new_names
            or self.saved
            or any(refund.is_changed for refund in self.refunds)
            or any(dispute.is_changed for dispute in self.disputes)
        )

    def record_transition(self, to: PaymentStatus, cause: Cause) -> None:
        self.state.transition_seq += 1
        self.transitions.append(
            Transition(seq=self.state.transition_seq, from_status=self.state.status, to_status=to, cause=cause)
        )
        self.state.status = to

    def add_attention(self, attention: Attention, *, is_news: bool = False) -> None:
        """Show that a person must look. What staff have seen comes back with news: a delivery, or what the caller knows
        to be new (`is_news`); asking again and finding the same is none."""
        if attention not in self.state.attention:
            self.state.attention.add(attention)
            self.tell("payment.attention")
        elif attention in self.state.attention_seen:
            if is_news or self.heard_by is CauseKind.WEBHOOK:
                self.show_again(attention)
            else:
                self.repeated.add(attention)

    def show_again(self, attention: Attention) -> None:
        self.state.attention_seen.discard(attention)
        self.tell("payment.attention")

    def forget_unknown(self) -> None:
        """Nobody has to look any more, once nothing of this payment is unknown."""
        if self.state.unknown_since is None and not any(one.unknown_since for one in self.refunds):
            self.state.attention.discard(Attention.UNKNOWN_OUTCOME)

    def tell(self, event: str, about: RefundState | DisputeState | None = None) -> None:
        """Queue an outgoing event about the payment, or about one of its refunds or disputes."""
        self.events.append((event, about))

    def money(self, kind: MovedKind, amount: int, key: str, *, reverses: str = "") -> None:
        """Note a fact for the ledger, through the account that reported it."""
        self.moved.append(MoneyMoved(kind=kind, amount=amount, key=key, gateway_key_id=self.via.id, reverses=reverses))

    @property
    def is_another_try(self) -> bool:
        """Whether the report at hand came through another account than the one that the payment is at."""
        return self.via.id != self.state.gateway_key_id

    def learn_names(self, report: Report, cause: Cause) -> None:
        """Keep the gateway's names of the payment. An answer to a question of ours names it best; webhooks fill in."""
        for name in (report.gateway_reference, *report.other_references):
            if name:
                self.new_names.setdefault((self.via.id, name), False)
        if self.is_another_try:  # what another account calls it is of no use where the payment is now
            return
        self.state.is_acknowledged = True
        if report.gateway_reference and (
            not self.state.gateway_reference or cause.kind in {CauseKind.FETCH, CauseKind.RESPONSE}
        ):
            self.state.gateway_reference = report.gateway_reference

    def learn_refund_names(self, report: Report) -> None:
        for name in refund_names(report):
            self.new_names[self.via.id, name] = True

    def belongs_where_it_was_paid(self, report: Report) -> None:
        """Money on another try: from here on the payment is that account's, by its names, also for its refunds."""
        if self.is_another_try:
            self.state.gateway_key_id, self.state.gateway, self.state.account = (
                self.via.id, self.via.gateway, self.via.account,
            )  # fmt: skip
            self.state.gateway_reference, self.state.is_acknowledged = report.gateway_reference or "", True

    def find_refund(self, report: Report) -> RefundState | None:
        """By our name first, then by the gateway's own: some know a refund only by its payment's name."""
        for refund in self.refunds:
            if report.reference and report.reference in {refund.sent_reference, refund.public_id}:
                return refund
        theirs = refund_names(report)
        return next((refund for refund in self.refunds if refund.gateway_reference in theirs), None)


def refund_names(report: Report) -> list[str]:
    """The gateway's names of a refund that are not its payment's, too."""
    payment = report.payment
    taken = {payment.gateway_reference, *payment.other_references} if payment is not None else set()
    return [name for name in (report.gateway_reference, *report.other_references) if name and name not in taken]


def names_in(report: Report) -> list[str]:
    """Every name in a report by which its payment may be known here."""
    names = [report.reference, report.gateway_reference, *report.other_references]
    if report.payment is not None:
        names += [report.payment.reference, report.payment.gateway_reference, *report.payment.other_references]
    if report.about in {Subject.PAYOUT, Subject.METHOD}:
        return []
    return list(dict.fromkeys(name for name in names if name))
