"""Status tables, money, declines, verdicts: what Square's objects mean, without any call."""

from __future__ import annotations

from typing import Any

import pytest

from clients.square import building, facts, translate
from clients.square.money import Amount, build_money, read_money
from core.gateways.errors import RequestRejected
from core.gateways.types import (
    Attention,
    DisputeStatus,
    FraudStatus,
    Mode,
    PaymentStatus,
    Redirect,
    RefundStatus,
)
from core.money import Money
from core.strict_json import dumps, loads
from tests.clients.square.objects import (
    FAILED_PAYMENT,
    LINK,
    ORDER,
    PAYMENT,
    RECEIPTS,
    direct,
    dispute,
    failed,
    load,
    money,
    of_link,
    order,
    refund,
)

# --- money --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "wire"),
    [
        (Money(11550, "USD"), '{"amount":11550,"currency":"USD"}'),
        (Money(500, "JPY"), '{"amount":500,"currency":"JPY"}'),
        (Money(1, "EUR"), '{"amount":1,"currency":"EUR"}'),
    ],
)
def test_amounts_are_whole_minor_units_on_the_wire(amount: Money, wire: str) -> None:
    assert dumps(build_money(amount)) == wire
    assert read_money(loads(wire)) == Amount(amount.minor, amount.asset)


@pytest.mark.parametrize("amount", [Money(8730, "KWD"), Money(100, "INR"), Money(100, "BTC")])
def test_a_currency_that_square_does_not_take_is_refused_before_anything_is_sent(amount: Money) -> None:
    with pytest.raises(RequestRejected) as raised:
        build_money(amount)
    assert raised.value.code == "currency_not_supported"


@pytest.mark.parametrize("minor", [0, -5])
def test_nothing_and_less_is_refused(minor: int) -> None:
    with pytest.raises(RequestRejected):
        build_money(Money(minor, "USD"))


def test_three_decimals_of_a_foreign_seller_are_read_as_they_stand() -> None:
    assert read_money(loads('{"amount":8730,"currency":"KWD"}')) == Amount(8730, "KWD")


def test_payouts_spell_the_currency_in_another_way() -> None:
    assert read_money({"amount": 5, "currency_code": "USD"}) == Amount(5, "USD")


@pytest.mark.parametrize(
    "wire",
    [
        '{"amount":"11550","currency":"USD"}',
        '{"amount":115.5,"currency":"USD"}',
        '{"amount":11550.0,"currency":"USD"}',
        '{"amount":true,"currency":"USD"}',
        '{"amount":-1,"currency":"USD"}',
        '{"currency":"USD"}',
        '{"amount":1,"currency":"usd"}',
        '{"amount":1,"currency":"XXQ"}',
        '{"amount":1}',
        '"11550"',
        "[]",
    ],
)
def test_an_amount_that_is_no_whole_number_is_a_mismatch_and_moves_nothing(wire: str) -> None:
    report = translate.read_payment(of_link(amount_money=loads(wire)))
    assert (report.attention, report.status, report.captured_minor) == (Attention.MISMATCH, None, None)


def test_approved_money_in_another_currency_is_a_mismatch() -> None:
    report = translate.read_payment(of_link(approved_money=money(11550, "CAD")))
    assert (report.attention, report.status, report.captured_minor) == (Attention.MISMATCH, None, None)


def test_a_tip_is_never_captured() -> None:
    report = translate.read_payment(of_link(tip_money=money(500), total_money=money(12050)))
    assert (report.captured_minor, report.attention) == (11550, None)


def test_a_gift_card_that_covers_a_part_is_underpaid() -> None:
    report = translate.read_payment(of_link(approved_money=money(5000)))
    assert (report.status, report.captured_minor, report.attention) == (
        PaymentStatus.CAPTURED, 5000, Attention.UNDERPAID)  # fmt: skip


