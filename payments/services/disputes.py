"""Asking gateways about disputes: those that are open, on a schedule; and one that a payment's own report speaks of.

A dispute's webhook may be lost like any other, and it is money news. The answer replaces what was known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db import connection

from core import clock, crash, transactions
from core.gateways.errors import GatewayMisconfigured
from core.gateways.port import CanFetchDisputes
from core.gateways.types import Attention, DisputeNames, NotFound, Operation, PaymentNames, Report
from payments import loading, schedule
from payments.frame import Fact, apply_reports
from payments.loading import Loaded
from payments.models import PaymentGatewayKey
from payments.services import exchanges
from payments.services.exchanges import Asked, Exchange, ask
from payments.services.keys import KeyRow, key_row_of, open_key, problem_part
from payments.states import CauseKind, Verdict
from payments.work import Cause, DisputeState, Work
from payments.writing import Part

_CLAIM: Final = """
    UPDATE payments_dispute SET next_check_at = clock_timestamp() + interval '120 seconds'
    WHERE id = %s RETURNING payment_id, gateway_key_id, gateway_reference"""


def refresh_dispute(dispute_id: int) -> None:
    """Fetch one dispute and apply what the gateway says. Raises nothing of a gateway's: it is asked again later."""
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [dispute_id])
        row = cursor.fetchone()
    loaded = None if row is None else loading.by_id(row[0])
    if row is None or loaded is None:
        return
    key = _key_of(loaded, row[1])
    crash.point("dispute_fetch_before_call")
    asked = _ask(key, DisputeNames(gateway_reference=row[2], payment=loaded.state.names()))
    crash.point("dispute_fetch_after_call")
    transactions.run(lambda: _apply(loaded.state.id, key, dispute_id, asked))
    crash.point("dispute_fetch_after_apply_commit")


def _key_of(loaded: Loaded, key_id: int) -> KeyRow:
    """The account that told of the dispute, which is another than the payment's where money came twice."""
    if loaded.key.id == key_id:
        return loaded.key
    return key_row_of(PaymentGatewayKey.objects.for_lab(loaded.state.lab_id).get(pk=key_id))


def _ask(key: KeyRow, names: DisputeNames) -> Asked:
    """Answer None without an error: this gateway tells nothing when it is asked."""
    opened = ask(lambda: open_key(key))
    gateway = opened.answer
    if opened.error is not None or not isinstance(gateway, CanFetchDisputes):
        return opened if opened.error is not None else Asked(None, None, 0)
    return ask(lambda: gateway.fetch_dispute(names))


def ask_beside(loaded: Loaded, answer: Any) -> Asked | None:
    """The second question, where a payment's own report says no more than that it is disputed. None: not asked."""
    if not isinstance(answer, Report) or answer.attention is not Attention.DISPUTED:
        return None
    known = loaded.state.names()
    names: PaymentNames = replace(known, gateway_reference=answer.gateway_reference or known.gateway_reference)
    return _ask(loaded.key, DisputeNames(payment=names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of a question, as facts for the frame and parts of its writing statement."""

    key: KeyRow
    payment_id: int
    asked: Asked | None
    exchange: Exchange | None = None
    facts: tuple[Fact, ...] = ()

    @classmethod
    def of(cls, key: KeyRow, payment_id: int, asked: Asked | None, *, dispute_id: int | None = None) -> Told:
        if asked is None:
            return cls(key=key, payment_id=payment_id, asked=None)
        exchange = _exchange(key, payment_id)
        fact = Fact(
            key=key.facts, report=asked.answer if isinstance(asked.answer, Report) else None, payment_id=payment_id,
            cause=Cause(kind=CauseKind.FETCH, id=str(exchange.id)), prepare=lambda _work: None,
            after=lambda work, _verdict: _after(work, dispute_id, asked),
        )  # fmt: skip
        return cls(key=key, payment_id=payment_id, asked=asked, exchange=exchange, facts=(fact,))

    def kept(self) -> Iterator[Part]:
        """The question as a gateway transaction, where its answer changed something; and why a key cannot ask."""
        if self.asked is None or self.exchange is None:
            return
        (fact,) = self.facts
        if fact.report is not None and fact.verdict is Verdict.APPLIED:
            yield exchanges.answered_part(self.exchange, fact.report, self.asked, name="dispute_kept")
        if isinstance(self.asked.error, GatewayMisconfigured):
            yield replace(problem_part(self.key.id, self.asked.error.reason), name="dispute_problem")


def _exchange(key: KeyRow, payment_id: int) -> Exchange:
    blank = Exchange(
        lab_id=key.lab_id, mode=key.mode, payment_id=payment_id, gateway_key_id=key.id, operation=Operation.FETCH_DISPUTE,
        operation_id="", idempotency_key="", request={},
    )  # fmt: skip
    name = f"fetch:{blank.id}"
    return replace(blank, operation_id=name, idempotency_key=name)


def _apply(payment_id: int, key: KeyRow, dispute_id: int, asked: Asked) -> None:
    told = Told.of(key, payment_id, asked, dispute_id=dispute_id)
    apply_reports(told.facts, wait=True, beside=told.kept())
    crash.point("dispute_fetch_before_apply_commit")


def _after(work: Work, dispute_id: int | None, asked: Asked) -> None:
    """Plan the next look also where nothing was learned."""
    if dispute_id is None:  # spoken of by its payment's report; there may be no row yet that could be asked about
        if asked.error is not None:
            work.look_again_at = clock.now() + schedule.DISPUTE_RETRY
        return
    dispute: DisputeState | None = next((one for one in work.disputes if one.id == dispute_id), None)
    if dispute is None:
        return
    dispute.is_changed = True
    if isinstance(asked.answer, NotFound):
        work.add_attention(Attention.GATEWAY_DISAGREES)
