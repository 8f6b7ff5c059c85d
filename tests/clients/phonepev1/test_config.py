"""Credentials: trimmed, checked for shape, swapped ones refused, never shown; and what the gateway says about itself."""

from __future__ import annotations

from typing import Any

import pytest

from clients.phonepev1.config import DESCRIPTION, PhonePeV1Config
from core.gateways.credentials import check_values, infer_mode
from core.gateways.errors import GatewayMisconfigured
from core.gateways.references import fit_reference
from core.gateways.types import Mode, WebhookProof
from tests.clients.phonepev1.wire import CREDENTIALS, KEY, MERCHANT, OTHER_KEY

PUBLIC = {"merchant_id": "PGTESTPAYUAT", "salt_key": "099eb0cd-02cf-4e2a-8aca-3e6c6aff0399", "salt_index": "1"}


def of(mode: Mode = Mode.TEST, **changes: Any) -> PhonePeV1Config:
    return PhonePeV1Config.of({**CREDENTIALS, **changes}, mode=mode)


def errors(mode: Mode = Mode.TEST, **changes: Any) -> dict[str, str]:
    return check_values(DESCRIPTION, {**CREDENTIALS, **changes}, mode)


def test_every_value_is_trimmed() -> None:
    config = of(
        merchant_id=f" {MERCHANT}\n", salt_key=f"\t{KEY}\r\n", salt_index=" 1 ", other_salts=f"\n 2 : {OTHER_KEY} ,\n"
    )
    assert (config.merchant_id, config.salt_key, config.salt_index) == (MERCHANT, KEY, "1")
    assert config.salts == {"1": (KEY,), "2": (OTHER_KEY,)}


@pytest.mark.parametrize("mode", list(Mode))
def test_good_credentials_can_be_saved_in_either_mode(mode: Mode) -> None:
    assert errors(mode) == {} and check_values(DESCRIPTION, PUBLIC, mode) == {}
    assert errors(mode, salt_key="not-hexadecimal-zz00", merchant_id="M_22-x") == {}
    for others in (
        f"2:{OTHER_KEY}",
        f"2:{OTHER_KEY},3:{KEY}x",
        f"2:{OTHER_KEY}\r\n3 : {KEY}x\n",
        f"12:{OTHER_KEY}\n2:{KEY}x",
    ):
        assert errors(mode, other_salts=others) == {}, others
        assert len(of(mode, other_salts=others).salts) == 2 + others.count(KEY)
    assert infer_mode(DESCRIPTION, CREDENTIALS) is None  # no value tells


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("merchant_id", ""), ("merchant_id", "two words"), ("merchant_id", "M" * 39), ("merchant_id", "M/1"), ("merchant_id", OTHER_KEY),
        ("merchant_id", "zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz"), ("salt_key", ""), ("salt_key", "short"), ("salt_key", "two words"),
        ("salt_key", "changeme"), ("salt_key", "PGTESTPAYUAT"), ("salt_key", "xxxxxxxxxxxx"), ("salt_index", ""), ("salt_index", "one"),
        ("salt_index", OTHER_KEY), ("salt_index", "-1"), ("salt_index", "1.0"), ("other_salts", OTHER_KEY), ("other_salts", f"x:{OTHER_KEY}"),
        ("other_salts", "2:short"), ("other_salts", f"2:{OTHER_KEY} 3:{KEY}"), ("other_salts", f"2:{OTHER_KEY}\n2:{KEY}"),
        ("other_salts", f"3:{KEY},12:{KEY}, 3 :{OTHER_KEY}"), ("other_salts", "2:"),
    ],
)  # fmt: skip
def test_a_value_of_the_wrong_shape_is_refused_on_save_with_its_field_named(name: str, value: str) -> None:
    found = errors(**{name: value})
    assert list(found) == [name]
    assert value == "" or value not in found[name]


def test_swapped_fields_are_refused_with_both_named() -> None:
    assert set(errors(merchant_id=KEY, salt_key=MERCHANT)) == {"merchant_id", "salt_key"}
    assert set(errors(salt_index=KEY, salt_key="1")) == {"salt_index", "salt_key"}
    with pytest.raises(GatewayMisconfigured, match="salt_key is not a salt key"):
        of(merchant_id=KEY, salt_key=MERCHANT)
    with pytest.raises(GatewayMisconfigured, match="merchant_id is not a merchant id"):
        of(merchant_id=KEY)


