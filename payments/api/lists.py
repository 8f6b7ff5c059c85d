"""Payments and refunds to read: lists with filters, one by its id, and a payment's timeline. Nothing here asks a gateway."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api import fields
from core.api.authentication import ApiKeyContext
from core.api.fields import Fields
from core.api.pagination import paginate
from core.errors import NotFound
from core.gateways import encoding
from core.gateways.types import Attention, PaymentStatus, RefundStatus
from payments import reading, rows, showing, timeline
from payments.api import documents
from payments.api.manners import clean_time, filters_of, path_id
from payments.api.views import caller, json_response
from payments.models import Payment, Refund
from payments.services import orders
from payments.work import PaymentState

ANY: Final = "any"


class PaymentListView(APIView):
    """GET /v1/payments: a lab's payments of the key's mode, newest first."""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.LIST_PAYMENTS
    def get(self, request: Request) -> HttpResponse:
        context = caller(request)
        take = filters_of(request)
        found = _filtered(Payment.objects.for_lab(context.lab_id).filter(mode=context.mode), take)
        take.check()
        page = paginate(
            found.only(*rows.COLUMNS), lab_id=context.lab_id, query=request.query_params,
            show=lambda row: orders.shown(_state_of(row)),
        )  # fmt: skip
        return json_response(page)


def _filtered(found: QuerySet[Payment], take: Fields) -> QuerySet[Payment]:
    given = {
        "status": take.take("status", fields.one_of([status.value for status in PaymentStatus])),
        "merchant_reference": take.take("reference", fields.clean_reference),
        "gateway": take.take("gateway", fields.text_of(40)),
        "customer__external_id": take.take("customer", fields.text_of(120)),
        "currency": take.take("currency", fields.clean_currency),
        "created_at__gte": take.take("created_after", clean_time),
        "created_at__lt": take.take("created_before", clean_time),
    }
    found = found.filter(**{name: value for name, value in given.items() if value is not None})
    word = take.take("attention", fields.one_of([ANY, *(one.value for one in Attention)]))
    if word is None:
        return found
    return found.filter(reading.wants_attention(None if word == ANY else Attention(word)))


def _state_of(row: Payment) -> PaymentState:
    return rows.read_payment([getattr(row, name) for name in rows.COLUMNS])


class PaymentView(APIView):
    """GET /v1/payments/{id}: the payment as it is known here, without asking its gateway."""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.GET_PAYMENT
    def get(self, request: Request, public_id: str) -> HttpResponse:
        return json_response(orders.shown(_payment(caller(request), public_id)))


def _payment(context: ApiKeyContext, public_id: str) -> PaymentState:
    state = reading.payment(path_id(public_id), lab_id=context.lab_id, mode=context.mode)
    if state is None:
        raise NotFound
    return state


class TimelineView(APIView):
    """GET /v1/payments/{id}/timeline: what happened to the payment, oldest first."""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.GET_TIMELINE
    def get(self, request: Request, public_id: str) -> HttpResponse:
        state = _payment(caller(request), public_id)
        found = timeline.of(lab_id=state.lab_id, payment_id=state.id)
        shown = [
            {"at": encoding.time_to_json(one.at), "kind": one.kind, "text": one.words, "details": one.details}
            for one in found.moments
        ]
        return json_response({"payment": state.public_id, "data": shown, "is_cut": found.is_cut})


class RefundListView(APIView):
    """GET /v1/refunds: a lab's refunds of the key's mode, newest first."""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.LIST_REFUNDS
    def get(self, request: Request) -> HttpResponse:
        context = caller(request)
        take = filters_of(request)
        given = {
            "payment__public_id": take.take("payment", fields.clean_public_id),
            "status": take.take("status", fields.one_of([status.value for status in RefundStatus])),
        }
        take.check()
        found = _refunds(context).filter(**{name: value for name, value in given.items() if value is not None})
        return json_response(paginate(found, lab_id=context.lab_id, query=request.query_params, show=_show_refund))


class OneRefundView(APIView):
    """GET /v1/refunds/{id}"""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.GET_REFUND
    def get(self, request: Request, public_id: str) -> HttpResponse:
        row = _refunds(caller(request)).filter(public_id=path_id(public_id)).first()
        if row is None:
            raise NotFound
        return json_response(_show_refund(row))


def _refunds(context: ApiKeyContext) -> QuerySet[Refund]:
    found: QuerySet[Refund] = Refund.objects.for_lab(context.lab_id).filter(mode=context.mode)
    return found.select_related("payment").only(*rows.REFUND_COLUMNS, "payment__public_id", "payment__currency")


def _show_refund(row: Refund) -> dict[str, Any]:
    state = rows.read_refund([getattr(row, name) for name in rows.REFUND_COLUMNS])
    return showing.refund(row.payment, state)
