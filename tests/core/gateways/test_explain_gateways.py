"""`explain` with the real gateway packages, on the worked examples of their protocol references."""

from __future__ import annotations

import json
from typing import Any

from core.gateways.explain.lines import explain_line
from core.gateways.registry import gateway_class

STRIPE = {
    "secret_key": "sk_test_docExample1",
    "publishable_key": "pk_test_docExample1",
    "webhook_secret": "whsec_doc_NEW_b2f1",
    "previous_webhook_secrets": ["whsec_doc_OLD_9c07"],
}
STRIPE_EVENT = (
    '{"id":"evt_doc_0001","object":"event","type":"payment_intent.succeeded","livemode":false,"created":1790000000,'
    '"data":{"object":{"id":"pi_doc_0001","object":"payment_intent","amount":1299,"amount_received":1299,'
    '"currency":"eur","status":"succeeded","metadata":{"payment_id":"pay-42"}}}}'
)
STRIPE_SIGNATURE = (
    "t=1790000000,v1=f9b26fccde098c481a98d88fc58b283239a77b44e4e77b3d0295a0643e34440e"
    ",v1=d0c1de0572d4c861734146e4c56fda9e5db59b85a5610008157ed786e1810d4b"
)
STRIPE_SESSION = (
    '{"id":"cs_test_docA1","object":"checkout.session","mode":"payment","status":"open","payment_status":"unpaid",'
    '"amount_total":1299,"currency":"eur","client_reference_id":"pay-42","payment_intent":null,'
    '"metadata":{"payment_id":"pay-42"},"expires_at":1790086400,"livemode":false,'
    '"url":"https://checkout.stripe.com/c/pay/cs_test_docA1"}'
)
ASKED = {"reference": "pay-42", "amount_minor": 1299, "asset": "EUR"}
NOWPAYMENTS = {"api_key": "ABCDEF1-GHJKLM2-NPQRST3-UVWXYZ4", "ipn_secret": "doc-ipn-secret-A1"}
IPN = (
    '{"payment_id":4101567823,"parent_payment_id":null,"invoice_id":6401112233,"payment_status":"finished",'
    '"pay_address":"TExampleDepositAddressAAAAAAAAAAAA","payin_extra_id":null,"price_amount":49.9,'
    '"price_currency":"usd","pay_amount":49.912345,"actually_paid":49.912345,"actually_paid_at_fiat":49.9,'
    '"pay_currency":"usdttrc20","order_id":"ord-20260114-0007","order_description":"Plan café / 1 mo",'
    '"purchase_id":"5120098877","outcome_amount":0.00051234,"outcome_currency":"btc","payment_extra_ids":null,'
    '"fee":{"currency":"btc","depositFee":0.000061,"withdrawalFee":0,"serviceFee":2.5e-7},"updated_at":1768392000123}'
)
IPN_SIGNATURE = (
    "ac0766dc39d1e4eddd8fad11903e5f583d069c80cd7aa59bf0dc6558c76a718d"
    "768ef46c2667ce9a7b3294fb9b4c5bc376103d40d078a2f0d6fc0ba73ff31fe4"
)
COIN_PAYMENT = (
    '{"payment_id":"4101567823","payment_status":"waiting","pay_address":"TExampleDepositAddressAAAAAAAAAAAA",'
    '"price_amount":49.9,"price_currency":"usd","pay_amount":49.912345,"pay_currency":"usdttrc20",'
    '"order_id":"ord-20260114-0007","payin_extra_id":null,"network":"trx",'
    '"expiration_estimate_date":"2026-01-14T11:40:00.000Z","created_at":"2026-01-14T11:20:00.000Z"}'
)


def explain(**line: Any) -> dict[str, Any]:
    found = explain_line(json.dumps(line), find_gateway=gateway_class)
    for secret in ("sk_test_docExample1", "whsec_doc", "ABCDEF1-GHJKLM2", "doc-ipn-secret"):
        assert secret not in json.dumps(found)
    return found


def stripe(now: int = 1790000300, **line: Any) -> dict[str, Any]:
    return explain(gateway="stripe", config=STRIPE, now=now, **line)


