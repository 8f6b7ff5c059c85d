"""The currencies of the platform, and each provider's spelling of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from core.money import UnknownAsset
from finance.models import Currency


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One currency as a provider lists it. `asset` is ours; `minimum_minor` in its minor units, None where not told."""

    asset: str
    code: str
    minimum_minor: int | None = None
    is_active: bool = True


def usable() -> QuerySet[Currency]:
    """The platform's own currencies that are switched on, common ones first."""
    return Currency.objects.filter(provider="", is_active=True)


def is_usable(asset: str) -> bool:
    """Whether `asset` may be asked for: known here and not switched off."""
    return usable().filter(code=asset).exists()


def refresh(*, provider: str, listed: Iterable[Listed]) -> int:
    """Write down what `provider` lists now; what it lists no longer is switched off. Returns how many it lists.

    Names, networks, decimals and explorers come from our own row of the asset, for a provider's display precision is not
    the token's. Raises core.money.UnknownAsset for an asset that has no row here; then nothing is written.
    """
    wanted = {entry.code: entry for entry in listed}
    own = {row.asset: row for row in Currency.objects.filter(provider="")}
    unknown = {entry.asset for entry in wanted.values()} - set(own)
    if unknown:
        raise UnknownAsset(f"not known here: {', '.join(sorted(unknown))}")
    Currency.objects.bulk_create(
        [_row(provider, entry, own[entry.asset]) for entry in wanted.values()],
        update_conflicts=True,
        unique_fields=["provider", "code"],
        update_fields=["asset", "minimum", "is_active", "decimals"],
    )
    Currency.objects.filter(provider=provider).exclude(code__in=wanted).update(is_active=False)
    return len(wanted)


def _row(provider: str, entry: Listed, own: Currency) -> Currency:
    return Currency(
        provider=provider,
        code=entry.code,
        asset=entry.asset,
        minimum=entry.minimum_minor,
        is_active=entry.is_active,
        name=own.name,
        token=own.token,
        network=own.network,
        decimals=own.decimals,
        sort_order=own.sort_order,
        explorer_transaction=own.explorer_transaction,
        explorer_address=own.explorer_address,
    )
