"""What a gateway's `simulator.py` provides, so that one process can play every gateway.

A simulator is written from the gateway's protocol page and shares no code with the client beside it. The host
(`clients/simulator`) serves it under `/<host>/...`, hands it a `World`, injects faults around it and sends its webhooks.
Starlette is a development dependency: only simulators import it, this module does not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, ClassVar, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedAccount:
    """One merchant account as the gateway knows it. `credentials` by the names of the gateway page's section 2."""

    mode: str  # test, live
    credentials: Mapping[str, Any] = field(repr=False)
    webhook_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookLine:
    """What the simulated gateway really charged and gave back for one payment, in major units of `asset`."""

    gateway_reference: str
    reference: str | None
    asset: str
    captured: Decimal
    refunded: Decimal
    status: str  # the gateway's own word
    mode: str = "live"


class World(Protocol):
    """What the host gives every simulator."""

    def now(self) -> float:
        """Unix seconds; the control API can move it forward."""
        ...

    def url(self, host: str, path: str) -> str:
        """Absolute address of `path` of one simulated host, for links that the customer's browser follows."""
        ...

    def accounts(self, slug: str) -> Sequence[SimulatedAccount]: ...

    def deliver(self, slug: str, *, url: str, headers: Mapping[str, str], body: bytes, resign: Any = None) -> None:
        """Queue one webhook POST. Faults (duplicate, reorder, delay, drop, forge) and the gateway's retries apply.

        `resign` is an optional callable () -> headers, called again for every retry where the gateway re-signs.
        """
        ...


class GatewaySimulator(ABC):
    slug: ClassVar[str]
    hosts: ClassVar[tuple[str, ...]]  # requests arrive at /<host>/<path>
    retry_seconds: ClassVar[tuple[float, ...]] = (
        1.0,
        2.0,
        4.0,
    )  # pauses between tries of a webhook; scaled down locally

    def __init__(self, world: World) -> None:
        self.world = world

    @abstractmethod
    def routes(self) -> list[Any]:
        """Starlette routes, paths without the host: [Route("/v1/checkout/sessions", self.create, methods=["POST"])]."""

    @abstractmethod
    def act(self, action: str, *, gateway_reference: str, **details: Any) -> Mapping[str, Any]:
        """What a customer or the gateway's staff does, by control API instead of by browser.

        Common actions: pay, decline, cancel, expire, authorize, pay_late, pay_short, pay_over, pay_twice, wrong_asset,
        dispute, refund (made in the gateway's dashboard). Raises ValueError("...") naming the actions it knows.
        """

    @abstractmethod
    def books(self) -> list[BookLine]: ...

    @abstractmethod
    def reset(self) -> None:
        """Forget all payments."""

    def tick(self) -> None:  # noqa: B027 - optional, most gateways have nothing that happens by itself
        """Time went by or was moved: let happen what is due by now (expiry, a refund that settles later)."""
