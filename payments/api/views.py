"""The four paths that users know, and capture and void: parse, check permission, call the service, show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

from django.db import IntegrityError, connection
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from core import crash, strict_json, transactions
from core.api import idempotency
from core.api.authentication import ApiKeyContext
from core.errors import DomainError, NotFound
from payments import loading, reading
from payments.api import documents, inputs
from payments.services import errors, fetching, initiate, operations, orders, resuming
from payments.services.initiate import Held
from payments.states import FINAL
from payments.work import PaymentState

CREATED: Final = 201


def json_response(body: Any, status: int = 200) -> HttpResponse:
    response = HttpResponse(strict_json.dumps(body), status=status, content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response


def caller(request: Request) -> ApiKeyContext:
    """Whose API key this request carries; authentication has made sure."""
    context: Any = request.auth
    assert isinstance(context, ApiKeyContext)
    return context


def once(
    request: Request, *, route: str, path: str, validated: Any, operation: str, sequence: str | None,
    first: Callable[[idempotency.Started], Any], again: Callable[[idempotency.Resume], Any],
    send: Callable[[Any, Held], Any], status: int,
) -> HttpResponse:  # fmt: skip
    """Run an operation under its Idempotency-Key: the key's row commits together with the operation's.

    `first` records the operation in the open transaction, `again` finds one that was left unfinished (or records it);
    what they return goes to `send`, after the commit. A 2xx or 4xx is stored, a 5xx never.
    """
    context = caller(request)
    key = idempotency.read_key(request.headers)
    fingerprint = idempotency.fingerprint(path, validated)

    def body() -> tuple[Any, Any]:
        with connection.cursor() as cursor:
            held = idempotency.begin(
                cursor, lab_id=context.lab_id, mode=context.mode, method="POST", route=route, key=key,
                fingerprint=fingerprint, operation_type=operation, operation_sequence=sequence,
            )  # fmt: skip
        if isinstance(held, idempotency.Replay):
            return held, None
        recorded = first(held) if isinstance(held, idempotency.Started) else again(held)
        crash.point("before_intent_commit")
        return held, recorded

    held, recorded = transactions.run(body)
    if isinstance(held, idempotency.Replay):
        return idempotency.replay_response(held)
    crash.point("after_intent_commit")
    return json_response(send(recorded, held), status)


class InitiateView(APIView):
    """POST /payments/initiate: ask to be paid."""

    scopes: ClassVar = {"POST": "payments:write"}

    @documents.INITIATE
    def post(self, request: Request) -> HttpResponse:
        context = caller(request)
        idempotency.read_key(request.headers)
        order, profile = inputs.read_order(request.data, context)

        def first(held: idempotency.Started) -> initiate.Prepared:
            whole = inputs.with_profile(order, profile, context)
            return initiate.record(lab_id=context.lab_id, mode=context.mode, order=whole, payment_id=held.operation_id)

        try:
            return once(
                request, route=initiate.ROUTE, path=initiate.ROUTE, validated=inputs.plain(order, profile), operation="payment",
                sequence="payments_payment_id_seq", first=first, again=resuming.find_initiate,
                send=resuming.send_initiate, status=CREATED,
            )  # fmt: skip
        except errors.ReferenceInUse:
            raise errors.ReferenceInUse(
                reading.live_payment(context.lab_id, context.mode, order.merchant_reference)
            ) from None


class StatusView(APIView):
    """GET /payments/status/{id}: the payment, freshly fetched when it is not final."""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.STATUS
    def get(self, request: Request, public_id: str) -> HttpResponse:
        context = caller(request)
        state = reading.payment(public_id, lab_id=context.lab_id, mode=context.mode)
        if state is None:
            raise NotFound
        if _is_worth_asking(state):
            state = fetching.refresh(state.id) or state
        return json_response(orders.shown(state))


def _is_worth_asking(state: PaymentState) -> bool:
    return state.status not in FINAL or bool(state.claim)


class RefundView(APIView):
    """POST /payments/refund: give back all or a part."""

    scopes: ClassVar = {"POST": "refunds:write"}

    @documents.REFUND
    def post(self, request: Request) -> HttpResponse:
        context = caller(request)
        idempotency.read_key(request.headers)
        wish = inputs.read_refund(request.data)
        loaded = operations.load(wish.payment, lab_id=context.lab_id, mode=context.mode)

        def first(held: idempotency.Started) -> operations.Recorded:
            return operations.record_refund(
                loaded=loaded, amount=wish.amount, reason=wish.reason, merchant_reference=wish.reference,
                refund_id=held.operation_id,
            )  # fmt: skip

        validated = [wish.payment, wish.amount, wish.reason, wish.reference]
        try:
            return once(
                request, route="/payments/refund", path="/payments/refund", validated=validated, operation="refund",
                sequence="payments_refund_id_seq", first=first,
                again=lambda held: resuming.find_refund(held, loaded, wish.amount, wish.reason, wish.reference),
                send=resuming.send_refund, status=CREATED,
            )  # fmt: skip
        except IntegrityError as error:
            raise _refund_reference(error) from error


def _refund_reference(error: IntegrityError) -> Exception:
    diagnosis = getattr(error.__cause__, "diag", None)
    if getattr(diagnosis, "constraint_name", "") == "payments_refund_one_live_reference":
        return RefundReferenceInUse()
    return error


class RefundReferenceInUse(DomainError):
    code: ClassVar[str] = "reference_in_use"
    default_detail: ClassVar[str] = "Another refund with this reference exists; read it, or use a new reference."


class CaptureView(APIView):
    """POST /v1/payments/{id}/capture: take what is held, or a part of it."""

    scopes: ClassVar = {"POST": "payments:write"}

    @documents.CAPTURE
    def post(self, request: Request, public_id: str) -> HttpResponse:
        amount = inputs.read_capture(request.data)
        return _on_payment(
            request, public_id, "capture", amount,
            lambda loaded: operations.record_capture(loaded=loaded, amount=amount), operations.send_capture,
        )  # fmt: skip


class VoidView(APIView):
    """POST /v1/payments/{id}/void: release what is held, or end an unpaid order."""

    scopes: ClassVar = {"POST": "payments:write"}

    @documents.VOID
    def post(self, request: Request, public_id: str) -> HttpResponse:
        return _on_payment(
            request, public_id, "void", None, lambda loaded: operations.record_void(loaded=loaded), operations.send_void
        )


def _on_payment(
    request: Request, public_id: str, verb: str, amount: int | None,
    record: Callable[[loading.Loaded], operations.Recorded], send: Callable[..., PaymentState],
) -> HttpResponse:  # fmt: skip
    context = caller(request)
    idempotency.read_key(request.headers)
    loaded = operations.load(public_id, lab_id=context.lab_id, mode=context.mode)

    def work(recorded: Any, held: Held) -> dict[str, Any]:
        return orders.shown(resuming.send_or_look(recorded, held, send))

    return once(
        request, route=f"/v1/payments/{{id}}/{verb}", path=f"/v1/payments/{public_id}/{verb}", validated=[amount],
        operation=verb, sequence=None, first=lambda _held: record(loaded),
        again=lambda _held: resuming.find_operation(loaded, verb) or record(loaded), send=work, status=200,
    )  # fmt: skip
