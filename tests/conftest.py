"""What every test stands on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import TransactionTestCase

from tests.database import empty_database


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--mutations", type=int, default=50_000, help="changed deliveries that tests/clients/test_mutations.py plays"
    )


@pytest.fixture(scope="session", autouse=True)
def _tests_that_commit_clean_up_their_own_way() -> Iterator[None]:
    """Django would flush by TRUNCATE, which the guards of the books refuse, as they should."""

    def empty(case: TransactionTestCase) -> None:
        for using in case._databases_names(include_mirrors=False):
            empty_database(using)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
        yield
