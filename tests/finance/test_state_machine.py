"""Whatever is posted, held, refunded and reversed in whatever order: the books stay whole and say what a plain sum says."""

from __future__ import annotations

from collections import Counter
from itertools import count

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from finance import ledger
from finance.checks import run
from finance.errors import InsufficientFunds, NotReversible, SourceReused
from finance.models import Account, AccountKind, UserBalance
from tests.finance.books import deposit, fee, look, payment, refund_of_deposit, refund_of_payment, returned_refund
from tests.finance.conftest import make_customer, make_lab

AMOUNTS = st.integers(1, 500)
WHO = st.integers(0, 1)


class Books(RuleBasedStateMachine):
    """Beside the ledger: Counters of plain integers."""

    def __init__(self) -> None:
        super().__init__()
        self.before = transaction.savepoint()  # undone at the end, so that each example looks at small tables
        self.lab = make_lab()
        self.customers = [make_customer(self.lab), make_customer(self.lab)]
        self.accounts = [UserBalance.get_or_create(lab=self.lab, owner=who, asset="USD").pk for who in self.customers]
        self.numbers = count(1)
        self.balances: Counter[int] = Counter()  # by place in self.customers
        self.held: Counter[int] = Counter()
        self.own: Counter[str] = Counter()  # by kind
        self.owed: Counter[int] = Counter()
        self.booked: list[tuple[ledger.Posting, int]] = []
        self.refunds: dict[str, tuple[int, int, int]] = {}  # name -> who, taken from the balance, owed
        self.holds: dict[str, tuple[int, int]] = {}

    def book(self, posting: ledger.Posting) -> None:
        (posted,) = ledger.post([posting])
        assert posted.is_new is True
        self.booked.append((posting, posted.transaction_id))

    @rule(who=WHO, amount=AMOUNTS)
    def a_deposit(self, who: int, amount: int) -> None:
        self.book(deposit(self.lab, self.customers[who], amount, payment=next(self.numbers), source=self.source))
        self.balances[who] += amount
        self.own["clearing"] -= amount

    @rule(amount=AMOUNTS, kept=st.integers(1, 9))
    def a_payment_with_its_fee(self, amount: int, kept: int) -> None:
        number = next(self.numbers)
        ledger.post(
            [
                payment(self.lab, amount, payment=number, source=self.source),
                fee(self.lab, kept, payment=number, name=f"{self.lab.pk}-{number}"),
            ]
        )
        self.own.update({"clearing": kept - amount, "sales": amount, "fees": -kept})

    @rule(amount=AMOUNTS)
    def a_refund_of_a_payment(self, amount: int) -> None:
        self.book(refund_of_payment(self.lab, amount, self.name()))
        self.own.update({"clearing": amount, "sales": -amount})

    @rule(who=WHO, amount=AMOUNTS)
    def a_refund_of_a_deposit(self, who: int, amount: int) -> None:
        name = self.name()
        ledger.post([refund_of_deposit(self.lab, self.customers[who], amount, name)])
        taken = min(amount, self.balances[who] - self.held[who])
        self.refunds[name] = (who, taken, amount - taken)
        self.balances[who] -= taken
        self.owed[who] -= amount - taken
        self.own["clearing"] += amount

    @rule(data=st.data())
    def a_refund_comes_back(self, data: st.DataObject) -> None:
        if self.refunds:
            name = data.draw(st.sampled_from(sorted(self.refunds)))
            who, taken, owed = self.refunds.pop(name)
            (posted,) = ledger.post([returned_refund(self.lab, name)])
            assert posted.is_new is True
            self.balances[who] += taken
            self.owed[who] += owed
            self.own["clearing"] -= taken + owed

    @rule(who=WHO, amount=AMOUNTS)
    def a_hold(self, who: int, amount: int) -> None:
        name = self.name()
        facts = {"lab_id": self.lab.pk, "account_id": self.accounts[who], "source": "w", "source_id": name}
        if amount > self.balances[who] - self.held[who]:
            with pytest.raises(InsufficientFunds):
                ledger.hold(**facts, amount_minor=amount)
        else:
            assert ledger.hold(**facts, amount_minor=amount) is True
            self.holds[name] = (who, amount)
            self.held[who] += amount

    @rule(data=st.data())
    def a_release(self, data: st.DataObject) -> None:
        if self.holds:
            name = data.draw(st.sampled_from(sorted(self.holds)))
            who, amount = self.holds.pop(name)
            facts = {"lab_id": self.lab.pk, "account_id": self.accounts[who], "source": "w", "source_id": name}
            assert ledger.release(**facts) is True
            self.held[who] -= amount

    @rule(data=st.data())
    def the_same_again(self, data: st.DataObject) -> None:
        if self.booked:
            posting, number = data.draw(st.sampled_from(self.booked))
            assert ledger.post([posting]) == [ledger.Posted(transaction_id=number, is_new=False)]

    @rule(data=st.data())
    def the_same_name_for_something_else(self, data: st.DataObject) -> None:
        if self.booked:
            posting, _ = data.draw(st.sampled_from(self.booked))
            lines = tuple(
                ledger.EntryLine(account=line.account, amount_minor=2 * line.amount_minor) for line in posting.lines
            )
            other = ledger.Posting(lab_id=self.lab.pk, name=posting.name, asset="USD", lines=lines)
            with pytest.raises(SourceReused), transaction.atomic():
                ledger.post([other])

    @rule(data=st.data())
    def a_reversal(self, data: st.DataObject) -> None:
        if not self.booked:
            return
        posting, number = data.draw(st.sampled_from(self.booked))
        account = posting.lines[1].account
        who = next((place for place, one in enumerate(self.customers) if one.pk == account.customer_id), None)
        amount = posting.lines[1].amount_minor
        reverse = {"lab_id": self.lab.pk, "transaction_id": number, "author": "a", "reason": "b"}
        if who is not None and amount > self.balances[who] - self.held[who]:
            with pytest.raises(InsufficientFunds), transaction.atomic():
                ledger.reverse(**reverse)
            return
        assert ledger.reverse(**reverse).is_new is True
        self.booked.remove((posting, number))
        for line in posting.lines:
            if line.account.customer_id is None:
                self.own[line.account.kind] -= line.amount_minor
            else:
                self.balances[who] -= line.amount_minor
        with pytest.raises(NotReversible), transaction.atomic():
            ledger.post([self.another_reversal_of(posting)])

    def another_reversal_of(self, posting: ledger.Posting) -> ledger.Posting:
        name = ledger.TransactionName(source="again", source_id=self.name(), kind="reversal")
        return ledger.Posting(lab_id=self.lab.pk, name=name, asset="USD", reverses=posting.name)

    def teardown(self) -> None:
        transaction.savepoint_rollback(self.before)

    def name(self) -> str:
        return f"{self.lab.pk}-{next(self.numbers)}"

    @property
    def source(self) -> str:
        return f"capture-{self.lab.pk}"

    @invariant()
    def the_books_are_whole(self) -> None:
        look()
        assert {name: rows for name, rows in run().items() if rows} == {}

    @invariant()
    def the_books_say_what_a_plain_sum_says(self) -> None:
        found: Counter[str] = Counter()
        for account in Account.objects.for_lab(self.lab):
            found[account.kind] += account.balance
        want = {**self.own, "customer_balance": sum(self.balances.values()), "receivable": sum(self.owed.values())}
        assert {kind: total for kind, total in found.items() if total} == {
            kind: total for kind, total in want.items() if total
        }
        for place, number in enumerate(self.accounts):
            account = Account.across_labs.get(pk=number)
            assert (account.balance, account.held) == (self.balances[place], self.held[place])
            assert account.kind == AccountKind.CUSTOMER_BALANCE
            assert account.balance >= account.held >= 0


@pytest.mark.django_db
def test_the_books_stay_whole_whatever_happens() -> None:
    run_state_machine_as_test(
        Books,
        settings=settings(
            max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
