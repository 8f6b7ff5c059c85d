"""What a gateway hears when its delivery is not taken: fixed status and body, one table for endpoint and `explain`.

The bodies are fixed texts. They say nothing about why: a forger learns nothing, and no byte of the request comes back.
Source: INVARIANTS §9.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import Description, WebhookReply

MAX_BODY_BYTES: Final = 1024 * 1024
RETRY_AFTER_SECONDS: Final = 60  # sent with 503 and 429

REPLY_REJECTED: Final = WebhookReply(status=400, body="The delivery is not accepted.")
REPLY_NOT_FOUND: Final = WebhookReply(status=404, body="There is nothing here.")
REPLY_METHOD: Final = WebhookReply(status=405, body="Deliveries are sent by POST.")
REPLY_TOO_LARGE: Final = WebhookReply(status=413, body="The delivery is too large.")
REPLY_CONTENT_TYPE: Final = WebhookReply(status=415, body="Deliveries of this content type or encoding are not taken.")
REPLY_TOO_MANY: Final = WebhookReply(status=429, body="Too many refused deliveries. Try again later.")
REPLY_FAULT: Final = WebhookReply(status=500, body="The delivery could not be taken. Try again later.")
REPLY_UNAVAILABLE: Final = WebhookReply(status=503, body="The delivery cannot be taken now. Try again later.")


def reply_before_reading(
    about: Description, *, method: str, headers: Mapping[str, str], body_bytes: int
) -> WebhookReply | None:
    """The refusal that needs no secret: size, method, encoding, type. None when the delivery may be verified.

    `headers` have lower-case names. A missing Content-Type is left to the signature: bytes are verified, not labels.
    """
    if body_bytes > MAX_BODY_BYTES:
        return REPLY_TOO_LARGE
    if method.upper() != "POST":
        return REPLY_METHOD
    if headers.get("content-encoding", ""):
        return REPLY_CONTENT_TYPE
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind not in about.webhook_content_types:
        return REPLY_CONTENT_TYPE
    return None


def reply_to_error(error: Exception) -> WebhookReply:
    """What the gateway hears after `read_webhook` raised `error`. Anything but the two expected classes is our bug."""
    if isinstance(error, WebhookRejected):
        return REPLY_REJECTED
    if isinstance(error, GatewayMisconfigured):
        return REPLY_UNAVAILABLE
    return REPLY_FAULT
