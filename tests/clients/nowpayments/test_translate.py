"""Every row of the status table, the money of what arrived, and the bodies we send."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from clients.nowpayments.payment import parse_payment, read_created
from clients.nowpayments.translate import (
    Decimals,
    build_invoice,
    build_payment,
    number_text,
    read_invoice,
    report_invoice,
    report_payment,
    show_address,
)
from clients.nowpayments.values import Unreadable, read_amount, read_id, read_time
from core.gateways.types import Attention, Mode, PaymentRequest, PaymentStatus, Report
from core.money import Money
from core.strict_json import loads
from tests.clients.nowpayments.wire import CHILD_ID, HASH, PAYMENT_ID, REFERENCE, answered, child, payload

S, A = PaymentStatus, Attention


def parsed(body: dict[str, Any]) -> Any:
    """A body as it comes from the wire: through JSON, decimals exact."""
    return parse_payment(loads(json.dumps(body)))


def report(word: str, *children: dict[str, Any], mode: Mode = Mode.LIVE, **changes: Any) -> Report:
    return report_payment(parsed(answered(word, **changes)), mode=mode, children=[parsed(one) for one in children])


def request(amount: Money, **changes: Any) -> PaymentRequest:
    known: dict[str, Any] = {
        "reference": REFERENCE,
        "amount": amount,
        "idempotency_key": "key-1",
        "webhook_url": "https://pay.example.com/payments/webhook/nowpayments/token",
        "return_url": "https://pay.example.com/p/abc/return",
        **changes,
    }
    return PaymentRequest(**known)


# --- the status table ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "changes", "expected"),
    [
        ("waiting", {}, (S.REQUIRES_ACTION, 0, None)),
        ("confirming", {"actually_paid": 49.912345}, (S.PENDING, 0, None)),
        ("confirmed", {"actually_paid": 49.912345}, (S.PENDING, 0, None)),
        ("sending", {"actually_paid": 49.912345}, (S.PENDING, 0, None)),
        ("partially_paid", {"actually_paid": 25.5}, (S.PENDING, 2549, A.UNDERPAID)),
        ("partially_paid", {"actually_paid": None}, (S.PENDING, None, A.UNDERPAID)),
        ("finished", {}, (S.CAPTURED, 4990, None)),
        ("finished", {"actually_paid": 54.9035795}, (S.CAPTURED, 5489, A.OVERPAID)),
        ("finished", {"actually_paid": 49.912346}, (S.CAPTURED, 4990, A.OVERPAID)),
        ("finished", {"actually_paid": 49.912344}, (S.PENDING, 4989, A.UNDERPAID)),
        ("finished", {"actually_paid": 0}, (S.PENDING, 0, A.UNDERPAID)),
        ("finished", {"actually_paid": None}, (S.PENDING, None, A.MISMATCH)),
        ("finished", {"pay_amount": None}, (S.PENDING, None, A.MISMATCH)),
        ("finished", {"price_amount": None}, (S.PENDING, None, A.MISMATCH)),
        ("finished", {"price_currency": None}, (S.PENDING, None, A.MISMATCH)),
        ("finished", {"price_currency": "newcoin"}, (S.PENDING, None, A.MISMATCH)),
        ("finished", {"pay_amount": 0}, (S.PENDING, None, A.MISMATCH)),
        ("finished", {"price_amount": 0}, (S.PENDING, None, A.MISMATCH)),
        ("finished", {"price_amount": 49.905}, (S.PENDING, None, A.MISMATCH)),
        ("finished", {"actually_paid": -1}, (S.PENDING, None, A.MISMATCH)),
        ("finished", {"actually_paid": True}, (S.PENDING, None, A.MISMATCH)),
        ("finished", {"actually_paid": "1e999999999"}, (S.PENDING, None, A.MISMATCH)),
        ("failed", {}, (S.FAILED, 0, None)),
        ("failed", {"actually_paid": None}, (S.FAILED, 0, None)),
        ("failed", {"actually_paid": 25.5}, (S.FAILED, 0, A.UNDERPAID)),
        ("failed", {"actually_paid": 49.912345}, (S.FAILED, 0, A.PAID_LATE)),
        ("failed", {"actually_paid": 25.5, "pay_amount": None}, (S.FAILED, 0, A.MISMATCH)),
        ("expired", {}, (S.EXPIRED, 0, None)),
        ("expired", {"actually_paid": 25.5}, (S.EXPIRED, 0, A.UNDERPAID)),
        ("expired", {"actually_paid": 60}, (S.EXPIRED, 0, A.PAID_LATE)),
        ("cancelled", {}, (S.FAILED, 0, None)),
        ("canceled", {}, (S.FAILED, 0, None)),
        ("refunded", {"actually_paid": 49.912345}, (S.PENDING, None, A.GATEWAY_DISAGREES)),
        ("refilling", {"actually_paid": 49.912345}, (S.PENDING, None, None)),
        ("FINISHED", {"actually_paid": 49.912345}, (S.PENDING, None, None)),
    ],
)
def test_every_row_of_the_status_table(word: str, changes: dict[str, Any], expected: tuple[Any, ...]) -> None:
    found = report(word, **changes)
    assert (found.status, found.captured_minor, found.attention) == expected
    assert (found.reference, found.gateway_reference, found.is_hint) == (REFERENCE, PAYMENT_ID, False)


@pytest.mark.parametrize(("word", "declined"), [("failed", True), ("cancelled", True), ("canceled", True),
                                                ("expired", False), ("refunded", False), ("finished", False)])  # fmt: skip
def test_only_failed_and_cancelled_carry_a_decline(word: str, declined: bool) -> None:
    decline = report(word).decline
    assert (decline is not None) is declined
    assert decline is None or (decline.code, decline.gateway_code) == ("failed", word)


def test_an_invoice_without_a_payment_requires_action() -> None:
    found = report_invoice("6401112233", reference=REFERENCE, raw={})
    assert (found.status, found.captured_minor, found.gateway_reference) == (S.REQUIRES_ACTION, 0, "invoice:6401112233")


# --- repeated deposits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "own", "children", "expected", "arrived"),
    [
        ("partially_paid", 25.5, [child()], (S.CAPTURED, 4990, None), "49.912345"),
        ("finished", 25.5, [child()], (S.CAPTURED, 4990, None), "49.912345"),
        ("partially_paid", 25.5, [child("partially_paid")], (S.CAPTURED, 4990, None), "49.912345"),
        ("partially_paid", 25.5, [child(actually_paid=10)], (S.PENDING, 3549, A.UNDERPAID), "35.5"),
        ("partially_paid", 25.5, [child(actually_paid=30)], (S.CAPTURED, 5548, A.OVERPAID), "55.5"),
        ("finished", 49.912345, [child(actually_paid=49.912345)], (S.CAPTURED, 9980, A.OVERPAID), "99.824690"),
        ("partially_paid", 25.5, [child("confirming")], (S.PENDING, 2549, A.UNDERPAID), "25.5"),
        ("partially_paid", 25.5, [child("failed")], (S.PENDING, 2549, A.UNDERPAID), "25.5"),
        ("partially_paid", 25.5, [child(actually_paid=None)], (S.PENDING, 2549, A.UNDERPAID), "25.5"),
        ("partially_paid", 25.5, [child(pay_currency="btc")], (S.PENDING, 2549, A.MISMATCH), "25.5"),
        ("partially_paid", 25.5, [child(pay_currency="usdterc20"), child()], (S.CAPTURED, 4990, A.MISMATCH), "49.912345"),
        ("finished", 49.912345, [child(pay_currency="btc")], (S.CAPTURED, 4990, A.MISMATCH), "49.912345"),
        ("partially_paid", 25.5, [child(pay_currency="btc", payment_status="waiting")],
         (S.PENDING, 2549, A.UNDERPAID), "25.5"),
        ("partially_paid", 25.5, [child(pay_currency="USDTTRC20")], (S.CAPTURED, 4990, None), "49.912345"),
        ("expired", 0, [child()], (S.EXPIRED, 0, A.UNDERPAID), "24.412345"),
        ("expired", 25.5, [child()], (S.EXPIRED, 0, A.PAID_LATE), "49.912345"),
        ("finished", None, [child()], (S.PENDING, None, A.MISMATCH), None),
    ],
)  # fmt: skip
def test_children_are_summed_in_the_same_coin_only(
    word: str, own: Any, children: list[dict[str, Any]], expected: tuple[Any, ...], arrived: str | None
) -> None:
    found = report(word, *children, actually_paid=own)
    assert (found.status, found.captured_minor, found.attention) == expected
    assert found.coin is not None and found.coin.arrived_text == arrived
    assert found.other_references == (CHILD_ID,) * len(children)


def test_coins_that_nobody_named_are_never_summed() -> None:
    found = report("partially_paid", child(pay_currency=None), actually_paid=25.5, pay_currency=None)
    assert (found.status, found.captured_minor, found.attention) == (S.PENDING, 2549, A.UNDERPAID)


def test_a_refund_made_elsewhere_is_graver_than_a_wrong_asset() -> None:
    assert report("refunded", child(pay_currency="btc")).attention is A.GATEWAY_DISAGREES


# --- money ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("price", "currency", "asked", "arrived", "captured", "asset"),
    [
        ("49.9", "usd", "49.912345", "25.5", 2549, "USD"),
        ("500", "jpy", "3.3", "1.1", 166, "JPY"),
        ("12.345", "kwd", "40", "40", 12345, "KWD"),
        ("12.345", "kwd", "3", "1", 4115, "KWD"),
        ("10", "usd", "3", "1", 333, "USD"),
        ("10", "usd", "3", "2.999999999999999999", 999, "USD"),
        ("20", "usdttrc20", "20", "20", 20_000_000, "USDTTRC20"),
        ("1", "usdttrc20", "0.000000000000000003", "0.000000000000000001", 333_333, "USDTTRC20"),
        # 38 digits of wei over a divisor that does not divide: a double, or 28 digits, would be wrong by millions
        ("99999999999999999999.999999999999999999", "eth", "7", "3", 42857142857142857142857142857142857142, "ETH"),
    ],
)
def test_what_arrived_is_worth_its_share_of_the_price_rounded_down(
    price: str, currency: str, asked: str, arrived: str, captured: int, asset: str
) -> None:
    found = report(
        "partially_paid", price_amount=price, price_currency=currency, pay_amount=asked, actually_paid=arrived
    )
    assert (found.captured_minor, found.asset) == (captured, asset)


def test_a_number_beyond_all_money_is_not_captured() -> None:
    found = report("finished", pay_amount="0.000000000000000001", actually_paid="9" * 40)
    assert (found.status, found.captured_minor, found.attention) == (S.PENDING, None, A.MISMATCH)


@pytest.mark.parametrize("kind", [float, str])
def test_numbers_and_strings_read_alike(kind: Any) -> None:
    amounts = {"price_amount": kind(49.9), "pay_amount": kind(49.912345), "actually_paid": kind(49.912345)}
    found = report("finished", payment_id=PAYMENT_ID, **amounts)
    assert (found.status, found.captured_minor, found.amount_minor) == (S.CAPTURED, 4990, 4990)


def test_coin_facts_are_exact_and_in_the_coins_own_decimals() -> None:
    coin = report("finished", payin_hash=HASH, network="trx").coin
    assert coin is not None
    assert (coin.code, coin.network, coin.decimals) == ("USDTTRC20", "trx", 6)
    assert (coin.amount_minor, coin.amount_text) == (49_912_345, "49.912345")
    assert (coin.arrived_minor, coin.arrived_text) == (49_912_345, "49.912345")
    assert (coin.address, coin.memo, coin.transaction_hash) == ("TExampleDepositAddressAAAAAAAAAAAA", None, HASH)
    assert coin.explorer_url == f"https://tronscan.org/#/transaction/{HASH}"


def test_the_same_coin_on_another_network_has_its_own_decimals() -> None:
    coin = report("finished", pay_currency="usdtbsc").coin
    assert coin is not None and (coin.network, coin.amount_minor) == ("bsc", 49_912_345_000_000_000_000)


def test_small_coin_amounts_are_written_without_exponent() -> None:
    coin = report("finished", pay_currency="btc", pay_amount=2.5e-7, actually_paid=2.5e-7).coin
    assert coin is not None and (coin.amount_minor, coin.amount_text, coin.arrived_text) == (
        25,
        "0.00000025",
        "0.00000025",
    )


def test_an_unknown_coin_is_readable_and_its_price_facts_do_not_depend_on_it() -> None:
    found = report("finished", pay_currency="newcoin")
    assert (found.status, found.captured_minor, found.attention) == (S.CAPTURED, 4990, None)
    assert found.coin is not None
    assert (found.coin.code, found.coin.decimals, found.coin.amount_minor) == ("NEWCOIN", None, None)
    assert (found.coin.amount_text, found.coin.arrived_text, found.coin.explorer_url) == (
        "49.912345",
        "49.912345",
        None,
    )


def test_an_amount_finer_than_the_coin_has_text_but_no_minor_units() -> None:
    coin = report("finished", pay_amount="49.9123456", actually_paid="49.9123456").coin
    assert coin is not None and (coin.amount_minor, coin.amount_text) == (None, "49.9123456")


def test_the_sandbox_has_no_explorer_links() -> None:
    coin = report("finished", payin_hash=HASH, mode=Mode.TEST).coin
    assert coin is not None and (coin.transaction_hash, coin.explorer_url) == (HASH, None)


@pytest.mark.parametrize("value", ["5745.0", "1e3", "", " 1", "+1", "-1", "0", "\u0661", "1_0", 0, -1, True, None, 2**53,
                                   Decimal("5"), "1" * 21])  # fmt: skip
def test_only_whole_positive_numbers_are_ids(value: object) -> None:
    assert read_id(value) is None


@pytest.mark.parametrize("value", ["", "1,5", "1.", ".5", "+1", "-1", "1_0", "NaN", "Infinity", "\u0661", True, None, [], {},
                                   10**40, -1, Decimal("-0.1"), "1e100", " 1"])  # fmt: skip
def test_what_is_no_amount_is_none(value: object) -> None:
    assert read_amount(value) is None


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1768392000123, datetime(2026, 1, 14, 12, 0, 0, 123000, tzinfo=UTC)),
        ("2026-01-14T11:20:00.000Z", datetime(2026, 1, 14, 11, 20, tzinfo=UTC)),
        ("2026-01-14T13:20:00+02:00", datetime(2026, 1, 14, 11, 20, tzinfo=UTC)),
        ("2026-01-14T11:20:00", None),
        ("yesterday", None),
        (10**30, None),
        (True, None),
        (None, None),
    ],
)
def test_times_are_iso_or_milliseconds(value: object, moment: datetime | None) -> None:
    assert read_time(value) == moment


# --- what is sent -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Money(4990, "USD"), "49.9"),
        (Money(50000, "USD"), "500"),
        (Money(500, "JPY"), "500"),
        (Money(12345, "KWD"), "12.345"),
        (Money(1, "USD"), "0.01"),
        (Money(1, "ETH"), "0.000000000000000001"),
        (Money(123456789012345678901, "ETH"), "123.456789012345678901"),
        (Money(100, "BTC"), "0.000001"),
    ],
)
def test_the_price_is_a_json_number_in_major_units_and_exact(amount: Money, text: str) -> None:
    assert number_text(amount) == text
    for body in (build_payment(request(amount), coin="BTC"), build_invoice(request(amount))):
        assert body.startswith(f'{{"price_amount":{text},"price_currency":"{amount.asset.lower()}",')
        assert loads(body)["price_amount"] == Decimal(text)


def test_the_body_of_a_payment_holds_only_what_was_asked() -> None:
    body = build_payment(request(Money(4990, "USD"), customer_ip="192.0.2.7"), coin="USDTTRC20")
    assert body == (
        '{"price_amount":49.9,"price_currency":"usd","order_id":"ord-20260114-0007",'
        '"ipn_callback_url":"https://pay.example.com/payments/webhook/nowpayments/token","pay_currency":"usdttrc20"}'
    )


def test_the_body_of_an_invoice_brings_the_customer_back() -> None:
    asked = request(
        Money(4990, "USD"), cancel_url="https://pay.example.com/p/abc/cancel", description="Caf\u00e9\n \u2615\u0000"
    )
    assert loads(build_invoice(asked)) == {
        "price_amount": Decimal("49.9"),
        "price_currency": "usd",
        "order_id": REFERENCE,
        "order_description": "Caf\u00e9 \u2615",
        "ipn_callback_url": "https://pay.example.com/payments/webhook/nowpayments/token",
        "success_url": "https://pay.example.com/p/abc/return",
        "partially_paid_url": "https://pay.example.com/p/abc/return",
        "cancel_url": "https://pay.example.com/p/abc/cancel",
    }


# --- what is shown ------------------------------------------------------------------------------------------------------


def test_the_created_payment_of_the_page_is_shown_exactly() -> None:
    body = loads(payload("payment_created.json"))
    payment = read_created(body, request=request(Money(4990, "USD")), coin="USDTTRC20")
    shown = show_address(payment)
    assert shown is not None
    assert (shown.address, shown.uri) == ("TExampleDepositAddressAAAAAAAAAAAA",) * 2
    assert (shown.asset, shown.network, shown.memo) == ("USDTTRC20", "Tron (TRX)", None)
    assert (shown.amount_minor, shown.amount_text) == (49_912_345, "49.912345")
    assert shown.expires_at == datetime(2026, 1, 14, 11, 40, tzinfo=UTC)
    found = report_payment(payment, mode=Mode.LIVE)
    assert (found.status, found.captured_minor, found.gateway_reference) == (S.REQUIRES_ACTION, 0, PAYMENT_ID)
    assert found.coin is not None
    assert found.coin.explorer_url == "https://tronscan.org/#/address/TExampleDepositAddressAAAAAAAAAAAA"


@pytest.mark.parametrize(("memo", "shown_memo"), [("12345", "12345"), (12345, "12345"), (None, None), ("", None)])
def test_a_memo_is_shown_beside_the_address(memo: object, shown_memo: str | None) -> None:
    payment = parsed(answered("waiting", pay_currency="xrp", payin_extra_id=memo))
    shown = show_address(payment)
    assert shown is not None and (shown.memo, shown.network) == (shown_memo, "XRP Ledger (XRP)")
    coin = report_payment(payment, mode=Mode.LIVE).coin
    assert coin is not None and coin.memo == shown_memo


@pytest.mark.parametrize(
    ("coin", "said", "catalog", "label"),
    [
        ("usdttrc20", None, None, "Tron (TRX)"),
        ("usdttrc20", "bsc", None, "BNB Smart Chain (BSC)"),  # the address is where the gateway says it is
        ("newcoin", "newnet", None, "newnet"),
        ("newcoin", None, Decimals(decimals=9, network="sol"), "Solana (SOL)"),
        ("newcoin", None, None, "NEWCOIN"),
    ],
)
def test_the_network_is_always_named(coin: str, said: str | None, catalog: Decimals | None, label: str) -> None:
    shown = show_address(parsed(answered("waiting", pay_currency=coin, network=said)), coin=catalog)
    assert shown is not None and shown.network == label


def test_the_gateways_list_tells_the_decimals_of_an_unknown_coin() -> None:
    known = Decimals(decimals=9, network="sol")
    payment = parsed(answered("waiting", pay_currency="newcoin", pay_amount="1.5"))
    shown, found = show_address(payment, coin=known), report_payment(payment, mode=Mode.LIVE, coin=known).coin
    assert shown is not None and shown.amount_minor == 1_500_000_000
    assert found is not None and (found.decimals, found.network) == (9, "sol")


@pytest.mark.parametrize(
    "change",
    [
        {"payment_id": None}, {"payment_id": "x"}, {"pay_address": None}, {"pay_address": ""}, {"pay_address": 7},
        {"pay_amount": None}, {"pay_amount": 0}, {"pay_currency": None}, {"pay_currency": "usdtbsc"},
        {"order_id": "ord-other"}, {"pay_address": "T\u0000x"}, {"pay_address": "T" * 201}, {"payin_extra_id": "m\n1"},
        {"payin_extra_id": 1.5},
    ],
)  # fmt: skip
def test_an_answer_without_what_the_customer_needs_is_unreadable(change: dict[str, Any]) -> None:
    body = {**loads(payload("payment_created.json")), **change}
    with pytest.raises(Unreadable):
        read_created(body, request=request(Money(4990, "USD")), coin="USDTTRC20")


@pytest.mark.parametrize("change", [{"id": None}, {"id": "x"}, {"invoice_url": None}, {"invoice_url": 5},
                                    {"invoice_url": "https://nowpayments.io/\u0007"}, {"order_id": "ord-other"}])  # fmt: skip
def test_an_invoice_without_id_or_page_is_unreadable(change: dict[str, Any]) -> None:
    body = {"id": "6401112233", "invoice_url": "https://nowpayments.io/payment/?iid=6401112233", "order_id": REFERENCE}
    with pytest.raises(Unreadable):
        read_invoice({**body, **change}, request=request(Money(4990, "USD")))
