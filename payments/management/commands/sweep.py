"""`manage.py sweep`: what worker and beat do, without them. For recovery, cron, and tests."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from payments import sweep as sweeping


class Command(BaseCommand):
    help = "Apply waiting webhooks, look up unknown outcomes, poll, expire. One pass, or --every SECONDS."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--every", type=float, default=None, metavar="SECONDS", help="repeat until stopped")

    def handle(self, *args: Any, **options: Any) -> None:
        while True:
            done = sweeping.sweep()
            self.stdout.write(
                f"crashed operations {done.crashed}, webhook events {done.events}, payments asked {done.payments}, "
                f"refunds asked {done.refunds}, methods asked {done.methods}, disputes asked {done.disputes}, "
                f"handed to staff {done.given_up}"
            )
            if options["every"] is None:
                return
            time.sleep(options["every"])
