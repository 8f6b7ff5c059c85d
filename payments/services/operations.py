"""Capture, void and refund: record, commit, ask, apply. An unknown outcome is answered like one that comes later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db import connection

from core import clock, crash, ids, strict_json, transactions
from core.api import idempotency, problems
from core.errors import DomainError, NotFound
from core.gateways.errors import GatewayError, GatewayMisconfigured, OutcomeUnknown, RequestRejected
from core.gateways.port import CanCapture, CanRefund, CanVoid, Gateway
from core.gateways.references import fit_reference
from core.gateways.types import (
    CaptureRequest,
    Decline,
    Mode,
    Operation,
    PaymentStatus,
    RefundRequest,
    RefundStatus,
    Report,
    VoidRequest,
)
from core.money import Money
from payments import fold_refund, loading, showing
from payments.frame import Fact, apply_reports
from payments.loading import Loaded
from payments.models import Outcome
from payments.services import errors, exchanges, fetching, initiate, orders
from payments.services.exchanges import Asked, Exchange, ask
from payments.services.initiate import Held
from payments.services.keys import open_key, problem_part
from payments.states import OPEN, CauseKind
from payments.work import Cause, PaymentState, RefundState, Work
from payments.writing import Part

S = PaymentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An operation on a payment, committed, not yet sent."""

    loaded: Loaded
    exchange: Exchange
    amount: Money | None = None
    refund_id: int | None = None
    refund_public_id: str = ""
    refund_reference: str = ""
    reason: str = ""


def load(public_id: str, *, lab_id: int, mode: Mode) -> Loaded:
    """The payment, with unknown outcomes looked up first (INVARIANTS §4). Raises NotFound."""
    loaded = loading.by_public_id(public_id, lab_id=lab_id, mode=mode)
    if loaded is None:
        raise NotFound
    if loaded.state.unknown_since is not None and fetching.refresh(loaded.state.id) is not None:
        loaded = loading.by_public_id(public_id, lab_id=lab_id, mode=mode) or loaded
    return loaded


# Capture and void ---------------------------------------------------------------------------------------------------


_LOCK: Final = "SELECT 1 FROM payments_payment WHERE id = %s FOR NO KEY UPDATE"
# A statement of its own: one that waits for a lock goes on seeing the other rows as they were when it began.
_STANDS: Final = """
    SELECT p.status, p.authorized, p.amount, p.capture_asked, p.captured, p.refund_reserved,
      EXISTS (SELECT 1 FROM payments_paymentgatewaytransaction x WHERE x.payment_id = p.id AND x.refund_id IS NULL
              AND x.operation IN ('capture', 'void', 'close') AND x.outcome IN ('sent', 'unknown')),
      (SELECT count(*) FROM payments_paymentgatewaytransaction x WHERE x.payment_id = p.id
              AND x.operation IN ('capture', 'void'))
    FROM payments_payment p WHERE p.id = %s"""


def record_capture(*, loaded: Loaded, amount: int | None) -> Recorded:
    """Note what is to be captured, in the open transaction. Raises WrongState, OperationInFlight, OperationUnsupported."""
    _gateway(loaded, CanCapture, "capture")
    status, authorized, asked, _capture_asked, _captured, _reserved, in_flight, count = _locked(loaded)
    if status != S.AUTHORIZED:
        raise errors.WrongState(f"Only an authorized payment can be captured; this one is {status}.")
    if in_flight:
        raise errors.OperationInFlight
    wanted = int(authorized or asked) if amount is None else amount
    if wanted > int(authorized or asked):
        raise errors.WrongState(f"At most {int(authorized or asked)} {loaded.state.currency} (minor units) is held.")
    money = Money(wanted, loaded.state.currency)
    exchange = _exchange(loaded, Operation.CAPTURE, f"{loaded.state.public_id}:capture:{count + 1}", money)
    _insert(exchange, "UPDATE payments_payment SET capture_asked = %s WHERE id = %s", [wanted, loaded.state.id])
    return Recorded(loaded=loaded, exchange=exchange, amount=money)


def record_void(*, loaded: Loaded) -> Recorded:
    """Note that the hold (or the unpaid order) is to be released, in the open transaction."""
    _gateway(loaded, CanVoid, "void")
    status, _authorized, _amount, _asked, _captured, _reserved, in_flight, count = _locked(loaded)
    if status not in {S.AUTHORIZED, *OPEN}:
        raise errors.WrongState(f"Only an open or authorized payment can be voided; this one is {status}.")
    if in_flight:
        raise errors.OperationInFlight
    exchange = _exchange(loaded, Operation.VOID, f"{loaded.state.public_id}:void:{count + 1}", None)
    _insert(exchange)
    return Recorded(loaded=loaded, exchange=exchange)


