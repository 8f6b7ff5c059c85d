"""The tables of finance: accounts with their transactions, entries and holds, and the currencies of the platform."""

from finance.models.currencies import Currency
from finance.models.ledger import (
    CUSTOMER_KINDS,
    SHARDED_KINDS,
    SHARDS,
    Account,
    AccountKind,
    Entry,
    Hold,
    HoldKind,
    Transaction,
    TransactionKind,
    UserBalance,
)

__all__ = [
    "CUSTOMER_KINDS",
    "SHARDED_KINDS",
    "SHARDS",
    "Account",
    "AccountKind",
    "Currency",
    "Entry",
    "Hold",
    "HoldKind",
    "Transaction",
    "TransactionKind",
    "UserBalance",
]
