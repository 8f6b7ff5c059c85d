"""The database itself refuses what the code would never do. Each test is raw SQL, and nothing has changed afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import ProtectedError

from core import guards
from core.models import Customer, Lab
from finance import checks, ledger
from finance.models import Account, AccountKind, Entry, Transaction
from tests.finance.books import account_of, book, deposit, look, payment, refund_of_payment
from tests.finance.conftest import make_customer

pytestmark = pytest.mark.django_db


@pytest.fixture
def booked(lab: Lab, customer: Customer) -> ledger.Posted:
    """A deposit of 1000, of which 300 are held."""
    (posted,) = book(deposit(lab, customer, 1000))
    ledger.hold(lab_id=lab.pk, account_id=account_of(customer).pk, amount_minor=300, source="w", source_id="1")
    return posted


def state() -> list[Any]:
    with connection.cursor() as cursor:
        found = []
        for table in ("transaction", "entry", "hold", "account"):
            cursor.execute(f"SELECT * FROM finance_{table} ORDER BY id")
            found.append(cursor.fetchall())
    return found


@contextmanager
def refusal(because: str) -> Iterator[None]:
    """The block raises, at once or at the commit, with `because` in the database's words; nothing has changed."""
    before = state()
    with pytest.raises(DatabaseError, match=because), transaction.atomic():  # noqa: PT012
        yield
        look()
    assert state() == before


def execute(sql: str, *parameters: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)


def refused(sql: str, because: str, *parameters: Any) -> None:
    with refusal(because):
        execute(sql, *parameters)


@pytest.mark.parametrize("table", ["finance_transaction", "finance_entry", "finance_hold"])
def test_the_books_are_insert_only(booked: ledger.Posted, table: str) -> None:
    refused(
        f"UPDATE {table} SET source = source" if table != "finance_entry" else f"UPDATE {table} SET amount = 1",
        "UPDATE",
    )
    refused(f"DELETE FROM {table}", "DELETE")
    refused(f"TRUNCATE {table} CASCADE", "TRUNCATE")


def test_an_account_is_not_deleted(booked: ledger.Posted) -> None:
    refused("DELETE FROM finance_account", "DELETE of finance_account is refused")
    refused("TRUNCATE finance_account CASCADE", "TRUNCATE")


@pytest.mark.parametrize(
    "change",
    ["balance = balance + 1", "held = 0", "entry_count = 0", "balance = balance", "balance = 0, entry_count = 2"],
)
def test_a_balance_does_not_move_by_hand(booked: ledger.Posted, change: str) -> None:
    refused(f"UPDATE finance_account SET {change}", "a balance moves by entries and holds alone")


@pytest.mark.parametrize(
    "change",
    ["may_go_negative = NOT may_go_negative", "asset = 'EUR'", "kind = 'sales'", "owner = 'x'", "shard = 3", "id = -1"],
)
def test_what_an_account_is_never_changes(booked: ledger.Posted, change: str) -> None:
    refused(f"UPDATE finance_account SET {change}", "what an account is never changes")


@pytest.mark.parametrize("column", ["balance", "held", "entry_count"])
def test_an_account_starts_empty(lab: Lab, column: str) -> None:
    refused(
        f"INSERT INTO finance_account (lab_id, kind, asset, may_go_negative, {column}) VALUES (%s, 'sales', 'USD', true, 1)",
        "starts empty",
        lab.pk,
    )


@pytest.mark.parametrize(
    ("values", "because"),
    [
        ("'customer_balance', '{c}', {c}, 0, 'USD', true", "finance_account_may_go_negative"),
        ("'sales', '', NULL, 0, 'USD', false", "finance_account_may_go_negative"),
        ("'sales', '', NULL, 16, 'USD', true", "finance_account_shard"),
        ("'adjustments', '', NULL, 1, 'USD', true", "finance_account_shard"),
        ("'bribes', '', NULL, 0, 'USD', true", "finance_account_kind"),
        ("'customer_balance', '7', {c}, 0, 'USD', false", "finance_account_owner"),
        ("'customer_balance', '', NULL, 0, 'USD', false", "finance_account_owner"),
        ("'sales', '{c}', {c}, 0, 'USD', true", "finance_account_owner"),
        ("'customer_balance', '{o}', {o}, 0, 'USD', false", "finance_account_customer_fk"),
        ("'customer_balance', '{c}', {c}, 0, 'EUR', false", "finance_account_name_uniq"),
    ],
)
def test_an_account_that_cannot_be_is_refused(
    lab: Lab, other_lab: Lab, customer: Customer, values: str, because: str
) -> None:
    insert = (
        "INSERT INTO finance_account (lab_id, kind, owner, customer_id, shard, asset, may_go_negative) VALUES (%s, "
    )
    stranger = make_customer(other_lab)
    with connection.cursor() as cursor:
        cursor.execute(f"{insert}'customer_balance', '{customer.pk}', {customer.pk}, 0, 'EUR', false)", [lab.pk])
    refused(insert + values.format(c=customer.pk, o=stranger.pk) + ")", because, lab.pk)