def _locked(loaded: Loaded) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [loaded.state.id])
        cursor.execute(_STANDS, [loaded.state.id])
        return tuple(cursor.fetchone())


def _insert(exchange: Exchange, also: str = "", parameters: list[Any] | None = None) -> None:
    sql = f"WITH also AS ({also}) {exchanges.INSERT}" if also else exchanges.INSERT
    with connection.cursor() as cursor:
        cursor.execute(sql, [*(parameters or []), *exchange.parameters()])


def _exchange(loaded: Loaded, operation: Operation, key: str, money: Money | None, **more: Any) -> Exchange:
    state = loaded.state
    return Exchange(
        lab_id=state.lab_id, mode=state.mode, payment_id=state.id, gateway_key_id=loaded.key.id, operation=operation,
        operation_id=key, idempotency_key=key,
        request={
            "reference": state.sent_reference, "gateway_reference": state.gateway_reference,
            "amount": None if money is None else money.minor, "currency": state.currency,
        },
        **more,
    )  # fmt: skip


def _gateway(loaded: Loaded, ability: type, verb: str) -> Gateway:
    gateway = open_key(loaded.key)
    if not isinstance(gateway, ability):
        raise errors.OperationUnsupported(loaded.key.about.label, verb)
    return gateway


def send_capture(recorded: Recorded, *, held: Held | None) -> PaymentState:
    """Ask for it and apply the answer. Unknown: the payment as it stands, looked up by itself later."""
    request = CaptureRequest(
        names=recorded.loaded.state.names(), amount=_amount(recorded), idempotency_key=recorded.exchange.idempotency_key,
        reference=_follow_up_reference(recorded),
    )  # fmt: skip
    return _send(recorded, "capture", lambda gateway: gateway.capture(request), held)


def send_void(recorded: Recorded, *, held: Held | None) -> PaymentState:
    request = VoidRequest(
        names=recorded.loaded.state.names(), idempotency_key=recorded.exchange.idempotency_key,
        reference=_follow_up_reference(recorded),
    )  # fmt: skip
    return _send(recorded, "void", lambda gateway: gateway.void(request), held)


def _amount(recorded: Recorded) -> Money:
    assert recorded.amount is not None
    return recorded.amount


def _follow_up_reference(recorded: Recorded) -> str:
    """A fresh name of ours for this operation: several gateways refuse one that was used before."""
    name, _, count = recorded.exchange.idempotency_key.rpartition(":")
    return fit_reference(name.replace(":", "-"), int(count), recorded.loaded.key.about.reference)


def _send(recorded: Recorded, verb: str, call: Callable[[Any], Report], held: Held | None) -> PaymentState:
    crash.point(f"{verb}_before_call")
    asked = ask(lambda: call(open_key(recorded.loaded.key)))
    crash.point(f"{verb}_after_call")
    error = asked.error
    if error is None or isinstance(error, OutcomeUnknown):
        return _apply_payment(recorded, asked, held)
    raise _refused(recorded, asked, error, held)


def _apply_payment(recorded: Recorded, asked: Asked, held: Held | None) -> PaymentState:
    verb = recorded.exchange.operation.value

    def body() -> PaymentState:
        fact = Fact(
            key=recorded.loaded.key.facts, report=asked.answer, cause=_cause(recorded),
            payment_id=recorded.loaded.state.id, prepare=_before(asked),
        )  # fmt: skip

        def beside() -> Iterator[Part]:
            yield _closing(recorded, asked)
            assert fact.work is not None
            if held is not None:
                yield initiate.answer_part(held, 200, strict_json.dumps(orders.shown(fact.work.state)))

        apply_reports([fact], wait=True, beside=beside())
        crash.point(f"{verb}_before_apply_commit")
        assert fact.work is not None
        return fact.work.state

    state = transactions.run(body)
    crash.point(f"{verb}_after_apply_commit")
    return state


def _closing(recorded: Recorded, asked: Asked) -> Part:
    if asked.error is not None:
        return recorded.exchange.refused(Outcome.UNKNOWN, asked.error, milliseconds=asked.milliseconds)
    outcome = Outcome.DECLINED if _is_declined(asked) else Outcome.ANSWERED
    return recorded.exchange.closed(outcome, report=asked.answer, milliseconds=asked.milliseconds)


