"""Server callbacks: verify the Base64 text that was signed, then read what it wraps; pure.

Strong proof: the digest covers all that is read. No time is signed, so the same callback may come again, unaltered.
The same salt also digests paths and browser forms that a payer can see; replayed as `response` such a text carries a
right digest, so the Base64 inside is decoded strictly and must hold a JSON object.
Source: gateway page section 6.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from clients.phonepev1.signing import is_signed
from clients.phonepev1.translate import NO_FACT, is_refund, read_payment, read_refund
from clients.phonepev1.values import Body, read_code
from core import strict_json
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import (
    Attention,
    Mode,
    PaymentStatus,
    RefundStatus,
    Report,
    Subject,
    WebhookDelivery,
    WebhookReading,
)

HEADER: Final = "x-verify"


def verify(delivery: WebhookDelivery, *, salts: Mapping[str, tuple[str, ...]]) -> str:
    """The text of `response`, once it is proven. Raises WebhookRejected for what has no envelope or no right digest.

    Raises GatewayMisconfigured when there is no usable salt key. Only the Base64 text is signed: no path, no wrapper.
    """
    # One orchestrator signs the callback's path, too; PhonePe's own pages do not, and theirs is what is accepted.
    if not salts:
        raise GatewayMisconfigured("no salt key and index are set for this account")
    try:
        response = strict_json.load_object(delivery.body).get("response")
    except strict_json.InvalidJSON:
        raise WebhookRejected("the body is no envelope") from None
    if not isinstance(response, str) or not response:
        raise WebhookRejected("the envelope has no response")
    if not is_signed(response, delivery.headers.get(HEADER, ""), salts=salts):
        raise WebhookRejected("X-VERIFY is missing, names an unknown index or does not match the response")
    return response


def read(response: str, *, mode: Mode, merchant_id: str) -> WebhookReading:
    """What a verified callback says. Never raises: what cannot be read is stored, answered 200 and moves nothing."""
    event_key = hashlib.sha256(response.encode()).hexdigest()
    try:
        body = strict_json.load_object(base64.b64decode(response, validate=True))
    except ValueError:  # not Base64, or InvalidJSON
        return WebhookReading(event_key=event_key, note="verified but unreadable: not a JSON object in Base64")
    code = read_code(body)
    if code is None or code in NO_FACT:
        return WebhookReading(event_key=event_key, event_type=code or "", note="the callback says nothing of a payment")
    report = against(_report(body, mode), merchant_id, must_name=True)
    if report.reference is None:
        return WebhookReading(event_key=event_key, event_type=code, note="the callback names no transaction of ours")
    is_foreign = report.attention is Attention.MISMATCH and report.account != merchant_id
    return WebhookReading(
        event_key=event_key,
        event_type=code,
        reports=(report,),
        attention=Attention.MISMATCH if is_foreign else None,
    )


def against(report: Report, merchant_id: str, *, must_name: bool = False) -> Report:
    """The report; one that names another merchant claims nothing: a salt may sign for several ids of a group.

    `must_name`: it has to name ours. An answer to our own question need not.
    """
    # Unconfirmed: that a salt is shared by a group's ids. Where it is not, this is never met.
    if report.account == merchant_id or (report.account is None and not must_name):
        return report
    if report.about is Subject.REFUND:
        return replace(
            report, status=RefundStatus.PENDING, refunded_minor=0, decline=None, attention=Attention.MISMATCH
        )
    return replace(
        report, status=PaymentStatus.PENDING, captured_minor=None, decline=None, attention=Attention.MISMATCH
    )


def _report(body: Body, mode: Mode) -> Report:
    return replace(read_refund(body) if is_refund(body) else read_payment(body), mode=mode)
