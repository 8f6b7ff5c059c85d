"""Is the process up, is it ready, what does it count. Fast, without secrets, and without the API's authentication."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView
from psycopg_pool import PoolTimeout

from core import encryption, guards, shared_redis, startup
from core.api import problems

OK: Final = "ok"
_migrated: set[str] = set()  # databases seen with every migration of this code; that does not go away


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers. Asks nobody: a dead database must not get web processes killed."""
    return JsonResponse({"status": OK})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when requests can be served ("degraded" without Redis), else 503. Says which part, never why in detail."""
    found = {
        "database": _ask(_database),
        "migrations": _ask(_migrations),
        "guards": _ask(_guards),
        "encryption": _ask(_encryption),
        "redis": OK if shared_redis.is_answering() else "down",
    }
    is_ready = all(state == OK for part, state in found.items() if part != "redis")
    status = "not_ready" if not is_ready else OK if found["redis"] == OK else "degraded"
    response = JsonResponse({"status": status, "checks": found}, status=200 if is_ready else 503)
    if not is_ready:
        response["Retry-After"] = "5"
    return response


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text, for a caller on this machine or with `settings.METRICS_TOKEN` as bearer token; else 404."""
    if not (_is_local(request) or _has_token(request)):
        return problems.plain(404)
    page: HttpResponse = ExportToDjangoView(request)
    return page


def _ask(part: Callable[[], str]) -> str:
    try:
        return part()
    except (DatabaseError, InterfaceError, PoolTimeout):
        return "down"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return OK


def _migrations() -> str:
    name = str(connection.settings_dict["NAME"])
    if name not in _migrated:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "not_applied"
        _migrated.add(name)
    return OK


def _guards() -> str:
    return "missing" if guards.missing() else OK


def _encryption() -> str:
    try:
        startup.check_stored_values()
    except (startup.WrongMasterKey, encryption.MasterKeysUnusable):
        return "cannot_open"
    return OK


def _is_local(request: HttpRequest) -> bool:
    """Straight from this machine. With a forwarding header the caller is whoever spoke to a proxy here: not local."""
    if "HTTP_X_FORWARDED_FOR" in request.META or "HTTP_FORWARDED" in request.META:
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _has_token(request: HttpRequest) -> bool:
    token: str = getattr(settings, "METRICS_TOKEN", "") or ""
    given = request.META.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ").strip()
    return bool(token) and hmac.compare_digest(token.encode(), given.encode())
