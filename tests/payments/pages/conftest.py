"""Customers in front of the pages."""

from __future__ import annotations

import ipaddress
import itertools
import random
from typing import Any

import pytest
from django.test import Client

from payments.services import initiate, orders
from tests.payments import builders
from tests.payments.shop import Shop

_addresses = itertools.count(random.randrange(1, 2**31))


def visitor(**options: Any) -> Client:
    """A browser at a network address of its own: limits count by address, in a Redis that all tests share."""
    address = str(ipaddress.ip_address(2**120 + next(_addresses)))
    return Client(REMOTE_ADDR=address, raise_request_exception=False, **options)


@pytest.fixture
def customer() -> Client:
    return visitor()


def path_of(payment: dict[str, Any]) -> str:
    """The path of a payment's page."""
    return "/" + str(payment["pay_url"]).split("/", 3)[3]


def path_of_prepared(prepared: initiate.Prepared) -> str:
    return f"/pay/{orders.page_token(prepared.state)}"


def tell_crypto(crypto: Shop, payment: dict[str, Any], body: dict[str, Any]) -> None:
    """NOWPayments delivers its news about a payment."""
    answered = crypto.deliver({**body, "order_id": f"{payment['id']}-1"})
    assert answered.status_code == 200, answered.content


__all__ = ["builders", "path_of", "path_of_prepared", "tell_crypto", "visitor"]
