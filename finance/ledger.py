"""The one writer of the books. Everything is posted in the database transaction of the fact that it records.

`post` takes any number of postings and costs one statement, whatever their number. Posting the same again changes nothing.
Lock payments first, then call: the function locks accounts in id order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction

from core import clock
from finance.errors import BadPosting, InsufficientFunds, NotReversible, RetryPosting, SourceReused
from finance.models import Transaction, TransactionKind
from finance.postings import (
    AccountName,
    EntryLine,
    Posting,
    Purpose,
    TransactionName,
    as_rows,
    capture_posting,
    dispute_posting,
    dispute_returned_posting,
    fee_posting,
    refund_posting,
    reversal_posting,
)

__all__ = [
    "POST_SQL",
    "AccountName",
    "BadPosting",
    "EntryLine",
    "InsufficientFunds",
    "NotReversible",
    "Posted",
    "Posting",
    "Purpose",
    "RetryPosting",
    "SourceReused",
    "TransactionName",
    "capture_posting",
    "dispute_posting",
    "dispute_returned_posting",
    "fee_posting",
    "hold",
    "post",
    "post_parameters",
    "refund_posting",
    "release",
    "reversal_posting",
    "reverse",
    "said_by_the_database",
]

# Rows of (posting: number from 1, transaction_id, is_new). A caller may make it a part of a statement of its own, with
# `post_parameters` and inside `said_by_the_database`.
POST_SQL: Final = "SELECT posting, transaction_id, is_new FROM finance_post(%s::jsonb, %s::jsonb)"

_REFUSALS: Final = {
    "finance_account_funds": InsufficientFunds,
    "finance_transaction_source_reused": SourceReused,
    # Named by nothing in this lab and asset; or a reversal itself; or reversed before under another source.
    "finance_transaction_reverses": NotReversible,
    "finance_transaction_reverses_fk": NotReversible,
    "finance_transaction_guard": NotReversible,
    "finance_transaction_reverses_once": NotReversible,
}
_TRY_AGAIN: Final = frozenset({"40001", "40P01"})  # serialization failure, deadlock


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """What became of one posting: its transaction, and whether this call wrote it."""

    transaction_id: int
    is_new: bool


def post(postings: Sequence[Posting], *, using: str = DEFAULT_DB_ALIAS) -> list[Posted]:
    """Book `postings`, all or none; the answers are in their order. One statement, two where one reverses another of them.

    Raises InsufficientFunds, SourceReused or NotReversible when the database refuses (the caller's transaction is then
    to be rolled back), RetryPosting when the whole transaction is to be done again.
    """
    answers: dict[TransactionName, Posted] = {}
    with transaction.atomic(using=using, savepoint=False):
        for wave in _waves(_by_name(postings)):
            answers.update(_post_wave(wave, using))
    return [_said_once(answers, posting.name) for posting in postings]


def _by_name(postings: Sequence[Posting]) -> dict[TransactionName, Posting]:
    """Each fact once. Raises SourceReused where one call gives a name two meanings."""
    named: dict[TransactionName, Posting] = {}
    for posting in postings:
        if named.setdefault(posting.name, posting) != posting:
            raise SourceReused
    return named


def _waves(named: Mapping[TransactionName, Posting]) -> Iterator[list[Posting]]:
    """Those that stand alone, then those that reverse one of them: an original must have its id first."""
    first = [posting for posting in named.values() if posting.reverses not in named]
    later = [posting for posting in named.values() if posting.reverses in named]
    return (wave for wave in (first, later) if wave)


def _said_once(answers: dict[TransactionName, Posted], name: TransactionName) -> Posted:
    """The answer for `name`; whoever asks again for it in the same call is told that it was there."""
    answer = answers[name]
    answers[name] = replace(answer, is_new=False)
    return answer


def _post_wave(postings: Sequence[Posting], using: str) -> dict[TransactionName, Posted]:
    with said_by_the_database(), connections[using].cursor() as cursor:
        cursor.execute(POST_SQL, post_parameters(postings))
        rows = cursor.fetchall()
    return {postings[number - 1].name: Posted(transaction_id=found, is_new=is_new) for number, found, is_new in rows}


def post_parameters(postings: Sequence[Posting]) -> list[str]:
    """The two parameters of POST_SQL. Names differ, and none reverses another of them."""
    headers, lines = as_rows(postings, at=clock.now().isoformat())
    return [json.dumps(headers), json.dumps(lines)]


@contextmanager
def said_by_the_database() -> Iterator[None]:
    """Turn the database's refusals of the block into the errors of `finance.errors`; others pass as they are."""
    try:
        yield
    except DatabaseError as error:
        cause = error.__cause__
        if getattr(cause, "sqlstate", None) in _TRY_AGAIN:
            raise RetryPosting("the database could not finish: do the whole transaction again") from cause
        constraint = getattr(getattr(cause, "diag", None), "constraint_name", None)
        if constraint in _REFUSALS:
            raise _REFUSALS[constraint] from error
        raise


def reverse(*, lab_id: int, transaction_id: int, author: str, reason: str, using: str = DEFAULT_DB_ALIAS) -> Posted:
    """Undo a transaction by one with its entries turned. `author` and `reason` stay with it. Harmless when repeated.

    Raises NotReversible (not of this lab, a reversal, reversed under another source), InsufficientFunds when the customer
    has spent what the transaction gave.
    """
    if not author or not reason:
        raise BadPosting("a reversal says who and why")
    original = Transaction.objects.for_lab(lab_id).using(using).filter(pk=transaction_id).first()
    if original is None:
        raise NotReversible
    name = TransactionName(source="reversal", source_id=str(transaction_id), kind=TransactionKind.REVERSAL)
    undone = TransactionName(source=original.source, source_id=original.source_id, kind=TransactionKind(original.kind))
    posting = Posting(
        lab_id=lab_id,
        name=name,
        asset=original.asset,
        reverses=undone,
        description=reason,
        author=author,
        payment_id=original.payment_id,
        withdrawal_id=original.withdrawal_id,
    )
    return post([posting], using=using)[0]


def hold(
    *, lab_id: int, account_id: int, amount_minor: int, source: str, source_id: str, using: str = DEFAULT_DB_ALIAS
) -> bool:
    """Set `amount_minor` of a customer's balance aside; False when this source holds exactly that already.

    Conditional in the database, not after a read. Raises InsufficientFunds (the caller's transaction stays usable),
    SourceReused when the source holds another amount, LookupError for an account that is not a balance of this lab.
    """
    if type(amount_minor) is not int or amount_minor <= 0:
        raise BadPosting("what is held is more than zero")
    said = _call("finance_take_hold", [lab_id, account_id, amount_minor, source, source_id], using)
    if said == "short":
        raise InsufficientFunds
    if said == "other":
        raise SourceReused
    if said == "missing":
        raise LookupError("no such balance in this lab")
    return said == "held"


def release(*, lab_id: int, account_id: int, source: str, source_id: str, using: str = DEFAULT_DB_ALIAS) -> bool:
    """Give back what `source` holds, whole; False when it was given back before. Raises LookupError if it held nothing."""
    said = _call("finance_release_hold", [lab_id, account_id, source, source_id], using)
    if said == "missing":
        raise LookupError("nothing is held under this source")
    return said == "released"


def _call(function: str, parameters: Sequence[int | str], using: str) -> str:
    marks = ", ".join(["%s"] * len(parameters))
    with said_by_the_database(), connections[using].cursor() as cursor:
        cursor.execute(f"SELECT {function}({marks})", parameters)  # the name is one of two constants above
        (said,) = cursor.fetchone()
    return str(said)
