"""Double entry: accounts, transactions, entries, holds.

Nothing here is written by `save()`: `finance.ledger` posts, and triggers of our own (migration `guards`) refuse every
other way. Amounts are signed minor units. A positive balance is what the lab owes or has earned (customer balances, sales);
a negative one is what it is owed or has spent (clearing, fees, receivables).
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, cast

from django.contrib.postgres.functions import TransactionNow
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from core.minor_field import MinorField
from core.models import Customer, Lab, LabModel

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

# A busy account is this many rows, one picked by payment id: measured with 8 writers, one row takes 1,800 postings a
# second and sixteen take 4,400 (DESIGN 6). Reports show the sum.
SHARDS: Final = 16


class AccountKind(models.TextChoices):
    """What an account is for. Only a customer's balance may not go negative."""

    CUSTOMER_BALANCE = "customer_balance", "Customer balance"
    RECEIVABLE = "receivable", "Owed by a customer"
    CLEARING = "clearing", "Held by a gateway for us"
    SALES = "sales", "Sales"
    FEES = "fees", "Gateway fees"
    ADJUSTMENTS = "adjustments", "Adjustments"


CUSTOMER_KINDS: Final = (AccountKind.CUSTOMER_BALANCE, AccountKind.RECEIVABLE)
SHARDED_KINDS: Final = (AccountKind.CLEARING, AccountKind.SALES, AccountKind.FEES)


class Account(LabModel):
    """One account of a lab in one asset; a busy kind is `SHARDS` of them.

    `owner` tells accounts of one kind apart: the customer's id, or the gateway key's id as text that means nothing here.
    """

    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=20, choices=AccountKind.choices)
    owner = models.CharField(max_length=64, blank=True, default="", db_default="")
    # Its key is the composite one of the migration: the customer is of this lab.
    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, null=True, blank=True, related_name="accounts", db_constraint=False
    )
    shard = models.PositiveSmallIntegerField(default=0, db_default=0)
    asset = models.CharField(max_length=24)
    may_go_negative = models.BooleanField()
    balance = MinorField(default=0, db_default=0, editable=False)
    held = MinorField(default=0, db_default=0, editable=False)
    entry_count = models.BigIntegerField(default=0, db_default=0, editable=False)
    created_at = models.DateTimeField(db_default=TransactionNow(), editable=False)

    class Meta:
        ordering = ["lab_id", "kind", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["lab", "kind", "owner", "shard", "asset"], name="finance_account_name_uniq"
            ),
            # The parent of the composite keys by which an entry agrees on lab and asset (I7). The id comes first: as a
            # lab's index this one would look good to a planner that has seen a small table.
            models.UniqueConstraint(fields=["id", "lab", "asset"], name="finance_account_id_lab_asset_uniq"),
            models.CheckConstraint(condition=Q(kind__in=AccountKind.values), name="finance_account_kind"),
            models.CheckConstraint(
                condition=Q(kind=AccountKind.CUSTOMER_BALANCE, may_go_negative=False)
                | (~Q(kind=AccountKind.CUSTOMER_BALANCE) & Q(may_go_negative=True)),
                name="finance_account_may_go_negative",
            ),
            models.CheckConstraint(
                condition=Q(held__gte=0) & (Q(may_go_negative=True) | Q(balance__gte=F("held"))),
                name="finance_account_funds",
            ),
            models.CheckConstraint(
                condition=Q(shard=0) | (Q(shard__lt=SHARDS) & Q(kind__in=SHARDED_KINDS)), name="finance_account_shard"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.owner} {self.asset}".replace("  ", " ")

    @property
    def available(self) -> int:
        """What may be spent now, in minor units."""
        return self.balance - self.held


class TransactionKind(models.TextChoices):
    DEPOSIT = "deposit", "Deposit"
    WITHDRAWAL = "withdrawal", "Withdrawal"
    PAYMENT = "payment", "Payment"
    REFUND = "refund", "Refund"
    FEE = "fee", "Fee"
    BONUS = "bonus", "Bonus"
    ADJUSTMENT = "adjustment", "Adjustment"
    REVERSAL = "reversal", "Reversal"


