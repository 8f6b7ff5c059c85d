"""`explain` says what the platform makes of a gateway's words, line by line, and shows no secret while doing so."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from core.gateways.explain.lines import explain_line
from core.gateways.port import Gateway
from tests.core.gateways.toy import ToyGateway, sign

CONFIG = {
    "api_key": "toy_test_a8Kd93jX",
    "account": "18000001",
    "webhook_secret": "hooks-and-eyes-77",
    "previous_webhook_secrets": ["hooks-of-last-week"],
}
MEMBERS = ["verified", "error", "reason", "event_key", "reply", "reports"]
PAID = '{"event":"evt_1","type":"paid","status":"captured","id":"ord_1","ref":"PAY_1","captured":4990}'
NOTHING = {"verified": None, "event_key": None, "reply": None, "reports": []}
ORDER = {"reference": "PAY_1", "amount_minor": 4990, "asset": "INR"}


def find(slug: str) -> type[Gateway]:
    if slug != "toy":
        raise LookupError(f"there is no gateway {slug!r}")
    return ToyGateway


def explain(show_secrets: bool = False, **line: Any) -> dict[str, Any]:
    text = json.dumps({"gateway": "toy", "config": CONFIG, "now": 1790000000, **line})
    return explain_line(text, find_gateway=find, show_secrets=show_secrets)


def delivery(body: str = PAID, secret: str = "hooks-and-eyes-77", **more: Any) -> dict[str, Any]:
    return {"headers": {"X-Toy-Signature": sign(secret, body.encode())}, "body": body, **more}


def answer(operation: str, body: Any, status: int | None = 200, **more: Any) -> dict[str, Any]:
    text = body if isinstance(body, str) else json.dumps(body)
    return {"operation": operation, "status": status, "headers": {}, "body": text, **more}


def report_of(found: dict[str, Any]) -> dict[str, Any]:
    assert found["error"] is None
    [report] = found["reports"]
    assert isinstance(report, dict)
    return report


class TestDelivery:
    def test_a_verified_delivery_tells_its_key_reply_and_reports(self) -> None:
        found = explain(delivery=delivery())
        assert list(found)[:6] == MEMBERS
        assert {name: found[name] for name in MEMBERS[:5]} == {
            "verified": True,
            "error": None,
            "reason": None,
            "event_key": "evt_1",
            "reply": {"status": 200, "body": "TOY-OK"},
        }
        assert found["event_type"] == "paid"
        report = report_of(found)
        assert (report["about"], report["status"], report["reference"]) == ("payment", "captured", "PAY_1")
        assert (report["gateway_reference"], report["captured_minor"]) == ("ord_1", 4990)
        assert report["occurred_at"] == "2026-09-21T14:13:20Z"
        assert report["raw"]["captured"] == 4990

    def test_a_previous_secret_is_passed_through(self) -> None:
        assert explain(delivery=delivery(secret="hooks-of-last-week"))["verified"] is True

    @pytest.mark.parametrize("name", ["x-toy-signature", "X-TOY-SIGNATURE"])
    def test_header_names_may_be_in_any_case(self, name: str) -> None:
        assert explain(delivery={"headers": {name: sign(CONFIG["webhook_secret"], b"{}")}, "body": "{}"})["error"] == (  # type: ignore[arg-type]
            "OutcomeUnknown"  # verified, and then the toy stumbles over an empty event: its bug
        )
        body = PAID.encode()
        assert explain(delivery={"headers": {name: sign("hooks-and-eyes-77", body)}, "body": PAID})["verified"] is True

    def test_a_forged_delivery_gets_the_one_fixed_400(self) -> None:
        assert explain(delivery=delivery(secret="guessed")) == {
            **NOTHING,
            "verified": False,
            "error": "WebhookRejected",
            "reason": "signature does not match the body",
            "reply": {"status": 400, "body": "The delivery is not accepted."},
        }

    def test_without_a_secret_the_answer_is_503(self) -> None:
        found = explain(config={"api_key": "toy_test_a8Kd93jX"}, delivery=delivery())
        assert (found["verified"], found["error"]) == (False, "GatewayMisconfigured")
        assert found["reply"]["status"] == 503

    def test_the_body_is_the_exact_text_in_utf8(self) -> None:
        assert explain(delivery=delivery(PAID.replace("PAY_1", "café ☕")))["reports"][0]["reference"] == "café ☕"
        assert explain(delivery={**delivery(), "body": PAID + "\n"})["verified"] is False

    def test_bytes_that_are_no_utf8_can_be_given(self) -> None:
        body = b'{"event":"evt\xff"}'
        headers = {"x-toy-signature": sign("hooks-and-eyes-77", body)}
        by_base64 = explain(delivery={"headers": headers, "body_base64": base64.b64encode(body).decode()})
        by_escape = explain(delivery={"headers": headers, "body": body.decode("utf-8", "surrogateescape")})
        # Verified (else it were WebhookRejected); the toy then fails to read it, which it may not.
        assert by_base64["error"] == by_escape["error"] == "OutcomeUnknown"

    @pytest.mark.parametrize(
        ("more", "status"),
        [
            ({"method": "GET"}, 405),
            ({"headers": {"Content-Type": "text/html"}}, 415),
            ({"headers": {"Content-Encoding": "gzip"}}, 415),
            ({"body": "x" * (1024 * 1024 + 1)}, 413),
        ],
    )
    def test_what_the_endpoint_refuses_before_reading_is_told(self, more: dict[str, Any], status: int) -> None:
        found = explain(delivery={**delivery(), **more})
        assert (found["verified"], found["error"], found["reply"]["status"]) == (False, "WebhookRejected", status)

    def test_a_bug_of_the_package_is_told_without_its_text(self) -> None:
        found = explain(delivery=delivery('{"bug": true}'))
        assert (found["verified"], found["error"]) == (None, "OutcomeUnknown")
        assert found["reason"] == "the gateway package raised ZeroDivisionError, which is a bug in it"
        assert found["reply"]["status"] == 500


class TestReturn:
    @pytest.mark.parametrize(("query", "verified"), [("ref=PAY_1&sig=good", True), ("ref=PAY_1", None)])
    def test_a_return_tells_what_to_fetch(self, query: str, verified: bool | None) -> None:
        found = explain(**{"return": {"url": f"https://pay.example.test/back?{query}"}})
        assert (found["verified"], found["reply"], found["event_key"]) == (verified, None, None)
        assert (report_of(found)["reference"], report_of(found)["is_hint"]) == ("PAY_1", True)

    def test_a_wrongly_signed_return_is_not_verified(self) -> None:
        found = explain(**{"return": {"method": "GET", "url": "https://pay.example.test/back?ref=PAY_1&sig=bad"}})
        assert (found["verified"], found["error"], found["reports"]) == (False, "WebhookRejected", [])

    def test_a_gateway_that_reads_no_returns_only_makes_us_fetch(self) -> None:
        plain = type("Plain", (Gateway,), {**vars(ToyGateway), "__abstractmethods__": frozenset()})
        line = json.dumps({"gateway": "toy", "config": CONFIG, "return": {"url": "https://a.test/"}})
        found = explain_line(line, find_gateway=lambda slug: plain)
        assert {name: found[name] for name in MEMBERS} == {**NOTHING, "error": None, "reason": None}
        assert found["note"] == "returns of this gateway say nothing: the payment is fetched"


class TestAnswer:
    def test_an_answer_goes_to_the_operations_own_request(self) -> None:
        body = {"status": "requires_action", "id": "ord_1", "ref": "PAY_1", "url": "https://toy.test/pay"}
        found = explain(answer=answer("initiate", body), asked=ORDER)
        assert {name: found[name] for name in ("verified", "event_key", "reply")} == dict.fromkeys(
            ("verified", "event_key", "reply")
        )
        assert report_of(found)["next_action"] == {"type": "redirect", "url": "https://toy.test/pay"}

    def test_an_answer_goes_to_the_request_it_names_host_and_query_apart(self) -> None:
        body = {"status": "requires_action", "id": "ord_1", "ref": "PAY_1", "secret_for_browser": "browser-only"}
        to = {"method": "post", "url": "https://other.host/tokens-for-browsers?x=1"}
        found = explain(answer=answer("initiate", body, to=to), asked=ORDER)
        assert report_of(found)["next_action"]["token"] == "browser-only"

    def test_a_named_request_that_nobody_makes_leaves_it_to_the_operations_own(self) -> None:
        to = {"method": "POST", "url": "https://api.toy.example.test/v9/elsewhere"}
        body = {"status": "requires_action", "id": "ord_1", "ref": "PAY_1", "url": "https://toy.test/pay"}
        assert report_of(explain(answer=answer("initiate", body, to=to), asked=ORDER))["gateway_reference"] == "ord_1"

    def test_a_login_can_be_answered_too(self) -> None:
        to = {"method": "POST", "url": "https://sandbox.toy.example.test/token"}
        found = explain(answer=answer("initiate", "{}", 401, to=to), asked=ORDER)
        assert (found["error"], found["reason"]) == ("GatewayMisconfigured", "the login is refused")

    def test_what_was_asked_is_taken_from_the_answer_where_the_line_does_not_say(self) -> None:
        body = {"status": "requires_action", "id": "ord_1", "ref": "PAY_77", "secret_for_browser": "b"}
        assert report_of(explain(answer=answer("initiate", body)))["reference"] == "PAY_77"
        paid = {"status": "captured", "id": "ord_1", "ref": "PAY_77", "captured": 5}
        to = {"method": "GET", "url": "https://sandbox.toy.example.test/orders/ord_1"}
        assert report_of(explain(answer=answer("fetch_payment", paid, to=to)))["gateway_reference"] == "ord_1"

    def test_an_answer_about_another_payment_than_asked_stays_unknown(self) -> None:
        body = {"status": "requires_action", "id": "ord_1", "ref": "PAY_77", "url": "https://toy.test/pay"}
        found = explain(answer=answer("initiate", body), asked=ORDER)
        assert (found["error"], found["reason"]) == ("OutcomeUnknown", "the answer is about another order")

    def test_errors_are_told_by_class_with_what_is_known(self) -> None:
        found = explain(answer=answer("initiate", "{}", 400), asked=ORDER)
        assert found == {
            **NOTHING,
            "error": "RequestRejected",
            "reason": "the toy refuses",
            "code": "amount_too_small",
            "http_status": 400,
        }

    def test_an_unreadable_answer_is_an_unknown_outcome(self) -> None:
        assert explain(answer=answer("initiate", "<html>", 502), asked=ORDER)["error"] == "OutcomeUnknown"

    def test_an_answer_that_never_came_is_an_unknown_outcome(self) -> None:
        found = explain(answer=answer("initiate", "", None), asked=ORDER)
        assert (found["error"], found["reason"]) == ("OutcomeUnknown", "the toy did not answer")

    def test_not_found_is_no_report_and_a_reason(self) -> None:
        found = explain(answer=answer("fetch_payment", {"none": True}), asked={"gateway_reference": "ord_1"})
        assert found == {**NOTHING, "error": None, "reason": "the gateway does not know this payment"}

    def test_a_refund_is_explained_with_the_payment_it_is_about(self) -> None:
        body = {"status": "pending", "id": "re_1", "ref": "REF_1"}
        asked = {"reference": "REF_1", "payment": {"reference": "PAY_1", "gateway_reference": "ord_1"}}
        report = report_of(explain(answer=answer("refund", body), asked=asked))
        assert (report["about"], report["status"], report["gateway_reference"]) == ("refund", "pending", "re_1")
        assert (report["payment"]["reference"], report["payment"]["gateway_reference"]) == ("PAY_1", "ord_1")
        flat = {"refund_reference": "REF_1", "payment_gateway_reference": "ord_1"}
        assert report_of(explain(answer=answer("fetch_refund", body), asked=flat))["payment"] == {
            **report["payment"],
            "reference": None,
        }

    def test_a_check_of_credentials_tells_what_it_found(self) -> None:
        found = explain(answer=answer("check_credentials", "{}"))
        assert (found["reports"], found["reason"]) == ([], "The key works.")
        assert found["check"] == {
            "ok": True,
            "message": "The key works.",
            "mode": "test",
            "account": None,
            "details": {},
        }

    def test_an_ability_the_gateway_lacks_is_told(self) -> None:
        assert explain(answer=answer("capture", "{}"))["reason"] == "toy cannot capture"
        assert explain(answer=answer("pay_out", "{}"))["reason"] == "toy cannot pay_out"
        assert explain(answer=answer("dance", "{}"))["reason"].startswith("there is no operation 'dance'; known are")

    def test_a_bug_of_the_package_is_told_without_its_text(self) -> None:
        found = explain(answer=answer("fetch_payment", {"id": "ord_1"}), asked={"gateway_reference": "ord_1"})
        assert (found["error"], found["reason"]) == (
            "OutcomeUnknown",
            "the gateway package raised KeyError, which is a bug in it",
        )


class TestBuild:
    def test_the_request_is_shown_with_its_secrets_replaced(self) -> None:
        found = explain(build={"operation": "initiate", **ORDER})
        basic = base64.b64encode(b"18000001:{api_key}").decode()
        assert found == {
            **NOTHING,
            "error": None,
            "reason": None,
            "request": {
                "method": "POST",
                "url": "https://sandbox.toy.example.test/orders",
                "headers": {"authorization": f"Basic {basic}"},
                "body": '{"ref": "PAY_1", "amount": 4990}',
            },
        }

    def test_secrets_are_shown_when_told_to(self) -> None:
        found = explain(show_secrets=True, build={"operation": "initiate", **ORDER})
        basic = base64.b64encode(b"18000001:toy_test_a8Kd93jX").decode()
        assert found["request"]["headers"] == {"authorization": f"Basic {basic}"}

    def test_what_is_asked_may_stand_in_a_member_of_its_own(self) -> None:
        build = {"operation": "initiate", "asked": {"reference": "PAY_9", "amount": "7", "currency": "jpy"}}
        assert explain(build=build)["request"]["body"] == '{"ref": "PAY_9", "amount": 7}'
        assert (
            explain(build={"operation": "initiate"}, asked=ORDER)["request"]["body"]
            == '{"ref": "PAY_1", "amount": 4990}'
        )

    def test_what_is_not_said_has_sensible_defaults(self) -> None:
        assert (
            explain(build={"operation": "initiate"})["request"]["body"] == '{"ref": "PAY_EXPLAIN_1", "amount": 10000}'
        )
        in_yen = explain(build={"operation": "initiate", "asset": "JPY"})
        assert in_yen["request"]["body"] == '{"ref": "PAY_EXPLAIN_1", "amount": 100}'

    def test_a_form_that_the_browser_posts_is_shown_as_a_request(self) -> None:
        found = explain(build={"operation": "initiate", "description": "form", **ORDER})
        assert found["request"] == {
            "method": "POST",
            "url": "https://api.toy.example.test/pay",
            "headers": {"content-type": "application/x-www-form-urlencoded"},
            "body": "ref=PAY_1&key={api_key}&amount=4990",
        }
        assert report_of(found)["next_action"]["fields"]["key"] == "{api_key}"

    def test_a_bug_of_the_package_does_not_show_the_secret_in_its_text(self) -> None:
        found = explain(build={"operation": "initiate", "description": "bug", **ORDER})
        assert found["error"] == "OutcomeUnknown"
        assert "a8Kd93jX" not in json.dumps(found)


class TestLines:
    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b"nonsense", "not well-formed JSON in UTF-8"),
            (b"[]", "the JSON is not an object"),
            (b'{"gateway": "toy", "gateway": "toy"}', "a key appears twice"),
            (b'{"gateway": "toy", "now": NaN}', "NaN is not a number"),
            (b'{"gateway": "\xff"}', "not well-formed JSON in UTF-8"),
            (b"[" * 100_000, "recursion depth"),
            (b'{"delivery": {}}', 'it needs a "gateway"'),
            (b'{"gateway": "toy"}', "it has no delivery, return, answer or build"),
            (b'{"gateway": "toy", "build": {}, "delivery": {}}', "it asks more than one thing"),
            (b'{"gateway": "toy", "build": []}', '"build" is an object'),
            (b'{"gateway": "toy", "build": {}}', '"build" needs an "operation"'),
            (b'{"gateway": "toy", "config": "x", "build": {"operation": "initiate"}}', '"config" is an object'),
            (b'{"gateway": "toy", "mode": "prod", "delivery": {"body": ""}}', '"mode" is "live" or "test"'),
            (b'{"gateway": "toy", "now": "noon", "delivery": {}}', '"now" is a number of unix seconds'),
            (b'{"gateway": "toy", "now": 1e400, "delivery": {}}', '"now" is a number of unix seconds'),
            (b'{"gateway": "toy", "delivery": {"body": {}}}', '"body" is text'),
            (b'{"gateway": "toy", "delivery": {"body_base64": "?"}}', '"body_base64" is not base64'),
            (b'{"gateway": "toy", "delivery": {"headers": []}}', '"headers" is an object'),
            (b'{"gateway": "toy", "answer": {"operation": "initiate"}}', 'an answer needs a "status"'),
            (b'{"gateway": "toy", "answer": {"operation": "initiate", "status": "200"}}', 'needs a "status"'),
            (b'{"gateway": "toy", "build": {"operation": "initiate", "amount_minor": 1.5}}', "whole number"),
            (b'{"gateway": "toy", "build": {"operation": "initiate", "asset": "XXQ"}}', "'XXQ' is not a currency"),
            (b'{"gateway": "toy", "build": {"operation": "initiate", "capture": "later"}}', "'later'"),
            (b'{"gateway": "toy", "build": {"operation": "initiate", "customer": {"shoe": "9"}}}', '"customer" has'),
            (b'{"gateway": "toy", "build": {"operation": "initiate", "expires_at": "soon"}}', '"expires_at" is a time'),
        ],
    )
    def test_a_line_that_is_not_understood_says_why(self, line: bytes, reason: str) -> None:
        found = explain_line(line, find_gateway=find)
        assert {name: found[name] for name in MEMBERS if name != "reason"} == {**NOTHING, "error": "RequestRejected"}
        assert found["reason"].startswith("the line is not understood: ")
        assert reason in found["reason"]

    def test_an_unknown_gateway_is_told(self) -> None:
        found = explain(gateway="nope", build={"operation": "initiate"})
        assert (found["error"], found["reason"]) == ("RequestRejected", "there is no gateway 'nope'")

    def test_wrong_credentials_are_told(self) -> None:
        found = explain(config={"api_key": 7}, build={"operation": "initiate"})
        assert (found["error"], found["reason"]) == ("GatewayMisconfigured", "the API key is text")

    @pytest.mark.parametrize(
        ("line", "host"),
        [
            ({}, "https://sandbox.toy.example.test"),
            ({"mode": "live"}, "https://api.toy.example.test"),
            ({"config": {"api_key": "toy_live_a8Kd93jX"}}, "https://api.toy.example.test"),
            ({"config": {"api_key": "toy_live_a8Kd93jX"}, "mode": "test"}, "https://sandbox.toy.example.test"),
            ({"config": {}}, "https://api.toy.example.test"),
        ],
    )
    def test_the_mode_is_said_or_shown_by_the_credentials_or_live(self, line: dict[str, Any], host: str) -> None:
        found = explain(**line, build={"operation": "initiate", **ORDER})
        assert found["request"]["url"] == f"{host}/orders"

    def test_no_secret_of_the_config_comes_out(self) -> None:
        body = json.dumps({**json.loads(PAID), "note": "hooks-and-eyes-77", "ref": "toy_test_a8Kd93jX", "n": CONFIG})
        found = json.dumps(explain(delivery=delivery(body)))
        assert "{webhook_secret}" in found
        for secret in ("toy_test_a8Kd93jX", "hooks-and-eyes-77", "hooks-of-last-week"):
            assert secret not in found

    @pytest.mark.parametrize("depth", [20, 300, 800, 960])
    def test_a_deeply_nested_body_is_cut_and_never_stops_the_lines(self, depth: int) -> None:
        body = PAID[:-1] + ',"deep":' + "[" * depth + "]" * depth + "}"
        found = explain(delivery=delivery(body))
        assert found["error"] in (None, "OutcomeUnknown")  # deeper than Python reads: the toy's bug, told as one
        assert depth > 300 or "[cut]" in json.dumps(report_of(found)["raw"])

    def test_what_would_not_be_stored_is_not_shown_in_raw(self) -> None:
        body = json.dumps(
            {**json.loads(PAID), "client_secret": "abc", "email": "ada@example.com", "c": "4242424242424242"}
        )
        raw = report_of(explain(delivery=delivery(body)))["raw"]
        assert (raw["client_secret"], raw["email"], raw["c"]) == ("[redacted]", "a***@example.com", "[card number]")
