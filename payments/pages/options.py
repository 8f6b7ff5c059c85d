"""By which gateways, and in which coins, a payment link can be paid now."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core import shared_redis
from core.gateways.errors import GatewayError
from core.gateways.port import CanListCurrencies
from core.gateways.types import Mode
from core.money import MAX_MINOR, Money
from finance.models import Currency
from payments.models import OnlinePayment
from payments.services.choosing import Wish, why_not
from payments.services.keys import KeyRow, active_keys, open_key

_log = logging.getLogger(__name__)
_COINS_LIVE_SECONDS: Final = 300
_FAILED_LIVE_SECONDS: Final = 30  # a gateway that is down is not asked by every visitor


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One gateway. `coins` are (code, what it is called), common ones first; empty where none is to be chosen."""

    gateway: str
    label: str
    hint: str
    coins: tuple[tuple[str, str], ...] = ()


def options_of(link: OnlinePayment) -> list[Option]:
    """One for each gateway that the link allows and that can take it, in the lab's order of priority."""
    found: dict[str, Option] = {}
    for key in active_keys(lab_id=link.lab_id, mode=Mode(link.mode)):
        if key.gateway not in found and _can_take(key, link):
            found[key.gateway] = _option(key)
    return list(found.values())


def _can_take(key: KeyRow, link: OnlinePayment) -> bool:
    """Whether some amount of the link is one that this key takes."""
    allowed = tuple(link.allowed_gateways)
    if link.amount is not None:
        return why_not(key, Wish(amount=Money(int(link.amount), link.currency), allowed_gateways=allowed)) is None
    low, high = int(link.minimum or 1), int(link.maximum or MAX_MINOR)
    least = _least(key, link.currency)
    tried = {low, high, *([least] if low <= least <= high else [])}
    return any(
        why_not(key, Wish(amount=Money(minor, link.currency), allowed_gateways=allowed)) is None for minor in tried
    )


def _least(key: KeyRow, currency: str) -> int:
    try:
        return key.about.minimums.get(currency, 0)
    except LookupError:
        return 0


def _option(key: KeyRow) -> Option:
    about = key.about
    if not about.is_crypto:
        return Option(gateway=key.gateway, label=_by_methods(about.methods), hint=about.label)
    return Option(gateway=key.gateway, label="Crypto", hint=about.label, coins=_named(_coins(key)))


_METHODS: Final = {
    "card": "Card", "upi": "UPI", "netbanking": "Net banking", "wallet": "Wallet", "bank_transfer": "Bank transfer",
    "bank_debit": "Bank debit", "apple_pay": "Apple Pay", "google_pay": "Google Pay", "link": "Link",
}  # fmt: skip
_SHOWN_METHODS: Final = 3


def _by_methods(methods: Sequence[str]) -> str:
    names = [_METHODS.get(word, word.replace("_", " ").capitalize()) for word in methods]
    return ", ".join(names[:_SHOWN_METHODS]) + (" and more" if len(names) > _SHOWN_METHODS else "") or "Online"


# Coins --------------------------------------------------------------------------------------------------------------


def _coins(key: KeyRow) -> tuple[str, ...]:
    """Codes in which this account can be paid, remembered for five minutes; the gateway's usual ones if it is mute."""
    place = f"pay_coins:{key.lab_id}:{key.public_id}"
    known = _remembered(place)
    if known is not None:
        return known
    coins, seconds = key.about.coins, _FAILED_LIVE_SECONDS
    try:
        gateway = open_key(key)
        if isinstance(gateway, CanListCurrencies):
            listed = gateway.list_pay_currencies()
            coins, seconds = listed or coins, _COINS_LIVE_SECONDS
    except GatewayError as error:
        _log.warning("the coins of a gateway key cannot be listed: %s", type(error).__name__)
    _remember(place, coins, seconds)
    return coins


def _remembered(place: str) -> tuple[str, ...] | None:
    known = shared_redis.attempt(lambda client: client.get(f"paywright:{place}"), None)
    return tuple(known.decode().split(",")) if isinstance(known, bytes) and known else None


def _remember(place: str, coins: Sequence[str], seconds: int) -> None:
    shared_redis.attempt(lambda client: client.set(f"paywright:{place}", ",".join(coins), ex=seconds), None)


def _named(codes: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Known coins in the platform's order with their names, then the others by their codes."""
    rows = {row.code: row for row in Currency.objects.filter(provider="", code__in=codes)}
    active = [row for row in rows.values() if row.is_active]  # in the model's own order
    known = [(row.code, _name(row)) for row in active]
    return (*known, *((code, code) for code in sorted(set(codes) - set(rows))))


def _name(row: Currency) -> str:
    symbol = row.token or row.code
    return f"{symbol} on {row.network}" if row.network and row.network != row.name else f"{row.name} ({symbol})"
