"""`manage.py startgateway NAME`: the files of a new gateway, its simulator, and a test that fails with a to-do list.

Without --directory they go into this project (clients/NAME, tests/clients/NAME), with it into a distribution of their own
that is found by entry point. Source of the files: core/gateways/template.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from core.gateways import registry

TEMPLATES: Final = Path(registry.__file__).parent / "template"
PACKAGE: Final = (
    "__init__.py", "gateway.py", "config.py", "client.py", "translate.py", "webhook.py", "simulator.py", "README.md",
)  # fmt: skip
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}", re.ASCII)
_IMPORTS: Final = re.compile(r"(import pytest\n\n)?# own\n(.*?)# core\n(.*?)# end\n", re.DOTALL)


class Command(BaseCommand):
    help = "Make the package of a new gateway, with a simulator and a test case that says what is left to do."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="its slug: lower-case letters, digits and _")
        parser.add_argument("--directory", type=Path, help="make a distribution of its own in this new folder")

    def handle(self, *args: Any, **options: Any) -> None:
        name, directory = options["name"], options["directory"]
        refuse_bad_name(name)
        if directory is None:
            self._in_project(name, Path(settings.BASE_DIR))
        else:
            self._alone(name, directory)

    def _in_project(self, name: str, root: Path) -> None:
        package, tests = root / "clients" / name, root / "tests" / "clients" / name
        words = words_of(name, package=f"clients.{name}", case_module=f"tests.clients.{name}.case")
        files = {package / one: one for one in PACKAGE}
        files |= {tests / one: one for one in ("__init__.py", "case.py", "test_contract.py")}
        write(files, words, folders=(package, tests), is_alone=False)
        self.stdout.write(f"made {package} and {tests}")
        self.stdout.write("To do:      python -m pytest " + str(tests.relative_to(root)))
        self.stdout.write("When it is done, make it known with a line in both tables of settings/gateways.py:")
        self.stdout.write(f'    "{name}": "clients.{name}.gateway.{words["class_name"]}",')
        self.stdout.write(f'    "{name}": "clients.{name}.simulator:{words["simulator_name"]}",')
        self.stdout.write(
            "and remove tests/clients/" + name + "/test_contract.py: the suite runs over all that are known."
        )

    def _alone(self, name: str, directory: Path) -> None:
        package = f"{name}_gateway"
        words = words_of(name, package=package, case_module=f"{package}.case")
        files = {directory / package / one: one for one in (*PACKAGE, "case.py")}
        files |= {
            directory / "pyproject.toml": "pyproject.toml",
            directory / "tests" / "test_contract.py": "test_contract.py",
        }
        write(files, words, folders=(directory,), is_alone=True)
        self.stdout.write(f"made {directory}")
        self.stdout.write(f"To do:      cd {directory} && PYTHONPATH={settings.BASE_DIR} python -m pytest")
        self.stdout.write(f"Installed beside the platform (pip install {directory}) it is found by its entry point.")


def refuse_bad_name(name: str) -> None:
    """Raises CommandError, in one sentence, for what cannot be a slug and a package, or is taken."""
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise CommandError(
            f"{name!r} cannot be a gateway's name: up to 32 lower-case letters, digits and _, a letter first, no Python word."
        )
    if name in {*settings.GATEWAYS, *registry.slugs()}:
        raise CommandError(f"There is a gateway {name!r} already.")


def words_of(name: str, *, package: str, case_module: str) -> dict[str, str]:
    """What the templates' placeholders stand for."""
    camel = "".join(part.capitalize() for part in name.split("_"))
    return {
        "slug": name,
        "label": name.replace("_", " ").strip().title(),
        "package": package,
        "case_module": case_module,
        "class_name": f"{camel}Gateway",
        "simulator_name": f"{camel}Simulator",
        "case_name": f"{camel}Case",
        "distribution": f"{name.replace('_', '-').strip('-')}-gateway",
    }


def write(files: Mapping[Path, str], words: Mapping[str, str], *, folders: tuple[Path, ...], is_alone: bool) -> None:
    """Write every file, or nothing: raises CommandError where a folder is there already."""
    for folder in folders:
        if folder.exists():
            raise CommandError(f"{folder} exists already: choose another name or folder.")
    for path, template in files.items():
        text = Template((TEMPLATES / f"{template}-tpl").read_text(encoding="utf-8")).substitute(words)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_IMPORTS.sub(lambda found: _sorted(found, is_alone=is_alone), text), encoding="utf-8")


def _sorted(imports: re.Match[str], *, is_alone: bool) -> str:
    """In this project a package's own imports stand among core's, by name; elsewhere core is another's package."""
    pytest, own, core = imports.group(1) or "", imports.group(2), imports.group(3)
    if is_alone:
        return f"{pytest.rstrip()}\n{core}\n{own}".lstrip()
    statements = re.split(r"^(?=from |import )", own + core, flags=re.MULTILINE)
    return pytest + "".join(sorted(statements, key=lambda one: (one.startswith("from"), one.split(" ")[1:2])))
