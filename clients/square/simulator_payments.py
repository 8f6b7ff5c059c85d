"""Payments of the simulated Square: charged by a token or on a link, held, completed, canceled (sections 4, 5, 8, 14)."""

from __future__ import annotations

from typing import Any, Final

from clients.square.simulator_seller import Seller
from clients.square.simulator_wire import Json, SquareError, capitals, characters, iso, money

FEE_SECONDS: Final = 1.0  # the fee becomes known a moment after the payment
SETTLE_SECONDS: Final = 2.0
HOLD_SECONDS: Final = 7 * 24 * 3600.0

# code -> what Square says beside it
DECLINES: Final[dict[str, str]] = {
    "GENERIC_DECLINE": "Authorization error: 'GENERIC_DECLINE'",
    "CARD_DECLINED": "The card was declined.",
    "INSUFFICIENT_FUNDS": "Authorization error: 'INSUFFICIENT_FUNDS'",
    "CVV_FAILURE": "Authorization error: 'CVV_FAILURE'",
    "ADDRESS_VERIFICATION_FAILURE": "Authorization error: 'ADDRESS_VERIFICATION_FAILURE'",
    "INVALID_EXPIRATION": "Authorization error: 'INVALID_EXPIRATION'",
    "CARD_EXPIRED": "The card has expired.",
    "PAN_FAILURE": "Authorization error: 'PAN_FAILURE'",
    "TRANSACTION_LIMIT": "Authorization error: 'TRANSACTION_LIMIT'",
    "VOICE_FAILURE": "Authorization error: 'VOICE_FAILURE'",
    "CARD_NOT_SUPPORTED": "The card is not supported.",
    "CARD_DECLINED_VERIFICATION_REQUIRED": "Authorization error: 'CARD_DECLINED_VERIFICATION_REQUIRED'",
}
_GONE: Final = {"COMPLETED": "CAPTURED", "CANCELED": "CANCELED", "FAILED": "FAILED"}


def new_payment(
    s: Seller,
    *,
    amount: int,
    order: Json | None,
    source_type: str = "CARD",
    tip: int = 0,
    approved: int | None = None,
    is_charged: bool = True,
    **members: Any,
) -> Json:
    """Approved, not yet told. `is_charged` false holds the money until complete or cancel."""
    name = characters(27)
    payment = s.add(
        "payment",
        name,
        amount_money=money(amount, s.currency),
        total_money=money(amount + tip, s.currency),
        approved_money=money(amount + tip if approved is None else approved, s.currency),
        status="APPROVED",
        source_type=source_type,
        location_id=s.location_id,
        order_id=order["id"] if order is not None else characters(27),
        receipt_number=name[:4],
        receipt_url=f"https://{'squareup.com' if s.mode == 'live' else 'squareupsandbox.com'}/receipt/preview/{name}",
        application_details={"square_product": "ECOMMERCE_API", "application_id": s.application_id},
        version_token=characters(44),
        **{key: value for key, value in members.items() if value not in (None, "", {})},
    )
    s.hidden[name]["made_at"] = s.now()
    if tip:
        payment["tip_money"] = money(tip, s.currency)
    if s.risk_level is not None:
        payment["risk_evaluation"] = {"created_at": payment["created_at"], "risk_level": s.risk_level}
    if source_type == "CARD":
        payment["card_details"] = {"status": "AUTHORIZED", "card": card_details(), "entry_method": "KEYED"}
    if not is_charged:
        payment["capabilities"] = ["EDIT_AMOUNT_DOWN", "EDIT_TIP_AMOUNT_DOWN"]
    if order is not None:
        _add_tender(order, payment)
    return payment


def card_details(last_4: str = "1111") -> Json:
    return {
        "card_brand": "VISA",
        "last_4": last_4,
        "exp_month": 12,
        "exp_year": 2031,
        "fingerprint": "sq-1-simulated",
        "card_type": "CREDIT",
        "bin": "411111",
    }


