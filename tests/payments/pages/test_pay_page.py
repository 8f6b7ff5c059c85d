"""The pay page: every state, its headers, its live status and the way back."""

from __future__ import annotations

import io
import logging
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from time_machine import travel

from core import clock
from core.gateways.errors import WebhookRejected
from core.gateways.testing import answer
from core.gateways.types import (
    Attention,
    ClientToken,
    Decline,
    FormPost,
    PaymentStatus,
    Presentation,
    Report,
    ShowAddress,
    Subject,
)
from core.models import Lab
from payments.pages import asking
from payments.services import fetching, keys
from tests.payments import builders
from tests.payments.pages.conftest import path_of, path_of_prepared, tell_crypto, visitor
from tests.payments.shop import (
    CRYPTO_ORDER,
    PREFLIGHT,
    Shop,
    coins,
    complete,
    everything,
    intent,
    made,
    not_known,
    paid,
    session,
    state_of,
    still_open,
    stored,
    stripe_error,
)

UNKNOWN = "x" * 32
RETURN_URL = "https://shop.example/thanks?order=7"


def told(key: Any, **facts: Any) -> Report:
    """A report about a payment."""
    return Report(about=Subject.PAYMENT, reference=None, **facts)


def text_of(response: Any) -> str:
    return str(response.content.decode())


# --- what to do ------------------------------------------------------------------------------------------------------


def test_a_redirect_is_offered_as_a_button_with_the_amount_and_the_shop(shop: Shop, customer: Client) -> None:
    payment = shop.open_payment(description="Two cups")
    page = customer.get(path_of(payment))
    assert page.status_code == 200
    assert page.context["shown"].kind == "to_pay"
    assert page.context["shown"].amount == "12.99 EUR"
    assert f'href="{path_of(payment)}/go"' in text_of(page)
    assert "Acme" in text_of(page)
    assert "Two cups" in text_of(page)
    assert 'class="ribbon"' not in text_of(page)


def test_the_hand_over_goes_to_the_gateway_with_our_origin_as_referrer(shop: Shop, customer: Client) -> None:
    payment = shop.open_payment()
    gone = customer.get(f"{path_of(payment)}/go")
    assert gone.status_code == 303
    assert gone["Location"] == payment["next_action"]["url"]
    assert gone["Referrer-Policy"] == "strict-origin-when-cross-origin"
    assert customer.get(path_of(payment))["Referrer-Policy"] == "strict-origin-when-cross-origin"


def test_a_test_payment_says_so(test_mode_shop: Shop, customer: Client) -> None:
    payment = made(test_mode_shop.initiate(answer(session(live=False))))
    assert 'class="ribbon"' in text_of(customer.get(path_of(payment)))


def test_coins_are_asked_for_with_address_network_memo_and_the_exact_amount(crypto: Shop, customer: Client) -> None:
    body = coins(pay_amount=50.015, payin_extra_id="3204817755")
    payment = made(crypto.initiate(*PREFLIGHT, answer(body, status=201), **CRYPTO_ORDER))
    page = customer.get(path_of(payment))
    text = text_of(page)
    assert page.context["qr"].startswith("<svg")
    assert page.context["coin"] == {"symbol": "USDT", "name": "Tether USD on Tron", "network": "Tron (TRX)"}
    assert '<span class="copied" id="v-amount">50.015</span> USDT' in text
    assert '<span class="copied code" id="v-address">TExampleDepositAddressAAAAAAAAAAAA</span>' in text
    assert '<span class="copied code" id="v-memo">3204817755</span>' in text
    assert "The memo is needed." in text
    assert page["Referrer-Policy"] == "no-referrer"


def test_after_the_price_s_window_nobody_is_asked_to_send_coins(crypto: Shop, customer: Client) -> None:
    payment = made(crypto.initiate(*PREFLIGHT, answer(coins(), status=201), **CRYPTO_ORDER))
    with travel(clock.now() + timedelta(days=8), tick=False):
        page = customer.get(path_of(payment))
    assert page.context["shown"].kind == "time_over"
    assert "TExampleDepositAddress" not in text_of(page)


