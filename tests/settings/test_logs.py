"""What reaches a log is an allow-list: INVARIANTS' rule that no secret, token or raw body does."""

from __future__ import annotations

import io
import json
import logging
import logging.config

import pytest
import structlog

from settings.logs import logging_config

TOKEN = "kJ8x2mQ-9_vLw3ZtYb7RcDfGhN4pS6aE"


@pytest.fixture
def log():
    """Everything logged inside the test, as parsed JSON lines."""
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    config = logging_config(level="INFO", as_json=True)
    logging.config.dictConfig({**config, "loggers": {}})
    stream = io.StringIO()
    root.handlers[0].setStream(stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = kept


def test_a_field_that_is_not_listed_is_dropped(log):
    structlog.get_logger("paywright.test").info("paid", payment="PAY_1", authorization="Bearer x", body={"card": "1"})
    (line,) = log()
    assert {name: line[name] for name in line if name != "timestamp"} == {
        "event": "paid",
        "payment": "PAY_1",
        "level": "info",
        "logger": "paywright.test",
    }


def test_fields_of_the_standard_logger_are_dropped_too(log):
    logging.getLogger("library").warning("said %s", "this", extra={"password": "hunter2"})
    (line,) = log()
    assert (line["event"], line["level"]) == ("said this", "warning")
    assert "hunter2" not in json.dumps(line)


def test_a_token_in_an_address_is_hidden_and_a_public_id_is_not(log):
    logger = structlog.get_logger("paywright.test")
    logger.info("request_started", request=f"POST /payments/webhook/stripe/{TOKEN}")
    logger.info("request_started", request="GET /payments/status/PAY_20261120183005_1a2b3c4d?token=abc")
    logging.getLogger("django.request").error("Internal Server Error: /pay/%s", TOKEN)
    assert [(line["event"], line.get("request")) for line in log()] == [
        ("request_started", "POST /payments/webhook/stripe/***"),
        ("request_started", "GET /payments/status/PAY_20261120183005_1a2b3c4d"),
        ("Internal Server Error: /pay/***", None),
    ]


def test_a_line_break_cannot_forge_an_entry(log):
    structlog.get_logger("paywright.test").info("bad\nlevel=error forged", reason="a\r\nb")
    (line,) = log()
    assert (line["event"], line["reason"]) == ("bad\\nlevel=error forged", "a\\r\\nb")


def test_a_traceback_comes_without_local_variables(log):
    def fail(credential):
        raise ValueError("no")

    try:
        fail("hunter2")
    except ValueError:
        structlog.get_logger("paywright.test").exception("failed")
    (line,) = log()
    assert line["exception"].endswith("ValueError: no")
    assert "hunter2" not in line["exception"].replace('fail("hunter2")', "")  # the source line of the call stays


def test_a_row_that_the_database_refused_is_not_repeated(log):
    refused = (
        'new row for relation "payments_payment" violates check constraint "payments_payment_refunds_fit"\n'
        "DETAIL:  Failing row contains (7, PAY_1, ada@example.com,\nsecond line, v1.sealed).\nCONTEXT:  SQL statement"
    )
    try:
        raise ValueError(refused)
    except ValueError:
        structlog.get_logger("paywright.test").exception("failed", error=refused)
    (line,) = log()
    for text in (line["exception"], line["error"]):
        assert "payments_payment_refunds_fit" in text
        assert "CONTEXT:  SQL statement" in text
        assert "ada@example.com" not in text
        assert "sealed" not in text
