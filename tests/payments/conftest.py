"""What tests of payments share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import connection

from core import checks as core_checks
from core import encryption, shared_redis
from core.gateways import registry
from core.gateways.testing import MemoryCache
from core.gateways.types import Mode
from core.models import Lab
from finance import checks as finance_checks
from payments import checks as payments_checks
from payments import doorbell
from payments.models import PaymentGatewayKey
from payments.services import keys
from tests.payments import builders
from tests.payments.shop import Shop, Wire


@pytest.fixture(autouse=True)
def _no_memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No keys or opened gateways remembered from another test's database; nobody is rung."""
    encryption.forget_cached_keys()
    keys._opened.cache_clear()
    shared_redis.pause.end()
    monkeypatch.setattr(doorbell, "ring", lambda *_: None)
    yield
    encryption.forget_cached_keys()
    keys._opened.cache_clear()


@pytest.fixture(autouse=True)
def _invariants_hold_afterwards(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every invariant of the books, states and tenancy after every test that wrote to the database."""
    wrote = {"db", "transactional_db"} & set(request.fixturenames) or request.node.get_closest_marker("django_db")
    if not wrote:
        yield
        return
    request.getfixturevalue("transactional_db" if "transactional_db" in request.fixturenames else "db")
    yield
    if request.node.get_closest_marker("breaks_invariants") is None:
        _fire_what_waits_for_the_commit()
        assert broken_invariants() == []


def _fire_what_waits_for_the_commit() -> None:
    """A test that is rolled back never commits: let the deferred guards look all the same."""
    if connection.in_atomic_block and not connection.needs_rollback:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")


def broken_invariants() -> list[str]:
    broken: list[str] = []
    with connection.cursor() as cursor:  # most tests make no payment: they need no thirty questions
        cursor.execute("SELECT EXISTS (SELECT 1 FROM payments_payment) OR EXISTS (SELECT 1 FROM finance_transaction)")
        if not cursor.fetchone()[0]:
            return broken
    for name, sql in (*core_checks.CHECKS, *finance_checks.CHECKS, *payments_checks.CHECKS):
        with connection.cursor() as cursor:
            cursor.execute(sql)
            broken += [f"{name}: {row}" for row in cursor.fetchmany(3)]
    return broken


@pytest.fixture
def lab(db: None) -> Lab:
    return builders.make_lab()


@pytest.fixture
def stripe_key(lab: Lab) -> PaymentGatewayKey:
    return builders.make_gateway_key(lab, "stripe")


@pytest.fixture
def nowpayments_key(lab: Lab) -> PaymentGatewayKey:
    return builders.make_gateway_key(lab, "nowpayments")


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """Every gateway talks to this script. Nothing may be asked that the test did not expect."""
    made = Wire()
    monkeypatch.setattr(registry, "_http", lambda cls, mode: made)
    monkeypatch.setattr(registry, "GatewayCache", lambda scope: MemoryCache())
    yield made
    assert made.unexpected == []


@pytest.fixture
def shop(db: None, wire: Wire) -> Shop:
    """A lab with a live Stripe account."""
    return Shop(wire)


@pytest.fixture
def test_mode_shop(shop: Shop, wire: Wire) -> Shop:
    """The same lab with its test account."""
    return Shop(wire, lab=shop.lab, mode=Mode.TEST)


@pytest.fixture
def other_shop(db: None, wire: Wire) -> Shop:
    """Another lab, likewise with a live Stripe account."""
    return Shop(wire, lab=builders.make_lab("Other"))


@pytest.fixture
def crypto(db: None, wire: Wire) -> Shop:
    """A lab with a live NOWPayments account: no idempotency keys, no holds, no refunds."""
    return Shop(wire, lab=builders.make_lab("Crypto"), gateway="nowpayments")