TRANSACTION = (
    "INSERT INTO finance_transaction (lab_id, kind, source, source_id, asset, metadata, author, created_at, reverses_id)"
    " VALUES (%s, %s, %s, %s, 'USD', '{}', '', now(), %s) RETURNING id"
)
ENTRY = (
    "INSERT INTO finance_entry (lab_id, transaction_id, account_id, asset, amount, seq, balance_after)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s)"
)


def write_transaction(lab: Lab, *, kind: str = "adjustment", source_id: str = "1", reverses: int | None = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(TRANSACTION, [lab.pk, kind, "raw", source_id, reverses])
        return cursor.fetchone()[0]


def write_entry(account: Account, number: int, amount: int, **changes: Any) -> None:
    """An entry that continues its account, unless `changes` says otherwise."""
    account.refresh_from_db()
    facts = {
        "lab_id": account.lab_id,
        "asset": account.asset,
        "seq": account.entry_count + 1,
        "balance_after": account.balance + amount,
        **changes,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            ENTRY,
            [facts["lab_id"], number, account.pk, facts["asset"], amount, facts["seq"], facts["balance_after"]],
        )


def clearing() -> Account:
    return Account.across_labs.filter(kind=AccountKind.CLEARING).get()


def test_entries_written_by_hand_move_their_balances(booked: ledger.Posted, lab: Lab, customer: Customer) -> None:
    number = write_transaction(lab)
    write_entry(clearing(), number, -50)
    write_entry(account_of(customer), number, 50)
    look()
    assert (account_of(customer).balance, clearing().balance) == (1050, -1050)
    assert set(checks.run().values()) == {0}


@pytest.mark.parametrize("amounts", [(), (-50,), (-50, 49)], ids=["no entry", "one entry", "not zero"])
def test_a_transaction_is_whole_at_the_commit(
    booked: ledger.Posted, lab: Lab, customer: Customer, amounts: tuple[int, ...]
) -> None:
    with refusal("entries that sum to"):
        number = write_transaction(lab)
        for amount, account in zip(amounts, (clearing(), account_of(customer)), strict=False):
            write_entry(account, number, amount)


@pytest.mark.parametrize("changes", [{"seq": 0}, {"seq": 3}, {"balance_after": 0}, {"balance_after": 951}])
def test_an_entry_continues_its_account(
    booked: ledger.Posted, lab: Lab, customer: Customer, changes: dict[str, int]
) -> None:
    with refusal("does not continue its balance"):
        write_entry(account_of(customer), write_transaction(lab), -50, **changes)


def test_an_entry_does_not_take_the_place_of_another(booked: ledger.Posted, lab: Lab, customer: Customer) -> None:
    with refusal("finance_entry_account_seq_uniq"):
        write_entry(account_of(customer), write_transaction(lab), -50, seq=1)


def test_an_entry_agrees_with_account_and_transaction_on_lab_and_asset(
    booked: ledger.Posted, lab: Lab, other_lab: Lab, customer: Customer
) -> None:
    for change in ({"asset": "EUR"}, {"lab_id": other_lab.pk}):
        with refusal(r"finance_entry_(account|transaction)_fk"):
            write_entry(account_of(customer), write_transaction(lab), -50, **change)
    with refusal("finance_entry_transaction_fk"):
        write_entry(account_of(customer), write_transaction(other_lab), -50)
    with refusal("finance_entry_account_fk"):
        write_entry(account_of(customer), write_transaction(other_lab), -50, lab_id=other_lab.pk)


def test_an_entry_of_nothing_is_refused(booked: ledger.Posted, lab: Lab, customer: Customer) -> None:
    with refusal("finance_entry_amount"):
        write_entry(account_of(customer), write_transaction(lab), 0)


def test_a_skipped_entry_moves_nothing(booked: ledger.Posted, lab: Lab, customer: Customer) -> None:
    entry = Entry.across_labs.filter(account=account_of(customer)).get()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO finance_entry SELECT * FROM finance_entry WHERE id = %s ON CONFLICT DO NOTHING", [entry.pk]
        )
    assert account_of(customer).balance == 1000


