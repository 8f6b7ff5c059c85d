"""Between our words and Stripe's, without I/O: build_* makes parameters, read_* makes reports of JSON objects.

Every table is from the protocol page (§4, §5, §9, §11, §12, §13); what is marked Unconfirmed there is marked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from clients.stripe.config import SCRIPT_URL
from clients.stripe.facts import (
    OUR_METADATA,
    SAVES,
    SAVES_METHOD,
    SHAPE,
    SHAPE_SESSION,
    graver,
    id_of,
    ids,
    is_of_session,
    metadata_of,
    mode_of,
    payment_of,
    read_decline,
    read_fee,
    read_fraud,
    read_method,
    redacted,
    reference_of,
    text,
)
from clients.stripe.money import Amounts, to_wire
from clients.stripe.saved import saved_by_charge, saved_by_intent
from core.gateways.types import (
    Attention,
    CaptureMode,
    CaptureRequest,
    ChargeRequest,
    ClientToken,
    Decline,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Redirect,
    RefundRequest,
    RefundStatus,
    Report,
    Subject,
)

Body = Mapping[str, Any]
Params = dict[str, Any]

INTENT_STATUS: Final[Mapping[str, PaymentStatus]] = {
    "requires_payment_method": PaymentStatus.PENDING,  # failed where an error says so: _intent_status
    "requires_confirmation": PaymentStatus.PENDING,
    "requires_action": PaymentStatus.REQUIRES_ACTION,
    "processing": PaymentStatus.PENDING,
    "requires_capture": PaymentStatus.AUTHORIZED,
    "canceled": PaymentStatus.VOIDED,  # expired where the reason says so: _intent_status
    "succeeded": PaymentStatus.CAPTURED,
}
# Unconfirmed: `automatic` as the reason when a hold lapses.
EXPIRED_REASONS: Final = frozenset({"automatic", "expired"})

REFUND_STATUS: Final[Mapping[str, RefundStatus]] = {
    "pending": RefundStatus.PENDING,
    "requires_action": RefundStatus.PENDING,
    "succeeded": RefundStatus.SUCCEEDED,
    "failed": RefundStatus.FAILED,  # also weeks after succeeded
    "canceled": RefundStatus.CANCELLED,  # reachable from requires_action only: nothing went out
}

REFUND_REASONS: Final = frozenset({"duplicate", "fraudulent", "requested_by_customer"})

MAX_METADATA_KEYS: Final = 50
MAX_METADATA_KEY: Final = 40
MAX_METADATA_VALUE: Final = 500
MAX_PRODUCT_NAME: Final = 250  # Unconfirmed: Stripe publishes none that we have seen
MAX_DESCRIPTION: Final = 1000  # Unconfirmed


# --- building -----------------------------------------------------------------------------------------------------


def build_session(request: PaymentRequest, *, expires_at: int | None = None) -> Params:
    """Parameters of POST /v1/checkout/sessions: one line with the whole amount.

    `expires_at` is epoch seconds, already within Stripe's bounds. Source: §4.1. Raises RequestRejected (amount).
    """
    price = {
        "currency": request.amount.asset.lower(),
        "unit_amount": to_wire(request.amount),
        "product_data": {"name": cut(request.description, MAX_PRODUCT_NAME) or f"Payment {request.reference}"},
    }
    intent: Params = {"metadata": {**_metadata(request), SHAPE: SHAPE_SESSION}, **_asked_of_intent(request)}
    params: Params = {
        "mode": "payment",
        "line_items": [{"price_data": price, "quantity": 1}],
        "success_url": success_url(request.return_url),
        "client_reference_id": request.reference,
        "metadata": _metadata(request),
        "payment_intent_data": intent,
    }
    if request.cancel_url:
        params["cancel_url"] = request.cancel_url
    if request.customer_token:
        params["customer"] = request.customer_token  # and not the e-mail beside it
    elif request.customer is not None and request.customer.email:
        params["customer_email"] = request.customer.email
    if request.save_method and not request.customer_token:
        params["customer_creation"] = "always"  # a method is kept for a customer only
    if expires_at is not None:
        params["expires_at"] = expires_at
    return params


def build_intent(request: PaymentRequest, *, customer: str | None, extras: Params) -> Params:
    """Parameters of POST /v1/payment_intents for a form in our page. Source: §4.2. Raises RequestRejected (amount)."""
    return {**_intent(request), **({"customer": customer} if customer else {}), **extras}


def build_charge(request: ChargeRequest) -> Params:
    """Parameters of POST /v1/payment_intents for a charge while the customer is away. Source: §10.

    Raises RequestRejected (amount).
    """
    saved = request.saved
    return {
        **_intent(replace(request.payment, save_method=False)),  # it is saved already
        **({"customer": saved.customer_token} if saved.customer_token else {}),
        "payment_method": saved.token,
        "off_session": True,
        "confirm": True,
    }


def _intent(request: PaymentRequest) -> Params:
    return {
        "amount": to_wire(request.amount),
        "currency": request.amount.asset.lower(),
        "metadata": _metadata(request),
        **_asked_of_intent(request),
    }


def build_capture(request: CaptureRequest) -> Params:
    """Parameters of POST /v1/payment_intents/{pi}/capture: what is not captured is released at once. Source: §8."""
    return {"amount_to_capture": to_wire(request.amount)}


def build_refund(request: RefundRequest, *, intent: str | None, charge: str | None) -> Params:
    """Parameters of POST /v1/refunds. Stripe knows three reasons; any other goes into the metadata. Source: §9."""
    metadata = {"refund_id": request.reference}
    if request.names.reference:
        metadata["payment_id"] = request.names.reference
    params: Params = {"payment_intent": intent} if intent else {"charge": charge}
    params["amount"] = to_wire(request.amount)
    if request.reason in REFUND_REASONS:
        params["reason"] = request.reason
    elif reason := cut(request.reason, MAX_METADATA_VALUE):
        metadata["reason"] = reason
    return {**params, "metadata": metadata}


def _asked_of_intent(request: PaymentRequest) -> Params:
    """Only what the caller asked for: no default of Stripe's is overridden."""
    params: Params = {}
    if request.capture is CaptureMode.MANUAL:
        params["capture_method"] = "manual"
    if request.save_method:
        params["setup_future_usage"] = "off_session"
    if description := cut(request.description, MAX_DESCRIPTION):  # an empty one would ask Stripe to unset it
        params["description"] = description
    return params


