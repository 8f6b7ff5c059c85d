"""What an operation was about, as far as the line tells: the gateway port's requests, with defaults for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar

from core.gateways.types import (
    BillingDetails,
    CaptureMode,
    CaptureRequest,
    ChargeRequest,
    CloseRequest,
    CustomerDetails,
    DeleteSavedRequest,
    Description,
    DisputeNames,
    MethodNames,
    PaymentNames,
    PaymentRequest,
    Presentation,
    RefundNames,
    RefundRequest,
    SavedMethod,
    SaveMethodRequest,
    VoidRequest,
)
from core.money import ASSETS, Money, MoneyError

_USUAL: Final = ("USD", "EUR", "INR", "PHP", "AED", "GBP")
_MAJOR_UNITS: Final = 100
_DEFAULT_REFERENCE: Final = "PAY_EXPLAIN_1"
_DEFAULT_REFUND: Final = "REF_EXPLAIN_1"
_DEFAULT_HOST: Final = "https://pay.example.test"

Value = TypeVar("Value")


class BadLine(ValueError):
    """Something in a line cannot be meant. The message says what."""


class Asked:
    """One "asked" object. Members: reference, gateway_reference, other_references, amount_minor, asset, idempotency_key,
    capture, presentation, pay_currency, return_url, cancel_url, webhook_url, description, customer, billing,
    customer_ip, metadata, save_method, token, customer_token, extra_token, created_at, expires_at, acknowledged, reason, operation_reference, refund_reference and
    `payment` (the same names of the payment that a refund is about), or flat payment_reference and
    payment_gateway_reference. The API's `amount` and `currency` are understood.
    """

    def __init__(self, value: Mapping[str, Any], about: Description) -> None:
        self._value = value
        self._about = about

    def has(self, name: str) -> bool:
        return self._value.get(name) is not None

    def with_defaults(self, **members: Any) -> Asked:
        """The same, with `members` where nothing was said."""
        return Asked({**members, **{key: one for key, one in self._value.items() if one is not None}}, self._about)

    def has_one_name(self) -> bool:
        """Whether `reference` is all that a refund and its payment are called."""
        return self.has("reference") and not any(map(self.has, ("refund_reference", "payment", "payment_reference")))

    def naming_the_refund(self) -> Asked:
        """The same, of a payment whose name nobody told."""
        return self.with_defaults(payment_reference=_DEFAULT_REFERENCE)

    # --- requests of the port ---

    def payment_request(self) -> PaymentRequest:
        reference = self._text("reference") or _DEFAULT_REFERENCE
        return PaymentRequest(
            reference=reference,
            amount=self.amount(),
            idempotency_key=self._key("initiate", reference),
            webhook_url=self._text("webhook_url") or f"{_DEFAULT_HOST}/payments/webhook/explain",
            return_url=self._text("return_url") or f"{_DEFAULT_HOST}/pay/{reference}",
            cancel_url=self._text("cancel_url"),
            description=self._text("description"),
            customer=self._details("customer", CustomerDetails),
            billing=self._details("billing", BillingDetails),
            capture=self._word("capture", CaptureMode) or CaptureMode.AUTOMATIC,
            presentation=self._word("presentation", Presentation) or Presentation.HOSTED,
            pay_currency=self._text("pay_currency"),
            customer_ip=self._text("customer_ip"),
            created_at=self._time("created_at"),
            expires_at=self._time("expires_at"),
            save_method=self._value.get("save_method") is True,
            customer_token=self._text("customer_token"),
            metadata=self._texts("metadata"),
        )

    def capture_request(self) -> CaptureRequest:
        names = self.payment_names()
        return CaptureRequest(
            names=names,
            amount=self.amount(),
            idempotency_key=self._key("capture", names.reference),
            reference=self._text("operation_reference"),
        )

    def void_request(self) -> VoidRequest:
        names = self.payment_names()
        return VoidRequest(
            names=names,
            idempotency_key=self._key("void", names.reference),
            reference=self._text("operation_reference"),
        )

    def close_request(self) -> CloseRequest:
        names = self.payment_names()
        return CloseRequest(names=names, idempotency_key=self._key("close", names.reference))

    def refund_request(self) -> RefundRequest:
        reference = self._refund_reference()
        return RefundRequest(
            names=self._refunded_payment(),
            reference=reference,
            amount=self.amount(),
            idempotency_key=self._key("refund", reference),
            webhook_url=self._text("webhook_url"),
            reason=self._text("reason"),
        )

    def save_request(self) -> SaveMethodRequest:
        reference = self._text("reference") or _DEFAULT_REFERENCE
        return SaveMethodRequest(
            reference=reference,
            idempotency_key=self._key("save_method", reference),
            currency=self.amount().asset,
            webhook_url=self._text("webhook_url") or f"{_DEFAULT_HOST}/payments/webhook/explain",
            return_url=self._text("return_url") or f"{_DEFAULT_HOST}/pay/{reference}",
            customer=self._details("customer", CustomerDetails),
            customer_token=self._text("customer_token"),
        )

    def method_names(self) -> MethodNames:
        return MethodNames(
            reference=self._text("reference") or _DEFAULT_REFERENCE,
            gateway_reference=self._text("gateway_reference"),
            created_at=self._time("created_at"),
        )

    def charge_request(self) -> ChargeRequest:
        return ChargeRequest(payment=self.payment_request(), saved=self._saved())

    def delete_request(self) -> DeleteSavedRequest:
        return DeleteSavedRequest(saved=self._saved(), idempotency_key=self._key("delete_saved", None))

    def dispute_names(self) -> DisputeNames:
        payment = self._payment()
        return DisputeNames(
            gateway_reference=self._text("gateway_reference"),
            payment=payment.payment_names() if payment is not None else PaymentNames(),
        )

    def _saved(self) -> SavedMethod:
        return SavedMethod(
            token=self._text("token") or "explain-token",
            customer_token=self._text("customer_token"),
            extra_token=self._text("extra_token"),
        )

    def refund_names(self) -> RefundNames:
        payment = self._payment()
        return RefundNames(
            reference=self._refund_reference(),
            gateway_reference=self._text("gateway_reference"),
            payment=payment.payment_names() if payment is not None else PaymentNames(),
            amount=self._amount_if_said(),
            created_at=self._time("created_at"),
        )

    def payment_names(self) -> PaymentNames:
        gateway_reference = self._text("gateway_reference")
        # Without any name at all there would be nothing to ask a gateway for.
        reference = self._text("reference") or (None if gateway_reference else _DEFAULT_REFERENCE)
        return PaymentNames(
            reference=reference,
            gateway_reference=gateway_reference,
            other_references=self._list("other_references"),
            amount=self._amount_if_said(),
            created_at=self._time("created_at"),
            acknowledged=self._value.get("acknowledged") is True,
        )

    def amount(self) -> Money:
        """What was said, else 100 major units of the first usual currency of this gateway."""
        said = self._amount_if_said()
        if said is not None:
            return said
        asset = self._asset() or self._usual_asset()
        return Money(_MAJOR_UNITS * 10 ** ASSETS[asset], asset)

    # --- one member each ---

    def _refund_reference(self) -> str:
        # Without a `payment` of its own, one `reference` names both: which of the two was meant cannot be told.
        return self._text("refund_reference") or self._text("reference") or _DEFAULT_REFUND

    def _refunded_payment(self) -> PaymentNames:
        payment = self._payment()
        return self.payment_names() if payment is None else payment.payment_names()

    def _payment(self) -> Asked | None:
        """The payment of a refund, from `payment` or from `payment_reference` and `payment_gateway_reference`."""
        said = self._value.get("payment")
        if said is None:
            flat = {name: self._value.get(f"payment_{name}") for name in ("reference", "gateway_reference")}
            return Asked(flat, self._about) if any(flat.values()) else None
        if not isinstance(said, dict):
            raise BadLine('"payment" is an object with the names of the payment')
        return Asked(said, self._about)

    def _amount_if_said(self) -> Money | None:
        minor = self._value.get("amount_minor", self._value.get("amount"))
        if minor is None:
            return None
        if isinstance(minor, str) and minor.isascii() and minor.isdigit() and len(minor) <= 38:
            minor = int(minor)
        if type(minor) is not int or minor < 0:
            raise BadLine('"amount_minor" is a whole number of minor units')
        try:
            return Money(minor, self._asset() or self._usual_asset())
        except MoneyError as error:
            raise BadLine(str(error)) from None

    def _asset(self) -> str | None:
        asset = self._text("asset") or self._text("currency")
        if asset is None:
            return None
        if asset.upper() not in ASSETS:
            raise BadLine(f"{asset.upper()!r} is not a currency or coin that is known here")
        return asset.upper()

    def _usual_asset(self) -> str:
        known = self._about.currencies
        return next((one for one in (*_USUAL, *sorted(known)) if one in known and one in ASSETS), "USD")

    def _key(self, operation: str, reference: str | None) -> str:
        return self._text("idempotency_key") or f"{reference or 'explain'}:{operation}"

    def _text(self, name: str) -> str | None:
        value = self._value.get(name)
        if value is None or isinstance(value, str):
            return value
        if type(value) is int:
            return str(value)  # gateways' ids are often plain numbers, ours to keep as text
        raise BadLine(f'"{name}" is text')

    def _word(self, name: str, kind: Callable[[str], Value]) -> Value | None:
        value = self._text(name)
        if value is None:
            return None
        try:
            return kind(value.lower())
        except ValueError as error:
            raise BadLine(str(error)) from None

    def _list(self, name: str) -> tuple[str, ...]:
        value = self._value.get(name) or ()
        if not isinstance(value, (list, tuple)):
            raise BadLine(f'"{name}" is a list of texts')
        return tuple(str(one) for one in value)

    def _texts(self, name: str) -> dict[str, str]:
        value = self._value.get(name) or {}
        if not isinstance(value, dict):
            raise BadLine(f'"{name}" is an object')
        return {key: str(one) for key, one in value.items()}

    def _details(self, name: str, kind: Callable[..., Value]) -> Value | None:
        if not self.has(name):
            return None
        try:
            return kind(**self._texts(name))
        except TypeError:
            raise BadLine(f'"{name}" has a member that is not known') from None

    def _time(self, name: str) -> datetime | None:
        """Unix seconds, or ISO 8601 (UTC where it names no zone)."""
        value = self._value.get(name)
        if value is None:
            return None
        try:
            if isinstance(value, str):
                moment = datetime.fromisoformat(value)
                return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
            if type(value) is int or isinstance(value, Decimal):
                return datetime.fromtimestamp(float(value), UTC)
        except (ValueError, OverflowError, OSError):
            pass
        raise BadLine(f'"{name}" is a time: unix seconds or ISO 8601')
