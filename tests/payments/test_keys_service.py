"""Gateway keys: secrets go in and never come out, old webhook secrets live for fifteen days, and every change is audited."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from core import clock
from core.encryption import CannotOpen, Place, open_
from core.gateways.errors import GatewayMisconfigured
from core.gateways.testing import answer
from core.gateways.types import Mode
from core.http import NoAnswer, NotSent
from core.models import AuditLog, Lab
from payments.models import PaymentGatewayKey
from payments.services import keys
from tests.payments import builders
from tests.payments.shop import Shop, Wire, stripe_error

pytestmark = pytest.mark.django_db

GOOD = {"secret_key": "sk_live_51Abcdefghijkl9876", "webhook_secret": "whsec_0123456789abcd4321"}


def create(lab: Lab, mode: Mode = Mode.LIVE, gateway: str = "stripe", **values: Any) -> PaymentGatewayKey:
    return keys.create_gateway_key(lab=lab, gateway=gateway, mode=mode, values={**GOOD, **values}, actor="test")


def update(key: PaymentGatewayKey, **values: Any) -> PaymentGatewayKey:
    return keys.update_gateway_key(key=key, values=values, actor="test")


def fresh(key: PaymentGatewayKey) -> PaymentGatewayKey:
    found = PaymentGatewayKey.across_labs.get(pk=key.pk)
    assert isinstance(found, PaymentGatewayKey)
    return found


def opened(key: PaymentGatewayKey, name: str) -> str:
    place = Place(gateway_key=key.public_id, mode=key.mode, field=name)
    return open_(key.lab_id, place, key.credentials[name])


def actions(lab: Lab) -> list[tuple[str, Any]]:
    return [
        (row.action, row.changes)
        for row in AuditLog.objects.for_lab(lab).filter(object_type="gateway_key").order_by("seq")
    ]


class TestCreating:
    def test_what_was_given_is_kept_sealed_and_can_be_used(self, lab: Lab) -> None:
        key = fresh(create(lab, account_id="acct_ours0001"))
        assert {name: opened(key, name) for name in GOOD} == GOOD
        assert (key.gateway, key.mode, key.account, key.is_active, key.priority) == (
            "stripe", "live", "acct_ours0001", True, 100,
        )  # fmt: skip
        assert type(keys.open_key(keys.key_row_of(key))).slug == "stripe"

    def test_no_secret_stands_in_the_database(self, lab: Lab) -> None:
        key = create(lab)
        token = keys.key_row_of(key).webhook_url().rpartition("/")[2]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT k::text FROM payments_paymentgatewaykey k UNION ALL SELECT a::text FROM core_auditlog a"
            )
            text = "".join(row[0] for row in cursor.fetchall())
        for secret in (*GOOD.values(), token):
            assert secret not in text and secret[8:20] not in text

    def test_no_secret_stands_in_a_representation(self, lab: Lab) -> None:
        key = create(lab)
        row = keys.key_row_of(key)
        for text in (repr(row), str(row), repr(key), str(key), repr(keys.open_key(row))):
            assert not any(part in text for part in ("sk_live_51", "whsec_0123", "v1."))

    def test_of_a_secret_its_end_a_fingerprint_and_its_time_are_shown(self, lab: Lab) -> None:
        moment = clock.now()
        with clock.fixed(moment):
            facts = create(lab).secret_facts
        assert facts["secret_key"].keys() == {"last_four", "fingerprint", "changed_at"}
        assert (facts["secret_key"]["last_four"], facts["webhook_secret"]["last_four"]) == ("9876", "4321")
        assert datetime.fromisoformat(facts["secret_key"]["changed_at"]) == moment
        assert facts["secret_key"]["fingerprint"] != facts["webhook_secret"]["fingerprint"]
        assert create(lab).secret_facts["secret_key"]["fingerprint"] == facts["secret_key"]["fingerprint"]

    def test_of_a_short_secret_nothing_is_shown(self, lab: Lab) -> None:
        assert create(lab, webhook_secret="whsec_1a2b").secret_facts["webhook_secret"]["last_four"] == ""

    def test_white_space_around_a_value_is_not_part_of_it(self, lab: Lab) -> None:
        key = create(lab, webhook_secret=f"  {GOOD['webhook_secret']}\n")
        assert opened(key, "webhook_secret") == GOOD["webhook_secret"]

    @pytest.mark.parametrize(
        ("values", "fields"),
        [
            ({"secret_key": ""}, {"secret_key"}),
            ({"secret_key": "   "}, {"secret_key"}),
            ({"secret_key": "sk_test_51Abcdefghijkl9876"}, {"secret_key"}),
            ({"secret_key": "pk_live_51Abcdefghijkl9876"}, {"secret_key"}),
            ({"webhook_secret": "changeme"}, {"webhook_secret"}),
            ({"webhook_secret": "short"}, {"webhook_secret"}),
            ({"webhook_secret": "whsec_..."}, {"webhook_secret"}),
            ({"secret_key": "x", "webhook_secret": "y"}, {"secret_key", "webhook_secret"}),
            ({"account_id": "nobody"}, {"account_id"}),
            ({"colour": "blue"}, {"colour"}),
        ],
    )
    def test_what_cannot_be_right_is_refused_field_by_field_without_repeating_it(
        self, lab: Lab, values: dict[str, str], fields: set[str]
    ) -> None:
        before = AuditLog.objects.for_lab(lab).count()
        with pytest.raises(keys.CredentialsRefused) as caught:
            create(lab, **values)
        assert {error["field"] for error in caught.value.errors} == fields
        assert (caught.value.status, caught.value.code) == (400, "credentials_refused")
        assert not any(value.strip() in str(caught.value.errors) for value in values.values() if len(value.strip()) > 5)
        assert (PaymentGatewayKey.objects.for_lab(lab).count(), AuditLog.objects.for_lab(lab).count()) == (0, before)

    def test_two_keys_have_addresses_that_nobody_guesses(self, lab: Lab) -> None:
        urls = {keys.key_row_of(create(lab)).webhook_url() for _ in range(2)}
        assert len(urls) == 2
        for url in urls:
            token = url.rpartition("/")[2]
            assert "/payments/webhook/stripe/" in url
            assert len(token) >= 22  # 128 bits in base64

    def test_a_new_key_is_audited_by_its_fields_and_not_their_values(self, lab: Lab) -> None:
        create(lab)
        assert actions(lab) == [
            ("gateway_key.created", {"gateway": "stripe", "mode": "live", "fields": ["secret_key", "webhook_secret"]})
        ]


class TestChanging:
    def test_what_is_left_blank_stays(self, lab: Lab) -> None:
        key = create(lab)
        update(key, secret_key="sk_live_51Newnewnewnew1111", webhook_secret="  ")
        key = fresh(key)
        assert opened(key, "secret_key") == "sk_live_51Newnewnewnew1111"
        assert opened(key, "webhook_secret") == GOOD["webhook_secret"]
        assert key.previous_secrets == []

    def test_the_old_webhook_secret_is_kept_for_fifteen_days_and_then_forgotten(self, lab: Lab) -> None:
        key = create(lab)
        begun = clock.now()
        with clock.fixed(begun):
            update(key, webhook_secret="whsec_second_0123456789")
        (kept,) = fresh(key).previous_secrets
        assert datetime.fromisoformat(kept["until"]) == begun + timedelta(days=15)
        assert GOOD["webhook_secret"] not in str(kept)
        with clock.fixed(begun + timedelta(days=1)):
            update(fresh(key), webhook_secret="whsec_third_00123456789")
        assert len(fresh(key).previous_secrets) == 2
        with clock.fixed(begun + timedelta(days=15, seconds=1)):
            update(fresh(key), account_id="acct_ours0001")
        (left,) = fresh(key).previous_secrets
        assert datetime.fromisoformat(left["until"]) == begun + timedelta(days=16)

    def test_a_change_is_used_at_once(self, wire: Wire) -> None:
        shop = Shop(wire)
        shop.open_payment()
        assert wire.sent[0].headers["Authorization"].endswith("sk_live_51Builder0123456789")
        update(shop.key, secret_key="sk_live_51Newnewnewnew1111")
        shop.open_payment()
        assert wire.sent[0].headers["Authorization"].endswith("sk_live_51Newnewnewnew1111")

    @pytest.mark.parametrize("values", [{"secret_key": "sk_test_51Abcdefghijkl9876"}, {"webhook_secret": "changeme"}])
    def test_what_cannot_be_right_changes_nothing(self, lab: Lab, values: dict[str, str]) -> None:
        key = fresh(create(lab))
        with pytest.raises(keys.CredentialsRefused):
            update(key, **values)
        again = fresh(key)
        assert (again.credentials, again.secret_facts, again.previous_secrets, again.updated_at) == (
            key.credentials, key.secret_facts, key.previous_secrets, key.updated_at,
        )  # fmt: skip
        assert [action for action, _ in actions(lab)] == ["gateway_key.created"]

    def test_every_change_is_audited(self, lab: Lab) -> None:
        key = create(lab)
        update(key, webhook_secret="whsec_second_0123456789")
        keys.update_gateway_key(key=fresh(key), values={}, actor="test", is_active=False)
        assert actions(lab)[1:] == [
            ("gateway_key.changed", {"fields": ["webhook_secret"], "is_active": True}),
            ("gateway_key.changed", {"fields": [], "is_active": False}),
        ]

    def test_a_key_that_is_switched_off_takes_no_payment(self, shop: Shop) -> None:
        keys.update_gateway_key(key=shop.key, values={}, actor="test", is_active=False)
        response = shop.initiate()
        assert (response.status_code, response.json()["code"]) == (422, "no_gateway")


class TestWhatDoesNotOpen:
    def test_a_value_moved_to_another_key_mode_or_field_does_not_open(self, lab: Lab) -> None:
        one, two = create(lab), create(lab)
        sealed = one.credentials["webhook_secret"]
        places = [
            Place(gateway_key=two.public_id, mode="live", field="webhook_secret"),
            Place(gateway_key=one.public_id, mode="test", field="webhook_secret"),
            Place(gateway_key=one.public_id, mode="live", field="secret_key"),
        ]
        for place in places:
            with pytest.raises(CannotOpen):
                open_(lab, place, sealed)
        with pytest.raises(CannotOpen):
            open_(
                builders.make_lab("Other"),
                Place(gateway_key=one.public_id, mode="live", field="webhook_secret"),
                sealed,
            )

    def test_such_a_key_is_misconfigured_and_never_a_guess(self, lab: Lab) -> None:
        one, two = create(lab), create(lab)
        stolen = {**two.credentials, "webhook_secret": one.credentials["webhook_secret"]}
        PaymentGatewayKey.across_labs.filter(pk=two.pk).update(credentials=stolen)
        with pytest.raises(GatewayMisconfigured, match="cannot be opened"):
            keys.open_key(keys.key_row_of(fresh(two)))
        assert keys.check_gateway_key(key=fresh(two)).ok is False
        assert "cannot be opened" in fresh(two).problem

    def test_it_is_not_sealed_anew_as_it_stands(self, lab: Lab) -> None:
        key = create(lab)
        damaged = {**key.credentials, "webhook_secret": "v1.gone.AAAA.AAAA"}
        PaymentGatewayKey.across_labs.filter(pk=key.pk).update(credentials=damaged)
        with pytest.raises(keys.CredentialsRefused):
            update(fresh(key), secret_key="sk_live_51Newnewnewnew1111")
        assert fresh(key).credentials == damaged

    def test_a_gateway_that_is_not_installed_is_misconfigured(self, lab: Lab) -> None:
        key = create(lab)
        PaymentGatewayKey.across_labs.filter(pk=key.pk).update(gateway="nobody")
        with pytest.raises(GatewayMisconfigured, match="not installed"):
            keys.open_key(keys.key_row_of(fresh(key)))


class TestConnection:
    def test_good_credentials_are_noted(self, shop: Shop, wire: Wire) -> None:
        wire.script(answer({"object": "balance", "livemode": True, "available": []}))
        found = keys.check_gateway_key(key=shop.key)
        key = fresh(shop.key)
        assert (found.ok, key.last_check_ok, key.problem) == (True, True, "")
        assert key.last_check_at is not None and key.last_check_message == found.message

    @pytest.mark.parametrize(
        "trouble", [stripe_error(401), NotSent("x"), NoAnswer("x"), answer({"object": "balance", "livemode": False})]
    )
    def test_whatever_goes_wrong_is_noted_and_raises_nothing(self, shop: Shop, wire: Wire, trouble: Any) -> None:
        wire.script(trouble)
        found = keys.check_gateway_key(key=shop.key)
        key = fresh(shop.key)
        assert (found.ok, key.last_check_ok) == (False, False)
        assert key.last_check_message == key.problem == found.message
        assert "sk_live" not in found.message

    def test_a_check_that_works_again_takes_the_problem_away(self, shop: Shop, wire: Wire) -> None:
        wire.script(stripe_error(401), answer({"object": "balance", "livemode": True}))
        keys.check_gateway_key(key=shop.key)
        keys.check_gateway_key(key=shop.key)
        assert fresh(shop.key).problem == ""
