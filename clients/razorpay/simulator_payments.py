"""Attempts to pay in the simulated Razorpay, and what becomes of them (sections 4, 5, 8, 13)."""

from __future__ import annotations

import secrets
from typing import Any, Final

from clients.razorpay.simulator_merchant import Merchant
from clients.razorpay.simulator_wire import Json, RazorpayError, characters, new_id, notes_of

UNANSWERED_SECONDS: Final = 600.0  # no answer of the bank: failed after about ten minutes
LATE_SECONDS: Final = 3 * 24 * 3600.0  # how long a failed payment may still turn authorized
HOLD_SECONDS: Final = 3 * 24 * 3600.0  # Unconfirmed: older pages say five days
NO_ERROR: Final[Json] = dict.fromkeys("error_code error_description error_source error_step error_reason".split())
METHODS: Final = ("card", "upi", "netbanking", "wallet")

# reason -> error_code, description, source, step
DECLINES: Final[dict[str, tuple[str, str, str, str]]] = {
    "payment_cancelled": (
        "BAD_REQUEST_ERROR",
        "Payment processing cancelled by user",
        "customer",
        "payment_authentication",
    ),
    "payment_timed_out": (
        "BAD_REQUEST_ERROR",
        "Payment was not completed on time.",
        "customer",
        "payment_authentication",
    ),
    "insufficient_funds": (
        "BAD_REQUEST_ERROR",
        "Your payment could not be completed due to insufficient account balance. Try again with another card or account.",
        "customer",
        "payment_authorization",
    ),
    "card_declined": (
        "BAD_REQUEST_ERROR",
        "Your payment could not be completed as the card was declined.",
        "bank",
        "payment_authorization",
    ),
    "card_expired": ("BAD_REQUEST_ERROR", "Your card has expired.", "customer", "payment_authorization"),
    "incorrect_cvv": ("BAD_REQUEST_ERROR", "You entered an incorrect CVV.", "customer", "payment_authorization"),
    "incorrect_otp": ("BAD_REQUEST_ERROR", "You entered an incorrect OTP.", "customer", "payment_authentication"),
    "incorrect_pin": ("BAD_REQUEST_ERROR", "You entered an incorrect PIN.", "customer", "payment_authentication"),
    "authentication_failed": (
        "BAD_REQUEST_ERROR",
        "Authentication failed due to incorrect otp",
        "customer",
        "payment_authentication",
    ),
    "payment_risk_check_failed": (
        "BAD_REQUEST_ERROR",
        "Your payment was declined by our risk checks.",
        "business",
        "payment_authorization",
    ),
    "bank_technical_error": (
        "GATEWAY_ERROR",
        "Your payment didn't go through due to a temporary issue at the bank.",
        "bank",
        "payment_authorization",
    ),
    "gateway_technical_error": (
        "GATEWAY_ERROR",
        "Your payment didn't go through due to a temporary issue.",
        "gateway",
        "payment_authorization",
    ),
    "server_error": (
        "SERVER_ERROR",
        "We are facing some trouble completing your request at the moment.",
        "internal",
        "payment_authorization",
    ),
}


def attempt(
    m: Merchant, order: Json, *, method: str = "", amount: int | None = None, notes: Any = None, **buyer: Any
) -> Json:
    """A new payment in state created. `buyer` may have email, contact, token_id, recurring."""
    if order["status"] == "paid":
        raise ValueError("this order is paid already")
    if amount is not None and amount != order["amount_due"] and not m.hidden[order["id"]].get("partial"):
        raise ValueError("this order takes no partial payment")
    order["attempts"] += 1
    if order["status"] == "created":
        order["status"] = "attempted"
    payment = _new_payment(
        m,
        amount=order["amount_due"] if amount is None else amount,
        currency=order["currency"],
        method=method or _default_method(order),
        order_id=order["id"],
        notes=notes,
        **buyer,
    )
    if m.hidden[order["id"]].get("link"):
        link = m.objects[m.hidden[order["id"]]["link"]]
        payment |= {"description": f"#{link['id'][6:]}", "notes": link["notes"]}
        customer = link.get("customer") or {}
        payment |= {name: customer[name] for name in ("email", "contact") if customer.get(name)}
    return payment


def attempt_unordered(m: Merchant, *, amount: int, currency: str, notes: Any) -> Json:
    """A UPI payment of a QR code: no order."""
    return _new_payment(m, amount=amount, currency=currency, method="upi", order_id=None, notes=notes)


def _default_method(order: Json) -> str:
    return "upi" if order["currency"] == "INR" and not order.get("customer_id") else "card"