def nowpayments(**line: Any) -> dict[str, Any]:
    return explain(gateway="nowpayments", config=NOWPAYMENTS, **line)


def stripe_delivery(body: str = STRIPE_EVENT) -> dict[str, Any]:
    return {
        "method": "POST",
        "url": "https://pay.example.test/payments/webhook/stripe/x",
        "headers": {"Stripe-Signature": STRIPE_SIGNATURE, "Content-Type": "application/json; charset=utf-8"},
        "body": body,
    }


def test_stripes_worked_signature_is_verified_until_300_seconds_have_passed() -> None:
    found = stripe(delivery=stripe_delivery())
    assert (found["verified"], found["error"], found["event_key"]) == (True, None, "evt_doc_0001")
    assert found["reply"]["status"] == 200
    [report] = found["reports"]
    assert (report["about"], report["status"], report["mode"]) == ("payment", "captured", "test")
    assert (report["reference"], report["gateway_reference"]) == ("pay-42", "pi_doc_0001")
    assert (report["captured_minor"], report["asset"]) == (1299, "EUR")
    assert stripe(now=1790000301, delivery=stripe_delivery())["error"] == "WebhookRejected"


def test_stripes_signature_over_one_more_byte_is_rejected() -> None:
    found = stripe(delivery=stripe_delivery(STRIPE_EVENT + "\n"))
    assert (found["verified"], found["error"], found["reply"]["status"]) == (False, "WebhookRejected", 400)


def test_stripes_session_is_a_redirect_whether_its_request_is_named_or_not() -> None:
    to = {"method": "POST", "url": "https://api.stripe.com/v1/checkout/sessions"}
    named = stripe(answer={"operation": "initiate", "to": to, "status": 200, "body": STRIPE_SESSION}, asked=ASKED)
    [report] = named["reports"]
    assert report["next_action"] == {"type": "redirect", "url": "https://checkout.stripe.com/c/pay/cs_test_docA1"}
    assert (report["gateway_reference"], report["reference"]) == ("cs_test_docA1", "pay-42")
    assert stripe(answer={"operation": "initiate", "status": 200, "body": STRIPE_SESSION}) == named


def test_stripes_intent_is_read_as_the_embedded_way_of_paying() -> None:
    intent = (
        '{"id":"pi_1","object":"payment_intent","amount":1299,"currency":"eur","status":"requires_payment_method",'
        '"client_secret":"pi_1_secret_abc","livemode":false,"metadata":{"payment_id":"pay-42"}}'
    )
    to = {"method": "POST", "url": "https://api.stripe.com/v1/payment_intents"}
    found = stripe(answer={"operation": "initiate", "to": to, "status": 200, "body": intent}, asked=ASKED)
    [report] = found["reports"]
    assert report["next_action"]["type"] == "client_token"
    assert report["next_action"]["token"] == "pi_1_secret_abc"


def test_stripes_requests_are_built_without_its_key() -> None:
    request = stripe(build={"operation": "initiate", **ASKED})["request"]
    assert (request["method"], request["url"]) == ("POST", "https://api.stripe.com/v1/checkout/sessions")
    assert request["headers"]["Authorization"] == "Bearer {secret_key}"
    assert "unit_amount]=1299" in request["body"]
    capture = stripe(build={"operation": "capture", "gateway_reference": "pi_1", "amount_minor": 7, "asset": "EUR"})
    assert capture["request"]["url"] == "https://api.stripe.com/v1/payment_intents/pi_1/capture"
    assert capture["request"]["body"] == "amount_to_capture=7"


def test_nowpayments_worked_signature_is_verified() -> None:
    headers = {"X-NOWPAYMENTS-SIG": IPN_SIGNATURE, "content-type": "application/json"}
    found = nowpayments(delivery={"headers": headers, "body": IPN})
    [report] = found["reports"]
    assert (found["verified"], report["status"], report["captured_minor"]) == (True, "captured", 4990)
    assert (report["asset"], report["attention"]) == ("USD", None)
    assert (report["reference"], report["gateway_reference"]) == ("ord-20260114-0007", "4101567823")
    assert (report["coin"]["code"], report["coin"]["arrived_minor"]) == ("USDTTRC20", 49912345)
    forged = nowpayments(delivery={"headers": {**headers, "X-NOWPAYMENTS-SIG": "0" * 128}, "body": IPN})
    assert (forged["verified"], forged["reports"], forged["reply"]["status"]) == (False, [], 400)


