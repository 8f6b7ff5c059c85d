"""Our NOWPayments client and the simulated NOWPayments, written apart from one protocol page, must understand each other."""

from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest

from core.gateways.errors import OutcomeUnknown
from core.gateways.types import Attention, PaymentNames, PaymentStatus, Redirect, Report, ShowAddress
from core.money import Money
from tests.clients.against import REFERENCE, AgainstSimulator
from tests.clients.simulator.receiver import LOOPBACK


class TestNowPayments(AgainstSimulator):
    slug = "nowpayments"
    simulated = "clients.nowpayments.simulator:NowPaymentsSimulator"
    credentials = {
        "api_key": "ABCDEF1-GHJKLM2-NPQRST3-UVWXYZ4",
        "ipn_secret": "doc-ipn-secret-A1",
        "account_email": "lab@example.com",
        "account_password": "pass-word",
    }
    total = Money(5000, "USD")
    create_path = "/v1/invoice"
    declines_by = "fail"

    def press(self, report: Report, button: str) -> httpx.Response:
        """On the invoice's page the customer chooses a coin first."""
        action = report.next_action
        assert isinstance(action, Redirect)
        with httpx.Client(**LOOPBACK) as browser:
            assert "option value=usdttrc20" in browser.get(action.url).text
            page = browser.post(action.url, data={"do": "choose", "coin": "usdttrc20"}).headers["location"]
            assert f"name=do value={button} " in browser.get(page).text
            return browser.post(page, data={"do": button})

    def with_coin(self) -> Report:
        created = self.initiated(pay_currency="USDTTRC20")
        assert isinstance(created.next_action, ShowAddress)
        assert (created.next_action.asset, created.next_action.amount_text) != ("", "")
        return created

    @pytest.mark.parametrize(
        ("done", "status", "captured", "attention"),
        [
            ("pay", PaymentStatus.CAPTURED, 5000, None),
            ("pay_short", PaymentStatus.PENDING, 2500, Attention.UNDERPAID),
            ("pay_over", PaymentStatus.CAPTURED, 5500, Attention.OVERPAID),
            ("pay_twice", PaymentStatus.CAPTURED, 10000, Attention.OVERPAID),
            ("expire", PaymentStatus.EXPIRED, 0, None),
        ],
    )
    def test_coins_sent_to_an_address(
        self, done: str, status: PaymentStatus, captured: int, attention: Attention | None
    ) -> None:
        created = self.with_coin()
        self.simulator.act(self.slug, done, created.gateway_reference or "")
        found = self.fetched(created)
        assert (found.status, found.captured_minor or 0, found.attention) == (status, captured, attention)
        assert status in {one.status for one in self.told()}

    def test_coins_that_come_late(self) -> None:
        created = self.with_coin()
        self.simulator.act(self.slug, "expire", created.gateway_reference or "")
        assert self.fetched(created).status is PaymentStatus.EXPIRED
        self.simulator.act(self.slug, "pay_late", created.gateway_reference or "")
        assert self.fetched(created).status is PaymentStatus.CAPTURED

    def test_an_address_that_nobody_was_told_is_found_by_our_own_reference(self) -> None:
        self.simulator.fault(self.slug, "reset_after", path="/v1/payment$", method="post")
        with pytest.raises(OutcomeUnknown):
            self.initiated(pay_currency="USDTTRC20")
        lost = PaymentNames(reference=REFERENCE, amount=self.total, created_at=datetime.now(UTC))
        found = self.gateway.fetch_payment(lost)
        assert isinstance(found, Report)
        assert (found.status, found.gateway_reference) == (
            PaymentStatus.REQUIRES_ACTION,
            self.simulator.books(self.slug)[0]["gateway_reference"],
        )
