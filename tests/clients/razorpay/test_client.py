"""Razorpay's requests as they leave, its answers as they come, and every row of its error table."""

from __future__ import annotations

import base64
import json
import threading
from datetime import timedelta
from typing import Any

import pytest
import razorpay

from clients.razorpay.gateway import RazorpayGateway
from core.gateways.errors import (
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.gateways.port import CanSaveMethodsAlone
from core.gateways.testing import NOW, Answer, FakeHttp, MemoryCache, answer, fixed_clock
from core.gateways.types import (
    CaptureMode,
    CaptureRequest,
    ChargeRequest,
    ClientToken,
    CustomerDetails,
    DeleteSavedRequest,
    DisputeNames,
    DisputeStatus,
    FormPost,
    Mode,
    NotFound,
    PaymentNames,
    PaymentStatus,
    Presentation,
    Redirect,
    RefundNames,
    RefundRequest,
    RefundStatus,
    Report,
    SavedMethod,
    VoidRequest,
)
from core.http import HttpResponse, NoAnswer, NotSent
from core.money import Money
from tests.clients.razorpay.case import CASE, SAVED, TOTAL
from tests.clients.razorpay.objects import (
    AUTHORIZED,
    DISPUTE_ID,
    FAILED_ID,
    KEY_SECRET,
    LINK_ID,
    NO_SUCH_ID,
    ORDER_ID,
    PAYMENT_ID,
    REFERENCE,
    REFUND_ID,
    REFUND_REFERENCE,
    dispute,
    error,
    failed,
    link,
    listing,
    order,
    paid_link,
    paid_order,
    payment,
    refund,
)

API = "https://api.razorpay.com"
LATER = answer(error("x", "SERVER_ERROR"), status=500)


def opened(*answers: Answer, **changes: Any) -> tuple[Any, FakeHttp]:
    http = FakeHttp(list(answers))
    return CASE.open(http, **changes), http


def calls(http: FakeHttp) -> list[str]:
    return [f"{one.method} {one.url.removeprefix(API)}" for one in http.sent]


def body_of(http: FakeHttp, number: int = 0) -> Any:
    return json.loads(http.sent[number].body)


def refused(description: str, *, status: int = 400, **members: Any) -> HttpResponse:
    return answer(error(description, **members), status=status)


def names(*references: str, reference: str | None = REFERENCE, amount: Money | None = TOTAL) -> PaymentNames:
    first = references[0] if references else None
    return PaymentNames(reference=reference, gateway_reference=first, other_references=references[1:], amount=amount)


def capture_request(*references: str, amount: Money = TOTAL) -> CaptureRequest:
    return CaptureRequest(names=names(*references), amount=amount, idempotency_key="capture-key-1")


def refund_request(*references: str) -> RefundRequest:
    return RefundRequest(
        names=names(*references), reference=REFUND_REFERENCE, amount=Money(50000, "INR"), idempotency_key="RF_1:refund"
    )


# --- a link -------------------------------------------------------------------------------------------------------


def test_a_hosted_payment_is_one_link_and_razorpay_writes_to_nobody() -> None:
    gateway, http = opened(answer(link()))
    report = gateway.initiate(CASE.payment_request())
    (sent,) = http.sent
    assert (sent.method, sent.url) == ("POST", f"{API}/v1/payment_links")
    key = base64.b64encode(b"rzp_test_DocExample0001:" + KEY_SECRET.encode()).decode()
    assert dict(sent.headers) == {
        "Content-type": "application/json",
        "Authorization": f"Basic {key}",
        "Accept": "application/json",
        "User-Agent": "Paywright Razorpay-Python",
    }
    assert body_of(http) == {
        "amount": 129900,
        "currency": "INR",
        "reference_id": REFERENCE,
        "description": "Order 42",
        "customer": {"name": "Ada Example", "email": "ada@example.com", "contact": "+15555550100"},
        "notify": {"sms": False, "email": False},
        "reminder_enable": False,
        "callback_url": "https://pay.example.com/p/abc/return",
        "callback_method": "get",
        "notes": {"payment_id": REFERENCE},
    }
    assert report.next_action == Redirect(url="https://rzp.io/i/docExmpl")
    assert (report.gateway_reference, report.reference) == (LINK_ID, REFERENCE)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (timedelta(minutes=5), timedelta(minutes=16)),
        (timedelta(minutes=-5), timedelta(minutes=16)),
        (timedelta(days=2), timedelta(days=2)),
        (timedelta(days=180), None),
        (timedelta(days=400), None),
        (None, None),
    ],
)
def test_an_expiry_is_kept_within_razorpays_bounds(asked: timedelta | None, sent: timedelta | None) -> None:
    gateway, http = opened(answer(link()))
    gateway.initiate(CASE.payment_request(expires_at=None if asked is None else NOW + asked))
    assert body_of(http).get("expire_by") == (None if sent is None else int((NOW + sent).timestamp()))


def test_a_repeat_a_minute_later_says_the_same() -> None:
    request = CASE.payment_request(created_at=NOW, expires_at=NOW + timedelta(minutes=5))
    bodies = []
    for seconds in (0, 60):
        gateway, http = opened(answer(link()), clock=fixed_clock(NOW + timedelta(seconds=seconds)))
        gateway.initiate(request)
        bodies.append(http.sent[0].body)
    assert bodies[0] == bodies[1]


