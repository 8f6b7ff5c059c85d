"""Postings are plain values that cannot be built wrong."""

from __future__ import annotations

from typing import Any

import pytest

from core.money import UnknownAsset
from finance.errors import BadPosting
from finance.models import AccountKind, TransactionKind
from finance.postings import (
    AccountName,
    EntryLine,
    Posting,
    TransactionName,
    capture_posting,
    clearing,
    customer_balance,
    fee_posting,
    fees,
    refund_posting,
    reversal_posting,
    sales,
)

FACTS: dict[str, Any] = {"lab_id": 3, "gateway_key_id": 7, "asset": "USD", "source": "s", "source_id": "1"}
NAME = TransactionName(source="s", source_id="1", kind=TransactionKind.ADJUSTMENT)


def line(amount: int, account: AccountName | None = None) -> EntryLine:
    return EntryLine(account=account or sales(1), amount_minor=amount)


def said(posting: Posting) -> list[tuple[AccountName, int]]:
    return [(line.account, line.amount_minor) for line in posting.lines]


def test_a_captured_payment_moves_clearing_against_sales() -> None:
    posting = capture_posting(**FACTS, payment_id=35, purpose="payment", amount_minor=49900)
    assert posting.name.kind == "payment"
    assert posting.payment_id == 35
    assert said(posting) == [(clearing(7, 35), -49900), (sales(35), 49900)]


def test_a_captured_deposit_moves_clearing_against_the_customers_balance() -> None:
    posting = capture_posting(**FACTS, payment_id=35, purpose="deposit", amount_minor=500, customer_id=9)
    assert posting.name.kind == "deposit"
    assert said(posting) == [(clearing(7, 35), -500), (customer_balance(9), 500)]


def test_a_refund_goes_the_other_way() -> None:
    posting = refund_posting(**FACTS, payment_id=35, purpose="payment", amount_minor=200)
    assert posting.name.kind == "refund"
    assert said(posting) == [(sales(35), -200), (clearing(7, 35), 200)]


def test_a_refund_of_a_deposit_falls_short_to_what_the_customer_owes() -> None:
    posting = refund_posting(**FACTS, payment_id=35, purpose="deposit", amount_minor=200, customer_id=9)
    assert said(posting) == [(customer_balance(9), -200), (clearing(7, 35), 200)]
    assert [line.shortfall for line in posting.lines] == [AccountKind.RECEIVABLE, None]


def test_a_fee_is_spent_out_of_clearing_and_comes_back_when_it_was_too_much() -> None:
    taken = fee_posting(**FACTS, payment_id=35, amount_minor=30)
    given = fee_posting(**FACTS, payment_id=35, amount_minor=-5)
    assert said(taken) == [(fees(35), -30), (clearing(7, 35), 30)]
    assert said(given) == [(clearing(7, 35), -5), (fees(35), 5)]


def test_a_returned_refund_names_the_refund_and_has_no_lines_of_its_own() -> None:
    refund = TransactionName(source="r", source_id="2", kind=TransactionKind.REFUND)
    posting = reversal_posting(lab_id=3, payment_id=1, asset="USD", original=refund, source="s", source_id="1")
    assert posting.reverses == refund
    assert posting.lines == ()


def test_the_payment_picks_one_of_sixteen_shards() -> None:
    assert [clearing(7, number).shard for number in (0, 15, 16, 35)] == [0, 15, 0, 3]


@pytest.mark.parametrize(
    "lines",
    [(), (line(5),), (line(5), line(-4)), (line(5), line(5))],
    ids=["none", "one", "unbalanced", "both sides the same"],
)
def test_lines_are_at_least_two_and_sum_to_zero(lines: tuple[EntryLine, ...]) -> None:
    with pytest.raises(BadPosting):
        Posting(lab_id=3, name=NAME, asset="USD", lines=lines)


@pytest.mark.parametrize("amount", [0, True, 5.0, "5", 10**38], ids=repr)
def test_an_entry_is_a_whole_number_that_is_not_zero(amount: Any) -> None:
    with pytest.raises(BadPosting):
        line(amount)


@pytest.mark.parametrize("amount", [0, -1])
def test_captures_and_refunds_are_more_than_zero(amount: int) -> None:
    with pytest.raises(BadPosting):
        capture_posting(**FACTS, payment_id=1, purpose="payment", amount_minor=amount)
    with pytest.raises(BadPosting):
        refund_posting(**FACTS, payment_id=1, purpose="payment", amount_minor=amount)


def test_a_deposit_has_a_customer() -> None:
    with pytest.raises(BadPosting):
        capture_posting(**FACTS, payment_id=1, purpose="deposit", amount_minor=1)
    with pytest.raises(BadPosting):
        refund_posting(**FACTS, payment_id=1, purpose="deposit", amount_minor=1)


def test_an_unknown_asset_is_refused() -> None:
    with pytest.raises(UnknownAsset):
        Posting(lab_id=3, name=NAME, asset="XXQ", lines=(line(1), line(-1)))


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": AccountKind.SALES, "shard": 16},
        {"kind": AccountKind.SALES, "shard": -1},
        {"kind": AccountKind.CUSTOMER_BALANCE, "owner": "9", "customer_id": 9, "shard": 1},
        {"kind": AccountKind.CUSTOMER_BALANCE, "owner": "9"},
        {"kind": AccountKind.SALES, "customer_id": 9},
    ],
    ids=["shard too high", "shard too low", "sharded customer", "no customer", "customer of sales"],
)
def test_an_account_name_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadPosting):
        AccountName(**fields)


def test_only_what_is_taken_from_a_balance_may_fall_short() -> None:
    for account, amount in ((sales(1), -5), (customer_balance(9), 5)):
        with pytest.raises(BadPosting):
            EntryLine(account=account, amount_minor=amount, shortfall=AccountKind.RECEIVABLE)


@pytest.mark.parametrize(("source", "source_id"), [("", "1"), ("s", ""), ("s" * 41, "1"), ("s", "1" * 201)])
def test_a_source_is_named(source: str, source_id: str) -> None:
    with pytest.raises(BadPosting):
        TransactionName(source=source, source_id=source_id, kind=TransactionKind.FEE)


def test_a_reversal_and_nothing_else_names_an_original() -> None:
    reversal = TransactionName(source="s", source_id="2", kind=TransactionKind.REVERSAL)
    with pytest.raises(BadPosting):
        Posting(lab_id=3, name=reversal, asset="USD", lines=(line(1), line(-1)))
    with pytest.raises(BadPosting):
        Posting(lab_id=3, name=NAME, asset="USD", reverses=reversal)
    with pytest.raises(BadPosting):
        Posting(lab_id=3, name=reversal, asset="USD", reverses=NAME, lines=(line(1), line(-1)))
