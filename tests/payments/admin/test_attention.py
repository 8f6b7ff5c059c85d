"""What wants a person's attention is marked as seen at the desk, and comes back with news; disputes are asked about there."""

from __future__ import annotations

from typing import Any

import pytest

from core import audit
from core.gateways.testing import answer
from core.gateways.types import DisputeStatus
from core.models import AuditLog
from payments import sweep
from payments.models import Dispute, Payment
from tests.clients.stripe import objects as stripe
from tests.payments.admin.conftest import Person, make_person, page
from tests.payments.api.objects import disputed
from tests.payments.shop import (
    Shop,
    Wire,
    complete,
    made,
    paid,
    state_of,
    stored,
    stripe_refund,
    told,
)

pytestmark = pytest.mark.django_db
LIST = page("payments.payment")


@pytest.fixture
def owner(shop: Shop) -> Person:
    return make_person(shop.lab)


@pytest.fixture
def short(shop: Shop) -> dict[str, Any]:
    """A payment of which only a part came."""
    payment = shop.open_payment()
    shop.tell(payment, "payment_intent.succeeded", paid(payment, 1000))
    assert state_of(payment)[4] == ["underpaid"]
    return payment


def mark(person: Person, payment: dict[str, Any], word: str = "underpaid") -> Any:
    return person.post(page("payments.payment", payment["id"], "seen"), {"attention": word})


def marked(payment: dict[str, Any]) -> list[str]:
    return list(stored(payment).attention_seen)


def test_it_leaves_every_list_and_stays_with_the_payment(shop: Shop, owner: Person, short: dict[str, Any]) -> None:
    address = page("payments.payment", short["id"])
    assert "Mark as seen" in owner.words(address)
    assert "underpaid 1" in owner.words("/admin/")
    assert mark(owner, short).headers["Location"] == address
    words = owner.words(address)
    assert ("Mark as seen" in words, "Less arrived than was asked for. Marked as seen." in words) == (False, True)
    assert f"Marked as seen: underpaid by {owner.user.username}" in words
    for query in ("attention=any", "attention=underpaid"):
        assert short["id"] not in owner.text(f"{LIST}?{query}")
    assert "underpaid 1" not in owner.words("/admin/")
    assert (state_of(short)[4], marked(short)) == (["underpaid"], ["underpaid"])


def test_the_api_shows_what_nobody_has_seen(shop: Shop, owner: Person, short: dict[str, Any]) -> None:
    def shown() -> tuple[Any, int]:
        one = made(shop.get(f"/v1/payments/{short['id']}"), 200)["attention"]
        return one, len(made(shop.get("/v1/payments?attention=any"), 200)["data"])

    assert shown() == (["underpaid"], 1)
    mark(owner, short)
    assert shown() == ([], 0)
    moments = made(shop.get(f"/v1/payments/{short['id']}/timeline"), 200)["data"]
    assert (moments[-1]["kind"], moments[-1]["text"]) == ("staff", "Staff marked it as seen: underpaid.")


def test_it_is_in_the_audit_log_and_no_status_moved(shop: Shop, owner: Person, short: dict[str, Any]) -> None:
    before = stored(short).transition_seq
    mark(owner, short)
    row = AuditLog.objects.for_lab(shop.lab).get(action="payment.attention_seen")
    assert (row.actor, row.object_id, row.changes) == (owner.user, short["id"], {"attention": "underpaid"})
    assert audit.verify_chain(shop.lab) == []
    assert stored(short).transition_seq == before


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 302), ("manager", 302), ("finance", 302), ("support", 403), ("viewer", 403)]
)
def test_who_may(shop: Shop, short: dict[str, Any], role: str, status: int) -> None:
    person = make_person(shop.lab, role)
    is_offered = "Mark as seen" in person.words(page("payments.payment", short["id"]))
    assert (mark(person, short).status_code, is_offered) == (status, status == 302)
    assert marked(short) == (["underpaid"] if status == 302 else [])


def test_nobody_of_another_lab_and_never_by_a_link(
    shop: Shop, other_shop: Shop, owner: Person, short: dict[str, Any]
) -> None:
    stranger = make_person(other_shop.lab)
    assert mark(stranger, short).status_code == 302  # as for a payment that is not there
    assert owner.get(page("payments.payment", short["id"], "seen")).status_code == 405
    assert (marked(short), AuditLog.across_labs.filter(action="payment.attention_seen").count()) == ([], 0)


@pytest.mark.parametrize("word", ["", "nonsense", "overpaid"])
def test_what_is_not_there_cannot_be_seen(owner: Person, short: dict[str, Any], word: str) -> None:
    assert mark(owner, short, word).status_code == 302
    assert (marked(short), AuditLog.across_labs.filter(action="payment.attention_seen").count()) == ([], 0)


def test_twice_is_once(owner: Person, short: dict[str, Any]) -> None:
    mark(owner, short)
    mark(owner, short)
    assert AuditLog.across_labs.filter(action="payment.attention_seen").count() == 1


# It comes back --------------------------------------------------------------------------------------------------------