def test_nowpayments_payment_shows_an_address_also_where_nothing_was_told_of_it() -> None:
    found = nowpayments(answer={"operation": "initiate", "status": 201, "body": COIN_PAYMENT})
    [report] = found["reports"]
    assert (report["reference"], report["gateway_reference"]) == ("ord-20260114-0007", "4101567823")
    assert report["next_action"]["type"] == "show_address"
    assert (report["next_action"]["amount"], report["next_action"]["amount_text"]) == (49912345, "49.912345")


def test_nowpayments_requests_are_built_without_its_key_and_need_no_preflight() -> None:
    asked = {"reference": "ord-1", "amount_minor": 4990, "asset": "USD", "pay_currency": "usdttrc20"}
    request = nowpayments(build={"operation": "initiate", **asked})["request"]
    assert (request["method"], request["url"]) == ("POST", "https://api.nowpayments.io/v1/payment")
    assert request["headers"]["x-api-key"] == "{api_key}"
    assert '"price_amount":49.9,' in request["body"]
    sandbox = explain(gateway="nowpayments", mode="test", config=NOWPAYMENTS, build={"operation": "initiate"})
    assert sandbox["request"]["url"] == "https://api-sandbox.nowpayments.io/v1/invoice"


def test_nowpayments_has_no_refund() -> None:
    found = nowpayments(answer={"operation": "refund", "status": 200, "body": "{}"})
    assert (found["error"], found["reason"]) == ("RequestRejected", "nowpayments cannot refund")


PHONEPE = {
    "client_id": "TEST-M00DEMO_25010",
    "client_secret": "0d5b7c1e-4a2f-4c39-8e61-2b90f7a1d3c4",
    "client_version": "1",
}
PHONEPE_V1 = {"merchant_id": "DEMOSHOPUAT", "salt_key": "4f1d2c3b-0a9e-4d8c-b7a6-5e4f3a2b1c0d", "salt_index": "1"}


def test_phonepes_answer_that_repeats_our_name_is_read_where_nothing_was_told_of_it() -> None:
    order = {"merchantOrderId": "inv-1", "orderId": "OMO1", "state": "COMPLETED", "amount": 100}
    refund = {"merchantRefundId": "rf-1", "refundId": "OMR1", "state": "COMPLETED", "amount": 100}
    for operation, body, name in (("fetch_payment", order, "inv-1"), ("fetch_refund", refund, "rf-1")):
        answer = {"operation": operation, "status": 200, "body": json.dumps(body)}
        [report] = explain(gateway="phonepe", mode="test", config=PHONEPE, answer=answer)["reports"]
        assert (report["reference"], report["status"] in {"captured", "succeeded"}) == (name, True)


def phonepe_v1_refund(reference: str, status: int, body: dict[str, Any]) -> dict[str, Any]:
    answer = {"operation": "refund", "status": status, "body": json.dumps(body)}
    return explain(gateway="phonepev1", mode="test", config=PHONEPE_V1, answer=answer, asked={"reference": reference})


def test_the_one_name_told_of_a_refund_is_the_refunds_or_its_payments() -> None:
    body = {"success": True, "code": "PAYMENT_PENDING", "data": {"merchantTransactionId": "rf-1", "amount": 100}}
    for told, payment in (("rf-1", "PAY_EXPLAIN_1"), ("inv-1", "inv-1")):
        [report] = phonepe_v1_refund(told, 200, body)["reports"]
        assert (report["reference"], report["payment"]["reference"], report["status"]) == ("rf-1", payment, "pending")
    assert (
        phonepe_v1_refund("rf-1", 417, {"success": False, "code": "INVALID_TRANSACTION_ID"})["error"]
        == "OutcomeUnknown"
    )
    assert phonepe_v1_refund("rf-1", 400, {"success": False, "code": "BAD_REQUEST"})["error"] == "RequestRejected"
