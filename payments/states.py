"""The payment's state table. Nothing else decides where a payment may go."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from core.gateways.types import PaymentStatus as S
from core.gateways.types import RefundStatus as R

NEXT: Final[Mapping[S, frozenset[S]]] = {
    S.PENDING: frozenset({S.REQUIRES_ACTION, S.AUTHORIZED, S.CAPTURED, S.VOIDED, S.FAILED, S.EXPIRED}),
    S.REQUIRES_ACTION: frozenset({S.PENDING, S.AUTHORIZED, S.CAPTURED, S.VOIDED, S.FAILED, S.EXPIRED}),
    S.AUTHORIZED: frozenset({S.CAPTURED, S.VOIDED, S.EXPIRED}),
    S.FAILED: frozenset({S.AUTHORIZED, S.CAPTURED}),  # some gateways authorize late, after saying failed
    S.EXPIRED: frozenset({S.AUTHORIZED, S.CAPTURED}),  # coins may arrive after the quote ran out
    S.CAPTURED: frozenset(),
    S.VOIDED: frozenset(),
}

OPEN: Final = frozenset({S.PENDING, S.REQUIRES_ACTION})
DEAD: Final = frozenset({S.FAILED, S.EXPIRED, S.VOIDED})
FINAL: Final = DEAD | {S.CAPTURED}

REFUND_NEXT: Final[Mapping[R, frozenset[R]]] = {
    R.PENDING: frozenset({R.SUCCEEDED, R.FAILED, R.CANCELLED}),
    R.SUCCEEDED: frozenset({R.FAILED}),  # a bank returned it, days or weeks later
    R.FAILED: frozenset(),
    R.CANCELLED: frozenset(),
}
LIVE_REFUND: Final = frozenset({R.PENDING, R.SUCCEEDED})


class CauseKind(StrEnum):
    API = "api"
    WEBHOOK = "webhook"
    FETCH = "fetch"
    RESPONSE = "response"
    TIMER = "timer"
    STAFF = "staff"


class Verdict(StrEnum):
    """What became of one report."""

    APPLIED = "applied"
    NO_CHANGE = "no_change"
    LATE_NEWS = "late_news"
    CLAIM = "claim"  # against money that we saw: one fetch asks again
    CONTRADICTION = "contradiction"
    MISMATCH = "mismatch"
    HINT = "hint"
    WAITING = "waiting"  # an external refund that does not fit yet
    UNMATCHED = "unmatched"
    SKIPPED = "skipped"  # its payment is locked by somebody else
