"""Initiate: record the wish, commit, ask the gateway, apply its answer. Two commits, no HTTP inside either."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from django.db import IntegrityError, connection

from core import clock, crash, ids, labs, strict_json, transactions
from core.api import idempotency, problems
from core.encryption import seal
from core.errors import DomainError
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.gateways.port import CanSaveMethods
from core.gateways.types import (
    ChargeRequest,
    Decline,
    Mode,
    Operation,
    PaymentRequest,
    PaymentStatus,
    Report,
    SavedMethod,
)
from core.hashing import keyed_hash
from payments import fold, health
from payments.frame import Fact, apply_reports
from payments.models import Outcome
from payments.saving import customer_token_of
from payments.services import errors, exchanges, routing
from payments.services.exchanges import Asked, Exchange, ask, is_held
from payments.services.keys import KeyRow, open_key, problem_part
from payments.services.orders import (
    PAGE_PURPOSE,
    Order,
    build_request,
    new_state,
    order_parts,
    page_place,
    page_token,
    shown,
)
from payments.states import CauseKind, Verdict
from payments.work import Cause, PaymentState, Work
from payments.writing import Part

ROUTE: Final = "/payments/initiate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A recorded payment, ready for its call."""

    state: PaymentState
    key: KeyRow
    exchange: Exchange
    request: PaymentRequest
    parts: dict[str, Any]
    others: tuple[KeyRow, ...] = ()  # who else could take it, in order
    saved: SavedMethod | None = None  # charged while the customer is away


Held = idempotency.Started | idempotency.Resume


# Step 1: record -----------------------------------------------------------------------------------------------------


_CREATE: Final = """
    WITH payment AS (
      INSERT INTO payments_payment (id, public_id, lab_id, mode, merchant_reference, purpose, currency, amount, tax, delivery,
        customer_id, billing, customer_ip, description, metadata, return_url, gateway_key_id, gateway, capture_mode,
        presentation, pay_currency, wants_saved, profile_id, link_id, holds_link_use, page_token_hash, page_token_sealed,
        expires_at, created_at)
      VALUES (coalesce(%s, nextval('payments_payment_id_seq')), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s,
        %s::jsonb, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
      RETURNING id, lab_id, mode, gateway_key_id
    ), history AS (
      INSERT INTO payments_paymenttransition (lab_id, mode, payment_id, seq, from_status, to_status, cause, cause_id, at)
      SELECT lab_id, mode, id, 1, NULL, 'pending', 'api', %s, %s FROM payment
    ), name AS (
      INSERT INTO payments_gatewayreference (lab_id, mode, gateway_key_id, payment_id, reference, is_ours)
      SELECT lab_id, mode, gateway_key_id, id, %s, true FROM payment
    ), exchange AS (
      INSERT INTO payments_paymentgatewaytransaction (id, lab_id, mode, payment_id, refund_id, gateway_key_id, operation,
        operation_id, idempotency_key, request, request_hash, lease_token, lease_until)
      SELECT %s, %s, %s, id, %s, %s, %s, %s, %s, %s::jsonb, %s, %s, clock_timestamp() + interval '120 seconds' FROM payment
    ) SELECT id FROM payment"""


def record(*, lab_id: int, mode: Mode, order: Order, payment_id: int | None = None) -> Prepared:
    """Write the wish and what will be asked, in the open transaction: two to four statements.

    Raises NoGateway, or ReferenceInUse where another live payment has the merchant reference.
    """
    now = clock.now()
    customer_id = order.profile.customer_id if order.profile else _customer_id(lab_id, order)
    key, *others = _candidates(lab_id, mode, order)
    state = new_state(lab_id, mode, order, key, customer_id, now)
    token = ids.token()
    state.page_token_sealed = seal(lab_id, page_place(state), token)
    parts = order_parts(order)
    request = build_request(state, key, parts, token)
    exchange = _exchange(state, key, request, is_charge=order.profile is not None)
    parameters = [
        payment_id, state.public_id, lab_id, mode.value, state.merchant_reference, state.purpose, state.currency,
        state.amount, order.tax, order.delivery, customer_id, strict_json.dumps(parts), order.customer_ip,
        state.description, strict_json.dumps(state.metadata), state.return_url, key.id, key.gateway, state.capture_mode,
        order.presentation.value, order.pay_currency, state.wants_saved, state.profile_id, order.link_id, order.link_id is not None,
        keyed_hash(PAGE_PURPOSE, token), state.page_token_sealed, state.expires_at, now,
        str(exchange.id), now, request.reference, *_without_payment(exchange),
    ]  # fmt: skip
    try:
        with connection.cursor() as cursor:
            cursor.execute(_CREATE, parameters)
            state.id = cursor.fetchone()[0]
    except IntegrityError as error:
        raise _named(error) from error
    return Prepared(
        state=state,
        key=key,
        exchange=exchange,
        request=request,
        parts=parts,
        others=tuple(others),
        saved=order.profile.saved if order.profile else None,
    )