def _new_payment(
    m: Merchant, *, amount: int, currency: str, method: str, order_id: str | None, notes: Any, **buyer: Any
) -> Json:
    if method not in METHODS:
        raise ValueError(f"method is one of {', '.join(METHODS)}")
    payment = m.add(
        "pay",
        amount=amount,
        currency=currency,
        status="created",
        order_id=order_id,
        invoice_id=None,
        international=currency != "INR",
        method=method,
        amount_refunded=0,
        refund_status=None,
        captured=False,
        description=None,
        card_id=new_id("card") if method == "card" else None,
        bank="HDFC" if method == "netbanking" else None,
        wallet="olamoney" if method == "wallet" else None,
        vpa="success@razorpay" if method == "upi" else None,
        email=buyer.get("email") or "void@razorpay.com",
        contact=buyer.get("contact") or "+919000090000",
        notes=notes_of({"notes": notes}),
        fee=None,
        tax=None,
        acquirer_data={},
        **NO_ERROR,
    )
    if currency != "INR":  # Unconfirmed rate: any will do, fees and settlement are in INR
        payment |= {"base_amount": amount * 80, "base_currency": "INR"}
    payment |= {name: buyer[name] for name in ("customer_id", "token_id") if buyer.get(name)}
    if method == "card":
        m.hidden[payment["id"]]["card"] = card_of(payment["card_id"], is_international=payment["international"])
    m.later(UNANSWERED_SECONDS, lambda: _give_up(m, payment))
    return payment


def card_of(name: str, *, is_international: bool) -> Json:
    return {
        "id": name,
        "entity": "card",
        "name": "Gaurav Kumar",
        "last4": "4444" if is_international else "1007",
        "network": "MasterCard" if is_international else "Visa",
        "type": "credit",
        "issuer": None if is_international else "HDFC",
        "international": is_international,
        "emi": False,
        "sub_type": "consumer",
    }


def _give_up(m: Merchant, payment: Json) -> None:
    if payment["status"] == "created" and not m.hidden[payment["id"]].get("is_held"):
        fail(m, payment, "payment_timed_out")


# --- outcomes ------------------------------------------------------------------------------------------------------


def fail(m: Merchant, payment: Json, reason: str = "card_declined") -> None:
    if payment["status"] != "created":
        raise ValueError(f"this payment is {payment['status']}")
    if reason not in DECLINES:
        raise ValueError(f"reason is one of {', '.join(DECLINES)}")
    code, description, source, step = DECLINES[reason]
    payment |= {
        "status": "failed",
        "error_code": code,
        "error_description": description,
        "error_source": source,
        "error_step": step,
        "error_reason": reason,
    }
    m.hidden[payment["id"]]["failed_at"] = m.now()
    m.emit("payment.failed", payment=payment)


def succeed(m: Merchant, payment: Json) -> None:
    """The bank said yes: authorized, and captured at once where the order asks for it."""
    if payment["status"] not in ("created", "failed"):
        raise ValueError(f"this payment is {payment['status']}")
    if payment["status"] == "failed" and m.now() - m.hidden[payment["id"]]["failed_at"] > LATE_SECONDS:
        raise ValueError("the bank was last asked three days after the failure")
    order = m.objects.get(payment["order_id"] or "")
    payment |= {
        "status": "authorized",
        "acquirer_data": _acquirer_data(payment["method"]),
        **NO_ERROR,
    }
    if order is not None and order["amount_due"] < payment["amount"]:
        m.emit("payment.authorized", payment=payment)
        give_back_unkept(m, payment)  # another attempt has paid meanwhile
        return
    m.emit("payment.authorized", payment=payment)
    if order is None or m.hidden[order["id"]]["capture"] == "automatic":
        capture(m, payment)
    else:
        hold = m.hidden[order["id"]].get("hold_seconds", HOLD_SECONDS)
        m.later(hold, lambda: _lapse(m, payment))


def _acquirer_data(method: str) -> Json:
    if method == "card":
        return {"auth_code": f"{secrets.randbelow(10**6):06}"}
    if method == "upi":
        return {"rrn": f"{secrets.randbelow(10**12):012}", "upi_transaction_id": secrets.token_hex(16).upper()}
    return {"bank_transaction_id": f"{secrets.randbelow(10**7):07}"}


def _lapse(m: Merchant, payment: Json) -> None:
    if payment["status"] == "authorized":
        give_back_unkept(m, payment)


def give_back_unkept(m: Merchant, payment: Json) -> None:
    """An authorization that nobody captured: Razorpay refunds it by itself, and no money was kept.

    Unconfirmed: that `captured` false and `fee` null tell it; that no webhook of a refund is sent.
    """
    payment |= {"status": "refunded", "refund_status": "full", "amount_refunded": payment["amount"]}


