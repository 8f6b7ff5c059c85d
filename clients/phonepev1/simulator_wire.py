"""The simulated PhonePe v1's wire: envelopes, signatures, answers, what a body may hold (sections 3, 4, 6, 7, 9, 12).

Written from the protocol page and independent of the client beside it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.responses import Response

Json = dict[str, Any]

PAY_PATH: Final = "/pg/v1/pay"
REFUND_PATH: Final = "/pg/v1/refund"
STATUS_PATH: Final = "/pg/v1/status"
LEAST: Final = 100
_LONGEST_ID: Final = 34  # the strictest of the lengths that the documentation gives
_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
_SALT: Final = re.compile(r"\s*(\d+):(.+?)\s*")


class V1Error(Exception):
    """An error answer. `is_bare`: nothing beside the code, as where the caller is not known."""

    def __init__(self, code: str, message: str, *, status: int = 400, is_bare: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.body: Json = {"success": False, "code": code}
        if not is_bare:
            self.body |= {"message": message, "data": {}}


def bad(message: str) -> V1Error:
    return V1Error("BAD_REQUEST", message)


def unauthorized() -> V1Error:
    return V1Error("401", "X-VERIFY is wrong.", status=401, is_bare=True)


def not_found(name: str) -> V1Error:
    """Unconfirmed: the HTTP status."""
    return V1Error("TRANSACTION_NOT_FOUND", f"No transaction {name}.", status=404)


def answer(status: int, body: Json) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), status_code=status, media_type="application/json")


def new_id(prefix: str, moment: float) -> str:
    """T2501011200000000000001: the time and random digits, so that no id returns after a restart."""
    return f"{prefix}{datetime.fromtimestamp(moment, UTC):%y%m%d%H%M%S}{secrets.randbelow(10**10):010d}"


# --- signatures ----------------------------------------------------------------------------------------------------


def x_verify(text: str, *, salt: str, index: str) -> str:
    """Plain SHA-256 of the text with the salt behind it, the index of the salt after three hash signs.

    The text is base64 + path of a request, the path of a status query, the bare base64 of a callback.
    """
    return f"{hashlib.sha256((text + salt).encode()).hexdigest()}###{index}"


def checksum(fields: Mapping[str, str], *, salt: str, index: str) -> str:
    """Of the browser's form post: values only, in this order, nothing between them."""
    names = ["code", "merchantId", "transactionId", "amount", "providerReferenceId"]
    params = [f"param{number}" for number in range(1, 21)]
    return x_verify("".join(fields[name] for name in (*names, *params)), salt=salt, index=index)


def salts_of(credentials: Mapping[str, Any]) -> dict[str, str]:
    """index -> key: the one in use and, while a pair is replaced, the others."""
    others = re.split(r"[\n,]", str(credentials.get("other_salts") or ""))
    known = {found[1]: found[2] for found in map(_SALT.fullmatch, others) if found}
    return {**known, str(credentials.get("salt_index")): str(credentials.get("salt_key"))}


# --- bodies --------------------------------------------------------------------------------------------------------


def envelope_of(raw: bytes) -> tuple[str, Json]:
    """The base64 text of {"request": "..."} and the object in it."""
    try:
        text = json.loads(raw)["request"]
        inner = json.loads(base64.b64decode(text, validate=True))
    except (ValueError, TypeError, KeyError, binascii.Error):
        inner = text = None
    if not isinstance(text, str) or not isinstance(inner, dict):
        raise bad("The request is not the Base64 of a JSON object.")
    return text, inner


def text_of(given: Mapping[str, Any], name: str, *, longest: int = 2048, is_needed: bool = True) -> str:
    value = given.get(name)
    if value in (None, "") and not is_needed:
        return ""
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise bad(f"{name} is missing, too long or no string.")
    return value


def id_of(given: Mapping[str, Any], name: str, *, longest: int = _LONGEST_ID, is_needed: bool = True) -> str:
    value = text_of(given, name, longest=longest, is_needed=is_needed)
    if value and _ID.fullmatch(value) is None:
        raise bad(f"{name} may hold A-Z a-z 0-9 _ - only.")
    return value


def url_of(given: Mapping[str, Any], name: str, *, is_needed: bool = True) -> str:
    value = text_of(given, name, is_needed=is_needed)
    parts = urlsplit(value)
    if value and (parts.scheme not in ("http", "https") or not parts.netloc):
        raise bad(f"{name} must be an absolute address.")
    return value


def amount_of(given: Mapping[str, Any]) -> int:
    """Paise, a JSON integer."""
    value = given.get("amount")
    if type(value) is not int or value < LEAST:
        raise bad(f"amount must be an integer of at least {LEAST}.")
    return value
