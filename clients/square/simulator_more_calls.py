"""The calls about customers, cards, disputes, payouts and webhooks of the simulated Square (sections 6, 10, 11)."""

from __future__ import annotations

import uuid
from typing import Final

from clients.square import simulator_aftercare as aftercare
from clients.square import simulator_payments as payments
from clients.square.simulator_calls import SOURCES, Call, listed
from clients.square.simulator_wire import (
    Json,
    SquareError,
    capitals,
    characters,
    check_members,
    group_of,
    missing,
    text_of,
)

CARD_FROM_PAYMENT_SECONDS: Final = 24 * 3600.0  # Unconfirmed
_NAMES: Final = ("given_name", "family_name", "company_name", "email_address", "phone_number")


# --- customers and cards -------------------------------------------------------------------------------------------


def create_customer(call: Call) -> Json:
    check_members(call.body, "idempotency_key reference_id note address birthday nickname " + " ".join(_NAMES))
    if not any(call.body.get(name) for name in _NAMES):
        raise SquareError("BAD_REQUEST", "At least one of the names, email_address or phone_number is needed.")
    text_of(call.body, "reference_id", longest=100)
    kept = {name: value for name, value in call.body.items() if name != "idempotency_key"}
    return {"customer": call.s.add("customer", capitals(26), **kept)}


def get_customer(call: Call) -> Json:
    return {"customer": call.s.get("customer", call.name)}


def list_customers(call: Call) -> Json:
    return listed(call, "customer", "customers", list(call.s.all("customer")))


def create_card(call: Call) -> Json:
    check_members(call.body, "idempotency_key source_id verification_token card")
    text_of(call.body, "idempotency_key", longest=45, is_needed=True)
    source = text_of(call.body, "source_id", longest=300, is_needed=True)
    known = "customer_id cardholder_name billing_address reference_id exp_month exp_year"
    given = group_of(call.body, "card", known)
    customer = text_of(given, "customer_id", longest=192, prefix="card.", is_needed=True)
    text_of(given, "reference_id", longest=128, prefix="card.")
    if customer not in call.s.objects.get("customer", {}):
        raise SquareError("CUSTOMER_NOT_FOUND", "The customer was not found.", field="card.customer_id", status=404)
    _check_source(call, source, customer)
    kept = {name: given[name] for name in ("cardholder_name", "billing_address", "reference_id") if name in given}
    made = call.s.add(
        "card",
        f"ccof:{characters(24)}",
        **payments.card_details(),
        **kept,
        customer_id=customer,
        merchant_id=call.s.merchant_id,
        enabled=True,
    )
    call.s.emit("card.created", "card", made)
    return {"card": made}


def _check_source(call: Call, source: str, customer: str) -> None:
    payment = call.s.objects.get("payment", {}).get(source)
    if payment is None:
        if source == "cnon:card-nonce-already-used":
            raise SquareError("SOURCE_USED", "The source was used already.", field="source_id")
        if not source.startswith("cnon:card-nonce-") or source not in SOURCES:
            raise SquareError("INVALID_CARD", "The source is no card.", field="source_id")
        if SOURCES[source] is not None:
            raise SquareError("INVALID_CARD", str(SOURCES[source]), category="PAYMENT_METHOD_ERROR")
        return
    if payment.get("customer_id") != customer or payment["status"] != "COMPLETED":
        raise SquareError("INVALID_CARD", "The payment is not a completed one of this customer.", field="source_id")
    if call.s.now() - call.s.hidden[source]["made_at"] > CARD_FROM_PAYMENT_SECONDS:
        raise SquareError("SOURCE_EXPIRED", "The payment is too old.", field="source_id")


def get_card(call: Call) -> Json:
    return {"card": call.s.get("card", call.name)}


def list_cards(call: Call) -> Json:
    """Disabled ones only where they are asked for."""
    wanted, is_all = call.query.get("customer_id"), call.query.get("include_disabled") == "true"
    rows = [one for one in call.s.all("card") if wanted in (None, one["customer_id"]) and (is_all or one["enabled"])]
    return listed(call, "card", "cards", rows)


def disable_card(call: Call) -> Json:
    card = call.s.change(call.s.get("card", call.name), enabled=False)
    call.s.emit("card.disabled", "card", card)
    return {"card": card}


# --- disputes ------------------------------------------------------------------------------------------------------


def list_disputes(call: Call) -> Json:
    wanted = call.query.get("states")
    rows = [one for one in call.s.all("dispute") if wanted is None or one["state"] in wanted.split(",")]
    return listed(call, "dispute", "disputes", rows)


def get_dispute(call: Call) -> Json:
    return {"dispute": call.s.get("dispute", call.name)}


def accept_dispute(call: Call) -> Json:
    return {"dispute": _moved(call, "ACCEPTED")}


def submit_evidence(call: Call) -> Json:
    dispute = call.s.get("dispute", call.name)
    return {"dispute": _moved(call, "INQUIRY_PROCESSING" if dispute["state"].startswith("INQUIRY") else "PROCESSING")}


def _moved(call: Call, state: str) -> Json:
    dispute = call.s.get("dispute", call.name)
    if not dispute["state"].endswith("EVIDENCE_REQUIRED"):
        raise SquareError("INVALID_STATE", f"The dispute is {dispute['state']}.")
    return aftercare.move_dispute(call.s, dispute, state)


def add_text(call: Call) -> Json:
    check_members(call.body, "idempotency_key evidence_type evidence_text")
    text = text_of(call.body, "evidence_text", longest=500, is_needed=True)
    kind = call.body.get("evidence_type", "GENERIC_EVIDENCE")
    made = aftercare.add_evidence(call.s, call.s.get("dispute", call.name), evidence_text=text, evidence_type=kind)
    return {"evidence": made}


def add_file(call: Call) -> Json:
    """A multipart upload, of which only the fact is kept."""
    made = aftercare.add_evidence(call.s, call.s.get("dispute", call.name), evidence_file={"filename": "evidence"})
    return {"evidence": made}


def list_evidence(call: Call) -> Json:
    dispute = call.s.get("dispute", call.name)
    rows = [one for one in call.s.all("evidence") if one["dispute_id"] == dispute["id"]]
    return listed(call, "evidence", "evidence", rows)


# --- payouts and webhooks ------------------------------------------------------------------------------------------


def list_payouts(call: Call) -> Json:
    return listed(call, "payout", "payouts", list(call.s.all("payout")))


def get_payout(call: Call) -> Json:
    return {"payout": call.s.get("payout", call.name)}


def list_entries(call: Call) -> Json:
    payout = call.s.get("payout", call.name)
    return listed(call, "payout_entry", "payout_entries", call.s.hidden[payout["id"]]["entries"])


def test_webhook(call: Call) -> Json:
    """Any subscription name goes: there is one for each account here."""
    if not call.name:
        raise missing("subscription_id")
    number = str(uuid.uuid4())
    call.s.send_event("webhooks.test_notification", {"type": "webhooks", "id": number})
    return {"subscription_test_result": {"id": number, "status_code": 200, "payload": ""}}
