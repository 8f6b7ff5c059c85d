"""Credentials: what is refused, and which field is named."""

from __future__ import annotations

from typing import Any

import pytest

from clients.pesopay.config import DESCRIPTION, PesoPayConfig
from core.gateways.credentials import check_values
from core.gateways.errors import GatewayMisconfigured
from core.gateways.types import Mode
from tests.clients.pesopay.case import CASE
from tests.clients.pesopay.wire import SECRET

GOOD = CASE.credentials(Mode.TEST)


def config(mode: Mode = Mode.TEST, **changes: Any) -> PesoPayConfig:
    return PesoPayConfig.of({**GOOD, **changes}, mode=mode)


@pytest.mark.parametrize(
    ("brand", "mode", "form", "api"),
    [
        ("", Mode.LIVE, "https://www.pesopay.com/b2c2/eng/payment/payForm.jsp",
         "https://www.pesopay.com/b2c2/eng/merchant/api/orderApi.jsp"),
        ("pesopay", Mode.TEST, "https://test.pesopay.com/b2cDemo/eng/payment/payForm.jsp",
         "https://test.pesopay.com/b2cDemo/eng/merchant/api/orderApi.jsp"),
        ("paydollar", Mode.LIVE, "https://www.paydollar.com/b2c2/eng/payment/payForm.jsp",
         "https://www.paydollar.com/b2c2/eng/merchant/api/orderApi.jsp"),
        ("siampay", Mode.TEST, "https://test.siampay.com/b2cDemo/eng/payment/payForm.jsp",
         "https://test.siampay.com/b2cDemo/eng/merchant/api/orderApi.jsp"),
        ("bimopay", Mode.LIVE, "https://www.bimopay.com/b2c2/eng/payment/payForm.jsp",
         "https://www.bimopay.com/b2c2/eng/merchant/api/orderApi.jsp"),
        ("BimoPay", Mode.TEST, "https://dev.bimopay.com/b2c2/eng/payment/payForm.jsp",
         "https://dev.bimopay.com/b2c2/eng/merchant/api/orderApi.jsp"),
    ],
)  # fmt: skip
def test_brand_and_mode_choose_the_host(brand: str, mode: Mode, form: str, api: str) -> None:
    known = config(mode, brand=brand)
    assert (known.form_url, known.api_url) == (form, api)
    assert form.split("/b2c")[0] in DESCRIPTION.origins[mode]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("merchant_id", "Kx7Qm2RvT9bLw4ZpH8sYc3NfJd6GaEu1"),
        ("merchant_id", "1800000a"),
        ("secure_hash_function", "md5"),
        ("brand", "https://evil.example"),
        ("refund_action", "GiveBack"),
        ("account_currency", "KWD"),
        ("tokenization_key", "short"),
        ("tokenization_salt", "short"),
        ("secure_hash_secret", 12345678),
        ("password", "x" * 1001),
        ("login_id", "\ud800"),
        ("secure_hash_secret", "18000001"),
        ("password", SECRET),
        ("previous_secure_hash_secrets", "a bare text"),
    ],
)
def test_a_value_of_the_wrong_shape_is_refused_with_its_field_and_without_its_text(field: str, value: Any) -> None:
    with pytest.raises(GatewayMisconfigured, match=field) as caught:
        config(**{field: value})
    assert str(value) not in str(caught.value)


def test_values_are_trimmed_and_defaults_filled() -> None:
    known = config(merchant_id=" 18000001\n", secure_hash_secret=f" {SECRET} ", account_currency="php")
    assert (known.merchant_id, known.secrets, known.account_currency) == ("18000001", (SECRET,), "PHP")
    assert (known.brand, known.refund_action) == ("pesopay", "RequestRefund")


@pytest.mark.parametrize("value", [None, "", "   ", "short", "xxxxxxxxxxxx", "changeme"])
def test_a_secret_that_is_none_counts_as_not_configured(value: Any) -> None:
    known = config(secure_hash_secret=value)
    assert known.secrets == ()
    with pytest.raises(GatewayMisconfigured, match="secure_hash_secret"):
        known.secret()


def test_the_form_of_a_gateway_key_names_the_field_that_is_wrong() -> None:
    assert check_values(DESCRIPTION, GOOD, Mode.TEST) == {}
    for field in ("merchant_id", "secure_hash_secret", "secure_hash_function", "login_id", "password"):
        assert set(check_values(DESCRIPTION, {**GOOD, field: ""}, Mode.LIVE)) == {field}
    swapped = {**GOOD, "merchant_id": SECRET, "secure_hash_secret": "18000001"}
    assert set(check_values(DESCRIPTION, swapped, Mode.LIVE)) == {"merchant_id"}
    assert set(check_values(DESCRIPTION, {**GOOD, "brand": "x"}, Mode.LIVE)) == {"brand"}
    same = check_values(DESCRIPTION, {**GOOD, "password": SECRET}, Mode.LIVE)
    assert set(same) == {"password", "secure_hash_secret"}


def test_no_secret_is_in_the_repr() -> None:
    shown = repr(config(previous_secure_hash_secrets=["an-older-secret-of-ours"]))
    assert SECRET not in shown and "invented-test-password" not in shown and "older-secret" not in shown


def test_only_what_is_needed_is_missed() -> None:
    bare = PesoPayConfig.of({}, mode=Mode.LIVE)
    assert bare.can_query is False
    with pytest.raises(GatewayMisconfigured, match="no merchant_id and no login_id and no password"):
        bare.login_fields()
