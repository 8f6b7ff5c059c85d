"""Our PesoPay client and the simulated PesoPay, written apart from one protocol page, must understand each other over HTTP."""

from __future__ import annotations

import httpx
import pytest

from core.gateways.errors import RequestRejected
from core.gateways.types import (
    CaptureMode,
    CaptureRequest,
    DisputeNames,
    DisputeStatus,
    FormPost,
    PaymentStatus,
    RefundStatus,
    Report,
    VoidRequest,
)
from core.money import Money
from tests.clients.against import RefundsAgainstSimulator
from tests.clients.simulator.receiver import LOOPBACK


class TestPesoPay(RefundsAgainstSimulator):
    slug = "pesopay"
    simulated = "clients.pesopay.simulator:PesoPaySimulator"
    credentials = {
        "merchant_id": "18000001",
        "secure_hash_secret": "Kx7Qm2RvT9bLw4ZpH8sYc3NfJd6GaEu1",
        "secure_hash_function": "sha256",
        "login_id": "apiuser",
        "password": "apipass-1",
    }
    total, part = Money(125050, "PHP"), Money(25050, "PHP")
    is_hint = True
    sent_as = "PAY-20261120183005-1a2b3c4d-N1"
    refunded, settles_by = RefundStatus.PENDING, "refund_settle"
    refund_path, refund_skip = "/orderApi.jsp", 1  # it looks first whether a refund is open

    def reaches(self, report: Report) -> None:
        """Nothing is sent by us: the browser brings the order."""
        assert isinstance(report.next_action, FormPost)
        httpx.post(report.next_action.url, data=dict(report.next_action.fields), **LOOPBACK)

    def is_open(self, report: Report) -> None:
        """Only attempts to pay have a record, and none was ever seen: the form still waits."""
        assert self.fetched(report).status is PaymentStatus.REQUIRES_ACTION

    def test_an_order_that_runs_out(self) -> None:
        """The gateway ends none; a page that was left stays without a record."""
        created = self.initiated()
        self.press(created, "abandon")
        self.is_open(created)

    def test_a_lost_answer_is_found_by_our_own_reference(self) -> None:
        """Nothing is asked, so no answer can be lost: a repeat is the same form, and one payment comes of both."""
        created = self.initiated()
        assert self.initiated().next_action == created.next_action
        assert self.simulator.calls(self.slug) == []
        self.pays(created)
        assert self.fetched().captured_minor == self.total.minor
        self.reaches(created)
        with pytest.raises(ValueError, match="refused"):
            self.simulator.act(self.slug, "pay", self.sent_as)
        assert self.book() == (self.total.minor, 0)

    def test_a_create_that_was_never_done_is_no_unknown_outcome(self) -> None:
        """A gateway that is down is met by the customer's browser; our form is there all the same."""
        self.simulator.fault(self.slug, "outage", seconds=30)
        assert isinstance(self.initiated().next_action, FormPost)

    def held(self) -> Report:
        created = self.initiated(capture=CaptureMode.MANUAL)
        self.pays(created)
        found = self.fetched(created)
        assert (found.status, found.authorized_minor, found.captured_minor) == (
            PaymentStatus.AUTHORIZED, self.total.minor, 0,
        )  # fmt: skip
        return found

    def test_a_hold_is_taken(self) -> None:
        held = self.held()
        taken = self.gateway.capture(CaptureRequest(names=self.names(held), amount=self.total, idempotency_key="c-1"))
        assert (taken.status, self.book()) == (PaymentStatus.CAPTURED, (self.total.minor, 0))

    def test_a_hold_is_released(self) -> None:
        held = self.held()
        assert (
            self.gateway.void(VoidRequest(names=self.names(held), idempotency_key="v-1")).status is PaymentStatus.VOIDED
        )
        assert self.fetched(held).status is PaymentStatus.VOIDED
        assert self.book() == (0, 0)

    def test_a_second_refund_waits_for_the_first(self) -> None:
        paid = self.paid()
        self.gateway.refund(self.asked(paid))
        with pytest.raises(RequestRejected):
            self.gateway.refund(self.asked(paid, reference="REF2", idempotency_key="REF2:refund"))

    def test_a_chargeback_is_found(self) -> None:
        paid = self.paid()
        self.simulator.act(self.slug, "dispute", paid.gateway_reference or "")
        names = DisputeNames(gateway_reference=paid.gateway_reference, payment=self.names(paid))
        found = self.gateway.fetch_dispute(names)
        assert isinstance(found, Report)
        assert found.status is DisputeStatus.UNDER_REVIEW
