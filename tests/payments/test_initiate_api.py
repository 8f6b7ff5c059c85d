"""POST /payments/initiate: what is refused, and that a refusal leaves nothing behind; what is answered, and stored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core import labs
from core.gateways.testing import answer, wire_fields
from core.models import Customer
from finance.models import Currency
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
    made,
    session,
    stored,
    told,
)

pytestmark = pytest.mark.django_db

CARD = "4242 4242 4242 4242"


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
        problem = refused(shop, f'{{"amount":{amount},"currency":"EUR"}}', 400, "invalid_amount")
        assert [error["field"] for error in problem["errors"]] == ["amount"]
        assert problem["retryable"] is False

    @pytest.mark.parametrize("body", ['{"currency":"EUR"}', '{"amount":null,"currency":"EUR"}'])
    def test_it_is_required(self, shop: Shop, body: str) -> None:
        assert refused(shop, body, 400, "required")["errors"][0]["field"] == "amount"

    @pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "01299", "+1299", "1_299", "9" * 5000])
    def test_numbers_that_json_does_not_know_are_refused(self, shop: Shop, amount: str) -> None:
        refused(shop, f'{{"amount":{amount},"currency":"EUR"}}', 400, "invalid_json")

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


def test_a_currency_that_is_switched_off_is_refused(shop: Shop) -> None:
    Currency.objects.filter(code="EUR", provider="").update(is_active=False)
    problem = refused(shop, shop.order(), 400, "currency_disabled")
    assert [error["field"] for error in problem["errors"]] == ["currency"]
    made(shop.initiate(answer(session(1299, "usd")), currency="USD"))


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
    [
        "https://evil.example/",
        "http://shop.example/",
        "https://shop.example:8443/",
        "https://shop.example.evil.example/",
    ],
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
    assert (response.status_code, response.json()["code"], response["Allow"]) == (
        405,
        "method_not_allowed",
        "POST, OPTIONS",
    )


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
