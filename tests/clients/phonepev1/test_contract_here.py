import pytest

from core.gateways.contract import GatewayContract
from tests.clients.phonepev1.case import CASE


@pytest.mark.parametrize("case", [CASE], ids=["phonepev1"])
class TestHere(GatewayContract):
    pass
