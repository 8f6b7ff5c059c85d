"""A repeated request with the same Idempotency-Key goes on from the last recorded step, and never starts another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction

from core import clock, strict_json
from core.api import idempotency
from core.gateways.errors import OutcomeUnknown
from core.gateways.types import Operation, RefundStatus
from payments import loading, reading, showing
from payments.loading import Loaded
from payments.models import Outcome
from payments.services import errors, exchanges, fetching, initiate, operations, orders, profiles
from payments.services.exchanges import Exchange
from payments.services.initiate import Held, Prepared
from payments.states import FINAL
from payments.work import PaymentState

# "Not found" twice allows one repeat: whoever takes the exchange over for it uses that up.
_OPEN: Final = f"""
    UPDATE payments_paymentgatewaytransaction x SET lease_token = %s, tries = x.tries + 1,
      lease_until = clock_timestamp() + interval '{exchanges.LEASE_SECONDS} seconds',
      not_found_count = CASE WHEN x.not_found_count < 2 THEN x.not_found_count ELSE 0 END,
      not_found_at = CASE WHEN x.not_found_count < 2 THEN x.not_found_at END
    FROM (SELECT id, not_found_count FROM payments_paymentgatewaytransaction WHERE payment_id = %s AND operation = %s
          AND (%s::bigint IS NULL OR refund_id = %s) ORDER BY started_at DESC LIMIT 1) last
    WHERE x.id = last.id AND x.outcome IN ('sent', 'unknown')
    RETURNING x.id, x.operation_id, x.idempotency_key, x.request::text, x.outcome, x.error_class, last.not_found_count,
      x.started_at"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """An operation that an earlier request recorded. `exchange` None: it is closed, and only its answer was lost."""

    loaded: Loaded
    exchange: Exchange | None = None
    outcome: str = ""
    was_refused_unsent: bool = False
    not_found_count: int = 0
    started_at: Any = None
    refund_id: int | None = None

    @property
    def may_repeat(self) -> bool:
        """Whether the same request with the same key can be sent again without a second effect.

        Only while the order lives: nobody could pay it afterwards. Never sent: yes. Else while the gateway remembers
        the key; and where it has no keys, a create after "not found" twice, fifteen minutes apart (INVARIANTS §4).
        """
        if self.loaded.state.is_past_expiry(clock.now()):
            return False
        if self.was_refused_unsent:
            return True
        remembers = self.loaded.key.about.idempotency_seconds
        if remembers is not None and self.started_at is not None:
            return bool(clock.now() - self.started_at < timedelta(seconds=remembers))
        return self.not_found_count >= 2  # fetching._not_found counts the second only when it is late enough


def _unfinished(loaded: Loaded, operation: Operation, refund_id: int | None = None) -> Unfinished:
    """Take over the operation's exchange, in the open transaction."""
    blank = Exchange(
        lab_id=loaded.state.lab_id, mode=loaded.state.mode, payment_id=loaded.state.id, gateway_key_id=loaded.key.id,
        operation=operation, operation_id="", idempotency_key="", request={}, refund_id=refund_id,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_OPEN, [blank.lease_token, loaded.state.id, operation.value, refund_id, refund_id])
        row = cursor.fetchone()
    if row is None:
        return Unfinished(loaded=loaded, refund_id=refund_id)
    exchange = Exchange(
        id=row[0], lease_token=blank.lease_token, lab_id=blank.lab_id, mode=blank.mode, payment_id=blank.payment_id,
        gateway_key_id=blank.gateway_key_id, operation=operation, operation_id=row[1], idempotency_key=row[2],
        request=strict_json.load_object(row[3]), refund_id=refund_id,
    )  # fmt: skip
    return Unfinished(
        loaded=loaded, exchange=exchange, outcome=row[4], was_refused_unsent=row[4] == Outcome.SENT and bool(row[5]),
        not_found_count=row[6], started_at=row[7], refund_id=refund_id,
    )  # fmt: skip


# Initiate -----------------------------------------------------------------------------------------------------------


def find_initiate(held: idempotency.Resume) -> Unfinished:
    loaded = loading.by_id(held.operation_id or 0)
    assert loaded is not None, "the key's row and the payment's were committed together"
    is_charge = loaded.state.profile_id is not None
    return _unfinished(loaded, Operation.CHARGE_SAVED if is_charge else Operation.INITIATE)


