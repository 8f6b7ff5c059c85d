"""`make run`: its small parts alone, then all of it as a stranger starts it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from psycopg import sql

from clients.simulator.testing import running_simulator
from core import labs
from core.api.authentication import find_api_key
from core.gateways import registry
from core.gateways.credentials import check_values
from core.gateways.types import CredentialField, Mode
from core.models import Lab, Membership, Scope
from payments.demo import made_up, notes, plan, processes, remote, seed, tour
from payments.models import OnlinePayment, PaymentGatewayKey
from scripts import bootstrap

PROJECT = Path(__file__).resolve().parents[2]
NOTES = {
    "url", "simulator_url", "admin", "lab", "api_key", "test_api_key", "webhook_urls", "pay_link", "database_url",
    "redis_url",
}  # fmt: skip

# Credentials --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("gateway", registry.slugs())
def test_made_up_credentials_pass_the_gateways_own_checks(gateway: str, mode: Mode) -> None:
    about = registry.gateway_class(gateway).about
    values = made_up.credentials(gateway, mode)
    assert check_values(about, values, mode) == {}
    asked_for = {field.name for field in about.credentials if not field.is_filled_by_platform}
    required = {field.name for field in about.credentials if field.is_required and field.name in asked_for}
    assert required <= set(values) <= asked_for


@pytest.mark.parametrize("gateway", registry.slugs())
def test_made_up_secrets_stay_the_same_and_differ_by_mode(gateway: str) -> None:
    live, test = made_up.credentials(gateway, Mode.LIVE), made_up.credentials(gateway, Mode.TEST)
    secret = [field.name for field in registry.gateway_class(gateway).about.credentials if field.is_secret]
    assert made_up.credentials(gateway, Mode.LIVE) == live
    assert [name for name in secret if name in live and live[name] == test.get(name)] == []


@pytest.mark.parametrize("gateway", registry.slugs())
def test_made_up_credentials_go_together_in_every_checkout(gateway: str, settings: Any) -> None:
    for number in range(20):  # an index that another field has comes about once in ten
        settings.SECRET_KEY = f"the key of checkout {number}"
        for mode in Mode:
            registry.open_gateway(gateway, made_up.credentials(gateway, mode), mode=mode, cache_scope="test")


def test_a_field_that_cannot_be_made_up_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    field = CredentialField(name="riddle", label="Riddle", patterns=dict.fromkeys(Mode, "[^a-z0-9]{7}"))
    cls = registry.gateway_class(registry.slugs()[0])
    monkeypatch.setattr(cls, "about", replace(cls.about, credentials=(field,)))
    with pytest.raises(made_up.CannotMakeUp, match="no live value for the field riddle"):
        made_up.credentials(cls.slug, Mode.LIVE)


# The order ----------------------------------------------------------------------------------------------------------


def _order(**changes: Any) -> dict[str, Any]:
    about = replace(registry.gateway_class("stripe").about, **changes)
    return plan.order("any", about, reference="R1", return_url="https://shop.example/thanks")


def test_a_purchase_is_a_round_sum_in_a_currency_that_the_gateway_takes() -> None:
    order = _order(currencies=frozenset({"PHP", "JPY"}), minimums={})
    assert (order["amount"], order["currency"], order.get("purpose")) == (500_00, "PHP", None)
    order = _order(currencies=frozenset({"JPY", "KWD"}), minimums={})
    assert (order["amount"], order["currency"]) == (500, "JPY")


def test_an_order_keeps_the_gateways_limits() -> None:
    inr = frozenset({"INR"})
    assert _order(currencies=inr, minimums={"INR": 200_00})["amount"] == 800_00  # a quarter of it can still be refunded
    assert _order(currencies=inr, minimums={}, maximums={"INR": 90_00})["amount"] == 90_00


def test_with_coins_it_is_a_deposit_of_a_customer() -> None:
    order = _order(is_crypto=True, currencies=frozenset({"USD", "BTC"}), coins=("BTC", "LTC"), minimums={})
    assert (order["purpose"], order["amount"], order["currency"]) == ("deposit", 50_00, "USD")
    assert (order["pay_currency"], order["customer"]["id"]) == ("btc", "mira")


# Notes and lock -----------------------------------------------------------------------------------------------------


def test_notes_are_for_their_owner_alone(tmp_path: Path) -> None:
    path = notes.write(tmp_path, {"url": "http://127.0.0.1:1"})
    assert path.stat().st_mode & 0o777 == 0o600
    assert notes.read(tmp_path) == {"url": "http://127.0.0.1:1"}
    path.write_text("{")
    assert notes.read(tmp_path) == {}


def test_notes_of_the_past_are_set_aside_until_the_next_ones_are_written(tmp_path: Path) -> None:
    notes.write(tmp_path, {"api_key": "pw_live_1"})
    assert notes.set_aside(tmp_path) == {"api_key": "pw_live_1"}
    assert notes.read(tmp_path) == {}
    assert notes.set_aside(tmp_path) == {"api_key": "pw_live_1"}  # the start in between was broken off


def test_one_demo_runs_in_a_folder_and_commands_beside_it_know_its_addresses(tmp_path: Path) -> None:
    notes.write(tmp_path, {"url": "http://a", "simulator_url": "http://b", "database_url": "postgres://c"})
    assert notes.environment_beside(tmp_path, database_url="postgres://c") == {}  # it has stopped
    descriptor = notes.take_lock(tmp_path)
    assert descriptor is not None
    assert notes.take_lock(tmp_path) is None
    assert notes.environment_beside(tmp_path, database_url="postgres://c") == {
        "PAYWRIGHT_PUBLIC_URL": "http://a",
        "PAYWRIGHT_SIMULATOR_URL": "http://b",
    }
    assert notes.environment_beside(tmp_path, database_url="postgres://other") == {}
    os.close(descriptor)
    assert notes.environment_beside(tmp_path, database_url="postgres://c") == {}


# Children -----------------------------------------------------------------------------------------------------------


def test_a_port_in_use_is_not_chosen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert processes.choose_port(port) != port
        with pytest.raises(OSError, match=f"port {port} is in use"):
            processes.choose_port(port, must=True)


def test_a_port_is_given_to_one_demo_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    port = processes.free_port()
    assert processes.choose_port(port) == port
    assert processes.choose_port(port) != port  # another open file: to the lock another process


def _module(folder: Path, text: str) -> list[str]:
    (folder / "program.py").write_text(text)
    return ["program"]


def test_a_child_that_ends_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with processes.Children(project=tmp_path, logs=tmp_path / "logs") as children:
        children.start("web", _module(tmp_path, "raise SystemExit('no luck today')"), os.environ)
        with pytest.raises(processes.ChildDied, match=r"(?s)web ended with code 1.*web\.log:\nno luck today"):
            children.wait_until(lambda: False, "the web server")


STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
os.write(1, f"{os.getpid()}\\n".encode())  # in one piece, whoever of the two comes first
while True:
    time.sleep(1)
"""


