"""What tests of the endpoints share."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from core.gateways.testing import Script, answer
from tests.payments import builders
from tests.payments.api.contract import conforms
from tests.payments.shop import PREFLIGHT, Shop, coins

_keys = itertools.count(1)


class Caller:
    """A shop's program, whose every answer must be as documented."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def get(self, path: str, **options: Any) -> Any:
        return conforms(self.shop.get(path, **options))

    def read(self, path: str, **options: Any) -> Any:
        """The body of an answer that must be 200."""
        response = self.get(path, **options)
        assert response.status_code == 200, response.content
        return response.json()

    def post(self, path: str, body: Any = None, *, key: str | None = "", **options: Any) -> Any:
        return conforms(self.shop.post(path, {} if body is None else body, key=key, **options))

    def patch(self, path: str, body: Any, *, token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token or self.shop.token}"}
        text = body if isinstance(body, str) else json.dumps(body)
        return conforms(
            self.shop.client.generic("PATCH", path, data=text, content_type="application/json", headers=headers)
        )

    def delete(self, path: str, *, token: str | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token or self.shop.token}"}
        return conforms(self.shop.client.generic("DELETE", path, headers=headers))

    def token(self, *scopes: str) -> str:
        return builders.make_api_key(self.shop.lab, self.shop.mode, list(scopes))

    def refused(self, response: Any, status: int, code: str) -> dict[str, Any]:
        problem: dict[str, Any] = response.json()
        assert (response.status_code, problem["status"], problem["code"]) == (status, status, code), response.content
        return problem


def coin_routes(number: int = 4_101_567_823) -> Script:
    """What NOWPayments answers to a deposit, by address: the list of coins is remembered, so its place is not sure."""
    listed, estimate, minimum = PREFLIGHT
    return {
        ("GET", "/v1/merchant/coins"): listed,
        ("GET", "/v1/estimate"): estimate,
        ("GET", "/v1/min-amount"): minimum,
        ("POST", "/v1/payment"): answer(coins(number=number)),
    }


@pytest.fixture
def caller(shop: Shop) -> Caller:
    return Caller(shop)


@pytest.fixture
def call_as() -> Callable[[Shop], Caller]:
    return Caller
