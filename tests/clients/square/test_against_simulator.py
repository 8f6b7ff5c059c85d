"""Our Square client and the simulated Square, written apart from one protocol page, must understand each other over HTTP."""

from __future__ import annotations

from core.gateways.types import DisputeNames, DisputeStatus, PaymentStatus, RefundStatus, Subject, VoidRequest
from core.money import Money
from tests.clients.against import REFERENCE, RefundsAgainstSimulator


class TestSquare(RefundsAgainstSimulator):
    slug = "square"
    simulated = "clients.square.simulator:SquareSimulator"
    credentials = {
        "access_token": "EAAAsimulatedToken0000000001",
        "location_id": "LDOCEXAMPLE1",
        "webhook_signature_key": "doc-EXAMPLE_key-not-real",
        "notification_url": "",
        "merchant_id": "MLDOCEXAMPLE1",
    }
    total, part = Money(11550, "USD"), Money(5050, "USD")
    create_path, refund_path = "payment-links", "/v2/refunds"
    refunded, settles_by = RefundStatus.PENDING, "refund_settle"
    declined = PaymentStatus.REQUIRES_ACTION  # the link stays open for another try

    def test_an_order_that_runs_out(self) -> None:
        """A link lives until it is paid or ended by us."""
        created = self.initiated()
        ended = self.gateway.void(VoidRequest(names=self.names(created), idempotency_key="v-1"))
        assert (ended.status, self.fetched(created).status) == (PaymentStatus.VOIDED, PaymentStatus.VOIDED)

    def test_a_dispute_is_told_found_and_lost(self) -> None:
        paid = self.paid()
        self.simulator.act(self.slug, "dispute", REFERENCE)
        (told,) = [one for one in self.told() if one.about is Subject.DISPUTE]
        assert (told.status, told.is_hint) == (DisputeStatus.NEEDS_RESPONSE, False)
        names = DisputeNames(gateway_reference=told.gateway_reference or "", payment=self.names(paid))
        assert self.gateway.fetch_dispute(names).status is DisputeStatus.NEEDS_RESPONSE
        self.simulator.act(self.slug, "dispute_lose", REFERENCE)
        assert self.gateway.fetch_dispute(names).status is DisputeStatus.LOST
