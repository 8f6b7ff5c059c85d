"""What each installed gateway says about itself. No account and no database: the registry's descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from core.errors import NotFound
from core.gateways import registry
from core.gateways.port import Gateway
from core.gateways.types import CredentialField, Description
from core.money import exponent_of
from payments.api import documents
from payments.api.manners import whole
from payments.api.views import json_response


class GatewayListView(APIView):
    """GET /v1/gateways"""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.LIST_GATEWAYS
    def get(self, request: Request) -> HttpResponse:
        return json_response(whole([show(registry.gateway_class(slug)) for slug in registry.slugs()]))


class GatewayView(APIView):
    """GET /v1/gateways/{slug}"""

    scopes: ClassVar = {"GET": "payments:read"}

    @documents.GET_GATEWAY
    def get(self, request: Request, slug: str) -> HttpResponse:
        try:
            return json_response(show(registry.gateway_class(slug)))
        except registry.UnknownGateway:
            raise NotFound from None


@lru_cache(maxsize=64)
def show(gateway: type[Gateway]) -> dict[str, Any]:
    """The gateway object of the API. Credential fields are declarations; nobody's values are in them."""
    about = gateway.about
    return {
        "gateway": gateway.slug,
        "label": about.label,
        "website": about.website,
        "documentation_url": about.documentation_url or None,
        "regions": list(about.regions),
        "methods": list(about.methods),
        "is_crypto": about.is_crypto,
        "currencies": list(_currencies(about)),
        "coins": list(about.coins),
        "abilities": list(registry.abilities(gateway)),
        "manual_capture": about.manual_capture,
        "presentations": [one.value for one in about.presentations],
        "credentials": [show_field(one) for one in about.credentials],
        "webhook": {
            "proof": about.webhook_proof.value,
            "events": list(about.webhook_events),
            "setup": about.webhook_setup or None,
            "content_types": list(about.webhook_content_types),
        },
        "reference": {
            "max_length": about.reference.max_length,
            "alphabet": about.reference.alphabet,
            "note": about.reference.note or None,
        },
        "default_expiry_seconds": about.default_expiry_seconds,
        "idempotency_seconds": about.idempotency_seconds,
        "test_recipe": about.test_recipe or None,
    }


def _currencies(about: Description) -> Iterator[dict[str, Any]]:
    for code in sorted(about.currencies):
        yield {
            "code": code,
            "exponent": exponent_of(code),
            "minimum": about.minimums.get(code),
            "maximum": about.maximums.get(code),
        }


def show_field(one: CredentialField) -> dict[str, Any]:
    """What a form needs to ask for a credential."""
    return {
        "name": one.name,
        "label": one.label,
        "help": one.help or None,
        "is_secret": one.is_secret,
        "is_required": one.is_required,
        "is_multiline": one.is_multiline,
        "is_filled_by_platform": one.is_filled_by_platform,
        "rotates": one.rotates,
        "example": one.example or None,
        "default": one.default or None,
        "min_length": one.min_length,
        "choices": [{"value": value, "label": label} for value, label in one.choices],
        "patterns": {mode.value: pattern for mode, pattern in one.patterns.items()},
        "pattern_help": one.pattern_help or None,
    }
