"""What asks for a fetch is not forgotten because something else happens at the same moment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.gateways.testing import answer
from core.gateways.types import Mode, PaymentStatus, Report, Subject
from core.http import HttpRequest
from payments import sweep
from payments.services import fetching
from payments.states import CauseKind, Verdict
from tests.payments import builders
from tests.payments.shop import Shop, Wire, complete, paid, state_of, still_open, stored

pytestmark = pytest.mark.django_db


def hint(payment: dict[str, Any]) -> Report:
    return Report(
        about=Subject.PAYMENT, status=PaymentStatus.CAPTURED, reference=f"{payment['id']}-1", gateway_reference=None,
        mode=Mode.LIVE, asset="EUR", captured_minor=1299, is_hint=True,
    )  # fmt: skip


def is_due(payment: dict[str, Any]) -> bool:
    next_check_at = stored(payment).next_check_at
    return next_check_at is not None and next_check_at <= clock.now()


def test_a_hint_that_comes_while_a_fetch_is_under_way_is_asked_about_after_it(shop: Shop, wire: Wire) -> None:
    """The customer's return polls while the webhook arrives: the answer on its way may be older than the payment."""
    payment = shop.open_payment()

    def meanwhile(_request: HttpRequest) -> None:
        assert builders.tell(shop.key, hint(payment)).verdict is Verdict.HINT

    wire.script(answer(still_open(payment)))
    wire.meanwhile = meanwhile
    fetching.refresh(stored(payment).pk)
    assert is_due(payment)
    wire.script(answer(complete(payment, paid(payment))))
    sweep.sweep()
    assert state_of(payment) == ("captured", 1299, 0, 0, [])


def test_a_fetch_without_news_makes_the_plan_anew(shop: Shop, wire: Wire) -> None:
    payment = shop.open_payment()
    builders.tell(shop.key, hint(payment))
    wire.script(answer(still_open(payment)))
    fetching.refresh(stored(payment).pk)
    assert not is_due(payment)


@pytest.mark.parametrize("status", [PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION])
def test_a_hint_is_asked_about_although_another_event_came_first(shop: Shop, status: PaymentStatus) -> None:
    payment = shop.open_payment()
    builders.tell(shop.key, hint(payment))
    other = Report(
        about=Subject.PAYMENT, status=status, reference=f"{payment['id']}-1", gateway_reference="pi_1", asset="EUR"
    )
    builders.tell(shop.key, other)
    assert is_due(payment)


def test_time_does_not_end_a_payment_that_a_part_has_arrived_of(shop: Shop, wire: Wire) -> None:
    payment = shop.open_payment()
    part = Report(
        about=Subject.PAYMENT, status=PaymentStatus.PENDING, reference=f"{payment['id']}-1", gateway_reference="pi_1",
        asset="EUR", captured_minor=500,
    )  # fmt: skip
    builders.tell(shop.key, part)
    wire.script(answer(still_open(payment)))
    with clock.fixed(clock.now() + timedelta(days=3)):
        sweep.sweep()
    assert len(wire.sent) == 1
    assert state_of(payment)[0] == "pending"
    assert stored(payment).received == 500


def test_an_answer_that_was_on_its_way_when_a_claim_came_does_not_confirm_it(shop: Shop) -> None:
    """Only a fetch that began after the claim says what became of the money."""
    payment = shop.captured_payment()
    before = builders.read(stored(payment).pk)
    failed = Report(
        about=Subject.PAYMENT, status=PaymentStatus.FAILED, reference=f"{payment['id']}-1", gateway_reference="pi_1",
        asset="EUR",
    )  # fmt: skip
    assert builders.tell(shop.key, failed).verdict is Verdict.CLAIM
    early = builders.tell(shop.key, failed, kind=CauseKind.FETCH, payment_id=before.id, seen=before)
    assert (early.verdict, state_of(payment)[4]) == (Verdict.CLAIM, [])
    after = builders.read(before.id)
    asked = builders.tell(shop.key, failed, kind=CauseKind.FETCH, payment_id=before.id, seen=after)
    assert (asked.verdict, state_of(payment)[4]) == (Verdict.CONTRADICTION, ["gateway_disagrees"])


def test_a_hint_in_answer_to_a_question_is_not_asked_about_again(shop: Shop) -> None:
    """A gateway that answers every question with a hint would be asked for ever."""
    payment = shop.open_payment()
    fact = builders.tell(shop.key, hint(payment), kind=CauseKind.FETCH, payment_id=stored(payment).pk)
    assert fact.verdict is Verdict.HINT
    assert not is_due(payment)