def test_more_in_all_than_was_asked_is_overpaid_and_a_tip_is_not() -> None:
    more = translate.read_payment(of_link(tip_money=money(500), total_money=money(12051)))
    assert (more.captured_minor, more.attention) == (11550, Attention.OVERPAID)
    assert translate.read_payment(of_link("PENDING", total_money=money(12051))).attention is None
    assert translate.read_payment(of_link(total_money=money(12051, "CAD"))).attention is None


def test_without_approved_money_the_amount_counts() -> None:
    report = translate.read_payment(of_link(approved_money=None))
    assert (report.captured_minor, report.attention) == (11550, None)


# --- payments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "status", "authorized", "captured"),
    [
        (of_link("APPROVED"), PaymentStatus.AUTHORIZED, 11550, 0),
        (of_link("PENDING"), PaymentStatus.PENDING, None, None),
        (of_link("COMPLETED"), PaymentStatus.CAPTURED, None, 11550),
        (of_link("COMPLETED", refunded_money=money(11550)), PaymentStatus.CAPTURED, None, 11550),
        (of_link("CANCELED"), PaymentStatus.VOIDED, None, 0),
        (of_link("CANCELED", delayed_until=None), PaymentStatus.VOIDED, None, 0),
        (of_link("CANCELED", updated_at="2026-11-27T12:03:09.999Z"), PaymentStatus.VOIDED, None, 0),
        (of_link("CANCELED", updated_at="2026-11-27T12:03:10.000Z"), PaymentStatus.EXPIRED, None, 0),
        (of_link("CANCELED", updated_at="2026-11-28T00:00:00Z"), PaymentStatus.EXPIRED, None, 0),
        (direct("FAILED"), PaymentStatus.FAILED, None, 0),
        (of_link("FAILED"), PaymentStatus.PENDING, None, None),
        (of_link("FAILED", order_id=None), PaymentStatus.PENDING, None, None),
        (of_link("SOMETHING_NEW"), PaymentStatus.PENDING, None, None),
        (of_link(status=7), PaymentStatus.PENDING, None, None),
    ],
)
def test_the_status_table(
    body: dict[str, Any], status: PaymentStatus, authorized: int | None, captured: int | None
) -> None:
    report = translate.read_payment(body)
    assert (report.status, report.authorized_minor, report.captured_minor) == (status, authorized, captured)


def test_a_payment_never_tells_a_running_sum_of_refunds() -> None:
    assert translate.read_payment(of_link(refunded_money=money(2500))).refunded_minor is None


def test_a_call_that_makes_no_link_s_payment_tells_so_by_itself() -> None:
    report = translate.read_payment(of_link("FAILED"), is_direct=True)
    assert (report.status, report.captured_minor) == (PaymentStatus.FAILED, 0)
    assert (report.gateway_reference, report.other_references, report.reference) == (PAYMENT, (ORDER,), None)


def test_names_of_a_link_s_payment_and_of_a_direct_one() -> None:
    link, own = translate.read_payment(of_link()), translate.read_payment(direct())
    assert (link.gateway_reference, link.other_references, link.reference) == (ORDER, (PAYMENT,), None)
    assert (own.gateway_reference, own.other_references) == (PAYMENT, (ORDER,))
    assert own.reference == "PAY_20261120183005_1a2b3c4d_1"


def test_method_fee_mode_and_verdict_are_read() -> None:
    report = translate.read_payment(load("payment_completed"))
    assert report.method is not None and report.fraud is not None
    assert (report.method.kind, report.method.brand, report.method.last_four) == ("card", "visa", "1111")
    assert (report.method.expiry_month, report.method.expiry_year) == (11, 2029)
    assert (report.fee_minor, report.mode, report.fraud.status) == (365, Mode.TEST, FraudStatus.ACCEPT)