def test_a_form_of_a_gateway_carries_its_fields_hidden(lab: Lab, stripe_key: Any, customer: Client) -> None:
    made_payment = builders.make_payment(lab)
    action = FormPost(url="https://pay.example/start", fields={"amount": "12.99", "note": '"><script>'})
    builders.tell(
        stripe_key, told(stripe_key, status=PaymentStatus.REQUIRES_ACTION, gateway_reference="x1", next_action=action),
        payment_id=made_payment.state.id,
    )  # fmt: skip
    page = customer.get(path_of_prepared(made_payment))
    assert '<form method="post" action="https://pay.example/start"' in text_of(page)
    assert '<input type="hidden" name="note" value="&quot;&gt;&lt;script&gt;">' in text_of(page)
    assert page["Referrer-Policy"] == "strict-origin-when-cross-origin"


@pytest.mark.parametrize("address", ["javascript:alert(1)", "data:text/html,x", "//evil.example/"])
def test_an_address_that_is_none_is_never_handed_out(lab: Lab, stripe_key: Any, address: str, customer: Client) -> None:
    made_payment = builders.make_payment(lab)
    action = FormPost(url=address, fields={})
    builders.tell(
        stripe_key, told(stripe_key, status=PaymentStatus.REQUIRES_ACTION, gateway_reference="x1", next_action=action),
        payment_id=made_payment.state.id,
    )  # fmt: skip
    assert address not in text_of(customer.get(path_of_prepared(made_payment)))


def test_an_embedded_form_lets_only_its_gateway_s_script_in(shop: Shop, customer: Client) -> None:
    shop = Shop(shop.wire, publishable_key="pk_live_51Builder0123456789")
    fresh = intent({"id": "x", "amount": 1299, "currency": "EUR", "mode": "live"}, "requires_payment_method")
    fresh = {**fresh, "id": "pi_embedded1", "client_secret": "pi_embedded1_secret_abc", "metadata": {}}
    payment = made(shop.initiate(answer(fresh), presentation=Presentation.EMBEDDED.value))
    page = customer.get(path_of(payment))
    policy = page["Content-Security-Policy"]
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert script.split()[1:2] == ["'self'"]
    assert script.split()[2].startswith("'nonce-")
    assert script.split()[3:] == ["https://js.stripe.com"]
    assert page.context["embedded"]["token"] == "pi_embedded1_secret_abc"
    assert '<script src="https://js.stripe.com' in text_of(page)
    assert "window.paywrightEmbed" in text_of(customer.get("/pay/embedded/stripe.js"))


def test_an_embedded_form_without_a_public_key_says_so(lab: Lab, stripe_key: Any, customer: Client) -> None:
    made_payment = builders.make_payment(lab)
    action = ClientToken(token="secret", public_key=None, script_url="https://js.stripe.com/v3/")
    builders.tell(
        stripe_key, told(stripe_key, status=PaymentStatus.REQUIRES_ACTION, gateway_reference="x1", next_action=action),
        payment_id=made_payment.state.id,
    )  # fmt: skip
    page = customer.get(path_of_prepared(made_payment))
    assert "Acme has not set up its public key." in text_of(page)
    assert "js.stripe.com" not in text_of(page) + page["Content-Security-Policy"]


def test_a_gateway_s_page_script_is_found_by_name_only() -> None:
    assert visitor().get("/pay/embedded/unknown.js").status_code == 404
    assert visitor().get("/pay/embedded/nowpayments.js").status_code == 404


def test_a_script_from_elsewhere_is_not_loaded(lab: Lab, stripe_key: Any, customer: Client) -> None:
    made_payment = builders.make_payment(lab)
    action = ClientToken(token="secret", public_key="pk_live_1", script_url="https://evil.example/v3/")
    builders.tell(
        stripe_key, told(stripe_key, status=PaymentStatus.REQUIRES_ACTION, gateway_reference="x1", next_action=action),
        payment_id=made_payment.state.id,
    )  # fmt: skip
    page = customer.get(path_of_prepared(made_payment))
    assert "evil.example" not in text_of(page) + page["Content-Security-Policy"]


