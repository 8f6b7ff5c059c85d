"""Whether a gateway key can take a payment, and if not, why not."""

from __future__ import annotations

from dataclasses import dataclass

from core.gateways import registry
from core.gateways.types import CaptureMode, Description, Presentation
from core.money import Money
from payments.services.keys import KeyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a payment needs of a gateway."""

    amount: Money
    capture: CaptureMode = CaptureMode.AUTOMATIC
    presentation: Presentation = Presentation.HOSTED
    pay_currency: str | None = None
    methods: tuple[str, ...] = ()  # any of these, where something is asked for
    country: str | None = None
    save_method: bool = False
    allowed_gateways: tuple[str, ...] = ()


def why_not(key: KeyRow, wish: Wish) -> str | None:
    """One sentence, or None when the key can take it."""
    if wish.allowed_gateways and key.gateway not in wish.allowed_gateways:
        return "this link does not allow this gateway"
    try:
        about = key.about
    except registry.UnknownGateway:
        return "this gateway is not installed"
    return _why_not_money(key, about, wish) or _why_not_way(key, about, wish)


def _why_not_money(key: KeyRow, about: Description, wish: Wish) -> str | None:
    asset, minor = wish.amount.asset, wish.amount.minor
    if asset not in about.currencies or (key.allowed_currencies and asset not in key.allowed_currencies):
        return f"{about.label} does not take {asset} here"
    if minor < about.minimums.get(asset, 0):
        return f"{about.label} takes at least {Money(about.minimums[asset], asset)}"
    if asset in about.maximums and minor > about.maximums[asset]:
        return f"{about.label} takes at most {Money(about.maximums[asset], asset)}"
    return None


def _why_not_way(key: KeyRow, about: Description, wish: Wish) -> str | None:
    if wish.capture is CaptureMode.MANUAL and not about.manual_capture:
        return f"{about.label} cannot hold money for a later capture"
    if wish.presentation not in about.presentations:
        return f"{about.label} has no {wish.presentation.value} form"
    if wish.methods and not set(wish.methods) & set(about.methods):
        return f"{about.label} cannot be paid by {' or '.join(wish.methods)}"
    if wish.save_method and "save_methods" not in registry.abilities(registry.gateway_class(key.gateway)):
        return f"{about.label} cannot save methods"
    if wish.pay_currency and not about.is_crypto:
        return f"{about.label} takes no coins; leave pay_currency out"
    return None
