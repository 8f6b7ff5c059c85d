"""What reaches a log: an allow-list of fields, no line break, no token of an address (INVARIANTS §12).

A field that is not listed is dropped without a word, whoever wrote it: adding one here is a decision to publish it.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from core.causes import without_rows

ALLOWED: Final = frozenset(
    {
        "event", "level", "logger", "timestamp", "exception",
        "request_id", "correlation_id", "request", "code", "user_id",
        "task_id", "parent_task_id", "task", "task_name", "duration_ms", "tries", "count", "rows",
        "lab", "lab_id", "gateway", "gateway_key", "mode", "operation", "outcome", "cause", "status", "attention",
        "payment", "refund", "dispute", "withdrawal", "webhook_event", "outbox_event", "transaction",
        "reason", "error", "check", "host", "command",
    }
)  # fmt: skip

# A path segment of 22 or more characters can hold 128 bits: a webhook token, a link. Public ids are names, not secrets.
_TOKEN: Final = re.compile(r"(?<=/)(?!(?:PAY|WD)_\d{14}_)[A-Za-z0-9_\-=.%]{22,}")
_NOISY: Final = (
    "httpx",
    "httpcore",
    "urllib3",
    "stripe",
    "faker",
    "kombu",
    "amqp",
    "django_structlog.celery.receivers",
)

Event = MutableMapping[str, Any]


def keep_allowed(_logger: object, _method: str, event: Event) -> Event:
    """Drop every field that is not on the list. Those that begin with `_` are structlog's own."""
    return {name: value for name, value in event.items() if name in ALLOWED or name.startswith("_")}


def hide_tokens(_logger: object, _method: str, event: Event) -> Event:
    """Cut queries, and what may be a token, out of addresses in `event` and `request`."""
    for name in ("event", "request"):
        if isinstance(event.get(name), str):
            event[name] = _TOKEN.sub("***", event[name])
    if isinstance(event.get("request"), str):
        event["request"] = event["request"].partition("?")[0]
    return event


def escape_lines(_logger: object, _method: str, event: Event) -> Event:
    """One event, one line: whoever can write a line break into a field could forge an entry. Tracebacks stay."""
    for name, value in event.items():
        if isinstance(value, str) and name != "exception":
            event[name] = value.replace("\r", "\\r").replace("\n", "\\n")
    return event


def hide_rows(_logger: object, _method: str, event: Event) -> Event:
    """PostgreSQL quotes the row that it refused: names, addresses, sealed tokens."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = without_rows(value)
    return event


_CLEANING: Final[list[Any]] = [keep_allowed, hide_tokens, hide_rows, escape_lines]
_SHARED: Final[list[Any]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
]


def logging_config(*, level: str, as_json: bool) -> dict[str, Any]:
    """Django's LOGGING: structlog for our own lines and for everybody else's; JSON for machines, plain for a terminal."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structlog": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _SHARED,
                "processors": [
                    # Rendered without local variables: they hold credentials.
                    structlog.processors.format_exc_info,
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *_CLEANING,
                    renderer,
                ],
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "structlog"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "django": {"handlers": [], "level": level, "propagate": True},
            # django_structlog says each request once; Django's own line for 4xx would say it again.
            "django.request": {"level": "ERROR"},
            # A scanner's guess at a host name is no event of ours; the answer is 400.
            "django.security.DisallowedHost": {"handlers": [], "level": "CRITICAL", "propagate": False},
            "django.server": {"handlers": [], "propagate": True},
            **{name: {"level": "WARNING"} for name in _NOISY},
        },
    }
