"""Our PhonePe v1 client and the simulated PhonePe v1, written apart from one protocol page, must understand each other over HTTP."""

from __future__ import annotations

from core.gateways.types import PaymentStatus, RefundStatus
from core.money import Money
from tests.clients.against import REFERENCE, RefundsAgainstSimulator


class TestPhonePeV1(RefundsAgainstSimulator):
    slug = "phonepev1"
    simulated = "clients.phonepev1.simulator:PhonePeV1Simulator"
    credentials = {
        "merchant_id": "DEMOSHOPUAT",
        "salt_key": "4f1d2c3b-0a9e-4d8c-b7a6-5e4f3a2b1c0d",
        "salt_index": "1",
    }
    total, part = Money(90000, "INR"), Money(29900, "INR")
    create_path, refund_path = "/pg/v1/pay", "/pg/v1/refund"
    refunded, settles_by = RefundStatus.PENDING, "refund_settle"

    def test_a_refund_that_fails_later(self) -> None:
        paid = self.paid()
        refund = self.gateway.refund(self.asked(paid))
        self.simulator.act(self.slug, "refund_fail", REFERENCE)
        assert self.found(paid, refund).status is RefundStatus.FAILED
        assert self.book() == (self.total.minor, 0)

    def test_money_that_comes_after_the_end(self) -> None:
        created = self.initiated()
        self.simulator.act(self.slug, "expire", REFERENCE)
        assert self.fetched(created).status is not PaymentStatus.CAPTURED
        self.simulator.act(self.slug, "pay_late", REFERENCE)
        assert self.fetched(created).status is PaymentStatus.CAPTURED