def test_stopping_kills_what_ignores_it_and_what_that_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "STOP_TIMEOUT_SECONDS", 0.2)
    log = tmp_path / "logs" / "stubborn.log"

    def started() -> set[int]:
        return {int(number) for number in re.findall(r"^(\d+)\n", log.read_text(), re.MULTILINE)}

    with processes.Children(project=tmp_path, logs=tmp_path / "logs") as children:
        children.start("stubborn", _module(tmp_path, STUBBORN), os.environ)
        children.wait_until(lambda: len(started()) == 2, "both")
    assert _gone(started())


def _gone(numbers: set[int], *, seconds: float = 60) -> bool:
    """Whether all these processes end in time. A zombie has ended: nobody in a test reaps grandchildren."""
    deadline = time.monotonic() + seconds
    while any(_runs(number) for number in numbers):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _still_running(numbers: set[int]) -> list[str]:
    """The command lines of those that do not end in time."""
    if _gone(numbers):
        return []
    return [Path(f"/proc/{one}/cmdline").read_text().replace("\0", " ") for one in numbers if _runs(one)]


def _goes_silent(url: str, *, seconds: float = 30) -> bool:
    """Whether nobody answers there soon: a server's workers end a moment after their master."""
    deadline = time.monotonic() + seconds
    while remote.answers(url):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# The lab ------------------------------------------------------------------------------------------------------------


