"""Credentials of accounts that exist only in the simulator, made from each gateway's own declaration of its fields.

The same on every run: they are derived from this checkout's secret key, so that the simulator, which forgets, can be
told them again without anybody opening what is stored.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from typing import Final

from django.conf import settings

from core.gateways import registry
from core.gateways.credentials import check_values, read_refusal
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import CredentialField, Description, Mode
from core.money import CURRENCIES
from payments.demo import plan

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"  # base32 too, as authenticator secrets want it
_LENGTH: Final = 32
_OTHER: Final = {Mode.TEST: Mode.LIVE, Mode.LIVE: Mode.TEST}


class CannotMakeUp(Exception):
    """A field whose declaration gives too little away."""


def credentials(gateway: str, mode: Mode) -> dict[str, str]:
    """A value for every field that a person fills in; an optional one may be left out. Raises CannotMakeUp, naming the
    field."""
    about = registry.gateway_class(gateway).about
    found: dict[str, str] = {}
    for field in about.credentials:
        if field.is_filled_by_platform:
            continue
        try:
            found[field.name] = _value(gateway, field, found, mode)
        except CannotMakeUp:
            if field.is_required:
                raise
    return found


def _value(gateway: str, field: CredentialField, others: dict[str, str], mode: Mode) -> str:
    about = registry.gateway_class(gateway).about
    text = _random_text(f"{gateway}|{mode}|{field.name}", max(_LENGTH, field.min_length))
    for candidate in _candidates(field, about, mode, text):
        if _fits(gateway, field, {**others, field.name: candidate}, mode):
            return candidate
    raise CannotMakeUp(
        f"{about.label}: no {mode} value for the field {field.name} can be made up. Give the field an example that its "
        "pattern accepts, or the beginning of one with ... at its end."
    )


def _fits(gateway: str, field: CredentialField, values: dict[str, str], mode: Mode) -> bool:
    about = registry.gateway_class(gateway).about
    if field.name in check_values(about, values, mode):
        return False
    try:
        registry.open_gateway(gateway, values, mode=mode, cache_scope="made up")
    except GatewayMisconfigured as error:
        return field.name not in read_refusal(about, error.reason)
    return True


def _candidates(field: CredentialField, about: Description, mode: Mode, text: str) -> Iterator[str]:
    """From the most telling to the least: choices, the default, the example in this mode's spelling, mere text."""
    if field.example in CURRENCIES:  # an account of one currency: of the one that the tour will pay in
        yield plan.currency(about)
    yield from (word for word, _label in field.choices)
    if field.default:
        yield field.default
    for example in (field.example, field.example.replace(_OTHER[mode], mode)):
        if "..." in example:
            yield example.replace("...", text, 1)
    if field.is_secret and field.example:
        # Again where it does not go with the other values (an index that another field has).
        yield from (_like(field.example, f"{text}{number}") for number in range(3))
    if not field.is_secret and field.example:
        yield from (field.example, field.example.replace(_OTHER[mode], mode))
    yield text
    digits = str(int(hashlib.sha256(text.encode()).hexdigest(), 16))
    yield from (digits[:length] for length in (32, 18, 16, 12, 10, 8, 6, 4, 1))


def _like(example: str, text: str) -> str:
    """`example` with other letters and digits, where it is long enough that a few fixed ones do not matter."""
    stream = iter(hashlib.shake_256(text.encode()).digest(len(example)))

    def other(found: re.Match[str]) -> str:
        kind = next(
            one for one in ("0123456789", "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ") if found[0] in one
        )
        return kind[next(stream) % len(kind)]

    return re.sub(r"[0-9a-zA-Z]", other, example, flags=re.ASCII)


def _random_text(place: str, length: int) -> str:
    key = hmac.digest(str(settings.SECRET_KEY).encode(), b"paywright demo|" + place.encode(), hashlib.sha256)
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in hashlib.shake_256(key).digest(length))
