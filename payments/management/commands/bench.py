"""`make bench`: how many webhooks, initiates, reads and stored events a second, beside the database's own floor."""

from __future__ import annotations

import io
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from core import embedded
from core.gateways import registry

if TYPE_CHECKING:
    from payments.bench.measures import Round
    from payments.bench.worlds import World

ROUNDS: Final = 3
BATCH_OF_PAYMENTS: Final = 10_000
WARM_UP: Final = 200
STORED_FROM: Final = 1_000_000  # the numbers of the payments whose events are stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of each, a round."""

    webhooks: int
    floor_seconds: int
    initiates: int
    statuses: int
    stored: int


FULL: Final = Sizes(webhooks=1500, floor_seconds=4, initiates=200, statuses=1500, stored=100_000)
QUICK: Final = Sizes(webhooks=200, floor_seconds=1, initiates=30, statuses=200, stored=5_000)


class Command(BaseCommand):
    help = "Measure this platform on servers of its own; under four minutes, --quick under forty seconds."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--quick", action="store_true", help="small rounds: to see that it works, not how fast")
        parser.add_argument("--gateway", help="whose webhooks; else the first with a simulator that takes cards")

    def handle(self, *args: Any, **options: Any) -> None:
        from payments.bench import servers
        from payments.bench.measures import NotTrue
        from payments.demo.processes import ChildDied

        if servers.INSIDE not in os.environ:
            arguments = [name for name, given in (("--quick", options["quick"]),) if given]
            arguments += ["--gateway", options["gateway"]] if options["gateway"] else []
            try:
                sys.exit(servers.run_inside(arguments))
            except embedded.EmbeddedError as error:
                raise CommandError(str(error)) from None
        try:
            self._run(QUICK if options["quick"] else FULL, options["gateway"] or _gateway())
        except (NotTrue, ChildDied) as problem:
            raise CommandError(str(problem)) from None

    def _run(self, sizes: Sizes, gateway: str) -> None:
        from payments.bench import servers
        from payments.demo.processes import Children

        began = time.monotonic()
        folder = Path(os.environ[servers.INSIDE])
        self._say("preparing the database")
        call_command("migrate", interactive=False, verbosity=0)
        with Children(project=Path(settings.BASE_DIR), logs=folder / "logs") as children:
            servers.start(children, os.environ)
            self._say(None)
            self._introduce()
            self._measure(sizes, gateway, folder)
        self.stdout.write(
            f"measured in {time.monotonic() - began:.0f} s; every effect was counted, all invariants hold"
        )

    def _introduce(self) -> None:
        from payments.bench import floor, servers
        from payments.bench.measures import CONNECTIONS

        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version'), current_setting('synchronous_commit')")
            version, commit = cursor.fetchone()
        self.stdout.write(
            f"{os.cpu_count()} CPUs, Python {platform.python_version()}, PostgreSQL {version} (synchronous_commit {commit}); "
            f"server, clients, database and simulator all on this machine\n"
            f"granian with {servers.WORKERS} workers of {servers.THREADS} threads, {CONNECTIONS} keep-alive connections; "
            f"pgbench with {floor.CLIENTS} clients; medians of {ROUNDS} rounds, taken in turn\n"
        )

    def _measure(self, sizes: Sizes, gateway: str, folder: Path) -> None:
        from payments.bench import worlds

        world = worlds.make(gateway)
        self._webhooks(sizes, world, folder)
        self._api(sizes, world)
        self._drain(sizes, world)
        self._check()

    def _webhooks(self, sizes: Sizes, world: World, folder: Path) -> None:
        """Rounds of webhooks and of pgbench in turn, so that both meet the same machine."""
        from payments.bench import measures, worlds
        from payments.bench.deliveries import Payer
        from payments.bench.floor import Floor

        total = WARM_UP + ROUNDS * sizes.webhooks
        references = _open(world, first=1, total=total)
        payer = Payer(world.gateway, world.credentials, webhook_url=world.webhook_url)
        kept = []
        for number, reference in enumerate(references):
            kept.append(payer.paid(reference, world.money)[0])
            if number % 500 == 0:
                self._say(f"the simulator's customers pay: {number:,} of {total:,}")
        payer.close()
        worlds.analyze()
        self._say("warming up")
        measures.webhooks(world, kept[:WARM_UP])
        floor = Floor(folder, **_sizes_of_rows())
        floor.round(1)
        heard, written = [], []
        for number, part in enumerate(measures.in_parts(kept[WARM_UP:], ROUNDS), start=1):
            self._say(f"webhooks, round {number} of {ROUNDS}")
            heard.append(measures.webhooks(world, part))
            self._say(f"pgbench, round {number} of {ROUNDS}")
            written.append(measures.Round(rate=floor.round(sizes.floor_seconds)))
        self._line("webhooks", heard, f"{world.gateway}: inbox, payment, history, ledger and outbox in one commit")
        self._line("pgbench", written, "the same rows in one commit, on bare tables without guards")
        share = measures.middle(heard).rate / measures.middle(written).rate
        self.stdout.write(f"{'ratio':<12}{share:>9.3f}        webhooks to pgbench")

    def _api(self, sizes: Sizes, world: World) -> None:
        from payments.bench import measures
        from payments.demo.remote import Simulator

        simulator = Simulator(str(settings.SIMULATOR_URL))
        mode = str(world.key.mode)
        simulator.register(world.gateway, mode=mode, credentials=world.credentials, webhook_url=world.webhook_url)
        self._say("warming up")
        measures.initiates(world, WARM_UP // 4, name="warm")
        made = []
        for number in range(1, ROUNDS + 1):
            self._say(f"initiates, round {number} of {ROUNDS}")
            made.append(measures.initiates(world, sizes.initiates, name=f"round-{number}"))
        self._line("initiates", made, f"{world.gateway}, answered by its simulator over real HTTP")
        paid = measures.paid_payments(world, simulator)
        simulator.close()
        measures.statuses(world, paid, WARM_UP)
        read = []
        for number in range(1, ROUNDS + 1):
            self._say(f"status, round {number} of {ROUNDS}")
            read.append(measures.statuses(world, paid, sizes.statuses))
        self._line("status", read, "of captured payments")

    def _drain(self, sizes: Sizes, world: World) -> None:
        from payments.bench import measures, worlds
        from payments.bench.deliveries import Payer

        payer = Payer(world.gateway, world.credentials, webhook_url=world.webhook_url)
        for first in range(0, sizes.stored, BATCH_OF_PAYMENTS):
            self._say(f"storing events: {first:,} of {sizes.stored:,}")
            number = min(BATCH_OF_PAYMENTS, sizes.stored - first)
            references = _open(world, first=STORED_FROM + first, total=number)
            sample, report = payer.paid(references[0], world.money)
            worlds.store_events(world, references, sample.body, report, references[0])
        payer.close()
        worlds.analyze()
        found = measures.drain(sizes.stored, self._say)
        self._say(None)
        seconds = sizes.stored / found.rate
        self.stdout.write(
            f"{'drain':<12}{found.rate:>9,.0f}/s      {sizes.stored:,} stored events in {seconds:.1f} s by one process"
        )

    def _check(self) -> None:
        self._say("checking every invariant")
        said = io.StringIO()
        try:
            call_command("check_invariants", quiet=True, stdout=said, stderr=said)
        except SystemExit:
            raise CommandError(f"the bench broke an invariant:\n{said.getvalue()}") from None
        finally:
            self._say(None)

    def _line(self, name: str, rounds: Sequence[Round], note: str) -> None:
        from payments.bench.measures import middle

        self._say(None)
        found = middle(rounds)
        each = " ".join(f"{one.rate:,.0f}" for one in rounds)
        waits = f"; p50 {found.p50_ms:.1f} ms, p99 {found.p99_ms:.1f} ms" if found.p50_ms else ""
        self.stdout.write(f"{name:<12}{found.rate:>9,.0f}/s      {note} ({each}{waits})")

    def _say(self, text: str | None) -> None:
        """What is going on, on a terminal alone; None takes it away."""
        if self.stderr.isatty():
            self.stderr.write(f"\r\033[K{text or ''}", ending="")
            self.stderr.flush()


def _gateway() -> str:
    """The first gateway with a simulator that takes cards."""
    for slug in registry.slugs():
        if slug in settings.SIMULATORS and not registry.gateway_class(slug).about.is_crypto:
            return slug
    raise CommandError("no registered gateway has a simulator in settings.SIMULATORS")


def _open(world: World, *, first: int, total: int) -> list[str]:
    """Open payments with the numbers from `first` on; our references of them."""
    from payments.bench import worlds

    references: list[str] = []
    for begin in range(first, first + total, BATCH_OF_PAYMENTS):
        references += worlds.open_payments(world, range(begin, min(begin + BATCH_OF_PAYMENTS, first + total)))
    return references


def _sizes_of_rows() -> dict[str, int]:
    """Bytes of what the warm-up's webhooks wrote, so that pgbench writes as much."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT avg(length(body))::int, avg(length(reports::text))::int FROM payments_webhookevent")
        body, report = cursor.fetchone()
        cursor.execute("SELECT avg(length(payload::text))::int FROM core_outboxevent")
        return {"body": body, "report": report, "payload": cursor.fetchone()[0]}
