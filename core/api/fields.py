"""Cleaning of input by plain functions: value in, clean value out, FieldError with a code and a sentence otherwise.

Serializers cost 200 microseconds a request; these cost two. `Fields` collects the errors of one body, so that a caller
hears of all at once. No error repeats what was sent.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar, Final, TypeVar, overload
from urllib.parse import urlsplit

from django.conf import settings

from core.errors import DomainError
from core.gateways.redaction import is_card_number
from core.money import ASSETS, MoneyError, exponent_of, parse_minor

Value = TypeVar("Value")
Default = TypeVar("Default")

METADATA_KEYS: Final = 50
METADATA_KEY_LENGTH: Final = 40
METADATA_VALUE_LENGTH: Final = 500


class FieldError(ValueError):
    """One value that cannot be accepted. `detail` says what to send instead."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail


class ValidationFailed(DomainError):
    """400 with `errors`, one {field, code, detail} for each; `code` is that of the only error where there is one."""

    code: ClassVar[str] = "validation_failed"
    status: ClassVar[int] = 400

    def __init__(self, errors: list[dict[str, str]]) -> None:
        only = errors[0] if len(errors) == 1 else None
        super().__init__(
            f"{only['field']}: {only['detail']}"
            if only
            else "Some fields cannot be accepted; `errors` says which and why."
        )
        self.errors = errors
        if only is not None:
            self.__dict__["code"] = only["code"]


class Fields:
    """The fields of one JSON object. Take each by name, then `check()` raises what was wrong, all together.

    `fields.take("amount", clean_amount, required=True)`; a nested object: `fields.nested("customer")`.
    null and absent are the same. Fields that nobody takes are ignored.
    """

    def __init__(self, data: object, *, prefix: str = "", errors: list[dict[str, str]] | None = None) -> None:
        self._errors: list[dict[str, str]] = [] if errors is None else errors
        self._prefix = prefix
        self._data: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        if not isinstance(data, Mapping):
            self.refuse("", FieldError("invalid_type", "Send a JSON object."))

    @overload
    def take(self, name: str, clean: Callable[[Any], Value], *, required: bool = ...) -> Value | None: ...
    @overload
    def take(self, name: str, clean: Callable[[Any], Value], default: Default) -> Value | Default: ...
    def take(self, name: str, clean: Callable[[Any], Value], default: Any = None, *, required: bool = False) -> Any:
        """The cleaned value, or `default` where it is absent or was refused."""
        value = self._data.get(name)
        if value is None:
            if required:
                self.refuse(name, FieldError("required", "This field is required."))
            return default
        try:
            return clean(value)
        except FieldError as error:
            self.refuse(name, error)
            return default

    def nested(self, name: str) -> Fields | None:
        """The fields of the object `name`, None where it is absent. Its errors are named "name.field"."""
        value = self._data.get(name)
        return None if value is None else Fields(value, prefix=self._path(name), errors=self._errors)

    def refuse(self, name: str, error: FieldError) -> None:
        """Note an error that concerns more than one field, under the name of the one to change."""
        self._errors.append({"field": self._path(name), "code": error.code, "detail": error.detail})

    def check(self) -> None:
        """Raises ValidationFailed with every error found so far."""
        if self._errors:
            raise ValidationFailed(self._errors)

    def _path(self, name: str) -> str:
        return ".".join(part for part in (self._prefix, name) if part)


# Money ---------------------------------------------------------------------------------------------------------------


def clean_amount(value: object) -> int:
    """Minor units: a JSON integer, or a string of 1 to 38 ASCII digits; greater than zero, at most the configured maximum.

    The maximum is `settings.MAX_AMOUNT_MINOR`, for all assets, where one is set.
    """
    try:
        amount = parse_minor(value)
    except MoneyError as error:
        text = f"{error}."  # not str.capitalize(): it would write "inr"
        raise FieldError("invalid_amount", text[:1].upper() + text[1:]) from None
    maximum = getattr(settings, "MAX_AMOUNT_MINOR", None)
    if maximum is not None and amount > maximum:
        raise FieldError("amount_too_large", f"An amount is at most {maximum} minor units here.")
    return amount


