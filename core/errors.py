"""The base of errors that a caller is told about. One handler (`core.api.problems`) turns them into problem details."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class DomainError(Exception):
    """Something that was asked for cannot be done. `detail` is one sentence that says what to do.

    `code` is stable and machine-readable. `members` are added to the problem (a payment's id, for example) and carry
    nothing secret. `retry_after_seconds` becomes the header Retry-After.
    """

    code: ClassVar[str] = "conflict"
    status: ClassVar[int] = 409
    retryable: ClassVar[bool] = False
    title: ClassVar[str | None] = None
    default_detail: ClassVar[str] = "This cannot be done in the present state; read the object and decide again."

    def __init__(
        self,
        detail: str | None = None,
        *,
        members: Mapping[str, Any] | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        self.detail = detail or self.default_detail
        self.members = dict(members or {})
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.detail)


class NotFound(DomainError):
    """Missing, of another lab or of the other mode: the caller cannot tell which, for the answer is the same bytes."""

    code = "not_found"
    status = 404
    default_detail = "There is nothing here for this API key; check the id, and that the key's lab and mode are meant."

    def __init__(self) -> None:
        super().__init__()
