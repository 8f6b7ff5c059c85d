"""What happens to money that the simulated Razorpay took: refunds, disputes, settlements (sections 9 and 11)."""

from __future__ import annotations

import secrets
from typing import Any, Final

from clients.razorpay.simulator_merchant import Merchant
from clients.razorpay.simulator_wire import (
    Json,
    RazorpayError,
    check_members,
    integer_of,
    notes_of,
    plain_refusal,
    text_of,
)

REFUNDABLE_SECONDS: Final = 182 * 24 * 3600
SETTLE_SECONDS: Final = 2.0
PHASES: Final = ("fraud", "retrieval", "chargeback", "pre_arbitration", "arbitration")
REFUND_MODES: Final = ("processed", "pending", "hold")
_RESPOND_SECONDS: Final = 7 * 24 * 3600
LOW_BALANCE: Final = "Your account does not have enough balance to carry out the refund operation."


# --- refunds -------------------------------------------------------------------------------------------------------


def refund(m: Merchant, payment: Json, given: Json) -> Json:
    """The refund as it stands when it is answered: processed at once, or pending in the other two modes."""
    check_members(given, "amount speed receipt notes reverse_all")
    amount = _refundable(m, payment, given)
    speed = given.get("speed", "normal")
    if speed not in ("normal", "optimum"):
        raise RazorpayError("The speed must be normal or optimum.", field="speed")
    receipt, notes = text_of(given, "receipt", longest=40), notes_of(given)
    if m.refusals:
        raise plain_refusal(m.refusals.popleft())
    made = m.add(
        "rfnd",
        amount=amount,
        currency=payment["currency"],
        payment_id=payment["id"],
        receipt=receipt,
        notes=notes,
        acquirer_data={"arn": None},
        batch_id=None,
        status="pending",
        speed_requested=speed,
        speed_processed=None if speed == "optimum" else "normal",
    )
    _count(payment, amount)
    if m.refund_mode == "processed" and speed == "normal":
        made["status"] = "processed"  # "handed to the bank", which is what the word means there
        m.emit("refund.created", refund=made, payment=payment)
        m.emit("refund.processed", refund=made, payment=payment)
        return made
    m.emit("refund.created", refund=made, payment=payment)
    if m.refund_mode != "hold":
        m.later(SETTLE_SECONDS, lambda: _process_if_pending(m, made))
    return made


def _refundable(m: Merchant, payment: Json, given: Json) -> int:
    if payment["status"] == "refunded":
        raise plain_refusal("The payment has been fully refunded already.")
    if payment["status"] != "captured":
        raise plain_refusal("The payment status should be captured for action to be taken")
    if m.now() - payment["created_at"] > REFUNDABLE_SECONDS:
        raise plain_refusal("The payment is older than 6 months and cannot be refunded.")
    left = int(payment["amount"] - payment["amount_refunded"])
    amount = integer_of(given, "amount") if "amount" in given else left
    if amount < 1 or (payment["currency"] == "INR" and amount < 100 and given.get("speed") != "optimum"):
        raise RazorpayError("The amount must be at least INR 1.00", field="amount")
    if amount > left:
        raise RazorpayError("The refund amount provided is greater than amount captured.", field="amount")
    return amount


def _count(payment: Json, amount: int) -> None:
    """`amount_refunded` counts a refund from its creation."""
    payment["amount_refunded"] += amount
    is_full = payment["amount_refunded"] == payment["amount"]
    payment["refund_status"] = "full" if is_full else "partial" if payment["amount_refunded"] else None
    payment["status"] = "refunded" if is_full else "captured"


def _process_if_pending(m: Merchant, made: Json) -> None:
    if made["status"] == "pending":
        process_refund(m, made)


def process_refund(m: Merchant, made: Json) -> None:
    if made["status"] != "pending":
        raise ValueError(f"this refund is {made['status']}")
    made |= {"status": "processed", "acquirer_data": {"arn": f"{secrets.randbelow(10**11):011}"}}
    made["speed_processed"] = "instant" if made["speed_requested"] == "optimum" else "normal"
    m.emit("refund.processed", refund=made, payment=m.objects[made["payment_id"]])


def slow_refund(m: Merchant, made: Json) -> None:
    """An instant refund falls back to normal speed."""
    if made["status"] != "pending" or made["speed_requested"] != "optimum":
        raise ValueError("only a pending refund at optimum speed can fall back")
    made["speed_processed"] = "normal"
    m.emit("refund.speed_changed", refund=made, payment=m.objects[made["payment_id"]])


def fail_refund(m: Merchant, made: Json) -> None:
    """Also after processed. The payment inside the event still counts it; right after it does not."""
    if made["status"] == "failed":
        raise ValueError("this refund has failed already")
    made["status"] = "failed"
    payment = m.objects[made["payment_id"]]
    m.emit("refund.failed", refund=made, payment=payment)
    _count(payment, -made["amount"])