@pytest.mark.parametrize(
    ("body", "kind", "wallet", "brand"),
    [
        ({"source_type": "WALLET", "wallet_details": {"brand": "CASH_APP"}}, "wallet", "cash_app", None),
        ({"source_type": "EXTERNAL", "external_details": {"source": "Developer Control Panel"}}, "external", None, None),
        ({"source_type": "CASH"}, "cash", None, None),
        ({"source_type": "BUY_NOW_PAY_LATER", "buy_now_pay_later_details": {"brand": "AFTERPAY"}}, "pay_later", None,
         "afterpay"),
        ({"source_type": "MOON_DUST"}, "moon_dust", None, None),
    ],
)  # fmt: skip
def test_other_ways_to_pay(body: dict[str, Any], kind: str, wallet: str | None, brand: str | None) -> None:
    method = facts.read_method(body)
    assert method is not None and (method.kind, method.wallet, method.brand) == (kind, wallet, brand)


def test_a_bank_account_shows_its_last_digits() -> None:
    body = {
        "source_type": "BANK_ACCOUNT",
        "bank_account_details": {"bank_name": "Doc Bank", "account_number_suffix": "000"},
    }
    method = facts.read_method(body)
    assert method is not None and (method.kind, method.brand, method.last_four) == ("bank_debit", "Doc Bank", "000")


@pytest.mark.parametrize(
    ("level", "status"),
    [("NORMAL", "accept"), ("MODERATE", "review"), ("HIGH", "review"), ("PENDING", "unknown"), ("NEW_WORD", "unknown")],
)
def test_the_risk_level_is_a_verdict_and_never_a_rejection(level: str, status: str) -> None:
    report = translate.read_payment(of_link(risk_evaluation={"risk_level": level}))
    assert report.fraud is not None and report.fraud.status == status
    assert report.status is PaymentStatus.CAPTURED


def test_without_a_risk_level_nothing_is_said() -> None:
    assert translate.read_payment(of_link(risk_evaluation=None)).fraud is None


@pytest.mark.parametrize(
    ("signs", "mode"),
    [
        ({}, None),
        ({"receipt_url": RECEIPTS["test"]}, Mode.TEST),
        ({"receipt_url": RECEIPTS["live"]}, Mode.LIVE),
        ({"receipt_url": "https://notsquareup.com/receipt"}, None),
        ({"receipt_url": "http://[bad"}, None),
        ({"application_details": {"application_id": "sandbox-sq0idb-x"}}, Mode.TEST),
        ({"application_details": {"application_id": "sq0idp-x"}}, None),
        ({"application_details": {"application_id": "sandbox-x"}, "receipt_url": RECEIPTS["live"]}, Mode.TEST),
    ],
)
def test_signs_of_the_environment(signs: dict[str, Any], mode: Mode | None) -> None:
    assert facts.read_mode(of_link(**signs)) is mode


def test_a_fee_in_another_currency_is_not_told() -> None:
    fee = [{"type": "INITIAL", "amount_money": money(365, "CAD")}]
    assert translate.read_payment(of_link(processing_fee=fee)).fee_minor is None
    assert translate.read_payment(of_link(processing_fee="x")).fee_minor is None


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("GENERIC_DECLINE", "declined"), ("CARD_DECLINED", "declined"), ("INSUFFICIENT_FUNDS", "insufficient_funds"),
        ("CVV_FAILURE", "incorrect_cvc"), ("CARD_EXPIRED", "expired_card"), ("INVALID_EXPIRATION", "expired_card"),
        ("CARD_DECLINED_VERIFICATION_REQUIRED", "authentication_required"), ("CARD_TOKEN_USED", "method_unusable"),
        ("CARD_TOKEN_EXPIRED", "method_unusable"), ("SOURCE_USED", "method_unusable"),
        ("SOURCE_EXPIRED", "method_unusable"), ("A_NEW_ONE", "declined"),
    ],
)  # fmt: skip
def test_the_decline_table(code: str, ours: str) -> None:
    decline = translate.read_payment(failed(code)).decline
    assert decline is not None
    assert (decline.code, decline.gateway_code, decline.message) == (ours, code, f"Authorization error: '{code}'")


