"""What every client must get right against its own simulator, over real HTTP: the two were written apart from one page.

A gateway's `test_against_simulator.py` subclasses `AgainstSimulator`, says what its words are, and adds what it alone has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

import httpx
import pytest

from clients.simulator.testing import Simulator, running_simulator
from core.gateways import registry
from core.gateways.errors import GatewayUnavailable, OutcomeUnknown
from core.gateways.port import CanRefund
from core.gateways.testing import MemoryCache
from core.gateways.types import (
    CustomerDetails,
    FormPost,
    Mode,
    NotFound,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Redirect,
    RefundNames,
    RefundRequest,
    RefundStatus,
    Report,
    Subject,
    WebhookDelivery,
)
from core.http import GatewayHttp
from core.money import Money
from tests.clients.simulator.receiver import LOOPBACK, Receiver, running_receiver

REFERENCE = "PAY-20261120183005-1a2b3c4d-1"  # as the platform gives them, in an alphabet that all have
REFUND = "REF-20261120183005-1a2b3c4d"


class AgainstSimulator:
    """One account of one gateway, its customer, and what it tells us."""

    slug: ClassVar[str]
    simulated: ClassVar[str]  # "module:Class"
    credentials: ClassVar[Mapping[str, str]]  # without the webhook address, which the fixture fills in
    mode: ClassVar[Mode] = Mode.TEST
    sent_as: ClassVar[str] = REFERENCE  # what the gateway knows the payment by
    create_path: ClassVar[str]
    total: ClassVar[Money]
    part: ClassVar[Money]  # what is given back
    is_hint: ClassVar[bool] = False  # webhooks of weak proof
    declines_by: ClassVar[str] = "decline"  # the button
    declined: ClassVar[PaymentStatus] = PaymentStatus.FAILED  # by fetch, once the customer's method was refused
    expires_by: ClassVar[str] = "expire"
    expired: ClassVar[PaymentStatus] = PaymentStatus.EXPIRED
    refunded: ClassVar[RefundStatus] = RefundStatus.SUCCEEDED  # what the refund is answered

    # --- the world -------------------------------------------------------------------------------------------------

    @pytest.fixture(scope="class")
    @classmethod
    def running(cls) -> Iterator[Simulator]:
        with running_simulator({cls.slug: cls.simulated}, retry_factor=0.02) as simulator:
            yield simulator

    @pytest.fixture
    def receiver(self) -> Iterator[Receiver]:
        with running_receiver() as one:
            yield one

    @pytest.fixture(autouse=True)
    def _world(self, running: Simulator, receiver: Receiver) -> None:
        running.reset(accounts=True)
        self.simulator, self.receiver = running, receiver
        given = {name: receiver.url if value == "" else value for name, value in self.credentials.items()}
        running.register(self.slug, mode=self.mode.value, credentials=given, webhook_url=receiver.url)
        cls = registry.gateway_class(self.slug)
        origins = cls.about.origins[self.mode]
        http = GatewayHttp(origins=origins, overrides=running.overrides(*origins))
        self.gateway: Any = cls(given, mode=self.mode, http=http, cache=MemoryCache(), clock=lambda: datetime.now(UTC))

    # --- what is done ----------------------------------------------------------------------------------------------

    def request(self, **changes: Any) -> PaymentRequest:
        plain = PaymentRequest(
            reference=REFERENCE, amount=self.total, idempotency_key=f"{REFERENCE}:create",
            webhook_url=self.receiver.url, return_url="https://pay.example.com/back", created_at=datetime.now(UTC),
            customer=CustomerDetails(id="cust-1", name="Ada Example", email="ada@example.com", phone="+919900000000"),
        )  # fmt: skip
        return replace(plain, **changes)

    def initiated(self, **changes: Any) -> Report:
        found = self.gateway.initiate(self.request(**changes))
        assert isinstance(found, Report)
        return found

    def press(self, report: Report, button: str) -> httpx.Response:
        """The customer opens the gateway's page and presses one of its buttons."""
        with httpx.Client(**LOOPBACK) as browser:
            action = report.next_action
            if isinstance(action, FormPost):
                page = browser.post(action.url, data=dict(action.fields))
                url = re.findall(r'action="([^"]+)"', page.text)[0]
            else:
                assert isinstance(action, Redirect)
                page, url = browser.get(action.url), action.url
            assert url.startswith(self.simulator.url)
            assert f"name=do value={button} " in page.text, page.text
            answer = browser.post(url, data={"do": button})
            assert answer.status_code in (200, 302, 303), answer.text
            return answer

    def reaches(self, report: Report) -> None:
        """The customer's browser arrives at the gateway: there is an order, if there was none before."""

    def is_open(self, report: Report) -> None:
        assert self.fetched(report).status in (PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION)

    def pays(self, report: Report) -> None:
        self.press(report, "pay")

    def names(self, *reports: Report) -> PaymentNames:
        theirs = [one.gateway_reference for one in reports if one.gateway_reference]
        others = [name for one in reports for name in one.other_references]
        return PaymentNames(
            reference=REFERENCE, gateway_reference=theirs[0] if theirs else None, other_references=tuple(theirs[1:] + others),
            amount=self.total, created_at=datetime.now(UTC), acknowledged=True,
        )  # fmt: skip

    def fetched(self, *reports: Report) -> Report:
        found = self.gateway.fetch_payment(self.names(*reports))
        assert isinstance(found, Report), found
        return found

    def told(self) -> list[Report]:
        """What every delivery so far says; each is verified."""
        self.simulator.wait_idle()
        deliveries = [
            WebhookDelivery(method="POST", url=one.path, headers=one.headers, body=one.body)
            for one in self.receiver.received
        ]
        return [report for one in deliveries for report in self.gateway.read_webhook(one).reports]

    def book(self) -> tuple[int, int]:
        """What the gateway really took and gave back, in minor units."""
        lines = self.simulator.books(self.slug)
        unit = Decimal(10) ** self.exponent
        return tuple(int(sum(Decimal(line[name]) for line in lines) * unit) for name in ("captured", "refunded"))  # type: ignore[return-value]

    @property
    def exponent(self) -> int:
        return -int(self.total.decimal().as_tuple().exponent)

    # --- what must hold --------------------------------------------------------------------------------------------

    def test_a_payment_on_the_page_is_told_and_fetched(self) -> None:
        created = self.initiated()
        self.reaches(created)
        self.is_open(created)
        self.pays(created)
        found = self.fetched(created)
        assert (found.status, found.captured_minor, found.asset) == (
            PaymentStatus.CAPTURED, self.total.minor, self.total.asset,
        )  # fmt: skip
        assert found.reference in (REFERENCE, self.sent_as, None)
        about = [one for one in self.told() if one.about is Subject.PAYMENT]
        assert about
        assert {one.is_hint for one in about} == {self.is_hint}
        assert about[-1].status is PaymentStatus.CAPTURED
        assert self.book() == (self.total.minor, 0)

    def test_the_credentials_are_proven(self) -> None:
        assert self.gateway.check_credentials().ok is True

    def test_a_declined_method(self) -> None:
        created = self.initiated()
        self.press(created, self.declines_by)
        found = self.fetched(created)
        assert (found.status, found.captured_minor or 0) == (self.declined, 0)
        assert found.decline is not None
        assert self.book() == (0, 0)

    def test_an_order_that_runs_out(self) -> None:
        created = self.initiated()
        self.reaches(created)
        self.simulator.act(self.slug, self.expires_by, self.sent_as)
        assert self.fetched(created).status is self.expired
        assert self.book() == (0, 0)

    def test_a_lost_answer_is_found_by_our_own_reference(self) -> None:
        self.simulator.fault(self.slug, "timeout_after", seconds=0.1, path=self.create_path)
        with pytest.raises(OutcomeUnknown):
            self.gateway.initiate(self.request())
        lost = PaymentNames(reference=REFERENCE, amount=self.total, created_at=datetime.now(UTC))
        self.simulator.act(self.slug, "pay", REFERENCE)
        found = self.gateway.fetch_payment(lost)
        assert isinstance(found, Report)
        assert (found.status, found.captured_minor) == (PaymentStatus.CAPTURED, self.total.minor)
        assert isinstance(self.gateway.fetch_payment(replace(lost, reference="PAYnever")), NotFound)

    def test_a_fetch_that_goes_wrong_says_so_and_the_next_one_works(self) -> None:
        created = self.initiated()
        self.pays(created)
        for kind in ("error_before", "html_502", "truncate", "cut_connection", "reset_after", "outage", "rate_limit"):
            self.simulator.fault(self.slug, kind, times=9, seconds=30)
            # Nothing was learned; where the gateway said to come later, that it was never asked.
            with pytest.raises(GatewayUnavailable if kind == "rate_limit" else (OutcomeUnknown, GatewayUnavailable)):
                self.fetched(created)
            self.simulator.clear_faults()
        assert self.fetched(created).status is PaymentStatus.CAPTURED

    def test_a_create_that_was_never_done_is_no_unknown_outcome(self) -> None:
        self.simulator.fault(self.slug, "rate_limit", times=9, seconds=7)
        with pytest.raises(GatewayUnavailable) as caught:
            self.gateway.initiate(self.request())
        assert caught.value.retry_after_seconds == 7
        self.simulator.clear_faults()
        assert self.initiated().next_action is not None