# --- disputes ------------------------------------------------------------------------------------------------------


def open_dispute(m: Merchant, payment: Json, *, amount: int | None, phase: str, reason: str) -> Json:
    if phase not in PHASES:
        raise ValueError(f"phase is one of {', '.join(PHASES)}")
    if not payment["captured"]:
        raise ValueError("only captured payments are disputed")
    wanted = payment["amount"] if amount is None else amount
    if not 0 < wanted <= payment["amount"]:
        raise ValueError(f"a dispute is about at most {payment['amount']}")
    made = m.add(
        "disp",
        payment_id=payment["id"],
        amount=wanted,
        currency=payment["currency"],
        amount_deducted=0,
        reason_code=reason,
        respond_by=m.now() + _RESPOND_SECONDS,
        status="open",
        phase=phase,
        evidence={"amount": wanted, "summary": None, "submitted_at": None},
    )
    m.emit("payment.dispute.created", payment=payment, dispute=made)
    return made


def move_dispute(m: Merchant, dispute: Json, status: str, *, event: str | None = None) -> None:
    if dispute["status"] in ("won", "lost", "closed"):
        raise ValueError(f"this dispute is {dispute['status']} already")
    if status == "closed" and dispute["phase"] != "fraud":
        raise ValueError("only disputes in the fraud phase are closed without a verdict")
    dispute["status"] = status
    if status == "lost":
        dispute["amount_deducted"] = dispute["amount"]
    m.emit(f"payment.dispute.{event or status}", payment=m.objects[dispute["payment_id"]], dispute=dispute)


def contest(m: Merchant, dispute: Json, given: Json) -> Json:
    if dispute["status"] != "open":
        raise plain_refusal("Dispute is not in open status")
    if given.get("action", "draft") not in ("draft", "submit"):
        raise RazorpayError("The action must be draft or submit.", field="action")
    dispute["evidence"] |= {name: value for name, value in given.items() if name != "action"}
    if given.get("action") == "submit":
        dispute["evidence"]["submitted_at"] = m.now()
        move_dispute(m, dispute, "under_review")
    return dispute


# --- settlements ---------------------------------------------------------------------------------------------------


def settle(m: Merchant) -> Json:
    """Pay out to the merchant what was taken and given back since the last time; always INR."""
    rows = [row for row in recon_rows(m) if not row["settled"]]
    if not rows:
        raise ValueError("there is nothing to settle")
    made = m.add(
        "setl",
        amount=sum(row["credit"] - row["debit"] for row in rows),
        status="processed",
        fees=sum(row["fee"] for row in rows),
        tax=sum(row["tax"] for row in rows),
        utr=str(secrets.randbelow(10**12)),
    )
    for row in rows:
        m.hidden[row["entity_id"]]["settlement"] = made["id"]
    m.emit("settlement.processed", settlement=made)
    return made


def recon_rows(m: Merchant) -> list[Json]:
    """One row a captured payment and a processed refund, oldest first."""
    kept = [one for one in m.objects.values() if _is_reconciled(one)]
    return [_recon_row(m, one) for one in kept]


def _is_reconciled(one: Json) -> bool:
    return bool(one.get("captured")) or (one["id"].startswith("rfnd_") and one["status"] == "processed")


def _recon_row(m: Merchant, one: Json) -> Json:
    is_payment = one["id"].startswith("pay_")
    payment = one if is_payment else m.objects[one["payment_id"]]
    order = m.objects.get(payment["order_id"] or "", {})
    setl = m.objects.get(m.hidden[one["id"]].get("settlement", ""))
    fee, tax = (int(one["fee"]), int(one["tax"])) if is_payment else (0, 0)
    value = int(one.get("base_amount", one["amount"]))
    row: dict[str, Any] = {
        "entity_id": one["id"],
        "type": "payment" if is_payment else "refund",
        "debit": 0 if is_payment else value,
        "credit": value - fee if is_payment else 0,
        "amount": one["amount"],
        "currency": one["currency"],
        "fee": fee,
        "tax": tax,
        "on_hold": False,
        "settled": setl is not None,
        "created_at": one["created_at"],
        "settled_at": setl["created_at"] if setl else None,
        "settlement_id": setl["id"] if setl else None,
        "settlement_utr": setl["utr"] if setl else None,
        "payment_id": None if is_payment else payment["id"],
        "order_id": payment["order_id"],
        "order_receipt": order.get("receipt"),
        "method": payment["method"],
        "dispute_id": None,
        "notes": one["notes"] or None,
        "description": payment["description"],
    }
    return row
