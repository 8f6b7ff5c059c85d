"""Lists: {"data": [...], "has_more": bool, "next_cursor": text or null}, newest first.

A cursor is the last row's id, encrypted as one AES block together with the lab: database ids leave the database nowhere
(STYLE), and a cursor that was invented or belongs to another lab does not decode.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import ECB
from django.db import models

from core.api.fields import FieldError, ValidationFailed
from core.hashing import derived_key

MAX_LIMIT: Final = 100
DEFAULT_LIMIT: Final = 20
_BLOCK: Final = struct.Struct(">QQ")


class CursorInvalid(FieldError):
    """A cursor that `encode_cursor` did not make for this lab."""

    def __init__(self) -> None:
        super().__init__("invalid_cursor", "Send next_cursor of the page before as it was, or leave cursor out.")


def paginate(
    rows: models.QuerySet[Any], *, lab_id: int, query: Mapping[str, str], show: Callable[[Any], dict[str, Any]]
) -> dict[str, Any]:
    """One page of `rows`, which the caller has filtered by lab and mode. Reads `limit` (1 to 100) and `cursor`.

    One statement. Raises ValidationFailed.
    """
    limit = _limit(query.get("limit"))
    before = _position(query.get("cursor"), lab_id)
    if before is not None:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: limit + 1])
    page, has_more = found[:limit], len(found) > limit
    return {
        "data": [show(row) for row in page],
        "has_more": has_more,
        "next_cursor": encode_cursor(page[-1].pk, lab_id) if has_more else None,
    }


def _limit(text: str | None) -> int:
    if text is None or text == "":
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT):
        raise _refusal("limit", FieldError("out_of_range", f"Send a whole number from 1 to {MAX_LIMIT}."))
    return int(text)


def _position(text: str | None, lab_id: int) -> int | None:
    try:
        return decode_cursor(text, lab_id) if text else None
    except CursorInvalid as error:
        raise _refusal("cursor", error) from None


def _refusal(name: str, error: FieldError) -> ValidationFailed:
    return ValidationFailed([{"field": name, "code": error.code, "detail": error.detail}])


def encode_cursor(row_id: int, lab_id: int) -> str:
    """22 characters that stand for a row of a lab."""
    return base64.urlsafe_b64encode(_run(_cipher().encryptor(), _BLOCK.pack(row_id, lab_id))).rstrip(b"=").decode()


def decode_cursor(text: str, lab_id: int) -> int:
    """The row's id. Raises CursorInvalid for anything that `encode_cursor` did not make for this lab."""
    try:
        block = base64.b64decode(text.replace("-", "+").replace("_", "/") + "==", validate=True)
    except (binascii.Error, ValueError):
        raise CursorInvalid from None
    if len(block) != _BLOCK.size:
        raise CursorInvalid
    row_id, found_lab = _BLOCK.unpack(_run(_cipher().decryptor(), block))
    if found_lab != lab_id:
        raise CursorInvalid
    return int(row_id)


def _cipher() -> Cipher[ECB]:
    # One block that is never the same for two rows: the case for which ECB is what one wants.
    return Cipher(AES256(derived_key("cursor")), ECB())  # noqa: S305


def _run(context: CipherContext, block: bytes) -> bytes:
    return context.update(block) + context.finalize()
