"""How exchanges with the independent fake are written down: no key, no client secret, no port of the day."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import vcr

BASE: Final = "http://127.0.0.1:8420"
FOLDER: Final = Path(__file__).parent / "cassettes"
DROPPED: Final = frozenset({"authorization", "user-agent", "date", "server", "connection", "host", "accept-encoding"})
_CLIENT_SECRET: Final = re.compile(r"_secret_[A-Za-z0-9]+")


def recorder(name: str) -> Any:
    """A cassette that is written anew."""
    (FOLDER / f"{name}.yaml").unlink(missing_ok=True)
    return _library("once").use_cassette(f"{name}.yaml")


def player(name: str) -> Any:
    """A cassette that is only read: a request that is not in it fails."""
    return _library("none").use_cassette(f"{name}.yaml")


def _library(record_mode: str) -> Any:
    return vcr.VCR(
        cassette_library_dir=str(FOLDER),
        record_mode=record_mode,
        match_on=["method", "path", "query", "body"],
        before_record_request=_plain_request,
        before_record_response=_plain_response,
        decode_compressed_response=True,
    )


def _plain_request(request: Any) -> Any:
    parts = urlsplit(request.uri)
    request.uri = BASE + parts.path + (f"?{parts.query}" if parts.query else "")
    request.headers = {name: value for name, value in request.headers.items() if name.lower() not in DROPPED}
    if request.body:
        request.body = _filtered(request.body)
    return request


def _plain_response(response: Any) -> Any:
    response["headers"] = {
        name: value for name, value in response["headers"].items() if name.lower() not in {*DROPPED, "content-length"}
    }
    response["body"]["string"] = _filtered(response["body"]["string"])
    return response


def _filtered(body: Any) -> Any:
    if isinstance(body, bytes):
        return _CLIENT_SECRET.sub("_secret_FILTERED", body.decode()).encode()
    return _CLIENT_SECRET.sub("_secret_FILTERED", body) if isinstance(body, str) else body
