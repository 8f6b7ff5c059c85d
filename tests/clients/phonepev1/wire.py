"""Bodies as PhonePe v1 sends them, with only what a test changes written at the test.

The proofs are made here a second time and share nothing with the client.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from core.gateways.types import WebhookDelivery
from core.http import HttpRequest

PAYLOADS: Final = Path(__file__).parent / "payloads"
MERCHANT: Final = "DEMOSHOPUAT"
KEY: Final = "4f1d2c3b-0a9e-4d8c-b7a6-5e4f3a2b1c0d"
OTHER_KEY: Final = "9c8b7a65-1f2e-4d3c-8b4a-0f9e8d7c6b5a"
REFERENCE: Final = "inv-000417-a1"
REFUND_REFERENCE: Final = "rf-000417-1"
THEIRS: Final = "T2501011200000000000001"
REFUND_THEIRS: Final = "TR2501021000000000000003"
PAGE: Final = "https://mercury-uat.phonepe.com/transact/pg?token=invented"
# As the protocol reference prints them, all with the key above.
CREATE_VERIFY: Final = "8b98f5352260592c945c511e0f4fa657c468417b1ea44b91d39ca3ce2a869226###1"
STATUS_VERIFY: Final = "be84535c7a4230e31db6dd07d22dde1a5ccb5cba7a5c4aa9da906e4759f4dbd7###1"
CALLBACK_VERIFY: Final = "3287f221a4f35da16fdd604345cb8c06f017501faec7af36b08ad06c6d465733###1"
PATH_INSERTED: Final = "8052b0002ca318d68a673ea2e343b5b00e42951fe6d86b88cea81028fc759d0c###1"
RETURN_VERIFY: Final = "89afcb5e255e508eae318eb1979302369a4757104cd866098bb9e1d3ded2b196###1"
REFUND_VERIFY: Final = "0d61376ebfff621266d0ab299a38b3634890c4c9b1579a5f6b6dd91a61a0d0d5###1"

CREDENTIALS: Final = {"merchant_id": MERCHANT, "salt_key": KEY, "salt_index": "1"}


def payload(name: str) -> str:
    return (PAYLOADS / name).read_text().rstrip("\n")


def verify(text: str, *, key: str = KEY, index: str = "1") -> str:
    return hashlib.sha256((text + key).encode()).hexdigest() + "###" + index


def base64_of(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def asked(request: HttpRequest) -> dict[str, Any]:
    """What a create or refund asks for, unwrapped."""
    found: dict[str, Any] = json.loads(base64.b64decode(json.loads(request.body)["request"], validate=True))
    return found


def created(**data: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(payload("created.json"))
    return {**body, "data": {**body["data"], **data}}


def told(code: str | int | None = "PAYMENT_SUCCESS", state: str | None = "COMPLETED", **data: Any) -> dict[str, Any]:
    """A status answer, or what a callback wraps. `success`, `message` and `data` may be given; None leaves out."""
    beside: dict[str, Any] = {name: data.pop(name) for name in ("success", "message") if name in data}
    body: dict[str, Any] = {"success": code in {"PAYMENT_SUCCESS", "PAYMENT_PENDING"}, "code": code, "message": "text",
                            **beside}  # fmt: skip
    members: dict[str, Any] = {
        "merchantId": MERCHANT,
        "merchantTransactionId": REFERENCE,
        "transactionId": THEIRS,
        "amount": 129900,
        "state": state,
        "responseCode": "SUCCESS" if code == "PAYMENT_SUCCESS" else None,
        "paymentInstrument": {"type": "UPI", "utr": "500112345678"} if code == "PAYMENT_SUCCESS" else None,
        **data,
    }
    body["data"] = {name: value for name, value in members.items() if value is not None}
    return {name: value for name, value in body.items() if value is not None}


def refund(code: str = "PAYMENT_SUCCESS", state: str | None = "COMPLETED", **data: Any) -> dict[str, Any]:
    names = {"merchantTransactionId": REFUND_REFERENCE, "transactionId": REFUND_THEIRS, "amount": 29900,
             "paymentInstrument": None}  # fmt: skip
    return told(code, state, **{**names, **data})


def refused(code: str | int | None, **more: Any) -> dict[str, Any]:
    return {"success": False, **({} if code is None else {"code": code}), **more}


def envelope(response: str, signature: str | None = None, *, key: str = KEY, index: str = "1") -> WebhookDelivery:
    """A callback around the text `response`."""
    return raw_delivery(
        json.dumps({"response": response}).encode(), signature or verify(response, key=key, index=index)
    )


def callback(body: dict[str, Any], *, key: str = KEY, index: str = "1") -> WebhookDelivery:
    """Pretty-printed inside, as PhonePe does: whoever encodes it again gets other bytes."""
    return envelope(base64_of(json.dumps(body, indent=2, ensure_ascii=False)), key=key, index=index)


def raw_delivery(body: bytes, signature: str) -> WebhookDelivery:
    return WebhookDelivery(
        method="POST",
        url="https://pay.example.com/payments/webhook/phonepev1/token",
        headers={"content-type": "application/json", "x-verify": signature},
        body=body,
    )


FORM: Final[dict[str, str]] = {
    "code": "PAYMENT_SUCCESS", "merchantId": MERCHANT, "transactionId": REFERENCE, "amount": "129900",
    "providerReferenceId": THEIRS, **{f"param{number}": "na" for number in range(1, 21)}, "checksum": RETURN_VERIFY,
}  # fmt: skip


def browser(fields: dict[str, str] | None = None, *, method: str = "POST", query: str = "") -> WebhookDelivery:
    return WebhookDelivery(
        method=method,
        url=f"https://pay.example.com/p/abc/return?{query}",
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=urlencode(fields or {}).encode(),
    )
