"""The five ways in which a gateway can fail. Each tells the caller what to do; a decline is none of them."""

from __future__ import annotations

from typing import ClassVar


class GatewayError(Exception):
    """Base of the five. `reason` is safe to show and log: no secret, no body, no card data.

    `code` is ours where the gateway page maps one (`amount_too_small`), `gateway_code` is theirs.
    """

    money_may_have_moved: ClassVar[bool] = False

    def __init__(
        self,
        reason: str,
        *,
        code: str | None = None,
        gateway_code: str | None = None,
        http_status: int | None = None,
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.gateway_code = gateway_code
        self.http_status = http_status
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds


class GatewayMisconfigured(GatewayError):
    """Wrong or missing credentials or rights. No money moved. Stop, flag the account; answer a webhook 503."""


class RequestRejected(GatewayError):
    """The gateway understood and refused. No money moved. Fix the request; never send it again."""


class GatewayUnavailable(GatewayError):
    """Never reached, or told to come later (429). No money moved. Repeat with the same idempotency key."""


class OutcomeUnknown(GatewayError):
    """Sent, but no readable answer. Money may have moved. Leave it pending and fetch; on a fetch: nothing learned."""

    money_may_have_moved = True


class WebhookRejected(GatewayError):
    """The delivery is not proven to come from the gateway. Answer 400 and count it."""
