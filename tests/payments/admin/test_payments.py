"""Payments at the desk: found by any name, told in the order of time, asked about again."""

from __future__ import annotations

import re
from typing import Any

import pytest

from core.models import AuditLog
from payments.admin import payment_page
from payments.models import Payment, PaymentGatewayTransaction, WebhookEvent
from payments.services import keys
from tests.payments.admin.conftest import Person, make_person, page
from tests.payments.shop import (
    CRYPTO_ORDER,
    PREFLIGHT,
    Shop,
    Wire,
    answer,
    coins,
    complete,
    event,
    everything,
    intent,
    made,
    paid,
    session,
    still_open,
    stored,
    stripe_error,
    stripe_refund,
)

LIST = page("payments.payment")


@pytest.fixture
def owner(shop: Shop) -> Person:
    return make_person(shop.lab)


def path_of(payment: dict[str, Any], verb: str = "change") -> str:
    return page("payments.payment", payment["id"], verb)


def ids_on(text: str) -> list[str]:
    """The payments that a list links to, from top to bottom."""
    return list(dict.fromkeys(re.findall(r"/admin/payments/payment/(PAY_\w+)/change/", text)))


# The list -------------------------------------------------------------------------------------------------------------


def test_amounts_are_in_major_units_of_their_currency(shop: Shop, owner: Person) -> None:
    for amount, currency in ((1299, "EUR"), (123456789, "USD"), (500, "JPY"), (12340, "KWD")):
        made(shop.initiate(answer(session(amount, currency.lower())), amount=amount, currency=currency))
    words = owner.words(LIST)
    shown = ("12.99 EUR", "1,234,567.89 USD", "500 JPY", "12.340 KWD")
    assert [amount in words for amount in shown] == [True] * 4


def test_a_payment_is_found_by_every_name_it_has(shop: Shop, owner: Person) -> None:
    wanted = shop.captured_payment(reference="order-77")
    shop.captured_payment(reference="order-78")
    names = (wanted["id"], "order-77", wanted["gateway_reference"], f"pi_{wanted['id']}", f" {wanted['id']} ")
    assert {name: ids_on(owner.text(f"{LIST}?q={name}")) for name in names} == {name: [wanted["id"]] for name in names}
    assert ids_on(owner.text(f"{LIST}?q=order-7")) == []


def test_filters_keep_what_they_name(shop: Shop, test_mode_shop: Shop, crypto: Shop, owner: Person) -> None:
    waiting, taken = shop.open_payment(), shop.captured_payment()
    trial = made(test_mode_shop.initiate(answer(session(live=False)), gateway="stripe"))
    today = stored(trial).created_at.strftime("%Y-%m-%d")
    odd = shop.open_payment()
    shop.tell(odd, "payment_intent.succeeded", paid(odd, odd["amount"] - 100))
    expected = {
        "status=captured": [taken["id"]],
        "mode=test": [trial["id"]],
        "attention=any": [odd["id"]],
        f"attention={stored(odd).attention[0]}": [odd["id"]],
        "attention=disputed": [],
        "gateway=nowpayments": [],
        "gateway=stripe": [odd["id"], trial["id"], taken["id"], waiting["id"]],
        "created_at_from=2001-01-01&created_at_to=2001-01-02": [],
        f"created_at_from={today}&created_at_to={today}": [odd["id"], trial["id"], taken["id"], waiting["id"]],
        "created_at_from=someday": [odd["id"], trial["id"], taken["id"], waiting["id"]],
        "status=nonsense": [],
    }
    assert {query: ids_on(owner.text(f"{LIST}?{query}")) for query in expected} == expected


# The page -------------------------------------------------------------------------------------------------------------


