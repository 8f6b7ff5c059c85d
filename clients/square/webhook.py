"""Square's webhooks: the signature over the registered address and the exact bytes, then the events about money.

Unconfirmed: how long Square sends again (24 h in its documents of today, 72 h in older ones), and whether payments carry a
`version`. Nothing depends on either: repeats are known by `event_id`, and order decides nothing.

Pure: no I/O. Verification fails closed and raises nothing but WebhookRejected and GatewayMisconfigured; whatever is
signed is accepted, also when we cannot read it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from clients.square import translate
from clients.square.facts import Body, moment, text, within
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import Report, WebhookDelivery, WebhookReading
from core.strict_json import InvalidJSON, load_object

HEADER: Final = "x-square-hmacsha256-signature"  # the older x-square-signature (SHA-1) is never looked at
_MAX_KEY: Final = 255

# Event -> the member of data.object that holds the whole object, and who reads it.
READERS: Final[Mapping[str, tuple[str, Callable[[Body], Report]]]] = {
    "payment.created": ("payment", translate.read_payment),
    "payment.updated": ("payment", translate.read_payment),
    "refund.created": ("refund", translate.read_refund),
    "refund.updated": ("refund", translate.read_refund),
    "dispute.created": ("dispute", translate.read_dispute),
    "dispute.state.updated": ("dispute", translate.read_dispute),
    "dispute.state.changed": ("dispute", translate.read_dispute),  # the older name
}
EVENTS: Final = (  # to be switched on: those that are read under the names of today
    "payment.created", "payment.updated", "refund.created", "refund.updated", "dispute.created",
    "dispute.state.updated", "oauth.authorization.revoked",
)  # fmt: skip
NOTES: Final[Mapping[str, str]] = {
    "webhooks.test_notification": "a test from the developer console: the signature is right",
    "oauth.authorization.revoked": "the seller took back the right to act for this account: its token works no more",
}


def sign(*, key: str, url: str, body: bytes) -> bytes:
    """base64(HMAC-SHA256(key, url || body)). The key is used as text, though it may look like base64."""
    return base64.b64encode(hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest())


def verify(delivery: WebhookDelivery, *, keys: Sequence[str], url: str) -> None:
    """Raise WebhookRejected unless the exact bytes were signed for `url` with one of `keys` (current, previous).

    `url` is the address as it was registered, never the one that was called: behind a proxy that is another, and a
    Host header is chosen by whoever sends it. No time is signed: `event_id` is the defence against a replay.
    Raises GatewayMisconfigured when there is no usable key: Square will send it again.
    """
    if not keys:  # unusable ones never get past config.py
        raise GatewayMisconfigured("no webhook signature key is set for this Square account")
    received = delivery.headers.get(HEADER, "").encode(errors="replace")
    if not received or not delivery.body:
        raise WebhookRejected("the signature or the body is missing")
    # A list, not a generator: every key is tried, whichever matches.
    matches = [hmac.compare_digest(sign(key=key, url=url, body=delivery.body), received) for key in keys]
    if not any(matches):
        raise WebhookRejected("the signature does not match the registered address and the body")


def read(body: bytes, *, location_id: str | None = None, merchant_id: str | None = None) -> WebhookReading:
    """What a verified delivery says. Never raises: what cannot be read is kept with a note.

    A subscription hears of all that the seller does; what is not of this location and merchant moves nothing.
    """
    fallback = hashlib.sha256(body).hexdigest()
    try:
        event = load_object(body)
    except InvalidJSON:
        return WebhookReading(event_key=fallback, note="signed, but not readable as JSON")
    kind, event_id = text(event.get("type")), text(event.get("event_id"))
    if kind is None or event_id is None:
        return WebhookReading(
            event_key=fallback, event_type=(kind or "")[:200], note="signed, but no event: type or event_id is missing"
        )
    # Published samples use one id for several events, so the type is part of the key. Both are inside the signed bytes.
    key = f"{event_id}:{kind}"
    reading = WebhookReading(event_key=key if len(key) <= _MAX_KEY else fallback, event_type=kind[:200])
    return _read_event(event, reading, location_id, merchant_id)


def _read_event(
    event: Mapping[str, Any], reading: WebhookReading, location_id: str | None, merchant_id: str | None
) -> WebhookReading:
    name, reader = READERS.get(reading.event_type, ("", None))
    if reader is None:
        return replace(reading, note=NOTES.get(reading.event_type) or f"nothing to do for {reading.event_type}")
    subject = within(within(within(event, "data"), "object"), name)
    if not subject:
        return replace(reading, note=f"signed, but it holds no {name}")
    report, merchant = reader(subject), text(event.get("merchant_id"))
    if not report.gateway_reference:
        return replace(reading, note=f"signed, but its {name} has no id")
    report = translate.at_location(report, {"location_id": event.get("location_id"), **subject}, location_id)
    if merchant_id is not None and merchant not in {merchant_id, None}:
        report = translate.foreign(report)
    told = replace(report, account=merchant, occurred_at=report.occurred_at or moment(event.get("created_at")))
    return replace(reading, reports=(told,))