def _is_declined(asked: Asked) -> bool:
    """A capture or void that the gateway took and the bank refused: a result, and the payment stands as before."""
    return asked.error is None and asked.answer.decline is not None and asked.answer.status is None


def _before(asked: Asked) -> Callable[[Work], None] | None:
    if asked.error is not None:
        return _note_unknown
    return _note_declined(asked.answer) if _is_declined(asked) else None


def _note_declined(report: Report) -> Callable[[Work], None]:
    def prepare(work: Work) -> None:
        work.state.capture_asked = None
        work.state.decline = report.decline

    return prepare


def _note_unknown(work: Work) -> None:
    work.state.unknown_since = clock.now()
    work.state.check_count = 0
    work.state.next_check_at = None


def _refused(recorded: Recorded, asked: Asked, error: GatewayError, held: Held | None) -> DomainError:
    """Nothing moved: close the exchange, forget what was asked, tell the caller."""

    def forget(work: Work) -> None:
        work.state.capture_asked = None

    told = _told(error, {"payment": recorded.loaded.state.public_id})
    return _record_refusal(recorded, asked, error, held, told, forget)


def _record_refusal(
    recorded: Recorded,
    asked: Asked,
    error: GatewayError,
    held: Held | None,
    told: DomainError,
    prepare: Callable[[Work], None],
) -> DomainError:
    """Write down an operation that provably did nothing. A 4xx is the stored answer; after a 5xx the caller repeats."""

    def unless_taken_over(work: Work) -> None:
        if exchanges.is_held(recorded.exchange):  # else what is asked for now was asked for by somebody else
            prepare(work)

    def body() -> None:
        parts = [recorded.exchange.refused(Outcome.FAILED, error, milliseconds=asked.milliseconds)]
        if isinstance(error, GatewayMisconfigured):
            parts.append(problem_part(recorded.loaded.key.id, error.reason))
        if held is not None and told.status < 500:
            parts.append(initiate.answer_part(held, told.status, problems.body_of(told)))
        fact = Fact(
            key=recorded.loaded.key.facts,
            report=None,
            cause=_cause(recorded),
            payment_id=recorded.loaded.state.id,
            prepare=unless_taken_over,
        )
        apply_reports([fact], wait=True, beside=parts)

    transactions.run(body)
    if held is not None and told.status >= 500:
        with connection.cursor() as cursor:
            idempotency.let_go(cursor, held)
    return told


def _told(error: GatewayError, members: dict[str, Any]) -> DomainError:
    if isinstance(error, RequestRejected):
        return errors.GatewayRejected(error, members=members)
    if isinstance(error, GatewayMisconfigured):
        return errors.GatewayNotSetUp(error, members=members)
    return errors.GatewayGone(error, members=members)


def _cause(recorded: Recorded) -> Cause:
    return Cause(kind=CauseKind.RESPONSE, id=str(recorded.exchange.id))


# Refund -------------------------------------------------------------------------------------------------------------


_RESERVE: Final = f"""
    WITH reserved AS (
      UPDATE payments_payment SET refund_reserved = refund_reserved + %s WHERE id = %s RETURNING id
    ), refund AS (
      INSERT INTO payments_refund (id, public_id, lab_id, mode, payment_id, gateway_key_id, merchant_reference,
        sent_reference, currency, amount, reason, next_check_at)
      SELECT coalesce(%s, nextval('payments_refund_id_seq')), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,
        clock_timestamp() + interval '{exchanges.LEASE_SECONDS} seconds' FROM reserved RETURNING id
    ), name AS (
      INSERT INTO payments_gatewayreference (lab_id, mode, gateway_key_id, payment_id, reference, is_ours, is_refund)
      SELECT %s, %s, %s, %s, %s, true, true FROM refund
    ), exchange AS (
      INSERT INTO payments_paymentgatewaytransaction (id, lab_id, mode, payment_id, refund_id, gateway_key_id, operation,
        operation_id, idempotency_key, request, request_hash, lease_token, lease_until)
      SELECT %s, %s, %s, %s, id, %s, %s, %s, %s, %s::jsonb, %s, %s,
        clock_timestamp() + interval '{exchanges.LEASE_SECONDS} seconds' FROM refund
    ) SELECT id FROM refund"""  # noqa: S608


