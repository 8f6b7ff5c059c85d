"""Bodies as NOWPayments sends them, with only what a test changes written at the test.

`sign` shares nothing with the client: it is enough for bodies whose numbers Python and JavaScript print alike.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any, Final

from core.gateways.types import WebhookDelivery

PAYLOADS: Final = Path(__file__).parent / "payloads"
SECRET: Final = "doc-ipn-secret-A1"
API_KEY: Final = "ABCDEF1-GHJKLM2-NPQRST3-UVWXYZ4"
REFERENCE: Final = "ord-20260114-0007"
PAYMENT_ID: Final = "4101567823"
CHILD_ID: Final = "4101567900"
HASH: Final = "9f" * 32


def payload(name: str) -> bytes:
    return (PAYLOADS / name).read_bytes().rstrip(b"\n")


def ipn(word: str = "finished", **changes: Any) -> dict[str, Any]:
    """Body of a payment IPN: 49.90 USD asked as 49.912345 USDT on Tron, and all of it paid."""
    return {
        "payment_id": int(PAYMENT_ID),
        "parent_payment_id": None,
        "invoice_id": None,
        "payment_status": word,
        "pay_address": "TExampleDepositAddressAAAAAAAAAAAA",
        "payin_extra_id": None,
        "price_amount": 49.9,
        "price_currency": "usd",
        "pay_amount": 49.912345,
        "actually_paid": 49.912345 if word == "finished" else 0,
        "pay_currency": "usdttrc20",
        "order_id": REFERENCE,
        "purchase_id": "5120098877",
        "payment_extra_ids": None,
        "fee": {"currency": "btc", "depositFee": 0.25, "withdrawalFee": 0},
        "updated_at": 1768392000123,
        **changes,
    }


def answered(word: str = "finished", **changes: Any) -> dict[str, Any]:
    """Answer of GET /v1/payment/{id}: dates in ISO 8601, hashes beside."""
    body = {**ipn(word), "created_at": "2026-01-14T11:20:00.000Z", "updated_at": "2026-01-14T12:00:00.000Z"}
    del body["fee"], body["parent_payment_id"]
    return {**body, "payin_hash": None, "payout_hash": None, "burning_percent": "null", **changes}


def child(word: str = "finished", **changes: Any) -> dict[str, Any]:
    """A repeated deposit to the same address: `pay_amount` equals what arrived, the price repeats the order's."""
    amounts = {"pay_amount": 24.412345, "actually_paid": 24.412345}
    return {**ipn(word), "payment_id": int(CHILD_ID), "parent_payment_id": int(PAYMENT_ID), **amounts, **changes}


def sign(body: bytes, secret: str) -> str:
    try:
        tree = json.loads(body)
    except RecursionError:
        raise ValueError("too deep to be signed") from None
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.new(secret.encode(), text.encode(), hashlib.sha512).hexdigest()


def delivery(body: dict[str, Any] | bytes, *, signature: str | None = None, secret: str = SECRET) -> WebhookDelivery:
    raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()
    return WebhookDelivery(
        method="POST",
        url="https://pay.example.com/payments/webhook/nowpayments/token",
        headers={
            "content-type": "application/json",
            "user-agent": "NOWPayments v1.0",
            "x-nowpayments-sig": sign(raw, secret) if signature is None else signature,
        },
        body=raw,
    )
