"""What our Stripe client does with a fake Stripe that others wrote (localstripe 1.15.10), told as scenes.

The same scenes run against the living fake (test_localstripe.py) and against what it once answered (test_cassettes.py). The
customer's part, attaching a card and confirming, is done by plain HTTP beside our client. The fake is old and partial: it
says neither `amount_received` nor `amount_capturable`, knows no `automatic_payment_methods`, no Checkout Session, no
idempotency, and lets a cassette differ in nothing else from Stripe than what its page §17 lists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import httpx
import pytest

from clients.stripe.config import API
from clients.stripe.gateway import StripeGateway
from core.gateways.errors import GatewayMisconfigured, GatewayUnavailable, OutcomeUnknown, RequestRejected
from core.gateways.testing import NOW, MemoryCache, fixed_clock
from core.gateways.types import (
    CaptureMode,
    CaptureRequest,
    ClientToken,
    Mode,
    NotFound,
    PaymentNames,
    PaymentRequest,
    PaymentStatus,
    Presentation,
    RefundNames,
    RefundRequest,
    RefundStatus,
    Report,
    VoidRequest,
)
from core.http import GatewayHttp
from core.money import Money

KEY: Final = "sk_test_witness0001"
WEBHOOK_SECRET: Final = "whsec_witness_0001"


class WitnessedGateway(StripeGateway):
    """Our gateway without the one parameter that the fake does not know."""

    intent_extras: ClassVar[dict[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the fake is, and the customer in front of it."""

    base: str

    def gateway(self, key: str = KEY) -> WitnessedGateway:
        return WitnessedGateway(
            {"secret_key": key, "publishable_key": "pk_test_witness", "webhook_secret": WEBHOOK_SECRET},
            mode=Mode.TEST,
            http=GatewayHttp(origins=[API], overrides={API: self.base}),
            cache=MemoryCache(),
            clock=fixed_clock(),
        )

    def customer(self, path: str, **form: str) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=10) as client:
            return client.post(f"{self.base}{path}", data=form, headers={"Authorization": f"Bearer {KEY}"})

    def confirm(self, intent: str, card: str = "pm_card_visa") -> int:
        assert self.customer(f"/v1/payment_intents/{intent}", payment_method=card).status_code == 200
        return self.customer(f"/v1/payment_intents/{intent}/confirm").status_code


def create(stage: Stage, reference: str, minor: int = 2500, capture: CaptureMode = CaptureMode.AUTOMATIC) -> Report:
    request = PaymentRequest(
        reference=reference,
        amount=Money(minor, "EUR"),
        idempotency_key=f"{reference}:create",
        webhook_url="https://pay.example.com/hook",
        return_url="https://pay.example.com/back",
        presentation=Presentation.EMBEDDED,
        capture=capture,
    )
    return stage.gateway().initiate(request)


def names(report: Report) -> PaymentNames:
    return PaymentNames(
        reference=report.reference, gateway_reference=report.gateway_reference, created_at=NOW, acknowledged=True
    )


def fetch(stage: Stage, report: Report) -> Report:
    found = stage.gateway().fetch_payment(names(report))
    assert isinstance(found, Report)
    return found


def scene_pay_and_refund(stage: Stage) -> None:
    created = create(stage, "PAY_witness_1")
    assert (created.status, created.reference, created.asset) == (PaymentStatus.PENDING, "PAY_witness_1", "EUR")
    assert isinstance(created.next_action, ClientToken)
    assert created.next_action.token.startswith(f"{created.gateway_reference}_secret_")
    assert fetch(stage, created).status is PaymentStatus.PENDING
    assert stage.confirm(created.gateway_reference or "") == 200
    paid = fetch(stage, created)
    assert (paid.status, paid.captured_minor, paid.refunded_minor, paid.fee_minor) == (
        PaymentStatus.CAPTURED, None, 0, 0)  # fmt: skip
    asked = RefundRequest(
        names=names(created), reference="REF_witness_1", amount=Money(1000, "EUR"), idempotency_key="REF_witness_1"
    )
    refund = stage.gateway().refund(asked)
    assert (refund.status, refund.refunded_minor, refund.reference) == (RefundStatus.SUCCEEDED, 1000, "REF_witness_1")
    by_id = RefundNames(reference="REF_witness_1", gateway_reference=refund.gateway_reference, payment=names(created))
    by_list = RefundNames(reference="REF_witness_1", payment=names(created))
    assert stage.gateway().fetch_refund(by_id) == stage.gateway().fetch_refund(by_list)
    unknown = RefundNames(reference="REF_witness_2", payment=names(created))
    assert isinstance(stage.gateway().fetch_refund(unknown), NotFound)
    assert fetch(stage, created).refunded_minor == 1000


def scene_hold_and_capture_all(stage: Stage) -> None:
    held = create(stage, "PAY_witness_2", capture=CaptureMode.MANUAL)
    assert stage.confirm(held.gateway_reference or "") == 200
    assert fetch(stage, held).status is PaymentStatus.AUTHORIZED
    request = CaptureRequest(names=names(held), amount=Money(2500, "EUR"), idempotency_key="PAY_witness_2:capture")
    assert stage.gateway().capture(request).status is PaymentStatus.CAPTURED
    after = fetch(stage, held)
    assert (after.status, after.refunded_minor) == (PaymentStatus.CAPTURED, 0)


