"""What a WSGI server loads: `settings.wsgi:application`."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from settings.start import refuse_bad_start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.production")

application = get_wsgi_application()
refuse_bad_start()
