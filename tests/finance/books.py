"""Short words for bookkeeping stories."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from core.models import Customer, Lab
from finance import ledger
from finance.models import Account, AccountKind, Entry, TransactionKind
from finance.selectors import totals_of

KEY = 7  # a gateway key's id; finance does not know what it is


def deposit(lab: Lab, customer: Customer, amount: int, *, payment: int = 1, **changes: Any) -> ledger.Posting:
    facts: dict[str, Any] = {"purpose": "deposit", "source": "capture", "source_id": f"{payment}:{amount}"}
    return ledger.capture_posting(**{**_common(lab, amount, payment), **facts, "customer_id": customer.pk, **changes})


def payment(lab: Lab, amount: int, *, payment: int = 1, **changes: Any) -> ledger.Posting:
    facts: dict[str, Any] = {"purpose": "payment", "source": "capture", "source_id": f"{payment}:{amount}"}
    return ledger.capture_posting(**{**_common(lab, amount, payment), **facts, **changes})


def refund_of_deposit(lab: Lab, customer: Customer, amount: int, name: str, *, payment: int = 1) -> ledger.Posting:
    facts: dict[str, Any] = {"purpose": "deposit", "source": "refund", "source_id": name, "customer_id": customer.pk}
    return ledger.refund_posting(**_common(lab, amount, payment), **facts)


def refund_of_payment(lab: Lab, amount: int, name: str, *, payment: int = 1) -> ledger.Posting:
    return ledger.refund_posting(**_common(lab, amount, payment), purpose="payment", source="refund", source_id=name)


def returned_refund(lab: Lab, name: str, *, asset: str = "USD") -> ledger.Posting:
    return ledger.reversal_posting(
        lab_id=lab.pk,
        payment_id=1,
        asset=asset,
        original=ledger.TransactionName(source="refund", source_id=name, kind=TransactionKind.REFUND),
        source="refund_return",
        source_id=name,
    )


def fee(lab: Lab, amount: int, *, payment: int = 1, name: str = "1") -> ledger.Posting:
    return ledger.fee_posting(**_common(lab, amount, payment), source="fee", source_id=name)


def _common(lab: Lab, amount: int, payment: int) -> dict[str, Any]:
    return {"lab_id": lab.pk, "payment_id": payment, "gateway_key_id": KEY, "asset": "USD", "amount_minor": amount}


def book(*postings: ledger.Posting) -> list[ledger.Posted]:
    """Post and let the deferred guards look, as a commit would."""
    with transaction.atomic():
        posted = ledger.post(postings)
        look()
    return posted


def look() -> None:
    """Fire what waits for the commit."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def totals(lab: Lab) -> dict[str, int]:
    """Kind -> balance over all owners and shards, in one asset."""
    found: dict[str, int] = {}
    for total in totals_of(lab=lab):
        found[total.kind] = found.get(total.kind, 0) + total.balance
    return found


def account_of(customer: Customer, kind: AccountKind = AccountKind.CUSTOMER_BALANCE) -> Account:
    return Account.across_labs.get(customer=customer, kind=kind)


def lines_of(posted: ledger.Posted) -> list[tuple[str, int, int, int]]:
    """(kind of account, amount, balance after, seq) of a transaction, in order."""
    entries = Entry.across_labs.filter(transaction_id=posted.transaction_id).select_related("account").order_by("id")
    return [(entry.account.kind, entry.amount, entry.balance_after, entry.seq) for entry in entries]


def count_rows() -> tuple[int, int, int, int]:
    """Transactions, entries, holds, accounts: to see that a refusal changed nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM finance_transaction), (SELECT count(*) FROM finance_entry),"
            " (SELECT count(*) FROM finance_hold), (SELECT count(*) FROM finance_account)"
        )
        return cursor.fetchone()
