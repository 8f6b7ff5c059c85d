"""Credentials of the wrong shape, of the other mode or in each other's place are refused on save with the field named.

For every registered gateway, those of somebody else included, in both modes: by the service, the API and the desk. Where
the values of a gateway cannot tell, this file says so: `CANNOT_TELL` and `TELLS_MODE` are exact.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any, Final

import pytest

from core.gateways import registry
from core.gateways.types import Description, Mode
from core.models import Lab
from payments.demo import made_up
from payments.models import PaymentGatewayKey
from payments.services import keys
from tests.payments.admin.conftest import make_person, page
from tests.payments.api.conftest import Caller
from tests.payments.shop import Shop

pytestmark = pytest.mark.django_db

LIVE, TEST = Mode.LIVE, Mode.TEST
OTHER: Final = {LIVE: TEST, TEST: LIVE}
EVERYWHERE: Final = [(slug, mode) for slug in registry.slugs() for mode in Mode]
by_gateway_and_mode = pytest.mark.parametrize(
    ("slug", "mode"), EVERYWHERE, ids=[f"{slug}-{mode}" for slug, mode in EVERYWHERE]
)

# Values of the shapes that the gateway pages give (their section 2), all made up.
REAL: Final[Mapping[str, Mapping[Mode, Mapping[str, str]]]] = {
    "stripe": {
        LIVE: {
            "secret_key": "sk_live_51Kx7Qm2RvT9bLw4Zp", "publishable_key": "pk_live_51Kx7Qm2RvT9bLw4Zp",
            "webhook_secret": "whsec_H8sYc3NfJd6GaEu1Kx7Qm2Rv", "account_id": "acct_1Kx7Qm2RvT9bLw4Z",
        },
        TEST: {
            "secret_key": "rk_test_51Bn4Yh6TgRf2Ws9Ed", "publishable_key": "pk_test_51Bn4Yh6TgRf2Ws9Ed",
            "webhook_secret": "whsec_Uj7Mi8Ko0Lp1Qa2Zx3Sw4Ed5", "account_id": "acct_1Bn4Yh6TgRf2Ws9E",
        },
    },
    "razorpay": {
        LIVE: {
            "key_id": "rzp_live_Kx7Qm2RvT9bLw4", "key_secret": "ZpH8sYc3NfJd6GaEu1Kx7Qm2",
            "webhook_secret": "blue whales #7", "account_id": "acc_Kx7Qm2RvT9bLw4",
        },
        TEST: {
            "key_id": "rzp_test_Bn4Yh6TgRf2Ws9", "key_secret": "EdUj7Mi8Ko0Lp1Qa2Zx3Sw4C",
            "webhook_secret": "red herrings #8", "account_id": "acc_Bn4Yh6TgRf2Ws9",
        },
    },
    "phonepe": {
        LIVE: {
            "client_id": "SU2409251640123456", "client_secret": "7c1e0d5b-4a2f-4c39-8e61-2b90f7a1d3c4",
            "client_version": "2", "webhook_username": "shop_hook_01", "webhook_password": "Ab12cd34Ef",
            "merchant_id": "M22ABCDEF",
        },
        TEST: {
            "client_id": "TEST-M22ABCDEF_25010", "client_secret": "0d5b7c1e-4a2f-4c39-8e61-f7a1d3c42b90",
            "client_version": "1", "webhook_username": "shop_hook_02", "webhook_password": "Gh56ij78Kl",
            "merchant_id": "M22GHIJKLUAT",
        },
    },
    "phonepev1": {
        LIVE: {
            "merchant_id": "DEMOSHOPONLINE", "salt_key": "4f1d2c3b-0a9e-4d8c-b7a6-5e4f3a2b1c0d", "salt_index": "1",
            "other_salts": "2:9c8b7a65-1f2e-4d3c-8b4a-0f9e8d7c6b5a\n3:1c8b7a65-1f2e-4d3c-8b4a-0f9e8d7c6b5a",
        },
        TEST: {
            "merchant_id": "DEMOSHOPUAT", "salt_key": "0a9e4f1d-2c3b-4d8c-b7a6-3a2b1c0d5e4f", "salt_index": "1",
            "other_salts": "2:1f2e9c8b-7a65-4d3c-8b4a-8d7c6b5a0f9e",
        },
    },
    "paytabs": {
        LIVE: {
            "region": "SAU", "profile_id": "990011", "server_key": "SKX7QM2RVT-9BLW4ZPH8S-YC3NFJD6GA",
            "client_key": "CKX7QM-EU1KX7QM2R-VT9BLW4ZPH8SYC",
        },
        TEST: {
            "region": "SAU", "profile_id": "110099", "server_key": "SBN4YH6TGR-F2WS9EDUJ7-MI8KO0LP1Q",
            "client_key": "CBN4YH-A2ZX3SW4ED-5RF6TGYH7UJMIK",
        },
    },
    "pesopay": {
        LIVE: {
            "merchant_id": "18000001", "secure_hash_secret": "Kx7Qm2RvT9bLw4ZpH8sYc3NfJd6GaEu1",
            "secure_hash_function": "sha256", "login_id": "apiuser", "password": "Sea-Breeze_42", "brand": "paydollar",
            "account_currency": "PHP", "refund_action": "OnlineRefund",
            "tokenization_key": "Bn4Yh6TgRf2Ws9EdUj7Mi8Ko0Lp1Qa2Z", "tokenization_salt": "x3Sw4Ed5Rf6TgYh7",
        },
        TEST: {
            "merchant_id": "18000002", "secure_hash_secret": "Zp8sYc3NfJd6GaEu1Kx7Qm2RvT9bLw4H",
            "secure_hash_function": "sha512", "login_id": "tester", "password": "Low-Tide_43", "brand": "pesopay",
            "account_currency": "HKD", "refund_action": "RequestRefund",
            "tokenization_key": "Gf2Ws9EdUj7Mi8Ko0Lp1Qa2ZBn4Yh6TR", "tokenization_salt": "d5Rf6TgYh7x3Sw4E",
        },
    },
    "square": {
        LIVE: {
            "access_token": "EAAAlKx7Qm2RvT9bLw4ZpH8sYc3NfJd6GaEu1Kx7Qm2RvT9bLw4ZpH8sYc3NfJd6",
            "location_id": "LKX7QM2RVT9BL", "webhook_signature_key": "Zp_H8sYc3NfJd6GaEu1Kx7", "merchant_id": "MLW4ZPH8SYC3N",
            "application_id": "sq0idp-Kx7Qm2RvT9bLw4ZpH8sYc3", "application_secret": "sq0csp-NfJd6GaEu1Kx7Qm2RvT9bLw4ZpH8",
        },
        TEST: {
            "access_token": "EAAAlBn4Yh6TgRf2Ws9EdUj7Mi8Ko0Lp1Qa2Zx3Sw4Ed5Rf6TgYh7UjMi8Ko0Lp1",
            "location_id": "LBN4YH6TGRF2W", "webhook_signature_key": "Ed-Uj7Mi8Ko0Lp1Qa2Zx3S", "merchant_id": "MLQA2ZX3SW4ED",
            "application_id": "sandbox-sq0idb-Bn4Yh6TgRf2Ws9EdUj7", "application_secret": "sandbox-sq0csb-Mi8Ko0Lp1Qa2Zx3S",
        },
    },
    "nowpayments": {
        LIVE: {
            "api_key": "KX7QM2R-VT9BLW4-ZPH8SYC-3NFJD6G", "ipn_secret": "aEu1Kx7Qm2RvT9bLw4ZpH8sYc3NfJd6G",
            "account_email": "desk@lab.example", "account_password": "Sea-Breeze_42", "totp_secret": "JBSWY3DPEHPK3PXP",
        },
        TEST: {
            "api_key": "BN4YH6T-GRF2WS9-EDUJ7MI-8KO0LP1", "ipn_secret": "Qa2Zx3Sw4Ed5Rf6TgYh7UjMi8Ko0Lp1B",
            "account_email": "try@lab.example", "account_password": "Low-Tide_43", "totp_secret": "KRSXG5CTMVRXEZLU",
        },
    },
}  # fmt: skip

# One value that cannot be right for each field, beside the ones that are right.
WRONG: Final[Mapping[str, Mapping[str, str]]] = {
    "stripe": {"secret_key": "sk_51Kx7Qm", "publishable_key": "pk_51", "webhook_secret": "whsec_1", "account_id": "1Kx7Q"},
    "razorpay": {"key_id": "rzp_Kx7Qm2", "key_secret": "Zp H8 sY c3 Nf", "webhook_secret": "whales", "account_id": "Kx7Q"},
    "phonepe": {
        "client_id": "two words", "client_secret": "7c1e0d5", "client_version": "0", "webhook_username": "me",
        "webhook_password": "Ab12cd3", "merchant_id": "M22-ABC",
    },
    "phonepev1": {"merchant_id": "DEMO SHOP", "salt_key": "4f1d2c3", "salt_index": "one", "other_salts": "9c8b7a65-1f2e"},
    "paytabs": {
        "region": "Saudi Arabia", "profile_id": "P990011", "server_key": "CSERVER-0123456789-0123456789",
        "client_key": "SCLIENT-0123456789-0123456789",
    },
    "pesopay": {
        "merchant_id": "M18000001", "secure_hash_secret": "Kx7Qm2R", "secure_hash_function": "md5", "login_id": "api user",
        "password": "Breeze4", "brand": "paypal", "account_currency": "peso", "refund_action": "Never",
        "tokenization_key": "Bn4Yh6TgRf2Ws9EdUj7Mi8Ko0Lp1Qa2", "tokenization_salt": "x3Sw4Ed5Rf6TgYh",
    },
    "square": {
        "access_token": "sq0atp-Kx7Qm2RvT9bLw4", "location_id": "L KX7QM2", "webhook_signature_key": "Zp_H8sY",
        "merchant_id": "M LW4ZP", "application_id": "sq0xyz-Kx7Qm2", "application_secret": "https://example.test/",
    },
    "nowpayments": {
        "api_key": "KX7 QM2R VT9B", "ipn_secret": "aEu1Kx7", "account_email": "nobody", "account_password": "Breeze4",
        "totp_secret": "18901890189",
    },
}  # fmt: skip

# Pairs whose exchange nothing shows, because each value is one that the other field may well hold.
CANNOT_TELL: Final[Mapping[str, set[tuple[str, str]]]] = {
    "phonepe": {("webhook_username", "webhook_password")},  # the merchant chose both
    "pesopay": {("secure_hash_secret", "tokenization_key")},  # 32 letters and digits each
    "nowpayments": {("ipn_secret", "account_password")},  # an opaque text and a password
}

# Fields whose value tells the mode. PhonePe (both), PayTabs, PesoPay and NOWPayments have none: their pages say that test
# and live values look alike, so a wrong one fails when the connection is tested.
TELLS_MODE: Final[Mapping[str, set[str]]] = {
    "stripe": {"secret_key", "publishable_key"},
    "razorpay": {"key_id"},
    "phonepe": set(),
    "phonepev1": set(),
    "paytabs": set(),
    "pesopay": set(),
    "square": {"application_id", "application_secret"},
    "nowpayments": set(),
    "tollbooth": {"api_key"},
}


def about(slug: str) -> Description:
    return registry.gateway_class(slug).about


def good(slug: str, mode: Mode) -> dict[str, str]:
    return dict(REAL[slug][mode]) if slug in REAL else made_up.credentials(slug, mode)


def wrong(slug: str) -> dict[str, str]:
    if slug in WRONG:
        return dict(WRONG[slug])
    return {one.name: "two\nlines" for one in about(slug).credentials if not one.is_filled_by_platform}


def create(lab: Lab, slug: str, mode: Mode, values: Mapping[str, Any]) -> PaymentGatewayKey:
    return keys.create_gateway_key(lab=lab, gateway=slug, mode=mode, values=values, actor="test")


def refused(attempt: Callable[[], Any]) -> dict[str, str]:
    """What the service says by field; empty where it takes the values."""
    try:
        attempt()
    except keys.CredentialsRefused as error:
        return {one["field"]: one["detail"] for one in error.errors}
    return {}


def stored(lab: Lab) -> int:
    return PaymentGatewayKey.objects.for_lab(lab).count()


def test_every_gateway_of_ours_is_described_here_with_every_field() -> None:
    ours = {slug for slug in registry.slugs() if registry.gateway_class(slug).__module__.startswith("clients.")}
    assert set(REAL) == set(WRONG) == ours
    for slug in ours:
        fields = {one.name for one in about(slug).credentials if not one.is_filled_by_platform}
        assert [set(REAL[slug][mode]) for mode in Mode] == [fields] * 2
        assert set(WRONG[slug]) == fields


@by_gateway_and_mode
def test_right_values_are_taken_and_open(lab: Lab, slug: str, mode: Mode) -> None:
    key = create(lab, slug, mode, good(slug, mode))
    assert keys.open_key(keys.key_row_of(key)).slug == slug


@by_gateway_and_mode
def test_a_wrong_shape_is_refused_at_its_field_alone(lab: Lab, slug: str, mode: Mode) -> None:
    for name, value in wrong(slug).items():
        found = refused(lambda: create(lab, slug, mode, {**good(slug, mode), name: value}))  # noqa: B023
        assert (set(found), stored(lab)) == ({name}, 0), found
        assert len(value) < 5 or value not in found[name]


@by_gateway_and_mode
def test_what_would_be_refused_when_new_is_refused_as_a_change(lab: Lab, slug: str, mode: Mode) -> None:
    key = create(lab, slug, mode, good(slug, mode))
    before = dict(key.credentials)
    for name, value in wrong(slug).items():
        found = refused(lambda: keys.update_gateway_key(key=key, values={name: value}, actor="test"))  # noqa: B023
        assert set(found) == {name}
    key.refresh_from_db()
    assert key.credentials == before


@by_gateway_and_mode
def test_two_values_in_each_other_s_place_are_refused_at_one_of_the_two(lab: Lab, slug: str, mode: Mode) -> None:
    values, untold = good(slug, mode), set()
    for one, other in combinations(values, 2):
        swapped = {**values, one: values[other], other: values[one]}
        if not refused(lambda: create(lab, slug, mode, swapped)).keys() & {one, other}:  # noqa: B023
            untold.add((one, other))
    assert untold == CANNOT_TELL.get(slug, set())
    assert stored(lab) == len(untold)


@by_gateway_and_mode
def test_a_value_of_the_other_mode_is_refused_where_it_tells(lab: Lab, slug: str, mode: Mode) -> None:
    values, theirs, telling = good(slug, mode), good(slug, OTHER[mode]), set()
    for name in values:
        if name in theirs and name in refused(lambda: create(lab, slug, mode, {**values, name: theirs[name]})):  # noqa: B023
            telling.add(name)
    assert telling == TELLS_MODE[slug]


@by_gateway_and_mode
def test_a_number_for_a_text_is_refused_at_its_field(lab: Lab, slug: str, mode: Mode) -> None:
    for name in good(slug, mode):
        for value in (7, 0, True, ["a"], {}):
            found = refused(lambda: create(lab, slug, mode, {**good(slug, mode), name: value}))  # noqa: B023
            assert found[name].endswith("is text: write it between quotation marks.")
    assert stored(lab) == 0


@by_gateway_and_mode
def test_a_value_without_end_is_refused_at_its_field(lab: Lab, slug: str, mode: Mode) -> None:
    for field in about(slug).credentials:
        value = good(slug, mode).get(field.name)
        # A longer key may well be genuine: only what the gateway's package would not open is refused here.
        if value is None or field.choices or slug not in {"phonepe", "paytabs", "pesopay", "square", "nowpayments"}:
            continue
        long = value + "aB3-" * 1000
        assert field.name in refused(lambda: create(lab, slug, mode, {**good(slug, mode), field.name: long}))  # noqa: B023


@by_gateway_and_mode
def test_the_api_and_the_desk_name_every_wrong_field(shop: Shop, test_mode_shop: Shop, slug: str, mode: Mode) -> None:
    asking = shop if mode is LIVE else test_mode_shop
    caller, bad, before = Caller(asking), wrong(slug), stored(asking.lab)
    found = caller.refused(
        caller.post("/v1/gateway-keys", {"gateway": slug, "credentials": bad}), 400, "credentials_refused"
    )
    assert {one["field"] for one in found["errors"]} == {f"credentials.{name}" for name in bad}
    numbers = caller.post("/v1/gateway-keys", {"gateway": slug, "credentials": dict.fromkeys(bad, 7)})
    assert numbers.status_code == 400
    assert {(one["field"], one["code"]) for one in numbers.json()["errors"]} == {
        (f"credentials.{name}", "invalid_type") for name in bad
    }
    typed = {f"credential_{name}": value for name, value in bad.items()}
    form = make_person(asking.lab).post(
        f"{page('payments.paymentgatewaykey')}add/", {"gateway": slug, "mode": mode.value, "priority": "1", **typed}
    )
    assert set(form.context["form"].errors) == set(typed)
    assert stored(asking.lab) == before


class TestRulesOfSeveralFields:
    """What only the values together show, found by the gateway itself when it is built."""

    GOOD = REAL["phonepev1"][LIVE]
    TWICE = "Other salt keys names an index twice, or the one that Salt index has."

    def test_a_salt_index_that_another_salt_has_is_refused_at_the_other_salts(self, lab: Lab) -> None:
        assert refused(lambda: create(lab, "phonepev1", LIVE, {**self.GOOD, "salt_index": "2"})) == {
            "other_salts": self.TWICE
        }
        assert stored(lab) == 0

    def test_a_change_of_one_field_that_no_longer_fits_the_kept_ones_is_refused(self, lab: Lab) -> None:
        key = create(lab, "phonepev1", LIVE, self.GOOD)
        found = refused(lambda: keys.update_gateway_key(key=key, values={"salt_index": "3"}, actor="test"))
        assert found == {"other_salts": self.TWICE}

    def test_the_api_and_the_desk_say_it_at_the_field(self, caller: Caller, shop: Shop) -> None:
        values = {**self.GOOD, "salt_index": "2"}
        body = {"gateway": "phonepev1", "credentials": values}
        found = caller.refused(caller.post("/v1/gateway-keys", body), 400, "credentials_refused")
        assert found["errors"] == [{"field": "credentials.other_salts", "code": "credential", "detail": self.TWICE}]
        assert values["salt_key"] not in json.dumps(found)
        typed = {f"credential_{name}": value for name, value in values.items()}
        form = make_person(shop.lab).post(
            f"{page('payments.paymentgatewaykey')}add/",
            {"gateway": "phonepev1", "mode": "live", "priority": "1", **typed},
        )
        assert form.context["form"].errors == {"credential_other_salts": [self.TWICE]}


@pytest.fixture
def caller(shop: Shop) -> Caller:
    return Caller(shop)
