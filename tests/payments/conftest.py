"""What tests of payments share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core import encryption, shared_redis
from core.models import Lab
from payments import doorbell
from payments.models import PaymentGatewayKey
from payments.services import keys
from tests.payments import builders


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


@pytest.fixture
def lab(db: None) -> Lab:
    return builders.make_lab()


@pytest.fixture
def stripe_key(lab: Lab) -> PaymentGatewayKey:
    return builders.make_gateway_key(lab, "stripe")


@pytest.fixture
def nowpayments_key(lab: Lab) -> PaymentGatewayKey:
    return builders.make_gateway_key(lab, "nowpayments")
