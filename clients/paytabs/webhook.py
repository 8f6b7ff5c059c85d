"""Callbacks and IPNs (one body, two ways to send it): verify the exact bytes, then read them; pure.

The signature is the lower-case hex HMAC-SHA256 of the raw body under the server key. The scheme has no time, so a replay
must be harmless, and the platform reads again at the gateway after a payment has ended.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from clients.paytabs import translate
from clients.paytabs.judging import is_short
from clients.paytabs.transaction import Transaction, parse
from clients.paytabs.translate import Account
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import Report, WebhookDelivery, WebhookReading
from core.strict_json import InvalidJSON, load_object

HEADER: Final = "signature"
SIGNATURE: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


def verify(delivery: WebhookDelivery, *, keys: Sequence[str]) -> None:
    """Raise WebhookRejected unless the exact body was signed with one of `keys` (current, previous).

    Raises GatewayMisconfigured when there is no usable key: PayTabs sends it again. An empty body is what a plain-http
    IPN address gets: never believed, whatever its signature.
    """
    if not keys:  # blank and short ones never get past config.py
        raise GatewayMisconfigured("no usable server key is set for this PayTabs profile")
    received = delivery.headers.get(HEADER, "").strip().lower()
    if not SIGNATURE.fullmatch(received):
        raise WebhookRejected("the signature header is missing or is not 64 hexadecimal digits")
    if not delivery.body:
        raise WebhookRejected("the body is empty")
    if not is_signed(delivery.body, received, keys=keys):
        raise WebhookRejected("the signature does not match the body")


def is_signed(message: bytes, signature: str, *, keys: Sequence[str]) -> bool:
    """Whether `signature` (lower-case hex) is that of `message` under one of `keys`; all are always tried."""
    signed = [hmac.new(key.encode(), message, hashlib.sha256).hexdigest().encode() for key in keys]
    return any([hmac.compare_digest(one, signature.encode()) for one in signed])  # noqa: C419 - a list: all are tried


def read(body: bytes, account: Account) -> WebhookReading:
    """What a verified delivery says. Never raises: what cannot be read is kept with a note.

    There is no event id, and retries may differ in `ipn_trace`: the key is the SHA-256 of the bytes, and the same fact
    under two keys changes nothing the second time.
    """
    event_key = hashlib.sha256(body).hexdigest()
    try:
        value = load_object(body)
    except InvalidJSON:
        return WebhookReading(event_key=event_key, note="signed, but not readable as JSON")
    row = parse(value)
    if row.tran_ref is None:
        return WebhookReading(event_key=event_key, note="signed, but about no transaction")
    return WebhookReading(
        event_key=event_key,
        event_type=f"{row.kind or 'unknown'}.{row.letter or '-'}"[:60],
        reports=(_report(row, account),),
        note=translate.unread_words(row),
    )


def _report(row: Transaction, account: Account) -> Report:
    """Without a result the notification tells nothing but which payment to ask for.

    Neither does an amount that may be a rounded one: an answer to a question is compared with what we asked (judging.py).
    """
    report = translate.read(row, account)
    return report if row.has_result and not (row.is_paid and is_short(row)) else replace(report, is_hint=True)
