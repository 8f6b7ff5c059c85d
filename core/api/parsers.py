"""Request bodies: strict JSON of at most 256 KiB."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any, ClassVar, Final

from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser

from core import strict_json
from core.errors import DomainError

MAX_BYTES: Final = 256 * 1024


class InvalidJSON(DomainError):
    """400: not JSON, not an object, a key twice, NaN."""

    code: ClassVar[str] = "invalid_json"
    status: ClassVar[int] = 400


class TooLarge(DomainError):
    code: ClassVar[str] = "too_large"
    status: ClassVar[int] = 413
    default_detail: ClassVar[str] = "The body is too large; send at most 256 KiB."


class StrictJSONParser(BaseParser):
    """A JSON object in UTF-8: no duplicate keys, no NaN, decimals as Decimal. Raises InvalidJSON or TooLarge."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        request = (parser_context or {}).get("request")
        if request is not None and request.META.get("HTTP_CONTENT_ENCODING", "identity") != "identity":
            raise UnsupportedMediaType("encoded")
        if request is not None and int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
            raise TooLarge
        body = stream.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise TooLarge
        try:
            return strict_json.load_object(body)
        except strict_json.InvalidJSON as error:
            raise InvalidJSON(f"The body cannot be read as JSON: {error}.") from None