def test_what_was_created_before_is_looked_up_and_never_sent_again() -> None:
    gateway, http = opened(refused("payment link creation with reference ID already attempted"))
    with pytest.raises(OutcomeUnknown):
        gateway.initiate(CASE.payment_request())
    assert len(http.sent) == 1


@pytest.mark.parametrize("changes", [{"short_url": None}, {"id": "inv_Doc"}, {"short_url": ["x"]}])
def test_a_link_without_a_page_is_an_unknown_outcome(changes: dict[str, Any]) -> None:
    gateway, _ = opened(answer(link(**changes)))
    with pytest.raises(OutcomeUnknown):
        gateway.initiate(CASE.payment_request())


@pytest.mark.parametrize("amount", [Money(87431, "KWD"), Money(1000, "LYD")])
def test_what_razorpay_cannot_take_is_never_sent(amount: Money) -> None:
    gateway, http = opened()
    for presentation in Presentation:
        with pytest.raises(RequestRejected):
            gateway.initiate(CASE.payment_request(amount, presentation=presentation))
    assert http.sent == []


# --- an order -----------------------------------------------------------------------------------------------------


def test_an_embedded_payment_is_an_order_that_is_captured_by_itself() -> None:
    gateway, http = opened(answer(order()))
    report = gateway.initiate(CASE.payment_request(presentation=Presentation.EMBEDDED))
    assert calls(http) == ["POST /v1/orders"]
    assert body_of(http) == {
        "amount": 129900,
        "currency": "INR",
        "receipt": REFERENCE,
        "notes": {"payment_id": REFERENCE},
        "payment": {
            "capture": "automatic",
            "capture_options": {"automatic_expiry_period": 4320, "refund_speed": "normal"},
        },
    }
    assert report.next_action == ClientToken(
        token=ORDER_ID,
        public_key="rzp_test_DocExample0001",
        script_url="https://checkout.razorpay.com/v1/checkout.js",
        parameters={
            "order_id": ORDER_ID,
            "amount": "129900",
            "currency": "INR",
            "description": "Order 42",
            "callback_url": "https://pay.example.com/p/abc/return",
            "prefill[name]": "Ada Example",
            "prefill[email]": "ada@example.com",
            "prefill[contact]": "+15555550100",
        },
    )
    assert (report.gateway_reference, report.reference, report.status) == (ORDER_ID, REFERENCE, PaymentStatus.PENDING)


def test_manual_capture_on_razorpays_page_is_an_order_with_the_hosted_form() -> None:
    gateway, http = opened(answer(order()))
    report = gateway.initiate(CASE.payment_request(capture=CaptureMode.MANUAL))
    assert body_of(http)["payment"] == {"capture": "manual"}
    assert report.next_action == FormPost(
        url="https://api.razorpay.com/v1/checkout/embedded",
        fields={
            "key_id": "rzp_test_DocExample0001",
            "order_id": ORDER_ID,
            "amount": "129900",
            "currency": "INR",
            "description": "Order 42",
            "callback_url": "https://pay.example.com/p/abc/return",
            "cancel_url": "https://pay.example.com/p/abc/cancel",
            "prefill[name]": "Ada Example",
            "prefill[email]": "ada@example.com",
            "prefill[contact]": "+15555550100",
        },
    )


def test_the_hosted_form_needs_e_mail_and_phone_else_the_script_asks_for_them() -> None:
    gateway, _ = opened(answer(order()))
    customer = CustomerDetails(name="Ada Example", email="ada@example.com")
    report = gateway.initiate(CASE.payment_request(capture=CaptureMode.MANUAL, customer=customer))
    assert isinstance(report.next_action, ClientToken)


def test_an_embedded_payment_needs_the_key_id_before_anything_is_sent() -> None:
    gateway, http = opened(credentials={**CASE.credentials(Mode.TEST), "key_id": None})
    with pytest.raises(GatewayMisconfigured):
        gateway.initiate(CASE.payment_request(presentation=Presentation.EMBEDDED))
    assert http.sent == []


# --- fetching -----------------------------------------------------------------------------------------------------


def test_a_link_that_nobody_opened_is_one_call() -> None:
    gateway, http = opened(answer(link()))
    report = gateway.fetch_payment(names(LINK_ID, PAYMENT_ID))
    assert calls(http) == [f"GET /v1/payment_links/{LINK_ID}"]
    assert (report.status, report.next_action) == (PaymentStatus.PENDING, Redirect(url="https://rzp.io/i/docExmpl"))


def test_a_link_is_asked_for_with_the_attempts_of_its_order() -> None:
    gateway, http = opened(answer(paid_link()), answer(listing(payment(), failed())))
    report = gateway.fetch_payment(names(ORDER_ID, LINK_ID, FAILED_ID))
    assert calls(http) == [f"GET /v1/payment_links/{LINK_ID}", f"GET /v1/orders/{ORDER_ID}/payments"]
    assert (report.status, report.captured_minor, report.fee_minor) == (PaymentStatus.CAPTURED, 129900, 3066)
    assert (report.gateway_reference, report.other_references) == (LINK_ID, (ORDER_ID, PAYMENT_ID))


def test_what_the_link_says_counts_when_its_attempts_cannot_be_had() -> None:
    gateway, _ = opened(answer(paid_link()), LATER)
    report = gateway.fetch_payment(names(LINK_ID))
    assert (report.status, report.captured_minor, report.method) == (PaymentStatus.CAPTURED, 129900, None)


