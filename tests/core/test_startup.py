from __future__ import annotations

import base64
import os

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import OperationalError, connection

from core import guards, startup
from core.models import EncryptionCheck


def entry(key_id: str) -> str:
    return f"{key_id}:{base64.b64encode(os.urandom(32)).decode()}"


def test_a_good_ring_starts_and_leaves_a_check_value(db):
    startup.refuse_bad_start()
    assert list(EncryptionCheck.objects.values_list("key_id", flat=True)) == ["test-b"]


def test_start_is_refused_without_a_master_key(db, settings):
    settings.MASTER_KEYS = ()
    with pytest.raises(ImproperlyConfigured, match="MASTER_KEYS is empty"):
        startup.refuse_bad_start()


def test_start_is_refused_with_a_short_master_key(db, settings):
    settings.MASTER_KEYS = ("k:" + base64.b64encode(os.urandom(16)).decode(),)
    with pytest.raises(ImproperlyConfigured, match="shorter than 32 bytes"):
        startup.refuse_bad_start()


def test_start_is_refused_with_a_key_that_was_never_used_here(db, settings):
    settings.MASTER_KEYS = (entry("stranger"),)
    with pytest.raises(ImproperlyConfigured, match="put back the key with the id test-b"):
        startup.refuse_bad_start()


def test_start_is_refused_with_another_key_under_a_known_id(db, settings):
    settings.MASTER_KEYS = (entry("test-b"),)
    with pytest.raises(ImproperlyConfigured, match="'test-b' does not open the check value"):
        startup.refuse_bad_start()


def test_a_new_first_key_beside_a_known_one_is_taken_in(db, settings):
    settings.MASTER_KEYS = (entry("fresh"), *settings.MASTER_KEYS)
    startup.refuse_bad_start()
    assert set(EncryptionCheck.objects.values_list("key_id", flat=True)) == {"fresh", "test-b"}


def test_start_is_refused_when_a_guard_is_missing(db):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_auditlog DISABLE TRIGGER core_auditlog_no_change")
    with pytest.raises(ImproperlyConfigured, match=r"core_auditlog\.core_auditlog_no_change"):
        startup.refuse_bad_start()


def test_a_database_that_is_away_does_not_stop_the_start(monkeypatch):
    def away() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(startup, "check_stored_values", away)
    startup.refuse_bad_start()


def test_the_system_checks_refuse_too(db, settings):
    settings.MASTER_KEYS = (entry("stranger"),)
    with pytest.raises(SystemCheckError, match=r"core\.E002"):
        call_command("check", "--tag", "database", "--database", "default")
    settings.MASTER_KEYS = ()
    with pytest.raises(SystemCheckError, match=r"core\.E001"):
        call_command("check", "--tag", "security")


def test_every_guard_that_core_names_exists(db):
    assert [name for name in guards.missing() if name.startswith("core_")] == []


def test_a_dropped_constraint_is_missed(db):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE core_idempotencykey DROP CONSTRAINT core_idempotencykey_scope_uniq")
    assert "core_idempotencykey.core_idempotencykey_scope_uniq" in guards.missing()