@pytest.mark.django_db(transaction=True)
def test_a_closed_transaction_takes_no_more_entries(booked: ledger.Posted, customer: Customer) -> None:
    with refusal("is closed"):
        write_entry(clearing(), booked.transaction_id, -50)
        write_entry(account_of(customer), booked.transaction_id, 50)


def test_when_a_row_was_posted_cannot_be_made_up(lab: Lab) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO finance_transaction (lab_id, kind, source, source_id, asset, metadata, author, created_at,"
            " posted_in) VALUES (%s, 'fee', 'raw', '1', 'USD', '{}', '', now(), '3')"
            " RETURNING posted_in = pg_current_xact_id()",
            [lab.pk],
        )
        assert cursor.fetchone() == (True,)
    transaction.set_rollback(True)  # it has no entries


def test_what_may_not_go_negative_does_not_even_for_a_moment(
    booked: ledger.Posted, lab: Lab, customer: Customer
) -> None:
    account = account_of(customer)  # 1000, of which 300 are held
    with refusal("the balance is too small"):
        write_entry(account, write_transaction(lab), -701)
    row = "(%s, %s, %s, 'USD', %s, %s, %s)"
    with refusal("the balance is too small"):
        number = write_transaction(lab)
        execute(
            "INSERT INTO finance_entry (lab_id, transaction_id, account_id, asset, amount, seq, balance_after)"
            f" VALUES {row}, {row}",
            *[lab.pk, number, account.pk, -2000, 2, -1000, lab.pk, number, account.pk, 2000, 3, 1000],
        )


def test_funds_are_a_check_of_the_table_too(booked: ledger.Posted, customer: Customer) -> None:
    """The triggers ask first, so the CHECK is shown by taking their word away, inside a transaction that is undone."""
    look()
    for change in ("balance = 299", "held = 1001", "held = -1"):
        with refusal("finance_account_funds"):
            execute("ALTER TABLE finance_account DISABLE TRIGGER finance_account_guard")
            execute(f"UPDATE finance_account SET {change} WHERE NOT may_go_negative")


def test_one_source_one_transaction(booked: ledger.Posted, lab: Lab) -> None:
    refused(TRANSACTION, "finance_transaction_source_uniq", lab.pk, "deposit", "capture", "1:1000", None)


@pytest.mark.parametrize(
    ("kind", "source", "because"),
    [
        ("present", "raw", "finance_transaction_kind"),
        ("fee", "", "finance_transaction_source"),
        ("reversal", "raw", "finance_transaction_reverses"),
    ],
)
def test_a_transaction_that_cannot_be_is_refused(lab: Lab, kind: str, source: str, because: str) -> None:
    refused(TRANSACTION, because, lab.pk, kind, source, "1", None)


def test_only_a_reversal_reverses(booked: ledger.Posted, lab: Lab) -> None:
    refused(TRANSACTION, "finance_transaction_reverses", lab.pk, "fee", "raw", "1", booked.transaction_id)


def test_a_reversal_is_of_the_same_lab(booked: ledger.Posted, other_lab: Lab) -> None:
    refused(TRANSACTION, "finance_transaction_reverses_fk", other_lab.pk, "reversal", "raw", "1", booked.transaction_id)


def test_one_original_one_reversal(lab: Lab) -> None:
    (posted,) = book(payment(lab, 1000))
    undone = ledger.reverse(lab_id=lab.pk, transaction_id=posted.transaction_id, author="a", reason="b")
    look()
    refused(TRANSACTION, "finance_transaction_reverses_once", lab.pk, "reversal", "raw", "1", posted.transaction_id)
    refused(TRANSACTION, "a reversal is not reversed", lab.pk, "reversal", "raw", "2", undone.transaction_id)


def test_a_reversal_undoes_exactly_its_original(lab: Lab) -> None:
    posted, _ = book(payment(lab, 1000), refund_of_payment(lab, 10, "R1"))
    accounts = list(Account.across_labs.order_by("id"))
    with refusal("does not undo"):
        number = write_transaction(lab, kind="reversal", reverses=posted.transaction_id)
        for account in accounts:
            write_entry(account, number, 999 if account.balance < 0 else -999)


