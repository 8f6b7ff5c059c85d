"""PesoPay's forms and words, and ours; pure. What a Query says is in attempt.py and judging.py.

Source: gateway page sections 4, 8, 9, 11 and 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from clients.pesopay.answers import Fields, read_text
from clients.pesopay.attempt import (
    ALL_CHARGED_BACK,
    DISPUTE_STATUS,
    REFUND_STATUS,
    Attempt,
    read_name,
)
from clients.pesopay.config import ONLINE_REFUND, REQUEST_REFUND, PesoPayConfig
from clients.pesopay.judging import distinct, taken_of
from clients.pesopay.money import amount_text, currency_number, read_money
from clients.pesopay.references import order_ref, platform_names
from clients.pesopay.signing import SEPARATOR, digest
from core.gateways.errors import RequestRejected
from core.gateways.types import (
    CaptureMode,
    DisputeStatus,
    FormPost,
    Mode,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    RefundRequest,
    RefundStatus,
    Report,
    Subject,
)
from core.money import Money

SALE: Final = "N"
HOLD: Final = "H"
LANGUAGE: Final = "E"
ALL_METHODS: Final = "ALL"
ONLINE_PARTIAL_REFUND: Final = "OnlinePartialRefund"
CAPTURE: Final = "Capture"
VOID: Final = "Void"
# Unconfirmed: on some accounts a hold is released by Reverse or OnlineReversal.
VOID_ACTION: Final = VOID


# --- the form ---------------------------------------------------------------------------------------------------------


def build_form(request: PaymentRequest, config: PesoPayConfig) -> dict[str, str]:
    """Fields of the form that the browser posts to payForm.jsp. Raises RequestRejected for what they would refuse.

    Nothing but the five hashed fields is proven to the gateway; no field holds a bar.
    """
    if request.save_method:
        raise RequestRejected("stored cards of PesoPay are not offered", code="save_unsupported")
    if config.account_currency not in (None, request.amount.asset):
        raise RequestRejected(f"this account takes {config.account_currency} only", code="currency_unavailable")
    is_hold = request.capture is CaptureMode.MANUAL
    hashed = {
        "merchantId": config.merchant(),
        "orderRef": order_ref(request.reference, is_hold=is_hold),
        "currCode": currency_number(request.amount.asset),
        "amount": amount_text(request.amount),
        "payType": HOLD if is_hold else SALE,
    }
    fields = {
        **hashed,
        "lang": LANGUAGE,
        "successUrl": request.return_url,
        "failUrl": request.return_url,
        "cancelUrl": request.cancel_url or request.return_url,
        "payMethod": ALL_METHODS,
        "mpsMode": "NIL",
        **_three_ds(request),
    }
    if any(SEPARATOR in value for value in fields.values()):
        raise RequestRejected("no field may hold a bar (|)", code="field_invalid")
    return {**fields, "secureHash": digest(config.function, list(hashed.values()), config.secret())}


def _three_ds(request: PaymentRequest) -> dict[str, str]:
    """Optional, and good for payments without a challenge. What might be refused is left out."""
    email = request.customer.email if request.customer else None
    if not email or len(email) > 254 or SEPARATOR in email or not email.isascii() or not email.isprintable():
        return {}
    return {"threeDSTransType": "01", "threeDSCustomerEmail": email}


def report_form(request: PaymentRequest, fields: Fields, *, url: str, mode: Mode) -> Report:
    """There is no order yet, and no name of theirs: only the browser's post makes an attempt."""
    ref = fields["orderRef"]
    return Report(
        about=Subject.PAYMENT,
        status=PaymentStatus.REQUIRES_ACTION,
        reference=ref,
        gateway_reference=None,
        # Told here, too, so that the platform knows the payment under the name in the feed.
        other_references=tuple(dict.fromkeys([ref, *platform_names(ref)])),
        mode=mode,
        asset=request.amount.asset,
        captured_minor=0,
        next_action=FormPost(url=url, fields=fields),
        raw={name: value for name, value in fields.items() if name in _FORM_KEPT},
    )


def report_unposted(names: PaymentNames, *, mode: Mode) -> Report:
    """The form was given to the customer, and no attempt was made with it: unpaid, and still to be paid."""
    return Report(
        about=Subject.PAYMENT,
        status=PaymentStatus.REQUIRES_ACTION,
        reference=names.reference,
        gateway_reference=None,
        mode=mode,
        captured_minor=0,
    )


_FORM_KEPT: Final = frozenset(
    {"merchantId", "orderRef", "currCode", "amount", "payType", "lang", "payMethod", "mpsMode"}
)


# --- operations -------------------------------------------------------------------------------------------------------


def build_capture(pay_ref: str, amount: Money) -> dict[str, str]:
    """Unconfirmed: whether less than what was held is taken; that depends on the acquirer. Once for each hold."""
    return {"payRef": pay_ref, "amount": amount_text(amount)}