def capture(m: Merchant, payment: Json) -> None:
    base = payment["amount"] * 2 // 100
    tax = base * 18 // 100
    payment |= {"status": "captured", "captured": True, "fee": base + tax, "tax": tax}
    _save_method(m, payment)
    order = m.objects.get(payment["order_id"] or "")
    if order is None:
        m.emit("payment.captured", payment=payment)
        return
    order["amount_paid"] += payment["amount"]
    order["amount_due"] -= payment["amount"]
    link = m.objects.get(m.hidden[order["id"]].get("link", ""))
    if order["amount_due"] == 0:
        order["status"] = "paid"
    if link is not None:
        _credit_link(link, order, payment)
    m.emit("payment.captured", payment=payment)
    if order["status"] == "paid":
        m.emit("order.paid", payment=payment, order=order)
    if link is not None and link["status"] in ("paid", "partially_paid"):
        m.emit(f"payment_link.{link['status']}", payment_link=link, order=_inner(order), payment=payment)


def _credit_link(link: Json, order: Json, payment: Json) -> None:
    link["amount_paid"] = order["amount_paid"]
    row = {name: payment[name] for name in ("amount", "created_at", "method", "status")}
    link["payments"] = [*(link["payments"] or []), {"payment_id": payment["id"], "plink_id": link["id"], **row}]
    link["updated_at"] = payment["created_at"]
    # Unconfirmed: a link that is over keeps its word when money comes late.
    if link["status"] in ("created", "partially_paid"):
        link["status"] = "paid" if order["amount_due"] == 0 else "partially_paid"


def _inner(order: Json) -> Json:
    """The order inside `payment_link.*` is an internal rendering: no `entity`, no prefix of the id."""
    return {name: value for name, value in order.items() if name != "entity"} | {"id": order["id"][6:]}


# --- saved methods -------------------------------------------------------------------------------------------------


def _save_method(m: Merchant, payment: Json) -> None:
    """A customer's first payment leaves a token, where the checkout was told to remember."""
    order = m.objects.get(payment["order_id"] or "")
    if order is None or payment.get("token_id") or not (order.get("customer_id") or payment.get("customer_id")):
        return
    customer = payment.get("customer_id") or order["customer_id"]
    is_recurring = bool(m.hidden[order["id"]].get("token"))
    if not is_recurring and not m.hidden[payment["id"]].get("will_save"):
        return
    token = m.add(
        "token",
        token=characters(14),
        bank=None,
        wallet=None,
        method=payment["method"],
        recurring=is_recurring,
        recurring_details={"status": "confirmed" if is_recurring else "not_applicable", "failure_reason": None},
        max_amount=m.hidden[order["id"]].get("token", {}).get("max_amount"),
        mrn=None,
        used_at=m.now(),
        expired_at=m.now() + 5 * 365 * 24 * 3600,
        dcc_enabled=False,
    )
    if payment["method"] == "card":
        token["card"] = m.hidden[payment["id"]]["card"] | {"expiry_month": 12, "expiry_year": 2031}
    else:
        token["vpa"] = {"username": "success", "handle": "razorpay", "name": None}
    m.hidden[token["id"]] |= {"customer": customer, "next": []}
    payment |= {"token_id": token["id"], "customer_id": customer}


def charge_token(m: Merchant, order: Json, token: Json, given: Json) -> Json:
    """An attempt without the customer. What becomes of it shows later, unless the bank refuses at once."""
    planned = m.hidden[token["id"]]["next"]
    plan = planned.pop(0) if planned else ("succeed", "")
    payment = attempt(
        m,
        order,
        method=token["method"],
        notes=given.get("notes"),
        email=given.get("email"),
        contact=given.get("contact"),
        token_id=token["id"],
        customer_id=given["customer_id"],
    )
    if plan[0] == "refuse":
        fail(m, payment, plan[1] or "insufficient_funds")
        metadata = {"payment_id": payment["id"], "order_id": order["id"]}
        raise RazorpayError(
            payment["error_description"],
            reason=payment["error_reason"],
            step=payment["error_step"],
            source=payment["error_source"],
            metadata=metadata,
        )
    m.hidden[payment["id"]]["is_held"] = True  # the ten minutes hold where a customer waits
    if plan[0] != "hold":  # really 36 hours and five minutes later for cards and UPI
        m.later(1.0, lambda: _settle_charge(m, payment, plan))
    return payment


def _settle_charge(m: Merchant, payment: Json, plan: tuple[str, str]) -> None:
    if payment["status"] != "created":
        return
    if plan[0] == "decline":
        fail(m, payment, plan[1] or "insufficient_funds")
    else:
        succeed(m, payment)
