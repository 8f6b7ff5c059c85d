"""Disputes to read: a lab's disputes of the key's mode, and one by its id. Nothing here asks a gateway."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api import fields
from core.api.authentication import ApiKeyContext
from core.api.pagination import paginate
from core.errors import NotFound
from core.gateways.types import DisputeStatus
from payments import rows, showing
from payments.api import documents
from payments.api.manners import filters_of, path_id
from payments.api.views import caller, json_response
from payments.models import Dispute
from payments.work import DisputeState


class DisputeListView(APIView):
    """GET /v1/disputes: newest first."""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.LIST_DISPUTES
    def get(self, request: Request) -> HttpResponse:
        context = caller(request)
        take = filters_of(request)
        given = {
            "payment__public_id": take.take("payment", fields.clean_public_id),
            "status": take.take("status", fields.one_of([status.value for status in DisputeStatus])),
        }
        take.check()
        found = _disputes(context).filter(**{name: value for name, value in given.items() if value is not None})
        return json_response(paginate(found, lab_id=context.lab_id, query=request.query_params, show=_show))


class DisputeView(APIView):
    """GET /v1/disputes/{id}"""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.GET_DISPUTE
    def get(self, request: Request, public_id: str) -> HttpResponse:
        row = _disputes(caller(request)).filter(public_id=path_id(public_id)).first()
        if row is None:
            raise NotFound
        return json_response(_show(row))


def _disputes(context: ApiKeyContext) -> QuerySet[Dispute]:
    found: QuerySet[Dispute] = Dispute.objects.for_lab(context.lab_id).filter(mode=context.mode)
    return found.select_related("payment").only(*rows.DISPUTE_COLUMNS, "payment__public_id", "payment__currency")


def _show(row: Dispute) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in rows.DISPUTE_COLUMNS}
    return showing.dispute(row.payment, DisputeState(**{**values, "status": DisputeStatus(row.status)}))