def test_an_order_is_asked_for_with_its_attempts() -> None:
    gateway, http = opened(answer(order(status="attempted")), answer(listing(failed(), payment(**AUTHORIZED))))
    report = gateway.fetch_payment(names(ORDER_ID))
    assert calls(http) == [f"GET /v1/orders/{ORDER_ID}", f"GET /v1/orders/{ORDER_ID}/payments"]
    assert (report.status, report.authorized_minor) == (PaymentStatus.AUTHORIZED, 129900)
    assert (report.reference, report.next_action) == (REFERENCE, None)


def test_what_the_attempts_say_counts_when_the_order_cannot_be_had() -> None:
    gateway, _ = opened(LATER, answer(listing(failed(), payment())))
    report = gateway.fetch_payment(names(ORDER_ID))
    assert (report.status, report.captured_minor, report.gateway_reference) == (
        PaymentStatus.CAPTURED,
        129900,
        ORDER_ID,
    )


def test_without_any_answer_nothing_is_learned() -> None:
    gateway, _ = opened(LATER, LATER)
    with pytest.raises(GatewayUnavailable):
        gateway.fetch_payment(names(ORDER_ID))


def test_an_order_that_nobody_tried_is_one_call() -> None:
    gateway, http = opened(answer(order()))
    assert gateway.fetch_payment(names(ORDER_ID)).status is PaymentStatus.PENDING
    assert calls(http) == [f"GET /v1/orders/{ORDER_ID}"]


def test_a_payment_without_an_order_is_asked_for_by_itself() -> None:
    gateway, http = opened(answer(payment(order_id=None)))
    report = gateway.fetch_payment(names(PAYMENT_ID))
    assert calls(http) == [f"GET /v1/payments/{PAYMENT_ID}"]
    assert (report.status, report.gateway_reference) == (PaymentStatus.CAPTURED, PAYMENT_ID)


def test_a_qr_code_is_asked_for_with_its_payments() -> None:
    code = {"id": "qr_DocKKKKKKKKKK1", "status": "closed", "close_reason": "paid", "payments_amount_received": 0}
    gateway, http = opened(answer(code), answer(listing(payment(order_id=None))))
    report = gateway.fetch_payment(names("qr_DocKKKKKKKKKK1"))
    assert calls(http) == ["GET /v1/payments/qr_codes/qr_DocKKKKKKKKKK1",
                           "GET /v1/payments/qr_codes/qr_DocKKKKKKKKKK1/payments"]  # fmt: skip
    assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, 129900)


@pytest.mark.parametrize("reference", [LINK_ID, ORDER_ID, PAYMENT_ID])
def test_an_id_that_razorpay_does_not_know_is_a_400_and_not_found(reference: str) -> None:
    gateway, _ = opened(answer(NO_SUCH_ID, status=400))
    assert isinstance(gateway.fetch_payment(names(reference)), NotFound)


def test_a_wrong_address_is_not_taken_for_a_missing_payment() -> None:
    gateway, _ = opened(refused("The requested URL was not found on the server."))
    with pytest.raises(RequestRejected):
        gateway.fetch_payment(names(LINK_ID))


@pytest.mark.parametrize(
    ("reference", "body"),
    [
        (LINK_ID, link(id="plink_DocOther00001")),
        (ORDER_ID, paid_order(id="order_DocOther00001")),
        (PAYMENT_ID, payment(id="pay_DocOther000001")),
    ],
)
def test_an_answer_about_another_payment_teaches_nothing(reference: str, body: dict[str, Any]) -> None:
    http = FakeHttp([answer(body), answer(body)])
    with pytest.raises(GatewayUnavailable):
        CASE.open(http).fetch_payment(names(reference))


def test_a_capture_of_another_payment_is_an_unknown_outcome() -> None:
    gateway, _ = opened(answer(payment(id="pay_DocOther000001")))
    with pytest.raises(OutcomeUnknown):
        gateway.capture(capture_request(ORDER_ID, PAYMENT_ID))


# --- lost answers -------------------------------------------------------------------------------------------------


def test_a_lost_link_is_found_by_our_reference() -> None:
    gateway, http = opened(answer({"payment_links": [link(reference_id="another"), link()]}))
    report = gateway.fetch_payment(names())
    assert calls(http) == [f"GET /v1/payment_links?reference_id={REFERENCE}"]
    assert (report.gateway_reference, report.next_action) == (LINK_ID, Redirect(url="https://rzp.io/i/docExmpl"))


def test_a_lost_order_is_found_by_our_receipt_and_handed_out_again() -> None:
    gateway, http = opened(answer({"payment_links": []}), answer(listing(order(receipt="another"), order())))
    report = gateway.fetch_payment(names())
    assert calls(http)[1] == f"GET /v1/orders?receipt={REFERENCE}"
    assert report.gateway_reference == ORDER_ID
    assert report.next_action == ClientToken(
        token=ORDER_ID,
        public_key="rzp_test_DocExample0001",
        script_url="https://checkout.razorpay.com/v1/checkout.js",
        parameters={"order_id": ORDER_ID, "amount": "129900", "currency": "INR"},
    )


def test_of_two_orders_with_one_receipt_the_one_that_is_paid_counts() -> None:
    twice = listing(order(id="order_DocOther00001", created_at=1795176900), paid_order())
    for items in (twice, {**twice, "items": twice["items"][::-1]}):
        gateway, http = opened(answer({"payment_links": []}), answer(items), answer(listing(payment())))
        report = gateway.fetch_payment(names())
        assert (report.status, report.gateway_reference) == (PaymentStatus.CAPTURED, ORDER_ID)
        assert calls(http)[2] == f"GET /v1/orders/{ORDER_ID}/payments"


