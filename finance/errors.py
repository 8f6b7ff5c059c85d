"""What the ledger refuses, and what the caller is to do about it."""

from __future__ import annotations

from django.db import OperationalError

from core.errors import DomainError


class BadPosting(ValueError):
    """A posting that cannot be meant (unbalanced, one line, no source). A bug of the caller, found before any SQL."""


class RetryPosting(OperationalError):
    """A deadlock, or somebody else posted in between: nothing was written. Roll back and do the whole transaction again.

    An OperationalError caused by psycopg's, like every other deadlock, so that whoever repeats those repeats this.
    """


class SourceReused(DomainError):
    """The same source was posted or held before with another content. Nothing was written."""

    code = "source_reused"
    default_detail = "This was booked before with another amount; look at what is there and book the difference."


class InsufficientFunds(DomainError):
    """The account has less than asked for. Nothing was written."""

    code = "insufficient_funds"
    default_detail = (
        "The available balance is smaller than this amount; ask for less or wait until held money is released."
    )


class NotReversible(DomainError):
    """No such transaction in this lab, one that was reversed before, or itself a reversal."""

    code = "not_reversible"
    default_detail = "This transaction cannot be reversed; a transaction is reversed once, and a reversal never."
