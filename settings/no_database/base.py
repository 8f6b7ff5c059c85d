"""The database engine of settings without a DATABASE_URL: PostgreSQL that cannot be reached.

Commands that need no server (`explain`, type checks, `makemigrations`) then load the same models and write the same SQL
as ever; the first statement that wants a server raises, and says what to do.
"""

from __future__ import annotations

from typing import Any, NoReturn

from django.db.backends.postgresql import base
from django.db.utils import OperationalError


class DatabaseWrapper(base.DatabaseWrapper):
    """Has no connection to give."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> NoReturn:
        """Raises OperationalError, as a database that is gone does."""
        raise OperationalError(
            "DATABASE_URL is not set. Name a server (postgresql://user:password@host:5432/name), or start through "
            "manage.py or `make run`, which bring one of their own."
        )