def test_the_errors_beside_a_payment_come_before_those_inside() -> None:
    beside = [{"category": "X", "code": "SOMETHING"}, {"category": "PAYMENT_METHOD_ERROR", "code": "CARD_EXPIRED"}]
    decline = translate.read_payment(failed("CVV_FAILURE"), beside).decline
    assert decline is not None and decline.code == "expired_card"


def test_a_failed_payment_without_a_reason_is_declined_all_the_same() -> None:
    decline = translate.read_payment(direct("FAILED", card_details=None)).decline
    assert decline is not None and (decline.code, decline.gateway_code) == ("declined", None)


def test_a_card_number_in_the_bank_s_own_words_is_masked() -> None:
    error = {"category": "PAYMENT_METHOD_ERROR", "code": "CVV_FAILURE", "detail": "Card 4111 1111 1111 1111 refused"}
    decline = facts.read_decline([error])
    assert decline is not None and decline.message == "Card [card number] refused"


@pytest.mark.parametrize(
    "junk", [None, 7, "x", [], {"id": 7}, [{"code": 7}], [{"code": []}], {"errors": [{"code": {}}]}]
)
def test_members_of_any_type_are_read_without_a_crash(junk: Any) -> None:
    for name in load("payment_completed"):
        translate.read_payment({**load("payment_completed"), name: junk})
        translate.read_payment({**failed(), name: junk})
    for name in order(PAYMENT):
        translate.read_order({**order(PAYMENT), name: junk})
    for name in refund():
        translate.read_refund({**refund(), name: junk})
    for name in dispute():
        translate.read_dispute({**dispute(), name: junk})
    translate.read_link({"payment_link": junk}, reference="r")
    translate.read_card({"id": junk, "card_brand": junk}, customer_id="c")


# --- links and orders ---------------------------------------------------------------------------------------------


def test_a_created_link_redirects_and_is_known_by_its_order() -> None:
    report = translate.read_link(load("link_created"), reference="PAY_1")
    assert report is not None
    assert (report.status, report.reference) == (PaymentStatus.REQUIRES_ACTION, "PAY_1")
    assert (report.gateway_reference, report.other_references) == (ORDER, (LINK,))
    assert report.next_action == Redirect(url="https://sandbox.square.link/u/DOCEXMPL")
    assert report.captured_minor is None


@pytest.mark.parametrize("url", ["https://square.link/u/a\n", "https://square.link/\u00e9", 7])
def test_a_page_that_is_no_plain_address_is_unreadable(url: Any) -> None:
    body = load("link_created")
    body["payment_link"]["url"] = url
    assert translate.read_link(body, reference="PAY_1") is None


@pytest.mark.parametrize("lacking", ["order_id", "url"])
def test_a_link_without_order_or_page_is_unreadable(lacking: str) -> None:
    body = load("link_created")
    del body["payment_link"][lacking]
    assert translate.read_link(body, reference="PAY_1") is None


@pytest.mark.parametrize(
    ("body", "status", "captured"),
    [
        (order(), PaymentStatus.REQUIRES_ACTION, None),
        (order(state="OPEN"), PaymentStatus.REQUIRES_ACTION, None),
        (order(state="CANCELED"), PaymentStatus.VOIDED, 0),
        (order(state="COMPLETED"), None, None),
        (order(state="SOMETHING_NEW"), PaymentStatus.PENDING, None),
        (order(PAYMENT), None, None),
        (order(PAYMENT, state="COMPLETED"), None, None),
        (order(PAYMENT, state="CANCELED"), None, None),
    ],
)
def test_an_order_alone_tells_waiting_or_gone_and_never_paid(
    body: dict[str, Any], status: PaymentStatus | None, captured: int | None
) -> None:
    report = translate.read_order(body)
    assert (report.status, report.captured_minor, report.gateway_reference) == (status, captured, ORDER)


