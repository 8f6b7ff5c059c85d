"""What the platform makes of something a gateway said. Reads JSON Lines, writes one JSON line for each, in order.

In:  {"gateway", "mode"?: "live"|"test", "config": {credential fields}, "now"?: unix seconds} and one of
     "delivery": {"method"?, "url"?, "headers"?, "body"?}      a webhook, body as text exactly as received
     "return": {the same}                                      a browser return
     "answer": {"operation", "to"?: {"method", "url"}, "status", "headers"?, "body"?}
     "build": {"operation", ...}                               what would be sent
     and "asked"?: {reference, gateway_reference, amount_minor, asset, ...}
Out: {"verified", "error", "reason", "event_key", "reply", "reports", "request"?, ...}
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError

from core.gateways.explain.lines import explain_line
from core.gateways.registry import gateway_class


class Command(BaseCommand):
    help = "Explain what the platform makes of webhooks, returns and answers of a gateway. Changes nothing."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.formatter_class, parser.epilog = RawDescriptionHelpFormatter, __doc__  # what a line holds, line by line
        parser.add_argument("file", nargs="?", default="-", help="a file of JSON lines, or - for standard input")
        parser.add_argument("--pretty", action="store_true", help="indent the answers, for people")
        parser.add_argument("--show-secrets", action="store_true", help='leave the config\'s secrets in "request"')

    def handle(self, *args: Any, **options: Any) -> None:
        with _opened(options["file"]) as lines:
            for line in lines:
                if line.strip():
                    self._explain(line, options)

    def _explain(self, line: bytes, options: dict[str, Any]) -> None:
        found = explain_line(
            line.removeprefix(b"\xef\xbb\xbf"), find_gateway=gateway_class, show_secrets=options["show_secrets"]
        )
        # ASCII: a lone surrogate in somebody's body must not stop the output, whatever the terminal's encoding is.
        self.stdout.write(json.dumps(found, indent=2 if options["pretty"] else None))
        self.stdout.flush()


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        with Path(name).open("rb") as lines:
            yield lines
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}") from None