def test_not_found_is_said_only_when_both_could_be_looked_through() -> None:
    nothing: tuple[Answer, ...] = (answer({"payment_links": []}), answer(listing()))
    assert isinstance(opened(*nothing)[0].fetch_payment(names()), NotFound)
    for answers in ((LATER, nothing[1]), (nothing[0], LATER)):
        with pytest.raises(GatewayUnavailable):
            opened(*answers)[0].fetch_payment(names())
    assert opened(LATER, answer(listing(order())))[0].fetch_payment(names()).gateway_reference == ORDER_ID


def test_without_any_name_there_is_nothing_to_ask() -> None:
    gateway, http = opened()
    assert isinstance(gateway.fetch_payment(names(reference=None)), NotFound)
    assert http.sent == []


# --- capture and void ---------------------------------------------------------------------------------------------


def test_a_capture_takes_all_of_the_attempt_that_is_held() -> None:
    gateway, http = opened(answer(payment()))
    report = gateway.capture(capture_request(ORDER_ID, PAYMENT_ID))
    assert calls(http) == [f"POST /v1/payments/{PAYMENT_ID}/capture"]
    assert body_of(http) == {"amount": 129900, "currency": "INR"}
    assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, 129900)
    assert (report.reference, report.gateway_reference, report.other_references) == (REFERENCE, ORDER_ID, (PAYMENT_ID,))


def test_of_several_attempts_the_held_one_is_captured() -> None:
    gateway, http = opened(answer(listing(failed(), payment(**AUTHORIZED))), answer(payment()))
    gateway.capture(capture_request(ORDER_ID, FAILED_ID, PAYMENT_ID))
    assert calls(http) == [f"GET /v1/orders/{ORDER_ID}/payments", f"POST /v1/payments/{PAYMENT_ID}/capture"]
    assert http.sent[0].is_auxiliary is True


def test_a_part_of_a_hold_cannot_be_captured() -> None:
    gateway, http = opened()
    with pytest.raises(RequestRejected) as caught:
        gateway.capture(capture_request(ORDER_ID, PAYMENT_ID, amount=Money(50000, "INR")))
    assert (caught.value.code, http.sent) == ("partial_capture_unsupported", [])


def test_a_capture_before_anything_is_held_is_refused() -> None:
    gateway, http = opened(answer(listing(failed())))
    with pytest.raises(RequestRejected):
        gateway.capture(capture_request(ORDER_ID))
    assert calls(http) == [f"GET /v1/orders/{ORDER_ID}/payments"]


@pytest.mark.parametrize(
    "text",
    [
        "This payment has already been captured",
        "Capture failed because the corresponding order is already paid",
        "THIS PAYMENT WAS ALREADY CAPTURED.",
    ],
)
def test_a_second_capture_is_an_unknown_outcome_so_that_it_is_found_captured(text: str) -> None:
    gateway, _ = opened(refused(text))
    with pytest.raises(OutcomeUnknown):
        gateway.capture(capture_request(ORDER_ID, PAYMENT_ID))


