"""Payment links: addresses that a lab hands out. Their token is looked up by hash, and kept sealed to be shown again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final

from django.conf import settings
from django.db import transaction

from core import audit, clock, ids
from core.encryption import Place, open_, seal
from core.errors import DomainError
from core.gateways.types import Mode
from core.hashing import keyed_hash
from core.models import Lab, lab_id_of
from core.money import MAX_MINOR, exponent_of
from payments.models import OnlinePayment

TOKEN_PURPOSE: Final = "link_token"


class InvalidLink(DomainError):
    """400: a link that nobody could pay."""

    code: ClassVar[str] = "invalid_link"
    status: ClassVar[int] = 400


def create_link(
    *,
    lab: Lab | int,
    mode: Mode,
    currency: str,
    actor: Any,
    amount: int | None = None,
    minimum: int | None = None,
    maximum: int | None = None,
    description: str = "",
    merchant_reference: str = "",
    allowed_gateways: Sequence[str] = (),
    return_url: str = "",
    metadata: Mapping[str, str] | None = None,
    max_uses: int | None = None,
    expires_at: datetime | None = None,
    link_id: int | None = None,
) -> OnlinePayment:
    """A new payment link. Amounts are minor units of `currency`; without `amount` the customer chooses between
    `minimum` and `maximum`. `link_id` is an id already drawn from the table's sequence (Idempotency-Key).

    Raises InvalidLink, and UnknownAsset for a currency that is not known.
    """
    exponent_of(currency)
    _refuse_wrong_amounts(amount, minimum, maximum)
    token = ids.token()
    link = OnlinePayment(
        id=link_id, lab_id=lab_id_of(lab), mode=Mode(mode).value, public_id=ids.public_id("LNK"), currency=currency, amount=amount,
        minimum=minimum, maximum=maximum, description=description, merchant_reference=merchant_reference,
        allowed_gateways=list(allowed_gateways), return_url=return_url, metadata=dict(metadata or {}),
        max_uses=max_uses, expires_at=expires_at, token_hash=keyed_hash(TOKEN_PURPOSE, token),
    )  # fmt: skip
    with transaction.atomic():
        link.token_sealed = seal(link.lab_id, _place(link), token)
        link.save(force_insert=True)
        audit.record(
            lab=link.lab_id, actor=actor, action="link.created", object_type="link", object_id=link.public_id,
            changes={"mode": link.mode, "currency": currency, "amount": amount, "minimum": minimum, "maximum": maximum},
        )  # fmt: skip
    return link


class LinkStatus(StrEnum):
    """Whether a link can be paid. The first that applies, in this order from the end: a disabled link is disabled."""

    ACTIVE = "active"
    USED_UP = "used_up"
    EXPIRED = "expired"
    DISABLED = "disabled"


def status_of(link: OnlinePayment) -> LinkStatus:
    """By our clock, for showing. Whether a use may be taken is decided by the database, in the statement that takes it."""
    if not link.is_active:
        return LinkStatus.DISABLED
    if link.expires_at is not None and link.expires_at <= clock.now():
        return LinkStatus.EXPIRED
    if link.max_uses is not None and link.uses >= link.max_uses:
        return LinkStatus.USED_UP
    return LinkStatus.ACTIVE


def disable_link(*, link: OnlinePayment, actor: Any) -> OnlinePayment:
    """End a link for good; again is harmless. Payments that it already began go on."""
    with transaction.atomic():
        link = OnlinePayment.objects.for_lab(link.lab_id).select_for_update().get(pk=link.pk)
        if link.is_active:
            link.is_active = False
            link.save(update_fields=["is_active"])
            audit.record(
                lab=link.lab_id, actor=actor, action="link.disabled", object_type="link", object_id=link.public_id
            )
    return link


def link_url(link: OnlinePayment) -> str:
    """Where customers pay. Raises CannotOpen where the token was sealed with a key that is gone."""
    return f"{settings.PUBLIC_URL}/link/{open_(link.lab_id, _place(link), link.token_sealed)}"


def _place(link: OnlinePayment) -> Place:
    return Place(gateway_key=link.public_id, mode=link.mode, field=TOKEN_PURPOSE)


def _refuse_wrong_amounts(amount: int | None, minimum: int | None, maximum: int | None) -> None:
    if amount is not None:
        if minimum is not None or maximum is not None:
            raise InvalidLink("A link has a fixed amount, or a minimum and a maximum; not both.")
        minimum = maximum = amount
    if minimum is None or maximum is None:
        raise InvalidLink("Without a fixed amount a link needs a minimum and a maximum.")
    if not 0 < minimum <= maximum <= MAX_MINOR:
        raise InvalidLink(
            "Amounts are greater than zero, of at most 38 digits, and the minimum is not above the maximum."
        )
