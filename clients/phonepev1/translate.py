"""PhonePe's words and ours; pure. The root `code` decides; `success` and `data.state` may only cast doubt on it.

`success: true` says that the question was answered, not that anything was paid.
Source: gateway page sections 3 to 6, 9, 12 and 13.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from clients.phonepev1.config import ASSET, MAX_REFERENCE, MAX_USER, MINIMUM_MINOR, REFERENCE_ALPHABET
from clients.phonepev1.values import Body, member, read_code, read_id, read_message, read_minor, read_text, redact
from core.gateways.errors import RequestRejected
from core.gateways.types import (
    Attention,
    CaptureMode,
    CustomerDetails,
    Decline,
    Method,
    PaymentRequest,
    PaymentStatus,
    RefundRequest,
    RefundStatus,
    Report,
    Subject,
)
from core.money import Money

SUCCESS: Final = "PAYMENT_SUCCESS"
STATUS: Final[Mapping[str, PaymentStatus]] = {
    "PAYMENT_INITIATED": PaymentStatus.REQUIRES_ACTION,
    "PAYMENT_PENDING": PaymentStatus.PENDING,
    SUCCESS: PaymentStatus.CAPTURED,
    "PAYMENT_ERROR": PaymentStatus.FAILED,  # expired for a response code of that class
    "PAYMENT_DECLINED": PaymentStatus.FAILED,
    "PAYMENT_CANCELLED": PaymentStatus.FAILED,
    # Unconfirmed: witnesses disagree. Our own timer ends it after the polling window and one more look.
    "TIMED_OUT": PaymentStatus.PENDING,
    "INTERNAL_SERVER_ERROR": PaymentStatus.PENDING,  # says nothing about the payment
}
REFUND_STATUS: Final[Mapping[str, RefundStatus]] = {
    "PAYMENT_INITIATED": RefundStatus.PENDING,
    "PAYMENT_PENDING": RefundStatus.PENDING,
    SUCCESS: RefundStatus.SUCCEEDED,
    "PAYMENT_ERROR": RefundStatus.FAILED,
    "PAYMENT_DECLINED": RefundStatus.FAILED,
    "PAYMENT_CANCELLED": RefundStatus.FAILED,
    "TIMED_OUT": RefundStatus.PENDING,  # it may still have been initiated
    "INTERNAL_SERVER_ERROR": RefundStatus.PENDING,
}
# Beside these states the code is no fact. Of a success every state but COMPLETED is one of them.
CONTRADICTED_BY: Final[Mapping[str, frozenset[str]]] = {
    "PAYMENT_PENDING": frozenset({"COMPLETED"}),
    "TIMED_OUT": frozenset({"COMPLETED"}),
    "PAYMENT_ERROR": frozenset({"COMPLETED", "PENDING"}),
    "PAYMENT_DECLINED": frozenset({"COMPLETED", "PENDING"}),
    "PAYMENT_CANCELLED": frozenset({"COMPLETED", "PENDING"}),
}
# About our request, not about a payment: no report is made of them.
NO_FACT: Final = frozenset({
    "TRANSACTION_NOT_FOUND", "BAD_REQUEST", "AUTHORIZATION_FAILED", "KEY_NOT_CONFIGURED", "400", "401", "403",
})  # fmt: skip

EXPIRED: Final = "expired"
BY_CUSTOMER: Final = "canceled_by_customer"
ENDED_BY_CUSTOMER: Final = frozenset({"PAYMENT_DECLINED", "PAYMENT_CANCELLED"})  # whatever the response code
# Their response code -> ours. Of the some two hundred that are documented, those that tell somebody what to do.
DECLINE: Final[Mapping[str, str]] = {
    "ORDER_EXPIRED": EXPIRED,
    "REQUEST_TIME_OUT": EXPIRED,
    "U69": EXPIRED,
    "ORDER_CANCELLED_BY_USER": BY_CUSTOMER,
    "CANCELLED_BY_USER": BY_CUSTOMER,
    "REQUEST_DECLINE_BY_REQUESTEE": BY_CUSTOMER,
    "REQUEST_CANCEL_BY_REQUESTER": BY_CUSTOMER,
    "ZA": BY_CUSTOMER,
    "Z9": "insufficient_funds",
    "IE": "insufficient_funds",
    "INSUFFICIENT_FUNDS": "insufficient_funds",
    "INSUFFICIENT_BALANCE": "insufficient_funds",
    "ZM": "authentication_failed",
    "Z6": "authentication_failed",
    "Z7": "limit_exceeded",
    "Z8": "limit_exceeded",
    "U03": "limit_exceeded",
    "ZU": "limit_exceeded",
    "U90": "issuer_unavailable",
    "UT": "issuer_unavailable",
    "XB": "issuer_unavailable",
    "XY": "issuer_unavailable",
    "S96": "issuer_unavailable",
    "U28": "issuer_unavailable",
    # The site's address, network address, package, policies, video KYC: for the merchant, not for the customer.
    "INTERNAL_SECURITY_BLOCK_1": "merchant_configuration",
    "INTERNAL_SECURITY_BLOCK_2": "merchant_configuration",
    "INTERNAL_SECURITY_BLOCK_4": "merchant_configuration",
    "INTERNAL_SECURITY_BLOCK_5": "merchant_configuration",
    "INTERNAL_SECURITY_BLOCK_6": "merchant_configuration",
    "TXN_AUTO_FAILED": "abandoned",
    "TIMED_OUT": "abandoned",
}
KINDS: Final[Mapping[str, str]] = {"UPI": "upi", "CARD": "card", "NETBANKING": "netbanking"}  # others in lower case

# Unconfirmed: the form of mobileNumber ("10 digits"). Only Indian mobile numbers are sent: it must never cost a payment.
_PHONE: Final = re.compile(r"(?:\+?91|0)?([6-9][0-9]{9})", re.ASCII)
_REFUND_NAME: Final = re.compile(r"RF[_-]", re.IGNORECASE)  # begins the public id of each refund of ours
_PAYMENT_NAME: Final = re.compile(r"PAY[_-]", re.IGNORECASE)
_REFUND_ID: Final = "TR"  # Unconfirmed: PhonePe's own ids of refunds begin so, in samples


# --- ours -> theirs -----------------------------------------------------------------------------------------------


def build_create(request: PaymentRequest, *, merchant_id: str) -> str:
    """JSON of POST /pg/v1/pay before it is wrapped; `amount` in paise. Raises RequestRejected for what is known to fail.

    `merchantOrderId` is left out, for it changes the checksum of the browser's form. The return is a GET, because a
    post from another site would arrive without our cookies.
    """
    if request.capture is CaptureMode.MANUAL:
        raise RequestRejected("PhonePe cannot hold a payment: capture is automatic", code="capture_unsupported")
    if request.save_method:
        raise RequestRejected("PhonePe gives no token of a saved method", code="save_unsupported")
    amount = paise(request.amount)
    if amount < MINIMUM_MINOR:
        raise RequestRejected("the amount is below 1.00 INR, the least that PhonePe takes", code="amount_too_small")
    reference = checked_reference(request.reference)
    return _json({
        "merchantId": merchant_id,
        "merchantTransactionId": reference,
        "merchantUserId": _user(request.customer) or reference,  # older pages demand one
        "amount": amount,
        "redirectUrl": request.return_url,
        "redirectMode": "REDIRECT",
        "callbackUrl": request.webhook_url,
        "mobileNumber": _phone(request.customer),
        "paymentInstrument": {"type": "PAY_PAGE"},
    })  # fmt: skip


def build_refund(request: RefundRequest, *, merchant_id: str) -> str:
    """JSON of POST /pg/v1/refund. `originalTransactionId` is our own name of the payment, not PhonePe's."""
    if not request.names.reference:
        raise RequestRejected("PhonePe refunds by our own reference of the payment", code="reference_missing")
    original, reference = checked_reference(request.names.reference), checked_reference(request.reference)
    if reference == original:
        raise RequestRejected("a refund needs a name of its own", code="reference_invalid")
    return _json({
        "merchantId": merchant_id,
        "originalTransactionId": original,
        "merchantTransactionId": reference,
        "amount": paise(request.amount),
        "callbackUrl": request.webhook_url,
    })  # fmt: skip


