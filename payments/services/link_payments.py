"""Paying a link: one use is taken and one payment recorded in one transaction; the gateway is asked after it."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from django.db import connection, models, transaction

from core import clock, crash, transactions
from core.api import idempotency
from core.errors import DomainError
from core.gateways.types import CustomerDetails, Mode, Operation
from core.hashing import keyed_hash
from core.money import Money
from payments import loading
from payments.models import OnlinePayment
from payments.services import exchanges, fetching, initiate, resuming
from payments.services.initiate import Prepared
from payments.services.links import TOKEN_PURPOSE
from payments.services.orders import Order
from payments.work import PaymentState

ROUTE: Final = "/link/{token}"
DISABLED, EXPIRED, USED_UP = "disabled", "expired", "used_up"


class LinkClosed(DomainError):
    """410: nothing was created. `reason` is disabled, expired or used_up."""

    code: ClassVar[str] = "link_closed"
    status: ClassVar[int] = 410
    default_detail: ClassVar[str] = "This payment link cannot be paid any more."

    def __init__(self, reason: str) -> None:
        super().__init__(members={"reason": reason})
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the customer may decide. `nonce` is that of the form; everything else is the link's own."""

    nonce: str
    amount: Money
    gateway: str
    pay_currency: str = ""
    name: str = ""
    email: str = ""
    customer_ip: str | None = None


def find(token: str) -> OnlinePayment | None:
    """The link with this token, with its lab; None also where the lab is switched off. One statement."""
    found: OnlinePayment | None = (
        OnlinePayment.across_labs.select_related("lab")  # the token itself says which lab
        .filter(token_hash=keyed_hash(TOKEN_PURPOSE, token), lab__is_active=True)
        .first()
    )
    return found


def closed_because(link: OnlinePayment, *, now: datetime) -> str | None:
    """Why nobody can pay this link now, None where somebody can."""
    if not link.is_active:
        return DISABLED
    if link.expires_at is not None and link.expires_at <= now:
        return EXPIRED
    if link.max_uses is not None and link.uses >= link.max_uses:
        return USED_UP
    return None


def pay(*, link: OnlinePayment, choice: Choice) -> PaymentState:
    """The payment that this form asks for, with its gateway asked; the same form again gives the same payment.

    Whatever the gateway says, the payment is there to be shown. Raises LinkClosed, NoGateway or ReferenceInUse; then
    nothing was created and no use is taken.
    """
    order = _order(link, choice)
    found = transactions.run(lambda: _record(link, order, choice.nonce))
    if isinstance(found, PaymentState):
        return found
    crash.point("link_after_intent_commit")
    return _send(found)


def resume(payment_id: int) -> None:
    """Go on with a link's payment whose order did not reach its gateway, by the customer's wish. Does nothing while
    another request works on it; asks instead of sending where a second order could come of it."""
    with transaction.atomic():
        if not _take_lease(payment_id):
            return
        held = idempotency.Resume(row_id=0, lease_token=uuid.uuid4(), operation_type="payment", operation_id=payment_id)
        found = resuming.find_initiate(held)  # of `held` it reads the payment's id alone
    if found.exchange is None:
        return
    if found.may_repeat:
        _send(resuming.prepared_again(found))
    else:
        fetching.refresh(payment_id)


def _order(link: OnlinePayment, choice: Choice) -> Order:
    """Amount, currency and allowed gateways of the row (the caller has checked an open amount against its bounds)."""
    has_person = bool(choice.name or choice.email)
    return Order(
        money=choice.amount if link.amount is None else Money(int(link.amount), link.currency),
        gateway=choice.gateway,
        allowed_gateways=tuple(link.allowed_gateways),
        merchant_reference=_reference(link),
        description=link.description,
        customer=CustomerDetails(name=choice.name or None, email=choice.email or None) if has_person else None,
        return_url=link.return_url,
        pay_currency=choice.pay_currency,
        customer_ip=choice.customer_ip,
        metadata=link.metadata,
        link_id=link.pk,
    )


def _reference(link: OnlinePayment) -> str:
    """A link for one payment passes its reference on as it is. The payments of others may not share one (I18)."""
    if not link.merchant_reference or link.max_uses == 1:
        return str(link.merchant_reference)
    return f"{link.merchant_reference}-{secrets.token_hex(4)}"


# One form, one payment ----------------------------------------------------------------------------------------------


def _record(link: OnlinePayment, order: Order, nonce: str) -> Prepared | PaymentState:
    """In the open transaction. The form's nonce is an Idempotency-Key of this link: its row, the use and the payment
    commit together, so a double click finds the payment of the first. Other fields sent with the same nonce (the
    browser's back button) are another wish: what was sent is part of the key."""
    wish = idempotency.fingerprint(ROUTE, [*_plain(order)])
    mode = Mode(link.mode)
    with connection.cursor() as cursor:
        try:
            held = idempotency.begin(
                cursor, lab_id=link.lab_id, mode=mode, method="POST", route=ROUTE,
                key=f"{link.public_id}:{nonce}:{wish[:32]}", fingerprint=wish, operation_type="payment",
                operation_sequence="payments_payment_id_seq",
            )  # fmt: skip
        except idempotency.InProgress:
            raise transactions.TryAgain from None  # committed while we waited for it: now it can be read
        if isinstance(held, idempotency.Replay):
            return _recorded(int(held.body))
        assert isinstance(held, idempotency.Started), "a key of a form is finished when it is committed"
        _take_use(link)
        prepared = initiate.record(lab_id=link.lab_id, mode=mode, order=order, payment_id=held.operation_id)
        idempotency.finish(cursor, held, status=201, body=str(prepared.state.id))
    return prepared


def _plain(order: Order) -> list[object]:
    person = order.customer
    return [
        order.money.minor, order.money.asset, order.gateway, order.pay_currency,
        *([person.name, person.email] if person else []),
    ]  # fmt: skip


def _recorded(payment_id: int) -> PaymentState:
    loaded = loading.by_id(payment_id)
    assert loaded is not None, "the form's row and the payment's were committed together"
    return loaded.state


_TAKE_USE: Final = """
    UPDATE payments_onlinepayment SET uses = uses + 1
    WHERE id = %s AND is_active AND (max_uses IS NULL OR uses < max_uses)
      AND (expires_at IS NULL OR expires_at > %s)
    RETURNING id"""


def _take_use(link: OnlinePayment) -> None:
    now = clock.now()
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_USE, [link.pk, now])
        if cursor.fetchone() is None:
            link.refresh_from_db(fields=["is_active", "uses", "max_uses", "expires_at"], from_queryset=_rows(link))
            raise LinkClosed(closed_because(link, now=now) or USED_UP)


def _rows(link: OnlinePayment) -> models.QuerySet[OnlinePayment]:
    return OnlinePayment.objects.for_lab(link.lab_id)


# The call -----------------------------------------------------------------------------------------------------------


def _send(prepared: Prepared) -> PaymentState:
    """What the gateway refuses or leaves unknown is written down with the payment, whose page says it."""
    try:
        return initiate.send(prepared, held=None)
    except DomainError:
        return prepared.state


_TAKE_LEASE: Final = f"""
    UPDATE payments_paymentgatewaytransaction
    SET lease_until = clock_timestamp() + interval '{exchanges.LEASE_SECONDS} seconds'
    WHERE payment_id = %s AND operation = %s AND outcome IN ('sent', 'unknown')
      AND (lease_until IS NULL OR lease_until <= clock_timestamp())
    RETURNING id"""  # noqa: S608


def _take_lease(payment_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_LEASE, [payment_id, Operation.INITIATE.value])
        return cursor.fetchone() is not None