def record_refund(
    *, loaded: Loaded, amount: int | None, reason: str, merchant_reference: str, refund_id: int | None = None
) -> Recorded:
    """Reserve the amount and note the refund, in the open transaction. Raises NotRefundable or RefundTooLarge."""
    _gateway(loaded, CanRefund, "refund")
    status, _authorized, _wanted, _asked, captured, reserved, *_ = _locked(loaded)
    state = loaded.state
    refundable = int(captured - reserved)
    if status != S.CAPTURED:
        raise errors.NotRefundable(f"Only a captured payment can be refunded; this one is {status}.")
    wanted = refundable if amount is None else amount
    if wanted > refundable or wanted == 0:
        raise errors.RefundTooLarge(refundable, state.currency)
    public_id = ids.public_id("RF")
    reference = fit_reference(public_id, 1, loaded.key.about.reference)
    money = Money(wanted, state.currency)
    exchange = _exchange(loaded, Operation.REFUND, f"{public_id}:refund", money)
    values = exchange.parameters()
    with connection.cursor() as cursor:
        cursor.execute(_RESERVE, [
            wanted, state.id,
            refund_id, public_id, state.lab_id, state.mode.value, state.id, loaded.key.id, merchant_reference, reference,
            state.currency, wanted, reason,
            state.lab_id, state.mode.value, loaded.key.id, state.id, reference,
            *values[:4], *values[5:],
        ])  # fmt: skip
        new_id = cursor.fetchone()[0]
    return Recorded(
        loaded=loaded, exchange=replace(exchange, refund_id=new_id), amount=money, refund_id=new_id,
        refund_public_id=public_id, refund_reference=reference, reason=reason,
    )  # fmt: skip


def send_refund(recorded: Recorded, *, held: Held | None) -> dict[str, Any]:
    """Ask for it and apply the answer; the refund as the API shows it. Unknown: pending, looked up by itself later."""
    request = RefundRequest(
        names=recorded.loaded.state.names(), reference=recorded.refund_reference, amount=_amount(recorded),
        idempotency_key=recorded.exchange.idempotency_key, reason=recorded.reason or None,
        webhook_url=recorded.loaded.key.webhook_url(),
    )  # fmt: skip
    crash.point("refund_before_call")
    asked = ask(lambda: open_key(recorded.loaded.key).refund(request))  # type: ignore[attr-defined]
    crash.point("refund_after_call")
    error = asked.error
    if error is None or isinstance(error, OutcomeUnknown):
        return _apply_refund(recorded, asked, held)
    raise _refund_refused(recorded, asked, error, held)


def _apply_refund(recorded: Recorded, asked: Asked, held: Held | None) -> dict[str, Any]:
    report = None if asked.answer is None else fetching.about_ours(asked.answer, recorded.refund_reference)

    def prepare(work: Work) -> None:
        refund = _of(work, recorded)
        refund.is_changed = True
        if asked.error is not None:
            refund.unknown_since, refund.pending_reason = clock.now(), "outcome_unknown"

    def body() -> dict[str, Any]:
        fact = Fact(key=recorded.loaded.key.facts, report=report, cause=_cause(recorded),
                    payment_id=recorded.loaded.state.id, prepare=prepare)  # fmt: skip
        answer: dict[str, Any] = {}

        def beside() -> Iterator[Part]:
            assert fact.work is not None
            answer.update(showing.refund(fact.work.state, _of(fact.work, recorded)))
            yield _closing(recorded, asked)
            if held is not None:
                yield initiate.answer_part(held, 201, strict_json.dumps(answer))
            crash.point("refund_before_apply_commit")

        apply_reports([fact], wait=True, beside=beside())
        return answer

    answer = transactions.run(body)
    crash.point("refund_after_apply_commit")
    return answer


def _of(work: Work, recorded: Recorded) -> RefundState:
    return next(refund for refund in work.refunds if refund.id == recorded.refund_id)


def _refund_refused(recorded: Recorded, asked: Asked, error: GatewayError, held: Held | None) -> DomainError:
    """Rejected: failed. Never sent: cancelled, so that a repeat is a new refund. Either way nothing stays reserved."""
    to = RefundStatus.FAILED if isinstance(error, RequestRejected) else RefundStatus.CANCELLED

    def end(work: Work) -> None:
        decline = Decline(code=error.code or "rejected", gateway_code=error.gateway_code, message=error.reason)
        fold_refund.end_unsent(work, _of(work, recorded), to, decline, now=clock.now())

    members = {"payment": recorded.loaded.state.public_id, "refund": recorded.refund_public_id}
    return _record_refusal(recorded, asked, error, held, _told(error, members), end)