def paise(amount: Money) -> int:
    """Minor units of INR are paise. Raises RequestRejected for any other asset, and for no amount at all."""
    if amount.asset != ASSET:
        raise RequestRejected("PhonePe takes Indian rupees only", code="currency_unavailable")
    if amount.minor < 1:
        raise RequestRejected("the amount is not above zero", code="amount_too_small")
    return amount.minor


def checked_reference(reference: str) -> str:
    """An id as PhonePe takes it, which is also safe in a path. Raises RequestRejected."""
    if not 0 < len(reference) <= MAX_REFERENCE or not set(reference) <= set(REFERENCE_ALPHABET):
        raise RequestRejected(
            f"a reference has 1 to {MAX_REFERENCE} letters, digits, - and _ at PhonePe", code="reference_invalid"
        )
    return reference


def _user(customer: CustomerDetails | None) -> str | None:
    """The lab's own id where it fits, else a digest: two customers must never become one by leaving characters out."""
    if customer is None or not customer.id:
        return None
    if len(customer.id) <= MAX_USER and set(customer.id) <= set(REFERENCE_ALPHABET):
        return customer.id
    return hashlib.sha256(customer.id.encode(errors="backslashreplace")).hexdigest()[:32]


def _phone(customer: CustomerDetails | None) -> str | None:
    bare = re.sub(r"[ ()-]", "", (customer and customer.phone) or "")
    found = _PHONE.fullmatch(bare)
    return found.group(1) if found else None


