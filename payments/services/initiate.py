"""Initiate: record the wish, commit, ask the gateway, apply its answer. Two commits, no HTTP inside either."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, connection

from core import clock, crash, ids, labs, strict_json, transactions
from core.api import idempotency, problems
from core.encryption import Place, open_, seal
from core.errors import DomainError
from core.gateways.errors import GatewayError, GatewayMisconfigured, OutcomeUnknown, RequestRejected
from core.gateways.references import fit_reference
from core.gateways.types import (
    BillingDetails,
    CaptureMode,
    CustomerDetails,
    Decline,
    FraudStatus,
    Mode,
    Operation,
    PaymentRequest,
    PaymentStatus,
    Presentation,
    Report,
)
from core.hashing import keyed_hash
from core.money import Money
from payments import fold, showing
from payments.frame import Fact, apply_reports
from payments.models import Outcome
from payments.services import errors
from payments.services.choosing import Wish, choose
from payments.services.exchanges import Asked, Exchange, ask
from payments.services.keys import KeyRow, active_keys, open_key, problem_part
from payments.states import CauseKind, Verdict
from payments.work import Cause, PaymentState, Work
from payments.writing import Part

ROUTE: Final = "/payments/initiate"
PAGE_PURPOSE: Final = "page_token"
DEFAULT_EXPIRY_SECONDS: Final = 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A validated wish to be paid, whoever states it: the API, or a payment link."""

    money: Money
    purpose: str = "payment"
    gateway: str = ""
    merchant_reference: str = ""
    description: str = ""
    customer: CustomerDetails | None = None
    billing: dict[str, str] = field(default_factory=dict)
    tax: int | None = None
    delivery: int | None = None
    return_url: str = ""
    capture: CaptureMode = CaptureMode.AUTOMATIC
    presentation: Presentation = Presentation.HOSTED
    pay_currency: str = ""
    expires_in: int | None = None
    customer_ip: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    link_id: int | None = None
    allowed_gateways: tuple[str, ...] = ()

    @property
    def wish(self) -> Wish:
        return Wish(
            amount=self.money,
            capture=self.capture,
            presentation=self.presentation,
            pay_currency=self.pay_currency or None,
            allowed_gateways=self.allowed_gateways,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A recorded payment, ready for its call."""

    state: PaymentState
    key: KeyRow
    exchange: Exchange
    request: PaymentRequest


Held = idempotency.Started | idempotency.Resume


# Step 1: record -----------------------------------------------------------------------------------------------------


_CREATE: Final = """
    WITH payment AS (
      INSERT INTO payments_payment (id, public_id, lab_id, mode, merchant_reference, purpose, currency, amount, tax, delivery,
        customer_id, billing, customer_ip, description, metadata, return_url, gateway_key_id, gateway, capture_mode,
        presentation, pay_currency, link_id, holds_link_use, page_token_hash, page_token_sealed, expires_at, created_at)
      VALUES (coalesce(%s, nextval('payments_payment_id_seq')), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::jsonb, %s, %s,
        %s::jsonb, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
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
    customer_id = _customer_id(lab_id, order)
    keys = active_keys(lab_id=lab_id, mode=mode, gateway=order.gateway)
    key = choose(keys, order.wish)
    state = _new_state(lab_id, mode, order, key, customer_id, now)
    page_token = ids.token()
    state.page_token_sealed = seal(lab_id, _page_place(state), page_token)
    request = build_request(state, key, order_parts(order), page_token)
    exchange = _exchange(state, key, request)
    parameters = [
        payment_id, state.public_id, lab_id, mode.value, state.merchant_reference, state.purpose, state.currency,
        state.amount, order.tax, order.delivery, customer_id, strict_json.dumps(order_parts(order)), order.customer_ip,
        state.description, strict_json.dumps(state.metadata), state.return_url, key.id, key.gateway, state.capture_mode,
        order.presentation.value, order.pay_currency, order.link_id, order.link_id is not None,
        keyed_hash(PAGE_PURPOSE, page_token), state.page_token_sealed, state.expires_at, now,
        str(exchange.id), now, request.reference, *_without_payment(exchange),
    ]  # fmt: skip
    try:
        with connection.cursor() as cursor:
            cursor.execute(_CREATE, parameters)
            state.id = cursor.fetchone()[0]
    except IntegrityError as error:
        raise _named(error) from error
    return Prepared(state=state, key=key, exchange=exchange, request=request)


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


def _new_state(
    lab_id: int, mode: Mode, order: Order, key: KeyRow, customer_id: int | None, now: datetime
) -> PaymentState:
    lifetime = order.expires_in or key.about.default_expiry_seconds or DEFAULT_EXPIRY_SECONDS
    blank: dict[str, Any] = dict.fromkeys(PaymentState.__dataclass_fields__)
    known: dict[str, Any] = {
        "id": 0, "public_id": ids.public_id("PAY"), "lab_id": lab_id, "mode": mode, "gateway": key.gateway,
        "gateway_key_id": key.id, "account": key.account, "purpose": order.purpose,
        "merchant_reference": order.merchant_reference, "currency": order.money.asset, "amount": order.money.minor,
        "customer_id": customer_id, "capture_mode": order.capture.value, "try_number": 1,
        "status": PaymentStatus.PENDING, "attention": set(), "fraud_status": FraudStatus.UNKNOWN,
        "fraud_message": "", "gateway_reference": "", "claim": "", "link_id": order.link_id,
        "holds_link_use": order.link_id is not None, "page_token_sealed": "", "description": order.description,
        "return_url": order.return_url, "metadata": order.metadata, "transition_seq": 1, "created_at": now,
        "expires_at": now + timedelta(seconds=lifetime), "references": (), "sent_reference": "",
    }  # fmt: skip
    zeros = dict.fromkeys(
        ("authorized", "received", "captured", "refund_reserved", "refunded", "refunded_seen", "fee", "check_count"), 0
    )
    flags = dict.fromkeys(("is_acknowledged", "is_duplicate", "has_other_live"), False)
    return PaymentState(**{**blank, **zeros, **flags, **known})


def order_parts(order: Order) -> dict[str, Any]:
    """What is kept of customer and billing, so that a repeat sends exactly the same."""
    customer = order.customer
    return {
        "customer": None if customer is None else
        {"id": customer.id, "name": customer.name, "email": customer.email, "phone": customer.phone},
        "address": order.billing or None,
        "customer_ip": order.customer_ip,
        "presentation": order.presentation.value,
        "pay_currency": order.pay_currency,
        "expires_in": order.expires_in,
    }  # fmt: skip


def build_request(state: PaymentState, key: KeyRow, parts: dict[str, Any], page_token: str) -> PaymentRequest:
    """The same request for the same payment and try, always: a repeat must not differ."""
    page = f"{settings.PUBLIC_URL}/pay/{page_token}"
    customer, address = parts["customer"], parts["address"]
    return PaymentRequest(
        reference=fit_reference(state.public_id, state.try_number, key.about.reference),
        amount=state.money,
        idempotency_key=f"{state.public_id}:initiate:{state.try_number}",
        webhook_url=key.webhook_url(),
        return_url=f"{page}/return",
        cancel_url=page,
        description=state.description or None,
        customer=None if customer is None else CustomerDetails(**customer),
        billing=None if address is None else BillingDetails(**address),
        capture=CaptureMode(state.capture_mode),
        presentation=Presentation(parts["presentation"]),
        pay_currency=parts["pay_currency"] or None,
        customer_ip=parts["customer_ip"],
        created_at=state.created_at,
        expires_at=state.expires_at if parts["expires_in"] else None,
        metadata=state.metadata,
    )


def _exchange(state: PaymentState, key: KeyRow, request: PaymentRequest) -> Exchange:
    return Exchange(
        lab_id=state.lab_id, mode=state.mode, payment_id=0, gateway_key_id=key.id, operation=Operation.INITIATE,
        operation_id=request.idempotency_key, idempotency_key=request.idempotency_key,
        request={
            "reference": request.reference, "amount": state.amount, "currency": state.currency,
            "capture": state.capture_mode, "pay_currency": request.pay_currency,
            "description": request.description,
        },
    )  # fmt: skip


def _page_place(state: PaymentState) -> Place:
    return Place(gateway_key=state.public_id, mode=state.mode, field="page_token")


def page_token(state: PaymentState) -> str:
    return open_(state.lab_id, _page_place(state), state.page_token_sealed)


def shown(state: PaymentState) -> dict[str, Any]:
    """The payment as its lab sees it, with the address of its pay page."""
    return showing.payment(state, pay_url=f"{settings.PUBLIC_URL}/pay/{page_token(state)}")


# Steps 2 and 3: ask, apply ------------------------------------------------------------------------------------------


def send(prepared: Prepared, *, held: Held | None) -> PaymentState:
    """Ask the gateway and apply what it says. No transaction may be open.

    Raises GatewayRejected, GatewayGone, GatewayNotSetUp or OutcomeNotKnown, each after the state was recorded.
    """
    crash.point("initiate_before_call")
    asked = ask(lambda: open_key(prepared.key).initiate(prepared.request))
    crash.point("initiate_after_call")
    if asked.error is not None:
        raise record_error(prepared, asked, asked.error, held)
    return record_answer(prepared, asked, asked.answer, held)


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
    def body() -> None:
        parts = [prepared.exchange.refused(outcome, error, milliseconds=asked.milliseconds)]
        if isinstance(error, GatewayMisconfigured):
            parts.append(problem_part(prepared.key.id, error.reason))
        if held is not None:
            parts.append(answer_part(held, told.status, problems.body_of(told)))
        fact = Fact(key=prepared.key.facts, report=None, cause=_cause(prepared), payment_id=prepared.state.id,
                    prepare=prepare)  # fmt: skip
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
