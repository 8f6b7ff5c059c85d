"""Each check finds what it is for, also what got in behind the guards' back; and nothing in sound books."""

from __future__ import annotations

import pytest
from django.db import connection, transaction

from core.models import Customer, Lab
from finance import checks, ledger
from finance.tasks import check_books
from tests.database import without_guards
from tests.finance.books import account_of, book, deposit, fee, look, payment, refund_of_deposit

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(lab: Lab, customer: Customer) -> None:
    book(
        deposit(lab, customer, 1000),
        payment(lab, 500, payment=2),
        fee(lab, 20, payment=2),
        refund_of_deposit(lab, customer, 100, "R1"),
    )
    ledger.hold(lab_id=lab.pk, account_id=account_of(customer).pk, amount_minor=300, source="w", source_id="1")
    look()  # or what waits for the commit would keep the tables from being altered


def failing() -> set[str]:
    """The numbers of the checks that find something: {"I1", ...}."""
    return {name.split()[0] for name, count in checks.run().items() if count}


def test_sound_books_have_no_finding(books: None) -> None:
    assert failing() == set()
    assert [name.split()[0] for name, _ in checks.CHECKS] == ["I1", "I2", "I3", "I4", "I5", "I6", "I7"]
    assert check_books() == 0


FIRST = "(SELECT min(id) FROM finance_entry)"
BALANCE = "kind = 'customer_balance'"


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (f"DELETE FROM finance_entry WHERE id = {FIRST}", {"I1", "I2", "I3"}),
        ("DELETE FROM finance_entry", {"I1", "I2"}),
        (f"UPDATE finance_entry SET amount = amount + 1 WHERE id = {FIRST}", {"I1", "I2", "I3"}),
        (f"UPDATE finance_account SET balance = balance + 1 WHERE {BALANCE}", {"I2"}),
        (f"UPDATE finance_account SET entry_count = 7 WHERE {BALANCE}", {"I2"}),
        (f"UPDATE finance_entry SET balance_after = 0 WHERE id = {FIRST}", {"I3"}),
        ("UPDATE finance_entry SET seq = seq + 100", {"I3"}),
        (f"UPDATE finance_account SET may_go_negative = true WHERE {BALANCE}", {"I4"}),
        (f"UPDATE finance_account SET held = 301 WHERE {BALANCE}", {"I5"}),
        ("DELETE FROM finance_hold", {"I5"}),
        ("UPDATE finance_transaction SET asset = 'EUR'", {"I7"}),
        (f"UPDATE finance_account SET asset = 'EUR' WHERE {BALANCE}", {"I7"}),
        ("UPDATE finance_entry SET lab_id = -1", {"I7"}),
        ("UPDATE finance_hold SET asset = 'EUR'", {"I7"}),
    ],
)
def test_damage_is_found(books: None, damage: str, found: set[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE finance_account DROP CONSTRAINT finance_account_may_go_negative")
        with without_guards():
            cursor.execute(damage)
    assert failing() == found
    assert check_books() > 0


def test_held_beyond_the_balance_is_found(books: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE finance_account DROP CONSTRAINT finance_account_funds")
        with without_guards():
            cursor.execute(f"UPDATE finance_account SET held = 901 WHERE {BALANCE}")
    assert failing() == {"I4", "I5"}


def test_two_transactions_of_one_source_are_found(books: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE finance_transaction DROP CONSTRAINT finance_transaction_source_uniq")
        with without_guards():
            cursor.execute("UPDATE finance_transaction SET source = 's', source_id = '1', kind = 'fee'")
    assert failing() == {"I6"}


def columns_of(view: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {view} LIMIT 0")
        return [column.name for column in cursor.description]


def test_the_audit_views_have_exactly_the_agreed_columns(books: None) -> None:
    assert columns_of("audit_account") == ["id", "lab_id", "asset", "may_go_negative", "balance", "held"]
    assert (
        columns_of("audit_entry")
        == (
            "id transaction_id lab_id account_id seq asset amount balance_after kind source source_id payment_id withdrawal_id"
        ).split()
    )


def test_the_audit_views_show_the_books(books: None, lab: Lab, customer: Customer) -> None:
    account = account_of(customer)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM audit_account WHERE id = %s", [account.pk])
        assert cursor.fetchall() == [(account.pk, lab.pk, "USD", 0, 900, 300)]
        cursor.execute("SELECT DISTINCT may_go_negative FROM audit_account WHERE id <> %s", [account.pk])
        assert cursor.fetchall() == [(1,)]
        cursor.execute(
            "SELECT seq, asset, amount, balance_after, kind, source, source_id, payment_id, withdrawal_id"
            " FROM audit_entry WHERE account_id = %s ORDER BY seq",
            [account.pk],
        )
        assert cursor.fetchall() == [
            (1, "USD", 1000, 1000, "deposit", "capture", "1:1000", 1, None),
            (2, "USD", -100, 900, "refund", "refund", "R1", 1, None),
        ]


@pytest.mark.django_db(transaction=True)
def test_a_test_that_commits_finds_and_leaves_an_empty_database(lab: Lab, customer: Customer) -> None:
    with transaction.atomic():
        ledger.post([deposit(lab, customer, 5)])
    assert account_of(customer).balance == 5
    assert Lab.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_and_so_does_the_next(lab: Lab) -> None:
    assert Lab.objects.count() == 1
    assert Customer.across_labs.count() == 0
