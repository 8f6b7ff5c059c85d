"""What PesoPay sends, with only what a test changes written at the test. `sign` shares nothing with the client."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from core.gateways.testing import answer
from core.gateways.types import WebhookDelivery
from core.http import HttpResponse

PAYLOADS: Final = Path(__file__).parent / "payloads"
SECRET: Final = "Kx7Qm2RvT9bLw4ZpH8sYc3NfJd6GaEu1"
OLD_SECRET: Final = "Pq4Wn8XcV1mKj6RtB3zHs9LdG5yFaTe2"
MERCHANT: Final = "18000001"
REFERENCE: Final = "PAY-20261120183005-1a2b3c4d-N1"
HOLD: Final = "PAY-20261120183005-1a2b3c4d-H1"
PAY_REF: Final = "13900123"
DECLINED_REF: Final = "13900122"
SECOND_REF: Final = "13900124"
NO_RECORD: Final = b'<?xml version="1.0" encoding="ISO-8859-1"?>\n<records></records>'

_ORDER: Final = ("src", "prc", "successcode", "Ref", "PayRef", "Cur", "Amt", "payerAuth")


def payload(name: str) -> bytes:
    return (PAYLOADS / name).read_bytes().rstrip(b"\n")


def sign(body: bytes, secret: str, function: str = "sha1") -> str:
    values = dict(parse_qsl(body.decode(), keep_blank_values=True))
    text = "|".join([*(values.get(name, "") for name in _ORDER), secret])
    return hashlib.new(function, text.encode()).hexdigest()


def feed(secret: str = SECRET, *, function: str = "sha1", **changes: str | None) -> bytes:
    """Body of a datafeed about 1250.50 PHP, paid; None takes a field away."""
    fields = {
        "prc": "0", "src": "0", "Ord": "6697090", "Ref": REFERENCE, "PayRef": PAY_REF, "successcode": "0",
        "Amt": "1250.50", "Cur": "608", "Holder": "TEST HOLDER", "AuthId": "123456", "AlertCode": "R14", "remark": "",
        "eci": "05", "payerAuth": "Y", "sourceIp": "203.0.113.9", "ipCountry": "PH", "payMethod": "Master",
        "TxTime": "2026-01-14 19:20:00.0", "panFirst4": "5422", "panLast4": "0007", "MerchantId": MERCHANT,
        **changes,
    }  # fmt: skip
    body = urlencode({name: value for name, value in fields.items() if value is not None}).encode()
    return with_hash(body, sign(body, secret, function))


def with_hash(body: bytes, value: str) -> bytes:
    """The same feed under another secureHash."""
    return b"&".join([*without_hash(body), b"secureHash=" + quote(value).encode()])


def without_hash(body: bytes) -> list[bytes]:
    return [part for part in body.split(b"&") if not part.lower().startswith(b"securehash=")]


def delivery(body: bytes) -> WebhookDelivery:
    return WebhookDelivery(
        method="POST",
        url="https://pay.example.com/payments/webhook/pesopay/token",
        headers={"content-type": "application/x-www-form-urlencoded"},
        body=body,
    )


def record(status: str = "Accepted", **changes: str) -> dict[str, str]:
    """Members of one record of a Query."""
    return {
        "orderStatus": status, "ref": REFERENCE, "payRef": PAY_REF, "amt": "1250.5", "cur": "608", "prc": "0", "src": "0",
        "ord": "6697090", "holder": "TEST HOLDER", "authId": "123456", "remark": "", "payMethod": "Master",
        "panFirst4": "5422", "panLast4": "0007", "settle": "F", "txTime": "2026-01-14 19:20:00.0",
        "errMsg": "Query Successfully", **changes,
    }  # fmt: skip


def declined(**changes: str) -> dict[str, str]:
    return record("Rejected", **{"payRef": DECLINED_REF, "prc": "1", "src": "51", **changes})


def records(*found: dict[str, str]) -> HttpResponse:
    body = "".join(
        "<record>" + "".join(f"<{name}>{text}</{name}>" for name, text in one.items()) + "</record>" for one in found
    )
    text = f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<records>{body}</records>'
    return answer(text=text, headers={"content-type": "text/xml"})


def line(message: str = "Capture Successfully.", **changes: str) -> HttpResponse:
    """An operation that was done. Its orderStatus says Accepted whatever it was."""
    fields = {
        "resultCode": "0", "orderStatus": "Accepted", "ref": REFERENCE, "payRef": PAY_REF, "amt": "1250.5", "cur": "608",
        "errMsg": message, **changes,
    }  # fmt: skip
    return answer(text="&".join(f"{name}={value}" for name, value in fields.items()))


def refused(message: str) -> HttpResponse:
    return answer(text=f"resultCode=-1&orderStatus=&ref=&payRef=&amt=&cur=&errMsg={message}")
