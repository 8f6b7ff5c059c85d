"""/v1/disputes: to read, to filter, in the timeline and in the payment; nobody else's business."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.gateways.types import DisputeStatus
from tests.payments.api.conftest import Caller
from tests.payments.api.objects import disputed
from tests.payments.shop import Shop

pytestmark = pytest.mark.django_db
MISSING = "/v1/disputes/DP_20260101000000_00000000"


@pytest.fixture
def payment(shop: Shop) -> dict[str, Any]:
    return shop.captured_payment()


def test_list_and_one_agree(shop: Shop, caller: Caller, payment: dict[str, Any]) -> None:
    dispute = disputed(shop, payment, name="du_9")
    assert dispute == {
        "id": dispute["id"], "payment": payment["id"], "status": "needs_response", "amount": 1299, "withdrawn": 1299,
        "currency": "EUR", "reason": "product_not_received", "respond_by": "2026-12-05T23:59:59Z",
        "gateway_reference": "du_9", "opened_at": dispute["opened_at"], "closed_at": None,
    }  # fmt: skip
    assert caller.read(f"/v1/disputes/{dispute['id']}") == dispute
    assert caller.read("/v1/disputes") == {"data": [dispute], "has_more": False, "next_cursor": None}


def test_they_are_filtered_and_paged_newest_first(shop: Shop, caller: Caller, payment: dict[str, Any]) -> None:
    other = shop.captured_payment()
    first, second = disputed(shop, payment, withdrawn=0), disputed(shop, other, DisputeStatus.UNDER_REVIEW)

    def found(query: str) -> list[str]:
        return [row["id"] for row in caller.read(f"/v1/disputes?{query}")["data"]]

    assert found("") == [second["id"], first["id"]]
    assert found(f"payment={payment['id']}") == [first["id"]]
    assert found("status=under_review") == [second["id"]]
    assert (found("status=won"), found("payment=PAY_20260101000000_00000000")) == ([], [])
    page = caller.read("/v1/disputes?limit=1")
    assert [row["id"] for row in caller.read(f"/v1/disputes?limit=1&cursor={page['next_cursor']}")["data"]] == [
        first["id"]
    ]
    for query in ("status=open", "payment=x y", "limit=0", "cursor=x"):
        assert caller.get(f"/v1/disputes?{query}").status_code == 400, query


def test_the_number_of_statements_does_not_grow_with_the_list(
    shop: Shop, caller: Caller, payment: dict[str, Any]
) -> None:
    for number in range(3):
        disputed(shop, payment, withdrawn=0, name=f"du_{number}")
    caller.read("/v1/disputes")
    with CaptureQueriesContext(connection) as captured:
        assert len(caller.read("/v1/disputes")["data"]) == 3
    assert len(captured) == 2  # the API key, the disputes with their payments


@pytest.mark.parametrize("path", ["/v1/disputes", MISSING])
def test_no_key_is_401_and_a_key_without_the_scope_403(caller: Caller, path: str) -> None:
    caller.refused(caller.get(path, token="nobody"), 401, "not_authenticated")
    caller.refused(caller.get(path, token=caller.token("payments:write", "profiles:write")), 403, "scope_missing")


def test_another_labs_or_modes_is_missing_to_the_byte(
    shop: Shop, other_shop: Shop, test_mode_shop: Shop, payment: dict[str, Any], call_as: Callable[[Shop], Caller]
) -> None:
    dispute = disputed(shop, payment)
    for stranger in (call_as(other_shop), call_as(test_mode_shop)):
        theirs, none = stranger.get(f"/v1/disputes/{dispute['id']}"), stranger.get(MISSING)
        assert (theirs.status_code, theirs.content) == (404, none.content)
        assert stranger.read("/v1/disputes")["data"] == []
        assert stranger.read(f"/v1/disputes?payment={payment['id']}")["data"] == []


@pytest.mark.parametrize(
    ("status", "withdrawn", "word"),
    [("needs_response", 0, "open"), ("under_review", 1299, "withdrawn"), ("lost", 1299, "open"), ("won", 0, "none")],
)
def test_the_payment_says_how_its_disputes_stand(
    shop: Shop, caller: Caller, payment: dict[str, Any], status: str, withdrawn: int, word: str
) -> None:
    disputed(shop, payment, DisputeStatus(status), withdrawn=withdrawn)
    found = caller.read(f"/v1/payments/{payment['id']}")
    assert (found["dispute_status"], found["disputed"], found["status"]) == (word, withdrawn, "captured")


def test_the_timeline_tells_of_them(shop: Shop, caller: Caller, payment: dict[str, Any]) -> None:
    dispute = disputed(shop, payment, name="du_1")
    disputed(shop, payment, DisputeStatus.WON, withdrawn=0, name="du_1")
    moments = [one for one in caller.read(f"/v1/payments/{payment['id']}/timeline")["data"] if one["kind"] == "dispute"]
    assert [one["text"] for one in moments] == [
        "The payer's bank opened a dispute of 12.99 EUR (product not received).",
        "The dispute of 12.99 EUR was won; the gateway holds back 0.00 EUR.",
    ]
    assert [one["details"] for one in moments] == [
        {
            "dispute": dispute["id"], "amount": 1299, "currency": "EUR", "status": "opened",
            "respond_by": "2026-12-05T23:59:59Z",
        },
        {"dispute": dispute["id"], "amount": 1299, "currency": "EUR", "status": "won", "withdrawn": 0},
    ]  # fmt: skip
