"""The main job, gateway by gateway, over real HTTP: initiate, be paid, hear the signed webhook, see the status, refund
a part, and compare with what the simulated gateway itself has in its books."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import httpx

from core.gateways import registry
from core.gateways.port import CanRefund
from core.gateways.types import Description, PaymentStatus, WebhookProof
from core.models import Lab
from core.money import Money, exponent_of, minor_to_decimal
from payments.demo import plan
from payments.demo.remote import Platform, Refused, Simulator
from payments.models import GatewayReference, PaymentTransition

STEPS: Final = ("initiate", "paid", "status", "refund", "balance", "books")
TIMEOUT_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05


class StepFailed(Exception):
    """What should have happened did not. One sentence."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One step as the table shows it. `ok` is None where the step does not apply."""

    text: str
    note: str = ""
    ok: bool | None = True


@dataclass(slots=True)
class Row:
    gateway: str
    label: str
    cells: dict[str, Cell] = field(default_factory=dict)
    failure: str = ""

    @property
    def is_true(self) -> bool:
        return not self.failure and all(cell.ok is not False for cell in self.cells.values())


def visit(gateway: str, *, lab: Lab, platform: Platform, simulator: Simulator, say: Callable[[str], None]) -> Row:
    """One gateway. Stops at the first step that does not come true; `say` hears what is going on."""
    visitor = _Visit(gateway, lab, platform, simulator)
    row = Row(gateway, visitor.about.label)
    for name in STEPS:
        say(f"{visitor.about.label}: {name}")
        try:
            row.cells[name] = getattr(visitor, name)()
        except (StepFailed, Refused, httpx.HTTPError) as error:
            row.cells[name] = Cell("failed", ok=False)
            row.failure = f"{visitor.about.label}, {name}: {str(error) or type(error).__name__}"
            break
    return row


