"""docs/gateways.md says what the packages declare."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from core.gateways import registry, table


def test_the_page_in_docs_is_current() -> None:
    call_command("gateway_table", check=True, verbosity=0)


def test_another_declaration_would_be_noticed(settings: object, tmp_path: Path) -> None:
    settings.BASE_DIR = tmp_path  # type: ignore[attr-defined]
    (tmp_path / "docs").mkdir()
    with pytest.raises(CommandError, match="not current"):
        call_command("gateway_table", check=True)


def test_every_gateway_has_its_row_of_abilities() -> None:
    page = table.markdown({slug: registry.gateway_class(slug) for slug in registry.slugs()})
    for slug in registry.slugs():
        cls = registry.gateway_class(slug)
        row = next(line for line in page.splitlines() if line.startswith(f"| {cls.about.label} |"))
        said = [cell.strip() for cell in row.strip("|").split("|")][1:-1]
        expected = ["yes" if word in registry.abilities(cls) else "-" for word in registry.ability_classes()]
        assert said == expected
