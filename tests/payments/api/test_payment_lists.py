"""GET /v1/payments, /v1/payments/{id} and /v1/refunds: what a lab reads of its own, and nothing of anybody else's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.gateways.testing import answer
from payments.models import Payment, WebhookEvent
from tests.payments.api.conftest import Caller
from tests.payments.shop import Shop, made, stored, stripe_refund

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def ids(page: dict[str, Any]) -> list[str]:
    return [row["id"] for row in page["data"]]


def refund_of(shop: Shop, payment: dict[str, Any], amount: int, **changes: Any) -> dict[str, Any]:
    return made(shop.refund(payment, answer(stripe_refund(payment, amount)), amount=amount, **changes))


class TestTheListOfPayments:
    def test_it_is_newest_first_and_each_row_is_the_payment_itself(self, shop: Shop, caller: Caller) -> None:
        first, second = shop.open_payment(reference="order-1"), shop.captured_payment(metadata={"cart": "9"})
        found = caller.read("/v1/payments")
        assert ids(found) == [second["id"], first["id"]]
        assert (found["has_more"], found["next_cursor"]) == (False, None)
        shop.wire.script()
        assert found["data"][0] == caller.read(f"/v1/payments/{second['id']}")
        assert (found["data"][0]["status"], found["data"][0]["metadata"]) == ("captured", {"cart": "9"})
        assert found["data"][1] == first
        assert shop.wire.sent == []

    def test_an_empty_list_is_an_empty_list(self, caller: Caller) -> None:
        assert caller.read("/v1/payments") == {"data": [], "has_more": False, "next_cursor": None}

    def test_pages_follow_each_other_without_gap_or_repeat(self, shop: Shop, caller: Caller) -> None:
        made_here = [shop.open_payment()["id"] for _ in range(5)]
        seen: list[str] = []
        cursor = ""
        for size in (2, 2, 1):
            page = caller.read(f"/v1/payments?limit=2&cursor={cursor}")
            assert len(page["data"]) == size
            seen, cursor = seen + ids(page), page["next_cursor"]
            shop.open_payment()  # newer ones do not shift what follows
        assert seen == made_here[::-1]
        assert (page["has_more"], page["next_cursor"]) == (False, None)

    def test_the_number_of_statements_does_not_grow_with_the_list(self, shop: Shop, caller: Caller) -> None:
        def statements() -> int:
            with CaptureQueriesContext(connection) as captured:
                caller.read("/v1/payments?limit=100&customer=c1")
            return len(captured)

        shop.open_payment(customer={"id": "c1"})
        caller.read("/v1/payments")
        one = statements()
        for _ in range(4):
            shop.open_payment(customer={"id": "c1"})
        assert (one, statements()) == (2, 2)  # the API key, the payments


@pytest.fixture
def many(shop: Shop, wire: Any) -> dict[str, str]:
    """Four payments by a name each, two hours apart."""
    made_here = {}
    bodies: dict[str, Callable[[], dict[str, Any]]] = {
        "open": lambda: shop.open_payment(reference="order-1", customer={"id": "c1"}),
        "paid": lambda: shop.captured_payment(reference="order-2", customer={"id": "c2"}),
        "failed": lambda: shop.open_payment(customer={"id": "c1"}),
        "strange": lambda: shop.open_payment(),
    }
    for number, (name, make) in enumerate(bodies.items()):
        with clock.fixed(NOON + timedelta(hours=2 * number)):
            made_here[name] = make()["id"]
    Payment.across_labs.filter(public_id=made_here["strange"]).update(attention=["mismatch", "underpaid"])
    return made_here


class TestFilters:
    @pytest.mark.parametrize(
        ("query", "names"),
        [
            ("", ["strange", "failed", "paid", "open"]),
            ("status=captured", ["paid"]),
            ("status=pending", ["strange", "failed", "open"]),
            ("status=voided", []),
            ("reference=order-2", ["paid"]),
            ("reference=order-3", []),
            ("gateway=stripe", ["strange", "failed", "paid", "open"]),
            ("gateway=another", []),
            ("customer=c1", ["failed", "open"]),
            ("customer=nobody", []),
            ("currency=EUR", ["strange", "failed", "paid", "open"]),
            ("currency=USD", []),
            ("attention=any", ["strange"]),
            ("attention=underpaid", ["strange"]),
            ("attention=overpaid", []),
            ("created_after=2026-11-20T14:00:00Z", ["strange", "failed", "paid"]),
            ("created_before=2026-11-20T14:00:00Z", ["open"]),
            ("created_after=2026-11-20T14:00:00Z&created_before=2026-11-20T18:00:00Z", ["failed", "paid"]),
            ("created_after=2026-11-20T19:30:00%2B05:30", ["strange", "failed", "paid"]),
            ("created_after=2026-11-20T19:30:00+05:30", ["strange", "failed", "paid"]),
            ("created_after=2026-11-21", []),
            ("created_before=2026-11-21", ["strange", "failed", "paid", "open"]),
            ("status=pending&customer=c1&created_after=2026-11-20T13:00:00Z", ["failed"]),
            ("status=&reference=&customer=", ["strange", "failed", "paid", "open"]),
        ],
    )
    def test_each_filter_and_their_meeting(
        self, caller: Caller, many: dict[str, str], query: str, names: list[str]
    ) -> None:
        assert ids(caller.read(f"/v1/payments?{query}")) == [many[name] for name in names]

    @pytest.mark.parametrize(
        ("query", "field", "code"),
        [
            ("status=paid", "status", "unknown_choice"),
            ("currency=eur", "currency", "unknown_currency"),
            ("currency=XAU", "currency", "unknown_currency"),
            ("attention=all", "attention", "unknown_choice"),
            ("created_after=yesterday", "created_after", "invalid_time"),
            ("created_after=2026-11-20T14:00:00", "created_after", "invalid_time"),
            ("created_before=0001-01-01T00:00:00%2B14:00", "created_before", "invalid_time"),
            ("reference=4242424242424242", "reference", "card_number_refused"),
            ("reference=a%00b", "reference", "invalid_text"),
            ("customer=a%00b", "customer", "invalid_text"),
            (f"gateway={'x' * 41}", "gateway", "too_long"),
            ("limit=0", "limit", "out_of_range"),
            ("limit=101", "limit", "out_of_range"),
            ("limit=ten", "limit", "out_of_range"),
            ("limit=-1", "limit", "out_of_range"),
            ("cursor=AAAAAAAAAAAAAAAAAAAAAA", "cursor", "invalid_cursor"),
            ("cursor=%00", "cursor", "invalid_cursor"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(self, caller: Caller, query: str, field: str, code: str) -> None:
        problem = caller.refused(caller.get(f"/v1/payments?{query}"), 400, code)
        assert [(error["field"], error["code"]) for error in problem["errors"]] == [(field, code)]

    def test_all_refusals_are_told_together(self, caller: Caller) -> None:
        problem = caller.refused(caller.get("/v1/payments?status=paid&currency=eur"), 400, "validation_failed")
        assert [error["field"] for error in problem["errors"]] == ["status", "currency"]

    def test_the_cursor_of_another_lab_does_not_decode(
        self, shop: Shop, other_shop: Shop, call_as: Callable[[Shop], Caller]
    ) -> None:
        for _ in range(2):
            shop.open_payment()
        cursor = call_as(shop).read("/v1/payments?limit=1")["next_cursor"]
        other = call_as(other_shop)
        other.refused(other.get(f"/v1/payments?cursor={cursor}"), 400, "invalid_cursor")


class TestWhoMayRead:
    @pytest.mark.parametrize("path", ["/v1/payments", "/v1/payments/{id}", "/v1/payments/{id}/timeline", "/v1/refunds"])
    def test_no_key_is_401_and_a_key_without_the_scope_403(self, shop: Shop, caller: Caller, path: str) -> None:
        path = path.format(id=shop.open_payment()["id"])
        caller.refused(caller.get(path, token="pw_live_" + "0" * 40), 401, "not_authenticated")
        caller.refused(caller.get(path, token=caller.token("refunds:write", "balances:read")), 403, "scope_missing")

    def test_nothing_of_another_lab_or_of_the_other_mode_is_listed(
        self, shop: Shop, other_shop: Shop, test_mode_shop: Shop, call_as: Callable[[Shop], Caller]
    ) -> None:
        payment = shop.captured_payment(reference="order-1", customer={"id": "c1"})
        refund_of(shop, payment, 100)
        for stranger in (other_shop, test_mode_shop):
            for path in (
                "/v1/payments", "/v1/payments?reference=order-1", "/v1/payments?customer=c1", "/v1/refunds",
                f"/v1/refunds?payment={payment['id']}",
            ):  # fmt: skip
                assert call_as(stranger).read(path)["data"] == []
        assert len(call_as(shop).read("/v1/payments?customer=c1")["data"]) == 1

    def test_their_ids_answer_the_same_bytes_as_missing_ones(
        self, shop: Shop, other_shop: Shop, test_mode_shop: Shop, call_as: Callable[[Shop], Caller]
    ) -> None:
        payment = shop.captured_payment()
        refund = refund_of(shop, payment, 100)
        for stranger in (call_as(other_shop), call_as(test_mode_shop)):
            for path, missing in (
                (f"/v1/payments/{payment['id']}", "/v1/payments/PAY_20260101000000_00000000"),
                (f"/v1/payments/{payment['id']}/timeline", "/v1/payments/PAY_20260101000000_00000000/timeline"),
                (f"/v1/refunds/{refund['id']}", "/v1/refunds/RF_20260101000000_00000000"),
            ):
                theirs, none = stranger.get(path), stranger.get(missing)
                assert (theirs.status_code, theirs.content) == (404, none.content)
                assert without_id(theirs) == without_id(none)

    @pytest.mark.parametrize(
        "text", ["x", "PAY_1", "PAY_20260101000000_0000000g", "a\0b", "ü", "%", "1 OR 1=1", "x" * 900]
    )
    @pytest.mark.parametrize(
        "path", ["/v1/payments/{}", "/v1/payments/{}/timeline", "/v1/refunds/{}", "/payments/status/{}"]
    )
    def test_what_can_be_no_id_is_missing_too(self, caller: Caller, path: str, text: str) -> None:
        missing = caller.get(path.format("PAY_20260101000000_00000000"))
        response = caller.get(path.format(quote(text, safe="")))
        assert (response.status_code, response.content) == (404, missing.content)


def without_id(response: Any) -> dict[str, str]:
    return {name: text for name, text in response.items() if name != "X-Request-Id"}


class TestRefunds:
    def test_the_list_is_newest_first_and_each_row_is_the_refund_itself(self, shop: Shop, caller: Caller) -> None:
        payment = shop.captured_payment()
        first, second = refund_of(shop, payment, 100, reason="torn"), refund_of(shop, payment, 200)
        found = caller.read("/v1/refunds")
        assert found == {"data": [second, first], "has_more": False, "next_cursor": None}
        assert caller.read(f"/v1/refunds/{first['id']}") == first
        assert (first["payment"], first["amount"], first["currency"], first["reason"]) == (
            payment["id"],
            100,
            "EUR",
            "torn",
        )

    def test_filters_and_pages(self, shop: Shop, caller: Caller) -> None:
        one, two = shop.captured_payment(), shop.captured_payment()
        a, b, c = refund_of(shop, one, 1), refund_of(shop, two, 2), refund_of(shop, one, 3)
        assert ids(caller.read(f"/v1/refunds?payment={one['id']}")) == [c["id"], a["id"]]
        assert ids(caller.read("/v1/refunds?status=succeeded")) == [c["id"], b["id"], a["id"]]
        assert ids(caller.read("/v1/refunds?status=pending")) == []
        page = caller.read("/v1/refunds?limit=2")
        assert ids(caller.read(f"/v1/refunds?limit=2&cursor={page['next_cursor']}")) == [a["id"]]

    @pytest.mark.parametrize(
        ("query", "code"),
        [("status=done", "unknown_choice"), ("payment=x", "invalid_id"), ("limit=1e1", "out_of_range")],
    )
    def test_what_cannot_be_meant_is_refused(self, caller: Caller, query: str, code: str) -> None:
        caller.refused(caller.get(f"/v1/refunds?{query}"), 400, code)

    def test_the_number_of_statements_does_not_grow_with_the_list(self, shop: Shop, caller: Caller) -> None:
        payment = shop.captured_payment()
        for amount in (1, 2, 3):
            refund_of(shop, payment, amount)
        caller.read("/v1/refunds")
        with CaptureQueriesContext(connection) as captured:
            assert len(caller.read("/v1/refunds")["data"]) == 3
        assert len(captured) == 2  # the API key, the refunds with their payments


class TestTheTimeline:
    def test_it_tells_in_order_and_in_words_what_happened(self, shop: Shop, caller: Caller) -> None:
        payment = shop.captured_payment()
        refund = refund_of(shop, payment, 299, reason="torn")
        found = caller.read(f"/v1/payments/{payment['id']}/timeline")
        assert (found["payment"], found["is_cut"]) == (payment["id"], False)
        told = [(one["kind"], one["text"].split(" in ")[0].rstrip(".")) for one in found["data"]]
        assert told == [
            ("status", "Created, pending"),
            ("gateway", "Asked the gateway to start the payment: answered"),
            ("webhook", "The gateway reported payment_intent.succeeded: applied"),
            ("status", "Became captured, by a webhook"),
            ("gateway", "Asked the gateway to refund: answered"),
            ("refund", "A refund of 2.99 EUR was asked for: torn"),
            ("refund", "The refund of 2.99 EUR succeeded"),
        ]
        assert [one["at"] for one in found["data"]] == sorted(one["at"] for one in found["data"])
        assert found["data"][-1]["details"] == {
            "refund": refund["id"], "amount": 299, "currency": "EUR", "status": "succeeded"
        }  # fmt: skip
        assert found["data"][3]["details"] == {"from": "pending", "to": "captured", "cause": "webhook"}

    def test_no_secret_and_no_raw_webhook_is_in_it(self, shop: Shop, caller: Caller) -> None:
        payment = shop.captured_payment(customer={"id": "c1", "email": "mira@example.com", "phone": "+919876543210"})
        text = caller.get(f"/v1/payments/{payment['id']}/timeline").content.decode()
        for secret in (
            "sk_live_51Builder0123456789", "whsec_builder_0123456789", "mira@example.com", "+919876543210",
            "Stripe-Signature", shop.webhook_path.rpartition("/")[2], payment["pay_url"].rpartition("/")[2],
        ):  # fmt: skip
            assert secret not in text

    def test_errors_of_ours_are_not_shown(self, shop: Shop, caller: Caller) -> None:
        payment = shop.captured_payment()
        WebhookEvent.across_labs.filter(payment=stored(payment)).update(
            state="error", error="KeyError: 'secret detail'"
        )
        response = caller.get(f"/v1/payments/{payment['id']}/timeline")
        assert "could not be applied yet, and is tried again" in response.content.decode()
        assert "secret detail" not in response.content.decode()

    def test_it_takes_eight_statements_however_long_it_is(self, shop: Shop, caller: Caller) -> None:
        payment = shop.captured_payment()
        for amount in (1, 2, 3):
            refund_of(shop, payment, amount)
        path = f"/v1/payments/{payment['id']}/timeline"
        caller.read(path)
        with CaptureQueriesContext(connection) as captured:
            assert len(caller.read(path)["data"]) == 13
        assert len(captured) == 8  # the API key, the payment, and one for each kind