class _Visit:
    """One payment through one gateway; each method is one step and one cell."""

    about: Description

    def __init__(self, gateway: str, lab: Lab, platform: Platform, simulator: Simulator) -> None:
        self.gateway = gateway
        self.about = registry.gateway_class(gateway).about
        self._lab = lab
        self._platform = platform
        self._simulator = simulator
        self._payment: dict[str, Any] = {}
        self._balance_before = 0

    def initiate(self) -> Cell:
        if self.about.is_crypto:
            self._balance_before = self._balance()
        body = plan.order(
            self.gateway, self.about, reference=f"DEMO-{secrets.token_hex(4)}", return_url="https://shop.example/thanks"
        )
        began = time.monotonic()
        self._payment = self._platform.post("/payments/initiate", body)
        took = _milliseconds(began)
        if self._payment["next_action"] is None:
            raise StepFailed(f"the payment is {self._payment['status']} and asks the customer for nothing")
        return Cell(self._money(self._payment["amount"]), took)

    def paid(self) -> Cell:
        """The customer pays at the gateway; the time runs until the last webhook about it was answered."""
        seen = max((one["number"] for one in self._simulator.webhooks(self.gateway)), default=0)
        began = time.monotonic()
        self._simulator.pay(self.gateway, self._payment["gateway_reference"] or self._post_form())
        sent = _until(lambda: self._delivered_after(seen), "the platform did not accept the webhook")
        return Cell(f"{len(sent)} verified", _milliseconds(began))

    def _post_form(self) -> str:
        """What the customer's browser does with a form; answers the name that the form gives the payment."""
        action = self._payment["next_action"]
        if action is None or action["type"] != "form_post":  # this gateway names it only when it is paid
            ours = GatewayReference.across_labs.get(
                payment__public_id=self._payment["id"], is_ours=True, is_refund=False
            )
            return str(ours.reference)
        httpx.post(
            action["url"], data=action["fields"], timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=True
        )
        ours = self._payment["id"].rpartition("_")[2]
        return next((text for text in action["fields"].values() if ours in text), self._payment["id"])

    def _delivered_after(self, number: int) -> list[dict[str, Any]]:
        """The webhooks since, once there are some and none is on its way any more."""
        new = [one for one in self._simulator.webhooks(self.gateway) if one["number"] > number]
        if refused := [one for one in new if one["state"] in ("retrying", "failed")]:
            raise StepFailed(f"the platform answered a webhook with {refused[0]['status']}")
        return new if new and all(one["state"] == "delivered" for one in new) else []

    def status(self) -> Cell:
        began = time.monotonic()
        self._payment = self._read_until(lambda shown: shown["status"] == PaymentStatus.CAPTURED.value)
        took = _milliseconds(began)
        if self._payment["captured"] != self._payment["amount"] or self._payment["attention"]:
            raise StepFailed(f"captured {self._payment['captured']}, attention {self._payment['attention']}")
        captured = PaymentTransition.objects.for_lab(self._lab).get(
            payment__public_id=self._payment["id"], to_status=PaymentStatus.CAPTURED.value
        )
        if self.about.webhook_proof is WebhookProof.STRONG and captured.cause != "webhook":
            raise StepFailed(f"it was captured by a {captured.cause}, not by the signed webhook")
        return Cell("captured", f"by {captured.cause}\n{took}")

    def refund(self) -> Cell:
        if not issubclass(registry.gateway_class(self.gateway), CanRefund):
            return Cell("no refunds", ok=None)
        part = self._payment["captured"] // plan.REFUNDED_PART
        began = time.monotonic()
        self._platform.post("/payments/refund", {"payment": self._payment["id"], "amount": part, "reason": "Demo"})
        if self.about.refunds_take_days:
            self._payment = self._read_until(lambda shown: shown["refund_status"] in {"pending", "partially_refunded"})
            return Cell(self._money(part), f"filed {_milliseconds(began)}")
        self._payment = self._read_until(lambda shown: shown["refunded"] == part)
        return Cell(self._money(part), _milliseconds(began))

    def balance(self) -> Cell:
        if not self.about.is_crypto:
            return Cell("-", ok=None)
        after = self._balance()
        if after - self._balance_before != self._payment["captured"]:
            raise StepFailed(f"the balance went from {self._balance_before} to {after} minor units")
        return Cell(str(self._decimal(self._balance_before)), f"-> {self._decimal(after)}")

    def books(self) -> Cell:
        """What the gateway itself counts for this payment, by any of the names it may use."""
        names = set(
            GatewayReference.objects.for_lab(self._lab)
            .filter(payment__public_id=self._payment["id"])
            .values_list("reference", flat=True)
        )
        mine = [
            line
            for line in self._simulator.books(self.gateway)
            if line["mode"] == "live" and names & {line["gateway_reference"], line["reference"]}
        ]
        captured = sum((Decimal(line["captured"]) for line in mine), Decimal(0))
        refunded = sum((Decimal(line["refunded"]) for line in mine), Decimal(0))
        ours = self._decimal(self._payment["captured"]), self._decimal(self._payment["refunded"])
        if (captured, refunded) != ours:
            raise StepFailed(
                f"the gateway counts {captured} taken and {refunded} given back, we {ours[0]} and {ours[1]}"
            )
        return Cell(f"{ours[0]} taken", f"{ours[1]} back")

    def _read_until(self, fits: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            shown: dict[str, Any] = self._platform.get(f"/payments/status/{self._payment['id']}")
            self._payment = shown
            return shown if fits(shown) else None

        return _until(look, "GET /payments/status did not show it")

    def _balance(self) -> int:
        """Minor units of the currency that a deposit is priced in; nothing where the customer is new."""
        found = self._platform.find(f"/v1/customers/{plan.CUSTOMER['id']}/balances")
        balances = found["data"] if found is not None else []
        return sum(int(one["balance"]) for one in balances if one["asset"] == plan.currency(self.about))

    def _money(self, minor: int) -> str:
        return str(Money(minor, self._payment["currency"]))

    def _decimal(self, minor: int) -> Decimal:
        return minor_to_decimal(minor, exponent_of(self._payment["currency"]))


def _until(look: Callable[[], Any], otherwise: str) -> Any:
    """What `look` finds as soon as it finds something. Raises StepFailed after TIMEOUT_SECONDS."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not (found := look()):
        if time.monotonic() > deadline:
            raise StepFailed(f"{otherwise} within {TIMEOUT_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)
    return found


def _milliseconds(began: float) -> str:
    return f"{(time.monotonic() - began) * 1000:.0f} ms"
