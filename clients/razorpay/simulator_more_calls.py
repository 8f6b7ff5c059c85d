"""The calls about customers, tokens, QR codes, disputes and settlements of the simulated Razorpay (sections 10, 11)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Final

from clients.razorpay import simulator_aftercare as aftercare
from clients.razorpay import simulator_payments as payments
from clients.razorpay.simulator_calls import Call, collection
from clients.razorpay.simulator_merchant import Merchant
from clients.razorpay.simulator_wire import (
    Json,
    RazorpayError,
    amount_of,
    check_members,
    currency_of,
    flag_of,
    integer_of,
    notes_of,
    plain_refusal,
    text_of,
)

LEAST_QR_SECONDS: Final = 2 * 60
MOST_QR_SECONDS: Final = 2 * 3600
_QR: Final = "type usage fixed_amount payment_amount name description close_by customer_id notes"


# --- customers and tokens ------------------------------------------------------------------------------------------


def create_customer(call: Call) -> Json:
    given = call.body
    check_members(given, "name email contact fail_existing gstin notes")
    email, contact = text_of(given, "email", longest=64), text_of(given, "contact", longest=15)
    existing = next((one for one in call.m.find("cust") if (one["email"], one["contact"]) == (email, contact)), None)
    if existing is not None:
        if str(given.get("fail_existing", "1")) == "0":
            return existing
        raise plain_refusal("Customer already exists for the merchant")
    return call.m.add(
        "cust",
        name=text_of(given, "name", longest=50, shortest=3),
        email=email,
        contact=contact,
        gstin=None,
        notes=notes_of(given),
    )


def get_customer(call: Call) -> Json:
    return call.m.get("cust", call.name)


def list_tokens(call: Call) -> Json:
    """Expired, rejected and unused tokens are left out."""
    customer = call.m.get("cust", call.name)
    return collection([one for one in call.m.find("token") if _is_listed(call.m, one, customer["id"])])


def _is_listed(m: Merchant, token: Json, customer: str) -> bool:
    if m.hidden[token["id"]]["customer"] != customer or token["expired_at"] <= m.now():
        return False
    return token["recurring_details"]["status"] not in ("rejected", "cancelled")


def get_token(call: Call) -> Json:
    return _token(call.m, call.name, call.other)


def delete_token(call: Call) -> Json:
    token = _token(call.m, call.name, call.other)
    del call.m.objects[token["id"]]
    return {"deleted": True}


def _token(m: Merchant, customer: str, name: str) -> Json:
    token = m.get("token", name)
    if m.hidden[token["id"]]["customer"] != m.get("cust", customer)["id"]:
        raise plain_refusal("The id provided does not exist")
    return token


def charge_token(call: Call) -> Json:
    given = call.body
    check_members(given, "email contact amount currency order_id customer_id token recurring notes description")
    for name in ("email", "contact", "order_id", "customer_id", "token", "recurring"):
        if given.get(name) in (None, ""):
            raise RazorpayError(f"The {name} field is required.", field=name)
    order = call.m.get("order", str(given["order_id"]))
    token = _token(call.m, str(given["customer_id"]), str(given["token"]))
    if not token["recurring"] or token["recurring_details"]["status"] != "confirmed":
        raise plain_refusal("The token is not confirmed for recurring payments")
    if (integer_of(given, "amount"), currency_of(given)) != (order["amount"], order["currency"]):
        raise RazorpayError("Your payment amount is different from your order amount.", field="amount")
    if order["status"] == "paid":
        raise plain_refusal("Payment failed because the order is already paid")
    payment = payments.charge_token(call.m, order, token, given)
    return {
        "razorpay_payment_id": payment["id"],
        "razorpay_order_id": order["id"],
        "razorpay_signature": signature(call.key_secret, order["id"], payment["id"]),
    }


def signature(key_secret: str, *parts: str) -> str:
    """Of browser returns (section 7): the parts with bars between them, under the key secret."""
    return hmac.new(key_secret.encode(), "|".join(parts).encode(), hashlib.sha256).hexdigest()


# --- QR codes ------------------------------------------------------------------------------------------------------


def create_qr(call: Call) -> Json:
    given = call.body
    check_members(given, _QR)
    if given.get("type") != "upi_qr":
        raise RazorpayError("The type must be upi_qr.", field="type")
    if given.get("usage") not in ("single_use", "multiple_use"):
        raise RazorpayError("The usage must be single_use or multiple_use.", field="usage")
    is_single, is_fixed = given["usage"] == "single_use", flag_of(given, "fixed_amount")
    if is_single and not is_fixed:
        raise RazorpayError("fixed_amount should be true for single use QR codes.", field="fixed_amount")
    close_by = _close_by(call.m, given, is_single=is_single)
    made = call.m.add(
        "qr",
        name=text_of(given, "name", longest=200),
        usage=given["usage"],
        type="upi_qr",
        image_url=None,
        payment_amount=amount_of(given, "INR", name="payment_amount", least=1) if is_fixed else None,
        status="active",
        description=text_of(given, "description", longest=2048),
        fixed_amount=is_fixed,
        payments_amount_received=0,
        payments_count_received=0,
        notes=notes_of(given),
        customer_id=given.get("customer_id"),
        close_by=close_by,
        closed_at=None,
        close_reason=None,
    )
    made["image_url"] = call.page_url(made["id"])
    if close_by is not None:
        call.m.later(close_by - call.m.now(), lambda: _close_if_active(call.m, made))
    _tell(call.m, "created", made)
    return made


def _close_by(m: Merchant, given: Json, *, is_single: bool) -> int | None:
    """Larger values are cut to two hours; the returned value counts."""
    if given.get("close_by") is None:
        return None
    if not is_single:
        raise RazorpayError("close_by is for single use QR codes only.", field="close_by")
    moment = integer_of(given, "close_by")
    if moment < m.now() + LEAST_QR_SECONDS:
        raise RazorpayError("close_by should be at least 2 minutes after current time.", field="close_by")
    return min(moment, m.now() + MOST_QR_SECONDS)


def _tell(m: Merchant, event: str, qr: Json, **more: Json) -> None:
    # Razorpay writes close_by as text in one event and as a number in another.
    shown = qr | {"close_by": str(qr["close_by"]) if event == "created" and qr["close_by"] else qr["close_by"]}
    m.emit(f"qr_code.{event}", **more, qr_code=shown)


def _close_if_active(m: Merchant, qr: Json) -> None:
    if qr["status"] == "active":
        close_qr(m, qr, None)


def close_qr(m: Merchant, qr: Json, reason: str | None) -> Json:
    if qr["status"] != "active":
        raise plain_refusal("QR Code is already closed")
    qr |= {"status": "closed", "closed_at": m.now(), "close_reason": reason}
    _tell(m, "closed", qr)
    return qr


def pay_qr(m: Merchant, qr: Json, *, amount: int | None) -> Json:
    """Captured at once, without an order. The totals inside `qr_code.credited` lag behind."""
    if qr["status"] != "active":
        raise ValueError("this QR code is closed")
    wanted = amount or qr["payment_amount"]
    if not wanted or (qr["fixed_amount"] and wanted != qr["payment_amount"]):
        raise ValueError("say amount=, or the fixed one of the code")
    payment = payments.attempt_unordered(m, amount=wanted, currency="INR", notes=qr["notes"])
    m.hidden[payment["id"]]["qr"] = qr["id"]
    payments.succeed(m, payment)
    _tell(m, "credited", qr, payment=payment)
    qr["payments_amount_received"] += wanted
    qr["payments_count_received"] += 1
    if qr["usage"] == "single_use":
        close_qr(m, qr, "paid")
    return payment


def decline_qr(m: Merchant, qr: Json, *, reason: str) -> Json:
    """A payment without an order that failed: nobody is there to retry it."""
    payment = payments.attempt_unordered(m, amount=qr["payment_amount"] or 100, currency="INR", notes=qr["notes"])
    m.hidden[payment["id"]]["qr"] = qr["id"]
    payments.fail(m, payment, reason)
    return payment


def qr_payments(m: Merchant, qr: Json) -> list[Json]:
    return [one for one in m.find("pay") if m.hidden[one["id"]].get("qr") == qr["id"]]


def get_qr(call: Call) -> Json:
    return call.m.get("qr", call.name)


def list_qrs(call: Call) -> Json:
    return collection(call.m.page(call.m.find("qr", customer_id=call.query.get("customer_id")), call.query))


def list_qr_payments(call: Call) -> Json:
    return collection(call.m.page(iter(qr_payments(call.m, call.m.get("qr", call.name))), call.query))


def close_qr_call(call: Call) -> Json:
    return close_qr(call.m, call.m.get("qr", call.name), "on_demand")


# --- disputes and settlements --------------------------------------------------------------------------------------


def list_disputes(call: Call) -> Json:
    return collection(call.m.page(call.m.find("disp"), call.query))


def get_dispute(call: Call) -> Json:
    return call.m.get("disp", call.name)


def accept_dispute(call: Call) -> Json:
    dispute = call.m.get("disp", call.name)
    if dispute["status"] != "open":
        raise plain_refusal("Dispute is not in open status")
    aftercare.move_dispute(call.m, dispute, "lost")
    return dispute


def contest_dispute(call: Call) -> Json:
    return aftercare.contest(call.m, call.m.get("disp", call.name), call.body)


def list_settlements(call: Call) -> Json:
    return collection(call.m.page(call.m.find("setl"), call.query))


def get_settlement(call: Call) -> Json:
    return call.m.get("setl", call.name)


def reconcile(call: Call) -> Json:
    """Settled rows of a month, or of one day of it."""
    if not call.query.get("year") or not call.query.get("month"):
        raise RazorpayError("The year and month fields are required.", field="year")
    rows = [row for row in aftercare.recon_rows(call.m) if row["settled"] and _is_in(row["settled_at"], call)]
    return collection(call.m.page(iter(rows), {"count": "1000"} | dict(call.query), most=1000))


def _is_in(moment: int, call: Call) -> bool:
    at = datetime.fromtimestamp(moment, UTC)
    wanted = [int(call.query["year"]), int(call.query["month"]), int(call.query.get("day") or at.day)]
    return [at.year, at.month, at.day] == wanted
