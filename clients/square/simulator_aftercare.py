"""What happens to money that the simulated Square took: refunds, disputes, payouts (sections 9 and 11)."""

from __future__ import annotations

from typing import Any, Final

from clients.square.simulator_payments import SETTLE_SECONDS, captured_of, check_token
from clients.square.simulator_seller import Seller
from clients.square.simulator_wire import Json, SquareError, characters, check_members, iso, money, money_of, text_of

REFUNDABLE_SECONDS: Final = 365 * 24 * 3600.0
MOST_REFUNDS: Final = 20
REFUND_MODES: Final = ("pending", "hold")
REASONS: Final = (
    "AMOUNT_DIFFERS CANCELLED DUPLICATE NO_KNOWLEDGE NOT_AS_DESCRIBED NOT_RECEIVED PAID_BY_OTHER_MEANS "
    "CUSTOMER_REQUESTS_CREDIT EMV_LIABILITY_SHIFT"
).split()
_OPEN: Final = ("INQUIRY_EVIDENCE_REQUIRED", "EVIDENCE_REQUIRED", "INQUIRY_PROCESSING", "PROCESSING")
_EVIDENCE_SECONDS: Final = 7 * 24 * 3600.0


# --- refunds -------------------------------------------------------------------------------------------------------


def refund(s: Seller, given: Json) -> Json:
    """Pending at first; cash and recorded payments complete at once."""
    known = "idempotency_key amount_money payment_id reason payment_version_token app_fee_money"
    check_members(given, known)
    reason = text_of(given, "reason", longest=192)
    payment = s.get("payment", text_of(given, "payment_id", longest=192, is_needed=True))
    amount = money_of(given.get("amount_money"), "amount_money", currency=s.currency, least=0)
    check_token(payment, given.get("payment_version_token"), field="payment_version_token")
    _check_refundable(s, payment, amount)
    made = s.add(
        "refund",
        f"{payment['id']}_{characters(27)}",
        status="PENDING",
        amount_money=money(amount, s.currency),
        payment_id=payment["id"],
        order_id=characters(27),  # its own, not the payment's
        location_id=s.location_id,
        destination_type=payment["source_type"],
    )
    made |= {"reason": reason} if reason else {}
    _count(s, payment, amount, made["id"])
    s.emit("refund.created", "refund", made)
    s.emit("payment.updated", "payment", payment)
    if payment["source_type"] in ("CASH", "EXTERNAL"):
        end_refund(s, made, "COMPLETED")
    elif s.refund_mode == "pending":
        s.later(SETTLE_SECONDS, lambda: _complete_if_pending(s, made))
    return made


def _check_refundable(s: Seller, payment: Json, amount: int) -> None:
    if payment["status"] != "COMPLETED":
        raise _refused("REFUND_ERROR_PAYMENT_NEEDS_COMPLETION", "The payment is not completed.")
    if s.now() - s.hidden[payment["id"]]["made_at"] > REFUNDABLE_SECONDS:
        raise _refused("PAYMENT_NOT_REFUNDABLE", "The payment is too old.")
    if any(
        one["disputed_payment"]["payment_id"] == payment["id"] and one["state"] in _OPEN for one in s.all("dispute")
    ):
        raise _refused("PAYMENT_NOT_REFUNDABLE_DUE_TO_DISPUTE", "The payment is disputed.")
    planned = s.hidden[payment["id"]].pop("next_refund", None)
    if planned:
        raise _refused(planned, "Simulated refusal.")
    collected = captured_of(payment) + payment.get("tip_money", {}).get("amount", 0)
    given_back = payment.get("refunded_money", {}).get("amount", 0)
    if not 0 < amount <= collected - given_back or len(payment.get("refund_ids", [])) >= MOST_REFUNDS:
        raise _refused("REFUND_AMOUNT_INVALID", "The requested refund amount exceeds what is left to refund.")


def _refused(code: str, detail: str) -> SquareError:
    return SquareError(code, detail, category="REFUND_ERROR", field="amount_money")


def _count(s: Seller, payment: Json, amount: int, name: str | None = None) -> None:
    """`refunded_money` counts a refund from its creation."""
    total = payment.get("refunded_money", {}).get("amount", 0) + amount
    ids = [*payment.get("refund_ids", []), *([name] if name else [])]
    s.change(payment, refunded_money=money(total, s.currency), refund_ids=ids)


def _complete_if_pending(s: Seller, made: Json) -> None:
    if made["status"] == "PENDING":
        end_refund(s, made, "COMPLETED")


def end_refund(s: Seller, made: Json, status: str) -> None:
    if made["status"] != "PENDING":
        raise ValueError(f"this refund is {made['status']}")
    s.change(made, status=status)
    s.emit("refund.updated", "refund", made)
    payment = s.objects["payment"][made["payment_id"]]
    if status != "COMPLETED":
        _count(s, payment, -made["amount_money"]["amount"])
        s.emit("payment.updated", "payment", payment)


# --- disputes ------------------------------------------------------------------------------------------------------


