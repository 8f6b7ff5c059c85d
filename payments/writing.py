"""One statement that writes everything a folded batch asks for, except the ledger's entries."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import connection

from core import outbox, strict_json
from payments import rows, saving, showing
from payments.work import DisputeState, RefundState, Transition, Work

if TYPE_CHECKING:
    from payments.frame import Fact


@dataclass(frozen=True, slots=True)
class Part:
    """One data-modifying CTE. `sql` has one placeholder for every parameter."""

    name: str
    sql: str
    parameters: tuple[Any, ...]


def write(changed: Sequence[Work], facts: Sequence[Fact], beside: Iterable[Part], now: datetime) -> None:
    """Run all parts that have something to write as one statement; none if there is nothing."""
    # A name that was learned changes no payment, and is kept all the same.
    named = {fact.work.state.id: fact.work for fact in facts if fact.work is not None}
    parts = [*_parts(changed, list(named.values()), now), *beside]
    if not parts:
        return
    sql = "WITH " + ",\n".join(f"{part.name} AS ({part.sql})" for part in parts) + "\nSELECT 1"
    with connection.cursor() as cursor:
        cursor.execute(sql, [value for part in parts for value in part.parameters])


def _parts(changed: Sequence[Work], named: Sequence[Work], now: datetime) -> Iterable[Part]:
    at = now.isoformat()
    sets: list[tuple[str, str, list[dict[str, Any]]]] = [
        ("payments_written", _PAYMENTS, [rows.payment_row(work.state) for work in changed]),
        ("transitions_written", _TRANSITIONS, [_transition(w, t) for w in changed for t in w.transitions]),
        ("names_written", _NAMES, [row for work in named for row in _names(work)]),
        ("refunds_added", _NEW_REFUNDS, [_new_refund(w, r) for w in changed for r in w.refunds if r.id is None]),
        (
            "refunds_written",
            _REFUNDS,
            [_refund(r) for w in changed for r in w.refunds if r.id is not None and r.is_changed],
        ),
        ("disputes_added", _NEW_DISPUTES, [_new_dispute(w, d) for w in changed for d in w.disputes if d.id is None]),
        (
            "disputes_written",
            _DISPUTES,
            [_dispute(d) for w in changed for d in w.disputes if d.id is not None and d.is_changed],
        ),
        (
            "methods_saved",
            saving.INSERT,
            _saved(changed),
        ),
        ("links_written", _LINKS, _links(changed)),
        ("events_told", _OUTBOX, [row for work in changed for row in _events(work, now)]),
    ]
    for name, sql, values in sets:
        if values:
            parameters = (strict_json.dumps(values),)
            yield Part(name, sql, parameters if "%s::timestamptz" not in sql else (*parameters, at)[::-1])


def _transition(work: Work, transition: Transition) -> dict[str, Any]:
    state, cause = work.state, transition.cause
    return {
        "lab_id": state.lab_id,
        "mode": state.mode,
        "payment_id": state.id,
        "seq": transition.seq,
        "from_status": transition.from_status,
        "to_status": transition.to_status,
        "cause": cause.kind,
        "cause_id": cause.id,
    }


def _names(work: Work) -> list[dict[str, Any]]:
    state = work.state
    return [
        {
            "lab_id": state.lab_id,
            "mode": state.mode,
            "gateway_key_id": key_id,
            "payment_id": state.id,
            "reference": name,
            "is_refund": is_refund,
        }
        for (key_id, name), is_refund in work.new_names.items()
    ]


def _new_refund(work: Work, refund: RefundState) -> dict[str, Any]:
    state = work.state
    return {
        **_refund(refund),
        "lab_id": state.lab_id,
        "mode": state.mode,
        "payment_id": state.id,
        "gateway_key_id": state.gateway_key_id,
        "public_id": refund.public_id,
        "currency": state.currency,
        "amount": refund.amount,
        "is_external": refund.is_external,
    }


def _refund(refund: RefundState) -> dict[str, Any]:
    failure = refund.failure
    return {
        "id": refund.id,
        "status": refund.status,
        "gateway_reference": refund.gateway_reference,
        "pending_reason": refund.pending_reason,
        "failure": failure and {"code": failure.code, "gateway_code": failure.gateway_code, "message": failure.message},
        "unknown_since": refund.unknown_since,
        "check_count": refund.check_count,
        "next_check_at": refund.next_check_at,
        "completed_at": refund.completed_at,
    }


def _new_dispute(work: Work, dispute: DisputeState) -> dict[str, Any]:
    state = work.state
    return {
        **_dispute(dispute),
        "lab_id": state.lab_id,
        "mode": state.mode,
        "payment_id": state.id,
        "gateway_key_id": work.via.id,
        "public_id": dispute.public_id,
        "gateway_reference": dispute.gateway_reference,
        "currency": state.currency,
        "opened_at": dispute.opened_at,
    }


def _dispute(dispute: DisputeState) -> dict[str, Any]:
    return {
        "id": dispute.id,
        "status": dispute.status,
        "amount": dispute.amount,
        "withdrawn": dispute.withdrawn,
        "moves": dispute.moves,
        "reason": dispute.reason,
        "respond_by": dispute.respond_by,
        "closed_at": dispute.closed_at,
        "next_check_at": dispute.next_check_at,
    }


def _saved(changed: Sequence[Work]) -> list[dict[str, Any]]:
    """One row a method, the last report's: a statement may not touch a row twice."""
    found = {
        (work.via.id, work.state.customer_id, one.token): saving.row_of(
            key=work.via, customer_id=work.state.customer_id, saved=one
        )
        for work in changed
        for one in work.saved
        if work.state.customer_id is not None
    }
    return list(found.values())


