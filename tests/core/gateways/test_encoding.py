"""Reports survive the way to JSON and back, and have exactly the names that the port and the API promise."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.gateways import encoding
from core.gateways.types import (
    Attention,
    ClientToken,
    CoinFacts,
    Decline,
    DisputeStatus,
    FormPost,
    Fraud,
    FraudStatus,
    Method,
    MethodStatus,
    Mode,
    PaymentNames,
    PaymentStatus,
    PayoutStatus,
    Redirect,
    RefundStatus,
    Report,
    SavedMethod,
    ShowAddress,
    Subject,
)
from core.money import Money

STATUSES = {
    Subject.PAYMENT: PaymentStatus,
    Subject.REFUND: RefundStatus,
    Subject.DISPUTE: DisputeStatus,
    Subject.PAYOUT: PayoutStatus,
    Subject.METHOD: MethodStatus,
}
MOMENT = datetime(2026, 11, 20, 18, 30, 5, 120000, UTC)

texts = some.text(max_size=20)
maybe_text = some.none() | texts
minors = some.none() | some.integers(-(10**30), 10**38 - 1)
moments = some.none() | some.datetimes(timezones=some.just(UTC))
pairs = some.dictionaries(texts, texts, max_size=3)
plain_json = some.recursive(
    some.none() | some.booleans() | some.integers() | texts,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
actions = (
    some.builds(Redirect, url=texts)
    | some.builds(FormPost, url=texts, fields=pairs)
    | some.builds(
        ShowAddress,
        address=texts,
        asset=texts,
        network=texts,
        amount_minor=minors,
        amount_text=texts,
        memo=maybe_text,
        expires_at=moments,
        uri=maybe_text,
    )
    | some.builds(ClientToken, token=texts, public_key=maybe_text, script_url=maybe_text, parameters=pairs)
)
names = some.builds(
    PaymentNames,
    reference=maybe_text,
    gateway_reference=maybe_text,
    other_references=some.lists(texts, max_size=3).map(tuple),
    amount=some.none() | some.builds(Money, some.integers(0, 10**38 - 1), some.sampled_from(["USD", "JPY", "ETH"])),
    created_at=moments,
    acknowledged=some.booleans(),
)
coins = some.builds(
    CoinFacts,
    code=texts,
    network=maybe_text,
    decimals=some.none() | some.integers(0, 18),
    amount_minor=minors,
    amount_text=maybe_text,
    arrived_minor=minors,
    arrived_text=maybe_text,
    address=maybe_text,
    memo=maybe_text,
    transaction_hash=maybe_text,
    explorer_url=maybe_text,
)
methods = some.builds(
    Method,
    kind=texts,
    brand=maybe_text,
    last_four=maybe_text,
    expiry_month=some.none() | some.integers(1, 12),
    expiry_year=some.none() | some.integers(2026, 2100),
    handle=maybe_text,
    network=maybe_text,
    wallet=maybe_text,
)

saved = some.builds(
    SavedMethod, token=texts, customer_token=maybe_text, extra_token=maybe_text, method=some.none() | methods
)


@some.composite
def reports(draw: some.DrawFn) -> Report:
    about = draw(some.sampled_from(Subject))
    return Report(
        about=about,
        status=draw(some.none() | some.sampled_from(STATUSES[about])),
        reference=draw(maybe_text),
        gateway_reference=draw(maybe_text),
        other_references=tuple(draw(some.lists(texts, max_size=3))),
        payment=draw(some.none() | names),
        account=draw(maybe_text),
        mode=draw(some.none() | some.sampled_from(Mode)),
        asset=draw(maybe_text),
        authorized_minor=draw(minors),
        captured_minor=draw(minors),
        refunded_minor=draw(minors),
        amount_minor=draw(minors),
        fee_minor=draw(minors),
        occurred_at=draw(moments),
        is_hint=draw(some.booleans()),
        next_action=draw(some.none() | actions),
        method=draw(some.none() | methods),
        coin=draw(some.none() | coins),
        fraud=draw(some.none() | some.builds(Fraud, status=some.sampled_from(FraudStatus), message=maybe_text)),
        decline=draw(some.none() | some.builds(Decline, code=texts, gateway_code=maybe_text, message=maybe_text)),
        attention=draw(some.none() | some.sampled_from(Attention)),
        withdrawn_minor=draw(minors),
        respond_by=draw(moments),
        dispute_reason=draw(maybe_text),
        saved=draw(some.none() | saved),
        raw=draw(some.dictionaries(texts, plain_json, max_size=3)),
    )


@given(reports())
def test_a_report_survives_the_way_to_json_text_and_back(report: Report) -> None:
    text = json.dumps(encoding.report_to_json(report))
    assert encoding.report_from_json(json.loads(text)) == report


@given(actions)
def test_a_next_action_survives_the_way_to_json_and_back(action: Any) -> None:
    assert encoding.next_action_from_json(json.loads(json.dumps(encoding.next_action_to_json(action)))) == action


@given(coins)
def test_coin_facts_survive_the_way_to_the_api_and_back(coin: CoinFacts) -> None:
    assert encoding.coin_from_json(json.loads(json.dumps(encoding.coin_to_json(coin)))) == coin


def test_a_report_has_every_field_of_the_port_and_no_other() -> None:
    report = Report(about=Subject.PAYMENT, status=None, reference=None, gateway_reference=None)
    assert list(encoding.report_to_json(report)) == [field.name for field in dataclasses.fields(Report)]


def test_nested_values_have_every_field_too() -> None:
    report = Report(
        about=Subject.REFUND,
        status=RefundStatus.SUCCEEDED,
        reference="REF_1",
        gateway_reference="re_1",
        method=Method(kind="card"),
        coin=CoinFacts(code="BTC"),
    )
    found = encoding.report_to_json(report)
    assert list(found["method"]) == [field.name for field in dataclasses.fields(Method)]
    assert list(found["coin"]) == [field.name for field in dataclasses.fields(CoinFacts)]


def test_a_report_is_spelled_with_lower_case_words_and_utc_times() -> None:
    report = Report(
        about=Subject.DISPUTE,
        status=DisputeStatus.NEEDS_RESPONSE,
        reference="PAY_1",
        gateway_reference="dp_1",
        payment=PaymentNames(reference="PAY_1", amount=Money(10**18, "ETH"), created_at=MOMENT),
        mode=Mode.LIVE,
        occurred_at=datetime(2026, 11, 20, 19, 30, 5, tzinfo=timezone(timedelta(hours=1))),
        fraud=Fraud(status=FraudStatus.REVIEW, message="odd"),
        attention=Attention.DISPUTED,
        raw={"fee": Decimal("0.000061"), "list": (1, None)},
    )
    found = encoding.report_to_json(report)
    assert found["about"] == "dispute"
    assert found["status"] == "needs_response"
    assert found["mode"] == "live"
    assert found["occurred_at"] == "2026-11-20T18:30:05Z"
    assert found["fraud"] == {"status": "review", "message": "odd"}
    assert found["attention"] == "disputed"
    assert found["payment"] == {
        "reference": "PAY_1",
        "gateway_reference": None,
        "other_references": [],
        "amount_minor": 10**18,
        "asset": "ETH",
        "created_at": "2026-11-20T18:30:05.120000Z",
        "acknowledged": False,
    }
    assert found["raw"] == {"fee": "0.000061", "list": [1, None]}


def test_next_actions_have_the_shapes_of_the_api() -> None:
    shown = encoding.next_action_to_json(
        ShowAddress(
            address="TXyz",
            asset="USDTTRC20",
            network="Tron",
            amount_minor=49912345,
            amount_text="49.912345",
            expires_at=MOMENT,
        )
    )
    assert encoding.next_action_to_json(Redirect(url="https://a.test/")) == {
        "type": "redirect",
        "url": "https://a.test/",
    }
    assert encoding.next_action_to_json(FormPost(url="https://a.test/", fields={"a": "1"})) == {
        "type": "form_post",
        "url": "https://a.test/",
        "fields": {"a": "1"},
    }
    assert shown == {
        "type": "show_address",
        "address": "TXyz",
        "amount": 49912345,
        "amount_text": "49.912345",
        "asset": "USDTTRC20",
        "network": "Tron",
        "memo": None,
        "expires_at": "2026-11-20T18:30:05.120000Z",
        "uri": None,
    }
    assert encoding.next_action_to_json(ClientToken(token="t", public_key="p")) == {
        "type": "client_token",
        "token": "t",
        "public_key": "p",
        "script_url": None,
        "parameters": {},
    }


def test_coin_facts_have_the_shape_of_the_api() -> None:
    coin = CoinFacts(code="BTC", network="btc", decimals=8, amount_minor=5, amount_text="0.00000005", address="bc1q")
    assert encoding.coin_to_json(coin) == {
        "code": "BTC",
        "network": "btc",
        "amount": 5,
        "amount_text": "0.00000005",
        "arrived": None,
        "arrived_text": None,
        "decimals": 8,
        "address": "bc1q",
        "memo": None,
        "transaction_hash": None,
        "explorer_url": None,
    }


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        encoding.time_to_json(datetime(2026, 11, 20))


def test_an_unknown_next_action_is_refused() -> None:
    with pytest.raises(ValueError, match="dance"):
        encoding.next_action_from_json({"type": "dance"})


def test_a_value_that_json_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        encoding.plain({"a": object()})
