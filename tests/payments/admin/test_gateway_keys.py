"""Gateway keys at the desk: errors at the field, secrets that go in and never come out, a connection that is tested."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import QueryDict

from clients.simulator.testing import Simulator, running_simulator
from core import labs
from core.gateways import registry
from core.gateways.types import CredentialField, Mode
from core.models import AuditLog, Lab
from payments.admin.key_form import KeyForm
from payments.models import PaymentGatewayKey
from payments.services import keys
from tests.payments import builders
from tests.payments.admin.conftest import Person, make_person, page, readable
from tests.payments.shop import Wire

KEYS = "payments.paymentgatewaykey"
ADD = page(KEYS) + "add/"
SECRET, SIGNING = "sk_test_51DeskSecretValue0042", "whsec_DeskSigningValue0077"


def typed(**changes: str) -> dict[str, str]:
    """What somebody types into the form of a new Stripe key."""
    form = {
        "gateway": "stripe", "mode": "test", "label": "Main account", "priority": "10",
        "credential_secret_key": SECRET, "credential_webhook_secret": SIGNING,
    }  # fmt: skip
    return {**form, **changes}


@pytest.fixture
def owner(lab: Lab) -> Person:
    return make_person(lab)


@pytest.fixture
def key(owner: Person, lab: Lab) -> PaymentGatewayKey:
    """A key that was typed in."""
    assert owner.post(ADD, typed()).status_code == 302
    found = PaymentGatewayKey.objects.for_lab(lab).get()
    assert isinstance(found, PaymentGatewayKey)
    return found


def path_of(key: PaymentGatewayKey, verb: str = "change") -> str:
    return page(KEYS, key.public_id, verb)


def opened(key: PaymentGatewayKey) -> dict[str, Any]:
    """The credentials as a gateway package gets them."""
    key.refresh_from_db()
    return keys._unsealed(keys.key_row_of(key))


def actions(lab: Lab) -> list[tuple[str, str]]:
    rows = AuditLog.objects.for_lab(lab).filter(object_type="gateway_key").order_by("seq")
    return [(row.action, row.actor_label) for row in rows]


# Adding ---------------------------------------------------------------------------------------------------------------


def test_gateway_and_mode_are_chosen_first(owner: Person) -> None:
    text = owner.text(ADD)
    assert [f'name="gateway" value="{slug}"' in text for slug in registry.slugs()] == [True] * len(registry.slugs())
    assert "credential_" not in text
    assert 'name="credential_secret_key"' in owner.text(f"{ADD}?gateway=stripe&mode=test")
    assert "credential_" not in owner.text(f"{ADD}?gateway=nothing&mode=test")
    assert "credential_" not in owner.text(f"{ADD}?gateway=stripe&mode=prod")


@pytest.mark.parametrize("gateway", ["stripe", "nowpayments"])
def test_the_form_has_the_fields_that_the_gateway_declares(owner: Person, gateway: str) -> None:
    text = owner.text(f"{ADD}?gateway={gateway}&mode=live")
    declared = [one for one in registry.gateway_class(gateway).about.credentials if not one.is_filled_by_platform]
    assert [f'name="credential_{one.name}"' in text for one in declared] == [True] * len(declared)
    assert text.count('type="password"') == sum(one.is_secret for one in declared)


def test_a_wrong_value_is_told_at_its_field_and_nothing_is_kept(owner: Person, lab: Lab) -> None:
    response = owner.post(ADD, typed(credential_secret_key="sk_live_51DeskSecretValue0042"))
    form = response.context["form"]
    assert {name: len(errors) for name, errors in form.errors.items()} == {"credential_secret_key": 1}
    assert "This is a live value, but the account is a test account" in form.errors["credential_secret_key"][0]
    assert "This is a live value" in readable(response.content.decode())
    assert (PaymentGatewayKey.objects.for_lab(lab).count(), actions(lab)) == (0, [])


def test_a_refused_form_does_not_send_the_secrets_back(owner: Person) -> None:
    text = owner.post(ADD, typed(credential_secret_key="nonsense-but-secret")).content.decode()
    assert [secret in text for secret in ("nonsense-but-secret", SIGNING)] == [False, False]
    assert 'value="Main account"' in text


def test_every_missing_field_is_named(owner: Person) -> None:
    response = owner.post(ADD, {"gateway": "stripe", "mode": "test", "priority": "1"})
    assert sorted(response.context["form"].errors) == ["credential_secret_key", "credential_webhook_secret"]


def test_a_right_value_is_kept_sealed_with_an_audit_row(owner: Person, lab: Lab, key: PaymentGatewayKey) -> None:
    assert (key.gateway, key.mode, key.label, key.priority) == ("stripe", "test", "Main account", 10)
    assert opened(key) == {"secret_key": SECRET, "webhook_secret": SIGNING}
    assert SECRET not in json.dumps(key.credentials)
    assert actions(lab) == [("gateway_key.created", owner.user.username)]


@pytest.mark.parametrize("role", ["finance", "support", "viewer"])
def test_only_owners_and_managers_add(lab: Lab, role: str) -> None:
    assert make_person(lab, role).post(ADD, typed()).status_code == 403
    assert PaymentGatewayKey.objects.for_lab(lab).count() == 0


def test_a_key_is_not_added_to_a_lab_by_naming_it(owner: Person, lab: Lab) -> None:
    other = builders.make_lab("Other")
    assert owner.post(ADD, typed(lab=other.slug)).status_code == 302
    assert (PaymentGatewayKey.objects.for_lab(other).count(), PaymentGatewayKey.objects.for_lab(lab).count()) == (0, 1)


def test_with_two_labs_the_lab_is_chosen_too(owner: Person, lab: Lab) -> None:
    other = builders.make_lab("Other")
    labs.add_member(lab=other, user=owner.user, role="viewer", actor="test")
    assert 'name="lab"' not in owner.text(ADD)  # a viewer there
    labs.add_member(lab=other, user=owner.user, role="manager", actor="test")
    assert owner.text(ADD).count('name="lab"') == 2
    assert "credential_" not in owner.post(ADD, typed()).content.decode()
    assert owner.post(ADD, typed(lab=other.slug)).status_code == 302
    assert (PaymentGatewayKey.objects.for_lab(other).count(), PaymentGatewayKey.objects.for_lab(lab).count()) == (1, 0)


# Showing --------------------------------------------------------------------------------------------------------------


def test_no_secret_stands_on_any_page(owner: Person, key: PaymentGatewayKey) -> None:
    owner.post(path_of(key), typed(credential_webhook_secret="whsec_TheSecondValue0099"))
    paths = ["/admin/", page(KEYS), path_of(key), page("core.auditlog"), page("payments.payment")]
    sealed = [value for value in key.credentials.values() if value.startswith("v1.")]
    assert len(sealed) == 2
    for path in paths:
        text = owner.text(path)
        found = [one for one in (SECRET, SIGNING, "whsec_TheSecondValue0099", *sealed) if one in text]
        assert (path, found) == (path, [])
    words = owner.text(path_of(key))
    assert "set, ends in 0042 – leave blank to keep" in words
    assert "set, ends in 0099 – leave blank to keep" in words


def test_the_page_says_what_to_do_at_the_gateway(owner: Person, key: PaymentGatewayKey) -> None:
    about = registry.gateway_class("stripe").about
    text, words = owner.text(path_of(key)), owner.words(path_of(key))
    assert f'value="{keys.key_row_of(key).webhook_url()}"' in text
    assert [event in words for event in about.webhook_events] == [True] * len(about.webhook_events)
    assert about.webhook_setup in words


@pytest.mark.parametrize("role", ["finance", "support", "viewer"])
def test_others_see_that_a_key_exists_but_not_its_webhook_address(lab: Lab, key: PaymentGatewayKey, role: str) -> None:
    text = make_person(lab, role).text(path_of(key))
    assert key.public_id in text
    assert [word in text for word in (keys.key_row_of(key).webhook_url(), "credential_", "Test connection")] == [
        False
    ] * 3


# Changing -------------------------------------------------------------------------------------------------------------


def test_blank_keeps_what_is_there(owner: Person, lab: Lab, key: PaymentGatewayKey) -> None:
    owner.post(path_of(key), {"label": "Renamed", "priority": "3", "credential_secret_key": "  "})
    assert opened(key) == {"secret_key": SECRET, "webhook_secret": SIGNING}
    assert (key.label, key.priority, key.previous_secrets) == ("Renamed", 3, [])
    assert actions(lab)[1:] == [("gateway_key.changed", owner.user.username)]


def test_the_signing_secret_before_is_accepted_for_a_while_and_the_page_says_until_when(
    owner: Person, key: PaymentGatewayKey
) -> None:
    owner.post(path_of(key), {"priority": "1", "credential_webhook_secret": "whsec_TheSecondValue0099"})
    assert opened(key)["webhook_secret"] == "whsec_TheSecondValue0099"
    until = key.previous_secrets[0]["until"][:10]
    assert [one["field"] for one in key.previous_secrets] == ["webhook_secret"]
    assert f"The value before this one is still accepted until {until}" in owner.words(path_of(key))


def test_a_wrong_change_changes_nothing(owner: Person, lab: Lab, key: PaymentGatewayKey) -> None:
    response = owner.post(
        path_of(key), {"label": "New", "priority": "1", "credential_secret_key": "whsec_swapped_1234"}
    )
    assert list(response.context["form"].errors) == ["credential_secret_key"]
    assert "whsec_swapped_1234" not in response.content.decode()
    assert opened(key) == {"secret_key": SECRET, "webhook_secret": SIGNING}
    assert (key.label, len(actions(lab))) == ("Main account", 1)


@pytest.mark.parametrize("role", ["finance", "support", "viewer"])
@pytest.mark.parametrize("verb", ["change", "check", "switch"])
def test_others_change_nothing(lab: Lab, key: PaymentGatewayKey, role: str, verb: str) -> None:
    one = make_person(lab, role)
    assert one.post(path_of(key, verb), typed(label="Mine now")).status_code == 403
    key.refresh_from_db()
    assert (key.label, key.is_active, key.last_check_at, len(actions(lab))) == ("Main account", True, None, 1)


def test_a_key_is_never_deleted(owner: Person, key: PaymentGatewayKey) -> None:
    assert owner.post(path_of(key, "delete"), {"post": "yes"}).status_code == 403
    assert PaymentGatewayKey.across_labs.filter(pk=key.pk).count() == 1


def test_a_key_is_switched_off_and_on_with_audit_rows(owner: Person, lab: Lab, key: PaymentGatewayKey) -> None:
    states = []
    for wanted in ("0", "1"):
        owner.post(path_of(key, "switch"), {"active": wanted})
        key.refresh_from_db()
        states.append((key.is_active, "switched off" in owner.words(page(KEYS))))
    assert states == [(False, True), (True, False)]
    assert [action for action, _ in actions(lab)][1:] == ["gateway_key.disabled", "gateway_key.changed"]


# Testing the connection -----------------------------------------------------------------------------------------------


@pytest.fixture
def simulator(settings: Any) -> Iterator[Simulator]:
    with running_simulator(settings.SIMULATORS) as running:
        settings.SIMULATOR_URL = running.url
        yield running


def test_the_gateways_answer_is_shown_and_kept(
    owner: Person, lab: Lab, key: PaymentGatewayKey, simulator: Simulator
) -> None:
    owner.post(path_of(key, "check"))
    refused = owner.words(path_of(key))
    key.refresh_from_db()
    assert (key.last_check_ok, key.problem) == (False, key.last_check_message)
    assert key.last_check_message in refused
    assert "problem" in owner.words(page(KEYS))

    credentials = {"secret_key": SECRET, "webhook_secret": SIGNING}
    simulator.register("stripe", mode="test", credentials=credentials)
    owner.post(path_of(key, "check"))
    accepted = owner.words(path_of(key))
    key.refresh_from_db()
    assert (key.last_check_ok, key.problem, key.last_check_message) == (True, "", "Stripe accepts the test key.")
    assert "Stripe accepts the test key." in accepted
    assert "works" in owner.words(page(KEYS))
    assert [action for action, _ in actions(lab)][1:] == ["gateway_key.checked"] * 2
    calls = [call["path"] for call in simulator.calls("stripe")]
    assert len(calls) == 2


# Cannot be opened -----------------------------------------------------------------------------------------------------


@pytest.fixture
def closed(key: PaymentGatewayKey) -> PaymentGatewayKey:
    """A key whose values were sealed for another place, as after a restore gone wrong."""
    other = builders.make_gateway_key(builders.make_lab("Other"), "stripe", Mode.TEST)
    PaymentGatewayKey.across_labs.filter(pk=key.pk).update(credentials=other.credentials)
    key.refresh_from_db()
    return key


def test_a_key_that_cannot_be_opened_says_so(owner: Person, closed: PaymentGatewayKey) -> None:
    assert "cannot be opened" in owner.words(page(KEYS))
    assert "This key cannot be opened" in owner.words(path_of(closed))
    assert "cannot be opened" in owner.words("/admin/")


def test_a_key_that_cannot_be_opened_is_still_switched_off(owner: Person, closed: PaymentGatewayKey) -> None:
    before = dict(closed.credentials)
    owner.post(path_of(closed, "switch"), {"active": "0"})
    closed.refresh_from_db()
    assert (closed.is_active, closed.credentials) == (False, before)


def test_a_key_that_cannot_be_opened_wants_every_secret_and_is_then_mended(
    owner: Person, closed: PaymentGatewayKey
) -> None:
    half = {"priority": "1", "credential_secret_key": SECRET}
    form = owner.post(path_of(closed), half).context["form"]
    assert form.errors == {"credential_webhook_secret": ["The kept value cannot be opened: give it again."]}
    owner.post(path_of(closed), {**half, "credential_webhook_secret": SIGNING})
    assert opened(closed) == {"secret_key": SECRET, "webhook_secret": SIGNING}
    assert closed.previous_secrets == []
    keys.open_key(keys.key_row_of(closed))  # raises where it still cannot


# The form itself ------------------------------------------------------------------------------------------------------


def _about(*fields: CredentialField) -> Any:
    return type("About", (), {"credentials": fields})()


def test_a_secret_of_several_lines_is_not_sent_back_either() -> None:
    about = _about(CredentialField(name="private_key", label="Private key", is_secret=True, is_multiline=True))
    data = QueryDict("priority=1&credential_private_key=-----BEGIN+VERY+SECRET-----")
    form = KeyForm(about, data=data)
    assert (form.is_valid(), form.values) == (True, {"private_key": "-----BEGIN VERY SECRET-----"})
    assert "<textarea" in form.as_p()
    assert "VERY SECRET" not in form.as_p()


def test_choices_defaults_and_fields_of_the_platform() -> None:
    about = _about(
        CredentialField(name="region", label="Region", choices=(("eu", "Europe"), ("in", "India")), default="in"),
        CredentialField(name="salt_index", label="Salt index", default="1"),
        CredentialField(name="notify_url", label="Our address", is_filled_by_platform=True),
        CredentialField(name="label", label="A field of the gateway called label", is_required=False),
    )
    form = KeyForm(about)
    shown = form.as_p()
    assert list(form.fields) == ["credential_region", "credential_salt_index", "credential_label", "label", "priority"]
    assert '<option value="in" selected>India</option>' in shown
    assert 'value="1"' in str(form["credential_salt_index"])
    assert form["credential_label"].label == "A field of the gateway called label (optional)"


def test_a_key_whose_gateway_is_gone_is_shown_and_can_be_switched_off(
    owner: Person, key: PaymentGatewayKey, wire: Wire
) -> None:
    PaymentGatewayKey.across_labs.filter(pk=key.pk).update(gateway="vanished")
    assert "cannot be opened" in owner.words(page(KEYS))
    assert key.public_id in owner.text(path_of(key))
    owner.post(path_of(key, "switch"), {"active": "0"})
    key.refresh_from_db()
    assert key.is_active is False