def clean_amount_or_zero(value: object) -> int:
    """Like `clean_amount`, and zero is an amount too: parts like tax and delivery."""
    return 0 if value in (0, "0") and type(value) in (int, str) else clean_amount(value)


def clean_currency(value: object) -> str:
    """A code of ISO 4217 or a coin's, in capitals: INR, JPY, USDTTRC20."""
    if not isinstance(value, str) or value not in ASSETS:
        raise FieldError("unknown_currency", "Send a known currency or coin in capitals, like INR or USDTTRC20.")
    exponent_of(value)
    return value


# Text ----------------------------------------------------------------------------------------------------------------

_DIGIT_GROUPS: Final = re.compile(r"\d+")
_CARD_GAP: Final = re.compile(r"[\s\-\u2010-\u2015._/]{1,3}")
_CARD_LENGTHS: Final = range(13, 20)
# The time in one of our own ids (PAY_20261121002822_1a2b3c4d) passes Luhn one time in ten, and no card begins with 20.
_OUR_TIME: Final = re.compile(r"(?<=[A-Z]_)20[0-9]{12}_(?=[0-9a-f]{8}(?![0-9a-zA-Z]))")


def has_card_number(text: str) -> bool:
    """Whether 13 to 19 digits that pass Luhn stand in `text`, also in groups with spaces or dashes, in any script."""
    if sum(map(str.isdecimal, text)) < _CARD_LENGTHS.start:
        return False
    plain = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in text)
    plain = _OUR_TIME.sub("|", plain)
    groups = list(_DIGIT_GROUPS.finditer(plain))
    for start, first in enumerate(groups):
        digits, end = first.group(), first.end()
        if is_card_number(digits):
            return True
        for group in groups[start + 1 :]:
            if len(digits) >= _CARD_LENGTHS.stop or not _CARD_GAP.fullmatch(plain, end, group.start()):
                break
            digits, end = digits + group.group(), group.end()
            if is_card_number(digits):
                return True
    return False


def refuse_card_number(text: str) -> str:
    """`text` itself. Raises FieldError where it holds a card number; the error does not repeat it (INVARIANTS §11)."""
    if has_card_number(text):
        raise FieldError(
            "card_number_refused", "Card numbers are not accepted here; customers give them to the gateway."
        )
    return text


def clean_text(value: object, *, length: int = 500, lines: bool = False) -> str:
    """Text of people, trimmed: at most `length` characters, no control characters (`lines` allows newlines), no card."""
    if not isinstance(value, str):
        raise FieldError("invalid_type", "Send a string.")
    text = value.strip()
    if len(text) > length:
        raise FieldError("too_long", f"Send at most {length} characters.")
    if any(unicodedata.category(c) in ("Cc", "Cs") and not (lines and c in "\r\n\t") for c in text):
        raise FieldError("invalid_text", "Send text without control characters.")
    return refuse_card_number(text)


def text_of(length: int, *, lines: bool = False) -> Callable[[object], str]:
    """A cleaner: `clean_text` with another length."""
    return lambda value: clean_text(value, length=length, lines=lines)


def clean_reference(value: object) -> str:
    """The caller's own name for something: 1 to 120 characters."""
    text = clean_text(value, length=120)
    if not text:
        raise FieldError("blank", "Send a reference of 1 to 120 characters, or leave it out.")
    return text


_PUBLIC_ID: Final = re.compile(r"[A-Za-z]{1,8}_[A-Za-z0-9_]{1,60}", re.ASCII)


def clean_public_id(value: object) -> str:
    """One of our own ids, like PAY_20261120183005_1a2b3c4d. Says nothing of whether it exists."""
    if not isinstance(value, str) or not _PUBLIC_ID.fullmatch(value):
        raise FieldError("invalid_id", "Send an id as this API gave it, like PAY_20261120183005_1a2b3c4d.")
    return value


_EMAIL: Final = re.compile(r"[^@\s\x00-\x1f\x7f<>\"(),:;\\\[\]]{1,64}@[^@\s\x00-\x1f\x7f<>\"(),:;\\\[\]]{1,189}")