def _metadata(request: PaymentRequest) -> dict[str, str]:
    """Ours first, then as much of the caller's as Stripe takes."""
    kept: dict[str, str] = {"payment_id": request.reference}
    if request.save_method:
        kept[SAVES] = SAVES_METHOD
    for name, value in request.metadata.items():
        is_fit = 0 < len(name) <= MAX_METADATA_KEY and not set("[]") & set(name) and name not in OUR_METADATA
        if is_fit and value and len(kept) < MAX_METADATA_KEYS - 1:  # one is left for `shape`
            kept.setdefault(name, cut(value, MAX_METADATA_VALUE))
    return kept


def success_url(return_url: str) -> str:
    # Plain text: Stripe does not find the placeholder when its braces are percent-encoded.
    base, _, fragment = return_url.partition("#")
    url = f"{base}{'&' if '?' in base else '?'}session_id={{CHECKOUT_SESSION_ID}}"
    return f"{url}#{fragment}" if fragment else url


def cut(text: str | None, length: int) -> str:
    return (text or "").strip()[:length]


# --- reading: payments --------------------------------------------------------------------------------------------


def read_session(body: Body) -> Report | None:
    """A Checkout Session. None for a mode that is no payment (setup, subscription)."""
    if body.get("mode", "payment") != "payment":
        return None
    intent = body.get("payment_intent") if isinstance(body.get("payment_intent"), dict) else None
    own = _read_session_alone(body)
    if intent is None:
        return own
    inner = read_intent(intent)
    merged = _merge(own, inner) if _intent_decides(body, own, inner) else own
    return replace(
        merged,
        other_references=ids(intent.get("id"), *inner.other_references),
        method=inner.method,
        fraud=inner.fraud,
        fee_minor=inner.fee_minor,
        decline=inner.decline,
        refunded_minor=inner.refunded_minor,
        saved=inner.saved,
        attention=graver(merged.attention, inner.attention),
    )


def _read_session_alone(body: Body) -> Report:
    amounts = Amounts(body.get("currency"))
    total, status = amounts.minor(body.get("amount_total")), _session_status(body)
    captured = {PaymentStatus.CAPTURED: total, PaymentStatus.PENDING: 0}.get(status)
    if body.get("payment_status") == "no_payment_required" and status is PaymentStatus.CAPTURED:
        captured = 0
    url = body.get("url")
    return Report(
        about=Subject.PAYMENT,
        status=status,
        reference=text(body.get("client_reference_id")) or reference_of(body),
        gateway_reference=text(body.get("id")),
        other_references=ids(id_of(body.get("payment_intent"))),
        mode=mode_of(body),
        asset=amounts.asset,
        captured_minor=captured,
        next_action=Redirect(url=url) if body.get("status") == "open" and isinstance(url, str) and url else None,
        attention=amounts.attention,
        raw=redacted(body),
    )


