import pytest

from core.gateways.contract import GatewayContract
from tests.clients.phonepe.case import CASE


@pytest.mark.parametrize("case", [CASE], ids=lambda case: case.slug)
class TestHere(GatewayContract): ...