# --- how it ends -----------------------------------------------------------------------------------------------------


def test_paid_shows_amount_and_date_and_the_way_back(shop: Shop, customer: Client) -> None:
    payment = shop.captured_payment(return_url=RETURN_URL)
    page = customer.get(path_of(payment))
    shown = page.context["shown"]
    assert (shown.kind, shown.title, shown.amount, shown.is_end) == ("paid", "Paid", "12.99 EUR", True)
    assert dict(shown.facts)["Date"].endswith(" UTC")
    assert page.context["back_url"] == f"{RETURN_URL}&payment={payment['id']}&status=captured"
    assert 'http-equiv="refresh"' not in text_of(page)


def test_a_payment_on_its_way_refreshes_without_scripts_too(shop: Shop, customer: Client) -> None:
    text = text_of(customer.get(path_of(shop.open_payment(return_url=RETURN_URL))))
    assert '<noscript><meta http-equiv="refresh" content="15"></noscript>' in text
    assert "Check again" in text
    assert "Back to Acme" not in text


@pytest.mark.parametrize(
    ("facts", "kind", "title"),
    [
        ({"status": PaymentStatus.FAILED, "decline": Decline(code="expired_card")}, "failed", "Payment failed"),
        ({"status": PaymentStatus.FAILED, "decline": Decline(code="cancelled")}, "cancelled", "Payment cancelled"),
        ({"status": PaymentStatus.FAILED}, "failed", "Payment failed"),
        ({"status": PaymentStatus.EXPIRED}, "expired", "The time to pay is over"),
        ({"status": PaymentStatus.VOIDED}, "cancelled", "Payment cancelled"),
        ({"status": PaymentStatus.AUTHORIZED, "authorized_minor": 1299}, "held", "Payment approved"),
        ({"status": PaymentStatus.CAPTURED, "captured_minor": 1399}, "paid", "Paid"),
    ],
)
def test_every_end_is_said_clearly(
    lab: Lab, stripe_key: Any, facts: dict[str, Any], kind: str, title: str, customer: Client
) -> None:
    prepared = builders.make_payment(lab)
    builders.tell(stripe_key, told(stripe_key, gateway_reference="x1", **facts), payment_id=prepared.state.id)
    shown = customer.get(path_of_prepared(prepared)).context["shown"]
    assert (shown.kind, shown.title, shown.is_end, shown.action) == (kind, title, True, None)


def test_a_decline_is_told_in_our_words_and_never_in_the_gateway_s(lab: Lab, stripe_key: Any, customer: Client) -> None:
    prepared = builders.make_payment(lab)
    decline = Decline(code="expired_card", gateway_code="do_not_honor", message="SECRET WORDS OF A BANK")
    builders.tell(
        stripe_key, told(stripe_key, status=PaymentStatus.FAILED, gateway_reference="x1", decline=decline),
        payment_id=prepared.state.id,
    )  # fmt: skip
    text = text_of(customer.get(path_of_prepared(prepared)))
    assert "The card has expired." in text
    assert "SECRET WORDS" not in text
    assert "do_not_honor" not in text


def test_more_than_was_asked_is_mentioned(lab: Lab, stripe_key: Any, customer: Client) -> None:
    prepared = builders.make_payment(lab)
    builders.tell(
        stripe_key, told(stripe_key, status=PaymentStatus.CAPTURED, gateway_reference="x1", captured_minor=1399),
        payment_id=prepared.state.id,
    )  # fmt: skip
    shown = customer.get(path_of_prepared(prepared)).context["shown"]
    assert shown.amount == "13.99 EUR"
    assert shown.note == "That is 1.00 EUR more than was asked. Acme has been told."


