"""Stripe's objects for tests: the payload files with changes, events around them, and signatures made by hand."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from core.gateways.testing import NOW
from core.gateways.types import WebhookDelivery

PAYLOADS = Path(__file__).parent / "payloads"
SECRET = "whsec_doc_NEW_b2f1"
OLD_SECRET = "whsec_doc_OLD_9c07"
URL = "https://pay.example.com/payments/webhook/stripe/token"


def load(name: str) -> dict[str, Any]:
    found = json.loads((PAYLOADS / f"{name}.json").read_text())
    assert isinstance(found, dict)
    return found


def session(**changes: Any) -> dict[str, Any]:
    return {**load("session_open"), **changes}


def intent(**changes: Any) -> dict[str, Any]:
    """An intent for a form in our page."""
    return {**load("intent_new"), **changes}


def session_intent(**changes: Any) -> dict[str, Any]:
    """An intent that a Checkout Session made."""
    own = load("intent_new")
    return {**own, "metadata": {**own["metadata"], "shape": "session"}, **changes}


def charge(**changes: Any) -> dict[str, Any]:
    return {**load("charge_succeeded"), **changes}


def refund(**changes: Any) -> dict[str, Any]:
    return {**load("refund_succeeded"), **changes}


def dispute(**changes: Any) -> dict[str, Any]:
    return {**load("dispute_created"), **changes}


def payment_method(**changes: Any) -> dict[str, Any]:
    return {**load("payment_method_card"), **changes}


def setup_session(**changes: Any) -> dict[str, Any]:
    """A Checkout Session that saves a method and takes no money."""
    return {**load("setup_session_open"), **changes}


def setup_intent(**changes: Any) -> dict[str, Any]:
    return {**load("setup_intent_succeeded"), **changes}


def declined(code: str = "card_declined", decline_code: str | None = "insufficient_funds") -> dict[str, Any]:
    """`last_payment_error` of an intent."""
    return {"type": "card_error", "code": code, "decline_code": decline_code, "message": "Your card was declined."}


def event(kind: str, subject: Mapping[str, Any], *, key: str | None = None, **envelope: Any) -> dict[str, Any]:
    return {
        "id": key or f"evt_{kind.replace('.', '_')}",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1795176200,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": "req_1", "idempotency_key": None},
        "type": kind,
        "data": {"object": dict(subject)},
        **envelope,
    }


def signature(body: bytes, *secrets: str, at: datetime | int = NOW) -> str:
    stamp = at if isinstance(at, int) else int(at.timestamp())
    signed = b"%d." % stamp + body
    parts = [f"v1={hmac.new(one.encode(), signed, hashlib.sha256).hexdigest()}" for one in secrets]
    return ",".join([f"t={stamp}", *parts])


def delivery(body: bytes | Mapping[str, Any], *secrets: str, at: datetime | int = NOW) -> WebhookDelivery:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WebhookDelivery(
        method="POST",
        url=URL,
        headers={
            "content-type": "application/json; charset=utf-8",
            "stripe-signature": signature(raw, *(secrets or (SECRET,)), at=at),
        },
        body=raw,
    )
