"""Where settings ask for one-time codes nobody works without one, and secrets want a fresh one."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from django.core.management import call_command
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_totp.models import TOTPDevice

from core.desk import codes
from core.models import AuditLog, Lab
from payments.models import PaymentGatewayKey
from tests.payments.admin.conftest import PASSWORD, Person, make_person, page
from tests.payments.admin.test_gateway_keys import ADD, typed

NOW = 1_800_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The time of devices and sessions: `clock["now"] += 30`."""
    told: dict[str, float] = {"now": float(NOW)}
    monkeypatch.setattr("time.time", lambda: told["now"])
    return told


@pytest.fixture
def owner(lab: Lab, settings: Any) -> Person:
    settings.OTP_REQUIRED = True
    person = make_person(lab)
    TOTPDevice.objects.create(user=person.user, name="phone")
    return person


def code_of(person: Person, now: float) -> str:
    device = TOTPDevice.objects.get(user=person.user)
    totp = TOTP(device.bin_key, device.step, device.t0, device.digits, device.drift)
    totp.time = now
    return f"{totp.token():06d}"


def log_in(person: Person, **fields: str) -> tuple[Client, Any]:
    browser = Client(raise_request_exception=False)
    form = {"username": person.user.username, "password": PASSWORD, "next": "/admin/", **fields}
    return browser, browser.post("/admin/login/", form)


def test_a_password_alone_opens_nothing(owner: Person, clock: dict[str, float]) -> None:
    assert owner.get("/admin/").status_code == 302  # logged in, without a code
    browser, response = log_in(owner)
    assert response.status_code == 200
    assert "otp_token" in response.content.decode()
    assert browser.get("/admin/").status_code == 302


def test_with_the_code_it_does_and_each_code_works_once(owner: Person, clock: dict[str, float]) -> None:
    code = code_of(owner, clock["now"])
    browser, response = log_in(owner, otp_token=code)
    assert (response.status_code, browser.get("/admin/").status_code) == (302, 200)
    again, refused = log_in(owner, otp_token=code)
    assert (refused.status_code, again.get("/admin/").status_code) == (200, 302)


def test_secrets_want_a_code_that_is_not_older_than_ten_minutes(
    owner: Person, lab: Lab, clock: dict[str, float]
) -> None:
    browser, _ = log_in(owner, otp_token=code_of(owner, clock["now"]))
    clock["now"] += codes.FRESH_SECONDS
    assert browser.get(ADD).status_code == 200
    clock["now"] += 1
    asked = browser.post(ADD, typed())
    assert (asked.status_code, asked.headers["Location"]) == (302, f"/admin/code/?next={ADD}")
    assert PaymentGatewayKey.objects.for_lab(lab).count() == 0

    wrong = browser.post("/admin/code/", {"code": "000000", "next": ADD})
    assert wrong.status_code == 200
    clock["now"] += 60
    blocked = browser.post("/admin/code/", {"code": code_of(owner, clock["now"]), "next": ADD})
    assert blocked.status_code == 200  # a wrong code makes the device wait, also for right ones
    TOTPDevice.objects.update(throttling_failure_timestamp=None, throttling_failure_count=0)
    right = browser.post("/admin/code/", {"code": code_of(owner, clock["now"]), "next": ADD})
    assert (right.status_code, right.headers["Location"]) == (302, ADD)
    assert browser.post(ADD, typed()).status_code == 302
    key = PaymentGatewayKey.objects.for_lab(lab).get()

    clock["now"] += codes.FRESH_SECONDS + 1
    path = page("payments.paymentgatewaykey", key.public_id)
    for verb in ("change", "switch"):
        response = browser.post(
            page("payments.paymentgatewaykey", key.public_id, verb), typed(label="Stale", active="0")
        )
        assert (response.status_code, response.headers["Location"]) == (302, f"/admin/code/?next={path}")
    key.refresh_from_db()
    assert (key.label, key.is_active) == ("Main account", True)


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/admin/", "/payments/x", "javascript:1"])
def test_after_the_code_one_stays_at_the_desk(owner: Person, clock: dict[str, float], wanted: str) -> None:
    browser, _ = log_in(owner, otp_token=code_of(owner, clock["now"]))
    clock["now"] += 60
    response = browser.post("/admin/code/", {"code": code_of(owner, clock["now"]), "next": wanted})
    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")


def test_without_the_setting_a_password_is_enough(lab: Lab) -> None:
    browser, response = log_in(make_person(lab))
    assert (response.status_code, response.headers["Location"], browser.get("/admin/").status_code) == (
        302,
        "/admin/",
        200,
    )


def test_the_command_makes_a_device_whose_codes_open_the_desk(
    owner: Person, lab: Lab, clock: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    before = code_of(owner, clock["now"])
    call_command("enroll_totp", owner.user.username)
    address = unquote(capsys.readouterr().out.strip())
    assert address.startswith(f"otpauth://totp/Paywright:{owner.user.username}?secret=")
    secret = parse_qs(urlsplit(address).query)["secret"][0]
    totp = TOTP(base64.b32decode(secret))
    totp.time = clock["now"]
    code = f"{totp.token():06d}"
    assert code != before
    browser, _ = log_in(owner, otp_token=code)
    assert browser.get("/admin/").status_code == 200
    actions = AuditLog.objects.for_lab(lab).filter(object_type="user").order_by("seq").values_list("action", flat=True)
    assert list(actions) == ["member.set", "member.codes_renewed"]
