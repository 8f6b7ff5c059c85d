"""Datafeeds against the vectors of the protocol reference, section 14, and its rules of section 6."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

import pytest

from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import Attention, Mode, PaymentStatus, Report, WebhookReading
from tests.clients.pesopay.case import CASE
from tests.clients.pesopay.wire import HOLD, OLD_SECRET, PAY_REF, SECRET, delivery, feed, payload, with_hash

S = PaymentStatus
VECTORS = {  # (Ref, PayRef, src, prc, successcode, Cur, Amt, payerAuth) -> sha1, sha256
    "success": (
        ("ORD-2026-000451", "13900123", "0", "0", "0", "608", "1250.50", "Y"),
        "75af8ce0eed6d7c4100088ca7d12cb6dfcf31085",
        "869f80ae2524020c417a7152f4cda0e57c50b91261d13a1cbdfbce953527dc41",
    ),
    "short": (
        ("ORD-2026-000451", "13900123", "0", "0", "0", "608", "1250.5", "Y"),
        "bfb99c15c3d0fe00a4ebda37058e9d018318078d",
        "7721a59fbc4e2a82dbe84eae92a0cb61a08619da744b8ba614bd17d69bba29a4",
    ),
    "declined": (
        ("ORD-2026-000451", "13900122", "51", "1", "1", "608", "1250.50", "U"),
        "542d4e5827666243e62b7b6b723ed0058e7613d9",
        "5ced408a6281f5f50196d1399a8af5f2fbf43ac376b57066cae2c87cc64ebbb8",
    ),
    "no payerAuth": (
        ("ORD-2026-000452", "13900130", "0", "0", "0", "036", "20.00", ""),
        "18aa776dfc7969606043fa06d88f1921912afd96",
        "dc9a6f74d436501b0c5fdea88391ecc5f550e06d6f727031409adccb1a8d55c6",
    ),
}
NAMES = ("Ref", "PayRef", "src", "prc", "successcode", "Cur", "Amt", "payerAuth")


def read(body: bytes, **credentials: Any) -> WebhookReading:
    known = {**CASE.credentials(Mode.TEST), **credentials}
    reading = CASE.open(credentials=known).read_webhook(delivery(body))
    assert isinstance(reading, WebhookReading)
    return reading


def report_of(body: bytes, **credentials: Any) -> Report:
    (report,) = read(body, **credentials).reports
    return report


def vector(name: str, function: str) -> bytes:
    values, sha1, sha256 = VECTORS[name]
    proof = {"sha1": sha1, "sha256": sha256}[function]
    return urlencode({**dict(zip(NAMES, values, strict=True)), "secureHash": proof}).encode()


@pytest.mark.parametrize("function", ["sha1", "sha256"])
@pytest.mark.parametrize("name", list(VECTORS))
def test_every_vector_verifies_under_its_function_alone(name: str, function: str) -> None:
    assert len(read(vector(name, function), secure_hash_function=function).reports) == 1
    other = "sha256" if function == "sha1" else "sha1"
    with pytest.raises(WebhookRejected, match=f"length of {function}, but the account is set to {other}"):
        read(vector(name, function), secure_hash_function=other)


def test_the_reports_of_the_vectors_are_those_of_the_reference() -> None:
    paid, declined, free = (report_of(vector(name, "sha1")) for name in ("success", "declined", "no payerAuth"))
    assert (paid.status, paid.captured_minor, paid.asset) == (S.CAPTURED, 125050, "PHP")
    assert (paid.reference, paid.gateway_reference) == ("ORD-2026-000451", "13900123")
    assert declined.status is S.FAILED and declined.captured_minor == 0 and declined.decline is not None
    assert (declined.decline.code, declined.decline.gateway_code) == ("insufficient_funds", "1/51")
    assert (free.status, free.captured_minor, free.asset) == (S.CAPTURED, 2000, "AUD")


def test_the_sample_verifies_by_the_second_of_its_two_hashes_and_is_answered_ok() -> None:
    reading = read(payload("feed_success.txt"))
    assert (reading.reply.status, reading.reply.body) == (200, "OK")
    assert reading.reply.content_type.startswith("text/plain")
    assert reading.event_key == hashlib.sha256(b"0|0|0|ORD-2026-000451|13900123|608|1250.50|Y").hexdigest()
    (report,) = reading.reports
    assert report.is_hint and report.method is None and report.occurred_at is None
    assert "Holder" not in str(report.raw) and "5422" not in str(report.raw)


def test_sha512_is_accepted_where_the_account_has_it() -> None:
    assert report_of(feed(function="sha512"), secure_hash_function="sha512").status is S.CAPTURED


def test_a_feed_is_believed_as_it_comes_only_where_the_account_cannot_be_asked() -> None:
    assert report_of(feed()).is_hint is True
    assert report_of(feed(), login_id="", password="").is_hint is False


def test_copies_that_differ_outside_the_hash_are_one_event() -> None:
    assert read(feed()).event_key == read(feed(Holder="SOMEBODY", AuthId="9")).event_key
    assert read(feed()).event_key != read(feed(Amt="1250.5")).event_key


def test_names_are_read_in_any_case_and_a_missing_field_is_empty() -> None:
    body = feed(payerAuth=None).replace(b"PayRef=", b"payRef=").replace(b"successcode=", b"successCode=")
    assert report_of(body).status is S.CAPTURED


def test_the_hash_may_be_in_capitals_and_have_spaces_around() -> None:
    body = feed()
    proof = body.rpartition(b"=")[2].decode()
    assert report_of(with_hash(body, f"00,  {proof.upper()} ")).status is S.CAPTURED


def test_the_end_of_the_order_ref_tells_a_hold_from_a_sale() -> None:
    held = report_of(feed(Ref=HOLD))
    assert (held.status, held.authorized_minor, held.captured_minor) == (S.AUTHORIZED, 125050, 0)
    for ref in ("ORD-7-N2", "ORD-7", "ORD-7-h1", "ORD-7-H"):
        sold = report_of(feed(Ref=ref))
        assert (sold.status, sold.captured_minor, sold.reference) == (S.CAPTURED, 125050, ref)


def test_the_platform_s_own_name_of_the_try_is_told_beside_the_order_ref() -> None:
    assert report_of(feed()).other_references == ("PAY-20261120183005-1a2b3c4d-1",)


@pytest.mark.parametrize("code", ["", "2", "-1", "00", " 0", "0.0", "false"])
def test_a_success_code_that_is_neither_0_nor_1_is_an_unknown_outcome(code: str) -> None:
    report = report_of(feed(successcode=code))
    assert (report.status, report.captured_minor) == (S.PENDING, 0)
    assert report.attention is Attention.UNKNOWN_OUTCOME and report.decline is None


def test_success_is_not_decided_by_prc() -> None:
    assert report_of(feed(prc="3")).status is S.CAPTURED


@pytest.mark.parametrize(
    "change",
    [{"MerchantId": "18000002"}, {"Amt": "1,250.50"}, {"Amt": "1e3"}, {"Amt": "-5"}, {"Amt": ""}, {"Amt": "1250.505"},
     {"Amt": "\u0661\u0662"}, {"Cur": "PHP"}, {"Cur": "999"}, {"Cur": "414"}, {"Cur": ""}, {"Cur": "392", "Amt": "740.50"},
     {"successcode": "1", "Amt": "x"}],
)  # fmt: skip
def test_what_cannot_be_meant_or_is_another_merchant_s_moves_nothing(change: dict[str, str]) -> None:
    reading = read(feed(**change))
    (report,) = reading.reports
    assert (report.status, report.captured_minor, report.asset) == (S.PENDING, 0, None)
    assert (report.attention, reading.attention) == (Attention.MISMATCH, Attention.MISMATCH)
    assert reading.reply.body == "OK"


def test_the_portal_s_test_is_acknowledged_only_with_a_right_hash() -> None:
    reading = read(feed(Ref="TestDatafeed"))
    assert (reading.reports, reading.event_type, reading.reply.body) == ((), "test", "OK")
    with pytest.raises(WebhookRejected, match="no secureHash"):
        read(b"Ref=TestDatafeed&successcode=0")


@pytest.mark.parametrize("ref", ["", "a b", "x" * 65, "caf\u00e9"])
def test_a_feed_that_names_no_payment_is_stored_and_says_nothing(ref: str) -> None:
    reading = read(feed(Ref=ref))
    assert (reading.reports, reading.note) == ((), "the feed names no payment")


def test_without_function_or_secret_nothing_is_believed() -> None:
    for change in ({"secure_hash_function": ""}, {"secure_hash_secret": "short"}, {"secure_hash_secret": "xxxxxxxxxx"}):
        with pytest.raises(GatewayMisconfigured):
            read(feed(), **change)


def test_the_secret_before_a_rotation_is_accepted_and_an_unusable_one_is_not() -> None:
    old = feed(OLD_SECRET)
    assert report_of(old, previous_secure_hash_secrets=[OLD_SECRET]).gateway_reference == PAY_REF
    for previous in ([], [SECRET], [""]):
        with pytest.raises(WebhookRejected):
            read(old, previous_secure_hash_secrets=previous)
    with pytest.raises(WebhookRejected):
        read(feed(""), previous_secure_hash_secrets=["", "   "])


def test_a_repeated_field_outside_the_hash_is_no_reason_to_refuse() -> None:
    assert report_of(feed() + b"&remark=a&remark=b").status is S.CAPTURED
