"""Many at once, each in a thread with a connection of its own: one effect, whoever comes first."""

from __future__ import annotations

import copy
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from core.gateways import registry
from core.gateways.testing import answer, wire_fields
from core.http import HttpRequest, HttpResponse, NoAnswer
from core.models import Customer
from finance.models import Entry, Transaction
from payments import inbox
from payments.frame import Fact, apply_reports
from payments.models import Payment, PaymentGatewayTransaction, Refund, WebhookEvent
from payments.states import CauseKind
from payments.sweep import sweep
from payments.work import Cause, Work
from tests.database import at_once
from tests.payments import shop as said
from tests.payments.builders import key_facts
from tests.payments.shop import Shop

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.concurrency]

Handler = Callable[[HttpRequest], HttpResponse]


class Busy:
    """A gateway that takes a moment over every call, so that calls overlap, and counts them by method and path."""

    def __init__(self) -> None:
        self.sent: list[HttpRequest] = []
        self.handlers: dict[tuple[str, str], Handler] = {}
        self.seconds = 0.03

    def answers(self, method: str, path: str, handler: Handler | Mapping[str, Any]) -> None:
        self.handlers[method, path] = handler if callable(handler) else lambda _request: answer(dict(handler))

    def send(self, request: HttpRequest) -> HttpResponse:
        self.sent.append(request)
        handler = self.handlers[request.method, _path(request)]
        time.sleep(self.seconds)
        return handler(request)

    def browser_url(self, url: str) -> str:
        return url

    def calls(self) -> Counter[str]:
        return Counter(f"{request.method} {_path(request)}" for request in self.sent)


def _path(request: HttpRequest) -> str:
    return "/" + request.url.split("/", 3)[3].split("?")[0]


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> Busy:
    made = Busy()
    made.answers("POST", SESSIONS, lambda _request: answer(said.session()))
    monkeypatch.setattr(registry, "_http", lambda cls, mode: made)
    return made


@pytest.fixture
def acme(db: None, busy: Busy) -> Shop:
    return Shop(said.Wire())


SESSIONS = "/v1/checkout/sessions"
REFUNDS = "/v1/refunds"
FAR = datetime(2100, 1, 1, tzinfo=UTC)  # everything that waits is due by then


def alone(shop: Shop) -> Shop:
    """The same shop with a client of its own, for one thread."""
    other = copy.copy(shop)
    other.client = Client(raise_request_exception=False)
    return other


def together(works: list[Callable[[], Any]]) -> list[Any]:
    """Their answers; a thread that raised fails the test."""
    found = at_once(works)
    assert [one for one in found if isinstance(one, Exception)] == []
    return found


def statuses(responses: list[Any]) -> Counter[int]:
    return Counter(response.status_code for response in responses)


def codes(responses: list[Any]) -> Counter[str]:
    return Counter(response.json()["code"] for response in responses if response.status_code >= 400)


def open_payment(shop: Shop, **changes: Any) -> dict[str, Any]:
    return said.made(shop.post("/payments/initiate", shop.order(**changes)))


def captured_payment(shop: Shop, **changes: Any) -> dict[str, Any]:
    payment = open_payment(shop, **changes)
    assert shop.tell(payment, "payment_intent.succeeded", said.paid(payment)).status_code == 200
    return payment


def held_payment(shop: Shop) -> dict[str, Any]:
    payment = open_payment(shop, capture="manual")
    kind = "payment_intent.amount_capturable_updated"
    assert shop.tell(payment, kind, said.held(payment)).status_code == 200
    return payment


# Initiate -----------------------------------------------------------------------------------------------------------


def test_ten_identical_initiates_make_one_payment_and_one_create_at_the_gateway(acme: Shop, busy: Busy) -> None:
    order = acme.order(reference="order-1")
    responses = together([partial(alone(acme).post, "/payments/initiate", order, key="the-key")] * 10)
    assert set(statuses(responses)) <= {201, 409}
    assert statuses(responses)[201] >= 1
    assert busy.calls() == {f"POST {SESSIONS}": 1}
    made = [response.json() for response in responses if response.status_code == 201]
    assert {one["id"] for one in made} == set(Payment.across_labs.values_list("public_id", flat=True))
    assert Payment.across_labs.count() == 1
    assert set(codes(responses)) <= {"idempotency_in_progress"}
    assert all(int(one["Retry-After"]) >= 1 for one in responses if one.status_code == 409)
    again = acme.post("/payments/initiate", order, key="the-key")
    assert (again.status_code, again["Idempotency-Replayed"], again.json()) == (201, "true", made[0])
    assert busy.calls() == {f"POST {SESSIONS}": 1}


