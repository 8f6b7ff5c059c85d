"""What customers and labs read."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import Customer, Lab
from finance import ledger
from finance.models import AccountKind
from finance.selectors import Balance, Total, balances_of, movements_of, totals_of
from tests.finance.books import KEY, account_of, book, deposit, fee, payment, refund_of_deposit
from tests.finance.conftest import make_customer

pytestmark = pytest.mark.django_db


def test_balances_are_by_asset_and_of_this_lab_alone(lab: Lab, other_lab: Lab, customer: Customer) -> None:
    book(deposit(lab, customer, 500, asset="USD"), deposit(lab, customer, 7, asset="BTC", payment=2))
    book(deposit(lab, make_customer(lab), 900, payment=3))
    ledger.hold(
        lab_id=lab.pk, account_id=account_of_asset(customer, "USD"), amount_minor=200, source="w", source_id="1"
    )
    with CaptureQueriesContext(connection) as queries:
        found = balances_of(lab=lab, customer_id=customer.pk)
    assert found == [
        Balance(asset="BTC", balance=7, held=0, available=7),
        Balance(asset="USD", balance=500, held=200, available=300),
    ]
    assert len(queries) == 1
    assert balances_of(lab=other_lab, customer_id=customer.pk) == []


def account_of_asset(customer: Customer, asset: str) -> int:
    return customer.accounts.get(asset=asset).pk


def test_a_statement_is_newest_first_and_goes_on_where_it_stopped(lab: Lab, other_lab: Lab, customer: Customer) -> None:
    book(deposit(lab, customer, 500, description="Top-up"))
    book(refund_of_deposit(lab, customer, 600, "R1"))
    book(deposit(lab, customer, 9, asset="BTC", payment=2))
    with CaptureQueriesContext(connection) as queries:
        found = movements_of(lab=lab, customer_id=customer.pk)
    assert len(queries) == 1
    assert [(line.asset, line.kind, line.amount, line.balance_after, line.payment_id) for line in found] == [
        ("BTC", "deposit", 9, 9, 2),
        ("USD", "refund", -500, 0, 1),
        ("USD", "deposit", 500, 500, 1),
    ]
    assert found[2].description == "Top-up"
    assert movements_of(lab=lab, customer_id=customer.pk, limit=1) == found[:1]
    assert movements_of(lab=lab, customer_id=customer.pk, before_entry_id=found[0].entry_id) == found[1:]
    assert movements_of(lab=lab, customer_id=customer.pk, asset="BTC") == found[:1]
    assert movements_of(lab=other_lab, customer_id=customer.pk) == []


def test_totals_are_over_all_shards_and_customers(lab: Lab, other_lab: Lab, customer: Customer) -> None:
    book(*[payment(lab, 100, payment=number) for number in range(40)])
    book(*[fee(lab, 3, payment=number, name=str(number)) for number in range(40)])
    book(payment(lab, 55, payment=99, gateway_key_id=8))
    book(deposit(lab, customer, 10, payment=50), deposit(lab, make_customer(lab), 20, payment=51))
    assert totals_of(lab=lab) == [
        Total(kind="clearing", owner=str(KEY), asset="USD", balance=-40 * 100 + 40 * 3 - 30),
        Total(kind="clearing", owner="8", asset="USD", balance=-55),
        Total(kind="customer_balance", owner="", asset="USD", balance=30),
        Total(kind="fees", owner="", asset="USD", balance=-120),
        Total(kind="sales", owner="", asset="USD", balance=4055),
    ]
    assert totals_of(lab=lab, kinds=[AccountKind.SALES]) == [Total(kind="sales", owner="", asset="USD", balance=4055)]
    assert totals_of(lab=other_lab) == []
    assert customer.accounts.get() == account_of(customer)
