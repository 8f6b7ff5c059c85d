"""Payment links over the API: make one, list, read, disable."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final

from django.db.models import QuerySet
from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from core import clock
from core.api import fields, idempotency
from core.api.authentication import ApiKeyContext
from core.api.fields import FieldError, Fields
from core.api.pagination import paginate
from core.encryption import CannotOpen
from core.errors import NotFound
from core.gateways import encoding
from payments.api import documents
from payments.api.inputs import clean_gateway
from payments.api.manners import actor_of, at_once, filters_of, path_id
from payments.api.views import caller, json_response
from payments.models import OnlinePayment
from payments.services import links

ROUTE: Final = "/v1/links"
EXPIRES_IN: Final = (60, 5 * 366 * 24 * 3600)
MOST_USES: Final = 1_000_000
REFERENCE_LENGTH: Final = 100


class LinkListView(APIView):
    """GET and POST /v1/links."""

    scopes: ClassVar = {"GET": "payments:read", "POST": "links:write"}

    @documents.LIST_LINKS
    def get(self, request: Request) -> HttpResponse:
        context = caller(request)
        take = filters_of(request)
        is_active = take.take("is_active", _clean_flag)
        take.check()
        found = _links(context)
        if is_active is not None:
            found = found.filter(is_active=is_active)
        return json_response(paginate(found, lab_id=context.lab_id, query=request.query_params, show=show))

    @documents.CREATE_LINK
    def post(self, request: Request) -> HttpResponse:
        context = caller(request)
        idempotency.read_key(request.headers)
        wish = read_link(request.data, context)

        def work(link_id: int | None) -> Mapping[str, Any]:
            values = {name: value for name, value in wish.items() if name != "expires_in"}
            expires_at = None if wish["expires_in"] is None else clock.now() + timedelta(seconds=wish["expires_in"])
            link = links.create_link(
                lab=context.lab_id, mode=context.mode, actor=actor_of(context), link_id=link_id, expires_at=expires_at,
                **values,
            )  # fmt: skip
            return show(link)

        return at_once(
            request, route=ROUTE, validated=wish, operation="link", sequence="payments_onlinepayment_id_seq", work=work
        )


class LinkView(APIView):
    """GET /v1/links/{id}"""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.GET_LINK
    def get(self, request: Request, public_id: str) -> HttpResponse:
        return json_response(show(_link(caller(request), public_id)))


class DisableLinkView(APIView):
    """POST /v1/links/{id}/disable: nobody can pay by it any more. Again is harmless."""

    scopes: ClassVar = {"POST": "links:write"}

    @documents.DISABLE_LINK
    def post(self, request: Request, public_id: str) -> HttpResponse:
        link = _link(caller(request), public_id)
        return json_response(show(links.disable_link(link=link, actor=actor_of(caller(request)))))


def _links(context: ApiKeyContext) -> QuerySet[OnlinePayment]:
    found: QuerySet[OnlinePayment] = OnlinePayment.objects.for_lab(context.lab_id).filter(mode=context.mode)
    return found


def _link(context: ApiKeyContext, public_id: str) -> OnlinePayment:
    link = _links(context).filter(public_id=path_id(public_id)).first()
    if link is None:
        raise NotFound
    return link


def _clean_flag(value: object) -> bool:
    return fields.one_of(["true", "false"])(value) == "true"


def read_link(data: Any, context: ApiKeyContext) -> dict[str, Any]:
    """The body of POST /v1/links: the arguments of `create_link`, and `expires_in`. Raises ValidationFailed."""
    take = Fields(data)
    wish = {
        "currency": take.take("currency", fields.clean_currency, required=True),
        "amount": take.take("amount", fields.clean_amount),
        "minimum": take.take("minimum", fields.clean_amount),
        "maximum": take.take("maximum", fields.clean_amount),
        "description": take.take("description", fields.text_of(500), ""),
        "merchant_reference": take.take("reference", _clean_reference, ""),
        "expires_in": take.take("expires_in", fields.whole_number(*EXPIRES_IN)),
        "max_uses": take.take("max_uses", fields.whole_number(1, MOST_USES)),
        "allowed_gateways": take.take("allowed_gateways", _clean_gateways, []),
        "return_url": take.take("return_url", fields.return_url_of(context.return_origins), ""),
        "metadata": take.take("metadata", fields.clean_metadata, {}),
    }
    if isinstance(data, Mapping):
        _check_amounts(take, {name: data.get(name) for name in ("amount", "minimum", "maximum")}, wish)
    take.check()
    return wish


def _check_amounts(take: Fields, given: Mapping[str, Any], wish: Mapping[str, Any]) -> None:
    is_open = given["minimum"] is not None or given["maximum"] is not None
    if given["amount"] is not None and is_open:
        take.refuse("amount", FieldError("invalid_choice", "Send amount, or minimum and maximum; not both."))
    if given["amount"] is None:
        for name in ("minimum", "maximum"):
            if given[name] is None:
                detail = "Send amount for a fixed amount, or minimum and maximum for one that the customer chooses."
                take.refuse(name if is_open else "amount", FieldError("required", detail))
                break
    if wish["minimum"] and wish["maximum"] and wish["minimum"] > wish["maximum"]:
        take.refuse("maximum", FieldError("out_of_range", "maximum is not below minimum."))


def _clean_reference(value: object) -> str:
    text = fields.clean_reference(value)
    if len(text) > REFERENCE_LENGTH:
        raise FieldError("too_long", f"Send at most {REFERENCE_LENGTH} characters.")
    return text


def _clean_gateways(value: object) -> list[str]:
    if not isinstance(value, list):
        raise FieldError("invalid_type", "Send a list of gateways by their names, as GET /v1/gateways gives them.")
    return list(dict.fromkeys(clean_gateway(one) for one in value))


def show(link: OnlinePayment) -> dict[str, Any]:
    """The link object of the API. `url` is null where its token cannot be opened any more."""
    time = encoding.time_to_json
    return {
        "id": link.public_id,
        "url": _url(link),
        "status": links.status_of(link).value,
        "amount": _minor(link.amount),
        "minimum": _minor(link.minimum),
        "maximum": _minor(link.maximum),
        "currency": link.currency,
        "description": link.description or None,
        "reference": link.merchant_reference or None,
        "mode": link.mode,
        "allowed_gateways": link.allowed_gateways,
        "uses": link.uses,
        "max_uses": link.max_uses,
        "return_url": link.return_url or None,
        "metadata": link.metadata,
        "created_at": time(link.created_at),
        "expires_at": time(link.expires_at),
    }


def _minor(amount: Any) -> int | None:
    return None if amount is None else int(amount)


def _url(link: OnlinePayment) -> str | None:
    try:
        return links.link_url(link)
    except CannotOpen:
        return None