def test_ten_orders_with_one_reference_make_one_live_payment(acme: Shop, busy: Busy) -> None:
    order = acme.order(reference="order-1")
    responses = together([partial(alone(acme).post, "/payments/initiate", order) for _ in range(10)])
    assert statuses(responses) == {201: 1, 409: 9}
    assert codes(responses) == {"reference_in_use": 9}
    winner = next(one.json()["id"] for one in responses if one.status_code == 201)
    assert {one.json()["payment"] for one in responses if one.status_code == 409} <= {winner, None}
    assert busy.calls() == {f"POST {SESSIONS}": 1}
    assert Payment.across_labs.count() == 1


def test_ten_orders_of_a_new_customer_make_the_customer_once(acme: Shop, busy: Busy) -> None:
    order = acme.order(customer={"id": "mira", "name": "Mira"})
    responses = together([partial(alone(acme).post, "/payments/initiate", order) for _ in range(10)])
    assert statuses(responses) == {201: 10}
    assert Customer.across_labs.count() == 1
    assert busy.calls() == {f"POST {SESSIONS}": 10}
    assert len({request.headers["Idempotency-Key"] for request in busy.sent}) == 10


def test_a_worker_that_was_paused_overwrites_nothing_when_it_wakes(acme: Shop, busy: Busy) -> None:
    """Its lease ran out, a repeat took the operation over and finished it: the late answer changes no row of that."""
    wakes, sleeps = threading.Event(), threading.Event()
    answers = iter([said.session(id="cs_live_first"), said.session(id="cs_live_first")])

    def create(_request: HttpRequest) -> HttpResponse:
        told = next(answers)
        if not sleeps.is_set():
            sleeps.set()
            assert wakes.wait(20)
            raise NoAnswer("ReadTimeout")  # what it would write down: outcome unknown
        return answer(told)

    busy.answers("POST", SESSIONS, create)
    found: list[Any] = []
    order = acme.order()
    paused = threading.Thread(
        target=lambda: found.append(_closing(partial(alone(acme).post, "/payments/initiate", order, key="k")))
    )
    paused.start()
    assert sleeps.wait(20)
    run_out()
    second = acme.post("/payments/initiate", order, key="k")
    assert second.status_code == 201
    before = said.everything()["payments_paymentgatewaytransaction"]
    wakes.set()
    paused.join(20)
    assert said.everything()["payments_paymentgatewaytransaction"] == before
    assert PaymentGatewayTransaction.across_labs.get().outcome == "answered"
    assert [request.headers["Idempotency-Key"] for request in busy.sent] == [f"{second.json()['id']}:initiate:1"] * 2
    assert acme.post("/payments/initiate", order, key="k").json() == second.json()


def _closing(work: Callable[[], Any]) -> Any:
    return at_once([work])[0]


