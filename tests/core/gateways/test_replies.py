"""What a gateway hears when its delivery is not taken is fixed (INVARIANTS §9)."""

from __future__ import annotations

import pytest

from core.gateways import replies
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from tests.core.gateways.toy import ABOUT

JSON = {"content-type": "application/json; charset=utf-8"}


@pytest.mark.parametrize(
    ("method", "headers", "size", "status"),
    [
        ("POST", JSON, 10, None),
        ("post", {}, 0, None),
        ("POST", {"content-type": "APPLICATION/JSON"}, 10, None),
        ("POST", JSON, 1024 * 1024, None),
        ("POST", JSON, 1024 * 1024 + 1, 413),
        ("GET", JSON, 10, 405),
        ("PUT", JSON, 10, 405),
        ("POST", {**JSON, "content-encoding": "gzip"}, 10, 415),
        ("POST", {"content-type": "text/html"}, 10, 415),
        ("POST", {"content-type": "application/jsonx"}, 10, 415),
    ],
)
def test_what_needs_no_secret_is_refused_first(
    method: str, headers: dict[str, str], size: int, status: int | None
) -> None:
    reply = replies.reply_before_reading(ABOUT, method=method, headers=headers, body_bytes=size)
    assert (None if reply is None else reply.status) == status


@pytest.mark.parametrize(
    ("error", "status"), [(WebhookRejected("why"), 400), (GatewayMisconfigured("why"), 503), (KeyError("why"), 500)]
)
def test_the_reply_to_an_error_is_fixed_and_does_not_say_why(error: Exception, status: int) -> None:
    reply = replies.reply_to_error(error)
    assert reply.status == status
    assert "why" not in reply.body
