"""Razorpay's entities for tests: the payload files with changes, events around them, and signatures made by hand."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.gateways.types import WebhookDelivery

PAYLOADS = Path(__file__).parent / "payloads"
SECRET = "doc webhook secret #7"
OLD_SECRET = "doc webhook secret #6"
KEY_SECRET = "docKeySecret_0001"
URL = "https://pay.example.com/payments/webhook/razorpay/token"

LINK_ID = "plink_DocCCCCCCCCCC1"
ORDER_ID = "order_DocAAAAAAAAAA1"
PAYMENT_ID = "pay_DocBBBBBBBBBB1"
FAILED_ID = "pay_DocFailed000001"
REFUND_ID = "rfnd_DocFFFFFFFFFF1"
DISPUTE_ID = "disp_DocGGGGGGGGGG1"
ACCOUNT_ID = "acc_DocEEEEEEEEEE1"
REFERENCE = "PAY_20261120183005_1a2b3c4d_1"
REFUND_REFERENCE = "REF_20261120190000_5e6f7a8b"

AUTHORIZED = {"status": "authorized", "captured": False, "fee": None, "tax": None}
# Given back by Razorpay because nobody captured it.
RELEASED = {"status": "refunded", "captured": False, "fee": None, "tax": None, "amount_refunded": 129900}


def load(name: str) -> dict[str, Any]:
    found = json.loads((PAYLOADS / f"{name}.json").read_text())
    assert isinstance(found, dict)
    return found


def link(**changes: Any) -> dict[str, Any]:
    return {**load("link_created"), **changes}


def paid_link(**changes: Any) -> dict[str, Any]:
    captured = {"payment_id": PAYMENT_ID, "amount": "129900", "status": "captured", "method": "upi"}
    paid = {"status": "paid", "amount_paid": 129900, "order_id": ORDER_ID, "payments": [captured]}
    return link(**{**paid, **changes})


def order(**changes: Any) -> dict[str, Any]:
    return {**load("order_created"), **changes}


def paid_order(**changes: Any) -> dict[str, Any]:
    return order(**{"status": "paid", "amount_paid": 129900, "amount_due": 0, "attempts": 1, **changes})


def payment(**changes: Any) -> dict[str, Any]:
    return {**load("payment_captured"), **changes}


def failed(**changes: Any) -> dict[str, Any]:
    return {**load("payment_failed"), **changes}


def refund(**changes: Any) -> dict[str, Any]:
    return {**load("refund_processed"), **changes}


def dispute(**changes: Any) -> dict[str, Any]:
    return {**load("dispute_open"), **changes}


def listing(*items: Mapping[str, Any]) -> dict[str, Any]:
    return {"entity": "collection", "count": len(items), "items": list(items)}


def error(description: str, code: str = "BAD_REQUEST_ERROR", **members: Any) -> dict[str, Any]:
    return {"error": {"code": code, "description": description, **members}}


NO_SUCH_ID = error("The id provided does not exist", source="business", step="payment_initiation", reason="NA")


def event(kind: str, at: int = 1795176200, **entities: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "entity": "event",
        "account_id": ACCOUNT_ID,
        "event": kind,
        "contains": list(entities),
        "payload": {name: {"entity": dict(one)} for name, one in entities.items()},
        "created_at": at,
    }


def encoded(body: Mapping[str, Any]) -> bytes:
    """As Razorpay's encoder writes it: compact, ASCII, slashes escaped."""
    return json.dumps(body, separators=(",", ":")).replace("/", "\\/").encode()


def signature(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def delivery(body: bytes | Mapping[str, Any], secret: str = SECRET) -> WebhookDelivery:
    raw = body if isinstance(body, bytes) else encoded(body)
    headers = {
        "content-type": "application/json",
        "x-razorpay-event-id": "DocEvent000001",
        "x-razorpay-signature": signature(raw, secret),
    }
    return WebhookDelivery(method="POST", url=URL, headers=headers, body=raw)
