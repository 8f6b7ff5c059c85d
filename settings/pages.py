"""The headers of pages that depend on where a page lives: the admin's script policy and referrer."""

from __future__ import annotations

from typing import Final

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

_ADMIN: Final = "/admin/"


class PagePolicyMiddleware(CSPMiddleware):
    """django-csp's middleware, with the admin's exceptions kept inside the admin."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith(_ADMIN) and not report_only:
            parts.replace = {**settings.CONTENT_SECURITY_POLICY_ADMIN, **(parts.replace or {})}
        return parts

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if request.path_info.startswith(_ADMIN):
            # Under no-referrer a browser sends `Origin: null` with a form, which the CSRF check must refuse.
            response.headers.setdefault("Referrer-Policy", "same-origin")
        return super().process_response(request, response)
