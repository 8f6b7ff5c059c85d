"""Customers by the lab's own id for them, what they hold, how it came about, and the currencies of the platform.

The books are live only (INVARIANTS I22): a test key sees customers without balances and without transactions.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api import fields
from core.api.authentication import ApiKeyContext
from core.api.pagination import paginate
from core.errors import NotFound
from core.gateways import encoding
from core.gateways.types import Mode
from core.models import Customer
from core.money import CURRENCIES
from finance import currencies, selectors
from finance.models import Currency, Entry
from payments.api import documents
from payments.api.manners import filters_of, whole
from payments.api.views import caller, json_response
from payments.models import Payment


class CustomerListView(APIView):
    """GET /v1/customers"""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.LIST_CUSTOMERS
    def get(self, request: Request) -> HttpResponse:
        context = caller(request)
        found = Customer.objects.for_lab(context.lab_id)
        return json_response(paginate(found, lab_id=context.lab_id, query=request.query_params, show=_show_customer))


class CustomerView(APIView):
    """GET /v1/customers/{id}"""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.GET_CUSTOMER
    def get(self, request: Request, external_id: str) -> HttpResponse:
        return json_response(_show_customer(_customer(caller(request), external_id)))


class BalancesView(APIView):
    """GET /v1/customers/{id}/balances"""

    scopes: ClassVar = {"GET": "balances:read"}

    @documents.LIST_BALANCES
    def get(self, request: Request, external_id: str) -> HttpResponse:
        context = caller(request)
        customer = _customer(context, external_id)
        return json_response(whole(_balances(context, customer) if context.mode is Mode.LIVE else []))


def _balances(context: ApiKeyContext, customer: Customer) -> list[dict[str, Any]]:
    totals = selectors.total_deposited_and_withdrawn(lab=context.lab_id, customer_id=customer.pk)
    shown = []
    for one in selectors.balances_of(lab=context.lab_id, customer_id=customer.pk):
        deposited, withdrawn = totals.get(one.asset, (0, 0))
        shown.append({
            "asset": one.asset, "balance": one.balance, "held": one.held, "available": one.available,
            "total_deposited": deposited, "total_withdrawn": withdrawn,
        })  # fmt: skip
    return shown


class TransactionsView(APIView):
    """GET /v1/customers/{id}/transactions: the lines of the customer's statement, newest first."""

    scopes: ClassVar = {"GET": "balances:read"}

    @documents.LIST_TRANSACTIONS
    def get(self, request: Request, external_id: str) -> HttpResponse:
        context = caller(request)
        take = filters_of(request)
        asset = take.take("asset", fields.clean_currency)
        take.check()
        customer = _customer(context, external_id)
        found = selectors.entries_of(lab=context.lab_id, customer_id=customer.pk, asset=asset)
        found = found if context.mode is Mode.LIVE else found.none()
        return json_response(
            paginate(_with_payment(found, context), lab_id=context.lab_id, query=request.query_params, show=_show_entry)
        )


def _with_payment(found: QuerySet[Entry], context: ApiKeyContext) -> QuerySet[Any]:
    payment = Payment.objects.for_lab(context.lab_id).filter(pk=OuterRef("transaction__payment_id"))
    return found.select_related("transaction").annotate(payment_public_id=Subquery(payment.values("public_id")[:1]))


def _show_entry(row: Any) -> dict[str, Any]:
    return {
        "kind": row.transaction.kind,
        "asset": row.asset,
        "amount": int(row.amount),
        "balance_after": int(row.balance_after),
        "description": row.transaction.description or None,
        "payment": row.payment_public_id,
        "created_at": encoding.time_to_json(row.transaction.created_at),
    }


def _customer(context: ApiKeyContext, external_id: str) -> Customer:
    found = None
    if external_id and "\0" not in external_id:  # PostgreSQL takes no text with it
        found = Customer.objects.for_lab(context.lab_id).filter(external_id=external_id).first()
    if found is None:
        raise NotFound
    return found


def _show_customer(row: Customer) -> dict[str, Any]:
    return {
        "id": row.external_id or None,
        "name": row.name or None,
        "email": row.email or None,
        "phone": row.phone or None,
        "created_at": encoding.time_to_json(row.created_at),
    }


class CurrencyListView(APIView):
    """GET /v1/currencies: what the platform can count in and has switched on, common ones first."""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.LIST_CURRENCIES
    def get(self, request: Request) -> HttpResponse:
        return json_response(whole([_show_currency(row) for row in currencies.usable()]))


def _show_currency(row: Currency) -> dict[str, Any]:
    return {
        "code": row.asset,
        "name": row.name,
        "kind": "currency" if row.asset in CURRENCIES else "coin",
        "exponent": row.decimals,
        "minimum": None if row.minimum is None else int(row.minimum),
        "token": row.token or None,
        "network": row.network or None,
    }
