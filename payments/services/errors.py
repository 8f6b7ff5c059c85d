"""What a caller is told when a payment operation cannot be done (INVARIANTS §4)."""

from __future__ import annotations

from typing import Any, ClassVar

from core.errors import DomainError
from core.gateways.errors import GatewayError


class NoGateway(DomainError):
    """422: no active gateway key of the lab can take this payment; `reasons` says why, key by key."""

    code: ClassVar[str] = "no_gateway"
    status: ClassVar[int] = 422

    def __init__(self, reasons: list[dict[str, str]]) -> None:
        super().__init__(
            "No active gateway key of this lab and mode can take this payment; `reasons` says why for each."
            if reasons
            else "This lab has no active gateway key in this mode; add one in the admin under Gateway keys.",
            members={"reasons": reasons},
        )


class CurrencyDisabled(DomainError):
    """400: the asset is known, and switched off on this platform."""

    code: ClassVar[str] = "currency_disabled"
    status: ClassVar[int] = 400

    def __init__(self, asset: str) -> None:
        super().__init__(f"currency: {asset} is switched off on this platform; send another one.")
        self.errors = [{"field": "currency", "code": self.code, "detail": self.detail.removeprefix("currency: ")}]


class ReferenceInUse(DomainError):
    code: ClassVar[str] = "reference_in_use"

    def __init__(self, payment: str | None) -> None:
        super().__init__(
            "Another payment with this reference is open or paid; read it, or use a new reference for a new order.",
            members={"payment": payment} if payment else {},
        )


class NotRefundable(DomainError):
    code: ClassVar[str] = "not_refundable"
    default_detail: ClassVar[str] = "Only a captured payment can be refunded; its status says where it stands."


class RefundTooLarge(DomainError):
    code: ClassVar[str] = "refund_too_large"

    def __init__(self, refundable: int, currency: str) -> None:
        super().__init__(
            f"At most {refundable} (minor units of {currency}) can still be refunded on this payment.",
            members={"refundable": refundable},
        )


class OperationUnsupported(DomainError):
    code: ClassVar[str] = "operation_unsupported"

    def __init__(self, gateway: str, operation: str) -> None:
        super().__init__(f"{gateway} cannot {operation} payments; do it in the gateway's dashboard, if at all.")


class WrongState(DomainError):
    code: ClassVar[str] = "wrong_state"


class OperationInFlight(DomainError):
    """409: an earlier operation on the payment is not decided yet."""

    code: ClassVar[str] = "operation_in_flight"
    retryable: ClassVar[bool] = True
    default_detail: ClassVar[str] = (
        "An earlier operation on this payment has no known outcome yet; read the payment's status and try again later."
    )


class _GatewaySaid(DomainError):
    def __init__(self, error: GatewayError, *, members: dict[str, Any]) -> None:
        told = {"gateway_code": error.gateway_code, "reason_code": error.code}
        super().__init__(
            self.default_detail.format(reason=error.reason.rstrip(".")),
            members={**members, **{name: value for name, value in told.items() if value}},
            retry_after_seconds=None if error.retry_after_seconds is None else int(error.retry_after_seconds) + 1,
        )


class GatewayRejected(_GatewaySaid):
    code: ClassVar[str] = "gateway_rejected"
    status: ClassVar[int] = 422
    default_detail: ClassVar[str] = "The gateway refused this request: {reason}. Change it; repeating it will not help."


class GatewayGone(_GatewaySaid):
    code: ClassVar[str] = "gateway_unavailable"
    status: ClassVar[int] = 502
    retryable: ClassVar[bool] = True
    default_detail: ClassVar[str] = (
        "The gateway could not be reached and nothing was sent: {reason}. Repeat with the same Idempotency-Key."
    )


class GatewayNotSetUp(_GatewaySaid):
    code: ClassVar[str] = "gateway_misconfigured"
    status: ClassVar[int] = 502
    default_detail: ClassVar[str] = (
        "The gateway does not accept this gateway key: {reason}. Check its credentials in the admin, then repeat."
    )


class OutcomeNotKnown(_GatewaySaid):
    code: ClassVar[str] = "outcome_unknown"
    status: ClassVar[int] = 504
    retryable: ClassVar[bool] = True
    default_detail: ClassVar[str] = (
        "The gateway gave no readable answer ({reason}). The payment is pending and will be looked up by itself; repeat "
        "with the same Idempotency-Key, or read its status."
    )
