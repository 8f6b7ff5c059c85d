"""`manage.py compare_with_simulator`: zero differences after any run, or a list of them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core.gateways import registry
from payments import comparing, simulator_control


class Command(BaseCommand):
    help = "Compare what the simulated gateways really charged and refunded with our payments. Exit 1 on a difference."

    def handle(self, *args: Any, **options: Any) -> None:
        differences = 0
        for gateway in registry.slugs():
            try:
                lines = simulator_control.call("GET", f"/{gateway}/books")["data"]
            except simulator_control.NoSimulator as error:
                raise CommandError(str(error)) from None
            differences += sum(self._compare(gateway, mode, lines) for mode in ("live", "test"))
        if differences:
            raise CommandError(f"{differences} differences")
        self.stdout.write(self.style.SUCCESS("zero differences"))

    def _compare(self, gateway: str, mode: str, lines: list[dict[str, Any]]) -> int:
        count, found = comparing.compare(gateway, mode, lines)
        if count:
            self.stdout.write(f"{gateway:<14} {mode:<5} {count:>5} in their books, {len(found)} differences")
        for one in found:
            self.stdout.write(f"    {one.payment}: {one.what}: here {one.ours}, there {one.theirs}")
        return len(found)
