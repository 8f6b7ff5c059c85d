from __future__ import annotations

import gzip
import json

import pytest
from django.test import Client

from core import labs
from core.api import parsers
from core.api.authentication import find_api_key
from core.models import ApiKey, Customer

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.core.urls")]


def told(response) -> dict:
    assert response["Content-Type"] == "application/problem+json"
    body = json.loads(response.content)
    assert body["status"] == response.status_code
    return body


class TestWhoIsAsking:
    def test_a_valid_key_gets_in(self, lab, call_as):
        assert call_as(lab)("GET", "/v1/customers").status_code == 200

    @pytest.mark.parametrize(
        "header",
        [None, "", "Bearer", "Bearer ", "Basic abc", "pw_live_0", "Bearer pw_live_" + "0" * 40, "Bearer x y",
         "Bearer pw_live_" + "0" * 39, "Bearer \u00e9"],
    )  # fmt: skip
    def test_anything_else_is_401(self, lab, header):
        response = Client().get("/v1/customers", headers={} if header is None else {"Authorization": header})
        assert told(response)["code"] == "not_authenticated"
        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")

    def test_revoked_expired_and_switched_off_sound_like_unknown(self, lab):
        made = labs.create_api_key(lab=lab, mode="live", name="x", scopes=["payments:read"], actor="test")
        rows = ApiKey.objects.for_lab(lab)
        assert find_api_key(made.text).lab_id == lab.pk
        for change, back in (
            ({"revoked_at": "2026-01-01T00:00:00Z"}, {"revoked_at": None}),
            ({"expires_at": "2026-01-01T00:00:00Z"}, {"expires_at": "2999-01-01T00:00:00Z"}),
        ):
            rows.update(**change)
            assert find_api_key(made.text) is None
            rows.update(**back)
            assert find_api_key(made.text) is not None
        type(lab).objects.filter(pk=lab.pk).update(is_active=False)
        assert find_api_key(made.text) is None

    def test_the_key_says_lab_mode_and_scopes(self, lab):
        made = labs.create_api_key(lab=lab, mode="test", name="x", scopes=["payments:read", "keys:write"], actor="test")
        found = find_api_key(made.text)
        assert (found.key_id, found.lab_id, found.mode) == (made.key.pk, lab.pk, "test")
        assert found.scopes == {"payments:read", "keys:write"}
        assert (found.lab_name, found.return_origins) == ("Acme", ("https://shop.example",))

    def test_it_costs_one_statement(self, lab, django_assert_num_queries):
        made = labs.create_api_key(lab=lab, mode="live", name="x", scopes=["payments:read"], actor="test")
        find_api_key(made.text)
        with django_assert_num_queries(1):
            find_api_key(made.text)

    def test_what_cannot_be_a_key_costs_none(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert find_api_key("sk_live_1") is None

    def test_a_session_is_no_credential(self, admin_client):
        assert admin_client.get("/v1/customers").status_code == 401


class TestScopes:
    def test_a_key_without_the_scope_is_403_and_hears_which(self, lab, call_as):
        response = call_as(lab, scopes=["payments:read"])("POST", "/v1/customers", json.dumps({}))
        assert response.status_code == 403
        assert told(response)["code"] == "scope_missing"
        assert told(response)["detail"] == "This API key lacks the scope payments:write; use a key that has it."

    def test_a_view_that_names_no_scope_is_closed(self, lab, call_as):
        assert call_as(lab)("GET", "/v1/closed").status_code == 403

    def test_a_method_that_does_not_exist_is_405(self, lab, call_as):
        response = call_as(lab)("DELETE", "/v1/customers")
        assert (response.status_code, told(response)["code"]) == (405, "method_not_allowed")
        assert response["Allow"] == "GET, POST, HEAD, OPTIONS"

    def test_scopes_are_checked_before_the_body_is_read(self, lab, call_as):
        assert call_as(lab, scopes=["payments:read"])("POST", "/v1/customers", "{{{").status_code == 403


class TestTenancy:
    def test_anothers_object_and_a_missing_one_are_the_same_bytes(self, lab, other_lab, call_as):
        Customer.objects.create(lab=other_lab, external_id="theirs")
        Customer.objects.create(lab=lab, external_id="ours", name="Mira")
        call = call_as(lab)
        theirs, missing = call("GET", "/v1/customers/theirs"), call("GET", "/v1/customers/nobody")
        assert (theirs.status_code, theirs.content) == (404, missing.content)
        assert {k: v for k, v in theirs.items() if k != "X-Request-Id"} == {
            k: v for k, v in missing.items() if k != "X-Request-Id"
        }
        assert call("GET", "/v1/customers/ours").json() == {"name": "Mira"}

    def test_the_lab_never_comes_from_the_request(self, lab, other_lab, call_as):
        Customer.objects.create(lab=other_lab, external_id="theirs")
        response = call_as(lab)("GET", f"/v1/customers?lab={other_lab.pk}", headers={"X-Lab": str(other_lab.pk)})
        assert response.json() == {"data": [], "has_more": False, "next_cursor": None}


class TestBodies:
    def good(self) -> dict:
        return {"amount": 49900, "currency": "INR"}

    def test_good_input_is_taken(self, lab, call_as):
        response = call_as(lab)("POST", "/v1/customers", json.dumps({**self.good(), "metadata": {"a": "b"}, "x": 1}))
        assert (response.status_code, response.json()) == (
            201, {"amount": 49900, "currency": "INR", "note": "", "metadata": {"a": "b"}},
        )  # fmt: skip

    @pytest.mark.parametrize(
        "body",
        ["{", "", "[]", "1", '"x"', "null", '{"amount": NaN}', '{"amount": Infinity}', '{"amount": 1, "amount": 2}',
         b'{"note": "\xff"}', "[" * 100_000, '{"amount": ' + "9" * 5000 + "}"],
        ids=lambda body: repr(body[:20]),
    )  # fmt: skip
    def test_what_is_no_json_object_is_400(self, lab, call_as, body):
        response = call_as(lab)("POST", "/v1/customers", body)
        problem = told(response)
        assert response.status_code == 400
        # No body at all is an empty object: then the fields are missing.
        assert problem["code"] == ("invalid_json" if body else "validation_failed")

    def test_a_float_is_no_amount(self, lab, call_as):
        problem = told(call_as(lab)("POST", "/v1/customers", '{"amount": 499.0, "currency": "INR"}'))
        assert (problem["status"], problem["code"], problem["errors"][0]["field"]) == (400, "invalid_amount", "amount")

    @pytest.mark.parametrize(
        "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    )
    def test_another_type_is_415(self, lab, call_as, content_type):
        response = call_as(lab)("POST", "/v1/customers", json.dumps(self.good()), content_type=content_type)
        assert (response.status_code, told(response)["code"]) == (415, "unsupported_media_type")

    def test_an_encoded_body_is_415(self, lab, call_as):
        body = gzip.compress(json.dumps(self.good()).encode())
        response = call_as(lab)("POST", "/v1/customers", body, headers={"Content-Encoding": "gzip"})
        assert response.status_code == 415

    def test_a_body_of_256_kib_is_read_and_one_byte_more_is_413(self, lab, call_as):
        body = json.dumps(self.good())
        full = body + " " * (parsers.MAX_BYTES - len(body))
        assert call_as(lab)("POST", "/v1/customers", full).status_code == 201
        response = call_as(lab)("POST", "/v1/customers", full + " ")
        assert (response.status_code, told(response)["code"]) == (413, "too_large")

    def test_a_card_number_is_refused_and_not_repeated(self, lab, call_as):
        response = call_as(lab)("POST", "/v1/customers", json.dumps({**self.good(), "note": "4242 4242 4242 4242"}))
        assert (response.status_code, told(response)["code"]) == (400, "card_number_refused")
        assert b"4242" not in response.content


class TestProblems:
    def test_a_domain_error_says_everything_it_knows(self, lab, call_as):
        response = call_as(lab)("GET", "/v1/raise/taken", headers={"X-Request-Id": "caller-17"})
        assert told(response) == {
            "payment": "PAY_1",
            "type": "about:blank",
            "title": "Conflict",
            "status": 409,
            "detail": "That seat is taken.",
            "code": "seat_taken",
            "retryable": True,
            "request_id": "caller-17",
        }
        assert (response["Retry-After"], response["X-Request-Id"]) == ("7", "caller-17")

    @pytest.mark.parametrize(
        ("name", "status", "code", "retryable"),
        [
            ("missing", 404, "not_found", False), ("bug", 500, "internal_error", True), ("gone", 503, "unavailable", True),
            ("rejected", 422, "gateway_rejected", False), ("unknown", 504, "outcome_unknown", True),
            ("serializer", 400, "validation_failed", False),
        ],
    )  # fmt: skip
    def test_every_error_is_a_problem_without_details_of_ours(self, lab, call_as, name, status, code, retryable):
        response = call_as(lab)("GET", f"/v1/raise/{name}")
        problem = told(response)
        assert (response.status_code, problem["code"], problem["retryable"]) == (status, code, retryable)
        assert b"secret detail" not in response.content
        assert ("request_id" in problem) == (status != 404)
        assert response["X-Request-Id"].startswith("req_")

    def test_fields_of_serializers_are_listed(self, lab, call_as):
        problem = told(call_as(lab)("GET", "/v1/raise/serializer"))
        assert [(e["field"], e["code"]) for e in problem["errors"]] == [("word", "max_length")]

    def test_a_database_that_is_gone_says_when_to_come_back(self, lab, call_as):
        assert call_as(lab)("GET", "/v1/raise/gone")["Retry-After"] == "2"

    @pytest.mark.parametrize("debug", [False, True])
    def test_djangos_own_pages_are_problems_on_the_apis_paths(self, settings, debug):
        settings.DEBUG = debug
        client = Client(raise_request_exception=False)
        assert told(client.get("/v1/nowhere"))["code"] == "not_found"
        assert told(client.get("/payments/nowhere"))["code"] == "not_found"
        bug = client.get("/v1/plain-bug")
        assert (bug.status_code, told(bug)["code"]) == (500, "internal_error")
        assert b"secret detail" not in bug.content
        refused = client.get("/v1/plain-post")
        assert (told(refused)["code"], refused["Allow"]) == ("method_not_allowed", "POST")

    def test_other_paths_and_webhooks_are_left_alone(self):
        assert Client().get("/payments/webhook/plain-post").content == b""
        assert Client().get("/elsewhere")["Content-Type"].startswith("text/html")

    @pytest.mark.parametrize("given", ["short", "x" * 65, "a b c d e f", "evil\nline-of-log", "é" * 9])
    def test_a_request_id_that_is_no_harmless_text_is_replaced(self, given):
        response = Client().get("/healthz", headers={"X-Request-Id": given})
        assert response["X-Request-Id"].startswith("req_")


class TestLists:
    def test_pages_go_from_new_to_old_without_gap_or_repeat(self, lab, call_as):
        for number in range(5):
            Customer.objects.create(lab=lab, name=f"c{number}")
        call, seen, path = call_as(lab), [], "/v1/customers?limit=2"
        while True:
            page = call("GET", path).json()
            seen += [[row["name"] for row in page["data"]]]
            if not page["has_more"]:
                assert page["next_cursor"] is None
                break
            assert len(page["next_cursor"]) == 22
            path = f"/v1/customers?limit=2&cursor={page['next_cursor']}"
            Customer.objects.create(lab=lab, name="newer")  # does not shift what follows
        assert seen == [["c4", "c3"], ["c2", "c1"], ["c0"]]

    def test_a_page_that_ends_exactly_has_no_more(self, lab, call_as):
        Customer.objects.create(lab=lab, name="one")
        assert call_as(lab)("GET", "/v1/customers?limit=1").json() == {
            "data": [{"name": "one"}], "has_more": False, "next_cursor": None,
        }  # fmt: skip

    @pytest.mark.parametrize("limit", ["0", "101", "-1", "x", "1.0", "٣", "1000"])
    def test_a_limit_out_of_range_is_refused(self, lab, call_as, limit):
        problem = told(call_as(lab)("GET", f"/v1/customers?limit={limit}"))
        assert (problem["status"], problem["code"], problem["errors"][0]["field"]) == (400, "out_of_range", "limit")

    @pytest.mark.parametrize("cursor", ["x", "1", "A" * 22, "A" * 21, "=" * 22, "é" * 22, "A" * 44])
    def test_an_invented_cursor_is_refused(self, lab, call_as, cursor):
        problem = told(call_as(lab)("GET", f"/v1/customers?cursor={cursor}"))
        assert (problem["status"], problem["code"]) == (400, "invalid_cursor")

    def test_a_cursor_of_another_lab_is_refused(self, lab, other_lab, call_as):
        for _ in range(2):
            Customer.objects.create(lab=other_lab)
        cursor = call_as(other_lab)("GET", "/v1/customers?limit=1").json()["next_cursor"]
        assert told(call_as(lab)("GET", f"/v1/customers?cursor={cursor}"))["code"] == "invalid_cursor"


def test_last_used_and_limits_cost_no_statement(lab, call_as, django_assert_num_queries):
    call = call_as(lab)
    call("GET", "/v1/customers")
    with django_assert_num_queries(2):  # who asks, and the list
        call("GET", "/v1/customers")
