"""What must be true before a process may serve: usable master keys that open what this database was encrypted with.

Importing settings asks no server; these run as Django system checks (`migrate`, `check --database default`) and when a
web or worker process starts (`refuse_bad_start`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, OperationalError, ProgrammingError, connection

from core import encryption, guards

log = logging.getLogger(__name__)

_CHECK_TEXT: Final = b"paywright: this key opens what it sealed"


class WrongMasterKey(Exception):
    """The configured keys are not those with which this database was encrypted."""


def check_stored_values() -> None:
    """Prove that the ring belongs to this database, and store a check value for a first key that has none.

    Raises WrongMasterKey, MasterKeysUnusable, or the database's error.
    """
    ring = encryption.master_keys()
    with connection.cursor() as cursor:
        cursor.execute("SELECT key_id, sealed FROM core_encryptioncheck")
        stored: dict[str, str] = dict(cursor.fetchall())
        if stored and not any(key.key_id in stored for key in ring):
            raise WrongMasterKey(
                "none of the configured master keys was ever used with this database:"
                f" put back the key with the id {' or '.join(sorted(stored))}"
            )
        for key in ring:
            if key.key_id in stored:
                _open_check(key.key_id, stored[key.key_id])
        if ring[0].key_id not in stored:
            cursor.execute(
                "INSERT INTO core_encryptioncheck (key_id, sealed, created_at) VALUES (%s, %s, now())"
                " ON CONFLICT (key_id) DO NOTHING",
                [ring[0].key_id, encryption.wrap(f"check|{ring[0].key_id}", _CHECK_TEXT)],
            )


def _open_check(key_id: str, sealed: str) -> None:
    try:
        opened = encryption.unwrap(f"check|{key_id}", sealed)
    except encryption.CannotOpen:
        opened = b""
    if opened != _CHECK_TEXT:
        raise WrongMasterKey(
            f"the master key {key_id!r} does not open the check value stored under its id: put it right"
        )


def prepare_database(**_: Any) -> None:
    """After `migrate`: store the check value and make the installation's secrets, outside any request."""
    try:
        check_stored_values()
        encryption.system_secret("lookup")
    except ProgrammingError:  # migrated to a state without these tables
        log.info("encryption tables are not there yet")


def refuse_bad_start() -> None:
    """Called once by every web and worker process. Raises ImproperlyConfigured with what to do.

    A database that cannot be reached does not stop the start: requests answer 503 until it is back, and /readyz says so.
    """
    try:
        encryption.master_keys()
        check_stored_values()
        missing = guards.missing()
    except (encryption.MasterKeysUnusable, WrongMasterKey) as error:
        raise ImproperlyConfigured(str(error)) from None
    except ProgrammingError:
        raise ImproperlyConfigured("the database is not migrated: run manage.py migrate") from None
    except (OperationalError, InterfaceError):
        log.warning("the database cannot be reached at start; requests answer 503 until it is back")
        return
    if missing:
        raise ImproperlyConfigured(f"guards are missing in the database: {', '.join(missing)}; run manage.py migrate")


def check_master_keys(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    try:
        encryption.master_keys()
    except encryption.MasterKeysUnusable as error:
        return [Error(str(error), id="core.E001")]
    return []


def check_database(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Runs only when the database is asked for (`migrate`, `check --database default`)."""
    if not databases:
        return []
    try:
        check_stored_values()
    except (encryption.MasterKeysUnusable, WrongMasterKey) as error:
        return [Error(str(error), id="core.E002")]
    except DatabaseError:  # before the first migration there is nothing to check against
        return []
    return []
