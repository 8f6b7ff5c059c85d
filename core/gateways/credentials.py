"""Checks, masking and mode of a gateway account's credentials, from the gateway's own declaration of its fields.

The admin form, the API and `explain` use these; nothing here knows a gateway. No message ever repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Any, Final

from core.gateways.types import CredentialField, Description, Mode

MIN_SECRET_LENGTH: Final = 8  # INVARIANTS §7: shorter secrets are refused
_LAST_FOUR_FROM: Final = 12

_PLACEHOLDERS: Final = frozenset({
    "changeme", "change-me", "change_me", "changeit", "placeholder", "example", "secret", "password", "test", "todo",
    "tbd", "none", "null", "undefined", "n/a", "na", "dummy", "default", "your-key", "yourkey", "key", "token", "12345678",
    "password123", "secretkey", "apikey", "api_key", "secret_key",
})  # fmt: skip
_PLACEHOLDER_SHAPES: Final = re.compile(
    r"<[^<>]{0,60}>|\{[a-z0-9_ -]{0,40}\}|\[[a-z0-9_ -]{0,40}\]|(your|insert)[ _-].*|(.)\2{3,}|[x*.•-]{3,}"
    r"|.*(change[ _-]?me|placeholder).*"
    r"|(sk|pk|rk|whsec|rzp)(_(test|live))?_[x*.•]{3,}",
    re.IGNORECASE | re.DOTALL,
)
_UNFILLED: Final = re.compile(r"<[^<>]{0,60}>|\{[a-z0-9_ -]{0,40}\}|change[ _-]?me|placeholder", re.IGNORECASE)
_WORD: Final = re.compile(r"\w+")
_OTHER: Final = {Mode.TEST: Mode.LIVE, Mode.LIVE: Mode.TEST}


@dataclass(frozen=True, slots=True)
class Masked:
    """What may be shown of a credential that is kept: whether it is set, and its end where it is long enough."""

    is_set: bool
    last_four: str | None = None

    def __str__(self) -> str:
        if not self.is_set:
            return "not set"
        return "set" if self.last_four is None else f"set, ends in {self.last_four}"


def mask(value: str | None) -> Masked:
    """Set or not; the last four characters from twelve on (of fewer they would tell too much)."""
    trimmed = (value or "").strip()
    return Masked(bool(trimmed), trimmed[-4:] if len(trimmed) >= _LAST_FOUR_FROM else None)


def is_placeholder(value: str) -> bool:
    """Whether `value` only stands where a value belongs: blank, "changeme", "<your key>", "xxxx", "sk_test_..."."""
    trimmed = value.strip()
    return not trimmed or trimmed.lower() in _PLACEHOLDERS or _PLACEHOLDER_SHAPES.fullmatch(trimmed) is not None


def check_values(description: Description, values: Mapping[str, Any], mode: Mode) -> dict[str, str]:
    """What is wrong with `values`, one sentence by field name; empty when they can be saved.

    Values are checked as they will be used, without surrounding white space. Fields that the platform fills may be
    missing. `previous_<name>s` lists of rotating fields are checked like the field itself.
    """
    found: dict[str, str] = {}
    for field in description.credentials:
        message = _check_one(field, values, description, mode)
        if message:
            found[field.name] = message
    found.update(_check_swapped([one for one in description.credentials if one.name not in found], values))
    found.update(_check_names(description, values))
    return found


def read_refusal(description: Description, reason: str) -> dict[str, str]:
    """What a gateway's constructor had against the values (`GatewayMisconfigured.reason`), as `check_values` says it.

    The field is the first that the reason names; the name is "" where it names none.
    """
    labels = {field.name: field.label for field in description.credentials}
    sentence = _WORD.sub(lambda word: labels.get(word[0], word[0]), reason)
    named = next((word for word in _WORD.findall(reason) if word in labels), "")
    return {named: f"{sentence[:1].upper()}{sentence[1:].rstrip('.')}."}


def infer_mode(description: Description, values: Mapping[str, Any]) -> Mode | None:
    """The mode that the values themselves show (`sk_live_...`); None where none shows one, or two disagree."""
    shown = {mode for field in description.credentials if (mode := _mode_of(field, values.get(field.name)))}
    return shown.pop() if len(shown) == 1 else None


def _check_one(field: CredentialField, values: Mapping[str, Any], about: Description, mode: Mode) -> str | None:
    value = values.get(field.name)
    if value is None or value == "":
        return _missing(field)
    if not isinstance(value, str):
        return f"{field.label} is text: write it between quotation marks."
    trimmed = value.strip()
    if not trimmed:
        return _missing(field) or f"{field.label} is blank: leave it empty or write the value."
    return _check_text(field, trimmed, about, mode) or _check_repeated(field, trimmed, values, about)


def _missing(field: CredentialField) -> str | None:
    if not field.is_required or field.is_filled_by_platform or field.default:
        return None
    return f"{field.label} is required."


def _check_text(field: CredentialField, value: str, about: Description, mode: Mode) -> str | None:
    if field.choices:
        words = [word for word, _ in field.choices]
        return None if value in words else f"{field.label} is one of {', '.join(words)}."
    if not field.is_multiline and not value.isprintable():
        return f"{field.label} holds a line break or an invisible character: copy it again."
    # A name may well be "test" or "0000"; a secret may not.
    if is_placeholder(value) if field.is_secret else _UNFILLED.fullmatch(value):
        return f"{field.label} is a placeholder: paste the real value from the gateway's dashboard."
    least = max(field.min_length, MIN_SECRET_LENGTH) if field.is_secret else field.min_length
    if len(value) < least:
        return f"{field.label} has at least {least} characters."
    return _check_shape(field, value, about, mode)


def _check_shape(field: CredentialField, value: str, about: Description, mode: Mode) -> str | None:
    if _accepts(field, value, mode) and field.patterns:
        return None
    if not _accepts(field, value, mode) and _matches(field, value, _OTHER[mode]):
        return (
            f"This is a {_OTHER[mode]} value, but the account is a {mode} account: "
            f"paste the {mode} one, or add a {_OTHER[mode]} account for this."
        )
    other = _owner_of(field, value, about)
    if other is not None:
        return f"This looks like the {other.label}, not the {field.label}: the two may be swapped."
    if _accepts(field, value, mode):
        return None
    return field.pattern_help or f"This does not look like a {field.label}{_like(field)}."


def _like(field: CredentialField) -> str:
    return f" (an example: {field.example})" if field.example else ""


def _check_repeated(field: CredentialField, value: str, values: Mapping[str, Any], about: Description) -> str | None:
    if not field.is_secret:
        return None
    for other in about.credentials:
        theirs = values.get(other.name)
        if other.name != field.name and isinstance(theirs, str) and theirs.strip() == value:
            return f"The same value stands in {other.label}: each field has a value of its own."
    return None


def _check_swapped(fields: Sequence[CredentialField], values: Mapping[str, Any]) -> dict[str, str]:
    """Of `fields`, those whose value usually stands in another, where that one's own value is an unusual one."""
    found = {}
    for wanted, held in permutations([one for one in fields if _text_of(one, values)], 2):
        theirs = _text_of(held, values)
        if not _is_usual(wanted, theirs) or _is_usual(wanted, _text_of(wanted, values)) or _is_usual(held, theirs):
            continue
        for one, other in ((held, wanted), (wanted, held)):
            found[one.name] = f"{one.label} and {other.label} may be swapped: the value of each looks like the other's."
    return found


