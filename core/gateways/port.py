"""The gateway port: four verbs that every gateway has, and abilities that it inherits when it has them.

`class StripeGateway(Gateway, CanCapture, CanRefund)` is the declaration, `isinstance(gateway, CanRefund)` the question.
There is no second list of abilities.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from core.clock import Clock
from core.gateways.types import (
    CaptureRequest,
    ChargeRequest,
    CloseRequest,
    CredentialCheck,
    DeleteSavedRequest,
    Description,
    DisputeNames,
    MethodNames,
    Mode,
    NotFound,
    PaymentNames,
    PaymentRequest,
    RefundNames,
    RefundRequest,
    Report,
    ReturnReading,
    SaveMethodRequest,
    VoidRequest,
    WebhookDelivery,
    WebhookReading,
)
from core.http import Http


class Cache(Protocol):
    """Short-lived shared state of one gateway key (access tokens). Advisory: every value may be gone at any time."""

    def get(self, name: str) -> str | None: ...
    def set(self, name: str, value: str, *, seconds: int) -> None: ...
    def delete(self, name: str) -> None: ...


class Gateway(ABC):
    """One merchant's account at one gateway. Keeps no payment state between calls; never touches the database.

    `credentials` holds the declared fields by name, plus `previous_<name>s` lists for those that rotate. Values of the
    wrong shape raise GatewayMisconfigured here; a missing one only when it is needed, so that an account with an API
    key but no webhook secret can still be polled.
    """

    slug: ClassVar[str]
    about: ClassVar[Description]

    @abstractmethod
    def __init__(self, credentials: Mapping[str, Any], *, mode: Mode, http: Http, cache: Cache, clock: Clock) -> None:
        raise NotImplementedError

    @abstractmethod
    def initiate(self, request: PaymentRequest) -> Report:
        """Create the order or payment. A decline is a report; the five GatewayErrors are the only exceptions."""

    @abstractmethod
    def fetch_payment(self, names: PaymentNames) -> Report | NotFound:
        """Ask what is true now, by any name we know, also when only our own reference is known."""

    @abstractmethod
    def read_webhook(self, delivery: WebhookDelivery) -> WebhookReading:
        """Verify the exact bytes, then read them. Pure: no HTTP.

        Raises WebhookRejected when the proof is missing or wrong, GatewayMisconfigured when there is no usable secret,
        and nothing else, whatever the bytes are.
        """

    @abstractmethod
    def check_credentials(self) -> CredentialCheck:
        """The cheapest call that proves the credentials, and moves nothing. Raises GatewayUnavailable only."""


class CanCapture(ABC):
    @abstractmethod
    def capture(self, request: CaptureRequest) -> Report:
        """Take money that is held. Returns a payment report with the cumulative captured amount."""


class CanVoid(ABC):
    @abstractmethod
    def void(self, request: VoidRequest) -> Report:
        """Release a hold, or end an unpaid order. Returns a payment report."""


class CanClose(ABC):
    """Orders that stay payable until somebody ends them. The platform does, when a payment's time is over."""

    @abstractmethod
    def can_close(self, names: PaymentNames) -> bool:
        """Whether the order of these names is one that can be ended. Pure: no HTTP."""

    @abstractmethod
    def close(self, request: CloseRequest) -> Report:
        """End an unpaid order for good. A payment report: EXPIRED, or what is true where money met the closing.

        Never releases a hold and never gives money back: that is `void`. Raises RequestRejected where the order cannot be
        ended; it is then left to whoever may still pay it.
        """


class CanRefund(ABC):
    @abstractmethod
    def refund(self, request: RefundRequest) -> Report:
        """Give back what was taken. Returns a refund report whose `payment` names the payment."""

    @abstractmethod
    def fetch_refund(self, names: RefundNames) -> Report | NotFound: ...


class CanSaveMethods(ABC):
    """Also: `initiate` with `save_method` set reports `saved` once the payment is paid."""

    @abstractmethod
    def charge_saved(self, request: ChargeRequest) -> Report:
        """Charge off-session. A payment report; a bank that wants the customer back is a next action or a decline."""

    @abstractmethod
    def delete_saved(self, request: DeleteSavedRequest) -> None:
        """Forget the method at the gateway, too. One that is already gone is fine."""


class CanSaveMethodsAlone(ABC):
    """Without a payment, beside CanSaveMethods."""

    @abstractmethod
    def save_method(self, request: SaveMethodRequest) -> Report:
        """Begin saving. Returns a report about a method, with what the customer has to do."""

    @abstractmethod
    def fetch_method(self, names: MethodNames) -> Report | NotFound:
        """What became of it: a report about a method, with `saved` once there is one."""


class CanFetchDisputes(ABC):
    @abstractmethod
    def fetch_dispute(self, names: DisputeNames) -> Report | NotFound:
        """How a dispute stands now, with what is held back because of it where the gateway says so.

        Without a name of its own: the dispute of that payment, or NotFound where disputes are known by their own name only.
        """


class CanReadReturn(ABC):
    @abstractmethod
    def read_return(self, delivery: WebhookDelivery, *, names: PaymentNames | None = None) -> ReturnReading:
        """Read a browser return; where it is signed, check it (WebhookRejected). Its word is never believed.

        `names`: the payment whose return address was called. A genuine return of another one is refused, too.
        """


class CanListCurrencies(ABC):
    @abstractmethod
    def list_pay_currencies(self) -> tuple[str, ...]:
        """Codes (upper case) of the coins in which this account can be paid now."""