def run_out() -> None:
    """The leases of everything under way are over, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE payments_paymentgatewaytransaction SET lease_until = clock_timestamp() WHERE outcome = 'sent'"
        )
        cursor.execute("UPDATE core_idempotencykey SET locked_until = clock_timestamp() WHERE state = 'running'")


# Refund, capture, void ----------------------------------------------------------------------------------------------


def one_refund(payment: Mapping[str, Any], busy: Busy) -> None:
    """The gateway gives back whatever it is asked for, each time under a new name."""

    def give_back(request: HttpRequest) -> HttpResponse:
        fields = wire_fields(request)
        return answer(said.stripe_refund(payment, int(fields["amount"]), ours=fields["metadata[refund_id]"]))

    busy.answers("POST", REFUNDS, give_back)


def test_eight_refunds_of_60_on_100_give_back_60_once(acme: Shop, busy: Busy) -> None:
    payment = captured_payment(acme, amount=100)
    one_refund(payment, busy)
    busy.sent.clear()
    wish = {"payment": payment["id"], "amount": 60}
    responses = together([partial(alone(acme).post, "/payments/refund", wish) for _ in range(8)])
    assert statuses(responses) == {201: 1, 409: 7}
    assert codes(responses) == {"refund_too_large": 7}
    assert busy.calls() == {f"POST {REFUNDS}": 1}
    assert said.state_of(payment) == ("captured", 100, 60, 60, [])
    assert said.booked(payment) == [("payment", 100), ("refund", -60)]


def test_eight_identical_refunds_give_back_once(acme: Shop, busy: Busy) -> None:
    payment = captured_payment(acme, amount=100)
    one_refund(payment, busy)
    busy.sent.clear()
    wish = {"payment": payment["id"], "amount": 10}
    responses = together([partial(alone(acme).post, "/payments/refund", wish, key="back") for _ in range(8)])
    assert set(statuses(responses)) <= {201, 409}
    assert busy.calls() == {f"POST {REFUNDS}": 1}
    assert said.state_of(payment) == ("captured", 100, 10, 10, [])
    assert Refund.across_labs.count() == 1


def test_eight_refunds_of_20_on_100_are_five(acme: Shop, busy: Busy) -> None:
    payment = captured_payment(acme, amount=100)
    one_refund(payment, busy)
    busy.sent.clear()
    wish = {"payment": payment["id"], "amount": 20}
    responses = together([partial(alone(acme).post, "/payments/refund", wish) for _ in range(8)])
    assert statuses(responses) == {201: 5, 409: 3}
    assert busy.calls() == {f"POST {REFUNDS}": 5}
    assert said.state_of(payment) == ("captured", 100, 100, 100, [])


def test_a_refund_and_the_webhook_about_it_are_one_refund(acme: Shop, busy: Busy) -> None:
    """The gateway tells of our refund from several sides while its answer is still on the way."""
    payment = captured_payment(acme, amount=100)
    told: list[Any] = []

    def give_back(request: HttpRequest) -> HttpResponse:
        made = said.stripe_refund(payment, 60, name="re_1", ours=wire_fields(request)["metadata[refund_id]"])
        kinds = ["refund.created", "refund.updated", "charge.refund.updated"]
        told.extend(at_once([partial(alone(acme).tell, payment, kind, made) for kind in kinds]))
        return answer(made)

    busy.answers("POST", REFUNDS, give_back)
    response = acme.post("/payments/refund", {"payment": payment["id"], "amount": 60})
    assert (response.status_code, response.json()["status"]) == (201, "succeeded")
    assert [one.status_code for one in told] == [200, 200, 200]
    inbox.sweep_events(due_by=FAR)
    assert said.state_of(payment) == ("captured", 100, 60, 60, [])
    assert Refund.across_labs.count() == 1
    assert said.booked(payment) == [("payment", 100), ("refund", -60)]


def test_six_captures_at_once_take_the_money_once(acme: Shop, busy: Busy) -> None:
    payment = held_payment(acme)
    busy.answers("POST", f"/v1/payment_intents/pi_{payment['id']}/capture", said.paid(payment))
    busy.sent.clear()
    responses = together([partial(alone(acme).post, f"/v1/payments/{payment['id']}/capture", {}) for _ in range(6)])
    assert statuses(responses)[200] == 1
    assert statuses(responses)[409] == 5
    assert set(codes(responses)) <= {"operation_in_flight", "wrong_state"}
    assert sum(busy.calls().values()) == 1
    assert said.state_of(payment) == ("captured", 1299, 0, 0, [])
    assert said.booked(payment) == [("payment", 1299)]


def test_capture_and_void_at_once_are_one_of_them(acme: Shop, busy: Busy) -> None:
    payment = held_payment(acme)
    path = f"/v1/payment_intents/pi_{payment['id']}"
    busy.answers("POST", f"{path}/capture", said.paid(payment))
    busy.answers("POST", f"{path}/cancel", said.intent(payment, "canceled"))
    busy.answers("GET", f"{SESSIONS}/{payment['gateway_reference']}", said.complete(payment, said.held(payment)))
    busy.answers("POST", f"{SESSIONS}/{payment['gateway_reference']}/expire", lambda _request: said.stripe_error(400))
    busy.sent.clear()
    held, ready = threading.Event(), threading.Barrier(7)

    def ask(verb: str) -> Any:
        ready.wait(20)
        assert held.wait(20)
        return alone(acme).post(f"/v1/payments/{payment['id']}/{verb}", {})

    def hold_all_of_them() -> None:
        """So that each has begun to read before any has written: what it sees after the lock must be what is then."""
        with everything_locked():
            ready.wait(20)
            held.set()
            time.sleep(0.5)

    responses = together([*[partial(ask, verb) for verb in ("capture", "void") * 3], hold_all_of_them])[:-1]
    assert statuses(responses) == {200: 1, 409: 5}
    assert PaymentGatewayTransaction.across_labs.filter(operation__in=["capture", "void"]).count() == 1
    moved = [call for call in busy.calls() if call.startswith(f"POST {path}")]
    status = said.state_of(payment)[0]
    assert moved == [f"POST {path}/{'capture' if status == 'captured' else 'cancel'}"]


# Webhooks -----------------------------------------------------------------------------------------------------------


def test_one_webhook_delivered_twenty_times_at_once_is_posted_once(acme: Shop, busy: Busy) -> None:
    payment = open_payment(acme)
    event = said.event("payment_intent.succeeded", said.paid(payment))
    responses = together([partial(alone(acme).deliver, event) for _ in range(20)])
    assert statuses(responses) == {200: 20}
    row = WebhookEvent.across_labs.get()
    assert (row.state, row.deliveries, row.event_key) == ("applied", 20, event["id"])
    assert said.history(payment)[-1] == ("pending", "captured", "webhook")
    assert said.booked(payment) == [("payment", 1299)]
    assert said.told().count("payment.captured") == 1


def test_twenty_different_webhooks_of_one_fact_are_posted_once(acme: Shop, busy: Busy) -> None:
    payment = open_payment(acme)
    kinds = ["payment_intent.succeeded", "checkout.session.completed"]
    about = [said.paid(payment), said.complete(payment, said.paid(payment))]
    works = [partial(alone(acme).tell, payment, kinds[n % 2], about[n % 2]) for n in range(20)]
    assert statuses(together(works)) == {200: 20}
    # Whoever found the payment locked left the event for the sweep.
    inbox.sweep_events(due_by=FAR)
    assert set(WebhookEvent.across_labs.values_list("state", flat=True)) == {"applied"}
    assert WebhookEvent.across_labs.count() == 20
    assert said.state_of(payment) == ("captured", 1299, 0, 0, [])
    assert said.booked(payment) == [("payment", 1299)]
    assert said.told().count("payment.captured") == 1


def test_webhooks_that_race_the_answer_to_initiate_end_in_one_payment(acme: Shop, busy: Busy) -> None:
    """The customer has paid before the answer to the create arrives, and three deliveries say so meanwhile."""
    told: list[Any] = []
    session = said.session()

    def create(request: HttpRequest) -> HttpResponse:
        payment = {
            "id": wire_fields(request)["client_reference_id"].removesuffix("-1"), "amount": 1299, "currency": "EUR",
            "mode": "live", "gateway_reference": session["id"],
        }  # fmt: skip
        paid = said.paid(payment)
        works = [partial(alone(acme).tell, payment, "payment_intent.succeeded", paid)] * 2
        works.append(partial(alone(acme).tell, payment, "checkout.session.completed", said.complete(payment, paid)))
        told.extend(at_once(works))
        return answer(session)

    busy.answers("POST", SESSIONS, create)
    payment = open_payment(acme)
    assert statuses(told) == {200: 3}
    inbox.sweep_events(due_by=FAR)
    assert said.state_of(payment) == ("captured", 1299, 0, 0, [])
    assert payment["next_action"] is None
    assert said.booked(payment) == [("payment", 1299)]


@pytest.mark.parametrize("number", range(4))
def test_a_webhook_at_the_moment_of_the_answer_is_applied_or_swept(acme: Shop, busy: Busy, number: int) -> None:
    payment = held_payment(acme)
    started = threading.Event()

    def take(_request: HttpRequest) -> HttpResponse:
        started.set()
        return answer(said.paid(payment))

    def tell() -> Any:
        assert started.wait(20)
        time.sleep(number * 0.002)
        return alone(acme).tell(payment, "payment_intent.succeeded", said.paid(payment))

    busy.answers("POST", f"/v1/payment_intents/pi_{payment['id']}/capture", take)
    busy.seconds = 0
    capture = partial(alone(acme).post, f"/v1/payments/{payment['id']}/capture", {})
    assert statuses(together([capture, tell])) == {200: 2}
    inbox.sweep_events(due_by=FAR)
    assert said.state_of(payment) == ("captured", 1299, 0, 0, [])
    assert said.booked(payment) == [("payment", 1299)]
    assert WebhookEvent.across_labs.filter(state="applied").count() == 2


def test_ten_deposits_of_one_customer_at_once_add_up(db: None, busy: Busy) -> None:
    crypto = Shop(said.Wire(), gateway="nowpayments")
    deposits = [deposit(crypto, busy, 4101567823 + n) for n in range(10)]
    works = [partial(alone(crypto).deliver, said.coins("finished", number=number, arrived="50", order_id=f"{name}-1"))
             for number, name in deposits]  # fmt: skip
    assert statuses(together(works * 2)) == {200: 20}
    inbox.sweep_events(due_by=FAR)
    balance = Entry.across_labs.filter(account__kind="customer_balance").order_by("-seq")
    assert (int(balance[0].balance_after), balance.count()) == (50_000, 10)
    assert Transaction.across_labs.filter(kind="deposit").count() == 10


def deposit(crypto: Shop, busy: Busy, number: int) -> tuple[int, str]:
    """A deposit of 50.00 USD in USDT that waits for its coins."""
    busy.answers("GET", "/v1/merchant/coins", {"selectedCurrencies": ["USDTTRC20"]})
    busy.answers("GET", "/v1/estimate", lambda _request: said.ESTIMATE)
    busy.answers("GET", "/v1/min-amount", lambda _request: said.MINIMUM)
    busy.answers("POST", "/v1/payment", lambda _request: answer(said.coins(number=number)))
    busy.seconds = 0
    wish = {**said.CRYPTO_ORDER, "purpose": "deposit", "customer": {"id": "mira", "name": "Mira"}}
    return number, said.made(crypto.post("/payments/initiate", wish))["id"]


@contextmanager
def everything_locked() -> Iterator[None]:
    """Somebody else works on every payment."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM payments_payment FOR NO KEY UPDATE")
            yield
            cursor.execute("ROLLBACK")
    finally:
        other.close()


