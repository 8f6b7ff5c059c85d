"""A pytest plugin (`-p tests.plugin_ninth`): the test environment has one more gateway installed, of somebody else.

It is installed by pip into a folder of its own, which tests alone look into: `make run` shows what the project ships.
It is there before Django reads its settings, since they list what is installed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator

import pytest

from scripts import bootstrap


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests() -> Generator[None]:
    if "PYTEST_XDIST_WORKER" not in os.environ and not bootstrap.install_ninth(sys.executable):
        raise pytest.UsageError("the ninth gateway (tests/ninth/tollbooth) could not be installed: see above")
    sys.path.append(str(bootstrap.NINTH))
    return (yield)