def open_dispute(s: Seller, payment: Json, *, amount: int | None, reason: str, is_inquiry: bool) -> Json:
    if reason not in REASONS:
        raise ValueError(f"reason is one of {', '.join(REASONS)}")
    if payment["status"] != "COMPLETED":
        raise ValueError("only completed payments are disputed")
    name = characters(22)
    made = s.add(
        "dispute",
        name,
        dispute_id=name,
        amount_money=money(captured_of(payment) if amount is None else amount, s.currency),
        reason=reason,
        state="INQUIRY_EVIDENCE_REQUIRED" if is_inquiry else "EVIDENCE_REQUIRED",
        due_at=iso(s.now() + _EVIDENCE_SECONDS),
        reported_at=iso(s.now()),
        disputed_payment={"payment_id": payment["id"]},
        evidence_ids=[],
        card_brand="VISA",
        brand_dispute_id=characters(12),
        location_id=s.location_id,
    )
    s.emit("dispute.created", "dispute", made)
    return made


def dispute_by_amount(s: Seller, payment: Json) -> None:
    """Section 14: in the sandbox a card payment of 8801 to 8809 is disputed for the nine reasons in order."""
    number = payment["amount_money"]["amount"] - 8801
    if s.mode == "test" and payment["source_type"] == "CARD" and 0 <= number < len(REASONS):
        open_dispute(s, payment, amount=None, reason=REASONS[number], is_inquiry=False)


def move_dispute(s: Seller, dispute: Json, state: str) -> Json:
    if dispute["state"] not in _OPEN:
        raise ValueError(f"this dispute is {dispute['state']}")
    s.change(dispute, state=state)
    s.emit("dispute.state.updated", "dispute", dispute)
    return dispute


def win_dispute(s: Seller, dispute: Json) -> None:
    move_dispute(s, dispute, "INQUIRY_CLOSED" if dispute["state"].startswith("INQUIRY") else "WON")


def add_evidence(s: Seller, dispute: Json, **members: Any) -> Json:
    if dispute["state"] not in _OPEN[:2]:
        raise SquareError("INVALID_STATE", f"The dispute is {dispute['state']}.")
    made = s.add("evidence", characters(22), dispute_id=dispute["id"], **members)
    s.change(dispute, evidence_ids=[*dispute["evidence_ids"], made["id"]])
    s.emit("dispute.evidence.created", "dispute", dispute)
    return made


# --- payouts -------------------------------------------------------------------------------------------------------


def pay_out(s: Seller, *, will_fail: bool = False) -> Json:
    """Square pays the seller what came in since the last time, less fees and refunds."""
    entries = _entries(s)
    if not entries:
        raise ValueError("there is nothing to pay out")
    total = sum(row["net_amount_money"]["amount"] for row in entries)
    made = s.add(
        "payout",
        f"po_{characters(32)}",
        status="SENT",
        location_id=s.location_id,
        amount_money=money(total, s.currency),
        destination={"type": "BANK_ACCOUNT", "id": f"bact:{characters(20)}"},
        type="BATCH",
        payout_fee=[],
        arrival_date=iso(s.now() + 24 * 3600)[:10],
        end_to_end_id=characters(16),
    )
    s.hidden[made["id"]]["entries"] = [row | {"payout_id": made["id"]} for row in entries]
    _tell_payout(s, "payout.sent", made)
    s.later(SETTLE_SECONDS, lambda: _end_payout(s, made, "FAILED" if will_fail else "PAID"))
    return made


def _end_payout(s: Seller, payout: Json, status: str) -> None:
    s.change(payout, status=status)
    _tell_payout(s, f"payout.{status.lower()}", payout)


def _tell_payout(s: Seller, event: str, payout: Json) -> None:
    """Events spell the currency otherwise than the API."""
    amount = payout["amount_money"]
    told = payout | {"amount_money": {"amount": amount["amount"], "currency_code": amount["currency"]}}
    s.emit(event, "payout", told)


def _entries(s: Seller) -> list[Json]:
    rows = []
    for kind, word in (("payment", "CHARGE"), ("refund", "REFUND")):
        for one in s.objects.get(kind, {}).values():
            if one["status"] == "COMPLETED" and not s.hidden[one["id"]].get("is_paid_out"):
                s.hidden[one["id"]]["is_paid_out"] = True
                rows.append(_entry(s, one, word))
    return rows


def _entry(s: Seller, one: Json, word: str) -> Json:
    gross = captured_of(one) if word == "CHARGE" else -one["amount_money"]["amount"]
    fee = sum(row["amount_money"]["amount"] for row in one.get("processing_fee", []))
    return {
        "id": f"poe_{characters(32)}",
        "effective_at": one["updated_at"],
        "type": word,
        "gross_amount_money": money(gross, s.currency),
        "fee_amount_money": money(fee, s.currency),
        "net_amount_money": money(gross - fee, s.currency),
        f"type_{word.lower()}_details": {f"{'payment' if word == 'CHARGE' else 'refund'}_id": one["id"]},
    }
