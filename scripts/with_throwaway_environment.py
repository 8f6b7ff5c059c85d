"""Runs a command with production settings whose secrets are random and whose servers do not exist.

    python scripts/with_throwaway_environment.py python manage.py check --deploy

For what needs settings but no server: system checks and collecting static files. Needs the standard library alone.
"""

from __future__ import annotations

import base64
import os
import secrets
import sys


def values() -> dict[str, str]:
    """An environment that production accepts and that opens nothing."""
    return {
        "DJANGO_SETTINGS_MODULE": "settings.production",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "PAYWRIGHT_SECRET_KEY": secrets.token_urlsafe(50),
        "PAYWRIGHT_MASTER_KEYS": f"throwaway:{base64.b64encode(os.urandom(32)).decode()}",
        "PAYWRIGHT_PUBLIC_URL": "https://pay.invalid",
        "PAYWRIGHT_TRUSTED_PROXIES": "1",
    }


def main(command: list[str]) -> None:
    if not command:
        sys.exit("usage: with_throwaway_environment.py COMMAND ...")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PAYWRIGHT_")}
    os.execvpe(command[0], command, {**kept, **values()})


if __name__ == "__main__":
    main(sys.argv[1:])
