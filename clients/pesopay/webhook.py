"""Datafeeds: verify the digest in the form, then read the eight fields that it covers; pure.

It is a plain hash, covers neither time nor merchant, and the account's other fields (method, card, remark, time) not at
all: those are not read. So a feed is a hint where the account can be asked, and the Query brings the facts.
Source: gateway page section 6.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

from clients.pesopay.answers import Unreadable, read_form, read_text
from clients.pesopay.attempt import read_name
from clients.pesopay.config import PesoPayConfig
from clients.pesopay.declines import read_decline
from clients.pesopay.money import read_money
from clients.pesopay.references import is_hold, platform_names
from clients.pesopay.signing import FEED_FIELDS, HEX_LENGTHS, SEPARATOR, digest
from core.gateways.errors import WebhookRejected
from core.gateways.types import (
    Attention,
    PaymentStatus,
    Report,
    Subject,
    WebhookDelivery,
    WebhookReading,
    WebhookReply,
)
from core.money import Money

REPLY: Final = WebhookReply(status=200, body="OK", content_type="text/plain; charset=utf-8")
HASH: Final = "securehash"
MERCHANT: Final = "merchantid"
TEST_REF: Final = "TestDatafeed"  # Unconfirmed: whether the portal's own test is signed
SUCCEEDED: Final = "0"
FAILED: Final = "1"
MAX_HASHES: Final = 20
_ONCE: Final = frozenset({*FEED_FIELDS, HASH, MERCHANT})

Feed = Mapping[str, str]


def verify(delivery: WebhookDelivery, *, config: PesoPayConfig) -> Feed:
    """The fields that count, names in small letters. Raises WebhookRejected unless one of the hashes is right.

    Raises GatewayMisconfigured when there is no usable secret or no function.
    """
    config.check_signing()
    feed = _read(delivery.body)
    received = [one.strip().lower() for one in feed.get(HASH, "").split(",")][: MAX_HASHES + 1]
    if len(received) > MAX_HASHES:
        raise WebhookRejected("the feed holds too many hashes")
    # A missing field counts as empty. Nothing is trimmed or written anew before hashing.
    values = [feed.get(name, "") for name in FEED_FIELDS]
    expected = [digest(config.function, values, secret).encode() for secret in config.secrets]
    given = [one.encode(errors="replace") for one in received]
    # A list: every pair is always compared.
    matches = [hmac.compare_digest(one, other) for one in expected for other in given]
    if not any(matches):
        raise WebhookRejected(_reason(received, config.function))
    return feed


def _read(body: bytes) -> Feed:
    try:
        pairs = read_form(body)
    except Unreadable as error:
        raise WebhookRejected(str(error)) from None
    found: dict[str, str] = {}
    for name, value in ((name.lower(), value) for name, value in pairs):
        if name in found and name in _ONCE:
            raise WebhookRejected("a field that counts came twice")
        if name in FEED_FIELDS and SEPARATOR in value:
            raise WebhookRejected("a hashed field holds a bar")
        found.setdefault(name, value)
    return {name: value for name, value in found.items() if name in _ONCE}


def _reason(received: list[str], function: str) -> str:
    """The likeliest cause, for staff: a wrong function loses every feed."""
    if not any(received):
        return "the feed has no secureHash: is the secure hash enabled for this account?"
    came = {HEX_LENGTHS.get(len(one)) for one in received} - {None}
    if came and function not in came:
        return (
            f"the secureHash has the length of {'/'.join(sorted(map(str, came)))}, but the account is set to {function}"
        )
    return "no element of the secureHash fits the feed"


def read(feed: Feed, *, config: PesoPayConfig) -> WebhookReading:
    """What a verified feed says. Never raises."""
    values = [feed.get(name, "") for name in FEED_FIELDS]
    event_key = hashlib.sha256(SEPARATOR.join(values).encode()).hexdigest()
    ref = feed.get("ref", "")
    if ref == TEST_REF:
        return WebhookReading(
            event_key=event_key, event_type="test", reply=REPLY, note="the portal's test of the datafeed address"
        )
    if read_name(ref) is None:
        return WebhookReading(event_key=event_key, event_type="datafeed", reply=REPLY, note="the feed names no payment")
    report = _report(feed, config)
    attention = report.attention if report.is_hint else None  # a hint alerts nobody by itself
    return WebhookReading(
        event_key=event_key,
        event_type=f"datafeed.{read_text(feed.get('successcode'), max_length=20) or 'unknown'}",
        reports=(report,),
        reply=REPLY,
        attention=attention if attention is Attention.MISMATCH else None,
    )


def _report(feed: Feed, config: PesoPayConfig) -> Report:
    ref, pay_ref = feed["ref"], read_name(feed.get("payref", ""))
    money = read_money(feed.get("amt", ""), feed.get("cur", ""))
    is_ours = feed.get(MERCHANT) in (None, "", config.merchant_id) or not config.merchant_id
    status, attention = _status(feed) if money and is_ours else (PaymentStatus.PENDING, Attention.MISMATCH)
    moved = money if money and is_ours else None
    return Report(
        about=Subject.PAYMENT,
        status=status,
        reference=ref,
        gateway_reference=pay_ref,
        other_references=platform_names(ref),
        mode=config.mode,
        asset=moved.asset if moved else None,
        authorized_minor=_minor(moved, status, PaymentStatus.AUTHORIZED),
        captured_minor=_minor(moved, status, PaymentStatus.CAPTURED) or 0,
        is_hint=config.can_query,  # an account that cannot be asked has nothing better than the feed
        decline=read_decline(feed.get("prc", ""), feed.get("src", "")) if status is PaymentStatus.FAILED else None,
        attention=attention,
        raw={name: read_text(feed[name]) for name in (*FEED_FIELDS, MERCHANT) if name in feed},
    )


def _status(feed: Feed) -> tuple[PaymentStatus, Attention | None]:
    """By `successcode` as text, whatever prc says; an empty one is not zero. The end of the orderRef tells a hold."""
    code = feed.get("successcode", "")
    if code == SUCCEEDED:
        return (PaymentStatus.AUTHORIZED if is_hold(feed["ref"]) else PaymentStatus.CAPTURED), None
    if code == FAILED:
        return PaymentStatus.FAILED, None
    return PaymentStatus.PENDING, Attention.UNKNOWN_OUTCOME


def _minor(money: Money | None, status: PaymentStatus, wanted: PaymentStatus) -> int | None:
    return money.minor if money and status is wanted else None