def build_refund(request: RefundRequest, pay_ref: str, config: PesoPayConfig) -> tuple[str, dict[str, str]]:
    """(action, fields). A full online refund has an action of its own, which takes no amount."""
    amount = amount_text(request.amount)
    if config.refund_action == REQUEST_REFUND:
        return REQUEST_REFUND, {"payRef": pay_ref, "amount": amount}
    if request.names.amount == request.amount:
        return ONLINE_REFUND, {"payRef": pay_ref}
    return ONLINE_PARTIAL_REFUND, {"payRef": pay_ref, "amount": amount}


def read_done(answer: Fields, names: PaymentNames, pay_ref: str, *, mode: Mode) -> Report:
    """What is common to a capture and a void that were done. `orderStatus` is not the new state: it is not read."""
    ref = read_name(answer.get("ref", "")) or names.reference
    return Report(
        about=Subject.PAYMENT,
        status=None,
        reference=ref,
        gateway_reference=pay_ref,
        other_references=platform_names(ref or ""),
        mode=mode,
        raw=redact_answer(answer),
    )


def read_captured(report: Report, answer: Fields) -> Report | None:
    """None where the answer does not say how much was taken."""
    money = read_money(answer.get("amt", ""), answer.get("cur", ""))
    if money is None:
        return None
    return replace(report, status=PaymentStatus.CAPTURED, captured_minor=money.minor, asset=money.asset)


def read_voided(report: Report, names: PaymentNames) -> Report:
    asset = names.amount.asset if names.amount else None
    return replace(report, status=PaymentStatus.VOIDED, captured_minor=0, asset=asset)


def redact_answer(answer: Fields) -> dict[str, str | None]:
    return {name: read_text(answer[name]) for name in _ANSWER_KEPT if name in answer}


_ANSWER_KEPT: Final = ("resultcode", "orderstatus", "ref", "payref", "amt", "cur", "errmsg")


# --- refunds ----------------------------------------------------------------------------------------------------------


def report_refund(
    status: RefundStatus, *, reference: str, pay_ref: str, payment: PaymentNames, amount: Money | None, mode: Mode
) -> Report:
    """Theirs has no name of its own: the payRef is the payment's, and `reference`, which nothing repeats, is ours."""
    return Report(
        about=Subject.REFUND,
        status=status,
        reference=reference,
        gateway_reference=pay_ref,
        payment=PaymentNames(reference=payment.reference, gateway_reference=pay_ref),
        mode=mode,
        asset=amount.asset if amount else None,
        refunded_minor=amount.minor if amount else None,
    )


def refund_status(attempt: Attempt) -> RefundStatus:
    """Of the one refund of ours that is open: the record tells the state of the payment, never of one refund."""
    return REFUND_STATUS.get(attempt.word, RefundStatus.PENDING)


def refusal_of_refund(attempts: Sequence[Attempt], pay_ref: str) -> RequestRejected | None:
    """Why nothing more may be filed: a second request beside an open one could not be told from it afterwards."""
    words = {one.word for one in attempts if one.pay_ref == pay_ref}
    if words & {word for word, status in REFUND_STATUS.items() if status is RefundStatus.PENDING}:
        return RequestRejected("an earlier refund request of this payment is still open", code="refund_pending")
    if "refunded" in words:
        return RequestRejected("PesoPay shows this payment as refunded in full", code="already_refunded")
    return None


# --- disputes ---------------------------------------------------------------------------------------------------------


def report_dispute(attempts: Sequence[Attempt], pay_ref: str, payment: PaymentNames, *, mode: Mode) -> Report | None:
    """The dispute of that payRef, which is its name, too. Of a partial one nobody tells how much."""
    found = [one for one in distinct(attempts) if one.pay_ref in (pay_ref, None)]
    one = next((one for one in found if one.word in DISPUTE_STATUS), None)
    if one is None:
        return None
    status = DISPUTE_STATUS[one.word]
    whole = taken_of(one, payment).money if one.word == ALL_CHARGED_BACK else None
    return Report(
        about=Subject.DISPUTE,
        status=status,
        reference=None,
        gateway_reference=pay_ref,
        payment=PaymentNames(reference=one.ref or payment.reference, gateway_reference=pay_ref),
        mode=mode,
        asset=one.money.asset if one.money else None,
        amount_minor=whole.minor if whole else None,
        withdrawn_minor=_withdrawn(status, whole),
        occurred_at=one.occurred_at,
        raw=one.raw,
    )


def _withdrawn(status: DisputeStatus, whole: Money | None) -> int | None:
    """What is taken from us now: all of it, nothing once it was reversed, and not told of a part."""
    if status is DisputeStatus.WON:
        return 0
    return whole.minor if whole else None
