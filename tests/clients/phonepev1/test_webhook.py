"""Server callbacks: the Base64 text is what is signed; and browser returns, which only make us ask."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.phonepev1.gateway import PhonePeV1Gateway
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.testing import FakeHttp, MemoryCache, fixed_clock
from core.gateways.types import (
    Attention,
    Mode,
    PaymentStatus,
    RefundStatus,
    Report,
    ReturnReading,
    Subject,
    WebhookDelivery,
    WebhookReading,
)
from tests.clients.phonepev1.wire import (
    CALLBACK_VERIFY,
    CREDENTIALS,
    FORM,
    KEY,
    MERCHANT,
    OTHER_KEY,
    PATH_INSERTED,
    REFERENCE,
    REFUND_REFERENCE,
    REFUND_THEIRS,
    STATUS_VERIFY,
    THEIRS,
    base64_of,
    browser,
    callback,
    envelope,
    payload,
    raw_delivery,
    refund,
    refused,
    told,
    verify,
)

RESPONSE = payload("callback.base64")


def open_gateway(mode: Mode = Mode.TEST, **changes: Any) -> PhonePeV1Gateway:
    return PhonePeV1Gateway(
        {**CREDENTIALS, **changes}, mode=mode, http=FakeHttp(), cache=MemoryCache(), clock=fixed_clock()
    )


def read(sent: WebhookDelivery, **changes: Any) -> WebhookReading:
    return open_gateway(**changes).read_webhook(sent)


def report_of(sent: WebhookDelivery, **changes: Any) -> Report:
    (report,) = read(sent, **changes).reports
    return report


# --- the signature ------------------------------------------------------------------------------------------------


def test_the_callback_of_the_reference_is_believed() -> None:
    reading = read(envelope(RESPONSE, CALLBACK_VERIFY))
    (report,) = reading.reports
    assert (report.about, report.status, report.captured_minor, report.asset) == (
        Subject.PAYMENT, PaymentStatus.CAPTURED, 129900, "INR")  # fmt: skip
    assert (report.reference, report.gateway_reference, report.account) == (REFERENCE, THEIRS, MERCHANT)
    assert (report.mode, report.is_hint, report.attention) == (Mode.TEST, False, None)
    assert (reading.event_type, reading.note, reading.attention) == ("PAYMENT_SUCCESS", None, None)
    assert (reading.reply.status, reading.event_key) == (200, hashlib.sha256(RESPONSE.encode()).hexdigest())


def test_the_mode_is_that_of_the_account() -> None:
    assert report_of(envelope(RESPONSE, CALLBACK_VERIFY), mode=Mode.LIVE).mode is Mode.LIVE


def test_only_the_text_of_response_is_signed_not_how_it_is_wrapped() -> None:
    keys = set()
    for body in (f'{{"response":"{RESPONSE}"}}', f'{{\n "other": [1],\n "response" : "{RESPONSE}"\n}}\n'):
        reading = read(raw_delivery(body.encode(), CALLBACK_VERIFY))
        assert reading.reports[0].captured_minor == 129900
        keys.add(reading.event_key)
    assert len(keys) == 1


@pytest.mark.parametrize(
    "signature",
    [CALLBACK_VERIFY.upper(), f" {CALLBACK_VERIFY}\r\n", CALLBACK_VERIFY.replace("###", " ### "), CALLBACK_VERIFY.replace("###", "###\t")],
)  # fmt: skip
def test_case_and_white_space_of_the_header_do_not_matter(signature: str) -> None:
    assert report_of(envelope(RESPONSE, signature)).captured_minor == 129900


DIGEST = CALLBACK_VERIFY.partition("###")[0]


@pytest.mark.parametrize(
    "signature",
    [
        PATH_INSERTED, DIGEST, f"{DIGEST}###", f"{DIGEST}###2", f"{DIGEST}###01", f"{DIGEST}###1###1", f"{DIGEST}##1", f"{DIGEST}#1",
        f"###1{DIGEST}", "###1", "###", " ", f"{DIGEST[:-1]}###1", f"{DIGEST}0###1", f"{DIGEST},{DIGEST}###1", f"{DIGEST}###\u0661",
        "\u00e9\u2615", "\ud800###1", f"0x{DIGEST}###1", verify(RESPONSE, key=OTHER_KEY), verify(RESPONSE, key=""),
        verify(payload("callback.json")), verify(f'{{"response":"{RESPONSE}"}}'), verify(RESPONSE + "/pg/v1/status"),
        verify(RESPONSE, key=KEY.upper()), verify(RESPONSE, key="1", index=KEY),
    ],
)  # fmt: skip
def test_any_other_signature_is_refused(signature: str) -> None:
    with pytest.raises(WebhookRejected):
        read(envelope(RESPONSE, signature))


def test_a_missing_header_is_refused() -> None:
    for headers in ({}, {"authorization": CALLBACK_VERIFY}):
        with pytest.raises(WebhookRejected):
            read(replace(envelope(RESPONSE), headers=headers))


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"[]", b"null", b'"x"', b"\xff", b'{"response":null}', b'{"response":7}', b'{"response":""}', b'{"response":["x"]}',
        b'{"response":"a","response":"a"}', b'{"response":"\\ud800"}', b'{"Response":"eyJ9"}', b"response=eyJ9", b"[" * 5000,
    ],
)  # fmt: skip
def test_what_is_no_envelope_cannot_be_verified(body: bytes) -> None:
    for signature in (CALLBACK_VERIFY, verify(""), verify(body.decode("latin-1")), verify("a")):
        with pytest.raises(WebhookRejected):
            read(raw_delivery(body, signature))


@pytest.mark.parametrize("missing", [{"salt_key": None}, {"salt_key": " "}, {"salt_index": ""}, {"salt_key": "xxxxxxxxxx"},
                                     {"salt_key": "short"}])  # fmt: skip
def test_without_a_usable_salt_key_nothing_is_believed(missing: dict[str, Any]) -> None:
    others = {"other_salts": f"2:{OTHER_KEY}", "previous_salt_keys": [OTHER_KEY]}
    for sent in (envelope(RESPONSE), envelope(RESPONSE, key=""), envelope(RESPONSE, key=OTHER_KEY, index="2")):
        with pytest.raises(GatewayMisconfigured):
            read(sent, **{**others, **missing})


def test_the_index_selects_the_key_among_all_that_are_kept() -> None:
    kept = {"other_salts": f"2:{OTHER_KEY}\n7 : third-salt-key"}
    for key, index in ((KEY, "1"), (OTHER_KEY, "2"), ("third-salt-key", "7")):
        assert report_of(envelope(RESPONSE, key=key, index=index), **kept).captured_minor == 129900
    for key, index in ((KEY, "2"), (OTHER_KEY, "1"), (OTHER_KEY, "7"), (OTHER_KEY, "3")):
        with pytest.raises(WebhookRejected):
            read(envelope(RESPONSE, key=key, index=index), **kept)


def test_what_was_replaced_lately_is_still_accepted() -> None:
    rotated = {
        "salt_key": OTHER_KEY,
        "salt_index": "2",
        "previous_salt_keys": [KEY, "short"],
        "previous_salt_indexs": ["1"],
    }
    for key, index in ((KEY, "1"), (OTHER_KEY, "2"), (KEY, "2")):
        assert report_of(envelope(RESPONSE, key=key, index=index), **rotated).captured_minor == 129900
    with pytest.raises(WebhookRejected):
        read(envelope(RESPONSE, key=KEY, index="3"), **rotated)
    with pytest.raises(WebhookRejected):
        read(envelope(RESPONSE), salt_key=OTHER_KEY)


# --- what is inside -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "response",
    [
        f"/pg/v1/status/{MERCHANT}/{REFERENCE}", "".join(FORM[name] for name in FORM if name != "checksum"), "not base64!", "eyJ9",
        RESPONSE[:-2], RESPONSE[:-1], RESPONSE + "=", RESPONSE + "\n", " " + RESPONSE, RESPONSE[:40] + "-" + RESPONSE[41:],
        base64_of("[]"), base64_of("null"), base64_of(b"\xff\xfe"), base64_of('{"code":"PAYMENT_SUCCESS","code":"x"}'),
        base64_of('{"a":NaN}'), base64_of("[" * 5000), base64_of('{"amount":1e99999999999999999999}'), "\u00e9" * 4,
    ],
)  # fmt: skip
def test_a_right_digest_over_something_else_is_stored_and_says_nothing(response: str) -> None:
    reading = read(envelope(response))
    assert (reading.reports, reading.reply.status) == ((), 200)
    assert reading.note is not None and reading.note.startswith("verified but unreadable")
    assert reading.event_key == hashlib.sha256(response.encode()).hexdigest()


def test_the_signature_of_a_status_query_replayed_as_a_callback_moves_nothing() -> None:
    reading = read(envelope(f"/pg/v1/status/{MERCHANT}/{REFERENCE}", STATUS_VERIFY))
    assert reading.reports == () and reading.note is not None


@pytest.mark.parametrize(
    "body",
    [
        refused("TRANSACTION_NOT_FOUND", data={"merchantId": MERCHANT, "merchantTransactionId": REFERENCE}), refused("BAD_REQUEST"),
        refused("AUTHORIZATION_FAILED"), refused("KEY_NOT_CONFIGURED"), refused("401"), refused(401), refused("400"), refused(None), {},
        {"event": "pg.order.completed", "payload": {}}, told(merchantTransactionId=None), {"code": "PAYMENT_SUCCESS", "data": None},
    ],
)  # fmt: skip
def test_what_is_about_no_transaction_is_stored_and_says_nothing(body: dict[str, Any]) -> None:
    reading = read(callback(body))
    assert (reading.reports, reading.reply.status) == ((), 200) and reading.note


@pytest.mark.parametrize(
    ("code", "state", "status"),
    [
        ("PAYMENT_ERROR", "FAILED", PaymentStatus.FAILED), ("PAYMENT_DECLINED", "FAILED", PaymentStatus.FAILED),
        ("TIMED_OUT", None, PaymentStatus.PENDING), ("INTERNAL_SERVER_ERROR", None, PaymentStatus.PENDING),
        ("PAYMENT_PENDING", "PENDING", PaymentStatus.PENDING), ("SOMETHING_NEW", None, PaymentStatus.PENDING),
    ],
)  # fmt: skip
def test_other_codes_take_no_money(code: str, state: str | None, status: PaymentStatus) -> None:
    reading = read(callback(told(code, state)))
    (report,) = reading.reports
    assert (reading.event_type, report.status, report.captured_minor) == (code, status, 0)


@pytest.mark.parametrize("merchant", ["OTHERSHOPUAT", None, "demoshopuat", 7])
def test_another_merchant_s_callback_claims_nothing(merchant: Any) -> None:
    reading = read(callback(told(merchantId=merchant)))
    (report,) = reading.reports
    assert (report.status, report.captured_minor, report.attention) == (PaymentStatus.PENDING, None, Attention.MISMATCH)
    assert reading.attention is Attention.MISMATCH
    back = report_of(callback(refund(merchantId=merchant)))
    assert (back.status, back.refunded_minor, back.attention) == (RefundStatus.PENDING, 0, Attention.MISMATCH)


@pytest.mark.parametrize("amount", [1, 29900, 129900])
@pytest.mark.parametrize(
    ("code", "state", "status"),
    [
        ("PAYMENT_PENDING", "PENDING", RefundStatus.PENDING), ("PAYMENT_SUCCESS", "COMPLETED", RefundStatus.SUCCEEDED),
        ("PAYMENT_ERROR", "FAILED", RefundStatus.FAILED),
    ],
)  # fmt: skip
def test_a_refund_is_told_in_every_shape_and_never_touches_the_payment(
    code: str, state: str, status: RefundStatus, amount: int
) -> None:
    report = report_of(callback(refund(code, state, amount=amount)))
    assert (report.about, report.status, report.captured_minor) == (Subject.REFUND, status, None)
    assert (report.reference, report.gateway_reference) == (REFUND_REFERENCE, REFUND_THEIRS)
    assert (report.refunded_minor, report.amount_minor) == (amount if status is RefundStatus.SUCCEEDED else 0, amount)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["merchantId", "merchantTransactionId", "transactionId", "amount", "state", "responseCode",
                         "paymentInstrument", "paymentState"])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([told(), refund(), told("PAYMENT_ERROR", "FAILED")]), st.dictionaries(NAMES, JSON, max_size=4), JSON
)
def test_any_signed_json_is_read(body: dict[str, Any], changes: dict[str, Any], code: Any) -> None:
    for told_code in (body["code"], code):
        text = json.dumps({**body, "code": told_code, "data": {**body["data"], **changes}})
        reading = read(envelope(base64_of(text)))
        assert reading.reports or reading.note


@settings(max_examples=300, deadline=None)
@given(st.integers(min_value=0, max_value=450), st.binary(max_size=3), st.integers(min_value=0, max_value=3))
def test_no_mutation_of_the_signed_example_is_believed(place: int, put: bytes, cut: int) -> None:
    good = envelope(RESPONSE, CALLBACK_VERIFY)
    body = good.body[:place] + put + good.body[place + cut :]
    try:
        reading = read(replace(good, body=body))
    except WebhookRejected:
        return
    assert reading.reports == read(good).reports, "only what stands around the signed text may differ"


# --- browser returns ----------------------------------------------------------------------------------------------


def back(sent: WebhookDelivery, **changes: Any) -> ReturnReading:
    return open_gateway(**changes).read_return(sent)


def test_the_form_of_the_reference_verifies_and_is_only_a_reason_to_ask() -> None:
    for sent in (browser(FORM), browser(method="GET", query=browser(FORM).body.decode())):
        reading = back(sent)
        (report,) = reading.reports
        assert (reading.verified, report.is_hint, report.status) == (True, True, None)
        assert (report.reference, report.gateway_reference, report.mode) == (REFERENCE, THEIRS, Mode.TEST)
        assert (report.captured_minor, report.amount_minor, report.decline) == (None, None, None)
        assert dict(report.raw) == {"transactionId": REFERENCE, "providerReferenceId": THEIRS}


def test_an_order_id_joins_the_text_after_their_reference() -> None:
    names = [name for name in FORM if name != "checksum"]
    text = "".join(FORM[name] + ("order-7" if name == "providerReferenceId" else "") for name in names)
    assert back(browser({**FORM, "merchantOrderId": "order-7", "checksum": verify(text)})).verified is True


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "1"}, {"code": "PAYMENT_ERROR"}, {"transactionId": "inv-other"}, {"param20": ""}, {"checksum": "0" * 64 + "###1"},
        {"checksum": "x"}, {"checksum": FORM["checksum"].replace("###1", "###2")}, {"merchantOrderId": "order-7"},
    ],
)  # fmt: skip
def test_a_wrong_checksum_is_told_and_means_the_same(change: dict[str, str]) -> None:
    reading = back(browser({**FORM, **change}))
    assert reading.verified is False and [one.is_hint for one in reading.reports] == [True]
    assert reading.reports[0].status is None and reading.reports[0].captured_minor is None


def test_without_a_checksum_or_a_salt_it_is_not_verified() -> None:
    bare = {name: value for name, value in FORM.items() if name != "checksum"}
    assert (back(browser(bare)).verified, len(back(browser(bare)).reports)) == (None, 1)
    assert (back(browser(FORM), salt_key="").verified, len(back(browser(FORM), salt_key="").reports)) == (False, 1)
    assert back(browser(FORM), salt_key=OTHER_KEY).verified is False


@pytest.mark.parametrize(
    "sent",
    [
        browser(), browser(method="GET"), browser({**FORM, "transactionId": "a/b"}), browser({**FORM, "transactionId": "x" * 35}),
        replace(browser(), body=b"\xff=\xff"), replace(browser(FORM), body=browser(FORM).body + b"&transactionId=other"),
        replace(browser(method="GET"), url="https://[x"), replace(browser(FORM), body=b"a=1&" * 200),
    ],
)  # fmt: skip
def test_a_return_that_names_nothing_readable_says_nothing(sent: WebhookDelivery) -> None:
    assert back(sent).reports == ()


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.text(max_size=60))
def test_any_return_is_read_and_never_verified(body: bytes, query: str) -> None:
    for method in ("POST", "GET"):
        sent = WebhookDelivery(method=method, url=f"https://pay.example/r?{query}", headers={}, body=body)
        assert back(sent).verified is not True
