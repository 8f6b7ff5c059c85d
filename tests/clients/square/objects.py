"""Square's objects for tests: the payload files with changes, events around them, and signatures made by hand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.gateways.types import WebhookDelivery

PAYLOADS = Path(__file__).parent / "payloads"
TOKEN = "EAAAdocExampleTokenOfTheSandbox0001"
KEY = "doc-EXAMPLE_key-not-real"
OLD_KEY = "doc-EXAMPLE_key-of-before"
URL = "https://pay.example.test/hooks/square/acct_7/"
LOCATION = "LDOCEXAMPLE1"
MERCHANT = "MLDOCEXAMPLE1"
REFERENCE = "PAY_20261120183005_1a2b3c4d_1"
REFUND_REFERENCE = "REF_20261120190000_5e6f7a8b"
LINK = "LINKDOCEXAMPLE01"
ORDER = "oRdDocExample000000000001"
PAYMENT = "pAyDocExample0000000000001"
FAILED_PAYMENT = "pAyDocExample0000000000009"
REFUND = "pAyDocExample0000000000001_rEfDocExample00000000000001"
DISPUTE = "dIsDocExample0001"
CARD = "ccof:docExampleCard0001"
CUSTOMER = "CUSDOCEXAMPLE1"

RECEIPTS = {"test": "https://squareupsandbox.com/receipt/preview/x", "live": "https://squareup.com/receipt/preview/x"}


def load(name: str) -> dict[str, Any]:
    found = json.loads((PAYLOADS / f"{name}.json").read_text())
    assert isinstance(found, dict)
    return found


def exact(name: str) -> bytes:
    return (PAYLOADS / f"{name}.json").read_bytes()


def money(amount: Any, currency: str = "USD") -> dict[str, Any]:
    return {"amount": amount, "currency": currency}


def of_link(status: str = "COMPLETED", **changes: Any) -> dict[str, Any]:
    """The payment of a link: it has an order and no reference. Without the signs of an environment, as some are."""
    signs = {"receipt_url": None, "application_details": None}
    return _without_none({**load("payment_completed"), "status": status, **signs, **changes})


def direct(status: str = "COMPLETED", **changes: Any) -> dict[str, Any]:
    """A payment that we made by a saved card: it has our reference."""
    return of_link(status, **{"reference_id": REFERENCE, **changes})


def failed(code: str = "GENERIC_DECLINE", **changes: Any) -> dict[str, Any]:
    """A declined try on a link."""
    error = {"category": "PAYMENT_METHOD_ERROR", "code": code, "detail": f"Authorization error: '{code}'"}
    return of_link(
        "FAILED",
        **{
            "id": FAILED_PAYMENT,
            "approved_money": money(0),
            "card_details": {"status": "FAILED", "errors": [error]},
            "processing_fee": None,
            **changes,
        },
    )


def order(*paid_by: str, **changes: Any) -> dict[str, Any]:
    """The order of a link; a paid one stays open until somebody fulfills it."""
    found = {**load("order_open"), **changes}
    if paid_by:
        found = {
            "state": "OPEN",
            **found,
            "tenders": [{"id": one, "payment_id": one, "type": "CARD"} for one in paid_by],
        }
    return found


def refund(status: str = "PENDING", **changes: Any) -> dict[str, Any]:
    return _without_none({**load("refund_pending"), "status": status, **changes})


def dispute(state: str = "EVIDENCE_REQUIRED", **changes: Any) -> dict[str, Any]:
    return _without_none({**load("dispute_created"), "state": state, **changes})


def errors(code: str, category: str = "INVALID_REQUEST_ERROR", **more: Any) -> dict[str, Any]:
    return {"errors": [{"category": category, "code": code, "detail": f"Something about {code}.", **more}]}


def event(kind: str, subject: Mapping[str, Any], *, event_id: str | None = None, **envelope: Any) -> dict[str, Any]:
    """An envelope; its id is that of the content, so that another content is another event."""
    name = kind.partition(".")[0]
    digest = hashlib.sha256(json.dumps([kind, subject]).encode()).hexdigest()
    return {
        "merchant_id": MERCHANT,
        "type": kind,
        "event_id": event_id or f"{digest[:8]}-{digest[8:12]}-4{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}",
        "created_at": "2026-11-20T12:03:13.345Z",
        "data": {"type": name, "id": "not-the-id-to-read", "object": {name: dict(subject)}},
        **envelope,
    }


def signature(body: bytes, key: str = KEY, *, url: str = URL) -> str:
    return base64.b64encode(hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()).decode()


def delivery(body: Mapping[str, Any] | bytes, key: str = KEY) -> WebhookDelivery:
    raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    return WebhookDelivery(
        method="POST",
        url="http://10.0.0.7:8000/hooks/square/acct_7/",  # what a proxy makes of it: never what is signed
        headers={
            "content-type": "application/json",
            "square-environment": "Sandbox",
            "x-square-signature": "b2xkIHNoYTEgc2lnbmF0dXJlLi4u",
            "x-square-hmacsha256-signature": signature(raw, key),
        },
        body=raw,
    )


def _without_none(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}