def _add_tender(order: Json, payment: Json) -> None:
    tender = {
        "id": payment["id"],
        "location_id": payment["location_id"],
        "transaction_id": order["id"],
        "created_at": payment["created_at"],
        "amount_money": payment["amount_money"],
        "type": payment["source_type"],
        "payment_id": payment["id"],
    }
    order["tenders"] = [*order.get("tenders", []), tender]


# --- outcomes ------------------------------------------------------------------------------------------------------


def fail(s: Seller, payment: Json, code: str = "GENERIC_DECLINE") -> Json:
    """Declined: told as a payment of its own, which the order keeps as an earlier try. Returns the error."""
    if code not in DECLINES:
        raise ValueError(f"code is one of {', '.join(DECLINES)}")
    error = {"category": "PAYMENT_METHOD_ERROR", "code": code, "detail": DECLINES[code]}
    payment |= {"status": "FAILED", "approved_money": money(0, s.currency)}
    payment.pop("capabilities", None)
    if "card_details" in payment:
        payment["card_details"] |= {"status": "FAILED", "errors": [error]}
    s.emit("payment.created", "payment", payment)
    return error


def charge(s: Seller, payment: Json) -> None:
    """Approved and completed in moments, as links and automatic charges do."""
    s.emit("payment.created", "payment", payment)
    complete(s, payment)


def hold(s: Seller, payment: Json, *, seconds: float, action: str) -> None:
    payment |= {
        "delay_duration": f"PT{int(seconds // 3600)}H" if seconds % 3600 == 0 else f"PT{int(seconds // 60)}M",
        "delay_action": action,
        "delayed_until": iso(s.now() + seconds),
    }
    s.emit("payment.created", "payment", payment)
    s.later(seconds, lambda: _lapse_if_held(s, payment))


def _lapse_if_held(s: Seller, payment: Json) -> None:
    if payment["status"] == "APPROVED":
        lapse(s, payment)


def lapse(s: Seller, payment: Json) -> None:
    """The delay is over."""
    if payment["status"] != "APPROVED":
        raise ValueError(f"this payment is {payment['status']}, nothing is held")
    payment["delayed_until"] = iso(s.now())  # moved here where somebody did not want to wait
    if payment.get("delay_action") == "COMPLETE":
        complete(s, payment)
    else:
        s.hidden[payment["id"]]["is_expired"] = True
        cancel(s, payment)


def wait(s: Seller, payment: Json) -> None:
    """A bank debit: in progress at first."""
    payment["status"] = "PENDING"
    s.emit("payment.created", "payment", payment)


def settle(s: Seller, payment: Json, *, is_success: bool = True) -> None:
    if payment["status"] != "PENDING":
        raise ValueError(f"this payment is {payment['status']}, not PENDING")
    if is_success:
        complete(s, payment)
        return
    s.change(payment, status="FAILED", approved_money=money(0, s.currency))
    s.emit("payment.updated", "payment", payment)


def complete(s: Seller, payment: Json) -> None:
    s.change(payment, status="COMPLETED")
    payment.pop("capabilities", None)
    if "card_details" in payment:
        payment["card_details"] |= {"status": "CAPTURED"}
    s.emit("payment.updated", "payment", payment)
    order = s.objects.get("order", {}).get(payment["order_id"])
    if order is not None:
        s.change(order, state="OPEN")  # and OPEN it stays until somebody fulfils it
        _tell_order(s, order)
    s.later(FEE_SECONDS, lambda: _charge_fee(s, payment))
    s.completed(payment)


def _tell_order(s: Seller, order: Json) -> None:
    summary = {name: order[name] for name in ("state", "version", "created_at", "updated_at", "location_id")}
    data = {"type": "order", "id": order["id"], "object": {"order_updated": {"order_id": order["id"], **summary}}}
    s.send_event("order.updated", data)


def _charge_fee(s: Seller, payment: Json) -> None:
    fee = captured_of(payment) * 29 // 1000 + (30 if s.currency != "JPY" else 0)
    row = {"effective_at": iso(s.now()), "type": "INITIAL", "amount_money": money(fee, s.currency)}
    s.change(payment, processing_fee=[row])
    s.emit("payment.updated", "payment", payment)


