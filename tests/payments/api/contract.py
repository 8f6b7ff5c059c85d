"""Answers held against the OpenAPI document: every status and every field that is there is documented, and the other way."""

from __future__ import annotations

import copy
import re
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator

from payments.api.openapi import document

JSON = "application/json"
PROBLEM = "application/problem+json"


@lru_cache(maxsize=1)
def _closed_components() -> dict[str, Any]:
    """The components, with objects that may hold only what is listed. Problems carry members of their own."""
    components = copy.deepcopy(document()["components"])
    for name, schema in components["schemas"].items():
        if "properties" in schema and name != "Problem":
            schema["additionalProperties"] = False
    return components


def faults(schema: dict[str, Any], value: Any) -> list[str]:
    """What is wrong with `value` by a schema of the document."""
    validator = Draft202012Validator({**schema, "components": _closed_components()})
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def template_of(path: str) -> str:
    """The address in the document that `path` is an address of: itself, or the longest where several fit."""
    found = []
    for template in document()["paths"]:
        name = r".+" if "external_id" in template else r"[^/]+"
        if re.fullmatch(re.sub(r"\{\w+\}", name, template), path):
            found.append(template)
    assert found, f"{path} is not documented"
    return max(found, key=lambda template: (template == path, len(template)))


def conforms(response: Any) -> Any:
    """`response` itself, once its status, type and body are found to be as documented."""
    request = response.wsgi_request
    operation = document()["paths"][template_of(request.path)][request.method.lower()]
    documented = operation["responses"]
    status, kind = str(response.status_code), response["Content-Type"]
    assert status in documented, f"{request.method} {request.path} may not answer {status}: {response.content!r}"
    assert kind in documented[status]["content"], f"{kind} of {status} is not documented"
    assert faults(documented[status]["content"][kind]["schema"], response.json()) == []
    return response
