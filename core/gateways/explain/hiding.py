"""No secret of the line's config leaves in the explanation of it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from core.gateways.redaction import MIN_SECRET_LENGTH, is_secret_name, replace_secrets
from core.gateways.types import Description

_BASIC: Final = re.compile(r"Basic ([A-Za-z0-9+/]+={0,2})\Z")


class Hider:
    """Replaces each secret value of one config by its field's name in braces: `{secret_key}`."""

    def __init__(self, about: Description, config: Mapping[str, Any]) -> None:
        self._names = _secret_spellings(about, config)

    def clean(self, found: dict[str, Any], *, keep_request: bool = False) -> dict[str, Any]:
        """`found` without secrets. `keep_request` shows "request" as it would be sent."""
        return {
            name: value if name == "request" and keep_request else self._value(value) for name, value in found.items()
        }

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, dict):
            return {self._text(name): self._value(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._value(one) for one in value]
        return value

    def _text(self, text: str) -> str:
        basic = _BASIC.match(text)
        if basic is not None:
            return self._basic(text, basic.group(1))
        return replace_secrets(text, self._names)

    def _basic(self, text: str, encoded: str) -> str:
        """HTTP Basic with the secret inside replaced, encoded again so that its form stays what is sent."""
        try:
            pair = base64.b64decode(encoded, validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            return text
        return f"Basic {base64.b64encode(replace_secrets(pair, self._names).encode()).decode()}"


def _secret_spellings(about: Description, config: Mapping[str, Any]) -> dict[str, str]:
    declared = {field.name for field in about.credentials if field.is_secret}
    found: dict[str, str] = {}
    for name, value in config.items():
        if name not in declared and not is_secret_name(name):
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                found.update(dict.fromkeys(_spellings(one), f"{{{name}}}"))
    return found


def _spellings(secret: str) -> list[str]:
    """As written, trimmed, and as JSON text writes it."""
    written = {secret, secret.strip(), json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return [one for one in written if len(one) >= MIN_SECRET_LENGTH]