class Transaction(LabModel):
    """One thing that happened, in one asset, as entries that sum to zero. Never changed; a mistake is reversed.

    `source` and `source_id` are the writer's name for the fact; with `kind` they are unique, so posting twice is harmless.
    `payment_id` and `withdrawal_id` are numbers of the layers above, for the audit view and for lists.
    """

    # No constraint of its own: at least two entries tie (lab, asset) to accounts, whose lab has one. A key share lock on
    # the one lab row by every posting would be a multixact each.
    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    kind = models.CharField(max_length=12, choices=TransactionKind.choices)
    source = models.CharField(max_length=40)
    source_id = models.CharField(max_length=200)
    asset = models.CharField(max_length=24)
    description = models.CharField(max_length=500, blank=True, default="", db_default="")
    metadata = models.JSONField(default=dict, blank=True)
    author = models.CharField(max_length=120, blank=True, default="", help_text="Who, where a person did it")
    reverses = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="reversals",  # at most one
        db_index=False,
        db_constraint=False,  # the migration's is composite
    )
    payment_id = models.BigIntegerField(null=True, blank=True)
    withdrawal_id = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "source_id", "kind"], name="finance_transaction_source_uniq"),
            models.UniqueConstraint(fields=["id", "lab", "asset"], name="finance_transaction_id_lab_asset_uniq"),
            models.UniqueConstraint(
                fields=["reverses"], condition=Q(reverses__isnull=False), name="finance_transaction_reverses_once"
            ),
            models.CheckConstraint(condition=Q(kind__in=TransactionKind.values), name="finance_transaction_kind"),
            models.CheckConstraint(condition=~Q(source="") & ~Q(source_id=""), name="finance_transaction_source"),
            models.CheckConstraint(
                condition=Q(kind=TransactionKind.REVERSAL, reverses__isnull=False)
                | (~Q(kind=TransactionKind.REVERSAL) & Q(reverses__isnull=True)),
                name="finance_transaction_reverses",
            ),
        ]
        indexes = [
            models.Index(
                fields=["payment_id"], condition=Q(payment_id__isnull=False), name="finance_transaction_payment"
            ),
            models.Index(
                fields=["withdrawal_id"],
                condition=Q(withdrawal_id__isnull=False),
                name="finance_transaction_withdrawal",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.source} {self.source_id}"


class Entry(LabModel):
    """One line of a transaction on one account. `seq` counts the account's entries from 1 without gaps.

    Inserting it moves the account's balance; the database refuses one whose `seq` or `balance_after` does not continue it.
    """

    # All three keys are the composite ones of the migration: (lab, transaction, asset) and (lab, account, asset).
    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="entries", db_constraint=False)
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="entries", db_index=False, db_constraint=False
    )
    seq = models.BigIntegerField()
    asset = models.CharField(max_length=24)
    amount = MinorField()
    balance_after = MinorField()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(fields=["account", "seq"], name="finance_entry_account_seq_uniq"),
            models.CheckConstraint(condition=~Q(amount=0), name="finance_entry_amount"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.asset}"


class HoldKind(models.TextChoices):
    HOLD = "hold", "Hold"
    RELEASE = "release", "Release"


class Hold(LabModel):
    """One movement of an account's held money: positive takes a hold, the release of the same source gives it back whole.

    Insert only, like entries: what is held is always explained by its rows. A withdrawal holds at request.
    """

    lab = models.ForeignKey(Lab, on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False)
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="holds", db_index=False, db_constraint=False
    )
    asset = models.CharField(max_length=24)
    kind = models.CharField(max_length=8, choices=HoldKind.choices)
    source = models.CharField(max_length=40)
    source_id = models.CharField(max_length=200)
    amount = MinorField()
    held_after = MinorField()
    created_at = models.DateTimeField(db_default=TransactionNow(), editable=False)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["account", "source", "source_id", "kind"], name="finance_hold_source_uniq"),
            models.CheckConstraint(
                condition=Q(kind=HoldKind.HOLD, amount__gt=0) | Q(kind=HoldKind.RELEASE, amount__lt=0),
                name="finance_hold_amount",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} {self.asset}"


class UserBalance(Account):
    """What one customer has at a lab in one asset: the same row as the account, with the names that users know.

    Amounts are minor units. Read with `UserBalance.for_lab(lab)`, which knows customers' balances alone.
    """

    class Meta:
        proxy = True
        verbose_name = "balance"

    @classmethod
    def for_lab(cls, lab: Lab | int) -> models.QuerySet[Any]:
        return cls.objects.for_lab(lab).filter(kind=AccountKind.CUSTOMER_BALANCE)

    @classmethod
    def get_or_create(cls, *, lab: Lab | int, owner: Customer | AbstractUser, asset: str) -> UserBalance:
        """The balance of a customer, or of a Django user's customer at `lab` (made where there is none yet).

        Raises ValueError when the customer belongs to another lab, core.money.UnknownAsset for an asset not known here.
        """
        from finance.balances import open_balance

        return open_balance(lab=lab, owner=owner, asset=asset)

    @property
    def total_deposited(self) -> int:
        """All that was ever credited by deposits, less reversed ones."""
        return self._sum_of(TransactionKind.DEPOSIT)

    @property
    def total_withdrawn(self) -> int:
        """All that ever left by withdrawals, less reversed ones; not negative."""
        return -self._sum_of(TransactionKind.WITHDRAWAL)

    @property
    def last_transaction(self) -> Transaction | None:
        """The newest transaction that moved this balance."""
        entry = Entry.across_labs.filter(account_id=self.pk, seq=self.entry_count).select_related("transaction").first()
        return cast(Transaction, entry.transaction) if entry else None

    @property
    def last_transaction_at(self) -> datetime | None:
        last = self.last_transaction
        return last.created_at if last else None

    def _sum_of(self, kind: TransactionKind) -> int:
        entries = Entry.across_labs.filter(account_id=self.pk).annotate(
            means=Coalesce("transaction__reverses__kind", "transaction__kind")
        )
        return entries.filter(means=kind).aggregate(total=models.Sum("amount"))["total"] or 0