def test_the_page_tells_the_story_in_the_order_of_time(shop: Shop, owner: Person) -> None:
    payment = shop.captured_payment(customer={"id": "c-1", "name": "Mira", "email": "mira@example.com"})
    made(shop.refund(payment, answer(stripe_refund(payment, 299)), amount=299, reason="one item back"))
    words = owner.words(path_of(payment))
    timeline = words[words.index("Timeline") :]
    story = [
        "new → pending", "Gateway: initiate", "Webhook: payment_intent.succeeded", "→ captured",
        "Refund of 2.99 EUR asked for", "Gateway: refund", "Refund of 2.99 EUR succeeded",
    ]  # fmt: skip
    places = [timeline.find(line) for line in story]
    assert -1 not in places, dict(zip(story, places, strict=True))
    assert places == sorted(places)
    for fact in ("Captured 12.99 EUR", "Refunded 2.99 EUR", "The lab's id c-1", "E-mail mira@example.com"):
        assert fact in words


def test_the_page_names_the_gateway_and_no_word_of_the_method_twice(shop: Shop, owner: Person) -> None:
    payment = Payment.objects.for_lab(shop.lab).get(public_id=shop.captured_payment()["id"])
    payment.method = {"kind": "card", "brand": "visa", "last_four": "4242", "network": "visa"}
    facts = dict(dict(payment_page.context(payment, with_events=False)["blocks"])["Gateway"])
    assert (facts["Gateway"], facts["Method"]) == ("Stripe", "card visa ends in 4242")


def test_the_page_says_why_a_person_must_look(shop: Shop, owner: Person) -> None:
    payment = shop.open_payment()
    shop.tell(payment, "payment_intent.succeeded", paid(payment, 1299, currency="usd"))
    assert stored(payment).attention == ["mismatch"]
    assert "mismatch Amount, currency, account or mode differ from what was asked" in owner.words(path_of(payment))


def test_a_decline_is_shown_with_the_gateways_words(shop: Shop, owner: Person) -> None:
    payment = shop.open_payment()
    error = {
        "type": "card_error",
        "code": "card_declined",
        "decline_code": "insufficient_funds",
        "message": "No funds.",
    }
    shop.tell(
        payment, "payment_intent.payment_failed", intent(payment, "requires_payment_method", last_payment_error=error)
    )
    words = owner.words(path_of(payment))
    assert "Gateway's words No funds." in words


def test_a_crypto_payment_shows_what_to_pay_where(crypto: Shop) -> None:
    payment = made(crypto.initiate(*PREFLIGHT, answer(coins()), **CRYPTO_ORDER))
    words = make_person(crypto.lab).words(path_of(payment))
    assert "Pay 50 USDTTRC20 To TExampleDepositAddressAAAAAAAAAAAA Network" in words


def test_tokens_of_the_customers_browser_and_page_stay_out(shop: Shop, wire: Wire, owner: Person) -> None:
    embedded = Shop(wire, lab=shop.lab, publishable_key="pk_live_51Builder0123456789")
    body = intent({"id": "x", "amount": 1299, "currency": "EUR", "mode": "live"}, "requires_payment_method",
                  client_secret="pi_x_secret_DeskMustNotShow")  # fmt: skip
    keys.disable_gateway_key(key=shop.key, actor="test")
    payment = made(embedded.initiate(answer({**body, "metadata": {}}), presentation="embedded"))
    assert payment["next_action"]["token"] == "pi_x_secret_DeskMustNotShow"
    text = owner.text(path_of(payment)) + owner.text(page("payments.paymentgatewaytransaction"))
    row = stored(payment)
    hidden = ("DeskMustNotShow", payment["pay_url"].rsplit("/", 1)[1], row.page_token_sealed, row.page_token_hash)
    assert [secret in text for secret in hidden] == [False] * len(hidden)


def test_what_outsiders_wrote_is_text_and_never_markup(shop: Shop, owner: Person) -> None:
    attack = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    payment = shop.captured_payment(
        description=attack, reference="r-1", metadata={"note": attack}, customer={"id": "c", "name": attack}
    )
    for path in (path_of(payment), LIST, "/admin/", page("core.customer")):
        text = owner.text(path)
        assert (path, "<script>alert(1)" in text, "<img src=x" in text) == (path, False, False)
    assert "&lt;script&gt;alert(1)" in owner.text(path_of(payment))


