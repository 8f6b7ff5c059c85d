"""Many at once, each with a connection of its own."""

from __future__ import annotations

from functools import partial

import pytest
from django.db import connection, transaction
from psycopg.errors import SerializationFailure

from core.models import Customer, Lab
from finance import ledger
from finance.checks import run
from finance.errors import InsufficientFunds, RetryPosting
from finance.models import Account, Transaction, UserBalance
from tests.database import at_once
from tests.finance.books import account_of, deposit, payment, refund_of_deposit, totals

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.concurrency]


def test_eight_writers_on_one_balance_lose_nothing(lab: Lab, customer: Customer) -> None:
    def work(writer: int) -> None:
        for number in range(25):
            ledger.post([deposit(lab, customer, 7, payment=writer * 100 + number)])

    assert at_once([partial(work, writer) for writer in range(8)]) == [None] * 8
    assert account_of(customer).balance == 8 * 25 * 7
    assert account_of(customer).entry_count == 200
    assert set(run().values()) == {0}


def test_the_first_postings_to_an_account_make_it_once(lab: Lab, customer: Customer) -> None:
    answers = at_once([partial(ledger.post, [deposit(lab, customer, 7, payment=16 * writer)]) for writer in range(8)])
    assert [answer[0].is_new for answer in answers] == [True] * 8  # type: ignore[index]
    assert Account.across_labs.count() == 2
    assert totals(lab) == {"clearing": -56, "customer_balance": 56}


def test_the_same_fact_from_eight_sides_is_booked_once(lab: Lab, customer: Customer) -> None:
    answers = at_once([partial(ledger.post, [deposit(lab, customer, 7)])] * 8)
    assert sorted(answer[0].is_new for answer in answers) == [False] * 7 + [True]  # type: ignore[index]
    assert len({answer[0].transaction_id for answer in answers}) == 1  # type: ignore[index]
    assert account_of(customer).balance == 7


def test_overlapping_batches_in_any_order_do_not_deadlock(lab: Lab, customer: Customer) -> None:
    batch = [deposit(lab, customer, 7, payment=number) for number in range(60)]
    batch += [payment(lab, 9, payment=number, source="other") for number in range(60)]
    answers = at_once(
        [partial(ledger.post, order) for order in (batch, batch[::-1], batch[30:] + batch[:30], batch[::-1])]
    )
    assert all(isinstance(answer, list) for answer in answers), answers
    assert totals(lab) == {"clearing": -60 * 16, "customer_balance": 60 * 7, "sales": 60 * 9}
    assert set(run().values()) == {0}


def test_a_balance_of_100_gives_a_hold_of_60_once(lab: Lab, customer: Customer) -> None:
    ledger.post([deposit(lab, customer, 100)])
    account = account_of(customer)
    works = [
        partial(ledger.hold, lab_id=lab.pk, account_id=account.pk, amount_minor=60, source="w", source_id=str(number))
        for number in range(8)
    ]
    answers = at_once(works)
    assert answers.count(True) == 1
    assert sum(isinstance(answer, InsufficientFunds) for answer in answers) == 7
    assert account_of(customer).held == 60


def test_one_hold_asked_for_eight_times_is_taken_and_given_back_once(lab: Lab, customer: Customer) -> None:
    ledger.post([deposit(lab, customer, 1000)])
    name = {"lab_id": lab.pk, "account_id": account_of(customer).pk, "source": "w", "source_id": "1"}
    assert sorted(at_once([partial(ledger.hold, **name, amount_minor=60)] * 8)) == [False] * 7 + [True]  # type: ignore[type-var]
    assert account_of(customer).held == 60
    assert sorted(at_once([partial(ledger.release, **name)] * 8)) == [False] * 7 + [True]  # type: ignore[type-var]
    assert account_of(customer).held == 0


def test_refunds_at_once_take_the_balance_and_owe_the_rest(lab: Lab, customer: Customer) -> None:
    ledger.post([deposit(lab, customer, 100)])
    works = [partial(ledger.post, [refund_of_deposit(lab, customer, 30, str(number))]) for number in range(6)]
    assert all(isinstance(answer, list) for answer in at_once(works))
    assert totals(lab) == {"clearing": 80, "customer_balance": 0, "receivable": -80}
    assert set(run().values()) == {0}


def test_one_transaction_is_reversed_once_from_many_sides(lab: Lab) -> None:
    (posted,) = ledger.post([payment(lab, 1000)])
    work = partial(ledger.reverse, lab_id=lab.pk, transaction_id=posted.transaction_id, author="a", reason="b")
    answers = at_once([work] * 6)
    assert sorted(answer.is_new for answer in answers) == [False] * 5 + [True]  # type: ignore[union-attr]
    assert totals(lab) == {"clearing": 0, "sales": 0}


def test_a_user_gets_one_customer_and_one_balance(lab: Lab, django_user_model) -> None:
    user = django_user_model.objects.create_user("ada")
    answers = at_once([partial(UserBalance.get_or_create, lab=lab, owner=user, asset="USD")] * 6)
    assert len({answer.pk for answer in answers}) == 1  # type: ignore[union-attr]
    assert Customer.across_labs.filter(user=user).count() == 1


def test_what_another_isolation_level_cannot_see_is_to_be_done_again(lab: Lab, customer: Customer) -> None:
    def in_a_snapshot() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("SELECT 1")  # the snapshot is taken here
            at_once([partial(ledger.post, [deposit(lab, customer, 7)])])
            ledger.post([deposit(lab, customer, 7)])

    with pytest.raises(RetryPosting) as refused:
        in_a_snapshot()
    assert isinstance(refused.value.__cause__, SerializationFailure)
    assert Transaction.across_labs.count() == 1
    assert account_of(customer).balance == 7
