"""What every process that serves does first: prove that keys, database and guards belong together, or not start."""

from __future__ import annotations

import sys
from typing import cast

from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.db.backends.postgresql.base import DatabaseWrapper


def refuse_bad_start() -> None:
    """Raises ImproperlyConfigured where this process must not serve. Leaves no connection open: a fork may follow."""
    from core.startup import refuse_bad_start as check  # needs the apps to be loaded

    try:
        check()
    finally:
        connection.close()
        cast(DatabaseWrapper, connection).close_pool()  # its threads would not survive a fork


def stop_on_bad_settings() -> None:
    """Load Django and check the start; a problem ends the process with one line, without a traceback."""
    import django

    try:
        django.setup()
        refuse_bad_start()
    except ImproperlyConfigured as problem:
        sys.exit(f"paywright: {problem}")
