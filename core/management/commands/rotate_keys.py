"""Wrap every data key anew with the first master key of the ring."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core import encryption, rotation, startup


class Command(BaseCommand):
    """Resumable and repeatable, while the platform runs."""

    help = (
        "Wrap every data key anew with the first master key. First put the new key into every process's ring in second"
        " place and restart, then move it to the first place and restart, then run this. Stored values are not touched:"
        " they are sealed with the labs' data keys. The old key may go once this command says that nothing needs it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", type=int, default=rotation.BATCH, help="keys for each transaction")
        parser.add_argument("--dry-run", action="store_true", help="only count")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["dry_run"]:
            self._print_counts(rotation.counts_per_key())
            return
        if options["batch"] < 1:
            raise CommandError("--batch must be 1 or more")
        try:
            done = rotation.rotate(batch=options["batch"])
        except (encryption.MasterKeysUnusable, startup.WrongMasterKey) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"wrapped anew with {done.current}: {done.wrapped}")
        self._print_counts(done.counts)
        if not done.is_done:
            raise CommandError(
                f"not done: {done.unopened} could not be opened and were left as they are."
                " Keep the old keys, put the missing one into the ring and run this again."
            )
        old = [key.key_id for key in encryption.master_keys()[1:]]
        self.stdout.write(f"done: {', '.join(old) or 'no other key'} may be removed from the ring")

    def _print_counts(self, counts: dict[str, int]) -> None:
        ring = {key.key_id: 0 for key in encryption.master_keys()}
        self.stdout.write("keys wrapped with each master key: " + json.dumps({**ring, **counts}))
