from __future__ import annotations

import pytest

from core.gateways.contract import GatewayContract
from tests.clients.paytabs.case import CASE


@pytest.mark.parametrize("case", [CASE], ids=lambda case: case.slug)
class TestPayTabs(GatewayContract):
    pass
