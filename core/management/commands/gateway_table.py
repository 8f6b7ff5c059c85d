"""`manage.py gateway_table`: write docs/gateways.md from the declarations of all registered gateways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.gateways import registry, table


class Command(BaseCommand):
    help = "Write docs/gateways.md from what the gateways in settings declare; --check only compares."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="exit 1 where the page is not current")

    def handle(self, *args: Any, **options: Any) -> None:
        # Those of settings: a package that happens to be installed here is not part of this project's documents.
        classes = {slug: registry.gateway_class(slug) for slug in settings.GATEWAYS}
        path = Path(settings.BASE_DIR) / "docs" / "gateways.md"
        text = table.markdown(classes)
        if not options["check"]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            raise CommandError("docs/gateways.md is not current: run `manage.py gateway_table`")
        self.stdout.write(f"{path.name}: {len(classes)} gateways")