def test_two_threads_capture_their_own_amounts() -> None:
    # The SDK writes the amount into a shared default when it is given no dict.
    sent: list[Any] = []

    def work(minor: int) -> None:
        gateway, http = opened(*[answer(payment(amount=minor))] * 50)
        for _ in range(50):
            request = CaptureRequest(
                names=names(PAYMENT_ID, amount=None), amount=Money(minor, "INR"), idempotency_key="k"
            )
            gateway.capture(request)
        sent.extend((minor, json.loads(one.body)["amount"]) for one in http.sent)

    threads = [threading.Thread(target=work, args=(minor,)) for minor in (100, 200, 300, 400)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(sent) == 200 and all(asked == told for asked, told in sent)


def test_voiding_an_unpaid_link_cancels_it() -> None:
    gateway, http = opened(answer(link(status="cancelled", cancelled_at=1795176300)))
    report = gateway.void(VoidRequest(names=names(LINK_ID), idempotency_key="void-key-1"))
    assert calls(http) == [f"POST /v1/payment_links/{LINK_ID}/cancel"]
    assert (report.status, report.captured_minor, report.reference) == (PaymentStatus.EXPIRED, 0, REFERENCE)


@pytest.mark.parametrize(
    ("body", "status"),
    [(paid_link(), PaymentStatus.CAPTURED), (link(status="expired"), PaymentStatus.EXPIRED),
     (link(status="cancelled"), PaymentStatus.EXPIRED)],
)  # fmt: skip
def test_a_link_that_cannot_be_cancelled_any_more_is_told_as_it_is(body: Any, status: PaymentStatus) -> None:
    gateway, _ = opened(refused("Payment link cannot be cancelled"), answer(body))
    assert gateway.void(VoidRequest(names=names(LINK_ID), idempotency_key="v-1")).status is status


@pytest.mark.parametrize("after", [answer(link()), LATER])
def test_a_link_that_razorpay_will_not_cancel_stays_refused(after: HttpResponse) -> None:
    gateway, _ = opened(refused("Payment link cannot be cancelled"), after)
    with pytest.raises(RequestRejected, match="cannot be cancelled"):
        gateway.void(VoidRequest(names=names(LINK_ID), idempotency_key="v-1"))


@pytest.mark.parametrize("references", [(ORDER_ID, PAYMENT_ID), (PAYMENT_ID,), ()])
def test_a_hold_cannot_be_released(references: tuple[str, ...]) -> None:
    gateway, http = opened()
    with pytest.raises(RequestRejected) as caught:
        gateway.void(VoidRequest(names=names(*references), idempotency_key="v-1"))
    assert (caught.value.code, http.sent) == ("void_unsupported", [])


# --- refunds ------------------------------------------------------------------------------------------------------


def test_a_refund_carries_a_key_of_the_allowed_characters_and_repeats_it() -> None:
    keys = []
    for _ in range(2):
        gateway, http = opened(answer(refund()))
        report = gateway.refund(refund_request(ORDER_ID, PAYMENT_ID))
        keys.append(http.sent[0].headers["X-Refund-Idempotency"])
    assert calls(http) == [f"POST /v1/payments/{PAYMENT_ID}/refund"]
    assert body_of(http) == {
        "amount": 50000,
        "receipt": REFUND_REFERENCE,
        "notes": {"refund_id": REFUND_REFERENCE, "payment_id": REFERENCE},
    }
    assert keys[0] == keys[1] and keys[0].startswith("RF_1-refund-") and len(keys[0]) == 28
    assert (report.status, report.refunded_minor) == (RefundStatus.SUCCEEDED, 50000)
    assert (report.reference, report.gateway_reference) == (REFUND_REFERENCE, REFUND_ID)
    assert report.payment == names(ORDER_ID, PAYMENT_ID)


def test_of_several_attempts_the_captured_one_is_refunded() -> None:
    gateway, http = opened(answer(listing(failed(), payment())), answer(refund()))
    gateway.refund(refund_request(ORDER_ID, FAILED_ID, PAYMENT_ID))
    assert calls(http)[1] == f"POST /v1/payments/{PAYMENT_ID}/refund"


def test_a_link_that_is_known_by_nothing_else_lists_its_captured_payment() -> None:
    gateway, http = opened(answer(paid_link(order_id=None)), answer(refund()))
    gateway.refund(refund_request(LINK_ID))
    assert calls(http) == [f"GET /v1/payment_links/{LINK_ID}", f"POST /v1/payments/{PAYMENT_ID}/refund"]


def test_a_refund_without_any_payment_is_refused() -> None:
    gateway, http = opened()
    with pytest.raises(RequestRejected):
        gateway.refund(refund_request())
    assert http.sent == []


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("The payment has been fully refunded already.", 400),
        ("Different request with the same idempotency key was sent", 409),
        ("Different request with the same idempotency key was sent", 400),
    ],
)
def test_a_refund_that_was_made_before_is_found_in_the_list(text: str, status: int) -> None:
    gateway, http = opened(refused(text, status=status), answer(listing(refund(receipt="other"), refund())))
    report = gateway.refund(refund_request(PAYMENT_ID))
    assert calls(http)[1] == f"GET /v1/payments/{PAYMENT_ID}/refunds?count=100&skip=0"
    assert (report.reference, report.status) == (REFUND_REFERENCE, RefundStatus.SUCCEEDED)


@pytest.mark.parametrize("after", [answer(listing()), LATER])
def test_a_refund_that_is_not_in_the_list_stays_refused(after: HttpResponse) -> None:
    gateway, _ = opened(refused("The payment has been fully refunded already."), after)
    with pytest.raises(RequestRejected, match="fully refunded already"):
        gateway.refund(refund_request(PAYMENT_ID))


def test_a_refund_that_is_still_running_is_an_unknown_outcome() -> None:
    gateway, _ = opened(refused("The request with this key is being processed", status=409))
    with pytest.raises(OutcomeUnknown):
        gateway.refund(refund_request(PAYMENT_ID))


def test_too_much_is_refused_at_once() -> None:
    gateway, http = opened(refused("The refund amount provided is greater than amount captured."))
    with pytest.raises(RequestRejected):
        gateway.refund(refund_request(PAYMENT_ID))
    assert len(http.sent) == 1


def test_a_refund_is_fetched_by_its_id_or_found_by_its_receipt() -> None:
    gateway, http = opened(answer(refund(status="failed")))
    known = RefundNames(reference=REFUND_REFERENCE, gateway_reference=REFUND_ID, payment=names(ORDER_ID))
    assert gateway.fetch_refund(known).status is RefundStatus.FAILED
    assert calls(http) == [f"GET /v1/refunds/{REFUND_ID}"]
    lost = RefundNames(reference=REFUND_REFERENCE, payment=names(ORDER_ID, PAYMENT_ID))
    by_notes = refund(receipt=None, notes={"refund_id": REFUND_REFERENCE})
    gateway, http = opened(answer(listing(refund(receipt="other"), by_notes)))
    report = gateway.fetch_refund(lost)
    assert (report.reference, report.payment) == (REFUND_REFERENCE, names(ORDER_ID, PAYMENT_ID))


def test_a_long_list_of_refunds_is_read_to_its_end() -> None:
    page = listing(*[refund(id=f"rfnd_Doc{number}", receipt=f"other-{number}") for number in range(100)])
    gateway, http = opened(answer(page), answer(listing(refund())))
    lost = RefundNames(reference=REFUND_REFERENCE, payment=names(PAYMENT_ID))
    assert gateway.fetch_refund(lost).gateway_reference == REFUND_ID
    assert calls(http)[1].endswith("?count=100&skip=100")
    gateway, _ = opened(*[answer(page)] * 10)
    with pytest.raises(GatewayUnavailable):
        gateway.fetch_refund(lost)


