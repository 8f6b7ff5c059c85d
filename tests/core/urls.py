"""A small API of its own, so that core's manners are tested without the platform above it."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.http import require_POST
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.fields import Fields, clean_amount, clean_currency, clean_metadata, text_of
from core.api.pagination import paginate
from core.errors import DomainError, NotFound
from core.gateways.errors import OutcomeUnknown, RequestRejected
from core.models import Customer


class Taken(DomainError):
    code = "seat_taken"
    retryable = True


class Customers(APIView):
    scopes = {"GET": "payments:read", "POST": "payments:write"}

    def get(self, request: Any) -> Response:
        rows = Customer.objects.for_lab(request.auth.lab_id)
        return Response(
            paginate(rows, lab_id=request.auth.lab_id, query=request.query_params, show=lambda row: {"name": row.name})
        )

    def post(self, request: Any) -> Response:
        fields = Fields(request.data)
        amount = fields.take("amount", clean_amount, required=True)
        currency = fields.take("currency", clean_currency, required=True)
        note = fields.take("note", text_of(20), "")
        metadata = fields.take("metadata", clean_metadata, {})
        fields.check()
        return Response({"amount": amount, "currency": currency, "note": note, "metadata": metadata}, status=201)


class OneCustomer(APIView):
    scopes = {"GET": "payments:read"}

    def get(self, request: Any, external_id: str) -> Response:
        row = Customer.objects.for_lab(request.auth.lab_id).filter(external_id=external_id).first()
        if row is None:
            raise NotFound
        return Response({"name": row.name})


class Word(serializers.Serializer[Any]):
    word = serializers.CharField(max_length=3)


RAISED = {
    "taken": Taken("That seat is taken.", members={"payment": "PAY_1"}, retry_after_seconds=7),
    "missing": Http404("secret detail"),
    "bug": ZeroDivisionError("secret detail"),
    "gone": OperationalError("secret detail"),
    "rejected": RequestRejected("the gateway wants another currency"),
    "unknown": OutcomeUnknown("no answer"),
}


class Raising(APIView):
    scopes = {"GET": "payments:read"}

    def get(self, request: Any, name: str) -> Response:
        if name == "serializer":
            Word(data={"word": "longer"}).is_valid(raise_exception=True)
        raise RAISED[name]


class Closed(APIView):
    """Names no scope."""

    def get(self, request: Any) -> Response:
        return Response({})


def plain_bug(request: HttpRequest) -> NoReturn:
    raise ZeroDivisionError("secret detail")


@require_POST
def plain_post(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


urlpatterns = [
    path("v1/customers", Customers.as_view()),
    path("v1/customers/<str:external_id>", OneCustomer.as_view()),
    path("v1/raise/<str:name>", Raising.as_view()),
    path("v1/closed", Closed.as_view()),
    path("v1/plain-bug", plain_bug),
    path("v1/plain-post", plain_post),
    path("payments/webhook/plain-post", plain_post),
    path("", include("core.urls")),
]
