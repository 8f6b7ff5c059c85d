"""The browsable page of the API in a real Chromium, under the policy that it is served with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from payments.api.openapi import document
from scripts import browser as chromium

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser


@pytest.fixture
def page(django_db_setup: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    path = chromium.find()
    if path is None:
        pytest.skip("no Chromium here: python -m scripts.browser installs one")
    # Playwright's loop runs in this thread, and Django takes that for a view that would block it.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened.new_page(viewport={"width": 1280, "height": 900})
        opened.close()


def test_every_operation_is_shown_and_the_policy_blocks_nothing_of_it(live_server: Any, page: Any) -> None:
    problems: list[str] = []
    asked: list[str] = []
    page.on("console", lambda told: problems.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{live_server.url}/docs")
    page.locator(".opblock").first.wait_for()
    assert page.locator(".opblock").count() == sum(len(item) for item in document()["paths"].values())
    page.get_by_text("/payments/initiate", exact=True).click()
    page.get_by_text("order-1042").first.wait_for()
    assert problems == []
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []
