"""The platform's currencies agree with core.money; a provider's spelling is added to them."""

from __future__ import annotations

import importlib

import pytest
from django.apps import apps
from django.db import connection

from core.money import ASSETS, COINS, CURRENCIES, UnknownAsset
from finance.currencies import Listed, is_usable, refresh, usable
from finance.models import Currency

pytestmark = pytest.mark.django_db


def test_every_known_asset_is_seeded_with_its_decimals() -> None:
    assert dict(Currency.objects.filter(provider="").values_list("code", "decimals")) == dict(ASSETS)
    assert not Currency.objects.exclude(provider="").exists()


def test_coins_have_token_network_and_explorers_and_currencies_have_none() -> None:
    assert set(Currency.objects.exclude(token="").values_list("asset", flat=True)) == set(COINS)
    assert set(Currency.objects.filter(network="").values_list("asset", flat=True)) == set(CURRENCIES)
    coin = Currency.objects.get(code="USDTTRC20")
    assert (coin.name, coin.token, coin.network, coin.decimals) == ("Tether USD on Tron", "USDT", "Tron", 6)
    assert coin.transaction_url("ab/c=") == "https://tronscan.org/#/transaction/ab%2Fc%3D"
    assert coin.address_url("TX1") == "https://tronscan.org/#/address/TX1"
    assert Currency.objects.get(code="XMR").address_url("4A") == ""
    assert Currency.objects.get(code="USD").transaction_url("ab") == ""


def test_common_currencies_come_first() -> None:
    assert list(usable().values_list("code", flat=True)[:4]) == ["USD", "EUR", "GBP", "INR"]


def test_seeding_again_leaves_what_staff_made_of_it() -> None:
    Currency.objects.filter(code="JPY").update(is_active=False)
    Currency.objects.filter(code="KWD").delete()
    migration = importlib.import_module("finance.migrations.0005_seed_currencies")
    with connection.schema_editor() as editor:
        migration.seed(apps, editor)
    assert Currency.objects.filter(provider="").count() == len(ASSETS)
    assert is_usable("JPY") is False
    assert is_usable("KWD") is True
    with connection.schema_editor() as editor:
        migration.unseed(apps, editor)
    assert Currency.objects.count() == 0


def test_an_asset_is_usable_when_it_is_known_and_switched_on() -> None:
    assert (is_usable("USD"), is_usable("XAU"), is_usable("usd")) == (True, False, False)


def test_a_providers_list_is_written_down_and_kept_up() -> None:
    listed = [Listed(asset="USDTTRC20", code="usdttrc20", minimum_minor=1_000_000), Listed(asset="BTC", code="btc")]
    assert refresh(provider="somewhere", listed=listed) == 2
    coin = Currency.objects.get(provider="somewhere", code="usdttrc20")
    assert (coin.asset, coin.minimum, coin.decimals, coin.network) == ("USDTTRC20", 1_000_000, 6, "Tron")
    assert refresh(provider="somewhere", listed=[Listed(asset="USDTTRC20", code="usdttrc20", minimum_minor=5)]) == 1
    found = Currency.objects.filter(provider="somewhere").order_by("code")
    assert [(row.code, row.minimum, row.is_active) for row in found] == [("btc", None, False), ("usdttrc20", 5, True)]
    assert is_usable("BTC") is True


def test_a_list_with_an_unknown_asset_changes_nothing() -> None:
    with pytest.raises(UnknownAsset):
        refresh(provider="somewhere", listed=[Listed(asset="BTC", code="btc"), Listed(asset="NOPE", code="nope")])
    assert not Currency.objects.filter(provider="somewhere").exists()