def fetched(shop: Shop, wire: Wire, payment: dict[str, Any], amount: int) -> None:
    """Asked by the sweep; the gateway says that so much came."""
    Payment.across_labs.update(next_check_at=stored(payment).created_at, last_checked_at=None)
    wire.script(answer(complete(payment, paid(payment, amount))))
    sweep.sweep()
    assert wire.unanswered == 0


def test_asking_and_finding_the_same_is_no_news(shop: Shop, wire: Wire, owner: Person, short: dict[str, Any]) -> None:
    mark(owner, short)
    fetched(shop, wire, short, 1000)
    assert (marked(short), told()) == (["underpaid"], ["payment.attention"])


def test_more_money_is_news_although_the_word_is_the_same(
    shop: Shop, wire: Wire, owner: Person, short: dict[str, Any]
) -> None:
    mark(owner, short)
    fetched(shop, wire, short, 1200)
    assert (state_of(short)[4], marked(short)) == (["underpaid"], [])
    assert told() == ["payment.attention", "payment.attention"]


def test_another_delivery_is_news(shop: Shop, owner: Person, short: dict[str, Any]) -> None:
    mark(owner, short)
    shop.tell(short, "payment_intent.succeeded", paid(short, 1000))
    assert marked(short) == []


def test_what_is_resolved_is_not_remembered_as_seen(shop: Shop, owner: Person, short: dict[str, Any]) -> None:
    mark(owner, short)
    shop.tell(short, "payment_intent.succeeded", paid(short))
    assert (state_of(short), marked(short)) == (("captured", 1299, 0, 0, []), [])


def test_a_second_failed_refund_is_news(shop: Shop, owner: Person) -> None:
    payment = shop.captured_payment()
    for number in (1, 2):
        refund = made(
            shop.refund(payment, answer(stripe_refund(payment, 100, "pending", name=f"re_{number}")), amount=100)
        )
        failed = stripe_refund(payment, 100, "failed", name=f"re_{number}", ours=f"{refund['id']}-1")
        shop.tell(payment, "refund.failed", failed)
        assert (state_of(payment)[4], marked(payment)) == (["refund_failed"], [])
        mark(owner, payment, "refund_failed")


# Disputes -------------------------------------------------------------------------------------------------------------


def test_a_lost_dispute_is_over_once_somebody_has_seen_it(shop: Shop, owner: Person) -> None:
    payment = shop.captured_payment()
    disputed(shop, payment, name="du_1")
    mark(owner, payment, "disputed")
    assert (state_of(payment)[4], marked(payment)) == (["disputed"], ["disputed"])
    disputed(shop, payment, DisputeStatus.LOST, name="du_1")  # the verdict is news
    assert (state_of(payment)[4], marked(payment)) == (["disputed"], [])
    mark(owner, payment, "disputed")
    assert (state_of(payment)[4], marked(payment)) == ([], [])
    assert made(shop.get(f"/v1/payments/{payment['id']}"), 200)["dispute_status"] == "withdrawn"


def test_the_dispute_page_asks_the_gateway_now(shop: Shop, wire: Wire, owner: Person) -> None:
    payment = shop.captured_payment()
    found = disputed(shop, payment, withdrawn=0)
    address = page("payments.dispute", found["id"])
    assert "Ask the gateway now" in owner.words(address)
    lost = stripe.dispute(id=found["gateway_reference"], status="lost", livemode=True)
    wire.script(answer(complete(payment, paid(payment))), answer(lost))
    response = owner.post(page("payments.dispute", found["id"], "ask"))
    assert (response.status_code, response.headers["Location"]) == (302, address)
    assert (Dispute.across_labs.get().status, wire.unanswered) == ("lost", 0)
    wire.script()
    owner.post(page("payments.dispute", found["id"], "ask"))  # a moment later nobody is asked
    assert wire.sent == []


def test_the_payment_page_asks_about_its_open_disputes(shop: Shop, wire: Wire, owner: Person) -> None:
    payment = shop.captured_payment()
    found = disputed(shop, payment, withdrawn=0)
    won = stripe.dispute(id=found["gateway_reference"], status="won", livemode=True, balance_transactions=[])
    wire.script(answer(complete(payment, paid(payment))), answer(won))
    owner.post(page("payments.payment", payment["id"], "ask"))
    assert (Dispute.across_labs.get().status, wire.unanswered) == ("won", 0)


@pytest.mark.parametrize(("role", "status"), [("support", 302), ("finance", 403), ("viewer", 403)])
def test_who_may_ask_about_a_dispute(shop: Shop, wire: Wire, role: str, status: int) -> None:
    payment = shop.captured_payment()
    found = disputed(shop, payment, withdrawn=0)
    person = make_person(shop.lab, role)
    same = stripe.dispute(id=found["gateway_reference"], livemode=True, balance_transactions=[])
    wire.script(answer(complete(payment, paid(payment))), answer(same))
    assert person.post(page("payments.dispute", found["id"], "ask")).status_code == status
    assert len(wire.sent) == (2 if status == 302 else 0)
    assert person.get(page("payments.dispute", found["id"], "ask")).status_code == 405
