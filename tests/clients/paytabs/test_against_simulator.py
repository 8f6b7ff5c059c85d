"""Our PayTabs client and the simulated PayTabs, written apart from one protocol page, must understand each other over HTTP."""

from __future__ import annotations

from core.gateways.types import (
    CaptureMode,
    CaptureRequest,
    MethodNames,
    MethodStatus,
    NotFound,
    PaymentStatus,
    Report,
    SaveMethodRequest,
    VoidRequest,
)
from core.money import Money
from tests.clients.against import RefundsAgainstSimulator


class TestPayTabs(RefundsAgainstSimulator):
    slug = "paytabs"
    simulated = "clients.paytabs.simulator:PayTabsSimulator"
    credentials = {"region": "SAU", "profile_id": "990011", "server_key": "SDOCEXAMPL-0123456789-ABCDEFGHJK"}
    total, part = Money(11550, "SAR"), Money(5050, "SAR")
    create_path = refund_path = "/payment/request"

    def held(self) -> Report:
        created = self.initiated(capture=CaptureMode.MANUAL)
        self.pays(created)
        found = self.fetched(created)
        assert (found.status, found.authorized_minor, found.captured_minor) == (
            PaymentStatus.AUTHORIZED, self.total.minor, 0,
        )  # fmt: skip
        return found

    def test_a_part_of_a_hold_is_taken(self) -> None:
        held = self.held()
        ask = CaptureRequest(names=self.names(held), amount=self.part, idempotency_key="c-1", reference="CAP1")
        assert self.gateway.capture(ask).captured_minor == self.part.minor
        assert self.fetched(held).captured_minor == self.part.minor
        assert self.book() == (self.part.minor, 0)

    def test_a_card_that_is_saved_alone_can_be_asked_about(self) -> None:
        begun = self.gateway.save_method(
            SaveMethodRequest(
                reference="PM_1", idempotency_key="s-1", currency="SAR", webhook_url=self.receiver.url,
                return_url="https://shop.example/back",
            )
        )  # fmt: skip
        names = MethodNames(reference="PM_1", gateway_reference=begun.gateway_reference)
        waiting = self.gateway.fetch_method(names)
        assert isinstance(waiting, Report)
        assert (waiting.status, waiting.saved, waiting.reference) == (MethodStatus.PENDING, None, "PM_1")
        self.pays(begun)
        for asked in (names, MethodNames(reference="PM_1")):
            saved = self.gateway.fetch_method(asked)
            assert isinstance(saved, Report)
            assert saved.status is MethodStatus.ACTIVE
            assert saved.saved is not None
        assert isinstance(self.gateway.fetch_method(MethodNames(reference="PM_2")), NotFound)

    def test_a_hold_is_released(self) -> None:
        held = self.held()
        ask = VoidRequest(names=self.names(held), idempotency_key="v-1", reference="VOID1")
        assert self.gateway.void(ask).status is PaymentStatus.VOIDED
        assert self.fetched(held).status is PaymentStatus.VOIDED
        assert self.book() == (0, 0)
