"""Many customers at one link in the same moment, each with a database connection of their own."""

from __future__ import annotations

from typing import Any

import pytest

from core.gateways.testing import answer
from core.models import IdempotencyKey
from payments.models import OnlinePayment, Payment
from tests.database import at_once
from tests.payments import builders
from tests.payments.pages.conftest import visitor
from tests.payments.pages.test_link_page import make_link, nonce_in, path_of
from tests.payments.shop import Shop, Wire, session

pytestmark = pytest.mark.concurrency


def sessions(wire: Wire) -> None:
    """A new session for everybody who asks for one."""
    wire.script(*(answer(session()) for _ in range(10)))


@pytest.fixture
def racing_shop(transactional_db: None, wire: Wire) -> Shop:
    return Shop(wire, lab=builders.make_lab("Race"))


def post_at_once(link: OnlinePayment, nonces: list[str]) -> list[Any]:
    path = path_of(link)
    return at_once([lambda nonce=nonce: visitor().post(path, {"nonce": nonce}) for nonce in nonces])


def test_ten_customers_at_a_link_for_one_make_one_payment(racing_shop: Shop) -> None:
    link = make_link(racing_shop, max_uses=1)
    nonces = [nonce_in(visitor().get(path_of(link))) for _ in range(10)]
    sessions(racing_shop.wire)
    answers = post_at_once(link, nonces)
    assert sorted(one.status_code for one in answers) == [303] + [410] * 9
    link.refresh_from_db()
    assert (Payment.across_labs.count(), link.uses, len(racing_shop.wire.sent)) == (1, 1, 1)
    assert IdempotencyKey.across_labs.count() == 1


def test_ten_clicks_on_one_button_make_one_payment(racing_shop: Shop) -> None:
    link = make_link(racing_shop)
    nonce = nonce_in(visitor().get(path_of(link)))
    sessions(racing_shop.wire)
    answers = post_at_once(link, [nonce] * 10)
    assert {one.status_code for one in answers} == {303}
    assert len({one["Location"] for one in answers}) == 1
    link.refresh_from_db()
    assert (Payment.across_labs.count(), link.uses, len(racing_shop.wire.sent)) == (1, 1, 1)