def _session_status(body: Body) -> PaymentStatus:
    """`complete` alone is no success: delayed methods are complete and unpaid first.

    Events of old endpoint versions have no `status`: then `payment_status` decides alone.
    """
    paid, word = body.get("payment_status"), body.get("status")
    if paid == "paid" or (paid == "no_payment_required" and word in {"complete", None}):
        return PaymentStatus.CAPTURED
    return PaymentStatus.EXPIRED if word == "expired" else PaymentStatus.PENDING


def _intent_decides(session: Body, own: Report, inner: Report) -> bool:
    # Unconfirmed: with manual capture a complete session says unpaid until it is captured. Its intent says what is held.
    if inner.status in {PaymentStatus.AUTHORIZED, PaymentStatus.CAPTURED}:
        return True
    return session.get("status") == "complete" and own.status is not PaymentStatus.CAPTURED


def _merge(own: Report, inner: Report) -> Report:
    """The session's names with the intent's state and money."""
    status = inner.status
    if status is PaymentStatus.PENDING and inner.decline is not None:
        # An open session lets the customer try again; a complete one, which is why we are here, does not.
        status = PaymentStatus.FAILED
    return replace(
        own,
        status=status,
        asset=inner.asset or own.asset,
        authorized_minor=inner.authorized_minor,
        captured_minor=inner.captured_minor,
    )


def read_intent(body: Body) -> Report:
    """A PaymentIntent, with its latest charge where that is expanded."""
    amounts = Amounts(body.get("currency"))
    charge = body.get("latest_charge") if isinstance(body.get("latest_charge"), dict) else {}
    assert isinstance(charge, dict)
    status, fraud, attention = _intent_status(body), *read_fraud(charge)
    authorized, captured, refunded = _intent_money(body, charge, status, amounts)
    fee = read_fee(charge, amounts)
    return Report(
        about=Subject.PAYMENT,
        status=status,
        reference=reference_of(body),
        gateway_reference=text(body.get("id")),
        other_references=ids(id_of(body.get("latest_charge"))),
        mode=mode_of(body),
        asset=amounts.asset,
        authorized_minor=authorized,
        captured_minor=captured,
        refunded_minor=refunded,
        fee_minor=fee,
        method=read_method(charge),
        fraud=fraud,
        decline=read_decline(body.get("last_payment_error"))
        if body.get("status") == "requires_payment_method"
        else None,
        saved=saved_by_intent(body, charge) if status is PaymentStatus.CAPTURED else None,
        attention=graver(graver(amounts.attention, attention), _shortfall(status, captured)),
        raw=redacted(body),
    )


def _shortfall(status: PaymentStatus, captured: int | None) -> Attention | None:
    """A bank transfer that came in part leaves the intent open, with what came so far."""
    is_open = status in {PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION}
    return Attention.UNDERPAID if is_open and captured else None


def _intent_status(body: Body) -> PaymentStatus:
    word = body.get("status")
    # A word we have not seen is not a failure: leave it pending and let it be asked for again.
    status = INTENT_STATUS.get(word, PaymentStatus.PENDING) if isinstance(word, str) else PaymentStatus.PENDING
    if word == "canceled" and body.get("cancellation_reason") in EXPIRED_REASONS:
        return PaymentStatus.EXPIRED
    if word == "requires_payment_method" and isinstance(body.get("last_payment_error"), dict):
        # Only one try failed. Inside a session the customer tries again; in our own page a new try is a new payment.
        return PaymentStatus.PENDING if is_of_session(body) else PaymentStatus.FAILED
    return status


def _intent_money(
    body: Body, charge: Body, status: PaymentStatus, amounts: Amounts
) -> tuple[int | None, int | None, int | None]:
    """Authorized, captured, refunded."""
    received = amounts.minor(body.get("amount_received"))
    if status is PaymentStatus.AUTHORIZED:
        return amounts.minor(body.get("amount_capturable")), received or 0, None
    if status is PaymentStatus.CAPTURED:
        if received is None:
            received = amounts.minor(charge.get("amount_captured"))
        return None, received, amounts.minor(charge.get("amount_refunded"))
    if body.get("status") == "canceled":
        return None, 0, 0  # its charge looks refunded, but nothing was ever taken
    # Unconfirmed: whether amount_received already counts a part that came by bank transfer; it is taken as it stands.
    return None, received or 0, None


def read_charge(body: Body) -> Report:
    """A charge. Never by its status alone: an uncaptured hold says succeeded, a released one says refunded."""
    amounts = Amounts(body.get("currency"))
    status, (fraud, attention) = _charge_status(body), read_fraud(body)
    is_hold = status is PaymentStatus.AUTHORIZED
    is_captured = status is PaymentStatus.CAPTURED
    intent, own = id_of(body.get("payment_intent")), text(body.get("id"))
    return Report(
        about=Subject.PAYMENT,
        status=status,
        reference=reference_of(body),
        gateway_reference=intent or own,
        other_references=ids(own) if intent else (),
        mode=mode_of(body),
        asset=amounts.asset,
        authorized_minor=amounts.minor(body.get("amount")) if is_hold else None,
        captured_minor=amounts.minor(body.get("amount_captured")) if is_captured else 0,
        refunded_minor=amounts.minor(body.get("amount_refunded")) if is_captured else 0,
        fee_minor=read_fee(body, amounts),
        method=read_method(body),
        fraud=fraud,
        decline=_decline_of_charge(body),
        saved=saved_by_charge(body) if is_captured else None,
        attention=graver(amounts.attention, attention),
        raw=redacted(body),
    )