def scene_hold_and_capture_a_part(stage: Stage) -> None:
    held = create(stage, "PAY_witness_3", capture=CaptureMode.MANUAL)
    assert stage.confirm(held.gateway_reference or "") == 200
    request = CaptureRequest(names=names(held), amount=Money(1700, "EUR"), idempotency_key="PAY_witness_3:capture")
    assert stage.gateway().capture(request).status is PaymentStatus.CAPTURED
    # The fake gives the rest back as a refund where Stripe releases it.
    assert fetch(stage, held).refunded_minor == 800


def scene_hold_and_release(stage: Stage) -> None:
    held = create(stage, "PAY_witness_4", capture=CaptureMode.MANUAL)
    assert stage.confirm(held.gateway_reference or "") == 200
    void = VoidRequest(names=names(held), idempotency_key="PAY_witness_4:void")
    released = stage.gateway().void(void)
    assert (released.status, released.captured_minor, released.refunded_minor) == (PaymentStatus.VOIDED, 0, 0)
    assert fetch(stage, held).status is PaymentStatus.VOIDED
    with pytest.raises(RequestRejected) as caught:  # Stripe would answer payment_intent_unexpected_state
        stage.gateway().void(void)
    assert caught.value.http_status == 400


def scene_end_an_unpaid_payment(stage: Stage) -> None:
    created = create(stage, "PAY_witness_5")
    void = VoidRequest(names=names(created), idempotency_key="PAY_witness_5:void")
    assert stage.gateway().void(void).status is PaymentStatus.VOIDED


def scene_a_declined_card(stage: Stage) -> None:
    created = create(stage, "PAY_witness_6", minor=900)
    assert stage.confirm(created.gateway_reference or "", "pm_card_chargeCustomerFail") == 402
    declined = fetch(stage, created)
    assert declined.status is PaymentStatus.FAILED
    assert declined.decline is not None
    assert (declined.decline.code, declined.decline.gateway_code) == ("declined", "card_declined")


def scene_three_d_secure(stage: Stage) -> None:
    created = create(stage, "PAY_witness_7", minor=900)
    card = {"type": "card", "card[number]": "4000002500003155", "card[exp_month]": "12", "card[exp_year]": "34",
            "card[cvc]": "123"}  # fmt: skip
    method = stage.customer("/v1/payment_methods", **card).json()["id"]
    assert stage.confirm(created.gateway_reference or "", method) == 200
    assert fetch(stage, created).status is PaymentStatus.REQUIRES_ACTION
    assert isinstance(created.next_action, ClientToken)
    done = stage.customer(
        f"/v1/payment_intents/{created.gateway_reference}/_authenticate",
        client_secret=created.next_action.token,
        success="true",
    )
    assert done.status_code == 200
    assert fetch(stage, created).status is PaymentStatus.CAPTURED


def scene_keys_and_unknown_names(stage: Stage) -> None:
    check = stage.gateway().check_credentials()
    assert (check.ok, check.mode) == (True, Mode.TEST)
    strangers = stage.gateway("rk_test_witness0001")  # the fake knows no restricted keys
    assert strangers.check_credentials().ok is False
    with pytest.raises(GatewayMisconfigured):
        strangers.fetch_payment(PaymentNames(gateway_reference="pi_unknown"))
    assert isinstance(stage.gateway().fetch_payment(PaymentNames(gateway_reference="pi_unknown")), NotFound)
    unknown = PaymentNames(gateway_reference="pi_unknown")
    with pytest.raises(RequestRejected):
        stage.gateway().capture(CaptureRequest(names=unknown, amount=Money(1, "EUR"), idempotency_key="x"))


def scene_plain_text_pages(stage: Stage) -> None:
    """A route that the fake does not have answers 404 in plain text, some calls 500: nothing is learned from them."""
    session = PaymentNames(gateway_reference="cs_test_unknown")
    with pytest.raises(GatewayUnavailable):
        stage.gateway().fetch_payment(session)
    hosted = PaymentRequest(
        reference="PAY_witness_8",
        amount=Money(100, "EUR"),
        idempotency_key="PAY_witness_8:create",
        webhook_url="https://pay.example.com/hook",
        return_url="https://pay.example.com/back",
    )
    with pytest.raises(OutcomeUnknown) as caught:
        stage.gateway().initiate(hosted)
    assert caught.value.http_status == 404
    unpaid = create(stage, "PAY_witness_9")
    intent = unpaid.gateway_reference or ""
    assert stage.customer(f"/v1/payment_intents/{intent}", payment_method="pm_card_visa").status_code == 200
    give_back = RefundRequest(
        names=names(unpaid), reference="REF_witness_9", amount=Money(100, "EUR"), idempotency_key="REF_witness_9"
    )
    with pytest.raises(OutcomeUnknown) as broken:
        stage.gateway().refund(give_back)
    assert broken.value.http_status == 500


SCENES: Final[dict[str, Callable[[Stage], None]]] = {
    name.removeprefix("scene_"): found for name, found in list(globals().items()) if name.startswith("scene_")
}
