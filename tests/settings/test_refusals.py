"""Each settings module, started as a process of its own: what it accepts and what it refuses to start with."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.with_throwaway_environment import values
from settings.environment import Environment, variable_of
from settings.known_values import TEST_MASTER_KEYS, TEST_SECRET_KEY

ROOT = Path(__file__).resolve().parents[2]
SHOW = """
import json
from django.conf import settings as s
print(json.dumps({name: getattr(s, name, None) for name in (
    "DEBUG", "ALLOWED_HOSTS", "SESSION_COOKIE_NAME", "SESSION_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY",
    "CSRF_COOKIE_NAME", "CSRF_COOKIE_SECURE", "SECURE_SSL_REDIRECT", "SECURE_HSTS_SECONDS", "SECURE_PROXY_SSL_HEADER",
    "OTP_REQUIRED", "SIMULATOR_URL", "GATEWAY_HOSTS", "PUBLIC_URL", "CSRF_TRUSTED_ORIGINS", "CRASH_POINTS_ALLOWED")}))
"""


def start(module, variables, code=SHOW, cwd=ROOT):
    clean = {name: value for name, value in os.environ.items() if name not in OURS}
    environment = {**clean, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": module, **variables}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )


OURS = {variable_of(field) for field in Environment.model_fields} | {"PAYWRIGHT_CONFIG"}


def production(**changed):
    good = {name: value for name, value in values().items() if name != "DJANGO_SETTINGS_MODULE"}
    return {name: value for name, value in {**good, **changed}.items() if value is not None}


def test_production_with_all_it_needs_starts_strict():
    done = start("settings.production", production(PAYWRIGHT_ALLOWED_HOSTS="pay2.invalid"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "DEBUG": False,
        "ALLOWED_HOSTS": ["pay.invalid", "pay2.invalid", "127.0.0.1"],
        "SESSION_COOKIE_NAME": "__Host-session",
        "SESSION_COOKIE_SECURE": True,
        "SESSION_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_NAME": "__Host-csrf",
        "CSRF_COOKIE_SECURE": True,
        "SECURE_SSL_REDIRECT": True,
        "SECURE_HSTS_SECONDS": 31536000,
        "SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"],
        "OTP_REQUIRED": True,
        "SIMULATOR_URL": None,
        "GATEWAY_HOSTS": {},
        "PUBLIC_URL": "https://pay.invalid",
        "CSRF_TRUSTED_ORIGINS": ["https://pay.invalid", "https://pay2.invalid"],
        "CRASH_POINTS_ALLOWED": False,
    }


SHORT = f"k1:{base64.b64encode(secrets.token_bytes(16)).decode()}"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"DATABASE_URL": None}, "DATABASE_URL is not set. Name your PostgreSQL"),
        ({"DATABASE_URL": "mysql://a/b"}, "DATABASE_URL must look like postgresql://user:password@host:5432/name"),
        ({"REDIS_URL": None}, "REDIS_URL is not set. Name your Redis"),
        ({"PAYWRIGHT_SECRET_KEY": None}, "PAYWRIGHT_SECRET_KEY is not set. Make a good one with: python3"),
        ({"PAYWRIGHT_SECRET_KEY": TEST_SECRET_KEY}, "PAYWRIGHT_SECRET_KEY is a known example"),
        ({"PAYWRIGHT_MASTER_KEYS": None}, "PAYWRIGHT_MASTER_KEYS is not set. Make a good one with: python3"),
        ({"PAYWRIGHT_MASTER_KEYS": SHORT}, "PAYWRIGHT_MASTER_KEYS has a key (k1) of fewer than 32 bytes"),
        ({"PAYWRIGHT_MASTER_KEYS": TEST_MASTER_KEYS[1]}, "PAYWRIGHT_MASTER_KEYS holds a known example"),
        ({"PAYWRIGHT_PUBLIC_URL": "http://pay.invalid"}, "PAYWRIGHT_PUBLIC_URL must be the https address"),
        ({"PAYWRIGHT_PUBLIC_URL": None}, "PAYWRIGHT_PUBLIC_URL must be the https address"),
        ({"PAYWRIGHT_SIMULATOR_URL": "http://127.0.0.1:9"}, "PAYWRIGHT_SIMULATOR_URL is set: production talks to real"),
        ({"PAYWRIGHT_GATEWAY_HOSTS": "https://a=http://b"}, "PAYWRIGHT_GATEWAY_HOSTS is set: production talks to real"),
        ({"PAYWRIGHT_DEBUG": "1"}, "PAYWRIGHT_DEBUG is set: production never shows its insides"),
        ({"PAYWRIGHT_CRASH_AT": "after_intent_commit"}, "PAYWRIGHT_CRASH_AT is set: only the test settings may crash"),
        ({"PAYWRIGHT_TRUSTED_PROXIES": "0"}, "Nothing speaks https here"),
        ({"PAYWRIGHT_WEB_CERTIFICATE": "/c.pem"}, "Set PAYWRIGHT_WEB_CERTIFICATE and PAYWRIGHT_WEB_CERTIFICATE_KEY"),
    ],
)
def test_production_refuses_to_start(changed, message):
    given = production(**changed)
    done = start("settings.production", given)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"django.core.exceptions.ImproperlyConfigured: {message}")
    assert not any(
        given.get(name, "-" * 9) in done.stderr for name in ("PAYWRIGHT_SECRET_KEY", "PAYWRIGHT_MASTER_KEYS")
    )


def test_local_settings_refuse_crash_points():
    done = start("settings.local", {"PAYWRIGHT_CRASH_AT": "anywhere"})
    assert "PAYWRIGHT_CRASH_AT is set: only the test settings may crash on purpose" in done.stderr
    assert done.returncode == 1


def test_test_settings_arm_the_crash_point_that_is_named():
    killed = start("settings.test", {"PAYWRIGHT_CRASH_AT": "here"}, "import django; django.setup();"
                   "from core import crash; crash.point('elsewhere'); print('passed', flush=True); crash.point('here')")  # fmt: skip
    assert (killed.returncode, killed.stdout) == (-9, "passed\n")


@pytest.mark.parametrize("module", ["settings.local", "settings.test"])
def test_settings_without_servers_load_and_say_at_first_use_what_is_missing(module):
    code = (
        "import django; django.setup()\nfrom django.db import connection, OperationalError\n"
        "try: connection.cursor()\nexcept OperationalError as error: print(error)"
    )
    done = start(module, {}, code)
    assert done.stdout.startswith("DATABASE_URL is not set. Name a server"), done.stderr


def test_the_web_server_refuses_with_one_line_and_no_traceback():
    done = start("settings.production", production(PAYWRIGHT_MASTER_KEYS=None),
                 "from settings.serve import main; main()")  # fmt: skip
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stderr.startswith("paywright: PAYWRIGHT_MASTER_KEYS is not set. Make a good one with: python3 -c")


def test_a_command_refuses_with_one_line_and_no_traceback():
    code = (
        "import sys; sys.argv = ['manage.py', 'check', '--settings=settings.production']; import manage; manage.main()"
    )
    done = start("settings.local", production(PAYWRIGHT_SECRET_KEY="short"), code)
    assert done.returncode == 1
    assert done.stderr.startswith("paywright: PAYWRIGHT_SECRET_KEY is shorter than 50 characters or monotonous. Make a")
    assert len(done.stderr.strip().splitlines()) == 1


LIMITS = """
import json
from django.conf import settings as s
from core import rate_limit
print(json.dumps([s.METRICS_TOKEN, s.MAX_AMOUNT_MINOR, dict(rate_limit.limits())]))
"""


def limits_of(**changed):
    done = start("settings.production", production(**changed), code=LIMITS)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_limits_and_the_metrics_token_have_defaults():
    assert limits_of() == [None, None, {"key": 6000, "lab": 12000}]


def test_limits_and_the_metrics_token_come_from_the_environment_and_from_the_yaml_file(tmp_path):
    config = tmp_path / "paywright.yaml"
    config.write_text("metrics_token: from-the-file-0001\nmax_amount_minor: 5000000\napi_limit_per_key: 10\n")
    given = {"PAYWRIGHT_CONFIG": str(config), "PAYWRIGHT_API_LIMIT_PER_LAB": "0", "PAYWRIGHT_API_LIMIT_PER_KEY": "20"}
    assert limits_of(**given) == ["from-the-file-0001", 5000000, {"key": 20, "lab": 0}]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PAYWRIGHT_METRICS_TOKEN", "too-short"),
        ("PAYWRIGHT_MAX_AMOUNT_MINOR", "0"),
        ("PAYWRIGHT_MAX_AMOUNT_MINOR", "1.5"),
        ("PAYWRIGHT_API_LIMIT_PER_KEY", "-1"),
        ("PAYWRIGHT_API_LIMIT_PER_LAB", "many"),
    ],
)
def test_a_limit_or_token_that_cannot_be_meant_stops_the_start(name, value):
    done = start("settings.production", production(**{name: value}), code=LIMITS)
    assert done.returncode != 0
    assert name in done.stderr
    assert "too-short" not in done.stderr
