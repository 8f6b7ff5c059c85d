"""The browser's way back: two published signatures, and everything that must not pass."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from clients.paytabs.gateway import PayTabsGateway
from clients.paytabs.returns import canonical
from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.testing import FakeHttp, MemoryCache, fixed_clock
from core.gateways.types import Mode, ReturnReading, Subject, WebhookDelivery
from tests.clients.paytabs.bodies import OLD_KEY, TOKEN, credentials, signature

PAID = {
    "acquirerMessage": "", "acquirerRRN": "", "cartId": "pay_01HZX4-1", "customerEmail": "buyer+sa@example.test",
    "respCode": "G10042", "respMessage": "Authorised OK", "respStatus": "A", "token": "", "tranRef": "TST2614400991234",
}  # fmt: skip
PAID_TEXT = (
    "cartId=pay_01HZX4-1&customerEmail=buyer%2Bsa%40example.test&respCode=G10042&respMessage=Authorised+OK"
    "&respStatus=A&tranRef=TST2614400991234"
)
PAID_SIGNATURE = "df004265d871df3525c460cb7a90e2737b4e8b3e1d75a6aa542c7de6d7ebdef9"
KEPT_EMPTY = "9e594fbc61dc00c50c6dbc932f4b2fb932326f2992631893809881fc0cd16abc"
CANCELLED = {
    "cartId": "pay_01HZX4-2", "customerEmail": "buyer@example.test", "flag": "0", "respCode": "321",
    "respMessage": "Cancelled", "respStatus": "C", "token": "", "tranRef": "TST2614400991235",
}  # fmt: skip
CANCELLED_SIGNATURE = "cc3a23e99789ef0962e05af1db81160d3f7e9eeb65c395f387dbc9113b1743a1"
OURS = "https://pay.example.test/return/paytabs/r_9f3c/"


def read(
    body: dict[str, str] | str | bytes = "", *, url: str = OURS, method: str = "POST", **changes: Any
) -> ReturnReading:
    raw = urlencode(body) if isinstance(body, dict) else body
    gateway = PayTabsGateway(
        credentials(**changes), mode=Mode.TEST, http=FakeHttp(), cache=MemoryCache(), clock=fixed_clock()
    )
    sent = raw.encode() if isinstance(raw, str) else raw
    return gateway.read_return(WebhookDelivery(method=method, url=url, headers={}, body=sent))


def signed(fields: dict[str, str], proof: str) -> dict[str, str]:
    return {**fields, "signature": proof}


def test_the_first_example_is_verified_and_only_a_reason_to_fetch() -> None:
    reading = read(signed(PAID, PAID_SIGNATURE))
    (report,) = reading.reports
    assert reading.verified is True
    assert (report.about, report.status, report.is_hint) == (Subject.PAYMENT, None, True)
    assert (report.reference, report.gateway_reference) == ("pay_01HZX4-1", "TST2614400991234")
    assert (report.captured_minor, report.asset, report.decline) == (None, None, None)


def test_the_signed_text_is_that_of_the_first_example() -> None:
    assert canonical(PAID) == PAID_TEXT.encode()
    assert signature(PAID_TEXT.encode()) == PAID_SIGNATURE


def test_keeping_the_empty_fields_is_wrong() -> None:
    with pytest.raises(WebhookRejected):
        read(signed(PAID, KEPT_EMPTY))


@pytest.mark.parametrize("fields", [CANCELLED, {"attempt": "2", **CANCELLED}])
def test_the_second_example_leaves_our_own_parameter_out_and_keeps_a_zero(fields: dict[str, str]) -> None:
    reading = read(signed(fields, CANCELLED_SIGNATURE), url=f"{OURS}?attempt=2")
    assert reading.verified is True
    assert reading.reports[0].gateway_reference == "TST2614400991235"


def test_the_second_example_as_a_query_string_mixed_with_our_own() -> None:
    url = f"{OURS}?{urlencode({'attempt': '2', **signed(CANCELLED, CANCELLED_SIGNATURE)})}"
    assert read(method="GET", url=url).verified is True


def test_case_of_the_signature_decides_nothing() -> None:
    assert read(signed(PAID, PAID_SIGNATURE.upper())).verified is True


@pytest.mark.parametrize(
    "fields",
    [
        {**PAID, "respStatus": "D"}, {**PAID, "cartId": "pay_01HZX4-9"}, {**PAID, "tranRef": "TST2614400990000"},
        {**PAID, "injected": "1"}, {**PAID, "token": TOKEN}, {**PAID, "customerEmail": "buyer sa@example.test"},
        {key: one for key, one in PAID.items() if key != "respCode"}, {**CANCELLED, "flag": ""}, {},
    ],
)  # fmt: skip
def test_other_fields_under_an_old_signature_are_refused(fields: dict[str, str]) -> None:
    with pytest.raises(WebhookRejected):
        read(signed(fields, PAID_SIGNATURE))
    with pytest.raises(WebhookRejected):
        read(method="GET", url=f"{OURS}?{urlencode(signed({**fields, 'respStatus': 'E'}, PAID_SIGNATURE))}")


@pytest.mark.parametrize(
    "proof", ["0" * 64, PAID_SIGNATURE[:-1], PAID_SIGNATURE + "0", "x" * 64, "\u00e9", "\uff11" * 64]
)
def test_a_signature_that_is_none_is_refused_and_does_not_break(proof: str) -> None:
    with pytest.raises(WebhookRejected):
        read(signed(PAID, proof))


def test_a_field_that_comes_twice_is_refused() -> None:
    for twice in ("&cartId=pay_01HZX4-1", "&cartId=other", f"&signature={PAID_SIGNATURE}"):
        with pytest.raises(WebhookRejected):
            read(urlencode(signed(PAID, PAID_SIGNATURE)) + twice)


@pytest.mark.parametrize(
    "body", [b"\xff\xfe=1", b"cartId=%ff", b"a=1&" * 100, "cartId=\ud800".encode("utf-8", "surrogatepass")]
)
def test_fields_that_cannot_be_read_are_refused(body: bytes) -> None:
    with pytest.raises(WebhookRejected):
        read(body)


@pytest.mark.parametrize("proof", ["", " "])
def test_without_a_signature_it_is_unsigned_and_still_a_reason_to_fetch(proof: str) -> None:
    for fields in ({**PAID, "signature": proof}, PAID):
        reading = read(fields)
        assert reading.verified is None
        assert [(one.reference, one.is_hint, one.status) for one in reading.reports] == [("pay_01HZX4-1", True, None)]


def test_a_bare_visit_says_nothing() -> None:
    for method in ("GET", "POST"):
        reading = read(method=method)
        assert (reading.reports, reading.verified) == ((), None)
    assert read(method="GET", url="https://[broken/").reports == ()


def test_an_unsigned_part_of_a_query_string_is_never_read() -> None:
    fields = {"cartId": "pay_01HZX4-1", "respStatus": "A"}
    proof = signature(b"cartId=pay_01HZX4-1&respStatus=A")
    url = f"{OURS}?{urlencode(signed({**fields, 'mine': '1'}, proof))}"
    assert read(method="GET", url=url).verified is True
    with pytest.raises(WebhookRejected):  # theirs by name, so it must have been signed
        read(method="GET", url=f"{url}&tranRef=TST2614400990000")


def test_a_name_in_the_address_is_ours_and_not_read_from_the_body() -> None:
    fields = {"respStatus": "A"}
    reading = read({"cartId": "x", **signed(fields, signature(b"respStatus=A"))}, url=f"{OURS}?cartId=1")
    assert (reading.verified, reading.reports) == (True, ())


def test_a_name_of_theirs_in_the_address_does_not_spoil_what_the_body_proves() -> None:
    reading = read(signed(PAID, PAID_SIGNATURE), url=f"{OURS}?respStatus=D&cartId=other")
    assert (reading.verified, reading.reports[0].reference) == (True, "pay_01HZX4-1")
    with pytest.raises(WebhookRejected):
        read(signed({**PAID, "respStatus": "D"}, PAID_SIGNATURE), url=f"{OURS}?respStatus=A")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a+b"),
        ("a~b", "a%7Eb"),
        ("-_.", "-_."),
        ("*", "%2A"),
        ("\u0645", "%D9%85"),
        ("a/b?", "a%2Fb%3F"),
        ("0", "0"),
    ],
)
def test_values_are_encoded_as_php_does(value: str, text: str) -> None:
    assert canonical({"respMessage": value}) == f"respMessage={text}".encode()


def test_names_are_sorted_in_byte_order() -> None:
    assert canonical({"b": "1", "a": "2", "B": "3", "acquirerRRN": "4", "acquirerMessage": "5"}) == (
        b"B=3&a=2&acquirerMessage=5&acquirerRRN=4&b=1"
    )


def test_the_previous_key_is_accepted_and_without_a_key_nothing_is() -> None:
    old = signed(PAID, signature(PAID_TEXT.encode(), OLD_KEY))
    assert read(old, previous_server_keys=[OLD_KEY]).verified is True
    with pytest.raises(WebhookRejected):
        read(old)
    with pytest.raises(GatewayMisconfigured):
        read(signed(PAID, PAID_SIGNATURE), server_key="")


def test_no_email_and_no_token_is_kept() -> None:
    fields = {**PAID, "token": TOKEN}
    (report,) = read(signed(fields, signature(canonical(fields)))).reports
    assert dict(report.raw) == {
        "cartId": "pay_01HZX4-1", "tranRef": "TST2614400991234", "respStatus": "A", "respCode": "G10042",
        "respMessage": "Authorised OK",
    }  # fmt: skip
