"""Which gateway key takes which payment: the lab's rules, and why a payment would go where it would go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api import fields, idempotency
from core.api.authentication import ApiKeyContext
from core.errors import NotFound
from core.money import Money
from payments.api import documents
from payments.api.inputs import clean_gateway
from payments.api.manners import actor_of, at_once, filters_of, path_id, whole
from payments.api.views import caller, json_response
from payments.models import RoutingRule
from payments.services import routing, rules
from payments.services.choosing import Wish

ROUTE: Final = "/v1/routing-rules"


class RouteView(APIView):
    """GET /v1/gateways/route: who would be asked to take such a payment, in which order, and why."""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.EXPLAIN_ROUTE
    def get(self, request: Request) -> HttpResponse:
        context = caller(request)
        take = filters_of(request)
        amount = take.take("amount", fields.clean_amount, required=True)
        currency = take.take("currency", fields.clean_currency, required=True)
        country = take.take("country", rules.clean_country)
        method = take.take("method", fields.text_of(32))
        gateway = take.take("gateway", clean_gateway, "")
        take.check()
        assert amount is not None and currency is not None
        wish = Wish(amount=Money(amount, currency), country=country, methods=(method,) if method else ())
        found = routing.route(lab_id=context.lab_id, mode=context.mode, gateway=gateway, wish=wish)
        return json_response(found.explained())


class RuleListView(APIView):
    """GET and POST /v1/routing-rules. The list is short, and in the order in which the rules are read."""

    scopes: ClassVar = {"GET": "keys:write", "POST": "keys:write"}

    @documents.LIST_RULES
    def get(self, request: Request) -> HttpResponse:
        return json_response(whole([rules.show(rule) for rule in _rules(caller(request))]))

    @documents.CREATE_RULE
    def post(self, request: Request) -> HttpResponse:
        context = caller(request)
        idempotency.read_key(request.headers)
        values = rules.read_rule(request.data, lab_id=context.lab_id, mode=context.mode)

        def work(rule_id: int | None) -> Mapping[str, Any]:
            rule = rules.create_rule(
                lab_id=context.lab_id, mode=context.mode, values=values, actor=actor_of(context), rule_id=rule_id
            )
            return rules.show(rule)

        return at_once(
            request, route=ROUTE, validated=values, operation="routing_rule",
            sequence="payments_routingrule_id_seq", work=work,
        )  # fmt: skip


class RuleView(APIView):
    """GET, PATCH and DELETE /v1/routing-rules/{id}"""

    scopes: ClassVar = {"GET": "keys:write", "PATCH": "keys:write", "DELETE": "keys:write"}

    @documents.GET_RULE
    def get(self, request: Request, public_id: str) -> HttpResponse:
        return json_response(rules.show(_rule(caller(request), public_id)))

    @documents.CHANGE_RULE
    def patch(self, request: Request, public_id: str) -> HttpResponse:
        context = caller(request)
        rule = _rule(context, public_id)
        return json_response(rules.show(rules.change_rule(rule=rule, data=request.data, actor=actor_of(context))))

    @documents.DELETE_RULE
    def delete(self, request: Request, public_id: str) -> HttpResponse:
        context = caller(request)
        rule = _rule(context, public_id)
        return json_response(rules.show(rules.delete_rule(rule=rule, actor=actor_of(context))))


def _rules(context: ApiKeyContext) -> QuerySet[RoutingRule]:
    found: QuerySet[RoutingRule] = RoutingRule.objects.for_lab(context.lab_id).filter(mode=context.mode)
    return found.order_by("position", "id")


def _rule(context: ApiKeyContext, public_id: str) -> RoutingRule:
    rule = _rules(context).filter(public_id=path_id(public_id)).first()
    if rule is None:
        raise NotFound
    return rule