def captured_of(payment: Json) -> int:
    """What the seller is credited: never the tip, and less where less was approved."""
    if payment["status"] != "COMPLETED":
        return 0
    return int(min(payment["amount_money"]["amount"], payment["approved_money"]["amount"]))


def cancel(s: Seller, payment: Json) -> None:
    s.change(payment, status="CANCELED", approved_money=money(0, s.currency))
    payment.pop("capabilities", None)
    if "card_details" in payment:
        payment["card_details"] |= {"status": "VOIDED"}
    s.emit("payment.updated", "payment", payment)


def require_held(s: Seller, payment: Json) -> None:
    if payment["status"] == "APPROVED":
        return
    word = "EXPIRED" if s.hidden[payment["id"]].get("is_expired") else _GONE.get(payment["status"], "FAILED")
    raise SquareError(f"DELAYED_TRANSACTION_{word}", f"The payment is {payment['status']}.")


def check_token(payment: Json, token: Any, *, field: str = "version_token") -> None:
    if token is not None and token != payment["version_token"]:
        raise SquareError("VERSION_MISMATCH", "The version token is stale.", field=field)


# --- links ---------------------------------------------------------------------------------------------------------


def new_link(s: Seller, *, lines: list[Json], total: int, given: Json, reference: str, metadata: Json) -> Json:
    order = s.add(
        "order",
        characters(27),
        location_id=s.location_id,
        line_items=lines,
        state="DRAFT",
        total_money=money(total, s.currency),
        net_amount_due_money=money(total, s.currency),
        source={"name": "Simulated"},
    )
    order |= {"reference_id": reference} if reference else {}
    order |= {"metadata": metadata} if metadata else {}
    code = characters(8)
    link = s.add("payment_link", capitals(16), order_id=order["id"], url=s.link_url(code))
    link["long_url"] = f"{link['url']}?src=sheet"
    for name in ("description", "checkout_options", "pre_populated_data", "payment_note"):
        if given.get(name):
            link[name] = given[name]
    s.hidden[order["id"]] |= {"link": link["id"], "code": code}
    return link


def delete_link(s: Seller, link: Json) -> Json:
    order = s.objects["order"][link["order_id"]]
    del s.objects["payment_link"][link["id"]]
    s.hidden[order["id"]]["is_deleted"] = True
    if is_paid(s, order):
        return {"id": link["id"], "cancelled_order_id": order["id"]}
    s.change(order, state="CANCELED")
    _tell_order(s, order)
    return {"id": link["id"], "cancelled_order_id": order["id"]}


def is_paid(s: Seller, order: Json) -> bool:
    return any(one["status"] == "COMPLETED" for one in payments_of(s, order))


def payments_of(s: Seller, order: Json) -> list[Json]:
    """Newest first."""
    return [one for one in s.all("payment") if one["order_id"] == order["id"]]


def pay_link(s: Seller, order: Json, *, tip: int = 0, approved: int | None = None, extra: int = 0) -> Json:
    """`extra` is what the seller's own settings add: shipping, a service charge. Links name no reference_id."""
    payment = _on_link(s, order, tip=tip, approved=approved, extra=extra)
    charge(s, payment)
    return payment


def decline_link(s: Seller, order: Json, code: str) -> Json:
    payment = _on_link(s, order)
    fail(s, payment, code)
    return payment


def _on_link(s: Seller, order: Json, *, tip: int = 0, approved: int | None = None, extra: int = 0) -> Json:
    link = s.objects.get("payment_link", {}).get(s.hidden[order["id"]]["link"], {})
    buyer = link.get("pre_populated_data", {}).get("buyer_email")
    total = order["total_money"]["amount"] + extra
    return new_payment(
        s,
        amount=total,
        tip=tip,
        approved=approved,
        order=order,
        note=link.get("payment_note"),
        buyer_email_address=buyer,
    )
