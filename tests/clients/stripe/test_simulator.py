"""The simulated Stripe, driven over HTTP as the protocol page describes it; its signatures judged by the official SDK."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from clients.simulator.testing import Simulator, running_simulator
from clients.stripe.simulator_wire import parse_form
from tests.clients.simulator.receiver import LOOPBACK, Receiver, running_receiver

SLUG = "stripe"
KEY, LIVE_KEY, PUBLIC = "sk_test_simulated0001", "sk_live_simulated0001", "pk_test_simulated0001"
SECRET, OLD_SECRET = "whsec_simulated_new", "whsec_simulated_old"
DECLINED = "pm_card_visa_chargeDeclined"
SESSION = {
    "mode": "payment",
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "eur",
    "line_items[0][price_data][unit_amount]": "1299",
    "line_items[0][price_data][product_data][name]": "Café",
    "success_url": "http://shop.example/ok?session_id={CHECKOUT_SESSION_ID}",
    "cancel_url": "http://shop.example/no",
    "client_reference_id": "pay-42",
    "payment_intent_data[metadata][payment_id]": "pay-42",
}
INTENT = {"amount": "1299", "currency": "eur", "metadata[payment_id]": "pay-42"}
PAID_EVENTS = ["payment_intent.succeeded", "checkout.session.completed", "charge.updated"]


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
    secrets = {"webhook_secret": SECRET, "previous_webhook_secrets": [OLD_SECRET]}
    test = {"secret_key": KEY, "publishable_key": PUBLIC, **secrets}
    running.register(SLUG, mode="test", credentials=test, webhook_url=receiver.url)
    running.register(SLUG, mode="live", credentials={"secret_key": LIVE_KEY, "webhook_secret": "whsec_live_one"})
    return running


@pytest.fixture
def api(simulator: Simulator) -> Iterator[httpx.Client]:
    base = f"{simulator.url}/api.stripe.com/v1"
    with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {KEY}"}, **LOOPBACK) as client:
        yield client


def post(api: httpx.Client, path: str, *, expect: Any = 200, key: Any = None, **form: Any) -> dict[str, Any]:
    headers = {"Idempotency-Key": key} if key else {}
    answer = api.post(path, data=form, headers=headers)
    assert answer.status_code == expect, answer.text
    return dict(answer.json())


def session_of(api: httpx.Client, **change: str) -> dict[str, Any]:
    answer = api.post("/checkout/sessions", data={**SESSION, **change})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def intent_of(api: httpx.Client, **change: str) -> dict[str, Any]:
    answer = api.post("/payment_intents", data={**INTENT, **change})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def paid(api: httpx.Client, **change: str) -> dict[str, Any]:
    return intent_of(api, confirm="true", payment_method="pm_card_visa", **change)


def get(api: httpx.Client, path: str, **query: Any) -> dict[str, Any]:
    answer = api.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def events(simulator: Simulator, receiver: Receiver) -> list[dict[str, Any]]:
    simulator.wait_idle()
    return [json.loads(one.body) for one in receiver.received]


def kinds(simulator: Simulator, receiver: Receiver) -> list[str]:
    return [event["type"] for event in events(simulator, receiver)]


def book(simulator: Simulator) -> tuple[str, str, str, str]:
    (line,) = simulator.books(SLUG)
    return line["captured"], line["refunded"], line["asset"], line["status"]


# --- who asks, and in which words ----------------------------------------------------------------------------------


def test_only_keys_of_registered_accounts_are_served(simulator: Simulator, api: httpx.Client) -> None:
    assert get(api, "/balance")["livemode"] is False
    assert api.get("/balance", headers={"Authorization": f"Bearer {LIVE_KEY}"}).json()["livemode"] is True
    with httpx.Client(base_url=api.base_url, **LOOPBACK) as other:
        assert other.get("/balance", auth=(KEY, "")).status_code == 200
        for header in ({}, {"Authorization": "Bearer sk_test_somebody_else_1"}, {"Authorization": "Basic %%"}):
            answer = other.get("/balance", headers=header)
            assert answer.status_code == 401
            assert "somebody_else" not in answer.text
        answer = other.get("/balance", headers={"Authorization": f"Bearer {PUBLIC}"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "secret_key_required")
        answer = other.get("/balance", headers={"Authorization": f"Bearer {KEY}", "Stripe-Account": "acct_other"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "account_invalid")


def test_one_account_does_not_see_the_objects_of_another(api: httpx.Client) -> None:
    made = session_of(api)
    answer = api.get(f"/checkout/sessions/{made['id']}", headers={"Authorization": f"Bearer {LIVE_KEY}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing")


def test_the_version_is_echoed_and_older_ones_may_still_say_what_was_taken_away(api: httpx.Client) -> None:
    old = {"payment_method_types[0]": "card", "ui_mode": "hosted", **SESSION}
    answer = api.post("/checkout/sessions", data=old, headers={"Stripe-Version": "2025-09-30.clover"})
    assert (answer.status_code, answer.headers["stripe-version"]) == (200, "2025-09-30.clover")
    answer = api.get("/balance")
    assert answer.headers["stripe-version"] == "2026-10-28.endive"
    assert answer.headers["request-id"].startswith("req_")
    assert api.get("/balance", headers={"Stripe-Version": "latest"}).status_code == 400


def test_forms_nest_by_brackets_and_json_is_refused(api: httpx.Client) -> None:
    assert parse_form("a[b][0][c]=1&a[b][1][c]=2&x[]=3&x[]=4&m[k]=") == {
        "a": {"b": [{"c": "1"}, {"c": "2"}]},
        "x": ["3", "4"],
        "m": {"k": ""},
    }
    assert api.post("/payment_intents", json={"amount": 1299, "currency": "eur"}).status_code == 400
    assert api.get("/nonsense").json()["error"]["message"].startswith("Unrecognized request URL")


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"payment_method_types[0]": "card"}, "payment_method_types_no_longer_supported", "payment_method_types"),
        ({"ui_mode": "hosted"}, None, "ui_mode"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"payment_intent_data[colour]": "red"}, "parameter_unknown", "payment_intent_data[colour]"),
        ({"mode": ""}, None, "mode"),
        ({"success_url": ""}, "url_invalid", "success_url"),
        ({"success_url": "shop"}, "url_invalid", "success_url"),
        ({"line_items[0][quantity]": "0"}, None, "line_items[0][quantity]"),
        ({"line_items[0][price_data][unit_amount]": "12.99"}, "parameter_invalid_integer", None),
        ({"line_items[0][price_data][unit_amount]": "49"}, "amount_too_small", "line_items"),
        ({"line_items[0][price_data][unit_amount]": "100000000"}, "amount_too_large", "line_items"),
        ({"line_items[0][price_data][currency]": "iqd"}, None, "line_items[0][price_data][currency]"),
        ({"expires_at": str(int(time.time()) + 60)}, None, "expires_at"),
        ({"locale": "tlh"}, None, "locale"),
        ({"customer_email": "a@example.com", "customer": "cus_1"}, None, "customer"),
        ({"metadata[key]": "x" * 501}, None, "metadata[key]"),
        ({f"metadata[{'k' * 41}]": "x"}, None, f"metadata[{'k' * 41}]"),
        ({"client_reference_id": "x" * 201}, None, "client_reference_id"),
    ],
)
def test_a_wrong_session_is_refused_and_nothing_is_made(
    simulator: Simulator, api: httpx.Client, change: dict[str, str], code: str | None, param: str | None
) -> None:
    answer = api.post("/checkout/sessions", data={**SESSION, **change})
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error.get("code")) == (400, "invalid_request_error", code)
    assert param is None or error["param"] == param
    assert simulator.books(SLUG) == []


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        ("740", "jpy", None),
        ("30000", "mga", None),
        ("8730", "kwd", None),
        ("8731", "kwd", "refused"),
        ("900", "ugx", None),
        ("950", "ugx", "invalid_charge_amount_no_decimal_compatible"),
        ("950", "isk", "invalid_charge_amount_no_decimal_compatible"),
        ("2399", "huf", "amount_too_small"),
        ("23990", "HUF", None),
        ("0", "eur", "parameter_invalid_integer"),
        ("1000", "lyd", "refused"),
    ],
)
def test_every_currency_has_its_own_steps(api: httpx.Client, amount: str, currency: str, code: str | None) -> None:
    answer = api.post("/payment_intents", data={"amount": amount, "currency": currency})
    assert answer.status_code == (400 if code else 200), answer.text
    if code not in (None, "refused"):
        assert answer.json()["error"]["code"] == code


# --- the hosted page -----------------------------------------------------------------------------------------------


def test_a_paid_session_redirects_charges_and_tells_with_an_official_signature(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    made = session_of(api)
    assert (made["payment_intent"], made["status"], made["payment_status"]) == (None, "open", "unpaid")
    assert made["id"].startswith("cs_test_")
    page = httpx.get(made["url"], **LOOPBACK)
    assert "Simulated Stripe - no real money" in page.text
    assert "12.99 EUR" in page.text
    done = httpx.post(made["url"], data={"do": "pay"}, **LOOPBACK)
    assert (done.status_code, done.headers["location"]) == (303, f"http://shop.example/ok?session_id={made['id']}")
    assert book(simulator) == ("12.99", "0.00", "EUR", "succeeded")

    told = events(simulator, receiver)
    assert [event["type"] for event in told] == PAID_EVENTS
    assert told[0]["data"]["object"]["metadata"] == {"payment_id": "pay-42"}
    assert told[0]["request"] == {"id": None, "idempotency_key": None}
    assert (told[1]["data"]["object"]["payment_status"], told[1]["livemode"]) == ("paid", False)
    assert told[1]["api_version"] == "2026-10-28.endive"
    for one in receiver.received:
        for secret in (SECRET, OLD_SECRET):  # mid-roll: one v1 for each
            stripe.Webhook.construct_event(one.body, one.headers["stripe-signature"], secret)
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(one.body, one.headers["stripe-signature"], "whsec_someone_else")
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(one.body + b"\n", one.headers["stripe-signature"], SECRET)


def test_the_balance_transaction_comes_with_charge_updated(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    made = session_of(api)
    simulator.act(SLUG, "pay", made["id"])
    updated = events(simulator, receiver)[-1]
    assert updated["data"]["previous_attributes"] == {"balance_transaction": None}
    assert updated["data"]["object"]["balance_transaction"].startswith("txn_")
    first = get(api, "/events", type="charge.succeeded")["data"][0]
    assert first["data"]["object"]["balance_transaction"] is None
    wanted = {"expand[]": "payment_intent.latest_charge.balance_transaction"}
    charge = get(api, f"/checkout/sessions/{made['id']}", **wanted)["payment_intent"]["latest_charge"]
    booked = charge["balance_transaction"]
    assert (booked["amount"], booked["fee"], booked["net"], booked["source"]) == (1299, 68, 1231, charge["id"])
    assert get(api, "/balance")["pending"] == [{"amount": 1231, "currency": "eur", "source_types": {"card": 1231}}]
    assert get(api, "/balance_transactions", source=charge["id"])["data"][0]["id"] == booked["id"]


def test_a_declined_card_leaves_the_session_open_for_another(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    made = session_of(api)
    page = httpx.post(made["url"], data={"do": "decline_funds"}, **LOOPBACK)
    assert (page.status_code, "insufficient funds" in page.text) == (200, True)
    read = get(api, f"/checkout/sessions/{made['id']}", **{"expand[]": "payment_intent"})
    error = read["payment_intent"]["last_payment_error"]
    assert (read["status"], read["payment_intent"]["status"]) == ("open", "requires_payment_method")
    assert (error["code"], error["decline_code"]) == ("card_declined", "insufficient_funds")
    assert book(simulator) == ("0.00", "0.00", "EUR", "open")
    httpx.post(made["url"], data={"do": "pay"}, **LOOPBACK)
    assert kinds(simulator, receiver) == ["payment_intent.payment_failed", *PAID_EVENTS]
    assert book(simulator) == ("12.99", "0.00", "EUR", "succeeded")


@pytest.mark.parametrize(("button", "status", "captured"), [("pass", "complete", "12.99"), ("fail", "open", "0.00")])
def test_a_challenge_is_a_page_of_its_own(
    simulator: Simulator, api: httpx.Client, button: str, status: str, captured: str
) -> None:
    made = session_of(api)
    with httpx.Client(**LOOPBACK, follow_redirects=False) as browser:
        challenge = browser.post(made["url"], data={"do": "pay_3ds"}).headers["location"]
        assert "/hooks.stripe.com/3ds/pi_" in challenge
        assert "Complete authentication" in browser.get(challenge).text
        back = browser.post(challenge, data={"do": button})
        assert (back.status_code, back.headers["location"]) == (303, made["url"])
    assert get(api, f"/checkout/sessions/{made['id']}")["status"] == status
    assert book(simulator)[0] == captured


@pytest.mark.parametrize(
    ("action", "tells", "captured"),
    [
        (
            "settle",
            ["payment_intent.succeeded", "checkout.session.async_payment_succeeded", "charge.updated"],
            "12.99",
        ),
        ("settle_fail", ["payment_intent.payment_failed", "checkout.session.async_payment_failed"], "0.00"),
    ],
)
def test_a_bank_debit_is_complete_but_unpaid_until_it_settles(
    simulator: Simulator, api: httpx.Client, receiver: Receiver, action: str, tells: list[str], captured: str
) -> None:
    made = session_of(api)
    simulator.act(SLUG, "pay_delayed", made["id"])
    read = get(api, f"/checkout/sessions/{made['id']}")
    assert (read["status"], read["payment_status"]) == ("complete", "unpaid")
    assert book(simulator) == ("0.00", "0.00", "EUR", "processing")
    simulator.act(SLUG, action, made["id"])
    assert kinds(simulator, receiver) == ["payment_intent.processing", "checkout.session.completed", *tells]
    assert book(simulator)[0] == captured


def test_a_bank_debit_settles_by_itself_after_a_moment(simulator: Simulator, api: httpx.Client) -> None:
    made = session_of(api)
    httpx.post(made["url"], data={"do": "pay_delayed"}, **LOOPBACK)
    simulator.advance(5)
    assert get(api, f"/checkout/sessions/{made['id']}")["payment_status"] == "paid"


def test_going_back_leaves_the_session_open(simulator: Simulator, api: httpx.Client) -> None:
    made = session_of(api)
    back = httpx.post(made["url"], data={"do": "cancel"}, **LOOPBACK)
    assert (back.status_code, back.headers["location"]) == (303, "http://shop.example/no")
    assert get(api, f"/checkout/sessions/{made['id']}")["status"] == "open"


def test_a_session_expires_by_call_or_by_time_and_is_then_dead(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    called, timed, done = (session_of(api, client_reference_id=name) for name in ("a", "b", "c"))
    simulator.act(SLUG, "pay", "c")
    assert post(api, f"/checkout/sessions/{called['id']}/expire")["status"] == "expired"
    post(api, f"/checkout/sessions/{done['id']}/expire", expect=400)
    simulator.advance(24 * 3600 + 1)
    read = get(api, f"/checkout/sessions/{timed['id']}")
    assert (read["status"], read["url"]) == ("expired", None)
    assert kinds(simulator, receiver).count("checkout.session.expired") == 2
    assert httpx.get(called["url"], **LOOPBACK).status_code == 410
    with pytest.raises(ValueError, match="can no longer be paid"):
        simulator.act(SLUG, "pay", "b")


def test_sessions_are_found_by_their_intent(simulator: Simulator, api: httpx.Client) -> None:
    made = session_of(api)
    session_of(api, client_reference_id="other")
    told = simulator.act(SLUG, "pay", made["id"])
    found = get(api, "/checkout/sessions", payment_intent=told["payment_intent"])
    assert [one["id"] for one in found["data"]] == [made["id"]]


def test_live_and_test_are_worlds_of_their_own(simulator: Simulator, api: httpx.Client) -> None:
    answer = api.post("/checkout/sessions", data=SESSION, headers={"Authorization": f"Bearer {LIVE_KEY}"}).json()
    assert (answer["id"][:8], answer["livemode"]) == ("cs_live_", True)
    assert [line["mode"] for line in simulator.books(SLUG)] == ["live"]


# --- idempotency ---------------------------------------------------------------------------------------------------


def test_the_same_key_and_parameters_replay_the_stored_answer(simulator: Simulator, api: httpx.Client) -> None:
    first = api.post("/payment_intents", data=INTENT, headers={"Idempotency-Key": "k-1"})
    again = api.post("/payment_intents", data=INTENT, headers={"Idempotency-Key": "k-1"})
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["original-request"] == first.headers["request-id"] != again.headers["request-id"]
    assert first.headers["original-request"] == first.headers["request-id"]
    assert len(simulator.books(SLUG)) == 1


def test_the_same_key_with_other_parameters_is_refused(simulator: Simulator, api: httpx.Client) -> None:
    post(api, "/payment_intents", key="k-1", amount="1299", currency="eur")
    error = post(api, "/payment_intents", expect=400, key="k-1", amount="1300", currency="eur")["error"]
    assert error["type"] == "idempotency_error"
    assert len(simulator.books(SLUG)) == 1


def test_a_key_in_flight_is_a_conflict(simulator: Simulator, api: httpx.Client) -> None:
    simulator.fault(SLUG, "slow", seconds=0.8, method="POST")
    first = threading.Thread(target=lambda: api.post("/payment_intents", data=INTENT, headers={"Idempotency-Key": "k"}))
    first.start()
    time.sleep(0.3)
    error = post(api, "/payment_intents", expect=409, key="k", **INTENT)
    assert error["error"]["code"] == "idempotency_key_in_use"
    first.join()
    assert len(simulator.books(SLUG)) == 1


def test_a_decline_is_stored_a_refused_parameter_is_not(simulator: Simulator, api: httpx.Client) -> None:
    wish = {"amount": "1299", "currency": "eur", "confirm": "true", "payment_method": DECLINED}
    first = post(api, "/payment_intents", expect=402, key="k-1", **wish)
    again = post(api, "/payment_intents", expect=402, key="k-1", **wish)
    assert again == first
    assert len(simulator.books(SLUG)) == 1
    post(api, "/payment_intents", expect=400, key="k-2", amount="1", currency="eur")
    assert post(api, "/payment_intents", key="k-2", amount="1299", currency="eur")["amount"] == 1299


def test_a_key_belongs_to_its_account_and_lives_a_day(simulator: Simulator, api: httpx.Client) -> None:
    post(api, "/payment_intents", key="k-1", amount="1299", currency="eur")
    other = {"Authorization": f"Bearer {LIVE_KEY}", "Idempotency-Key": "k-1"}
    assert api.post("/payment_intents", data={"amount": "500", "currency": "eur"}, headers=other).status_code == 200
    simulator.advance(24 * 3600 + 60)
    assert post(api, "/payment_intents", key="k-1", amount="700", currency="eur")["amount"] == 700


def test_a_lost_answer_is_replayed_and_charges_once(simulator: Simulator, api: httpx.Client) -> None:
    wish = {**INTENT, "confirm": "true", "payment_method": "pm_card_visa"}
    simulator.fault(SLUG, "reset_after", method="POST")
    with pytest.raises(httpx.TransportError):
        api.post("/payment_intents", data=wish, headers={"Idempotency-Key": "k-1"})
    answer = api.post("/payment_intents", data=wish, headers={"Idempotency-Key": "k-1"})
    assert (answer.json()["status"], answer.headers["idempotent-replayed"]) == ("succeeded", "true")
    assert book(simulator) == ("12.99", "0.00", "EUR", "succeeded")
    assert [call["idempotency_key"] for call in simulator.calls(SLUG, method="POST")] == ["k-1", "k-1"]


# --- intents -------------------------------------------------------------------------------------------------------


def test_an_intent_is_created_updated_confirmed_and_names_the_request_in_its_event(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    made = intent_of(api)
    assert (made["status"], made["client_secret"].startswith(f"{made['id']}_secret_")) == (
        "requires_payment_method",
        True,
    )
    updated = post(api, f"/payment_intents/{made['id']}", amount="1500", **{"metadata[more]": "1"})
    assert (updated["amount"], updated["metadata"]) == (1500, {"payment_id": "pay-42", "more": "1"})
    confirmed = post(api, f"/payment_intents/{made['id']}/confirm", key="c-1", payment_method="pm_card_visa")
    assert (confirmed["status"], confirmed["amount_received"]) == ("succeeded", 1500)
    told = events(simulator, receiver)
    assert [event["type"] for event in told] == ["payment_intent.succeeded", "charge.updated"]
    assert told[0]["request"]["idempotency_key"] == "c-1"
    error = post(api, f"/payment_intents/{made['id']}/confirm", expect=400)["error"]
    assert (error["code"], error["payment_intent"]["status"]) == ("payment_intent_unexpected_state", "succeeded")


def test_a_browser_confirms_with_publishable_key_and_client_secret_only(api: httpx.Client) -> None:
    made = intent_of(api)
    browser = {"Authorization": f"Bearer {PUBLIC}"}
    path = f"/payment_intents/{made['id']}/confirm"
    wish = {"payment_method": "pm_card_visa", "client_secret": made["client_secret"]}
    assert api.post(path, data={**wish, "client_secret": "wrong"}, headers=browser).status_code == 404
    assert api.post(path, data=wish, headers=browser).json()["status"] == "succeeded"
    assert api.post("/refunds", data={"payment_intent": made["id"]}, headers=browser).status_code == 403


@pytest.mark.parametrize(
    ("card", "code", "decline_code", "outcome"),
    [
        (DECLINED, "card_declined", "generic_decline", "issuer_declined"),
        (f"{DECLINED}InsufficientFunds", "card_declined", "insufficient_funds", "issuer_declined"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", None, "issuer_declined"),
        ("pm_card_radarBlock", "card_declined", "fraudulent", "blocked"),
    ],
)
def test_a_declined_confirmation_is_402_with_the_intent_inside(
    api: httpx.Client, card: str, code: str, decline_code: str | None, outcome: str
) -> None:
    made = intent_of(api)
    error = post(api, f"/payment_intents/{made['id']}/confirm", expect=402, payment_method=card)["error"]
    assert (error["type"], error["code"], error.get("decline_code")) == ("card_error", code, decline_code)
    assert error["payment_intent"]["status"] == "requires_payment_method"
    charge = get(api, f"/charges/{error['charge']}")
    assert (charge["status"], charge["paid"], charge["outcome"]["type"]) == ("failed", False, outcome)


def test_authentication_is_asked_for_on_session_and_refused_off_session(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    card = "pm_card_authenticationRequired"
    asked = intent_of(api, confirm="true", payment_method=card, return_url="http://shop.example/back")
    assert (asked["status"], asked["next_action"]["type"]) == ("requires_action", "redirect_to_url")
    page = asked["next_action"]["redirect_to_url"]["url"]
    back = httpx.post(page, data={"do": "pass"}, **LOOPBACK).headers["location"]
    assert back.startswith("http://shop.example/back?payment_intent=pi_")
    assert back.endswith("redirect_status=succeeded")
    wish = {"amount": "1299", "currency": "eur", "confirm": "true", "off_session": "true", "payment_method": card}
    error = post(api, "/payment_intents", expect=402, **wish)["error"]
    assert (error["code"], error["payment_intent"]["status"]) == ("authentication_required", "requires_payment_method")
    post(api, "/payment_intents", expect=400, amount="1299", currency="eur", off_session="true")


def test_a_hold_is_captured_in_part_and_the_rest_is_released(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    held = paid(api, capture_method="manual")
    assert (held["status"], held["amount_capturable"], held["amount_received"]) == ("requires_capture", 1299, 0)
    assert book(simulator)[0] == "0.00"
    error = post(api, f"/payment_intents/{held['id']}/capture", expect=400, amount_to_capture="1300")["error"]
    assert error["code"] == "amount_too_large"
    taken = post(api, f"/payment_intents/{held['id']}/capture", amount_to_capture="900")
    assert (taken["status"], taken["amount"], taken["amount_received"], taken["amount_capturable"]) == (
        "succeeded",
        1299,
        900,
        0,
    )
    assert book(simulator)[0] == "9.00"
    assert kinds(simulator, receiver) == ["payment_intent.amount_capturable_updated", "payment_intent.succeeded"]
    error = post(api, f"/payment_intents/{held['id']}/cancel", expect=400)["error"]
    assert (error["code"], error["payment_intent"]["status"]) == ("payment_intent_unexpected_state", "succeeded")


def test_a_void_looks_like_a_refund_and_moves_no_money(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    held = paid(api, capture_method="manual")
    gone = post(api, f"/payment_intents/{held['id']}/cancel", cancellation_reason="abandoned")
    assert (gone["status"], gone["cancellation_reason"]) == ("canceled", "abandoned")
    charge = get(api, f"/charges/{gone['latest_charge']}")
    assert (charge["captured"], charge["refunded"], charge["amount_refunded"]) == (False, True, 1299)
    assert kinds(simulator, receiver)[1:] == ["refund.created", "charge.refunded", "payment_intent.canceled"]
    assert book(simulator) == ("0.00", "0.00", "EUR", "canceled")


def test_a_hold_lapses_after_seven_days(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    held = paid(api, capture_method="manual")
    charge = get(api, f"/charges/{held['latest_charge']}")
    before = charge["payment_method_details"]["card"]["capture_before"]
    assert before == charge["created"] + 7 * 24 * 3600
    simulator.advance(7 * 24 * 3600 + 1)
    read = get(api, f"/payment_intents/{held['id']}")
    assert (read["status"], read["cancellation_reason"]) == ("canceled", "automatic")
    assert "charge.expired" in kinds(simulator, receiver)


def test_a_session_authorizes_when_asked_to_and_its_intent_obeys_the_session_until_then(
    simulator: Simulator, api: httpx.Client
) -> None:
    made = session_of(api, **{"payment_intent_data[capture_method]": "manual"})
    simulator.act(SLUG, "decline", made["id"])
    intent = get(api, f"/checkout/sessions/{made['id']}")["payment_intent"]
    post(api, f"/payment_intents/{intent}/confirm", expect=400, payment_method="pm_card_visa")
    assert "payment_intent" not in post(api, f"/payment_intents/{intent}/cancel", expect=400)["error"]
    simulator.act(SLUG, "authorize", made["id"])
    read = get(api, f"/checkout/sessions/{made['id']}", **{"expand[]": "payment_intent"})
    assert (read["status"], read["payment_status"]) == ("complete", "unpaid")
    assert read["payment_intent"]["status"] == "requires_capture"
    post(api, f"/payment_intents/{intent}/capture")
    assert get(api, f"/checkout/sessions/{made['id']}")["payment_status"] == "paid"


def test_intents_are_found_by_metadata_and_by_time(simulator: Simulator, api: httpx.Client) -> None:
    first, second = intent_of(api), intent_of(api, **{"metadata[payment_id]": "pay-43"})
    found = get(api, "/payment_intents/search", query="metadata['payment_id']:'pay-43'")
    assert (found["object"], [one["id"] for one in found["data"]]) == ("search_result", [second["id"]])
    assert get(api, "/payment_intents/search", query="metadata['payment_id']:'none'")["data"] == []
    now = first["created"]
    assert len(get(api, "/payment_intents", **{"created[gte]": now})["data"]) == 2
    assert get(api, "/payment_intents", **{"created[gte]": now + 3600})["data"] == []
    page = get(api, "/payment_intents", limit=1)
    assert ([one["id"] for one in page["data"]], page["has_more"]) == ([second["id"]], True)
    rest = get(api, "/payment_intents", limit=1, starting_after=second["id"])
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == ([first["id"]], False)


# --- refunds and disputes ------------------------------------------------------------------------------------------


def test_refunds_stop_at_what_was_captured(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    made = paid(api)
    wish = {"payment_intent": made["id"], "amount": "800", "metadata[refund_id]": "r-1"}
    part = post(api, "/refunds", key="r-1", **wish)
    assert (part["status"], part["metadata"]) == ("succeeded", {"refund_id": "r-1"})
    assert post(api, "/refunds", key="r-1", **wish) == part
    post(api, "/refunds", expect=400, payment_intent=made["id"], amount="500")
    assert post(api, "/refunds", payment_intent=made["id"], reason="duplicate")["amount"] == 499
    error = post(api, "/refunds", expect=400, payment_intent=made["id"])["error"]
    assert error["code"] == "charge_already_refunded"
    assert book(simulator) == ("12.99", "12.99", "EUR", "succeeded")
    assert [one["amount"] for one in get(api, "/refunds", payment_intent=made["id"])["data"]] == [499, 800]
    assert kinds(simulator, receiver)[2:5] == ["refund.created", "charge.refunded", "refund.updated"]
    post(api, "/refunds", expect=400, payment_intent=made["id"], reason="because")
    post(api, "/refunds", expect=400)


def test_a_pending_refund_succeeds_after_a_moment(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    made = intent_of(api, confirm="true", payment_method="pm_card_pendingRefund")
    refund = post(api, "/refunds", payment_intent=made["id"], amount="300")
    assert (refund["status"], refund["pending_reason"]) == ("pending", "processing")
    assert book(simulator)[1] == "0.00"
    simulator.advance(3)
    assert get(api, f"/refunds/{refund['id']}")["status"] == "succeeded"
    assert book(simulator)[1] == "3.00"
    assert kinds(simulator, receiver)[-1] == "refund.updated"


def test_a_refund_can_fail_after_it_succeeded(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    made = intent_of(api, confirm="true", payment_method="pm_card_refundFail")
    refund = post(api, "/refunds", payment_intent=made["id"])
    assert refund["status"] == "succeeded"
    simulator.advance(3)
    failed = get(api, f"/refunds/{refund['id']}")
    assert (failed["status"], failed["failure_reason"]) == ("failed", "expired_or_canceled_card")
    assert failed["failure_balance_transaction"].startswith("txn_")
    charge = get(api, f"/charges/{refund['charge']}")
    assert (charge["amount_refunded"], charge["refunded"]) == (0, False)
    assert book(simulator) == ("12.99", "0.00", "EUR", "succeeded")
    assert "refund.failed" in kinds(simulator, receiver)


def test_a_dispute_takes_the_money_and_gives_it_back_when_won(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    made = paid(api)
    simulator.act(SLUG, "dispute", made["id"], amount=500)
    post(api, "/refunds", expect=400, payment_intent=made["id"])
    (dispute,) = get(api, "/disputes", payment_intent=made["id"])["data"]
    assert (dispute["status"], dispute["amount"]) == ("needs_response", 500)
    assert [one["net"] for one in dispute["balance_transactions"]] == [-2000]
    simulator.act(SLUG, "dispute_answer", made["id"])
    simulator.act(SLUG, "dispute_win", made["id"])
    won = get(api, f"/disputes/{dispute['id']}")
    assert won["status"] == "won"
    assert sum(one["net"] for one in won["balance_transactions"]) == 0
    assert [kind for kind in kinds(simulator, receiver) if "dispute" in kind] == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_reinstated",
    ]
    assert post(api, "/refunds", payment_intent=made["id"])["status"] == "succeeded"


def test_an_inquiry_moves_no_money(simulator: Simulator, api: httpx.Client) -> None:
    made = paid(api)
    simulator.act(SLUG, "dispute", made["id"], inquiry=True)
    simulator.act(SLUG, "dispute_lose", made["id"])
    (dispute,) = get(api, "/disputes", payment_intent=made["id"])["data"]
    assert (dispute["status"], dispute["balance_transactions"]) == ("warning_closed", [])


def test_risk_and_warnings_are_told(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    made = intent_of(api, confirm="true", payment_method="pm_card_manualReview", **{"expand[]": "latest_charge"})
    assert made["latest_charge"]["outcome"]["type"] == "manual_review"
    assert made["latest_charge"]["review"].startswith("prv_")
    simulator.act(SLUG, "fraud_warning", made["id"])
    told = kinds(simulator, receiver)
    assert told == [
        "review.opened",
        "payment_intent.succeeded",
        "charge.updated",
        "radar.early_fraud_warning.created",
    ]


# --- webhooks and the rest -----------------------------------------------------------------------------------------


def test_a_refused_webhook_comes_again_and_verifies_again(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    receiver.answers = [503, 301]
    paid(api)
    simulator.wait_idle()
    assert len(receiver.received) == 4  # two events, each refused once
    for one in receiver.received:
        stripe.Webhook.construct_event(one.body, one.headers["stripe-signature"], SECRET)


def test_a_new_secret_signs_the_next_webhook(simulator: Simulator, api: httpx.Client, receiver: Receiver) -> None:
    made = session_of(api)
    rolled = {"secret_key": KEY, "webhook_secret": "whsec_rolled_over", "account_id": None}
    simulator.register(SLUG, mode="test", credentials=rolled, webhook_url=receiver.url)
    simulator.act(SLUG, "pay", made["id"])
    simulator.wait_idle()
    signature = receiver.received[0].headers["stripe-signature"]
    assert signature.count("v1=") == 1
    stripe.Webhook.construct_event(receiver.received[0].body, signature, "whsec_rolled_over")


def test_signatures_carry_the_wall_clock_also_where_the_simulated_time_was_moved(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    simulator.advance(10 * 24 * 3600)
    paid(api)
    simulator.wait_idle()
    stamp = int(receiver.received[0].headers["stripe-signature"].partition(",")[0].removeprefix("t="))
    assert abs(stamp - time.time()) < 10


def test_events_are_listed_newest_first_also_those_nobody_subscribed_to(api: httpx.Client) -> None:
    paid(api)
    listed = get(api, "/events", limit=100)["data"]
    assert [event["type"] for event in listed] == [
        "charge.updated",
        "payment_intent.succeeded",
        "charge.succeeded",
        "payment_intent.created",
    ]
    assert get(api, f"/events/{listed[0]['id']}") == listed[0]


def test_connected_accounts_are_named_in_header_and_event(
    simulator: Simulator, api: httpx.Client, receiver: Receiver
) -> None:
    connected = {"secret_key": "sk_test_platform_0001", "account_id": "acct_1", "webhook_secret": SECRET}
    simulator.register(SLUG, mode="test", credentials=connected, webhook_url=receiver.url)
    headers = {"Authorization": "Bearer sk_test_platform_0001", "Stripe-Account": "acct_1"}
    wish = {**INTENT, "confirm": "true", "payment_method": "pm_card_visa"}
    assert api.post("/payment_intents", data=wish, headers=headers).status_code == 200
    assert {event["account"] for event in events(simulator, receiver)} == {"acct_1"}


def test_customers_are_kept(api: httpx.Client) -> None:
    made = post(api, "/customers", email="a@example.com", **{"metadata[user_id]": "7"})
    assert get(api, f"/customers/{made['id']}")["metadata"] == {"user_id": "7"}
    assert session_of(api, customer=made["id"])["customer"] == made["id"]
    assert api.get("/customers/cus_none").status_code == 404


def test_expansions_go_four_levels_and_refuse_what_is_not_there(api: httpx.Client) -> None:
    made = paid(api)
    assert get(api, f"/payment_intents/{made['id']}", **{"expand[]": "latest_charge"})["latest_charge"]["paid"] is True
    rows = get(api, "/refunds", **{"expand[]": "data.charge"})
    assert rows["data"] == []
    assert api.get(f"/payment_intents/{made['id']}", params={"expand[]": "colour"}).status_code == 400
    assert api.get(f"/payment_intents/{made['id']}", params={"expand[]": "a.b.c.d.e"}).status_code == 400


def test_the_official_sdk_works_against_it(simulator: Simulator) -> None:
    base = simulator.overrides("https://api.stripe.com")["https://api.stripe.com"]
    client = stripe.StripeClient(KEY, base_addresses={"api": base}, max_network_retries=0)
    made = client.v1.payment_intents.create(
        {"amount": 1299, "currency": "eur", "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"}},
        {"idempotency_key": "sdk-1"},
    )
    with pytest.raises(stripe.CardError) as declined:
        client.v1.payment_intents.confirm(made.id, {"payment_method": DECLINED})
    assert declined.value.error is not None
    assert declined.value.error.decline_code == "generic_decline"
    assert client.v1.payment_intents.confirm(made.id, {"payment_method": "pm_card_visa"}).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError) as missing:
        client.v1.refunds.retrieve("re_none")
    assert missing.value.code == "resource_missing"


def test_unknown_actions_name_the_known_ones(simulator: Simulator, api: httpx.Client) -> None:
    made = session_of(api)
    with pytest.raises(ValueError, match="known: pay, authorize"):
        simulator.act(SLUG, "pay_short", made["id"])
    with pytest.raises(ValueError, match="no payment"):
        simulator.act(SLUG, "pay", "nobody")
