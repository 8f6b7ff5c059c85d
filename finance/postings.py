"""What is to be booked, as plain values: lines that sum to zero. Pure; `finance.ledger` writes them.

Signs: a positive amount credits. A customer's balance and sales are positive (owed or earned by the lab); clearing, what a
gateway holds for the lab, is negative, as are fees paid and what customers owe. So a deposit of 100 is clearing -100,
customer balance +100, and a customer's balance reads as the customer understands it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from core.money import MAX_MINOR, exponent_of
from finance.errors import BadPosting
from finance.models import CUSTOMER_KINDS, SHARDED_KINDS, SHARDS, AccountKind, TransactionKind


class Purpose(StrEnum):
    """What a captured payment was for (DESIGN 6)."""

    PAYMENT = "payment"
    DEPOSIT = "deposit"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountName:
    """Which account of a lab, made when first used. `owner` is opaque: a customer's or a gateway key's id as text."""

    kind: AccountKind
    owner: str = ""
    customer_id: int | None = None
    shard: int = 0

    def __post_init__(self) -> None:
        if (self.kind in CUSTOMER_KINDS) != (self.customer_id is not None):
            raise BadPosting(f"{self.kind} names a customer exactly where it is a customer's")
        if not 0 <= self.shard < (SHARDS if self.kind in SHARDED_KINDS else 1):
            raise BadPosting(f"{self.kind} has no shard {self.shard}")


def customer_balance(customer_id: int) -> AccountName:
    return AccountName(kind=AccountKind.CUSTOMER_BALANCE, owner=str(customer_id), customer_id=customer_id)


def clearing(gateway_key_id: int, payment_id: int) -> AccountName:
    """What this gateway account holds for us; the payment picks the shard."""
    return AccountName(kind=AccountKind.CLEARING, owner=str(gateway_key_id), shard=payment_id % SHARDS)


def sales(payment_id: int) -> AccountName:
    return AccountName(kind=AccountKind.SALES, shard=payment_id % SHARDS)


def fees(payment_id: int) -> AccountName:
    return AccountName(kind=AccountKind.FEES, shard=payment_id % SHARDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLine:
    """One signed amount on one account, in minor units.

    `shortfall` (only with a negative amount on a customer's balance) names the kind of account of the same customer that
    gives what the balance cannot. Without it a balance that is too small refuses the posting.
    """

    account: AccountName
    amount_minor: int
    shortfall: AccountKind | None = None

    def __post_init__(self) -> None:
        if type(self.amount_minor) is not int or self.amount_minor == 0 or abs(self.amount_minor) > MAX_MINOR:
            raise BadPosting("an entry moves a whole number of minor units, not zero, of at most 38 digits")
        if self.shortfall is not None and (
            self.amount_minor > 0
            or self.account.kind != AccountKind.CUSTOMER_BALANCE
            or self.shortfall != AccountKind.RECEIVABLE
        ):
            raise BadPosting("only what is taken from a customer's balance may fall short, to what the customer owes")


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionName:
    """The writer's name for a fact; unique in the ledger."""

    source: str
    source_id: str
    kind: TransactionKind

    def __post_init__(self) -> None:
        if not (0 < len(self.source) <= 40 and 0 < len(self.source_id) <= 200):
            raise BadPosting("a posting has a source of 1 to 40 and a source id of 1 to 200 characters")


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """One transaction to be. Either `lines` (two or more, sum zero), or `reverses`: the lines of that one, sign turned.

    Raises BadPosting when built wrong and core.money.UnknownAsset for an asset that is not known.
    """

    lab_id: int
    name: TransactionName
    asset: str
    lines: tuple[EntryLine, ...] = ()
    reverses: TransactionName | None = None
    description: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    author: str = ""
    payment_id: int | None = None
    withdrawal_id: int | None = None

    def __post_init__(self) -> None:
        exponent_of(self.asset)
        if (self.name.kind == TransactionKind.REVERSAL) != (self.reverses is not None):
            raise BadPosting("a reversal names what it reverses, and nothing else does")
        if self.reverses is not None and self.lines:
            raise BadPosting("a reversal has the lines of its original, none of its own")
        if self.reverses is None and len(self.lines) < 2:
            raise BadPosting("a posting has at least two lines")
        if sum(line.amount_minor for line in self.lines) != 0:
            raise BadPosting("the lines of a posting sum to zero")


def _two(debit: AccountName, credit: AccountName, amount_minor: int) -> tuple[EntryLine, EntryLine]:
    if amount_minor <= 0:
        raise BadPosting("what is booked is more than zero; its direction is the kind's")
    return (
        EntryLine(account=debit, amount_minor=-amount_minor),
        EntryLine(account=credit, amount_minor=amount_minor),
    )


def capture_posting(
    *,
    lab_id: int,
    payment_id: int,
    gateway_key_id: int,
    purpose: Purpose | str,
    asset: str,
    amount_minor: int,
    source: str,
    source_id: str,
    customer_id: int | None = None,
    description: str = "",
) -> Posting:
    """Money taken: the gateway key's clearing against the customer's balance (deposit) or the lab's sales (payment).

    `amount_minor` is what this capture adds, not the cumulative sum. A deposit needs `customer_id`.
    """
    is_deposit = Purpose(purpose) is Purpose.DEPOSIT
    if is_deposit and customer_id is None:
        raise BadPosting("a deposit has a customer")
    credit = customer_balance(customer_id) if is_deposit and customer_id is not None else sales(payment_id)
    kind = TransactionKind.DEPOSIT if is_deposit else TransactionKind.PAYMENT
    return Posting(
        lab_id=lab_id,
        name=TransactionName(source=source, source_id=source_id, kind=kind),
        asset=asset,
        lines=_two(clearing(gateway_key_id, payment_id), credit, amount_minor),
        description=description,
        payment_id=payment_id,
    )


def refund_posting(
    *,
    lab_id: int,
    payment_id: int,
    gateway_key_id: int,
    purpose: Purpose | str,
    asset: str,
    amount_minor: int,
    source: str,
    source_id: str,
    customer_id: int | None = None,
    description: str = "",
) -> Posting:
    """Money given back: the capture's accounts, the other way.

    A refund that the gateway paid is a fact and must be booked, also when the customer has spent the deposit or holds it
    for a withdrawal. The balance may not go negative (I4) and the fact may not be refused, so what the balance cannot give
    becomes what the customer owes: the account `receivable`, negative, of the same customer. It is not taken from the
    customer's next deposit by itself, because a deposit credits what arrived; staff settle it by an adjustment.
    """
    is_deposit = Purpose(purpose) is Purpose.DEPOSIT
    if is_deposit and customer_id is None:
        raise BadPosting("a deposit has a customer")
    taken_from = customer_balance(customer_id) if is_deposit and customer_id is not None else sales(payment_id)
    debit, credit = _two(taken_from, clearing(gateway_key_id, payment_id), amount_minor)
    if is_deposit:
        debit = EntryLine(account=taken_from, amount_minor=-amount_minor, shortfall=AccountKind.RECEIVABLE)
    return Posting(
        lab_id=lab_id,
        name=TransactionName(source=source, source_id=source_id, kind=TransactionKind.REFUND),
        asset=asset,
        lines=(debit, credit),
        description=description,
        payment_id=payment_id,
    )


def reversal_posting(
    *,
    lab_id: int,
    payment_id: int,
    asset: str,
    original: TransactionName,
    source: str,
    source_id: str,
    description: str = "",
) -> Posting:
    """Something booked came back whole (a refund that the payer's bank returned): exactly its entries, sign turned."""
    return Posting(
        lab_id=lab_id,
        name=TransactionName(source=source, source_id=source_id, kind=TransactionKind.REVERSAL),
        asset=asset,
        reverses=original,
        description=description,
        payment_id=payment_id,
    )


def dispute_posting(**refund: Any) -> Posting:
    """The payer's bank took money back: the accounts of a refund, as an adjustment. Arguments as `refund_posting`."""
    posting = refund_posting(**refund)
    return replace(posting, name=replace(posting.name, kind=TransactionKind.ADJUSTMENT))


def dispute_returned_posting(**capture: Any) -> Posting:
    """A part of what a dispute took was reinstated: the accounts of a capture. Arguments as `capture_posting`."""
    posting = capture_posting(**capture)
    return replace(posting, name=replace(posting.name, kind=TransactionKind.ADJUSTMENT))


def fee_posting(
    *,
    lab_id: int,
    payment_id: int,
    gateway_key_id: int,
    asset: str,
    amount_minor: int,
    source: str,
    source_id: str,
    description: str = "",
) -> Posting:
    """What the gateway kept for itself: it holds less for us (clearing up), and we have spent it (fees down).

    Negative where the gateway corrects its fee downwards: a reported fact is booked whichever way it goes.
    """
    paid, held = fees(payment_id), clearing(gateway_key_id, payment_id)
    return Posting(
        lab_id=lab_id,
        name=TransactionName(source=source, source_id=source_id, kind=TransactionKind.FEE),
        asset=asset,
        lines=_two(paid, held, amount_minor) if amount_minor > 0 else _two(held, paid, -amount_minor),
        description=description,
        payment_id=payment_id,
    )


def as_rows(postings: Sequence[Posting], *, at: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """`postings` as the two JSON lists that the database function `finance_post` reads; `at` is ISO 8601."""
    headers: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for number, posting in enumerate(postings, start=1):
        headers.append(_header(number, posting, at))
        for line in posting.lines:
            lines.append(_line(number, len(lines), posting, line))
    return headers, lines


def _header(number: int, posting: Posting, at: str) -> dict[str, Any]:
    original: Final = posting.reverses
    return {
        "n": number,
        "lab_id": posting.lab_id,
        "kind": posting.name.kind,
        "source": posting.name.source,
        "source_id": posting.name.source_id,
        "asset": posting.asset,
        "total": sum(line.amount_minor for line in posting.lines if line.amount_minor > 0),
        "description": posting.description,
        "metadata": dict(posting.metadata),
        "author": posting.author,
        "payment_id": posting.payment_id,
        "withdrawal_id": posting.withdrawal_id,
        "created_at": at,
        "reverses_source": original and original.source,
        "reverses_source_id": original and original.source_id,
        "reverses_kind": original and original.kind,
    }


def _line(number: int, place: int, posting: Posting, line: EntryLine) -> dict[str, Any]:
    return {
        "n": number,
        "k": place,
        "lab_id": posting.lab_id,
        "asset": posting.asset,
        "kind": line.account.kind,
        "owner": line.account.owner,
        "customer_id": line.account.customer_id,
        "shard": line.account.shard,
        "amount": line.amount_minor,
        "shortfall_kind": line.shortfall,
    }
