"""Razorpay behind the port: each verb is build -> send -> read.

Two shapes: a Payment Link on Razorpay's own page (hosted, the default), and an order with Checkout (embedded; also where
capture is manual or the method is to be saved, which links cannot). A payment is known by `plink_` or `order_`, and by
the `pay_` of its attempts, which capture and refund need.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Final, TypeVar

from clients.razorpay import facts, returns, translate, webhook
from clients.razorpay.about import DESCRIPTION, LINK_LIFETIME_SECONDS
from clients.razorpay.attempts import Told, attempt_status, report_payment
from clients.razorpay.client import NOT_FOUND, Body, RazorpayApi
from clients.razorpay.config import RazorpayConfig
from clients.razorpay.search import find_told
from core.clock import Clock
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.gateways.port import (
    Cache,
    CanCapture,
    CanFetchDisputes,
    CanReadReturn,
    CanRefund,
    CanSaveMethods,
    CanVoid,
    Gateway,
)
from core.gateways.types import (
    CaptureMode,
    CaptureRequest,
    ChargeRequest,
    CredentialCheck,
    DeleteSavedRequest,
    Description,
    DisputeNames,
    NotFound,
    Mode,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Presentation,
    Redirect,
    RefundNames,
    RefundRequest,
    Report,
    ReturnReading,
    SaveMethodRequest,
    VoidRequest,
    WebhookDelivery,
    WebhookReading,
)
from core.http import Http