class RefundsAgainstSimulator(AgainstSimulator):
    """Of a gateway that gives money back."""

    refund_path: ClassVar[str]  # of the request that a fault meets, `refund_skip` such requests later
    refund_skip: ClassVar[int] = 0
    settles_by: ClassVar[str] = ""  # the gateway's act that ends a refund which it only took note of

    def asked(self, paid: Report, **changes: Any) -> RefundRequest:
        plain = RefundRequest(
            names=self.names(paid), reference=REFUND, amount=self.part, idempotency_key=f"{REFUND}:refund",
            webhook_url=self.receiver.url, reason="a scratch",
        )  # fmt: skip
        return replace(plain, **changes)

    def paid(self) -> Report:
        created = self.initiated()
        self.pays(created)
        return self.fetched(created)

    def settles(self) -> None:
        if self.settles_by:
            self.simulator.act(self.slug, self.settles_by, self.sent_as)

    def refund_names(self, paid: Report, refund: Report | None = None) -> RefundNames:
        return RefundNames(
            reference=REFUND, gateway_reference=refund.gateway_reference if refund else None, payment=self.names(paid),
            amount=self.part, created_at=datetime.now(UTC),
        )  # fmt: skip

    def found(self, paid: Report, refund: Report | None = None) -> Report:
        assert isinstance(self.gateway, CanRefund)
        found = self.gateway.fetch_refund(self.refund_names(paid, refund))
        assert isinstance(found, Report), found
        return found

    def test_a_part_is_given_back_told_and_found(self) -> None:
        paid = self.paid()
        refund = self.gateway.refund(self.asked(paid))
        assert (refund.about, refund.status) == (Subject.REFUND, self.refunded)
        self.settles()
        for found in (self.found(paid, refund), self.found(paid)):
            assert (found.status, found.refunded_minor) == (RefundStatus.SUCCEEDED, self.part.minor)
        assert self.book() == (self.total.minor, self.part.minor)
        assert self.fetched(paid).captured_minor == self.total.minor

    def test_a_refund_whose_answer_was_lost_is_found_and_made_once(self) -> None:
        paid = self.paid()
        self.simulator.fault(self.slug, "error_after", path=self.refund_path, skip=self.refund_skip)
        with pytest.raises(OutcomeUnknown):
            self.gateway.refund(self.asked(paid))
        self.settles()
        found = self.found(paid)
        assert (found.status, found.refunded_minor) == (RefundStatus.SUCCEEDED, self.part.minor)
        assert self.book() == (self.total.minor, self.part.minor)

    def test_a_refund_that_was_not_taken_gives_nothing_back(self) -> None:
        paid = self.paid()
        self.simulator.fault(self.slug, "rate_limit", path=self.refund_path, skip=self.refund_skip, seconds=7)
        with pytest.raises(GatewayUnavailable):
            self.gateway.refund(self.asked(paid))
        assert self.book() == (self.total.minor, 0)
