"""`make run`: everything on this machine, a lab to play with, and the main job shown through every gateway."""

from __future__ import annotations

import ctypes
import io
import os
import shutil
import signal
import sys
import tempfile
import time
from argparse import SUPPRESS
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from core import embedded
from core.embedded.processes import PR_SET_PDEATHSIG
from core.gateways import registry
from payments.demo import notes
from payments.demo.processes import ChildDied, Children

if TYPE_CHECKING:
    from payments.demo.screen import Screen
    from payments.demo.seed import Seeded
    from payments.demo.services import Addresses
    from payments.demo.tour import Row

SETTINGS: Final = "settings.local"
WATCH_SECONDS: Final = 0.5
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Told(BaseException):
    """Somebody wants us to stop. No Exception, so that nothing on the way takes it for a failure."""

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number)


class Command(BaseCommand):
    help = "Start everything here, seed a demo lab, show a payment through every gateway; Ctrl-C stops it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--once", action="store_true", help="then stop; exit 0 only if every step came true")
        parser.add_argument("--port", type=int, help="of the web server; else 8000, or any free one")
        parser.add_argument("--simulator-port", type=int, help="else 9000, or any free one")
        parser.add_argument("--folder", type=Path, help=SUPPRESS)  # of a second demo; see _elsewhere

    def handle(self, *args: Any, **options: Any) -> None:
        if os.environ.get("DJANGO_SETTINGS_MODULE") != SETTINGS:
            raise CommandError(f"The demo plays with made-up gateways, so it runs with {SETTINGS} only.")
        end_with_make()
        run_dir = Path(settings.BASE_DIR) / ".run"
        folder = options["folder"] or run_dir
        with stopped_by_signals():
            if notes.take_lock(folder) is None:
                sys.exit(elsewhere(run_dir, options))
            try:
                sys.exit(0 if Demo(folder, options).run() else 1)
            except (ChildDied, embedded.EmbeddedError) as problem:
                raise CommandError(str(problem)) from None


class Demo:
    """One run, from the first line to the last."""

    def __init__(self, folder: Path, options: dict[str, Any]) -> None:
        try:
            from payments.demo.screen import Screen
        except ImportError as error:
            raise CommandError(
                f"{error.name} is missing: the demo needs requirements/dev.txt; run `make setup`."
            ) from None
        self._folder = folder
        self._options = options
        self._screen: Screen = Screen()
        self._last = notes.set_aside(folder)

    def run(self) -> bool:
        """Whether every step came true. Without --once it lasts until somebody stops it."""
        from payments.demo import services

        self._screen.headline("Paywright: a payment through every gateway, simulated on this machine")
        try:
            at = services.choose_addresses(port=self._options["port"], simulator_port=self._options["simulator_port"])
        except OSError as error:
            raise CommandError(f"{error}: choose another, or leave the choice to the demo.") from None
        # This process seeds and reads the books: it must know the addresses that its children are told.
        settings.PUBLIC_URL, settings.SIMULATOR_URL, settings.GATEWAY_HOSTS = at.url, at.simulator_url, {}
        with Children(project=Path(settings.BASE_DIR), logs=self._folder / "logs") as children:
            try:
                return self._show(children, at)
            finally:
                for one in SIGNALS:
                    signal.signal(one, signal.SIG_IGN)  # a second Ctrl-C must not leave half of it running

    def _show(self, children: Children, at: Addresses) -> bool:
        seeded = self._start(children, at)
        rows = self._tour(seeded, at)
        self._screen.table(rows)
        is_true = self._judge(rows, children)
        if not self._options["once"]:
            self._stay(children, at, seeded)
        return is_true

    def _start(self, children: Children, at: Addresses) -> Seeded:
        from payments.demo import services

        screen = self._screen
        services.start_simulator(children, at)
        with screen.doing("database") as doing:
            doing.result = migrate(doing.say)
        with screen.doing("simulator") as doing:
            services.start_web(children, at)
            services.wait_for_simulator(children, at)
            doing.result = f"{', '.join(settings.SIMULATORS)} at {at.simulator_url}"
        with screen.doing("demo lab") as doing:
            seeded = self._seed(at)
            doing.result = f"{len(seeded.webhook_urls)} gateways with a live and a test account each"
        services.start_workers(children, at)
        with screen.doing("web") as doing:
            services.wait_for_web(children, at)
            doing.result = at.url
        with screen.doing("worker, beat") as doing:
            services.wait_for_workers(children)
            doing.result = "listening on Redis"
        self._write_notes(seeded, at)
        return seeded

    def _seed(self, at: Addresses) -> Seeded:
        from payments.demo import remote, seed
        from payments.demo.made_up import CannotMakeUp

        simulator = remote.Simulator(at.simulator_url)
        try:
            return seed.seed(
                notes=self._last, origin=at.url, simulated=frozenset(settings.SIMULATORS),
                register=simulator.register,
            )  # fmt: skip
        except (CannotMakeUp, seed.AccountRefused, remote.Refused) as problem:
            raise CommandError(str(problem)) from None
        finally:
            simulator.close()

    def _write_notes(self, seeded: Seeded, at: Addresses) -> None:
        owner = seeded.owner
        notes.write(self._folder, {
            "url": at.url,
            "simulator_url": at.simulator_url,
            "admin": {"url": f"{at.url}/admin/", "username": owner.username, "password": owner.password},
            "lab": seeded.lab.slug,
            "api_key": seeded.live_key,
            "test_api_key": seeded.test_key,
            "webhook_urls": dict(seeded.webhook_urls),
            "pay_link": seeded.pay_link,
            "database_url": os.environ["DATABASE_URL"],
            "redis_url": os.environ["REDIS_URL"],
        })  # fmt: skip

    def _tour(self, seeded: Seeded, at: Addresses) -> list[Row]:
        from payments.demo import remote, tour

        platform, simulator = remote.Platform(at.url, seeded.live_key), remote.Simulator(at.simulator_url)
        rows = []
        self._screen.note("")
        for gateway in seeded.webhook_urls:
            with self._screen.doing(registry.gateway_class(gateway).about.label) as doing:
                row = tour.visit(gateway, lab=seeded.lab, platform=platform, simulator=simulator, say=doing.say)
                doing.ok, doing.result = row.is_true, "every step came true" if row.is_true else "failed"
            rows.append(row)
        platform.close()
        simulator.close()
        return rows

    def _judge(self, rows: list[Row], children: Children) -> bool:
        """Say what did not come true, the invariants of everything stored included."""
        problems = [row.failure for row in rows if not row.is_true]
        missing = [slug for slug in registry.slugs() if slug not in {row.gateway for row in rows}]
        problems += [f"{found.slug} cannot be used: {found.reason}" for found in registry.unusable()]
        if not rows:
            problems.append("no gateway is registered")
        if faults := broken_invariants():
            problems.append(f"manage.py check_invariants:\n{faults}")
        children.check()
        for slug in missing:
            self._screen.note(f"{slug} is not shown: settings.SIMULATORS has no simulator for it.", "yellow")
        for problem in problems:
            self._screen.note(problem, "bold red")
        if not problems:
            self._screen.note("Every step came true, and every invariant of the books holds.", "green")
        return not problems

    def _stay(self, children: Children, at: Addresses, seeded: Seeded) -> None:
        owner, note = seeded.owner, self._screen.note
        note("")
        admin = f"admin at {at.url}/admin/ ({owner.username}, {owner.password})"
        note(f"still running at {at.url}, {admin}, stop with Ctrl-C", "bold")
        note(f"API docs      {at.url}/docs")
        note(f"payment link  {seeded.pay_link}")
        note(f"simulator     {at.simulator_url}")
        note(f"API keys      in {notes.FILE_NAME}, logs in logs/, both in {self._folder}")
        try:
            while True:
                time.sleep(WATCH_SECONDS)
                children.check()
        except Told:
            note("\nstopping ...", "dim")


