"""What is sent to Stripe, byte for byte where it matters, and every row of the protocol page's error table (§12)."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clients.stripe import config
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.gateways.testing import NOW, Answer, FakeHttp, answer, fixed_clock, wire_fields
from core.gateways.types import (
    CaptureMode,
    CaptureRequest,
    ClientToken,
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
    Subject,
    VoidRequest,
    WebhookDelivery,
)
from core.http import HttpResponse, NoAnswer, NotSent
from core.money import Money
from tests.clients.stripe.case import CASE, PAID, REFERENCE, REFUND_REFERENCE, TOTAL
from tests.clients.stripe.objects import charge, declined, intent, load, refund, session, session_intent

API = "https://api.stripe.com"
ROOT = Path(__file__).parents[3]
EMPTY: dict[str, Any] = {"object": "list", "data": [], "has_more": False}
NO_SUCH = answer(
    {"error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such"}}, status=404
)


def listing(*items: dict[str, Any], has_more: bool = False, kind: str = "list") -> HttpResponse:
    return answer({"object": kind, "data": list(items), "has_more": has_more})


def error(status: int, headers: Any = None, **members: Any) -> HttpResponse:
    return answer({"error": members}, status=status, headers=headers)


def names(*references: str, reference: str | None = REFERENCE) -> PaymentNames:
    first = references[0] if references else None
    return PaymentNames(
        reference=reference,
        gateway_reference=first,
        other_references=references[1:],
        amount=TOTAL,
        created_at=NOW,
    )


def opened(*answers: Answer, **changes: Any) -> tuple[Any, FakeHttp]:
    http = FakeHttp(list(answers))
    return CASE.open(http, **changes), http


def paths(http: FakeHttp) -> list[str]:
    return [f"{one.method} {one.url.removeprefix(API).partition('?')[0]}" for one in http.sent]


# --- requests -----------------------------------------------------------------------------------------------------


def test_a_hosted_payment_is_one_post_with_pinned_version_and_our_key() -> None:
    gateway, http = opened(answer(load("session_open")))
    report = gateway.initiate(CASE.payment_request(customer=None, description=None, cancel_url=None))
    (sent,) = http.sent
    assert (sent.method, sent.url) == ("POST", f"{API}/v1/checkout/sessions")
    assert {name: value for name, value in sent.headers.items() if name != "User-Agent"} == {
        "Authorization": "Bearer sk_test_51DocExampleKey0001",
        "Idempotency-Key": "11111111-2222-4333-8444-555555555555:create",
        "Content-Type": "application/x-www-form-urlencoded",
        "Stripe-Version": "2026-10-28.endive",
        "Accept": "application/json",
    }
    assert wire_fields(sent) == {
        "mode": "payment",
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][unit_amount]": "1299",
        "line_items[0][price_data][product_data][name]": f"Payment {REFERENCE}",
        "line_items[0][quantity]": "1",
        "success_url": "https://pay.example.com/p/abc/return?session_id={CHECKOUT_SESSION_ID}",
        "client_reference_id": REFERENCE,
        "metadata[payment_id]": REFERENCE,
        "payment_intent_data[metadata][payment_id]": REFERENCE,
        "payment_intent_data[metadata][shape]": "session",
    }
    assert report.next_action == Redirect(url=load("session_open")["url"])


def test_an_embedded_payment_answers_with_a_client_token() -> None:
    gateway, http = opened(answer(intent()), credentials={**CASE.credentials(Mode.TEST), "account_id": "acct_1Doc"})
    request = CASE.payment_request(
        presentation=Presentation.EMBEDDED, description=None, capture=CaptureMode.MANUAL, amount=TOTAL
    )
    report = gateway.initiate(request)
    assert paths(http) == ["POST /v1/payment_intents"]
    assert http.sent[0].headers["Stripe-Account"] == "acct_1Doc"
    assert wire_fields(http.sent[0]) == {
        "amount": "1299",
        "currency": "eur",
        "metadata[payment_id]": REFERENCE,
        "capture_method": "manual",
        "automatic_payment_methods[enabled]": "true",
    }
    assert report.next_action == ClientToken(
        token="pi_docA1_secret_zZ9yX8",
        public_key="pk_test_51DocExampleKey0001",
        script_url="https://js.stripe.com/v3/",
        parameters={"return_url": "https://pay.example.com/p/abc/return", "stripe_account": "acct_1Doc"},
    )
    assert "zZ9yX8" not in repr(report)


def test_an_embedded_payment_needs_the_publishable_key_before_anything_is_sent() -> None:
    known = {**CASE.credentials(Mode.TEST), "publishable_key": None}
    gateway, http = opened(credentials=known)
    with pytest.raises(GatewayMisconfigured):
        gateway.initiate(CASE.payment_request(presentation=Presentation.EMBEDDED))
    assert http.sent == []


def test_an_amount_that_stripe_cannot_take_is_never_sent() -> None:
    gateway, http = opened()
    with pytest.raises(RequestRejected):
        gateway.initiate(CASE.payment_request(Money(8731, "KWD")))
    assert http.sent == []


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        (timedelta(minutes=5), timedelta(minutes=31)),
        (timedelta(minutes=-5), timedelta(minutes=31)),
        (timedelta(hours=2), timedelta(hours=2)),
        (timedelta(hours=24), None),
        (timedelta(days=3), None),
        (None, None),
    ],
)
def test_an_expiry_is_kept_within_stripes_bounds(asked: timedelta | None, sent: timedelta | None) -> None:
    gateway, http = opened(answer(session()))
    gateway.initiate(CASE.payment_request(expires_at=None if asked is None else NOW + asked))
    wanted = None if sent is None else str(int((NOW + sent).timestamp()))
    assert wire_fields(http.sent[0]).get("expires_at") == wanted


def test_a_repeat_a_minute_later_says_the_same_although_the_expiry_was_too_near() -> None:
    request = CASE.payment_request(created_at=NOW, expires_at=NOW + timedelta(minutes=5))
    bodies = []
    for seconds in (0, 60):
        gateway, http = opened(answer(session()), clock=fixed_clock(NOW + timedelta(seconds=seconds)))
        gateway.initiate(request)
        bodies.append(http.sent[0].body)
    assert bodies[0] == bodies[1]


def test_a_capture_names_the_amount_in_stripes_units() -> None:
    gateway, http = opened(answer(intent(**PAID)))
    gateway.capture(CaptureRequest(names=names("pi_docA1"), amount=Money(900, "EUR"), idempotency_key="c-1"))
    assert paths(http) == ["POST /v1/payment_intents/pi_docA1/capture"]
    assert wire_fields(http.sent[0]) == {"amount_to_capture": "900"}
    assert http.sent[0].headers["Idempotency-Key"] == "c-1"


def test_a_capture_of_a_session_asks_it_for_its_intent() -> None:
    held = session(status="complete", url=None, payment_intent="pi_docA1")
    gateway, http = opened(answer(held), answer(intent(**PAID)))
    report = gateway.capture(CaptureRequest(names=names("cs_test_docA1"), amount=TOTAL, idempotency_key="c-1"))
    assert paths(http) == ["GET /v1/checkout/sessions/cs_test_docA1", "POST /v1/payment_intents/pi_docA1/capture"]
    assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, 1299)


def test_a_capture_before_anything_is_held_is_refused_here() -> None:
    gateway, http = opened(answer(session()))
    with pytest.raises(RequestRejected):
        gateway.capture(CaptureRequest(names=names("cs_test_docA1"), amount=TOTAL, idempotency_key="c-1"))
    assert paths(http) == ["GET /v1/checkout/sessions/cs_test_docA1"]


def test_voiding_an_open_session_expires_it() -> None:
    gateway, http = opened(answer(session()), answer(session(status="expired", url=None)))
    report = gateway.void(VoidRequest(names=names("cs_test_docA1", "pi_docA1"), idempotency_key="v-1"))
    assert paths(http) == [
        "GET /v1/checkout/sessions/cs_test_docA1",
        "POST /v1/checkout/sessions/cs_test_docA1/expire",
    ]
    assert http.sent[1].headers["Idempotency-Key"] == "v-1"
    assert report.status is PaymentStatus.EXPIRED


def test_voiding_a_complete_session_cancels_its_intent() -> None:
    complete = session(status="complete", url=None, payment_intent=session_intent(status="requires_capture"))
    gateway, http = opened(answer(complete), answer(session_intent(status="canceled")))
    report = gateway.void(VoidRequest(names=names("cs_test_docA1"), idempotency_key="v-1"))
    assert paths(http)[1] == "POST /v1/payment_intents/pi_docA1/cancel"
    assert http.sent[1].body == b""
    assert (report.status, report.captured_minor, report.refunded_minor) == (PaymentStatus.VOIDED, 0, 0)


def test_voiding_a_session_that_is_over_reports_it_and_sends_nothing_more() -> None:
    gateway, http = opened(answer(session(status="expired", url=None)))
    report = gateway.void(VoidRequest(names=names("cs_test_docA1"), idempotency_key="v-1"))
    assert (report.status, len(http.sent)) == (PaymentStatus.EXPIRED, 1)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ({"status": "canceled"}, PaymentStatus.VOIDED),
        ({"status": "succeeded", "amount_received": 1299}, PaymentStatus.CAPTURED),
        ({"status": "processing"}, PaymentStatus.PENDING),
    ],
)
def test_voiding_a_complete_session_that_holds_nothing_reports_it(state: dict[str, Any], status: PaymentStatus) -> None:
    complete = session(status="complete", url=None, payment_intent=session_intent(**state))
    gateway, http = opened(answer(complete))
    report = gateway.void(VoidRequest(names=names("cs_test_docA1", "pi_docA1"), idempotency_key="v-1"))
    assert (report.status, len(http.sent)) == (status, 1)


def test_a_session_that_cannot_be_looked_at_is_expired_where_nobody_confirmed_it() -> None:
    gateway, http = opened(NoAnswer("ReadTimeout"), answer(session(status="expired", url=None)))
    report = gateway.void(VoidRequest(names=names("cs_test_docA1"), idempotency_key="v-1"))
    assert (report.status, paths(http)[1]) == (
        PaymentStatus.EXPIRED,
        "POST /v1/checkout/sessions/cs_test_docA1/expire",
    )
    gateway, http = opened(NoAnswer("ReadTimeout"))
    with pytest.raises(GatewayUnavailable):
        gateway.void(VoidRequest(names=names("cs_test_docA1", "pi_docA1"), idempotency_key="v-1"))
    assert paths(http) == ["GET /v1/checkout/sessions/cs_test_docA1"]


def test_a_look_on_the_way_is_marked_as_such_and_says_so_to_nobody() -> None:
    gateway, http = opened(answer(session()), answer(session(status="expired", url=None)))
    gateway.void(VoidRequest(names=names("cs_test_docA1"), idempotency_key="v-1"))
    assert [one.is_auxiliary for one in http.sent] == [True, False]
    assert not any("uxiliary" in name for name in http.sent[0].headers)


def test_a_void_that_came_too_late_reports_the_truth() -> None:
    late = {"type": "invalid_request_error", "code": "payment_intent_unexpected_state", "message": "no",
            "payment_intent": intent(**PAID)}  # fmt: skip
    gateway, _ = opened(error(400, **late))
    report = gateway.void(VoidRequest(names=names("pi_docA1"), idempotency_key="v-1"))
    assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, 1299)


def test_a_refund_names_itself_in_metadata() -> None:
    gateway, http = opened(answer(refund()))
    report = gateway.refund(
        RefundRequest(
            names=names("cs_test_docA1", "pi_docA1", "ch_docA1"),
            reference=REFUND_REFERENCE,
            amount=Money(500, "EUR"),
            idempotency_key="r-1",
            reason="requested_by_customer",
        )
    )
    assert paths(http) == ["POST /v1/refunds"]
    assert wire_fields(http.sent[0]) == {
        "payment_intent": "pi_docA1",
        "amount": "500",
        "reason": "requested_by_customer",
        "metadata[refund_id]": REFUND_REFERENCE,
        "metadata[payment_id]": REFERENCE,
    }
    assert (report.about, report.status, report.refunded_minor) == (Subject.REFUND, RefundStatus.SUCCEEDED, 500)


def refund_request() -> RefundRequest:
    return RefundRequest(
        names=names("pi_docA1"), reference=REFUND_REFERENCE, amount=Money(500, "EUR"), idempotency_key="r-1"
    )


@pytest.mark.parametrize(
    "refusal",
    [
        {"type": "invalid_request_error", "code": "charge_already_refunded", "message": "x"},
        {"type": "invalid_request_error", "message": "Charge ch_docA1 has already been refunded."},
        {
            "type": "idempotency_error",
            "message": "Keys for idempotent requests can only be used with the same parameters",
        },
    ],
)
def test_a_refused_refund_that_may_be_ours_is_looked_for(refusal: dict[str, Any]) -> None:
    other = refund(id="re_other", metadata={})
    gateway, http = opened(error(400, **refusal), listing(other, refund()))
    report = gateway.refund(refund_request())
    assert paths(http) == ["POST /v1/refunds", "GET /v1/refunds"]
    assert "payment_intent=pi_docA1" in http.sent[1].url
    assert (report.gateway_reference, report.reference) == ("re_docA1", REFUND_REFERENCE)
    gateway, _ = opened(error(400, **refusal), listing(other))
    with pytest.raises(RequestRejected):
        gateway.refund(refund_request())
    gateway, _ = opened(error(400, **refusal), NoAnswer("ReadTimeout"))
    with pytest.raises(OutcomeUnknown):
        gateway.refund(refund_request())


def test_another_refusal_of_a_refund_is_final_at_once() -> None:
    gateway, http = opened(error(400, type="invalid_request_error", code="charge_disputed", message="disputed"))
    with pytest.raises(RequestRejected) as caught:
        gateway.refund(refund_request())
    assert (caught.value.code, caught.value.gateway_code) == ("charge_disputed", "charge_disputed")
    assert len(http.sent) == 1


# --- finding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "path", "expand", "body"),
    [
        (("cs_test_docA1", "pi_docA1"), "/v1/checkout/sessions/cs_test_docA1",
         "payment_intent.latest_charge.balance_transaction", load("session_paid")),
        (("pi_docA1", "ch_docA1"), "/v1/payment_intents/pi_docA1", "latest_charge.balance_transaction",
         load("intent_succeeded")),
        (("ch_docA1",), "/v1/charges/ch_docA1", "balance_transaction", charge()),
    ],
)  # fmt: skip
def test_a_payment_is_fetched_by_any_name_in_one_call(
    known: tuple[str, ...], path: str, expand: str, body: dict[str, Any]
) -> None:
    gateway, http = opened(answer(body))
    report = gateway.fetch_payment(names(*known))
    assert http.sent[0].url == f"{API}{path}?expand[0]={expand}"
    assert http.sent[0].body == b""
    assert "Idempotency-Key" not in http.sent[0].headers
    assert (report.status, report.captured_minor) == (PaymentStatus.CAPTURED, 1299)


def test_an_unfinished_payment_in_our_page_hands_its_token_out_again() -> None:
    gateway, _ = opened(answer(intent()))
    report = gateway.fetch_payment(names("pi_docA1"))
    assert isinstance(report.next_action, ClientToken)
    gateway, _ = opened(answer(session_intent()))
    assert gateway.fetch_payment(names("pi_docA1")).next_action is None


def test_a_lost_session_is_found_by_time() -> None:
    other = session(id="cs_test_other", client_reference_id="PAY_other", metadata={})
    gateway, http = opened(listing(other, has_more=True), listing(session()))
    report = gateway.fetch_payment(names())
    assert (report.gateway_reference, report.reference) == ("cs_test_docA1", REFERENCE)
    created = int(NOW.timestamp())
    assert http.sent[0].url == (
        f"{API}/v1/checkout/sessions?created[gte]={created - 300}&created[lte]={created + 86400}"
        "&expand[0]=data.payment_intent&limit=100"
    )
    assert http.sent[1].url.endswith("&limit=100&starting_after=cs_test_other")


def test_a_lost_intent_is_found_by_search() -> None:
    gateway, http = opened(answer(EMPTY), listing(intent(), kind="search_result"))
    report = gateway.fetch_payment(names())
    assert report.gateway_reference == "pi_docA1"
    assert paths(http)[1] == "GET /v1/payment_intents/search"
    assert f"query=metadata%5B%27payment_id%27%5D%3A%27{REFERENCE}%27".replace("%5B", "[").replace("%5D", "]") in (
        http.sent[1].url
    )


def test_a_lost_intent_is_found_by_time_where_search_lags_or_is_refused() -> None:
    lagging = listing(kind="search_result")
    refused = error(400, type="invalid_request_error", message="search is not available in your country")
    for search in (lagging, refused):
        gateway, http = opened(answer(EMPTY), search, listing(intent()))
        assert gateway.fetch_payment(names()).gateway_reference == "pi_docA1"
        assert paths(http)[2] == "GET /v1/payment_intents"


def test_a_search_result_of_another_payment_is_not_ours() -> None:
    stranger = intent(metadata={"payment_id": REFERENCE + "2"})
    gateway, _ = opened(answer(EMPTY), listing(stranger, kind="search_result"), answer(EMPTY))
    assert isinstance(gateway.fetch_payment(names()), NotFound)


def test_a_list_that_is_too_long_to_read_proves_no_absence() -> None:
    page = listing(session(id="cs_test_other", client_reference_id="PAY_other", metadata={}), has_more=True)
    gateway, http = opened(*[page] * 10, listing(kind="search_result"), answer(EMPTY))
    with pytest.raises(GatewayUnavailable):
        gateway.fetch_payment(names())
    assert paths(http) == ["GET /v1/checkout/sessions"] * 10 + [
        "GET /v1/payment_intents/search",
        "GET /v1/payment_intents",
    ]


def test_a_payment_is_found_although_one_of_the_ways_is_closed() -> None:
    gateway, _ = opened(error(500), listing(intent(), kind="search_result"))
    assert gateway.fetch_payment(names()).gateway_reference == "pi_docA1"
    gateway, http = opened(error(500), listing(kind="search_result"), answer(EMPTY))
    with pytest.raises(GatewayUnavailable):
        gateway.fetch_payment(names())
    assert len(http.sent) == 3


def test_the_longest_reference_is_sent_whole() -> None:
    reference = "R" * 200
    gateway, http = opened(answer(session(client_reference_id=reference)))
    gateway.initiate(CASE.payment_request(reference=reference))
    sent = wire_fields(http.sent[0])
    assert {sent["client_reference_id"], sent["metadata[payment_id]"]} == {reference}


def test_a_config_shows_no_secret() -> None:
    shown = repr(config.StripeConfig.of(CASE.credentials(Mode.TEST), mode=Mode.TEST))
    assert "sk_test" not in shown
    assert "whsec" not in shown


def test_nothing_to_look_for_is_not_found_without_a_call() -> None:
    gateway, http = opened()
    assert isinstance(gateway.fetch_payment(PaymentNames()), NotFound)
    assert http.sent == []


def test_a_refund_is_fetched_by_id_or_found_in_the_list_of_its_payment() -> None:
    gateway, http = opened(answer(refund()))
    by_id = gateway.fetch_refund(RefundNames(reference=REFUND_REFERENCE, gateway_reference="re_docA1"))
    assert paths(http) == ["GET /v1/refunds/re_docA1"]
    gateway, http = opened(listing(refund(id="re_other", metadata={}), refund()))
    found = gateway.fetch_refund(RefundNames(reference=REFUND_REFERENCE, payment=names("pi_docA1")))
    assert http.sent[0].url == f"{API}/v1/refunds?payment_intent=pi_docA1&limit=100"
    assert by_id == found
    gateway, _ = opened(answer(EMPTY))
    lost = gateway.fetch_refund(RefundNames(reference=REFUND_REFERENCE, payment=names("pi_docA1")))
    assert isinstance(lost, NotFound)
    gateway, _ = opened(NO_SUCH)
    gone = gateway.fetch_refund(RefundNames(reference=REFUND_REFERENCE, gateway_reference="re_docA1"))
    assert isinstance(gone, NotFound)


# --- the error table ----------------------------------------------------------------------------------------------

WRITE_READ: list[tuple[str, Answer, type[GatewayError], type[GatewayError]]] = [
    ("400", error(400, type="invalid_request_error", message="bad"), RequestRejected, RequestRejected),
    ("unknown parameter", error(400, code="parameter_unknown", message="x"), RequestRejected, RequestRejected),
    ("idempotency", error(400, type="idempotency_error", message="x"), RequestRejected, RequestRejected),
    ("old rate limit", error(400, code="rate_limit", message="x"), GatewayUnavailable, GatewayUnavailable),
    ("401", error(401, type="invalid_request_error", message="x"), GatewayMisconfigured, GatewayMisconfigured),
    ("403", error(403, type="invalid_request_error", message="x"), GatewayMisconfigured, GatewayMisconfigured),
    ("key expired", error(400, code="api_key_expired"), GatewayMisconfigured, GatewayMisconfigured),
    ("test only", error(400, code="testmode_charges_only"), GatewayMisconfigured, GatewayMisconfigured),
    ("mode", error(400, code="livemode_mismatch"), GatewayMisconfigured, GatewayMisconfigured),
    ("409", error(409, code="idempotency_key_in_use"), OutcomeUnknown, GatewayUnavailable),
    ("424", error(424, type="api_error"), OutcomeUnknown, GatewayUnavailable),
    ("429", error(429), GatewayUnavailable, GatewayUnavailable),
    ("429 page", answer(text=b"slow down", status=429), GatewayUnavailable, GatewayUnavailable),
    ("lock timeout", error(400, code="lock_timeout"), GatewayUnavailable, GatewayUnavailable),
    ("500", error(500, type="api_error"), OutcomeUnknown, GatewayUnavailable),
    ("502 page", answer(text=b"<html>502</html>", status=502), OutcomeUnknown, GatewayUnavailable),
    ("404 text", answer(text=b"404: Not Found", status=404), OutcomeUnknown, GatewayUnavailable),
    ("redirect", answer(text=b"", status=302), OutcomeUnknown, GatewayUnavailable),
    ("200 page", answer(text=b"<html>", status=200), OutcomeUnknown, GatewayUnavailable),
    ("200 of another kind", answer({"id": "cus_1", "object": "customer"}), OutcomeUnknown, GatewayUnavailable),
    ("200 without an id", answer({"object": "payment_intent"}), OutcomeUnknown, GatewayUnavailable),
    ("NaN", answer(text=b'{"object":"payment_intent","id":"pi_1","amount":NaN}'), OutcomeUnknown, GatewayUnavailable),
    ("no answer", NoAnswer("ReadTimeout"), OutcomeUnknown, GatewayUnavailable),
    ("not sent", NotSent("ConnectError"), GatewayUnavailable, GatewayUnavailable),
]


@pytest.mark.parametrize(
    ("bad", "on_write", "on_read"), [row[1:] for row in WRITE_READ], ids=[row[0] for row in WRITE_READ]
)
def test_every_row_of_the_error_table(bad: Answer, on_write: type[GatewayError], on_read: type[GatewayError]) -> None:
    gateway, _ = opened(bad)
    with pytest.raises(GatewayError) as written:
        gateway.capture(CaptureRequest(names=names("pi_docA1"), amount=TOTAL, idempotency_key="c-1"))
    gateway, _ = opened(bad)
    with pytest.raises(GatewayError) as read:
        gateway.fetch_payment(names("pi_docA1"))
    assert (type(written.value), type(read.value)) == (on_write, on_read)


def test_not_found_is_an_answer_to_a_question_and_a_refusal_of_an_order() -> None:
    gateway, _ = opened(NO_SUCH)
    assert isinstance(gateway.fetch_payment(names("pi_docA1")), NotFound)
    gateway, _ = opened(NO_SUCH)
    with pytest.raises(RequestRejected) as caught:
        gateway.capture(CaptureRequest(names=names("pi_docA1"), amount=TOTAL, idempotency_key="c-1"))
    assert (caught.value.code, caught.value.http_status) == ("resource_missing", 404)


@pytest.mark.parametrize("status", [402, 400])
def test_a_declined_capture_is_a_result(status: int) -> None:
    body = {"type": "card_error", "code": "card_declined", "decline_code": "lost_card", "message": "No.",
            "payment_intent": intent(last_payment_error=declined(decline_code="lost_card"))}  # fmt: skip
    gateway, _ = opened(error(status, **body))
    report = gateway.capture(CaptureRequest(names=names("pi_docA1"), amount=TOTAL, idempotency_key="c-1"))
    assert report.status is PaymentStatus.FAILED
    assert (report.decline.code, report.decline.gateway_code) == ("declined", "lost_card")


def test_a_declined_refund_is_a_refusal() -> None:
    gateway, _ = opened(error(402, type="card_error", code="card_declined", message="No."))
    with pytest.raises(RequestRejected):
        gateway.refund(refund_request())


@pytest.mark.parametrize(
    ("status", "header", "kind"),
    [
        (400, "true", GatewayUnavailable),
        (400, "false", RequestRejected),
        (429, "false", RequestRejected),
        (429, "true", GatewayUnavailable),
        (500, "false", OutcomeUnknown),
        (409, "true", OutcomeUnknown),
    ],
)
def test_stripe_should_retry_overrides_the_table_where_no_money_can_have_moved(
    status: int, header: str, kind: type[GatewayError]
) -> None:
    gateway, _ = opened(error(status, {"Stripe-Should-Retry": header}, type="invalid_request_error"))
    with pytest.raises(GatewayError) as caught:
        gateway.capture(CaptureRequest(names=names("pi_docA1"), amount=TOTAL, idempotency_key="c-1"))
    assert type(caught.value) is kind


def test_an_error_carries_request_id_code_and_pause() -> None:
    headers = {"Request-Id": "req_77", "Retry-After": "3"}
    gateway, _ = opened(error(429, headers, code="lock_timeout"))
    with pytest.raises(GatewayUnavailable) as caught:
        gateway.fetch_payment(names("pi_docA1"))
    told = caught.value
    assert (told.request_id, told.gateway_code, told.retry_after_seconds, told.http_status) == (
        "req_77", "lock_timeout", 3.0, 429)  # fmt: skip


@pytest.mark.parametrize("text", ["Fri, 20 Nov 2026 12:00:00 GMT", "-1", "1e9", "", "٣"])
def test_a_pause_that_is_no_number_of_seconds_is_no_pause(text: str) -> None:
    gateway, _ = opened(error(429, {"Retry-After": text}))
    with pytest.raises(GatewayUnavailable) as caught:
        gateway.fetch_payment(names("pi_docA1"))
    assert caught.value.retry_after_seconds is None


def test_a_session_without_a_page_is_an_unknown_outcome() -> None:
    gateway, _ = opened(answer(session(url=None)))
    with pytest.raises(OutcomeUnknown):
        gateway.initiate(CASE.payment_request())


def test_an_intent_without_a_client_secret_is_an_unknown_outcome() -> None:
    gateway, _ = opened(answer(intent(client_secret=None)))
    with pytest.raises(OutcomeUnknown):
        gateway.initiate(CASE.payment_request(presentation=Presentation.EMBEDDED))


# --- credentials --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "ok", "mode"),
    [
        (answer(load("balance")), True, Mode.TEST),
        (answer({**load("balance"), "livemode": True}), False, Mode.LIVE),
        (error(401, type="invalid_request_error"), False, None),
        (error(403, type="invalid_request_error"), True, None),
        (NO_SUCH, True, None),
        (error(400, code="api_key_expired"), False, None),
    ],
    ids=["good", "other mode", "401", "403", "404", "expired"],
)
def test_the_connection_test_says_whether_the_key_is_genuine(reply: HttpResponse, ok: bool, mode: Mode | None) -> None:
    gateway, http = opened(reply)
    found = gateway.check_credentials()
    assert (found.ok, found.mode) == (ok, mode)
    assert paths(http) == ["GET /v1/balance"]


@pytest.mark.parametrize("reply", [error(500), error(429), NoAnswer("x"), NotSent("x"), answer(text=b"<html>")])
def test_the_connection_test_raises_only_unavailable(reply: Answer) -> None:
    gateway, _ = opened(reply)
    with pytest.raises(GatewayUnavailable):
        gateway.check_credentials()


def test_a_missing_key_is_told_when_it_is_needed_and_webhooks_go_on() -> None:
    gateway, http = opened(credentials={"webhook_secret": "whsec_0123456789"})
    assert gateway.check_credentials().ok is False
    with pytest.raises(GatewayMisconfigured):
        gateway.fetch_payment(names("pi_docA1"))
    assert http.sent == []


@pytest.mark.parametrize(
    "credentials",
    [
        {"secret_key": "pk_test_1"},
        {"secret_key": "sk_live_1"},
        {"secret_key": "sk_test_"},
        {"secret_key": "sk_test_a b"},
        {"secret_key": "sk_test_a\r\nX: y"},
        {"secret_key": 7},
        {"secret_key": "sk_test_1", "publishable_key": "pk_live_1"},
        {"secret_key": "sk_test_1", "publishable_key": "sk_test_1"},
        {"secret_key": "sk_test_1", "account_id": "cus_1"},
        {"secret_key": "sk_test_1", "webhook_secret": b"bytes-are-not-text"},
        {"secret_key": "sk_test_1", "previous_webhook_secrets": "one"},
    ],
)
def test_a_credential_of_the_wrong_shape_is_refused_without_being_told(credentials: dict[str, Any]) -> None:
    with pytest.raises(GatewayMisconfigured) as caught:
        CASE.open(credentials=credentials)
    assert not any(str(value) in str(caught.value) for value in credentials.values() if value != "one")


def test_restricted_keys_and_pasted_spaces_are_fine() -> None:
    gateway, http = opened(answer(load("balance")), credentials={"secret_key": " rk_test_9z \n"})
    assert gateway.check_credentials().ok is True
    assert http.sent[0].headers["Authorization"] == "Bearer rk_test_9z"


@pytest.mark.parametrize(
    "secret", ["", "  ", "short", "changeme", "whsec_...", "xxxxxxxxxxxx", "whsec_********", "\ud800" * 9, 7]
)
def test_a_filler_is_no_webhook_secret(secret: Any) -> None:
    assert config.is_usable_secret(secret) is False


@pytest.mark.parametrize("secret", ["whsec_doc_NEW_b2f1", "plain text of a forwarder", "12345678"])
def test_any_other_text_of_eight_characters_is(secret: str) -> None:
    assert config.is_usable_secret(secret) is True


# --- returns and the process --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "reference"),
    [
        ("session_id=cs_test_docA1", "cs_test_docA1"),
        (
            "payment_intent=pi_docA1&payment_intent_client_secret=pi_docA1_secret_zZ9&redirect_status=succeeded",
            "pi_docA1",
        ),
        ("session_id=%7BCHECKOUT_SESSION_ID%7D", None),
        ("session_id=../../v1/refunds", None),
        ("payment_intent=cs_test_docA1", None),
        ("redirect_status=succeeded", None),
        ("", None),
    ],
)
def test_a_browser_return_only_names_what_to_fetch(query: str, reference: str | None) -> None:
    back = WebhookDelivery(method="GET", url=f"https://pay.example.com/return?{query}", headers={}, body=b"")
    gateway, http = opened()
    reading = gateway.read_return(back)
    assert reading.verified is None
    assert [one.gateway_reference for one in reading.reports] == ([reference] if reference else [])
    assert all(one.is_hint and one.status is None and one.captured_minor is None for one in reading.reports)
    assert "zZ9" not in repr(reading) + repr([one.raw for one in reading.reports])
    assert http.sent == []


def test_reports_of_answers_have_no_time_of_their_own() -> None:
    gateway, _ = opened(answer(intent(**PAID)))
    report = gateway.fetch_payment(names("pi_docA1"))
    assert isinstance(report, Report)
    assert report.occurred_at is None
    assert datetime(2026, 11, 20, 12, tzinfo=UTC) == NOW


def test_the_sdk_writes_no_file_and_reads_no_global_key(tmp_path: Path) -> None:
    script = (
        "from tests.clients.stripe.case import CASE; import stripe\n"
        "assert CASE.run(CASE.initiate()).reference\n"
        "assert stripe.api_key is None and stripe.enable_telemetry is False\n"
    )
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, cwd=ROOT)
    assert list(tmp_path.rglob("*")) == []
