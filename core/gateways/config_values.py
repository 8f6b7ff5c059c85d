"""Values of a gateway account's credentials, as a client's `Config` reads them: typed, trimmed, told by their field's name.

Nothing here repeats a value in a message. Forms and the API check the same fields before (`core.gateways.credentials`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from core.gateways.errors import GatewayMisconfigured

MAX_LENGTH: Final = 1000


def text_of(
    credentials: Mapping[str, Any],
    name: str,
    *,
    is_trimmed: bool = True,
    may_be_number: bool = False,
    max_length: int = MAX_LENGTH,
) -> str:
    """The text of a field, empty where there is none. Trimmed, since a pasted newline is the usual accident; a secret that a
    person made up may want its spaces. `may_be_number`: dashboards show a number there. Raises GatewayMisconfigured."""
    value = credentials.get(name)
    if value is None:
        return ""
    if may_be_number and type(value) is int:
        value = str(value)
    if not isinstance(value, str) or len(value) > max_length:
        raise GatewayMisconfigured(f"{name} is not a text of at most {max_length} characters")
    if not is_encodable(value):
        raise GatewayMisconfigured(f"{name} holds characters that cannot be encoded")
    return value.strip() if is_trimmed else value


def matching(
    credentials: Mapping[str, Any], name: str, pattern: str, wanted: str, *, may_be_number: bool = False
) -> str:
    """The same, and all of it matches `pattern`; empty where there is none. Raises GatewayMisconfigured ("... is not `wanted`")."""
    text = text_of(credentials, name, may_be_number=may_be_number)
    if text and not re.fullmatch(pattern, text, re.ASCII):
        raise GatewayMisconfigured(f"{name} is not {wanted}")
    return text


def texts_of(
    credentials: Mapping[str, Any], name: str, *, is_trimmed: bool = True, may_be_number: bool = False
) -> list[str]:
    """A list of texts, as earlier values of a secret are handed in. Raises GatewayMisconfigured."""
    values = credentials.get(name) or ()
    if not isinstance(values, (list, tuple)):
        raise GatewayMisconfigured(f"{name} is not a list")
    return [text_of({name: one}, name, is_trimmed=is_trimmed, may_be_number=may_be_number) for one in values]


def is_encodable(text: str) -> bool:
    """Not half a surrogate pair, which no request could carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
