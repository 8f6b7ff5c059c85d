"""Whatever arrives, nothing but the declared exceptions comes out, and nothing forged is believed."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from clients.paytabs import judging, translate
from clients.paytabs.gateway import PayTabsGateway
from clients.paytabs.transaction import parse
from clients.paytabs.translate import Account
from core import strict_json
from core.gateways.contract import assert_plain
from core.gateways.errors import WebhookRejected
from core.gateways.testing import FakeHttp, MemoryCache, fixed_clock
from core.gateways.types import Mode, WebhookDelivery
from core.money import Money
from tests.clients.paytabs.bodies import EXAMPLE_SIGNATURE, credentials, delivery, follow_up, payload, refund, row

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    sorted({*row(), *refund(), "previous_tran_ref", "parentRequest", "token", "redirect_url", "profileId"})
)
INNER = st.sampled_from(
    ["response_status", "response_code", "transaction_time", "cart_amount", "tran_ref", "payment_method", "expiryMonth"]
)
WORDS = st.sampled_from(
    ["A", "V", "D", "", "115.50", "1e9", "0", "TST1", "2026-11-20T12:00:00Z", "9999-99-99", "XAU", "KWD"]
)
BODIES = st.sampled_from([row(), refund(), follow_up("Void"), follow_up("Capture"), row("Register"), row(letter=None)])
CHANGES = st.dictionaries(NAMES, VALUES | WORDS | st.dictionaries(INNER, VALUES | WORDS, max_size=4), max_size=5)


def gateway(mode: Mode = Mode.TEST) -> PayTabsGateway:
    return PayTabsGateway(credentials(), mode=mode, http=FakeHttp(), cache=MemoryCache(), clock=fixed_clock())


@settings(max_examples=400, deadline=None)
@given(BODIES, CHANGES, st.sampled_from(Mode))
def test_any_signed_json_is_read(body: dict[str, Any], changes: dict[str, Any], mode: Mode) -> None:
    reading = gateway(mode).read_webhook(delivery({**body, **changes}))
    assert reading.reports or reading.note
    for report in reading.reports:
        assert_plain(report)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(BODIES, CHANGES), min_size=1, max_size=4))
def test_any_rows_are_weighed(pairs: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    texts = [json.dumps({**body, **changes}) for body, changes in pairs]
    rows = [parse(strict_json.load_object(text)) for text in texts]
    report = judging.judge(rows, Account(profile_id="990011", mode=Mode.TEST), asked=Money(1235, "KWD"))
    assert report is None or not report.is_hint
    if report is not None:
        assert_plain(report)
    assert all(isinstance(translate.unread_words(one), (str, type(None))) for one in rows)


@settings(max_examples=400, deadline=None)
@given(
    st.integers(min_value=0, max_value=779), st.binary(min_size=0, max_size=3), st.integers(min_value=0, max_value=3)
)
def test_no_mutation_of_the_signed_example_is_believed(place: int, put: bytes, cut: int) -> None:
    example = payload("sale_signed_example.json")
    body = example[:place] + put + example[place + cut :]
    if body == example:
        return
    try:
        gateway().read_webhook(delivery(body, signed=EXAMPLE_SIGNATURE))
    except WebhookRejected:
        return
    raise AssertionError("a forged delivery was believed")


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "replace")),
    st.text(max_size=60),
)
def test_any_return_is_read_or_refused_and_never_verified(body: bytes, query: str) -> None:
    for method, sent in (("POST", body + b"&signature=" + b"0" * 64), ("GET", b""), ("POST", body)):
        try:
            reading = gateway().read_return(
                WebhookDelivery(method=method, url=f"https://pay.example/r?{query}", headers={}, body=sent)
            )
        except WebhookRejected:
            continue
        assert reading.verified is None
        assert all(one.is_hint and one.status is None for one in reading.reports)
