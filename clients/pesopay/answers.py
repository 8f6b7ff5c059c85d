"""The two forms of an answer: a line of URL-encoded pairs, or XML with one `<record>` for each attempt; pure.

Names differ in case from call to call, so they are read in small letters. Whatever is cut off, doubled or of another
form is Unreadable: the caller decides what that means for money.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus, unquote_to_bytes
from xml.parsers import expat

from core.gateways.redaction import mask_card_numbers

Fields = dict[str, str]

MAX_RECORDS: Final = 500
MAX_FIELDS: Final = 500
_DECLARATION: Final = re.compile(r"\s*<\?xml[^>]*\?>")
_FORBIDDEN: Final = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,60}", re.ASCII)


class Unreadable(ValueError):
    """The bytes are not what they should be. The message holds nothing of them."""


# --- pairs ----------------------------------------------------------------------------------------------------------


def read_line(body: bytes) -> Fields | None:
    """`resultCode=0&...&errMsg=...`, names in small letters; None where the body is no such line.

    `errMsg` is the last member of every answer: without it the line was cut off. Raises Unreadable.
    """
    text = decode(body).lstrip("\ufeff").strip()
    if not re.match(r"[A-Za-z]{1,30}=", text, re.ASCII):
        return None
    found: Fields = {}
    for part in text.split("&"):
        name, mark, value = part.partition("=")
        if not mark or not _NAME.fullmatch(name):
            # Unconfirmed: whether texts in answers are escaped. "&" inside an errMsg then looks like a pair.
            if "errmsg" not in found:
                raise Unreadable("the line holds something that is not a pair")
            continue
        if name.lower() in found:
            raise Unreadable("a member of the line came twice")
        found[name.lower()] = unquote_plus(value)
    if "resultcode" not in found and "successcode" not in found:
        return None
    if "errmsg" not in found:
        raise Unreadable("the line is cut off")
    return found


def read_form(body: bytes) -> list[tuple[str, str]]:
    """The pairs of a feed as they came, decoded strictly. Raises Unreadable for bytes or escapes that are no UTF-8."""
    if _BAD_ESCAPE.search(body):
        raise Unreadable("an escape in the form is broken")
    parts = [part for part in body.split(b"&") if part]
    if len(parts) > MAX_FIELDS:
        raise Unreadable("the form has too many fields")
    try:
        return [_pair(part) for part in parts]
    except UnicodeDecodeError:
        raise Unreadable("the form is not UTF-8") from None


def _pair(part: bytes) -> tuple[str, str]:
    name, _, value = part.partition(b"=")
    return _unquoted(name), _unquoted(value)


def _unquoted(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8")


# --- XML ------------------------------------------------------------------------------------------------------------


def read_records(body: bytes) -> list[Fields]:
    """The records of a Query, element names in small letters. Raises Unreadable.

    The declared encoding is not relied on, and a document type or entity is refused before anything is parsed.
    """
    text = _DECLARATION.sub("", decode(body).lstrip("\ufeff"), count=1).strip()
    if not text.startswith("<"):
        raise Unreadable("the answer is neither pairs nor XML")
    if _FORBIDDEN.search(text):
        raise Unreadable("the XML declares a document type or an entity")
    try:
        return _RecordParser().parse(text)
    except (expat.ExpatError, ValueError, RecursionError) as error:
        if isinstance(error, Unreadable):
            raise
        raise Unreadable("the XML is broken or cut off") from None


class _RecordParser:
    """`<records><record><name>text</name>...`; anything deeper or beside it is left alone."""

    def __init__(self) -> None:
        self._records: list[Fields] = []
        self._path: list[str] = []
        self._text = ""
        self._has_others = False

    def parse(self, text: str) -> list[Fields]:
        parser = expat.ParserCreate(encoding="utf-8")
        parser.StartElementHandler = self._begin
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._hear
        parser.Parse(text.encode("utf-8"), True)
        if self._has_others and not self._records:
            raise Unreadable("the XML says something that is no record")  # so it does not say that there is none
        return self._records

    def _begin(self, name: str, _attributes: object) -> None:
        self._path.append(name.lower())
        self._text = ""
        if self._path[0] != "records":
            raise Unreadable("the XML has another root than records")
        if len(self._path) != 2:
            return
        if name.lower() != "record":
            self._has_others = True
            return
        self._records.append({})
        if len(self._records) > MAX_RECORDS:
            raise Unreadable("the XML has too many records")

    def _hear(self, text: str) -> None:
        self._text += text
        self._has_others |= len(self._path) == 1 and not text.isspace()

    def _end(self, name: str) -> None:
        if len(self._path) == 3 and self._path[1] == "record":
            if name.lower() in self._records[-1]:
                raise Unreadable("an element of a record came twice")
            self._records[-1][name.lower()] = self._text.strip()
        self._path.pop()


def decode(body: bytes) -> str:
    """UTF-8 where it is, else ISO-8859-1, which every byte fits."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("iso-8859-1")


def read_text(value: str | None, *, max_length: int = 200) -> str | None:
    """Text of one line that can be stored and shown, cut to `max_length`; None where nothing is left. No card number."""
    clean = "".join(char for char in (value or "")[: 4 * max_length] if char.isprintable()).strip()
    return mask_card_numbers(clean)[:max_length] or None
