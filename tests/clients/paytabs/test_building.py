"""The bodies that are sent, to the byte."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from clients.paytabs import building
from core.gateways.errors import RequestRejected
from core.gateways.testing import NOW
from core.gateways.types import (
    BillingDetails,
    CaptureMode,
    ChargeRequest,
    CustomerDetails,
    PaymentRequest,
    RefundRequest,
    SavedMethod,
)
from core.money import Money
from tests.clients.paytabs.bodies import REF, REFUND_REFERENCE, TOKEN
from tests.clients.paytabs.case import CASE


def request(**changes: Any) -> PaymentRequest:
    asked = PaymentRequest(
        reference="pay_01HZX4-1",
        amount=Money(11550, "SAR"),
        idempotency_key="key-1",
        webhook_url="https://pay.example.test/hooks/paytabs/acct_7/",
        return_url="https://pay.example.test/return/paytabs/r_9f3c/",
        description="Order 1042",
        customer=CustomerDetails(name="Test Buyer", email="buyer@example.test"),
        billing=BillingDetails(country="SA"),
        customer_ip="203.0.113.7",
    )
    return replace(asked, **changes)


def sent(asked: PaymentRequest) -> dict[str, Any]:
    return json.loads(building.with_profile("990011", building.build_payment(asked)), parse_float=str)  # type: ignore[no-any-return]


def test_a_page_is_asked_for_as_the_reference_shows() -> None:
    assert building.with_profile("990011", building.build_payment(request())) == (
        '{"profile_id":990011,"tran_type":"sale","tran_class":"ecom","cart_id":"pay_01HZX4-1",'
        '"cart_description":"Order 1042","cart_currency":"SAR","cart_amount":115.50,'
        '"callback":"https://pay.example.test/hooks/paytabs/acct_7/",'
        '"return":"https://pay.example.test/return/paytabs/r_9f3c/","hide_shipping":true,"paypage_lang":"en",'
        '"customer_details":{"ip":"203.0.113.7","name":"Test Buyer","country":"SA","email":"buyer@example.test"}}'
    )


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(740, "JPY"), '"cart_amount":740,'), (Money(1, "SAR"), '"cart_amount":0.01,'),
        (Money(11550, "SAR"), '"cart_amount":115.50,'), (Money(1235, "KWD"), '"cart_amount":1.235,'),
        (Money(1, "BHD"), '"cart_amount":0.001,'), (Money(999_999_999_999, "AED"), '"cart_amount":9999999999.99,'),
    ],
)  # fmt: skip
def test_an_amount_is_an_exact_json_number_in_major_units(money: Money, text: str) -> None:
    assert text in building.build_payment(request(amount=money))


def test_a_hold_is_an_auth_and_a_sale_is_none() -> None:
    assert sent(request(capture=CaptureMode.MANUAL))["tran_type"] == "auth"
    assert sent(request())["tran_type"] == "sale"


def test_a_token_is_asked_for_only_with_consent() -> None:
    assert sent(request(save_method=True))["tokenise"] == 2
    assert "tokenise" not in sent(request())


def test_a_page_life_is_sent_only_when_the_lab_wants_one_and_is_the_same_in_a_repeat() -> None:
    assert "paypage_ttl" not in sent(request())
    asked = request(created_at=NOW, expires_at=NOW + timedelta(minutes=9, seconds=1))
    assert sent(asked)["paypage_ttl"] == 10
    assert sent(request(created_at=NOW, expires_at=NOW))["paypage_ttl"] == 1


def test_what_is_not_known_is_not_sent() -> None:
    bare = sent(request(customer=None, billing=None, customer_ip=None, description=None))
    assert "customer_details" not in bare
    assert bare["cart_description"] == "Payment pay_01HZX4-1"
    half = sent(request(customer=CustomerDetails(name="", email="a@b.example"), billing=None, customer_ip=None))
    assert half["customer_details"] == {"email": "a@b.example"}


def test_an_address_is_spelled_as_the_page_wants_it() -> None:
    billing = BillingDetails(
        name="Shop", line1="1 Street", line2="Floor 2", city="Riyadh", state="01", postal_code="12345", country="SA"
    )
    asked = request(billing=billing, customer=CustomerDetails(phone="+966500000000"), customer_ip=None)
    assert sent(asked)["customer_details"] == {
        "name": "Shop", "street1": "1 Street Floor 2", "city": "Riyadh", "state": "01", "country": "SA", "zip": "12345",
        "phone": "+966500000000",
    }  # fmt: skip


def test_text_is_one_printable_line_of_bounded_length() -> None:
    body = sent(request(description="a\u0000b\r\nc\ud800" + "\u0627" * 300))
    assert body["cart_description"] == "a b  c" + " " + "\u0627" * 121
    assert len(body["cart_description"]) == 128


def test_an_address_of_ours_that_is_too_long_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(RequestRejected) as caught:
        building.build_payment(request(return_url="https://pay.example.test/" + "x" * 231))
    assert caught.value.code == "callback_refused"


def test_a_capture_is_sent_as_the_reference_shows() -> None:
    body = building.build_follow_up("capture", REF, cart_id="pay_01HZX4-1-c1", amount=Money(10000, "SAR"))
    assert building.with_profile("990011", body) == (
        f'{{"profile_id":990011,"tran_type":"capture","tran_class":"ecom","tran_ref":"{REF}",'
        '"cart_id":"pay_01HZX4-1-c1","cart_description":"capture","cart_currency":"SAR","cart_amount":100.00}'
    )


@pytest.mark.parametrize(("reason", "text"), [("late", "late"), (None, "refund"), ("", "refund")])
def test_a_refund_names_what_it_is_taken_from_and_itself(reason: str | None, text: str) -> None:
    asked = RefundRequest(
        names=CASE.names(REF), reference=REFUND_REFERENCE, amount=Money(1550, "SAR"), idempotency_key="k", reason=reason
    )
    assert building.build_refund(asked, REF) == (
        f'{{"tran_type":"refund","tran_class":"ecom","tran_ref":"{REF}","cart_id":"{REFUND_REFERENCE}",'
        f'"cart_description":"{text}","cart_currency":"SAR","cart_amount":15.50}}'
    )
    with_callback = building.build_refund(replace(asked, webhook_url="https://pay.example.test/h"), REF)
    assert '"callback":"https://pay.example.test/h"' in with_callback


def test_a_charge_names_the_token_and_the_transaction_that_made_it() -> None:
    saved = SavedMethod(token=TOKEN, extra_token=REF)
    asked = request(reference="sub_42_2026-06", amount=Money(4900, "SAR"), description="June")
    assert building.build_charge(ChargeRequest(payment=asked, saved=saved)) == (
        f'{{"tran_type":"sale","tran_class":"recurring","token":"{TOKEN}","tran_ref":"{REF}",'
        '"cart_id":"sub_42_2026-06","cart_description":"June","cart_currency":"SAR","cart_amount":49.00,'
        '"callback":"https://pay.example.test/hooks/paytabs/acct_7/"}'
    )


def test_a_token_without_its_transaction_or_for_a_hold_is_refused_before_anything_is_sent() -> None:
    for saved, asked, code in (
        (SavedMethod(token=TOKEN), request(), "saved_method_incomplete"),
        (SavedMethod(token=TOKEN, extra_token=REF), request(capture=CaptureMode.MANUAL), "capture_unsupported"),
    ):
        with pytest.raises(RequestRejected) as caught:
            building.build_charge(ChargeRequest(payment=asked, saved=saved))
        assert caught.value.code == code


@pytest.mark.parametrize(("currency", "text"), [("SAR", "0.01"), ("JPY", "1"), ("KWD", "0.010")])
def test_a_registration_carries_the_least_amount(currency: str, text: str) -> None:
    body = building.build_registration(replace(CASE.save_request(), currency=currency))
    assert f'"tran_type":"register","tran_class":"ecom","cart_id":"{CASE.reference}"' in body
    assert f'"cart_currency":"{currency}","cart_amount":{text},' in body and body.endswith('"tokenise":2}')


def test_a_query_has_exactly_one_name() -> None:
    assert (
        building.with_profile("990011", building.build_query(tran_ref=REF))
        == f'{{"profile_id":990011,"tran_ref":"{REF}"}}'
    )
    assert building.with_profile("0990", building.build_query(cart_id="a-1")) == '{"profile_id":990,"cart_id":"a-1"}'


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        ("PAY_20261120183005_1a2b3c4d-capture-2", 2),
        ("x-17", 17),
        (None, 1),
        ("", 1),
        ("x", 1),
        ("x-0", 1),
        ("x-123", 1),
    ],
)
def test_the_name_of_a_capture_is_derived_from_its_payment_and_its_number(operation: str | None, number: int) -> None:
    name = building.child_id("pay_01HZX4-1", building.child_number(operation))
    assert name == f"pay_01HZX4-1-c{number}"
    assert building.parent_of(name) == "pay_01HZX4-1"


def test_only_such_a_name_has_a_parent() -> None:
    for name in ("pay_01HZX4-1", "pay-c", "pay-c0", "pay-c123", "-c1", "", None):
        assert building.parent_of(name) is None
    longest = building.child_id("x" * 60, 99)
    assert (len(longest), building.parent_of(longest)) == (64, "x" * 60)
