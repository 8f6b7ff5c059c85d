"""Our PhonePe client and the simulated PhonePe, written apart from one protocol page, must understand each other over HTTP."""

from __future__ import annotations

from core.gateways.types import DisputeStatus, PaymentStatus, RefundStatus, Subject
from core.money import Money
from tests.clients.against import REFERENCE, RefundsAgainstSimulator


class TestPhonePe(RefundsAgainstSimulator):
    slug = "phonepe"
    simulated = "clients.phonepe.simulator:PhonePeSimulator"
    credentials = {
        "client_id": "TEST-M00DEMO_25010",
        "client_secret": "0d5b7c1e-4a2f-4c39-8e61-2b90f7a1d3c4",
        "client_version": "1",
        "webhook_username": "shop_hook_01",
        "webhook_password": "Ab12cd34Ef",
        "merchant_id": "M0DEMO",
    }
    total, part = Money(129900, "INR"), Money(29900, "INR")
    is_hint = True
    create_path, refund_path = "/checkout/v2/pay", "/payments/v2/refund"
    refunded, settles_by = RefundStatus.PENDING, "refund_settle"
    declined = PaymentStatus.PENDING  # the page stays open for another try

    def test_a_dispute_is_told_as_a_hint(self) -> None:
        self.paid()
        self.simulator.act(self.slug, "dispute", REFERENCE)
        (found,) = [one for one in self.told() if one.about is Subject.DISPUTE]
        assert (found.status, found.is_hint) == (DisputeStatus.NEEDS_RESPONSE, True)

    def test_a_refund_that_fails_later(self) -> None:
        paid = self.paid()
        refund = self.gateway.refund(self.asked(paid))
        self.simulator.act(self.slug, "refund_fail", REFERENCE)
        assert self.found(paid, refund).status is RefundStatus.FAILED
        assert self.book() == (self.total.minor, 0)

    def test_a_token_that_was_revoked_is_renewed(self) -> None:
        created = self.initiated()
        self.simulator.act(self.slug, "revoke_tokens", self.credentials["client_id"])
        assert self.fetched(created).status is PaymentStatus.REQUIRES_ACTION
