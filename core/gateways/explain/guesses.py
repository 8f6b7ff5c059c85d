"""What may have been asked, where a line gives an answer and does not say.

Somebody in support often has the answer alone. A gateway package rightly refuses an answer that is about another payment
than the one it asked for, so the names in the answer are tried as what was asked. Nothing here knows a gateway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from core import strict_json
from core.gateways.explain.asked import Asked
from core.gateways.explain.transport import Given
from core.gateways.types import Description

_MAX_NAMES: Final = 40
_MAX_NAME_LENGTH: Final = 128
_MAX_COINS: Final = 3
_ANY_NAME: Final = "1000000001"  # fits where only digits do
_ELEMENT: Final = re.compile(r"<([A-Za-z0-9_]{1,60})>([^<>&]{1,128})</")


def variants(operation: str, asked: Asked, about: Description, given: Given) -> Iterator[Asked]:
    """`asked` as it stands, then every other way of paying, then each with the names that the answer itself holds."""
    yield from _as_told(operation, asked, about, given)
    if operation == "refund" and asked.has_one_name():
        # One name stood for payment and refund. Where no use could be made of that, it is the refund's, or the payment's.
        yield asked.naming_the_refund()
        yield from (asked.with_defaults(refund_reference=name) for name in _names(given))


def _as_told(operation: str, asked: Asked, about: Description, given: Given) -> Iterator[Asked]:
    ways = list(_ways(asked, about, given)) if operation == "initiate" else [asked]
    member = "reference" if operation == "initiate" else "gateway_reference"
    if asked.has(member):
        yield from ways
    elif given.response is None or given.response.status >= 300:
        # Nothing in an error says what it is about. Asked by a name of the gateway's, most make the operation's own
        # request first; by ours alone, some look around before, and the error would be told of that.
        if operation != "initiate" and not asked.has("reference"):
            yield from (asked.with_defaults(gateway_reference=name) for name in _guessed(given, about))
        yield from ways
    elif operation == "initiate":
        yield from ways
        yield from (way.with_defaults(reference=name) for name in _names(given) for way in ways)
    elif asked.has("reference"):
        # Our reference may be all that was asked with; another name is only tried for the request that it stands in.
        yield asked
        yield from (asked.with_defaults(gateway_reference=name) for name in (_names(given) if given.url else ()))
    else:
        yield from (asked.with_defaults(gateway_reference=name) for name in _names(given))
        yield asked
        # Last: some gateways are asked by our own reference alone, and their answers repeat it.
        own = "refund_reference" if "refund" in operation else "reference"
        yield from (asked.with_defaults(**{own: name}) for name in _names(given))


def _guessed(given: Given, about: Description) -> Iterator[str]:
    yield from (name for name in _of_address(given.url) if name)
    yield about.example_reference or _ANY_NAME


def _ways(asked: Asked, about: Description, given: Given) -> Iterator[Asked]:
    yield asked
    if not asked.has("presentation"):
        for presentation in about.presentations[1:]:
            yield asked.with_defaults(presentation=presentation.value)
    if not asked.has("pay_currency") and about.coins:
        known = {coin.upper() for coin in about.coins}
        heard = [name for name in _names(given) if name.upper() in known][:_MAX_COINS]
        for coin in heard or about.coins[:1]:
            yield asked.with_defaults(pay_currency=coin)


def _names(given: Given) -> list[str]:
    """Texts that may name something: parts of the address, then members called id, then whatever else is short."""
    found = dict.fromkeys([*_of_address(given.url), *_of_body(given)])
    return list(islice((name for name in found if 0 < len(name) <= _MAX_NAME_LENGTH), _MAX_NAMES))


def _of_address(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    yield from (unquote(part) for part in reversed(parts.path.split("/")))
    yield from (value for _, value in parse_qsl(parts.query))


def _of_body(given: Given) -> list[str]:
    if given.response is None:
        return []
    try:
        members = list(islice(_members(strict_json.loads(given.response.body), ""), 500))
    except strict_json.InvalidJSON:
        members = list(islice(_members_of_text(given.response.body.decode("utf-8", "replace")), 500))
    members.sort(key=lambda member: (member[0].lower() != "id", not member[0].lower().endswith("id")))
    return [text for _, text in members]


def _members_of_text(text: str) -> Iterator[tuple[str, str]]:
    """Of XML, or of a line of URL-encoded pairs."""
    if text.lstrip().startswith("<"):
        yield from _ELEMENT.findall(text)
        return
    with suppress(ValueError):  # too many pairs
        yield from parse_qsl(text, max_num_fields=500)


def _members(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _members(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from _members(one, name)
    elif isinstance(value, str) or type(value) is int:
        yield name, str(value)