def _candidates(lab_id: int, mode: Mode, order: Order) -> list[KeyRow]:
    """Who is asked, in order. A saved method works with the key that saved it and no other."""
    found = list(routing.route(lab_id=lab_id, mode=mode, gateway=order.gateway, wish=order.wish).keys)
    if order.profile is None:
        return found
    only = [key for key in found if key.id == order.profile.gateway_key_id]
    if not only:
        raise errors.NoGateway([{"reason": "the gateway key of this saved method cannot take this payment now"}])
    return only


def _without_payment(exchange: Exchange) -> list[Any]:
    values = exchange.parameters()
    return values[:3] + values[4:]


def _named(error: IntegrityError) -> Exception:
    diagnosis = getattr(error.__cause__, "diag", None)
    if getattr(diagnosis, "constraint_name", "") == "payments_payment_one_live_reference":
        return errors.ReferenceInUse(None)
    return error


def _customer_id(lab_id: int, order: Order) -> int | None:
    customer = order.customer
    if customer is None:
        return None
    return labs.upsert_customer(
        lab=lab_id, external_id=customer.id or "", name=customer.name or "", email=customer.email or "",
        phone=customer.phone or "",
    )  # fmt: skip


def _exchange(state: PaymentState, key: KeyRow, request: PaymentRequest, *, is_charge: bool = False) -> Exchange:
    return Exchange(
        lab_id=state.lab_id, mode=state.mode, payment_id=state.id, gateway_key_id=key.id,
        operation=Operation.CHARGE_SAVED if is_charge else Operation.INITIATE,
        operation_id=request.idempotency_key, idempotency_key=request.idempotency_key,
        request={
            "reference": request.reference, "amount": state.amount, "currency": state.currency,
            "capture": state.capture_mode, "pay_currency": request.pay_currency,
            "description": request.description,
        },
    )  # fmt: skip


# Steps 2 and 3: ask, apply ------------------------------------------------------------------------------------------


def send(prepared: Prepared, *, held: Held | None) -> PaymentState:
    """Ask the gateway and apply what it says; go on to the next that could take it where nothing can have happened.

    No transaction may be open. Raises GatewayRejected, GatewayGone, GatewayNotSetUp or OutcomeNotKnown, each after the
    state was recorded.
    """
    while True:
        crash.point("initiate_before_call")
        asked = ask(_call(prepared))
        crash.point("initiate_after_call")
        health.note(prepared.key.id, asked.error)
        if asked.error is None:
            return record_answer(prepared, asked, asked.answer, held)
        if not prepared.others or not _may_go_on(prepared, asked.error):
            raise record_error(prepared, asked, asked.error, held)
        prepared = record_next_try(prepared, asked, asked.error)


def _call(prepared: Prepared) -> Callable[[], Report]:
    def call() -> Report:
        gateway = open_key(prepared.key)
        if prepared.saved is None:
            return gateway.initiate(_with_known_customer(prepared))
        if not isinstance(gateway, CanSaveMethods):
            raise RequestRejected(f"{prepared.key.gateway} cannot charge saved methods")
        return gateway.charge_saved(ChargeRequest(payment=prepared.request, saved=prepared.saved))

    return call


def _with_known_customer(prepared: Prepared) -> PaymentRequest:
    """Where a method is to be saved, it is saved under the name that this customer already has at this account."""
    state, request = prepared.state, prepared.request
    if not request.save_method or state.customer_id is None:
        return request
    token = customer_token_of(
        lab_id=state.lab_id, gateway_key_id=prepared.key.id, customer_id=state.customer_id, before=state.created_at
    )
    return replace(request, customer_token=token)


def _may_go_on(prepared: Prepared, error: GatewayError) -> bool:
    """Only where no money can move by this try: never sent, refused, or an order that provably nobody ever received."""
    if isinstance(error, (GatewayUnavailable, GatewayMisconfigured, RequestRejected)):
        return True
    return isinstance(error, OutcomeUnknown) and prepared.key.about.abandons_unanswered and prepared.saved is None


_NEXT_TRY: Final = f"""
    WITH closed AS (
      UPDATE payments_paymentgatewaytransaction SET outcome = %s, error_class = %s, error = %s, duration_ms = %s,
        lease_token = NULL, lease_until = NULL, finished_at = CASE WHEN %s THEN clock_timestamp() END
      WHERE id = %s AND lease_token = %s AND outcome IN ('sent', 'unknown') RETURNING id
    ), moved AS (
      UPDATE payments_payment SET try_number = %s, gateway_key_id = %s, gateway = %s, updated_at = clock_timestamp()
      WHERE id = %s AND status = 'pending' AND EXISTS (SELECT 1 FROM closed) RETURNING id
    ), name AS (
      INSERT INTO payments_gatewayreference (lab_id, mode, gateway_key_id, payment_id, reference, is_ours)
      SELECT %s, %s, %s, id, %s, true FROM moved
    ), exchange AS (
      INSERT INTO payments_paymentgatewaytransaction (id, lab_id, mode, payment_id, refund_id, gateway_key_id, operation,
        operation_id, idempotency_key, request, request_hash, lease_token, lease_until)
      SELECT %s, %s, %s, id, %s, %s, %s, %s, %s, %s::jsonb, %s, %s,
        clock_timestamp() + interval '{exchanges.LEASE_SECONDS} seconds' FROM moved
    ) SELECT id FROM moved"""  # noqa: S608 - only our own number of seconds


def record_next_try(prepared: Prepared, asked: Asked, error: GatewayError) -> Prepared:
    """Close this try and record the next, with a reference and a key of its own, in one commit before the next call.

    The first reference stays: late money on it still finds the payment.
    """
    key, *others = prepared.others
    state = replace(
        prepared.state,
        try_number=prepared.state.try_number + 1,
        gateway=key.gateway,
        gateway_key_id=key.id,
        account=key.account,
    )
    request = build_request(state, key, prepared.parts, page_token(state))
    exchange = _exchange(state, key, request)
    is_unknown = isinstance(error, OutcomeUnknown)
    outcome = Outcome.UNKNOWN if is_unknown else Outcome.FAILED
    old = prepared.exchange

    def body() -> None:
        with connection.cursor() as cursor:
            cursor.execute(_NEXT_TRY, [
                outcome.value, type(error).__name__, error.reason[:500], asked.milliseconds, not is_unknown, old.id,
                old.lease_token, state.try_number, key.id, key.gateway, state.id,
                state.lab_id, state.mode.value, key.id, request.reference, *_without_payment(exchange),
            ])  # fmt: skip
            if cursor.fetchone() is None:
                raise errors.WrongState("The payment went on by itself meanwhile; read its status.")

    transactions.run(body)
    crash.point("initiate_after_next_try_commit")
    return replace(prepared, state=state, key=key, exchange=exchange, request=request, others=tuple(others))


