"""Reading the books. Amounts are signed minor units of `asset`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet, Sum
from django.db.models.functions import Coalesce

from core.models import Lab
from finance.models import Account, AccountKind, Entry, TransactionKind, UserBalance


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What a customer has in one asset."""

    asset: str
    balance: int
    held: int
    available: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """One line of a customer's statement; `amount` is positive where the customer gained."""

    entry_id: int
    transaction_id: int
    asset: str
    kind: str
    amount: int
    balance_after: int
    description: str
    payment_id: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """The sum over all accounts of a kind, its shards included. `owner` as in Account: a gateway key's id, or empty."""

    kind: str
    owner: str
    asset: str
    balance: int


def balances_of(*, lab: Lab | int, customer_id: int) -> list[Balance]:
    """A customer's balances at `lab`, by asset; empty for another lab's customer. One statement."""
    rows = UserBalance.for_lab(lab).filter(customer_id=customer_id).order_by("asset")
    return [Balance(asset=row.asset, balance=row.balance, held=row.held, available=row.available) for row in rows]


def total_deposited_and_withdrawn(*, lab: Lab | int, customer_id: int) -> dict[str, tuple[int, int]]:
    """All that deposits ever credited and all that withdrawals ever took, by asset, less what was reversed.

    The same sums as UserBalance's properties, for all assets of a customer in one statement.
    """
    entries = entries_of(lab=lab, customer_id=customer_id).annotate(
        means=Coalesce("transaction__reverses__kind", "transaction__kind")
    )
    sums = entries.order_by().values_list("asset", "means").annotate(total=Sum("amount"))
    totals: dict[str, tuple[int, int]] = {}
    for asset, kind, total in sums:
        deposited, withdrawn = totals.get(asset, (0, 0))
        if kind == TransactionKind.DEPOSIT:
            deposited += int(total)
        elif kind == TransactionKind.WITHDRAWAL:
            withdrawn -= int(total)
        totals[asset] = deposited, withdrawn
    return totals


def entries_of(*, lab: Lab | int, customer_id: int, asset: str | None = None) -> QuerySet[Entry]:
    """The entries on a customer's balances at `lab`; empty for another lab's customer."""
    entries: QuerySet[Entry] = Entry.objects.for_lab(lab).filter(
        account__customer_id=customer_id, account__kind=AccountKind.CUSTOMER_BALANCE
    )
    return entries if asset is None else entries.filter(asset=asset)


def movements_of(
    *, lab: Lab | int, customer_id: int, asset: str | None = None, before_entry_id: int | None = None, limit: int = 50
) -> list[Movement]:
    """A customer's statement at `lab`, newest first; go on with `before_entry_id` of the last. One statement."""
    entries = entries_of(lab=lab, customer_id=customer_id, asset=asset)
    if before_entry_id is not None:
        entries = entries.filter(pk__lt=before_entry_id)
    return [_movement(entry) for entry in entries.select_related("transaction").order_by("-pk")[:limit]]


def _movement(entry: Entry) -> Movement:
    return Movement(
        entry_id=entry.pk,
        transaction_id=entry.transaction_id,
        asset=entry.asset,
        kind=entry.transaction.kind,
        amount=entry.amount,
        balance_after=entry.balance_after,
        description=entry.transaction.description,
        payment_id=entry.transaction.payment_id,
        created_at=entry.transaction.created_at,
    )


def totals_of(*, lab: Lab | int, kinds: Sequence[AccountKind] = ()) -> list[Total]:
    """The lab's own accounts (clearing, sales, fees, ...) summed over their shards. Two statements.

    Customers' accounts are summed over all customers: what the lab owes them, and what they owe.
    """
    accounts: QuerySet[Account] = Account.objects.for_lab(lab)
    if kinds:
        accounts = accounts.filter(kind__in=kinds)
    own = accounts.filter(customer__isnull=True).values_list("kind", "owner", "asset").annotate(Sum("balance"))
    of_customers = accounts.filter(customer__isnull=False).values_list("kind", "asset").annotate(Sum("balance"))
    rows = [*own.order_by(), *((kind, "", asset, balance) for kind, asset, balance in of_customers.order_by())]
    return [Total(kind=kind, owner=owner, asset=asset, balance=balance) for kind, owner, asset, balance in sorted(rows)]
