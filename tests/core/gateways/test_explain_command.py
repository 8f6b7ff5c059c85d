"""`manage.py explain` reads lines and writes lines, with no environment, server, network or database at all."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

BUILD = {"gateway": "toy", "config": {"api_key": "toy_test_a8Kd93jX"}, "build": {"operation": "initiate"}}
TOY = override_settings(GATEWAYS={"toy": "tests.core.gateways.toy.ToyGateway"})


def run(tmp_path: Path, text: bytes, **options: Any) -> str:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(text)
    out = io.StringIO()
    with TOY:
        call_command("explain", str(path), stdout=out, **options)
    return out.getvalue()


def test_each_line_gets_its_line_in_order_also_after_a_bad_one(tmp_path: Path) -> None:
    good = json.dumps(BUILD).encode()
    lines = run(tmp_path, b"\xef\xbb\xbf" + good + b"\r\n\nnonsense\n\xff\n" + good).splitlines()
    errors = [json.loads(line)["error"] for line in lines]
    assert errors == [None, "RequestRejected", "RequestRejected", None]
    assert json.loads(lines[0])["request"]["url"] == "https://sandbox.toy.example.test/orders"


def test_pretty_is_indented(tmp_path: Path) -> None:
    text = run(tmp_path, json.dumps(BUILD).encode(), pretty=True)
    assert text.startswith('{\n  "verified": null,\n')
    assert json.loads(text)["error"] is None


def test_secrets_are_shown_only_when_told_to(tmp_path: Path) -> None:
    line = json.dumps({**BUILD, "build": {"operation": "initiate", "description": "form"}}).encode()
    assert "a8Kd93jX" not in run(tmp_path, line)
    shown = json.loads(run(tmp_path, line, show_secrets=True))
    assert "key=toy_test_a8Kd93jX" in shown["request"]["body"]
    assert "a8Kd93jX" not in json.dumps(shown["reports"])


def test_a_lone_surrogate_does_not_stop_the_output(tmp_path: Path) -> None:
    line = json.dumps({**BUILD, "build": {"operation": "initiate", "reference": "\ud83d"}}).encode()
    assert run(tmp_path, line).isascii()


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("explain", str(tmp_path / "missing.jsonl"))


def test_it_runs_with_no_environment_and_starts_no_server(tmp_path: Path) -> None:
    root = Path(settings.BASE_DIR)
    line = {"gateway": "stripe", "config": {"webhook_secret": "whsec_doc_1"}, "delivery": {"headers": {}, "body": "{}"}}
    found = subprocess.run(
        [sys.executable, str(root / "manage.py"), "explain", "-", "--settings=settings.test"],
        input=json.dumps(line),
        env={"HOME": str(tmp_path), "PATH": os.defpath},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        check=False,
    )
    assert (found.returncode, found.stderr) == (0, "")
    assert json.loads(found.stdout)["error"] == "WebhookRejected"
