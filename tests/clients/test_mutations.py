"""Deliveries changed on the way, over every registered verifier and parser: none believed, and none breaks anything.

50,000 in all, shared among the gateways; `pytest tests/clients/test_mutations.py --mutations=1000000` plays more. Each is
heard twice: under the proof of the genuine one, where it must be refused, and, where it can be, properly signed, where
the parser must survive whatever it says. A failure names the seed that plays it again.
"""

from __future__ import annotations

import random
from dataclasses import fields, replace
from typing import Any
from urllib.parse import quote_from_bytes

import pytest

from core.gateways.encoding import report_to_json
from core.gateways.errors import WebhookRejected
from core.gateways.port import CanReadReturn
from core.gateways.testing import Event, GatewayCase
from core.gateways.types import Mode, Report, WebhookDelivery, WebhookProof, WebhookReading
from core.strict_json import dumps
from tests.clients.mutating import budget, changed, forged
from tests.clients.test_contract import ALL_CASES

RETURNS_EVERY = 10  # one in so many is played as a browser return too


@pytest.fixture
def mutations(request: pytest.FixtureRequest) -> int:
    return int(request.config.getoption("--mutations"))


def shares(total: int) -> dict[str, int]:
    return dict(zip((case.slug for case in ALL_CASES), budget(total, len(ALL_CASES)), strict=True))


def test_the_budget_is_shared_and_nothing_of_it_is_lost(mutations: int) -> None:
    assert sum(shares(mutations).values()) == mutations
    assert min(shares(mutations).values()) > 0


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: case.slug)
def test_no_changed_delivery_is_believed_or_breaks_anything(case: GatewayCase, mutations: int) -> None:
    genuine = {event: case.webhook(event) for event in sorted(case.events)}
    known = {event: case.open().read_webhook(one) for event, one in genuine.items()}
    gateway, secret = case.open(), case.credentials(Mode.TEST)[case.secret_field]
    proof = Proof(case, gateway, genuine[Event.PAID])
    refused = untouched = 0
    for number in range(shares(mutations)[case.slug]):
        seed = f"{case.slug}:{number}"
        chance = random.Random(seed)
        event = chance.choice(list(genuine))
        bad = forged(chance, genuine[event], header=case.signature_header, in_header=proof.is_in_header)
        reading = heard(gateway, bad, seed)
        refused += reading is None
        if reading == known[event] and bad.body == genuine[event].body:
            untouched += (
                1  # something beside the genuine proof, which a verifier may pass over; what was signed is whole
            )
        elif reading is not None:
            assert proof.allows(reading, known[event]), f"{seed}: a changed delivery was believed"
        survive(case, gateway, bad, secret, seed)
        if number % RETURNS_EVERY == 0:
            come_back(gateway, chance, bad, seed)
    if proof.is_over_bytes:
        assert refused + untouched == shares(mutations)[case.slug]
    assert refused > 20 * untouched or proof.is_weak


class Proof:
    """What the proof of this gateway covers, found by asking its verifier."""

    def __init__(self, case: GatewayCase, gateway: Any, good: WebhookDelivery) -> None:
        self.is_weak = case.gateway_class.about.webhook_proof is WebhookProof.WEAK
        self.is_in_header = case.signature_header in good.headers
        # A space after the end changes no value: who refuses it signs the bytes, and must then refuse every change.
        self.is_over_bytes = heard(gateway, replace(good, body=good.body + b" "), "probe") is None and self.is_in_header

    def allows(self, reading: WebhookReading, known: WebhookReading) -> bool:
        """Accepted may be only what says nothing else than the genuine one, or a mere hint where the proof is weak."""
        if self.is_over_bytes:
            return False
        if self.is_weak and all(one.is_hint for one in reading.reports):
            return True
        return not reading.reports or [facts(one) for one in reading.reports] == [facts(one) for one in known.reports]


def facts(report: Report) -> list[Any]:
    """All that is acted on; `raw` is only shown."""
    return [getattr(report, one.name) for one in fields(report) if one.name != "raw"]


def heard(gateway: Any, delivery: WebhookDelivery, seed: str) -> WebhookReading | None:
    """None where it is refused. Whatever else is raised fails the test."""
    try:
        reading = gateway.read_webhook(delivery)
    except WebhookRejected:
        return None
    except Exception as error:
        pytest.fail(f"{seed}: {type(error).__name__} instead of a refusal")
    assert isinstance(reading, WebhookReading)
    return reading


def survive(case: GatewayCase, gateway: Any, bad: WebhookDelivery, secret: str, seed: str) -> None:
    """The same body, properly signed: read or refused, and what is read has a plain form."""
    try:
        signed = case.resigned(bad, secret)
    except (ValueError, KeyError, AttributeError, TypeError):
        return  # this gateway signs a parsed form, and these bytes have none
    reading = heard(gateway, signed, seed)
    if reading is None:
        return
    assert 1 <= len(reading.event_key) <= 255, seed
    for report in reading.reports:
        amounts = [getattr(report, one.name) for one in fields(report) if one.name.endswith("_minor")]
        assert all(one is None or (type(one) is int and one >= 0) for one in amounts), seed
        dumps(report_to_json(report))  # as the inbox keeps it


def come_back(gateway: Any, chance: random.Random, bad: WebhookDelivery, seed: str) -> None:
    if not isinstance(gateway, CanReadReturn):
        return
    query = quote_from_bytes(changed(chance, bad.body), safe="=&%[]{}:,")
    for delivery in (bad, replace(bad, method="GET", url=f"{bad.url}?{query}", body=b"")):
        try:
            gateway.read_return(delivery)
        except WebhookRejected:
            continue
        except Exception as error:
            pytest.fail(f"{seed}: a browser return raised {type(error).__name__}")