def test_a_refund_that_is_nowhere_is_not_found() -> None:
    lost = RefundNames(reference=REFUND_REFERENCE, payment=names(PAYMENT_ID))
    assert isinstance(opened(answer(listing()))[0].fetch_refund(lost), NotFound)
    known = RefundNames(reference=REFUND_REFERENCE, gateway_reference=REFUND_ID)
    assert isinstance(opened(answer(NO_SUCH_ID, status=400))[0].fetch_refund(known), NotFound)
    with pytest.raises(GatewayUnavailable):  # no name to look by: nothing was learned
        opened()[0].fetch_refund(RefundNames(reference=REFUND_REFERENCE))


# --- saved methods ------------------------------------------------------------------------------------------------


def test_saving_a_method_makes_a_customer_and_asks_for_consent_in_the_order() -> None:
    gateway, http = opened(answer({"id": "cust_DocIIIIIIIIII1", "entity": "customer"}), answer(order()))
    report = gateway.initiate(CASE.payment_request(save_method=True, created_at=NOW))
    assert calls(http) == ["POST /v1/customers", "POST /v1/orders"]
    assert body_of(http) == {
        "name": "Ada Example",
        "email": "ada@example.com",
        "contact": "+15555550100",
        "fail_existing": "0",
    }
    sent = body_of(http, 1)
    assert (sent["customer_id"], sent["method"]) == ("cust_DocIIIIIIIIII1", "card")
    assert sent["token"] == {
        "max_amount": 1_500_000,
        "expire_at": int(NOW.timestamp()) + 157_680_000,
        "frequency": "as_presented",
    }
    action = report.next_action
    assert isinstance(action, ClientToken)
    told = {name: action.parameters[name] for name in ("customer_id", "recurring", "remember_customer")}
    assert told == {"customer_id": "cust_DocIIIIIIIIII1", "recurring": "true", "remember_customer": "true"}


def test_a_customer_is_made_once_or_taken_as_given() -> None:
    cache = MemoryCache()
    for expected in (["POST /v1/customers", "POST /v1/orders"], ["POST /v1/orders"]):
        http = FakeHttp({
            ("POST", "/v1/customers"): answer({"id": "cust_DocIIIIIIIIII1"}), ("POST", "/v1/orders"): answer(order()),
        })  # fmt: skip
        CASE.open(http, cache=cache).initiate(CASE.payment_request(save_method=True))
        assert calls(http) == expected
    gateway, http = opened(answer(order()))
    gateway.initiate(CASE.payment_request(save_method=True, customer_token="cust_Known"))
    assert body_of(http)["customer_id"] == "cust_Known"


def test_a_customer_that_cannot_be_made_has_moved_nothing() -> None:
    for bad in (NoAnswer("ReadTimeout"), NotSent("ConnectError"), LATER):
        gateway, _ = opened(bad)
        with pytest.raises(GatewayUnavailable):
            gateway.initiate(CASE.payment_request(save_method=True))
    gateway, http = opened()
    with pytest.raises(RequestRejected):
        gateway.initiate(CASE.payment_request(save_method=True, customer=CustomerDetails(name="Ada Example")))
    assert http.sent == []


def charge_request(**changes: Any) -> ChargeRequest:
    return ChargeRequest(payment=CASE.payment_request(**changes), saved=SAVED)


def test_a_saved_method_is_charged_by_an_order_and_a_recurring_payment() -> None:
    gateway, http = opened(answer(order()), answer({"razorpay_payment_id": PAYMENT_ID}))
    report = gateway.charge_saved(charge_request())
    assert calls(http) == ["POST /v1/orders", "POST /v1/payments/create/recurring"]
    assert body_of(http) == {
        "amount": 129900,
        "currency": "INR",
        "receipt": REFERENCE,
        "payment_capture": True,
        "notes": {"payment_id": REFERENCE, "shape": "charge"},
    }
    assert body_of(http, 1) == {
        "email": "ada@example.com",
        "contact": "+15555550100",
        "amount": 129900,
        "currency": "INR",
        "order_id": ORDER_ID,
        "customer_id": "cust_DocIIIIIIIIII1",
        "token": "token_DocHHHHHHHHHH1",
        "recurring": True,
        "description": "Order 42",
        "notes": {"payment_id": REFERENCE, "shape": "charge"},
    }
    # Begun, not captured: the bank may take days.
    assert (report.status, report.captured_minor) == (PaymentStatus.PENDING, 0)
    assert (report.reference, report.gateway_reference, report.other_references) == (REFERENCE, ORDER_ID, (PAYMENT_ID,))


def test_a_repeated_charge_goes_to_the_order_of_its_first_try() -> None:
    cache = MemoryCache()
    http = FakeHttp([answer(order()), NoAnswer("ReadTimeout"), refused("The order is already paid")])
    gateway = CASE.open(http, cache=cache)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            gateway.charge_saved(charge_request())
    assert calls(http) == ["POST /v1/orders", *["POST /v1/payments/create/recurring"] * 2]
    assert cache.seconds == {f"order:{REFERENCE}": 86_400}