def test_late_money_is_told_as_late(lab: Lab, stripe_key: Any, customer: Client) -> None:
    prepared = builders.make_payment(lab)
    for facts in ({"status": PaymentStatus.EXPIRED}, {"status": PaymentStatus.CAPTURED, "captured_minor": 1299}):
        builders.tell(stripe_key, told(stripe_key, gateway_reference="x1", **facts), payment_id=prepared.state.id)
    shown = customer.get(path_of_prepared(prepared)).context["shown"]
    assert (shown.kind, shown.title) == ("paid_late", "Paid late")


def test_too_few_coins_show_what_is_missing_and_where_to_send_it(crypto: Shop, customer: Client) -> None:
    payment = made(crypto.initiate(*PREFLIGHT, answer(coins(), status=201), **CRYPTO_ORDER))
    crypto.wire.script()
    tell_crypto(crypto, payment, coins("partially_paid", arrived="20.5"))
    assert state_of(payment)[4] == [Attention.UNDERPAID.value]
    page = customer.get(path_of(payment))
    shown = page.context["shown"]
    assert shown.kind == "partly_paid"
    assert shown.progress == (("Arrived", "20.5 USDTTRC20"), ("Missing", "29.5 USDTTRC20"))
    assert isinstance(shown.action, ShowAddress)
    assert shown.action.amount_text == "29.5"
    assert "TExampleDepositAddressAAAAAAAAAAAA" in text_of(page)


def test_coins_that_were_seen_are_not_asked_for_again(crypto: Shop, customer: Client) -> None:
    payment = made(crypto.initiate(*PREFLIGHT, answer(coins(), status=201), **CRYPTO_ORDER))
    tell_crypto(crypto, payment, coins("confirming", arrived="50"))
    page = customer.get(path_of(payment))
    assert (page.context["shown"].kind, page.context["shown"].title) == ("waiting", "Payment seen")
    assert 'id="v-address"' not in text_of(page)


def test_a_lost_answer_tells_the_customer_to_wait(shop: Shop, customer: Client) -> None:
    problem = shop.initiate(stripe_error(500))
    assert problem.status_code == 504
    shop.wire.script(*not_known())
    payment = made(shop.get(f"/payments/status/{problem.json()['payment']}"), 200)
    assert customer.get(path_of(payment)).context["shown"].kind == "checking"


# --- live status -----------------------------------------------------------------------------------------------------


def test_the_live_status_changes_its_version_with_the_payment(shop: Shop, customer: Client) -> None:
    payment = shop.open_payment()
    shop.wire.script(answer(still_open(payment)))
    before = customer.get(f"{path_of(payment)}/status.json").json()
    assert {**before, "version": ""} == {
        "status": "pending", "kind": "to_pay", "is_end": False, "title": "Ready to pay", "version": "",
    }  # fmt: skip
    assert before["version"] == customer.get(path_of(payment)).context["shown"].version
    shop.tell(payment, "payment_intent.succeeded", paid(payment))
    after = customer.get(f"{path_of(payment)}/status.json").json()
    assert {**after, "version": ""} == {
        "status": "captured", "kind": "paid", "is_end": True, "title": "Paid", "version": "",
    }  # fmt: skip
    assert after["version"] != before["version"]


def test_the_part_that_changes_is_the_page_s_own(shop: Shop, customer: Client) -> None:
    payment = shop.captured_payment()
    part, whole = (text_of(customer.get(path_of(payment) + tail)) for tail in ("?part", ""))
    assert part.startswith('<div id="live" data-title="Paid - Acme"')
    assert part.strip() in whole
    assert "<style" not in part


def test_looking_asks_the_gateway_once_in_ten_seconds(shop: Shop, customer: Client) -> None:
    payment = shop.open_payment()
    shop.wire.script(answer(still_open(payment)))
    for _ in range(5):
        assert customer.get(f"{path_of(payment)}/status.json").json()["status"] == "pending"
    assert len(shop.wire.sent) == 1
    with travel(clock.now() + timedelta(seconds=11), tick=False):
        shop.wire.script(answer(complete(payment, paid(payment))))
        # The claim itself goes by the database's clock, which a test cannot move.
        state = fetching.refresh(stored(payment).pk, not_within_seconds=0)
    assert state is not None
    assert customer.get(f"{path_of(payment)}/status.json").json()["status"] == "captured"


