"""Whose network address a request came from, behind as many proxies as the operator says stand in front."""

from __future__ import annotations

from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The address that the outermost trusted proxy saw; without proxies, the peer's own.

    Each proxy appends the address it saw to X-Forwarded-For, so with n trusted ones the n-th entry from the right is the
    client and everything before it is hearsay. A header that is too short did not pass all of them, and one whose entry
    is no address was not written by them: then the peer is taken.
    """
    peer = str(request.META.get("REMOTE_ADDR", ""))
    seen = str(request.META.get("HTTP_X_FORWARDED_FOR", "")).split(",")
    count: int = settings.TRUSTED_PROXIES
    if not 0 < count <= len(seen):
        return peer
    try:
        return str(ip_address(seen[-count].strip()))
    except ValueError:
        return peer
