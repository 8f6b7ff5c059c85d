#!/usr/bin/env python
"""Django's commands, with a database and a Redis started for those that need them and are given none."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from core import embedded
from payments.demo import notes

RUN_DIR = Path(__file__).resolve().parent / ".run"

# Production names its servers. A missing DATABASE_URL must stop it there, not open an empty database of its own.
SETTINGS_WITH_OWN_SERVERS = frozenset({"settings.local", "settings.test"})

NO_SERVERS = frozenset(
    {
        "bench",  # measures on servers that it starts itself
        "check",  # with --database it needs one, see below
        "collectstatic",
        "compilemessages",
        "diffsettings",
        "explain",
        "findstatic",
        "gateway_table",
        "help",
        "makemessages",
        "makemigrations",  # reads models and files; without a database it skips comparing with what was applied
        "sendtestemail",
        "spectacular",
        "startapp",
        "startgateway",
        "startproject",
        "version",
    }
)


def needs_servers(argv: list[str]) -> bool:
    """Whether `manage.py` called like this needs a database. Any command that is not listed does."""
    arguments = argv[1:]
    if not arguments or {"-h", "--help", "--version"} & set(arguments):
        return False
    if arguments[0] == "check":
        return any(argument.startswith("--database") for argument in arguments)
    return arguments[0] not in NO_SERVERS


def settings_module(argv: list[str]) -> str:
    """The settings that Django will take: `--settings x`, `--settings=x`, else the environment's."""
    for position, argument in enumerate(argv):
        if argument == "--settings" and position + 1 < len(argv):
            return argv[position + 1]
        if argument.startswith("--settings="):
            return argument.removeprefix("--settings=")
    return os.environ["DJANGO_SETTINGS_MODULE"]


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.local")
    if needs_servers(sys.argv) and settings_module(sys.argv) in SETTINGS_WITH_OWN_SERVERS:
        try:
            embedded.ensure_environment(RUN_DIR)
        except embedded.EmbeddedError as error:
            sys.exit(str(error))
        know_running_demo()
    stop_on_bad_settings()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def know_running_demo() -> None:
    """Beside a running `make run`, on its database: the same addresses, so that no real gateway is asked about it."""
    for name, value in notes.environment_beside(RUN_DIR, database_url=os.environ.get("DATABASE_URL")).items():
        os.environ.setdefault(name, value)


def stop_on_bad_settings() -> None:
    """A setting that is missing or wrong ends here, with the one line that says what to do instead of a traceback."""
    os.environ["DJANGO_SETTINGS_MODULE"] = settings_module(sys.argv)
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured

    try:
        _ = settings.INSTALLED_APPS
    except ImproperlyConfigured as problem:
        sys.exit(f"paywright: {problem}")


if __name__ == "__main__":
    main()