def _is_usual(field: CredentialField, value: str) -> bool:
    return bool(field.usual) and _compiled(field.usual).fullmatch(value) is not None


def _text_of(field: CredentialField, values: Mapping[str, Any]) -> str:
    value = values.get(field.name)
    return value.strip() if isinstance(value, str) else ""


def _check_names(about: Description, values: Mapping[str, Any]) -> dict[str, str]:
    known = {field.name for field in about.credentials}
    lists = {f"previous_{field.name}s": field for field in about.credentials if field.rotates}
    found = {}
    for name, value in values.items():
        if name in lists:
            if not _is_list_of_secrets(value):
                found[name] = f"{lists[name].label}: the earlier values are a list of texts, none a placeholder."
        elif name not in known:
            found[name] = f"{about.label} has no field of this name."
    return found


def _is_list_of_secrets(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(one, str) and not is_placeholder(one) for one in value)


def _accepts(field: CredentialField, value: str, mode: Mode) -> bool:
    pattern = field.patterns.get(mode)
    return pattern is None or _compiled(pattern).fullmatch(value) is not None


def _matches(field: CredentialField, value: str, mode: Mode) -> bool:
    pattern = field.patterns.get(mode)
    return pattern is not None and _compiled(pattern).fullmatch(value) is not None


def _owner_of(field: CredentialField, value: str, about: Description) -> CredentialField | None:
    """Another field whose pattern tells this value as its own: a distinctive one, not merely "letters and digits"."""
    disguised = _disguised(value)
    for other in about.credentials:
        if other.name == field.name:
            continue
        for pattern in other.patterns.values():
            if _compiled(pattern).fullmatch(value) and not _compiled(pattern).fullmatch(disguised):
                return other
    return None


def _disguised(value: str) -> str:
    """`value` with each letter and digit replaced by another: what only a pattern of character classes still accepts."""
    return "".join(_next(one) for one in value)


def _next(character: str) -> str:
    for first, last in ("az", "AZ", "09"):
        if first <= character <= last:
            return first if character == last else chr(ord(character) + 1)
    return character


def _mode_of(field: CredentialField, value: object) -> Mode | None:
    if not isinstance(value, str) or len(field.patterns) < 2:
        return None  # one pattern alone does not tell: the other mode accepts anything
    fitting = [mode for mode in field.patterns if _matches(field, value.strip(), mode)]
    return fitting[0] if len(fitting) == 1 else None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
