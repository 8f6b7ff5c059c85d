"""Disputes: their words, what is withdrawn because of them now, and asking for one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from clients.stripe import disputes
from core.gateways.errors import GatewayUnavailable, RequestRejected
from core.gateways.testing import FakeHttp, answer
from core.gateways.types import (
    Attention,
    DisputeNames,
    DisputeStatus,
    NotFound,
    PaymentNames,
    Report,
    Subject,
)
from core.http import HttpResponse
from tests.clients.stripe.case import CASE, REFERENCE
from tests.clients.stripe.objects import dispute

WITHDRAWAL = {"id": "txn_1", "amount": -1299, "currency": "eur", "fee": 2000, "net": -3299}
RETURNED = {"id": "txn_2", "amount": 1299, "currency": "eur", "fee": -2000, "net": 3299}
RETURNED_WITHOUT_FEE = {"id": "txn_3", "amount": 1299, "currency": "eur", "fee": 0, "net": 1299}


@pytest.mark.parametrize(
    ("moved", "withdrawn"),
    [
        ([], 0),  # an inquiry: nobody took anything
        ([WITHDRAWAL], 3299),
        ([WITHDRAWAL, RETURNED], 0),
        ([WITHDRAWAL, RETURNED_WITHOUT_FEE], 2000),  # won, and the fee stays with Stripe
        ([RETURNED], 0),  # never less than nothing
        (None, None),
        ("txn_1", None),
        (["txn_1"], None),
        ([{"net": "-3299"}], None),
    ],
)
def test_what_is_withdrawn_is_the_sum_of_what_moved(moved: Any, withdrawn: int | None) -> None:
    assert disputes.read_dispute(dispute(balance_transactions=moved)).withdrawn_minor == withdrawn


def test_in_another_settlement_currency_the_disputed_amount_stands_for_it() -> None:
    settled = {"amount": -1410, "currency": "usd", "fee": 1500, "net": -2910}
    given_back = {"amount": 1410, "currency": "usd", "fee": 0, "net": 1410}
    assert disputes.read_dispute(dispute(balance_transactions=[settled])).withdrawn_minor == 1299
    assert disputes.read_dispute(dispute(balance_transactions=[settled, given_back])).withdrawn_minor == 0


@pytest.mark.parametrize(
    ("currency", "amount", "net", "expected"),
    [("jpy", 740, -740, (740, 740)), ("kwd", 8730, -9730, (8730, 9730)), ("ugx", 900, -900, (9, 9)),
     ("mga", 300, -300, (30000, 30000))],
)  # fmt: skip
def test_its_amounts_are_in_our_units(currency: str, amount: int, net: int, expected: tuple[int, int]) -> None:
    moved = [{"amount": -amount, "currency": currency, "net": net}]
    report = disputes.read_dispute(dispute(currency=currency, amount=amount, balance_transactions=moved))
    assert (report.amount_minor, report.withdrawn_minor) == expected
    assert report.asset == currency.upper()


def test_it_says_why_until_when_and_of_which_payment() -> None:
    report = disputes.read_dispute(dispute())
    assert (report.about, report.status) == (Subject.DISPUTE, DisputeStatus.NEEDS_RESPONSE)
    assert report.dispute_reason == "fraudulent"
    assert report.respond_by == datetime.fromtimestamp(1795999999, UTC)
    assert report.payment == PaymentNames(gateway_reference="pi_docA1", other_references=("ch_docA1",))
    assert (report.amount_minor, report.asset, report.attention) == (1299, "EUR", Attention.DISPUTED)
    old = disputes.read_dispute(dispute(payment_intent=None, evidence_details=None, reason=None))
    assert old.payment == PaymentNames(gateway_reference="ch_docA1")
    assert (old.respond_by, old.dispute_reason) == (None, None)


def fetched(response: HttpResponse, name: str = "du_docA1") -> tuple[Report | NotFound, FakeHttp]:
    http = FakeHttp([response])
    names = DisputeNames(gateway_reference=name, payment=PaymentNames(reference=REFERENCE))
    return CASE.open(http).fetch_dispute(names), http


def test_a_dispute_is_asked_for_by_its_name_and_told_with_our_reference() -> None:
    report, http = fetched(answer(dispute(status="lost")))
    assert [(one.method, one.url) for one in http.sent] == [("GET", "https://api.stripe.com/v1/disputes/du_docA1")]
    assert isinstance(report, Report)
    assert (report.status, report.withdrawn_minor) == (DisputeStatus.LOST, 3299)
    assert report.payment == PaymentNames(
        reference=REFERENCE, gateway_reference="pi_docA1", other_references=("ch_docA1",)
    )


def test_one_that_is_not_known_is_not_found_and_trouble_is_trouble() -> None:
    missing = {"type": "invalid_request_error", "code": "resource_missing", "message": "No such dispute"}
    found, _ = fetched(answer({"error": missing}, status=404), "dp_old1")
    assert found == NotFound(reason="Stripe does not know this dispute")
    with pytest.raises(RequestRejected):
        fetched(answer({"error": missing}, status=400))
    with pytest.raises(GatewayUnavailable):
        fetched(answer({"error": {"type": "api_error"}}, status=500))
