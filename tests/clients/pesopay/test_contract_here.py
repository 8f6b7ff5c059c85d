from __future__ import annotations

import pytest

from core.gateways.contract import GatewayContract
from tests.clients.pesopay.case import CASE


@pytest.mark.parametrize("case", [CASE], ids=lambda case: case.slug)
class TestPesoPay(GatewayContract):
    pass
