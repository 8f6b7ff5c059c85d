"""When a page asks the gateway: rarely, and never with more than one thread of a process.

Webhooks and the sweep bring the news. A page asks because somebody is looking, and a gateway that hangs must not take the
threads that answer everybody else: who finds the one place taken rings a worker instead.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Final

from payments import doorbell
from payments.services import fetching
from payments.states import OPEN
from payments.work import PaymentState

_PLACE: Final = threading.BoundedSemaphore(1)
_YOUNG: Final = timedelta(minutes=15)
SELDOM_SECONDS: Final = 60.0


def ask(state: PaymentState, *, now: datetime, is_return: bool = False) -> PaymentState:
    """The payment after its gateway was asked, or as it was where there was no reason to ask again so soon.

    A look asks at most once in 10 s, of an older payment once a minute, and only about an order that the gateway has
    acknowledged: unknown outcomes have a schedule of their own, which looking must not use up. A return always asks.
    """
    if state.status not in OPEN or not (is_return or state.is_acknowledged):
        return state
    pause = fetching.NOT_WITHIN_SECONDS if is_return or now - state.created_at < _YOUNG else SELDOM_SECONDS
    if state.last_checked_at is not None and now - state.last_checked_at < timedelta(seconds=pause):
        return state
    if not _PLACE.acquire(blocking=False):
        doorbell.ring("fetch", state.id)
        return state
    try:
        return fetching.refresh(state.id, not_within_seconds=pause) or state
    finally:
        _PLACE.release()