def test_a_charge_whose_order_was_lost_has_moved_nothing() -> None:
    for bad in (NoAnswer("ReadTimeout"), NotSent("ConnectError"), LATER, answer({"id": "inv_Doc"})):
        gateway, http = opened(bad)
        with pytest.raises(GatewayUnavailable):
            gateway.charge_saved(charge_request())
        assert len(http.sent) == 1


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"reason": "insufficient_fund", "metadata": {"payment_id": FAILED_ID}}, "insufficient_funds"),
        ({"reason": "authentication_failed", "step": "payment_authentication"}, "authentication_failed"),
        ({"reason": None, "step": "payment_authorization"}, "declined"),
    ],
)
def test_a_charge_that_the_bank_refuses_has_failed(members: dict[str, Any], code: str) -> None:
    gateway, _ = opened(answer(order()), refused("Authentication failed", **members))
    report = gateway.charge_saved(charge_request())
    assert (report.status, report.captured_minor, report.gateway_reference) == (PaymentStatus.FAILED, 0, ORDER_ID)
    assert report.decline is not None and report.decline.code == code


@pytest.mark.parametrize(
    ("bad", "wanted"),
    [
        (refused("The token is invalid"), RequestRejected),
        (refused("x", code="GATEWAY_ERROR", metadata={"payment_id": FAILED_ID}), OutcomeUnknown),
        (NoAnswer("ReadTimeout"), OutcomeUnknown),
    ],
)
def test_a_charge_that_is_no_decline(bad: Answer, wanted: type[Exception]) -> None:
    gateway, _ = opened(answer(order()), bad)
    with pytest.raises(wanted):
        gateway.charge_saved(charge_request())


def test_a_saved_method_is_not_charged_by_hand() -> None:
    gateway, http = opened()
    with pytest.raises(RequestRejected):
        gateway.charge_saved(charge_request(capture=CaptureMode.MANUAL))
    assert http.sent == []


def test_a_charge_that_was_lost_and_refused_is_found_failed() -> None:
    charged = {"notes": {"payment_id": REFERENCE, "shape": "charge"}}
    gateway, _ = opened(
        answer({"payment_links": []}), answer(listing(order(status="attempted", **charged))), answer(listing(failed()))
    )
    report = gateway.fetch_payment(names())
    assert (report.status, report.next_action) == (PaymentStatus.FAILED, None)


def test_a_saved_method_is_deleted_also_when_it_is_gone_already() -> None:
    request = DeleteSavedRequest(saved=SAVED, idempotency_key="delete-key-1")
    for good in (answer({"deleted": True}), answer(text=b"", status=204), answer(NO_SUCH_ID, status=400)):
        gateway, http = opened(good)
        gateway.delete_saved(request)
        assert calls(http) == ["DELETE /v1/customers/cust_DocIIIIIIIIII1/tokens/token_DocHHHHHHHHHH1"]
    gateway, _ = opened(refused("The token cannot be deleted"))
    with pytest.raises(RequestRejected):
        gateway.delete_saved(request)
    with pytest.raises(RequestRejected):
        gateway.delete_saved(DeleteSavedRequest(saved=SavedMethod(token="token_1"), idempotency_key="k"))


def test_a_name_cannot_leave_its_place_in_the_path() -> None:
    gateway, http = opened(answer({}))
    odd = SavedMethod(token="../../payments?x=", customer_token="cust/1")
    gateway.delete_saved(DeleteSavedRequest(saved=odd, idempotency_key="k"))
    assert calls(http) == ["DELETE /v1/customers/cust%2F1/tokens/..%2F..%2Fpayments%3Fx%3D"]


def test_a_method_is_saved_only_during_a_payment() -> None:
    assert not issubclass(RazorpayGateway, CanSaveMethodsAlone)


# --- disputes, credentials ----------------------------------------------------------------------------------------


def test_a_dispute_is_fetched_with_the_names_of_its_payment() -> None:
    gateway, http = opened(answer(dispute(status="lost", amount_deducted=129900)))
    report = gateway.fetch_dispute(DisputeNames(gateway_reference=DISPUTE_ID, payment=names(ORDER_ID)))
    assert calls(http) == [f"GET /v1/disputes/{DISPUTE_ID}"]
    assert (report.status, report.withdrawn_minor) == (DisputeStatus.LOST, 129900)
    assert report.payment is not None
    assert (report.payment.gateway_reference, report.payment.other_references) == (ORDER_ID, (PAYMENT_ID,))
    gateway, _ = opened(answer(NO_SUCH_ID, status=400))
    assert isinstance(gateway.fetch_dispute(DisputeNames(gateway_reference=DISPUTE_ID)), NotFound)


def test_credentials_are_proven_by_the_newest_payment() -> None:
    gateway, http = opened(answer(listing()))
    check = gateway.check_credentials()
    assert calls(http) == ["GET /v1/payments?count=1"]
    assert (check.ok, check.message, check.mode) == (True, "Razorpay accepts the test key.", Mode.TEST)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (refused("Authentication failed", status=401), "Razorpay does not accept this test Key Id and Key Secret."),
        (refused("Authentication failed"), "Razorpay does not accept this test Key Id and Key Secret."),
        (refused("The api key/secret provided is invalid"),
         "Razorpay does not accept this test Key Id and Key Secret."),
        (refused("Access Denied", status=403),
         "Razorpay denies access. If the dashboard limits API calls to listed addresses, add this server's."),
    ],
)  # fmt: skip
def test_bad_credentials_are_told_in_a_sentence(bad: HttpResponse, message: str) -> None:
    check = opened(bad)[0].check_credentials()
    assert (check.ok, check.message) == (False, message)


def test_a_key_without_a_webhook_secret_is_not_ready() -> None:
    gateway, _ = opened(answer(listing()), credentials={**CASE.credentials(Mode.TEST), "webhook_secret": "1234567"})
    check = gateway.check_credentials()
    assert (check.ok, check.details) == (False, {"webhook secret": "not usable: every webhook is refused"})