def test_a_final_payment_is_not_asked_about(shop: Shop, customer: Client) -> None:
    payment = shop.captured_payment()
    shop.wire.script()
    assert customer.get(f"{path_of(payment)}/status.json").json()["is_end"] is True
    assert shop.wire.sent == []


def test_while_one_page_waits_for_a_gateway_the_others_do_not(
    shop: Shop, customer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = shop.open_payment()
    shop.wire.script()
    rung: list[tuple[Any, ...]] = []
    monkeypatch.setattr("payments.doorbell.ring", lambda *given: rung.append(given))
    with asking._PLACE:
        assert customer.get(f"{path_of(payment)}/status.json").status_code == 200
    assert [name for name, _id in rung] == ["fetch"]


# --- coming back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post"])
def test_coming_back_fetches_and_shows(shop: Shop, customer: Client, method: str) -> None:
    payment = shop.open_payment()
    shop.wire.script(answer(complete(payment, paid(payment))))
    back = getattr(customer, method)(f"{path_of(payment)}/return?session_id={payment['gateway_reference']}")
    assert back.status_code == 303
    assert back["Location"] == payment["pay_url"]
    assert state_of(payment) == ("captured", 1299, 0, 0, [])


def test_what_a_browser_claims_changes_nothing(shop: Shop, customer: Client) -> None:
    payment = shop.open_payment()
    shop.wire.script(answer(still_open(payment)))
    before = everything()
    back = customer.post(f"{path_of(payment)}/return?status=captured&amount=1299", {"status": "paid", "paid": "1299"})
    assert back.status_code == 303
    assert state_of(payment) == ("pending", 0, 0, 0, [])
    after = everything()
    assert {name: rows for name, rows in after.items() if name != "payments_payment"} == {
        name: rows for name, rows in before.items() if name != "payments_payment"
    }  # the payment's row notes when it was last asked about


def test_a_return_with_a_bad_signature_shows_the_page_and_asks_nobody(
    shop: Shop, customer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **_more: Any) -> None:
        raise WebhookRejected("the signature does not match")

    payment = shop.open_payment()
    monkeypatch.setattr(type(keys.open_key(keys.key_row_of(shop.key))), "read_return", refuse)
    shop.wire.script()
    before = everything()
    back = customer.post(f"{path_of(payment)}/return", {"status": "paid"})
    assert (back.status_code, back["Location"]) == (303, payment["pay_url"])
    assert (shop.wire.sent, everything()) == ([], before)


def test_a_gateway_that_does_not_answer_leaves_the_page_as_it_was(shop: Shop, customer: Client) -> None:
    payment = shop.open_payment()
    shop.wire.script(stripe_error(500))
    assert customer.get(f"{path_of(payment)}/return").status_code == 303
    assert customer.get(path_of(payment)).context["shown"].kind == "to_pay"


# --- what all pages keep ---------------------------------------------------------------------------------------------


def check_headers(response: Any) -> None:
    policy = response["Content-Security-Policy"].split("; ")
    assert {"frame-ancestors 'none'", "object-src 'none'", "base-uri 'none'"} <= set(policy)
    scripts = next(part for part in policy if part.startswith("script-src")).split()[1:]
    assert [one.split("-")[0] for one in scripts] in (["'self'", "'nonce"], ["'self'"])
    assert response["X-Frame-Options"] == "DENY"
    assert response["Cache-Control"] == "no-store"
    assert response["X-Robots-Tag"] == "noindex, nofollow"
    assert response["X-Content-Type-Options"] == "nosniff"


def test_no_page_is_framed_cached_or_indexed(shop: Shop, customer: Client) -> None:
    payment = shop.captured_payment()
    paths = ["", "/status.json", "/go", "/return"]
    for path in (*(path_of(payment) + tail for tail in paths), f"/pay/{UNKNOWN}", f"/link/{UNKNOWN}"):
        response = customer.get(path)
        check_headers(response)
        assert response["Referrer-Policy"] == "no-referrer", path


def test_a_page_loads_nothing_from_anybody_else(shop: Shop, customer: Client) -> None:
    text = text_of(customer.get(path_of(shop.open_payment())))
    assert "//" not in text.replace("https://shop.example", "").split("<body>")[0]
    assert "sessionid" not in customer.cookies
    assert "csrftoken" not in customer.cookies


@pytest.mark.parametrize("tail", ["", "/go", "/return", "/status.json"])
def test_an_unknown_token_is_404_and_says_what_to_do(db: None, tail: str, customer: Client) -> None:
    for token in (UNKNOWN, "short", "x" * 65, "PAY_20261120183005_1a2b3c4d"):
        response = customer.get(f"/pay/{token}{tail}")
        assert response.status_code == 404
        assert ("it must be complete" in text_of(response)) is (tail != "/status.json")


def test_a_name_is_no_token(shop: Shop, customer: Client) -> None:
    payment = shop.open_payment()
    assert customer.get(f"/pay/{payment['id']}").status_code == 404


def test_other_methods_are_refused(shop: Shop, customer: Client) -> None:
    path = path_of(shop.open_payment())
    assert customer.post(path).status_code == 405
    assert customer.post(f"{path}/go").status_code == 405
    assert customer.put(f"{path}/return").status_code == 405
    assert customer.get(f"{path}/retry").status_code == 405


def test_what_people_wrote_is_text(shop: Shop, customer: Client) -> None:
    shop.lab.brand_name = '<img src=x onerror=alert(1)> "Tea"'
    shop.lab.brand_color = "red;}<"
    shop.lab.save()
    text = text_of(customer.get(path_of(shop.open_payment(description="<b>bold</b>"))))
    assert "<img" not in text
    assert "<b>" not in text
    assert "--brand: #1f2937" in text


def test_too_many_looks_of_one_address_are_429_with_a_page(shop: Shop, customer: Client) -> None:
    path = path_of(shop.open_payment())
    with clock.fixed(clock.now()):  # within one minute, however slow this machine is
        answers = [customer.get(f"{path}/go") for _ in range(121)]
    assert {response.status_code for response in answers[:120]} == {303}
    refused = answers[120]
    assert refused.status_code == 429
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert "Too many tries" in text_of(refused)
    check_headers(refused)


def test_no_token_reaches_the_log(shop: Shop, customer: Client) -> None:
    payment = shop.open_payment()
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    formatter = next(h.formatter for h in logging.getLogger().handlers if type(h) is logging.StreamHandler)
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    try:
        shop.wire.script(answer(still_open(payment)))
        token = path_of(payment).rpartition("/")[2]
        for tail in ("", "/status.json", "/go", "/return?session_id=cs_live_9", "/nothing"):
            customer.get(f"/pay/{token}{tail}")
        customer.post(f"/pay/{token}")
    finally:
        logging.getLogger().removeHandler(handler)
    assert "request_finished" in written.getvalue()
    assert token not in written.getvalue()
    assert "cs_live_9" not in written.getvalue()


def test_pages_are_built_for_the_configured_address(shop: Shop, customer: Client) -> None:
    payment = shop.open_payment()
    shop.wire.script(answer(still_open(payment)))
    back = customer.get(f"{path_of(payment)}/return", headers={"Host": "localhost"})
    assert back["Location"].startswith(f"{settings.PUBLIC_URL}/pay/")


def test_a_page_costs_one_statement(shop: Shop, customer: Client, django_assert_num_queries: Any) -> None:
    path = path_of(shop.captured_payment())
    customer.get(path)
    with django_assert_num_queries(1):
        assert customer.get(path).status_code == 200
    with django_assert_num_queries(1):
        assert customer.get(f"{path}/status.json").status_code == 200
