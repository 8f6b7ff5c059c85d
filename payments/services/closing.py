"""Ending an unpaid order at its gateway when its time is over, so that nobody can pay what we call expired.

The sweep's fetch has just said that nothing was paid. In the transaction of that answer the exchange is recorded; after its
commit the gateway is asked to end the order, and its answer ends the payment. Money that met the closing is told by that
same answer and kept. What cannot be ended is expired by our timer alone; money that comes after is `paid_late`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import StrEnum
from typing import Final

from django.db import connection

from core import clock, crash, transactions
from core.gateways.errors import GatewayMisconfigured, OutcomeUnknown, RequestRejected
from core.gateways.port import CanClose
from core.gateways.types import CloseRequest, Operation
from payments import loading
from payments.frame import Fact, apply_reports
from payments.loading import Loaded
from payments.models import Outcome
from payments.services import exchanges
from payments.services.exchanges import Asked, Exchange, ask
from payments.services.keys import open_key, problem_part
from payments.states import OPEN, CauseKind
from payments.work import Cause, PaymentState, Work
from payments.writing import Part

MOST_TRIES: Final = 3


class Next(StrEnum):
    """What becomes of a payment that nobody paid in time."""

    CLOSE = "close"
    EXPIRE = "expire"  # there is nothing to end, or ending it did not work
    WAIT = "wait"  # something else is under way


# Asked under the payment's lock. What an answered fetch has just resolved may still stand there as unknown.
_STANDS: Final = """
    SELECT count(*) FILTER (WHERE operation = 'close'),
      coalesce(bool_or(outcome = 'sent'), false),
      coalesce(bool_or(operation = 'close' AND error_class = %s), false)
    FROM payments_paymentgatewaytransaction
    WHERE payment_id = %s AND refund_id IS NULL AND operation IN ('capture', 'void', 'close')"""


def is_closable(loaded: Loaded) -> bool:
    """Whether this payment's gateway can end orders at all. Asks nobody."""
    return isinstance(ask(lambda: open_key(loaded.key)).answer, CanClose)


def next_step(work: Work, loaded: Loaded) -> tuple[Next, int]:
    """What to do, and the number of the try. The payment is locked and its order was just said to be unpaid."""
    with connection.cursor() as cursor:
        cursor.execute(_STANDS, [RequestRejected.__name__, work.state.id])
        tries, is_under_way, was_refused = cursor.fetchone()
    if is_under_way or work.state.unknown_since is not None:
        return Next.WAIT, tries
    if was_refused or tries >= MOST_TRIES or not _has_order(work, loaded):
        return Next.EXPIRE, tries
    return Next.CLOSE, tries + 1


def _has_order(work: Work, loaded: Loaded) -> bool:
    gateway = ask(lambda: open_key(loaded.key)).answer
    new = (name for key_id, name in work.new_names if key_id == loaded.key.id)
    known = replace(work.state, sent_reference=loaded.state.sent_reference, references=(*loaded.state.references, *new))
    return isinstance(gateway, CanClose) and gateway.can_close(known.names())


def begin(work: Work, loaded: Loaded, number: int) -> Exchange:
    """The exchange to be written with the fetch's answer. From here on a dead end of this payment is its expiry."""
    state = work.state
    state.closing_since = state.closing_since or clock.now()
    key = f"{state.public_id}:close:{number}"
    return Exchange(
        lab_id=state.lab_id, mode=state.mode, payment_id=state.id, gateway_key_id=loaded.key.id, operation=Operation.CLOSE,
        operation_id=key, idempotency_key=key,
        request={
            "reference": loaded.state.sent_reference, "gateway_reference": state.gateway_reference, "amount": None,
            "currency": state.currency,
        },
    )  # fmt: skip


def begun_part(exchange: Exchange) -> Part:
    return Part("close_recorded", exchanges.INSERT, tuple(exchange.parameters()))


def send(exchange: Exchange) -> PaymentState:
    """Ask for it and apply the answer. What stays unknown is looked up by the sweep, like every unknown outcome."""
    loaded = loading.by_id(exchange.payment_id)
    assert loaded is not None
    crash.point("close_before_call")
    asked = _ask(loaded, exchange)
    crash.point("close_after_call")
    state = transactions.run(lambda: _apply(loaded, exchange, asked))
    crash.point("close_after_apply_commit")
    return state


def _ask(loaded: Loaded, exchange: Exchange) -> Asked:
    if loaded.state.status not in OPEN:  # news came between: there is nothing to end any more
        return Asked(None, RequestRejected(f"the payment is {loaded.state.status} by now: nothing was sent"), 0)
    request = CloseRequest(names=loaded.state.names(), idempotency_key=exchange.idempotency_key)
    return ask(lambda: open_key(loaded.key).close(request))  # type: ignore[attr-defined]


def _apply(loaded: Loaded, exchange: Exchange, asked: Asked) -> PaymentState:
    fact = Fact(
        key=loaded.key.facts, report=asked.answer, cause=Cause(kind=CauseKind.RESPONSE, id=str(exchange.id)),
        payment_id=loaded.state.id, prepare=_before(asked),
    )  # fmt: skip
    apply_reports([fact], wait=True, beside=_closing(loaded, exchange, asked))
    crash.point("close_before_apply_commit")
    assert fact.work is not None
    return fact.work.state


def _closing(loaded: Loaded, exchange: Exchange, asked: Asked) -> Iterator[Part]:
    if asked.error is None:
        yield exchange.closed(Outcome.ANSWERED, report=asked.answer, milliseconds=asked.milliseconds)
        return
    outcome = Outcome.UNKNOWN if isinstance(asked.error, OutcomeUnknown) else Outcome.FAILED
    yield exchange.refused(outcome, asked.error, milliseconds=asked.milliseconds)
    if isinstance(asked.error, GatewayMisconfigured):
        yield problem_part(loaded.key.id, asked.error.reason)


def _before(asked: Asked) -> Callable[[Work], None] | None:
    if isinstance(asked.error, OutcomeUnknown):
        return _note_unknown
    # A refusal is final; look once more, in case it was because money came.
    return _look_again if isinstance(asked.error, RequestRejected) else None


def _note_unknown(work: Work) -> None:
    work.state.unknown_since = clock.now()
    work.state.check_count = 0
    work.state.next_check_at = None


def _look_again(work: Work) -> None:
    work.wants_fetch = work.wants_fetch or work.state.status in OPEN
