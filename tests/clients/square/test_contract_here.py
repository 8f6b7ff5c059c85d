import pytest
from core.gateways import contract
from core.gateways.contract import GatewayContract
from core.gateways.types import DisputeStatus, Operation, Subject
from tests.clients.square.case import CASE, SquareCase


class Local(SquareCase):
    def exchanges(self):
        return [o for o in super().exchanges() if o.operation not in {Operation.DELETE_SAVED, Operation.FETCH_DISPUTE}]


class Odd(SquareCase):
    def exchanges(self):
        return [o for o in super().exchanges() if o.operation in {Operation.DELETE_SAVED, Operation.FETCH_DISPUTE}]


@pytest.mark.parametrize("case", [Local()], ids=["local"])
class TestHere(GatewayContract):
    pass


WORDS = (
    "lost",
    "never_sent",
    "too_many",
    "server_error",
    "unreadable",
    "wrong_shape",
    "declared_hosts",
    "every_parameter",
)


@pytest.mark.parametrize("case", [Odd()], ids=["odd"])
class TestOdd:
    for _n, _f in vars(GatewayContract).items():
        if any(map(_n.__contains__, WORDS)):
            locals()[_n] = _f
