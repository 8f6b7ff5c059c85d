"""POST /payments/initiate: what is refused, and that a refusal leaves nothing behind; what is answered, and stored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core import clock, labs
from core.gateways.testing import answer, wire_fields
from core.gateways.types import Mode
from core.http import NoAnswer, NotSent
from core.models import Customer
from payments.models import Payment
from tests.payments import builders
from tests.payments.shop import (
    CRYPTO_ORDER,
    PREFLIGHT,
    Shop,
    Wire,
    coins,
    everything,
    exchanges,
    history,
    intent,
    made,
    not_known,
    session,
    state_of,
    stored,
    stripe_error,
    told,
)

pytestmark = pytest.mark.django_db

CARD = "4242 4242 4242 4242"
DECLINED = {
    "type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds", "message": "Too little money.",
}  # fmt: skip


def refused(shop: Shop, body: Any, status: int, code: str, **options: Any) -> dict[str, Any]:
    """The problem; nothing was written and nobody was asked."""
    before = everything()
    shop.wire.script()
    response = shop.post("/payments/initiate", body, **options)
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json"), response.content
    problem: dict[str, Any] = response.json()
    assert (problem["code"], problem["status"]) == (code, status)
    assert everything() == before
    assert shop.wire.sent == []
    return problem


class TestWhatIsAnswered:
    def test_a_new_payment_waits_for_its_customer_with_every_field(self, shop: Shop) -> None:
        opened = session()
        response = shop.initiate(
            answer(opened), reference="order-1", description="Two books", return_url="https://shop.example/done",
            customer={"id": "c1", "name": "Mira", "email": "mira@example.com", "phone": "+919876543210"},
            billing={"name": "Mira", "country": "IN"}, tax=100, delivery=50, customer_ip="203.0.113.9",
            metadata={"cart": "17"},
        )  # fmt: skip
        payment = made(response)
        row = stored(payment)
        assert payment == {
            "id": row.public_id, "reference": "order-1", "status": "pending", "refund_status": "none",
            "dispute_status": "none", "attention": [], "fraud": {"status": "unknown", "message": None},
            "purpose": "payment", "amount": 1299, "currency": "EUR", "authorized": 0, "captured": 0, "received": 0,
            "refunded": 0, "disputed": 0, "refundable": 0, "fee": None, "description": "Two books", "capture": "automatic",
            "gateway": "stripe", "mode": "live", "gateway_reference": opened["id"],
            "next_action": {"type": "redirect", "url": opened["url"]}, "method": None, "coin": None, "decline": None,
            "pending_reason": "waiting_for_customer", "last_checked_at": None, "next_check_at": payment["next_check_at"],
            "metadata": {"cart": "17"}, "created_at": payment["created_at"], "expires_at": payment["expires_at"],
            "completed_at": None, "pay_url": payment["pay_url"],
        }  # fmt: skip
        assert payment["pay_url"].rpartition("/")[0].endswith("/pay")
        assert response["Cache-Control"] == "no-store"

    def test_what_was_asked_and_answered_is_stored_once(self, shop: Shop) -> None:
        opened = session()
        payment = made(shop.initiate(answer(opened), customer={"id": "c1", "name": "Mira"}, tax=100, delivery=50))
        row = stored(payment)
        assert history(payment) == [(None, "pending", "api")]
        assert exchanges(payment) == [("initiate", "answered", 1)]
        assert list(row.references.order_by("id").values_list("reference", "is_ours")) == [
            (f"{payment['id']}-1", True), (opened["id"], False),
        ]  # fmt: skip
        assert (int(row.tax), int(row.delivery), row.customer.external_id) == (100, 50, "c1")
        assert row.expires_at - row.created_at == timedelta(hours=24)
        assert told() == []

    def test_the_gateway_is_asked_for_exactly_what_was_ordered(self, shop: Shop, wire: Wire) -> None:
        payment = made(shop.initiate(description="Two books", metadata={"cart": "17"}))
        (request,) = wire.sent
        sent = wire_fields(request)
        assert request.headers["Idempotency-Key"] == f"{payment['id']}:initiate:1"
        assert sent["client_reference_id"] == f"{payment['id']}-1"
        assert sent["line_items[0][price_data][unit_amount]"] == "1299"
        assert sent["line_items[0][price_data][currency]"] == "eur"
        assert sent["metadata[cart]"] == "17"
        assert sent["success_url"].startswith(payment["pay_url"])

    def test_an_amount_may_be_a_string_of_digits(self, shop: Shop) -> None:
        assert made(shop.initiate(amount="1299"))["amount"] == 1299

    @pytest.mark.parametrize(("amount", "currency"), [(740, "JPY"), (8730, "KWD"), (1299, "EUR")])
    def test_amounts_of_zero_two_and_three_decimals_stay_whole(self, shop: Shop, amount: int, currency: str) -> None:
        payment = made(shop.initiate(answer(session(amount, currency.lower())), amount=amount, currency=currency))
        assert (payment["amount"], payment["currency"]) == (amount, currency)

    def test_a_coin_payment_shows_address_amount_and_network(self, crypto: Shop) -> None:
        payment = made(crypto.initiate(*PREFLIGHT, answer(coins(), status=201), **CRYPTO_ORDER))
        assert payment["status"] == "requires_action"
        assert payment["pending_reason"] == "waiting_for_customer"
        assert payment["next_action"] == {
            "type": "show_address", "address": "TExampleDepositAddressAAAAAAAAAAAA", "asset": "USDTTRC20",
            "network": payment["next_action"]["network"], "amount": 50_000_000, "amount_text": "50", "memo": None,
            "expires_at": None, "uri": "TExampleDepositAddressAAAAAAAAAAAA",
        }  # fmt: skip
        assert payment["coin"]["code"] == "USDTTRC20"
        assert payment["coin"]["network"] == "trx"
        assert history(payment) == [(None, "pending", "api"), ("pending", "requires_action", "response")]

    def test_what_is_unknown_in_the_body_is_ignored_and_kept_nowhere(self, shop: Shop) -> None:
        payment = made(shop.initiate(lab="other", mode="test", gateway_key="GWK_1"))
        assert payment["mode"] == "live"
        assert stored(payment).lab_id == shop.lab.pk

    def test_a_deposit_names_its_customer(self, shop: Shop) -> None:
        payment = made(shop.initiate(purpose="deposit", customer={"id": "c-9"}))
        assert (payment["purpose"], stored(payment).customer.external_id) == ("deposit", "c-9")

    def test_a_known_customer_is_not_made_twice(self, shop: Shop) -> None:
        first = made(shop.initiate(customer={"id": "c1", "name": "Mira"}))
        second = made(shop.initiate(customer={"id": "c1", "email": "mira@example.com"}))
        customer = Customer.objects.for_lab(shop.lab).get()
        assert {stored(first).customer_id, stored(second).customer_id} == {customer.pk}
        assert (customer.name, customer.email) == ("Mira", "mira@example.com")

    def test_an_order_may_end_sooner(self, shop: Shop) -> None:
        row = stored(made(shop.initiate(expires_in=3600)))
        assert row.expires_at - row.created_at == timedelta(hours=1)


class TestAmounts:
    @pytest.mark.parametrize(
        "amount",
        [
            "0", "-1", "1299.0", "12.99", "1e3", "1E3", "true", "false", '"0"', '"-1"', '"+5"', '"1e3"', '"1_000"',
            '"12.99"', '"1,299"', '" 5"', '"٥٠"', '"５"', '""', '"abc"', '"' + "9" * 39 + '"', "1" + "0" * 38, "[1299]",
            '{"minor":1299}', '"NaN"', '"Infinity"', '"0x10"',
        ],
    )  # fmt: skip
    def test_what_is_no_positive_whole_number_is_refused(self, shop: Shop, amount: str) -> None:
        problem = refused(shop, '{"amount":%s,"currency":"EUR"}' % amount, 400, "invalid_amount")
        assert [error["field"] for error in problem["errors"]] == ["amount"]
        assert problem["retryable"] is False

    @pytest.mark.parametrize("body", ['{"currency":"EUR"}', '{"amount":null,"currency":"EUR"}'])
    def test_it_is_required(self, shop: Shop, body: str) -> None:
        assert refused(shop, body, 400, "required")["errors"][0]["field"] == "amount"

    @pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "01299", "+1299", "1_299", "9" * 5000])
    def test_numbers_that_json_does_not_know_are_refused(self, shop: Shop, amount: str) -> None:
        refused(shop, '{"amount":%s,"currency":"EUR"}' % amount, 400, "invalid_json")

    def test_the_configured_maximum_is_the_last_that_is_taken(self, shop: Shop, settings: Any) -> None:
        settings.MAX_AMOUNT_MINOR = 1298
        problem = refused(shop, shop.order(), 400, "amount_too_large")
        assert "1298" in problem["detail"]
        settings.MAX_AMOUNT_MINOR = 1299
        assert made(shop.initiate())["amount"] == 1299

    @pytest.mark.parametrize("amount", [True, 1.5, "1e1", -1])
    @pytest.mark.parametrize("part", ["tax", "delivery"])
    def test_its_parts_obey_the_same_rule(self, shop: Shop, part: str, amount: Any) -> None:
        problem = refused(shop, shop.order(**{part: amount}), 400, "invalid_amount")
        assert problem["errors"][0]["field"] == part

    def test_its_parts_may_be_zero_and_together_all_of_it_but_not_more(self, shop: Shop) -> None:
        made(shop.initiate(tax=0, delivery=1299))
        refused(shop, shop.order(tax=1000, delivery=300), 400, "parts_exceed_amount")


@pytest.mark.parametrize("currency", ["eur", "EURO", "XAU", "XXX", "", " EUR", 978, True, ["EUR"], "US\x00"])
def test_an_unknown_currency_is_refused(shop: Shop, currency: Any) -> None:
    assert refused(shop, shop.order(currency=currency), 400, "unknown_currency")["errors"][0]["field"] == "currency"


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("gateway", "nobody", "unknown_choice"),
        ("gateway", 5, "unknown_choice"),
        ("purpose", "gift", "unknown_choice"),
        ("capture", "later", "unknown_choice"),
        ("capture", True, "unknown_choice"),
        ("presentation", "popup", "unknown_choice"),
        ("reference", " ", "blank"),
        ("reference", "x" * 121, "too_long"),
        ("reference", 17, "invalid_type"),
        ("description", "x" * 501, "too_long"),
        ("description", "a\x00b", "invalid_text"),
        ("description", "a\nb", "invalid_text"),
        ("customer", "mira", "invalid_type"),
        ("billing", ["IN"], "invalid_type"),
        ("pay_currency", "usdt-trc20", "unknown_currency"),
        ("expires_in", 59, "out_of_range"),
        ("expires_in", 90 * 86400 + 1, "out_of_range"),
        ("expires_in", True, "out_of_range"),
        ("expires_in", "3600", "out_of_range"),
        ("expires_in", 60.5, "out_of_range"),
        ("customer_ip", "203.0.113", "invalid_ip_address"),
        ("customer_ip", "fe80::1%eth0", "invalid_ip_address"),
        ("metadata", ["a"], "invalid_type"),
        ("metadata", {"a": 1}, "invalid_type"),
        ("metadata", {"a": {"b": "c"}}, "invalid_type"),
        ("metadata", {"k" * 41: "v"}, "too_long"),
        ("metadata", {"k": "v" * 501}, "too_long"),
        ("metadata", {" k": "v"}, "invalid_key"),
        ("metadata", {f"k{n}": "v" for n in range(51)}, "too_many"),
        ("return_url", "javascript:alert(1)", "invalid_url"),
        ("return_url", "/done", "invalid_url"),
        ("return_url", "https://shop.example\\@evil.example/", "invalid_url"),
        ("return_url", "https://user@shop.example/", "invalid_url"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_refused_by_name(shop: Shop, field: str, value: Any, code: str) -> None:
    problem = refused(shop, shop.order(**{field: value}), 400, code)
    assert [error["field"] for error in problem["errors"]] == [field]


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"customer": {"email": "nobody"}}, "customer.email", "invalid_email"),
        ({"customer": {"phone": "call me"}}, "customer.phone", "invalid_phone"),
        ({"customer": {"id": "x" * 121}}, "customer.id", "too_long"),
        ({"customer": {"name": 5}}, "customer.name", "invalid_type"),
        ({"billing": {"country": "IND"}}, "billing.country", "too_long"),
        ({"billing": {"country": "1N"}}, "billing.country", "unknown_country"),
        ({"billing": {"postal_code": "x" * 21}}, "billing.postal_code", "too_long"),
    ],
)
def test_a_wrong_nested_field_is_refused_by_its_path(
    shop: Shop, changes: dict[str, Any], field: str, code: str
) -> None:
    problem = refused(shop, shop.order(**changes), 400, code)
    assert [error["field"] for error in problem["errors"]] == [field]


def test_all_that_is_wrong_is_told_at_once(shop: Shop) -> None:
    problem = refused(shop, {"amount": 1.5, "currency": "eur", "metadata": []}, 400, "validation_failed")
    assert {(error["field"], error["code"]) for error in problem["errors"]} == {
        ("amount", "invalid_amount"), ("currency", "unknown_currency"), ("metadata", "invalid_type"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "url",
    ["https://evil.example/", "http://shop.example/", "https://shop.example:8443/", "https://shop.example.evil.example/"],
)
def test_a_return_url_outside_the_list_is_refused_and_the_list_is_named(shop: Shop, url: str) -> None:
    problem = refused(shop, shop.order(return_url=url), 400, "return_url_not_allowed")
    assert "https://shop.example" in problem["detail"]


@pytest.mark.parametrize("customer", [None, {}, {"name": "Mira"}, {"id": " "}])
def test_a_deposit_without_a_customer_is_refused(shop: Shop, customer: Any) -> None:
    problem = refused(shop, shop.order(purpose="deposit", customer=customer), 400, "customer_required")
    assert problem["errors"][0]["field"] == "customer"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"description": f"card {CARD}"}, "description"),
        ({"reference": "4242424242424242"}, "reference"),
        ({"metadata": {"note": CARD}}, "metadata"),
        ({"metadata": {"4242424242424242": "x"}}, "metadata"),
        ({"metadata": {"note": "4242-4242-4242-4242"}}, "metadata"),
        ({"metadata": {"note": "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢"}}, "metadata"),
        ({"customer": {"id": "4242424242424242"}}, "customer.id"),
        ({"customer": {"name": CARD}}, "customer.name"),
        ({"customer": {"email": "4242424242424242@example.com"}}, "customer.email"),
        ({"customer": {"phone": "4242424242424242"}}, "customer.phone"),
        ({"billing": {"name": CARD}}, "billing.name"),
        ({"billing": {"line2": "378282246310005"}}, "billing.line2"),
        ({"pay_currency": "4242424242424242"}, "pay_currency"),
    ],
)
def test_a_card_number_is_refused_wherever_text_is_taken(
    shop: Shop, changes: dict[str, Any], field: str, caplog: pytest.LogCaptureFixture
) -> None:
    problem = refused(shop, shop.order(**changes), 400, "card_number_refused")
    assert [error["field"] for error in problem["errors"]] == [field]
    for text in (str(problem), caplog.text):
        assert not any(digits in text for digits in ("42424242", "4242 4242", "4242-4242", "378282246", "٤٢٤٢"))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("", 400, "validation_failed"),
        ("[]", 400, "invalid_json"),
        ("null", 400, "invalid_json"),
        ('"amount"', 400, "invalid_json"),
        ('{"amount":1299,"amount":1,"currency":"EUR"}', 400, "invalid_json"),
        ('{"amount":1299,"currency":"EUR"', 400, "invalid_json"),
        (b'{"amount":1299,"currency":"EUR","description":"\xff"}', 400, "invalid_json"),
        ("[" * 100_000, 400, "invalid_json"),
        ('{"amount":1299,"currency":"EUR","description":"' + "x" * 262_144 + '"}', 413, "too_large"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(shop: Shop, body: Any, status: int, code: str) -> None:
    refused(shop, body, status, code)


def test_half_a_character_in_text_is_refused(shop: Shop) -> None:
    refused(shop, '{"amount":1299,"currency":"EUR","description":"\\ud800"}', 400, "invalid_text")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_another_content_type_is_refused(shop: Shop, content_type: str) -> None:
    refused(shop, shop.order(), 415, "unsupported_media_type", content_type=content_type)


def test_another_method_is_refused(shop: Shop) -> None:
    response = shop.get("/payments/initiate")
    assert (response.status_code, response.json()["code"], response["Allow"]) == (405, "method_not_allowed", "POST, OPTIONS")


class TestChoosingAGateway:
    def test_a_lab_without_a_key_hears_so(self, wire: Wire) -> None:
        shop = Shop(wire)
        type(shop.key).across_labs.filter(pk=shop.key.pk).update(is_active=False)
        problem = refused(shop, shop.order(), 422, "no_gateway")
        assert problem["reasons"] == []

    def test_the_reasons_are_given_key_by_key(self, shop: Shop) -> None:
        other = builders.make_gateway_key(shop.lab, "nowpayments")
        type(shop.key).across_labs.filter(pk=shop.key.pk).update(allowed_currencies=["USD"])
        problem = refused(shop, shop.order(currency="JPY"), 422, "no_gateway")
        assert problem["reasons"] == [
            {"gateway": "stripe", "gateway_key": shop.key.public_id, "reason": "Stripe does not take JPY here"},
            {"gateway": "nowpayments", "gateway_key": other.public_id, "reason": "NOWPayments does not take JPY here"},
        ]

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"capture": "manual"}, "NOWPayments cannot hold money for a later capture"),
            ({"presentation": "embedded"}, "NOWPayments has no embedded form"),
        ],
    )
    def test_what_the_gateway_cannot_do_is_such_a_reason(
        self, crypto: Shop, changes: dict[str, Any], reason: str
    ) -> None:
        problem = refused(crypto, {**CRYPTO_ORDER, **changes}, 422, "no_gateway")
        assert [one["reason"] for one in problem["reasons"]] == [reason]

    def test_an_amount_below_the_minimum_is_such_a_reason(self, shop: Shop) -> None:
        problem = refused(shop, shop.order(amount=1), 422, "no_gateway")
        assert problem["reasons"][0]["reason"] == "Stripe takes at least 0.50 EUR"

    def test_a_coin_asks_for_a_gateway_with_coins(self, shop: Shop) -> None:
        problem = refused(shop, shop.order(pay_currency="usdttrc20"), 422, "no_gateway")
        assert problem["reasons"][0]["reason"] == "Stripe takes no coins; leave pay_currency out"

    def test_the_named_gateway_alone_is_considered(self, shop: Shop) -> None:
        problem = refused(shop, shop.order(gateway="nowpayments"), 422, "no_gateway")
        assert problem["reasons"] == []

    def test_the_first_in_priority_that_can_take_it_is_used(self, shop: Shop) -> None:
        late = builders.make_gateway_key(shop.lab, "stripe")
        early = builders.make_gateway_key(shop.lab, "stripe")
        type(shop.key).across_labs.filter(pk=early.pk).update(priority=1, allowed_currencies=["USD"])
        type(shop.key).across_labs.filter(pk=late.pk).update(priority=2)
        assert stored(made(shop.initiate())).gateway_key_id == late.pk
        assert stored(made(shop.initiate(answer(session(1299, "usd")), currency="USD"))).gateway_key_id == early.pk

    def test_a_key_of_the_other_mode_is_never_used(self, shop: Shop) -> None:
        token = builders.make_api_key(shop.lab, Mode.TEST)
        refused(shop, shop.order(), 422, "no_gateway", token=token)


class TestTheLabsOwnReference:
    def test_one_that_is_in_use_is_refused_with_the_payment_that_has_it(self, shop: Shop) -> None:
        payment = shop.open_payment(reference="order-1")
        problem = refused(shop, shop.order(reference="order-1"), 409, "reference_in_use")
        assert problem["payment"] == payment["id"]

    def test_that_of_a_paid_order_is_in_use_too(self, shop: Shop) -> None:
        payment = shop.captured_payment(reference="order-1")
        problem = refused(shop, shop.order(reference="order-1"), 409, "reference_in_use")
        assert problem["payment"] == payment["id"]

    def test_it_is_free_again_after_a_failed_payment(self, shop: Shop) -> None:
        failed = shop.initiate(stripe_error(400, message="no"), reference="order-1")
        assert failed.status_code == 422
        again = made(shop.initiate(reference="order-1"))
        assert again["reference"] == "order-1"
        assert Payment.objects.for_lab(shop.lab).filter(merchant_reference="order-1").count() == 2

    def test_the_other_mode_and_another_lab_have_references_of_their_own(
        self, shop: Shop, test_mode_shop: Shop, other_shop: Shop
    ) -> None:
        ids = {
            made(one.initiate(answer(session(live=one.mode is Mode.LIVE)), reference="order-1"))["id"]
            for one in (shop, test_mode_shop, other_shop)
        }
        assert len(ids) == 3

    def test_a_refused_reference_does_not_use_the_idempotency_key_up(self, shop: Shop) -> None:
        shop.open_payment(reference="order-1")
        refused(shop, shop.order(reference="order-1"), 409, "reference_in_use", key="k-1")
        assert made(shop.initiate(key="k-1", reference="order-2"))["reference"] == "order-2"


class TestWhatTheGatewaySays:
    def test_a_decline_is_a_payment_that_failed(self, wire: Wire) -> None:
        shop = Shop(wire, publishable_key="pk_live_51Builder0123456789")
        error = {**DECLINED, "payment_intent": {"id": "pi_1", "object": "payment_intent", "currency": "eur",
                 "status": "requires_payment_method", "amount": 1299, "livemode": True}}  # fmt: skip
        payment = made(shop.initiate(stripe_error(402, **error), presentation="embedded"))
        assert (payment["status"], payment["captured"]) == ("failed", 0)
        assert payment["decline"] == {
            "code": "insufficient_funds", "gateway_code": "insufficient_funds", "message": "Too little money.",
        }  # fmt: skip
        assert history(payment) == [(None, "pending", "api"), ("pending", "failed", "response")]
        assert exchanges(payment) == [("initiate", "declined", 1)]
        assert told() == ["payment.failed"]

    def test_a_refusal_is_422_and_the_payment_failed(self, shop: Shop) -> None:
        refusal = stripe_error(400, code="amount_too_large", message="Amount too large")
        response = shop.initiate(refusal, key="k-1")
        problem = response.json()
        assert (response.status_code, problem["code"], problem["retryable"]) == (422, "gateway_rejected", False)
        assert (problem["reason_code"], problem["gateway_code"]) == ("amount_too_large", "amount_too_large")
        payment = Payment.across_labs.get()
        assert problem["payment"] == payment.public_id
        assert (payment.status, payment.decline["code"]) == ("failed", "amount_too_large")
        assert history(problem | {"id": payment.public_id})[-1] == ("pending", "failed", "response")
        assert exchanges({"id": payment.public_id}) == [("initiate", "failed", 1)]

    def test_a_refusal_is_remembered_for_a_repeat(self, shop: Shop, wire: Wire) -> None:
        first = shop.initiate(stripe_error(400, message="no"), key="k-1")
        before = everything()
        second = shop.initiate(key="k-1")
        assert (second.status_code, second.content) == (422, first.content)
        assert (second["Idempotency-Replayed"], wire.sent) == ("true", [])
        assert everything() == before

    @pytest.mark.parametrize(
        ("trouble", "status", "code", "retryable"),
        [
            (NotSent("ConnectError"), 502, "gateway_unavailable", True),
            (stripe_error(429), 502, "gateway_unavailable", True),
            (stripe_error(401), 502, "gateway_misconfigured", False),
            (stripe_error(403), 502, "gateway_misconfigured", False),
            (NoAnswer("ReadTimeout"), 504, "outcome_unknown", True),
            (stripe_error(500), 504, "outcome_unknown", True),
            (answer(text="<html>", status=200), 504, "outcome_unknown", True),
            (answer({"object": "checkout.session"}), 504, "outcome_unknown", True),
        ],
    )
    def test_trouble_leaves_the_payment_pending_and_a_repeat_sends_the_same_again(
        self, shop: Shop, wire: Wire, trouble: Any, status: int, code: str, retryable: bool
    ) -> None:
        response = shop.initiate(trouble, key="k-1", description="Two books", metadata={"cart": "17"})
        problem = response.json()
        payment = Payment.across_labs.get()
        assert (response.status_code, problem["code"], problem["retryable"]) == (status, code, retryable)
        assert problem["payment"] == payment.public_id
        assert (payment.status, payment.attention, int(payment.captured)) == ("pending", [], 0)
        assert (payment.unknown_since is not None) == (status == 504)
        first = wire.sent[0]
        again = made(shop.initiate(key="k-1", description="Two books", metadata={"cart": "17"}))
        (second,) = wire.sent
        assert again["id"] == payment.public_id
        assert (second.url, second.body, second.headers) == (first.url, first.body, first.headers)
        assert second.headers["Idempotency-Key"] == f"{payment.public_id}:initiate:1"
        assert exchanges(again) == [("initiate", "answered", 2)]
        assert (again["status"], again["pending_reason"]) == ("pending", "waiting_for_customer")
        assert Payment.across_labs.count() == 1

    def test_how_long_to_wait_is_passed_on(self, shop: Shop) -> None:
        busy = answer({"error": {}}, status=429, headers={"Retry-After": "7"})
        assert shop.initiate(busy)["Retry-After"] == "8"

    def test_a_bug_in_a_gateway_package_means_that_nothing_is_known(
        self, shop: Shop, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from clients.stripe.gateway import StripeGateway

        def broken(self: Any, request: Any) -> Any:
            raise KeyError("oops")

        monkeypatch.setattr(StripeGateway, "initiate", broken)
        response = shop.initiate(key="k-1")
        assert (response.status_code, response.json()["code"]) == (504, "outcome_unknown")
        assert "oops" not in response.content.decode()
        assert Payment.across_labs.get().unknown_since is not None

    def test_a_key_that_cannot_be_opened_is_misconfigured_and_nothing_is_sent(self, shop: Shop, wire: Wire) -> None:
        sealed = {**shop.key.credentials, "secret_key": "v1.gone.AAAA.AAAA"}
        type(shop.key).across_labs.filter(pk=shop.key.pk).update(credentials=sealed)
        response = shop.initiate()
        assert (response.status_code, response.json()["code"]) == (502, "gateway_misconfigured")
        assert wire.sent == []

    def test_an_order_that_is_over_is_not_sent_again(self, shop: Shop, wire: Wire) -> None:
        assert shop.initiate(NotSent("ConnectError"), key="k-1", expires_in=3600).status_code == 502
        with clock.fixed(clock.now() + timedelta(hours=2)):
            response = shop.initiate(*not_known(), key="k-1", expires_in=3600)
        assert "POST" not in {request.method for request in wire.sent}
        payment = made(response)
        assert payment["status"] == "expired"
        assert history(payment)[-1] == ("pending", "expired", "timer")

    def test_what_a_webhook_told_after_a_lost_answer_needs_no_other_create(self, shop: Shop, wire: Wire) -> None:
        response = shop.initiate(NoAnswer("ReadTimeout"), key="k-1")
        payment = {"id": response.json()["payment"], "amount": 1299, "currency": "EUR", "mode": "live"}
        about = intent(payment, "succeeded", amount_received=1299)
        assert shop.tell(payment, "payment_intent.succeeded", about).status_code == 200
        assert state_of(payment)[:2] == ("captured", 1299)
        again = made(shop.initiate(key="k-1"))
        assert (again["id"], again["status"], again["captured"]) == (payment["id"], "captured", 1299)
        assert wire.sent == []


@pytest.mark.parametrize(
    ("token", "status", "code"),
    [
        ("", 401, "not_authenticated"),
        ("pw_live_" + "0" * 40, 401, "not_authenticated"),
        ("pw_live_é", 401, "not_authenticated"),
    ],
)
def test_without_a_valid_key_nothing_is_done(shop: Shop, token: str, status: int, code: str) -> None:
    refused(shop, shop.order(), status, code, headers={"Authorization": f"Bearer {token}"})


def test_a_revoked_key_is_no_key(shop: Shop) -> None:
    made_key = labs.create_api_key(lab=shop.lab, mode="live", name="x", scopes=["payments:write"], actor="test")
    labs.revoke_api_key(lab=shop.lab, key_id=made_key.key.pk, actor="test")
    refused(shop, shop.order(), 401, "not_authenticated", token=made_key.text)


def test_a_key_without_the_scope_is_forbidden(shop: Shop) -> None:
    token = builders.make_api_key(shop.lab, scopes=["payments:read", "refunds:write"])
    problem = refused(shop, shop.order(), 403, "scope_missing", token=token)
    assert "payments:write" in problem["detail"]
