"""The smallest gateway: it counts what it did and tells each by webhook. For tests of the host alone."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.gateways.simulating import BookLine, GatewaySimulator, World


class ToySimulator(GatewaySimulator):
    slug = "toy"
    hosts = ("api.toy.example",)
    retry_seconds = (15.0, 1.0)  # the first pause is long enough for others to overtake
    actions = ("pay",)

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.payments: list[str] = []
        self.signed = 0
        self.due_at = 0.0
        self.ticked_at: list[float] = []

    def routes(self) -> list[Any]:
        return [Route("/pay", self.pay, methods=["POST"]), Route("/boom", self.boom, methods=["GET"])]

    async def pay(self, request: Request) -> Response:
        self.payments.append((await request.body()).decode())
        return JSONResponse({"paid": len(self.payments), "page": self.world.url("api.toy.example", "/page")})

    async def boom(self, request: Request) -> Response:
        raise RuntimeError("a bug in a simulator")

    def act(self, action: str, *, gateway_reference: str, **details: Any) -> Mapping[str, Any]:
        if action != "tell":
            raise ValueError(f"unknown action {action!r}; known: tell")
        for account in self.world.accounts("toy"):
            self.world.deliver(
                "toy",
                url=account.webhook_url,
                headers=self.sign(),
                body=f'{{"text":"{gateway_reference}","number":7}}'.encode(),
                resign=self.sign,
            )
        return {"told": gateway_reference, **details}

    def sign(self) -> Mapping[str, str]:
        self.signed += 1
        return {"x-signature": f"signature-{self.signed}"}

    def books(self) -> list[BookLine]:
        return [
            BookLine(
                gateway_reference=f"toy-{index}",
                reference=text,
                asset="EUR",
                captured=Decimal("1.50"),
                refunded=Decimal(0),
                status="paid",
            )
            for index, text in enumerate(self.payments)
        ]

    def reset(self) -> None:
        self.payments.clear()

    def tick(self) -> None:
        self.ticked_at.append(self.world.now())
