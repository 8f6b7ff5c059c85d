"""The OpenAPI document: complete, valid, true. Its page needs nobody else's script. Then schemathesis tries what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from django.test import Client
from django.urls import URLPattern, get_resolver
from hypothesis import HealthCheck, Phase, settings
from hypothesis import given as given_cases
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.gateways.testing import answer
from core.http import NoAnswer, NotSent
from core.models import Scope
from payments.api.openapi import document
from tests.payments.api.conftest import Caller, coin_routes
from tests.payments.api.contract import JSON, PROBLEM, faults
from tests.payments.api.objects import disputed, saved
from tests.payments.shop import (
    CRYPTO_ORDER,
    Shop,
    Wire,
    complete,
    held,
    intent,
    made,
    paid,
    session,
    stripe_error,
    stripe_refund,
)

METHODS = ("get", "post", "put", "patch", "delete")


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document()["paths"].items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def media() -> Iterator[Any]:
    """Every body of the document, by name: its schema and its examples."""
    for path, method, operation in operations():
        bodies = {"request": operation.get("requestBody", {}), **operation["responses"]}
        for name, body in bodies.items():
            for kind, told in body.get("content", {}).items():
                if kind != "*/*":
                    yield pytest.param(told, id=f"{method} {path} {name}")


class TestTheDocument:
    def test_it_is_valid_and_made_without_a_warning(self, tmp_path: Any) -> None:
        call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "openapi.yml"))

    @pytest.mark.parametrize("told", list(media()))
    def test_every_body_has_examples_and_each_is_as_its_schema_says(self, told: dict[str, Any]) -> None:
        assert told["examples"]
        for example in told["examples"].values():
            assert faults(told["schema"], example["value"]) == []

    def test_every_address_of_the_api_is_in_it(self) -> None:
        addresses = set()
        for pattern in get_resolver().url_patterns:
            for one in getattr(pattern, "url_patterns", [pattern]):
                route = str(one.pattern) if isinstance(one, URLPattern) else ""
                if route.startswith(("v1/", "payments/")):
                    addresses.add("/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route))
        assert addresses == set(document()["paths"])

    def test_every_endpoint_says_who_may_and_what_can_go_wrong(self) -> None:
        for path, method, operation in operations():
            if path.startswith("/payments/webhook"):
                continue
            (scope,) = re.findall(r"Scope: `([a-z:]+)`", operation["description"])
            assert scope in Scope.values
            assert operation["security"] == [{"apiKey": []}]
            assert {"400", "401", "403", "429", "503"} <= set(operation["responses"]), (path, method)
            for status, response in operation["responses"].items():
                assert list(response["content"]) == [JSON if status.startswith("2") else PROBLEM], (
                    path,
                    method,
                    status,
                )

    @pytest.mark.django_db
    def test_the_documented_scopes_are_those_that_views_ask_for(self, shop: Shop, caller: Caller) -> None:
        for path, method, operation in operations():
            if path.startswith("/payments/webhook"):
                continue
            (scope,) = re.findall(r"Scope: `([a-z:]+)`", operation["description"])
            others = [one for one in Scope.values if one != scope]
            headers = {"Authorization": f"Bearer {caller.token(*others)}"}
            response = shop.client.generic(method.upper(), re.sub(r"\{\w+\}", "x", path), headers=headers)
            problem = caller.refused(response, 403, "scope_missing")
            assert scope in problem["detail"], (path, method)

    def test_what_needs_an_idempotency_key_says_so(self) -> None:
        needs = {
            (path, method)
            for path, method, operation in operations()
            if any(one["name"] == "Idempotency-Key" and one["required"] for one in operation.get("parameters", []))
        }
        assert needs == {
            ("/payments/initiate", "post"), ("/payments/refund", "post"), ("/v1/payments/{public_id}/capture", "post"),
            ("/v1/payments/{public_id}/void", "post"), ("/v1/links", "post"), ("/v1/gateway-keys", "post"), ("/v1/profiles", "post"), ("/v1/routing-rules", "post"),
        }  # fmt: skip

    def test_names_of_operations_are_unique(self) -> None:
        names = [operation["operationId"] for _, _, operation in operations()]
        assert len(names) == len(set(names)) == 42


class TestServing:
    def test_everybody_may_read_it_and_it_says_when_it_did_not_change(self) -> None:
        response = Client().get("/openapi.json")
        assert (response.status_code, response["Content-Type"]) == (200, "application/json")
        assert response.json() == json.loads(json.dumps(document()))
        again = Client().get("/openapi.json", headers={"If-None-Match": response["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert Client().post("/openapi.json").status_code == 405

    def test_the_page_loads_nothing_from_anybody_else_and_runs_no_inline_script(self) -> None:
        response = Client().get("/docs")
        page = response.content.decode()
        addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert len(addresses) >= 4 and all(address.startswith(("/static/", "/docs?")) for address in addresses)
        assert re.findall(r"<script(?![^>]*src=)", page) == []
        policy = response["Content-Security-Policy"]
        assert "script-src 'self'" in policy and "unsafe-eval" not in policy
        scripts = next(part for part in policy.split(";") if "script-src" in part)
        assert "unsafe-inline" not in scripts
        for address in addresses:
            assert Client().get(address).status_code == 200, address
        script = Client().get(next(one for one in addresses if one.startswith("/docs?")))
        assert (script["Content-Type"].split(";")[0], "/openapi.json" in script.content.decode()) == (
            "application/javascript", True
        )  # fmt: skip

    def test_its_loosened_styles_stay_on_its_page(self) -> None:
        assert "unsafe-inline" not in Client().get("/openapi.json")["Content-Security-Policy"]


DECLINED = {"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds", "message": "No."}


@pytest.mark.django_db
class TestThePaymentEndpointsAnswerAsDocumented:
    """Those of which other tests say what they do; here, that it looks like what the document says."""

    def order(self, shop: Shop, caller: Caller, *answers: Any, **changes: Any) -> Any:
        shop.wire.script(*answers)
        return caller.post("/payments/initiate", shop.order(**changes))

    def test_initiate_when_it_goes_well(self, wire: Wire, crypto: Shop) -> None:
        shop = Shop(wire, publishable_key="pk_live_51Builder0123456789")
        caller = Caller(shop)
        opened = shop.open_payment(metadata={"a": "b"})
        assert caller.read(f"/v1/payments/{opened['id']}")["next_action"]["type"] == "redirect"
        token = {"id": "pi_1", "object": "payment_intent", "status": "requires_payment_method", "amount": 1299,
                 "currency": "eur", "livemode": True, "client_secret": "pi_1_secret_2", "amount_received": 0,
                 "amount_capturable": 0, "metadata": {}}  # fmt: skip
        embedded = self.order(shop, caller, answer(token), presentation="embedded")
        assert made(embedded)["next_action"]["type"] == "client_token"
        wire.routes(coin_routes())
        address = Caller(crypto).post("/payments/initiate", crypto.order(**CRYPTO_ORDER))
        assert made(address)["next_action"]["type"] == "show_address"

    def test_initiate_when_it_does_not(self, shop: Shop, caller: Caller) -> None:
        expected: list[tuple[int, str, list[Any], dict[str, Any]]] = [
            (400, "invalid_amount", [], {"amount": 1.5}),
            (422, "no_gateway", [], {"currency": "BTC"}),
            (422, "gateway_rejected", [stripe_error(400)], {}),
            (502, "gateway_unavailable", [NotSent("refused")] * 3, {}),
            (502, "gateway_misconfigured", [stripe_error(401)], {}),
            (504, "outcome_unknown", [NoAnswer("timeout")] * 3, {}),
        ]
        for status, code, answers, changes in expected:
            caller.refused(self.order(shop, caller, *answers, **changes), status, code)
        made(self.order(shop, caller, answer(session()), reference="order-1"))
        caller.refused(self.order(shop, caller, reference="order-1"), 409, "reference_in_use")

    def test_status_capture_void_and_refund(self, shop: Shop, caller: Caller) -> None:
        opened, first, second = shop.open_payment(), shop.held_payment(), shop.held_payment()
        shop.wire.script(answer(complete(opened, paid(opened))))
        assert caller.read(f"/payments/status/{opened['id']}")["status"] == "captured"
        shop.wire.script(answer(intent(first, "succeeded", amount_received=1299)))
        assert made(caller.post(f"/v1/payments/{first['id']}/capture"), 200)["status"] == "captured"
        held_session = answer(complete(second, held(second)))
        shop.wire.script(held_session, answer(intent(second, "canceled")))
        assert made(caller.post(f"/v1/payments/{second['id']}/void"), 200)["status"] == "voided"
        caller.refused(caller.post(f"/v1/payments/{second['id']}/void"), 409, "wrong_state")
        shop.wire.script(answer(stripe_refund(opened, 100)))
        wish = {"payment": opened["id"], "amount": 100}
        assert made(caller.post("/payments/refund", wish))["status"] == "succeeded"
        caller.refused(caller.post("/payments/refund", {**wish, "amount": 5000}), 409, "refund_too_large")
        caller.refused(caller.post("/payments/refund", {**wish, "payment": "PAY_x_1"}), 404, "not_found")
        caller.refused(caller.post("/payments/refund", wish, key=None), 400, "idempotency_key_required")


# --- schemathesis ----------------------------------------------------------------------------------------------------

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_headers_conformance,
    response_schema_conformance,
]  # fmt: skip
QUERIES = {"/v1/gateways/route": {"amount": "1299", "currency": "EUR"}}  # what an address cannot do without
READS = sorted(path for path, method, _ in operations() if method == "get")


@pytest.fixture
def full(shop: Shop, crypto: Shop, caller: Caller) -> dict[str, str]:
    """A lab that has one of everything: names for parts of addresses."""
    payment = shop.captured_payment(reference="order-1", customer={"id": "c1"})
    refund = made(shop.refund(payment, answer(stripe_refund(payment, 100)), amount=100))
    link = made(caller.post("/v1/links", {"amount": 100, "currency": "EUR"}))
    return {
        "/v1/payments": payment["id"], "/payments/status": payment["id"], "/v1/refunds": refund["id"],
        "/v1/links": link["id"], "/v1/disputes": disputed(shop, payment)["id"], "/v1/profiles": saved(shop).public_id,
        "/v1/routing-rules": made(caller.post("/v1/routing-rules", {"gateway_keys": [shop.key.public_id]}))["id"],
        "/v1/gateway-keys": shop.key.public_id, "/v1/gateways": "stripe", "/v1/customers": "c1",
    }  # fmt: skip


@contextmanager
def one_connection() -> Iterator[None]:
    """What Django's own test client does: a request that ends does not close the test's connection."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.django_db
@pytest.mark.parametrize("path", READS)
def test_schemathesis_finds_nothing_that_the_document_does_not_tell(
    path: str, shop: Shop, full: dict[str, str]
) -> None:
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(document())))
    schema.app = get_wsgi_application()
    operation = schema[path]["GET"]
    known = next((name for prefix, name in full.items() if path.startswith(f"{prefix}/")), None)
    headers = {"Authorization": f"Bearer {shop.token}"}
    seen: list[int] = []

    def call(case: Any) -> None:
        if len(seen) % 2:  # every other time something that exists, and without filters
            case.path_parameters = dict.fromkeys(case.path_parameters, known)
            case.query = dict(QUERIES.get(path, {}))
        response = case.call(headers=headers)
        case.validate_response(response, checks=CHECKS)
        seen.append(response.status_code)

    bounded = settings(
        max_examples=12, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    run: Callable[[], None] = bounded(given_cases(case=operation.as_strategy())(call))
    with one_connection():
        run()
    assert 200 in seen
