"""Bookkeeping stories."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from core import clock
from core.models import Customer, Lab
from core.money import UnknownAsset
from finance import ledger
from finance.checks import run
from finance.errors import BadPosting, InsufficientFunds, NotReversible, SourceReused
from finance.models import AccountKind, Transaction, UserBalance
from tests.finance.books import (
    account_of,
    book,
    count_rows,
    deposit,
    fee,
    lines_of,
    look,
    payment,
    refund_of_deposit,
    refund_of_payment,
    returned_refund,
    totals,
)
from tests.finance.conftest import make_customer

pytestmark = pytest.mark.django_db


def test_a_deposit_of_50_is_owed_to_the_customer_and_held_by_the_gateway(lab: Lab, customer: Customer) -> None:
    (posted,) = book(deposit(lab, customer, 5000))
    assert posted.is_new is True
    assert lines_of(posted) == [("clearing", -5000, -5000, 1), ("customer_balance", 5000, 5000, 1)]
    assert totals(lab) == {"clearing": -5000, "customer_balance": 5000}


def test_a_payment_is_sold_partly_refunded_and_costs_a_fee(lab: Lab) -> None:
    book(payment(lab, 10000), refund_of_payment(lab, 2500, "R1"), fee(lab, 320))
    assert totals(lab) == {"clearing": -7180, "sales": 7500, "fees": -320}


def test_a_second_capture_continues_the_first(lab: Lab, customer: Customer) -> None:
    book(deposit(lab, customer, 6000))
    (second,) = book(deposit(lab, customer, 4000, source_id="1:10000"))
    assert lines_of(second) == [("clearing", -4000, -10000, 2), ("customer_balance", 4000, 10000, 2)]


def test_posting_the_same_again_changes_nothing(lab: Lab, customer: Customer) -> None:
    (first,) = book(deposit(lab, customer, 5000))
    before = count_rows()
    (again,) = book(deposit(lab, customer, 5000))
    assert (again.transaction_id, again.is_new) == (first.transaction_id, False)
    assert count_rows() == before
    assert account_of(customer).balance == 5000


def test_the_same_twice_in_one_call_is_booked_once(lab: Lab, customer: Customer) -> None:
    first, second = book(deposit(lab, customer, 5000), deposit(lab, customer, 5000))
    assert (first.is_new, second.is_new) == (True, False)
    assert first.transaction_id == second.transaction_id
    assert account_of(customer).balance == 5000


def test_the_same_twice_in_one_database_transaction_is_booked_once(lab: Lab, customer: Customer) -> None:
    with transaction.atomic():
        (first,) = ledger.post([deposit(lab, customer, 5000)])
        (second,) = ledger.post([deposit(lab, customer, 5000)])
    assert (first.is_new, second.is_new) == (True, False)
    assert account_of(customer).balance == 5000


def test_new_and_known_postings_are_told_apart_in_the_order_of_the_call(lab: Lab, customer: Customer) -> None:
    book(deposit(lab, customer, 100, payment=2))
    answers = book(*[deposit(lab, customer, 100, payment=number) for number in (3, 2, 1)])
    assert [answer.is_new for answer in answers] == [True, False, True]
    sources = [Transaction.across_labs.get(pk=answer.transaction_id).source_id for answer in answers]
    assert sources == ["3:100", "2:100", "1:100"]


@pytest.mark.parametrize("change", [{"amount_minor": 5001}, {"asset": "EUR"}], ids=["amount", "asset"])
def test_the_same_source_with_another_content_is_refused(lab: Lab, customer: Customer, change: dict) -> None:
    book(deposit(lab, customer, 5000, source_id="x"))
    before = count_rows()
    with pytest.raises(SourceReused):
        book(deposit(lab, customer, 5000, **{"source_id": "x", **change}))
    with pytest.raises(SourceReused):
        book(deposit(lab, customer, 1, source_id="y"), deposit(lab, customer, 2, source_id="y"))
    assert count_rows() == before
    assert account_of(customer).balance == 5000


def test_another_lab_cannot_take_a_source_for_its_own(lab: Lab, other_lab: Lab, customer: Customer) -> None:
    book(deposit(lab, customer, 5000, source_id="x"))
    with pytest.raises(SourceReused):
        book(deposit(other_lab, make_customer(other_lab), 5000, source_id="x"))
    assert totals(other_lab) == {}


def test_a_customer_of_another_lab_is_refused_by_the_database(lab: Lab, other_lab: Lab) -> None:
    with pytest.raises(IntegrityError, match="finance_account_customer_fk"):
        book(deposit(lab, make_customer(other_lab), 5000))
    assert count_rows() == (0, 0, 0, 0)


def test_wei_do_not_overflow(lab: Lab, customer: Customer) -> None:
    much = 123_456_789_000_000_000_000_000_001
    book(deposit(lab, customer, much, asset="ETH"))
    balance = UserBalance.get_or_create(lab=lab, owner=customer, asset="ETH")
    assert (balance.balance, type(balance.balance)) == (much, int)


def test_what_was_booked_carries_its_time_author_and_words(lab: Lab, customer: Customer) -> None:
    with clock.fixed(datetime(2026, 11, 20, 18, 30, 5, tzinfo=UTC)):
        (posted,) = book(deposit(lab, customer, 100, payment=35, description="Top-up"))
    row = Transaction.across_labs.get(pk=posted.transaction_id)
    assert row.created_at == datetime(2026, 11, 20, 18, 30, 5, tzinfo=UTC)
    assert (row.description, row.payment_id, row.withdrawal_id, row.author) == ("Top-up", 35, None, "")


# Refunds of what was spent


def test_a_refund_of_a_spent_deposit_is_booked_and_leaves_the_customer_owing(lab: Lab, customer: Customer) -> None:
    book(deposit(lab, customer, 10000))
    ledger.hold(lab_id=lab.pk, account_id=account_of(customer).pk, amount_minor=7000, source="w", source_id="1")
    (posted,) = book(refund_of_deposit(lab, customer, 10000, "R1"))
    assert lines_of(posted) == [
        ("customer_balance", -3000, 7000, 2),
        ("receivable", -7000, -7000, 1),
        ("clearing", 10000, 0, 2),
    ]
    account = account_of(customer)
    assert (account.balance, account.held, account.available) == (7000, 7000, 0)


def test_a_refund_of_an_empty_balance_touches_only_what_is_owed(lab: Lab, customer: Customer) -> None:
    (posted,) = book(refund_of_deposit(lab, customer, 400, "R1"))
    assert lines_of(posted) == [("receivable", -400, -400, 1), ("clearing", 400, 400, 1)]


def test_two_refunds_in_one_call_see_each_other(lab: Lab, customer: Customer) -> None:
    book(deposit(lab, customer, 1000))
    book(refund_of_deposit(lab, customer, 700, "R1"), refund_of_deposit(lab, customer, 700, "R2"))
    assert totals(lab) == {"clearing": 400, "customer_balance": 0, "receivable": -400}
    (again,) = book(refund_of_deposit(lab, customer, 700, "R2"))
    assert again.is_new is False


def test_a_returned_refund_gives_back_exactly_what_it_took(lab: Lab, customer: Customer) -> None:
    book(deposit(lab, customer, 1000), refund_of_deposit(lab, customer, 1400, "R1"))
    assert totals(lab) == {"clearing": 400, "customer_balance": 0, "receivable": -400}
    (posted,) = book(returned_refund(lab, "R1"))
    assert sorted(lines_of(posted)) == [
        ("clearing", -1400, -1000, 3),
        ("customer_balance", 1000, 1000, 3),
        ("receivable", 400, 0, 2),
    ]
    (again,) = book(returned_refund(lab, "R1"))
    assert again.is_new is False
    assert account_of(customer).balance == 1000


def test_a_refund_and_its_return_may_come_in_one_call(lab: Lab) -> None:
    posted = book(returned_refund(lab, "R1"), payment(lab, 1000), refund_of_payment(lab, 300, "R1"))
    assert [answer.is_new for answer in posted] == [True, True, True]
    assert lines_of(posted[0]) == [("sales", 300, 1000, 3), ("clearing", -300, -1000, 3)]


# Reversals


def test_a_mistake_is_reversed_once_with_author_and_reason(lab: Lab, customer: Customer) -> None:
    (posted,) = book(deposit(lab, customer, 5000))
    undone = ledger.reverse(lab_id=lab.pk, transaction_id=posted.transaction_id, author="user:1", reason="typed twice")
    again = ledger.reverse(lab_id=lab.pk, transaction_id=posted.transaction_id, author="user:2", reason="me too")
    look()
    assert (undone.is_new, again.is_new) == (True, False)
    assert again.transaction_id == undone.transaction_id
    row = Transaction.across_labs.get(pk=undone.transaction_id)
    assert (row.kind, row.reverses_id, row.author, row.description, row.payment_id) == (
        "reversal",
        posted.transaction_id,
        "user:1",
        "typed twice",
        1,
    )
    assert totals(lab) == {"clearing": 0, "customer_balance": 0}


def test_a_reversal_under_another_source_does_not_undo_twice(lab: Lab) -> None:
    _, refund = book(payment(lab, 1000), refund_of_payment(lab, 300, "R1"))
    ledger.reverse(lab_id=lab.pk, transaction_id=refund.transaction_id, author="user:1", reason="by hand")
    with pytest.raises(NotReversible):
        book(returned_refund(lab, "R1"))
    assert totals(lab) == {"clearing": -1000, "sales": 1000}


def test_a_reversal_is_not_reversed(lab: Lab) -> None:
    (posted,) = book(payment(lab, 1000))
    undone = ledger.reverse(lab_id=lab.pk, transaction_id=posted.transaction_id, author="a", reason="b")
    with pytest.raises(NotReversible), transaction.atomic():
        ledger.reverse(lab_id=lab.pk, transaction_id=undone.transaction_id, author="a", reason="b")
    assert totals(lab) == {"clearing": 0, "sales": 0}


def test_what_was_never_booked_and_what_is_another_labs_cannot_be_reversed(lab: Lab, other_lab: Lab) -> None:
    (posted,) = book(
        payment(lab, 1000),
    )
    book(refund_of_payment(lab, 300, "R1"))
    for wrong_lab, number in ((other_lab, posted.transaction_id), (lab, 0)):
        with pytest.raises(NotReversible):
            ledger.reverse(lab_id=wrong_lab.pk, transaction_id=number, author="a", reason="b")
    for returned in (
        returned_refund(lab, "R2"),
        returned_refund(other_lab, "R1"),
        returned_refund(lab, "R1", asset="EUR"),
    ):
        with pytest.raises(NotReversible):
            book(returned)
    assert Transaction.across_labs.filter(kind="reversal").count() == 0


def test_a_reversal_says_who_and_why(lab: Lab) -> None:
    for author, reason in (("", "b"), ("a", "")):
        with pytest.raises(BadPosting):
            ledger.reverse(lab_id=lab.pk, transaction_id=1, author=author, reason=reason)


def test_a_spent_deposit_cannot_be_reversed_by_hand(lab: Lab, customer: Customer) -> None:
    posted, _ = book(deposit(lab, customer, 1000), refund_of_deposit(lab, customer, 1, "R1"))
    before = count_rows()
    with pytest.raises(InsufficientFunds), transaction.atomic():
        ledger.reverse(lab_id=lab.pk, transaction_id=posted.transaction_id, author="a", reason="b")
    assert count_rows() == before
    assert account_of(customer).balance == 999


# Holds


def test_held_money_is_there_but_not_available(lab: Lab, customer: Customer) -> None:
    book(deposit(lab, customer, 5000))
    account = account_of(customer)
    hold = {"lab_id": lab.pk, "account_id": account.pk, "source": "withdrawal", "source_id": "WD_1"}
    assert ledger.hold(**hold, amount_minor=5000) is True
    assert ledger.hold(**hold, amount_minor=5000) is False
    account.refresh_from_db()
    assert (account.balance, account.held, account.available) == (5000, 5000, 0)
    assert ledger.release(**hold) is True
    assert ledger.release(**hold) is False
    account.refresh_from_db()
    assert (account.balance, account.held, account.available) == (5000, 0, 5000)


def test_a_hold_that_cannot_be_is_refused_and_the_transaction_goes_on(
    lab: Lab, other_lab: Lab, customer: Customer
) -> None:
    book(deposit(lab, customer, 5000))
    account = account_of(customer)
    clearing = account.__class__.across_labs.get(kind=AccountKind.CLEARING)
    name = {"source": "withdrawal", "source_id": "WD_1"}
    with pytest.raises(InsufficientFunds):
        ledger.hold(lab_id=lab.pk, account_id=account.pk, amount_minor=5001, **name)
    for lab_id, account_id in ((other_lab.pk, account.pk), (lab.pk, clearing.pk), (lab.pk, 0)):
        with pytest.raises(LookupError):
            ledger.hold(lab_id=lab_id, account_id=account_id, amount_minor=1, **name)
    for amount in (0, -1, True):
        with pytest.raises(BadPosting):
            ledger.hold(lab_id=lab.pk, account_id=account.pk, amount_minor=amount, **name)
    with pytest.raises(LookupError):
        ledger.release(lab_id=lab.pk, account_id=account.pk, **name)
    ledger.hold(lab_id=lab.pk, account_id=account.pk, amount_minor=10, **name)
    with pytest.raises(SourceReused):
        ledger.hold(lab_id=lab.pk, account_id=account.pk, amount_minor=11, **name)
    with pytest.raises(LookupError):
        ledger.release(lab_id=other_lab.pk, account_id=account.pk, **name)
    account.refresh_from_db()
    assert account.held == 10


# Balances


def test_a_balance_is_opened_once_for_a_customer_and_for_a_user(lab: Lab, other_lab: Lab, django_user_model) -> None:
    user = django_user_model.objects.create_user("ada", email="ada@example.org")
    opened = UserBalance.get_or_create(lab=lab, owner=user, asset="USD")
    assert (opened.balance, opened.held, opened.available, opened.last_transaction) == (0, 0, 0, None)
    assert (opened.customer.user, opened.customer.email) == (user, "ada@example.org")
    assert UserBalance.get_or_create(lab=lab.pk, owner=user, asset="USD") == opened
    assert UserBalance.get_or_create(lab=lab, owner=opened.customer, asset="USD") == opened
    elsewhere = UserBalance.get_or_create(lab=other_lab, owner=user, asset="USD")
    assert elsewhere.customer != opened.customer
    with pytest.raises(ValueError, match="another lab"):
        UserBalance.get_or_create(lab=other_lab, owner=opened.customer, asset="USD")
    with pytest.raises(UnknownAsset):
        UserBalance.get_or_create(lab=lab, owner=user, asset="XXQ")


def test_posting_finds_the_balance_that_was_opened_before(lab: Lab, customer: Customer) -> None:
    opened = UserBalance.get_or_create(lab=lab, owner=customer, asset="USD")
    book(deposit(lab, customer, 700))
    assert account_of(customer).pk == opened.pk


def test_a_balance_knows_its_totals(lab: Lab, customer: Customer) -> None:
    first, _, third = book(
        deposit(lab, customer, 1000),
        deposit(lab, customer, 500, payment=2),
        refund_of_deposit(lab, customer, 200, "R1"),
    )
    ledger.reverse(lab_id=lab.pk, transaction_id=first.transaction_id, author="a", reason="b")
    balance = UserBalance.for_lab(lab).get()
    assert (balance.balance, balance.total_deposited, balance.total_withdrawn) == (300, 500, 0)
    assert balance.last_transaction.kind == "reversal"
    assert balance.last_transaction.pk > third.transaction_id


# Size and cost


def test_a_batch_of_500_costs_as_many_statements_as_one(lab: Lab, customer: Customer) -> None:
    counts = []
    for numbers in (range(1, 2), range(1000, 1500)):
        batch = [deposit(lab, customer, 10, payment=number) for number in numbers]
        batch += [refund_of_deposit(lab, customer, 5, str(number), payment=number) for number in numbers[:1]]
        with CaptureQueriesContext(connection) as queries:
            ledger.post(batch)
        counts.append(len(queries))
    look()
    assert counts == [1, 1]
    assert account_of(customer).balance == 10 + 500 * 10 - 2 * 5
    assert totals(lab)["clearing"] == -(10 + 500 * 10 - 2 * 5)
    assert set(run().values()) == {0}


def test_posting_nothing_asks_nothing(lab: Lab) -> None:
    with CaptureQueriesContext(connection) as queries:
        assert ledger.post([]) == []
    assert len(queries) == 0
