"""/v1/profiles: a method is saved with consent, listed, made the default, charged, and deleted at the gateway too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.gateways.testing import answer
from core.http import HttpRequest, NoAnswer, NotSent
from core.models import Customer, IdempotencyKey
from finance.models import Currency
from payments.models import CustomerPaymentProfile, Payment, PaymentGatewayKey
from payments.services import profiles
from tests.clients.stripe import objects as stripe
from tests.payments import builders
from tests.payments.api.conftest import Caller
from tests.payments.api.objects import TOKEN, saved
from tests.payments.shop import Shop, made, stripe_error

pytestmark = pytest.mark.django_db
PROFILES = "/v1/profiles"
MISSING = "PM_20260101000000_00000000"
WISH: dict[str, Any] = {"customer": {"id": "c1", "name": "Mira"}, "currency": "EUR", "consent": True}


def sent_reference(request: HttpRequest) -> str:
    return parse_qs((request.body or b"").decode())["client_reference_id"][0]


def offers_a_page(shop: Shop, *before: Any) -> None:
    """Stripe answers the next question with a page on which the method of that reference is saved."""
    shop.wire.script(*before)

    def reply(request: HttpRequest) -> None:
        reference = sent_reference(request)
        page = stripe.setup_session(
            id="cs_live_save", livemode=shop.mode.value == "live", client_reference_id=reference,
            metadata={"method_id": reference}, url="https://checkout.stripe.com/c/save",
        )  # fmt: skip
        shop.wire._queue.append(answer(page))

    shop.wire.meanwhile = reply


def count() -> int:
    return int(CustomerPaymentProfile.across_labs.count())


class TestSavingWithoutAPayment:
    def test_it_answers_what_the_customer_has_to_do(self, shop: Shop, caller: Caller) -> None:
        offers_a_page(shop)
        profile = made(caller.post(PROFILES, {**WISH, "return_url": f"{builders.ORIGIN}/methods"}))
        row = CustomerPaymentProfile.across_labs.get()
        assert profile == {
            "id": row.public_id, "customer": "c1", "gateway": "stripe", "status": "pending", "is_default": False,
            "kind": None, "brand": None, "last_four": None, "expiry_month": None, "expiry_year": None, "handle": None,
            "next_action": {"type": "redirect", "url": "https://checkout.stripe.com/c/save"},
            "consent_at": profile["consent_at"], "created_at": profile["created_at"], "deleted_at": None,
        }  # fmt: skip
        (request,) = shop.wire.sent
        assert (sent_reference(request), row.gateway_key_id) == (row.reference, shop.key.pk)
        assert f"{builders.ORIGIN}/methods" in parse_qs((request.body or b"").decode())["success_url"][0]
        shop.wire.meanwhile = None
        shop.wire.script(NotSent("x"))
        assert caller.read(f"{PROFILES}/{row.public_id}") == profile  # the gateway is asked; silence changes nothing
        assert Customer.across_labs.get(external_id="c1").name == "Mira"

    @pytest.mark.parametrize(
        ("change", "field", "code"),
        [
            ({"consent": None}, "consent", "required"),
            ({"consent": False}, "consent", "consent_required"),
            ({"consent": "true"}, "consent", "consent_required"),
            ({"consent": 1}, "consent", "consent_required"),
            ({"customer": None}, "customer.id", "required"),
            ({"customer": {"name": "Mira"}}, "customer.id", "required"),
            ({"customer": {"id": ""}}, "customer.id", "required"),
            ({"customer": {"id": "c1", "name": "4242 4242 4242 4242"}}, "customer.name", "card_number_refused"),
            ({"currency": None}, "currency", "required"),
            ({"currency": "eur"}, "currency", "unknown_currency"),
            ({"gateway": "nobody"}, "gateway", "unknown_choice"),
            ({"return_url": "https://evil.example/"}, "return_url", "return_url_not_allowed"),
        ],
    )
    def test_without_consent_or_customer_nothing_is_kept_or_asked(
        self, shop: Shop, caller: Caller, change: dict[str, Any], field: str, code: str
    ) -> None:
        problem = caller.refused(caller.post(PROFILES, {**WISH, **change}), 400, code)
        assert [error["field"] for error in problem["errors"]] == [field]
        kept = (count(), Customer.across_labs.count(), IdempotencyKey.across_labs.count(), len(shop.wire.sent))
        assert kept == (0, 0, 0, 0)

    def test_a_gateway_that_cannot_is_named_with_the_reason(self, shop: Shop, caller: Caller) -> None:
        coins = Shop(shop.wire, lab=shop.lab, gateway="nowpayments")
        for change, refused in (
            ({"gateway": "nowpayments"}, [coins.key.public_id]),
            ({"currency": "BTC"}, [shop.key.public_id, coins.key.public_id]),
        ):
            problem = caller.refused(caller.post(PROFILES, {**WISH, **change}), 422, "no_gateway")
            assert [one["gateway_key"] for one in problem["reasons"]] == refused
        assert (count(), shop.wire.sent) == (0, [])

    def test_a_currency_that_is_switched_off_is_refused(self, caller: Caller) -> None:
        Currency.objects.filter(provider="", code="EUR").update(is_active=False)
        caller.refused(caller.post(PROFILES, WISH), 400, "currency_disabled")

    def test_the_same_key_asks_once_and_answers_the_same(self, shop: Shop, caller: Caller) -> None:
        offers_a_page(shop)
        first, again = (caller.post(PROFILES, WISH, key="k1") for _ in range(2))
        assert (again.content, again["Idempotency-Replayed"]) == (first.content, "true")
        assert (count(), len(shop.wire.sent)) == (1, 1)
        caller.refused(caller.post(PROFILES, {**WISH, "currency": "USD"}, key="k1"), 422, "idempotency_mismatch")
        caller.refused(caller.post(PROFILES, WISH, key=None), 400, "idempotency_key_required")

    @pytest.mark.parametrize(
        ("trouble", "status", "code"),
        [
            ([NotSent("refused")] * 3, 502, "gateway_unavailable"),
            ([NoAnswer("timeout")] * 3, 504, "outcome_unknown"),
            ([stripe_error(401)], 502, "gateway_misconfigured"),
        ],
        ids=["not sent", "no answer", "key refused"],
    )
    def test_after_trouble_a_repeat_goes_on_with_the_same_method_and_key(
        self, shop: Shop, caller: Caller, trouble: list[Any], status: int, code: str
    ) -> None:
        shop.wire.script(*trouble)
        problem = caller.refused(caller.post(PROFILES, WISH, key="k1"), status, code)
        before = set(shop.wire.keys())
        offers_a_page(shop)
        profile = made(caller.post(PROFILES, WISH, key="k1"))
        assert (profile["id"], count()) == (problem["profile"], 1)
        assert set(shop.wire.keys()) == before == {f"{profile['id']}:save"}

    def test_a_refusal_is_the_answer_of_its_key(self, shop: Shop, caller: Caller) -> None:
        shop.wire.script(stripe_error(400))
        first = caller.post(PROFILES, WISH, key="k1")
        problem = caller.refused(first, 422, "gateway_rejected")
        again = caller.post(PROFILES, WISH, key="k1")
        assert (again.status_code, again["Idempotency-Replayed"], again.json()["code"]) == (
            422,
            "true",
            problem["code"],
        )
        assert caller.read(f"{PROFILES}/{problem['profile']}")["status"] == "failed"
        assert len(shop.wire.sent) == 1

    def test_a_repeat_after_the_answer_was_lost_asks_nobody(self, shop: Shop, caller: Caller) -> None:
        offers_a_page(shop)
        profile = made(caller.post(PROFILES, WISH, key="k1"))
        IdempotencyKey.across_labs.update(state="running", response_status=None, response_body="", locked_until=None)
        shop.wire.script()
        assert made(caller.post(PROFILES, WISH, key="k1")) == profile
        shop.wire.script()
        CustomerPaymentProfile.across_labs.update(status="failed", next_action=None)
        IdempotencyKey.across_labs.update(state="running", response_status=None, response_body="", locked_until=None)
        caller.refused(caller.post(PROFILES, WISH, key="k1"), 422, "gateway_rejected")
        assert (shop.wire.sent, count()) == ([], 1)


class TestReading:
    def test_a_method_saved_with_a_payment_is_shown_without_its_token(self, shop: Shop, caller: Caller) -> None:
        row = saved(shop, "c1")
        response = caller.get(f"{PROFILES}/{row.public_id}")
        profile = made(response, 200)
        shown = {name: profile[name] for name in ("customer", "status", "kind", "brand", "last_four", "expiry_year")}
        assert shown == {
            "customer": "c1", "status": "active", "kind": "card", "brand": "visa", "last_four": "4242",
            "expiry_year": 2034,
        }  # fmt: skip
        assert TOKEN not in response.content.decode() and "cus_1Secret" not in response.content.decode()

    def test_they_are_filtered_and_paged_newest_first(self, shop: Shop, caller: Caller) -> None:
        first, second, third = saved(shop, "c1"), saved(shop, "c2"), saved(shop, "c1")
        CustomerPaymentProfile.across_labs.filter(pk=third.pk).update(secrets={})
        third.refresh_from_db()
        profiles.delete_profile(third)

        def found(query: str) -> list[str]:
            return [row["id"] for row in caller.read(f"{PROFILES}?{query}")["data"]]

        assert found("") == [second.public_id, first.public_id]
        assert found("customer=c1") == [first.public_id]
        assert (found("status=deleted"), found("status=pending")) == ([third.public_id], [])
        assert found("customer=c9") == []
        page = caller.read(f"{PROFILES}?limit=1")
        assert found(f"limit=1&cursor={page['next_cursor']}") == [first.public_id]
        assert caller.get(f"{PROFILES}?status=none").status_code == 400

    def test_the_number_of_statements_does_not_grow_with_the_list(self, shop: Shop, caller: Caller) -> None:
        for number in range(3):
            saved(shop, f"c{number}")
        caller.read(PROFILES)
        with CaptureQueriesContext(connection) as captured:
            assert len(caller.read(PROFILES)["data"]) == 3
        assert len(captured) == 2


class TestTheDefault:
    def test_there_is_one_for_a_customer(self, shop: Shop, caller: Caller) -> None:
        first, second, other = saved(shop, "c1"), saved(shop, "c1"), saved(shop, "c2")
        for row in (first, second, second, other):
            assert made(caller.post(f"{PROFILES}/{row.public_id}/default"), 200)["is_default"] is True
        found = CustomerPaymentProfile.across_labs.filter(is_default=True).order_by("id")
        assert list(found) == [second, other]

    @pytest.mark.parametrize("status", ["pending", "failed"])
    def test_only_an_active_one_can_be_it(self, shop: Shop, caller: Caller, status: str) -> None:
        row = saved(shop)
        CustomerPaymentProfile.across_labs.update(status=status)
        caller.refused(caller.post(f"{PROFILES}/{row.public_id}/default"), 409, "profile_unusable")
        assert CustomerPaymentProfile.across_labs.get().is_default is False


class TestDeleting:
    def test_the_gateway_forgets_it_first_and_again_is_harmless(self, shop: Shop, caller: Caller) -> None:
        row = saved(shop, token="pm_1Known")
        shop.wire.script(answer(stripe.payment_method(id="pm_1Known", customer=None)))
        path = f"{PROFILES}/{row.public_id}"
        deleted = made(caller.delete(path), 200)
        assert (deleted["status"], deleted["is_default"], deleted["last_four"]) == ("deleted", False, "4242")
        assert shop.wire.calls() == ["POST /v1/payment_methods/pm_1Known/detach"]
        assert caller.read(path) == made(caller.delete(path), 200) == deleted
        assert len(shop.wire.sent) == 1
        row.refresh_from_db()
        assert (row.secrets, row.token_hash) == ({}, None)

    @pytest.mark.parametrize(
        ("trouble", "status", "code"),
        [
            ([NotSent("refused")] * 3, 502, "gateway_unavailable"),
            ([NoAnswer("timeout")] * 3, 504, "outcome_unknown"),
            ([stripe_error(401)], 502, "gateway_misconfigured"),
            ([stripe_error(400)], 422, "gateway_rejected"),
        ],
        ids=["not sent", "no answer", "key refused", "refused"],
    )
    def test_where_that_is_not_certain_it_stays(
        self, shop: Shop, caller: Caller, trouble: list[Any], status: int, code: str
    ) -> None:
        row = saved(shop)
        shop.wire.script(*trouble)
        problem = caller.refused(caller.delete(f"{PROFILES}/{row.public_id}"), status, code)
        assert problem["profile"] == row.public_id
        assert caller.read(f"{PROFILES}/{row.public_id}")["status"] == "active"

    def test_one_that_cannot_be_opened_stays_and_says_whose_business_it_is(self, shop: Shop, caller: Caller) -> None:
        row, other = saved(shop), saved(shop)
        path = f"{PROFILES}/{row.public_id}"
        CustomerPaymentProfile.across_labs.filter(pk=row.pk).update(secrets=other.secrets)
        shop.wire.script()
        caller.refused(caller.delete(path), 502, "gateway_misconfigured")
        PaymentGatewayKey.across_labs.update(gateway="gone")
        caller.refused(caller.delete(path), 502, "gateway_misconfigured")
        assert caller.read(path)["status"] == "active"


def calls(profile: str) -> list[tuple[str, str]]:
    path = f"{PROFILES}/{profile}"
    return [("get", path), ("delete", path), ("post", f"{path}/default")]


class TestWhoMay:
    def test_another_labs_or_modes_is_missing_to_the_byte(
        self, shop: Shop, other_shop: Shop, test_mode_shop: Shop, caller: Caller, call_as: Callable[[Shop], Caller]
    ) -> None:
        row = saved(shop)
        shop.wire.script()
        before = caller.read(f"{PROFILES}/{row.public_id}")
        for stranger in (call_as(other_shop), call_as(test_mode_shop)):
            for (method, path), (_, nowhere) in zip(calls(row.public_id), calls(MISSING), strict=True):
                theirs, none = getattr(stranger, method)(path), getattr(stranger, method)(nowhere)
                assert (theirs.status_code, theirs.content) == (404, none.content)
            assert stranger.read(f"{PROFILES}?customer=c1")["data"] == []
            charge = stranger.post("/payments/initiate", shop.order(profile=row.public_id))
            absent = stranger.post("/payments/initiate", shop.order(profile=MISSING))
            assert (charge.status_code, charge.content) == (404, absent.content)
        assert (caller.read(f"{PROFILES}/{row.public_id}"), shop.wire.sent) == (before, [])

    def test_reading_and_writing_are_two_scopes(self, shop: Shop, caller: Caller) -> None:
        row = saved(shop)
        reads, writes = caller.token("payments:read"), caller.token("profiles:write")
        for method, path in calls(row.public_id):
            token = writes if method == "get" else reads
            caller.refused(getattr(caller, method)(path, token=token), 403, "scope_missing")
            caller.refused(getattr(caller, method)(path, token="nobody"), 401, "not_authenticated")
        caller.refused(caller.post(PROFILES, WISH, token=reads), 403, "scope_missing")
        caller.refused(caller.get(PROFILES, token=writes), 403, "scope_missing")
        assert made(caller.post(f"{PROFILES}/{row.public_id}/default", token=writes), 200)["is_default"] is True


class TestCharging:
    def paid(self, shop: Shop, **changes: Any) -> dict[str, Any]:
        return {
            "id": "pi_1Charge", "object": "payment_intent", "status": "succeeded", "amount": 1299, "currency": "eur",
            "amount_received": 1299, "amount_capturable": 0, "livemode": True, "metadata": {}, **changes,
        }  # fmt: skip

    def test_it_goes_through_the_key_that_saved_it(self, shop: Shop, caller: Caller) -> None:
        row = saved(shop, "c1", token="pm_1Known")
        second = builders.make_gateway_key(shop.lab, "stripe", secret_key="sk_live_51Second0123456789")
        PaymentGatewayKey.across_labs.filter(pk=second.pk).update(priority=1)
        shop.wire.script(answer(self.paid(shop)))
        payment = made(caller.post("/payments/initiate", shop.order(profile=row.public_id, customer={"id": "c1"})))
        kept = Payment.across_labs.get(public_id=payment["id"])
        assert (payment["status"], kept.gateway_key_id, kept.profile_id) == ("captured", shop.key.pk, row.pk)
        assert parse_qs((shop.wire.sent[0].body or b"").decode())["payment_method"] == ["pm_1Known"]

    def test_another_customers_is_missing(self, shop: Shop, caller: Caller) -> None:
        row = saved(shop, "c1")
        shop.wire.script()
        before = Payment.across_labs.count()
        response = caller.post("/payments/initiate", shop.order(profile=row.public_id, customer={"id": "c2"}))
        caller.refused(response, 404, "not_found")
        assert (Payment.across_labs.count(), shop.wire.sent) == (before, [])

    def test_one_that_is_not_active_is_said_to_be_unusable(self, shop: Shop, caller: Caller) -> None:
        row = saved(shop)
        CustomerPaymentProfile.across_labs.update(status="failed")
        shop.wire.script()
        response = caller.post("/payments/initiate", shop.order(profile=row.public_id), key="k1")
        caller.refused(response, 409, "profile_unusable")
        CustomerPaymentProfile.across_labs.update(status="active")
        shop.wire.script(answer(self.paid(shop)))
        assert made(caller.post("/payments/initiate", shop.order(profile=row.public_id), key="k1"))["captured"] == 1299

    def test_a_repeat_is_answered_as_before_also_where_the_method_is_gone(self, shop: Shop, caller: Caller) -> None:
        row = saved(shop, token="pm_1Known")
        shop.wire.script(answer(self.paid(shop)))
        first = caller.post("/payments/initiate", shop.order(profile=row.public_id), key="k1")
        assert first.status_code == 201
        shop.wire.script(answer(stripe.payment_method(id="pm_1Known", customer=None)))
        made(caller.delete(f"{PROFILES}/{row.public_id}"), 200)
        again = caller.post("/payments/initiate", shop.order(profile=row.public_id), key="k1")
        assert (again.status_code, again.content, again["Idempotency-Replayed"]) == (201, first.content, "true")
        caller.refused(caller.post("/payments/initiate", shop.order(profile=row.public_id)), 404, "not_found")

    def test_one_that_cannot_be_opened_is_unusable_and_nobody_is_asked(self, shop: Shop, caller: Caller) -> None:
        row, other = saved(shop), saved(shop)
        CustomerPaymentProfile.across_labs.filter(pk=row.pk).update(secrets=other.secrets)
        shop.wire.script()
        before = Payment.across_labs.count()
        caller.refused(caller.post("/payments/initiate", shop.order(profile=row.public_id)), 409, "profile_unusable")
        assert (Payment.across_labs.count(), shop.wire.sent) == (before, [])

    def test_what_cannot_be_saved_or_named_is_refused(self, shop: Shop, caller: Caller) -> None:
        for change, code in (
            ({"save_method": True}, "customer_required"),
            ({"save_method": "yes"}, "invalid_type"),
            ({"profile": "x y"}, "invalid_id"),
            ({"method": "x" * 33}, "too_long"),
        ):
            caller.refused(caller.post("/payments/initiate", shop.order(**change)), 400, code)
        problem = caller.refused(caller.post("/payments/initiate", shop.order(method="upi")), 422, "no_gateway")
        assert [one["gateway_key"] for one in problem["reasons"]] == [shop.key.public_id]
