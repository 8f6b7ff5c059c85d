"""A dispute has a name of its own, or is known by its payment: never is one asked for under somebody else's name."""

from __future__ import annotations

import pytest

from core.gateways.port import CanFetchDisputes
from core.gateways.testing import FakeHttp, GatewayCase
from core.gateways.types import DisputeNames, NotFound
from tests.clients.test_contract import ALL_CASES


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: case.slug)
def test_a_dispute_without_a_name_is_asked_for_by_its_payment_or_not_at_all(case: GatewayCase) -> None:
    http = FakeHttp()
    gateway = case.open(http)
    if not isinstance(gateway, CanFetchDisputes):
        pytest.skip(f"{case.slug} cannot fetch disputes")
    names = DisputeNames(payment=case.names("13900123"))
    if case.slug == "pesopay":  # the only one that knows a dispute by its payment (tests/payments/test_market.py)
        with pytest.raises(AssertionError, match="no answer for POST"):
            gateway.fetch_dispute(names)
    else:
        assert (isinstance(gateway.fetch_dispute(names), NotFound), http.sent) == (True, [])
