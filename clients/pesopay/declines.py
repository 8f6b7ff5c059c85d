"""`prc` (primary) and `src` (secondary) as our decline codes. Source: gateway page section 12.

The codes are text and may carry a sign or leading zeros; an empty one is not zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from clients.pesopay.answers import read_text
from core.gateways.types import Decline

UNKNOWN: Final = "declined"
BY_BANK: Final[Mapping[int, str]] = {  # prc 1
    51: "insufficient_funds",
    14: "invalid_card",
    54: "expired_card",
    41: "lost_or_stolen",
    43: "lost_or_stolen",
}
BY_GATEWAY: Final[Mapping[int, str]] = {  # prc -8
    999: "gateway_error",
    1000: "declined",
    2000: "blocked",
    2001: "blocked",
    2002: "blocked",
    2003: "blocked",
    2004: "blocked",
    2005: "invalid_card",
    2006: "too_many_attempts",
    2007: "duplicate_reference",
    2008: "invalid_request",
    2011: "gateway_error",
    2012: "declined",
    2013: "declined",
    2014: "blocked",
    2016: "too_many_attempts",
    2017: "invalid_card",
    2018: "too_many_attempts",
}
BY_PRIMARY: Final[Mapping[int, str]] = {
    3: "authentication_failed",
    -1: "invalid_request",
    -2: "gateway_error",
    -9: "gateway_error",
    -10: "gateway_error",
}
_CODE: Final = re.compile(r"[+-]?[0-9]{1,6}", re.ASCII)
_NOT_A_REASON: Final = re.compile(r"query\s+success", re.IGNORECASE)  # the Query's own word


def read_decline(prc: str, src: str, message: str = "", *, otherwise: str = UNKNOWN) -> Decline:
    """`otherwise` is the code of a failure that says nothing by its numbers."""
    text = read_text(message)
    return Decline(
        code=_code(_number(prc), _number(src), otherwise),
        gateway_code=read_text(f"{prc}/{src}", max_length=40) if prc or src else None,
        message=None if text is None or _NOT_A_REASON.search(text) else text,
    )


def _code(prc: int | None, src: int | None, otherwise: str) -> str:
    if prc == 1:
        return BY_BANK.get(src if src is not None else 0, UNKNOWN)
    if prc == -8:
        return BY_GATEWAY.get(src if src is not None else 0, UNKNOWN)
    return BY_PRIMARY.get(prc if prc is not None else 0, otherwise)


def _number(text: str) -> int | None:
    return int(text) if _CODE.fullmatch(text.strip()) else None
