"""What is left of a request or answer before it is stored: no secret, no card number, no full e-mail or phone.

Redaction is for people who read the stored exchange; nothing is ever verified or computed from its result. It errs on
the side of masking: one id in ten of 13 to 19 digits looks like a card number and is masked too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

MASK: Final = "[redacted]"
CARD_MASK: Final = "[card number]"
CUT_MARK: Final = "[cut]"
MAX_DEPTH: Final = 12
MAX_ITEMS: Final = 200  # of one object or list
MAX_TEXT: Final = 4000
MAX_NAME: Final = 200
MAX_NODES: Final = 5000
MIN_SECRET_LENGTH: Final = 4  # shorter ones would mask half of any text; nothing that short is accepted as a secret

_NOT_LETTERS: Final = re.compile(r"[^a-z0-9]")
_SECRET_KEYS: Final = frozenset({
    "auth", "pan", "cvv", "cvv2", "cvc", "cvc2", "pin", "otp", "totp", "jwt", "key", "signature", "securehash", "xverify",
    "verificationcode", "cardnumber", "cardno", "saltkey", "xapikey", "apikey", "secretkey", "privatekey", "track1",
    "track2", "cookie", "setcookie",
})  # fmt: skip
_SECRET_PARTS: Final = ("authorization", "secret", "password", "passwd", "token", "apikey", "signature", "credential")
_HARMLESS_KEYS: Final = frozenset({"publickey", "publishablekey", "idempotencykey", "tokenid", "cancellationreason"})
_PHONE_PARTS: Final = ("phone", "mobile", "msisdn", "contactnumber")
_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
# Groups of digits with one space or dash between them; not the decimals of a number (0.4929123456781234). Nothing is
# asked of what follows: a refused match would be tried again from every group, which takes quadratic time.
_MAYBE_CARD: Final = re.compile(r"[0-9](?:[ -]?[0-9]){12}")  # most texts are done with after this
# The time in one of our own ids (PAY_20261121002822_1a2b3c4d) passes Luhn one time in ten, and no card begins with 20.
_OUR_TIME: Final = r"(?!(?<=[A-Z]_)20[0-9]{12}_[0-9a-f]{8})"
_DIGIT_RUN: Final = re.compile(rf"(?<![0-9])(?<![0-9]\.){_OUR_TIME}[0-9]+(?:[ -][0-9]+)*")


def redact(value: Mapping[str, Any], secrets: Iterable[str] = ()) -> dict[str, Any]:
    """A copy of `value` that may be stored: deep, bounded in depth, length and number of members.

    `secrets` are values that must not appear anywhere, not even inside a longer text or percent-encoded.
    """
    return _Redactor(secrets).mapping(value, 0)


def redact_text(text: str, secrets: Iterable[str] = ()) -> str:
    """The same for one text."""
    return _Redactor(secrets).text(text)


@lru_cache(maxsize=4096)  # gateways use the same few hundred names again and again
def is_secret_name(name: str) -> bool:
    """Whether a member of that name holds something that must not be stored: `X-Api-Key`, `client_secret`, `cvc`."""
    bare = _NOT_LETTERS.sub("", name.lower())
    if bare in _HARMLESS_KEYS:
        return False
    return bare in _SECRET_KEYS or any(part in bare for part in _SECRET_PARTS)


def is_card_number(digits: str) -> bool:
    """13 to 19 ASCII digits, not all the same, that pass the Luhn check."""
    if not 13 <= len(digits) <= 19 or not digits.isascii() or not digits.isdigit() or len(set(digits)) == 1:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if place % 2 else 1)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def mask_card_numbers(text: str) -> str:
    """`text` with every card number replaced, also one written in groups ("4242 4242 4242 4242")."""
    if _MAYBE_CARD.search(text) is None:
        return text
    return _DIGIT_RUN.sub(lambda run: _mask_run(run.group()), text)


def mask_email(text: str) -> str:
    """`ada@example.com` -> `a***@example.com`, everywhere in `text`."""
    return _EMAIL.sub(lambda found: f"{found.group()[0]}***@{found.group().rpartition('@')[2]}", text)


def mask_phone(text: str) -> str:
    """The last two digits of a telephone number: `***67`."""
    digits = [one for one in text if one.isdigit()]
    return f"***{''.join(digits[-2:])}" if len(digits) > 4 else "***"


def replace_secrets(text: str, names_by_secret: Mapping[str, str]) -> str:
    """`text` with each secret replaced by its name, longest first, in its plain and percent-encoded spellings."""
    for secret in sorted(names_by_secret, key=len, reverse=True):
        for spelling in (secret, quote(secret, safe=""), quote(secret)):
            if spelling in text:
                text = text.replace(spelling, names_by_secret[secret])
    return text


@lru_cache(maxsize=4096)
def _is_phone_name(name: str) -> bool:
    bare = _NOT_LETTERS.sub("", name.lower())
    return bare == "contact" or any(part in bare for part in _PHONE_PARTS)


def _mask_run(run: str) -> str:
    groups = re.split(r"([ -])", run)  # group, separator, group, ...
    kept: list[str] = []
    index = 0
    while index < len(groups):
        end = _card_end(groups, index)
        if end is None:
            kept.extend(groups[index : index + 2])
        else:
            kept.extend([CARD_MASK, *groups[end + 1 : end + 2]])
        index = (index if end is None else end) + 2
    return "".join(kept)


def _card_end(groups: Sequence[str], start: int) -> int | None:
    """The index of the last group of a card number that begins with the group at `start`."""
    digits = ""
    for index in range(start, len(groups), 2):
        digits += groups[index]
        if len(digits) > 19:
            return None
        if is_card_number(digits):
            return index
    return None


class _Redactor:
    """One pass over one value; counts what it has visited."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = {one: MASK for one in secrets if len(one) >= MIN_SECRET_LENGTH}
        self._left = MAX_NODES

    def mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for count, (name, member) in enumerate(value.items()):
            if count >= MAX_ITEMS or self._left <= 0:
                found[CUT_MARK] = len(value) - count
                break
            key = self.text(str(name))[:MAX_NAME]
            found[key] = self._member(key, member, depth + 1)
        return found

    def text(self, text: str) -> str:
        text = replace_secrets(text, self._secrets) if self._secrets else text
        text = mask_email(text) if "@" in text else text
        text = mask_card_numbers(text)
        return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + CUT_MARK

    def _member(self, key: str, value: Any, depth: int) -> Any:
        if value is None or value == "" or type(value) is bool:
            return value  # that a secret is missing is worth knowing
        if is_secret_name(key):
            return MASK
        if isinstance(value, (str, int)) and _is_phone_name(key):
            return mask_phone(str(value))
        return self._value(value, depth)

    def _value(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > MAX_DEPTH:
            return CUT_MARK
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, (bool, float)):
            return value
        if isinstance(value, (int, Decimal)):
            return self._number(value)
        if isinstance(value, (dict, Mapping)):
            return self.mapping(value, depth)
        if isinstance(value, (list, tuple)):
            found = [self._value(one, depth + 1) for one in value[:MAX_ITEMS]]
            return found if len(value) <= MAX_ITEMS else [*found, CUT_MARK]
        return f"[{len(value)} bytes]" if isinstance(value, (bytes, bytearray)) else f"[{type(value).__name__}]"

    def _number(self, value: int | Decimal) -> Any:
        if not self._secrets and isinstance(value, int) and abs(value) < 10**12:
            return value  # too short for a card number
        text = str(value)
        shown = self.text(text)
        return value if shown == text else shown
