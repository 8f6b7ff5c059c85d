"""Round trips are the cost, so their number is a promise: statements and commits of each hot path, counted exactly.

Counted from the first to the last statement of the request, authentication included; BEGIN and COMMIT apart. A smaller
number is good news: lower the figure here and in docs/performance.md.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.gateways import registry
from core.gateways.testing import FakeHttp, answer
from core.models import Lab
from payments import inbox
from payments.models import PaymentGatewayKey, WebhookEvent
from payments.services import keys
from tests.clients.stripe import objects as stripe
from tests.payments import builders

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = builders.CREDENTIALS["stripe"]["webhook_secret"]
WEBHOOK = 5  # key, inbox row, find and lock, write, ledger
STATUS_FINAL = 2  # API key, payment
INITIATE = 8  # API key, idempotency key, customer, gateway keys, payment | lock, write ... and no more


class Counted:
    statements = 0
    commits = 0
    texts: list[str]


@contextmanager
def counted() -> Iterator[Counted]:
    found = Counted()
    with CaptureQueriesContext(connection) as captured:
        yield found
    found.texts = [query["sql"] for query in captured.captured_queries]
    found.commits = sum(text.startswith("COMMIT") for text in found.texts)
    found.statements = sum(not text.startswith(("BEGIN", "COMMIT", "ROLLBACK")) for text in found.texts)


@pytest.fixture
def warm(stripe_key: PaymentGatewayKey) -> PaymentGatewayKey:
    """Data keys and secrets are in the memory of the process, as after the first request."""
    keys.open_key(keys.key_row_of(stripe_key)).read_webhook  # noqa: B018
    keys.key_row_of(stripe_key).webhook_url()
    return stripe_key


def paid_event(reference: str, number: int) -> bytes:
    subject = {
        "id": f"cs_live_{number}", "object": "checkout.session", "mode": "payment", "status": "complete",
        "payment_status": "paid", "amount_total": 1299, "currency": "eur", "livemode": True,
        "client_reference_id": reference, "payment_intent": f"pi_{number}", "metadata": {"payment_id": reference},
    }  # fmt: skip
    return json.dumps({
        "id": f"evt_{number}", "object": "event", "type": "checkout.session.completed", "livemode": True,
        "created": 1790000000, "data": {"object": subject},
    }).encode()  # fmt: skip


def post_webhook(key: PaymentGatewayKey, body: bytes) -> Any:
    path = keys.key_row_of(key).webhook_url().split("/", 3)[3]
    header = stripe.signature(body, SECRET, at=int(time.time()))
    return Client().post(f"/{path}", body, content_type="application/json", headers={"Stripe-Signature": header})


def test_a_webhook_with_full_effect_takes_five_statements_in_one_commit(lab: Lab, warm: PaymentGatewayKey) -> None:
    prepared = builders.make_payment(lab, reference="order-1")
    with counted() as cost:
        response = post_webhook(warm, paid_event(prepared.request.reference, 1))
    assert response.status_code == 200
    state = builders.read(prepared.state.id)
    assert (state.status, state.captured) == ("captured", 1299)
    assert (cost.statements, cost.commits) == (WEBHOOK, 1), "\n".join(cost.texts)


@pytest.mark.parametrize("size", [1, 500])
def test_a_batch_costs_no_more_statements_than_one_event(lab: Lab, warm: PaymentGatewayKey, size: int) -> None:
    prepared = [builders.make_payment(lab) for _ in range(size)]
    gateway = keys.open_key(keys.key_row_of(warm))
    for number, one in enumerate(prepared):
        body = paid_event(one.request.reference, number)
        delivery = stripe.delivery(body, SECRET, at=int(time.time()))
        received = inbox.Received(
            key=keys.key_row_of(warm).facts, delivery=delivery, reading=gateway.read_webhook(delivery)
        )
        inbox._insert(received, state=inbox.EventState.NEW)
    WebhookEvent.across_labs.update(next_try_at=None)
    with counted() as cost:
        assert inbox.sweep_events() == size
    assert {builders.read(one.state.id).status for one in prepared} == {"captured"}
    assert (cost.statements, cost.commits) == (WEBHOOK - 1, 1), "\n".join(text[:90] for text in cost.texts)


def test_the_status_of_a_final_payment_takes_two_statements(lab: Lab, warm: PaymentGatewayKey) -> None:
    prepared = builders.make_payment(lab)
    post_webhook(warm, paid_event(prepared.request.reference, 1))
    client, token = Client(), builders.make_api_key(lab)
    headers = {"Authorization": f"Bearer {token}"}
    client.get(f"/payments/status/{prepared.state.public_id}", headers=headers)
    with counted() as cost:
        response = client.get(f"/payments/status/{prepared.state.public_id}", headers=headers)
    assert response.json()["status"] == "captured"
    assert (cost.statements, cost.commits) == (STATUS_FINAL, 0), "\n".join(cost.texts)


def test_an_initiate_takes_eight_statements_in_two_commits(
    lab: Lab, warm: PaymentGatewayKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = FakeHttp({("POST", "/v1/checkout/sessions"): answer(stripe.session(livemode=True))})
    monkeypatch.setattr(registry, "_http", lambda *_: http)
    keys._opened.cache_clear()
    headers = {"Authorization": f"Bearer {builders.make_api_key(lab)}"}
    body = {"amount": 1299, "currency": "EUR", "customer": {"id": "c1", "name": "Mira"}, "reference": "order-9"}
    with counted() as cost:
        response = Client().post(
            "/payments/initiate", json.dumps(body), content_type="application/json",
            headers={**headers, "Idempotency-Key": "first"},
        )  # fmt: skip
    assert response.status_code == 201, response.content
    assert (cost.statements, cost.commits) == (INITIATE, 2), "\n".join(text[:90] for text in cost.texts)
