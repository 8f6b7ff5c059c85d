"""Callbacks (IPN): verify the canonical form of the body, then read it; pure.

The signature covers the parsed body in a canonical form, so white space, key order and number spelling of the received
bytes decide nothing: not the event key, and not an id written as 5745.0.

Unconfirmed: that callbacks come unordered and want an answer within 3 s. Nothing depends on either: the state table decides,
and nothing is asked while one is read.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from clients.nowpayments.canonical import NotCanonical, parse, text_of, values_of
from clients.nowpayments.payment import parse_payment
from clients.nowpayments.translate import report_payment, report_payout
from clients.nowpayments.values import Unreadable, read_text
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import Mode, Report, WebhookDelivery, WebhookReading

SIGNATURE_HEADER: Final = "x-nowpayments-sig"
_SIGNATURE: Final = re.compile(r"[0-9a-f]{128}", re.ASCII)


def verify(delivery: WebhookDelivery, *, secrets: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """(authenticated text, parsed body). Raises WebhookRejected unless the body was signed with one of `secrets`.

    Raises GatewayMisconfigured when there is no usable secret: the gateway will send it again. A header that came
    twice arrives joined by a comma and has the wrong form.
    """
    if not secrets:  # blank and short ones never get past config.py
        raise GatewayMisconfigured("no IPN secret is set for this account")
    received = delivery.headers.get(SIGNATURE_HEADER, "").strip().lower()
    if not _SIGNATURE.fullmatch(received):
        raise WebhookRejected("the signature header is missing or is not 128 hexadecimal digits")
    try:
        tree = parse(delivery.body)
        texts = _texts(tree)
    except NotCanonical as error:
        raise WebhookRejected(str(error)) from None
    # A list: all are always tried.
    proofs = [(text, _is_signed(text, secret, received)) for text in texts for secret in secrets]
    matches = [text for text, is_proven in proofs if is_proven]
    if not matches:
        raise WebhookRejected("the signature does not match the body")
    return matches[0], values_of(tree)


def _texts(tree: Mapping[str, Any]) -> list[str]:
    """Unconfirmed: which of the two forms the sender uses for arrays. Both need the secret, so nothing is lost."""
    kept = text_of(tree)
    as_objects = text_of(tree, arrays_as_objects=True)
    return [kept] if kept == as_objects else [kept, as_objects]


def _is_signed(text: str, secret: str, received: str) -> bool:
    signed = hmac.new(secret.encode(), text.encode(), hashlib.sha512).hexdigest()
    return hmac.compare_digest(signed.encode(), received.encode())


def read(delivery: WebhookDelivery, *, secrets: Sequence[str], mode: Mode) -> WebhookReading:
    """Verified, then routed by shape: payment, payout, or something that is only acknowledged."""
    text, body = verify(delivery, secrets=secrets)
    event_key = hashlib.sha256(text.encode()).hexdigest()
    event_type = _event_type(body)
    try:
        report = _report(body, mode=mode)
    except Unreadable as error:
        return WebhookReading(event_key=event_key, event_type=event_type, note=f"signed but unreadable: {error}")
    if report is None:
        return WebhookReading(event_key=event_key, event_type=event_type, note="neither a payment nor a payout")
    return WebhookReading(event_key=event_key, event_type=event_type, reports=(report,))


def _report(body: Mapping[str, Any], *, mode: Mode) -> Report | None:
    if "payment_id" in body:
        return report_payment(parse_payment(body), mode=mode)
    if "batch_withdrawal_id" in body:
        return report_payout(body, mode=mode)
    return None  # custody transfers and recurring payments, or something new


def _event_type(body: Mapping[str, Any]) -> str:
    """The status is the event: payment.finished, payout.FINISHED."""
    if "payment_id" in body:
        kind, word = "payment", body.get("payment_status")
    else:
        kind, word = "payout" if "batch_withdrawal_id" in body else "other", body.get("status")
    return f"{kind}.{read_text(word, max_length=60) or 'unknown'}"
