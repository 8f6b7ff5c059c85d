"""Bodies as PhonePe sends them, with only what a test changes written at the test.

The proof is written down here a second time and shares nothing with the client.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from core.gateways.testing import answer
from core.gateways.types import WebhookDelivery

PAYLOADS: Final = Path(__file__).parent / "payloads"
USERNAME: Final = "shop_hook_01"
PASSWORD: Final = "Ab12cd34Ef"
# Of the two above, as the protocol reference prints it.
HEADER: Final = "679c5c2c627fc8379aaa6efcf562fc5a8a66ce12ab19cdfacd853ec796de1f7e"
SECRET: Final = "0d5b7c1e-4a2f-4c39-8e61-2b90f7a1d3c4"
REFERENCE: Final = "inv-000417-a1"
ORDER_ID: Final = "OMO2501011200000000000001"
REFUND_REFERENCE: Final = "rf-000417-1"
REFUND_ID: Final = "OMR2501021000000000000003"
TRANSACTION_ID: Final = "OM2501011201000000000002"
MERCHANT: Final = "M0DEMO"
ISSUED: Final = 1_795_000_000
PAGE: Final = "https://mercury-uat.phonepe.com/transact/uat_v2?token=invented"

CREDENTIALS: Final = {
    "client_id": "TEST-M00DEMO_25010",
    "client_secret": SECRET,
    "client_version": "1",
    "webhook_username": USERNAME,
    "webhook_password": PASSWORD,
}


def payload(name: str) -> bytes:
    return (PAYLOADS / name).read_bytes().rstrip(b"\n")


def token_body(value: str = "invented-access-token-1", *, life: int = 3600, **changes: Any) -> dict[str, Any]:
    """As documented; `expires_in` is null there too."""
    return {
        "access_token": value,
        "encrypted_access_token": "invented-encrypted-token",
        "refresh_token": "invented-refresh-token",
        "expires_in": None,
        "issued_at": ISSUED,
        "expires_at": ISSUED + life,
        "session_expires_at": ISSUED + life,
        "token_type": "O-Bearer",
        **changes,
    }


TOKEN: Final = answer(token_body())


def attempt(state: str = "COMPLETED", **changes: Any) -> dict[str, Any]:
    return {
        "transactionId": TRANSACTION_ID,
        "paymentMode": "UPI_QR",
        "timestamp": 1735713100000,
        "amount": 129900,
        "state": state,
        "rail": {"type": "UPI", "utr": "500112345678", "vpa": "ada@ybl"},
        "instrument": {"type": "ACCOUNT", "accountType": "SAVINGS"},
        **changes,
    }


def order(state: str | None = "COMPLETED", **changes: Any) -> dict[str, Any]:
    """Answer of the status call, without our own id, as the older ones are."""
    body: dict[str, Any] = {
        "orderId": ORDER_ID,
        "state": state,
        "amount": 129900,
        "payableAmount": 129900,
        "feeAmount": 0,
        "expireAt": 1735713900000,
        "paymentDetails": [attempt(state)] if state in {"COMPLETED", "FAILED"} else [],
        "metaInfo": {"udf1": "tenant-7"},
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def refund(state: str | None = "COMPLETED", **changes: Any) -> dict[str, Any]:
    """Answer of the refund's status call; `merchantRefundId` is often missing in it."""
    body: dict[str, Any] = {
        "originalMerchantOrderId": REFERENCE,
        "refundId": REFUND_ID,
        "amount": 29900,
        "state": state,
        "timestamp": 1735800000000,
        "paymentDetails": [],
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def proof(username: str, password: str) -> str:
    return hashlib.sha256(username.encode() + b":" + password.encode()).hexdigest()


def raw_delivery(body: bytes, *, header: str = HEADER) -> WebhookDelivery:
    return WebhookDelivery(
        method="POST",
        url="https://pay.example.com/payments/webhook/phonepe/token",
        headers={"content-type": "application/json", "authorization": header},
        body=body,
    )


def delivery(event: str, payload: dict[str, Any], *, header: str = HEADER, **beside: Any) -> WebhookDelivery:
    body = json.dumps({"event": event, **beside, "payload": payload}, separators=(",", ":"), ensure_ascii=False)
    return raw_delivery(body.encode(), header=header)
