"""What comes after a payment at the simulated Stripe: refunds, disputes, early fraud warnings (sections 9 and 11)."""

from __future__ import annotations

from typing import Final

from clients.stripe.simulator_cards import CARDS
from clients.stripe.simulator_merchant import Merchant
from clients.stripe.simulator_money import check_steps, to_major
from clients.stripe.simulator_wire import Json, StripeError, missing

REFUND_SECONDS: Final = 2.0  # until a pending refund settles, or a bad one fails
DISPUTE_FEE: Final = 1500
DISPUTE_DAYS: Final = 14


def charge_to_refund(m: Merchant, given: Json) -> Json:
    """The charge that a refund call names. Raises StripeError where there is none that could be refunded."""
    if bool(given.get("payment_intent")) == bool(given.get("charge")):
        raise StripeError("You must provide exactly one of payment_intent and charge.", code="parameter_missing")
    if given.get("charge"):
        return m.get("charge", given["charge"], param="charge")
    intent = m.get("payment_intent", given["payment_intent"], param="payment_intent")
    if intent["latest_charge"] is None:
        raise StripeError("This PaymentIntent does not have a successful charge to refund.", is_stored=True)
    return m.objects[intent["latest_charge"]]


def create_refund(m: Merchant, charge: Json, given: Json) -> Json:
    left = _refundable(m, charge)
    amount = given.get("amount", left)
    if amount < 1:
        raise StripeError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    check_steps(amount, charge["currency"])
    if amount > left:
        raise StripeError(
            f"Refund amount ({to_major(amount, charge['currency'])}) is greater than unrefunded amount on charge "
            f"({to_major(left, charge['currency'])})",
            param="amount",
            is_stored=True,
        )
    refund = _new_refund(m, charge, amount, given)
    card = CARDS.get(m.hidden.get(charge["payment_intent"], {}).get("card") or "", CARDS["pm_card_visa"])
    if card.refund == "pending":
        refund |= {"status": "pending", "pending_reason": "processing"}
        refund["destination_details"]["card"]["type"] = "pending"
    _raise_refunded(charge, amount)
    if refund["status"] == "succeeded":
        _post_refund(m, refund)
    m.emit("refund.created", refund)
    m.emit("charge.refunded", charge)
    if card.refund == "pending":
        m.later(REFUND_SECONDS, lambda: succeed_refund(m, refund))
    elif card.refund == "fails_later":
        m.later(REFUND_SECONDS, lambda: fail_refund(m, refund))
    else:
        _give_reference(m, refund)
    return refund


def _refundable(m: Merchant, charge: Json) -> int:
    if any(
        dispute["status"] in ("needs_response", "under_review", "lost")
        for dispute in m.find("dispute", charge=charge["id"])
    ):
        raise StripeError("This charge has been charged back.", code="charge_disputed", is_stored=True)
    if not charge["captured"]:
        raise StripeError("This charge was never captured; cancel its PaymentIntent instead.", is_stored=True)
    left = int(charge["amount_captured"] - charge["amount_refunded"])
    if left == 0:
        raise StripeError(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded", is_stored=True
        )
    return left


def _new_refund(m: Merchant, charge: Json, amount: int, given: Json) -> Json:
    return m.add(
        "re",
        "refund",
        amount=amount,
        balance_transaction=None,
        charge=charge["id"],
        currency=charge["currency"],
        destination_details={"card": {"reference_status": "pending", "type": "refund"}, "type": "card"},
        metadata=given.get("metadata") or {},
        payment_intent=charge["payment_intent"],
        reason=given.get("reason"),
        receipt_number=None,
        status="succeeded",
    )


def _raise_refunded(charge: Json, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]


def _post_refund(m: Merchant, refund: Json) -> None:
    posted = m.post(refund["currency"], -refund["amount"], kind="refund", source=refund["id"])
    refund["balance_transaction"] = posted["id"]


def _give_reference(m: Merchant, refund: Json) -> None:
    card = refund["destination_details"]["card"]
    previous = {"destination_details": {"card": dict(card)}}
    refund["destination_details"] = {
        "card": {**card, "reference": f"ARN{refund['id'][-10:]}", "reference_status": "available", "type": "refund"},
        "type": "card",
    }
    m.emit("refund.updated", refund, previous=previous)


def succeed_refund(m: Merchant, refund: Json) -> None:
    """A pending refund goes out. Nothing happens to one that is not pending."""
    if refund["status"] != "pending":
        return
    refund["status"] = "succeeded"
    refund.pop("pending_reason", None)
    _post_refund(m, refund)
    m.emit("refund.updated", refund, previous={"status": "pending"})


