"""Our reference as one try gives it to a gateway: the public id plus the number of the try, fitted to its rule.

Several gateways refuse a name that was used before, also for a try that failed; each limits alphabet and length its own
way. The same public id and try always give the same reference, so a crash between storing and sending changes nothing.
"""

from __future__ import annotations

import hashlib
import re
from math import ceil, log
from typing import Final

from core.gateways.types import ReferenceRule

_SEPARATORS: Final = "-_.~:/ "
_DELIMITERS: Final = "-_.~TtXxRr"  # between id and try; never a digit, so that the try can always be told
_OURS: Final = re.compile(r"[A-Z]{1,8}_[0-9]{14}_[0-9a-f]{8}", re.ASCII)
_HASH_BITS: Final = 64
_LEAST_BITS: Final = 40  # below this, two payments of a busy lab would meet by chance


def fit_reference(public_id: str, try_number: int, rule: ReferenceRule) -> str:
    """`PAY_20261120183005_1a2b3c4d` and 2 -> `PAY_20261120183005_1a2b3c4d-2`, where the rule allows it.

    Other case and dropped separators are allowed for ids of our own shape, which stay distinct without them. Whatever
    else does not fit ends in a hash (SHA-256, 64 bits or what the length allows) of the full form.
    Raises ValueError for a rule that leaves no room for 40 bits, an empty id or a try below 1.
    """
    if not public_id or try_number < 1:
        raise ValueError("a reference needs a public id and a try from 1 on")
    alphabet = frozenset(rule.alphabet)
    full = f"{public_id}-{try_number}"
    kept = _translated(public_id, alphabet)
    delimiter = next((one for one in _DELIMITERS if one in alphabet), None)
    is_distinct = kept == public_id or (_OURS.fullmatch(public_id) is not None and _keeps_letters(public_id, kept))
    if delimiter is not None and is_distinct and all(digit in alphabet for digit in str(try_number)):
        fitted = f"{kept}{delimiter}{try_number}"
        if len(fitted) <= rule.max_length:
            return fitted
    return _hashed(full, kept, rule)


def _translated(text: str, alphabet: frozenset[str]) -> str:
    return "".join(_fitting(one, alphabet) for one in text)


def _fitting(character: str, alphabet: frozenset[str]) -> str:
    if character in alphabet:
        return character
    if character in _SEPARATORS:
        return next((one for one in _SEPARATORS if one in alphabet), "")
    swapped = character.swapcase()
    return swapped if len(swapped) == 1 and swapped in alphabet else ""


def _keeps_letters(before: str, after: str) -> bool:
    """Whether only case and separators differ."""
    return _bare(before) == _bare(after)


def _bare(text: str) -> str:
    return "".join(one for one in text if one not in _SEPARATORS).casefold()


def _hashed(full: str, kept: str, rule: ReferenceRule) -> str:
    # Letters and digits first: a gateway may trim or dislike a mark at the end.
    symbols = sorted({one for one in rule.alphabet if one.isalnum() and one.isascii()}) or sorted(set(rule.alphabet))
    if len(symbols) < 2 or rule.max_length * log(len(symbols), 2) < _LEAST_BITS:
        raise ValueError("the gateway's reference rule leaves no room for distinct references")
    length = min(rule.max_length, ceil(_HASH_BITS / log(len(symbols), 2)))
    number = int.from_bytes(hashlib.sha256(full.encode()).digest())
    digits = []
    for _ in range(length):
        number, index = divmod(number, len(symbols))
        digits.append(symbols[index])
    return kept[: rule.max_length - length] + "".join(digits)