def _seed(simulator: Any, known: dict[str, Any], origin: str = "http://127.0.0.1:8000") -> seed.Seeded:
    simulated = frozenset(settings.SIMULATORS)
    return seed.seed(notes=known, origin=origin, simulated=simulated, register=simulator.register)


@pytest.mark.django_db
def test_a_second_run_finds_what_the_first_one_made(settings: Any) -> None:
    with running_simulator(settings.SIMULATORS) as simulator:
        settings.SIMULATOR_URL = simulator.url
        first = _seed(simulator, {})
    with running_simulator(settings.SIMULATORS) as simulator:  # another one, which knows nobody
        settings.SIMULATOR_URL = simulator.url
        owner = {"username": first.owner.username, "password": first.owner.password}
        known = {"admin": owner, "api_key": first.live_key, "test_api_key": first.test_key}
        second = _seed(simulator, known, origin="http://127.0.0.1:8001")
    assert (second.owner, second.live_key, second.test_key) == (first.owner, first.live_key, first.test_key)
    assert (second.webhook_urls, second.pay_link) == (first.webhook_urls, first.pay_link)
    lab = Lab.objects.get(slug="demo-lab")
    assert lab.return_origins == ["https://shop.example", "http://127.0.0.1:8000", "http://127.0.0.1:8001"]
    found = PaymentGatewayKey.objects.for_lab(lab).values_list("gateway", "mode", "last_check_ok", "previous_secrets")
    assert sorted(found) == sorted((slug, mode.value, True, []) for slug in registry.slugs() for mode in Mode)
    assert OnlinePayment.objects.for_lab(lab).count() == 1


@pytest.mark.django_db
def test_what_was_lost_or_changed_since_is_made_anew(settings: Any) -> None:
    with running_simulator(settings.SIMULATORS) as simulator:
        settings.SIMULATOR_URL = simulator.url
        first = _seed(simulator, {})
        slug = registry.slugs()[0]
        key = PaymentGatewayKey.objects.for_lab(first.lab).get(gateway=slug, mode="live")
        PaymentGatewayKey.objects.for_lab(first.lab).filter(pk=key.pk).update(secret_facts={
            name: {**facts, "fingerprint": "another"} for name, facts in key.secret_facts.items()
        }, is_active=False)  # fmt: skip
        second = _seed(simulator, {})  # and demo.json is gone
    assert find_api_key(first.live_key) is None
    context = find_api_key(second.live_key)
    assert context is not None
    assert (context.lab_id, context.mode, context.scopes) == (first.lab.pk, Mode.LIVE, frozenset(Scope.values))
    assert second.owner.username == first.owner.username
    user = get_user_model()._default_manager.get(username=second.owner.username)
    assert user.check_password(second.owner.password) and not user.check_password(first.owner.password)
    assert Membership.objects.for_lab(first.lab).get(user=user).role == "owner"
    key.refresh_from_db()
    assert (key.is_active, key.last_check_ok) == (True, True)
    assert second.webhook_urls == first.webhook_urls


@pytest.mark.django_db
def test_a_key_of_the_other_mode_or_of_another_lab_is_not_taken_over() -> None:
    mine, other = (labs.create_lab(name=name, actor="test") for name in ("Mine", "Other"))
    scopes = ["payments:read"]
    live = labs.create_api_key(lab=mine, mode=Mode.LIVE, name="Demo", scopes=scopes, actor="test").text
    foreign = labs.create_api_key(lab=other, mode=Mode.TEST, name="Demo", scopes=scopes, actor="test").text
    assert seed._api_key(mine, Mode.LIVE, live) == live
    made = [seed._api_key(mine, Mode.TEST, known) for known in (live, foreign)]
    assert [text.startswith("pw_test_") for text in made] == [True, True]
    assert foreign not in made


