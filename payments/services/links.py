"""Payment links: addresses that a lab hands out. Their token is looked up by hash, and kept sealed to be shown again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Final

from django.conf import settings
from django.db import transaction

from core import audit, ids
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
) -> OnlinePayment:
    """A new payment link. Amounts are minor units of `currency`; without `amount` the customer chooses between
    `minimum` and `maximum`. Raises InvalidLink, and UnknownAsset for a currency that is not known."""
    exponent_of(currency)
    _refuse_wrong_amounts(amount, minimum, maximum)
    token = ids.token()
    link = OnlinePayment(
        lab_id=lab_id_of(lab), mode=Mode(mode).value, public_id=ids.public_id("LNK"), currency=currency, amount=amount,
        minimum=minimum, maximum=maximum, description=description, merchant_reference=merchant_reference,
        allowed_gateways=list(allowed_gateways), return_url=return_url, metadata=dict(metadata or {}),
        max_uses=max_uses, expires_at=expires_at, token_hash=keyed_hash(TOKEN_PURPOSE, token),
    )  # fmt: skip
    with transaction.atomic():
        link.token_sealed = seal(link.lab_id, _place(link), token)
        link.save()
        audit.record(
            lab=link.lab_id, actor=actor, action="link.created", object_type="link", object_id=link.public_id,
            changes={"mode": link.mode, "currency": currency, "amount": amount, "minimum": minimum, "maximum": maximum},
        )  # fmt: skip
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
        raise InvalidLink("Amounts are greater than zero, of at most 38 digits, and the minimum is not above the maximum.")