HOLD = (
    "INSERT INTO finance_hold (lab_id, account_id, asset, kind, source, source_id, amount, held_after)"
    " SELECT lab_id, id, asset, %s, %s, %s, %s, 0 FROM finance_account WHERE NOT may_go_negative ON CONFLICT DO NOTHING"
)


@pytest.mark.parametrize(
    ("kind", "source_id", "amount", "because"),
    [
        ("hold", "2", 701, "not enough"),
        ("hold", "2", -1, "finance_hold_amount"),
        ("hold", "1", 300, "there is such a hold already"),
        ("release", "2", -300, "gives back one hold"),
        ("release", "1", -299, "gives back one hold"),
        ("release", "1", -301, "not enough"),
        ("release", "1", 300, "gives back one hold|finance_hold_amount"),
    ],
)
def test_a_hold_that_cannot_be_is_refused(
    booked: ledger.Posted, kind: str, source_id: str, amount: int, because: str
) -> None:
    refused(HOLD, because, kind, "w", source_id, amount)


def test_a_hold_is_given_back_once(booked: ledger.Posted, lab: Lab, customer: Customer) -> None:
    account = account_of(customer)
    ledger.hold(lab_id=lab.pk, account_id=account.pk, amount_minor=300, source="w", source_id="2")
    ledger.release(lab_id=lab.pk, account_id=account.pk, source="w", source_id="1")
    refused(HOLD, "there is such a release already", "release", "w", "1", -300)


def test_nothing_is_held_on_accounts_of_the_lab(booked: ledger.Posted) -> None:
    refused(
        "INSERT INTO finance_hold (lab_id, account_id, asset, kind, source, source_id, amount, held_after)"
        " SELECT lab_id, id, asset, 'hold', 'w', '9', 1, 0 FROM finance_account WHERE may_go_negative",
        "not enough",
    )


def test_a_hold_agrees_with_its_account_on_lab_and_asset(booked: ledger.Posted, other_lab: Lab) -> None:
    for lab_id, asset in (("lab_id", "'EUR'"), (str(other_lab.pk), "asset")):
        refused(
            "INSERT INTO finance_hold (lab_id, account_id, asset, kind, source, source_id, amount, held_after)"
            f" SELECT {lab_id}, id, {asset}, 'hold', 'w', '9', 1, 0 FROM finance_account WHERE NOT may_go_negative",
            "finance_hold_account_fk",
        )


def test_the_orm_cannot_write_the_books_either(booked: ledger.Posted, lab: Lab, customer: Customer) -> None:
    account = account_of(customer)
    account.balance = 10**6
    row = Transaction.across_labs.get(pk=booked.transaction_id)
    for change in (account.save, row.save):
        with refusal("is refused|moves by entries"):
            change()
    before = state()
    for change in (row.delete, account.delete):
        with pytest.raises(ProtectedError):
            change()
    assert state() == before


def test_every_guard_is_in_the_database() -> None:
    assert guards.missing() == []


@pytest.mark.parametrize(
    ("table", "name", "drop"),
    [
        *(
            (table, name, f"DROP TRIGGER {name} ON {table}")
            for table, (names, _) in checks.GUARDS.items()
            for name in names
        ),
        *(
            (table, name, f"ALTER TABLE {table} DROP CONSTRAINT {name} CASCADE")
            for table, (_, names) in checks.GUARDS.items()
            for name in names
            if name != "finance_transaction_reverses_once"
        ),
        ("finance_transaction", "finance_transaction_reverses_once", "DROP INDEX finance_transaction_reverses_once"),
    ],
)
def test_a_dropped_guard_is_noticed(table: str, name: str, drop: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(drop)
    assert f"{table}.{name}" in guards.missing()


def test_a_disabled_trigger_is_noticed() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE finance_entry DISABLE TRIGGER finance_entry_insert_only")
    assert guards.missing() == ["finance_entry.finance_entry_insert_only"]


def test_every_trigger_of_finance_is_named_as_a_guard() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgrelid::regclass::text, tgname FROM pg_trigger"
            " WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'finance\\_%%'"
            " AND tgname NOT LIKE 'payments\\_%%'"  # payments guards its own use of the books, and names it itself
        )
        found = set(cursor.fetchall())
    assert found == {(table, name) for table, (names, _) in checks.GUARDS.items() for name in names}
