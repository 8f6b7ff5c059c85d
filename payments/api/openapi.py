"""The OpenAPI document of the API and its browsable page, served by ourselves: no script comes from anybody else."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any, Final

from csp.constants import SELF, UNSAFE_INLINE
from csp.decorators import csp_replace
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.http import condition, require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny

from core import strict_json

# Its stylesheet is a file of ours; what its script writes into style attributes is none of a file's.
_STYLES: Final = {"style-src": [SELF, UNSAFE_INLINE]}


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    """The document. It depends on nothing but the code, so a process makes it once (half a second)."""
    made: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    return made


@lru_cache(maxsize=1)
def _text() -> bytes:
    return strict_json.dumps(document()).encode()


def _etag(request: HttpRequest) -> str:
    return f'"{hashlib.sha256(_text()).hexdigest()[:32]}"'


@require_safe
@condition(etag_func=_etag)
def openapi(request: HttpRequest) -> HttpResponse:
    """GET /openapi.json, for everybody: it holds nothing of any lab."""
    response = HttpResponse(_text(), content_type="application/json")
    response["Cache-Control"] = "public, max-age=300"
    return response


@method_decorator(csp_replace(_STYLES), name="dispatch")
class DocsView(SpectacularSwaggerSplitView):
    """GET /docs: the document to read and to try out."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    url_name = "openapi"
    title = "Paywright API"


# Webhook addresses are Django views, for no parser may touch their bytes; so their description is written here. --------

_ANSWERS: Final = {
    "200": "Verified and stored, or seen before. The body is what that gateway wants to hear.",
    "400": "The proof is missing or wrong.",
    "404": "No such gateway or address.",
    "405": "Another method.",
    "413": "Larger than 1 MiB.",
    "415": "A content type that this gateway never sends.",
    "429": "Too many failed verifications from this address.",
    "503": "It cannot be verified or stored now; send it again.",
}


def add_webhooks(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A postprocessing hook of drf-spectacular (SPECTACULAR_SETTINGS)."""
    gateway = {"name": "gateway", "in": "path", "required": True, "schema": {"type": "string"}}
    token = {"name": "token", "in": "path", "required": True, "schema": {"type": "string"}}
    result["paths"]["/payments/webhook/{gateway}/{token}"] = _webhook(
        "receiveWebhook", "Where a gateway calls", [gateway, token]
    )
    result["paths"]["/payments/webhook/{gateway}"] = _webhook(
        "receiveWebhookShort", "The same, where only one account of that gateway exists", [gateway]
    )
    result["paths"] = dict(sorted(result["paths"].items()))
    return result


def _webhook(name: str, summary: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "post": {
            "operationId": name,
            "tags": ["Webhooks"],
            "summary": summary,
            "description": "For gateways, which prove each delivery by its signature. `webhook_url` of a gateway key is "
            "the whole address.",
            "parameters": parameters,
            "requestBody": {"content": {"*/*": {"schema": {}}}, "description": "As the gateway sends it."},
            "security": [],
            "responses": {status: {"description": what} for status, what in _ANSWERS.items()},
        }
    }
