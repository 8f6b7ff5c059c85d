"""The checks of `make check` that are our own find what they are there to find."""

from __future__ import annotations

import pytest

from scripts import browser, check_addresses, lock


@pytest.mark.parametrize(
    "line",
    [
        "see https://" + "pypi" + ".org/project/x",
        "--extra-" + "index-url https://host/x",
        "--find" + "-links /x",
        "open('/ro" + "ot/x')",
        "cd /ho" + "me/somebody/project",
        "postgres at 10." + "1.2.3:5432",
    ],
)
def test_an_index_or_a_machine_path_is_found(line):
    assert len(check_addresses._problems("file", f"first\n{line}\n".encode())) == 1


@pytest.mark.parametrize(
    "line", ["version 10.1.2.3.4", "https://api.stripe.com/v1", "GET /v1/home/x", "--no-emit-index-url"]
)
def test_what_is_no_address_passes(line):
    assert check_addresses._problems("file", line.encode()) == []


def test_a_lock_with_an_address_or_without_a_hash_is_refused():
    good = "django==5.2 \\\n    --hash=sha256:abc\n"
    assert lock.problems_of("base", good) == []
    assert lock.problems_of("base", good + "celery==5.7\n") == ["base.txt: no hash: celery==5.7"]
    assert len(lock.problems_of("base", "--extra-" + "index-url https://host\n" + good)) == 2


def test_a_browser_that_does_not_start_is_not_found(tmp_path, monkeypatch):
    fake = tmp_path / "chromium"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("CHROMIUM", str(fake))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "none"))
    assert browser.find() is None


def test_the_newest_download_of_playwright_is_found(tmp_path, monkeypatch):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path))
    for revision in ("999", "1200"):
        place = tmp_path / f"chromium_headless_shell-{revision}" / "chrome-linux"
        place.mkdir(parents=True)
        (place / "headless_shell").write_text("#!/bin/sh\necho Chromium 1\n")
        (place / "headless_shell").chmod(0o755)
    assert browser.find() == str(tmp_path / "chromium_headless_shell-1200" / "chrome-linux" / "headless_shell")
