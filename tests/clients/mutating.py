"""Deliveries that somebody changed on the way: many, cheap, and the same in every run of one seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from core.gateways.types import WebhookDelivery

Change = Callable[[random.Random, bytes], bytes]

HOSTILE: Final = (
    b"\x00", b"\xff\xfe", b"\xc3\x28", b"\xed\xa0\x80", b"null", b"true", b"-1", b"0", b"1e999", b"1.10", b"NaN",
    b"9" * 40, b'""', b"[]", b"{}", b"{", b"}", b'"', b"\\u0000", b"\\ud800", b"\\", b",", b":", b"&", b"=", b"%00", b"%zz",
    b"'", b"<", b"\r\n", b"\xe2\x98\x95", b"[" * 200, b"captured", b"paid", b"succeeded", b"failed",
)  # fmt: skip
LETTERS: Final = bytes(range(256))


def _flip(chance: random.Random, body: bytes) -> bytes:
    if not body:
        return b"x"
    place = chance.randrange(len(body))
    return body[:place] + bytes([body[place] ^ (1 << chance.randrange(8))]) + body[place + 1 :]


def _digit(chance: random.Random, body: bytes) -> bytes:
    """Another digit where one stands: an amount, a time, a part of a name."""
    places = [place for place, letter in enumerate(body) if 48 <= letter <= 57]
    if not places:
        return _flip(chance, body)
    place = chance.choice(places)
    return body[:place] + b"%d" % ((body[place] - 48 + chance.randint(1, 9)) % 10) + body[place + 1 :]


def _insert(chance: random.Random, body: bytes) -> bytes:
    place = chance.randint(0, len(body))
    return body[:place] + chance.choice(HOSTILE) + body[place:]


def _overwrite(chance: random.Random, body: bytes) -> bytes:
    place, piece = chance.randint(0, len(body)), chance.choice(HOSTILE)
    return body[:place] + piece + body[place + len(piece) :]


def _value(chance: random.Random, body: bytes) -> bytes:
    """Something else where a JSON value or a form field stands: what a parser of ours meets in the right place."""
    places = [place + 1 for place, letter in enumerate(body) if letter in b":="]
    if not places:
        return _insert(chance, body)
    start = chance.choice(places)
    end = min((at for at in (body.find(mark, start) for mark in (b",", b"}", b"&")) if at >= 0), default=len(body))
    return body[:start] + chance.choice(HOSTILE) + body[end:]


def _cut(chance: random.Random, body: bytes) -> bytes:
    return body[: chance.randint(0, max(0, len(body) - 1))]


def _drop(chance: random.Random, body: bytes) -> bytes:
    start = chance.randint(0, len(body))
    return body[:start] + body[start + chance.randint(1, 30) :]


def _repeat(chance: random.Random, body: bytes) -> bytes:
    start = chance.randint(0, len(body))
    end = start + chance.randint(1, 60)
    return body[:end] + body[start:]


def _noise(chance: random.Random, body: bytes) -> bytes:
    return bytes(chance.choices(LETTERS, k=chance.randint(0, 80)))


BODY_CHANGES: Final[tuple[Change, ...]] = (_flip, _digit, _insert, _overwrite, _value, _cut, _drop, _repeat, _noise)


def changed(chance: random.Random, good: bytes) -> bytes:
    """Other bytes than `good`, by one to three changes."""
    for _ in range(20):
        body = good
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            body = chance.choice(BODY_CHANGES)(chance, body)
        if body != good:
            return body
    return good + b"\x00"


def with_other_proof(chance: random.Random, good: WebhookDelivery, header: str) -> WebhookDelivery:
    """The same body under a proof that is not its own. Headers are text: as a server hands them on."""
    known = good.headers.get(header, "")
    for _ in range(20):
        text = changed(chance, known.encode()).decode("latin-1")
        if text.strip() != known.strip():
            return replace(good, headers={**good.headers, header: text})
    return replace(good, headers={**good.headers, header: ""})


def forged(chance: random.Random, good: WebhookDelivery, *, header: str, in_header: bool) -> WebhookDelivery:
    """`in_header`: the proof is a header; else it is inside the body and changes with it."""
    if in_header and chance.random() < 0.25:
        return with_other_proof(chance, good, header)
    return replace(good, body=changed(chance, good.body))


def budget(total: int, parts: int) -> Iterator[int]:
    """`total` in `parts` whole shares, none lost."""
    for number in range(parts):
        yield total // parts + (number < total % parts)
