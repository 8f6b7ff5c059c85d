"""/v1/gateways and /v1/gateway-keys: what gateways say of themselves, and a lab's accounts, whose secrets never come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.gateways import registry
from core.gateways.testing import answer
from core.gateways.types import Mode
from core.http import NotSent
from core.models import AuditLog, IdempotencyKey
from core.money import exponent_of
from payments.models import PaymentGatewayKey
from payments.services import keys
from tests.payments import builders
from tests.payments.api.conftest import Caller
from tests.payments.shop import Shop, made, stripe_error

pytestmark = pytest.mark.django_db

SECRET, WEBHOOK = "sk_live_51Endpoint0123456789abcd", "whsec_endpoint_0123456789wxyz"
NEW = {"gateway": "stripe", "label": "Shop", "credentials": {"secret_key": SECRET, "webhook_secret": WEBHOOK}}


def keys_of(shop: Shop) -> Any:
    return PaymentGatewayKey.objects.for_lab(shop.lab)


def audit(shop: Shop) -> list[tuple[str, str]]:
    rows = (
        AuditLog.objects.for_lab(shop.lab).filter(object_type="gateway_key", actor_label="api key test").order_by("seq")
    )
    return [(row.action, row.object_id) for row in rows]


def shown(key: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [one for one in key["credentials"] if one["name"] == name]
    return found


class TestGateways:
    def test_every_installed_gateway_describes_itself(self, caller: Caller) -> None:
        found = caller.read("/v1/gateways")
        assert [row["gateway"] for row in found["data"]] == list(registry.slugs())
        assert (found["has_more"], found["next_cursor"]) == (False, None)
        for row in found["data"]:
            assert caller.read(f"/v1/gateways/{row['gateway']}") == row
            exponents = {one["code"]: one["exponent"] for one in row["currencies"]}
        assert exponents == {code: exponent_of(code) for code in exponents}
        assert exponents.keys() & {"USD", "INR"}

    def test_a_description_says_what_it_can_do(self, caller: Caller) -> None:
        stripe, coins = (caller.read(f"/v1/gateways/{slug}") for slug in ("stripe", "nowpayments"))
        assert {"capture", "void", "refund"} <= set(stripe["abilities"])
        assert (stripe["manual_capture"], stripe["is_crypto"], stripe["webhook"]["proof"]) == (True, False, "strong")
        assert {"code": "JPY", "exponent": 0}.items() <= next(
            one for one in stripe["currencies"] if one["code"] == "JPY"
        ).items()
        assert "refund" not in coins["abilities"] and coins["is_crypto"]

    def test_no_value_of_any_account_is_in_it(self, shop: Shop, caller: Caller) -> None:
        text = caller.get("/v1/gateways").content.decode()
        for secret in builders.CREDENTIALS["stripe"].values():
            assert secret.format(mode="live") not in text

    @pytest.mark.parametrize("slug", ["nobody", "STRIPE", "..", "%00", "stripe%20"])
    def test_an_unknown_one_is_missing(self, caller: Caller, slug: str) -> None:
        caller.refused(caller.get(f"/v1/gateways/{slug}"), 404, "not_found")

    def test_it_needs_a_key_with_the_scope_and_one_statement(self, caller: Caller) -> None:
        caller.refused(caller.get("/v1/gateways", token="nobody"), 401, "not_authenticated")
        caller.refused(caller.get("/v1/gateways", token=caller.token("keys:write")), 403, "scope_missing")
        with CaptureQueriesContext(connection) as captured:
            caller.read("/v1/gateways")
        assert len(captured) == 1


class TestKeepingAnAccount:
    def test_it_shows_every_field_and_no_secret(self, shop: Shop, caller: Caller) -> None:
        response = caller.post("/v1/gateway-keys", {**NEW, "priority": 7})
        key = made(response)
        row = keys_of(shop).get(public_id=key["id"])
        token = key["webhook_url"].rpartition("/")[2]
        assert key == {
            "id": row.public_id, "gateway": "stripe", "mode": "live", "label": "Shop", "account": None, "priority": 7,
            "is_active": True, "allowed_currencies": [], "credentials": key["credentials"],
            "webhook_url": f"{settings.PUBLIC_URL}/payments/webhook/stripe/{token}", "last_check": None,
            "last_verified_webhook_at": None, "problem": None, "created_at": key["created_at"],
            "updated_at": key["updated_at"],
        }  # fmt: skip
        secret = shown(key, "secret_key")
        assert (secret["is_secret"], secret["is_set"], secret["value"], secret["last_four"]) == (
            True,
            True,
            None,
            "abcd",
        )
        assert len(secret["fingerprint"]) == 12 and secret["changed_at"].endswith("Z")
        unset = shown(key, "publishable_key")
        assert (unset["is_set"], unset["value"], unset["last_four"], unset["changed_at"]) == (False, None, None, None)
        assert SECRET not in response.content.decode() and WEBHOOK not in response.content.decode()
        assert audit(shop) == [("gateway_key.created", key["id"])]

    def test_it_takes_payments_at_once(self, shop: Shop, caller: Caller) -> None:
        keys_of(shop).update(is_active=False)
        key = made(caller.post("/v1/gateway-keys", NEW))
        payment = shop.open_payment()
        assert shop.wire.sent[0].headers["Authorization"] == f"Bearer {SECRET}"
        assert keys.find_by_token("stripe", key["webhook_url"].rpartition("/")[2]) is not None
        assert payment["gateway"] == "stripe"

    def test_its_mode_is_the_api_keys(self, test_mode_shop: Shop, call_as: Callable[[Shop], Caller]) -> None:
        caller = call_as(test_mode_shop)
        problem = caller.refused(caller.post("/v1/gateway-keys", NEW), 400, "credentials_refused")
        assert [error["field"] for error in problem["errors"]] == ["credentials.secret_key"]
        credentials = {**NEW["credentials"], "secret_key": SECRET.replace("live", "test")}  # type: ignore[dict-item]
        assert made(caller.post("/v1/gateway-keys", {**NEW, "credentials": credentials}))["mode"] == "test"

    @pytest.mark.parametrize(
        ("body", "fields", "code"),
        [
            ({"gateway": "stripe"}, ["credentials"], "required"),
            ({"credentials": {}}, ["gateway"], "required"),
            ({**NEW, "gateway": "nobody"}, ["gateway"], "unknown_choice"),
            ({**NEW, "credentials": []}, ["credentials"], "invalid_type"),
            ({**NEW, "credentials": {"secret_key": 5}}, ["credentials.secret_key"], "invalid_type"),
            ({**NEW, "credentials": {"secret_key": None}}, ["credentials.secret_key"], "invalid_type"),
            ({**NEW, "credentials": {"secret_key": "a\0b" * 9}}, ["credentials.secret_key"], "invalid_text"),
            ({**NEW, "credentials": {"secret_key": "x" * 10_001}}, ["credentials.secret_key"], "too_long"),
            ({**NEW, "credentials": dict.fromkeys(map(str, range(51)), "x")}, ["credentials"], "too_long"),
            ({**NEW, "credentials": {"secret\0key": "x"}}, ["credentials"], "invalid_text"),
            ({**NEW, "label": "x" * 121}, ["label"], "too_long"),
            ({**NEW, "label": "4242424242424242"}, ["label"], "card_number_refused"),
            ({**NEW, "priority": -1}, ["priority"], "out_of_range"),
            ({**NEW, "priority": 32_768}, ["priority"], "out_of_range"),
            ({**NEW, "credentials": {}}, ["credentials.secret_key", "credentials.webhook_secret"], "credentials_refused"),
            (
                {**NEW, "credentials": {"secret_key": SECRET, "webhook_secret": "changeme"}},
                ["credentials.webhook_secret"], "credentials_refused",
            ),
            (
                {**NEW, "credentials": {**NEW["credentials"], "nothing": "x"}},  # type: ignore[dict-item]
                ["credentials.nothing"], "credentials_refused",
            ),
        ],
    )  # fmt: skip
    def test_what_cannot_be_right_is_refused_and_nothing_is_kept(
        self, shop: Shop, caller: Caller, body: dict[str, Any], fields: list[str], code: str
    ) -> None:
        before = keys_of(shop).count()
        response = caller.post("/v1/gateway-keys", body)
        problem = caller.refused(response, 400, code)
        assert [error["field"] for error in problem["errors"]] == fields
        assert (keys_of(shop).count(), IdempotencyKey.across_labs.count(), audit(shop)) == (before, 0, [])
        assert SECRET not in response.content.decode()

    def test_the_same_key_keeps_one_account(self, shop: Shop, caller: Caller) -> None:
        first, again = (caller.post("/v1/gateway-keys", NEW, key="k1") for _ in range(2))
        assert (again.content, again["Idempotency-Replayed"]) == (first.content, "true")
        other = {**NEW, "credentials": {**NEW["credentials"], "secret_key": SECRET + "x"}}  # type: ignore[dict-item]
        caller.refused(caller.post("/v1/gateway-keys", other, key="k1"), 422, "idempotency_mismatch")
        caller.refused(caller.post("/v1/gateway-keys", NEW, key=None), 400, "idempotency_key_required")
        assert keys_of(shop).count() == 2

    def test_a_refusal_does_not_use_the_key_up(self, caller: Caller) -> None:
        caller.refused(
            caller.post("/v1/gateway-keys", {**NEW, "credentials": {}}, key="k1"), 400, "credentials_refused"
        )
        assert made(caller.post("/v1/gateway-keys", NEW, key="k1"))["label"] == "Shop"

    def test_neither_secret_nor_webhook_address_is_in_any_column_in_the_clear(self, caller: Caller) -> None:
        key = made(caller.post("/v1/gateway-keys", NEW, key="k1"))
        with connection.cursor() as cursor:
            for table in ("payments_paymentgatewaykey", "core_idempotencykey", "core_auditlog"):
                cursor.execute(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
                text = cursor.fetchone()[0]
                for secret in (SECRET, WEBHOOK, key["webhook_url"].rpartition("/")[2]):
                    assert secret not in text


@pytest.fixture
def key(caller: Caller) -> dict[str, Any]:
    return made(caller.post("/v1/gateway-keys", NEW))


class TestReading:
    def test_list_and_one_agree(self, shop: Shop, caller: Caller, key: dict[str, Any]) -> None:
        found = caller.read("/v1/gateway-keys")
        assert found["data"][0] == key == caller.read(f"/v1/gateway-keys/{key['id']}")
        assert [row["id"] for row in found["data"]] == [key["id"], shop.key.public_id]
        page = caller.read("/v1/gateway-keys?limit=1")
        rest = caller.read(f"/v1/gateway-keys?limit=1&cursor={page['next_cursor']}")
        assert [row["id"] for row in rest["data"]] == [shop.key.public_id]

    def test_the_number_of_statements_does_not_grow_with_the_list(self, caller: Caller) -> None:
        for _ in range(3):
            made(caller.post("/v1/gateway-keys", NEW))
        caller.read("/v1/gateway-keys")
        with CaptureQueriesContext(connection) as captured:
            assert len(caller.read("/v1/gateway-keys")["data"]) == 4
        assert len(captured) == 2

    def test_one_that_cannot_be_opened_says_so_and_the_rest_is_shown(
        self, shop: Shop, caller: Caller, key: dict[str, Any]
    ) -> None:
        row = keys_of(shop).get(public_id=key["id"])
        row.credentials = {**row.credentials, "secret_key": shop.key.credentials["secret_key"]}  # of another row
        row.save()
        found = caller.read(f"/v1/gateway-keys/{key['id']}")
        assert found["problem"].startswith("What is stored here cannot be opened")
        assert (found["webhook_url"], found["label"], shown(found, "secret_key")["is_set"]) == (None, "Shop", True)

    def test_one_whose_gateway_is_gone_is_shown_and_can_be_disabled(
        self, shop: Shop, caller: Caller, key: dict[str, Any]
    ) -> None:
        keys_of(shop).filter(public_id=key["id"]).update(gateway="gone")
        found = caller.read(f"/v1/gateway-keys/{key['id']}")
        assert (found["gateway"], found["credentials"], found["is_active"]) == ("gone", [], True)
        problem = caller.patch(f"/v1/gateway-keys/{key['id']}", {"label": "x"})
        caller.refused(problem, 409, "gateway_not_installed")
        assert made(caller.post(f"/v1/gateway-keys/{key['id']}/check"), 200)["ok"] is False
        assert made(caller.post(f"/v1/gateway-keys/{key['id']}/disable"), 200)["is_active"] is False


class TestChanging:
    def test_only_what_is_sent_changes(self, shop: Shop, caller: Caller, key: dict[str, Any]) -> None:
        path = f"/v1/gateway-keys/{key['id']}"
        changed = made(caller.patch(path, {"label": "Till", "priority": 0, "credentials": {"secret_key": " "}}), 200)
        assert changed == {**key, "label": "Till", "priority": 0, "updated_at": changed["updated_at"]}
        renewed = "whsec_renewed_0123456789_90ab"
        changed = made(caller.patch(path, {"credentials": {"webhook_secret": renewed}}), 200)
        assert shown(changed, "webhook_secret")["last_four"] == "90ab"
        assert shown(changed, "secret_key") == shown(key, "secret_key")
        row = keys_of(shop).get(public_id=key["id"])
        assert [one["field"] for one in row.previous_secrets] == ["webhook_secret"]
        assert audit(shop) == [("gateway_key.created", key["id"])] + [("gateway_key.changed", key["id"])] * 2

    def test_it_can_be_switched_off_and_on(self, caller: Caller, key: dict[str, Any]) -> None:
        path = f"/v1/gateway-keys/{key['id']}"
        assert [made(caller.patch(path, {"is_active": flag}), 200)["is_active"] for flag in (False, True)] == [
            False,
            True,
        ]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"credentials": {"secret_key": "sk_test_51Endpoint0123456789abcd"}}, "credentials_refused"),
            ({"credentials": {"secret_key": WEBHOOK}}, "credentials_refused"),
            ({"credentials": {"nothing": "x"}}, "credentials_refused"),
            ({"credentials": "x"}, "invalid_type"),
            ({"is_active": "false"}, "invalid_type"),
            ({"is_active": 0}, "invalid_type"),
            ({"priority": 1.5}, "out_of_range"),
            ({"label": 5}, "invalid_type"),
            ("[]", "invalid_json"),
        ],
    )
    def test_what_cannot_be_right_changes_nothing(
        self, shop: Shop, caller: Caller, key: dict[str, Any], body: Any, code: str
    ) -> None:
        caller.refused(caller.patch(f"/v1/gateway-keys/{key['id']}", body), 400, code)
        assert caller.read(f"/v1/gateway-keys/{key['id']}") == key
        assert audit(shop) == [("gateway_key.created", key["id"])]

    def test_one_that_cannot_be_opened_is_mended_by_giving_the_secret_again(
        self, shop: Shop, caller: Caller, key: dict[str, Any]
    ) -> None:
        path = f"/v1/gateway-keys/{key['id']}"
        row = keys_of(shop).get(public_id=key["id"])
        row.credentials = {**row.credentials, "secret_key": shop.key.credentials["secret_key"]}
        row.save()
        refusal = caller.patch(path, {"credentials": {"webhook_secret": WEBHOOK + "x"}})
        problem = caller.refused(refusal, 400, "credentials_refused")
        assert [error["field"] for error in problem["errors"]] == ["credentials.secret_key"]
        assert keys_of(shop).get(public_id=key["id"]).credentials == row.credentials
        mended = made(caller.patch(path, {"credentials": {"secret_key": SECRET}}), 200)
        assert (mended["problem"], mended["webhook_url"]) == (None, key["webhook_url"])


class TestChecking:
    def test_it_asks_the_gateway_and_keeps_the_answer(self, shop: Shop, caller: Caller, key: dict[str, Any]) -> None:
        shop.wire.script(answer({"id": "acct_9", "object": "account", "country": "IN"}), answer({"object": "balance"}))
        found = made(caller.post(f"/v1/gateway-keys/{key['id']}/check", key=None), 200)
        assert shop.wire.sent[0].headers["Authorization"] == f"Bearer {SECRET}"
        assert found["gateway_key"] == caller.read(f"/v1/gateway-keys/{key['id']}")
        kept = found["gateway_key"]["last_check"]
        assert (kept["ok"], kept["message"]) == (found["ok"], found["message"])
        assert found["gateway_key"]["account"] == found["account"]

    @pytest.mark.parametrize("reply", [stripe_error(401, message="Invalid API Key provided"), NotSent("refused")])
    def test_credentials_that_do_not_work_are_told_with_200(
        self, shop: Shop, caller: Caller, key: dict[str, Any], reply: Any
    ) -> None:
        shop.wire.script(*[reply] * 5)
        found = made(caller.post(f"/v1/gateway-keys/{key['id']}/check"), 200)
        assert (found["ok"], found["gateway_key"]["last_check"]["ok"]) == (False, False)
        assert found["gateway_key"]["problem"] == found["message"] != ""
        assert SECRET not in str(found)


class TestDisabling:
    def test_its_webhooks_are_404_and_it_takes_no_payment(self, shop: Shop, caller: Caller) -> None:
        path = f"/v1/gateway-keys/{shop.key.public_id}"
        for _ in range(2):
            assert made(caller.post(f"{path}/disable", key=None), 200)["is_active"] is False
        assert audit(shop) == [("gateway_key.disabled", shop.key.public_id)]
        caller.refused(shop.post("/payments/initiate", shop.order()), 422, "no_gateway")
        assert shop.deliver({"id": "evt_1"}).status_code == 404


class TestWhoMay:
    def test_every_endpoint_needs_keys_write(self, shop: Shop, caller: Caller, key: dict[str, Any]) -> None:
        path, poor = f"/v1/gateway-keys/{key['id']}", caller.token("payments:read", "payments:write", "balances:read")
        for token, status, code in ((poor, 403, "scope_missing"), ("nobody", 401, "not_authenticated")):
            caller.refused(caller.get("/v1/gateway-keys", token=token), status, code)
            caller.refused(caller.get(path, token=token), status, code)
            caller.refused(caller.patch(path, {"label": "x"}, token=token), status, code)
            for action in ("check", "disable"):
                caller.refused(caller.post(f"{path}/{action}", token=token), status, code)
            caller.refused(caller.post("/v1/gateway-keys", NEW, token=token), status, code)
        assert caller.read(path) == key
        assert shop.wire.sent == []

    def test_another_labs_and_the_other_modes_key_are_missing_to_the_byte(
        self, shop: Shop, other_shop: Shop, test_mode_shop: Shop, call_as: Callable[[Shop], Caller]
    ) -> None:
        for stranger in (call_as(other_shop), call_as(test_mode_shop)):
            theirs, missing = f"/v1/gateway-keys/{shop.key.public_id}", "/v1/gateway-keys/GWK_20260101000000_00000000"
            assert shop.key.public_id not in stranger.get("/v1/gateway-keys").content.decode()
            for call in (
                stranger.get, lambda path, by=stranger: by.patch(path, {"is_active": False}),
                lambda path, by=stranger: by.post(f"{path}/check"), lambda path, by=stranger: by.post(f"{path}/disable"),
            ):  # fmt: skip
                found, none = call(theirs), call(missing)
                assert (found.status_code, found.content) == (404, none.content)
        assert keys_of(shop).get(pk=shop.key.pk).is_active
        assert shop.wire.sent == []
        assert {row.mode for row in keys_of(shop)} == {Mode.LIVE, Mode.TEST}