# Webhook events -------------------------------------------------------------------------------------------------------


def test_a_stored_body_is_shown_redacted_and_escaped(shop: Shop, owner: Person) -> None:
    payment = shop.open_payment()
    about = intent(
        payment, "processing", client_secret="pi_secret_value_0001", receipt_email="mira@example.com",
        description="<b>bold</b> 4242 4242 4242 4242",
    )  # fmt: skip
    shop.deliver(event("payment_intent.processing", about))
    row = WebhookEvent.objects.for_lab(shop.lab).get()
    text = owner.text(page("payments.webhookevent", row.pk))
    hidden = ("pi_secret_value_0001", "mira@example.com", "4242 4242 4242 4242", "<b>bold</b>")
    assert [word in text for word in hidden] == [False] * 4
    assert [word in text for word in ("m***@example.com", "[card number]", "&lt;b&gt;bold", "[redacted]")] == [True] * 4


def test_events_are_filtered_by_state(shop: Shop, owner: Person) -> None:
    payment = shop.captured_payment()
    shop.deliver(event("something.new", intent(payment)))
    states = dict(WebhookEvent.objects.for_lab(shop.lab).values_list("event_type", "state"))
    assert sorted(states.values()) == ["applied", "ignored"]
    found = {
        state: [kind in owner.words(f"{page('payments.webhookevent')}?state={state}") for kind in states]
        for state in ("applied", "ignored", "open")
    }
    by_state = {state: [value == state for value in states.values()] for state in ("applied", "ignored", "open")}
    assert found == by_state


# Asking now -----------------------------------------------------------------------------------------------------------


def asked(shop: Shop) -> list[tuple[str, Any]]:
    rows = AuditLog.objects.for_lab(shop.lab).filter(action="payment.asked").order_by("seq")
    return [(row.object_id, row.changes) for row in rows]


@pytest.mark.parametrize("role", ["owner", "manager", "support"])
def test_the_gateway_is_asked_and_its_answer_applied(shop: Shop, wire: Wire, role: str) -> None:
    payment = shop.open_payment()
    wire.script(answer(complete(payment, paid(payment))))
    one = make_person(shop.lab, role)
    response = one.post(path_of(payment, "ask"))
    assert (response.status_code, response.headers["Location"]) == (302, path_of(payment))
    assert "The gateway answered: the payment is captured." in one.words(path_of(payment))
    assert (stored(payment).status, len(wire.sent)) == ("captured", 1)
    assert asked(shop) == [(payment["id"], {"status": ["pending", "captured"]})]


@pytest.mark.parametrize("role", ["finance", "viewer"])
def test_others_have_no_such_button_and_are_refused(shop: Shop, wire: Wire, role: str) -> None:
    payment = shop.open_payment()
    wire.script()
    one = make_person(shop.lab, role)
    assert "Ask the gateway" not in one.text(path_of(payment))
    assert (one.post(path_of(payment, "ask")).status_code, wire.sent, asked(shop)) == (403, [], [])


def test_the_gateway_is_not_asked_twice_in_ten_seconds(shop: Shop, wire: Wire, owner: Person) -> None:
    payment = shop.open_payment()
    wire.script(answer(still_open(payment)))
    owner.post(path_of(payment, "ask"))
    owner.post(path_of(payment, "ask"))
    assert "asked a moment ago" in owner.words(path_of(payment))
    assert (len(wire.sent), len(asked(shop))) == (1, 1)


def test_a_gateway_that_cannot_answer_changes_nothing_and_the_page_says_so(
    shop: Shop, wire: Wire, owner: Person
) -> None:
    payment = shop.open_payment()
    wire.script(stripe_error(503))
    owner.post(path_of(payment, "ask"))
    words = owner.words(path_of(payment))
    assert "The gateway gave no usable answer, so nothing changed" in words
    assert stored(payment).status == "pending"


