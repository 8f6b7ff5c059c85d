"""`manage.py startgateway`: all files of a gateway, and a contract run that fails with a to-do list and nothing else."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

ROOT = Path(django_settings.BASE_DIR)
FILES = {
    "__init__.py", "README.md", "client.py", "config.py", "gateway.py", "simulator.py", "translate.py", "webhook.py",
}  # fmt: skip
PASSING = {  # what a to-do has no part in: nothing is lacking yet, and the placeholders describe a gateway
    "test_what_a_case_lacks_is_a_check_and_has_a_reason",
    "test_it_describes_itself",
}


def make(name: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("startgateway", name, stdout=out, **options)
    return out.getvalue()


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    make("acme_pay", directory=tmp_path / "acme")
    return tmp_path / "acme"


@pytest.fixture
def project(tmp_path: Path, settings: Any) -> Path:
    """An empty project of the same shape: what is made there is not left in this one."""
    settings.BASE_DIR = tmp_path
    return tmp_path


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def ruff(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *arguments, "--no-cache", str(folder)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def outcomes(folder: Path, place: Path, tests: str) -> dict[str, tuple[str, str]]:
    """Of every test by its name: passed, failed, error or skipped, and what it said."""
    report = place / "report.xml"
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:django", "-c", os.devnull]
    command += ["--rootdir", str(folder), f"--junitxml={report}", tests]
    subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    found = {}
    for one in ET.parse(report).iter("testcase"):
        ends = [
            (child.tag, f"{child.get('message')} {child.text}")
            for child in one
            if child.tag in {"failure", "error", "skipped"}
        ]
        found[one.attrib["name"].partition("[")[0]] = ends[0] if ends else ("passed", "")
    return found


def test_a_distribution_has_every_file_and_its_entry_points(alone: Path) -> None:
    assert names_in(alone) == {"pyproject.toml", "acme_pay_gateway", "tests"}
    assert names_in(alone / "acme_pay_gateway") == FILES | {"case.py"}
    assert names_in(alone / "tests") == {"test_contract.py"}
    text = (alone / "pyproject.toml").read_text()
    assert 'acme_pay = "acme_pay_gateway.gateway:AcmePayGateway"' in text
    assert 'acme_pay = "acme_pay_gateway.simulator:AcmePaySimulator"' in text


def test_inside_the_project_it_says_which_lines_make_it_known(project: Path) -> None:
    told = make("acme_pay")
    assert names_in(project / "clients" / "acme_pay") == FILES
    assert names_in(project / "tests" / "clients" / "acme_pay") == {"__init__.py", "case.py", "test_contract.py"}
    assert '"acme_pay": "clients.acme_pay.gateway.AcmePayGateway",' in told
    assert '"acme_pay": "clients.acme_pay.simulator:AcmePaySimulator",' in told


@pytest.mark.parametrize("name", ["acme_pay", "zz", "a_name_as_long_as_it_may_ever_be"])
def test_what_is_made_is_clean(tmp_path: Path, name: str) -> None:
    make(name, directory=tmp_path / "made")
    ruff(tmp_path / "made", "check")
    ruff(tmp_path / "made", "format", "--check")


def test_what_is_made_inside_the_project_is_clean_by_its_rules(project: Path) -> None:
    make("acme_pay")
    ruff(project, "check", "--config", str(ROOT / "pyproject.toml"))
    ruff(project, "format", "--check", "--config", str(ROOT / "pyproject.toml"))


def test_its_contract_run_fails_with_the_to_do_list_and_nothing_else(alone: Path, tmp_path: Path) -> None:
    found = outcomes(alone, tmp_path, "tests")
    assert len(found) > 40
    ends = {name: end for name, (end, _) in found.items()}
    assert {name for name, end in ends.items() if end == "passed"} == PASSING
    assert "error" not in ends.values()
    silent = [name for name, (end, said) in found.items() if end == "failure" and "TO DO: " not in said]
    assert silent == []
    end, said = found["test_nothing_is_left_to_do"]
    assert end == "failure"
    for file in FILES - {"__init__.py"} | {"case.py"}:
        assert re.search(rf"{re.escape(file)}:\d+: .*TO DO", said), file


def test_a_check_that_is_written_goes_on_to_the_next_thing_to_do(alone: Path, tmp_path: Path) -> None:
    case = alone / "acme_pay_gateway" / "case.py"
    written = (
        'return {"api_key": f"{mode.value}_a8Kd93jXq0Lm4Zt7", "webhook_secret": f"{mode.value}-hooks-and-eyes-01"}'
    )
    case.write_text(re.sub(r'todo\("credentials: .*', written, case.read_text()))
    found = outcomes(alone, tmp_path, "tests")
    assert found["test_credentials_of_the_other_mode_are_refused"] == ("passed", "")
    end, said = found["test_a_created_payment_says_what_to_do_next"]
    assert end == "failure" and "TO DO: case.py: initiate" in said


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Acme", "'Acme' cannot be a gateway's name"),
        ("1acme", "'1acme' cannot be a gateway's name"),
        ("acme-pay", "'acme-pay' cannot be a gateway's name"),
        ("../acme", "'../acme' cannot be a gateway's name"),
        ("a" * 33, "cannot be a gateway's name"),
        ("class", "'class' cannot be a gateway's name"),
        ("caf\u00e9", "cannot be a gateway's name"),
        ("stripe", "There is a gateway 'stripe' already."),
    ],
)
def test_a_bad_name_is_refused_in_one_sentence(project: Path, name: str, reason: str) -> None:
    with pytest.raises(CommandError, match=re.escape(reason)) as caught:
        make(name)
    assert "\n" not in str(caught.value)
    assert names_in(project) == set()


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CommandError, match="exists already: choose another name or folder"):
        make("acme_pay", directory=tmp_path)
    assert names_in(tmp_path) == {"mine.txt"}


def test_inside_the_project_no_half_is_made_where_one_folder_exists(project: Path) -> None:
    (project / "tests" / "clients" / "acme_pay").mkdir(parents=True)
    with pytest.raises(CommandError, match="exists already"):
        make("acme_pay")
    assert not (project / "clients").exists()
