"""/v1/links: making, reading and disabling payment links."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core import clock
from core.hashing import keyed_hash
from core.models import AuditLog, IdempotencyKey
from payments.models import OnlinePayment
from payments.services import links
from tests.payments.api.conftest import Caller
from tests.payments.shop import Shop, made

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
FIXED = {"amount": 2500, "currency": "EUR"}


def audit(shop: Shop) -> list[tuple[str, str, str]]:
    rows = AuditLog.objects.for_lab(shop.lab).filter(object_type="link").order_by("seq")
    return [(row.action, row.actor_label, row.object_id) for row in rows]


class TestMaking:
    def test_a_link_with_a_fixed_amount_shows_every_field(self, shop: Shop, caller: Caller) -> None:
        with clock.fixed(NOON):
            link = made(caller.post("/v1/links", {
                **FIXED, "description": "Workshop", "reference": "w-1", "expires_in": 3600, "max_uses": 3,
                "allowed_gateways": ["stripe", "stripe"], "return_url": "https://shop.example/thanks",
                "metadata": {"room": "4"},
            }))  # fmt: skip
        row = OnlinePayment.objects.for_lab(shop.lab).get()
        token = link["url"].rpartition("/")[2]
        assert link == {
            "id": row.public_id, "url": f"{settings.PUBLIC_URL}/link/{token}", "status": "active", "amount": 2500,
            "minimum": None, "maximum": None, "currency": "EUR", "description": "Workshop", "reference": "w-1",
            "mode": "live", "allowed_gateways": ["stripe"], "uses": 0, "max_uses": 3,
            "return_url": "https://shop.example/thanks", "metadata": {"room": "4"}, "created_at": link["created_at"],
            "expires_at": "2026-11-20T13:00:00Z",
        }  # fmt: skip
        assert row.token_hash == keyed_hash(links.TOKEN_PURPOSE, token)
        assert token not in row.token_sealed
        assert audit(shop) == [("link.created", "api key test", link["id"])]

    def test_an_open_amount_has_bounds(self, caller: Caller) -> None:
        link = made(caller.post("/v1/links", {"currency": "JPY", "minimum": "500", "maximum": 500}))
        assert (link["amount"], link["minimum"], link["maximum"], link["currency"]) == (None, 500, 500, "JPY")
        assert (link["expires_at"], link["max_uses"], link["allowed_gateways"]) == (None, None, [])

    def test_a_test_key_makes_a_test_link(self, test_mode_shop: Shop, call_as: Callable[[Shop], Caller]) -> None:
        assert made(call_as(test_mode_shop).post("/v1/links", FIXED))["mode"] == "test"

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({"amount": 100}, "currency", "required"),
            ({"currency": "EUR"}, "amount", "required"),
            ({"currency": "EUR", "minimum": 5}, "maximum", "required"),
            ({"currency": "EUR", "maximum": 5}, "minimum", "required"),
            ({"currency": "EUR", "minimum": 6, "maximum": 5}, "maximum", "out_of_range"),
            ({**FIXED, "minimum": 5, "maximum": 6}, "amount", "invalid_choice"),
            ({"currency": "EUR", "amount": 0}, "amount", "invalid_amount"),
            ({"currency": "EUR", "amount": -1}, "amount", "invalid_amount"),
            ({"currency": "EUR", "amount": True}, "amount", "invalid_amount"),
            ({"currency": "EUR", "amount": "1.5"}, "amount", "invalid_amount"),
            ({"currency": "EUR", "amount": "٣"}, "amount", "invalid_amount"),
            ({"currency": "EUR", "minimum": 1.0, "maximum": 5}, "minimum", "invalid_amount"),
            ({"currency": "EUR", "minimum": 1, "maximum": "9" * 39}, "maximum", "invalid_amount"),
            ({**FIXED, "currency": "eur"}, "currency", "unknown_currency"),
            ({**FIXED, "currency": "XYZ"}, "currency", "unknown_currency"),
            ({**FIXED, "description": "card 4242 4242 4242 4242"}, "description", "card_number_refused"),
            ({**FIXED, "description": "a\0"}, "description", "invalid_text"),
            ({**FIXED, "description": "x" * 501}, "description", "too_long"),
            ({**FIXED, "reference": "x" * 101}, "reference", "too_long"),
            ({**FIXED, "reference": " "}, "reference", "blank"),
            ({**FIXED, "expires_in": 59}, "expires_in", "out_of_range"),
            ({**FIXED, "expires_in": "3600"}, "expires_in", "out_of_range"),
            ({**FIXED, "max_uses": 0}, "max_uses", "out_of_range"),
            ({**FIXED, "max_uses": True}, "max_uses", "out_of_range"),
            ({**FIXED, "allowed_gateways": "stripe"}, "allowed_gateways", "invalid_type"),
            ({**FIXED, "allowed_gateways": ["nobody"]}, "allowed_gateways", "unknown_choice"),
            ({**FIXED, "return_url": "https://other.example/"}, "return_url", "return_url_not_allowed"),
            ({**FIXED, "metadata": {"a": 1}}, "metadata", "invalid_type"),
            ([], "", "invalid_json"),
            ("{", "", "invalid_json"),
            ('{"amount":1,"amount":2,"currency":"EUR"}', "", "invalid_json"),
        ],
    )
    def test_what_nobody_could_pay_is_refused_and_nothing_is_kept(
        self, caller: Caller, body: Any, field: str, code: str
    ) -> None:
        problem = caller.refused(caller.post("/v1/links", body, key="k1"), 400, code)
        assert field == "" or [(error["field"], error["code"]) for error in problem["errors"]] == [(field, code)]
        assert (OnlinePayment.across_labs.count(), IdempotencyKey.across_labs.count()) == (0, 0)

    @pytest.mark.parametrize(
        ("key", "code"), [(None, "idempotency_key_required"), ("x" * 256, "idempotency_key_invalid")]
    )
    def test_it_needs_an_idempotency_key(self, caller: Caller, key: str | None, code: str) -> None:
        caller.refused(caller.post("/v1/links", FIXED, key=key), 400, code)
        assert OnlinePayment.across_labs.count() == 0

    def test_the_same_key_makes_one_link_and_gets_the_same_answer(self, caller: Caller) -> None:
        first, again = caller.post("/v1/links", FIXED, key="k1"), caller.post("/v1/links", FIXED, key='"k1"')
        assert (again.status_code, again.content) == (201, first.content)
        assert (again["Idempotency-Replayed"], "Idempotency-Replayed" in first) == ("true", False)
        assert OnlinePayment.across_labs.count() == 1

    def test_the_same_key_with_other_input_is_422(self, caller: Caller) -> None:
        made(caller.post("/v1/links", FIXED, key="k1"))
        caller.refused(caller.post("/v1/links", {**FIXED, "amount": 2501}, key="k1"), 422, "idempotency_mismatch")
        assert OnlinePayment.across_labs.count() == 1

    def test_the_token_is_in_no_column_in_the_clear(self, caller: Caller) -> None:
        token = made(caller.post("/v1/links", FIXED, key="k1"))["url"].rpartition("/")[2]
        with connection.cursor() as cursor:
            for table in ("payments_onlinepayment", "core_idempotencykey", "core_auditlog"):
                cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
                assert token not in cursor.fetchone()[0]


class TestReading:
    def test_the_list_is_newest_first_and_each_row_is_the_link_itself(self, caller: Caller) -> None:
        first, second = (made(caller.post("/v1/links", {**FIXED, "amount": amount})) for amount in (1, 2))
        assert caller.read("/v1/links") == {"data": [second, first], "has_more": False, "next_cursor": None}
        assert caller.read(f"/v1/links/{first['id']}") == first
        page = caller.read("/v1/links?limit=1")
        assert caller.read(f"/v1/links?limit=1&cursor={page['next_cursor']}")["data"] == [first]

    def test_its_status_says_whether_it_can_be_paid(self, shop: Shop, caller: Caller) -> None:
        link = made(caller.post("/v1/links", {**FIXED, "expires_in": 60, "max_uses": 2}))
        path = f"/v1/links/{link['id']}"
        rows = OnlinePayment.objects.for_lab(shop.lab)
        rows.update(uses=1)
        assert [caller.read(path)[name] for name in ("status", "uses")] == ["active", 1]
        rows.update(uses=2)
        assert caller.read(path)["status"] == "used_up"
        with clock.fixed(clock.now() + timedelta(seconds=60)):
            assert caller.read(path)["status"] == "expired"
        rows.update(is_active=False)
        assert caller.read(path)["status"] == "disabled"

    def test_the_filter_tells_disabled_ones_apart(self, caller: Caller) -> None:
        kept, ended = (made(caller.post("/v1/links", FIXED)) for _ in range(2))
        caller.post(f"/v1/links/{ended['id']}/disable")
        assert [row["id"] for row in caller.read("/v1/links?is_active=true")["data"]] == [kept["id"]]
        assert [row["id"] for row in caller.read("/v1/links?is_active=false")["data"]] == [ended["id"]]
        caller.refused(caller.get("/v1/links?is_active=1"), 400, "unknown_choice")

    def test_the_number_of_statements_does_not_grow_with_the_list(self, caller: Caller) -> None:
        for _ in range(3):
            made(caller.post("/v1/links", FIXED))
        caller.read("/v1/links")
        with CaptureQueriesContext(connection) as captured:
            assert len(caller.read("/v1/links")["data"]) == 3
        assert len(captured) == 2

    def test_a_token_that_cannot_be_opened_leaves_the_url_out(self, shop: Shop, caller: Caller) -> None:
        link = made(caller.post("/v1/links", FIXED))
        OnlinePayment.objects.for_lab(shop.lab).update(token_sealed="v1.gone.AAAA.AAAA")
        assert caller.read(f"/v1/links/{link['id']}")["url"] is None


class TestDisabling:
    def test_it_ends_the_link_once_and_again_is_harmless(self, shop: Shop, caller: Caller) -> None:
        link = made(caller.post("/v1/links", FIXED))
        for _ in range(2):
            response = caller.post(f"/v1/links/{link['id']}/disable", key=None)
            assert response.json() == {**link, "status": "disabled"}
        assert audit(shop) == [
            ("link.created", "api key test", link["id"]), ("link.disabled", "api key test", link["id"])
        ]  # fmt: skip


class TestWhoMay:
    def test_scopes(self, caller: Caller) -> None:
        link = made(caller.post("/v1/links", FIXED))
        reader, writer = caller.token("payments:read"), caller.token("links:write")
        caller.refused(caller.post("/v1/links", FIXED, token=reader), 403, "scope_missing")
        caller.refused(caller.post(f"/v1/links/{link['id']}/disable", token=reader), 403, "scope_missing")
        caller.refused(caller.get("/v1/links", token=writer), 403, "scope_missing")
        caller.refused(caller.get("/v1/links", token="nobody"), 401, "not_authenticated")
        assert caller.get(f"/v1/links/{link['id']}", token=reader).status_code == 200
        assert made(caller.post("/v1/links", FIXED, token=writer))["status"] == "active"

    def test_another_labs_and_the_other_modes_link_are_missing_to_the_byte(
        self, shop: Shop, other_shop: Shop, test_mode_shop: Shop, call_as: Callable[[Shop], Caller]
    ) -> None:
        link = made(call_as(shop).post("/v1/links", FIXED))
        for stranger in (call_as(other_shop), call_as(test_mode_shop)):
            missing = "/v1/links/LNK_20260101000000_00000000"
            assert stranger.read("/v1/links")["data"] == []
            for theirs, none in (
                (stranger.get(f"/v1/links/{link['id']}"), stranger.get(missing)),
                (stranger.post(f"/v1/links/{link['id']}/disable"), stranger.post(f"{missing}/disable")),
            ):
                assert (theirs.status_code, theirs.content) == (404, none.content)
        assert OnlinePayment.objects.for_lab(shop.lab).get().is_active

    def test_the_same_idempotency_key_of_another_lab_is_another_key(
        self, shop: Shop, other_shop: Shop, call_as: Callable[[Shop], Caller]
    ) -> None:
        ours, theirs = (made(call_as(one).post("/v1/links", FIXED, key="k1")) for one in (shop, other_shop))
        assert ours["id"] != theirs["id"]