def _charge_status(body: Body) -> PaymentStatus:
    word = body.get("status", "succeeded")
    if word == "failed":
        return PaymentStatus.PENDING if is_of_session(body) else PaymentStatus.FAILED
    if word != "succeeded":
        return PaymentStatus.PENDING
    if body.get("captured") is True:
        return PaymentStatus.CAPTURED
    return PaymentStatus.VOIDED if body.get("refunded") is True else PaymentStatus.AUTHORIZED


def _decline_of_charge(body: Body) -> Decline | None:
    if body.get("status") != "failed":
        return None
    outcome = body.get("outcome") if isinstance(body.get("outcome"), dict) else {}
    assert isinstance(outcome, dict)
    return read_decline({
        "code": body.get("failure_code"), "decline_code": outcome.get("reason"), "message": body.get("failure_message"),
    })  # fmt: skip


def read_answer(body: Body, *, names: PaymentNames) -> Report:
    """What capture, void or create answered: the intent, or an error body that is a result (§12)."""
    error = body.get("error")
    if not isinstance(error, dict):
        return read_intent(body)
    intent = error.get("payment_intent")
    if error.get("code") == "payment_intent_unexpected_state" and isinstance(intent, dict):
        return read_intent(intent)  # its state is the truth, and often what was wanted
    return _read_refused(error, intent if isinstance(intent, dict) else {}, names)


def intent_in(body: Body) -> Body:
    """The intent that an answer is, or that its error carries; empty where there is none."""
    error = body.get("error")
    found = error.get("payment_intent") if isinstance(error, dict) else body
    return found if isinstance(found, dict) else {}


def _read_refused(error: Body, intent: Body, names: PaymentNames) -> Report:
    decline = read_decline(error)
    if not intent:
        return Report(
            about=Subject.PAYMENT,
            status=PaymentStatus.FAILED,
            reference=names.reference,
            gateway_reference=names.gateway_reference,
            other_references=ids(id_of(error.get("charge"))),
            captured_minor=0,
            decline=decline,
            raw=redacted({"error": error}),
        )
    report = read_intent(intent)
    is_over = report.status is PaymentStatus.PENDING and not is_of_session(intent)
    return replace(report, status=PaymentStatus.FAILED if is_over else report.status, decline=decline)


# --- reading: refunds -------------------------------------------------------------------------------------------


def read_refund(body: Body) -> Report | None:
    """A Refund. None where its charge is expanded and was never captured, or lapsed: then a hold was released."""
    charge = body.get("charge") if isinstance(body.get("charge"), dict) else {}
    assert isinstance(charge, dict)
    if charge.get("captured") is False or body.get("reason") == "expired_uncaptured_charge":
        return None
    amounts = Amounts(body.get("currency"))
    word = body.get("status")
    status = REFUND_STATUS.get(word, RefundStatus.PENDING) if isinstance(word, str) else RefundStatus.PENDING
    wants_person = status is RefundStatus.FAILED or word == "requires_action"
    wants_person = wants_person or body.get("pending_reason") == "insufficient_funds"
    amount = amounts.minor(body.get("amount"))
    return Report(
        about=Subject.REFUND,
        status=status,
        reference=metadata_of(body, "refund_id"),
        gateway_reference=text(body.get("id")),
        payment=payment_of(body),
        mode=mode_of(body),
        asset=amounts.asset,
        refunded_minor=amount,
        attention=graver(amounts.attention, Attention.REFUND_FAILED if wants_person else None),
        raw=redacted(body),
    )


# --- small things -------------------------------------------------------------------------------------------------


def client_token(body: Body, *, public_key: str, account_id: str | None, return_url: str | None) -> ClientToken | None:
    """What Stripe.js needs to finish this intent; None where there is nothing left for the customer to do."""
    secret, word = body.get("client_secret"), body.get("status")
    if not isinstance(secret, str) or word not in {
        "requires_payment_method",
        "requires_confirmation",
        "requires_action",
    }:
        return None
    parameters = {"return_url": return_url, "stripe_account": account_id}
    return ClientToken(
        token=secret,
        public_key=public_key,
        script_url=SCRIPT_URL,
        parameters={name: value for name, value in parameters.items() if value},
    )
