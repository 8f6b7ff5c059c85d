"""Which gateway key takes a payment: the first in priority order that can, with a reason for each that cannot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.gateways import registry
from core.gateways.types import CaptureMode, Description, Presentation
from core.money import Money
from payments.services.errors import NoGateway
from payments.services.keys import KeyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a payment needs of a gateway."""

    amount: Money
    capture: CaptureMode = CaptureMode.AUTOMATIC
    presentation: Presentation = Presentation.HOSTED
    pay_currency: str | None = None
    allowed_gateways: tuple[str, ...] = ()


def choose(keys: Sequence[KeyRow], wish: Wish) -> KeyRow:
    """Raises NoGateway with the reasons."""
    reasons: list[dict[str, str]] = []
    for key in keys:
        why = why_not(key, wish)
        if why is None:
            return key
        reasons.append({"gateway": key.gateway, "gateway_key": key.public_id, "reason": why})
    raise NoGateway(reasons)


def why_not(key: KeyRow, wish: Wish) -> str | None:
    """One sentence, or None when the key can take it."""
    if wish.allowed_gateways and key.gateway not in wish.allowed_gateways:
        return "this link does not allow this gateway"
    try:
        about = key.about
    except registry.UnknownGateway:
        return "this gateway is not installed"
    return _why_not_money(key, about, wish) or _why_not_way(about, wish)


def _why_not_money(key: KeyRow, about: Description, wish: Wish) -> str | None:
    asset, minor = wish.amount.asset, wish.amount.minor
    if asset not in about.currencies or (key.allowed_currencies and asset not in key.allowed_currencies):
        return f"{about.label} does not take {asset} here"
    if minor < about.minimums.get(asset, 0):
        return f"{about.label} takes at least {Money(about.minimums[asset], asset)}"
    if asset in about.maximums and minor > about.maximums[asset]:
        return f"{about.label} takes at most {Money(about.maximums[asset], asset)}"
    return None


def _why_not_way(about: Description, wish: Wish) -> str | None:
    if wish.capture is CaptureMode.MANUAL and not about.manual_capture:
        return f"{about.label} cannot hold money for a later capture"
    if wish.presentation not in about.presentations:
        return f"{about.label} has no {wish.presentation.value} form"
    if wish.pay_currency and not about.is_crypto:
        return f"{about.label} takes no coins; leave pay_currency out"
    return None
