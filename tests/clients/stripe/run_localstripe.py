"""Starts localstripe, a fake Stripe written by others, on loopback: python run_localstripe.py PORT

Run by the Python of `.venv-localstripe` and imported by nothing: the fake has a license and libraries of its own. Its own
command would listen on every interface and keep its data in a file of the system's temporary folder.
"""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import sys

from aiohttp import web
from localstripe import resources
from localstripe.server import app

resources.Store.dump_to_disk = lambda self: None
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