def test_tenders_name_payments_also_under_their_older_name() -> None:
    body = {"tenders": [{"id": "a", "payment_id": "b"}, {"id": FAILED_PAYMENT}, {"id": "b"}, 7]}
    assert translate.tenders_of(body) == ["b", FAILED_PAYMENT]


# --- refunds, disputes, cards -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("PENDING", RefundStatus.PENDING),
        ("COMPLETED", RefundStatus.SUCCEEDED),
        ("REJECTED", RefundStatus.FAILED),
        ("FAILED", RefundStatus.FAILED),
        ("SOMETHING_NEW", RefundStatus.PENDING),
    ],
)
def test_the_refund_table(word: str, status: RefundStatus) -> None:
    report = translate.read_refund(refund(word))
    assert (report.status, report.refunded_minor, report.asset) == (status, 2500, "USD")
    assert (report.decline is not None) == (status is RefundStatus.FAILED)


@pytest.mark.parametrize("amount", ["2500", 25.5, True, None])
def test_a_refund_of_an_amount_that_cannot_be_believed_moves_nothing(amount: Any) -> None:
    report = translate.read_refund(refund("COMPLETED", amount_money={"amount": amount, "currency": "USD"}))
    assert (report.status, report.refunded_minor, report.attention) == (None, None, Attention.MISMATCH)


@pytest.mark.parametrize(
    ("state", "status", "withdrawn"),
    [
        ("INQUIRY_EVIDENCE_REQUIRED", DisputeStatus.NEEDS_RESPONSE, 0),
        ("INQUIRY_PROCESSING", DisputeStatus.UNDER_REVIEW, 0),
        ("INQUIRY_CLOSED", DisputeStatus.WON, 0),
        ("EVIDENCE_REQUIRED", DisputeStatus.NEEDS_RESPONSE, 8801),
        ("PROCESSING", DisputeStatus.UNDER_REVIEW, 8801),
        ("WON", DisputeStatus.WON, 0),
        ("LOST", DisputeStatus.LOST, 8801),
        ("ACCEPTED", DisputeStatus.LOST, 8801),
        ("SOMETHING_NEW", DisputeStatus.NEEDS_RESPONSE, None),
    ],
)
def test_the_dispute_table(state: str, status: DisputeStatus, withdrawn: int | None) -> None:
    report = translate.read_dispute(dispute(state))
    assert (report.status, report.amount_minor, report.withdrawn_minor) == (status, 8801, withdrawn)


def test_an_older_dispute_names_itself_dispute_id() -> None:
    assert translate.read_dispute(dispute(id=None)).gateway_reference == "dIsDocExample0001"


def test_a_card_on_file_is_a_saved_method() -> None:
    saved = translate.read_card(load("card_created")["card"], customer_id="OTHER")
    assert saved is not None and saved.method is not None
    assert (saved.token, saved.customer_token) == ("ccof:docExampleCard0001", "CUSDOCEXAMPLE1")
    assert (saved.method.brand, saved.method.last_four) == ("visa", "1111")
    assert translate.read_card({**load("card_created")["card"], "enabled": False}, customer_id="OTHER") is None


# --- names in refunds, keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        ("Too large [REF_1]", "REF_1"), ("[REF_1]", "REF_1"), ("[a] [REF_1]", "REF_1"), ("REF_1", None),
        ("[REF_1] too large", None), ("[RE F]", None), ("[é123]", None), ("]", None), (None, None), (7, None),
    ],
)  # fmt: skip
def test_our_name_of_a_refund_stands_in_brackets_at_the_end(reason: Any, name: str | None) -> None:
    assert building.refund_reference(reason) == name


def test_a_key_that_is_too_long_becomes_the_same_hash_every_time() -> None:
    assert building.fit_key("k" * 45) == "k" * 45
    long = building.fit_key("k" * 46)
    assert len(long) == 45 and long == building.fit_key("k" * 46) != building.fit_key("k" * 47)
    assert building.fit_key("k" * 192, 192) == "k" * 192
    assert len(building.fit_key("half a pair: \ud800")) == 45
