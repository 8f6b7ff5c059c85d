"""Where gateways call. Size, route, account, secret, verify the raw bytes, store and apply, commit, answer.

A plain Django view: no session, no CSRF, no parser may touch the bytes. The answers are the table of docs/webhooks.md.
"""

from __future__ import annotations

import logging
from typing import Final

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from prometheus_client import Counter
from psycopg_pool import PoolTimeout

from core import addresses, crash, rate_limit
from core.gateways import registry, replies
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import WebhookDelivery, WebhookReply
from payments import inbox
from payments.services import keys
from payments.services.keys import KeyRow

_log = logging.getLogger(__name__)
_DOWN: Final = (DatabaseError, InterfaceError, PoolTimeout)
ANSWERED: Final = Counter("paywright_webhooks_total", "Webhook deliveries by gateway and answer", ["gateway", "status"])


@csrf_exempt
def webhook(request: HttpRequest, gateway: str, token: str = "") -> HttpResponse:
    """POST /payments/webhook/{gateway}/{token}, and the short form where only one account of that gateway exists."""
    try:
        reply = _answer(request, gateway, token)
    except _DOWN:
        _log.warning("a webhook was answered 503: the database is not there")
        reply = replies.REPLY_UNAVAILABLE
    known = gateway if gateway in registry.slugs() else "unknown"
    ANSWERED.labels(known, str(reply.status)).inc()
    return _response(reply)


def _answer(request: HttpRequest, gateway: str, token: str) -> WebhookReply:
    try:
        about = registry.gateway_class(gateway).about
    except registry.UnknownGateway:
        return replies.REPLY_NOT_FOUND
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isascii() and declared.isdigit() else 0
    headers = {name.lower(): value for name, value in request.headers.items()}
    refused = replies.reply_before_reading(about, method=request.method or "", headers=headers, body_bytes=size)
    if refused is not None:
        return refused
    body = request.read(replies.MAX_BODY_BYTES + 1)
    if len(body) > replies.MAX_BODY_BYTES:
        return replies.REPLY_TOO_LARGE
    key = keys.find_by_token(gateway, token) if token else keys.find_only(gateway)
    if key is None:
        return replies.REPLY_NOT_FOUND
    delivery = WebhookDelivery(method="POST", url=request.build_absolute_uri(), headers=headers, body=body)
    return _verified(request, key, delivery)


def _verified(request: HttpRequest, key: KeyRow, delivery: WebhookDelivery) -> WebhookReply:
    try:
        reading = keys.open_key(key).read_webhook(delivery)
    except WebhookRejected:
        return _rejected(request, key)
    except GatewayMisconfigured:
        return replies.REPLY_UNAVAILABLE
    except _DOWN:
        raise
    except Exception:
        _log.exception("reading a delivery of %s failed before it was stored", key.gateway)
        return replies.REPLY_FAULT
    crash.point("webhook_after_verify")
    inbox.accept(inbox.Received(key=key.facts, delivery=delivery, reading=reading))
    return reading.reply


def _rejected(request: HttpRequest, key: KeyRow) -> WebhookReply:
    """Counted per address; a flood of forgeries hears 429, which is never applied to verified deliveries."""
    try:
        rate_limit.check(name="webhook-rejected", subject=addresses.client_address(request), limit=60)
    except rate_limit.TooManyRequests:
        return replies.REPLY_TOO_MANY
    return replies.REPLY_REJECTED


def _response(reply: WebhookReply) -> HttpResponse:
    response = HttpResponse(reply.body, status=reply.status, content_type=reply.content_type)
    if reply.status in {429, 503}:
        response["Retry-After"] = str(replies.RETRY_AFTER_SECONDS)
    if reply.status == 405:
        response["Allow"] = "POST"
    return response
