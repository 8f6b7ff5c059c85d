"""Saved methods when something is missing: the customer at the bank, a webhook, the method itself, an earlier customer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from core import clock
from core.gateways.testing import answer
from payments import sweep
from payments.models import CustomerPaymentProfile, GatewayReference, Payment
from payments.services import keys, profiles
from tests.clients.stripe import objects as stripe
from tests.payments.api.conftest import Caller
from tests.payments.api.objects import saved
from tests.payments.api.test_profile_endpoints import PROFILES, WISH, offers_a_page
from tests.payments.shop import Shop, event, last_event, made, stripe_error

pytestmark = pytest.mark.django_db
ASKED_BACK = {"type": "card_error", "code": "authentication_required", "decline_code": "authentication_required"}


def wire_fields(request: Any) -> dict[str, list[str]]:
    return parse_qs((request.body or b"").decode())


class TestABankThatWantsTheCustomer:
    def declined(self, reference: str = "", **changes: Any) -> dict[str, Any]:
        return {
            "id": "pi_1Charge", "object": "payment_intent", "status": "requires_payment_method", "amount": 1299,
            "currency": "eur", "amount_received": 0, "livemode": True, "client_secret": "pi_1Charge_secret_x",
            "last_payment_error": ASKED_BACK, "metadata": {"payment_id": reference} if reference else {}, **changes,
        }  # fmt: skip

    def refusal(self) -> Any:
        return answer({"error": {**ASKED_BACK, "payment_intent": self.declined()}}, status=402)

    def charge(self, shop: Shop, caller: Caller, *, has_page_key: bool = True) -> dict[str, Any]:
        if has_page_key:
            keys.update_gateway_key(key=shop.key, values={"publishable_key": "pk_live_51Page0123456789"}, actor="test")
        row = saved(shop, token="pm_1Known")
        shop.wire.script(self.refusal())
        return made(caller.post("/payments/initiate", shop.order(profile=row.public_id)))

    def test_the_payment_stays_open_with_the_way_on(self, shop: Shop, caller: Caller) -> None:
        payment = self.charge(shop, caller)
        assert (payment["status"], payment["decline"]["code"]) == ("requires_action", "authentication_required")
        assert payment["next_action"]["type"] == "client_token"
        assert payment["next_action"]["token"] == "pi_1Charge_secret_x"
        assert "secret_x" not in str(Payment.across_labs.get(public_id=payment["id"]).next_action)

    def test_its_webhook_does_not_end_it_before_or_after(self, shop: Shop, caller: Caller) -> None:
        payment = self.charge(shop, caller)
        failed = self.declined(f"{payment['id']}-1")
        assert shop.deliver(event("payment_intent.payment_failed", failed)).status_code == 200
        row = Payment.across_labs.get(public_id=payment["id"])
        assert (row.status, row.next_action is not None) == ("requires_action", True)
        paid = {**failed, "status": "succeeded", "amount_received": 1299, "last_payment_error": None}
        assert shop.deliver(event("payment_intent.succeeded", paid)).status_code == 200
        row.refresh_from_db()
        assert (row.status, row.captured, row.next_action) == ("captured", 1299, None)

    def test_a_webhook_that_comes_before_the_answer_does_not_end_it(self, shop: Shop, caller: Caller) -> None:
        def deliver_first(_request: Any) -> None:
            reference = GatewayReference.across_labs.filter(is_ours=True).latest("id").reference
            told = shop.deliver(event("payment_intent.payment_failed", self.declined(reference)))
            assert (told.status_code, last_event().state) == (200, "applied")

        shop.wire.meanwhile = deliver_first
        payment = self.charge(shop, caller)
        assert (payment["status"], payment["next_action"]["type"]) == ("requires_action", "client_token")

    def test_without_a_key_for_the_page_there_is_no_way_on_and_it_ends(self, shop: Shop, caller: Caller) -> None:
        payment = self.charge(shop, caller, has_page_key=False)
        assert (payment["status"], payment["decline"]["code"]) == ("failed", "authentication_required")

    def test_any_other_decline_ends_it(self, shop: Shop, caller: Caller) -> None:
        payment = self.charge(shop, caller)
        other = {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds"}
        failed = self.declined(f"{payment['id']}-1", last_payment_error=other)
        shop.deliver(event("payment_intent.payment_failed", failed))
        assert Payment.across_labs.get(public_id=payment["id"]).status == "failed"


class TestAWebhookThatWasLost:
    def begun(self, shop: Shop, caller: Caller) -> CustomerPaymentProfile:
        offers_a_page(shop)
        made(caller.post(PROFILES, WISH))
        return CustomerPaymentProfile.across_labs.get()

    def session(self, row: CustomerPaymentProfile, **changes: Any) -> Any:
        return answer(stripe.setup_session(
            id="cs_live_save", livemode=True, client_reference_id=row.reference, metadata={"method_id": row.reference},
            **changes,
        ))  # fmt: skip

    def done(self, row: CustomerPaymentProfile) -> Any:
        inner = stripe.setup_intent(
            metadata={"method_id": row.reference}, livemode=True, customer="cus_9", payment_method="pm_9"
        )
        return self.session(row, status="complete", url=None, setup_intent=inner)

    def test_who_looks_sees_what_the_gateway_says_now(self, shop: Shop, caller: Caller) -> None:
        row = self.begun(shop, caller)
        shop.wire.meanwhile = None
        shop.wire.script(self.done(row))
        shown = caller.read(f"{PROFILES}/{row.public_id}")
        assert (shown["status"], shown["next_action"]) == ("active", None)
        row.refresh_from_db()
        assert (row.next_check_at, profiles.opened(row).token) == (None, "pm_9")
        shop.wire.script()
        assert caller.read(f"{PROFILES}/{row.public_id}") == shown  # nobody is asked again
        assert shop.wire.sent == []

    def test_the_sweep_asks_with_growing_pauses_and_gives_up_after_a_day(self, shop: Shop, caller: Caller) -> None:
        row = self.begun(shop, caller)
        shop.wire.meanwhile = None
        began = clock.now()
        shop.wire.script(self.session(row))
        with clock.fixed(began + timedelta(minutes=6)):
            assert sweep.sweep().methods == 1
        row.refresh_from_db()
        assert (row.status, row.check_count, row.next_action is None) == ("pending", 1, False)
        assert row.next_check_at == began + timedelta(minutes=6 + 15)
        CustomerPaymentProfile.across_labs.update(last_checked_at=None)
        shop.wire.script(stripe_error(500))
        with clock.fixed(began + timedelta(days=1, minutes=1)):
            assert sweep.sweep().methods == 1
        row.refresh_from_db()
        assert (row.status, row.next_check_at) == ("failed", None)

    def test_what_is_told_after_that_still_counts(self, shop: Shop, caller: Caller) -> None:
        row = self.begun(shop, caller)
        CustomerPaymentProfile.across_labs.update(status="failed", next_check_at=None)
        inner = stripe.setup_intent(metadata={"method_id": row.reference}, livemode=True, customer="cus_9")
        assert shop.deliver(event("setup_intent.succeeded", inner)).status_code == 200
        row.refresh_from_db()
        assert row.status == "active"


class TestAMethodThatIsGoneAtTheGateway:
    def test_it_is_deleted_here_too(self, shop: Shop, caller: Caller) -> None:
        row, other = saved(shop, token="pm_1Gone"), saved(shop, token="pm_1Stays")
        method = stripe.payment_method(id="pm_1Gone", customer=None, livemode=True)
        assert shop.deliver(event("payment_method.detached", method)).status_code == 200
        row.refresh_from_db()
        other.refresh_from_db()
        assert (row.status, row.secrets, row.token_hash, other.status) == ("deleted", {}, None, "active")

    def test_new_details_are_taken_over_and_its_customer_is_kept(self, shop: Shop) -> None:
        row = saved(shop, token="pm_1Known")
        card = {"brand": "visa", "last4": "0042", "exp_month": 1, "exp_year": 2040}
        method = stripe.payment_method(id="pm_1Known", type="card", card=card, livemode=True)
        assert shop.deliver(event("payment_method.automatically_updated", method)).status_code == 200
        row.refresh_from_db()
        assert (row.last_four, row.expiry_year, profiles.opened(row).customer_token) == ("0042", 2040, "cus_1Secret")

    def test_one_that_was_never_ours_is_nobody_s_business(self, shop: Shop) -> None:
        method = stripe.payment_method(id="pm_1Strange", livemode=True)
        response = shop.deliver(event("payment_method.detached", method))
        assert response.status_code == 200
        assert sweep.sweep().events == 0


class TestACustomerWhoIsKnownThere:
    def test_the_next_method_is_saved_under_the_same_name(self, shop: Shop, caller: Caller) -> None:
        saved(shop, "c1")
        shop.wire.script(answer({}))
        caller.post("/payments/initiate", shop.order(customer={"id": "c1"}, save_method=True, reference="another"))
        fields = wire_fields(shop.wire.sent[0])
        assert fields["customer"] == ["cus_1Secret"]
        assert "customer_creation" not in fields

    def test_a_stranger_gets_a_name_of_their_own(self, shop: Shop, caller: Caller) -> None:
        saved(shop, "c1")
        shop.wire.script(answer({}))
        caller.post("/payments/initiate", shop.order(customer={"id": "c2"}, save_method=True, reference="another"))
        fields = wire_fields(shop.wire.sent[0])
        assert "customer" not in fields
        assert fields["customer_creation"] == ["always"]

    def test_a_method_saved_alone_is_too(self, shop: Shop, caller: Caller) -> None:
        saved(shop, "c1")
        offers_a_page(shop)
        made(caller.post(PROFILES, WISH))
        assert wire_fields(shop.wire.sent[-1])["customer"] == ["cus_1Secret"]
