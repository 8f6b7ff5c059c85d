"""The browser's way back: a form post (or a query string) that PayTabs signs, and that is still only a reason to fetch.

It carries no amount, and a customer can send it again. Source: protocol reference, section 7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final
from urllib.parse import parse_qsl, quote_plus, urlsplit

from clients.paytabs.transaction import read_text
from clients.paytabs.webhook import SIGNATURE, is_signed
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import Report, ReturnReading, Subject, WebhookDelivery

# Every field that PayTabs is known to send. Others in a query string may be our own, which are not signed.
FIELDS: Final = frozenset({
    "acquirerMessage", "acquirerRRN", "cartId", "customerEmail", "respCode", "respMessage", "respStatus", "token", "tranRef",
})  # fmt: skip
KEPT: Final = ("cartId", "tranRef", "respStatus", "respCode", "respMessage")  # no e-mail, no token
DROPPED: Final = frozenset({""})  # Unconfirmed: an older vendor core drops "0" as well; then add it here
_MAX_FIELDS: Final = 60
_MAX_UNKNOWN: Final = 6  # of a query string: 2**6 ways to leave some of them out


def read_return(delivery: WebhookDelivery, *, keys: Sequence[str]) -> ReturnReading:
    """Raises WebhookRejected for a wrong signature or a field that came twice, GatewayMisconfigured without a key.

    Without a signature it is unsigned (`verified` None); without fields (a plain-http address) it says nothing.
    """
    query = _query(delivery.url)
    is_post = delivery.method.upper() == "POST"
    fields = _fields(delivery.body if is_post else query)
    signature = fields.pop("signature", "").strip().lower()
    if not signature:
        return ReturnReading(reports=_hints(fields), verified=None)
    if not keys:
        raise GatewayMisconfigured("no usable server key is set for this PayTabs profile")
    if not SIGNATURE.fullmatch(signature):
        raise WebhookRejected("the signature is not 64 hexadecimal digits")
    for signed in _readings(fields, ours=_names(query) if is_post else None):
        if is_signed(canonical(signed), signature, keys=keys):
            return ReturnReading(reports=_hints(signed), verified=True)
    raise WebhookRejected("the signature does not match the fields")


def canonical(fields: Mapping[str, str]) -> bytes:
    """The signed text: fields without a value left out, sorted by name in byte order, form-encoded in UTF-8.

    As PHP encodes it: a space is `+`, everything outside `A-Za-z0-9-_.` is percent-encoded in upper case.
    """
    kept = sorted((name, value) for name, value in fields.items() if value not in DROPPED)
    return "&".join(f"{_encoded(name)}={_encoded(value)}" for name, value in kept).encode()


def _encoded(text: str) -> str:
    return quote_plus(text).replace("~", "%7E")  # Unconfirmed: "~" alone; Python leaves it bare, PHP does not


def _readings(fields: Mapping[str, str], *, ours: frozenset[str] | None) -> Iterator[dict[str, str]]:
    """The sets of fields that may have been signed.

    Of a form post: what the body holds, whatever the address says; then less the names in the address, which are our own.
    Of a query string nobody can tell ours from theirs, so any of the unknown names may be ours. What is read is always
    among the signed ones.
    """
    if ours is not None:
        yield dict(fields)
        yield {name: value for name, value in fields.items() if name not in ours}
        return
    unknown = sorted(name for name in fields if name not in FIELDS)[:_MAX_UNKNOWN]
    for count in range(len(unknown) + 1):
        for left_out in combinations(unknown, count):
            yield {name: value for name, value in fields.items() if name not in left_out}


def _query(url: str) -> str:
    try:
        return urlsplit(url).query
    except ValueError:  # no address at all
        return ""


def _names(query: str) -> frozenset[str]:
    return frozenset(name for name, _ in parse_qsl(query, keep_blank_values=True))


def _fields(encoded: str | bytes) -> dict[str, str]:
    try:
        text = encoded if isinstance(encoded, str) else encoded.decode()
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
        fields = dict(pairs)
        canonical(fields)
    except ValueError:  # not UTF-8, also inside the percent-encoding, or too many
        raise WebhookRejected("the fields of the return cannot be read") from None
    if len(fields) != len(pairs):
        raise WebhookRejected("a field of the return came twice")
    return fields


def _hints(fields: Mapping[str, str]) -> tuple[Report, ...]:
    reference, gateway_reference = read_text(fields.get("cartId"), 64), read_text(fields.get("tranRef"), 64)
    if reference is None and gateway_reference is None:
        return ()
    return (
        Report(
            about=Subject.PAYMENT,
            status=None,
            reference=reference,
            gateway_reference=gateway_reference,
            is_hint=True,
            raw={name: read_text(fields[name]) for name in KEPT if fields.get(name)},
        ),
    )