def send_initiate(recorded: Prepared | Unfinished, held: Held) -> dict[str, Any]:
    """Send a new order, or finish an old one; the payment as the API shows it."""
    if isinstance(recorded, Prepared):
        return orders.shown(initiate.send(recorded, held=held))
    if recorded.exchange is None:
        return _answered(recorded.loaded.state, held)
    if recorded.loaded.state.is_final:  # a webhook or the sweep knows by now what the answer would have told
        _give_back(recorded)
        return _answered(recorded.loaded.state, held)
    if not recorded.may_repeat:
        return _looked_up(recorded, held)
    return orders.shown(initiate.send(prepared_again(recorded), held=held))


def prepared_again(recorded: Unfinished) -> Prepared:
    """The recorded order, built again from its row: the same request to the byte."""
    loaded = recorded.loaded
    assert recorded.exchange is not None
    token = orders.page_token(loaded.state)
    request = orders.build_request(loaded.state, loaded.key, loaded.parts, token)
    return Prepared(
        state=loaded.state,
        key=loaded.key,
        exchange=recorded.exchange,
        request=request,
        parts=loaded.parts,
        saved=profiles.saved_of(loaded.state.profile_id) if loaded.state.profile_id is not None else None,
    )


def _looked_up(recorded: Unfinished, held: Held) -> dict[str, Any]:
    """Neither sent again nor guessed: asked for. Still unknown: 504 as before."""
    _give_back(recorded)
    state = fetching.refresh(recorded.loaded.state.id, not_within_seconds=0) or recorded.loaded.state
    if state.unknown_since is None and (state.is_acknowledged or state.status in FINAL):
        return _answered(state, held)
    with connection.cursor() as cursor:
        idempotency.let_go(cursor, held)
    error = OutcomeUnknown("the gateway has not told yet what became of the first try")
    raise errors.OutcomeNotKnown(error, members={"payment": state.public_id})


def _give_back(recorded: Unfinished) -> None:
    """Nothing is sent under this lease, so it must not look like the work of a process that died."""
    assert recorded.exchange is not None
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_paymentgatewaytransaction SET lease_token = NULL, lease_until = NULL"
            " WHERE id = %s AND lease_token = %s",
            [recorded.exchange.id, recorded.exchange.lease_token],
        )


def _answered(state: PaymentState, held: Held) -> dict[str, Any]:
    """The work was done and its answer never stored: store it now."""
    shown = orders.shown(state)
    with transaction.atomic(), connection.cursor() as cursor:
        idempotency.finish(cursor, held, status=201, body=strict_json.dumps(shown))
    return shown


# Capture and void ---------------------------------------------------------------------------------------------------


def find_operation(loaded: Loaded, verb: str) -> Unfinished | None:
    """An operation still under way, or one that reached its end; None where it must be recorded (again)."""
    found = _unfinished(loaded, Operation(verb))
    return found if found.exchange is not None or loaded.state.status in FINAL else None


def send_or_look(recorded: Any, held: Held, send: Callable[..., PaymentState]) -> PaymentState:
    """Send a new operation; look an old one up, since a repeat could take money twice at some gateways."""
    if isinstance(recorded, operations.Recorded):
        return send(recorded, held=held)
    state = fetching.refresh(recorded.loaded.state.id, not_within_seconds=0) or recorded.loaded.state
    with transaction.atomic(), connection.cursor() as cursor:
        idempotency.finish(cursor, held, status=200, body=strict_json.dumps(orders.shown(state)))
    return state


# Refund -------------------------------------------------------------------------------------------------------------


def find_refund(
    held: idempotency.Resume, loaded: Loaded, amount: int | None, reason: str, reference: str
) -> operations.Recorded | Unfinished:
    """The refund that the key began. One that was never sent was cancelled: then it is recorded anew."""
    refund = reading.refund(held.operation_id or 0)
    if refund is not None and refund.status is not RefundStatus.CANCELLED:
        return _unfinished(loaded, Operation.REFUND, refund.id)
    recorded = operations.record_refund(loaded=loaded, amount=amount, reason=reason, merchant_reference=reference)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE core_idempotencykey SET operation_id = %s WHERE id = %s", [recorded.refund_id, held.row_id]
        )
    return recorded


def send_refund(recorded: operations.Recorded | Unfinished, held: Held) -> dict[str, Any]:
    """Send a new refund; look an old one up. The refund as the API shows it."""
    if isinstance(recorded, operations.Recorded):
        return operations.send_refund(recorded, held=held)
    assert recorded.refund_id is not None
    if recorded.exchange is not None:
        fetching.refresh_refund(recorded.refund_id)
    refund = reading.refund(recorded.refund_id)
    assert refund is not None
    shown = showing.refund(recorded.loaded.state, refund)
    with transaction.atomic(), connection.cursor() as cursor:
        idempotency.finish(cursor, held, status=201, body=strict_json.dumps(shown))
    return shown