def _json(body: Mapping[str, Any]) -> str:
    kept = {name: value for name, value in body.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


# --- theirs -> ours -----------------------------------------------------------------------------------------------


def read_page(body: Body) -> str | None:
    """The address of the page, of a create that was accepted; whatever the code is (PAYMENT_INITIATED, SUCCESS)."""
    instrument = member(member(body, "data"), "instrumentResponse")
    url = member(instrument, "redirectInfo").get("url")
    return url if body.get("success") is True and isinstance(url, str) and url else None


def read_payment(body: Body) -> Report:
    """A payment report of a status answer or of a callback. A report without a reference is about nothing known."""
    code, data = read_code(body) or "", member(body, "data")
    # A word that we have not seen is not a failure: leave it pending and let the next look tell.
    status, amount = STATUS.get(code, PaymentStatus.PENDING), read_minor(data.get("amount"))
    attention = _doubt(body, code, amount)
    decline = _decline(body, code) if status is PaymentStatus.FAILED and attention is None else None
    if attention is not None:
        status = PaymentStatus.PENDING
    elif decline is not None and decline.code == EXPIRED:
        status = PaymentStatus.EXPIRED
    return Report(
        about=Subject.PAYMENT,
        status=status,
        reference=read_id(data.get("merchantTransactionId")),
        gateway_reference=read_id(data.get("transactionId")),
        # No other names: the sandbox gives the same UTR to everybody's payments.
        account=read_text(data.get("merchantId"), max_length=64),
        asset=ASSET,
        # Paid by an amount that nobody can read is not the same as unpaid.
        captured_minor=amount if status is PaymentStatus.CAPTURED else None if attention is Attention.MISMATCH else 0,
        method=_method(data),
        decline=decline,
        attention=attention,
        raw=redact(body),
    )


def read_refund(body: Body) -> Report:
    """A refund report. `refunded_minor` is this refund's amount once it succeeded and 0 before; `amount_minor` always."""
    code, data = read_code(body) or "", member(body, "data")
    status, amount = REFUND_STATUS.get(code, RefundStatus.PENDING), read_minor(data.get("amount"))
    attention = _doubt(body, code, amount)
    if attention is not None:
        status = RefundStatus.PENDING
    return Report(
        about=Subject.REFUND,
        status=status,
        reference=read_id(data.get("merchantTransactionId")),
        gateway_reference=read_id(data.get("transactionId")),
        account=read_text(data.get("merchantId"), max_length=64),
        asset=ASSET,
        refunded_minor=amount if status is RefundStatus.SUCCEEDED else 0,
        amount_minor=amount,
        decline=_decline(body, code) if status is RefundStatus.FAILED else None,
        attention=attention,
        raw=redact(body),
    )


def is_refund(body: Body) -> bool:
    """Whether a callback is about a refund, which nothing inside says: our own name tells, else PhonePe's id hints."""
    data = member(body, "data")
    reference = read_id(data.get("merchantTransactionId")) or ""
    if _REFUND_NAME.match(reference):
        return True
    if _PAYMENT_NAME.match(reference):
        return False
    return (read_id(data.get("transactionId")) or "").startswith(_REFUND_ID)


def _doubt(body: Body, code: str, amount: int | None) -> Attention | None:
    """Why the code is not believed. A state that is absent contradicts nothing."""
    data = member(body, "data")
    states = {word.upper() for name in ("state", "paymentState") if (word := read_text(data.get(name)))}
    if code != SUCCESS:
        return Attention.GATEWAY_DISAGREES if states & CONTRADICTED_BY.get(code, frozenset()) else None
    if states - {"COMPLETED"} or not (body.get("success") is True or body.get("success") is None):
        return Attention.GATEWAY_DISAGREES
    return None if amount else Attention.MISMATCH  # paid, and nobody can tell how much


def _decline(body: Body, code: str) -> Decline:
    data = member(body, "data")
    theirs = read_text(data.get("responseCode"), max_length=60) or code
    ours = BY_CUSTOMER if code in ENDED_BY_CUSTOMER else DECLINE.get(theirs, "declined")
    message = read_message(data.get("responseCodeDescription")) or read_message(body.get("message"))
    return Decline(code=ours, gateway_code=theirs, message=message)


def _method(data: Body) -> Method | None:
    instrument = member(data, "paymentInstrument")
    kind = read_text(instrument.get("type"), max_length=40)
    if kind is None:
        return None
    # CREDIT_CARD or DEBIT_CARD: no card brand and no digits are told.
    return Method(
        kind=KINDS.get(kind.upper(), kind.lower()), brand=read_text(instrument.get("cardType"), max_length=40)
    )
