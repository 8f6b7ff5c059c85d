"""Saved methods: what is sent to have one kept, and where Stripe's objects say that one was.

Pure. A method (`pm_`) is kept for a customer (`cus_`) and can be charged only together with it. Both are secrets of the
lab, so neither is ever a gateway reference or part of what is stored. Source: the protocol page §10.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from clients.stripe.facts import (
    METHOD_ID,
    SAVES,
    SAVES_METHOD,
    SHAPE,
    SHAPE_SESSION,
    id_of,
    ids,
    is_of_session,
    metadata_of,
    mode_of,
    read_decline,
    read_details,
    read_method,
    redacted,
    reference_of,
    text,
)
from clients.stripe.money import CURRENCIES_TAKEN
from core.gateways.errors import RequestRejected
from core.gateways.types import (
    CustomerDetails,
    Method,
    MethodStatus,
    Redirect,
    Report,
    SavedMethod,
    SaveMethodRequest,
    Subject,
)

Body = Mapping[str, Any]
Params = dict[str, Any]

SETUP_STATUS: Final[Mapping[str, MethodStatus]] = {
    "requires_payment_method": MethodStatus.PENDING,  # also after a failed try: the page lets the customer try again
    "requires_confirmation": MethodStatus.PENDING,
    "requires_action": MethodStatus.PENDING,
    "processing": MethodStatus.PENDING,
    "succeeded": MethodStatus.ACTIVE,
    "canceled": MethodStatus.FAILED,
}

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)  # whatever is safe in a path
MAX_NAME: Final = 256  # Unconfirmed

# Unconfirmed: the text with which Stripe refuses to detach a method that is detached already.
GONE_TEXTS: Final = ("not attached to a customer",)


# --- building -----------------------------------------------------------------------------------------------------


def build_customer(customer: CustomerDetails | None) -> Params:
    """Parameters of POST /v1/customers. Stripe knows no unique customer: who is asked again by another key is another."""
    if customer is None:
        return {}
    known = {"email": customer.email, "name": (customer.name or "").strip()[:MAX_NAME], "phone": customer.phone}
    params: Params = {name: value for name, value in known.items() if value}
    return {**params, **({"metadata": {"user_id": customer.id[:500]}} if customer.id else {})}


def build_setup(request: SaveMethodRequest, *, success_url: str) -> Params:
    """Parameters of POST /v1/checkout/sessions in mode `setup`. Raises RequestRejected for a currency not taken."""
    if request.currency.upper() not in CURRENCIES_TAKEN:
        raise RequestRejected(f"Stripe does not take {request.currency.upper()}", code="currency_not_supported")
    metadata = {METHOD_ID: request.reference}
    params: Params = {
        "mode": "setup",
        "currency": request.currency.lower(),  # wanted where the types of method are left to the dashboard
        "success_url": success_url,
        "client_reference_id": request.reference,
        "metadata": metadata,
        "setup_intent_data": {"metadata": {**metadata, SHAPE: SHAPE_SESSION}},
    }
    if request.customer_token:
        return {**params, "customer": request.customer_token}
    if request.customer is not None and request.customer.email:
        params["customer_email"] = request.customer.email
    return {**params, "customer_creation": "always"}


# --- reading: saved alone -----------------------------------------------------------------------------------------


def is_setup(session: Body) -> bool:
    return session.get("mode") == "setup"


def read_setup_session(body: Body) -> Report | None:
    """A Checkout Session in mode `setup`; None where it is not ours. Complete, its setup intent tells what was saved."""
    reference = text(body.get("client_reference_id")) or _reference_of(body)
    if reference is None:
        return None
    inner = body.get("setup_intent") if isinstance(body.get("setup_intent"), dict) else {}
    assert isinstance(inner, dict)
    status, url = _session_status(body, inner), body.get("url")
    is_open = body.get("status") == "open" and isinstance(url, str) and url
    return Report(
        about=Subject.METHOD,
        status=status,
        reference=reference,
        gateway_reference=text(body.get("id")),
        other_references=ids(id_of(body.get("setup_intent"))),
        mode=mode_of(body),
        next_action=Redirect(url=str(url)) if is_open else None,
        saved=_saved(inner, None) if status is MethodStatus.ACTIVE else None,
        raw=redacted(body),
    )


def _session_status(body: Body, inner: Body) -> MethodStatus:
    """`complete` alone names no method: the setup intent, which has an event of its own, does."""
    if body.get("status") == "expired":
        return MethodStatus.FAILED
    return _setup_status(inner) if body.get("status") == "complete" and inner else MethodStatus.PENDING


def read_setup_intent(body: Body) -> Report | None:
    """A SetupIntent; None where it is not ours."""
    reference, status = _reference_of(body), _setup_status(body)
    if reference is None:
        return None
    is_over = status is MethodStatus.PENDING and isinstance(body.get("last_setup_error"), dict)
    if is_over and body.get("status") == "requires_payment_method" and not is_of_session(body):
        status = MethodStatus.FAILED
    return Report(
        about=Subject.METHOD,
        status=status,
        reference=reference,
        gateway_reference=text(body.get("id")),
        mode=mode_of(body),
        decline=read_decline(body.get("last_setup_error")) if status is not MethodStatus.ACTIVE else None,
        saved=_saved(body, None) if status is MethodStatus.ACTIVE else None,
        raw=redacted(body),
    )


def read_method_alone(body: Body) -> Report:
    """A PaymentMethod, in an event about itself: its details may have changed, or it is gone."""
    token = text(body.get("id"))
    known = SavedMethod(token=token, method=read_details(body)) if token is not None else None
    return Report(
        about=Subject.METHOD,
        status=MethodStatus.ACTIVE,
        reference=None,
        gateway_reference=None,  # its name is its token
        mode=mode_of(body),
        saved=known,
        raw=redacted(body),
    )


def _setup_status(body: Body) -> MethodStatus:
    word = body.get("status")
    status = SETUP_STATUS.get(word, MethodStatus.PENDING) if isinstance(word, str) else MethodStatus.PENDING
    # Without the method's name there is nothing that could be charged.
    return MethodStatus.PENDING if status is MethodStatus.ACTIVE and _saved(body, None) is None else status


def _reference_of(body: Body) -> str | None:
    return metadata_of(body, METHOD_ID) or reference_of(body)


# --- reading: saved during a payment ------------------------------------------------------------------------------


def saved_by_intent(intent: Body, charge: Body) -> SavedMethod | None:
    """What a paid intent kept for later charges, where the customer agreed to that."""
    if intent.get("setup_future_usage") != "off_session":
        return None
    return _saved(intent, read_method(charge)) if id_of(intent.get("customer")) else None


def saved_by_charge(charge: Body) -> SavedMethod | None:
    """The same told by its charge, which knows brand and last four, but the wish only by our own mark."""
    if metadata_of(charge, SAVES) != SAVES_METHOD or not id_of(charge.get("customer")):
        return None
    return _saved(charge, read_method(charge))


def _saved(body: Body, method: Method | None) -> SavedMethod | None:
    """`payment_method` and `customer` of an intent, setup intent or charge, each an id or the object itself."""
    token = id_of(body.get("payment_method"))
    if token is None:
        return None
    known = method or read_details(body.get("payment_method"))
    return SavedMethod(token=token, customer_token=id_of(body.get("customer")), method=known)
