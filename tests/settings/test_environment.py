"""The environment is typed, the YAML file comes second, and `.env.example` lists all there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from settings import environment
from settings.environment import CONFIG_VARIABLE, Environment, load, master_key_entries, reveal, variable_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    for name in [variable_of(field) for field in Environment.model_fields] + [CONFIG_VARIABLE]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def config(tmp_path, monkeypatch):
    path = tmp_path / "paywright.yaml"
    monkeypatch.setenv(CONFIG_VARIABLE, str(path))
    return path


def test_nothing_said_means_the_defaults():
    assert load().model_dump(exclude_defaults=True) == {}


def test_values_are_typed_and_lists_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("PAYWRIGHT_WEB_WORKERS", "7")
    monkeypatch.setenv("PAYWRIGHT_ALLOWED_HOSTS", "a.example.com, b.example.com")
    monkeypatch.setenv("PAYWRIGHT_GATEWAY_HOSTS", "https://api.stripe.com=http://127.0.0.1:9/api.stripe.com")
    read = load()
    assert read.web_workers == 7
    assert read.allowed_hosts == ("a.example.com", "b.example.com")
    assert read.gateway_hosts == {"https://api.stripe.com": "http://127.0.0.1:9/api.stripe.com"}


def test_an_empty_variable_counts_as_not_set(monkeypatch):
    monkeypatch.setenv("PAYWRIGHT_SECRET_KEY", "")
    assert load().secret_key is None


def test_the_environment_wins_over_the_yaml_file(config, monkeypatch):
    config.write_text(
        "public_url: https://file.example.com/\nredis_url: redis://file\ndatabase_url: postgresql://file/x\n"
        "web_port: 9001\nmaster_keys: [a:b, c:d]\n"
    )
    monkeypatch.setenv("PAYWRIGHT_PUBLIC_URL", "https://variable.example.com")
    monkeypatch.setenv("REDIS_URL", "redis://variable")
    read = load()
    assert read.public_url == "https://variable.example.com"
    assert reveal(read.redis_url) == "redis://variable"
    assert reveal(read.database_url) == "postgresql://file/x"
    assert read.web_port == 9001
    assert master_key_entries(read) == ("a:b", "c:d")


def test_wrong_values_are_named_together_and_not_shown(monkeypatch):
    monkeypatch.setenv("PAYWRIGHT_WEB_PORT", "hunter2-secret")
    monkeypatch.setenv("PAYWRIGHT_PUBLIC_URL", "ftp://hunter2-secret")
    with pytest.raises(ImproperlyConfigured) as refused:
        load()
    assert str(refused.value) == (
        "PAYWRIGHT_PUBLIC_URL: must look like https://pay.your-company.com, without a query; "
        "PAYWRIGHT_WEB_PORT: Input should be a valid integer, unable to parse string as an integer"
    )
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_a_misspelt_name_in_the_file_is_refused(config):
    config.write_text("secrt_key: hunter2-secret\n")
    with pytest.raises(ImproperlyConfigured) as refused:
        load()
    assert str(refused.value) == (
        "PAYWRIGHT_SECRT_KEY: this is not a setting; look at the file that PAYWRIGHT_CONFIG names"
    )


@pytest.mark.parametrize("content", ["- a\n- list\n", "a: [unclosed hunter2-secret\n", "1: 2\n"])
def test_a_file_that_is_no_mapping_is_refused_without_quoting_it(config, content):
    config.write_text(content)
    with pytest.raises(ImproperlyConfigured, match=CONFIG_VARIABLE) as refused:
        load()
    assert "hunter2" not in str(refused.value)


def test_a_file_that_is_missing_is_refused(config):
    with pytest.raises(ImproperlyConfigured, match=r"paywright\.yaml cannot be read: FileNotFoundError"):
        load()


def test_no_secret_stands_in_the_repr(monkeypatch):
    for field in ("secret_key", "master_keys", "database_url", "redis_url", "email_url"):
        monkeypatch.setenv(variable_of(field), "hunter2-secret")
    assert "hunter2" not in repr(load())


def test_master_keys_come_from_a_file_one_a_line(tmp_path, monkeypatch):
    path = tmp_path / "keys"
    path.write_text("# the new one\nnew:abc\n\nold:def\n")
    monkeypatch.setenv("PAYWRIGHT_MASTER_KEYS_FILE", str(path))
    assert master_key_entries(load()) == ("new:abc", "old:def")


def test_master_keys_in_two_places_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PAYWRIGHT_MASTER_KEYS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("PAYWRIGHT_MASTER_KEYS", "a:b")
    with pytest.raises(ImproperlyConfigured, match="not both"):
        master_key_entries(load())


def test_a_master_keys_file_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PAYWRIGHT_MASTER_KEYS_FILE", str(tmp_path / "missing"))
    with pytest.raises(ImproperlyConfigured) as refused:
        master_key_entries(load())
    assert str(refused.value) == "PAYWRIGHT_MASTER_KEYS_FILE cannot be read: FileNotFoundError."


def test_the_example_lists_every_setting_and_no_other():
    text = (ROOT / ".env.example").read_text()
    listed = re.findall(r"^#?([A-Z][A-Z_]+)=", text, re.MULTILINE)
    known = {variable_of(field) for field in Environment.model_fields} | {CONFIG_VARIABLE, "DJANGO_SETTINGS_MODULE"}
    assert sorted(listed) == sorted(known)


def test_every_default_in_the_example_is_the_true_one(monkeypatch):
    shown = dict(re.findall(r"^#(PAYWRIGHT_[A-Z_]+)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
    shown.pop(CONFIG_VARIABLE)
    shown.pop("PAYWRIGHT_MASTER_KEYS_FILE")
    assert len(shown) > 8
    for name, value in shown.items():
        monkeypatch.setenv(name, value)
    assert load().model_dump(exclude_defaults=True) == {}


def test_code_reads_the_environment_in_one_place_only():
    allowed = {"settings/environment.py", "settings/wsgi.py", "settings/celery.py", "settings/serve.py", "manage.py"}
    reads = [
        str(path.relative_to(ROOT))
        for package in ("settings", "payments", "finance", "clients")
        for path in sorted((ROOT / package).rglob("*.py"))
        if re.search(r"os\.(environ|getenv)", path.read_text())
    ]
    # `make run` and `make bench` start processes, whose environment they write.
    starters = ("payments/management/", "payments/demo/", "payments/bench/")
    assert [name for name in reads if name not in allowed and not name.startswith(starters)] == []


def test_crash_points_are_known_to_test_settings_alone():
    assert environment.is_testing() is True
