"""Browser returns of Razorpay: the published vectors, and what must be refused. None is more than a reason to fetch."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
import razorpay

from core.gateways.errors import GatewayMisconfigured, WebhookRejected
from core.gateways.types import Mode, PaymentNames, ReturnReading, Subject, WebhookDelivery
from tests.clients.razorpay.case import CASE
from tests.clients.razorpay.objects import KEY_SECRET, LINK_ID, ORDER_ID, PAYMENT_ID, SECRET, signature

URL = "https://pay.example.com/p/abc/return"
ORDER_SIGNATURE = "012010157c2027735ecd6fb49233cd5b7469c25325b9791c97346784e4c2a5ba"
LINK_SIGNATURE = "aeda4bfbc8c199c3cd40840e9b25d869015391d42e973b3998902d6b22a609dc"
BARE_LINK_SIGNATURE = "a4498524bbf8c219e8e9dc5a8c06b5a597b58ff1cd4a77028eb659fad95e4042"
SUBSCRIPTION_SIGNATURE = "0afed5417db6f166de5815637860e264c86412e52cb3438374a39197e5a66d7d"

ORDER = {
    "razorpay_payment_id": PAYMENT_ID,
    "razorpay_order_id": ORDER_ID,
    "razorpay_signature": ORDER_SIGNATURE,
}
LINK = {
    "razorpay_payment_id": PAYMENT_ID,
    "razorpay_payment_link_id": LINK_ID,
    "razorpay_payment_link_reference_id": "INV-2026-0007",
    "razorpay_payment_link_status": "paid",
    "razorpay_signature": LINK_SIGNATURE,
}
OURS = PaymentNames(reference="INV-2026-0007", gateway_reference=LINK_ID, other_references=(ORDER_ID,))


def posted(fields: Any) -> WebhookDelivery:
    body = fields if isinstance(fields, bytes) else urlencode(fields).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return WebhookDelivery(method="POST", url=URL, headers=headers, body=body)


def got(fields: Any) -> WebhookDelivery:
    return WebhookDelivery(method="GET", url=f"{URL}?{urlencode(fields)}", headers={}, body=b"")


def read(given: WebhookDelivery, names: PaymentNames | None = None, **credentials: Any) -> ReturnReading:
    gateway = CASE.open(credentials={**CASE.credentials(Mode.TEST), **credentials})
    found = gateway.read_return(given, names=names)
    assert isinstance(found, ReturnReading)
    return found


@pytest.mark.parametrize(
    ("given", "reference", "names"),
    [
        (posted(ORDER), None, (ORDER_ID, PAYMENT_ID)),
        (got(ORDER), None, (ORDER_ID, PAYMENT_ID)),
        (got(LINK), "INV-2026-0007", (LINK_ID, PAYMENT_ID)),
        (
            got({**LINK, "razorpay_payment_link_reference_id": "", "razorpay_signature": BARE_LINK_SIGNATURE}),
            None,
            (LINK_ID, PAYMENT_ID),
        ),
        (
            got({
                **{name: value for name, value in LINK.items() if "reference" not in name},
                "razorpay_signature": BARE_LINK_SIGNATURE,
            }),
            None,
            (LINK_ID, PAYMENT_ID),
        ),
        (
            posted({
                "razorpay_payment_id": PAYMENT_ID,
                "razorpay_subscription_id": "sub_DocDDDDDDDDDD1",
                "razorpay_signature": SUBSCRIPTION_SIGNATURE,
            }),
            None,
            (PAYMENT_ID,),
        ),
    ],
    ids=["order", "order by get", "link", "link without reference", "link, reference absent", "subscription"],
)  # fmt: skip
def test_a_signed_return_is_a_reason_to_fetch_and_nothing_more(
    given: WebhookDelivery, reference: str | None, names: tuple[str, ...]
) -> None:
    reading = read(given)
    assert reading.verified is True
    (report,) = reading.reports
    assert (report.about, report.status, report.is_hint) == (Subject.PAYMENT, None, True)
    assert (report.reference, (report.gateway_reference, *report.other_references)) == (reference, names)
    assert (report.captured_minor, report.authorized_minor) == (None, None)
    assert "signature" not in str(report.raw)


def test_the_sdk_accepts_the_same_two() -> None:
    utility = razorpay.Client(auth=("rzp_test_DocExample0001", KEY_SECRET)).utility
    assert utility.verify_payment_signature(ORDER) is True
    renamed = {name.removeprefix("razorpay_") if "link" in name else name: value for name, value in LINK.items()}
    assert utility.verify_payment_link_signature(renamed) is True


@pytest.mark.parametrize(
    "fields",
    [
        {**ORDER, "razorpay_signature": LINK_SIGNATURE},
        {**ORDER, "razorpay_signature": ""},
        {**ORDER, "razorpay_signature": ORDER_SIGNATURE.upper()},
        {**ORDER, "razorpay_signature": "\u00e9\u2615"},
        {**ORDER, "razorpay_order_id": "order_DocCheaper001"},
        {**ORDER, "razorpay_order_id": ""},
        {**ORDER, "razorpay_payment_id": ""},
        {"razorpay_signature": ORDER_SIGNATURE},
        {"razorpay_payment_id": PAYMENT_ID, "razorpay_order_id": ORDER_ID},
        {**LINK, "razorpay_payment_link_status": "cancelled"},
        {**LINK, "razorpay_payment_link_reference_id": "INV-2026-0008"},
        # The right message, but signed with the secret of the webhooks.
        {**ORDER, "razorpay_signature": signature(f"{ORDER_ID}|{PAYMENT_ID}".encode(), SECRET)},
        # The order of a subscription's message.
        {**ORDER, "razorpay_signature": signature(f"{PAYMENT_ID}|{ORDER_ID}".encode(), KEY_SECRET)},
        [*ORDER.items(), ("razorpay_order_id", "order_DocCheaper001")],
    ],
)
def test_a_return_that_is_not_signed_for_what_it_says_is_refused(fields: Any) -> None:
    with pytest.raises(WebhookRejected):
        read(posted(fields))
    with pytest.raises(WebhookRejected):
        read(got(fields))


def test_a_genuine_return_of_another_payment_is_refused_where_ours_is_known() -> None:
    cheaper = {**ORDER, "razorpay_order_id": "order_DocCheaper001"}
    cheaper["razorpay_signature"] = signature(f"order_DocCheaper001|{PAYMENT_ID}".encode(), KEY_SECRET)
    assert read(posted(cheaper)).verified is True
    with pytest.raises(WebhookRejected):
        read(posted(cheaper), OURS)
    assert read(posted(ORDER), OURS).verified is True
    assert read(got(LINK), OURS).verified is True
    with pytest.raises(WebhookRejected):
        read(got(LINK), PaymentNames(reference="INV-2026-0008", gateway_reference=LINK_ID))


def test_an_earlier_key_secret_is_still_tried() -> None:
    new = {"key_secret": "docKeySecret_0002"}
    with pytest.raises(WebhookRejected):
        read(posted(ORDER), **new)
    assert read(posted(ORDER), **new, previous_key_secrets=[KEY_SECRET]).verified is True


def test_without_a_key_secret_no_return_can_be_checked() -> None:
    with pytest.raises(GatewayMisconfigured):
        read(posted(ORDER), key_secret=None)


def test_a_failure_is_unsigned_and_only_says_what_to_fetch() -> None:
    failure = {
        "error[code]": "BAD_REQUEST_ERROR",
        "error[description]": "Payment failed",
        "error[reason]": "payment_failed",
        "error[metadata]": f'{{"payment_id":"{PAYMENT_ID}","order_id":"{ORDER_ID}"}}',
    }
    reading = read(posted(failure))
    (report,) = reading.reports
    assert (reading.verified, report.status, report.is_hint) == (None, None, True)
    assert (report.gateway_reference, report.other_references) == (ORDER_ID, (PAYMENT_ID,))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"error[code]": "BAD_REQUEST_ERROR"},
        {"error[metadata]": "{"},
        {"error[metadata]": '{"payment_id": ["x"], "order_id": "../../orders"}'},
    ],
)
def test_a_return_that_names_nothing_says_nothing(fields: Any) -> None:
    assert read(posted(fields)) == ReturnReading(reports=())
    assert read(got(fields)) == ReturnReading(reports=())


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=b&" * 200, b"%", b"=", b"razorpay_payment_id=%ff"])
def test_bytes_of_any_kind_are_read_or_refused(body: bytes) -> None:
    try:
        assert read(posted(body)).reports == ()
    except WebhookRejected:
        pass