def fail_refund(m: Merchant, refund: Json, *, reason: str = "expired_or_canceled_card") -> None:
    """The bank sends the money back, also after `succeeded`: the charge counts as less refunded again."""
    if refund["status"] not in ("pending", "succeeded"):
        return
    previous = {"status": refund["status"]}
    refund |= {"status": "failed", "failure_reason": reason}
    refund.pop("pending_reason", None)
    if refund["balance_transaction"]:
        posted = m.post(refund["currency"], refund["amount"], kind="refund_failure", source=refund["id"])
        refund["failure_balance_transaction"] = posted["id"]
    charge = m.objects[refund["charge"]]
    was = {"amount_refunded": charge["amount_refunded"], "refunded": charge["refunded"]}
    _raise_refunded(charge, -refund["amount"])
    m.emit("refund.failed", refund)
    m.emit("refund.updated", refund, previous=previous)
    m.emit("charge.updated", charge, previous=was)


# --- disputes ------------------------------------------------------------------------------------------------------


def open_dispute(
    m: Merchant, charge: Json, *, amount: int | None = None, reason: str = "fraudulent", is_inquiry: bool = False
) -> Json:
    """The payer's bank asks for the money back. An inquiry only asks: no money is taken."""
    if not charge["captured"]:
        raise ValueError("only captured money can be disputed")
    dispute = m.add(
        "du",
        "dispute",
        amount=charge["amount_captured"] if amount is None else amount,
        balance_transactions=[],
        charge=charge["id"],
        currency=charge["currency"],
        evidence={},
        evidence_details={"due_by": m.now() + DISPUTE_DAYS * 24 * 3600, "has_evidence": False, "submission_count": 0},
        is_charge_refundable=is_inquiry,
        metadata={},
        payment_intent=charge["payment_intent"],
        reason=reason,
        status="warning_needs_response" if is_inquiry else "needs_response",
    )
    charge["disputed"] = charge["disputed"] or not is_inquiry  # stays true, also when the dispute is won
    if is_inquiry:
        m.emit("charge.dispute.created", dispute)
        return dispute
    _post_dispute(m, dispute, -dispute["amount"], fee=DISPUTE_FEE)
    m.emit("charge.dispute.created", dispute)
    m.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def update_dispute(m: Merchant, dispute: Json, given: Json) -> None:
    """Evidence by the API: kept, and with `submit` sent to the bank. Raises StripeError where it is too late."""
    if dispute["status"] not in ("needs_response", "warning_needs_response"):
        raise StripeError(f"This dispute is {dispute['status']}; evidence is taken no more.", is_stored=True)
    evidence = given.get("evidence") or {}
    dispute["evidence"] = {**dispute["evidence"], **evidence}
    dispute["evidence_details"]["has_evidence"] = bool(dispute["evidence"])
    if given.get("metadata"):
        dispute["metadata"] = {**dispute["metadata"], **given["metadata"]}
    if given.get("submit"):
        answer_dispute(m, dispute)


def concede_dispute(m: Merchant, dispute: Json) -> None:
    """`POST .../close`: lost, for good. Raises StripeError where there is nothing left to concede."""
    if dispute["status"] in ("won", "lost", "warning_closed", "prevented"):
        raise StripeError("This dispute is already closed.", is_stored=True)
    close_dispute(m, dispute, is_won=False)


def answer_dispute(m: Merchant, dispute: Json) -> None:
    """Evidence was sent: the bank looks at it."""
    was = dispute["status"]
    dispute["status"] = "warning_under_review" if was.startswith("warning_") else "under_review"
    dispute["evidence_details"] |= {"has_evidence": True, "submission_count": 1}
    m.emit("charge.dispute.updated", dispute, previous={"status": was})


def close_dispute(m: Merchant, dispute: Json, *, is_won: bool) -> None:
    if dispute["status"] in ("won", "lost", "warning_closed"):
        raise ValueError(f"this dispute is {dispute['status']} already")
    if dispute["status"].startswith("warning_"):
        dispute["status"] = "warning_closed"
        m.emit("charge.dispute.closed", dispute)
        return
    dispute["status"] = "won" if is_won else "lost"
    if is_won:
        _post_dispute(m, dispute, dispute["amount"], fee=-DISPUTE_FEE)
    m.emit("charge.dispute.closed", dispute)
    if is_won:
        m.emit("charge.dispute.funds_reinstated", dispute)


def _post_dispute(m: Merchant, dispute: Json, amount: int, *, fee: int) -> None:
    posted = m.post(dispute["currency"], amount, fee=fee, kind="adjustment", source=dispute["id"])
    dispute["balance_transactions"] = [*dispute["balance_transactions"], dict(posted)]


def latest_dispute(m: Merchant, charge: Json) -> Json:
    found = next(m.find("dispute", charge=charge["id"]), None)
    if found is None:
        raise ValueError("this payment has no dispute")
    return found


def warn_of_fraud(m: Merchant, charge: Json) -> Json:
    warning = m.add(
        "issfr",
        "radar.early_fraud_warning",
        actionable=True,
        charge=charge["id"],
        fraud_type="unauthorized_use_of_card",
        payment_intent=charge["payment_intent"],
    )
    m.emit("radar.early_fraud_warning.created", warning)
    return warning


def refund_named(m: Merchant, name: str) -> Json:
    refund = m.objects.get(name)
    if refund is None or refund["object"] != "refund":
        raise missing("refund", name)
    return refund
