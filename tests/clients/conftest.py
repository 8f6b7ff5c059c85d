"""Let pytest explain the plain asserts of the importable suite too."""

import pytest

pytest.register_assert_rewrite("core.gateways.contract", "core.gateways.testing", "tests.clients.against")