def record_answer(prepared: Prepared, asked: Asked, report: Report, held: Held | None) -> PaymentState:
    declined = report.decline is not None and report.status is PaymentStatus.FAILED
    outcome = Outcome.DECLINED if declined else Outcome.ANSWERED

    def body() -> PaymentState:
        fact = Fact(key=prepared.key.facts, report=report, cause=_cause(prepared), payment_id=prepared.state.id,
                    prepare=_known_now)  # fmt: skip

        def beside() -> Iterator[Part]:
            yield prepared.exchange.closed(outcome, report=report, milliseconds=asked.milliseconds)
            assert fact.work is not None
            if held is not None:
                yield answer_part(held, 201, strict_json.dumps(shown(fact.work.state)))
            crash.point("initiate_before_apply_commit")

        apply_reports([fact], wait=True, beside=beside())
        assert fact.work is not None
        return fact.work.state

    state = transactions.run(body)
    crash.point("initiate_after_apply_commit")
    return state


def record_error(prepared: Prepared, asked: Asked, error: GatewayError, held: Held | None) -> DomainError:
    """Write down what an error means for the payment; returns what the caller is told."""
    members = {"payment": prepared.state.public_id}
    if isinstance(error, RequestRejected):
        told: DomainError = errors.GatewayRejected(error, members=members)
        _apply_error(prepared, asked, error, Outcome.FAILED, _reject(prepared, error), held, told)
    elif isinstance(error, OutcomeUnknown):
        told = errors.OutcomeNotKnown(error, members=members)
        _apply_error(prepared, asked, error, Outcome.UNKNOWN, _unknown, None, told)
    else:
        kind = errors.GatewayNotSetUp if isinstance(error, GatewayMisconfigured) else errors.GatewayGone
        told = kind(error, members=members)
        # Nothing was sent: the exchange stays open for a repeat with the same key, for the life of the order. What an
        # earlier try left unknown stays so.
        outcome = Outcome.SENT if prepared.state.unknown_since is None else Outcome.UNKNOWN
        _apply_error(prepared, asked, error, outcome, None, None, told)
    if held is not None and told.status >= 500:
        with connection.cursor() as cursor:
            idempotency.let_go(cursor, held)
    return told


def _apply_error(prepared: Prepared, asked: Asked, error: GatewayError, outcome: Outcome, prepare: Any,
                 held: Held | None, told: DomainError) -> None:  # fmt: skip
    def unless_taken_over(work: Work) -> None:
        if not is_held(prepared.exchange):  # what the repeat heard is newer than our trouble
            raise idempotency.InProgress(retry_after_seconds=2)
        if prepare is not None:
            prepare(work)

    def body() -> None:
        parts = [prepared.exchange.refused(outcome, error, milliseconds=asked.milliseconds)]
        if isinstance(error, GatewayMisconfigured):
            parts.append(problem_part(prepared.key.id, error.reason))
        if held is not None:
            parts.append(answer_part(held, told.status, problems.body_of(told)))
        fact = Fact(key=prepared.key.facts, report=None, cause=_cause(prepared), payment_id=prepared.state.id,
                    prepare=unless_taken_over)  # fmt: skip
        apply_reports([fact], wait=True, beside=parts)
        crash.point("initiate_before_error_commit")

    transactions.run(body)
    crash.point("initiate_after_error_commit")


def _reject(prepared: Prepared, error: GatewayError) -> Any:
    def prepare(work: Work) -> None:
        if fold.fail_by_us(work, _cause(prepared), now=clock.now()) is Verdict.APPLIED:
            work.state.decline = Decline(
                code=error.code or "rejected", gateway_code=error.gateway_code, message=error.reason
            )

    return prepare


def _unknown(work: Work) -> None:
    if work.state.unknown_since is None:
        work.state.unknown_since = clock.now()
        work.state.check_count = 0
        work.state.next_check_at = None


def _known_now(work: Work) -> None:
    work.state.unknown_since = None


def _cause(prepared: Prepared) -> Cause:
    return Cause(kind=CauseKind.RESPONSE, id=str(prepared.exchange.id))


def answer_part(held: Held, status: int, body: str) -> Part:
    """The stored answer of an Idempotency-Key, as part of the writing statement."""
    sql = idempotency.FINISH_SQL
    values = idempotency.finish_parameters(held, status=status, body=body)
    ordered = ("answer_status", "answer_body", "idempotency_id", "lease_token")
    for name in ordered:
        sql = sql.replace(f"%({name})s", "%s")
    return Part("answer_kept", sql, tuple(values[name] for name in ordered))