def _links(changed: Sequence[Work]) -> list[dict[str, Any]]:
    given_back: dict[int, int] = {}
    for work in changed:
        if work.gives_link_use_back and work.state.link_id is not None:
            given_back[work.state.link_id] = given_back.get(work.state.link_id, 0) + 1
    return [{"id": link_id, "n": count} for link_id, count in given_back.items()]


def _events(work: Work, now: datetime) -> list[dict[str, Any]]:
    state = work.state
    found = []
    told: set[tuple[str, int]] = set()
    for kind, about in work.events:
        if (kind, id(about)) in told:
            continue
        told.add((kind, id(about)))
        object_type, object_id, data = _object(work, about)
        found.append(
            outbox.event_row(
                lab_id=state.lab_id,
                mode=state.mode,
                type=kind,
                object_type=object_type,
                object_id=object_id,
                data=data,
                occurred_at=now,
            )
        )
    return found


def _object(work: Work, about: RefundState | DisputeState | None) -> tuple[str, str, dict[str, Any]]:
    if isinstance(about, RefundState):
        return "refund", about.public_id, showing.refund(work.state, about)
    if isinstance(about, DisputeState):
        return "dispute", about.public_id, showing.dispute(work.state, about)
    return "payment", work.state.public_id, showing.payment(work.state, pay_url=None)


_SET: Final = ", ".join(f"{name} = x.{name}" for name in rows.WRITTEN)
_RECORD: Final = ", ".join(f"{name} {kind}" for name, kind in rows.WRITTEN.items())

_PAYMENTS: Final = f"""
    UPDATE payments_payment p SET {_SET}, updated_at = clock_timestamp()
    FROM jsonb_to_recordset(%s::jsonb) AS x(id bigint, {_RECORD}) WHERE p.id = x.id"""  # noqa: S608

_TRANSITIONS: Final = """
    INSERT INTO payments_paymenttransition (lab_id, mode, payment_id, seq, from_status, to_status, cause, cause_id, at)
    SELECT x.lab_id, x.mode, x.payment_id, x.seq, x.from_status, x.to_status, x.cause, x.cause_id, %s::timestamptz
    FROM jsonb_to_recordset(%s::jsonb) AS x(lab_id bigint, mode text, payment_id bigint, seq int, from_status text,
      to_status text, cause text, cause_id text) ORDER BY x.payment_id, x.seq"""

