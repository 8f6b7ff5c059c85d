"""Ours -> theirs: the bodies of requests; pure.

Amounts are JSON numbers in major units, written from the digits of the money and never through a float.
Source: protocol reference, sections 3, 4, 5, 8, 9 and 10.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from math import ceil
from typing import Any, Final

from core.gateways.errors import RequestRejected
from core.gateways.types import (
    CaptureMode,
    ChargeRequest,
    PaymentRequest,
    RefundRequest,
    SavedMethod,
    SaveMethodRequest,
)
from core.money import Money, exponent_of

TOKENISE: Final = 2  # the form of the token: 32 hexadecimal characters
LANGUAGE: Final = "en"  # of the page: en, ar, tr
MAX_DESCRIPTION: Final = 128
MAX_URL: Final = 255
MAX_DETAIL: Final = 128  # Unconfirmed: no limit of customer_details is published
SENDS_PAGE_LIFE: Final = True  # Unconfirmed: `paypage_ttl` stands only in newer documents; sent only when a lab asks

# Unconfirmed: whether registering a card carries an amount. The least that is documented; no money moves.
REGISTER_AMOUNT: Final = Decimal("0.01")

_CHILD: Final = re.compile(r"(.{1,60})-c([1-9][0-9]?)", re.ASCII)
_ENDS_IN_NUMBER: Final = re.compile(r"-([0-9]{1,2})$", re.ASCII)
MAX_CHILD: Final = 99


class _Number(str):
    """The exact text of a JSON number."""

    __slots__ = ()


def build_payment(request: PaymentRequest) -> str:
    """Body of POST /payment/request for a page on which the customer pays."""
    return _write({
        **_head("auth" if request.capture is CaptureMode.MANUAL else "sale", "ecom"),
        "cart_id": request.reference,
        "cart_description": _description(request.description, f"Payment {request.reference}"),
        **_money(request.amount),
        "callback": _url(request.webhook_url),
        "return": _url(request.return_url),
        "hide_shipping": True,
        "paypage_lang": LANGUAGE,
        "customer_details": _customer(request),
        "tokenise": TOKENISE if request.save_method else None,
        "paypage_ttl": _page_minutes(request),
    })  # fmt: skip


def build_registration(request: SaveMethodRequest) -> str:
    """Body of POST /payment/request for a page that verifies a card and keeps it: no money."""
    amount = Money(max(1, _minor_at_least(REGISTER_AMOUNT, request.currency)), request.currency)
    customer = request.customer
    details = {"name": customer.name, "email": customer.email, "phone": customer.phone} if customer else {}
    return _write({
        **_head("register", "ecom"),
        "cart_id": request.reference,
        "cart_description": "Card registration",
        **_money(amount),
        "callback": _url(request.webhook_url),
        "return": _url(request.return_url),
        "hide_shipping": True,
        "paypage_lang": LANGUAGE,
        "customer_details": _details(details),
        "tokenise": TOKENISE,
    })  # fmt: skip


def build_charge(request: ChargeRequest) -> str:
    """Body of POST /payment/request for a saved card while the customer is away: token and the reference that made it."""
    payment, saved = request.payment, request.saved
    if payment.capture is CaptureMode.MANUAL:
        # Unconfirmed: whether a token can be held. Taking the money instead would be wrong.
        raise RequestRejected("a saved card is charged at once, it cannot be held", code="capture_unsupported")
    return _write({
        **_head("sale", "recurring"),
        "token": saved.token,
        "tran_ref": saved.extra_token,  # without it PayTabs refuses by itself
        "cart_id": payment.reference,
        "cart_description": _description(payment.description, f"Payment {payment.reference}"),
        **_money(payment.amount),
        "callback": _url(payment.webhook_url),
    })  # fmt: skip


def build_follow_up(kind: str, tran_ref: str, *, cart_id: str, amount: Money | None) -> str:
    """Body of POST /payment/request for a capture or void of the hold `tran_ref`.

    Unconfirmed: whether a void may lack the amount (the platform always knows it), and how `release` differs from `void`:
    it is not sent.
    """
    return _write({
        **_head(kind, "ecom"),
        "tran_ref": tran_ref,
        "cart_id": cart_id,
        "cart_description": kind,
        **(_money(amount) if amount else {}),
    })  # fmt: skip


def build_refund(request: RefundRequest, tran_ref: str) -> str:
    """Body of POST /payment/request; `tran_ref` is that of the sale or capture, never of the hold."""
    return _write({
        **_head("refund", "ecom"),
        "tran_ref": tran_ref,
        "cart_id": request.reference,
        "cart_description": _description(request.reason, "refund"),
        **_money(request.amount),
        "callback": _url(request.webhook_url) if request.webhook_url else None,
    })  # fmt: skip


def build_query(*, tran_ref: str | None = None, cart_id: str | None = None) -> dict[str, Any]:
    """Exactly one of the two: with both or neither PayTabs answers 400."""
    return {"tran_ref": tran_ref} if tran_ref is not None else {"cart_id": cart_id}


def with_profile(profile_id: str, members: str | Mapping[str, Any]) -> str:
    """`members` as JSON text, with the profile id in front as a number."""
    rest = members if isinstance(members, str) else _write(members)
    return f'{{"profile_id":{int(profile_id)},{rest[1:]}'


def build_token(saved: SavedMethod) -> dict[str, Any]:
    return {"token": saved.token}


# --- names of captures and voids ------------------------------------------------------------------------------------


def child_id(reference: str, number: int) -> str:
    """The `cart_id` of the payment's `number`th capture or void.

    It is derived, so that a lost answer can be looked up by it: PayTabs finds a follow-up under no other name of ours.
    """
    return f"{reference[:60]}-c{number}"


def child_number(operation_reference: str | None) -> int:
    """Which one this is, from our fresh name of the operation (`...-capture-2`); 1 where it says nothing."""
    found = _ENDS_IN_NUMBER.search(operation_reference or "")
    return max(1, int(found.group(1))) if found else 1


def parent_of(cart_id: str | None) -> str | None:
    """The payment's reference in the name of one of our captures or voids; None where it is no such name."""
    found = _CHILD.fullmatch(cart_id or "")
    return found.group(1) if found else None