def test_a_webhook_does_not_wait_for_a_payment_that_somebody_works_on(acme: Shop, busy: Busy) -> None:
    payment = open_payment(acme)
    works, told = threading.Event(), threading.Event()

    def hold(_work: Work) -> None:
        works.set()
        assert told.wait(20)

    def work() -> None:
        fact = Fact(key=key_facts(acme.key), report=None, cause=Cause(kind=CauseKind.API, id="x"), prepare=hold,
                    payment_id=said.stored(payment).pk)  # fmt: skip
        with transaction.atomic():
            apply_reports([fact], wait=True)

    def tell() -> Any:
        assert works.wait(20)
        began = time.monotonic()
        answered = alone(acme).tell(payment, "payment_intent.succeeded", said.paid(payment))
        seconds, state = time.monotonic() - began, WebhookEvent.across_labs.get().state
        told.set()
        return answered.status_code, state, seconds < 5

    assert together([work, tell]) == [None, (200, "new", True)]
    assert inbox.sweep_events(due_by=FAR) == 1
    assert said.state_of(payment) == ("captured", 1299, 0, 0, [])


# Sweeps and reads ---------------------------------------------------------------------------------------------------


def test_two_sweeps_at_once_apply_each_event_once(acme: Shop, busy: Busy) -> None:
    payments = [open_payment(acme) for _ in range(40)]
    with everything_locked():
        for payment in payments:
            assert acme.tell(payment, "payment_intent.succeeded", said.paid(payment)).status_code == 200
    assert set(WebhookEvent.across_labs.values_list("state", flat=True)) == {"new"}
    found = together([partial(inbox.sweep_events, limit=10, due_by=FAR)] * 4)
    assert sum(found) == 40
    assert set(WebhookEvent.across_labs.values_list("state", "tries")) == {("applied", 2)}
    assert all(said.state_of(payment) == ("captured", 1299, 0, 0, []) for payment in payments)
    assert Transaction.across_labs.filter(kind="payment").count() == 40


