"""Bodies as PayTabs sends them, with only what a test changes written at the test; signed by a signer of its own."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any, Final

from core.gateways.types import WebhookDelivery

PAYLOADS: Final = Path(__file__).parent / "payloads"
KEY: Final = "SDOCEXAMPL-0123456789-ABCDEFGHJK"
OLD_KEY: Final = "SOLDEXAMPL-9876543210-KJHGFEDCBA"
CLIENT_KEY: Final = "CDOCEXAMPL-0123456789-ABCDEFGHJK"
PROFILE: Final = "990011"
BASE: Final = "https://secure.paytabs.sa"
REFERENCE: Final = "PAY_20261120183005_1a2b3c4d_1"
CHILD: Final = f"{REFERENCE}-c1"
REFUND_REFERENCE: Final = "RF_20261120190000_5e6f7a8b_1"
REF: Final = "TST2632400991234"  # of the sale or hold
NEXT_REF: Final = "TST2632400991235"  # of the capture, void or second leg
REFUND_REF: Final = "TST2632400991236"
TOKEN: Final = "2C4652BF67A3EA33C6B590FE658078BD"
EXAMPLE_SIGNATURE: Final = "485b7bc8609f3733711ea7fd4da7cb171db9d1f41fc3b6819e0ba56ba06c6c57"


def credentials(**changes: Any) -> dict[str, Any]:
    return {"region": "SAU", "profile_id": PROFILE, "server_key": KEY, **changes}


def payload(name: str) -> bytes:
    return (PAYLOADS / name).read_bytes()


def load(name: str) -> dict[str, Any]:
    found = json.loads(payload(name))
    assert isinstance(found, dict)
    return found


def row(kind: str = "Sale", letter: str | None = "A", **changes: Any) -> dict[str, Any]:
    """A notification or a row of a query: 115.50 SAR. Without a letter it has no result. None leaves a member out."""
    body: dict[str, Any] = {
        "tran_ref": REF,
        "merchant_id": 4711,
        "profile_id": int(PROFILE),
        "cart_id": REFERENCE,
        "cart_description": "Order 42",
        "cart_currency": "SAR",
        "cart_amount": "115.50",
        "tran_currency": "SAR",
        "tran_total": "115.50",
        "tran_type": kind,
        "tran_class": "ECom",
        "customer_details": {"name": "Ada Example", "email": "ada@example.com", "ip": "203.0.113.7"},
    }
    if letter is not None:
        code, message = ("G10042", "Authorised") if letter == "A" else ("300", "Declined")
        body["payment_result"] = {
            "response_status": letter,
            "response_code": changes.pop("code", code),
            "response_message": changes.pop("message", message),
            "transaction_time": changes.pop("time", "2026-11-20T12:00:00Z"),
        }
        body["payment_info"] = {
            "payment_method": "Visa",
            "card_type": "Credit",
            "card_scheme": "Visa",
            "payment_description": "4111 11## #### 1111",
            "expiryMonth": 12,
            "expiryYear": 2030,
        }
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def amount(text: str, currency: str = "SAR") -> dict[str, str]:
    return {"cart_amount": text, "tran_total": text, "cart_currency": currency, "tran_currency": currency}


def page(reference: str = REFERENCE, **changes: Any) -> dict[str, Any]:
    """Answer of a create: shape 1."""
    return {
        "tran_ref": REF,
        "tran_type": "Sale",
        "cart_id": reference,
        "cart_currency": "SAR",
        "cart_amount": "115.50",
        "redirect_url": f"{BASE}/payment/page/5A0C0000",
        "profileId": int(PROFILE),
        "trace": "PMNT0404.00000000.00000001",
        **changes,
    }


def follow_up(kind: str, letter: str = "A", **changes: Any) -> dict[str, Any]:
    """What a capture or void of ours looks like: a reference and a name of its own."""
    return row(kind, letter, **{"tran_ref": NEXT_REF, "previous_tran_ref": REF, "cart_id": CHILD, **changes})


def refund(letter: str = "A", **changes: Any) -> dict[str, Any]:
    """A refund of ours of 15.50 SAR."""
    known = {"tran_ref": REFUND_REF, "previous_tran_ref": REF, "cart_id": REFUND_REFERENCE, **amount("15.50")}
    return row("Refund", letter, **{**known, **changes})


def failure(code: int | str, message: str = "refused", **changes: Any) -> dict[str, Any]:
    return {"code": code, "message": message, "trace": "PMNT0404.00000000.0000000F", **changes}


def signature(body: bytes, key: str = KEY) -> str:
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def delivery(body: dict[str, Any] | bytes, *, signed: str | None = None, key: str = KEY) -> WebhookDelivery:
    raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
    return WebhookDelivery(
        method="POST",
        url="https://pay.example.com/payments/webhook/paytabs/token",
        headers={"content-type": "application/json", "signature": signature(raw, key) if signed is None else signed},
        body=raw,
    )
