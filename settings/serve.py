"""The web server of production and of `make run`: granian, set up from the same typed environment as everything else.

python -m settings.serve
"""

from __future__ import annotations

import os

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from settings.start import stop_on_bad_settings


def main() -> None:
    """Serve until told to stop. What is wrong with the settings ends it with one line, before any worker is born."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.production")
    stop_on_bad_settings()
    from django.conf import settings

    environment = settings.ENVIRONMENT
    Granian(
        "settings.wsgi:application",
        interface=Interfaces.WSGI,
        address=environment.web_host,
        port=environment.web_port,
        workers=environment.web_workers,
        blocking_threads=environment.web_threads,
        ssl_cert=environment.web_certificate,
        ssl_key=environment.web_certificate_key,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
    ).serve()


if __name__ == "__main__":
    main()
