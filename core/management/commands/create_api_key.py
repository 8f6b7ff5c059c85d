"""Make an API key from the command line. Its text is printed once and kept nowhere."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core import labs
from core.gateways.types import Mode
from core.models import Lab, Scope


class Command(BaseCommand):
    """The same service as everywhere; leaves an audit row."""

    help = "Make an API key of a lab and print it, once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("lab", help="the lab's slug")
        parser.add_argument("--mode", choices=[mode.value for mode in Mode], default=Mode.TEST.value)
        parser.add_argument("--name", default="command line")
        parser.add_argument(
            "--scope", action="append", choices=Scope.values, help="repeatable; all where none is given"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        lab = Lab.objects.filter(slug=options["lab"]).first()
        if lab is None:
            raise CommandError(f"there is no lab {options['lab']!r}")
        made = labs.create_api_key(
            lab=lab,
            mode=options["mode"],
            name=options["name"],
            scopes=options["scope"] or Scope.values,
            actor="command create_api_key",
        )
        self.stdout.write(made.text)
