"""The simulated Stripe's saved methods, charges off-session and disputes, over HTTP as the protocol page has them (§10, §11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from clients.simulator.testing import Simulator, running_simulator
from tests.clients.simulator.receiver import LOOPBACK, Receiver, running_receiver
from tests.clients.stripe.test_simulator import (
    DECLINED,
    KEY,
    PUBLIC,
    SECRET,
    SLUG,
    events,
    get,
    kinds,
    paid,
    post,
    session_of,
)

SETUP = {
    "mode": "setup",
    "currency": "eur",
    "success_url": "http://shop.example/ok?session_id={CHECKOUT_SESSION_ID}",
    "client_reference_id": "card-7",
    "customer_creation": "always",
    "customer_email": "ada@example.com",
    "setup_intent_data[metadata][method_id]": "card-7",
}
SAVING = {"customer_creation": "always", "payment_intent_data[setup_future_usage]": "off_session"}


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with running_simulator({SLUG: "clients.stripe.simulator:StripeSimulator"}) as simulator:
        yield simulator


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with running_receiver() as one:
        yield one


@pytest.fixture
def simulator(running: Simulator, receiver: Receiver) -> Simulator:
    running.reset(accounts=True)
    credentials = {"secret_key": KEY, "publishable_key": PUBLIC, "webhook_secret": SECRET}
    running.register(SLUG, mode="test", credentials=credentials, webhook_url=receiver.url)
    return running


@pytest.fixture
def api(simulator: Simulator) -> Iterator[httpx.Client]:
    base = f"{simulator.url}/api.stripe.com/v1"
    with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {KEY}"}, **LOOPBACK) as client:
        yield client


def setup_of(api: httpx.Client, *, expect: int = 200, **change: str) -> dict[str, Any]:
    answer = api.post("/checkout/sessions", data={name: text for name, text in {**SETUP, **change}.items() if text})
    assert answer.status_code == expect, answer.text
    return dict(answer.json())


def customer_of(api: httpx.Client) -> str:
    return str(post(api, "/customers", email="ada@example.com")["id"])


def saved(api: httpx.Client, card: str = "pm_card_visa") -> tuple[str, str]:
    """Customer and method, attached by the API."""
    customer = customer_of(api)
    return customer, str(post(api, f"/payment_methods/{card}/attach", customer=customer)["id"])


def charge(api: httpx.Client, customer: str, method: str, *, expect: int = 200, **change: str) -> dict[str, Any]:
    form = {"amount": "1299", "currency": "eur", "off_session": "true", "confirm": "true", **change}
    if customer:
        form["customer"] = customer
    return post(api, "/payment_intents", expect=expect, payment_method=method, **form)


# --- saved during a payment ----------------------------------------------------------------------------------------


def test_a_paid_session_keeps_its_card_for_the_customer_it_makes(simulator: Simulator, api: httpx.Client) -> None:
    session = session_of(api, **SAVING)
    assert session["customer"] is None
    simulator.act(SLUG, "pay", session["id"])
    done = get(api, f"/checkout/sessions/{session['id']}", **{"expand[]": "payment_intent"})
    intent = done["payment_intent"]
    assert (intent["setup_future_usage"], intent["customer"]) == ("off_session", done["customer"])
    (kept,) = get(api, f"/customers/{done['customer']}/payment_methods")["data"]
    assert (kept["id"], kept["customer"], kept["card"]["last4"]) == (intent["payment_method"], done["customer"], "4242")
    again = charge(api, done["customer"], kept["id"])
    assert (again["status"], again["amount_received"], again["payment_method"]) == ("succeeded", 1299, kept["id"])


@pytest.mark.parametrize(
    "change", [{}, {"customer_creation": "always"}, {"payment_intent_data[setup_future_usage]": "off_session"}]
)
def test_without_both_wish_and_customer_nothing_is_kept(
    simulator: Simulator, api: httpx.Client, change: dict[str, str]
) -> None:
    session = session_of(api, **change)
    simulator.act(SLUG, "pay", session["id"])
    intent = get(api, f"/checkout/sessions/{session['id']}", **{"expand[]": "payment_intent"})["payment_intent"]
    method = get(api, f"/payment_methods/{intent['payment_method']}")
    assert method["customer"] is None
    error = charge(api, "", method["id"], expect=400)["error"]
    assert "may not be used again" in error["message"]


# --- saved alone ---------------------------------------------------------------------------------------------------


def test_a_setup_session_saves_a_card_and_charges_nothing(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    session = setup_of(api)
    assert (session["mode"], session["status"], session["payment_status"]) == ("setup", "open", "no_payment_required")
    assert session["setup_intent"].startswith("seti_")
    assert (session["payment_intent"], session["amount_total"]) == (None, None)
    told = simulator.act(SLUG, "pay", "card-7")
    assert (told["status"], told["setup_intent_status"]) == ("complete", "succeeded")
    heard = events(simulator, receiver)
    assert [one["type"] for one in heard] == ["setup_intent.succeeded", "checkout.session.completed"]
    intent = heard[0]["data"]["object"]
    assert (intent["metadata"], intent["usage"]) == ({"method_id": "card-7"}, "off_session")
    assert intent["customer"] == heard[1]["data"]["object"]["customer"]
    for one in receiver.received:
        header = {name.lower(): text for name, text in one.headers.items()}["stripe-signature"]
        assert stripe.Webhook.construct_event(one.body, header, SECRET)["livemode"] is False
    assert charge(api, intent["customer"], intent["payment_method"])["status"] == "succeeded"
    assert [line["captured"] for line in simulator.books(SLUG)] == ["12.99"]


def test_its_page_lets_the_customer_try_again(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    session = setup_of(api)
    with httpx.Client(**LOOPBACK) as browser:
        page = browser.get(session["url"])
        assert "Save this card" in page.text
        assert "no real money" in page.text
        declined = browser.post(session["url"], data={"do": "decline"})
        assert (declined.status_code, "Your card was declined." in declined.text) == (200, True)
        challenge = browser.post(session["url"], data={"do": "pay_3ds"})
        assert challenge.status_code == 303
        assert "is it you" in browser.get(challenge.headers["location"]).text
        back = browser.post(challenge.headers["location"], data={"do": "pass"})
        end = browser.get(back.headers["location"])
    assert end.headers["location"] == f"http://shop.example/ok?session_id={session['id']}"
    assert kinds(simulator, receiver) == [
        "setup_intent.setup_failed", "setup_intent.succeeded", "checkout.session.completed",
    ]  # fmt: skip


def test_a_setup_session_that_expires_saves_nothing(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    session = setup_of(api)
    simulator.act(SLUG, "expire", session["id"])
    assert get(api, f"/setup_intents/{session['setup_intent']}")["status"] == "canceled"
    assert kinds(simulator, receiver) == ["checkout.session.expired"]
    assert simulator.books(SLUG) == []


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"currency": ""}, "currency"),
        ({"currency": "iqd"}, "currency"),
        ({"line_items[0][quantity]": "1"}, "line_items"),
        ({"payment_intent_data[description]": "x"}, "payment_intent_data"),
        ({"setup_intent_data[usage]": "off_session"}, "setup_intent_data[usage]"),
        ({"customer_creation": "always", "customer": "cus_1", "customer_email": ""}, "customer"),
    ],
)
def test_a_wrong_setup_session_is_refused(api: httpx.Client, change: dict[str, str], param: str) -> None:
    error = setup_of(api, expect=404 if param == "customer" else 400, **change)["error"]
    assert error["param"] == param


# --- setup intents by the API --------------------------------------------------------------------------------------


def test_a_setup_intent_is_confirmed_in_the_browser_by_its_client_secret(api: httpx.Client) -> None:
    customer = customer_of(api)
    made = post(api, "/setup_intents", customer=customer, **{"automatic_payment_methods[enabled]": "true"})
    assert (made["status"], made["usage"]) == ("requires_payment_method", "off_session")
    browser = {"Authorization": f"Bearer {PUBLIC}"}
    form = {"client_secret": made["client_secret"], "payment_method": "pm_card_visa"}
    wrong = api.post(f"/setup_intents/{made['id']}/confirm", data={**form, "client_secret": "x"}, headers=browser)
    assert wrong.status_code == 404
    done = api.post(f"/setup_intents/{made['id']}/confirm", data=form, headers=browser).json()
    assert (done["status"], done["payment_method"][:3]) == ("succeeded", "pm_")
    rows = get(api, "/payment_methods", customer=customer, type="card")["data"]
    assert [one["id"] for one in rows] == [done["payment_method"]]
    error = post(api, f"/setup_intents/{made['id']}/cancel", expect=400)["error"]
    assert (error["code"], error["setup_intent"]["status"]) == ("setup_intent_unexpected_state", "succeeded")


def test_a_card_that_is_declined_cannot_be_set_up(api: httpx.Client) -> None:
    made = post(api, "/setup_intents", customer=customer_of(api))
    error = post(api, f"/setup_intents/{made['id']}/confirm", expect=402, payment_method=DECLINED)["error"]
    assert (error["code"], error["decline_code"]) == ("card_declined", "generic_decline")
    assert error["setup_intent"]["status"] == "requires_payment_method"
    assert post(api, f"/setup_intents/{made['id']}/cancel")["status"] == "canceled"
    post(api, f"/payment_methods/{DECLINED}/attach", expect=402, customer=customer_of(api))
    assert post(api, "/setup_intents", expect=400, **{"payment_method_types[0]": "card"})["error"]["code"] == (
        "payment_method_types_no_longer_supported"
    )


# --- charged off-session -------------------------------------------------------------------------------------------


def test_a_bank_may_want_the_customer_back(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    customer, method = saved(api, "pm_card_authenticationRequired")
    error = charge(api, customer, method, expect=402)["error"]
    assert (error["type"], error["code"]) == ("card_error", "authentication_required")
    intent = error["payment_intent"]
    assert (intent["status"], intent["amount_received"]) == ("requires_payment_method", 0)
    assert kinds(simulator, receiver) == ["payment_intent.payment_failed"]
    # On-session the same intent with the same method goes through the challenge.
    again = post(api, f"/payment_intents/{intent['id']}/confirm", payment_method=method)
    assert again["status"] == "requires_action"
    simulator.act(SLUG, "pay_3ds", intent["id"], card=method)
    assert get(api, f"/payment_intents/{intent['id']}")["status"] == "succeeded"


def test_a_card_set_up_for_it_is_charged_without_the_customer(simulator: Simulator, api: httpx.Client) -> None:
    card = "pm_card_authenticationRequiredOnSetup"
    customer, attached = saved(api, card)
    assert charge(api, customer, attached, expect=402)["error"]["code"] == "authentication_required"
    session = setup_of(api)
    simulator.act(SLUG, "pay_3ds", session["id"], card=card)
    intent = get(api, f"/setup_intents/{session['setup_intent']}")
    assert charge(api, intent["customer"], intent["payment_method"])["status"] == "succeeded"


def test_a_card_may_save_and_then_decline_every_charge(api: httpx.Client) -> None:
    customer, method = saved(api, "pm_card_chargeCustomerFail")
    error = charge(api, customer, method, expect=402)["error"]
    assert (error["code"], error["decline_code"]) == ("card_declined", "generic_decline")
    assert error["payment_intent"]["status"] == "requires_payment_method"


def test_a_method_works_for_its_own_customer_only(simulator: Simulator, api: httpx.Client) -> None:
    customer, method = saved(api)
    for other in ("", customer_of(api)):
        error = charge(api, other, method, expect=400)["error"]
        assert error["param"] == "payment_method"
    assert charge(api, customer, "pm_unknown", expect=400)["error"]["code"] == "resource_missing"
    assert simulator.books(SLUG) == []


def test_a_detached_method_is_gone_for_good(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    customer, method = saved(api)
    assert post(api, f"/payment_methods/{method}/detach")["customer"] is None
    assert kinds(simulator, receiver) == ["payment_method.detached"]
    assert get(api, "/payment_methods", customer=customer)["data"] == []
    error = post(api, f"/payment_methods/{method}/detach", expect=400)["error"]
    assert "not attached to a customer" in error["message"]
    post(api, f"/payment_methods/{method}/attach", expect=400, customer=customer)
    charge(api, customer, method, expect=400)
    post(api, "/payment_methods/pm_unknown/detach", expect=404)


def test_the_same_key_charges_once(simulator: Simulator, api: httpx.Client) -> None:
    customer, method = saved(api)
    form = {"amount": "1299", "currency": "eur", "customer": customer, "payment_method": method,
            "off_session": "true", "confirm": "true"}  # fmt: skip
    first, again = (post(api, "/payment_intents", key="charge-1", **form) for _ in range(2))
    assert first["id"] == again["id"]
    assert [line["captured"] for line in simulator.books(SLUG)] == ["12.99"]


# --- disputes by the API -------------------------------------------------------------------------------------------


def test_evidence_is_kept_and_sent_when_it_is_submitted(simulator: Simulator, api: httpx.Client) -> None:
    intent = paid(api)
    simulator.act(SLUG, "dispute", intent["id"])
    (dispute,) = get(api, "/disputes", payment_intent=intent["id"])["data"]
    assert [row["net"] for row in dispute["balance_transactions"]] == [-2799]
    kept = post(api, f"/disputes/{dispute['id']}", **{"evidence[product_description]": "Tea"})
    assert (kept["status"], kept["evidence"]) == ("needs_response", {"product_description": "Tea"})
    given = post(api, f"/disputes/{dispute['id']}", submit="true")
    assert (given["status"], given["evidence_details"]["submission_count"]) == ("under_review", 1)
    post(api, f"/disputes/{dispute['id']}", expect=400, submit="true")
    simulator.act(SLUG, "dispute_win", dispute["id"])
    won = get(api, f"/disputes/{dispute['id']}")
    assert (won["status"], sum(row["net"] for row in won["balance_transactions"])) == ("won", 0)


def test_a_conceded_dispute_is_lost(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    intent = paid(api)
    simulator.act(SLUG, "dispute", intent["id"])
    (dispute,) = get(api, "/disputes", payment_intent=intent["id"])["data"]
    assert post(api, f"/disputes/{dispute['id']}/close")["status"] == "lost"
    post(api, f"/disputes/{dispute['id']}/close", expect=400)
    assert kinds(simulator, receiver)[-3:] == [
        "charge.dispute.created", "charge.dispute.funds_withdrawn", "charge.dispute.closed",
    ]  # fmt: skip