def test_a_pending_refund_is_asked_about_too(shop: Shop, wire: Wire, owner: Person) -> None:
    payment = shop.captured_payment()
    refund = made(shop.refund(payment, answer(stripe_refund(payment, 299, "pending", name="re_slow")), amount=299))
    assert refund["status"] == "pending"
    wire.script(
        answer(complete(payment, paid(payment))), answer(stripe_refund(payment, 299, name="re_slow", ours=refund["id"]))
    )
    owner.post(path_of(payment, "ask"))
    words = owner.words(path_of(payment))
    assert ["Refunded 2.99 EUR" in words, "Refund of 2.99 EUR succeeded" in words] == [True, True]


def test_looking_changes_nothing(shop: Shop, wire: Wire, owner: Person) -> None:
    payment = shop.captured_payment()
    wire.script()
    before = everything()
    for path in (LIST, path_of(payment), "/admin/", page("payments.webhookevent")):
        owner.text(path)
    assert owner.get(path_of(payment, "ask")).status_code == 405
    assert (everything() == before, wire.sent) == (True, [])


# Today ----------------------------------------------------------------------------------------------------------------


def test_today_sums_live_money_by_currency(shop: Shop, test_mode_shop: Shop, owner: Person) -> None:
    for amount, currency in ((1000, "EUR"), (2550, "EUR"), (700, "JPY")):
        shop.captured_payment(gateway="stripe", amount=amount, currency=currency)
    test_mode_shop.captured_payment(amount=999)
    old = shop.captured_payment(amount=4444)
    Payment.across_labs.filter(public_id=old["id"]).update(completed_at="2020-01-01T00:00:00Z")
    words = owner.words("/admin/")
    tiles = words[: words.index("Needs attention")]
    assert "Captured today 35.50 EUR 2 payments Captured today 700 JPY 1 payment" in tiles
    assert "44.44" not in tiles


def test_today_counts_what_needs_a_person_and_links_to_it(shop: Shop, owner: Person) -> None:
    assert "No payment needs a person." in owner.words("/admin/")
    for _ in range(2):
        payment = shop.open_payment()
        shop.tell(payment, "payment_intent.succeeded", paid(payment, 1299, currency="usd"))
    text, words = owner.text("/admin/"), owner.words("/admin/")
    link = f"{LIST}?attention=mismatch"
    assert (f'href="{link}"' in text, "mismatch 2" in words) == (True, True)
    assert len(ids_on(owner.text(link))) == 2


def test_today_shows_webhooks_that_wait(shop: Shop, owner: Person) -> None:
    assert "None waits, none failed." in owner.words("/admin/")
    ghost = {"id": "PAY_20260101000000_00000000", "amount": 5, "currency": "EUR", "mode": "live"}
    shop.deliver(event("payment_intent.succeeded", paid(ghost)))
    assert WebhookEvent.objects.for_lab(shop.lab).get().state == "unmatched"
    link = f"{page('payments.webhookevent')}?state=unmatched"
    assert f'href="{link}"' in owner.text("/admin/")
    assert "1 webhook event" in owner.words(link)
    assert (
        "Webhooks" not in make_person(shop.lab, "viewer").words("/admin/").split("Gateway keys")[0].split("Needs")[-1]
    )


def test_what_was_asked_and_answered_is_shown_redacted(shop: Shop, owner: Person) -> None:
    payment = shop.open_payment(customer={"id": "c-1", "email": "mira@example.com"})
    exchange = PaymentGatewayTransaction.objects.for_lab(shop.lab).get()
    for path in (path_of(payment), page("payments.paymentgatewaytransaction", exchange.pk)):
        words = owner.words(path)
        assert (path, f'"id": "{payment["gateway_reference"]}"' in words) == (path, True)
        assert f'"reference": "{payment["id"]}-1"' in words