# --- members ----------------------------------------------------------------------------------------------------------


def _head(kind: str, tran_class: str) -> dict[str, Any]:
    return {"tran_type": kind, "tran_class": tran_class}


def _money(amount: Money) -> dict[str, Any]:
    return {"cart_currency": amount.asset, "cart_amount": _Number(amount.decimal_text())}


def _minor_at_least(amount: Decimal, currency: str) -> int:
    return ceil(amount.scaleb(exponent_of(currency)))


def _customer(request: PaymentRequest) -> dict[str, str] | None:
    """Only what is known: empty texts cause validation errors, or make the page ask."""
    customer, billing = request.customer, request.billing
    found: dict[str, str | None] = {"ip": request.customer_ip}
    if billing is not None:
        found |= {
            "name": billing.name,
            "street1": " ".join(part for part in (billing.line1, billing.line2) if part),
            "city": billing.city,
            "state": billing.state,
            "country": billing.country,
            "zip": billing.postal_code,
        }
    if customer is not None:
        found |= {"name": customer.name or found.get("name"), "email": customer.email, "phone": customer.phone}
    return _details(found)


def _details(values: Mapping[str, str | None]) -> dict[str, str] | None:
    found = {name: _one_line(value, MAX_DETAIL) for name, value in values.items() if value}
    return {name: value for name, value in found.items() if value} or None


def _description(text: str | None, otherwise: str) -> str:
    return _one_line(text or "", MAX_DESCRIPTION) or otherwise[:MAX_DESCRIPTION]


def _one_line(text: str, max_length: int) -> str:
    """Printable characters alone: what cannot be encoded or breaks the line is left out."""
    return "".join(char if char.isprintable() else " " for char in text).strip()[:max_length].strip()


def _url(url: str) -> str:
    if len(url) > MAX_URL:
        raise RequestRejected(f"PayTabs takes addresses of at most {MAX_URL} characters", code="callback_refused")
    return url


def _page_minutes(request: PaymentRequest) -> int | None:
    """How long the page lives, counted from when the order was made: the same in a repeat."""
    if not SENDS_PAGE_LIFE or request.expires_at is None or request.created_at is None:
        return None
    return max(1, ceil((request.expires_at - request.created_at) / timedelta(minutes=1)))


def _write(members: Mapping[str, Any]) -> str:
    """JSON text without what is not known; `json` has no exact number of our kind, so those are written here."""
    return "{" + ",".join(f"{json.dumps(name)}:{_value(one)}" for name, one in members.items() if one is not None) + "}"


def _value(value: Any) -> str:
    return str(value) if isinstance(value, _Number) else json.dumps(value, separators=(",", ":"))