_NAMES: Final = """
    INSERT INTO payments_gatewayreference (lab_id, mode, gateway_key_id, payment_id, reference, is_refund)
    SELECT x.* FROM jsonb_to_recordset(%s::jsonb) AS x(lab_id bigint, mode text, gateway_key_id bigint,
      payment_id bigint, reference text, is_refund boolean)
    ON CONFLICT (gateway_key_id, reference) DO NOTHING"""

_REFUND_FIELDS: Final = (
    "status text, gateway_reference text, pending_reason text, failure jsonb, unknown_since timestamptz, "
    "check_count smallint, next_check_at timestamptz, completed_at timestamptz"
)
_REFUND_NAMES: Final = ", ".join(part.split()[0] for part in _REFUND_FIELDS.split(", "))

_NEW_REFUNDS: Final = f"""
    INSERT INTO payments_refund (lab_id, mode, payment_id, gateway_key_id, public_id, currency, amount, is_external,
      {_REFUND_NAMES})
    SELECT x.* FROM jsonb_to_recordset(%s::jsonb) AS x(lab_id bigint, mode text, payment_id bigint,
      gateway_key_id bigint, public_id text, currency text, amount numeric, is_external boolean, {_REFUND_FIELDS})"""  # noqa: S608

_REFUNDS: Final = f"""
    UPDATE payments_refund r SET {", ".join(f"{name} = x.{name}" for name in _REFUND_NAMES.split(", "))},
      updated_at = clock_timestamp()
    FROM jsonb_to_recordset(%s::jsonb) AS x(id bigint, {_REFUND_FIELDS}) WHERE r.id = x.id"""  # noqa: S608

_DISPUTE_FIELDS: Final = (
    "status text, amount numeric, withdrawn numeric, moves smallint, reason text, respond_by timestamptz, "
    "closed_at timestamptz, next_check_at timestamptz"
)
_DISPUTE_NAMES: Final = ", ".join(part.split()[0] for part in _DISPUTE_FIELDS.split(", "))

_NEW_DISPUTES: Final = f"""
    INSERT INTO payments_dispute (lab_id, mode, payment_id, gateway_key_id, public_id, gateway_reference, currency, opened_at,
      {_DISPUTE_NAMES})
    SELECT x.* FROM jsonb_to_recordset(%s::jsonb) AS x(lab_id bigint, mode text, payment_id bigint,
      gateway_key_id bigint, public_id text, gateway_reference text, currency text, opened_at timestamptz,
      {_DISPUTE_FIELDS})"""  # noqa: S608

_DISPUTES: Final = f"""
    UPDATE payments_dispute d SET {", ".join(f"{name} = x.{name}" for name in _DISPUTE_NAMES.split(", "))},
      updated_at = clock_timestamp()
    FROM jsonb_to_recordset(%s::jsonb) AS x(id bigint, {_DISPUTE_FIELDS}) WHERE d.id = x.id"""  # noqa: S608

_LINKS: Final = """
    UPDATE payments_onlinepayment l SET uses = greatest(l.uses - x.n, 0)
    FROM jsonb_to_recordset(%s::jsonb) AS x(id bigint, n int) WHERE l.id = x.id"""

_OUTBOX: Final = outbox.INSERT_SQL.replace("%(outbox)s", "%s")


def exchange_part(
    *,
    exchange_id: Any,
    lease_token: Any,
    outcome: str,
    response: Any,
    error_class: str = "",
    error: str = "",
    duration_ms: int | None = None,
) -> Part:
    """Close (or leave open) an exchange, unless somebody else holds it by now."""
    is_final = outcome not in {"sent", "unknown"}
    return Part(
        "exchange_written",
        """UPDATE payments_paymentgatewaytransaction SET outcome = %s, response = %s::jsonb, error_class = %s, error = %s,
             duration_ms = %s, lease_until = NULL, lease_token = NULL,
             finished_at = CASE WHEN %s THEN clock_timestamp() END
           WHERE id = %s AND lease_token = %s AND outcome IN ('sent', 'unknown')""",
        (
            outcome,
            None if response is None else strict_json.dumps(response),
            error_class,
            error[:500],
            duration_ms,
            is_final,
            exchange_id,
            lease_token,
        ),
    )
