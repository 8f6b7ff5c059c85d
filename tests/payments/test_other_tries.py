"""A payment that went on to a second account: what the first one says later, and what it must never undo."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.api import idempotency
from core.gateways import registry
from core.gateways.errors import GatewayUnavailable, OutcomeUnknown
from core.gateways.testing import answer
from core.gateways.types import (
    Mode,
    NextAction,
    PaymentStatus,
    Redirect,
    RefundStatus,
    Report,
    SavedMethod,
    Subject,
)
from core.http import NotSent
from payments import loading
from payments.models import GatewayReference, Payment, PaymentGatewayKey, Refund
from payments.services import initiate, resuming
from payments.services.errors import WrongState
from payments.services.exchanges import Asked
from payments.states import Verdict
from tests.payments import builders
from tests.payments.shop import Shop, booked, session, stripe_refund

S = PaymentStatus


@pytest.fixture
def second(shop: Shop) -> PaymentGatewayKey:
    key = builders.make_gateway_key(shop.lab, "stripe", secret_key="sk_live_51Second0123456789")
    PaymentGatewayKey.across_labs.filter(pk=key.pk).update(priority=200)
    return key


@pytest.fixture
def payment(shop: Shop, second: PaymentGatewayKey) -> Payment:
    """The first account could not be reached; the second gave the customer a page."""
    response = shop.initiate(NotSent("refused"), answer(session(id="cs_second")))
    assert response.status_code == 201, response.content
    return Payment.across_labs.get()


def said(payment: Payment, status: PaymentStatus | None, *, number: int = 1, **facts: object) -> Report:
    known: dict[str, object] = {
        "about": Subject.PAYMENT, "status": status, "reference": f"{payment.public_id}-{number}",
        "gateway_reference": f"pi_try_{number}", "mode": Mode.LIVE, "asset": "EUR", **facts,
    }  # fmt: skip
    return Report(**known)  # type: ignore[arg-type]


def paid(payment: Payment, *, number: int = 1, amount: int | None = 1299) -> Report:
    return said(payment, S.CAPTURED, number=number, captured_minor=amount)


@pytest.mark.parametrize("end", [S.FAILED, S.EXPIRED, S.VOIDED])
def test_the_end_of_an_abandoned_try_does_not_end_the_payment(shop: Shop, payment: Payment, end: PaymentStatus) -> None:
    fact = builders.tell(shop.key, said(payment, end))
    payment.refresh_from_db()
    assert (fact.verdict, payment.status, payment.attention) == (Verdict.LATE_NEWS, "pending", [])


def test_an_abandoned_try_neither_renames_the_payment_nor_sends_its_customer_elsewhere(
    shop: Shop, payment: Payment
) -> None:
    before = (payment.next_action, payment.gateway_reference)
    elsewhere: NextAction = Redirect(url="https://checkout.stripe.com/old")
    builders.tell(shop.key, said(payment, S.REQUIRES_ACTION, next_action=elsewhere))
    payment.refresh_from_db()
    assert (payment.status, (payment.next_action, payment.gateway_reference)) == ("pending", before)


def test_names_are_kept_for_the_account_that_told_them(shop: Shop, second: PaymentGatewayKey, payment: Payment) -> None:
    builders.tell(shop.key, said(payment, S.PENDING))
    kept = GatewayReference.across_labs.filter(reference="pi_try_1").values_list("gateway_key_id", flat=True)
    assert list(kept) == [shop.key.pk]
    nameless = said(payment, S.CAPTURED, captured_minor=1299, reference=None)
    assert builders.tell(shop.key, nameless).verdict is Verdict.APPLIED


def test_a_question_names_only_what_its_account_knows(shop: Shop, second: PaymentGatewayKey, payment: Payment) -> None:
    builders.tell(shop.key, said(payment, S.PENDING))
    names = builders.read(payment.pk).names()
    assert (names.reference, names.gateway_reference) == (f"{payment.public_id}-2", "cs_second")
    assert names.other_references == ()


def test_late_money_takes_the_payment_to_its_account_by_its_names(shop: Shop, payment: Payment) -> None:
    builders.tell(shop.key, paid(payment))
    names = builders.read(payment.pk).names()
    assert (names.reference, names.gateway_reference) == (f"{payment.public_id}-1", "pi_try_1")
    loaded = loading.by_id(payment.pk)
    assert loaded is not None
    assert loaded.key.id == shop.key.pk


def test_late_money_is_refunded_where_it_came_through(shop: Shop, payment: Payment) -> None:
    builders.tell(shop.key, paid(payment))
    shown = {"id": payment.public_id, "currency": "EUR"}
    response = shop.refund(shown, answer(stripe_refund(shown, 1299)))
    assert response.status_code == 201, response.content
    sent = shop.wire.sent[-1]
    assert sent.headers["Authorization"].endswith("sk_live_51Builder0123456789")
    assert b"payment_intent=pi_try_1" in (sent.body or b"")


@pytest.mark.parametrize("order", [(1, 2), (2, 1)], ids=["the first, then the second", "the second, then the first"])
def test_money_through_both_accounts_is_shown_and_booked_once(
    shop: Shop, second: PaymentGatewayKey, payment: Payment, order: tuple[int, int]
) -> None:
    accounts = {1: shop.key, 2: second}
    verdicts = [builders.tell(accounts[number], paid(payment, number=number)).verdict for number in (*order, order[1])]
    assert verdicts == [Verdict.APPLIED, Verdict.MISMATCH, Verdict.MISMATCH]
    payment.refresh_from_db()
    assert (payment.status, payment.captured, payment.attention) == ("captured", 1299, ["duplicate_paid"])
    assert payment.gateway_key_id == accounts[order[0]].pk
    assert booked({"id": payment.public_id}) == [("payment", 1299)]


def test_what_the_other_account_gives_back_is_not_taken_off_the_payment(
    shop: Shop, second: PaymentGatewayKey, payment: Payment
) -> None:
    builders.tell(second, paid(payment, number=2))
    builders.tell(shop.key, paid(payment))
    back = Report(
        about=Subject.REFUND, status=RefundStatus.SUCCEEDED, reference=None, gateway_reference="re_1", asset="EUR",
        amount_minor=1299, payment=builders.read(payment.pk).names(), other_references=("pi_try_1",), mode=Mode.LIVE,
    )  # fmt: skip
    assert builders.tell(shop.key, back).verdict is Verdict.MISMATCH
    payment.refresh_from_db()
    assert (payment.refund_reserved, payment.refunded, Refund.across_labs.count()) == (0, 0, 0)
    assert payment.attention == ["duplicate_paid", "refund_unexpected"]


def test_money_beside_a_hold_elsewhere_is_taken_and_shown(
    shop: Shop, second: PaymentGatewayKey, payment: Payment
) -> None:
    builders.tell(second, said(payment, S.AUTHORIZED, number=2, authorized_minor=1299))
    assert builders.tell(shop.key, paid(payment)).verdict is Verdict.APPLIED
    payment.refresh_from_db()
    assert (payment.status, payment.captured, payment.attention) == ("captured", 1299, ["duplicate_paid"])


def test_money_of_no_amount_on_another_try_is_for_a_person(shop: Shop, payment: Payment) -> None:
    assert builders.tell(shop.key, paid(payment, amount=None)).verdict is Verdict.MISMATCH
    payment.refresh_from_db()
    assert (payment.status, payment.attention) == ("pending", ["mismatch"])


def test_who_lost_the_lease_of_a_try_does_not_go_on_to_the_next(shop: Shop, second: PaymentGatewayKey) -> None:
    """Somebody else repeats the first try at this moment: a second order beside it could be paid, too."""
    prepared = builders.make_payment(shop.lab, gateway="")
    assert prepared.key.id == shop.key.pk
    held = idempotency.Resume(row_id=0, lease_token=prepared.exchange.lease_token, operation_type="payment",
                              operation_id=prepared.state.id)  # fmt: skip
    assert resuming.find_initiate(held).exchange is not None  # a repeat took the exchange over
    error = GatewayUnavailable("refused")
    with pytest.raises(WrongState):
        initiate.record_next_try(prepared, Asked(None, error, 1), error)
    payment = Payment.across_labs.get()
    assert (payment.try_number, payment.gateway_key_id) == (1, shop.key.pk)


def test_an_unanswered_charge_of_a_saved_method_never_goes_on(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to open a page for it: the money may have moved, also where an unanswered order would be dead."""
    prepared = builders.make_payment(shop.lab)
    gateway = registry.gateway_class("stripe")
    monkeypatch.setattr(gateway, "about", replace(gateway.about, abandons_unanswered=True))
    unknown = OutcomeUnknown("timeout")
    assert initiate._may_go_on(prepared, unknown)
    assert not initiate._may_go_on(replace(prepared, saved=SavedMethod(token="pm_1")), unknown)
