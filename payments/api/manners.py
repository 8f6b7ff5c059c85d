"""What the smaller endpoints share: one-transaction operations under an Idempotency-Key, filters, names in paths."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection
from django.http import HttpResponse
from rest_framework.request import Request

from core import crash, strict_json, transactions
from core.api import idempotency
from core.api.authentication import ApiKeyContext
from core.api.fields import FieldError, Fields
from core.errors import NotFound
from core.models import ApiKey
from payments.api.views import CREATED, caller, json_response

_PUBLIC_ID: Final = re.compile(r"[A-Z]{2,4}_[0-9]{14}_[0-9a-f]{8}", re.ASCII)
_LOST_PLUS: Final = re.compile(r" (\d\d:?\d\d)$", re.ASCII)


def at_once(
    request: Request, *, route: str, validated: Any, operation: str, sequence: str,
    work: Callable[[int | None], Mapping[str, Any]],
) -> HttpResponse:  # fmt: skip
    """Run an operation that calls nobody under its Idempotency-Key: key, operation and answer are one commit.

    `work` is given the operation's id and returns what is answered, with 201.
    """
    context = caller(request)
    key = idempotency.read_key(request.headers)

    def body() -> idempotency.Replay | str:
        with connection.cursor() as cursor:
            held = idempotency.begin(
                cursor, lab_id=context.lab_id, mode=context.mode, method="POST", route=route, key=key,
                fingerprint=idempotency.fingerprint(route, validated), operation_type=operation,
                operation_sequence=sequence,
            )  # fmt: skip
            if isinstance(held, idempotency.Replay):
                return held
            text = strict_json.dumps(work(held.operation_id))
            idempotency.finish(cursor, held, status=CREATED, body=text)
            return text

    answered = transactions.run(body)
    crash.point("after_work_commit")
    if isinstance(answered, idempotency.Replay):
        return idempotency.replay_response(answered)
    return json_response(strict_json.load_object(answered), CREATED)


def actor_of(context: ApiKeyContext) -> str:
    """Who did it, for the audit log: `api key <name>`. One statement."""
    name = ApiKey.objects.for_lab(context.lab_id).filter(pk=context.key_id).values_list("name", flat=True).first()
    return f"api key {name}"


def path_id(text: str) -> str:
    """An id from the address, if one of ours can look like that. Raises NotFound, the same as for a missing one."""
    if not _PUBLIC_ID.fullmatch(text):
        raise NotFound
    return text


def filters_of(request: Request) -> Fields:
    """The query of a list. A filter that is there and empty does not filter."""
    return Fields({name: text for name, text in request.query_params.items() if text != ""})


def clean_time(value: object) -> datetime:
    """ISO 8601 with its zone, or a date (its midnight in UTC). A + that became a space in the address is meant."""
    text = _LOST_PLUS.sub(r"+\1", value) if isinstance(value, str) else ""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None and len(text) > len("2026-11-20"):
            raise ValueError
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise FieldError("invalid_time", "Send an ISO 8601 time with its zone, like 2026-11-20T18:30:05Z.") from None


def whole(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A short list that is always sent whole, in the shape of all lists."""
    return {"data": rows, "has_more": False, "next_cursor": None}
