"""/v1/customers, their balances and statements, and /v1/currencies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import labs
from core.gateways.types import Mode
from core.models import Customer
from finance.models import Currency, UserBalance
from tests.payments import builders
from tests.payments.api.conftest import Caller, coin_routes
from tests.payments.shop import CRYPTO_ORDER, Shop, coins, made

pytestmark = pytest.mark.django_db


def deposit(crypto: Shop, customer: str = "c1", number: int = 1) -> dict[str, Any]:
    """50.00 USD paid in coins."""
    number += 4_101_567_822
    crypto.wire.routes(coin_routes(number))
    order = crypto.order(**{**CRYPTO_ORDER, "purpose": "deposit", "customer": {"id": customer}})
    payment = made(crypto.post("/payments/initiate", order))
    paid = coins("finished", number=number, arrived="50", order_id=f"{payment['id']}-1")
    assert crypto.deliver(paid).status_code == 200
    assert crypto.get(f"/v1/payments/{payment['id']}").json()["status"] == "captured"
    return payment


class TestCustomers:
    def test_list_and_one_agree(self, shop: Shop, caller: Caller) -> None:
        shop.open_payment(customer={"id": "c1", "name": "Mira", "email": "mira@example.com", "phone": "+919876543210"})
        shop.open_payment(customer={"name": "A guest"})
        found = caller.read("/v1/customers")
        guest, mira = found["data"]
        assert mira == {
            "id": "c1", "name": "Mira", "email": "mira@example.com", "phone": "+919876543210",
            "created_at": mira["created_at"],
        }  # fmt: skip
        assert (guest["id"], guest["name"], guest["email"], guest["phone"]) == (None, "A guest", None, None)
        assert caller.read("/v1/customers/c1") == mira
        page = caller.read("/v1/customers?limit=1")
        assert caller.read(f"/v1/customers?limit=1&cursor={page['next_cursor']}")["data"] == [mira]

    @pytest.mark.parametrize("external_id", ["a/b", "a b", "ü", "c1/balance", "a%2Fb", "?x=1", "a+b", "1#2"])
    def test_any_id_that_a_lab_may_use_is_found(self, shop: Shop, caller: Caller, external_id: str) -> None:
        labs.upsert_customer(lab=shop.lab, external_id=external_id, name="Mira")
        path = f"/v1/customers/{quote(external_id, safe='')}"
        assert caller.read(path)["id"] == external_id
        assert caller.read(f"{path}/balances")["data"] == []
        assert caller.read(f"{path}/transactions")["data"] == []

    @pytest.mark.parametrize("external_id", ["nobody", "a\0b", "x" * 2000, "C1", "c1 "])
    def test_a_missing_one_is_404(self, shop: Shop, caller: Caller, external_id: str) -> None:
        labs.upsert_customer(lab=shop.lab, external_id="c1")
        for tail in ("", "/balances", "/transactions"):
            caller.refused(caller.get(f"/v1/customers/{quote(external_id, safe='')}{tail}"), 404, "not_found")

    def test_another_labs_customer_is_missing_to_the_byte(
        self, shop: Shop, other_shop: Shop, call_as: Callable[[Shop], Caller]
    ) -> None:
        labs.upsert_customer(lab=shop.lab, external_id="c1")
        stranger = call_as(other_shop)
        assert stranger.read("/v1/customers")["data"] == []
        for tail in ("", "/balances", "/transactions"):
            theirs, none = stranger.get(f"/v1/customers/c1{tail}"), stranger.get(f"/v1/customers/nobody{tail}")
            assert (theirs.status_code, theirs.content) == (404, none.content)


class TestBooks:
    def test_a_deposit_is_in_balance_and_statement(self, crypto: Shop, call_as: Callable[[Shop], Caller]) -> None:
        payment = deposit(crypto)
        caller = call_as(crypto)
        assert caller.read("/v1/customers/c1/balances") == {
            "data": [{
                "asset": "USD", "balance": 5000, "held": 0, "available": 5000, "total_deposited": 5000,
                "total_withdrawn": 0,
            }],
            "has_more": False, "next_cursor": None,
        }  # fmt: skip
        (line,) = caller.read("/v1/customers/c1/transactions")["data"]
        assert line == {
            "kind": "deposit", "asset": "USD", "amount": 5000, "balance_after": 5000, "description": line["description"],
            "payment": payment["id"], "created_at": line["created_at"],
        }  # fmt: skip

    def test_totals_are_those_of_the_balance_itself(self, crypto: Shop, call_as: Callable[[Shop], Caller]) -> None:
        for number in (1, 2):
            deposit(crypto, number=number)
        (row,) = call_as(crypto).read("/v1/customers/c1/balances")["data"]
        balance = UserBalance.for_lab(crypto.lab).get(customer__external_id="c1")
        assert (row["total_deposited"], row["total_withdrawn"]) == (balance.total_deposited, balance.total_withdrawn)
        assert (row["balance"], row["available"]) == (10_000, balance.available)

    def test_the_statement_pages_newest_first_and_filters_by_asset(
        self, crypto: Shop, call_as: Callable[[Shop], Caller]
    ) -> None:
        payments = [deposit(crypto, number=number)["id"] for number in (1, 2, 3)]
        deposit(crypto, "c2", number=4)
        caller, path = call_as(crypto), "/v1/customers/c1/transactions"
        page = caller.read(f"{path}?limit=2")
        rest = caller.read(f"{path}?limit=2&cursor={page['next_cursor']}")
        lines = [*page["data"], *rest["data"]]
        assert [line["payment"] for line in lines] == payments[::-1]
        assert [line["balance_after"] for line in lines] == [15_000, 10_000, 5000]
        assert caller.read(f"{path}?asset=EUR")["data"] == []
        assert len(caller.read(f"{path}?asset=USD")["data"]) == 3
        caller.refused(caller.get(f"{path}?asset=usd"), 400, "unknown_currency")

    def test_a_test_key_sees_nothing_of_the_live_books(self, crypto: Shop, call_as: Callable[[Shop], Caller]) -> None:
        deposit(crypto)
        caller = call_as(crypto)
        token = builders.make_api_key(crypto.lab, Mode.TEST)
        for tail in ("balances", "transactions"):
            assert caller.read(f"/v1/customers/c1/{tail}", token=token)["data"] == []

    def test_the_number_of_statements_does_not_grow_with_the_statement(
        self, crypto: Shop, call_as: Callable[[Shop], Caller]
    ) -> None:
        caller = call_as(crypto)
        for number in (1, 2, 3):
            deposit(crypto, number=number)
        caller.read("/v1/customers/c1/transactions")
        for tail, statements in (("balances", 4), ("transactions", 3)):
            with CaptureQueriesContext(connection) as captured:
                caller.read(f"/v1/customers/c1/{tail}")
            assert len(captured) == statements

    def test_scopes(self, shop: Shop, caller: Caller) -> None:
        labs.upsert_customer(lab=shop.lab, external_id="c1")
        payments, balances = caller.token("payments:read"), caller.token("balances:read")
        for tail in ("/balances", "/transactions"):
            caller.refused(caller.get(f"/v1/customers/c1{tail}", token=payments), 403, "scope_missing")
            assert caller.get(f"/v1/customers/c1{tail}", token=balances).status_code == 200
        for path in ("/v1/customers", "/v1/customers/c1", "/v1/currencies"):
            caller.refused(caller.get(path, token=balances), 403, "scope_missing")
            caller.refused(caller.get(path, token="nobody"), 401, "not_authenticated")
        assert Customer.objects.for_lab(shop.lab).count() == 1


class TestCurrencies:
    def test_those_that_are_switched_on_with_their_decimals(self, caller: Caller) -> None:
        Currency.objects.filter(provider="", code="INR").update(is_active=False)
        rows = {row["code"]: row for row in caller.read("/v1/currencies")["data"]}
        assert "INR" not in rows
        assert [(rows[code]["kind"], rows[code]["exponent"]) for code in ("USD", "JPY", "KWD", "BTC")] == [
            ("currency", 2), ("currency", 0), ("currency", 3), ("coin", 8)
        ]  # fmt: skip
        assert (rows["USDTTRC20"]["token"], rows["USDTTRC20"]["exponent"]) == ("USDT", 6)

    def test_it_takes_two_statements(self, caller: Caller) -> None:
        with CaptureQueriesContext(connection) as captured:
            caller.read("/v1/currencies")
        assert len(captured) == 2
