"""What a key may do: every view names the scope it needs, for each method; a view that names none is closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.permissions import BasePermission

from core.api.authentication import ApiKeyContext, NotAuthenticated
from core.errors import DomainError


class ScopeMissing(DomainError):
    """403: the key is valid, and lacks the scope."""

    code: ClassVar[str] = "scope_missing"
    status: ClassVar[int] = 403
    title: ClassVar[str | None] = "Forbidden"


class HasScope(BasePermission):
    """Reads `scopes` of the view: a mapping of method to scope, like {"GET": "payments:read"}. HEAD counts as GET."""

    def has_permission(self, request: Any, view: Any) -> bool:
        if not isinstance(request.auth, ApiKeyContext):
            raise NotAuthenticated
        needed = scope_of(view, request.method)
        if needed is None:
            return request.method not in view.allowed_methods  # then the view answers 405
        if needed not in request.auth.scopes:
            raise ScopeMissing(f"This API key lacks the scope {needed}; use a key that has it.")
        return True


def scope_of(view: Any, method: str) -> str | None:
    """The scope that `view` asks for with `method`, None where it names none."""
    scopes: Mapping[str, str] = getattr(view, "scopes", {})
    return scopes.get("GET" if method == "HEAD" else method)
