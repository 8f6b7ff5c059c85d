"""Every row of the protocol page's status map (§13), and what is sent, without any I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from clients.stripe import disputes, facts, translate
from clients.stripe.money import CURRENCIES_TAKEN, MINIMUMS, Amounts, to_wire
from core.gateways.errors import RequestRejected
from core.gateways.types import (
    Attention,
    CaptureMode,
    CustomerDetails,
    Decline,
    DisputeStatus,
    Fraud,
    FraudStatus,
    Method,
    Mode,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Redirect,
    RefundRequest,
    RefundStatus,
    Report,
    Subject,
)
from core.money import CURRENCIES, Money
from tests.clients.stripe.objects import (
    charge,
    declined,
    dispute,
    intent,
    load,
    refund,
    session,
    session_intent,
    setup_intent,
    setup_session,
)

REFERENCE = "PAY_20261120183005_1a2b3c4d_1"


def request(**changes: Any) -> PaymentRequest:
    given: dict[str, Any] = {
        "reference": REFERENCE,
        "amount": Money(1299, "EUR"),
        "idempotency_key": "key-1",
        "webhook_url": "https://pay.example.com/hook",
        "return_url": "https://pay.example.com/p/abc",
    }
    return PaymentRequest(**{**given, **changes})


def session_report(**changes: Any) -> Report:
    report = translate.read_session(session(**changes))
    assert report is not None
    return report


def facts_of(report: Report) -> tuple[Any, ...]:
    return report.status, report.authorized_minor, report.captured_minor, report.refunded_minor


# --- money --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "wire"),
    [
        (Money(740, "JPY"), 740),
        (Money(2399, "HUF"), 2399),
        (Money(2399, "TWD"), 2399),
        (Money(8730, "KWD"), 8730),
        (Money(9, "UGX"), 900),
        (Money(3, "ISK"), 300),
        (Money(30000, "MGA"), 300),
        (Money(1, "USD"), 1),
    ],
    ids=str,
)
def test_amounts_are_sent_and_read_in_stripes_units(amount: Money, wire: int) -> None:
    assert to_wire(amount) == wire
    assert Amounts(amount.asset.lower()).minor(wire) == amount.minor


@pytest.mark.parametrize(
    "amount",
    [Money(8731, "KWD"), Money(1005, "TND"), Money(150, "MGA"), Money(1000, "IQD"), Money(1000, "LYD"),
     Money(1, "BTC"), Money(0, "EUR"), Money(-5, "EUR")],
    ids=str,
)  # fmt: skip
def test_amounts_that_stripe_cannot_take_are_refused_before_sending(amount: Money) -> None:
    with pytest.raises(RequestRejected):
        to_wire(amount)


@pytest.mark.parametrize(
    ("currency", "wire"), [("ugx", 950), ("isk", 1), ("eur", -1), ("eur", True), ("eur", "12"), ("zzz", 5), (None, 5)]
)
def test_an_amount_without_an_exact_form_is_a_mismatch(currency: str | None, wire: Any) -> None:
    amounts = Amounts(currency)
    assert amounts.minor(wire) is None
    assert amounts.attention is Attention.MISMATCH


def test_every_currency_taken_is_iso_and_has_the_page_s_exponent() -> None:
    zero = "BIF CLP DJF GNF JPY KMF KRW PYG RWF VND VUV XAF XOF XPF UGX ISK".split()
    three = "BHD JOD KWD OMR TND".split()
    assert {one for one in CURRENCIES_TAKEN if CURRENCIES[one] == 0} == set(zero)
    assert {one for one in CURRENCIES_TAKEN if CURRENCIES[one] == 3} == set(three)
    assert {CURRENCIES[one] for one in CURRENCIES_TAKEN} == {0, 2, 3}
    assert (MINIMUMS["USD"], MINIMUMS["EUR"], MINIMUMS["GBP"], MINIMUMS["JPY"]) == (50, 50, 30, 50)


# --- building -----------------------------------------------------------------------------------------------------


def test_a_session_says_only_what_was_asked() -> None:
    assert translate.build_session(request()) == {
        "mode": "payment",
        "line_items": [
            {
                "price_data": {
                    "currency": "eur",
                    "unit_amount": 1299,
                    "product_data": {"name": f"Payment {REFERENCE}"},
                },
                "quantity": 1,
            }
        ],
        "success_url": "https://pay.example.com/p/abc?session_id={CHECKOUT_SESSION_ID}",
        "client_reference_id": REFERENCE,
        "metadata": {"payment_id": REFERENCE},
        "payment_intent_data": {"metadata": {"payment_id": REFERENCE, "shape": "session"}},
    }


def test_a_session_says_all_that_was_asked() -> None:
    asked = request(
        return_url="https://pay.example.com/p/abc?lang=tr#top",
        cancel_url="https://pay.example.com/no",
        description="Two tickets",
        customer=CustomerDetails(email="ada@example.com"),
        capture=CaptureMode.MANUAL,
        metadata={"seat": "A1"},
    )
    params = translate.build_session(asked, expires_at=1795180000)
    assert params["success_url"] == "https://pay.example.com/p/abc?lang=tr&session_id={CHECKOUT_SESSION_ID}#top"
    assert params["cancel_url"] == "https://pay.example.com/no"
    assert params["customer_email"] == "ada@example.com"
    assert params["expires_at"] == 1795180000
    assert params["line_items"][0]["price_data"]["product_data"] == {"name": "Two tickets"}
    assert params["payment_intent_data"] == {
        "metadata": {"payment_id": REFERENCE, "seat": "A1", "shape": "session"},
        "capture_method": "manual",
        "description": "Two tickets",
    }


def test_an_intent_says_only_what_was_asked_and_its_extras() -> None:
    extras = {"automatic_payment_methods": {"enabled": True}}
    assert translate.build_intent(request(), customer=None, extras=extras) == {
        "amount": 1299,
        "currency": "eur",
        "metadata": {"payment_id": REFERENCE},
        "automatic_payment_methods": {"enabled": True},
    }


def test_metadata_of_the_caller_is_cut_to_what_stripe_takes_and_never_replaces_ours() -> None:
    given = {
        "payment_id": "mine",
        "shape": "x",
        "refund_id": "y",
        "a[b]": "1",
        "k" * 41: "1",
        "long": "v" * 600,
        "": "1",
    }
    given.update({f"key{number}": "v" for number in range(60)})
    params = translate.build_session(request(metadata=given))
    kept = params["metadata"]
    assert kept["payment_id"] == REFERENCE
    assert kept["long"] == "v" * 500
    assert len(kept) == 49
    assert not {"shape", "refund_id", "a[b]", "k" * 41, ""} & set(kept)
    assert len(params["payment_intent_data"]["metadata"]) == 50
    assert params["payment_intent_data"]["metadata"]["shape"] == "session"


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        (None, {"metadata": {"refund_id": "REF_1", "payment_id": REFERENCE}}),
        ("duplicate", {"reason": "duplicate", "metadata": {"refund_id": "REF_1", "payment_id": REFERENCE}}),
        ("too small", {"metadata": {"refund_id": "REF_1", "payment_id": REFERENCE, "reason": "too small"}}),
    ],
)
def test_a_refund_sends_stripes_reasons_and_keeps_others_in_metadata(reason: str | None, sent: dict[str, Any]) -> None:
    asked = RefundRequest(
        names=PaymentNames(reference=REFERENCE),
        reference="REF_1",
        amount=Money(9, "UGX"),
        idempotency_key="k",
        reason=reason,
    )
    assert translate.build_refund(asked, intent="pi_1", charge="ch_1") == {
        "payment_intent": "pi_1",
        "amount": 900,
        **sent,
    }
    assert translate.build_refund(asked, intent=None, charge="ch_1") == {"charge": "ch_1", "amount": 900, **sent}


# --- sessions -----------------------------------------------------------------------------------------------------


def test_an_open_session_is_pending_and_sends_the_customer_on() -> None:
    report = session_report()
    assert report == Report(
        about=Subject.PAYMENT,
        status=PaymentStatus.PENDING,
        reference=REFERENCE,
        gateway_reference="cs_test_docA1",
        mode=Mode.TEST,
        asset="EUR",
        captured_minor=0,
        next_action=Redirect(url="https://checkout.stripe.com/c/pay/cs_test_docA1#fidkdWxOYHwnPyd1blpxYHZxWjA0"),
        raw=report.raw,
    )


@pytest.mark.parametrize(
    ("changes", "status", "captured"),
    [
        ({"status": "complete", "payment_status": "paid"}, PaymentStatus.CAPTURED, 1299),
        ({"status": "open", "payment_status": "paid"}, PaymentStatus.CAPTURED, 1299),
        ({"status": None, "payment_status": "paid"}, PaymentStatus.CAPTURED, 1299),
        ({"status": "complete", "payment_status": "no_payment_required"}, PaymentStatus.CAPTURED, 0),
        ({"status": "complete", "payment_status": "unpaid"}, PaymentStatus.PENDING, 0),
        ({"status": None, "payment_status": "unpaid"}, PaymentStatus.PENDING, 0),
        ({"status": "expired", "payment_status": "unpaid"}, PaymentStatus.EXPIRED, None),
        ({"status": "moonlit", "payment_status": "eclipsed"}, PaymentStatus.PENDING, 0),
    ],
)
def test_a_session_is_read_by_both_its_words(
    changes: dict[str, Any], status: PaymentStatus, captured: int | None
) -> None:
    report = session_report(**changes, url=None)
    assert (report.status, report.captured_minor, report.next_action) == (status, captured, None)


@pytest.mark.parametrize("mode", ["setup", "subscription"])
def test_a_session_that_is_no_payment_says_nothing(mode: str) -> None:
    assert translate.read_session(session(mode=mode)) is None


def test_the_expanded_intent_of_a_complete_session_decides() -> None:
    complete = {"status": "complete", "payment_status": "unpaid", "url": None}
    held = session_intent(status="requires_capture", amount_capturable=1299)
    report = session_report(**complete, payment_intent=held)
    assert facts_of(report) == (PaymentStatus.AUTHORIZED, 1299, 0, None)
    assert report.gateway_reference == "cs_test_docA1"
    assert report.other_references == ("pi_docA1",)
    released = session_report(**complete, payment_intent=session_intent(status="canceled"))
    assert facts_of(released) == (PaymentStatus.VOIDED, None, 0, 0)
    bounced = session_report(**complete, payment_intent=session_intent(last_payment_error=declined()))
    assert (bounced.status, bounced.decline and bounced.decline.code) == (PaymentStatus.FAILED, "insufficient_funds")


def test_a_declined_try_keeps_an_open_session_open() -> None:
    report = session_report(payment_intent=session_intent(last_payment_error=declined("expired_card", "expired_card")))
    assert report.status is PaymentStatus.PENDING
    assert report.decline == Decline(
        code="expired_card", gateway_code="expired_card", message="Your card was declined."
    )
    assert isinstance(report.next_action, Redirect)


def test_a_partly_captured_session_says_what_was_taken_and_not_what_was_shown() -> None:
    part = session_intent(status="succeeded", amount_received=900)
    report = session_report(status="complete", payment_status="paid", url=None, payment_intent=part)
    assert facts_of(report) == (PaymentStatus.CAPTURED, None, 900, None)


def test_a_fetched_session_names_its_intent_charge_method_and_fee() -> None:
    report = translate.read_session(load("session_paid"))
    assert report is not None
    assert facts_of(report) == (PaymentStatus.CAPTURED, None, 1299, 0)
    assert report.other_references == ("pi_docA1", "ch_docA1")
    assert report.fee_minor == 63
    assert report.fraud == Fraud(status=FraudStatus.ACCEPT, message="Payment complete.")
    assert report.method == Method(
        kind="card", brand="visa", last_four="4242", expiry_month=12, expiry_year=2034, network="visa"
    )


# --- intents ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"status": "requires_payment_method"}, (PaymentStatus.PENDING, None, 0, None)),
        ({"status": "requires_confirmation"}, (PaymentStatus.PENDING, None, 0, None)),
        ({"status": "requires_action"}, (PaymentStatus.REQUIRES_ACTION, None, 0, None)),
        ({"status": "processing"}, (PaymentStatus.PENDING, None, 0, None)),
        ({"status": "never_seen"}, (PaymentStatus.PENDING, None, 0, None)),
        ({"status": None}, (PaymentStatus.PENDING, None, 0, None)),
        ({"status": "requires_capture", "amount_capturable": 1299}, (PaymentStatus.AUTHORIZED, 1299, 0, None)),
        (
            {"status": "requires_capture", "amount_capturable": 799, "amount_received": 500},
            (PaymentStatus.AUTHORIZED, 799, 500, None),
        ),
        ({"status": "canceled"}, (PaymentStatus.VOIDED, None, 0, 0)),
        ({"status": "canceled", "cancellation_reason": "abandoned"}, (PaymentStatus.VOIDED, None, 0, 0)),
        ({"status": "canceled", "cancellation_reason": "automatic"}, (PaymentStatus.EXPIRED, None, 0, 0)),
        ({"status": "canceled", "cancellation_reason": "expired"}, (PaymentStatus.EXPIRED, None, 0, 0)),
        ({"status": "succeeded", "amount_received": 1299}, (PaymentStatus.CAPTURED, None, 1299, None)),
        ({"status": "succeeded", "amount_received": 900}, (PaymentStatus.CAPTURED, None, 900, None)),
    ],
)
def test_an_intent_is_read_by_its_status(changes: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert facts_of(translate.read_intent(intent(**changes))) == expected


def test_a_declined_try_ends_a_payment_in_our_page_and_not_one_in_a_session() -> None:
    mine = translate.read_intent(load("intent_declined"))
    theirs = translate.read_intent(session_intent(last_payment_error=declined()))
    assert (mine.status, theirs.status) == (PaymentStatus.FAILED, PaymentStatus.PENDING)
    assert mine.decline == Decline(
        code="insufficient_funds", gateway_code="insufficient_funds", message="Your card has insufficient funds."
    )
    assert theirs.decline is not None


def test_a_success_does_not_repeat_an_old_decline() -> None:
    report = translate.read_intent(intent(status="succeeded", amount_received=1299, last_payment_error=declined()))
    assert report.decline is None


def test_the_expanded_charge_tells_refunds_and_fee() -> None:
    body = load("intent_succeeded")
    body["latest_charge"]["amount_refunded"] = 300
    report = translate.read_intent(body)
    assert (report.captured_minor, report.refunded_minor, report.fee_minor) == (1299, 300, 63)
    body["latest_charge"]["balance_transaction"]["currency"] = "usd"
    assert translate.read_intent(body).fee_minor is None


def test_fractions_of_a_shilling_are_a_mismatch() -> None:
    report = translate.read_intent(intent(status="succeeded", currency="ugx", amount_received=950))
    assert (report.captured_minor, report.attention) == (None, Attention.MISMATCH)


# --- charges ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (PaymentStatus.CAPTURED, None, 1299, 0)),
        ({"amount_captured": 900, "amount_refunded": 100}, (PaymentStatus.CAPTURED, None, 900, 100)),
        ({"captured": False}, (PaymentStatus.AUTHORIZED, 1299, 0, 0)),
        ({"captured": False, "refunded": True, "amount_refunded": 1299}, (PaymentStatus.VOIDED, None, 0, 0)),
        ({"status": "pending"}, (PaymentStatus.PENDING, None, 0, 0)),
        ({"status": "failed", "captured": False}, (PaymentStatus.FAILED, None, 0, 0)),
        ({"status": "never_seen"}, (PaymentStatus.PENDING, None, 0, 0)),
    ],
)
def test_a_charge_is_never_read_by_its_status_alone(changes: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert facts_of(translate.read_charge(charge(**changes))) == expected


def test_a_charge_is_named_by_its_intent_where_it_has_one() -> None:
    report, alone = translate.read_charge(charge()), translate.read_charge(charge(payment_intent=None))
    assert (report.gateway_reference, report.other_references) == ("pi_docA1", ("ch_docA1",))
    assert (alone.gateway_reference, alone.other_references) == ("ch_docA1", ())


@pytest.mark.parametrize(
    ("outcome", "verdict", "attention"),
    [
        ({"type": "authorized", "risk_level": "normal"}, FraudStatus.ACCEPT, None),
        ({"type": "authorized", "risk_level": "not_assessed"}, FraudStatus.ACCEPT, None),
        ({"type": "authorized", "risk_level": "unknown"}, FraudStatus.ACCEPT, None),
        ({"type": "authorized", "risk_level": "elevated"}, FraudStatus.ACCEPT, Attention.FRAUD_WARNING),
        ({"type": "authorized", "risk_level": "highest"}, FraudStatus.ACCEPT, Attention.FRAUD_WARNING),
        ({"type": "manual_review", "risk_level": "elevated"}, FraudStatus.REVIEW, Attention.FRAUD_REVIEW),
        ({"type": "blocked", "risk_level": "highest"}, FraudStatus.REJECT, None),
        ({"type": "issuer_declined", "risk_level": "normal"}, None, None),
        ({"type": "invalid"}, None, None),
        ({"type": "never_seen"}, None, None),
        (None, None, None),
    ],
)
def test_radar_becomes_a_fraud_verdict(outcome: Any, verdict: FraudStatus | None, attention: Attention | None) -> None:
    report = translate.read_charge(charge(outcome=outcome))
    assert (report.fraud and report.fraud.status, report.attention) == (verdict, attention)


def test_a_blocked_try_in_our_page_fails_with_the_verdict() -> None:
    blocked = charge(status="failed", captured=False, outcome={"type": "blocked", "reason": "highest_risk_level"})
    report = translate.read_intent(
        intent(last_payment_error=declined(decline_code="fraudulent"), latest_charge=blocked)
    )
    assert report.status is PaymentStatus.FAILED
    assert report.fraud == Fraud(status=FraudStatus.REJECT, message="highest_risk_level")
    assert report.decline is not None
    assert (report.decline.code, report.decline.gateway_code) == ("declined", "fraudulent")


def test_a_wallet_and_a_bank_debit_are_named() -> None:
    wallet = {"type": "card", "card": {"brand": "visa", "last4": "4242", "wallet": {"type": "apple_pay"}}}
    debit = {"type": "sepa_debit", "sepa_debit": {"last4": "3000", "bank_code": "37040044"}}
    assert facts.read_method({"payment_method_details": wallet}) == Method(
        kind="card", brand="visa", last_four="4242", wallet="apple_pay"
    )
    assert facts.read_method({"payment_method_details": debit}) == Method(kind="sepa_debit", last_four="3000")


@pytest.mark.parametrize(
    ("code", "decline_code", "ours", "theirs"),
    [
        ("card_declined", "insufficient_funds", "insufficient_funds", "insufficient_funds"),
        ("expired_card", None, "expired_card", "expired_card"),
        ("incorrect_cvc", "incorrect_cvc", "incorrect_cvc", "incorrect_cvc"),
        ("processing_error", None, "processing_error", "processing_error"),
        ("authentication_required", None, "authentication_required", "authentication_required"),
        ("payment_intent_authentication_failure", None, "authentication_failed",
         "payment_intent_authentication_failure"),
        ("card_declined", "lost_card", "declined", "lost_card"),
        ("card_declined", "stolen_card", "declined", "stolen_card"),
        ("card_declined", "fraudulent", "declined", "fraudulent"),
        ("card_declined", "do_not_honor", "declined", "do_not_honor"),
        ("card_declined", "generic_decline", "declined", "generic_decline"),
        ("card_declined", None, "declined", "card_declined"),
        ("card_declined", "never_seen", "declined", "never_seen"),
        (None, None, "declined", None),
    ],
)  # fmt: skip
def test_declines_are_ours_from_theirs(code: Any, decline_code: Any, ours: str, theirs: str | None) -> None:
    decline = facts.read_decline({"code": code, "decline_code": decline_code})
    assert decline == Decline(code=ours, gateway_code=theirs, message=None)


# --- error bodies that are results --------------------------------------------------------------------------------


def test_a_402_is_read_by_its_intent() -> None:
    report = translate.read_answer(load("error_card_declined"), names=PaymentNames(reference="x"))
    assert (report.status, report.gateway_reference, report.reference) == (PaymentStatus.FAILED, "pi_docA1", REFERENCE)
    assert report.decline == Decline(
        code="insufficient_funds", gateway_code="insufficient_funds", message="Your card has insufficient funds."
    )


def test_a_402_without_an_intent_or_code_is_still_a_decline() -> None:
    names = PaymentNames(reference=REFERENCE, gateway_reference="pi_docA1")
    report = translate.read_answer({"error": {"type": "card_error", "message": "No."}}, names=names)
    assert (report.status, report.captured_minor) == (PaymentStatus.FAILED, 0)
    assert (report.reference, report.gateway_reference) == (REFERENCE, "pi_docA1")
    assert report.decline == Decline(code="declined", gateway_code=None, message="No.")


def test_a_402_whose_intent_wants_action_is_no_failure() -> None:
    body = {"error": {"type": "card_error", "code": "x", "payment_intent": intent(status="requires_action")}}
    assert translate.read_answer(body, names=PaymentNames()).status is PaymentStatus.REQUIRES_ACTION


def test_authentication_required_off_session_fails_although_the_intent_only_waits() -> None:
    body = {"error": {"type": "card_error", "code": "authentication_required", "payment_intent": intent()}}
    report = translate.read_answer(body, names=PaymentNames())
    assert report.status is PaymentStatus.FAILED
    assert report.decline is not None
    assert report.decline.code == "authentication_required"


@pytest.mark.parametrize(
    ("state", "status"), [("succeeded", PaymentStatus.CAPTURED), ("canceled", PaymentStatus.VOIDED)]
)
def test_an_unexpected_state_is_reported_as_it_is(state: str, status: PaymentStatus) -> None:
    embedded = intent(status=state, amount_received=1299)
    body = {"error": {"type": "invalid_request_error", "code": "payment_intent_unexpected_state",
                      "payment_intent": embedded}}  # fmt: skip
    report = translate.read_answer(body, names=PaymentNames())
    assert (report.status, report.decline) == (status, None)


# --- refunds and disputes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "attention"),
    [
        ({"status": "pending"}, RefundStatus.PENDING, None),
        ({"status": "pending", "pending_reason": "insufficient_funds"}, RefundStatus.PENDING, Attention.REFUND_FAILED),
        ({"status": "requires_action"}, RefundStatus.PENDING, Attention.REFUND_FAILED),
        ({"status": None}, RefundStatus.PENDING, None),
        ({"status": "never_seen"}, RefundStatus.PENDING, None),
        ({"status": "succeeded"}, RefundStatus.SUCCEEDED, None),
        ({"status": "failed"}, RefundStatus.FAILED, Attention.REFUND_FAILED),
        ({"status": "canceled"}, RefundStatus.CANCELLED, None),
    ],
)
def test_a_refund_is_read_by_its_status(
    changes: dict[str, Any], status: RefundStatus, attention: Attention | None
) -> None:
    report = translate.read_refund(refund(**changes))
    assert report is not None
    assert (report.about, report.status, report.attention) == (Subject.REFUND, status, attention)
    assert (report.reference, report.gateway_reference) == ("REF_20261120190000_5e6f7a8b", "re_docA1")
    assert (report.refunded_minor, report.asset) == (500, "EUR")
    assert report.payment == PaymentNames(
        reference=REFERENCE, gateway_reference="pi_docA1", other_references=("ch_docA1",)
    )


def test_the_refund_object_of_a_released_hold_is_no_refund() -> None:
    assert translate.read_refund(refund(charge=charge(captured=False))) is None
    assert translate.read_refund(refund(reason="expired_uncaptured_charge")) is None


def test_an_old_refund_is_named_by_its_charge() -> None:
    report = translate.read_refund(refund(payment_intent=None, metadata={}))
    assert report is not None
    assert report.payment == PaymentNames(gateway_reference="ch_docA1")
    assert report.reference is None


@pytest.mark.parametrize(
    ("word", "status", "attention"),
    [
        ("needs_response", DisputeStatus.NEEDS_RESPONSE, Attention.DISPUTED),
        ("warning_needs_response", DisputeStatus.NEEDS_RESPONSE, Attention.DISPUTED),
        ("appeal_needs_response", DisputeStatus.NEEDS_RESPONSE, Attention.DISPUTED),
        ("never_seen", DisputeStatus.NEEDS_RESPONSE, Attention.DISPUTED),
        ("under_review", DisputeStatus.UNDER_REVIEW, None),
        ("warning_under_review", DisputeStatus.UNDER_REVIEW, None),
        ("appeal_under_review", DisputeStatus.UNDER_REVIEW, None),
        ("won", DisputeStatus.WON, None),
        ("lost", DisputeStatus.LOST, Attention.DISPUTED),
        ("warning_closed", DisputeStatus.CLOSED, None),
        ("prevented", DisputeStatus.CLOSED, None),
    ],
)
def test_a_dispute_is_read_by_its_status(word: str, status: DisputeStatus, attention: Attention | None) -> None:
    report = disputes.read_dispute(dispute(status=word))
    assert (report.about, report.status, report.attention) == (Subject.DISPUTE, status, attention)
    assert (report.gateway_reference, report.amount_minor, report.asset) == ("du_docA1", 1299, "EUR")
    assert report.payment == PaymentNames(gateway_reference="pi_docA1", other_references=("ch_docA1",))


# --- what is kept -------------------------------------------------------------------------------------------------


def test_nothing_secret_or_personal_is_kept() -> None:
    bodies = [load("session_paid"), session(), load("intent_declined"), charge(), refund(), dispute(), setup_intent(), setup_session(),
              load("error_card_declined"), intent(metadata={"payment_id": REFERENCE, "message": "ada@example.com"})]  # fmt: skip
    for body in bodies:
        kept = repr(facts.redacted(body))
        for word in ("secret", "ada@", "Ada ", "5555", "10115", "FiNgEr", "4242", "receipt", "#fid", "http"):
            assert word not in kept, (word, kept)


def test_what_is_kept_is_small_and_says_what_happened() -> None:
    assert facts.redacted(session()) == {
        "id": "cs_test_docA1",
        "object": "checkout.session",
        "mode": "payment",
        "status": "open",
        "payment_status": "unpaid",
        "amount_total": 1299,
        "currency": "eur",
        "client_reference_id": REFERENCE,
        "metadata": {"payment_id": REFERENCE},
        "created": 1795176000,
        "expires_at": 1795262400,
        "livemode": False,
    }


def test_times_are_aware_and_nonsense_is_no_time() -> None:
    assert facts.moment(1790000000) == datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    assert [facts.moment(one) for one in (None, -1, 10**30, True, "1")] == [None] * 5


def test_the_graver_attention_wins() -> None:
    assert facts.graver(Attention.FRAUD_WARNING, Attention.MISMATCH) is Attention.MISMATCH
    assert facts.graver(Attention.UNDERPAID, None) is Attention.UNDERPAID
    assert facts.graver(None, None) is None