def migrate(say: Any) -> str:
    """Bring the database up to date; what was done, in a few words."""
    executor = MigrationExecutor(connection)
    waiting = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if waiting:
        say(f"{waiting} migrations")
    call_command("migrate", interactive=False, verbosity=0)
    return f"{waiting} migrations applied" if waiting else "up to date"


def broken_invariants() -> str:
    """What `check_invariants` finds wrong; empty where all hold."""
    said = io.StringIO()
    try:
        call_command("check_invariants", quiet=True, stdout=said, stderr=said, no_color=True)
    except SystemExit:
        return said.getvalue().strip()
    return ""


def elsewhere(run_dir: Path, options: dict[str, Any]) -> int:
    """Another demo of this checkout is running. Its worker must not meet our simulator, nor ours its payments, so this
    one gets a database, a Redis and a folder of its own, which go when it ends. Answers its exit code."""
    print(f"another demo runs here (see {run_dir / notes.FILE_NAME}); this one gets servers of its own", flush=True)
    for left in run_dir.glob("demo-*"):  # of one that was killed
        embedded.remove_if_unused(left)
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=run_dir))
    child = None
    try:
        lease = embedded.acquire(folder, durable=False)
        assert lease.database_url and lease.redis_url
        wishes = {"--port": options["port"], "--simulator-port": options["simulator_port"], "--folder": folder}
        command = [sys.executable, "manage.py", "demo", *(["--once"] if options["once"] else [])]
        command += [part for name, value in wishes.items() if value for part in (name, str(value))]
        environment = {**os.environ, "DATABASE_URL": lease.database_url, "REDIS_URL": lease.redis_url}
        child = embedded.start_child(command, cwd=settings.BASE_DIR, env=environment)
        return int(child.wait())
    except Told as told:
        if child is None:
            return 128 + told.signal
        child.terminate()  # Ctrl-C has reached it already, and it stops once
        return int(child.wait())
    except embedded.EmbeddedError as error:
        raise CommandError(str(error)) from None
    finally:
        if child is not None:
            child.terminate()
            child.wait()
        embedded.release(folder)
        embedded.remove(folder)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal end what is inside in order."""

    def stop(number: int, _frame: FrameType | None) -> None:
        raise Told(number)

    before = {one: signal.signal(one, stop) for one in SIGNALS}
    try:
        yield
    except Told as told:
        sys.exit(128 + told.signal)
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def end_with_make() -> None:
    """A `make` that is killed with -9 tells nobody; on Linux the kernel tells us. Typed by hand, a demo may outlive its
    shell."""
    if "MAKELEVEL" in os.environ and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
