"""A lab at every simulated gateway: the platform in this process, the gateways as real servers on loopback.

No webhook arrives by itself: the simulator loses all of them (its own fault "drop"), and a test hands over those that it
wants to have arrived.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
from django.test import Client

from clients.simulator.testing import Simulator
from core.gateways.types import Mode
from core.models import Lab
from payments.models import PaymentGatewayKey
from payments.services import keys
from tests.clients.test_contract import ALL_CASES
from tests.payments import builders
from tests.payments.shop import made

PRICES: Mapping[str, tuple[int, str]] = {
    "stripe": (1299, "EUR"), "razorpay": (129900, "INR"), "square": (11550, "USD"), "pesopay": (125050, "PHP"),
}  # fmt: skip
EVERYTHING = 10_000


class Stall:
    """One gateway account of the lab."""

    def __init__(self, simulator: Simulator, lab: Lab, gateway: str, **values: str) -> None:
        self.simulator, self.lab, self.gateway = simulator, lab, gateway
        case = next(one for one in ALL_CASES if one.slug == gateway)
        given = {name: one for name, one in case.credentials(Mode.LIVE).items() if isinstance(one, str)} | values
        self.key: PaymentGatewayKey = keys.create_gateway_key(
            lab=lab, gateway=gateway, mode=Mode.LIVE, values=given, actor="test"
        )
        self.webhook_url = keys.key_row_of(self.key).webhook_url()
        ours = {one.name: self.webhook_url for one in case.gateway_class.about.credentials if one.is_filled_by_platform}
        simulator.register(gateway, mode="live", credentials=given | ours, webhook_url=self.webhook_url)
        simulator.webhook_fault(gateway, "drop", times=EVERYTHING)
        self.client, self.token = Client(raise_request_exception=False), builders.make_api_key(lab)

    def order(self, **changes: Any) -> dict[str, Any]:
        """A payment that waits for its customer."""
        amount, currency = PRICES[self.gateway]
        response = self.client.post(
            "/payments/initiate", {"amount": amount, "currency": currency, "gateway": self.gateway, **changes},
            content_type="application/json", headers=self._headers | {"Idempotency-Key": secrets.token_hex(8)},
        )  # fmt: skip
        return made(response)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def read(self, path: str) -> dict[str, Any]:
        return made(self.client.get(path, headers=self._headers), 200)

    def act(self, action: str, payment: Mapping[str, Any], **details: Any) -> None:
        """What the customer or the gateway's staff does."""
        self.simulator.act(self.gateway, action, self._name(payment), **details)

    def _name(self, payment: Mapping[str, Any]) -> str:
        """Theirs; and before there is one, ours as it stands in the form that the customer's browser posts."""
        action = payment["next_action"] or {}
        if action.get("type") != "form_post":
            return str(payment["gateway_reference"])
        page = httpx.post(action["url"], data=action["fields"], timeout=10, trust_env=False, verify=False)
        assert page.status_code == 200, page.text
        ours = payment["id"].rpartition("_")[2]
        return next(text for text in action["fields"].values() if ours in text)

    def lost(self) -> list[dict[str, Any]]:
        """Every webhook of this gateway, oldest first, none of which arrived."""
        found = self.simulator.webhooks(self.gateway, bodies=True)
        assert {one["state"] for one in found} <= {"dropped"}
        return found

    def hand_over(self, *deliveries: Mapping[str, Any]) -> None:
        """These did arrive, byte for byte as they were signed."""
        path = urlsplit(self.webhook_url).path
        for one in deliveries:
            kept = {name: value for name, value in one["headers"].items() if name.lower() != "content-type"}
            response = self.client.generic(
                "POST", path, data=one["body"].encode(), headers=kept,
                content_type=one["headers"].get("Content-Type") or one["headers"].get("content-type"),
            )  # fmt: skip
            assert response.status_code == 200, response.content