def test_without_a_key_nothing_is_sent() -> None:
    for missing in ("key_id", "key_secret"):
        gateway, http = opened(credentials={**CASE.credentials(Mode.TEST), missing: None})
        assert gateway.check_credentials().ok is False
        with pytest.raises(GatewayMisconfigured):
            gateway.fetch_payment(names(ORDER_ID))
        assert http.sent == []


# --- the error table ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "on_write", "on_read"),
    [
        (refused("The amount must be an integer.", field="amount"), RequestRejected, RequestRejected),
        (refused("The requested URL was not found on the server."), RequestRejected, RequestRejected),
        (refused("x", status=401), GatewayMisconfigured, GatewayMisconfigured),
        (refused("x", status=403), GatewayMisconfigured, GatewayMisconfigured),
        (answer(text="<html>denied</html>", status=403), GatewayMisconfigured, GatewayMisconfigured),
        (refused("authentication failed"), GatewayMisconfigured, GatewayMisconfigured),
        (refused("The api key/secret provided is invalid"), GatewayMisconfigured, GatewayMisconfigured),
        (refused("Access Denied"), GatewayMisconfigured, GatewayMisconfigured),
        (refused("Authentication failed due to incorrect otp"), RequestRejected, RequestRejected),
        (refused("Too many requests", status=429), GatewayUnavailable, GatewayUnavailable),
        (answer(text="<html>", status=429), GatewayUnavailable, GatewayUnavailable),
        (refused("x", status=409), OutcomeUnknown, GatewayUnavailable),
        (refused("x", status=500), OutcomeUnknown, GatewayUnavailable),
        (answer(text="<html>bad gateway</html>", status=502), OutcomeUnknown, GatewayUnavailable),
        (refused("x", code="SERVER_ERROR"), OutcomeUnknown, GatewayUnavailable),
        (refused("x", code="GATEWAY_ERROR"), OutcomeUnknown, GatewayUnavailable),
        (answer(text="", status=200), OutcomeUnknown, GatewayUnavailable),
        (answer(error("x")), OutcomeUnknown, GatewayUnavailable),
        (answer({}, status=400), OutcomeUnknown, GatewayUnavailable),
        (answer({"error": {"code": ["x"], "step": {}}}, status=400), RequestRejected, RequestRejected),
        (NoAnswer("ReadTimeout"), OutcomeUnknown, GatewayUnavailable),
        (NotSent("ConnectError"), GatewayUnavailable, GatewayUnavailable),
    ],
)
def test_the_error_table(bad: Answer, on_write: type[Exception], on_read: type[Exception]) -> None:
    for presentation in Presentation:
        with pytest.raises(on_write) as caught:
            opened(bad)[0].initiate(CASE.payment_request(presentation=presentation))
        assert type(caught.value) is on_write
    with pytest.raises(on_read) as caught:
        opened(bad)[0].fetch_payment(names(PAYMENT_ID))
    assert type(caught.value) is on_read


@pytest.mark.parametrize(
    ("members", "text", "code"),
    [
        ({"field": "amount"}, "The amount must be atleast the minimum of INR 1.00", "amount_too_small"),
        ({"reason": "amount_less_than_minimum_amount"}, "x", "amount_too_small"),
        ({}, "Amount exceeds maximum amount allowed.", "amount_too_large"),
        ({"field": "currency"}, "x", None),
    ],
)
def test_a_refusal_says_why_in_our_words_where_there_is_one(members: Any, text: str, code: str | None) -> None:
    gateway, _ = opened(refused(text, **members))
    with pytest.raises(RequestRejected) as caught:
        gateway.initiate(CASE.payment_request())
    assert (caught.value.code, caught.value.http_status) == (code, 400)
    assert caught.value.reason == f"Razorpay refuses the request: {text}"


def test_a_retry_after_is_told() -> None:
    gateway, _ = opened(answer(error("x"), status=429, headers={"Retry-After": "12"}))
    with pytest.raises(GatewayUnavailable) as caught:
        gateway.initiate(CASE.payment_request())
    assert caught.value.retry_after_seconds == 12.0


# --- the SDK ------------------------------------------------------------------------------------------------------


def test_the_sdk_reads_nothing_prints_nothing_and_holds_no_account(capsys: pytest.CaptureFixture[str]) -> None:
    first, one = opened(answer(order(), status=200))
    second, two = opened(
        answer(order()), credentials={**CASE.credentials(Mode.TEST), "key_id": "rzp_test_DocOther000001"}
    )
    request = CASE.payment_request(presentation=Presentation.EMBEDDED)
    assert isinstance(first.initiate(request), Report) and isinstance(second.initiate(request), Report)
    assert one.sent[0].headers["Authorization"] != two.sent[0].headers["Authorization"]
    for bad in (NoAnswer("ReadTimeout"), NotSent("ConnectError"), answer(text="<html>", status=502)):
        with pytest.raises((OutcomeUnknown, GatewayUnavailable)):
            opened(bad)[0].initiate(request)
    assert capsys.readouterr().out == ""


def test_the_sdks_session_is_ours_for_every_verb_that_is_used() -> None:
    gateway = RazorpayGateway(
        CASE.credentials(Mode.TEST), mode=Mode.TEST, http=FakeHttp(), cache=MemoryCache(), clock=fixed_clock()
    )
    sdk = gateway._api._open()
    assert isinstance(sdk, razorpay.Client)
    assert type(sdk.session).__module__ == "clients.razorpay.client"
    assert sdk.retry_enabled is False and sdk.base_url == API