@pytest.mark.parametrize("others", [f"1:{OTHER_KEY}", f"2:{OTHER_KEY}\n2:{KEY}"])
def test_an_index_named_twice_is_refused(others: str) -> None:
    with pytest.raises(GatewayMisconfigured, match="other_salts names an index twice") as caught:
        of(other_salts=others)
    assert OTHER_KEY not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"merchant_id": 712345678}, {"merchant_id": "caf\u00e9"}, {"salt_key": "a\r\nb-12345678"}, {"salt_key": ["salt-key-1"]},
        {"salt_key": "x" * 4001}, {"salt_index": "one"}, {"salt_index": -7}, {"salt_index": True}, {"salt_index": 1.5},
        {"salt_key": "\ud800" * 9}, {"salt_key": "changeme"}, {"other_salts": {"2": "salt-key-2"}}, {"other_salts": "2:xxxxxxxxx"},
        {"previous_salt_keys": "text-0001"}, {"previous_salt_keys": [7123456]}, {"previous_salt_indexs": "1-only"},
    ],
)  # fmt: skip
def test_values_of_the_wrong_shape_are_refused_without_being_told(change: dict[str, Any]) -> None:
    with pytest.raises(GatewayMisconfigured) as caught:
        of(**change)
    ((name, value),) = change.items()
    assert name in str(caught.value) and str(value) not in str(caught.value)


def test_an_index_from_a_form_may_be_a_number() -> None:
    assert (of(salt_index=3).salt_index, of(salt_index=3).salts) == ("3", {"3": (KEY,)})


def test_missing_values_are_no_error_until_they_are_needed() -> None:
    config = PhonePeV1Config.of({}, mode=Mode.LIVE)
    assert config.salts == {}
    with pytest.raises(GatewayMisconfigured, match="no merchant_id and no salt_key and no salt_index is set"):
        config.check_complete()


def test_without_a_pair_of_its_own_nothing_else_is_accepted() -> None:
    for change in ({"salt_key": ""}, {"salt_index": ""}):
        assert of(other_salts=f"2:{OTHER_KEY}", previous_salt_keys=[OTHER_KEY], **change).salts == {}


def test_what_was_replaced_is_kept_under_the_old_and_the_new_index() -> None:
    config = of(
        previous_salt_keys=[OTHER_KEY, "", "short"], previous_salt_indexs=["2", 1], other_salts="3:third-salt-key"
    )
    assert config.salts == {"1": (KEY, OTHER_KEY), "2": (KEY, OTHER_KEY), "3": ("third-salt-key",)}
    moved = of(previous_salt_keys=[OTHER_KEY], previous_salt_indexs=["2"], other_salts=f"2:{OTHER_KEY}")
    assert moved.salts == {"1": (KEY, OTHER_KEY), "2": (OTHER_KEY, KEY, OTHER_KEY)}


def test_no_secret_is_in_the_repr() -> None:
    text = repr(of(other_salts=f"2:{OTHER_KEY}"))
    assert KEY not in text and OTHER_KEY not in text


def test_the_hosts_are_those_of_the_mode() -> None:
    assert of().base == "https://api-preprod.phonepe.com/apis/pg-sandbox"
    assert of(Mode.LIVE).base == "https://api.phonepe.com/apis/hermes"


def test_the_credential_fields_are_those_of_the_page() -> None:
    assert [(one.name, one.is_secret, one.is_required, one.rotates, one.min_length) for one in DESCRIPTION.credentials] == [
        ("merchant_id", False, True, False, 1),
        ("salt_key", True, True, True, 8),
        ("salt_index", False, True, True, 1),
        ("other_salts", True, False, False, 1),
    ]  # fmt: skip


def test_the_description_of_money_references_and_proof() -> None:
    assert (DESCRIPTION.currencies, dict(DESCRIPTION.minimums)) == (frozenset({"INR"}), {"INR": 100})
    rule = DESCRIPTION.reference
    assert (rule.max_length, len(set(rule.alphabet)), {"-", "_", "a", "Z", "0"} <= set(rule.alphabet)) == (34, 64, True)
    assert DESCRIPTION.webhook_proof is WebhookProof.STRONG
    assert (DESCRIPTION.manual_capture, DESCRIPTION.idempotency_seconds, DESCRIPTION.abandons_unanswered) == (
        False,
        None,
        True,
    )


@pytest.mark.parametrize(("public_id", "fitted"), [
    ("PAY_20261120183005_1a2b3c4d", "PAY_20261120183005_1a2b3c4d-1"), ("RF_20261120183005_1a2b3c4d", "RF_20261120183005_1a2b3c4d-1"),
])  # fmt: skip
def test_our_public_ids_fit_with_the_prefix_that_tells_payments_from_refunds(public_id: str, fitted: str) -> None:
    assert fit_reference(public_id, 1, DESCRIPTION.reference) == fitted


def test_polling_follows_the_mandatory_schedule_to_the_second() -> None:
    age, looks = 0, []
    while age < 420:
        age += next(step.every_seconds for step in DESCRIPTION.polling if age < (step.until_age_seconds or 10**9))
        looks.append(age)
    assert looks == [
        22, 25, 28, 31, 34, 37, 40, 43, 46, 49, 52, 58, 64, 70, 76, 82, 88, 94, 100, 106, 112, 122, 132, 142, 152, 162, 172,
        202, 232, 292, 352, 412, 472,
    ]  # fmt: skip
    assert [(step.until_age_seconds, step.every_seconds) for step in DESCRIPTION.polling[-2:]] == [
        (1500, 60),
        (259200, 3600),
    ]
