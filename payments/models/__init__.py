"""The tables of payments."""

from payments.models.inbox import OPEN_STATES, EventState, WebhookEvent
from payments.models.keys import PaymentGatewayKey
from payments.models.links import OnlinePayment
from payments.models.payment import (
    LIVE_STATUSES,
    GatewayReference,
    Outcome,
    Payment,
    PaymentGatewayTransaction,
    PaymentTransition,
    Purpose,
    Refund,
)

__all__ = [
    "LIVE_STATUSES",
    "OPEN_STATES",
    "EventState",
    "GatewayReference",
    "OnlinePayment",
    "Outcome",
    "Payment",
    "PaymentGatewayKey",
    "PaymentGatewayTransaction",
    "PaymentTransition",
    "Purpose",
    "Refund",
    "WebhookEvent",
]
