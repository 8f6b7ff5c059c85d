"""The simulated Stripe's wire: bracket-nested forms in, JSON and error objects out, parameters checked by name and type.

Written from the protocol page (sections 1, 4, 12) and independent of the client beside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.responses import Response

API_VERSION: Final = "2026-10-28.endive"
_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}(\.[a-z]+)?")
MAX_METADATA: Final = 50
MAX_KEY: Final = 40
MAX_VALUE: Final = 500
MAX_LINE_ITEMS: Final = 100

Json = dict[str, Any]


class StripeError(Exception):
    """An error answer. `is_stored` tells whether an idempotency key replays it: refusals before execution are not."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        is_stored: bool = False,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.is_stored = is_stored
        error: Json = {"message": message, "type": kind}
        if code is not None:
            error |= {"code": code, "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"}
        if param is not None:
            error["param"] = param
        self.body: Json = {"error": error | more}


def missing(kind: str, name: str, *, param: str = "id", status: int = 404) -> StripeError:
    return StripeError(f"No such {kind}: '{name}'", status=status, code="resource_missing", param=param)


def answer(status: int, body: Json, headers: Mapping[str, str]) -> Response:
    text = json.dumps(body, ensure_ascii=False, indent=2)
    return Response(text, status_code=status, media_type="application/json", headers=dict(headers))


# --- forms ---------------------------------------------------------------------------------------------------------


def parse_form(text: str) -> Json:
    """`a[b][0][c]=x` becomes {"a": {"b": [{"c": "x"}]}}; `x[]=1&x[]=2` becomes a list too."""
    tree: Json = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        _plant(tree, _path(name), value)
    grown = _with_lists(tree)
    assert isinstance(grown, dict)
    return grown


def _path(name: str) -> list[str]:
    head, bracket, rest = name.partition("[")
    return [head, *rest.rstrip("]").split("][")] if bracket else [head]


def _plant(tree: Json, path: list[str], value: str) -> None:
    *way, last = path
    for step in way:
        branch = tree.setdefault(_index(tree, step), {})
        if not isinstance(branch, dict):
            raise StripeError(f"Invalid form: {path[0]} is both a value and a group", param=path[0])
        tree = branch
    tree[_index(tree, last)] = value


def _index(tree: Json, step: str) -> str:
    return step if step else str(len(tree))


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    grown = {key: _with_lists(inner) for key, inner in value.items()}
    if grown and all(key.isdecimal() for key in grown):
        return [grown[key] for key in sorted(grown, key=int)]
    return grown


# --- parameter tables ----------------------------------------------------------------------------------------------
# A table maps a name to: a word (str, int, bool, any, metadata, number_or_empty), a tuple of allowed values,
# a table of its own, or a list with one table for lists of groups.


def check(given: Any, table: Mapping[str, Any], *, prefix: str = "") -> Json:
    """`given` with its integers and booleans converted. Raises StripeError for unknown names and wrong types."""
    if not isinstance(given, dict):
        raise StripeError(f"Invalid {prefix or 'form'}: expected a hash", param=prefix or None)
    checked: Json = {}
    for name, value in given.items():
        label = f"{prefix}[{name}]" if prefix else name
        if name not in table:
            raise StripeError(f"Received unknown parameter: {label}", code="parameter_unknown", param=label)
        checked[name] = _typed(value, table[name], label)
    return checked


def _typed(value: Any, kind: Any, label: str) -> Any:
    if isinstance(kind, Mapping):
        return "" if value == "" else check(value, kind, prefix=label)
    if isinstance(kind, list):
        return _group_list(value, kind[0], label)
    if kind == "any":
        return value
    if kind == "metadata":
        return "" if value == "" else _metadata(value, label)
    if not isinstance(value, str):
        raise StripeError(f"Invalid string: {label}", param=label)
    return _scalar(value, kind, label)


def _group_list(value: Any, table: Mapping[str, Any], label: str) -> list[Json]:
    if not isinstance(value, list):
        raise StripeError(f"Invalid array: {label}", param=label)
    return [check(group, table, prefix=f"{label}[{index}]") for index, group in enumerate(value)]


def _scalar(value: str, kind: Any, label: str) -> Any:
    if isinstance(kind, tuple):
        if value not in kind:
            allowed = ", ".join(kind)
            raise StripeError(f"Invalid {label}: must be one of {allowed}", param=label)
        return value
    if kind == "int":
        if not re.fullmatch(r"-?[0-9]+", value):
            raise StripeError(f"Invalid integer: {value}", code="parameter_invalid_integer", param=label)
        return int(value)
    if kind == "bool":
        if value not in ("true", "false"):
            raise StripeError(f"Invalid boolean: {value}", param=label)
        return value == "true"
    if kind == "url" and not re.match(r"https?://[^/]", value):
        raise StripeError("Not a valid URL", code="url_invalid", param=label)
    if len(value) > 5000:
        raise StripeError(f"Invalid string: {label} is too long", code="parameter_invalid_string_length", param=label)
    return value


def _metadata(value: Any, label: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise StripeError(f"Invalid metadata: {label}", param=label)
    for key, text in value.items():
        if len(key) > MAX_KEY or not key:
            raise StripeError(f"Metadata keys can have up to {MAX_KEY} characters", param=f"{label}[{key}]")
        if len(text) > MAX_VALUE:
            raise StripeError(f"Metadata values can have up to {MAX_VALUE} characters", param=f"{label}[{key}]")
    if len(value) > MAX_METADATA:
        raise StripeError(f"You can have up to {MAX_METADATA} metadata keys", param=label)
    return value


def require(given: Json, *names: str) -> None:
    for name in names:
        if given.get(name) in (None, "", {}):
            code = "parameter_invalid_empty" if given.get(name) == "" else "parameter_missing"
            raise StripeError(f"Missing required param: {name}.", code=code, param=name)


def check_version(version: str) -> None:
    if not _VERSION.fullmatch(version):
        raise StripeError(f"Invalid Stripe API version: {version}")
