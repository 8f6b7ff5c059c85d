"""The page of a payment link: what it asks, what it refuses, and that the row alone says what is paid."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from core import clock
from core.gateways.testing import answer
from core.gateways.types import Mode
from core.models import Customer, IdempotencyKey
from payments.models import OnlinePayment, Payment
from payments.services import links
from tests.payments import builders
from tests.payments.pages.conftest import visitor
from tests.payments.shop import COINS, PREFLIGHT, Shop, coins, everything, session, stripe_error

UNKNOWN = "y" * 32


def make_link(shop: Shop, **changes: Any) -> OnlinePayment:
    values = {"currency": "EUR", "amount": 1299, "actor": "test", **changes}
    return links.create_link(lab=shop.lab, mode=shop.mode, **values)


def open_link(shop: Shop, **changes: Any) -> OnlinePayment:
    return make_link(shop, amount=None, minimum=500, maximum=100_000, **changes)


def path_of(link: OnlinePayment) -> str:
    return "/" + links.link_url(link).split("/", 3)[3]


def nonce_in(page: Any) -> str:
    found = re.search(r'name="nonce" value="([^"]+)"', page.content.decode())
    assert found is not None
    return found.group(1)


def post(customer: Client, link: OnlinePayment, **fields: str) -> Any:
    """Open the page and send its form with these fields."""
    if "nonce" not in fields:
        fields["nonce"] = nonce_in(customer.get(path_of(link)))
    return customer.post(path_of(link), fields)


def uses_of(link: OnlinePayment) -> int:
    link.refresh_from_db()
    return int(link.uses)


def errors_of(response: Any) -> dict[str, str]:
    assert response.status_code == 400
    return dict(response.context["form"].errors)


# --- paying ----------------------------------------------------------------------------------------------------------


def test_a_link_makes_a_payment_of_its_own_amount_and_leads_to_its_page(shop: Shop, customer: Client) -> None:
    link = make_link(
        shop, description="Workshop", merchant_reference="W-7", max_uses=1, return_url="https://shop.example/t",
        metadata={"seat": "4"},
    )  # fmt: skip
    shop.wire.script(answer(session()))
    done = post(customer, link, name="Mira", email="mira@example.com")
    assert done.status_code == 303
    assert re.fullmatch(rf"{re.escape(settings.PUBLIC_URL)}/pay/[A-Za-z0-9_-]{{32}}", done["Location"])
    payment = Payment.across_labs.get()
    assert (int(payment.amount), payment.currency, payment.gateway) == (1299, "EUR", "stripe")
    assert (payment.merchant_reference, payment.description) == ("W-7", "Workshop")
    assert (payment.return_url, payment.metadata) == ("https://shop.example/t", {"seat": "4"})
    assert (payment.link_id, payment.holds_link_use, uses_of(link)) == (link.pk, True, 1)
    assert (payment.customer.name, payment.customer.email) == ("Mira", "mira@example.com")
    assert customer.get(done["Location"].replace(settings.PUBLIC_URL, "")).context["shown"].amount == "12.99 EUR"


def test_name_and_address_may_be_left_out(shop: Shop, customer: Client) -> None:
    shop.wire.script(answer(session()))
    assert post(customer, make_link(shop)).status_code == 303
    assert Payment.across_labs.get().customer_id is None
    assert Customer.across_labs.count() == 0


def test_amount_currency_and_gateway_of_the_request_are_not_looked_at(shop: Shop, customer: Client) -> None:
    link = make_link(shop)
    shop.wire.script(answer(session()))
    fields = {
        "amount": "0.01",
        "currency": "JPY",
        "gateway": "nowpayments",
        "max_uses": "9",
        "lab": "1",
        "mode": "test",
    }
    assert post(customer, link, **fields).status_code == 303
    payment = Payment.across_labs.get()
    assert (int(payment.amount), payment.currency, payment.gateway, payment.mode) == (1299, "EUR", "stripe", "live")


@pytest.mark.parametrize(("text", "minor"), [("5", 500), ("5.00", 500), ("1000.00", 100_000), (" 12.5 ", 1250)])
def test_an_open_amount_is_paid_within_its_bounds(shop: Shop, customer: Client, text: str, minor: int) -> None:
    shop.wire.script(answer(session(minor)))
    assert post(customer, open_link(shop), amount=text).status_code == 303
    assert int(Payment.across_labs.get().amount) == minor


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4.99",
        "1000.01",
        "0",
        "-5",
        "+5",
        "5,00",
        "5.001",
        "1e3",
        "NaN",
        "Infinity",
        "0x10",
        "5 00",
        "٥٠",
        "1_000",
        "9" * 50,
    ],
)
def test_an_amount_outside_or_malformed_is_refused_with_the_bounds(shop: Shop, customer: Client, text: str) -> None:
    link = open_link(shop)
    assert errors_of(post(customer, link, amount=text)) == {
        "amount": "Write an amount from 5.00 to 1000.00 EUR, with a point before the decimals."
    }
    assert (Payment.across_labs.count(), uses_of(link)) == (0, 0)


@pytest.mark.parametrize(
    ("field", "text", "error"),
    [
        ("email", "nobody", "Write an e-mail address like mira@example.com, or leave it empty."),
        ("name", "x" * 201, "This is too long."),
        ("name", "a\x00b", "This text holds characters that cannot be used."),
        ("name", "4242 4242 4242 4242", "Do not write card numbers here; you enter yours when you pay."),
        ("email", "4242424242424242@example.com", "Do not write card numbers here; you enter yours when you pay."),
    ],
)
def test_what_cannot_be_taken_is_said_beside_its_field(
    shop: Shop, customer: Client, field: str, text: str, error: str
) -> None:
    response = post(customer, make_link(shop), **{field: text})
    assert errors_of(response) == {field: error}
    assert "4242" not in response.content.decode()
    assert Payment.across_labs.count() == 0


# --- which gateway, which coin ---------------------------------------------------------------------------------------


def with_both(shop: Shop) -> None:
    """Stripe first, then crypto, which lists its coins."""
    builders.make_gateway_key(shop.lab, "nowpayments", shop.mode)
    shop.wire.script(COINS)


def test_several_ways_to_pay_are_a_choice_in_the_lab_s_order(shop: Shop, customer: Client) -> None:
    with_both(shop)
    options = customer.get(path_of(make_link(shop))).context["form"].options
    assert [(one.gateway, one.label, one.coins) for one in options] == [
        ("stripe", "Card, Apple Pay, Google Pay and more", ()),
        ("nowpayments", "Crypto", (("USDTTRC20", "USDT on Tron"),)),
    ]


def test_the_coins_of_an_account_are_asked_for_once_in_five_minutes(shop: Shop, customer: Client) -> None:
    with_both(shop)
    link = make_link(shop)
    for _ in range(3):
        assert customer.get(path_of(link)).status_code == 200
    assert shop.wire.calls() == ["GET /v1/merchant/coins"]


def test_a_gateway_that_cannot_list_its_coins_offers_its_usual_ones(shop: Shop, customer: Client) -> None:
    builders.make_gateway_key(shop.lab, "nowpayments", shop.mode)
    shop.wire.script(answer({}, status=500), answer({}, status=500))
    options = customer.get(path_of(make_link(shop))).context["form"].options
    assert ("BTC", "Bitcoin (BTC)") in options[1].coins


def test_crypto_is_paid_in_the_chosen_coin(shop: Shop, customer: Client) -> None:
    with_both(shop)
    link = make_link(shop, currency="USD", amount=5000)
    nonce = nonce_in(customer.get(path_of(link)))
    shop.wire.script(*PREFLIGHT[1:], answer(coins(), status=201))  # the coins are known from the page
    done = post(customer, link, nonce=nonce, gateway="nowpayments", coin_nowpayments="USDTTRC20")
    assert done.status_code == 303
    payment = Payment.across_labs.get()
    assert (payment.gateway, payment.pay_currency) == ("nowpayments", "USDTTRC20")
    assert payment.next_action["type"] == "show_address"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, {"gateway": "Choose how you want to pay."}),
        ({"gateway": "paypal"}, {"gateway": "Choose how you want to pay."}),
        ({"gateway": "nowpayments"}, {"coin_nowpayments": "Choose a coin and its network."}),
        ({"gateway": "nowpayments", "coin_nowpayments": "BTC"}, {"coin_nowpayments": "Choose a coin and its network."}),
    ],
)
def test_a_choice_that_is_none_is_refused(
    shop: Shop, customer: Client, fields: dict[str, str], error: dict[str, str]
) -> None:
    with_both(shop)
    assert errors_of(post(customer, make_link(shop), **fields)) == error
    assert Payment.across_labs.count() == 0


def test_a_gateway_that_the_link_does_not_allow_is_neither_shown_nor_taken(shop: Shop, customer: Client) -> None:
    builders.make_gateway_key(shop.lab, "nowpayments", shop.mode)
    link = make_link(shop, allowed_gateways=["stripe"])
    shop.wire.script(answer(session()))
    assert [one.gateway for one in customer.get(path_of(link)).context["form"].options] == ["stripe"]
    assert post(customer, link, gateway="nowpayments", coin_nowpayments="USDTTRC20").status_code == 303
    assert Payment.across_labs.get().gateway == "stripe"


def test_a_link_that_no_gateway_can_take_says_so(shop: Shop, customer: Client) -> None:
    link = make_link(shop, allowed_gateways=["nowpayments"])
    page = customer.get(path_of(link))
    assert page.status_code == 503
    assert "ask Acme" in page.content.decode()


def test_an_amount_below_the_gateway_s_minimum_is_said_and_takes_no_use(shop: Shop, customer: Client) -> None:
    link = make_link(shop, amount=None, minimum=1, maximum=1000)
    assert "form" in errors_of(post(customer, link, amount="0.01"))
    assert (Payment.across_labs.count(), IdempotencyKey.across_labs.count(), uses_of(link)) == (0, 0, 0)


# --- closed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "title"),
    [
        ({"is_active": False}, "This link was switched off"),
        ({"expires_at": clock.now() - timedelta(days=1)}, "This link has expired"),
        ({"max_uses": 3, "uses": 3}, "This link was used already"),
    ],
)
def test_a_closed_link_is_410_and_creates_nothing(
    shop: Shop, customer: Client, change: dict[str, Any], title: str
) -> None:
    link = make_link(shop)
    nonce = nonce_in(customer.get(path_of(link)))
    OnlinePayment.across_labs.filter(pk=link.pk).update(**change)
    before = everything()
    for response in (customer.get(path_of(link)), post(customer, link, nonce=nonce)):
        assert response.status_code == 410
        assert title in response.content.decode()
    assert everything() == before
    assert uses_of(link) == change.get("uses", 0)


def test_unknown_links_and_those_of_a_lab_that_is_switched_off_are_404(shop: Shop, customer: Client) -> None:
    link = make_link(shop)
    for token in (UNKNOWN, "short", link.public_id):
        assert customer.get(f"/link/{token}").status_code == 404
        assert customer.post(f"/link/{token}", {"nonce": UNKNOWN}).status_code == 404
    shop.lab.is_active = False
    shop.lab.save()
    assert customer.get(path_of(link)).status_code == 404


def test_a_use_comes_back_when_the_gateway_refuses(shop: Shop, customer: Client) -> None:
    link = make_link(shop, max_uses=1)
    nonce = nonce_in(customer.get(path_of(link)))
    shop.wire.script(stripe_error(400))
    done = post(customer, link, nonce=nonce)
    assert done.status_code == 303
    page = customer.get(done["Location"].replace(settings.PUBLIC_URL, ""))
    assert page.context["shown"].kind == "failed"
    assert uses_of(link) == 0
    assert page.context["again_url"] == links.link_url(link)


def test_the_same_reference_is_shared_by_no_two_payments_of_a_link(shop: Shop, customer: Client) -> None:
    link = make_link(shop, merchant_reference="DONATE")
    for _ in range(2):
        shop.wire.script(answer(session()))
        assert post(customer, link).status_code == 303
    references = list(Payment.across_labs.values_list("merchant_reference", flat=True))
    assert len(set(references)) == 2
    assert all(re.fullmatch(r"DONATE-[0-9a-f]{8}", one) for one in references)


def test_what_is_being_paid_elsewhere_is_not_paid_by_its_link_too(shop: Shop, customer: Client) -> None:
    shop.open_payment(reference="W-7")
    link = make_link(shop, merchant_reference="W-7", max_uses=1)
    assert post(customer, link).status_code == 410
    assert (Payment.across_labs.count(), uses_of(link)) == (1, 0)


# --- twice -----------------------------------------------------------------------------------------------------------


def test_the_same_form_twice_is_one_payment(shop: Shop, customer: Client) -> None:
    link = make_link(shop, max_uses=1)
    nonce = nonce_in(customer.get(path_of(link)))
    shop.wire.script(answer(session()))
    first, second = post(customer, link, nonce=nonce), post(customer, link, nonce=nonce)
    assert (first.status_code, second.status_code) == (303, 303)
    assert first["Location"] == second["Location"]
    assert (Payment.across_labs.count(), uses_of(link), len(shop.wire.sent)) == (1, 1, 1)


def test_another_amount_in_the_same_form_is_another_payment(shop: Shop, customer: Client) -> None:
    link = open_link(shop)
    nonce = nonce_in(customer.get(path_of(link)))
    shop.wire.script(answer(session(500)), answer(session(600)))
    for amount in ("5", "6"):
        assert post(customer, link, nonce=nonce, amount=amount).status_code == 303
    assert sorted(int(one.amount) for one in Payment.across_labs.all()) == [500, 600]


def test_a_form_without_its_nonce_is_given_again(shop: Shop, customer: Client) -> None:
    link = make_link(shop)
    for nonce in ("", "1", "x" * 65, "ab cd" * 6):
        assert "form" in errors_of(post(customer, link, nonce=nonce))
    assert Payment.across_labs.count() == 0


# --- a gateway that is away ------------------------------------------------------------------------------------------


def test_an_order_that_did_not_reach_its_gateway_is_sent_again_by_the_customer(shop: Shop, customer: Client) -> None:
    link = make_link(shop, max_uses=1)
    nonce = nonce_in(customer.get(path_of(link)))
    shop.wire.script(stripe_error(429))
    path = post(customer, link, nonce=nonce)["Location"].replace(settings.PUBLIC_URL, "")
    first = shop.wire.keys()
    page = customer.get(path)
    assert page.context["shown"].kind == "not_started"
    assert page.context["may_retry"] is True
    shop.wire.script(answer(session()))
    assert customer.post(f"{path}/retry").status_code == 303
    assert shop.wire.keys() == first
    assert customer.get(path).context["shown"].kind == "to_pay"
    assert (Payment.across_labs.count(), uses_of(link)) == (1, 1)


def test_a_payment_that_needs_no_second_try_is_left_alone(shop: Shop, customer: Client) -> None:
    link = make_link(shop)
    nonce = nonce_in(customer.get(path_of(link)))
    shop.wire.script(answer(session()))
    path = post(customer, link, nonce=nonce)["Location"].replace(settings.PUBLIC_URL, "")
    shop.wire.script()
    assert customer.post(f"{path}/retry").status_code == 303
    assert shop.wire.sent == []


# --- who may post, and how often -------------------------------------------------------------------------------------


def test_a_form_of_another_site_is_refused(shop: Shop) -> None:
    strict = visitor(enforce_csrf_checks=True)
    link = make_link(shop)
    nonce = nonce_in(strict.get(path_of(link)))
    refused = strict.post(path_of(link), {"nonce": nonce})
    assert refused.status_code == 403
    assert "Open the page again" in refused.content.decode()
    assert refused["Cache-Control"] == "no-store"
    assert Payment.across_labs.count() == 0
    shop.wire.script(answer(session()))
    token = strict.cookies["csrftoken"].value
    assert strict.post(path_of(link), {"nonce": nonce, "csrfmiddlewaretoken": token}).status_code == 303


def test_trying_cards_is_slowed_down_by_address(shop: Shop, customer: Client) -> None:
    link = make_link(shop)
    with clock.fixed(clock.now()):  # within one minute, however slow this machine is
        statuses = [customer.post(path_of(link), {"nonce": "short"}).status_code for _ in range(21)]
    assert statuses == [400] * 20 + [429]
    shop.wire.script(answer(session()))
    assert post(visitor(), link).status_code == 303  # somebody else still pays


def test_trying_cards_is_slowed_down_by_link(shop: Shop) -> None:
    link, other = make_link(shop), make_link(shop)
    crowd = [visitor() for _ in range(61)]
    with clock.fixed(clock.now()):  # within one minute, however slow this machine is
        statuses = [one.post(path_of(link), {"nonce": "short"}).status_code for one in crowd]
        assert statuses == [400] * 60 + [429]
        assert crowd[60].post(path_of(other), {"nonce": "short"}).status_code == 400


def test_a_link_s_page_keeps_to_itself(shop: Shop, customer: Client) -> None:
    page = customer.get(path_of(make_link(shop)))
    assert page["Referrer-Policy"] == "no-referrer"
    assert '<meta name="referrer" content="same-origin">' in page.content.decode()
    assert {"frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"} <= set(
        page["Content-Security-Policy"].split("; ")
    )
    assert (page["Cache-Control"], page["X-Robots-Tag"]) == ("no-store", "noindex, nofollow")


def test_a_test_link_makes_test_payments(test_mode_shop: Shop, customer: Client) -> None:
    link = make_link(test_mode_shop)
    test_mode_shop.wire.script(answer(session(live=False)))
    assert 'class="ribbon"' in customer.get(path_of(link)).content.decode()
    assert post(customer, link).status_code == 303
    assert Payment.across_labs.get().mode == Mode.TEST.value