# The main job -------------------------------------------------------------------------------------------------------


class DeafPlatform:
    """Takes an order and never hears of it again."""

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"id": "PAY_1", "gateway_reference": "cs_1", "next_action": {"type": "redirect"}, **body}

    def get(self, path: str) -> dict[str, Any]:
        raise AssertionError("nothing was delivered, so nothing is read")


class RefusedSimulator:
    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def webhooks(self, gateway: str) -> list[dict[str, Any]]:
        return self.sent

    def pay(self, gateway: str, reference: str) -> None:
        self.sent.append({"number": 1, "state": "retrying", "status": 400})


def test_a_step_that_does_not_come_true_ends_the_visit_and_says_why() -> None:
    said: list[str] = []
    lab: Any = None
    platform: Any = DeafPlatform()
    simulator: Any = RefusedSimulator()
    row = tour.visit("stripe", lab=lab, platform=platform, simulator=simulator, say=said.append)
    assert list(row.cells) == ["initiate", "paid"]
    assert (row.cells["initiate"].text, row.cells["paid"].text) == ("500.00 INR", "failed")
    assert row.failure == "Stripe, paid: the platform answered a webhook with 400"
    assert not row.is_true
    assert said == ["Stripe: initiate", "Stripe: paid"]


# All of it ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_database() -> Iterator[str]:
    """An empty database on the server of this test run: the demo commits."""
    server, name = os.environ["DATABASE_URL"], f"demo_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def _demo(database_url: str, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PAYWRIGHT_")}
    environment = {
        **inherited, "DJANGO_SETTINGS_MODULE": "settings.local", "DATABASE_URL": database_url,
        "PYTHONPATH": str(bootstrap.NINTH),  # as this process sees it: nine gateways
    }  # fmt: skip
    command = [sys.executable, "manage.py", "demo", "--folder", str(folder), *arguments]
    with subprocess.Popen(
        command, cwd=PROJECT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as run:
        try:
            yield run
        finally:
            run.kill()


@pytest.mark.servers
def test_the_demo_shows_every_gateway_and_leaves_nothing_behind(own_database: str, tmp_path: Path) -> None:
    with _demo(own_database, tmp_path, "--once") as run:
        said, _ = run.communicate(timeout=180)
    assert run.returncode == 0, said
    assert "Every step came true, and every invariant of the books holds." in said
    labels = [about.label for about in registry.descriptions().values()]
    assert [label for label in labels if not re.search(rf"^{label} .*verified +captured", said, re.MULTILINE)] == []
    content = json.loads((tmp_path / notes.FILE_NAME).read_text())
    assert (set(content), set(content["admin"])) == (NOTES, {"url", "username", "password"})
    assert set(content["webhook_urls"]) == set(registry.slugs())
    assert (tmp_path / notes.FILE_NAME).stat().st_mode & 0o777 == 0o600
    assert not remote.answers(f"{content['url']}/healthz")


@pytest.mark.servers
def test_a_demo_killed_with_9_takes_everything_with_it(own_database: str, tmp_path: Path) -> None:
    with _demo(own_database, tmp_path) as run:
        assert run.stdout is not None
        said = []
        for line in run.stdout:
            said.append(line)
            if "still running at" in line:
                break
        else:
            pytest.fail("".join(said))
        content = notes.read(tmp_path)
        assert httpx.get(f"{content['url']}/readyz", trust_env=False).json()["status"] == "ok"
        headers = {"Authorization": f"Bearer {content['api_key']}"}
        listed = httpx.get(f"{content['url']}/v1/customers/mira/balances", headers=headers, trust_env=False)
        assert listed.status_code == 200
        children = {int(one) for one in Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()}
        assert len(children) == 4  # simulator, web, worker, beat
        run.send_signal(signal.SIGKILL)
    left = _still_running(children)
    assert not left, left
    assert _goes_silent(f"{content['url']}/healthz")
