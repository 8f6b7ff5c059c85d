"""Webhooks: verify the exact bytes, then read them; pure."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

from core import strict_json
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import Report, WebhookDelivery, WebhookReading
from tollbooth_gateway.translate import Unreadable, read_charge, read_refund

HEADER: Final = "tollbooth-signature"


def verify(delivery: WebhookDelivery, *, secrets: Sequence[str]) -> None:
    """Raises WebhookRejected unless the body was signed with one of `secrets`; GatewayMisconfigured without any."""
    if not secrets:
        raise GatewayMisconfigured("no webhook secret is set for this account")
    received = delivery.headers.get(HEADER, "").encode()
    signed = [hmac.new(one.encode(), delivery.body, hashlib.sha256).hexdigest().encode() for one in secrets]
    matches = [hmac.compare_digest(one, received) for one in signed]  # a list: all are always tried
    if not any(matches):
        raise WebhookRejected("the signature is missing or does not match the body")


def read(delivery: WebhookDelivery, *, secrets: Sequence[str]) -> WebhookReading:
    """What a verified delivery says. What cannot be read is stored, answered 200, and moves nothing."""
    verify(delivery, secrets=secrets)
    digest = hashlib.sha256(delivery.body).hexdigest()
    try:
        body = strict_json.load_object(delivery.body)
    except strict_json.InvalidJSON:
        return WebhookReading(event_key=digest, note="signed, but not a JSON object")
    event_key = _text(body.get("id")) or digest
    event_type = _text(body.get("type"))
    try:
        report = _report(event_type, body.get("data"))
    except Unreadable as error:
        return WebhookReading(event_key=event_key, event_type=event_type, note=f"signed, but unreadable: {error}")
    if report is None:
        return WebhookReading(event_key=event_key, event_type=event_type, note="an event that moves no money")
    return WebhookReading(event_key=event_key, event_type=event_type, reports=(report,))


def _report(event_type: str, data: object) -> Report | None:
    kind = event_type.partition(".")[0]
    if kind not in {"charge", "refund"}:
        return None
    if not isinstance(data, Mapping):
        raise Unreadable("the event has no data")
    known: Mapping[str, Any] = data
    return read_charge(known) if kind == "charge" else read_refund(known)


def _text(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 100 else ""