def test_ten_reads_of_a_status_ask_the_gateway_once(acme: Shop, busy: Busy) -> None:
    payment = open_payment(acme)
    busy.answers("GET", f"{SESSIONS}/{payment['gateway_reference']}", said.still_open(payment))
    busy.sent.clear()
    responses = together([partial(alone(acme).status, payment) for _ in range(10)])
    assert statuses(responses) == {200: 10}
    assert sum(busy.calls().values()) == 1


def test_sweeps_at_once_resolve_an_unknown_outcome_once(acme: Shop, busy: Busy) -> None:
    def lost(_request: HttpRequest) -> HttpResponse:
        raise NoAnswer("ReadTimeout")

    busy.answers("POST", SESSIONS, lost)
    assert acme.post("/payments/initiate", acme.order()).status_code == 504
    payment = Payment.across_labs.get()
    shown = {
        "id": payment.public_id,
        "amount": 1299,
        "currency": "EUR",
        "mode": "live",
        "gateway_reference": "cs_live_x",
    }
    session = said.complete(shown, said.paid(shown))
    busy.answers("GET", SESSIONS, {"object": "list", "data": [session], "has_more": False})
    busy.answers("GET", f"{SESSIONS}/cs_live_x", session)
    busy.answers(
        "GET", "/v1/payment_intents/search", {"object": "search_result", "data": [said.paid(shown)], "has_more": False}
    )
    busy.answers("GET", f"/v1/payment_intents/pi_{payment.public_id}", said.paid(shown))
    Payment.across_labs.update(next_check_at=payment.created_at)
    together([sweep] * 4)
    assert said.state_of(shown) == ("captured", 1299, 0, 0, [])
    assert said.booked(shown) == [("payment", 1299)]
    assert PaymentGatewayTransaction.across_labs.get(operation="initiate").outcome == "answered"
