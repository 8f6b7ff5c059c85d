"""The tables of payments."""

from payments.models.disputes import Dispute
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
from payments.models.profiles import CustomerPaymentProfile, ProfileStatus
from payments.models.routing import RoutingRule

__all__ = [
    "LIVE_STATUSES",
    "OPEN_STATES",
    "CustomerPaymentProfile",
    "Dispute",
    "EventState",
    "GatewayReference",
    "OnlinePayment",
    "Outcome",
    "Payment",
    "PaymentGatewayKey",
    "PaymentGatewayTransaction",
    "PaymentTransition",
    "ProfileStatus",
    "Purpose",
    "Refund",
    "RoutingRule",
    "WebhookEvent",
]