def clean_email(value: object) -> str:
    """An e-mail address, lightly checked: only sending proves one."""
    text = clean_text(value, length=254)
    domain = text.rpartition("@")[2]
    if not _EMAIL.fullmatch(text) or "." not in domain.strip(".") or ".." in text:
        raise FieldError("invalid_email", "Send an e-mail address, like mira@example.com.")
    return text


_PHONE: Final = re.compile(r"\+?[0-9][0-9 ().\-]{4,30}", re.ASCII)


def clean_phone(value: object) -> str:
    """A telephone number. With a leading + and at most 15 digits (E.164) it cannot be a card number."""
    text = value.strip() if isinstance(value, str) else ""
    digits = sum(map(str.isdecimal, text))
    if not _PHONE.fullmatch(text) or digits > 19:
        raise FieldError("invalid_phone", "Send a telephone number, like +919876543210.")
    return text if text.startswith("+") and digits <= 15 else refuse_card_number(text)


# Other kinds ---------------------------------------------------------------------------------------------------------


def clean_metadata(value: object) -> dict[str, str]:
    """At most 50 pairs of text: keys of 1 to 40 characters, values of at most 500; no card number in either."""
    if not isinstance(value, Mapping):
        raise FieldError("invalid_type", "Send an object of strings.")
    if len(value) > METADATA_KEYS:
        raise FieldError("too_many", f"Send at most {METADATA_KEYS} keys.")
    return {_metadata_key(key): _metadata_value(text) for key, text in value.items()}


def _metadata_key(key: object) -> str:
    text = clean_text(key, length=METADATA_KEY_LENGTH)
    if not text or text != key:
        raise FieldError("invalid_key", f"A key has 1 to {METADATA_KEY_LENGTH} characters, without spaces around it.")
    return text


def _metadata_value(value: object) -> str:
    if not isinstance(value, str):
        raise FieldError("invalid_type", "Values of metadata are strings.")
    return clean_text(value, length=METADATA_VALUE_LENGTH, lines=True)


def one_of(words: Collection[str]) -> Callable[[object], str]:
    """A cleaner for a word out of a list."""

    def clean(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise FieldError("unknown_choice", f"Send one of: {', '.join(sorted(words))}.")
        return value

    return clean


def whole_number(least: int, most: int) -> Callable[[object], int]:
    """A cleaner for a JSON integer within bounds, both included."""

    def clean(value: object) -> int:
        if type(value) is not int or not least <= value <= most:
            raise FieldError("out_of_range", f"Send a whole number from {least} to {most}.")
        return value

    return clean


def clean_ip_address(value: object) -> str:
    """An IPv4 or IPv6 address, in its usual spelling."""
    try:
        return str(ipaddress.ip_address(value)) if isinstance(value, str) and "%" not in value else _refuse_address()
    except ValueError as error:
        if isinstance(error, FieldError):
            raise
        return _refuse_address()


def _refuse_address() -> str:
    raise FieldError("invalid_ip_address", "Send the payer's IPv4 or IPv6 address.") from None


def return_url_of(origins: Collection[str]) -> Callable[[object], str]:
    """A cleaner for an address whose origin is one of `origins` (the lab's list): exact match of scheme, host and port."""

    def clean(value: object) -> str:
        if not isinstance(value, str) or len(value) > 2000 or not _origin_of(value):
            raise FieldError("invalid_url", "Send an absolute https address of at most 2000 characters.")
        if _origin_of(value) not in {_origin_of(origin) for origin in origins}:
            listed = ", ".join(sorted(origins)) or "(it is empty)"
            raise FieldError(
                "return_url_not_allowed", f"Its origin is not in the lab's list of return origins: {listed}."
            )
        return value

    return clean


_PORTS: Final = {"http": 80, "https": 443}


def _origin_of(address: str) -> tuple[str, str, int] | None:
    """(scheme, host, port), None for what is no plain address: other schemes, user names, spaces, backslashes."""
    if not address.isascii() or re.search(r"[\s\\\x00-\x1f\x7f]", address):
        return None
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]
