"""Browser returns: three signed shapes, and unsigned ones that tell of a failure.

A return is signed with the Key Secret, never with the webhook secret. Even a good one only proves that Razorpay issued
this payment for this order: it is a reason to fetch. Source: the protocol page §7.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from clients.razorpay import facts
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import PaymentNames, Report, ReturnReading, Subject, WebhookDelivery
from core.strict_json import InvalidJSON, load_object

PAYMENT: Final = "razorpay_payment_id"
ORDER: Final = "razorpay_order_id"
LINK: Final = "razorpay_payment_link_id"
LINK_REFERENCE: Final = "razorpay_payment_link_reference_id"
LINK_STATUS: Final = "razorpay_payment_link_status"
SUBSCRIPTION: Final = "razorpay_subscription_id"
SIGNATURE: Final = "razorpay_signature"
_SIGNED: Final = frozenset({PAYMENT, SIGNATURE})
_MAX_FIELDS: Final = 100


@dataclass(frozen=True, slots=True)
class _Named:
    """What a return names: the message that was signed, and the payment by its names."""

    message: str
    names: tuple[str, ...]
    reference: str | None = None


def read(delivery: WebhookDelivery, *, secrets: Sequence[str], names: PaymentNames | None = None) -> ReturnReading:
    """A return as hints. `names`: how the payment is known whose return address was called, where the caller says.

    With `names` the stored order or link and reference are what must have been signed, so a genuine return of another
    payment is refused. Raises WebhookRejected, and GatewayMisconfigured where there is no usable secret.
    """
    fields = _fields(delivery)
    if not fields.keys() & _SIGNED:
        return ReturnReading(reports=_failure(fields))
    named = _named(fields, names)
    if not secrets:
        raise GatewayMisconfigured("no Key Secret is set for this Razorpay account, so no return can be checked")
    received = fields.get(SIGNATURE, "").encode("utf-8", "replace")
    signed = [hmac.new(one.encode(), _bytes(named.message), hashlib.sha256).hexdigest().encode() for one in secrets]
    matches = [hmac.compare_digest(one, received) for one in signed]  # a list: all are always tried
    if not any(matches):
        raise WebhookRejected("the signature does not match what the browser brings")
    raw = {name: value for name, value in fields.items() if name.startswith("razorpay_") and name != SIGNATURE}
    return ReturnReading(reports=(_hint(named.names, named.reference, raw),), verified=True)


def _named(fields: Mapping[str, str], known: PaymentNames | None) -> _Named:
    payment = fields.get(PAYMENT, "")
    if not payment:
        raise WebhookRejected("the return names no payment")
    if LINK in fields:
        return _of_link(fields, payment, known)
    if SUBSCRIPTION in fields:  # the other way round
        return _Named(f"{payment}|{fields[SUBSCRIPTION]}", (payment,))
    order = _stored(known, facts.ORDER) or fields.get(ORDER, "")
    if not order:
        raise WebhookRejected("the return names no order")
    return _Named(f"{order}|{payment}", (order, payment))


def _of_link(fields: Mapping[str, str], payment: str, known: PaymentNames | None) -> _Named:
    link, reference = fields[LINK], fields.get(LINK_REFERENCE, "")
    stored = _stored(known, facts.LINK)
    if stored is not None and known is not None:
        link, reference = stored, known.reference or reference
    # Unconfirmed: without a reference two bars stand in a row. We always set one.
    message = f"{link}|{reference}|{fields.get(LINK_STATUS, '')}|{payment}"
    return _Named(message, (link, payment), reference or None)


def _stored(known: PaymentNames | None, pattern: Any) -> str | None:
    theirs = (known.gateway_reference, *known.other_references) if known else ()
    return next((one for one in theirs if one and pattern.fullmatch(one)), None)


def _failure(fields: Mapping[str, str]) -> tuple[Report, ...]:
    """Unsigned. Unconfirmed: the exact set of fields; only the names in `error[metadata]` are looked at."""
    try:
        metadata = load_object(fields.get("error[metadata]") or "{}")
    except InvalidJSON:
        metadata = {}
    order = metadata.get("order_id") or fields.get("error[metadata][order_id]")
    payment = metadata.get("payment_id") or fields.get("error[metadata][payment_id]")
    pairs = ((order, facts.ORDER), (payment, facts.PAYMENT))
    names = tuple(one for one, pattern in pairs if isinstance(one, str) and pattern.fullmatch(one))
    raw = {name: value[:500] for name, value in fields.items() if name in {"error[code]", "error[reason]"}}
    return (_hint(names, None, raw),) if names else ()


def _hint(names: tuple[str, ...], reference: str | None, raw: Mapping[str, str]) -> Report:
    return Report(
        about=Subject.PAYMENT,
        status=None,
        reference=reference,
        gateway_reference=names[0],
        other_references=names[1:],
        is_hint=True,
        raw=dict(raw),
    )


def _fields(delivery: WebhookDelivery) -> dict[str, str]:
    """Of the query and of a posted form. A field that stands twice is refused: nobody can tell which was signed."""
    try:
        pairs = parse_qsl(urlsplit(delivery.url).query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
        if delivery.method.upper() == "POST":
            text = delivery.body.decode("utf-8", "replace")
            pairs += parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise WebhookRejected("the return cannot be read") from None
    fields = dict(pairs)
    if any(fields[name] != value for name, value in pairs if name.startswith("razorpay_")):
        raise WebhookRejected("the return says a thing twice")
    return fields


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
